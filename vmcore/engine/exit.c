/*
 * exit.c - KVM_RUN and what a vCPU left it for. On the thread that runs the vCPU.
 */
#include "vmcore/engine/internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* How often an answer may be taken in before the vCPU goes on regardless: a string instruction asks
 * again and again, and a hostile one must not hold up a pause for ever. */
#define FINISH_BOUND 8192

const char *vmc_exit_name(enum vmc_exit_reason reason)
{
	static const char *const names[] = {
		[VMC_EXIT_IO_IN] = "io-in",
		[VMC_EXIT_IO_OUT] = "io-out",
		[VMC_EXIT_MMIO_READ] = "mmio-read",
		[VMC_EXIT_MMIO_WRITE] = "mmio-write",
		[VMC_EXIT_HYPERCALL] = "hypercall",
		[VMC_EXIT_HALT] = "halt",
		[VMC_EXIT_SHUTDOWN] = "shutdown",
		[VMC_EXIT_RESET] = "reset",
		[VMC_EXIT_DEBUG] = "debug",
		[VMC_EXIT_INTR] = "intr",
		[VMC_EXIT_DIRTY_RING] = "dirty-ring",
		[VMC_EXIT_ERROR] = "error",
	};

	return reason < VMC_EXIT_REASONS ? names[reason] : "unknown";
}

void vcpu_count_exit(struct vmc_vcpu *vcpu, enum vmc_exit_reason reason)
{
	atomic_fetch_add_explicit(&vcpu->exits[reason], 1, memory_order_relaxed);
}

/* A vCPU that waits for a start-up IPI comes back with EAGAIN when something was sent to it. */
static void look_for_sipi(struct vmc_vcpu *vcpu)
{
	struct kvm_mp_state mp;

	if (kvm_call(vcpu->fd, KVM_GET_MP_STATE, &mp) == 0)
		atomic_store(&vcpu->wait_sipi, mp.mp_state == KVM_MP_STATE_UNINITIALIZED ||
			mp.mp_state == KVM_MP_STATE_INIT_RECEIVED || mp.mp_state == KVM_MP_STATE_SIPI_RECEIVED);
}

int vcpu_enter(struct vmc_vcpu *vcpu)
{
	struct kvm_run *run = vcpu->run;
	int rc = kvm_sys->ioctl(vcpu->fd, KVM_RUN, 0);

	vcpu->io_pending = rc == 0 && (run->exit_reason == KVM_EXIT_IO ||
		run->exit_reason == KVM_EXIT_MMIO || run->exit_reason == KVM_EXIT_HYPERCALL);
	if (rc == -EINTR)
		vcpu_drain_kicks();
	if (rc == 0)
		atomic_store(&vcpu->wait_sipi, false);
	else if (rc == -EAGAIN || (rc == -EINTR && atomic_load(&vcpu->wait_sipi)))
		look_for_sipi(vcpu);
	return rc;
}

static void serve_pio(struct vmc_vcpu *vcpu)
{
	struct kvm_run *run = vcpu->run;
	bool out = run->io.direction == KVM_EXIT_IO_OUT;
	uint8_t *data = (uint8_t *)run + run->io.data_offset;

	vcpu_count_exit(vcpu, out ? VMC_EXIT_IO_OUT : VMC_EXIT_IO_IN);
	for (uint32_t i = 0; i < run->io.count; i++, data += run->io.size)
		bus_access(vcpu->vm, VMC_BUS_PIO, run->io.port, data, run->io.size, out);
}

static void serve_mmio(struct vmc_vcpu *vcpu)
{
	struct kvm_run *run = vcpu->run;
	uint32_t len = run->mmio.len < sizeof(run->mmio.data) ? run->mmio.len : sizeof(run->mmio.data);

	vcpu_count_exit(vcpu, run->mmio.is_write ? VMC_EXIT_MMIO_WRITE : VMC_EXIT_MMIO_READ);
	bus_access(vcpu->vm, VMC_BUS_MMIO, run->mmio.phys_addr, run->mmio.data, len, run->mmio.is_write);
}

bool vcpu_serve_io(struct vmc_vcpu *vcpu)
{
	switch (vcpu->run->exit_reason) {
	case KVM_EXIT_IO:
		serve_pio(vcpu);
		return true;
	case KVM_EXIT_MMIO:
		serve_mmio(vcpu);
		return true;
	default:
		return false;
	}
}

