/*
 * bench_pane.c BUILD - how fast a console pane takes what a guest prints, against `cat` in tmux, both in an 80x24
 * and in a 200x50 screen, and how long a key waits while another pane is flooded.
 *
 * The pane is a real vitrine-term fed through a socket, with the workstation's reader copying each frame. tmux parses
 * the same bytes from a pty, with no client attached. No screen is drawn in either. Best of 2.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <tui/pane.h>

enum { BYTES = 8 << 20, RUNS = 2 };

static char *data;
static const char *build;

static double now_s(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

/* ---- what is printed ---- */

static size_t plain(char *out, size_t size)
{
	size_t n = 0;

	for (; n + 3 <= size; n += 3)
		memcpy(out + n, "y\r\n", 3);
	return n;
}

static size_t log_lines(char *out, size_t size)
{
	size_t n = 0;

	for (unsigned i = 0; n + 160 < size; i++)
		n += (size_t)sprintf(out + n, "[%5u.%06u] virtio_blk virtio%u: [vda] %u 512-byte logical blocks (%u MB)\r\n",
			i / 1000, i % 1000000, i % 8, i * 7919u, i % 5000);
	return n;
}

static size_t colours(char *out, size_t size)
{
	size_t n = 0;

	for (unsigned i = 0; n + 2000 < size; i++) {
		for (unsigned c = 0; c < 60; c++)
			n += (size_t)sprintf(out + n, "\033[38;2;%u;%u;%um%c", (i * 3 + c) & 255, c * 4, i & 255,
				'!' + (char)(c % 90));
		n += (size_t)sprintf(out + n, "\033[m\r\n");
	}
	return n;
}

static size_t unicode(char *out, size_t size)
{
	size_t n = 0;

	for (unsigned i = 0; n + 200 < size; i++)
		n += (size_t)sprintf(out + n, "\u00fcber %u \u4e2d\u6587 \u043f\u0440\u0438\u0432\u0435\u0442 \u03b1\u03b2\u03b3 \u2502 \u2588\u2588\u2588\r\n", i);
	return n;
}

/* ---- a pane ---- */

struct bench {
	struct pane *pane;
	int fds[4], nfds, vm;
};

static int b_connect(void *arg, bool *again)
{
	struct bench *b = arg;
	int sv[2];

	*again = false;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, sv) < 0)
		return -errno;
	b->vm = sv[0];
	return sv[1];
}

static void b_changed(void *arg)
{
}

static void b_said(void *arg, const char *line)
{
	fprintf(stderr, "bench_pane: %s\n", line);
}

static int b_watch(void *arg, int fd)
{
	struct bench *b = arg;

	b->fds[b->nfds++] = fd;
	return 0;
}

static void b_unwatch(void *arg, int fd)
{
}

static const struct pane_ops ops = { .connect = b_connect, .changed = b_changed, .said = b_said, .watch = b_watch,
	.unwatch = b_unwatch };

static void b_open(struct bench *b, unsigned rows, unsigned cols)
{
	char path[4096];

	memset(b, 0, sizeof(*b));
	snprintf(path, sizeof(path), "%s/vitrine-term", build);
	b->pane = pane_new(&ops, b, path);
	pane_resize(b->pane, rows, cols);
	if (!b->pane || pane_start(b->pane) < 0) {
		fprintf(stderr, "bench_pane: %s\n", pane_status(b->pane));
		exit(1);
	}
}

static void b_close(struct bench *b)
{
	pane_free(b->pane);
	close(b->vm);
}

static void b_poll(struct bench *b, int n, int timeout_ms, short vm_events)
{
	struct pollfd p[16];
	int k = 0;

	for (int i = 0; i < n; i++) {
		for (int f = 0; f < 2; f++)
			p[k++] = (struct pollfd){ .fd = b[i].fds[f], .events = POLLIN };
		p[k++] = (struct pollfd){ .fd = b[i].vm, .events = vm_events };
	}
	poll(p, (nfds_t)k, timeout_ms);
	for (int i = 0; i < k; i++) {
		if (p[i].revents && i % 3 != 2)
			pane_readable(b[i / 3].pane, p[i].fd);
	}
}

static double in_pane(size_t len, unsigned rows, unsigned cols)
{
	struct bench b;
	size_t sent = 0;
	double start;

	b_open(&b, rows, cols);
	while (!pane_view(b.pane)->rows || pane_view(b.pane)->modes & TERM_M_HISTORY)
		b_poll(&b, 1, 10, POLLIN);
	start = now_s();
	while (pane_view(b.pane)->bytes < len) {
		ssize_t n = sent < len ? send(b.vm, data + sent, len - sent < 65536 ? len - sent : 65536, 0) : 0;

		if (n > 0)
			sent += (size_t)n;
		b_poll(&b, 1, n > 0 ? 0 : 100, sent < len ? POLLOUT : 0);
	}
	start = now_s() - start;
	b_close(&b);
	return (double)len / start / 1e6;
}

