/* disk_copy.c - see disk_copy.h. Any thread. */
#include "vmhost/disk_copy.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define PIECE (1u << 20)
#define BLOCK 4096u	    /* zeros are looked for in blocks of this */
#define DRAIN (64ull << 20) /* written to a device between two syncs: progress is what has arrived */

struct copy {
	int from, to;
	uint64_t size;
	char *buf;	/* NULL: the kernel copies */
	bool in_place;	/* over what was there: zeros are to be written */
	uint64_t drain; /* in place: written since the last sync */
	vmc_progress_fn *progress;
	void *arg;
};

static int write_all(int fd, const char *buf, size_t len, uint64_t at)
{
	while (len) {
		ssize_t n = pwrite(fd, buf, len, (off_t)at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		buf += n;
		at += (uint64_t)n;
		len -= (size_t)n;
	}
	return 0;
}

static bool zero(const char *p, size_t len)
{
	return len == 0 || (p[0] == 0 && memcmp(p, p + 1, len - 1) == 0);
}

/* Into an empty file: blocks of zeros stay holes. */
static int write_sparse(const struct copy *c, size_t len, uint64_t at)
{
	size_t from = 0, to;
	int rc = 0;

	while (from < len && rc == 0) {
		size_t n = len - from < BLOCK ? len - from : BLOCK;

		if (zero(c->buf + from, n)) {
			from += n;
			continue;
		}
		for (to = from + n; to < len; to += n) {
			n = len - to < BLOCK ? len - to : BLOCK;
			if (zero(c->buf + to, n))
				break;
		}
		rc = write_all(c->to, c->buf + from, to - from, at + from);
		from = to;
	}
	return rc;
}

static int drained(struct copy *c, size_t n)
{
	c->drain += n;
	if (c->drain < DRAIN)
		return 0;
	c->drain = 0;
	return fdatasync(c->to) < 0 ? -errno : 0;
}

/* One piece through our own hands. */
static ssize_t by_hand(struct copy *c, uint64_t at, size_t len)
{
	ssize_t n = pread(c->from, c->buf, len, (off_t)at);
	int rc;

	if (n <= 0)
		return n < 0 ? -errno : 0;
	if (!c->in_place)
		rc = write_sparse(c, (size_t)n, at);
	else
		rc = write_all(c->to, c->buf, (size_t)n, at);
	if (rc == 0 && c->in_place)
		rc = drained(c, (size_t)n);
	return rc < 0 ? rc : n;
}

static ssize_t by_kernel(struct copy *c, uint64_t at, size_t len)
{
	off_t in = (off_t)at, out = (off_t)at;
	ssize_t n = copy_file_range(c->from, &in, c->to, &out, len, 0);

	if (n > 0 || (n < 0 && errno == ENOSPC))
		return n < 0 ? -errno : n;
	/* Not between these two files: another file system, an old kernel, a block device. */
	c->buf = malloc(PIECE);
	return c->buf ? by_hand(c, at, len) : -ENOMEM;
}

static int copy_range(struct copy *c, uint64_t at, uint64_t end)
{
	while (at < end) {
		size_t len = end - at < PIECE ? end - at : PIECE;
		ssize_t n = c->buf ? by_hand(c, at, len) : by_kernel(c, at, len);

		if (n == -EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? (int)n : -EIO; /* shorter than it was */
		at += (uint64_t)n;
		if (c->progress && c->progress(c->arg, at, c->size))
			return -ECANCELED;
	}
	return 0;
}

/* A device that cannot discard, or not with zeros after it, has them written by the kernel; where
 * not even that is possible, or the piece does not fit its blocks, the source's zeros are copied. */
static int zero_piece(struct copy *c, uint64_t at, uint64_t len)
{
	int rc;

	do
		rc = fallocate(c->to, FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE, (off_t)at,
			(off_t)len);
	while (rc < 0 && errno == EINTR);
	if (rc == 0 || (errno != EOPNOTSUPP && errno != ENOSYS && errno != EINVAL))
		return rc == 0 ? 0 : -errno;
	return copy_range(c, at, at + len);
}

/* In place: zeros where the source has a hole, in pieces that leave room for progress. */
static int zero_range(struct copy *c, uint64_t at, uint64_t end)
{
	int rc = 0;

	while (c->in_place && at < end && rc == 0) {
		uint64_t len = end - at < DRAIN ? end - at : DRAIN;

		rc = zero_piece(c, at, len);
		at += len;
		if (rc == 0 && c->progress && c->progress(c->arg, at, c->size))
			rc = -ECANCELED;
	}
	return rc;
}

/* Only what is there: holes stay holes. */
static int copy_data(struct copy *c)
{
	uint64_t at = 0;
	int rc = 0;

	while (at < c->size && rc == 0) {
		off_t data = lseek(c->from, (off_t)at, SEEK_DATA), hole;

		if (data < 0 && errno == ENXIO)
			return zero_range(c, at, c->size); /* nothing but hole */
		if (data < 0) /* the file system does not tell, or it is a block device */
			return copy_range(c, at, c->size);
		rc = zero_range(c, at, (uint64_t)data);
		hole = lseek(c->from, data, SEEK_HOLE);
		if (hole <= data || (uint64_t)hole > c->size)
			hole = (off_t)c->size;
		if (rc == 0)
			rc = copy_range(c, (uint64_t)data, (uint64_t)hole);
		at = (uint64_t)hole;
	}
	return rc;
}

int disk_copy(int from, int to, uint64_t size, vmc_progress_fn *progress, void *arg)
{
	struct copy c = {.from = from, .to = to, .size = size, .progress = progress, .arg = arg};
	int rc = 0;

	if (ioctl(to, FICLONE, from) < 0)
		rc = ftruncate(to, (off_t)size) < 0 ? -errno : copy_data(&c);
	free(c.buf);
	return rc;
}

int disk_copy_over(int from, int to, uint64_t size, vmc_progress_fn *progress, void *arg)
{
	struct copy c = {.from = from,
		.to = to,
		.size = size,
		.buf = malloc(PIECE),
		.in_place = true,
		.progress = progress,
		.arg = arg};
	int rc = c.buf ? copy_data(&c) : -ENOMEM;

	free(c.buf);
	if (rc == 0 && fsync(to) < 0)
		rc = -errno;
	return rc;
}
