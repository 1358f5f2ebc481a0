/*
 * netfix.h - a machine of devfix.h with a network card and a recording host end: what the card's unit tests and its
 * fuzz target start from.
 */
#ifndef TESTS_NETFIX_H
#define TESTS_NETFIX_H
#include "tests/lib/devfix.h"

#define NETFIX_RING  0x100000u
#define NETFIX_RX    0x200000u /* receive buffers */
#define NETFIX_TX    0x800000u
#define NETFIX_MSI   0x41u /* data of vector 0 (configuration); 1 receives, 2 transmits */
#define NETFIX_KEEP  64

struct netfix_frame {
	uint32_t len; /* with the header */
	uint8_t data[DEV_NET_SLOT];
};

struct netfix {
	struct fix *fix;
	struct vmc_vm *vm;  /* fix's */
	struct machine *m;  /* fix's */
	struct vdrv d;
	struct dev_net *net;
	/* the host end */
	struct netfix_frame *out, *in; /* NETFIX_KEEP each: what came from the guest, what waits for it */
	unsigned nout, nin, in_next;
	unsigned room;       /* frames it still takes */
	bool wanted, paused;
	unsigned offload, asked; /* told last; calls of input() */
};

/** netfix_new() - a machine with one card. Aborts on failure. */
struct netfix *netfix_new(const struct dev_net_config *cfg);
void netfix_free(struct netfix *f);
/** netfix_run() - the main loop until it is idle. false: it never is. */
bool netfix_run(struct netfix *f);
/** netfix_start() - bring the card up with @features (VERSION_1 added), queues of @size. */
void netfix_start(struct netfix *f, uint64_t features, uint16_t size);
/** netfix_tx() - queue header and frame as descriptor @n, all in one buffer, and kick. */
void netfix_tx(struct netfix *f, unsigned n, const void *hdr, const void *frame, uint32_t len);
/** netfix_rx_buffers() - hand in buffers (descriptors @first ..) of @len bytes and kick. */
void netfix_rx_buffers(struct netfix *f, unsigned first, unsigned count, uint32_t len);
uint8_t *netfix_rx_buffer(struct netfix *f, unsigned n);
/** netfix_arrive() - the host end has a frame; input_ready() when the card wants it. */
void netfix_arrive(struct netfix *f, const void *hdr, const void *frame, uint32_t len);
void netfix_output_ready(struct netfix *f, unsigned room);
void netfix_set_link(struct netfix *f, bool up);
struct vmc_device_info netfix_info(struct netfix *f);

#endif
