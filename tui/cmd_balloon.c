/* cmd_balloon.c - the command balloon: how much memory a guest keeps. Screen thread. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include "tui/cmd.h"
#include "tui/decode.h"
#include "tui/vm_internal.h"

/* The VM may have gone when the answer comes: it is found again by its name. */
struct asked {
	struct ui *ui;
	char vm[VMC_NAME_SIZE];
};

static void answer(void *arg, int rc, const char *error, const char *json)
{
	struct asked *q = arg;
	struct vmc_balloon b;
	char ram[16], wanted[16], held[16], reported[16];

	if (rc == -ECONNRESET || vms_find(q->ui, q->vm) == NULL) {
		free(q);
		return;
	}
	if (rc < 0) {
		ui_warn(q->ui, "%s: balloon: %s", q->vm, error);
	} else if (vmc_parse_balloon(json, &b) == 0) {
		decode_size(b.ram, ram, sizeof(ram));
		decode_size(b.wanted, wanted, sizeof(wanted));
		decode_size(b.held, held, sizeof(held));
		decode_size(b.reported, reported, sizeof(reported));
		ui_say(q->ui, "%s: %s of memory, %s to be kept; in the balloon %s, reported free %s in all%s", q->vm, ram,
			wanted, held, reported, b.driver ? "" : "; the guest has no balloon driver at work");
	}
	free(q);
}

static int tell_state(struct ui_vm *vm)
{
	struct asked *q;
	int rc;

	if (!vm_is_live(vm)) {
		ui_warn(vm->ui, "%s is not running", vm->name);
		return -ENOTCONN;
	}
	q = calloc(1, sizeof(*q));
	if (q == NULL)
		return -ENOMEM;
	q->ui = vm->ui;
	snprintf(q->vm, sizeof(q->vm), "%s", vm->name);
	rc = vmc_conn_command(vm->conn, "x-balloon-stats", NULL, answer, q);
	if (rc < 0)
		free(q);
	else
		vm_watch(vm);
	return rc;
}

/* "256M" is for the selected VM, unless a VM has that name. */
int cmd_balloon(struct ui_cmd_call *call)
{
	bool named = call->argc > 2 || (call->argc == 2 && vms_find(call->ui, call->argv[1]) != NULL);
	const char *text = call->argc > 2 ? call->argv[2] : call->argc == 2 && !named ? call->argv[1] : NULL;
	struct ui_vm *vm = cmd_vm(call, named ? 1 : call->argc);
	char args[64];
	uint64_t keep;

	if (vm == NULL)
		return -ENOENT;
	if (text == NULL)
		return tell_state(vm);
	if (vmc_parse_size(text, &keep) < 0 || keep == 0) {
		ui_warn(call->ui, "balloon: \"%.64s\" is neither a VM nor a size; write 256M or 2G: what the guest shall keep",
			text);
		return -EINVAL;
	}
	snprintf(args, sizeof(args), "{\"value\": %" PRIu64 "}", keep);
	return vm_command(vm, "balloon", args, "balloon");
}
