/*
 * k_smp.c - bringing up another vCPU: INIT, start-up IPI, and its first steps. Ring 0.
 * Intel SDM volume 3, 9.4 (MP initialization). One at a time; the trampoline's page is 0x8000.
 */
#include "kernel.h"

#define ICR_INIT    0x4500
#define ICR_STARTUP 0x4600

static volatile unsigned starting;
static void (*start_fn)(void *);
static void *start_arg;
static uint8_t user_stacks[MAX_CPUS][8192] __attribute__((aligned(16)));

/* Asleep, not spinning; what happens meanwhile is kept for the program. */
static void sleep_us(uint64_t us)
{
	struct rt_cpu *cpu = rt_cpu();
	uint32_t kept = cpu->events & ~(uint32_t)EV_TIMEOUT;

	cpu->events = 0;
	kept |= (uint32_t)k_wait((void *)us) & ~(uint32_t)EV_TIMEOUT;
	cpu->events |= kept;
}

static void share_stack(unsigned index)
{
	struct rt_range r = {(uint64_t)user_stacks[index], sizeof(user_stacks[index]), 0};

	for (uint64_t a = r.start & ~0xfffull; a < r.start + r.size; a += PAGE_SIZE) {
		pt0[a / PAGE_SIZE] |= PTE_U;
		k_flush_page(a);
	}
}

uint64_t k_cpu_start(void *start)
{
	const struct k_start *s = start;
	struct rt_cpu *cpu = &rt_cpus[s->index];
	uint64_t began = rt_tsc(), limit = rt_tsc_hz() / 4;

	if (s->index == 0 || s->index >= MAX_CPUS || cpu->online)
		return (uint64_t)-1;
	memcpy((void *)AP_TRAMPOLINE, ap_trampoline, (size_t)(ap_trampoline_end - ap_trampoline));
	share_stack(s->index);
	starting = s->index;
	start_fn = s->fn;
	start_arg = s->arg;
	ap_stack = (uint32_t)(uint64_t)(kernel_stacks[s->index] + KERNEL_STACK);
	k_apic_ipi(s->index, ICR_INIT);
	sleep_us(1000);
	for (unsigned i = 0; i < 2 && !cpu->online; i++) {
		k_apic_ipi(s->index, ICR_STARTUP | AP_TRAMPOLINE >> 12);
		while (!cpu->online && rt_tsc() - began < limit * (i + 1))
			sleep_us(500);
	}
	if (!cpu->online)
		return (uint64_t)-1;
	cpu->sipi_us = (rt_tsc() - began) / (rt_tsc_hz() / 1000000);
	return 0;
}

void k_ap_main(void)
{
	unsigned index = starting;

	k_cpu_init(index);
	k_apic_init(false);
	rt_cpus[index].apic_id = k_apic_id();
	k_time_init(index);
	rt_cpus[index].online = 1;
	k_enter_user(
		start_fn, start_arg, (uint64_t)(user_stacks[index] + sizeof(user_stacks[0]) - 8));
}
