/*
 * load_mark.c - see load_mark.h.
 *
 * Images are replaced by files that were written and synced before the mark was, so a load that was
 * cut off among them can be completed by renaming what is left; which is where is told by inode
 * numbers. The mark may have been written by a process that a guest had taken over: nothing is
 * renamed but the images of this VM's definition and the files of fixed names beside them.
 * A block device is written in place, and only the snapshot can complete that.
 */
#include "vmhost/load_mark.h"
#include "vmhost/host.h"
#include "vmhost/log.h"
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <vmcore/client.h>

void load_mark_free(struct load_mark *m)
{
	free(m->load);
	for (unsigned i = 0; i < BROKER_DISKS; i++)
		free(m->disk[i].path);
	memset(m, 0, sizeof(*m));
}

/* It is shown to people, in messages. */
static bool plain(const char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text < ' ' || *text == 0x7f)
			return false;
	return true;
}

char *load_mark_text(const struct load_mark *m)
{
	json_t *disks = json_array(), *top;
	char *text;

	for (unsigned i = 0; i < m->n && plain(m->disk[i].path) && plain(m->load); i++)
		json_array_append_new(disks,
			json_pack("{s:s, s:b, s:I, s:I}", "path", m->disk[i].path, "device",
				m->disk[i].device, "old-inode", (json_int_t)m->disk[i].was,
				"new-inode", (json_int_t)m->disk[i].ino));
	if (json_array_size(disks) != m->n) { /* a path that is no text */
		json_decref(disks);
		return NULL;
	}
	top = json_pack("{s:i, s:s, s:o}", "version", 1, "load", m->load, "disks", disks);
	text = top ? json_dumps(top, JSON_INDENT(1)) : NULL;
	json_decref(top);
	return text;
}

static int parse_disk(struct load_mark_disk *d, json_t *v)
{
	json_int_t was, ino;
	const char *path;
	int device;

	if (json_unpack(v, "{s:s, s:b, s:I, s:I}", "path", &path, "device", &device, "old-inode",
		    &was, "new-inode", &ino) < 0 ||
		*path != '/' || !plain(path))
		return -EBADMSG;
	d->device = device;
	d->was = (uint64_t)was;
	d->ino = (uint64_t)ino;
	d->path = strdup(path);
	return d->path ? 0 : -ENOMEM;
}

int load_mark_parse(struct load_mark *m, const char *text, size_t len)
{
	json_t *top = json_loadb(text, len, JSON_REJECT_DUPLICATES, NULL), *disks = NULL;
	const char *load;
	int version = 0, rc = -EBADMSG;

	memset(m, 0, sizeof(*m));
	if (json_unpack(top, "{s:i, s:s, s:o}", "version", &version, "load", &load, "disks",
		    &disks) == 0 &&
		version == 1 && plain(load) && json_is_array(disks) && json_array_size(disks) <= BROKER_DISKS) {
		m->load = strdup(load);
		rc = m->load ? 0 : -ENOMEM;
		while (rc == 0 && m->n < json_array_size(disks)) {
			rc = parse_disk(&m->disk[m->n], json_array_get(disks, m->n));
			m->n++;
		}
	}
	json_decref(top);
	if (rc < 0)
		load_mark_free(m);
	return rc;
}

int load_mark_set(struct broker *b, const struct load_mark *m)
{
	char *text = load_mark_text(m);
	int fd = text ? broker_mark_new(b) : -EINVAL, rc = fd < 0 ? fd : 0;
	size_t len = text ? strlen(text) : 0;

	if (rc == 0 && pwrite(fd, text, len, 0) != (ssize_t)len)
		rc = errno ? -errno : -EIO;
	if (rc == 0 && fsync(fd) < 0)
		rc = -errno;
	if (fd >= 0)
		close(fd);
	free(text);
	return rc == 0 ? broker_mark_set(b) : rc;
}

int load_mark_clear(struct broker *b)
{
	return broker_mark_clear(b);
}

/* ---- at a start ---- */

/* Return: 1: there is one; 0: none; -errno: there is, and it cannot be read. */
static int read_mark(const char *path, struct load_mark *m)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK), rc = 0;
	char *text;
	ssize_t n;

	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;
	text = malloc(LOAD_MARK_MAX);
	n = text ? pread(fd, text, LOAD_MARK_MAX, 0) : -1;
	if (n < 0)
		rc = text ? -errno : -ENOMEM;
	else
		rc = load_mark_parse(m, text, (size_t)n);
	free(text);
	close(fd);
	return rc < 0 ? rc : 1;
}

/* The VM's own disk that is meant; -1: it has none of that name, or may not write to it. */
static int disk_of(const struct host *h, const struct load_mark_disk *d)
{
	for (unsigned i = 0; i < h->def.ndisks; i++)
		if (!h->def.disk[i].read_only && strcmp(h->def.disk[i].path, d->path) == 0)
			return (int)i;
	return -1;
}

static int sync_folder_of(const char *path)
{
	char folder[4096];
	int fd, rc;

	snprintf(folder, sizeof(folder), "%.*s", (int)(strrchr(path, '/') - path) + 1, path);
	fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	rc = fsync(fd) < 0 ? -errno : 0;
	close(fd);
	return rc;
}

/* What a load that was cut off left of one image. */
struct remains {
	struct disk_image img; /* open and locked: nobody works on it */
	char fresh[4400], old[4400];
	bool done, ready; /* the image is the new one; is not, and the new one is there */
};

