/*
 * main.c - vitrine-term: parses one console in a process of its own, for the workstation. One thread.
 *
 * Started with three descriptors (wire.h): 3 the control socket, 4 the grid's memfd, 5 an eventfd that wakes
 * the workstation. It is not meant to be started by hand.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <tui/term/term.h>

uint64_t term_now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

static void replaying(void *arg, const char *bytes, size_t len)
{
	term_parsing(arg, bytes, len, 0); /* the resize as a whole has a limit */
}

static const struct vt_ops vt_ops = { .to_guest = term_to_guest, .replaying = replaying };

static int map_grid(struct term *t)
{
	struct stat st;
	void *p;

	if (fstat(TERM_FD_GRID, &st) < 0)
		return -errno;
	if ((size_t)st.st_size < sizeof(struct term_grid))
		return -EINVAL;
	p = mmap(NULL, sizeof(struct term_grid), PROT_READ | PROT_WRITE, MAP_SHARED, TERM_FD_GRID, 0);
	if (p == MAP_FAILED)
		return -errno;
	close(TERM_FD_GRID);
	t->grid = p;
	t->grid->magic = TERM_GRID_MAGIC;
	t->grid->size = sizeof(struct term_grid);
	return 0;
}

static bool changed(const struct term *t)
{
	return t->visible && (t->vt->dirty || t->publish_all);
}

/* How long poll() may sleep: until the next frame may be drawn, or the history is over. -1: for ever. */
static int timeout_ms(const struct term *t)
{
	uint64_t now = term_now_us(), at = UINT64_MAX;

	if (changed(t))
		at = t->last_publish_us + TERM_FRAME_US;
	if (t->history && t->last_read_us + TERM_LULL_US < at)
		at = t->last_read_us + TERM_LULL_US;
	if (at == UINT64_MAX)
		return -1;
	return at <= now ? 0 : (int)((at - now + 999) / 1000);
}

static int loop(struct term *t)
{
	for (;;) {
		struct pollfd p[2] = {
			{ .fd = t->control, .events = (short)(POLLIN | (t->nmsgs || t->text ? POLLOUT : 0)) },
			{ .fd = t->console, .events = (short)(POLLIN | (t->queue_len ? POLLOUT : 0)) },
		};
		uint64_t now;

		if (poll(p, 2, timeout_ms(t)) < 0 && errno != EINTR)
			return 1;
		if (p[0].revents && !term_events(t))
			return 0;
		term_resize(t);
		if (p[0].revents & POLLOUT)
			term_send_pending(t);
		if (p[1].revents & ~POLLOUT)
			term_read_console(t);
		term_write_console(t); /* what was just typed, too */
		now = term_now_us();
		if (t->history && now >= t->last_read_us + TERM_LULL_US)
			term_history_over(t);
		if (changed(t) && now >= t->last_publish_us + TERM_FRAME_US)
			term_publish(t);
	}
}

int main(int argc, char **argv)
{
	static struct term t = { .control = TERM_FD_CONTROL, .wake = TERM_FD_WAKE, .console = -1 };
	int rc;

	if (argc != 1 || fcntl(TERM_FD_CONTROL, F_GETFD) < 0 || fcntl(TERM_FD_WAKE, F_GETFD) < 0) {
		fprintf(stderr, "vitrine-term is started by vitrine for each console; it takes no arguments.\n");
		return 2;
	}
	signal(SIGPIPE, SIG_IGN);
	rc = map_grid(&t);
	if (rc < 0) {
		fprintf(stderr, "vitrine-term: the grid on descriptor %d: %s\n", TERM_FD_GRID, strerror(-rc));
		return 1;
	}
	t.vt = vt_new(24, 80, &vt_ops, &t);
	if (!t.vt) {
		fprintf(stderr, "vitrine-term: out of memory\n");
		return 1;
	}
	rc = term_sandbox();
	if (rc < 0) {
		fprintf(stderr, "vitrine-term: cannot confine itself: %s\n", strerror(-rc));
		return 1;
	}
	t.visible = true;
	t.publish_all = true;
	return loop(&t);
}
