/*
 * block.c - requests of a disk as steps of an engine: short transfers are continued, what a file
 * system cannot do is done another way.
 *
 * Discard and zeroing go through fallocate() for files and block devices alike (the kernel turns
 * it into a discard or a zeroout of the device); so no ioctl has to get through the sandbox.
 *
 * Threads: see block.h; device lock held throughout.
 */
#include "devices/block.h"
#include "devices/work.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <vmcore/vmcore.h>

enum { PHASE_TRANSFER, PHASE_PUNCH, PHASE_ZERO, PHASE_WRITE_ZEROES, PHASE_SYNC };
enum {
	TRIES = 64,                 /* of a step that the kernel wants asked again */
	ZERO_BYTES = 1024 * 1024,   /* written in one step */
	REAP_TURN = 512,            /* completions in one turn of the main loop */
};

struct block {
	struct block_config cfg;
	struct dev_work work; /* completions are there */
	const struct block_engine_ops *ops;
	void *engine;
	unsigned inflight;
	struct block_io *waiting, **waiting_end; /* the engine had no room */
	unsigned nwaiting;
	bool no_punch, no_zero;                  /* learnt: this file cannot */
	bool flush_lost;
};

/* Never written to: pages of it take no memory. */
static char zeroes[ZERO_BYTES];

static void wait_for_room(struct block *b, struct block_io *io)
{
	io->next = NULL;
	*b->waiting_end = io;
	b->waiting_end = &io->next;
	b->nwaiting++;
	dev_work_kick(&b->work);
}

static void start_step(struct block *b, struct block_io *io)
{
	io->fd = b->cfg.fd;
	if (b->waiting || b->ops->start(b->engine, io) < 0)
		wait_for_room(b, io);
}

static void allocate(struct block *b, struct block_io *io, int mode)
{
	io->step = STEP_ALLOCATE;
	io->mode = mode | FALLOC_FL_KEEP_SIZE;
	io->step_off = io->off;
	io->step_len = io->len;
	start_step(b, io);
}

static void transfer(struct block *b, struct block_io *io, bool write, const struct iovec *iov,
	unsigned niov)
{
	io->step = write ? STEP_WRITE : STEP_READ;
	io->step_off = io->off;
	io->step_iov = iov;
	io->step_niov = niov;
	start_step(b, io);
}

/* The step of the phase that @io is in. */
static void go_on(struct block *b, struct block_io *io)
{
	switch (io->phase) {
	case PHASE_TRANSFER:
		transfer(b, io, io->op == BLOCK_WRITE, io->iov, io->niov);
		break;
	case PHASE_PUNCH:
		allocate(b, io, FALLOC_FL_PUNCH_HOLE);
		break;
	case PHASE_ZERO:
		allocate(b, io, FALLOC_FL_ZERO_RANGE);
		break;
	case PHASE_WRITE_ZEROES:
		io->zero.iov_base = zeroes;
		io->zero.iov_len = io->len < ZERO_BYTES ? io->len : ZERO_BYTES;
		transfer(b, io, true, &io->zero, 1);
		break;
	default:
		io->step = STEP_SYNC;
		start_step(b, io);
	}
}

static unsigned first_phase(const struct block *b, const struct block_io *io)
{
	switch (io->op) {
	case BLOCK_READ:
	case BLOCK_WRITE:
		return PHASE_TRANSFER;
	case BLOCK_FLUSH:
		return PHASE_SYNC;
	case BLOCK_DISCARD:
		return PHASE_PUNCH;
	default:
		return io->unmap && !b->no_punch ? PHASE_PUNCH
		       : !b->no_zero		 ? PHASE_ZERO
						 : PHASE_WRITE_ZEROES;
	}
}

void block_start(struct block *b, struct block_io *io)
{
	b->inflight++;
	io->tries = 0;
	io->phase = first_phase(b, io);
	go_on(b, io);
}

/* @n bytes are through. */
static void advance(struct block_io *io, uint64_t n)
{
	io->off += n;
	io->len -= n;
	while (io->phase == PHASE_TRANSFER && n) {
		size_t part = n < io->iov->iov_len ? n : io->iov->iov_len;

		io->iov->iov_base = (char *)io->iov->iov_base + part;
		io->iov->iov_len -= part;
		n -= part;
		if (!io->iov->iov_len)
			io->iov++, io->niov--;
	}
}

/* It is said in these ways that a file or device cannot; EINVAL: not with this alignment. */
static bool cannot(int64_t res)
{
	return res == -EOPNOTSUPP || res == -ENOSYS || res == -ENODEV || res == -EINVAL;
}

/* An allocation that was refused: another way, or 0 when there is nothing to do. */
static int refused(struct block *b, struct block_io *io)
{
	bool for_good = io->res != -EINVAL;

	if (io->phase == PHASE_PUNCH)
		b->no_punch |= for_good;
	else
		b->no_zero |= for_good;
	if (io->op == BLOCK_DISCARD)
		return 0; /* advice, which this file cannot take */
	io->phase = io->phase == PHASE_PUNCH && !b->no_zero ? PHASE_ZERO : PHASE_WRITE_ZEROES;
	return 1;
}

