/*
 * test_devices_console.c - PCI, MSI-X and the virtio console on a real VM: a guest's own accesses,
 * interrupts in its local APIC, device writes in the dirty log, a driver that breaks the rules.
 */
#include "tests/kvm/devguest.h"
#include "tests/lib/tap.h"

#include <linux/virtio_pci.h>
#include <stdio.h>
#include <string.h>

static struct vmc_bus_region region(struct devguest *g, const char *name)
{
	struct vmc_bus_region r[64], none = { 0 };
	size_t n = vmc_bus_regions(g->vm, r, 64), i;

	for (i = 0; i < n; i++)
		if (!strcmp(r[i].name, name))
			return r[i];
	return none;
}

static bool irr_there(struct devguest *g, const void *arg)
{
	return dg_irr(g, *(const unsigned *)arg);
}

static bool wait_irr(struct devguest *g, unsigned vector)
{
	return dg_until(g, irr_there, &vector);
}

static void transmit(struct devguest *g)
{
	uint32_t id, len;

	dg_tx(g, 0, "Hello from the guest\n");
	tap_ok(dg_until_out(g, 0, 21) && !memcmp(g->host[0].out, "Hello from the guest\n", 21),
		"transmitted");
	tap_ok(vdrv_take(&g->d, 1, &id, &len) && id == 0, "the buffer came back");
	tap_ok(wait_irr(g, 0x43), "with its interrupt, vector 0x43 (MSI-X through an irqfd)");
	tap_ok(region(g, "virtio-console0 notify").writes == 0,
		"the kick was an ioeventfd: no exit to user space");
	tap_ok(dg_info(g, "virtio-console0").queues[1].kicks >= 1, "and was counted");
}

static void receive(struct devguest *g)
{
	uint32_t id, len;
	unsigned i;

	tap_ok(dg_input(g, 0, "keys") == 0, "input without buffers is refused");
	g->host[0].pending = "keys";
	g->host[0].pending_len = 4;
	for (i = 0; i < 4; i++) {
		vdrv_set_desc(&g->d, 0, i, DG_DATA + 0x10000 + 0x1000 * i, 64, VD_WRITE, 0);
		vdrv_add(&g->d, 0, i);
	}
	vdrv_kick(&g->d, 0);
	tap_ok(wait_irr(g, 0x42), "and asked for again when there are: interrupt 0x42");
	tap_ok(vdrv_take(&g->d, 0, &id, &len) && len == 4 &&
			!memcmp(dg_mem(g, DG_DATA + 0x10000), "keys", 4),
		"received");
}

static void resize(struct devguest *g)
{
	struct dev_stream *s = g->host[0].stream;

	vmc_device_lock(g->vm);
	s->dev_ops->resize(s->dev, 133, 44);
	vmc_device_unlock(g->vm);
	tap_ok(wait_irr(g, 0x41), "resize: configuration interrupt 0x41");
	tap_ok(dg_peek(g, g->d.device) == (44u << 16 | 133), "the new size is there");
}

static void masks(struct devguest *g)
{
	vdrv_msix_set(&g->d, 2, 0x51, true);
	dg_tx(g, 1, "masked");
	dg_until_out(g, 0, g->host[0].len + 6);
	tap_ok(!dg_irr(g, 0x51) && dg_peek(g, g->d.pba) == 4,
		"a masked vector: pending, not delivered");
	dg_poke(g, g->d.msix + 32 + 12, 0);
	tap_ok(wait_irr(g, 0x51) && dg_peek(g, g->d.pba) == 0,
		"unmasked: delivered with the new message");
}

static void intx(struct devguest *g)
{
	vdrv_msix_enable(&g->d, false);
	dg_tx(g, 2, "intx");
	dg_until_out(g, 0, g->host[0].len + 1);
	dg_out(g, 0xa0, 1, 0x0a); /* PIC: read the request register */
	tap_ok(dg_in(g, 0xa0, 1) & 4, "without MSI-X: INTx raises IRQ 10");
	tap_ok(vdrv_read(&g->d, g->d.isr, 1) == 1, "the ISR says why");
	vdrv_msix_enable(&g->d, true);
}

struct page {
	uint64_t gpa;
	bool set;
};

static void find_page(void *arg, uint64_t gpa, uint64_t pages, const uint64_t *bits)
{
	struct page *p = arg;
	uint64_t n = (p->gpa - gpa) / VMC_PAGE_SIZE;

	if (p->gpa >= gpa && n < pages)
		p->set = bits[n / 64] >> n % 64 & 1;
}

static void dirty(struct devguest *g)
{
	struct vmc_dirty_view *view;
	struct page p = { .gpa = DG_DATA + 0x11000 };

	tap_ok(vmc_dirty_open(g->vm, "test", &view) == 0, "dirty tracking on");
	tap_ok(dg_input(g, 0, "dirt") == 4, "the device writes into buffer 1");
	vmc_dirty_take(g->vm, view, find_page, &p);
	tap_ok(p.set, "its page is dirty, though the guest wrote nothing there");
	p = (struct page){ .gpa = DG_RING + 0x2000 };
	tap_ok(dg_input(g, 0, "ring") == 4, "another");
	vmc_dirty_take(g->vm, view, find_page, &p);
	tap_ok(p.set, "so is the used ring's page");
	vmc_dirty_close(view);
}

