/*
 * vt_fast.c - plain lines past libvterm. vitrine-term's one thread. See vt.h.
 *
 * libvterm moves the whole screen for each line: 375,000 lines a second at best. When the terminal is in
 * a plain state and many lines of plain text come at once, all but the last screenful would only pass
 * through. Those go into the scrollback as text, and libvterm sees the rest; the result must be the
 * same as if it had seen all (tests/unit/test_term_vt.c compares).
 */
#include <string.h>
#include <tui/term/vt.h>

static bool plain_state(const struct vt *vt)
{
	const struct filter *f = &vt->filter;
	uint32_t want = FILTER_M_START & FILTER_M_ODD, got = f->modes & FILTER_M_ODD & ~FILTER_M_REGION;

	/* A single row is erased, not scrolled: libvterm hands no line over. */
	if (vt->no_fast || vt->alt || vt->rows < 2 || got != want)
		return false;
	if (f->region_top > 1 || (f->region_bottom && f->region_bottom < vt->rows))
		return false;
	return vt_pen_plain(vt);
}

static void parse_pieces(struct vt *vt, const char *p, size_t len)
{
	while (len) {
		size_t n = vt_whole(p, len, VT_FEED_MAX);

		vt_parse(vt, p, n);
		p += n;
		len -= n;
	}
}

/* The length of the next @lines lines, their LFs included; SIZE_MAX when there are fewer. */
static size_t lines_length(const char *p, size_t len, int lines)
{
	size_t at = 0;

	while (lines-- > 0) {
		const char *lf = memchr(p + at, '\n', len - at);

		if (!lf)
			return SIZE_MAX;
		at = (size_t)(lf - p) + 1;
	}
	return at;
}

/* Is the cursor at the beginning of an empty last row? */
static bool at_fresh_bottom(struct vt *vt)
{
	int row, col;

	vt_cursor(vt, &row, &col);
	if (row != vt->rows - 1 || col != 0)
		return false;
	vt_row(vt, row, vt->row);
	for (int i = 0; i < vt->cols; i++) {
		if (vt->row[i].ch[0] != ' ' || vt->row[i].ch[1] || vt->row[i].attrs ||
				vt->row[i].bg != TERM_COLOR_DEFAULT || vt->row[i].fg != TERM_COLOR_DEFAULT)
			return false;
	}
	return true;
}

/* Lines through libvterm until it scrolls at the last row; @used: bytes parsed. False: it does not work out. */
static bool settle(struct vt *vt, const char *p, size_t len, size_t *used)
{
	*used = 0;
	for (int tries = 0; tries < 3 && !at_fresh_bottom(vt); tries++) {
		int row, col;
		size_t n;

		vt_cursor(vt, &row, &col);
		n = lines_length(p + *used, len - *used, vt->rows - row > 1 ? vt->rows - 1 - row : 1);
		if (n == SIZE_MAX)
			return false;
		parse_pieces(vt, p + *used, n);
		*used += n;
	}
	return at_fresh_bottom(vt);
}

/* The next character of valid UTF-8. */
static uint32_t next_char(const char **p)
{
	const uint8_t *u = (const uint8_t *)*p;
	unsigned more = u[0] < 0x80 ? 0 : u[0] < 0xe0 ? 1 : u[0] < 0xf0 ? 2 : 3;
	uint32_t c = more ? u[0] & (0x3fu >> more) : u[0];

	for (unsigned i = 1; i <= more; i++)
		c = c << 6 | (u[i] & 0x3f);
	*p += more + 1;
	return c;
}

/* Only characters whose width is sure, and no tab among wide ones. */
static bool simple_chars(const char *p, const char *end)
{
	bool tab = false, wide = false;

	while (p < end) {
		uint32_t c;

		if (*p > 0x1f) {
			p++;
			continue;
		}
		if (*p == '\t') {
			tab = true;
			p++;
			continue;
		}
		c = next_char(&p);
		switch (filter_sure_width(c)) {
		case 0:
			return false;
		case 2:
			wide = true;
		}
	}
	return !tab || !wide;
}

