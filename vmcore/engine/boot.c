/*
 * boot.c - a guest kernel into memory, and vCPU 0 to its entry. PVH: x86/HVM direct boot ABI (Xen 4.20,
 * docs/misc/pvh.pandoc; struct hvm_start_info version 1). Owner thread, VM created or just reset.
 */
#include "vmcore/engine/elf.h"
#include "vmcore/engine/internal.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define START_MAGIC  0x336ec578u
#define CMDLINE_MAX  4096u
#define MAX_RESERVED 64u
#define MAX_USED     (ELF_SEGMENTS + MAX_RESERVED + 8)
#define MAX_MAP	     (2 * MAX_RESERVED + 32)
#define LEGACY_START 0xa0000ull /* a PC's video memory and ROMs: kernels poke about there */
#define LEGACY_END   0x100000ull

struct start_info {
	uint32_t magic, version, flags, nr_modules;
	uint64_t modlist, cmdline, rsdp, memmap;
	uint32_t memmap_entries, reserved;
};

struct module {
	uint64_t gpa, size, cmdline, reserved;
};

struct map_entry {
	uint64_t gpa, size;
	uint32_t type, reserved;
};

struct range {
	uint64_t start, end;
};

struct loader {
	struct vmc_vm *vm;
	const struct vmc_boot_params *p;
	struct elf_image elf;
	struct vmc_mem_region ram[MAX_SLOTS];
	size_t nram;
	struct range used[MAX_USED];
	size_t nused;
	struct map_entry map[MAX_MAP];
	uint32_t nmap;
	uint64_t initrd, start;
};

static void use(struct loader *l, uint64_t start, uint64_t end)
{
	if (l->nused < MAX_USED && end > start)
		l->used[l->nused++] = (struct range){ start, end };
}

static void find_ram(struct loader *l)
{
	size_t n = vmc_mem_regions(l->vm, l->ram, MAX_SLOTS);

	for (size_t i = 0; i < n && i < MAX_SLOTS; i++)
		if ((l->ram[i].flags & (VMC_MEM_RAM | VMC_MEM_READ_ONLY)) == VMC_MEM_RAM)
			l->ram[l->nram++] = l->ram[i];
}

static const struct range *conflict(const struct loader *l, uint64_t start, uint64_t end)
{
	for (size_t i = 0; i < l->nused; i++)
		if (l->used[i].start < end && start < l->used[i].end)
			return &l->used[i];
	return NULL;
}

/* A free place for @size bytes below @limit: the lowest, or the highest page. 0: none. */
static uint64_t place(const struct loader *l, uint64_t size, uint64_t limit, bool high)
{
	size = (size + VMC_PAGE_SIZE - 1) & ~(uint64_t)(VMC_PAGE_SIZE - 1);
	for (size_t k = 0; k < l->nram; k++) {
		const struct vmc_mem_region *r = &l->ram[high ? l->nram - 1 - k : k];
		uint64_t end = r->gpa + r->size < limit ? r->gpa + r->size : limit, at;

		if (r->gpa >= end || end - r->gpa < size)
			continue;
		at = high ? end - size : r->gpa;
		for (size_t tries = 0; tries <= l->nused && at >= r->gpa && at + size <= end; tries++) {
			const struct range *c = conflict(l, at, at + size);

			if (!c)
				return at;
			if (high && c->start < size)
				break;
			at = high ? (c->start - size) & ~(uint64_t)(VMC_PAGE_SIZE - 1)
				  : (c->end + VMC_PAGE_SIZE - 1) & ~(uint64_t)(VMC_PAGE_SIZE - 1);
		}
	}
	return 0;
}

static int check_segments(struct loader *l, struct vmc_boot_info *info)
{
	info->low = UINT64_MAX;
	for (size_t i = 0; i < l->elf.nsegments; i++) {
		const struct elf_segment *s = &l->elf.segments[i];
		const struct range *c = conflict(l, s->gpa, s->gpa + s->memory_size);
		bool inside = false;

		for (size_t k = 0; k < l->nram; k++)
			inside |= s->gpa >= l->ram[k].gpa && s->memory_size <= l->ram[k].size &&
				s->gpa - l->ram[k].gpa <= l->ram[k].size - s->memory_size;
		if (!inside)
			return vmc_fail(l->vm, -ENOEXEC, "segment at %#" PRIx64 ", %#" PRIx64
				" bytes, does not fit in RAM (%" PRIu64 " MiB)", s->gpa, s->memory_size,
				vmc_mem_size(l->vm) >> 20);
		if (c)
			return vmc_fail(l->vm, -ENOEXEC, "segment at %#" PRIx64 ", %#" PRIx64
				" bytes, lies in reserved memory at %#" PRIx64, s->gpa, s->memory_size, c->start);
		if (s->gpa < info->low)
			info->low = s->gpa;
		if (s->gpa + s->memory_size > info->high)
			info->high = s->gpa + s->memory_size;
	}
	for (size_t i = 0; i < l->elf.nsegments; i++)
		use(l, l->elf.segments[i].gpa, l->elf.segments[i].gpa + l->elf.segments[i].memory_size);
	return 0;
}

