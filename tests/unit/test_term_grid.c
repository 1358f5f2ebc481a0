/*
 * test_term_grid.c - the workstation's reader of a pane's grid, against a grid that lies; the scrollback ring; and the
 * search for what killed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <tui/term/filter.h>
#include <tui/term/grid_read.h>
#include <tui/term/poison.h>
#include <tui/term/sb.h>

static uint32_t seed = 3;

static uint32_t rnd(void)
{
	seed = seed * 1664525 + 1013904223;
	return seed >> 4;
}

static struct term_grid *new_grid(unsigned rows, unsigned cols)
{
	struct term_grid *g = calloc(1, sizeof(*g));

	assert_non_null(g);
	g->seq = 2;
	g->rows = (uint16_t)rows;
	g->cols = (uint16_t)cols;
	for (unsigned i = 0; i < rows * cols; i++)
		cell_blank(&g->cells[i]);
	return g;
}

static void reads_changes(void **state)
{
	struct term_grid *g = new_grid(24, 80);
	struct term_view v = { 0 };

	g->cells[80].ch[0] = 'x';
	assert_int_equal(term_view_update(&v, g), 1);
	assert_int_equal(v.rows, 24);
	assert_int_equal(v.cells[80].ch[0], 'x');
	/* Only rows with another generation are looked at. */
	g->cells[80].ch[0] = 'y';
	g->cells[160].ch[0] = 'z';
	g->row_gen[2]++;
	g->seq += 2;
	assert_int_equal(term_view_update(&v, g), 1);
	assert_int_equal(v.cells[80].ch[0], 'x');
	assert_int_equal(v.cells[160].ch[0], 'z');
	term_view_free(&v);
	free(g);
}

static void never_published(void **state)
{
	struct term_grid *g = calloc(1, sizeof(*g));
	struct term_view v = { 0 };

	assert_int_equal(term_view_update(&v, g), 0);
	assert_int_equal(v.rows, 0);
	free(g);
}

static void keeps_what_it_has(void **state)
{
	struct term_grid *g = new_grid(24, 80);
	struct term_view v = { 0 };

	g->cells[0].ch[0] = 'x';
	assert_int_equal(term_view_update(&v, g), 1);
	g->seq = 3; /* died while writing */
	g->cells[0].ch[0] = 'y';
	g->row_gen[0]++;
	assert_int_equal(term_view_update(&v, g), -EAGAIN);
	assert_int_equal(v.cells[0].ch[0], 'x');
	for (unsigned bad = 0; bad < 4; bad++) {
		g->seq = 4 + 2 * bad;
		g->rows = bad == 0 ? 0 : bad == 1 ? 65535 : 24;
		g->cols = bad == 2 ? 1 : bad == 3 ? 60000 : 80;
		assert_int_equal(term_view_update(&v, g), -EPROTO);
		assert_int_equal(v.rows, 24);
		assert_int_equal(v.cells[0].ch[0], 'x');
	}
	term_view_free(&v);
	free(g);
}

static void assert_drawable(const struct term_view *v)
{
	assert_in_range(v->rows, TERM_MIN_ROWS, TERM_MAX_ROWS);
	assert_in_range(v->cols, TERM_MIN_COLS, TERM_MAX_COLS);
	assert_true(v->cursor_row < v->rows && v->cursor_col < v->cols);
	for (unsigned i = 0; i < v->rows * v->cols; i++) {
		const struct term_cell *c = &v->cells[i];

		assert_true(c->fg <= 255 || c->fg == TERM_COLOR_DEFAULT);
		assert_true(c->bg <= 255 || c->bg == TERM_COLOR_DEFAULT);
		if (!c->width) {
			assert_true(i % v->cols > 0 && c[-1].width == 2);
			continue;
		}
		assert_true(c->width == 1 || (c->width == 2 && (i + 1) % v->cols && c[1].width == 0));
		assert_true(filter_char_ok(c->ch[0]) && !filter_combining(c->ch[0]));
		for (unsigned k = 1; k < TERM_CELL_CHARS && c->ch[k]; k++)
			assert_true(filter_char_ok(c->ch[k]) && filter_combining(c->ch[k]));
	}
	assert_non_null(memchr(v->title, 0, sizeof(v->title)));
	for (const char *p = v->title; *p; p++)
		assert_true((unsigned char)*p >= 0x20 && *p != 0x7f);
}

static void random_grids(void **state)
{
	struct term_grid *g = new_grid(2, 2);
	struct term_view v = { 0 };
	unsigned char *bytes = (unsigned char *)g;

	for (int round = 0; round < 200; round++) {
		size_t size = offsetof(struct term_grid, cells) + 300 * 100 * sizeof(struct term_cell);

		for (size_t i = 0; i < size; i += 4) {
			uint32_t r = rnd();

			if (rnd() % 3 == 0)
				r &= 0x101ff; /* small values are nearer to what is believed */
			memcpy(bytes + i, &r, 4);
		}
		g->seq = 2 * (uint32_t)round + 2;
		if (round % 4) {
			g->rows = (uint16_t)(1 + rnd() % 100);
			g->cols = (uint16_t)(2 + rnd() % 300);
		}
		if (term_view_update(&v, g) == 1)
			assert_drawable(&v);
	}
	assert_true(v.rows > 0);
	term_view_free(&v);
	free(g);
}

/* ---- scrollback ---- */

