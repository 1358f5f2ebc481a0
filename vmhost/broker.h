/*
 * broker.h - files for a process that opens none: a small process, made before anything else is set
 * up, that holds the VM's snapshot folder and its runtime folder and nothing else.
 *
 * Requests are one fixed-size packet each, answers too, with a descriptor where one was asked for.
 * What can be asked for is the list below; a snapshot is named by its checked id, a file by its
 * number. Any thread of the VM's process (one lock).
 */
#ifndef VMHOST_BROKER_H
#define VMHOST_BROKER_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SNAPSHOT_ID_SIZE 64

#define BROKER_DISKS 8

enum snapshot_file {
	SNAP_MANIFEST,
	SNAP_STATE,
	SNAP_CONSOLE,
	SNAP_MEMORY,
	SNAP_DISK, /* the first disk's copy */
	SNAP_FILES = SNAP_DISK + BROKER_DISKS
};
extern const char *const snapshot_file_names[SNAP_FILES];

struct broker;

/* Names of fixed forms. Beside an image "x": ".x" and one of these; among the snapshots: the mark of
 * a load (load_mark.h). */
#define BROKER_DISK_NEW ".vitrine-load" /* being written, and after an exchange the old one */
#define BROKER_DISK_OLD ".vitrine-old"  /* the old one, where names cannot be exchanged */
#define BROKER_MARK	".load"

/* An image file that a load may put another in place of. */
struct broker_disk {
	const char *path; /* a whole one, without links; NULL: not this disk */
};

/** broker_start() - fork it. @snap_dir: "" for a VM without snapshots. @disks: BROKER_DISKS of them,
 * or NULL. Before any thread is made. */
int broker_start(const char *run_dir, const char *snap_dir, const struct broker_disk *disks,
	bool sandbox, struct broker **out, char *err, size_t err_size);
/** broker_stop() - remove the sockets from the runtime folder, and end. */
void broker_stop(struct broker *b);

/** broker_clean() - first call: waits until the broker of a killed predecessor is gone, removes
 * what it left. */
int broker_clean(struct broker *b);
/** broker_list() - the id of snapshot number @index. -ENOENT past the last. */
int broker_list(struct broker *b, uint32_t index, char id[SNAPSHOT_ID_SIZE]);
/** broker_file() - a file of a snapshot, to read. Return: a descriptor. */
int broker_file(struct broker *b, const char *id, enum snapshot_file file);
/** A snapshot in the making: its folder has a temporary name until it is committed. */
int broker_new(struct broker *b, const char *id);
int broker_new_file(struct broker *b, const char *id, enum snapshot_file file);
int broker_new_folder(struct broker *b, const char *id); /* a descriptor, for fsync() */
int broker_commit(struct broker *b, const char *id);
int broker_discard(struct broker *b, const char *id);
int broker_folder(struct broker *b); /* that of all snapshots, for fsync() */
/** broker_delete() - out of the list for good first, then its files. */
int broker_delete(struct broker *b, const char *id);
/** broker_mark_new() - an empty file for the mark of a load. Return: a descriptor.
 * broker_mark_set() - what was written to it is the mark from now on. broker_mark_clear() - there is
 * none any more. Both are on the disk when they return. */
int broker_mark_new(struct broker *b);
int broker_mark_set(struct broker *b);
int broker_mark_clear(struct broker *b);
/** broker_disk_new() - an empty file beside the image of @disk, with its owner and mode, and locked
 * as it is. Return: a descriptor. broker_disk_swap() - it takes the image's place, for good when this
 * returns, and the old image is kept; broker_disk_back() - the old one is the image again;
 * -EOPNOTSUPP: the file system could not keep it. broker_disk_drop() - what is not the image is
 * removed. */
int broker_disk_new(struct broker *b, uint32_t disk);
int broker_disk_swap(struct broker *b, uint32_t disk);
int broker_disk_back(struct broker *b, uint32_t disk);
int broker_disk_drop(struct broker *b, uint32_t disk);

/** snapshot_id_ok() - letters, digits, '.', '_', '-'; not starting with '.' or '-'. */
bool snapshot_id_ok(const char *id);

/* Between the two halves (broker.c, broker_server.c). */
enum broker_op {
	BR_CLEAN = 1,
	BR_LIST,
	BR_FILE,
	BR_NEW,
	BR_NEW_FILE,
	BR_NEW_FOLDER,
	BR_COMMIT,
	BR_DISCARD,
	BR_FOLDER,
	BR_DELETE,
	BR_DISK_NEW,
	BR_DISK_SWAP,
	BR_DISK_BACK,
	BR_DISK_DROP,
	BR_MARK_NEW,
	BR_MARK_SET,
	BR_MARK_CLEAR,
	BR_BYE
};
struct broker_request {
	uint32_t op, number; /* number: of a file, or an index into the list */
	char id[SNAPSHOT_ID_SIZE];
};
struct broker_answer {
	int32_t rc; /* 0 or -errno */
	char id[SNAPSHOT_ID_SIZE];
};
/** broker_serve() - the child's life; ends when the other side has gone. */
enum { FOLDER_RUN, FOLDER_SNAP, FOLDER_DISK, FOLDERS = FOLDER_DISK + BROKER_DISKS };
struct broker_folders {
	int fd[FOLDERS]; /* -1 for none */
	char image[BROKER_DISKS][256];
};
void broker_serve(int sock, const struct broker_folders *f) __attribute__((noreturn));

#endif
