/*
 * test_engine_cpu.c - which features a guest's CPU has: the texts that choose them, what follows from what, the
 * sizes of the XSAVE area, and states of a CPU that cannot be had here. On lists of leaves that are written here.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <vmcore/vmcore.h>

#include "tests/unit/fake_kvm.h"
#include "vmcore/engine/cpufeat.h"

#define INDEXED KVM_CPUID_FLAG_SIGNIFCANT_INDEX

/* A CPU with AVX-512, PKU and supervisor state, as KVM tells of it. */
static const struct kvm_cpuid_entry2 rich[] = {
	{.function = 0, .eax = 0x1f, .ebx = 0x756e6547, .edx = 0x49656e69, .ecx = 0x6c65746e},
	{.function = 1, .eax = 0x806f8, .ecx = 0xfffab217, .edx = 0x1f8bfbff},
	{.function = 4, .index = 0, .flags = INDEXED, .eax = 0x121},
	{.function = 6, .eax = 4},
	{.function = 7, .index = 0, .flags = INDEXED, .eax = 1, .ebx = 0xf1bf07eb, .ecx = 0x1b415f4e,
		.edx = 0xac004410},
	{.function = 7, .index = 1, .flags = INDEXED, .eax = 0x30},
	{.function = 0xd, .index = 0, .flags = INDEXED, .eax = 0x2e7, .ebx = 0x240, .ecx = 0xa88},
	{.function = 0xd, .index = 1, .flags = INDEXED, .eax = 0xf, .ebx = 0x240},
	{.function = 0xd, .index = 2, .flags = INDEXED, .eax = 0x100, .ebx = 0x240},
	{.function = 0xd, .index = 5, .flags = INDEXED, .eax = 0x40, .ebx = 0x440},
	{.function = 0xd, .index = 6, .flags = INDEXED, .eax = 0x200, .ebx = 0x480},
	{.function = 0xd, .index = 7, .flags = INDEXED, .eax = 0x400, .ebx = 0x680},
	{.function = 0xd, .index = 9, .flags = INDEXED, .eax = 8, .ebx = 0xa80},
	{.function = 0x40000001, .eax = 0x01007efb},
	{.function = 0x80000001, .ecx = 0x121, .edx = 0x2c100800},
	{.function = 0x80000007, .edx = 0x100},
	{.function = 0x80000008, .eax = 0x3034, .ebx = 0x0100d000},
};
#define N (sizeof(rich) / sizeof(rich[0]))

union list {
	struct kvm_cpuid2 c;
	uint8_t room[sizeof(struct kvm_cpuid2) + N * sizeof(struct kvm_cpuid_entry2)];
};

static char err[400];

static struct kvm_cpuid2 *fresh(union list *l)
{
	memset(l, 0, sizeof(*l));
	l->c.nent = N;
	memcpy(l->c.entries, rich, sizeof(rich));
	return &l->c;
}

/* What @text makes of the rich one. */
static struct kvm_cpuid2 *made(union list *l, const char *text)
{
	struct kvm_cpuid2 *c = fresh(l);

	if (cpu_choose(c, text, err, sizeof(err)) < 0)
		fail_msg("%s: %s", text, err);
	return c;
}

static void refused(const char *text, int rc, const char *why)
{
	union list l;

	err[0] = '\0';
	assert_int_equal(cpu_choose(fresh(&l), text, err, sizeof(err)), rc);
	if (!strstr(err, why))
		fail_msg("%s: \"%s\" has no \"%s\"", text, err, why);
	if (rc == -EINVAL)
		assert_int_equal(vmc_cpu_check(text, err, sizeof(err)), -EINVAL);
}

static void host_is_the_host(void **state)
{
	union list l;

	assert_memory_equal(made(&l, "host")->entries, rich, sizeof(rich));
}

