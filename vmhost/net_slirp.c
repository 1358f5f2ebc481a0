/*
 * net_slirp.c - the process behind one card with user networking: libslirp 4.7 plays a network
 * 10.0.2.0/24 (10.0.3.0/24 for net1, ...) to the guest, with a router at .2, a name server at .3 and
 * DHCP from .15 on, and carries its connections on with this process's sockets. IPv4 only.
 *
 * The guest's frames are hostile and libslirp parses them: the process has sockets and nothing else.
 *
 * Back-pressure: while frames for the guest wait, because the guest or the VM stands still, libslirp
 * is not asked to read its sockets, so TCP holds the peers back; nor does its clock go on, so that no
 * connection dies of a pause.
 */
#include "vmhost/net_slirp.h"
#include "vmhost/packet.h"
#include "vmhost/sandbox.h"
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
	OUT_BYTES = 4 << 20, /* frames for the guest that wait here, at most */
	OUT_FRAMES = 4096,
	TURNS = 8,           /* batches of the guest's frames before sockets get a turn */
	PUBLISH_MS = 500,
	FROZEN_LOOK_MS = 1000, /* the wake-up came while the socket was full */
	MAX_SOCKETS = 1024,
	TIMERS = 4, /* it wants one */
};

/* One of libslirp's: IPv6 routers announce themselves now and then. */
struct timer {
	SlirpTimerCb cb;
	void *arg;
	int64_t at_ms; /* by its clock; 0: not set */
	bool used;
};

struct slirpd {
	Slirp *slirp;
	struct ports ports;
	struct timer timer[TIMERS];
	struct net_shared *shared;
	int frames, report;
	struct pollfd *poll;
	size_t npoll, poll_room;
	int64_t stood_ns; /* time that did not count */
	int64_t published_ns;
	bool unpublished; /* something happened since */
	uint8_t *out;
	size_t out_used;
	struct {
		uint32_t off, len;
	} frame[OUT_FRAMES];
	unsigned nframes, next;
	uint8_t in[DEV_NET_BATCH][DEV_NET_FRAME_MAX];
};

static int64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

/* ---- frames for the guest ---- */

/* Sends what waits. Return: true when nothing is left. */
static bool flush(struct slirpd *d)
{
	while (d->next < d->nframes) {
		struct iovec iov[DEV_NET_BATCH];
		unsigned n = d->nframes - d->next, i;
		int sent;

		if (n > DEV_NET_BATCH)
			n = DEV_NET_BATCH;
		for (i = 0; i < n; i++)
			iov[i] = (struct iovec){d->out + d->frame[d->next + i].off,
				d->frame[d->next + i].len};
		sent = packets_send(d->frames, iov, n);
		if (sent < 0) {
			if (errno == EAGAIN || errno == ENOBUFS || errno == EINTR)
				return false;
			_exit(0); /* the VM's process has gone */
		}
		d->next += (unsigned)sent;
	}
	d->next = d->nframes = 0;
	d->out_used = 0;
	return true;
}

static bool out_full(const struct slirpd *d, size_t len)
{
	return d->nframes == OUT_FRAMES || d->out_used + len > OUT_BYTES;
}

/* libslirp has a frame for the guest. Few come while others wait (answers to what the guest sends). */
static ssize_t cb_send(const void *buf, size_t len, void *opaque)
{
	struct slirpd *d = opaque;

	if (out_full(d, len))
		flush(d);
	if (out_full(d, len) || len > DEV_NET_FRAME_MAX) {
		atomic_fetch_add(&d->shared->dropped, 1);
		return (ssize_t)len;
	}
	memcpy(d->out + d->out_used, buf, len);
	d->frame[d->nframes].off = (uint32_t)d->out_used;
	d->frame[d->nframes++].len = (uint32_t)len;
	d->out_used += len;
	return (ssize_t)len;
}

/* ---- what else libslirp asks for ---- */

static void cb_guest_error(const char *msg, void *opaque)
{
	(void)msg; /* a guest's fault: the frame is dropped, and that is all there is to do */
	(void)opaque;
}

static int64_t cb_clock(void *opaque)
{
	const struct slirpd *d = opaque;

	return now_ns() - d->stood_ns;
}

/* The list of descriptors is made anew in each turn, so there is nothing to note. */
static void cb_poll_fd(int fd, void *opaque)
{
	(void)fd;
	(void)opaque;
}

static void cb_notify(void *opaque)
{
	(void)opaque;
}

