/*
 * heat.c - the heatmap's memory and cooling. Pure; of the thread that owns the struct.
 *
 * Temperatures are few and cooling slows down, so a busy page keeps its colour from frame to frame and a written one
 * changes seven times in a minute: what is painted is the terminal's real cost (a full screen of random colours is ten
 * times one that holds still). The first steps are quick, so that what moves does not smear.
 */
#include <errno.h>
#include <stdlib.h>
#include "tui/heat.h"

#define PAGE_SHIFT 12
#define RECENT_US 1000000ull /* writes this close together are one burst: the largest share counts */
#define MAX_GAP_US 5000000ull /* samples further apart than this tell nothing of the time between */

void heat_free(struct heat_model *m)
{
	free(m->cells);
	*m = (struct heat_model){ 0 };
}

uint64_t heat_cell_bytes(const struct heat_model *m)
{
	return 1ull << (PAGE_SHIFT + m->shift);
}

unsigned heat_fit_shift(uint64_t bytes, uint32_t ncells)
{
	uint64_t pages = (bytes >> PAGE_SHIFT) + ((bytes & ((1u << PAGE_SHIFT) - 1)) != 0);
	unsigned shift = 0;

	if (!ncells)
		return 0;
	while (shift < HEAT_MAX_SHIFT && (uint64_t)ncells << shift < pages)
		shift++;
	return shift;
}

int64_t heat_index(const struct heat_model *m, uint64_t gpa)
{
	uint64_t i;

	if (gpa < m->start)
		return -1;
	i = (gpa - m->start) >> (PAGE_SHIFT + m->shift);
	return i < m->ncells ? (int64_t)i : -1;
}

/* The more telling of two: written later, or in the same burst more of it. */
static void merge(struct heat_cell *into, const struct heat_cell *from)
{
	if (from->written_us > into->written_us) {
		uint8_t share = from->share;

		if (from->written_us - into->written_us < RECENT_US && into->written_us &&
			into->share > share)
			share = into->share;
		into->written_us = from->written_us;
		into->share = share;
		into->shift = from->shift;
	}
}

/* Cells of the view that [gpa, gpa + size) touches: first and one past the last. */
static bool overlap(const struct heat_model *m, uint64_t gpa, uint64_t size, uint32_t *first, uint32_t *end)
{
	unsigned bits = PAGE_SHIFT + m->shift;
	uint64_t from = gpa < m->start ? 0 : (gpa - m->start) >> bits, to;

	if (!size || gpa + (size - 1) < gpa || gpa + (size - 1) < m->start || from >= m->ncells)
		return false;
	to = ((gpa + (size - 1) - m->start) >> bits) + 1;
	*first = (uint32_t)from;
	*end = to < m->ncells ? (uint32_t)to : m->ncells;
	return true;
}

static void project(struct heat_model *to, const struct heat_model *from)
{
	for (uint32_t i = 0; i < from->ncells; i++) {
		const struct heat_cell *c = &from->cells[i];
		uint32_t first, end;

		if (!c->written_us ||
			!overlap(to, from->start + i * heat_cell_bytes(from), heat_cell_bytes(from), &first, &end))
			continue;
		for (uint32_t j = first; j < end; j++)
			merge(&to->cells[j], c);
	}
}

int heat_view(struct heat_model *m, uint64_t start, unsigned shift, uint32_t ncells)
{
	struct heat_model old = *m;

	if (!ncells || ncells > HEAT_MAX_CELLS || shift > HEAT_MAX_SHIFT)
		return -EINVAL;
	start &= ~((1ull << (PAGE_SHIFT + shift)) - 1);
	if (start == m->start && shift == m->shift && ncells == m->ncells)
		return 0;
	m->cells = calloc(ncells, sizeof(*m->cells));
	if (!m->cells) {
		m->cells = old.cells;
		return -ENOMEM;
	}
	m->start = start;
	m->shift = shift;
	m->ncells = ncells;
	project(m, &old);
	free(old.cells);
	return 0;
}

static unsigned shift_of(uint64_t cell_pages)
{
	unsigned shift = 0;

	while (shift < HEAT_MAX_SHIFT && 1ull << shift < cell_pages)
		shift++;
	return shift;
}

