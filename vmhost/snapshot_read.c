/*
 * snapshot_read.c - opening a snapshot and checking it to the last bit, without touching the VM.
 * Any thread. Messages begin with the section that is wrong: manifest, state, console or memory.
 */
#include "vmhost/snapshot.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <vmcore/client.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

#define READ_SIZE (1u << 20)

void snapshot_init(struct snapshot *s)
{
	memset(s, 0, sizeof(*s));
	for (unsigned i = 0; i < SNAP_FILES; i++)
		s->fd[i] = -1;
	for (unsigned i = 0; i < MANIFEST_DISKS; i++)
		s->image_fd[i] = -1;
}

void snapshot_close(struct snapshot *s)
{
	for (unsigned i = 0; i < SNAP_FILES; i++)
		if (s->fd[i] >= 0)
			close(s->fd[i]);
	manifest_free(&s->manifest);
	free(s->state);
	free(s->console);
	snapshot_init(s);
}

static int64_t file_size(int fd)
{
	struct stat st;

	return fstat(fd, &st) < 0 ? -errno : (int64_t)st.st_size;
}

static int read_all(int fd, void *buf, size_t len, off_t at)
{
	size_t pos = 0;
	ssize_t n;

	while (pos < len) {
		n = pread(fd, (char *)buf + pos, len - pos, at + (off_t)pos);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -ENODATA;
		pos += (size_t)n;
	}
	return 0;
}

static int read_manifest(struct snapshot *s, char *err, size_t err_size)
{
	int64_t size = file_size(s->fd[SNAP_MANIFEST]);
	char *text;
	int rc;

	if (size < 0 || size > MANIFEST_MAX) {
		snprintf(err, err_size, "manifest: too large");
		return -EBADMSG;
	}
	text = malloc((size_t)size + 1);
	if (!text)
		return -ENOMEM;
	rc = read_all(s->fd[SNAP_MANIFEST], text, (size_t)size, 0);
	if (rc < 0)
		snprintf(err, err_size, "manifest: cannot be read: %s", strerror(-rc));
	else
		rc = manifest_parse(&s->manifest, text, (size_t)size, err, err_size);
	free(text);
	return rc;
}

static int opened(struct snapshot *s, unsigned file, int fd, char *err, size_t err_size)
{
	if (fd < 0) {
		snprintf(err, err_size, "%s: cannot be opened: %s",
			file == SNAP_MANIFEST ? "manifest" : snapshot_file_names[file],
			strerror(-fd));
		return fd == -ENOENT ? -EBADMSG : fd;
	}
	s->fd[file] = fd;
	return 0;
}

bool snapshot_has(const struct snapshot *s, unsigned file)
{
	unsigned disk = file - SNAP_DISK;

	if (file < SNAP_DISK)
		return true;
	return disk < s->manifest.ndisks && !s->manifest.disk[disk].read_only;
}

int snapshot_open(struct snapshot *s, struct broker *b, const char *id, char *err, size_t err_size)
{
	int rc = 0;

	for (unsigned i = 0; i < SNAP_FILES && rc == 0; i++) {
		if (!snapshot_has(s, i))
			continue;
		rc = opened(s, i, broker_file(b, id, i), err, err_size);
		if (i == SNAP_MANIFEST && rc == 0)
			rc = read_manifest(s, err, err_size);
	}
	return rc;
}

int snapshot_open_folder(struct snapshot *s, const char *path, char *err, size_t err_size)
{
	int dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), fd, rc = 0;

	if (dir < 0) {
		rc = -errno;
		snprintf(err, err_size, "cannot open the snapshot %s: %s", path, strerror(-rc));
		return rc;
	}
	for (unsigned i = 0; i < SNAP_FILES && rc == 0; i++) {
		if (!snapshot_has(s, i))
			continue;
		fd = openat(dir, snapshot_file_names[i], O_RDONLY | O_CLOEXEC | O_NONBLOCK);
		rc = opened(s, i, fd < 0 ? -errno : fd, err, err_size);
		if (i == SNAP_MANIFEST && rc == 0)
			rc = read_manifest(s, err, err_size);
	}
	close(dir);
	return rc;
}

