/*
 * run.c - starting, pausing, resuming, stopping and resetting a VM, and the events its guest causes.
 *
 * No vCPU runs guest code while the gate is closed: GATE_STATE because the VM is not running,
 * GATE_EVENT because a shutdown, a reset or a crash waits for the owner. Closing it kicks the
 * vCPUs; each acknowledges by parking. Owner thread, but for run_post() and vmc_vm_request().
 */
#include "vmcore/engine/internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

const char *vmc_state_name(enum vmc_state state)
{
	static const char *const names[] = { "created", "running", "paused", "stopped", "crashed" };

	return (unsigned)state < 5 ? names[state] : "unknown";
}

enum vmc_state vmc_vm_state(const struct vmc_vm *vm)
{
	return (enum vmc_state)atomic_load(&vm->state);
}

bool vmc_vm_is_running(const struct vmc_vm *vm)
{
	return vmc_vm_state(vm) == VMC_RUNNING;
}

bool run_is_still(const struct vmc_vm *vm)
{
	return vmc_vm_state(vm) != VMC_RUNNING;
}

void run_set_state(struct vmc_vm *vm, enum vmc_state state)
{
	pthread_mutex_lock(&vm->run_lock);
	atomic_store(&vm->state, state);
	pthread_mutex_unlock(&vm->run_lock);
}

static bool closes_gate(enum vmc_event_type type)
{
	return type != VMC_EVENT_PANIC;
}

/* Run lock held. */
static void kick_all(struct vmc_vm *vm)
{
	for (uint32_t i = 0; i < VMC_MAX_VCPUS; i++) {
		struct vmc_vcpu *vcpu = vm->vcpus[i];

		if (!vcpu || (vcpu->has_thread && pthread_equal(vcpu->thread, pthread_self())))
			continue;
		if (!vm->cfg.managed)
			vcpu->kicked = true;
		vcpu_kick_locked(vcpu);
	}
}

/* The vCPU whose exit the calling thread serves, 0 when it is no vCPU's. Run lock held. */
static uint32_t calling_vcpu(const struct vmc_vm *vm)
{
	pid_t me = gettid();

	for (uint32_t i = 0; i < VMC_MAX_VCPUS; i++)
		if (vm->vcpus[i] && vm->vcpus[i]->tid == me)
			return i;
	return 0;
}

void run_post(struct vmc_vm *vm, enum vmc_event_type type, uint32_t vcpu, int64_t code)
{
	uint64_t one = 1;
	bool known = false;

	pthread_mutex_lock(&vm->run_lock);
	if (vcpu == VCPU_SELF)
		vcpu = calling_vcpu(vm);
	/* One of a kind at a time: a guest that asks a thousand times gets one answer. */
	for (size_t i = 0; i < vm->nevents; i++)
		known |= vm->events[i].type == type;
	if (!known && vm->nevents < sizeof(vm->events) / sizeof(vm->events[0]))
		vm->events[vm->nevents++] = (struct vmc_event){ type, vcpu, code };
	if (closes_gate(type)) {
		vm->gate |= GATE_EVENT;
		kick_all(vm);
	}
	pthread_mutex_unlock(&vm->run_lock);
	if (!known && write(vm->event_fd, &one, sizeof(one)) < 0) {
		/* EAGAIN only, at 2^64 - 2 untaken events: it is readable then anyway. */
	}
}

void vmc_vm_request(struct vmc_vm *vm, enum vmc_event_type type, int64_t code)
{
	if (type == VMC_EVENT_SHUTDOWN || type == VMC_EVENT_RESET || type == VMC_EVENT_PANIC)
		run_post(vm, type, VCPU_SELF, code);
}

int vmc_vm_event_fd(const struct vmc_vm *vm)
{
	return vm->event_fd;
}

/* Run lock held: the gate is closed; wait until every vCPU has said that it is out. */
static void wait_parked(struct vmc_vm *vm)
{
	for (uint32_t i = 0; i < VMC_MAX_VCPUS; i++)
		while (vm->vcpus[i] && vm->vcpus[i]->has_thread && !vm->vcpus[i]->parked)
			pthread_cond_wait(&vm->owner_wake, &vm->run_lock);
	while (vm->in_run)
		pthread_cond_wait(&vm->owner_wake, &vm->run_lock);
}

