/*
 * vm_off.c - a VM that was asked to shut down: the time that its guest has for it runs down in sight, then the VM is
 * turned off. A reset, a pause or the guest's own end stops the clock; so does a command. Screen thread.
 */
#include "config.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "tui/vm.h"
#include "tui/vm_internal.h"

void vm_off_begin(struct ui_vm *vm)
{
	if (vm->ui->opt.shutdown_s == 0 || !vm_is_live(vm))
		return;
	vm->off_at_ms = ui_now_ms() + (uint64_t)vm->ui->opt.shutdown_s * 1000;
	vm->off_shown = -1;
	vm->off_forced = false;
	vm_marked(vm);
}

int vm_off_left(const struct ui_vm *vm)
{
	uint64_t now = ui_now_ms();

	if (vm->off_at_ms == 0)
		return -1;
	return vm->off_at_ms > now ? (int)((vm->off_at_ms - now + 999) / 1000) : 0;
}

void vm_off_cancel(struct ui_vm *vm)
{
	if (vm->off_at_ms == 0)
		return;
	vm->off_at_ms = 0;
	vm->ui->draw_line = true;
	vm_marked(vm);
}

/* How it went is said once, and is not talked over when the process ends. */
void vm_off_ended(struct ui_vm *vm, const char *reason)
{
	bool pulled = strcmp(reason, "host-qmp-quit") == 0, waited = vm->off_at_ms != 0;

	vm_off_cancel(vm);
	vm->end_told = true;
	if (pulled && vm->off_forced)
		ui_warn(vm->ui, "%s has not shut down within %d s: it was turned off", vm->name, vm->ui->opt.shutdown_s);
	else if (pulled && waited)
		ui_warn(vm->ui, "%s was turned off by someone else before its guest had shut down", vm->name);
	else
		ui_say(vm->ui, "%s has shut down%s%s", vm->name, reason[0] != '\0' ? ": " : "", reason);
	vm->off_forced = false;
}

static void tick(struct ui_vm *vm)
{
	int left = vm_off_left(vm);

	if (left < 0)
		return;
	if (!vm_is_live(vm) || vm->info.state != VMC_RUNNING) {
		vm_off_cancel(vm);
		return;
	}
	if (left != vm->off_shown) {
		vm->off_shown = left;
		vm->ui->draw_line = true;
		vm_marked(vm);
	}
	if (left > 0)
		return;
	vm_off_cancel(vm);
	vm->ending = true;
	vm->off_forced = true; /* said when it is done */
	vm_command(vm, "quit", NULL, "force-off");
}

void vms_off_tick(struct ui *ui)
{
	size_t i;

	for (i = 0; i < ui->nvms; i++)
		tick(ui->vms[i]);
}
