# Tests, fuzz targets and benches of vmhost.
VMHOST_TEST_CFLAGS = $(VMHOST_CFLAGS) $(UNIT_CFLAGS)
if HAVE_CMOCKA
check_PROGRAMS += tests/unit/test_vmhost_net
tests_unit_test_vmhost_net_SOURCES = tests/unit/test_vmhost_net.c
tests_unit_test_vmhost_net_CFLAGS = $(VMHOST_TEST_CFLAGS)
tests_unit_test_vmhost_net_LDADD = $(VMHOST_LIBS) $(UNIT_LIBS)
check_PROGRAMS += tests/unit/test_vmhost_qmp tests/unit/test_vmhost_def tests/unit/test_vmhost_state \
	tests/unit/test_vmhost_sandbox
tests_unit_test_vmhost_qmp_SOURCES = tests/unit/test_vmhost_qmp.c
tests_unit_test_vmhost_qmp_CFLAGS = $(VMHOST_TEST_CFLAGS)
tests_unit_test_vmhost_qmp_LDADD = $(VMHOST_LIBS) $(UNIT_LIBS)
tests_unit_test_vmhost_def_SOURCES = tests/unit/test_vmhost_def.c
tests_unit_test_vmhost_def_CFLAGS = $(VMHOST_TEST_CFLAGS)
tests_unit_test_vmhost_def_LDADD = $(VMHOST_LIBS) $(UNIT_LIBS)
tests_unit_test_vmhost_state_SOURCES = tests/unit/test_vmhost_state.c
tests_unit_test_vmhost_state_CFLAGS = $(VMHOST_TEST_CFLAGS)
tests_unit_test_vmhost_state_LDADD = $(VMHOST_LIBS) $(UNIT_LIBS)
check_PROGRAMS += tests/unit/test_vmhost_kmods
tests_unit_test_vmhost_kmods_SOURCES = tests/unit/test_vmhost_kmods.c tests/lib/kmodules.h vmhost/btf.c vmhost/kmods.c
tests_unit_test_vmhost_kmods_CFLAGS = $(VMHOST_TEST_CFLAGS)
tests_unit_test_vmhost_kmods_LDADD = $(UNIT_LIBS)
check_PROGRAMS += tests/unit/test_vmhost_ksyms
tests_unit_test_vmhost_ksyms_SOURCES = tests/unit/test_vmhost_ksyms.c tests/lib/kallsyms.h tests/lib/kmodules.h vmhost/ksyms.c vmhost/btf.c vmhost/kmods.c vmhost/guest_kernel.c
tests_unit_test_vmhost_ksyms_CFLAGS = $(VMHOST_TEST_CFLAGS)
tests_unit_test_vmhost_ksyms_LDADD = libdevtest.la libengine.la $(EVENT_LIBS) $(JANSSON_LIBS) $(XXHASH_LIBS) $(UNIT_LIBS)
tests_unit_test_vmhost_sandbox_SOURCES = tests/unit/test_vmhost_sandbox.c
tests_unit_test_vmhost_sandbox_CFLAGS = $(VMHOST_TEST_CFLAGS)
tests_unit_test_vmhost_sandbox_LDADD = $(VMHOST_LIBS) $(UNIT_LIBS)
endif

