/* test_views_heatmap.c - what a user sees in the heatmap, and what it asks of the VM. */
#include <errno.h>
#include <ncurses.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "tests/lib/fakeui.h"
#include "tui/view.h"

#define SEC 1000000ull
#define MIB (1ull << 20)

static const struct vmc_map_entry pager_map[] = {
	{ .kind = "ram", .name = "ram0", .start = 0, .size = 64 * MIB, .slot = 0, .resident = 8 * MIB },
	{ .kind = "mmio", .name = "pci 00:01.0 bar0", .start = 0xe0000000, .size = 0x4000, .slot = -1, .resident = -1 },
	{ .kind = "pio", .name = "8250", .start = 0x3f8, .size = 8, .slot = -1, .resident = -1 },
};

/* What the VM answers to the panel's own request: @hot says for each page (by number) if it was written. */
static uint8_t cells[65536];
static struct vmc_sample_heat heat;

static struct vmc_sample *answer(struct fake *f, enum vmc_state state, uint64_t time_us, bool (*hot)(uint64_t page))
{
	struct vmc_sample *s = fake_sample_new(state, time_us);
	struct vmc_subscription sub = fake_want(f);

	if (sub.topics & VMC_SUB_MAP) {
		s->map = pager_map;
		s->nmap = 3;
	}
	if (!(sub.topics & VMC_SUB_HEAT))
		return s;
	assert_in_range(sub.heat_cells, 1, 65536);
	assert_int_equal(sub.heat_size % ((uint64_t)sub.heat_cells * 4096), 0);
	heat = (struct vmc_sample_heat){
		.start = sub.heat_start, .size = sub.heat_size, .cells = sub.heat_cells,
		.cell_pages = sub.heat_size / sub.heat_cells / 4096, .heat = cells, .interval_us = 100000,
		.harvest_us = 120,
	};
	for (uint64_t i = 0; i < heat.cells; i++) {
		uint64_t first = heat.start / 4096 + i * heat.cell_pages, n = 0;

		for (uint64_t page = first; page < first + heat.cell_pages && page < 16384; page++)
			n += hot(page);
		cells[i] = first >= 16384 ? 16 : n ? (uint8_t)(1 + 14 * n / heat.cell_pages) : 0;
	}
	for (uint64_t page = 0; page < 16384; page++)
		heat.dirty_pages += hot(page);
	s->heat = &heat;
	return s;
}

static bool page_8195(uint64_t page) { return page == 8195; }
static bool nothing(uint64_t page) { return false; }
static bool first_256(uint64_t page) { return page < 256; }
static bool everything(uint64_t page) { return true; }

static int hot_halves(struct fake *f)
{
	int n = 0;

	for (int y = 0; y < 60; y++)
		for (int x = 0; x < 250; x++)
			n += (fake_upper(f, y, x) > ROLE_HEAT0 && fake_upper(f, y, x) <= ROLE_HEAT15) +
				(fake_lower(f, y, x) > ROLE_HEAT0 && fake_lower(f, y, x) <= ROLE_HEAT15);
	return n;
}

static void writes_are_seen_where_they_are(void **state)
{
	struct fake *f = fake_new(&panel_heat, 22, 78);

	assert_true(fake_shows(f, "waiting for the first sample"));
	fake_sample(f, answer(f, VMC_RUNNING, SEC, nothing)); /* the map comes with it */
	assert_int_equal(fake_want(f).topics & VMC_SUB_MAP, 0);
	fake_sample(f, answer(f, VMC_RUNNING, SEC + 100000, page_8195));
	/* 64 columns, 19 rows: 2,432 cells, so 8 pages a cell; page 8195 is cell 1024: row 16, upper half of row 8 */
	assert_int_equal(fake_want(f).heat_cells, 64 * 19 * 2);
	assert_int_equal(fake_want(f).heat_size, 64ull * 19 * 2 * 8 * 4096);
	assert_int_equal(fake_upper(f, 8, 10), ROLE_HEAT0 + 9);
	assert_int_equal(fake_lower(f, 8, 10), ROLE_HEAT0);
	assert_int_equal(fake_upper(f, 3, 20), ROLE_HEAT0);
	assert_true(fake_shows(f, "02000000"));
	assert_true(fake_shows(f, "1 cell = 32 KiB"));
	assert_true(fake_shows(f, "40 KiB/s"));
	assert_true(fake_shows(f, "look 100 µs, 0.1% of a core"));
	assert_true(fake_shows(f, "● live"));
	fake_free(f);
}

