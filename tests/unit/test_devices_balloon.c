/*
 * test_devices_balloon.c - the memory balloon: pages handed over, taken back and reported, statistics, what the host end
 * hears, a driver that lies or breaks the rules, saved state.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "devices/balloon.h"
#include "tests/lib/devfix.h"

enum { SLOT = 3, RING = 0x400000, LIST = 0x500000, DATA = 0x800000, MSI = 0x61, NEEDS_RESET = 64, PAGE = 4096 };
enum { INFLATE, DEFLATE, STATS, REPORT_OLD, REPORT, QUEUES };
enum { F_TELL = 1, F_STATS = 2, F_OOM = 4, F_REPORT = 32 };

struct rig {
	struct fix *f;
	struct vdrv d;
	unsigned told;
	uint64_t told_bytes;
};

static void changed(void *host, uint64_t actual)
{
	struct rig *r = host;

	r->told++;
	r->told_bytes = actual;
}

static struct rig *rig_new(void)
{
	static struct rig rigs[2];
	static unsigned n;
	struct rig *r = &rigs[n++ % 2];
	const struct machine_config cfg = { .cols = 80, .rows = 24, .balloon = true, .balloon_changed = changed, .host = r };

	memset(r, 0, sizeof(*r));
	r->f = fix_new_with(&cfg);
	fix_find(r->f, &r->d, SLOT);
	return r;
}

static void start(struct rig *r, uint64_t features)
{
	assert_int_equal(vdrv_start_n(&r->d, features | VD_F_INDIRECT, QUEUES, 64, RING, MSI), 15);
	assert_true(fix_run(r->f));
}

static struct balloon_info info(struct rig *r)
{
	struct balloon_info b;

	assert_int_equal(machine_balloon_info(r->f->m, 0, &b), 0);
	return b;
}

/* Descriptor @n of @queue: a list of page numbers. */
static void send(struct rig *r, unsigned queue, unsigned n, const uint32_t *pfn, unsigned count)
{
	uint64_t at = LIST + n * 0x10000;

	memcpy(fake_ram(r->f->vm, at), pfn, count * 4);
	vdrv_set_desc(&r->d, queue, n, at, count * 4, 0, 0);
	vdrv_add(&r->d, queue, n);
	vdrv_kick(&r->d, queue);
	assert_true(fix_run(r->f));
}

static bool back(struct rig *r, unsigned queue)
{
	uint32_t id, len;

	return vdrv_take(&r->d, queue, &id, &len);
}

static void test_inflate(void **state)
{
	struct rig *r = rig_new();
	uint32_t pfn[] = { DATA / PAGE + 3, DATA / PAGE + 4, DATA / PAGE + 5, DATA / PAGE + 9, DATA / PAGE + 8, 1 };
	unsigned calls;

	(void)state;
	assert_true(vdrv_offered(&r->d) == (F_TELL | F_STATS | F_OOM | F_REPORT | VD_F_INDIRECT | VD_F_EVENT_IDX |
		VD_F_VERSION_1 | VD_F_RING_RESET));
	start(r, F_TELL | F_STATS | F_OOM | F_REPORT);
	memset(fake_ram(r->f->vm, 0), 'x', PAGE * 2);
	memset(fake_ram(r->f->vm, DATA), 'x', 16 * PAGE);
	send(r, INFLATE, 0, pfn, 6);
	assert_true(back(r, INFLATE));
	assert_int_equal(fake_msi_take(r->f->vm, MSI + 1), 1);
	assert_int_equal(fake_discarded(r->f->vm, &calls), 6 * PAGE);
	assert_int_equal(calls, 3); /* neighbours together, upwards and downwards */
	assert_int_equal(*fake_ram(r->f->vm, DATA + 2 * PAGE), 'x');
	assert_int_equal(*fake_ram(r->f->vm, DATA + 3 * PAGE), 0);
	assert_int_equal(*fake_ram(r->f->vm, DATA + 6 * PAGE), 'x');
	assert_int_equal(*fake_ram(r->f->vm, PAGE), 0);
	assert_int_equal(info(r).held, 6 * PAGE);
	/* back again: nothing is discarded, and what was never given cannot be taken back */
	pfn[0] = DATA / PAGE + 7;
	send(r, DEFLATE, 0, pfn, 6);
	assert_true(back(r, DEFLATE));
	assert_int_equal(fake_discarded(r->f->vm, NULL), 0);
	assert_int_equal(info(r).held, PAGE);
	assert_int_equal(info(r).repeated, 1);
	/* twice */
	pfn[0] = pfn[1] = DATA / PAGE + 7;
	send(r, INFLATE, 1, pfn, 2);
	assert_int_equal(info(r).held, 2 * PAGE);
	assert_int_equal(info(r).repeated, 2);
	fix_free(r->f);
}

