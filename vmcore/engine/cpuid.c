/*
 * cpuid.c - what a vCPU says it is: the host's CPU as KVM supports it, less what the configuration takes away
 * (cpufeat.h), with this VM's topology; and whether a saved state's CPU can be had here.
 * Leaves by Intel SDM vol. 2A (2024) "CPUID" and AMD APM vol. 3 appendix E. Owner thread.
 */
#include "vmcore/engine/cpufeat.h"

#include <cpuid.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define MAX_ENTRIES 256u

/* The CPU's name and its first-level caches and TLBs, which KVM leaves empty: what this host's CPUID says. */
static void fill_in(struct kvm_cpuid2 *c)
{
	const struct kvm_cpuid_entry2 *zero = cpu_entry(c, 0, 0);
	uint32_t a, b, k, d;

	if (!zero || !__get_cpuid(0, &a, &b, &k, &d) || b != zero->ebx || k != zero->ecx)
		return;
	for (uint32_t f = 0x80000002; f <= 0x80000005; f++) {
		struct kvm_cpuid_entry2 *e = cpu_entry(c, f, 0);

		if (e && !(e->eax | e->ebx | e->ecx | e->edx))
			__get_cpuid(f, &e->eax, &e->ebx, &e->ecx, &e->edx);
	}
}

/* What KVM does not report as it is meant here. */
static void prepare(struct vmc_vm *vm, struct kvm_cpuid2 *c)
{
	struct kvm_cpuid_entry2 *one = cpu_entry(c, 1, 0), *ext = cpu_entry(c, 0x80000001, 0);

	if (one) {
		one->ecx |= 1u << 31; /* a hypervisor is there */
		one->ecx &= ~(1u << 5); /* no VMX: what a nested hypervisor keeps in KVM is not in a saved state */
		one->ecx &= ~(1u << 27); /* OSXSAVE is the guest's CR4 */
		if (vm->has_irqchip && kvm_cap(vm->kvm_fd, KVM_CAP_TSC_DEADLINE_TIMER))
			one->ecx |= 1u << 24;
	}
	if (ext)
		ext->ecx &= ~(1u << 2); /* no SVM, for the same reason */
}

int cpuid_read(struct vmc_vm *vm, const char *cpu)
{
	struct kvm_cpuid2 *c = calloc(1, sizeof(*c) + MAX_ENTRIES * sizeof(c->entries[0]));
	char why[256];
	int rc;

	if (!c)
		return vmc_fail(vm, -ENOMEM, "CPUID: out of memory");
	c->nent = MAX_ENTRIES;
	rc = kvm_call(vm->kvm_fd, KVM_GET_SUPPORTED_CPUID, c);
	if (rc < 0 || c->nent > MAX_ENTRIES) {
		free(c);
		return fail_kvm(vm, rc < 0 ? rc : -E2BIG, "KVM_GET_SUPPORTED_CPUID");
	}
	vm->cpuid = c;
	fill_in(c);
	prepare(vm, c);
	rc = cpu_choose(c, cpu, why, sizeof(why));
	return rc < 0 ? vmc_fail(vm, rc, "cpu \"%s\": %s", cpu, why) : 0;
}

static uint32_t log2_up(uint32_t n)
{
	uint32_t bits = 0;

	while (1u << bits < n)
		bits++;
	return bits;
}

/* One package of n cores with one thread each. */
static void topology(struct kvm_cpuid_entry2 *e, uint32_t index, uint32_t n)
{
	bool core = e->index == 1;

	if (e->index > 1) {
		e->eax = e->ebx = 0;
		e->ecx = e->index;
	} else {
		e->eax = core ? log2_up(n) : 0;
		e->ebx = core ? n : 1;
		e->ecx = e->index | (core ? 2u : 1u) << 8;
	}
	e->edx = index;
}

/* The last level is everybody's, each core has the others for itself. Less one, as the leaves have it. */
static uint32_t cache_sharers(const struct kvm_cpuid_entry2 *e, uint32_t all)
{
	return (e->eax >> 5 & 7) >= 3 ? all - 1 : 0;
}

