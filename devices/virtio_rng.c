/*
 * virtio_rng.c - an entropy source: random bytes from the host's getrandom().
 *
 * Spec: virtio 1.2 §5.4. One queue of buffers to fill; a buffer may come back partly filled (§5.4.6.1).
 *
 * Rate: at most @rate bytes a second, handed out in a tenth of it each 100 ms. A guest that asks for more finds
 * its buffers still in the queue until the timer gives the next tenth; the main loop never waits. In one
 * turn of the main loop TURN_BYTES at most: other devices want a turn too.
 *
 * Threads: queue and timer on the main loop, reset on vCPU threads; device lock held.
 */
#include "devices/models.h"

#include <errno.h>
#include <event2/event.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

enum {
	PERIOD_MS = 100,
	TURN_BYTES = 16 * 1024,
	TURN_CHAINS = 128,
	PIECE = 256, /* getrandom() gives up to that much whole, whatever signals come (getrandom(2)) */
};

struct rng {
	struct vdev v;
	uint64_t rate;	 /* bytes a second, 0: as many as are asked for */
	uint64_t budget; /* left of this period */
	bool waiting;	 /* the guest wants more than there is: the timer runs */
	uint64_t given;	 /* bytes, since the VM was made */
	uint64_t waits;	 /* periods that were used up */
	struct event *timer;
	struct virtq_chain chain;
};

static struct rng *rng(struct vdev *v)
{
	return (struct rng *)((char *)v - offsetof(struct rng, v));
}

static uint64_t allowance(const struct rng *r)
{
	return r->rate ? (r->rate * PERIOD_MS + 999) / 1000 : UINT64_MAX;
}

static void start_timer(struct rng *r)
{
	const struct timeval period = { 0, PERIOD_MS * 1000 };

	if (r->timer && !evtimer_pending(r->timer, NULL))
		evtimer_add(r->timer, &period);
}

/* A period is over. Nothing asked for in it: the timer stops until somebody asks again. */
static void period_over(evutil_socket_t fd, short what, void *arg)
{
	struct rng *r = arg;
	bool waited = r->waiting;

	(void)fd;
	(void)what;
	vmc_device_lock(r->v.vm);
	r->budget = allowance(r);
	r->waiting = false;
	if (waited)
		r->v.transport->requeue(&r->v, 0);
	vmc_device_unlock(r->v.vm);
}

/* Random bytes into the chain, @room at most. Return: how many, 0 when the host has none yet, -errno of the ring. */
static ssize_t fill(struct rng *r, uint32_t room)
{
	uint8_t bytes[PIECE];
	uint32_t done = 0;
	ssize_t n, put = 0;

	if (room > r->chain.in_len)
		room = r->chain.in_len;
	while (done < room) {
		n = getrandom(bytes, room - done < PIECE ? room - done : PIECE, GRND_NONBLOCK);
		if (n <= 0)
			break; /* just booted: the host's own pool is not ready */
		put = virtq_write(&r->v.vq[0], &r->chain, done, bytes, n);
		if (put < 0)
			break;
		done += put;
	}
	memset(bytes, 0, sizeof(bytes));
	/* The compiler must not see that nobody reads them again: they are the guest's secrets now. */
	__asm__ volatile("" : : "r"(bytes) : "memory");
	return put < 0 ? put : (ssize_t)done;
}

/* The next chain, asking for a kick when there is none. Return: as virtq_peek(). */
static int next_chain(struct rng *r)
{
	struct virtq *q = &r->v.vq[0];
	int rc = virtq_peek(q, &r->chain);

	if (rc == 0 && virtq_notify_on(q))
		rc = virtq_peek(q, &r->chain); /* it came in between */
	if (rc == 1 && r->chain.nout)
		return virtq_break(q, "queue 0: readable buffer, there is nothing to tell this device");
	return rc;
}

static void rng_kick(struct vdev *v, unsigned queue)
{
	struct rng *r = rng(v);
	uint32_t turn = TURN_BYTES;
	unsigned chains;

	(void)queue;
	virtq_notify_off(&v->vq[0]);
	for (chains = 0; chains < TURN_CHAINS && turn; chains++) {
		uint64_t room = r->budget < turn ? r->budget : turn;
		ssize_t n;

		if (next_chain(r) != 1)
			break;
		n = fill(r, room);
		if (n < 0)
			break;
		if (n == 0 && r->chain.in_len) { /* the buffer stays where it is */
			r->waiting = true;
			r->waits++;
			break;
		}
		virtq_take(&v->vq[0]);
		virtq_push(&v->vq[0], r->chain.head, n);
		turn -= n;
		r->given += n;
		if (r->rate)
			r->budget -= n;
	}
	vdev_used(v, 0);
	if (r->rate || r->waiting)
		start_timer(r);
	if (!r->waiting && (chains == TURN_CHAINS || !turn))
		v->transport->requeue(v, 0);
}

static void rng_queue_reset(struct vdev *v, unsigned queue)
{
	(void)queue;
	rng(v)->waiting = false; /* not the budget: a guest could reset its way round the rate */
}

static void rng_reset(struct vdev *v)
{
	rng_queue_reset(v, 0);
}

static void rng_describe(const struct vdev *v, char *note, size_t size)
{
	const struct rng *r = (const struct rng *)((const char *)v - offsetof(struct rng, v));

	snprintf(note, size, "%llu bytes given%s", (unsigned long long)r->given,
		r->waiting ? "; waits for its rate" : "");
}

/* Nothing of it is the guest's: bytes come from the host it runs on, and so does their rate. */
static void rng_save(struct vdev *v, struct vmc_out *out)
{
	(void)v;
	(void)out;
}

static int rng_load(struct vdev *v, struct vmc_in *in)
{
	int rc = vmc_in_end(in);

	if (rc == 0)
		rng_reset(v);
	return rc;
}

static void rng_detach(struct vdev *v)
{
	struct rng *r = rng(v);

	if (r->timer)
		event_free(r->timer);
	r->timer = NULL;
}

static void rng_destroy(struct vdev *v)
{
	rng_detach(v);
	free(rng(v));
}

static const struct vdev_ops virtio_rng_ops = {
	.name = "virtio-rng",
	.virtio_id = 4,	       /* §5.4.1 */
	.pci_class = 0x00ff00, /* no class of its own */
	.nqueues = 1,	       /* §5.4.2 */
	.queue_size = 64,
	.kick = rng_kick,
	.reset = rng_reset,
	.queue_reset = rng_queue_reset,
	.describe = rng_describe,
	.save = rng_save,
	.load = rng_load,
	.detach = rng_detach,
	.destroy = rng_destroy,
};

int virtio_rng_new(struct vmc_vm *vm, struct event_base *base, uint64_t rate, struct vdev **out)
{
	struct rng *r = calloc(1, sizeof(*r));

	if (!r)
		return vmc_fail(vm, -ENOMEM, "no memory for a virtio entropy source");
	vdev_init(&r->v, &virtio_rng_ops, vm);
	r->rate = rate;
	r->budget = allowance(r);
	r->timer = evtimer_new(base, period_over, r);
	if (!r->timer) {
		free(r);
		return vmc_fail(vm, -ENOMEM, "no memory for a timer");
	}
	*out = &r->v;
	return 0;
}
