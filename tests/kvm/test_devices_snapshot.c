/*
 * test_devices_snapshot.c - the machine saved in the middle of its work and loaded into a new VM:
 * queues, kicks, interrupts, serial port; shutdown and reset as the guest asks for them.
 */
#include "tests/kvm/devguest.h"
#include "tests/lib/tap.h"

#include <linux/serial_reg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* A new VM with @g's state and memory, paused. */
static struct devguest *clone(struct devguest *g)
{
	struct devguest *n = dg_new("devsnap2");
	int fd = memfd_create("ram", MFD_CLOEXEC);
	struct vmc_out out;
	bool ok;

	vmc_out_init(&out);
	ok = n && vmc_state_save(g->vm, &out) == 0 && vmc_mem_dump(g->vm, fd, NULL, NULL) == 0;
	if (!ok)
		tap_note("save: %s", vmc_error(g->vm));
	if (ok &&
		(vmc_mem_map_file(n->vm, fd) < 0 || vmc_state_load(n->vm, out.data, out.len) < 0)) {
		tap_note("load: %s", vmc_error(n->vm));
		ok = false;
	}
	tap_ok(ok, "saved and loaded into a new VM");
	vmc_out_free(&out);
	close(fd);
	n->d = g->d;
	n->d.io.ctx = n;
	return n;
}

static struct devguest *console_goes_on(struct devguest *g)
{
	struct devguest *n;
	unsigned i;

	tap_ok(dg_console(g, VD_F_SIZE | VD_F_EVENT_IDX), "console up");
	for (i = 0; i < 2; i++) {
		vdrv_set_desc(&g->d, 0, i, DG_DATA + 0x10000 + 0x1000 * i, 64, VD_WRITE, 0);
		vdrv_add(&g->d, 0, i);
	}
	vdrv_kick(&g->d, 0);
	g->host[0].room = 5;
	dg_tx(g, 0, "half way");
	tap_ok(dg_until_out(g, 0, 5), "the host end is full in the middle of a buffer");
	dg_tx(g, 1, ", kicked"); /* its kick sits in an eventfd that the snapshot cannot hold */
	tap_ok(vmc_vm_pause(g->vm) == 0, "paused");
	tap_ok(dg_input(g, 0, "x") == 0, "a paused console takes no input");
	n = clone(g);
	dg_free(g);
	n->host[0].pending = "typed meanwhile";
	n->host[0].pending_len = 15;
	tap_ok(vmc_vm_resume(n->vm) == 0, "resumed");
	tap_ok(dg_until_out(n, 0, 11) && n->host[0].len == 11 &&
			!memcmp(n->host[0].out, "way, kicked", 11),
		"the rest comes out, from the very byte");
	tap_ok(n->host[0].pending_len == 0 &&
			!memcmp(dg_mem(n, DG_DATA + 0x10000), "typed meanwhile", 15),
		"input goes in");
	dg_tx(n, 2, "new words");
	tap_ok(dg_until_out(n, 0, 20) && !memcmp(n->host[0].out + 11, "new words", 9),
		"the guest goes on and prints");
	vdrv_msix_set(&n->d, 2, 0x61, false);
	vdrv_avail(&n->d, 1)[2 + 16] = vdrv_used(&n->d, 1)[1];
	dg_tx(n, 3, "!");
	dg_until_out(n, 0, 21);
	tap_ok(dg_irr(n, 0x61), "and is interrupted");
	return n;
}

static struct devguest *serial_goes_on(struct devguest *g)
{
	struct devguest *n;
	unsigned i;

	dg_out(g, 0x3f8 + UART_FCR, 1, UART_FCR_ENABLE_FIFO);
	dg_out(g, 0x3f8 + UART_IER, 1, UART_IER_THRI);
	g->host[1].room = 3;
	for (i = 0; i < 10; i++)
		dg_out(g, 0x3f8 + UART_TX, 1, '0' + i);
	tap_ok(dg_until_out(g, 1, 3), "serial port: the host end is full after three bytes");
	tap_ok(vmc_vm_pause(g->vm) == 0, "paused");
	n = clone(g);
	dg_free(g);
	tap_ok(vmc_vm_resume(n->vm) == 0, "resumed");
	tap_ok(dg_until_out(n, 1, 7) && !memcmp(n->host[1].out, "3456789", 7),
		"the other seven come out");
	dg_out(n, 0x20, 1, 0x0a);
	tap_ok(dg_in(n, 0x20, 1) & 0x10, "its interrupt is pending: IRQ 4");
	tap_ok((dg_in(n, 0x3f8 + UART_IIR, 1) & 0x0f) == UART_IIR_THRI,
		"and says: transmitter empty");
	dg_out(n, 0x3f8 + UART_TX, 1, 'x');
	tap_ok(dg_until_out(n, 1, 8) && n->host[1].out[7] == 'x', "and it sends on");
	return n;
}

static void bad_state(struct devguest *g)
{
	struct vmc_out out;
	size_t at;
	bool refused = true;

	tap_ok(vmc_vm_pause(g->vm) == 0, "paused");
	vmc_out_init(&out);
	tap_ok(vmc_state_save(g->vm, &out) == 0, "saved");
	for (at = 0; at < 64; at++)
		refused &= vmc_state_load(g->vm, out.data, out.len - 1 - 37 * at) < 0;
	tap_ok(refused, "a state cut short is refused, 64 times");
	vmc_out_free(&out);
	tap_ok(vmc_vm_resume(g->vm) == 0, "resumed");
	g->host[0].len = 0;
	g->host[0].room = SIZE_MAX;
	dg_tx(g, 4, "unharmed");
	tap_ok(dg_until_out(g, 0, 8), "and the machine goes on as before");
}

static void ask_reset(struct devguest *g, uint16_t port, uint8_t value, const char *what)
{
	struct vmc_event ev;

	dg_post_out(g, port, 1, value);
	ev = dg_event(g);
	tap_ok(ev.type == VMC_EVENT_RESET, "%s: a reset is asked for", what);
	tap_ok(vmc_vm_reset(g->vm) == 0 && dg_boot(g) && vmc_vm_resume(g->vm) == 0,
		"reset and booted again");
	g->host[0].len = 0;
	g->host[0].room = SIZE_MAX;
	tap_ok(vdrv_find(&g->d, &g->d.io, 1) && g->d.bar == 0xe0000000 && vdrv_status(&g->d) == 0,
		"the console is as at power-on");
	tap_ok(dg_console(g, 0), "and comes up");
	dg_tx(g, 0, "rebooted");
	tap_ok(dg_until_out(g, 0, 8) && !memcmp(g->host[0].out, "rebooted", 8), "and prints");
}

int main(void)
{
	struct devguest *g = dg_new("devsnap");
	struct vmc_event ev;

	if (!g || !dg_start(g))
		tap_bail("no guest to test with");
	g = console_goes_on(g);
	g = serial_goes_on(g);
	bad_state(g);
	ask_reset(g, 0x64, 0xfe, "i8042");
	ask_reset(g, 0xcf9, 0x06, "port 0xcf9");
	dg_post_out(g, MACHINE_PORT_DEBUG_EXIT, 1, 42);
	ev = dg_event(g);
	tap_ok(ev.type == VMC_EVENT_SHUTDOWN && ev.code == 42, "debug exit: over, with code 42");
	tap_ok(vmc_vm_state(g->vm) == VMC_STOPPED, "stopped");
	dg_free(g);
	return tap_done();
}
