/*
 * test_engine_fault.c - when KVM says no: each call that can fail is made to, and the library must say which, leave
 * nothing behind and keep what it had. On a fake KVM.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <vmcore/vmcore.h>

#include "tests/unit/fake_kvm.h"

static struct vmc_vm *make(bool managed, uint32_t ring)
{
	struct vmc_config cfg = { .id = "fake", .ram_bytes = 1 << 20, .vcpus = managed ? 2 : 1, .managed = managed,
		.dirty_ring_entries = ring };
	struct vmc_vcpu *vcpu;
	struct vmc_vm *vm;
	char err[300];

	if (vmc_vm_new(&cfg, &vm, err, sizeof(err)) < 0)
		fail_msg("vmc_vm_new: %s", err);
	if (!managed)
		assert_int_equal(vmc_vcpu_new(vm, 0, &vcpu), 0);
	return vm;
}

static int open_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	int n = 0;

	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

static int setup(void **state)
{
	fake_kvm_install();
	return 0;
}

/* These may fail without harm: they are needed on some hosts only, or have a fallback. */
static bool optional(unsigned long request)
{
	return request == KVM_SET_TSS_ADDR || request == KVM_SET_IDENTITY_MAP_ADDR || request == KVM_GET_STATS_FD ||
		request == KVM_ENABLE_CAP || request == KVM_GET_TSC_KHZ || request == KVM_GET_SREGS2 ||
		request == KVM_GET_MSRS;
}

static void every_call_of_new_may_fail(void **state)
{
	struct vmc_config cfg = { .id = "fake", .ram_bytes = 1 << 20, .vcpus = 2, .managed = true };
	unsigned total;
	int fds;

	vmc_vm_free(make(true, 0));
	fake_kvm_install();
	vmc_vm_free(make(true, 0));
	total = fake_kvm_calls();
	fds = open_fds();
	assert_true(total > 30);
	for (unsigned n = 1; n <= total; n++) {
		struct vmc_vm *vm;
		char err[300] = "";
		int rc;

		fake_kvm_install();
		fake_kvm_fail(0, n, -ENOSPC);
		rc = vmc_vm_new(&cfg, &vm, err, sizeof(err));
		if (rc == 0) {
			/* those of vmc_vm_free() itself, or optional */
			if (fake_kvm_failed())
				assert_true(optional(fake_kvm_failed()));
			vmc_vm_free(vm);
		} else {
			const char *name = fake_kvm_name(fake_kvm_failed());

			assert_null(vm);
			assert_int_equal(rc, -ENOSPC);
			if (name && !strstr(err, name) && !strstr(err, "power-on"))
				fail_msg("call %u, %s: the message is \"%s\"", n, name, err);
			assert_true(err[0] != '\0');
		}
		assert_int_equal(open_fds(), fds);
	}
}

static void an_optional_call_may_be_missing(void **state)
{
	struct vmc_vm *vm;
	struct vmc_out out;

	fake_kvm_fail(KVM_SET_TSS_ADDR, 1, -EINVAL);
	vmc_vm_free(make(true, 0));
	fake_kvm_install();
	fake_kvm_fail(KVM_GET_SREGS2, 1, -ENOTTY);
	vm = make(false, 0);
	vmc_out_init(&out);
	assert_int_equal(vmc_state_save(vm, &out), 0);
	assert_int_equal(vmc_state_load(vm, out.data, out.len), 0);
	vmc_out_free(&out);
	vmc_vm_free(vm);
}

static void *page(void)
{
	void *at = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	assert_ptr_not_equal(at, MAP_FAILED);
	return at;
}

static void memory_keeps_what_it_had(void **state)
{
	struct vmc_vm *vm = make(false, 0);
	struct vmc_mem_region r[4];
	void *at = page();
	int slot;

	fake_kvm_fail(KVM_SET_USER_MEMORY_REGION, 1, -EIO);
	assert_int_equal(vmc_mem_add(vm, 1 << 30, at, 4096, 0, "x"), -EIO);
	assert_non_null(strstr(vmc_error(vm), "KVM_SET_USER_MEMORY_REGION"));
	assert_int_equal(vmc_mem_regions(vm, r, 4), 1);
	slot = vmc_mem_add(vm, 1 << 30, at, 4096, 0, "x");
	assert_true(slot > 0);
	fake_kvm_fail(KVM_SET_USER_MEMORY_REGION, 1, -EIO);
	assert_int_equal(vmc_mem_remove(vm, (uint32_t)slot), -EIO);
	assert_int_equal(vmc_mem_regions(vm, r, 4), 2);
	assert_non_null(vmc_mem_ptr(vm, 1 << 30, 4096, true));
	vmc_vm_free(vm);
	munmap(at, 4096);
}

