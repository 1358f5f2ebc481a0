/*
 * virtio_net.c - a network card: one receive queue, one transmit queue, a link.
 *
 * Spec: virtio 1.2 §5.1 with MAC, STATUS, MTU, MRG_RXBUF and, where the host end can, checksum and
 * segmentation offloads both ways. No control queue, no multiqueue. Queue 0 receives, 1 transmits.
 *
 * Threads: queues and host end on the main loop, configuration reads and reset on vCPU threads;
 * device lock held.
 *
 * Back-pressure: frames go through two batches. Transmitted ones are copied into the first and their
 * buffers given back; while the host end does not take them, no more are fetched. Received ones wait
 * in the second until the guest has buffers; until then the host end is asked for no more.
 */
#include "devices/virtio_net_priv.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { RX, TX };
enum { TURN_FRAMES = 128 }; /* in one turn of the main loop, either way */

static void want_input(struct card *c, bool on)
{
	if (c->wanted == on || !c->net.host_ops)
		return;
	c->wanted = on;
	c->net.host_ops->input_wanted(c->net.host, on);
}

/* The chain that follows @ahead others, asking for a kick when there is none. Return: as
 * virtq_peek(). */
static int next_chain(struct card *c, unsigned queue, uint16_t ahead, struct virtq_chain *chain)
{
	struct virtq *q = &c->v.vq[queue];
	int rc = virtq_peek_ahead(q, ahead, chain);

	if (rc == 0 && virtq_notify_on(q))
		rc = virtq_peek_ahead(q, ahead, chain); /* it came in between */
	if (rc != 1)
		return rc;
	if (queue == TX && chain->nin)
		return virtq_break(q, "queue 1: writable buffer in the transmit queue");
	if (queue == RX && chain->nout)
		return virtq_break(q, "queue 0: readable buffer in the receive queue");
	return 1;
}

/* ---- guest to host ---- */

/* Takes frames out of the queue into the empty batch. Return: false when there was none. */
static bool fetch(struct card *c, unsigned *budget)
{
	struct virtq *q = &c->v.vq[TX];
	struct dev_net_batch *b = &c->tx;
	bool any = false;

	b->n = b->next = 0;
	while (b->n < DEV_NET_BATCH && *budget && next_chain(c, TX, 0, &c->chain) == 1) {
		uint32_t len = c->chain.out_len;
		bool good = len >= HDR + DEV_NET_FRAME_MIN && len <= DEV_NET_SLOT;

		if (good && virtq_read(q, &c->chain, 0, b->slot[b->n], len) != (ssize_t)len)
			break; /* memory went away, and the queue is broken */
		virtq_take(q);
		virtq_push(q, c->chain.head, 0);
		(*budget)--;
		any = true;
		if (good && c->net.link && c->net.host_ops && virtio_net_fix_up(c, b->slot[b->n], len)) {
			b->len[b->n++] = len;
			c->net.tx.packets++;
			c->net.tx.bytes += len - HDR;
		} else {
			c->net.tx.dropped++;
		}
	}
	return any;
}

/* Return: true when the host end took all there was. */
static bool flush(struct card *c)
{
	struct dev_net_batch *b = &c->tx;

	if (b->next < b->n && c->net.host_ops)
		c->net.host_ops->output(c->net.host, b);
	c->tx_stalled = b->next < b->n;
	return !c->tx_stalled;
}

static void transmit(struct card *c)
{
	unsigned budget = TURN_FRAMES;

	virtq_notify_off(&c->v.vq[TX]);
	while (flush(c) && budget)
		if (!fetch(c, &budget))
			break;
	vdev_used(&c->v, TX);
	if (!c->tx_stalled && !budget)
		c->v.transport->requeue(&c->v, TX); /* others want a turn too */
}

static void net_output_ready(void *dev)
{
	struct card *c = dev;

	if (!c->tx_stalled)
		return;
	c->tx_stalled = false;
	c->v.transport->requeue(&c->v, TX);
}

/* ---- host to guest ---- */

/* A frame into one buffer, or with MRG_RXBUF into as many as it takes. Return: 1 with @n used, 0
 * when buffers are wanting, -EPROTO when the queue is broken, -EMSGSIZE when no buffer can hold it. */
