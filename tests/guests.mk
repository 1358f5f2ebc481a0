# Tests, fuzz targets and benches of guests.
EXTRA_DIST += tests/kvm/guests.sh
if HAVE_CMOCKA
check_PROGRAMS += tests/unit/test_guest_rt
tests_unit_test_guest_rt_SOURCES = tests/unit/test_guest_rt.c
tests_unit_test_guest_rt_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/guests/rt
tests_unit_test_guest_rt_CFLAGS = $(AM_CFLAGS) $(UNIT_CFLAGS) -fno-builtin
tests_unit_test_guest_rt_LDADD = $(UNIT_LIBS)
endif
