/*
 * panes.c - the panes of the current tab: which panel is where, which has the focus, splitting, sizes, and the
 * view in a pane. Screen thread.
 */
#include "config.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "tui/ui.h"
#include "tui/vm.h"

struct node *ui_focused(struct ui *ui)
{
	return tab_current(ui)->focus;
}

struct panel *ui_focused_panel(struct ui *ui)
{
	struct node *l = ui_focused(ui);

	return l != NULL && l->shown ? l->panel : NULL;
}

struct node *ui_leaf_of(struct ui *ui, const struct panel *p)
{
	struct node *root = tab_current(ui)->root, *l;

	for (l = node_next_leaf(root, NULL, true); l != NULL; l = node_next_leaf(root, l, true))
		if (l->panel == p)
			return l;
	return NULL;
}

/* A shown leaf gets its panel: the one it had, one from the pool, or a new one. */
static void fill_leaf(struct ui *ui, struct node *l, struct panel *had)
{
	struct ui_vm *vm = l->vm != NULL ? l->vm : ui->sel;
	struct ui_rect inside = {l->outer.y + 1, l->outer.x + 1, l->outer.h - 2, l->outer.w - 2};
	struct panel *p;

	if (l->ops->per_vm && vm == NULL) {
		l->panel = NULL;
		return;
	}
	vm = l->ops->per_vm ? vm : NULL;
	if (had != NULL && had->ops == l->ops && had->vm == vm && !had->visible) {
		p = had;
		p->visible = true;
	} else {
		p = pool_get(ui, l->ops, vm);
	}
	l->panel = p;
	if (p == NULL)
		return;
	p->stale = true;
	if (memcmp(&p->rect, &inside, sizeof(inside)) != 0) {
		p->rect = inside;
		if (p->ops->resized != NULL)
			p->ops->resized(p);
	}
}

void ui_layout(struct ui *ui)
{
	struct ui_rect area = {0, 0, ui->rows - 1, ui->cols};
	struct tab *t = tab_current(ui);
	bool dragged = false;
	struct node *l;

	ui->layout_stale = false;
	ui->too_small = ui->rows < UI_MIN_ROWS || ui->cols < UI_MIN_COLS;
	pool_hide_all(ui);
	if (ui->too_small) {
		pool_settle(ui);
		ui->draw_all = true;
		return;
	}
	tabs_prepare(ui);
	for (l = node_next_leaf(t->root, NULL, false); l != NULL; l = node_next_leaf(t->root, l, false)) {
		l->shown = false;
		dragged |= l == ui->drag;
	}
	if (!dragged)
		ui->drag = NULL;
	if (t->zoom && t->focus != NULL) {
		t->focus->outer = area;
		t->focus->shown = true;
	} else {
		node_place(t->root, area, t->focus);
	}
	if (t->focus == NULL || !t->focus->shown)
		t->focus = node_next_leaf(t->root, NULL, true);
	for (l = node_next_leaf(t->root, NULL, true); l != NULL; l = node_next_leaf(t->root, l, true))
		fill_leaf(ui, l, l->panel);
	if (t->focus != NULL && t->focus->panel != NULL)
		t->focus->panel->focused = true;
	if (ui->console_mode && (ui_focused_panel(ui) == NULL || ui_focused_panel(ui)->ops->raw_key == NULL))
		ui_set_console_mode(ui, false);
	frames_compute(ui);
	pool_settle(ui);
	ui->draw_all = true;
}

void ui_focus(struct ui *ui, struct node *leaf)
{
	struct tab *t = tab_current(ui);
	struct panel *p = ui_focused_panel(ui);
	struct ui_vm *vm;

	if (leaf == NULL || leaf == t->focus)
		return;
	if (p != NULL) {
		p->focused = false;
		ui_mark(p);
	}
	t->focus = leaf;
	leaf->used = ++ui->focus_count;
	if (t->zoom || !leaf->shown)
		ui_relayout(ui);
	p = ui_focused_panel(ui);
	if (p != NULL) {
		p->focused = true;
		ui_mark(p);
	}
	vm = leaf->vm;
	if (vm != NULL && vm != ui->sel)
		ui_select(ui, vm);
	if (ui->console_mode && (p == NULL || p->ops->raw_key == NULL))
		ui_set_console_mode(ui, false);
	ui->draw_frames = ui->draw_line = ui->want_stale = true;
	ui_schedule(ui);
}

/* How far @b lies from @a in a direction; negative: not there. Beside it counts before elsewhere. */
static int way_to(const struct ui_rect *a, const struct ui_rect *b, int dy, int dx)
{
	int gap, beside;

	gap = dx > 0 ? b->x - (a->x + a->w - 1) : dx < 0 ? a->x - (b->x + b->w - 1) :
		dy > 0					 ? b->y - (a->y + a->h - 1) :
							   a->y - (b->y + b->h - 1);
	if (gap < 0)
		return -1;
	beside = dx != 0 ? b->y < a->y + a->h - 1 && b->y + b->h - 1 > a->y :
			   b->x < a->x + a->w - 1 && b->x + b->w - 1 > a->x;
	return gap + (beside ? 0 : 1000);
}

