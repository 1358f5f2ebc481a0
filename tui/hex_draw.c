/* hex_draw.c - what the hex view draws: rows of bytes and text, the byte under the cursor in several readings. Screen thread. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include "tui/decode.h"
#include "tui/view_hex.h"

/* "00101f3c  48 89 07 e8 10 00 00 00  c3 ...  H......." */
static int width_for(int digits, int per_row, bool ascii)
{
	int groups = per_row > 8 ? per_row / 8 - 1 : 0;

	return digits + 2 + 3 * per_row - 1 + groups + (ascii ? 2 + per_row : 0);
}

static int digits_for(const struct hex_panel *hp)
{
	uint64_t last = hp->top + HEX_WINDOW;

	return last < hp->top || last >> 40 ? 16 : last >> 32 ? 10 : 8;
}

void hex_layout(struct hex_panel *hp)
{
	static const int sizes[] = { 32, 16, 8, 4 };
	int w = hp->p.rect.w, below;

	hp->digits = digits_for(hp);
	hp->ascii = true;
	hp->per_row = 0;
	for (int i = 0; i < 4 && !hp->per_row; i++)
		if (width_for(hp->digits, sizes[i], true) <= w)
			hp->per_row = sizes[i];
	if (!hp->per_row) {
		hp->ascii = false;
		hp->per_row = width_for(hp->digits, 8, false) <= w ? 8 : 4;
	}
	below = hp->p.rect.h >= 8 ? 2 : hp->p.rect.h >= 5 ? 1 : 0;
	hp->rows = hp->p.rect.h - below < 1 ? 1 : hp->p.rect.h - below;
	while (hp->rows * hp->per_row > HEX_WINDOW)
		hp->rows--;
}

static int byte_x(const struct hex_panel *hp, int i)
{
	return hp->digits + 2 + 3 * i + i / 8;
}

static int ascii_x(const struct hex_panel *hp)
{
	return byte_x(hp, hp->per_row - 1) + 4;
}

bool hex_at(const struct hex_panel *hp, int y, int x, uint64_t *addr)
{
	if (y < 0 || y >= hp->rows)
		return false;
	for (int i = 0; i < hp->per_row; i++) {
		bool hit = (x >= byte_x(hp, i) && x < byte_x(hp, i) + 2) || (hp->ascii && x == ascii_x(hp) + i);

		if (!hit)
			continue;
		*addr = hp->top + (uint64_t)(y * hp->per_row + i);
		return *addr >= hp->top;
	}
	return false;
}

static void draw_byte(struct hex_panel *hp, int y, int i, uint64_t addr)
{
	bool fresh = false, here = addr == hp->cursor;
	int byte = hex_byte(hp, addr, &fresh), x = byte_x(hp, i);
	enum ui_role role = here ? ROLE_CURSOR : fresh ? ROLE_CHANGED : byte == 0 ? ROLE_DIM : ROLE_VALUE;
	char ch;

	if (byte == -1) { /* not read yet */
		if (here)
			ui_draw(&hp->p, y, x, ROLE_CURSOR, "  ");
		return;
	}
	if (byte < 0) {
		ui_draw(&hp->p, y, x, here ? ROLE_CURSOR : ROLE_DIM, "··");
		return;
	}
	ui_draw(&hp->p, y, x, role, "%02x", byte);
	if (!hp->ascii)
		return;
	ch = byte >= 0x20 && byte < 0x7f ? (char)byte : '.';
	if (role == ROLE_VALUE)
		role = ch == '.' ? ROLE_DIM : ROLE_DEFAULT;
	ui_draw(&hp->p, y, ascii_x(hp) + i, role, "%c", ch);
}

