/*
 * conn.c - a connection to a VM's control socket: bytes, lines, and who gets which reply. The caller's
 * thread; never blocks. QMP as docs/protocol.md has it.
 *
 * The VM process may be hostile: lines and queues are bounded, and whatever breaks the protocol ends the
 * connection with a reason. Any callback may send commands or close the connection.
 */
#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "vmcore/client/conn.h"

#define READ_CHUNK  (64u << 10)
#define READ_BUDGET (1u << 20) /* bytes a call of vmc_conn_process(), so that other VMs get their turn */

static void conn_free(struct vmc_conn *conn)
{
	if (conn->fd >= 0)
		close(conn->fd);
	sample_store_free(conn->samples);
	free(conn->pending);
	free(conn->in);
	free(conn->out);
	free(conn);
}

static void conn_enter(struct vmc_conn *conn)
{
	conn->depth++;
}

static void conn_leave(struct vmc_conn *conn)
{
	if (--conn->depth == 0 && conn->freed)
		conn_free(conn);
}

/* Tells everybody who waits, once; the socket is gone already. */
static void drop_waiters(struct vmc_conn *conn, const char *why)
{
	while (conn->npending) {
		struct conn_pending p = conn->pending[0];

		memmove(conn->pending, conn->pending + 1, --conn->npending * sizeof(p));
		p.fn(conn, &p, -ECONNRESET, why, NULL);
	}
	conn_jobs_end(conn, why);
}

static void end_socket(struct vmc_conn *conn)
{
	conn->ended = true;
	if (conn->fd >= 0)
		close(conn->fd);
	conn->fd = -1;
}

void conn_end(struct vmc_conn *conn, const char *fmt, ...)
{
	char why[VMC_MSG_SIZE];
	va_list ap;

	if (conn->ended)
		return;
	va_start(ap, fmt);
	vsnprintf(why, sizeof(why), fmt, ap);
	va_end(ap);
	conn_enter(conn);
	end_socket(conn);
	drop_waiters(conn, why);
	if (conn->ops.closed && !conn->freed)
		conn->ops.closed(conn->arg, why);
	conn_leave(conn);
}

void vmc_conn_close(struct vmc_conn *conn)
{
	if (!conn || conn->freed)
		return;
	conn_enter(conn);
	conn->freed = true;
	if (!conn->ended) {
		end_socket(conn);
		drop_waiters(conn, "the connection was closed");
	}
	conn_leave(conn);
}

int vmc_conn_fd(const struct vmc_conn *conn)
{
	return conn->fd;
}

short vmc_conn_poll_events(const struct vmc_conn *conn)
{
	if (conn->fd < 0)
		return 0;
	return conn->out_len > conn->out_sent ? POLLIN | POLLOUT : POLLIN;
}

/* ---- sending ---- */

static int out_append(struct vmc_conn *conn, const char *text, size_t len)
{
	if (conn->out_sent) {
		conn->out_len -= conn->out_sent;
		memmove(conn->out, conn->out + conn->out_sent, conn->out_len);
		conn->out_sent = 0;
	}
	if (conn->out_len + len > CONN_OUT_LIMIT)
		return -ENOBUFS;
	if (conn->out_len + len > conn->out_cap) {
		size_t cap = conn->out_cap ? conn->out_cap : 4096;
		char *p;

		while (cap < conn->out_len + len)
			cap *= 2;
		p = realloc(conn->out, cap);
		if (!p)
			return -ENOMEM;
		conn->out = p;
		conn->out_cap = cap;
	}
	memcpy(conn->out + conn->out_len, text, len);
	conn->out_len += len;
	return 0;
}

static int send_json(struct vmc_conn *conn, json_t *cmd)
{
	char *text = json_dumps(cmd, JSON_COMPACT);
	size_t len = text ? strlen(text) : 0;
	int rc = -ENOMEM;

	if (text) {
		text[len] = '\n'; /* in place of the NUL */
		rc = len < CONN_LINE_LIMIT ? out_append(conn, text, len + 1) : -E2BIG;
	}
	free(text);
	return rc;
}

static int pending_room(struct vmc_conn *conn)
{
	struct conn_pending *p;
	size_t cap;

	if (conn->npending == CONN_PENDING_LIMIT)
		return -ENOBUFS;
	if (conn->npending < conn->pending_cap)
		return 0;
	cap = conn->pending_cap ? conn->pending_cap * 2 : 16;
	p = realloc(conn->pending, cap * sizeof(*p));
	if (!p)
		return -ENOMEM;
	conn->pending = p;
	conn->pending_cap = cap;
	return 0;
}