static void load_segments(struct loader *l)
{
	for (size_t i = 0; i < l->elf.nsegments; i++) {
		const struct elf_segment *s = &l->elf.segments[i];
		uint8_t *to = vmc_mem_ptr(l->vm, s->gpa, s->memory_size, true);

		if (!to)
			continue; /* check_segments() has seen to it */
		memcpy(to, (const uint8_t *)l->p->kernel + s->offset, s->file_size);
		memset(to + s->file_size, 0, s->memory_size - s->file_size);
		vmc_mem_mark_dirty(l->vm, s->gpa, s->memory_size);
	}
}

static void add_map(struct loader *l, uint64_t start, uint64_t end, uint32_t type)
{
	size_t at = l->nmap;

	if (start >= end || l->nmap == MAX_MAP)
		return;
	for (; at > 0 && l->map[at - 1].gpa > start; at--)
		l->map[at] = l->map[at - 1];
	l->map[at] = (struct map_entry){ .gpa = start, .size = end - start, .type = type };
	l->nmap++;
}

/* RAM without what is reserved, and what is reserved. @used holds just the reserved ranges now. */
static void build_map(struct loader *l)
{
	for (size_t i = 0; i < l->nram; i++) {
		uint64_t at = l->ram[i].gpa, end = at + l->ram[i].size;

		while (at < end) {
			uint64_t stop = end, next = end;

			for (size_t k = 0; k < l->nused; k++) {
				const struct range *u = &l->used[k];

				if (u->end <= at || u->start >= stop)
					continue;
				stop = u->start > at ? u->start : at;
				next = u->end;
			}
			add_map(l, at, stop, 1);
			at = next > stop ? next : stop;
		}
	}
	for (size_t i = 0; i < l->p->nreserved; i++)
		add_map(l, l->p->reserved[i].gpa, l->p->reserved[i].gpa + l->p->reserved[i].size,
			l->p->reserved[i].type);
	add_map(l, LEGACY_START, LEGACY_END, 2);
}

static int load_initrd(struct loader *l)
{
	uint8_t *to;

	if (!l->p->initrd || !l->p->initrd_size)
		return 0;
	/* High, but where every kernel can reach it before it has its own page tables. */
	l->initrd = place(l, l->p->initrd_size, 0x38000000, true);
	to = l->initrd ? vmc_mem_ptr(l->vm, l->initrd, l->p->initrd_size, true) : NULL;
	if (!to)
		return vmc_fail(l->vm, -ENOEXEC, "no room for an initrd of %zu KiB in %" PRIu64 " MiB of RAM",
			l->p->initrd_size >> 10, vmc_mem_size(l->vm) >> 20);
	memcpy(to, l->p->initrd, l->p->initrd_size);
	vmc_mem_mark_dirty(l->vm, l->initrd, l->p->initrd_size);
	use(l, l->initrd, l->initrd + l->p->initrd_size);
	return 0;
}

/* One block: start info, module, memory map, command line. */
static int write_start_info(struct loader *l)
{
	const char *cmdline = l->p->cmdline ? l->p->cmdline : "";
	size_t len = strlen(cmdline) + 1, map_size = l->nmap * sizeof(l->map[0]);
	struct module module = { .gpa = l->initrd, .size = l->p->initrd_size };
	struct start_info s = { .magic = START_MAGIC, .version = 1, .rsdp = l->p->rsdp_gpa,
		.memmap_entries = l->nmap };
	int rc;

	if (len > CMDLINE_MAX)
		return vmc_fail(l->vm, -EINVAL, "the command line has %zu bytes: %u are possible", len - 1,
			CMDLINE_MAX - 1);
	l->start = place(l, sizeof(s) + sizeof(module) + map_size + len, LEGACY_START, false);
	if (!l->start)
		l->start = place(l, sizeof(s) + sizeof(module) + map_size + len, VMC_HOLE_START, false);
	if (!l->start)
		return vmc_fail(l->vm, -ENOEXEC, "the image leaves no room for the boot data");
	s.nr_modules = l->initrd ? 1 : 0;
	s.modlist = l->initrd ? l->start + sizeof(s) : 0;
	s.memmap = l->start + sizeof(s) + sizeof(module);
	s.cmdline = s.memmap + map_size;
	rc = vmc_mem_write(l->vm, l->start, &s, sizeof(s));
	if (rc == 0)
		rc = vmc_mem_write(l->vm, l->start + sizeof(s), &module, sizeof(module));
	if (rc == 0)
		rc = vmc_mem_write(l->vm, s.memmap, l->map, map_size);
	if (rc == 0)
		rc = vmc_mem_write(l->vm, s.cmdline, cmdline, len);
	return rc;
}

