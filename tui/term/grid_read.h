/*
 * grid_read.h - the workstation's own, checked copy of what a vitrine-term publishes. Screen thread.
 *
 * The other process may be in the hands of a guest: its memory changes at any moment and may hold anything.
 * Every value is copied once, then checked, then used; cells come out as what ncurses may draw.
 */
#ifndef TUI_TERM_GRID_READ_H
#define TUI_TERM_GRID_READ_H
#include <tui/term/wire.h>

struct term_view {
	unsigned rows, cols;	 /* 0: nothing yet */
	struct term_cell *cells; /* rows * cols */
	unsigned cursor_row, cursor_col;
	uint32_t modes, bells, geometry;
	uint64_t sb_lines, view_offset, top_line;
	uint64_t bytes, blocked, poisoned;
	char title[TERM_TITLE_SIZE];

	/* private */
	uint32_t row_gen[TERM_MAX_ROWS];
	bool wanted[TERM_MAX_ROWS];
	struct term_cell *fresh; /* rows as copied, not yet believed */
	size_t room;		 /* cells allocated in both */
	bool again;		 /* take every row */
};

/**
 * term_view_update() - take what has changed in @grid.
 * Return: 1 something new, 0 nothing, -EAGAIN it is being written (try again at the next wake-up),
 * -EPROTO it makes no sense (the process must go), -ENOMEM.
 */
int term_view_update(struct term_view *view, const struct term_grid *grid);
/** term_view_restart() - another grid comes; what is shown stays until it does. */
void term_view_restart(struct term_view *view);
void term_view_free(struct term_view *view);
/** term_row_check() - make @n cells of any content fit to be drawn. */
void term_row_check(struct term_cell *cells, unsigned n);

#endif
