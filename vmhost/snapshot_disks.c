/*
 * snapshot_disks.c - disks in snapshots. Copies of image files are written beside them while the VM
 * goes on with the old ones, and take their places once everything else is ready; block devices
 * are written in place while the VM stands still.
 *
 * A load that is cut off before the mark is set (load_mark.h) leaves the old disks, and files of fixed
 * names (broker.h) that the next load overwrites. After that, a start of the VM finds the mark.
 */
#include "vmhost/disk_copy.h"
#include "vmhost/host.h"
#include "vmhost/load_mark.h"
#include "vmhost/log.h"
#include "vmhost/snapshot.h"
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int snapshot_disks_fit(struct host *h, const struct manifest *m, char *err, size_t err_size)
{
	if (m->ndisks != h->disks.n) {
		snprintf(err, err_size, "manifest: it is of a VM with %u disks, this one has %u",
			m->ndisks, h->disks.n);
		return -EINVAL;
	}
	for (unsigned i = 0; i < m->ndisks; i++) {
		const struct manifest_disk *d = &m->disk[i];

		if (d->read_only != h->disks.config[i].read_only)
			snprintf(err, err_size, "manifest: its disk%u is %s, that of this VM is not", i,
				d->read_only ? "read-only" : "writable");
		else if (d->size != h->disks.image[i].size && h->disks.image[i].block_device)
			snprintf(err, err_size,
				"manifest: its disk%u has %" PRIu64 " bytes, the block device %.256s has "
				"%" PRIu64 "; it needs one of that size, or a file",
				i, d->size, h->disks.config[i].path, h->disks.image[i].size);
		else if (d->size != h->disks.image[i].size)
			snprintf(err, err_size,
				"manifest: its disk%u has %" PRIu64 " bytes, %.256s has %" PRIu64
				"; truncate -s %" PRIu64 " makes one that fits",
				i, d->size, h->disks.config[i].path, h->disks.image[i].size, d->size);
		else
			continue;
		return -EINVAL;
	}
	return 0;
}

struct part {
	vmc_progress_fn *progress;
	void *arg;
	uint64_t base, total;
};

static int in_part(void *arg, uint64_t done, uint64_t total)
{
	struct part *p = arg;

	(void)total;
	return p->progress ? p->progress(p->arg, p->base + done, p->total) : 0;
}

int snapshot_disks_prepare(struct host *h, struct snapshot *s, vmc_progress_fn *progress, void *arg,
	char *err, size_t err_size)
{
	struct part part = {progress, arg, 0, manifest_bytes(&s->manifest)};
	int rc = 0;

	for (unsigned i = 0; i < s->manifest.ndisks && rc == 0; i++) {
		uint64_t size = s->manifest.disk[i].size;

		if (s->manifest.disk[i].read_only || h->disks.image[i].block_device)
			continue;
		s->image_fd[i] = broker_disk_new(h->broker, i);
		rc = s->image_fd[i] < 0 ? s->image_fd[i] : 0;
		if (rc == 0)
			rc = disk_copy(
				s->fd[SNAP_DISK + i], s->image_fd[i], size, in_part, &part);
		if (rc == 0 && fsync(s->image_fd[i]) < 0)
			rc = -errno;
		if (rc < 0)
			snprintf(err, err_size, "disk%u: a new image cannot be written beside %.256s: %s",
				i, h->disks.config[i].path,
				rc == -ECANCELED ? "cancelled" : strerror(-rc));
		part.base += size;
	}
	if (rc < 0)
		snapshot_disks_forget(h, s);
	return rc;
}

/* ---- in place ---- */

static int set_mark(struct host *h, struct snapshot *s, const char *load, char *err, size_t err_size)
{
	struct load_mark m = {.load = (char *)load};
	struct stat st;
	int rc;

	for (unsigned i = 0; i < s->manifest.ndisks; i++) {
		struct load_mark_disk *d = &m.disk[m.n];

		if (s->manifest.disk[i].read_only)
			continue;
		d->path = (char *)h->disks.config[i].path; /* borrowed: this mark is not freed */
		d->device = h->disks.image[i].block_device;
		if (fstat(machine_disk_fd(h->machine, i), &st) == 0)
			d->was = st.st_ino;
		if (!d->device && fstat(s->image_fd[i], &st) == 0)
			d->ino = st.st_ino;
		m.n++;
	}
	if (!m.n)
		return 0;
	rc = load_mark_set(h->broker, &m);
	if (rc < 0)
		snprintf(err, err_size,
			"the mark of a load cannot be written among the snapshots, and no disk was "
			"touched: %s",
			strerror(-rc));
	s->marked = rc == 0;
	return rc;
}

