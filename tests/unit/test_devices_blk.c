/*
 * test_devices_blk.c - the disk: requests of a driver that keeps or breaks the rules, with each
 * engine. A host that fails, pauses and resets: test_devices_blk_faults.c.
 */
#include <stdio.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "tests/lib/blkfix.h"

/* ---- what works, with each engine ---- */

static void work_with(const struct block_engine_ops *engine)
{
	struct blkfix *r = blkfix_new(engine, false, false);
	struct disk_info info;
	uint8_t buf[8192];

	blkfix_start(r, USUAL);
	assert_true(machine_disk_info(r->f->m, 0, &info));
	if (engine)
		assert_string_equal(info.engine, engine->name);
	assert_true(info.writeback);
	blkfix_fill(r, DATA, 8192, 1);
	assert_int_equal(blkfix_ask(r, VIRTIO_BLK_T_OUT, 10, 8192, false), VIRTIO_BLK_S_OK);
	assert_int_equal(blkfix_ask(r, VIRTIO_BLK_T_FLUSH, 0, 0, false), VIRTIO_BLK_S_OK);
	assert_int_equal(pread(r->fd, buf, sizeof(buf), 5120), 8192);
	assert_memory_equal(buf, fake_ram(r->f->vm, DATA), 8192);
	memset(fake_ram(r->f->vm, DATA), 0, 8192);
	fake_dirty_clear(r->f->vm);
	assert_int_equal(blkfix_ask(r, VIRTIO_BLK_T_IN, 10, 8192, true), VIRTIO_BLK_S_OK);
	assert_memory_equal(buf, fake_ram(r->f->vm, DATA), 8192);
	assert_true(fake_dirty_take(r->f->vm, DATA) && fake_dirty_take(r->f->vm, DATA + 4096));
	assert_int_equal(blkfix_range(r, VIRTIO_BLK_T_WRITE_ZEROES, 10, 8, 0), VIRTIO_BLK_S_OK);
	assert_true(blkfix_image_is(r, 5120, 4096, 0));
	assert_memory_equal((pread(r->fd, buf, 4096, 9216), buf), fake_ram(r->f->vm, DATA + 4096), 4096);
	assert_int_equal(blkfix_range(r, VIRTIO_BLK_T_WRITE_ZEROES, 18, 8, 1), VIRTIO_BLK_S_OK);
	assert_true(blkfix_image_is(r, 5120, 8192, 0));
	assert_int_equal(blkfix_range(r, VIRTIO_BLK_T_DISCARD, 0, SECTORS, 0), VIRTIO_BLK_S_OK);
	assert_true(machine_disk_info(r->f->m, 0, &info));
	assert_int_equal(info.bytes[DISK_READS], 8192);
	assert_int_equal(info.done[DISK_WRITES], 3);
	assert_int_equal(info.done[DISK_FLUSHES], 1);
	assert_int_equal(info.done[DISK_UNMAPS], 1);
	assert_int_equal(info.inflight, 0);
	blkfix_free(r);
}

static void test_uring(void **state)
{
	void *probe;
	int fd = eventfd(0, EFD_NONBLOCK);

	if (block_uring.create(fd, 8, &probe) < 0) {
		close(fd);
		print_message("no io_uring here\n");
		skip();
	}
	block_uring.destroy(probe);
	close(fd);
	work_with(&block_uring);
}

static void test_threads(void **state)
{
	work_with(&block_threads);
}

static void test_best(void **state)
{
	work_with(NULL);
}

/* What the page cache has is over when it has begun: the guest gets it without another turn of the main loop. */
static void test_at_once(void **state)
{
	struct blkfix *r = blkfix_new(&blkfix_fails, false, false);

	blkfix_start(r, USUAL);
	blkfix_host.silent = true;
	blkfix_fill(r, DATA, 4096, 3);
	assert_int_equal(blkfix_ask(r, VIRTIO_BLK_T_OUT, 8, 4096, false), VIRTIO_BLK_S_OK);
	assert_int_equal(blkfix_ask(r, VIRTIO_BLK_T_IN, 8, 4096, true), VIRTIO_BLK_S_OK);
	blkfix_free(r);
}

