/* shell_mem.c - the shell's commands about memory. Ring 3, vCPU 0; accesses are made in ring 0. */
#include "shell.h"

struct access {
	uint64_t addr, value, size;
	bool write;
};

static uint64_t do_access(void *arg)
{
	struct access *x = arg;

	switch (x->size | (x->write ? 16 : 0)) {
	case 1:
		return k_read8(x->addr);
	case 2:
		return k_read16(x->addr);
	case 4:
		return k_read32(x->addr);
	case 8:
		return k_read64(x->addr);
	case 17:
		k_write8(x->addr, (uint8_t)x->value);
		break;
	case 18:
		k_write16(x->addr, (uint16_t)x->value);
		break;
	case 20:
		k_write32(x->addr, (uint32_t)x->value);
		break;
	case 24:
		k_write64(x->addr, x->value);
		break;
	}
	return 0;
}

/* An access in ring 0 that may fault; says so. */
static bool try_access(struct access *x, uint64_t *out)
{
	struct rt_try try;

	if (rt_try_ring0(do_access, x, &try)) {
		say_error("%s at %#lx, error %#lx: nothing is mapped there, or it is read-only. "
			  "`map %#lx` shows the walk.",
			rt_vector_name(try.vector), x->addr, try.error, x->addr);
		return false;
	}
	*out = try.value;
	return true;
}

static bool need_numbers(const struct args *a, unsigned n)
{
	for (unsigned i = 0; i < n && i < a->n; i++)
		if (!a->is_number[i]) {
			say_error("%s is not a number. Numbers: 0x1000, 4096, 4k, 2m.", a->text[i]);
			return false;
		}
	return true;
}

static bool get_size(const struct args *a, unsigned i, uint64_t *size)
{
	*size = a->n > i ? a->value[i] : 4;
	if (*size == 1 || *size == 2 || *size == 4 || *size == 8)
		return true;
	say_error("The size is 1, 2, 4 or 8 bytes.");
	return false;
}

static const char *where(uint64_t addr)
{
	for (unsigned i = 0; i < rt_machine.nranges; i++) {
		const struct rt_range *r = &rt_machine.ranges[i];

		if (addr >= r->start && addr - r->start < r->size)
			return r->type == 1 ? "RAM" : "reserved";
	}
	if (addr >= 0xfee00000 && addr < 0xfee01000)
		return "local APIC";
	if (addr >= 0xfec00000 && addr < 0xfec01000)
		return "IOAPIC";
	return "not RAM: a device or nothing, so this was an MMIO exit";
}

void cmd_peek(const struct args *a)
{
	struct access x = {.write = false};
	uint64_t v;

	if (!need_numbers(a, 2) || !get_size(a, 1, &x.size))
		return;
	x.addr = a->value[0];
	if (try_access(&x, &v))
		say("[%#lx] = %#lx (%lu), %s", x.addr, v, v, where(x.addr));
}

void cmd_poke(const struct args *a)
{
	struct access x = {.write = true};
	uint64_t v;

	if (!need_numbers(a, 3) || !get_size(a, 2, &x.size))
		return;
	x.addr = a->value[0];
	x.value = a->value[1];
	if (try_access(&x, &v))
		say("[%#lx] <- %#lx, %s", x.addr, x.value, where(x.addr));
}

/* RAM above the image can be opened to ring 3, where filling is fast under any KVM. */
static bool open_to_user(uint64_t start, uint64_t size)
{
	uint64_t from = start & ~0x1fffffull, to = (start + size + 0x1fffff) & ~0x1fffffull;

	if (start < 0x200000 || to < from)
		return false;
	for (unsigned i = 0; i < rt_machine.nranges; i++) {
		const struct rt_range *r = &rt_machine.ranges[i];

		if (r->type == 1 && start >= r->start && size <= r->size &&
			start - r->start <= r->size - size) {
			rt_map_user(from, to - from);
			return true;
		}
	}
	return false;
}

void cmd_fill(const struct args *a)
{
	uint64_t start = a->value[0], len = a->value[1], began;

	if (!need_numbers(a, 3))
		return;
	if (!open_to_user(start, len)) {
		say_error("Not all of this is RAM above 2 MiB (below lies this program). `map` "
			  "shows the RAM.");
		return;
	}
	began = rt_now_us();
	memset((void *)start, (int)a->value[2], len);
	began = rt_now_us() - began;
	say("%lu bytes at %#lx filled with %#lx in %lu us (%lu pages are dirty now).", len, start,
		a->value[2] & 255, began, (start % PAGE_SIZE + len + PAGE_SIZE - 1) / PAGE_SIZE);
}

static void dump_line(uint64_t addr, const uint8_t *b, unsigned n, unsigned width)
{
	char text[20];

	rt_printf("%s%08lx%s ", scr_sgr(ST_DIM), addr, scr_sgr(ST_PLAIN));
	for (unsigned i = 0; i < width; i++) {
		if (i < n)
			rt_printf("%s%02x", i % 8 ? " " : "  ", b[i]);
		else
			rt_printf("%s  ", i % 8 ? " " : "  ");
		text[i] = i < n && b[i] >= 0x20 && b[i] < 0x7f ? (char)b[i] : '.';
	}
	text[n] = 0;
	rt_printf("  %s%s%s\r\n", scr_sgr(ST_BAR2), text, scr_sgr(ST_PLAIN));
}

