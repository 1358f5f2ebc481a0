/*
 * rundir.h - the VM's runtime folder: its lock, its listening sockets, its log file's place. Main
 * thread.
 */
#ifndef VMHOST_RUNDIR_H
#define VMHOST_RUNDIR_H
#include <stddef.h>

#define RUNDIR_CONSOLES 2

struct rundir {
	char dir[512];
	int lock_fd;
	int control_fd, console_fd[RUNDIR_CONSOLES]; /* listening, non-blocking */
};

/** rundir_open() - make the folder and take the lock. -EEXIST: another process holds this name. */
int rundir_open(struct rundir *rd, const char *name, char *err, size_t err_size);
/** rundir_listen() - replace what a killed process left and listen. The lock is held. */
int rundir_listen(struct rundir *rd, const char *name, char *err, size_t err_size);
/** rundir_close() - close everything. The broker (broker.h) removes the sockets; log and lock file
 * stay. */
void rundir_close(struct rundir *rd);

#endif
