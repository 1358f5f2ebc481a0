/*
 * cmd_pane.c - commands about panes, views and tabs. Screen thread.
 */
#include "config.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "tui/cmd.h"

int cmd_console(struct ui_cmd_call *call)
{
	struct ui *ui = call->ui;
	struct panel *p = call->panel;
	struct ui_vm *vm;

	if (call->argc == 1 && p != NULL && p->ops->raw_key != NULL && p->vm != NULL && vm_is_live(p->vm)) {
		ui_set_console_mode(ui, true);
		return 0;
	}
	vm = cmd_vm(call, 1);
	if (vm == NULL)
		return -ENOENT;
	if (!vm_is_live(vm)) {
		ui_warn(ui, "%s is %s: no console to type to; start runs it", vm->name, vm_state_text(vm));
		return -ENOTCONN;
	}
	p = ui_open_panel(ui, vm, "console");
	ui_set_console_mode(ui, true);
	return p != NULL ? 0 : -ENOSPC;
}

int cmd_scroll(struct ui_cmd_call *call)
{
	ui_set_console_mode(call->ui, false);
	if (call->panel == NULL || call->panel->ops->raw_key == NULL) {
		ui_warn(call->ui, "this pane is no console");
		return -EINVAL;
	}
	/* The console's own command: a cursor to look back, search and copy with. */
	for (const struct ui_cmd *const *cmd = call->panel->ops->cmds; cmd != NULL && *cmd != NULL; cmd++)
		if (strcmp((*cmd)->name, "copy-mode") == 0)
			return (*cmd)->exec(call);
	return 0;
}

int cmd_view(struct ui_cmd_call *call)
{
	struct ui *ui = call->ui;
	const struct panel_ops *ops = panel_by_name(call->argv[1]);
	char list[256] = "";
	size_t i, len;

	if (ops == NULL) {
		for (i = 0; panel_table[i] != NULL; i++) {
			len = strlen(list);
			snprintf(list + len, sizeof(list) - len, " %s", panel_table[i]->name);
		}
		ui_warn(ui, "no view \"%.64s\"; there are:%s", call->argv[1], list);
		return -ENOENT;
	}
	if (ops->per_vm && ui->sel == NULL) {
		ui_warn(ui, "view %s: there is no VM yet; new starts one", ops->name);
		return -ENOENT;
	}
	return ui_open_panel(ui, ui->sel, ops->name) != NULL ? 0 : -ENOSPC;
}

struct go {
	struct ui *ui;
	char vm[VMC_NAME_SIZE];
};

static int go_to(struct ui *ui, struct ui_vm *vm, const char *text)
{
	char *end;
	uint64_t gpa;

	errno = 0;
	gpa = strtoull(text, &end, 16);
	if (errno != 0 || end == text || *end != '\0') {
		ui_warn(ui, "\"%.64s\" is not an address: hexadecimal, such as 0x101000", text);
		return -EINVAL;
	}
	ui_goto_hex(ui, vm, gpa);
	return 0;
}

static void went(void *arg, const char *text)
{
	struct go *g = arg;
	struct ui_vm *vm = vms_find(g->ui, g->vm);

	if (text != NULL && vm != NULL)
		go_to(g->ui, vm, text);
	free(g);
}

int cmd_goto(struct ui_cmd_call *call)
{
	struct ui *ui = call->ui;
	struct go *g;

	if (ui->sel == NULL) {
		ui_warn(ui, "goto: there is no VM yet; new starts one");
		return -ENOENT;
	}
	if (call->argc > 1)
		return go_to(ui, ui->sel, call->argv[1]);
	g = calloc(1, sizeof(*g));
	if (g == NULL)
		return -ENOMEM;
	g->ui = ui;
	snprintf(g->vm, sizeof(g->vm), "%s", ui->sel->name);
	ui_prompt(ui, "go to address", "0x", went, g);
	return 0;
}

/* ---- focus ---- */

static int focus_step(struct ui *ui, int delta)
{
	struct tab *t = tab_current(ui);
	struct node *l, *before = NULL, *at = ui_focused(ui);
	bool shown = !t->zoom; /* zoomed: through all panes, the next one gets the screen */

	if (at == NULL)
		return -ENOENT;
	if (delta > 0) {
		l = node_next_leaf(t->root, at, shown);
		if (l == NULL)
			l = node_next_leaf(t->root, NULL, shown);
		ui_focus(ui, l);
		return 0;
	}
	for (l = node_next_leaf(t->root, NULL, shown); l != NULL && l != at; l = node_next_leaf(t->root, l, shown))
		before = l;
	if (before == NULL)
		for (l = at; l != NULL; l = node_next_leaf(t->root, l, shown))
			before = l;
	ui_focus(ui, before);
	return 0;
}

int cmd_focus_next(struct ui_cmd_call *call)
{
	return focus_step(call->ui, 1);
}

