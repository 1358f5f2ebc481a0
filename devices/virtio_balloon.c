/*
 * virtio_balloon.c - a memory balloon: the guest hands pages over, and they are given back to the host.
 *
 * Spec: virtio 1.2 §5.5 with MUST_TELL_HOST, STATS_VQ, DEFLATE_ON_OOM and PAGE_REPORTING. Queues 0 (inflate) and 1
 * (deflate) carry page numbers, queue 2 the statistics, 4 the reports of free pages. Queue 3 is for hints
 * (FREE_PAGE_HINT), which are not offered; Linux before 6.11 then counts without it and reports on 3, so both do.
 *
 * A page handed over is discarded at once (vmc_mem_discard()), and is there again, as a new one, when the guest
 * touches it: taking pages back is bookkeeping only. A reported page need not be told back at all. Page numbers come
 * from the guest: what is not RAM it may write is counted and left alone, and the only memory that a
 * page number can harm is the guest's own.
 *
 * The statistics are in virtio_balloon_stats.c.
 *
 * Threads: queues and timers on the main loop; configuration, reset on vCPU threads; device lock held.
 */
#include "devices/virtio_balloon_priv.h"

#include <errno.h>
#include <event2/event.h>
#include <linux/virtio_balloon.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	PAGE_SHIFT = 12,     /* VIRTIO_BALLOON_PFN_SHIFT */
	TURN_PAGES = 4096,   /* page numbers in one turn of the main loop */
	PIECE = 256,	     /* page numbers read at once */
	TELL_MS = 1000,	     /* the host end hears of a new size that often at most */
	CONFIG_LEN = 8,	     /* num_pages and actual: the rest belongs to features that are not offered */
};
#define TURN_BYTES (1ull << 30) /* of reported ranges in one turn: each has to be walked */

int balloon_next_chain(struct balloon *b, unsigned queue)
{
	struct virtq *q = &b->v.vq[queue];
	int rc = virtq_peek(q, &b->chain);

	if (rc == 0 && virtq_notify_on(q))
		rc = virtq_peek(q, &b->chain); /* it came in between */
	return rc;
}

void balloon_timer(struct event *timer, uint32_t ms)
{
	const struct timeval tv = { ms / 1000, ms % 1000 * 1000 };

	if (timer)
		evtimer_add(timer, &tv);
}

/* ---- pages handed over and taken back (§5.5.6) ---- */

static bool is_held(const struct balloon *b, uint64_t pfn)
{
	return pfn / 64 < b->held_words && b->held[pfn / 64] >> pfn % 64 & 1;
}

/* Pages [pfn, pfn + n) are RAM of the guest's, all of them, and gone now. */
static void hold(struct balloon *b, uint64_t pfn, uint64_t n)
{
	for (; n && pfn / 64 < b->held_words; n--, pfn++) {
		if (is_held(b, pfn)) {
			b->counts.repeated++;
			continue;
		}
		b->held[pfn / 64] |= 1ull << pfn % 64;
		b->held_pages++;
	}
}

static void inflate_run(struct balloon *b, uint64_t pfn, uint64_t n)
{
	if (vmc_mem_discard(b->v.vm, pfn << PAGE_SHIFT, n << PAGE_SHIFT) == 0) {
		hold(b, pfn, n);
		return;
	}
	/* One of them is not RAM: the others shall count. */
	for (; n; n--, pfn++) {
		if (vmc_mem_discard(b->v.vm, pfn << PAGE_SHIFT, VMC_PAGE_SIZE) == 0)
			hold(b, pfn, 1);
		else
			b->counts.refused++;
	}
}

/* Neighbours go together, upwards or downwards as the guest's allocator gave them out. */
static void inflate(struct balloon *b, const uint32_t *pfn, size_t n)
{
	size_t i = 0, run;

	while (i < n) {
		for (run = 1; i + run < n && pfn[i + run] == pfn[i] + run; run++)
			;
		if (run == 1)
			for (; i + run < n && pfn[i + run] == pfn[i] - run; run++)
				;
		inflate_run(b, pfn[i] < pfn[i + run - 1] ? pfn[i] : pfn[i + run - 1], run);
		i += run;
	}
}

static void deflate(struct balloon *b, const uint32_t *pfn, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (!is_held(b, pfn[i])) {
			b->counts.repeated++;
			continue;
		}
		b->held[pfn[i] / 64] &= ~(1ull << pfn[i] % 64);
		b->held_pages--;
	}
}

