/*
 * manual.c - manual mode: the caller runs the vCPUs, each from a thread of its own, and gets typed exits.
 */
#include "vmcore/engine/internal.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

int vmc_vcpu_new(struct vmc_vm *vm, uint32_t index, struct vmc_vcpu **out)
{
	*out = NULL;
	if (vm->cfg.managed)
		return vmc_fail(vm, -EPERM, "the library makes the vCPUs of a VM in managed mode");
	if (index >= vm->cfg.vcpus)
		return vmc_fail(vm, -EINVAL, "vCPU %u: this VM may have vCPUs 0 to %u", index,
			vm->cfg.vcpus - 1);
	if (vm->vcpus[index])
		return vmc_fail(vm, -EEXIST, "vCPU %u exists", index);
	return vcpu_create(vm, index, out);
}

/* From here on kicks reach this thread: the signal is blocked, so it ends KVM_RUN and nothing else. */
static int begin(struct vmc_vcpu *vcpu, sigset_t *old)
{
	struct vmc_vm *vm = vcpu->vm;
	sigset_t kick;
	int rc;

	sigemptyset(&kick);
	sigaddset(&kick, kick_signal());
	pthread_sigmask(SIG_BLOCK, &kick, old);
	rc = vcpu_set_run_mask(vcpu, old);
	if (rc < 0) {
		pthread_sigmask(SIG_SETMASK, old, NULL);
		return vmc_fail(vm, rc, "KVM_SET_SIGNAL_MASK: %s", strerror(-rc));
	}
	pthread_mutex_lock(&vm->run_lock);
	if (vcpu->tid)
		rc = -EBUSY;
	else if (atomic_load(&vm->state) == VMC_STOPPED || atomic_load(&vm->state) == VMC_CRASHED)
		rc = -EINVAL;
	if (rc == 0) {
		vcpu->tid = gettid();
		vm->in_run++;
		vm->ever_ran = true;
		atomic_store(&vm->state, VMC_RUNNING);
	}
	pthread_mutex_unlock(&vm->run_lock);
	if (rc == 0)
		return 0;
	pthread_sigmask(SIG_SETMASK, old, NULL);
	return vmc_fail(vm, rc, "run vCPU %u: %s", vcpu->index,
		rc == -EBUSY ? "another thread runs it" : "the VM is over; reset it first");
}

static void end(struct vmc_vcpu *vcpu, const sigset_t *old)
{
	struct vmc_vm *vm = vcpu->vm;

	pthread_mutex_lock(&vm->run_lock);
	vcpu->tid = 0;
	if (--vm->in_run == 0)
		atomic_store(&vm->state, VMC_PAUSED);
	pthread_cond_broadcast(&vm->owner_wake);
	pthread_mutex_unlock(&vm->run_lock);
	vcpu_drain_kicks(); /* nobody sends any more */
	pthread_sigmask(SIG_SETMASK, old, NULL);
}

/* A kick that came is taken; immediate_exit is cleared here and nowhere else. */
static bool was_kicked(struct vmc_vcpu *vcpu)
{
	bool kicked;

	pthread_mutex_lock(&vcpu->vm->run_lock);
	kicked = vcpu->kicked;
	vcpu->kicked = false;
	__atomic_store_n(&vcpu->run->immediate_exit, 0, __ATOMIC_SEQ_CST);
	pthread_mutex_unlock(&vcpu->vm->run_lock);
	return kicked;
}

/* A string instruction is served as a whole when a region claims its port, else handed up as a whole. */
static bool claimed(struct vmc_vcpu *vcpu)
{
	const struct kvm_run *run = vcpu->run;

	if (run->exit_reason == KVM_EXIT_IO)
		return bus_claims(vcpu->vm, VMC_BUS_PIO, run->io.port, run->io.size);
	return run->exit_reason == KVM_EXIT_MMIO &&
		bus_claims(vcpu->vm, VMC_BUS_MMIO, run->mmio.phys_addr, run->mmio.len);
}

static void io_exit(struct vmc_vcpu *vcpu, struct vmc_exit *exit)
{
	struct kvm_run *run = vcpu->run;
	uint8_t *data = (uint8_t *)run + run->io.data_offset;
	bool out = run->io.direction == KVM_EXIT_IO_OUT;

	exit->reason = out ? VMC_EXIT_IO_OUT : VMC_EXIT_IO_IN;
	exit->io.port = run->io.port;
	exit->io.size = run->io.size;
	exit->io.count = run->io.count;
	exit->io.data = out ? data : NULL;
	if (!out) /* what it reads unless the caller says otherwise */
		memset(data, 0xff, (size_t)run->io.size * run->io.count);
}

static void mmio_exit(struct vmc_vcpu *vcpu, struct vmc_exit *exit)
{
	struct kvm_run *run = vcpu->run;

	exit->reason = run->mmio.is_write ? VMC_EXIT_MMIO_WRITE : VMC_EXIT_MMIO_READ;
	exit->mmio.gpa = run->mmio.phys_addr;
	exit->mmio.len = run->mmio.len;
	if (run->mmio.is_write)
		memcpy(exit->mmio.data, run->mmio.data, sizeof(exit->mmio.data));
	else
		memset(run->mmio.data, 0xff, sizeof(run->mmio.data));
}