static double in_tmux(size_t len, unsigned rows, unsigned cols)
{
	char file[] = "/tmp/bench_pane.XXXXXX", cmd[512];
	int fd = mkstemp(file);
	double start;
	size_t at = 0;

	while (at < len) {
		ssize_t n = write(fd, data + at, len - at);

		if (n <= 0)
			return 0;
		at += (size_t)n;
	}
	close(fd);
	snprintf(cmd, sizeof(cmd), "tmux -L vbench%d -f /dev/null new-session -d -x %u -y %u "
		"'stty raw; tmux -L vbench%d wait-for go; cat %s; tmux -L vbench%d wait-for -S done; sleep 100' && sleep 0.3",
		getpid(), cols, rows, getpid(), file, getpid());
	if (system(cmd))
		return 0;
	snprintf(cmd, sizeof(cmd), "tmux -L vbench%d wait-for -S go; tmux -L vbench%d wait-for done", getpid(), getpid());
	start = now_s();
	if (system(cmd))
		return 0;
	start = now_s() - start;
	snprintf(cmd, sizeof(cmd), "tmux -L vbench%d kill-server", getpid());
	if (system(cmd))
		return 0;
	unlink(file);
	return (double)len / start / 1e6;
}

static void throughput(const char *name, size_t (*make)(char *, size_t), unsigned rows, unsigned cols)
{
	size_t len = make(data, BYTES);
	double pane = 0, tmux = 0;

	for (int i = 0; i < RUNS; i++) {
		double p = in_pane(len, rows, cols), t = in_tmux(len, rows, cols);

		pane = p > pane ? p : pane;
		tmux = t > tmux ? t : tmux;
	}
	if (tmux > 0)
		printf("pane %ux%u %-12s %7.1f MB/s, tmux %6.1f MB/s: %.2fx (aim: at least 1x)\n", cols, rows, name, pane,
			tmux, pane / tmux);
	else
		printf("pane %ux%u %-12s %7.1f MB/s (no tmux to compare with)\n", cols, rows, name, pane);
	fflush(stdout);
}

/* ---- a key in one pane while another is flooded ---- */

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

static void flood(struct bench *b, size_t len, size_t *sent)
{
	ssize_t n = send(b->vm, data + *sent % len, len - *sent % len < 65536 ? len - *sent % len : 65536, 0);

	if (n > 0)
		*sent += (size_t)n;
}

/* Key to the guest, the guest's echo, and the cell in the workstation's copy. */
static double key_ms(struct bench *b, size_t len, size_t *sent, bool flooded, char c)
{
	double start = now_s();
	unsigned col = pane_view(b[0].pane)->cursor_col;
	bool echoed = false;
	char got;

	pane_key(b[0].pane, (uint32_t)c, 0, 0);
	while (pane_view(b[0].pane)->cursor_col == col) {
		if (flooded)
			flood(&b[1], len, sent);
		b_poll(b, flooded ? 2 : 1, flooded ? 1 : 100, POLLIN);
		if (!echoed && recv(b[0].vm, &got, 1, 0) == 1) {
			echoed = true;
			if (send(b[0].vm, &got, 1, 0) != 1)
				return -1;
		}
	}
	return (now_s() - start) * 1e3;
}

static void latency(bool flooded)
{
	enum { KEYS = 60 };
	size_t len = log_lines(data, BYTES), sent = 0;
	double t[KEYS];
	struct bench b[2];

	b_open(&b[0], 24, 80);
	b_open(&b[1], 24, 80);
	while (!pane_view(b[0].pane)->rows || pane_view(b[0].pane)->modes & TERM_M_HISTORY)
		b_poll(b, 2, 10, POLLIN);
	for (int i = 0; i < KEYS; i++) {
		t[i] = key_ms(b, len, &sent, flooded, (char)('a' + i % 26));
		for (double end = now_s() + 0.03; now_s() < end;) {
			if (flooded)
				flood(&b[1], len, &sent);
			b_poll(b, 2, 1, 0);
		}
	}
	qsort(t, KEYS, sizeof(t[0]), by_value);
	printf("pane: key to cell %s: median %.2f ms, 95th percentile %.2f ms\n",
		flooded ? "while another pane is flooded" : "with nothing else going on", t[KEYS / 2], t[KEYS * 95 / 100]);
	b_close(&b[0]);
	b_close(&b[1]);
}

static void resize(void)
{
	size_t len = log_lines(data, 2 << 20), sent = 0;
	double best = 1e9;
	struct bench b;

	b_open(&b, 24, 80);
	while (pane_view(b.pane)->bytes < len) {
		ssize_t n = sent < len ? send(b.vm, data + sent, len - sent, 0) : 0;

		sent += n > 0 ? (size_t)n : 0;
		b_poll(&b, 1, 10, sent < len ? POLLOUT : 0);
	}
	for (unsigned i = 0; i < 10; i++) {
		double start = now_s();

		pane_resize(b.pane, 30 + i, 100 + i);
		while (pane_view(b.pane)->cols != 100 + i)
			b_poll(&b, 1, 100, 0);
		start = (now_s() - start) * 1e3;
		best = start < best ? start : best;
	}
	printf("pane: a resize with a full history (1 MiB of log lines) %.1f ms\n", best);
	b_close(&b);
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		size_t (*make)(char *, size_t);
	} sets[] = { { "plain lines", plain }, { "log lines", log_lines }, { "true colour", colours }, { "unicode", unicode } };

	if (argc != 2) {
		fprintf(stderr, "usage: bench_pane BUILD\n");
		return 2;
	}
	build = argv[1];
	signal(SIGPIPE, SIG_IGN);
	data = malloc(BYTES + 4096);
	if (!data)
		return 1;
	for (size_t i = 0; i < sizeof(sets) / sizeof(sets[0]); i++) {
		throughput(sets[i].name, sets[i].make, 24, 80);
		throughput(sets[i].name, sets[i].make, 50, 200);
	}
	latency(false);
	latency(true);
	resize();
	return 0;
}