/* Works off what is left of a chain of page numbers. Return: true when it is done with. */
static bool page_numbers(struct balloon *b, unsigned queue, uint32_t *budget)
{
	uint32_t pfn[PIECE], *done = &b->done[queue];

	while (*budget && *done < b->chain.out_len) {
		size_t want = *budget < PIECE ? *budget : PIECE;
		ssize_t n = virtq_read(&b->v.vq[queue], &b->chain, *done, pfn, want * sizeof(pfn[0]));

		if (n < 0)
			return false;
		/* A few bytes at the end that make no page number are none. */
		(queue == INFLATE ? inflate : deflate)(b, pfn, n / sizeof(pfn[0]));
		*done += n;
		*budget -= want;
	}
	return *done >= b->chain.out_len;
}

static void pages_kick(struct balloon *b, unsigned queue)
{
	struct virtq *q = &b->v.vq[queue];
	uint32_t budget = TURN_PAGES;
	unsigned chains;

	virtq_notify_off(q);
	for (chains = 0; chains < TURN_CHAINS && budget; chains++) {
		if (balloon_next_chain(b, queue) != 1)
			break;
		if (b->chain.nin) {
			virtq_break(q, "queue %u: writable buffer, page numbers are only read", queue);
			break;
		}
		if (!page_numbers(b, queue, &budget))
			break;
		b->done[queue] = 0;
		virtq_take(q);
		virtq_push(q, b->chain.head, 0);
	}
	vdev_used(&b->v, queue);
	if (chains == TURN_CHAINS || !budget)
		b->v.transport->requeue(&b->v, queue); /* the rest in another turn */
}

/* ---- free pages (§5.5.6.7) ---- */

/* Whole pages of a segment; the edges of one that is not aligned stay. */
static void forget(struct balloon *b, const struct virtq_seg *s)
{
	uint64_t from = (s->gpa + VMC_PAGE_SIZE - 1) & ~(VMC_PAGE_SIZE - 1ull);
	uint64_t to = (s->gpa + s->len) & ~(VMC_PAGE_SIZE - 1ull);

	if (from >= to)
		return;
	if (vmc_mem_discard(b->v.vm, from, to - from) == 0)
		b->counts.reported += to - from;
	else
		b->counts.refused += (to - from) >> PAGE_SHIFT;
}

static void report_kick(struct balloon *b, unsigned queue)
{
	struct virtq *q = &b->v.vq[queue];
	uint64_t bytes = 0;
	unsigned chains, i;

	virtq_notify_off(q);
	for (chains = 0; chains < TURN_CHAINS && bytes < TURN_BYTES; chains++) {
		if (balloon_next_chain(b, queue) != 1)
			break;
		if (!(b->v.features & VIRTIO_BIT(VIRTIO_BALLOON_F_REPORTING))) {
			virtq_break(q, "queue %u: used, and its feature was not negotiated", queue);
			break;
		}
		if (b->chain.nout) {
			virtq_break(q, "queue %u: readable buffer, free pages are writable", queue);
			break;
		}
		for (i = 0; i < b->chain.nin; i++)
			forget(b, &b->chain.seg[i]);
		bytes += b->chain.in_len;
		virtq_take(q);
		virtq_push(q, b->chain.head, 0);
	}
	vdev_used(&b->v, queue);
	if (chains == TURN_CHAINS || bytes >= TURN_BYTES)
		b->v.transport->requeue(&b->v, queue);
}

/* ---- configuration (§5.5.4) ---- */

static void balloon_config_read(struct vdev *v, void *config)
{
	const struct balloon *b = balloon(v);
	const uint32_t x[CONFIG_LEN / 4] = { b->target, b->actual };

	memcpy(config, x, sizeof(x));
}

static void balloon_config_write(struct vdev *v, uint32_t off, const void *data, uint32_t len)
{
	struct balloon *b = balloon(v);
	uint32_t value;

	if (off != offsetof(struct virtio_balloon_config, actual) || len != sizeof(value))
		return; /* the rest is ours to write */
	memcpy(&value, data, sizeof(value));
	if (value > b->ram_pages)
		value = b->ram_pages; /* whatever it says, more than all is not in there */
	b->actual = value;
	dev_work_kick(&b->changed);
}

/* Main loop: the guest says a new size, or changed it a while ago and it is time to tell. */
static void tell(struct balloon *b)
{
	if (b->told == b->actual || (b->tell_timer && evtimer_pending(b->tell_timer, NULL)))
		return;
	b->told = b->actual;
	if (b->tell)
		b->tell(b->host, (uint64_t)b->actual << PAGE_SHIFT);
	balloon_timer(b->tell_timer, TELL_MS);
}

static void actual_changed(void *arg)
{
	tell(arg);
}

