/*
 * netguest.h - a guest's network driver and the lowest layers of its TCP/IP, for tests on /dev/kvm that
 * are the guest themselves (devguest.h).
 */
#ifndef TESTS_NETGUEST_H
#define TESTS_NETGUEST_H
#include "tests/kvm/devguest.h"
#include "vmhost/host.h"
#include "vmhost/net.h"

#include <linux/virtio_net.h>

struct card {
	struct devguest *g;
	struct host h;
	struct vm_def def;
	unsigned tx; /* next descriptor */
	uint8_t mac[6], gateway[6];
	uint8_t ip[4]; /* questions for it are answered */
	uint8_t frame[65536]; /* the last that came, and its header */
	struct virtio_net_hdr_v1 hdr;
	uint32_t len;
	uint16_t mine; /* a TCP connection: our port, and the peer's */
	uint16_t peer;
	uint32_t seq, ack;
};

/* Numbers in network order; the sum under Internet checksums. */
uint16_t get16(const uint8_t *p);
uint32_t get32(const uint8_t *p);
void put16(uint8_t *p, uint32_t v);
void put32(uint8_t *p, uint32_t v);
uint32_t add16(const uint8_t *p, size_t len, uint32_t sum);
uint16_t fold(uint32_t sum);

/** net_open() - a VM with the card of c->def, up. */
bool net_open(struct card *c, const char *id);
void net_close(struct card *c);
/** net_send() - @start: where the checksum begins that is left to the card, 0: nowhere. */
void net_send(struct card *c, const uint8_t *frame, uint32_t len, unsigned start, unsigned at);
/** net_take() - the next frame, if there is one, into c->frame; its buffers go back. */
bool net_take(struct card *c);
/** net_wait() - frames until one matches, 10 s at most; questions for c->ip are answered. */
bool net_wait(struct card *c, bool (*match)(struct card *c, const void *arg), const void *arg);
/** net_send_uncut() - a TCP segment that is left to be cut (VIRTIO_NET_F_HOST_TSO4), with its checksum. */
void net_send_uncut(struct card *c, const uint8_t *frame, uint32_t len, uint16_t mss);
unsigned net_ethernet(struct card *c, uint8_t *f, const uint8_t to[6], uint16_t type);
void net_ip_header(uint8_t *ip, uint8_t proto, const uint8_t from[4], const uint8_t to[4], unsigned len);
/** net_send_ip() - UDP or TCP with the checksum left to the card. */
void net_send_ip(struct card *c, uint8_t proto, const uint8_t from[4], const uint8_t to[4],
	const uint8_t eth[6], const uint8_t *body, unsigned len, unsigned sum_at);
/** net_payload() - of c->frame, when it is IPv4 with this protocol. */
const uint8_t *net_payload(const struct card *c, uint8_t proto, unsigned *len);
void net_answer_arp(struct card *c);

#endif
