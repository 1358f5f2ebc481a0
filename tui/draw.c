/*
 * draw.c - characters on the screen: clipped, sanitised, in the colours of the theme. Screen thread.
 *
 * Everything is drawn into ncurses' stdscr; what reaches the terminal is the difference that doupdate() finds.
 */
#include "config.h"
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <wchar.h>
#include "tui/ui.h"

bool ui_ascii(const struct ui *ui)
{
	return ui->opt.ascii || !ui->utf8;
}

/* Box drawing, blocks and the few signs that the screen itself uses, for terminals without UTF-8. */
static wchar_t ascii_of(wchar_t ch)
{
	static const struct {
		wchar_t first, last;
		char ascii;
	} map[] = {
		{0x2500, 0x2501, '-'}, {0x2502, 0x2503, '|'}, {0x2504, 0x2505, '-'}, {0x2506, 0x2507, '|'},
		{0x2508, 0x2509, '-'}, {0x250a, 0x250b, '|'}, {0x250c, 0x254b, '+'}, {0x2550, 0x2550, '='},
		{0x2551, 0x2551, '|'}, {0x2552, 0x2570, '+'}, {0x2571, 0x2571, '/'}, {0x2572, 0x2572, '\\'},
		{0x2573, 0x2573, 'X'}, {0x2581, 0x2583, '_'}, {0x2584, 0x2588, '#'}, {0x2580, 0x2580, '"'},
		{0x2589, 0x258b, '#'}, {0x258c, 0x258f, '|'}, {0x2591, 0x2591, '.'}, {0x2592, 0x2592, ':'},
		{0x2593, 0x2593, '#'}, {0x25cf, 0x25cf, '*'}, {0x25cb, 0x25cb, 'o'}, {0x25b6, 0x25b8, '>'},
		{0x2016, 0x2016, '"'}, {0x00b7, 0x00b7, '.'}, {0x2026, 0x2026, '~'}, {0x2190, 0x2190, '<'},
		{0x2191, 0x2191, '^'}, {0x2192, 0x2192, '>'}, {0x2193, 0x2193, 'v'}, {0x2713, 0x2713, '+'},
		{0x2717, 0x2717, 'x'}, {0x2013, 0x2014, '-'}, {0x00a0, 0x00a0, ' '}, {0x00b5, 0x00b5, 'u'},
		{0x00d7, 0x00d7, 'x'}, {0x25c6, 0x25c6, '+'}, {0x2502, 0x2502, '|'}, {0x25b2, 0x25b2, '^'},
		{0x25bc, 0x25bc, 'v'}, {0x2018, 0x2019, '\''}, {0x201c, 0x201d, '"'},
	};
	size_t i;

	if (ch < 0x7f)
		return ch;
	for (i = 0; i < sizeof(map) / sizeof(map[0]); i++)
		if (ch >= map[i].first && ch <= map[i].last)
			return (wchar_t)map[i].ascii;
	return L'?';
}

/* What may move the cursor, hide or reorder text has no business in a cell. */
static bool unsafe(uint32_t ch)
{
	return ch < 0x20 || (ch >= 0x7f && ch < 0xa0) || ch == 0xad || ch == 0x61c || ch == 0x180e ||
		(ch >= 0x200b && ch <= 0x200f) || (ch >= 0x2028 && ch <= 0x202e) ||
		(ch >= 0x2060 && ch <= 0x206f) || (ch >= 0xd800 && ch <= 0xdfff) || ch == 0xfeff ||
		(ch >= 0xfff9 && ch <= 0xfffb) || (ch >= 0xe0000 && ch <= 0xe0fff) || ch > 0x10ffff;
}

static void put(int y, int x, const wchar_t *text, attr_t attr, int pair)
{
	cchar_t cc;

	if (setcchar(&cc, text, attr, 0, &pair) == OK)
		mvadd_wch(y, x, &cc); /* ERR in the last corner only says that the cursor cannot advance */
}

static void put_role(struct ui *ui, int y, int x, const wchar_t *text, enum ui_role role)
{
	const struct ui_style *s = &ui->theme.role[role];

	put(y, x, text, s->attr, palette_pair(s->fg, s->bg));
}

void draw_wch(struct ui *ui, int y, int x, wchar_t ch, enum ui_role role)
{
	wchar_t text[2] = {ui_ascii(ui) ? ascii_of(ch) : ch, 0};

	if (y >= 0 && x >= 0 && y < ui->rows && x < ui->cols)
		put_role(ui, y, x, text, role);
}

