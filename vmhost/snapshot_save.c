/*
 * snapshot_save.c - taking a snapshot. Main thread: pause, state, resume. Worker thread: files.
 *
 *   main    pause -> vmc_state_save() -> consoles' history
 *   worker  files under a temporary name: state, console, memory, disks
 *   main    resume: the guest stood still for copies, and for no fsync()
 *   worker  checksums -> manifest -> fsync of all -> fsync of the folder -> rename -> fsync
 */
#include "vmhost/control.h"
#include "vmhost/disk_copy.h"
#include "vmhost/host.h"
#include "vmhost/job.h"
#include "vmhost/snapshot.h"
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

struct save {
	struct manifest m;
	struct vmc_out state, console;
	bool was_running;
	bool folder_made; /* worker: a temporary folder is to be discarded on failure */
	bool committed;
	uint64_t base; /* worker: bytes of the steps before this one */
	int fd[SNAP_FILES]; /* worker: written, and to be synced when the guest runs again */
};

static int say(struct job *job, int rc, const char *what)
{
	if (!*job->error)
		snprintf(job->error, sizeof(job->error), "snapshot: %s: %s", what,
			rc == -ECANCELED ? "cancelled" : strerror(-rc));
	return rc;
}

static int write_all(int fd, const void *data, size_t len)
{
	const char *p = data;
	ssize_t n;

	while (len) {
		n = write(fd, p, len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		p += n;
		len -= (size_t)n;
	}
	return 0;
}

static int new_file(struct job *job, unsigned file)
{
	struct save *sv = job->ctx;

	sv->fd[file] = broker_new_file(job->host->broker, sv->m.id, (enum snapshot_file)file);
	return sv->fd[file] < 0 ? say(job, sv->fd[file], snapshot_file_names[file]) : 0;
}

static int write_file(struct job *job, unsigned file, const void *data, size_t len)
{
	struct save *sv = job->ctx;
	int rc = new_file(job, file);

	if (rc == 0)
		rc = write_all(sv->fd[file], data, len);
	return rc < 0 ? say(job, rc, snapshot_file_names[file]) : 0;
}

static int sync_files(struct job *job)
{
	struct save *sv = job->ctx;

	for (unsigned i = 0; i < SNAP_FILES; i++)
		if (sv->fd[i] >= 0 && fsync(sv->fd[i]) < 0)
			return say(job, -errno, snapshot_file_names[i]);
	return 0;
}

/* Writing is the first half of the way, the checksums are the second; each goes through memory and
 * disks, in steps of which sv->base are behind us. */
static int in_step(void *arg, uint64_t done, uint64_t total)
{
	struct job *job = arg;
	struct save *sv = job->ctx;

	(void)total;
	return job_progress(job, sv->base + done, 2 * manifest_bytes(&sv->m));
}

static int dump_memory(struct job *job)
{
	struct save *sv = job->ctx;
	int rc = new_file(job, SNAP_MEMORY);

	if (rc < 0)
		return rc;
	rc = vmc_mem_dump(job->host->vm, sv->fd[SNAP_MEMORY], in_step, job);
	if (rc < 0 && rc != -ECANCELED)
		snprintf(job->error, sizeof(job->error), "snapshot: memory: %.400s",
			vmc_error(job->host->vm));
	return rc < 0 ? say(job, rc, "memory") : 0;
}

/* The images as they are, while the guest stands still and everything it wrote is in them. */
static int copy_disks(struct job *job)
{
	struct save *sv = job->ctx;
	int rc = 0;

	sv->base = sv->m.memory_size;
	for (unsigned i = 0; i < sv->m.ndisks && rc == 0; i++) {
		const char *name = snapshot_file_names[SNAP_DISK + i];

		if (sv->m.disk[i].read_only)
			continue;
		rc = new_file(job, SNAP_DISK + i);
		if (rc == 0)
			rc = disk_copy(machine_disk_fd(job->host->machine, i),
				sv->fd[SNAP_DISK + i], sv->m.disk[i].size, in_step, job);
		if (rc < 0)
			return say(job, rc, name);
		sv->base += sv->m.disk[i].size;
	}
	return 0;
}

static int sum_disks(struct job *job)
{
	struct save *sv = job->ctx;
	int rc = 0;

	sv->base += sv->m.memory_size;
	for (unsigned i = 0; i < sv->m.ndisks && rc == 0; i++) {
		if (sv->m.disk[i].read_only)
			continue;
		rc = snapshot_sum_disk(&sv->m, i, sv->fd[SNAP_DISK + i], in_step, job, job->error,
			sizeof(job->error));
		if (rc < 0)
			return say(job, rc, snapshot_file_names[SNAP_DISK + i]);
		sv->base += sv->m.disk[i].size;
	}
	return 0;
}

static int sync_folder(struct job *job, int fd)
{
	int rc;

	if (fd < 0)
		return say(job, fd, "its folder");
	rc = fsync(fd) < 0 ? -errno : 0;
	close(fd);
	return rc < 0 ? say(job, rc, "its folder") : 0;
}

static int finish_files(struct job *job)
{
	struct broker *b = job->host->broker;
	struct save *sv = job->ctx;
	char *text;
	int rc = snapshot_sum_memory(
		&sv->m, sv->fd[SNAP_MEMORY], in_step, job, job->error, sizeof(job->error));

	if (rc < 0)
		return say(job, rc, "memory");
	rc = sum_disks(job);
	if (rc < 0)
		return rc;
	text = manifest_text(&sv->m);
	if (!text)
		return say(job, -ENOMEM, "manifest.json");
	rc = write_file(job, SNAP_MANIFEST, text, strlen(text));
	free(text);
	if (rc == 0)
		rc = sync_files(job);
	if (rc == 0)
		rc = sync_folder(job, broker_new_folder(b, sv->m.id));
	if (rc == 0 && job->cancel)
		rc = say(job, -ECANCELED, "save");
	if (rc < 0)
		return rc;
	rc = broker_commit(b, sv->m.id);
	if (rc < 0)
		return say(job, rc, "rename");
	sv->committed = true;
	return sync_folder(job, broker_folder(b));
}

static int save_work(struct job *job)
{
	struct save *sv = job->ctx;
	int rc = broker_new(job->host->broker, sv->m.id);

	if (rc < 0)
		return say(job, rc, "its folder cannot be made");
	sv->folder_made = true;
	rc = write_file(job, SNAP_STATE, sv->state.data, sv->state.len);
	if (rc == 0)
		rc = write_file(job, SNAP_CONSOLE, sv->console.data, sv->console.len);
	if (rc == 0)
		rc = dump_memory(job);
	if (rc == 0)
		rc = copy_disks(job);
	job_tell(job); /* done or failed, the guest may go on */
	if (rc == 0)
		rc = finish_files(job);
	if (rc < 0 && !sv->committed)
		broker_discard(job->host->broker, sv->m.id);
	return rc;
}

static void let_go(struct job *job)
{
	struct save *sv = job->ctx;
	char err[256];

	if (!job->holds_vm)
		return;
	job_release_vm(job);
	if (sv->was_running && !job->host->quitting && host_cont(job->host, err, sizeof(err)) < 0)
		snprintf(job->error, sizeof(job->error), "the VM does not go on: %s", err);
}

static void save_free(struct save *sv)
{
	manifest_free(&sv->m);
	for (unsigned i = 0; i < SNAP_FILES; i++)
		if (sv->fd[i] >= 0)
			close(sv->fd[i]);
	vmc_out_free(&sv->state);
	vmc_out_free(&sv->console);
	free(sv);
}

static int save_end(struct job *job, int rc)
{
	struct save *sv = job->ctx;

	let_go(job);
	if (rc == 0)
		snprintf(job->host->current, sizeof(job->host->current), "%s", sv->m.id);
	save_free(sv);
	return rc;
}

static const struct job_ops save_ops = {
	.type = "snapshot-save",
	.status = "save-vm",
	.work = save_work,
	.told = let_go,
	.end = save_end,
};

/* Sorts by time; the random end keeps two of one second apart. */
static void make_id(char *id, size_t size, time_t now)
{
	uint16_t salt = 0;
	struct tm tm;
	size_t n;

	if (getrandom(&salt, sizeof(salt), 0) < 0)
		salt = (uint16_t)host_now_us();
	gmtime_r(&now, &tm);
	n = strftime(id, size, "%Y%m%d-%H%M%S", &tm);
	snprintf(id + n, size - n, "-%04x", salt);
}

/* A list of the definition as options. */
static int describe_list(const struct vm_def *def, const struct def_list *list, char **out,
	uint32_t *n, char *err, size_t err_size)
{
	char text[4400];

	for (*n = 0; *n < def_list_count(def, list); (*n)++) {
		if (def_list_format(list, def_list_item(def, list, *n), text, sizeof(text)) == 0)
			out[*n] = strdup(text);
		if (!out[*n]) {
			snprintf(err, err_size, "a %s is too long to be written down", list->what);
			return -ENOMEM;
		}
	}
	return 0;
}

static int describe_lists(struct host *h, struct manifest *m, char *err, size_t err_size)
{
	int rc = describe_list(&h->def, &def_lists[0], m->disk_text, &m->ndisks, err, err_size);

	if (rc == 0)
		rc = describe_list(&h->def, &def_lists[1], m->net_text, &m->nnets, err, err_size);
	for (unsigned i = 0; i < h->disks.n; i++) {
		m->disk[i].size = h->disks.image[i].size;
		m->disk[i].read_only = h->disks.config[i].read_only;
	}
	return rc;
}

static int describe(struct host *h, struct save *sv, const char *name, char *err, size_t err_size)
{
	struct vmc_mem_region regions[MANIFEST_REGIONS + 1];
	size_t n = vmc_mem_regions(h->vm, regions, MANIFEST_REGIONS + 1);
	struct manifest *m = &sv->m;

	make_id(m->id, sizeof(m->id), time(NULL));
	snprintf(m->parent, sizeof(m->parent), "%s", h->current);
	snprintf(m->name, sizeof(m->name), "%s", name);
	snprintf(m->vm, sizeof(m->vm), "%s", h->def.name);
	m->time_s = (int64_t)time(NULL);
	m->running = sv->was_running;
	m->memory = m->memory_size = vmc_mem_size(h->vm);
	m->vcpus = vmc_vcpu_count(h->vm);
	m->cols = h->cols;
	m->rng = h->def.rng;
	m->balloon = h->def.balloon;
	m->vsock = (uint32_t)h->def.vsock;
	m->rows = h->rows;
	snprintf(m->kernel, sizeof(m->kernel), "%s", h->kernel_path);
	snprintf(m->cpu, sizeof(m->cpu), "%s", h->def.cpu);
	snprintf(m->cmdline, sizeof(m->cmdline), "%s", h->def.cmdline ? h->def.cmdline : "");
	for (size_t i = 0; i < n; i++) {
		if (!(regions[i].flags & VMC_MEM_RAM))
			continue;
		if (m->nregions == MANIFEST_REGIONS) {
			snprintf(err, err_size, "more than %d regions of memory", MANIFEST_REGIONS);
			return -E2BIG;
		}
		m->regions[m->nregions].gpa = regions[i].gpa;
		m->regions[m->nregions++].size = regions[i].size;
	}
	return describe_lists(h, m, err, err_size);
}

/* The small part, while the VM stands still. */
static int save_state(struct host *h, struct save *sv, char *err, size_t err_size)
{
	int rc = vmc_state_save(h->vm, &sv->state);

	if (rc < 0) {
		snprintf(err, err_size, "state: %s", vmc_error(h->vm));
		return rc;
	}
	for (unsigned i = 0; i < RUNDIR_CONSOLES; i++)
		console_save(h->console[i], &sv->console);
	if (sv->state.failed || sv->console.failed) {
		snprintf(err, err_size, "no memory for the state");
		return -ENOMEM;
	}
	sv->m.state_size = sv->state.len;
	sv->m.state_sum = XXH3_64bits(sv->state.data, sv->state.len);
	sv->m.console_size = sv->console.len;
	sv->m.console_sum = XXH3_64bits(sv->console.data, sv->console.len);
	return 0;
}

static int may_save(
	struct host *h, const char *job_id, const char *name, char *err, size_t err_size)
{
	enum vmc_state state = vmc_vm_state(h->vm);
	char id[SNAPSHOT_ID_SIZE];
	int rc;

	if (!job_can_start(h->jobs, job_id, err, err_size))
		return -EBUSY;
	if (!snapshot_name_ok(name)) {
		snprintf(err, err_size, "a snapshot's name has at most %d bytes of UTF-8",
			SNAPSHOT_NAME_MAX);
		return -EINVAL;
	}
	if (state != VMC_RUNNING && state != VMC_PAUSED) {
		snprintf(err, err_size,
			"the VM is %s: only one that runs or is paused can be saved",
			vmc_state_name(state));
		return -EINVAL;
	}
	if (host_refuse_torn(h, err, err_size))
		return -EIO;
	rc = *name ? snapshot_find(h->broker, name, id, err, err_size) : -ENOENT;
	if (rc == 0 || rc == -EEXIST) {
		snprintf(err, err_size,
			"there is a snapshot %.64s already; delete it, or use another name", name);
		return -EEXIST;
	}
	return rc == -ENOENT ? 0 : rc;
}

int snapshot_save_start(
	struct host *h, const char *job_id, const char *name, char *err, size_t err_size)
{
	struct save *sv;
	int rc = may_save(h, job_id, name, err, err_size);

	if (rc < 0)
		return rc;
	sv = calloc(1, sizeof(*sv));
	if (!sv) {
		snprintf(err, err_size, "out of memory");
		return -ENOMEM;
	}
	for (unsigned i = 0; i < SNAP_FILES; i++)
		sv->fd[i] = -1;
	vmc_out_init(&sv->state);
	vmc_out_init(&sv->console);
	sv->was_running = vmc_vm_state(h->vm) == VMC_RUNNING;
	if (sv->was_running)
		rc = host_stop(h, err, err_size);
	if (rc == 0)
		rc = describe(h, sv, name, err, err_size);
	if (rc == 0)
		rc = save_state(h, sv, err, err_size);
	if (rc == 0)
		rc = job_start(h->jobs, job_id, &save_ops, sv, true, err, err_size);
	if (rc < 0) {
		char ignored[256];

		if (sv->was_running && vmc_vm_state(h->vm) == VMC_PAUSED)
			host_cont(h, ignored, sizeof(ignored));
		save_free(sv);
	}
	return rc;
}
