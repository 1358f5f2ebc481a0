/*
 * test_engine_linux.c - the bzImage loader with good and with broken images: what it tells the
 * kernel, where it puts things, and the registers it sets. On a fake KVM.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <vmcore/vmcore.h>

#include "tests/unit/bzimage_build.h"
#include "tests/unit/fake_kvm.h"

#define MIB (1u << 20)

static struct vmc_vm *vm;
static struct test_bzimage bz;

static int setup(void **state)
{
	struct vmc_config cfg = {.id = "boot", .ram_bytes = 16 * MIB, .vcpus = 1, .managed = true};
	char err[200];

	test_bz_make(&bz);
	fake_kvm_install();
	return vmc_vm_new(&cfg, &vm, err, sizeof(err));
}

static int teardown(void **state)
{
	vmc_vm_free(vm);
	return 0;
}

static void read_guest(uint64_t gpa, void *to, size_t len)
{
	assert_int_equal(vmc_mem_read(vm, gpa, to, len), 0);
}

/* What the page tables at @cr3 make of an address. */
static uint64_t translate(uint64_t cr3, uint64_t va)
{
	uint64_t entry, at = cr3;

	for (int shift = 39; shift > 21; shift -= 9) {
		read_guest(at + (va >> shift & 511) * 8, &entry, 8);
		assert_int_equal(entry & 3, 3);
		at = entry & ~0xfffull;
	}
	read_guest(at + (va >> 21 & 511) * 8, &entry, 8);
	assert_int_equal(entry & 0x83, 0x83);
	return (entry & ~0x1fffffull) | (va & 0x1fffff);
}

static void a_good_image(void **state)
{
	struct vmc_boot_params p = {
		.kernel = &bz, .kernel_size = sizeof(bz), .cmdline = "console=hvc0"};
	struct vmc_boot_info info;
	struct vmc_regs regs;
	struct vmc_sregs s;
	uint64_t gdt[4];
	uint8_t first;

	assert_int_equal(vmc_boot_load(vm, &p, &info), 0);
	assert_string_equal(info.protocol, "linux");
	assert_true(info.low == BZ_PREF && info.high == BZ_PREF + BZ_INIT &&
		    info.entry == BZ_PREF + 0x200);
	assert_int_equal(vmc_vcpu_sample(vmc_vcpu_get(vm, 0), &regs, &s), 0);
	assert_true(regs.rip == info.entry && regs.rflags == 2 && regs.rsi < 0xa0000 &&
		    regs.rsi >= 0x1000);
	read_guest(regs.rip, &first, 1);
	assert_int_equal(first, 0xf4);
	assert_true(
		(s.cr0 & 0x80000001) == 0x80000001 && s.cr4 & 0x20 && (s.efer & 0x500) == 0x500);
	assert_true(s.cs.selector == 0x10 && s.cs.l && !s.cs.db && s.ds.selector == 0x18 &&
		    s.ss.type == 3);
	assert_true(s.gdt.limit >= 0x1f);
	read_guest(s.gdt.base, gdt, sizeof(gdt));
	assert_true(gdt[2] >> 53 & 1 && gdt[2] >> 47 & 1 &&
		    gdt[3] >> 47 & 1); /* long code; both present */
	for (uint64_t va = 0x1234; va < 1ull << 32; va += 0x1ff0123)
		assert_true(translate(s.cr3, va) == va);
}

