/*
 * virtio_vsock.c - sockets between guest and host, carried by the kernel (vhost.h).
 *
 * Spec: virtio 1.2 §5.10. Queue 0 brings packets to the guest, 1 takes them from it, and in 2 the device says
 * that all connections are gone: after a snapshot was loaded, for the host's ends of them know nothing of that.
 *
 * The guest's buffers are taken from its queues and checked here, passed on to vhost in rings of ours, and pushed back
 * when vhost is done with them. So a guest that breaks the rules of a queue meets the same code as everywhere;
 * each page that vhost writes is marked; masks, INTx and suppressed interrupts need nothing of their own.
 * Passing on costs a turn of the main loop, no copy.
 *
 * What is with vhost is known by the heads of its chains, in order. When vhost starts (again), they are read and checked
 * anew: after a pause, a load, a reset of one of the queues.
 *
 * Threads: queues and eventfds on the main loop, resets on vCPU threads, which stop vhost and touch no queue of the
 * guest; device lock held.
 */
#include "devices/models.h"
#include "devices/vhost.h"
#include "devices/relay.h"
#include "devices/work.h"

#include <errno.h>
#include <linux/virtio_vsock.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum { RX, TX, EVENT, QUEUES };
enum { QUEUE = 128, HEADER = sizeof(struct virtio_vsock_hdr) };

struct ring {
	struct vsock *s;
	unsigned index;
	struct relay relay;
	struct dev_work call;
	int kick;             /* eventfd */
	uint16_t head[QUEUE]; /* with vhost, in order */
	uint16_t n;
	uint64_t packets; /* since the VM was made */
};

struct vsock {
	struct vdev v;
	uint32_t cid;
	struct vhost *vhost;
	struct ring ring[VHOST_RINGS];
	struct dev_work err;
	bool running;    /* vhost has the rings */
	bool tell_reset; /* connections are gone, and the driver has not been told */
	struct virtq_chain chain;
};

static struct vsock *vsock(struct vdev *v)
{
	return (struct vsock *)((char *)v - offsetof(struct vsock, v));
}

static void stop(struct vsock *s)
{
	if (s->running)
		vhost_stop(s->vhost);
	s->running = false;
}

/* After a look at the queues: a device that is broken touches nothing. */
static void settle(struct vsock *s)
{
	if (s->v.status & VIRTIO_NEEDS_RESET)
		stop(s);
}

/* The next chain, asking for a kick when there is none. Return: as virtq_peek(). */
static int next_chain(struct vsock *s, struct virtq *q)
{
	int rc = virtq_peek(q, &s->chain);

	if (rc == 0 && virtq_notify_on(q))
		rc = virtq_peek(q, &s->chain); /* it came in between */
	return rc;
}

/* §5.10.6: a packet begins with its header; one direction a queue. */
static bool chain_ok(struct virtq *q, const struct virtq_chain *c)
{
	uint32_t len = q->index == TX ? c->out_len : c->in_len;

	if (q->index == TX ? c->nin : c->nout)
		virtq_break(q, "queue %u: a buffer of the other direction", q->index);
	else if (len < HEADER)
		virtq_break(q, "queue %u: %u bytes for a packet, whose header alone has %u", q->index, len,
			(unsigned)HEADER);
	return !q->broken;
}

/* Return: false when it has to wait, or the queue is broken. */
static bool pass_on(struct ring *r, struct virtq *q, const struct virtq_chain *c)
{
	if (!chain_ok(q, c))
		return false;
	if (r->n >= q->size) {
		virtq_break(q, "queue %u: more than its %u buffers", q->index, q->size);
		return false;
	}
	if (!relay_add(&r->relay, c))
		return false;
	r->head[r->n++] = c->head;
	return true;
}

static void kick_vhost(struct ring *r)
{
	const uint64_t one = 1;
	ssize_t n = write(r->kick, &one, sizeof(one));

	(void)n; /* EAGAIN: it has been kicked */
}

/* New buffers to vhost. What finds no room follows when others have come back. */
static void hand_over(struct ring *r)
{
	struct virtq *q = &r->s->v.vq[r->index];
	bool added = false;

	virtq_notify_off(q);
	while (next_chain(r->s, q) == 1 && pass_on(r, q, &r->s->chain)) {
		virtq_take(q);
		added = true;
	}
	if (added && relay_wants_kick(&r->relay))
		kick_vhost(r);
}

static void forget(struct ring *r, uint16_t head)
{
	unsigned i = 0;

	while (i < r->n && r->head[i] != head)
		i++;
	if (i == r->n)
		return;
	r->n--;
	memmove(r->head + i, r->head + i + 1, (r->n - i) * sizeof(r->head[0]));
}

/* What vhost is done with, back to the guest. */
static void collect(struct ring *r)
{
	struct vdev *v = &r->s->v;
	struct virtq_done done;
	int rc;

	while ((rc = relay_take(&r->relay, &done)) == 1) {
		forget(r, done.head);
		r->packets++;
		if (virtq_push(&v->vq[r->index], done.head, done.written) < 0)
			return;
	}
	if (rc < 0)
		vdev_break(v, "vhost-vsock gave back a buffer that it never had");
	vdev_used(v, r->index);
}

