/*
 * vhost.h - the kernel's end of virtio-vsock, /dev/vhost-vsock: it takes buffers from two rings in our memory and
 * carries what is in them to and from the host's AF_VSOCK sockets, in a thread of its own.
 *
 * The rings are ours and not the guest's (relay.h): a buffer reaches vhost after it was checked here, and
 * comes back through here, so that written pages are marked, which the kernel's log does not do for vsock's data.
 *
 * Threads: device lock held; opened and closed by the owner.
 */
#ifndef DEVICES_VHOST_H
#define DEVICES_VHOST_H
#include <vmcore/vmcore.h>

#define VHOST_RINGS 2 /* 0 to the guest, 1 from it */

struct vhost;
struct relay;

struct vsock_config {
	uint32_t cid; /* the guest's address, 3 or more; 0: no such device */
	/* NULL: /dev/vhost-vsock and the kernel's; tests have another */
	const char *path;
	int (*ioctl)(int fd, unsigned long request, void *arg);
};

/* What vhost is to know of each ring. The eventfds stay the caller's and outlive it. */
struct vhost_ring {
	const struct relay *relay;
	int kick; /* there are new buffers */
	int call; /* buffers are back */
	int err;  /* vhost cannot go on with this ring */
};

/** vhost_open() - take the CID and hand over the rings; not running. Return: 0, or -errno with a message that says
 * what to do. */
int vhost_open(struct vmc_vm *vm, const struct vsock_config *cfg, const struct vhost_ring *rings,
	struct vhost **out);
void vhost_close(struct vhost *h);
/** vhost_features() - what it offers beyond what every device has. */
uint64_t vhost_features(const struct vhost *h);
/** vhost_start() - with the rings as relay_clear() leaves them, or with buffers in them; guest memory is told anew,
 * so it may have changed while it stood. The kick descriptors must be written after that. */
int vhost_start(struct vhost *h, uint64_t features);
/** vhost_stop() - when it returns, vhost touches neither rings nor guest memory. */
void vhost_stop(struct vhost *h);

/* What vhost_start() and vhost_stop() ask the kernel, for a filter of system calls. */
extern const unsigned long vhost_requests[];
extern const size_t vhost_nrequests;

#endif
