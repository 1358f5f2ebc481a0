/* disks.c - see disks.h. Main thread. */
#include "vmhost/disks.h"
#include "vmhost/control.h"
#include "vmhost/host.h"
#include "vmhost/log.h"
#include "vmhost/qmp.h"
#include <errno.h>
#include <event2/event.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define TELL_US 1000000 /* a guest that hammers a full disk makes a line a second, not a thousand */

static int check_twice(struct disks *d, unsigned i, char *err, size_t err_size)
{
	for (unsigned k = 0; k < i; k++) {
		if (d->image[k].dev != d->image[i].dev || d->image[k].ino != d->image[i].ino)
			continue;
		if (d->config[k].read_only && d->config[i].read_only)
			continue;
		snprintf(err, err_size, "disk %s: it is given twice, and one of them writes",
			d->config[i].path);
		return -EBUSY;
	}
	return 0;
}

/* The second of one image would find the first one's lock: say it better. */
static int check_paths(struct host *h, char *err, size_t err_size)
{
	struct disks *d = &h->disks;
	struct stat st;

	for (unsigned i = 0; i < h->def.ndisks; i++) {
		d->config[i].path = h->def.disk[i].path;
		d->config[i].read_only = h->def.disk[i].read_only;
		if (stat(h->def.disk[i].path, &st) < 0)
			continue; /* opening it says more */
		d->image[i].dev = st.st_dev;
		d->image[i].ino = st.st_ino;
		if (check_twice(d, i, err, err_size) < 0)
			return -EBUSY;
	}
	return 0;
}

int disks_paths(struct host *h, char *err, size_t err_size)
{
	for (unsigned i = 0; i < h->def.ndisks; i++) {
		char *whole = realpath(h->def.disk[i].path, NULL);
		struct disk_image img;
		int rc;

		if (whole) {
			free(h->def.disk[i].path);
			h->def.disk[i].path = whole;
			continue;
		}
		/* what is wrong with it, in full */
		rc = disk_open(h->def.disk[i].path, h->def.disk[i].read_only, &img, err, err_size);
		if (rc == 0) { /* it was made in between */
			close(img.fd);
			rc = -EAGAIN;
		}
		return rc;
	}
	return 0;
}

int disks_open(struct host *h, char *err, size_t err_size)
{
	struct disks *d = &h->disks;
	int rc = check_paths(h, err, err_size);

	for (unsigned i = 0; i < h->def.ndisks && rc == 0; i++) {
		const struct def_disk *def = &h->def.disk[i];
		struct disk_config *cfg = &d->config[i];

		rc = disk_open(def->path, def->read_only, &d->image[i], err, err_size);
		if (rc < 0)
			break;
		cfg->fd = d->image[i].fd;
		cfg->size = d->image[i].size;
		cfg->serial = def->serial ? def->serial : "";
		cfg->keep_failed = def->on_error && strcmp(def->on_error, "pause") == 0;
		d->n++;
	}
	return rc;
}

void disks_close(struct host *h)
{
	struct disks *d = &h->disks;

	if (d->ev)
		event_free(d->ev);
	d->ev = NULL;
	for (unsigned i = 0; i < d->n && !h->vm; i++)
		close(d->image[i].fd);
	d->n = 0;
}

uint64_t disks_largest(const struct host *h)
{
	uint64_t most = 0;

	for (unsigned i = 0; i < h->disks.n; i++)
		if (h->disks.image[i].size > most)
			most = h->disks.image[i].size;
	return most;
}

bool disks_wait(const struct host *h)
{
	struct disk_info info;

	for (unsigned i = 0; i < h->disks.n; i++)
		if (machine_disk_info(h->machine, i, &info) && info.kept)
			return true;
	return false;
}

/* ---- errors of the host ---- */

/* From the device, with its lock held: only remember. */
static void on_error(void *arg, const struct disk_error *e)
{
	struct host *h = arg;
	struct disks *d = &h->disks;

	d->error[e->disk] = *e;
	d->untold[e->disk]++;
	event_active(d->ev, EV_TIMEOUT, 0);
}

static void tell(struct host *h, unsigned i)
{
	const struct disk_error *e = &h->disks.error[i];
	char more[64] = "", id[16];
	bool nospace = e->error == ENOSPC || e->error == EDQUOT;

	if (h->disks.untold[i] > 1)
		snprintf(more, sizeof(more), " (and %" PRIu64 " more)", h->disks.untold[i] - 1);
	log_line(h->log, "disk%u (%s): %s of %" PRIu64 " bytes at %" PRIu64 ": %s%s; %s", i,
		h->disks.config[i].path, e->op, e->len, e->off, strerror(e->error), more,
		e->kept ? nospace ? "the VM is paused: make room and resume it"
				  : "the VM is paused: mend the cause and resume it"
			: "the guest was told");
	if (e->kept)
		snprintf(h->reason, sizeof(h->reason), "disk%u: %s: %s; make room, then resume", i, e->op,
			strerror(e->error));
	snprintf(id, sizeof(id), "disk%u", i);
	control_event(h->control, "BLOCK_IO_ERROR",
		json_pack("{s:s, s:s, s:s, s:s, s:s, s:b, s:s}", "device", id, "node-name", id,
			"qom-path", id, "operation", e->write ? "write" : "read", "action",
			e->kept ? "stop" : "report", "nospace", nospace, "reason",
			strerror(e->error)));
	h->disks.untold[i] = 0;
}