static void other_exit(struct vmc_vcpu *vcpu, struct vmc_exit *exit)
{
	struct kvm_run *run = vcpu->run;

	switch (run->exit_reason) {
	case KVM_EXIT_HLT:
		exit->reason = VMC_EXIT_HALT;
		return;
	case KVM_EXIT_SHUTDOWN:
		exit->reason = VMC_EXIT_SHUTDOWN;
		return;
	case KVM_EXIT_SYSTEM_EVENT:
		exit->reason = run->system_event.type == KVM_SYSTEM_EVENT_RESET ? VMC_EXIT_RESET
			: run->system_event.type == KVM_SYSTEM_EVENT_SHUTDOWN	? VMC_EXIT_SHUTDOWN
										: VMC_EXIT_ERROR;
		return;
	case KVM_EXIT_DEBUG:
		exit->reason = VMC_EXIT_DEBUG;
		exit->debug.exception = run->debug.arch.exception;
		exit->debug.rip = run->debug.arch.pc;
		exit->debug.dr6 = run->debug.arch.dr6;
		exit->debug.dr7 = run->debug.arch.dr7;
		return;
	case KVM_EXIT_HYPERCALL:
		exit->reason = VMC_EXIT_HYPERCALL;
		exit->hypercall.nr = run->hypercall.nr;
		memcpy(exit->hypercall.args, run->hypercall.args, sizeof(exit->hypercall.args));
		run->hypercall.ret = (uint64_t)-1000; /* KVM_ENOSYS, unless the caller says otherwise */
		return;
	default:
		exit->reason = VMC_EXIT_ERROR;
	}
}

/* Return: 0 with @exit filled, -EAGAIN to go on, -EINTR when kicked. */
static int one_run(struct vmc_vcpu *vcpu, struct vmc_exit *exit)
{
	int rc;

	if (was_kicked(vcpu))
		return vmc_fail(vcpu->vm, -EINTR, "vCPU %u was kicked", vcpu->index);
	rc = vcpu_enter(vcpu);
	if (rc == -EINTR) {
		vcpu_count_exit(vcpu, VMC_EXIT_INTR);
		if (was_kicked(vcpu))
			return vmc_fail(vcpu->vm, -EINTR, "vCPU %u was kicked", vcpu->index);
		/* A signal of the caller's own: it wants to get on with its handler's consequences. */
		return vmc_fail(vcpu->vm, -EINTR, "a signal interrupted vCPU %u", vcpu->index);
	}
	if (rc == -EAGAIN)
		return -EAGAIN;
	if (rc == 0 && claimed(vcpu)) {
		vcpu_serve_io(vcpu);
		return -EAGAIN;
	}
	if (rc == 0 && vcpu->run->exit_reason == KVM_EXIT_DIRTY_RING_FULL) {
		vcpu_count_exit(vcpu, VMC_EXIT_DIRTY_RING);
		dirty_collect_ring(vcpu->vm);
		return -EAGAIN;
	}
	memset(exit, 0, sizeof(*exit));
	if (rc == 0 && vcpu->run->exit_reason == KVM_EXIT_IO)
		io_exit(vcpu, exit);
	else if (rc == 0 && vcpu->run->exit_reason == KVM_EXIT_MMIO)
		mmio_exit(vcpu, exit);
	else if (rc == 0)
		other_exit(vcpu, exit);
	else
		exit->reason = VMC_EXIT_ERROR;
	if (exit->reason == VMC_EXIT_ERROR)
		crash_line(vcpu, rc, exit->message, sizeof(exit->message));
	vcpu_count_exit(vcpu, exit->reason);
	return 0;
}

int vmc_vcpu_run(struct vmc_vcpu *vcpu, struct vmc_exit *exit)
{
	sigset_t old;
	int rc;

	if (vcpu->vm->cfg.managed)
		return vmc_fail(vcpu->vm, -EPERM, "the library runs the vCPUs of a VM in managed mode");
	rc = begin(vcpu, &old);
	if (rc < 0)
		return rc;
	do
		rc = one_run(vcpu, exit);
	while (rc == -EAGAIN);
	end(vcpu, &old);
	return rc;
}

int vmc_vcpu_set_io_result(struct vmc_vcpu *vcpu, const void *data, size_t len)
{
	struct kvm_run *run = vcpu->run;

	if (!vcpu->io_pending || run->exit_reason != KVM_EXIT_IO || run->io.direction != KVM_EXIT_IO_IN)
		return vmc_fail(vcpu->vm, -EINVAL, "vCPU %u does not wait for a port read", vcpu->index);
	if (len != (size_t)run->io.size * run->io.count)
		return vmc_fail(vcpu->vm, -EINVAL, "a port read of %u times %u bytes, %zu given", run->io.count,
			run->io.size, len);
	memcpy((uint8_t *)run + run->io.data_offset, data, len);
	return 0;
}

int vmc_vcpu_set_mmio_result(struct vmc_vcpu *vcpu, const void *data, size_t len)
{
	struct kvm_run *run = vcpu->run;

	if (!vcpu->io_pending || run->exit_reason != KVM_EXIT_MMIO || run->mmio.is_write)
		return vmc_fail(vcpu->vm, -EINVAL, "vCPU %u does not wait for an MMIO read", vcpu->index);
	if (len != run->mmio.len)
		return vmc_fail(vcpu->vm, -EINVAL, "an MMIO read of %u bytes, %zu given", run->mmio.len, len);
	memcpy(run->mmio.data, data, len);
	return 0;
}

void vmc_vcpu_kick(struct vmc_vcpu *vcpu)
{
	pthread_mutex_lock(&vcpu->vm->run_lock);
	vcpu->kicked = true;
	vcpu_kick_locked(vcpu);
	pthread_mutex_unlock(&vcpu->vm->run_lock);
}
