/* test_views_hex.c - what a user sees in the hex view, and what it asks of the VM. */
#include <errno.h>
#include <inttypes.h>
#include <ncurses.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "tests/lib/fakeui.h"
#include "tui/view_hex.h"

#define MIB (1ull << 20)

static const struct vmc_map_entry map[] = {
	{ .kind = "ram", .name = "ram0", .start = 0, .size = MIB, .slot = 0, .resident = 0 },
	{ .kind = "ram", .name = "ram1", .start = 4 * MIB, .size = MIB, .slot = 1, .resident = 0 },
};
static uint8_t ram[5 * MIB]; /* with a hole from 1 to 4 MiB */

static uint64_t arg(const char *args, const char *key)
{
	const char *p = strstr(args, key);

	assert_non_null(p);
	p = strchr(p, ':') + 1;
	p += strspn(p, " \"");
	return strtoull(p, NULL, 0);
}

static void answer_read(struct fake *f, const char *args)
{
	uint64_t at = arg(args, "address"), size = arg(args, "size");
	char *text = malloc(size * 2 + 100), *p = text;

	assert_in_range(size, 1, 65536);
	p += sprintf(p, "{\"address\": \"0x%" PRIx64 "\", \"data\": \"", at);
	for (uint64_t i = at; i < at + size; i++)
		p += i < MIB || (i >= 4 * MIB && i < 5 * MIB) ? sprintf(p, "%02x", ram[i]) : sprintf(p, "..");
	strcpy(p, "\"}");
	fake_reply(f, 0, text);
	free(text);
}

static void answer_symbol(struct fake *f, const char *args)
{
	bool at = strstr(args, "0xffffffff81000010") != NULL;

	if (at || strstr(args, "\"schedule\""))
		fake_reply(f, 0, at ? "{\"address\": \"0xffffffff81000010\", \"symbol\": \"schedule+0x10\"}"
				    : "{\"address\": \"0xffffffff81000000\", \"symbol\": \"schedule\"}");
	else
		fake_reply(f, -EINVAL, "no Linux kernel is seen");
}

/* The VM: virtual 0xffff800000000000 + x is physical x, but for the page at +0x2000; below, they are the same. */
static void answer_all(struct fake *f)
{
	while (fake_pending(f)) {
		const char *args = fake_command_args(f), *name = fake_command(f);
		uint64_t at;
		char text[64];

		if (!strcmp(name, "x-symbol")) {
			answer_symbol(f, args);
			continue;
		}
		at = arg(args, "address");
		if (!strcmp(name, "x-read-memory")) {
			answer_read(f, args);
		} else if (!strcmp(name, "x-translate")) {
			at &= 0xffffffffff;
			snprintf(text, sizeof(text), "{\"physical\": \"0x%" PRIx64 "\"}", at);
			fake_reply(f, at >> 12 == 2 ? -EFAULT : 0, at >> 12 == 2 ? "not mapped" : text);
		} else {
			fail();
		}
	}
}

static struct fake *open_hex(int h, int w)
{
	struct fake *f = fake_new(&panel_hex, h, w);
	struct vmc_sample *s = fake_sample_new(VMC_RUNNING, 1000000);

	s->map = map;
	s->nmap = 2;
	fake_sample(f, s);
	answer_all(f);
	return f;
}

static void bytes_are_shown(void **state)
{
	struct fake *f;

	memset(ram, 0, sizeof(ram));
	memcpy(ram + 0x100, "Hello, vitrine!\x7f", 16);
	f = open_hex(22, 78);
	fake_goto(f, 0x100);
	fake_tick(f, 100);
	answer_all(f);
	assert_true(fake_shows(f, "00000100  48 65 6c 6c 6f 2c 20 76  69 74 72 69 6e 65 21 7f  Hello, vitrine!."));
	assert_true(fake_shows(f, "0x100 ram0"));
	assert_true(fake_shows(f, "u8 48  u16 6548  u32 6c6c6548"));
	fake_resize(f, 22, 50);
	answer_all(f);
	assert_true(fake_shows(f, "00000100  48 65 6c 6c 6f 2c 20 76  Hello, v"));
	fake_resize(f, 22, 160);
	answer_all(f);
	assert_true(fake_shows(f, "48 65 6c 6c 6f 2c 20 76  69 74 72 69 6e 65 21 7f  00 00"));
	fake_free(f);
}