/* Many at once, out of order or not: each comes back once, with its own data. */
static void test_many(void **state)
{
	const struct block_engine_ops *engines[] = { NULL, &block_threads };

	for (unsigned e = 0; e < 2; e++) {
		struct blkfix *r = blkfix_new(engines[e], false, false);
		uint32_t id, len, seen = 0;

		blkfix_start(r, USUAL);
		for (unsigned i = 0; i < 20; i++) {
			memset(fake_ram(r->f->vm, DATA + i * 4096), (int)i + 1, 4096);
			blkfix_post(r, VIRTIO_BLK_T_OUT, i * 8, DATA + i * 4096, 4096, false);
		}
		vdrv_kick(&r->d, 0);
		for (unsigned i = 0; i < 20; i++) {
			assert_true(blkfix_wait_used(r, &id, &len));
			assert_false(seen >> id / 3 & 1);
			seen |= 1u << id / 3;
			assert_int_equal(blkfix_status(r, id), VIRTIO_BLK_S_OK);
		}
		for (unsigned i = 0; i < 20; i++)
			assert_true(blkfix_image_is(r, i * 4096, 4096, (int)i + 1));
		assert_true(fake_msi_take(r->f->vm, MSI + 1) >= 1);
		blkfix_free(r);
	}
}

static void test_scattered(void **state)
{
	struct blkfix *r = blkfix_new(&block_threads, false, false);
	struct virtio_blk_outhdr h = { .type = VIRTIO_BLK_T_OUT, .sector = 4 };
	uint8_t *ram = fake_ram(r->f->vm, 0), buf[1024];
	uint32_t id, len;

	/* §2.7.4.1: the header may lie in pieces, and share a buffer with data */
	blkfix_start(r, USUAL);
	blkfix_fill(r, DATA, 2048, 9);
	memcpy(ram + HDR, &h, 7);
	memcpy(ram + DATA - 9, (char *)&h + 7, 9);
	vdrv_set_desc(&r->d, 0, 0, HDR, 7, VD_NEXT, 1);
	vdrv_set_desc(&r->d, 0, 1, DATA - 9, 9 + 600, VD_NEXT, 2);
	vdrv_set_desc(&r->d, 0, 2, DATA + 600, 424, VD_NEXT, 3);
	vdrv_set_desc(&r->d, 0, 3, STATUS, 1, VD_WRITE, 0);
	vdrv_add(&r->d, 0, 0);
	vdrv_kick(&r->d, 0);
	assert_true(blkfix_wait_used(r, &id, &len));
	assert_int_equal(ram[STATUS], VIRTIO_BLK_S_OK);
	assert_int_equal(pread(r->fd, buf, 1024, 2048), 1024);
	assert_memory_equal(buf, ram + DATA, 1024);
	/* reading: data and status in one buffer */
	h.type = VIRTIO_BLK_T_IN;
	memcpy(ram + HDR, &h, 16);
	memset(ram + DATA, 0x55, 2000);
	vdrv_set_desc(&r->d, 0, 4, HDR, 16, VD_NEXT, 5);
	vdrv_set_desc(&r->d, 0, 5, DATA, 500, VD_NEXT | VD_WRITE, 6);
	vdrv_set_desc(&r->d, 0, 6, DATA + 500, 525, VD_WRITE, 0);
	vdrv_add(&r->d, 0, 4);
	vdrv_kick(&r->d, 0);
	assert_true(blkfix_wait_used(r, &id, &len));
	assert_int_equal(len, 1025);
	assert_memory_equal(buf, ram + DATA, 1024);
	assert_int_equal(ram[DATA + 1024], VIRTIO_BLK_S_OK);
	assert_int_equal(ram[DATA + 1025], 0x55);
	blkfix_free(r);
}

