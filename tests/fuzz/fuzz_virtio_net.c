/*
 * fuzz_virtio_net.c - a network card driven by the fuzzer: registers, rings, headers, frames that come,
 * a host end that is full, link, pause, save and load in any order. Begins with a card that works. After
 * it all a reset mends everything: a frame goes each way.
 */
#include <linux/virtio_net.h>
#include <stdlib.h>
#include <string.h>

#include "tests/fuzz/reader.h"
#include "tests/lib/netfix.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void arrive(struct netfix *f, struct reader *r)
{
	static uint8_t frame[DEV_NET_FRAME_MAX];
	uint8_t hdr[DEV_NET_HDR];
	uint16_t len = get(r, 2);

	for (unsigned i = 0; i < sizeof(hdr); i++)
		hdr[i] = get(r, 1);
	netfix_arrive(f, hdr, frame, len);
}

static void step(struct netfix *f, struct reader *r)
{
	static const uint32_t pages[] = { 0x0000, 0x1000, 0x2000, 0x3000, 0x4000, 0x5000 };
	uint8_t op = get(r, 1), len = 1u << (op >> 6);
	uint64_t value, addr;
	size_t n;

	switch (op & 15) {
	case 0:
	case 1:
		addr = f->d.bar + pages[get(r, 1) % 6] + get(r, 1);
		value = get(r, len);
		fake_io(f->vm, VMC_BUS_MMIO, addr, &value, len, op & 1);
		break;
	case 2:
		vdrv_cfg_write(&f->d, get(r, 1) & 0xfc, 4, get(r, 4));
		break;
	case 3: /* into the rings */
		addr = NETFIX_RING + (get(r, 2) & 0x7fff);
		for (n = get(r, 1) & 31; n; n--)
			*fake_ram(f->vm, addr++) = get(r, 1);
		break;
	case 4: /* into a header that is to be sent */
		addr = NETFIX_TX + (get(r, 1) & 15);
		for (n = get(r, 1) & 15; n; n--)
			*fake_ram(f->vm, addr++) = get(r, 1);
		break;
	case 5:
	case 6:
		vdrv_set_desc(&f->d, op >> 4 & 1, get(r, 1) & 15,
			(op & 32 ? NETFIX_TX : NETFIX_RX) + (get(r, 1) & 3), get(r, 2), get(r, 1) & 7,
			get(r, 1) & 31);
		break;
	case 7:
	case 8:
		vdrv_add(&f->d, op >> 4 & 1, get(r, 1) & 31);
		vdrv_kick(&f->d, op >> 4 & 1);
		break;
	case 9:
		arrive(f, r);
		break;
	case 10:
		f->nout = 0;
		netfix_output_ready(f, get(r, 1) & 7);
		break;
	case 11:
		op & 16 ? fake_quiesce(f->vm) : fake_resume(f->vm);
		break;
	case 12:
		save_and_load(f->vm, "net0", r);
		break;
	case 13:
		fake_reset(f->vm);
		break;
	case 14:
		netfix_set_link(f, op & 16);
		break;
	default:
		if (!netfix_run(f))
			abort();
	}
}

/* A frame each way, from a driver that starts anew. */
static void works(struct netfix *f)
{
	static const uint8_t frame[60] = { 'a', 'l', 'i', 'v', 'e' };
	uint32_t id, len;

	netfix_set_link(f, true);
	f->nin = f->in_next = 0;
	netfix_output_ready(f, NETFIX_KEEP);
	netfix_start(f, 1ull << VIRTIO_NET_F_MRG_RXBUF, 16);
	f->nout = 0;
	netfix_tx(f, 0, NULL, frame, sizeof(frame));
	if (!netfix_run(f) || f->nout != 1 || memcmp(f->out[0].data + 12, frame, sizeof(frame)))
		abort();
	netfix_rx_buffers(f, 0, 1, 2000);
	netfix_arrive(f, NULL, frame, sizeof(frame));
	if (!netfix_run(f) || !vdrv_take(&f->d, 0, &id, &len) || len != 72)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct dev_net_config cfg[2] = {
		{ .name = "net0", .mac = { 2 }, .mtu = 65520, .csum = true },
		{ .name = "net0",
			.mac = { 2 },
			.offload = DEV_NET_CSUM | DEV_NET_TSO4 | DEV_NET_TSO6 | DEV_NET_TSO_ECN },
	};
	struct netfix *f = netfix_new(&cfg[size & 1]);
	struct reader r = { data, size };
	unsigned i;

	netfix_start(f, (vdrv_offered(&f->d) & ~(size & 2 ? VD_F_EVENT_IDX : 0)), 16);
	for (i = 0; i < 400 && r.left; i++)
		step(f, &r);
	if (!netfix_run(f))
		abort();
	fake_reset(f->vm);
	fake_resume(f->vm);
	if (!vdrv_find(&f->d, &f->d.io, MACHINE_NET_SLOT))
		abort();
	works(f);
	netfix_free(f);
	return 0;
}
