/*
 * cmd_screen.c - commands about the screen itself, and the completions of arguments. Screen thread.
 */
#include "config.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "tui/cmd.h"

int cmd_theme(struct ui_cmd_call *call)
{
	char next[32] = "dark";
	int rc;

	rc = theme_load(call->ui, call->argc > 1 ? call->argv[1] : theme_next(call->ui, next, sizeof(next)));
	if (rc == 0)
		ui_say(call->ui, "theme %s%s%s", call->ui->theme.name, call->ui->theme.about[0] != '\0' ? ": " : "",
			call->ui->theme.about);
	return rc;
}

int cmd_filter(struct ui_cmd_call *call)
{
	struct ui *ui = call->ui;
	struct panel *p = ui->overlay != NULL ? ui->overlay : call->panel;
	char text[256];

	if (p == NULL || p->ops->filter == NULL) {
		ui_warn(ui, "%s has nothing to filter", p != NULL ? p->ops->name : "this pane");
		return -EINVAL;
	}
	if (call->argc > 1) {
		p->ops->filter(p, cmd_words(call, 1, text, sizeof(text)));
		ui_mark(p);
		return 0;
	}
	line_filter(ui, p);
	return 0;
}

int cmd_palette(struct ui_cmd_call *call)
{
	char text[256];

	line_palette(call->ui, cmd_words(call, 1, text, sizeof(text)));
	return 0;
}

int cmd_help(struct ui_cmd_call *call)
{
	struct panel *p = ui_open_panel(call->ui, NULL, "help");
	char text[256];

	if (p == NULL)
		return -ENOMEM;
	if (call->argc > 1)
		p->ops->filter(p, cmd_words(call, 1, text, sizeof(text)));
	return 0;
}

int cmd_messages(struct ui_cmd_call *call)
{
	return ui_open_panel(call->ui, call->ui->sel, "messages") != NULL ? 0 : -ENOSPC;
}

int cmd_set(struct ui_cmd_call *call)
{
	char value[256];

	if (call->argc < 3) {
		ui_warn(call->ui, "set wants an option and a value");
		return -EINVAL;
	}
	return config_set(call->ui, call->argv[1], cmd_words(call, 2, value, sizeof(value)));
}

int cmd_bind(struct ui_cmd_call *call)
{
	char line[96];
	int key;

	if (call->argc < 3) {
		ui_warn(call->ui, "bind wants a key and a command");
		return -EINVAL;
	}
	key = key_parse(call->argv[1]);
	if (key < 0) {
		ui_warn(call->ui, "no key \"%.32s\"; keys are written p, S, C-x, M-x, F5, Enter, PgUp ...", call->argv[1]);
		return -EINVAL;
	}
	if (command_find(call->argv[2]) == NULL) {
		ui_warn(call->ui, "bind: no command \"%.64s\"", call->argv[2]);
		return -ENOENT;
	}
	return keymap_bind(&call->ui->keys, key, cmd_words(call, 2, line, sizeof(line)), false, true);
}

int cmd_redraw(struct ui_cmd_call *call)
{
	clearok(curscr, TRUE);
	ui_relayout(call->ui);
	return 0;
}

int cmd_suspend(struct ui_cmd_call *call)
{
	tty_suspend();
	ui_relayout(call->ui);
	return 0;
}

int cmd_detach(struct ui_cmd_call *call)
{
	ui_quit(call->ui);
	return 0;
}

/* Out of the innermost thing first; only then out of the door. */
int cmd_quit(struct ui_cmd_call *call)
{
	struct ui *ui = call->ui;
	struct tab *t = tab_current(ui);

	if (ui->overlay != NULL) {
		ui_overlay(ui, NULL);
	} else if (t->zoom) {
		t->zoom = false;
		ui_relayout(ui);
	} else if (t->focus != NULL && t->focus->back != NULL) {
		ui_show_view(ui, t->focus, t->focus->back);
	} else {
		ui_quit(ui);
	}
	return 0;
}

/* ---- completions ---- */

struct filter_add {
	const char *prefix;
	void (*add)(void *, const char *);
	void *arg;
};

static void add_if(void *arg, const char *name)
{
	struct filter_add *f = arg;

	if (strncmp(name, f->prefix, strlen(f->prefix)) == 0)
		f->add(f->arg, name);
}

static void add_vms(struct ui *ui, const char *prefix, bool live, void (*add)(void *, const char *), void *arg)
{
	size_t i;

	for (i = 0; i < ui->nvms; i++)
		if ((!live || vm_is_live(ui->vms[i])) && strncmp(ui->vms[i]->name, prefix, strlen(prefix)) == 0)
			add(arg, ui->vms[i]->name);
}

void complete_vm(struct ui *ui, int n, const char *prefix, void (*add)(void *, const char *), void *arg)
{
	if (n == 1)
		add_vms(ui, prefix, false, add, arg);
}

void complete_live_vm(struct ui *ui, int n, const char *prefix, void (*add)(void *, const char *), void *arg)
{
	if (n == 1)
		add_vms(ui, prefix, true, add, arg);
}

void complete_snapshot(struct ui *ui, int n, const char *prefix, void (*add)(void *, const char *), void *arg)
{
	struct filter_add f = {prefix, add, arg};
	char text[sizeof(ui->line.ed.text)], *vm, *save;

	if (n == 1)
		add_vms(ui, prefix, true, add, arg);
	if (n != 2)
		return;
	snprintf(text, sizeof(text), "%s", ui->line.ed.text);
	strtok_r(text, " ", &save);
	vm = strtok_r(NULL, " ", &save);
	if (vm != NULL && vms_find(ui, vm) != NULL)
		snapshots_each(ui, vms_find(ui, vm), add_if, &f);
}

void complete_view(struct ui *ui, int n, const char *prefix, void (*add)(void *, const char *), void *arg)
{
	struct filter_add f = {prefix, add, arg};
	size_t i;

	for (i = 0; n == 1 && panel_table[i] != NULL; i++)
		add_if(&f, panel_table[i]->name);
}

void complete_layout(struct ui *ui, int n, const char *prefix, void (*add)(void *, const char *), void *arg)
{
	struct filter_add f = {prefix, add, arg};

	if (n == 1)
		layouts_each(ui, add_if, &f);
}

void complete_theme(struct ui *ui, int n, const char *prefix, void (*add)(void *, const char *), void *arg)
{
	struct filter_add f = {prefix, add, arg};

	if (n == 1)
		theme_each(add_if, &f);
}

void complete_option(struct ui *ui, int n, const char *prefix, void (*add)(void *, const char *), void *arg)
{
	if (n == 1)
		config_option_names(ui, prefix, add, arg);
}

void complete_command(struct ui *ui, int n, const char *prefix, void (*add)(void *, const char *), void *arg)
{
	struct filter_add f = {prefix, add, arg};
	size_t i;

	for (i = 0; command_table[i].name != NULL; i++)
		if (command_table[i].flags & CMD_UI)
			add_if(&f, command_table[i].name);
}
