/* test_views_heat.c - temperatures: what the heatmap remembers, how it cools, what zooming keeps; exit rates. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "tui/exits.h"
#include "tui/heat.h"

#define SEC 1000000ull

/* Feeds 16 cells of one page from gpa 0; digits as on the wire. */
static void feed(struct heat_model *m, const char *cells, uint64_t time_us, bool running)
{
	uint8_t heat[64];
	struct vmc_sample_heat s = { .cells = (uint32_t)strlen(cells), .cell_pages = 1, .heat = heat, .interval_us = 100000 };

	s.size = (uint64_t)s.cells << 12;
	for (uint32_t i = 0; i < s.cells; i++) {
		heat[i] = cells[i] == '-' ? 16 : cells[i] <= '9' ? cells[i] - '0' : cells[i] - 'a' + 10;
		s.dirty_pages += heat[i] && heat[i] < 16;
	}
	heat_feed(m, &s, time_us, running);
}

static void fresh_is_hot_and_cools_in_slow_steps(void **state)
{
	struct heat_model m = { 0 };
	int changes = 0, last;

	assert_int_equal(heat_view(&m, 0, 0, 16), 0);
	feed(&m, "f100000000000000", SEC, true);
	assert_int_equal(heat_level(&m, 0), 15);
	assert_int_equal(heat_level(&m, 1), 9);
	assert_int_equal(heat_level(&m, 2), 0);
	last = heat_level(&m, 0);
	for (uint64_t t = 1; t <= 1200; t++) { /* two minutes at ten a second */
		int level;

		feed(&m, "0000000000000000", SEC + t * 100000, true);
		level = heat_level(&m, 0);
		assert_true(level <= last);
		changes += level != last;
		last = level;
	}
	assert_int_equal(last, 1); /* written once, long ago: not the same as never */
	assert_true(changes <= HEAT_STEPS);
	assert_int_equal(heat_level(&m, 2), 0);
	heat_free(&m);
}

static void wavering_share_does_not_repaint(void **state)
{
	struct heat_model m = { 0 };

	heat_view(&m, 0, 0, 16);
	feed(&m, "6000000000000000", SEC, true);
	assert_int_equal(heat_level(&m, 0), 11);
	for (int i = 1; i < 8; i++) {
		feed(&m, i % 2 ? "4000000000000000" : "7000000000000000", SEC + i * 100000, true);
		assert_int_equal(heat_level(&m, 0), 11);
	}
	heat_free(&m);
}

static void paused_holds(void **state)
{
	struct heat_model m = { 0 };
	uint64_t age;

	heat_view(&m, 0, 0, 16);
	feed(&m, "00f0000000000000", SEC, true);
	feed(&m, "00f0000000000000", SEC + 100000, true);
	assert_true(m.bytes_s > 0);
	age = heat_age_us(&m, 2);
	for (int i = 2; i < 100; i++)
		feed(&m, "0000000000000000", SEC + i * 100000, false);
	assert_int_equal(heat_level(&m, 2), 15);
	assert_int_equal(heat_age_us(&m, 2), age);
	assert_true(m.bytes_s == 0);
	heat_free(&m);
}

static void holes_are_told(void **state)
{
	struct heat_model m = { 0 };

	heat_view(&m, 0, 0, 16);
	feed(&m, "000-f00000000000", SEC, true);
	assert_int_equal(heat_level(&m, 3), HEAT_NOT_MEMORY);
	assert_int_equal(heat_level(&m, 4), 15);
	assert_int_equal(heat_level(&m, 99), HEAT_NOT_MEMORY);
	heat_free(&m);
}

static void zooming_keeps_what_is_known(void **state)
{
	struct heat_model m = { 0 };

	heat_view(&m, 0, 0, 16);
	feed(&m, "00000f0000000000", SEC, true);
	assert_int_equal(heat_view(&m, 0, 2, 16), 0); /* out: four pages a cell */
	assert_int_equal(heat_level(&m, 1), 15);
	assert_int_equal(heat_level(&m, 0), 0);
	assert_int_equal(heat_view(&m, 0x4000, 1, 16), 0); /* in, two pages a cell, and panned */
	assert_int_equal(m.start, 0x4000);
	assert_int_equal(heat_level(&m, 0), 15);
	assert_int_equal(m.cells[0].shift, 0); /* known to the page from the first look */
	assert_int_equal(heat_level(&m, 2), 0);
	heat_free(&m);
}

static void coarse_knowledge_says_so(void **state)
{
	struct heat_model m = { 0 };
	uint8_t heat[1] = { 3 };
	struct vmc_sample_heat s = { .cells = 1, .cell_pages = 4, .size = 0x4000, .heat = heat, .interval_us = 100000 };

	heat_view(&m, 0, 0, 8);
	heat_feed(&m, &s, SEC, true);
	assert_int_equal(heat_level(&m, 3), 9);
	assert_int_equal(m.cells[3].shift, 2);
	assert_int_equal(heat_level(&m, 4), 0);
	heat_free(&m);
}

