/*
 * control.c - see control.h. Main thread. A client that does not read is not waited for: its
 * commands stay unread once a bound of replies is waiting, and events beyond a second bound close
 * it.
 */
#include "vmhost/control.h"
#include "vmhost/heat.h"
#include "vmhost/host.h"
#include "vmhost/listener.h"
#include "vmhost/log.h"
#include "vmhost/qmp.h"
#include "vmhost/qmp_line.h"
#include "vmhost/subscribe.h"
#include <errno.h>
#include <event2/buffer.h>
#include <event2/event.h>
#include <linux/sockios.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define MAX_CONNS    32
#define OUT_REPLIES  (256 * 1024)      /* no further command is run while more than this waits */
#define OUT_MAX      (8 * 1024 * 1024) /* a client with more than this waiting is closed */
#define LINES_A_TURN 64 /* commands of one client before the others have their turn */

struct qmp_conn {
	struct control *control;
	int fd; /* -1: free slot */
	struct event *rd, *wr, *more;
	struct evbuffer *out;
	struct qmp_lines lines;
	struct qmp_session session;
	struct subscription *sub;
	struct heat *heat;
	bool broken;  /* to be closed once nobody is in its functions */
	bool closing; /* sends no more; closed when it has its answers */
};

struct control {
	struct event_base *base;
	struct host *host;
	struct listener *listener;
	struct qmp_conn conns[MAX_CONNS];
};

static void drop(struct qmp_conn *conn)
{
	subscription_free(conn->sub);
	heat_free(conn->heat);
	if (conn->rd)
		event_free(conn->rd);
	if (conn->wr)
		event_free(conn->wr);
	if (conn->more)
		event_free(conn->more);
	if (conn->out)
		evbuffer_free(conn->out);
	qmp_lines_free(&conn->lines);
	close(conn->fd);
	memset(conn, 0, sizeof(*conn));
	conn->fd = -1;
}

static size_t waiting(const struct qmp_conn *conn)
{
	return evbuffer_get_length(conn->out);
}

/* Write what goes; the rest waits for the socket. */
static void push(struct qmp_conn *conn)
{
	while (!conn->broken && waiting(conn)) {
		if (evbuffer_write(conn->out, conn->fd) >= 0)
			continue;
		if (errno == EAGAIN || errno == EINTR)
			break;
		conn->broken = true;
	}
	if (conn->broken)
		event_active(conn->more, EV_TIMEOUT, 0);
	else if (waiting(conn))
		event_add(conn->wr, NULL);
	else
		event_del(conn->wr);
}

/* Take over @msg and send it as one line. */
static void send_json(struct qmp_conn *conn, json_t *msg)
{
	char *text = msg ? json_dumps(msg, JSON_COMPACT) : NULL;

	json_decref(msg);
	if (!text || conn->broken || evbuffer_add_printf(conn->out, "%s\r\n", text) < 0)
		conn->broken = true;
	if (waiting(conn) > OUT_MAX) {
		log_line(conn->control->host->log, "control: a client does not read, it is closed");
		conn->broken = true;
	}
	free(text);
	push(conn);
}

void conn_event(struct qmp_conn *conn, const char *name, json_t *data)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	if (!conn->session.negotiated || conn->broken) {
		json_decref(data);
		return;
	}
	send_json(conn, json_pack("{s:s, s:o*, s:{s:I, s:i}}", "event", name, "data", data,
				"timestamp", "seconds", (json_int_t)now.tv_sec, "microseconds",
				(int)(now.tv_nsec / 1000)));
}

void control_event(struct control *control, const char *name, json_t *data)
{
	for (unsigned i = 0; control && i < MAX_CONNS; i++)
		if (control->conns[i].fd >= 0)
			conn_event(&control->conns[i], name, data ? json_incref(data) : NULL);
	json_decref(data);
}

bool conn_taken(const struct qmp_conn *conn)
{
	int queued = 0;

	if (waiting(conn))
		return false;
	return ioctl(conn->fd, SIOCOUTQ, &queued) == 0 && queued == 0;
}

void conn_negotiated(struct qmp_conn *conn)
{
	conn->session.negotiated = true;
}

struct subscription **conn_subscription(struct qmp_conn *conn)
{
	return &conn->sub;
}

struct heat **conn_heat(struct qmp_conn *conn)
{
	return &conn->heat;
}

static void too_long(struct qmp_conn *conn)
{
	send_json(conn,
		qmp_error("GenericError", "the line is longer than 64 KiB; it was skipped", NULL));
}