static void bar_move(struct devguest *g)
{
	uint64_t old = g->d.bar;
	size_t len = g->host[0].len;
	struct vdrv d;

	vdrv_cfg_write(&g->d, 0x10, 4, 0xf0000000);
	tap_ok(dg_peek(g, old + VIRTIO_PCI_COMMON_NUMQ) == 0xffffffff,
		"BAR moved: nothing where it was");
	d = g->d;
	tap_ok(vdrv_find(&d, &g->d.io, 1) && d.bar == 0xf0000000, "everything where it is now");
	memcpy(d.q, g->d.q, sizeof(d.q));
	g->d = d;
	dg_tx(g, 3, "moved");
	tap_ok(dg_until_out(g, 0, len + 5) && !memcmp(g->host[0].out + len, "moved", 5),
		"the live queue goes on");
	tap_ok(region(g, "virtio-console0 notify").addr == 0xf0003000 &&
			region(g, "virtio-console0 notify").writes == 0,
		"with its ioeventfds");
}

static bool is_broken(struct devguest *g, const void *arg)
{
	return dg_info(g, "virtio-console0").broken;
}

static void hostile(struct devguest *g)
{
	struct vmc_device_info info;

	vdrv_set_desc(&g->d, 1, 5, DG_RAM - 1, 0xffffffff, 0, 0);
	vdrv_add(&g->d, 1, 5);
	vdrv_kick(&g->d, 1);
	tap_ok(dg_until(g, is_broken, NULL), "a buffer beyond memory breaks the device");
	info = dg_info(g, "virtio-console0");
	tap_note("%s", info.note);
	tap_ok(vdrv_status(&g->d) & 64 && strstr(info.note, "not memory"),
		"DEVICE_NEEDS_RESET, and why");
	tap_ok(vmc_vm_is_running(g->vm) && dg_in(g, 0x64, 1) != 0xdeadbeef, "the VM lives");
	g->host[0].len = 0;
	tap_ok(dg_console(g, VD_F_SIZE | VD_F_EVENT_IDX | VD_F_INDIRECT), "a reset mends it");
	dg_tx(g, 0, "again");
	tap_ok(dg_until_out(g, 0, 5) && !memcmp(g->host[0].out, "again", 5), "it prints");
}

/* 300 buffers of a page each through a ring of 16, host end full now and then. */
static void flood(struct devguest *g)
{
	unsigned sent = 0, back = 0, i;
	uint64_t until = tap_now_us() + 30000000;
	uint32_t id, len;
	bool order = true;

	g->host[0].len = 0;
	while (vdrv_take(&g->d, 1, &id, &len))
		;
	while (back < 200 && tap_now_us() < until && !g->stuck) {
		if (sent < 200 && sent - back < 16) {
			memset(dg_mem(g, DG_DATA + 0x1000 * (sent % 16)), sent, 4096);
			vdrv_set_desc(
				&g->d, 1, sent % 16, DG_DATA + 0x1000 * (sent % 16), 4096, 0, 0);
			vdrv_add(&g->d, 1, sent % 16);
			vdrv_kick(&g->d, 1);
			sent++;
		} else {
			dg_turn(g);
		}
		if (sent % 50 == 25)
			g->host[0].room = 1000;
		else if (g->host[0].room == 0)
			dg_output_ready(g, 0, SIZE_MAX);
		while (vdrv_take(&g->d, 1, &id, &len))
			order &= id == back++ % 16;
	}
	for (i = 0; i < 200 * 4096u && g->host[0].out[i] == (uint8_t)(i / 4096); i++)
		;
	tap_ok(order && back == 200, "flood: every buffer came back in order");
	tap_ok(g->host[0].len == 200 * 4096u && i == g->host[0].len,
		"flood: every byte, once, in order");
}

/* A guest that switches its BAR on and off without end makes each exit a slow one, under the device
 * lock. The main loop must still get its turns, and a pause must still come through. */
static void flapping(struct devguest *g)
{
	uint64_t worst = 0, start, took;
	unsigned i;
	uint32_t flaps;
	bool paused;

	dg_out(g, 0xcf8, 4, 0x80000804);
	dg_flap(g, 0xcfc, 4);
	for (i = 0; i < 60; i++) {
		dg_turn(g);
		start = tap_now_us();
		vmc_device_lock(g->vm);
		vmc_device_unlock(g->vm);
		took = tap_now_us() - start;
		worst = took > worst ? took : worst;
	}
	start = tap_now_us();
	paused = vmc_vm_pause(g->vm) == 0;
	took = tap_now_us() - start;
	flaps = dg_flap_end(g);
	tap_note("%u flaps; device lock after %u us at worst, pause after %u us", flaps,
		(unsigned)worst, (unsigned)took);
	tap_ok(flaps > 10 && worst < 500000, "a flapping BAR does not lock the main loop out");
	tap_ok(paused && took < 2000000 && vmc_vm_resume(g->vm) == 0, "nor a pause");
	vdrv_cfg_write(&g->d, 4, 2, 6);
	g->host[0].len = 0;
	g->host[0].room = SIZE_MAX;
	dg_tx(g, 0, "quiet now");
	tap_ok(dg_until_out(g, 0, 9) && !memcmp(g->host[0].out, "quiet now", 9),
		"and then all is well");
}

int main(void)
{
	struct devguest *g = dg_new("devcon");

	if (!g || !dg_start(g))
		tap_bail("no guest to test with");
	tap_ok(g->d.bar == 0xe0000000 && g->d.nvectors == 3,
		"the guest finds the console on the PCI bus");
	tap_ok(dg_console(g, VD_F_SIZE), "negotiated, DRIVER_OK");
	transmit(g);
	receive(g);
	resize(g);
	masks(g);
	intx(g);
	dirty(g);
	bar_move(g);
	hostile(g);
	flood(g);
	flapping(g);
	dg_free(g);
	return tap_done();
}