/* One character of UTF-8; a broken byte counts as one character, '?'. Return: bytes taken. */
static size_t decode(const char *s, size_t len, uint32_t *out)
{
	const unsigned char *p = (const unsigned char *)s;
	size_t n, i;
	uint32_t ch;

	*out = '?';
	if (p[0] < 0x80) {
		*out = p[0];
		return 1;
	}
	n = p[0] >= 0xf0 && p[0] < 0xf5 ? 4 : p[0] >= 0xe0 ? 3 : p[0] >= 0xc2 ? 2 : 0;
	if (n == 0 || n > len || p[0] >= 0xf5)
		return 1;
	ch = p[0] & (0xffu >> (n + 1));
	for (i = 1; i < n; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 1;
		ch = ch << 6 | (p[i] & 0x3f);
	}
	if ((n == 3 && ch < 0x800) || (n == 4 && ch < 0x10000))
		return n;
	*out = ch;
	return n;
}

static int char_width(uint32_t ch)
{
	int w = ch < 0x7f ? 1 : wcwidth((wchar_t)ch);

	return w;
}

int text_width(const char *text)
{
	size_t len = strlen(text), n;
	uint32_t ch;
	int w, total = 0;

	while (len > 0) {
		n = decode(text, len, &ch);
		w = unsafe(ch) ? 1 : char_width(ch);
		total += w < 0 ? 1 : w;
		text += n;
		len -= n;
	}
	return total;
}

size_t text_fit(const char *text, int w)
{
	size_t at = 0, blank = 0, next;
	char part[8];
	int used = 0;

	while (text[at] != '\0') {
		for (next = at + 1; ((unsigned char)text[next] & 0xc0) == 0x80 && next - at < 4; next++)
			;
		if (next == at + 1) {
			used++;
		} else {
			snprintf(part, sizeof(part), "%.*s", (int)(next - at), text + at);
			used += text_width(part);
		}
		if (used > w)
			return blank > 0 ? blank : at > 0 ? at : next;
		if (text[at] == ' ' && used > w / 2)
			blank = at + 1;
		at = next;
	}
	return at;
}

/*
 * Text in columns x0 .. x0+w-1 beginning at column x (which may lie left of x0). Combining characters are
 * dropped: the screen's own texts have none, and what guests write comes through ui_draw_cell().
 * Return: the columns the text would take unclipped.
 */
static int text_clipped(struct ui *ui, int y, int x, int x0, int w, enum ui_role role, const char *text)
{
	size_t len = strlen(text), n;
	wchar_t cell[2] = {0, 0};
	uint32_t ch;
	int cw, at = x;
	bool ascii = ui_ascii(ui);

	while (len > 0) {
		n = decode(text, len, &ch);
		text += n;
		len -= n;
		cw = unsafe(ch) ? -1 : char_width(ch);
		if (cw == 0)
			continue;
		if (cw < 0) {
			ch = '?';
			cw = 1;
		}
		cell[0] = ascii ? ascii_of((wchar_t)ch) : (wchar_t)ch;
		if (ascii && cw == 2)
			cell[0] = L'?';
		if (at >= x0 && at + cw <= x0 + w)
			put_role(ui, y, at, cell, role);
		else if (at < x0 + w && at + cw > x0 + w)
			put_role(ui, y, at, L" ", role); /* half a wide character */
		at += cw;
	}
	return at - x;
}

int draw_text(struct ui *ui, int y, int x, int w, enum ui_role role, const char *text)
{
	int used;

	if (y < 0 || y >= ui->rows || x >= ui->cols || w <= 0)
		return 0;
	if (x + w > ui->cols)
		w = ui->cols - x;
	used = text_clipped(ui, y, x, x < 0 ? 0 : x, w, role, text);
	return used < w ? used : w;
}

void draw_fill(struct ui *ui, int y, int x, int h, int w, enum ui_role role)
{
	const struct ui_style *s = &ui->theme.role[role];
	int pair = palette_pair(s->fg, s->bg), i;
	cchar_t cc;

	if (setcchar(&cc, L" ", s->attr & ~(attr_t)A_UNDERLINE, 0, &pair) != OK || w <= 0)
		return;
	for (i = 0; i < h; i++)
		mvhline_set(y + i, x, &cc, w);
}

