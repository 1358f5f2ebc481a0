/*
 * start.S - from the first instruction of each CPU to C, the static tables, and the doors between
 * the rings. vCPU 0 enters at pvh_entry; the others at ap_trampoline after a startup IPI.
 *
 * PVH: x86/HVM direct boot ABI (Xen 4.20, pvh.pandoc): 32-bit protected mode, paging off,
 * ebx = struct hvm_start_info. The page tables are laid out at link time: no code has to fill them.
 */
#include "layout.h"

	.section .note.pvh, "a", @note
	.balign	4
	.long	4, 8, 18		/* XEN_ELFNOTE_PHYS32_ENTRY */
	.asciz	"Xen"
	.quad	pvh_entry

#define FUNC(name) .globl name; .type name, @function; name:
#define END(name)  .size name, . - name

/* ---- vCPU 0 ---- */
	.section .text.start, "ax", @progbits
	.code32
FUNC(pvh_entry)
	cld
	movl	%ebx, %ebp
	lgdt	gdt_ptr
	movl	$(kernel_stacks + KERNEL_STACK), %esp	/* the ABI promises none */
	call	enter_long_mode
	ljmp	$SEL_KCODE, $long_entry
END(pvh_entry)

/* PAE, long mode, no-execute, paging with write protection in ring 0. Straight away: the software
 * KVM of some machines cannot do IRET in 32-bit protected mode, and an exception would need it. */
FUNC(enter_long_mode)
	movl	%cr4, %eax
	orl	$CR4_PAE, %eax
	movl	%eax, %cr4
	movl	$pml4, %eax
	movl	%eax, %cr3
	movl	$MSR_EFER, %ecx
	rdmsr
	orl	$(EFER_LME | EFER_NXE), %eax
	wrmsr
	movl	%cr0, %eax
	andl	$~(CR0_CD | CR0_NW | CR0_EM | CR0_TS), %eax
	orl	$(CR0_PG | CR0_WP | CR0_PE), %eax
	movl	%eax, %cr0
	ret
END(enter_long_mode)

	.code64
FUNC(long_entry)
	movl	$SEL_KDATA, %eax
	movl	%eax, %ds
	movl	%eax, %es
	movl	%eax, %ss
	xorl	%eax, %eax
	movl	%eax, %fs
	movl	%eax, %gs
	movl	$(kernel_stacks + KERNEL_STACK), %esp
	movl	%ebp, %edi		/* start info */
	xorl	%ebp, %ebp
	call	k_main
1:	hlt
	jmp	1b
END(long_entry)

/* ---- the other vCPUs: copied to AP_TRAMPOLINE, entered in real mode ---- */
	.section .rodata.ap, "a", @progbits
	.code16
	.globl ap_trampoline, ap_trampoline_end
ap_trampoline:
	cli
	cld
	movw	%cs, %ax
	movw	%ax, %ds
	lgdtl	ap_gdt_ptr - ap_trampoline
	movl	%cr0, %eax
	orl	$CR0_PE, %eax
	movl	%eax, %cr0
	ljmpl	$SEL_KCODE32, $ap_entry32
	.balign	4
ap_gdt_ptr:
	.word	gdt_end - gdt - 1
	.long	gdt
ap_trampoline_end:

	.section .text.start, "ax", @progbits
	.code32
FUNC(ap_entry32)
	movl	$SEL_KDATA, %eax
	movl	%eax, %ds
	movl	%eax, %ss
	movl	ap_stack, %esp
	call	enter_long_mode
	ljmp	$SEL_KCODE, $ap_entry64
END(ap_entry32)

	.code64
FUNC(ap_entry64)
	movl	$SEL_KDATA, %eax
	movl	%eax, %es
	movl	%eax, %ss
	xorl	%eax, %eax
	movl	%eax, %fs
	movl	%eax, %gs
	movl	%esp, %esp
	xorl	%ebp, %ebp
	call	k_ap_main
1:	hlt
	jmp	1b
END(ap_entry64)

/* ---- exceptions and interrupts: one stub a vector, STUB_SIZE bytes each ---- */
	.section .text.stubs, "ax", @progbits
	.globl trap_stubs
	.type trap_stubs, @function
trap_stubs:
	vector = 0
	.rept	VECTORS
	.balign	STUB_SIZE
	/* #DF #TS #NP #SS #GP #PF #AC #CP push an error code of their own */
	.if !((vector == 8) || ((vector >= 10) && (vector <= 14)) || (vector == 17) || (vector == 21))
	pushq	$0
	.endif
	pushq	$vector
	jmp	trap_common
	vector = vector + 1
	.endr
	.balign	STUB_SIZE
	.size trap_stubs, . - trap_stubs

	.text
FUNC(trap_common)
	pushq	%rax
	pushq	%rbx
	pushq	%rcx
	pushq	%rdx
	pushq	%rsi
	pushq	%rdi
	pushq	%rbp
	pushq	%r8
	pushq	%r9
	pushq	%r10
	pushq	%r11
	pushq	%r12
	pushq	%r13
	pushq	%r14
	pushq	%r15
	cld
	movq	%rsp, %rdi
	call	k_trap
trap_return:
	popq	%r15
	popq	%r14
	popq	%r13
	popq	%r12
	popq	%r11
	popq	%r10
	popq	%r9
	popq	%r8
	popq	%rbp
	popq	%rdi
	popq	%rsi
	popq	%rdx
	popq	%rcx
	popq	%rbx
	popq	%rax
	addq	$16, %rsp
	iretq
END(trap_common)

/* void k_enter_user(void (*fn)(void *), void *arg, uint64_t user_rsp): ring 3 for the first time */
FUNC(k_enter_user)
	pushq	$(SEL_UDATA | 3)
	pushq	%rdx
	pushq	$RFLAGS_USER
	pushq	$(SEL_UCODE | 3)
	pushq	$user_start
	movq	%rdi, %rax
	movq	%rsi, %rdi
	iretq
