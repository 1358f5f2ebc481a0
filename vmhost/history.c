/* history.c - see history.h. Main thread. */
#include "vmhost/history.h"
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

int history_init(struct history *h, size_t size)
{
	memset(h, 0, sizeof(*h));
	h->buf = mmap(NULL, size, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (h->buf == MAP_FAILED) {
		h->buf = NULL;
		return -errno;
	}
	h->size = size;
	return 0;
}

void history_free(struct history *h)
{
	if (h->buf)
		munmap(h->buf, h->size);
	memset(h, 0, sizeof(*h));
}

void history_put(struct history *h, const void *data, size_t len)
{
	const uint8_t *p = data;
	size_t at, n;

	if (len > h->size) { /* only the end of it would be left anyway */
		h->total += len - h->size;
		p += len - h->size;
		len = h->size;
	}
	at = (size_t)(h->total % h->size);
	n = h->size - at < len ? h->size - at : len;
	memcpy(h->buf + at, p, n);
	memcpy(h->buf, p + n, len - n);
	h->total += len;
	if (h->total - h->start > h->size)
		h->start = h->total - h->size;
}

int history_peek(const struct history *h, uint64_t pos, struct iovec iov[2])
{
	size_t at, len, n;

	if (pos < h->start)
		pos = h->start;
	if (pos >= h->total)
		return 0;
	len = (size_t)(h->total - pos);
	at = (size_t)(pos % h->size);
	n = h->size - at < len ? h->size - at : len;
	iov[0].iov_base = h->buf + at;
	iov[0].iov_len = n;
	iov[1].iov_base = h->buf;
	iov[1].iov_len = len - n;
	return len > n ? 2 : 1;
}

void history_set(struct history *h, const void *data, size_t len, uint64_t total)
{
	if (len > h->size) {
		data = (const uint8_t *)data + (len - h->size);
		len = h->size;
	}
	h->start = h->total = total - len;
	history_put(h, data, len);
}