static void clicking_tells_the_address(void **state)
{
	struct fake *f = fake_new(&panel_heat, 22, 78);

	fake_sample(f, answer(f, VMC_RUNNING, SEC, nothing));
	fake_sample(f, answer(f, VMC_RUNNING, SEC + 100000, page_8195));
	fake_click(f, 8, 10);
	assert_true(fake_shows(f, "0x2000000 written just now ram0"));
	assert_true(fake_shows(f, "◆"));
	fake_key(f, UI_KEY_ENTER);
	assert_int_equal(fake_hex_goto(f), 0x2000000);
	fake_key(f, KEY_RIGHT);
	assert_true(fake_shows(f, "0x2008000 no write seen"));
	fake_key(f, KEY_DOWN);
	assert_true(fake_shows(f, "0x2208000"));
	assert_int_equal(fake_click(f, 3, 2), PANEL_IGNORED); /* the addresses */
	fake_free(f);
}

static void zooming_in_keeps_the_place(void **state)
{
	struct fake *f = fake_new(&panel_heat, 22, 78);
	uint64_t t = SEC;

	fake_sample(f, answer(f, VMC_RUNNING, t, nothing));
	fake_click(f, 8, 10);
	for (int i = 0; i < 3; i++) {
		fake_keys(f, "+");
		t += 100000;
		fake_sample(f, answer(f, VMC_RUNNING, t, page_8195));
	}
	assert_true(fake_shows(f, "1 cell = 4 KiB"));
	assert_true(fake_shows(f, "0x2000000"));
	fake_sample(f, answer(f, VMC_RUNNING, t + 100000, page_8195));
	fake_key(f, KEY_RIGHT);
	fake_key(f, KEY_RIGHT);
	fake_key(f, KEY_RIGHT);
	assert_true(fake_shows(f, "0x2003000 written"));
	fake_keys(f, "+");
	assert_non_null(strstr(fake_said(f), "as near as it gets"));
	fake_keys(f, "0");
	assert_true(fake_shows(f, "1 cell = 32 KiB"));
	fake_keys(f, "-");
	assert_non_null(strstr(fake_said(f), "all of memory"));
	fake_free(f);
}

static void the_wheel_zooms_at_the_mouse(void **state)
{
	struct fake *f = fake_new(&panel_heat, 22, 78);

	fake_sample(f, answer(f, VMC_RUNNING, SEC, nothing));
	fake_wheel(f, 8, 10, true);
	assert_true(fake_shows(f, "1 cell = 16 KiB"));
	fake_click(f, 8, 10); /* the same place is still there */
	assert_true(fake_shows(f, "0x2000000"));
	fake_wheel(f, 8, 10, false);
	assert_true(fake_shows(f, "1 cell = 32 KiB"));
	fake_free(f);
}

static void panning_follows_the_cursor(void **state)
{
	struct fake *f = fake_new(&panel_heat, 12, 40);

	fake_sample(f, answer(f, VMC_RUNNING, SEC, nothing));
	for (int i = 0; i < 8; i++)
		fake_keys(f, "+");
	fake_key(f, KEY_END);
	assert_true(fake_shows(f, "0x3fff000"));
	assert_true(fake_shows(f, "◆"));
	fake_key(f, KEY_DOWN); /* not past the end */
	assert_true(fake_shows(f, "0x3fff000"));
	fake_key(f, KEY_HOME);
	assert_true(fake_shows(f, "0x0 no write seen"));
	assert_true(fake_shows(f, "◆"));
	fake_key(f, KEY_UP);
	fake_key(f, KEY_LEFT);
	assert_true(fake_shows(f, "0x0 no write seen"));
	fake_key(f, KEY_NPAGE);
	assert_true(fake_shows(f, "◆"));
	fake_free(f);
}

