/*
 * fuzz_bzimage.c - any setup header and any size: the bzImage loader must take or refuse it and
 * touch nothing else. On a fake KVM.
 */
#include <stdlib.h>
#include <string.h>
#include <vmcore/vmcore.h>

#include "tests/unit/fake_kvm.h"

#define RAM (8u << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(struct vmc_vm *vm, const struct vmc_boot_info *info, size_t initrd)
{
	struct vmc_regs regs;

	if (info->low >= info->high || info->high > RAM || info->entry < info->low ||
		info->entry >= info->high)
		abort();
	if (info->initrd_gpa &&
		(info->initrd_gpa + initrd > RAM ||
			(info->initrd_gpa < info->high && info->low < info->initrd_gpa + initrd)))
		abort();
	if (vmc_vcpu_get_regs(vmc_vcpu_get(vm, 0), &regs) < 0 || regs.rip != info->entry ||
		regs.rsi >= RAM)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct vmc_vm *vm;
	static const uint8_t initrd[10000];
	struct vmc_config cfg = {.id = "fuzz", .ram_bytes = RAM, .vcpus = 1, .managed = true};
	struct vmc_boot_range reserved = {0x180000, 0x1000, 3};
	struct vmc_boot_params p = {.kernel_size = size, .cmdline = "fuzz", .reserved = &reserved};
	struct vmc_boot_info info;
	uint8_t *file = malloc(size + 1);
	char err[200];

	if (!vm) {
		fake_kvm_install();
		if (vmc_vm_new(&cfg, &vm, err, sizeof(err)) < 0)
			abort();
	}
	if (!file)
		abort();
	memcpy(file, data, size);
	if (size >= 0x206)
		memcpy(file + 0x202, "HdrS", 4); /* past what tells it from an ELF image */
	p.kernel = file;
	p.nreserved = size % 2;
	p.initrd = size % 3 ? initrd : NULL;
	p.initrd_size = sizeof(initrd);
	if (vmc_boot_load(vm, &p, &info) == 0)
		check(vm, &info, sizeof(initrd));
	else if (vmc_error(vm)[0] == '\0')
		abort();
	free(file);
	return 0;
}
