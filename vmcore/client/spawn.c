/*
 * spawn.c - start vitrine-vm as a process of its own that outlives the caller. Any thread, but the
 * caller's signal mask and descriptors are those of the moment.
 *
 * The process tells how it went over --ready-fd (docs/protocol.md): one line on a socket, so that
 * vmc_spawn_result() can look at an unfinished line and leave it where it is.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "vmcore/client/client.h"

#define MAX_ARGS 64
#define READY_FD 3

static bool runnable(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISREG(st.st_mode) && access(path, X_OK) == 0;
}

static bool find_in_path(char *out, size_t size)
{
	const char *p = getenv("PATH");

	while (p && *p) {
		size_t len = strcspn(p, ":");

		if (len > 0 && p[0] == '/' && (size_t)snprintf(out, size, "%.*s/vitrine-vm", (int)len, p) < size &&
			runnable(out))
			return true;
		p += len + (p[len] == ':');
	}
	return false;
}

int vmc_spawn_program(char *out, size_t size, char *err, size_t err_size)
{
	char self[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	char *slash;

	if (n > 0) {
		self[n] = '\0';
		slash = strrchr(self, '/');
		if (slash && (size_t)snprintf(out, size, "%.*s/vitrine-vm", (int)(slash - self), self) < size &&
			runnable(out))
			return 0;
	}
	if ((size_t)snprintf(out, size, "%s/vitrine-vm", VITRINE_LIBEXECDIR) < size && runnable(out))
		return 0;
	if (find_in_path(out, size))
		return 0;
	return client_fail(err, err_size, -ENOENT, "the program vitrine-vm is not beside this one, not in %s and "
		"not in PATH: is vitrine installed whole?", VITRINE_LIBEXECDIR);
}


static void spawn_say(int fd, int error, const char *what, const char *program)
{
	char line[PATH_MAX + 128];
	int n = snprintf(line, sizeof(line), "failed %d %s %s: %s\n", error, what, program, strerror(error));

	if (write(fd, line, (size_t)n < sizeof(line) ? (size_t)n : sizeof(line) - 1) < 0)
		_exit(126);
}

/* In the new process: nothing of the caller's but its folder, its environment and @fd. */
static void run_program(const char *program, char *const *argv, int fd)
{
	struct sigaction dfl = { .sa_handler = SIG_DFL };
	sigset_t none;
	int null, sig;

	for (sig = 1; sig < NSIG; sig++)
		sigaction(sig, &dfl, NULL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	null = open("/dev/null", O_RDWR);
	if (null < 0) {
		spawn_say(fd, errno, "cannot open /dev/null to start", program);
		_exit(126);
	}
	/* Out of the way first, in case the caller runs with some of 0..3 closed. */
	fd = fcntl(fd, F_DUPFD, 16);
	null = fcntl(null, F_DUPFD, 16);
	if (fd < 0 || null < 0)
		_exit(126);
	dup2(null, 0);
	dup2(null, 1);
	dup2(null, 2);
	dup2(fd, READY_FD);
	close_range(READY_FD + 1, ~0u, 0);
	execv(program, argv);
	spawn_say(READY_FD, errno, "cannot run", program);
	_exit(127);
}

/* Forks twice, so that the VM is nobody's child and the caller has nothing to reap. */
static int start(const char *program, char *const *argv, int fd, char *err, size_t err_size)
{
	pid_t pid = fork();
	int rc = 0, status;

	if (pid < 0) {
		rc = -errno;
		return client_fail(err, err_size, rc, "cannot make a process: %s", strerror(-rc));
	}
	if (pid == 0) {
		setsid();
		pid = fork();
		if (pid == 0)
			run_program(program, argv, fd);
		_exit(pid < 0 ? 1 : 0);
	}
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
		return client_fail(err, err_size, -EAGAIN, "cannot make a process: too many, or no memory");
	return 0;
}

int vmc_spawn(const struct vmc_spawn *spawn, int *fd, char *err, size_t err_size)
{
	char found[PATH_MAX];
	const char *program = spawn->vitrine_vm;
	const char *args[MAX_ARGS + 8] = { "vitrine-vm", "--name", spawn->name, "--ready-fd", "3" };
	size_t n = 5, i;
	int sv[2], rc;

	if (!vmc_name_ok(spawn->name))
		return client_fail(err, err_size, -EINVAL, "'%s' cannot be the name of a VM: 1 to %u letters, digits, "
			"'.', '_' and '-', beginning with neither '.' nor '-'", spawn->name ? spawn->name : "", VMC_ID_MAX);
	if (!program) {
		rc = vmc_spawn_program(found, sizeof(found), err, err_size);
		if (rc < 0)
			return rc;
		program = found;
	}
	for (i = 0; spawn->argv && spawn->argv[i]; i++) {
		if (i == MAX_ARGS)
			return client_fail(err, err_size, -E2BIG, "more than %d options for vitrine-vm", MAX_ARGS);
		args[n++] = spawn->argv[i];
	}
	args[n] = NULL;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv) < 0) {
		rc = -errno;
		return client_fail(err, err_size, rc, "cannot make a socket: %s", strerror(-rc));
	}
	rc = start(program, (char *const *)args, sv[1], err, err_size);
	close(sv[1]);
	if (rc < 0) {
		close(sv[0]);
		return rc;
	}
	fcntl(sv[0], F_SETFL, O_NONBLOCK);
	*fd = sv[0];
	return 0;
}

