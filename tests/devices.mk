# Tests, fuzz targets and benches of devices.
# A VM without KVM, a virtio driver that keeps or breaks the rules as asked, and both put together.
noinst_LTLIBRARIES += libdevtest.la
libdevtest_la_SOURCES = tests/lib/fakevm.h tests/lib/fakevm.c tests/lib/vdriver.h tests/lib/vdriver.c \
	tests/lib/devfix.h tests/lib/devfix.c tests/lib/netfix.h tests/lib/netfix.c
libdevtest_la_CFLAGS = $(AM_CFLAGS) $(EVENT_CFLAGS)
# The fake VM comes before the engine, of which only the state buffers are wanted.
DEVTEST_LIBS = libdevtest.la libdevices.la libengine.la $(EVENT_LIBS)

if HAVE_CMOCKA
check_PROGRAMS += tests/unit/test_devices_net
tests_unit_test_devices_net_SOURCES = tests/unit/test_devices_net.c
tests_unit_test_devices_net_CFLAGS = $(AM_CFLAGS) $(UNIT_CFLAGS)
tests_unit_test_devices_net_LDADD = $(DEVTEST_LIBS) $(UNIT_LIBS)
check_PROGRAMS += tests/unit/test_devices_virtq tests/unit/test_devices_pci tests/unit/test_devices_virtio \
	tests/unit/test_devices_isa tests/unit/test_devices_acpi tests/unit/test_devices_state tests/unit/test_devices_rng \
	tests/unit/test_devices_balloon
tests_unit_test_devices_virtq_SOURCES = tests/unit/test_devices_virtq.c
tests_unit_test_devices_virtq_CFLAGS = $(AM_CFLAGS) $(UNIT_CFLAGS)
tests_unit_test_devices_virtq_LDADD = $(DEVTEST_LIBS) $(UNIT_LIBS)
tests_unit_test_devices_pci_SOURCES = tests/unit/test_devices_pci.c
tests_unit_test_devices_pci_CFLAGS = $(AM_CFLAGS) $(UNIT_CFLAGS)
tests_unit_test_devices_pci_LDADD = $(DEVTEST_LIBS) $(UNIT_LIBS)
tests_unit_test_devices_virtio_SOURCES = tests/unit/test_devices_virtio.c
tests_unit_test_devices_virtio_CFLAGS = $(AM_CFLAGS) $(UNIT_CFLAGS)
tests_unit_test_devices_virtio_LDADD = $(DEVTEST_LIBS) $(UNIT_LIBS)
tests_unit_test_devices_isa_SOURCES = tests/unit/test_devices_isa.c
tests_unit_test_devices_isa_CFLAGS = $(AM_CFLAGS) $(UNIT_CFLAGS)
tests_unit_test_devices_isa_LDADD = $(DEVTEST_LIBS) $(UNIT_LIBS)
tests_unit_test_devices_acpi_SOURCES = tests/unit/test_devices_acpi.c
tests_unit_test_devices_acpi_CFLAGS = $(AM_CFLAGS) $(UNIT_CFLAGS)
tests_unit_test_devices_acpi_LDADD = $(DEVTEST_LIBS) $(UNIT_LIBS)
tests_unit_test_devices_state_SOURCES = tests/unit/test_devices_state.c
tests_unit_test_devices_state_CFLAGS = $(AM_CFLAGS) $(UNIT_CFLAGS)
tests_unit_test_devices_state_LDADD = $(DEVTEST_LIBS) $(UNIT_LIBS)
tests_unit_test_devices_rng_SOURCES = tests/unit/test_devices_rng.c
tests_unit_test_devices_rng_CFLAGS = $(AM_CFLAGS) $(UNIT_CFLAGS)
tests_unit_test_devices_rng_LDADD = $(DEVTEST_LIBS) $(UNIT_LIBS)
check_PROGRAMS += tests/unit/test_devices_blk tests/unit/test_devices_blk_faults
tests_unit_test_devices_blk_SOURCES = tests/unit/test_devices_blk.c tests/lib/blkfix.h tests/lib/blkfix.c
tests_unit_test_devices_blk_CFLAGS = $(AM_CFLAGS) $(UNIT_CFLAGS)
tests_unit_test_devices_blk_LDADD = $(DEVTEST_LIBS) $(UNIT_LIBS)
tests_unit_test_devices_blk_faults_SOURCES = tests/unit/test_devices_blk_faults.c tests/lib/blkfix.h \
	tests/lib/blkfix.c
tests_unit_test_devices_blk_faults_CFLAGS = $(AM_CFLAGS) $(UNIT_CFLAGS)
tests_unit_test_devices_blk_faults_LDADD = $(DEVTEST_LIBS) $(UNIT_LIBS)
tests_unit_test_devices_balloon_SOURCES = tests/unit/test_devices_balloon.c
tests_unit_test_devices_balloon_CFLAGS = $(AM_CFLAGS) $(UNIT_CFLAGS)
tests_unit_test_devices_balloon_LDADD = $(DEVTEST_LIBS) $(UNIT_LIBS)
check_PROGRAMS += tests/unit/test_devices_vsock
tests_unit_test_devices_vsock_SOURCES = tests/unit/test_devices_vsock.c tests/lib/fakevhost.h tests/lib/fakevhost.c
tests_unit_test_devices_vsock_CFLAGS = $(AM_CFLAGS) $(UNIT_CFLAGS)
tests_unit_test_devices_vsock_LDADD = $(DEVTEST_LIBS) $(UNIT_LIBS)
endif

