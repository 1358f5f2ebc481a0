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

noinst_LTLIBRARIES += libfakekvm.la
libfakekvm_la_SOURCES = tests/unit/fake_kvm.c tests/unit/fake_kvm.h
engine_unit_libs = libfakekvm.la libengine.la $(UNIT_LIBS) -lpthread

if HAVE_CMOCKA
check_PROGRAMS += tests/unit/test_engine_fault tests/unit/test_engine_boot \
	tests/unit/test_engine_linux tests/unit/test_engine_cpu
endif
tests_unit_test_engine_fault_SOURCES = tests/unit/test_engine_fault.c
tests_unit_test_engine_fault_CFLAGS = $(AM_CFLAGS) $(UNIT_CFLAGS)
tests_unit_test_engine_fault_LDADD = $(engine_unit_libs)
tests_unit_test_engine_boot_SOURCES = tests/unit/test_engine_boot.c tests/unit/elf_build.h
tests_unit_test_engine_boot_CFLAGS = $(AM_CFLAGS) $(UNIT_CFLAGS)
tests_unit_test_engine_boot_LDADD = $(engine_unit_libs)
tests_unit_test_engine_linux_SOURCES = tests/unit/test_engine_linux.c tests/unit/bzimage_build.h
tests_unit_test_engine_linux_CFLAGS = $(AM_CFLAGS) $(UNIT_CFLAGS)
tests_unit_test_engine_linux_LDADD = $(engine_unit_libs)
tests_unit_test_engine_cpu_SOURCES = tests/unit/test_engine_cpu.c
tests_unit_test_engine_cpu_CFLAGS = $(AM_CFLAGS) $(UNIT_CFLAGS)
tests_unit_test_engine_cpu_LDADD = $(engine_unit_libs)

if FUZZERS
noinst_PROGRAMS += tests/fuzz/fuzz_pvh tests/fuzz/fuzz_bzimage tests/fuzz/fuzz_state
endif
tests_fuzz_fuzz_pvh_SOURCES = tests/fuzz/fuzz_pvh.c
tests_fuzz_fuzz_pvh_LDFLAGS = $(AM_LDFLAGS) $(LIBFUZZER_LDFLAGS)
tests_fuzz_fuzz_pvh_LDADD = libfakekvm.la libengine.la -lpthread
tests_fuzz_fuzz_bzimage_SOURCES = tests/fuzz/fuzz_bzimage.c
tests_fuzz_fuzz_bzimage_LDFLAGS = $(AM_LDFLAGS) $(LIBFUZZER_LDFLAGS)
tests_fuzz_fuzz_bzimage_LDADD = libfakekvm.la libengine.la -lpthread
tests_fuzz_fuzz_state_SOURCES = tests/fuzz/fuzz_state.c
tests_fuzz_fuzz_state_LDFLAGS = $(AM_LDFLAGS) $(LIBFUZZER_LDFLAGS)
tests_fuzz_fuzz_state_LDADD = libfakekvm.la libengine.la -lpthread
EXTRA_DIST += tests/fuzz/corpus/pvh tests/fuzz/corpus/bzimage tests/fuzz/corpus/state
