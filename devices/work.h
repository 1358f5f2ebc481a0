/*
 * work.h - asking the main loop to do something for a device: an eventfd and the function it leads
 * to.
 *
 * A vCPU thread may only kick; the function runs on the main loop with the device lock held. The
 * descriptor may be given to KVM as an ioeventfd: then the guest's own write is the kick.
 */
#ifndef DEVICES_WORK_H
#define DEVICES_WORK_H
#include <vmcore/vm.h>

struct event;
struct event_base;

struct dev_work {
	struct vmc_vm *vm;
	int fd;           /* eventfd, non-blocking */
	struct event *ev; /* NULL: not in the loop (any more) */
	void (*fn)(void *arg);
	void *arg;
};

/** dev_work_init() - owner. Return: 0 or -errno with nothing left behind. */
int dev_work_init(struct dev_work *w, struct vmc_vm *vm, struct event_base *base,
	void (*fn)(void *arg), void *arg);
/** dev_work_kick() - run it soon; many kicks may become one run. Any thread; never blocks. */
void dev_work_kick(struct dev_work *w);
/** dev_work_detach() - out of the event loop, for good; kicks do nothing from now on. Owner. */
void dev_work_detach(struct dev_work *w);
/** dev_work_fini() - detach and close; fine on a zeroed one. */
void dev_work_fini(struct dev_work *w);

#endif
