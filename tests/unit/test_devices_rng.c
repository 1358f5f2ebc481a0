/* test_devices_rng.c - the entropy source: bytes, its rate, a driver that breaks the rules, saved state. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <errno.h>
#include <string.h>
#include <time.h>

#include "tests/lib/devfix.h"

enum { SLOT = 2, RING = 0x400000, DATA = 0x500000, MSI = 0x61, NEEDS_RESET = 64 };

struct rig {
	struct fix *f;
	struct vdrv d;
};

static struct rig rig_new(uint64_t rate)
{
	const struct machine_config cfg = { .cols = 80, .rows = 24, .rng = true, .rng_rate = rate };
	struct rig r = { .f = fix_new_with(&cfg) };

	fix_find(r.f, &r.d, SLOT);
	return r;
}

static void start(struct rig *r)
{
	assert_int_equal(vdrv_start_n(&r->d, VD_F_INDIRECT, 1, 16, RING, MSI), 15);
	assert_true(fix_run(r->f));
}

static void ask(struct rig *r, unsigned n, uint64_t gpa, uint32_t len)
{
	vdrv_set_desc(&r->d, 0, n, gpa, len, VD_WRITE, 0);
	vdrv_add(&r->d, 0, n);
	vdrv_kick(&r->d, 0);
}

static bool take(struct rig *r, uint32_t *len)
{
	uint32_t id;

	assert_true(fix_run(r->f));
	return vdrv_take(&r->d, 0, &id, len);
}

static void test_bytes(void **state)
{
	struct rig r = rig_new(0);
	uint8_t *a = fake_ram(r.f->vm, DATA), *b = fake_ram(r.f->vm, DATA + 0x1000);
	uint32_t len;
	unsigned i, set = 0;

	(void)state;
	assert_int_equal(vdrv_cfg_read(&r.d, 2, 2), 0x1044);
	assert_int_equal(r.d.nvectors, 2);
	assert_true(r.d.device == 0); /* no configuration, so no structure of it */
	start(&r);
	fake_dirty_clear(r.f->vm);
	ask(&r, 0, DATA, 4000);
	assert_true(take(&r, &len));
	assert_int_equal(len, 4000);
	assert_int_equal(fake_msi_take(r.f->vm, MSI + 1), 1);
	assert_true(fake_dirty_take(r.f->vm, DATA));
	ask(&r, 1, DATA + 0x1000, 4000);
	assert_true(take(&r, &len));
	for (i = 0; i < 4000; i++)
		set += __builtin_popcount(a[i]);
	/* 32,000 fair coins: 16,000 heads, give or take ten standard deviations */
	assert_in_range(set, 16000 - 900, 16000 + 900);
	assert_memory_not_equal(a, b, 64);
	assert_int_equal(a[4000], 0);
	/* what the device-specific window would be: nothing is there, and nothing happens */
	assert_int_equal(vdrv_read(&r.d, r.d.bar + 0x2000, 4), 0);
	vdrv_write(&r.d, r.d.bar + 0x2000, 4, 1);
	fix_free(r.f);
}

/* A big buffer comes back partly filled rather than keep the main loop from others. */
static void test_big_and_many(void **state)
{
	struct rig r = rig_new(0);
	uint64_t total = 0;
	uint32_t len;
	unsigned i;

	(void)state;
	start(&r);
	ask(&r, 0, DATA, 4 << 20);
	assert_true(take(&r, &len));
	assert_in_range(len, 1, 64 * 1024);
	for (i = 0; i < 16; i++)
		ask(&r, i, DATA + 0x1000 * i, 4096);
	for (i = 0; i < 16; i++) {
		assert_true(take(&r, &len));
		assert_in_range(len, 1, 4096);
		total += len;
	}
	assert_in_range(total, 16, 16 * 4096);
	ask(&r, 0, DATA, 0); /* a buffer without room: back as it is */
	assert_true(take(&r, &len));
	assert_int_equal(len, 0);
	fix_free(r.f);
}

static uint64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

