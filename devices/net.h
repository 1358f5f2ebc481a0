/*
 * net.h - Ethernet frames between a network card (virtio_net.c) and its host end (vitrine-vm's
 * networks: a tap, or user networking). All calls are made on the main loop thread with the device
 * lock held.
 *
 * A frame travels with a struct virtio_net_hdr_v1 before it (virtio 1.2 §5.1.6), which is also what a
 * tap wants. The card drops none that it could keep: what the guest has no buffer for, and what the
 * host end does not take, waits, and the side that makes it is asked for no more.
 */
#ifndef DEVICES_NET_H
#define DEVICES_NET_H
#include <stdbool.h>
#include <stdint.h>

#define DEV_NET_BATCH     32    /* frames that go in one call */
#define DEV_NET_HDR       12    /* sizeof(struct virtio_net_hdr_v1) */
#define DEV_NET_FRAME_MIN 14    /* an Ethernet header */
#define DEV_NET_FRAME_MAX 65556 /* the longest IP packet with header, VLAN tag and some */
#define DEV_NET_SLOT      (DEV_NET_HDR + DEV_NET_FRAME_MAX)

/* Frames on their way: [next, n) are still to go. */
struct dev_net_batch {
	unsigned n, next;
	uint32_t len[DEV_NET_BATCH];       /* with the header */
	uint8_t (*slot)[DEV_NET_SLOT];
};

/* What a host end can do beside carrying whole frames: bits of TUNSETOFFLOAD's kind. */
enum dev_net_offload {
	DEV_NET_CSUM = 1,
	DEV_NET_TSO4 = 2,
	DEV_NET_TSO6 = 4,
	DEV_NET_TSO_ECN = 8,
};

/* The host end's side. */
struct dev_net_host_ops {
	/* guest -> host: frames from b->next on; it moves b->next. Frames left over: it is full, and
	 * calls output_ready() when it is not any more. */
	void (*output)(void *host, struct dev_net_batch *b);
	/* host -> guest: fill the empty @b; b->n stays 0 when there is nothing. */
	void (*input)(void *host, struct dev_net_batch *b);
	/* call input_ready() when there are frames; or be still, for nobody can take them */
	void (*input_wanted)(void *host, bool on);
	/* what the guest can take of enum dev_net_offload */
	void (*offload)(void *host, unsigned flags);
	/* the VM stands still (frames wait), or goes on */
	void (*paused)(void *host, bool on);
};

/* The device's side. */
struct dev_net_dev_ops {
	void (*input_ready)(void *dev);
	void (*output_ready)(void *dev);
	void (*set_link)(void *dev, bool up);
};

struct dev_net_count {
	uint64_t packets, bytes, dropped;
};

struct dev_net {
	const char *name; /* "net0" */
	uint8_t mac[6];
	bool link;
	struct dev_net_count rx, tx; /* as the guest sees it; the host end counts its own drops in */
	const struct dev_net_dev_ops *dev_ops;
	void *dev;
	const struct dev_net_host_ops *host_ops; /* NULL: a cable that leads nowhere */
	void *host;
};

struct dev_net_config {
	const char *name;
	uint8_t mac[6];
	uint16_t mtu;     /* told to the guest; 0: not */
	unsigned offload; /* enum dev_net_offload: what the host end does, both ways */
	bool csum;        /* the host end wants whole frames: checksums are filled in here, and what the
			   * guest leaves to be cut stays one frame, as long as the guest made it */
};

#endif
