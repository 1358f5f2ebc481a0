/*
 * test_devices_misc.c - the small virtio devices on a real VM, driven by a guest's own accesses.
 */
#include "devices/balloon.h"
#include "tests/kvm/devguest.h"
#include "tests/lib/tap.h"

#include <stdio.h>
#include <string.h>

enum { RNG_RING = 0x600000, BALLOON_RING = 0x700000, BALLOON_PAGES = 0x800000 };

static bool wait_irr(struct devguest *g, unsigned vector)
{
	uint64_t until = tap_now_us() + 10000000;

	while (!dg_irr(g, vector))
		if (tap_now_us() > until || g->stuck)
			return false;
		else
			dg_turn(g);
	return true;
}

static void entropy(struct devguest *g)
{
	static const uint8_t zeros[512];
	struct vdrv rng;
	uint32_t id, len = 0;

	tap_ok(vdrv_find(&rng, &g->d.io, 2) && rng.bar != g->d.bar, "rng: found in slot 2, at its own address");
	tap_ok(vdrv_start_n(&rng, 0, 1, 16, RNG_RING, 0x61) == 15, "rng: negotiated, DRIVER_OK");
	vdrv_set_desc(&rng, 0, 0, DG_DATA, 512, VD_WRITE, 0);
	vdrv_add(&rng, 0, 0);
	vdrv_kick(&rng, 0);
	tap_ok(wait_irr(g, 0x62), "rng: interrupt 0x62");
	tap_ok(vdrv_take(&rng, 0, &id, &len) && len == 512, "rng: the buffer is full");
	tap_ok(memcmp(dg_mem(g, DG_DATA), zeros, 512) != 0, "rng: of something");
}

static bool held_is(struct devguest *g, const void *arg)
{
	struct balloon_info b;

	return machine_balloon_info(g->m, 0, &b) == 0 && b.held == *(const uint64_t *)arg;
}

/* The guest writes to 64 pages, hands them over, and finds new ones when it goes on with them. */
static void balloon(struct devguest *g)
{
	uint64_t held = 64 * VMC_PAGE_SIZE;
	struct vmc_dirty_view *view;
	int64_t before, after;
	struct vdrv d;
	uint32_t *list = dg_mem(g, DG_DATA), i;

	tap_ok(vdrv_find(&d, &g->d.io, 3) && vdrv_start_n(&d, 0, 2, 16, BALLOON_RING, 0x71) == 15,
		"balloon: found in slot 3, negotiated, DRIVER_OK");
	machine_balloon_set(g->m, vmc_mem_size(g->vm) - held);
	tap_ok(wait_irr(g, 0x71) && dg_peek(g, d.device) == 64, "balloon: configuration interrupt, and how many pages");
	memset(dg_mem(g, BALLOON_PAGES), 0x77, held);
	for (i = 0; i < 64; i++)
		list[i] = BALLOON_PAGES / VMC_PAGE_SIZE + i;
	before = vmc_mem_resident(g->vm, BALLOON_PAGES, held);
	vdrv_set_desc(&d, 0, 0, DG_DATA, 256, 0, 0);
	vdrv_add(&d, 0, 0);
	vdrv_kick(&d, 0);
	tap_ok(dg_until(g, held_is, &held) && wait_irr(g, 0x72), "balloon: pages handed over, interrupt 0x72");
	after = vmc_mem_resident(g->vm, BALLOON_PAGES, held);
	tap_ok(before == (int64_t)held && after == 0, "balloon: the host has them: %lld of %lld KiB resident",
		(long long)after >> 10, (long long)before >> 10);
	tap_ok(machine_balloon_held(g->m, 0, DG_RAM) == (int64_t)held && machine_balloon_held(g->m, BALLOON_PAGES, held / 2) ==
		(int64_t)held / 2, "balloon: and it is known which");
	tap_ok(vmc_dirty_open(g->vm, "test", &view) == 0, "dirty tracking on");
	tap_ok(dg_peek(g, BALLOON_PAGES + 8) == 0, "balloon: the guest finds zeros there");
	dg_poke(g, BALLOON_PAGES + 8, 0x1234);
	tap_ok(dg_peek(g, BALLOON_PAGES + 8) == 0x1234, "balloon: and can use them again");
	vmc_dirty_close(view);
	vdrv_set_desc(&d, 1, 0, DG_DATA, 256, 0, 0);
	vdrv_add(&d, 1, 0);
	vdrv_kick(&d, 1);
	held = 0;
	tap_ok(dg_until(g, held_is, &held), "balloon: taken back");
}

int main(void)
{
	const struct machine_config devices = { .rng = true, .balloon = true };
	struct devguest *g = dg_new_with("devmisc", &devices);

	if (!g || !dg_start(g) || !dg_console(g, 0))
		tap_bail("no guest to test with");
	entropy(g);
	balloon(g);
	dg_free(g);
	return tap_done();
}
