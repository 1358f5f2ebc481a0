/*
 * pager.c - writes pages in patterns, for the dirty-page heatmap to show. Ring 3, vCPU 0.
 *
 * Ten times a second it writes a slice's worth of pages (one store each) and sleeps. The store goes
 * through at full speed in ring 3; what costs is the host's dirty log, once a page and harvest.
 */
#include "pager.h"

const char rt_program[] = "pager";

#define SLICES   10 /* a second */
#define SLICE_US (1000000 / SLICES)
#define RATE_MIN 16
#define RATE_MAX (1u << 24)

enum mode { SWEEP, RANDOM, HOT, BANNER, BALL, WAVES, MODES };

static const char *const mode_names[MODES] = {
	"sweep: page after page",
	"random: anywhere",
	"hot and cold: nine of ten in a hot tenth",
	"banner: a text made of pages",
	"ball: a picture that bounces",
	"waves: shades, by share of a cell",
};

static struct {
	struct grid grid;
	enum mode mode;
	bool paused;
	uint64_t rate;  /* pages a second, for the patterns */
	uint64_t speed; /* frames a second x 4, for the pictures */
	uint64_t at, frame, quarter_frames, hot_page;
	uint64_t writes, last_page, window_writes, per_second, second_us;
	uint64_t random;
	uint64_t slice_us;
	char note[80];
} pg;

void touch(uint64_t page)
{
	volatile uint64_t *p;

	if (page < pg.grid.first || page >= pg.grid.end)
		return;
	p = (volatile uint64_t *)(page * PAGE_SIZE);
	p[1] = page; /* what `v` looks for */
	p[0] = ++pg.writes;
	pg.last_page = page;
}

static uint64_t next_random(void)
{
	pg.random ^= pg.random << 13;
	pg.random ^= pg.random >> 7;
	pg.random ^= pg.random << 17;
	return pg.random;
}

/* ---- a slice of each pattern ---- */

static void sweep(uint64_t pages)
{
	for (; pages; pages--) {
		touch(pg.grid.first + pg.at);
		pg.at = (pg.at + 1) % (pg.grid.end - pg.grid.first);
	}
}

static void hot(uint64_t pages)
{
	uint64_t all = pg.grid.end - pg.grid.first, hot_size = all / 10 ? all / 10 : 1;

	for (; pages; pages--) {
		uint64_t r = next_random();

		if (r % 10)
			touch(pg.grid.first + (pg.hot_page + (r >> 8) % hot_size) % all);
		else
			touch(pg.grid.first + (r >> 8) % all);
	}
	pg.hot_page = (pg.hot_page + hot_size / (SLICES * 5) + 1) % all; /* the hot part wanders */
}

static void picture(void)
{
	pg.quarter_frames += pg.speed;
	while (pg.quarter_frames >= 4 * SLICES) {
		pg.quarter_frames -= 4 * SLICES;
		pg.frame++;
	}
	if (!pg.grid.rows)
		return;
	if (pg.mode == BANNER)
		draw_banner(&pg.grid, pg.frame);
	else if (pg.mode == BALL)
		draw_ball(&pg.grid, pg.frame);
	else
		draw_waves(&pg.grid, pg.frame);
}

static void slice(void)
{
	uint64_t pages = pg.rate / SLICES ? pg.rate / SLICES : 1, before = pg.writes,
		 start = rt_now_us();

	switch (pg.mode) {
	case SWEEP:
		sweep(pages);
		break;
	case RANDOM:
		for (; pages; pages--)
			touch(pg.grid.first + next_random() % (pg.grid.end - pg.grid.first));
		break;
	case HOT:
		hot(pages);
		break;
	default:
		picture();
	}
	pg.slice_us = rt_now_us() - start;
	pg.window_writes += pg.writes - before;
}

/* ---- memory ---- */

