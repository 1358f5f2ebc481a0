/*
 * disk_open.c - see disk_open.h.
 *
 * The lock is QEMU's, so that each refuses what the other is writing to (block/file-posix.c of
 * QEMU 2.10 and later): open file description locks, for reading, on single bytes of the image.
 * Byte 100 + n says "I do n", byte 200 + n says "nobody else may do n"; who comes sets his own and
 * then looks whether somebody has the opposite ones. The locks hold until the process has ended,
 * however it ends.
 */
#include "vmhost/disk_open.h"
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#define SECTOR 512

enum { DOES = 100, FORBIDS = 200 }; /* first bytes */
enum { READ = 0, WRITE = 1, RESIZE = 3 };

static int set_lock(int fd, int byte)
{
	struct flock fl = {
		.l_type = F_RDLCK, .l_whence = SEEK_SET, .l_start = byte, .l_len = 1};

	return fcntl(fd, F_OFD_SETLK, &fl) < 0 ? -errno : 0;
}

static int look(int fd, int byte)
{
	struct flock fl = {
		.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = byte, .l_len = 1};

	if (fcntl(fd, F_OFD_GETLK, &fl) < 0)
		return -errno;
	return fl.l_type == F_UNLCK ? 0 : -EBUSY;
}

int disk_lock(int fd, bool read_only)
{
	const int set[] = {DOES + READ, FORBIDS + WRITE, FORBIDS + RESIZE, DOES + WRITE};
	const int others[] = {FORBIDS + READ, DOES + WRITE, DOES + RESIZE, FORBIDS + WRITE};
	unsigned n = read_only ? 3 : 4; /* the last is the writer's */
	int rc = 0;

	for (unsigned i = 0; i < n && rc == 0; i++)
		rc = set_lock(fd, set[i]);
	for (unsigned i = 0; i < n && rc == 0; i++)
		rc = look(fd, others[i]);
	return rc == -EAGAIN ? -EBUSY : rc;
}

/* ---- who has it ---- */

/* Has process @pid this file open? */
static bool has_open(const char *pid, const struct disk_image *img)
{
	char path[300];
	struct dirent *e;
	struct stat st;
	bool found = false;
	DIR *d;

	snprintf(path, sizeof(path), "/proc/%s/fd", pid);
	d = opendir(path);
	while (d && !found && (e = readdir(d)))
		found = isdigit((unsigned char)e->d_name[0]) &&
			fstatat(dirfd(d), e->d_name, &st, 0) == 0 && st.st_dev == img->dev &&
			st.st_ino == img->ino;
	if (d)
		closedir(d);
	return found;
}

/* "vitrine-vm box, process 123" out of its command line. */
static void describe_process(const char *pid, char *out, size_t size)
{
	char path[300], line[1024] = "", *name = line;
	size_t n = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%s/cmdline", pid);
	f = fopen(path, "re");
	if (f) {
		n = fread(line, 1, sizeof(line) - 1, f);
		fclose(f);
	}
	if (strrchr(line, '/'))
		name = strrchr(line, '/') + 1;
	snprintf(out, size, " by %.60s (process %.10s)", *name ? name : "a process", pid);
	for (char *p = line; p < line + n; p += strlen(p) + 1)
		if (!strcmp(p, "--name") && p + 7 < line + n)
			snprintf(out, size, " by the VM %.48s (process %.10s)", p + 7, pid);
}

static void find_owner(const struct disk_image *img, char *out, size_t size)
{
	DIR *d = opendir("/proc");
	char self[16];
	struct dirent *e;

	out[0] = '\0';
	snprintf(self, sizeof(self), "%d", (int)getpid());
	while (d && !*out && (e = readdir(d)))
		if (isdigit((unsigned char)e->d_name[0]) && strcmp(e->d_name, self) &&
			has_open(e->d_name, img))
			describe_process(e->d_name, out, size);
	if (d)
		closedir(d);
}

/* ---- what it is ---- */

