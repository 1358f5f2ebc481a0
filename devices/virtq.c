/*
 * virtq.c - split virtqueues, the device's side.
 *
 * Spec: virtio 1.2 §2.7 (split virtqueues), §2.7.5 descriptors, §2.7.6 available ring, §2.7.7 and
 * §2.7.10 notification suppression, §2.7.8 used ring. Little-endian guest on a little-endian host.
 *
 * Threads: main loop, device lock held (see virtq.h). The guest writes to the rings at the same
 * time: each field is loaded once. Pointers into guest memory live for one call; only the main loop
 * removes regions.
 */
#include "devices/virtq.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { DESC_NEXT = 1, DESC_WRITE = 2, DESC_INDIRECT = 4 }; /* §2.7.5 */
enum { AVAIL_NO_INTERRUPT = 1 };                           /* §2.7.6 */
enum { USED_NO_NOTIFY = 1 };                               /* §2.7.8 */

struct vq_desc {
	uint64_t addr;
	uint32_t len;
	uint16_t flags, next;
};

struct vq_avail {
	uint16_t flags, idx;
	uint16_t ring[]; /* [size] entries, then used_event */
};

struct vq_used_elem {
	uint32_t id, len;
};

struct vq_used {
	uint16_t flags, idx;
	struct vq_used_elem ring[]; /* [size] elements, then avail_event */
};

static uint64_t desc_bytes(const struct virtq *q)
{
	return (uint64_t)q->size * sizeof(struct vq_desc);
}

/* Both rings end in an event index (§2.7: 6 + 2 * size, 6 + 8 * size bytes), negotiated or not. */
static uint64_t avail_bytes(const struct virtq *q)
{
	return 6 + 2 * (uint64_t)q->size;
}

static uint64_t used_bytes(const struct virtq *q)
{
	return 6 + 8 * (uint64_t)q->size;
}

static struct vq_avail *avail_ring(const struct virtq *q)
{
	return vmc_mem_ptr(q->vm, q->avail, avail_bytes(q), false);
}

static struct vq_used *used_ring(const struct virtq *q)
{
	return vmc_mem_ptr(q->vm, q->used, used_bytes(q), true);
}

static uint16_t load16(const uint16_t *p)
{
	return __atomic_load_n(p, __ATOMIC_RELAXED);
}

static bool size_ok(uint16_t size, uint16_t max)
{
	return size && size <= max && !(size & (size - 1));
}

int virtq_break(struct virtq *q, const char *fmt, ...)
{
	va_list ap;

	if (q->broken)
		return -EPROTO;
	q->broken = true;
	va_start(ap, fmt);
	vsnprintf(q->why, sizeof(q->why), fmt, ap);
	va_end(ap);
	if (q->broke)
		q->broke(q);
	return -EPROTO;
}

void virtq_init(struct virtq *q, struct vmc_vm *vm, unsigned index, uint16_t size_max)
{
	*q = (struct virtq){ .vm = vm, .index = index, .size_max = size_max, .size = size_max };
}

void virtq_reset(struct virtq *q)
{
	void (*broke)(struct virtq *q) = q->broke;
	void *owner = q->owner;

	virtq_init(q, q->vm, q->index, q->size_max);
	q->broke = broke;
	q->owner = owner;
}

/* Are the three parts aligned (§2.7) and in memory? NULL when all is well. */
static const char *ring_problem(const struct virtq *q)
{
	if (!size_ok(q->size, q->size_max))
		return "size is not a power of two within the limit";
	if (q->desc & 15 || q->avail & 1 || q->used & 3)
		return "a ring is not aligned";
	if (!vmc_mem_ptr(q->vm, q->desc, desc_bytes(q), false))
		return "the descriptor table is not in memory";
	if (!avail_ring(q))
		return "the available ring is not in memory";
	if (!used_ring(q))
		return "the used ring is not in writable memory";
	return NULL;
}

int virtq_enable(struct virtq *q)
{
	const char *problem = ring_problem(q);

	if (problem) {
		virtq_break(q, "queue %u: %s", q->index, problem);
		return -EINVAL;
	}
	q->next_avail = q->used_idx = q->signalled = 0;
	q->ready = true;
	return 0;
}

