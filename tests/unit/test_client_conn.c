/*
 * test_client_conn.c - a connection against a scripted server on a socketpair: replies, events, jobs,
 * and servers that break the protocol in every way a taken-over VM process could.
 */
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "vmcore/client/conn.h"

#define GREETING "{\"QMP\": {\"version\": {}, \"capabilities\": []}}\n"

struct world {
	int server;
	struct vmc_conn *conn;
	char got[1 << 16]; /* what the client sent and the test has not looked at */
	size_t got_len;
	unsigned ready, closed, events, samples;
	char why[VMC_MSG_SIZE], event[64], event_data[256];
	uint64_t last_seq;
	bool close_in_event, close_in_reply;
};

static void on_ready(void *arg)
{
	((struct world *)arg)->ready++;
}

static void on_event(void *arg, const char *name, const char *data)
{
	struct world *w = arg;

	w->events++;
	snprintf(w->event, sizeof(w->event), "%s", name);
	snprintf(w->event_data, sizeof(w->event_data), "%s", data);
	if (w->close_in_event) {
		vmc_conn_close(w->conn);
		w->conn = NULL;
	}
}

static void on_sample(void *arg, const struct vmc_sample *s)
{
	struct world *w = arg;

	w->samples++;
	w->last_seq = s->seq;
}

static void on_closed(void *arg, const char *why)
{
	struct world *w = arg;

	w->closed++;
	snprintf(w->why, sizeof(w->why), "%s", why);
}

static const struct vmc_conn_ops ops = {
	.ready = on_ready, .event = on_event, .sample = on_sample, .closed = on_closed,
};

static int setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));
	int sv[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, sv), 0);
	w->server = sv[0];
	assert_int_equal(conn_open_fd("fake", sv[1], &ops, w, &w->conn), 0);
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;

	vmc_conn_close(w->conn);
	close(w->server);
	free(w);
	return 0;
}

static int pump(struct world *w)
{
	return w->conn ? vmc_conn_process(w->conn) : -EPIPE;
}

