/*
 * test_devices_net.c - the network card without KVM: headers and offloads, buffers merged, frames that
 * wait on both sides, the link, saved state, drivers that break the rules.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <linux/virtio_net.h>

#include "tests/lib/netfix.h"

#define F(n) (1ull << (n))
#define MERGE F(VIRTIO_NET_F_MRG_RXBUF)
#define CSUMS (F(VIRTIO_NET_F_CSUM) | F(VIRTIO_NET_F_GUEST_CSUM))

typedef struct virtio_net_hdr_v1 hdr;

static const struct dev_net_config user = {
	.name = "net0", .mac = { 2, 1, 2, 3, 4, 5 }, .mtu = 65520, .csum = true
};
static const struct dev_net_config tap = { .name = "net0",
	.mac = { 2, 1, 2, 3, 4, 5 },
	.offload = DEV_NET_CSUM | DEV_NET_TSO4 | DEV_NET_TSO6 };

static uint8_t frame[DEV_NET_FRAME_MAX];

static struct netfix *up(const struct dev_net_config *cfg, uint64_t features, uint16_t size)
{
	struct netfix *f = netfix_new(cfg);

	for (unsigned i = 0; i < sizeof(frame); i++)
		frame[i] = (uint8_t)(i * 7 + i / 256);
	netfix_start(f, features, size);
	return f;
}

/* Is this what lies in the guest's buffers? */
static bool got(const uint8_t *buf, uint32_t len)
{
	return !memcmp(buf + DEV_NET_HDR, frame, len);
}

static void test_offered(void **state)
{
	struct netfix *f = netfix_new(&user);
	uint64_t o = vdrv_offered(&f->d);

	assert_true(o & F(VIRTIO_NET_F_MAC) && o & F(VIRTIO_NET_F_STATUS) && o & MERGE);
	assert_true(o & F(VIRTIO_NET_F_MTU) && (o & CSUMS) == CSUMS);
	assert_true(o & F(VIRTIO_NET_F_HOST_TSO4) && o & F(VIRTIO_NET_F_HOST_TSO6));
	assert_false(o & (F(VIRTIO_NET_F_GUEST_TSO4) | F(VIRTIO_NET_F_GUEST_TSO6) | F(VIRTIO_NET_F_HOST_ECN)));
	assert_int_equal(vdrv_read(&f->d, f->d.device, 4), 0x03020102);
	assert_int_equal(vdrv_read(&f->d, f->d.device + 4, 2), 0x0504);
	assert_int_equal(vdrv_read(&f->d, f->d.device + 6, 2), VIRTIO_NET_S_LINK_UP);
	assert_int_equal(vdrv_read(&f->d, f->d.device + 10, 2), 65520);
	netfix_free(f);
	f = netfix_new(&tap);
	o = vdrv_offered(&f->d);
	assert_true(o & F(VIRTIO_NET_F_HOST_TSO4) && o & F(VIRTIO_NET_F_GUEST_TSO6));
	assert_false(o & (F(VIRTIO_NET_F_HOST_ECN) | F(VIRTIO_NET_F_MTU)));
	netfix_free(f);
}

static void test_send(void **state)
{
	struct netfix *f = up(&user, MERGE, 16);
	uint32_t id, len;

	netfix_tx(f, 3, NULL, frame, 60);
	assert_true(netfix_run(f));
	assert_int_equal(f->nout, 1);
	assert_int_equal(f->out[0].len, 72);
	assert_memory_equal(f->out[0].data + 12, frame, 60);
	assert_true(vdrv_take(&f->d, 1, &id, &len));
	assert_int_equal(id, 3);
	assert_int_equal(len, 0);
	assert_int_equal(f->net->tx.packets, 1);
	assert_int_equal(f->net->tx.bytes, 60);
	assert_true(fake_msi_take(f->vm, NETFIX_MSI + 2) >= 1);
	/* in pieces that split header and frame anywhere, and as large as it gets */
	memcpy(fake_ram(f->vm, NETFIX_TX), "\0\0\0\0\0\0\0\0\0\0\0\0", 12);
	memcpy(fake_ram(f->vm, NETFIX_TX + 12), frame, 65534);
	vdrv_set_desc(&f->d, 1, 0, NETFIX_TX, 5, VD_NEXT, 1);
	vdrv_set_desc(&f->d, 1, 1, NETFIX_TX + 5, 20, VD_NEXT, 2);
	vdrv_set_desc(&f->d, 1, 2, NETFIX_TX + 25, 65534 + 12 - 25, 0, 0);
	vdrv_add(&f->d, 1, 0);
	vdrv_kick(&f->d, 1);
	assert_true(netfix_run(f));
	assert_int_equal(f->nout, 2);
	assert_int_equal(f->out[1].len, 65546);
	assert_memory_equal(f->out[1].data + 12, frame, 65534);
	netfix_free(f);
}

