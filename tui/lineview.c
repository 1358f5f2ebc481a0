/*
 * lineview.c - how the bottom line and the palette's list of completions look. Screen thread.
 */
#include "config.h"
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include "tui/ui.h"
#include "tui/vm.h"

/* Text at *x in the bottom line, up to column @end. */
static void add(struct ui *ui, int *x, int end, enum ui_role role, const char *fmt, ...)
{
	char text[UI_MSG_SIZE];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (*x < end)
		*x += draw_text(ui, ui->rows - 1, *x, end - *x, role, text);
}

struct hint {
	const char *command, *word;
	int rank; /* what stays when room runs out: the least last */
	char text[64];
};

/* What fits into @room columns; the way to all the others stays the longest. */
static void choose_hints(struct hint *h, int n, int room)
{
	int i, w = 0, worst;

	for (i = 0; i < n; i++)
		w += h[i].text[0] != '\0' ? text_width(h[i].text) + (i > 0 ? 3 : 1) : 0;
	while (w > room) {
		worst = -1;
		for (i = 0; i < n; i++)
			if (h[i].text[0] != '\0' && (worst < 0 || h[i].rank > h[worst].rank))
				worst = i;
		if (worst < 0)
			return;
		w -= text_width(h[worst].text) + 3;
		h[worst].text[0] = '\0';
	}
}

/* Does Enter mean something else in the focused view? */
static bool enter_is_taken(const struct ui *ui)
{
	struct panel *p = ui_focused_panel((struct ui *)ui);
	const struct ui_cmd *const *c;

	for (c = p != NULL ? p->ops->cmds : NULL; c != NULL && *c != NULL; c++)
		if ((*c)->keys != NULL && strstr((*c)->keys, "Enter") != NULL)
			return true;
	return p != NULL && p->ops == &panel_snapshots;
}

static void control_hints(struct ui *ui, int x, int end)
{
	const struct ui_vm *vm = ui->sel;
	bool off = vm != NULL && !vm_is_live(vm), paused = vm != NULL && vm->info.state == VMC_PAUSED;
	struct hint h[] = {
		{.command = NULL, .word = "console", .rank = 1},
		{.command = off ? "start" : "pause", .word = off ? "start" : paused ? "resume" : "pause", .rank = 2},
		{.command = "snapshot", .word = "snapshot", .rank = 6},
		{.command = "load", .word = "load", .rank = 7},
		{.command = "filter", .word = "filter", .rank = 5},
		{.command = "palette", .word = "command", .rank = 4},
		{.command = "help", .word = "help", .rank = 0},
		{.command = "quit", .word = "leave", .rank = 3},
	};
	int i, n = sizeof(h) / sizeof(h[0]);
	bool first = true;
	char key[32];

	for (i = 0; i < n; i++) {
		if (i == 1 && vm == NULL)
			continue;
		snprintf(key, sizeof(key), "%s", enter_is_taken(ui) ? "i" : "Enter");
		if (h[i].command != NULL)
			key_hint(ui, h[i].command, key, sizeof(key));
		if (key[0] != '\0')
			snprintf(h[i].text, sizeof(h[i].text), "%s %s", key, h[i].word);
	}
	choose_hints(h, n, end - x - 1);
	for (i = 0; i < n; i++) {
		if (h[i].text[0] == '\0')
			continue;
		add(ui, &x, end, ROLE_STATUS, "%s%s", first ? " " : " \u00b7 ", h[i].text);
		first = false;
	}
}

static void console_hints(struct ui *ui, int x, int end)
{
	char name[32], prefix[40], part[4][96];
	int i;

	ui_key_name(ui->opt.prefix, name, sizeof(name));
	snprintf(prefix, sizeof(prefix), "%s%s", strncmp(name, "C-", 2) == 0 ? "Ctrl-" : "",
		strncmp(name, "C-", 2) == 0 ? name + 2 : name);
	snprintf(part[0], sizeof(part[0]), " %s leaves", prefix);
	snprintf(part[1], sizeof(part[1]), " \u00b7 %s ? help", prefix);
	snprintf(part[2], sizeof(part[2]), " \u00b7 %s %s sends it", prefix, prefix);
	snprintf(part[3], sizeof(part[3]), " \u00b7 all other keys go to the guest");
	for (i = 0; i < 4 && x + text_width(part[i]) < end; i++)
		add(ui, &x, end, ROLE_STATUS, "%s", part[i]);
}

