/*
 * virtio_balloon_stats.c - what the guest says of its memory (virtio 1.2 §5.5.6.3).
 *
 * The guest leaves one buffer with us; giving it back asks for new figures. That is done at an interval for
 * as long as somebody asks (virtio_balloon_poll()), else never.
 *
 * Threads: main loop, device lock held.
 */
#include "devices/virtio_balloon_priv.h"

#include <event2/event.h>
#include <linux/virtio_balloon.h>
#include <time.h>

enum { STATS_READ = 64 }; /* entries of a buffer that are looked at */

struct stat_entry {
	uint16_t tag;
	uint64_t value;
} __attribute__((packed));

static uint64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

static const char *const stat_names[BALLOON_STATS] = {
	[VIRTIO_BALLOON_S_SWAP_IN] = "stat-swap-in",
	[VIRTIO_BALLOON_S_SWAP_OUT] = "stat-swap-out",
	[VIRTIO_BALLOON_S_MAJFLT] = "stat-major-faults",
	[VIRTIO_BALLOON_S_MINFLT] = "stat-minor-faults",
	[VIRTIO_BALLOON_S_MEMFREE] = "stat-free-memory",
	[VIRTIO_BALLOON_S_MEMTOT] = "stat-total-memory",
	[VIRTIO_BALLOON_S_AVAIL] = "stat-available-memory",
	[VIRTIO_BALLOON_S_CACHES] = "stat-disk-caches",
	[VIRTIO_BALLOON_S_HTLB_PGALLOC] = "stat-htlb-pgalloc",
	[VIRTIO_BALLOON_S_HTLB_PGFAIL] = "stat-htlb-pgfail",
};

const char *balloon_stat_name(unsigned tag)
{
	return tag < BALLOON_STATS ? stat_names[tag] : NULL;
}

static void read_stats(struct balloon *b)
{
	struct stat_entry e[STATS_READ];
	ssize_t n = virtq_read(&b->v.vq[STATS], &b->chain, 0, e, sizeof(e));

	if (n < (ssize_t)sizeof(e[0]))
		return; /* the first buffer of some drivers is empty */
	b->counts.stats_known = 0;
	for (size_t i = 0; i < n / sizeof(e[0]); i++) {
		if (e[i].tag >= BALLOON_STATS)
			continue; /* §5.5.6.3.2: what is not known is skipped */
		b->counts.stats[e[i].tag] = e[i].value;
		b->counts.stats_known |= 1u << e[i].tag;
	}
	b->counts.stats_time_s = time(NULL);
}

void balloon_stats_kick(struct balloon *b)
{
	struct virtq *q = &b->v.vq[STATS];
	unsigned chains;

	virtq_notify_off(q);
	for (chains = 0; chains < TURN_CHAINS; chains++) {
		if (balloon_next_chain(b, STATS) != 1)
			break;
		if (!(b->v.features & VIRTIO_BIT(VIRTIO_BALLOON_F_STATS_VQ))) {
			virtq_break(q, "queue %u: used, and its feature was not negotiated", STATS);
			break;
		}
		if (b->chain.nin) {
			virtq_break(q, "queue %u: writable buffer, statistics are only read", STATS);
			break;
		}
		read_stats(b);
		virtq_take(q);
		if (b->stats_here) /* one is enough: the older one goes back */
			virtq_push(q, b->stats_head, 0);
		b->stats_here = true;
		b->stats_head = b->chain.head;
	}
	vdev_used(&b->v, STATS);
	if (chains == TURN_CHAINS)
		b->v.transport->requeue(&b->v, STATS);
}

/* The buffer goes back, and comes again with what is so then. */
static void ask_stats(struct balloon *b)
{
	if (!b->stats_here || !vdev_live(&b->v, STATS))
		return;
	b->stats_here = false;
	virtq_push(&b->v.vq[STATS], b->stats_head, 0);
	vdev_used(&b->v, STATS);
}

void balloon_stats_timer(int fd, short what, void *arg)
{
	struct balloon *b = arg;

	(void)fd;
	(void)what;
	vmc_device_lock(b->v.vm);
	if (now_ms() < b->poll_until_ms) {
		ask_stats(b);
		balloon_timer(b->poll_timer, b->poll_ms);
	}
	vmc_device_unlock(b->v.vm);
}

void virtio_balloon_poll(struct vdev *v, uint32_t interval_ms, uint32_t for_ms)
{
	struct balloon *b = balloon(v);

	b->poll_until_ms = now_ms() + for_ms;
	if (b->poll_ms == interval_ms && b->poll_timer && evtimer_pending(b->poll_timer, NULL))
		return;
	b->poll_ms = interval_ms;
	ask_stats(b);
	balloon_timer(b->poll_timer, interval_ms);
}
