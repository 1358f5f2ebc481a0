/*
 * view_heat.c - the heatmap: which memory is written, as it happens. Screen thread.
 *
 * One row is a power of two of cells, so that a column means the same address bits in every row and what a guest draws
 * into memory can be seen. What is asked of the VM is as many cells as the panel shows, and no dirty
 * logging at all while it is frozen.
 */
#include <errno.h>
#include <inttypes.h>
#include <ncurses.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "tui/decode.h"
#include "tui/view_heat.h"

#define SAMPLE_MS   100
#define STATUS_US   500000  /* the facts are drawn anew this often when no cell changes */
#define SCOUT_US    1500000 /* nothing warm in sight for this long: look at all of memory once */

uint64_t heat_top(const struct heat_panel *hp)
{
	uint64_t top = view_map_top(&hp->map), ram = ui_vm_info(hp->p.vm)->ram_bytes;

	if (top)
		return top;
	/* Before the map is known: RAM is laid out around the hole (vm.h). */
	if (ram > VMC_HOLE_START)
		ram += VMC_HOLE_END - VMC_HOLE_START;
	return ram ? ram : VMC_PAGE_SIZE;
}

static uint32_t cells_of(const struct heat_panel *hp)
{
	uint64_t n = (uint64_t)hp->at.cols * (uint64_t)hp->at.rows * 2;

	return n > HEAT_MAX_CELLS ? HEAT_MAX_CELLS : n ? (uint32_t)n : 1;
}

/* Look from @start at @shift: whole rows, and not past the end of memory where there is something before it. */
static void look(struct heat_panel *hp, uint64_t start, unsigned shift)
{
	uint64_t row = (uint64_t)hp->at.cols << (12 + shift), span = row * (uint64_t)hp->at.rows * 2, top = heat_top(hp);
	uint64_t last = top > span ? (top - span + row - 1) / row * row : 0;

	start = start / row * row;
	if (start > last)
		start = last;
	if (heat_view(&hp->m, start, shift, cells_of(hp)) < 0)
		return;
	free(hp->shown);
	hp->shown = NULL; /* all of it is drawn anew */
	ui_want(&hp->p);
	ui_mark(&hp->p);
}

static void look_at_all(struct heat_panel *hp)
{
	look(hp, 0, heat_fit_shift(heat_top(hp), cells_of(hp)));
}

/* After a new size or map. */
static void settle(struct heat_panel *hp)
{
	uint64_t middle = hp->m.start;

	heat_place(hp, heat_top(hp));
	if (hp->fit || !hp->m.ncells)
		look_at_all(hp);
	else
		look(hp, middle, hp->m.shift);
}

/* Zoom by one step and keep the cell of @gpa where it is on the screen. */
static void zoom(struct heat_panel *hp, int by, uint64_t gpa)
{
	unsigned fit = heat_fit_shift(heat_top(hp), cells_of(hp)), shift = hp->m.shift;
	int64_t at = heat_index(&hp->m, gpa);
	uint64_t rows_above, row;

	if ((by < 0 && !shift) || (by > 0 && shift >= fit)) {
		hp->fit = by > 0;
		ui_say(hp->p.ui, by < 0 ? "one page a cell is as near as it gets" : "this is all of memory");
		return;
	}
	shift = (unsigned)((int)shift + by);
	row = (uint64_t)hp->at.cols << (12 + shift);
	rows_above = at < 0 ? (uint64_t)hp->at.rows : (uint64_t)at / (uint64_t)hp->at.cols;
	hp->fit = shift >= fit;
	look(hp, gpa / row > rows_above ? (gpa / row - rows_above) * row : 0, shift);
}

/* Brings the cursor into sight by the least number of whole rows, half a screen at once. */
static void show_cursor(struct heat_panel *hp)
{
	uint64_t row = (uint64_t)hp->at.cols << (12 + hp->m.shift), half = row * (uint64_t)hp->at.rows;

	if (heat_index(&hp->m, hp->cursor) < 0) {
		hp->fit = false;
		look(hp, hp->cursor > half ? hp->cursor - half : 0, hp->m.shift);
	}
	ui_mark(&hp->p);
}

