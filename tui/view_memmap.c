/*
 * view_memmap.c - the memory map: RAM with what of it the host holds and what the guest makes of it, holes, PCI windows
 * and ports with their devices and how often they are touched, drawn to scale and as a list. Screen thread.
 */
#include <errno.h>
#include <inttypes.h>
#include <ncurses.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include "tui/decode.h"
#include "tui/view.h"

#define SAMPLE_MS 1000
#define RATE_US	  900000 /* accesses are counted over about a second */

struct entry_rate {
	uint64_t accesses; /* when counting began */
	uint64_t per_s;
};

struct memmap_panel {
	struct panel p;
	struct view_map map;
	struct entry_rate *rates; /* map.n */
	uint64_t rates_us;
	bool rates_known;	  /* a first second has passed */
	bool have_map, ports;
	char filter[48];
	uint32_t *rows, nrows;	  /* entries that are listed, by index into map.e */
	uint32_t sel, first;	  /* of rows; first: on the screen */
	int list_y, list_h;	  /* as drawn last */
};

static const struct vmc_map_entry *selected(const struct memmap_panel *mp)
{
	return mp->sel < mp->nrows ? &mp->map.e[mp->rows[mp->sel]] : NULL;
}

/* ---- which entries are listed ---- */

static bool listed(const struct memmap_panel *mp, const struct vmc_map_entry *e)
{
	if (view_map_is_port(e) && !mp->ports)
		return false;
	return !mp->filter[0] || strcasestr(e->name, mp->filter) || strcasestr(e->kind, mp->filter);
}

static int by_place(const void *a, const void *b, void *arg)
{
	const struct vmc_map_entry *e = arg, *x = &e[*(const uint32_t *)a], *y = &e[*(const uint32_t *)b];

	if (view_map_is_port(x) != view_map_is_port(y))
		return view_map_is_port(x) ? 1 : -1;
	if (x->start != y->start)
		return x->start < y->start ? -1 : 1;
	if (view_map_is_guest(x) != view_map_is_guest(y)) /* what lies over something comes after it */
		return view_map_is_guest(x) ? 1 : -1;
	return x->size > y->size ? -1 : x->size < y->size;
}

static void list_rows(struct memmap_panel *mp)
{
	uint32_t was = mp->sel < mp->nrows ? mp->rows[mp->sel] : 0;

	free(mp->rows);
	mp->nrows = 0;
	mp->rows = calloc(mp->map.n ? mp->map.n : 1, sizeof(*mp->rows));
	if (!mp->rows)
		return;
	for (uint32_t i = 0; i < mp->map.n; i++)
		if (listed(mp, &mp->map.e[i]))
			mp->rows[mp->nrows++] = i;
	qsort_r(mp->rows, mp->nrows, sizeof(*mp->rows), by_place, mp->map.e);
	mp->sel = 0;
	for (uint32_t i = 0; i < mp->nrows; i++)
		if (mp->rows[i] == was)
			mp->sel = i;
}

/* ---- samples ---- */

static void memmap_want(struct panel *p, struct vmc_subscription *sub)
{
	sub->topics |= VMC_SUB_STATS | VMC_SUB_MAP;
	if (!sub->interval_ms || sub->interval_ms > SAMPLE_MS)
		sub->interval_ms = SAMPLE_MS;
}

static void begin_rates(struct memmap_panel *mp, uint64_t time_us)
{
	struct entry_rate *r = realloc(mp->rates, mp->map.n * sizeof(*r));

	if (!r)
		return;
	mp->rates = r;
	mp->rates_us = time_us;
	mp->rates_known = false;
	for (uint32_t i = 0; i < mp->map.n; i++)
		r[i] = (struct entry_rate){ mp->map.e[i].accesses, 0 };
}

static void count_rates(struct memmap_panel *mp, uint64_t time_us)
{
	double dt = (double)(time_us - mp->rates_us) / 1e6;

	for (uint32_t i = 0; i < mp->map.n; i++) {
		uint64_t now = mp->map.e[i].accesses, before = mp->rates[i].accesses;

		mp->rates[i].per_s = now > before ? decode_rate(now - before, dt) : 0;
		mp->rates[i].accesses = now;
	}
	mp->rates_us = time_us;
	mp->rates_known = true;
}

static enum panel_result memmap_sample(struct panel *p, const struct vmc_sample *s)
{
	struct memmap_panel *mp = (struct memmap_panel *)p;
	bool news;

