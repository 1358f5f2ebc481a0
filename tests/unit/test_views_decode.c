/* test_views_decode.c - registers, virtio and instructions in words; addresses as people type them. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "tui/decode.h"
#include "tui/decode_virtio.h"
#include "tui/disasm.h"
#include "tui/expr.h"

static void bits_are_named(void **state)
{
	char s[128], tiny[6];

	decode_bits(DECODE_CR0, 0x80050033, s, sizeof(s));
	assert_string_equal(s, "PG AM WP NE ET MP PE");
	decode_bits(DECODE_CR4, 0x6a0, s, sizeof(s));
	assert_string_equal(s, "OSXMMEXCPT OSFXSR PGE PAE");
	decode_bits(DECODE_EFER, 0xd01, s, sizeof(s));
	assert_string_equal(s, "NXE LMA LME SCE");
	decode_bits(DECODE_RFLAGS, 0x3246, s, sizeof(s));
	assert_string_equal(s, "IF ZF PF IOPL=3");
	decode_bits(DECODE_RFLAGS, 2, s, sizeof(s));
	assert_string_equal(s, "");
	decode_bits(DECODE_CR0, 0x40001 | 1ull << 40, s, sizeof(s));
	assert_string_equal(s, "AM PE +0x10000000000");
	decode_bits(DECODE_CR0, 0x80050033, tiny, sizeof(tiny)); /* cut at a word */
	assert_string_equal(tiny, "PG AM");
}

static void modes(void **state)
{
	struct vmc_sregs s = { 0 };

	assert_int_equal(decode_mode(&s, 2), MODE_REAL);
	s.cs.selector = 0x1b3;
	assert_int_equal(decode_cpl(&s, 2), 0); /* in real mode a selector is no ring */
	s.cr0 = 1;
	s.cs.selector = 8;
	assert_string_equal(decode_mode_name(decode_mode(&s, 2), false), "protected 16");
	s.cs.db = 1;
	assert_string_equal(decode_mode_name(decode_mode(&s, 2), true), "prot32");
	assert_int_equal(decode_mode(&s, 1 << 17), MODE_V86);
	assert_int_equal(decode_cpl(&s, 1 << 17), 3);
	assert_string_equal(decode_paging(&s), "off");
	s.cr0 |= 1ull << 31;
	assert_string_equal(decode_paging(&s), "32-bit");
	s.cr4 = 1 << 5;
	assert_string_equal(decode_paging(&s), "PAE");
	s.efer = 0x500;
	assert_string_equal(decode_mode_name(decode_mode(&s, 2), false), "compat 32");
	s.cs.l = 1;
	s.cs.db = 0;
	s.cs.selector = 0x33;
	assert_string_equal(decode_mode_name(decode_mode(&s, 2), false), "long 64");
	assert_int_equal(decode_mode_bits(decode_mode(&s, 2)), 64);
	assert_int_equal(decode_cpl(&s, 2), 3);
	assert_string_equal(decode_paging(&s), "4-level");
	s.cr4 |= 1 << 12;
	assert_string_equal(decode_paging(&s), "5-level");
}

static void linear_rip(void **state)
{
	struct vmc_regs r = { .rip = 0xfff0 };
	struct vmc_sregs s = { .cs = { .base = 0xffff0000 } };

	assert_int_equal(decode_linear_rip(&s, &r), 0xfffffff0); /* the reset vector */
	s.cr0 = 1;
	s.efer = 0x500;
	s.cs.l = 1;
	assert_int_equal(decode_linear_rip(&s, &r), 0xfff0);
}

static void segments(void **state)
{
	static const struct {
		struct vmc_segment seg;
		const char *says;
	} cases[] = {
		{ { .type = 11, .present = 1, .s = 1, .l = 1 }, "code64 r-x" },
		{ { .type = 8, .present = 1, .s = 1, .db = 1 }, "code32 --x" },
		{ { .type = 3, .present = 1, .s = 1, .db = 1 }, "data32 rw-" },
		{ { .type = 5, .present = 1, .s = 1 }, "data16 r-- down" },
		{ { .type = 11, .present = 1 }, "tss64 busy" },
		{ { .type = 2, .present = 1 }, "ldt" },
		{ { .type = 3 }, "absent" },
		{ { .type = 3, .present = 1, .unusable = 1 }, "unusable" },
	};
	char s[32];

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		decode_segment(&cases[i].seg, true, s, sizeof(s));
		assert_string_equal(s, cases[i].says);
	}
}

static void numbers(void **state)
{
	static const struct {
		uint64_t n;
		const char *size, *count, *grouped;
	} cases[] = {
		{ 0, "0 B", "0", "0" },
		{ 999, "999 B", "999", "999" },
		{ 4096, "4 KiB", "4096", "4,096" },
		{ 6 * 1024 * 1024 + 512 * 1024, "6.5 MiB", "6.82M", "6,815,744" },
		{ 128ull << 20, "128 MiB", "134M", "134,217,728" },
		{ 3ull << 30, "3 GiB", "3.22G", "3,221,225,472" },
		{ 999999, "976 KiB", "1.00M", "999,999" },
		{ UINT64_MAX, "15.9 EiB", "18.4E", "18,446,744,073,709,551,615" },
	};
	char s[40];

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		decode_size(cases[i].n, s, sizeof(s));
		assert_string_equal(s, cases[i].size);
		decode_count(cases[i].n, s, sizeof(s));
		assert_string_equal(s, cases[i].count);
		decode_grouped(cases[i].n, s, sizeof(s));
		assert_string_equal(s, cases[i].grouped);
	}
}

