/* pager.h - what the parts of the pager guest share. Ring 3, vCPU 0. */
#ifndef GUEST_PAGER_H
#define GUEST_PAGER_H

#include "screen.h"

/* How pages are laid out as cells of a picture; the first cell is physical address 0. */
struct grid {
	unsigned cells_row, pages_cell;
	uint64_t first, end; /* the pages that may be written */
	unsigned first_row, rows;
};

void grid_fit(struct grid *g);
/** grid_cell() - write @share sixteenths of a cell's pages; x and y from the picture's corner. */
void grid_cell(const struct grid *g, int x, int y, unsigned share);
void touch(uint64_t page);

/** One frame of a picture. */
void draw_banner(const struct grid *g, uint64_t frame);
void draw_ball(const struct grid *g, uint64_t frame);
void draw_waves(const struct grid *g, uint64_t frame);
void set_banner(const char *text);

#endif
