/*
 * stream.h - a byte stream between a device model (virtio-console, 8250) and its host end (vitrine-vm's
 * console server). All calls are made on the main loop thread with the device lock held.
 *
 * No byte is lost: whoever cannot take all says how much it took, and says later that there is room.
 */
#ifndef DEVICES_STREAM_H
#define DEVICES_STREAM_H
#include <stddef.h>
#include <stdint.h>

struct dev_stream;

/* The host end's side; set by vitrine-vm before the guest runs. */
struct dev_stream_host_ops {
	/* guest -> host: take up to @len bytes, return how many. Fewer than @len: the device keeps the
	 * rest and pops its queue no further until dev_stream_host_ready(). */
	size_t (*output)(void *host, const void *buf, size_t len);
	/* the guest has room again (dev_stream_input() took less than it was given before) */
	void (*input_ready)(void *host);
};

/* The device's side. */
struct dev_stream_dev_ops {
	size_t (*input)(void *dev, const void *buf, size_t len); /* returns bytes taken */
	void (*output_ready)(void *dev);
	void (*resize)(void *dev, uint16_t cols, uint16_t rows); /* NULL: has no size */
};

struct dev_stream {
	const char *name; /* "hvc0", "ttyS0" */
	const struct dev_stream_dev_ops *dev_ops;
	void *dev;
	const struct dev_stream_host_ops *host_ops; /* NULL: output is dropped, input never comes */
	void *host;
};

static inline size_t dev_stream_output(struct dev_stream *s, const void *buf, size_t len)
{
	return s->host_ops ? s->host_ops->output(s->host, buf, len) : len;
}

static inline size_t dev_stream_input(struct dev_stream *s, const void *buf, size_t len)
{
	return s->dev_ops->input(s->dev, buf, len);
}

#endif
