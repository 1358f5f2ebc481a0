/*
 * test_views_parse.c - the replies behind the views are typed with every member checked: what a VM process
 * that has been taken over may send must be an error or be cut, never believed.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <vmcore/client.h>

static void translate_takes_an_address(void **state)
{
	uint64_t gpa = 0;

	assert_int_equal(vmc_parse_translate("{\"physical\": \"0x1000\"}", &gpa), 0);
	assert_int_equal(gpa, 0x1000);
	assert_int_equal(vmc_parse_translate("{\"physical\": \"0xffffffffffffffff\"}", &gpa), 0);
	assert_true(gpa == UINT64_MAX);
	assert_int_equal(vmc_parse_translate("{\"physical\": \"-1\"}", &gpa), -EPROTO);
	assert_int_equal(vmc_parse_translate("{\"physical\": \"0x10000000000000000\"}", &gpa), -EPROTO);
	assert_int_equal(vmc_parse_translate("{\"physical\": []}", &gpa), -EPROTO);
	assert_int_equal(vmc_parse_translate("{", &gpa), -EPROTO);
	assert_int_equal(vmc_parse_translate(NULL, &gpa), -EPROTO);
}

static void memory_tells_unreadable_bytes_apart(void **state)
{
	uint8_t data[4] = { 9, 9, 9, 9 }, present[4];
	size_t len = 0;
	uint64_t gpa;

	assert_int_equal(vmc_parse_memory("{\"address\":\"0x10\",\"data\":\"00fF..\"}", &gpa, data, present, 4,
		&len), 0);
	assert_int_equal(len, 3);
	assert_int_equal(gpa, 0x10);
	assert_int_equal(data[1], 0xff);
	assert_int_equal(present[0], 1);
	assert_int_equal(present[2], 0);
}

static void memory_refuses_what_does_not_fit(void **state)
{
	static const char *const bad[] = {
		"{\"address\":\"0x10\",\"data\":\"0011223344\"}", /* five bytes for four */
		"{\"address\":\"0x10\",\"data\":\"001\"}",	    /* half a byte */
		"{\"address\":\"0x10\",\"data\":\"0g\"}",
		"{\"address\":\"0x10\",\"data\":\".0\"}",
		"{\"address\":\"0x10\",\"data\":7}",
		"{\"data\":\"00\"}",
		"[]",
	};
	uint8_t data[4], present[4];
	size_t len;
	uint64_t gpa;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(vmc_parse_memory(bad[i], &gpa, data, present, 4, &len), -EPROTO);
}

static void devices_come_typed(void **state)
{
	struct vmc_device_desc *d;
	size_t n;

	assert_int_equal(vmc_parse_device_list("[{\"id\":\"console0\",\"model\":\"virtio-console\","
		"\"where\":\"pci 00:01.0\",\"type\":3,\"features-offered\":\"0x100000001\","
		"\"features-negotiated\":\"0x100000000\",\"status\":15,\"broken\":true,\"note\":\"queue 1: bad index\","
		"\"backend\":\"tap tap0\","
		"\"address\":\"0xe0000000\",\"length\":\"0x4000\",\"irq\":-1,\"queues\":[{\"size\":128,\"ready\":true,"
		"\"avail\":7,\"used\":5,\"desc-address\":\"0x1000\",\"kicks\":12,\"interrupts\":3}]},"
		"{\"id\":\"com1\",\"model\":\"8250\",\"irq\":4,\"pio\":true,\"address\":\"0x3f8\"}]", &d, &n), 0);
	assert_int_equal(n, 2);
	assert_string_equal(d[0].model, "virtio-console");
	assert_int_equal(d[0].virtio_type, 3);
	assert_int_equal(d[0].negotiated, 0x100000000);
	assert_int_equal(d[0].irq, -1);
	assert_true(d[0].broken);
	assert_string_equal(d[0].note, "queue 1: bad index");
	assert_string_equal(d[0].backend, "tap tap0");
	assert_int_equal(d[0].nqueues, 1);
	assert_int_equal(d[0].queues[0].avail, 7);
	assert_int_equal(d[0].queues[0].kicks, 12);
	assert_int_equal(d[1].irq, 4);
	assert_true(d[1].pio);
	assert_int_equal(d[1].nqueues, 0);
	free(d);
}

