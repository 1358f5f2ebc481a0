/*
 * screen.h - the way into the workstation from the command line.
 */
#ifndef TUI_SCREEN_H
#define TUI_SCREEN_H
#include <stdbool.h>

struct ui_start {
	const char *config; /* NULL: $XDG_CONFIG_HOME/vitrine/vitrine.cfg */
	const char *theme, *layout; /* NULL: as configured */
	const char *select; /* the VM to begin with; NULL: the first */
	bool ascii;
	bool own_vms; /* say nothing about VMs that go on when leaving */
};

/** ui_main() - the workstation, until the user leaves. Return: exit code. */
int ui_main(const struct ui_start *start);

#endif
