/*
 * test_vmhost_ksyms.c - symbols out of a guest kernel's memory: every layout, a kernel that was moved, page tables of
 * both depths, and a guest that lies.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/lib/fakevm.h"
#include "tests/lib/kallsyms.h"
#include "tests/lib/kmodules.h"
#include "vmhost/guest_kernel.h"
#include "vmhost/ksyms.h"
#include "vmhost/log.h"

#define LINKED 0xffffffff81000000ull
#define MOVED  0xffffffff9a600000ull /* by KASLR */

void log_line(struct log *log, const char *fmt, ...)
{
}

static int read_image(void *arg, uint64_t gva, void *buf, size_t len)
{
	const struct kallsyms *k = arg;

	if (gva < k->base || gva - k->base > KA_SIZE || len > KA_SIZE - (gva - k->base))
		return -EFAULT;
	memcpy(buf, k->image + (gva - k->base), len);
	return 0;
}

static struct ksyms *scan(struct kallsyms *k)
{
	const struct ksyms_source src = {read_image, k, k->base, k->base + KA_SIZE};
	struct ksyms *syms = NULL;

	return ksyms_scan(&src, k->base, &syms) == 1 ? syms : NULL;
}

static void check_symbols(const struct ksyms *s, const struct kallsyms *k)
{
	static const char *const names[] = {"fn_11", "fn_no", "fn_30", "fn_1499", "fn_3"};
	char got[160], name[256], want[300];
	uint64_t at[5];

	assert_int_equal(ksyms_count(s), KA_SYMBOLS);
	for (unsigned i = KA_PERCPU; i + 1 < KA_SYMBOLS; i++) {
		int rc = ksyms_find(s, ka_gva(k, i) + 5, got, sizeof(got));

		ka_name(i, name, sizeof(name));
		if (!strchr("Ttw", name[0])) {
			assert_int_equal(rc, -ENOENT);
			continue;
		}
		assert_int_equal(rc, 0);
		snprintf(want, sizeof(want), "%.*s+0x5", KSYMS_NAME - 1, name + 1);
		assert_string_equal(got, want);
	}
	assert_int_equal(ksyms_find(s, ka_gva(k, 21), got, sizeof(got)), 0);
	assert_string_equal(got, "fn_21");
	assert_int_equal(ksyms_find(s, k->base, got, sizeof(got)), -ENOENT);
	assert_int_equal(ksyms_find(s, 0x400000, got, sizeof(got)), -ENOENT);
	assert_int_equal(ksyms_find(s, UINT64_MAX, got, sizeof(got)), -ENOENT);
	assert_int_equal(ksyms_find(s, ka_gva(k, KA_SYMBOLS - 1) + 1, got, sizeof(got)), -ENOENT);
	ksyms_lookup(s, names, at, 5);
	assert_int_equal(at[0], ka_gva(k, 11));
	assert_int_equal(at[1], 0);
	assert_int_equal(at[2], ka_gva(k, 30));
	assert_int_equal(at[3], ka_gva(k, 1499));
}

static void each_layout(void **state)
{
	for (int layout = KA_6_1; layout <= KA_NEW_PLAIN; layout++) {
		struct kallsyms *k = ka_new(layout & 1 ? MOVED : LINKED, (enum ka_layout)layout);
		struct ksyms *s = scan(k);

		if (!s)
			fail_msg("layout %d was not found", layout);
		check_symbols(s, k);
		ksyms_free(s);
		free(k);
	}
}

static void expect_none(struct kallsyms *k)
{
	struct ksyms *s = scan(k);

	assert_null(s);
}

/* Each of these would be read beyond, or would not end, if it were believed. */
static void lies(void **state)
{
	static const uint32_t counts[] = {0, 1, 511, KA_SYMBOLS - 1, KA_SYMBOLS + 1, 1u << 20, UINT32_MAX};
	struct kallsyms *k = ka_new(LINKED, KA_6_1), *good = ka_new(LINKED, KA_6_1);
	uint64_t v;

	for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
		memcpy(k->image + k->count_at, &counts[i], 4);
		expect_none(k);
	}
	*k = *good;
	k->image[k->names_at] = 0; /* a name of no length */
	expect_none(k);
	*k = *good;
	memset(k->image + k->names_at, 0xff, 16); /* lengths that leave the table */
	expect_none(k);
	*k = *good;
	k->image[k->marks_at + 4] ^= 1;
	expect_none(k);
	*k = *good;
	k->image[k->tokens_at + 2] = 'x'; /* no end of the first token */
	expect_none(k);
	*k = *good;
	k->image[k->tokens_at] = 27; /* a token that is no text */
	expect_none(k);
	*k = *good;
	k->image[k->index_at + 7] = 0xff;
	expect_none(k);
	*k = *good;
	v = 0xffff888000000000; /* not where kernels are */
	memcpy(k->image + k->base_at, &v, 8);
	expect_none(k);
	*k = *good;
	memset(k->image + k->addr_at + 400, 0xff, 8); /* not ascending */
	expect_none(k);
	free(k);
	free(good);
}