static void hostile_samples_do_no_harm(void **state)
{
	struct heat_model m = { 0 };
	uint8_t heat[3] = { 15, 200, 15 };
	struct vmc_sample_heat s = { .start = UINT64_MAX - 0x1fff, .cells = 3, .cell_pages = 1, .heat = heat };

	heat_view(&m, 0, 0, 16);
	heat_feed(&m, &s, SEC, true); /* wraps around */
	s.start = 0;
	s.cell_pages = 0;
	heat_feed(&m, &s, SEC * 2, true);
	s.cell_pages = UINT64_MAX;
	heat_feed(&m, &s, SEC * 3, true);
	s.cell_pages = 1;
	heat_feed(&m, &s, SEC, true); /* time goes back */
	assert_int_equal(heat_level(&m, 0), 15);
	assert_int_equal(heat_level(&m, 1), HEAT_NOT_MEMORY);
	assert_int_equal(heat_view(&m, 0, 0, 0), -EINVAL);
	assert_int_equal(heat_view(&m, 0, 0, HEAT_MAX_CELLS + 1), -EINVAL);
	assert_int_equal(heat_view(&m, 0, HEAT_MAX_SHIFT + 1, 4), -EINVAL);
	assert_int_equal(m.ncells, 16);
	heat_free(&m);
}

static void fit_and_index(void **state)
{
	struct heat_model m = { 0 };

	assert_int_equal(heat_fit_shift(64 << 20, 16384), 0);
	assert_int_equal(heat_fit_shift(64 << 20, 2560), 3);
	assert_int_equal(heat_fit_shift((64 << 20) + 1, 16384), 1);
	assert_int_equal(heat_fit_shift(5ull << 30, 2560), 9);
	heat_view(&m, 0x12345, 1, 8);
	assert_int_equal(m.start, 0x12000);
	assert_int_equal(heat_index(&m, 0x12000), 0);
	assert_int_equal(heat_index(&m, 0x15fff), 1);
	assert_int_equal(heat_index(&m, 0x11fff), -1);
	assert_int_equal(heat_index(&m, 0x22000), -1);
	heat_free(&m);
}

static void the_hottest_is_sticky(void **state)
{
	struct heat_model m = { 0 };

	heat_view(&m, 0, 0, 16);
	assert_int_equal(heat_hottest(&m, -1), -1);
	feed(&m, "00f00f0000000000", SEC, true);
	assert_int_equal(heat_hottest(&m, -1), 2);
	assert_int_equal(heat_hottest(&m, 5), 5);
	heat_free(&m);
}

static void exits_have_rates(void **state)
{
	struct exit_rates r = { 0 };
	uint64_t n[VMC_EXIT_REASONS] = { 0 };

	n[VMC_EXIT_HALT] = 50;
	exit_rates_feed(&r, SEC, 0, n);
	assert_true(exit_rates_sum(&r) == 0); /* one sample is no rate */
	n[VMC_EXIT_HALT] += 10;
	n[VMC_EXIT_IO_OUT] += 80;
	exit_rates_feed(&r, SEC + SEC / 10, 50000000, n);
	assert_true(r.rate[VMC_EXIT_IO_OUT] > 799 && r.rate[VMC_EXIT_IO_OUT] < 801);
	assert_true(r.cpu > 0.49 && r.cpu < 0.51);
	assert_int_equal(r.norder, 2);
	assert_int_equal(r.order[0], VMC_EXIT_IO_OUT); /* busiest first */
	assert_int_equal(r.total, 140);
	n[VMC_EXIT_HALT] = 0; /* the VM was reset */
	exit_rates_feed(&r, 2 * SEC, 0, n);
	assert_true(exit_rates_sum(&r) == 0);
}

static void the_order_of_exits_is_calm(void **state)
{
	struct exit_rates r = { 0 };
	uint64_t n[VMC_EXIT_REASONS] = { 0 };
	int moves = 0;
	uint8_t top = 255;

	for (int i = 0; i < 100; i++) { /* two reasons take turns in being a little busier */
		n[VMC_EXIT_IO_IN] += 100 + (i & 1) * 10;
		n[VMC_EXIT_IO_OUT] += 100 + !(i & 1) * 10;
		exit_rates_feed(&r, SEC + i * 100000ull, 0, n);
		if (r.norder && r.order[0] != top) {
			moves += top != 255;
			top = r.order[0];
		}
	}
	assert_true(moves <= 1);
	for (int i = 100; i < 150; i++) { /* a third is really busier: on top within a few seconds */
		n[VMC_EXIT_MMIO_WRITE] += 1000;
		exit_rates_feed(&r, SEC + i * 100000ull, 0, n);
	}
	assert_int_equal(r.order[0], VMC_EXIT_MMIO_WRITE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fresh_is_hot_and_cools_in_slow_steps), cmocka_unit_test(wavering_share_does_not_repaint),
		cmocka_unit_test(paused_holds), cmocka_unit_test(holes_are_told),
		cmocka_unit_test(zooming_keeps_what_is_known), cmocka_unit_test(coarse_knowledge_says_so),
		cmocka_unit_test(hostile_samples_do_no_harm), cmocka_unit_test(fit_and_index),
		cmocka_unit_test(the_hottest_is_sticky), cmocka_unit_test(exits_have_rates),
		cmocka_unit_test(the_order_of_exits_is_calm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