static void adjust(struct vmc_vm *vm, struct kvm_cpuid_entry2 *e, uint32_t index)
{
	uint32_t n = vm->cfg.vcpus;

	switch (e->function) {
	case 1:
		e->ebx = (e->ebx & 0xffff) | n << 16 | index << 24;
		e->edx = n > 1 ? e->edx | 1u << 28 : e->edx & ~(1u << 28);
		break;
	case 4: /* cores in the package, threads that share a cache */
		if (e->eax & 0x1f)
			e->eax = (e->eax & 0x3fff) | cache_sharers(e, 1u << log2_up(n)) << 14 | (n - 1) << 26;
		break;
	case 0xb:
	case 0x1f:
		topology(e, index, n);
		break;
	case 0x80000008:
		e->ecx = (e->ecx & ~0xf0ffu) | (n - 1) | log2_up(n) << 12;
		break;
	case 0x8000001d: /* as leaf 4 */
		if (e->eax & 0x1f)
			e->eax = (e->eax & 0x3fff) | cache_sharers(e, n) << 14;
		break;
	case 0x8000001e:
		e->eax = index;
		e->ebx = index;
		e->ecx = 0;
		break;
	}
}

int cpuid_set(struct vmc_vcpu *vcpu)
{
	struct vmc_vm *vm = vcpu->vm;
	size_t size = sizeof(*vm->cpuid) + vm->cpuid->nent * sizeof(vm->cpuid->entries[0]);
	struct kvm_cpuid2 *c = malloc(size);
	int rc;

	if (!c)
		return -ENOMEM;
	memcpy(c, vm->cpuid, size);
	for (uint32_t i = 0; i < c->nent; i++)
		adjust(vm, &c->entries[i], vcpu->index);
	rc = kvm_call(vcpu->fd, KVM_SET_CPUID2, c);
	free(c);
	return rc;
}

/* ---- in saved states ---- */

int cpuid_save(struct vmc_vm *vm, struct vmc_out *out)
{
	vmc_out_u32(out, vm->cpuid->nent);
	for (uint32_t i = 0; i < vm->cpuid->nent; i++) {
		const struct kvm_cpuid_entry2 *e = &vm->cpuid->entries[i];

		vmc_out_u32(out, e->function);
		vmc_out_u32(out, e->index);
		vmc_out_u32(out, e->flags);
		vmc_out_u32(out, e->eax);
		vmc_out_u32(out, e->ebx);
		vmc_out_u32(out, e->ecx);
		vmc_out_u32(out, e->edx);
	}
	return 0;
}

static void maker(struct kvm_cpuid2 *c, char *name)
{
	const struct kvm_cpuid_entry2 *e = cpu_entry(c, 0, 0);

	memset(name, 0, 13);
	if (!e)
		return;
	memcpy(name, &e->ebx, 4);
	memcpy(name + 4, &e->edx, 4);
	memcpy(name + 8, &e->ecx, 4);
	for (int i = 0; i < 12; i++)
		if (name[i] < ' ' || name[i] > '~') /* it comes from a file, and goes to a screen */
			name[i] = '?';
}

static int compare(struct vmc_vm *vm, struct kvm_cpuid2 *saved, struct vmc_in *in)
{
	char names[96], theirs[13], ours[13];
	unsigned n;

	maker(saved, theirs);
	maker(vm->cpuid, ours);
	if (strcmp(theirs, ours) != 0)
		return vmc_in_fail(in, -ENOTSUP, "it is of a CPU of %s, this VM's is of %s", theirs, ours);
	n = cpu_lacking(saved, vm->cpuid, names, sizeof(names));
	if (n)
		return vmc_in_fail(in, -ENOTSUP,
			"its CPU has %u feature%s that this VM's lacks: %s", n, n == 1 ? "" : "s", names);
	return 0;
}

int cpuid_load(struct vmc_vm *vm, struct vmc_in *in, bool apply)
{
	struct kvm_cpuid2 *c;
	uint32_t n = vmc_in_u32(in);
	int rc;

	if (in->error)
		return in->error;
	if (n > MAX_ENTRIES)
		return vmc_in_fail(in, -EBADMSG, "%u CPUID leaves, %u are possible", n, MAX_ENTRIES);
	c = calloc(1, sizeof(*c) + n * sizeof(c->entries[0]));
	if (!c)
		return vmc_in_fail(in, -ENOMEM, "out of memory");
	c->nent = n;
	for (uint32_t i = 0; i < n; i++) {
		struct kvm_cpuid_entry2 *e = &c->entries[i];

		e->function = vmc_in_u32(in);
		e->index = vmc_in_u32(in);
		e->flags = vmc_in_u32(in);
		e->eax = vmc_in_u32(in);
		e->ebx = vmc_in_u32(in);
		e->ecx = vmc_in_u32(in);
		e->edx = vmc_in_u32(in);
	}
	rc = in->error;
	/* A guest is content with a CPU that has more: nothing is applied. */
	if (rc == 0 && !apply)
		rc = compare(vm, c, in);
	free(c);
	return rc;
}
