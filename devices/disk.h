/*
 * disk.h - a disk as the machine's owner sees it: what it is made of, what it has done, what went
 * wrong. The model is virtio_blk.c.
 *
 * Threads: main loop. disk_error() comes with the device lock held: remember, and act later.
 */
#ifndef DEVICES_DISK_H
#define DEVICES_DISK_H
#include <stdbool.h>
#include <stdint.h>

#define DISK_MAX         8
#define DISK_SERIAL_SIZE 20 /* virtio 1.2 §5.2.6.1: not terminated when full */
#define DISK_SECTOR      512

struct block_engine_ops;

struct disk_error {
	unsigned disk;  /* its number */
	const char *op; /* "read", "write", "flush", "discard", "write-zeroes" */
	bool write;
	uint64_t off, len;
	int error; /* errno */
	bool kept; /* tried again when the VM goes on; it should be paused now */
};

struct disk_config {
	const char *path, *serial; /* for people, and for the guest; borrowed for the disk's life */
	int fd;                    /* the disk's from virtio_blk_new() on */
	uint64_t size;             /* bytes, a multiple of DISK_SECTOR */
	bool read_only;
	bool keep_failed; /* keep a request that the host failed, instead of telling the guest */
	const struct block_engine_ops *engine; /* NULL: the best there is */
};

struct disk_events {
	void (*error)(void *arg, const struct disk_error *e);
	void *arg;
};

enum { DISK_READS, DISK_WRITES, DISK_FLUSHES, DISK_UNMAPS, DISK_KINDS };

struct disk_info {
	const char *path, *serial, *engine;
	uint64_t size;
	bool read_only, writeback;
	uint64_t done[DISK_KINDS], bytes[DISK_KINDS], failed[DISK_KINDS], invalid[DISK_KINDS],
		time_ns[DISK_KINDS];
	unsigned inflight, kept; /* with the host; failed, to be tried again */
	int error;               /* errno of the last failure of the host, 0: none yet */
};

#endif
