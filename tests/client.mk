# Tests, fuzz targets and benches of client.
if HAVE_CMOCKA
client_test_LIBS = libclient.la $(JANSSON_LIBS) $(ELF_LIBS) $(UNIT_LIBS)
check_PROGRAMS += tests/unit/test_client_conn tests/unit/test_client_parse tests/unit/test_client_paths
tests_unit_test_client_conn_SOURCES = tests/unit/test_client_conn.c
tests_unit_test_client_conn_CFLAGS = $(AM_CFLAGS) $(UNIT_CFLAGS) $(JANSSON_CFLAGS)
tests_unit_test_client_conn_LDADD = $(client_test_LIBS)
tests_unit_test_client_parse_SOURCES = tests/unit/test_client_parse.c
tests_unit_test_client_parse_CFLAGS = $(AM_CFLAGS) $(UNIT_CFLAGS) $(JANSSON_CFLAGS)
tests_unit_test_client_parse_LDADD = $(client_test_LIBS)
tests_unit_test_client_paths_SOURCES = tests/unit/test_client_paths.c
tests_unit_test_client_paths_CFLAGS = $(AM_CFLAGS) $(UNIT_CFLAGS)
tests_unit_test_client_paths_LDADD = $(client_test_LIBS)
endif
EXTRA_DIST += tests/kvm/protocol.sh tests/tui/cli.sh tests/fuzz/corpus/client
if FUZZERS
noinst_PROGRAMS += tests/fuzz/fuzz_client
tests_fuzz_fuzz_client_SOURCES = tests/fuzz/fuzz_client.c
tests_fuzz_fuzz_client_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS)
tests_fuzz_fuzz_client_LDFLAGS = $(AM_LDFLAGS) $(LIBFUZZER_LDFLAGS)
tests_fuzz_fuzz_client_LDADD = libclient.la $(JANSSON_LIBS) $(ELF_LIBS)
endif
