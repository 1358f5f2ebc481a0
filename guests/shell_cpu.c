/* shell_cpu.c - the shell's commands about the CPU, ports, interrupts and time. Ring 3, vCPU 0. */
#include "shell.h"

struct bit {
	unsigned at;
	const char *name;
};

static void bits(char *out, size_t size, uint64_t v, const struct bit *b)
{
	size_t n = 0;

	out[0] = 0;
	for (; b->name && n < size; b++)
		if (v >> b->at & 1)
			n += (size_t)rt_snprintf(out + n, size - n, "%s%s", n ? " " : "", b->name);
}

struct state {
	uint64_t cr0, cr2, cr3, cr4, efer, gs, rsp, rflags, cs, ss, tr;
	struct {
		uint16_t limit;
		uint64_t base;
	} __attribute__((packed)) gdt, idt;
};

static uint64_t read_state(void *arg)
{
	struct state *s = arg;

	__asm__ volatile("mov %%cr0, %0" : "=r"(s->cr0));
	__asm__ volatile("mov %%cr2, %0" : "=r"(s->cr2));
	__asm__ volatile("mov %%cr3, %0" : "=r"(s->cr3));
	__asm__ volatile("mov %%cr4, %0" : "=r"(s->cr4));
	__asm__ volatile("mov %%rsp, %0" : "=r"(s->rsp));
	__asm__ volatile("sgdt %0" : "=m"(s->gdt));
	__asm__ volatile("sidt %0" : "=m"(s->idt));
	s->efer = k_rdmsr(MSR_EFER);
	s->gs = k_rdmsr(0xc0000101);
	return 0;
}

static void flag_row(const char *name, uint64_t v, const struct bit *b)
{
	char text[160];

	bits(text, sizeof(text), v, b);
	say_key(name, "%lx %s", v, text);
}

void cmd_regs(const struct args *a)
{
	static const struct bit cr0[] = {{0, "PE"}, {1, "MP"}, {2, "EM"}, {3, "TS"}, {4, "ET"},
		{5, "NE"}, {16, "WP"}, {18, "AM"}, {29, "NW"}, {30, "CD"}, {31, "PG"}, {0, 0}};
	static const struct bit cr4[] = {{4, "PSE"}, {5, "PAE"}, {7, "PGE"}, {9, "OSFXSR"},
		{11, "UMIP"}, {18, "OSXSAVE"}, {20, "SMEP"}, {21, "SMAP"}, {0, 0}};
	static const struct bit efer[] = {
		{0, "SCE"}, {8, "LME"}, {10, "LMA"}, {11, "NXE"}, {12, "SVME"}, {0, 0}};
	static const struct bit rflags[] = {{0, "CF"}, {2, "PF"}, {4, "AF"}, {6, "ZF"}, {7, "SF"},
		{8, "TF"}, {9, "IF"}, {10, "DF"}, {11, "OF"}, {18, "AC"}, {0, 0}};
	struct state s = {0};
	struct rt_try try;
	uint64_t user_rsp;
	uint32_t cs;

	if (rt_try_ring0(read_state, &s, &try))
		say_error("%s at %#lx while reading", rt_vector_name(try.vector), try.rip);
	__asm__ volatile("mov %%rsp, %0" : "=r"(user_rsp));
	__asm__ volatile("pushfq; popq %0" : "=r"(s.rflags));
	__asm__ volatile("mov %%cs, %0" : "=r"(cs));
	flag_row("CR0", s.cr0, cr0);
	say_key("CR2", "%lx the last page fault", s.cr2);
	say_key("CR3", "%lx page tables", s.cr3);
	flag_row("CR4", s.cr4, cr4);
	flag_row("EFER", s.efer, efer);
	flag_row("RFLAGS", s.rflags, rflags);
	say_key("CS", "%x ring %u (this program)", cs, cs & 3);
	say_key("RSP", "%lx; in the kernel %lx", user_rsp, s.rsp);
	say_key("RIP", "%lx rt_main", (uint64_t)rt_main);
	say_key("GS base", "%lx this CPU's data", s.gs);
	say_key("GDT", "%lx limit %x", s.gdt.base, s.gdt.limit);
	say_key("IDT", "%lx limit %x", s.idt.base, s.idt.limit);
}

static void brand(char out[49])
{
	memset(out, 0, 49);
	for (unsigned i = 0; i < 3; i++) {
		uint32_t r[4];

		k_cpuid(0x80000002 + i, 0, r);
		memcpy(out + 16 * i, r, 16);
	}
}

