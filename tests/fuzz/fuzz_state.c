/*
 * fuzz_state.c - any bytes as a saved state: whatever is in them, a load that fails leaves the VM as it was. Half of the
 * inputs get good checksums, so that what lies behind them is reached. On a fake KVM.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <vmcore/vmcore.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "tests/unit/fake_kvm.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint64_t value;

static void describe(void *dev, struct vmc_device_info *info)
{
}

static void save(void *dev, struct vmc_out *out)
{
	vmc_out_u64(out, value);
}

static int load(void *dev, struct vmc_in *in, uint32_t version)
{
	uint64_t v = vmc_in_u64(in);

	if (vmc_in_end(in) < 0)
		return in->error;
	value = v;
	return 0;
}

static const struct vmc_device_ops ops = { .model = "fuzz", .version = 2, .describe = describe, .save = save,
	.load = load };

/* Walk the sections as the reader does and make their checksums right. */
static void resum(uint8_t *s, size_t size)
{
	for (size_t at = 16; at + 44 <= size;) {
		uint64_t len, sum;

		memcpy(&len, s + at + 28, 8);
		if (len > size - at - 44)
			return;
		sum = XXH3_64bits(s + at + 44, len);
		memcpy(s + at + 36, &sum, 8);
		at += 44 + len;
	}
}

static struct vmc_vm *make(void)
{
	struct vmc_config cfg = { .id = "fuzz", .ram_bytes = 1 << 20, .vcpus = 1, .managed = true };
	const char *seed = getenv("FUZZ_STATE_SEED"); /* write a good state there, for the corpus */
	struct vmc_vm *vm;
	char err[200];

	fake_kvm_install();
	if (vmc_vm_new(&cfg, &vm, err, sizeof(err)) < 0 || vmc_device_add(vm, "fuzz0", &ops, NULL) < 0)
		abort();
	if (seed) {
		FILE *f = fopen(seed, "w");
		struct vmc_out out;

		vmc_out_init(&out);
		fputc(1, f);
		if (vmc_state_save(vm, &out) < 0 || fwrite(out.data, 1, out.len, f) != out.len)
			abort();
		fclose(f);
		vmc_out_free(&out);
	}
	return vm;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct vmc_vm *vm;
	uint64_t before, was;
	uint8_t *copy;
	int rc;

	if (!vm)
		vm = make();
	if (!size)
		return 0;
	copy = malloc(size);
	if (!copy)
		return 0;
	memcpy(copy, data + 1, size - 1);
	if (data[0] & 1)
		resum(copy, size - 1);
	before = fake_kvm_stored();
	was = value;
	rc = vmc_state_load(vm, copy, size - 1);
	if (rc < 0 && (fake_kvm_stored() != before || value != was || !vmc_error(vm)[0]))
		abort();
	if (rc == 0 && vmc_state_check(vm, copy, size - 1) < 0)
		abort();
	(void)vmc_restore_devices(vm, copy, size - 1);
	(void)vmc_vcpu_restore(vmc_vcpu_get(vm, 0), copy, size - 1);
	free(copy);
	return 0;
}
