/*
 * tabs.c - workspaces: each a layout that has been laid out for the VMs there are, remade when these change
 * until the user shapes it by hand. Screen thread.
 */
#include "config.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "tui/ui.h"
#include "tui/vm.h"

static const struct named_layout built_in[] = {
	{"main", "cols(vms:15-22, rows(cols(consoles, vcpu:26-44):68%, cols(memmap:33%, heat:67%):8-26))"},
	{"consoles", "cols(vms:15-22, consoles)"},
	{"memory", "rows(cols(memmap:40%, heat:60%):45%, cols(console:45%, hex:55%):55%)"},
	{"cpu", "cols(vms:15-22, rows(console:40%, cols(vcpu:60%, log:40%):60%))"},
	{"time", "cols(vms:15-22, rows(console:55%, cols(snapshots:60%, log:40%):45%))"},
	{"console", "console"},
};
#define BUILT_IN (sizeof(built_in) / sizeof(built_in[0]))

static const char *const first_tabs[] = {"main", "consoles", "memory", "cpu", "time"};

static const char *spec_of(struct ui *ui, const char *layout)
{
	size_t i;
	int j;

	for (j = 0; j < ui->nlayouts; j++)
		if (strcmp(ui->layouts[j].name, layout) == 0)
			return ui->layouts[j].spec;
	for (i = 0; i < BUILT_IN; i++)
		if (strcmp(built_in[i].name, layout) == 0)
			return built_in[i].spec;
	return NULL;
}

void layouts_each(struct ui *ui, void (*fn)(void *arg, const char *name), void *arg)
{
	size_t i;
	int j;

	for (i = 0; i < BUILT_IN; i++)
		fn(arg, built_in[i].name);
	for (j = 0; j < ui->nlayouts; j++)
		fn(arg, ui->layouts[j].name);
}

int layout_define(struct ui *ui, const char *name, const char *spec, char *err, size_t err_size)
{
	struct node *n;
	int i;

	if (strlen(name) >= sizeof(ui->layouts[0].name) || strlen(spec) >= sizeof(ui->layouts[0].spec)) {
		snprintf(err, err_size, "too long");
		return -EINVAL;
	}
	n = node_parse(spec, err, err_size);
	if (n == NULL)
		return -EINVAL;
	node_free(n);
	for (i = 0; i < ui->nlayouts && strcmp(ui->layouts[i].name, name) != 0; i++)
		;
	if (i == (int)(sizeof(ui->layouts) / sizeof(ui->layouts[0]))) {
		snprintf(err, err_size, "more than %d layouts", i);
		return -ENOSPC;
	}
	ui->nlayouts += i == ui->nlayouts;
	snprintf(ui->layouts[i].name, sizeof(ui->layouts[i].name), "%s", name);
	snprintf(ui->layouts[i].spec, sizeof(ui->layouts[i].spec), "%s", spec);
	return 0;
}

struct tab *tab_current(struct ui *ui)
{
	return &ui->tabs[ui->tab];
}

/* ---- the "consoles" part: a grid ---- */

/* A console smaller than this, borders not counted, is not worth its place beside others. */
#define GRID_MIN_W 38
#define GRID_MIN_H 7

/* Columns for @n consoles in this room, so that each is as near to 80x24 as can be; 0: they do not fit. */
static int grid_columns(int n, int h, int w)
{
	int c, best = 0, ch, cw, lack, least = 0;

	for (c = 1; c <= n; c++) {
		cw = (w - 1) / c - 1;
		ch = (h - 1) / ((n + c - 1) / c) - 1;
		if (cw < GRID_MIN_W || ch < GRID_MIN_H)
			continue;
		lack = (cw < 80 ? (80 - cw) * 2 : 0) + (ch < 24 ? (24 - ch) * 5 : 0);
		if (best == 0 || lack < least) {
			best = c;
			least = lack;
		}
	}
	return best;
}

/* A console of which VMs: all that run or have just been lost, or as many as fit with the selected among them. */
static size_t grid_members(struct ui *ui, struct ui_vm **out, size_t max)
{
	size_t i, n = 0;

	for (i = 0; i < ui->nvms && n < max; i++)
		if (ui->vms[i]->link != VM_IDLE)
			out[n++] = ui->vms[i];
	return n;
}

