/*
 * vm.h - a VM: making, running, pausing and stopping it.
 *
 * Managed mode: the library runs one thread a vCPU; the owner starts, pauses, resumes and stops.
 * Manual mode: the caller calls vmc_vcpu_run() (vcpu.h) from a thread of its own.
 */
#ifndef VMCORE_VM_H
#define VMCORE_VM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#if defined(__GNUC__)
#define VMC_API __attribute__((visibility("default")))
#define VMC_PRINTF(f, a) __attribute__((format(printf, f, a)))
#else
#define VMC_API
#define VMC_PRINTF(f, a)
#endif

#ifdef __cplusplus
extern "C" {
#endif

struct vmc_vm;
struct vmc_vcpu;

#define VMC_PAGE_SIZE	 4096u
#define VMC_MAX_VCPUS	 64u
#define VMC_ID_MAX	 48u		  /* longest VM id, without the final NUL */
#define VMC_CPU_MAX	 1023u		  /* longest text of a CPU */
#define VMC_HOLE_START	 0xc0000000ull	  /* RAM ends here at the latest and goes on at 4 GiB */
#define VMC_HOLE_END	 0x100000000ull

enum vmc_state {
	VMC_CREATED, /* made, never started */
	VMC_RUNNING,
	VMC_PAUSED,  /* every vCPU out of KVM_RUN, devices quiet */
	VMC_STOPPED, /* over by the guest's or the owner's wish: vmc_vm_event() says which */
	VMC_CRASHED, /* a vCPU cannot go on: vmc_crash_reason() says why */
};

struct vmc_config {
	const char *id;		      /* [A-Za-z0-9._-]{1,48}, not starting with '.' or '-' */
	uint64_t ram_bytes;	      /* multiple of 4 KiB; laid out around the hole; 0: the caller adds regions */
	uint32_t vcpus;		      /* 1..VMC_MAX_VCPUS; in manual mode vCPUs come from vmc_vcpu_new() */
	bool managed;		      /* the library runs vCPU threads */
	uint32_t dirty_ring_entries;  /* 0: dirty bitmap; else a power of two: KVM's dirty ring */
	const char *kvm_path;	      /* NULL: /dev/kvm */
	const char *cpu;	      /* what the guest's CPU can: see vmc_cpu_check(); NULL: "host" */
	bool no_irqchip;	      /* manual mode only: no PIC, IOAPIC, LAPIC, PIT; HLT becomes an exit */
};

/* What the owner must act on; taken with vmc_vm_event(). */
enum vmc_event_type {
	VMC_EVENT_NONE,
	VMC_EVENT_SHUTDOWN, /* the guest shut down (triple fault is code -1, a device gives its code) */
	VMC_EVENT_RESET,    /* the guest asked for a reset; vCPUs wait until the owner acts */
	VMC_EVENT_CRASHED,  /* emulation failure, KVM error ...; see vmc_crash_reason() */
	VMC_EVENT_PANIC,    /* the guest said that it panicked; it goes on running */
	VMC_EVENT_DEBUG,    /* a debug stop (single step, breakpoint) of vCPU @vcpu: the VM is paused */
};

struct vmc_event {
	enum vmc_event_type type;
	uint32_t vcpu;	/* the vCPU that caused it, where one did */
	int64_t code;	/* SHUTDOWN: exit code of the debug-exit port, 0 otherwise, -1 for a triple fault */
};

/**
 * vmc_vm_new() - make a VM (KVM_CREATE_VM, irqchip, PIT, RAM, and in managed mode its vCPUs).
 * @cfg:  copied
 * @out:  the VM; the calling thread becomes its owner
 * @err:  message on failure, may be NULL
 * Return: 0; -ENOENT/-EACCES when /dev/kvm is missing or closed to this user, -EINVAL for a bad
 * configuration, -ENOMEM, or what KVM said. RAM is anonymous memory (MADV_HUGEPAGE, not touched).
 */
VMC_API int vmc_vm_new(const struct vmc_config *cfg, struct vmc_vm **out, char *err, size_t err_size);

/**
 * vmc_cpu_check() - is @text a CPU: "host" (what the host's CPU and KVM have) or "baseline" (x86-64-v2, the same
 * features on every host of a maker), then ",+NAME" and ",-NAME" for features by the names of /proc/cpuinfo?
 * Whether this host has them comes out in vmc_vm_new() (-ENOTSUP). Any thread. Return: 0, -EINVAL with a message.
 */
VMC_API int vmc_cpu_check(const char *text, char *err, size_t size);

/** vmc_vm_free() - stop and free a VM with everything in it. NULL is fine. Owner only. */
VMC_API void vmc_vm_free(struct vmc_vm *vm);

/** vmc_vm_config() - the configuration the VM was made with; borrowed. Any thread. */
VMC_API const struct vmc_config *vmc_vm_config(const struct vmc_vm *vm);
VMC_API const char *vmc_vm_id(const struct vmc_vm *vm);
VMC_API enum vmc_state vmc_vm_state(const struct vmc_vm *vm);
VMC_API const char *vmc_state_name(enum vmc_state state);
VMC_API bool vmc_vm_is_running(const struct vmc_vm *vm);
/** vmc_vm_is_managed_execution() - does the library run the vCPU threads? */
VMC_API bool vmc_vm_is_managed_execution(const struct vmc_vm *vm);

/** vmc_error() - the message of the calling thread's last failed call on @vm; never NULL. */
VMC_API const char *vmc_error(const struct vmc_vm *vm);
/** vmc_fail() - set the message (printf) and return @rc: for devices and callers. Any thread. */
VMC_API int vmc_fail(struct vmc_vm *vm, int rc, const char *fmt, ...) VMC_PRINTF(3, 4);

/*
 * Signals: a vCPU is called out of KVM_RUN with SIGRTMIN + 1, sent to its thread. The library's threads
 * block every signal; that one is let through by KVM during KVM_RUN only and taken off the thread's queue
 * afterwards, so no handler exists or is needed, and the program's own signals never interrupt a vCPU
 * thread. In manual mode vmc_vcpu_run() blocks it in the calling thread for as long as it runs.
 */

/**
 * vmc_vm_start() - created -> running (managed mode only). Owner.
 * Return: 0; -EINVAL in any other state (paused: use resume), -EPERM in manual mode.
 */
VMC_API int vmc_vm_start(struct vmc_vm *vm);
/**
 * vmc_vm_pause() - running -> paused. Returns when every vCPU is out of KVM_RUN and every device
 * is quiet: no guest state changes until resume. Request + acknowledgement, no lost kick, no sleep.
 * Owner, without the device lock. Paused already: 0. Return: -EINVAL from any other state.
 */
VMC_API int vmc_vm_pause(struct vmc_vm *vm);
/** vmc_vm_resume() - paused -> running; running already: 0. Owner. -EINVAL otherwise. */
VMC_API int vmc_vm_resume(struct vmc_vm *vm);
/** vmc_vm_stop() - any state -> stopped; vCPU threads have ended on return. Idempotent. Owner, without
 * the device lock, as for every call that waits for vCPUs (stop, reset, event, free). */
VMC_API int vmc_vm_stop(struct vmc_vm *vm);
/**
 * vmc_vm_reset() - back to power-on: vCPUs, irqchip, PIT and every device (vmc_device_ops.reset);
 * memory stays as it is (the boot loader writes it again). From any state; leaves the VM paused
 * (threads parked), or created when it never ran. The caller boots it again and resumes. Owner.
 */
VMC_API int vmc_vm_reset(struct vmc_vm *vm);

/**
 * vmc_vm_request() - a device asks for shutdown, reset, or tells of a panic. Any thread.
 * With SHUTDOWN and RESET no vCPU runs guest code after the current exit until the owner acts.
 */
VMC_API void vmc_vm_request(struct vmc_vm *vm, enum vmc_event_type type, int64_t code);
/** vmc_vm_event_fd() - an eventfd, readable while vmc_vm_event() has something; borrowed. */
VMC_API int vmc_vm_event_fd(const struct vmc_vm *vm);
/**
 * vmc_vm_event() - take the next event. Owner. Return: 1 with @ev filled, 0 when there is none.
 * On SHUTDOWN the state is VMC_STOPPED, on CRASHED VMC_CRASHED, on RESET and DEBUG VMC_PAUSED
 * by the time this returns. STOPPED and CRASHED can be left by vmc_vm_reset() or a state load.
 */
VMC_API int vmc_vm_event(struct vmc_vm *vm, struct vmc_event *ev);
/** vmc_crash_reason() - one or more lines: what failed, RIP, instruction bytes; "" if not crashed. */
VMC_API const char *vmc_crash_reason(const struct vmc_vm *vm);

/*
 * The device lock: held by the library around every bus handler (bus.h), and to be held by the
 * owner's main loop around every call into a device model. Never held while waiting for a vCPU.
 */
VMC_API void vmc_device_lock(struct vmc_vm *vm);
VMC_API void vmc_device_unlock(struct vmc_vm *vm);

/** vmc_kvm_probe() - what this host's KVM offers; for `vitrine check`. */
struct vmc_kvm_info {
	int api_version;
	int max_vcpus, max_memslots;
	bool irqfd, ioeventfd, dirty_log_manual, dirty_ring, immediate_exit, sync_regs, xsave2,
		set_guest_debug, adjust_clock, readonly_mem, msi, resample, kvmclock_ctrl;
};
VMC_API int vmc_kvm_probe(const char *path, struct vmc_kvm_info *out, char *err, size_t err_size);

#ifdef __cplusplus
}
#endif
#endif
