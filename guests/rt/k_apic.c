/*
 * k_apic.c - interrupt controllers and timers: PIC off, local APIC and its one-shot timer, IOAPIC,
 * PIT. Ring 0. Intel SDM volume 3 chapter 11 (local APIC), 82093AA (IOAPIC), 8254 (PIT).
 */
#include "kernel.h"

#define LAPIC         0xfee00000ull
#define IOAPIC        0xfec00000ull
#define MSR_APIC_BASE 0x1b

enum { /* local APIC registers */
	L_ID = 0x20,
	L_EOI = 0xb0,
	L_SVR = 0xf0,
	L_ICR0 = 0x300,
	L_ICR1 = 0x310,
	L_TIMER = 0x320,
	L_LINT0 = 0x350,
	L_LINT1 = 0x360,
	L_ERROR = 0x370,
	L_INITIAL = 0x380,
	L_CURRENT = 0x390,
	L_DIVIDE = 0x3e0,
};
#define L_MASKED     0x10000
#define DIVIDE_BY_16 3

static uint64_t ticks_per_ms; /* of the APIC timer; the same on every CPU */

static void ioapic_write(unsigned reg, uint32_t v)
{
	k_write32(IOAPIC, reg);
	k_write32(IOAPIC + 0x10, v);
}

void k_ioapic_route(unsigned pin, unsigned vector, bool masked)
{
	ioapic_write(0x10 + 2 * pin + 1, rt_cpus[0].apic_id << 24);
	ioapic_write(0x10 + 2 * pin, vector | (masked ? L_MASKED : 0));
}

void k_apic_eoi(void)
{
	k_write32(LAPIC + L_EOI, 0);
}

uint32_t k_apic_id(void)
{
	return k_read32(LAPIC + L_ID) >> 24;
}

void k_apic_ipi(uint32_t apic_id, uint32_t command)
{
	for (unsigned i = 0; i < 1000 && k_read32(LAPIC + L_ICR0) & 0x1000; i++)
		; /* still sending the last one */
	k_write32(LAPIC + L_ICR1, apic_id << 24);
	k_write32(LAPIC + L_ICR0, command);
}

/* KVM's APIC timer runs at 1 GHz unless CPUID says otherwise; elsewhere it is measured. */
static uint64_t timer_rate(void)
{
	uint32_t r[4], start;
	uint64_t tsc;

	k_cpuid(0x40000000, 0, r);
	if (!strcmp(rt_machine.hypervisor, "KVMKVMKVM")) {
		if (r[0] >= 0x40000010) {
			k_cpuid(0x40000010, 0, r);
			if (r[1])
				return r[1] / 16;
		}
		return 1000000 / 16;
	}
	k_write32(LAPIC + L_INITIAL, UINT32_MAX);
	start = k_read32(LAPIC + L_CURRENT);
	tsc = rt_tsc();
	while (rt_tsc() - tsc < rt_tsc_hz() / 500)
		; /* 2 ms */
	start -= k_read32(LAPIC + L_CURRENT);
	k_write32(LAPIC + L_INITIAL, 0);
	return start / 2 ? start / 2 : 1;
}

void k_apic_init(bool boot_cpu)
{
	k_wrmsr(MSR_APIC_BASE, k_rdmsr(MSR_APIC_BASE) | 0x800);
	k_write32(LAPIC + L_LINT0, L_MASKED); /* the PIC's way in */
	k_write32(LAPIC + L_LINT1, 0x400);    /* NMI */
	k_write32(LAPIC + L_ERROR, L_MASKED);
	k_write32(LAPIC + L_SVR, 0x100 | VEC_SPURIOUS);
	k_write32(LAPIC + L_TIMER, VEC_TIMER);
	k_write32(LAPIC + L_DIVIDE, DIVIDE_BY_16);
	if (!boot_cpu)
		return;
	k_outb(0x21, 0xff);
	k_outb(0xa1, 0xff);
	rt_cpus[0].apic_id = k_apic_id();
	ticks_per_ms = timer_rate();
}

static void arm(uint64_t us)
{
	uint64_t ticks = us > 1000000000 ? UINT32_MAX : us * ticks_per_ms / 1000;

	k_write32(LAPIC + L_INITIAL, ticks > UINT32_MAX ? UINT32_MAX : ticks ? (uint32_t)ticks : 1);
}

uint64_t k_wait(void *timeout_us)
{
	struct rt_cpu *cpu = rt_cpu();
	uint64_t us = (uint64_t)timeout_us;
	uint32_t events;

	if (rt_console.full && cpu->index == 0)
		k_console_refill(NULL);
	cpu->events &= ~(uint32_t)EV_TIMEOUT;
	if (us != RT_FOREVER && !(cpu->events & ~cpu->quiet))
		arm(us);
	while (!(cpu->events & ~cpu->quiet)) {
		cpu->halts++;
		__asm__ volatile("sti; hlt; cli" ::: "memory");
	}
	if (us != RT_FOREVER && !(cpu->events & EV_TIMEOUT))
		k_write32(LAPIC + L_INITIAL, 0);
	events = cpu->events;
	cpu->events = 0;
	return events;
}

/* The PIT is on pin 0 of KVM's IOAPIC as it comes, on pin 2 of a PC with the usual override. */
uint64_t k_pit_start(void *hz)
{
	unsigned divisor = hz ? 1193182 / (unsigned)(uint64_t)hz : 0;

	if (!divisor) {
		k_ioapic_route(0, VEC_PIT, true);
		k_ioapic_route(2, VEC_PIT, true);
		return 0;
	}
	if (divisor > 65535)
		divisor = 0; /* stands for 65536: 18.2 Hz */
	k_outb(0x43, 0x34);  /* channel 0, low byte then high byte, mode 2 */
	k_outb(0x40, (uint8_t)divisor);
	k_outb(0x40, (uint8_t)(divisor >> 8));
	k_ioapic_route(0, VEC_PIT, false);
	k_ioapic_route(2, VEC_PIT, false);
	return 0;
}