static unsigned random_line(struct term_cell *cells)
{
	unsigned n = rnd() % 200;
	uint16_t fg = TERM_COLOR_DEFAULT, attrs = 0;
	bool plain = rnd() & 1;

	for (unsigned i = 0; i < n; i++) {
		cell_blank(&cells[i]);
		cells[i].ch[0] = ' ' + rnd() % 95;
		if (plain)
			continue;
		if (rnd() % 8 == 0)
			fg = (uint16_t)(rnd() % 256);
		if (rnd() % 8 == 0)
			attrs = (uint16_t)(rnd() % 64);
		cells[i].fg = fg;
		cells[i].attrs = attrs;
		if (rnd() % 10 == 0)
			cells[i].ch[0] = rnd() & 1 ? 0xe9 : 0x1f600;
		if (rnd() % 20 == 0)
			cells[i].ch[1] = 0x301;
		if (rnd() % 20 == 0 && i + 1 < n) {
			cells[i].ch[0] = 0x4e2d;
			cells[i].width = 2;
			cells[i + 1] = cells[i];
			memset(cells[i + 1].ch, 0, sizeof(cells[i + 1].ch));
			cells[++i].width = 0;
		}
	}
	return n;
}

static void scrollback(void **state)
{
	enum { LINES = 3000 };
	static struct term_cell kept[LINES][200], got[TERM_MAX_COLS];
	struct sb *sb = sb_new(500, 1 << 20);

	for (unsigned i = 0; i < LINES; i++) {
		unsigned n;

		for (unsigned k = 0; k < 200; k++)
			cell_blank(&kept[i][k]);
		n = random_line(kept[i]);
		sb_push(sb, kept[i], n);
		assert_int_equal(sb_end(sb), i + 1);
	}
	assert_int_equal(sb_first(sb), LINES - 500);
	for (unsigned i = LINES - 500; i < LINES; i++) {
		sb_get(sb, i, got, 200);
		assert_memory_equal(got, kept[i], sizeof(kept[i]));
	}
	assert_int_equal(sb_get(sb, 5, got, 200), 0);
	assert_int_equal(sb_get(sb, LINES, got, 200), 0);
	sb_cut(sb, LINES - 10);
	assert_int_equal(sb_end(sb), LINES - 10);
	sb_push_ascii(sb, "hello   ", 8);
	assert_int_equal(sb_get(sb, LINES - 10, got, 3), 3); /* narrower now */
	assert_int_equal(got[2].ch[0], 'l');
	sb_clear(sb);
	assert_int_equal(sb_first(sb), LINES - 9);
	assert_int_equal(sb_end(sb), LINES - 9);
	sb_free(sb);
}

static void scrollback_bytes(void **state)
{
	static struct term_cell wide[TERM_MAX_COLS];
	struct sb *sb = sb_new(10000, 1 << 20);

	for (unsigned i = 0; i < TERM_MAX_COLS; i++)
		wide[i] = (struct term_cell){ .ch = { 0x1f600, 0x301, 0x302, 0x303 }, .fg = (uint16_t)(i & 255),
			.bg = (uint16_t)(i & 1), .attrs = 63, .width = 1 };
	for (int i = 0; i < 500; i++)
		sb_push(sb, wide, TERM_MAX_COLS);
	/* Fewer lines than allowed, for they are long; and the last is whole. */
	assert_in_range(sb_end(sb) - sb_first(sb), 50, 200);
	for (uint64_t i = sb_first(sb); i < sb_end(sb); i++) {
		struct term_cell got[TERM_MAX_COLS];

		assert_int_equal(sb_get(sb, i, got, TERM_MAX_COLS), TERM_MAX_COLS);
		assert_memory_equal(got, wide, sizeof(got));
	}
	sb_free(sb);
}

/* ---- poison ---- */

static char left[65536];
static size_t left_len;

static void keep(void *arg, const char *bytes, size_t len)
{
	assert_true(left_len + len < sizeof(left));
	memcpy(left + left_len, bytes, len);
	left_len += len;
	left[left_len] = 0;
}

static void leaves_out(void **state)
{
	static const struct {
		const char *context, *chunk, *in, *want;
	} t[] = {
		{ "", "bad", "a bad day", "a  day" }, { "x", "bad", "bad xbad bad", "bad x bad" },
		{ "", "aab", "aaaab aaab", "aa a" }, { "", "abab", "abaabab ab", "aba ab" },
		{ "ab", "c", "ababcabd", "abababd" }, { "", "zz", "nothing", "nothing" },
	};
	static struct poison p;

	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		for (size_t step = 1; step < 12; step++) { /* cut anywhere */
			char pattern[32];
			size_t n = strlen(t[i].in);

			snprintf(pattern, sizeof(pattern), "%s%s", t[i].context, t[i].chunk);
			poison_set(&p, pattern, (uint32_t)strlen(t[i].context), (uint32_t)strlen(t[i].chunk));
			left_len = 0;
			for (size_t at = 0; at < n; at += step)
				poison_feed(&p, t[i].in + at, n - at < step ? n - at : step, keep, NULL);
			poison_end(&p, keep, NULL);
			assert_string_equal(left, t[i].want);
		}
	}
	/* Lengths from a process that lies. */
	poison_set(&p, "", TERM_CONTEXT_MAX + 1, 1);
	assert_int_equal(p.len, 0);
	poison_set(&p, "", 0, TERM_CHUNK_MAX + 1);
	assert_int_equal(p.len, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_changes), cmocka_unit_test(never_published),
		cmocka_unit_test(keeps_what_it_has), cmocka_unit_test(random_grids), cmocka_unit_test(scrollback),
		cmocka_unit_test(scrollback_bytes), cmocka_unit_test(leaves_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
