/* disk_open.h - opening a disk's image: checked, sized, locked. Main thread, before the sandbox. */
#ifndef VMHOST_DISK_OPEN_H
#define VMHOST_DISK_OPEN_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct disk_image {
	int fd;
	uint64_t size;     /* bytes */
	bool block_device; /* else a regular file */
	uint64_t dev, ino; /* which file it is */
};

/**
 * disk_open() - open @path and lock it against a second writer.
 * Return: 0, or -errno with @err: what is wrong with the image, and what to do about it.
 */
int disk_open(
	const char *path, bool read_only, struct disk_image *out, char *err, size_t err_size);
/** disk_lock() - the lock alone, of an open file. Return: 0; -EBUSY: somebody has it. */
int disk_lock(int fd, bool read_only);

#endif