static void test_config(void **state)
{
	struct blkfix *r = blkfix_new(&blkfix_fails, false, false);
	uint64_t offered = vdrv_offered(&r->d);

	assert_int_equal(vdrv_cfg_read(&r->d, 2, 2), 0x1042);
	assert_false(offered & F(RO));
	assert_true((offered & (USUAL | F(SEG_MAX) | F(BLK_SIZE) | F(TOPOLOGY) | F(CONFIG_WCE))) ==
		    (USUAL | F(SEG_MAX) | F(BLK_SIZE) | F(TOPOLOGY) | F(CONFIG_WCE)));
	blkfix_start(r, USUAL | F(CONFIG_WCE));
	assert_int_equal(vdrv_read(&r->d, r->d.device, 4), SECTORS);
	assert_int_equal(vdrv_read(&r->d, r->d.device + 20, 4), 512);
	assert_int_equal(vdrv_read(&r->d, r->d.device + 32, 1), 1);
	assert_int_equal(blkfix_ask(r, VIRTIO_BLK_T_GET_ID, 0, 20, true), VIRTIO_BLK_S_OK);
	assert_string_equal((char *)fake_ram(r->f->vm, DATA), "S-123");
	memset(fake_ram(r->f->vm, DATA), 'x', 20);
	assert_int_equal(blkfix_ask(r, VIRTIO_BLK_T_GET_ID, 0, 3, true), VIRTIO_BLK_S_OK);
	assert_memory_equal(fake_ram(r->f->vm, DATA), "S-1xxx", 6);
	/* without a cache to flush, a write is durable by itself */
	vdrv_write(&r->d, r->d.device + 32, 1, 0);
	assert_int_equal(vdrv_read(&r->d, r->d.device + 32, 1), 0);
	assert_int_equal(blkfix_range(r, VIRTIO_BLK_T_WRITE_ZEROES, 0, 8, 0), VIRTIO_BLK_S_OK);
	assert_int_equal(blkfix_host.syncs, 1);
	vdrv_write(&r->d, r->d.device + 32, 1, 1);
	assert_int_equal(blkfix_range(r, VIRTIO_BLK_T_WRITE_ZEROES, 0, 8, 0), VIRTIO_BLK_S_OK);
	assert_int_equal(blkfix_host.syncs, 1);
	blkfix_start(r, 0); /* no FLUSH negotiated: the same */
	assert_int_equal(blkfix_range(r, VIRTIO_BLK_T_WRITE_ZEROES, 0, 8, 0), VIRTIO_BLK_S_OK);
	assert_int_equal(blkfix_host.syncs, 2);
	blkfix_free(r);
}

/* ---- what must be refused ---- */

static void test_bad_requests(void **state)
{
	const struct {
		uint32_t type;
		uint64_t sector;
		uint32_t len;
		bool in;
		int status;
	} cases[] = {
		{ VIRTIO_BLK_T_IN, SECTORS, 512, true, VIRTIO_BLK_S_IOERR },
		{ VIRTIO_BLK_T_IN, SECTORS - 1, 1024, true, VIRTIO_BLK_S_IOERR },
		{ VIRTIO_BLK_T_OUT, UINT64_MAX, 512, false, VIRTIO_BLK_S_IOERR },
		{ VIRTIO_BLK_T_OUT, UINT64_MAX / 512 + 1, 512, false, VIRTIO_BLK_S_IOERR },
		{ VIRTIO_BLK_T_OUT, (1ull << 55) + 1, 512, false, VIRTIO_BLK_S_IOERR },
		{ VIRTIO_BLK_T_IN, 0, 511, true, VIRTIO_BLK_S_IOERR },
		{ VIRTIO_BLK_T_OUT, 0, 513, false, VIRTIO_BLK_S_IOERR },
		{ VIRTIO_BLK_T_IN, 0, 0, true, VIRTIO_BLK_S_OK },
		{ VIRTIO_BLK_T_IN, SECTORS, 0, true, VIRTIO_BLK_S_OK },
		{ VIRTIO_BLK_T_SCSI_CMD, 0, 512, true, VIRTIO_BLK_S_UNSUPP },
		{ 0x12345678, 0, 512, true, VIRTIO_BLK_S_UNSUPP },
		{ VIRTIO_BLK_T_DISCARD, 0, 15, false, VIRTIO_BLK_S_IOERR },
		{ VIRTIO_BLK_T_DISCARD, 0, 32, false, VIRTIO_BLK_S_IOERR },
	};
	struct blkfix *r = blkfix_new(&blkfix_fails, false, false);

	blkfix_start(r, USUAL);
	memset(fake_ram(r->f->vm, DATA), 0, 1024);
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int got = blkfix_ask(r, cases[i].type, cases[i].sector, cases[i].len, cases[i].in);

		if (got != cases[i].status)
			fail_msg("case %u: status %d", i, got);
	}
	assert_int_equal(blkfix_range(r, VIRTIO_BLK_T_DISCARD, SECTORS - 1, 2, 0), VIRTIO_BLK_S_IOERR);
	assert_int_equal(blkfix_range(r, VIRTIO_BLK_T_DISCARD, UINT64_MAX, 1, 0), VIRTIO_BLK_S_IOERR);
	assert_int_equal(blkfix_range(r, VIRTIO_BLK_T_DISCARD, 0, UINT32_MAX, 0), VIRTIO_BLK_S_IOERR);
	assert_int_equal(blkfix_range(r, VIRTIO_BLK_T_DISCARD, 0, 8, 1), VIRTIO_BLK_S_UNSUPP);
	assert_int_equal(blkfix_range(r, VIRTIO_BLK_T_WRITE_ZEROES, 0, 8, 2), VIRTIO_BLK_S_UNSUPP);
	assert_int_equal(blkfix_host.steps, 0);
	assert_false(vdrv_status(&r->d) & NEEDS_RESET);
	blkfix_free(r);
}