/* Who is to be off when, and how that is stopped, drawn from the right; returns where it begins. */
static int draw_offs(struct ui *ui, int end)
{
	char text[192], key[32];
	size_t i;
	int w;

	key_hint(ui, "shutdown-cancel", key, sizeof(key));
	for (i = 0; i < ui->nvms; i++) {
		int left = vm_off_left(ui->vms[i]);

		if (left < 0)
			continue;
		snprintf(text, sizeof(text), " %s off in %d s%s%s ", ui->vms[i]->name, left,
			key[0] != '\0' && ui->vms[i] == ui->sel ? " \u00b7 stop this: " : "",
			key[0] != '\0' && ui->vms[i] == ui->sel ? key : "");
		w = text_width(text);
		if (end - w < 24)
			break;
		end -= w;
		draw_text(ui, ui->rows - 1, end, w, ROLE_PROMPT, text);
	}
	return end;
}

/* What is going on with snapshots, drawn from the right; returns where it begins. */
static int draw_jobs(struct ui *ui, int end)
{
	char text[192];
	size_t i;
	int w;

	for (i = 0; i < ui->nvms; i++) {
		const struct vm_job *job = &ui->vms[i]->job;

		if (!job->active)
			continue;
		snprintf(text, sizeof(text), " %s %s %s %3u%% ", ui->vms[i]->name, job->what, job->name,
			job->total > 0 ? (unsigned)(job->done * 100 / job->total) : 0);
		w = text_width(text);
		if (end - w < 24)
			break;
		end -= w;
		draw_text(ui, ui->rows - 1, end, w, ROLE_PROMPT, text);
	}
	return end;
}

static int draw_right(struct ui *ui)
{
	struct tab *t = tab_current(ui);
	char text[96];
	int w;

	snprintf(text, sizeof(text), " %s%s %d/%d ", t->name, t->zoom ? " zoomed" : "", ui->tab + 1, ui->ntabs);
	w = text_width(text);
	if (w > ui->cols / 3)
		return ui->cols;
	draw_text(ui, ui->rows - 1, ui->cols - w, w, ROLE_STATUS, text);
	return draw_jobs(ui, draw_offs(ui, ui->cols - w));
}

/* The text being typed, with its end or the cursor in sight. */
static void draw_editor(struct ui *ui, int x, int end, int *cursor_x)
{
	const struct line_editor *ed = &ui->line.ed;
	char before[sizeof(ed->text)];
	const char *from = ed->text;
	int room = end - x - 1, w;

	snprintf(before, sizeof(before), "%.*s", (int)ed->cur, ed->text);
	w = text_width(before);
	while (w > room && *from != '\0') {
		from++;
		while (((unsigned char)*from & 0xc0) == 0x80)
			from++;
		w = text_width(before + (from - ed->text));
	}
	draw_text(ui, ui->rows - 1, x, end - x, ROLE_PROMPT, from);
	*cursor_x = x + w;
}

static int editor_x(const struct ui *ui)
{
	return ui->line.kind == LINE_PROMPT ? text_width(ui->line.label) + 3 : 2;
}

bool line_cursor(struct ui *ui, int *y, int *x)
{
	if (ui->line.kind == LINE_NONE)
		return false;
	*y = ui->rows - 1;
	if (ui->line.kind == LINE_ASK)
		*x = text_width(ui->line.label) + 8 < ui->cols ? text_width(ui->line.label) + 7 : ui->cols - 1;
	else
		draw_editor(ui, editor_x(ui), ui->cols, x);
	return true;
}

static void draw_mode(struct ui *ui, int *x, int end)
{
	const struct ui_vm *vm = ui->sel;

	if (ui->console_mode)
		add(ui, x, end, ROLE_MODE_CONSOLE, " [CONSOLE%s%s] ", vm != NULL ? " " : "", vm != NULL ? vm->name : "");
	else
		add(ui, x, end, ROLE_MODE_CONTROL, " [CONTROL] ");
}

