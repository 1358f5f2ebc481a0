/*
 * test_net_user.c - user networking on a real VM: the test is the guest's driver and its TCP/IP, as far
 * as it goes. DHCP, ARP, ping, connections both ways through libslirp's process, and what happens when
 * that process dies, when the VM stands still, and when another state is loaded.
 */
#include "tests/kvm/netguest.h"
#include "tests/lib/tap.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/virtio_net.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <unistd.h>

enum { FIN = 1, SYN = 2, RST = 4, PSH = 8, ACK = 16 };

static const uint8_t me[4] = { 10, 0, 2, 15 }, router[4] = { 10, 0, 2, 2 };

static void send_tcp(struct card *c, uint8_t flags, const void *data, unsigned len)
{
	uint8_t t[1500] = { 0 };
	unsigned hl = flags & SYN ? 24 : 20;

	put16(t, c->mine);
	put16(t + 2, c->peer);
	put32(t + 4, c->seq);
	put32(t + 8, flags & ACK ? c->ack : 0);
	t[12] = hl / 4 << 4;
	t[13] = flags;
	put16(t + 14, 60000);
	if (flags & SYN)
		memcpy(t + 20, "\2\4\5\264", 4); /* MSS 1460 */
	memcpy(t + hl, data, len);
	net_send_ip(c, 6, me, router, c->gateway, t, hl + len, 16);
	c->seq += len + (flags & (SYN | FIN) ? 1 : 0);
}

static const uint8_t *tcp_segment(const struct card *c, unsigned *data_len)
{
	unsigned len;
	const uint8_t *t = net_payload(c, 6, &len);

	if (!t || get16(t + 2) != c->mine || get16(t) != c->peer)
		return NULL;
	*data_len = len - (t[12] >> 4) * 4;
	return t;
}

static bool is_dhcp(struct card *c, const void *arg)
{
	unsigned len;
	const uint8_t *u = net_payload(c, 17, &len);

	/* BOOTREPLY; option 53 comes first: the message's type */
	return u && get16(u + 2) == 68 && len > 8 + 243 && u[8] == 2 && u[8 + 240] == 53 &&
	       u[8 + 242] == *(const uint8_t *)arg;
}

static bool is_arp_reply(struct card *c, const void *arg)
{
	return c->len >= 42 && get16(c->frame + 12) == 0x0806 && get16(c->frame + 20) == 2 &&
	       !memcmp(c->frame + 28, router, 4);
}

static bool is_pong(struct card *c, const void *arg)
{
	unsigned len;
	const uint8_t *p = net_payload(c, 1, &len);

	return p && p[0] == 0 && len == 40 && fold(add16(p, len, 0)) == 0xffff && !memcmp(p + 8, arg, 32);
}

static bool is_tcp(struct card *c, const void *arg)
{
	unsigned len;
	const uint8_t *t = tcp_segment(c, &len);

	return t && (t[13] & (SYN | RST | FIN | ACK)) == *(const uint8_t *)arg;
}

static bool is_syn(struct card *c, const void *arg)
{
	unsigned len;
	const uint8_t *t = net_payload(c, 6, &len);

	return t && t[13] == SYN && get16(t + 2) == *(const uint16_t *)arg;
}

/* ---- the tests ---- */

static bool dhcp(struct card *c, uint8_t type, uint8_t answer)
{
	static const uint8_t nobody[4], all[4] = { 255, 255, 255, 255 };
	static const uint8_t broadcast[6] = { 255, 255, 255, 255, 255, 255 };
	uint8_t u[8 + 300] = { 0 };

	put16(u, 68);
	put16(u + 2, 67);
	put16(u + 4, sizeof(u));
	memcpy(u + 8, "\1\1\6\0test", 8);
	memcpy(u + 8 + 28, c->mac, 6);
	memcpy(u + 8 + 236, "\x63\x82\x53\x63\x35\1", 6);
	u[8 + 242] = type;
	memcpy(u + 8 + 243, "\x32\4\12\0\2\17\xff", 7);
	if (type == 1)
		u[8 + 243] = 255; /* a discover asks for no address */
	net_send_ip(c, 17, nobody, all, broadcast, u, sizeof(u), 6);
	return net_wait(c, is_dhcp, &answer);
}

