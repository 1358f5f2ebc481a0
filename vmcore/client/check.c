/*
 * check.c - what vitrine-vm --check-host says about KVM here (docs/protocol.md). Any thread; blocks.
 * The client does not open /dev/kvm itself: what counts is whether vitrine-vm can.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "vmcore/client/client.h"
#include "vmcore/client/json.h"

#define WAIT_MS 10000
#define TEXT_MAX 65536

extern char **environ;

static int run(const char *program, int *fd, pid_t *pid)
{
	char *const argv[] = { "vitrine-vm", "--check-host", NULL };
	posix_spawn_file_actions_t actions;
	int p[2], rc;

	if (pipe2(p, O_CLOEXEC) < 0)
		return -errno;
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_adddup2(&actions, p[1], 1);
	rc = posix_spawn(pid, program, &actions, NULL, argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	close(p[1]);
	if (rc) {
		close(p[0]);
		return -rc;
	}
	*fd = p[0];
	return 0;
}

/* All that comes until the end; -ETIMEDOUT when the end does not come. */
static int read_all(int fd, char *text, size_t size)
{
	int64_t end = client_now_ms() + WAIT_MS;
	size_t len = 0;

	for (;;) {
		struct pollfd p = { .fd = fd, .events = POLLIN };
		int64_t left = end - client_now_ms();
		ssize_t n;

		if (left <= 0)
			return -ETIMEDOUT;
		if (poll(&p, 1, (int)left) <= 0)
			continue;
		n = read(fd, text + len, size - 1 - len);
		if (n < 0 && errno != EINTR)
			return -errno;
		if (n > 0)
			len += (size_t)n;
		if (n == 0 || len == size - 1)
			break;
	}
	text[len] = '\0';
	return 0;
}

static int parse(const char *text, struct vmc_host_info *out)
{
	json_t *v = json_loads(text, 0, NULL), *present;
	const char *name;

	if (!json_is_object(v)) {
		json_decref(v);
		return -EPROTO;
	}
	json_opt_text(v, "version", out->version, sizeof(out->version));
	json_opt_text(v, "path", out->path, sizeof(out->path));
	out->usable = json_opt_bool(v, "usable");
	out->error = (int)json_opt_u64(v, "errno", 4095);
	json_opt_text(v, "error", out->message, sizeof(out->message));
	out->api_version = (int32_t)json_opt_u64(v, "api-version", INT32_MAX);
	out->max_vcpus = (int32_t)json_opt_u64(v, "max-vcpus", INT32_MAX);
	out->max_memslots = (int32_t)json_opt_u64(v, "max-memslots", INT32_MAX);
	json_object_foreach(json_object_get(v, "capabilities"), name, present) {
		if (out->ncaps == VMC_HOST_CAPS)
			break;
		snprintf(out->caps[out->ncaps].name, sizeof(out->caps[0].name), "%s", name);
		out->caps[out->ncaps++].present = json_is_true(present);
	}
	json_decref(v);
	return 0;
}

int vmc_check_host(struct vmc_host_info *out, char *err, size_t err_size)
{
	char text[TEXT_MAX];
	pid_t pid;
	int fd = -1, rc, status;

	memset(out, 0, sizeof(*out));
	rc = vmc_spawn_program(out->program, sizeof(out->program), err, err_size);
	if (rc < 0)
		return rc;
	rc = run(out->program, &fd, &pid);
	if (rc < 0)
		return client_fail(err, err_size, rc, "cannot run %s: %s", out->program, strerror(-rc));
	rc = read_all(fd, text, sizeof(text));
	close(fd);
	if (rc == -ETIMEDOUT)
		kill(pid, SIGKILL);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (rc < 0)
		return client_fail(err, err_size, rc, "%s --check-host: %s", out->program, strerror(-rc));
	rc = parse(text, out);
	if (rc < 0)
		return client_fail(err, err_size, rc, "%s --check-host said no JSON: %.100s", out->program, text);
	return 0;
}
