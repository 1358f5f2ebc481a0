/*
 * panel_later.c - places for views that are being written; weak, so that each gives way to the real one.
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

#define LATER(id, text)                                                                                  \
	const struct panel_ops id __attribute__((weak)) = {.name = text, .help = text, .min_h = 3, .min_w = 20, \
		.per_vm = true, .create = create, .destroy = destroy, .draw = draw}
LATER(panel_console, "console");
LATER(panel_serial, "serial");
LATER(panel_vcpu, "vcpu");
LATER(panel_memmap, "memmap");
LATER(panel_heat, "heat");
LATER(panel_hex, "hex");
