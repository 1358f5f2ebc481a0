/*
 * fuzz_virtq.c - a virtqueue whose rings, descriptors and tables are all the fuzzer's. Whatever
 * they say: no access outside guest memory, no endless walk, and what was accepted is consistent.
 */
#include <stdlib.h>
#include <string.h>

#include "devices/virtq.h"
#include "tests/lib/fakevm.h"

#define RAM 0x10000u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CHECK(x)                                                                                   \
	do {                                                                                       \
		if (!(x))                                                                          \
			abort();                                                                   \
	} while (0)

static void check_chain(struct vmc_vm *vm, const struct virtq *q, const struct virtq_chain *c)
{
	uint64_t out = 0, in = 0;
	unsigned i;

	CHECK(c->nout + c->nin <= q->size);
	for (i = 0; i < c->nout + c->nin; i++) {
		CHECK(c->seg[i].len);
		CHECK(vmc_mem_ptr(vm, c->seg[i].gpa, c->seg[i].len, i >= c->nout));
		*(i < c->nout ? &out : &in) += c->seg[i].len;
	}
	CHECK(out == c->out_len && in == c->in_len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct vmc_vm *vm;
	static struct virtq_chain c;
	uint8_t buf[256], head[10];
	struct virtq q;
	unsigned turn;

	if (size < sizeof(head))
		return 0;
	if (!vm)
		vm = fake_vm_new(RAM);
	memset(fake_ram(vm, 0), 0, RAM);
	memcpy(head, data, sizeof(head));
	data += sizeof(head);
	size -= sizeof(head);
	memcpy(fake_ram(vm, 0), data, size < RAM ? size : RAM);
	virtq_init(&q, vm, 0, VIRTQ_SIZE_MAX);
	q.size = 1u << (head[0] & 15);
	q.indirect = head[1] & 1;
	q.event_idx = head[1] & 2;
	q.desc = (head[2] | head[3] << 8) & ~15u;
	q.avail = (head[4] | head[5] << 8) & ~1u;
	q.used = (head[6] | head[7] << 8) & ~3u;
	if (virtq_enable(&q) < 0) {
		CHECK(q.broken && q.why[0]);
		return 0;
	}
	q.next_avail = q.used_idx = q.signalled = head[8] | head[9] << 8;
	for (turn = 0; turn < 300; turn++) {
		uint16_t before = q.next_avail;
		int rc = virtq_peek(&q, &c);

		if (rc != 1) {
			CHECK(rc == 0 || (q.broken && q.why[0]));
			break;
		}
		CHECK(q.next_avail == before);
		check_chain(vm, &q, &c);
		if (turn & 1)
			virtq_notify_off(&q);
		CHECK(virtq_read(&q, &c, turn, buf, sizeof(buf)) <= (ssize_t)sizeof(buf));
		CHECK(virtq_write(&q, &c, turn, buf, sizeof(buf)) >= 0);
		virtq_take(&q);
		CHECK(virtq_push(&q, c.head, c.in_len) == 0);
		virtq_needs_interrupt(&q);
		virtq_notify_on(&q);
	}
	return 0;
}
