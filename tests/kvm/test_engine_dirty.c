/*
 * test_engine_dirty.c - dirty pages on a real /dev/kvm: guest and device writes, several views, on and off while
 * running, the bitmap and the ring.
 */
#include "tests/kvm/engine_guest.h"
#include "tests/lib/tap.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define FIRST 1024u /* pages of the guest's playground: 4 MiB on */
#define MAX   16384u

/* Which pages of the first 64 MiB were named by a take. */
struct seen {
	bool page[MAX];
	int count;
};

static void note(void *arg, uint64_t gpa, uint64_t pages, const uint64_t *bits)
{
	struct seen *s = arg;

	for (uint64_t i = 0; i < pages; i++) {
		uint64_t n = (gpa >> 12) + i;

		if (bits[i / 64] >> (i % 64) & 1 && n < MAX)
			s->page[n] = true, s->count++;
	}
}

static int64_t take(struct vmc_vm *vm, struct vmc_dirty_view *view, struct seen *s)
{
	int64_t n;

	memset(s, 0, sizeof(*s));
	n = vmc_dirty_take(vm, view, note, s);
	return n;
}

/* Exactly these pages of the playground, no more. */
static bool exactly(const struct seen *s, unsigned first, unsigned count, unsigned step)
{
	bool ok = true;

	for (unsigned p = FIRST; p < MAX; p++) {
		bool want = p >= first && (p - first) % step == 0 && (p - first) / step < count;

		ok &= s->page[p] == want;
	}
	return ok;
}

static struct vmc_vm *manual_vm(uint32_t ring)
{
	struct vmc_config cfg = { .id = "dirty", .ram_bytes = 64 << 20, .vcpus = 1, .dirty_ring_entries = ring };
	struct vmc_vm *vm = guest_vm_cfg(&cfg);
	struct vmc_vcpu *vcpu;

	must(vm, vmc_vcpu_new(vm, 0, &vcpu), "vCPU");
	guest_load(vm, touch);
	return vm;
}

/* Let the guest write to these pages, once each. */
static void touch(struct vmc_vm *vm, uint64_t first, uint64_t count, uint64_t step)
{
	struct vmc_exit ex;

	guest_set_u64(vm, DATA + 0x100, first);
	guest_set_u64(vm, DATA + 0x108, count);
	guest_set_u64(vm, DATA + 0x110, step);
	must(vm, vmc_vcpu_run(vmc_vcpu_get(vm, 0), &ex), "run");
	if (ex.reason != VMC_EXIT_IO_OUT || ex.io.port != 0x520)
		tap_bail("the guest left for %s: %s", vmc_exit_name(ex.reason), ex.message);
}

