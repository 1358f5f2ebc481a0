/* test_devices_virtq.c - virtqueues against a well-behaved and a hostile driver (virtio 1.2 §2.7).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "devices/virtq.h"
#include "tests/lib/fakevm.h"
#include "tests/lib/vdriver.h"

#define RAM   (4u << 20)
#define SIZE  8
#define DESC  0x10000u
#define AVAIL 0x18000u
#define USED  0x19000u
#define DATA  0x20000u

struct t {
	struct vmc_vm *vm;
	struct virtq q;
	struct virtq_chain c;
	unsigned broken;
};

static void count_break(struct virtq *q)
{
	((struct t *)q->owner)->broken++;
}

static int setup(void **state)
{
	struct t *t = test_calloc(1, sizeof(*t));

	t->vm = fake_vm_new(RAM);
	virtq_init(&t->q, t->vm, 0, VIRTQ_SIZE_MAX);
	t->q.broke = count_break;
	t->q.owner = t;
	t->q.size = SIZE;
	t->q.desc = DESC;
	t->q.avail = AVAIL;
	t->q.used = USED;
	t->q.indirect = true;
	assert_int_equal(virtq_enable(&t->q), 0);
	*state = t;
	return 0;
}

static int teardown(void **state)
{
	struct t *t = *state;

	fake_vm_free(t->vm);
	test_free(t);
	return 0;
}

static void desc_at(struct t *t, uint64_t table, unsigned i, uint64_t addr, uint32_t len,
	uint16_t flags, uint16_t next)
{
	struct vd_desc d = { addr, len, flags, next };

	memcpy(fake_ram(t->vm, table + 16 * i), &d, 16);
}

static void desc(
	struct t *t, unsigned i, uint64_t addr, uint32_t len, uint16_t flags, uint16_t next)
{
	desc_at(t, DESC, i, addr, len, flags, next);
}

static uint16_t *avail(struct t *t)
{
	return (uint16_t *)fake_ram(t->vm, AVAIL);
}

static uint16_t *used(struct t *t)
{
	return (uint16_t *)fake_ram(t->vm, USED);
}

static void add(struct t *t, uint16_t head)
{
	avail(t)[2 + avail(t)[1] % SIZE] = head;
	avail(t)[1]++;
}

/* The chain at the head breaks the queue, once, with @words in the reason; then there is nothing
 * any more. */
static void assert_breaks(struct t *t, const char *words)
{
	assert_int_equal(virtq_peek(&t->q, &t->c), -EPROTO);
	assert_true(t->q.broken);
	assert_int_equal(t->broken, 1);
	if (!strstr(t->q.why, words))
		fail_msg("reason \"%s\" does not say \"%s\"", t->q.why, words);
	assert_int_equal(virtq_peek(&t->q, &t->c), -EPROTO);
	assert_int_equal(virtq_push(&t->q, 0, 0), -EPROTO);
	assert_false(virtq_needs_interrupt(&t->q));
	assert_false(virtq_notify_on(&t->q));
	assert_int_equal(t->broken, 1);
	assert_int_equal(used(t)[1], 0);
}

static void test_chain(void **state)
{
	struct t *t = *state;
	char buf[16] = "";

	assert_int_equal(virtq_peek(&t->q, &t->c), 0);
	memcpy(fake_ram(t->vm, DATA), "abcdef", 6);
	desc(t, 3, DATA, 4, VD_NEXT, 5);
	desc(t, 5, DATA + 4, 2, VD_NEXT, 1);
	desc(t, 1, DATA + 0x1000, 3, VD_NEXT | VD_WRITE, 0);
	desc(t, 0, DATA + 0x2000, 5, VD_WRITE, 7);
	add(t, 3);
	assert_int_equal(virtq_peek(&t->q, &t->c), 1);
	assert_int_equal(t->c.head, 3);
	assert_int_equal(t->c.nout, 2);
	assert_int_equal(t->c.nin, 2);
	assert_int_equal(t->c.out_len, 6);
	assert_int_equal(t->c.in_len, 8);
	assert_int_equal(virtq_read(&t->q, &t->c, 0, buf, 16), 6);
	assert_string_equal(buf, "abcdef");
	assert_int_equal(virtq_read(&t->q, &t->c, 3, buf, 2), 2);
	assert_memory_equal(buf, "de", 2);
	assert_int_equal(virtq_read(&t->q, &t->c, 6, buf, 2), 0);
	assert_int_equal(virtq_read(&t->q, &t->c, UINT32_MAX, buf, 2), 0);
	fake_dirty_clear(t->vm);
	assert_int_equal(virtq_write(&t->q, &t->c, 2, "XYZ", 3), 3);
	assert_memory_equal(fake_ram(t->vm, DATA + 0x1002), "X", 2);
	assert_memory_equal(fake_ram(t->vm, DATA + 0x2000), "YZ", 3);
	assert_int_equal(virtq_write(&t->q, &t->c, 7, "123", 3), 1); /* only one byte is left */
	assert_true(fake_dirty_take(t->vm, DATA + 0x1000));
	assert_true(fake_dirty_take(t->vm, DATA + 0x2000));
	assert_false(fake_dirty_take(t->vm, USED));
	virtq_take(&t->q);
	assert_int_equal(virtq_peek(&t->q, &t->c), 0);
	assert_int_equal(virtq_push(&t->q, 3, 8), 0);
	assert_int_equal(used(t)[1], 1);
	assert_int_equal(((uint32_t *)used(t))[1], 3);
	assert_int_equal(((uint32_t *)used(t))[2], 8);
	assert_true(fake_dirty_take(t->vm, USED));
}