/* A UDP datagram as a driver with CSUM leaves it: the pseudo header's sum in the checksum field. */
static void test_checksum(void **state)
{
	static const uint8_t udp[] = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 8, 0, /* Ethernet */
		0x45, 0, 0, 31, 0, 0, 0, 0, 64, 17, 0, 0, 10, 0, 2, 15, 10, 0, 2, 2, /* IPv4 */
		0x12, 0x34, 0, 53, 0, 11, 0x18, 0x2d, 'a', 'b', 'c' };
	const hdr h = { .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM, .csum_start = 34, .csum_offset = 6 };
	struct netfix *f = up(&user, MERGE | CSUMS, 16);
	uint32_t sum = 0;

	netfix_tx(f, 0, &h, udp, sizeof(udp));
	assert_true(netfix_run(f));
	assert_int_equal(f->nout, 1);
	assert_int_equal(f->out[0].data[0], 0); /* no flag is left for the host end */
	/* Checked another way: pseudo header and datagram must add up to 0xffff (RFC 768). */
	for (unsigned i = 26; i < sizeof(udp); i += 2)
		sum += (uint32_t)f->out[0].data[12 + i] << 8 |
		       (i + 1 < sizeof(udp) ? f->out[0].data[12 + i + 1] : 0);
	sum += 17 + 11;
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	assert_int_equal(sum, 0xffff);
	netfix_free(f);
}

static void test_tap_header_passes(void **state)
{
	const hdr h = { .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
		.gso_type = VIRTIO_NET_HDR_GSO_TCPV4,
		.hdr_len = 54,
		.gso_size = 1448,
		.csum_start = 34,
		.csum_offset = 16,
		.num_buffers = 9 };
	struct netfix *f =
		up(&tap, MERGE | CSUMS | F(VIRTIO_NET_F_HOST_TSO4) | F(VIRTIO_NET_F_GUEST_TSO4), 16);
	hdr seen;

	assert_int_equal(f->offload, DEV_NET_CSUM | DEV_NET_TSO4);
	netfix_tx(f, 0, &h, frame, 40000);
	assert_true(netfix_run(f));
	assert_int_equal(f->nout, 1);
	memcpy(&seen, f->out[0].data, sizeof(seen));
	assert_int_equal(seen.flags, VIRTIO_NET_HDR_F_NEEDS_CSUM);
	assert_int_equal(seen.gso_type, VIRTIO_NET_HDR_GSO_TCPV4);
	assert_int_equal(seen.gso_size, 1448);
	assert_int_equal(seen.num_buffers, 0);
	/* another driver, another wish */
	netfix_start(f, MERGE, 16);
	assert_int_equal(f->offload, 0);
	netfix_free(f);
}

/* A host end that wants whole frames gets one, as long as the guest made it, and its checksum. */
static void test_uncut(void **state)
{
	const hdr h = { .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
		.gso_type = VIRTIO_NET_HDR_GSO_TCPV4,
		.hdr_len = 54,
		.gso_size = 1448,
		.csum_start = 34,
		.csum_offset = 16 };
	const hdr plain = { 0 };
	struct netfix *f = up(&user, MERGE | CSUMS | F(VIRTIO_NET_F_HOST_TSO4), 16);
	uint32_t sum = 0;

	netfix_tx(f, 0, &h, frame, 40000);
	assert_true(netfix_run(f));
	assert_int_equal(f->nout, 1);
	assert_int_equal(f->out[0].len, 40012);
	assert_memory_equal(f->out[0].data, &plain, 6); /* no flag, nothing to be cut */
	assert_true(got(f->out[0].data, 50)); /* up to the checksum */
	/* with it, what it covers adds up to 0xffff but for what the field held: that was in the sum */
	for (unsigned i = 34; i < 40000; i += 2)
		sum += (uint32_t)f->out[0].data[12 + i] << 8 | f->out[0].data[12 + i + 1];
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	sum += (uint32_t)frame[50] << 8 | frame[51];
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	assert_int_equal(sum, 0xffff);
	netfix_free(f);
}