static void basics(uint32_t ring)
{
	const char *how = ring ? "ring" : "bitmap";
	struct vmc_vm *vm = manual_vm(ring);
	struct vmc_dirty_view *heat, *snap;
	struct vmc_dirty_stats st;
	struct seen s;
	uint64_t v = 1;

	refused(vm, (int)vmc_dirty_take(vm, NULL, NULL, NULL), -EINVAL, "off", "taking pages with tracking off");
	touch(vm, FIRST, 100, 1);
	tap_ok(!vmc_dirty_is_enabled(vm) && vmc_dirty_enable(vm) == 0 && vmc_dirty_enable(vm) == 0 &&
		vmc_dirty_is_enabled(vm), "%s: on, twice", how);
	take(vm, NULL, &s);
	tap_ok(exactly(&s, 0, 0, 1), "%s: a view starts clean", how);
	touch(vm, FIRST + 5, 300, 3);
	tap_ok(take(vm, NULL, &s) == s.count && exactly(&s, FIRST + 5, 300, 3), "%s: exactly the pages the guest wrote", how);
	take(vm, NULL, &s);
	tap_ok(exactly(&s, 0, 0, 1), "%s: taking clears", how);
	touch(vm, FIRST + 5, 300, 3);
	take(vm, NULL, &s);
	tap_ok(exactly(&s, FIRST + 5, 300, 3), "%s: and a second write is seen again", how);

	must(vm, vmc_mem_write(vm, (FIRST + 40) * 4096 + 4092, &v, 8), "write");
	vmc_mem_mark_dirty(vm, (FIRST + 42) * 4096, 4096);
	take(vm, NULL, &s);
	tap_ok(exactly(&s, FIRST + 40, 3, 1), "%s: device writes count, across a page's end too", how);

	must(vm, vmc_dirty_open(vm, "heat", &heat), "open");
	touch(vm, FIRST + 7, 10, 1);
	must(vm, vmc_dirty_open(vm, "snapshot", &snap), "open");
	touch(vm, FIRST + 30, 10, 1);
	take(vm, heat, &s);
	tap_ok(s.page[FIRST + 7] && s.page[FIRST + 39] && !s.page[FIRST + 20], "%s: a view sees what came since it was opened", how);
	take(vm, snap, &s);
	tap_ok(exactly(&s, FIRST + 30, 10, 1), "%s: another one only its own time", how);
	touch(vm, FIRST + 100, 10, 1);
	take(vm, heat, &s);
	take(vm, NULL, &s);
	tap_ok(s.page[FIRST + 7] && s.page[FIRST + 39] && s.page[FIRST + 109] && !s.page[FIRST + 5],
		"%s: one view's taking takes nothing from another", how);
	must(vm, vmc_dirty_disable(vm), "disable");
	tap_ok(vmc_dirty_is_enabled(vm), "%s: tracking stays on while a view is open", how);
	refused(vm, (int)vmc_dirty_take(vm, NULL, NULL, NULL), -EINVAL, "off", "taking from a closed default view");
	take(vm, snap, &s);
	tap_ok(exactly(&s, FIRST + 100, 10, 1), "%s: other views go on", how);
	vmc_dirty_stats(vm, &st);
	tap_ok(st.harvests > 3 && st.ring == (ring > 0), "%s: statistics", how);
	vmc_dirty_close(heat);
	vmc_dirty_close(snap);
	tap_ok(!vmc_dirty_is_enabled(vm), "%s: off with the last one", how);
	touch(vm, FIRST + 200, 10, 1);
	must(vm, vmc_dirty_enable(vm), "enable");
	take(vm, NULL, &s);
	tap_ok(exactly(&s, 0, 0, 1), "%s: on again, what was written meanwhile is not news", how);
	touch(vm, FIRST + 200, 10, 1);
	take(vm, NULL, &s);
	tap_ok(exactly(&s, FIRST + 200, 10, 1), "%s: and works as before", how);
	vmc_vm_free(vm);
}

