/* machine.c - questions about the machine, from ring 3. */
#include "kernel.h"

struct rt_cpu rt_cpus[MAX_CPUS] __attribute__((aligned(64)));
struct rt_machine rt_machine;
uint8_t rt_user_stack[RT_USER_STACK] __attribute__((aligned(16)));

static uint64_t kernel_ips, user_ips;

/* 2 instructions a turn. */
static uint64_t spin(void *turns)
{
	uint64_t n = (uint64_t)turns;

	__asm__ volatile("1: decq %0\n\tjnz 1b" : "+r"(n));
	return 0;
}

static uint64_t measure(bool ring0, uint64_t turns)
{
	uint64_t start = rt_tsc(), cycles;

	if (ring0)
		rt_ring0(spin, (void *)turns);
	else
		spin((void *)turns);
	cycles = rt_tsc() - start;
	return rt_muldiv(turns * 2, rt_tsc_hz(), cycles ? cycles : 1);
}

static void measure_both(void)
{
	if (kernel_ips)
		return;
	kernel_ips = measure(true, 2000);
	if (kernel_ips > 20000000)
		kernel_ips = measure(true, 200000);
	user_ips = measure(false, 1000000);
}

uint64_t rt_kernel_ips(void)
{
	measure_both();
	return kernel_ips;
}

uint64_t rt_user_ips(void)
{
	measure_both();
	return user_ips;
}

bool rt_kernel_is_slow(void)
{
	measure_both();
	return kernel_ips < user_ips / 20;
}

int rt_try_ring0(rt_fn *fn, void *arg, struct rt_try *try)
{
	struct rt_call call = {fn, arg, try};

	return (int)rt_ring0(rt_call_try, &call);
}

uint64_t rt_call_try(void *arg)
{
	struct rt_call *c = arg;

	return (uint64_t)rt_try(c->fn, c->arg, c->try);
}

void rt_machine_scan_pci(void)
{
	rt_ring0(k_pci_scan, NULL);
}

void rt_map_user(uint64_t start, uint64_t size)
{
	struct rt_range r = {start, size, 0};

	rt_ring0(k_map_user, &r);
}

static uint64_t send_ipi(void *arg)
{
	uint64_t v = (uint64_t)arg;

	k_apic_ipi((uint32_t)(v >> 32), (uint32_t)v);
	return 0;
}

void rt_ipi(unsigned index, unsigned vector)
{
	rt_ring0(send_ipi, (void *)((uint64_t)rt_cpus[index].apic_id << 32 | vector));
}

int rt_cpu_start(unsigned index, void (*fn)(void *), void *arg)
{
	struct k_start s = {index, fn, arg};

	return (int)rt_ring0(k_cpu_start, &s);
}

uint64_t rt_option(const char *name, uint64_t fallback)
{
	size_t n = strlen(name);

	for (const char *c = rt_machine.cmdline; *c; c++) {
		uint64_t v;
		char word[32];
		unsigned i;

		if ((c != rt_machine.cmdline && c[-1] != ' ') || strncmp(c, name, n) || c[n] != '=')
			continue;
		for (i = 0; i < sizeof(word) - 1 && c[n + 1 + i] && c[n + 1 + i] != ' '; i++)
			word[i] = c[n + 1 + i];
		word[i] = 0;
		if (rt_parse(word, &v))
			return v;
	}
	return fallback;
}