static void *cb_timer_new(SlirpTimerCb cb, void *arg, void *opaque)
{
	struct slirpd *d = opaque;

	for (unsigned i = 0; i < TIMERS; i++) {
		struct timer *t = &d->timer[i];

		if (!t->used) {
			*t = (struct timer){.cb = cb, .arg = arg, .used = true};
			return t;
		}
	}
	return NULL;
}

static void cb_timer_free(void *timer, void *opaque)
{
	(void)opaque;
	if (timer)
		((struct timer *)timer)->used = false;
}

static void cb_timer_mod(void *timer, int64_t at_ms, void *opaque)
{
	(void)opaque;
	if (timer)
		((struct timer *)timer)->at_ms = at_ms > 0 ? at_ms : 1;
}

static const SlirpCb callbacks = {
	.send_packet = cb_send,
	.guest_error = cb_guest_error,
	.clock_get_ns = cb_clock,
	.timer_new = cb_timer_new,
	.timer_free = cb_timer_free,
	.timer_mod = cb_timer_mod,
	.register_poll_fd = cb_poll_fd,
	.unregister_poll_fd = cb_poll_fd,
	.notify = cb_notify,
};

static int add_poll(int fd, int events, void *opaque)
{
	struct slirpd *d = opaque;
	struct pollfd *p;

	if (d->npoll == d->poll_room) {
		size_t room = d->poll_room * 2;
		struct pollfd *more = realloc(d->poll, room * sizeof(*more));

		if (!more)
			return -1;
		d->poll = more;
		d->poll_room = room;
	}
	p = &d->poll[d->npoll];
	*p = (struct pollfd){.fd = fd};
	p->events = (short)((events & SLIRP_POLL_IN ? POLLIN : 0) |
			    (events & SLIRP_POLL_OUT ? POLLOUT : 0) |
			    (events & SLIRP_POLL_PRI ? POLLPRI : 0));
	return (int)d->npoll++;
}

static int get_revents(int idx, void *opaque)
{
	const struct slirpd *d = opaque;
	short r;

	if (idx < 0 || (size_t)idx >= d->npoll)
		return 0;
	r = d->poll[idx].revents;
	return (r & POLLIN ? SLIRP_POLL_IN : 0) | (r & POLLOUT ? SLIRP_POLL_OUT : 0) |
	       (r & POLLPRI ? SLIRP_POLL_PRI : 0) | (r & POLLERR ? SLIRP_POLL_ERR : 0) |
	       (r & POLLHUP ? SLIRP_POLL_HUP : 0);
}

/* ---- the loop ---- */

/* Calls what is due. Return: ms until the next, -1 when none is set. */
static int64_t timers(struct slirpd *d)
{
	int64_t now_ms = cb_clock(d) / 1000000, next = -1;

	for (unsigned i = 0; i < TIMERS; i++) {
		struct timer *t = &d->timer[i];

		if (t->used && t->at_ms && t->at_ms <= now_ms) {
			t->at_ms = 0;
			t->cb(t->arg);
		}
		if (t->used && t->at_ms && (next < 0 || t->at_ms - now_ms < next))
			next = t->at_ms > now_ms ? t->at_ms - now_ms : 0;
	}
	return next;
}

/* One batch of the guest's frames. Return: how many came; ends with the VM's process. */
static int from_guest(struct slirpd *d)
{
	struct mmsghdr msg[DEV_NET_BATCH];
	struct iovec iov[DEV_NET_BATCH];
	int n;

	for (int i = 0; i < DEV_NET_BATCH; i++)
		iov[i] = (struct iovec){d->in[i], sizeof(d->in[i])};
	n = packets_recv(d->frames, iov, DEV_NET_BATCH, msg);
	if (n < 0) {
		if (errno == EAGAIN || errno == EINTR)
			return 0;
		_exit(0);
	}
	for (int i = 0; i < n; i++) {
		if (msg[i].msg_len == 0)
			_exit(0); /* the end */
		/* one byte is the wake-up after a pause */
		if (msg[i].msg_len < DEV_NET_FRAME_MIN || msg[i].msg_hdr.msg_flags & MSG_TRUNC)
			continue;
		if (ports_look(&d->ports, d->in[i], msg[i].msg_len, cb_clock(d)))
			d->published_ns = 0; /* at once */
		slirp_input(d->slirp, d->in[i], (int)msg[i].msg_len);
	}
	return n;
}