void line_draw(struct ui *ui)
{
	int x = 0, end, unused;

	ui->draw_line = false;
	draw_fill(ui, ui->rows - 1, 0, 1, ui->cols, line_active(ui) ? ROLE_PROMPT : ROLE_STATUS);
	switch (ui->line.kind) {
	case LINE_ASK:
		add(ui, &x, ui->cols - 7, ROLE_WARN, " %s", ui->line.label);
		add(ui, &x, ui->cols, ROLE_PROMPT, " (y/n) ");
		return;
	case LINE_PROMPT:
		add(ui, &x, ui->cols, ROLE_KEY, " %s: ", ui->line.label);
		draw_editor(ui, editor_x(ui), ui->cols, &unused);
		return;
	case LINE_PALETTE:
	case LINE_FILTER:
		add(ui, &x, ui->cols, ROLE_KEY, " %s", ui->line.label);
		draw_editor(ui, editor_x(ui), ui->cols, &unused);
		return;
	case LINE_NONE:
		break;
	}
	end = draw_right(ui);
	draw_mode(ui, &x, end);
	if (ui->line.message_until_ms != 0 && text_width(ui->line.message) + 1 > end - x)
		ui->line.message_tall = true; /* line_popup() has room for it */
	if (ui->line.message_until_ms != 0 && !ui->line.message_tall)
		add(ui, &x, end, ui->line.bad ? ROLE_BAD : ROLE_STATUS, " %s", ui->line.message);
	else if (ui->console_mode)
		console_hints(ui, x, end);
	else
		control_hints(ui, x, end);
}

/* A message that is longer than the line is shown whole, in rows above it. */
static void message_popup(struct ui *ui)
{
	enum ui_role role = ui->line.bad ? ROLE_BAD : ROLE_PROMPT;
	const char *text = ui->line.message, *at;
	int rows = 0, y, i, w = ui->cols - 4;
	char part[UI_MSG_SIZE];
	size_t n;

	for (at = text; *at != '\0' && rows < ui->rows - 3; rows++)
		at += text_fit(at, w);
	y = ui->rows - 1 - rows;
	for (i = 0; i < ui->cols; i++)
		draw_wch(ui, y - 1, i, L'\u2500', role);
	draw_fill(ui, y, 0, rows, ui->cols, role);
	for (at = text, i = 0; i < rows; i++, at += n) {
		n = text_fit(at, w);
		snprintf(part, sizeof(part), "%.*s", (int)n, at);
		draw_text(ui, y + i, 2, w, role, part);
	}
}

/* Completions with their help, above the line, the chosen one marked. */
void line_popup(struct ui *ui)
{
	struct ui_line *l = &ui->line;
	const struct ui_cmd *cmd;
	int h = l->ncompletion, w = 0, i, first = 0, y, cw, room;
	char text[256];

	if (l->kind == LINE_NONE && l->message_tall)
		message_popup(ui);
	if (l->kind != LINE_PALETTE || h == 0)
		return;
	room = ui->rows - 3;
	if (h > room)
		h = room > 12 ? 12 : room;
	if (h > 12)
		h = 12;
	for (i = 0; i < l->ncompletion; i++) {
		cw = text_width(l->completion[i]);
		w = cw > w ? cw : w;
	}
	if (l->completion_at >= h)
		first = l->completion_at - h + 1;
	for (i = 0; i < h; i++) {
		enum ui_role role = first + i == l->completion_at ? ROLE_SELECTED : ROLE_PROMPT;

		y = ui->rows - 1 - h + i;
		draw_fill(ui, y, 0, 1, ui->cols, role);
		draw_text(ui, y, 2, ui->cols - 2, role, l->completion[first + i]);
		cmd = l->completion_start == 0 ? command_here(ui, l->completion[first + i]) : NULL;
		if (cmd == NULL)
			continue;
		snprintf(text, sizeof(text), "%s%s%s", cmd->args != NULL ? cmd->args : "",
			cmd->args != NULL && *cmd->args != '\0' ? "  " : "", cmd->help);
		draw_text(ui, y, w + 4, ui->cols - w - 4, role, text);
	}
}
