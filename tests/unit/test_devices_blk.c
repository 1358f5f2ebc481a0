/*
 * test_devices_blk.c - the disk: requests of a driver that keeps or breaks the rules, with each
 * engine, and with a host that fails.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/virtio_blk.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "devices/block.h"
#include "tests/lib/devfix.h"

enum {
	SLOT = 5,
	RING = 0x400000,
	HDR = 0x500000,
	DATA = 0x510000,
	STATUS = 0x5f0000,
	MSI = 0x61,
	NEEDS_RESET = 64,
	SECTORS = 8192, /* 4 MiB */
};
#define F(n)  (1ull << VIRTIO_BLK_F_##n)
#define USUAL (F(FLUSH) | F(DISCARD) | F(WRITE_ZEROES))

struct rig {
	struct fix *f;
	struct vdrv d;
	int fd; /* our own of the image */
	struct disk_error error;
	unsigned errors;
	unsigned next; /* descriptor */
};

/* ---- a host that fails when it is told to ---- */

static struct {
	int fail; /* the next steps end with -fail */
	unsigned skip; /* after these */
	size_t most; /* bytes of a transfer at most; 0: all */
	bool hold;   /* nothing comes back */
	bool silent; /* nobody is told that something did */
	struct block_io *head, **end;
	unsigned steps, allocs, syncs;
	int event_fd;
} host;

static int fake_create(int event_fd, unsigned depth, void **out)
{
	memset(&host, 0, sizeof(host));
	host.end = &host.head;
	host.event_fd = event_fd;
	*out = &host;
	return 0;
}

static ssize_t part_of(const struct block_io *io)
{
	struct iovec one = io->step_iov[0];

	if (host.most && one.iov_len > host.most)
		one.iov_len = host.most;
	return io->step == STEP_READ ? pread(io->fd, one.iov_base, one.iov_len, (off_t)io->step_off)
				     : pwrite(io->fd, one.iov_base, one.iov_len, (off_t)io->step_off);
}

static int fake_start(void *engine, struct block_io *io)
{
	host.steps++;
	host.allocs += io->step == STEP_ALLOCATE;
	host.syncs += io->step == STEP_SYNC;
	if (host.fail && !host.skip)
		io->res = -host.fail;
	else if (io->step == STEP_READ || io->step == STEP_WRITE)
		io->res = part_of(io);
	else
		io->res = 0;
	if (host.skip)
		host.skip--;
	io->next = NULL;
	*host.end = io;
	host.end = &io->next;
	return 0;
}

static void fake_submit(void *engine)
{
	if (host.head && !host.hold && !host.silent)
		assert_int_equal(eventfd_write(host.event_fd, 1), 0);
}

static struct block_io *fake_reap(void *engine)
{
	struct block_io *io = host.hold ? NULL : host.head;

	if (io && !(host.head = io->next))
		host.end = &host.head;
	return io;
}

static void fake_wait(void *engine)
{
	host.hold = false;
}

static void fake_destroy(void *engine)
{
}

static const struct block_engine_ops fake_host = {
	.name = "fake",
	.create = fake_create,
	.start = fake_start,
	.submit = fake_submit,
	.reap = fake_reap,
	.wait = fake_wait,
	.destroy = fake_destroy,
};

/* ---- the rig ---- */

static void on_error(void *arg, const struct disk_error *e)
{
	struct rig *r = arg;

	r->error = *e;
	r->errors++;
}

static struct rig *rig_new(const struct block_engine_ops *engine, bool read_only, bool keep)
{
	char path[] = "/tmp/vitrine-blk.XXXXXX";
	struct rig *r = calloc(1, sizeof(*r));
	struct disk_config disk = {
		.path = "/images/box.img",
		.serial = "S-123",
		.size = SECTORS * 512,
		.read_only = read_only,
		.keep_failed = keep,
		.engine = engine,
	};
	struct machine_config cfg = {
		.cols = 80, .rows = 24, .disks = &disk, .ndisks = 1, .disk_events = { on_error, r }
	};

	r->fd = mkstemp(path);
	assert_true(r->fd >= 0);
	assert_int_equal(ftruncate(r->fd, SECTORS * 512), 0);
	disk.fd = open(path, read_only ? O_RDONLY : O_RDWR);
	unlink(path);
	r->f = fix_new_with(&cfg);
	fix_find(r->f, &r->d, SLOT);
	return r;
}

