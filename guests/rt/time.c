/* time.c - reading the clocks from ring 3. See k_time.c. Any vCPU. */
#include "kernel.h"

struct rt_clock rt_clocks[MAX_CPUS] __attribute__((aligned(64)));

static uint64_t scale(uint64_t delta, uint32_t mul, int shift)
{
	delta = shift < 0 ? delta >> -shift : delta << shift;
	return (uint64_t)((unsigned __int128)delta * mul >> 32);
}

static uint64_t kvmclock_us(const volatile struct rt_clock *c, uint64_t tsc)
{
	uint32_t version;
	uint64_t ns;

	do { /* an odd version: the host is writing */
		version = c->version & ~1u;
		__asm__ volatile("" ::: "memory");
		ns = c->system_time +
		     scale(tsc - c->tsc_timestamp, c->tsc_to_system_mul, c->tsc_shift);
		__asm__ volatile("" ::: "memory");
	} while (version != c->version);
	return ns / 1000;
}

uint64_t rt_tsc_hz(void)
{
	return rt_clocks[0].hz;
}

bool rt_has_kvmclock(void)
{
	return rt_clocks[0].is_kvmclock;
}

uint64_t rt_tsc_to_us(uint64_t tsc)
{
	return rt_muldiv(tsc - rt_clocks[0].tsc_start, 1000000, rt_clocks[0].hz);
}

uint64_t rt_tsc_us(void)
{
	return rt_tsc_to_us(rt_tsc());
}

void rt_clock_zero(struct rt_clock *c)
{
	c->tsc_start = rt_tsc();
	c->us_start = c->is_kvmclock ? kvmclock_us(c, c->tsc_start) : 0;
}

uint64_t rt_now_us(void)
{
	const struct rt_clock *c = &rt_clocks[rt_cpu()->index];

	return c->is_kvmclock ? kvmclock_us(c, rt_tsc()) - c->us_start : rt_tsc_us();
}

void rt_rtc_read(struct rt_date *out)
{
	rt_ring0(k_rtc_read, out);
}

void rt_pit_start(unsigned hz)
{
	rt_ring0(k_pit_start, (void *)(uint64_t)hz);
}

uint32_t rt_wait(uint64_t timeout_us)
{
	return (uint32_t)rt_ring0(k_wait, (void *)timeout_us);
}

void rt_unwait(uint32_t events)
{
	__atomic_fetch_or(&rt_cpu()->events, events, __ATOMIC_RELAXED);
}
