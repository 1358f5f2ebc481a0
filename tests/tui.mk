# Tests of the workstation's screen: scripts that drive it in a terminal (tmux), and what needs no terminal.
EXTRA_DIST += tests/tui/linux.sh tests/tui/shutdown.sh tests/tui/lib.bash tests/tui/commands.sh tests/tui/screen.sh
if HAVE_CMOCKA
check_PROGRAMS += tests/unit/test_tui_layout
tests_unit_test_tui_layout_SOURCES = tests/unit/test_tui_layout.c tui/layout.c tui/place.c tui/keys.c tui/editor.c
tests_unit_test_tui_layout_CFLAGS = $(AM_CFLAGS) $(NCURSES_CFLAGS) $(UNIT_CFLAGS)
tests_unit_test_tui_layout_LDADD = $(NCURSES_LIBS) $(UNIT_LIBS)
endif
