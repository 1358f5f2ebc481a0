/*
 * vt.h - one terminal: filter, fast path, libvterm, scrollback, and the history for resizes.
 * vitrine-term's one thread (the unit tests and the fuzzer use it too). Only here is libvterm known.
 */
#ifndef TUI_TERM_VT_H
#define TUI_TERM_VT_H
#include <vterm.h>
#include <tui/term/filter.h>
#include <tui/term/hist.h>
#include <tui/term/sb.h>
#include <tui/term/wire.h>

/* libvterm 0.1.4 puts one write's text on the stack. */
_Static_assert((int)FILTER_TITLE_MAX == (int)TERM_TITLE_SIZE, "a title fits the grid");
enum { VT_FEED_MAX = 16 << 10, VT_FAST_MIN = 512 };

struct vt_ops {
	/* bytes for the guest: encoded keys, and answers to its questions */
	void (*to_guest)(void *arg, const char *bytes, size_t len);
	/* these bytes of the history are parsed next, in a resize; may be NULL */
	void (*replaying)(void *arg, const char *bytes, size_t len);
};

struct vt {
	VTerm *vterm;
	VTermScreen *screen;
	VTermState *state;
	struct filter filter;
	struct sb *sb;
	struct hist hist;
	const struct vt_ops *ops;
	void *arg;
	int rows, cols;

	bool alt, cursor_visible, cursor_blink;
	int mouse; /* VTERM_PROP_MOUSE_* */
	uint32_t bells;
	char title[FILTER_TITLE_MAX];

	bool answers;	/* may answer the guest's questions; never during a replay */
	bool typing;	/* what libvterm has to say now is a key, not an answer */
	bool replaying; /* the bytes come from the history */
	bool no_fast;	/* every byte through libvterm: for the tests that compare */
	unsigned ignore_push; /* rows that left the screen and are in the scrollback already */
	uint64_t fast_bytes;  /* that never went through libvterm */

	bool dirty;	/* any of: */
	bool dirty_row[TERM_MAX_ROWS];

	size_t buf_len; /* filtered, not yet parsed */
	char buf[VT_FEED_MAX];
	struct term_cell row[TERM_MAX_COLS]; /* scratch */
};

struct vt *vt_new(int rows, int cols, const struct vt_ops *ops, void *arg);
void vt_free(struct vt *vt);
/** vt_feed() - raw console bytes. */
void vt_feed(struct vt *vt, const char *bytes, size_t len);
/** vt_resize() - a new screen, with the history printed on it again; 0 or -ENOMEM (nothing changed). */
int vt_resize(struct vt *vt, int rows, int cols);
/** vt_clear() - as new: screen, scrollback and history are empty. */
int vt_clear(struct vt *vt);
/** vt_row() - a row of the screen as @cells[cols]. */
void vt_row(struct vt *vt, int row, struct term_cell *cells);
/** vt_line() - a line by number: scrollback, then the screen. False: there is none. */
bool vt_line(struct vt *vt, uint64_t number, struct term_cell *cells);
/** vt_flush_damage() - brings dirty_row up to date. */
void vt_flush_damage(struct vt *vt);
void vt_cursor(const struct vt *vt, int *row, int *col);

void vt_key(struct vt *vt, uint32_t ch, uint32_t key, uint32_t mods); /* TERM_KEY_*, TERM_MOD_* */
void vt_mouse(struct vt *vt, int row, int col, int button, bool pressed, uint32_t mods);
/** vt_paste() - ESC and what would end a bracketed paste are dropped. */
void vt_paste(struct vt *vt, const char *text, size_t len, bool first, bool last);

/* ---- between vt.c, vt_fast.c and vt_cells.c ---- */
void vt_parse(struct vt *vt, const char *bytes, size_t len);
/** vt_whole() - at most @n of @len bytes, with no half of a character at the end: libvterm would show U+FFFD. */
size_t vt_whole(const char *bytes, size_t len, size_t n);
/** vt_fast() - text: long runs of lines past libvterm. All are taken. */
void vt_fast(struct vt *vt, const char *bytes, size_t len, bool ascii);
void vt_cells(const VTermScreenCell *in, unsigned n, struct term_cell *out);
/** vt_pen() - the SGR sequence that sets libvterm's present pen. vt_pen_plain(): is it the default? */
void vt_pen(const struct vt *vt, char *out, size_t size);
bool vt_pen_plain(const struct vt *vt);

#endif
