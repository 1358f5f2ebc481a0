/*
 * shell_fault.c - exceptions on purpose: `fault KIND` raises one in ring 3 (or in ring 0 with
 * `kernel`), the runtime catches it, and the shell tells what the CPU said. Ring 3, vCPU 0.
 * Intel SDM volume 3, 6.15 (exceptions and their error codes).
 */
#include "shell.h"

#define NOWHERE 0x7f0000000000ull /* canonical, not mapped */

static uint64_t do_de(void *unused)
{
	uint32_t a = 1, d = 0, zero = 0;

	__asm__ volatile("divl %2" : "+a"(a), "+d"(d) : "r"(zero));
	return a;
}
static uint64_t do_db(void *unused)
{
	/* the trap flag: an exception after the next instruction */
	__asm__ volatile("pushfq; orq $0x100, (%%rsp); popfq; nop" ::: "memory", "cc");
	return 0;
}
static uint64_t do_bp(void *unused)
{
	__asm__ volatile("int3");
	return 0;
}
static uint64_t do_ud(void *unused)
{
	__asm__ volatile("ud2");
	return 0;
}
static uint64_t do_gp(void *unused)
{
	return k_read64(0x8000000000000000ull); /* not canonical */
}
static uint64_t do_gp_priv(void *unused)
{
	__asm__ volatile("cli; sti");
	return 0;
}
static uint64_t do_gp_sel(void *unused)
{
	__asm__ volatile("movw %w0, %%es" ::"r"(0x1230)); /* beyond the GDT */
	return 0;
}
static uint64_t do_ss(void *unused)
{
	uint64_t v;

	/* an address through the stack pointer that is not canonical: #SS, not #GP */
	__asm__ volatile("movq %%rsp, %%rcx; movq %1, %%rsp; movq (%%rsp), %0; movq %%rcx, %%rsp"
			 : "=&r"(v)
			 : "r"(0x8000000000000000ull)
			 : "rcx", "memory");
	return v;
}
static uint64_t do_null(void *unused)
{
	return k_read8(8);
}
static uint64_t do_unmapped(void *unused)
{
	return k_read8(NOWHERE);
}
static uint64_t do_readonly(void *unused)
{
	k_write8((uint64_t)rt_main, 0x90);
	return 0;
}
static uint64_t do_nx(void *unused)
{
	static volatile uint8_t code[1]; /* volatile, or a compiler may see a constant */

	code[0] = 0xc3; /* ret, but in data */
	((void (*)(void))(uint64_t)code)();
	return 0;
}
static uint64_t do_kernel_page(void *unused)
{
	return k_read64((uint64_t)pml4);
}
static uint64_t do_ac(void *unused)
{
	uint64_t v, buffer[2] = {0};
	volatile uint32_t *odd = (volatile uint32_t *)((uint8_t *)buffer + 1);

	__asm__ volatile("pushfq; orq $0x40000, (%%rsp); popfq; movl (%1), %k0; pushfq; andq "
			 "$~0x40000, (%%rsp); popfq"
			 : "=&r"(v)
			 : "r"(odd)
			 : "memory", "cc");
	return v;
}

const struct choice fault_choices[] = {
	{"de", "divide by zero"},
	{"db", "single step: the trap flag"},
	{"bp", "breakpoint: int3"},
	{"ud", "an undefined instruction"},
	{"gp", "an address that is not canonical"},
	{"gp-priv", "a privileged instruction in ring 3 (cli)"},
	{"gp-sel", "a selector beyond the GDT"},
	{"ss", "a stack address that is not canonical"},
	{"ac", "an unaligned access with alignment checking"},
	{"pf", "an address that is not mapped"},
	{"pf-null", "a null pointer"},
	{"pf-ro", "a write to read-only code"},
	{"pf-nx", "running data"},
	{"pf-super", "ring 3 reads a page of ring 0"},
	{"df", "a fault while delivering a fault (kernel)"},
	{0},
};

