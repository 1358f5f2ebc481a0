# Tests, fuzz targets and benches of devices.
# A VM without KVM, and a virtio driver that keeps or breaks the rules as asked.
noinst_LTLIBRARIES += libdevtest.la
libdevtest_la_SOURCES = tests/lib/fakevm.h tests/lib/fakevm.c tests/lib/vdriver.h tests/lib/vdriver.c
if HAVE_CMOCKA
check_PROGRAMS += tests/unit/test_devices_virtq
tests_unit_test_devices_virtq_SOURCES = tests/unit/test_devices_virtq.c
tests_unit_test_devices_virtq_CFLAGS = $(AM_CFLAGS) $(UNIT_CFLAGS)
tests_unit_test_devices_virtq_LDADD = libdevtest.la libdevices.la libdevtest.la libengine.la $(EVENT_LIBS) $(UNIT_LIBS)
endif
