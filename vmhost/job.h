/*
 * job.h - long work of the VM's process: one job at a time, its slow part on a worker thread, so
 * that the main loop keeps answering. docs/protocol.md: query-jobs, JOB_STATUS_CHANGE,
 * X_JOB_PROGRESS.
 */
#ifndef VMHOST_JOB_H
#define VMHOST_JOB_H
#include <jansson.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct host;
struct job;
struct jobs;

struct job_ops {
	const char *type;   /* "snapshot-save" */
	const char *status; /* query-status while the job holds the VM: "save-vm" */
	/* Worker thread. Return 0 or -errno with job->error. */
	int (*work)(struct job *job);
	/* Main thread, after job_tell() or job_ask(): what the work cannot do itself. May be NULL. */
	void (*told)(struct job *job);
	/* Main thread, work is over; @rc: what it returned. Return the job's own outcome. Frees
	 * job->ctx. */
	int (*end)(struct job *job, int rc);
};

struct job {
	char id[64];
	const struct job_ops *ops;
	struct host *host;
	void *ctx;
	char error[512]; /* worker's until it is over, then the main thread's */
	_Atomic uint64_t done, total;
	_Atomic bool cancel; /* the work ends with -ECANCELED at its next look */
	/* main thread */
	bool concluded, holds_vm;
	uint64_t concluded_us, shown_done;
	pthread_t thread;
	_Atomic bool told, asked, over;
	_Atomic bool abandoned; /* the main loop has ended: nobody will answer */
	sem_t answered;
	int rc; /* of the work; set before over */
};

int jobs_new(struct host *h, struct jobs **out);
/** jobs_free() - cancel what runs and wait for it. */
void jobs_free(struct jobs *jobs);

/** job_start() - @holds_vm: the VM is paused for it until job_release_vm() or the end. On failure
 * the caller still owns @ctx. -EBUSY with @err while another runs. */
int job_start(struct jobs *jobs, const char *id, const struct job_ops *ops, void *ctx,
	bool holds_vm, char *err, size_t err_size);
/** job_tell() - worker: have the main thread call told(). */
void job_tell(struct job *job);
/** job_ask() - the same, and wait until it has. Return: 0; -ECANCELED: the process is ending, it was
 * not called. */
int job_ask(struct job *job);
/** job_progress() - worker: a vmc_progress_fn; non-zero when the job was cancelled. */
int job_progress(void *job, uint64_t done, uint64_t total);
/** job_hold_vm() - from now on, as by job_start(). Main thread. */
void job_hold_vm(struct job *job);
void job_release_vm(struct job *job);
/** job_can_start() - is there room for a job of this id now? */
bool job_can_start(struct jobs *jobs, const char *id, char *err, size_t err_size);

/** jobs_status() - what query-status says while a job holds the VM; NULL: none does. @jobs may be
 * NULL. */
const char *jobs_status(const struct jobs *jobs);
bool jobs_holds_vm(const struct jobs *jobs);
/** jobs_refuse() - true with @err while a job holds the VM: its state must not change now. */
bool jobs_refuse(const struct jobs *jobs, char *err, size_t err_size);
void jobs_cancel(struct jobs *jobs);
json_t *jobs_query(struct jobs *jobs);
/** job_cancel()/job_dismiss() - by id. -ENOENT, -EINVAL with @err. */
int job_cancel(struct jobs *jobs, const char *id, char *err, size_t err_size);
int job_dismiss(struct jobs *jobs, const char *id, char *err, size_t err_size);

#endif