int snapshot_check_sizes(const struct snapshot *s, char *err, size_t err_size)
{
	uint64_t want[SNAP_FILES] = {
		[SNAP_STATE] = s->manifest.state_size,
		[SNAP_CONSOLE] = s->manifest.console_size,
		[SNAP_MEMORY] = s->manifest.memory_size,
	};

	for (unsigned i = 0; i < s->manifest.ndisks; i++)
		want[SNAP_DISK + i] = s->manifest.disk[i].size;
	for (unsigned i = 0; i < SNAP_FILES; i++) {
		int64_t size;

		if (i == SNAP_MANIFEST || !snapshot_has(s, i))
			continue;
		size = file_size(s->fd[i]);
		if (size < 0 || (uint64_t)size != want[i]) {
			snprintf(err, err_size,
				"%s: has %" PRId64 " bytes, and should have %" PRIu64
				": truncated or"
				" damaged",
				snapshot_file_names[i], size, want[i]);
			return -EBADMSG;
		}
	}
	return 0;
}

static int load_section(const struct snapshot *s, enum snapshot_file file, uint64_t size,
	uint64_t sum, void **out, char *err, size_t err_size)
{
	void *data = malloc(size);
	int rc;

	if (!data) {
		snprintf(err, err_size, "%s: no memory for %" PRIu64 " bytes",
			snapshot_file_names[file], size);
		return -ENOMEM;
	}
	rc = read_all(s->fd[file], data, size, 0);
	if (rc < 0)
		snprintf(err, err_size, "%s: cannot be read: %s", snapshot_file_names[file],
			strerror(-rc));
	else if (XXH3_64bits(data, size) != sum) {
		snprintf(err, err_size, "%s: does not match its checksum: damaged",
			snapshot_file_names[file]);
		rc = -EBADMSG;
	}
	if (rc < 0)
		free(data);
	else
		*out = data;
	return rc;
}

struct summer {
	int fd;
	uint8_t *buf;
	uint64_t hole_until; /* known to be a hole up to here */
	uint64_t zeros;      /* the sum of a whole chunk of zeros */
};

/* Where is the next data? Lets big holes cost nothing. */
static bool all_hole(struct summer *sm, uint64_t at, uint64_t len)
{
	off_t data;

	if (at + len <= sm->hole_until)
		return true;
	data = lseek(sm->fd, (off_t)at, SEEK_DATA);
	if (data < 0)
		sm->hole_until = errno == ENXIO
					 ? UINT64_MAX
					 : at; /* nothing but hole; or no such knowledge here */
	else
		sm->hole_until = (uint64_t)data;
	return at + len <= sm->hole_until;
}

static int sum_chunk(struct summer *sm, uint64_t at, uint64_t len, uint64_t *sum)
{
	XXH3_state_t *st;
	int rc = 0;

	if (len == MANIFEST_CHUNK && all_hole(sm, at, len)) {
		*sum = sm->zeros;
		return 0;
	}
	st = XXH3_createState();
	if (!st)
		return -ENOMEM;
	XXH3_64bits_reset(st);
	while (len && rc == 0) {
		size_t n = len < READ_SIZE ? len : READ_SIZE;

		rc = read_all(sm->fd, sm->buf, n, (off_t)at);
		if (rc == 0)
			XXH3_64bits_update(st, sm->buf, n);
		at += n;
		len -= n;
	}
	*sum = XXH3_64bits_digest(st);
	XXH3_freeState(st);
	return rc;
}

static uint64_t sum_of_zeros(uint8_t *buf)
{
	XXH3_state_t *st = XXH3_createState();
	uint64_t sum = 0;

	if (!st)
		return 0;
	memset(buf, 0, READ_SIZE);
	XXH3_64bits_reset(st);
	for (uint64_t n = 0; n < MANIFEST_CHUNK; n += READ_SIZE)
		XXH3_64bits_update(st, buf, READ_SIZE);
	sum = XXH3_64bits_digest(st);
	XXH3_freeState(st);
	return sum;
}

