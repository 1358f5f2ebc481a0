/*
 * snapshot_load.c - loading and deleting snapshots, and listing them.
 *
 *   worker  checks everything, writes new images beside the old; the VM goes on untouched
 *   main    fits? -> pause
 *   worker  mark -> block devices -> images (snapshot_disks.c)
 *   main    memory, vCPUs, devices
 *   worker  the mark goes
 *   main    resume
 */
#include "vmhost/control.h"
#include "vmhost/guest_kernel.h"
#include "vmhost/host.h"
#include "vmhost/job.h"
#include "vmhost/log.h"
#include "vmhost/net.h"
#include "vmhost/qmp.h"
#include "vmhost/snapshot.h"
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <vmcore/client.h>

#define MAX_SNAPSHOTS 4096

struct load {
	struct snapshot snap;
	char id[SNAPSHOT_ID_SIZE];
	bool paused, was_running;
	/* what the worker asks the main thread for, and how that went */
	enum { HOLD, APPLY } step;
	int rc;
};

/* ---- does it fit, and making it so ---- */

static int check_console(const struct snapshot *s, char *err, size_t err_size)
{
	struct vmc_in in;

	vmc_in_init(&in, s->console, s->manifest.console_size);
	for (unsigned i = 0; i < RUNDIR_CONSOLES; i++)
		if (console_check(&in) < 0)
			break;
	if (vmc_in_end(&in) == 0)
		return 0;
	snprintf(err, err_size, "console: %s", in.message);
	return -EBADMSG;
}

static int check_regions(struct host *h, const struct manifest *m, char *err, size_t err_size)
{
	struct vmc_mem_region regions[MANIFEST_REGIONS + 1];
	size_t n = vmc_mem_regions(h->vm, regions, MANIFEST_REGIONS + 1), k = 0;

	for (size_t i = 0; i < n && i <= MANIFEST_REGIONS; i++) {
		if (!(regions[i].flags & VMC_MEM_RAM))
			continue;
		if (k >= m->nregions || m->regions[k].gpa != regions[i].gpa ||
			m->regions[k].size != regions[i].size)
			break;
		k++;
	}
	if (m->memory == vmc_mem_size(h->vm) && k == m->nregions)
		return 0;
	snprintf(err, err_size,
		"manifest: it is of a VM with %" PRIu64 " MiB of memory, this one has %" PRIu64
		" MiB; start one with --load",
		m->memory >> 20, vmc_mem_size(h->vm) >> 20);
	return -EINVAL;
}

int snapshot_fits(struct host *h, const struct snapshot *s, char *err, size_t err_size)
{
	const struct manifest *m = &s->manifest;
	int rc = check_regions(h, m, err, err_size);

	if (rc < 0)
		return rc;
	if (m->vcpus != vmc_vcpu_count(h->vm)) {
		snprintf(err, err_size,
			"manifest: it is of a VM with %u vCPUs, this one has %u; start one with "
			"--load",
			m->vcpus, vmc_vcpu_count(h->vm));
		return -EINVAL;
	}
	rc = snapshot_disks_fit(h, m, err, err_size);
	if (rc == 0)
		rc = check_console(s, err, err_size);
	if (rc < 0)
		return rc;
	rc = vmc_state_check(h->vm, s->state, m->state_size);
	if (rc < 0)
		snprintf(err, err_size, "state: %s", vmc_error(h->vm));
	return rc;
}

int snapshot_apply(struct host *h, const struct snapshot *s, char *err, size_t err_size)
{
	const struct vmc_boot_params machine = {.reserved = NULL};
	struct vmc_boot_info told;
	struct vmc_in in;
	int rc = vmc_state_load_with_memory(
		h->vm, s->state, s->manifest.state_size, s->fd[SNAP_MEMORY]);

	if (rc < 0) {
		snprintf(err, err_size, "state: %s", vmc_error(h->vm));
		return rc;
	}
	vmc_in_init(&in, s->console, s->manifest.console_size);
	for (unsigned i = 0; i < RUNDIR_CONSOLES; i++)
		console_load(h->console[i], &in); /* was checked by snapshot_fits() */
	nets_fresh(h->nets); /* connections of the time that is undone end */
	h->reason[0] = '\0';
	h->panicked = false;
	vmc_boot_map(h->vm, &machine, &told); /* without memory for it: an empty one */
	guest_kernel_replaced(h->guest_kernel, &told);
	snprintf(h->current, sizeof(h->current), "%s", s->manifest.id);
	return 0;
}