static const struct {
	rt_fn *fn;
	const char *why;
} faults[] = {
	{do_de, "Every CPU does this on a zero divisor; the saved RIP is the div itself, so "
		"returning would try again."},
	{do_db, "A trap, not a fault: RIP is after the stepped instruction. Debuggers live on it."},
	{do_bp, "One byte, 0xcc, that debuggers write over code."},
	{do_ud, "ud2 exists for this. In this runtime the very same instruction, at one known "
		"address, is the system call."},
	{do_gp, "Bits 47 to 63 of an address must be equal."},
	{do_gp_priv, "cli needs IOPL >= CPL; ring 3 has IOPL 0."},
	{do_gp_sel, "The error code is the selector."},
	{do_ss, "Like #GP, but through the stack segment."},
	{do_ac, "Only in ring 3, with CR0.AM and RFLAGS.AC set."},
	{do_unmapped, "The walk met an entry without its present bit; CR2 has the address."},
	{do_null, "Page 0 is left out of the tables so that null pointers are caught."},
	{do_readonly, "Code pages lack the write bit; CR0.WP makes that hold in ring 0 as well."},
	{do_nx, "Data pages have the no-execute bit; error code bit 4 says it was a fetch."},
	{do_kernel_page, "The page tables' pages lack the user bit."},
	{NULL, ""},
};

static uint64_t set_alignment_check(void *on)
{
	uint64_t cr0;

	__asm__ volatile("mov %%cr0, %0" : "=r"(cr0));
	cr0 = on ? cr0 | 1 << 18 : cr0 & ~(1ull << 18);
	__asm__ volatile("mov %0, %%cr0" ::"r"(cr0));
	return 0;
}

/* #GP's gate is made absent: delivering it raises #NP, and two such faults make a #DF. */
static uint64_t do_df(void *unused)
{
	k_gate(13, false);
	return k_read64(0x8000000000000000ull);
}
static uint64_t mend_gate(void *unused)
{
	k_gate(13, true);
	return 0;
}

static void explain_error(const struct rt_try *t)
{
	if (t->vector == 14)
		say_key("error", "%#lx: %s, %s, in ring %s%s", t->error,
			t->error & 1 ? "rights" : "not present", t->error & 2 ? "write" : "read",
			t->error & 4 ? "3" : "0", t->error & 16 ? ", instruction fetch" : "");
	else if (t->vector == 8 || (t->vector >= 10 && t->vector <= 14) || t->vector == 17)
		say_key("error", "%#lx", t->error);
}

static void explain(unsigned i, const struct rt_try *t, bool kernel)
{
	const char *why = faults[i].fn ? faults[i].why
				       : "The #GP could not be delivered (its gate was made "
					 "absent), so the CPU raised #DF on a stack of its own. "
					 "One more would have been a triple fault: shutdown.";

	rt_printf("%s%s%s in ring %s\r\n", scr_sgr(ST_ACCENT), rt_vector_name(t->vector),
		scr_sgr(ST_PLAIN), kernel ? "0" : "3");
	say_key("RIP", "%#lx", t->rip);
	if (t->vector == 14)
		say_key("CR2", "%#lx", t->cr2);
	explain_error(t);
	say_key("why", "%s", why);
	say_key("VMM sees", "%s",
		rt_kernel_is_slow() ? "no exit. KVM delivered the exception to the guest itself."
				    : "no exit. The CPU delivers it through the guest's IDT; with "
				      "shadow paging KVM would look at page faults first.");
	say_key("recovery",
		"the handler set RIP and RSP back to where the shell had asked for it.");
}

static void list(void)
{
	for (const struct choice *c = fault_choices; c->name; c++)
		say_key(c->name, "%s", c->help);
	say("`fault KIND kernel` raises it in ring 0.");
}

void cmd_fault(const struct args *a)
{
	bool kernel = a->n > 1 && !strcmp(a->text[1], "kernel"), faulted;
	struct rt_try try = {0};
	unsigned i;

	if (!a->n) {
		list();
		return;
	}
	for (i = 0; fault_choices[i].name && strcmp(fault_choices[i].name, a->text[0]); i++)
		;
	if (!fault_choices[i].name) {
		say_error("There is no fault kind %s; fault lists them.", a->text[0]);
		return;
	}
	if (kernel && !strcmp(a->text[0], "bp") && rt_kernel_is_slow()) {
		say("This KVM emulates kernel mode and cannot emulate int3 there: it would stop "
		    "the VM. Without `kernel` it works.");
		return;
	}
	if (!faults[i].fn) {
		kernel = true;
		faulted = rt_try_ring0(do_df, NULL, &try);
		rt_ring0(mend_gate, NULL);
	} else {
		rt_ring0(set_alignment_check, (void *)1);
		faulted = kernel ? rt_try_ring0(faults[i].fn, NULL, &try)
				 : rt_try(faults[i].fn, NULL, &try);
		rt_ring0(set_alignment_check, NULL);
	}
	if (faulted)
		explain(i, &try, kernel);
	else
		say("No fault: ring %u may do that here.", kernel ? 0 : 3);
}