static void rig_free(struct rig *r)
{
	fix_free(r->f);
	close(r->fd);
	free(r);
}

static void start(struct rig *r, uint64_t features)
{
	assert_int_equal(vdrv_start_n(&r->d, features, 1, 64, RING, MSI), 15);
	assert_true(fix_run(r->f));
	r->next = 0;
}

static uint64_t ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

/* A request is three descriptors: header, data, status; its data lies at @data. */
static unsigned post(struct rig *r, uint32_t type, uint64_t sector, uint64_t data, uint32_t len,
	bool in)
{
	unsigned n = r->next % 60, slot = n / 3;
	uint64_t hdr = HDR + slot * 16, status = STATUS + slot;
	struct virtio_blk_outhdr h = { .type = type, .sector = sector };

	r->next += 3;
	memcpy(fake_ram(r->f->vm, hdr), &h, sizeof(h));
	*fake_ram(r->f->vm, status) = 0xee;
	vdrv_set_desc(&r->d, 0, n, hdr, 16, VD_NEXT, (uint16_t)(len ? n + 1 : n + 2));
	vdrv_set_desc(&r->d, 0, n + 1, data, len, VD_NEXT | (in ? VD_WRITE : 0), (uint16_t)(n + 2));
	vdrv_set_desc(&r->d, 0, n + 2, status, 1, VD_WRITE, 0);
	vdrv_add(&r->d, 0, (uint16_t)n);
	return n;
}

static uint8_t status_of(struct rig *r, unsigned n)
{
	return *fake_ram(r->f->vm, STATUS + n / 3);
}

static bool wait_used(struct rig *r, uint32_t *id, uint32_t *len)
{
	uint64_t until = ms() + 20000;

	while (!vdrv_take(&r->d, 0, id, len)) {
		if (ms() > until)
			return false;
		fix_wait(r->f, 100);
	}
	return true;
}

/* One request, waited for. Return: its status. */
static int ask(struct rig *r, uint32_t type, uint64_t sector, uint32_t len, bool in)
{
	unsigned n = post(r, type, sector, DATA, len, in);
	uint32_t id, written;

	vdrv_kick(&r->d, 0);
	if (!wait_used(r, &id, &written))
		fail_msg("request type %u never came back", type);
	assert_int_equal(id, n);
	if (status_of(r, n) == VIRTIO_BLK_S_OK && type == VIRTIO_BLK_T_IN)
		assert_int_equal(written, len + 1);
	else
		assert_true(written >= 1);
	return status_of(r, n);
}

static void fill(struct rig *r, uint64_t gpa, uint32_t len, unsigned seed)
{
	for (uint32_t i = 0; i < len; i++)
		fake_ram(r->f->vm, gpa)[i] = (uint8_t)(seed + i * 7 + i / 256);
}

static int range(struct rig *r, uint32_t type, uint64_t sector, uint32_t n, uint32_t flags)
{
	struct virtio_blk_discard_write_zeroes x = {
		.sector = sector, .num_sectors = n, .flags = flags
	};

	memcpy(fake_ram(r->f->vm, DATA), &x, sizeof(x));
	return ask(r, type, 0, sizeof(x), false);
}

static bool image_is(struct rig *r, uint64_t off, uint32_t len, int value)
{
	uint8_t *buf = malloc(len);
	bool same = pread(r->fd, buf, len, (off_t)off) == len;

	for (uint32_t i = 0; i < len && same; i++)
		same = buf[i] == (uint8_t)value;
	free(buf);
	return same;
}

/* ---- what works, with each engine ---- */

