/* disk_copy.c - see disk_copy.h. Any thread. */
#include "vmhost/disk_copy.h"
#include <errno.h>
#include <linux/fs.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define PIECE (1u << 20)

struct copy {
	int from, to;
	uint64_t size;
	char *buf; /* NULL: the kernel copies */
	vmc_progress_fn *progress;
	void *arg;
};

/* One piece through our own hands. */
static ssize_t by_hand(struct copy *c, uint64_t at, size_t len)
{
	ssize_t n = pread(c->from, c->buf, len, (off_t)at), done = 0;

	while (done < n) {
		ssize_t w = pwrite(
			c->to, c->buf + done, (size_t)(n - done), (off_t)at + (off_t)done);

		if (w < 0 && errno != EINTR)
			return -errno;
		done += w > 0 ? w : 0;
	}
	return n < 0 ? -errno : n;
}

static ssize_t by_kernel(struct copy *c, uint64_t at, size_t len)
{
	off_t in = (off_t)at, out = (off_t)at;
	ssize_t n = copy_file_range(c->from, &in, c->to, &out, len, 0);

	if (n > 0 || (n < 0 && errno == ENOSPC))
		return n < 0 ? -errno : n;
	/* Not between these two files: another file system, an old kernel. */
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

/* Only what is there: holes stay holes. */
static int copy_data(struct copy *c)
{
	uint64_t at = 0;
	int rc = 0;

	while (at < c->size && rc == 0) {
		off_t data = lseek(c->from, (off_t)at, SEEK_DATA), hole;

		if (data < 0 && errno == ENXIO)
			return 0; /* nothing but hole */
		if (data < 0) /* the file system does not tell */
			return copy_range(c, at, c->size);
		hole = lseek(c->from, data, SEEK_HOLE);
		if (hole <= data || (uint64_t)hole > c->size)
			hole = (off_t)c->size;
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
	if (rc == 0 && fsync(to) < 0)
		rc = -errno;
	return rc;
}
