/* test_vmhost_net.c - what a definition says about network cards: forwards, addresses, combinations. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <arpa/inet.h>
#include <cmocka.h>

#include "vmhost/net.h"

static void test_forward(void **state)
{
	struct net_forward f;
	char err[300], text[64];

	assert_int_equal(net_parse_forward("tcp:2222:22", &f, err, sizeof(err)), 0);
	assert_false(f.udp);
	assert_int_equal(ntohl(f.addr.s_addr), 0x7f000001);
	assert_int_equal(f.host, 2222);
	assert_int_equal(f.guest, 22);
	assert_int_equal(net_parse_forward("udp:0.0.0.0:5353:53", &f, err, sizeof(err)), 0);
	assert_true(f.udp);
	assert_int_equal(f.addr.s_addr, 0);
	net_forward_text(&f, text, sizeof(text));
	assert_string_equal(text, "udp:0.0.0.0:5353:53");
	assert_int_equal(net_parse_forward("tcp:[0::1]:8080:80", &f, err, sizeof(err)), 0);
	assert_true(f.v6);
	net_forward_text(&f, text, sizeof(text));
	assert_string_equal(text, "tcp:[::1]:8080:80");
	/* the longest there is */
	assert_int_equal(net_parse_forward("udp:[1111:2222:3333:4444:5555:6666:7777:8888]:65535:65535", &f, err,
				 sizeof(err)), 0);
	net_forward_text(&f, text, sizeof(text));
	assert_string_equal(text, "udp:[1111:2222:3333:4444:5555:6666:7777:8888]:65535:65535");
}

static void test_forward_wrong(void **state)
{
	static const struct {
		const char *text, *says;
	} bad[] = {
		{ "", "is no port forward" },
		{ "tcp", "write tcp:HOSTPORT:GUESTPORT" },
		{ "tcp:22", "is no port forward" },
		{ "icmp:1:2", "neither tcp nor udp" },
		{ "tcp:0:22", "1 to 65535" },
		{ "tcp:22:65536", "1 to 65535" },
		{ "tcp:22:-1", "1 to 65535" },
		{ "tcp:22:", "1 to 65535" },
		{ "tcp:0x16:22", "1 to 65535" },
		{ "tcp:host:22:22", "no name" },
		{ "tcp:1.2.3.4:22:22:22", "is no port forward" },
		{ "tcp:1.2.3.256:22:22", "one of this host's IP addresses" },
		{ "tcp:::1:22:22", "is no port forward" },
		{ "tcp:[::1:22:22", "is no port forward" },
		{ "tcp:[::1]22:22", "is no port forward" },
		{ "tcp:::1]:22:22", "is no port forward" },
		{ "tcp:[]:22:22", "one of this host's IP addresses" },
		{ "tcp:[::1]:22", "1 to 65535" },
		{ "tcp:[127.0.0.1]:22:22", "one of this host's IP addresses" },
		{ "tcp:[fe80::1%eth0]:22:22", "one of this host's IP addresses" },
		{ "tcp:[::1]:22:22:22", "is no port forward" },
	};
	struct net_forward f;
	char err[300], longer[400];

	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_true(net_parse_forward(bad[i].text, &f, err, sizeof(err)) < 0);
		if (!strstr(err, bad[i].says))
			fail_msg("%s: %s", bad[i].text, err);
	}
	memset(longer, '1', sizeof(longer));
	longer[sizeof(longer) - 1] = '\0';
	assert_true(net_parse_forward(longer, &f, err, sizeof(err)) < 0);
}

static void test_mac(void **state)
{
	static const char *const bad[] = { "", "02:00:00:00:00", "02:00:00:00:00:0", "02:00:00:00:00:000",
		"02-00-00-00-00-01", "0x:00:00:00:00:00", "03:00:00:00:00:01", "00:00:00:00:00:00",
		"02:00:00:00:00:01:", "020:0:00:00:00:01", "ff:ff:ff:ff:ff:ff" };
	uint8_t mac[6];
	char err[300];

	assert_int_equal(net_parse_mac("52:54:00:aB:cd:EF", mac, err, sizeof(err)), 0);
	assert_memory_equal(mac, "\x52\x54\0\xab\xcd\xef", 6);
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (net_parse_mac(bad[i], mac, err, sizeof(err)) == 0)
			fail_msg("%s was taken", bad[i]);
}

