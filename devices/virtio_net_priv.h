/*
 * virtio_net_priv.h - what the files of the network card share: virtio_net.c (queues),
 * virtio_net_offload.c (headers and checksums), virtio_net_state.c (saved state). Device lock held.
 */
#ifndef DEVICES_VIRTIO_NET_PRIV_H
#define DEVICES_VIRTIO_NET_PRIV_H
#include "devices/models.h"

#include <linux/virtio_net.h>
#include <stddef.h>

enum { HDR = DEV_NET_HDR };

struct card {
	struct vdev v;
	struct dev_net net;
	struct dev_net_config cfg;
	struct dev_net_batch rx, tx;
	bool tx_stalled;        /* the host end is full */
	bool wanted;            /* the host end was told to call input_ready() */
	bool told_link;         /* what the guest was told last */
	unsigned told_offload;  /* what the host end was told; ~0: nothing yet */
	struct virtq_chain chain, first; /* first: of a frame that takes several */
};

_Static_assert(sizeof(struct virtio_net_hdr_v1) == HDR, "virtio 1.2 §5.1.6");

static inline struct card *card(const struct vdev *v)
{
	return (struct card *)((char *)v - offsetof(struct card, v));
}

static inline bool has(const struct card *c, unsigned bit)
{
	return c->v.features & VIRTIO_BIT(bit);
}

/** virtio_net_features() - what a card with such a host end offers. */
uint64_t virtio_net_features(const struct dev_net_config *cfg);
/** virtio_net_tell_offload() - tell the host end what the driver can take; it may be another driver than
 * before. */
void virtio_net_tell_offload(struct card *c);
/** virtio_net_fix_up() - may the driver ask for this (§5.1.6.2)? What it must not is no frame. Fills the
 * checksum in where the host end wants that. @len: with the header. */
bool virtio_net_fix_up(struct card *c, uint8_t *slot, uint32_t len);
/** virtio_net_acceptable() - may the guest get this? Only what its driver agreed to (§5.1.6.4); what came
 * before it said so may be more. */
bool virtio_net_acceptable(const struct card *c, uint8_t *slot, uint32_t len);

/** virtio_net_new_batch() - an empty one; -ENOMEM. */
int virtio_net_new_batch(struct dev_net_batch *b);
void virtio_net_save(struct vdev *v, struct vmc_out *out);
int virtio_net_load(struct vdev *v, struct vmc_in *in);

#endif