static void work_with(const struct block_engine_ops *engine)
{
	struct rig *r = rig_new(engine, false, false);
	struct disk_info info;
	uint8_t buf[8192];

	start(r, USUAL);
	assert_true(machine_disk_info(r->f->m, 0, &info));
	if (engine)
		assert_string_equal(info.engine, engine->name);
	assert_true(info.writeback);
	fill(r, DATA, 8192, 1);
	assert_int_equal(ask(r, VIRTIO_BLK_T_OUT, 10, 8192, false), VIRTIO_BLK_S_OK);
	assert_int_equal(ask(r, VIRTIO_BLK_T_FLUSH, 0, 0, false), VIRTIO_BLK_S_OK);
	assert_int_equal(pread(r->fd, buf, sizeof(buf), 5120), 8192);
	assert_memory_equal(buf, fake_ram(r->f->vm, DATA), 8192);
	memset(fake_ram(r->f->vm, DATA), 0, 8192);
	fake_dirty_clear(r->f->vm);
	assert_int_equal(ask(r, VIRTIO_BLK_T_IN, 10, 8192, true), VIRTIO_BLK_S_OK);
	assert_memory_equal(buf, fake_ram(r->f->vm, DATA), 8192);
	assert_true(fake_dirty_take(r->f->vm, DATA) && fake_dirty_take(r->f->vm, DATA + 4096));
	assert_int_equal(range(r, VIRTIO_BLK_T_WRITE_ZEROES, 10, 8, 0), VIRTIO_BLK_S_OK);
	assert_true(image_is(r, 5120, 4096, 0));
	assert_memory_equal((pread(r->fd, buf, 4096, 9216), buf), fake_ram(r->f->vm, DATA + 4096), 4096);
	assert_int_equal(range(r, VIRTIO_BLK_T_WRITE_ZEROES, 18, 8, 1), VIRTIO_BLK_S_OK);
	assert_true(image_is(r, 5120, 8192, 0));
	assert_int_equal(range(r, VIRTIO_BLK_T_DISCARD, 0, SECTORS, 0), VIRTIO_BLK_S_OK);
	assert_true(machine_disk_info(r->f->m, 0, &info));
	assert_int_equal(info.bytes[DISK_READS], 8192);
	assert_int_equal(info.done[DISK_WRITES], 3);
	assert_int_equal(info.done[DISK_FLUSHES], 1);
	assert_int_equal(info.done[DISK_UNMAPS], 1);
	assert_int_equal(info.inflight, 0);
	rig_free(r);
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
	struct rig *r = rig_new(&fake_host, false, false);

	start(r, USUAL);
	host.silent = true;
	fill(r, DATA, 4096, 3);
	assert_int_equal(ask(r, VIRTIO_BLK_T_OUT, 8, 4096, false), VIRTIO_BLK_S_OK);
	assert_int_equal(ask(r, VIRTIO_BLK_T_IN, 8, 4096, true), VIRTIO_BLK_S_OK);
	rig_free(r);
}

/* Many at once, out of order or not: each comes back once, with its own data. */
static void test_many(void **state)
{
	const struct block_engine_ops *engines[] = { NULL, &block_threads };

	for (unsigned e = 0; e < 2; e++) {
		struct rig *r = rig_new(engines[e], false, false);
		uint32_t id, len, seen = 0;

		start(r, USUAL);
		for (unsigned i = 0; i < 20; i++) {
			memset(fake_ram(r->f->vm, DATA + i * 4096), (int)i + 1, 4096);
			post(r, VIRTIO_BLK_T_OUT, i * 8, DATA + i * 4096, 4096, false);
		}
		vdrv_kick(&r->d, 0);
		for (unsigned i = 0; i < 20; i++) {
			assert_true(wait_used(r, &id, &len));
			assert_false(seen >> id / 3 & 1);
			seen |= 1u << id / 3;
			assert_int_equal(status_of(r, id), VIRTIO_BLK_S_OK);
		}
		for (unsigned i = 0; i < 20; i++)
			assert_true(image_is(r, i * 4096, 4096, (int)i + 1));
		assert_true(fake_msi_take(r->f->vm, MSI + 1) >= 1);
		rig_free(r);
	}
}

