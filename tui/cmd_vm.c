/*
 * cmd_vm.c - commands about VMs. What costs the guest something asks first; the answer finds the VM again by its
 * name, for much can happen while a question stands. Screen thread.
 */
#include "config.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "tui/cmd.h"

int cmd_pause(struct ui_cmd_call *call)
{
	struct ui_vm *vm = cmd_vm(call, 1);

	if (vm == NULL)
		return -ENOENT;
	if (vm_is_live(vm) && vm->info.state == VMC_PAUSED)
		return vm_command(vm, "cont", NULL, "resume");
	return vm_command(vm, "stop", NULL, "pause");
}

int cmd_resume(struct ui_cmd_call *call)
{
	struct ui_vm *vm = cmd_vm(call, 1);

	return vm == NULL ? -ENOENT : vm_command(vm, "cont", NULL, "resume");
}

int cmd_start(struct ui_cmd_call *call)
{
	struct ui_vm *vm = cmd_vm(call, 1);

	if (vm == NULL)
		return -ENOENT;
	if (!vm_is_live(vm)) {
		if (!vm->defined) {
			ui_warn(call->ui, "%s has no definition (vms/%s.cfg) to start it from; new starts one with options",
				vm->name, vm->name);
			return -ENOENT;
		}
		return vm_spawn(call->ui, vm->name, NULL);
	}
	switch (vm->info.state) {
	case VMC_RUNNING:
		ui_say(call->ui, "%s is running", vm->name);
		return 0;
	case VMC_STOPPED:
	case VMC_CRASHED:
		vm->ending = false;
		return vm_command(vm, "system_reset", NULL, "start");
	default:
		return vm_command(vm, "cont", NULL, "start");
	}
}

/* ---- with a question ---- */

struct question {
	struct ui *ui;
	char vm[VMC_NAME_SIZE];
	void (*act)(struct ui_vm *vm);
};

static void answered(void *arg, bool yes)
{
	struct question *q = arg;
	struct ui_vm *vm = vms_find(q->ui, q->vm);

	if (yes && vm != NULL)
		q->act(vm);
	else if (!yes)
		ui_say(q->ui, "nothing was done");
	free(q);
}

static int ask(struct ui_cmd_call *call, void (*act)(struct ui_vm *vm), const char *what)
{
	struct ui_vm *vm = cmd_vm(call, 1);
	struct question *q;

	if (vm == NULL)
		return -ENOENT;
	if (!vm_is_live(vm)) {
		ui_warn(call->ui, "%s is not running", vm->name);
		return -ENOTCONN;
	}
	q = calloc(1, sizeof(*q));
	if (q == NULL)
		return -ENOMEM;
	q->ui = call->ui;
	q->act = act;
	snprintf(q->vm, sizeof(q->vm), "%s", vm->name);
	ui_ask(call->ui, answered, q, what, vm->name);
	return 0;
}

static void do_reset(struct ui_vm *vm)
{
	vm->ending = false;
	vm_command(vm, "system_reset", NULL, "reset");
}

int cmd_reset(struct ui_cmd_call *call)
{
	return ask(call, do_reset, "Reset %s at once?");
}

static void do_force_off(struct ui_vm *vm)
{
	vm->ending = true;
	vm_command(vm, "quit", NULL, "force-off");
}

int cmd_force_off(struct ui_cmd_call *call)
{
	return ask(call, do_force_off, "End %s at once? What the guest has not saved is lost.");
}

int cmd_shutdown_cancel(struct ui_cmd_call *call)
{
	struct ui_vm *vm = cmd_vm(call, 1);

	if (vm == NULL)
		return -ENOENT;
	if (vm_off_left(vm) < 0) {
		ui_say(call->ui, "no time runs down for %s", vm->name);
		return 0;
	}
	vm_off_cancel(vm);
	ui_say(call->ui, "%s was asked to shut down and may take as long as it likes", vm->name);
	return 0;
}

static void do_shutdown(struct ui_vm *vm)
{
	vm_command(vm, "system_powerdown", NULL, "shutdown");
}