/* Made-up addresses: always the same for a VM's card, others for others, and local ones. */
static void test_made_mac(void **state)
{
	struct net_spec a, b;
	struct vm_def def;
	char err[300];

	def_init(&def);
	strcpy(def.name, "web");
	def.nnets = 2;
	def.net[0].type = def.net[1].type = (char *)"user";
	assert_int_equal(net_spec(&def, 0, &a, err, sizeof(err)), 0);
	assert_int_equal(a.mac[0], 2);
	assert_int_equal(net_spec(&def, 0, &b, err, sizeof(err)), 0);
	assert_memory_equal(a.mac, b.mac, 6);
	assert_int_equal(net_spec(&def, 1, &b, err, sizeof(err)), 0);
	assert_string_equal(b.name, "net1");
	assert_memory_not_equal(a.mac, b.mac, 6);
	strcpy(def.name, "db");
	assert_int_equal(net_spec(&def, 0, &b, err, sizeof(err)), 0);
	assert_memory_not_equal(a.mac, b.mac, 6);
	def.nnets = 0;
	def_free(&def);
}

static void refused(struct def_net net, const char *says)
{
	struct vm_def def = { .name = "x", .nnets = 1 };
	struct net_spec spec;
	char err[500];

	def.net[0] = net;
	assert_true(net_spec(&def, 0, &spec, err, sizeof(err)) < 0);
	if (strncmp(err, "net0: ", 6) != 0 || !strstr(err, says))
		fail_msg("%s", err);
}

static void test_combinations(void **state)
{
	refused((struct def_net){ .type = (char *)"tap" }, "ifname = \"tap0\"");
	refused((struct def_net){ .type = (char *)"tap", .ifname = (char *)"a/b" }, "no interface's name");
	refused((struct def_net){ .type = (char *)"user", .ifname = (char *)"tap0" }, "only a tap");
	refused((struct def_net){ .type = (char *)"tap",
			.ifname = (char *)"tap0",
			.forward = { 1, { (char *)"tcp:1:1" } } },
		"only user networking");
	refused((struct def_net){ .type = (char *)"user",
			.forward = { 2, { (char *)"tcp:2222:22", (char *)"tcp:0.0.0.0:2222:23" } } },
		"2222 is forwarded twice");
	refused((struct def_net){ .type = (char *)"user",
			.ipv6 = true,
			.forward = { 2, { (char *)"tcp:[::1]:2222:22", (char *)"tcp:[::]:2222:23" } } },
		"2222 is forwarded twice");
	refused((struct def_net){ .type = (char *)"user", .forward = { 1, { (char *)"tcp:[::1]:2222:22" } } },
		"write ipv6 = true");
	refused((struct def_net){ .type = (char *)"tap", .ifname = (char *)"tap0" }, "switch it off in the guest");
	refused((struct def_net){ .type = (char *)"user", .mac = (char *)"nonsense" }, "MAC address");
}

/* On unless it is said otherwise, and what is usual is not written down. */
static void test_ipv6(void **state)
{
	const struct def_list *nets = &def_lists[1];
	struct net_spec spec;
	struct vm_def def;
	char text[200], err[300];

	def_init(&def);
	assert_int_equal(def_list_text(&def, nets, "user,forward=tcp:[::1]:2222:22", err, sizeof(err)), 0);
	assert_int_equal(def_list_text(&def, nets, "user,ipv6=no", err, sizeof(err)), 0);
	assert_int_equal(net_spec(&def, 0, &spec, err, sizeof(err)), 0);
	assert_true(spec.ipv6 && spec.nforwards == 1);
	assert_int_equal(net_spec(&def, 1, &spec, err, sizeof(err)), 0);
	assert_false(spec.ipv6);
	assert_int_equal(def_list_format(nets, &def.net[0], text, sizeof(text)), 0);
	assert_string_equal(text, "user,forward=tcp:[::1]:2222:22");
	assert_int_equal(def_list_format(nets, &def.net[1], text, sizeof(text)), 0);
	assert_string_equal(text, "user,ipv6=no");
	def_free(&def);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_forward),
		cmocka_unit_test(test_forward_wrong),
		cmocka_unit_test(test_mac),
		cmocka_unit_test(test_made_mac),
		cmocka_unit_test(test_combinations),
		cmocka_unit_test(test_ipv6),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
