/*
 * broker_server.c - the answering half of broker.h, in a process of its own with one thread. The
 * asking side may have been taken over by a guest: every request is checked as if it had been.
 */
#include "vmhost/broker.h"
#include "vmhost/disk_open.h"
#include "vmhost/packet.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define TEMP        ".new-" /* being written */
#define GONE        ".del-" /* being removed */
#define MARK_NEW    BROKER_MARK ".new"
#define MAX_ENTRIES 4096

struct server {
	int sock, run_fd, snap_fd;
	const struct broker_folders *f;
	/* what became of the old image: nothing yet; it has the new one's name; a name of its own;
	 * replaced for good */
	enum { IN_PLACE, EXCHANGED, ASIDE, REPLACED } old[BROKER_DISKS];
};

static void temp_name(const char *prefix, const char *id, char *out, size_t size)
{
	snprintf(out, size, "%s%s", prefix, id);
}

static DIR *open_list(int dir_fd, const char *name)
{
	int fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	DIR *d = fd >= 0 ? fdopendir(fd) : NULL;

	if (!d && fd >= 0)
		close(fd);
	return d;
}

/* What was renamed or removed in it stays so. A folder that may be searched but not read cannot be
 * synced; the names in it are then the file system's to keep. */
static int sync_folder(int dir_fd)
{
	int fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), rc;

	if (fd < 0)
		return errno == EACCES ? 0 : -errno;
	rc = fsync(fd) < 0 ? -errno : 0;
	close(fd);
	return rc == -EINVAL ? 0 : rc; /* a file system that knows no such thing */
}

/* A snapshot's folder holds plain files only; whatever else somebody put there stays, and so does
 * it. */
static int remove_folder(int dir_fd, const char *name)
{
	DIR *d = open_list(dir_fd, name);
	struct dirent *e;

	if (!d)
		return -errno;
	for (unsigned n = 0; n < MAX_ENTRIES && (e = readdir(d)); n++)
		if (strcmp(e->d_name, ".") && strcmp(e->d_name, ".."))
			unlinkat(dirfd(d), e->d_name, 0);
	closedir(d);
	return unlinkat(dir_fd, name, AT_REMOVEDIR) < 0 ? -errno : 0;
}

/* What a crash left half made or half removed. */
static int clean(struct server *s)
{
	struct dirent *e;
	DIR *d;

	/* Until the broker of a killed predecessor has ended; its open folder holds the lock. */
	while (flock(s->run_fd, LOCK_EX) < 0)
		if (errno != EINTR)
			return -errno;
	if (s->snap_fd < 0)
		return 0;
	unlinkat(s->snap_fd, MARK_NEW, 0);
	d = open_list(s->snap_fd, ".");
	if (!d)
		return -errno;
	for (unsigned n = 0; n < MAX_ENTRIES && (e = readdir(d)); n++)
		if (!strncmp(e->d_name, TEMP, strlen(TEMP)) ||
			!strncmp(e->d_name, GONE, strlen(GONE)))
			remove_folder(s->snap_fd, e->d_name);
	closedir(d);
	return 0;
}

static int list(struct server *s, uint32_t index, char *id)
{
	DIR *d = open_list(s->snap_fd, ".");
	struct dirent *e;
	int rc = -ENOENT;

	if (!d)
		return -errno;
	for (unsigned n = 0; n < MAX_ENTRIES && rc == -ENOENT && (e = readdir(d)); n++)
		if (snapshot_id_ok(e->d_name) && index-- == 0) {
			snprintf(id, SNAPSHOT_ID_SIZE, "%.*s", SNAPSHOT_ID_SIZE - 1, e->d_name);
			rc = 0;
		}
	closedir(d);
	return rc;
}

static int open_folder(struct server *s, const char *name)
{
	int fd = openat(s->snap_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);

	return fd < 0 ? -errno : fd;
}

/* Return: a descriptor of a plain file. */
static int open_file(struct server *s, const char *folder, uint32_t file, int flags)
{
	int dir, fd, rc;
	struct stat st;

	if (file >= SNAP_FILES)
		return -EINVAL;
	dir = open_folder(s, folder);
	if (dir < 0)
		return dir;
	fd = openat(
		dir, snapshot_file_names[file], flags | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
	rc = fd < 0 ? -errno : 0;
	close(dir);
	if (rc == 0 && (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))) {
		close(fd);
		rc = -EINVAL;
	}
	return rc < 0 ? rc : fd;
}