/* What begins like this is no raw image. */
static const struct {
	uint16_t at, len;
	const char *bytes, *what, *tool; /* tool NULL: qemu-img */
} formats[] = {
	{0, 4, "QFI\xfb", "a qcow2 image", NULL},
	{0, 4, "KDMV", "a VMDK image", NULL},
	{0, 4, "COWD", "a VMDK image", NULL},
	{0, 21, "# Disk DescriptorFile", "a VMDK image", NULL},
	{64, 4, "\x7f\x10\xda\xbe", "a VDI image", NULL},
	{0, 8, "vhdxfile", "a VHDX image", NULL},
	{0, 8, "conectix", "a VHD image", NULL},
	{0, 4, "QED\0", "a QED image", NULL},
	{0, 16, "WithoutFreeSpace", "a Parallels image", NULL},
	{0, 16, "WithouFreSpacExt", "a Parallels image", NULL},
	{0, 6, "\xfd" "7zXZ\0", "compressed", "xz -dk"},
	{0, 3, "\x1f\x8b\x08", "compressed", "gunzip -k"},
	{0, 4, "\x28\xb5\x2f\xfd", "compressed", "zstd -d"},
	{0, 3, "BZh", "compressed", "bunzip2 -k"},
};

static int check_format(int fd, const char *path, char *err, size_t err_size)
{
	char head[SECTOR] = "";

	if (pread(fd, head, sizeof(head), 0) < 0) {
		int rc = -errno;

		snprintf(err, err_size, "disk %s: cannot be read: %s", path, strerror(-rc));
		return rc;
	}
	for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++) {
		if (memcmp(head + formats[i].at, formats[i].bytes, formats[i].len))
			continue;
		if (formats[i].tool)
			snprintf(err, err_size, "disk %s: it is %s; `%s` makes it an image", path,
				formats[i].what, formats[i].tool);
		else
			snprintf(err, err_size,
				"disk %s: it is %s, and a disk has to be raw; convert it with: "
				"qemu-img convert -O raw IMAGE IMAGE.raw",
				path, formats[i].what);
		return -EINVAL;
	}
	return 0;
}

static int check_size(struct disk_image *img, const char *path, char *err, size_t err_size)
{
	if (!img->size && img->block_device)
		snprintf(err, err_size, "disk %s: the device has no bytes: there is no medium in it, or it is not set up",
			path);
	else if (!img->size)
		snprintf(err, err_size,
			"disk %s: it is empty; give it a size with: truncate -s 10G %s", path, path);
	else if (img->size % SECTOR)
		snprintf(err, err_size,
			"disk %s: its %" PRIu64 " bytes are no multiple of %d; round it up with: "
			"truncate -s %" PRIu64 " %s",
			path, img->size, SECTOR, (img->size / SECTOR + 1) * SECTOR, path);
	else
		return 0;
	return -EINVAL;
}

static int open_failed(int rc, const char *path, bool read_only, char *err, size_t err_size)
{
	bool device = !strncmp(path, "/dev/", 5), denied = rc == -EACCES || rc == -EPERM;

	if (rc == -ENOENT && device)
		snprintf(err, err_size, "disk %s: there is no such device; lsblk lists them", path);
	else if (rc == -ENOENT)
		snprintf(err, err_size,
			"disk %s: there is no such file; make one with: truncate -s 10G %s", path,
			path);
	else if (rc == -EBUSY && device)
		snprintf(err, err_size,
			"disk %s: this host uses it: it is mounted, swap, or part of an LVM or RAID (lsblk says"
			" which); free it, or add read_only=yes",
			path);
	else if (denied && device)
		snprintf(err, err_size,
			"disk %s: %s: no permission; as root: setfacl -m u:USER:rw %s, or join its group (ls -l %s)",
			path, strerror(-rc), path, path);
	else if ((denied || rc == -EROFS) && !read_only && access(path, R_OK) == 0)
		snprintf(err, err_size,
			"disk %s: %s: no permission to write; give yourself one, or add "
			"read_only=yes",
			path, strerror(-rc));
	else if (denied)
		snprintf(err, err_size,
			"disk %s: %s: no permission to %s it; give yourself one (chmod), or copy it", path,
			strerror(-rc), read_only ? "read" : "read and write");
	else
		snprintf(err, err_size, "disk %s: %s", path, strerror(-rc));
	return rc;
}

