/* guest_kernel.c - see guest_kernel.h. Main thread. */
#include "vmhost/guest_kernel.h"
#include "vmhost/kmods.h"
#include "vmhost/ksyms.h"
#include "vmhost/log.h"
#include <endian.h>
#include <errno.h>
#include <event2/event.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Where x86-64 Linux maps its image (Documentation/arch/x86/x86_64/mm.rst): one GiB, one page directory. */
#define IMAGE_START 0xffffffff80000000ull
#define IMAGE_MAX   (128ull << 20) /* of it is searched, from the first mapped page on */
#define MAX_RUNS    2048
#define BIG	    (2ull << 20)
#define PTE_PRESENT 1ull
#define PTE_LARGE   (1ull << 7)
#define PTE_ADDR    0x000ffffffffff000ull
#define FIRST_US    300000	/* between searches; twice as long each time */
#define LAST_US	    16000000
#define CHECK_US    2000000	/* between looks whether it is still the same kernel, with the same modules */
#define MISS_US	    200000	/* between looks for a module that is wanted and not known */
#define MODULES	    (IMAGE_START + (1ull << 30)) /* where they begin */

/* Mapped in one piece, virtually and physically. */
struct run {
	uint64_t gva, gpa, size;
};

static const struct {
	const char *name, *from, *to;
} sections[] = {
	{"kernel text", "_text", "_etext"},
	{"kernel rodata", "__start_rodata", "__end_rodata"},
	{"kernel data", "_sdata", "_edata"},
	{"kernel init", "__init_begin", "__init_end"},
	{"kernel bss", "__bss_start", "__bss_stop"},
};
#define NSECTIONS (sizeof(sections) / sizeof(sections[0]))

struct guest_kernel {
	struct vmc_vm *vm;
	struct log *log;
	struct event *step_ev;
	struct vmc_boot_range map[VMC_BOOT_MAP]; /* e820 */
	uint32_t nmap;
	uint64_t initrd, initrd_size;

	uint64_t next_us, wait_us; /* not before; how long after that */
	bool searching;
	uint64_t at;	   /* how far the search is */
	struct run *runs;  /* ascending; while searching, and for sections */
	size_t nruns;
	struct ksyms *syms;
	uint64_t base;	   /* its first mapped page */
	int levels;	   /* of its page tables */
	uint64_t top;	   /* gpa of those it began with, which map all of the kernel; 0: not known */
	bool types_next;   /* the next step reads its types, for modules */
	struct kmods *mods;
	uint64_t mods_us;  /* the list of modules was read */
	uint64_t from[NSECTIONS], to[NSECTIONS];
};

/* ---- where it is mapped ---- */

static bool read_table(struct vmc_vm *vm, uint64_t entry, uint64_t *out)
{
	if (!(entry & PTE_PRESENT) || (vmc_mem_read(vm, entry & PTE_ADDR, out, VMC_PAGE_SIZE) < 0))
		return false;
	for (int i = 0; i < 512; i++)
		out[i] = le64toh(out[i]);
	return true;
}

static int levels_of(const struct vmc_sregs *s)
{
	return s->cr4 >> 12 & 1 ? 5 : 4; /* CR4.LA57 */
}

/* The page directory of the image's GiB. */
static bool find_directory(struct vmc_vm *vm, const struct vmc_sregs *s, uint64_t *out)
{
	uint64_t entry = (s->cr3 & PTE_ADDR) | PTE_PRESENT;
	int levels = levels_of(s);

	if (!(s->efer >> 10 & 1) || !(s->cr0 >> 31)) /* long mode, paging */
		return false;
	for (int level = levels; level > 2; level--) {
		if (!read_table(vm, entry, out))
			return false;
		entry = out[IMAGE_START >> (12 + 9 * (level - 1)) & 511];
		if (level == 3 && entry & PTE_LARGE)
			return false;
	}
	return read_table(vm, entry, out);
}

static bool add_run(struct guest_kernel *gk, uint64_t gva, uint64_t gpa, uint64_t size)
{
	struct run *last = gk->nruns ? &gk->runs[gk->nruns - 1] : NULL;

	if (last && last->gva + last->size == gva && last->gpa + last->size == gpa) {
		last->size += size;
		return true;
	}
	if (gk->nruns == MAX_RUNS)
		return false;
	gk->runs[gk->nruns++] = (struct run){gva, gpa, size};
	return true;
}

