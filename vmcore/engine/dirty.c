/*
 * dirty.c - which pages were written: one harvest, many views.
 *
 * Guest writes come from KVM: from its bitmap (with manual protect where offered: getting does not
 * clear, clearing is asked for and can be done in chunks), or from the per-vCPU dirty ring. Host and device
 * writes are marks of our own, for KVM does not see them. A harvest merges both into each view's bitmap.
 *
 * Owner thread; marks are atomic and made by any thread; the ring is collected under the ring lock, for a
 * vCPU whose ring is full does it itself.
 */
#include "vmcore/engine/internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Pages that one KVM_CLEAR_DIRTY_LOG covers: it holds the MMU lock, vCPUs wait meanwhile. */
#define CLEAR_CHUNK 16384u

static uint64_t words(const struct region *r)
{
	return (r->pages + 63) / 64;
}

static uint64_t clock_us(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

static uint64_t now_us(void)
{
	return clock_us(CLOCK_MONOTONIC);
}

int dirty_init(struct vmc_vm *vm)
{
	uint32_t entries = vm->cfg.dirty_ring_entries;
	struct kvm_enable_cap cap = { 0 };
	int rc, offered;

	if (!entries) {
		offered = kvm_cap(vm->fd, KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2);
		cap.cap = KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2;
		cap.args[0] = (uint64_t)offered &
			(KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE | KVM_DIRTY_LOG_INITIALLY_SET);
		vm->manual_protect = cap.args[0] & KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE &&
			kvm_call(vm->fd, KVM_ENABLE_CAP, &cap) == 0;
		return 0;
	}
	/* Never INITIALLY_SET with the ring: pages that start as set would never enter it. */
	cap.cap = KVM_CAP_DIRTY_LOG_RING;
	offered = kvm_cap(vm->fd, KVM_CAP_DIRTY_LOG_RING);
	cap.args[0] = entries * sizeof(struct kvm_dirty_gfn);
	if (offered <= 0 || cap.args[0] > (uint64_t)offered)
		return vmc_fail(vm, -ENOTSUP, "dirty ring of %u entries: this KVM offers %zu at most", entries,
			(size_t)(offered > 0 ? offered : 0) / sizeof(struct kvm_dirty_gfn));
	rc = kvm_call(vm->fd, KVM_ENABLE_CAP, &cap);
	return rc < 0 ? fail_kvm(vm, rc, "KVM_CAP_DIRTY_LOG_RING") : 0;
}

static void mark_page(struct vmc_vm *vm, uint32_t slot, uint64_t page)
{
	for (size_t i = 0; i < vm->nregions; i++) {
		struct region *r = vm->regions[i];

		if (r->pub.slot == slot && r->marks && page < r->pages)
			atomic_fetch_or(&r->marks[page / 64], 1ull << (page % 64));
	}
}

static bool ring_dirty(const struct kvm_dirty_gfn *e)
{
	return __atomic_load_n(&e->flags, __ATOMIC_ACQUIRE) & KVM_DIRTY_GFN_F_DIRTY;
}

static void ring_reset(struct kvm_dirty_gfn *e)
{
	__atomic_store_n(&e->flags, KVM_DIRTY_GFN_F_RESET, __ATOMIC_RELEASE);
}

/*
 * KVM fills the ring in order, so behind the next entry none can be filled unless that one is: if one is,
 * KVM has run over the ring's end (it keeps a reserve that a software KVM can exceed) and some entries
 * were overwritten. The gap is given back, or KVM would call the ring full for ever.
 */
static bool skip_gap(struct vmc_vcpu *vcpu, uint32_t mask)
{
	for (uint32_t i = 1; i <= mask; i++) {
		if (!ring_dirty(&vcpu->ring[(vcpu->ring_next + i) & mask]))
			continue;
		if (ring_dirty(&vcpu->ring[vcpu->ring_next & mask]))
			return false; /* filled meanwhile, in order */
		for (uint32_t k = 0; k < i; k++)
			ring_reset(&vcpu->ring[vcpu->ring_next++ & mask]);
		return true;
	}
	return false;
}

/* Ring protocol: API.rst "KVM_CAP_DIRTY_LOG_RING". */
static uint32_t collect_vcpu(struct vmc_vm *vm, struct vmc_vcpu *vcpu, bool *lost)
{
	uint32_t mask = vm->cfg.dirty_ring_entries - 1, n;

	for (n = 0; n <= mask; n++) {
		struct kvm_dirty_gfn *e = &vcpu->ring[vcpu->ring_next & mask];

		if (!ring_dirty(e)) {
			if (!skip_gap(vcpu, mask))
				return n;
			*lost = true;
			continue;
		}
		mark_page(vm, e->slot & 0xffff, e->offset);
		ring_reset(e);
		vcpu->ring_next++;
	}
	*lost = true; /* no reserve left: more may have come than there was room for */
	return n;
}

void dirty_collect_ring(struct vmc_vm *vm)
{
	bool lost = false;
	uint32_t n = 0;

	pthread_rwlock_rdlock(&vm->mem_lock);
	pthread_mutex_lock(&vm->ring_lock);
	for (uint32_t i = 0; i < VMC_MAX_VCPUS; i++)
		if (vm->vcpus[i] && vm->vcpus[i]->ring)
			n += collect_vcpu(vm, vm->vcpus[i], &lost);
	if (n)
		kvm_call_n(vm->fd, KVM_RESET_DIRTY_RINGS, 0);
	pthread_mutex_unlock(&vm->ring_lock);
	/* Nobody knows which pages those were: all of them may have been written. */
	for (size_t i = 0; lost && i < vm->nregions; i++)
		if (!(vm->regions[i]->pub.flags & VMC_MEM_READ_ONLY))
			mem_mark_locked(vm->regions[i], 0, vm->regions[i]->pub.size);
	pthread_rwlock_unlock(&vm->mem_lock);
}

static int get_log(struct vmc_vm *vm, struct region *r)
{
	struct kvm_dirty_log log = { .slot = r->pub.slot, .dirty_bitmap = r->scratch };

	return kvm_call(vm->fd, KVM_GET_DIRTY_LOG, &log);
}

static bool any(const uint64_t *bits, uint64_t n)
{
	uint64_t all = 0;

	for (uint64_t i = 0; i < n; i++)
		all |= bits[i];
	return all != 0;
}

/* Clear in KVM what scratch holds: from now on a write to these pages is news again. */
static int clear_log(struct vmc_vm *vm, struct region *r)
{
	for (uint64_t first = 0; first < r->pages; first += CLEAR_CHUNK) {
		uint64_t n = r->pages - first < CLEAR_CHUNK ? r->pages - first : CLEAR_CHUNK;
		struct kvm_clear_dirty_log clear = { .slot = r->pub.slot, .num_pages = (uint32_t)n,
			.first_page = first, .dirty_bitmap = r->scratch + first / 64 };
		int rc;

		if (!any(r->scratch + first / 64, (n + 63) / 64))
			continue;
		rc = kvm_call(vm->fd, KVM_CLEAR_DIRTY_LOG, &clear);
		if (rc < 0)
			return rc;
	}
	return 0;
}

/* Cleared before anyone reads the pages: a write from here on is reported again. If only a part could be cleared,
 * all that was got counts now and the rest once more later. */
static int get_and_clear(struct vmc_vm *vm, struct region *r, bool *got)
{
	uint64_t start = clock_us(CLOCK_THREAD_CPUTIME_ID); /* the time of others on a busy machine is no cost of this */
	int rc = get_log(vm, r);

	*got = rc == 0;
	if (rc == 0 && vm->manual_protect) {
		start = clock_us(CLOCK_THREAD_CPUTIME_ID);
		rc = clear_log(vm, r);
	}
	vm->dirty_stats.protect_us += clock_us(CLOCK_THREAD_CPUTIME_ID) - start;
	return rc;
}

/* One region's news into every view. */
static int harvest_region(struct vmc_vm *vm, struct region *r, uint64_t *found)
{
	bool log = r->logged && !vm->cfg.dirty_ring_entries, got = true;
	int rc = log ? get_and_clear(vm, r, &got) : 0;

	if (!got)
		return rc;
	for (uint64_t i = 0; i < words(r); i++) {
		uint64_t w = log ? r->scratch[i] : 0;

		if (atomic_load_explicit(&r->marks[i], memory_order_relaxed))
			w |= atomic_exchange(&r->marks[i], 0);
		if (!w)
			continue;
		*found += (uint64_t)__builtin_popcountll(w);
		for (struct vmc_dirty_view *v = vm->views; v; v = v->next)
			v->bits[r->pub.slot][i] |= w;
	}
	return rc;
}

static int harvest(struct vmc_vm *vm)
{
	uint64_t start = now_us(), found = 0;
	int rc = 0;

	vm->dirty_stats.protect_us = 0;
	if (vm->cfg.dirty_ring_entries)
		dirty_collect_ring(vm);
	for (size_t i = 0; rc == 0 && i < vm->nregions; i++)
		rc = harvest_region(vm, vm->regions[i], &found);
	vm->dirty_stats.harvests++;
	vm->dirty_stats.harvest_us = now_us() - start;
	vm->dirty_stats.pages = found;
	return rc < 0 ? vmc_fail(vm, -EIO, "the dirty log: %s", strerror(-rc)) : 0;
}

/* Memory for a region's marks, KVM's bitmap and each view's bits. */
static int region_alloc(struct vmc_vm *vm, struct region *r)
{
	uint64_t n = words(r);
	_Atomic uint64_t *marks = NULL;

	if (!r->marks)
		marks = calloc(n, sizeof(*marks));
	if (!r->scratch)
		r->scratch = calloc(n, sizeof(*r->scratch));
	if ((!r->marks && !marks) || !r->scratch) {
		free((void *)marks);
		return -ENOMEM;
	}
	if (marks) {
		pthread_rwlock_wrlock(&vm->mem_lock);
		r->marks = marks;
		pthread_rwlock_unlock(&vm->mem_lock);
	}
	for (struct vmc_dirty_view *v = vm->views; v; v = v->next) {
		if (!v->bits[r->pub.slot])
			v->bits[r->pub.slot] = calloc(n, sizeof(uint64_t));
		if (!v->bits[r->pub.slot])
			return -ENOMEM;
	}
	return 0;
}

static void region_release(struct vmc_vm *vm, struct region *r)
{
	_Atomic uint64_t *marks = r->marks;

	pthread_rwlock_wrlock(&vm->mem_lock);
	r->marks = NULL;
	pthread_rwlock_unlock(&vm->mem_lock);
	free((void *)marks);
	free(r->scratch);
	r->scratch = NULL;
}

int dirty_region_added(struct vmc_vm *vm, struct region *r)
{
	int rc = vm->views ? region_alloc(vm, r) : 0;

	if (rc == 0)
		return 0;
	dirty_region_removed(vm, r);
	return vmc_fail(vm, rc, "region at %#llx: out of memory for dirty bits",
		(unsigned long long)r->pub.gpa);
}

void dirty_region_removed(struct vmc_vm *vm, struct region *r)
{
	region_release(vm, r);
	for (struct vmc_dirty_view *v = vm->views; v; v = v->next) {
		free(v->bits[r->pub.slot]);
		v->bits[r->pub.slot] = NULL;
	}
}

static void log_off(struct vmc_vm *vm)
{
	atomic_store(&vm->tracking, false);
	for (size_t i = 0; i < vm->nregions; i++) {
		struct region *r = vm->regions[i];

		if (r->logged)
			(void)mem_slot_flags(vm, r, false);
		region_release(vm, r);
	}
}

static int log_on(struct vmc_vm *vm)
{
	uint64_t dropped = 0;
	int rc = 0;

	if (vm->cfg.dirty_ring_entries)
		dirty_collect_ring(vm); /* leftovers of the last time: no marks yet, so they go nowhere */
	atomic_store(&vm->tracking, true);
	for (size_t i = 0; rc == 0 && i < vm->nregions; i++) {
		struct region *r = vm->regions[i];

		rc = region_alloc(vm, r);
		if (rc == 0)
			rc = mem_slot_flags(vm, r, true);
		/* With INITIALLY_SET everything starts as dirty: a view starts clean. */
		if (rc == 0)
			rc = harvest_region(vm, r, &dropped);
	}
	if (rc < 0) {
		log_off(vm);
		return vmc_fail(vm, rc, "switch the dirty log on: %s", strerror(-rc));
	}
	memset(&vm->dirty_stats, 0, sizeof(vm->dirty_stats));
	return 0;
}

int vmc_dirty_open(struct vmc_vm *vm, const char *name, struct vmc_dirty_view **out)
{
	struct vmc_dirty_view *v = calloc(1, sizeof(*v));
	bool first = !vm->views;
	int rc = 0;

	*out = NULL;
	if (!v)
		return vmc_fail(vm, -ENOMEM, "dirty view %s: out of memory", name);
	v->vm = vm;
	snprintf(v->name, sizeof(v->name), "%s", name);
	/* The other views must get what was written until now; this one must not. */
	if (!first)
		rc = harvest(vm);
	v->next = vm->views;
	vm->views = v;
	if (rc == 0 && first)
		rc = log_on(vm);
	for (size_t i = 0; rc == 0 && i < vm->nregions; i++) {
		rc = region_alloc(vm, vm->regions[i]);
		if (rc < 0)
			vmc_fail(vm, rc, "dirty view %s: out of memory", name);
	}
	if (rc < 0) {
		vmc_dirty_close(v);
		return rc;
	}
	for (size_t i = 0; i < vm->nregions; i++)
		memset(v->bits[vm->regions[i]->pub.slot], 0, words(vm->regions[i]) * sizeof(uint64_t));
	*out = v;
	return 0;
}

void vmc_dirty_close(struct vmc_dirty_view *view)
{
	struct vmc_dirty_view **p;
	struct vmc_vm *vm;

	if (!view)
		return;
	vm = view->vm;
	for (p = &vm->views; *p && *p != view; p = &(*p)->next)
		;
	if (*p)
		*p = view->next;
	for (uint32_t i = 0; i < MAX_SLOTS; i++)
		free(view->bits[i]);
	if (vm->default_view == view)
		vm->default_view = NULL;
	free(view);
	if (!vm->views)
		log_off(vm);
}

int vmc_dirty_enable(struct vmc_vm *vm)
{
	return vm->default_view ? 0 : vmc_dirty_open(vm, "default", &vm->default_view);
}

int vmc_dirty_disable(struct vmc_vm *vm)
{
	vmc_dirty_close(vm->default_view);
	return 0;
}

bool vmc_dirty_is_enabled(const struct vmc_vm *vm)
{
	return atomic_load(&((struct vmc_vm *)vm)->tracking);
}

int64_t vmc_dirty_take(struct vmc_vm *vm, struct vmc_dirty_view *view, vmc_dirty_fn *fn, void *arg)
{
	int64_t pages = 0;
	int rc;

	view = view ? view : vm->default_view;
	if (!view)
		return vmc_fail(vm, -EINVAL, "dirty tracking is off: call vmc_dirty_enable() first");
	rc = harvest(vm);
	if (rc < 0)
		return rc;
	for (size_t i = 0; i < vm->nregions; i++) {
		const struct region *r = vm->regions[i];
		uint64_t *bits = view->bits[r->pub.slot];

		for (uint64_t w = 0; w < words(r); w++)
			pages += __builtin_popcountll(bits[w]);
		if (fn)
			fn(arg, r->pub.gpa, r->pages, bits);
		memset(bits, 0, words(r) * sizeof(*bits));
	}
	return pages;
}

void dirty_mark_all(struct vmc_vm *vm)
{
	for (size_t i = 0; i < vm->nregions; i++)
		if (vm->regions[i]->pub.flags & VMC_MEM_RAM)
			vmc_mem_mark_dirty(vm, vm->regions[i]->pub.gpa, vm->regions[i]->pub.size);
}

void dirty_free(struct vmc_vm *vm)
{
	while (vm->views)
		vmc_dirty_close(vm->views);
}

void vmc_dirty_stats(const struct vmc_vm *vm, struct vmc_dirty_stats *out)
{
	*out = vm->dirty_stats;
	out->ring = vm->cfg.dirty_ring_entries > 0;
	out->manual = vm->manual_protect;
}
