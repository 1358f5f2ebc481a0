/*
 * image.h - a kernel or initrd: the file stays open (the sandbox opens none), its contents are in
 * memory only while the guest is booted, so that they cost nothing afterwards and a changed file
 * can hurt nobody. Main thread.
 */
#ifndef VMHOST_IMAGE_H
#define VMHOST_IMAGE_H
#include <stddef.h>

struct image {
	int fd; /* -1: none */
	void *data;
	size_t size;
};

/** image_find() - "guest:NAME" or a path to a path. -ENOENT with the names there are. */
int image_find(const char *name, char *out, size_t size, char *err, size_t err_size);
int image_open(struct image *img, const char *path, char *err, size_t err_size);
/** image_read() - fill @data from the file. */
int image_read(struct image *img, char *err, size_t err_size);
/** image_drop() - the contents are no longer needed; image_read() brings them back. */
void image_drop(struct image *img);
void image_close(struct image *img);

#endif