	if (!s->map)
		return PANEL_IGNORED;
	/* The list may be told ten times a second for somebody else's sake; once is enough to read. */
	if (mp->have_map && s->time_us - mp->rates_us < RATE_US && s->time_us >= mp->rates_us)
		return PANEL_HANDLED;
	news = view_map_take(&mp->map, s) || !mp->rates || s->time_us < mp->rates_us;
	mp->have_map = true;
	if (news) {
		list_rows(mp);
		begin_rates(mp, s->time_us);
	} else {
		count_rates(mp, s->time_us);
	}
	return PANEL_REDRAW;
}

/* ---- drawing ---- */

static uint64_t scale_end(const struct memmap_panel *mp)
{
	uint64_t end = VMC_PAGE_SIZE;

	for (uint32_t i = 0; i < mp->map.n; i++) {
		const struct vmc_map_entry *e = &mp->map.e[i];

		if (!view_map_is_port(e) && view_map_end(e) > end)
			end = view_map_end(e);
	}
	return end;
}

static const char *strip_glyph(const struct memmap_panel *mp, enum ui_role role)
{
	if (!ui_ascii(mp->p.ui))
		return role == ROLE_HOLE ? "·" : "█";
	return role == ROLE_RAM ? "=" : role == ROLE_ROM ? "R" : role == ROLE_HOLE ? "." : "M";
}

/* Columns [*from, *to) of a strip of @w for an entry; one at least. */
static void strip_span(const struct vmc_map_entry *e, uint64_t end, int w, int *from, int *to)
{
	*from = (int)((double)e->start / (double)end * w); /* start < end: see scale_end() */
	*to = (int)((double)view_map_end(e) / (double)end * w + 0.5);
	if (*from > w - 1)
		*from = w - 1;
	if (*to <= *from)
		*to = *from + 1;
}

/* Memory to scale: what is small still gets a column, devices lie above memory, memory above holes. */
static int strip(struct memmap_panel *mp, int y)
{
	static const enum ui_role order[] = { ROLE_HOLE, ROLE_RAM, ROLE_ROM, ROLE_MMIO };
	const struct vmc_map_entry *sel = selected(mp);
	int w = mp->p.rect.w, from, to;
	uint64_t end = scale_end(mp);
	char text[16];

	for (int x = 0; x < w; x++)
		ui_draw(&mp->p, y, x, ROLE_HOLE, "%s", strip_glyph(mp, ROLE_HOLE));
	for (int k = 0; k < 4; k++)
		for (uint32_t i = 0; i < mp->map.n; i++) {
			const struct vmc_map_entry *e = &mp->map.e[i];

			if (view_map_is_port(e) || view_map_is_guest(e) || view_map_role(e) != order[k])
				continue;
			strip_span(e, end, w, &from, &to);
			for (int x = from; x < to; x++)
				ui_draw(&mp->p, y, x, order[k], "%s", strip_glyph(mp, order[k]));
		}
	decode_size(end, text, sizeof(text));
	ui_draw(&mp->p, y + 1, 0, ROLE_DIM, "0");
	ui_draw(&mp->p, y + 1, w - (int)strlen(text), ROLE_DIM, "%s", text);
	if (!sel || view_map_is_port(sel))
		return 2;
	strip_span(sel, end, w, &from, &to);
	for (int x = from; x < to; x++)
		ui_draw(&mp->p, y + 1, x, ROLE_CURSOR, "%s", ui_ascii(mp->p.ui) ? "^" : "▔");
	return 2;
}

static void entry_flags(const struct vmc_map_entry *e, char *out, size_t size)
{
	struct decode_words w = { out, size, 0 };
	char slot[16];

	out[0] = '\0';
	if (e->slot >= 0) {
		snprintf(slot, sizeof(slot), "slot %d", e->slot);
		decode_word(&w, slot);
	}
	if (e->read_only)
		decode_word(&w, "ro");
	if (e->dirty_log)
		decode_word(&w, "log");
}

/* Which columns there are, by width. */
struct columns {
	int digits, size, name, flags, use; /* widths; 0: not shown */
};

static struct columns columns_for(const struct memmap_panel *mp)
{
	int w = mp->p.rect.w, left;
	struct columns c = { .digits = (scale_end(mp) - 1) >> 32 ? 10 : 8, .size = w >= 32 ? 8 : 0 };

