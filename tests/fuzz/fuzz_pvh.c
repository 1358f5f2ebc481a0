/* fuzz_pvh.c - any bytes as a guest kernel: the PVH loader must take or refuse them and touch nothing else. On a fake KVM. */
#include <stdlib.h>
#include <vmcore/vmcore.h>

#include "tests/unit/fake_kvm.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct vmc_vm *vm;
	struct vmc_config cfg = { .id = "fuzz", .ram_bytes = 4 << 20, .vcpus = 1, .managed = true };
	struct vmc_boot_params p = { .kernel = data, .kernel_size = size, .cmdline = "fuzz" };
	struct vmc_boot_range reserved = { 0x180000, 0x1000, 3 };
	struct vmc_boot_info info;
	char err[200];

	if (!vm) {
		fake_kvm_install();
		if (vmc_vm_new(&cfg, &vm, err, sizeof(err)) < 0)
			abort();
	}
	p.reserved = &reserved;
	p.nreserved = size % 2;
	if (vmc_boot_load(vm, &p, &info) == 0) {
		struct vmc_regs regs;

		/* What it took must be sound. */
		if (info.low >= info.high || info.high > 4 << 20 || info.entry < info.low || info.entry >= info.high)
			abort();
		if (vmc_vcpu_get_regs(vmc_vcpu_get(vm, 0), &regs) < 0 || regs.rip != info.entry || regs.rbx >= 4 << 20)
			abort();
	} else if (vmc_error(vm)[0] == '\0') {
		abort();
	}
	return 0;
}
