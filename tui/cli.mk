# The verbs of the command line.
noinst_LTLIBRARIES += libcli.la
libcli_la_SOURCES = tui/cli.h tui/cli_verbs.c tui/cli_opt.c tui/cli_out.c tui/cli_term.c \
	tui/cli_ls.c tui/cli_balloon.c tui/cli_life.c tui/cli_stop.c tui/cli_run.c tui/cli_snap.c tui/cli_console.c tui/cli_send.c \
	tui/cli_check.c tui/cli_demo.c tui/cli_linux.c
libcli_la_CFLAGS = $(AM_CFLAGS) $(NCURSES_CFLAGS)
libcli_la_CPPFLAGS = $(AM_CPPFLAGS) $(PATH_CPPFLAGS)