/* ---- the finder: page tables in guest memory ---- */

#define RAM    (16ull << 20)
#define PML5   0x1000
#define PML4   0x2000
#define PDPT   0x3000
#define DIR    0x4000
#define TABLE  0x5000
#define KERNEL 0x400000 /* gpa; the image lies in one big page and one in small ones */

static void put64(struct vmc_vm *vm, uint64_t table, uint64_t index, uint64_t v)
{
	memcpy(fake_ram(vm, table + 8 * index), &v, 8);
}

static void map_kernel(struct vmc_vm *vm, uint64_t gva, bool small)
{
	put64(vm, PML5, 511, PML4 | 1);
	put64(vm, PML4, 511, PDPT | 1);
	put64(vm, PDPT, 510, DIR | 1);
	put64(vm, DIR, (gva >> 21) & 511, small ? TABLE | 1 : KERNEL | 0x81);
	for (uint64_t i = 0; small && i < 512; i++)
		put64(vm, TABLE, i, (KERNEL + i * 4096) | 1);
}

static const struct vmc_regs in_kernel = {.rip = MOVED + 0x2000};
static struct vmc_sregs sregs(bool la57)
{
	return (struct vmc_sregs){.cr0 = 1ull << 31, .efer = 1 << 10, .cr4 = (uint64_t)la57 << 12,
		.cr3 = la57 ? PML5 : PML4};
}

struct entries {
	unsigned n;
	char text[16][64];
};

static void entry(void *arg, const char *kind, const char *name, uint64_t gpa, uint64_t size)
{
	struct entries *e = arg;

	assert_true(e->n < 16);
	snprintf(e->text[e->n++], 64, "%s/%s %llx+%llx", kind, name, (unsigned long long)gpa, (unsigned long long)size);
}

static void run_search(struct guest_kernel *gk)
{
	unsigned steps = 0;

	while (guest_kernel_step(gk))
		assert_true(++steps < 200);
}

/* The kernel's own tables, of which @levels there are, map its modules at MODS to MODS_GPA. */
#define MODS	 0xffffffffc0000000ull
#define MODS_GPA 0x800000
#define PDPT2	 0x6000
#define DIR2	 0x7000

static struct kmodules mods;

static void load_modules(struct vmc_vm *vm, struct kallsyms *k, bool la57)
{
	uint64_t top = KERNEL + ka_gva(k, KA_TOP_PGT) - k->base;

	assert_int_equal(top % 4096, 0);
	km_make(&mods, KM_6_1, MODS, ka_gva(k, KA_MODULES), ka_gva(k, KA_BTF));
	assert_true(mods.btf_len < 32 * (KA_BTF_END - KA_BTF));
	memcpy(fake_ram(vm, KERNEL + mods.head_gva - k->base), mods.head, sizeof(mods.head));
	memcpy(fake_ram(vm, KERNEL + mods.btf_gva - k->base), mods.btf, sizeof(mods.btf));
	memcpy(fake_ram(vm, MODS_GPA), mods.area, KM_AREA);
	put64(vm, top, 511, (la57 ? PML4 : PDPT) | 1);
	put64(vm, PDPT, 511, DIR2 | 1);
	put64(vm, DIR2, 0, MODS_GPA | 0x81);
}

static void check_modules(struct guest_kernel *gk, const struct kallsyms *k)
{
	char name[160];

	assert_int_equal(guest_kernel_symbol(gk, km_text(&mods, 1) + 0x107, name, sizeof(name)), 0);
	assert_string_equal(name, "m1_second+0x7 [mod1]");
	assert_int_equal(guest_kernel_address(gk, "m2_first"), km_text(&mods, 2));
	assert_int_equal(guest_kernel_symbol(gk, MODS + 0x200000, name, sizeof(name)), -ENOENT);
	assert_int_equal(guest_kernel_address(gk, "modules"), ka_gva(k, KA_MODULES));
}

static void search(bool la57, bool small)
{
	struct vmc_vm *vm = fake_vm_new(RAM);
	struct kallsyms *k = ka_new(MOVED, KA_6_1);
	struct vmc_sregs s = sregs(la57);
	struct guest_kernel *gk;
	char name[160];

	memcpy(fake_ram(vm, KERNEL), k->image, KA_SIZE);
	map_kernel(vm, MOVED, small);
	load_modules(vm, k, la57);
	assert_int_equal(guest_kernel_new(vm, NULL, NULL, &gk), 0);
	assert_int_equal(guest_kernel_symbol(gk, ka_gva(k, 11), name, sizeof(name)), -ENOENT);
	guest_kernel_look(gk, &in_kernel, &s, 1);
	run_search(gk);
	assert_int_equal(guest_kernel_symbol(gk, ka_gva(k, 11) + 1, name, sizeof(name)), 0);
	assert_string_equal(name, "fn_11+0x1");
	assert_int_equal(guest_kernel_address(gk, "fn_13"), ka_gva(k, 13));
	check_modules(gk, k);
	/* kexec: the same guest, a kernel elsewhere */
	put64(vm, DIR, (MOVED >> 21) & 511, 0);
	guest_kernel_look(gk, &in_kernel, &s, 100000000);
	assert_int_equal(guest_kernel_symbol(gk, km_text(&mods, 1), name, sizeof(name)), -ENOENT);
	assert_int_equal(guest_kernel_symbol(gk, ka_gva(k, 11), name, sizeof(name)), -ENOENT);
	guest_kernel_free(gk);
	fake_vm_free(vm);
	free(k);
}