static void find_runs(struct guest_kernel *gk, const uint64_t *dir)
{
	uint64_t table[512], gva;

	gk->nruns = 0;
	for (int i = 0; i < 512; i++) {
		gva = IMAGE_START + (uint64_t)i * BIG;
		if (gk->nruns && gva - gk->runs[0].gva >= IMAGE_MAX)
			return;
		if ((dir[i] & (PTE_PRESENT | PTE_LARGE)) == (PTE_PRESENT | PTE_LARGE)) {
			if (!add_run(gk, gva, dir[i] & PTE_ADDR & ~(BIG - 1), BIG))
				return;
			continue;
		}
		if (!read_table(gk->vm, dir[i], table))
			continue;
		for (int k = 0; k < 512; k++)
			if (table[k] & PTE_PRESENT &&
				!add_run(gk, gva + (uint64_t)k * VMC_PAGE_SIZE, table[k] & PTE_ADDR, VMC_PAGE_SIZE))
				return;
	}
}

static uint64_t first_mapped(const uint64_t *dir)
{
	for (uint64_t i = 0; i < 512; i++)
		if (dir[i] & PTE_PRESENT)
			return IMAGE_START + i * BIG;
	return 0;
}

static const struct run *run_of(const struct guest_kernel *gk, uint64_t gva)
{
	size_t lo = 0, hi = gk->nruns;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (gva - gk->runs[mid].gva < gk->runs[mid].size && gva >= gk->runs[mid].gva)
			return &gk->runs[mid];
		if (gk->runs[mid].gva > gva)
			hi = mid;
		else
			lo = mid + 1;
	}
	return NULL;
}

static int read_gva(void *arg, uint64_t gva, void *buf, size_t len)
{
	struct guest_kernel *gk = arg;
	char *to = buf;

	while (len) {
		const struct run *r = run_of(gk, gva);
		size_t n = r ? r->gva + r->size - gva : 0;

		n = n < len ? n : len;
		if (!r || vmc_mem_read(gk->vm, r->gpa + (gva - r->gva), to, n) < 0)
			return -EFAULT;
		gva += n;
		to += n;
		len -= n;
	}
	return 0;
}

/* Through the kernel's own page tables. Return: how many bytes are in one piece from there on, 0: not mapped. */
static uint64_t walk(const struct guest_kernel *gk, uint64_t gva, uint64_t *gpa)
{
	uint64_t entry = gk->top | PTE_PRESENT;

	for (int level = gk->levels; level > 0; level--) {
		unsigned shift = 12 + 9 * (unsigned)(level - 1);
		uint64_t size = 1ull << shift;

		if (vmc_mem_read(gk->vm, (entry & PTE_ADDR) + 8 * (gva >> shift & 511), &entry, sizeof(entry)) < 0)
			return 0;
		entry = le64toh(entry);
		if (!(entry & PTE_PRESENT))
			return 0;
		if (level > 1 && (level > 3 || !(entry & PTE_LARGE)))
			continue;
		*gpa = (entry & PTE_ADDR & ~(size - 1)) + (gva & (size - 1));
		return size - (gva & (size - 1));
	}
	return 0;
}

static int read_any(void *arg, uint64_t gva, void *buf, size_t len)
{
	struct guest_kernel *gk = arg;
	uint64_t gpa, n;
	char *to = buf;

	for (; len; gva += n, to += n, len -= n) {
		n = gk->top ? walk(gk, gva, &gpa) : 0;
		n = n < len ? n : len;
		if (!n || vmc_mem_read(gk->vm, gpa, to, n) < 0)
			return -EFAULT;
	}
	return 0;
}

/* ---- its modules ---- */

static uint64_t now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

static void find_types(struct guest_kernel *gk)
{
	static const char *const names[] = {"init_top_pgt", "modules", "__start_BTF", "__stop_BTF"};
	const struct ksyms_source src = {.read = read_any, .arg = gk};
	struct kmods_at where;
	const struct run *r;
	uint64_t at[4];

	gk->types_next = false;
	ksyms_lookup(gk->syms, names, at, 4);
	r = run_of(gk, at[0]);
	if (!at[0] || !r)
		return;
	gk->top = r->gpa + (at[0] - r->gva);
	where = (struct kmods_at){at[1], at[2], at[3]};
	if (gk->top % VMC_PAGE_SIZE || kmods_new(&src, &where, &gk->mods) < 0)
		return;
	kmods_refresh(gk->mods, &src);
	gk->mods_us = now_us();
	log_line(gk->log, "the guest's kernel has %zu modules", kmods_count(gk->mods));
}

static void read_modules(struct guest_kernel *gk, uint64_t every_us)
{
	const struct ksyms_source src = {.read = read_any, .arg = gk};
	uint64_t now = gk->mods ? now_us() : 0;

	if (!gk->mods || now - gk->mods_us < every_us)
		return;
	kmods_refresh(gk->mods, &src);
	gk->mods_us = now;
}

/* ---- the search ---- */