/* The length of the text of a line that is "text CR... LF" with no CR within, given its LF. -1: not so. */
static long simple_text(const char *line, const char *lf, bool ascii)
{
	const char *end = lf, *cr;

	while (end > line && end[-1] == '\r')
		end--;
	if (end == lf)
		return -1;
	cr = memchr(line, '\r', (size_t)(lf - line));
	if (cr != end || (!ascii && !simple_chars(line, end)))
		return -1;
	return (long)(end - line);
}

/* A line with tabs or beyond ASCII, as libvterm would lay it out. */
static void push_cells(struct vt *vt, const char *text, const char *end)
{
	int col = 0, used = 0, last = vt->cols - 1;
	bool full = false; /* the cursor stays where it is until the next character */

	for (int i = 0; i < vt->cols; i++)
		cell_blank(&vt->row[i]);
	while (text < end) {
		uint32_t c = next_char(&text);
		int width;

		if (c == '\t') {
			while (col < last && (++col & 7))
				;
			continue;
		}
		width = (int)filter_sure_width(c);
		if (full || col + width > vt->cols) {
			sb_push(vt->sb, vt->row, (unsigned)used);
			for (int i = 0; i < vt->cols; i++)
				cell_blank(&vt->row[i]);
			col = 0;
			full = false;
		}
		vt->row[col].ch[0] = c;
		vt->row[col].width = (uint16_t)width;
		if (width == 2) {
			vt->row[col + 1].ch[0] = 0;
			vt->row[col + 1].width = 0;
		}
		used = col + width;
		if (used > last)
			full = true;
		else
			col = used;
	}
	sb_push(vt->sb, vt->row, (unsigned)used);
}

static void push_line(struct vt *vt, const char *text, size_t n, bool ascii)
{
	size_t cols = (size_t)vt->cols;

	if (!ascii || memchr(text, '\t', n)) {
		push_cells(vt, text, text + n);
		return;
	}
	while (n > cols) {
		sb_push_ascii(vt->sb, text, (unsigned)cols);
		text += cols;
		n -= cols;
	}
	sb_push_ascii(vt->sb, text, (unsigned)n);
}

/*
 * How many bytes from @p on may be skipped: simple lines, of which the last screenful is left for libvterm
 * to put on the screen.
 */
static size_t skippable(const struct vt *vt, const char *p, size_t len, bool ascii)
{
	size_t starts[TERM_MAX_ROWS], at = 0;
	unsigned n = 0, rows = (unsigned)vt->rows;

	while (at < len) {
		const char *lf = memchr(p + at, '\n', len - at);

		if (!lf || simple_text(p + at, lf, ascii) < 0)
			break;
		starts[n++ % rows] = at;
		at = (size_t)(lf - p) + 1;
	}
	return n > rows ? starts[n % rows] : 0;
}

static void skip_lines(struct vt *vt, const char *p, size_t len, bool ascii)
{
	size_t at = 0;

	/* What is on the screen is older than these lines. It scrolls off later, and must not count then. */
	for (int row = 0; row < vt->rows - 1; row++) {
		vt_row(vt, row, vt->row);
		sb_push(vt->sb, vt->row, (unsigned)vt->cols);
	}
	vt->ignore_push = (unsigned)vt->rows - 1;
	while (at < len) {
		const char *lf = memchr(p + at, '\n', len - at);

		long n = simple_text(p + at, lf, true); /* skippable() has looked at the rest */

		push_line(vt, p + at, (size_t)n, ascii);
		at = (size_t)(lf - p) + 1;
	}
	vt->fast_bytes += len;
}

void vt_fast(struct vt *vt, const char *bytes, size_t len, bool ascii)
{
	size_t used, skip;

	/* Two screenfuls, or it is not worth looking. */
	if (!plain_state(vt) || lines_length(bytes, len, 2 * vt->rows + 1) == SIZE_MAX) {
		parse_pieces(vt, bytes, len);
		return;
	}
	if (settle(vt, bytes, len, &used)) {
		skip = skippable(vt, bytes + used, len - used, ascii);
		if (skip)
			skip_lines(vt, bytes + used, skip, ascii);
		used += skip;
	}
	parse_pieces(vt, bytes + used, len - used);
	vt->ignore_push = 0;
}