	left = w - 2 - c.digits - 1 - (c.size ? c.size + 1 : 0);
	if (w >= 50)
		c.use = 12;
	if (w >= 70)
		c.flags = 11;
	if (w >= 100) {
		c.use = 32;
		c.flags = 14;
	}
	c.name = left - (c.use ? c.use + 1 : 0) - (c.flags ? c.flags + 1 : 0);
	return c;
}

/* How much of it the host holds, or how often it is touched. */
static void draw_use(struct memmap_panel *mp, int y, int x, int w, uint32_t i, bool sel)
{
	const struct vmc_map_entry *e = &mp->map.e[i];
	double share = e->size && e->resident > 0 ? (double)e->resident / (double)e->size : 0;
	enum ui_role role = sel ? ROLE_SELECTED : ROLE_VALUE;
	char text[16];

	if (e->resident >= 0) {
		ui_draw_bar(&mp->p, y, x, w - 6, (uint64_t)(share * 1000), 1000, sel ? ROLE_SELECTED : ROLE_BAR);
		ui_draw(&mp->p, y, x + w - 5, role, "%4.0f%%", share * 100);
	} else if (mp->rates_known && mp->rates[i].per_s > 0) {
		decode_count(mp->rates[i].per_s, text, sizeof(text));
		ui_draw(&mp->p, y, x + w - 12, role, "%10s/s", text);
	} else if (e->accesses) {
		decode_count(e->accesses, text, sizeof(text));
		ui_draw(&mp->p, y, x + w - 12, sel ? ROLE_SELECTED : ROLE_DIM, "%6s exits", text);
	}
}

static void draw_row(struct memmap_panel *mp, const struct columns *c, int y, uint32_t row)
{
	uint32_t i = mp->rows[row];
	const struct vmc_map_entry *e = &mp->map.e[i];
	bool sel = row == mp->sel;
	enum ui_role kind = view_map_role(e), role = sel ? ROLE_SELECTED : kind == ROLE_HOLE ? ROLE_DIM : ROLE_DEFAULT;
	char text[32];
	int x = 0;

	if (sel)
		ui_draw_fill(&mp->p, y, 0, 1, mp->p.rect.w, ROLE_SELECTED);
	ui_draw(&mp->p, y, x, sel ? ROLE_SELECTED : kind, "%s",
		view_map_is_guest(e) ? ui_ascii(mp->p.ui) ? "|" : "▏" : strip_glyph(mp, kind));
	x += 2;
	if (view_map_is_port(e))
		ui_draw(&mp->p, y, x, role, "%*s%04" PRIx64, c->digits - 4, "", e->start);
	else if (sel)
		ui_draw(&mp->p, y, x, role, "%0*" PRIx64, c->digits, e->start);
	else
		view_hex(&mp->p, y, x, c->digits, e->start, kind == ROLE_HOLE ? ROLE_DIM : ROLE_VALUE);
	x += c->digits + 1;
	if (view_map_is_port(e))
		snprintf(text, sizeof(text), "%" PRIu64, e->size);
	else
		decode_size(e->size, text, sizeof(text));
	if (c->size) {
		ui_draw(&mp->p, y, x, role, "%*s", c->size, text);
		x += c->size + 1;
	}
	if (!c->size)
		view_text(&mp->p, y, x, c->name, role, "%s", view_map_name(e));
	else if (view_map_is_guest(e) && strncmp(e->name, e->kind, strlen(e->kind)) == 0)
		view_text(&mp->p, y, x, c->name, role, "%s", e->name); /* "kernel text" says it */
	else if (e->name[0] && strcmp(e->name, e->kind))
		view_text(&mp->p, y, x, c->name, role, "%s %s", e->kind, e->name);
	else
		view_text(&mp->p, y, x, c->name, role, "%s", e->kind);
	x += c->name + 1;
	entry_flags(e, text, sizeof(text));
	if (c->flags) {
		view_text(&mp->p, y, x, c->flags, sel ? ROLE_SELECTED : ROLE_DIM, "%s", text);
		x += c->flags + 1;
	}
	if (c->use)
		draw_use(mp, y, x, c->use, i, sel);
}

