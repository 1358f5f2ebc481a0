/*
 * boot.c - a guest kernel into memory, and vCPU 0 to its entry: what the protocols share
 * (loader.h). Owner thread, VM created or just reset.
 */
#include "vmcore/engine/loader.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

int boot_unread(struct loader *l, const struct boot_file *f)
{
	int rc = f->error ? f->error : -ENODATA;

	return vmc_fail(l->vm, rc, "cannot read the kernel or initrd: %s",
		rc == -ENODATA ? "the file has become shorter; start the VM again" : strerror(-rc));
}

void boot_use(struct loader *l, uint64_t start, uint64_t end)
{
	if (l->nused < MAX_USED && end > start)
		l->used[l->nused++] = (struct range){start, end};
}

static void find_ram(struct loader *l)
{
	size_t n = vmc_mem_regions(l->vm, l->ram, MAX_SLOTS);

	for (size_t i = 0; i < n && i < MAX_SLOTS; i++)
		if ((l->ram[i].flags & (VMC_MEM_RAM | VMC_MEM_READ_ONLY)) == VMC_MEM_RAM)
			l->ram[l->nram++] = l->ram[i];
}

const struct range *boot_conflict(const struct loader *l, uint64_t start, uint64_t end)
{
	for (size_t i = 0; i < l->nused; i++)
		if (l->used[i].start < end && start < l->used[i].end)
			return &l->used[i];
	return NULL;
}

bool boot_in_ram(const struct loader *l, uint64_t gpa, uint64_t size)
{
	for (size_t k = 0; k < l->nram; k++)
		if (gpa >= l->ram[k].gpa && size <= l->ram[k].size &&
			gpa - l->ram[k].gpa <= l->ram[k].size - size)
			return true;
	return false;
}

uint64_t boot_place(
	const struct loader *l, uint64_t size, uint64_t align, struct range within, bool high)
{
	size = (size + VMC_PAGE_SIZE - 1) & ~(uint64_t)(VMC_PAGE_SIZE - 1);
	for (size_t k = 0; k < l->nram; k++) {
		const struct vmc_mem_region *r = &l->ram[high ? l->nram - 1 - k : k];
		uint64_t start = r->gpa > within.start ? r->gpa : within.start, at;
		uint64_t end = r->gpa + r->size < within.end ? r->gpa + r->size : within.end;

		start = (start + align - 1) & ~(align - 1);
		if (start >= end || end - start < size)
			continue;
		at = high ? (end - size) & ~(align - 1) : start;
		for (size_t tries = 0; tries <= l->nused && at >= start && at + size <= end;
			tries++) {
			const struct range *c = boot_conflict(l, at, at + size);

			if (!c)
				return at;
			if (high && c->start < size)
				break;
			at = high ? (c->start - size) & ~(align - 1)
				  : (c->end + align - 1) & ~(align - 1);
		}
	}
	return 0;
}

static void add_map(struct loader *l, uint64_t start, uint64_t end, uint32_t type)
{
	size_t at = l->nmap;

	if (start >= end || l->nmap == MAX_MAP)
		return;
	for (; at > 0 && l->map[at - 1].gpa > start; at--)
		l->map[at] = l->map[at - 1];
	l->map[at] = (struct map_entry){.gpa = start, .size = end - start, .type = type};
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

int boot_initrd(struct loader *l, uint64_t limit)
{
	struct boot_file initrd = {
		.file = l->p->initrd, .size = l->p->initrd_size, .read = l->p->read};
	uint8_t *to;

	if (!l->p->initrd || !l->p->initrd_size)
		return 0;
	l->initrd = boot_place(l, l->p->initrd_size, VMC_PAGE_SIZE, (struct range){0, limit}, true);
	to = l->initrd ? vmc_mem_ptr(l->vm, l->initrd, l->p->initrd_size, true) : NULL;
	if (!to)
		return vmc_fail(l->vm, -ENOEXEC,
			"no room for an initrd of %zu KiB in %" PRIu64
			" MiB of RAM: give the VM more memory",
			l->p->initrd_size >> 10, vmc_mem_size(l->vm) >> 20);
	if (!boot_fetch(&initrd, 0, to, initrd.size))
		return boot_unread(l, &initrd);
	vmc_mem_mark_dirty(l->vm, l->initrd, l->p->initrd_size);
	boot_use(l, l->initrd, l->initrd + l->p->initrd_size);
	return 0;
}

int boot_cmdline(struct loader *l, size_t max, const char **text, size_t *len)
{
	*text = l->p->cmdline ? l->p->cmdline : "";
	*len = strlen(*text) + 1;
	if (*len - 1 > max)
		return vmc_fail(l->vm, -EINVAL, "the command line has %zu bytes: %zu are possible",
			*len - 1, max);
	return 0;
}

static int make_map(struct loader *l)
{
	if (l->p->nreserved > MAX_RESERVED)
		return vmc_fail(l->vm, -EINVAL, "%zu reserved ranges: %u are possible",
			l->p->nreserved, MAX_RESERVED);
	find_ram(l);
	for (size_t i = 0; i < l->p->nreserved; i++) {
		const struct vmc_boot_range *r = &l->p->reserved[i];

		if (!r->size || r->gpa + r->size < r->gpa)
			return vmc_fail(l->vm, -EINVAL,
				"reserved range at %#" PRIx64 ": no such range", r->gpa);
		boot_use(l, r->gpa, r->gpa + r->size);
	}
	boot_use(l, LEGACY_START, LEGACY_END);
	build_map(l);
	return 0;
}

static void tell_map(const struct loader *l, struct vmc_boot_info *info)
{
	info->nmap = l->nmap < VMC_BOOT_MAP ? l->nmap : VMC_BOOT_MAP;
	for (uint32_t i = 0; i < info->nmap; i++)
		info->map[i] = (struct vmc_boot_range){l->map[i].gpa, l->map[i].size, l->map[i].type};
}

static int load(struct loader *l, struct vmc_boot_info *info)
{
	int rc = make_map(l);

	if (rc < 0)
		return rc;
	boot_use(l, 0, VMC_PAGE_SIZE); /* a null pointer must not find the boot data */
	return boot_is_linux(&l->kernel) ? boot_linux(l, info) : boot_pvh(l, info);
}

int vmc_boot_load(
	struct vmc_vm *vm, const struct vmc_boot_params *params, struct vmc_boot_info *info)
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
	l->kernel = (struct boot_file){
		.file = params->kernel, .size = params->kernel_size, .read = params->read};
	rc = load(l, info);
	info->initrd_gpa = l->initrd;
	tell_map(l, info);
	free(l);
	return rc;
}

int vmc_boot_map(struct vmc_vm *vm, const struct vmc_boot_params *params, struct vmc_boot_info *info)
{
	struct loader *l = calloc(1, sizeof(*l));
	int rc;

	memset(info, 0, sizeof(*info));
	if (!l)
		return vmc_fail(vm, -ENOMEM, "memory map: out of memory");
	l->vm = vm;
	l->p = params;
	rc = make_map(l);
	if (rc == 0)
		tell_map(l, info);
	free(l);
	return rc;
}
