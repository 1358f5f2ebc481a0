/*
 * bench_snapshot.c - how long a snapshot stops the guest, and how long a load takes, with all of its RAM in
 * use; as a ratio to writing and syncing, and to reading, the same bytes with nothing in between.
 *   bench_snapshot BUILD
 * Talks to a real vitrine-vm through the client library; STOP and RESUME are the server's own events.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <vmcore/client.h>

struct bench {
	struct vmc_conn *conn;
	double stop_ms, resume_ms; /* when the events came */
	bool ready, finished, closed;
	int rc;
	unsigned pending;
	char error[256];
};

static double now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec * 1e3 + (double)ts.tv_nsec / 1e6;
}

static void on_ready(void *arg)
{
	((struct bench *)arg)->ready = true;
}

static void on_event(void *arg, const char *name, const char *json)
{
	struct bench *b = arg;

	if (strcmp(name, "STOP") == 0)
		b->stop_ms = now_ms();
	else if (strcmp(name, "RESUME") == 0)
		b->resume_ms = now_ms();
}

static void on_closed(void *arg, const char *why)
{
	((struct bench *)arg)->closed = true;
}

static const struct vmc_conn_ops conn_ops = { .ready = on_ready, .event = on_event, .closed = on_closed };

static void on_reply(void *arg, int rc, const char *error, const char *json)
{
	struct bench *b = arg;

	b->pending--;
	if (rc < 0) {
		b->rc = rc;
		snprintf(b->error, sizeof(b->error), "%s", error ? error : "");
	}
}

static void on_done(void *arg, int rc, const char *error)
{
	struct bench *b = arg;

	b->finished = true;
	b->rc = rc;
	snprintf(b->error, sizeof(b->error), "%s", error ? error : "");
}

static const struct vmc_job_ops job_ops = { .done = on_done };

static void turn(struct bench *b)
{
	struct pollfd pfd = { .fd = vmc_conn_fd(b->conn), .events = vmc_conn_poll_events(b->conn) };

	if (b->closed || b->rc < 0) {
		fprintf(stderr, "bench: %s\n", b->closed ? "the VM is gone" : b->error);
		exit(1);
	}
	if (poll(&pfd, 1, 30000) > 0)
		vmc_conn_process(b->conn);
}

/* Something in every page, so that nothing is a hole. */
static void fill(struct bench *b, uint64_t from, uint64_t to)
{
	for (uint64_t gpa = from; gpa < to; gpa += 4096) {
		char args[80];

		snprintf(args, sizeof(args), "{\"address\": \"0x%" PRIx64 "\", \"data\": \"%016" PRIx64 "\"}", gpa,
			gpa | 1);
		b->pending++;
		while (vmc_conn_command(b->conn, "x-write-memory", args, on_reply, b) == -EAGAIN)
			turn(b);
		while (b->pending > 64)
			turn(b);
	}
	while (b->pending)
		turn(b);
}

static double job(struct bench *b, const char *name,
	int (*start)(struct vmc_conn *, const char *, const struct vmc_job_ops *, void *))
{
	double t0 = now_ms();

	b->finished = false;
	b->stop_ms = b->resume_ms = 0;
	if (start(b->conn, name, &job_ops, b) < 0)
		exit(1);
	while (!b->finished)
		turn(b);
	double t = now_ms() - t0;

	/* The RESUME event may come behind the job's last word. */
	while (!b->resume_ms && now_ms() - t0 < t + 1000)
		turn(b);
	return t;
}

/* The peer: the same bytes written to a file of the same file system and synced, then read. */
static void plain_file(const char *dir, uint64_t size, double *write_ms, double *read_ms)
{
	char path[512], *buf = malloc(1 << 20);
	double t0 = now_ms();

	snprintf(path, sizeof(path), "%s/plain", dir);
	int fd = open(path, O_CREAT | O_TRUNC | O_RDWR | O_CLOEXEC, 0600);

	memset(buf, 0x5a, 1 << 20);
	for (uint64_t at = 0; at < size; at += 1 << 20)
		if (write(fd, buf, 1 << 20) != 1 << 20)
			exit(1);
	fsync(fd);
	*write_ms = now_ms() - t0;
	t0 = now_ms();
	for (uint64_t at = 0; at < size; at += 1 << 20)
		if (pread(fd, buf, 1 << 20, (off_t)at) != 1 << 20)
			exit(1);
	*read_ms = now_ms() - t0;
	close(fd);
	unlink(path);
	free(buf);
}

static void bench_size(const char *build, unsigned mib)
{
	char vm[512], size[16], err[512], state[400];
	const char *argv[] = { "--kernel", "guest:shell", "--memory", size, NULL };
	const struct vmc_spawn spawn = { .vitrine_vm = vm, .name = "bench", .argv = argv };
	struct bench b = { .conn = NULL };
	double save, load, stop, load_stop, write_ms, read_ms;

	snprintf(vm, sizeof(vm), "%s/vitrine-vm", build);
	snprintf(size, sizeof(size), "%uM", mib);
	if (vmc_spawn_wait(&spawn, 10000, err, sizeof(err)) < 0 ||
		vmc_conn_open("bench", &conn_ops, &b, &b.conn, err, sizeof(err)) < 0 ||
		vmc_path_state(state, sizeof(state), err, sizeof(err)) < 0) {
		fprintf(stderr, "bench: %s\n", err);
		exit(1);
	}
	while (!b.ready)
		turn(&b);
	fill(&b, 32 << 20, (uint64_t)mib << 20);
	save = job(&b, size, vmc_conn_snapshot_save);
	stop = b.resume_ms - b.stop_ms;
	load = job(&b, size, vmc_conn_snapshot_load);
	load_stop = b.resume_ms - b.stop_ms;
	plain_file(state, (uint64_t)mib << 20, &write_ms, &read_ms);
	printf("snapshot of %4u MiB in use: save %.0f ms, guest stopped %.0f ms (%.2fx of writing and syncing as much: %.0f ms)\n"
	       "               load and go on: %.0f ms, guest stopped %.0f ms (%.2fx of reading as much: %.0f ms)\n",
		mib, save, stop, stop / write_ms, write_ms, load, load_stop, load / read_ms, read_ms);
	vmc_conn_close(b.conn);
	vmc_command_wait("bench", "quit", NULL, 5000, NULL, NULL, NULL, err, sizeof(err));
	for (int i = 0; i < 100; i++) { /* the next one takes the same name */
		struct vmc_list_entry *list;
		size_t n = 0;

		if (vmc_list(&list, &n, err, sizeof(err)) == 0)
			free(list);
		if (!n)
			break;
		usleep(20000);
	}
}

int main(int argc, char **argv)
{
	if (argc < 2)
		return 2;
	bench_size(argv[1], 128);
	bench_size(argv[1], 1024);
	return 0;
}
