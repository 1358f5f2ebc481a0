/*
 * boot_linux.c - a bzImage by the 64-bit boot protocol (Linux 6.12,
 * Documentation/arch/x86/boot.rst, protocol 2.12 and newer; zero-page.rst). The file is hostile
 * until checked. Owner thread, VM created or just reset.
 */
#include "vmcore/engine/loader.h"

#include <asm/bootparam.h>
#include <errno.h>
#include <inttypes.h>
#include <stddef.h>
#include <string.h>

#define HDR_OFFSET   0x1f1u /* of struct setup_header in the file */
#define HDR_MAGIC    0x202u
#define BOOT_FLAG    0xaa55
#define MIN_VERSION  0x020c /* the first that tells of a 64-bit entry */
#define SECTOR       512u
#define ENTRY_64     0x200u
#define CMDLINE_MAX  65535u
#define KERNEL_FROM  0x100000ull
#define LOADER_OTHER 0xff
#define SELECTOR_CS  0x10 /* __BOOT_CS, __BOOT_DS */
#define SELECTOR_DS  0x18
#define SELECTOR_TR  0x20

/* What goes into one block of pages; the command line follows. */
struct boot_block {
	struct boot_params zero;
	uint64_t gdt[512]; /* a page, like what follows */
	uint64_t pml4[512], pdpt[512], pd[4][512];
};
_Static_assert(sizeof(struct boot_params) == VMC_PAGE_SIZE, "the zero page is a page");

struct image {
	struct setup_header hdr;
	uint64_t code; /* in the file: the part that is loaded */
	size_t size;
	uint64_t need; /* bytes of memory that it wants at its place */
};

bool boot_is_linux(struct boot_file *kernel)
{
	char magic[4];

	return boot_fetch(kernel, HDR_MAGIC, magic, sizeof(magic)) && memcmp(magic, "HdrS", 4) == 0;
}

static int bad_header(struct loader *l, const struct setup_header *h)
{
	if (h->boot_flag != BOOT_FLAG)
		return vmc_fail(l->vm, -ENOEXEC,
			"bzImage: boot flag %#x is not %#x: the file is damaged", h->boot_flag,
			BOOT_FLAG);
	if (h->version < MIN_VERSION)
		return vmc_fail(l->vm, -ENOEXEC,
			"bzImage: boot protocol %u.%02u is too old: 2.12 (Linux 3.8) is wanted",
			h->version >> 8, h->version & 0xff);
	if (!(h->xloadflags & XLF_KERNEL_64))
		return vmc_fail(
			l->vm, -ENOEXEC, "bzImage: no 64-bit entry: a kernel for x86-64 is wanted");
	if (!(h->loadflags & LOADED_HIGH))
		return vmc_fail(l->vm, -ENOEXEC,
			"bzImage: loads below 1 MiB (a zImage): a bzImage is wanted");
	if (!h->kernel_alignment || h->kernel_alignment & (h->kernel_alignment - 1))
		return vmc_fail(l->vm, -ENOEXEC,
			"bzImage: alignment %#x is no power of two: the file is damaged",
			h->kernel_alignment);
	return 0;
}

/* Everything that is used later is copied out of the file and checked here. */
static int read_header(struct loader *l, struct image *img)
{
	size_t size = l->kernel.size, len, setup;
	uint64_t wanted;
	uint8_t jump;
	int rc;

	/* The jump at 0x200 leads over the header: that is how long it is. */
	if (!boot_fetch(&l->kernel, HDR_MAGIC - 1, &jump, 1))
		return boot_unread(l, &l->kernel);
	len = HDR_MAGIC + jump - HDR_OFFSET;
	if (len > sizeof(img->hdr))
		len = sizeof(img->hdr);
	if (len > size - HDR_OFFSET || len < offsetof(struct setup_header, handover_offset))
		return vmc_fail(l->vm, -ENOEXEC,
			"bzImage: the setup header has %zu bytes in a file of %zu: damaged; copy or download it again", len,
			size);
	memset(&img->hdr, 0, sizeof(img->hdr));
	if (!boot_fetch(&l->kernel, HDR_OFFSET, &img->hdr, len))
		return boot_unread(l, &l->kernel);
	rc = bad_header(l, &img->hdr);
	if (rc < 0)
		return rc;
	setup = ((img->hdr.setup_sects ? img->hdr.setup_sects : 4u) + 1u) * SECTOR;
	wanted = (uint64_t)img->hdr.syssize * 16;
	if (setup >= size || size - setup <= ENTRY_64 || wanted > size - setup)
		return vmc_fail(l->vm, -ENOEXEC,
			"bzImage: truncated: %zu bytes of setup and %" PRIu64
			" of kernel in a file of %zu; copy or download it again",
			setup, wanted, size);
	img->code = setup;
	img->size = size - setup;
	img->need = img->hdr.init_size > img->size ? img->hdr.init_size : img->size;
	return 0;
}

