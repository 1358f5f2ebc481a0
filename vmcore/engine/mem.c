/*
 * mem.c - guest physical memory: regions (memslots) and bounds-checked access.
 * Regions change on the owner thread under the memory lock (write); everyone reads under it.
 */
#include "vmcore/engine/internal.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define LARGE_PAGE (2ull << 20)

/* Where a region that holds @gpa is, or where one that begins there would go. */
static size_t position(const struct vmc_vm *vm, uint64_t gpa)
{
	size_t low = 0, high = vm->nregions;

	while (low < high) {
		size_t mid = low + (high - low) / 2;
		const struct vmc_mem_region *m = &vm->regions[mid]->pub;

		if (m->gpa + (m->size - 1) < gpa)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

struct region *mem_find_locked(const struct vmc_vm *vm, uint64_t gpa)
{
	size_t i = position(vm, gpa);

	if (i < vm->nregions && vm->regions[i]->pub.gpa <= gpa)
		return vm->regions[i];
	return NULL;
}

int mem_slot_flags(struct vmc_vm *vm, struct region *r, bool log)
{
	bool ro = r->pub.flags & VMC_MEM_READ_ONLY;
	struct kvm_userspace_memory_region slot = {
		.slot = r->pub.slot,
		.guest_phys_addr = r->pub.gpa,
		.memory_size = r->pub.size,
		.userspace_addr = (uintptr_t)r->pub.hva,
		/* A read-only region has nothing to log, and must stay read-only whatever else changes. */
		.flags = ro ? KVM_MEM_READONLY : log ? KVM_MEM_LOG_DIRTY_PAGES : 0,
	};
	int rc = kvm_call(vm->fd, KVM_SET_USER_MEMORY_REGION, &slot);

	if (rc == 0)
		r->logged = !ro && log;
	return rc;
}

static int check_new(struct vmc_vm *vm, uint64_t gpa, const void *hva, uint64_t size)
{
	const struct vmc_mem_region *other;
	size_t i;

	if (!hva)
		return vmc_fail(vm, -EFAULT, "region at %#" PRIx64 ": no host memory given", gpa);
	if (!size || (gpa | size | (uintptr_t)hva) % VMC_PAGE_SIZE)
		return vmc_fail(vm, -EINVAL,
			"region at %#" PRIx64 ", %#" PRIx64 " bytes, host %p: address, size (not 0) and "
			"host address must be multiples of 4 KiB", gpa, size, hva);
	if (gpa + size < gpa || (uintptr_t)hva + size < (uintptr_t)hva || gpa + size > 1ull << 52)
		return vmc_fail(vm, -EINVAL,
			"region at %#" PRIx64 ", %#" PRIx64 " bytes: it runs past the end of the address space",
			gpa, size);
	i = position(vm, gpa);
	if (i == vm->nregions || vm->regions[i]->pub.gpa >= gpa + size)
		return 0;
	other = &vm->regions[i]->pub;
	return vmc_fail(vm, -EEXIST,
		"region at %#" PRIx64 ", %#" PRIx64 " bytes: overlaps \"%s\" (slot %u, %#" PRIx64 "..%#" PRIx64
		")", gpa, size, other->name, other->slot, other->gpa, other->gpa + other->size);
}

static int free_slot(const struct vmc_vm *vm)
{
	for (uint32_t i = 0; i < vm->max_slots; i++)
		if (!vm->slot_used[i])
			return (int)i;
	return -1;
}

static void insert_locked(struct vmc_vm *vm, struct region *r)
{
	size_t i = position(vm, r->pub.gpa);

	memmove(&vm->regions[i + 1], &vm->regions[i], (vm->nregions - i) * sizeof(vm->regions[0]));
	vm->regions[i] = r;
	vm->nregions++;
}

int vmc_mem_add(struct vmc_vm *vm, uint64_t gpa, void *hva, uint64_t size, uint32_t flags,
	const char *name)
{
	struct region *r;
	int rc = check_new(vm, gpa, hva, size), slot;

	if (rc < 0)
		return rc;
	slot = free_slot(vm);
	if (slot < 0)
		return vmc_fail(vm, -ENOSPC, "region at %#" PRIx64 ": all %u memory slots are taken", gpa,
			vm->max_slots);
	r = calloc(1, sizeof(*r));
	if (!r)
		return vmc_fail(vm, -ENOMEM, "region at %#" PRIx64 ": out of memory", gpa);
	r->pub = (struct vmc_mem_region){ .slot = (uint32_t)slot, .gpa = gpa, .size = size, .hva = hva,
		.flags = flags };
	snprintf(r->pub.name, sizeof(r->pub.name), "%s", name ? name : "");
	r->pages = size / VMC_PAGE_SIZE;
	r->file = -1;
	rc = dirty_region_added(vm, r);
	if (rc < 0)
		goto err_free;
	rc = mem_slot_flags(vm, r, atomic_load(&vm->tracking));
	if (rc < 0) {
		fail_kvm(vm, rc, "KVM_SET_USER_MEMORY_REGION (add)");
		dirty_region_removed(vm, r);
		goto err_free;
	}
	pthread_rwlock_wrlock(&vm->mem_lock);
	insert_locked(vm, r);
	vm->slot_used[slot] = true;
	pthread_rwlock_unlock(&vm->mem_lock);
	return slot;

err_free:
	free(r);
	return rc;
}

static void region_free(struct vmc_vm *vm, struct region *r)
{
	dirty_region_removed(vm, r);
	if (r->file >= 0)
		close(r->file);
	if (r->pub.flags & VMC_MEM_OWNED)
		munmap(r->pub.hva, r->pub.size);
	free(r);
}

int vmc_mem_remove(struct vmc_vm *vm, uint32_t slot)
{
	struct kvm_userspace_memory_region gone = { .slot = slot };
	struct region *r;
	size_t i;
	int rc;

	for (i = 0; i < vm->nregions && vm->regions[i]->pub.slot != slot; i++)
		;
	if (i == vm->nregions)
		return vmc_fail(vm, -ENOENT, "there is no memory region in slot %u", slot);
	r = vm->regions[i];
	pthread_rwlock_wrlock(&vm->mem_lock);
	rc = kvm_call(vm->fd, KVM_SET_USER_MEMORY_REGION, &gone);
	if (rc == 0) {
		vm->nregions--;
		memmove(&vm->regions[i], &vm->regions[i + 1],
			(vm->nregions - i) * sizeof(vm->regions[0]));
		vm->slot_used[slot] = false;
	}
	pthread_rwlock_unlock(&vm->mem_lock);
	if (rc < 0)
		return fail_kvm(vm, rc, "KVM_SET_USER_MEMORY_REGION (remove)");
	region_free(vm, r);
	return 0;
}

void mem_free(struct vmc_vm *vm)
{
	for (size_t i = 0; i < vm->nregions; i++)
		region_free(vm, vm->regions[i]);
	vm->nregions = 0;
}

/* KVM maps a large page only where guest and host address agree below its size: without that, each 4 KiB
 * page of the guest is a fault of its own. More is mapped than asked for, and what is over given back. */
static void *map_ram(uint64_t size)
{
	uint8_t *at = mmap(NULL, size + LARGE_PAGE, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	uint64_t skip;

	if (at == MAP_FAILED)
		return MAP_FAILED;
	skip = -(uintptr_t)at % LARGE_PAGE;
	if (skip)
		munmap(at, skip);
	munmap(at + skip + size, LARGE_PAGE - skip);
	return at + skip;
}

static int add_part(struct vmc_vm *vm, uint64_t gpa, uint64_t size, const char *name)
{
	void *hva = map_ram(size);
	int rc;

	if (hva == MAP_FAILED)
		return vmc_fail(vm, -ENOMEM, "no address space for %" PRIu64 " MiB of RAM", size >> 20);
	/* Advice only: a kernel without huge pages, or one that forks, runs all the same. */
	(void)madvise(hva, size, MADV_HUGEPAGE);
	(void)madvise(hva, size, MADV_DONTFORK);
	rc = vmc_mem_add(vm, gpa, hva, size, VMC_MEM_OWNED | VMC_MEM_RAM, name);
	if (rc < 0)
		munmap(hva, size);
	return rc < 0 ? rc : 0;
}

int mem_add_ram(struct vmc_vm *vm)
{
	uint64_t low = vm->cfg.ram_bytes, high = 0;
	int rc = 0;

	if (low > VMC_HOLE_START) {
		high = low - VMC_HOLE_START;
		low = VMC_HOLE_START;
	}
	if (low)
		rc = add_part(vm, 0, low, "ram");
	if (rc == 0 && high)
		rc = add_part(vm, VMC_HOLE_END, high, "ram above 4 GiB");
	return rc;
}

size_t vmc_mem_regions(const struct vmc_vm *cvm, struct vmc_mem_region *out, size_t max)
{
	struct vmc_vm *vm = (struct vmc_vm *)cvm;
	size_t n;

	pthread_rwlock_rdlock(&vm->mem_lock);
	n = vm->nregions;
	for (size_t i = 0; i < n && i < max; i++)
		out[i] = vm->regions[i]->pub;
	pthread_rwlock_unlock(&vm->mem_lock);
	return n;
}

uint64_t vmc_mem_size(const struct vmc_vm *cvm)
{
	struct vmc_vm *vm = (struct vmc_vm *)cvm;
	uint64_t sum = 0;

	pthread_rwlock_rdlock(&vm->mem_lock);
	for (size_t i = 0; i < vm->nregions; i++)
		if (vm->regions[i]->pub.flags & VMC_MEM_RAM)
			sum += vm->regions[i]->pub.size;
	pthread_rwlock_unlock(&vm->mem_lock);
	return sum;
}

/* All of [gpa, gpa + len) is memory (and writable): 0, -EFAULT, -EROFS. */
static int check_range(const struct vmc_vm *vm, uint64_t gpa, uint64_t len, bool write)
{
	while (len) {
		const struct region *r = mem_find_locked(vm, gpa);
		uint64_t here;

		if (!r)
			return -EFAULT;
		if (write && (r->pub.flags & VMC_MEM_READ_ONLY))
			return -EROFS;
		here = r->pub.gpa + r->pub.size - gpa;
		if (here >= len)
			break;
		gpa += here;
		len -= here;
	}
	return 0;
}

static int copy(struct vmc_vm *vm, uint64_t gpa, uint8_t *buf, uint64_t len, bool write)
{
	int rc;

	if (gpa + len < gpa)
		return vmc_fail(vm, -EFAULT, "%#" PRIx64 " + %#" PRIx64 " wraps around", gpa, len);
	pthread_rwlock_rdlock(&vm->mem_lock);
	rc = check_range(vm, gpa, len, write);
	for (uint64_t at = gpa, left = len; rc == 0 && left;) {
		struct region *r = mem_find_locked(vm, at);
		uint64_t off = at - r->pub.gpa, n = r->pub.size - off;

		n = n < left ? n : left;
		if (write) {
			memcpy((uint8_t *)r->pub.hva + off, buf, n);
			mem_mark_locked(r, off, n);
		} else {
			memcpy(buf, (uint8_t *)r->pub.hva + off, n);
		}
		at += n;
		buf += n;
		left -= n;
	}
	pthread_rwlock_unlock(&vm->mem_lock);
	if (rc == -EROFS)
		return vmc_fail(vm, rc, "[%#" PRIx64 ", %#" PRIx64 ") is read-only", gpa, gpa + len);
	if (rc < 0)
		return vmc_fail(vm, rc, "[%#" PRIx64 ", %#" PRIx64 ") is not all memory", gpa, gpa + len);
	return 0;
}

int vmc_mem_read(const struct vmc_vm *vm, uint64_t gpa, void *buf, size_t len)
{
	return copy((struct vmc_vm *)vm, gpa, buf, len, false);
}

int vmc_mem_write(struct vmc_vm *vm, uint64_t gpa, const void *buf, size_t len)
{
	return copy(vm, gpa, (uint8_t *)buf, len, true);
}

void *vmc_mem_ptr(const struct vmc_vm *vm, uint64_t gpa, uint64_t len, bool writable)
{
	struct vmc_mem_window w = { .size = 0 };

	return vmc_mem_ptr_near(vm, &w, gpa, len, writable);
}

bool vmc_mem_window_at(const struct vmc_vm *cvm, struct vmc_mem_window *w, uint64_t gpa)
{
	struct vmc_vm *vm = (struct vmc_vm *)cvm;
	const struct region *r;

	*w = (struct vmc_mem_window){ .size = 0 };
	pthread_rwlock_rdlock(&vm->mem_lock);
	r = mem_find_locked(vm, gpa);
	if (r)
		*w = (struct vmc_mem_window){ .gpa = r->pub.gpa, .size = r->pub.size, .hva = r->pub.hva,
			.writable = !(r->pub.flags & VMC_MEM_READ_ONLY) };
	pthread_rwlock_unlock(&vm->mem_lock);
	return r != NULL;
}

void mem_mark_locked(struct region *r, uint64_t offset, uint64_t len)
{
	if (!r->marks || !len)
		return;
	for (uint64_t page = offset >> PAGE_SHIFT; page <= (offset + len - 1) >> PAGE_SHIFT; page++)
		atomic_fetch_or_explicit(&r->marks[page / 64], 1ull << (page % 64),
			memory_order_release);
}

void vmc_mem_mark_dirty(struct vmc_vm *vm, uint64_t gpa, uint64_t len)
{
	/* The write is done by now, so a harvest that misses this mark is followed by one that sees it. */
	if (!atomic_load(&vm->tracking) || gpa + len < gpa)
		return;
	pthread_rwlock_rdlock(&vm->mem_lock);
	while (len) {
		struct region *r = mem_find_locked(vm, gpa);
		uint64_t n;

		if (!r)
			break;
		n = r->pub.size - (gpa - r->pub.gpa);
		n = n < len ? n : len;
		mem_mark_locked(r, gpa - r->pub.gpa, n);
		gpa += n;
		len -= n;
	}
	pthread_rwlock_unlock(&vm->mem_lock);
}

/* Each region's share of [gpa, gpa + len) is forgotten; check_range() has seen that there are regions. */
static int discard_locked(struct vmc_vm *vm, uint64_t gpa, uint64_t len)
{
	while (len) {
		struct region *r = mem_find_locked(vm, gpa);
		uint64_t off = gpa - r->pub.gpa, n = r->pub.size - off;

		n = n < len ? n : len;
		/* Private mappings, of nothing or of a dump: what the guest wrote goes, and its page with it. KVM is told by
		 * its MMU notifier. In a mapped file the page becomes the file's again: putting anonymous memory there instead
		 * would cut the region into thousands of mappings. */
		if (madvise((uint8_t *)r->pub.hva + off, n, MADV_DONTNEED) < 0)
			return -errno;
		/* After it: a harvest that comes in between sees either the old page or this mark. */
		mem_mark_locked(r, off, n);
		gpa += n;
		len -= n;
	}
	return 0;
}

static int check_ram(const struct vmc_vm *vm, uint64_t gpa, uint64_t len)
{
	uint64_t end = gpa + len;
	int rc = check_range(vm, gpa, len, true);

	while (rc == 0 && gpa < end) {
		const struct region *r = mem_find_locked(vm, gpa);

		if (!(r->pub.flags & VMC_MEM_RAM))
			rc = -EFAULT;
		gpa = r->pub.gpa + r->pub.size;
	}
	return rc;
}

int vmc_mem_discard(struct vmc_vm *vm, uint64_t gpa, uint64_t len)
{
	int rc;

	if ((gpa | len) % VMC_PAGE_SIZE || gpa + len < gpa)
		return vmc_fail(vm, -EINVAL, "discard %#" PRIx64 " + %#" PRIx64 ": not whole pages", gpa, len);
	pthread_rwlock_rdlock(&vm->mem_lock);
	rc = check_ram(vm, gpa, len);
	if (rc == 0)
		rc = discard_locked(vm, gpa, len);
	pthread_rwlock_unlock(&vm->mem_lock);
	return rc < 0 ? vmc_fail(vm, rc, "discard [%#" PRIx64 ", %#" PRIx64 "): %s", gpa, gpa + len,
		rc == -EFAULT ? "not all RAM" : strerror(-rc)) : 0;
}
