/*
 * test_net_user6.c - IPv6 of a user network on a real VM: the test is the guest. It finds its router by itself,
 * talks to it, and a port of the host's ::1 leads to the address that it chose.
 */
#include "tests/kvm/netguest.h"
#include "tests/lib/tap.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/icmp6.h>
#include <netinet/ip6.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { TCP = 6, ICMP6 = 58, SYN = 2, ACK = 16, ETH = 14, IP6 = 40 };

struct six {
	struct card c;
	struct in6_addr me, local, router; /* chosen out of the prefix; fe80::; the network's ::2 */
	uint8_t gateway[6];
};

static const struct in6_addr all_routers = { { { 0xff, 2, [15] = 2 } } };

static void send_six(struct six *s, uint8_t proto, const struct in6_addr *from, const struct in6_addr *to,
	const uint8_t eth[6], const void *body, unsigned len, unsigned sum_at)
{
	uint8_t f[512] = { 0 }, *ip = f + ETH;

	net_ethernet(&s->c, f, eth, 0x86dd);
	ip[0] = 0x60;
	put16(ip + 4, len);
	ip[6] = proto;
	ip[7] = 255;
	memcpy(ip + 8, from, 16);
	memcpy(ip + 24, to, 16);
	memcpy(ip + IP6, body, len);
	put16(ip + IP6 + sum_at, 0);
	put16(ip + IP6 + sum_at, (uint16_t)~fold(add16(ip + 8, 32 + len, proto + len)));
	net_send(&s->c, f, ETH + IP6 + len, 0, 0);
}

/* c->frame is IPv6 with this protocol: its payload. */
static const uint8_t *payload(const struct card *c, uint8_t proto, unsigned *len)
{
	const uint8_t *ip = c->frame + ETH;

	if (c->len < ETH + IP6 || get16(c->frame + 12) != 0x86dd || ip[6] != proto)
		return NULL;
	*len = get16(ip + 4);
	return fold(add16(ip + 8, 32 + *len, proto + *len)) == 0xffff ? ip + IP6 : NULL;
}

static bool is_icmp6(struct card *c, const void *arg)
{
	unsigned len;
	const uint8_t *p = payload(c, ICMP6, &len);

	return p && p[0] == *(const uint8_t *)arg;
}

/* RFC 4861 §4.3: who asks for our address is told the card's. */
static void answer_neighbour(struct six *s)
{
	uint8_t a[32] = { ND_NEIGHBOR_ADVERT, 0, 0, 0, 0x60 }; /* solicited, override */
	unsigned len;
	const uint8_t *p = payload(&s->c, ICMP6, &len);
	struct in6_addr from;

	if (!p || p[0] != ND_NEIGHBOR_SOLICIT || len < 24 || memcmp(p + 8, &s->me, 16) != 0)
		return;
	memcpy(&from, s->c.frame + ETH + 8, 16);
	memcpy(a + 8, &s->me, 16);
	a[24] = 2; /* target's link-layer address */
	a[25] = 1;
	memcpy(a + 26, s->c.mac, 6);
	send_six(s, ICMP6, &s->me, &from, s->c.frame + 6, a, sizeof(a), 2);
}

/* RFC 4861 §4.2, RFC 4862: the prefix is there to make addresses of. */
static bool advertised(struct six *s)
{
	static const uint8_t routers[6] = { 0x33, 0x33, 0, 0, 0, 2 }, want = ND_ROUTER_ADVERT;
	const uint8_t solicit[8] = { ND_ROUTER_SOLICIT }, *p;
	unsigned len, at = 16;

	send_six(s, ICMP6, &s->local, &all_routers, routers, solicit, sizeof(solicit), 2);
	if (!net_wait(&s->c, is_icmp6, &want))
		return false;
	memcpy(s->gateway, s->c.frame + 6, 6);
	p = payload(&s->c, ICMP6, &len);
	while (at + 32 <= len && p[at + 1] && p[at] != ND_OPT_PREFIX_INFORMATION)
		at += p[at + 1] * 8u;
	if (at + 32 > len || p[at] != ND_OPT_PREFIX_INFORMATION || p[at + 2] != 64 || !(p[at + 3] & 0x40))
		return false;
	memcpy(&s->me, p + at + 16, 8);
	s->router = s->me;
	s->router.s6_addr[15] = 2;
	memcpy(&s->me.s6_addr[8], "\x12\x34\x56\x78\x9a\xbc\xde\xf0", 8); /* as privacy wants it: not from the MAC */
	return true;
}

static bool is_pong(struct card *c, const void *arg)
{
	struct six *s = (struct six *)arg;
	uint8_t want = ICMP6_ECHO_REPLY;

	answer_neighbour(s);
	return is_icmp6(c, &want);
}

