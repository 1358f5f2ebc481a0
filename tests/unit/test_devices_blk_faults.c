/*
 * test_devices_blk_faults.c - the disk with a host that fails, with saved state, and through pauses and
 * resets.
 */
#include <errno.h>
#include <unistd.h>

#include "tests/lib/blkfix.h"

static void test_reported(void **state)
{
	const int errors[] = { ENOSPC, EIO };

	for (unsigned i = 0; i < 2; i++) {
		struct blkfix *r = blkfix_new(&blkfix_fails, false, false);
		struct disk_info info;

		blkfix_start(r, USUAL);
		blkfix_host.fail = errors[i];
		assert_int_equal(blkfix_ask(r, VIRTIO_BLK_T_OUT, 3, 512, false), VIRTIO_BLK_S_IOERR);
		assert_int_equal(r->errors, 1);
		assert_int_equal(r->error.error, errors[i]);
		assert_string_equal(r->error.op, "write");
		assert_int_equal(r->error.off, 3 * 512);
		assert_false(r->error.kept);
		blkfix_host.fail = 0;
		assert_int_equal(blkfix_ask(r, VIRTIO_BLK_T_OUT, 3, 512, false), VIRTIO_BLK_S_OK);
		machine_disk_info(r->f->m, 0, &info);
		assert_int_equal(info.failed[DISK_WRITES], 1);
		blkfix_free(r);
	}
}

static void test_kept(void **state)
{
	struct blkfix *r = blkfix_new(&blkfix_fails, false, true);
	struct disk_info info;
	uint32_t id, len;
	unsigned a, b;

	blkfix_start(r, USUAL);
	blkfix_fill(r, DATA, 512, 3);
	blkfix_host.fail = ENOSPC;
	a = blkfix_post(r, VIRTIO_BLK_T_OUT, 3, DATA, 512, false);
	b = blkfix_post(r, VIRTIO_BLK_T_FLUSH, 0, DATA, 0, false);
	vdrv_kick(&r->d, 0);
	assert_true(fix_run(r->f));
	assert_false(vdrv_take(&r->d, 0, &id, &len)); /* nobody was told */
	assert_true(r->error.kept);
	machine_disk_info(r->f->m, 0, &info);
	assert_int_equal(info.kept, 2);
	fake_quiesce(r->f->vm);
	fake_resume(r->f->vm); /* still full */
	assert_true(fix_run(r->f));
	assert_false(blkfix_status(r, a) == 0);
	blkfix_host.fail = 0;
	fake_quiesce(r->f->vm);
	fake_resume(r->f->vm);
	assert_true(blkfix_wait_used(r, &id, &len));
	assert_true(blkfix_wait_used(r, &id, &len));
	assert_int_equal(blkfix_status(r, a), VIRTIO_BLK_S_OK);
	/* a flush that failed is never good again: the pages may be gone */
	assert_int_equal(blkfix_status(r, b), VIRTIO_BLK_S_IOERR);
	assert_int_equal(blkfix_ask(r, VIRTIO_BLK_T_FLUSH, 0, 0, false), VIRTIO_BLK_S_IOERR);
	machine_disk_info(r->f->m, 0, &info);
	assert_int_equal(info.kept, 0);
	blkfix_free(r);
}

/* Kept requests go into a saved state, and are done by the one that loads it. */
static void test_kept_and_saved(void **state)
{
	struct blkfix *a = blkfix_new(&blkfix_fails, false, true), *b;
	struct vmc_out out;
	struct vmc_in in;
	uint32_t id, len;
	unsigned n;

	blkfix_start(a, USUAL);
	memset(fake_ram(a->f->vm, DATA), 0x77, 512);
	blkfix_host.fail = EIO;
	n = blkfix_post(a, VIRTIO_BLK_T_OUT, 5, DATA, 512, false);
	vdrv_kick(&a->d, 0);
	assert_true(fix_run(a->f));
	fake_quiesce(a->f->vm);
	vmc_out_init(&out);
	fake_save(a->f->vm, "disk0", &out);
	b = blkfix_new(&block_threads, false, true);
	fake_copy(b->f->vm, a->f->vm);
	assert_int_equal(fake_load(b->f->vm, "disk0", out.data, out.len, &in), 0);
	for (size_t cut = 0; cut < out.len; cut += 7) /* a damaged one changes nothing */
		assert_true(fake_load(b->f->vm, "disk0", out.data, cut, &in) < 0);
	fake_resume(b->f->vm);
	b->d.q[0] = a->d.q[0];
	assert_true(blkfix_wait_used(b, &id, &len));
	assert_int_equal(id, n);
	assert_int_equal(blkfix_status(b, n), VIRTIO_BLK_S_OK);
	assert_true(blkfix_image_is(b, 5 * 512, 512, 0x77));
	vmc_out_free(&out);
	blkfix_free(a);
	blkfix_free(b);
}

/* Another disk than the one that was saved. */
static void test_load_refused(void **state)
{
	struct blkfix *a = blkfix_new(&blkfix_fails, false, false), *b = blkfix_new(&block_threads, true, false);
	struct vmc_out out;
	struct vmc_in in;

	vmc_out_init(&out);
	fake_quiesce(a->f->vm);
	fake_save(a->f->vm, "disk0", &out);
	assert_int_equal(fake_load(b->f->vm, "disk0", out.data, out.len, &in), -EBADMSG);
	vmc_out_free(&out);
	blkfix_free(a);
	blkfix_free(b);
}

