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
EXTRA_DIST += tests/kvm/protocol.sh tests/tui/cli.sh
