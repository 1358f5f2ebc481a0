/*
 * engine_guests.S - the small guests of the engine's tests. Each is copied to CODE (engine_guest.h) and entered in
 * long mode with low memory identity-mapped, rsp set, interrupts off; results go to the counters at DATA.
 */
#include "tests/kvm/engine_guest.h"

	.macro	guest name
	.globl	guest_\name, guest_\name\()_end
guest_\name:
	.endm

	.section .rodata
	.code64

/* counts for ever */
guest spin
	incq	DATA
	jmp	guest_spin
guest_spin_end:

/* counts round trips to ports 0x500 (out) and 0x501 (in: added up) */
guest io
1:	incq	DATA
	mov	DATA, %al
	mov	$0x500, %dx
	out	%al, %dx
	inc	%dx
	xor	%eax, %eax
	in	%dx, %al
	add	%rax, DATA + 8
	jmp	1b
guest_io_end:

/* string I/O: 64 bytes out of DATA + 0x100, then 64 in to DATA + 0x200, then counts */
guest stringio
1:	cld
	mov	$0x502, %dx
	mov	$(DATA + 0x100), %esi
	mov	$64, %ecx
	rep	outsb
	mov	$0x503, %dx
	mov	$(DATA + 0x200), %edi
	mov	$64, %ecx
	rep	insb
	incq	DATA
	jmp	1b
guest_stringio_end:

/* 32 KiB from 0x100000 out of port 0x502 in one instruction, then 64 KiB in from 0x503 to 0x300000, then done
 * (DATA = 1) */
guest bulk
	cld
	mov	$0x502, %dx
	mov	$0x100000, %esi
	mov	$0x8000, %ecx
	rep	outsb
	mov	$0x503, %dx
	mov	$0x300000, %edi
	mov	$0x4000, %ecx
	rep	insl
	incq	DATA
1:	jmp	1b
guest_bulk_end:

/* MMIO: writes its count to MMIO, reads MMIO + 8 into DATA + 8 */
guest mmio
	mov	$MMIO, %ebx
1:	incq	DATA
	mov	DATA, %rax
	mov	%rax, (%rbx)
	mov	8(%rbx), %rcx
	mov	%rcx, DATA + 8
	jmp	1b
guest_mmio_end:

/* the PIT at 1000 Hz through the PIC, vector 0x20: ticks at DATA, wakings at DATA + 8; sleeps in HLT */
guest pit
	mov	$0x11, %al
	out	%al, $0x20
	out	%al, $0xa0
	mov	$0x20, %al
	out	%al, $0x21
	mov	$0x28, %al
	out	%al, $0xa1
	mov	$4, %al
	out	%al, $0x21
	mov	$2, %al
	out	%al, $0xa1
	mov	$1, %al
	out	%al, $0x21
	out	%al, $0xa1
	mov	$0xfe, %al
	out	%al, $0x21
	mov	$0xff, %al
	out	%al, $0xa1
	mov	$0x34, %al		/* channel 0, rate generator */
	out	%al, $0x43
	mov	$(1193 & 0xff), %al
	out	%al, $0x40
	mov	$(1193 >> 8), %al
	out	%al, $0x40
	sti
1:	hlt
	incq	DATA + 8
	jmp	1b
	.balign	16
	.globl	guest_pit_irq
guest_pit_irq:
	push	%rax
	incq	DATA
	mov	$0x20, %al
	out	%al, $0x20
	pop	%rax
	iretq
guest_pit_end:

/* the LAPIC's timer, periodic, vector 0x20: ticks at DATA; counts at DATA + 8 meanwhile */
guest lapic
	mov	$LAPIC, %ebx
	movl	$0x1ff, 0xf0(%rbx)	/* spurious vector, APIC on */
	movl	$0xb, 0x3e0(%rbx)	/* divide by 1 */
	movl	$0x20020, 0x320(%rbx)	/* periodic */
	movl	$2000000, 0x380(%rbx)
	sti
1:	incq	DATA + 8
	jmp	1b
	.balign	16
	.globl	guest_lapic_irq
guest_lapic_irq:
	push	%rax
	incq	DATA
	mov	$LAPIC, %eax
	movl	$0, 0xb0(%rax)
	pop	%rax
	iretq
guest_lapic_end:

/* interrupts: IOAPIC pin 5 edge -> vector 0x20, pin 9 level -> 0x21, MSIs to 0x22 and 0x23; handlers count at
 * DATA + 8 * (vector - 0x20), the level one asks port 0x510 to quiet its source first */