static void paused_holds_the_picture(void **state)
{
	struct fake *f = fake_new(&panel_heat, 22, 78);
	int hot;

	fake_sample(f, answer(f, VMC_RUNNING, SEC, first_256));
	fake_sample(f, answer(f, VMC_RUNNING, SEC + 100000, first_256));
	hot = hot_halves(f);
	assert_in_range(hot, 32, 32 + 16); /* and the legend */
	for (int i = 2; i < 200; i++)
		fake_sample(f, answer(f, VMC_PAUSED, SEC + i * 100000, nothing));
	assert_true(fake_shows(f, "‖ paused: picture held"));
	assert_true(fake_shows(f, "0 B/s"));
	assert_int_equal(hot_halves(f), hot);
	fake_sample(f, answer(f, VMC_RUNNING, SEC + 20 * SEC, nothing));
	assert_true(fake_shows(f, "● live"));
	fake_free(f);
}

static void freezing_costs_nothing(void **state)
{
	struct fake *f = fake_new(&panel_heat, 22, 78);

	fake_sample(f, answer(f, VMC_RUNNING, SEC, first_256));
	fake_keys(f, " ");
	assert_int_equal(fake_want(f).topics & VMC_SUB_HEAT, 0);
	assert_true(fake_shows(f, "frozen"));
	fake_keys(f, " ");
	assert_int_equal(fake_want(f).topics & VMC_SUB_HEAT, VMC_SUB_HEAT);
	fake_keys(f, "c");
	assert_true(hot_halves(f) <= 16);
	fake_free(f);
}

static void idle_is_not_redrawn(void **state)
{
	struct fake *f = fake_new(&panel_heat, 22, 78);
	int drawn = 0, cells_changed = 0;

	fake_sample(f, answer(f, VMC_RUNNING, SEC, nothing));
	for (int i = 1; i <= 100; i++) /* ten seconds */
		drawn += fake_sample(f, answer(f, VMC_RUNNING, SEC + i * 100000, nothing)) == PANEL_REDRAW;
	assert_true(drawn <= 20);
	/* all of memory written all the time: once hot, nothing changes but a few facts */
	fake_sample(f, answer(f, VMC_RUNNING, 12 * SEC, everything));
	for (int i = 1; i <= 100; i++)
		if (fake_sample(f, answer(f, VMC_RUNNING, 12 * SEC + i * 100000, everything)) == PANEL_REDRAW)
			cells_changed += fake_changed(f);
	assert_true(cells_changed < 400);
	fake_free(f);
}

static void follows_the_heat(void **state)
{
	struct fake *f = fake_new(&panel_heat, 12, 40);
	uint64_t t = SEC;

	fake_sample(f, answer(f, VMC_RUNNING, t, nothing));
	for (int i = 0; i < 8; i++)
		fake_keys(f, "+"); /* down to a page; page 8195 is out of sight */
	fake_keys(f, "f");
	for (int i = 0; i < 40; i++)
		fake_sample(f, answer(f, VMC_RUNNING, t += 100000, page_8195));
	assert_true(fake_shows(f, "0x2003000 written"));
	assert_true(fake_shows(f, "◆"));
	assert_int_equal(fake_want(f).heat_size / fake_want(f).heat_cells, 4096);
	fake_key(f, KEY_LEFT); /* the hand wins */
	fake_sample(f, answer(f, VMC_RUNNING, t += 100000, page_8195));
	assert_true(fake_shows(f, "0x2002000"));
	fake_free(f);
}

static void wide_has_facts_at_the_side(void **state)
{
	struct fake *f = fake_new(&panel_heat, 46, 198);

	fake_sample(f, answer(f, VMC_RUNNING, SEC, nothing));
	fake_sample(f, answer(f, VMC_RUNNING, SEC + 100000, first_256));
	assert_true(fake_shows(f, "10 MiB/s written"));
	assert_true(fake_shows(f, "1 cell = 8 KiB"));
	assert_true(fake_shows(f, "Enter hex"));
	assert_int_equal(fake_want(f).heat_cells, 128 * 46 * 2);
	fake_keys(f, "w");
	assert_int_equal(fake_want(f).heat_cells, (198 - 10) * (46 - 2) * 2); /* a line below gave way to a page a cell */
	fake_free(f);
}

