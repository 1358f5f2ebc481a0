/*
 * snapshot_disks.c - disks in snapshots: their copies are written beside the images while the VM
 * goes on with the old ones, and take their places once everything else is ready.
 *
 * A load that is cut off before that leaves the old images; the new one's name is of a fixed form
 * (broker_server.c), and the next load overwrites it. Main thread, but for prepare and copy.
 */
#include "vmhost/disk_copy.h"
#include "vmhost/host.h"
#include "vmhost/log.h"
#include "vmhost/snapshot.h"
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
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
		else if (d->size != h->disks.image[i].size)
			snprintf(err, err_size,
				"manifest: its disk%u has %" PRIu64 " bytes, %.256s has %" PRIu64
				"; truncate -s %" PRIu64 " makes one that fits",
				i, d->size, h->disks.config[i].path, h->disks.image[i].size, d->size);
		else if (!d->read_only && h->disks.image[i].block_device)
			snprintf(err, err_size,
				"manifest: disk%u is a block device, and a load replaces image files "
				"only",
				i);
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

		if (s->manifest.disk[i].read_only)
			continue;
		s->image_fd[i] = broker_disk_new(h->broker, i);
		rc = s->image_fd[i] < 0 ? s->image_fd[i] : 0;
		if (rc == 0)
			rc = disk_copy(
				s->fd[SNAP_DISK + i], s->image_fd[i], size, in_part, &part);
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

int snapshot_disks_swap(struct host *h, struct snapshot *s, char *err, size_t err_size)
{
	int rc = 0;

	for (unsigned i = 0; i < s->manifest.ndisks && rc == 0; i++) {
		if (s->image_fd[i] < 0)
			continue;
		rc = broker_disk_swap(h->broker, i);
		if (rc == 0)
			continue;
		snprintf(err, err_size, "disk%u: %.256s cannot be exchanged for the new image: %s", i,
			h->disks.config[i].path, strerror(-rc));
		while (i-- > 0) /* those before it back again */
			if (s->image_fd[i] >= 0)
				broker_disk_swap(h->broker, i);
		break;
	}
	return rc;
}

void snapshot_disks_forget(struct host *h, struct snapshot *s)
{
	for (unsigned i = 0; i < MANIFEST_DISKS; i++) {
		if (s->image_fd[i] < 0)
			continue;
		close(s->image_fd[i]);
		s->image_fd[i] = -1;
		broker_disk_drop(h->broker, i);
	}
}

void snapshot_disks_use(struct host *h, struct snapshot *s)
{
	for (unsigned i = 0; i < s->manifest.ndisks; i++) {
		if (s->image_fd[i] < 0)
			continue;
		machine_disk_replace(h->machine, i, s->image_fd[i]);
		s->image_fd[i] = -1; /* the machine's */
		if (broker_disk_drop(h->broker, i) < 0)
			log_line(h->log, "disk%u: the old image could not be removed", i);
	}
}