static void basics(struct card *c)
{
	uint8_t f[74] = { 0 };

	tap_ok(dhcp(c, 1, 2), "DHCP: an offer");
	tap_ok(!memcmp(c->frame + 42 + 16, me, 4), "of 10.0.2.15");
	tap_ok(dhcp(c, 3, 5) && !memcmp(c->frame + 42 + 16, me, 4), "and it is acknowledged");
	net_ethernet(c, f, (const uint8_t *)"\377\377\377\377\377\377", 0x0806);
	memcpy(f + 14, "\0\1\10\0\6\4\0\1", 8);
	memcpy(f + 22, c->mac, 6);
	memcpy(f + 28, me, 4);
	memcpy(f + 38, router, 4);
	net_send(c, f, 42, 0, 0);
	tap_ok(net_wait(c, is_arp_reply, NULL), "ARP: the router answers");
	memcpy(c->gateway, c->frame + 22, 6);
	memset(f, 0, sizeof(f));
	net_ethernet(c, f, c->gateway, 0x0800);
	net_ip_header(f + 14, 1, me, router, 40);
	f[34] = 8;
	memcpy(f + 42, "what is said is what comes back", 32);
	put16(f + 36, (uint16_t)~fold(add16(f + 34, 40, 0)));
	net_send(c, f, 74, 0, 0);
	tap_ok(net_wait(c, is_pong, f + 42), "and to a ping");
}

static int listen_here(uint16_t *port)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(a);
	int s = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (s < 0 || bind(s, (void *)&a, len) < 0 || listen(s, 1) < 0 ||
		getsockname(s, (void *)&a, &len) < 0)
		tap_note("no socket to listen on: %s", strerror(errno));
	*port = ntohs(a.sin_port);
	return s;
}

struct io {
	int fd, got;
	char *buf;
	size_t len, want;
};