static void test_scattered(void **state)
{
	struct rig *r = rig_new(&block_threads, false, false);
	struct virtio_blk_outhdr h = { .type = VIRTIO_BLK_T_OUT, .sector = 4 };
	uint8_t *ram = fake_ram(r->f->vm, 0), buf[1024];
	uint32_t id, len;

	/* §2.7.4.1: the header may lie in pieces, and share a buffer with data */
	start(r, USUAL);
	fill(r, DATA, 2048, 9);
	memcpy(ram + HDR, &h, 7);
	memcpy(ram + DATA - 9, (char *)&h + 7, 9);
	vdrv_set_desc(&r->d, 0, 0, HDR, 7, VD_NEXT, 1);
	vdrv_set_desc(&r->d, 0, 1, DATA - 9, 9 + 600, VD_NEXT, 2);
	vdrv_set_desc(&r->d, 0, 2, DATA + 600, 424, VD_NEXT, 3);
	vdrv_set_desc(&r->d, 0, 3, STATUS, 1, VD_WRITE, 0);
	vdrv_add(&r->d, 0, 0);
	vdrv_kick(&r->d, 0);
	assert_true(wait_used(r, &id, &len));
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
	assert_true(wait_used(r, &id, &len));
	assert_int_equal(len, 1025);
	assert_memory_equal(buf, ram + DATA, 1024);
	assert_int_equal(ram[DATA + 1024], VIRTIO_BLK_S_OK);
	assert_int_equal(ram[DATA + 1025], 0x55);
	rig_free(r);
}

static void test_config(void **state)
{
	struct rig *r = rig_new(&fake_host, false, false);
	uint64_t offered = vdrv_offered(&r->d);

	assert_int_equal(vdrv_cfg_read(&r->d, 2, 2), 0x1042);
	assert_false(offered & F(RO));
	assert_true((offered & (USUAL | F(SEG_MAX) | F(BLK_SIZE) | F(TOPOLOGY) | F(CONFIG_WCE))) ==
		    (USUAL | F(SEG_MAX) | F(BLK_SIZE) | F(TOPOLOGY) | F(CONFIG_WCE)));
	start(r, USUAL | F(CONFIG_WCE));
	assert_int_equal(vdrv_read(&r->d, r->d.device, 4), SECTORS);
	assert_int_equal(vdrv_read(&r->d, r->d.device + 20, 4), 512);
	assert_int_equal(vdrv_read(&r->d, r->d.device + 32, 1), 1);
	assert_int_equal(ask(r, VIRTIO_BLK_T_GET_ID, 0, 20, true), VIRTIO_BLK_S_OK);
	assert_string_equal((char *)fake_ram(r->f->vm, DATA), "S-123");
	memset(fake_ram(r->f->vm, DATA), 'x', 20);
	assert_int_equal(ask(r, VIRTIO_BLK_T_GET_ID, 0, 3, true), VIRTIO_BLK_S_OK);
	assert_memory_equal(fake_ram(r->f->vm, DATA), "S-1xxx", 6);
	/* without a cache to flush, a write is durable by itself */
	vdrv_write(&r->d, r->d.device + 32, 1, 0);
	assert_int_equal(vdrv_read(&r->d, r->d.device + 32, 1), 0);
	assert_int_equal(range(r, VIRTIO_BLK_T_WRITE_ZEROES, 0, 8, 0), VIRTIO_BLK_S_OK);
	assert_int_equal(host.syncs, 1);
	vdrv_write(&r->d, r->d.device + 32, 1, 1);
	assert_int_equal(range(r, VIRTIO_BLK_T_WRITE_ZEROES, 0, 8, 0), VIRTIO_BLK_S_OK);
	assert_int_equal(host.syncs, 1);
	start(r, 0); /* no FLUSH negotiated: the same */
	assert_int_equal(range(r, VIRTIO_BLK_T_WRITE_ZEROES, 0, 8, 0), VIRTIO_BLK_S_OK);
	assert_int_equal(host.syncs, 2);
	rig_free(r);
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
	struct rig *r = rig_new(&fake_host, false, false);

	start(r, USUAL);
	memset(fake_ram(r->f->vm, DATA), 0, 1024);
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int got = ask(r, cases[i].type, cases[i].sector, cases[i].len, cases[i].in);

		if (got != cases[i].status)
			fail_msg("case %u: status %d", i, got);
	}
	assert_int_equal(range(r, VIRTIO_BLK_T_DISCARD, SECTORS - 1, 2, 0), VIRTIO_BLK_S_IOERR);
	assert_int_equal(range(r, VIRTIO_BLK_T_DISCARD, UINT64_MAX, 1, 0), VIRTIO_BLK_S_IOERR);
	assert_int_equal(range(r, VIRTIO_BLK_T_DISCARD, 0, UINT32_MAX, 0), VIRTIO_BLK_S_IOERR);
	assert_int_equal(range(r, VIRTIO_BLK_T_DISCARD, 0, 8, 1), VIRTIO_BLK_S_UNSUPP);
	assert_int_equal(range(r, VIRTIO_BLK_T_WRITE_ZEROES, 0, 8, 2), VIRTIO_BLK_S_UNSUPP);
	assert_int_equal(host.steps, 0);
	assert_false(vdrv_status(&r->d) & NEEDS_RESET);
	rig_free(r);
}