int cmd_shutdown(struct ui_cmd_call *call)
{
	struct ui_vm *vm = cmd_vm(call, 1);

	/* A guest that is over has nothing to shut down: what is left is its process. */
	if (vm != NULL && vm_is_live(vm) && (vm->info.state == VMC_STOPPED || vm->info.state == VMC_CRASHED))
		return ask(call, do_force_off, "%s has stopped already; end its process?");
	if (vm != NULL && vm_off_left(vm) >= 0)
		return ask(call, do_force_off, "%s was asked already, and its time runs; turn it off at once?");
	return ask(call, do_shutdown, "Ask %s to shut down?");
}

static void do_nmi(struct ui_vm *vm)
{
	vm_command(vm, "inject-nmi", NULL, "nmi");
}

int cmd_nmi(struct ui_cmd_call *call)
{
	return ask(call, do_nmi, "Send %s a non-maskable interrupt? Many guests stop at one.");
}

/* ---- single steps ---- */

static void stepped(void *arg, int rc, const char *error, const char *json)
{
	struct ui_vm *vm = arg;

	(void)json;
	if (rc < 0 && rc != -ECONNRESET)
		ui_warn(vm->ui, "%s: step: %s", vm->name, error);
}

int cmd_step(struct ui_cmd_call *call)
{
	struct ui_vm *vm = cmd_vm(call, 1);
	char args[64], *end = NULL;
	unsigned long cpu = 0;

	if (vm == NULL)
		return -ENOENT;
	if (!vm_is_live(vm) || vm->info.state != VMC_PAUSED) {
		ui_warn(call->ui, "%s is not paused; only a paused VM can be stepped", vm->name);
		return -EINVAL;
	}
	if (call->argc > 2)
		cpu = strtoul(call->argv[2], &end, 10);
	if (end != NULL && (*end != '\0' || cpu >= VMC_MAX_VCPUS)) {
		ui_warn(call->ui, "step: \"%s\" is not a vCPU's number", call->argv[2]);
		return -EINVAL;
	}
	snprintf(args, sizeof(args), "{\"cpu\": %lu}", cpu);
	return vmc_conn_command(vm->conn, "x-step", args, stepped, vm);
}

/* ---- the list ---- */

int cmd_forget(struct ui_cmd_call *call)
{
	struct ui_vm *vm = cmd_vm(call, 1);

	if (vm == NULL)
		return -ENOENT;
	if (vm->link != VM_LOST && vm->link != VM_ENDED) {
		ui_warn(call->ui, "%s is %s; only what has gone can be forgotten", vm->name, vm_state_text(vm));
		return -EBUSY;
	}
	vm_forget(call->ui, vm);
	return 0;
}

int cmd_select(struct ui_cmd_call *call)
{
	struct ui_vm *vm = cmd_vm(call, 1);

	if (vm == NULL)
		return -ENOENT;
	ui_select(call->ui, vm);
	return 0;
}

static int step_selection(struct ui *ui, int delta)
{
	size_t i;

	for (i = 0; i < ui->nvms && ui->vms[i] != ui->sel; i++)
		;
	if (i == ui->nvms || (delta < 0 && i == 0) || (delta > 0 && i + 1 == ui->nvms))
		return 0;
	ui_select(ui, ui->vms[delta < 0 ? i - 1 : i + 1]);
	return 0;
}

int cmd_next_vm(struct ui_cmd_call *call)
{
	return step_selection(call->ui, 1);
}

int cmd_previous_vm(struct ui_cmd_call *call)
{
	return step_selection(call->ui, -1);
}

/* ---- a new one ---- */

int cmd_new(struct ui_cmd_call *call)
{
	const char *argv[36];
	char kernel[256];
	struct panel *form;
	int i, n = 0;

	if (call->argc == 1) {
		form = newvm_form(call->ui);
		if (form == NULL)
			return -ENOMEM;
		ui_overlay(call->ui, form);
		return 0;
	}
	for (i = 2; i < call->argc; i++) {
		if (i == 2 && call->argv[i][0] != '-') {
			newvm_kernel(call->argv[i], kernel, sizeof(kernel));
			argv[n++] = "--kernel";
			argv[n++] = kernel;
			continue;
		}
		argv[n++] = call->argv[i];
	}
	argv[n] = NULL;
	return vm_spawn(call->ui, call->argv[1], argv);
}
