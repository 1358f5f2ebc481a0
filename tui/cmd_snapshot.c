/*
 * cmd_snapshot.c - save, load and delete snapshots; the VM process does it, the screen goes on. Screen thread.
 */
#include "config.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "tui/cmd.h"

struct pending {
	struct ui *ui;
	char vm[VMC_NAME_SIZE], snapshot[VMC_NAME_SIZE], name[VMC_NAME_SIZE]; /* by id, for names may be given twice */
	const char *what;
};

static struct pending *pending_new(struct ui *ui, const struct ui_vm *vm, const char *what, const char *snapshot)
{
	struct pending *p = calloc(1, sizeof(*p));

	if (p == NULL)
		return NULL;
	p->ui = ui;
	p->what = what;
	snprintf(p->vm, sizeof(p->vm), "%s", vm->name);
	snprintf(p->snapshot, sizeof(p->snapshot), "%s", snapshot);
	return p;
}

static void named(void *arg, const char *text)
{
	struct pending *p = arg;
	struct ui_vm *vm = vms_find(p->ui, p->vm);

	if (text != NULL && vm != NULL) {
		if (vmc_name_ok(text))
			vm_snapshot(vm, "save", text, text);
		else
			ui_warn(p->ui, "\"%.64s\" cannot name a snapshot: letters, digits, . _ - (not first)", text);
	}
	free(p);
}

int cmd_snapshot(struct ui_cmd_call *call)
{
	struct ui_vm *vm = cmd_vm(call, 1);
	char name[32], label[128];
	time_t now = time(NULL);
	struct pending *p;
	struct tm tm;

	if (vm == NULL)
		return -ENOENT;
	if (!vm_is_live(vm)) {
		ui_warn(call->ui, "%s is not running", vm->name);
		return -ENOTCONN;
	}
	if (call->argc > 2) {
		p = pending_new(call->ui, vm, "save", "");
		if (p == NULL)
			return -ENOMEM;
		named(p, call->argv[2]);
		return 0;
	}
	p = pending_new(call->ui, vm, "save", "");
	if (p == NULL)
		return -ENOMEM;
	localtime_r(&now, &tm);
	strftime(name, sizeof(name), "%H%M%S", &tm);
	snprintf(label, sizeof(label), "snapshot of %s, its name", vm->name);
	ui_prompt(call->ui, label, name, named, p);
	return 0;
}

static void answered(void *arg, bool yes)
{
	struct pending *p = arg;
	struct ui_vm *vm = vms_find(p->ui, p->vm);

	if (yes && vm != NULL)
		vm_snapshot(vm, p->what, p->snapshot, p->name);
	else if (!yes)
		ui_say(p->ui, "nothing was done");
	free(p);
}

static void ask(struct ui *ui, struct ui_vm *vm, const char *what, const char *id, const char *name)
{
	struct pending *p = pending_new(ui, vm, what, id);

	if (p == NULL)
		return;
	snprintf(p->name, sizeof(p->name), "%s", name);
	if (what[0] == 'l')
		ui_ask(ui, answered, p, "Take %s back to %s? What it did since is lost.", vm->name, name);
	else
		ui_ask(ui, answered, p, "Delete snapshot %s of %s?", name, vm->name);
}

/* Without a name: the chosen one when the snapshots are in focus, else they are shown to choose from. */
static int act(struct ui_cmd_call *call, const char *what)
{
	struct ui_vm *vm = cmd_vm(call, 1);
	const char *chosen = "", *name = NULL;

	if (vm == NULL)
		return -ENOENT;
	if (!vm_is_live(vm)) {
		ui_warn(call->ui, "%s is not running; start it first", vm->name);
		return -ENOTCONN;
	}
	if (call->argc > 2)
		chosen = call->argv[2];
	else if (call->panel != NULL && call->panel->ops == &panel_snapshots && call->panel->vm == vm)
		chosen = snapshots_chosen(call->panel, &name);
	if (chosen[0] == '\0') {
		ui_open_panel(call->ui, vm, "snapshots");
		ui_say(call->ui, "choose a snapshot, then press the key again");
		return 0;
	}
	ask(call->ui, vm, what, chosen, name != NULL ? name : chosen);
	return 0;
}

int cmd_load(struct ui_cmd_call *call)
{
	return act(call, "load");
}

int cmd_delete(struct ui_cmd_call *call)
{
	return act(call, "delete");
}