int cmd_focus_previous(struct ui_cmd_call *call)
{
	return focus_step(call->ui, -1);
}

int cmd_focus_up(struct ui_cmd_call *call)
{
	return ui_move_focus(call->ui, -1, 0) ? 0 : -ENOENT;
}

int cmd_focus_down(struct ui_cmd_call *call)
{
	return ui_move_focus(call->ui, 1, 0) ? 0 : -ENOENT;
}

int cmd_focus_left(struct ui_cmd_call *call)
{
	return ui_move_focus(call->ui, 0, -1) ? 0 : -ENOENT;
}

int cmd_focus_right(struct ui_cmd_call *call)
{
	return ui_move_focus(call->ui, 0, 1) ? 0 : -ENOENT;
}

/* ---- panes ---- */

static int split(struct ui_cmd_call *call, enum node_kind kind)
{
	struct ui *ui = call->ui;
	struct tab *t = tab_current(ui);
	const struct panel_ops *ops = &panel_console;
	struct node *l, *root;
	bool high;

	if (call->argc > 1)
		ops = panel_by_name(call->argv[1]);
	if (ops == NULL || t->focus == NULL) {
		ui_warn(ui, "%s: no view \"%.64s\"", call->argv[0], call->argc > 1 ? call->argv[1] : "");
		return -ENOENT;
	}
	high = kind == NODE_ROWS;
	if ((high ? t->focus->outer.h : t->focus->outer.w) <
		node_min(t->focus, high) + (high ? ops->min_h : ops->min_w) + 1) {
		ui_warn(ui, "this pane is too small to be split");
		return -ENOSPC;
	}
	l = node_leaf(ops, ops->per_vm ? t->focus->vm : NULL);
	if (l == NULL)
		return -ENOMEM;
	root = node_split(t->focus, kind, l, t->root);
	if (root == NULL) {
		node_free(l);
		return -ENOMEM;
	}
	t->root = root;
	t->custom = true;
	t->by_views = false;
	t->zoom = false;
	ui_layout(ui);
	ui_focus(ui, l);
	return 0;
}

int cmd_split_right(struct ui_cmd_call *call)
{
	return split(call, NODE_COLS);
}

int cmd_split_below(struct ui_cmd_call *call)
{
	return split(call, NODE_ROWS);
}

int cmd_close_pane(struct ui_cmd_call *call)
{
	struct ui *ui = call->ui;
	struct tab *t = tab_current(ui);
	struct node *gone = t->focus, *next;

	if (gone == NULL || gone->parent == NULL) {
		ui_warn(ui, "this is the only pane of this tab");
		return -EBUSY;
	}
	next = node_next_leaf(t->root, gone, false);
	if (next == NULL)
		next = node_next_leaf(t->root, NULL, false);
	t->custom = true;
	t->by_views = false;
	t->zoom = false;
	t->focus = next;
	t->root = node_remove(t->root, gone);
	ui_layout(ui);
	return 0;
}

int cmd_zoom(struct ui_cmd_call *call)
{
	struct tab *t = tab_current(call->ui);

	t->zoom = !t->zoom;
	ui_relayout(call->ui);
	return 0;
}

static int resize(struct ui_cmd_call *call, int delta)
{
	struct ui *ui = call->ui;
	bool cols = call->argc > 1 && call->argv[1][0] == 'c';
	int rc;

	if (call->argc == 1) { /* rows where there are rows, and as many columns as look alike */
		rc = ui_resize_leaf(ui, delta, 1, 0);
		if (rc < 0)
			rc = ui_resize_leaf(ui, delta * 2, 0, 1);
	} else {
		rc = cols ? ui_resize_leaf(ui, delta * 2, 0, 1) : ui_resize_leaf(ui, delta, 1, 0);
	}
	if (rc < 0)
		ui_warn(ui, "this pane has no neighbour to take room from or give it to");
	return rc;
}

int cmd_grow(struct ui_cmd_call *call)
{
	return resize(call, 2);
}

int cmd_shrink(struct ui_cmd_call *call)
{
	return resize(call, -2);
}

/* ---- tabs ---- */

int cmd_layout(struct ui_cmd_call *call)
{
	char spec[256];

	return tab_layout(call->ui, cmd_words(call, 1, spec, sizeof(spec)));
}

int cmd_tab_next(struct ui_cmd_call *call)
{
	tab_go(call->ui, call->ui->tab + 1);
	return 0;
}

int cmd_tab_previous(struct ui_cmd_call *call)
{
	tab_go(call->ui, call->ui->tab - 1);
	return 0;
}

int cmd_tab_new(struct ui_cmd_call *call)
{
	char spec[256];

	return tab_add(call->ui, call->argc > 1 ? cmd_words(call, 1, spec, sizeof(spec)) : "main");
}

int cmd_tab_close(struct ui_cmd_call *call)
{
	tab_close(call->ui);
	return 0;
}
