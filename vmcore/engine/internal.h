/*
 * internal.h - what the engine's files share. Each field names its lock or its owner.
 *
 * Lock order: device lock, memory lock, irq lock, run lock. The run lock is a leaf: nothing that
 * calls out (a bus handler, a device) runs under it, only ioctls on a vCPU that is not in KVM_RUN.
 * docs/THREADS.md tells the whole story.
 */
#ifndef ENGINE_INTERNAL_H
#define ENGINE_INTERNAL_H
#include <vmcore/vmcore.h>

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>

#include "vmcore/engine/kvm.h"

#define MAX_SLOTS	 500u /* memory regions of a VM; every KVM has 509 slots or more */
#define GSI_MSI_FIRST	 24u /* 0..23 are the IOAPIC's pins */
#define GSI_MAX		 1024u
#define IOAPIC_ADDR	 0xfec00000ull
#define LAPIC_ADDR	 0xfee00000ull
#define PAGE_SHIFT	 12

struct region {
	struct vmc_mem_region pub;
	uint64_t pages;
	/* Bits of pages that we wrote ourselves, or that the dirty ring named; set atomically under the
	 * memory lock (read), replaced under it (write). NULL while no view is open. */
	_Atomic uint64_t *marks;
	uint64_t *scratch; /* KVM's bitmap, at harvest; owner */
	bool logged;	   /* KVM logs it; owner */
	int file;	   /* behind a MAP_PRIVATE mapping made by vmc_mem_map_file(), else -1; owner */
	uint64_t file_offset;
};

struct vmc_dirty_view {
	struct vmc_vm *vm;
	char name[32];
	uint64_t *bits[MAX_SLOTS]; /* by slot; owner */
	struct vmc_dirty_view *next;
};

struct bus_entry {
	struct vmc_bus_region pub;
	const struct vmc_bus_ops *ops;
	void *dev;
};

struct bus {
	struct bus_entry *entries; /* ascending; device lock */
	size_t count, cap;
	_Atomic uint64_t unclaimed;
};

struct irqfd {
	int fd, resample;
	uint32_t gsi;
	struct irqfd *next;
};

struct device {
	char id[32];
	const struct vmc_device_ops *ops;
	void *dev;
};

/* Something done on a vCPU while it is out of KVM_RUN; lives on the asking thread's stack. */
struct vcpu_job {
	int (*fn)(struct vmc_vcpu *vcpu, void *arg);
	void *arg;
	int rc;
	bool done;
	struct vcpu_job *next;
};

struct vmc_vcpu {
	struct vmc_vm *vm;
	uint32_t index;
	int fd;
	struct kvm_run *run;
	size_t run_size;
	struct kvm_dirty_gfn *ring; /* dirty ring, NULL: bitmap */
	uint32_t ring_next;	    /* dirty.c's ring lock */

	/* Managed mode: its thread. Under the run lock. */
	pthread_t thread;
	bool has_thread;
	bool parked; /* out of KVM_RUN until told: the acknowledgement */
	bool step;   /* may pass a closed gate once */
	bool step_stopped;
	struct vcpu_job *jobs;
	pthread_cond_t wake;
	pid_t tid; /* whom to signal; 0: nobody is in KVM_RUN */

	/* Manual mode. kicked: run lock */
	bool kicked;
	uint64_t mask_bits; /* the signals KVM_RUN blocks now; the running thread */
	bool has_mask;

	/* The running thread only */
	bool io_pending; /* the last exit's answer goes in with the next KVM_RUN */
	bool shut_down;

	_Atomic uint64_t exits[VMC_EXIT_REASONS];
	_Atomic uint64_t cpu_ns; /* of threads that have ended */
	_Atomic bool wait_sipi, failed;
	int stats_fd; /* KVM's binary statistics, -1: none */
	off_t blocking_at;

	void *power_on; /* state right after creation, for reset */
	size_t power_on_len;
};

enum { GATE_STATE = 1, GATE_EVENT = 2 };

struct vmc_vm {
	struct vmc_config cfg;
	char id[VMC_ID_MAX + 1];
	uint64_t serial; /* tells this VM from one that lived at the same address before */
	int kvm_fd, fd, event_fd, pagemap_fd;
	bool has_irqchip;

	pthread_mutex_t device_lock; /* recursive */

