/*
 * job.c - jobs of a connection: snapshot save, load and delete. The caller's thread; nothing blocks.
 *
 * The command's reply only says that the job has begun. JOB_STATUS_CHANGE says that it has concluded,
 * query-jobs how, and job-dismiss clears it away. The event may come before the reply.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "vmcore/client/conn.h"

static void job_done(struct conn_job *job, int rc, const char *error)
{
	struct conn_job copy = *job;

	job->id[0] = '\0'; /* free before the callback, which may start the next */
	if (copy.ops.done)
		copy.ops.done(copy.arg, rc, error);
}

static struct conn_job *find_job(struct vmc_conn *conn, const char *id)
{
	unsigned i;

	for (i = 0; id && i < CONN_JOB_LIMIT; i++) {
		if (conn->jobs[i].id[0] && !strcmp(conn->jobs[i].id, id))
			return &conn->jobs[i];
	}
	return NULL;
}

static void ignore(struct vmc_conn *conn, const struct conn_pending *p, int rc, const char *error, json_t *value)
{
}

static void reply_jobs(struct vmc_conn *conn, const struct conn_pending *p, int rc, const char *error, json_t *value)
{
	struct conn_job *job = p->arg;
	const struct conn_pending dismissed = { .fn = ignore };
	const char *id, *problem;
	json_t *entry;
	size_t i;

	if (!job->id[0] || rc == -ECONNRESET)
		return; /* conn_jobs_end() tells */
	if (rc < 0) {
		job_done(job, rc, error);
		return;
	}
	json_array_foreach(value, i, entry) {
		id = json_string_value(json_object_get(entry, "id"));
		if (!id || strcmp(id, job->id) != 0)
			continue;
		conn_send(conn, "job-dismiss", json_pack("{s:s}", "id", job->id), &dismissed);
		problem = json_string_value(json_object_get(entry, "error"));
		job_done(job, problem ? -EIO : 0, problem);
		return;
	}
	job_done(job, -EIO, "the job is gone and left no result");
}

static void ask_result(struct vmc_conn *conn, struct conn_job *job)
{
	const struct conn_pending p = { .fn = reply_jobs, .arg = job };
	int rc = conn_send(conn, "query-jobs", NULL, &p);

	if (rc < 0)
		job_done(job, rc, "cannot ask for the job's result");
}

static void reply_started(struct vmc_conn *conn, const struct conn_pending *p, int rc, const char *error,
	json_t *value)
{
	struct conn_job *job = p->arg;

	if (!job->id[0] || rc == -ECONNRESET)
		return;
	if (rc < 0) {
		job_done(job, rc, error);
		return;
	}
	job->accepted = true;
	if (job->concluded)
		ask_result(conn, job);
}

void conn_job_event(struct vmc_conn *conn, const char *name, const json_t *data)
{
	struct conn_job *job = find_job(conn, json_string_value(json_object_get(data, "id")));
	const char *status = json_string_value(json_object_get(data, "status"));

	if (!job)
		return;
	if (!strcmp(name, "X_JOB_PROGRESS")) {
		if (job->ops.progress)
			job->ops.progress(job->arg, json_opt_u64(data, "current-progress", UINT64_MAX),
				json_opt_u64(data, "total-progress", UINT64_MAX));
	} else if (status && !strcmp(status, "concluded") && !job->concluded) {
		job->concluded = true;
		if (job->accepted)
			ask_result(conn, job);
	}
}

void conn_jobs_end(struct vmc_conn *conn, const char *why)
{
	unsigned i;

	for (i = 0; i < CONN_JOB_LIMIT; i++) {
		if (conn->jobs[i].id[0])
			job_done(&conn->jobs[i], -ECONNRESET, why);
	}
}

static int start_job(struct vmc_conn *conn, const char *command, const char *tag, const struct vmc_job_ops *ops,
	void *arg)
{
	struct conn_job *job = NULL;
	struct conn_pending p = { .fn = reply_started };
	json_t *args;
	unsigned i;
	int rc;

	for (i = 0; i < CONN_JOB_LIMIT && !job; i++) {
		if (!conn->jobs[i].id[0])
			job = &conn->jobs[i];
	}
	if (!job)
		return -EBUSY;
	*job = (struct conn_job){ .ops = *ops, .arg = arg };
	/* Unlike those of other clients of this VM, which see its events too. */
	snprintf(job->id, sizeof(job->id), "vitrine-%d-%llx-%u", (int)getpid(), (unsigned long long)(uintptr_t)conn,
		conn->next_job++);
	p.arg = job;
	args = tag ? json_pack("{s:s, s:s}", "job-id", job->id, "tag", tag) : NULL;
	rc = args ? conn_send(conn, command, args, &p) : -EINVAL; /* no name, or not UTF-8 */
	if (rc < 0)
		job->id[0] = '\0';
	return rc;
}

int vmc_conn_snapshot_save(struct vmc_conn *conn, const char *name, const struct vmc_job_ops *ops, void *arg)
{
	return start_job(conn, "snapshot-save", name, ops, arg);
}

int vmc_conn_snapshot_load(struct vmc_conn *conn, const char *id, const struct vmc_job_ops *ops, void *arg)
{
	return start_job(conn, "snapshot-load", id, ops, arg);
}

int vmc_conn_snapshot_delete(struct vmc_conn *conn, const char *id, const struct vmc_job_ops *ops, void *arg)
{
	return start_job(conn, "snapshot-delete", id, ops, arg);
}