void cmd_cpuid(const struct args *a)
{
	static const struct bit ecx[] = {{0, "sse3"}, {5, "vmx"}, {9, "ssse3"}, {12, "fma"},
		{13, "cx16"}, {19, "sse4.1"}, {20, "sse4.2"}, {21, "x2apic"}, {23, "popcnt"},
		{24, "tsc-deadline"}, {25, "aes"}, {26, "xsave"}, {28, "avx"}, {30, "rdrand"},
		{31, "hypervisor"}, {0, 0}};
	char text[160];
	uint32_t r[4];

	if (a->n) {
		uint32_t leaf = (uint32_t)a->value[0], sub = a->n > 1 ? (uint32_t)a->value[1] : 0;

		k_cpuid(leaf, sub, r);
		say("%08x.%x: eax %08x ebx %08x ecx %08x edx %08x", leaf, sub, r[0], r[1], r[2],
			r[3]);
		return;
	}
	brand(text);
	k_cpuid(0x80000000, 0, r);
	say_key("vendor", "%s", rt_machine.vendor);
	if (r[0] >= 0x80000004)
		say_key("brand", "%s", text);
	k_cpuid(1, 0, r);
	say_key("family", "%u model %u stepping %u", (r[0] >> 8 & 15) + (r[0] >> 20 & 255),
		(r[0] >> 4 & 15) | (r[0] >> 12 & 0xf0), r[0] & 15);
	bits(text, sizeof(text), r[2], ecx);
	say_key("has", "%s", text);
	say_key("hypervisor", "%s",
		rt_machine.hypervisor[0] ? rt_machine.hypervisor : "none says so");
	if (rt_machine.hypervisor[0]) {
		k_cpuid(0x40000000, 0, r);
		say_key("", "leaves to %08x; kvmclock %s", r[0],
			rt_has_kvmclock() ? "in use" : "absent");
	}
}

struct msr {
	uint32_t number;
	uint64_t value;
	bool write;
};

static uint64_t do_msr(void *arg)
{
	const struct msr *m = arg;

	if (!m->write)
		return k_rdmsr(m->number);
	k_wrmsr(m->number, m->value);
	return m->value;
}

void cmd_msr(const struct args *a)
{
	struct msr m = {(uint32_t)a->value[0], a->value[1], a->n > 1};
	struct rt_try try;

	if (!a->is_number[0] || (a->n > 1 && !a->is_number[1]))
		say_error("Numbers, please: msr 0xc0000080");
	else if (rt_try_ring0(do_msr, &m, &try))
		say("%s: KVM does not let a guest %s MSR %#x.", rt_vector_name(try.vector),
			m.write ? "write" : "read", m.number);
	else
		say("MSR %#x %s %#lx", m.number, m.write ? "<-" : "=", try.value);
}

struct port {
	uint16_t port;
	uint32_t value;
	unsigned size;
	bool write;
};

static uint64_t do_port(void *arg)
{
	struct port *p = arg;

	if (p->write) {
		if (p->size == 1)
			k_outb(p->port, (uint8_t)p->value);
		else if (p->size == 2)
			k_outw(p->port, (uint16_t)p->value);
		else
			k_outl(p->port, p->value);
		return 0;
	}
	return p->size == 1 ? k_inb(p->port) : p->size == 2 ? k_inw(p->port) : k_inl(p->port);
}

static void port_command(const struct args *a, bool write)
{
	unsigned at = write ? 2 : 1;
	struct port p = {(uint16_t)a->value[0], (uint32_t)a->value[1], 1, write};
	uint64_t v;

	if (a->n > at)
		p.size = (unsigned)a->value[at];
	if (!a->is_number[0] || a->value[0] > 0xffff || (write && !a->is_number[1]) ||
		(p.size != 1 && p.size != 2 && p.size != 4)) {
		say_error("A port is 0..0xffff, the size 1, 2 or 4.");
		return;
	}
	rt_drain(); /* the port may end the VM */
	v = rt_ring0(do_port, &p);
	if (write)
		say("port %#x <- %#x, %u bytes: a PIO exit.", p.port, p.value, p.size);
	else
		say("port %#x = %#lx, %u bytes: a PIO exit%s.", p.port, v, p.size,
			v == (1ull << 8 * p.size) - 1 ? "; all ones is what nobody answers" : "");
}

