/*
 * image.h - a kernel or initrd: the file stays open (the sandbox opens none), and is read into the
 * guest's memory at each boot: it costs no memory here, and a changed file can hurt nobody. Main thread.
 */
#ifndef VMHOST_IMAGE_H
#define VMHOST_IMAGE_H
#include <stddef.h>
#include <stdint.h>

struct image {
	int fd; /* -1: none */
	size_t size;
};

/** image_find() - "guest:NAME" or a path to a path. -ENOENT with the names there are. */
int image_find(const char *name, char *out, size_t size, char *err, size_t err_size);
int image_open(struct image *img, const char *path, char *err, size_t err_size);
/** image_read() - for struct vmc_boot_params: @img is a struct image. -ENODATA: it has become shorter. */
int image_read(const void *img, uint64_t off, void *to, size_t len);
void image_close(struct image *img);

#endif
