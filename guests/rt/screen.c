/*
 * screen.c - see screen.h. A cell is a code point and a style; only changed cells are sent. Now and
 * then everything is sent again, so that a terminal that attaches late and gets the history's end
 * sees a whole screen.
 */
#include "font.h"
#include "screen.h"

#define WHOLE_EVERY 65536 /* bytes of changes */

static const char *const styles[ST_STYLES] = {
	[ST_PLAIN] = "\x1b[0m",
	[ST_DIM] = "\x1b[0;2m",
	[ST_TITLE] = "\x1b[0;1;97;44m",
	[ST_KEY] = "\x1b[0;1;36m",
	[ST_GOOD] = "\x1b[0;32m",
	[ST_WARN] = "\x1b[0;33m",
	[ST_BAD] = "\x1b[0;1;31m",
	[ST_ACCENT] = "\x1b[0;1;35m",
	[ST_VALUE] = "\x1b[0;1m",
	[ST_BAR] = "\x1b[0;32m",
	[ST_BAR2] = "\x1b[0;36m",
	[ST_TRACK] = "\x1b[0;90m",
	[ST_HOT] = "\x1b[0;1;31m",
	[ST_COOL] = "\x1b[0;34m",
};

static uint32_t wanted[SCR_ROWS][SCR_COLS], shown[SCR_ROWS][SCR_COLS];
static unsigned cols, rows, shown_cols, shown_rows;
static bool whole = true;
static uint64_t since_whole;

static char out[8192];
static size_t out_len;

static void flush(void)
{
	if (out_len)
		rt_write(out, out_len);
	since_whole += out_len;
	out_len = 0;
}

static void emit(const char *text)
{
	size_t n = strlen(text);

	if (out_len + n > sizeof(out))
		flush();
	memcpy(out + out_len, text, n);
	out_len += n;
}

static void emit_codepoint(uint32_t c)
{
	char b[5] = {0};

	if (c < 0x80) {
		b[0] = (char)c;
	} else if (c < 0x800) {
		b[0] = (char)(0xc0 | c >> 6);
		b[1] = (char)(0x80 | (c & 63));
	} else if (c < 0x10000) {
		b[0] = (char)(0xe0 | c >> 12);
		b[1] = (char)(0x80 | (c >> 6 & 63));
		b[2] = (char)(0x80 | (c & 63));
	} else {
		b[0] = (char)(0xf0 | (c >> 18 & 7));
		b[1] = (char)(0x80 | (c >> 12 & 63));
		b[2] = (char)(0x80 | (c >> 6 & 63));
		b[3] = (char)(0x80 | (c & 63));
	}
	emit(b);
}

const char *scr_sgr(enum scr_style style)
{
	return styles[style];
}

void scr_redraw(void)
{
	whole = true;
}

void scr_begin(unsigned *out_cols, unsigned *out_rows)
{
	rt_console_size(&cols, &rows);
	cols = cols > SCR_COLS ? SCR_COLS : cols;
	rows = rows > SCR_ROWS ? SCR_ROWS : rows;
	for (unsigned r = 0; r < rows; r++)
		for (unsigned c = 0; c < cols; c++)
			wanted[r][c] = ' ';
	*out_cols = cols;
	*out_rows = rows;
}

void scr_cell(int row, int col, enum scr_style style, uint32_t codepoint)
{
	if (row >= 0 && col >= 0 && (unsigned)row < rows && (unsigned)col < cols)
		wanted[row][col] = codepoint | (uint32_t)style << 24;
}

static const char *decode(const char *s, uint32_t *out_c)
{
	uint32_t c = (uint8_t)*s++;
	unsigned more = c >= 0xf0 ? 3 : c >= 0xe0 ? 2 : c >= 0xc0 ? 1 : 0;

	c &= more == 3 ? 7 : more == 2 ? 15 : more == 1 ? 31 : 127;
	while (more-- && (*s & 0xc0) == 0x80)
		c = c << 6 | (*s++ & 63);
	*out_c = c;
	return s;
}

int scr_text(int row, int col, enum scr_style style, const char *text)
{
	while (*text) {
		uint32_t c;

		text = decode(text, &c);
		scr_cell(row, col++, style, c < 0x20 ? '.' : c);
	}
	return col;
}

int scr_printf(int row, int col, enum scr_style style, const char *format, ...)
{
	char line[512];
	va_list ap;

	va_start(ap, format);
	rt_vsnprintf(line, sizeof(line), format, ap);
	va_end(ap);
	return scr_text(row, col, style, line);
}

