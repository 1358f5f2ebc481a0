/*
 * panel_vms.c - the list of VMs: what state each is in and what it costs. Its cursor is the selection: the views
 * that follow show the VM under it. Screen thread.
 */
#include "config.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "tui/vm.h"

struct vms_panel {
	struct panel p;
	char filter[64];
	int top; /* first row shown */
};

static struct panel *vms_create(struct ui *ui, struct ui_vm *vm)
{
	(void)ui;
	(void)vm;
	return calloc(1, sizeof(struct vms_panel)); /* which begins with the panel */
}

static void vms_destroy(struct panel *p)
{
	free(p);
}

static bool matches(const struct vms_panel *v, const struct ui_vm *vm)
{
	return v->filter[0] == '\0' || strstr(vm->name, v->filter) != NULL ||
		strstr(vm_state_text(vm), v->filter) != NULL;
}

/* The rows that pass the filter; returns how many, and which is selected. */
static int rows(struct vms_panel *v, struct ui_vm **out, int max, int *sel)
{
	struct ui *ui = v->p.ui;
	int n = 0;
	size_t i;

	*sel = -1;
	for (i = 0; i < ui->nvms && n < max; i++) {
		if (!matches(v, ui->vms[i]))
			continue;
		if (ui->vms[i] == ui->sel)
			*sel = n;
		out[n++] = ui->vms[i];
	}
	return n;
}

static void amount(char *out, size_t size, uint64_t bytes)
{
	if (bytes >= 10ull << 30)
		snprintf(out, size, "%uG", (unsigned)(bytes >> 30));
	else if (bytes >= 1ull << 20)
		snprintf(out, size, "%uM", (unsigned)(bytes >> 20));
	else
		snprintf(out, size, "%uK", (unsigned)(bytes >> 10));
}

static void draw_row(struct vms_panel *v, int y, const struct ui_vm *vm, bool selected)
{
	struct panel *p = &v->p;
	enum ui_role base = selected ? ROLE_SELECTED : ROLE_DEFAULT;
	int w = p->rect.w, right = w;
	char text[64];
	bool live = vm_is_live(vm);

	if (selected)
		ui_draw_fill(p, y, 0, 1, w, ROLE_SELECTED);
	draw_wch(p->ui, p->rect.y + y, p->rect.x, vm_state_mark(vm), selected ? base : vm_state_role(vm));
	if (!live) {
		snprintf(text, sizeof(text), "%s", vm_state_text(vm));
	} else if (vm_off_left(vm) >= 0) {
		snprintf(text, sizeof(text), "off %ds", vm_off_left(vm));
	} else if (vm->job.active) {
		snprintf(text, sizeof(text), "%s %u%%", vm->job.what,
			vm->job.total > 0 ? (unsigned)(vm->job.done * 100 / vm->job.total) : 0);
	} else if ((vm->info.state == VMC_RUNNING || vm->info.state == VMC_PAUSED) && !vm->info.panicked) {
		snprintf(text, sizeof(text), "%3.0f%%", vm->cpu_percent);
	} else {
		snprintf(text, sizeof(text), "%s", vm_state_text(vm));
	}
	right -= (int)strlen(text);
	ui_draw(p, y, right, selected ? base : live && vm->info.state == VMC_RUNNING && !vm->info.panicked ? ROLE_VALUE : vm_state_role(vm),
		"%s", text);
	if (live && vm->rss > 0 && w >= 24) {
		amount(text, sizeof(text), vm->rss);
		right -= 6;
		ui_draw(p, y, right, selected ? base : ROLE_DIM, "%5s", text);
	}
	snprintf(text, sizeof(text), "%s", vm->name);
	if (right > 3 && (int)strlen(text) > right - 3)
		snprintf(text + (right - 4), sizeof(text) - (size_t)(right - 4), "%s", ui_ascii(p->ui) ? "~" : "\u2026");
	if (right > 3)
		ui_draw(p, y, 2, selected ? base : live ? ROLE_DEFAULT : ROLE_DIM, "%s", text);
}

int panel_vms_width(const struct ui_vm *vm)
{
	return 2 + (int)strlen(vm->name) + 1 + 4;
}

static void draw_empty(struct panel *p)
{
	char key[32];

	ui_draw(p, 1, 1, ROLE_DIM, "no VM yet");
	key_hint(p->ui, "new", key, sizeof(key));
	if (key[0] != '\0' && p->rect.h > 3) {
		ui_draw(p, 3, 1, ROLE_KEY, "%s", key);
		ui_draw(p, 3, 2 + text_width(key), ROLE_DIM, "new VM");
	}
}

/* Broken at blanks where there are any. */
static void draw_why(struct panel *p, int y, int lines, const char *why)
{
	int w = p->rect.w, n, i;

	for (i = 0; i < lines && *why != '\0' && w > 0; i++) {
		n = (int)strlen(why);
		if (n > w)
			for (n = w; n > 0 && why[n] != ' '; n--)
				;
		n = n > 0 ? n : w;
		ui_draw(p, y + i, 0, ROLE_DIM, "%.*s", n, why);
		why += n;
		why += strspn(why, " ");
	}
}

