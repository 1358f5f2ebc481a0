/* job.c - see job.h. Main thread, but for job_tell(), job_progress() and the work itself. */
#include "vmhost/job.h"
#include "vmhost/control.h"
#include "vmhost/host.h"
#include "vmhost/log.h"
#include "vmhost/qmp.h"
#include <errno.h>
#include <event2/event.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define MAX_JOBS    16
#define KEPT_US     60000000 /* a concluded job is listed this long */
#define PROGRESS_MS 100

struct jobs {
	struct host *host;
	struct job *list[MAX_JOBS]; /* oldest first */
	unsigned n;
	struct job *running;
	int wake_fd; /* workers write, the main loop reads */
	struct event *wake_ev, *tick_ev;
};

static void poke(struct job *job)
{
	const uint64_t one = 1;

	while (write(job->host->jobs->wake_fd, &one, sizeof(one)) < 0 && errno == EINTR)
		;
}

void job_tell(struct job *job)
{
	job->told = true;
	poke(job);
}

int job_ask(struct job *job)
{
	if (job->abandoned)
		return -ECANCELED;
	job->asked = true;
	job_tell(job);
	while (sem_wait(&job->answered) < 0 && errno == EINTR)
		;
	return job->asked ? -ECANCELED : 0;
}

int job_progress(void *arg, uint64_t done, uint64_t total)
{
	struct job *job = arg;

	job->total = total;
	job->done = done;
	return job->cancel;
}

static void *worker(void *arg)
{
	struct job *job = arg;

	job->rc = job->ops->work(job);
	job->over = true;
	poke(job);
	return NULL;
}

static void status_event(struct job *job, const char *status)
{
	control_event(job->host->control, "JOB_STATUS_CHANGE",
		json_pack("{s:s, s:s}", "id", job->id, "status", status));
}

void job_hold_vm(struct job *job)
{
	job->holds_vm = true;
	host_watch_vm(job->host, false);
}

void job_release_vm(struct job *job)
{
	if (!job->holds_vm)
		return;
	job->holds_vm = false;
	host_watch_vm(job->host, true);
}

static void conclude(struct jobs *jobs, struct job *job)
{
	pthread_join(job->thread, NULL);
	jobs->running = NULL;
	job->rc = job->ops->end(job, job->rc);
	job->ctx = NULL;
	job_release_vm(job);
	if (job->rc < 0 && !*job->error)
		snprintf(job->error, sizeof(job->error), "%s", strerror(-job->rc));
	log_line(jobs->host->log, "%s %s: %s", job->ops->type, job->id,
		job->rc < 0 ? job->error : "done");
	if (job->rc == 0)
		job->done = job->total = job->total ? job->total : 1;
	job->concluded = true;
	job->concluded_us = host_now_us();
	event_del(jobs->tick_ev);
	status_event(job, "concluded");
}

static void on_wake(evutil_socket_t fd, short what, void *arg)
{
	struct jobs *jobs = arg;
	struct job *job = jobs->running;
	uint64_t n;

	if (read(fd, &n, sizeof(n)) < 0 || !job)
		return;
	if (atomic_exchange(&job->told, false) && job->ops->told)
		job->ops->told(job);
	if (atomic_exchange(&job->asked, false))
		sem_post(&job->answered);
	if (job->over)
		conclude(jobs, job);
}

static void on_tick(evutil_socket_t fd, short what, void *arg)
{
	struct jobs *jobs = arg;
	struct job *job = jobs->running;

	if (!job || job->done == job->shown_done)
		return;
	job->shown_done = job->done;
	control_event(jobs->host->control, "X_JOB_PROGRESS",
		json_pack("{s:s, s:I, s:I}", "id", job->id, "current-progress",
			(json_int_t)job->shown_done, "total-progress", (json_int_t)job->total));
}

int jobs_new(struct host *h, struct jobs **out)
{
	struct jobs *jobs = calloc(1, sizeof(*jobs));
	int rc = -ENOMEM;

	if (!jobs)
		return rc;
	jobs->host = h;
	jobs->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (jobs->wake_fd < 0)
		rc = -errno;
	else
		jobs->wake_ev =
			event_new(h->base, jobs->wake_fd, EV_READ | EV_PERSIST, on_wake, jobs);
	jobs->tick_ev = event_new(h->base, -1, EV_PERSIST, on_tick, jobs);
	if (!jobs->wake_ev || !jobs->tick_ev || event_add(jobs->wake_ev, NULL) < 0) {
		jobs_free(jobs);
		return rc;
	}
	*out = jobs;
	return 0;
}

void jobs_free(struct jobs *jobs)
{
	struct job *job;

	if (!jobs)
		return;
	job = jobs->running;
	if (job) {
		job->cancel = true;
		job->abandoned = true;
		sem_post(&job->answered); /* should it be waiting */
		conclude(jobs, job);
	}
	for (unsigned i = 0; i < jobs->n; i++)
		free(jobs->list[i]);
	if (jobs->wake_ev)
		event_free(jobs->wake_ev);
	if (jobs->tick_ev)
		event_free(jobs->tick_ev);
	if (jobs->wake_fd >= 0)
		close(jobs->wake_fd);
	free(jobs);
}

