/*
 * test_net_user.c - user networking on a real VM: the test is the guest's driver and its TCP/IP, as far
 * as it goes. DHCP, ARP, ping, connections both ways through libslirp's process, and what happens when
 * that process dies, when the VM stands still, and when another state is loaded.
 */
#include "tests/kvm/devguest.h"
#include "tests/lib/tap.h"
#include "vmhost/host.h"
#include "vmhost/net.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/virtio_net.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { RX_BUFS = 32, RX_LEN = 2048, TX_BUFS = 32 };
#define RX_AT (DG_DATA + 0x10000)
#define TX_AT (DG_DATA + 0x80000)

enum { FIN = 1, SYN = 2, RST = 4, PSH = 8, ACK = 16 };

static const uint8_t me[4] = { 10, 0, 2, 15 }, router[4] = { 10, 0, 2, 2 };

struct card {
	struct devguest *g;
	struct host h;
	struct vm_def def;
	unsigned tx; /* next descriptor */
	uint8_t mac[6], gateway[6];
	uint8_t frame[65536]; /* the last that came */
	uint32_t len;
	unsigned arps; /* questions for our address that were answered */
	uint16_t mine; /* a TCP connection: our port, and the peer's */
	uint16_t peer;
	uint32_t seq, ack;
};

static uint16_t get16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static uint32_t get32(const uint8_t *p)
{
	return (uint32_t)get16(p) << 16 | get16(p + 2);
}

static void put16(uint8_t *p, uint32_t v)
{
	p[0] = v >> 8;
	p[1] = v;
}

static void put32(uint8_t *p, uint32_t v)
{
	put16(p, v >> 16);
	put16(p + 2, v);
}

static uint32_t add16(const uint8_t *p, size_t len, uint32_t sum)
{
	for (size_t i = 0; i < len; i++)
		sum += i & 1 ? p[i] : (uint32_t)p[i] << 8;
	return sum;
}

static uint16_t fold(uint32_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

/* ---- the driver ---- */

static void give_buffer(struct card *c, unsigned i)
{
	vdrv_set_desc(&c->g->d, 0, i, RX_AT + i * RX_LEN, RX_LEN, VD_WRITE, 0);
	vdrv_add(&c->g->d, 0, i);
}

static bool bring_up(struct card *c)
{
	const uint64_t f = 1ull << VIRTIO_NET_F_MAC | 1ull << VIRTIO_NET_F_STATUS |
			   1ull << VIRTIO_NET_F_MRG_RXBUF | 1ull << VIRTIO_NET_F_CSUM |
			   1ull << VIRTIO_NET_F_GUEST_CSUM;
	unsigned i;

	dg_poke(c->g, 0xfee000f0, 0x1ff);
	if (vdrv_start(&c->g->d, f, 64, DG_RING, 0x41) != 15)
		return false;
	for (i = 0; i < RX_BUFS; i++)
		give_buffer(c, i);
	vdrv_kick(&c->g->d, 0);
	for (i = 0; i < 6; i++)
		c->mac[i] = vdrv_read(&c->g->d, c->g->d.device + i, 1);
	return true;
}

/* @start: where the checksum begins that is left to the card, 0: nowhere. */
static void send_frame(struct card *c, const uint8_t *frame, uint32_t len, unsigned start, unsigned at)
{
	const struct virtio_net_hdr_v1 h = { .flags = start ? VIRTIO_NET_HDR_F_NEEDS_CSUM : 0,
		.csum_start = start,
		.csum_offset = at };
	uint64_t gpa = TX_AT + c->tx * 0x1000;

	memcpy(dg_mem(c->g, gpa), &h, sizeof(h));
	memcpy(dg_mem(c->g, gpa + sizeof(h)), frame, len);
	vdrv_set_desc(&c->g->d, 1, c->tx, gpa, sizeof(h) + len, 0, 0);
	vdrv_add(&c->g->d, 1, c->tx);
	vdrv_kick(&c->g->d, 1);
	c->tx = (c->tx + 1) % TX_BUFS;
}

/* The next frame, if there is one, into c->frame; its buffers go back. */
static bool take_frame(struct card *c)
{
	struct virtio_net_hdr_v1 h;
	uint32_t id, len;
	unsigned n = 1, i;

	c->len = 0;
	for (i = 0; i < n; i++) {
		uint8_t *b;

		if (!vdrv_take(&c->g->d, 0, &id, &len))
			return false;
		b = dg_mem(c->g, RX_AT + id * RX_LEN);
		if (i == 0) {
			memcpy(&h, b, sizeof(h));
			n = h.num_buffers;
			b += sizeof(h);
			len -= sizeof(h);
		}
		memcpy(c->frame + c->len, b, len);
		c->len += len;
		give_buffer(c, id);
	}
	vdrv_kick(&c->g->d, 0);
	return true;
}

/* ---- packets ---- */

static unsigned ethernet(struct card *c, uint8_t *f, const uint8_t to[6], uint16_t type)
{
	memcpy(f, to, 6);
	memcpy(f + 6, c->mac, 6);
	put16(f + 12, type);
	return 14;
}

static void ip_header(uint8_t *ip, uint8_t proto, const uint8_t from[4], const uint8_t to[4], unsigned len)
{
	memset(ip, 0, 20);
	ip[0] = 0x45;
	put16(ip + 2, 20 + len);
	ip[8] = 64;
	ip[9] = proto;
	memcpy(ip + 12, from, 4);
	memcpy(ip + 16, to, 4);
	put16(ip + 10, (uint16_t)~fold(add16(ip, 20, 0)));
}

/* Sends UDP or TCP with the checksum left to the card: only the pseudo header's sum is in it. */
static void send_ip(struct card *c, uint8_t proto, const uint8_t from[4], const uint8_t to[4],
	const uint8_t eth[6], const uint8_t *body, unsigned len, unsigned sum_at)
{
	uint8_t f[2048];
	unsigned n = ethernet(c, f, eth, 0x0800);

	ip_header(f + n, proto, from, to, len);
	memcpy(f + n + 20, body, len);
	put16(f + n + 20 + sum_at, fold(add16(f + n + 12, 8, proto + len)));
	send_frame(c, f, n + 20 + len, n + 20, sum_at);
}

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
	send_ip(c, 6, me, router, c->gateway, t, hl + len, 16);
	c->seq += len + (flags & (SYN | FIN) ? 1 : 0);
}

