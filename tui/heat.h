/*
 * heat.h - what the heatmap remembers: for each cell when it was last written and how much of it, and the
 * temperature that follows from that. Pure; of the thread that owns the struct.
 *
 * The clock is the VM's running time as the samples tell it: while the VM is paused nothing cools, so the
 * picture of the moment stays to be looked at.
 */
#ifndef TUI_HEAT_H
#define TUI_HEAT_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <vmcore/client.h>

#define HEAT_MAX_CELLS	65536u
#define HEAT_MAX_SHIFT	28u /* 2^28 pages a cell: 1 TiB */
#define HEAT_NOT_MEMORY 16
#define HEAT_STEPS	8   /* temperatures on the way from just written to long ago */

struct heat_cell {
	uint64_t written_us; /* model clock at the last write seen; 0: none seen */
	uint8_t share;	     /* 1..15: how much of it was written around then */
	uint8_t shift;	     /* the zoom it was seen at: coarser than the view's means "somewhere near" */
	bool hole;	     /* not memory */
};

struct heat_model {
	uint64_t start;	  /* gpa of the first cell */
	unsigned shift;	  /* a cell is 4 KiB << shift */
	uint32_t ncells;
	struct heat_cell *cells;
	uint64_t clock_us;  /* running time seen, from 1 s on (0 means never) */
	uint64_t sample_us; /* of the last sample; 0: none yet */
	double bytes_s;	    /* written in the whole VM, smoothed */
	uint64_t harvest_us, interval_us; /* what the last sample cost, and of which time */
	uint64_t every_us; /* from the one before to the last */
};

void heat_free(struct heat_model *m);
/** heat_view() - look at @ncells cells of 4 KiB << @shift from @start (rounded down to a cell). What is known is
 * kept where it overlaps. Return: 0, -ENOMEM (nothing changed), -EINVAL. */
int heat_view(struct heat_model *m, uint64_t start, unsigned shift, uint32_t ncells);
/** heat_feed() - one sample taken at @time_us; of any geometry, what overlaps counts.
 * Return: cells whose temperature may have changed. */
uint32_t heat_feed(struct heat_model *m, const struct vmc_sample_heat *s, uint64_t time_us, bool running);
/** heat_level() - 0: no write seen .. 15: all of it just now; HEAT_NOT_MEMORY. */
int heat_level(const struct heat_model *m, uint32_t cell);
/** heat_age_us() - since the last write seen; UINT64_MAX: none. */
uint64_t heat_age_us(const struct heat_model *m, uint32_t cell);
/** heat_hottest() - the cell written last and most; @keep wins against one just as hot. -1: nothing is warm. */
int64_t heat_hottest(const struct heat_model *m, int64_t keep);
/** heat_fit_shift() - the smallest zoom at which @ncells cells reach @bytes. */
unsigned heat_fit_shift(uint64_t bytes, uint32_t ncells);
uint64_t heat_cell_bytes(const struct heat_model *m);
/** heat_index() - the cell of @gpa, -1: outside the view. */
int64_t heat_index(const struct heat_model *m, uint64_t gpa);

#endif