static void a_finer_picture_is_worth_the_lines_below(void **state)
{
	struct fake *f = fake_new(&panel_heat, 8, 37); /* as in the first layout at 80x24 */

	fake_sample(f, answer(f, VMC_RUNNING, SEC, nothing));
	fake_sample(f, answer(f, VMC_RUNNING, SEC + 100000, page_8195));
	assert_int_equal(fake_want(f).heat_cells, 32 * 16);
	assert_int_equal(fake_want(f).heat_size / fake_want(f).heat_cells, 128 << 10);
	fake_resize(f, 9, 51); /* 100x30: room for one */
	assert_int_equal(fake_want(f).heat_cells, 32 * 16);
	assert_true(fake_shows(f, "0x0 "));
	fake_resize(f, 7, 37); /* no finer without them: they stay */
	assert_int_equal(fake_want(f).heat_cells, 32 * 10);
	fake_free(f);
}

static void memmap_can_show_a_region(void **state)
{
	struct fake *f = fake_new(&panel_heat, 22, 78);

	fake_sample(f, answer(f, VMC_RUNNING, SEC, nothing));
	panel_heat_show(fake_panel(f), 0x2000000, MIB);
	fake_sample(f, answer(f, VMC_RUNNING, SEC + 100000, page_8195));
	assert_true(fake_shows(f, "1 cell = 4 KiB"));
	assert_true(fake_shows(f, "0x2000000"));
	assert_true(fake_shows(f, "◆"));
	fake_free(f);
}

static const struct vmc_map_entry nonsense = {
	.kind = "ram", .start = UINT64_MAX - 4095, .size = UINT64_MAX, .slot = 0, .resident = -5,
};

static void any_size_and_any_sample(void **state)
{
	struct fake *f = fake_new(&panel_heat, 4, 16);
	struct vmc_sample *s;

	for (int h = 1; h < 60; h += 4)
		for (int w = 1; w < 260; w += 9) {
			fake_resize(f, h, w);
			fake_sample(f, answer(f, VMC_RUNNING, SEC + (uint64_t)(h * 1000 + w) * 1000, everything));
			fake_keys(f, "+w-f");
		}
	s = answer(f, VMC_RUNNING, 89 * SEC, everything);
	s->map = &nonsense;
	s->nmap = 1;
	fake_sample(f, s);
	fake_resize(f, 20, 78);
	fake_key(f, KEY_END);
	fake_keys(f, "0+++--w0f");
	fake_key(f, KEY_HOME);
	s = answer(f, VMC_RUNNING, 90 * SEC, everything); /* not what was asked for */
	heat.start = UINT64_MAX - 4095;
	fake_sample(f, s);
	s = answer(f, VMC_RUNNING, 91 * SEC, everything);
	heat.cell_pages = 0;
	fake_sample(f, s);
	s = answer(f, VMC_RUNNING, 92 * SEC, everything);
	heat.cells = 0;
	fake_sample(f, s);
	fake_free(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(writes_are_seen_where_they_are), cmocka_unit_test(clicking_tells_the_address),
		cmocka_unit_test(zooming_in_keeps_the_place), cmocka_unit_test(the_wheel_zooms_at_the_mouse),
		cmocka_unit_test(panning_follows_the_cursor), cmocka_unit_test(paused_holds_the_picture),
		cmocka_unit_test(freezing_costs_nothing), cmocka_unit_test(idle_is_not_redrawn),
		cmocka_unit_test(follows_the_heat), cmocka_unit_test(wide_has_facts_at_the_side),
		cmocka_unit_test(a_finer_picture_is_worth_the_lines_below),
		cmocka_unit_test(memmap_can_show_a_region), cmocka_unit_test(any_size_and_any_sample),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