/* Transfers that the host does in pieces. */
static void test_short_transfers(void **state)
{
	struct blkfix *r = blkfix_new(&blkfix_fails, false, false);

	blkfix_start(r, USUAL);
	blkfix_host.most = 700;
	memset(fake_ram(r->f->vm, DATA), 0x31, 4096);
	assert_int_equal(blkfix_ask(r, VIRTIO_BLK_T_OUT, 0, 4096, false), VIRTIO_BLK_S_OK);
	assert_true(blkfix_image_is(r, 0, 4096, 0x31));
	memset(fake_ram(r->f->vm, DATA), 0, 4096);
	assert_int_equal(blkfix_ask(r, VIRTIO_BLK_T_IN, 0, 4096, true), VIRTIO_BLK_S_OK);
	assert_int_equal(fake_ram(r->f->vm, DATA)[4095], 0x31);
	/* the image has become shorter: an error, not old memory */
	assert_int_equal(ftruncate(r->fd, 4096), 0);
	assert_int_equal(blkfix_ask(r, VIRTIO_BLK_T_IN, 7, 1024, true), VIRTIO_BLK_S_IOERR);
	assert_int_equal(r->error.error, EIO);
	blkfix_free(r);
}

/* A file system that can neither punch nor zero: zeros are written. */
static void test_no_allocation(void **state)
{
	struct blkfix *r = blkfix_new(&blkfix_fails, false, false);

	blkfix_start(r, USUAL);
	memset(fake_ram(r->f->vm, DATA), 0x31, 65536);
	for (unsigned i = 0; i < 64; i++)
		assert_int_equal(blkfix_ask(r, VIRTIO_BLK_T_OUT, i * 128, 65536, false), VIRTIO_BLK_S_OK);
	assert_true(blkfix_image_is(r, 0, SECTORS * 512, 0x31));
	blkfix_host.fail = EOPNOTSUPP;
	blkfix_host.steps = 0;
	assert_int_equal(blkfix_range(r, VIRTIO_BLK_T_DISCARD, 0, 8, 0), VIRTIO_BLK_S_OK); /* advice */
	assert_int_equal(blkfix_host.steps, 1);
	blkfix_host.skip = 0;
	blkfix_host.fail = EOPNOTSUPP;
	assert_int_equal(blkfix_range(r, VIRTIO_BLK_T_WRITE_ZEROES, 0, SECTORS - 1, 1), VIRTIO_BLK_S_IOERR);
	blkfix_host.fail = 0; /* known by now: not tried again, written in pieces */
	blkfix_host.allocs = 0;
	assert_int_equal(blkfix_range(r, VIRTIO_BLK_T_WRITE_ZEROES, 0, SECTORS - 1, 1), VIRTIO_BLK_S_OK);
	assert_int_equal(blkfix_host.allocs, 0);
	assert_true(blkfix_image_is(r, 0, (SECTORS - 1) * 512, 0));
	assert_true(blkfix_image_is(r, (SECTORS - 1) * 512, 512, 0x31));
	blkfix_free(r);
}

/* ---- pauses and resets ---- */

/* A pause waits for what is under way, and tells the guest; nothing is written after it. */
static void test_quiesce(void **state)
{
	struct blkfix *r = blkfix_new(&blkfix_fails, false, false);
	uint32_t id, len;
	unsigned n;

	blkfix_start(r, USUAL);
	blkfix_host.hold = true;
	n = blkfix_post(r, VIRTIO_BLK_T_OUT, 0, DATA, 512, false);
	vdrv_kick(&r->d, 0);
	assert_true(fix_run(r->f));
	assert_false(vdrv_take(&r->d, 0, &id, &len));
	fake_quiesce(r->f->vm);
	assert_true(vdrv_take(&r->d, 0, &id, &len));
	assert_int_equal(id, n);
	assert_int_equal(blkfix_status(r, n), VIRTIO_BLK_S_OK);
	n = blkfix_post(r, VIRTIO_BLK_T_IN, 0, DATA, 512, true);
	vdrv_kick(&r->d, 0);
	assert_true(fix_run(r->f));
	assert_int_equal(blkfix_host.steps, 1);
	fake_resume(r->f->vm);
	assert_true(blkfix_wait_used(r, &id, &len));
	assert_int_equal(blkfix_status(r, n), VIRTIO_BLK_S_OK);
	blkfix_free(r);
}

/* A reset waits too, and then no byte of the old request is written into the guest. */
static void test_reset(void **state)
{
	struct blkfix *r = blkfix_new(&blkfix_fails, false, false);
	struct disk_info info;
	unsigned n;

	blkfix_start(r, USUAL);
	blkfix_host.hold = true;
	n = blkfix_post(r, VIRTIO_BLK_T_IN, 0, DATA, 512, true);
	vdrv_kick(&r->d, 0);
	assert_true(fix_run(r->f));
	vdrv_set_status(&r->d, 0);
	assert_int_equal(vdrv_status(&r->d), 0);
	machine_disk_info(r->f->m, 0, &info);
	assert_int_equal(info.inflight, 0);
	assert_int_equal(blkfix_status(r, n), 0xee);
	assert_int_equal(vdrv_used(&r->d, 0)[1], 0);
	blkfix_start(r, USUAL);
	assert_int_equal(blkfix_ask(r, VIRTIO_BLK_T_IN, 0, 512, true), VIRTIO_BLK_S_OK);
	blkfix_free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_reported),
		cmocka_unit_test(test_kept),
		cmocka_unit_test(test_kept_and_saved),
		cmocka_unit_test(test_load_refused),
		cmocka_unit_test(test_short_transfers),
		cmocka_unit_test(test_no_allocation),
		cmocka_unit_test(test_quiesce),
		cmocka_unit_test(test_reset),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
