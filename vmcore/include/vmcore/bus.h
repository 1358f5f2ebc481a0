/*
 * bus.h - what answers at a port or an MMIO address.
 *
 * Handlers run on the vCPU thread that exited, under the device lock (vm.h); they must not block.
 * An access that hits no region, or straddles a region's end, reads all-ones and is counted.
 */
#ifndef VMCORE_BUS_H
#define VMCORE_BUS_H
#include <vmcore/vm.h>
#ifdef __cplusplus
extern "C" {
#endif

enum vmc_bus { VMC_BUS_PIO, VMC_BUS_MMIO };

struct vmc_bus_ops {
	/* @off from the region's start; @len 1, 2, 4 or 8 (PIO: 1, 2, 4); little-endian bytes */
	void (*read)(void *dev, uint64_t off, void *data, uint32_t len);
	void (*write)(void *dev, uint64_t off, const void *data, uint32_t len);
};

struct vmc_bus_region {
	enum vmc_bus bus;
	uint64_t addr, len;
	char name[40];
	uint64_t reads, writes; /* exits served so far */
};

/** vmc_bus_add() - owner, or a bus handler (the device lock is recursive for this). -EEXIST overlap. */
VMC_API int vmc_bus_add(struct vmc_vm *vm, enum vmc_bus bus, uint64_t addr, uint64_t len,
	const struct vmc_bus_ops *ops, void *dev, const char *name);
VMC_API int vmc_bus_remove(struct vmc_vm *vm, enum vmc_bus bus, uint64_t addr);
/** vmc_bus_regions() - copy up to @max, ascending (PIO first). Any. Return: how many there are. */
VMC_API size_t vmc_bus_regions(struct vmc_vm *vm, struct vmc_bus_region *out, size_t max);
/** vmc_bus_unclaimed() - accesses that nothing answered. */
VMC_API uint64_t vmc_bus_unclaimed(const struct vmc_vm *vm, enum vmc_bus bus);

/**
 * vmc_ioeventfd_add() - a guest write of @len bytes at @addr signals @fd without an exit to user space.
 * @len: 0 (any, MMIO only), 1, 2, 4, 8;  @datamatch: only this value, NULL for any. Any thread.
 */
VMC_API int vmc_ioeventfd_add(struct vmc_vm *vm, enum vmc_bus bus, uint64_t addr, uint32_t len,
	const uint64_t *datamatch, int fd);
VMC_API int vmc_ioeventfd_remove(struct vmc_vm *vm, enum vmc_bus bus, uint64_t addr, uint32_t len,
	const uint64_t *datamatch, int fd);

#ifdef __cplusplus
}
#endif
#endif