static int look_at(const struct load_mark_disk *d, struct remains *r, char *err, size_t err_size)
{
	int len = (int)(strrchr(d->path, '/') - d->path) + 1;
	int rc = disk_open(d->path, false, &r->img, err, err_size);
	struct stat st;

	if (rc < 0)
		return rc;
	snprintf(r->fresh, sizeof(r->fresh), "%.*s.%s" BROKER_DISK_NEW, len, d->path, d->path + len);
	snprintf(r->old, sizeof(r->old), "%.*s.%s" BROKER_DISK_OLD, len, d->path, d->path + len);
	r->done = r->img.ino == d->ino;
	r->ready = r->img.ino == d->was && lstat(r->fresh, &st) == 0 && S_ISREG(st.st_mode) &&
		   st.st_ino == d->ino;
	if (r->done || r->ready || r->img.ino == d->was)
		return 0;
	snprintf(err, err_size, "%.256s is neither the old image nor the new one", d->path);
	return -EINVAL;
}

/* All new, if every new image is there; or they are all old. */
static int settle(const struct load_mark *m, struct remains *r, bool *old, char *err, size_t err_size)
{
	unsigned done = 0, ready = 0;
	int rc = 0;

	for (unsigned i = 0; i < m->n; i++) {
		done += r[i].done;
		ready += r[i].ready;
	}
	*old = !done && ready < m->n;
	if (!*old && done + ready < m->n) {
		snprintf(err, err_size, "a new image is missing");
		return -ENOENT;
	}
	for (unsigned i = 0; i < m->n && rc == 0 && !*old; i++)
		if ((r[i].ready && rename(r[i].fresh, m->disk[i].path) < 0) ||
			sync_folder_of(m->disk[i].path) < 0) {
			rc = -errno;
			snprintf(err, err_size, "%.256s: %s", m->disk[i].path, strerror(-rc));
		}
	for (unsigned i = 0; i < m->n && rc == 0; i++) { /* what is not the image now */
		unlink(r[i].fresh);
		unlink(r[i].old);
	}
	return rc;
}

/* Return: 0: the disks are all new now, or all old. */
static int complete(struct host *h, const struct load_mark *m, char *err, size_t err_size)
{
	struct remains r[BROKER_DISKS];
	bool old = false;
	unsigned n = 0;
	int rc = 0;

	for (unsigned i = 0; i < m->n; i++)
		if (m->disk[i].device || disk_of(h, &m->disk[i]) < 0) {
			snprintf(err, err_size, "%.256s %s", m->disk[i].path,
				m->disk[i].device ? "is written in place" : "is no disk of this VM now");
			return -EINVAL;
		}
	while (n < m->n && rc == 0) {
		r[n].img.fd = -1;
		rc = look_at(&m->disk[n], &r[n], err, err_size);
		n++;
	}
	if (rc == 0)
		rc = settle(m, r, &old, err, err_size);
	while (n-- > 0)
		if (r[n].img.fd >= 0)
			close(r[n].img.fd);
	if (rc < 0)
		return rc;
	rc = load_mark_clear(h->broker);
	snprintf(err, err_size, "its mark cannot be removed: %s", strerror(-rc));
	if (rc == 0)
		log_line(h->log, "a load of %s had been cut off; the disks are %s", m->load,
			old ? "as they were before it" : "the snapshot's");
	return rc;
}

static void name_disks(const struct load_mark *m, char *out, size_t size)
{
	size_t n = 0;

	out[0] = '\0';
	for (unsigned i = 0; i < m->n && n < size; i++)
		n += (size_t)snprintf(out + n, size - n, "%s%.200s", i ? ", " : "", m->disk[i].path);
}

/* With --load: does it write all that the other left unfinished? */
static int check_covered(
	struct host *h, const struct load_mark *m, const char *path, char *err, size_t err_size)
{
	for (unsigned i = 0; i < m->n; i++) {
		if (disk_of(h, &m->disk[i]) >= 0)
			continue;
		snprintf(err, err_size,
			"a load of %.256s was cut off, and %.256s, which was part of it, is no disk "
			"that this VM writes to now: it cannot be completed; give it that disk, or, "
			"if the disk has been restored by other means, remove %.512s",
			m->load, m->disk[i].path, path);
		return -EINVAL;
	}
	log_line(h->log, "a load of %s had been cut off; this one takes its place", m->load);
	snprintf(h->torn, sizeof(h->torn), "a load of %.400s was cut off", m->load);
	return 0;
}

int load_mark_look(struct host *h, char *err, size_t err_size)
{
	char base[3000], path[3200], disks[900], why[DEF_ERR_SIZE];
	struct load_mark m = {0};
	int rc = vmc_path_state(base, sizeof(base), err, err_size);

	if (rc < 0)
		return rc;
	snprintf(path, sizeof(path), "%s/%s/snapshots/" BROKER_MARK, base, h->def.name);
	rc = read_mark(path, &m);
	if (rc == 0)
		return 0;
	if (rc < 0) {
		snprintf(err, err_size,
			"a load was cut off, and its mark %.512s cannot be read (%s): the disks may "
			"be partly the snapshot's; remove it if you know that they are whole",
			path, strerror(-rc));
		return rc;
	}
	if (h->def.load) {
		rc = check_covered(h, &m, path, err, err_size);
	} else if (complete(h, &m, why, sizeof(why)) < 0) {
		log_line(h->log, "a load of %s was cut off, and cannot be completed without it: %s",
			m.load, why);
		name_disks(&m, disks, sizeof(disks));
		snprintf(err, err_size,
			"a load of %.256s was cut off, and the disks (%s) are partly as they were and "
			"partly the snapshot's; complete it: vitrine run --name %s --load %.256s (any "
			"snapshot with these disks will do); or, if they have been restored by other "
			"means, remove %.512s",
			m.load, disks, h->def.name, m.load, path);
		rc = -EUCLEAN;
	} else {
		rc = 0;
	}
	load_mark_free(&m);
	return rc;
}