static void devices_are_cut_to_size(void **state)
{
	char json[4096] = "[{\"id\":\"";
	struct vmc_device_desc *d;
	size_t n;

	memset(json + strlen(json), 'x', 100);
	strcat(json, "\",\"status\":4096,\"irq\":1e9,\"queues\":[");
	for (int i = 0; i < 20; i++)
		strcat(json, i ? ",{\"size\":70000}" : "{\"size\":70000}");
	strcat(json, "]},7,null]");
	assert_int_equal(vmc_parse_device_list(json, &d, &n), 0);
	assert_int_equal(n, 3);
	assert_int_equal(strlen(d[0].id), sizeof(d[0].id) - 1);
	assert_int_equal(d[0].nqueues, VMC_DEVICE_DESC_QUEUES);
	assert_int_equal(d[0].queues[0].size, 0);
	assert_int_equal(d[0].status, 0);
	assert_int_equal(d[0].irq, -1);
	assert_string_equal(d[1].id, "");
	free(d);
	assert_int_equal(vmc_parse_device_list("{}", &d, &n), -EPROTO);
	assert_null(d);
}

static void the_balloon_comes_typed(void **state)
{
	char json[4096] = "{\"driver\": true, \"ram\": 100, \"wanted\": \"0x10\", \"held\": -1, \"last-update\": 7, \"stats\": {";
	struct vmc_balloon b;

	assert_int_equal(vmc_parse_balloon("{\"driver\": true, \"ram\": 100, \"wanted\": 40, \"stats\": {\"stat-swap-in\": 3, "
		"\"stat-free-memory\": \"much\"}}", &b), 0);
	assert_true(b.driver && b.ram == 100 && b.wanted == 40 && b.stats_time_s == 0);
	assert_int_equal(b.nstats, 1); /* what is no number is none */
	assert_string_equal(b.stats[0].name, "stat-swap-in");
	assert_int_equal(b.stats[0].value, 3);
	for (int i = 0; i < 40; i++)
		sprintf(json + strlen(json), "\"s%d\": %d, ", i, i);
	strcat(json, "\"a name that is longer than there is room for\": 1}}");
	assert_int_equal(vmc_parse_balloon(json, &b), 0);
	assert_int_equal(b.nstats, VMC_BALLOON_STATS);
	assert_int_equal(b.held, 0);
	assert_int_equal(vmc_parse_balloon("[]", &b), -EPROTO);
	assert_int_equal(vmc_parse_balloon(NULL, &b), -EPROTO);
}

static void sizes_as_people_write_them(void **state)
{
	static const char *const wrong[] = { "", "x", "-1", " 1", "1T", "1MB", "1 M", "1iB", "99999999999999999999", "17179869184G", "M" };
	uint64_t v = 0;

	assert_true(vmc_parse_size("4096", &v) == 0 && v == 4096);
	assert_true(vmc_parse_size("0x1000", &v) == 0 && v == 4096);
	assert_true(vmc_parse_size("3k", &v) == 0 && v == 3072);
	assert_true(vmc_parse_size("256MiB", &v) == 0 && v == 256ull << 20);
	assert_true(vmc_parse_size("2G", &v) == 0 && v == 2ull << 30);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		assert_int_equal(vmc_parse_size(wrong[i], &v), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(translate_takes_an_address),
		cmocka_unit_test(memory_tells_unreadable_bytes_apart),
		cmocka_unit_test(memory_refuses_what_does_not_fit),
		cmocka_unit_test(devices_come_typed),
		cmocka_unit_test(devices_are_cut_to_size),
		cmocka_unit_test(the_balloon_comes_typed),
		cmocka_unit_test(sizes_as_people_write_them),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
