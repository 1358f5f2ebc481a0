/*
 * virtio_net_state.c - saved state of the network card: its address, what the guest was told, and the
 * frames on their way. Owner thread, device lock held, device quiet.
 */
#include "devices/virtio_net_priv.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static void save_batch(const struct dev_net_batch *b, struct vmc_out *out)
{
	unsigned i;

	vmc_out_u8(out, b->n - b->next);
	for (i = b->next; i < b->n; i++) {
		vmc_out_u32(out, b->len[i]);
		vmc_out_bytes(out, b->slot[i], b->len[i]);
	}
}

static int load_batch(struct dev_net_batch *b, struct vmc_in *in)
{
	unsigned i, n = vmc_in_u8(in);

	if (n > DEV_NET_BATCH)
		return vmc_in_fail(in, -EBADMSG, "%u frames on their way, at most %d", n,
			DEV_NET_BATCH);
	b->next = 0;
	for (i = 0; i < n && !in->error; i++) {
		uint32_t len = vmc_in_u32(in);

		if (len < HDR + DEV_NET_FRAME_MIN || len > DEV_NET_SLOT)
			return vmc_in_fail(in, -EBADMSG, "a frame of %u bytes", len);
		vmc_in_bytes(in, b->slot[i], len);
		b->len[i] = len;
	}
	b->n = n;
	return in->error;
}

int virtio_net_new_batch(struct dev_net_batch *b)
{
	*b = (struct dev_net_batch){ .slot = calloc(DEV_NET_BATCH, DEV_NET_SLOT) };
	return b->slot ? 0 : -ENOMEM;
}

static void save_count(const struct dev_net_count *n, struct vmc_out *out)
{
	vmc_out_u64(out, n->packets);
	vmc_out_u64(out, n->bytes);
	vmc_out_u64(out, n->dropped);
}

static struct dev_net_count load_count(struct vmc_in *in)
{
	struct dev_net_count n = { .packets = vmc_in_u64(in) };

	n.bytes = vmc_in_u64(in);
	n.dropped = vmc_in_u64(in);
	return n;
}

void virtio_net_save(struct vdev *v, struct vmc_out *out)
{
	const struct card *c = card(v);

	vmc_out_bytes(out, c->net.mac, sizeof(c->net.mac));
	vmc_out_u8(out, c->told_link);
	save_count(&c->net.rx, out);
	save_count(&c->net.tx, out);
	save_batch(&c->rx, out);
	save_batch(&c->tx, out);
}

int virtio_net_load(struct vdev *v, struct vmc_in *in)
{
	struct card *c = card(v);
	struct dev_net_batch rx = { 0 }, tx = { 0 };
	struct dev_net_count nrx, ntx;
	uint8_t mac[6];
	bool link;
	int rc;

	vmc_in_bytes(in, mac, sizeof(mac));
	link = vmc_in_u8(in);
	nrx = load_count(in);
	ntx = load_count(in);
	rc = in->error;
	if (rc == 0 && (virtio_net_new_batch(&rx) < 0 || virtio_net_new_batch(&tx) < 0))
		rc = vmc_in_fail(in, -ENOMEM, "no memory for frames");
	if (rc == 0)
		rc = load_batch(&rx, in);
	if (rc == 0)
		rc = load_batch(&tx, in);
	if (rc == 0)
		rc = vmc_in_end(in);
	if (rc < 0) {
		free(rx.slot);
		free(tx.slot);
		return rc;
	}
	free(c->rx.slot);
	free(c->tx.slot);
	c->rx = rx;
	c->tx = tx;
	/* The guest has this address in its tables, whatever a new VM would have been given. */
	memcpy(c->net.mac, mac, sizeof(mac));
	c->net.rx = nrx;
	c->net.tx = ntx;
	c->told_link = link;
	c->tx_stalled = false;
	return 0;
}
