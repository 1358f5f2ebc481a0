/*
 * line.c - the bottom line: which mode the keys are in, hints, messages, questions, prompts and the command
 * palette. Screen thread.
 */
#include "config.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "tui/ui.h"
#include "tui/vm.h"

#define READING_MS 1500 /* a message over panels stays so long, whatever is typed */

bool line_active(const struct ui *ui)
{
	return ui->line.kind != LINE_NONE;
}

static void completions_clear(struct ui_line *l)
{
	int i;

	for (i = 0; i < l->ncompletion; i++)
		free(l->completion[i]);
	l->ncompletion = 0;
	l->completion_at = -1;
}

void line_free(struct ui *ui)
{
	int i;

	completions_clear(&ui->line);
	for (i = 0; i < ui->line.nhistory; i++)
		free(ui->line.history[i]);
	ui->line.nhistory = 0;
}

/* Back to the mode line; the popup above it may have covered panels. */
static void line_close(struct ui *ui)
{
	bool popup = ui->line.ncompletion > 0;

	ui->line.kind = LINE_NONE;
	completions_clear(&ui->line);
	ui->draw_line = true;
	if (popup)
		ui_redraw_all(ui);
	ui_schedule(ui);
}

static void open_line(struct ui *ui, int kind, const char *label, const char *initial)
{
	if (line_active(ui)) { /* whoever asked before gets its answer: no */
		struct ui_line old = ui->line;

		line_close(ui);
		if (old.kind == LINE_ASK && old.answer != NULL)
			old.answer(old.arg, false);
		else if (old.kind == LINE_PROMPT && old.done != NULL)
			old.done(old.arg, NULL);
	}
	if (ui->line.message_tall)
		ui_redraw_all(ui);
	ui->line.message_tall = false;
	ui->line.kind = kind;
	ui->line.message_until_ms = 0;
	snprintf(ui->line.label, sizeof(ui->line.label), "%s", label);
	editor_set(&ui->line.ed, initial != NULL ? initial : "");
	ui->line.completion_at = -1;
	ui->line.history_at = ui->line.nhistory;
	ui->line.done = NULL;
	ui->line.answer = NULL;
	ui->line.arg = NULL;
	ui->draw_line = true;
	ui_schedule(ui);
}

void ui_prompt(struct ui *ui, const char *label, const char *initial, void (*done)(void *arg, const char *text),
	void *arg)
{
	open_line(ui, LINE_PROMPT, label, initial);
	ui->line.done = done;
	ui->line.arg = arg;
}

void ui_ask(struct ui *ui, void (*answer)(void *arg, bool yes), void *arg, const char *fmt, ...)
{
	char text[UI_MSG_SIZE];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	open_line(ui, LINE_ASK, text, "");
	ui->line.answer = answer;
	ui->line.arg = arg;
}

void line_palette(struct ui *ui, const char *initial)
{
	open_line(ui, LINE_PALETTE, ":", initial);
	complete_line(ui);
	ui_redraw_all(ui);
}

void line_filter(struct ui *ui, struct panel *p)
{
	open_line(ui, LINE_FILTER, "/", "");
	ui->line.arg = p;
}

/* ---- keys ---- */

static void remember(struct ui_line *l, const char *text)
{
	if (*text == '\0' || (l->nhistory > 0 && strcmp(l->history[l->nhistory - 1], text) == 0))
		return;
	if (l->nhistory == HISTORY_SIZE) {
		free(l->history[0]);
		memmove(l->history, l->history + 1, sizeof(l->history) - sizeof(l->history[0]));
		l->nhistory--;
	}
	l->history[l->nhistory] = strdup(text);
	if (l->history[l->nhistory] != NULL)
		l->nhistory++;
}

static void history_go(struct ui *ui, int delta)
{
	struct ui_line *l = &ui->line;
	int at = l->history_at + delta;

	if (at < 0 || at > l->nhistory)
		return;
	l->history_at = at;
	editor_set(&l->ed, at < l->nhistory ? l->history[at] : "");
	completions_clear(l);
	complete_line(ui);
	ui_redraw_all(ui);
}

/* Tab: what all completions have in common first, then one after the other. */
static void take_completion(struct ui *ui, int step)
{
	struct ui_line *l = &ui->line;
	char text[sizeof(l->ed.text)];

	if (l->ncompletion == 0)
		return;
	l->completion_at = l->completion_at < 0 && step < 0 ? l->ncompletion - 1 :
		(l->completion_at + step + l->ncompletion) % l->ncompletion;
	if ((size_t)snprintf(text, sizeof(text), "%.*s%s", (int)l->completion_start, l->ed.text,
		    l->completion[l->completion_at]) >= sizeof(text))
		return;
	editor_set(&l->ed, text);
	if (l->ncompletion == 1) { /* the only one: go on with the next word */
		editor_insert(&l->ed, " ");
		completions_clear(l);
		complete_line(ui);
	}
	ui_redraw_all(ui);
}

