/*
 * man.c - the generated parts of vitrine(1), in mdoc: the workstation's options, its commands and keys, the
 * verbs. All from the tables that the program itself works by.
 */
#include "config.h"
#include <string.h>
#include "tui/cli.h"
#include "tui/ui.h"

/* Text for roff, a sentence a line and lines short; backslashes and a leading dot or quote are special. */
static void roff(FILE *f, const char *text)
{
	size_t column = 0;
	const char *p;

	for (p = text; *p; p++) {
		if (*p == ' ' && (column + strcspn(p + 1, " ") > 75 || (p > text && p[-1] == '.' && column > 3))) {
			fputc('\n', f);
			column = 0;
			continue;
		}
		if (column == 0 && (*p == '.' || *p == '\''))
			fputs("\\&", f);
		if (*p == '\\')
			fputs("\\e", f);
		else if (*p == '-' && (p[1] == '-' || (p > text && p[-1] == '-')))
			fputs("\\-", f);
		else
			fputc(*p, f);
		column++;
	}
}

/* A macro's arguments, each with a blank before it: single punctuation characters and macro names would be taken for what they are. */
static void words(FILE *f, const char *text)
{
	size_t len;

	for (text += strspn(text, " "); *text; text += len, text += strspn(text, " ")) {
		fputc(' ', f);
		len = strcspn(text, " ");
		if (len == 1 || (len == 2 && text[0] >= 'A' && text[0] <= 'Z'))
			fputs("\\&", f);
		for (size_t i = 0; i < len; i++)
			fputs(text[i] == '\\' ? "\\e" : text[i] == '"' ? "\\(dq" : (char[]){text[i], '\0'}, f);
	}
}

static void options(FILE *f, const struct cli_option *o)
{
	fputs(".Bl -tag -width Ds\n", f);
	for (; o->name; o++) {
		fputs(".It ", f);
		if (o->letter)
			fprintf(f, "Fl %c , ", o->letter);
		fprintf(f, "Fl \\-%s", o->name);
		if (o->arg)
			fprintf(f, " Ar %s", o->arg);
		fputc('\n', f);
		roff(f, o->help);
		fputs(".\n", f);
	}
	fputs(".El\n", f);
}

static void verbs(FILE *f)
{
	const struct cli_verb *v;

	fputs(".Sh VERBS\n.Bl -tag -width Ds\n", f);
	for (v = cli_verbs; v->name; v++) {
		fprintf(f, ".It Ic %s", v->name);
		words(f, v->args);
		fputc('\n', f);
		roff(f, v->help);
		fputc('\n', f);
		if (v->more) {
			roff(f, v->more);
			fputc('\n', f);
		}
		if (v->options)
			options(f, v->options);
	}
	fputs(".El\n", f);
}

/* "1=vms 2=console": the argument is part of the line. */
static void command(FILE *f, const struct ui_cmd *cmd)
{
	fprintf(f, ".It Ic %s", cmd->name);
	words(f, cmd->args ? cmd->args : "");
	fputc('\n', f);
	if (cmd->keys && *cmd->keys) {
		fputs("Keys:\n.Li", f);
		words(f, cmd->keys);
		fputs(" .\n", f);
	}
	roff(f, cmd->help);
	fputc('\n', f);
	if (cmd->flags & CMD_ASKS)
		fputs("Asks first.\n", f);
}

static void commands(FILE *f)
{
	const struct panel_ops *const *p;
	size_t i;

	fputs(".Sh COMMANDS AND KEYS\nKeys are those of CONTROL mode; with an argument as in\n.Li 1=vms ,\n"
	      "the key stands for the command with it.\n.Bl -tag -width Ds\n", f);
	for (i = 0; command_table[i].name; i++)
		if (command_table[i].flags & CMD_UI)
			command(f, &command_table[i]);
	fputs(".El\n", f);
	for (p = panel_table; *p; p++) {
		if (!(*p)->cmds || !(*p)->cmds[0])
			continue;
		fprintf(f, ".Ss The view %s\n", (*p)->name);
		roff(f, (*p)->help);
		fputs("\n.Bl -tag -width Ds\n", f);
		for (i = 0; (*p)->cmds[i]; i++)
			command(f, (*p)->cmds[i]);
		fputs(".El\n", f);
	}
}

int man_dump(const char *part)
{
	if (part && !strcmp(part, "options"))
		options(stdout, cli_no_verb.options);
	else if (part && !strcmp(part, "commands"))
		commands(stdout);
	else if (part && !strcmp(part, "verbs"))
		verbs(stdout);
	else
		return cli_fail(CLI_USAGE, "--dump-man: options, commands or verbs");
	return fflush(stdout) == 0 ? CLI_OK : CLI_FAILED;
}
