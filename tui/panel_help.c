/*
 * panel_help.c - help, made from the key map and the command table themselves, so that it cannot be wrong about
 * them. An overlay; scrolled, and searched with '/'. Screen thread.
 */
#include "config.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "tui/ui.h"

#define KEY_COLUMNS 16

struct help_line {
	enum ui_role role;
	char key[40], text[200];
};

struct help_panel {
	struct panel p;
	struct help_line *line;
	int n, size, top;
	char filter[64];
};

/* Breaks the last line at blanks into as many as it needs, the further ones without a key. */
static void wrap(struct help_panel *h)
{
	int w = h->p.rect.w - KEY_COLUMNS - 1, turns;
	struct help_line *l, *bigger;
	size_t cut;

	for (turns = 0; turns < 8 && w > 20; turns++) {
		l = &h->line[h->n - 1];
		if (text_width(l->text) <= w)
			return;
		for (cut = (size_t)w; cut > 0 && l->text[cut] != ' '; cut--)
			;
		if (cut < 8)
			return;
		if (h->n == h->size) {
			bigger = realloc(h->line, (size_t)(h->size + 64) * sizeof(*bigger));
			if (bigger == NULL)
				return;
			h->line = bigger;
			h->size += 64;
			l = &h->line[h->n - 1];
		}
		h->line[h->n] = (struct help_line){.role = l->role == ROLE_LABEL ? ROLE_DEFAULT : l->role};
		snprintf(h->line[h->n].text, sizeof(l->text), "  %s", l->text + cut + 1);
		l->text[cut] = '\0';
		h->n++;
	}
}

