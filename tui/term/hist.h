/*
 * hist.h - the last filtered bytes of a console, kept so that a resize can print them again on a screen of
 * the new size. vitrine-term's one thread.
 *
 * The ring begins at a checkpoint: a place between two sequences, with all a fresh terminal must be told to
 * go on from there. When the ring is full the oldest checkpoint's bytes go.
 */
#ifndef TUI_TERM_HIST_H
#define TUI_TERM_HIST_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { HIST_BYTES = 1 << 20, HIST_STEP = 64 << 10, HIST_MARKS = 32, HIST_PEN_MAX = 96 };

struct hist_mark {
	uint64_t offset; /* bytes since the first one ever */
	uint64_t line;	 /* number of the line the cursor was in */
	uint16_t row, col;
	uint32_t modes;	 /* FILTER_M_* */
	uint16_t region_top, region_bottom;
	char pen[HIST_PEN_MAX]; /* SGR that sets the pen */
};

struct hist {
	uint64_t end; /* offset after the newest byte */
	unsigned first, count; /* marks in use, a ring */
	struct hist_mark marks[HIST_MARKS];
	char *ring; /* HIST_BYTES */
};

int hist_init(struct hist *h);
void hist_free(struct hist *h);
/** hist_clear() - nothing kept; @mark is where it begins. */
void hist_clear(struct hist *h, const struct hist_mark *mark);
void hist_append(struct hist *h, const char *bytes, size_t len);
/** hist_wants_mark() - enough bytes since the last; @good: the cursor is at a line's beginning. */
bool hist_wants_mark(const struct hist *h, bool good);
/** hist_mark() - a checkpoint here; its offset is set. */
void hist_mark(struct hist *h, const struct hist_mark *mark);
struct hist_mark *hist_get(struct hist *h, unsigned i); /* i-th oldest, i < h->count */
/** hist_read() - the bytes from @offset on that lie in one piece. Return: how many, 0 at the end. */
size_t hist_read(const struct hist *h, uint64_t offset, const char **bytes);

#endif
