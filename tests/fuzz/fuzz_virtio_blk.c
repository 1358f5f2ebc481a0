/*
 * fuzz_virtio_blk.c - a disk whose driver and whose host both do what the fuzzer says: requests of
 * any shape, answers in any order, late, short or failed, pause, save and load in between. After it
 * all, a reset mends everything, and nothing was written beside the image.
 */
#include <errno.h>
#include <linux/virtio_blk.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "devices/block.h"
#include "tests/fuzz/reader.h"
#include "tests/lib/devfix.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { RING = 0x400000, HDR = 0x500000, DATA = 0x510000, SECTORS = 256, SLOT = 5 };

/* ---- the host ---- */

static struct {
	struct block_io *io[512];
	unsigned n, pick;
	bool hold;
	int fail;
	size_t most;
	int event_fd;
} host;

static int h_create(int event_fd, unsigned depth, void **out)
{
	memset(&host, 0, sizeof(host));
	host.event_fd = event_fd;
	*out = &host;
	return 0;
}

static int h_start(void *engine, struct block_io *io)
{
	if (host.n == 512)
		abort(); /* more than a queue holds */
	host.io[host.n++] = io;
	return 0;
}

static void h_submit(void *engine)
{
	if (host.n && !host.hold && eventfd_write(host.event_fd, 1))
		abort();
}

static void h_do(struct block_io *io)
{
	struct iovec one;

	io->res = -host.fail;
	if (host.fail)
		return;
	if (io->step == STEP_SYNC)
		return;
	if (io->step == STEP_ALLOCATE) {
		if (!io->step_len || io->step_off + io->step_len > SECTORS * 512)
			abort();
		return;
	}
	one = io->step_iov[0];
	if (!io->step_niov || !one.iov_len || io->step_off + one.iov_len > SECTORS * 512)
		abort();
	if (host.most && one.iov_len > host.most)
		one.iov_len = host.most;
	io->res = io->step == STEP_READ ? pread(io->fd, one.iov_base, one.iov_len, (off_t)io->step_off)
					: pwrite(io->fd, one.iov_base, one.iov_len, (off_t)io->step_off);
}

static struct block_io *h_reap(void *engine)
{
	struct block_io *io;
	unsigned i;

	if (host.hold || !host.n)
		return NULL;
	i = host.pick++ % host.n;
	io = host.io[i];
	host.io[i] = host.io[--host.n];
	h_do(io);
	return io;
}

static void h_wait(void *engine)
{
	host.hold = false;
}

static void h_destroy(void *engine)
{
	if (host.n)
		abort();
}

static const struct block_engine_ops fuzz_host = {
	"fuzz", h_create, h_start, h_submit, h_reap, h_wait, h_destroy
};

/* ---- the driver ---- */

static void request(struct fix *f, struct vdrv *d, struct reader *r)
{
	static const uint32_t types[] = { VIRTIO_BLK_T_IN, VIRTIO_BLK_T_OUT, VIRTIO_BLK_T_FLUSH,
		VIRTIO_BLK_T_GET_ID, VIRTIO_BLK_T_DISCARD, VIRTIO_BLK_T_WRITE_ZEROES, 2, 0x80000000 };
	uint8_t type = get(r, 1), n = get(r, 1) & 3, in;
	struct virtio_blk_outhdr h = { .type = types[type & 7], .sector = get(r, 2) };

	in = h.type == VIRTIO_BLK_T_IN || h.type == VIRTIO_BLK_T_GET_ID ? VD_WRITE : 0;
	n *= 3;
	memcpy(fake_ram(f->vm, HDR + n * 16), &h, sizeof(h));
	vdrv_set_desc(d, 0, n, HDR + n * 16, 16, VD_NEXT, n + 1);
	vdrv_set_desc(d, 0, n + 1, DATA + get(r, 1) * 16, get(r, 1) * (type & 8 ? 512 : 16),
		VD_NEXT | in, n + 2);
	vdrv_set_desc(d, 0, n + 2, HDR + 0x1000 + n, 1, VD_WRITE, 0);
	vdrv_add(d, 0, n);
	vdrv_kick(d, 0);
}