static int add_segment(
	struct virtq *q, struct virtq_chain *c, const struct vq_desc *d, struct vmc_mem_window *w)
{
	bool in = d->flags & DESC_WRITE;
	uint32_t *total = in ? &c->in_len : &c->out_len;

	if (!in && c->nin)
		return virtq_break(
			q, "queue %u: readable descriptor after a writable one", q->index);
	if (!d->len)
		return 0; /* allowed, and nothing in it to keep */
	if ((uint64_t)*total + d->len > UINT32_MAX)
		return virtq_break(q, "queue %u: chain of more than 4 GiB", q->index);
	if (!vmc_mem_ptr_near(q->vm, w, d->addr, d->len, in))
		return virtq_break(q, "queue %u: %u bytes at %#llx are not %smemory", q->index,
			d->len, (unsigned long long)d->addr, in ? "writable " : "");
	c->seg[c->nout + c->nin] = (struct virtq_seg){ d->addr, d->len };
	*total += d->len;
	if (in)
		c->nin++;
	else
		c->nout++;
	return 0;
}

/* A descriptor that refers to a table: checked here, its WRITE flag ignored (§2.7.5.3.2). */
static int check_indirect(struct virtq *q, const struct vq_desc *d, bool nested)
{
	if (!q->indirect)
		return virtq_break(q, "queue %u: indirect descriptor, not negotiated", q->index);
	if (nested)
		return virtq_break(
			q, "queue %u: indirect descriptor in an indirect table", q->index);
	if (d->flags & DESC_NEXT)
		return virtq_break(q, "queue %u: indirect descriptor with NEXT", q->index);
	if (!d->len || d->len % sizeof(*d))
		return virtq_break(q, "queue %u: indirect table of %u bytes", q->index, d->len);
	if (!vmc_mem_ptr(q->vm, d->addr, d->len, false))
		return virtq_break(q, "queue %u: indirect table at %#llx is not memory", q->index,
			(unsigned long long)d->addr);
	return 0;
}

/* Follows a chain from @head. At most q->size buffers and one table: a loop ends there. */
static int walk(struct virtq *q, uint16_t head, struct virtq_chain *c)
{
	uint64_t table = q->desc;
	uint32_t entries = q->size, i = head, seen = 0;
	struct vmc_mem_window w = { .size = 0 };
	bool nested = false;
	struct vq_desc d;
	const void *at;
	int rc;

	c->head = head;
	c->nout = c->nin = 0;
	c->out_len = c->in_len = 0;
	for (;;) {
		if (i >= entries)
			return virtq_break(
				q, "queue %u: descriptor %u of %u", q->index, i, entries);
		at = vmc_mem_ptr_near(q->vm, &w, table + (uint64_t)i * sizeof(d), sizeof(d), false);
		if (!at)
			return virtq_break(q, "queue %u: descriptor table left memory", q->index);
		memcpy(&d, at, sizeof(d)); /* once: the guest may change it */
		if (d.flags & DESC_INDIRECT) {
			rc = check_indirect(q, &d, nested);
			if (rc < 0)
				return rc;
			nested = true;
			table = d.addr;
			entries = d.len / sizeof(d);
			i = 0;
			continue;
		}
		if (seen++ >= q->size)
			return virtq_break(
				q, "queue %u: chain longer than the queue (a loop?)", q->index);
		rc = add_segment(q, c, &d, &w);
		if (rc < 0)
			return rc;
		if (!(d.flags & DESC_NEXT))
			return 0;
		i = d.next;
	}
}

int virtq_peek(struct virtq *q, struct virtq_chain *c)
{
	return virtq_peek_ahead(q, 0, c);
}

