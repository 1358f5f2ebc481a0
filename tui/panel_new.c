/*
 * panel_new.c - the form behind "new": what a VM needs at the least; more is for vms/NAME.cfg or options after
 * the name on the palette. An overlay. Screen thread.
 */
#include "config.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "tui/cmd.h"

enum { F_NAME, F_GUEST, F_MEMORY, F_VCPUS, F_CMDLINE, FIELDS };

static const struct {
	const char *label, *option, *initial, *about;
} fields[FIELDS] = {
	{"name", NULL, "", "letters, digits, . _ -"},
	{"guest", "--kernel", "shell", "shell, pager, clock, smp, or a path to a kernel (ELF or bzImage)"},
	{"memory", "--memory", "64M", "such as 64M or 2G"},
	{"vCPUs", "--vcpus", "1", "1 to 64"},
	{"command line", "--append", "", "for the guest's kernel; may be empty"},
};

struct form {
	struct panel p;
	struct line_editor ed[FIELDS];
	int at;
};

extern const struct panel_ops panel_newvm;

struct panel *newvm_form(struct ui *ui)
{
	struct form *f = calloc(1, sizeof(*f));
	char name[32];
	int i;

	if (f == NULL)
		return NULL;
	f->p.ui = ui;
	f->p.ops = &panel_newvm;
	for (i = 0; i < FIELDS; i++)
		editor_set(&f->ed[i], fields[i].initial);
	for (i = 1; i < 1000; i++) {
		snprintf(name, sizeof(name), "vm%d", i);
		if (vms_find(ui, name) == NULL)
			break;
	}
	editor_set(&f->ed[F_NAME], name);
	return &f->p;
}

/* A word is a guest that came with vitrine, anything with a slash a file. */
void newvm_kernel(const char *text, char *out, size_t size)
{
	bool as_is = strchr(text, '/') != NULL || strncmp(text, "guest:", 6) == 0;

	snprintf(out, size, "%s%s", as_is ? "" : "guest:", text);
}

static struct panel *form_create(struct ui *ui, struct ui_vm *vm)
{
	(void)vm;
	return newvm_form(ui);
}

static void form_destroy(struct panel *p)
{
	free(p);
}

static void form_draw(struct panel *p)
{
	struct form *f = (struct form *)p;
	int i, y, w = p->rect.w - 18;
	char before[sizeof(f->ed[0].text)];

	ui_draw(p, 0, 1, ROLE_DIM, "A new VM. Enter starts it, Tab or arrows move, Esc gives up.");
	for (i = 0; i < FIELDS; i++) {
		y = 2 + i * 2;
		ui_draw(p, y, 1, i == f->at ? ROLE_KEY : ROLE_LABEL, "%14s", fields[i].label);
		ui_draw_fill(p, y, 17, 1, w, i == f->at ? ROLE_PROMPT : ROLE_STATUS);
		ui_draw(p, y, 17, i == f->at ? ROLE_PROMPT : ROLE_STATUS, "%s", f->ed[i].text);
		ui_draw(p, y + 1, 17, ROLE_DIM, "%s", i == f->at ? fields[i].about : "");
		if (i != f->at)
			continue;
		snprintf(before, sizeof(before), "%.*s", (int)f->ed[i].cur, f->ed[i].text);
		ui_draw(p, y, 17 + text_width(before), ROLE_CURSOR, "%.*s",
			f->ed[i].cur < f->ed[i].len ? 1 : 0, f->ed[i].text + f->ed[i].cur);
		if (f->ed[i].cur == f->ed[i].len)
			ui_draw(p, y, 17 + text_width(before), ROLE_CURSOR, " ");
	}
}

static enum panel_result submit(struct form *f)
{
	const char *argv[2 * FIELDS + 1];
	char kernel[sizeof(f->ed[0].text) + 8];
	int i, n = 0;

	newvm_kernel(f->ed[F_GUEST].text, kernel, sizeof(kernel));

	for (i = 1; i < FIELDS; i++) {
		if (f->ed[i].len == 0)
			continue;
		argv[n++] = fields[i].option;
		argv[n++] = i == F_GUEST ? kernel : f->ed[i].text;
	}
	argv[n] = NULL;
	return vm_spawn(f->p.ui, f->ed[F_NAME].text, argv) == 0 ? PANEL_CLOSE : PANEL_REDRAW;
}

static enum panel_result form_key(struct panel *p, int key)
{
	struct form *f = (struct form *)p;

	switch (key) {
	case UI_KEY_TAB:
	case KEY_DOWN:
		f->at = (f->at + 1) % FIELDS;
		return PANEL_REDRAW;
	case UI_KEY_TAB | UI_KEY_SHIFT:
	case KEY_UP:
		f->at = (f->at + FIELDS - 1) % FIELDS;
		return PANEL_REDRAW;
	default:
		break;
	}
	switch (editor_key(&f->ed[f->at], key)) {
	case EDIT_CANCEL:
		return PANEL_CLOSE;
	case EDIT_DONE:
		return submit(f);
	default:
		return PANEL_REDRAW;
	}
}

static void form_title(struct panel *p, char *out, size_t size)
{
	(void)p;
	snprintf(out, size, "new VM");
}

const struct panel_ops panel_newvm = {
	.name = "new",
	.help = "A form for a new VM.",
	.min_h = 11,
	.min_w = 40,
	.create = form_create,
	.destroy = form_destroy,
	.draw = form_draw,
	.title = form_title,
	.key = form_key,
};
