/*
 * vt.c - one libvterm terminal and how it is kept alive: see vt.h. vitrine-term's one thread.
 *
 * What is known to kill libvterm (0.1.4 and 0.3.3) and what is done here and in filter.c:
 *  - vterm_set_size() on a live screen: never called. A resize makes a new VTerm and replays the history.
 *  - REP: never reaches it (filter_seq.c).
 *  - more than 2 MB of text in one write: at most VT_FEED_MAX.
 *  - one column: TERM_MIN_COLS is 2.
 *  - damage rectangles outside of the screen: clamped.
 * What is not known kills only this process: the workstation starts another.
 */
#include <config.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tui/term/vt.h>

_Static_assert((int)FILTER_SEQ_MAX <= (int)VT_FAST_MIN, "only text is as long as what takes the fast path");

/* ---- what libvterm calls ---- */

static void mark_rows(struct vt *vt, int first, int end)
{
	if (first < 0)
		first = 0;
	if (end > vt->rows)
		end = vt->rows;
	for (int row = first; row < end; row++)
		vt->dirty_row[row] = true;
	vt->dirty = true;
}

static int on_damage(VTermRect rect, void *user)
{
	mark_rows(user, rect.start_row, rect.end_row);
	return 1;
}

static int on_moverect(VTermRect dest, VTermRect src, void *user)
{
	mark_rows(user, dest.start_row, dest.end_row);
	mark_rows(user, src.start_row, src.end_row);
	return 1;
}

static int on_movecursor(VTermPos pos, VTermPos old, int visible, void *user)
{
	struct vt *vt = user;

	vt->dirty = true;
	return 1;
}

static int on_termprop(VTermProp prop, VTermValue *val, void *user)
{
	struct vt *vt = user;

	switch (prop) {
	case VTERM_PROP_ALTSCREEN:
		vt->alt = val->boolean;
		mark_rows(vt, 0, vt->rows);
		break;
	case VTERM_PROP_CURSORVISIBLE:
		vt->cursor_visible = val->boolean;
		break;
	case VTERM_PROP_CURSORBLINK:
		vt->cursor_blink = val->boolean;
		break;
	case VTERM_PROP_MOUSE:
		vt->mouse = val->number;
		break;
	default: /* titles stay in the filter */
		break;
	}
	vt->dirty = true;
	return 1;
}

static int on_bell(void *user)
{
	struct vt *vt = user;

	if (!vt->replaying)
		vt->bells++;
	vt->dirty = true;
	return 1;
}

static int on_pushline(int cols, const VTermScreenCell *cells, void *user)
{
	struct vt *vt = user;

	if (vt->ignore_push) {
		vt->ignore_push--;
		return 1;
	}
	if (cols > TERM_MAX_COLS)
		cols = TERM_MAX_COLS;
	vt_cells(cells, (unsigned)cols, vt->row);
	sb_push(vt->sb, vt->row, (unsigned)cols);
	return 1;
}

static const VTermScreenCallbacks callbacks = {
	.damage = on_damage,
	.moverect = on_moverect,
	.movecursor = on_movecursor,
	.settermprop = on_termprop,
	.bell = on_bell,
	.sb_pushline = on_pushline,
};

static void on_output(const char *s, size_t len, void *user)
{
	struct vt *vt = user;

	if (vt->typing || (vt->answers && !vt->replaying))
		vt->ops->to_guest(vt->arg, s, len);
}

/* Takes @v, just made, in place of the one there was. */
static void begin(struct vt *vt, VTerm *v, int rows, int cols)
{
	if (vt->vterm)
		vterm_free(vt->vterm);
	vt->vterm = v;
	vt->rows = rows;
	vt->cols = cols;
	vt->alt = vt->cursor_blink = false;
	vt->cursor_visible = true;
	vt->mouse = VTERM_PROP_MOUSE_NONE;
	vt->ignore_push = 0;
	vterm_set_utf8(v, 1);
	vterm_output_set_callback(v, on_output, vt);
	vt->state = vterm_obtain_state(v);
	vt->screen = vterm_obtain_screen(v);
	vterm_screen_set_callbacks(vt->screen, &callbacks, vt);
	vterm_screen_set_damage_merge(vt->screen, VTERM_DAMAGE_SCROLL);
	vterm_screen_enable_altscreen(vt->screen, 1);
	vterm_screen_reset(vt->screen, 1);
	mark_rows(vt, 0, rows);
}

/* ---- bytes in ---- */

void vt_parse(struct vt *vt, const char *bytes, size_t len)
{
	if (vt->replaying && vt->ops->replaying)
		vt->ops->replaying(vt->arg, bytes, len);
	vterm_input_write(vt->vterm, bytes, len);
}

size_t vt_whole(const char *bytes, size_t len, size_t n)
{
	if (len <= n)
		return len;
	while (n > 1 && ((unsigned char)bytes[n] & 0xc0) == 0x80)
		n--;
	return n;
}