/* After a step. Return: 1 when there is another to do, else the result of the request. */
static int after_step(struct block *b, struct block_io *io)
{
	int64_t res = io->res;

	if ((res == -EINTR || res == -EAGAIN) && io->tries++ < TRIES)
		return 1;
	if (io->step == STEP_ALLOCATE && cannot(res))
		return refused(b, io);
	if (res < 0) {
		b->flush_lost |= io->step == STEP_SYNC;
		return (int)res;
	}
	if (io->step == STEP_READ || io->step == STEP_WRITE) {
		if (res == 0 || (uint64_t)res > io->len)
			return -EIO; /* the image is shorter than it was */
		io->tries = 0;
		advance(io, (uint64_t)res);
		if (io->len)
			return 1;
	}
	/* A durable write was synced by its own step; the others want one more. */
	if (io->durable && (io->step == STEP_ALLOCATE || io->phase == PHASE_WRITE_ZEROES)) {
		io->phase = PHASE_SYNC;
		return 1;
	}
	if (io->step == STEP_SYNC && b->flush_lost)
		return -EIO;
	return 0;
}

static void finished(struct block *b, struct block_io *io)
{
	int rc = after_step(b, io);

	if (rc == 1) {
		go_on(b, io);
		return;
	}
	b->inflight--;
	b->cfg.done(b->cfg.arg, io, rc);
}

/* Those that found no room, in their order. */
static void start_waiting(struct block *b)
{
	struct block_io *io;

	while ((io = b->waiting)) {
		struct block_io *next = io->next;

		if (b->ops->start(b->engine, io) < 0) {
			if (b->inflight == b->nwaiting) /* no completion will ask again */
				dev_work_kick(&b->work);
			return;
		}
		b->nwaiting--;
		b->waiting = next;
		if (!next)
			b->waiting_end = &b->waiting;
	}
}

/* Everything on its way, and everything that is over taken in: most of what the page cache has is
 * over at once, and needs no wake-up. */
static void turn(struct block *b)
{
	unsigned left = REAP_TURN;
	struct block_io *io;
	bool some = true;

	while (some && left) {
		start_waiting(b);
		b->ops->submit(b->engine);
		for (some = false; left && (io = b->ops->reap(b->engine)); left--) {
			finished(b, io);
			some = true; /* it may have another step to begin */
		}
	}
	if (!left)
		dev_work_kick(&b->work); /* perhaps more: others want a turn too */
	b->cfg.batch_end(b->cfg.arg);
}

static void work_run(void *arg)
{
	turn(arg);
}

void block_submit(struct block *b)
{
	turn(b);
}

void block_drain(struct block *b)
{
	while (b->inflight) {
		start_waiting(b);
		b->ops->submit(b->engine);
		if (b->inflight > b->nwaiting)
			b->ops->wait(b->engine);
		else
			sched_yield(); /* the kernel has no memory for us at the moment */
		turn(b);
	}
}

unsigned block_inflight(const struct block *b)
{
	return b->inflight;
}

void block_replace(struct block *b, int fd)
{
	close(b->cfg.fd);
	b->cfg.fd = fd;
	b->no_punch = b->no_zero = b->flush_lost = false;
}

int block_fd(const struct block *b)
{
	return b->cfg.fd;
}

const char *block_engine_name(const struct block *b)
{
	return b->ops->name;
}

bool block_flush_lost(const struct block *b)
{
	return b->flush_lost;
}

static int make_engine(struct block *b)
{
	int rc;

	b->ops = b->cfg.engine ? b->cfg.engine : &block_uring;
	rc = b->ops->create(b->work.fd, b->cfg.depth, &b->engine);
	if (rc == 0 || b->cfg.engine)
		return rc;
	b->ops = &block_threads; /* no io_uring: an old kernel, or one that forbids it */
	return b->ops->create(b->work.fd, b->cfg.depth, &b->engine);
}

int block_new(const struct block_config *cfg, struct block **out)
{
	struct block *b = calloc(1, sizeof(*b));
	int rc;

	if (!b)
		return vmc_fail(cfg->vm, -ENOMEM, "no memory for a disk");
	b->cfg = *cfg;
	b->waiting_end = &b->waiting;
	rc = dev_work_init(&b->work, cfg->vm, cfg->base, work_run, b);
	if (rc == 0)
		rc = make_engine(b);
	if (rc < 0) {
		dev_work_fini(&b->work);
		free(b);
		return vmc_fail(cfg->vm, rc, "a disk's reading and writing: %s", strerror(-rc));
	}
	*out = b;
	return 0;
}

void block_detach(struct block *b)
{
	dev_work_detach(&b->work);
}

void block_free(struct block *b)
{
	block_drain(b);
	b->ops->destroy(b->engine);
	dev_work_fini(&b->work);
	close(b->cfg.fd);
	free(b);
}