/* Page numbers of nothing, of the hole, of a ROM, beyond everything: counted, and the good ones among them count. */
static void test_hostile_pages(void **state)
{
	struct rig *r = rig_new();
	uint32_t pfn[] = { UINT32_MAX, FIX_RAM / PAGE - 1, FIX_RAM / PAGE, FIX_RAM / PAGE + 1, FAKE_ROM / PAGE, 0xfee00,
		0x80000000, UINT32_MAX - 1, UINT32_MAX, 0, UINT32_MAX }, all[4096];
	unsigned i;

	(void)state;
	start(r, 0);
	send(r, INFLATE, 0, pfn, 11);
	assert_true(back(r, INFLATE));
	assert_int_equal(info(r).held, 2 * PAGE);
	assert_int_equal(info(r).refused, 9);
	assert_int_equal(fake_discarded(r->f->vm, NULL), 2 * PAGE);
	send(r, DEFLATE, 0, pfn, 11);
	assert_int_equal(info(r).held, 0);
	assert_int_equal(info(r).repeated, 9);
	assert_false(vdrv_status(&r->d) & NEEDS_RESET);
	/* all of its memory, rings and this very list: zeros are nothing to do, and a reset mends it */
	for (i = 0; i < 4096; i++)
		all[i] = i;
	send(r, INFLATE, 1, all, 4096);
	assert_in_range(info(r).held, LIST, FIX_RAM);
	vdrv_set_status(&r->d, 0);
	assert_int_equal(info(r).held, 0);
	start(r, 0);
	send(r, INFLATE, 0, &(uint32_t){ 5 }, 1);
	assert_true(back(r, INFLATE));
	fix_free(r->f);
}

/* One chain of a million page numbers: in turns, so that others get theirs, and all of it. */
static void test_long_list(void **state)
{
	struct rig *r = rig_new();
	uint32_t *pfn = (uint32_t *)fake_ram(r->f->vm, DATA);
	unsigned i, n = (4 << 20) / 4;

	(void)state;
	start(r, 0);
	for (i = 0; i < n; i++)
		pfn[i] = 0x900 + i % 2;
	/* the list's own pages are not in it */
	vdrv_set_desc(&r->d, INFLATE, 0, DATA + 0x200000, (2 << 20) + 3, 0, 0);
	vdrv_add(&r->d, INFLATE, 0);
	vdrv_kick(&r->d, INFLATE);
	assert_true(fix_run(r->f));
	assert_true(back(r, INFLATE));
	assert_int_equal(info(r).held + info(r).repeated * PAGE, (uint64_t)n / 2 * PAGE);
	fix_free(r->f);
}

static void test_rules(void **state)
{
	static const struct {
		unsigned queue;
		uint16_t flags;
		uint64_t features;
		const char *words;
	} bad[] = {
		{ INFLATE, VD_WRITE, 0, "writable buffer" },
		{ DEFLATE, VD_WRITE, 0, "writable buffer" },
		{ STATS, VD_WRITE, F_STATS, "writable buffer" },
		{ STATS, 0, 0, "not negotiated" },
		{ REPORT, VD_WRITE, 0, "not negotiated" },
		{ REPORT_OLD, VD_WRITE, 0, "not negotiated" },
		{ REPORT, 0, F_REPORT, "readable buffer" },
	};
	struct rig *r = rig_new();
	unsigned i;

	(void)state;
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		start(r, bad[i].features);
		vdrv_set_desc(&r->d, bad[i].queue, 0, DATA, PAGE, bad[i].flags, 0);
		vdrv_add(&r->d, bad[i].queue, 0);
		vdrv_kick(&r->d, bad[i].queue);
		assert_true(fix_run(r->f));
		assert_true(vdrv_status(&r->d) & NEEDS_RESET);
		if (!strstr(fix_info(r->f, "balloon").note, bad[i].words))
			fail_msg("case %u: \"%s\"", i, fix_info(r->f, "balloon").note);
		assert_false(info(r).driver);
		vdrv_set_status(&r->d, 0);
	}
	start(r, F_REPORT);
	vdrv_set_desc(&r->d, REPORT, 0, FAKE_ROM, PAGE, VD_WRITE, 0); /* free pages that are read-only */
	vdrv_add(&r->d, REPORT, 0);
	vdrv_kick(&r->d, REPORT);
	assert_true(fix_run(r->f));
	assert_true(vdrv_status(&r->d) & NEEDS_RESET);
	fix_free(r->f);
}

