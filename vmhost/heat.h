/*
 * heat.h - which parts of memory were written, as one character a cell (docs/protocol.md, HEAT).
 * Main thread. While a heat exists, dirty logging is on.
 */
#ifndef VMHOST_HEAT_H
#define VMHOST_HEAT_H
#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <vmcore/vm.h>

#define HEAT_CELLS_MAX 65536

struct heat;

int heat_new(struct vmc_vm *vm, const char *name, struct heat **out);
void heat_free(struct heat *heat);
/**
 * heat_is_due() - may a take come now? Logging makes the guest fault once on each page that it writes after a look, and
 * takes its huge pages from it. Where that, or looking, costs more than its share of time, looks are rarer; where it is
 * very dear (a nested KVM, a guest that boots), logging itself is on only for moments in between.
 */
bool heat_is_due(struct heat *heat);
/** heat_take() - what was written since the last take, in @cells cells over [start, start + size);
 * size 0: all. @paced: the next one asks heat_is_due(). Return: a HEAT object, NULL with @err. */
json_t *heat_take(struct heat *heat, uint64_t start, uint64_t size, uint32_t cells, bool paced,
	char *err, size_t err_size);

/* The arithmetic of it, apart from KVM. */
struct heat_grid {
	uint64_t start, size, cell_pages;
	uint32_t cells;
	uint64_t *written, *pages; /* a cell's */
};
int heat_grid_init(struct heat_grid *g, uint64_t start, uint64_t size, uint32_t cells);
void heat_grid_free(struct heat_grid *g);
/** heat_grid_add() - a region's pages and which of them were written (vmc_dirty_fn). */
void heat_grid_add(void *grid, uint64_t gpa, uint64_t pages, const uint64_t *bits);
char heat_char(uint64_t written, uint64_t pages);

#endif