static void fill_mark(struct vt *vt, struct hist_mark *m)
{
	int row, col;

	vt_cursor(vt, &row, &col);
	m->row = (uint16_t)row;
	m->col = (uint16_t)col;
	m->line = sb_end(vt->sb) + (vt->alt ? 0 : (uint64_t)row);
	m->modes = vt->filter.modes;
	m->region_top = vt->filter.region_top;
	m->region_bottom = vt->filter.region_bottom;
	vt_pen(vt, m->pen, sizeof(m->pen));
}

static void maybe_mark(struct vt *vt)
{
	struct hist_mark m;
	int row, col;

	if (vt->replaying || !hist_wants_mark(&vt->hist, false)) {
		if (vt->replaying || !hist_wants_mark(&vt->hist, true))
			return;
		vt_cursor(vt, &row, &col);
		if (col != 0 || vt->alt)
			return;
	}
	memset(&m, 0, sizeof(m));
	fill_mark(vt, &m);
	hist_mark(&vt->hist, &m);
}

static void flush(struct vt *vt)
{
	size_t len = vt->buf_len;

	if (!len)
		return;
	vt->buf_len = 0;
	if (!vt->replaying)
		hist_append(&vt->hist, vt->buf, len);
	vt_parse(vt, vt->buf, len);
	maybe_mark(vt);
}

static void lines(struct vt *vt, const char *bytes, size_t len, bool ascii)
{
	flush(vt);
	while (len) {
		/* No more than this at once, so that the history finds places to begin. */
		size_t n = vt_whole(bytes, len, HIST_STEP);

		if (!vt->replaying)
			hist_append(&vt->hist, bytes, n);
		vt_fast(vt, bytes, n, ascii);
		maybe_mark(vt);
		bytes += n;
		len -= n;
	}
}

/* What the filter lets through. */
static void from_filter(void *arg, enum filter_kind kind, const char *bytes, size_t len)
{
	struct vt *vt = arg;

	if (len >= VT_FAST_MIN) { /* text: sequences are shorter */
		lines(vt, bytes, len, kind == FILTER_PLAIN);
		return;
	}
	if (kind == FILTER_SEQ && len == 4 && !memcmp(bytes, "\033[3J", 4)) {
		flush(vt); /* libvterm 0.1.4 does not know it */
		if (!vt->replaying)
			hist_append(&vt->hist, bytes, len);
		sb_clear(vt->sb);
		vt->dirty = true;
		return;
	}
	/* What is left is short, and goes in whole. */
	if (len > VT_FEED_MAX - vt->buf_len)
		flush(vt);
	memcpy(vt->buf + vt->buf_len, bytes, len);
	vt->buf_len += len;
}

static void on_title(void *arg, const char *title)
{
	struct vt *vt = arg;

	snprintf(vt->title, sizeof(vt->title), "%s", title);
	vt->dirty = true;
}

void vt_feed(struct vt *vt, const char *bytes, size_t len)
{
	filter_feed(&vt->filter, bytes, len);
	flush(vt);
}

/* ---- resizing ---- */

static const struct {
	uint32_t mode;
	const char *on, *off;
} mode_seqs[] = {
	{ FILTER_M_ALT, "\033[?1049h", "" }, /* first: it saves the cursor */
	{ FILTER_M_INSERT, "\033[4h", "" }, { FILTER_M_NEWLINE, "\033[20h", "" },
	{ FILTER_M_APPCUR, "\033[?1h", "" }, { FILTER_M_SCREENREV, "\033[?5h", "" },
	{ FILTER_M_WRAP, "", "\033[?7l" }, { FILTER_M_CURSOR, "", "\033[?25l" },
	{ FILTER_M_MARGINS, "\033[?69h", "" }, { FILTER_M_MOUSE, "\033[?1000h", "" },
	{ FILTER_M_DRAG, "\033[?1002h", "" }, { FILTER_M_MOVE, "\033[?1003h", "" },
	{ FILTER_M_SGRMOUSE, "\033[?1006h", "" }, { FILTER_M_PASTE, "\033[?2004h", "" },
	{ FILTER_M_KEYPAD, "\033=", "" },
};

static void say(struct vt *vt, const char *seq)
{
	filter_feed(&vt->filter, seq, strlen(seq));
}

/* Brings a fresh terminal to where @m was. */
static void go_on_from(struct vt *vt, const struct hist_mark *m)
{
	char seq[64];

	if (!m->offset)
		return;
	for (size_t i = 0; i < sizeof(mode_seqs) / sizeof(mode_seqs[0]); i++)
		say(vt, m->modes & mode_seqs[i].mode ? mode_seqs[i].on : mode_seqs[i].off);
	if (m->region_top > 1 || (m->region_bottom && m->region_bottom < vt->rows)) {
		snprintf(seq, sizeof(seq), "\033[%u;%ur", m->region_top, m->region_bottom);
		say(vt, seq);
	}
	say(vt, m->pen);
	snprintf(seq, sizeof(seq), "\033[%u;%uH", m->modes & FILTER_M_ALT ? m->row + 1u : 1u, m->col + 1u);
	say(vt, seq);
	if (m->modes & FILTER_M_ORIGIN) /* last: it homes the cursor */
		say(vt, "\033[?6h");
}