/* 10,000 bytes a second: never more than 1,000 a period, whatever the guest does, and all of it in the end. */
static void test_rate(void **state)
{
	uint64_t start_ms = now_ms(), total = 0;
	struct rig r = rig_new(10000);
	bool waited = false;
	uint32_t len;

	(void)state;
	start(&r);
	while (total < 5000) {
		ask(&r, 0, DATA, 4096);
		while (!take(&r, &len)) {
			waited |= strstr(fix_info(r.f, "rng").note, "waits") != NULL;
			fix_wait(r.f, 1000);
		}
		assert_in_range(len, 1, 1000);
		total += len;
		/* libevent's clock is the kernel's coarse one: a timer may come a tick early */
		assert_in_range(total, 1, 1000 * ((now_ms() - start_ms + 10) / 100 + 1));
		/* a reset brings no new budget */
		vdrv_set_status(&r.d, 0);
		start(&r);
	}
	assert_true(waited);
	fix_free(r.f);
}

static void test_pause(void **state)
{
	struct rig r = rig_new(10000);
	uint32_t len;

	(void)state;
	start(&r);
	ask(&r, 0, DATA, 1000);
	assert_true(take(&r, &len));
	fake_quiesce(r.f->vm);
	fake_dirty_clear(r.f->vm);
	ask(&r, 1, DATA, 1000);
	fix_wait(r.f, 300); /* the period ends while all is quiet */
	assert_false(take(&r, &len));
	assert_false(fake_dirty_take(r.f->vm, DATA));
	fake_resume(r.f->vm);
	while (!take(&r, &len))
		fix_wait(r.f, 1000);
	assert_int_equal(len, 1000);
	fix_free(r.f);
}

static void test_hostile(void **state)
{
	struct rig r = rig_new(0);
	uint32_t len;

	(void)state;
	start(&r);
	vdrv_set_desc(&r.d, 0, 0, DATA, 16, 0, 0);
	vdrv_add(&r.d, 0, 0);
	vdrv_kick(&r.d, 0);
	assert_false(take(&r, &len));
	assert_true(vdrv_status(&r.d) & NEEDS_RESET);
	assert_non_null(strstr(fix_info(r.f, "rng").note, "readable"));
	vdrv_set_status(&r.d, 0);
	start(&r);
	ask(&r, 0, FAKE_ROM, 16); /* read-only memory is no place for it */
	assert_false(take(&r, &len));
	assert_true(vdrv_status(&r.d) & NEEDS_RESET);
	vdrv_set_status(&r.d, 0);
	start(&r);
	ask(&r, 3, FIX_RAM - 8, 16);
	assert_false(take(&r, &len));
	assert_true(vdrv_status(&r.d) & NEEDS_RESET);
	vdrv_set_status(&r.d, 0);
	start(&r);
	ask(&r, 0, DATA, 16);
	assert_true(take(&r, &len));
	assert_int_equal(len, 16);
	fix_free(r.f);
}

static void test_state(void **state)
{
	struct rig r = rig_new(10000), s = rig_new(10000);
	struct vmc_out out;
	struct vmc_in in;
	uint32_t len;
	size_t i;

	(void)state;
	start(&r);
	ask(&r, 0, DATA, 1000);
	assert_true(take(&r, &len));
	fake_quiesce(r.f->vm);
	ask(&r, 1, DATA, 500); /* in the queue when the state is saved */
	assert_false(take(&r, &len));
	fake_quiesce(s.f->vm);
	fake_save(r.f->vm, "rng", &out);
	for (i = 0; i < out.len; i++)
		assert_true(fake_load(s.f->vm, "rng", out.data, i, &in) < 0);
	assert_int_equal(fake_load(s.f->vm, "rng", out.data, out.len, &in), 0);
	vmc_out_free(&out);
	fake_copy(s.f->vm, r.f->vm);
	memcpy(s.d.q, r.d.q, sizeof(s.d.q));
	fix_free(r.f);
	fake_resume(s.f->vm);
	while (!take(&s, &len))
		fix_wait(s.f, 1000);
	assert_int_equal(len, 500);
	fix_free(s.f);
}

static void test_absent(void **state)
{
	struct fix *f = fix_new();
	struct vdrv d;

	(void)state;
	assert_false(vdrv_find(&d, &f->d.io, SLOT));
	fix_free(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bytes),
		cmocka_unit_test(test_big_and_many),
		cmocka_unit_test(test_rate),
		cmocka_unit_test(test_pause),
		cmocka_unit_test(test_hostile),
		cmocka_unit_test(test_state),
		cmocka_unit_test(test_absent),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
