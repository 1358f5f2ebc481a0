/*
 * boot_pvh.c - an ELF image by its PVH entry: x86/HVM direct boot ABI (Xen 4.20,
 * docs/misc/pvh.pandoc; struct hvm_start_info version 1). Owner thread, VM created or just reset.
 */
#include "vmcore/engine/loader.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#define START_MAGIC 0x336ec578u
#define CMDLINE_MAX 4095u
#define INITRD_LIMIT                                                                               \
	0x38000000ull /* where every kernel can reach it before it has its own page tables */

struct start_info {
	uint32_t magic, version, flags, nr_modules;
	uint64_t modlist, cmdline, rsdp, memmap;
	uint32_t memmap_entries, reserved;
};

struct module {
	uint64_t gpa, size, cmdline, reserved;
};

static int check_segments(struct loader *l, struct vmc_boot_info *info)
{
	info->low = UINT64_MAX;
	for (size_t i = 0; i < l->elf.nsegments; i++) {
		const struct elf_segment *s = &l->elf.segments[i];
		const struct range *c = boot_conflict(l, s->gpa, s->gpa + s->memory_size);

		if (!boot_in_ram(l, s->gpa, s->memory_size))
			return vmc_fail(l->vm, -ENOEXEC,
				"segment at %#" PRIx64 ", %#" PRIx64
				" bytes, does not fit in RAM (%" PRIu64 " MiB): give the VM more memory",
				s->gpa, s->memory_size, vmc_mem_size(l->vm) >> 20);
		if (c)
			return vmc_fail(l->vm, -ENOEXEC,
				"segment at %#" PRIx64 ", %#" PRIx64
				" bytes, lies in reserved memory at %#" PRIx64,
				s->gpa, s->memory_size, c->start);
		if (s->gpa < info->low)
			info->low = s->gpa;
		if (s->gpa + s->memory_size > info->high)
			info->high = s->gpa + s->memory_size;
	}
	for (size_t i = 0; i < l->elf.nsegments; i++)
		boot_use(l, l->elf.segments[i].gpa,
			l->elf.segments[i].gpa + l->elf.segments[i].memory_size);
	return 0;
}

static int load_segments(struct loader *l)
{
	for (size_t i = 0; i < l->elf.nsegments; i++) {
		const struct elf_segment *s = &l->elf.segments[i];
		uint8_t *to = vmc_mem_ptr(l->vm, s->gpa, s->memory_size, true);

		if (!to)
			continue; /* check_segments() has seen to it */
		if (!boot_fetch(&l->kernel, s->offset, to, s->file_size))
			return boot_unread(l, &l->kernel);
		memset(to + s->file_size, 0, s->memory_size - s->file_size);
		vmc_mem_mark_dirty(l->vm, s->gpa, s->memory_size);
	}
	return 0;
}

/* One block: start info, module, memory map, command line. */
static int write_start_info(struct loader *l)
{
	size_t len, map_size = l->nmap * sizeof(l->map[0]), size;
	const char *cmdline;
	struct module module = {.gpa = l->initrd, .size = l->p->initrd_size};
	struct start_info s = {.magic = START_MAGIC,
		.version = 1,
		.rsdp = l->p->rsdp_gpa,
		.memmap_entries = l->nmap};
	int rc = boot_cmdline(l, CMDLINE_MAX, &cmdline, &len);

	if (rc < 0)
		return rc;
	size = sizeof(s) + sizeof(module) + map_size + len;
	l->start = boot_place(l, size, VMC_PAGE_SIZE, (struct range){0, LEGACY_START}, false);
	if (!l->start)
		l->start = boot_place(
			l, size, VMC_PAGE_SIZE, (struct range){0, VMC_HOLE_START}, false);
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
	struct vmc_segment code = {.limit = 0xffffffff,
		.selector = 8,
		.type = 11,
		.present = 1,
		.db = 1,
		.s = 1,
		.g = 1};
	struct vmc_segment data = code,
			   tss = {.limit = 0x67, .selector = 0x18, .type = 11, .present = 1};
	struct vmc_regs regs = {.rip = l->elf.pvh_entry, .rbx = l->start, .rflags = 2};
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
	s.ldt = (struct vmc_segment){.type = 2, .unusable = 1};
	s.cr0 = 0x11; /* PE, ET */
	s.cr3 = s.cr4 = s.efer = 0;
	rc = vmc_vcpu_set_sregs(vcpu, &s);
	return rc < 0 ? rc : vmc_vcpu_set_regs(vcpu, &regs);
}

int boot_pvh(struct loader *l, struct vmc_boot_info *info)
{
	char err[200];
	int rc = elf_parse(&l->kernel, &l->elf, err, sizeof(err));

	if (l->kernel.error)
		return boot_unread(l, &l->kernel);
	if (rc < 0)
		return vmc_fail(l->vm, rc, "kernel: %s", err);
	info->protocol = "pvh";
	info->entry = l->elf.pvh_entry;
	rc = check_segments(l, info);
	if (rc == 0)
		rc = load_segments(l);
	if (rc == 0)
		rc = boot_initrd(l, INITRD_LIMIT);
	if (rc == 0)
		rc = write_start_info(l);
	return rc < 0 ? rc : enter(l);
}