static bool knows_address(struct devguest *g, const void *arg)
{
	struct six *s = (struct six *)arg;
	json_t *list = nets_json(s->c.h.nets);
	json_t *guest = json_object_get(json_array_get(list, 0), "guest");
	char text[INET6_ADDRSTRLEN];
	bool found = false;

	inet_ntop(AF_INET6, &s->me, text, sizeof(text));
	for (size_t i = 0; i < json_array_size(guest); i++)
		found |= !strcmp(json_string_value(json_array_get(guest, i)), text);
	json_decref(list);
	return found;
}

static bool said(struct six *s)
{
	char text[512], addr[INET6_ADDRSTRLEN];

	inet_ntop(AF_INET6, &s->me, addr, sizeof(addr));
	return nets_about(s->c.h.nets, "net0", text, sizeof(text)) && strstr(text, addr) &&
	       !nets_about(s->c.h.nets, "net1", text, sizeof(text));
}

static bool is_syn(struct card *c, const void *arg)
{
	struct six *s = (struct six *)arg;
	unsigned len;
	const uint8_t *t = payload(c, TCP, &len);

	answer_neighbour(s);
	return t && t[13] == SYN && get16(t + 2) == 7 && !memcmp(c->frame + ETH + 24, &s->me, 16);
}

static bool connected(struct devguest *g, const void *arg)
{
	struct sockaddr_in6 peer;
	socklen_t len = sizeof(peer);

	return getpeername(*(const int *)arg, (void *)&peer, &len) == 0;
}

/* A program on the host, the forwarded port, the guest's port 7. */
static void inward(struct six *s, uint16_t port)
{
	const struct sockaddr_in6 a = { .sin6_family = AF_INET6,
		.sin6_port = htons(port),
		.sin6_addr = IN6ADDR_LOOPBACK_INIT };
	int fd = socket(AF_INET6, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	uint8_t t[24] = { 0 };
	const uint8_t *p;
	unsigned len;

	tap_ok(connect(fd, (const void *)&a, sizeof(a)) == 0 || errno == EINPROGRESS,
		"a program connects to the port on ::1");
	tap_ok(net_wait(&s->c, is_syn, s), "the guest gets it at the address that it chose");
	p = payload(&s->c, TCP, &len);
	if (p) {
		put16(t, 7);
		put16(t + 2, get16(p));
		put32(t + 4, 9000);
		put32(t + 8, get32(p + 4) + 1);
		t[12] = 6 << 4;
		t[13] = SYN | ACK;
		put16(t + 14, 60000);
		memcpy(t + 20, "\2\4\5\264", 4);
		send_six(s, TCP, &s->me, &s->router, s->gateway, t, sizeof(t), 16);
	}
	tap_ok(dg_until(s->c.g, connected, &fd), "and the connection stands");
	close(fd);
}

/* A port of ::1 that is free, most likely still in a moment; 0: this host has no IPv6. */
static uint16_t free_port(void)
{
	struct sockaddr_in6 a = { .sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT };
	socklen_t len = sizeof(a);
	int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || bind(fd, (void *)&a, len) < 0 || getsockname(fd, (void *)&a, &len) < 0)
		a.sin6_port = 0;
	close(fd);
	return ntohs(a.sin6_port);
}

int main(void)
{
	static struct six six;
	struct six *s = &six;
	uint8_t echo[40] = { ICMP6_ECHO_REQUEST };
	uint16_t port = free_port();
	char fwd[64];

	snprintf(s->c.def.name, sizeof(s->c.def.name), "six");
	s->c.def.sandbox = true;
	s->c.def.nnets = 1;
	s->c.def.net[0] = (struct def_net){ .type = strdup("user"), .ipv6 = true };
	if (port) {
		snprintf(fwd, sizeof(fwd), "tcp:[::1]:%u:7", port);
		s->c.def.net[0].forward.n = 1;
		s->c.def.net[0].forward.text[0] = strdup(fwd);
	}
	tap_ok(net_open(&s->c, "six"), "a VM on user networking");
	if (!s->c.g)
		return tap_done();
	memcpy(&s->local, "\xfe\x80\0\0\0\0\0\0\x12\x34\x56\x78\x9a\xbc\xde\xf0", 16);
	tap_ok(advertised(s), "a router advertises a prefix to make addresses of");
	send_six(s, ICMP6, &s->me, &s->router, s->gateway, echo, sizeof(echo), 2);
	tap_ok(net_wait(&s->c, is_pong, s), "and answers a ping");
	tap_ok(dg_until(s->c.g, knows_address, s), "x-network knows the guest's address");
	tap_ok(said(s), "and says so");
	if (port)
		inward(s, port);
	else
		tap_skip("this host has no IPv6", "a port on ::1");
	net_close(&s->c);
	return tap_done();
}