/* Indices are 16 bits and run over; slots are theirs modulo the size. */
static void test_wrap(void **state)
{
	struct t *t = *state;
	unsigned i;

	for (i = 0; i < 70000; i++) {
		desc(t, i % SIZE, DATA, 1, 0, 0);
		add(t, i % SIZE);
		assert_int_equal(virtq_peek(&t->q, &t->c), 1);
		assert_int_equal(t->c.head, i % SIZE);
		virtq_take(&t->q);
		assert_int_equal(virtq_push(&t->q, t->c.head, i), 0);
		assert_int_equal(used(t)[1], (uint16_t)(i + 1));
		assert_int_equal(((uint32_t *)used(t))[1 + 2 * (i % SIZE)], i % SIZE);
		assert_int_equal(((uint32_t *)used(t))[2 + 2 * (i % SIZE)], i);
	}
}

static void test_full_ring(void **state)
{
	struct t *t = *state;
	unsigned i;

	for (i = 0; i < SIZE; i++) {
		desc(t, i, DATA, 1, 0, 0);
		add(t, i);
	}
	for (i = 0; i < SIZE; i++) {
		assert_int_equal(virtq_peek(&t->q, &t->c), 1);
		assert_int_equal(t->c.head, i);
		virtq_take(&t->q);
	}
	assert_int_equal(virtq_peek(&t->q, &t->c), 0);
	assert_false(t->q.broken);
}

static void test_index_jump(void **state)
{
	struct t *t = *state;

	avail(t)[1] = SIZE + 1;
	assert_breaks(t, "jumps from 0 to 9");
}

static void test_index_back(void **state)
{
	struct t *t = *state;

	avail(t)[1] = 0xffff;
	assert_breaks(t, "jumps");
}

static void test_head_out_of_range(void **state)
{
	struct t *t = *state;

	add(t, SIZE);
	assert_breaks(t, "descriptor 8 of 8");
}

static void test_next_out_of_range(void **state)
{
	struct t *t = *state;

	desc(t, 0, DATA, 1, VD_NEXT, 0xffff);
	add(t, 0);
	assert_breaks(t, "descriptor 65535 of 8");
}

static void test_loop(void **state)
{
	struct t *t = *state;

	desc(t, 0, DATA, 1, VD_NEXT, 1);
	desc(t, 1, DATA, 1, VD_NEXT, 0);
	add(t, 0);
	assert_breaks(t, "loop");
}

static void test_self_loop_of_nothing(void **state)
{
	struct t *t = *state;

	desc(t, 0, DATA, 0, VD_NEXT, 0);
	add(t, 0);
	assert_breaks(t, "loop");
}

static void test_longest_chain(void **state)
{
	struct t *t = *state;
	unsigned i;

	for (i = 0; i < SIZE; i++)
		desc(t, i, DATA + i, 1, i + 1 < SIZE ? VD_NEXT : 0, i + 1);
	add(t, 0);
	assert_int_equal(virtq_peek(&t->q, &t->c), 1);
	assert_int_equal(t->c.nout, SIZE);
}

