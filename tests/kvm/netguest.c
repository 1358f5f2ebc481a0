/* netguest.c - see netguest.h. */
#include "tests/kvm/netguest.h"
#include "tests/lib/tap.h"

#include <linux/virtio_net.h>
#include <string.h>

enum { RX_BUFS = 32, RX_LEN = 2048, TX_BUFS = 32 };
#define RX_AT (DG_DATA + 0x10000)
#define TX_AT (DG_DATA + 0x80000)

uint16_t get16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

uint32_t get32(const uint8_t *p)
{
	return (uint32_t)get16(p) << 16 | get16(p + 2);
}

void put16(uint8_t *p, uint32_t v)
{
	p[0] = v >> 8;
	p[1] = v;
}

void put32(uint8_t *p, uint32_t v)
{
	put16(p, v >> 16);
	put16(p + 2, v);
}

uint32_t add16(const uint8_t *p, size_t len, uint32_t sum)
{
	for (size_t i = 0; i < len; i++)
		sum += i & 1 ? p[i] : (uint32_t)p[i] << 8;
	return sum;
}

uint16_t fold(uint32_t sum)
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

static bool net_up(struct card *c)
{
	const uint64_t f = 1ull << VIRTIO_NET_F_MAC | 1ull << VIRTIO_NET_F_STATUS |
			   1ull << VIRTIO_NET_F_MRG_RXBUF | 1ull << VIRTIO_NET_F_CSUM |
			   1ull << VIRTIO_NET_F_GUEST_CSUM | 1ull << VIRTIO_NET_F_HOST_TSO4;
	unsigned i;

	dg_poke(c->g, 0xfee000f0, 0x1ff);
	if (vdrv_start(&c->g->d, f & vdrv_offered(&c->g->d), 64, DG_RING, 0x41) != 15)
		return false;
	for (i = 0; i < RX_BUFS; i++)
		give_buffer(c, i);
	vdrv_kick(&c->g->d, 0);
	for (i = 0; i < 6; i++)
		c->mac[i] = vdrv_read(&c->g->d, c->g->d.device + i, 1);
	return true;
}

static void send_at(struct card *c, uint64_t gpa, const struct virtio_net_hdr_v1 *h, const uint8_t *frame, uint32_t len)
{
	memcpy(dg_mem(c->g, gpa), h, sizeof(*h));
	memcpy(dg_mem(c->g, gpa + sizeof(*h)), frame, len);
	vdrv_set_desc(&c->g->d, 1, c->tx, gpa, sizeof(*h) + len, 0, 0);
	vdrv_add(&c->g->d, 1, c->tx);
	vdrv_kick(&c->g->d, 1);
	c->tx = (c->tx + 1) % TX_BUFS;
}

/* @start: where the checksum begins that is left to the card, 0: nowhere. */
void net_send(struct card *c, const uint8_t *frame, uint32_t len, unsigned start, unsigned at)
{
	const struct virtio_net_hdr_v1 h = { .flags = start ? VIRTIO_NET_HDR_F_NEEDS_CSUM : 0,
		.csum_start = start,
		.csum_offset = at };

	send_at(c, TX_AT + c->tx * 0x1000, &h, frame, len);
}

void net_send_uncut(struct card *c, const uint8_t *frame, uint32_t len, uint16_t mss)
{
	const struct virtio_net_hdr_v1 h = { .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
		.gso_type = VIRTIO_NET_HDR_GSO_TCPV4,
		.hdr_len = 54,
		.gso_size = mss,
		.csum_start = 34,
		.csum_offset = 16 };

	send_at(c, TX_AT + TX_BUFS * 0x1000, &h, frame, len);
}

/* The next frame, if there is one, into c->frame; its buffers go back. */
bool net_take(struct card *c)
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
			c->hdr = h;
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

unsigned net_ethernet(struct card *c, uint8_t *f, const uint8_t to[6], uint16_t type)
{
	memcpy(f, to, 6);
	memcpy(f + 6, c->mac, 6);
	put16(f + 12, type);
	return 14;
}

void net_ip_header(uint8_t *ip, uint8_t proto, const uint8_t from[4], const uint8_t to[4], unsigned len)
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
void net_send_ip(struct card *c, uint8_t proto, const uint8_t from[4], const uint8_t to[4],
	const uint8_t eth[6], const uint8_t *body, unsigned len, unsigned sum_at)
{
	uint8_t f[2048];
	unsigned n = net_ethernet(c, f, eth, 0x0800);

	net_ip_header(f + n, proto, from, to, len);
	memcpy(f + n + 20, body, len);
	put16(f + n + 20 + sum_at, fold(add16(f + n + 12, 8, proto + len)));
	net_send(c, f, n + 20 + len, n + 20, sum_at);
}

/* Is c->frame IPv4 with this protocol for us? Return: its payload. */
const uint8_t *net_payload(const struct card *c, uint8_t proto, unsigned *len)
{
	const uint8_t *ip = c->frame + 14;

	if (c->len < 34 || get16(c->frame + 12) != 0x0800 || ip[9] != proto || fold(add16(ip, 20, 0)) != 0xffff)
		return NULL;
	*len = get16(ip + 2) - 20;
	return ip + 20;
}

void net_answer_arp(struct card *c)
{
	uint8_t f[42];

	if (get16(c->frame + 12) != 0x0806 || get16(c->frame + 20) != 1 || memcmp(c->frame + 38, c->ip, 4))
		return;
	net_ethernet(c, f, c->frame + 6, 0x0806);
	memcpy(f + 14, "\0\1\10\0\6\4\0\2", 8);
	memcpy(f + 22, c->mac, 6);
	memcpy(f + 28, c->ip, 4);
	memcpy(f + 32, c->frame + 22, 10);
	net_send(c, f, sizeof(f), 0, 0);
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

	while (net_take(w->c)) {
		if (w->match(w->c, w->arg))
			return true;
		net_answer_arp(w->c);
	}
	return false;
}

bool net_wait(struct card *c, bool (*match)(struct card *c, const void *arg), const void *arg)
{
	const struct wish w = { c, match, arg };

	return dg_until(c->g, came, &w);
}

bool net_open(struct card *c, const char *id)
{
	struct machine_config mc = { 0 };
	char err[512] = "";

	if (nets_open(&c->def, NULL, &c->h.nets, err, sizeof(err)) < 0) {
		tap_note("nets_open: %s", err);
		return false;
	}
	mc.nets = nets_config(c->h.nets);
	mc.nnets = nets_count(c->h.nets);
	c->g = dg_new_with(id, &mc);
	if (!c->g)
		return false;
	c->h.vm = c->g->vm;
	c->h.base = c->g->base;
	c->h.machine = c->g->m;
	return nets_bind(c->h.nets, &c->h) == 0 && dg_boot(c->g) && dg_start(c->g) &&
	       vdrv_find(&c->g->d, &c->g->d.io, MACHINE_NET_SLOT) && net_up(c);
}

void net_close(struct card *c)
{
	nets_unbind(c->h.nets);
	dg_free(c->g);
	nets_close(c->h.nets);
}