static void test_read_only(void **state)
{
	struct rig *r = rig_new(&fake_host, true, false);

	assert_true(vdrv_offered(&r->d) & F(RO));
	assert_false(vdrv_offered(&r->d) & F(DISCARD));
	start(r, F(FLUSH));
	assert_int_equal(ask(r, VIRTIO_BLK_T_OUT, 0, 512, false), VIRTIO_BLK_S_IOERR);
	assert_int_equal(range(r, VIRTIO_BLK_T_DISCARD, 0, 8, 0), VIRTIO_BLK_S_IOERR);
	assert_int_equal(range(r, VIRTIO_BLK_T_WRITE_ZEROES, 0, 8, 0), VIRTIO_BLK_S_IOERR);
	assert_int_equal(host.steps, 0);
	assert_int_equal(ask(r, VIRTIO_BLK_T_IN, 0, 512, true), VIRTIO_BLK_S_OK);
	rig_free(r);
}

/* A request that has no room for a header or a status breaks the queue, and nothing else. */
static void test_broken_requests(void **state)
{
	for (unsigned c = 0; c < 4; c++) {
		struct rig *r = rig_new(&fake_host, false, false);

		start(r, USUAL);
		vdrv_set_desc(&r->d, 0, 0, HDR, c == 0 ? 15 : 16, c == 1 ? 0 : VD_NEXT, 1);
		vdrv_set_desc(&r->d, 0, 1, c == 2 ? FIX_RAM - 8 : STATUS, c == 2 ? 16 : 1,
			c == 3 ? 0 : VD_WRITE, 0);
		vdrv_add(&r->d, 0, 0);
		vdrv_kick(&r->d, 0);
		assert_true(fix_run(r->f));
		assert_true(vdrv_status(&r->d) & NEEDS_RESET);
		assert_int_equal(host.steps, 0);
		start(r, USUAL); /* a reset mends it */
		assert_int_equal(ask(r, VIRTIO_BLK_T_IN, 0, 512, true), VIRTIO_BLK_S_OK);
		rig_free(r);
	}
}

/* The same chain again and again, while the host has it: more than a queue holds is a breach. */
static void test_too_many(void **state)
{
	struct rig *r = rig_new(&fake_host, false, false);
	unsigned n;

	start(r, USUAL);
	host.hold = true;
	n = post(r, VIRTIO_BLK_T_IN, 0, DATA, 512, true);
	for (unsigned i = 0; i < 200; i++) {
		vdrv_kick(&r->d, 0);
		assert_true(fix_run(r->f));
		vdrv_add(&r->d, 0, (uint16_t)n);
	}
	vdrv_kick(&r->d, 0);
	assert_true(fix_run(r->f));
	assert_true(vdrv_status(&r->d) & NEEDS_RESET);
	assert_true(host.steps <= 64);
	rig_free(r); /* with requests still at the host */
}

/* ---- a host that fails ---- */

static void test_reported(void **state)
{
	const int errors[] = { ENOSPC, EIO };

	for (unsigned i = 0; i < 2; i++) {
		struct rig *r = rig_new(&fake_host, false, false);
		struct disk_info info;

		start(r, USUAL);
		host.fail = errors[i];
		assert_int_equal(ask(r, VIRTIO_BLK_T_OUT, 3, 512, false), VIRTIO_BLK_S_IOERR);
		assert_int_equal(r->errors, 1);
		assert_int_equal(r->error.error, errors[i]);
		assert_string_equal(r->error.op, "write");
		assert_int_equal(r->error.off, 3 * 512);
		assert_false(r->error.kept);
		host.fail = 0;
		assert_int_equal(ask(r, VIRTIO_BLK_T_OUT, 3, 512, false), VIRTIO_BLK_S_OK);
		machine_disk_info(r->f->m, 0, &info);
		assert_int_equal(info.failed[DISK_WRITES], 1);
		rig_free(r);
	}
}