static void test_zero_length(void **state)
{
	struct t *t = *state;

	desc(t, 0, UINT64_MAX, 0, VD_NEXT, 1); /* nothing at nowhere is fine */
	desc(t, 1, DATA, 2, 0, 0);
	add(t, 0);
	assert_int_equal(virtq_peek(&t->q, &t->c), 1);
	assert_int_equal(t->c.nout, 1);
	assert_int_equal(t->c.out_len, 2);
}

static void test_buffer_beyond_memory(void **state)
{
	static const struct {
		uint64_t addr;
		uint32_t len;
		uint16_t flags;
	} bad[] = {
		{ RAM, 1, 0 },
		{ RAM - 1, 2, 0 },
		{ RAM - 1, 2, VD_WRITE },
		{ DATA, UINT32_MAX, 0 },
		{ UINT64_MAX, 1, 0 },
		{ UINT64_MAX - 1, UINT32_MAX, VD_WRITE },
		{ FAKE_ROM, 1, VD_WRITE }, /* memory, but read-only */
		{ FAKE_ROM + FAKE_ROM_SIZE - 1, 2, 0 },
	};
	struct t *t = *state;
	unsigned i;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		desc(t, 0, bad[i].addr, bad[i].len, bad[i].flags, 0);
		add(t, 0);
		assert_breaks(t, "are not");
		memset(avail(t), 0, 6 + 2 * SIZE);
		virtq_reset(&t->q);
		t->broken = 0;
		t->q.size = SIZE;
		t->q.desc = DESC;
		t->q.avail = AVAIL;
		t->q.used = USED;
		assert_int_equal(virtq_enable(&t->q), 0);
	}
	desc(t, 0, FAKE_ROM, 1, 0, 0); /* the device may read it */
	add(t, 0);
	assert_int_equal(virtq_peek(&t->q, &t->c), 1);
}

static void test_writable_first(void **state)
{
	struct t *t = *state;

	desc(t, 0, DATA, 1, VD_NEXT | VD_WRITE, 1);
	desc(t, 1, DATA, 1, 0, 0);
	add(t, 0);
	assert_breaks(t, "readable descriptor after a writable one");
}

/* Every piece is memory; together they are more than a chain may be. */
static void test_more_than_4_gib(void **state)
{
	struct vmc_vm *big = fake_vm_new(64u << 20);
	struct virtq q;
	struct virtq_chain *c = test_malloc(sizeof(*c));
	struct vd_desc d;
	unsigned i, len;

	for (len = 16u << 20; len >= (16u << 20) - 1; len--) {
		memset(fake_ram(big, AVAIL), 0, 4096);
		virtq_init(&q, big, 0, VIRTQ_SIZE_MAX);
		q.desc = DESC;
		q.avail = AVAIL;
		q.used = 0x20000;
		assert_int_equal(virtq_enable(&q), 0);
		for (i = 0; i < 256; i++) {
			d = (struct vd_desc){ 0, len, i < 255 ? VD_NEXT : 0, i + 1 };
			memcpy(fake_ram(big, DESC + 16 * i), &d, 16);
		}
		((uint16_t *)fake_ram(big, AVAIL))[1] = 1;
		if (len == 16u << 20) {
			assert_int_equal(virtq_peek(&q, c), -EPROTO);
			assert_non_null(strstr(q.why, "4 GiB"));
		} else {
			assert_int_equal(virtq_peek(&q, c), 1);
			assert_int_equal(c->out_len, 256u * len);
		}
	}
	test_free(c);
	fake_vm_free(big);
}

static void test_indirect(void **state)
{
	struct t *t = *state;
	unsigned i;

	/* a direct descriptor, then a table as long as the queue allows; WRITE on the reference
	 * means nothing */
	desc(t, 0, DATA, 1, VD_NEXT, 1);
	desc(t, 1, 0x30000, 16 * (SIZE - 1), VD_INDIRECT | VD_WRITE, 0);
	for (i = 0; i < SIZE - 1; i++)
		desc_at(t, 0x30000, i, DATA + i, 1, i + 2 < SIZE ? VD_NEXT : 0, i + 1);
	add(t, 0);
	assert_int_equal(virtq_peek(&t->q, &t->c), 1);
	assert_int_equal(t->c.nout, SIZE);
}

static void indirect_breaks(
	struct t *t, uint32_t len, uint16_t flags, uint64_t table, const char *words)
{
	desc(t, 0, table, len, flags, 1);
	desc(t, 1, DATA, 1, 0, 0);
	add(t, 0);
	assert_breaks(t, words);
}

