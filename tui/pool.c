/*
 * pool.c - the panels that exist. A panel lives on while hidden (a console keeps its scrollback), up to a limit;
 * only visible ones are drawn, sampled or ticked. Screen thread.
 */
#include "config.h"
#include <stdlib.h>
#include <string.h>
#include "tui/ui.h"
#include "tui/vm.h"

#define HIDDEN_MAX 32

const struct panel_ops *panel_by_name(const char *name)
{
	size_t i;

	for (i = 0; panel_table[i] != NULL; i++)
		if (strcmp(panel_table[i]->name, name) == 0)
			return panel_table[i];
	return NULL;
}

static int add(struct ui *ui, struct panel *p)
{
	struct panel **bigger;

	if (ui->npool == ui->pool_size) {
		bigger = realloc(ui->pool, (ui->pool_size + 32) * sizeof(*bigger));
		if (bigger == NULL)
			return -1;
		ui->pool = bigger;
		ui->pool_size += 32;
	}
	ui->pool[ui->npool++] = p;
	return 0;
}

/* Takes it out without destroying it. */
static void take_out(struct ui *ui, size_t i)
{
	memmove(ui->pool + i, ui->pool + i + 1, (ui->npool - i - 1) * sizeof(*ui->pool));
	ui->npool--;
}

static void destroy(struct ui *ui, size_t i)
{
	struct panel *p = ui->pool[i];
	struct node *l;
	int t;

	take_out(ui, i);
	for (t = 0; t < ui->ntabs; t++)
		for (l = node_next_leaf(ui->tabs[t].root, NULL, false); l != NULL;
			l = node_next_leaf(ui->tabs[t].root, l, false))
			if (l->panel == p)
				l->panel = NULL;
	if (ui->line.kind == LINE_FILTER && ui->line.arg == p)
		ui->line.kind = LINE_NONE;
	p->ops->destroy(p);
}

/* The panel for a leaf: a hidden one that showed the same before, else a new one, placed at the end of the pool,
 * which is in order of last use. */
struct panel *pool_get(struct ui *ui, const struct panel_ops *ops, struct ui_vm *vm)
{
	struct panel *p = NULL;
	size_t i;

	for (i = 0; i < ui->npool; i++) {
		if (ui->pool[i]->ops == ops && ui->pool[i]->vm == vm && !ui->pool[i]->visible) {
			p = ui->pool[i];
			take_out(ui, i);
			break;
		}
	}
	if (p == NULL) {
		p = ops->create(ui, vm);
		if (p == NULL)
			return NULL;
		p->ops = ops;
		p->ui = ui;
		p->vm = vm;
		p->rect = (struct ui_rect){0, 0, 0, 0};
	}
	p->visible = true;
	p->stale = true;
	if (add(ui, p) < 0) {
		ops->destroy(p);
		return NULL;
	}
	return p;
}

void pool_hide_all(struct ui *ui)
{
	size_t i;

	for (i = 0; i < ui->npool; i++)
		if (ui->pool[i] != ui->overlay)
			ui->pool[i]->visible = ui->pool[i]->focused = false;
}

void pool_settle(struct ui *ui)
{
	size_t i = 0, hidden = 0;

	for (i = 0; i < ui->npool; i++)
		hidden += !ui->pool[i]->visible;
	for (i = 0; i < ui->npool && hidden > HIDDEN_MAX;) {
		if (ui->pool[i]->visible) {
			i++;
		} else {
			destroy(ui, i);
			hidden--;
		}
	}
	ui->want_stale = true;
}

void pool_drop_vm(struct ui *ui, struct ui_vm *vm)
{
	size_t i;

	for (i = 0; i < ui->npool;) {
		if (ui->pool[i]->vm != vm)
			i++;
		else if (ui->pool[i] == ui->overlay)
			ui_overlay(ui, NULL);
		else
			destroy(ui, i);
	}
}

void pool_free(struct ui *ui)
{
	while (ui->npool > 0)
		destroy(ui, ui->npool - 1);
	free(ui->pool);
	ui->pool = NULL;
	ui->pool_size = 0;
}