/* What is known of the selected one, below the list where there is room. */
static void draw_about(struct vms_panel *v, int from)
{
	struct panel *p = &v->p;
	struct ui_vm *vm = p->ui->sel;
	char text[32];
	int y = from, i, level, x0;
	static const wchar_t bars[] = L" \u2581\u2582\u2583\u2584\u2585\u2586\u2587\u2588";

	if (vm == NULL || p->rect.h - from < 7)
		return;
	y = p->rect.h - 6;
	for (i = 0; i < p->rect.w; i++)
		draw_wch(p->ui, p->rect.y + y, p->rect.x + i, L'\u2500', ROLE_BORDER);
	ui_draw(p, y, 1, ROLE_LABEL, " %s ", vm->name);
	ui_draw(p, y + 1, 0, vm_state_role(vm), "%s", vm_state_text(vm));
	if (!vm_is_live(vm)) {
		draw_why(p, y + 2, 4, vm->why);
		return;
	}
	amount(text, sizeof(text), vm->info.ram_bytes);
	ui_draw(p, y + 2, 0, ROLE_DIM, "%u vCPU%s %s", vm->info.vcpus, vm->info.vcpus == 1 ? "" : "s", text);
	amount(text, sizeof(text), vm->rss);
	ui_draw(p, y + 3, 0, ROLE_DIM, "held %s", text);
	ui_draw(p, y + 4, 0, ROLE_DIM, "%.0f exits/s", vm->exits_per_s);
	x0 = VM_HISTORY > p->rect.w ? VM_HISTORY - p->rect.w : 0;
	for (i = x0; i < VM_HISTORY; i++) {
		level = vm->cpu_history[i] * 8 / 100;
		level = level > 8 ? 8 : vm->cpu_history[i] > 0 && level == 0 ? 1 : level;
		draw_wch(p->ui, p->rect.y + y + 5, p->rect.x + i - x0, bars[level], ROLE_BAR);
	}
}

static void vms_draw(struct panel *p)
{
	struct vms_panel *v = (struct vms_panel *)p;
	struct ui_vm *row[256];
	int sel, n = rows(v, row, 256, &sel), i, h = p->rect.h;

	if (n == 0 && v->filter[0] == '\0') {
		draw_empty(p);
		return;
	}
	if (n == 0)
		ui_draw(p, 0, 0, ROLE_DIM, "none matches %s", v->filter);
	if (n + 8 <= h)
		draw_about(v, n + 1);
	if (sel >= 0 && sel < v->top)
		v->top = sel;
	if (sel >= v->top + h)
		v->top = sel - h + 1;
	if (v->top > n - h)
		v->top = n > h ? n - h : 0;
	for (i = 0; i < h && v->top + i < n; i++)
		draw_row(v, i, row[v->top + i], v->top + i == sel);
}

static void vms_title(struct panel *p, char *out, size_t size)
{
	struct vms_panel *v = (struct vms_panel *)p;

	if (v->filter[0] != '\0')
		snprintf(out, size, "VMs /%s", v->filter);
	else
		snprintf(out, size, "VMs");
}

static enum panel_result vms_key(struct panel *p, int key)
{
	struct vms_panel *v = (struct vms_panel *)p;
	struct ui_vm *row[256];
	int sel, n = rows(v, row, 256, &sel), to = sel;

	switch (key) {
	case 'j':
	case KEY_DOWN:
		to = sel + 1;
		break;
	case 'k':
	case KEY_UP:
		to = sel - 1;
		break;
	case KEY_HOME:
		to = 0;
		break;
	case KEY_END:
	case 'G':
		to = n - 1;
		break;
	case KEY_NPAGE:
		to = sel + p->rect.h;
		break;
	case KEY_PPAGE:
		to = sel - p->rect.h;
		break;
	case UI_KEY_ESC:
		if (v->filter[0] == '\0')
			return PANEL_IGNORED;
		v->filter[0] = '\0';
		return PANEL_REDRAW;
	default:
		return PANEL_IGNORED;
	}
	if (n == 0)
		return PANEL_HANDLED;
	to = to < 0 ? 0 : to >= n ? n - 1 : to;
	ui_select(p->ui, row[to]);
	return PANEL_REDRAW;
}

static enum panel_result vms_mouse(struct panel *p, const struct panel_mouse *m)
{
	struct vms_panel *v = (struct vms_panel *)p;
	struct ui_vm *row[256];
	int sel, n = rows(v, row, 256, &sel);

	if (m->what != MOUSE_PRESS || v->top + m->y >= n)
		return PANEL_IGNORED;
	ui_select(p->ui, row[v->top + m->y]);
	return PANEL_REDRAW;
}

static void vms_filter(struct panel *p, const char *text)
{
	struct vms_panel *v = (struct vms_panel *)p;

	snprintf(v->filter, sizeof(v->filter), "%s", text);
	v->top = 0;
}

const struct panel_ops panel_vms = {
	.name = "vms",
	.help = "Every VM: state, CPU, memory; the selected one is what commands and views are about.",
	.min_h = 3,
	.min_w = 12,
	.create = vms_create,
	.destroy = vms_destroy,
	.draw = vms_draw,
	.title = vms_title,
	.key = vms_key,
	.mouse = vms_mouse,
	.filter = vms_filter,
};