static void dirty_goes_off_when_it_cannot_go_on(void **state)
{
	struct vmc_vm *vm = make(false, 0);
	void *rom = page(), *more = page();
	int slot = vmc_mem_add(vm, 1 << 30, rom, 4096, VMC_MEM_READ_ONLY, "rom");
	int slot2 = vmc_mem_add(vm, 2u << 30, more, 4096, 0, "more");

	assert_int_equal(fake_kvm_slot((unsigned)slot).flags, KVM_MEM_READONLY);
	for (unsigned n = 1; n <= 3; n++) {
		fake_kvm_fail(KVM_SET_USER_MEMORY_REGION, n, -EIO);
		assert_int_equal(vmc_dirty_enable(vm), -EIO);
		assert_non_null(strstr(vmc_error(vm), "dirty log"));
		assert_false(vmc_dirty_is_enabled(vm));
		fake_kvm_fail(0, 0, 0);
		assert_int_equal(fake_kvm_slot(0).flags, 0);
		assert_int_equal(fake_kvm_slot((unsigned)slot).flags, KVM_MEM_READONLY);
		assert_int_equal(fake_kvm_slot((unsigned)slot2).flags, 0);
	}
	fake_kvm_fail(KVM_CLEAR_DIRTY_LOG, 1, -EIO);
	assert_int_equal(vmc_dirty_enable(vm), -EIO);
	assert_false(vmc_dirty_is_enabled(vm));
	assert_int_equal(vmc_dirty_enable(vm), 0);
	assert_int_equal(fake_kvm_slot(0).flags, KVM_MEM_LOG_DIRTY_PAGES);
	assert_int_equal(fake_kvm_slot((unsigned)slot).flags, KVM_MEM_READONLY);
	assert_int_equal(vmc_dirty_take(vm, NULL, NULL, NULL), 0);
	fake_kvm_dirty(0, 0xf0);
	fake_kvm_fail(KVM_GET_DIRTY_LOG, 1, -ENOENT);
	assert_int_equal(vmc_dirty_take(vm, NULL, NULL, NULL), -EIO);
	fake_kvm_fail(KVM_CLEAR_DIRTY_LOG, 1, -ENOENT);
	assert_int_equal(vmc_dirty_take(vm, NULL, NULL, NULL), -EIO);
	/* What could not be harvested comes with the next one. */
	assert_int_equal(vmc_dirty_take(vm, NULL, NULL, NULL), 4);
	assert_int_equal(vmc_dirty_take(vm, NULL, NULL, NULL), 0);
	vmc_vm_free(vm);
	munmap(rom, 4096);
	munmap(more, 4096);
}

static void the_ring_never_starts_as_set(void **state)
{
	struct vmc_vm *vm = make(false, 512);

	assert_int_equal(fake_kvm_enabled(KVM_CAP_DIRTY_LOG_RING), 512 * 16);
	assert_int_equal(fake_kvm_enabled(KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2), -1);
	vmc_vm_free(vm);
	fake_kvm_install();
	vm = make(false, 0);
	assert_int_equal(fake_kvm_enabled(KVM_CAP_DIRTY_LOG_RING), -1);
	assert_int_equal(fake_kvm_enabled(KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2), 3);
	vmc_vm_free(vm);
	fake_kvm_install();
	fake_kvm_set_cap(KVM_CAP_DIRTY_LOG_RING, 4096);
	{
		struct vmc_config cfg = { .id = "fake", .vcpus = 1, .dirty_ring_entries = 512 };
		char err[200];

		assert_int_equal(vmc_vm_new(&cfg, &vm, err, sizeof(err)), -ENOTSUP);
		assert_non_null(strstr(err, "256 at most"));
	}
}

static void push(struct kvm_dirty_gfn *ring, unsigned at, uint64_t gfn)
{
	ring[at % 512] = (struct kvm_dirty_gfn){ KVM_DIRTY_GFN_F_DIRTY, 0, gfn };
}