static void advance(struct heat_model *m, const struct vmc_sample_heat *s, uint64_t time_us, bool running)
{
	uint64_t dt = m->sample_us && time_us > m->sample_us ? time_us - m->sample_us : 0;
	double now;

	m->sample_us = time_us;
	m->every_us = dt;
	if (!m->clock_us)
		m->clock_us = 1000000;
	if (!running) {
		m->bytes_s = 0;
		return;
	}
	m->clock_us += dt < MAX_GAP_US ? dt : MAX_GAP_US;
	now = s->interval_us ? (double)s->dirty_pages * (1 << PAGE_SHIFT) * 1e6 / (double)s->interval_us : 0;
	/* Over about a second; half a KiB/s is nothing. */
	m->bytes_s = dt >= 1000000 || m->bytes_s == 0
		? now : m->bytes_s + (now - m->bytes_s) * (double)dt / 1e6;
	if (m->bytes_s < 512)
		m->bytes_s = 0;
	if (m->bytes_s > 1e15) /* nonsense */
		m->bytes_s = 1e15;
}

uint32_t heat_feed(struct heat_model *m, const struct vmc_sample_heat *s, uint64_t time_us, bool running)
{
	uint64_t bytes = s->cell_pages << PAGE_SHIFT;
	uint32_t touched = 0;

	advance(m, s, time_us, running);
	/* Smoothed: a figure that twitches ten times a second says nothing. */
	m->harvest_us = m->harvest_us ? (m->harvest_us * 15 + s->harvest_us + 8) / 16 : s->harvest_us;
	m->interval_us = s->interval_us;
	if (!s->cell_pages || s->cell_pages > 1ull << HEAT_MAX_SHIFT)
		return 0;
	for (uint32_t i = 0; i < s->cells; i++) {
		struct heat_cell seen = {
			.written_us = m->clock_us, .share = s->heat[i], .shift = (uint8_t)shift_of(s->cell_pages),
		};
		uint32_t first, end;

		if (!overlap(m, s->start + i * bytes, bytes, &first, &end))
			continue;
		for (uint32_t j = first; j < end; j++) {
			/* Only a cell that lies wholly in a hole is one. */
			if (s->cell_pages >= 1ull << m->shift)
				m->cells[j].hole = s->heat[i] >= HEAT_NOT_MEMORY;
			if (s->heat[i] && s->heat[i] < HEAT_NOT_MEMORY) {
				m->cells[j].hole = false;
				merge(&m->cells[j], &seen);
				touched++;
			}
		}
	}
	return touched;
}

uint64_t heat_age_us(const struct heat_model *m, uint32_t cell)
{
	if (cell >= m->ncells || !m->cells[cell].written_us)
		return UINT64_MAX;
	return m->clock_us - m->cells[cell].written_us;
}

int heat_level(const struct heat_model *m, uint32_t cell)
{
	static const struct {
		uint64_t age_us;
		int percent; /* of the peak, from that age on */
	} steps[HEAT_STEPS - 1] = {
		{ 300000, 80 }, { 600000, 60 }, { 1200000, 46 }, { 2500000, 36 }, { 5000000, 28 }, { 15000000, 18 },
		{ 60000000, 0 },
	};
	uint64_t age = heat_age_us(m, cell);
	int level, percent = 100;

	if (cell >= m->ncells || m->cells[cell].hole)
		return HEAT_NOT_MEMORY;
	if (age == UINT64_MAX)
		return 0;
	for (int i = 0; i < HEAT_STEPS - 1 && age >= steps[i].age_us; i++)
		percent = steps[i].percent;
	/* Four peaks, 9 11 13 15, so that a share that wavers does not repaint the cell. */
	level = (9 + 2 * (m->cells[cell].share / 4)) * percent / 100;
	return level < 1 ? 1 : level;
}

int64_t heat_hottest(const struct heat_model *m, int64_t keep)
{
	int best = 8; /* cooler than any fresh write does not draw the eye */
	int64_t at = -1;

	for (uint32_t i = 0; i < m->ncells; i++) {
		int level = heat_level(m, i);

		if (level == HEAT_NOT_MEMORY || level < best || (level == best && at >= 0 && i != keep))
			continue;
		best = level;
		at = i;
	}
	return at;
}