static void unreadable_and_changed(void **state)
{
	struct fake *f;

	memset(ram, 0, sizeof(ram));
	f = open_hex(22, 78);
	fake_keys(f, "g");
	fake_answer(f, "ffff8");
	answer_all(f);
	assert_true(fake_shows(f, "00 00 00 00 00 00 00 00"));
	assert_true(fake_shows(f, "00100000  ·· ·· ··"));
	ram[0xffff8] = 0x5a;
	fake_tick(f, 1000);
	answer_all(f);
	fake_key(f, KEY_RIGHT); /* the cursor away from it */
	assert_int_equal(fake_role_of(f, "5a"), ROLE_CHANGED);
	for (int i = 2; i < 6; i++) {
		fake_tick(f, (uint64_t)i * 1000);
		answer_all(f);
	}
	assert_int_equal(fake_role_of(f, "5a"), ROLE_VALUE);
	fake_free(f);
}

static void reads_twice_a_second_one_at_a_time(void **state)
{
	struct fake *f = open_hex(22, 78);
	int asked = 0;

	for (uint64_t t = 10000; t < 20000; t += 100) {
		fake_tick(f, t);
		asked += fake_pending(f);
		answer_all(f);
	}
	assert_in_range(asked, 18, 21);
	fake_tick(f, 30000); /* a VM that does not answer is not asked again */
	fake_tick(f, 31000);
	assert_int_equal(fake_pending(f), 1);
	fake_key(f, KEY_NPAGE); /* but what is asked then is what is wanted by then */
	answer_all(f);
	assert_true(fake_shows(f, "00000260  00 00"));
	fake_free(f);
}

static void virtual_addresses(void **state)
{
	struct fake *f;

	memset(ram, 0, sizeof(ram));
	memcpy(ram + 0x1ff0, "end of the page.", 16);
	f = open_hex(22, 100);
	fake_keys(f, "v");
	answer_all(f);
	fake_keys(f, "g");
	fake_answer(f, "ffff800000001ff0");
	answer_all(f);
	assert_true(fake_shows(f, "ffff800000001ff0  65 6e 64 20"));
	assert_true(fake_shows(f, "ffff800000002000  ·· ··"));
	assert_true(fake_shows(f, "-> 1ff0 ram0"));
	fake_keys(f, "v"); /* the same bytes at their physical address */
	answer_all(f);
	assert_true(fake_shows(f, "00001ff0  65 6e 64 20"));
	assert_true(fake_shows(f, "0x1ff0 ram0"));
	fake_keys(f, "b");
	answer_all(f);
	assert_true(fake_shows(f, "ffff800000001ff0  65 6e 64 20"));
	fake_free(f);
}

static void registers_come_with_a_sample(void **state)
{
	struct vmc_sample_cpu cpu = { .has_regs = true, .regs = { .rip = 0x1100 }, .sregs = { .cr3 = 0x5000 } };
	struct fake *f = open_hex(22, 78);
	struct vmc_sample *s;

	assert_int_equal(fake_want(f).topics & VMC_SUB_REGS, 0);
	fake_keys(f, "g");
	fake_answer(f, "rip+0x10");
	assert_int_equal(fake_want(f).topics & VMC_SUB_REGS, VMC_SUB_REGS);
	s = fake_sample_new(VMC_RUNNING, 2000000);
	s->cpus = &cpu;
	fake_sample(f, s);
	answer_all(f);
	assert_true(fake_shows(f, "0x1110 -> 1110"));
	assert_int_equal(fake_want(f).topics & VMC_SUB_REGS, 0);
	fake_keys(f, "g");
	fake_answer(f, "cr3"); /* physical, whatever is shown */
	s = fake_sample_new(VMC_RUNNING, 3000000);
	s->cpus = &cpu;
	fake_sample(f, s);
	answer_all(f);
	assert_true(fake_shows(f, "0x5000 ram0"));
	fake_keys(f, "g");
	fake_answer(f, "nosuch");
	answer_all(f);
	assert_string_equal(fake_said(f), "nosuch is no number, register or symbol: no Linux kernel is seen");
	fake_keys(f, "g");
	fake_answer(f, "schedule+rip"); /* both are waited for, whichever comes first */
	s = fake_sample_new(VMC_RUNNING, 4000000);
	s->cpus = &cpu;
	fake_sample(f, s);
	answer_all(f);
	assert_int_equal(fake_want(f).topics & VMC_SUB_REGS, VMC_SUB_REGS);
	s = fake_sample_new(VMC_RUNNING, 5000000);
	s->cpus = &cpu;
	fake_sample(f, s);
	answer_all(f);
	assert_true(fake_shows(f, "0xffffffff81001100"));
	fake_connected(f, false);
	fake_keys(f, "g");
	fake_answer(f, "rip");
	assert_non_null(strstr(fake_said(f), "does not run"));
	fake_free(f);
}