static void test_reports(void **state)
{
	struct rig *r = rig_new();
	unsigned queue, calls;

	(void)state;
	start(r, F_REPORT);
	for (queue = REPORT_OLD; queue <= REPORT; queue++) {
		memset(fake_ram(r->f->vm, DATA), 'x', 0x10000);
		vdrv_set_desc(&r->d, queue, 0, DATA, 0x2000, VD_WRITE | VD_NEXT, 1);
		vdrv_set_desc(&r->d, queue, 1, DATA + 0x4800, 0x2000, VD_WRITE | VD_NEXT, 2); /* one whole page in it */
		vdrv_set_desc(&r->d, queue, 2, DATA + 0x8001, 0xffe, VD_WRITE, 0); /* none */
		vdrv_add(&r->d, queue, 0);
		vdrv_kick(&r->d, queue);
		assert_true(fix_run(r->f));
		assert_true(back(r, queue));
		assert_int_equal(fake_discarded(r->f->vm, &calls), 0x3000);
		assert_int_equal(calls, 2);
		assert_int_equal(*fake_ram(r->f->vm, DATA + 0x1fff), 0);
		assert_int_equal(*fake_ram(r->f->vm, DATA + 0x2000), 'x');
		assert_int_equal(*fake_ram(r->f->vm, DATA + 0x4fff), 'x');
		assert_int_equal(*fake_ram(r->f->vm, DATA + 0x5000), 0);
		assert_int_equal(*fake_ram(r->f->vm, DATA + 0x6000), 'x');
	}
	assert_int_equal(info(r).reported, 0x6000);
	assert_int_equal(info(r).held, 0);
	fix_free(r->f);
}

static void say_stats(struct rig *r, unsigned n, uint64_t free_bytes)
{
	struct {
		uint16_t tag;
		uint64_t value;
	} __attribute__((packed)) e[] = { { 4, free_bytes }, { 5, 512 << 20 }, { 77, 1 }, { 6, 7 } };

	memcpy(fake_ram(r->f->vm, LIST), e, sizeof(e));
	vdrv_set_desc(&r->d, STATS, n, LIST, sizeof(e), 0, 0);
	vdrv_add(&r->d, STATS, n);
	vdrv_kick(&r->d, STATS);
	assert_true(fix_run(r->f));
}

static void test_stats(void **state)
{
	struct rig *r = rig_new();
	struct balloon_info b;
	unsigned i;

	(void)state;
	start(r, F_STATS);
	assert_int_equal(info(r).stats_time_s, 0);
	say_stats(r, 0, 1000);
	b = info(r);
	assert_true(b.stats_time_s > 0);
	assert_int_equal(b.stats_known, 1 << 4 | 1 << 5 | 1 << 6);
	assert_int_equal(b.stats[4], 1000);
	assert_string_equal(balloon_stat_name(4), "stat-free-memory");
	assert_null(balloon_stat_name(10));
	/* nobody asks: the buffer stays with the device */
	fix_wait(r->f, 250);
	assert_false(back(r, STATS));
	/* somebody does */
	assert_int_equal(machine_balloon_info(r->f->m, 100, &b), 0);
	assert_true(back(r, STATS));
	assert_int_equal(fake_msi_take(r->f->vm, MSI + 1 + STATS), 1);
	say_stats(r, 0, 2000);
	assert_int_equal(info(r).stats[4], 2000);
	while (!back(r, STATS)) /* at the interval; the test has a deadline */
		fix_wait(r->f, 100);
	/* two buffers, against the rules: the older one goes back */
	say_stats(r, 1, 3000);
	say_stats(r, 2, 4000);
	assert_true(back(r, STATS));
	assert_int_equal(info(r).stats[4], 4000);
	/* nothing in it, half an entry, a lot of nonsense */
	for (i = 0; i < 3; i++) {
		memset(fake_ram(r->f->vm, LIST), 0xff, 0x8000);
		vdrv_set_desc(&r->d, STATS, 3 + i, LIST, i == 2 ? 0x8000 : i * 9, 0, 0);
		vdrv_add(&r->d, STATS, 3 + i);
		vdrv_kick(&r->d, STATS);
		assert_true(fix_run(r->f));
		assert_int_equal(info(r).stats[4], 4000);
	}
	assert_false(vdrv_status(&r->d) & NEEDS_RESET);
	/* paused: asked, and answered when it goes on */
	while (back(r, STATS))
		;
	fake_quiesce(r->f->vm);
	assert_int_equal(machine_balloon_info(r->f->m, 100, &b), 0);
	fix_wait(r->f, 250);
	assert_false(back(r, STATS));
	fake_resume(r->f->vm);
	while (!back(r, STATS))
		fix_wait(r->f, 100);
	fix_free(r->f);
}

