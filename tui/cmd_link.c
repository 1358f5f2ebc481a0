/* cmd_link.c - the command link: a network card's cable, pulled or plugged in. Screen thread. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "tui/cli.h"
#include "tui/cmd.h"

int cmd_link(struct ui_cmd_call *call)
{
	int last = call->argc - 1;
	struct ui_vm *vm = cmd_vm(call, last == 3 ? 1 : call->argc);
	char args[128];

	if (vm == NULL)
		return -ENOENT;
	if (last < 2 || cli_link_args(call->argv[last - 1], call->argv[last], args, sizeof(args)) < 0) {
		ui_warn(call->ui, "link: write a card and up or down: link net0 down");
		return -EINVAL;
	}
	return vm_command(vm, "set_link", args, "link");
}