static void say(struct world *w, const char *text)
{
	assert_int_equal(send(w->server, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
}

/* Large texts: sends and lets the client read in turn. */
static void flood(struct world *w, const char *text, size_t len)
{
	while (len && w->conn && vmc_conn_fd(w->conn) >= 0) {
		ssize_t n = send(w->server, text, len, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n > 0) {
			text += n;
			len -= (size_t)n;
		}
		pump(w);
	}
}

/* The next line of the client. */
static json_t *heard(struct world *w)
{
	char *nl = memchr(w->got, '\n', w->got_len);
	json_t *msg;

	if (!nl) {
		ssize_t n = recv(w->server, w->got + w->got_len, sizeof(w->got) - w->got_len, 0);

		if (n > 0)
			w->got_len += (size_t)n;
		nl = memchr(w->got, '\n', w->got_len);
	}
	assert_non_null(nl);
	msg = json_loadb(w->got, (size_t)(nl - w->got), 0, NULL);
	assert_non_null(msg);
	w->got_len -= (size_t)(nl + 1 - w->got);
	memmove(w->got, nl + 1, w->got_len);
	return msg;
}

static long expect(struct world *w, const char *command)
{
	json_t *msg = heard(w);
	long id = (long)json_integer_value(json_object_get(msg, "id"));

	assert_string_equal(json_string_value(json_object_get(msg, "execute")), command);
	json_decref(msg);
	return id;
}

static void answer(struct world *w, long id, const char *value)
{
	char text[4096];

	snprintf(text, sizeof(text), "{\"return\": %s, \"id\": %ld}\n", value, id);
	say(w, text);
}

static void negotiate(struct world *w)
{
	say(w, GREETING);
	assert_int_equal(pump(w), 0);
	answer(w, expect(w, "qmp_capabilities"), "{}");
	assert_int_equal(pump(w), 0);
	assert_int_equal(w->ready, 1);
}

struct result {
	unsigned calls;
	int rc;
	char text[256], error[256];
	struct world *close;
};

static void on_reply(void *arg, int rc, const char *error, const char *json)
{
	struct result *r = arg;

	r->calls++;
	r->rc = rc;
	snprintf(r->text, sizeof(r->text), "%s", json ? json : "");
	snprintf(r->error, sizeof(r->error), "%s", error ? error : "");
	if (r->close) {
		vmc_conn_close(r->close->conn);
		r->close->conn = NULL;
	}
}

static void test_greeting_and_commands(void **state)
{
	struct world *w = *state;
	struct result a = { 0 }, b = { 0 }, c = { 0 };
	long ida, idb, idc;

	/* Queued before the server has said anything; sent in order. */
	assert_int_equal(vmc_conn_command(w->conn, "query-status", NULL, on_reply, &a), 0);
	assert_int_equal(vmc_conn_poll_events(w->conn), POLLIN | POLLOUT);
	negotiate(w);
	assert_int_equal(vmc_conn_poll_events(w->conn), POLLIN);
	assert_int_equal(vmc_conn_command(w->conn, "x-step", "{\"cpu\": 1}", on_reply, &b), 0);
	assert_int_equal(vmc_conn_command(w->conn, "nonsense", NULL, on_reply, &c), 0);
	pump(w);
	ida = expect(w, "query-status");
	idb = expect(w, "x-step");
	idc = expect(w, "nonsense");
	assert_true(ida != idb && idb != idc);
	/* Out of order, in pieces, errors of two classes. */
	answer(w, idb, "[1, 2]");
	say(w, "{\"error\": {\"class\": \"CommandNotFound\", \"desc\": \"no nons");
	assert_int_equal(pump(w), 0);
	assert_int_equal(c.calls, 0);
	{
		char rest[64];

		snprintf(rest, sizeof(rest), "ense\"}, \"id\": %ld}\r\n", idc);
		say(w, rest);
	}
	answer(w, ida, "{\"status\": \"running\"}");
	assert_int_equal(pump(w), 0);
	assert_int_equal(a.calls, 1);
	assert_string_equal(a.text, "{\"status\":\"running\"}");
	assert_int_equal(b.calls, 1);
	assert_string_equal(b.text, "[1,2]");
	assert_int_equal(c.calls, 1);
	assert_int_equal(c.rc, -ENOSYS);
	assert_string_equal(c.error, "no nonsense");
}

static void test_bad_arguments_and_limits(void **state)
{
	struct world *w = *state;
	char *big = malloc(70000);
	int rc = 0, i;

	assert_int_equal(vmc_conn_command(w->conn, "x", "[1]", NULL, NULL), -EINVAL);
	assert_int_equal(vmc_conn_command(w->conn, "x", "{broken", NULL, NULL), -EINVAL);
	assert_int_equal(vmc_conn_read_memory(w->conn, 0, 65537, NULL, NULL), -EINVAL);
	memset(big, ' ', 70000);
	memcpy(big, "{\"a\": \"", 7);
	memset(big + 7, 'x', 66000);
	strcpy(big + 66007, "\"}");
	assert_int_equal(vmc_conn_command(w->conn, "x", big, NULL, NULL), -E2BIG);
	free(big);
	/* A server that takes nothing: the queue is bounded. */
	for (i = 0; i < 5000 && rc == 0; i++)
		rc = vmc_conn_command(w->conn, "query-status", NULL, NULL, NULL);
	assert_int_equal(rc, -ENOBUFS);
	assert_true(i > 100);
}

static void test_events(void **state)
{
	struct world *w = *state;

	negotiate(w);
	say(w, "{\"event\": \"STOP\", \"timestamp\": {\"seconds\": 1, \"microseconds\": 2}}\n");
	say(w, "{\"event\": \"RESET\", \"data\": {\"guest\": true}}\n");
	assert_int_equal(pump(w), 0);
	assert_int_equal(w->events, 2);
	assert_string_equal(w->event, "RESET");
	assert_string_equal(w->event_data, "{\"guest\":true}");
	say(w, "{\"event\": \"X_SAMPLE\", \"data\": {\"seq\": 7, \"status\": \"running\"}}\n");
	assert_int_equal(pump(w), 0);
	assert_int_equal(w->samples, 1);
	assert_int_equal(w->last_seq, 7);
	assert_int_equal(w->events, 2);
}

static void test_end_tells_everybody(void **state)
{
	struct world *w = *state;
	struct result a = { 0 }, b = { 0 };

	negotiate(w);
	vmc_conn_command(w->conn, "query-status", NULL, on_reply, &a);
	vmc_conn_command(w->conn, "query-name", NULL, on_reply, &b);
	pump(w);
	answer(w, expect(w, "query-status"), "{}");
	shutdown(w->server, SHUT_RDWR);
	assert_int_equal(pump(w), -EPIPE);
	/* The reply that had arrived counts; the other gets its one call. */
	assert_int_equal(a.calls, 1);
	assert_int_equal(a.rc, 0);
	assert_int_equal(b.calls, 1);
	assert_int_equal(b.rc, -ECONNRESET);
	assert_int_equal(w->closed, 1);
	assert_non_null(strstr(w->why, "fake: "));
	assert_int_equal(pump(w), -EPIPE);
	assert_int_equal(w->closed, 1);
	assert_int_equal(vmc_conn_command(w->conn, "query-name", NULL, on_reply, &b), -EPIPE);
	assert_int_equal(b.calls, 1);
	assert_int_equal(vmc_conn_fd(w->conn), -1);
	assert_int_equal(vmc_conn_poll_events(w->conn), 0);
}

static void test_close_from_callbacks(void **state)
{
	struct world *w = *state;
	struct result a = { .close = w }, b = { 0 };

	negotiate(w);
	vmc_conn_command(w->conn, "query-status", NULL, on_reply, &a);
	vmc_conn_command(w->conn, "query-name", NULL, on_reply, &b);
	pump(w);
	answer(w, expect(w, "query-status"), "{}");
	say(w, "{\"event\": \"STOP\"}\n");
	assert_int_equal(pump(w), -EPIPE);
	assert_null(w->conn);
	assert_int_equal(a.calls, 1);
	assert_int_equal(b.calls, 1);
	assert_int_equal(b.rc, -ECONNRESET);
	assert_int_equal(w->events, 0); /* nothing after the close */
	assert_int_equal(w->closed, 0);
}

static void test_close_in_event(void **state)
{
	struct world *w = *state;

	negotiate(w);
	w->close_in_event = true;
	say(w, "{\"event\": \"STOP\"}\n{\"event\": \"STOP\"}\n");
	assert_int_equal(pump(w), -EPIPE);
	assert_null(w->conn);
	assert_int_equal(w->events, 1);
}

static void test_refused_negotiation(void **state)
{
	struct world *w = *state;

	say(w, GREETING);
	pump(w);
	assert_int_equal(expect(w, "qmp_capabilities"), 1);
	say(w, "{\"error\": {\"class\": \"GenericError\", \"desc\": \"go away\"}, \"id\": 1}\n");
	assert_int_equal(pump(w), -EPIPE);
	assert_int_equal(w->ready, 0);
	assert_int_equal(w->closed, 1);
	assert_non_null(strstr(w->why, "go away"));
}

/* Each of these lines must end the connection with a reason, whatever waits. */
static void test_hostile_lines(void **state)
{
	static const char *const lines[] = {
		"hello\n",
		"[1, 2]\n",
		"\"QMP\"\n",
		"{\"QMP\": 1}\n",
		"{\"return\": {}, \"id\": 1}\n", /* before the greeting */
		GREETING "{\"return\": {}}\n",
		GREETING "{\"return\": {}, \"id\": 99}\n",
		GREETING "{\"return\": {}, \"id\": \"1\"}\n",
		GREETING "{\"return\": {}, \"id\": -1}\n",
		GREETING "{\"error\": {}, \"id\": 1}\n",
		GREETING "{\"error\": 5, \"id\": 1}\n",
		GREETING "{\"return\": {}, \"id\": 1}\n{\"return\": {}, \"id\": 1}\n",
		GREETING "{\"a\": 1, \"a\": 2}\n",
		GREETING "\xff\xfe{}\n",
		GREETING "{\"event\": \"A\", \"data\": \"\\u0000\"}\n",
		GREETING "{\"event\": \"X_SAMPLE\", \"data\": {\"heat\": \n",
	};
	size_t i;

	for (i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		struct world *w;
		void *s;

		setup(&s);
		w = s;
		say(w, lines[i]);
		assert_int_equal(pump(w), -EPIPE);
		assert_int_equal(w->closed, 1);
		assert_true(strlen(w->why) > 5);
		teardown(&s);
	}
	(void)state;
}

static void test_odd_but_harmless(void **state)
{
	struct world *w = *state;

	negotiate(w);
	say(w, "\n\r\n{}\n{\"event\": 5}\n{\"event\": \"X_SAMPLE\"}\n{\"event\": \"X_SAMPLE\", \"data\": 3}\n");
	say(w, "{\"event\": \"JOB_STATUS_CHANGE\", \"data\": {\"id\": \"not ours\", \"status\": \"concluded\"}}\n");
	say(w, "{\"event\": \"X_JOB_PROGRESS\"}\n{\"event\": \"A\", \"data\": \"text\"}\n");
	assert_int_equal(pump(w), 0);
	assert_int_equal(w->samples, 0);
	assert_int_equal(w->closed, 0);
}

static void test_endless_line(void **state)
{
	struct world *w = *state;
	char *text = malloc(16u << 20);

	memset(text, ' ', 16u << 20);
	negotiate(w);
	flood(w, text, 16u << 20);
	free(text);
	assert_int_equal(w->closed, 1);
	assert_non_null(strstr(w->why, "more than 4 MiB"));
}

static void test_long_line_is_fine(void **state)
{
	struct world *w = *state;
	struct result r = { 0 };
	size_t size = 3u << 20;
	char *text = malloc(size + 64);
	int n;

	negotiate(w);
	vmc_conn_command(w->conn, "big", NULL, on_reply, &r);
	pump(w);
	n = sprintf(text, "{\"id\": %ld, \"return\": \"", expect(w, "big"));
	memset(text + n, 'x', size);
	strcpy(text + n + size, "\"}\n");
	flood(w, text, strlen(text));
	pump(w);
	free(text);
	assert_int_equal(r.calls, 1);
	assert_int_equal(r.rc, 0);
}

/* ---- jobs ---- */

struct job {
	unsigned done, progress;
	int rc;
	uint64_t now, total;
	char error[128];
};

static void on_progress(void *arg, uint64_t now, uint64_t total)
{
	struct job *j = arg;

	j->progress++;
	j->now = now;
	j->total = total;
}

static void on_done(void *arg, int rc, const char *error)
{
	struct job *j = arg;

	j->done++;
	j->rc = rc;
	snprintf(j->error, sizeof(j->error), "%s", error ? error : "");
}

static const struct vmc_job_ops job_ops = { .progress = on_progress, .done = on_done };

static long begin_job(struct world *w, struct job *j, char *id, size_t size)
{
	json_t *msg, *args;
	long cmd;

	assert_int_equal(vmc_conn_snapshot_save(w->conn, "before", &job_ops, j), 0);
	pump(w);
	msg = heard(w);
	assert_string_equal(json_string_value(json_object_get(msg, "execute")), "snapshot-save");
	cmd = (long)json_integer_value(json_object_get(msg, "id"));
	args = json_object_get(msg, "arguments");
	assert_string_equal(json_string_value(json_object_get(args, "tag")), "before");
	snprintf(id, size, "%s", json_string_value(json_object_get(args, "job-id")));
	json_decref(msg);
	return cmd;
}

static void job_event(struct world *w, const char *fmt, const char *id)
{
	char text[512];

	snprintf(text, sizeof(text), fmt, id);
	say(w, text);
	assert_int_equal(pump(w), 0);
}

#define CONCLUDED "{\"event\": \"JOB_STATUS_CHANGE\", \"data\": {\"id\": \"%s\", \"status\": \"concluded\"}}\n"
#define PROGRESS  "{\"event\": \"X_JOB_PROGRESS\", \"data\": {\"id\": \"%s\", \"current-progress\": 5, \"total-progress\": 10}}\n"

static void finish_job(struct world *w, const char *id, const char *error)
{
	char text[512];

	snprintf(text, sizeof(text), "[{\"id\": \"other\"}, {\"id\": \"%s\", \"status\": \"concluded\"%s}]", id, error);
	answer(w, expect(w, "query-jobs"), text);
	assert_int_equal(pump(w), 0);
	answer(w, expect(w, "job-dismiss"), "{}");
	assert_int_equal(pump(w), 0);
}

static void test_job(void **state)
{
	struct world *w = *state;
	struct job j = { 0 }, k = { 0 };
	char id[64];
	long cmd;

	negotiate(w);
	cmd = begin_job(w, &j, id, sizeof(id));
	job_event(w, PROGRESS, id);
	answer(w, cmd, "{}");
	job_event(w, PROGRESS, "somebody else's");
	assert_int_equal(j.progress, 1);
	assert_int_equal(j.now, 5);
	assert_int_equal(j.total, 10);
	assert_int_equal(j.done, 0);
	job_event(w, CONCLUDED, id);
	job_event(w, CONCLUDED, id);
	finish_job(w, id, "");
	assert_int_equal(j.done, 1);
	assert_int_equal(j.rc, 0);

	/* Over before the command is answered, and with an error. */
	cmd = begin_job(w, &k, id, sizeof(id));
	job_event(w, CONCLUDED, id);
	answer(w, cmd, "{}");
	pump(w);
	finish_job(w, id, ", \"error\": \"disk full\"");
	assert_int_equal(k.done, 1);
	assert_int_equal(k.rc, -EIO);
	assert_string_equal(k.error, "disk full");
}

static void test_job_refused_and_dropped(void **state)
{
	struct world *w = *state;
	struct job j = { 0 }, k = { 0 };
	char id[64], text[256];
	int i;

	negotiate(w);
	snprintf(text, sizeof(text), "{\"error\": {\"class\": \"GenericError\", \"desc\": \"busy\"}, \"id\": %ld}\n",
		begin_job(w, &j, id, sizeof(id)));
	say(w, text);
	assert_int_equal(pump(w), 0);
	assert_int_equal(j.done, 1);
	assert_string_equal(j.error, "busy");
	assert_int_equal(vmc_conn_snapshot_save(w->conn, NULL, &job_ops, &k), -EINVAL);
	assert_int_equal(vmc_conn_snapshot_save(w->conn, "\xff", &job_ops, &k), -EINVAL);
	for (i = 0; i < 16; i++)
		assert_int_equal(vmc_conn_snapshot_load(w->conn, "x", &job_ops, &k), 0);
	assert_int_equal(vmc_conn_snapshot_load(w->conn, "x", &job_ops, &k), -EBUSY);
	pump(w);
	shutdown(w->server, SHUT_RDWR);
	assert_int_equal(pump(w), -EPIPE);
	assert_int_equal(k.done, 16);
	assert_int_equal(k.rc, -ECONNRESET);
	assert_int_equal(w->closed, 1);
}

/* ---- typed commands ---- */

static void on_memory(void *arg, int rc, const char *error, uint64_t gpa, const uint8_t *data,
	const uint8_t *present, size_t len)
{
	struct result *r = arg;

	r->calls++;
	r->rc = rc;
	if (rc == 0)
		snprintf(r->text, sizeof(r->text), "%llx:%zu:%02x%02x:%d%d%d", (unsigned long long)gpa, len, data[0],
			data[1], present[0], present[1], present[2]);
}

static void test_typed(void **state)
{
	const struct vmc_subscription sub = { .topics = VMC_SUB_STATS | VMC_SUB_HEAT, .interval_ms = 100,
		.heat_start = 0x1000, .heat_size = 0x2000, .heat_cells = 2 };
	struct world *w = *state;
	struct result r = { 0 }, bad = { 0 };
	json_t *msg, *want, *args;

	negotiate(w);
	vmc_conn_subscribe(w->conn, &sub, NULL, NULL);
	vmc_conn_resize(w->conn, 80, 24);
	vmc_conn_read_memory(w->conn, 0xfffffffffffff000, 3, on_memory, &r);
	vmc_conn_read_memory(w->conn, 0, 3, on_memory, &bad);
	pump(w);
	msg = heard(w);
	args = json_object_get(msg, "arguments");
	want = json_loads("{\"topics\": [\"stats\", \"heat\"], \"interval-ms\": 100, \"heat\": {\"start\": \"0x1000\", "
		"\"size\": \"0x2000\", \"cells\": 2}}", 0, NULL);
	assert_true(json_equal(args, want));
	json_decref(msg);
	json_decref(want);
	expect(w, "x-console-resize");
	answer(w, expect(w, "x-read-memory"), "{\"address\": \"0xfffffffffffff000\", \"data\": \"12ab..\"}");
	answer(w, expect(w, "x-read-memory"), "{\"address\": \"0x0\", \"data\": \"12a\"}");
	assert_int_equal(pump(w), 0);
	assert_int_equal(r.calls, 1);
	assert_string_equal(r.text, "fffffffffffff000:3:12ab:110");
	assert_int_equal(bad.calls, 1);
	assert_int_equal(bad.rc, -EPROTO);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_greeting_and_commands), T(test_bad_arguments_and_limits), T(test_events),
		T(test_end_tells_everybody), T(test_close_from_callbacks), T(test_close_in_event),
		T(test_refused_negotiation), T(test_hostile_lines), T(test_odd_but_harmless), T(test_endless_line),
		T(test_long_line_is_fine), T(test_job), T(test_job_refused_and_dropped), T(test_typed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