/* Where the kernel would like to be, or any place that suits it. 0: none. */
static uint64_t find_place(const struct loader *l, const struct image *img)
{
	uint64_t want = img->hdr.pref_address, align = img->hdr.kernel_alignment;

	if (want >= KERNEL_FROM && want < VMC_HOLE_START && boot_in_ram(l, want, img->need) &&
		!boot_conflict(l, want, want + img->need))
		return want;
	if (!img->hdr.relocatable_kernel)
		return 0;
	return boot_place(l, img->need, align > VMC_PAGE_SIZE ? align : VMC_PAGE_SIZE,
		(struct range){KERNEL_FROM, VMC_HOLE_START}, false);
}

static int load_kernel(struct loader *l, const struct image *img, struct vmc_boot_info *info)
{
	uint64_t at = find_place(l, img);
	uint8_t *to = at ? vmc_mem_ptr(l->vm, at, img->need, true) : NULL;

	if (!to)
		return vmc_fail(l->vm, -ENOEXEC,
			"bzImage: no room for %" PRIu64 " MiB%s in %" PRIu64
			" MiB of RAM: give the VM more memory",
			(img->need >> 20) + 1,
			img->hdr.relocatable_kernel ? "" : " at its fixed address",
			vmc_mem_size(l->vm) >> 20);
	if (!boot_fetch(&l->kernel, img->code, to, img->size))
		return boot_unread(l, &l->kernel);
	vmc_mem_mark_dirty(l->vm, at, img->size);
	boot_use(l, at, at + img->need);
	info->low = at;
	info->high = at + img->need;
	info->entry = at + ENTRY_64;
	return 0;
}

static void identity_map(struct boot_block *b, uint64_t gpa)
{
	const uint64_t flags = 3, large = 0x83; /* present, writable; and 2 MiB */

	b->pml4[0] = (gpa + offsetof(struct boot_block, pdpt)) | flags;
	for (uint64_t i = 0; i < 4; i++) {
		b->pdpt[i] = (gpa + offsetof(struct boot_block, pd[i])) | flags;
		for (uint64_t k = 0; k < 512; k++)
			b->pd[i][k] = i << 30 | k << 21 | large;
	}
}

/* The same as enter() puts into the segment registers, for whoever loads them again. */
static void fill_gdt(struct boot_block *b)
{
	b->gdt[SELECTOR_CS / 8] = 0x00af9b000000ffff; /* 64-bit code */
	b->gdt[SELECTOR_DS / 8] = 0x00cf93000000ffff;
	b->gdt[SELECTOR_TR / 8] = 0x0000890000000067; /* a task at 0, upper half zero */
}

static int fill_zero_page(
	struct loader *l, const struct image *img, struct boot_params *z, uint64_t cmdline)
{
	if (l->nmap > E820_MAX_ENTRIES_ZEROPAGE)
		return vmc_fail(l->vm, -EINVAL, "the memory map has %u entries: %u are possible",
			l->nmap, E820_MAX_ENTRIES_ZEROPAGE);
	z->hdr = img->hdr;
	z->hdr.type_of_loader = LOADER_OTHER;
	z->hdr.vid_mode = 0xffff; /* normal */
	z->hdr.loadflags &= (uint8_t)~CAN_USE_HEAP;
	z->hdr.setup_data = 0; /* no chain of ours, and none of the file's */
	z->hdr.cmd_line_ptr = (uint32_t)cmdline;
	z->hdr.ramdisk_image = (uint32_t)l->initrd;
	z->hdr.ramdisk_size = l->initrd ? (uint32_t)l->p->initrd_size : 0;
	z->acpi_rsdp_addr = l->p->rsdp_gpa;
	z->e820_entries = (uint8_t)l->nmap;
	for (uint32_t i = 0; i < l->nmap; i++)
		z->e820_table[i] =
			(struct boot_e820_entry){l->map[i].gpa, l->map[i].size, l->map[i].type};
	return 0;
}