static void a_feature_goes_with_what_needs_it(void **state)
{
	union list l;
	struct kvm_cpuid2 *c = made(&l, "host,-avx2");

	assert_false(cpu_has(c, "avx2"));
	assert_false(cpu_has(c, "avx512f"));
	assert_false(cpu_has(c, "avx512vl"));
	assert_false(cpu_has(c, "avx512_bitalg"));
	assert_true(cpu_has(c, "avx"));
	assert_true(cpu_has(c, "sse4_2"));
	assert_int_equal(cpu_entry(c, 0xd, 0)->eax, 0x207);
	assert_int_equal(cpu_entry(c, 0xd, 6)->eax, 0);
	/* PKU's part is the last; it stays where it was */
	assert_int_equal(cpu_entry(c, 0xd, 0)->ecx, 0xa88);
	c = made(&l, "-pku,-avx512f");
	assert_int_equal(cpu_entry(c, 0xd, 0)->eax, 7);
	assert_int_equal(cpu_entry(c, 0xd, 0)->ecx, 0x340);
	c = made(&l, "-xsave");
	assert_false(cpu_has(c, "avx"));
	assert_false(cpu_has(c, "xsavec"));
	assert_false(cpu_has(c, "xsaves"));
	assert_int_equal(cpu_entry(c, 0xd, 0)->eax, 0);
	assert_int_equal(cpu_entry(c, 0xd, 0)->ecx, 0);
	assert_int_equal(cpu_entry(c, 0xd, 1)->eax, 0);
	assert_int_equal(cpu_entry(c, 0xd, 2)->eax, 0);
}

static void the_last_word_counts(void **state)
{
	union list l;

	assert_true(cpu_has(made(&l, "host,-aes,+aes"), "aes"));
	assert_false(cpu_has(made(&l, "host,+aes,-aes"), "aes"));
	assert_true(cpu_has(made(&l, "baseline,+aes"), "aes"));
}

static void baseline_is_x86_64_v2(void **state)
{
	union list l;
	struct kvm_cpuid2 *c = made(&l, "baseline");

	assert_true(cpu_has(c, "sse4_2"));
	assert_true(cpu_has(c, "popcnt"));
	assert_true(cpu_has(c, "lahf_lm"));
	assert_true(cpu_has(c, "nx"));
	assert_true(cpu_has(c, "x2apic"));
	assert_true(cpu_has(c, "kvmclock"));
	assert_true(cpu_has(c, "hypervisor"));
	assert_false(cpu_has(c, "xsave"));
	assert_false(cpu_has(c, "avx"));
	assert_false(cpu_has(c, "fsgsbase"));
	assert_false(cpu_has(c, "rdrand"));
	assert_false(cpu_has(c, "rdtscp"));
	assert_int_equal(cpu_entry(c, 7, 0)->ebx, 0);
	assert_int_equal(cpu_entry(c, 7, 0)->edx, 0);
	assert_int_equal(cpu_entry(c, 0xd, 0)->eax, 0);
	assert_int_equal(cpu_entry(c, 0x80000008, 0)->ebx, 0);
	assert_int_equal(cpu_entry(c, 0x80000008, 0)->eax, 0x3034);
	assert_int_equal(cpu_entry(c, 0, 0)->eax, 0x1f);
	assert_int_equal(cpu_entry(c, 4, 0)->eax, 0x121);
	/* with XSAVE and AVX asked for, their leaf comes back */
	c = made(&l, "baseline,+xsave,+avx");
	assert_true(cpu_has(c, "avx"));
	assert_int_equal(cpu_entry(c, 0xd, 0)->eax, 7);
	assert_int_equal(cpu_entry(c, 0xd, 0)->ecx, 0x340);
	assert_int_equal(cpu_entry(c, 0xd, 2)->eax, 0x100);
}

static void what_amd_tells_twice_is_told_alike(void **state)
{
	struct kvm_cpuid2 *c;
	union list l;

	fresh(&l)->entries[14].edx |= 0x0183f3ff;
	c = &l.c;
	assert_int_equal(cpu_choose(c, "host,-mmx,-vme", err, sizeof(err)), 0);
	assert_int_equal(cpu_entry(c, 0x80000001, 0)->edx & (1u << 23 | 1u << 1), 0);
	fresh(&l)->entries[14].edx |= 0x0183f3ff;
	assert_int_equal(cpu_choose(c, "baseline", err, sizeof(err)), 0);
	assert_int_equal(cpu_entry(c, 0x80000001, 0)->edx & 0x0183f3ff, cpu_entry(c, 1, 0)->edx & 0x0183f3ff);
}