static struct node *grid_build(struct ui *ui, int h, int w)
{
	struct ui_vm *vm[64];
	struct node *rows, *row = NULL, *leaf;
	int n = (int)grid_members(ui, vm, 64), c, i, first = 0, sel = 0;

	for (i = 0; i < n; i++)
		sel = vm[i] == ui->sel ? i : sel;
	c = n > 0 ? grid_columns(n, h, w) : 0;
	if (n > 0 && (ui->sel == NULL || vm[sel] != ui->sel))
		c = n = 0; /* the selected VM has no console: its place says why */
	while (n > 1 && c == 0)
		c = grid_columns(--n, h, w);
	if (n <= 1)
		return node_leaf(&panel_console, NULL);
	if (sel >= n)
		first = sel - n + 1;
	rows = node_new(NODE_ROWS);
	for (i = 0; rows != NULL && i < n; i++) {
		if (i % c == 0) {
			row = node_new(NODE_COLS);
			if (row == NULL)
				break;
			node_append(rows, row);
		}
		leaf = node_leaf(&panel_console, vm[first + i]);
		if (leaf != NULL)
			node_append(row, leaf);
	}
	return rows;
}

static struct node *find_consoles(struct node *n)
{
	struct node *c, *found;

	if (n->kind == NODE_LEAF)
		return n->consoles ? n : NULL;
	for (c = n->first; c != NULL; c = c->next) {
		found = find_consoles(c);
		if (found != NULL)
			return found;
	}
	return NULL;
}

/* ---- making a tab ---- */

static struct node *leaf_like(struct tab *t, const struct panel_ops *ops, const struct ui_vm *vm)
{
	struct node *l, *same = NULL;

	for (l = node_next_leaf(t->root, NULL, false); l != NULL; l = node_next_leaf(t->root, l, false)) {
		if (l->ops != ops)
			continue;
		if (l->vm == vm)
			return l;
		if (same == NULL)
			same = l;
	}
	return same;
}

/* The list of VMs as wide as the names need, up to a quarter of the screen. */
static void widen_list(struct ui *ui, struct node *root)
{
	struct node *l;
	int need = 0, w;
	size_t i;

	for (i = 0; i < ui->nvms; i++) {
		w = panel_vms_width(ui->vms[i]) + 2;
		need = w > need ? w : need;
	}
	need = need > ui->cols / 4 ? ui->cols / 4 : need;
	for (l = node_next_leaf(root, NULL, false); l != NULL; l = node_next_leaf(root, l, false)) {
		if (l->ops != &panel_vms || l->max == 0 || l->min >= need)
			continue;
		l->min = need;
		l->max = l->max > need ? l->max : need;
	}
}

/* The tree anew from its words, for the VMs and the screen there are now; the focus stays where it was. */
static void tab_make(struct ui *ui, struct tab *t)
{
	const struct panel_ops *focus_ops = t->focus != NULL ? t->focus->ops : &panel_vms;
	const struct ui_vm *focus_vm = t->focus != NULL && t->focus->vm != NULL ? ui->sel : NULL;
	struct ui_rect area = {0, 0, ui->rows - 1, ui->cols};
	char err[128];
	struct node *root = node_parse(t->spec, err, sizeof(err)), *slot, *grid;

	if (root == NULL)
		return; /* was checked when it was taken */
	widen_list(ui, root);
	slot = find_consoles(root);
	if (slot != NULL) {
		node_place(root, area, slot);
		grid = grid_build(ui, slot->outer.h, slot->outer.w);
		if (grid != NULL && slot == root)
			root = grid;
		if (grid != NULL)
			node_free(node_replace(slot, grid));
	}
	node_free(t->root);
	t->root = root;
	t->focus = leaf_like(t, focus_ops, focus_vm);
	if (t->focus == NULL)
		t->focus = node_next_leaf(root, NULL, false);
}

