# Tests, fuzz targets and benches of engine.
noinst_LTLIBRARIES += libtestguest.la
libtestguest_la_SOURCES = tests/kvm/engine_guest.c tests/kvm/engine_guest.h tests/kvm/engine_guests.S
libtestguest_la_CCASFLAGS = $(AM_CPPFLAGS)

engine_test_libs = libtestguest.la libtest.la libengine.la -lpthread
check_PROGRAMS += tests/kvm/test_engine_run \
	tests/kvm/test_engine_mem \
	tests/kvm/test_engine_dirty \
	tests/kvm/test_engine_irq \
	tests/kvm/test_engine_state \
	tests/kvm/test_engine_manual
tests_kvm_test_engine_run_SOURCES = tests/kvm/test_engine_run.c
tests_kvm_test_engine_run_LDADD = $(engine_test_libs)
tests_kvm_test_engine_mem_SOURCES = tests/kvm/test_engine_mem.c
tests_kvm_test_engine_mem_LDADD = $(engine_test_libs)
tests_kvm_test_engine_dirty_SOURCES = tests/kvm/test_engine_dirty.c
tests_kvm_test_engine_dirty_LDADD = $(engine_test_libs)
tests_kvm_test_engine_irq_SOURCES = tests/kvm/test_engine_irq.c
tests_kvm_test_engine_irq_LDADD = $(engine_test_libs)
tests_kvm_test_engine_state_SOURCES = tests/kvm/test_engine_state.c
tests_kvm_test_engine_state_LDADD = $(engine_test_libs)
tests_kvm_test_engine_manual_SOURCES = tests/kvm/test_engine_manual.c
tests_kvm_test_engine_manual_LDADD = $(engine_test_libs)
