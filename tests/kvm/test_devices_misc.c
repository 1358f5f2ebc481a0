/*
 * test_devices_misc.c - the small virtio devices on a real VM, driven by a guest's own accesses.
 */
#include "tests/kvm/devguest.h"
#include "tests/lib/tap.h"

#include <stdio.h>
#include <string.h>

enum { RNG_RING = 0x600000 };

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

int main(void)
{
	const struct machine_config devices = { .rng = true };
	struct devguest *g = dg_new_with("devmisc", &devices);

	if (!g || !dg_start(g) || !dg_console(g, 0))
		tap_bail("no guest to test with");
	entropy(g);
	dg_free(g);
	return tap_done();
}
