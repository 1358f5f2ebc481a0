/*
 * vhost.c - see vhost.h. The only file that knows linux/vhost.h.
 *
 * Spec: include/uapi/linux/vhost.h (Linux 6.1): VHOST_* and VHOST_VSOCK_*. Addresses of rings are addresses in this
 * process, those in descriptors are the guest's, looked up in the table of VHOST_SET_MEM_TABLE. Threads: see vhost.h.
 */
#include "devices/vhost.h"
#include "devices/virtio.h"
#include "devices/relay.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/vhost.h>
#include <linux/virtio_vsock.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { REGIONS = 64 }; /* as many as the kernel takes, unless told otherwise (max_mem_regions) */

struct vhost {
	struct vmc_vm *vm;
	int fd; /* -1: given up */
	int (*ioctl)(int fd, unsigned long request, void *arg);
	uint64_t features; /* offered */
};

const unsigned long vhost_requests[] = {
	VHOST_SET_FEATURES,
	VHOST_SET_MEM_TABLE,
	VHOST_SET_VRING_BASE,
	VHOST_VSOCK_SET_RUNNING,
};
const size_t vhost_nrequests = sizeof(vhost_requests) / sizeof(vhost_requests[0]);

static int kernel_ioctl(int fd, unsigned long request, void *arg)
{
	return ioctl(fd, request, arg);
}

static int call(struct vhost *h, unsigned long request, void *arg)
{
	return h->ioctl(h->fd, request, arg) < 0 ? -errno : 0;
}

static int failed(struct vhost *h, int rc, const char *what)
{
	return vmc_fail(h->vm, rc, "vhost-vsock: %s: %s", what, strerror(-rc));
}

/* Why there is none, and what to do about it. */
static int not_opened(struct vmc_vm *vm, int rc, const char *path)
{
	const char *remedy = "";

	if (rc == -ENOENT || rc == -ENODEV || rc == -ENXIO)
		remedy = "; the host's kernel needs its module: modprobe vhost_vsock";
	else if (rc == -EACCES || rc == -EPERM)
		remedy = "; it belongs to the group kvm: usermod -aG kvm USER, and log in anew";
	return vmc_fail(vm, rc, "cannot open %s: %s%s", path, strerror(-rc), remedy);
}

static int set_cid(struct vhost *h, uint64_t cid)
{
	int rc = call(h, VHOST_VSOCK_SET_GUEST_CID, &cid);

	if (rc == -EADDRINUSE)
		return vmc_fail(h->vm, rc, "vsock: CID %llu is in use: another VM of this host has it; give "
			"this one another (vsock = CID, --vsock CID)", (unsigned long long)cid);
	if (rc < 0)
		return vmc_fail(h->vm, rc, "vsock: the kernel refuses CID %llu: %s", (unsigned long long)cid,
			strerror(-rc));
	return 0;
}

static int set_ring(struct vhost *h, unsigned i, const struct vhost_ring *r)
{
	struct vhost_vring_state num = { i, RELAY_SIZE };
	struct vhost_vring_addr addr = {
		.index = i,
		.desc_user_addr = (uintptr_t)r->relay->desc,
		.avail_user_addr = (uintptr_t)r->relay->avail,
		.used_user_addr = (uintptr_t)r->relay->used,
	};
	struct vhost_vring_file kick = { i, r->kick }, done = { i, r->call }, err = { i, r->err };
	int rc;

	if ((rc = call(h, VHOST_SET_VRING_NUM, &num)) < 0)
		return failed(h, rc, "VHOST_SET_VRING_NUM");
	if ((rc = call(h, VHOST_SET_VRING_ADDR, &addr)) < 0)
		return failed(h, rc, "VHOST_SET_VRING_ADDR");
	if ((rc = call(h, VHOST_SET_VRING_KICK, &kick)) < 0)
		return failed(h, rc, "VHOST_SET_VRING_KICK");
	if ((rc = call(h, VHOST_SET_VRING_CALL, &done)) < 0)
		return failed(h, rc, "VHOST_SET_VRING_CALL");
	if ((rc = call(h, VHOST_SET_VRING_ERR, &err)) < 0)
		return failed(h, rc, "VHOST_SET_VRING_ERR");
	return 0;
}