static void rates(void **state)
{
	assert_int_equal(decode_rate(100, 2), 50);
	assert_int_equal(decode_rate(100, 0), 0);
	assert_int_equal(decode_rate(UINT64_MAX, 1e-6), 1000000000000000);
}

static void virtio_words(void **state)
{
	char s[256];

	virtio_features(3, 1ull << 32 | 1 | 1ull << 29, s, sizeof(s));
	assert_string_equal(s, "SIZE EVENT_IDX VERSION_1");
	virtio_features(2, 1 << 9 | 1 << 3, s, sizeof(s));
	assert_string_equal(s, "bit 3 FLUSH");
	virtio_features(77, 1, s, sizeof(s));
	assert_string_equal(s, "bit 0");
	assert_string_equal(virtio_type_name(3), "console");
	assert_null(virtio_type_name(77));
	assert_string_equal(virtio_queue_name(3, 1), "transmitq0");
	assert_null(virtio_queue_name(3, 9));
	assert_null(virtio_queue_name(77, 0));
	virtio_status(0x0f, s, sizeof(s));
	assert_string_equal(s, "ack driver features-ok driver-ok");
	virtio_status(0, s, sizeof(s));
	assert_string_equal(s, "reset");
	virtio_status(0x4f, s, sizeof(s));
	assert_string_equal(s, "ack driver features-ok driver-ok needs-reset");
}

static void instructions(void **state)
{
	static const uint8_t mov[] = { 0x48, 0x89, 0x07 }, call[] = { 0xe8, 0x10, 0, 0, 0 }, cut[] = { 0xe8, 0x10 },
		bad[] = { 0x0f, 0x0b, 0xff, 0xff }, junk[] = { 0xff, 0xff, 0xff, 0xff };
	char s[DISASM_TEXT];

	assert_int_equal(disasm(mov, sizeof(mov), 0x1000, 64, s, sizeof(s)), 3);
	assert_string_equal(s, "mov [rdi], rax");
	assert_int_equal(disasm(mov, sizeof(mov), 0x1000, 32, s, sizeof(s)), 1);
	assert_string_equal(s, "dec eax");
	assert_int_equal(disasm(call, sizeof(call), 0x101000, 64, s, sizeof(s)), 5);
	assert_string_equal(s, "call 0x101015");
	assert_int_equal(disasm(cut, sizeof(cut), 0x101000, 64, s, sizeof(s)), 0);
	assert_string_equal(s, "(cut short)");
	assert_int_equal(disasm(bad, sizeof(bad), 0, 64, s, sizeof(s)), 2);
	assert_string_equal(s, "ud2");
	assert_int_equal(disasm(junk, sizeof(junk), 0, 64, s, sizeof(s)), 0);
	assert_string_equal(s, "(bad)");
	assert_int_equal(disasm(mov, 0, 0, 64, s, sizeof(s)), 0);
	assert_int_equal(disasm(call, sizeof(call), 0x101000, 64, s, 6), 5); /* a short buffer is cut, not overrun */
}

static int symbol(void *arg, const char *name, uint64_t *addr)
{
	if (!strcmp(name, "paint"))
		*addr = 0x101000;
	else if (!strcmp(name, "add"))
		*addr = 0x102000;
	else
		return -ENOENT;
	return 0;
}

static void addresses(void **state)
{
	const struct vmc_regs regs = { .rip = 0x101f3c, .rsp = 0x9000, .r8 = 8 };
	const struct vmc_sregs sregs = { .cr3 = 0x5018, .gdt = { .base = 0x700 } };
	const struct expr_env env = { &regs, &sregs, symbol, NULL };
	static const struct {
		const char *text;
		uint64_t value;
		bool is_virtual;
	} good[] = {
		{ "0x1000", 0x1000, false }, { "1000", 0x1000, false }, { "0t16", 16, false },
		{ "rip", 0x101f3c, true }, { "RIP + 0x10", 0x101f4c, true }, { " rsp - 8 ", 0x8ff8, true },
		{ "cr3", 0x5000, false }, { "gdt", 0x700, true }, { "paint+2c", 0x10102c, true },
		{ "add", 0x102000, true }, { "dead", 0xdead, false }, { "64M", 0x64ull << 20, false },
		{ "0t64M", 64ull << 20, false }, { "ffffffffffffffff", UINT64_MAX, false },
	};
	static const char *const bad[] = { "", "+", "rip+", "nosuch", "0x", "1zz", "10000000000000000", "ffffffffffffM" };
	struct expr_result r;
	char err[80];

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		assert_int_equal(expr_eval(good[i].text, &env, &r, err, sizeof(err)), 0);
		assert_true(r.value == good[i].value);
		assert_int_equal(r.is_virtual, good[i].is_virtual);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(expr_eval(bad[i], &env, &r, err, sizeof(err)), -EINVAL);
		assert_true(strlen(err) > 10);
	}
}

static void registers_may_be_missing(void **state)
{
	const struct expr_env env = { 0 };
	struct expr_result r;
	char err[80];

	assert_int_equal(expr_eval("rip+8", &env, &r, err, sizeof(err)), -EAGAIN);
	assert_true(r.uses_regs);
	assert_int_equal(expr_eval("abc", &env, &r, err, sizeof(err)), 0);
	assert_int_equal(r.value, 0xabc);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bits_are_named), cmocka_unit_test(modes), cmocka_unit_test(linear_rip),
		cmocka_unit_test(segments), cmocka_unit_test(numbers), cmocka_unit_test(virtio_words), cmocka_unit_test(rates),
		cmocka_unit_test(instructions), cmocka_unit_test(addresses),
		cmocka_unit_test(registers_may_be_missing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