static bool accepted(struct devguest *g, const void *arg)
{
	struct io *io = (struct io *)arg;

	io->got = accept4(io->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	return io->got >= 0;
}

static bool readable(struct devguest *g, const void *arg)
{
	struct io *io = (struct io *)arg;
	ssize_t n = read(io->fd, io->buf + io->len, io->want - io->len);

	if (n > 0)
		io->len += n;
	return io->len == io->want;
}

/* Takes @want bytes of the connection's, in order, into @buf, and acknowledges them. */
struct tcp_take {
	struct card *c;
	uint8_t *buf;
	size_t len, want;
};

static bool take_data(struct devguest *g, const void *arg)
{
	struct tcp_take *t = (struct tcp_take *)arg;
	unsigned n;

	while (t->len < t->want && net_take(t->c)) {
		const uint8_t *s = tcp_segment(t->c, &n);

		if (!s)
			net_answer_arp(t->c);
		if (!s || !n)
			continue;
		if (get32(s + 4) == t->c->ack && t->len + n <= t->want) {
			memcpy(t->buf + t->len, s + (s[12] >> 4) * 4, n);
			t->len += n;
			t->c->ack += n;
		}
		send_tcp(t->c, ACK, "", 0);
	}
	return t->len == t->want;
}

enum { BULK = 300 * 1000 };

/* More than fits on the way: the server can only go on as the guest takes it. */
static void bulk(struct card *c, int s)
{
	struct tcp_take t = { .c = c, .buf = malloc(BULK), .want = BULK };
	char *out = malloc(BULK);
	size_t sent = 0;
	uint64_t until = tap_now_us() + 60000000;

	for (unsigned i = 0; i < BULK; i++)
		out[i] = (char)(i * 31 + i / 1000);
	while (t.len < t.want && tap_now_us() < until) {
		ssize_t n = sent < BULK ? write(s, out + sent, BULK - sent) : 0;

		if (n > 0)
			sent += n;
		dg_turn(c->g);
		take_data(c->g, &t);
	}
	tap_ok(t.len == BULK && !memcmp(t.buf, out, BULK), "300 kB from the host, in order");
	tap_ok(machine_net(c->g->m, 0)->rx.dropped == 0, "no frame was dropped");
	free(out);
	free(t.buf);
}

/* A segment of many times the MSS, left to be cut: the server gets it all. */
static void uncut(struct card *c, int s)
{
	static uint8_t f[54 + 20000];
	static char in[20000];
	struct io io = { .fd = s, .buf = in, .want = sizeof(in) };
	unsigned n = net_ethernet(c, f, c->gateway, 0x0800);

	net_ip_header(f + n, 6, me, router, 20 + sizeof(in));
	put16(f + 34, c->mine);
	put16(f + 36, c->peer);
	put32(f + 38, c->seq);
	put32(f + 42, c->ack);
	put16(f + 46, 5 << 12 | PSH | ACK);
	put16(f + 48, 60000);
	put16(f + 50, fold(add16(f + 26, 8, 6 + 20 + sizeof(in))));
	for (unsigned i = 0; i < sizeof(in); i++)
		f[54 + i] = (uint8_t)(i * 31 + i / 1000);
	net_send_uncut(c, f, sizeof(f), 1460);
	c->seq += sizeof(in);
	tap_ok(dg_until(c->g, readable, &io) && !memcmp(in, f + 54, sizeof(in)),
		"20,000 bytes that were left to be cut arrive, as one frame");
	tap_ok(machine_net(c->g->m, 0)->tx.dropped == 0, "none of the guest's was dropped");
}

static int outward(struct card *c)
{
	const uint8_t synack = SYN | ACK;
	char buf[16] = "";
	struct io io = { .buf = buf, .want = 5 };
	int listener = listen_here(&c->peer);

	c->mine = 40000;
	c->seq = 1000;
	send_tcp(c, SYN, "", 0);
	tap_ok(net_wait(c, is_tcp, &synack), "TCP: the guest's connection to 10.0.2.2 is taken");
	c->ack = get32(c->frame + 34 + 4) + 1;
	send_tcp(c, ACK, "", 0);
	io.fd = listener;
	tap_ok(dg_until(c->g, accepted, &io), "by a server on this host's 127.0.0.1");
	close(listener);
	io.fd = io.got;
	send_tcp(c, PSH | ACK, "hello", 5);
	tap_ok(dg_until(c->g, readable, &io) && !memcmp(buf, "hello", 5),
		"what the guest says arrives, with the card's checksum");
	uncut(c, io.fd);
	bulk(c, io.fd);
	return io.fd;
}

static int inward(struct card *c, uint16_t port)
{
	struct sockaddr_in a = { .sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int s = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	const uint16_t guest = 7;
	char buf[16] = "";
	struct io io = { .fd = s, .buf = buf, .want = 6 };
	uint8_t in[4];
	struct tcp_take t = { .c = c, .buf = in, .want = 4 };

	tap_ok(connect(s, (void *)&a, sizeof(a)) == 0 || errno == EINPROGRESS,
		"a program connects to the forwarded port");
	tap_ok(net_wait(c, is_syn, &guest), "the guest gets the connection on its port 7");
	c->mine = 7;
	c->peer = get16(c->frame + 34);
	c->ack = get32(c->frame + 38) + 1;
	c->seq = 5000;
	send_tcp(c, SYN | ACK, "", 0);
	send_tcp(c, PSH | ACK, "served", 6);
	tap_ok(dg_until(c->g, readable, &io) && !memcmp(buf, "served", 6), "its answer arrives");
	tap_ok(write(s, "back", 4) == 4 && dg_until(c->g, take_data, &t) && !memcmp(in, "back", 4),
		"and what the program says");
	return s;
}

static json_t *network(struct card *c)
{
	json_t *list = nets_json(c->h.nets), *o = json_incref(json_array_get(list, 0));

	json_decref(list);
	return o;
}

static bool has_connections(struct devguest *g, const void *arg)
{
	json_t *o = network((struct card *)arg), *list = json_object_get(o, "connections");
	bool found = false;

	for (size_t i = 0; i < json_array_size(list); i++)
		found |= strstr(json_string_value(json_array_get(list, i)), "ESTABLISHED") != NULL;
	json_decref(o);
	return found;
}

/* The guest stands still: what the host sends waits, and comes afterwards. */
static void paused(struct card *c, int s)
{
	struct devguest *g = c->g;
	uint8_t in[4];
	struct tcp_take t = { .c = c, .buf = in, .want = 4 };
	uint64_t packets;

	tap_ok(vmc_vm_pause(g->vm) == 0, "the VM is paused");
	packets = g->m ? machine_net(g->m, 0)->rx.packets : 0;
	tap_ok(write(s, "wait", 4) == 4, "the host says something");
	for (unsigned i = 0; i < 20; i++)
		dg_turn(g);
	tap_ok(machine_net(g->m, 0)->rx.packets == packets, "a paused guest gets no packet");
	tap_ok(vmc_vm_resume(g->vm) == 0 && dg_until(g, take_data, &t) && !memcmp(in, "wait", 4),
		"it has it after it was resumed");
}

static pid_t slirp_pid(void)
{
	FILE *p = popen("pgrep -n -x vitrine-slirp", "r");
	int pid = 0;

	if (p && fscanf(p, "%d", &pid) != 1)
		pid = 0;
	if (p)
		pclose(p);
	return pid;
}

static bool restarted(struct devguest *g, const void *arg)
{
	json_t *o = network((struct card *)arg);
	bool yes = json_integer_value(json_object_get(o, "restarts")) == 1 &&
		   json_is_true(json_object_get(o, "link"));

	json_decref(o);
	return yes;
}

static bool link_interrupt(struct devguest *g, const void *arg)
{
	return dg_irr(g, 0x41);
}

static void dies(struct card *c)
{
	pid_t pid = slirp_pid();

	tap_ok(pid > 0 && kill(pid, SIGSEGV) == 0, "the network's process dies");
	tap_ok(dg_until(c->g, restarted, c), "another serves");
	tap_ok(dg_until(c->g, link_interrupt, NULL), "the guest was told that its link went");
	tap_ok(dhcp(c, 3, 5), "and its address is still good");
}

/* ---- names: the name server is the one of a resolv.conf of this test's own ---- */

static char resolv[] = "/tmp/vitrine-resolv.XXXXXX";

static bool write_resolv(const char *address)
{
	char text[64];
	int n = snprintf(text, sizeof(text), "nameserver %s\n", address);
	int fd = open(resolv, O_WRONLY | O_TRUNC | O_CLOEXEC);
	bool good = fd >= 0 && write(fd, text, n) == n;

	close(fd);
	return good;
}

/* In a mount namespace of its own, for this process and those it makes. */
static bool own_resolver(void)
{
	int fd = mkstemp(resolv);

	if (fd < 0)
		return false;
	close(fd);
	return write_resolv("127.9.9.1") && unshare(CLONE_NEWNS) == 0 &&
	       mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
	       mount(resolv, "/etc/resolv.conf", NULL, MS_BIND, NULL) == 0;
}

static int name_server(uint32_t address)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(53), .sin_addr = { htonl(address) } };
	int s = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	return bind(s, (void *)&a, sizeof(a)) == 0 ? s : -1;
}

