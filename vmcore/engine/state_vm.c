/*
 * state_vm.c - what belongs to the VM as a whole: irqchip, PIT, clock; and the state at power-on, which
 * a reset puts back. Owner thread, no vCPU in KVM_RUN.
 */
#include "vmcore/engine/internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

int irqchip_save(struct vmc_vm *vm, struct vmc_out *out)
{
	for (uint32_t id = KVM_IRQCHIP_PIC_MASTER; id <= KVM_IRQCHIP_IOAPIC; id++) {
		struct kvm_irqchip chip = { .chip_id = id };
		int rc = kvm_call(vm->fd, KVM_GET_IRQCHIP, &chip);

		if (rc < 0)
			return fail_kvm(vm, rc, "KVM_GET_IRQCHIP");
		vmc_out_bytes(out, &chip.chip, sizeof(chip.chip));
	}
	return 0;
}

int irqchip_load(struct vmc_vm *vm, struct vmc_in *in, bool apply)
{
	for (uint32_t id = KVM_IRQCHIP_PIC_MASTER; id <= KVM_IRQCHIP_IOAPIC; id++) {
		struct kvm_irqchip chip = { .chip_id = id };
		int rc = vmc_in_bytes(in, &chip.chip, sizeof(chip.chip));

		if (rc == 0 && apply)
			rc = kvm_call(vm->fd, KVM_SET_IRQCHIP, &chip);
		if (rc < 0)
			return vmc_in_fail(in, rc, "KVM_SET_IRQCHIP: %s", strerror(-rc));
	}
	return 0;
}

int pit_save(struct vmc_vm *vm, struct vmc_out *out)
{
	struct kvm_pit_state2 pit;
	int rc;

	memset(&pit, 0, sizeof(pit));
	rc = kvm_call(vm->fd, KVM_GET_PIT2, &pit);
	if (rc < 0)
		return fail_kvm(vm, rc, "KVM_GET_PIT2");
	/* Its only host time is when a count began; that means nothing elsewhere or later. */
	for (int i = 0; i < 3; i++)
		pit.channels[i].count_load_time = 0;
	vmc_out_bytes(out, &pit, sizeof(pit));
	return 0;
}

int pit_load(struct vmc_vm *vm, struct vmc_in *in, bool apply)
{
	struct kvm_pit_state2 pit;
	int rc = vmc_in_bytes(in, &pit, sizeof(pit));

	if (rc == 0 && apply)
		rc = kvm_call(vm->fd, KVM_SET_PIT2, &pit);
	return rc < 0 ? vmc_in_fail(in, rc, "KVM_SET_PIT2: %s", strerror(-rc)) : 0;
}

static uint64_t realtime_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

/* u64 kvmclock in ns, u64 the wall clock at that moment. */
int clock_save(struct vmc_vm *vm, struct vmc_out *out)
{
	struct kvm_clock_data clock;
	int rc;

	memset(&clock, 0, sizeof(clock));
	rc = kvm_call(vm->fd, KVM_GET_CLOCK, &clock);
	if (rc < 0)
		return fail_kvm(vm, rc, "KVM_GET_CLOCK");
	vmc_out_u64(out, clock.clock);
	vmc_out_u64(out, clock.flags & KVM_CLOCK_REALTIME ? clock.realtime : realtime_ns());
	return 0;
}

/* The clock went on while nobody ran the guest: it must know the right time. */
int clock_load(struct vmc_vm *vm, struct vmc_in *in, bool apply)
{
	struct kvm_clock_data clock;
	uint64_t now = realtime_ns();
	int rc;

	memset(&clock, 0, sizeof(clock));
	clock.clock = vmc_in_u64(in);
	clock.realtime = vmc_in_u64(in);
	if (in->error || !apply)
		return in->error;
	if (kvm_cap(vm->fd, KVM_CAP_ADJUST_CLOCK) & KVM_CLOCK_REALTIME) {
		clock.flags = KVM_CLOCK_REALTIME; /* KVM adds what has passed since */
		if (clock.realtime > now)	  /* the host's clock was set back: never go backwards */
			clock.realtime = now;
	} else if (now > clock.realtime) {
		clock.clock += now - clock.realtime;
	}
	rc = kvm_call(vm->fd, KVM_SET_CLOCK, &clock);
	return rc < 0 ? vmc_in_fail(in, rc, "KVM_SET_CLOCK: %s", strerror(-rc)) : 0;
}

uint64_t clock_elapsed_ns(const void *data, size_t len)
{
	uint64_t then, now = realtime_ns();
	struct vmc_in in;

	vmc_in_init(&in, data, len);
	(void)vmc_in_u64(&in);
	then = vmc_in_u64(&in);
	return in.error || then > now ? 0 : now - then;
}

int state_power_on_save(struct vmc_vm *vm)
{
	struct vmc_out out;
	int rc = 0;

	vmc_out_init(&out);
	if (vm->has_irqchip) {
		rc = irqchip_save(vm, &out);
		if (rc == 0)
			rc = pit_save(vm, &out);
	}
	if (rc == 0 && out.failed)
		rc = vmc_fail(vm, -ENOMEM, "power-on state: out of memory");
	vm->power_on = out.data;
	vm->power_on_len = out.len;
	return rc;
}

static int vcpu_power_on(struct vmc_vcpu *vcpu, void *arg)
{
	return vcpu_state_load(vcpu, vcpu->power_on, vcpu->power_on_len, 0);
}

int state_power_on_load(struct vmc_vm *vm)
{
	struct vmc_in in;
	int rc = 0;

	vmc_in_init(&in, vm->power_on, vm->power_on_len);
	if (vm->has_irqchip) {
		rc = irqchip_load(vm, &in, true);
		if (rc == 0)
			rc = pit_load(vm, &in, true);
	}
	if (rc < 0)
		return vmc_fail(vm, rc, "reset: %s", in.message);
	for (uint32_t i = 0; rc == 0 && i < VMC_MAX_VCPUS; i++)
		if (vm->vcpus[i])
			rc = vcpu_call(vm->vcpus[i], vcpu_power_on, NULL);
	return rc;
}
