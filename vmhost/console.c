/*
 * console.c - see console.h. Main thread. Stream callbacks come with the device lock held
 * (devices/stream.h): they only copy and mark; sockets are written later, from flush().
 */
#include "vmhost/console.h"
#include "devices/stream.h"
#include "vmhost/history.h"
#include "vmhost/listener.h"
#include "vmhost/log.h"
#include <errno.h>
#include <event2/event.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define MAX_CLIENTS 16
#define INPUT_SIZE  4096
#define ROUND       65536 /* bytes a client gets before the others have their turn */

/* Ends whatever sequence the old screen was in the middle of, then resets the terminal (RIS). */
static const char screen_reset[] = "\030\033c";

struct client {
	struct console *console;
	int fd; /* -1: free slot */
	struct event *rd, *wr;
	uint64_t pos;       /* in the stream: the next byte it gets */
	const char *prefix; /* of screen_reset: goes out before pos */
	bool deaf;          /* takes no more output; what it sent is still wanted */
	bool finished;      /* sends no more; still wants output */
};

struct console {
	struct event_base *base;
	struct vmc_vm *vm;
	struct dev_stream *stream;
	struct log *log;
	struct listener *listener;
	struct event *flush_ev, *reap_ev;
	struct history history;
	struct client clients[MAX_CLIENTS];
	bool stalled;    /* the device was told that we cannot take all */
	bool input_wait; /* the device has said that it cannot take all */
	size_t in_len;
	uint8_t input[INPUT_SIZE];
};

static void flush(evutil_socket_t fd, short what, void *arg);

static bool in_use(const struct client *cl)
{
	return cl->fd >= 0;
}

static void drop(struct client *cl)
{
	event_free(cl->rd);
	event_free(cl->wr);
	close(cl->fd);
	cl->rd = cl->wr = NULL;
	cl->fd = -1;
}

/* The oldest position that somebody still needs. */
static uint64_t needed_from(const struct console *c)
{
	uint64_t pos = c->history.total;

	for (unsigned i = 0; i < MAX_CLIENTS; i++)
		if (in_use(&c->clients[i]) && !c->clients[i].deaf && c->clients[i].pos < pos)
			pos = c->clients[i].pos;
	return pos;
}

static size_t room(const struct console *c)
{
	return c->history.size - (size_t)(c->history.total - needed_from(c));
}

/* stream: guest -> host. */
static size_t host_output(void *host, const void *buf, size_t len)
{
	struct console *c = host;
	size_t n = room(c);

	if (n >= len)
		n = len;
	else
		c->stalled = true;
	if (n) {
		history_put(&c->history, buf, n);
		event_active(c->flush_ev, EV_WRITE, 0);
	}
	return n;
}

static void host_input_ready(void *host)
{
	struct console *c = host;

	c->input_wait = false;
	event_active(c->flush_ev, EV_WRITE, 0);
}

static const struct dev_stream_host_ops host_ops = {host_output, host_input_ready};

static bool input_full(const struct console *c)
{
	return c->in_len == INPUT_SIZE;
}

/* Reading is on for a client when there is room for what it sends. */
static void want_input(struct console *c)
{
	for (unsigned i = 0; i < MAX_CLIENTS; i++) {
		struct client *cl = &c->clients[i];

		if (!in_use(cl) || cl->finished)
			continue;
		if (input_full(c))
			event_del(cl->rd);
		else
			event_add(cl->rd, NULL);
	}
}

static void feed_guest(struct console *c)
{
	size_t n;

	if (!c->in_len || c->input_wait || !c->stream)
		return;
	vmc_device_lock(c->vm);
	n = dev_stream_input(c->stream, c->input, c->in_len);
	vmc_device_unlock(c->vm);
	if (n < c->in_len)
		c->input_wait = true;
	memmove(c->input, c->input + n, c->in_len - n);
	c->in_len -= n;
	if (n)
		want_input(c);
}

/* Tell a stalled guest that there is room, once it is worth its while. */
static void let_guest_go_on(struct console *c)
{
	if (!c->stalled || room(c) < c->history.size / 4)
		return;
	c->stalled = false;
	vmc_device_lock(c->vm);
	c->stream->dev_ops->output_ready(c->stream->dev);
	vmc_device_unlock(c->vm);
}

