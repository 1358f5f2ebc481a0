/*
 * k_time.c - what time it is: kvmclock where the hypervisor has it, else the TSC measured against
 * the PIT; and the CMOS clock. The page of kvmclock is read in ring 3.
 * Linux Documentation/virt/kvm/x86/{cpuid,msr}.rst (6.1): MSR_KVM_SYSTEM_TIME_NEW,
 * pvclock_vcpu_time_info.
 */
#include "kernel.h"

#define KVM_FEATURE_CLOCKSOURCE2 (1 << 3)
#define MSR_KVM_SYSTEM_TIME_NEW  0x4b564d01

static unsigned pit_count(void)
{
	unsigned low;

	k_outb(0x43, 0x00); /* latch channel 0 */
	low = k_inb(0x40);
	return low | (unsigned)k_inb(0x40) << 8;
}

/* How far the TSC gets while the PIT counts down for 10 ms. */
static uint64_t pit_measured_hz(void)
{
	unsigned first, passed = 0;
	uint64_t start;

	k_outb(0x43, 0x34); /* channel 0, mode 2, from 65536 down */
	k_outb(0x40, 0);
	k_outb(0x40, 0);
	first = pit_count();
	start = rt_tsc();
	for (unsigned n = 0; n < 100000 && passed < 11932; n++)
		passed = (first - pit_count()) & 0xffff;
	return passed < 11932 ? 0 : rt_muldiv(rt_tsc() - start, 1193182, passed);
}

static uint64_t cpuid_hz(void)
{
	uint32_t r[4];

	k_cpuid(0x40000000, 0, r);
	if (r[0] >= 0x40000010 && r[0] < 0x40010000) {
		k_cpuid(0x40000010, 0, r);
		return (uint64_t)r[0] * 1000;
	}
	return 0;
}

void k_time_init(unsigned cpu)
{
	struct rt_clock *c = &rt_clocks[cpu];
	uint32_t r[4];

	k_cpuid(0x40000001, 0, r);
	if (!strcmp(rt_machine.hypervisor, "KVMKVMKVM") && r[0] & KVM_FEATURE_CLOCKSOURCE2) {
		k_wrmsr(MSR_KVM_SYSTEM_TIME_NEW, (uint64_t)c | 1);
		c->is_kvmclock = c->tsc_to_system_mul != 0;
	}
	if (cpu == 0) {
		if (c->is_kvmclock)
			c->hz = c->tsc_shift < 0 ? (1000000000ull << 32) / c->tsc_to_system_mul
							   << -c->tsc_shift
						 : (1000000000ull << 32) / c->tsc_to_system_mul >>
							   c->tsc_shift;
		else
			c->hz = cpuid_hz();
		if (c->hz < 1000000)
			c->hz = pit_measured_hz();
		if (c->hz < 1000000)
			c->hz = 1000000000; /* no PIT either: any clock is better than none */
		rt_clock_zero(c);
	} else {
		c->hz = rt_clocks[0].hz;
		c->tsc_start = rt_clocks[0].tsc_start;
		c->us_start = rt_clocks[0].us_start;
	}
}

static uint8_t cmos(uint8_t reg)
{
	k_outb(0x70, reg);
	return k_inb(0x71);
}

static unsigned plain(uint8_t v, bool bcd)
{
	return bcd ? (v >> 4) * 10u + (v & 15u) : v;
}

/* MC146818: two reads that agree, so that no update came between. */
uint64_t k_rtc_read(void *out)
{
	static const uint8_t regs[6] = {9, 8, 7, 4, 2, 0};
	struct rt_date *d = out;
	uint8_t a[6], b[6], mode = cmos(0x0b);
	bool bcd = !(mode & 4);
	unsigned tries = 0;

	for (unsigned i = 0; i < 6; i++)
		b[i] = cmos(regs[i]);
	do {
		memcpy(a, b, 6);
		for (unsigned i = 0; i < 6; i++)
			b[i] = cmos(regs[i]);
	} while (memcmp(a, b, 6) && ++tries < 8);
	d->year = 2000 + plain(a[0], bcd);
	d->month = plain(a[1], bcd);
	d->day = plain(a[2], bcd);
	d->hour = plain(a[3] & 0x7f, bcd);
	if (!(mode & 2))
		d->hour = d->hour % 12 + (a[3] & 0x80 ? 12 : 0);
	d->minute = plain(a[4], bcd);
	d->second = plain(a[5], bcd);
	return 0;
}
