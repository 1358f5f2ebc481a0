/*
 * view.c - what of the console is in view, and how it is published in the grid. vitrine-term's one thread.
 *
 * The grid is written under a sequence lock: seq is odd meanwhile, and a reader who saw it odd or changed
 * takes nothing. Only rows that differ from what is there are written, and get a new generation.
 */
#include <string.h>
#include <unistd.h>
#include <tui/term/term.h>

static uint32_t modes(const struct term *t)
{
	const struct vt *vt = t->vt;

	return (vt->alt ? TERM_M_ALT : 0) | (vt->mouse != VTERM_PROP_MOUSE_NONE ? TERM_M_MOUSE : 0) |
		(vt->mouse >= VTERM_PROP_MOUSE_DRAG ? TERM_M_DRAG : 0) |
		(vt->filter.modes & FILTER_M_PASTE ? TERM_M_PASTE : 0) |
		(vt->cursor_visible ? TERM_M_CURSOR : 0) | (t->console < 0 ? TERM_M_CLOSED : 0) |
		(t->history ? TERM_M_HISTORY : 0) | (vt->cursor_blink ? TERM_M_BLINK : 0);
}

static void publish_row(struct term *t, int row, uint64_t line, bool force)
{
	struct term_grid *g = t->grid;
	struct term_cell *out = g->cells + (size_t)row * (size_t)t->vt->cols, cells[TERM_MAX_COLS];
	size_t size = sizeof(cells[0]) * (size_t)t->vt->cols;

	if (!vt_line(t->vt, line, cells)) {
		for (int i = 0; i < t->vt->cols; i++)
			cell_blank(&cells[i]);
	}
	if (t->pattern_len)
		term_highlight(t, cells);
	if (!force && !memcmp(out, cells, size))
		return;
	memcpy(out, cells, size);
	g->row_gen[row]++;
}

static void publish_cursor(struct term *t, struct term_grid *g, uint64_t top)
{
	int row, col;
	uint64_t at;

	vt_cursor(t->vt, &row, &col);
	at = sb_end(t->vt->sb) + (uint64_t)row - top; /* scrolled back: further down, maybe out of view */
	g->modes = modes(t);
	if (at >= (uint64_t)t->vt->rows) {
		g->modes &= ~(uint32_t)TERM_M_CURSOR;
		at = (uint64_t)row;
	}
	g->cursor_row = (uint16_t)at;
	g->cursor_col = (uint16_t)col;
}

void term_publish(struct term *t)
{
	struct term_grid *g = t->grid;
	struct vt *vt = t->vt;
	uint64_t end = sb_end(vt->sb), first = sb_first(vt->sb), top, one = 1;
	bool all = t->publish_all || t->scrolled, resized = g->rows != vt->rows || g->cols != vt->cols;

	vt_flush_damage(vt);
	if (t->scrolled && t->top < first)
		t->top = first; /* what was in view is no longer kept */
	if (t->scrolled && t->top >= end && !t->held)
		t->scrolled = false;
	top = t->scrolled ? t->top : end;

	atomic_fetch_add(&g->seq, 1);
	atomic_thread_fence(memory_order_release);
	g->rows = (uint16_t)vt->rows;
	g->cols = (uint16_t)vt->cols;
	g->geometry = t->geometry;
	for (int row = 0; row < vt->rows; row++) {
		if (all || resized || vt->dirty_row[row])
			publish_row(t, row, top + (uint64_t)row, resized);
		vt->dirty_row[row] = false;
	}
	publish_cursor(t, g, top);
	g->bells = vt->bells;
	g->sb_lines = end - first;
	g->view_offset = end - top;
	g->top_line = top;
	memcpy(g->title, vt->title, sizeof(g->title));
	atomic_thread_fence(memory_order_release);
	atomic_fetch_add(&g->seq, 1);

	atomic_store(&g->blocked, vt->filter.blocked);
	atomic_store(&g->poisoned, t->poison.skipped);
	vt->dirty = t->publish_all = false;
	t->last_publish_us = term_now_us();
	if (write(t->wake, &one, sizeof(one)) < 0) {
		/* EAGAIN: 2^64 - 2 wake-ups nobody took; it will wake all the same */
	}
}

void term_scroll(struct term *t, const struct term_ev *ev)
{
	uint64_t end = sb_end(t->vt->sb), first = sb_first(t->vt->sb), top = t->scrolled ? t->top : end;
	uint64_t by = ev->scroll.lines < 0 ? (uint64_t)-(int64_t)ev->scroll.lines : (uint64_t)ev->scroll.lines;

	switch (ev->scroll.how) {
	case TERM_SCROLL_BY:
		if (ev->scroll.lines > 0)
			top = top - first < by ? first : top - by;
		else
			top = end - top < by ? end : top + by;
		break;
	case TERM_SCROLL_TOP:
		top = first;
		break;
	case TERM_SCROLL_BOTTOM:
		top = end;
		t->held = false;
		break;
	case TERM_SCROLL_HOLD:
		t->held = true;
		break;
	case TERM_SCROLL_TO:
		top = ev->scroll.line < first ? first : ev->scroll.line > end ? end : ev->scroll.line;
		break;
	default:
		return;
	}
	t->scrolled = top < end || t->held;
	t->top = top;
	t->publish_all = true;
}

static void replaying(struct term *t)
{
	/* CPU time for all of it; 1 MiB takes 0.3 s at worst. */
	term_parsing(t, "", 0, 3000);
}

void term_resize(struct term *t)
{
	uint64_t back = t->scrolled ? sb_end(t->vt->sb) - t->top : 0, end, first;
	uint32_t context = t->context_len;

	if (!t->want_rows || !t->want_cols)
		return;
	t->context_len = 0; /* what comes before a piece of the history is not kept */
	replaying(t);
	if (vt_resize(t->vt, t->want_rows, t->want_cols) == 0)
		t->geometry++;
	term_parsed(t);
	t->context_len = context;
	t->want_rows = t->want_cols = 0;
	end = sb_end(t->vt->sb);
	first = sb_first(t->vt->sb);
	t->top = end - first < back ? first : end - back;
	t->publish_all = true;
	t->have_match = false;
}