/* A custom tree has been shaped by hand; of it only leaves of VMs that are no more are taken away. */
static void tab_clean(struct ui *ui, struct tab *t)
{
	struct node *l;
	size_t i;
	bool again = true;

	while (again) {
		again = false;
		for (l = node_next_leaf(t->root, NULL, false); l != NULL; l = node_next_leaf(t->root, l, false)) {
			for (i = 0; i < ui->nvms && ui->vms[i] != l->vm; i++)
				;
			if (l->vm == NULL || i < ui->nvms)
				continue;
			if (t->focus == l)
				t->focus = NULL;
			if (l->parent == NULL) {
				l->vm = NULL;
				break;
			}
			t->root = node_remove(t->root, l);
			again = true;
			break;
		}
	}
	if (t->focus == NULL)
		t->focus = node_next_leaf(t->root, NULL, false);
}

void tabs_prepare(struct ui *ui)
{
	struct tab *t = tab_current(ui);

	if (!t->custom || t->root == NULL)
		tab_make(ui, t);
	else
		tab_clean(ui, t);
}

void tabs_forget_vm(struct ui *ui, struct ui_vm *vm)
{
	struct node *l;
	int i;

	for (i = 0; i < ui->ntabs; i++) {
		if (ui->tabs[i].custom)
			tab_clean(ui, &ui->tabs[i]);
		for (l = node_next_leaf(ui->tabs[i].root, NULL, false); l != NULL;
			l = node_next_leaf(ui->tabs[i].root, l, false))
			if (l->vm == vm)
				l->vm = NULL;
	}
	ui_relayout(ui);
}

/* ---- what commands do ---- */

int tab_layout(struct ui *ui, const char *layout)
{
	struct tab *t = tab_current(ui);
	const char *spec = spec_of(ui, layout);
	char err[128];
	struct node *n;

	if (spec == NULL && strchr(layout, '(') != NULL) {
		n = node_parse(layout, err, sizeof(err));
		if (n == NULL || strlen(layout) >= sizeof(t->spec)) {
			node_free(n);
			ui_warn(ui, "layout: %s", n == NULL ? err : "too long");
			return -EINVAL;
		}
		node_free(n);
		spec = layout;
	}
	if (spec == NULL) {
		ui_warn(ui, "no layout \"%s\"; there are main, consoles, memory, cpu, time, console, those in"
			" vitrine.cfg, or write one: cols(vms:16, console)", layout);
		return -ENOENT;
	}
	snprintf(t->spec, sizeof(t->spec), "%s", spec);
	snprintf(t->name, sizeof(t->name), "%.31s", strchr(layout, '(') != NULL ? "own" : layout);
	t->custom = t->by_views = t->zoom = false;
	ui_relayout(ui);
	return 0;
}

int tab_add(struct ui *ui, const char *layout)
{
	int back = ui->tab, rc;

	if (ui->ntabs == TABS_MAX) {
		ui_warn(ui, "there are %d tabs already; tab-close takes one away", TABS_MAX);
		return -ENOSPC;
	}
	ui->tab = ui->ntabs++;
	memset(&ui->tabs[ui->tab], 0, sizeof(ui->tabs[0]));
	rc = tab_layout(ui, layout);
	if (rc < 0) {
		ui->ntabs--;
		ui->tab = back;
		return rc;
	}
	tab_make(ui, tab_current(ui));
	return 0;
}

void tab_close(struct ui *ui)
{
	struct tab *t = tab_current(ui);

	if (ui->ntabs == 1) {
		ui_warn(ui, "this is the only tab");
		return;
	}
	node_free(t->root);
	memmove(t, t + 1, (size_t)(ui->ntabs - ui->tab - 1) * sizeof(*t));
	ui->ntabs--;
	if (ui->tab == ui->ntabs)
		ui->tab--;
	ui_relayout(ui);
}

void tab_go(struct ui *ui, int index)
{
	ui->tab = (index + ui->ntabs) % ui->ntabs;
	ui_set_console_mode(ui, false);
	ui_relayout(ui);
}

void tabs_init(struct ui *ui)
{
	size_t i;

	for (i = 0; i < sizeof(first_tabs) / sizeof(first_tabs[0]); i++)
		tab_add(ui, first_tabs[i]);
	ui->tab = 0;
}

void tabs_free(struct ui *ui)
{
	int i;

	for (i = 0; i < ui->ntabs; i++)
		node_free(ui->tabs[i].root);
	ui->ntabs = 0;
}
