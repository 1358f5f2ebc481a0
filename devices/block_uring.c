/*
 * block_uring.c - a disk's engine on io_uring (liburing 2.3).
 *
 * The ring is made before the sandbox closes and is restricted to the four operations below, which
 * the seccomp list allows as system calls too: io_uring runs past the filter, so an unrestricted
 * one would be a way out. A kernel that has no restrictions (before 5.10) gets threads instead.
 *
 * Threads: device lock held. Slow operations run on the kernel's own workers.
 */
#include "devices/block.h"

#include <errno.h>
#include <liburing.h>
#include <stdlib.h>

struct uring {
	struct io_uring ring;
};

static int restrict_ring(struct io_uring *ring)
{
	static const uint8_t ops[] = {
		IORING_OP_READV, IORING_OP_WRITEV, IORING_OP_FSYNC, IORING_OP_FALLOCATE
	};
	struct io_uring_restriction r[sizeof(ops)] = { 0 };
	int rc;

	for (unsigned i = 0; i < sizeof(ops); i++) {
		r[i].opcode = IORING_RESTRICTION_SQE_OP;
		r[i].sqe_op = ops[i];
	}
	/* By number: liburing 2.3 forgot to export its own functions for these two. */
	rc = io_uring_register(ring->ring_fd, IORING_REGISTER_RESTRICTIONS, r, sizeof(ops));
	if (rc < 0)
		return rc;
	return io_uring_register(ring->ring_fd, IORING_REGISTER_ENABLE_RINGS, NULL, 0);
}

static int ur_create(int event_fd, unsigned depth, void **out)
{
	struct io_uring_params p = { .flags = IORING_SETUP_R_DISABLED };
	struct uring *u = calloc(1, sizeof(*u));
	int rc;

	if (!u)
		return -ENOMEM;
	rc = io_uring_queue_init_params(depth, &u->ring, &p);
	if (rc < 0) {
		free(u);
		return rc;
	}
	rc = io_uring_register_eventfd(&u->ring, event_fd);
	if (rc == 0)
		rc = restrict_ring(&u->ring);
	if (rc < 0) {
		io_uring_queue_exit(&u->ring);
		free(u);
		return rc;
	}
	*out = u;
	return 0;
}

static void ur_submit(void *engine)
{
	struct uring *u = engine;

	if (!io_uring_sq_ready(&u->ring))
		return;
	/* What is over at once is taken in by the caller, who looks after this: no wake-up for it. */
	io_uring_cq_eventfd_toggle(&u->ring, false);
	/* Refused for a moment (no memory): they stay in the ring, and go with the next submit. */
	io_uring_submit(&u->ring);
	io_uring_cq_eventfd_toggle(&u->ring, true);
	/* Full barrier: the wish for wake-ups must be out before the caller's look at the ring. The
	 * kernel puts a completion there, then reads the wish. */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
}

static int ur_start(void *engine, struct block_io *io)
{
	struct uring *u = engine;
	struct io_uring_sqe *sqe = io_uring_get_sqe(&u->ring);

	if (!sqe) {
		ur_submit(u);
		sqe = io_uring_get_sqe(&u->ring);
	}
	if (!sqe)
		return -EAGAIN;
	switch (io->step) {
	case STEP_READ:
		io_uring_prep_readv(sqe, io->fd, io->step_iov, io->step_niov, io->step_off);
		break;
	case STEP_WRITE:
		io_uring_prep_writev2(sqe, io->fd, io->step_iov, io->step_niov, io->step_off,
			io->op == BLOCK_WRITE && io->durable ? RWF_DSYNC : 0);
		break;
	case STEP_SYNC:
		io_uring_prep_fsync(sqe, io->fd, IORING_FSYNC_DATASYNC);
		break;
	case STEP_ALLOCATE:
		io_uring_prep_fallocate(sqe, io->fd, io->mode, (off_t)io->step_off,
			(off_t)io->step_len);
		break;
	}
	io_uring_sqe_set_data(sqe, io);
	return 0;
}

static struct block_io *ur_reap(void *engine)
{
	struct uring *u = engine;
	struct io_uring_cqe *cqe;
	struct block_io *io;

	if (io_uring_peek_cqe(&u->ring, &cqe) < 0 || !cqe)
		return NULL;
	io = io_uring_cqe_get_data(cqe);
	io->res = cqe->res;
	io_uring_cqe_seen(&u->ring, cqe);
	return io;
}

static void ur_wait(void *engine)
{
	struct uring *u = engine;

	/* An error (a signal, no memory) means: ask again; the caller does. */
	io_uring_submit_and_wait(&u->ring, 1);
}

static void ur_destroy(void *engine)
{
	struct uring *u = engine;

	io_uring_queue_exit(&u->ring);
	free(u);
}

const struct block_engine_ops block_uring = {
	.name = "io_uring",
	.create = ur_create,
	.start = ur_start,
	.submit = ur_submit,
	.reap = ur_reap,
	.wait = ur_wait,
	.destroy = ur_destroy,
};
