/*
 * panel_new.c - the form behind "new": what a VM needs at the least; more is for vms/NAME.cfg or options after
 * the name on the palette. An overlay. Screen thread.
 */
#include "config.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "tui/cmd.h"

enum { F_NAME, F_GUEST, F_INITRD, F_CMDLINE, F_DISK, F_NET, F_MEMORY, F_VCPUS, FIELDS };

static const struct {
	const char *label, *option, *initial, *about;
} fields[FIELDS] = {
	{"name", NULL, "", "letters, digits, . _ -"},
	{"guest", "--kernel", "shell", "shell, pager, clock, smp, or a path to a kernel (bzImage or ELF)"},
	{"initrd", "--initrd", "", "path to the kernel's initial RAM disk; may be empty"},
	{"command line", "--append", "", "for the kernel, such as console=hvc0 root=/dev/vda1; may be empty"},
	{"disk", "--disk", "", "path to an image or block device, perhaps with ,read_only=yes; may be empty"},
	{"network", "--net", "", "user, user,forward=tcp:2222:22, or tap,ifname=tap0; empty: none"},
	{"memory", "--memory", "64M", "64M do for a guest that came with vitrine; a Linux wants 512M or more"},
	{"vCPUs", "--vcpus", "1", "1 to 64"},
};

struct form {
	struct panel p;
	struct line_editor ed[FIELDS];
	int at;
};

extern const struct panel_ops panel_newvm;

/* What was typed last: a start may fail after the form has closed, and the next form begins with it. */
static char typed[FIELDS][sizeof(((struct line_editor *)NULL)->text)];

static bool failed_before(struct ui *ui)
{
	const struct ui_vm *vm = vms_find(ui, typed[F_NAME]);

	return typed[F_NAME][0] && (vm == NULL || (!vm_is_live(vm) && vm->link != VM_STARTING));
}

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
		editor_set(&f->ed[i], failed_before(ui) ? typed[i] : fields[i].initial);
	if (failed_before(ui))
		return &f->p;
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
	int i, y, w = p->rect.w - 18, step = p->rect.h >= 2 + 2 * FIELDS ? 2 : 1;
	char before[sizeof(f->ed[0].text)];

	ui_draw(p, 0, 1, ROLE_DIM, "A new VM. Enter starts it, Tab or arrows move, Esc gives up.");
	for (i = 0; i < FIELDS; i++) {
		y = 2 + i * step;
		ui_draw(p, y, 1, i == f->at ? ROLE_KEY : ROLE_LABEL, "%14s", fields[i].label);
		ui_draw_fill(p, y, 17, 1, w, i == f->at ? ROLE_PROMPT : ROLE_STATUS);
		ui_draw(p, y, 17, i == f->at ? ROLE_PROMPT : ROLE_STATUS, "%s", f->ed[i].text);
		if (i == f->at)
			ui_draw(p, step == 2 ? y + 1 : p->rect.h - 1, step == 2 ? 17 : 1, ROLE_DIM, "%s", fields[i].about);
		if (i != f->at)
			continue;
		snprintf(before, sizeof(before), "%.*s", (int)f->ed[i].cur, f->ed[i].text);
		ui_draw(p, y, 17 + text_width(before), ROLE_CURSOR, "%.*s",
			f->ed[i].cur < f->ed[i].len ? 1 : 0, f->ed[i].text + f->ed[i].cur);
		if (f->ed[i].cur == f->ed[i].len)
			ui_draw(p, y, 17 + text_width(before), ROLE_CURSOR, " ");
	}
}

/* "~/x" as a shell would have it: nobody else looks at what is typed here. */
static void with_home(const char *text, char *out, size_t size)
{
	const char *home = getenv("HOME");

	if (strncmp(text, "~/", 2) == 0 && home != NULL)
		snprintf(out, size, "%s%s", home, text + 1);
	else
		snprintf(out, size, "%s", text);
}

static enum panel_result submit(struct form *f)
{
	static char value[FIELDS][sizeof(f->ed[0].text) + 300]; /* read by vm_spawn() before it returns */
	const char *argv[2 * FIELDS + 1];
	char kernel[sizeof(value[0]) - 8];
	int i, n = 0;

	for (i = 0; i < FIELDS; i++)
		memcpy(typed[i], f->ed[i].text, sizeof(typed[i]));
	for (i = 1; i < FIELDS; i++) {
		if (f->ed[i].len == 0)
			continue;
		if (i == F_GUEST) {
			with_home(f->ed[i].text, kernel, sizeof(kernel));
			newvm_kernel(kernel, value[i], sizeof(value[i]));
		} else if (i == F_INITRD || i == F_DISK) {
			with_home(f->ed[i].text, value[i], sizeof(value[i]));
		} else {
			snprintf(value[i], sizeof(value[i]), "%s", f->ed[i].text);
		}
		argv[n++] = fields[i].option;
		argv[n++] = value[i];
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