# On /dev/kvm: the driver is the test, its hands are a guest's.
DEVKVM_SOURCES = tests/kvm/devguest.h tests/kvm/devguest.c tests/lib/vdriver.h tests/lib/vdriver.c
DEVKVM_LIBS = libdevices.la libengine.la libtest.la $(EVENT_LIBS) $(XXHASH_LIBS) $(ELF_LIBS) -lpthread
check_PROGRAMS += tests/kvm/test_devices_console tests/kvm/test_devices_snapshot tests/kvm/test_devices_misc
check_PROGRAMS += tests/kvm/test_devices_legacy
tests_kvm_test_devices_legacy_SOURCES = tests/kvm/test_devices_legacy.c $(DEVKVM_SOURCES)
tests_kvm_test_devices_legacy_CFLAGS = $(AM_CFLAGS) $(EVENT_CFLAGS)
tests_kvm_test_devices_legacy_LDADD = $(DEVKVM_LIBS)
tests_kvm_test_devices_misc_SOURCES = tests/kvm/test_devices_misc.c $(DEVKVM_SOURCES)
tests_kvm_test_devices_misc_CFLAGS = $(AM_CFLAGS) $(EVENT_CFLAGS)
tests_kvm_test_devices_misc_LDADD = $(DEVKVM_LIBS)
tests_kvm_test_devices_console_SOURCES = tests/kvm/test_devices_console.c $(DEVKVM_SOURCES)
tests_kvm_test_devices_console_CFLAGS = $(AM_CFLAGS) $(EVENT_CFLAGS)
tests_kvm_test_devices_console_LDADD = $(DEVKVM_LIBS)
tests_kvm_test_devices_snapshot_SOURCES = tests/kvm/test_devices_snapshot.c $(DEVKVM_SOURCES)
tests_kvm_test_devices_snapshot_CFLAGS = $(AM_CFLAGS) $(EVENT_CFLAGS)
tests_kvm_test_devices_snapshot_LDADD = $(DEVKVM_LIBS)

EXTRA_DIST += tests/fuzz/corpus/virtq tests/fuzz/corpus/virtio_console tests/fuzz/corpus/virtio_net
if FUZZERS
noinst_PROGRAMS += tests/fuzz/fuzz_virtio_net
tests_fuzz_fuzz_virtio_net_SOURCES = tests/fuzz/fuzz_virtio_net.c tests/fuzz/reader.h
tests_fuzz_fuzz_virtio_net_CFLAGS = $(AM_CFLAGS) $(EVENT_CFLAGS)
tests_fuzz_fuzz_virtio_net_LDADD = $(DEVTEST_LIBS)
tests_fuzz_fuzz_virtio_net_LDFLAGS = $(AM_LDFLAGS) $(LIBFUZZER_LDFLAGS)
noinst_PROGRAMS += tests/fuzz/fuzz_virtq tests/fuzz/fuzz_virtio_console
tests_fuzz_fuzz_virtq_SOURCES = tests/fuzz/fuzz_virtq.c
tests_fuzz_fuzz_virtq_LDADD = $(DEVTEST_LIBS)
tests_fuzz_fuzz_virtq_LDFLAGS = $(AM_LDFLAGS) $(LIBFUZZER_LDFLAGS)
tests_fuzz_fuzz_virtio_console_SOURCES = tests/fuzz/fuzz_virtio_console.c tests/fuzz/reader.h
tests_fuzz_fuzz_virtio_console_CFLAGS = $(AM_CFLAGS) $(EVENT_CFLAGS)
tests_fuzz_fuzz_virtio_console_LDADD = $(DEVTEST_LIBS)
tests_fuzz_fuzz_virtio_console_LDFLAGS = $(AM_LDFLAGS) $(LIBFUZZER_LDFLAGS)
noinst_PROGRAMS += tests/fuzz/fuzz_virtio_blk
tests_fuzz_fuzz_virtio_blk_SOURCES = tests/fuzz/fuzz_virtio_blk.c tests/fuzz/reader.h
tests_fuzz_fuzz_virtio_blk_CFLAGS = $(AM_CFLAGS) $(EVENT_CFLAGS)
tests_fuzz_fuzz_virtio_blk_LDADD = $(DEVTEST_LIBS)
tests_fuzz_fuzz_virtio_blk_LDFLAGS = $(AM_LDFLAGS) $(LIBFUZZER_LDFLAGS)
noinst_PROGRAMS += tests/fuzz/fuzz_virtio_vsock
tests_fuzz_fuzz_virtio_vsock_SOURCES = tests/fuzz/fuzz_virtio_vsock.c tests/fuzz/reader.h tests/lib/fakevhost.h tests/lib/fakevhost.c
tests_fuzz_fuzz_virtio_vsock_CFLAGS = $(AM_CFLAGS) $(EVENT_CFLAGS)
tests_fuzz_fuzz_virtio_vsock_LDADD = $(DEVTEST_LIBS)
tests_fuzz_fuzz_virtio_vsock_LDFLAGS = $(AM_LDFLAGS) $(LIBFUZZER_LDFLAGS)
noinst_PROGRAMS += tests/fuzz/fuzz_virtio_memory
tests_fuzz_fuzz_virtio_memory_SOURCES = tests/fuzz/fuzz_virtio_memory.c tests/fuzz/reader.h
tests_fuzz_fuzz_virtio_memory_CFLAGS = $(AM_CFLAGS) $(EVENT_CFLAGS)
tests_fuzz_fuzz_virtio_memory_LDADD = $(DEVTEST_LIBS)
tests_fuzz_fuzz_virtio_memory_LDFLAGS = $(AM_LDFLAGS) $(LIBFUZZER_LDFLAGS)
endif
EXTRA_DIST += tests/fuzz/corpus/virtio_blk tests/fuzz/corpus/virtio_memory tests/fuzz/corpus/virtio_vsock