static void symbols_of_the_guest(void **state)
{
	struct fake *f = open_hex(22, 78);

	fake_keys(f, "g");
	fake_answer(f, "schedule+0x10");
	assert_string_equal(fake_command(f), "x-symbol");
	assert_string_equal(fake_command_args(f), "{\"name\": \"schedule\"}");
	answer_all(f);
	assert_true(fake_shows(f, "ffffffff81000010"));
	fake_tick(f, 1000);
	answer_all(f);
	fake_draw(f);
	assert_true(fake_shows(f, "schedule+0x10"));
	fake_key(f, KEY_RIGHT); /* has no name: nothing is said */
	fake_tick(f, 2000);
	answer_all(f);
	fake_draw(f);
	assert_false(fake_shows(f, "schedule"));
	fake_keys(f, "g");
	fake_answer(f, "dead"); /* a number: nobody is asked */
	assert_string_not_equal(fake_command(f), "x-symbol");
	fake_keys(f, "g");
	fake_answer(f, "a\"b"); /* what would end the question early is not asked */
	answer_all(f);
	assert_non_null(strstr(fake_said(f), "is no number, register or symbol"));
	fake_keys(f, "g");
	fake_answer(f, "slow"); /* an answer that comes after something else was wanted goes nowhere */
	fake_keys(f, "g");
	fake_answer(f, "100");
	answer_all(f);
	assert_true(fake_shows(f, "0x100"));
	fake_free(f);
}

static void finding(void **state)
{
	struct fake *f;

	memset(ram, 0, sizeof(ram));
	memcpy(ram + 0x8000 - 3, "needle", 6); /* across two stretches */
	memcpy(ram + 5 * MIB - 6, "needle", 6); /* in the other region, at its very end */
	f = open_hex(22, 78);
	fake_keys(f, "f");
	fake_answer(f, "needle");
	answer_all(f);
	assert_true(fake_shows(f, "0x7ffd ram0"));
	fake_keys(f, "n");
	answer_all(f);
	assert_true(fake_shows(f, "0x4ffffa ram1"));
	fake_keys(f, "n");
	answer_all(f);
	assert_non_null(strstr(fake_said(f), "needle is not in the"));
	fake_keys(f, "g");
	fake_answer(f, "0");
	fake_keys(f, "f");
	fake_answer(f, "6e 65 65 64 6c 65");
	answer_all(f);
	assert_true(fake_shows(f, "0x7ffd ram0"));
	fake_keys(f, "f");
	fake_answer(f, "00ff00"); /* a search that is stopped */
	assert_true(fake_shows(f, "looking for 00ff00"));
	assert_int_equal(fake_key(f, UI_KEY_ESC), PANEL_REDRAW);
	answer_all(f);
	assert_true(fake_find(f, "looking for", NULL) < 0);
	assert_int_equal(fake_key(f, UI_KEY_ESC), PANEL_IGNORED);
	fake_free(f);
}

static void patterns(void **state)
{
	uint8_t out[HEX_PATTERN];
	char err[80], many[400];

	assert_int_equal(hex_pattern("48 89 07", out, err, sizeof(err)), 3);
	assert_memory_equal(out, "\x48\x89\x07", 3);
	assert_int_equal(hex_pattern("488907", out, err, sizeof(err)), 3);
	assert_int_equal(hex_pattern("  48  89 ", out, err, sizeof(err)), 2);
	assert_int_equal(hex_pattern("\"4889\"", out, err, sizeof(err)), 4);
	assert_memory_equal(out, "4889", 4);
	assert_int_equal(hex_pattern("488", out, err, sizeof(err)), 3); /* no whole bytes: text */
	assert_int_equal(hex_pattern("", out, err, sizeof(err)), 0);
	assert_non_null(strstr(err, "missing"));
	memset(many, 'a', sizeof(many));
	many[200] = '\0';
	assert_int_equal(hex_pattern(many, out, err, sizeof(err)), 0);
	assert_non_null(strstr(err, "too many"));
	many[65] = '\0';
	many[0] = 'x';
	assert_int_equal(hex_pattern(many, out, err, sizeof(err)), 0);
}

