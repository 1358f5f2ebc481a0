/*
 * console_copy.c - looking back in a console: a cursor in the scrollback, a selection, a search. Screen thread.
 * Keys are vi's and the arrows. Lines are known by vitrine-term's numbers, which stay as output goes on.
 */
#include <ncurses.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tui/console.h>

/* One for the whole workstation, as people expect. */
static char *copied;
static size_t copied_len;

const char *console_copied(size_t *len)
{
	*len = copied_len;
	return copied;
}

void console_copy_start(struct console *c)
{
	const struct term_view *v = pane_view(c->pane);

	if (c->copy || !v->rows)
		return;
	c->copy = true;
	c->selecting = c->block = false;
	c->cy = v->view_offset ? (int)v->rows - 1 : (int)v->cursor_row;
	c->cx = v->view_offset ? 0 : (int)v->cursor_col;
	c->geometry = v->geometry;
	pane_scroll(c->pane, TERM_SCROLL_HOLD, 0); /* the view stands still while the guest prints */
	ui_mark(&c->p);
}

void console_copy_end(struct console *c)
{
	if (c->copy && c->search[0])
		pane_search(c->pane, "", false);
	c->copy = c->selecting = c->copy_pending = false;
	pane_scroll(c->pane, TERM_SCROLL_BOTTOM, 0);
	ui_mark(&c->p);
}

/* The selection in order: from (line0, col0) to (line1, col1), the last column included. */
static void ordered(const struct console *c, uint64_t *line0, int *col0, uint64_t *line1, int *col1)
{
	uint64_t here = pane_view(c->pane)->top_line + (uint64_t)c->cy;
	bool before = c->anchor_line < here || (c->anchor_line == here && c->anchor_col <= c->cx);

	*line0 = before ? c->anchor_line : here;
	*line1 = before ? here : c->anchor_line;
	*col0 = before ? c->anchor_col : c->cx;
	*col1 = before ? c->cx : c->anchor_col;
	if (c->block && *col0 > *col1) {
		int swap = *col0;

		*col0 = *col1;
		*col1 = swap;
	}
}

bool console_selected(const struct console *c, uint64_t line, int col)
{
	uint64_t line0, line1;
	int col0, col1;

	if (!c->copy || !c->selecting)
		return false;
	ordered(c, &line0, &col0, &line1, &col1);
	if (line < line0 || line > line1)
		return false;
	if (c->block)
		return col >= col0 && col <= col1;
	return (line > line0 || col >= col0) && (line < line1 || col <= col1);
}

static void move_up(struct console *c, int n)
{
	if (c->cy >= n) {
		c->cy -= n;
		return;
	}
	pane_scroll(c->pane, TERM_SCROLL_BY, n - c->cy);
	c->cy = 0;
}

static void move_down(struct console *c, int n)
{
	const struct term_view *v = pane_view(c->pane);
	int room = (int)v->rows - 1 - c->cy;

	if (n <= room) {
		c->cy += n;
		return;
	}
	c->cy += room;
	if (v->view_offset)
		pane_scroll(c->pane, TERM_SCROLL_BY, -(n - room));
}

static int last_col(const struct console *c)
{
	const struct term_view *v = pane_view(c->pane);
	const struct term_cell *row = v->cells + (size_t)c->cy * v->cols;
	int col = (int)v->cols - 1;

	while (col > 0 && row[col].ch[0] == ' ')
		col--;
	return col;
}

/* To the beginning of the next word, or the one before. */
static void move_word(struct console *c, int step)
{
	const struct term_view *v = pane_view(c->pane);
	const struct term_cell *row = v->cells + (size_t)c->cy * v->cols;
	int x = c->cx, end = step > 0 ? (int)v->cols - 1 : 0;

	if (step > 0) {
		while (x != end && row[x].ch[0] != ' ')
			x++;
		while (x != end && row[x].ch[0] == ' ')
			x++;
	} else {
		while (x != end && row[x - 1].ch[0] == ' ')
			x--;
		while (x != end && row[x - 1].ch[0] != ' ')
			x--;
	}
	c->cx = x;
}

static bool move_key(struct console *c, int key)
{
	const struct term_view *v = pane_view(c->pane);
	int rows = (int)v->rows, cols = (int)v->cols;

	switch (key) {
	case 'h': case KEY_LEFT:
		c->cx -= c->cx > 0;
		return true;
	case 'l': case KEY_RIGHT:
		c->cx += c->cx < cols - 1;
		return true;
	case 'k': case KEY_UP:
		move_up(c, 1);
		return true;
	case 'j': case KEY_DOWN:
		move_down(c, 1);
		return true;
	case KEY_PPAGE: case 'b' & 0x1f:
		pane_scroll(c->pane, TERM_SCROLL_BY, rows > 2 ? rows - 2 : 1);
		return true;
	case KEY_NPAGE: case 'f' & 0x1f:
		pane_scroll(c->pane, TERM_SCROLL_BY, rows > 2 ? 2 - rows : -1);
		return true;
	case 'u' & 0x1f:
		pane_scroll(c->pane, TERM_SCROLL_BY, rows / 2);
		return true;
	case 'd' & 0x1f:
		pane_scroll(c->pane, TERM_SCROLL_BY, -(rows / 2));
		return true;
	case 'g':
		pane_scroll(c->pane, TERM_SCROLL_TOP, 0);
		c->cy = c->cx = 0;
		return true;
	case 'G':
		pane_scroll(c->pane, TERM_SCROLL_BOTTOM, 0);
		c->cy = rows - 1;
		return true;
	case '0': case KEY_HOME:
		c->cx = 0;
		return true;
	case '$': case KEY_END:
		c->cx = last_col(c);
		return true;
	case 'w':
		move_word(c, 1);
		return true;
	case 'b':
		move_word(c, -1);
		return true;
	default:
		return false;
	}
}

