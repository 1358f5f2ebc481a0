/*
 * virtio_console.c - a console of one port: bytes both ways, and a size.
 *
 * Spec: virtio 1.2 §5.3 with VIRTIO_CONSOLE_F_SIZE; no MULTIPORT, no EMERG_WRITE. Queue 0 receives,
 * 1 transmits.
 *
 * Threads: queues and stream on the main loop, configuration reads and reset on vCPU threads;
 * device lock held.
 *
 * Back-pressure: when the host end takes less than it was offered, the transmit chain stays at the
 * head of the queue (only the offset into it is kept) until the host end is ready; input that finds
 * no buffer is refused, and asked for again when the guest kicks queue 0.
 */
#include "devices/models.h"

#include <errno.h>
#include <linux/virtio_console.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { RX, TX };
enum {
	TURN_BYTES = 64 * 1024, /* transmitted in one turn of the main loop */
	TURN_CHAINS = 128,      /* chains looked at in one turn, either way */
};

struct console {
	struct vdev v;
	struct dev_stream stream;
	uint16_t cols, rows;           /* what the host end wants */
	uint16_t told_cols, told_rows; /* what the guest was told last */
	uint32_t tx_off; /* bytes of the chain at the head of TX that are out already */
	bool tx_stalled; /* the host end is full */
	bool rx_refused; /* the host end holds input for us */
	struct virtq_chain chain;
};

static struct console *console(struct vdev *v)
{
	return (struct console *)((char *)v - offsetof(struct console, v));
}

/* Sends what is left of the chain. Return: true when all is out; @budget is what this turn may
 * still send. */
static bool send_chain(struct console *c, struct virtq *q, uint32_t *budget)
{
	uint8_t buf[4096];

	while (c->tx_off < c->chain.out_len && *budget) {
		size_t want = *budget < sizeof(buf) ? *budget : sizeof(buf), took;
		ssize_t n = virtq_read(q, &c->chain, c->tx_off, buf, want);

		if (n <= 0)
			return false;
		took = dev_stream_output(&c->stream, buf, n);
		c->tx_off += took;
		*budget -= took;
		if (took < (size_t)n) {
			c->tx_stalled = true;
			return false;
		}
	}
	return c->tx_off >= c->chain.out_len;
}

/* The next chain of @queue, asking for a kick when there is none. Return: as virtq_peek(). */
static int next_chain(struct console *c, unsigned queue)
{
	struct virtq *q = &c->v.vq[queue];
	int rc = virtq_peek(q, &c->chain);

	if (rc == 0 && virtq_notify_on(q))
		rc = virtq_peek(q, &c->chain); /* it came in between */
	if (rc != 1)
		return rc;
	if (queue == TX && c->chain.nin)
		return virtq_break(q, "queue 1: writable buffer in the transmit queue");
	if (queue == RX && c->chain.nout)
		return virtq_break(q, "queue 0: readable buffer in the receive queue");
	return 1;
}

static void transmit(struct console *c)
{
	struct virtq *q = &c->v.vq[TX];
	uint32_t budget = TURN_BYTES;
	unsigned chains = TURN_CHAINS;

	virtq_notify_off(q);
	while (budget && chains) {
		if (next_chain(c, TX) != 1)
			break;
		chains--;
		if (!send_chain(c, q, &budget))
			break;
		c->tx_off = 0;
		virtq_take(q);
		virtq_push(q, c->chain.head, 0);
	}
	vdev_used(&c->v, TX);
	if (!c->tx_stalled && !(budget && chains))
		c->v.transport->requeue(
			&c->v, TX); /* the rest in another turn: others want one too */
}

static void con_kick(struct vdev *v, unsigned queue)
{
	struct console *c = console(v);

	if (queue == TX && !c->tx_stalled) {
		transmit(c);
	} else if (queue == RX && c->rx_refused) {
		c->rx_refused = false;
		if (c->stream.host_ops)
			c->stream.host_ops->input_ready(c->stream.host);
	}
}

static void con_output_ready(void *dev)
{
	struct console *c = dev;

	if (!c->tx_stalled)
		return;
	c->tx_stalled = false;
	/* Not from here: the host end may be in the middle of its own work. */
	c->v.transport->requeue(&c->v, TX);
}

static size_t con_input(void *dev, const void *buf, size_t len)
{
	struct console *c = dev;
	struct virtq *q = &c->v.vq[RX];
	unsigned chains = TURN_CHAINS;
	size_t done = 0;
	ssize_t n;

	if (!vdev_live(&c->v, RX)) {
		c->rx_refused = len > 0;
		return 0;
	}
	virtq_notify_off(q);
	while (done < len && chains) {
		if (next_chain(c, RX) != 1)
			break;
		chains--;
		n = virtq_write(q, &c->chain, 0, (const uint8_t *)buf + done, len - done);
		if (n < 0)
			break;
		virtq_take(q);
		virtq_push(q, c->chain.head,
			n); /* n is 0 for a buffer without room: given back as it is */
		done += n;
	}
	vdev_used(&c->v, RX);
	c->rx_refused = done < len;
	if (c->rx_refused && !chains)
		c->v.transport->requeue(
			&c->v, RX); /* there may be more buffers; ask the host end again */
	return done;
}