static void test_kept(void **state)
{
	struct rig *r = rig_new(&fake_host, false, true);
	struct disk_info info;
	uint32_t id, len;
	unsigned a, b;

	start(r, USUAL);
	fill(r, DATA, 512, 3);
	host.fail = ENOSPC;
	a = post(r, VIRTIO_BLK_T_OUT, 3, DATA, 512, false);
	b = post(r, VIRTIO_BLK_T_FLUSH, 0, DATA, 0, false);
	vdrv_kick(&r->d, 0);
	assert_true(fix_run(r->f));
	assert_false(vdrv_take(&r->d, 0, &id, &len)); /* nobody was told */
	assert_true(r->error.kept);
	machine_disk_info(r->f->m, 0, &info);
	assert_int_equal(info.kept, 2);
	fake_quiesce(r->f->vm);
	fake_resume(r->f->vm); /* still full */
	assert_true(fix_run(r->f));
	assert_false(status_of(r, a) == 0);
	host.fail = 0;
	fake_quiesce(r->f->vm);
	fake_resume(r->f->vm);
	assert_true(wait_used(r, &id, &len));
	assert_true(wait_used(r, &id, &len));
	assert_int_equal(status_of(r, a), VIRTIO_BLK_S_OK);
	/* a flush that failed is never good again: the pages may be gone */
	assert_int_equal(status_of(r, b), VIRTIO_BLK_S_IOERR);
	assert_int_equal(ask(r, VIRTIO_BLK_T_FLUSH, 0, 0, false), VIRTIO_BLK_S_IOERR);
	machine_disk_info(r->f->m, 0, &info);
	assert_int_equal(info.kept, 0);
	rig_free(r);
}

/* Kept requests go into a saved state, and are done by the one that loads it. */
static void test_kept_and_saved(void **state)
{
	struct rig *a = rig_new(&fake_host, false, true), *b;
	struct vmc_out out;
	struct vmc_in in;
	uint32_t id, len;
	unsigned n;

	start(a, USUAL);
	memset(fake_ram(a->f->vm, DATA), 0x77, 512);
	host.fail = EIO;
	n = post(a, VIRTIO_BLK_T_OUT, 5, DATA, 512, false);
	vdrv_kick(&a->d, 0);
	assert_true(fix_run(a->f));
	fake_quiesce(a->f->vm);
	vmc_out_init(&out);
	fake_save(a->f->vm, "disk0", &out);
	b = rig_new(&block_threads, false, true);
	fake_copy(b->f->vm, a->f->vm);
	assert_int_equal(fake_load(b->f->vm, "disk0", out.data, out.len, &in), 0);
	for (size_t cut = 0; cut < out.len; cut += 7) /* a damaged one changes nothing */
		assert_true(fake_load(b->f->vm, "disk0", out.data, cut, &in) < 0);
	fake_resume(b->f->vm);
	b->d.q[0] = a->d.q[0];
	assert_true(wait_used(b, &id, &len));
	assert_int_equal(id, n);
	assert_int_equal(status_of(b, n), VIRTIO_BLK_S_OK);
	assert_true(image_is(b, 5 * 512, 512, 0x77));
	vmc_out_free(&out);
	rig_free(a);
	rig_free(b);
}

/* Another disk than the one that was saved. */
static void test_load_refused(void **state)
{
	struct rig *a = rig_new(&fake_host, false, false), *b = rig_new(&block_threads, true, false);
	struct vmc_out out;
	struct vmc_in in;

	vmc_out_init(&out);
	fake_quiesce(a->f->vm);
	fake_save(a->f->vm, "disk0", &out);
	assert_int_equal(fake_load(b->f->vm, "disk0", out.data, out.len, &in), -EBADMSG);
	vmc_out_free(&out);
	rig_free(a);
	rig_free(b);
}

/* Transfers that the host does in pieces. */
static void test_short_transfers(void **state)
{
	struct rig *r = rig_new(&fake_host, false, false);

	start(r, USUAL);
	host.most = 700;
	memset(fake_ram(r->f->vm, DATA), 0x31, 4096);
	assert_int_equal(ask(r, VIRTIO_BLK_T_OUT, 0, 4096, false), VIRTIO_BLK_S_OK);
	assert_true(image_is(r, 0, 4096, 0x31));
	memset(fake_ram(r->f->vm, DATA), 0, 4096);
	assert_int_equal(ask(r, VIRTIO_BLK_T_IN, 0, 4096, true), VIRTIO_BLK_S_OK);
	assert_int_equal(fake_ram(r->f->vm, DATA)[4095], 0x31);
	/* the image has become shorter: an error, not old memory */
	assert_int_equal(ftruncate(r->fd, 4096), 0);
	assert_int_equal(ask(r, VIRTIO_BLK_T_IN, 7, 1024, true), VIRTIO_BLK_S_IOERR);
	assert_int_equal(r->error.error, EIO);
	rig_free(r);
}

