/* cmds_snapshot.c - snapshots and jobs. The names of snapshot-* and job-* are QEMU's (QEMU 7.2
 * qapi). Main thread. */
#include "vmhost/cmds.h"
#include "vmhost/host.h"
#include "vmhost/job.h"
#include "vmhost/snapshot.h"

static json_t *done(int rc)
{
	return rc < 0 ? NULL : json_object();
}

static json_t *cmd_save(struct qmp_call *call)
{
	return done(snapshot_save_start(call->host, qmp_string(call, "job-id", ""),
		qmp_string(call, "tag", ""), call->error, sizeof(call->error)));
}

static json_t *cmd_load(struct qmp_call *call)
{
	return done(snapshot_load_start(call->host, qmp_string(call, "job-id", ""),
		qmp_string(call, "tag", ""), json_is_true(json_object_get(call->args, "paused")),
		call->error, sizeof(call->error)));
}

static json_t *cmd_delete(struct qmp_call *call)
{
	return done(snapshot_delete_start(call->host, qmp_string(call, "job-id", ""),
		qmp_string(call, "tag", ""), call->error, sizeof(call->error)));
}

static json_t *cmd_list(struct qmp_call *call)
{
	return snapshot_list(call->host, call->error, sizeof(call->error));
}

static json_t *cmd_jobs(struct qmp_call *call)
{
	return jobs_query(call->host->jobs);
}

static json_t *cmd_dismiss(struct qmp_call *call)
{
	return done(job_dismiss(
		call->host->jobs, qmp_string(call, "id", ""), call->error, sizeof(call->error)));
}

static json_t *cmd_cancel(struct qmp_call *call)
{
	return done(job_cancel(
		call->host->jobs, qmp_string(call, "id", ""), call->error, sizeof(call->error)));
}

const struct qmp_command cmds_snapshot[] = {
	{"snapshot-save", "job-id:s tag:s vmstate?:s devices?:a", cmd_save},
	{"snapshot-load", "job-id:s tag:s vmstate?:s devices?:a paused?:b", cmd_load},
	{"snapshot-delete", "job-id:s tag:s devices?:a", cmd_delete},
	{"snapshot-list", "", cmd_list},
	{"query-jobs", "", cmd_jobs},
	{"job-dismiss", "id:s", cmd_dismiss},
	{"job-cancel", "id:s", cmd_cancel},
	{NULL, NULL, NULL},
};