static void regions(uint32_t ring)
{
	const char *how = ring ? "ring" : "bitmap";
	struct vmc_vm *vm = manual_vm(ring);
	uint8_t *more = mmap(NULL, 32 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct seen s;
	int slot;

	must(vm, vmc_dirty_enable(vm), "enable");
	slot = must(vm, vmc_mem_add(vm, 1ull << 30, more, 32 * 4096, 0, "late"), "add");
	take(vm, NULL, &s);
	touch(vm, (1ull << 30) >> 12, 32, 1);
	tap_ok(take(vm, NULL, &s) >= 32, "%s: a region added meanwhile is tracked", how);
	touch(vm, (1ull << 30) >> 12, 32, 1);
	must(vm, vmc_mem_remove(vm, (uint32_t)slot), "remove");
	touch(vm, FIRST, 3, 1);
	take(vm, NULL, &s);
	tap_ok(exactly(&s, FIRST, 3, 1), "%s: one that is taken away leaves nothing behind", how);
	vmc_vm_free(vm);
	munmap(more, 32 * 4096);
}

/* The pages the guest writes are all there. */
static bool has(const struct seen *s, unsigned first, unsigned count)
{
	bool ok = true;

	for (unsigned p = first; p < first + count; p++)
		ok &= s->page[p];
	return ok;
}

/* More pages than the ring holds: the vCPU's own thread must empty it. Without a pause between two pages a software KVM
 * runs over the ring's reserve: then more pages may be named, but still none be missing. */
static void full_ring(uint64_t idle)
{
	struct vmc_config cfg = { .id = "ring", .ram_bytes = 64 << 20, .vcpus = 1, .managed = true,
		.dirty_ring_entries = 1024 };
	const char *pace = idle ? "slowly" : "fast";
	struct vmc_vm *vm = guest_vm_cfg(&cfg);
	struct vmc_vcpu_stats st;
	uint64_t page, first;
	struct seen s;

	if (idle)
		guest_load(vm, sweep);
	else
		guest_load(vm, touch);
	guest_set_u64(vm, DATA + 0x100, FIRST);
	guest_set_u64(vm, DATA + 0x108, 6000);
	guest_set_u64(vm, DATA + 0x110, 1);
	guest_set_u64(vm, DATA + 0x118, idle);
	must(vm, vmc_dirty_enable(vm), "enable");
	must(vm, vmc_vm_start(vm), "start");
	tap_ok(guest_reaches(vm, DATA, 1, 60000), "ring: a guest that writes %s more pages than it holds goes on", pace);
	must(vm, vmc_vm_pause(vm), "pause");
	take(vm, NULL, &s);
	vmc_vcpu_stats(vmc_vcpu_get(vm, 0), &st);
	tap_ok(st.exits[VMC_EXIT_DIRTY_RING] > 0 && (idle ? exactly(&s, FIRST, 6000, 1) : has(&s, FIRST, 6000)),
		"ring: no page is lost when it is full (%s)", pace);
	tap_note("%llu ring-full exits, %d pages", (unsigned long long)st.exits[VMC_EXIT_DIRTY_RING], s.count);
	page = (FIRST + 17) * 4096ull;
	first = guest_u64(vm, page) & 0xff; /* touch counts in a byte */
	must(vm, vmc_vm_resume(vm), "resume");
	tap_ok(guest_reaches(vm, DATA, guest_u64(vm, DATA) + 2, 60000) && (guest_u64(vm, page) & 0xff) != first,
		"ring: and it goes on");
	vmc_vm_free(vm);
}

/* Harvests while the guest runs: over time every page must be seen in every round, none may be lost for good. */
static void while_running(uint32_t ring)
{
	const char *how = ring ? "ring" : "bitmap";
	struct vmc_config cfg = { .id = "run", .ram_bytes = 64 << 20, .vcpus = 1, .managed = true,
		.dirty_ring_entries = ring };
	struct vmc_vm *vm = guest_vm_cfg(&cfg);
	uint64_t *shadow = calloc(64, 8);
	bool ok = shadow != NULL, quiet = true;
	struct seen s;

	guest_load(vm, sweep);
	guest_set_u64(vm, DATA + 0x100, FIRST);
	guest_set_u64(vm, DATA + 0x108, 64);
	must(vm, vmc_vm_start(vm), "start");
	for (int round = 0; ok && round < 40; round++) {
		if (round % 10 == 0) {
			must(vm, vmc_dirty_disable(vm), "off");
			must(vm, vmc_dirty_enable(vm), "on");
			must(vm, vmc_vm_pause(vm), "pause");
			take(vm, NULL, &s);
			for (unsigned p = 0; p < 64; p++)
				shadow[p] = guest_u64(vm, (FIRST + p) * 4096ull);
			must(vm, vmc_vm_resume(vm), "resume");
		}
		ok &= guest_goes_on(vm, DATA);
		must(vm, vmc_vm_pause(vm), "pause");
		take(vm, NULL, &s);
		/* What changed must have been named, and what was named must have changed (or be the guest's tables). */
		for (unsigned p = 0; p < 64; p++) {
			uint64_t now = guest_u64(vm, (FIRST + p) * 4096ull);

			ok &= now == shadow[p] || s.page[FIRST + p];
			quiet &= now != shadow[p] || !s.page[FIRST + p];
			shadow[p] = now;
		}
		must(vm, vmc_vm_resume(vm), "resume");
	}
	tap_ok(ok, "%s: no write of a running guest is lost", how);
	tap_ok(quiet, "%s: and none invented", how);
	free(shadow);
	vmc_vm_free(vm);
}

int main(void)
{
	struct vmc_kvm_info info;
	char err[200];

	if (vmc_kvm_probe(NULL, &info, err, sizeof(err)) < 0)
		tap_bail("%s", err);
	basics(0);
	regions(0);
	while_running(0);
	if (!info.dirty_ring) {
		tap_skip("this KVM has no dirty ring", "dirty ring");
		return tap_done();
	}
	basics(4096);
	regions(4096);
	while_running(4096);
	full_ring(30);
	full_ring(0);
	return tap_done();
}
