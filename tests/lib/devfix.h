/*
 * devfix.h - the machine's devices on a fake VM, with recording host ends: what the device unit
 * tests start from.
 */
#ifndef TESTS_DEVFIX_H
#define TESTS_DEVFIX_H
#include "devices/machine.h"
#include "tests/lib/fakevm.h"
#include "tests/lib/vdriver.h"

#define FIX_RAM  (16u << 20)
#define FIX_MSI  0x41u     /* data of vector 0; 1 and 2 follow */
#define FIX_RING 0x100000u /* where fix_start() puts the queues */

struct fix_host {
	uint8_t out[1 << 20];
	size_t len, room; /* takes up to @room bytes in all */
	unsigned calls, ready;
	const char *pending; /* given to the guest from input_ready() */
	size_t pending_len;
	struct dev_stream *stream;
};

struct fix {
	struct vmc_vm *vm;
	struct event_base *base;
	struct machine *m;
	struct vdrv d; /* the console's driver */
	struct fix_host host[2];
};

struct fix *fix_new(void);
/** fix_new_with() - a machine with more than the console in it. */
struct fix *fix_new_with(const struct machine_config *cfg);
/** fix_find() - another device's driver. Aborts when there is none in @slot. */
void fix_find(struct fix *f, struct vdrv *d, unsigned slot);
void fix_free(struct fix *f);
/** fix_run() - what the main loop has to do, until it is idle. Return: false when it never is. */
bool fix_run(struct fix *f);
/** fix_wait() - let the loop run until something happens, at most @ms. */
void fix_wait(struct fix *f, int ms);
/** fix_start() - bring the console up with @features (VERSION_1 added), queues of @size. Aborts on
 * failure. */
void fix_start(struct fix *f, uint64_t features, uint16_t size);
/** fix_tx() - queue @text as one buffer with descriptor @n at @gpa and kick. */
void fix_tx(struct fix *f, unsigned n, uint64_t gpa, const char *text);
/** fix_rx_buffers() - hand in @count buffers of @len bytes (descriptors 0.., at 0x200000). */
void fix_rx_buffers(struct fix *f, unsigned count, uint32_t len);
size_t fix_input(struct fix *f, unsigned stream, const void *buf, size_t len);
void fix_output_ready(struct fix *f, unsigned stream, size_t room);
struct vmc_device_info fix_info(struct fix *f, const char *id);

#endif
