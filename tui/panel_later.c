/*
 * panel_later.c - the place of a view that is being written; linked last, so that it gives way to the real one.
 */
#include "config.h"
#include <stdlib.h>
#include "tui/panel.h"

static struct panel *create(struct ui *ui, struct ui_vm *vm)
{
	(void)ui;
	(void)vm;
	return calloc(1, sizeof(struct panel));
}

static void destroy(struct panel *p)
{
	free(p);
}

static void draw(struct panel *p)
{
	ui_draw(p, 0, 0, ROLE_DIM, "%s", p->ops->name);
}

const struct panel_ops panel_hex = {.name = "hex", .help = "hex", .min_h = 3, .min_w = 20, .per_vm = true,
	.create = create, .destroy = destroy, .draw = draw};