/* There is no way back from a device that is half written, so nobody is asked. */
static int of_device(void *arg, uint64_t done, uint64_t total)
{
	in_part(arg, done, total);
	return 0;
}

static int write_devices(struct host *h, struct snapshot *s, vmc_progress_fn *progress, void *arg,
	char *err, size_t err_size)
{
	struct part part = {progress, arg, 0, 0};
	int rc = 0;

	for (unsigned i = 0; i < s->manifest.ndisks; i++)
		if (!s->manifest.disk[i].read_only && h->disks.image[i].block_device)
			part.total += s->manifest.disk[i].size;
	for (unsigned i = 0; i < s->manifest.ndisks && rc == 0; i++) {
		uint64_t size = s->manifest.disk[i].size;

		if (s->manifest.disk[i].read_only || !h->disks.image[i].block_device)
			continue;
		s->torn = true;
		rc = disk_copy_over(s->fd[SNAP_DISK + i], machine_disk_fd(h->machine, i), size,
			of_device, &part);
		if (rc < 0)
			snprintf(err, err_size, "disk%u: %.256s is written only in part: %s", i,
				h->disks.config[i].path, strerror(-rc));
		part.base += size;
	}
	return rc;
}

static int swap_images(struct host *h, struct snapshot *s, char *err, size_t err_size)
{
	int rc = 0;

	for (unsigned i = 0; i < s->manifest.ndisks && rc == 0; i++) {
		if (s->image_fd[i] < 0)
			continue;
		rc = broker_disk_swap(h->broker, i);
		if (rc < 0)
			snprintf(err, err_size,
				"disk%u: %.256s cannot be exchanged for the new image: %s", i,
				h->disks.config[i].path, strerror(-rc));
	}
	return rc;
}

int snapshot_disks_put(struct host *h, struct snapshot *s, const char *load,
	vmc_progress_fn *progress, void *arg, char *err, size_t err_size)
{
	int rc = set_mark(h, s, load, err, err_size);

	s->torn = *h->torn; /* by one before, which this one sets right */
	if (rc < 0)
		return rc;
	rc = write_devices(h, s, progress, arg, err, err_size);
	if (rc == 0)
		rc = swap_images(h, s, err, err_size);
	if (rc < 0)
		snapshot_disks_back(h, s);
	return rc;
}

void snapshot_disks_back(struct host *h, struct snapshot *s)
{
	for (unsigned i = 0; i < s->manifest.ndisks; i++)
		if (s->image_fd[i] >= 0 && broker_disk_back(h->broker, i) < 0)
			s->torn = true;
	/* Where the mark stays although nothing is torn, the next start finds the old images or
	 * completes the load: both are whole. */
	if (!s->torn && s->marked && load_mark_clear(h->broker) < 0)
		log_line(h->log, "the mark of a load could not be removed");
}

void snapshot_disks_use(struct host *h, struct snapshot *s)
{
	for (unsigned i = 0; i < s->manifest.ndisks; i++) {
		if (s->image_fd[i] < 0)
			continue;
		machine_disk_replace(h->machine, i, s->image_fd[i]);
		s->image_fd[i] = -1; /* the machine's */
	}
}

int snapshot_disks_done(struct host *h, struct snapshot *s, char *err, size_t err_size)
{
	int rc = 0;

	s->torn = false;
	for (unsigned i = 0; i < s->manifest.ndisks; i++)
		if (!s->manifest.disk[i].read_only && !h->disks.image[i].block_device &&
			broker_disk_drop(h->broker, i) < 0)
			log_line(h->log, "disk%u: the old image could not be removed", i);
	if (s->marked)
		rc = load_mark_clear(h->broker);
	if (rc < 0)
		snprintf(err, err_size,
			"loaded, but the mark of the load (" BROKER_MARK
			", among the snapshots) cannot be removed: %s; while it is there, the VM may "
			"refuse to start",
			strerror(-rc));
	return rc;
}

void snapshot_disks_forget(struct host *h, struct snapshot *s)
{
	for (unsigned i = 0; i < MANIFEST_DISKS; i++) {
		if (s->image_fd[i] < 0)
			continue;
		close(s->image_fd[i]);
		s->image_fd[i] = -1;
		if (!s->torn) /* else they are wanted to complete it, or are the only old ones */
			broker_disk_drop(h->broker, i);
	}
}

void snapshot_disks_tidy(struct host *h)
{
	for (unsigned i = 0; i < h->disks.n; i++)
		if (!h->disks.config[i].read_only && !h->disks.image[i].block_device && !*h->torn)
			broker_disk_drop(h->broker, i);
}
