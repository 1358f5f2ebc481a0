/*
 * fakevm.h - the engine as the devices see it, without KVM: memory, buses, lines, messages and a
 * device list in plain C, for unit tests and fuzzing. Link it before libengine.la, of which only
 * the state buffers are used.
 */
#ifndef TESTS_FAKEVM_H
#define TESTS_FAKEVM_H
#include <vmcore/vmcore.h>

/** fake_vm_new() - @ram bytes at 0, and 64 KiB of read-only memory at FAKE_ROM. Aborts when memory
 * is short. */
struct vmc_vm *fake_vm_new(uint64_t ram);
void fake_vm_free(struct vmc_vm *vm); /* destroys the devices too */
#define FAKE_ROM      0xc0000000ull
#define FAKE_ROM_SIZE 0x10000u

uint8_t *fake_ram(struct vmc_vm *vm, uint64_t gpa);
bool fake_dirty_take(
	struct vmc_vm *vm, uint64_t gpa); /* was the page marked since the last take? */
void fake_dirty_clear(struct vmc_vm *vm);
/** fake_discarded() - bytes given back with vmc_mem_discard(), and in how many calls, since the last time. */
uint64_t fake_discarded(struct vmc_vm *vm, unsigned *calls);

/* Guest accesses, under the device lock as from a vCPU; ioeventfds catch what KVM would. */
void fake_io(struct vmc_vm *vm, enum vmc_bus bus, uint64_t addr, void *data, uint32_t len,
	bool is_write);
uint32_t fake_in(struct vmc_vm *vm, uint16_t port, uint32_t len);
void fake_out(struct vmc_vm *vm, uint16_t port, uint32_t len, uint32_t value);

bool fake_line(struct vmc_vm *vm, uint32_t gsi);
/** fake_line_calls() - how often any line was set. */
unsigned fake_line_calls(const struct vmc_vm *vm);
/** fake_msi_take() - messages with this data sent since the last take. */
unsigned fake_msi_take(struct vmc_vm *vm, uint32_t data);
unsigned fake_ioeventfds(struct vmc_vm *vm);
void fake_refuse_ioeventfds(struct vmc_vm *vm, bool refuse);
/** fake_request() - what a device asked the VM for since the last call; code in @code when not
 * NULL. */
enum vmc_event_type fake_request(struct vmc_vm *vm, int64_t *code);

/** fake_error() - what the last vmc_fail() said. */
const char *fake_error(const struct vmc_vm *vm);

/* The device list, as pause, resume, reset, save and load use it. */
void fake_quiesce(struct vmc_vm *vm);
void fake_resume(struct vmc_vm *vm);
void fake_reset(struct vmc_vm *vm);
void fake_save(struct vmc_vm *vm, const char *id, struct vmc_out *out);
int fake_load(struct vmc_vm *vm, const char *id, const void *data, size_t len, struct vmc_in *in);
void fake_describe(struct vmc_vm *vm, const char *id, struct vmc_device_info *info);
/** fake_copy() - @to gets @from's memory, as a restore would. Same size. */
void fake_copy(struct vmc_vm *to, const struct vmc_vm *from);

#endif
