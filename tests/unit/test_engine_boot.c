/*
 * test_engine_boot.c - the PVH loader with good and with broken images, what it tells the guest, and the registers
 * it sets. On a fake KVM.
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

#include "tests/unit/elf_build.h"
#include "tests/unit/fake_kvm.h"

#define MIB (1u << 20)

static struct vmc_vm *vm;

static int setup(void **state)
{
	struct vmc_config cfg = { .id = "boot", .ram_bytes = 16 * MIB, .vcpus = 1, .managed = true };
	char err[200];

	fake_kvm_install();
	return vmc_vm_new(&cfg, &vm, err, sizeof(err));
}

static int teardown(void **state)
{
	vmc_vm_free(vm);
	return 0;
}

static int boot(const struct test_elf *e, size_t size, struct vmc_boot_info *info)
{
	struct vmc_boot_params p = { .kernel = e, .kernel_size = size };

	return vmc_boot_load(vm, &p, info);
}

static uint64_t get(uint64_t gpa, size_t len)
{
	uint64_t v = 0;

	assert_int_equal(vmc_mem_read(vm, gpa, &v, len), 0);
	return v;
}

static void a_good_image(void **state)
{
	struct vmc_boot_info info;
	struct vmc_regs regs;
	struct vmc_sregs s;
	struct test_elf e;

	test_elf_make(&e);
	/* bss must be cleared whatever was there */
	assert_int_equal(vmc_mem_write(vm, ELF_BASE + 0x1000 + 0x1ff8, "leftover", 8), 0);
	assert_int_equal(boot(&e, sizeof(e), &info), 0);
	assert_true(info.entry == ELF_ENTRY && info.low == ELF_BASE && info.high == ELF_BASE + 0x3000);
	assert_string_equal(info.protocol, "pvh");
	assert_int_equal(get(ELF_BASE, 4), 0x90909090);
	assert_int_equal(get(ELF_BASE + 0x1000, 4), 0xdddddddd);
	assert_int_equal(get(ELF_BASE + 0x1000 + 32, 8), 0);
	assert_int_equal(get(ELF_BASE + 0x1000 + 0x1ff8, 8), 0);
	assert_int_equal(vmc_vcpu_sample(vmc_vcpu_get(vm, 0), &regs, &s), 0);
	assert_true(regs.rip == ELF_ENTRY && regs.rflags == 2 && get(regs.rbx, 4) == 0x336ec578);
	assert_true((s.cr0 & 0x80000001) == 1 && s.cr4 == 0 && s.efer == 0);
	assert_true(s.cs.base == 0 && s.cs.limit == 0xffffffff && s.cs.db && !s.cs.l && s.cs.type == 11);
	assert_true(s.ds.type == 3 && s.ss.base == 0 && s.tr.type == 11 && s.tr.limit == 0x67);
}

/* Linkers put an 8-aligned GNU property before other notes. */
static void notes_aligned_to_8(void **state)
{
	static const struct {
		Elf64_Nhdr head;
		char name[4];
		uint32_t desc[4];
	} property = { { 4, 16, 5 }, "GNU", { 0xc0008002, 4, 1, 0 } };
	struct vmc_boot_info info;
	struct test_elf e;

	test_elf_make(&e);
	memcpy(e.text, &property, sizeof(property));
	memcpy(e.text + sizeof(property), &e.note, sizeof(e.note));
	e.ph[2].p_offset = offsetof(struct test_elf, text);
	e.ph[2].p_filesz = sizeof(property) + sizeof(e.note);
	e.ph[2].p_align = 8;
	assert_int_equal(boot(&e, sizeof(e), &info), 0);
	assert_true(info.entry == ELF_ENTRY);
}

static void start_info(void **state)
{
	static const struct vmc_boot_range reserved[] = { { 0x200000, 0x10000, 3 }, { 0xe0000, 0x20000, 2 } };
	static uint8_t initrd[5000];
	struct test_elf e;
	struct vmc_boot_params p = { .kernel = &e, .kernel_size = sizeof(e), .cmdline = "console=hvc0 quiet",
		.initrd = initrd, .initrd_size = sizeof(initrd), .rsdp_gpa = 0xe0000, .reserved = reserved,
		.nreserved = 2 };
	struct vmc_boot_info info;
	struct vmc_regs regs;
	uint64_t at, map, prev = 0, ram = 0;
	char text[32];

	test_elf_make(&e);
	memset(initrd, 0x44, sizeof(initrd));
	assert_int_equal(vmc_boot_load(vm, &p, &info), 0);
	assert_int_equal(vmc_vcpu_get_regs(vmc_vcpu_get(vm, 0), &regs), 0);
	at = regs.rbx;
	assert_int_equal(get(at + 4, 4), 1);  /* version */
	assert_int_equal(get(at + 12, 4), 1); /* modules */
	assert_true(get(get(at + 16, 8), 8) == info.initrd_gpa && get(get(at + 16, 8) + 8, 8) == sizeof(initrd));
	assert_true(info.initrd_gpa % 4096 == 0 && get(info.initrd_gpa + 4992, 8) == 0x4444444444444444);
	assert_int_equal(vmc_mem_read(vm, get(at + 24, 8), text, 19), 0);
	assert_string_equal(text, "console=hvc0 quiet");
	assert_int_equal(get(at + 32, 8), 0xe0000);
	map = get(at + 40, 8);
	for (uint64_t i = 0; i < get(at + 48, 4); i++) {
		uint64_t start = get(map + 24 * i, 8), size = get(map + 24 * i + 8, 8);

		assert_true(start >= prev || get(map + 24 * i + 16, 4) != 1);
		if (get(map + 24 * i + 16, 4) == 1) {
			assert_true(start >= prev);
			prev = start + size;
			ram += size;
			/* no RAM in what is reserved */
			assert_true(start + size <= 0x200000 || start >= 0x210000);
			assert_true(start + size <= 0xa0000 || start >= 0x100000);
		}
	}
	assert_int_equal(ram, 16 * MIB - 0x10000 - 0x60000);
}