static void step(struct fix *f, struct vdrv *d, struct reader *r)
{
	static const int errors[] = { 0, EIO, ENOSPC, EOPNOTSUPP, EAGAIN, EINVAL, EINTR, 0 };
	uint8_t op = get(r, 1);
	uint64_t value, addr;
	unsigned n;

	switch (op & 15) {
	case 0:
	case 1:
	case 2:
		request(f, d, r);
		break;
	case 3:
		vdrv_set_desc(d, 0, get(r, 1) & 15, HDR + get(r, 2), get(r, 2), get(r, 1) & 7,
			get(r, 1) & 31);
		break;
	case 4:
		addr = RING + (get(r, 2) & 0x3fff);
		for (n = get(r, 1) & 31; n; n--)
			*fake_ram(f->vm, addr++) = get(r, 1);
		break;
	case 5:
		vdrv_add(d, 0, get(r, 1) & 31);
		vdrv_kick(d, 0);
		break;
	case 6:
		host.fail = errors[get(r, 1) & 7];
		break;
	case 7:
		host.hold = op & 16;
		break;
	case 8:
		host.most = get(r, 2);
		host.pick = get(r, 1);
		break;
	case 9:
		op & 16 ? fake_quiesce(f->vm) : fake_resume(f->vm);
		break;
	case 10:
		save_and_load(f->vm, "disk0", r);
		break;
	case 11:
		value = get(r, 1);
		fake_io(f->vm, VMC_BUS_MMIO, d->device + (get(r, 1) & 63), &value, 1u << (op >> 6), op & 16);
		break;
	case 12:
		value = get(r, 2);
		fake_io(f->vm, VMC_BUS_MMIO, d->common + (get(r, 1) & 63), &value, 1u << (op >> 6), true);
		break;
	case 13:
		memset(fake_ram(f->vm, DATA), get(r, 1), 64); /* ranges of discards */
		break;
	default:
		if (!fix_run(f))
			abort();
	}
}

/* After a reset: a sector can be written, and is in the image. */
static void alive(struct fix *f, struct vdrv *d, int fd)
{
	const struct virtio_blk_outhdr h = { .type = VIRTIO_BLK_T_OUT, .sector = 1 };
	uint8_t got[512];
	uint32_t id, len;

	host.fail = 0;
	host.hold = false;
	host.most = 0;
	fake_reset(f->vm);
	fake_resume(f->vm);
	fix_find(f, d, SLOT);
	if (vdrv_start_n(d, 1ull << VIRTIO_BLK_F_FLUSH, 1, 16, RING, 0x61) != 15)
		abort();
	memcpy(fake_ram(f->vm, HDR), &h, sizeof(h));
	memset(fake_ram(f->vm, DATA), 0x5a, 512);
	vdrv_set_desc(d, 0, 0, HDR, 16, VD_NEXT, 1);
	vdrv_set_desc(d, 0, 1, DATA, 512, VD_NEXT, 2);
	vdrv_set_desc(d, 0, 2, HDR + 0x1000, 1, VD_WRITE, 0);
	*fake_ram(f->vm, HDR + 0x1000) = 0xee;
	vdrv_add(d, 0, 0);
	vdrv_kick(d, 0);
	if (!fix_run(f) || !vdrv_take(d, 0, &id, &len) || *fake_ram(f->vm, HDR + 0x1000) ||
		pread(fd, got, 512, 512) != 512 || got[0] != 0x5a || got[511] != 0x5a)
		abort();
	if (lseek(fd, 0, SEEK_END) != SECTORS * 512)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int fd = memfd_create("disk", MFD_CLOEXEC);
	struct disk_config disk = { .path = "x",
		.serial = "S",
		.size = SECTORS * 512,
		.fd = dup(fd),
		.keep_failed = size & 2,
		.engine = &fuzz_host };
	const struct machine_config cfg = { .cols = 80, .rows = 24, .disks = &disk, .ndisks = 1 };
	struct reader r = { data, size };
	struct fix *f;
	struct vdrv d;

	if (fd < 0 || disk.fd < 0 || ftruncate(fd, SECTORS * 512) < 0)
		abort();
	f = fix_new_with(&cfg);
	fix_find(f, &d, SLOT);
	vdrv_start_n(&d, VD_F_INDIRECT | (size & 1 ? VD_F_EVENT_IDX : 0) | 1ull << VIRTIO_BLK_F_FLUSH, 1,
		16, RING, 0x61);
	for (unsigned i = 0; i < 300 && r.left; i++)
		step(f, &d, &r);
	if (!fix_run(f))
		abort();
	alive(f, &d, fd);
	fix_free(f);
	close(fd);
	return 0;
}