static void tell_again(evutil_socket_t fd, short what, void *arg)
{
	struct balloon *b = arg;

	(void)fd;
	(void)what;
	vmc_device_lock(b->v.vm);
	tell(b);
	vmc_device_unlock(b->v.vm);
}

void virtio_balloon_set(struct vdev *v, uint64_t bytes)
{
	struct balloon *b = balloon(v);
	uint64_t pages = bytes >> PAGE_SHIFT;

	pages = pages < b->ram_pages ? pages : b->ram_pages;
	if (pages > UINT32_MAX)
		pages = UINT32_MAX;
	if (pages == b->target)
		return;
	b->target = pages;
	vdev_config_changed(v);
}

void virtio_balloon_info(const struct vdev *v, struct balloon_info *info)
{
	const struct balloon *b = const_balloon(v);

	*info = b->counts;
	info->driver = v->status & VIRTIO_DRIVER_OK && !(v->status & VIRTIO_NEEDS_RESET);
	info->target = (uint64_t)b->target << PAGE_SHIFT;
	info->actual = (uint64_t)b->actual << PAGE_SHIFT;
	info->held = b->held_pages << PAGE_SHIFT;
}

uint64_t virtio_balloon_held(const struct vdev *v, uint64_t gpa, uint64_t len)
{
	const struct balloon *b = const_balloon(v);
	uint64_t pfn = gpa >> PAGE_SHIFT, end = (gpa + len) >> PAGE_SHIFT, n = 0;

	while (b->held_pages && pfn < end && pfn / 64 < b->held_words) {
		bool word = pfn % 64 == 0 && end - pfn >= 64;

		n += word ? (unsigned)__builtin_popcountll(b->held[pfn / 64]) : is_held(b, pfn);
		pfn += word ? 64 : 1;
	}
	return n << PAGE_SHIFT;
}

/* ---- the device ---- */

static void balloon_kick(struct vdev *v, unsigned queue)
{
	struct balloon *b = balloon(v);

	if (queue == INFLATE || queue == DEFLATE)
		pages_kick(b, queue);
	else if (queue == STATS)
		balloon_stats_kick(b);
	else
		report_kick(b, queue);
}

static void balloon_queue_reset(struct vdev *v, unsigned queue)
{
	struct balloon *b = balloon(v);

	if (queue == INFLATE || queue == DEFLATE)
		b->done[queue] = 0;
	else if (queue == STATS)
		b->stats_here = false;
}

/* The guest starts anew with all its memory; what it shall hand over stays what it was. */
static void balloon_reset(struct vdev *v)
{
	struct balloon *b = balloon(v);

	balloon_queue_reset(v, INFLATE);
	balloon_queue_reset(v, DEFLATE);
	balloon_queue_reset(v, STATS);
	if (b->held_pages) /* a guest may reset it as often as it likes */
		memset(b->held, 0, b->held_words * sizeof(b->held[0]));
	b->held_pages = 0;
	memset(&b->counts, 0, sizeof(b->counts));
	b->actual = 0;
	dev_work_kick(&b->changed);
}

static void balloon_describe(const struct vdev *v, char *note, size_t size)
{
	const struct balloon *b = const_balloon(v);
	char odd[48] = "";

	if (b->counts.refused || b->counts.repeated)
		snprintf(odd, sizeof(odd), "; pages: %llu no RAM, %llu twice",
			(unsigned long long)b->counts.refused, (unsigned long long)b->counts.repeated);
	snprintf(note, size, "%llu of %llu KiB; %llu MiB reported%s", (unsigned long long)b->held_pages * 4,
		(unsigned long long)b->target * 4, (unsigned long long)b->counts.reported >> 20, odd);
}

static void balloon_save(struct vdev *v, struct vmc_out *out)
{
	const struct balloon *b = balloon(v);
	uint64_t words = b->held_words;

	while (words && !b->held[words - 1])
		words--;
	vmc_out_u32(out, b->target);
	vmc_out_u32(out, b->actual);
	vmc_out_u32(out, b->done[INFLATE]);
	vmc_out_u32(out, b->done[DEFLATE]);
	vmc_out_u8(out, b->stats_here);
	vmc_out_u16(out, b->stats_head);
	vmc_out_u64(out, words);
	vmc_out_bytes(out, b->held, words * sizeof(b->held[0]));
}

