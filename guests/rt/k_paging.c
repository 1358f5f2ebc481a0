/*
 * k_paging.c - rights of the image's parts, and memory beyond the tables of start.S. Ring 0.
 * Intel SDM volume 3 chapter 4 (4-level paging).
 */
#include "kernel.h"

#define NX          (1ull << 63)
#define HIGH_TABLES 8 /* GiB above 4 GiB that we map; enough for a teaching guest */

static uint64_t high_pds[HIGH_TABLES][512] __attribute__((aligned(4096)));

void k_flush_page(uint64_t address)
{
	__asm__ volatile("invlpg (%0)" ::"r"(address) : "memory");
}

static void protect(const uint8_t *start, const uint8_t *end, uint64_t rights)
{
	uint64_t *e = &pt0[(uint64_t)start / PAGE_SIZE], *last = &pt0[(uint64_t)end / PAGE_SIZE];

	for (uint64_t v = (uint64_t)start | PTE_P | rights; e < last; v += PAGE_SIZE)
		*e++ = v;
}

static void map_high(uint64_t start, uint64_t end)
{
	for (uint64_t a = start & ~((1ull << 30) - 1); a < end; a += 1ull << 30) {
		uint64_t gib = a >> 30;

		if (gib < 4 || gib >= 4 + HIGH_TABLES)
			continue;
		for (unsigned i = 0; i < 512; i++)
			high_pds[gib - 4][i] = (a + i * 0x200000ull) | PTE_P | PTE_W | PTE_PS;
		pdpt[gib] = (uint64_t)high_pds[gib - 4] | PTE_P | PTE_W | PTE_U;
	}
}

void k_paging_init(void)
{
	uint64_t cr3;

	pt0[0] = 0; /* a null pointer must fault */
	protect(image_start, text_end, PTE_U);
	protect(text_end, rodata_end, PTE_U | NX);
	protect(kdata_end, user_end, PTE_U | PTE_W | NX);
	__asm__ volatile("mov %%cr3, %0; mov %0, %%cr3" : "=r"(cr3)::"memory"); /* flush */
	for (unsigned i = 0; i < rt_machine.nranges; i++) {
		struct rt_range *r = &rt_machine.ranges[i];

		if (r->type == 1 && r->start >> 32)
			map_high(r->start, r->start + r->size);
	}
}

uint64_t k_map_user(void *range)
{
	const struct rt_range *r = range;

	for (uint64_t a = r->start; a < r->start + r->size; a += 0x200000) {
		uint64_t *pd = (uint64_t *)(pdpt[a >> 30] & 0xffffff000ull);

		if (a < 0x200000 || a >> 39 || !pd)
			continue;
		pd[a >> 21 & 511] |= PTE_U | NX;
		k_flush_page(a);
	}
	return 0;
}
