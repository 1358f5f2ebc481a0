# Tests, fuzz targets and benches of views.
EXTRA_DIST += tests/tui/views.sh tests/fuzz/corpus/views

if HAVE_CMOCKA
# The views draw into a grid of characters: no terminal, no VM.
noinst_LTLIBRARIES += libfakeui.la
libfakeui_la_SOURCES = tests/lib/fakeui.h tests/lib/fakeui.c
check_PROGRAMS += tests/unit/test_views_parse
tests_unit_test_views_parse_SOURCES = tests/unit/test_views_parse.c
tests_unit_test_views_parse_CFLAGS = $(AM_CFLAGS) $(UNIT_CFLAGS)
tests_unit_test_views_parse_LDADD = libclient.la $(JANSSON_LIBS) $(ELF_LIBS) $(UNIT_LIBS)
check_PROGRAMS += tests/unit/test_views_decode
tests_unit_test_views_decode_SOURCES = tests/unit/test_views_decode.c
tests_unit_test_views_decode_CFLAGS = $(AM_CFLAGS) $(UNIT_CFLAGS)
tests_unit_test_views_decode_LDADD = libviews.la $(UNIT_LIBS)

check_PROGRAMS += tests/unit/test_views_heat
tests_unit_test_views_heat_SOURCES = tests/unit/test_views_heat.c
tests_unit_test_views_heat_CFLAGS = $(AM_CFLAGS) $(UNIT_CFLAGS)
tests_unit_test_views_heat_LDADD = libviews.la $(UNIT_LIBS)

check_PROGRAMS += tests/unit/test_views_vcpu
tests_unit_test_views_vcpu_SOURCES = tests/unit/test_views_vcpu.c
tests_unit_test_views_vcpu_CFLAGS = $(AM_CFLAGS) $(NCURSES_CFLAGS) $(UNIT_CFLAGS)
tests_unit_test_views_vcpu_LDADD = libviews.la libfakeui.la libclient.la $(JANSSON_LIBS) $(ELF_LIBS) $(UNIT_LIBS)

check_PROGRAMS += tests/unit/test_views_heatmap
tests_unit_test_views_heatmap_SOURCES = tests/unit/test_views_heatmap.c
tests_unit_test_views_heatmap_CFLAGS = $(AM_CFLAGS) $(NCURSES_CFLAGS) $(UNIT_CFLAGS)
tests_unit_test_views_heatmap_LDADD = libviews.la libfakeui.la libclient.la $(JANSSON_LIBS) $(ELF_LIBS) $(UNIT_LIBS)

check_PROGRAMS += tests/unit/test_views_memmap
tests_unit_test_views_memmap_SOURCES = tests/unit/test_views_memmap.c
tests_unit_test_views_memmap_CFLAGS = $(AM_CFLAGS) $(NCURSES_CFLAGS) $(UNIT_CFLAGS)
tests_unit_test_views_memmap_LDADD = libviews.la libfakeui.la libclient.la $(JANSSON_LIBS) $(ELF_LIBS) $(UNIT_LIBS)

check_PROGRAMS += tests/unit/test_views_hex
tests_unit_test_views_hex_SOURCES = tests/unit/test_views_hex.c
tests_unit_test_views_hex_CFLAGS = $(AM_CFLAGS) $(NCURSES_CFLAGS) $(UNIT_CFLAGS)
tests_unit_test_views_hex_LDADD = libviews.la libfakeui.la libclient.la $(JANSSON_LIBS) $(ELF_LIBS) $(UNIT_LIBS)

check_PROGRAMS += tests/unit/test_views_devices
tests_unit_test_views_devices_SOURCES = tests/unit/test_views_devices.c
tests_unit_test_views_devices_CFLAGS = $(AM_CFLAGS) $(NCURSES_CFLAGS) $(UNIT_CFLAGS)
tests_unit_test_views_devices_LDADD = libviews.la libfakeui.la libclient.la $(JANSSON_LIBS) $(ELF_LIBS) $(UNIT_LIBS)
endif

if FUZZERS
noinst_PROGRAMS += tests/fuzz/fuzz_views
tests_fuzz_fuzz_views_SOURCES = tests/fuzz/fuzz_views.c
tests_fuzz_fuzz_views_CFLAGS = $(AM_CFLAGS) $(NCURSES_CFLAGS)
tests_fuzz_fuzz_views_LDFLAGS = $(AM_LDFLAGS) $(LIBFUZZER_LDFLAGS)
tests_fuzz_fuzz_views_LDADD = libviews.la libfakeui.la libclient.la $(JANSSON_LIBS) $(ELF_LIBS)
endif