static void palette_key(struct ui *ui, int key)
{
	struct ui_line *l = &ui->line;
	char text[sizeof(l->ed.text)];
	enum editor_result r;

	if (key == UI_KEY_TAB || key == (UI_KEY_TAB | UI_KEY_SHIFT)) {
		take_completion(ui, key == UI_KEY_TAB ? 1 : -1);
		return;
	}
	if (key == KEY_UP || key == KEY_DOWN || key == 16 || key == 14) {
		history_go(ui, key == KEY_UP || key == 16 ? -1 : 1);
		return;
	}
	if (key == UI_KEY_BACKSPACE && l->ed.len == 0)
		key = UI_KEY_ESC;
	r = editor_key(&l->ed, key);
	if (r == EDIT_CHANGED) {
		completions_clear(l);
		complete_line(ui);
		ui_redraw_all(ui);
	}
	if (r != EDIT_DONE && r != EDIT_CANCEL)
		return;
	snprintf(text, sizeof(text), "%s", l->ed.text);
	if (l->ncompletion == 0)
		ui_redraw_all(ui);
	line_close(ui);
	if (r == EDIT_DONE && text[strspn(text, " ")] != '\0') {
		remember(l, text);
		command_run(ui, text);
	}
}

static void filter_key(struct ui *ui, int key)
{
	struct panel *p = ui->line.arg;
	enum editor_result r = editor_key(&ui->line.ed, key);

	if (p == NULL || p->ops->filter == NULL) {
		line_close(ui);
		return;
	}
	if (r == EDIT_CANCEL)
		p->ops->filter(p, "");
	else if (r == EDIT_CHANGED)
		p->ops->filter(p, ui->line.ed.text);
	if (r == EDIT_CANCEL || r == EDIT_DONE)
		line_close(ui);
	ui_mark(p);
}

static void ask_key(struct ui *ui, int key)
{
	void (*answer)(void *, bool) = ui->line.answer;
	void *arg = ui->line.arg;
	bool yes = key == 'y' || key == 'Y';

	if (!yes && key != 'n' && key != 'N' && key != 'q' && key != UI_KEY_ESC && key != UI_KEY_ENTER && key != 3)
		return; /* a stray key decides nothing */
	line_close(ui);
	if (answer != NULL)
		answer(arg, yes);
}

static void prompt_key(struct ui *ui, int key)
{
	void (*done)(void *, const char *) = ui->line.done;
	void *arg = ui->line.arg;
	char text[sizeof(ui->line.ed.text)];
	enum editor_result r = editor_key(&ui->line.ed, key);

	if (r != EDIT_DONE && r != EDIT_CANCEL)
		return;
	snprintf(text, sizeof(text), "%s", ui->line.ed.text);
	line_close(ui);
	if (done != NULL)
		done(arg, r == EDIT_DONE ? text : NULL);
}

void line_key(struct ui *ui, int key)
{
	ui->draw_line = true;
	switch (ui->line.kind) {
	case LINE_PALETTE:
		palette_key(ui, key);
		break;
	case LINE_FILTER:
		filter_key(ui, key);
		break;
	case LINE_ASK:
		ask_key(ui, key);
		break;
	case LINE_PROMPT:
		prompt_key(ui, key);
		break;
	case LINE_NONE:
		break;
	}
}

void line_paste(struct ui *ui, const char *text)
{
	char one[sizeof(ui->line.ed.text)];

	if (ui->line.kind == LINE_ASK)
		return;
	snprintf(one, sizeof(one), "%.*s", (int)strcspn(text, "\n"), text);
	editor_insert(&ui->line.ed, one);
	ui->draw_line = true;
	if (ui->line.kind == LINE_FILTER && ui->line.arg != NULL)
		((struct panel *)ui->line.arg)->ops->filter(ui->line.arg, ui->line.ed.text);
}

void line_tick(struct ui *ui, uint64_t now_ms)
{
	if (ui->line.message_until_ms != 0 && now_ms >= ui->line.message_until_ms) {
		ui->line.message_until_ms = 0;
		ui->draw_line = true;
		if (ui->line.message_tall)
			ui_redraw_all(ui);
		ui->line.message_tall = false;
		ui_schedule(ui);
	}
}

void line_seen(struct ui *ui)
{
	if (ui->line.message_tall && ui_now_ms() > ui->line.message_since_ms + READING_MS)
		line_tick(ui, UINT64_MAX);
}
