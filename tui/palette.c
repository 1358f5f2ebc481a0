/*
 * palette.c - colour pairs: any two of the 256 colours, brought down to what the terminal has. Screen thread.
 *
 * The terminal's own palette is never rewritten (no init_color). Pairs are made when first asked for and kept
 * in a table; when all are used up (terminals with 64 or 256 pairs), the table is emptied and the caller is
 * told to draw everything again, at most twice a frame, after which the nearest pair with the same background
 * has to do.
 */
#include "config.h"
#include <stdlib.h>
#include <string.h>
#include "tui/ui.h"

#define COLOURS 257 /* 0..255 and, as 0 here, the terminal's own */

static struct {
	bool on;
	bool own_default; /* the terminal has a default colour (-1) */
	int colours, max_pairs, used;
	uint16_t pair[COLOURS][COLOURS]; /* 0: not made yet */
	bool overflowed;
	int wiped; /* times since the last palette_overflowed() */
} pal;

/* xterm's 256 colours as RGB; the first 16 as most terminals show them. */
static unsigned rgb_of(int c)
{
	static const unsigned first[16] = {0x000000, 0xcd0000, 0x00cd00, 0xcdcd00, 0x0000ee, 0xcd00cd, 0x00cdcd,
		0xe5e5e5, 0x7f7f7f, 0xff0000, 0x00ff00, 0xffff00, 0x5c5cff, 0xff00ff, 0x00ffff, 0xffffff};
	static const unsigned level[6] = {0, 0x5f, 0x87, 0xaf, 0xd7, 0xff};
	unsigned grey;

	if (c < 16)
		return first[c];
	if (c < 232)
		return level[(c - 16) / 36] << 16 | level[(c - 16) / 6 % 6] << 8 | level[(c - 16) % 6];
	grey = 8 + 10 * (unsigned)(c - 232);
	return grey << 16 | grey << 8 | grey;
}

static long distance(unsigned a, unsigned b)
{
	long r = (long)(a >> 16 & 255) - (long)(b >> 16 & 255), g = (long)(a >> 8 & 255) - (long)(b >> 8 & 255),
	     v = (long)(a & 255) - (long)(b & 255);

	return 3 * r * r + 4 * g * g + 2 * v * v; /* the eye sees green best */
}

static int nearest(unsigned rgb, int from, int to)
{
	long best = -1, d;
	int i, found = from;

	for (i = from; i < to; i++) {
		d = distance(rgb, rgb_of(i));
		if (best < 0 || d < best) {
			best = d;
			found = i;
		}
	}
	return found;
}

int palette_from_rgb(unsigned rgb)
{
	return nearest(rgb, 16, 256);
}

void palette_start(bool no_color)
{
	memset(&pal, 0, sizeof(pal));
	if (no_color || !has_colors() || start_color() == ERR)
		return;
	pal.on = true;
	pal.own_default = use_default_colors() == OK;
	pal.colours = COLORS;
	pal.max_pairs = COLOR_PAIRS > 65536 ? 65536 : COLOR_PAIRS;
}

bool palette_has_color(void)
{
	return pal.on;
}

/* One of ours as one of the terminal's. */
static int reduce(int c)
{
	if (c < 0)
		return -1;
	if (pal.colours > 65536) /* direct colour: the number is the colour itself */
		return c < 8 ? c : (int)rgb_of(c);
	if (c < pal.colours)
		return c;
	if (pal.colours >= 16)
		return nearest(rgb_of(c), 0, 16);
	return c < 16 ? c & 7 : nearest(rgb_of(c), 0, 8);
}

static int make(int fg, int bg)
{
	int f = reduce(fg), b = reduce(bg);

	if (!pal.own_default) {
		f = f < 0 ? COLOR_WHITE : f;
		b = b < 0 ? COLOR_BLACK : b;
	}
	if (f == b && fg != bg && f >= 0) /* two colours that have become one: keep the text readable */
		f = f == COLOR_BLACK ? COLOR_WHITE : COLOR_BLACK;
	if (pal.used + 1 >= pal.max_pairs) {
		if (pal.wiped >= 2)
			return -1;
		memset(pal.pair, 0, sizeof(pal.pair));
		pal.used = 0;
		pal.wiped++;
		pal.overflowed = true;
	}
	pal.used++;
	if (init_extended_pair(pal.used, f, b) == ERR)
		return -1;
	return pal.used;
}

bool palette_same(int a, int b)
{
	return reduce(a) == reduce(b);
}

int palette_pair(int fg, int bg)
{
	int pair, i;

	if (!pal.on)
		return 0;
	fg = fg < -1 || fg > 255 ? -1 : fg;
	bg = bg < -1 || bg > 255 ? -1 : bg;
	pair = pal.pair[fg + 1][bg + 1];
	if (pair != 0)
		return pair;
	pair = make(fg, bg);
	for (i = 0; pair < 0 && i < COLOURS; i++) /* any pair on this background */
		if (pal.pair[i][bg + 1] != 0)
			return pal.pair[i][bg + 1];
	if (pair < 0)
		return 0;
	pal.pair[fg + 1][bg + 1] = (uint16_t)pair;
	return pair;
}

bool palette_overflowed(void)
{
	bool was = pal.overflowed;

	pal.overflowed = false;
	if (!was)
		pal.wiped = 0;
	return was;
}
