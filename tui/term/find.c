/*
 * find.c - searching the scrollback and the screen, and the text of a selection. vitrine-term's one thread.
 */
#include <stdlib.h>
#include <string.h>
#include <tui/term/term.h>

static uint32_t lower(uint32_t c)
{
	if ((c >= 'A' && c <= 'Z') || (c >= 0xc0 && c <= 0xde && c != 0xd7) || (c >= 0x391 && c <= 0x3a9) ||
			(c >= 0x410 && c <= 0x42f))
		return c + 0x20;
	return c;
}

/* Column of the first match from column @from on, -1: none. @end: the column after it. */
static int find_in(const struct term *t, const struct term_cell *cells, int from, int *end)
{
	for (int start = from; start < t->vt->cols; start++) {
		int col = start;
		unsigned k = 0;

		while (k < t->pattern_len && col < t->vt->cols && lower(cells[col].ch[0]) == t->pattern[k]) {
			k++;
			col += cells[col].width == 2 ? 2 : 1;
		}
		if (k == t->pattern_len) {
			*end = col < t->vt->cols ? col : t->vt->cols;
			return start;
		}
	}
	return -1;
}

void term_highlight(const struct term *t, struct term_cell *cells)
{
	int end, col = find_in(t, cells, 0, &end);

	while (col >= 0) {
		for (int i = col; i < end; i++)
			cells[i].attrs |= TERM_A_FOUND;
		col = find_in(t, cells, end, &end);
	}
}

static void set_pattern(struct term *t, const char *text, size_t len)
{
	size_t i = 0;

	t->pattern_len = 0;
	while (i < len && t->pattern_len < TERM_SEARCH_MAX) {
		unsigned char b = (unsigned char)text[i++];
		unsigned more = b < 0xc0 ? 0 : b < 0xe0 ? 1 : b < 0xf0 ? 2 : 3;
		uint32_t c = more ? b & (0x3fu >> more) : b;

		while (more-- && i < len && ((unsigned char)text[i] & 0xc0) == 0x80)
			c = c << 6 | ((unsigned char)text[i++] & 0x3f);
		t->pattern[t->pattern_len++] = lower(c);
	}
}

/* Brings @line into view, in the middle if it is in the scrollback. */
static void show_line(struct term *t, uint64_t line)
{
	uint64_t end = sb_end(t->vt->sb), first = sb_first(t->vt->sb), half = (uint64_t)t->vt->rows / 2;
	uint64_t top = t->scrolled ? t->top : end;

	if (line >= top && line < top + (uint64_t)t->vt->rows)
		return; /* it is */
	top = line < first + half ? first : line - half;
	if (top > end)
		top = end;
	t->scrolled = top < end || t->held;
	t->top = top;
}

void term_search(struct term *t, const struct term_ev *ev, const char *text)
{
	uint64_t first = sb_first(t->vt->sb), end = sb_end(t->vt->sb) + (uint64_t)t->vt->rows, line;
	struct term_msg msg = { .type = TERM_MSG_FOUND };
	struct term_cell cells[TERM_MAX_COLS];
	int col, after;

	t->publish_all = true;
	if (ev->len)
		set_pattern(t, text, ev->len);
	if (!ev->len && !ev->search.again)
		t->pattern_len = 0;
	if (!t->pattern_len) {
		t->have_match = false;
		return;
	}
	line = t->scrolled && !ev->search.again ? t->top + (uint64_t)t->vt->rows : end;
	if (ev->search.again && t->have_match)
		line = ev->search.forward ? t->match_line + 1 : t->match_line;
	if (ev->search.forward && !(ev->search.again && t->have_match))
		line = t->scrolled ? t->top : end - (uint64_t)t->vt->rows;
	for (;;) {
		if (ev->search.forward ? line >= end : line <= first)
			break;
		if (!ev->search.forward)
			line--;
		if (vt_line(t->vt, line, cells) && (col = find_in(t, cells, 0, &after)) >= 0) {
			t->have_match = true;
			t->match_line = msg.line = line;
			msg.col = (uint32_t)col;
			msg.u.found = 1;
			show_line(t, line);
			break;
		}
		if (ev->search.forward)
			line++;
	}
	term_say(t, &msg);
}

/* Appends the cells [@from, @to) of a line. @joined: the line goes on in the next one. */
static size_t line_text(const struct term *t, const struct term_cell *cells, int from, int to, char *out)
{
	size_t n = 0, kept = 0;

	for (int i = from; i < to && i < t->vt->cols; i++) {
		n += cell_utf8(&cells[i], out + n);
		if (cells[i].ch[0] != ' ' && cells[i].ch[0])
			kept = n;
	}
	return kept;
}

void term_select(struct term *t, const struct term_ev *ev)
{
	uint64_t line = ev->select.line0, last = ev->select.line1;
	size_t size = 0, cap = 0, most = (size_t)t->vt->cols * 17 + 2;
	struct term_cell cells[TERM_MAX_COLS];
	char *text = NULL, *more;

	if (line < sb_first(t->vt->sb))
		line = sb_first(t->vt->sb);
	for (; line <= last && size < TERM_TEXT_MAX && vt_line(t->vt, line, cells); line++) {
		int from = ev->select.block || line == ev->select.line0 ? ev->select.col0 : 0;
		int to = ev->select.block || line == last ? ev->select.col1 : t->vt->cols;
		const struct term_cell *end = &cells[t->vt->cols - 1];

		if (cap - size < most) {
			cap = cap * 2 + most;
			more = realloc(text, cap);
			if (!more)
				break;
			text = more;
		}
		size += line_text(t, cells, from, to, text + size);
		/* A full line most likely goes on in the next; libvterm 0.1 does not tell. */
		if (line < last && (ev->select.block || end->ch[0] == ' '))
			text[size++] = '\n';
	}
	free(t->text);
	t->text = text ? text : calloc(1, 1);
	t->text_len = t->text ? size : 0;
	t->text_sent = 0;
	term_send_pending(t);
}
