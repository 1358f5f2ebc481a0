/* test_views_memmap.c - what a user sees in the memory map. */
#include <errno.h>
#include <ncurses.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "tests/lib/fakeui.h"

#define SEC 1000000ull
#define MIB (1ull << 20)

static struct vmc_map_entry map[9];

static struct vmc_sample *pc(uint64_t time_us)
{
	static const struct vmc_map_entry fresh[] = {
		{ .kind = "ram", .name = "ram0", .start = 0, .size = 3072 * MIB, .slot = 0, .dirty_log = true, .resident = 768 * MIB },
		{ .kind = "hole", .start = 0xc0000000, .size = 0x20000000, .slot = -1, .resident = -1 },
		{ .kind = "mmio", .name = "pci 00:01.0 console bar0", .start = 0xe0000000, .size = 0x4000, .slot = -1, .resident = -1 },
		{ .kind = "irqchip", .name = "IOAPIC", .start = 0xfec00000, .size = 0x1000, .slot = -1, .resident = -1 },
		{ .kind = "ram", .name = "ram1", .start = 0x100000000, .size = 1024 * MIB, .slot = 1, .resident = 0 },
		{ .kind = "rom", .name = "bios", .start = 0x140000000, .size = 0x10000, .slot = 2, .read_only = true, .resident = 0x10000 },
		{ .kind = "pio", .name = "8250", .start = 0x3f8, .size = 8, .slot = -1, .resident = -1 },
		{ .kind = "irqchip", .name = "pic", .start = 0x20, .size = 2, .slot = -1, .resident = -1 },
		{ .kind = "pio", .name = "pci", .start = 0xcf8, .size = 8, .slot = -1, .resident = -1 },
	};
	struct vmc_sample *s = fake_sample_new(VMC_RUNNING, time_us);

	memcpy(map, fresh, sizeof(map));
	s->map = map;
	s->nmap = 9;
	return s;
}

static void the_map_is_listed(void **state)
{
	struct fake *f = fake_new(&panel_memmap, 18, 78);

	assert_true(fake_shows(f, "waiting for the first sample"));
	fake_sample(f, pc(SEC));
	assert_true(fake_shows(f, "0000000000    3 GiB ram ram0"));
	assert_true(fake_shows(f, "slot 0 log"));
	assert_true(fake_shows(f, "25%"));
	assert_true(fake_shows(f, "00e0000000   16 KiB mmio pci 00:01"));
	assert_true(fake_shows(f, "irqchip IOAPIC"));
	assert_true(fake_shows(f, "slot 2 ro"));
	assert_true(fake_shows(f, "100%"));
	assert_true(fake_find(f, "8250", NULL) < 0);
	assert_true(fake_find(f, "irqchip pic", NULL) < 0); /* the irqchip's ports are ports */
	assert_int_equal(fake_role(f, 0, 3), ROLE_RAM);
	assert_int_equal(fake_role(f, 0, 50), ROLE_HOLE);
	assert_int_equal(fake_role(f, 0, 54), ROLE_MMIO); /* 16 KiB still get a column */
	assert_int_equal(fake_role(f, 0, 75), ROLE_RAM);
	assert_true(fake_shows(f, "5 GiB"));
	fake_free(f);
}

static void ports_on_demand(void **state)
{
	struct fake *f = fake_new(&panel_memmap, 18, 78);

	fake_sample(f, pc(SEC));
	fake_keys(f, "a");
	assert_true(fake_shows(f, "03f8"));
	assert_true(fake_shows(f, "pio 8250"));
	assert_true(fake_shows(f, "irqchip pic"));
	assert_true(fake_find(f, "pio 8250", NULL) > fake_find(f, "rom bios", NULL));
	fake_keys(f, "a");
	assert_true(fake_find(f, "8250", NULL) < 0);
	fake_free(f);
}

static void accesses_have_a_rate(void **state)
{
	struct fake *f = fake_new(&panel_memmap, 18, 78);
	struct vmc_sample *s;

	fake_sample(f, pc(SEC));
	s = pc(2 * SEC);
	map[2].accesses = 812;
	fake_sample(f, s);
	assert_true(fake_shows(f, "812/s"));
	s = pc(2 * SEC + 100000); /* told more often for somebody else */
	map[2].accesses = 900;
	assert_int_equal(fake_sample(f, s), PANEL_HANDLED);
	s = pc(3 * SEC);
	map[2].accesses = 812;
	fake_sample(f, s);
	assert_true(fake_find(f, "/s", NULL) < 0);
	assert_true(fake_shows(f, "812"));
	fake_free(f);
}