static void test_indirect_empty(void **state)
{
	indirect_breaks(*state, 0, VD_INDIRECT, 0x30000, "indirect table of 0 bytes");
}

static void test_indirect_odd(void **state)
{
	indirect_breaks(*state, 24, VD_INDIRECT, 0x30000, "indirect table of 24 bytes");
}

static void test_indirect_next(void **state)
{
	indirect_breaks(*state, 16, VD_INDIRECT | VD_NEXT, 0x30000, "with NEXT");
}

static void test_indirect_nowhere(void **state)
{
	indirect_breaks(*state, 32, VD_INDIRECT, RAM - 16, "is not memory");
}

static void test_indirect_not_negotiated(void **state)
{
	struct t *t = *state;

	t->q.indirect = false;
	indirect_breaks(t, 16, VD_INDIRECT, 0x30000, "not negotiated");
}

static void test_indirect_in_indirect(void **state)
{
	struct t *t = *state;

	desc(t, 0, 0x30000, 32, VD_INDIRECT, 0);
	desc_at(t, 0x30000, 0, 0x31000, 32, VD_INDIRECT, 0);
	add(t, 0);
	assert_breaks(t, "in an indirect table");
}

/* A table that is the queue's own descriptor table refers to itself: nested all the same. */
static void test_indirect_to_itself(void **state)
{
	struct t *t = *state;

	desc(t, 0, DESC, 16 * SIZE, VD_INDIRECT, 0);
	add(t, 0);
	assert_breaks(t, "in an indirect table");
}

static void test_indirect_next_beyond(void **state)
{
	struct t *t = *state;

	desc(t, 0, 0x30000, 32, VD_INDIRECT, 0);
	desc_at(t, 0x30000, 0, DATA, 1, VD_NEXT, 2);
	add(t, 0);
	assert_breaks(t, "descriptor 2 of 2");
}

static void test_indirect_loop(void **state)
{
	struct t *t = *state;

	desc(t, 0, 0x30000, 32, VD_INDIRECT, 0);
	desc_at(t, 0x30000, 0, DATA, 1, VD_NEXT, 1);
	desc_at(t, 0x30000, 1, DATA, 1, VD_NEXT, 0);
	add(t, 0);
	assert_breaks(t, "loop");
}

static void bad_ring(
	struct t *t, uint16_t size, uint64_t d, uint64_t a, uint64_t u, const char *words)
{
	virtq_reset(&t->q);
	t->broken = 0;
	t->q.size = size;
	t->q.desc = d;
	t->q.avail = a;
	t->q.used = u;
	assert_int_equal(virtq_enable(&t->q), -EINVAL);
	assert_false(t->q.ready);
	assert_int_equal(t->broken, 1);
	if (!strstr(t->q.why, words))
		fail_msg("reason \"%s\" does not say \"%s\"", t->q.why, words);
}

static void test_bad_rings(void **state)
{
	struct t *t = *state;

	bad_ring(t, 0, DESC, AVAIL, USED, "size");
	bad_ring(t, 6, DESC, AVAIL, USED, "size");
	bad_ring(t, 512, DESC, AVAIL, USED, "size");
	bad_ring(t, SIZE, DESC + 8, AVAIL, USED, "aligned");
	bad_ring(t, SIZE, DESC, AVAIL + 1, USED, "aligned");
	bad_ring(t, SIZE, DESC, AVAIL, USED + 2, "aligned");
	bad_ring(t, SIZE, RAM - 16, AVAIL, USED, "descriptor table");
	bad_ring(t, SIZE, 0xfffffffffffffff0ull, AVAIL, USED, "descriptor table");
	bad_ring(t, SIZE, DESC, RAM - 20, USED, "available ring");
	bad_ring(t, SIZE, DESC, AVAIL, RAM - 68, "used ring");
	bad_ring(t, SIZE, DESC, AVAIL, FAKE_ROM, "used ring");
}

static void take_one(struct t *t)
{
	desc(t, 0, DATA, 1, 0, 0);
	add(t, 0);
	assert_int_equal(virtq_peek(&t->q, &t->c), 1);
	virtq_take(&t->q);
	virtq_push(&t->q, 0, 0);
}

static void test_no_interrupt_flag(void **state)
{
	struct t *t = *state;

	assert_false(virtq_needs_interrupt(&t->q)); /* nothing pushed */
	take_one(t);
	assert_true(virtq_needs_interrupt(&t->q));
	assert_false(virtq_needs_interrupt(&t->q)); /* told already */
	avail(t)[0] = 1;
	take_one(t);
	assert_false(virtq_needs_interrupt(&t->q));
	avail(t)[0] = 0;
	take_one(t);
	assert_true(virtq_needs_interrupt(&t->q));
}

