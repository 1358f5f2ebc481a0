# Tests, fuzz targets and benches of term.
if HAVE_CMOCKA
check_PROGRAMS += tests/unit/test_term_vt
tests_unit_test_term_vt_SOURCES = tests/unit/test_term_vt.c
tests_unit_test_term_vt_CFLAGS = $(AM_CFLAGS) $(VTERM_CFLAGS) $(UNIT_CFLAGS)
tests_unit_test_term_vt_LDADD = libterm.la libfilter.la $(VTERM_LIBS) $(UNIT_LIBS)
endif
