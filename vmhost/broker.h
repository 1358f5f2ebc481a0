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

enum snapshot_file { SNAP_MANIFEST, SNAP_STATE, SNAP_CONSOLE, SNAP_MEMORY, SNAP_FILES };
extern const char *const snapshot_file_names[SNAP_FILES];

struct broker;

/** broker_start() - fork it. @snap_dir: "" for a VM without snapshots. Before any thread is made.
 */
int broker_start(const char *run_dir, const char *snap_dir, bool sandbox, struct broker **out,
	char *err, size_t err_size);
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
int broker_delete(struct broker *b, const char *id);

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
void broker_serve(int sock, int run_fd, int snap_fd) __attribute__((noreturn));

#endif