static void find_memory(void)
{
	uint64_t start = 0, size = 0;

	for (unsigned i = 0; i < rt_machine.nranges; i++) {
		const struct rt_range *r = &rt_machine.ranges[i];
		uint64_t from =
			r->start < 0x200000 ? 0x200000 : (r->start + 0x1fffff) & ~0x1fffffull;
		uint64_t to = (r->start + r->size) & ~0x1fffffull;

		if (r->type == 1 && to > from && to - from > size) {
			start = from;
			size = to - from;
		}
	}
	if (!size) { /* under 4 MiB of RAM */
		rt_printf("pager: there is no memory above 2 MiB to write to; give this VM at "
			  "least 8 MiB.\r\n");
		for (;;)
			rt_wait(RT_FOREVER);
	}
	rt_map_user(start, size);
	pg.grid.first = start / PAGE_SIZE;
	pg.grid.end = (start + size) / PAGE_SIZE;
	pg.grid.cells_row = (unsigned)rt_option("cells", 64);
	pg.grid.pages_cell = (unsigned)rt_option("pages", 0);
	if (!pg.grid.cells_row || pg.grid.cells_row > 1024)
		pg.grid.cells_row = 64;
	if (!pg.grid.pages_cell) /* 16 rows or fewer: what the workstation's heatmap has at most sizes */
		for (pg.grid.pages_cell = 1;
			(uint64_t)pg.grid.pages_cell * pg.grid.cells_row * 16 < pg.grid.end;)
			pg.grid.pages_cell *= 2;
	grid_fit(&pg.grid);
}

static void verify(void)
{
	uint64_t fine = 0, bad = 0, untouched = 0;

	for (uint64_t page = pg.grid.first; page < pg.grid.end; page++) {
		const volatile uint64_t *p = (const volatile uint64_t *)(page * PAGE_SIZE);

		if (p[1] == page && p[0] && p[0] <= pg.writes)
			fine++;
		else if (!p[0] && !p[1])
			untouched++;
		else
			bad++;
	}
	rt_snprintf(pg.note, sizeof(pg.note), "verified: %lu fine, %lu untouched, %lu bad", fine,
		untouched, bad);
}

/* ---- screen ---- */

/* The whole of memory in a few rows: how lately each part was written, by the stamps in it. */
static void preview(int top, int bottom, unsigned cols)
{
	unsigned width = cols < pg.grid.cells_row ? cols : pg.grid.cells_row,
		 height = (unsigned)(bottom - top);
	uint64_t recent = pg.per_second ? pg.per_second : 1;

	if (height > pg.grid.rows)
		height = pg.grid.rows;
	for (unsigned y = 0; y < height; y++)
		for (unsigned x = 0; x < width; x++) {
			unsigned gx = x * pg.grid.cells_row / width, gy = y * pg.grid.rows / height;
			uint64_t page =
				((uint64_t)(pg.grid.first_row + gy) * pg.grid.cells_row + gx) *
				pg.grid.pages_cell;
			uint64_t age = pg.writes - *(const volatile uint64_t *)(page * PAGE_SIZE);
			bool fresh = age < recent / 8 + 1, warm = age < recent;

			scr_cell(top + (int)y, (int)x,
				fresh  ? ST_HOT
				: warm ? ST_WARN
				       : ST_TRACK,
				fresh  ? 0x2588
				: warm ? 0x2592
				       : 0xb7);
		}
}