struct query {
	struct card *c;
	int server;
	uint64_t asked_us;
};

/* The guest asks again every 200 ms until the server hears it: resolv.conf is looked at now and then. */
static bool asked(struct devguest *g, const void *arg)
{
	static const uint8_t where[4] = { 10, 0, 2, 3 };
	struct query *q = (struct query *)arg;
	struct sockaddr_in from;
	socklen_t len = sizeof(from);
	uint8_t u[8 + 4] = { 5000 >> 8, 5000 & 255, 0, 53, 0, 12, 0, 0, 'w', 'h', 'o', '?' };
	char text[16];

	if (tap_now_us() - q->asked_us > 200000) {
		q->asked_us = tap_now_us();
		net_send_ip(q->c, 17, me, where, q->c->gateway, u, sizeof(u), 6);
	}
	if (recvfrom(q->server, text, sizeof(text), 0, (void *)&from, &len) != 4)
		return false;
	return sendto(q->server, "me", 2, 0, (void *)&from, len) == 2;
}

static bool is_name(struct card *c, const void *arg)
{
	unsigned len;
	const uint8_t *u = net_payload(c, 17, &len);

	return u && get16(u) == 53 && get16(u + 2) == 5000 && len == 10 && !memcmp(u + 8, "me", 2);
}