static void writing_asks_first(void **state)
{
	struct fake *f;

	memset(ram, 0, sizeof(ram));
	f = open_hex(22, 78);
	fake_keys(f, "g");
	fake_answer(f, "1234");
	answer_all(f);
	fake_keys(f, "e");
	fake_answer(f, "de ad");
	assert_non_null(strstr(fake_prompt(f), "write 2 bytes at physical 0x1234?"));
	assert_int_equal(fake_pending(f), 0);
	fake_answer_ask(f, false);
	assert_int_equal(fake_pending(f), 0);
	fake_keys(f, "e");
	fake_answer(f, "de ad");
	fake_answer_ask(f, true);
	assert_string_equal(fake_command(f), "x-write-memory");
	assert_string_equal(fake_command_args(f), "{\"address\": \"0x1234\", \"data\": \"dead\"}");
	fake_reply(f, -EROFS, "read-only");
	assert_non_null(strstr(fake_said(f), "read-only"));
	fake_keys(f, "v");
	answer_all(f);
	fake_keys(f, "g");
	fake_answer(f, "1fff");
	answer_all(f);
	fake_keys(f, "e");
	fake_answer(f, "de ad");
	assert_non_null(strstr(fake_said(f), "crosses a page"));
	fake_free(f);
}

static void pointers_can_be_followed(void **state)
{
	struct fake *f;

	memset(ram, 0, sizeof(ram));
	ram[0x201] = 0x43; /* 0x4300 at 0x200 */
	f = open_hex(22, 78);
	fake_goto(f, 0x200);
	fake_tick(f, 100);
	answer_all(f);
	fake_key(f, UI_KEY_ENTER);
	answer_all(f);
	assert_true(fake_shows(f, "0x4300 ram0"));
	fake_key(f, UI_KEY_BACKSPACE);
	answer_all(f);
	assert_true(fake_shows(f, "0x200 ram0"));
	fake_goto(f, 0xffffd);
	fake_tick(f, 200);
	answer_all(f);
	fake_key(f, UI_KEY_ENTER);
	assert_non_null(strstr(fake_said(f), "no whole pointer"));
	fake_free(f);
}

static void the_ends_of_the_world(void **state)
{
	struct fake *f = open_hex(22, 78);

	fake_key(f, KEY_UP);
	fake_key(f, KEY_PPAGE);
	fake_key(f, KEY_LEFT);
	assert_true(fake_shows(f, "0x0 ram0"));
	fake_keys(f, "g");
	fake_answer(f, "ffffffffffffffff");
	answer_all(f);
	assert_true(fake_shows(f, "fffffffffffffff0  ·· "));
	fake_key(f, KEY_DOWN);
	fake_key(f, KEY_RIGHT);
	fake_key(f, KEY_NPAGE);
	answer_all(f);
	assert_true(fake_shows(f, "0xffffffffffffffff"));
	for (int h = 1; h < 60; h += 5)
		for (int w = 1; w < 220; w += 13) {
			fake_resize(f, h, w);
			answer_all(f);
		}
	fake_free(f);
}

static void a_vm_that_is_gone(void **state)
{
	struct fake *f = open_hex(22, 78);

	fake_connected(f, false);
	fake_tick(f, 5000);
	fake_draw(f);
	assert_true(fake_shows(f, "pager is not running"));
	fake_connected(f, true);
	fake_tick(f, 6000);
	fake_reply(f, -EIO, "no such thing");
	assert_true(fake_shows(f, "cannot read: no such thing"));
	fake_tick(f, 7000); /* replies come after the panel has gone: fake_free() */
	fake_keys(f, "g");
	fake_free(f);
}

static void clicking(void **state)
{
	struct fake *f = open_hex(22, 78);

	fake_click(f, 2, 8 + 2 + 3 * 9 + 1);
	assert_true(fake_shows(f, "0x29 ram0"));
	fake_click(f, 1, 60 + 3); /* in the text */
	assert_true(fake_shows(f, "0x13 ram0"));
	assert_int_equal(fake_click(f, 1, 2), PANEL_IGNORED);
	fake_wheel(f, 1, 1, false);
	assert_true(fake_shows(f, "0x43 ram0"));
	fake_free(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bytes_are_shown), cmocka_unit_test(unreadable_and_changed),
		cmocka_unit_test(reads_twice_a_second_one_at_a_time), cmocka_unit_test(virtual_addresses),
		cmocka_unit_test(registers_come_with_a_sample), cmocka_unit_test(symbols_of_the_guest), cmocka_unit_test(finding), cmocka_unit_test(patterns),
		cmocka_unit_test(writing_asks_first), cmocka_unit_test(pointers_can_be_followed),
		cmocka_unit_test(the_ends_of_the_world), cmocka_unit_test(a_vm_that_is_gone), cmocka_unit_test(clicking),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
