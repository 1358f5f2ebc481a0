/*
 * models.h - the device models that machine.c puts together. Owner thread; each is freed with its
 * VM. A model that stays in the event loop has a _detach(), to be called before the loop goes.
 */
#ifndef DEVICES_MODELS_H
#define DEVICES_MODELS_H
#include "devices/net.h"
#include "devices/stream.h"
#include "devices/virtio.h"

struct event_base;

/** virtio_console_new() - virtio 1.2 §5.3; the vdev goes to a transport. @stream: borrowed, lives
 * as long as it. */
int virtio_console_new(struct vmc_vm *vm, const char *stream_name, uint16_t cols, uint16_t rows,
	struct vdev **out, struct dev_stream **stream);

/** virtio_rng_new() - virtio 1.2 §5.4: at most @rate bytes a second, 0 for no limit. */
int virtio_rng_new(struct vmc_vm *vm, struct event_base *base, uint64_t rate, struct vdev **out);

/** virtio_net_new() - virtio 1.2 §5.1; the vdev goes to a transport. @net: borrowed, lives as long as
 * it. */
int virtio_net_new(struct vmc_vm *vm, const struct dev_net_config *cfg, struct vdev **out,
	struct dev_net **net);
struct balloon_info;
/** virtio_balloon_new() - virtio 1.2 §5.5. @changed: its size has changed, in bytes; main loop, at most once a second,
 * may be NULL. */
int virtio_balloon_new(struct vmc_vm *vm, struct event_base *base,
	void (*changed)(void *host, uint64_t actual), void *host, struct vdev **out);
/** virtio_balloon_set() - how many bytes the guest shall hand over. */
void virtio_balloon_set(struct vdev *v, uint64_t bytes);
void virtio_balloon_info(const struct vdev *v, struct balloon_info *info);
/** virtio_balloon_held() - bytes of [gpa, gpa + len), whole pages, that are handed over. */
uint64_t virtio_balloon_held(const struct vdev *v, uint64_t gpa, uint64_t len);
/** virtio_balloon_poll() - ask for statistics now and then every @interval_ms, for the next @for_ms. */
void virtio_balloon_poll(struct vdev *v, uint32_t interval_ms, uint32_t for_ms);

struct vsock_config;
/** virtio_vsock_new() - virtio 1.2 §5.10, by the kernel's vhost-vsock. */
int virtio_vsock_new(struct vmc_vm *vm, struct event_base *base, const struct vsock_config *cfg,
	struct vdev **out);

struct uart8250;
/** uart8250_new() - a 16550A at @port with its line on @gsi, added to @vm as @id. */
int uart8250_new(struct vmc_vm *vm, struct event_base *base, uint16_t port, uint32_t gsi,
	const char *id, const char *stream_name, struct uart8250 **out, struct dev_stream **stream);
void uart8250_detach(struct uart8250 *u);

struct rtc;
/** rtc_new() - CMOS clock and memory at 0x70/0x71, GSI 8. */
int rtc_new(struct vmc_vm *vm, struct event_base *base, struct rtc **out);
void rtc_detach(struct rtc *r);

/** i8042_new() - keyboard controller without a keyboard at 0x60/0x64, GSI 1. */
int i8042_new(struct vmc_vm *vm);

/** debug_exit_new() - a write of v to @port ends the VM with code v. */
int debug_exit_new(struct vmc_vm *vm, uint16_t port);

/** pvpanic_new() - the guest's way to say that it has panicked. */
int pvpanic_new(struct vmc_vm *vm);

#endif
