/*
 * regs.c - registers both ways, address translation, NMI, single steps. Any thread in managed mode
 * (the work is done by vcpu_call()), the vCPU's thread in manual mode.
 */
#include "vmcore/engine/internal.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <time.h>

/* How long a single step may take: an instruction that waits (HLT) does not end by itself. */
#define STEP_LIMIT_MS 250

static int fail_vcpu(struct vmc_vcpu *vcpu, int rc, const char *what)
{
	return vmc_fail(vcpu->vm, rc, "vCPU %u: %s: %s", vcpu->index, what, strerror(-rc));
}

#define FOR_REGS(X) \
	X(rax) X(rbx) X(rcx) X(rdx) X(rsi) X(rdi) X(rsp) X(rbp) X(r8) X(r9) X(r10) X(r11) X(r12) X(r13) \
	X(r14) X(r15) X(rip) X(rflags)
#define FOR_SEGMENTS(X) X(cs) X(ds) X(es) X(fs) X(gs) X(ss) X(tr) X(ldt)
#define FOR_SEGMENT(X)	X(base) X(limit) X(selector) X(type) X(present) X(dpl) X(db) X(s) X(l) X(g) X(avl) X(unusable)
#define FOR_CONTROL(X)	X(cr0) X(cr2) X(cr3) X(cr4) X(cr8) X(efer) X(apic_base)

static int get_regs(struct vmc_vcpu *vcpu, void *arg)
{
	struct vmc_regs *out = arg;
	struct kvm_regs k = { 0 };
	int rc = kvm_call(vcpu->fd, KVM_GET_REGS, &k);

	if (rc < 0)
		return rc;
#define X(r) out->r = k.r;
	FOR_REGS(X)
#undef X
	return 0;
}

static int set_regs(struct vmc_vcpu *vcpu, void *arg)
{
	const struct vmc_regs *in = arg;
	struct kvm_regs k = { 0 };

#define X(r) k.r = in->r;
	FOR_REGS(X)
#undef X
	return kvm_call(vcpu->fd, KVM_SET_REGS, &k);
}

static void segment_out(struct vmc_segment *out, const struct kvm_segment *k)
{
#define X(f) out->f = k->f;
	FOR_SEGMENT(X)
#undef X
}

static void segment_in(struct kvm_segment *k, const struct vmc_segment *in)
{
#define X(f) k->f = in->f;
	FOR_SEGMENT(X)
#undef X
}

static int get_sregs(struct vmc_vcpu *vcpu, void *arg)
{
	struct vmc_sregs *out = arg;
	struct kvm_sregs k = { 0 };
	int rc = kvm_call(vcpu->fd, KVM_GET_SREGS, &k);

	if (rc < 0)
		return rc;
	memset(out, 0, sizeof(*out)); /* callers compare samples */
#define X(f) segment_out(&out->f, &k.f);
	FOR_SEGMENTS(X)
#undef X
#define X(f) out->f = k.f;
	FOR_CONTROL(X)
#undef X
	out->gdt.base = k.gdt.base;
	out->gdt.limit = k.gdt.limit;
	out->idt.base = k.idt.base;
	out->idt.limit = k.idt.limit;
	return 0;
}

static int set_sregs(struct vmc_vcpu *vcpu, void *arg)
{
	const struct vmc_sregs *in = arg;
	struct kvm_sregs k = { 0 };
	int rc = kvm_call(vcpu->fd, KVM_GET_SREGS, &k); /* for the interrupt bitmap */

	if (rc < 0)
		return rc;
#define X(f) segment_in(&k.f, &in->f);
	FOR_SEGMENTS(X)
#undef X
#define X(f) k.f = in->f;
	FOR_CONTROL(X)
#undef X
	k.gdt.base = in->gdt.base;
	k.gdt.limit = in->gdt.limit;
	k.idt.base = in->idt.base;
	k.idt.limit = in->idt.limit;
	return kvm_call(vcpu->fd, KVM_SET_SREGS, &k);
}

int vmc_vcpu_get_regs(struct vmc_vcpu *vcpu, struct vmc_regs *out)
{
	int rc = vcpu_call(vcpu, get_regs, out);

	return rc < 0 ? fail_vcpu(vcpu, rc, "KVM_GET_REGS") : 0;
}

int vmc_vcpu_set_regs(struct vmc_vcpu *vcpu, const struct vmc_regs *regs)
{
	int rc = vcpu_call(vcpu, set_regs, (void *)regs);

	return rc < 0 ? fail_vcpu(vcpu, rc, "KVM_SET_REGS") : 0;
}

int vmc_vcpu_get_sregs(struct vmc_vcpu *vcpu, struct vmc_sregs *out)
{
	int rc = vcpu_call(vcpu, get_sregs, out);

	return rc < 0 ? fail_vcpu(vcpu, rc, "KVM_GET_SREGS") : 0;
}

