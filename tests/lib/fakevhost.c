/* fakevhost.c - see fakevhost.h. Rings as linux/virtio_ring.h has them, so that their layout is looked at, too. */
#include "tests/lib/fakevhost.h"

#include <errno.h>
#include <linux/vhost.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct fake_vhost fake_vhost;
static struct fake_vhost *const h = &fake_vhost;

#define CHECK(x)                                                                                   \
	do {                                                                                       \
		if (!(x)) {                                                                        \
			fprintf(stderr, "fakevhost: %s: line %d\n", #x, __LINE__);                 \
			abort();                                                                   \
		}                                                                                  \
	} while (0)

void fake_vhost_init(void)
{
	memset(h, 0, sizeof(*h));
	h->features = 1ull << 32 | 1ull << 29 | 1ull << 28 | 1ull << 27 | 1ull << 26 | 1ull << 24 | 1 << 1;
}

static int refuse(int error)
{
	errno = error;
	return -1;
}

static int ring_request(unsigned long request, void *arg)
{
	struct vhost_vring_state *state = arg;
	struct vhost_vring_addr *addr = arg;
	struct vhost_vring_file *file = arg;
	unsigned i = state->index; /* first in each of them */

	CHECK(h->owner && i < 2);
	switch (request) {
	case VHOST_SET_VRING_NUM:
		CHECK(!h->running && state->num && !(state->num & (state->num - 1)));
		h->ring[i].num = state->num;
		return 0;
	case VHOST_SET_VRING_BASE:
		CHECK(!h->running);
		h->ring[i].last_avail = (uint16_t)state->num;
		return 0;
	case VHOST_SET_VRING_ADDR:
		CHECK(addr->desc_user_addr % 16 == 0 && addr->avail_user_addr % 2 == 0 && addr->used_user_addr % 4 == 0);
		h->ring[i].desc = addr->desc_user_addr;
		h->ring[i].avail = addr->avail_user_addr;
		h->ring[i].used = addr->used_user_addr;
		return 0;
	case VHOST_SET_VRING_KICK:
		h->ring[i].kick = file->fd;
		return 0;
	case VHOST_SET_VRING_CALL:
		h->ring[i].call = file->fd;
		return 0;
	case VHOST_SET_VRING_ERR:
		h->ring[i].err = file->fd;
		return 0;
	}
	CHECK(!"a request that it knows");
	return -1;
}

static int set_memory(const struct vhost_memory *m)
{
	CHECK(m->nregions <= 8);
	h->nregions = m->nregions;
	for (unsigned i = 0; i < m->nregions; i++) {
		h->region[i].gpa = m->regions[i].guest_phys_addr;
		h->region[i].size = m->regions[i].memory_size;
		h->region[i].hva = m->regions[i].userspace_addr;
	}
	return 0;
}

static int set_running(bool on)
{
	CHECK(h->owner);
	for (unsigned i = 0; on && i < 2; i++) {
		const struct vring_used *used = (void *)(uintptr_t)h->ring[i].used;

		CHECK(h->ring[i].num && used);
		h->ring[i].used_idx = used->idx;
	}
	h->starts += on && !h->running;
	h->running = on;
	return 0;
}

int fake_vhost_ioctl(int fd, unsigned long request, void *arg)
{
	CHECK(fd >= 0);
	if (request == h->fail) {
		h->fail = 0;
		return refuse(h->fail_errno);
	}
	switch (request) {
	case VHOST_SET_OWNER:
		CHECK(!h->owner);
		h->owner = true;
		return 0;
	case VHOST_GET_FEATURES:
		memcpy(arg, &h->features, 8);
		return 0;
	case VHOST_SET_FEATURES:
		memcpy(&h->agreed, arg, 8);
		return h->agreed & ~h->features ? refuse(EOPNOTSUPP) : 0;
	case VHOST_SET_MEM_TABLE:
		return set_memory(arg);
	case VHOST_VSOCK_SET_GUEST_CID:
		memcpy(&h->cid, arg, 8);
		return 0;
	case VHOST_VSOCK_SET_RUNNING:
		return set_running(*(int *)arg);
	default:
		return ring_request(request, arg);
	}
}

bool fake_vhost_kicked(unsigned i)
{
	uint64_t n;

	return read(h->ring[i].kick, &n, sizeof(n)) == (ssize_t)sizeof(n);
}

unsigned fake_vhost_waiting(unsigned i)
{
	const struct vring_avail *avail = (void *)(uintptr_t)h->ring[i].avail;

	return (uint16_t)(avail->idx - h->ring[i].last_avail);
}

static uint8_t *memory(uint64_t gpa, uint32_t len)
{
	for (unsigned i = 0; i < h->nregions; i++)
		if (gpa >= h->region[i].gpa && gpa - h->region[i].gpa + len <= h->region[i].size)
			return (uint8_t *)(uintptr_t)(h->region[i].hva + gpa - h->region[i].gpa);
	CHECK(!"memory of the guest");
	return NULL;
}

/* Moves up to @len bytes between @buf and the next chain, and gives that back. Return: bytes, -1: there is none. */
static long move(unsigned i, uint8_t *buf, size_t len, bool to_guest)
{
	const struct vring_avail *avail = (void *)(uintptr_t)h->ring[i].avail;
	const struct vring_desc *desc = (void *)(uintptr_t)h->ring[i].desc;
	struct vring_used *used = (void *)(uintptr_t)h->ring[i].used;
	const uint64_t one = 1;
	uint16_t head, at;
	size_t done = 0;

	if (!h->running || !fake_vhost_waiting(i))
		return -1;
	head = at = avail->ring[h->ring[i].last_avail++ % h->ring[i].num];
	for (;;) {
		size_t n = desc[at].len < len - done ? desc[at].len : len - done;

		CHECK(at < h->ring[i].num && !(desc[at].flags & VRING_DESC_F_WRITE) != to_guest);
		if (n && to_guest)
			memcpy(memory(desc[at].addr, desc[at].len), buf + done, n);
		else if (n)
			memcpy(buf + done, memory(desc[at].addr, desc[at].len), n);
		done += n;
		if (!(desc[at].flags & VRING_DESC_F_NEXT))
			break;
		at = desc[at].next;
	}
	used->ring[h->ring[i].used_idx % h->ring[i].num].id = head;
	used->ring[h->ring[i].used_idx % h->ring[i].num].len = (uint32_t)done; /* of what it reads, too, as Linux 6.1 */
	used->idx = ++h->ring[i].used_idx;
	CHECK(write(h->ring[i].call, &one, sizeof(one)) == sizeof(one));
	return (long)done;
}

bool fake_vhost_send(const void *packet, size_t len)
{
	return move(0, (uint8_t *)packet, len, true) == (long)len;
}

long fake_vhost_receive(void *packet, size_t size)
{
	return move(1, packet, size, false);
}

void fake_vhost_error(void)
{
	const uint64_t one = 1;

	CHECK(write(h->ring[1].err, &one, sizeof(one)) == sizeof(one));
}

void fake_vhost_nonsense(void)
{
	struct vring_used *used = (void *)(uintptr_t)h->ring[0].used;
	const uint64_t one = 1;

	used->ring[h->ring[0].used_idx % h->ring[0].num].id = 77;
	used->idx = ++h->ring[0].used_idx;
	CHECK(write(h->ring[0].call, &one, sizeof(one)) == sizeof(one));
}