static void the_balloon_is_told(void **state)
{
	struct fake *f = fake_new(&panel_memmap, 18, 78);
	struct vmc_sample *s = pc(SEC);

	map[0].balloon = 256 * MIB;
	map[4].balloon = 128 * MIB;
	fake_sample(f, s);
	assert_true(fake_shows(f, "256 MiB in the balloon"));
	fake_keys(f, "jjjj");
	assert_true(fake_shows(f, "128 MiB in the balloon"));
	fake_free(f);
}

static void selection_leads_on(void **state)
{
	struct fake *f = fake_new(&panel_memmap, 18, 78);

	fake_sample(f, pc(SEC));
	assert_int_equal(fake_role_of(f, "ram ram0"), ROLE_SELECTED);
	fake_keys(f, "jj");
	assert_int_equal(fake_role_of(f, "mmio pci"), ROLE_SELECTED);
	assert_true(fake_shows(f, "e0000000–e0003fff"));
	fake_key(f, UI_KEY_ENTER);
	assert_int_equal(fake_hex_goto(f), 0xe0000000);
	fake_keys(f, "h");
	assert_non_null(strstr(fake_said(f), "not memory"));
	assert_string_equal(fake_opened(f), "");
	fake_key(f, KEY_HOME);
	fake_keys(f, "h");
	assert_string_equal(fake_opened(f), "heat");
	fake_click(f, fake_find(f, "ram ram1", NULL), 12);
	assert_int_equal(fake_role_of(f, "ram ram1"), ROLE_SELECTED);
	fake_keys(f, "a");
	fake_key(f, KEY_END);
	fake_key(f, UI_KEY_ENTER);
	assert_non_null(strstr(fake_said(f), "ports have no memory"));
	fake_free(f);
}

static void filter_by_name(void **state)
{
	struct fake *f = fake_new(&panel_memmap, 18, 78);

	fake_sample(f, pc(SEC));
	fake_panel(f)->ops->filter(fake_panel(f), "RAM");
	fake_draw(f);
	assert_true(fake_shows(f, "ram ram1"));
	assert_true(fake_find(f, "rom bios", NULL) < 0);
	fake_panel(f)->ops->filter(fake_panel(f), "zzz");
	fake_draw(f);
	assert_true(fake_shows(f, "nothing here is called"));
	fake_key(f, UI_KEY_ENTER); /* nothing selected: nothing happens */
	fake_panel(f)->ops->filter(fake_panel(f), "");
	fake_draw(f);
	assert_true(fake_shows(f, "rom bios"));
	fake_free(f);
}

static void small_and_large(void **state)
{
	struct fake *f = fake_new(&panel_memmap, 3, 22);

	fake_sample(f, pc(SEC));
	assert_true(fake_shows(f, "0000000000 ram0"));
	fake_keys(f, "jjjj");
	assert_true(fake_shows(f, "0100000000 ram1"));
	fake_resize(f, 48, 198);
	assert_true(fake_shows(f, "slot 0 log"));
	for (int h = 1; h < 40; h += 3)
		for (int w = 1; w < 220; w += 11)
			fake_resize(f, h, w);
	fake_ascii(f, true);
	fake_resize(f, 18, 78);
	assert_true(fake_shows(f, "===="));
	fake_free(f);
}

static void nonsense_does_no_harm(void **state)
{
	struct fake *f = fake_new(&panel_memmap, 18, 78);
	struct vmc_sample *s = pc(SEC);

	map[0].start = UINT64_MAX - 10;
	map[0].size = UINT64_MAX;
	map[0].resident = INT64_MAX;
	map[1].size = 0;
	map[2].start = UINT64_MAX;
	memset(map[3].name, 'x', sizeof(map[3].name) - 1);
	fake_sample(f, s);
	for (int i = 0; i < 9; i++)
		fake_keys(f, "aj");
	s = pc(SEC - 1); /* time goes back */
	s->nmap = 1;
	fake_sample(f, s);
	assert_true(fake_shows(f, "ram ram0"));
	fake_free(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_map_is_listed), cmocka_unit_test(ports_on_demand),
		cmocka_unit_test(accesses_have_a_rate),
		cmocka_unit_test(the_balloon_is_told), cmocka_unit_test(selection_leads_on),
		cmocka_unit_test(filter_by_name), cmocka_unit_test(small_and_large),
		cmocka_unit_test(nonsense_does_no_harm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