/* What a driver must not ask for is no frame; the card goes on. */
static void test_bad_headers(void **state)
{
	static const struct {
		hdr h;
		uint32_t len;
	} bad[] = {
		{ { .flags = 1, .csum_start = 59, .csum_offset = 0 }, 60 },
		{ { .flags = 1, .csum_start = 65535, .csum_offset = 65535 }, 60 },
		{ { .flags = 1, .csum_start = 0, .csum_offset = 59 }, 60 },
		{ { .flags = 1, .gso_type = VIRTIO_NET_HDR_GSO_TCPV4, .gso_size = 0, .csum_start = 34,
			  .csum_offset = 16 },
			60 },
		{ { .flags = 0, .gso_type = VIRTIO_NET_HDR_GSO_TCPV4, .gso_size = 1000 }, 60 },
		{ { .flags = 1, .gso_type = VIRTIO_NET_HDR_GSO_TCPV6, .gso_size = 1000,
			  .csum_start = 34, .csum_offset = 16 },
			60 }, /* not negotiated */
		{ { .flags = 1, .gso_type = VIRTIO_NET_HDR_GSO_TCPV4 | VIRTIO_NET_HDR_GSO_ECN,
			  .gso_size = 1000, .csum_start = 34, .csum_offset = 16 },
			60 },
		{ { .flags = 0, .gso_type = VIRTIO_NET_HDR_GSO_UDP, .gso_size = 1000 }, 60 },
		{ { .flags = 0 }, 13 },
		{ { .flags = 0 }, 0 },
		{ { .flags = 0 }, DEV_NET_FRAME_MAX + 1 },
	};
	struct netfix *f = up(&tap, CSUMS | F(VIRTIO_NET_F_HOST_TSO4), 16);
	uint32_t id, len;

	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		uint64_t at = NETFIX_TX;

		memcpy(fake_ram(f->vm, at), &bad[i].h, DEV_NET_HDR);
		vdrv_set_desc(&f->d, 1, 0, at, DEV_NET_HDR + bad[i].len, 0, 0);
		vdrv_add(&f->d, 1, 0);
		vdrv_kick(&f->d, 1);
		assert_true(netfix_run(f));
		assert_int_equal(f->net->tx.dropped, i + 1);
		assert_true(vdrv_take(&f->d, 1, &id, &len));
	}
	assert_int_equal(f->nout, 0);
	vdrv_set_desc(&f->d, 1, 0, NETFIX_TX, 5, 0, 0); /* not even a header */
	vdrv_add(&f->d, 1, 0);
	netfix_tx(f, 1, NULL, frame, 60);
	assert_true(netfix_run(f));
	assert_int_equal(f->nout, 1);
	assert_false(netfix_info(f).broken);
	netfix_free(f);
}

static void test_broken_rings(void **state)
{
	struct netfix *f = up(&user, MERGE, 16);

	vdrv_set_desc(&f->d, 1, 0, NETFIX_TX, 80, VD_WRITE, 0);
	vdrv_add(&f->d, 1, 0);
	vdrv_kick(&f->d, 1);
	assert_true(netfix_run(f));
	assert_true(netfix_info(f).broken);
	netfix_start(f, MERGE, 16); /* a reset mends it */
	assert_false(netfix_info(f).broken);
	vdrv_set_desc(&f->d, 0, 0, NETFIX_RX, 2000, 0, 0);
	vdrv_add(&f->d, 0, 0);
	vdrv_kick(&f->d, 0);
	netfix_arrive(f, NULL, frame, 60);
	assert_true(netfix_run(f));
	assert_true(netfix_info(f).broken);
	netfix_start(f, MERGE, 16);
	netfix_rx_buffers(f, 0, 1, 11); /* no room for a header */
	netfix_arrive(f, NULL, frame, 60);
	assert_true(netfix_run(f));
	assert_true(netfix_info(f).broken);
	netfix_free(f);
}