void vcpu_finish_io(struct vmc_vcpu *vcpu)
{
	for (int i = 0; vcpu->io_pending && i < FINISH_BOUND; i++) {
		int rc;

		__atomic_store_n(&vcpu->run->immediate_exit, 1, __ATOMIC_SEQ_CST);
		rc = vcpu_enter(vcpu);
		if (rc != -EINTR)
			vcpu_handle_exit(vcpu, rc);
	}
	vcpu->io_pending = false;
}

static void crash(struct vmc_vcpu *vcpu, int rc)
{
	struct vmc_vm *vm = vcpu->vm;
	char *text = crash_text(vcpu, rc);

	vcpu_count_exit(vcpu, VMC_EXIT_ERROR);
	atomic_store(&vcpu->failed, true);
	pthread_mutex_lock(&vm->run_lock);
	if (!vm->crash) {
		vm->crash = text;
		text = NULL;
	}
	pthread_mutex_unlock(&vm->run_lock);
	free(text);
	run_post(vm, VMC_EVENT_CRASHED, vcpu->index, 0);
}

static void debug_stop(struct vmc_vcpu *vcpu)
{
	struct vmc_vm *vm = vcpu->vm;
	bool stepping;

	vcpu_count_exit(vcpu, VMC_EXIT_DEBUG);
	pthread_mutex_lock(&vm->run_lock);
	stepping = vcpu->step;
	if (stepping) {
		vcpu->step = false;
		vcpu->step_stopped = true;
		pthread_cond_broadcast(&vm->owner_wake);
	}
	pthread_mutex_unlock(&vm->run_lock);
	if (!stepping)
		run_post(vm, VMC_EVENT_DEBUG, vcpu->index, 0);
}

static void system_event(struct vmc_vcpu *vcpu)
{
	switch (vcpu->run->system_event.type) {
	case KVM_SYSTEM_EVENT_RESET:
		vcpu_count_exit(vcpu, VMC_EXIT_RESET);
		run_post(vcpu->vm, VMC_EVENT_RESET, vcpu->index, 0);
		break;
	case KVM_SYSTEM_EVENT_SHUTDOWN:
		vcpu_count_exit(vcpu, VMC_EXIT_SHUTDOWN);
		run_post(vcpu->vm, VMC_EVENT_SHUTDOWN, vcpu->index, 0);
		break;
	default:
		crash(vcpu, 0);
	}
}

void vcpu_handle_exit(struct vmc_vcpu *vcpu, int rc)
{
	if (rc == -EINTR || rc == -EAGAIN) {
		vcpu_count_exit(vcpu, VMC_EXIT_INTR);
		return;
	}
	if (rc < 0) {
		crash(vcpu, rc);
		return;
	}
	if (vcpu_serve_io(vcpu))
		return;
	switch (vcpu->run->exit_reason) {
	case KVM_EXIT_INTR:
		vcpu_count_exit(vcpu, VMC_EXIT_INTR);
		break;
	case KVM_EXIT_IRQ_WINDOW_OPEN:
		break;
	case KVM_EXIT_HLT:
		vcpu_count_exit(vcpu, VMC_EXIT_HALT);
		break;
	case KVM_EXIT_SHUTDOWN:
		vcpu_count_exit(vcpu, VMC_EXIT_SHUTDOWN);
		run_post(vcpu->vm, VMC_EVENT_SHUTDOWN, vcpu->index, -1);
		break;
	case KVM_EXIT_SYSTEM_EVENT:
		system_event(vcpu);
		break;
	case KVM_EXIT_HYPERCALL:
		vcpu_count_exit(vcpu, VMC_EXIT_HYPERCALL);
		vcpu->run->hypercall.ret = (uint64_t)-1000; /* KVM_ENOSYS: we serve none */
		break;
	case KVM_EXIT_DEBUG:
		debug_stop(vcpu);
		break;
	case KVM_EXIT_DIRTY_RING_FULL:
		vcpu_count_exit(vcpu, VMC_EXIT_DIRTY_RING);
		dirty_collect_ring(vcpu->vm);
		break;
	default:
		crash(vcpu, 0);
	}
}