static void tell_size(struct console *c)
{
	c->told_cols = c->cols;
	c->told_rows = c->rows;
	/* §5.3.4: the size is there for drivers that negotiated it; others are not disturbed. */
	if (c->v.features & VIRTIO_BIT(VIRTIO_CONSOLE_F_SIZE))
		vdev_config_changed(&c->v);
}

static void con_resize(void *dev, uint16_t cols, uint16_t rows)
{
	struct console *c = dev;

	if (c->cols == cols && c->rows == rows)
		return;
	c->cols = cols;
	c->rows = rows;
	tell_size(c);
}

static const struct dev_stream_dev_ops stream_ops = {
	.input = con_input,
	.output_ready = con_output_ready,
	.resize = con_resize,
};

static void con_config(struct vdev *v, void *config)
{
	const struct console *c = console(v);
	const struct virtio_console_config x = {
		.cols = c->cols, .rows = c->rows, .max_nr_ports = 1
	};

	memcpy(config, &x, sizeof(x));
}

static void con_queue_reset(struct vdev *v, unsigned queue)
{
	struct console *c = console(v);

	if (queue == TX) {
		c->tx_off = 0;
		c->tx_stalled = false; /* a host end that is still full says so again */
	} else {
		c->rx_refused =
			true; /* whatever it holds, it shall try again when there are buffers */
	}
}

static void con_reset(struct vdev *v)
{
	con_queue_reset(v, TX);
	con_queue_reset(v, RX);
}

/* Input was refused while we were quiet, or by the machine whose state was loaded: let the host end
 * try. */
static void con_resume(struct vdev *v)
{
	struct console *c = console(v);

	c->rx_refused = true;
	if (c->told_cols != c->cols || c->told_rows != c->rows)
		tell_size(c); /* the loaded guest knew another size than the screen has now */
}

static void con_describe(const struct vdev *v, char *note, size_t size)
{
	const struct console *c =
		(const struct console *)((const char *)v - offsetof(struct console, v));

	snprintf(note, size, "%ux%u%s", c->cols, c->rows,
		c->tx_stalled ? "; waits for a slow reader" : "");
}

static void con_save(struct vdev *v, struct vmc_out *out)
{
	const struct console *c = console(v);

	vmc_out_u32(out, c->tx_off);
	vmc_out_u16(out, c->told_cols);
	vmc_out_u16(out, c->told_rows);
}

static int con_load(struct vdev *v, struct vmc_in *in)
{
	struct console *c = console(v);
	uint32_t tx_off = vmc_in_u32(in);
	uint16_t cols = vmc_in_u16(in), rows = vmc_in_u16(in);
	int rc = vmc_in_end(in);

	if (rc < 0)
		return rc;
	con_reset(v);
	c->tx_off = tx_off; /* beyond the chain: taken as all out */
	c->told_cols = cols;
	c->told_rows = rows;
	return 0;
}

static void con_destroy(struct vdev *v)
{
	free(console(v));
}

static const struct vdev_ops virtio_console_ops = {
	.name = "virtio-console",
	.virtio_id = 3,        /* §5.3.1 */
	.pci_class = 0x078000, /* simple communication controller */
	.nqueues = 2,          /* §5.3.2 */
	.queue_size = 128,
	.features = VIRTIO_BIT(VIRTIO_CONSOLE_F_SIZE),
	.config_len = sizeof(struct virtio_console_config),
	.config_read = con_config,
	.kick = con_kick,
	.reset = con_reset,
	.queue_reset = con_queue_reset,
	.resume = con_resume,
	.describe = con_describe,
	.save = con_save,
	.load = con_load,
	.destroy = con_destroy,
};

int virtio_console_new(struct vmc_vm *vm, const char *stream_name, uint16_t cols, uint16_t rows,
	struct vdev **out, struct dev_stream **stream)
{
	struct console *c = calloc(1, sizeof(*c));

	if (!c)
		return vmc_fail(vm, -ENOMEM, "no memory for a virtio console");
	vdev_init(&c->v, &virtio_console_ops, vm);
	c->cols = c->told_cols = cols;
	c->rows = c->told_rows = rows;
	c->rx_refused = true;
	c->stream = (struct dev_stream){ .name = stream_name, .dev_ops = &stream_ops, .dev = c };
	*out = &c->v;
	*stream = &c->stream;
	return 0;
}