static int write_block(struct loader *l, const struct image *img)
{
	size_t max = img->hdr.cmdline_size && img->hdr.cmdline_size < CMDLINE_MAX
			     ? img->hdr.cmdline_size
			     : CMDLINE_MAX,
	       len;
	const char *text;
	struct boot_block *b;
	int rc = boot_cmdline(l, max, &text, &len);

	if (rc < 0)
		return rc;
	l->start = boot_place(
		l, sizeof(*b) + len, VMC_PAGE_SIZE, (struct range){0, LEGACY_START}, false);
	if (!l->start)
		l->start = boot_place(l, sizeof(*b) + len, VMC_PAGE_SIZE,
			(struct range){0, VMC_HOLE_START}, false);
	b = l->start ? vmc_mem_ptr(l->vm, l->start, sizeof(*b) + len, true) : NULL;
	if (!b)
		return vmc_fail(l->vm, -ENOEXEC,
			"the image leaves no room for the boot data: give the VM more memory");
	memset(b, 0, sizeof(*b));
	rc = fill_zero_page(l, img, &b->zero, l->start + sizeof(*b));
	fill_gdt(b);
	identity_map(b, l->start);
	memcpy(b + 1, text, len);
	vmc_mem_mark_dirty(l->vm, l->start, sizeof(*b) + len);
	return rc;
}

/* boot.rst, "64-bit Boot Protocol": long mode, flat segments, identity paging, interrupts off. */
static int enter(struct loader *l, uint64_t entry)
{
	struct vmc_segment code = {.limit = 0xffffffff,
		.selector = SELECTOR_CS,
		.type = 11,
		.present = 1,
		.s = 1,
		.l = 1,
		.g = 1};
	struct vmc_segment data = {.limit = 0xffffffff,
		.selector = SELECTOR_DS,
		.type = 3,
		.present = 1,
		.db = 1,
		.s = 1,
		.g = 1};
	struct vmc_segment tss = {.limit = 0x67, .selector = SELECTOR_TR, .type = 11, .present = 1};
	struct vmc_regs regs = {.rip = entry, .rsi = l->start, .rflags = 2};
	struct vmc_vcpu *vcpu = vmc_vcpu_get(l->vm, 0);
	struct vmc_sregs s;
	int rc;

	if (!vcpu)
		return vmc_fail(l->vm, -EINVAL, "boot: there is no vCPU 0");
	rc = vmc_vcpu_get_sregs(vcpu, &s);
	if (rc < 0)
		return rc;
	s.cs = code;
	s.ds = s.es = s.fs = s.gs = s.ss = data;
	s.tr = tss;
	s.ldt = (struct vmc_segment){.type = 2, .unusable = 1};
	s.gdt = (struct vmc_table){
		l->start + offsetof(struct boot_block, gdt), SELECTOR_TR + 16 - 1};
	s.idt = (struct vmc_table){0, 0};
	s.cr0 = 0x80000011; /* PG, ET, PE */
	s.cr3 = l->start + offsetof(struct boot_block, pml4);
	s.cr4 = 0x20;   /* PAE */
	s.efer = 0x500; /* LMA, LME */
	rc = vmc_vcpu_set_sregs(vcpu, &s);
	return rc < 0 ? rc : vmc_vcpu_set_regs(vcpu, &regs);
}

int boot_linux(struct loader *l, struct vmc_boot_info *info)
{
	struct image img;
	uint64_t limit;
	int rc = read_header(l, &img);

	if (rc < 0)
		return rc;
	info->protocol = "linux";
	rc = load_kernel(l, &img, info);
	limit = (uint64_t)img.hdr.initrd_addr_max + 1;
	if (rc == 0)
		rc = boot_initrd(l, limit < VMC_HOLE_START ? limit : VMC_HOLE_START);
	if (rc == 0)
		rc = write_block(l, &img);
	return rc < 0 ? rc : enter(l, info->entry);
}
