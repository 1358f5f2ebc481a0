/*
 * vcpu.c - vCPUs: making them, their threads, and doing something on one between two runs.
 *
 * The protocol: who wants something of a vCPU (park, do a job, end) writes the request under the run lock,
 * then kicks: immediate_exit = 1 and a signal. The vCPU's thread looks at the requests under the
 * same lock and clears immediate_exit there, and nowhere else. So a kick is either seen as a
 * request, or still stands when KVM_RUN begins, which then returns at once.
 *
 * The signal is blocked in the thread, and unblocked by KVM (KVM_SET_SIGNAL_MASK) during KVM_RUN
 * only: it interrupts the run, is never delivered, needs no handler, and is taken off with sigtimedwait.
 */
#include "vmcore/engine/internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

int kick_signal(void)
{
	return SIGRTMIN + 1;
}

void vcpu_drain_kicks(void)
{
	static const struct timespec now = { 0, 0 };
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, kick_signal());
	while (sigtimedwait(&set, NULL, &now) > 0 || errno == EINTR)
		;
}

void vcpu_kick_locked(struct vmc_vcpu *vcpu)
{
	__atomic_store_n(&vcpu->run->immediate_exit, 1, __ATOMIC_SEQ_CST);
	if (vcpu->tid && !vcpu->parked)
		tgkill(getpid(), vcpu->tid, kick_signal());
	pthread_cond_signal(&vcpu->wake);
}

int vcpu_set_run_mask(struct vmc_vcpu *vcpu, const sigset_t *mask)
{
	union {
		struct kvm_signal_mask mask;
		uint8_t room[sizeof(struct kvm_signal_mask) + 8]; /* the kernel's sigset_t has 64 bits */
	} arg = { .mask.len = 8 };
	uint64_t bits = 0;
	int rc;

	for (int s = 1; s <= 64; s++)
		if (s != kick_signal() && sigismember(mask, s) == 1)
			bits |= 1ull << (s - 1);
	if (vcpu->has_mask && vcpu->mask_bits == bits)
		return 0;
	memcpy(arg.mask.sigset, &bits, sizeof(bits));
	rc = kvm_call(vcpu->fd, KVM_SET_SIGNAL_MASK, &arg);
	if (rc < 0)
		return rc;
	vcpu->mask_bits = bits;
	vcpu->has_mask = true;
	return 0;
}

/* Where KVM keeps "blocking", 1 while the vCPU sleeps in HLT: read without disturbing it. */
static void open_stats(struct vmc_vcpu *vcpu)
{
	struct kvm_stats_header h;
	union {
		struct kvm_stats_desc d;
		char bytes[sizeof(struct kvm_stats_desc) + 256];
	} u;
	int fd = kvm_call_n(vcpu->fd, KVM_GET_STATS_FD, 0);
	size_t size;

	vcpu->stats_fd = -1;
	if (fd < 0)
		return;
	if (pread(fd, &h, sizeof(h), 0) != sizeof(h) || h.name_size > 256 || h.num_desc > 1000)
		goto none;
	size = sizeof(u.d) + h.name_size;
	for (uint32_t i = 0; i < h.num_desc; i++) {
		memset(&u, 0, sizeof(u));
		if (pread(fd, &u, size, (off_t)(h.desc_offset + i * size)) != (ssize_t)size)
			goto none;
		if (strncmp(u.d.name, "blocking", h.name_size) == 0) {
			vcpu->stats_fd = fd;
			vcpu->blocking_at = (off_t)h.data_offset + u.d.offset;
			return;
		}
	}
none:
	close(fd);
}

static int map_run(struct vmc_vcpu *vcpu)
{
	struct vmc_vm *vm = vcpu->vm;
	uint32_t entries = vm->cfg.dirty_ring_entries;
	int size = kvm_call_n(vm->kvm_fd, KVM_GET_VCPU_MMAP_SIZE, 0), rc = 0;

	if (size < (int)sizeof(struct kvm_run))
		return size < 0 ? size : -EPROTO;
	vcpu->run_size = (size_t)size;
	vcpu->run = kvm_sys->map(vcpu->fd, vcpu->run_size, 0, &rc);
	if (vcpu->run && entries)
		vcpu->ring = kvm_sys->map(vcpu->fd, entries * sizeof(*vcpu->ring),
			KVM_DIRTY_LOG_PAGE_OFFSET * (off_t)VMC_PAGE_SIZE, &rc);
	return rc;
}