/* A file that is read piece by piece, and ends or fails where it is told to. */
struct source {
	const uint8_t *bytes;
	uint64_t fails_from;
	int error;
	uint64_t reads;
};

static int source_read(const void *file, uint64_t off, void *to, size_t len)
{
	struct source *s = (struct source *)file;

	s->reads += len;
	if (off + len > s->fails_from)
		return s->error;
	memcpy(to, s->bytes + off, len);
	return 0;
}

static void an_image_by_pieces(void **state)
{
	struct vmc_boot_info whole, info;
	struct test_elf e;
	struct source from = { (const uint8_t *)&e, UINT64_MAX, -EIO, 0 };
	struct vmc_boot_params p = { .kernel = &from, .kernel_size = sizeof(e), .read = source_read };
	int failures = 0;

	test_elf_make(&e);
	assert_int_equal(boot(&e, sizeof(e), &whole), 0);
	assert_int_equal(vmc_boot_load(vm, &p, &info), 0);
	assert_true(info.entry == whole.entry && info.low == whole.low && info.high == whole.high);
	/* Wherever reading fails, that is said, and not that the file is bad. */
	for (from.fails_from = 0; from.fails_from < sizeof(e); from.fails_from += 8) {
		int rc = vmc_boot_load(vm, &p, &info);

		assert_true(rc == 0 || rc == -EIO);
		if (rc == -EIO)
			assert_non_null(strstr(vmc_error(vm), "cannot read the kernel or initrd"));
		failures += rc != 0;
	}
	assert_true(failures > 2);
	from.error = -ENODATA;
	from.fails_from = 100;
	assert_int_equal(vmc_boot_load(vm, &p, &info), -ENODATA);
	assert_non_null(strstr(vmc_error(vm), "become shorter"));
}

static void broken(const char *word, const struct test_elf *e, size_t size)
{
	struct vmc_boot_info info;
	int rc = boot(e, size, &info);

	if (rc != -ENOEXEC || !strstr(vmc_error(vm), word))
		fail_msg("wanted \"%s\", got %d \"%s\"", word, rc, rc ? vmc_error(vm) : "");
}

static void broken_images(void **state)
{
	struct test_elf e;

#define CASE(word, change) \
	do { \
		test_elf_make(&e); \
		change; \
		broken(word, &e, sizeof(e)); \
	} while (0)
	CASE("not an ELF", e.eh.e_ident[0] = 'M');
	CASE("no bzImage; a kernel is", e.eh.e_ident[0] = 'M');
	CASE("gunzip -k", memcpy(&e, "\x1f\x8b\x08", 3));
	CASE("as its initrd", memcpy(&e, "070701", 6));
	CASE("a script", memcpy(&e, "#!/bin/sh", 9));
	CASE("for arm64; one for x86-64", (memset(&e, 0, 64), memcpy((char *)&e + 0x38, "ARM\x64", 4)));
	CASE("as one of the VM's disks", memcpy(&e, "QFI\xfb", 4));
	CASE("for EFI", memcpy(&e, "MZ", 3));
	CASE("ELF image for RISC-V", e.eh.e_machine = EM_RISCV);
	CASE("a program, no kernel", (e.note.head.n_type = 17, e.ph[1].p_type = PT_INTERP));
	CASE("little-endian", e.eh.e_ident[EI_DATA] = ELFDATA2MSB);
	CASE("little-endian", e.eh.e_ident[EI_CLASS] = 7);
	CASE("machine 183", e.eh.e_machine = EM_AARCH64);
	CASE("program headers", e.eh.e_phnum = 0);
	CASE("program headers", e.eh.e_phnum = 60000);
	CASE("program headers", e.eh.e_phentsize = 8);
	CASE("truncated", e.eh.e_phoff = sizeof(e) + 5);
	CASE("truncated", e.eh.e_phoff = UINT64_MAX - 10);
	CASE("truncated", e.eh.e_phoff = sizeof(e) - 60);
	CASE("truncated: segment 0", e.ph[0].p_offset = UINT64_MAX - 3);
	CASE("truncated: segment 1", e.ph[1].p_filesz = 0x1000);
	CASE("more bytes in the file", e.ph[0].p_memsz = 10);
	CASE("wraps", e.ph[1].p_memsz = UINT64_MAX - 100);
	CASE("overlap", e.ph[1].p_paddr = ELF_BASE + 8);
	CASE("overlap", e.ph[0].p_memsz = 0x1001);
	CASE("does not fit in RAM", e.ph[1].p_paddr = 16 * MIB - 0x1000);
	CASE("does not fit in RAM", e.ph[1].p_paddr = 1ull << 40);
	CASE("reserved memory", e.ph[1].p_paddr = 0xa0000);
	CASE("reserved memory", e.ph[1].p_paddr = 0x800);
	CASE("no PVH entry", e.note.head.n_type = 17);
	CASE("no PVH entry", e.note.name[0] = 'Y');
	CASE("no PVH entry", e.ph[2].p_type = PT_NULL);
	CASE("no PVH entry", e.note.head.n_descsz = 0);
	CASE("past the end", e.note.head.n_namesz = 0xfffffffc);
	CASE("past the end", e.note.head.n_descsz = 0xfffffffc);
	CASE("truncated: the notes", e.ph[2].p_filesz = 1 << 20);
	CASE("lies in no segment", e.note.entry = 0x50);
	CASE("lies in no segment", e.note.entry = ELF_BASE + 64);
	CASE("no segment to load", e.ph[0].p_type = e.ph[1].p_type = PT_NULL);
#undef CASE
	test_elf_make(&e);
	for (size_t cut = 0; cut < sizeof(e) - 32; cut++)
		assert_int_equal(boot(&e, cut, NULL), -ENOEXEC);
}