END(k_enter_user)

FUNC(user_start)
	xorl	%ebp, %ebp
	call	*%rax
1:	movq	$-1, %rsi		/* the program returned: sleep for good */
	movl	$k_wait, %edi
	call	rt_ring0
	jmp	1b
END(user_start)

/*
 * uint64_t rt_ring0(fn, arg): run fn(arg) in ring 0. The undefined instruction raises #UD, which
 * arrives in the kernel on every KVM; k_trap() knows this address and takes it for a system call.
 */
FUNC(rt_ring0)
	.globl rt_ring0_door
rt_ring0_door:
	ud2
	ret
END(rt_ring0)

/*
 * int rt_try(fn, arg, struct rt_try *try): call fn(arg) and put its value into try->value; returns 0.
 * When it faults, k_trap() describes the fault in try and goes on at rt_try_fault; returns 1. The
 * same in both rings.
 */
FUNC(rt_try)
	pushq	%rbx
	pushq	%rbp
	pushq	%r12
	pushq	%r13
	pushq	%r14
	pushq	%r15
	pushq	%rdx
	pushq	%gs:GS_TRY		/* an outer try */
	movq	%rsp, TRY_RSP(%rdx)
	movl	%cs, %eax
	movq	%rax, TRY_CS(%rdx)
	movq	%rdx, %gs:GS_TRY
	movq	%rdi, %rax
	movq	%rsi, %rdi
	call	*%rax
	movq	8(%rsp), %rdx
	movq	%rax, TRY_VALUE(%rdx)
	xorl	%eax, %eax
	jmp	1f
	.globl rt_try_fault
rt_try_fault:
	movl	$1, %eax
1:	popq	%rdx
	movq	%rdx, %gs:GS_TRY
	popq	%rdx
	popq	%r15
	popq	%r14
	popq	%r13
	popq	%r12
	popq	%rbp
	popq	%rbx
	ret
END(rt_try)

/* ---- tables ---- */
	.section .kdata, "aw", @progbits
	.balign	16
	.globl gdt, gdt_tss
gdt:
	.quad	0
	.quad	0x00af9b000000ffff	/* 08 ring 0 code, 64 bit */
	.quad	0x00cf93000000ffff	/* 10 ring 0 data */
	.quad	0x00cff3000000ffff	/* 18 ring 3 data */
	.quad	0x00affb000000ffff	/* 20 ring 3 code, 64 bit */
	.quad	0x00cf9b000000ffff	/* 28 ring 0 code, 32 bit: the way up only */
gdt_tss:
	.fill	2 * MAX_CPUS, 8, 0	/* 30 a TSS for each CPU */
gdt_end:
	.globl gdt_ptr
gdt_ptr:
	.word	gdt_end - gdt - 1
	.quad	gdt
	.balign	4
	.globl ap_stack
ap_stack:
	.long	0

/* guest.ld puts the stubs at an address that is known here, so the gates need no code either: an emulated
 * kernel would need a millisecond or two to fill them. Only int3 and into are for ring 3; #DF and NMI
 * have stacks of their own (the TSS's IST). */
	.balign	16
	.globl idt
idt:
	vector = 0
	.rept	VECTORS
	stub = TRAP_STUBS + vector * STUB_SIZE
	.word	stub & 0xffff, SEL_KCODE
	.if	vector == 8
	.byte	1, GATE_KERNEL
	.elseif	vector == 2
	.byte	2, GATE_KERNEL
	.elseif	(vector == 3) || (vector == 4)
	.byte	0, GATE_USER
	.else
	.byte	0, GATE_KERNEL
	.endif
	.word	stub >> 16
	.long	0, 0
	vector = vector + 1
	.endr

/* Upper levels allow everything; the leaves decide. 4 GiB map to themselves with 2 MiB pages, the
 * first 2 MiB with 4 KiB pages so that page 0 can be absent and sections can have rights. */
	.section .ptables, "aw", @progbits
	.balign	4096
	.globl pml4, pdpt, pd0, pt0
pml4:	.quad	pdpt + PTE_P + PTE_W + PTE_U
	.fill	511, 8, 0
pdpt:	.quad	pd0 + PTE_P + PTE_W + PTE_U
	.quad	pd1 + PTE_P + PTE_W + PTE_U
	.quad	pd2 + PTE_P + PTE_W + PTE_U
	.quad	pd3 + PTE_P + PTE_W + PTE_U
	.fill	508, 8, 0
pd0:	.quad	pt0 + PTE_P + PTE_W + PTE_U
	page = 0x200000
	.rept	511
	.quad	page + PTE_P + PTE_W + PTE_PS
	page = page + 0x200000
	.endr
pd1:	.rept	512
	.quad	page + PTE_P + PTE_W + PTE_PS
	page = page + 0x200000
	.endr
pd2:	.rept	512
	.quad	page + PTE_P + PTE_W + PTE_PS
	page = page + 0x200000
	.endr
pd3:	.rept	512			/* 3 to 4 GiB: devices, uncached */
	.quad	page + PTE_P + PTE_W + PTE_PS + PTE_PCD + PTE_PWT
	page = page + 0x200000
	.endr
pt0:	page = 0			/* page 0 goes when the start info was read */
	.rept	512
	.quad	page + PTE_P + PTE_W
	page = page + 0x1000
	.endr

	.section .kbss, "aw", @nobits
	.balign	4096
	.globl kernel_stacks
kernel_stacks:
	.skip	KERNEL_STACK * MAX_CPUS

	.section .note.GNU-stack, "", @progbits