# On /dev/kvm: the test is the guest's driver and TCP/IP (tests/devices.mk).
check_PROGRAMS += tests/kvm/test_net_user6
tests_kvm_test_net_user6_SOURCES = tests/kvm/test_net_user6.c tests/kvm/netguest.h tests/kvm/netguest.c $(DEVKVM_SOURCES)
tests_kvm_test_net_user6_CFLAGS = $(VMHOST_CFLAGS)
tests_kvm_test_net_user6_LDADD = libvmhost.la $(DEVKVM_LIBS) $(VMHOST_LIBS)
check_PROGRAMS += tests/kvm/test_net_user
tests_kvm_test_net_user_SOURCES = tests/kvm/test_net_user.c tests/kvm/netguest.h tests/kvm/netguest.c $(DEVKVM_SOURCES)
tests_kvm_test_net_user_CFLAGS = $(VMHOST_CFLAGS)
check_PROGRAMS += tests/kvm/test_net_tap
tests_kvm_test_net_tap_SOURCES = tests/kvm/test_net_tap.c tests/kvm/netguest.h tests/kvm/netguest.c $(DEVKVM_SOURCES)
tests_kvm_test_net_tap_CFLAGS = $(VMHOST_CFLAGS)
tests_kvm_test_net_tap_LDADD = libvmhost.la $(DEVKVM_LIBS) $(VMHOST_LIBS)
tests_kvm_test_net_user_LDADD = libvmhost.la $(DEVKVM_LIBS) $(VMHOST_LIBS)

if FUZZERS
noinst_PROGRAMS += tests/fuzz/fuzz_ksyms
tests_fuzz_fuzz_ksyms_SOURCES = tests/fuzz/fuzz_ksyms.c tests/lib/kallsyms.h vmhost/ksyms.c
tests_fuzz_fuzz_ksyms_LDFLAGS = $(AM_LDFLAGS) $(LIBFUZZER_LDFLAGS)
noinst_PROGRAMS += tests/fuzz/fuzz_kmods
tests_fuzz_fuzz_kmods_SOURCES = tests/fuzz/fuzz_kmods.c tests/lib/kmodules.h vmhost/btf.c vmhost/kmods.c
tests_fuzz_fuzz_kmods_LDFLAGS = $(AM_LDFLAGS) $(LIBFUZZER_LDFLAGS)
noinst_PROGRAMS += tests/fuzz/fuzz_qmp tests/fuzz/fuzz_manifest
tests_fuzz_fuzz_qmp_SOURCES = tests/fuzz/fuzz_qmp.c
tests_fuzz_fuzz_qmp_CFLAGS = $(VMHOST_CFLAGS)
tests_fuzz_fuzz_qmp_LDFLAGS = $(AM_LDFLAGS) $(LIBFUZZER_LDFLAGS)
tests_fuzz_fuzz_qmp_LDADD = $(VMHOST_LIBS)
tests_fuzz_fuzz_manifest_SOURCES = tests/fuzz/fuzz_manifest.c
tests_fuzz_fuzz_manifest_CFLAGS = $(VMHOST_CFLAGS)
tests_fuzz_fuzz_manifest_LDFLAGS = $(AM_LDFLAGS) $(LIBFUZZER_LDFLAGS)
tests_fuzz_fuzz_manifest_LDADD = $(VMHOST_LIBS)
endif

check_PROGRAMS += tests/lib/lacking tests/lib/syscall_at
tests_lib_lacking_SOURCES = tests/lib/lacking.c
tests_lib_lacking_CFLAGS = $(AM_CFLAGS) $(SECCOMP_CFLAGS)
tests_lib_lacking_LDADD = $(SECCOMP_LIBS)
tests_lib_syscall_at_SOURCES = tests/lib/syscall_at.c
tests_lib_syscall_at_CFLAGS = $(AM_CFLAGS) $(SECCOMP_CFLAGS)
tests_lib_syscall_at_LDADD = $(SECCOMP_LIBS)

EXTRA_DIST += tests/lib/vmhost.sh tests/kvm/vmhost_net.sh tests/kvm/vmhost_life.sh tests/kvm/vmhost_cpu.sh tests/kvm/vmhost_console.sh \
	tests/kvm/vmhost_snapshot.sh tests/kvm/vmhost_load.sh tests/kvm/vmhost_disk.sh tests/kvm/vmhost_qmp.sh tests/fuzz/corpus/qmp tests/fuzz/corpus/manifest tests/fuzz/corpus/ksyms tests/fuzz/corpus/kmods