/* What vhost has not got any more, in a ring that was emptied: read from the guest's queue again. */
static bool again(struct ring *r)
{
	struct vdev *v = &r->s->v;
	struct virtq *q = &v->vq[r->index];
	uint16_t n = r->n, heads[QUEUE];

	relay_clear(&r->relay);
	r->n = 0;
	if (!q->ready)
		return true;
	if ((uint16_t)(q->next_avail - q->used_idx) != n) {
		vdev_break(v, "queue %u: %u buffers are under way, and the indices say %u", r->index, n,
			(uint16_t)(q->next_avail - q->used_idx));
		return false;
	}
	memcpy(heads, r->head, sizeof(heads));
	for (unsigned i = 0; i < n; i++) {
		if (virtq_chain_at(q, heads[i], &r->s->chain) < 0)
			return false;
		if (!pass_on(r, q, &r->s->chain)) {
			virtq_break(q, "queue %u: buffers grew while they were under way", r->index);
			return false;
		}
	}
	return true;
}

static bool start(struct vsock *s)
{
	unsigned i;

	for (i = 0; i < VHOST_RINGS; i++) {
		if (s->v.vq[i].ready)
			collect(&s->ring[i]); /* left from before a reset of the other queue */
		if (!again(&s->ring[i]))
			return false;
	}
	if (vhost_start(s->vhost, s->v.features) < 0) {
		vdev_break(&s->v, "vhost-vsock does not start");
		return false;
	}
	s->running = true;
	for (i = 0; i < VHOST_RINGS; i++)
		kick_vhost(&s->ring[i]); /* it looks for what is there already */
	return true;
}

/* §5.10.6.7: all connections are gone, and the guest's CID may be another. */
static void tell_reset(struct vsock *s)
{
	const struct virtio_vsock_event event = { .id = VIRTIO_VSOCK_EVENT_TRANSPORT_RESET };
	struct virtq *q = &s->v.vq[EVENT];
	ssize_t n;

	if (!s->tell_reset || next_chain(s, q) != 1)
		return; /* the driver's next buffer comes with a kick */
	if (s->chain.nout || s->chain.in_len < sizeof(event)) {
		virtq_break(q, "queue 2: %u bytes for an event", s->chain.in_len);
		return;
	}
	n = virtq_write(q, &s->chain, 0, &event, sizeof(event));
	if (n < 0)
		return;
	s->tell_reset = false;
	virtq_take(q);
	virtq_push(q, s->chain.head, (uint32_t)n);
	vdev_used(&s->v, EVENT);
}

static void vsock_kick(struct vdev *v, unsigned queue)
{
	struct vsock *s = vsock(v);

	if (queue == EVENT)
		tell_reset(s);
	else if (s->running || start(s))
		hand_over(&s->ring[queue]);
	settle(s);
}

/* Main loop: vhost is done with buffers. */
static void called(void *arg)
{
	struct ring *r = arg;

	if (!r->s->running || !vdev_live(&r->s->v, r->index))
		return; /* they are looked at when vhost starts again */
	collect(r);
	hand_over(r);
	settle(r->s);
}

/* Main loop: vhost met something that it cannot use: a packet with a header that lies, or a host without memory. */
static void vhost_failed(void *arg)
{
	struct vsock *s = arg;

	if (s->running)
		vdev_break(&s->v, "vhost-vsock refused a packet (the host's kernel log may say why)");
	settle(s);
}

/* ---- life ---- */

static void vsock_config(struct vdev *v, void *config)
{
	const struct virtio_vsock_config c = { .guest_cid = vsock(v)->cid };

	memcpy(config, &c, sizeof(c));
}

static void empty(struct ring *r)
{
	relay_clear(&r->relay);
	r->n = 0;
}

static void vsock_reset(struct vdev *v)
{
	struct vsock *s = vsock(v);

	stop(s);
	for (unsigned i = 0; i < VHOST_RINGS; i++)
		empty(&s->ring[i]);
	s->tell_reset = false;
}

/* The other queue goes on, from the main loop. */
static void vsock_queue_reset(struct vdev *v, unsigned queue)
{
	struct vsock *s = vsock(v);

	if (queue >= VHOST_RINGS)
		return;
	stop(s);
	empty(&s->ring[queue]);
	v->transport->requeue(v, !queue);
}

static void vsock_dma_off(struct vdev *v)
{
	stop(vsock(v));
}

static void vsock_quiesce(struct vdev *v)
{
	struct vsock *s = vsock(v);

	if (!s->running)
		return;
	stop(s);
	for (unsigned i = 0; i < VHOST_RINGS; i++)
		if (v->vq[i].ready)
			collect(&s->ring[i]);
}

static void vsock_describe(const struct vdev *v, char *note, size_t size)
{
	const struct vsock *s = (const struct vsock *)((const char *)v - offsetof(struct vsock, v));

	snprintf(note, size, "CID %u, %llu packets to the guest, %llu from it", s->cid,
		(unsigned long long)s->ring[RX].packets, (unsigned long long)s->ring[TX].packets);
}