static void stop_search(struct guest_kernel *gk)
{
	gk->searching = false;
	if (gk->step_ev)
		event_del(gk->step_ev);
}

static void forget_symbols(struct guest_kernel *gk)
{
	stop_search(gk);
	ksyms_free(gk->syms);
	kmods_free(gk->mods);
	gk->syms = NULL;
	gk->mods = NULL;
	gk->types_next = false;
	gk->top = gk->base = 0;
	gk->nruns = 0;
	gk->next_us = 0;
	gk->wait_us = FIRST_US;
	memset(gk->from, 0, sizeof(gk->from));
	memset(gk->to, 0, sizeof(gk->to));
}


static void found(struct guest_kernel *gk)
{
	const char *names[2 * NSECTIONS];
	uint64_t at[2 * NSECTIONS];

	for (size_t i = 0; i < NSECTIONS; i++) {
		names[2 * i] = sections[i].from;
		names[2 * i + 1] = sections[i].to;
	}
	ksyms_lookup(gk->syms, names, at, 2 * NSECTIONS);
	for (size_t i = 0; i < NSECTIONS; i++) {
		gk->from[i] = at[2 * i];
		gk->to[i] = at[2 * i + 1];
	}
	log_line(gk->log, "the guest's kernel is Linux, mapped at %#llx, with %zu symbols of its own",
		(unsigned long long)gk->base, ksyms_count(gk->syms));
}

bool guest_kernel_step(struct guest_kernel *gk)
{
	struct ksyms_source src = {.read = read_gva, .arg = gk};
	const struct run *last;
	int rc;

	if (gk->types_next)
		find_types(gk);
	if (!gk->searching)
		return false;
	last = &gk->runs[gk->nruns - 1];
	src.start = gk->runs[0].gva;
	src.end = last->gva + last->size;
	rc = ksyms_scan(&src, gk->at, &gk->syms);
	gk->at += KSYMS_STEP;
	if (rc > 0)
		found(gk);
	if (rc == 0 && gk->at < src.end)
		return true;
	stop_search(gk);
	gk->types_next = rc > 0;
	return gk->types_next;
}

static void on_step(evutil_socket_t fd, short what, void *arg)
{
	struct guest_kernel *gk = arg;
	uint64_t began = now_us(), rest;
	struct timeval soon = {0, 0};

	if (!guest_kernel_step(gk))
		return;
	/* Devices are served between steps: on a slow machine, too. */
	rest = 3 * (now_us() - began);
	soon.tv_usec = (suseconds_t)(rest < 1000 ? 1000 : rest < 500000 ? rest : 500000);
	event_add(gk->step_ev, &soon);
}

void guest_kernel_look(struct guest_kernel *gk, const struct vmc_regs *r, const struct vmc_sregs *s, uint64_t now)
{
	static const struct timeval at_once = {0, 0};
	uint64_t dir[512], base;

	/* User mode may see next to nothing of the kernel (page-table isolation). */
	if (gk->searching || now < gk->next_us || s->ss.dpl == 3 || r->rip < IMAGE_START)
		return;
	base = find_directory(gk->vm, s, dir) ? first_mapped(dir) : 0;
	if (gk->syms && base == gk->base) {
		gk->next_us = now + CHECK_US;
		read_modules(gk, CHECK_US);
		return;
	}
	if (gk->syms)
		forget_symbols(gk); /* another kernel, by kexec */
	gk->next_us = now + gk->wait_us;
	gk->wait_us = gk->wait_us * 2 > LAST_US ? LAST_US : gk->wait_us * 2;
	if (!base)
		return;
	find_runs(gk, dir);
	if (!gk->nruns)
		return;
	gk->base = gk->runs[0].gva;
	gk->at = gk->base;
	gk->levels = levels_of(s);
	gk->searching = true;
	if (gk->step_ev)
		event_add(gk->step_ev, &at_once);
}

/* ---- what is known ---- */

static json_t *hex(uint64_t v)
{
	char text[24];

	snprintf(text, sizeof(text), "0x%" PRIx64, v);
	return json_string(text);
}

int guest_kernel_symbol(struct guest_kernel *gk, uint64_t gva, char *out, size_t size)
{
	const struct ksyms_source src = {.read = read_any, .arg = gk};
	int rc = gk->syms ? ksyms_find(gk->syms, gva, out, size) : -ENOENT;

	if (rc == 0 || !gk->mods || gva < MODULES)
		return rc;
	if (kmods_find(gk->mods, &src, gva, out, size) == 0)
		return 0;
	read_modules(gk, MISS_US);
	return kmods_find(gk->mods, &src, gva, out, size);
}

uint64_t guest_kernel_bare(const struct guest_kernel *gk)
{
	return gk->syms || gk->searching ? 0 : gk->base;
}

