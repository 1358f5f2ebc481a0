/*
 * k_main.c - vCPU 0 from long mode to the program: start info, rights, interrupts, clock, console.
 * PVH start info: Xen public/arch-x86/hvm/start_info.h, version 1. Ring 0.
 */
#include "kernel.h"

struct start_info {
	uint32_t magic, version, flags, nr_modules;
	uint64_t modlist, cmdline, rsdp, memmap;
	uint32_t memmap_entries, reserved;
};
struct memmap_entry {
	uint64_t addr, size;
	uint32_t type, reserved;
};

void k_cpu_init(unsigned index)
{
	struct rt_cpu *cpu = &rt_cpus[index];

	cpu->self = cpu;
	cpu->index = index;
	k_wrmsr(0xc0000101, (uint64_t)cpu); /* GS base, the same in both rings */
	k_trap_init(index);
}

static void read_start_info(const struct start_info *si)
{
	const struct memmap_entry *e;

	if (si->magic != 0x336ec578)
		return;
	if (si->cmdline) {
		const char *c = (const char *)si->cmdline;
		unsigned n;

		for (n = 0; n < sizeof(rt_machine.cmdline) - 1 && c[n]; n++)
			rt_machine.cmdline[n] = c[n];
		rt_machine.cmdline[n] = 0;
	}
	if (si->version < 1)
		return;
	e = (const struct memmap_entry *)si->memmap;
	for (unsigned i = 0; i < si->memmap_entries && i < ARRAY_SIZE(rt_machine.ranges); i++) {
		rt_machine.ranges[i] = (struct rt_range){e[i].addr, e[i].size, e[i].type};
		rt_machine.nranges++;
		if (e[i].type == 1)
			rt_machine.ram_bytes += e[i].size;
	}
}

static void identify(void)
{
	uint32_t r[4];

	k_cpuid(0, 0, r);
	memcpy(rt_machine.vendor, &r[1], 4);
	memcpy(rt_machine.vendor + 4, &r[3], 4);
	memcpy(rt_machine.vendor + 8, &r[2], 4);
	k_cpuid(1, 0, r);
	if (r[2] >> 31) {
		k_cpuid(0x40000000, 0, r);
		memcpy(rt_machine.hypervisor, &r[1], 12);
	}
}

static void run(void *unused)
{
	rt_main();
}

static uint8_t *user_stack(void)
{
	extern uint8_t rt_user_stack[RT_USER_STACK];

	return rt_user_stack + RT_USER_STACK - 8;
}

void k_main(uint32_t start_info)
{
	k_cpu_init(0);
	read_start_info((const struct start_info *)(uint64_t)start_info);
	identify();
	k_paging_init();
	rt_cpus[0].online = 1;
	k_time_init(0);
	k_apic_init(true);
	k_console_init();
	k_enter_user(run, NULL, (uint64_t)user_stack());
}
