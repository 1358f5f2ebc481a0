/*
 * virtio_net_offload.c - checksum and segmentation offloads of the network card: what is offered, what
 * the header before a frame may ask for, either way.
 *
 * Spec: virtio 1.2 §5.1.3, §5.1.6. Threads: main loop, device lock held.
 */
#include "devices/virtio_net_priv.h"

#include <string.h>

_Static_assert(sizeof(struct virtio_net_hdr_v1) == HDR, "virtio 1.2 §5.1.6");

/* §5.1.3: TSO needs CSUM, and the driver does not have to take any of it. */
uint64_t virtio_net_features(const struct dev_net_config *cfg)
{
	uint64_t f = 0;

	if (cfg->mtu)
		f |= VIRTIO_BIT(VIRTIO_NET_F_MTU);
	if (cfg->csum || cfg->offload & DEV_NET_CSUM)
		f |= VIRTIO_BIT(VIRTIO_NET_F_CSUM) | VIRTIO_BIT(VIRTIO_NET_F_GUEST_CSUM);
	/* A host end that ends the connections takes a segment of any length; there is nothing to cut. */
	if (cfg->csum)
		f |= VIRTIO_BIT(VIRTIO_NET_F_HOST_TSO4) | VIRTIO_BIT(VIRTIO_NET_F_HOST_TSO6);
	if (cfg->offload & DEV_NET_TSO4)
		f |= VIRTIO_BIT(VIRTIO_NET_F_HOST_TSO4) | VIRTIO_BIT(VIRTIO_NET_F_GUEST_TSO4);
	if (cfg->offload & DEV_NET_TSO6)
		f |= VIRTIO_BIT(VIRTIO_NET_F_HOST_TSO6) | VIRTIO_BIT(VIRTIO_NET_F_GUEST_TSO6);
	if (cfg->offload & DEV_NET_TSO_ECN)
		f |= VIRTIO_BIT(VIRTIO_NET_F_HOST_ECN) | VIRTIO_BIT(VIRTIO_NET_F_GUEST_ECN);
	return f;
}

void virtio_net_tell_offload(struct card *c)
{
	unsigned flags = 0;

	if (has(c, VIRTIO_NET_F_GUEST_CSUM))
		flags |= DEV_NET_CSUM;
	if (has(c, VIRTIO_NET_F_GUEST_TSO4))
		flags |= DEV_NET_TSO4;
	if (has(c, VIRTIO_NET_F_GUEST_TSO6))
		flags |= DEV_NET_TSO6;
	if (has(c, VIRTIO_NET_F_GUEST_ECN))
		flags |= DEV_NET_TSO_ECN;
	if (flags == c->told_offload || !c->net.host_ops)
		return;
	c->told_offload = flags;
	c->net.host_ops->offload(c->net.host, flags);
}

/* ---- guest to host ---- */

/* The Internet checksum (RFC 1071) from @start to the frame's end, put at @start + @at. It covers
 * what the driver left there, the pseudo header's sum (§5.1.6.2). */
static void fill_checksum(uint8_t *frame, uint32_t len, uint16_t start, uint16_t at)
{
	uint64_t sum = 0;
	uint32_t i, four;
	uint16_t w;

	/* By four bytes: the carries are folded in at the end, so larger words give the same. */
	for (i = start; i + 3 < len; i += 4) {
		memcpy(&four, frame + i, 4);
		sum += four;
	}
	if (i + 1 < len) {
		memcpy(&w, frame + i, 2);
		sum += w;
		i += 2;
	}
	if (i < len)
		sum += frame[i]; /* as if a zero followed: little-endian host */
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	w = ~sum;
	if (!w)
		w = 0xffff; /* the same number, and for UDP zero would mean "none" */
	memcpy(frame + start + at, &w, 2);
}

bool virtio_net_fix_up(struct card *c, uint8_t *slot, uint32_t len)
{
	struct virtio_net_hdr_v1 h;
	uint8_t gso;

	memcpy(&h, slot, sizeof(h));
	h.flags &= VIRTIO_NET_HDR_F_NEEDS_CSUM; /* other bits are not for this direction */
	h.num_buffers = 0;
	gso = h.gso_type & ~VIRTIO_NET_HDR_GSO_ECN;
	if (h.flags && (!has(c, VIRTIO_NET_F_CSUM) ||
			       (uint32_t)h.csum_start + h.csum_offset + 2 > len - HDR))
		return false;
	if (h.gso_type != gso && !has(c, VIRTIO_NET_F_HOST_ECN))
		return false;
	if (gso != VIRTIO_NET_HDR_GSO_NONE) {
		unsigned bit = gso == VIRTIO_NET_HDR_GSO_TCPV4   ? VIRTIO_NET_F_HOST_TSO4
			       : gso == VIRTIO_NET_HDR_GSO_TCPV6 ? VIRTIO_NET_F_HOST_TSO6
								 : 0;

		if (!bit || !has(c, bit) || !h.flags || !h.gso_size)
			return false;
	}
	if (c->cfg.csum && h.flags) {
		fill_checksum(slot + HDR, len - HDR, h.csum_start, h.csum_offset);
		h.flags = 0;
		h.gso_type = VIRTIO_NET_HDR_GSO_NONE;
		h.gso_size = h.hdr_len = 0;
	}
	memcpy(slot, &h, sizeof(h));
	return true;
}

/* ---- host to guest ---- */

bool virtio_net_acceptable(const struct card *c, uint8_t *slot, uint32_t len)
{
	struct virtio_net_hdr_v1 h;
	uint8_t gso;

	if (len < HDR + DEV_NET_FRAME_MIN || len > DEV_NET_SLOT)
		return false;
	memcpy(&h, slot, sizeof(h));
	gso = h.gso_type & ~VIRTIO_NET_HDR_GSO_ECN;
	if (!has(c, VIRTIO_NET_F_GUEST_CSUM)) {
		if (h.flags & VIRTIO_NET_HDR_F_NEEDS_CSUM)
			return false;
		h.flags = 0;
	}
	if (h.gso_type != gso && !has(c, VIRTIO_NET_F_GUEST_ECN))
		return false;
	if (gso != VIRTIO_NET_HDR_GSO_NONE &&
		!(gso == VIRTIO_NET_HDR_GSO_TCPV4 && has(c, VIRTIO_NET_F_GUEST_TSO4)) &&
		!(gso == VIRTIO_NET_HDR_GSO_TCPV6 && has(c, VIRTIO_NET_F_GUEST_TSO6)))
		return false;
	h.num_buffers = 1;
	memcpy(slot, &h, sizeof(h));
	return true;
}