static int balloon_load(struct vdev *v, struct vmc_in *in)
{
	struct balloon *b = balloon(v);
	uint32_t target = vmc_in_u32(in), actual = vmc_in_u32(in), done[2];
	uint64_t *held, words, pages = 0;
	uint16_t head;
	bool here;

	done[INFLATE] = vmc_in_u32(in);
	done[DEFLATE] = vmc_in_u32(in);
	here = vmc_in_u8(in);
	head = vmc_in_u16(in);
	words = vmc_in_u64(in);
	if (in->error)
		return in->error;
	if (target > b->ram_pages || actual > b->ram_pages || words > b->held_words ||
		head >= VIRTQ_SIZE_MAX)
		return vmc_in_fail(in, -EBADMSG, "a balloon of %u and %u pages, %llu words: more than there is",
			target, actual, (unsigned long long)words);
	held = calloc(b->held_words, sizeof(held[0]));
	if (!held)
		return vmc_in_fail(in, -ENOMEM, "out of memory");
	vmc_in_bytes(in, held, words * sizeof(held[0]));
	if (vmc_in_end(in) < 0) {
		free(held);
		return in->error;
	}
	for (uint64_t i = 0; i < words; i++)
		pages += __builtin_popcountll(held[i]);
	free(b->held);
	b->held = held;
	b->held_pages = pages;
	b->target = target;
	b->actual = actual;
	memcpy(b->done, done, sizeof(done));
	b->stats_here = here;
	b->stats_head = head;
	memset(&b->counts, 0, sizeof(b->counts));
	dev_work_kick(&b->changed);
	return 0;
}

static void free_event(struct event **ev)
{
	if (*ev)
		event_free(*ev);
	*ev = NULL;
}

static void balloon_detach(struct vdev *v)
{
	struct balloon *b = balloon(v);

	dev_work_detach(&b->changed);
	free_event(&b->tell_timer);
	free_event(&b->poll_timer);
}

static void balloon_destroy(struct vdev *v)
{
	struct balloon *b = balloon(v);

	balloon_detach(v);
	dev_work_fini(&b->changed);
	free(b->held);
	free(b);
}

static const struct vdev_ops virtio_balloon_ops = {
	.name = "virtio-balloon",
	.virtio_id = 5,	       /* §5.5.1 */
	.pci_class = 0x00ff00, /* no class of its own */
	.nqueues = QUEUES,     /* §5.5.2 */
	.queue_size = 128,     /* Linux reports in lots of 32 */
	.features = VIRTIO_BIT(VIRTIO_BALLOON_F_MUST_TELL_HOST) | VIRTIO_BIT(VIRTIO_BALLOON_F_STATS_VQ) |
		    VIRTIO_BIT(VIRTIO_BALLOON_F_DEFLATE_ON_OOM) | VIRTIO_BIT(VIRTIO_BALLOON_F_REPORTING),
	.config_len = CONFIG_LEN,
	.config_read = balloon_config_read,
	.config_write = balloon_config_write,
	.kick = balloon_kick,
	.reset = balloon_reset,
	.queue_reset = balloon_queue_reset,
	.describe = balloon_describe,
	.save = balloon_save,
	.load = balloon_load,
	.detach = balloon_detach,
	.destroy = balloon_destroy,
};

/* A bit a page frame, up to the end of RAM; the hole's bits stay unused. */
static int make_bits(struct balloon *b)
{
	struct vmc_mem_region r[64];
	size_t n = vmc_mem_regions(b->v.vm, r, 64), i;
	uint64_t end = 0;

	for (i = 0; i < n && i < 64; i++)
		if (r[i].flags & VMC_MEM_RAM && r[i].gpa + r[i].size > end)
			end = r[i].gpa + r[i].size;
	b->ram_pages = vmc_mem_size(b->v.vm) >> PAGE_SHIFT;
	b->held_words = ((end >> PAGE_SHIFT) + 63) / 64;
	b->held = calloc(b->held_words, sizeof(b->held[0]));
	return b->held ? 0 : -ENOMEM;
}

int virtio_balloon_new(struct vmc_vm *vm, struct event_base *base,
	void (*changed)(void *host, uint64_t actual), void *host, struct vdev **out)
{
	struct balloon *b = calloc(1, sizeof(*b));
	int rc = -ENOMEM;

	if (!b)
		return vmc_fail(vm, -ENOMEM, "no memory for a balloon");
	vdev_init(&b->v, &virtio_balloon_ops, vm);
	b->tell = changed;
	b->host = host;
	b->tell_timer = evtimer_new(base, tell_again, b);
	b->poll_timer = evtimer_new(base, balloon_stats_timer, b);
	if (b->tell_timer && b->poll_timer && make_bits(b) == 0)
		rc = dev_work_init(&b->changed, vm, base, actual_changed, b);
	if (rc < 0) {
		balloon_destroy(&b->v);
		return vmc_fail(vm, rc, "balloon: %s", strerror(-rc));
	}
	*out = &b->v;
	return 0;
}