static void add(struct help_panel *h, enum ui_role role, const char *key, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
static void add(struct help_panel *h, enum ui_role role, const char *key, const char *fmt, ...)
{
	struct help_line *bigger, *l;
	va_list ap;

	if (h->n == h->size) {
		bigger = realloc(h->line, (size_t)(h->size + 64) * sizeof(*bigger));
		if (bigger == NULL)
			return;
		h->line = bigger;
		h->size += 64;
	}
	l = &h->line[h->n];
	l->role = role;
	snprintf(l->key, sizeof(l->key), "%s", key);
	va_start(ap, fmt);
	vsnprintf(l->text, sizeof(l->text), fmt, ap);
	va_end(ap);
	if (h->filter[0] != '\0' && (role == ROLE_TITLE || (strcasestr(l->text, h->filter) == NULL &&
						       strcasestr(l->key, h->filter) == NULL)))
		return;
	h->n++;
	if (role != ROLE_TITLE)
		wrap(h);
}

/* All keys of a command, "j Down"; those with an argument are lines of their own. */
static void keys_of(struct ui *ui, const char *line, bool prefix, char *out, size_t size)
{
	char name[32];
	size_t i, len = 0;

	out[0] = '\0';
	for (i = 0; i < ui->keys.n && len < size; i++) {
		if (ui->keys.e[i].prefix != prefix || strcmp(ui->keys.e[i].line, line) != 0)
			continue;
		ui_key_name(ui->keys.e[i].key, name, sizeof(name));
		len += (size_t)snprintf(out + len, size - len, "%s%s", len > 0 ? " " : "", name);
	}
}

/* Keys too many for their column have a line of their own. */
static void add_keyed(struct help_panel *h, enum ui_role role, const char *keys, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
static void add_keyed(struct help_panel *h, enum ui_role role, const char *keys, const char *fmt, ...)
{
	char text[sizeof(h->line->text)];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (text_width(keys) <= KEY_COLUMNS - 3) {
		add(h, role, keys, "%s", text);
		return;
	}
	add(h, role, "", "%s", text);
	add(h, ROLE_KEY, "", "  %s", keys);
}

static void add_modes(struct help_panel *h)
{
	char prefix[32];

	ui_key_name(h->p.ui->opt.prefix, prefix, sizeof(prefix));
	add(h, ROLE_TITLE, "", "Two modes");
	add(h, ROLE_DEFAULT, "[CONTROL]", "Keys are commands, as below.");
	add(h, ROLE_DEFAULT, "[CONSOLE]", "Every key goes to the guest, but the prefix, %s.", prefix);
	add(h, ROLE_DEFAULT, prefix, "In CONSOLE mode: back to CONTROL mode. Twice: sent to the guest.");
	add(h, ROLE_DEFAULT, "", "%s", "");
}

static void add_commands(struct help_panel *h)
{
	struct ui *ui = h->p.ui;
	const struct ui_cmd *cmd;
	const struct keymap_entry *e;
	char keys[40], name[32];
	size_t i, j;

	add(h, ROLE_TITLE, "", "Commands (type : and the name, or press the key)");
	for (i = 0; command_table[i].name != NULL; i++) {
		cmd = &command_table[i];
		if (!(cmd->flags & CMD_UI))
			continue;
		keys_of(ui, cmd->name, false, keys, sizeof(keys));
		add_keyed(h, ROLE_DEFAULT, keys, "%s%s%s  %s%s", cmd->name, cmd->args[0] != '\0' ? " " : "", cmd->args,
			cmd->help, cmd->flags & CMD_ASKS ? " Asks." : "");
		for (j = 0; j < ui->keys.n; j++) {
			e = &ui->keys.e[j];
			if (e->prefix || strncmp(e->line, cmd->name, strlen(cmd->name)) != 0 ||
				e->line[strlen(cmd->name)] != ' ')
				continue;
			add(h, ROLE_DIM, ui_key_name(e->key, name, sizeof(name)), "%s", e->line);
		}
	}
	add(h, ROLE_DEFAULT, "", "%s", "");
}

static void add_prefix_keys(struct help_panel *h)
{
	struct ui *ui = h->p.ui;
	char prefix[32], name[32], both[72];
	size_t i;

	ui_key_name(ui->opt.prefix, prefix, sizeof(prefix));
	add(h, ROLE_TITLE, "", "After the prefix in CONSOLE mode (typing goes on)");
	for (i = 0; i < ui->keys.n; i++) {
		if (!ui->keys.e[i].prefix)
			continue;
		snprintf(both, sizeof(both), "%s %s", prefix, ui_key_name(ui->keys.e[i].key, name, sizeof(name)));
		add(h, ROLE_DEFAULT, both, "%s", ui->keys.e[i].line);
	}
	add(h, ROLE_DEFAULT, "", "%s", "");
}

static void add_views(struct help_panel *h)
{
	const struct ui_cmd *const *cmd;
	size_t i;

	add(h, ROLE_TITLE, "", "Views, and the keys that work in them");
	for (i = 0; panel_table[i] != NULL; i++) {
		add(h, ROLE_LABEL, panel_table[i]->name, "%s", panel_table[i]->help);
		for (cmd = panel_table[i]->cmds; cmd != NULL && *cmd != NULL; cmd++)
			add_keyed(h, ROLE_DEFAULT, (*cmd)->keys != NULL ? (*cmd)->keys : "", "%s%s%s  %s", (*cmd)->name,
				(*cmd)->args != NULL && (*cmd)->args[0] != '\0' ? " " : "",
				(*cmd)->args != NULL ? (*cmd)->args : "", (*cmd)->help);
	}
	add(h, ROLE_DEFAULT, "", "%s", "");
}

static void build(struct help_panel *h)
{
	h->n = 0;
	add_modes(h);
	add_commands(h);
	add_prefix_keys(h);
	add_views(h);
	add(h, ROLE_TITLE, "", "Mouse");
	add(h, ROLE_DEFAULT, "click", "Focus a pane, choose a line.");
	add(h, ROLE_DEFAULT, "wheel", "Scroll.");
	add(h, ROLE_DEFAULT, "drag", "Move a border.");
	add(h, ROLE_DEFAULT, "Shift", "With Shift the mouse is the terminal's own: select text with it.");
}

static struct panel *help_create(struct ui *ui, struct ui_vm *vm)
{
	struct help_panel *h = calloc(1, sizeof(*h));

	(void)vm;
	if (h == NULL)
		return NULL;
	h->p.ui = ui;
	h->p.ops = &panel_help;
	build(h);
	return &h->p;
}

static void help_destroy(struct panel *p)
{
	struct help_panel *h = (struct help_panel *)p;

	free(h->line);
	free(h);
}

static void help_resized(struct panel *p)
{
	build((struct help_panel *)p);
}

static void help_draw(struct panel *p)
{
	struct help_panel *h = (struct help_panel *)p;
	int i, w = KEY_COLUMNS, most = h->n > p->rect.h ? h->n - p->rect.h : 0;

	if (h->top > most)
		h->top = most;
	if (h->top < 0)
		h->top = 0;
	if (h->n == 0)
		ui_draw(p, 0, 1, ROLE_DIM, "nothing about \"%s\"; Esc leaves", h->filter);
	for (i = 0; i < p->rect.h && h->top + i < h->n; i++) {
		const struct help_line *l = &h->line[h->top + i];

		if (l->role == ROLE_TITLE) {
			ui_draw(p, i, 1, ROLE_TITLE, "%s", l->text);
			continue;
		}
		ui_draw(p, i, 1, l->role == ROLE_LABEL ? ROLE_LABEL : ROLE_KEY, "%*s", w - 3, l->key);
		ui_draw(p, i, w, l->role == ROLE_DIM || l->role == ROLE_KEY ? l->role : ROLE_DEFAULT, "%s", l->text);
	}
}

static void help_title(struct panel *p, char *out, size_t size)
{
	struct help_panel *h = (struct help_panel *)p;
	int last = h->top + p->rect.h < h->n ? h->top + p->rect.h : h->n;

	snprintf(out, size, "help%s%s \u00b7 %d\u2013%d of %d \u00b7 / searches \u00b7 q leaves",
		h->filter[0] != '\0' ? " /" : "", h->filter, h->n > 0 ? h->top + 1 : 0, last, h->n);
}

static enum panel_result help_key(struct panel *p, int key)
{
	struct help_panel *h = (struct help_panel *)p;

	switch (key) {
	case 'j':
	case KEY_DOWN:
		h->top++;
		break;
	case 'k':
	case KEY_UP:
		h->top--;
		break;
	case ' ':
	case KEY_NPAGE:
		h->top += p->rect.h - 1;
		break;
	case KEY_PPAGE:
		h->top -= p->rect.h - 1;
		break;
	case KEY_HOME:
		h->top = 0;
		break;
	case KEY_END:
	case 'G':
		h->top = h->n;
		break;
	case '/':
		line_filter(p->ui, p);
		break;
	case UI_KEY_ESC:
		if (h->filter[0] == '\0')
			return PANEL_CLOSE;
		h->filter[0] = '\0';
		build(h);
		break;
	case 'q':
	case '?':
		return PANEL_CLOSE;
	default:
		return PANEL_HANDLED; /* it is on top: other keys wait */
	}
	return PANEL_REDRAW;
}

static void help_filter(struct panel *p, const char *text)
{
	struct help_panel *h = (struct help_panel *)p;

	snprintf(h->filter, sizeof(h->filter), "%s", text);
	h->top = 0;
	build(h);
}

const struct panel_ops panel_help = {
	.name = "help",
	.help = "Every key and command, from the tables that define them.",
	.min_h = 3,
	.min_w = 30,
	.create = help_create,
	.destroy = help_destroy,
	.draw = help_draw,
	.resized = help_resized,
	.title = help_title,
	.key = help_key,
	.filter = help_filter,
};