/* The selected entry in full, below the list. */
static void details(struct memmap_panel *mp, int y)
{
	const struct vmc_map_entry *e = selected(mp);
	int w = mp->p.rect.w, x;
	char text[32];

	if (!e)
		return;
	x = ui_draw(&mp->p, y, 0, ROLE_VALUE, "%" PRIx64 "–%" PRIx64, e->start, e->start + e->size - 1) + 2;
	x += view_text(&mp->p, y, x, w - x, ROLE_BOLD, "%s", view_map_name(e)) + 2;
	if (e->resident >= 0) {
		decode_size((uint64_t)e->resident, text, sizeof(text));
		x += view_text(&mp->p, y, x, w - x, ROLE_DIM, "%s resident", text) + 2;
		if (e->balloon) {
			decode_size(e->balloon, text, sizeof(text));
			x += view_text(&mp->p, y, x, w - x, ROLE_DIM, "%s in the balloon", text) + 2;
		}
	} else if (e->accesses) {
		decode_grouped(e->accesses, text, sizeof(text));
		x += view_text(&mp->p, y, x, w - x, ROLE_DIM, "%s exits served", text) + 2;
	}
	entry_flags(e, text, sizeof(text));
	view_text(&mp->p, y, x, w - x, ROLE_DIM, "%s", text);
	view_keys(&mp->p, y + 1, 0, w, "Enter", "hex", "h", "heatmap", "a", mp->ports ? "no ports" : "ports", "/", "filter",
		NULL);
}

static void memmap_draw(struct panel *p)
{
	struct memmap_panel *mp = (struct memmap_panel *)p;
	struct columns c;
	int y = 0, below = p->rect.h >= 10 ? 2 : 0;

	if (!mp->have_map) {
		view_text(p, 0, 0, p->rect.w, ROLE_DIM, "%s",
			view_absent(p));
		return;
	}
	if (p->rect.h >= 6)
		y = strip(mp, 0);
	c = columns_for(mp);
	mp->list_y = y;
	mp->list_h = p->rect.h - y - below < 1 ? 1 : p->rect.h - y - below;
	if (mp->sel < mp->first)
		mp->first = mp->sel;
	if (mp->sel >= mp->first + (uint32_t)mp->list_h)
		mp->first = mp->sel - (uint32_t)mp->list_h + 1;
	if (mp->first + (uint32_t)mp->list_h > mp->nrows)
		mp->first = mp->nrows > (uint32_t)mp->list_h ? mp->nrows - (uint32_t)mp->list_h : 0;
	for (uint32_t i = 0; i < (uint32_t)mp->list_h && mp->first + i < mp->nrows; i++)
		draw_row(mp, &c, y + (int)i, mp->first + i);
	if (!mp->nrows)
		view_text(p, y, 0, p->rect.w, ROLE_DIM, "nothing here is called \"%s\"", mp->filter);
	if (below)
		details(mp, p->rect.h - below);
}

static void memmap_title(struct panel *p, char *out, size_t size)
{
	struct memmap_panel *mp = (struct memmap_panel *)p;
	uint64_t ram = 0, resident = 0, balloon = 0;
	char a[16], b[16], c[40] = "";

	for (uint32_t i = 0; i < mp->map.n; i++)
		if (mp->map.e[i].resident >= 0) {
			ram += mp->map.e[i].size;
			resident += (uint64_t)mp->map.e[i].resident;
			balloon += mp->map.e[i].balloon;
		}
	decode_size(ram, a, sizeof(a));
	decode_size(resident, b, sizeof(b));
	if (balloon) {
		decode_size(balloon, c, sizeof(c) - 16);
		strcat(c, " in balloon");
	}
	if (mp->have_map)
		snprintf(out, size, "%s · memory map · %s, %s resident%s%s", ui_vm_name(p->vm), a, b, c[0] ? ", " : "", c);
	else
		snprintf(out, size, "%s · memory map", ui_vm_name(p->vm));
}

/* ---- keys ---- */

static void select_row(struct memmap_panel *mp, int64_t row)
{
	int64_t last = mp->nrows ? (int64_t)mp->nrows - 1 : 0;

	mp->sel = (uint32_t)(row < 0 ? 0 : row > last ? last : row);
}

static enum panel_result memmap_key(struct panel *p, int key)
{
	struct memmap_panel *mp = (struct memmap_panel *)p;
	int64_t at = mp->sel;

	switch (key) {
	case KEY_DOWN:
	case 'j':
		select_row(mp, at + 1);
		break;
	case KEY_UP:
	case 'k':
		select_row(mp, at - 1);
		break;
	case KEY_NPAGE:
		select_row(mp, at + mp->list_h);
		break;
	case KEY_PPAGE:
		select_row(mp, at - mp->list_h);
		break;
	case KEY_HOME:
		select_row(mp, 0);
		break;
	case KEY_END:
		select_row(mp, INT32_MAX);
		break;
	default:
		return view_cmd_key(p, key);
	}
	return PANEL_REDRAW;
}