static void move_cursor(struct heat_panel *hp, int64_t cells)
{
	uint64_t cell = heat_cell_bytes(&hp->m), top = heat_top(hp), last = (top - 1) / cell * cell;
	uint64_t from = hp->cursor / cell * cell;

	hp->follow = false;
	if (cells < 0)
		from = (uint64_t)-cells > from / cell ? 0 : from - (uint64_t)-cells * cell;
	else
		from = (uint64_t)cells > (last - (from > last ? last : from)) / cell ? last : from + (uint64_t)cells * cell;
	hp->cursor = from;
	show_cursor(hp);
}

void panel_heat_show(struct panel *p, uint64_t start, uint64_t size)
{
	struct heat_panel *hp = (struct heat_panel *)p;

	if (!p || p->ops != &panel_heat)
		return;
	hp->fit = false;
	hp->follow = false;
	hp->cursor = start;
	look(hp, start, heat_fit_shift(size ? size : VMC_PAGE_SIZE, cells_of(hp)));
	ui_mark(p);
}

/* ---- samples ---- */

static void heat_want(struct panel *p, struct vmc_subscription *sub)
{
	struct heat_panel *hp = (struct heat_panel *)p;

	sub->topics |= VMC_SUB_STATS;
	if (hp->need_map)
		sub->topics |= VMC_SUB_MAP;
	if (!sub->interval_ms || sub->interval_ms > SAMPLE_MS)
		sub->interval_ms = SAMPLE_MS;
	if (hp->frozen)
		return;
	sub->topics |= VMC_SUB_HEAT;
	sub->heat_cells = hp->m.ncells;
	sub->heat_start = hp->scouting ? 0 : hp->m.start;
	sub->heat_size = (uint64_t)hp->m.ncells
		<< (12 + (hp->scouting ? heat_fit_shift(heat_top(hp), hp->m.ncells) : hp->m.shift));
}

static bool warm(const struct vmc_sample_heat *s, uint32_t cell)
{
	return s->heat[cell] && s->heat[cell] < HEAT_NOT_MEMORY;
}

/* One look at all of memory, to find where the writes are. */
static void scout(struct heat_panel *hp, const struct vmc_sample_heat *s)
{
	uint64_t bytes = s->cell_pages << 12, half;
	uint32_t best = 0;

	if (s->start || (uint64_t)s->cells * bytes < heat_top(hp))
		return; /* not the sample asked for, yet */
	for (uint32_t i = 1; i < s->cells; i++)
		if (warm(s, i) && (!warm(s, best) || s->heat[i] > s->heat[best]))
			best = i;
	hp->scouting = false;
	hp->cold_us = 0;
	ui_want(&hp->p);
	if (!s->cells || !warm(s, best))
		return;
	half = heat_cell_bytes(&hp->m) * hp->m.ncells / 2;
	hp->cursor = best * bytes;
	look(hp, hp->cursor + bytes / 2 > half ? hp->cursor + bytes / 2 - half : 0, hp->m.shift);
}

static void follow(struct heat_panel *hp, const struct vmc_sample *s)
{
	int64_t hot = heat_hottest(&hp->m, heat_index(&hp->m, hp->cursor));

	if (hot >= 0) {
		uint64_t at = hp->m.start + (uint64_t)hot * heat_cell_bytes(&hp->m);

		if (heat_index(&hp->m, hp->cursor) != hot)
			hp->cursor = at;
		hp->cold_us = 0;
	} else if (s->heat->dirty_pages) {
		if (!hp->cold_us)
			hp->cold_us = s->time_us;
		else if (s->time_us - hp->cold_us > SCOUT_US && !hp->fit && !hp->scouting) {
			hp->scouting = true;
			ui_want(&hp->p);
		}
	}
}

/* Has any temperature changed since it was drawn? */
static bool changed(struct heat_panel *hp)
{
	bool any = !hp->shown;

	if (!hp->shown)
		hp->shown = calloc(hp->m.ncells, 1);
	for (uint32_t i = 0; hp->shown && i < hp->m.ncells; i++) {
		uint8_t level = (uint8_t)heat_level(&hp->m, i);

		any |= level != hp->shown[i];
		hp->shown[i] = level;
	}
	return any;
}

static void take_map(struct heat_panel *hp, const struct vmc_sample *s)
{
	bool news = view_map_take(&hp->map, s);

	if (hp->need_map && s->nmap) {
		hp->need_map = false;
		ui_want(&hp->p);
	}
	if (news)
		settle(hp);
}

static enum panel_result heat_sample(struct panel *p, const struct vmc_sample *s)
{
	struct heat_panel *hp = (struct heat_panel *)p;
	bool news = s->state != hp->vm_state || !hp->have_sample;
	uint64_t cursor = hp->cursor;