/* The host end takes two and is full: the rest waits, in order, and nothing is lost. */
static void test_send_waits(void **state)
{
	struct netfix *f = up(&user, MERGE, 64);
	uint8_t small[60] = { 0 };

	f->room = 2;
	for (unsigned i = 0; i < 50; i++) {
		small[20] = i;
		netfix_tx(f, i, NULL, small, sizeof(small));
	}
	assert_true(netfix_run(f));
	assert_int_equal(f->nout, 2);
	netfix_output_ready(f, 5);
	assert_true(netfix_run(f));
	assert_int_equal(f->nout, 7);
	netfix_output_ready(f, 100);
	assert_true(netfix_run(f));
	assert_int_equal(f->nout, 50);
	for (unsigned i = 0; i < 50; i++)
		assert_int_equal(f->out[i].data[12 + 20], i);
	assert_int_equal(f->net->tx.packets, 50);
	assert_int_equal(f->net->tx.dropped, 0);
	netfix_free(f);
}

static void test_receive(void **state)
{
	hdr h = { .flags = VIRTIO_NET_HDR_F_DATA_VALID };
	struct netfix *f = up(&user, MERGE, 16);
	uint32_t id, len;

	netfix_rx_buffers(f, 0, 4, 2000);
	assert_true(netfix_run(f));
	assert_true(f->wanted);
	netfix_arrive(f, &h, frame, 100);
	assert_true(vdrv_take(&f->d, 0, &id, &len));
	assert_int_equal(id, 0);
	assert_int_equal(len, 112);
	assert_true(got(netfix_rx_buffer(f, 0), 100));
	memcpy(&h, netfix_rx_buffer(f, 0), sizeof(h));
	assert_int_equal(h.num_buffers, 1);
	assert_int_equal(h.flags, 0); /* GUEST_CSUM was not negotiated */
	assert_true(fake_msi_take(f->vm, NETFIX_MSI + 1) >= 1);
	assert_true(fake_dirty_take(f->vm, NETFIX_RX));
	assert_int_equal(f->net->rx.packets, 1);
	netfix_free(f);
}

/* A long frame over small buffers: all of them become used at once, the first says how many. */
static void test_merge(void **state)
{
	struct netfix *f = up(&user, MERGE | CSUMS, 16);
	uint32_t id, len, sum = 0;
	hdr h;

	netfix_rx_buffers(f, 0, 3, 1000);
	assert_true(netfix_run(f));
	netfix_arrive(f, NULL, frame, 4500); /* needs five */
	assert_int_equal(vdrv_used(&f->d, 0)[1], 0);
	assert_false(f->wanted); /* one that waits is enough */
	netfix_rx_buffers(f, 3, 2, 1000);
	assert_true(netfix_run(f));
	assert_int_equal(vdrv_used(&f->d, 0)[1], 5);
	memcpy(&h, netfix_rx_buffer(f, 0), sizeof(h));
	assert_int_equal(h.num_buffers, 5);
	for (unsigned i = 0; i < 5; i++) {
		const uint8_t *b = netfix_rx_buffer(f, i);

		assert_true(vdrv_take(&f->d, 0, &id, &len));
		assert_int_equal(id, i);
		assert_memory_equal(b + (i ? 0 : 12), frame + sum, len - (i ? 0 : 12));
		sum += len - (i ? 0 : 12);
	}
	assert_int_equal(sum, 4500);
	assert_true(f->wanted);
	/* more than the whole ring can hold: lost and counted, and the next one comes */
	netfix_rx_buffers(f, 0, 16, 100);
	assert_true(netfix_run(f));
	netfix_arrive(f, NULL, frame, 2000);
	netfix_arrive(f, NULL, frame, 60);
	assert_true(netfix_run(f));
	assert_int_equal(f->net->rx.dropped, 1);
	assert_true(vdrv_take(&f->d, 0, &id, &len));
	assert_int_equal(len, 72);
	netfix_free(f);
}