/* Connections in words, for x-network: a sequence lock, as the reader may be anywhere. */
static void publish(struct slirpd *d)
{
	char *text = slirp_connection_info(d->slirp);
	struct net_shared *s = d->shared;

	atomic_fetch_add(&s->seq, 1);
	atomic_thread_fence(memory_order_seq_cst);
	snprintf(s->text, sizeof(s->text), "%s", text ? text : "");
	ports_guest(&d->ports, s->guest, sizeof(s->guest));
	atomic_fetch_add(&s->seq, 1);
	free(text); /* GLib's memory is malloc()'s since 2.46 */
	d->published_ns = now_ns();
	d->unpublished = false;
}

/* How long poll() may wait: libslirp's wish, its next timer's at @timer_ms, and no longer than until
 * connections are due again. */
static int wait_ms(const struct slirpd *d, uint32_t wish, int64_t timer_ms, bool frozen)
{
	int64_t ms = wish == UINT32_MAX ? -1 : (int64_t)wish, due;

	if (frozen)
		return FROZEN_LOOK_MS;
	if (timer_ms >= 0 && (ms < 0 || timer_ms < ms))
		ms = timer_ms;
	if (d->unpublished) {
		due = PUBLISH_MS - (now_ns() - d->published_ns) / 1000000;
		if (due < 0)
			due = 0;
		if (ms < 0 || due < ms)
			ms = due;
	}
	return (int)(ms > 60000 ? 60000 : ms);
}

static void turn(struct slirpd *d)
{
	bool frozen = atomic_load(&d->shared->frozen), waiting = !flush(d), still = frozen || waiting;
	uint32_t wish = UINT32_MAX;
	int64_t before = now_ns(), timer_ms = still ? -1 : timers(d);
	int n;

	d->npoll = 2;
	d->poll[0] = (struct pollfd){.fd = d->frames, .events = POLLIN};
	d->poll[1] = (struct pollfd){.fd = d->report, .events = POLLIN};
	if (waiting && !frozen)
		d->poll[0].events |= POLLOUT;
	if (!still)
		slirp_pollfds_fill(d->slirp, &wish, add_poll, d);
	n = poll(d->poll, d->npoll, wait_ms(d, wish, timer_ms, frozen));
	if (n < 0 && errno != EINTR)
		_exit(1);
	if (n > 0 && d->poll[1].revents)
		_exit(0); /* the keeper has gone */
	if (still)
		d->stood_ns += now_ns() - before;
	if (n > 0 && d->poll[0].revents & (POLLIN | POLLHUP | POLLERR))
		for (int i = 0; i < TURNS && from_guest(d) == DEV_NET_BATCH; i++)
			;
	flush(d); /* answers go before the sockets are looked at: the guest waits for them */
	if (!still)
		slirp_pollfds_poll(d->slirp, n < 0, get_revents, d);
	d->unpublished |= n > 0;
	if (d->unpublished && now_ns() - d->published_ns >= (int64_t)PUBLISH_MS * 1000000)
		publish(d);
}

/* ---- setting up ---- */

static int start(struct slirpd *d, const struct net_spec *spec, struct net_news *say)
{
	SlirpConfig cfg = {
		.version = SLIRP_CONFIG_VERSION_MAX,
		.if_mtu = NET_MTU_USER,
		.if_mru = NET_MRU_USER,
	};

	ports_config(&d->ports, spec, &cfg);
	d->poll_room = 64;
	d->poll = calloc(d->poll_room, sizeof(*d->poll));
	d->out = malloc(OUT_BYTES);
	d->slirp = d->poll && d->out ? slirp_new(&cfg, &callbacks, d) : NULL;
	if (!d->slirp) {
		snprintf(say->text, sizeof(say->text), "libslirp %s cannot start",
			slirp_version_string());
		return -ENOMEM;
	}
	return ports_open(&d->ports, d->slirp, say);
}

void net_slirp(const struct net_spec *spec, struct net_shared *shared, int frames, int report,
	bool sandbox)
{
	struct slirpd *d = calloc(1, sizeof(*d));
	const struct rlimit files = {MAX_SOCKETS, MAX_SOCKETS};
	struct net_news say = {0};
	int notify = -1;

	prctl(PR_SET_NAME, "vitrine-slirp");
	setrlimit(RLIMIT_NOFILE, &files);
	if (!d)
		_exit(1);
	d->shared = shared;
	d->frames = frames;
	d->report = report;
	d->unpublished = true;
	say.rc = start(d, spec, &say);
	if (say.rc == 0 && sandbox)
		say.rc = sandbox_net(&notify, say.text, sizeof(say.text));
	if (net_news_send(report, &say, &notify, notify >= 0) < 0 || say.rc < 0)
		_exit(1);
	if (notify >= 0)
		close(notify);
	for (;;)
		turn(d);
}
