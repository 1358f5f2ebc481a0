/* blkfix.c - a disk on a fake VM (blkfix.h). */
#include "tests/lib/blkfix.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* ---- a host that fails when it is told to ---- */

struct blkfix_host blkfix_host;

static int fake_create(int event_fd, unsigned depth, void **out)
{
	memset(&blkfix_host, 0, sizeof(blkfix_host));
	blkfix_host.end = &blkfix_host.head;
	blkfix_host.event_fd = event_fd;
	*out = &blkfix_host;
	return 0;
}

static ssize_t part_of(const struct block_io *io)
{
	struct iovec one = io->step_iov[0];

	if (blkfix_host.most && one.iov_len > blkfix_host.most)
		one.iov_len = blkfix_host.most;
	return io->step == STEP_READ ? pread(io->fd, one.iov_base, one.iov_len, (off_t)io->step_off)
				     : pwrite(io->fd, one.iov_base, one.iov_len, (off_t)io->step_off);
}

static int fake_start(void *engine, struct block_io *io)
{
	blkfix_host.steps++;
	blkfix_host.allocs += io->step == STEP_ALLOCATE;
	blkfix_host.syncs += io->step == STEP_SYNC;
	if (blkfix_host.fail && !blkfix_host.skip)
		io->res = -blkfix_host.fail;
	else if (io->step == STEP_READ || io->step == STEP_WRITE)
		io->res = part_of(io);
	else
		io->res = 0;
	if (blkfix_host.skip)
		blkfix_host.skip--;
	io->next = NULL;
	*blkfix_host.end = io;
	blkfix_host.end = &io->next;
	return 0;
}

static void fake_submit(void *engine)
{
	if (blkfix_host.head && !blkfix_host.hold && !blkfix_host.silent)
		assert_int_equal(eventfd_write(blkfix_host.event_fd, 1), 0);
}

static struct block_io *fake_reap(void *engine)
{
	struct block_io *io = blkfix_host.hold ? NULL : blkfix_host.head;

	if (io && !(blkfix_host.head = io->next))
		blkfix_host.end = &blkfix_host.head;
	return io;
}

static void fake_wait(void *engine)
{
	blkfix_host.hold = false;
}

static void fake_destroy(void *engine)
{
}

const struct block_engine_ops blkfix_fails = {
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
	struct blkfix *r = arg;

	r->error = *e;
	r->errors++;
}

struct blkfix *blkfix_new(const struct block_engine_ops *engine, bool read_only, bool keep)
{
	char path[] = "/tmp/vitrine-blk.XXXXXX";
	struct blkfix *r = calloc(1, sizeof(*r));
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

void blkfix_free(struct blkfix *r)
{
	fix_free(r->f);
	close(r->fd);
	free(r);
}

void blkfix_start(struct blkfix *r, uint64_t features)
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

unsigned blkfix_post(struct blkfix *r, uint32_t type, uint64_t sector, uint64_t data, uint32_t len,
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

uint8_t blkfix_status(struct blkfix *r, unsigned n)
{
	return *fake_ram(r->f->vm, STATUS + n / 3);
}

bool blkfix_wait_used(struct blkfix *r, uint32_t *id, uint32_t *len)
{
	uint64_t until = ms() + 20000;

	while (!vdrv_take(&r->d, 0, id, len)) {
		if (ms() > until)
			return false;
		fix_wait(r->f, 100);
	}
	return true;
}

int blkfix_ask(struct blkfix *r, uint32_t type, uint64_t sector, uint32_t len, bool in)
{
	unsigned n = blkfix_post(r, type, sector, DATA, len, in);
	uint32_t id, written;

	vdrv_kick(&r->d, 0);
	if (!blkfix_wait_used(r, &id, &written))
		fail_msg("request type %u never came back", type);
	assert_int_equal(id, n);
	if (blkfix_status(r, n) == VIRTIO_BLK_S_OK && type == VIRTIO_BLK_T_IN)
		assert_int_equal(written, len + 1);
	else
		assert_true(written >= 1);
	return blkfix_status(r, n);
}

void blkfix_fill(struct blkfix *r, uint64_t gpa, uint32_t len, unsigned seed)
{
	for (uint32_t i = 0; i < len; i++)
		fake_ram(r->f->vm, gpa)[i] = (uint8_t)(seed + i * 7 + i / 256);
}

int blkfix_range(struct blkfix *r, uint32_t type, uint64_t sector, uint32_t n, uint32_t flags)
{
	struct virtio_blk_discard_write_zeroes x = {
		.sector = sector, .num_sectors = n, .flags = flags
	};

	memcpy(fake_ram(r->f->vm, DATA), &x, sizeof(x));
	return blkfix_ask(r, type, 0, sizeof(x), false);
}

bool blkfix_image_is(struct blkfix *r, uint64_t off, uint32_t len, int value)
{
	uint8_t *buf = malloc(len);
	bool same = pread(r->fd, buf, len, (off_t)off) == len;

	for (uint32_t i = 0; i < len && same; i++)
		same = buf[i] == (uint8_t)value;
	free(buf);
	return same;
}
