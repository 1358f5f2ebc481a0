/*
 * shell_exit.c - the ways out of guest mode: `exit KIND` takes one and says what the hypervisor
 * saw. Ring 3, vCPU 0; the deed is done in ring 0.
 */
#include "shell.h"

#define HOLE 0xd0000000ull /* below the PCI window, above RAM (machine.h): nobody answers */

static uint64_t do_pio_in(void *unused)
{
	return k_inb(0x71);
}
static uint64_t do_pio_out(void *unused)
{
	k_outb(0x80, 0x42); /* the POST code port: harmless everywhere */
	return 0;
}
static uint64_t do_mmio_read(void *unused)
{
	return k_read32(HOLE);
}
static uint64_t do_mmio_write(void *unused)
{
	k_write32(HOLE, 0xfeedbeef);
	return 0;
}
static uint64_t do_halt(void *unused)
{
	for (;;)
		__asm__ volatile("cli; hlt");
	return 0;
}
static uint64_t do_triple(void *unused)
{
	struct {
		uint16_t limit;
		uint64_t base;
	} __attribute__((packed)) none = {0, 0};

	__asm__ volatile("lidt %0; ud2" ::"m"(none));
	return 0;
}
static uint64_t do_reset(void *unused)
{
	k_outb(0xcf9, 0x02);
	k_outb(0xcf9, 0x06);
	return 0;
}
static uint64_t do_i8042(void *unused)
{
	k_outb(0x64, 0xfe);
	return 0;
}
static uint64_t do_debug_exit(void *code)
{
	k_outb(0xf4, (uint8_t)(uint64_t)code);
	return 0;
}
static uint64_t do_vmmcall(void *unused)
{
	uint64_t r = 1; /* KVM_HC_VAPIC_POLL_IRQ: does nothing */

	__asm__ volatile("vmmcall" : "+a"(r)::"memory");
	return r;
}
static uint64_t do_vmcall(void *unused)
{
	uint64_t r = 1;

	__asm__ volatile("vmcall" : "+a"(r)::"memory");
	return r;
}
static uint64_t do_hlt(void *unused)
{
	return k_wait((void *)50000ul); /* 50 ms */
}
static uint64_t do_cpuid(void *unused)
{
	uint32_t r[4];

	k_cpuid(0, 0, r);
	return r[0];
}

enum flags {
	ENDS = 1, /* the VM does not come back as it was */
	TIMED = 2,
	HYPERCALL = 4,
};

struct kind {
	rt_fn *fn;
	unsigned flags;
	const char *sees;
};

const struct choice exit_choices[] = {
	{"pio-in", "read a port (CMOS data)"},
	{"pio", "write a port (POST code, 0x80)"},
	{"mmio-read", "read where nothing is"},
	{"mmio-write", "write where nothing is"},
	{"hlt", "sleep until the next interrupt"},
	{"cpuid", "an exit that KVM answers itself"},
	{"hypercall", "ask the hypervisor directly"},
	{"halt", "HLT with interrupts off: never comes back"},
	{"triple", "triple fault: KVM reports a shutdown"},
	{"reset", "the reset port 0xcf9"},
	{"i8042", "reset through the keyboard controller"},
	{"debug", "[CODE] end the VM with an exit code, port 0xf4"},
	{0},
};

