/*
 * devguest.h - a real VM with the machine's devices and a guest that does port and memory accesses
 * by request: its program polls a mailbox in its memory. So a test is the driver, and every access
 * is a real one: exits, ioeventfds, interrupts.
 */
#ifndef TESTS_DEVGUEST_H
#define TESTS_DEVGUEST_H
#include "devices/machine.h"
#include "tests/lib/vdriver.h"

struct devhost {
	uint8_t out[1 << 20];
	size_t len, room;
	const char *pending;
	size_t pending_len;
	struct dev_stream *stream;
};

struct devguest {
	struct vmc_vm *vm;
	struct event_base *base;
	struct machine *m;
	struct vdrv d;
	struct devhost host[2];
	bool stuck; /* a request was not answered in time */
};

#define DG_RAM  (32u << 20)
#define DG_RING 0x400000u
#define DG_DATA 0x500000u

/** dg_new() - VM and machine, not booted. NULL with a TAP note on failure. */
struct devguest *dg_new(const char *id);
/** dg_new_with() - with the devices that @devices asks for; screen and kernel are set here. */
struct devguest *dg_new_with(const char *id, const struct machine_config *devices);
/** dg_boot() - load the mailbox program; dg_start() - and run it, and find the console. */
bool dg_boot(struct devguest *g);
bool dg_start(struct devguest *g);
void dg_free(struct devguest *g);

uint32_t dg_in(struct devguest *g, uint16_t port, uint32_t len);
void dg_out(struct devguest *g, uint16_t port, uint32_t len, uint32_t value);
uint32_t dg_peek(struct devguest *g, uint64_t addr); /* 32 bits, as the guest sees it */
void dg_poke(struct devguest *g, uint64_t addr, uint32_t value);
/** dg_post() - hand in a request without waiting for the answer: for a guest that will not answer.
 */
void dg_post_out(struct devguest *g, uint16_t port, uint32_t len, uint32_t value);

/** dg_flap() - have the guest write @value and @value ^ 2 to @port in turn, as fast as it can,
 * until dg_flap_end(), which returns how often. */
void dg_flap(struct devguest *g, uint16_t port, uint32_t value);
uint32_t dg_flap_end(struct devguest *g);

void *dg_mem(struct devguest *g, uint64_t gpa);
/** dg_turn() - one turn of the main loop, waiting up to 10 ms. dg_until() - turns until @cond, 10 s
 * at most. */
void dg_turn(struct devguest *g);
bool dg_until(
	struct devguest *g, bool (*cond)(struct devguest *g, const void *arg), const void *arg);
bool dg_until_out(struct devguest *g, unsigned stream, size_t len);
/** dg_event() - the VM's next event, 10 s at most; NONE when it does not come. */
struct vmc_event dg_event(struct devguest *g);

/** dg_console() - bring the console up; vectors 0x41.. and the local APIC on. */
bool dg_console(struct devguest *g, uint64_t features);
void dg_tx(struct devguest *g, unsigned n, const char *text);
size_t dg_input(struct devguest *g, unsigned stream, const char *text);
void dg_output_ready(struct devguest *g, unsigned stream, size_t room);
/** dg_irr() - is the vector waiting in the guest's local APIC? (Its interrupts stay off: they pile
 * up there.) */
bool dg_irr(struct devguest *g, unsigned vector);
struct vmc_device_info dg_info(struct devguest *g, const char *id);

#endif
