/* rundir.c - see rundir.h. Main thread. */
#include "vmhost/rundir.h"
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include <vmcore/client.h>

#define BACKLOG 16

static int fail(int rc, char *err, size_t err_size, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

static int fail(int rc, char *err, size_t err_size, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(err, err_size, fmt, ap);
	va_end(ap);
	return rc;
}

static int take_lock(struct rundir *rd, const char *name, char *err, size_t err_size)
{
	char path[600], pid[32];
	ssize_t n;
	int rc;

	snprintf(path, sizeof(path), "%s/lock", rd->dir);
	rd->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (rd->lock_fd < 0) {
		rc = -errno;
		return fail(rc, err, err_size, "cannot open %s: %s", path, strerror(-rc));
	}
	/* The file is never removed, so that the lock is always on the same one. */
	if (flock(rd->lock_fd, LOCK_EX | LOCK_NB) < 0) {
		n = pread(rd->lock_fd, pid, sizeof(pid) - 1, 0);
		pid[n > 0 ? n : 0] = '\0';
		pid[strcspn(pid, "\n")] = '\0';
		close(rd->lock_fd);
		rd->lock_fd = -1;
		return fail(-EEXIST, err, err_size,
			"a VM named %s runs already (process %s); attach to it,"
			" or give this one another --name",
			name, *pid ? pid : "unknown");
	}
	n = snprintf(pid, sizeof(pid), "%d\n", (int)getpid());
	if (ftruncate(rd->lock_fd, 0) < 0 || pwrite(rd->lock_fd, pid, (size_t)n, 0) < 0) {
		rc = -errno;
		return fail(rc, err, err_size, "cannot write %s: %s", path, strerror(-rc));
	}
	return 0;
}

int rundir_open(struct rundir *rd, const char *name, char *err, size_t err_size)
{
	char base[400];
	struct stat st;
	int rc;

	memset(rd, 0, sizeof(*rd));
	rd->lock_fd = rd->control_fd = -1;
	for (unsigned i = 0; i < RUNDIR_CONSOLES; i++)
		rd->console_fd[i] = -1;
	rc = vmc_path_runtime(base, sizeof(base), err, err_size);
	if (rc < 0)
		return rc;
	snprintf(rd->dir, sizeof(rd->dir), "%s/%s", base, name);
	if (mkdir(rd->dir, 0700) < 0 && errno != EEXIST) {
		rc = -errno;
		return fail(rc, err, err_size, "cannot make %s: %s", rd->dir, strerror(-rc));
	}
	if (lstat(rd->dir, &st) < 0 || !S_ISDIR(st.st_mode) || st.st_uid != geteuid() ||
		(st.st_mode & 077))
		return fail(-EPERM, err, err_size,
			"%s must be a folder of yours with mode 0700; remove it", rd->dir);
	return take_lock(rd, name, err, err_size);
}

static int listen_at(const char *path, int *out, char *err, size_t err_size)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int fd, rc;

	if (strlen(path) >= sizeof(addr.sun_path))
		return fail(-ENAMETOOLONG, err, err_size,
			"%s is too long for a socket: a shorter name,"
			" or a shorter XDG_RUNTIME_DIR",
			path);
	strcpy(addr.sun_path, path);
	if (unlink(path) < 0 && errno != ENOENT) {
		rc = -errno;
		return fail(rc, err, err_size, "cannot remove the old %s: %s", path, strerror(-rc));
	}
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0 || bind(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0 ||
		listen(fd, BACKLOG) < 0) {
		rc = -errno;
		if (fd >= 0)
			close(fd);
		return fail(rc, err, err_size, "cannot listen at %s: %s", path, strerror(-rc));
	}
	*out = fd;
	return 0;
}

int rundir_listen(struct rundir *rd, const char *name, char *err, size_t err_size)
{
	char path[600];
	int rc;

	for (unsigned i = 0; i < RUNDIR_CONSOLES; i++) {
		snprintf(path, sizeof(path), "%s/console%s", rd->dir, i ? "1" : "");
		rc = listen_at(path, &rd->console_fd[i], err, err_size);
		if (rc < 0)
			return rc;
	}
	/* Last: whoever finds the control socket finds the consoles too. */
	snprintf(path, sizeof(path), "%s/control", rd->dir);
	return listen_at(path, &rd->control_fd, err, err_size);
}

static void shut(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

void rundir_close(struct rundir *rd)
{
	shut(&rd->control_fd);
	for (unsigned i = 0; i < RUNDIR_CONSOLES; i++)
		shut(&rd->console_fd[i]);
	shut(&rd->lock_fd);
}
