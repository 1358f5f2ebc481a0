/*
 * cli_demo.c - the verb demo: three teaching guests side by side in the workstation, or a Linux (cli_linux.c). They
 * have names of their own, so that they take nobody's place; a second demo finds them running and attaches to them.
 */
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tui/cli.h"

static const char *const guests[] = { "shell", "pager", "clock" };
#define NGUESTS (sizeof(guests) / sizeof(guests[0]))

int (*cli_workstation)(const char *select);

static void demo_name(size_t i, char *out, size_t size)
{
	snprintf(out, size, "demo-%s", guests[i]);
}

/* The definition that came with the guest: beside the program (a build tree), or installed. */
static bool find_definition(const char *guest, char *out, size_t size)
{
	static const char *const beside[] = { "guests/vms", "../guests/vms" };
	char self[PATH_MAX], *slash;
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	size_t i;

	self[n > 0 ? n : 0] = '\0';
	slash = strrchr(self, '/');
	for (i = 0; slash && i < 2; i++) {
		if ((size_t)snprintf(out, size, "%.*s/%s/%s.cfg", (int)(slash - self), self, beside[i], guest) < size &&
			access(out, R_OK) == 0)
			return true;
	}
	return (size_t)snprintf(out, size, "%s/guests/vms/%s.cfg", VITRINE_DATADIR, guest) < size &&
		access(out, R_OK) == 0;
}

static bool is_running(const struct vmc_list_entry *list, size_t n, const char *name)
{
	size_t i;

	for (i = 0; i < n; i++) {
		if (list[i].running && !strcmp(list[i].name, name))
			return true;
	}
	return false;
}

struct starting {
	char name[VMC_NAME_SIZE], config[PATH_MAX], kernel[64];
	int fd; /* -1: not being started */
	int status;
};

static int begin(struct starting *s, const char *guest)
{
	const char *argv[5] = { NULL };
	const struct vmc_spawn spawn = { .name = s->name, .argv = argv };
	char err[VMC_MSG_SIZE];

	if (find_definition(guest, s->config, sizeof(s->config))) {
		argv[0] = "--config";
		argv[1] = s->config;
	} else {
		snprintf(s->kernel, sizeof(s->kernel), "guest:%s", guest);
		argv[0] = "--kernel";
		argv[1] = s->kernel;
		argv[2] = "--memory";
		argv[3] = "64M";
	}
	if (vmc_spawn(&spawn, &s->fd, err, sizeof(err)) == 0)
		return CLI_OK;
	s->fd = -1;
	return cli_fail(CLI_FAILED, "%s: %s", s->name, err);
}

static int finish(struct starting *s, uint64_t end_ms)
{
	struct pollfd p = { .fd = s->fd, .events = POLLIN };
	char err[VMC_MSG_SIZE];
	int rc = -EAGAIN;

	while (rc == -EAGAIN) {
		uint64_t now = cli_now_ms();

		if (now >= end_ms) {
			close(s->fd);
			return cli_fail(CLI_TIMEOUT, "%s is not up yet; see `vitrine log %s`", s->name, s->name);
		}
		if (poll(&p, 1, (int)(end_ms - now)) > 0)
			rc = vmc_spawn_result(s->fd, err, sizeof(err));
	}
	if (rc == 0 || rc == -EEXIST) /* somebody else was quicker */
		return CLI_OK;
	cli_fail(CLI_FAILED, "%s: %s", s->name, err);
	if (access("/dev/kvm", R_OK | W_OK) == 0)
		return CLI_FAILED;
	return cli_fail(CLI_NO_KVM, "`vitrine check` says what is missing and how to fix it");
}