	if (s->map)
		take_map(hp, s);
	hp->vm_state = s->state;
	if (!s->heat || hp->frozen)
		return news ? PANEL_REDRAW : PANEL_HANDLED;
	hp->have_sample = true;
	if (hp->scouting) {
		scout(hp, s->heat);
		return PANEL_HANDLED;
	}
	heat_feed(&hp->m, s->heat, s->time_us, s->state == VMC_RUNNING);
	if (hp->follow && s->state == VMC_RUNNING)
		follow(hp, s);
	if (changed(hp) || news || cursor != hp->cursor || s->time_us - hp->drawn_us >= STATUS_US) {
		hp->drawn_us = s->time_us;
		return PANEL_REDRAW;
	}
	return PANEL_HANDLED;
}

/* ---- the panel ---- */

static struct panel *heat_create(struct ui *ui, struct ui_vm *vm)
{
	struct heat_panel *hp = calloc(1, sizeof(*hp));

	if (!hp)
		return NULL;
	hp->fit = hp->need_map = true;
	return &hp->p;
}

static void heat_destroy(struct panel *p)
{
	struct heat_panel *hp = (struct heat_panel *)p;

	heat_free(&hp->m);
	view_map_free(&hp->map);
	free(hp->shown);
	free(hp);
}

static void heat_resized(struct panel *p)
{
	settle((struct heat_panel *)p);
}

static void heat_panel_draw(struct panel *p)
{
	struct heat_panel *hp = (struct heat_panel *)p;

	if (!hp->m.ncells)
		settle(hp);
	heat_draw(hp);
}

static void heat_title(struct panel *p, char *out, size_t size)
{
	struct heat_panel *hp = (struct heat_panel *)p;
	char cell[16], rate[16], more[80] = "", age[48];

	decode_size(heat_cell_bytes(&hp->m), cell, sizeof(cell));
	decode_size((uint64_t)hp->m.bytes_s, rate, sizeof(rate));
	if (hp->frozen)
		snprintf(more, sizeof(more), " · frozen");
	else if (hp->vm_state == VMC_PAUSED)
		snprintf(more, sizeof(more), " · paused");
	else if (!hp->at.status && !hp->at.side && p->focused) { /* no line below says it */
		heat_written(hp, age, sizeof(age));
		snprintf(more, sizeof(more), " · 0x%" PRIx64 " %s", hp->cursor, age);
	} else if (hp->at.status < 2 && !hp->at.side && hp->have_sample) /* else the panel has room for it */
		snprintf(more, sizeof(more), " · %s/s", rate);
	snprintf(out, size, "%s · heat · %s a cell%s", ui_vm_name(p->vm), cell, more);
}

static enum panel_result heat_key(struct panel *p, int key)
{
	struct heat_panel *hp = (struct heat_panel *)p;
	int cols = hp->at.cols, screen = cols * hp->at.rows * 2;

	switch (key) {
	case KEY_LEFT:
		move_cursor(hp, -1);
		break;
	case KEY_RIGHT:
		move_cursor(hp, 1);
		break;
	case KEY_UP:
	case 'k':
		move_cursor(hp, -cols);
		break;
	case KEY_DOWN:
	case 'j':
		move_cursor(hp, cols);
		break;
	case KEY_PPAGE:
		move_cursor(hp, -screen);
		break;
	case KEY_NPAGE:
		move_cursor(hp, screen);
		break;
	case KEY_HOME:
		move_cursor(hp, INT64_MIN / 2);
		break;
	case KEY_END:
		move_cursor(hp, INT64_MAX / 2);
		break;
	default:
		return view_cmd_key(p, key);
	}
	return PANEL_REDRAW;
}

static enum panel_result heat_mouse(struct panel *p, const struct panel_mouse *m)
{
	struct heat_panel *hp = (struct heat_panel *)p;
	int64_t cell = heat_cell_at(hp, m->y, m->x);
	uint64_t gpa = hp->m.start + (uint64_t)(cell < 0 ? 0 : cell) * heat_cell_bytes(&hp->m);

	if (cell < 0 || gpa >= heat_top(hp))
		return PANEL_IGNORED;
	switch (m->what) {
	case MOUSE_PRESS:
	case MOUSE_DRAG:
		hp->follow = false;
		hp->cursor = gpa;
		return PANEL_REDRAW;
	case MOUSE_WHEEL_UP:
	case MOUSE_WHEEL_DOWN:
		zoom(hp, m->what == MOUSE_WHEEL_UP ? -1 : 1, gpa);
		return PANEL_REDRAW;
	default:
		return PANEL_IGNORED;
	}
}