static int fact(int row, const char *name, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
static int fact(int row, const char *name, const char *format, ...)
{
	char text[160];
	va_list ap;

	va_start(ap, format);
	rt_vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	scr_text(row, 1, ST_DIM, name);
	scr_text(row, 9, ST_PLAIN, text);
	return row + 1;
}

static void draw(void)
{
	unsigned cols, rows;
	int row = 1, bottom;
	bool narrow;

	scr_begin(&cols, &rows);
	narrow = cols < 44;
	scr_title("pager", narrow ? "watch the heatmap" : "writes memory: watch the heatmap");
	if (rows > 14)
		row++;
	scr_text(row, 1, ST_DIM, "mode");
	scr_printf(row++, 9, pg.paused ? ST_WARN : ST_GOOD, "%u %s%s", pg.mode + 1,
		pg.paused ? "paused; " : "", mode_names[pg.mode]);
	if (pg.mode < BANNER)
		row = fact(row, "aim", "%'lu pages a second", pg.rate);
	else
		row = fact(
			row, "aim", "%lu.%02lu frames a second", pg.speed / 4, pg.speed % 4 * 25);
	row = fact(row, "wrote",
		narrow ? "%'lu/s, %lu.%lu MiB/s" : "%'lu pages/s, %lu.%lu MiB/s", pg.per_second,
		pg.per_second / 256, pg.per_second % 256 * 10 / 256);
	row = fact(row, "total", narrow ? "%'lu, last %#lx" : "%'lu writes, last %#lx", pg.writes,
		pg.last_page);
	row = fact(row, "memory", narrow ? "%lu to %lu MiB, %lu us" : "%lu to %lu MiB, slice %lu us",
		pg.grid.first / 256, pg.grid.end / 256, pg.slice_us);
	row = fact(row, "cells",
		narrow ? "%u a row, %u page%s each" : "%u a row, %u page%s each, %u rows",
		pg.grid.cells_row, pg.grid.pages_cell, pg.grid.pages_cell == 1 ? "" : "s",
		pg.grid.rows);
	bottom = scr_keys("1-6 mode  p pause  +- speed  [] pages/cell  <> cells/row  v verify");
	if (pg.note[0] && row < bottom)
		scr_text(row++, 1, ST_ACCENT, pg.note);
	if (row + 4 < bottom)
		preview(row + 1, bottom - 1, cols);
	scr_show();
}

/* ---- keys ---- */

static void faster(bool up)
{
	if (pg.mode < BANNER) {
		pg.rate = up ? pg.rate * 2 : pg.rate / 2;
		pg.rate = pg.rate < RATE_MIN ? RATE_MIN : pg.rate > RATE_MAX ? RATE_MAX : pg.rate;
	} else {
		pg.speed = up ? pg.speed * 2 : pg.speed / 2;
		pg.speed = pg.speed < 1 ? 1 : pg.speed > 4 * SLICES ? 4 * SLICES : pg.speed;
	}
}

static void scale(unsigned *value, bool up, unsigned max)
{
	if (up && *value < max)
		*value *= 2;
	else if (!up && *value > 1)
		*value /= 2;
	grid_fit(&pg.grid);
}

static void key(int k)
{
	if (k != 12)
		pg.note[0] = 0;
	if (k >= '1' && k < '1' + MODES)
		pg.mode = (enum mode)(k - '1');
	switch (k) {
	case 'p':
	case ' ':
		pg.paused = !pg.paused;
		break;
	case '+':
	case '=':
		faster(true);
		break;
	case '-':
		faster(false);
		break;
	case ']':
		scale(&pg.grid.pages_cell, true, 4096);
		break;
	case '[':
		scale(&pg.grid.pages_cell, false, 0);
		break;
	case '>':
	case '.':
		scale(&pg.grid.cells_row, true, 1024);
		break;
	case '<':
	case ',':
		scale(&pg.grid.cells_row, false, 0);
		break;
	case 'v':
		verify();
		break;
	case 12:
		scr_redraw();
		break;
	}
}

static void count_second(uint64_t now)
{
	if (now - pg.second_us < 1000000)
		return;
	pg.per_second = rt_muldiv(pg.window_writes, 1000000, now - pg.second_us);
	pg.window_writes = 0;
	pg.second_us = now;
}

static void run(void)
{
	uint64_t next = rt_now_us(), next_draw = next;

	for (;;) {
		uint64_t now = rt_now_us();
		int k;

		for (; (k = rt_key()) != KEY_NONE; next_draw = now)
			key(k);
		if (!pg.paused && now >= next) {
			slice();
			next = now + SLICE_US;
		}
		count_second(now);
		if (now >= next_draw) {
			draw();
			next_draw = now + 500000;
		}
		if (pg.paused &&
			!pg.per_second) { /* nothing moves: sleep until a key or a new size */
			rt_wait(RT_FOREVER);
			next_draw = 0;
			continue;
		}
		now = rt_now_us();
		if (rt_wait(next > now && !pg.paused ? next - now : SLICE_US) & EV_RESIZE)
			next_draw = 0;
	}
}

void rt_main(void)
{
	const char *text = rt_machine.cmdline;
	char word[48];
	unsigned n = 0;

	pg.random = rt_tsc() | 1;
	pg.rate = 4096;
	pg.speed = 8;
	pg.mode = (enum mode)(rt_option("mode", BANNER + 1) - 1);
	if (pg.mode >= MODES)
		pg.mode = BANNER;
	for (; *text; text++)
		if (!strncmp(text, "text=", 5))
			break;
	if (*text) {
		for (text += 5; *text && *text != ' ' && n + 1 < sizeof(word);)
			word[n++] = *text++;
		word[n] = 0;
		set_banner(word);
	}
	find_memory();
	run();
}