static void finds_it(void **state)
{
	search(false, false);
	search(false, true);
	search(true, false);
	search(true, true);
}

static void not_there_yet(void **state)
{
	struct vmc_vm *vm = fake_vm_new(RAM);
	struct vmc_sregs s = sregs(false), user = s;
	struct vmc_regs low = {.rip = 0x401000};
	struct kallsyms *k = ka_new(MOVED, KA_NEW);
	struct guest_kernel *gk;
	char name[160];

	assert_int_equal(guest_kernel_new(vm, NULL, NULL, &gk), 0);
	guest_kernel_look(gk, &in_kernel, &s, 1); /* no page tables */
	assert_false(guest_kernel_step(gk));
	map_kernel(vm, MOVED, false);
	memcpy(fake_ram(vm, KERNEL), k->image, KA_SIZE);
	guest_kernel_look(gk, &in_kernel, &s, 2); /* too soon after the last try */
	assert_false(guest_kernel_step(gk));
	user.ss.dpl = 3;
	guest_kernel_look(gk, &in_kernel, &user, 50000000); /* user mode */
	guest_kernel_look(gk, &low, &s, 50000000);
	assert_int_equal(guest_kernel_symbol(gk, ka_gva(k, 11), name, sizeof(name)), -ENOENT);
	guest_kernel_look(gk, &in_kernel, &s, 50000000);
	run_search(gk);
	assert_int_equal(guest_kernel_symbol(gk, ka_gva(k, 11), name, sizeof(name)), 0);
	guest_kernel_replaced(gk, &(struct vmc_boot_info){.nmap = 0});
	assert_int_equal(guest_kernel_symbol(gk, ka_gva(k, 11), name, sizeof(name)), -ENOENT);
	guest_kernel_free(gk);
	fake_vm_free(vm);
	free(k);
}

/* Page tables that point at themselves, beyond memory, everywhere: the search ends. */
static void hostile_tables(void **state)
{
	struct vmc_vm *vm = fake_vm_new(RAM);
	struct vmc_sregs s = sregs(false);
	struct guest_kernel *gk;

	for (int how = 0; how < 3; how++) {
		for (uint64_t i = 0; i < 512; i++)
			put64(vm, PML4, i, how == 0 ? PML4 | 1 : how == 1 ? (RAM + 4096 * i) | 1 : ~0ull);
		assert_int_equal(guest_kernel_new(vm, NULL, NULL, &gk), 0);
		guest_kernel_look(gk, &in_kernel, &s, 1);
		run_search(gk);
		assert_int_equal(guest_kernel_address(gk, "fn_13"), 0);
		guest_kernel_free(gk);
	}
	fake_vm_free(vm);
}

static void boot_map(void **state)
{
	struct vmc_vm *vm = fake_vm_new(RAM);
	struct vmc_boot_info info = {.initrd_gpa = 0x800000, .nmap = 2,
		.map = {{0, 0xa0000, 1}, {0xa0000, 0x60000, 2}}};
	struct entries e = {0};
	struct guest_kernel *gk;

	assert_int_equal(guest_kernel_new(vm, NULL, NULL, &gk), 0);
	guest_kernel_booted(gk, &info, 0x1234);
	guest_kernel_map(gk, entry, &e);
	assert_int_equal(e.n, 3);
	assert_string_equal(e.text[0], "e820/usable 0+a0000");
	assert_string_equal(e.text[1], "e820/reserved a0000+60000");
	assert_string_equal(e.text[2], "initrd/initrd, as loaded 800000+1234");
	guest_kernel_replaced(gk, &(struct vmc_boot_info){.nmap = 1, .map = {{0, 0x1000000, 1}}, .initrd_gpa = 0x800000});
	memset(&e, 0, sizeof(e));
	guest_kernel_map(gk, entry, &e);
	assert_int_equal(e.n, 1); /* the machine's memory, and no initrd */
	assert_string_equal(e.text[0], "e820/usable 0+1000000");
	guest_kernel_free(gk);
	fake_vm_free(vm);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_layout),
		cmocka_unit_test(lies),
		cmocka_unit_test(finds_it),
		cmocka_unit_test(not_there_yet),
		cmocka_unit_test(hostile_tables),
		cmocka_unit_test(boot_map),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
