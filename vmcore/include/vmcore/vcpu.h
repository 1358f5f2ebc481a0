/*
 * vcpu.h - vCPUs: registers, typed exits (manual mode), statistics, debugging.
 *
 * Register calls: in managed mode from any thread; a vCPU in KVM_RUN is kicked and the call is done
 * on its own thread between two runs (no device lock may be held). In manual mode from the thread
 * that runs the vCPU.
 */
#ifndef VMCORE_VCPU_H
#define VMCORE_VCPU_H
#include <vmcore/vm.h>
#ifdef __cplusplus
extern "C" {
#endif

struct vmc_regs {
	uint64_t rax, rbx, rcx, rdx, rsi, rdi, rsp, rbp, r8, r9, r10, r11, r12, r13, r14, r15;
	uint64_t rip, rflags;
};

struct vmc_segment {
	uint64_t base;
	uint32_t limit; /* bytes, granularity applied */
	uint16_t selector;
	uint8_t type, present, dpl, db, s, l, g, avl, unusable;
};

struct vmc_table {
	uint64_t base;
	uint16_t limit;
};

struct vmc_sregs {
	struct vmc_segment cs, ds, es, fs, gs, ss, tr, ldt;
	struct vmc_table gdt, idt;
	uint64_t cr0, cr2, cr3, cr4, cr8, efer, apic_base;
};

/* Why a vCPU left KVM_RUN. Also the index of the counters in struct vmc_vcpu_stats. */
enum vmc_exit_reason {
	VMC_EXIT_IO_IN,
	VMC_EXIT_IO_OUT,
	VMC_EXIT_MMIO_READ,
	VMC_EXIT_MMIO_WRITE,
	VMC_EXIT_HYPERCALL,
	VMC_EXIT_HALT,
	VMC_EXIT_SHUTDOWN, /* triple fault */
	VMC_EXIT_RESET,	   /* system event: reset */
	VMC_EXIT_DEBUG,
	VMC_EXIT_INTR,	     /* a signal: kicks of ours */
	VMC_EXIT_DIRTY_RING, /* ring full */
	VMC_EXIT_ERROR,	     /* emulation failure, entry failure, unknown */
	VMC_EXIT_REASONS
};
VMC_API const char *vmc_exit_name(enum vmc_exit_reason reason); /* "io-in", "mmio-write" ... */

struct vmc_exit {
	enum vmc_exit_reason reason;
	union {
		struct { uint16_t port; uint8_t size; uint32_t count; const void *data; } io; /* data: OUT only, size * count bytes, valid until the next run */
		struct { uint64_t gpa; uint32_t len; uint8_t data[8]; } mmio; /* data: writes only */
		struct { uint64_t nr, args[6]; } hypercall;
		struct { uint32_t exception; uint64_t rip, dr6, dr7; } debug;
	};
	char message[256]; /* VMC_EXIT_ERROR: what KVM said */
};

/** vmc_vcpu_new() - manual mode: create vCPU @index (0..config.vcpus-1). Owner. -EPERM in managed mode. */
VMC_API int vmc_vcpu_new(struct vmc_vm *vm, uint32_t index, struct vmc_vcpu **out);
VMC_API uint32_t vmc_vcpu_count(const struct vmc_vm *vm);
VMC_API struct vmc_vcpu *vmc_vcpu_get(struct vmc_vm *vm, uint32_t index); /* NULL: none such */
VMC_API uint32_t vmc_vcpu_index(const struct vmc_vcpu *vcpu);

/**
 * vmc_vcpu_run() - manual mode: run until something needs the caller. Accesses that a bus region
 * claims are served on the way. After IO_IN and MMIO_READ hand the answer in with
 * vmc_vcpu_set_io_result()/set_mmio_result() before the next run (otherwise all-ones).
 * Return: 0 with @exit filled; -EPERM in managed mode, -EINTR after vmc_vcpu_kick().
 */
VMC_API int vmc_vcpu_run(struct vmc_vcpu *vcpu, struct vmc_exit *exit);
VMC_API int vmc_vcpu_set_io_result(struct vmc_vcpu *vcpu, const void *data, size_t len);
VMC_API int vmc_vcpu_set_mmio_result(struct vmc_vcpu *vcpu, const void *data, size_t len);
/** vmc_vcpu_kick() - make vmc_vcpu_run() return soon; never lost. Any thread. */
VMC_API void vmc_vcpu_kick(struct vmc_vcpu *vcpu);

VMC_API int vmc_vcpu_get_regs(struct vmc_vcpu *vcpu, struct vmc_regs *out);
VMC_API int vmc_vcpu_set_regs(struct vmc_vcpu *vcpu, const struct vmc_regs *regs);
VMC_API int vmc_vcpu_get_sregs(struct vmc_vcpu *vcpu, struct vmc_sregs *out);
VMC_API int vmc_vcpu_set_sregs(struct vmc_vcpu *vcpu, const struct vmc_sregs *sregs);
/** vmc_vcpu_sample() - both at one instant, one kick. */
VMC_API int vmc_vcpu_sample(struct vmc_vcpu *vcpu, struct vmc_regs *regs, struct vmc_sregs *sregs);

enum vmc_run_state { VMC_VCPU_RUNNING, VMC_VCPU_HALTED, VMC_VCPU_WAIT_SIPI, VMC_VCPU_PAUSED, VMC_VCPU_FAILED };
struct vmc_vcpu_stats {
	uint64_t exits[VMC_EXIT_REASONS];
	uint64_t cpu_ns; /* CPU time of the vCPU's thread */
	uint64_t tid;	 /* the thread, 0 when none */
	enum vmc_run_state state; /* HALTED: in the kernel's HLT at the last look (no kick is made) */
};
/** vmc_vcpu_stats() - counters since creation; no kick, cheap. Any thread. */
VMC_API void vmc_vcpu_stats(const struct vmc_vcpu *vcpu, struct vmc_vcpu_stats *out);

/** vmc_vcpu_translate() - guest virtual to guest physical (KVM_TRANSLATE). -EFAULT: not mapped. */
VMC_API int vmc_vcpu_translate(struct vmc_vcpu *vcpu, uint64_t gva, uint64_t *gpa);
/** vmc_vcpu_step() - single-step one instruction of a paused VM's vCPU; the others stay paused.
 * The VM is paused again on return. Owner. -EINVAL unless paused. */
VMC_API int vmc_vcpu_step(struct vmc_vcpu *vcpu);
/** vmc_vcpu_nmi() - inject an NMI. */
VMC_API int vmc_vcpu_nmi(struct vmc_vcpu *vcpu);

/** vmc_vcpu_snapshot()/restore() - one vCPU's whole state as an opaque blob: regs, sregs, xsave, xcrs,
 * MSRs, LAPIC, events, debug regs, mp_state, TSC. @out is malloc()ed. VM not running. */
VMC_API int vmc_vcpu_snapshot(struct vmc_vcpu *vcpu, void **out, size_t *len);
VMC_API int vmc_vcpu_restore(struct vmc_vcpu *vcpu, const void *blob, size_t len);

#ifdef __cplusplus
}
#endif
#endif
