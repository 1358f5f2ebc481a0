/*
 * cli_opt.c - options and arguments of a verb, by its row in cli_verbs[].
 */
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "tui/cli.h"

#define HELP_VALUE 1000 /* beyond every row */



/* getopt's two forms of the verb's table; returns the number of options. */
static int make_tables(const struct cli_verb *verb, struct option *longs, char *shorts)
{
	int n;

	for (n = 0; verb->options && verb->options[n].name; n++) {
		const struct cli_option *o = &verb->options[n];

		longs[n] = (struct option){ o->name, o->arg ? required_argument : no_argument, NULL,
			HELP_VALUE + 1 + n };
		if (o->letter) {
			*shorts++ = o->letter;
			if (o->arg)
				*shorts++ = ':';
		}
	}
	longs[n] = (struct option){ "help", no_argument, NULL, HELP_VALUE };
	longs[n + 1] = (struct option){ 0 };
	*shorts++ = 'h';
	*shorts = '\0';
	return n;
}

static int usage(const struct cli_verb *verb, const char *what)
{
	return cli_fail(CLI_USAGE, "%s: %s\nusage: vitrine %s %s\n`vitrine %s --help` says more.", verb->name, what,
		verb->name, verb->args, verb->name);
}

/* The row of a letter or a long option, -1: none. */
static int option_row(const struct cli_verb *verb, int n, int c)
{
	int i;

	if (c > HELP_VALUE)
		return c - HELP_VALUE - 1;
	for (i = 0; i < n; i++) {
		if (verb->options[i].letter == c)
			return i;
	}
	return -1;
}

bool cli_parse(const char *name, int argc, char **argv, struct cli_call *call, int *status)
{
	const struct cli_verb *verb = cli_find(name);
	char shorts[2 * CLI_OPTIONS_MAX + 4];
	struct option longs[CLI_OPTIONS_MAX + 2];
	int n, c, row;

	memset(call, 0, sizeof(*call));
	call->verb = verb;
	n = make_tables(verb, longs, shorts);
	optind = 0; /* begin anew */
	*status = CLI_USAGE;
	while ((c = getopt_long(argc, argv, shorts, longs, NULL)) != -1) {
		if (c == HELP_VALUE || c == 'h') {
			cli_help(verb);
			*status = CLI_OK;
			return false;
		}
		row = option_row(verb, n, c);
		if (row < 0) { /* getopt has said what */
			fprintf(stderr, "usage: vitrine %s %s\n`vitrine %s --help` says more.\n", name, verb->args, name);
			return false;
		}
		call->value[row] = verb->options[row].arg ? optarg : "";
		if (call->ngiven == CLI_GIVEN_MAX)
			return usage(verb, "too many options"), false;
		call->given[call->ngiven].row = row;
		call->given[call->ngiven++].value = call->value[row];
	}
	call->argc = argc - optind;
	call->argv = argv + optind;
	if (call->argc < verb->min)
		return usage(verb, "something is missing"), false;
	if (verb->max >= 0 && call->argc > verb->max)
		return usage(verb, "too many arguments"), false;
	return true;
}

bool cli_number(const char *text, uint64_t min, uint64_t max, uint64_t *out)
{
	char *end;

	if (*text < '0' || *text > '9')
		return false;
	errno = 0;
	*out = strtoull(text, &end, 0);
	return errno == 0 && *end == '\0' && *out >= min && *out <= max;
}

bool cli_seconds(const char *text, int *ms)
{
	char *end;
	double s = strtod(text, &end);

	if (end == text || *end || !(s >= 0) || s > 86400)
		return false;
	*ms = (int)(s * 1000);
	return true;
}