/* The scrollback keeps the lines from before the history; the rest will be made again. */
static void cut_scrollback(struct vt *vt, uint64_t line)
{
	uint64_t end = sb_end(vt->sb);

	if (line <= end) {
		sb_cut(vt->sb, line);
		return;
	}
	/* The history begins below lines that still are on the screen. */
	for (int row = 0; row < vt->rows && end + (uint64_t)row < line && !vt->alt; row++) {
		vt_row(vt, row, vt->row);
		sb_push(vt->sb, vt->row, (unsigned)vt->cols);
	}
}

static void replay(struct vt *vt)
{
	for (unsigned i = 0; i < vt->hist.count; i++) {
		struct hist_mark *m = hist_get(&vt->hist, i);
		uint64_t at = m->offset, end = i + 1 < vt->hist.count ? hist_get(&vt->hist, i + 1)->offset :
			vt->hist.end;

		if (i) {
			flush(vt);
			fill_mark(vt, m); /* its line has another number now */
		} else {
			go_on_from(vt, m);
		}
		while (at < end) {
			const char *p;
			size_t n = hist_read(&vt->hist, at, &p);

			if (n > end - at)
				n = (size_t)(end - at);
			filter_feed(&vt->filter, p, n);
			at += n;
		}
	}
	flush(vt);
}

int vt_resize(struct vt *vt, int rows, int cols)
{
	struct filter live;
	uint64_t fast = vt->fast_bytes;
	VTerm *v;

	rows = rows < TERM_MIN_ROWS ? TERM_MIN_ROWS : rows > TERM_MAX_ROWS ? TERM_MAX_ROWS : rows;
	cols = cols < TERM_MIN_COLS ? TERM_MIN_COLS : cols > TERM_MAX_COLS ? TERM_MAX_COLS : cols;
	if (rows == vt->rows && cols == vt->cols)
		return 0;
	v = vterm_new(rows, cols);
	if (!v)
		return -ENOMEM;
	flush(vt);
	cut_scrollback(vt, hist_get(&vt->hist, 0)->line);
	begin(vt, v, rows, cols);
	live = vt->filter;
	filter_init(&vt->filter, from_filter, vt);
	vt->replaying = true;
	replay(vt);
	vt->replaying = false;
	vt->filter = live;
	vt->fast_bytes = fast;
	return 0;
}

/* ---- beginning and end ---- */

int vt_clear(struct vt *vt)
{
	struct hist_mark mark;
	uint64_t blocked = vt->filter.blocked;
	VTerm *v = vterm_new(vt->rows, vt->cols);

	if (!v)
		return -ENOMEM;
	begin(vt, v, vt->rows, vt->cols);
	filter_init(&vt->filter, from_filter, vt);
	vt->filter.title = on_title;
	vt->filter.blocked = blocked;
	vt->buf_len = 0;
	vt->title[0] = 0;
	sb_clear(vt->sb);
	memset(&mark, 0, sizeof(mark));
	mark.line = sb_end(vt->sb);
	vt->hist.end = 0; /* offset 0: a mark with nothing to set up */
	hist_clear(&vt->hist, &mark);
	return 0;
}

struct vt *vt_new(int rows, int cols, const struct vt_ops *ops, void *arg)
{
	struct vt *vt = calloc(1, sizeof(*vt));

	if (!vt)
		return NULL;
	vt->ops = ops;
	vt->arg = arg;
	vt->rows = rows;
	vt->cols = cols;
	vt->sb = sb_new(SB_LINES, SB_BYTES);
	if (!vt->sb || hist_init(&vt->hist) < 0 || vt_clear(vt) < 0) {
		vt_free(vt);
		return NULL;
	}
	return vt;
}

void vt_free(struct vt *vt)
{
	if (!vt)
		return;
	if (vt->vterm)
		vterm_free(vt->vterm);
	sb_free(vt->sb);
	hist_free(&vt->hist);
	free(vt);
}

void vt_cursor(const struct vt *vt, int *row, int *col)
{
	VTermPos pos = { 0, 0 };

	vterm_state_get_cursorpos(vt->state, &pos);
	*row = pos.row < 0 ? 0 : pos.row >= vt->rows ? vt->rows - 1 : pos.row;
	*col = pos.col < 0 ? 0 : pos.col >= vt->cols ? vt->cols - 1 : pos.col;
}

void vt_flush_damage(struct vt *vt)
{
	vterm_screen_flush_damage(vt->screen);
}
