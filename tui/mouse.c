/*
 * mouse.c - a click focuses, the wheel scrolls, a border can be dragged; with Shift the terminal keeps the mouse
 * for itself (selecting text), because terminals do not report it then. Screen thread.
 *
 * Codes (xterm, SGR 1006): bits 0-1 button, 2 shift, 3 alt, 4 ctrl, 5 motion, 6 wheel.
 */
#include "config.h"
#include "tui/mouse.h"
#include "tui/ui.h"

static bool inside(const struct ui_rect *r, int y, int x)
{
	return y >= r->y && y < r->y + r->h && x >= r->x && x < r->x + r->w;
}

static struct node *leaf_at(struct ui *ui, int y, int x)
{
	struct node *root = tab_current(ui)->root, *l;

	for (l = node_next_leaf(root, NULL, true); l != NULL; l = node_next_leaf(root, l, true))
		if (l->panel != NULL && inside(&l->panel->rect, y, x))
			return l;
	return NULL;
}

/* The leaf whose right or lower border is here. */
static struct node *border_at(struct ui *ui, int y, int x)
{
	struct node *root = tab_current(ui)->root, *l;

	for (l = node_next_leaf(root, NULL, true); l != NULL; l = node_next_leaf(root, l, true)) {
		if (x == l->outer.x + l->outer.w - 1 && x < ui->cols - 1 && y > l->outer.y &&
			y < l->outer.y + l->outer.h)
			return l;
		if (y == l->outer.y + l->outer.h - 1 && y < ui->rows - 2 && x > l->outer.x &&
			x < l->outer.x + l->outer.w)
			return l;
	}
	return NULL;
}

static bool dragging(struct ui *ui, int code, int y, int x, bool press)
{
	if (ui->drag != NULL && (code & 32) && press) {
		ui_focus(ui, ui->drag);
		if (y != ui->drag_y)
			ui_resize_leaf(ui, y - ui->drag_y, 1, 0);
		if (x != ui->drag_x)
			ui_resize_leaf(ui, x - ui->drag_x, 0, 1);
		ui->drag_y = y;
		ui->drag_x = x;
		return true;
	}
	if (!press) {
		ui->drag = NULL;
		return false;
	}
	if ((code & (3 | 32 | 64)) == 0 && leaf_at(ui, y, x) == NULL) {
		ui->drag = border_at(ui, y, x);
		ui->drag_y = y;
		ui->drag_x = x;
		return ui->drag != NULL;
	}
	return false;
}

void mouse_event(struct ui *ui, int code, int y, int x, bool press)
{
	struct panel_mouse m = {.button = (code & 3) + 1, .shift = code & 4, .alt = code & 8, .ctrl = code & 16};
	struct node *leaf = NULL;
	struct panel *p = ui->overlay;
	enum panel_result r = PANEL_IGNORED;

	if (line_active(ui))
		return;
	if (p == NULL) {
		if (dragging(ui, code, y, x, press))
			return;
		leaf = leaf_at(ui, y, x);
		p = leaf != NULL ? leaf->panel : NULL;
	} else if (!inside(&p->rect, y, x)) {
		return;
	}
	if (p == NULL)
		return;
	m.y = y - p->rect.y;
	m.x = x - p->rect.x;
	m.what = code & 64 ? ((code & 1) ? MOUSE_WHEEL_DOWN : MOUSE_WHEEL_UP) :
		!press	   ? MOUSE_RELEASE :
		code & 32  ? MOUSE_DRAG :
			     MOUSE_PRESS;
	if (m.what == MOUSE_PRESS && leaf != NULL && leaf != ui_focused(ui))
		ui_focus(ui, leaf);
	if (p->ops->mouse != NULL)
		r = p->ops->mouse(p, &m);
	if (r == PANEL_IGNORED && code & 64 && p->ops->key != NULL)
		r = p->ops->key(p, m.what == MOUSE_WHEEL_UP ? KEY_UP : KEY_DOWN);
	ui_apply(ui, p, r);
}