static void what_the_caller_gets_wrong(void **state)
{
	static char longest[5000];
	static uint8_t initrd[20 * MIB];
	struct vmc_boot_range endless = { 0x200000, UINT64_MAX, 2 };
	struct test_elf e;
	struct vmc_boot_params p = { .kernel = &e, .kernel_size = sizeof(e), .cmdline = longest };

	test_elf_make(&e);
	memset(longest, 'x', sizeof(longest) - 1);
	assert_int_equal(vmc_boot_load(vm, &p, NULL), -EINVAL);
	assert_non_null(strstr(vmc_error(vm), "4095"));
	p.cmdline = NULL;
	p.initrd = initrd;
	p.initrd_size = sizeof(initrd);
	assert_int_equal(vmc_boot_load(vm, &p, NULL), -ENOEXEC);
	assert_non_null(strstr(vmc_error(vm), "initrd"));
	p.initrd = NULL;
	p.reserved = &endless;
	p.nreserved = 1;
	assert_int_equal(vmc_boot_load(vm, &p, NULL), -EINVAL);
	p.nreserved = 1000;
	assert_int_equal(vmc_boot_load(vm, &p, NULL), -EINVAL);
	p.nreserved = 0;
	p.kernel = NULL;
	assert_int_equal(vmc_boot_load(vm, &p, NULL), -EINVAL);
}

static void buffers(void **state)
{
	struct vmc_out out;
	struct vmc_in in;

	vmc_out_init(&out);
	vmc_out_u8(&out, 0x11);
	vmc_out_u16(&out, 0x2233);
	vmc_out_u32(&out, 0x44556677);
	vmc_out_u64(&out, 0x8899aabbccddeeff);
	vmc_out_bytes(&out, "end", 3);
	assert_int_equal(out.len, 18);
	assert_memory_equal(out.data, "\x11\x33\x22\x77\x66\x55\x44\xff\xee\xdd\xcc\xbb\xaa\x99\x88" "end", 18);
	vmc_in_init(&in, out.data, out.len);
	assert_int_equal(vmc_in_u8(&in), 0x11);
	assert_int_equal(vmc_in_u16(&in), 0x2233);
	assert_int_equal(vmc_in_u32(&in), 0x44556677);
	assert_true(vmc_in_u64(&in) == 0x8899aabbccddeeff);
	assert_int_equal(vmc_in_end(&in), -EBADMSG);
	assert_non_null(strstr(in.message, "3 bytes too many"));
	vmc_in_init(&in, out.data, 3);
	assert_int_equal(vmc_in_u32(&in), 0);
	assert_int_equal(in.error, -EBADMSG);
	assert_int_equal(vmc_in_u8(&in), 0); /* sticky */
	assert_int_equal(vmc_in_fail(&in, -EINVAL, "later"), -EBADMSG);
	assert_null(strstr(in.message, "later"));
	vmc_out_bytes(&out, "x", SIZE_MAX);
	assert_true(out.failed);
	vmc_out_free(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_good_image, setup, teardown),
		cmocka_unit_test_setup_teardown(notes_aligned_to_8, setup, teardown),
		cmocka_unit_test_setup_teardown(start_info, setup, teardown),
		cmocka_unit_test_setup_teardown(an_image_by_pieces, setup, teardown),
		cmocka_unit_test_setup_teardown(broken_images, setup, teardown),
		cmocka_unit_test_setup_teardown(what_the_caller_gets_wrong, setup, teardown),
		cmocka_unit_test(buffers),
	};

	return cmocka_run_group_tests_name("engine boot", tests, NULL, NULL);
}