int vcpu_create(struct vmc_vm *vm, uint32_t index, struct vmc_vcpu **out)
{
	struct vmc_vcpu *vcpu = calloc(1, sizeof(*vcpu));
	const char *what = "KVM_CREATE_VCPU";
	struct vmc_out state;
	int rc;

	if (!vcpu)
		return vmc_fail(vm, -ENOMEM, "vCPU %u: out of memory", index);
	vcpu->vm = vm;
	vcpu->index = index;
	vcpu->stats_fd = -1;
	pthread_cond_init(&vcpu->wake, NULL);
	vcpu->fd = rc = kvm_call_n(vm->fd, KVM_CREATE_VCPU, index);
	if (rc < 0)
		goto err;
	what = "map struct kvm_run";
	rc = map_run(vcpu);
	if (rc < 0)
		goto err;
	what = "KVM_SET_CPUID2";
	rc = cpuid_set(vcpu);
	if (rc < 0)
		goto err;
	what = "read the state at power-on";
	vmc_out_init(&state);
	rc = vcpu_state_save(vcpu, &state);
	vcpu->power_on = state.data;
	vcpu->power_on_len = state.len;
	if (rc < 0)
		goto err;
	atomic_store(&vcpu->wait_sipi, vm->has_irqchip && index > 0);
	open_stats(vcpu);
	vm->vcpus[index] = vcpu;
	vm->nvcpus++;
	*out = vcpu;
	return 0;

err:
	vcpu_free(vcpu);
	return vmc_fail(vm, rc, "vCPU %u: %s: %s", index, what, strerror(-rc));
}

void vcpu_free(struct vmc_vcpu *vcpu)
{
	uint32_t entries = vcpu->vm->cfg.dirty_ring_entries;

	if (vcpu->ring)
		munmap(vcpu->ring, entries * sizeof(*vcpu->ring));
	if (vcpu->run)
		munmap(vcpu->run, vcpu->run_size);
	if (vcpu->stats_fd >= 0)
		close(vcpu->stats_fd);
	if (vcpu->fd >= 0)
		close(vcpu->fd);
	pthread_cond_destroy(&vcpu->wake);
	free(vcpu->power_on);
	free(vcpu);
}

/* Run lock held; the vCPU is out of KVM_RUN with nothing pending. */
static void do_jobs(struct vmc_vcpu *vcpu)
{
	while (vcpu->jobs) {
		struct vcpu_job *job = vcpu->jobs;

		vcpu->jobs = job->next;
		job->rc = job->fn(vcpu, job->arg);
		job->done = true;
		pthread_cond_broadcast(&vcpu->vm->owner_wake);
	}
}

/*
 * KVM does not always stop after a stepped instruction that left for I/O (its emulator leaves that out for
 * port writes): with the answer taken in, the instruction is over, and so is the step. Run lock held,
 * but for the middle.
 */
static void end_io_step(struct vmc_vcpu *vcpu)
{
	pthread_mutex_unlock(&vcpu->vm->run_lock);
	vcpu_finish_io(vcpu);
	pthread_mutex_lock(&vcpu->vm->run_lock);
	if (!vcpu->step) /* it did stop */
		return;
	vcpu->step = false;
	vcpu->step_stopped = true;
	pthread_cond_broadcast(&vcpu->vm->owner_wake);
}

/* What there is to do before guest code may run. Return: false, the thread must end. */
static bool wait_turn(struct vmc_vcpu *vcpu)
{
	struct vmc_vm *vm = vcpu->vm;
	bool go_on = true;

	pthread_mutex_lock(&vm->run_lock);
	for (;;) {
		bool closed;

		if (vcpu->step && vcpu->io_pending)
			end_io_step(vcpu);
		closed = vm->gate && !vcpu->step;
		if (!closed && !vcpu->jobs && !vm->ending)
			break;
		if (vcpu->io_pending) {
			/* Registers are whole only when KVM has taken the answer in. */
			pthread_mutex_unlock(&vm->run_lock);
			vcpu_finish_io(vcpu);
			pthread_mutex_lock(&vm->run_lock);
			continue;
		}
		do_jobs(vcpu);
		if (vm->ending) {
			go_on = false;
			break;
		}
		if (!closed)
			continue;
		if (!vcpu->parked) {
			vcpu->parked = true;
			pthread_cond_broadcast(&vm->owner_wake);
		}
		pthread_cond_wait(&vcpu->wake, &vm->run_lock);
	}
	vcpu->parked = !go_on;
	if (go_on)
		__atomic_store_n(&vcpu->run->immediate_exit, 0, __ATOMIC_SEQ_CST);
	pthread_mutex_unlock(&vm->run_lock);
	return go_on;
}