int conn_send(struct vmc_conn *conn, const char *command, json_t *args, const struct conn_pending *p)
{
	json_t *cmd = NULL;
	int rc;

	if (conn->ended) {
		json_decref(args);
		return -EPIPE;
	}
	rc = pending_room(conn);
	if (rc == 0) {
		cmd = json_pack("{s:s, s:I}", "execute", command, "id", (json_int_t)conn->next_id);
		rc = cmd ? 0 : -ENOMEM;
	}
	if (rc == 0 && args && json_object_set(cmd, "arguments", args) < 0)
		rc = -ENOMEM;
	if (rc == 0)
		rc = send_json(conn, cmd);
	if (rc == 0) {
		conn->pending[conn->npending] = *p;
		conn->pending[conn->npending++].id = conn->next_id++;
	}
	json_decref(cmd);
	json_decref(args);
	return rc;
}

static void conn_write(struct vmc_conn *conn)
{
	while (!conn->ended && conn->out_sent < conn->out_len) {
		ssize_t n = send(conn->fd, conn->out + conn->out_sent, conn->out_len - conn->out_sent,
			MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
			return;
		if (n < 0)
			return; /* reading tells the end, after what is still there to read */
		conn->out_sent += (size_t)n;
	}
	conn->out_len = conn->out_sent = 0;
}

/* ---- what comes in ---- */

static int error_rc(const char *class)
{
	if (class && !strcmp(class, "CommandNotFound"))
		return -ENOSYS;
	if (class && !strcmp(class, "DeviceNotFound"))
		return -ENODEV; /* -ENOENT is a VM that is not there */
	return -EIO;
}

static void got_reply(struct vmc_conn *conn, json_t *msg, json_t *value, json_t *error)
{
	const char *desc = json_string_value(json_object_get(error, "desc"));
	json_t *id = json_object_get(msg, "id");
	struct conn_pending p;
	size_t i;

	for (i = 0; i < conn->npending; i++) {
		if (json_is_integer(id) && (uint64_t)json_integer_value(id) == conn->pending[i].id)
			break;
	}
	if (i == conn->npending) {
		conn_end(conn, "%s: answered a command that was not sent%s%.200s", conn->vm, desc ? ": " : "",
			desc ? desc : "");
		return;
	}
	p = conn->pending[i];
	memmove(conn->pending + i, conn->pending + i + 1, (--conn->npending - i) * sizeof(p));
	if (error)
		p.fn(conn, &p, error_rc(json_string_value(json_object_get(error, "class"))),
			desc ? desc : "failed without saying why", NULL);
	else
		p.fn(conn, &p, 0, NULL, value);
}

static void got_event(struct vmc_conn *conn, const char *name, json_t *data)
{
	struct vmc_sample sample;
	char *text;

	if (!strcmp(name, "X_SAMPLE")) {
		if (conn->ops.sample && sample_parse(conn->samples, data, &sample) == 0)
			conn->ops.sample(conn->arg, &sample);
		return;
	}
	if (!strcmp(name, "JOB_STATUS_CHANGE") || !strcmp(name, "X_JOB_PROGRESS"))
		conn_job_event(conn, name, data);
	if (!conn->ops.event || conn->ended)
		return;
	text = data ? json_dumps(data, JSON_COMPACT | JSON_ENCODE_ANY) : NULL;
	conn->ops.event(conn->arg, name, text ? text : "{}");
	free(text);
}

static void got_line(struct vmc_conn *conn, char *line, size_t len)
{
	json_t *msg, *value, *error;
	json_error_t why;

	len = sample_take_cells(conn->samples, line, len);
	msg = json_loadb(line, len, JSON_REJECT_DUPLICATES, &why);
	if (!json_is_object(msg)) {
		conn_end(conn, "%s: what it said is no JSON object: %.100s", conn->vm, msg ? "" : why.text);
	} else if (!conn->greeted) {
		conn->greeted = json_is_object(json_object_get(msg, "QMP"));
		if (!conn->greeted)
			conn_end(conn, "%s: greeted with something that is not QMP", conn->vm);
	} else if ((value = json_object_get(msg, "return"))) {
		got_reply(conn, msg, value, NULL);
	} else if ((error = json_object_get(msg, "error"))) {
		got_reply(conn, msg, NULL, error);
	} else if (json_is_string(json_object_get(msg, "event"))) {
		got_event(conn, json_string_value(json_object_get(msg, "event")), json_object_get(msg, "data"));
	}
	json_decref(msg);
}

static void take_lines(struct vmc_conn *conn)
{
	size_t start = 0, len;
	char *nl;

	while (!conn->ended) {
		nl = memchr(conn->in + conn->in_seen, '\n', conn->in_len - conn->in_seen);
		if (!nl) {
			conn->in_seen = conn->in_len;
			break;
		}
		conn->in_seen = (size_t)(nl - conn->in) + 1;
		len = conn->in_seen - 1 - start;
		if (len > 1) /* else empty, or a lone \r */
			got_line(conn, conn->in + start, len);
		start = conn->in_seen;
	}
	if (start) {
		conn->in_len -= start;
		conn->in_seen -= start;
		memmove(conn->in, conn->in + start, conn->in_len);
	}
}

static int in_room(struct vmc_conn *conn)
{
	size_t cap = conn->in_cap ? conn->in_cap * 2 : READ_CHUNK * 2;
	char *p;

	if (conn->in_len > CONN_IN_LIMIT) {
		conn_end(conn, "%s: a line of more than %u MiB", conn->vm, CONN_IN_LIMIT >> 20);
		return -EPIPE;
	}
	if (conn->in_cap - conn->in_len >= READ_CHUNK)
		return 0;
	p = realloc(conn->in, cap);
	if (!p) {
		conn_end(conn, "%s: no memory for what it says", conn->vm);
		return -EPIPE;
	}
	conn->in = p;
	conn->in_cap = cap;
	return 0;
}

static void conn_read(struct vmc_conn *conn)
{
	size_t total = 0;

	while (!conn->ended && total < READ_BUDGET) {
		ssize_t n;

		if (in_room(conn) < 0)
			return;
		n = recv(conn->fd, conn->in + conn->in_len, conn->in_cap - conn->in_len, MSG_DONTWAIT);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
			return;
		if (n <= 0) {
			conn_end(conn, "%s: %s", conn->vm, n < 0 ? strerror(errno) : "its process has ended");
			return;
		}
		total += (size_t)n;
		conn->in_len += (size_t)n;
		take_lines(conn);
	}
}

int vmc_conn_process(struct vmc_conn *conn)
{
	int rc;

	if (conn->ended)
		return -EPIPE;
	conn_enter(conn);
	conn_write(conn);
	conn_read(conn);
	conn_write(conn); /* what the callbacks asked for */
	rc = conn->ended ? -EPIPE : 0;
	conn_leave(conn);
	return rc;
}

/* ---- opening ---- */

static void negotiated(struct vmc_conn *conn, const struct conn_pending *p, int rc, const char *error,
	json_t *value)
{
	if (rc == -ECONNRESET)
		return;
	if (rc < 0) {
		conn_end(conn, "%s: refused to negotiate: %.200s", conn->vm, error);
		return;
	}
	conn->ready = true;
	if (conn->ops.ready)
		conn->ops.ready(conn->arg);
}

int conn_open_fd(const char *vm, int fd, const struct vmc_conn_ops *ops, void *arg, struct vmc_conn **out)
{
	const struct conn_pending negotiation = { .fn = negotiated };
	struct vmc_conn *conn = calloc(1, sizeof(*conn));

	if (conn) {
		conn->fd = fd;
		conn->ops = *ops;
		conn->arg = arg;
		conn->next_id = 1;
		snprintf(conn->vm, sizeof(conn->vm), "%s", vm);
		conn->samples = sample_store_new();
	}
	/* The greeting is not waited for: commands are read in order, this one first. */
	if (!conn || !conn->samples || conn_send(conn, "qmp_capabilities", NULL, &negotiation) < 0) {
		if (conn)
			conn_free(conn);
		else
			close(fd);
		return -ENOMEM;
	}
	*out = conn;
	return 0;
}

static int connect_failed(const char *vm, int rc, char *err, size_t err_size)
{
	switch (rc) {
	case -EINVAL:
		return client_fail(err, err_size, rc, "'%s' cannot be the name of a VM", vm ? vm : "");
	case -ENOENT:
	case -ECONNREFUSED:
		return client_fail(err, err_size, -ENOENT, "no VM named '%s' is running", vm);
	case -EAGAIN:
		return client_fail(err, err_size, rc, "%s: its process does not take new connections; see its log", vm);
	default:
		return client_fail(err, err_size, rc, "%s: cannot connect to its control socket: %s", vm,
			strerror(-rc));
	}
}

int vmc_conn_open(const char *vm, const struct vmc_conn_ops *ops, void *arg, struct vmc_conn **out, char *err,
	size_t err_size)
{
	int fd, rc = client_connect(vm, &fd);

	if (rc < 0)
		return connect_failed(vm, rc, err, err_size);
	rc = conn_open_fd(vm, fd, ops, arg, out);
	return rc < 0 ? client_fail(err, err_size, rc, "%s: no memory for a connection", vm) : 0;
}