static int commit(struct server *s, const char *temp, const char *id)
{
	return renameat2(s->snap_fd, temp, s->snap_fd, id, RENAME_NOREPLACE) < 0 ? -errno : 0;
}

/* Out of sight in one step, and for good before the first of its files goes; a crash in between
 * leaves what clean() finds. */
static int delete (struct server *s, const char *id)
{
	char gone[SNAPSHOT_ID_SIZE + 8];
	int rc;

	temp_name(GONE, id, gone, sizeof(gone));
	if (renameat2(s->snap_fd, id, s->snap_fd, gone, 0) < 0)
		return -errno;
	rc = sync_folder(s->snap_fd);
	return rc < 0 ? rc : remove_folder(s->snap_fd, gone);
}

/* ---- the mark of a load ---- */

static int mark_new(struct server *s)
{
	int fd;

	unlinkat(s->snap_fd, MARK_NEW, 0);
	fd = openat(s->snap_fd, MARK_NEW, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	return fd < 0 ? -errno : fd;
}

static int mark_set(struct server *s)
{
	if (renameat2(s->snap_fd, MARK_NEW, s->snap_fd, BROKER_MARK, 0) < 0)
		return -errno;
	return sync_folder(s->snap_fd);
}

static int mark_clear(struct server *s)
{
	if (unlinkat(s->snap_fd, BROKER_MARK, 0) < 0 && errno != ENOENT)
		return -errno;
	return sync_folder(s->snap_fd);
}

/* ---- images ---- */

/* Names of fixed forms, so that what a crash left is overwritten by the next load, and nothing else
 * is ever touched. */
struct disk_names {
	int dir;
	const char *image;
	char fresh[256], old[256];
};

static int disk_names(const struct server *s, uint32_t disk, struct disk_names *d)
{
	int a, b;

	if (disk >= BROKER_DISKS || s->f->fd[FOLDER_DISK + disk] < 0)
		return -EINVAL;
	d->dir = s->f->fd[FOLDER_DISK + disk];
	d->image = s->f->image[disk];
	a = snprintf(d->fresh, sizeof(d->fresh), ".%s" BROKER_DISK_NEW, d->image);
	b = snprintf(d->old, sizeof(d->old), ".%s" BROKER_DISK_OLD, d->image);
	return a < 0 || b < 0 || (size_t)a >= sizeof(d->fresh) || (size_t)b >= sizeof(d->old)
		       ? -ENAMETOOLONG
		       : 0;
}

static int disk_new(struct server *s, uint32_t disk)
{
	struct disk_names d;
	struct stat st;
	int fd, rc = disk_names(s, disk, &d);

	if (rc < 0)
		return rc;
	if (fstatat(d.dir, d.image, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	/* of a load that was cut off; the image's lock is ours */
	unlinkat(d.dir, d.fresh, 0);
	unlinkat(d.dir, d.old, 0);
	s->old[disk] = IN_PLACE;
	fd = openat(d.dir, d.fresh, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	/* Somebody else's image stays that of whoever makes it; the mode is the old one. */
	if (fchown(fd, st.st_uid, st.st_gid) < 0 && errno != EPERM)
		rc = -errno;
	if (rc == 0 && fchmod(fd, st.st_mode & 0777) < 0)
		rc = -errno;
	if (rc == 0)
		rc = disk_lock(fd, false);
	if (rc < 0) {
		close(fd);
		unlinkat(d.dir, d.fresh, 0);
	}
	return rc < 0 ? rc : fd;
}

/* Whatever the file system can do, the image's name is that of a whole image at every moment. */
static int disk_swap(struct server *s, uint32_t disk)
{
	struct disk_names d;
	int rc = disk_names(s, disk, &d);

	if (rc < 0)
		return rc;
	if (renameat2(d.dir, d.fresh, d.dir, d.image, RENAME_EXCHANGE) == 0) {
		s->old[disk] = EXCHANGED;
	} else if (errno != EINVAL && errno != ENOSYS && errno != EOPNOTSUPP) {
		return -errno;
	} else {
		bool kept = linkat(d.dir, d.image, d.dir, d.old, 0) == 0;

		if (renameat2(d.dir, d.fresh, d.dir, d.image, 0) < 0) {
			rc = -errno;
			unlinkat(d.dir, d.old, 0);
			return rc;
		}
		s->old[disk] = kept ? ASIDE : REPLACED;
	}
	return sync_folder(d.dir);
}

static int disk_back(struct server *s, uint32_t disk)
{
	struct disk_names d;
	int rc = disk_names(s, disk, &d);

	if (rc < 0 || s->old[disk] == IN_PLACE)
		return rc;
	if (s->old[disk] == REPLACED)
		return -EOPNOTSUPP;
	if (s->old[disk] == EXCHANGED
			? renameat2(d.dir, d.fresh, d.dir, d.image, RENAME_EXCHANGE) < 0
			: renameat2(d.dir, d.old, d.dir, d.image, 0) < 0)
		return -errno;
	s->old[disk] = IN_PLACE;
	return sync_folder(d.dir);
}

static int disk_drop(struct server *s, uint32_t disk)
{
	struct disk_names d;
	int rc = disk_names(s, disk, &d);

	if (rc < 0)
		return rc;
	if (unlinkat(d.dir, d.fresh, 0) < 0 && errno != ENOENT)
		rc = -errno;
	if (unlinkat(d.dir, d.old, 0) < 0 && errno != ENOENT)
		rc = -errno;
	return rc;
}

static int bye(struct server *s)
{
	static const char *const names[] = {"control", "console", "console1"};

	for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		unlinkat(s->run_fd, names[i], 0);
	return 0;
}

static int serve_one(
	struct server *s, const struct broker_request *req, struct broker_answer *ans, int *fd)
{
	bool named = req->op == BR_FILE || req->op == BR_NEW || req->op == BR_NEW_FILE ||
		     req->op == BR_NEW_FOLDER || req->op == BR_COMMIT || req->op == BR_DISCARD ||
		     req->op == BR_DELETE;
	char temp[SNAPSHOT_ID_SIZE + 8] = "";

	if (memchr(req->id, '\0', sizeof(req->id)) == NULL || (named && !snapshot_id_ok(req->id)))
		return -EINVAL;
	if (s->snap_fd < 0 && req->op != BR_CLEAN && req->op != BR_BYE)
		return -EOPNOTSUPP;
	temp_name(TEMP, req->id, temp, sizeof(temp));
	switch (req->op) {
	case BR_CLEAN:
		return clean(s);
	case BR_LIST:
		return list(s, req->number, ans->id);
	case BR_FILE:
		return *fd = open_file(s, req->id, req->number, O_RDONLY);
	case BR_NEW:
		return mkdirat(s->snap_fd, temp, 0700) < 0 ? -errno : 0;
	case BR_NEW_FILE:
		return *fd = open_file(s, temp, req->number, O_RDWR | O_CREAT | O_EXCL);
	case BR_NEW_FOLDER:
		return *fd = open_folder(s, temp);
	case BR_COMMIT:
		return commit(s, temp, req->id);
	case BR_DISCARD:
		return remove_folder(s->snap_fd, temp);
	case BR_FOLDER:
		return *fd = open_folder(s, ".");
	case BR_DELETE:
		return delete (s, req->id);
	case BR_DISK_NEW:
		return *fd = disk_new(s, req->number);
	case BR_DISK_SWAP:
		return disk_swap(s, req->number);
	case BR_DISK_BACK:
		return disk_back(s, req->number);
	case BR_DISK_DROP:
		return disk_drop(s, req->number);
	case BR_MARK_NEW:
		return *fd = mark_new(s);
	case BR_MARK_SET:
		return mark_set(s);
	case BR_MARK_CLEAR:
		return mark_clear(s);
	case BR_BYE:
		return bye(s);
	default:
		return -EINVAL;
	}
}

void broker_serve(int sock, const struct broker_folders *f)
{
	struct server s = {sock, f->fd[FOLDER_RUN], f->fd[FOLDER_SNAP], f, {IN_PLACE}};
	struct broker_request req;

	for (;;) {
		struct broker_answer ans = {0};
		ssize_t n = recv(sock, &req, sizeof(req), 0);
		int fd = -1;

		if (n < 0 && errno == EINTR)
			continue;
		if (n != sizeof(req))
			break;
		ans.rc = serve_one(&s, &req, &ans, &fd);
		if (ans.rc > 0)
			ans.rc = 0;
		if (packet_send(sock, &ans, sizeof(ans), &fd, fd >= 0) < 0)
			break;
		if (fd >= 0)
			close(fd);
		if (req.op == BR_BYE)
			break;
	}
	/* The VM's process ended or was killed: nobody listens at its sockets any more. */
	bye(&s);
	_exit(0);
}
