/*
 * virtio_blk_priv.h - what virtio_blk.c (the device and its queue) and virtio_blk_req.c (what a request
 * says) share. Device lock held.
 */
#ifndef DEVICES_VIRTIO_BLK_PRIV_H
#define DEVICES_VIRTIO_BLK_PRIV_H
#include "devices/block.h"
#include "devices/virtio_blk.h"

#include <linux/virtio_blk.h>
#include <stddef.h>
#include <time.h>

enum {
	QUEUE = VIRTQ_SIZE_MAX,
	HEADER = sizeof(struct virtio_blk_outhdr),
	MAX_DISCARD = 1 << 23,     /* sectors of one range: 4 GiB */
	MAX_ZEROES = 64 << 11,     /* 64 MiB: the host may have to write them */
};

struct blk_req {
	struct block_io io;
	struct blk_req *next; /* of the free ones */
	unsigned kind;
	uint64_t bytes; /* for the statistics */
	uint64_t began_ns;
	struct virtq_chain chain;
	struct iovec iov[VIRTQ_SIZE_MAX];
};

struct blk {
	struct vdev v;
	struct block *block;
	struct disk_config cfg;
	struct disk_events events;
	unsigned number;
	uint64_t sectors;
	bool wce;      /* the driver wants a write-back cache */
	bool starved;  /* there was no memory for a request */
	bool dropping; /* a reset: what comes back is nobody's any more */
	struct blk_req *free;
	unsigned nreqs;
	uint16_t kept[QUEUE], nkept;
	struct disk_info stats;
	struct virtq_chain chain; /* the one being looked at */
};

static inline struct blk *blk(const struct vdev *v)
{
	return (struct blk *)((char *)v - offsetof(struct blk, v));
}

static inline uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

/** virtio_blk_handle() - b->chain is a request that was taken: check it, and answer it or send it on its
 * way to the host. @r: for it. */
void virtio_blk_handle(struct blk *b, struct blk_req *r);
/** virtio_blk_give_back() - the chain goes back. The status is the last byte of its writable part. */
void virtio_blk_give_back(struct blk *b, const struct virtq_chain *c, uint8_t status, uint32_t data);
/** virtio_blk_req_free() - @r may be used for the next one. */
void virtio_blk_req_free(struct blk *b, struct blk_req *r);
/** virtio_blk_writeback() - §5.2.6.2: without a cache that the driver can flush, a write is done when it
 * is durable. */
bool virtio_blk_writeback(const struct blk *b);

#endif