/* ---- commands ---- */

static struct heat_panel *heat_of(struct ui_cmd_call *call)
{
	return (struct heat_panel *)view_of(call, &panel_heat);
}

static int in_exec(struct ui_cmd_call *call)
{
	struct heat_panel *hp = heat_of(call);

	if (!hp)
		return -EINVAL;
	zoom(hp, -1, hp->cursor);
	return 0;
}

static int out_exec(struct ui_cmd_call *call)
{
	struct heat_panel *hp = heat_of(call);

	if (!hp)
		return -EINVAL;
	zoom(hp, 1, hp->cursor);
	return 0;
}

static int all_exec(struct ui_cmd_call *call)
{
	struct heat_panel *hp = heat_of(call);

	if (!hp)
		return -EINVAL;
	hp->fit = true;
	look_at_all(hp);
	return 0;
}

static int follow_exec(struct ui_cmd_call *call)
{
	struct heat_panel *hp = heat_of(call);

	if (!hp)
		return -EINVAL;
	hp->follow = !hp->follow;
	hp->cold_us = 0;
	ui_say(hp->p.ui, hp->follow ? "the cursor follows the hottest memory" : "the cursor stays");
	return 0;
}

static int freeze_exec(struct ui_cmd_call *call)
{
	struct heat_panel *hp = heat_of(call);

	if (!hp)
		return -EINVAL;
	hp->frozen = !hp->frozen;
	hp->scouting = false;
	hp->m.sample_us = 0; /* the time between is not the picture's age */
	ui_want(&hp->p);
	return 0;
}

static int clear_exec(struct ui_cmd_call *call)
{
	struct heat_panel *hp = heat_of(call);

	if (!hp)
		return -EINVAL;
	for (uint32_t i = 0; i < hp->m.ncells; i++)
		hp->m.cells[i].written_us = 0;
	return 0;
}

static int width_exec(struct ui_cmd_call *call)
{
	struct heat_panel *hp = heat_of(call);

	if (!hp)
		return -EINVAL;
	hp->full_width = !hp->full_width;
	settle(hp);
	return 0;
}

static int hex_exec(struct ui_cmd_call *call)
{
	struct heat_panel *hp = heat_of(call);

	if (!hp)
		return -EINVAL;
	ui_goto_hex(hp->p.ui, hp->p.vm, hp->cursor);
	return 0;
}

#define ROW(var, n, k, h, f) \
	static const struct ui_cmd var = { .name = n, .keys = k, .help = h, .flags = CMD_UI, .exec = f }
ROW(cmd_in, "heat-zoom-in", "+ =", "Fewer pages a cell, down to one.", in_exec);
ROW(cmd_out, "heat-zoom-out", "-", "More pages a cell, up to all of memory.", out_exec);
ROW(cmd_all, "heat-all", "0", "Show all of memory.", all_exec);
ROW(cmd_follow, "heat-follow", "f", "Let the cursor follow the hottest memory.", follow_exec);
ROW(cmd_freeze, "heat-freeze", "Space", "Hold the picture and switch its dirty logging off.", freeze_exec);
ROW(cmd_clear, "heat-clear", "c", "Forget the writes seen so far.", clear_exec);
ROW(cmd_width, "heat-width", "w", "Rows of a power of two, or as wide as the panel.", width_exec);
ROW(cmd_hex, "heat-hex", "Enter", "Show the memory under the cursor in the hex view.", hex_exec);
static const struct ui_cmd *const heat_cmds[] = {
	&cmd_in, &cmd_out, &cmd_all, &cmd_follow, &cmd_freeze, &cmd_clear, &cmd_width, &cmd_hex, NULL,
};

const struct panel_ops panel_heat = {
	.name = "heat",
	.help = "Which memory is written, as it happens: two cells a character, hot to cold.",
	.min_h = 4, .min_w = 16,
	.per_vm = true,
	.cmds = heat_cmds,
	.create = heat_create,
	.destroy = heat_destroy,
	.draw = heat_panel_draw,
	.resized = heat_resized,
	.title = heat_title,
	.key = heat_key,
	.mouse = heat_mouse,
	.want = heat_want,
	.sample = heat_sample,
};