static int spread(struct card *c, const uint8_t *slot, uint32_t len, struct virtq_done *done,
	uint16_t *n)
{
	struct virtq *q = &c->v.vq[RX];
	bool merge = has(c, VIRTIO_NET_F_MRG_RXBUF);
	uint32_t off = 0;

	for (*n = 0; off < len; (*n)++) {
		struct virtq_chain *chain = *n ? &c->chain : &c->first;
		ssize_t w;
		int rc;

		if (*n == q->size)
			return -EMSGSIZE;
		rc = next_chain(c, RX, *n, chain);
		if (rc != 1)
			return rc;
		if (chain->in_len < (*n ? 1 : HDR))
			return virtq_break(q, "queue 0: receive buffer of %u bytes", chain->in_len);
		if (!merge && chain->in_len < len)
			return -EMSGSIZE;
		w = virtq_write(q, chain, 0, slot + off, len - off);
		if (w < 0)
			return w;
		done[*n] = (struct virtq_done){ chain->head, w };
		off += w;
	}
	return 1;
}

/* Return: 1 the guest has it, 0 it has no buffer for it now, negative: it will not get it. */
static int give(struct card *c, uint8_t *slot, uint32_t len)
{
	struct virtq *q = &c->v.vq[RX];
	struct virtq_done done[VIRTQ_SIZE_MAX];
	uint16_t n, i;
	int rc;

	if (!virtio_net_acceptable(c, slot, len))
		return -EINVAL;
	rc = spread(c, slot, len, done, &n);
	if (rc != 1)
		return rc;
	if (n > 1 && virtq_write(q, &c->first, offsetof(struct virtio_net_hdr_v1, num_buffers), &n,
			     sizeof(n)) < 0)
		return -EPROTO;
	for (i = 0; i < n; i++)
		virtq_take(q);
	return virtq_push_many(q, done, n) < 0 ? -EPROTO : 1;
}

/* The next frame for the guest. NULL: there is none now. */
static uint8_t *next_frame(struct card *c, uint32_t *len)
{
	struct dev_net_batch *b = &c->rx;

	if (b->next == b->n) {
		b->n = b->next = 0;
		if (c->net.link && c->net.host_ops)
			c->net.host_ops->input(c->net.host, b);
	}
	if (b->next == b->n)
		return NULL;
	*len = b->len[b->next];
	return b->slot[b->next];
}

/* As many as there are buffers for. Return: false when the guest has no more. */
static bool receive_some(struct card *c, unsigned budget)
{
	uint32_t len;

	for (; budget; budget--) {
		uint8_t *slot = next_frame(c, &len);
		int rc;

		if (!slot)
			return true;
		rc = give(c, slot, len);
		if (rc == 0 || rc == -EPROTO)
			return false; /* it waits */
		c->rx.next++;
		if (rc == 1) {
			c->net.rx.packets++;
			c->net.rx.bytes += len - HDR;
		} else {
			c->net.rx.dropped++;
		}
	}
	c->v.transport->requeue(&c->v, RX); /* others want a turn too */
	return true;
}

static void receive(struct card *c)
{
	bool room;

	virtq_notify_off(&c->v.vq[RX]);
	room = receive_some(c, TURN_FRAMES);
	vdev_used(&c->v, RX);
	want_input(c, room && c->net.link);
}

static void net_input_ready(void *dev)
{
	struct card *c = dev;

	if (!vdev_live(&c->v, RX)) {
		want_input(c, false); /* until there is a driver, or the VM goes on */
		return;
	}
	virtio_net_tell_offload(c);
	receive(c);
}

/* ---- the rest ---- */

static void net_kick(struct vdev *v, unsigned queue)
{
	struct card *c = card(v);

	virtio_net_tell_offload(c);
	if (queue == RX)
		receive(c);
	else if (!c->tx_stalled)
		transmit(c);
}

static void tell_link(struct card *c)
{
	c->told_link = c->net.link;
	if (has(c, VIRTIO_NET_F_STATUS))
		vdev_config_changed(&c->v);
}

static void net_set_link(void *dev, bool up)
{
	struct card *c = dev;

	if (c->net.link == up)
		return;
	c->net.link = up;
	tell_link(c);
	if (!up) {
		want_input(c, false);
		c->net.tx.dropped += c->tx.n - c->tx.next; /* what was still in the wire */
		c->tx.n = c->tx.next = 0;
		c->tx_stalled = false;
	}
	c->v.transport->requeue(&c->v, RX);
	c->v.transport->requeue(&c->v, TX);
}