static void zero_page(void **state)
{
	static const struct vmc_boot_range reserved = {0x600000, 0x10000, 3};
	static uint8_t initrd[5000];
	struct vmc_boot_params p = {.kernel = &bz,
		.kernel_size = sizeof(bz),
		.cmdline = "console=hvc0 quiet",
		.initrd = initrd,
		.initrd_size = sizeof(initrd),
		.rsdp_gpa = 0xe0000,
		.reserved = &reserved,
		.nreserved = 1};
	struct vmc_boot_info info;
	struct boot_params z;
	struct vmc_regs regs;
	char text[19];
	uint64_t ram = 0;

	memset(initrd, 0x44, sizeof(initrd));
	test_bz_header(&bz)->initrd_addr_max = 0x7fffff;
	test_bz_header(&bz)->setup_data = 0x1234; /* the file's: means nothing here */
	assert_int_equal(vmc_boot_load(vm, &p, &info), 0);
	assert_int_equal(vmc_vcpu_get_regs(vmc_vcpu_get(vm, 0), &regs), 0);
	read_guest(regs.rsi, &z, sizeof(z));
	assert_true(z.hdr.header == 0x53726448 && z.hdr.boot_flag == 0xaa55 &&
		    z.hdr.init_size == BZ_INIT);
	assert_true(z.hdr.type_of_loader == 0xff && z.hdr.setup_data == 0 && z.sentinel == 0);
	assert_true(z.acpi_rsdp_addr == 0xe0000 && z.ext_cmd_line_ptr == 0 &&
		    z.screen_info.orig_video_isVGA == 0);
	assert_true(z.hdr.ramdisk_image == info.initrd_gpa && z.hdr.ramdisk_size == sizeof(initrd));
	assert_true(info.initrd_gpa + sizeof(initrd) <= 0x800000 && info.initrd_gpa % 4096 == 0);
	read_guest(info.initrd_gpa + 4992, text, 8);
	assert_memory_equal(text, "DDDDDDDD", 8);
	read_guest(z.hdr.cmd_line_ptr, text, 19);
	assert_string_equal(text, "console=hvc0 quiet");
	for (unsigned i = 0; i < z.e820_entries; i++) {
		uint64_t start = z.e820_table[i].addr, end = start + z.e820_table[i].size;

		if (z.e820_table[i].type != 1)
			continue;
		ram += end - start;
		assert_true(end <= 0x600000 || start >= 0x610000);
		assert_true(end <= 0xa0000 || start >= 0x100000);
	}
	assert_int_equal(ram, 16 * MIB - 0x10000 - 0x60000);
}

/* 5 GiB: 3 below the hole and 2 above. An initrd that might go anywhere ends below the hole. */
static void ram_on_both_sides_of_the_hole(void **state)
{
	struct vmc_config cfg = {.id = "large", .ram_bytes = 5ull << 30, .vcpus = 1, .managed = true};
	static uint8_t initrd[5000];
	struct vmc_boot_params p = {.kernel = &bz, .kernel_size = sizeof(bz), .initrd = initrd,
		.initrd_size = sizeof(initrd)};
	struct vmc_boot_info info;
	struct boot_params z;
	struct vmc_regs regs;
	uint64_t low = 0, high = 0, last = 0;
	char err[200];

	vmc_vm_free(vm);
	vm = NULL;
	assert_int_equal(vmc_vm_new(&cfg, &vm, err, sizeof(err)), 0);
	test_bz_header(&bz)->initrd_addr_max = 0xffffffff;
	assert_int_equal(vmc_boot_load(vm, &p, &info), 0);
	assert_int_equal(info.initrd_gpa, 0xc0000000 - 8192);
	assert_int_equal(vmc_vcpu_get_regs(vmc_vcpu_get(vm, 0), &regs), 0);
	read_guest(regs.rsi, &z, sizeof(z));
	for (unsigned i = 0; i < z.e820_entries; i++) {
		const struct boot_e820_entry *e = &z.e820_table[i];

		assert_true(e->addr >= last); /* ascending, no overlap */
		last = e->addr + e->size;
		if (e->type == 1 && e->addr < 0xc0000000)
			low += e->size;
		else if (e->type == 1)
			high += e->size;
		assert_true(e->addr + e->size <= 0xc0000000 || e->addr >= 1ull << 32);
	}
	assert_int_equal(low, 0xc0000000 - 0x60000);
	assert_int_equal(high, 2ull << 30);
}

/* Where it would like to be is taken: it goes elsewhere, aligned, if it says that it can. */
static void another_place(void **state)
{
	static const struct vmc_boot_range taken = {BZ_PREF + 0x1000, 0x1000, 2};
	struct vmc_boot_params p = {
		.kernel = &bz, .kernel_size = sizeof(bz), .reserved = &taken, .nreserved = 1};
	struct vmc_boot_info info;

	assert_int_equal(vmc_boot_load(vm, &p, &info), 0);
	assert_true(info.low == 0x200000);
	test_bz_header(&bz)->relocatable_kernel = 0;
	assert_int_equal(vmc_boot_load(vm, &p, &info), -ENOEXEC);
	assert_non_null(strstr(vmc_error(vm), "at its fixed address"));
	p.nreserved = 0;
	assert_int_equal(vmc_boot_load(vm, &p, &info), 0);
	assert_true(info.low == BZ_PREF);
}