/* Each chunk's sum, in order, for @each; which says whether to go on. */
static int each_chunk(const char *of, int fd, uint64_t size, int (*each)(void *arg, uint32_t chunk, uint64_t sum),
	void *arg, vmc_progress_fn *progress, void *progress_arg, char *err, size_t err_size)
{
	struct summer sm = {.fd = fd, .buf = malloc(READ_SIZE)};
	uint64_t at = 0, sum;
	int rc = sm.buf ? 0 : -ENOMEM;

	if (rc == 0)
		sm.zeros = sum_of_zeros(sm.buf);
	for (uint32_t i = 0; at < size && rc == 0; i++) {
		uint64_t n = size - at < MANIFEST_CHUNK ? size - at : MANIFEST_CHUNK;

		rc = sum_chunk(&sm, at, n, &sum);
		if (rc < 0)
			snprintf(err, err_size, "%s: cannot be read: %s", of, strerror(-rc));
		else
			rc = each(arg, i, sum);
		at += n;
		if (rc == 0 && progress && progress(progress_arg, at, size)) {
			snprintf(err, err_size, "cancelled");
			rc = -ECANCELED;
		}
	}
	free(sm.buf);
	return rc;
}

struct verify {
	const struct manifest *m;
	const struct manifest_disk *disk; /* NULL: memory */
	unsigned number;
	uint64_t base, total; /* of the progress */
	vmc_progress_fn *progress;
	void *arg;
	char *err;
	size_t err_size;
};

static int compare(void *arg, uint32_t chunk, uint64_t sum)
{
	struct verify *v = arg;
	uint64_t gpa;

	if (v->disk) {
		if (sum == v->disk->sums[chunk])
			return 0;
		snprintf(v->err, v->err_size,
			"disk%u: chunk %u (from %#" PRIx64
			") does not match its checksum: damaged",
			v->number, chunk, (uint64_t)(chunk * MANIFEST_CHUNK));
		return -EBADMSG;
	}
	gpa = manifest_chunk_gpa(v->m, chunk);
	if (sum == v->m->chunk_sums[chunk])
		return 0;
	snprintf(v->err, v->err_size,
		"memory: chunk %u (guest memory from %#" PRIx64 ", file from %#" PRIx64
		") does not match its checksum: damaged",
		chunk, gpa, (uint64_t)(chunk * MANIFEST_CHUNK));
	return -EBADMSG;
}

static int verified(void *arg, uint64_t done, uint64_t total)
{
	struct verify *v = arg;

	(void)total;
	return v->progress ? v->progress(v->arg, v->base + done, v->total) : 0;
}

static int verify_disks(struct snapshot *s, struct verify *v)
{
	int rc = 0;

	for (unsigned i = 0; i < s->manifest.ndisks && rc == 0; i++) {
		v->disk = &s->manifest.disk[i];
		v->number = i;
		if (v->disk->read_only)
			continue;
		rc = each_chunk(snapshot_file_names[SNAP_DISK + i], s->fd[SNAP_DISK + i],
			v->disk->size, compare, v, verified, v, v->err, v->err_size);
		v->base += v->disk->size;
	}
	return rc;
}

uint64_t manifest_bytes(const struct manifest *m)
{
	uint64_t sum = m->memory_size;

	for (unsigned i = 0; i < m->ndisks; i++)
		sum += m->disk[i].read_only ? 0 : m->disk[i].size;
	return sum;
}

int snapshot_verify(
	struct snapshot *s, vmc_progress_fn *progress, void *arg, char *err, size_t err_size)
{
	struct manifest *m = &s->manifest;
	struct verify v = {.m = m,
		.total = manifest_bytes(m),
		.progress = progress,
		.arg = arg,
		.err = err,
		.err_size = err_size};
	int rc = snapshot_check_sizes(s, err, err_size);

	if (rc == 0)
		rc = load_section(
			s, SNAP_STATE, m->state_size, m->state_sum, &s->state, err, err_size);
	if (rc == 0)
		rc = load_section(s, SNAP_CONSOLE, m->console_size, m->console_sum, &s->console,
			err, err_size);
	if (rc == 0)
		rc = each_chunk("memory", s->fd[SNAP_MEMORY], m->memory_size, compare, &v,
			verified, &v, err, err_size);
	v.base = m->memory_size;
	return rc == 0 ? verify_disks(s, &v) : rc;
}