guest irqs
	mov	$LAPIC, %ebx
	movl	$0x1ff, 0xf0(%rbx)
	mov	$0xff, %al		/* PIC: all masked */
	out	%al, $0x21
	out	%al, $0xa1
	mov	$IOAPIC, %ebx
	movl	$(0x10 + 2 * 5 + 1), (%rbx)
	movl	$0, 0x10(%rbx)
	movl	$(0x10 + 2 * 5), (%rbx)
	movl	$0x20, 0x10(%rbx)
	movl	$(0x10 + 2 * 9 + 1), (%rbx)
	movl	$0, 0x10(%rbx)
	movl	$(0x10 + 2 * 9), (%rbx)
	movl	$(0x21 | 1 << 15), 0x10(%rbx)
	movq	$1, DATA + 0x40		/* ready */
	sti
1:	hlt
	jmp	1b
	.macro	handler vector
	.balign	16
	.globl	guest_irqs_\vector
guest_irqs_\vector:
	push	%rax
	push	%rdx
	incq	DATA + 8 * (0x\vector - 0x20)
	.if	0x\vector == 0x21
	mov	$0x510, %dx
	out	%al, %dx
	.endif
	mov	$LAPIC, %eax
	movl	$0, 0xb0(%rax)
	pop	%rdx
	pop	%rax
	iretq
	.endm
	handler	20
	handler	21
	handler	22
	handler	23
guest_irqs_end:

/* writes a byte to pages first DATA + 0x100, count + 0x108, step + 0x110 (all in pages), tells port 0x520, again */
guest touch
1:	mov	DATA + 0x100, %rdi
	mov	DATA + 0x108, %rcx
	mov	DATA + 0x110, %rdx
	shl	$12, %rdi
	shl	$12, %rdx
	test	%rcx, %rcx
	jz	3f
2:	incb	(%rdi)
	add	%rdx, %rdi
	dec	%rcx
	jnz	2b
3:	incq	DATA
	mov	$0x520, %dx
	out	%al, %dx
	jmp	1b
guest_touch_end:

/* touches pages for ever, round and round: first DATA + 0x100, count + 0x108, idle loops between two + 0x118;
 * rounds at DATA */
guest sweep
1:	mov	DATA + 0x100, %rdi
	mov	DATA + 0x108, %rcx
	shl	$12, %rdi
	mov	DATA + 0x118, %rbx
2:	incq	(%rdi)
	add	$4096, %rdi
	mov	%rbx, %rdx
3:	sub	$1, %rdx
	jns	3b
	dec	%rcx
	jnz	2b
	incq	DATA
	jmp	1b
guest_sweep_end:

/* wakes the second vCPU with INIT, SIPI to AP_CODE, then counts at DATA */
guest smp
	mov	$LAPIC, %ebx
	movl	$0x1ff, 0xf0(%rbx)
	movl	$(1 << 24), 0x310(%rbx)
	movl	$0x4500, 0x300(%rbx)	/* INIT */
	movl	$(1 << 24), 0x310(%rbx)
	movl	$(0x4600 | AP_CODE >> 12), 0x300(%rbx)	/* SIPI */
1:	incq	DATA
	jmp	1b
guest_smp_end:

/* where it goes on: real mode, counts at AP_DATA */
	.code16
guest ap
	mov	$(AP_DATA >> 4), %ax
	mov	%ax, %ds
1:	incl	0
	jmp	1b
guest_ap_end:
	.code64

/* an instruction that no kernel code here may use: x87; and a triple fault */
guest x87
	mov	$0x1122334455667788, %rax
	fninit
	fld1
	fsin
	fyl2x
	hlt
guest_x87_end:

guest triple
	mov	$DATA, %ebx
	movw	$0, (%rbx)
	lidt	NOWHERE
	ud2
guest_triple_end:

/* reads a byte of the read-only page, tries to write there, says so on port 0x530, then reads again, for ever */
guest rom
	mov	$ROM, %ebx
1:	mov	(%rbx), %al
	mov	%al, DATA + 8
	movb	$0x77, (%rbx)
	incq	DATA
	mov	$0x530, %dx
	out	%al, %dx
	jmp	1b
guest_rom_end:

/* HLT with interrupts off, then counts */
guest halt
	hlt
1:	incq	DATA
	jmp	1b
guest_halt_end:

/* asks KVM to map a page (hypercall 12), keeps the answer at DATA, then port 0x500 */
guest hypercall
	mov	$12, %eax
	mov	$0x30000, %ebx
	mov	$1, %ecx
	mov	$0, %edx
	vmcall
	mov	%rax, DATA
	mov	$0x500, %dx
	out	%al, %dx
	hlt
guest_hypercall_end:

/* one instruction after another, for single steps */
guest steps
	mov	$1, %eax
	mov	$2, %eax
	mov	$3, %eax
	mov	$4, %eax
	mov	$0x500, %dx
	out	%al, %dx
	mov	$5, %eax
1:	jmp	1b
guest_steps_end:

/* keeps the TSC (rdtsc) at DATA and counts at DATA + 8 */
guest tsc
1:	rdtsc
	shl	$32, %rdx
	or	%rdx, %rax
	mov	%rax, DATA
	incq	DATA + 8
	jmp	1b
guest_tsc_end:

	.section .note.GNU-stack, "", @progbits