	pthread_rwlock_t mem_lock;
	struct region *regions[MAX_SLOTS]; /* ascending gpa; memory lock */
	size_t nregions;
	bool slot_used[MAX_SLOTS];
	uint32_t max_slots;

	struct bus bus[2]; /* device lock */

	pthread_mutex_t irq_lock;
	struct kvm_irq_routing_entry *msi[GSI_MAX]; /* NULL: free; irq lock, as the rest of this block */
	bool msi_set[GSI_MAX];
	struct irqfd *irqfds;

	/* Running. Run lock, unless it says otherwise. */
	pthread_mutex_t run_lock;
	pthread_cond_t owner_wake; /* a vCPU parked or finished a job */
	_Atomic int state;	   /* enum vmc_state; written under the run lock, by the owner in managed mode */
	unsigned gate;		   /* GATE_*: closed while not 0 */
	bool ending;		   /* threads must end */
	bool quiet;		   /* devices are quiesced; owner */
	bool ever_ran;
	uint32_t in_run; /* manual mode: threads inside vmc_vcpu_run() */
	struct vmc_event events[8];
	size_t nevents;
	char *crash; /* reason; malloc()ed, kept until reset */

	struct vmc_vcpu *vcpus[VMC_MAX_VCPUS];
	uint32_t nvcpus;
	struct kvm_cpuid2 *cpuid; /* as configured; topology comes with each vCPU */
	struct kvm_msr_list *msrs;
	size_t xsave_size;

	struct device *devices; /* owner */
	size_t ndevices;

	/* Dirty tracking; owner, but for the ring lock */
	struct vmc_dirty_view *views;
	struct vmc_dirty_view *default_view;
	_Atomic bool tracking;
	bool manual_protect;
	pthread_mutex_t ring_lock;
	struct vmc_dirty_stats dirty_stats;

	void *power_on; /* irqchip and PIT right after creation */
	size_t power_on_len;
};

/* kvm.c */
int kvm_open(const char *path, char *err, size_t size);

/* error.c */
int fail_kvm(struct vmc_vm *vm, int rc, const char *what);

/* mem.c; _locked: the memory lock is held */
struct region *mem_find_locked(const struct vmc_vm *vm, uint64_t gpa);
int mem_slot_flags(struct vmc_vm *vm, struct region *r, bool log);
int mem_add_ram(struct vmc_vm *vm);
void mem_free(struct vmc_vm *vm);
void mem_mark_locked(struct region *r, uint64_t offset, uint64_t len);

/* dirty.c */
int dirty_init(struct vmc_vm *vm);
int dirty_region_added(struct vmc_vm *vm, struct region *r);
void dirty_region_removed(struct vmc_vm *vm, struct region *r);
void dirty_mark_all(struct vmc_vm *vm);
void dirty_collect_ring(struct vmc_vm *vm);
void dirty_free(struct vmc_vm *vm);

/* bus.c */
/** bus_access() - one access; returns whether a region answered. Takes the device lock. */
bool bus_access(struct vmc_vm *vm, enum vmc_bus which, uint64_t addr, void *data, uint32_t len,
	bool write);
bool bus_claims(struct vmc_vm *vm, enum vmc_bus which, uint64_t addr, uint32_t len);
void bus_free(struct vmc_vm *vm);

/* irq.c */
int irq_init(struct vmc_vm *vm);
/** irq_flush() - every interrupt signalled through an irqfd before now has reached the irqchip. */
void irq_flush(struct vmc_vm *vm);
void irq_free(struct vmc_vm *vm);

/* cpuid.c */
/** cpuid_read() - this VM's CPU: what KVM supports, by @cpu (vmc_config's). */
int cpuid_read(struct vmc_vm *vm, const char *cpu);
int cpuid_save(struct vmc_vm *vm, struct vmc_out *out);
/** cpuid_load() - checks that this VM's CPU has what the saved one had. Nothing is applied. */
int cpuid_load(struct vmc_vm *vm, struct vmc_in *in, bool apply);
int cpuid_set(struct vmc_vcpu *vcpu);

