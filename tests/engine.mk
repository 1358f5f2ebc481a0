# Tests, fuzz targets and benches of engine.
noinst_LTLIBRARIES += libtestguest.la
libtestguest_la_SOURCES = tests/kvm/engine_guest.c tests/kvm/engine_guest.h tests/kvm/engine_guests.S
libtestguest_la_CCASFLAGS = $(AM_CPPFLAGS)

engine_test_libs = libtestguest.la libtest.la libengine.la -lpthread
check_PROGRAMS += tests/kvm/test_engine_run
tests_kvm_test_engine_run_SOURCES = tests/kvm/test_engine_run.c
tests_kvm_test_engine_run_LDADD = $(engine_test_libs)
