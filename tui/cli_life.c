/*
 * cli_life.c - verbs that act on VMs that are there: start, pause, resume, reset, link. Several names: each is
 * tried, the worst status is returned.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tui/cli.h"

static int each(struct cli_call *call, int (*act)(struct cli_call *call, const char *vm))
{
	int worst = CLI_OK, i;

	for (i = 0; i < call->argc; i++) {
		int status = act(call, call->argv[i]);

		if (status > worst)
			worst = status;
	}
	return worst;
}

static int act_pause(struct cli_call *call, const char *vm)
{
	return cli_command(vm, "stop", NULL, NULL);
}

int cli_pause(int argc, char **argv)
{
	struct cli_call call;
	int status;

	return cli_parse("pause", argc, argv, &call, &status) ? each(&call, act_pause) : status;
}

static int act_resume(struct cli_call *call, const char *vm)
{
	return cli_command(vm, "cont", NULL, NULL);
}

int cli_resume(int argc, char **argv)
{
	struct cli_call call;
	int status;

	return cli_parse("resume", argc, argv, &call, &status) ? each(&call, act_resume) : status;
}

static int act_reset(struct cli_call *call, const char *vm)
{
	return cli_command(vm, "system_reset", NULL, NULL);
}

int cli_reset(int argc, char **argv)
{
	struct cli_call call;
	int status;

	return cli_parse("reset", argc, argv, &call, &status) ? each(&call, act_reset) : status;
}

/* ---- start ---- */

static bool find_vm(const char *name, struct vmc_list_entry *out)
{
	struct vmc_list_entry *list = NULL;
	char err[VMC_MSG_SIZE];
	bool found = false;
	size_t n = 0, i;

	if (vmc_list(&list, &n, err, sizeof(err)) < 0) {
		cli_fail(CLI_FAILED, "%s", err);
		return false;
	}
	for (i = 0; i < n && !found; i++) {
		found = !strcmp(list[i].name, name);
		if (found)
			*out = list[i];
	}
	free(list);
	return found;
}

/* Its process is there: whatever it takes to have it run. */
static int start_again(const char *vm)
{
	struct vmc_vm_info info;
	int status = cli_vm_info(vm, &info);

	if (status != CLI_OK)
		return status;
	switch (info.state) {
	case VMC_RUNNING:
		return cli_fail(CLI_FAILED, "%s runs already", vm);
	case VMC_PAUSED:
		return cli_fail(CLI_FAILED, "%s is paused: vitrine resume %s", vm, vm);
	case VMC_CREATED:
		return cli_command(vm, "cont", NULL, NULL);
	default: /* shut down or crashed */
		return cli_command(vm, "system_reset", NULL, NULL);
	}
}

static int act_start(struct cli_call *call, const char *vm)
{
	struct vmc_list_entry e;
	char config[4096], err[VMC_MSG_SIZE];
	const char *argv[] = { "--config", e.config, NULL };

	if (!vmc_name_ok(vm))
		return cli_fail(CLI_USAGE, "'%s' cannot be the name of a VM", vm);
	if (!find_vm(vm, &e)) {
		if (vmc_path_config(config, sizeof(config), err, sizeof(err)) < 0)
			return cli_fail(CLI_FAILED, "%s", err);
		return cli_fail(CLI_NO_VM, "no VM named '%s': there is no %s/vms/%s.cfg", vm, config, vm);
	}
	if (e.running)
		return start_again(vm);
	return cli_spawn(vm, argv);
}

int cli_start(int argc, char **argv)
{
	enum { CONSOLE };
	struct cli_call call;
	int status;

	if (!cli_parse("start", argc, argv, &call, &status))
		return status;
	if (call.value[CONSOLE] && call.argc != 1)
		return cli_fail(CLI_USAGE, "start --console: exactly one VM");
	status = each(&call, act_start);
	if (status == CLI_OK && call.value[CONSOLE])
		status = cli_attach(call.argv[0], 0, false, true, CLI_PREFIX);
	return status;
}

int cli_link_args(const char *card, const char *state, char *out, size_t size)
{
	bool up = strcmp(state, "up") == 0;
	size_t n = strspn(card, "abcdefghijklmnopqrstuvwxyz0123456789-_");

	if (!n || card[n] || n > 32 || (!up && strcmp(state, "down")))
		return -EINVAL;
	snprintf(out, size, "{\"name\": \"%s\", \"up\": %s}", card, up ? "true" : "false");
	return 0;
}

int cli_link(int argc, char **argv)
{
	struct cli_call call;
	char args[128];
	int status;

	if (!cli_parse("link", argc, argv, &call, &status))
		return status;
	if (cli_link_args(call.argv[1], call.argv[2], args, sizeof(args)) < 0)
		return cli_fail(CLI_USAGE, "link: write a card, as net0, and up or down, not '%s %s'; vitrine devices %s shows"
			" them", call.argv[1], call.argv[2], call.argv[0]);
	return cli_command(call.argv[0], "set_link", args, NULL);
}
