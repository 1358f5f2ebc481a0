/* devfix.c - the machine's devices on a fake VM (devfix.h). */
#include "tests/lib/devfix.h"

#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static size_t host_output(void *host, const void *buf, size_t len)
{
	struct fix_host *h = host;
	size_t n = h->room < len ? h->room : len;

	h->calls++;
	if (n > sizeof(h->out) - h->len)
		n = sizeof(h->out) - h->len;
	memcpy(h->out + h->len, buf, n);
	h->len += n;
	h->room -= n;
	return n;
}

static void host_input_ready(void *host)
{
	struct fix_host *h = host;
	size_t n;

	h->ready++;
	if (!h->pending_len)
		return;
	n = dev_stream_input(h->stream, h->pending, h->pending_len);
	h->pending += n;
	h->pending_len -= n;
}

static const struct dev_stream_host_ops host_ops = { host_output, host_input_ready };

static void drv_pio(void *ctx, uint16_t port, void *data, uint32_t len, bool write)
{
	fake_io(ctx, VMC_BUS_PIO, port, data, len, write);
}

static void drv_mmio(void *ctx, uint64_t addr, void *data, uint32_t len, bool write)
{
	fake_io(ctx, VMC_BUS_MMIO, addr, data, len, write);
}

static void *drv_mem(void *ctx, uint64_t gpa)
{
	return fake_ram(ctx, gpa);
}

static void die(const char *what)
{
	fprintf(stderr, "devfix: %s\n", what);
	abort();
}

void fix_find(struct fix *f, struct vdrv *d, unsigned slot)
{
	const struct vdrv_io io = { f->vm, drv_pio, drv_mmio, drv_mem };

	if (!vdrv_find(d, &io, slot))
		die("no virtio device in this slot");
}

struct fix *fix_new(void)
{
	const struct machine_config cfg = { .cols = 80, .rows = 24 };

	return fix_new_with(&cfg);
}

struct fix *fix_new_with(const struct machine_config *cfg)
{
	struct fix *f = calloc(1, sizeof(*f));
	unsigned i;

	if (!f)
		die("no memory");
	f->vm = fake_vm_new(FIX_RAM);
	f->base = event_base_new();
	if (!f->base || machine_new(f->vm, f->base, cfg, &f->m) < 0)
		die("machine_new");
	for (i = 0; i < 2; i++) {
		f->host[i].stream = machine_stream(f->m, i);
		f->host[i].stream->host_ops = &host_ops;
		f->host[i].stream->host = &f->host[i];
		f->host[i].room = SIZE_MAX;
	}
	fix_find(f, &f->d, 1);
	return f;
}

void fix_free(struct fix *f)
{
	machine_free(f->m);
	fake_vm_free(f->vm);
	event_base_free(f->base);
	free(f);
}

static void too_long(evutil_socket_t fd, short what, void *arg)
{
	event_base_loopbreak(arg);
}

/* The loop ends by itself when nothing is left to do; something that kicks itself for ever is
 * stopped. */
bool fix_run(struct fix *f)
{
	const struct timeval limit = { 20, 0 };
	struct event *timer = evtimer_new(f->base, too_long, f->base);
	bool done;

	event_add(timer, &limit);
	event_base_loop(f->base, EVLOOP_NONBLOCK);
	done = !event_base_got_break(f->base);
	event_free(timer);
	return done;
}

void fix_wait(struct fix *f, int ms)
{
	const struct timeval limit = { ms / 1000, ms % 1000 * 1000 };
	struct event *timer = evtimer_new(f->base, too_long, f->base);

	event_add(timer, &limit);
	event_base_loop(f->base, EVLOOP_ONCE);
	event_free(timer);
}

void fix_start(struct fix *f, uint64_t features, uint16_t size)
{
	if (vdrv_start(&f->d, features, size, FIX_RING, FIX_MSI) != 15 || !fix_run(f))
		die("the console did not come up");
}

void fix_tx(struct fix *f, unsigned n, uint64_t gpa, const char *text)
{
	memcpy(fake_ram(f->vm, gpa), text, strlen(text));
	vdrv_set_desc(&f->d, 1, n, gpa, strlen(text), 0, 0);
	vdrv_add(&f->d, 1, n);
	vdrv_kick(&f->d, 1);
}

void fix_rx_buffers(struct fix *f, unsigned count, uint32_t len)
{
	unsigned i;

	for (i = 0; i < count; i++) {
		vdrv_set_desc(&f->d, 0, i, 0x200000 + i * (uint64_t)len, len, VD_WRITE, 0);
		vdrv_add(&f->d, 0, i);
	}
	vdrv_kick(&f->d, 0);
}

size_t fix_input(struct fix *f, unsigned stream, const void *buf, size_t len)
{
	size_t n;

	vmc_device_lock(f->vm);
	n = dev_stream_input(f->host[stream].stream, buf, len);
	vmc_device_unlock(f->vm);
	return n;
}

void fix_output_ready(struct fix *f, unsigned stream, size_t room)
{
	struct dev_stream *s = f->host[stream].stream;

	f->host[stream].room = room;
	vmc_device_lock(f->vm);
	s->dev_ops->output_ready(s->dev);
	vmc_device_unlock(f->vm);
}

struct vmc_device_info fix_info(struct fix *f, const char *id)
{
	struct vmc_device_info info;

	fake_describe(f->vm, id, &info);
	return info;
}