static const struct kind kinds[] = {
	{do_pio_in, TIMED, "KVM_EXIT_IO, direction in: the VMM's CMOS model supplies the byte."},
	{do_pio_out, TIMED,
		"KVM_EXIT_IO, direction out: the VMM looks port 0x80 up and finds nobody."},
	{do_mmio_read, TIMED,
		"KVM_EXIT_MMIO: no memory slot covers 0xd0000000, so the VMM is asked; nobody "
		"there answers all ones."},
	{do_mmio_write, TIMED, "KVM_EXIT_MMIO with the data; the VMM drops it."},
	{do_hlt, TIMED,
		"nothing: the interrupt controller is in the kernel, so KVM parks the vCPU thread "
		"itself and wakes it at the timer interrupt (50 ms)."},
	{do_cpuid, TIMED,
		"nothing: CPUID always leaves guest mode, but KVM answers from the table it was "
		"given."},
	{do_vmcall, TIMED | HYPERCALL,
		"nothing: KVM handles the hypercalls it knows by itself. This one (1) does "
		"nothing."},
	{do_halt, ENDS,
		"nothing at all: the vCPU sleeps in KVM, and only a reset wakes it to any use."},
	{do_triple, ENDS,
		"KVM_EXIT_SHUTDOWN: a fault while delivering a double fault. A PC resets; this VMM "
		"stops the VM and says why."},
	{do_reset, ENDS,
		"KVM_EXIT_IO on port 0xcf9, the reset control: it boots the machine anew."},
	{do_i8042, ENDS,
		"KVM_EXIT_IO on port 0x64, command 0xfe: the keyboard controller pulls the reset "
		"line."},
	{do_debug_exit, ENDS, "KVM_EXIT_IO on port 0xf4: the VM ends with the code."},
};

static void list(void)
{
	for (const struct choice *c = exit_choices; c->name; c++)
		say_key(c->name, "%s", c->help);
}

static void hypercall(const struct args *a, struct kind *k)
{
	if (!strcmp(rt_machine.vendor, "AuthenticAMD") ||
		!strcmp(rt_machine.vendor, "HygonGenuine"))
		k->fn = do_vmmcall;
	if (rt_kernel_is_slow() && !(a->n > 1 && !strcmp(a->text[1], "force"))) {
		say("This KVM emulates kernel mode, and on such a one a hypercall was seen to hang "
		    "the vCPU for good. Not done. (`exit hypercall force` does it all the same.)");
		k->fn = NULL;
	}
}

static void run(const struct kind *k, const char *name)
{
	struct rt_try try;
	uint64_t start, us;

	rt_drain();
	start = rt_now_us();
	if (rt_try_ring0(k->fn, NULL, &try)) {
		say("It did not get that far: %s at %#lx. This CPU or KVM has no such way out.",
			rt_vector_name(try.vector), try.rip);
		return;
	}
	us = rt_now_us() - start;
	say_key("result", "%#lx after %lu us", try.value, us);
	say_key("VMM sees", "%s", k->sees);
}

void cmd_exit(const struct args *a)
{
	struct kind k;
	unsigned i;

	if (!a->n) {
		list();
		return;
	}
	for (i = 0; exit_choices[i].name && strcmp(exit_choices[i].name, a->text[0]); i++)
		;
	if (!exit_choices[i].name) {
		say_error("There is no exit kind %s; exit lists them.", a->text[0]);
		return;
	}
	k = kinds[i];
	if (k.flags & HYPERCALL)
		hypercall(a, &k);
	if (!k.fn)
		return;
	if (!(k.flags & ENDS)) {
		run(&k, a->text[0]);
		return;
	}
	say_key("VMM sees", "%s", k.sees);
	if (confirm("This ends the shell's life in this VM. Go on?")) {
		rt_ring0(k.fn, (void *)(a->n > 1 ? a->value[1] : 0));
		say("Still here: nothing listens to that in this VM.");
	}
}

/* ---- crash ---- */

static uint64_t do_unusual(void *unused)
{
	uint64_t out, in = 0xff;

	__asm__ volatile("popcntq %1, %0" : "=r"(out) : "r"(in));
	return out;
}

void cmd_crash(const struct args *a)
{
	struct rt_try try;

	say("popcnt in kernel mode. A CPU just runs it. A KVM that emulates kernel mode may not "
	    "know it: then KVM_RUN ends with an internal error (emulation failure), and the VMM "
	    "can only stop the VM and show why.");
	if (!confirm("This may stop the VM for good. Go on?"))
		return;
	if (rt_try_ring0(do_unusual, NULL, &try))
		say("%s: the CPU does not have it. We go on.", rt_vector_name(try.vector));
	else
		say("popcnt(0xff) = %lu: nothing crashed. This KVM can run it, as hardware does.",
			try.value);
}
