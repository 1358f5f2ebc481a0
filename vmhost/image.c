/* image.c - see image.h. Main thread. */
#include "vmhost/image.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define IMAGE_MAX (1ull << 30)

/* The guests of the build tree lie beside the program, those of an installation in its data folder.
 */
static int guests_folder(bool beside, char *out, size_t size)
{
	char self[PATH_MAX];
	ssize_t n;
	char *slash;

	if (!beside)
		return snprintf(out, size, "%s/guests", VITRINE_DATADIR) < (int)size
			       ? 0
			       : -ENAMETOOLONG;
	n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	if (n < 0)
		return -errno;
	self[n] = '\0';
	slash = strrchr(self, '/');
	if (slash)
		*slash = '\0';
	return snprintf(out, size, "%s/guests", self) < (int)size ? 0 : -ENAMETOOLONG;
}

static size_t list_guests(const char *dir, char *out, size_t size, size_t pos)
{
	DIR *d = opendir(dir);
	struct dirent *e;

	while (d && (e = readdir(d))) {
		size_t n = strlen(e->d_name);

		if (n > 4 && strcmp(e->d_name + n - 4, ".elf") == 0 && pos < size)
			pos += (size_t)snprintf(
				out + pos, size - pos, " guest:%.*s", (int)n - 4, e->d_name);
	}
	if (d)
		closedir(d);
	return pos;
}

int image_find(const char *name, char *out, size_t size, char *err, size_t err_size)
{
	char dir[PATH_MAX], there[512] = "";
	size_t pos = 0;
	int n;

	if (strncmp(name, "guest:", 6)) {
		n = snprintf(out, size, "%s", name);
		return n >= 0 && (size_t)n < size ? 0 : -ENAMETOOLONG;
	}
	name += 6;
	if (!*name || strchr(name, '/')) {
		snprintf(err, err_size, "\"guest:%s\" names no guest", name);
		return -EINVAL;
	}
	for (int beside = 1; beside >= 0; beside--) {
		if (guests_folder(beside, dir, sizeof(dir)) < 0)
			continue;
		n = snprintf(out, size, "%s/%s.elf", dir, name);
		if (n >= 0 && (size_t)n < size && access(out, R_OK) == 0)
			return 0;
		if (!pos)
			pos = list_guests(dir, there, sizeof(there), pos);
	}
	snprintf(err, err_size, "there is no guest:%s; there %s%s; a kernel's file is written as a path: ./%s", name,
		*there ? "are" : "are none in ", *there ? there : VITRINE_DATADIR "/guests", name);
	return -ENOENT;
}

int image_open(struct image *img, const char *path, char *err, size_t err_size)
{
	struct stat st;
	int rc;

	img->fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a FIFO must not hold us */
	if (img->fd < 0 || fstat(img->fd, &st) < 0) {
		rc = -errno;
		snprintf(err, err_size, "cannot open %s: %s%s", path, strerror(-rc),
			rc == -ENOENT ? "; is it the right path, from here?"
			: rc == -EACCES || rc == -EPERM
				? "; let it be read (for a kernel: sudo chmod a+r, it holds no secrets), or copy it"
				: "");
		goto fail;
	}
	if (!S_ISREG(st.st_mode) || st.st_size <= 0 || (unsigned long long)st.st_size > IMAGE_MAX) {
		rc = -EINVAL;
		snprintf(err, err_size, "%s is %s", path,
			!S_ISREG(st.st_mode) ? "not a plain file; a kernel or initrd is one"
			: st.st_size         ? "larger than 1 GiB: no kernel or initrd"
					     : "empty; copy or download it again");
		goto fail;
	}
	img->size = (size_t)st.st_size;
	return 0;
fail:
	image_close(img);
	return rc;
}

int image_read(const void *file, uint64_t off, void *to, size_t len)
{
	const struct image *img = file;
	size_t done = 0;

	while (done < len) {
		ssize_t n = pread(img->fd, (char *)to + done, len - done, (off_t)(off + done));

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -ENODATA;
		done += (size_t)n;
	}
	return 0;
}

void image_close(struct image *img)
{
	if (img->fd >= 0)
		close(img->fd);
	img->size = 0;
	img->fd = -1;
}