/* A file system that can neither punch nor zero: zeros are written. */
static void test_no_allocation(void **state)
{
	struct rig *r = rig_new(&fake_host, false, false);

	start(r, USUAL);
	memset(fake_ram(r->f->vm, DATA), 0x31, 65536);
	for (unsigned i = 0; i < 64; i++)
		assert_int_equal(ask(r, VIRTIO_BLK_T_OUT, i * 128, 65536, false), VIRTIO_BLK_S_OK);
	assert_true(image_is(r, 0, SECTORS * 512, 0x31));
	host.fail = EOPNOTSUPP;
	host.steps = 0;
	assert_int_equal(range(r, VIRTIO_BLK_T_DISCARD, 0, 8, 0), VIRTIO_BLK_S_OK); /* advice */
	assert_int_equal(host.steps, 1);
	host.skip = 0;
	host.fail = EOPNOTSUPP;
	assert_int_equal(range(r, VIRTIO_BLK_T_WRITE_ZEROES, 0, SECTORS - 1, 1), VIRTIO_BLK_S_IOERR);
	host.fail = 0; /* known by now: not tried again, written in pieces */
	host.allocs = 0;
	assert_int_equal(range(r, VIRTIO_BLK_T_WRITE_ZEROES, 0, SECTORS - 1, 1), VIRTIO_BLK_S_OK);
	assert_int_equal(host.allocs, 0);
	assert_true(image_is(r, 0, (SECTORS - 1) * 512, 0));
	assert_true(image_is(r, (SECTORS - 1) * 512, 512, 0x31));
	rig_free(r);
}

/* ---- pauses and resets ---- */

/* A pause waits for what is under way, and tells the guest; nothing is written after it. */
static void test_quiesce(void **state)
{
	struct rig *r = rig_new(&fake_host, false, false);
	uint32_t id, len;
	unsigned n;

	start(r, USUAL);
	host.hold = true;
	n = post(r, VIRTIO_BLK_T_OUT, 0, DATA, 512, false);
	vdrv_kick(&r->d, 0);
	assert_true(fix_run(r->f));
	assert_false(vdrv_take(&r->d, 0, &id, &len));
	fake_quiesce(r->f->vm);
	assert_true(vdrv_take(&r->d, 0, &id, &len));
	assert_int_equal(id, n);
	assert_int_equal(status_of(r, n), VIRTIO_BLK_S_OK);
	n = post(r, VIRTIO_BLK_T_IN, 0, DATA, 512, true);
	vdrv_kick(&r->d, 0);
	assert_true(fix_run(r->f));
	assert_int_equal(host.steps, 1);
	fake_resume(r->f->vm);
	assert_true(wait_used(r, &id, &len));
	assert_int_equal(status_of(r, n), VIRTIO_BLK_S_OK);
	rig_free(r);
}

/* A reset waits too, and then no byte of the old request is written into the guest. */
static void test_reset(void **state)
{
	struct rig *r = rig_new(&fake_host, false, false);
	struct disk_info info;
	unsigned n;

	start(r, USUAL);
	host.hold = true;
	n = post(r, VIRTIO_BLK_T_IN, 0, DATA, 512, true);
	vdrv_kick(&r->d, 0);
	assert_true(fix_run(r->f));
	vdrv_set_status(&r->d, 0);
	assert_int_equal(vdrv_status(&r->d), 0);
	machine_disk_info(r->f->m, 0, &info);
	assert_int_equal(info.inflight, 0);
	assert_int_equal(status_of(r, n), 0xee);
	assert_int_equal(vdrv_used(&r->d, 0)[1], 0);
	start(r, USUAL);
	assert_int_equal(ask(r, VIRTIO_BLK_T_IN, 0, 512, true), VIRTIO_BLK_S_OK);
	rig_free(r);
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
