/*
 * device.h - the devices a VM knows of, whatever they are: what the engine needs to list, quiet,
 * reset, save and restore them. The models live elsewhere (devices/).
 */
#ifndef VMCORE_DEVICE_H
#define VMCORE_DEVICE_H
#include <vmcore/vm.h>
#include <vmcore/state.h>
#ifdef __cplusplus
extern "C" {
#endif

#define VMC_DEVICE_QUEUES 8

struct vmc_device_info {
	char id[32];	/* "console0" */
	char model[32]; /* "virtio-console", "8250" */
	uint32_t virtio_type;	   /* virtio 1.2 §5 device type, 0: not a virtio device */
	uint64_t features_offered, features_negotiated;
	uint8_t status;		   /* virtio 1.2 §2.1 device status */
	uint32_t nqueues;
	struct {
		bool ready;
		uint16_t size, avail_idx, used_idx;
		uint64_t desc, avail, used; /* gpa */
		uint64_t kicks, interrupts;
	} queues[VMC_DEVICE_QUEUES];
	uint64_t addr, addr_len; /* where it answers: MMIO (PCI BAR) or port */
	bool pio;
	char where[16]; /* "pci 00:01.0", "isa" */
	int32_t irq;	/* GSI, -1: MSI only */
	bool broken;	/* the guest broke its rules; reset mends it */
	char note[96];	/* why it is broken, or a line of its own */
};

struct vmc_device_ops {
	const char *model;
	uint32_t version; /* of the saved state */
	void (*describe)(void *dev, struct vmc_device_info *info); /* required */
	void (*reset)(void *dev);
	void (*quiesce)(void *dev); /* no guest memory write, no interrupt until resume */
	void (*resume)(void *dev);
	void (*save)(void *dev, struct vmc_out *out); /* while quiet */
	/* @version: of the data. Check everything before changing anything; -errno through vmc_in_fail(). */
	int (*load)(void *dev, struct vmc_in *in, uint32_t version);
	void (*destroy)(void *dev); /* from vmc_vm_free() */
};

/** vmc_device_add() - all callbacks are made on the owner thread under the device lock. Owner. */
VMC_API int vmc_device_add(struct vmc_vm *vm, const char *id, const struct vmc_device_ops *ops,
	void *dev);
/** vmc_device_list() - copy up to @max descriptions. Owner. Return: how many there are. */
VMC_API size_t vmc_device_list(struct vmc_vm *vm, struct vmc_device_info *out, size_t max);
/* The reference interface's names for the same things. */
VMC_API int vmc_add_virtio_device(struct vmc_vm *vm, const char *id, const struct vmc_device_ops *ops,
	void *dev);
VMC_API size_t vmc_virtio_devices(struct vmc_vm *vm, struct vmc_device_info *out, size_t max);

#ifdef __cplusplus
}
#endif
#endif
