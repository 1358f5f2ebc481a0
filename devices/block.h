/*
 * block.h - what is behind a disk: asynchronous reads, writes, flushes, discards and zeroing of a
 * raw image, a regular file or a block device.
 *
 * block.c turns a request into steps that an engine does one at a time: io_uring (block_uring.c)
 * where the kernel lets us have one, a few threads (block_threads.c) where not. Nothing here knows
 * virtio.
 *
 * Threads: everything with the device lock held; completions come on the main loop, or inside
 * block_drain(). The engine's threads touch only the steps they were given.
 */
#ifndef DEVICES_BLOCK_H
#define DEVICES_BLOCK_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

struct event_base;
struct vmc_vm;

enum block_op { BLOCK_READ, BLOCK_WRITE, BLOCK_FLUSH, BLOCK_DISCARD, BLOCK_ZEROES };

/* What an engine does in one go. */
enum block_step { STEP_READ, STEP_WRITE, STEP_SYNC, STEP_ALLOCATE };

struct block_io {
	/* the caller's, until it is done */
	enum block_op op;
	uint64_t off, len; /* bytes, within the image */
	struct iovec *iov; /* READ, WRITE: @len bytes in all; used up on the way */
	unsigned niov;
	bool durable; /* WRITE, DISCARD, ZEROES: on stable storage before it is done */
	bool unmap;   /* ZEROES: may take the storage away */
	/* block.c's */
	unsigned phase, tries;
	struct iovec zero;
	/* the engine's orders and its answer */
	enum block_step step;
	int mode; /* STEP_ALLOCATE: fallocate()'s */
	uint64_t step_off, step_len;
	const struct iovec *step_iov;
	unsigned step_niov;
	int fd;
	int64_t res; /* bytes, 0, or -errno */
	struct block_io *next;
};

/* An engine. @fd of a start: a descriptor to write 8 bytes to whenever reap() has something. */
struct block_engine_ops {
	const char *name;
	int (*create)(int event_fd, unsigned depth, void **out);
	int (*start)(void *engine, struct block_io *io); /* -EAGAIN: not now */
	void (*submit)(void *engine); /* what was started begins at the latest now; then reap() */
	struct block_io *(*reap)(void *engine);          /* one that is over, NULL: none */
	void (*wait)(void *engine); /* until reap() has one; only while something is under way */
	void (*destroy)(void *engine); /* only while nothing is under way */
};
extern const struct block_engine_ops block_uring, block_threads;

struct block;

struct block_config {
	struct vmc_vm *vm;
	struct event_base *base;
	int fd; /* block.c's once block_new() has succeeded */
	unsigned depth; /* requests under way at a time, at most */
	const struct block_engine_ops *engine; /* NULL: io_uring, else threads */
	void (*done)(void *arg, struct block_io *io, int rc); /* never from inside block_start() */
	void (*batch_end)(void *arg);                         /* after a number of done()s */
	void *arg;
};

/** block_new() - Return: 0, or -errno with the VM's error set. Before the sandbox closes. */
int block_new(const struct block_config *cfg, struct block **out);
/** block_start() - hand a request in; block_submit() - that was all for now; done() may come. */
void block_start(struct block *b, struct block_io *io);
void block_submit(struct block *b);
/** block_drain() - wait until nothing is under way. Blocks; done() is called for each. */
void block_drain(struct block *b);
unsigned block_inflight(const struct block *b);
/** block_replace() - another file from now on, closing the old; nothing may be under way. */
void block_replace(struct block *b, int fd);
int block_fd(const struct block *b);
const char *block_engine_name(const struct block *b);
/** block_flush_lost() - has a flush failed? What it should have made durable may be gone, though
 * the kernel calls the next flush a success; so every later one fails. */
bool block_flush_lost(const struct block *b);
/** block_detach() - out of the event loop. block_free() - drains, and closes the file. */
void block_detach(struct block *b);
void block_free(struct block *b);

#endif
