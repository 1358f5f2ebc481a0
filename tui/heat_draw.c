/* heat_draw.c - what the heatmap draws: the grid, row addresses with regions, legend and facts. Screen thread. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "tui/decode.h"
#include "tui/view_heat.h"

#define SIDE_MIN 26 /* a column of facts needs this much */
#define SLOW_US	 400000 /* more between looks than a picture that moves should have: it is said */

static int power_of_two(int n)
{
	int p = 1;

	while (p * 2 <= n)
		p *= 2;
	return p;
}

static int hex_digits(uint64_t v)
{
	int n = 1;

	while (v >>= 4)
		n++;
	return n;
}

static unsigned fit(int cols, int rows, uint64_t top)
{
	return heat_fit_shift(top, (uint32_t)(cols * rows * 2));
}

void heat_place(struct heat_panel *hp, uint64_t top)
{
	struct heat_place *at = &hp->at;
	int w = hp->p.rect.w < 1 ? 1 : hp->p.rect.w, h = hp->p.rect.h < 1 ? 1 : hp->p.rect.h;
	int digits = hex_digits(top - 1), spare;

	*at = (struct heat_place){ 0 };
	at->gutter = (digits < 8 ? 8 : digits) + 2;
	if (hp->full_width)
		at->cols = w >= 48 ? w - at->gutter : w;
	else
		at->cols = power_of_two(w);
	/* Addresses only where they do not halve the picture. */
	if (w < 24 || (!hp->full_width && power_of_two(w - at->gutter) < at->cols) || (hp->full_width && w < 48))
		at->gutter = 0;
	spare = w - at->gutter - at->cols;
	if (spare >= SIDE_MIN && h >= 10) {
		at->side = at->gutter + at->cols + 2;
		at->side_w = spare - 2;
	}
	at->status = at->side ? 0 : h >= 12 ? 3 : h >= 7 ? 2 : h >= 3 ? 1 : 0;
	/* Twice as much to see is worth more than the lines below. */
	while (at->status && fit(at->cols, h - at->status, top) > fit(at->cols, h, top))
		at->status--;
	at->rows = h - at->status;
}

int64_t heat_cell_at(const struct heat_panel *hp, int y, int x)
{
	int64_t cell;

	x -= hp->at.gutter;
	if (y < 0 || y >= hp->at.rows || x < 0 || x >= hp->at.cols)
		return -1;
	cell = (int64_t)(2 * y) * hp->at.cols + x;
	return cell < hp->m.ncells ? cell : -1;
}

static enum ui_role role_at(const struct heat_panel *hp, uint64_t cell, uint64_t top)
{
	int level;

	if (cell >= hp->m.ncells || hp->m.start + cell * heat_cell_bytes(&hp->m) >= top)
		return ROLE_HEAT_NONE;
	level = heat_level(&hp->m, (uint32_t)cell);
	return level >= HEAT_NOT_MEMORY ? ROLE_HEAT_NONE : ROLE_HEAT0 + level;
}

/* "01230000 │": the address of a row, its colour what lies there; where something else begins, a corner. */
static void gutter(struct heat_panel *hp, int y)
{
	uint64_t row = (uint64_t)hp->at.cols * heat_cell_bytes(&hp->m);
	uint64_t gpa = hp->m.start + row * (uint64_t)(2 * y);
	const struct vmc_map_entry *e = view_map_find(&hp->map, gpa), *end = view_map_find(&hp->map, gpa + 2 * row - 1);

	if (y % 4 == 0 || e != end)
		ui_draw(&hp->p, y, 0, ROLE_DIM, "%0*" PRIx64, hp->at.gutter - 2, gpa);
	ui_draw(&hp->p, y, hp->at.gutter - 1, e ? view_map_role(e) : ROLE_HOLE, "%s", e != end ? "├" : "│");
}

static void grid(struct heat_panel *hp)
{
	int64_t cursor = heat_index(&hp->m, hp->cursor);
	uint64_t top = heat_top(hp);

	for (int y = 0; y < hp->at.rows; y++) {
		uint64_t first = (uint64_t)(2 * y) * (uint64_t)hp->at.cols;

		if (hp->m.start + first * heat_cell_bytes(&hp->m) >= top)
			break;
		if (hp->at.gutter)
			gutter(hp, y);
		for (int x = 0; x < hp->at.cols; x++) {
			uint64_t up = first + (uint64_t)x, low = up + (uint64_t)hp->at.cols;

			ui_draw_half(&hp->p, y, hp->at.gutter + x, role_at(hp, up, top), role_at(hp, low, top),
				cursor == (int64_t)up || cursor == (int64_t)low);
		}
	}
}

/* "never ▀▀▀▀▀▀▀▀ now" */
static void legend(struct heat_panel *hp, int y, int x, int w)
{
	int end = x + w;

	if (w < 20)
		return;
	x += ui_draw(&hp->p, y, x, ROLE_DIM, "never ");
	for (int level = 0; level <= 15 && x < end - 4; level += level ? 2 : 1, x++)
		ui_draw_half(&hp->p, y, x, ROLE_HEAT0 + level, ROLE_HEAT0 + level, false);
	ui_draw(&hp->p, y, x, ROLE_DIM, " now");
}

/* What the picture does not show by itself: why it stands still. */
static const char *standing(const struct heat_panel *hp, enum ui_role *role)
{
	*role = ROLE_WARN;
	if (hp->frozen)
		return "frozen: Space goes on";
	if (hp->vm_state == VMC_PAUSED)
		return "‖ paused: picture held";
	if (hp->vm_state != VMC_RUNNING)
		return "the VM does not run";
	*role = ROLE_GOOD;
	return hp->follow ? "● live, follows the heat" : "● live";
}