static void select_from_here(struct console *c, bool block)
{
	const struct term_view *v = pane_view(c->pane);

	c->selecting = !c->selecting || c->block != block;
	c->block = block;
	c->anchor_line = v->top_line + (uint64_t)c->cy;
	c->anchor_col = c->cx;
}

static void copy_selection(struct console *c)
{
	uint64_t line0, line1;
	int col0, col1;

	if (!c->selecting) {
		ui_warn(c->p.ui, "nothing is selected: v begins a selection here");
		return;
	}
	ordered(c, &line0, &col0, &line1, &col1);
	if (pane_select(c->pane, line0, (unsigned)col0, line1, (unsigned)col1 + 1, c->block) < 0) {
		ui_warn(c->p.ui, "the selection was not copied: the pane is busy, try again");
		return;
	}
	c->copy_pending = true;
}

enum panel_result console_copy_key(struct console *c, int key)
{
	if (pane_view(c->pane)->geometry != c->geometry) { /* a resize gave the lines new numbers */
		c->selecting = false;
		c->geometry = pane_view(c->pane)->geometry;
	}
	if (move_key(c, key))
		return PANEL_REDRAW;
	switch (key) {
	case 'v': case ' ':
		select_from_here(c, false);
		return PANEL_REDRAW;
	case 'V':
		c->cx = 0;
		select_from_here(c, false);
		c->cx = c->selecting ? (int)pane_view(c->pane)->cols - 1 : 0;
		return PANEL_REDRAW;
	case 'v' & 0x1f:
		select_from_here(c, true);
		return PANEL_REDRAW;
	case UI_KEY_ENTER:
		if (!c->selecting) { /* back to typing: what Enter does anywhere else */
			console_copy_end(c);
			return PANEL_IGNORED;
		}
		copy_selection(c);
		return PANEL_REDRAW;
	case 'y':
		copy_selection(c);
		return PANEL_REDRAW;
	case '/': case '?': /* back in time, and forward */
		console_search_prompt(c, key == '?');
		return PANEL_HANDLED;
	case 'n': case 'N':
		if (c->search[0])
			pane_search(c->pane, NULL, (key == 'N') != c->searching_forward);
		return PANEL_REDRAW;
	case 'q': case UI_KEY_ESC:
		if (c->selecting)
			c->selecting = false;
		else
			console_copy_end(c);
		return PANEL_REDRAW;
	default:
		return PANEL_IGNORED;
	}
}

void console_got_text(struct console *c, const char *text, size_t len)
{
	char *copy;
	size_t lines = 1;

	if (!c->copy_pending)
		return;
	copy = malloc(len + 1);
	if (!copy) {
		ui_warn(c->p.ui, "the selection was not copied: out of memory");
		return;
	}
	memcpy(copy, text, len);
	copy[len] = 0;
	free(copied);
	copied = copy;
	copied_len = len;
	ui_clipboard(c->p.ui, text, len);
	for (size_t i = 0; i < len; i++)
		lines += text[i] == '\n';
	ui_say(c->p.ui, "copied %zu line%s, %zu bytes; console-paste puts it into a console", lines,
		lines == 1 ? "" : "s", len);
	console_copy_end(c);
}

void console_found(struct console *c, bool found, uint64_t line, unsigned col)
{
	const struct term_view *v = pane_view(c->pane);

	if (!found) {
		ui_warn(c->p.ui, "\"%s\" is not %s", c->search,
			c->copy ? "further up; N looks the other way" : "in this console");
		return;
	}
	console_copy_start(c);
	c->cx = col < v->cols ? (int)col : 0;
	c->goto_line = line;
	c->goto_pending = true;
	console_copy_follow(c);
	ui_mark(&c->p);
}

/* The cursor goes to a line as soon as the view shows it. */
void console_copy_follow(struct console *c)
{
	const struct term_view *v = pane_view(c->pane);

	if (c->goto_pending && c->goto_line >= v->top_line && c->goto_line < v->top_line + v->rows) {
		c->cy = (int)(c->goto_line - v->top_line);
		c->goto_pending = false;
	}
	if (c->cy >= (int)v->rows) /* it became smaller */
		c->cy = v->rows ? (int)v->rows - 1 : 0;
	if (c->cx >= (int)v->cols)
		c->cx = v->cols ? (int)v->cols - 1 : 0;
}

/* A prompt outlives the panel that asked. */
static struct console *asking;

void console_search_forget(struct console *c)
{
	if (asking == c)
		asking = NULL;
}

static void searched(void *arg, const char *text)
{
	struct console *c = asking;

	asking = NULL;
	if (!c || c != arg || !text || !*text)
		return;
	snprintf(c->search, sizeof(c->search), "%s", text);
	if (pane_search(c->pane, c->search, c->searching_forward) < 0)
		ui_warn(c->p.ui, "not searched: the pane is busy, try again");
}

void console_search_prompt(struct console *c, bool forward)
{
	c->searching_forward = forward;
	asking = c;
	ui_prompt(c->p.ui, "search", c->search, searched, c);
}