static const struct dev_net_dev_ops dev_ops = {
	.input_ready = net_input_ready,
	.output_ready = net_output_ready,
	.set_link = net_set_link,
};

static void net_config(struct vdev *v, void *config)
{
	const struct card *c = card(v);
	struct virtio_net_config x = {
		.status = c->net.link ? VIRTIO_NET_S_LINK_UP : 0,
		.max_virtqueue_pairs = 1,
		.mtu = c->cfg.mtu,
	};

	memcpy(x.mac, c->net.mac, sizeof(x.mac));
	memcpy(config, &x, v->ops->config_len);
}

static void net_queue_reset(struct vdev *v, unsigned queue)
{
	struct card *c = card(v);

	if (queue == TX)
		return; /* what was taken is on its way already */
	c->net.rx.dropped += c->rx.n - c->rx.next; /* they were for a driver that is gone */
	c->rx.n = c->rx.next = 0;
}

static void net_reset(struct vdev *v)
{
	net_queue_reset(v, RX);
}

static void net_quiesce(struct vdev *v)
{
	struct card *c = card(v);

	want_input(c, false);
	if (c->net.host_ops)
		c->net.host_ops->paused(c->net.host, true);
}

static void net_resume(struct vdev *v)
{
	struct card *c = card(v);

	/* The queues are kicked anyway; with that what waits goes on. */
	c->tx_stalled = false;
	if (c->net.host_ops)
		c->net.host_ops->paused(c->net.host, false);
	if (c->told_link != c->net.link)
		tell_link(c); /* the loaded guest knew it otherwise */
}

static void net_describe(const struct vdev *v, char *note, size_t size)
{
	const struct card *c = card(v);
	const struct dev_net *n = &c->net;

	snprintf(note, size, "link %s; received %llu, sent %llu, dropped %llu%s",
		n->link ? "up" : "down", (unsigned long long)n->rx.packets,
		(unsigned long long)n->tx.packets,
		(unsigned long long)(n->rx.dropped + n->tx.dropped),
		c->rx.next < c->rx.n ? "; frames wait for buffers" : "");
}

static void net_destroy(struct vdev *v)
{
	struct card *c = card(v);

	free(c->rx.slot);
	free(c->tx.slot);
	free(c);
}

static const struct vdev_ops virtio_net_ops = {
	.name = "virtio-net",
	.virtio_id = 1,        /* §5.1.1 */
	.pci_class = 0x020000, /* Ethernet controller */
	.nqueues = 2,          /* §5.1.2 */
	.queue_size = VIRTQ_SIZE_MAX,
	.features = VIRTIO_BIT(VIRTIO_NET_F_MAC) | VIRTIO_BIT(VIRTIO_NET_F_STATUS) |
		    VIRTIO_BIT(VIRTIO_NET_F_MRG_RXBUF),
	.config_len = offsetof(struct virtio_net_config, mtu) + 2,
	.config_read = net_config,
	.kick = net_kick,
	.reset = net_reset,
	.queue_reset = net_queue_reset,
	.quiesce = net_quiesce,
	.resume = net_resume,
	.describe = net_describe,
	.save = virtio_net_save,
	.load = virtio_net_load,
	.destroy = net_destroy,
};

int virtio_net_new(struct vmc_vm *vm, const struct dev_net_config *cfg, struct vdev **out,
	struct dev_net **net)
{
	struct card *c = calloc(1, sizeof(*c));

	if (!c || virtio_net_new_batch(&c->rx) < 0 || virtio_net_new_batch(&c->tx) < 0) {
		if (c)
			free(c->rx.slot);
		free(c);
		return vmc_fail(vm, -ENOMEM, "no memory for a network card");
	}
	vdev_init(&c->v, &virtio_net_ops, vm);
	c->v.offered |= virtio_net_features(cfg);
	c->cfg = *cfg;
	c->told_offload = ~0u;
	c->told_link = true;
	c->net = (struct dev_net){ .name = cfg->name, .link = true, .dev_ops = &dev_ops, .dev = c };
	memcpy(c->net.mac, cfg->mac, sizeof(c->net.mac));
	*out = &c->v;
	*net = &c->net;
	return 0;
}
