/*
 * main.c - vitrine: without a verb the workstation, else what cli.h has for scripts.
 */
#include "config.h"
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include "tui/cli.h"
#include "tui/ui.h"

/* name, default keys, arguments, what it does: for people, and for tests that try each one */
static int list_commands(void)
{
	size_t i;

	for (i = 0; command_table[i].name != NULL; i++)
		if (command_table[i].flags & CMD_UI)
			printf("%s\t%s\t%s\t%s\n", command_table[i].name,
				command_table[i].keys != NULL ? command_table[i].keys : "", command_table[i].args,
				command_table[i].help);
	return 0;
}

/* For the verb demo. */
static int workstation(const char *select)
{
	const struct ui_start start = {.select = select, .own_vms = true};

	return ui_main(&start);
}

static int with_options(int argc, char **argv)
{
	static const struct option longs[] = {{"layout", required_argument, NULL, 'l'},
		{"theme", required_argument, NULL, 't'}, {"config", required_argument, NULL, 'c'},
		{"ascii", no_argument, NULL, 'a'}, {"select", required_argument, NULL, 's'},
		{"list-commands", no_argument, NULL, 'L'}, {NULL, 0, NULL, 0}};
	struct ui_start start = {.config = NULL};
	int c;

	while ((c = getopt_long(argc, argv, "l:t:c:as:", longs, NULL)) != -1) {
		switch (c) {
		case 'l':
			start.layout = optarg;
			break;
		case 't':
			start.theme = optarg;
			break;
		case 'c':
			start.config = optarg;
			break;
		case 'a':
			start.ascii = true;
			break;
		case 's':
			start.select = optarg;
			break;
		case 'L':
			return list_commands();
		default:
			return cli_usage();
		}
	}
	if (optind < argc)
		return cli_usage();
	return ui_main(&start);
}

int main(int argc, char **argv)
{
	int status;

	cli_workstation = workstation;
	if (argc > 1 && strcmp(argv[1], "--dump-man") == 0)
		return man_dump(argc > 2 ? argv[2] : NULL);
	status = cli_main(argc, argv);
	return status >= 0 ? status : with_options(argc, argv);
}
