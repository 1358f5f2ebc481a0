/*
 * relay.c - see relay.h. Spec: virtio 1.2 §2.7.13 (supplying buffers to the device), §2.7.14 (receiving used ones);
 * without event indices. Threads: main loop, device lock held; relay_clear() on vCPU threads too.
 */
#include "devices/relay.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { DESC_NEXT = 1, DESC_WRITE = 2 }; /* §2.7.5 */
enum { USED_NO_NOTIFY = 1 };            /* §2.7.8 */

static void *zeroed(size_t size)
{
	size_t whole = (size + VMC_PAGE_SIZE - 1) & ~(size_t)(VMC_PAGE_SIZE - 1);
	void *p = aligned_alloc(VMC_PAGE_SIZE, whole);

	return p ? memset(p, 0, whole) : NULL;
}

int relay_init(struct relay *r, struct vmc_vm *vm)
{
	r->vm = vm;
	r->desc = zeroed(RELAY_SIZE * sizeof(*r->desc));
	r->avail = zeroed(sizeof(*r->avail));
	r->used = zeroed(sizeof(*r->used));
	if (!r->desc || !r->avail || !r->used) {
		relay_fini(r);
		return -ENOMEM;
	}
	relay_clear(r);
	return 0;
}

void relay_fini(struct relay *r)
{
	free(r->desc);
	free(r->avail);
	free(r->used);
	r->desc = NULL;
	r->avail = NULL;
	r->used = NULL;
}

void relay_clear(struct relay *r)
{
	memset(r->avail, 0, sizeof(*r->avail));
	memset(r->used, 0, sizeof(*r->used));
	memset(r->chain, 0, sizeof(r->chain));
	for (unsigned i = 0; i < RELAY_SIZE; i++)
		r->next[i] = (uint16_t)(i + 1);
	r->free = 0;
	r->nfree = RELAY_SIZE;
	r->avail_idx = r->used_seen = 0;
}

bool relay_add(struct relay *r, const struct virtq_chain *c)
{
	uint16_t n = c->nout + c->nin, first = r->free, at = first;

	if (!n || n > r->nfree)
		return false;
	for (uint16_t i = 0; i < n; i++, at = r->next[at]) {
		r->desc[at] = (struct relay_desc_entry){
			.addr = c->seg[i].gpa,
			.len = c->seg[i].len,
			.flags = (i < c->nout ? 0 : DESC_WRITE) | (i + 1 < n ? DESC_NEXT : 0),
			.next = r->next[at],
		};
	}
	r->free = at;
	r->nfree -= n;
	r->chain[first].head = c->head;
	r->chain[first].count = n;
	r->chain[first].nout = c->nout;
	r->avail->ring[r->avail_idx % RELAY_SIZE] = first;
	/* Release: whoever sees the index sees entry and descriptors (§2.7.13.3). */
	__atomic_store_n(&r->avail->idx, ++r->avail_idx, __ATOMIC_RELEASE);
	return true;
}

bool relay_wants_kick(const struct relay *r)
{
	/* Our index must be out before we look at its wish; it writes the wish, then looks at the index. */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return !(__atomic_load_n(&r->used->flags, __ATOMIC_RELAXED) & USED_NO_NOTIFY);
}

/* The first @len bytes of the chain's writable part were written. */
static void mark(struct relay *r, uint16_t first, uint32_t len)
{
	uint16_t at = first;

	for (uint16_t i = 0; i < r->chain[first].count && len; i++, at = r->next[at]) {
		const struct relay_desc_entry *d = &r->desc[at];
		uint32_t here = d->len < len ? d->len : len;

		if (i < r->chain[first].nout)
			continue;
		vmc_mem_mark_dirty(r->vm, d->addr, here);
		len -= here;
	}
}

static void release(struct relay *r, uint16_t first)
{
	uint16_t last = first;

	for (uint16_t i = 1; i < r->chain[first].count; i++)
		last = r->next[last];
	r->next[last] = r->free;
	r->free = first;
	r->nfree += r->chain[first].count;
	r->chain[first].count = 0;
}

int relay_take(struct relay *r, struct virtq_done *done)
{
	/* Acquire: the element and the data before it were written before the index. */
	uint16_t idx = __atomic_load_n(&r->used->idx, __ATOMIC_ACQUIRE);
	uint32_t id, len;

	if (idx == r->used_seen)
		return 0;
	id = r->used->ring[r->used_seen % RELAY_SIZE].id;
	len = r->used->ring[r->used_seen % RELAY_SIZE].len;
	if (id >= RELAY_SIZE || !r->chain[id].count)
		return -EPROTO;
	r->used_seen++;
	done->head = r->chain[id].head;
	/* Linux before 6.3 tells the length of what it has read, too: nothing of it was written. */
	done->written = r->chain[id].nout == r->chain[id].count ? 0 : len;
	mark(r, (uint16_t)id, done->written);
	release(r, (uint16_t)id);
	return 1;
}
