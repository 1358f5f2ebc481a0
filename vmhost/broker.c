/* broker.c - the asking half, and making the other. See broker.h. Any thread of the VM's process.
 */
#include "vmhost/broker.h"
#include "vmhost/packet.h"
#include "vmhost/sandbox.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

const char *const snapshot_file_names[SNAP_FILES] = {
	[SNAP_MANIFEST] = "manifest.json",
	[SNAP_STATE] = "state",
	[SNAP_CONSOLE] = "console",
	[SNAP_MEMORY] = "memory",
	[SNAP_DISK] = "disk0",
	[SNAP_DISK + 1] = "disk1",
	[SNAP_DISK + 2] = "disk2",
	[SNAP_DISK + 3] = "disk3",
	[SNAP_DISK + 4] = "disk4",
	[SNAP_DISK + 5] = "disk5",
	[SNAP_DISK + 6] = "disk6",
	[SNAP_DISK + 7] = "disk7",
};

struct broker {
	pthread_mutex_t lock; /* one request at a time */
	int sock;
	pid_t pid;
};

bool snapshot_id_ok(const char *id)
{
	size_t len =
		strspn(id, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-");

	return len > 0 && len < SNAPSHOT_ID_SIZE - 8 && !id[len] && id[0] != '.' && id[0] != '-';
}

/* In the child: nothing stays open but the socket and the folders, as descriptors from 3 on. */
static void child(int sock, struct broker_folders f, bool sandbox)
{
	int *keep[1 + FOLDERS] = {&sock}, next = 3;
	int null = open("/dev/null", O_RDWR);

	prctl(PR_SET_NAME, "vitrine-broker");
	/* A terminal's Ctrl-C is for the VM's process; this one ends when that one has. */
	signal(SIGINT, SIG_IGN);
	signal(SIGTERM, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
	for (unsigned i = 0; i < FOLDERS; i++)
		keep[1 + i] = &f.fd[i];
	for (unsigned i = 0; i < 1 + FOLDERS; i++) { /* out of the way first */
		if (*keep[i] < 0)
			continue;
		*keep[i] = fcntl(*keep[i], F_DUPFD, 3 + 1 + FOLDERS);
		if (*keep[i] < 0)
			_exit(1);
	}
	if (null < 0)
		_exit(1);
	dup2(null, 0);
	dup2(null, 1);
	dup2(null, 2);
	for (unsigned i = 0; i < 1 + FOLDERS; i++)
		if (*keep[i] >= 0)
			*keep[i] = dup2(*keep[i], next++);
	close_range((unsigned)next, ~0u, 0);
	if (sandbox && sandbox_broker(f.fd, FOLDERS) < 0)
		_exit(1);
	broker_serve(sock, &f);
}

static void close_folders(const struct broker_folders *f)
{
	for (unsigned i = 0; i < FOLDERS; i++)
		if (f->fd[i] >= 0)
			close(f->fd[i]);
}

/* The folders of the images. Return: 0 or -errno with @what. */
static int open_disks(struct broker_folders *f, const struct broker_disk *disks, const char **what)
{
	char folder[4096];

	for (unsigned i = 0; i < BROKER_DISKS && disks; i++) {
		const char *slash = disks[i].path ? strrchr(disks[i].path, '/') : NULL;

		if (!slash)
			continue;
		*what = disks[i].path;
		if ((size_t)snprintf(folder, sizeof(folder), "%.*s", (int)(slash - *what) + 1, *what) >=
				sizeof(folder) ||
			(size_t)snprintf(f->image[i], sizeof(f->image[i]), "%s", slash + 1) >=
				sizeof(f->image[i]))
			return -ENAMETOOLONG;
		f->fd[FOLDER_DISK + i] = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
		if (f->fd[FOLDER_DISK + i] < 0)
			return -errno;
	}
	return 0;
}

static int open_folders(struct broker_folders *f, const char *run_dir, const char *snap_dir,
	const struct broker_disk *disks, const char **what)
{
	*what = run_dir;
	f->fd[FOLDER_RUN] = open(run_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (f->fd[FOLDER_RUN] < 0)
		return -errno;
	if (!*snap_dir)
		return 0;
	*what = snap_dir;
	f->fd[FOLDER_SNAP] = open(snap_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return f->fd[FOLDER_SNAP] < 0 ? -errno : open_disks(f, disks, what);
}

int broker_start(const char *run_dir, const char *snap_dir, const struct broker_disk *disks,
	bool sandbox, struct broker **out, char *err, size_t err_size)
{
	struct broker *b = calloc(1, sizeof(*b));
	struct broker_folders f;
	int sv[2] = {-1, -1}, rc;
	const char *what;

	if (!b)
		return -ENOMEM;
	memset(&f, 0xff, sizeof(f)); /* descriptors: -1 */
	rc = open_folders(&f, run_dir, snap_dir, disks, &what);
	if (rc < 0)
		goto fail;
	what = "a process";
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sv) < 0 ||
		(b->pid = fork()) < 0) {
		rc = -errno;
		goto fail;
	}
	if (b->pid == 0)
		child(sv[1], f, sandbox);
	close(sv[1]);
	close_folders(&f);
	b->sock = sv[0];
	pthread_mutex_init(&b->lock, NULL);
	*out = b;
	return 0;
fail:
	snprintf(err, err_size, "cannot open %s: %s", what, strerror(-rc));
	for (int i = 0; i < 2; i++)
		if (sv[i] >= 0)
			close(sv[i]);
	close_folders(&f);
	free(b);
	return rc;
}

/* One request, one answer. Return: its rc; @fd: what came with it, -1 when nothing did. */
static int ask(
	struct broker *b, const struct broker_request *req, struct broker_answer *ans, int *fd)
{
	int rc;

	*fd = -1;
	if (!b)
		return -EOPNOTSUPP;
	pthread_mutex_lock(&b->lock);
	rc = packet_send(b->sock, req, sizeof(*req), NULL, 0);
	if (rc == 0)
		rc = packet_recv(b->sock, true, ans, sizeof(*ans), fd);
	pthread_mutex_unlock(&b->lock);
	return rc == 1 ? ans->rc : rc;
}

/* @fd: what came with the answer, or -1; the caller's on success. */
static int ask_about(struct broker *b, enum broker_op op, const char *id, uint32_t number, int *fd)
{
	struct broker_request req = {.op = op, .number = number};
	struct broker_answer ans;
	int rc;

	*fd = -1;
	if (id && !snapshot_id_ok(id))
		return -EINVAL;
	snprintf(req.id, sizeof(req.id), "%s", id ? id : "");
	rc = ask(b, &req, &ans, fd);
	if (rc < 0 && *fd >= 0) {
		close(*fd);
		*fd = -1;
	}
	return rc;
}

static int simple(struct broker *b, enum broker_op op, const char *id, uint32_t number)
{
	int fd, rc = ask_about(b, op, id, number, &fd);

	if (fd >= 0)
		close(fd);
	return rc;
}

static int with_fd(struct broker *b, enum broker_op op, const char *id, uint32_t number)
{
	int fd, rc = ask_about(b, op, id, number, &fd);

	return rc < 0 ? rc : fd >= 0 ? fd : -EBADMSG;
}

int broker_clean(struct broker *b)
{
	return simple(b, BR_CLEAN, NULL, 0);
}

int broker_list(struct broker *b, uint32_t index, char id[SNAPSHOT_ID_SIZE])
{
	struct broker_request req = {.op = BR_LIST, .number = index};
	struct broker_answer ans;
	int fd, rc = ask(b, &req, &ans, &fd);

	if (fd >= 0)
		close(fd);
	if (rc < 0)
		return rc;
	ans.id[SNAPSHOT_ID_SIZE - 1] = '\0';
	memcpy(id, ans.id, SNAPSHOT_ID_SIZE);
	return snapshot_id_ok(id) ? 0 : -EBADMSG;
}

int broker_file(struct broker *b, const char *id, enum snapshot_file file)
{
	return with_fd(b, BR_FILE, id, file);
}

int broker_new(struct broker *b, const char *id)
{
	return simple(b, BR_NEW, id, 0);
}

int broker_new_file(struct broker *b, const char *id, enum snapshot_file file)
{
	return with_fd(b, BR_NEW_FILE, id, file);
}

int broker_new_folder(struct broker *b, const char *id)
{
	return with_fd(b, BR_NEW_FOLDER, id, 0);
}

int broker_commit(struct broker *b, const char *id)
{
	return simple(b, BR_COMMIT, id, 0);
}

int broker_discard(struct broker *b, const char *id)
{
	return simple(b, BR_DISCARD, id, 0);
}

int broker_folder(struct broker *b)
{
	return with_fd(b, BR_FOLDER, NULL, 0);
}

int broker_delete(struct broker *b, const char *id)
{
	return simple(b, BR_DELETE, id, 0);
}

int broker_mark_new(struct broker *b)
{
	return with_fd(b, BR_MARK_NEW, NULL, 0);
}

int broker_mark_set(struct broker *b)
{
	return simple(b, BR_MARK_SET, NULL, 0);
}

int broker_mark_clear(struct broker *b)
{
	return simple(b, BR_MARK_CLEAR, NULL, 0);
}

int broker_disk_new(struct broker *b, uint32_t disk)
{
	return with_fd(b, BR_DISK_NEW, NULL, disk);
}

int broker_disk_swap(struct broker *b, uint32_t disk)
{
	return simple(b, BR_DISK_SWAP, NULL, disk);
}

int broker_disk_back(struct broker *b, uint32_t disk)
{
	return simple(b, BR_DISK_BACK, NULL, disk);
}

int broker_disk_drop(struct broker *b, uint32_t disk)
{
	return simple(b, BR_DISK_DROP, NULL, disk);
}

void broker_stop(struct broker *b)
{
	if (!b)
		return;
	simple(b, BR_BYE, NULL, 0);
	close(b->sock);
	/* It ends by itself; waiting keeps "ended" and "its files are gone" the same moment. */
	waitpid(b->pid, NULL, 0);
	pthread_mutex_destroy(&b->lock);
	free(b);
}
