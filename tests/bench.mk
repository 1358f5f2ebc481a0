# Benches: built with the tests, run by tests/bench/run, never part of pass or fail.
check_PROGRAMS += tests/bench/bare tests/bench/bench_start tests/bench/bench_engine tests/bench/bench_snapshot
tests_bench_bare_SOURCES = tests/bench/bare.c
tests_bench_bench_start_SOURCES = tests/bench/bench_start.c

EXTRA_DIST += tests/bench/run tests/bench/first.S tests/bench/bench_idle.sh
check_DATA = tests/bench/first.elf tests/bench/exit.elf tests/bench/linux_init
CLEANFILES += $(check_DATA)
BENCH_GUEST = $(CC) -m64 -nostdlib -static -no-pie -Wl,--build-id=none -Wl,-z,noseparate-code -Wl,-Ttext-segment=0x100000
tests/bench/first.elf: tests/bench/first.S
	$(AM_V_GEN)$(MKDIR_P) tests/bench && $(BENCH_GUEST) -o $@ $(top_srcdir)/tests/bench/first.S
tests/bench/exit.elf: tests/bench/first.S
	$(AM_V_GEN)$(MKDIR_P) tests/bench && $(BENCH_GUEST) -DEXIT -o $@ $(top_srcdir)/tests/bench/first.S
tests_bench_bench_engine_SOURCES = tests/bench/bench_engine.c
tests_bench_bench_engine_LDADD = libengine.la $(XXHASH_LIBS) -lpthread
tests_bench_bench_snapshot_SOURCES = tests/bench/bench_snapshot.c
tests_bench_bench_snapshot_LDADD = libclient.la $(JANSSON_LIBS) $(ELF_LIBS)
check_PROGRAMS += tests/bench/linux_driver
tests_bench_linux_driver_SOURCES = tests/bench/linux_driver.c
EXTRA_DIST += tests/bench/bench_linux.sh tests/bench/in/linux.sh tests/bench/linux_init.c
tests/bench/linux_init: tests/bench/linux_init.c
	$(AM_V_GEN)$(MKDIR_P) tests/bench && $(CC) -D_GNU_SOURCE -O2 -static -o $@ $(top_srcdir)/tests/bench/linux_init.c