static int store(void *arg, uint32_t chunk, uint64_t sum)
{
	uint64_t *sums = arg;

	sums[chunk] = sum;
	return 0;
}

/* Fills in the sums of a file. */
static int sum_file(const char *of, int fd, uint64_t size, uint32_t *n, uint64_t **sums,
	vmc_progress_fn *progress, void *arg, char *err, size_t err_size)
{
	*n = (uint32_t)((size + MANIFEST_CHUNK - 1) / MANIFEST_CHUNK);
	*sums = calloc(*n, sizeof(**sums));
	if (!*sums) {
		snprintf(err, err_size, "out of memory");
		return -ENOMEM;
	}
	return each_chunk(of, fd, size, store, *sums, progress, arg, err, err_size);
}

int snapshot_sum_memory(struct manifest *m, int fd, vmc_progress_fn *progress, void *arg, char *err,
	size_t err_size)
{
	return sum_file("memory", fd, m->memory_size, &m->nchunks, &m->chunk_sums, progress, arg,
		err, err_size);
}

int snapshot_sum_disk(struct manifest *m, unsigned disk, int fd, vmc_progress_fn *progress,
	void *arg, char *err, size_t err_size)
{
	struct manifest_disk *d = &m->disk[disk];

	return sum_file(snapshot_file_names[SNAP_DISK + disk], fd, d->size, &d->nchunks, &d->sums,
		progress, arg, err, err_size);
}

/* ---- --load's argument ---- */

/* The folder whose manifest carries this name. */
static int by_name(const char *snapshots, const char *name, char *out, size_t size)
{
	DIR *d = opendir(snapshots);
	unsigned found = 0;
	struct dirent *e;

	while (d && (e = readdir(d))) {
		char path[4200], ignored[512];
		struct snapshot s;

		if (!snapshot_id_ok(e->d_name))
			continue;
		snapshot_init(&s);
		snprintf(path, sizeof(path), "%s/%s", snapshots, e->d_name);
		snapshot_open_folder(&s, path, ignored, sizeof(ignored));
		if (strcmp(s.manifest.name, name) == 0) {
			found++;
			snprintf(out, size, "%s", path);
		}
		snapshot_close(&s);
	}
	if (d)
		closedir(d);
	return found == 1 ? 0 : found ? -EEXIST : -ENOENT;
}

int snapshot_path(
	const char *vm, const char *arg, char *out, size_t size, char *err, size_t err_size)
{
	char base[3000], snapshots[3200], owner[64];
	const char *slash = strchr(arg, '/'), *tag = arg;
	int rc;

	snprintf(out, size, "%s/%s", arg, snapshot_file_names[SNAP_MANIFEST]);
	if (slash && access(out, F_OK) == 0) { /* a folder */
		snprintf(out, size, "%s", arg);
		return 0;
	}
	rc = vmc_path_state(base, sizeof(base), err, err_size);
	if (rc < 0)
		return rc;
	snprintf(owner, sizeof(owner), "%s", vm);
	if (slash) { /* VM/ID */
		snprintf(owner, sizeof(owner), "%.*s", (int)(slash - arg), arg);
		tag = slash + 1;
	}
	snprintf(snapshots, sizeof(snapshots), "%s/%s/snapshots", base, owner);
	if (vmc_name_ok(owner) && snapshot_id_ok(tag)) {
		snprintf(out, size, "%s/%s", snapshots, tag);
		if (access(out, F_OK) == 0)
			return 0;
	}
	rc = vmc_name_ok(owner) && *tag ? by_name(snapshots, tag, out, size) : -ENOENT;
	if (rc < 0)
		snprintf(err, err_size,
			rc == -EEXIST ? "more than one snapshot of %s is named %s; use an id"
				      : "the VM %s has no snapshot %s",
			owner, tag);
	return rc;
}
