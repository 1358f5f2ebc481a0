/*
 * disks.h - the VM's disks: opened, given to the machine, watched for errors of the host, told
 * about. Main thread.
 */
#ifndef VMHOST_DISKS_H
#define VMHOST_DISKS_H
#include "devices/disk.h"
#include "vmhost/disk_open.h"
#include <jansson.h>
#include <stdint.h>

struct event;
struct host;
struct machine_config;

struct disks {
	struct disk_config config[DISK_MAX];
	struct disk_image image[DISK_MAX]; /* the descriptors are the machine's once it is made */
	unsigned n;
	/* errors that came and have not been told yet */
	struct disk_error error[DISK_MAX];
	uint64_t untold[DISK_MAX]; /* how many */
	uint64_t told_us;
	struct event *ev;
};

/** disks_paths() - whole paths, links followed: what a load replaces is the image itself. */
int disks_paths(struct host *h, char *err, size_t err_size);
/** disks_open() - every disk of the definition. Before the sandbox. Return: 0 or -errno with @err. */
int disks_open(struct host *h, char *err, size_t err_size);
/** disks_machine() - fill in the machine's configuration. */
int disks_machine(struct host *h, struct machine_config *cfg);
void disks_close(struct host *h);
/** disks_largest() - bytes of the largest disk, 0 without any. */
uint64_t disks_largest(const struct host *h);
/** disks_wait() - does a disk keep requests that the host failed, to be tried again by cont? */
bool disks_wait(const struct host *h);
/** query-block and query-blockstats, as QEMU 7.2 has them. */
json_t *disks_query(struct host *h);
json_t *disks_stats(struct host *h);

#endif