void run_park_all(struct vmc_vm *vm)
{
	pthread_mutex_lock(&vm->run_lock);
	vm->gate |= GATE_STATE;
	kick_all(vm);
	wait_parked(vm);
	pthread_mutex_unlock(&vm->run_lock);
}

void run_quiesce(struct vmc_vm *vm)
{
	if (!vm->quiet)
		devices_quiesce(vm);
	vm->quiet = true;
}

static void unquiesce(struct vmc_vm *vm)
{
	if (vm->quiet)
		devices_resume(vm);
	vm->quiet = false;
}

/* Open the gate, unless an event has come that nobody has taken yet. */
static void open_gate(struct vmc_vm *vm)
{
	bool pending = false;

	pthread_mutex_lock(&vm->run_lock);
	for (size_t i = 0; i < vm->nevents; i++)
		pending |= closes_gate(vm->events[i].type);
	atomic_store(&vm->state, VMC_RUNNING);
	vm->gate = pending ? GATE_EVENT : 0;
	for (uint32_t i = 0; i < VMC_MAX_VCPUS; i++)
		if (vm->vcpus[i])
			pthread_cond_signal(&vm->vcpus[i]->wake);
	pthread_mutex_unlock(&vm->run_lock);
}

int run_end_threads(struct vmc_vm *vm)
{
	pthread_mutex_lock(&vm->run_lock);
	vm->gate |= GATE_STATE;
	vm->ending = true;
	kick_all(vm);
	pthread_mutex_unlock(&vm->run_lock);
	for (uint32_t i = 0; i < VMC_MAX_VCPUS; i++) {
		struct vmc_vcpu *vcpu = vm->vcpus[i];

		if (!vcpu || !vcpu->has_thread)
			continue;
		pthread_join(vcpu->thread, NULL);
		pthread_mutex_lock(&vm->run_lock);
		vcpu->has_thread = false;
		vcpu->parked = false;
		vcpu->tid = 0;
		pthread_mutex_unlock(&vm->run_lock);
	}
	pthread_mutex_lock(&vm->run_lock);
	vm->ending = false;
	while (vm->in_run) /* manual mode: the caller's threads */
		pthread_cond_wait(&vm->owner_wake, &vm->run_lock);
	pthread_mutex_unlock(&vm->run_lock);
	return 0;
}

int run_start_threads(struct vmc_vm *vm)
{
	for (uint32_t i = 0; i < vm->nvcpus; i++) {
		int rc = vm->vcpus[i]->has_thread ? 0 : vcpu_start_thread(vm->vcpus[i]);

		if (rc < 0) {
			run_end_threads(vm);
			return vmc_fail(vm, rc, "start the thread of vCPU %u: %s", i, strerror(-rc));
		}
	}
	return 0;
}

static int manual(struct vmc_vm *vm, const char *what)
{
	return vmc_fail(vm, -EPERM, "%s: this VM is in manual mode; call vmc_vcpu_run()", what);
}

static int wrong_state(struct vmc_vm *vm, const char *what, const char *hint)
{
	return vmc_fail(vm, -EINVAL, "%s: the VM is %s%s", what, vmc_state_name(vmc_vm_state(vm)), hint);
}

int vmc_vm_start(struct vmc_vm *vm)
{
	int rc;

	if (!vm->cfg.managed)
		return manual(vm, "start");
	if (vmc_vm_state(vm) != VMC_CREATED)
		return wrong_state(vm, "start",
			vmc_vm_state(vm) == VMC_PAUSED ? "; resume it" : "; only a new VM can be started");
	rc = run_start_threads(vm);
	if (rc < 0)
		return rc;
	vm->ever_ran = true;
	unquiesce(vm);
	open_gate(vm);
	return 0;
}

int vmc_vm_pause(struct vmc_vm *vm)
{
	if (!vm->cfg.managed)
		return manual(vm, "pause");
	if (vmc_vm_state(vm) == VMC_PAUSED)
		return 0;
	if (vmc_vm_state(vm) != VMC_RUNNING)
		return wrong_state(vm, "pause", "");
	run_park_all(vm);
	run_quiesce(vm);
	run_set_state(vm, VMC_PAUSED);
	return 0;
}

