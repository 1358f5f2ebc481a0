/*
 * block_threads.c - a disk's engine on a few threads, where io_uring is refused.
 *
 * Threads: start, reap and wait with the device lock held; the workers take steps from one list,
 * do them with plain system calls and put them on another. `lock` guards both lists and is a leaf.
 * Workers are made when they are wanted, so that they are born inside the sandbox.
 */
#include "devices/block.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#define THREADS 4

struct list {
	struct block_io *head, **end;
};

struct pool {
	pthread_mutex_t lock;
	pthread_cond_t wake, over; /* there is something in todo; in done */
	struct list todo, done;
	unsigned nthreads, idle, queued; /* threads, those that wait, steps in todo */
	pthread_t thread[THREADS];
	bool ending;
	int event_fd;
};

static void put(struct list *l, struct block_io *io)
{
	io->next = NULL;
	*l->end = io;
	l->end = &io->next;
}

static struct block_io *take(struct list *l)
{
	struct block_io *io = l->head;

	if (io) {
		l->head = io->next;
		if (!l->head)
			l->end = &l->head;
	}
	return io;
}

static int64_t do_step(const struct block_io *io)
{
	ssize_t n;

	switch (io->step) {
	case STEP_READ:
		n = preadv(io->fd, io->step_iov, (int)io->step_niov, (off_t)io->step_off);
		break;
	case STEP_WRITE:
		n = pwritev(io->fd, io->step_iov, (int)io->step_niov, (off_t)io->step_off);
		if (n > 0 && io->op == BLOCK_WRITE && io->durable && fdatasync(io->fd) < 0)
			n = -1;
		break;
	case STEP_SYNC:
		n = fdatasync(io->fd);
		break;
	default:
		n = fallocate(io->fd, io->mode, (off_t)io->step_off, (off_t)io->step_len);
	}
	return n < 0 ? -errno : n;
}

static void *worker(void *arg)
{
	const uint64_t one = 1;
	struct pool *p = arg;
	struct block_io *io;

	pthread_mutex_lock(&p->lock);
	for (;;) {
		while (!(io = take(&p->todo)) && !p->ending) {
			p->idle++;
			pthread_cond_wait(&p->wake, &p->lock);
			p->idle--;
		}
		if (!io)
			break;
		p->queued--;
		pthread_mutex_unlock(&p->lock);
		io->res = do_step(io);
		pthread_mutex_lock(&p->lock);
		put(&p->done, io);
		pthread_cond_signal(&p->over);
		if (write(p->event_fd, &one, sizeof(one)) < 0)
			continue; /* full of kicks: it will run anyway */
	}
	pthread_mutex_unlock(&p->lock);
	return NULL;
}

/* One more, with every signal blocked: signals are the main loop's and the vCPUs'. */
static void add_thread(struct pool *p)
{
	sigset_t all, old;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	if (pthread_create(&p->thread[p->nthreads], NULL, worker, p) == 0)
		p->nthreads++;
	pthread_sigmask(SIG_SETMASK, &old, NULL);
}

static int th_create(int event_fd, unsigned depth, void **out)
{
	struct pool *p = calloc(1, sizeof(*p));

	(void)depth;
	if (!p)
		return -ENOMEM;
	pthread_mutex_init(&p->lock, NULL);
	pthread_cond_init(&p->wake, NULL);
	pthread_cond_init(&p->over, NULL);
	p->todo.end = &p->todo.head;
	p->done.end = &p->done.head;
	p->event_fd = event_fd;
	*out = p;
	return 0;
}

static int th_start(void *engine, struct block_io *io)
{
	struct pool *p = engine;
	int rc = 0;

	pthread_mutex_lock(&p->lock);
	if (p->queued >= p->idle && p->nthreads < THREADS)
		add_thread(p);
	if (p->nthreads) {
		put(&p->todo, io);
		p->queued++;
		pthread_cond_signal(&p->wake);
	} else {
		rc = -EAGAIN; /* no thread can be made now; asked again */
	}
	pthread_mutex_unlock(&p->lock);
	return rc;
}

static void th_submit(void *engine)
{
	(void)engine; /* they began when they were started */
}

static struct block_io *th_reap(void *engine)
{
	struct pool *p = engine;
	struct block_io *io;

	pthread_mutex_lock(&p->lock);
	io = take(&p->done);
	pthread_mutex_unlock(&p->lock);
	return io;
}

static void th_wait(void *engine)
{
	struct pool *p = engine;

	pthread_mutex_lock(&p->lock);
	while (!p->done.head)
		pthread_cond_wait(&p->over, &p->lock);
	pthread_mutex_unlock(&p->lock);
}

static void th_destroy(void *engine)
{
	struct pool *p = engine;

	pthread_mutex_lock(&p->lock);
	p->ending = true;
	pthread_cond_broadcast(&p->wake);
	pthread_mutex_unlock(&p->lock);
	for (unsigned i = 0; i < p->nthreads; i++)
		pthread_join(p->thread[i], NULL);
	pthread_mutex_destroy(&p->lock);
	pthread_cond_destroy(&p->wake);
	pthread_cond_destroy(&p->over);
	free(p);
}

const struct block_engine_ops block_threads = {
	.name = "threads",
	.create = th_create,
	.start = th_start,
	.submit = th_submit,
	.reap = th_reap,
	.wait = th_wait,
	.destroy = th_destroy,
};
