/*
 * list.c - which VMs run and which are defined. Any thread.
 * A VM runs when somebody listens on its control socket; a runtime folder that nobody listens in is
 * what a killed process left behind.
 */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "vmcore/client/client.h"

#define MAX_VMS 4096 /* more folders than that are not ours */

struct list {
	struct vmc_list_entry *entries;
	size_t count, cap;
};

static struct vmc_list_entry *list_get(struct list *l, const char *name)
{
	struct vmc_list_entry *e;
	size_t i;

	for (i = 0; i < l->count; i++) {
		if (!strcmp(l->entries[i].name, name))
			return &l->entries[i];
	}
	if (l->count == MAX_VMS)
		return NULL;
	if (l->count == l->cap) {
		size_t cap = l->cap ? l->cap * 2 : 16;

		e = realloc(l->entries, cap * sizeof(*e));
		if (!e)
			return NULL;
		l->entries = e;
		l->cap = cap;
	}
	e = &l->entries[l->count++];
	memset(e, 0, sizeof(*e));
	snprintf(e->name, sizeof(e->name), "%s", name);
	return e;
}

int client_connect(const char *vm, int *out)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd, rc;

	rc = vmc_path_control(vm, addr.sun_path, sizeof(addr.sun_path));
	if (rc < 0)
		return rc;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (connect(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0) {
		rc = -errno;
		close(fd);
		return rc;
	}
	*out = fd;
	return 0;
}

/* Is there a listener, and which process is it? */
static bool is_running(const char *vm, int32_t *pid)
{
	struct ucred cred;
	socklen_t len = sizeof(cred);
	int fd, rc = client_connect(vm, &fd);

	if (rc < 0)
		return rc == -EAGAIN; /* its queue of callers is full: somebody holds it */
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) == 0)
		*pid = cred.pid;
	close(fd);
	return true;
}

static int add_running(struct list *l, vmc_list_known *known, void *arg, char *err, size_t err_size)
{
	char dir[4096];
	struct dirent *de;
	DIR *d;
	int rc = vmc_path_runtime(dir, sizeof(dir), err, err_size);

	if (rc < 0)
		return rc;
	d = opendir(dir);
	if (!d) {
		rc = -errno;
		return client_fail(err, err_size, rc, "cannot read %s: %s", dir, strerror(-rc));
	}
	while ((de = readdir(d))) {
		struct vmc_list_entry *e;
		int32_t pid = 0;

		if (!vmc_name_ok(de->d_name) || (!(known && known(arg, de->d_name)) && !is_running(de->d_name, &pid)))
			continue;
		e = list_get(l, de->d_name);
		if (!e)
			break;
		e->running = true;
		e->pid = pid;
	}
	closedir(d);
	return 0;
}

static int add_defined(struct list *l, char *err, size_t err_size)
{
	char dir[4096], name[256];
	struct dirent *de;
	DIR *d;
	int rc = vmc_path_config(dir, sizeof(dir) - 8, err, err_size);

	if (rc < 0)
		return rc;
	strcat(dir, "/vms");
	d = opendir(dir);
	if (!d && errno == ENOENT)
		return 0;
	if (!d) {
		rc = -errno;
		return client_fail(err, err_size, rc, "cannot read %s: %s", dir, strerror(-rc));
	}
	while ((de = readdir(d))) {
		struct vmc_list_entry *e;
		size_t len = strlen(de->d_name);

		if (len <= 4 || strcmp(de->d_name + len - 4, ".cfg") != 0)
			continue;
		snprintf(name, sizeof(name), "%.*s", (int)(len - 4), de->d_name);
		if (!vmc_name_ok(name))
			continue;
		e = list_get(l, name);
		if (!e)
			break;
		e->defined = true;
		if ((size_t)snprintf(e->config, sizeof(e->config), "%s/%s", dir, de->d_name) >= sizeof(e->config))
			e->config[0] = '\0'; /* too long to hand on: the name finds it too */
	}
	closedir(d);
	return 0;
}

static int by_name(const void *a, const void *b)
{
	const struct vmc_list_entry *x = a, *y = b;

	return strcmp(x->name, y->name);
}

int vmc_list(struct vmc_list_entry **out, size_t *count, char *err, size_t err_size)
{
	return vmc_list_with(NULL, NULL, out, count, err, err_size);
}

int vmc_list_with(vmc_list_known *known, void *arg, struct vmc_list_entry **out, size_t *count, char *err, size_t err_size)
{
	struct list l = { 0 };
	int rc = add_running(&l, known, arg, err, err_size);

	if (rc == 0)
		rc = add_defined(&l, err, err_size);
	if (rc < 0) {
		free(l.entries);
		return rc;
	}
	if (l.count)
		qsort(l.entries, l.count, sizeof(*l.entries), by_name);
	*out = l.entries;
	*count = l.count;
	return 0;
}