static uint32_t config(struct rig *r, unsigned off)
{
	return vdrv_read(&r->d, r->d.device + off, 4);
}

static void test_size(void **state)
{
	struct rig *r = rig_new();
	struct balloon_info b;
	unsigned i;

	(void)state;
	assert_int_equal(machine_balloon_set(r->f->m, FIX_RAM - (4 << 20)), 0);
	assert_int_equal(config(r, 0), 1024);
	start(r, 0);
	assert_int_equal(machine_balloon_set(r->f->m, FIX_RAM / 2), 0);
	assert_int_equal(config(r, 0), 2048);
	assert_int_equal(fake_msi_take(r->f->vm, MSI), 1);
	assert_int_equal(machine_balloon_set(r->f->m, FIX_RAM / 2), 0); /* no news */
	assert_int_equal(fake_msi_take(r->f->vm, MSI), 0);
	assert_int_equal(machine_balloon_set(r->f->m, UINT64_MAX), 0);
	assert_int_equal(config(r, 0), 0);
	/* what the guest says: told, but not more often than once a second */
	for (i = 1; i <= 100; i++) {
		vdrv_write(&r->d, r->d.device + 4, 4, i);
		assert_true(fix_run(r->f));
	}
	b = info(r);
	assert_int_equal(b.actual, 100 * PAGE);
	assert_in_range(r->told, 1, 99); /* 1, unless this took more than a second */
	while (r->told_bytes != 100 * PAGE)
		fix_wait(r->f, 2000);
	vdrv_write(&r->d, r->d.device + 4, 4, UINT32_MAX); /* a lie */
	assert_int_equal(info(r).actual, FIX_RAM);
	/* nothing else of the configuration can be written */
	vdrv_write(&r->d, r->d.device, 4, 7);
	vdrv_write(&r->d, r->d.device + 4, 2, 7);
	vdrv_write(&r->d, r->d.device + 5, 2, 7);
	vdrv_write(&r->d, r->d.device + 8, 4, 7);
	assert_int_equal(config(r, 0), 0);
	assert_int_equal(config(r, 4), FIX_RAM / PAGE);
	fix_free(r->f);
}

static void test_state(void **state)
{
	struct rig *r = rig_new(), *s = rig_new();
	uint32_t pfn[300], i;
	struct vmc_out out;
	struct vmc_in in;
	size_t len;

	(void)state;
	start(r, F_STATS | F_REPORT);
	for (i = 0; i < 300; i++)
		pfn[i] = DATA / PAGE + 2 * i;
	send(r, INFLATE, 0, pfn, 300);
	say_stats(r, 0, 1);
	vdrv_write(&r->d, r->d.device + 4, 4, 300);
	machine_balloon_set(r->f->m, FIX_RAM - 500 * PAGE);
	fake_quiesce(r->f->vm);
	fake_quiesce(s->f->vm);
	fake_save(r->f->vm, "balloon", &out);
	for (len = 0; len < out.len; len++)
		assert_true(fake_load(s->f->vm, "balloon", out.data, len, &in) < 0);
	assert_int_equal(info(s).held, 0);
	assert_int_equal(fake_load(s->f->vm, "balloon", out.data, out.len, &in), 0);
	/* any byte changed: refused, or taken without harm */
	for (len = 0; len < out.len; len++) {
		out.data[len] ^= 0x81;
		fake_load(r->f->vm, "balloon", out.data, out.len, &in);
		fake_resume(r->f->vm);
		assert_true(fix_run(r->f));
		info(r);
		fake_quiesce(r->f->vm);
		out.data[len] ^= 0x81;
	}
	vmc_out_free(&out);
	fix_free(r->f);
	fake_resume(s->f->vm);
	assert_true(fix_run(s->f));
	assert_int_equal(info(s).held, 300 * PAGE);
	assert_int_equal(info(s).target, 500 * PAGE);
	assert_int_equal(s->told_bytes, 300 * PAGE);
	assert_int_equal(config(s, 0), 500);
	fix_free(s->f);
}

static void test_absent(void **state)
{
	struct fix *f = fix_new();
	struct balloon_info b;

	(void)state;
	assert_int_equal(machine_balloon_set(f->m, 1), -ENODEV);
	assert_int_equal(machine_balloon_info(f->m, 0, &b), -ENODEV);
	fix_free(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_inflate),
		cmocka_unit_test(test_hostile_pages),
		cmocka_unit_test(test_long_list),
		cmocka_unit_test(test_rules),
		cmocka_unit_test(test_reports),
		cmocka_unit_test(test_stats),
		cmocka_unit_test(test_size),
		cmocka_unit_test(test_state),
		cmocka_unit_test(test_absent),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