/* All at once, then wait: on a slow host three take no longer than one. @up: how many run. */
static int start_all(size_t *up)
{
	struct starting s[NGUESTS];
	struct vmc_list_entry *list = NULL;
	char err[VMC_MSG_SIZE];
	uint64_t end = cli_now_ms() + 30000;
	int worst = CLI_OK, status;
	size_t n = 0, i;

	if (vmc_list(&list, &n, err, sizeof(err)) < 0)
		return cli_fail(CLI_FAILED, "%s", err);
	for (i = 0; i < NGUESTS; i++) {
		s[i].fd = -1;
		demo_name(i, s[i].name, sizeof(s[i].name));
		status = is_running(list, n, s[i].name) ? CLI_OK : begin(&s[i], guests[i]);
		worst = status > worst ? status : worst;
		*up += status == CLI_OK && s[i].fd < 0;
	}
	free(list);
	for (i = 0; i < NGUESTS; i++) {
		if (s[i].fd < 0)
			continue;
		status = finish(&s[i], end);
		worst = status > worst ? status : worst;
		*up += status == CLI_OK;
	}
	return worst;
}

static int stop_all(bool linux_only)
{
	struct vmc_list_entry *list = NULL;
	char err[VMC_MSG_SIZE], name[VMC_NAME_SIZE];
	int worst = CLI_OK, status;
	size_t n = 0, i;

	if (vmc_list(&list, &n, err, sizeof(err)) < 0)
		return cli_fail(CLI_FAILED, "%s", err);
	for (i = 0; i < NGUESTS && !linux_only; i++) {
		demo_name(i, name, sizeof(name));
		status = is_running(list, n, name) ? cli_stop_vm(name, true, 0) : CLI_OK;
		worst = status > worst ? status : worst;
	}
	if (is_running(list, n, CLI_DEMO_LINUX)) {
		status = cli_stop_vm(CLI_DEMO_LINUX, true, 0); /* all that it has is in memory */
		worst = status > worst ? status : worst;
	}
	free(list);
	return worst;
}

static int start_linux(const struct cli_call *call)
{
	struct vmc_list_entry *list = NULL;
	char err[VMC_MSG_SIZE];
	size_t n = 0;
	bool up;

	if (vmc_list(&list, &n, err, sizeof(err)) < 0)
		return cli_fail(CLI_FAILED, "%s", err);
	up = is_running(list, n, CLI_DEMO_LINUX);
	free(list);
	if (up && (call->argc > 1 || call->ngiven > (call->value[CLI_DEMO_DETACH] != NULL)))
		return cli_fail(CLI_FAILED, "%s runs already, with a kernel and options of its own: `vitrine demo linux` attaches "
			"to it, `vitrine demo linux --stop` ends it", CLI_DEMO_LINUX);
	return up ? CLI_OK : cli_demo_linux(call);
}

int cli_demo(int argc, char **argv)
{
	struct cli_call call;
	bool with_linux;
	size_t up = 0;
	int status, i;

	if (!cli_parse("demo", argc, argv, &call, &status))
		return status;
	with_linux = call.argc > 0;
	if (with_linux && strcmp(call.argv[0], "linux") != 0)
		return cli_fail(CLI_USAGE, "demo: '%s' is no demo; there are `vitrine demo` and `vitrine demo linux [KERNEL]`",
			call.argv[0]);
	for (i = 0; !with_linux && i < call.ngiven; i++)
		if (call.given[i].row != CLI_DEMO_STOP && call.given[i].row != CLI_DEMO_DETACH)
			return cli_fail(CLI_USAGE, "demo: --%s is for `vitrine demo linux`", call.verb->options[call.given[i].row].name);
	if (call.value[CLI_DEMO_STOP])
		return stop_all(with_linux);
	if (!call.value[CLI_DEMO_DETACH] && (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO)))
		return cli_fail(CLI_USAGE, "demo needs a terminal; --detach starts the VMs without one");
	status = with_linux ? start_linux(&call) : start_all(&up);
	if ((with_linux ? status != CLI_OK : up == 0) || call.value[CLI_DEMO_DETACH])
		return status;
	if (!cli_workstation)
		return cli_fail(CLI_FAILED, "this vitrine was built without its workstation");
	status = cli_workstation(with_linux ? CLI_DEMO_LINUX : "demo-pager");
	if (with_linux)
		puts("The VM goes on: `vitrine demo linux` attaches again, `vitrine demo linux --stop` ends it.");
	else
		puts("The demo's VMs go on: `vitrine demo` attaches again, `vitrine demo --stop` ends them.");
	return status;
}
