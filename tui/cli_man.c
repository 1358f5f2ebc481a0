/*
 * cli_man.c - the generated part of vitrine(1), in mdoc: verbs and options from cli_verbs[].
 */
#include <string.h>

#include "tui/cli.h"

/* Text for roff, a sentence a line and lines short; backslashes and a leading dot or quote are special. */
static void roff(FILE *f, const char *text)
{
	size_t column = 0;
	const char *p;

	for (p = text; *p; p++) {
		if (*p == ' ' && (column + strcspn(p + 1, " ") > 75 || (p > text && p[-1] == '.'))) {
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

static void option(FILE *f, const struct cli_option *o)
{
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

void cli_dump_man(FILE *f)
{
	const struct cli_option *o;
	const struct cli_verb *v;

	fputs(".Sh COMMANDS\n.Bl -tag -width Ds\n", f);
	for (v = cli_verbs; v->name; v++) {
		fprintf(f, ".It Ic %s %s\n", v->name, v->args);
		roff(f, v->help);
		fputc('\n', f);
		if (v->more) {
			roff(f, v->more);
			fputc('\n', f);
		}
		if (!v->options)
			continue;
		fputs(".Bl -tag -width Ds\n", f);
		for (o = v->options; o->name; o++)
			option(f, o);
		fputs(".El\n", f);
	}
	fputs(".El\n", f);
}