static enum panel_result memmap_mouse(struct panel *p, const struct panel_mouse *m)
{
	struct memmap_panel *mp = (struct memmap_panel *)p;
	int row = m->y - mp->list_y;

	switch (m->what) {
	case MOUSE_WHEEL_UP:
	case MOUSE_WHEEL_DOWN:
		select_row(mp, (int64_t)mp->sel + (m->what == MOUSE_WHEEL_UP ? -1 : 1));
		return PANEL_REDRAW;
	case MOUSE_PRESS:
		if (row < 0 || row >= mp->list_h || mp->first + (uint32_t)row >= mp->nrows)
			return PANEL_IGNORED;
		select_row(mp, mp->first + row);
		return PANEL_REDRAW;
	default:
		return PANEL_IGNORED;
	}
}

static void memmap_filter(struct panel *p, const char *text)
{
	struct memmap_panel *mp = (struct memmap_panel *)p;

	snprintf(mp->filter, sizeof(mp->filter), "%s", text);
	list_rows(mp);
	ui_mark(p);
}

static struct memmap_panel *memmap_of(struct ui_cmd_call *call)
{
	return (struct memmap_panel *)view_of(call, &panel_memmap);
}

static int hex_exec(struct ui_cmd_call *call)
{
	struct memmap_panel *mp = memmap_of(call);
	const struct vmc_map_entry *e = mp ? selected(mp) : NULL;

	if (!e)
		return -EINVAL;
	if (view_map_is_port(e)) {
		ui_warn(mp->p.ui, "ports have no memory to show");
		return -EINVAL;
	}
	ui_goto_hex(mp->p.ui, mp->p.vm, e->start);
	return 0;
}

static int heat_exec(struct ui_cmd_call *call)
{
	struct memmap_panel *mp = memmap_of(call);
	const struct vmc_map_entry *e = mp ? selected(mp) : NULL;

	if (!e)
		return -EINVAL;
	if (e->slot < 0 && !view_map_is_guest(e)) {
		ui_warn(mp->p.ui, "%s is not memory: nothing to watch there", view_map_name(e));
		return -EINVAL;
	}
	panel_heat_show(ui_open_panel(mp->p.ui, mp->p.vm, "heat"), e->start, e->size);
	return 0;
}

static int ports_exec(struct ui_cmd_call *call)
{
	struct memmap_panel *mp = memmap_of(call);

	if (!mp)
		return -EINVAL;
	mp->ports = !mp->ports;
	list_rows(mp);
	return 0;
}

static const struct ui_cmd cmd_hex = {
	.name = "memmap-hex", .keys = "Enter", .help = "Show the selected memory in the hex view.", .flags = CMD_UI,
	.exec = hex_exec,
};
static const struct ui_cmd cmd_heat = {
	.name = "memmap-heat", .keys = "h", .help = "Show the selected memory in the heatmap.", .flags = CMD_UI,
	.exec = heat_exec,
};
static const struct ui_cmd cmd_ports = {
	.name = "memmap-ports", .keys = "a", .help = "List the I/O ports too.", .flags = CMD_UI, .exec = ports_exec,
};
static const struct ui_cmd *const memmap_cmds[] = { &cmd_hex, &cmd_heat, &cmd_ports, NULL };

/* ---- the panel ---- */

static struct panel *memmap_create(struct ui *ui, struct ui_vm *vm)
{
	struct memmap_panel *mp = calloc(1, sizeof(*mp));

	return mp ? &mp->p : NULL;
}

static void memmap_destroy(struct panel *p)
{
	struct memmap_panel *mp = (struct memmap_panel *)p;

	view_map_free(&mp->map);
	free(mp->rates);
	free(mp->rows);
	free(mp);
}

const struct panel_ops panel_memmap = {
	.name = "memmap",
	.help = "The memory map: RAM and what of it is resident, holes, PCI windows, ports; to scale and listed.",
	.min_h = 3, .min_w = 22,
	.per_vm = true,
	.cmds = memmap_cmds,
	.create = memmap_create,
	.destroy = memmap_destroy,
	.draw = memmap_draw,
	.title = memmap_title,
	.key = memmap_key,
	.mouse = memmap_mouse,
	.want = memmap_want,
	.sample = memmap_sample,
	.filter = memmap_filter,
};
