# Tests, fuzz targets and benches of term.
if HAVE_CMOCKA
check_PROGRAMS += tests/unit/test_term_vt
tests_unit_test_term_vt_SOURCES = tests/unit/test_term_vt.c
tests_unit_test_term_vt_CFLAGS = $(AM_CFLAGS) $(VTERM_CFLAGS) $(UNIT_CFLAGS)
tests_unit_test_term_vt_LDADD = libterm.la libfilter.la $(VTERM_LIBS) $(UNIT_LIBS)

check_PROGRAMS += tests/unit/test_term_filter
tests_unit_test_term_filter_SOURCES = tests/unit/test_term_filter.c
tests_unit_test_term_filter_CFLAGS = $(AM_CFLAGS) $(UNIT_CFLAGS)
tests_unit_test_term_filter_LDADD = libfilter.la $(UNIT_LIBS)

check_PROGRAMS += tests/unit/test_term_grid
tests_unit_test_term_grid_SOURCES = tests/unit/test_term_grid.c
tests_unit_test_term_grid_CFLAGS = $(AM_CFLAGS) $(UNIT_CFLAGS)
tests_unit_test_term_grid_LDADD = libterm.la libpane.la libfilter.la $(VTERM_LIBS) $(UNIT_LIBS)

# vitrine-term as it is, but for two sequences that end it: see mortal() in tui/term/console.c.
check_PROGRAMS += tests/term_mortal
tests_term_mortal_SOURCES = $(vitrine_term_SOURCES)
tests_term_mortal_CPPFLAGS = $(AM_CPPFLAGS) -DTERM_MORTAL
tests_term_mortal_CFLAGS = $(vitrine_term_CFLAGS)
tests_term_mortal_LDADD = $(vitrine_term_LDADD)

check_PROGRAMS += tests/unit/test_term_pane
tests_unit_test_term_pane_SOURCES = tests/unit/test_term_pane.c
tests_unit_test_term_pane_CFLAGS = $(AM_CFLAGS) $(UNIT_CFLAGS)
tests_unit_test_term_pane_LDADD = libpane.la libfilter.la $(UNIT_LIBS)
EXTRA_tests_unit_test_term_pane_DEPENDENCIES = vitrine-term tests/term_mortal
endif

if FUZZERS
noinst_PROGRAMS += tests/fuzz/fuzz_pane
tests_fuzz_fuzz_pane_SOURCES = tests/fuzz/fuzz_pane.c
tests_fuzz_fuzz_pane_CFLAGS = $(AM_CFLAGS) $(VTERM_CFLAGS)
tests_fuzz_fuzz_pane_LDFLAGS = $(AM_LDFLAGS) $(LIBFUZZER_LDFLAGS)
tests_fuzz_fuzz_pane_LDADD = libterm.la libpane.la libfilter.la $(VTERM_LIBS)
endif
EXTRA_DIST += tests/fuzz/corpus/pane tests/tui/term.sh

check_PROGRAMS += tests/bench/bench_pane
tests_bench_bench_pane_SOURCES = tests/bench/bench_pane.c
tests_bench_bench_pane_LDADD = libpane.la libfilter.la