static void test_read_only(void **state)
{
	struct blkfix *r = blkfix_new(&blkfix_fails, true, false);

	assert_true(vdrv_offered(&r->d) & F(RO));
	assert_false(vdrv_offered(&r->d) & F(DISCARD));
	blkfix_start(r, F(FLUSH));
	assert_int_equal(blkfix_ask(r, VIRTIO_BLK_T_OUT, 0, 512, false), VIRTIO_BLK_S_IOERR);
	assert_int_equal(blkfix_range(r, VIRTIO_BLK_T_DISCARD, 0, 8, 0), VIRTIO_BLK_S_IOERR);
	assert_int_equal(blkfix_range(r, VIRTIO_BLK_T_WRITE_ZEROES, 0, 8, 0), VIRTIO_BLK_S_IOERR);
	assert_int_equal(blkfix_host.steps, 0);
	assert_int_equal(blkfix_ask(r, VIRTIO_BLK_T_IN, 0, 512, true), VIRTIO_BLK_S_OK);
	blkfix_free(r);
}

/* A request that has no room for a header or a status breaks the queue, and nothing else. */
static void test_broken_requests(void **state)
{
	for (unsigned c = 0; c < 4; c++) {
		struct blkfix *r = blkfix_new(&blkfix_fails, false, false);

		blkfix_start(r, USUAL);
		vdrv_set_desc(&r->d, 0, 0, HDR, c == 0 ? 15 : 16, c == 1 ? 0 : VD_NEXT, 1);
		vdrv_set_desc(&r->d, 0, 1, c == 2 ? FIX_RAM - 8 : STATUS, c == 2 ? 16 : 1,
			c == 3 ? 0 : VD_WRITE, 0);
		vdrv_add(&r->d, 0, 0);
		vdrv_kick(&r->d, 0);
		assert_true(fix_run(r->f));
		assert_true(vdrv_status(&r->d) & NEEDS_RESET);
		assert_int_equal(blkfix_host.steps, 0);
		blkfix_start(r, USUAL); /* a reset mends it */
		assert_int_equal(blkfix_ask(r, VIRTIO_BLK_T_IN, 0, 512, true), VIRTIO_BLK_S_OK);
		blkfix_free(r);
	}
}

/* The same chain again and again, while the host has it: more than a queue holds is a breach. */
static void test_too_many(void **state)
{
	struct blkfix *r = blkfix_new(&blkfix_fails, false, false);
	unsigned n;

	blkfix_start(r, USUAL);
	blkfix_host.hold = true;
	n = blkfix_post(r, VIRTIO_BLK_T_IN, 0, DATA, 512, true);
	for (unsigned i = 0; i < 200; i++) {
		vdrv_kick(&r->d, 0);
		assert_true(fix_run(r->f));
		vdrv_add(&r->d, 0, (uint16_t)n);
	}
	vdrv_kick(&r->d, 0);
	assert_true(fix_run(r->f));
	assert_true(vdrv_status(&r->d) & NEEDS_RESET);
	assert_true(blkfix_host.steps <= 64);
	blkfix_free(r); /* with requests still at the host */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_uring),
		cmocka_unit_test(test_threads),
		cmocka_unit_test(test_best),
		cmocka_unit_test(test_at_once),
		cmocka_unit_test(test_many),
		cmocka_unit_test(test_scattered),
		cmocka_unit_test(test_config),
		cmocka_unit_test(test_bad_requests),
		cmocka_unit_test(test_read_only),
		cmocka_unit_test(test_broken_requests),
		cmocka_unit_test(test_too_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
