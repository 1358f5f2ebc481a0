/* vm_internal.h - between the files about VMs: vm.c, vm_live.c, vm_watch.c. Screen thread. */
#ifndef TUI_VM_INTERNAL_H
#define TUI_VM_INTERNAL_H
#include "tui/vm.h"

void vm_event(void *arg, const char *name, const char *json_data);
void vm_sample(void *arg, const struct vmc_sample *s);
void vm_watch(struct ui_vm *vm);  /* poll for what the connection waits for now */
void vm_marked(struct ui_vm *vm); /* whatever shows it is to be drawn */
void vms_scan_soon(struct ui *ui);

#endif
