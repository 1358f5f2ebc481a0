/* grid_read.c - a checked copy of a pane's grid; see grid_read.h. Screen thread. */
#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <tui/term/filter.h>
#include <tui/term/grid_read.h>

enum { TRIES = 4, ATTRS = TERM_A_BOLD | TERM_A_UNDERLINE | TERM_A_ITALIC | TERM_A_BLINK | TERM_A_REVERSE |
	TERM_A_STRIKE | TERM_A_FOUND };

/* The part of the header that is under the sequence lock. */
struct header {
	uint32_t seq;
	unsigned rows, cols, cursor_row, cursor_col;
	uint32_t modes, bells, geometry;
	uint64_t sb_lines, view_offset, top_line;
	char title[TERM_TITLE_SIZE];
	uint32_t row_gen[TERM_MAX_ROWS];
};

static void check_cell(struct term_cell *c)
{
	unsigned k = 1;

	if (c->fg > 255)
		c->fg = TERM_COLOR_DEFAULT;
	if (c->bg > 255)
		c->bg = TERM_COLOR_DEFAULT;
	c->attrs &= ATTRS;
	if (!filter_char_ok(c->ch[0]) || filter_combining(c->ch[0]))
		c->ch[0] = '?';
	for (unsigned i = 1; i < TERM_CELL_CHARS && c->ch[i]; i++) {
		if (filter_char_ok(c->ch[i]) && filter_combining(c->ch[i]))
			c->ch[k++] = c->ch[i];
	}
	while (k < TERM_CELL_CHARS)
		c->ch[k++] = 0;
}

void term_row_check(struct term_cell *cells, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		struct term_cell *c = &cells[i];

		if (!c->width) { /* only behind a wide one, and those skip it below */
			c->ch[0] = ' ';
			c->ch[1] = 0;
		}
		check_cell(c);
		if (c->width != 2 || i + 1 >= n || cells[i + 1].width != 0) {
			c->width = 1;
			continue;
		}
		c[1] = *c;
		memset(c[1].ch, 0, sizeof(c[1].ch));
		c[1].width = 0;
		i++;
	}
}

static void copy_header(struct header *h, const struct term_grid *g)
{
	h->rows = g->rows;
	h->cols = g->cols;
	h->cursor_row = g->cursor_row;
	h->cursor_col = g->cursor_col;
	h->modes = g->modes;
	h->bells = g->bells;
	h->geometry = g->geometry;
	h->sb_lines = g->sb_lines;
	h->view_offset = g->view_offset;
	h->top_line = g->top_line;
	memcpy(h->title, g->title, sizeof(h->title));
	memcpy(h->row_gen, g->row_gen, sizeof(h->row_gen));
	/* From here on only the copy is looked at; keep the compiler from reading it twice. */
	__asm__ volatile("" ::: "memory");
}

static int make_room(struct term_view *v, size_t cells)
{
	struct term_cell *a, *b;

	if (cells <= v->room)
		return 0;
	a = calloc(cells, sizeof(*a));
	b = calloc(cells, sizeof(*b));
	if (!a || !b) {
		free(a);
		free(b);
		return -ENOMEM;
	}
	/* What was shown keeps its place until the new rows are in. */
	if (v->cells)
		memcpy(a, v->cells, (size_t)v->rows * v->cols * sizeof(*a));
	free(v->cells);
	free(v->fresh);
	v->cells = a;
	v->fresh = b;
	v->room = cells;
	return 0;
}

struct title {
	char *out;
	size_t len;
};

static void title_text(void *arg, enum filter_kind kind, const char *bytes, size_t len)
{
	struct title *t = arg;

	if (kind != FILTER_SEQ && !memchr(bytes, '\n', len) && !memchr(bytes, '\r', len) &&
			!memchr(bytes, '\t', len) && t->len + len < TERM_TITLE_SIZE) {
		memcpy(t->out + t->len, bytes, len);
		t->len += len;
	}
}

/* What a guest may print may be in a title, without its sequences. */
static void take_title(struct term_view *v, const char *title)
{
	struct title t = { v->title, 0 };
	struct filter f;

	filter_init(&f, title_text, &t);
	filter_feed(&f, title, strnlen(title, TERM_TITLE_SIZE));
	v->title[t.len] = 0;
}

static void believe(struct term_view *v, const struct header *h, bool all)
{
	v->rows = h->rows;
	v->cols = h->cols;
	for (unsigned row = 0; row < h->rows; row++) {
		struct term_cell *from = v->fresh + (size_t)row * h->cols;

		if (!all && !v->wanted[row])
			continue;
		term_row_check(from, h->cols);
		memcpy(v->cells + (size_t)row * h->cols, from, h->cols * sizeof(*from));
		v->row_gen[row] = h->row_gen[row];
	}
	v->cursor_row = h->cursor_row < h->rows ? h->cursor_row : h->rows - 1;
	v->cursor_col = h->cursor_col < h->cols ? h->cursor_col : h->cols - 1;
	v->modes = h->modes;
	v->bells = h->bells;
	v->geometry = h->geometry;
	v->sb_lines = h->sb_lines;
	v->view_offset = h->view_offset;
	v->top_line = h->top_line;
	take_title(v, h->title);
}

static int try_update(struct term_view *v, const struct term_grid *g, struct header *h)
{
	bool all;
	size_t n;

	h->seq = atomic_load_explicit(&g->seq, memory_order_acquire);
	if (h->seq & 1)
		return -EAGAIN;
	if (!h->seq)
		return 0; /* never published */
	copy_header(h, g);
	/* A torn header may look bad; only one that stayed the same is. */
	if (h->rows < TERM_MIN_ROWS || h->rows > TERM_MAX_ROWS || h->cols < TERM_MIN_COLS ||
			h->cols > TERM_MAX_COLS) {
		atomic_thread_fence(memory_order_acquire);
		return atomic_load(&g->seq) == h->seq ? -EPROTO : -EAGAIN;
	}
	n = (size_t)h->rows * h->cols;
	if (make_room(v, n) < 0)
		return -ENOMEM;
	all = v->again || h->rows != v->rows || h->cols != v->cols;
	for (unsigned row = 0; row < h->rows; row++) {
		v->wanted[row] = all || v->row_gen[row] != h->row_gen[row];
		if (v->wanted[row])
			memcpy(v->fresh + (size_t)row * h->cols, g->cells + (size_t)row * h->cols,
				h->cols * sizeof(*v->fresh));
	}
	atomic_thread_fence(memory_order_acquire);
	if (atomic_load_explicit(&g->seq, memory_order_relaxed) != h->seq)
		return -EAGAIN;
	believe(v, h, all);
	v->again = false;
	return 1;
}

int term_view_update(struct term_view *v, const struct term_grid *g)
{
	struct header h;
	int rc = -EAGAIN;

	for (int i = 0; i < TRIES && rc == -EAGAIN; i++) {
		if (i)
			sched_yield();
		rc = try_update(v, g, &h);
	}
	v->bytes = atomic_load(&g->bytes);
	v->blocked = atomic_load(&g->blocked);
	v->poisoned = atomic_load(&g->poisoned);
	return rc;
}

void term_view_restart(struct term_view *v)
{
	v->again = true;
}

void term_view_free(struct term_view *v)
{
	free(v->cells);
	free(v->fresh);
	memset(v, 0, sizeof(*v));
}
