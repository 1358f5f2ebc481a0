# tui/term: vitrine-term, and what the workstation needs to run it. vterm is linked into vitrine-term only.

# What any reader of guest output needs: no libvterm, no ncurses.
noinst_LTLIBRARIES += libfilter.la
libfilter_la_SOURCES = \
	tui/term/filter.h tui/term/filter_priv.h tui/term/filter.c tui/term/filter_seq.c tui/term/chars.c

# The terminal: also linked into tests and the fuzzer.
noinst_LTLIBRARIES += libterm.la
libterm_la_SOURCES = \
	tui/term/wire.h \
	tui/term/vt.h tui/term/vt.c tui/term/vt_cells.c tui/term/vt_fast.c tui/term/vt_input.c \
	tui/term/sb.h tui/term/sb.c \
	tui/term/hist.h tui/term/hist.c \
	tui/term/poison.h tui/term/poison.c
libterm_la_CFLAGS = $(AM_CFLAGS) $(VTERM_CFLAGS)
libterm_la_LIBADD = libfilter.la $(VTERM_LIBS)

pkglibexec_PROGRAMS = vitrine-term
vitrine_term_SOURCES = \
	tui/term/term.h tui/term/main.c tui/term/console.c tui/term/events.c tui/term/view.c \
	tui/term/find.c tui/term/sandbox.c
vitrine_term_CFLAGS = $(AM_CFLAGS) $(VTERM_CFLAGS) $(SECCOMP_CFLAGS)
vitrine_term_LDADD = libterm.la libfilter.la $(VTERM_LIBS) $(SECCOMP_LIBS)

# The workstation's side: one vitrine-term and a checked copy of its grid.
noinst_LTLIBRARIES += libpane.la
libpane_la_SOURCES = \
	tui/pane.h tui/pane_priv.h tui/pane.c tui/pane_proc.c \
	tui/term/grid_read.h tui/term/grid_read.c
libpane_la_CPPFLAGS = $(AM_CPPFLAGS) $(PATH_CPPFLAGS)
libpane_la_LIBADD = libfilter.la

# The panel that draws it. Needs the rest of the workstation (ui_...).
noinst_LTLIBRARIES += libconsole.la
libconsole_la_SOURCES = \
	tui/console.h tui/panel_console.c tui/console_copy.c tui/console_keys.c
libconsole_la_CFLAGS = $(AM_CFLAGS) $(NCURSES_CFLAGS)
libconsole_la_LIBADD = libpane.la
