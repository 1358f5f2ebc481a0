/*
 * k_trap.c - the IDT, and what happens at each exception and interrupt. Ring 0, on any vCPU.
 *
 * An exception goes, in this order: to the system call door, to the rt_try() in force, to a report
 * on the console that ends the program (the VM stays, asleep, for a look from outside).
 * Intel SDM (April 2024) volume 3, chapter 6: vectors, error codes, IST.
 */
#include "kernel.h"

struct tss {
	uint32_t zero0;
	uint64_t rsp[3], zero1, ist[7], zero2;
	uint16_t zero3, io_map;
} __attribute__((packed, aligned(8)));

#define IST_STACK 2048

static struct tss tss[MAX_CPUS];
static uint8_t ist_stacks[MAX_CPUS][2][IST_STACK] __attribute__((aligned(16)));

static const char *const names[32] = {
	[0] = "#DE divide error",
	[1] = "#DB debug",
	[2] = "NMI",
	[3] = "#BP breakpoint",
	[4] = "#OF overflow",
	[5] = "#BR bound range",
	[6] = "#UD invalid opcode",
	[7] = "#NM no FPU",
	[8] = "#DF double fault",
	[10] = "#TS invalid TSS",
	[11] = "#NP segment not present",
	[12] = "#SS stack fault",
	[13] = "#GP general protection",
	[14] = "#PF page fault",
	[16] = "#MF x87 error",
	[17] = "#AC alignment check",
	[18] = "#MC machine check",
	[19] = "#XM SIMD error",
	[21] = "#CP control protection",
};

const char *rt_vector_name(uint64_t vector)
{
	return vector < 32 && names[vector] ? names[vector] : "unknown vector";
}

/* Only the present bit: start.S has filled in the rest. */
void k_gate(unsigned vector, bool present)
{
	uint8_t *type = (uint8_t *)&idt[2 * vector] + 5;

	*type = present ? *type | 0x80 : *type & 0x7f;
}

void k_trap_init(unsigned cpu)
{
	struct {
		uint16_t limit;
		uint64_t base;
	} __attribute__((packed)) idtr = {
		VECTORS * 16 - 1,
		(uint64_t)idt,
	};
	struct tss *t = &tss[cpu];
	uint64_t base = (uint64_t)t, limit = sizeof(*t) - 1;

	t->rsp[0] = (uint64_t)(kernel_stacks[cpu] + KERNEL_STACK);
	t->ist[0] =
		(uint64_t)(ist_stacks[cpu][0] + IST_STACK); /* #DF: the stack may be the trouble */
	t->ist[1] = (uint64_t)(ist_stacks[cpu][1] + IST_STACK); /* NMI */
	t->io_map = sizeof(*t);
	gdt_tss[2 * cpu] =
		limit | (base & 0xffffff) << 16 | 0x89ull << 40 | (base >> 24 & 0xff) << 56;
	gdt_tss[2 * cpu + 1] = base >> 32;
	__asm__ volatile("lidt %0" ::"m"(idtr));
	__asm__ volatile("ltr %0" ::"r"((uint16_t)(SEL_TSS + 16 * cpu)));
}

void k_panic(const char *why)
{
	k_emergency("\r\n\x1b[1;31m");
	k_emergency(rt_program);
	k_emergency(": ");
	k_emergency(why);
	k_emergency("\x1b[0m\r\n");
	for (;;)
		__asm__ volatile("cli; hlt");
}

static void report(const struct k_frame *f, uint64_t cr2)
{
	char line[200];

	rt_snprintf(line, sizeof(line),
		"\x1b[0m\x1b[?25h\r\n\x1b[1;31m%s: %s\x1b[0m, error %#lx, ring %lu, vCPU %u\r\n",
		rt_program, rt_vector_name(f->vector), f->error, f->cs & 3, rt_cpu()->index);
	k_emergency(line);
	rt_snprintf(line, sizeof(line),
		"rip %016lx rsp %016lx flg %06lx\r\ncr2 %016lx rax %016lx\r\n", f->rip, f->rsp,
		f->rflags, cr2, f->rax);
	k_emergency(line);
	rt_snprintf(line, sizeof(line),
		"rdi %016lx rsi %016lx\r\nrbx %016lx rcx %016lx rdx %016lx\r\n", f->rdi, f->rsi,
		f->rbx, f->rcx, f->rdx);
	k_emergency(line);
	k_panic("stopped here; reset the VM to start again");
}

static uint64_t read_cr2(void)
{
	uint64_t v;

	__asm__ volatile("mov %%cr2, %0" : "=r"(v));
	return v;
}

static void exception(struct k_frame *f)
{
	struct rt_cpu *cpu = rt_cpu();
	struct rt_try *try = cpu->try;
	bool user = (f->cs & 3) == 3;

	if (f->vector == 6 && user && f->rip == (uint64_t)rt_ring0_door) {
		f->rip += 2; /* past the ud2 */
		f->rax = ((rt_fn *)f->rdi)((void *)f->rsi);
		return;
	}
	if (!try || ((try->cs & 3) == 3) != user) {
		report(f, f->vector == 14 ? read_cr2() : 0);
		return;
	}
	try->vector = f->vector;
	try->error = f->error;
	try->rip = f->rip;
	try->cr2 = f->vector == 14 ? read_cr2() : 0;
	try->rflags = f->rflags;
	try->fault_rsp = f->rsp;
	f->rip = (uint64_t)rt_try_fault;
	f->rsp = try->rsp;
	f->cs = user ? SEL_UCODE | 3 : SEL_KCODE;
	f->ss = user ? SEL_UDATA | 3 : SEL_KDATA;
	f->rflags = user ? RFLAGS_USER : 2;
}

static void interrupt(struct k_frame *f)
{
	struct rt_cpu *cpu = rt_cpu();

	switch (f->vector) {
	case VEC_TIMER:
		cpu->events |= EV_TIMEOUT;
		break;
	case VEC_PIT:
		cpu->events |= EV_PIT;
		break;
	case VEC_RTC:
		cpu->events |= EV_RTC;
		break;
	case VEC_IPI:
	case VEC_WAKE:
		cpu->events |= EV_IPI;
		break;
	case VEC_COM1:
		k_serial_interrupt();
		break;
	case VEC_RX:
	case VEC_TX:
	case VEC_CFG:
		k_virtio_interrupt((unsigned)f->vector);
		break;
	}
	if (f->vector != VEC_SPURIOUS)
		k_apic_eoi();
}

void k_trap(struct k_frame *f)
{
	struct rt_cpu *cpu = rt_cpu();

	if (f->vector >= VECTORS)
		k_panic("a stack was overwritten");
	cpu->irqs[f->vector]++;
	if (f->vector == 2)
		return; /* an NMI is counted, that is all */
	if (f->vector < 32) {
		exception(f);
		return;
	}
	cpu->irq_tsc[f->vector] = rt_tsc();
	if ((f->cs & 3) == 3)
		cpu->user_irqs++;
	interrupt(f);
}
