/* ready.c - see ready.h. The verdict goes out once; the process has one. Main thread. */
#include "vmhost/ready.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static int ready_fd = -1;

void ready_set(int fd)
{
	ready_fd = fd;
	if (fd >= 0)
		fcntl(fd, F_SETFD, FD_CLOEXEC);
}

static void say(const char *line, size_t len)
{
	ssize_t n;

	while (len && ((n = write(ready_fd, line, len)) > 0 || (n < 0 && errno == EINTR)))
		if (n > 0) {
			line += n;
			len -= (size_t)n;
		}
	close(ready_fd);
	ready_fd = -1;
}

void ready_ok(void)
{
	if (ready_fd >= 0)
		say("ready\n", 6);
}

int ready_failed(int rc, const char *text)
{
	char line[560];
	int n;

	if (ready_fd >= 0) {
		n = snprintf(line, sizeof(line) - 1, "failed %d %.500s", -rc, text);
		for (int i = 0; i < n; i++)
			if (line[i] == '\n')
				line[i] = ' ';
		line[n++] = '\n';
		say(line, (size_t)n);
	} else {
		fprintf(stderr, "vitrine-vm: %s\n", text);
	}
	return EXIT_FAILED;
}

/* The parent: one line, then the child's business is its own. */
static void wait_for_child(int fd, pid_t child)
{
	char line[600];
	size_t len = 0;
	ssize_t n;
	int status;

	while (len < sizeof(line) - 1 && (n = read(fd, line + len, sizeof(line) - 1 - len)) != 0)
		if (n > 0)
			len += (size_t)n;
		else if (errno != EINTR)
			break;
	line[len] = '\0';
	if (strcmp(line, "ready\n") == 0)
		exit(EXIT_OK);
	fprintf(stderr, "vitrine-vm: %s",
		strncmp(line, "failed ", 7) ? "ended before the VM was up; see its log\n"
					    : line + 7 + strcspn(line + 7, " ") + 1);
	while (waitpid(child, &status, 0) < 0 && errno == EINTR)
		;
	exit(WIFEXITED(status) && WEXITSTATUS(status) ? WEXITSTATUS(status) : EXIT_FAILED);
}

int ready_detach(void)
{
	int fds[2], null;
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return -errno;
	pid = fork();
	if (pid < 0)
		return -errno;
	if (pid > 0) {
		close(fds[1]);
		wait_for_child(fds[0], pid);
	}
	close(fds[0]);
	setsid();
	null = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (null >= 0) {
		dup2(null, STDIN_FILENO);
		dup2(null, STDOUT_FILENO);
		dup2(null, STDERR_FILENO);
		close(null);
	}
	ready_set(fds[1]);
	return 0;
}