int virtq_peek_ahead(struct virtq *q, uint16_t ahead, struct virtq_chain *c)
{
	const struct vq_avail *avail;
	uint16_t idx, head;
	int rc;

	if (q->broken)
		return -EPROTO;
	if (!q->ready)
		return 0;
	avail = avail_ring(q);
	if (!avail)
		return virtq_break(q, "queue %u: the available ring left memory", q->index);
	/* Acquire: the driver wrote entry and descriptors before idx (§2.7.13.3); we must not read
	 * them earlier. */
	idx = __atomic_load_n(&avail->idx, __ATOMIC_ACQUIRE);
	if ((uint16_t)(idx - q->next_avail) > q->size)
		return virtq_break(q, "queue %u: available index jumps from %u to %u", q->index,
			q->next_avail, idx);
	if ((uint16_t)(idx - q->next_avail) <= ahead)
		return 0;
	head = load16(&avail->ring[(q->next_avail + ahead) & (q->size - 1)]);
	rc = walk(q, head, c);
	return rc < 0 ? rc : 1;
}

int virtq_chain_at(struct virtq *q, uint16_t head, struct virtq_chain *c)
{
	return q->broken ? -EPROTO : walk(q, head, c);
}

void virtq_take(struct virtq *q)
{
	q->next_avail++;
}

int virtq_push(struct virtq *q, uint16_t head, uint32_t written)
{
	const struct virtq_done done = { head, written };

	return virtq_push_many(q, &done, 1);
}

int virtq_push_many(struct virtq *q, const struct virtq_done *done, unsigned n)
{
	struct vq_used *used;
	uint16_t slot;
	unsigned i;

	if (q->broken)
		return -EPROTO;
	used = used_ring(q);
	if (!used)
		return virtq_break(q, "queue %u: the used ring left memory", q->index);
	for (i = 0; i < n; i++) {
		slot = q->used_idx & (q->size - 1);
		used->ring[slot] = (struct vq_used_elem){ done[i].head, done[i].written };
		vmc_mem_mark_dirty(q->vm, q->used + 4 + 8 * (uint64_t)slot, sizeof(used->ring[0]));
		q->used_idx++;
	}
	/* Release: whoever sees the new idx must see the elements, and the data before them
	 * (§2.7.8.2). */
	__atomic_store_n(&used->idx, q->used_idx, __ATOMIC_RELEASE);
	vmc_mem_mark_dirty(q->vm, q->used, 4);
	return 0;
}

bool virtq_needs_interrupt(struct virtq *q)
{
	const struct vq_avail *avail;
	uint16_t event, was = q->signalled;

	if (q->broken || !q->ready || was == q->used_idx)
		return false;
	avail = avail_ring(q);
	if (!avail)
		return false; /* the next peek breaks the queue */
	/* Full barrier: our used.idx must be out before we read what the driver wants. It writes
	 * its wish, then reads used.idx; without this both could read the old value and the last
	 * interrupt would be lost. */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	q->signalled = q->used_idx;
	if (!q->event_idx)
		return !(load16(&avail->flags) & AVAIL_NO_INTERRUPT);
	event = load16(&avail->ring[q->size]);
	/* §2.7.10: did the index pass used_event since the driver was last told? Modulo 2^16. */
	return (uint16_t)(q->used_idx - event - 1) < (uint16_t)(q->used_idx - was);
}

void virtq_notify_off(struct virtq *q)
{
	struct vq_used *used;

	/* With event indices an avail_event left behind says the same: no kick until the index
	 * passes it. */
	if (q->broken || !q->ready || q->event_idx)
		return;
	used = used_ring(q);
	if (!used || load16(&used->flags) == USED_NO_NOTIFY)
		return;
	__atomic_store_n(&used->flags, (uint16_t)USED_NO_NOTIFY, __ATOMIC_RELAXED);
	vmc_mem_mark_dirty(q->vm, q->used, 2);
}

bool virtq_notify_on(struct virtq *q)
{
	const struct vq_avail *avail = avail_ring(q);
	struct vq_used *used = used_ring(q);
	uint16_t *event;

	if (q->broken || !q->ready || !avail || !used)
		return false;
	if (q->event_idx) {
		event = (uint16_t *)&used->ring[q->size];
		__atomic_store_n(event, q->next_avail, __ATOMIC_RELAXED);
		vmc_mem_mark_dirty(q->vm, q->used + 4 + 8 * (uint64_t)q->size, 2);
	} else {
		__atomic_store_n(&used->flags, (uint16_t)0, __ATOMIC_RELAXED);
		vmc_mem_mark_dirty(q->vm, q->used, 2);
	}
	/* Full barrier: the wish must be out before the last look; the driver writes idx, then
	 * reads the wish. */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return load16(&avail->idx) != q->next_avail;
}

