/* heat.c - see heat.h. Main thread. */
#include "vmhost/heat.h"
#include "vmhost/host.h"
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <vmcore/vmcore.h>

#define MAX_REGIONS 64
/*
 * What looks may cost, as a share of all time. The guest's part cannot be measured: it takes a fault on each page it
 * writes, which costs many times what KVM takes to protect that page again: some 40 times on the software KVM, 20 to
 * 100 times in the nested test VM.
 */
#define GUEST_FACTOR 40
#define GUEST_SHARE  10 /* one part in so many */
#define OUR_SHARE    20
#define OFF_US	     2000000  /* a longer wait is spent with the log off */
#define LONGEST_US   10000000 /* between looks, however dear they are: the picture has to move */
#define WINDOW_US    200000   /* the log is on before a look, after it was off */

struct heat {
	struct vmc_vm *vm;
	char name[32];
	struct vmc_dirty_view *view; /* NULL: the log is off until next_us */
	uint64_t last_us;	     /* what a take tells was written since */
	uint64_t next_us;	     /* no take, or no log, before */
	uint64_t want_us;	     /* the last look was worth waiting so long after it */
};

int heat_new(struct vmc_vm *vm, const char *name, struct heat **out)
{
	struct heat *heat = calloc(1, sizeof(*heat));
	int rc;

	if (!heat)
		return -ENOMEM;
	heat->vm = vm;
	snprintf(heat->name, sizeof(heat->name), "%s", name);
	rc = vmc_dirty_open(vm, name, &heat->view);
	if (rc < 0) {
		free(heat);
		return rc;
	}
	heat->last_us = host_now_us();
	*out = heat;
	return 0;
}

void heat_free(struct heat *heat)
{
	if (!heat)
		return;
	vmc_dirty_close(heat->view);
	free(heat);
}

int heat_grid_init(struct heat_grid *g, uint64_t start, uint64_t size, uint32_t cells)
{
	uint64_t pages = size / VMC_PAGE_SIZE;

	memset(g, 0, sizeof(*g));
	g->start = start;
	g->size = size;
	g->cell_pages = (pages + cells - 1) / cells;
	g->cells =
		(uint32_t)((pages + g->cell_pages - 1) / g->cell_pages); /* the last may be short */
	g->written = calloc(g->cells, sizeof(*g->written));
	g->pages = calloc(g->cells, sizeof(*g->pages));
	if (!g->written || !g->pages) {
		heat_grid_free(g);
		return -ENOMEM;
	}
	return 0;
}

void heat_grid_free(struct heat_grid *g)
{
	free(g->written);
	free(g->pages);
	g->written = g->pages = NULL;
}

bool heat_is_due(struct heat *heat)
{
	uint64_t now = host_now_us();

	if (now < heat->next_us)
		return false;
	if (heat->view)
		return true;
	if (vmc_dirty_open(heat->vm, heat->name, &heat->view) < 0)
		return true; /* the take says why */
	heat->last_us = host_now_us();
	heat->next_us = heat->last_us + WINDOW_US;
	return false;
}

/* A look that began at @began is over. One that was dear only because it was disturbed has no cheap neighbours made to
 * wait: the cheaper of two counts. */
static void pace(struct heat *heat, uint64_t began)
{
	struct vmc_dirty_stats st;
	uint64_t want, guests, wait;

	vmc_dirty_stats(heat->vm, &st);
	want = (host_now_us() - began) * OUR_SHARE;
	guests = st.protect_us * GUEST_FACTOR * GUEST_SHARE;
	want = want > guests ? want : guests;
	wait = want < heat->want_us ? want : heat->want_us;
	wait = wait < LONGEST_US ? wait : LONGEST_US;
	heat->want_us = want;
	heat->last_us = began;
	heat->next_us = began + wait;
	if (wait <= OFF_US)
		return;
	vmc_dirty_close(heat->view);
	heat->view = NULL;
}

/* How many pages of a region lie in which cell. */
static void count_pages(struct heat_grid *g, uint64_t first, uint64_t n)
{
	while (n) {
		uint64_t cell = first / g->cell_pages;
		uint64_t in_cell = g->cell_pages - first % g->cell_pages;

		if (in_cell > n)
			in_cell = n;
		g->pages[cell] += in_cell;
		first += in_cell;
		n -= in_cell;
	}
}

/* @page: of the grid, for bit 0 of @word. */
static void count_word(struct heat_grid *g, uint64_t page, uint64_t word)
{
	uint64_t cell = page / g->cell_pages;

	if ((page + 63) / g->cell_pages == cell) {
		g->written[cell] += (uint64_t)__builtin_popcountll(word);
		return;
	}
	while (word) {
		unsigned bit = (unsigned)__builtin_ctzll(word);

		g->written[(page + bit) / g->cell_pages]++;
		word &= word - 1;
	}
}