static void *vcpu_thread(void *arg)
{
	struct vmc_vcpu *vcpu = arg;
	struct timespec cpu;
	char name[16];

	snprintf(name, sizeof(name), "vcpu%u", vcpu->index);
	prctl(PR_SET_NAME, name);
	pthread_mutex_lock(&vcpu->vm->run_lock);
	vcpu->tid = gettid();
	pthread_mutex_unlock(&vcpu->vm->run_lock);
	while (wait_turn(vcpu))
		vcpu_handle_exit(vcpu, vcpu_enter(vcpu));
	vcpu_drain_kicks();
	if (clock_gettime(CLOCK_THREAD_CPUTIME_ID, &cpu) == 0)
		atomic_fetch_add(&vcpu->cpu_ns, (uint64_t)cpu.tv_sec * 1000000000u + (uint64_t)cpu.tv_nsec);
	return NULL;
}

int vcpu_start_thread(struct vmc_vcpu *vcpu)
{
	sigset_t all, old;
	int rc;

	sigfillset(&all);
	rc = vcpu_set_run_mask(vcpu, &all);
	if (rc < 0)
		return rc;
	/* The thread must never see a signal meant for the program. */
	pthread_sigmask(SIG_SETMASK, &all, &old);
	rc = -pthread_create(&vcpu->thread, NULL, vcpu_thread, vcpu);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	vcpu->has_thread = rc == 0;
	return rc;
}

int vcpu_call(struct vmc_vcpu *vcpu, int (*fn)(struct vmc_vcpu *vcpu, void *arg), void *arg)
{
	struct vmc_vm *vm = vcpu->vm;
	struct vcpu_job job = { .fn = fn, .arg = arg }, **end;
	int rc;

	pthread_mutex_lock(&vm->run_lock);
	if (vcpu->has_thread && !vcpu->parked && !pthread_equal(vcpu->thread, pthread_self())) {
		for (end = &vcpu->jobs; *end; end = &(*end)->next)
			;
		*end = &job;
		vcpu_kick_locked(vcpu);
		while (!job.done)
			pthread_cond_wait(&vm->owner_wake, &vm->run_lock);
		rc = job.rc;
	} else {
		rc = fn(vcpu, arg);
	}
	pthread_mutex_unlock(&vm->run_lock);
	return rc;
}

uint32_t vmc_vcpu_count(const struct vmc_vm *vm)
{
	return vm->nvcpus;
}

struct vmc_vcpu *vmc_vcpu_get(struct vmc_vm *vm, uint32_t index)
{
	return index < VMC_MAX_VCPUS ? vm->vcpus[index] : NULL;
}

uint32_t vmc_vcpu_index(const struct vmc_vcpu *vcpu)
{
	return vcpu->index;
}

static enum vmc_run_state run_state(const struct vmc_vcpu *vcpu, bool parked)
{
	uint64_t blocking = 0;

	if (atomic_load(&vcpu->failed))
		return VMC_VCPU_FAILED;
	if (parked)
		return VMC_VCPU_PAUSED;
	if (vcpu->stats_fd < 0 ||
		pread(vcpu->stats_fd, &blocking, sizeof(blocking), vcpu->blocking_at) != sizeof(blocking))
		return atomic_load(&vcpu->wait_sipi) ? VMC_VCPU_WAIT_SIPI : VMC_VCPU_RUNNING;
	/* A SIPI sets a vCPU going inside KVM_RUN: wait_sipi lags behind until it leaves that once. */
	if (!blocking)
		return VMC_VCPU_RUNNING;
	return atomic_load(&vcpu->wait_sipi) ? VMC_VCPU_WAIT_SIPI : VMC_VCPU_HALTED;
}

void vmc_vcpu_stats(const struct vmc_vcpu *cvcpu, struct vmc_vcpu_stats *out)
{
	struct vmc_vcpu *vcpu = (struct vmc_vcpu *)cvcpu;
	struct vmc_vm *vm = vcpu->vm;
	bool parked, managed = vm->cfg.managed;
	struct timespec ts;
	clockid_t clock;

	memset(out, 0, sizeof(*out));
	for (int i = 0; i < VMC_EXIT_REASONS; i++)
		out->exits[i] = atomic_load_explicit(&vcpu->exits[i], memory_order_relaxed);
	out->cpu_ns = atomic_load(&vcpu->cpu_ns);
	pthread_mutex_lock(&vm->run_lock);
	out->tid = (uint64_t)vcpu->tid;
	parked = managed ? !vcpu->has_thread || vcpu->parked || vm->gate : !vcpu->tid;
	if (vcpu->has_thread && pthread_getcpuclockid(vcpu->thread, &clock) == 0 &&
		clock_gettime(clock, &ts) == 0)
		out->cpu_ns += (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
	pthread_mutex_unlock(&vm->run_lock);
	out->state = run_state(vcpu, parked);
}