/* Disks first, for images can go back to where they were, and memory cannot. */
int snapshot_put(struct host *h, struct snapshot *s, const char *load, char *err, size_t err_size)
{
	int rc = snapshot_disks_put(h, s, load, NULL, NULL, err, err_size);

	if (rc < 0)
		return rc;
	rc = snapshot_apply(h, s, err, err_size);
	if (rc < 0) {
		snapshot_disks_back(h, s);
		return rc;
	}
	snapshot_disks_use(h, s);
	return snapshot_disks_done(h, s, err, err_size);
}

/* ---- the load job ---- */

/* Main thread: the VM stands still from here on. */
static int hold(struct job *job)
{
	struct load *ld = job->ctx;
	struct host *h = job->host;
	int rc = snapshot_fits(h, &ld->snap, job->error, sizeof(job->error));

	ld->was_running = vmc_vm_state(h->vm) == VMC_RUNNING;
	if (rc == 0)
		rc = host_stop(h, job->error, sizeof(job->error));
	if (rc == 0)
		job_hold_vm(job);
	return rc;
}

static int apply(struct job *job)
{
	struct load *ld = job->ctx;
	int rc = snapshot_apply(job->host, &ld->snap, job->error, sizeof(job->error));

	if (rc == 0)
		snapshot_disks_use(job->host, &ld->snap);
	return rc;
}

static void load_told(struct job *job)
{
	struct load *ld = job->ctx;

	ld->rc = ld->step == HOLD ? hold(job) : apply(job);
}

static int ask(struct job *job, int step)
{
	struct load *ld = job->ctx;
	int rc;

	ld->step = step;
	rc = job_ask(job);
	return rc < 0 ? rc : ld->rc;
}

/* A whole load from here on: whoever cancels it now is too late. */
static int load_steps(struct job *job)
{
	struct load *ld = job->ctx;
	char load[128];
	int rc = ask(job, HOLD);

	if (rc < 0)
		return rc;
	snprintf(load, sizeof(load), "%.60s/%s", job->host->def.name, ld->id);
	rc = snapshot_disks_put(job->host, &ld->snap, load, job_progress, job, job->error,
		sizeof(job->error));
	if (rc < 0)
		return rc;
	rc = ask(job, APPLY);
	/* When the process ends here, the disks are the snapshot's: its memory is no longer wanted. */
	if (rc < 0 && !job->abandoned) {
		snapshot_disks_back(job->host, &ld->snap);
		return rc;
	}
	return snapshot_disks_done(job->host, &ld->snap, job->error, sizeof(job->error));
}

static int load_work(struct job *job)
{
	struct load *ld = job->ctx;
	int rc =
		snapshot_open(&ld->snap, job->host->broker, ld->id, job->error, sizeof(job->error));

	if (rc == 0)
		rc = snapshot_verify(&ld->snap, job_progress, job, job->error, sizeof(job->error));
	if (rc == 0)
		rc = snapshot_disks_fit(
			job->host, &ld->snap.manifest, job->error, sizeof(job->error));
	if (rc == 0)
		rc = snapshot_disks_prepare(job->host, &ld->snap, job_progress, job, job->error,
			sizeof(job->error));
	if (rc == 0 && job->cancel) {
		snprintf(job->error, sizeof(job->error), "cancelled");
		rc = -ECANCELED;
	}
	return rc == 0 ? load_steps(job) : rc;
}

static void prefix(char *text, size_t size, const char *id)
{
	char copy[512];

	snprintf(copy, sizeof(copy), "%s", text);
	snprintf(text, size, "snapshot %s: %.400s", id, copy);
}

