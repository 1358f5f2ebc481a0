/*
 * history.h - a console's recent output: a ring of bytes with absolute stream positions. Main
 * thread.
 *
 * Position 0 is the first byte the guest ever sent. The ring holds [start, total). Its memory is
 * mapped but costs nothing until it has been written once.
 */
#ifndef VMHOST_HISTORY_H
#define VMHOST_HISTORY_H
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

struct history {
	uint8_t *buf;
	size_t size;
	uint64_t start, total;
};

int history_init(struct history *h, size_t size);
void history_free(struct history *h);
/** history_put() - append, forgetting the oldest. */
void history_put(struct history *h, const void *data, size_t len);
/** history_peek() - what there is from @pos on, in at most two pieces. Return: how many pieces. */
int history_peek(const struct history *h, uint64_t pos, struct iovec iov[2]);
/** history_set() - replace all: @len bytes that end at stream position @total. */
void history_set(struct history *h, const void *data, size_t len, uint64_t total);

#endif