/* 32-bit protected mode, paging off, flat segments (pvh.pandoc "x86 initial CPU state"). */
static int enter(struct loader *l)
{
	struct vmc_segment code = { .limit = 0xffffffff, .selector = 8, .type = 11, .present = 1, .db = 1,
		.s = 1, .g = 1 };
	struct vmc_segment data = code, tss = { .limit = 0x67, .selector = 0x18, .type = 11, .present = 1 };
	struct vmc_regs regs = { .rip = l->elf.pvh_entry, .rbx = l->start, .rflags = 2 };
	struct vmc_vcpu *vcpu = vmc_vcpu_get(l->vm, 0);
	struct vmc_sregs s;
	int rc;

	if (!vcpu)
		return vmc_fail(l->vm, -EINVAL, "boot: there is no vCPU 0");
	data.selector = 0x10;
	data.type = 3;
	rc = vmc_vcpu_get_sregs(vcpu, &s);
	if (rc < 0)
		return rc;
	s.cs = code;
	s.ds = s.es = s.fs = s.gs = s.ss = data;
	s.tr = tss;
	s.ldt = (struct vmc_segment){ .type = 2, .unusable = 1 };
	s.cr0 = 0x11; /* PE, ET */
	s.cr3 = s.cr4 = s.efer = 0;
	rc = vmc_vcpu_set_sregs(vcpu, &s);
	return rc < 0 ? rc : vmc_vcpu_set_regs(vcpu, &regs);
}

static int load(struct loader *l, struct vmc_boot_info *info)
{
	char err[200];
	int rc = elf_parse(l->p->kernel, l->p->kernel_size, &l->elf, err, sizeof(err));

	if (rc < 0)
		return vmc_fail(l->vm, rc, "kernel: %s", err);
	if (l->p->nreserved > MAX_RESERVED)
		return vmc_fail(l->vm, -EINVAL, "%zu reserved ranges: %u are possible", l->p->nreserved,
			MAX_RESERVED);
	find_ram(l);
	for (size_t i = 0; i < l->p->nreserved; i++) {
		const struct vmc_boot_range *r = &l->p->reserved[i];

		if (!r->size || r->gpa + r->size < r->gpa)
			return vmc_fail(l->vm, -EINVAL, "reserved range at %#" PRIx64 ": no such range", r->gpa);
		use(l, r->gpa, r->gpa + r->size);
	}
	use(l, LEGACY_START, LEGACY_END);
	build_map(l);
	use(l, 0, VMC_PAGE_SIZE); /* a null pointer must not find the boot data */
	rc = check_segments(l, info);
	if (rc == 0) {
		load_segments(l);
		rc = load_initrd(l);
	}
	if (rc == 0)
		rc = write_start_info(l);
	if (rc == 0)
		rc = enter(l);
	return rc;
}

int vmc_boot_load(struct vmc_vm *vm, const struct vmc_boot_params *params, struct vmc_boot_info *info)
{
	struct vmc_boot_info own;
	struct loader *l;
	int rc;

	info = info ? info : &own;
	memset(info, 0, sizeof(*info));
	if (vmc_vm_is_running(vm))
		return vmc_fail(vm, -EINVAL, "boot: the VM is running; reset it first");
	if (!params->kernel)
		return vmc_fail(vm, -EINVAL, "boot: no kernel given");
	l = calloc(1, sizeof(*l));
	if (!l)
		return vmc_fail(vm, -ENOMEM, "boot: out of memory");
	l->vm = vm;
	l->p = params;
	rc = load(l, info);
	info->entry = l->elf.pvh_entry;
	info->initrd_gpa = l->initrd;
	info->protocol = "pvh";
	free(l);
	return rc;
}
