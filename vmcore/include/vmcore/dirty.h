/*
 * dirty.h - which pages were written: one harvest, many views.
 *
 * KVM's get clears, so one place in the library harvests and ORs the bits (and those of device
 * writes) into each open view's own bitmap. Tracking is on while a view is open, and costs the
 * guest a fault on each page's first write. Owner thread only, but for vmc_dirty_is_enabled().
 */
#ifndef VMCORE_DIRTY_H
#define VMCORE_DIRTY_H
#include <vmcore/vm.h>
#ifdef __cplusplus
extern "C" {
#endif

struct vmc_dirty_view;

/** vmc_dirty_enable()/disable() - the default view, for callers that need only one. Idempotent. */
VMC_API int vmc_dirty_enable(struct vmc_vm *vm);
VMC_API int vmc_dirty_disable(struct vmc_vm *vm);
VMC_API bool vmc_dirty_is_enabled(const struct vmc_vm *vm); /* any view open */

/** vmc_dirty_open() - a consumer of its own; it starts clean. The first one switches the log on. */
VMC_API int vmc_dirty_open(struct vmc_vm *vm, const char *name, struct vmc_dirty_view **out);
/** vmc_dirty_close() - the last one switches the log off. NULL is fine. */
VMC_API void vmc_dirty_close(struct vmc_dirty_view *view);

/** One call a region: @bits has one bit a 4 KiB page, bit 0 of word 0 is @gpa. */
typedef void vmc_dirty_fn(void *arg, uint64_t gpa, uint64_t pages, const uint64_t *bits);

/**
 * vmc_dirty_take() - harvest, hand each region's bits to @fn, and clear them in this view.
 * @view: NULL for the default view.
 * Return: pages set in all regions; -EINVAL when tracking is off, -EIO when KVM refuses.
 */
VMC_API int64_t vmc_dirty_take(struct vmc_vm *vm, struct vmc_dirty_view *view, vmc_dirty_fn *fn,
	void *arg);

struct vmc_dirty_stats {
	uint64_t harvests;   /* since the log went on */
	uint64_t harvest_us; /* the last one's cost */
	uint64_t protect_us; /* of it, CPU time of KVM for write-protecting what it found: grows with what the guest will pay */
	uint64_t pages;	     /* found by the last one */
	bool ring, manual;   /* how: dirty ring; manual protect */
};
VMC_API void vmc_dirty_stats(const struct vmc_vm *vm, struct vmc_dirty_stats *out);

#ifdef __cplusplus
}
#endif
#endif