void scr_bar(int row, int col, int width, enum scr_style style, uint64_t value, uint64_t max)
{
	uint64_t eighths = max ? rt_muldiv(value < max ? value : max, (uint64_t)width * 8, max) : 0;

	if (width <= 0)
		return;
	if (!eighths && value)
		eighths = 1;
	for (int i = 0; i<width; i++, eighths = eighths> 8 ? eighths - 8 : 0) {
		if (eighths >= 8)
			scr_cell(row, col + i, style, 0x2588);
		else if (eighths)
			scr_cell(row, col + i, style, 0x2590 - (uint32_t)eighths);
		else
			scr_cell(row, col + i, ST_TRACK, 0xb7);
	}
}

void scr_title(const char *name, const char *what)
{
	char size[24];
	int col;

	for (unsigned c = 0; c < cols; c++)
		scr_cell(0, (int)c, ST_TITLE, ' ');
	col = scr_printf(0, 1, ST_TITLE, "%s", name);
	col = scr_printf(0, col, ST_TITLE, " \u2502 %s", what);
	rt_snprintf(size, sizeof(size), "%ux%u", cols, rows);
	if (col + (int)strlen(size) + 2 < (int)cols)
		scr_text(0, (int)(cols - strlen(size) - 1), ST_TITLE, size);
}

/* Columns up to the two spaces that end an entry. */
static int entry_width(const char *keys)
{
	int width = 0;

	while (*keys && !(keys[0] == ' ' && keys[1] == ' ')) {
		uint32_t c;

		keys = decode(keys, &c);
		width++;
	}
	return width;
}

static int place_keys(const char *keys, int row, bool draw)
{
	int col = 0;

	while (*keys) {
		int width = entry_width(keys);
		enum scr_style style = ST_KEY;

		if (col && col + width > (int)cols) {
			row++;
			col = 0;
		}
		for (; width; width--) {
			uint32_t c;

			keys = decode(keys, &c);
			if (c == ' ')
				style = ST_DIM;
			if (draw)
				scr_cell(row, col, style, c);
			col++;
		}
		while (*keys == ' ')
			keys++;
		col += 2;
	}
	return row;
}

int scr_keys(const char *keys)
{
	int first = (int)rows - 1 - place_keys(keys, 0, false);

	if (first < 1)
		first = 1; /* the title stays; the last keys are what a small screen has no room for */
	for (int r = first; r < (int)rows; r++) /* where the facts above reach down here, the keys win */
		for (unsigned c = 0; c < cols; c++)
			scr_cell(r, (int)c, ST_PLAIN, ' ');
	place_keys(keys, first, true);
	return first;
}

void scr_big(int row, int col, unsigned scale, enum scr_style style, const char *text)
{
	unsigned width = (FONT_W + 1) * scale, height = FONT_H * scale;

	for (; *text; text++, col += (int)width)
		for (unsigned y = 0; y < height; y += 2)
			for (unsigned x = 0; x < width; x++) {
				bool up = font_bit(*text, x / scale, y / scale);
				bool low = y + 1 < height &&
					   font_bit(*text, x / scale, (y + 1) / scale);

				if (up || low)
					scr_cell(row + (int)(y / 2), col + (int)x, style,
						up && low ? 0x2588
						: up      ? 0x2580
							  : 0x2584);
			}
}

static void show_row(unsigned r, uint32_t *style, bool *placed)
{
	char move[24];

	for (unsigned c = 0; c < cols; c++) {
		uint32_t cell = wanted[r][c];

		if (cell == shown[r][c] && !whole) {
			*placed = false;
			continue;
		}
		if (!*placed) {
			rt_snprintf(move, sizeof(move), "\x1b[%u;%uH", r + 1, c + 1);
			emit(move);
			*placed = true;
		}
		if (cell >> 24 != *style) {
			*style = cell >> 24;
			emit(styles[*style]);
		}
		emit_codepoint(cell & 0x1fffff);
		shown[r][c] = cell;
	}
	*placed = false;
}

void scr_show(void)
{
	uint32_t style = ST_STYLES;
	bool placed = false;

	if (cols != shown_cols || rows != shown_rows || since_whole > WHOLE_EVERY)
		whole = true;
	if (whole) {
		since_whole = 0;
		emit("\x1b[?1049h\x1b[?25l\x1b[0m\x1b[2J");
	}
	shown_cols = cols;
	shown_rows = rows;
	for (unsigned r = 0; r < rows; r++)
		show_row(r, &style, &placed);
	whole = false;
	flush();
}

void scr_plain(void)
{
	emit("\x1b[0m\x1b[?1049l\x1b[?25h");
	flush();
	whole = true;
}