/* What vhost was done with while the guest allowed no access to its memory counts as under way: it is of
 * connections that are gone after a load. */
static void vsock_save(struct vdev *v, struct vmc_out *out)
{
	const struct vsock *s = vsock(v);

	for (unsigned i = 0; i < VHOST_RINGS; i++) {
		vmc_out_u16(out, s->ring[i].n);
		for (unsigned k = 0; k < s->ring[i].n; k++)
			vmc_out_u16(out, s->ring[i].head[k]);
	}
}

static int vsock_load(struct vdev *v, struct vmc_in *in)
{
	uint16_t n[VHOST_RINGS], heads[VHOST_RINGS][QUEUE];
	struct vsock *s = vsock(v);
	int rc;

	for (unsigned i = 0; i < VHOST_RINGS; i++) {
		n[i] = vmc_in_u16(in);
		if (!in->error && n[i] > QUEUE)
			return vmc_in_fail(in, -EBADMSG, "%u buffers under way", n[i]);
		for (unsigned k = 0; k < n[i] && !in->error; k++)
			heads[i][k] = vmc_in_u16(in);
	}
	rc = vmc_in_end(in);
	if (rc < 0)
		return rc;
	vsock_reset(v);
	for (unsigned i = 0; i < VHOST_RINGS; i++) {
		s->ring[i].n = n[i];
		memcpy(s->ring[i].head, heads[i], n[i] * sizeof(heads[i][0]));
	}
	s->tell_reset = true;
	return 0;
}

static void vsock_detach(struct vdev *v)
{
	struct vsock *s = vsock(v);

	stop(s);
	for (unsigned i = 0; i < VHOST_RINGS; i++)
		dev_work_detach(&s->ring[i].call);
	dev_work_detach(&s->err);
}

static void vsock_destroy(struct vdev *v)
{
	struct vsock *s = vsock(v);

	stop(s);
	vhost_close(s->vhost); /* before what it knows the addresses of */
	for (unsigned i = 0; i < VHOST_RINGS; i++) {
		dev_work_fini(&s->ring[i].call);
		if (s->ring[i].kick >= 0)
			close(s->ring[i].kick);
		relay_fini(&s->ring[i].relay);
	}
	dev_work_fini(&s->err);
	free(s);
}

static const struct vdev_ops virtio_vsock_ops = {
	.name = "virtio-vsock",
	.virtio_id = 19,       /* §5.10.1 */
	.pci_class = 0x078000, /* communication, none of its own */
	.nqueues = QUEUES,     /* §5.10.2 */
	.queue_size = QUEUE,
	.config_len = sizeof(struct virtio_vsock_config),
	.config_read = vsock_config,
	.kick = vsock_kick,
	.reset = vsock_reset,
	.queue_reset = vsock_queue_reset,
	.dma_off = vsock_dma_off,
	.quiesce = vsock_quiesce,
	.describe = vsock_describe,
	.save = vsock_save,
	.load = vsock_load,
	.detach = vsock_detach,
	.destroy = vsock_destroy,
};

static int make_ring(struct vsock *s, unsigned i, struct event_base *base)
{
	struct ring *r = &s->ring[i];
	int rc = relay_init(&r->relay, s->v.vm);

	r->s = s;
	r->index = i;
	if (rc < 0)
		return rc;
	r->kick = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	return r->kick < 0 ? -errno : dev_work_init(&r->call, s->v.vm, base, called, r);
}

int virtio_vsock_new(struct vmc_vm *vm, struct event_base *base, const struct vsock_config *cfg,
	struct vdev **out)
{
	struct vsock *s = calloc(1, sizeof(*s));
	struct vhost_ring rings[VHOST_RINGS];
	int rc = 0;

	if (!s)
		return vmc_fail(vm, -ENOMEM, "no memory for a vsock device");
	vdev_init(&s->v, &virtio_vsock_ops, vm);
	s->cid = cfg->cid;
	s->ring[RX].kick = s->ring[TX].kick = -1;
	for (unsigned i = 0; i < VHOST_RINGS && rc == 0; i++)
		rc = make_ring(s, i, base);
	if (rc == 0)
		rc = dev_work_init(&s->err, vm, base, vhost_failed, s);
	if (rc < 0) {
		vmc_fail(vm, rc, "vsock: eventfds or memory: %s", strerror(-rc));
		vsock_destroy(&s->v);
		return rc;
	}
	for (unsigned i = 0; i < VHOST_RINGS; i++)
		rings[i] = (struct vhost_ring){ &s->ring[i].relay, s->ring[i].kick, s->ring[i].call.fd, s->err.fd };
	rc = vhost_open(vm, cfg, rings, &s->vhost);
	if (rc < 0) {
		vsock_destroy(&s->v);
		return rc;
	}
	s->v.offered |= vhost_features(s->vhost);
	*out = &s->v;
	return 0;
}
