/*
 * cpuid.c - what a vCPU says it is: the host's CPU as KVM supports it, with this VM's topology.
 * Leaves by Intel SDM vol. 2A (2024) "CPUID" and AMD APM vol. 3 appendix E. Owner thread.
 */
#include "vmcore/engine/internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define MAX_ENTRIES 256u

int cpuid_read(struct vmc_vm *vm)
{
	struct kvm_cpuid2 *c = calloc(1, sizeof(*c) + MAX_ENTRIES * sizeof(c->entries[0]));
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
	return 0;
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
		e->ecx |= 1u << 31; /* a hypervisor is there */
		e->ecx &= ~(1u << 5); /* no VMX: what a nested hypervisor keeps in KVM is not in a saved state */
		if (vm->has_irqchip && kvm_cap(vm->kvm_fd, KVM_CAP_TSC_DEADLINE_TIMER))
			e->ecx |= 1u << 24;
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
	case 0x80000001:
		e->ecx &= ~(1u << 2); /* no SVM, for the same reason */
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