static void an_overrun_ring_loses_nothing(void **state)
{
	struct vmc_vm *vm = make(false, 512);
	struct kvm_dirty_gfn *ring = fake_kvm_ring();

	assert_int_equal(vmc_dirty_enable(vm), 0);
	for (unsigned i = 0; i < 10; i++)
		push(ring, i, i);
	push(ring, 10, 99999); /* beyond the region: KVM would not, but nothing may break */
	assert_int_equal(vmc_dirty_take(vm, NULL, NULL, NULL), 10);
	assert_int_equal(ring[10].flags, KVM_DIRTY_GFN_F_RESET);
	/* A gap: entries 11 to 14 were overrun. */
	push(ring, 15, 200);
	push(ring, 16, 201);
	assert_int_equal(vmc_dirty_take(vm, NULL, NULL, NULL), 256);
	for (unsigned i = 11; i <= 16; i++)
		assert_int_equal(ring[i].flags, KVM_DIRTY_GFN_F_RESET);
	push(ring, 17, 5);
	assert_int_equal(vmc_dirty_take(vm, NULL, NULL, NULL), 1);
	for (unsigned i = 18; i < 18 + 512; i++)
		push(ring, i, 7);
	assert_int_equal(vmc_dirty_take(vm, NULL, NULL, NULL), 256); /* full to the brim: more may be lost */
	vmc_vm_free(vm);
}

static void a_failed_load_puts_everything_back(void **state)
{
	static const unsigned long sets[] = { KVM_SET_REGS, KVM_SET_SREGS2, KVM_SET_XSAVE, KVM_SET_XCRS,
		KVM_SET_DEBUGREGS, KVM_SET_LAPIC, KVM_SET_VCPU_EVENTS, KVM_SET_PIT2, KVM_SET_IRQCHIP, KVM_SET_CLOCK };
	struct vmc_vm *vm = make(false, 0);
	struct vmc_regs regs = { .rip = 0x1234 };
	struct vmc_out out;
	uint64_t before;

	assert_int_equal(vmc_vcpu_set_regs(vmc_vcpu_get(vm, 0), &regs), 0);
	vmc_out_init(&out);
	assert_int_equal(vmc_state_save(vm, &out), 0);
	regs.rip = 0x5678;
	assert_int_equal(vmc_vcpu_set_regs(vmc_vcpu_get(vm, 0), &regs), 0);
	before = fake_kvm_stored();
	for (size_t i = 0; i < sizeof(sets) / sizeof(sets[0]); i++) {
		fake_kvm_fail(sets[i], 1, -EPERM);
		assert_int_equal(vmc_state_load(vm, out.data, out.len) < 0, 1);
		assert_non_null(strstr(vmc_error(vm), "section"));
		assert_int_equal(fake_kvm_failed(), sets[i]);
		assert_true(fake_kvm_stored() == before);
	}
	fake_kvm_fail(0, 0, 0);
	assert_int_equal(vmc_state_load(vm, out.data, out.len), 0);
	assert_true(fake_kvm_stored() != before);
	vmc_out_free(&out);
	vmc_vm_free(vm);
}

static void a_save_that_fails_says_so(void **state)
{
	static const unsigned long gets[] = { KVM_GET_REGS, KVM_GET_XSAVE, KVM_GET_XCRS, KVM_GET_LAPIC, KVM_GET_IRQCHIP,
		KVM_GET_PIT2, KVM_GET_CLOCK, KVM_GET_VCPU_EVENTS, KVM_GET_DEBUGREGS, KVM_GET_MP_STATE };
	struct vmc_vm *vm = make(false, 0);

	for (size_t i = 0; i < sizeof(gets) / sizeof(gets[0]); i++) {
		struct vmc_out out;

		vmc_out_init(&out);
		fake_kvm_fail(gets[i], 1, -EPERM);
		assert_int_equal(vmc_state_save(vm, &out), -EPERM);
		assert_true(vmc_error(vm)[0] != '\0');
		vmc_out_free(&out);
	}
	vmc_vm_free(vm);
}

static int run_efault(struct kvm_run *run)
{
	return -EFAULT;
}

static int run_fail_entry(struct kvm_run *run)
{
	run->exit_reason = KVM_EXIT_FAIL_ENTRY;
	run->fail_entry.hardware_entry_failure_reason = 0x80000021;
	return 0;
}

static int run_unknown(struct kvm_run *run)
{
	run->exit_reason = 999;
	return 0;
}

