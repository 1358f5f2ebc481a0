/*
 * wait.c - one command, waited for: for scripts and command line verbs. Any thread; blocks.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vmcore/client/conn.h"

struct waiting {
	struct vmc_conn *conn;
	void (*progress)(void *arg, uint64_t done, uint64_t total);
	void *progress_arg;
	bool done;
	int rc;
	char *json;
	char error[VMC_MSG_SIZE];
};

static void got_result(struct waiting *w, int rc, const char *error, const char *json)
{
	w->done = true;
	w->rc = rc;
	if (rc < 0)
		snprintf(w->error, sizeof(w->error), "%s", error ? error : strerror(-rc));
	if (json) {
		w->json = strdup(json);
		w->rc = w->json ? rc : -ENOMEM;
	}
}

static void reply(void *arg, int rc, const char *error, const char *json)
{
	got_result(arg, rc, error, json);
}

static void job_progress(void *arg, uint64_t done, uint64_t total)
{
	struct waiting *w = arg;

	if (w->progress)
		w->progress(w->progress_arg, done, total);
}

static void job_end(void *arg, int rc, const char *error)
{
	got_result(arg, rc, error, rc == 0 ? "{}" : NULL);
}

static int start_snapshot_job(struct waiting *w, const char *command, const char *args_json)
{
	static const struct vmc_job_ops ops = { .progress = job_progress, .done = job_end };
	json_t *args = args_json ? json_loads(args_json, 0, NULL) : NULL;
	const char *tag = json_string_value(json_object_get(args, "tag"));
	int rc;

	if (!strcmp(command, "snapshot-save"))
		rc = vmc_conn_snapshot_save(w->conn, tag, &ops, w);
	else if (!strcmp(command, "snapshot-load"))
		rc = vmc_conn_snapshot_load(w->conn, tag, &ops, w);
	else
		rc = vmc_conn_snapshot_delete(w->conn, tag, &ops, w);
	json_decref(args);
	return rc;
}

static bool is_job(const char *command)
{
	return !strcmp(command, "snapshot-save") || !strcmp(command, "snapshot-load") ||
		!strcmp(command, "snapshot-delete");
}

static int wait_done(struct waiting *w, int timeout_ms)
{
	int64_t end = client_now_ms() + timeout_ms;

	while (!w->done) {
		struct pollfd p = { .fd = vmc_conn_fd(w->conn), .events = vmc_conn_poll_events(w->conn) };
		int64_t left = end - client_now_ms();

		if (left <= 0 && timeout_ms >= 0)
			return -ETIMEDOUT;
		if (poll(&p, 1, timeout_ms < 0 ? -1 : (int)left) < 0 && errno != EINTR)
			return -errno;
		if (p.revents && vmc_conn_process(w->conn) < 0 && !w->done)
			return -EPIPE;
	}
	return 0;
}

int vmc_command_wait(const char *vm, const char *command, const char *args_json, int timeout_ms,
	void (*progress)(void *arg, uint64_t done, uint64_t total), void *arg, char **json_out, char *err,
	size_t err_size)
{
	static const struct vmc_conn_ops ops = { 0 };
	struct waiting w = { .progress = progress, .progress_arg = arg };
	int rc = vmc_conn_open(vm, &ops, NULL, &w.conn, err, err_size);

	if (rc < 0)
		return rc;
	if (is_job(command))
		rc = start_snapshot_job(&w, command, args_json);
	else
		rc = vmc_conn_command(w.conn, command, args_json, reply, &w);
	if (rc < 0)
		client_fail(err, err_size, rc, "%s: cannot send %s: %s", vm, command, strerror(-rc));
	else if ((rc = wait_done(&w, timeout_ms)) < 0)
		client_fail(err, err_size, rc, rc == -ETIMEDOUT ? "%s: no answer to %s in %d ms; see its log"
			: "%s: the connection ended during %s (after at most %d ms)", vm, command, timeout_ms);
	else if ((rc = w.rc) < 0)
		client_fail(err, err_size, rc, "%s: %s", vm, w.error);
	w.done = true;
	vmc_conn_close(w.conn);
	if (rc == 0 && json_out)
		*json_out = w.json;
	else
		free(w.json);
	return rc;
}