/* Is c->frame IPv4 with this protocol for us? Return: its payload. */
static const uint8_t *ip_payload(const struct card *c, uint8_t proto, unsigned *len)
{
	const uint8_t *ip = c->frame + 14;

	if (c->len < 34 || get16(c->frame + 12) != 0x0800 || ip[9] != proto || fold(add16(ip, 20, 0)) != 0xffff)
		return NULL;
	*len = get16(ip + 2) - 20;
	return ip + 20;
}

static const uint8_t *tcp_segment(const struct card *c, unsigned *data_len)
{
	unsigned len;
	const uint8_t *t = ip_payload(c, 6, &len);

	if (!t || get16(t + 2) != c->mine || get16(t) != c->peer)
		return NULL;
	*data_len = len - (t[12] >> 4) * 4;
	return t;
}

static void answer_arp(struct card *c)
{
	uint8_t f[42];

	if (get16(c->frame + 12) != 0x0806 || get16(c->frame + 20) != 1 || memcmp(c->frame + 38, me, 4))
		return;
	ethernet(c, f, c->frame + 6, 0x0806);
	memcpy(f + 14, "\0\1\10\0\6\4\0\2", 8);
	memcpy(f + 22, c->mac, 6);
	memcpy(f + 28, me, 4);
	memcpy(f + 32, c->frame + 22, 10);
	send_frame(c, f, sizeof(f), 0, 0);
	c->arps++;
}

/* ---- waiting ---- */

struct wish {
	struct card *c;
	bool (*match)(struct card *c, const void *arg);
	const void *arg;
};

static bool came(struct devguest *g, const void *arg)
{
	const struct wish *w = arg;

	while (take_frame(w->c)) {
		if (w->match(w->c, w->arg))
			return true;
		answer_arp(w->c);
	}
	return false;
}

static bool wait_frame(struct card *c, bool (*match)(struct card *c, const void *arg), const void *arg)
{
	const struct wish w = { c, match, arg };

	return dg_until(c->g, came, &w);
}

static bool is_dhcp(struct card *c, const void *arg)
{
	unsigned len;
	const uint8_t *u = ip_payload(c, 17, &len);

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
	const uint8_t *p = ip_payload(c, 1, &len);

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
	const uint8_t *t = ip_payload(c, 6, &len);

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
	send_ip(c, 17, nobody, all, broadcast, u, sizeof(u), 6);
	return wait_frame(c, is_dhcp, &answer);
}

