/*
 * paths.c - where a user's VMs, their sockets, states and definitions are. Any thread.
 * XDG Base Directory Specification 0.8: a relative path in a variable is ignored, the runtime folder
 * must belong to the user.
 */
#include <errno.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "vmcore/client/client.h"

int client_fail(char *err, size_t err_size, int rc, const char *fmt, ...)
{
	va_list ap;

	if (err && err_size) {
		va_start(ap, fmt);
		vsnprintf(err, err_size, fmt, ap);
		va_end(ap);
	}
	return rc;
}

int64_t client_now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

bool vmc_name_ok(const char *name)
{
	size_t len;

	if (!name || name[0] == '.' || name[0] == '-')
		return false;
	len = strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-");
	return len > 0 && len <= VMC_ID_MAX && name[len] == '\0';
}

static int join(char *out, size_t size, const char *a, const char *b, char *err, size_t err_size)
{
	int n = snprintf(out, size, "%s/%s", a, b);

	if (n < 0 || (size_t)n >= size)
		return client_fail(err, err_size, -ENAMETOOLONG, "path too long: %s/%s", a, b);
	return 0;
}

/* Makes a folder with its parents, for this user only. */
static int make_folders(const char *path, char *err, size_t err_size)
{
	char part[4096];
	char *p;

	if (strlen(path) >= sizeof(part))
		return client_fail(err, err_size, -ENAMETOOLONG, "path too long: %s", path);
	strcpy(part, path);
	for (p = part + 1;; p++) {
		char c = *p;

		if (c != '/' && c != '\0')
			continue;
		*p = '\0';
		if (mkdir(part, 0700) < 0 && errno != EEXIST) {
			int rc = -errno;

			/* A read-only or closed parent that exists is fine. */
			if (access(part, F_OK) < 0)
				return client_fail(err, err_size, rc, "cannot make %s: %s", part, strerror(-rc));
		}
		*p = c;
		if (c == '\0')
			return 0;
	}
}

/* In /tmp anybody can have put something in our place: only a folder that is ours alone will do. */
static int make_private(const char *path, char *err, size_t err_size)
{
	struct stat st;
	int rc;

	if (mkdir(path, 0700) < 0 && errno != EEXIST) {
		rc = -errno;
		return client_fail(err, err_size, rc, "cannot make %s: %s", path, strerror(-rc));
	}
	if (lstat(path, &st) < 0) {
		rc = -errno;
		return client_fail(err, err_size, rc, "cannot look at %s: %s", path, strerror(-rc));
	}
	if (!S_ISDIR(st.st_mode))
		return client_fail(err, err_size, -ENOTDIR, "%s is not a folder: move it away", path);
	if (st.st_uid != geteuid())
		return client_fail(err, err_size, -EPERM, "%s belongs to another user (uid %u): set XDG_RUNTIME_DIR "
			"to a folder of your own", path, (unsigned)st.st_uid);
	if (st.st_mode & 077)
		return client_fail(err, err_size, -EPERM, "%s is open to other users (mode %04o): chmod 700 %s",
			path, (unsigned)(st.st_mode & 07777), path);
	return 0;
}

/* $XDG_RUNTIME_DIR when it is ours: root by way of sudo must not leave its folders in a user's. */
static const char *runtime_base(void)
{
	const char *dir = getenv("XDG_RUNTIME_DIR");
	struct stat st;

	if (!dir || dir[0] != '/' || stat(dir, &st) < 0 || !S_ISDIR(st.st_mode) || st.st_uid != geteuid())
		return NULL;
	return dir;
}

int vmc_path_runtime(char *out, size_t size, char *err, size_t err_size)
{
	const char *base = runtime_base();
	char name[32];
	int rc;

	snprintf(name, sizeof(name), "vitrine-%u", (unsigned)geteuid());
	rc = join(out, size, base ? base : "/tmp", base ? "vitrine" : name, err, err_size);
	return rc < 0 ? rc : make_private(out, err, err_size);
}

/* $@variable/vitrine or HOME/@below/vitrine. */
static int home_path(const char *variable, const char *below, char *out, size_t size, char *err,
	size_t err_size)
{
	const char *dir = getenv(variable), *home = getenv("HOME");
	char base[4096];
	struct passwd *pw;
	int rc;

	if (dir && dir[0] == '/')
		return join(out, size, dir, "vitrine", err, err_size);
	if (!home || home[0] != '/') {
		pw = getpwuid(geteuid());
		if (!pw || !pw->pw_dir || pw->pw_dir[0] != '/')
			return client_fail(err, err_size, -ENOENT, "no home folder: set HOME or %s", variable);
		home = pw->pw_dir;
	}
	rc = join(base, sizeof(base), home, below, err, err_size);
	return rc < 0 ? rc : join(out, size, base, "vitrine", err, err_size);
}

int vmc_path_state(char *out, size_t size, char *err, size_t err_size)
{
	int rc = home_path("XDG_STATE_HOME", ".local/state", out, size, err, err_size);

	return rc < 0 ? rc : make_folders(out, err, err_size);
}

int vmc_path_config(char *out, size_t size, char *err, size_t err_size)
{
	return home_path("XDG_CONFIG_HOME", ".config", out, size, err, err_size);
}

static int vm_file(const char *vm, const char *file, char *out, size_t size, size_t limit)
{
	char dir[4096], err[VMC_MSG_SIZE];
	int rc, n;

	if (!vmc_name_ok(vm))
		return -EINVAL;
	rc = vmc_path_runtime(dir, sizeof(dir), err, sizeof(err));
	if (rc < 0)
		return rc;
	n = snprintf(out, size, "%s/%s/%s", dir, vm, file);
	return n < 0 || (size_t)n >= size || (size_t)n >= limit ? -ENAMETOOLONG : 0;
}

int vmc_path_control(const char *vm, char *out, size_t size)
{
	return vm_file(vm, "control", out, size, sizeof(((struct sockaddr_un *)0)->sun_path));
}

int vmc_path_console(const char *vm, unsigned stream, char *out, size_t size)
{
	if (stream > 1)
		return -EINVAL;
	return vm_file(vm, stream ? "console1" : "console", out, size,
		sizeof(((struct sockaddr_un *)0)->sun_path));
}

int vmc_path_log(const char *vm, char *out, size_t size)
{
	return vm_file(vm, "log", out, size, SIZE_MAX);
}
