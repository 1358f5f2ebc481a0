/* netfix.c - a network card on a fake VM (netfix.h). */
#include "tests/lib/netfix.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const uint8_t no_header[DEV_NET_HDR];

static void die(const char *what)
{
	fprintf(stderr, "netfix: %s\n", what);
	abort();
}

static void host_output(void *host, struct dev_net_batch *b)
{
	struct netfix *f = host;

	while (b->next < b->n && f->room && f->nout < NETFIX_KEEP) {
		f->out[f->nout].len = b->len[b->next];
		memcpy(f->out[f->nout++].data, b->slot[b->next], b->len[b->next]);
		b->next++;
		f->room--;
	}
	if (f->nout == NETFIX_KEEP)
		b->next = b->n; /* enough to see */
}

static void host_input(void *host, struct dev_net_batch *b)
{
	struct netfix *f = host;

	f->asked++;
	while (b->n < DEV_NET_BATCH && f->in_next < f->nin) {
		b->len[b->n] = f->in[f->in_next].len;
		memcpy(b->slot[b->n++], f->in[f->in_next].data, f->in[f->in_next].len);
		f->in_next++;
	}
	if (f->in_next == f->nin)
		f->in_next = f->nin = 0;
}

static void host_wanted(void *host, bool on)
{
	((struct netfix *)host)->wanted = on;
}

static void host_offload(void *host, unsigned flags)
{
	((struct netfix *)host)->offload = flags;
}

static void host_paused(void *host, bool on)
{
	((struct netfix *)host)->paused = on;
}

static const struct dev_net_host_ops host_ops = {
	.output = host_output,
	.input = host_input,
	.input_wanted = host_wanted,
	.offload = host_offload,
	.paused = host_paused,
};

struct netfix *netfix_new(const struct dev_net_config *cfg)
{
	const struct machine_config mc = { .cols = 80, .rows = 24, .nets = cfg, .nnets = 1 };
	struct netfix *f = calloc(1, sizeof(*f));

	if (!f)
		die("no memory");
	f->out = calloc(NETFIX_KEEP, sizeof(*f->out));
	f->in = calloc(NETFIX_KEEP, sizeof(*f->in));
	if (!f->out || !f->in)
		die("no memory");
	f->fix = fix_new_with(&mc);
	f->vm = f->fix->vm;
	f->m = f->fix->m;
	f->net = machine_net(f->m, 0);
	f->net->host_ops = &host_ops;
	f->net->host = f;
	f->room = NETFIX_KEEP;
	fix_find(f->fix, &f->d, MACHINE_NET_SLOT);
	return f;
}

void netfix_free(struct netfix *f)
{
	fix_free(f->fix);
	free(f->out);
	free(f->in);
	free(f);
}

bool netfix_run(struct netfix *f)
{
	return fix_run(f->fix);
}

void netfix_start(struct netfix *f, uint64_t features, uint16_t size)
{
	if (vdrv_start(&f->d, features, size, NETFIX_RING, NETFIX_MSI) != 15 || !netfix_run(f))
		die("the card did not come up");
}

void netfix_tx(struct netfix *f, unsigned n, const void *hdr, const void *frame, uint32_t len)
{
	uint64_t at = NETFIX_TX + (uint64_t)n * 0x11000;

	memcpy(fake_ram(f->vm, at), hdr ? hdr : no_header, DEV_NET_HDR);
	memcpy(fake_ram(f->vm, at + DEV_NET_HDR), frame, len);
	vdrv_set_desc(&f->d, 1, n, at, DEV_NET_HDR + len, 0, 0);
	vdrv_add(&f->d, 1, n);
	vdrv_kick(&f->d, 1);
}

uint8_t *netfix_rx_buffer(struct netfix *f, unsigned n)
{
	return fake_ram(f->vm, NETFIX_RX + n * (uint64_t)0x4000);
}

void netfix_rx_buffers(struct netfix *f, unsigned first, unsigned count, uint32_t len)
{
	for (unsigned i = first; i < first + count; i++) {
		vdrv_set_desc(&f->d, 0, i, NETFIX_RX + i * (uint64_t)0x4000, len, VD_WRITE, 0);
		vdrv_add(&f->d, 0, i);
	}
	vdrv_kick(&f->d, 0);
}

void netfix_arrive(struct netfix *f, const void *hdr, const void *frame, uint32_t len)
{
	if (f->nin < NETFIX_KEEP) {
		struct netfix_frame *in = &f->in[f->nin++];

		in->len = DEV_NET_HDR + len;
		memcpy(in->data, hdr ? hdr : no_header, DEV_NET_HDR);
		memcpy(in->data + DEV_NET_HDR, frame, len);
	}
	if (!f->wanted)
		return;
	vmc_device_lock(f->vm);
	f->net->dev_ops->input_ready(f->net->dev);
	vmc_device_unlock(f->vm);
}

void netfix_output_ready(struct netfix *f, unsigned room)
{
	f->room = room;
	vmc_device_lock(f->vm);
	f->net->dev_ops->output_ready(f->net->dev);
	vmc_device_unlock(f->vm);
}

void netfix_set_link(struct netfix *f, bool up)
{
	vmc_device_lock(f->vm);
	f->net->dev_ops->set_link(f->net->dev, up);
	vmc_device_unlock(f->vm);
}

struct vmc_device_info netfix_info(struct netfix *f)
{
	return fix_info(f->fix, f->net->name);
}
