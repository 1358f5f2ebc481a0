/* test_views_devices.c - what a user sees in the device view. */
#include <errno.h>
#include <ncurses.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
#include "tests/lib/fakeui.h"

static const char *machine(int kicks, int avail, const char *broken)
{
	static char text[2048];

	snprintf(text, sizeof(text), "[{\"id\":\"console0\",\"model\":\"virtio-console\",\"where\":\"pci 00:01.0\",\"type\":3,"
		"\"features-offered\":\"0x120000001\",\"features-negotiated\":\"0x100000001\",\"status\":%d,\"broken\":%s,"
		"\"note\":\"%s\",\"backend\":\"user network; the guest is 10.0.2.15\",\"address\":\"0xe0000000\",\"length\":\"0x4000\",\"irq\":-1,\"queues\":["
		"{\"size\":128,\"ready\":true,\"avail\":64,\"used\":0,\"desc-address\":\"0x5000\",\"avail-address\":\"0x6000\","
		"\"used-address\":\"0x7000\",\"kicks\":3,\"interrupts\":1},"
		"{\"size\":128,\"ready\":true,\"avail\":%d,\"used\":65535,\"kicks\":%d,\"interrupts\":2},"
		"{\"size\":0,\"ready\":false}]},"
		"{\"id\":\"com1\",\"model\":\"8250\",\"where\":\"isa\",\"irq\":4,\"pio\":true,\"address\":\"0x3f8\","
		"\"length\":\"0x8\"}]", broken ? 0x4f : 15, broken ? "true" : "false", broken ? broken : "", avail, kicks);
	return text;
}

static void devices_are_listed(void **state)
{
	struct fake *f = fake_new(&panel_devices, 22, 90);

	assert_true(fake_shows(f, "asking the VM"));
	fake_tick(f, 1000);
	assert_string_equal(fake_command(f), "x-devices");
	fake_reply(f, 0, machine(10, 3, NULL));
	assert_true(fake_shows(f, "● virtio-console console0  pci 00:01.0 e0000000+4000 msi"));
	assert_true(fake_shows(f, "host      user network; the guest is 10.0.2.15"));
	assert_true(fake_shows(f, "ack driver features-ok driver-ok"));
	assert_true(fake_shows(f, "features  SIZE VERSION_1"));
	assert_true(fake_shows(f, "not taken EVENT_IDX"));
	assert_true(fake_shows(f, "0 receiveq0"));
	assert_true(fake_shows(f, "██████"));
	assert_true(fake_shows(f, " 64/128"));
	assert_true(fake_shows(f, "  4/128")); /* the index has wrapped around */
	assert_true(fake_shows(f, "desc 5000  avail 6000  used 7000"));
	assert_true(fake_shows(f, "2 control rx  off"));
	assert_true(fake_shows(f, "● 8250 com1  isa port 3f8+8 irq 4"));
	fake_tick(f, 1500);
	assert_int_equal(fake_pending(f), 0); /* once a second */
	fake_tick(f, 2000);
	fake_reply(f, 0, machine(822, 3, NULL));
	assert_true(fake_shows(f, "812 kicks/s"));
	fake_free(f);
}

static void broken_says_why(void **state)
{
	struct fake *f = fake_new(&panel_devices, 22, 60);
	char title[64];

	fake_tick(f, 1000);
	fake_reply(f, 0, machine(10, 3, "queue 1: descriptor 500 of 128"));
	assert_true(fake_shows(f, "✗ virtio-console"));
	assert_true(fake_shows(f, "broken    queue 1: descriptor 500 of 128"));
	assert_int_equal(fake_role_of(f, "queue 1: desc"), ROLE_BAD);
	assert_true(fake_shows(f, "needs-reset"));
	fake_panel(f)->ops->title(fake_panel(f), title, sizeof(title));
	assert_string_equal(title, "pager · devices · 1 broken");
	fake_free(f);
}

static void trouble(void **state)
{
	struct fake *f = fake_new(&panel_devices, 10, 40);

	fake_tick(f, 1000);
	fake_reply(f, -EIO, "it has crashed");
	assert_true(fake_shows(f, "it has crashed"));
	fake_tick(f, 2000);
	fake_reply(f, 0, "{\"nonsense\": 1}");
	assert_true(fake_shows(f, "the answer makes no sense"));
	fake_tick(f, 3000);
	fake_reply(f, 0, machine(1, 1, NULL));
	assert_true(fake_shows(f, "virtio-console"));
	fake_connected(f, false);
	fake_tick(f, 4000);
	assert_true(fake_shows(f, "not running"));
	fake_connected(f, true);
	fake_tick(f, 5000); /* answered after the panel has gone */
	fake_free(f);
}

static void small_scrolls(void **state)
{
	struct fake *f = fake_new(&panel_devices, 4, 26);

	fake_tick(f, 1000);
	fake_reply(f, 0, machine(1, 1, NULL));
	assert_true(fake_shows(f, "● virtio-console"));
	assert_true(fake_shows(f, "↓"));
	for (int i = 0; i < 30; i++)
		fake_keys(f, "j");
	assert_true(fake_shows(f, "● 8250"));
	for (int h = 1; h < 40; h += 3)
		for (int w = 1; w < 200; w += 11)
			fake_resize(f, h, w);
	fake_free(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(devices_are_listed), cmocka_unit_test(broken_says_why), cmocka_unit_test(trouble),
		cmocka_unit_test(small_scrolls),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
