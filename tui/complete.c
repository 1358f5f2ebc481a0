/*
 * complete.c - the palette's completions: command names, then what the command's row offers. Screen thread.
 */
#include "config.h"
#include <stdlib.h>
#include <string.h>
#include "tui/ui.h"
#include "tui/vm.h"

static void add(void *arg, const char *text)
{
	struct ui_line *l = arg;
	int i;

	for (i = 0; i < l->ncompletion; i++)
		if (strcmp(l->completion[i], text) == 0)
			return;
	if (l->ncompletion >= COMPLETIONS_MAX)
		return;
	l->completion[l->ncompletion] = strdup(text);
	if (l->completion[l->ncompletion] != NULL)
		l->ncompletion++;
}

static void add_commands(struct ui *ui, const char *prefix)
{
	struct panel *p = ui_focused_panel(ui);
	const struct ui_cmd *const *cmd;
	size_t i, len = strlen(prefix);

	for (i = 0; command_table[i].name != NULL; i++)
		if ((command_table[i].flags & CMD_UI) && strncmp(command_table[i].name, prefix, len) == 0)
			add(&ui->line, command_table[i].name);
	for (cmd = p != NULL ? p->ops->cmds : NULL; cmd != NULL && *cmd != NULL; cmd++)
		if (strncmp((*cmd)->name, prefix, len) == 0)
			add(&ui->line, (*cmd)->name);
	if (ui->line.ncompletion > 0 || len < 2)
		return;
	for (i = 0; command_table[i].name != NULL; i++) /* not the beginning, then: somewhere in it */
		if ((command_table[i].flags & CMD_UI) && strstr(command_table[i].name, prefix) != NULL)
			add(&ui->line, command_table[i].name);
}

void complete_line(struct ui *ui)
{
	struct ui_line *l = &ui->line;
	const struct ui_cmd *cmd;
	char copy[sizeof(l->ed.text)], *word, *save;
	size_t start = l->ed.len;
	int n = 0;

	while (start > 0 && l->ed.text[start - 1] != ' ')
		start--;
	l->completion_start = start;
	l->completion_at = -1;
	if (start == 0) {
		add_commands(ui, l->ed.text);
		return;
	}
	memcpy(copy, l->ed.text, start);
	copy[start] = '\0';
	cmd = NULL;
	for (word = strtok_r(copy, " ", &save); word != NULL; word = strtok_r(NULL, " ", &save)) {
		if (n++ == 0)
			cmd = command_here(ui, word);
	}
	if (cmd != NULL && cmd->complete != NULL && n > 0)
		cmd->complete(ui, n, l->ed.text + start, add, l);
}
