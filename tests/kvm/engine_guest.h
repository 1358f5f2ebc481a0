/*
 * engine_guest.h - putting a small guest (engine_guests.S) into a VM: tables for long mode, code, registers.
 * Read by the assembler too.
 */
#ifndef TESTS_ENGINE_GUEST_H
#define TESTS_ENGINE_GUEST_H

#define GDT	0x1000
#define IDT	0x2000
#define PML4	0x3000
#define PDPT	0x4000
#define PDS	0x5000 /* four pages: 4 GiB in 2 MiB pages */
#define AP_CODE 0xa000
#define AP_DATA 0xb000
#define CODE	0x10000
#define STACK	0x20000 /* grows down */
#define DATA	0x30000
#define MMIO	0xd0000000
#define ROM	0xd1000000
#define NOWHERE 0x40000 /* zeros: an IDT with no entry */
#define LAPIC	0xfee00000
#define IOAPIC	0xfec00000

#ifndef __ASSEMBLER__
#include <vmcore/vmcore.h>

#define GUEST(name) extern const uint8_t guest_##name[], guest_##name##_end[]
GUEST(spin);
GUEST(io);
GUEST(stringio);
GUEST(bulk);
GUEST(mmio);
GUEST(pit);
GUEST(lapic);
GUEST(irqs);
GUEST(touch);
GUEST(sweep);
GUEST(smp);
GUEST(ap);
GUEST(x87);
GUEST(triple);
GUEST(rom);
GUEST(halt);
GUEST(hypercall);
GUEST(steps);
GUEST(tsc);
extern const uint8_t guest_pit_irq[], guest_lapic_irq[], guest_irqs_20[], guest_irqs_21[],
	guest_irqs_22[], guest_irqs_23[];

/** guest_vm() - a VM; bails out with the library's message when it cannot be made. */
struct vmc_vm *guest_vm(bool managed, uint32_t vcpus, uint64_t ram_mib);
struct vmc_vm *guest_vm_cfg(const struct vmc_config *cfg);
/** guest_load() - the code between two labels, and vCPU 0 ready to run it. */
void guest_load_range(struct vmc_vm *vm, const uint8_t *start, const uint8_t *end);
#define guest_load(vm, name) guest_load_range(vm, guest_##name, guest_##name##_end)
/** guest_vector() - an IDT entry for a handler inside the guest that begins at @start. */
void guest_vector(struct vmc_vm *vm, unsigned vector, const uint8_t *start, const uint8_t *handler);
/** guest_u64() - a counter. */
uint64_t guest_u64(struct vmc_vm *vm, uint64_t gpa);
void guest_set_u64(struct vmc_vm *vm, uint64_t gpa, uint64_t v);
/** guest_reaches() - wait until the counter is at least @min. */
bool guest_reaches(struct vmc_vm *vm, uint64_t gpa, uint64_t min, int deadline_ms);
/** guest_goes_on() - the counter still moves. */
bool guest_goes_on(struct vmc_vm *vm, uint64_t gpa);
/** guest_event() - wait for the next event; false: none came. */
bool guest_event(struct vmc_vm *vm, struct vmc_event *ev, int deadline_ms);
/** must() - 0 or more, or the test ends with the library's message. */
int must(struct vmc_vm *vm, int rc, const char *what);
/** refused() - a call must fail with @want and say something that holds @word. */
bool refused(struct vmc_vm *vm, int rc, int want, const char *word, const char *what);
#endif
#endif
