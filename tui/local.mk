# The workstation.
bin_PROGRAMS += vitrine
vitrine_SOURCES = tui/main.c tui/man.c tui/screen.c tui/screen.h tui/ui.h tui/panel.h tui/command.h tui/tty.c tui/input.c tui/input.h \
	tui/mouse.c tui/mouse.h tui/keys.c tui/editor.c tui/line.c tui/lineview.c tui/complete.c tui/messages.c tui/config.c \
	tui/theme.c tui/palette.c tui/draw.c tui/layout.c tui/place.c tui/tabs.c tui/panes.c tui/frames.c tui/pool.c \
	tui/vm.c tui/vm.h tui/vm_internal.h tui/vm_live.c tui/vm_off.c tui/vm_watch.c \
	tui/commands.c tui/cmd.h tui/cmd_vm.c tui/cmd_balloon.c tui/cmd_link.c tui/cmd_snapshot.c tui/cmd_pane.c tui/cmd_screen.c \
	tui/panels.c tui/panel_vms.c tui/panel_snapshots.c tui/panel_log.c tui/panel_help.c tui/panel_new.c
vitrine_CPPFLAGS = $(AM_CPPFLAGS) $(PATH_CPPFLAGS)
vitrine_CFLAGS = $(AM_CFLAGS) $(NCURSES_CFLAGS) $(LIBCONFIG_CFLAGS) $(EVENT_CFLAGS)
vitrine_LDADD = libconsole.la libpane.la libcli.la libviews.la libfilter.la libclient.la $(JANSSON_LIBS) $(ELF_LIBS) $(NCURSES_LIBS) $(LIBCONFIG_LIBS) $(EVENT_LIBS) $(ZYDIS_LIBS)

include tui/views.mk
include tui/cli.mk
