/*
 * sb.c - the scrollback ring. vitrine-term's one thread. See sb.h.
 *
 * A line is kept as a tag byte and its body. TAG_ASCII: the characters. TAG_RUNS: runs, each a struct run
 * and its cells; a cell is UTF-8, after a mark when it is two columns wide or has combining characters: the mark says
 * so and how many. Marks are control characters, which never are in a cell.
 */
#include <stdlib.h>
#include <string.h>
#include <tui/term/sb.h>

enum { TAG_ASCII, TAG_RUNS };
enum { MARK = 1, MARK_WIDE = 2, MARK_JOIN_SHIFT = 2 };
/* The mark, the base, 3 combining characters; and a run header for each. */
enum { CELL_MAX = 1 + TERM_CELL_CHARS * 4, LINE_MAX_BYTES = 1 + TERM_MAX_COLS * (CELL_MAX + 8) };

struct run {
	uint16_t n, fg, bg, attrs;
};

struct line {
	uint32_t offset, len; /* in the ring; may wrap */
};

struct sb {
	uint32_t max_lines, max_bytes;
	uint64_t first, end; /* line numbers; line n is lines[n % max_lines] */
	uint64_t used;	     /* bytes */
	uint32_t head;	     /* where the next line goes */
	struct line *lines;
	char *ring;
	char work[LINE_MAX_BYTES];
};

struct sb *sb_new(uint32_t max_lines, uint32_t max_bytes)
{
	struct sb *sb = calloc(1, sizeof(*sb));

	if (!sb)
		return NULL;
	sb->max_lines = max_lines;
	sb->max_bytes = max_bytes < 2 * LINE_MAX_BYTES ? 2 * LINE_MAX_BYTES : max_bytes;
	/* calloc: pages nobody wrote to cost nothing */
	sb->lines = calloc(max_lines, sizeof(*sb->lines));
	sb->ring = calloc(1, sb->max_bytes);
	if (!sb->lines || !sb->ring) {
		sb_free(sb);
		return NULL;
	}
	return sb;
}

void sb_free(struct sb *sb)
{
	if (!sb)
		return;
	free(sb->lines);
	free(sb->ring);
	free(sb);
}

uint64_t sb_first(const struct sb *sb)
{
	return sb->first;
}

uint64_t sb_end(const struct sb *sb)
{
	return sb->end;
}

static void drop_oldest(struct sb *sb)
{
	sb->used -= sb->lines[sb->first % sb->max_lines].len;
	sb->first++;
}

static void put(struct sb *sb, const char *bytes, uint32_t len)
{
	uint32_t part = sb->max_bytes - sb->head;

	if (part > len)
		part = len;
	memcpy(sb->ring + sb->head, bytes, part);
	memcpy(sb->ring, bytes + part, len - part);
	sb->head = (sb->head + len) % sb->max_bytes;
}

/* A new line of @tag and @len bytes; the oldest make room. */
static void add(struct sb *sb, char tag, const char *body, uint32_t len)
{
	while (sb->end - sb->first >= sb->max_lines || sb->used + len + 1 > sb->max_bytes)
		drop_oldest(sb);
	sb->lines[sb->end % sb->max_lines] = (struct line){ sb->head, len + 1 };
	sb->end++;
	sb->used += len + 1;
	put(sb, &tag, 1);
	put(sb, body, len);
}

void sb_push_ascii(struct sb *sb, const char *text, unsigned n)
{
	while (n && text[n - 1] == ' ')
		n--;
	add(sb, TAG_ASCII, text, n < TERM_MAX_COLS ? n : TERM_MAX_COLS);
}

unsigned utf8_put(uint32_t c, char *out)
{
	if (c < 0x80) {
		out[0] = (char)c;
		return 1;
	}
	if (c < 0x800) {
		out[0] = (char)(0xc0 | c >> 6);
		out[1] = (char)(0x80 | (c & 0x3f));
		return 2;
	}
	if (c < 0x10000) {
		out[0] = (char)(0xe0 | c >> 12);
		out[1] = (char)(0x80 | (c >> 6 & 0x3f));
		out[2] = (char)(0x80 | (c & 0x3f));
		return 3;
	}
	out[0] = (char)(0xf0 | (c >> 18 & 7));
	out[1] = (char)(0x80 | (c >> 12 & 0x3f));
	out[2] = (char)(0x80 | (c >> 6 & 0x3f));
	out[3] = (char)(0x80 | (c & 0x3f));
	return 4;
}

unsigned cell_utf8(const struct term_cell *cell, char *out)
{
	unsigned n = 0;

	for (unsigned i = 0; i < TERM_CELL_CHARS && cell->ch[i]; i++)
		n += utf8_put(cell->ch[i], out + n);
	out[n] = 0;
	return n;
}

void cell_blank(struct term_cell *cell)
{
	*cell = (struct term_cell){ .ch = { ' ' }, .fg = TERM_COLOR_DEFAULT, .bg = TERM_COLOR_DEFAULT,
		.width = 1 };
}

static bool plain_look(const struct term_cell *c)
{
	return c->fg == TERM_COLOR_DEFAULT && c->bg == TERM_COLOR_DEFAULT && !c->attrs;
}

static bool is_blank(const struct term_cell *c)
{
	return c->ch[0] == ' ' && !c->ch[1] && plain_look(c);
}

