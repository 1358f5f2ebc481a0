/*
 * frames.c - borders: computed once a layout as arms per cell, so that corners and junctions come out right, and
 * drawn with each panel's title in its upper border. Screen thread.
 */
#include "config.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "tui/ui.h"
#include "tui/vm.h"

enum { ARM_UP = 1, ARM_DOWN = 2, ARM_LEFT = 4, ARM_RIGHT = 8 };

static void arms(struct ui *ui, int y, int x, int bits)
{
	if (y >= 0 && x >= 0 && y < ui->rows && x < ui->cols)
		ui->border[y * ui->cols + x] |= (uint8_t)bits;
}

static void outline(struct ui *ui, const struct ui_rect *r)
{
	int y, x, b = r->y + r->h - 1, e = r->x + r->w - 1;

	for (x = r->x; x <= e; x++) {
		arms(ui, r->y, x, (x > r->x ? ARM_LEFT : 0) | (x < e ? ARM_RIGHT : 0));
		arms(ui, b, x, (x > r->x ? ARM_LEFT : 0) | (x < e ? ARM_RIGHT : 0));
	}
	for (y = r->y; y <= b; y++) {
		arms(ui, y, r->x, (y > r->y ? ARM_UP : 0) | (y < b ? ARM_DOWN : 0));
		arms(ui, y, e, (y > r->y ? ARM_UP : 0) | (y < b ? ARM_DOWN : 0));
	}
}

void frames_compute(struct ui *ui)
{
	struct node *root = tab_current(ui)->root, *l;

	free(ui->border);
	ui->border = calloc((size_t)ui->rows * (size_t)ui->cols, 1);
	if (ui->border == NULL)
		return;
	for (l = node_next_leaf(root, NULL, true); l != NULL; l = node_next_leaf(root, l, true))
		outline(ui, &l->outer);
	ui->draw_frames = true;
}

static wchar_t glyph(const struct ui *ui, int bits)
{
	static const wchar_t square[16] = L" \u2502\u2502\u2502\u2500\u2518\u2510\u2524\u2500\u2514\u250c\u251c\u2500\u2534\u252c\u253c";

	if (ui->opt.rounded && !ui_ascii(ui)) {
		switch (bits) {
		case ARM_DOWN | ARM_RIGHT:
			return L'\u256d';
		case ARM_DOWN | ARM_LEFT:
			return L'\u256e';
		case ARM_UP | ARM_RIGHT:
			return L'\u2570';
		case ARM_UP | ARM_LEFT:
			return L'\u256f';
		}
	}
	return square[bits & 15];
}

static void draw_rect(struct ui *ui, const struct ui_rect *r, enum ui_role role)
{
	int y, x;

	for (y = r->y; y < r->y + r->h && y < ui->rows - 1; y++) {
		for (x = r->x; x < r->x + r->w && x < ui->cols; x++) {
			if (y != r->y && y != r->y + r->h - 1 && x != r->x && x != r->x + r->w - 1)
				continue;
			draw_wch(ui, y, x, glyph(ui, ui->border[y * ui->cols + x]), role);
		}
	}
}

static void draw_title(struct ui *ui, struct node *l, bool focused)
{
	struct panel *p = l->panel;
	char title[256] = "", text[300];
	enum ui_role role = focused ? ROLE_TITLE_FOCUS : ROLE_TITLE;
	int w;

	if (p != NULL && p->ops->title != NULL)
		p->ops->title(p, title, sizeof(title));
	if (title[0] == '\0')
		snprintf(title, sizeof(title), "%s", l->ops->name);
	snprintf(text, sizeof(text), "%s%s ", focused ? (ui->console_mode ? "\u25cf" : "\u25b8") : " ", title);
	w = text_width(text);
	if (w <= 2 || l->outer.w < 6)
		return;
	if (w <= l->outer.w - 3) {
		draw_text(ui, l->outer.y, l->outer.x + 1, w, role, text);
		return;
	}
	draw_text(ui, l->outer.y, l->outer.x + 1, l->outer.w - 4, role, text);
	draw_text(ui, l->outer.y, l->outer.x + l->outer.w - 3, 1, role, "\u2026");
}

void frames_draw(struct ui *ui)
{
	struct node *root = tab_current(ui)->root, *l, *focus = ui_focused(ui);
	enum ui_role role = ui->console_mode ? ROLE_GOOD : ROLE_BORDER_FOCUS;

	if (ui->border == NULL)
		return;
	for (l = node_next_leaf(root, NULL, true); l != NULL; l = node_next_leaf(root, l, true))
		if (l != focus)
			draw_rect(ui, &l->outer, ROLE_BORDER);
	if (focus != NULL && focus->shown)
		draw_rect(ui, &focus->outer, role);
	for (l = node_next_leaf(root, NULL, true); l != NULL; l = node_next_leaf(root, l, true))
		draw_title(ui, l, l == focus);
}