/* "ready" or "failed ERRNO TEXT". */
static int read_verdict(char *line, char *err, size_t err_size)
{
	char *end;
	long num;

	if (!strcmp(line, "ready"))
		return 0;
	if (strncmp(line, "failed ", 7) != 0)
		return client_fail(err, err_size, -EPROTO, "vitrine-vm said something unexpected: %.100s", line);
	num = strtol(line + 7, &end, 10);
	if (num <= 0 || num > 4095)
		num = EIO;
	return client_fail(err, err_size, (int)-num, "%s", *end == ' ' ? end + 1 : end);
}

int vmc_spawn_result(int fd, char *err, size_t err_size)
{
	char buf[1024];
	ssize_t n;
	char *nl;
	int rc;

	do
		n = recv(fd, buf, sizeof(buf) - 1, MSG_PEEK | MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
		return -EAGAIN;
	if (n <= 0) {
		close(fd);
		return client_fail(err, err_size, -EPIPE, "vitrine-vm ended before the VM was up; its log may say why");
	}
	buf[n] = '\0';
	nl = strchr(buf, '\n');
	if (!nl && (size_t)n < sizeof(buf) - 1) {
		struct pollfd p = { .fd = fd, .events = POLLRDHUP };

		/* Unfinished, unless the writer is gone: then this is all there will be. */
		if (poll(&p, 1, 0) == 0)
			return -EAGAIN;
	}
	if (nl)
		*nl = '\0';
	rc = read_verdict(buf, err, err_size);
	close(fd);
	return rc == -EAGAIN ? -EIO : rc;
}

int vmc_spawn_wait(const struct vmc_spawn *spawn, int timeout_ms, char *err, size_t err_size)
{
	struct pollfd p = { .events = POLLIN };
	int64_t end = client_now_ms() + timeout_ms;
	int rc = vmc_spawn(spawn, &p.fd, err, err_size);

	if (rc < 0)
		return rc;
	for (;;) {
		int64_t left = end - client_now_ms();

		if (left <= 0) {
			close(p.fd);
			return client_fail(err, err_size, -ETIMEDOUT, "%s is not up after %d ms; it may still come",
				spawn->name, timeout_ms);
		}
		if (poll(&p, 1, (int)left) <= 0)
			continue;
		rc = vmc_spawn_result(p.fd, err, err_size);
		if (rc != -EAGAIN)
			return rc;
	}
}
