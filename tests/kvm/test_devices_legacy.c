/*
 * test_devices_legacy.c - what a PC has from of old, with a guest's own accesses: ports and addresses where
 * nothing is, and the speaker's timer, by which kernels calibrate.
 */
#include "tests/kvm/devguest.h"
#include "tests/lib/tap.h"

static bool ones(struct devguest *g, uint16_t port)
{
	return dg_in(g, port, 1) == 0xff && dg_in(g, port, 2) == 0xffff && dg_in(g, port, 4) == 0xffffffff;
}

static void unclaimed(struct devguest *g)
{
	/* second serial port, IDE, floppy, VGA, a POST card, end of the port space */
	static const uint16_t ports[] = {0x2f8, 0x1f0, 0x3f0, 0x3c0, 0x80, 0xfff8};
	uint64_t before = vmc_bus_unclaimed(g->vm, VMC_BUS_PIO);

	for (size_t i = 0; i < sizeof(ports) / sizeof(ports[0]); i++) {
		dg_out(g, ports[i], 1, 0x5a);
		tap_ok(ones(g, ports[i]), "port %#x: nobody there, all ones whatever was written", ports[i]);
	}
	tap_ok(vmc_bus_unclaimed(g->vm, VMC_BUS_PIO) - before >= 6 * 4, "and they are counted");
	dg_poke(g, 0xfb000000, 0x12345678);
	tap_ok(dg_peek(g, 0xfb000000) == 0xffffffff, "an address in the PCI window: all ones");
	tap_ok(dg_peek(g, 0xfed00000) == 0xffffffff, "where an HPET would be: all ones");
	tap_ok(!g->stuck, "the guest goes on");
}

/* Channel 2 counts while its gate (port 0x61 bit 0) is open; bit 5 is its output. */
static bool pit_out(struct devguest *g)
{
	return dg_in(g, 0x61, 1) & 0x20;
}

static void speaker_timer(struct devguest *g)
{
	const uint32_t count = 11932; /* 10 ms at 1.193182 MHz */
	uint64_t began, until;
	bool low;

	dg_out(g, 0x61, 1, 0);
	tap_ok((dg_in(g, 0x61, 1) & 3) == 0, "port 0x61: gate and speaker off");
	dg_out(g, 0x61, 1, 1);
	tap_ok((dg_in(g, 0x61, 1) & 3) == 1, "port 0x61: the gate is open");
	dg_out(g, 0x43, 1, 0xb0); /* channel 2, both bytes, mode 0 */
	dg_out(g, 0x42, 1, count & 0xff);
	began = tap_now_us();
	dg_out(g, 0x42, 1, count >> 8);
	low = !pit_out(g);
	until = began + 10000000;
	while (!pit_out(g) && tap_now_us() < until && !g->stuck)
		;
	/* On a busy machine the first look may come too late to see it low. */
	tap_ok(low || tap_now_us() - began >= 10000, "PIT channel 2: its output is low while it counts");
	tap_ok(pit_out(g), "and goes high");
	tap_ok(tap_now_us() - began >= 9900, "not before its 10 ms are over");
}

int main(void)
{
	struct devguest *g = dg_new("legacy");

	if (!g || !dg_start(g))
		tap_bail("no guest to test with");
	unclaimed(g);
	speaker_timer(g);
	dg_free(g);
	return tap_done();
}