/* Told, and then the VM stopped, without the device lock. */
static void on_event(evutil_socket_t fd, short what, void *arg)
{
	struct host *h = arg;
	struct disks *d = &h->disks;
	uint64_t now = host_now_us(), since = now - d->told_us;
	struct timeval later = {0, TELL_US};
	bool kept = false;
	char err[256];

	for (unsigned i = 0; i < d->n; i++)
		kept |= d->untold[i] && d->error[i].kept;
	if (since < TELL_US && !kept) {
		later.tv_usec = (suseconds_t)(TELL_US - since);
		if (later.tv_usec >= 1000000)
			later = (struct timeval){1, 0};
		event_add(d->ev, &later);
		return;
	}
	for (unsigned i = 0; i < d->n; i++)
		if (d->untold[i])
			tell(h, i);
	d->told_us = now;
	if (kept && host_stop(h, err, sizeof(err)) < 0)
		log_line(h->log, "the VM is not paused: %s", err); /* a job holds it still anyway */
}

int disks_machine(struct host *h, struct machine_config *cfg)
{
	struct disks *d = &h->disks;

	cfg->disks = d->config;
	cfg->ndisks = d->n;
	cfg->disk_events = (struct disk_events){on_error, h};
	d->ev = event_new(h->base, -1, 0, on_event, h);
	return d->ev ? 0 : -ENOMEM;
}

/* ---- QMP ---- */

static const char *io_status(const struct disk_info *info)
{
	if (!info->kept)
		return "ok";
	return info->error == ENOSPC || info->error == EDQUOT ? "nospace" : "failed";
}

static json_t *inserted(struct host *h, unsigned i, const struct disk_info *info)
{
	struct stat st = {0};
	const char *drv = h->disks.image[i].block_device ? "host_device" : "raw";
	char id[16];

	snprintf(id, sizeof(id), "disk%u", i);
	fstat(machine_disk_fd(h->machine, i), &st);
	return json_pack("{s:o, s:s, s:b, s:s, s:i, s:b, s:i, s:s, s:{s:b, s:b, s:b}, "
			 "s:{s:o, s:s, s:I, s:I}}",
		"file", qmp_text(info->path), "node-name", id, "ro", info->read_only, "drv", drv,
		"backing_file_depth", 0, "encrypted", 0, "write_threshold", 0, "detect_zeroes",
		"off", "cache", "writeback", info->writeback, "direct", 0, "no-flush", 0, "image",
		"filename", qmp_text(info->path), "format", "raw", "virtual-size",
		(json_int_t)info->size, "actual-size", (json_int_t)st.st_blocks * 512);
}

json_t *disks_query(struct host *h)
{
	json_t *list = json_array();
	struct disk_info info;
	char id[16];

	for (unsigned i = 0; i < h->disks.n; i++) {
		if (!machine_disk_info(h->machine, i, &info))
			continue;
		snprintf(id, sizeof(id), "disk%u", i);
		json_array_append_new(list,
			json_pack("{s:s, s:s, s:s, s:b, s:b, s:s, s:o, s:s, s:s, s:I}", "device",
				id, "qdev", id, "type", "unknown", "removable", 0, "locked", 0,
				"io-status", io_status(&info), "inserted", inserted(h, i, &info),
				"x-serial", info.serial, "x-engine", info.engine, "x-in-flight",
				(json_int_t)(info.inflight + info.kept)));
	}
	return list;
}

static void put_kind(json_t *stats, const char *name, const struct disk_info *info, unsigned kind)
{
	const struct {
		const char *fmt;
		uint64_t value;
	} all[] = {
		{"%s_bytes", info->bytes[kind]},
		{"%s_operations", info->done[kind]},
		{"failed_%s_operations", info->failed[kind]},
		{"invalid_%s_operations", info->invalid[kind]},
		{"%s_total_time_ns", info->time_ns[kind]},
	};
	char key[48];

	for (unsigned i = kind == DISK_FLUSHES; i < 5; i++) {
		snprintf(key, sizeof(key), all[i].fmt, name);
		json_object_set_new(stats, key, json_integer((json_int_t)all[i].value));
	}
}

json_t *disks_stats(struct host *h)
{
	static const char *const names[DISK_KINDS] = {"rd", "wr", "flush", "unmap"};
	json_t *list = json_array(), *stats;
	struct disk_info info;
	char id[16];

	for (unsigned i = 0; i < h->disks.n; i++) {
		if (!machine_disk_info(h->machine, i, &info))
			continue;
		stats = json_object();
		for (unsigned k = 0; k < DISK_KINDS; k++)
			put_kind(stats, names[k], &info, k);
		snprintf(id, sizeof(id), "disk%u", i);
		json_array_append_new(list, json_pack("{s:s, s:s, s:s, s:o}", "device", id,
						    "qdev", id, "node-name", id, "stats", stats));
	}
	return list;
}