/* Gone for output; gone altogether when it has nothing more to say. */
static void hang_up(struct client *cl)
{
	cl->deaf = true;
	event_del(cl->wr);
	if (cl->finished)
		drop(cl);
}

static ssize_t send_some(struct client *cl)
{
	struct console *c = cl->console;
	struct iovec iov[3];
	struct msghdr msg = {.msg_iov = iov};
	int n = 0, pieces;
	size_t len = 0;

	if (cl->prefix) {
		iov[n].iov_base = (char *)cl->prefix;
		iov[n++].iov_len = strlen(cl->prefix);
	}
	pieces = history_peek(&c->history, cl->pos, iov + n);
	for (int i = n; i < n + pieces; i++) {
		if (iov[i].iov_len > ROUND - len)
			iov[i].iov_len = ROUND - len;
		len += iov[i].iov_len;
	}
	msg.msg_iovlen = (size_t)(n + pieces);
	return msg.msg_iovlen ? sendmsg(cl->fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT) : 0;
}

static void sent(struct client *cl, size_t n)
{
	if (cl->prefix) {
		size_t p = strlen(cl->prefix);

		if (n < p) {
			cl->prefix += n;
			return;
		}
		cl->prefix = NULL;
		n -= p;
	}
	cl->pos += n;
}

static void pump(struct client *cl)
{
	ssize_t n;

	if (cl->deaf)
		return;
	n = send_some(cl);
	if (n < 0 && errno != EAGAIN && errno != EINTR) {
		hang_up(cl);
		return;
	}
	if (n > 0)
		sent(cl, (size_t)n);
	if (cl->prefix || cl->pos < cl->console->history.total)
		event_add(cl->wr, NULL);
	else
		event_del(cl->wr);
}

static void flush(evutil_socket_t fd, short what, void *arg)
{
	struct console *c = arg;

	for (unsigned i = 0; i < MAX_CLIENTS; i++)
		if (in_use(&c->clients[i]))
			pump(&c->clients[i]);
	let_guest_go_on(c);
	feed_guest(c);
}

static void client_write(evutil_socket_t fd, short what, void *arg)
{
	struct client *cl = arg;
	struct console *c = cl->console;

	pump(cl);
	let_guest_go_on(c);
}

/* A client that sends no more may be gone or may just listen: only POLLHUP tells. */
static void reap(evutil_socket_t fd, short what, void *arg)
{
	const struct timeval second = {1, 0};
	struct console *c = arg;
	bool again = false;

	for (unsigned i = 0; i < MAX_CLIENTS; i++) {
		struct client *cl = &c->clients[i];
		struct pollfd p = {.fd = cl->fd};

		if (!in_use(cl) || !cl->finished)
			continue;
		if (poll(&p, 1, 0) > 0 && (p.revents & (POLLHUP | POLLERR)))
			drop(cl);
		else
			again = true;
	}
	if (again)
		event_add(c->reap_ev, &second);
	let_guest_go_on(c);
}

static void client_read(evutil_socket_t fd, short what, void *arg)
{
	struct client *cl = arg;
	struct console *c = cl->console;
	ssize_t n = recv(fd, c->input + c->in_len, INPUT_SIZE - c->in_len, MSG_DONTWAIT);

	if (n > 0) {
		c->in_len += (size_t)n;
		if (input_full(c))
			want_input(c);
		feed_guest(c);
		return;
	}
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	cl->finished = true;
	event_del(cl->rd);
	if (cl->deaf)
		drop(cl);
	else
		reap(-1, 0, c);
}

/* A slot; the gone ones whose last words wait for the guest make room for the living. */
static struct client *free_slot(struct console *c)
{
	reap(-1, 0, c);
	for (unsigned i = 0; i < MAX_CLIENTS; i++)
		if (!in_use(&c->clients[i]))
			return &c->clients[i];
	for (unsigned i = 0; i < MAX_CLIENTS; i++)
		if (c->clients[i].deaf) {
			drop(&c->clients[i]);
			return &c->clients[i];
		}
	return NULL;
}

