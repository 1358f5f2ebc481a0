/*
 * pager_picture.c - pictures made of page writes: what the heatmap shows is a drawing of memory.
 * Ring 3, vCPU 0.
 *
 * The grid's default is 64 cells a row and 16 rows or fewer, and so is the heatmap's in the workstation's
 * first layout; with 32 cells a row of twice the size the picture is coarser and still whole. A view whose rows
 * are twice as long shows the picture twice, side by side; one whose rows are half as long shows it
 * torn: then make the cells smaller or fewer.
 */
#include "font.h"
#include "pager.h"

#define CELL_MOST                                                                                  \
	32 /* pages a cell and frame: in a large VM a cell is hundreds, and each costs its host a  \
	      fault */

static char banner[48] = "VITRINE";

void set_banner(const char *text)
{
	unsigned n = 0;

	for (; text[n] && n + 1 < sizeof(banner); n++)
		banner[n] = text[n];
	banner[n] = 0;
}

void grid_fit(struct grid *g)
{
	uint64_t row = (uint64_t)g->cells_row * g->pages_cell;

	g->first_row = (unsigned)((g->first + row - 1) / row);
	g->rows = (unsigned)(g->end / row) - g->first_row;
	if (g->end / row <= g->first_row)
		g->rows = 0;
}

/* Bit-reversed order spreads a cell's pages, so that a part of them looks even at any zoom. */
static unsigned spread(unsigned i, unsigned n)
{
	unsigned r = 0;

	for (unsigned bit = 1; bit < n; bit <<= 1, i >>= 1)
		r = r << 1 | (i & 1);
	return r;
}

void grid_cell(const struct grid *g, int x, int y, unsigned share)
{
	unsigned n = (g->pages_cell * share + 15) / 16;
	uint64_t page;

	n = n > CELL_MOST ? CELL_MOST : n;
	if (x < 0 || y < 0 || (unsigned)x >= g->cells_row || (unsigned)y >= g->rows)
		return;
	page = ((uint64_t)(g->first_row + (unsigned)y) * g->cells_row + (unsigned)x) *
	       g->pages_cell;
	for (unsigned i = 0; i < n && i < g->pages_cell; i++)
		touch(page + spread(i, g->pages_cell));
}

static unsigned text_scale(const struct grid *g)
{
	unsigned scale = g->rows / (FONT_H + 1);

	return scale > 2 ? scale - scale % 2 : scale ? scale : 1;
}

/* There and back again between 0 and @span. */
static int bounce(uint64_t t, unsigned span)
{
	unsigned at;

	if (!span)
		return 0;
	at = (unsigned)(t % (2 * span));
	return (int)(at < span ? at : 2 * span - at);
}

/*
 * A text that fits goes from side to side, a longer one through. It takes a step every eighth frame: in between it is
 * written where it stands, so that its trail is cool enough to read it by. A step is two cells, so that
 * every step looks alike where the view shows two as one.
 */
static int banner_left(const struct grid *g, int width, unsigned scale, uint64_t frame)
{
	uint64_t step = frame / 8;
	unsigned span = (unsigned)width + g->cells_row, room;

	if (width > (int)g->cells_row)
		return (int)g->cells_row - (int)(step * 2 * scale % span);
	room = (g->cells_row - (unsigned)width) / 2;
	return bounce(step + room / 2, room) * 2;
}

void draw_banner(const struct grid *g, uint64_t frame)
{
	unsigned scale = text_scale(g), len = (unsigned)strlen(banner);
	int width = (int)(len * (FONT_W + 1) * scale), left = banner_left(g, width, scale, frame);
	int top = ((int)g->rows - (int)(FONT_H * scale)) / 2;

	for (int y = 0; y < (int)(FONT_H * scale); y++)
		for (int x = 0; x < (int)g->cells_row; x++) {
			int at = x - left;

			if (at >= 0 && at < width &&
				font_bit(banner[at / (int)((FONT_W + 1) * scale)],
					(unsigned)at / scale % (FONT_W + 1), (unsigned)y / scale))
				grid_cell(g, x, top + y, 16);
		}
	for (unsigned x = 0; x < g->cells_row; x += 2) { /* rails, to show that it moves */
		grid_cell(g, (int)((x + frame) % g->cells_row), top - 2, 4);
		grid_cell(g, (int)((x + frame) % g->cells_row), top + (int)(FONT_H * scale) + 1, 4);
	}
}

void draw_ball(const struct grid *g, uint64_t frame)
{
	int r = (int)(g->rows / 6 ? g->rows / 6 : 1);
	int x = r + bounce(frame, g->cells_row > 2 * (unsigned)r
					  ? g->cells_row - 2 * (unsigned)r - 1
					  : 1);
	int y = r + bounce(frame * 2 / 3,
			    g->rows > 2 * (unsigned)r ? g->rows - 2 * (unsigned)r - 1 : 1);

	for (int dy = -r; dy <= r; dy++)
		for (int dx = -r; dx <= r; dx++)
			if (dx * dx + dy * dy <= r * r + r / 2)
				grid_cell(
					g, x + dx, y + dy, dx * dx + dy * dy < r * r / 4 ? 16 : 9);
	for (unsigned i = 0; i < g->cells_row; i++) {
		grid_cell(g, (int)i, 0, 2);
		grid_cell(g, (int)i, (int)g->rows - 1, 2);
	}
}

static int sine(unsigned a) /* -64..64, period 256, from parabolas */
{
	int x = (int)(a % 128) - 64, v = 64 - x * x / 64;

	return a % 256 < 128 ? v : -v;
}

void draw_waves(const struct grid *g, uint64_t frame)
{
	unsigned t = (unsigned)frame * 6;

	for (unsigned y = 0; y < g->rows; y++)
		for (unsigned x = 0; x < g->cells_row; x++) {
			int v = sine(x * 8 + t) + sine(y * 12 - t) + sine((x + y) * 5 + t / 2);

			if (v > 40)
				grid_cell(g, (int)x, (int)y, (unsigned)(v - 40) / 9 + 1);
		}
}