static void where(struct hex_panel *hp, char *out, size_t size)
{
	struct vmc_symbols *syms = ui_vm_symbols(hp->p.vm);
	const struct vmc_map_entry *e;
	char sym[96];
	uint64_t gpa;
	size_t n;

	out[0] = '\0';
	if (!hex_physical(hp, hp->cursor, &gpa)) {
		snprintf(out, size, "not mapped");
		return;
	}
	e = view_map_what(&hp->map, gpa);
	if (hp->virt)
		snprintf(out, size, "-> %" PRIx64 " %s", gpa, e ? view_map_name(e) : "");
	else
		snprintf(out, size, "%s", e ? view_map_name(e) : hp->map.n ? "nothing there" : "");
	n = strlen(out);
	if (syms && vmc_symbols_find(syms, hp->cursor, sym, sizeof(sym)) == 0)
		snprintf(out + n, size - n, "%s%s", n ? " · " : "", sym);
	else if (hp->virt && hp->at_addr == hp->cursor && hp->at_name[0])
		snprintf(out + n, size - n, "%s%s", n ? " · " : "", hp->at_name);
}

/* The value at the cursor as 1, 2, 4 and 8 little-endian bytes. */
static void values(struct hex_panel *hp, int y, int x, int w)
{
	static const int sizes[] = { 1, 2, 4, 8 };
	uint64_t v = 0;
	int known = 0, end = x + w;

	for (; known < 8; known++) {
		int byte = hex_byte(hp, hp->cursor + (uint64_t)known, NULL);

		if (byte < 0)
			break;
		v |= (uint64_t)byte << (8 * known);
	}
	for (int i = 0; i < 4 && sizes[i] <= known; i++) {
		uint64_t part = sizes[i] == 8 ? v : v & ((1ull << (8 * sizes[i])) - 1);
		int need = 4 + 2 * sizes[i];

		if (end - x < need)
			break;
		x += ui_draw(&hp->p, y, x, ROLE_LABEL, "u%d ", 8 * sizes[i]);
		view_hex(&hp->p, y, x, 2 * sizes[i], part, ROLE_VALUE);
		x += 2 * sizes[i] + 2;
	}
}

static void finding(struct hex_panel *hp, int y)
{
	char size[16];
	int x;

	decode_size(hp->find_read, size, sizeof(size));
	x = view_text(&hp->p, y, 0, hp->p.rect.w, ROLE_WARN, "looking for %s: %s read, at 0x%" PRIx64 "  ", hp->pattern_text, size,
		hp->find_at);
	view_keys(&hp->p, y, x, hp->p.rect.w - x, "Esc", "stop", NULL);
}

static void below(struct hex_panel *hp)
{
	int y = hp->rows, w = hp->p.rect.w, x;
	char text[200];

	if (y >= hp->p.rect.h)
		return;
	where(hp, text, sizeof(text));
	x = ui_draw(&hp->p, y, 0, ROLE_VALUE, "0x%" PRIx64, hp->cursor) + 1;
	x += view_text(&hp->p, y, x, w - x, ROLE_DEFAULT, "%s", text) + 2;
	if (w - x > 20)
		values(hp, y, x, w - x);
	if (++y >= hp->p.rect.h)
		return;
	if (hp->finding)
		finding(hp, y);
	else if (hp->problem[0])
		view_text(&hp->p, y, 0, w, ROLE_BAD, "%s", hp->problem);
	else
		view_keys(&hp->p, y, 0, w, "g", "go to", "v", hp->virt ? "physical" : "virtual", "f", "find", "n", "next", "Enter",
			"follow", "b", "back", "e", "write", NULL);
}

void hex_draw(struct hex_panel *hp)
{
	if (digits_for(hp) != hp->digits || !hp->rows) {
		hex_layout(hp);
		hex_read(hp);
	}
	for (int y = 0; y < hp->rows; y++) {
		uint64_t row = hp->top + (uint64_t)(y * hp->per_row);

		if (row < hp->top)
			break; /* past the last address */
		ui_draw(&hp->p, y, 0, ROLE_LABEL, "%0*" PRIx64, hp->digits, row);
		for (int i = 0; i < hp->per_row; i++)
			draw_byte(hp, y, i, row + (uint64_t)i);
	}
	below(hp);
}
