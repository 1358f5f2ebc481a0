/*
 * mem.h - guest physical memory: regions (memslots), bounds-checked access.
 *
 * Regions are page-aligned and never overlap. More than one is the normal case. Host and device
 * writes go through vmc_mem_write() or are told with vmc_mem_mark_dirty(): KVM does not log them.
 */
#ifndef VMCORE_MEM_H
#define VMCORE_MEM_H
#include <vmcore/vm.h>
#ifdef __cplusplus
extern "C" {
#endif

enum {
	VMC_MEM_READ_ONLY = 1 << 0, /* guest writes are MMIO exits; vmc_mem_write() refuses; the host may still fill it */
	VMC_MEM_OWNED	  = 1 << 1, /* the library munmap()s it on removal */
	VMC_MEM_RAM	  = 1 << 2, /* the guest's RAM: goes into memory dumps and snapshots */
};

struct vmc_mem_region {
	uint32_t slot;
	uint64_t gpa, size; /* bytes */
	void *hva;
	uint32_t flags;
	char name[32];
};

/**
 * vmc_mem_add() - make host memory visible to the guest (KVM_SET_USER_MEMORY_REGION).
 * @gpa, @size: bytes, multiples of 4 KiB, size > 0, no wrap-around;  @hva: page-aligned
 * Works while running. Owner. Return: the slot (>= 0); -EINVAL alignment or wrap, -EEXIST overlap
 * (the message names the other region), -ENOSPC no slot left, -EFAULT hva NULL.
 */
VMC_API int vmc_mem_add(struct vmc_vm *vm, uint64_t gpa, void *hva, uint64_t size, uint32_t flags,
	const char *name);
/** vmc_mem_remove() - take a region away, while running too. Owner. -ENOENT: no such slot. */
VMC_API int vmc_mem_remove(struct vmc_vm *vm, uint32_t slot);
/** vmc_mem_regions() - copy up to @max regions, ascending gpa. Any. Return: how many there are. */
VMC_API size_t vmc_mem_regions(const struct vmc_vm *vm, struct vmc_mem_region *out, size_t max);
/** vmc_mem_size() - bytes of RAM (regions with VMC_MEM_RAM). */
VMC_API uint64_t vmc_mem_size(const struct vmc_vm *vm);

/** vmc_mem_read() / vmc_mem_write() - copy, across adjacent regions too. Any thread.
 * All or nothing: -EFAULT (nothing copied) when any byte is not memory; write: -EROFS if read-only. */
VMC_API int vmc_mem_read(const struct vmc_vm *vm, uint64_t gpa, void *buf, size_t len);
VMC_API int vmc_mem_write(struct vmc_vm *vm, uint64_t gpa, const void *buf, size_t len);
/**
 * vmc_mem_ptr() - host address of [gpa, gpa + len), which must lie in one region.
 * @writable: also require that the region is not read-only. NULL when it does not fit. The guest
 * changes what is there at any time: copy once, check, use. Valid until the region is removed.
 * After writing through it call vmc_mem_mark_dirty(). Any thread.
 */
VMC_API void *vmc_mem_ptr(const struct vmc_vm *vm, uint64_t gpa, uint64_t len, bool writable);
/**
 * vmc_mem_ptr_near() - the same for many addresses one after another, most of them in one region: it is looked up only
 * when @w (at first all zero) is of another. @w is for one call of a handler on the owner's thread, which alone removes
 * regions; it may not be kept.
 */
struct vmc_mem_window {
	uint64_t gpa, size; /* the region, size 0: none yet */
	uint8_t *hva;
	bool writable;
};
VMC_API bool vmc_mem_window_at(const struct vmc_vm *vm, struct vmc_mem_window *w, uint64_t gpa);
static inline void *vmc_mem_ptr_near(
	const struct vmc_vm *vm, struct vmc_mem_window *w, uint64_t gpa, uint64_t len, bool writable)
{
	if (gpa - w->gpa >= w->size && !vmc_mem_window_at(vm, w, gpa))
		return NULL;
	return len <= w->size - (gpa - w->gpa) && (w->writable || !writable) ? w->hva + (gpa - w->gpa) : NULL;
}
VMC_API void vmc_mem_mark_dirty(struct vmc_vm *vm, uint64_t gpa, uint64_t len);
/**
 * vmc_mem_discard() - give pages of RAM back to the host, for a guest that has said that it does not need what is
 * in them (balloon, free page reporting). The next access finds a new page.
 * @gpa, @len: multiples of 4 KiB; may cover several regions, all of them RAM that can be written
 * What is in the pages afterwards is not defined, as the guest agreed to: zeros, or, in RAM that was mapped from a
 * dump (vmc_mem_map_file()), what that file holds there. They count as written in every dirty view, and a
 * dump stores what the guest would read.
 * Any thread, while running too. All or nothing is checked before: -EINVAL alignment or wrap, -EFAULT not all RAM,
 * -EROFS read-only; -errno of madvise() with a part of it done.
 */
VMC_API int vmc_mem_discard(struct vmc_vm *vm, uint64_t gpa, uint64_t len);
/** vmc_mem_resident() - bytes of [gpa, gpa+len) that the host holds in memory now (mincore). */
VMC_API int64_t vmc_mem_resident(const struct vmc_vm *vm, uint64_t gpa, uint64_t len);

/** Called now and then by long work; return non-zero to cancel (-ECANCELED). */
typedef int vmc_progress_fn(void *arg, uint64_t done, uint64_t total);

/**
 * vmc_mem_dump() - write all RAM to @fd, sparse, region after region in gpa order (offset 0 is the
 * first RAM byte). Pages never touched or all zero become holes. @progress may be NULL. Any thread
 * while paused; the caller fsyncs.
 */
VMC_API int vmc_mem_dump(struct vmc_vm *vm, int fd, vmc_progress_fn *progress, void *arg);
/**
 * vmc_mem_map_file() - replace all RAM by MAP_PRIVATE mappings of @fd (a vmc_mem_dump() of the same
 * layout), so that the guest can run at once. Checks the file's size. Owner, VM not running.
 * All or nothing. Marks all pages dirty in every open dirty view.
 */
VMC_API int vmc_mem_map_file(struct vmc_vm *vm, int fd);

#ifdef __cplusplus
}
#endif
#endif