static int run_emulation(struct kvm_run *run)
{
	memset(&run->emulation_failure, 0, sizeof(run->emulation_failure));
	run->exit_reason = KVM_EXIT_INTERNAL_ERROR;
	run->internal.suberror = KVM_INTERNAL_ERROR_EMULATION;
	/* More instruction bytes than there is room for. */
	run->emulation_failure.ndata = 200;
	run->emulation_failure.flags = KVM_INTERNAL_ERROR_EMULATION_FLAG_INSTRUCTION_BYTES;
	run->emulation_failure.insn_size = 255;
	return 0;
}

static int run_reset(struct kvm_run *run)
{
	run->exit_reason = KVM_EXIT_SYSTEM_EVENT;
	run->system_event.type = KVM_SYSTEM_EVENT_RESET;
	return 0;
}

static int run_hypercall(struct kvm_run *run)
{
	run->exit_reason = KVM_EXIT_HYPERCALL;
	run->hypercall.nr = 12;
	run->hypercall.args[2] = 77;
	return 0;
}

static int run_debug(struct kvm_run *run)
{
	run->exit_reason = KVM_EXIT_DEBUG;
	run->debug.arch.pc = 0x42;
	run->debug.arch.dr6 = 0x4000;
	return 0;
}

static void exits_are_typed(void **state)
{
	static const struct {
		int (*run)(struct kvm_run *run);
		enum vmc_exit_reason reason;
		const char *message;
	} cases[] = {
		{ run_efault, VMC_EXIT_ERROR, "Bad address" },
		{ run_fail_entry, VMC_EXIT_ERROR, "0x80000021" },
		{ run_unknown, VMC_EXIT_ERROR, "999" },
		{ run_emulation, VMC_EXIT_ERROR, "emulate" },
		{ run_reset, VMC_EXIT_RESET, "" },
		{ run_hypercall, VMC_EXIT_HYPERCALL, "" },
		{ run_debug, VMC_EXIT_DEBUG, "" },
	};
	struct vmc_vm *vm = make(false, 0);
	struct vmc_exit ex;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		fake_kvm_on_run(cases[i].run);
		assert_int_equal(vmc_vcpu_run(vmc_vcpu_get(vm, 0), &ex), 0);
		assert_int_equal(ex.reason, cases[i].reason);
		assert_non_null(strstr(ex.message, cases[i].message));
		if (ex.reason == VMC_EXIT_HYPERCALL)
			assert_true(ex.hypercall.nr == 12 && ex.hypercall.args[2] == 77);
		if (ex.reason == VMC_EXIT_DEBUG)
			assert_true(ex.debug.rip == 0x42 && ex.debug.dr6 == 0x4000);
	}
	vmc_vm_free(vm);
}

static void messages_belong_to_their_vm(void **state)
{
	struct vmc_vm *a = make(false, 0), *b = make(false, 0);

	assert_string_equal(vmc_error(a), "");
	assert_int_equal(vmc_fail(a, -EIO, "one %d", 1), -EIO);
	assert_int_equal(vmc_fail(b, -EPERM, "two"), -EPERM);
	assert_string_equal(vmc_error(a), "one 1");
	assert_string_equal(vmc_error(b), "two");
	vmc_fail(a, -EIO, "again: %s", vmc_error(a));
	assert_string_equal(vmc_error(a), "again: one 1");
	vmc_vm_free(a);
	vmc_vm_free(b);
	a = make(false, 0);
	assert_string_equal(vmc_error(a), ""); /* even at the same address */
	assert_string_equal(vmc_error(NULL), "");
	vmc_vm_free(a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(every_call_of_new_may_fail, setup),
		cmocka_unit_test_setup(an_optional_call_may_be_missing, setup),
		cmocka_unit_test_setup(memory_keeps_what_it_had, setup),
		cmocka_unit_test_setup(dirty_goes_off_when_it_cannot_go_on, setup),
		cmocka_unit_test_setup(the_ring_never_starts_as_set, setup),
		cmocka_unit_test_setup(an_overrun_ring_loses_nothing, setup),
		cmocka_unit_test_setup(a_failed_load_puts_everything_back, setup),
		cmocka_unit_test_setup(a_save_that_fails_says_so, setup),
		cmocka_unit_test_setup(exits_are_typed, setup),
		cmocka_unit_test_setup(messages_belong_to_their_vm, setup),
	};

	return cmocka_run_group_tests_name("engine faults", tests, NULL, NULL);
}
