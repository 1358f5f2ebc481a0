/*
 * virtio.h - a virtio device apart from how it is attached (virtio 1.2 §2, §3): status, features,
 * queues, configuration. The transport (virtio_pci.c) sits below, the model (virtio_console.c)
 * above; neither knows the other.
 *
 * Threads: everything with the device lock held; set_status and reset come from vCPU threads, the
 * rest from the main loop.
 */
#ifndef DEVICES_VIRTIO_H
#define DEVICES_VIRTIO_H
#include "devices/virtq.h"

#define VDEV_QUEUES 5

#define VIRTIO_BIT(n) (1ull << (n))

enum { /* §2.1 */
	VIRTIO_ACKNOWLEDGE = 1,
	VIRTIO_DRIVER = 2,
	VIRTIO_DRIVER_OK = 4,
	VIRTIO_FEATURES_OK = 8,
	VIRTIO_NEEDS_RESET = 64,
	VIRTIO_FAILED = 128,
};

enum { /* §6 */
	VIRTIO_F_INDIRECT_DESC = 28,
	VIRTIO_F_EVENT_IDX = 29,
	VIRTIO_F_VERSION_1 = 32,
	VIRTIO_F_RING_RESET = 40,
};

struct vdev;

/* The model's side. */
struct vdev_ops {
	const char *name;   /* "virtio-console" */
	uint32_t virtio_id; /* §5 */
	uint32_t pci_class; /* 24 bits */
	unsigned nqueues;
	uint16_t queue_size; /* of each, at most */
	uint64_t features;   /* of the device type; the transport's and ring's are added */
	uint32_t config_len;
	void (*config_read)(struct vdev *v, void *config); /* fill all of it; NULL without any */
	void (*config_write)(
		struct vdev *v, uint32_t off, const void *data, uint32_t len); /* may be NULL */
	void (*kick)(struct vdev *v, unsigned queue); /* main loop, vdev_live() */
	void (*reset)(struct vdev *v);                /* any thread: touch no stream */
	void (*queue_reset)(struct vdev *v, unsigned queue);
	/* the guest took away the right to touch its memory (vdev_live() is false now); vCPU thread; may be NULL, where
	 * memory is touched in a kick() only */
	void (*dma_off)(struct vdev *v);
	void (*quiesce)(struct vdev *v); /* main loop, before a pause; may be NULL */
	void (*resume)(struct vdev *v); /* main loop, after a pause or a load; may be NULL */
	void (*describe)(
		const struct vdev *v, char *note, size_t size); /* a line for people; may be NULL */
	void (*save)(struct vdev *v, struct vmc_out *out);
	/* check, read everything, change nothing on failure; must end with vmc_in_end() */
	int (*load)(struct vdev *v, struct vmc_in *in);
	void (*detach)(struct vdev *v); /* leave the event loop for good; may be NULL */
	void (*destroy)(struct vdev *v);
};

/* The transport's side. */
struct vdev_transport_ops {
	void (*interrupt)(struct vdev *v, unsigned queue);
	void (*config_interrupt)(struct vdev *v);
	void (*requeue)(struct vdev *v, unsigned queue); /* kick() again soon, from the main loop */
	bool (*dma_ok)(const struct vdev *v);            /* may the device touch memory now? */
};

struct vdev {
	const struct vdev_ops *ops;
	const struct vdev_transport_ops *transport;
	void *transport_data;
	struct vmc_vm *vm;
	uint64_t offered, features; /* negotiated: what the driver wrote, valid from FEATURES_OK */
	uint8_t status;
	uint8_t generation;  /* of the configuration, §2.5 */
	bool quiet;          /* paused: touch nothing of the guest's */
	bool config_pending; /* changed while quiet: tell after resume */
	char note[96];       /* why it needs a reset */
	struct virtq vq[VDEV_QUEUES];
};

void vdev_init(struct vdev *v, const struct vdev_ops *ops, struct vmc_vm *vm);
/** vdev_reset() - §2.4; by the guest (status 0) or with the machine. */
void vdev_reset(struct vdev *v);
/** vdev_set_status() - the driver writes the status register. Return: true when it means DRIVER_OK
 * just now. */
bool vdev_set_status(struct vdev *v, uint8_t status);
/** vdev_enable_queue() - the driver says that queue @i is set up. */
void vdev_enable_queue(struct vdev *v, unsigned i);
void vdev_reset_queue(struct vdev *v, unsigned i);
/** vdev_live() - may the device use queue @i: DRIVER_OK, whole, not paused, allowed to DMA, and the
 * queue is ready? */
bool vdev_live(const struct vdev *v, unsigned i);
/** vdev_break() - DEVICE_NEEDS_RESET (§2.1.2); the first reason is kept. */
void vdev_break(struct vdev *v, const char *fmt, ...) VMC_PRINTF(2, 3);
/** vdev_config_changed() - new generation, and the driver is told (after resume when paused). */
void vdev_config_changed(struct vdev *v);
/** vdev_used() - after pushes: interrupt the driver if it wants to know. */
void vdev_used(struct vdev *v, unsigned i);
/** vdev_resume() - after a pause or load: look at every queue again, tell what could not be told.
 */
void vdev_resume(struct vdev *v);
void vdev_describe(const struct vdev *v, struct vmc_device_info *info);
void vdev_save(const struct vdev *v, struct vmc_out *out);
/** vdev_load() - into @to, a copy of @v that is to replace it; @v itself stays as it is. */
int vdev_load(const struct vdev *v, struct vdev *to, struct vmc_in *in);

#endif
