# Tests. tests/run-all finds and runs them: build/tests/{unit,kvm}/test_* (programs that print TAP) and
# tests/{kvm,tui,linux}/*.sh (scripts that print TAP; $1 is the build folder).
noinst_LTLIBRARIES += libtest.la
libtest_la_SOURCES = tests/lib/tap.c tests/lib/tap.h
EXTRA_DIST += tests/run-all tests/lib/tap.sh tests/fuzz/run

check_programs: $(check_PROGRAMS)
.PHONY: check_programs


include tests/engine.mk
include tests/devices.mk
include tests/guests.mk
include tests/vmhost.mk
include tests/client.mk
include tests/tui.mk
include tests/views.mk
include tests/term.mk

check-local: all
	$(top_srcdir)/tests/run-all $(abs_top_builddir)