/* The VM goes on: as the snapshot, or, when the load failed, as it was. */
static int go_on(struct job *job, int rc)
{
	struct load *ld = job->ctx;
	struct host *h = job->host;
	char ignored[256];

	job_release_vm(job);
	if (ld->snap.torn) {
		snprintf(h->torn, sizeof(h->torn), "%s", job->error);
		snprintf(h->reason, sizeof(h->reason), "a load failed: %s", job->error);
		log_line(h->log, "the disks are partly as they were and partly the snapshot's");
	} else if (rc < 0 && ld->was_running) {
		host_cont(h, ignored, sizeof(ignored));
	} else if (rc == 0) {
		h->torn[0] = '\0';
		if (ld->snap.manifest.running && !ld->paused)
			rc = host_cont(h, job->error, sizeof(job->error));
	}
	return rc;
}

static int load_end(struct job *job, int rc)
{
	struct load *ld = job->ctx;

	if (!job->host->quitting)
		rc = go_on(job, rc);
	if (rc < 0 && *job->error)
		prefix(job->error, sizeof(job->error), ld->id);
	snapshot_disks_forget(job->host, &ld->snap);
	snapshot_close(&ld->snap);
	free(ld);
	return rc;
}

static const struct job_ops load_ops = {
	.type = "snapshot-load",
	.status = "restore-vm",
	.work = load_work,
	.told = load_told,
	.end = load_end,
};

int snapshot_load_start(struct host *h, const char *job_id, const char *tag, bool paused, char *err,
	size_t err_size)
{
	struct load *ld;
	int rc;

	if (!job_can_start(h->jobs, job_id, err, err_size))
		return -EBUSY;
	ld = calloc(1, sizeof(*ld));
	if (!ld) {
		snprintf(err, err_size, "out of memory");
		return -ENOMEM;
	}
	snapshot_init(&ld->snap);
	ld->paused = paused;
	rc = snapshot_find(h->broker, tag, ld->id, err, err_size);
	if (rc == 0)
		rc = job_start(h->jobs, job_id, &load_ops, ld, false, err, err_size);
	if (rc < 0)
		free(ld);
	return rc;
}

/* ---- the delete job ---- */

static int delete_work(struct job *job)
{
	struct load *ld = job->ctx;
	int rc = broker_delete(job->host->broker, ld->id);

	if (rc < 0)
		snprintf(job->error, sizeof(job->error), "snapshot %s: cannot be deleted: %s",
			ld->id, strerror(-rc));
	return rc;
}

static int delete_end(struct job *job, int rc)
{
	struct load *ld = job->ctx;

	if (rc == 0 && strcmp(job->host->current, ld->id) == 0)
		job->host->current[0] = '\0';
	free(ld);
	return rc;
}

static const struct job_ops delete_ops = {
	.type = "snapshot-delete",
	.work = delete_work,
	.end = delete_end,
};

int snapshot_delete_start(
	struct host *h, const char *job_id, const char *tag, char *err, size_t err_size)
{
	struct load *ld;
	int rc;

	if (!job_can_start(h->jobs, job_id, err, err_size))
		return -EBUSY;
	if (host_refuse_torn(h, err, err_size)) /* it may be the only way out */
		return -EIO;
	ld = calloc(1, sizeof(*ld));
	if (!ld) {
		snprintf(err, err_size, "out of memory");
		return -ENOMEM;
	}
	rc = snapshot_find(h->broker, tag, ld->id, err, err_size);
	if (rc == 0)
		rc = job_start(h->jobs, job_id, &delete_ops, ld, false, err, err_size);
	if (rc < 0)
		free(ld);
	return rc;
}

/* ---- the list ---- */

static int broker_trouble(int rc, char *err, size_t err_size)
{
	snprintf(err, err_size,
		rc == -EOPNOTSUPP ? "snapshots are off for this VM (snapshots = false)"
		: rc == -EPIPE    ? "the process that opens this VM's files has gone: no snapshots "
				    "until the VM is"
				    " started again"
				  : "cannot read the snapshots: %s",
		strerror(-rc));
	return rc;
}

