# Tests. tests/run-all finds and runs them: build/tests/{unit,kvm}/test_* (programs that print TAP) and
# tests/{kvm,tui,linux}/*.sh (scripts that print TAP; $1 is the build folder).
noinst_LTLIBRARIES += libtest.la
libtest_la_SOURCES = tests/lib/tap.c tests/lib/tap.h
EXTRA_DIST += tests/run-all tests/lib/tap.sh tests/fuzz/run

check_programs: $(check_PROGRAMS) $(check_DATA)
.PHONY: check_programs


include tests/engine.mk
include tests/devices.mk
include tests/guests.mk
include tests/vmhost.mk
include tests/client.mk
include tests/tui.mk
include tests/views.mk
include tests/term.mk
include tests/bench.mk
include tests/linux.mk

EXTRA_DIST += tests/unit/arrows.sh tests/unit/exports.sh tests/unit/distcheck.sh

# distcheck's own check only builds the tests: the tree it comes from has run them.
check-local: all
	@if test -n "$(VITRINE_NESTED_CHECK)"; then $(MAKE) $(AM_MAKEFLAGS) check_programs; \
	else $(top_srcdir)/tests/run-all $(abs_top_builddir); fi
