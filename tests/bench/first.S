/*
 * first.S - the smallest PVH guest: one byte to COM1, then (with EXIT) the debug-exit port, else HLT.
 * Entered in 32-bit protected mode, paging off (x86/HVM direct boot ABI). The bare program jumps to
 * the same code, so that all peers run the same instructions.
 */
	.section .note.pvh, "a", @note
	.long	4, 4, 18		/* XEN_ELFNOTE_PHYS32_ENTRY */
	.asciz	"Xen"
	.long	_start

	.section .text
	.code32
	.globl	_start
_start:
	movw	$0x3f8, %dx
	movb	$'V', %al
	outb	%al, %dx
#ifdef EXIT
	movw	$0xf4, %dx
	xorl	%eax, %eax
	outl	%eax, %dx
#endif
1:	hlt
	jmp	1b