int snapshot_find(
	struct broker *b, const char *tag, char id[SNAPSHOT_ID_SIZE], char *err, size_t err_size)
{
	char one[SNAPSHOT_ID_SIZE], ignored[512];
	unsigned named = 0;
	int rc = 0;

	for (uint32_t i = 0; i < MAX_SNAPSHOTS; i++) {
		struct snapshot s;

		rc = broker_list(b, i, one);
		if (rc < 0)
			break;
		if (strcmp(one, tag) == 0) {
			strcpy(id, one);
			return 0;
		}
		snapshot_init(&s);
		snapshot_open(&s, b, one, ignored, sizeof(ignored));
		if (*tag && strcmp(s.manifest.name, tag) == 0) {
			strcpy(id, one);
			named++;
		}
		snapshot_close(&s);
	}
	if (rc < 0 && rc != -ENOENT)
		return broker_trouble(rc, err, err_size);
	if (named == 1)
		return 0;
	snprintf(err, err_size,
		named ? "more than one snapshot is named %.64s; use an id"
		      : "there is no snapshot"
			" %.64s",
		tag);
	return named ? -EEXIST : -ENOENT;
}

static uint64_t disk_bytes(const struct snapshot *s)
{
	uint64_t sum = 0;
	struct stat st;

	for (unsigned i = 0; i < SNAP_FILES; i++)
		if (s->fd[i] >= 0 && fstat(s->fd[i], &st) == 0)
			sum += (uint64_t)st.st_blocks * 512;
	return sum;
}

static json_t *list_one(struct host *h, const char *id)
{
	char problem[512] = "";
	struct snapshot s;
	json_t *v;

	snapshot_init(&s);
	if (snapshot_open(&s, h->broker, id, problem, sizeof(problem)) == 0 &&
		snapshot_check_sizes(&s, problem, sizeof(problem)) == 0) {
		const struct manifest *m = &s.manifest;

		if (check_regions(h, m, problem, sizeof(problem)) == 0 &&
			m->vcpus != vmc_vcpu_count(h->vm))
			snprintf(problem, sizeof(problem), "manifest: it is of a VM with %u vCPUs",
				m->vcpus);
		if (!*problem)
			snapshot_disks_fit(h, m, problem, sizeof(problem));
	}
	v = json_pack("{s:s, s:s, s:o, s:I, s:I, s:I, s:b, s:b, s:o}", "id", id, "parent",
		s.manifest.parent, "name", qmp_text(s.manifest.name), "time",
		(json_int_t)s.manifest.time_s, "ram", (json_int_t)s.manifest.memory, "disk",
		(json_int_t)disk_bytes(&s), "current", strcmp(h->current, id) == 0, "running",
		s.manifest.running, "problem", qmp_text(problem));
	snapshot_close(&s);
	return v;
}

static int by_id(const void *a, const void *b)
{
	return strcmp(a, b);
}

json_t *snapshot_list(struct host *h, char *err, size_t err_size)
{
	char(*ids)[SNAPSHOT_ID_SIZE] = NULL;
	uint32_t n = 0, cap = 0;
	json_t *list;
	int rc;

	for (;;) {
		if (n == cap) {
			void *bigger = realloc(ids, (cap = cap ? 2 * cap : 16) * sizeof(*ids));

			if (!bigger) {
				free(ids);
				snprintf(err, err_size, "out of memory");
				return NULL;
			}
			ids = bigger;
		}
		rc = n < MAX_SNAPSHOTS ? broker_list(h->broker, n, ids[n]) : -ENOENT;
		if (rc < 0)
			break;
		n++;
	}
	if (rc != -ENOENT) {
		broker_trouble(rc, err, err_size);
		free(ids);
		return NULL;
	}
	qsort(ids, n, sizeof(*ids), by_id); /* oldest first: an id begins with its time */
	list = json_array();
	for (uint32_t i = 0; i < n; i++)
		json_array_append_new(list, list_one(h, ids[i]));
	free(ids);
	return list;
}