static void forget(struct jobs *jobs, unsigned i)
{
	free(jobs->list[i]);
	jobs->n--;
	memmove(jobs->list + i, jobs->list + i + 1, (jobs->n - i) * sizeof(jobs->list[0]));
}

static void forget_old(struct jobs *jobs)
{
	uint64_t now = host_now_us();

	for (unsigned i = 0; i < jobs->n;) {
		struct job *job = jobs->list[i];

		if (job->concluded && (now - job->concluded_us > KEPT_US || jobs->n == MAX_JOBS))
			forget(jobs, i);
		else
			i++;
	}
}

static struct job *find(const struct jobs *jobs, const char *id, unsigned *index)
{
	for (unsigned i = 0; i < jobs->n; i++)
		if (strcmp(jobs->list[i]->id, id) == 0) {
			if (index)
				*index = i;
			return jobs->list[i];
		}
	return NULL;
}

bool job_can_start(struct jobs *jobs, const char *id, char *err, size_t err_size)
{
	forget_old(jobs);
	if (!*id || strlen(id) >= sizeof(jobs->list[0]->id))
		snprintf(err, err_size, "job-id must have 1 to 63 bytes");
	else if (jobs->running)
		snprintf(err, err_size, "%s %s is running; one job at a time",
			jobs->running->ops->type, jobs->running->id);
	else if (find(jobs, id, NULL))
		snprintf(err, err_size, "there is a job %s already; dismiss it, or use another id",
			id);
	else
		return true;
	return false;
}

static int start_thread(struct job *job)
{
	sigset_t all, old;
	int rc;

	/* Signals are the main loop's. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	rc = pthread_create(&job->thread, NULL, worker, job);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return -rc;
}

int job_start(struct jobs *jobs, const char *id, const struct job_ops *ops, void *ctx,
	bool holds_vm, char *err, size_t err_size)
{
	const struct timeval tick = {0, PROGRESS_MS * 1000};
	struct job *job;
	int rc;

	if (!job_can_start(jobs, id, err, err_size))
		return -EBUSY;
	job = calloc(1, sizeof(*job));
	if (!job) {
		snprintf(err, err_size, "out of memory");
		return -ENOMEM;
	}
	snprintf(job->id, sizeof(job->id), "%s", id);
	job->ops = ops;
	job->host = jobs->host;
	job->ctx = ctx;
	job->holds_vm = holds_vm;
	sem_init(&job->answered, 0, 0);
	rc = start_thread(job);
	if (rc < 0) {
		snprintf(err, err_size, "cannot start a thread: %s", strerror(-rc));
		free(job);
		return rc;
	}
	jobs->list[jobs->n++] = jobs->running = job;
	host_watch_vm(jobs->host, !holds_vm);
	event_add(jobs->tick_ev, &tick);
	status_event(job, "running");
	return 0;
}

bool jobs_holds_vm(const struct jobs *jobs)
{
	return jobs && jobs->running && jobs->running->holds_vm;
}

const char *jobs_status(const struct jobs *jobs)
{
	return jobs_holds_vm(jobs) ? jobs->running->ops->status : NULL;
}

bool jobs_refuse(const struct jobs *jobs, char *err, size_t err_size)
{
	if (!jobs_holds_vm(jobs))
		return false;
	snprintf(err, err_size, "%s %s holds the VM; wait for it, or job-cancel it",
		jobs->running->ops->type, jobs->running->id);
	return true;
}

void jobs_cancel(struct jobs *jobs)
{
	if (jobs && jobs->running)
		jobs->running->cancel = true;
}

json_t *jobs_query(struct jobs *jobs)
{
	json_t *list = json_array(), *v;

	forget_old(jobs);
	for (unsigned i = 0; i < jobs->n; i++) {
		struct job *job = jobs->list[i];

		v = json_pack("{s:s, s:s, s:s, s:I, s:I}", "id", job->id, "type", job->ops->type,
			"status", job->concluded ? "concluded" : "running", "current-progress",
			(json_int_t)job->done, "total-progress", (json_int_t)job->total);
		if (job->concluded && job->rc < 0)
			json_object_set_new(v, "error", qmp_text(job->error));
		json_array_append_new(list, v);
	}
	return list;
}

int job_cancel(struct jobs *jobs, const char *id, char *err, size_t err_size)
{
	struct job *job = find(jobs, id, NULL);

	if (!job || job->concluded) {
		snprintf(err, err_size, job ? "job %s is over" : "there is no job %s", id);
		return job ? -EINVAL : -ENOENT;
	}
	job->cancel = true;
	return 0;
}

int job_dismiss(struct jobs *jobs, const char *id, char *err, size_t err_size)
{
	unsigned i = 0;
	struct job *job = find(jobs, id, &i);

	if (!job || !job->concluded) {
		snprintf(err, err_size,
			job ? "job %s is running; job-cancel it first" : "there is no job %s", id);
		return job ? -EINVAL : -ENOENT;
	}
	forget(jobs, i);
	return 0;
}
