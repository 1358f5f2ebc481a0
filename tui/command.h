/*
 * command.h - commands: one row each; keys, palette, help, CLI verbs and the man page all come from the rows.
 */
#ifndef TUI_COMMAND_H
#define TUI_COMMAND_H
#include <stdbool.h>

struct ui;
struct panel;

enum {
	CMD_UI	   = 1 << 0, /* in the workstation: palette and keys */
	CMD_CLI	   = 1 << 1, /* a verb of the command line */
	CMD_ASKS   = 1 << 2, /* destructive: asks before it acts */
	CMD_NEEDS_VM = 1 << 3, /* acts on the selected VM when none is named */
};

struct ui_cmd_call {
	struct ui *ui;
	struct panel *panel; /* the focused one; may be NULL */
	int argc;
	char **argv;	     /* argv[0] is the command's name */
};

struct ui_cmd {
	const char *name; /* "pause"; the CLI verb too */
	const char *args; /* "[VM]", "VM SNAPSHOT" */
	const char *help; /* one sentence */
	const char *keys; /* default keys in CONTROL mode, space separated: "p", "F5 S" ; NULL: none */
	unsigned flags;
	int (*exec)(struct ui_cmd_call *call);	  /* 0 or -errno, having said why with ui_warn() */
	int (*cli)(int argc, char **argv);	  /* CMD_CLI: exit code */
	/* fills completions of argument @n beginning with @prefix; may be NULL */
	void (*complete)(struct ui *ui, int n, const char *prefix, void (*add)(void *arg, const char *text), void *arg);
};

#endif