static uint32_t encode_cell(const struct term_cell *c, char *out)
{
	uint32_t n = 0, chars = 1;

	while (chars < TERM_CELL_CHARS && c->ch[chars])
		chars++;
	if (c->width == 2 || chars > 1)
		out[n++] = (char)(MARK | (c->width == 2 ? MARK_WIDE : 0) | (chars - 1) << MARK_JOIN_SHIFT);
	for (uint32_t i = 0; i < chars; i++)
		n += utf8_put(c->ch[i] < 0x20 ? '?' : c->ch[i], out + n);
	return n;
}

static uint32_t encode(struct sb *sb, const struct term_cell *cells, unsigned n)
{
	uint32_t len = 0, at = 0;
	struct run run = { 0, 0, 0, 0 };

	for (unsigned i = 0; i < n; i++) {
		const struct term_cell *c = &cells[i];

		if (!c->width) /* the right half of the one before */
			continue;
		if (!run.n || run.fg != c->fg || run.bg != c->bg || run.attrs != c->attrs) {
			if (run.n)
				memcpy(sb->work + at, &run, sizeof(run));
			run = (struct run){ 0, c->fg, c->bg, c->attrs };
			at = len;
			len += sizeof(run);
		}
		run.n++;
		len += encode_cell(c, sb->work + len);
	}
	if (run.n)
		memcpy(sb->work + at, &run, sizeof(run));
	return len;
}

void sb_push(struct sb *sb, const struct term_cell *cells, unsigned n)
{
	unsigned i;

	if (n > TERM_MAX_COLS)
		n = TERM_MAX_COLS;
	while (n && is_blank(&cells[n - 1]))
		n--;
	for (i = 0; i < n; i++) {
		if (cells[i].ch[0] > 0x7e || cells[i].ch[0] < 0x20 || cells[i].ch[1] || cells[i].width != 1 ||
				!plain_look(&cells[i]))
			break;
		sb->work[i] = (char)cells[i].ch[0];
	}
	if (i == n)
		add(sb, TAG_ASCII, sb->work, n);
	else
		add(sb, TAG_RUNS, sb->work, encode(sb, cells, n));
}

/* Reading a line: a cursor that knows where the ring wraps and where the line ends. */
struct reader {
	const struct sb *sb;
	uint32_t at, left;
};

static int get_byte(struct reader *r)
{
	int c;

	if (!r->left)
		return -1;
	c = (unsigned char)r->sb->ring[r->at];
	r->at = r->at + 1 == r->sb->max_bytes ? 0 : r->at + 1;
	r->left--;
	return c;
}

static uint32_t get_char(struct reader *r, int c)
{
	unsigned more = c < 0x80 ? 0 : c < 0xe0 ? 1 : c < 0xf0 ? 2 : 3;
	uint32_t v = more ? (uint32_t)c & (0x3fu >> more) : (uint32_t)c;

	while (more--)
		v = v << 6 | ((uint32_t)get_byte(r) & 0x3f);
	return v;
}

static unsigned get_run(struct reader *r, struct term_cell *cells, unsigned at, unsigned n)
{
	struct run run;
	unsigned char *p = (unsigned char *)&run;

	for (size_t i = 0; i < sizeof(run); i++)
		p[i] = (unsigned char)get_byte(r);
	for (; run.n && r->left; run.n--) {
		struct term_cell c = { .fg = run.fg, .bg = run.bg, .attrs = run.attrs, .width = 1 };
		int byte = get_byte(r);
		unsigned joined = 0;

		if (byte < 0x20) {
			c.width = byte & MARK_WIDE ? 2 : 1;
			joined = (unsigned)byte >> MARK_JOIN_SHIFT;
			byte = get_byte(r);
		}
		c.ch[0] = get_char(r, byte);
		for (unsigned k = 1; k <= joined && k < TERM_CELL_CHARS; k++)
			c.ch[k] = get_char(r, get_byte(r));
		if (at + c.width > n) /* kept when the screen was wider */
			return n;
		cells[at++] = c;
		if (c.width == 2) {
			c.width = 0;
			memset(c.ch, 0, sizeof(c.ch));
			cells[at++] = c;
		}
	}
	return at;
}

unsigned sb_get(const struct sb *sb, uint64_t number, struct term_cell *cells, unsigned n)
{
	struct reader r = { .sb = sb };
	unsigned at = 0;
	int tag, c;

	for (unsigned i = 0; i < n; i++)
		cell_blank(&cells[i]);
	if (number < sb->first || number >= sb->end)
		return 0;
	r.at = sb->lines[number % sb->max_lines].offset;
	r.left = sb->lines[number % sb->max_lines].len;
	tag = get_byte(&r);
	if (tag == TAG_ASCII) {
		while (at < n && (c = get_byte(&r)) >= 0)
			cells[at++].ch[0] = (uint32_t)c;
		return at;
	}
	while (r.left && at < n)
		at = get_run(&r, cells, at, n);
	return at;
}

void sb_cut(struct sb *sb, uint64_t number)
{
	if (number < sb->first)
		number = sb->first;
	while (sb->end > number) {
		sb->end--;
		sb->used -= sb->lines[sb->end % sb->max_lines].len;
		sb->head = sb->lines[sb->end % sb->max_lines].offset;
	}
}

void sb_clear(struct sb *sb)
{
	sb->first = sb->end;
	sb->used = 0;
}