static void basics(struct card *c)
{
	uint8_t f[74] = { 0 };

	tap_ok(dhcp(c, 1, 2), "DHCP: an offer");
	tap_ok(!memcmp(c->frame + 42 + 16, me, 4), "of 10.0.2.15");
	tap_ok(dhcp(c, 3, 5) && !memcmp(c->frame + 42 + 16, me, 4), "and it is acknowledged");
	ethernet(c, f, (const uint8_t *)"\377\377\377\377\377\377", 0x0806);
	memcpy(f + 14, "\0\1\10\0\6\4\0\1", 8);
	memcpy(f + 22, c->mac, 6);
	memcpy(f + 28, me, 4);
	memcpy(f + 38, router, 4);
	send_frame(c, f, 42, 0, 0);
	tap_ok(wait_frame(c, is_arp_reply, NULL), "ARP: the router answers");
	memcpy(c->gateway, c->frame + 22, 6);
	memset(f, 0, sizeof(f));
	ethernet(c, f, c->gateway, 0x0800);
	ip_header(f + 14, 1, me, router, 40);
	f[34] = 8;
	memcpy(f + 42, "what is said is what comes back", 32);
	put16(f + 36, (uint16_t)~fold(add16(f + 34, 40, 0)));
	send_frame(c, f, 74, 0, 0);
	tap_ok(wait_frame(c, is_pong, f + 42), "and to a ping");
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

	while (t->len < t->want && take_frame(t->c)) {
		const uint8_t *s = tcp_segment(t->c, &n);

		if (!s)
			answer_arp(t->c);
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

static int outward(struct card *c)
{
	const uint8_t synack = SYN | ACK;
	char buf[16] = "";
	struct io io = { .buf = buf, .want = 5 };
	int listener = listen_here(&c->peer);

	c->mine = 40000;
	c->seq = 1000;
	send_tcp(c, SYN, "", 0);
	tap_ok(wait_frame(c, is_tcp, &synack), "TCP: the guest's connection to 10.0.2.2 is taken");
	c->ack = get32(c->frame + 34 + 4) + 1;
	send_tcp(c, ACK, "", 0);
	io.fd = listener;
	tap_ok(dg_until(c->g, accepted, &io), "by a server on this host's 127.0.0.1");
	close(listener);
	io.fd = io.got;
	send_tcp(c, PSH | ACK, "hello", 5);
	tap_ok(dg_until(c->g, readable, &io) && !memcmp(buf, "hello", 5),
		"what the guest says arrives, with the card's checksum");
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
	tap_ok(wait_frame(c, is_syn, &guest), "the guest gets the connection on its port 7");
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

/* Another state was loaded: what it takes for a connection is none any more, and it is told so. */
static void loaded(struct card *c)
{
	const uint8_t rst = RST;
	pid_t before = slirp_pid();

	c->mine = 40000;
	nets_fresh(c->h.nets);
	send_tcp(c, PSH | ACK, "still there?", 12);
	tap_ok(wait_frame(c, is_tcp, &rst), "after loading an old connection is reset");
	tap_ok(slirp_pid() != before && machine_net(c->g->m, 0)->link, "by a fresh process, with the link up");
	tap_ok(dhcp(c, 3, 5), "and the address is still good");
}

static bool open_all(struct card *c, uint16_t port)
{
	char err[512] = "";
	char fwd[64];
	struct machine_config mc = { 0 };

	snprintf(c->def.name, sizeof(c->def.name), "test");
	snprintf(fwd, sizeof(fwd), "tcp:%u:7", port);
	c->def.sandbox = true;
	c->def.nnets = 1;
	c->def.net[0].type = strdup("user");
	c->def.net[0].forward.n = 1;
	c->def.net[0].forward.text[0] = strdup(fwd);
	if (nets_open(&c->def, NULL, &c->h.nets, err, sizeof(err)) < 0) {
		tap_note("nets_open: %s", err);
		return false;
	}
	mc.nets = nets_config(c->h.nets);
	mc.nnets = nets_count(c->h.nets);
	c->g = dg_new_with("net", &mc);
	if (!c->g)
		return false;
	c->h.vm = c->g->vm;
	c->h.base = c->g->base;
	c->h.machine = c->g->m;
	return nets_bind(c->h.nets, &c->h) == 0 && dg_boot(c->g) && dg_start(c->g) &&
	       vdrv_find(&c->g->d, &c->g->d.io, MACHINE_NET_SLOT) && bring_up(c);
}

int main(void)
{
	struct card *c = calloc(1, sizeof(*c));
	uint16_t port;
	int s1, s2;

	close(listen_here(&port)); /* a free one, most likely still in a moment */
	signal(SIGPIPE, SIG_IGN);
	tap_ok(open_all(c, port), "a VM on user networking");
	if (!c->g)
		return tap_done();
	basics(c);
	s1 = outward(c);
	s2 = inward(c, port);
	tap_ok(dg_until(c->g, has_connections, c), "x-network lists its connections");
	paused(c, s2);
	dies(c);
	loaded(c);
	close(s1);
	close(s2);
	nets_unbind(c->h.nets);
	dg_free(c->g);
	nets_close(c->h.nets);
	return tap_done();
}
