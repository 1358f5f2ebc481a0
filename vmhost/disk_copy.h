/* disk_copy.h - copies of disk images. Any thread. */
#ifndef VMHOST_DISK_COPY_H
#define VMHOST_DISK_COPY_H
#include <stdint.h>
#include <vmcore/mem.h>

/** disk_copy() - @size bytes of @from, a file or a block device, into the empty file @to, sharing
 * storage where the file system can, else with holes where there is nothing. Not synced: that is the
 * caller's, when nobody waits for it. @progress may be NULL.
 * Return: 0 or -errno. */
int disk_copy(int from, int to, uint64_t size, vmc_progress_fn *progress, void *arg);
/** disk_copy_over() - the same over whatever @to, a block device of that size, holds; and synced. */
int disk_copy_over(int from, int to, uint64_t size, vmc_progress_fn *progress, void *arg);

#endif