/* From here on the kernel's worker has this process's memory. */
static int set_up(struct vhost *h, const struct vsock_config *cfg, const struct vhost_ring *rings)
{
	int rc = call(h, VHOST_SET_OWNER, NULL);

	if (rc < 0)
		return failed(h, rc, "VHOST_SET_OWNER");
	rc = call(h, VHOST_GET_FEATURES, &h->features);
	if (rc < 0)
		return failed(h, rc, "VHOST_GET_FEATURES");
	if (!(h->features & VIRTIO_BIT(VIRTIO_F_VERSION_1)))
		return vmc_fail(h->vm, -ENOTSUP, "vhost-vsock: this kernel's knows no virtio 1.0; Linux 4.8 does");
	for (unsigned i = 0; i < VHOST_RINGS && rc == 0; i++)
		rc = set_ring(h, i, &rings[i]);
	return rc < 0 ? rc : set_cid(h, cfg->cid);
}

int vhost_open(struct vmc_vm *vm, const struct vsock_config *cfg, const struct vhost_ring *rings,
	struct vhost **out)
{
	const char *path = cfg->path ? cfg->path : "/dev/vhost-vsock";
	struct vhost *h = calloc(1, sizeof(*h));
	int rc;

	if (!h)
		return vmc_fail(vm, -ENOMEM, "no memory for vhost-vsock");
	h->vm = vm;
	h->ioctl = cfg->ioctl ? cfg->ioctl : kernel_ioctl;
	h->fd = open(path, O_RDWR | O_CLOEXEC);
	rc = h->fd < 0 ? not_opened(vm, -errno, path) : set_up(h, cfg, rings);
	if (rc < 0) {
		vhost_close(h);
		return rc;
	}
	*out = h;
	return 0;
}

/* The CID is free again, and who on the host is connected to it hears of that. */
void vhost_close(struct vhost *h)
{
	if (!h)
		return;
	if (h->fd >= 0)
		close(h->fd);
	free(h);
}

uint64_t vhost_features(const struct vhost *h)
{
	return h->features & VIRTIO_BIT(VIRTIO_VSOCK_F_SEQPACKET);
}

/* Memory that can be written: buffers were checked against it, and a ROM is nobody's buffer. */
static int set_memory(struct vhost *h)
{
	struct vmc_mem_region regions[REGIONS];
	size_t n = vmc_mem_regions(h->vm, regions, REGIONS);
	union { /* the header ends in an array of no size: room for what follows */
		struct vhost_memory table;
		uint8_t room[sizeof(struct vhost_memory) + REGIONS * sizeof(struct vhost_memory_region)];
	} m = { .table.nregions = 0 };

	if (n > REGIONS)
		return -E2BIG;
	for (size_t i = 0; i < n; i++)
		if (!(regions[i].flags & VMC_MEM_READ_ONLY))
			m.table.regions[m.table.nregions++] = (struct vhost_memory_region){
				.guest_phys_addr = regions[i].gpa,
				.memory_size = regions[i].size,
				.userspace_addr = (uintptr_t)regions[i].hva,
			};
	return call(h, VHOST_SET_MEM_TABLE, &m.table);
}

int vhost_start(struct vhost *h, uint64_t features)
{
	uint64_t agreed = VIRTIO_BIT(VIRTIO_F_VERSION_1) | (features & vhost_features(h));
	int rc, on = 1;

	if (h->fd < 0)
		return vmc_fail(h->vm, -EIO, "vhost-vsock: it was given up");
	if ((rc = call(h, VHOST_SET_FEATURES, &agreed)) < 0)
		return failed(h, rc, "VHOST_SET_FEATURES");
	if ((rc = set_memory(h)) < 0)
		return failed(h, rc, "VHOST_SET_MEM_TABLE");
	for (unsigned i = 0; i < VHOST_RINGS; i++) {
		struct vhost_vring_state base = { i, 0 };

		if ((rc = call(h, VHOST_SET_VRING_BASE, &base)) < 0)
			return failed(h, rc, "VHOST_SET_VRING_BASE");
	}
	rc = call(h, VHOST_VSOCK_SET_RUNNING, &on);
	return rc < 0 ? failed(h, rc, "VHOST_VSOCK_SET_RUNNING") : 0;
}

void vhost_stop(struct vhost *h)
{
	int off = 0;

	if (h->fd < 0 || call(h, VHOST_VSOCK_SET_RUNNING, &off) == 0)
		return;
	/* No kernel has been seen to refuse it; but it must stop. */
	close(h->fd);
	h->fd = -1;
}