/* Run the whole lines that are there. Return: false when lines may be left. */
static bool run_lines(struct qmp_conn *conn)
{
	enum qmp_line_result got;
	char *line;
	size_t len;

	for (unsigned n = 0; n < LINES_A_TURN; n++) {
		if (conn->broken || waiting(conn) > OUT_REPLIES)
			return false;
		got = qmp_lines_next(&conn->lines, &line, &len);
		if (got == QMP_LINE_NONE)
			return true;
		if (got == QMP_LINE_OK) {
			json_t *reply = qmp_handle(&conn->session, line, len);

			if (reply)
				send_json(conn, reply);
			qmp_lines_done(&conn->lines, len);
		} else {
			too_long(conn);
		}
	}
	return false;
}

/* Reading goes on only when all that was read has been done: so nothing piles up here. */
static void go_on(struct qmp_conn *conn)
{
	bool all = run_lines(conn);

	if (conn->broken) {
		drop(conn);
		return;
	}
	if (all) {
		event_add(conn->rd, NULL);
		return;
	}
	event_del(conn->rd);
	if (waiting(conn) <= OUT_REPLIES)
		event_active(conn->more, EV_TIMEOUT, 0);
}

static void on_more(evutil_socket_t fd, short what, void *arg)
{
	go_on(arg);
}

static void on_write(evutil_socket_t fd, short what, void *arg)
{
	struct qmp_conn *conn = arg;

	push(conn);
	if (conn->closing && !waiting(conn))
		drop(conn);
	else if (conn->broken || (!conn->closing && !event_pending(conn->rd, EV_READ, NULL)))
		go_on(conn);
}

static void on_read(evutil_socket_t fd, short what, void *arg)
{
	struct qmp_conn *conn = arg;
	size_t space;
	char *to = qmp_lines_space(&conn->lines, &space);
	ssize_t n = to ? recv(fd, to, space, MSG_DONTWAIT) : 0;

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		/* All that was asked has been done; some of the answers may still be on their way.
		 */
		conn->closing = n == 0 && waiting(conn);
		conn->session.negotiated = false;
		if (conn->closing)
			event_del(conn->rd);
		else
			drop(conn);
		return;
	}
	qmp_lines_added(&conn->lines, (size_t)n);
	go_on(conn);
}

static json_t *greeting(void)
{
	json_t *version = host_version_json();

	return version ? json_pack("{s:{s:o, s:[]}}", "QMP", "version", version, "capabilities")
		       : NULL;
}

static void add_client(void *arg, int fd)
{
	struct control *control = arg;
	struct qmp_conn *conn = NULL;

	for (unsigned i = 0; i < MAX_CONNS && !conn; i++)
		if (control->conns[i].fd < 0)
			conn = &control->conns[i];
	if (!conn) {
		log_line(control->host->log,
			"control: %d clients are attached, one more was turned away", MAX_CONNS);
		close(fd);
		return;
	}
	memset(conn, 0, sizeof(*conn));
	conn->control = control;
	conn->fd = fd;
	qmp_lines_init(&conn->lines);
	conn->session = (struct qmp_session){
		.host = control->host, .conn = conn, .commands = host_commands()};
	conn->rd = event_new(control->base, fd, EV_READ | EV_PERSIST, on_read, conn);
	conn->wr = event_new(control->base, fd, EV_WRITE | EV_PERSIST, on_write, conn);
	conn->more = event_new(control->base, -1, 0, on_more, conn);
	conn->out = evbuffer_new();
	if (!conn->rd || !conn->wr || !conn->more || !conn->out) {
		drop(conn);
		return;
	}
	event_add(conn->rd, NULL);
	send_json(conn, greeting());
}

int control_new(struct event_base *base, struct host *host, int listen_fd, struct control **out)
{
	struct control *control = calloc(1, sizeof(*control));

	if (!control)
		return -ENOMEM;
	control->base = base;
	control->host = host;
	for (unsigned i = 0; i < MAX_CONNS; i++)
		control->conns[i].fd = -1;
	if (listener_new(base, listen_fd, "control", host->log, add_client, control,
		    &control->listener) < 0) {
		control_free(control);
		return -ENOMEM;
	}
	*out = control;
	return 0;
}

void control_free(struct control *control)
{
	if (!control)
		return;
	for (unsigned i = 0; i < MAX_CONNS; i++)
		if (control->conns[i].fd >= 0) {
			push(&control->conns[i]);
			drop(&control->conns[i]);
		}
	listener_free(control->listener);
	free(control);
}