uint16_t virtq_avail_idx(const struct virtq *q)
{
	const struct vq_avail *avail = q->ready ? avail_ring(q) : NULL;

	return avail ? load16(&avail->idx) : 0;
}

/* Copies between @buf and segments [first, first + n) at byte @off of them together. */
static ssize_t copy(struct virtq *q, const struct virtq_seg *seg, unsigned n, uint32_t off,
	void *to, const void *from, size_t len)
{
	size_t done = 0;
	unsigned i;
	int rc;

	for (i = 0; i < n && done < len; i++) {
		size_t part = seg[i].len;

		if (off >= part) {
			off -= part;
			continue;
		}
		part -= off;
		if (part > len - done)
			part = len - done;
		if (to)
			rc = vmc_mem_read(q->vm, seg[i].gpa + off, (char *)to + done, part);
		else
			rc = vmc_mem_write(
				q->vm, seg[i].gpa + off, (const char *)from + done, part);
		if (rc < 0)
			return virtq_break(q, "queue %u: a buffer left memory", q->index);
		off = 0;
		done += part;
	}
	return done;
}

ssize_t virtq_read(
	struct virtq *q, const struct virtq_chain *c, uint32_t off, void *buf, size_t len)
{
	return copy(q, c->seg, c->nout, off, buf, NULL, len);
}

ssize_t virtq_write(
	struct virtq *q, const struct virtq_chain *c, uint32_t off, const void *buf, size_t len)
{
	return copy(q, c->seg + c->nout, c->nin, off, NULL, buf, len);
}

void virtq_save(const struct virtq *q, struct vmc_out *out)
{
	vmc_out_u16(out, q->size);
	vmc_out_u64(out, q->desc);
	vmc_out_u64(out, q->avail);
	vmc_out_u64(out, q->used);
	vmc_out_u8(out, q->ready);
	vmc_out_u16(out, q->next_avail);
	vmc_out_u16(out, q->used_idx);
	vmc_out_u16(out, q->signalled);
	vmc_out_u8(out, q->broken);
	vmc_out_bytes(out, q->why, sizeof(q->why));
	vmc_out_u64(out, q->kicks);
	vmc_out_u64(out, q->interrupts);
}

void virtq_load_text(struct vmc_in *in, char *text, size_t size)
{
	size_t i;

	vmc_in_bytes(in, text, size);
	text[size - 1] = '\0';
	for (i = 0; text[i]; i++)
		if (text[i] < ' ' || text[i] > '~') /* it goes to screens and into JSON */
			text[i] = '?';
}

int virtq_load(struct virtq *q, struct vmc_in *in)
{
	const char *problem;

	q->size = vmc_in_u16(in);
	q->desc = vmc_in_u64(in);
	q->avail = vmc_in_u64(in);
	q->used = vmc_in_u64(in);
	q->ready = vmc_in_u8(in);
	q->next_avail = vmc_in_u16(in);
	q->used_idx = vmc_in_u16(in);
	q->signalled = vmc_in_u16(in);
	q->broken = vmc_in_u8(in);
	virtq_load_text(in, q->why, sizeof(q->why));
	q->kicks = vmc_in_u64(in);
	q->interrupts = vmc_in_u64(in);
	if (in->error)
		return in->error;
	problem = q->ready && !q->broken ? ring_problem(q) : NULL;
	if (problem)
		return vmc_in_fail(in, -EBADMSG, "queue %u: %s", q->index, problem);
	/* Never more chains with the device than the ring holds. */
	if ((uint16_t)(q->next_avail - q->used_idx) > q->size && !q->broken)
		return vmc_in_fail(in, -EBADMSG, "queue %u: indices %u and %u do not fit", q->index,
			q->next_avail, q->used_idx);
	return 0;
}