static void wrong_texts(void **state)
{
	char longer[VMC_CPU_MAX + 2];

	refused("", -EINVAL, "empty");
	refused("qemu64", -EINVAL, "\"qemu64\" is neither host nor baseline");
	refused("host,avx2", -EINVAL, "\"avx2\" has no sign");
	refused("host,-avx22", -EINVAL, "avx2");
	refused("host,-sse42", -EINVAL, "sse4_2");
	refused("host,+", -EINVAL, "\"\" is no CPU feature");
	refused("host,,+aes", -EINVAL, "has no sign");
	refused("host,-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", -EINVAL, "is no CPU feature");
	refused("host,-lm", -EINVAL, "cannot be taken away");
	refused("host,+svm", -EINVAL, "no virtualization");
	refused("host,+vmx", -EINVAL, "no virtualization");
	refused("host,+sha_ni,+3dnow", -ENOTSUP, "has no 3dnow");
	memset(longer, 'a', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	assert_int_equal(vmc_cpu_check(longer, err, sizeof(err)), -EINVAL);
	assert_int_equal(vmc_cpu_check("baseline,+aes,-vme", err, sizeof(err)), 0);
}

static void baseline_of_a_poor_host(void **state)
{
	union list l;
	struct kvm_cpuid2 *c = fresh(&l);

	cpu_entry(c, 1, 0)->ecx &= ~(1u << 20);
	assert_int_equal(cpu_choose(c, "baseline", err, sizeof(err)), -ENOTSUP);
	assert_non_null(strstr(err, "sse4_2"));
}

static void what_is_lacking_is_named(void **state)
{
	union list a, b;
	char names[64];

	assert_int_equal(cpu_lacking(made(&a, "baseline"), made(&b, "host"), names, sizeof(names)), 0);
	assert_int_equal(cpu_lacking(made(&a, "host"), made(&b, "host,-aes,-sha_ni"), names, sizeof(names)), 2);
	assert_string_equal(names, "aes sha_ni");
	/* many more than there is room for */
	assert_true(cpu_lacking(made(&a, "host"), made(&b, "baseline"), names, sizeof(names)) > 30);
	assert_true(strlen(names) < sizeof(names));
}

/* ---- VMs, on a fake KVM ---- */

static struct vmc_vm *vm_with(const char *cpu, int want)
{
	struct vmc_config cfg = {.id = "cpu", .ram_bytes = 1 << 20, .vcpus = 2, .managed = true, .cpu = cpu};
	struct vmc_vm *vm = NULL;

	err[0] = '\0';
	assert_int_equal(vmc_vm_new(&cfg, &vm, err, sizeof(err)), want);
	return vm;
}

static void a_vm_says_what_is_missing(void **state)
{
	union list l;

	fake_kvm_install();
	fake_kvm_cpuid(fresh(&l));
	assert_null(vm_with("host,+3dnow", -ENOTSUP));
	assert_non_null(strstr(err, "cpu \"host,+3dnow\": this host (its CPU or its KVM) has no 3dnow"));
	vmc_vm_free(vm_with("baseline", 0));
}

static void states_of_other_cpus(void **state)
{
	struct vmc_vm *vm;
	struct vmc_out out;
	union list l;

	fake_kvm_install();
	fake_kvm_cpuid(fresh(&l));
	vm = vm_with("host,-avx512f", 0);
	vmc_out_init(&out);
	assert_int_equal(vmc_state_save(vm, &out), 0);
	assert_int_equal(vmc_state_check(vm, out.data, out.len), 0);
	vmc_vm_free(vm);

	vm = vm_with("host", 0); /* one that has more takes it */
	assert_int_equal(vmc_state_check(vm, out.data, out.len), 0);
	vmc_vm_free(vm);

	vm = vm_with("host,-avx512f,-aes,-sha_ni", 0);
	assert_int_equal(vmc_state_check(vm, out.data, out.len), -EBADMSG);
	assert_non_null(strstr(vmc_error(vm), "2 features that this VM's lacks: aes sha_ni"));
	vmc_vm_free(vm);

	cpu_entry(fresh(&l), 0, 0)->ebx = 0x68747541; /* Auth... */
	fake_kvm_cpuid(&l.c);
	vm = vm_with("host", 0);
	assert_int_equal(vmc_state_check(vm, out.data, out.len), -EBADMSG);
	assert_non_null(strstr(vmc_error(vm), "it is of a CPU of GenuineIntel"));
	vmc_vm_free(vm);
	vmc_out_free(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(host_is_the_host),
		cmocka_unit_test(a_feature_goes_with_what_needs_it),
		cmocka_unit_test(the_last_word_counts),
		cmocka_unit_test(baseline_is_x86_64_v2),
		cmocka_unit_test(what_amd_tells_twice_is_told_alike),
		cmocka_unit_test(wrong_texts),
		cmocka_unit_test(baseline_of_a_poor_host),
		cmocka_unit_test(what_is_lacking_is_named),
		cmocka_unit_test(a_vm_says_what_is_missing),
		cmocka_unit_test(states_of_other_cpus),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