void cmd_in(const struct args *a)
{
	port_command(a, false);
}

void cmd_out(const struct args *a)
{
	port_command(a, true);
}

void cmd_irq(const struct args *a)
{
	static const char *const ours[] = {"APIC timer", "PIT", "COM1", "console input",
		"console output", "console size", "RTC", "IPI", "wake-up"};
	const struct rt_cpu *cpu = rt_cpu();

	for (unsigned v = 0; v < VECTORS; v++) {
		char name[48], vector[16];

		if (!cpu->irqs[v])
			continue;
		if (v < 32)
			rt_snprintf(name, sizeof(name), "%s%s", rt_vector_name(v),
				v == 6 ? " (system call)" : "");
		else
			rt_snprintf(name, sizeof(name), "%s",
				v - 32 < ARRAY_SIZE(ours) ? ours[v - 32] : "spurious");
		rt_snprintf(vector, sizeof(vector), "vector %02x", v);
		say_key(vector, "%6lu  %s", cpu->irqs[v], name);
	}
	say("%lu of the interrupts came in ring 3; %lu HLTs.", cpu->user_irqs, cpu->halts);
}

void cmd_timer(const struct args *a)
{
	uint64_t ms = a->n > 0 ? a->value[0] : 10, count = a->n > 1 ? a->value[1] : 10;
	uint64_t low = UINT64_MAX, high = 0, sum = 0;

	if (!ms || ms > 1000 || !count || count > 1000) {
		say_error("1 to 1000 ms, 1 to 1000 times.");
		return;
	}
	for (uint64_t i = 0; i < count; i++) {
		uint64_t start = rt_now_us(), until = start + ms * 1000, now;

		while ((now = rt_now_us()) < until) {
			rt_wait(until - now);
			if (rt_getc() == 3) {
				say("stopped by Ctrl-C");
				return;
			}
		}
		now -= until;
		low = now < low ? now : low;
		high = now > high ? now : high;
		sum += now;
	}
	say("%lu x %lu ms: late by %lu us at least, %lu on average, %lu at most.", count, ms, low,
		sum / count, high);
	say("Each was one HLT: the vCPU thread slept in KVM until the APIC timer fired.");
}

static uint64_t nothing(void *unused)
{
	return 0;
}

static uint64_t read_nothing(void *unused)
{
	return k_inb(0x70);
}

void cmd_speed(const struct args *a)
{
	uint64_t kernel = rt_kernel_ips(), user = rt_user_ips(), start;

	say_key("user mode", "%'lu million instructions/s", user / 1000000);
	say_key("kernel mode", "%lu.%lu million instructions/s", kernel / 1000000,
		kernel / 100000 % 10);
	start = rt_now_us();
	for (unsigned i = 0; i < 20; i++)
		rt_ring0(nothing, NULL);
	say_key("system call", "%lu us, by way of an undefined instruction",
		(rt_now_us() - start) / 20);
	start = rt_now_us();
	for (unsigned i = 0; i < 20; i++)
		rt_ring0(read_nothing, NULL);
	say_key("PIO exit", "%lu us more, to the VMM's device and back",
		(rt_now_us() - start) / 20);
	if (rt_kernel_is_slow())
		say("Here KVM emulates kernel mode one instruction at a time; user mode runs on "
		    "the CPU itself. That is why the guests do their work in ring 3.");
	else
		say("Both run on the CPU itself.");
}

void cmd_pci(const struct args *a)
{
	rt_machine_scan_pci();
	for (unsigned i = 0; i < rt_machine.npci; i++) {
		const struct rt_pci *p = &rt_machine.pci[i];

		rt_printf("%s%02x.%x%s %04x:%04x class %06x%s\r\n", scr_sgr(ST_KEY), p->dev, p->fn,
			scr_sgr(ST_PLAIN), p->vendor, p->device, p->class,
			p->vendor == 0x1af4 ? p->device == 0x1043 ? " virtio-console" : " virtio"
			: p->class >> 8 == 0x0600 ? " host bridge"
						  : "");
		for (unsigned b = 0; b < 6; b++)
			if (p->bar[b])
				rt_printf("     BAR %u %s %#lx\r\n", b,
					p->bar[b] & 1 ? "ports" : "memory", p->bar[b] & ~1ul);
	}
	if (!rt_machine.npci)
		say("No PCI bus answers at ports 0xcf8 and 0xcfc.");
}