static void broken(const char *word, size_t size)
{
	struct vmc_boot_params p = {.kernel = &bz, .kernel_size = size};
	int rc = vmc_boot_load(vm, &p, NULL);

	if (rc != -ENOEXEC || !strstr(vmc_error(vm), word))
		fail_msg("wanted \"%s\", got %d \"%s\"", word, rc, rc ? vmc_error(vm) : "");
}

static void broken_images(void **state)
{
	struct setup_header *h = test_bz_header(&bz);

#define CASE(word, change)                                                                         \
	do {                                                                                       \
		test_bz_make(&bz);                                                                 \
		change;                                                                            \
		broken(word, sizeof(bz));                                                          \
	} while (0)
	CASE("boot flag", h->boot_flag = 0xaa54);
	CASE("2.11 is too old", h->version = 0x020b);
	CASE("no 64-bit entry", h->xloadflags = 0);
	CASE("zImage", h->loadflags = 0);
	CASE("power of two", h->kernel_alignment = 0);
	CASE("power of two", h->kernel_alignment = 0x300000);
	CASE("setup header has", h->jump = 0x00eb);
	CASE("truncated", h->syssize = BZ_CODE / 16 + 1);
	CASE("truncated", h->syssize = UINT32_MAX);
	CASE("truncated", h->setup_sects = 255);
	CASE("give the VM more memory", h->init_size = 15 * MIB);
	CASE("give the VM more memory", h->init_size = UINT32_MAX);
	CASE("no bzImage", h->header = 0x12345678);
#undef CASE
	test_bz_make(&bz);
	for (size_t cut = 0; cut < sizeof(bz); cut += 7) {
		struct vmc_boot_params p = {.kernel = &bz, .kernel_size = cut};

		assert_int_equal(vmc_boot_load(vm, &p, NULL), -ENOEXEC);
	}
}

static void what_the_caller_gets_wrong(void **state)
{
	static char longest[102];
	static uint8_t initrd[16 * MIB];
	static struct vmc_boot_range many[64];
	struct vmc_boot_params p = {.kernel = &bz, .kernel_size = sizeof(bz), .cmdline = longest};

	memset(longest, 'x', sizeof(longest) - 1);
	assert_int_equal(vmc_boot_load(vm, &p, NULL), -EINVAL);
	assert_non_null(strstr(vmc_error(vm), "has 101 bytes: 100 are possible"));
	longest[100] = '\0';
	assert_int_equal(vmc_boot_load(vm, &p, NULL), 0);
	p.initrd = initrd;
	p.initrd_size = sizeof(initrd);
	assert_int_equal(vmc_boot_load(vm, &p, NULL), -ENOEXEC);
	assert_non_null(strstr(vmc_error(vm), "initrd"));
	p.initrd = NULL;
	for (unsigned i = 0; i < 64; i++)
		many[i] = (struct vmc_boot_range){0x700000 + i * 0x2000, 0x1000, 2};
	p.reserved = many;
	p.nreserved = 64; /* 64 ranges, RAM around each: more than a zero page holds */
	assert_int_equal(vmc_boot_load(vm, &p, NULL), -EINVAL);
	assert_non_null(strstr(vmc_error(vm), "128 are possible"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_good_image, setup, teardown),
		cmocka_unit_test_setup_teardown(zero_page, setup, teardown),
		cmocka_unit_test_setup_teardown(ram_on_both_sides_of_the_hole, setup, teardown),
		cmocka_unit_test_setup_teardown(another_place, setup, teardown),
		cmocka_unit_test_setup_teardown(broken_images, setup, teardown),
		cmocka_unit_test_setup_teardown(what_the_caller_gets_wrong, setup, teardown),
	};

	return cmocka_run_group_tests_name("engine linux", tests, NULL, NULL);
}