uint64_t guest_kernel_address(struct guest_kernel *gk, const char *name)
{
	const struct ksyms_source src = {.read = read_any, .arg = gk};
	uint64_t at = 0;

	if (gk->syms)
		ksyms_lookup(gk->syms, &name, &at, 1);
	if (at || !gk->mods)
		return at;
	read_modules(gk, MISS_US);
	return kmods_lookup(gk->mods, &src, name);
}

const char *guest_kernel_state(const struct guest_kernel *gk)
{
	return gk->syms ? "found" : gk->searching ? "searching" : "unknown";
}

json_t *guest_kernel_json(const struct guest_kernel *gk)
{
	json_t *list = json_array();

	for (size_t i = 0; gk->syms && i < NSECTIONS; i++)
		if (gk->from[i] && gk->to[i] > gk->from[i])
			json_array_append_new(list, json_pack("{s:s, s:o, s:o}", "name", sections[i].name, "start",
				hex(gk->from[i]), "end", hex(gk->to[i])));
	return json_pack("{s:s, s:o, s:I, s:I, s:o}", "state", guest_kernel_state(gk),
		"base", gk->syms ? hex(gk->base) : json_null(), "symbols",
		(json_int_t)(gk->syms ? ksyms_count(gk->syms) : 0), "modules",
		(json_int_t)(gk->mods ? kmods_count(gk->mods) : 0), "sections", list);
}

static const char *e820_name(uint32_t type)
{
	static const char *const names[] = {"", "usable", "reserved", "ACPI data", "ACPI NVS", "unusable"};

	return type && type < sizeof(names) / sizeof(names[0]) ? names[type] : "other";
}

/* A section as far as it is one piece of physical memory, which it is in every stock kernel. */
static void section(const struct guest_kernel *gk, size_t i, guest_kernel_entry *entry, void *arg)
{
	const struct run *r = run_of(gk, gk->from[i]);
	uint64_t gva = gk->from[i], size = 0, gpa;

	if (!r || gk->to[i] <= gva || gk->to[i] - gva > IMAGE_MAX)
		return;
	gpa = r->gpa + (gva - r->gva);
	while (r && gva < gk->to[i] && r->gpa + (gva - r->gva) == gpa + size) {
		uint64_t n = r->gva + r->size < gk->to[i] ? r->gva + r->size - gva : gk->to[i] - gva;

		size += n;
		gva += n;
		r = run_of(gk, gva);
	}
	entry(arg, "kernel", sections[i].name, gpa, size);
}

void guest_kernel_map(const struct guest_kernel *gk, guest_kernel_entry *entry, void *arg)
{
	for (uint32_t i = 0; i < gk->nmap; i++)
		entry(arg, "e820", e820_name(gk->map[i].type), gk->map[i].gpa, gk->map[i].size);
	if (gk->initrd_size)
		entry(arg, "initrd", "initrd, as loaded", gk->initrd, gk->initrd_size);
	for (size_t i = 0; gk->syms && i < NSECTIONS; i++)
		if (gk->from[i])
			section(gk, i, entry, arg);
}

void guest_kernel_replaced(struct guest_kernel *gk, const struct vmc_boot_info *info)
{
	guest_kernel_booted(gk, info, 0); /* what has become of an initrd nobody knows */
}

void guest_kernel_booted(struct guest_kernel *gk, const struct vmc_boot_info *info, uint64_t initrd_size)
{
	forget_symbols(gk);
	gk->nmap = info->nmap < VMC_BOOT_MAP ? info->nmap : VMC_BOOT_MAP;
	memcpy(gk->map, info->map, gk->nmap * sizeof(gk->map[0]));
	gk->initrd = info->initrd_gpa;
	gk->initrd_size = info->initrd_gpa ? initrd_size : 0;
}

int guest_kernel_new(struct vmc_vm *vm, struct event_base *base, struct log *log, struct guest_kernel **out)
{
	struct guest_kernel *gk = calloc(1, sizeof(*gk));

	if (!gk)
		return -ENOMEM;
	gk->vm = vm;
	gk->log = log;
	gk->runs = calloc(MAX_RUNS, sizeof(*gk->runs));
	gk->step_ev = base ? event_new(base, -1, 0, on_step, gk) : NULL;
	if (!gk->runs || (base && !gk->step_ev)) {
		guest_kernel_free(gk);
		return -ENOMEM;
	}
	forget_symbols(gk);
	*out = gk;
	return 0;
}

void guest_kernel_free(struct guest_kernel *gk)
{
	if (!gk)
		return;
	if (gk->step_ev)
		event_free(gk->step_ev);
	ksyms_free(gk->syms);
	free(gk->runs);
	free(gk);
}