static void names(struct card *c, bool can)
{
	struct query one = { .c = c }, two = { .c = c };

	one.server = can ? name_server(0x7f090901) : -1;
	two.server = can ? name_server(0x7f090902) : -1;
	if (one.server < 0 || two.server < 0) {
		tap_skip("root is needed: a resolv.conf and port 53 of the test's own", "names");
		return;
	}
	tap_ok(dg_until(c->g, asked, &one), "names: the server in the host's resolv.conf is asked");
	tap_ok(net_wait(c, is_name, NULL), "and its answer comes from 10.0.2.3");
	tap_ok(write_resolv("127.9.9.2") && dg_until(c->g, asked, &two),
		"when resolv.conf changes, the new one, though the sandbox opens no file");
	close(one.server);
	close(two.server);
}

/* Another state was loaded: what it takes for a connection is none any more, and it is told so. */
static void loaded(struct card *c)
{
	const uint8_t rst = RST;
	pid_t before = slirp_pid();

	c->mine = 40000;
	nets_fresh(c->h.nets);
	send_tcp(c, PSH | ACK, "still there?", 12);
	tap_ok(net_wait(c, is_tcp, &rst), "after loading an old connection is reset");
	tap_ok(slirp_pid() != before && machine_net(c->g->m, 0)->link, "by a fresh process, with the link up");
	tap_ok(dhcp(c, 3, 5), "and the address is still good");
}

static bool open_all(struct card *c, uint16_t port)
{
	char fwd[64];

	snprintf(c->def.name, sizeof(c->def.name), "test");
	snprintf(fwd, sizeof(fwd), "tcp:%u:7", port);
	c->def.sandbox = true;
	c->def.nnets = 1;
	c->def.net[0].type = strdup("user");
	c->def.net[0].forward.n = 1;
	c->def.net[0].forward.text[0] = strdup(fwd);
	if (!net_open(c, "net"))
		return false;
	memcpy(c->ip, me, 4);
	return true;
}

int main(void)
{
	static struct card card;
	struct card *c = &card;
	uint16_t port;
	int s1, s2;
	bool resolver = own_resolver();

	close(listen_here(&port)); /* a free one, most likely still in a moment */
	signal(SIGPIPE, SIG_IGN);
	tap_ok(open_all(c, port), "a VM on user networking");
	if (!c->g)
		return tap_done();
	basics(c);
	names(c, resolver);
	s1 = outward(c);
	s2 = inward(c, port);
	tap_ok(dg_until(c->g, has_connections, c), "x-network lists its connections");
	paused(c, s2);
	dies(c);
	loaded(c);
	close(s1);
	close(s2);
	net_close(c);
	unlink(resolv);
	return tap_done();
}