static void add_client(void *arg, int fd)
{
	struct console *c = arg;
	struct client *cl = free_slot(c);

	if (!cl) {
		log_line(c->log, "%s: %d clients are attached, one more was turned away",
			c->stream ? c->stream->name : "console", MAX_CLIENTS);
		close(fd);
		return;
	}
	memset(cl, 0, sizeof(*cl));
	cl->console = c;
	cl->fd = fd;
	cl->pos = c->history.start;
	cl->rd = event_new(c->base, fd, EV_READ | EV_PERSIST, client_read, cl);
	cl->wr = event_new(c->base, fd, EV_WRITE | EV_PERSIST, client_write, cl);
	if (!cl->rd || !cl->wr) {
		if (cl->rd)
			event_free(cl->rd);
		cl->fd = -1;
		close(fd);
		return;
	}
	want_input(c);
	pump(cl);
}

int console_new(struct event_base *base, struct vmc_vm *vm, int listen_fd, size_t history,
	struct log *log, struct console **out)
{
	struct console *c = calloc(1, sizeof(*c));
	int rc;

	if (!c)
		return -ENOMEM;
	for (unsigned i = 0; i < MAX_CLIENTS; i++)
		c->clients[i].fd = -1;
	c->base = base;
	c->vm = vm;
	c->log = log;
	rc = history_init(&c->history, history);
	if (rc < 0)
		goto err;
	rc = -ENOMEM;
	c->flush_ev = event_new(base, -1, 0, flush, c);
	c->reap_ev = event_new(base, -1, 0, reap, c);
	if (!c->flush_ev || !c->reap_ev ||
		listener_new(base, listen_fd, "console", log, add_client, c, &c->listener) < 0)
		goto err;
	*out = c;
	return 0;
err:
	console_free(c);
	return rc;
}

void console_bind(struct console *c, struct dev_stream *stream)
{
	c->stream = stream;
	stream->host = c;
	stream->host_ops = &host_ops;
}

void console_free(struct console *c)
{
	if (!c)
		return;
	if (c->stream) {
		c->stream->host_ops = NULL;
		c->stream->host = NULL;
	}
	for (unsigned i = 0; i < MAX_CLIENTS; i++)
		if (in_use(&c->clients[i]))
			drop(&c->clients[i]);
	listener_free(c->listener);
	if (c->flush_ev)
		event_free(c->flush_ev);
	if (c->reap_ev)
		event_free(c->reap_ev);
	history_free(&c->history);
	free(c);
}

void console_info(const struct console *c, struct console_info *out)
{
	memset(out, 0, sizeof(*out));
	out->name = c->stream ? c->stream->name : "";
	out->history = c->history.total - c->history.start;
	out->total = c->history.total;
	out->stalled = c->stalled;
	for (unsigned i = 0; i < MAX_CLIENTS; i++)
		out->clients += in_use(&c->clients[i]) && !c->clients[i].deaf;
}

void console_save(const struct console *c, struct vmc_out *out)
{
	struct iovec iov[2];
	int n = history_peek(&c->history, c->history.start, iov);

	vmc_out_u64(out, c->history.total);
	vmc_out_u64(out, c->history.total - c->history.start);
	for (int i = 0; i < n; i++)
		vmc_out_bytes(out, iov[i].iov_base, iov[i].iov_len);
}

static int parse(struct vmc_in *in, const uint8_t **data, size_t *len, uint64_t *total)
{
	uint64_t n;

	*total = vmc_in_u64(in);
	n = vmc_in_u64(in);
	if (in->error)
		return in->error;
	if (n > in->len - in->pos || n > *total)
		return vmc_in_fail(in, -EBADMSG, "console history is longer than its file");
	*data = in->data + in->pos;
	*len = (size_t)n;
	in->pos += (size_t)n;
	return 0;
}

int console_check(struct vmc_in *in)
{
	const uint8_t *data;
	uint64_t total;
	size_t len;

	return parse(in, &data, &len, &total);
}

int console_load(struct console *c, struct vmc_in *in)
{
	const uint8_t *data = NULL;
	uint64_t total = 0;
	size_t len = 0;
	int rc = parse(in, &data, &len, &total);

	if (rc < 0)
		return rc;
	history_set(&c->history, data, len, total);
	for (unsigned i = 0; i < MAX_CLIENTS; i++) {
		c->clients[i].pos = c->history.start;
		c->clients[i].prefix = screen_reset;
	}
	c->input_wait = false; /* the restored device does not know of it; */
	c->stalled = true;     /* and it may hold output of its own */
	event_active(c->flush_ev, EV_WRITE, 0);
	return 0;
}
