/* layout.h - constants that the assembly and the C of the runtime share. */
#ifndef RT_LAYOUT_H
#define RT_LAYOUT_H

#define MAX_CPUS      8
#define KERNEL_STACK  8192
#define AP_TRAMPOLINE 0x8000

/* selectors */
#define SEL_KCODE   0x08
#define SEL_KDATA   0x10
#define SEL_UDATA   0x18
#define SEL_UCODE   0x20
#define SEL_KCODE32 0x28
#define SEL_TSS     0x30

#define CR0_PE   0x00000001
#define CR0_EM   0x00000004
#define CR0_TS   0x00000008
#define CR0_WP   0x00010000
#define CR0_NW   0x20000000
#define CR0_CD   0x40000000
#define CR0_PG   0x80000000
#define CR4_PAE  0x20
#define MSR_EFER 0xc0000080
#define EFER_LME 0x100
#define EFER_NXE 0x800

#define PTE_P   0x001
#define PTE_W   0x002
#define PTE_U   0x004
#define PTE_PWT 0x008
#define PTE_PCD 0x010
#define PTE_A   0x020
#define PTE_D   0x040
#define PTE_PS  0x080

#define RFLAGS_USER 0x202 /* interrupts on */

/* vectors: 0..31 exceptions, then ours */
#define VECTORS      48
#define STUB_SIZE    16
#define TRAP_STUBS   0x100040 /* guest.ld */
#define GATE_KERNEL  0x8e     /* interrupt gate */
#define GATE_USER    0xee     /* the same, and ring 3 may raise it */
#define VEC_TIMER    0x20     /* local APIC timer */
#define VEC_PIT      0x21
#define VEC_COM1     0x22
#define VEC_RX       0x23 /* virtio-console receive queue */
#define VEC_TX       0x24 /* virtio-console transmit queue */
#define VEC_CFG      0x25 /* virtio-console configuration change */
#define VEC_RTC      0x26
#define VEC_IPI      0x27 /* one CPU to another */
#define VEC_WAKE     0x28 /* the same, counted apart */
#define VEC_SPURIOUS 0x2f

#define GS_TRY    8 /* offset of struct rt_cpu.try */
#define TRY_RSP   0 /* offsets in struct rt_try */
#define TRY_VALUE 8
#define TRY_CS    16

#endif