/* Tell a guest with kvmclock that it was stopped, so that its watchdogs keep calm. Optional. */
static int kvmclock_ctrl(struct vmc_vcpu *vcpu, void *arg)
{
	return kvm_call_n(vcpu->fd, KVM_KVMCLOCK_CTRL, 0);
}

int vmc_vm_resume(struct vmc_vm *vm)
{
	int rc;

	if (!vm->cfg.managed)
		return manual(vm, "resume");
	if (vmc_vm_state(vm) == VMC_RUNNING)
		return 0;
	if (vmc_vm_state(vm) != VMC_PAUSED)
		return wrong_state(vm, "resume", vmc_vm_state(vm) == VMC_CREATED ? "; start it" : "");
	rc = run_start_threads(vm);
	if (rc < 0)
		return rc;
	for (uint32_t i = 0; i < vm->nvcpus; i++)
		vcpu_call(vm->vcpus[i], kvmclock_ctrl, NULL);
	vm->ever_ran = true;
	unquiesce(vm);
	open_gate(vm);
	return 0;
}

void run_drop_events(struct vmc_vm *vm)
{
	uint64_t count;

	pthread_mutex_lock(&vm->run_lock);
	vm->nevents = 0;
	vm->gate &= ~(unsigned)GATE_EVENT;
	if (read(vm->event_fd, &count, sizeof(count)) < 0) {
		/* EAGAIN: there was none */
	}
	pthread_mutex_unlock(&vm->run_lock);
}

int vmc_vm_stop(struct vmc_vm *vm)
{
	run_end_threads(vm);
	run_quiesce(vm);
	run_drop_events(vm);
	run_set_state(vm, VMC_STOPPED);
	return 0;
}

static void forget_crash(struct vmc_vm *vm)
{
	pthread_mutex_lock(&vm->run_lock);
	free(vm->crash);
	vm->crash = NULL;
	pthread_mutex_unlock(&vm->run_lock);
	for (uint32_t i = 0; i < VMC_MAX_VCPUS; i++)
		if (vm->vcpus[i])
			atomic_store(&vm->vcpus[i]->failed, false);
}

int vmc_vm_reset(struct vmc_vm *vm)
{
	int rc;

	run_park_all(vm);
	run_quiesce(vm);
	run_drop_events(vm);
	devices_reset(vm);
	rc = state_power_on_load(vm);
	if (rc < 0)
		return rc;
	forget_crash(vm);
	if (vm->cfg.managed && vm->ever_ran) {
		rc = run_start_threads(vm);
		if (rc < 0)
			return rc;
	}
	run_set_state(vm, vm->ever_ran ? VMC_PAUSED : VMC_CREATED);
	return 0;
}

void run_revive(struct vmc_vm *vm)
{
	run_drop_events(vm);
	forget_crash(vm);
	vm->ever_ran = true;
	run_set_state(vm, VMC_PAUSED);
}

int vmc_vm_event(struct vmc_vm *vm, struct vmc_event *ev)
{
	static const enum vmc_state after[] = {
		[VMC_EVENT_SHUTDOWN] = VMC_STOPPED, [VMC_EVENT_CRASHED] = VMC_CRASHED,
		[VMC_EVENT_RESET] = VMC_PAUSED, [VMC_EVENT_DEBUG] = VMC_PAUSED,
	};
	uint64_t count;

	memset(ev, 0, sizeof(*ev));
	pthread_mutex_lock(&vm->run_lock);
	if (vm->nevents) {
		*ev = vm->events[0];
		vm->nevents--;
		memmove(vm->events, vm->events + 1, vm->nevents * sizeof(vm->events[0]));
	}
	if (!vm->nevents && read(vm->event_fd, &count, sizeof(count)) < 0) {
		/* EAGAIN: it was taken before */
	}
	pthread_mutex_unlock(&vm->run_lock);
	if (ev->type == VMC_EVENT_NONE)
		return 0;
	if (closes_gate(ev->type)) {
		run_park_all(vm);
		run_quiesce(vm);
		run_set_state(vm, after[ev->type]);
	}
	return 1;
}

const char *vmc_crash_reason(const struct vmc_vm *vm)
{
	return vm->crash && vmc_vm_state(vm) == VMC_CRASHED ? vm->crash : "";
}