static void test_no_merge(void **state)
{
	struct netfix *f = up(&user, 0, 16);
	uint32_t id, len;

	netfix_rx_buffers(f, 0, 4, 1526);
	assert_true(netfix_run(f));
	netfix_arrive(f, NULL, frame, 3000); /* no buffer of this driver's can hold it */
	netfix_arrive(f, NULL, frame, 1514);
	assert_true(vdrv_take(&f->d, 0, &id, &len));
	assert_int_equal(len, 1526);
	assert_int_equal(f->net->rx.dropped, 1);
	assert_int_equal(f->net->rx.packets, 1);
	netfix_free(f);
}

/* Without buffers nothing is lost, and the host end is left in peace. */
static void test_receive_waits(void **state)
{
	struct netfix *f = up(&user, MERGE, 64);
	uint8_t small[60] = { 0 };
	uint32_t id, len;
	unsigned asked;

	assert_true(f->wanted);
	for (unsigned i = 0; i < 40; i++) {
		small[20] = i;
		netfix_arrive(f, NULL, small, sizeof(small));
	}
	assert_false(f->wanted);
	asked = f->asked;
	assert_true(netfix_run(f));
	assert_int_equal(f->asked, asked);
	netfix_rx_buffers(f, 0, 40, 200);
	assert_true(netfix_run(f));
	for (unsigned i = 0; i < 40; i++) {
		assert_true(vdrv_take(&f->d, 0, &id, &len));
		assert_int_equal(netfix_rx_buffer(f, id)[12 + 20], i);
	}
	assert_true(f->wanted);
	assert_int_equal(f->net->rx.dropped, 0);
	netfix_free(f);
}

/* Offloads that the driver did not agree to do not reach it. */
static void test_receive_offload(void **state)
{
	const hdr csum = { .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM, .csum_start = 34, .csum_offset = 16 };
	const hdr gso = { .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
		.gso_type = VIRTIO_NET_HDR_GSO_TCPV4,
		.gso_size = 1448,
		.csum_start = 34,
		.csum_offset = 16 };
	struct netfix *f = up(&tap, MERGE, 16);

	netfix_rx_buffers(f, 0, 4, 2000);
	assert_true(netfix_run(f));
	netfix_arrive(f, &csum, frame, 100);
	netfix_arrive(f, &gso, frame, 1600);
	assert_int_equal(f->net->rx.dropped, 2);
	netfix_start(f, MERGE | CSUMS | F(VIRTIO_NET_F_GUEST_TSO4), 16);
	netfix_rx_buffers(f, 0, 4, 2000);
	assert_true(netfix_run(f));
	netfix_arrive(f, &csum, frame, 100);
	netfix_arrive(f, &gso, frame, 1600);
	assert_int_equal(f->net->rx.packets, 2);
	assert_memory_equal(netfix_rx_buffer(f, 1), &gso, 10);
	netfix_free(f);
}

static void test_link(void **state)
{
	struct netfix *f = up(&user, MERGE | F(VIRTIO_NET_F_STATUS), 16);

	fake_msi_take(f->vm, NETFIX_MSI);
	netfix_set_link(f, false);
	assert_true(netfix_run(f));
	assert_int_equal(fake_msi_take(f->vm, NETFIX_MSI), 1);
	assert_int_equal(vdrv_read(&f->d, f->d.device + 6, 2), 0);
	assert_false(f->wanted);
	netfix_tx(f, 0, NULL, frame, 60);
	assert_true(netfix_run(f));
	assert_int_equal(f->nout, 0);
	assert_int_equal(f->net->tx.dropped, 1);
	netfix_set_link(f, true);
	netfix_set_link(f, true);
	assert_true(netfix_run(f));
	assert_int_equal(fake_msi_take(f->vm, NETFIX_MSI), 1);
	assert_true(f->wanted);
	netfix_tx(f, 1, NULL, frame, 60);
	assert_true(netfix_run(f));
	assert_int_equal(f->nout, 1);
	netfix_free(f);
}