static int look_at(struct disk_image *img, const char *path, char *err, size_t err_size)
{
	struct stat st;

	if (fstat(img->fd, &st) < 0)
		return open_failed(-errno, path, true, err, err_size);
	img->dev = st.st_dev;
	img->ino = st.st_ino;
	img->size = (uint64_t)st.st_size;
	img->block_device = S_ISBLK(st.st_mode);
	if (img->block_device && ioctl(img->fd, BLKGETSIZE64, &img->size) < 0)
		return open_failed(-errno, path, true, err, err_size);
	return 0;
}

static int in_use(const struct disk_image *img, const char *path, char *err, size_t err_size)
{
	char owner[128];

	find_owner(img, owner, sizeof(owner));
	if (!*owner && img->block_device)
		return open_failed(-EBUSY, path, false, err, err_size);
	snprintf(err, err_size,
		"disk %s: in use%s; two that write would ruin it, and so would one that "
		"writes under a reader",
		path, owner);
	return -EBUSY;
}

/* Locked, and still the file of that name: a load may have put another in its place meanwhile. */
static int take(struct disk_image *img, const char *path, bool read_only, char *err,
	size_t err_size)
{
	int rc = disk_lock(img->fd, read_only);
	struct stat st;

	if (rc == 0)
		return stat(path, &st) == 0 && st.st_ino == img->ino ? 0 : 1;
	if (rc == -EBUSY)
		return in_use(img, path, err, err_size);
	snprintf(err, err_size, "disk %s: cannot be locked against a second writer: %s", path,
		strerror(-rc));
	return rc;
}

int disk_open(
	const char *path, bool read_only, struct disk_image *out, char *err, size_t err_size)
{
	struct stat st;
	int rc = 1;

	*out = (struct disk_image){.fd = -1};
	if (stat(path, &st) < 0)
		return open_failed(-errno, path, read_only, err, err_size);
	out->dev = st.st_dev;
	out->ino = st.st_ino;
	out->block_device = S_ISBLK(st.st_mode);
	if (!S_ISREG(st.st_mode) && !S_ISBLK(st.st_mode)) { /* opening a FIFO would wait */
		snprintf(err, err_size, "disk %s: it is %s; a disk is an image file or a block device",
			path, S_ISDIR(st.st_mode) ? "a folder" : "neither a file nor a disk");
		return -EINVAL;
	}
	for (int tries = 0; rc == 1 && tries < 10; tries++) {
		if (out->fd >= 0)
			close(out->fd);
		/* O_EXCL, of a device: not while this host has it mounted (open(2)) */
		out->fd = open(path, (read_only ? O_RDONLY : O_RDWR | (S_ISBLK(st.st_mode) ? O_EXCL : 0)) |
					     O_CLOEXEC);
		if (out->fd < 0 && errno == EBUSY && out->block_device)
			return in_use(out, path, err, err_size);
		if (out->fd < 0)
			return open_failed(-errno, path, read_only, err, err_size);
		rc = look_at(out, path, err, err_size);
		if (rc == 0)
			rc = take(out, path, read_only, err, err_size);
	}
	if (rc == 1) {
		snprintf(err, err_size, "disk %s: somebody keeps replacing it", path);
		rc = -EBUSY;
	}
	if (rc == 0)
		rc = check_size(out, path, err, err_size);
	if (rc == 0)
		rc = check_format(out->fd, path, err, err_size);
	if (rc < 0) {
		close(out->fd);
		out->fd = -1;
	}
	return rc;
}
