/*
 * work.c - kicks from vCPU threads (or from KVM's ioeventfds) to the main loop.
 *
 * Threads: work_run() on the main loop; dev_work_kick() anywhere.
 */
#include "devices/work.h"

#include <errno.h>
#include <event2/event.h>
#include <sys/eventfd.h>
#include <unistd.h>

static void work_run(evutil_socket_t fd, short what, void *arg)
{
	struct dev_work *w = arg;
	uint64_t kicks;

	(void)what;
	/* Empty the counter first: a kick that comes while we work must lead to another run. */
	if (read(fd, &kicks, sizeof(kicks)) != (ssize_t)sizeof(kicks))
		return;
	vmc_device_lock(w->vm);
	w->fn(w->arg);
	vmc_device_unlock(w->vm);
}

int dev_work_init(struct dev_work *w, struct vmc_vm *vm, struct event_base *base,
	void (*fn)(void *arg), void *arg)
{
	*w = (struct dev_work){ .vm = vm, .fn = fn, .arg = arg, .fd = -1 };
	w->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (w->fd < 0)
		return -errno;
	w->ev = event_new(base, w->fd, EV_READ | EV_PERSIST, work_run, w);
	if (w->ev && event_add(w->ev, NULL) == 0)
		return 0;
	dev_work_fini(w);
	return -ENOMEM;
}

void dev_work_kick(struct dev_work *w)
{
	const uint64_t one = 1;
	ssize_t n = write(w->fd, &one, sizeof(one));

	/* EAGAIN: 2^64 - 2 kicks are waiting, so it will run anyway. */
	(void)n;
}

void dev_work_detach(struct dev_work *w)
{
	if (w->ev)
		event_free(w->ev);
	w->ev = NULL;
}

void dev_work_fini(struct dev_work *w)
{
	if (!w->vm)
		return;
	dev_work_detach(w);
	if (w->fd >= 0)
		close(w->fd);
	w->vm = NULL;
	w->fd = -1;
}