void heat_written(const struct heat_panel *hp, char *out, size_t size)
{
	int64_t i = heat_index(&hp->m, hp->cursor);
	const struct heat_cell *c = i < 0 ? NULL : &hp->m.cells[i];
	char age[32], near[16];

	view_age(c ? heat_age_us(&hp->m, (uint32_t)i) : UINT64_MAX, age, sizeof(age));
	if (!c || !c->written_us) {
		snprintf(out, size, "%s", c && c->hole ? "not memory" : age);
	} else if (c->shift > hp->m.shift) { /* seen from further away: somewhere near */
		decode_size(1ull << (12 + c->shift), near, sizeof(near));
		snprintf(out, size, "within %s: %s", near, age);
	} else {
		snprintf(out, size, "written %s", age);
	}
}

static void rate(const struct heat_panel *hp, char *out, size_t size)
{
	char text[16];

	decode_size((uint64_t)hp->m.bytes_s, text, sizeof(text));
	snprintf(out, size, "%s/s", text);
}

static void cost(const struct heat_panel *hp, char *out, size_t size)
{
	uint64_t us = hp->m.harvest_us, step = us < 100 ? 5 : us < 1000 ? 50 : 500;
	uint64_t every = hp->m.every_us > hp->m.interval_us ? hp->m.every_us : hp->m.interval_us;
	double share = every ? 100.0 * (double)us / (double)every : 0;

	us = (us + step / 2) / step * step;
	if (every > SLOW_US) /* because they are dear (vmhost/heat.c) */
		snprintf(out, size, "look %" PRIu64 " µs, each %.1f s", us, (double)every / 1e6);
	else
		snprintf(out, size, "look %" PRIu64 " µs, %.1f%% of a core", us, share);
}

static void where(struct heat_panel *hp, char *out, size_t size)
{
	const struct vmc_map_entry *e = view_map_what(&hp->map, hp->cursor);
	struct vmc_symbols *syms = ui_vm_symbols(hp->p.vm);
	char sym[96];

	if (syms && vmc_symbols_find(syms, hp->cursor, sym, sizeof(sym)) == 0)
		snprintf(out, size, "%s · %s", e ? view_map_name(e) : "", sym);
	else
		snprintf(out, size, "%s", e ? view_map_name(e) : "");
}

static void side(struct heat_panel *hp)
{
	int x = hp->at.side, w = hp->at.side_w, y = 0;
	char text[160], cell[16];
	enum ui_role role;
	const char *state = standing(hp, &role);

	view_text(&hp->p, y++, x, w, role, "%s", state);
	rate(hp, text, sizeof(text));
	view_text(&hp->p, y++, x, w, ROLE_BOLD, "%s written", text);
	y++;
	ui_draw(&hp->p, y, x, ROLE_LABEL, "at");
	view_text(&hp->p, y++, x + 3, w - 3, ROLE_VALUE, "0x%" PRIx64, hp->cursor);
	where(hp, text, sizeof(text));
	view_text(&hp->p, y++, x, w, ROLE_DEFAULT, "%s", text);
	heat_written(hp, text, sizeof(text));
	view_text(&hp->p, y++, x, w, ROLE_DEFAULT, "%s", text);
	y++;
	decode_size(heat_cell_bytes(&hp->m), cell, sizeof(cell));
	view_text(&hp->p, y++, x, w, ROLE_DIM, "1 cell = %s", cell);
	cost(hp, text, sizeof(text));
	view_text(&hp->p, y++, x, w, ROLE_DIM, "%s", text);
	legend(hp, hp->at.rows > 16 ? ++y : y, x, w);
	if (hp->at.rows <= y + 6)
		return;
	y += 2;
	view_keys(&hp->p, y++, x, w, "+ -", "zoom", "0", "all", NULL);
	view_keys(&hp->p, y++, x, w, "f", "follow", "Space", "freeze", NULL);
	view_keys(&hp->p, y++, x, w, "Enter", "hex", "c", "clear", NULL);
}

static void status(struct heat_panel *hp)
{
	int y = hp->at.rows, w = hp->p.rect.w, x;
	char text[160], age[64], cell[16];
	enum ui_role role;
	const char *state = standing(hp, &role);

	if (!hp->at.status)
		return;
	heat_written(hp, age, sizeof(age));
	x = ui_draw(&hp->p, y, 0, ROLE_VALUE, "0x%" PRIx64, hp->cursor) + 1;
	x += view_text(&hp->p, y, x, w - x, ROLE_DEFAULT, "%s", age) + 1;
	where(hp, text, sizeof(text));
	if (w - x > 6)
		view_text(&hp->p, y, x, w - x, ROLE_DIM, "%s", text);
	if (hp->at.status < 2)
		return;
	rate(hp, text, sizeof(text));
	x = ui_draw(&hp->p, ++y, 0, ROLE_BOLD, "%s", text) + 2;
	x += view_text(&hp->p, y, x, w - x, role, "%s", state) + 2;
	if (hp->at.status < 3) {
		legend(hp, y, x, w - x);
		return;
	}
	decode_size(heat_cell_bytes(&hp->m), cell, sizeof(cell));
	view_text(&hp->p, y, x, w - x, ROLE_DIM, "1 cell = %s", cell);
	legend(hp, ++y, 0, w);
	cost(hp, text, sizeof(text));
	view_text(&hp->p, y, 22, w - 22, ROLE_DIM, "%s", text);
}

void heat_draw(struct heat_panel *hp)
{
	if (!hp->have_sample && !hp->frozen) {
		view_text(&hp->p, 0, 0, hp->p.rect.w, ROLE_DIM, "%s",
			view_absent(&hp->p));
		return;
	}
	grid(hp);
	if (hp->at.side)
		side(hp);
	else
		status(hp);
}
