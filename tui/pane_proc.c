/*
 * pane_proc.c - the process of a pane: starting vitrine-term with its three descriptors, sending to it, ending it.
 * Screen thread.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include <tui/pane_priv.h>

/* A memfd that can neither shrink under our mapping nor grow; @p->grid is mapped read-only. */
static int make_grid(struct pane *p)
{
	int rc, fd = memfd_create("vitrine-grid", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	void *map;

	if (fd < 0)
		return -errno;
	if (ftruncate(fd, sizeof(struct term_grid)) < 0 ||
			fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0) {
		rc = -errno;
		goto err;
	}
	map = mmap(NULL, sizeof(struct term_grid), PROT_READ, MAP_SHARED, fd, 0);
	if (map == MAP_FAILED) {
		rc = -errno;
		goto err;
	}
	p->grid = map;
	return fd;
err:
	close(fd);
	return rc;
}

static bool beside_us(char *path, size_t size)
{
	ssize_t n = readlink("/proc/self/exe", path, size - 1);
	char *slash;

	if (n <= 0)
		return false;
	path[n] = 0;
	slash = strrchr(path, '/');
	if (!slash || (size_t)(slash + 1 - path) + sizeof("vitrine-term") > size)
		return false;
	strcpy(slash + 1, "vitrine-term");
	return access(path, X_OK) == 0;
}

/* In the child: only async-signal-safe calls. */
static void become(const char *program, int control, int grid, int wake)
{
	char *argv[] = { (char *)"vitrine-term", NULL }, *envp[] = { NULL };
	int null = open("/dev/null", O_RDWR);
	int fds[3] = { fcntl(control, F_DUPFD, 10), fcntl(grid, F_DUPFD, 10), fcntl(wake, F_DUPFD, 10) };
	sigset_t none;

	/* Not the terminal: neither its input nor a way to write on the screen. */
	if (null < 0 || dup2(null, 0) < 0 || dup2(null, 1) < 0 || dup2(null, 2) < 0)
		_exit(127);
	for (int i = 0; i < 3; i++) {
		if (fds[i] < 0 || dup2(fds[i], TERM_FD_CONTROL + i) < 0)
			_exit(127);
	}
	if (close_range(TERM_FD_WAKE + 1, ~0u, 0) < 0)
		_exit(127);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPROF, SIG_DFL);
	setsid(); /* the terminal's signals are not for it */
	execve(program, argv, envp);
	_exit(127);
}

static int start(struct pane *p, int control, int grid)
{
	char path[PATH_MAX];
	const char *program = p->program;

	if (!program)
		program = beside_us(path, sizeof(path)) ? path : VITRINE_LIBEXECDIR "/vitrine-term";
	if (access(program, X_OK) < 0) {
		int rc = -errno;

		snprintf(p->status, sizeof(p->status), "cannot start %.100s: %s", program, strerror(-rc));
		return rc;
	}
	p->pid = fork();
	if (p->pid == 0)
		become(program, control, grid, p->wake);
	return p->pid < 0 ? -errno : 0;
}

int pane_spawn(struct pane *p)
{
	int rc, grid = make_grid(p), sv[2];

	if (grid < 0)
		return grid;
	p->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (p->wake < 0) {
		rc = -errno;
		goto err_grid;
	}
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sv) < 0) {
		rc = -errno;
		goto err_wake;
	}
	rc = start(p, sv[1], grid);
	close(sv[1]);
	close(grid);
	if (rc < 0) {
		close(sv[0]);
		grid = -1;
		goto err_wake;
	}
	p->control = sv[0];
	return 0;

err_wake:
	close(p->wake);
	p->wake = -1;
err_grid:
	if (grid >= 0)
		close(grid);
	munmap(p->grid, sizeof(struct term_grid));
	p->grid = NULL;
	p->pid = 0;
	return rc;
}

/* The chunk that was being parsed; its lengths come from a process that may lie. */
static void keep_poison(struct pane *p)
{
	uint32_t chunk = atomic_load(&p->grid->chunk_len), context = atomic_load(&p->grid->context_len);

	p->chunk = 0;
	if (!chunk || chunk > TERM_CHUNK_MAX || context > TERM_CONTEXT_MAX)
		return;
	p->chunk = chunk;
	p->context = context;
	memcpy(p->poison, p->grid->chunk, context + chunk);
}

bool pane_reap(struct pane *p, char *why, size_t size)
{
	int status = 0;

	if (p->pid <= 0)
		return false;
	/* It may have closed the socket and live on. Killed after the fact, a dead one keeps its own status. */
	kill(p->pid, SIGKILL);
	while (waitpid(p->pid, &status, 0) < 0 && errno == EINTR)
		;
	if (WIFSIGNALED(status))
		snprintf(why, size, "%s", WTERMSIG(status) == SIGPROF ? PANE_TOO_LONG :
			strsignal(WTERMSIG(status)));
	else
		snprintf(why, size, "exit status %d", WEXITSTATUS(status));
	keep_poison(p);
	close(p->control);
	close(p->wake);
	munmap(p->grid, sizeof(struct term_grid));
	p->grid = NULL;
	p->pid = 0;
	p->control = p->wake = -1;
	return WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
}

int pane_send(struct pane *p, struct term_ev *ev, const void *data, size_t len, int fd)
{
	struct iovec iov[2] = { { ev, sizeof(*ev) }, { (void *)data, len } };
	union {
		char buf[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control = { .buf = { 0 } };
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = len ? 2 : 1 };

	if (p->pid <= 0)
		return -ENOTCONN;
	ev->len = (uint32_t)len;
	if (fd >= 0) {
		struct cmsghdr *c;

		msg.msg_control = control.buf;
		msg.msg_controllen = sizeof(control.buf);
		c = CMSG_FIRSTHDR(&msg);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(c), &fd, sizeof(fd));
	}
	return sendmsg(p->control, &msg, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 ? -errno : 0;
}