int vmc_vcpu_set_sregs(struct vmc_vcpu *vcpu, const struct vmc_sregs *sregs)
{
	int rc = vcpu_call(vcpu, set_sregs, (void *)sregs);

	return rc < 0 ? fail_vcpu(vcpu, rc, "KVM_SET_SREGS: the registers do not fit together") : 0;
}

struct sample {
	struct vmc_regs *regs;
	struct vmc_sregs *sregs;
};

static int sample(struct vmc_vcpu *vcpu, void *arg)
{
	struct sample *s = arg;
	int rc = get_regs(vcpu, s->regs);

	return rc < 0 ? rc : get_sregs(vcpu, s->sregs);
}

int vmc_vcpu_sample(struct vmc_vcpu *vcpu, struct vmc_regs *regs, struct vmc_sregs *sregs)
{
	struct sample s = { regs, sregs };
	int rc = vcpu_call(vcpu, sample, &s);

	return rc < 0 ? fail_vcpu(vcpu, rc, "read the registers") : 0;
}

static int translate(struct vmc_vcpu *vcpu, void *arg)
{
	return kvm_call(vcpu->fd, KVM_TRANSLATE, arg);
}

int vmc_vcpu_translate(struct vmc_vcpu *vcpu, uint64_t gva, uint64_t *gpa)
{
	struct kvm_translation tr = { .linear_address = gva };
	int rc = vcpu_call(vcpu, translate, &tr);

	if (rc < 0)
		return fail_vcpu(vcpu, rc, "KVM_TRANSLATE");
	if (!tr.valid)
		return vmc_fail(vcpu->vm, -EFAULT, "vCPU %u: %#" PRIx64 " is not mapped", vcpu->index, gva);
	*gpa = tr.physical_address;
	return 0;
}

static int nmi(struct vmc_vcpu *vcpu, void *arg)
{
	return kvm_call_n(vcpu->fd, KVM_NMI, 0);
}

int vmc_vcpu_nmi(struct vmc_vcpu *vcpu)
{
	int rc = vcpu_call(vcpu, nmi, NULL);

	return rc < 0 ? fail_vcpu(vcpu, rc, "KVM_NMI") : 0;
}

static int set_debug(struct vmc_vcpu *vcpu, void *arg)
{
	/* An interrupt taken during the step would put the trap flag into the frame that the guest returns from. */
	const uint32_t step = KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_SINGLESTEP | KVM_GUESTDBG_BLOCKIRQ;
	struct kvm_guest_debug debug = { .control = arg ? step : 0 };

	return kvm_call(vcpu->fd, KVM_SET_GUEST_DEBUG, &debug);
}

/* Let one vCPU through the closed gate until its debug exit. */
static int step_once(struct vmc_vcpu *vcpu)
{
	struct vmc_vm *vm = vcpu->vm;
	struct timespec end;
	int rc = 0;

	clock_gettime(CLOCK_REALTIME, &end);
	end.tv_nsec += STEP_LIMIT_MS * 1000000l; /* short: the owner's main loop waits meanwhile */
	if (end.tv_nsec >= 1000000000l) {
		end.tv_sec++;
		end.tv_nsec -= 1000000000l;
	}
	pthread_mutex_lock(&vm->run_lock);
	vcpu->step = true;
	vcpu->step_stopped = false;
	pthread_cond_signal(&vcpu->wake);
	while (!vcpu->step_stopped && !vm->nevents && rc == 0)
		rc = -pthread_cond_timedwait(&vm->owner_wake, &vm->run_lock, &end);
	if (vcpu->step_stopped || vm->nevents)
		rc = 0;
	vcpu->step = false;
	vcpu_kick_locked(vcpu);
	/* Woken before it ran, it has nothing to acknowledge; running, it parks. */
	while (!vcpu->parked)
		pthread_cond_wait(&vm->owner_wake, &vm->run_lock);
	pthread_mutex_unlock(&vm->run_lock);
	return rc;
}

int vmc_vcpu_step(struct vmc_vcpu *vcpu)
{
	struct vmc_vm *vm = vcpu->vm;
	int rc, off;

	if (vmc_vm_state(vm) != VMC_PAUSED || !vcpu->has_thread)
		return vmc_fail(vm, -EINVAL, "single step: pause the VM first; it is %s",
			vmc_state_name(vmc_vm_state(vm)));
	rc = vcpu_call(vcpu, set_debug, vcpu);
	if (rc < 0)
		return fail_vcpu(vcpu, rc, "KVM_SET_GUEST_DEBUG");
	rc = step_once(vcpu);
	off = vcpu_call(vcpu, set_debug, NULL);
	if (rc == -ETIMEDOUT)
		return vmc_fail(vm, rc, "vCPU %u: no instruction ended in %d ms; it waits for an interrupt",
			vcpu->index, STEP_LIMIT_MS);
	return off < 0 ? fail_vcpu(vcpu, off, "KVM_SET_GUEST_DEBUG") : 0;
}