int ui_draw(struct panel *p, int y, int x, enum ui_role role, const char *fmt, ...)
{
	char text[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (y < 0 || y >= p->rect.h)
		return text_width(text);
	return text_clipped(p->ui, p->rect.y + y, p->rect.x + x, p->rect.x, p->rect.w, role, text);
}

void ui_draw_cell(struct panel *p, int y, int x, const uint32_t *chars, int nchars, int width, int fg, int bg,
	uint32_t attrs)
{
	const struct ui_style *def = &p->ui->theme.role[ROLE_DEFAULT];
	wchar_t cell[CCHARW_MAX + 1];
	int i, n = 0, pair;

	if (y < 0 || x < 0 || y >= p->rect.h || x >= p->rect.w)
		return;
	for (i = 0; i < nchars && n < CCHARW_MAX - 1; i++) {
		if (chars[i] == 0)
			break;
		if (unsafe(chars[i]) || (n == 0 && char_width(chars[i]) < 1))
			cell[n == 0 ? n++ : n] = L'?';
		else if (n == 0 || char_width(chars[i]) == 0)
			cell[n++] = (wchar_t)chars[i];
	}
	if (n == 0)
		cell[n++] = L' ';
	if (ui_ascii(p->ui)) {
		cell[0] = ascii_of(cell[0]);
		n = 1;
	}
	cell[n] = 0;
	if (char_width((uint32_t)cell[0]) == 2 && (x + 1 >= p->rect.w || width < 2)) {
		cell[0] = L' ';
		cell[1] = 0;
	}
	pair = palette_pair(fg < 0 ? def->fg : fg, bg < 0 ? def->bg : bg);
	put(p->rect.y + y, p->rect.x + x, cell, (attr_t)attrs, pair);
}

/* Without colours or half blocks: how hot, as a shade. */
static void draw_shade(struct panel *p, int y, int x, enum ui_role hot)
{
	static const wchar_t utf8[] = L"\u00b7\u2591\u2591\u2591\u2592\u2592\u2592\u2592\u2593\u2593\u2593\u2593\u2588"
				      "\u2588\u2588\u2588";
	static const char ascii[] = ".:::--==++**##%@";
	wchar_t text[2] = {L' ', 0};

	if (hot >= ROLE_HEAT0 && hot <= ROLE_HEAT15)
		text[0] = ui_ascii(p->ui) ? (wchar_t)ascii[hot - ROLE_HEAT0] : utf8[hot - ROLE_HEAT0];
	put_role(p->ui, p->rect.y + y, p->rect.x + x, text, hot);
}

void ui_draw_half(struct panel *p, int y, int x, enum ui_role upper, enum ui_role lower, bool cursor)
{
	const struct ui_style *up = &p->ui->theme.role[upper], *low = &p->ui->theme.role[lower];
	const struct ui_style *cur = &p->ui->theme.role[ROLE_CURSOR];

	if (y < 0 || x < 0 || y >= p->rect.h || x >= p->rect.w)
		return;
	if (cursor) {
		put(p->rect.y + y, p->rect.x + x, ui_ascii(p->ui) ? L"+" : L"\u25c6", cur->attr,
			palette_pair(cur->fg, cur->bg));
		return;
	}
	if (ui_ascii(p->ui) || !palette_has_color() || !p->ui->theme.colour) {
		draw_shade(p, y, x, upper > lower ? upper : lower);
		return;
	}
	if (palette_same(up->fg, low->fg))
		put(p->rect.y + y, p->rect.x + x, L"\u2588", up->attr, palette_pair(up->fg, up->bg));
	else
		put(p->rect.y + y, p->rect.x + x, L"\u2580", up->attr, palette_pair(up->fg, low->fg));
}

void ui_draw_bar(struct panel *p, int y, int x, int w, uint64_t value, uint64_t max, enum ui_role role)
{
	static const wchar_t eighth[] = L" \u258f\u258e\u258d\u258c\u258b\u258a\u2589";
	uint64_t eighths, full;
	struct ui *ui = p->ui;
	wchar_t ch;
	int i;

	if (max == 0)
		max = 1;
	if (value > max)
		value = max;
	eighths = (uint64_t)((double)value / (double)max * (double)(w * 8) + 0.5);
	if (value > 0 && eighths == 0)
		eighths = 1;
	full = eighths / 8;
	for (i = 0; i < w; i++) {
		if (y < 0 || y >= p->rect.h || x + i < 0 || x + i >= p->rect.w)
			continue;
		if ((uint64_t)i < full)
			ch = ui_ascii(ui) ? L'#' : L'\u2588';
		else if ((uint64_t)i == full && eighths % 8 != 0)
			ch = ui_ascii(ui) ? L'-' : eighth[eighths % 8];
		else
			ch = ui_ascii(ui) ? L'.' : L' ';
		draw_wch(ui, p->rect.y + y, p->rect.x + x + i, ch,
			(uint64_t)i < full || ((uint64_t)i == full && eighths % 8 != 0) ? role : ROLE_BAR_EMPTY);
	}
}

void ui_draw_fill(struct panel *p, int y, int x, int h, int w, enum ui_role role)
{
	if (y < 0) {
		h += y;
		y = 0;
	}
	if (x < 0) {
		w += x;
		x = 0;
	}
	if (y + h > p->rect.h)
		h = p->rect.h - y;
	if (x + w > p->rect.w)
		w = p->rect.w - x;
	if (h > 0 && w > 0)
		draw_fill(p->ui, p->rect.y + y, p->rect.x + x, h, w, role);
}