static void test_used_event(void **state)
{
	struct t *t = *state;
	unsigned i;

	t->q.event_idx = true;
	avail(t)[0] = 1; /* means nothing with event indices */
	avail(t)[2 + SIZE] = 0;
	take_one(t);
	assert_true(virtq_needs_interrupt(&t->q));
	avail(t)[2 + SIZE] = 3; /* wake me at the fourth */
	for (i = 1; i < 3; i++) {
		take_one(t);
		assert_false(virtq_needs_interrupt(&t->q));
	}
	take_one(t);
	assert_true(virtq_needs_interrupt(&t->q));
	/* several at once pass it too, across the end of the 16 bits */
	for (i = 4; i < 0xfffe; i++) {
		take_one(t);
		virtq_needs_interrupt(&t->q);
	}
	avail(t)[2 + SIZE] = 0xffff;
	for (i = 0; i < 4; i++)
		take_one(t);
	assert_int_equal(used(t)[1], 2);
	assert_true(virtq_needs_interrupt(&t->q));
}

static void test_notify_flag(void **state)
{
	struct t *t = *state;

	virtq_notify_off(&t->q);
	assert_int_equal(used(t)[0], 1);
	fake_dirty_clear(t->vm);
	assert_false(virtq_notify_on(&t->q));
	assert_int_equal(used(t)[0], 0);
	assert_true(fake_dirty_take(t->vm, USED));
	add(t, 0);
	assert_true(virtq_notify_on(&t->q)); /* look again */
}

static void test_avail_event(void **state)
{
	struct t *t = *state;
	uint16_t *event = used(t) + 2 + 4 * SIZE;

	t->q.event_idx = true;
	take_one(t);
	take_one(t);
	fake_dirty_clear(t->vm);
	virtq_notify_off(&t->q);
	assert_int_equal(used(t)[0], 0); /* the flag must stay clear with event indices */
	assert_false(virtq_notify_on(&t->q));
	assert_int_equal(*event, 2);
	assert_true(fake_dirty_take(t->vm, USED));
	add(t, 0);
	assert_true(virtq_notify_on(&t->q));
}

static void test_save_load(void **state)
{
	struct t *t = *state;
	struct vmc_out out;
	struct vmc_in in;
	struct virtq copy;
	size_t len;

	take_one(t);
	take_one(t);
	add(t, 0);
	vmc_out_init(&out);
	virtq_save(&t->q, &out);
	copy = t->q;
	virtq_reset(&t->q);
	vmc_in_init(&in, out.data, out.len);
	assert_int_equal(virtq_load(&t->q, &in), 0);
	assert_int_equal(vmc_in_end(&in), 0);
	t->q.indirect = copy.indirect;
	assert_memory_equal(&t->q, &copy, sizeof(copy));
	assert_int_equal(virtq_peek(&t->q, &t->c), 1);
	for (len = 0; len < out.len; len++) {
		struct virtq q = copy;

		vmc_in_init(&in, out.data, len);
		assert_true(virtq_load(&q, &in) < 0);
	}
	out.data[0] = 7; /* a size that is no power of two */
	vmc_in_init(&in, out.data, out.len);
	assert_int_equal(virtq_load(&t->q, &in), -EBADMSG);
	vmc_out_free(&out);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_chain),
		T(test_wrap),
		T(test_full_ring),
		T(test_index_jump),
		T(test_index_back),
		T(test_head_out_of_range),
		T(test_next_out_of_range),
		T(test_loop),
		T(test_self_loop_of_nothing),
		T(test_longest_chain),
		T(test_zero_length),
		T(test_buffer_beyond_memory),
		T(test_writable_first),
		T(test_more_than_4_gib),
		T(test_indirect),
		T(test_indirect_empty),
		T(test_indirect_odd),
		T(test_indirect_next),
		T(test_indirect_nowhere),
		T(test_indirect_not_negotiated),
		T(test_indirect_in_indirect),
		T(test_indirect_to_itself),
		T(test_indirect_next_beyond),
		T(test_indirect_loop),
		T(test_bad_rings),
		T(test_no_interrupt_flag),
		T(test_used_event),
		T(test_notify_flag),
		T(test_avail_event),
		T(test_save_load),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