/* Paused: no frame to the guest, nothing taken from it; afterwards all goes on. */
static void test_pause(void **state)
{
	struct netfix *f = up(&user, MERGE, 16);

	netfix_rx_buffers(f, 0, 4, 2000);
	assert_true(netfix_run(f));
	fake_quiesce(f->vm);
	assert_true(f->paused);
	fake_dirty_clear(f->vm);
	netfix_arrive(f, NULL, frame, 60);
	netfix_tx(f, 0, NULL, frame, 60);
	vmc_device_lock(f->vm);
	f->net->dev_ops->input_ready(f->net->dev); /* in spite of it */
	vmc_device_unlock(f->vm);
	assert_true(netfix_run(f));
	assert_int_equal(f->nout, 0);
	assert_int_equal(vdrv_used(&f->d, 0)[1], 0);
	assert_false(fake_dirty_take(f->vm, NETFIX_RX));
	fake_resume(f->vm);
	assert_true(netfix_run(f));
	assert_false(f->paused);
	assert_int_equal(f->nout, 1);
	assert_int_equal(vdrv_used(&f->d, 0)[1], 1);
	netfix_free(f);
}

/* Saved with frames on their way in both directions, loaded elsewhere: all of them arrive. */
static void test_saved(void **state)
{
	static const struct dev_net_config other = {
		.name = "net0", .mac = { 2, 9, 9, 9, 9, 9 }, .mtu = 65520, .csum = true
	};
	struct netfix *f = up(&user, MERGE, 16), *g = netfix_new(&other);
	struct vmc_out out;
	struct vmc_in in;

	f->room = 1;
	for (unsigned i = 0; i < 3; i++)
		netfix_tx(f, i, NULL, frame + i, 60);
	netfix_arrive(f, NULL, frame, 300);
	assert_true(netfix_run(f));
	assert_int_equal(f->nout, 1);
	fake_quiesce(f->vm);
	fake_save(f->vm, "net0", &out);
	fake_copy(g->vm, f->vm);
	assert_int_equal(fake_load(g->vm, "net0", out.data, out.len, &in), 0);
	g->d = f->d;
	g->d.io.ctx = g->vm;
	fake_resume(g->vm);
	assert_true(netfix_run(g));
	assert_int_equal(g->nout, 2);
	assert_memory_equal(g->out[1].data + 12, frame + 2, 60);
	netfix_rx_buffers(g, 0, 1, 2000);
	assert_true(netfix_run(g));
	assert_int_equal(vdrv_used(&g->d, 0)[1], 1);
	assert_true(got(netfix_rx_buffer(g, 0), 300));
	assert_memory_equal(g->net->mac, user.mac, 6); /* the guest has it in its tables */
	vmc_out_free(&out);
	netfix_free(f);
	netfix_free(g);
}

/* A state that says nonsense changes nothing. */
static void test_bad_state(void **state)
{
	struct netfix *f = up(&user, MERGE, 16), *g;
	struct vmc_out out;
	struct vmc_in in;
	unsigned refused = 0;

	netfix_arrive(f, NULL, frame, 300);
	assert_true(netfix_run(f));
	fake_quiesce(f->vm);
	fake_save(f->vm, "net0", &out);
	for (size_t len = 0; len < out.len; len += 37) {
		g = netfix_new(&user);
		fake_copy(g->vm, f->vm);
		assert_true(fake_load(g->vm, "net0", out.data, len, &in) < 0);
		netfix_free(g);
		refused++;
	}
	assert_true(refused > 10);
	vmc_out_free(&out);
	netfix_free(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_offered),
		cmocka_unit_test(test_send),
		cmocka_unit_test(test_checksum),
		cmocka_unit_test(test_tap_header_passes),
		cmocka_unit_test(test_uncut),
		cmocka_unit_test(test_bad_headers),
		cmocka_unit_test(test_broken_rings),
		cmocka_unit_test(test_send_waits),
		cmocka_unit_test(test_receive),
		cmocka_unit_test(test_merge),
		cmocka_unit_test(test_no_merge),
		cmocka_unit_test(test_receive_waits),
		cmocka_unit_test(test_receive_offload),
		cmocka_unit_test(test_link),
		cmocka_unit_test(test_pause),
		cmocka_unit_test(test_saved),
		cmocka_unit_test(test_bad_state),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