void heat_grid_add(void *grid, uint64_t gpa, uint64_t pages, const uint64_t *bits)
{
	struct heat_grid *g = grid;
	uint64_t end = gpa + pages * VMC_PAGE_SIZE, from = gpa, to = end, first, last;

	if (from < g->start)
		from = g->start;
	if (to > g->start + g->size)
		to = g->start + g->size;
	if (from >= to)
		return;
	count_pages(g, (from - g->start) / VMC_PAGE_SIZE, (to - from) / VMC_PAGE_SIZE);
	first = (from - gpa) / VMC_PAGE_SIZE; /* pages of the region */
	last = (to - gpa) / VMC_PAGE_SIZE;
	for (uint64_t p = first & ~63ull; p < last; p += 64) {
		uint64_t word = bits[p / 64];

		if (!word)
			continue;
		if (p < first)
			word &= ~0ull << (first - p);
		if (last - p < 64)
			word &= ~(~0ull << (last - p));
		/* The grid's page of bit 0 may be before its start: then shift the bits instead. */
		if (p < first)
			count_word(g, (from - g->start) / VMC_PAGE_SIZE, word >> (first - p));
		else
			count_word(g, (gpa + p * VMC_PAGE_SIZE - g->start) / VMC_PAGE_SIZE, word);
	}
}

char heat_char(uint64_t written, uint64_t pages)
{
	if (!pages)
		return '-';
	if (!written)
		return '0';
	return "0123456789abcdef"[1 + 14 * (written < pages ? written : pages) / pages];
}

static uint64_t memory_end(struct vmc_vm *vm)
{
	struct vmc_mem_region regions[MAX_REGIONS];
	size_t n = vmc_mem_regions(vm, regions, MAX_REGIONS);
	uint64_t end = 0;

	for (size_t i = 0; i < n && i < MAX_REGIONS; i++)
		if (regions[i].gpa + regions[i].size > end)
			end = regions[i].gpa + regions[i].size;
	return end;
}

static json_t *show(
	const struct heat_grid *g, int64_t dirty, uint64_t interval_us, uint64_t cost_us)
{
	char *data = malloc((size_t)g->cells + 1), start[32], size[32];
	json_t *v;

	if (!data)
		return NULL;
	for (uint32_t i = 0; i < g->cells; i++)
		data[i] = heat_char(g->written[i], g->pages[i]);
	data[g->cells] = '\0';
	snprintf(start, sizeof(start), "0x%" PRIx64, g->start);
	snprintf(size, sizeof(size), "0x%" PRIx64, g->size);
	v = json_pack("{s:s, s:s, s:I, s:I, s:s, s:I, s:I, s:I}", "start", start, "size", size,
		"cells", (json_int_t)g->cells, "cell-pages", (json_int_t)g->cell_pages, "data",
		data, "dirty-pages", (json_int_t)dirty, "interval-us", (json_int_t)interval_us,
		"harvest-us", (json_int_t)cost_us);
	free(data);
	return v;
}

json_t *heat_take(struct heat *heat, uint64_t start, uint64_t size, uint32_t cells, bool paced,
	char *err, size_t err_size)
{
	uint64_t began = host_now_us(), interval = began - heat->last_us, end;
	struct heat_grid grid;
	json_t *v = NULL;
	int64_t dirty;

	if (!size) {
		end = memory_end(heat->vm);
		size = end > start ? end - start : 0;
	}
	if (!size || start % VMC_PAGE_SIZE || size % VMC_PAGE_SIZE || start + size < start) {
		snprintf(err, err_size,
			"start and size must be multiples of 4096, with memory in between");
		return NULL;
	}
	if (heat_grid_init(&grid, start, size, cells) < 0) {
		snprintf(err, err_size, "out of memory");
		return NULL;
	}
	dirty = heat->view || vmc_dirty_open(heat->vm, heat->name, &heat->view) == 0
			? vmc_dirty_take(heat->vm, heat->view, heat_grid_add, &grid)
			: -EIO;
	if (dirty < 0) {
		snprintf(err, err_size, "%s", vmc_error(heat->vm));
	} else {
		v = show(&grid, dirty, interval, host_now_us() - began);
		if (paced)
			pace(heat, began);
		else
			heat->last_us = began;
		if (!v)
			snprintf(err, err_size, "out of memory");
	}
	heat_grid_free(&grid);
	return v;
}
