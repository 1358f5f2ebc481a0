/*
 * blkfix.h - a machine of devfix.h with a disk, its driver, and a host that fails when it is told to: what
 * the disk's unit tests start from. Asserts by cmocka.
 */
#ifndef TESTS_BLKFIX_H
#define TESTS_BLKFIX_H
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <linux/virtio_blk.h>
#include <string.h>

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

struct blkfix {
	struct fix *f;
	struct vdrv d;
	int fd; /* our own of the image */
	struct disk_error error;
	unsigned errors;
	unsigned next; /* descriptor */
};

/* The host behind blkfix_fails. */
struct blkfix_host {
	int fail;      /* the next steps end with -fail */
	unsigned skip; /* after these */
	size_t most;   /* bytes of a transfer at most; 0: all */
	bool hold;     /* nothing comes back */
	bool silent;   /* nobody is told that something did */
	struct block_io *head, **end;
	unsigned steps, allocs, syncs;
	int event_fd;
};
extern struct blkfix_host blkfix_host;
extern const struct block_engine_ops blkfix_fails;

/** blkfix_new() - a machine with one disk of SECTORS. @engine: NULL for the best; @keep: failed requests. */
struct blkfix *blkfix_new(const struct block_engine_ops *engine, bool read_only, bool keep);
void blkfix_free(struct blkfix *r);
/** blkfix_start() - the driver comes up. */
void blkfix_start(struct blkfix *r, uint64_t features);
/** blkfix_post() - a request of three descriptors, header, data at @data, status; not kicked. Return: its
 * first descriptor. */
unsigned blkfix_post(struct blkfix *r, uint32_t type, uint64_t sector, uint64_t data, uint32_t len,
	bool in);
uint8_t blkfix_status(struct blkfix *r, unsigned n);
/** blkfix_wait_used() - until a request comes back. false: none did. */
bool blkfix_wait_used(struct blkfix *r, uint32_t *id, uint32_t *len);
/** blkfix_ask() - one request with its data at DATA, waited for. Return: its status. */
int blkfix_ask(struct blkfix *r, uint32_t type, uint64_t sector, uint32_t len, bool in);
/** blkfix_range() - discard or write zeroes, waited for. Return: its status. */
int blkfix_range(struct blkfix *r, uint32_t type, uint64_t sector, uint32_t n, uint32_t flags);
void blkfix_fill(struct blkfix *r, uint64_t gpa, uint32_t len, unsigned seed);
bool blkfix_image_is(struct blkfix *r, uint64_t off, uint32_t len, int value);

#endif
