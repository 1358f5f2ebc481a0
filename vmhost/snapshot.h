/*
 * snapshot.h - saving and loading the whole VM. Main thread, but where a function says "any
 * thread".
 *
 * On disk: DESIGN "Snapshots"; manifest.h says what is in the manifest. The order of a save is what
 * makes it safe: everything is written under a temporary name, synced, and renamed last.
 */
#ifndef VMHOST_SNAPSHOT_H
#define VMHOST_SNAPSHOT_H
#include "vmhost/manifest.h"
#include <jansson.h>
#include <vmcore/mem.h>

struct host;

/* A snapshot's files, open to read, and what they hold once that has been checked. */
struct snapshot {
	int fd[SNAP_FILES]; /* -1: not there */
	struct manifest manifest;
	void *state, *console; /* malloc()ed, of the manifest's sizes */
	int image_fd[MANIFEST_DISKS]; /* new images beside the old ones, -1: none */
	bool marked;		      /* the mark of this load is set (load_mark.h) */
	bool torn;		      /* disks are partly old and partly new */
};

void snapshot_init(struct snapshot *s);
void snapshot_close(struct snapshot *s);
/** snapshot_open() - through the broker, by id; and read the manifest. Any thread. */
int snapshot_open(struct snapshot *s, struct broker *b, const char *id, char *err, size_t err_size);
/** snapshot_open_folder() - by path, while files may still be opened. */
int snapshot_open_folder(struct snapshot *s, const char *path, char *err, size_t err_size);
/** snapshot_check_sizes() - are the files as long as the manifest says? Cheap. Any thread. */
int snapshot_check_sizes(const struct snapshot *s, char *err, size_t err_size);
/** snapshot_verify() - every checksum; reads state and console into memory. Any thread. */
int snapshot_verify(
	struct snapshot *s, vmc_progress_fn *progress, void *arg, char *err, size_t err_size);
/** snapshot_sum_memory() - fill the manifest's chunk sums from the memory file. Any thread. */
int snapshot_sum_memory(struct manifest *m, int fd, vmc_progress_fn *progress, void *arg, char *err,
	size_t err_size);
/** snapshot_sum_disk() - the same for a disk's copy. */
int snapshot_sum_disk(struct manifest *m, unsigned disk, int fd, vmc_progress_fn *progress,
	void *arg, char *err, size_t err_size);
/** snapshot_has() - does this snapshot have a file of this number? */
bool snapshot_has(const struct snapshot *s, unsigned file);
/** manifest_bytes() - of memory and of the disks' copies. */
uint64_t manifest_bytes(const struct manifest *m);
/** snapshot_fits() - may this VM become what the snapshot holds? Changes nothing. */
int snapshot_fits(struct host *h, const struct snapshot *s, char *err, size_t err_size);
/** snapshot_disks_fit() - are these the disks that the snapshot had? */
int snapshot_disks_fit(struct host *h, const struct manifest *m, char *err, size_t err_size);
/** snapshot_disks_prepare() - write new images beside the old ones, which stay as they are. Any
 * thread; verified before, and fitting. */
int snapshot_disks_prepare(struct host *h, struct snapshot *s, vmc_progress_fn *progress, void *arg,
	char *err, size_t err_size);
/**
 * snapshot_disks_put() - the disks become the snapshot's: block devices are written, new images take
 * the places of the old. From before the first change on there is a mark (load_mark.h).
 * @load: what --load would be given to do this again. @progress: its answer is ignored, there is no
 * way back from a device that is half written.
 * The VM stands still. Any thread. On failure the disks are as they were, or s->torn says that
 * they are not.
 */
int snapshot_disks_put(struct host *h, struct snapshot *s, const char *load,
	vmc_progress_fn *progress, void *arg, char *err, size_t err_size);
/** snapshot_disks_back() - and back again, where that can be; else s->torn. Any thread. */
void snapshot_disks_back(struct host *h, struct snapshot *s);
/** snapshot_disks_use() - the devices work on the new images from now on; VM paused. */
void snapshot_disks_use(struct host *h, struct snapshot *s);
/** snapshot_disks_done() - all is in place: old images and the mark go. Any thread. */
int snapshot_disks_done(struct host *h, struct snapshot *s, char *err, size_t err_size);
/** snapshot_disks_forget() - what was prepared and not used is removed. */
void snapshot_disks_forget(struct host *h, struct snapshot *s);
/** snapshot_disks_tidy() - at a start, the disks being ours: what a load that was cut off before it
 * changed anything left beside them is removed. */
void snapshot_disks_tidy(struct host *h);
/** snapshot_apply() - the verified snapshot becomes the VM, which must not be running and is left
 * paused. On failure the VM is as it was. */
int snapshot_apply(struct host *h, const struct snapshot *s, char *err, size_t err_size);
/** snapshot_put() - all of this for a VM that begins, in one go. */
int snapshot_put(struct host *h, struct snapshot *s, const char *load, char *err, size_t err_size);

/** snapshot_save_start() - pause, save the small part, and start the job that does the rest. */
int snapshot_save_start(
	struct host *h, const char *job_id, const char *name, char *err, size_t err_size);
/** snapshot_load_start()/snapshot_delete_start() - @tag: an id or a name. @paused: do not run on.
 */
int snapshot_load_start(struct host *h, const char *job_id, const char *tag, bool paused, char *err,
	size_t err_size);
int snapshot_delete_start(
	struct host *h, const char *job_id, const char *tag, char *err, size_t err_size);

/** snapshot_find() - the id of the snapshot with this id or name. -ENOENT, -EEXIST (several) with
 * @err. */
int snapshot_find(
	struct broker *b, const char *tag, char id[SNAPSHOT_ID_SIZE], char *err, size_t err_size);
/** snapshot_list() - docs/protocol.md, snapshot-list. NULL with @err. */
json_t *snapshot_list(struct host *h, char *err, size_t err_size);
/** snapshot_path() - the folder that --load's argument means. */
int snapshot_path(
	const char *vm, const char *arg, char *out, size_t size, char *err, size_t err_size);

#endif
