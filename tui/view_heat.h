/* view_heat.h - the parts of the heatmap: view_heat.c (state, keys, what is asked for), heat_draw.c. Screen thread. */
#ifndef TUI_VIEW_HEAT_H
#define TUI_VIEW_HEAT_H
#include "tui/heat.h"
#include "tui/view.h"

/* Where things are inside the panel; from its size and the memory's. */
struct heat_place {
	int gutter;	 /* columns of row addresses, 0: none */
	int cols, rows;	 /* of the grid, in characters: cols x (2 * rows) cells */
	int side, side_w; /* the column of facts right of the grid; 0: none */
	int status;	 /* lines below the grid */
};

struct heat_panel {
	struct panel p;
	struct heat_model m;
	struct view_map map;
	struct heat_place at;
	uint8_t *shown;	     /* temperatures as drawn last, m.ncells */
	uint64_t cursor;     /* gpa */
	uint64_t drawn_us;   /* sample time of the last drawing */
	enum vmc_state vm_state;
	bool have_sample, need_map;
	bool fit;	     /* show all of memory, whatever the size */
	bool full_width;     /* use every column instead of a power of two */
	bool follow, frozen, scouting;
	uint64_t cold_us;    /* since when nothing in sight is warm */
};

void heat_draw(struct heat_panel *hp);
/** heat_place() - from the panel's size; @top: the end of memory. */
void heat_place(struct heat_panel *hp, uint64_t top);
/** heat_cell_at() - the cell drawn at (y, x), upper half; -1: none. */
int64_t heat_cell_at(const struct heat_panel *hp, int y, int x);
/** heat_written() - when memory under the cursor was last seen written, in words. */
void heat_written(const struct heat_panel *hp, char *out, size_t size);
uint64_t heat_top(const struct heat_panel *hp);

#endif