/* The nearest leaf in a direction; of several the one that had the focus last, then the first. */
bool ui_move_focus(struct ui *ui, int dy, int dx)
{
	struct node *root = tab_current(ui)->root, *from = ui_focused(ui), *l, *best = NULL;
	int way, least = 0;

	if (from == NULL)
		return false;
	for (l = node_next_leaf(root, NULL, true); l != NULL; l = node_next_leaf(root, l, true)) {
		way = l != from ? way_to(&from->outer, &l->outer, dy, dx) : -1;
		if (way < 0)
			continue;
		if (best == NULL || way < least || (way == least && l->used > best->used)) {
			best = l;
			least = way;
		}
	}
	if (best != NULL)
		ui_focus(ui, best);
	return best != NULL;
}

/* Grows a pane by @delta along one direction: its share becomes what it has now and a bit more. */
int ui_resize_leaf(struct ui *ui, int delta, int dy, int dx)
{
	struct tab *t = tab_current(ui);
	enum node_kind kind = dy != 0 ? NODE_ROWS : NODE_COLS;
	struct node *n, *c, *other = NULL;
	int size;

	if (ui->layout_stale) /* sizes as they are now */
		ui_layout(ui);
	n = t->focus;
	while (n != NULL && (n->parent == NULL || n->parent->kind != kind))
		n = n->parent;
	if (n == NULL || t->zoom)
		return -ENOENT;
	for (c = n->parent->first; c != NULL; c = c->next)
		if (c->shown && c != n && (other == NULL || c == n->next))
			other = c;
	if (other == NULL)
		return -ENOENT;
	for (c = n->parent->first; c != NULL; c = c->next) {
		size = kind == NODE_ROWS ? c->outer.h : c->outer.w;
		if (!c->shown)
			continue;
		c->weight = size * 8;
		if (c == n)
			c->weight = (size + delta > 3 ? size + delta : 3) * 8;
		else if (c == other)
			c->weight = (size - delta > 3 ? size - delta : 3) * 8;
		if (c == n || c == other)
			c->min = c->max = 0;
	}
	t->custom = true;
	t->by_views = false;
	ui_relayout(ui);
	return 0;
}

void ui_show_view(struct ui *ui, struct node *leaf, const struct panel_ops *ops)
{
	struct tab *t = tab_current(ui);
	struct node *l;

	if (leaf->ops == ops)
		return;
	t->by_views |= !t->custom;
	if (leaf->back == NULL)
		leaf->back = leaf->ops;
	else if (leaf->back == ops)
		leaf->back = NULL;
	if (leaf->back == NULL && leaf->from != NULL && leaf == t->focus) {
		for (l = node_next_leaf(t->root, NULL, true); l != NULL && (l->ops != leaf->from || l == leaf ||
			(l->vm != NULL && l->vm != ui->sel)); l = node_next_leaf(t->root, l, true))
			;
		ui_focus(ui, l);
	}
	leaf->from = NULL;
	leaf->ops = ops;
	leaf->consoles = false;
	t->custom = true;
	for (l = node_next_leaf(t->root, NULL, false); l != NULL && l->back == NULL;
		l = node_next_leaf(t->root, l, false))
		;
	if (l == NULL && t->by_views) /* all is as it was: the layout follows the VMs again */
		t->custom = t->by_views = false;
	ui_relayout(ui);
}

/* Where a view that is not shown yet goes: into a pane that shows another view of a VM, not over a console or
 * the list; else the focused pane is split. */
static struct node *place_for(struct ui *ui)
{
	struct node *root = tab_current(ui)->root, *l = ui_focused(ui), *best = NULL;

	if (l != NULL && l->ops != &panel_vms && l->ops != &panel_console && l->shown)
		return l;
	for (l = node_next_leaf(root, NULL, true); l != NULL; l = node_next_leaf(root, l, true))
		if (l->ops != &panel_vms && l->ops != &panel_console &&
			(best == NULL || l->outer.h * l->outer.w > best->outer.h * best->outer.w))
			best = l;
	return best;
}

struct panel *ui_open_panel(struct ui *ui, struct ui_vm *vm, const char *name)
{
	const struct panel_ops *ops = panel_by_name(name);
	struct node *l, *where;
	struct tab *t;

	if (ops == NULL || ui->too_small)
		return NULL;
	if (ops == &panel_help) {
		if (ui->overlay == NULL || ui->overlay->ops != ops)
			ui_overlay(ui, ops->create(ui, NULL));
		return ui->overlay;
	}
	if (vm != NULL && vm != ui->sel)
		ui_select(ui, vm);
	if (ui->layout_stale)
		ui_layout(ui);
	t = tab_current(ui);
	for (l = node_next_leaf(t->root, NULL, true); l != NULL; l = node_next_leaf(t->root, l, true))
		if (l->ops == ops && (!ops->per_vm || l->vm == NULL || l->vm == ui->sel))
			break;
	if (l == NULL) {
		where = place_for(ui);
		if (where == NULL) {
			l = node_leaf(ops, NULL);
			where = ui_focused(ui);
			if (l == NULL || where == NULL)
				return NULL;
			t->root = node_split(where, NODE_ROWS, l, t->root);
			t->custom = true;
			t->by_views = false;
		} else {
			ui_show_view(ui, where, ops);
			if (where->back != NULL && t->focus != NULL && t->focus != where)
				where->from = t->focus->ops;
			l = where;
			if (l->vm != NULL)
				l->vm = NULL;
		}
	}
	ui_focus(ui, l);
	ui_layout(ui); /* may make the tree anew: l is not good after this, the focus is */
	return ui_focused_panel(ui);
}