/* vcpu.c */
int vcpu_create(struct vmc_vm *vm, uint32_t index, struct vmc_vcpu **out);
void vcpu_free(struct vmc_vcpu *vcpu);
/** vcpu_call() - do @fn on @vcpu out of KVM_RUN: now when it is parked, else on its own thread. */
int vcpu_call(struct vmc_vcpu *vcpu, int (*fn)(struct vmc_vcpu *vcpu, void *arg), void *arg);
int vcpu_start_thread(struct vmc_vcpu *vcpu);
void vcpu_kick_locked(struct vmc_vcpu *vcpu);
int kick_signal(void);
void vcpu_drain_kicks(void);
/** vcpu_set_run_mask() - the signal mask during KVM_RUN: @mask without the kick's signal. */
int vcpu_set_run_mask(struct vmc_vcpu *vcpu, const sigset_t *mask);

/* exit.c */
/** vcpu_enter() - one KVM_RUN. Return: 0, -EINTR, or what KVM said. */
int vcpu_enter(struct vmc_vcpu *vcpu);
/** vcpu_handle_exit() - managed mode: act on the exit. */
void vcpu_handle_exit(struct vmc_vcpu *vcpu, int rc);
/** vcpu_finish_io() - let KVM take in the answer to the last exit, running no guest code. */
void vcpu_finish_io(struct vmc_vcpu *vcpu);
/** vcpu_serve_io() - PIO and MMIO exits through the bus; false: another kind of exit. */
bool vcpu_serve_io(struct vmc_vcpu *vcpu);
void vcpu_count_exit(struct vmc_vcpu *vcpu, enum vmc_exit_reason reason);

/* crash.c */
/** crash_text() - what happened to a vCPU that cannot go on, with bytes and registers; malloc()ed. */
char *crash_text(struct vmc_vcpu *vcpu, int rc);
/** crash_line() - the same in a line. */
void crash_line(struct vmc_vcpu *vcpu, int rc, char *out, size_t size);

/* run.c */
#define VCPU_SELF UINT32_MAX
/** run_post() - queue an event; closing ones shut the gate. @vcpu: VCPU_SELF for the calling thread's. */
void run_post(struct vmc_vm *vm, enum vmc_event_type type, uint32_t vcpu, int64_t code);
void run_set_state(struct vmc_vm *vm, enum vmc_state state);
bool run_is_still(const struct vmc_vm *vm);
void run_quiesce(struct vmc_vm *vm);
void run_park_all(struct vmc_vm *vm);
void run_drop_events(struct vmc_vm *vm);
/** mem_swap_in() - as vmc_mem_map_file(), but what was in memory is kept: _back() puts it in its place again,
 * _done() lets it go. Owner, VM still. */
struct mem_swap;
int mem_swap_in(struct vmc_vm *vm, int fd, struct mem_swap **out);
void mem_swap_back(struct vmc_vm *vm, struct mem_swap *swap);
void mem_swap_done(struct vmc_vm *vm, struct mem_swap *swap);

/** run_revive() - after a state load: whatever it was, the VM is paused now. */
void run_revive(struct vmc_vm *vm);
int run_end_threads(struct vmc_vm *vm);
int run_start_threads(struct vmc_vm *vm);

/* device.c */
void devices_quiesce(struct vmc_vm *vm);
void devices_resume(struct vmc_vm *vm);
void devices_reset(struct vmc_vm *vm);
void devices_free(struct vmc_vm *vm);

/* state_vcpu.c, state_vm.c: payloads of the sections */
struct vcpu_state;
int vcpu_state_save(struct vmc_vcpu *vcpu, struct vmc_out *out);
int vcpu_state_check(struct vmc_vcpu *vcpu, const void *data, size_t len, char *err, size_t size);
int vcpu_state_load(struct vmc_vcpu *vcpu, const void *data, size_t len, uint64_t elapsed_ns);
int irqchip_save(struct vmc_vm *vm, struct vmc_out *out);
int irqchip_load(struct vmc_vm *vm, struct vmc_in *in, bool apply);
int pit_save(struct vmc_vm *vm, struct vmc_out *out);
int pit_load(struct vmc_vm *vm, struct vmc_in *in, bool apply);
int clock_save(struct vmc_vm *vm, struct vmc_out *out);
int clock_load(struct vmc_vm *vm, struct vmc_in *in, bool apply);
/** clock_elapsed_ns() - real time since the clock section was written. */
uint64_t clock_elapsed_ns(const void *data, size_t len);
int state_power_on_save(struct vmc_vm *vm);
int state_power_on_load(struct vmc_vm *vm);

#endif