void cmd_dump(const struct args *a)
{
	unsigned cols, rows, width;
	uint64_t addr = a->value[0], left = a->n > 1 ? a->value[1] : 0;

	if (!need_numbers(a, 2))
		return;
	rt_console_size(&cols, &rows);
	width = cols >= 78 ? 16 : cols >= 44 ? 8 : 4;
	if (!left)
		left = (uint64_t)width * 8;
	if (left > 4096)
		left = 4096;
	for (; left; addr += width, left -= left < width ? left : width) {
		struct access x = {.size = 1};
		unsigned n = left < width ? (unsigned)left : width;
		uint8_t bytes[16];

		for (unsigned i = 0; i < n; i++) {
			uint64_t v;

			x.addr = addr + i;
			if (!try_access(&x, &v))
				return;
			bytes[i] = (uint8_t)v;
		}
		dump_line(addr, bytes, n, width);
	}
}

/* ---- map ---- */

static void map_row(uint64_t start, uint64_t end, const char *what)
{
	uint64_t kib = (end - start + 1023) >> 10;

	rt_printf("%s%9lx-%-9lx%s %5lu %s  %s\r\n", scr_sgr(ST_DIM), start, end - 1,
		scr_sgr(ST_PLAIN), kib >= 10240 ? kib >> 10 : kib, kib >= 10240 ? "MiB" : "KiB",
		what);
}

static const char *range_type(uint32_t type)
{
	static const char *const names[] = {
		"?", "RAM", "reserved", "ACPI tables", "ACPI NVS", "bad"};

	return type < ARRAY_SIZE(names) ? names[type] : "?";
}

static void memory_map(void)
{
	for (unsigned i = 0; i < rt_machine.nranges; i++) {
		const struct rt_range *r = &rt_machine.ranges[i];

		map_row(r->start, r->start + r->size, range_type(r->type));
	}
	say("Inside RAM, this program:");
	map_row((uint64_t)image_start, (uint64_t)text_end, "code, read-only");
	map_row((uint64_t)text_end, (uint64_t)rodata_end, "constants, read-only, no execute");
	map_row((uint64_t)rodata_end, (uint64_t)kdata_end, "page tables, GDT (ring 0)");
	map_row((uint64_t)kdata_end, (uint64_t)user_end, "data, no execute");
	map_row((uint64_t)user_end, (uint64_t)image_end, "stacks, IDT, queues (ring 0)");
	say("Devices:");
	rt_machine_scan_pci();
	for (unsigned i = 0; i < rt_machine.npci; i++)
		for (unsigned b = 0; b < 6; b++)
			if (rt_machine.pci[i].bar[b] && !(rt_machine.pci[i].bar[b] & 1))
				rt_printf("%s%9lx%s           %04x:%04x BAR %u\r\n",
					scr_sgr(ST_DIM), rt_machine.pci[i].bar[b],
					scr_sgr(ST_PLAIN), rt_machine.pci[i].vendor,
					rt_machine.pci[i].device, b);
	map_row(0xfec00000, 0xfec01000, "IOAPIC");
	map_row(0xfee00000, 0xfee01000, "local APIC");
}

static uint64_t read_cr3(void *unused)
{
	uint64_t v;

	__asm__ volatile("mov %%cr3, %0" : "=r"(v));
	return v;
}

static void walk(uint64_t addr)
{
	static const char *const level[] = {"PML4E", "PDPTE", "PDE", "PTE"};
	uint64_t table = rt_ring0(read_cr3, NULL) & ~0xfffull;

	say("CR3 %#lx", table);
	for (unsigned i = 0; i < 4; i++) {
		unsigned shift = 39 - 9 * i;
		struct access x = {.addr = table + (addr >> shift & 511) * 8, .size = 8};
		uint64_t e, mask = (1ull << shift) - 1;

		if (!try_access(&x, &e))
			return;
		rt_printf("%s%-5s%s[%3lu] %016lx %s%s%s%s%s%s%s\r\n", scr_sgr(ST_KEY), level[i],
			scr_sgr(ST_PLAIN), addr >> shift & 511, e, e & PTE_P ? "P" : "-",
			e & PTE_W ? "W" : "-", e & PTE_U ? "U" : "-",
			e & PTE_PCD ? " uncached" : "", e & PTE_A ? " A" : "",
			e & PTE_D ? " D" : "", e >> 63 ? " NX" : "");
		if (!(e & PTE_P)) {
			say("Not present: touching %#lx raises #PF.", addr);
			return;
		}
		if (i == 3 || (e & PTE_PS && i)) {
			uint64_t phys = (e & 0xffffffffff000ull & ~mask) | (addr & mask);

			say("%#lx is physical %#lx, a %s page, %s", addr, phys,
				i == 3   ? "4 KiB"
				: i == 2 ? "2 MiB"
					 : "1 GiB",
				where(phys));
			return;
		}
		table = e & 0xffffffffff000ull;
	}
}

void cmd_map(const struct args *a)
{
	if (!a->n)
		memory_map();
	else if (need_numbers(a, 1))
		walk(a->value[0]);
}
