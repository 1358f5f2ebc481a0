/*
 * vt_cells.c - libvterm's cells and pen in our terms. vitrine-term's one thread. See vt.h.
 * Colours: the default, or one of xterm's 256; true colour is rounded to those.
 */
#include <stdio.h>
#include <string.h>
#include <tui/term/vt.h>

/* The nearest of the 6x6x6 cube (16..231) and the greys (232..255). */
static uint16_t nearest(uint8_t r, uint8_t g, uint8_t b)
{
	static const uint8_t step[6] = { 0, 95, 135, 175, 215, 255 };
	const uint8_t in[3] = { r, g, b };
	int level[3], cube = 0, grey, dist_grey = 0, avg = (r + g + b) / 3;

	for (int i = 0; i < 3; i++) {
		int v = in[i], l = v < 48 ? 0 : v < 115 ? 1 : (v - 35) / 40;

		level[i] = l;
		cube += (step[l] - v) * (step[l] - v);
	}
	grey = avg < 8 ? 0 : avg > 238 ? 23 : (avg - 3) / 10;
	for (int i = 0; i < 3; i++) {
		int d = 8 + 10 * grey - in[i];

		dist_grey += d * d;
	}
	if (dist_grey < cube)
		return (uint16_t)(232 + grey);
	return (uint16_t)(16 + 36 * level[0] + 6 * level[1] + level[2]);
}

static uint16_t colour(const VTermColor *c, bool fg)
{
	if (fg ? VTERM_COLOR_IS_DEFAULT_FG(c) : VTERM_COLOR_IS_DEFAULT_BG(c))
		return TERM_COLOR_DEFAULT;
	if (VTERM_COLOR_IS_INDEXED(c))
		return c->indexed.idx;
	return nearest(c->rgb.red, c->rgb.green, c->rgb.blue);
}

static void one_cell(const VTermScreenCell *in, struct term_cell *out)
{
	unsigned k = 0;

	memset(out, 0, sizeof(*out));
	out->width = in->width == 2 ? 2 : 1;
	for (unsigned i = 0; i < VTERM_MAX_CHARS_PER_CELL && in->chars[i] && k < TERM_CELL_CHARS; i++) {
		/* The filter lets none through; this is the second lock. The first must not be a mark alone. */
		if (filter_char_ok(in->chars[i]))
			out->ch[k++] = in->chars[i];
	}
	if (!out->ch[0]) {
		out->ch[0] = ' ';
		out->width = 1;
	}
	out->fg = colour(&in->fg, true);
	out->bg = colour(&in->bg, false);
	out->attrs = (uint16_t)((in->attrs.bold ? TERM_A_BOLD : 0) |
		(in->attrs.underline ? TERM_A_UNDERLINE : 0) | (in->attrs.italic ? TERM_A_ITALIC : 0) |
		(in->attrs.blink ? TERM_A_BLINK : 0) | (in->attrs.reverse ? TERM_A_REVERSE : 0) |
		(in->attrs.strike ? TERM_A_STRIKE : 0));
}

void vt_cells(const VTermScreenCell *in, unsigned n, struct term_cell *out)
{
	for (unsigned i = 0; i < n; i++) {
		one_cell(&in[i], &out[i]);
		if (out[i].width != 2)
			continue;
		if (i + 1 < n && in[i + 1].chars[0] == (uint32_t)-1) {
			out[i + 1] = out[i];
			memset(out[i + 1].ch, 0, sizeof(out[i + 1].ch));
			out[i + 1].width = 0;
			i++;
		} else { /* half of it was overwritten */
			memset(out[i].ch, 0, sizeof(out[i].ch));
			out[i].ch[0] = ' ';
			out[i].width = 1;
		}
	}
}

void vt_row(struct vt *vt, int row, struct term_cell *cells)
{
	VTermScreenCell line[TERM_MAX_COLS];

	memset(line, 0, sizeof(line[0]) * (size_t)vt->cols);
	for (int col = 0; col < vt->cols; col++)
		vterm_screen_get_cell(vt->screen, (VTermPos){ .row = row, .col = col }, &line[col]);
	/* get_cell() of the right half says chars[0] = -1, and of its left half width 2. */
	vt_cells(line, (unsigned)vt->cols, cells);
}

bool vt_line(struct vt *vt, uint64_t number, struct term_cell *cells)
{
	uint64_t end = sb_end(vt->sb);

	if (number < sb_first(vt->sb) || number >= end + (uint64_t)vt->rows)
		return false;
	if (number < end)
		sb_get(vt->sb, number, cells, (unsigned)vt->cols);
	else
		vt_row(vt, (int)(number - end), cells);
	return true;
}

static bool pen_bool(const struct vt *vt, VTermAttr attr)
{
	VTermValue v;

	memset(&v, 0, sizeof(v));
	vterm_state_get_penattr(vt->state, attr, &v);
	return vterm_get_attr_type(attr) == VTERM_VALUETYPE_INT ? v.number != 0 : v.boolean != 0;
}

static const struct {
	VTermAttr attr;
	int sgr;
} pen_attrs[] = {
	{ VTERM_ATTR_BOLD, 1 }, { VTERM_ATTR_UNDERLINE, 4 }, { VTERM_ATTR_ITALIC, 3 }, { VTERM_ATTR_BLINK, 5 },
	{ VTERM_ATTR_REVERSE, 7 }, { VTERM_ATTR_STRIKE, 9 },
};

static uint16_t pen_colour(const struct vt *vt, bool fg)
{
	VTermValue v;

	memset(&v, 0, sizeof(v));
	vterm_state_get_penattr(vt->state, fg ? VTERM_ATTR_FOREGROUND : VTERM_ATTR_BACKGROUND, &v);
	return colour(&v.color, fg);
}

bool vt_pen_plain(const struct vt *vt)
{
	for (size_t i = 0; i < sizeof(pen_attrs) / sizeof(pen_attrs[0]); i++) {
		if (pen_bool(vt, pen_attrs[i].attr))
			return false;
	}
	return pen_colour(vt, true) == TERM_COLOR_DEFAULT && pen_colour(vt, false) == TERM_COLOR_DEFAULT;
}

void vt_pen(const struct vt *vt, char *out, size_t size)
{
	uint16_t fg = pen_colour(vt, true), bg = pen_colour(vt, false);
	int n = snprintf(out, size, "\033[0");

	for (size_t i = 0; i < sizeof(pen_attrs) / sizeof(pen_attrs[0]); i++) {
		if (pen_bool(vt, pen_attrs[i].attr))
			n += snprintf(out + n, size - (size_t)n, ";%d", pen_attrs[i].sgr);
	}
	if (fg != TERM_COLOR_DEFAULT)
		n += snprintf(out + n, size - (size_t)n, ";38;5;%u", fg);
	if (bg != TERM_COLOR_DEFAULT)
		n += snprintf(out + n, size - (size_t)n, ";48;5;%u", bg);
	snprintf(out + n, size - (size_t)n, "m");
}
