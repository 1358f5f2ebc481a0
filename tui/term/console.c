/*
 * console.c - vitrine-term's side of the console socket: guest output in, keys out. One thread.
 *
 * A client that attaches gets the VM's recent history and then live output, with no mark between the two.
 * As long as it is history, questions in it are not answered again, and the bytes that killed the last
 * vitrine-term are left out. It is over when the socket is quiet for a moment, or when as much came as there
 * can be.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>
#include <tui/term/term.h>

#if defined(__SANITIZE_ADDRESS__)
#define SLOW 20 /* sanitizers: everything takes longer */
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SLOW 20
#endif
#endif
#ifndef SLOW
#define SLOW 1
#endif

enum { PARSE_LIMIT_MS = 200 }; /* CPU time for one chunk; it takes 12 ms at worst */

/* CPU time is up: SIGPROF's default ends the process, and the workstation starts another. */
static void watchdog(unsigned ms)
{
	struct itimerval it = { { 0, 0 }, { ms / 1000, (ms % 1000) * 1000 } };

	setitimer(ITIMER_PROF, &it, NULL);
}

/* Says what is being parsed, for the case that it is the last thing this process does. */
void term_parsing(struct term *t, const void *bytes, size_t len, unsigned limit_ms)
{
	struct term_grid *g = t->grid;

	if (len > TERM_CHUNK_MAX)
		len = TERM_CHUNK_MAX;
	atomic_store(&g->chunk_len, 0);
	memcpy(g->chunk, t->context, t->context_len);
	memcpy(g->chunk + t->context_len, bytes, len);
	atomic_store(&g->context_len, t->context_len);
	atomic_store(&g->chunk_len, (uint32_t)len);
	atomic_store(&g->busy, (atomic_load(&g->busy) + 2) | 1);
	if (limit_ms)
		watchdog(limit_ms * SLOW);
}

void term_parsed(struct term *t)
{
	watchdog(0);
	atomic_store(&t->grid->chunk_len, 0);
	atomic_store(&t->grid->busy, (atomic_load(&t->grid->busy) + 1) & ~1u);
}

static void keep_context(struct term *t, const char *bytes, size_t len)
{
	size_t keep;

	if (len >= TERM_CONTEXT_MAX) {
		memcpy(t->context, bytes + len - TERM_CONTEXT_MAX, TERM_CONTEXT_MAX);
		t->context_len = TERM_CONTEXT_MAX;
		return;
	}
	keep = t->context_len + len > TERM_CONTEXT_MAX ? TERM_CONTEXT_MAX - len : t->context_len;
	memmove(t->context, t->context + t->context_len - keep, keep);
	memcpy(t->context + keep, bytes, len);
	t->context_len = (uint32_t)(keep + len);
}

#ifdef TERM_MORTAL
/* Only in tests/term_mortal: bytes that end or hang it, as bytes nobody has found yet would. */
static void mortal(const char *bytes, size_t len)
{
	static const char die[] = "\033]777;die", hang[] = "\033]777;hang";
	volatile bool forever = true;

	if (memmem(bytes, len, die, sizeof(die) - 1))
		abort();
	while (memmem(bytes, len, hang, sizeof(hang) - 1) && forever)
		;
}
#else
#define mortal(bytes, len) ((void)0)
#endif

/* Raw bytes into the terminal, in chunks small enough to leave out when they kill. */
static void consume(void *arg, const char *bytes, size_t len)
{
	struct term *t = arg;

	while (len) {
		size_t n = len < TERM_CHUNK_MAX ? len : TERM_CHUNK_MAX, run;

		/* Lines of text go to the fast path in one piece. */
		if (n == TERM_CHUNK_MAX && (run = filter_text_run(bytes, len)) > n)
			n = run;
		term_parsing(t, bytes, n, PARSE_LIMIT_MS);
		mortal(bytes, n);
		vt_feed(t->vt, bytes, n);
		term_parsed(t);
		keep_context(t, bytes, n);
		bytes += n;
		len -= n;
	}
}

void term_history_over(struct term *t)
{
	if (!t->history)
		return;
	poison_end(&t->poison, consume, t);
	t->history = t->skip_history = false;
	t->vt->answers = !t->no_answers;
	t->vt->dirty = true;
	atomic_store(&t->grid->poisoned, t->poison.skipped);
}

/*
 * After loading a snapshot the VM's process sends CAN and RIS, then the history as it was saved. All that was shown is
 * forgotten, and questions in that history have been answered long ago. A guest may print the same: no harm.
 * Return: bytes done with.
 */
static size_t snapshot_loaded(struct term *t, const char *bytes, size_t len)
{
	static const char mark[] = "\030\033c";
	const char *at = memmem(bytes, len, mark, sizeof(mark) - 1);

	if (!at)
		return 0;
	term_history_over(t);
	consume(t, bytes, (size_t)(at - bytes) + 1); /* the CAN too: it ends what was cut off */
	vt_clear(t->vt);
	t->scrolled = t->held = false;
	t->publish_all = true;
	t->history = true;
	t->history_left = TERM_HISTORY_MAX;
	t->vt->answers = false;
	return (size_t)(at - bytes) + sizeof(mark) - 1;
}

/*
 * What a new connection does to what is shown, when it brings its first byte: a process that is being killed takes
 * connections for a moment and says nothing on them, and its last words must stay.
 */
static void begin_again(struct term *t)
{
	static const char again[] = "\033[?1049l\033[!p\033[m\r\n-- the console is back --\r\n";

	if (t->first == TERM_FIRST_CLEAR) {
		vt_clear(t->vt);
		t->scrolled = t->held = false;
	} else if (t->first == TERM_FIRST_BACK) {
		vt_feed(t->vt, "\030", 1); /* CAN: out of a sequence that was cut off */
		vt_feed(t->vt, again, sizeof(again) - 1);
	}
	t->first = TERM_FIRST_NOTHING;
}

static void take(struct term *t, const char *bytes, size_t len)
{
	size_t done;

	begin_again(t);
	done = snapshot_loaded(t, bytes, len);
	bytes += done;
	len -= done;
	if (t->history) {
		size_t n = len < t->history_left ? len : t->history_left;

		t->history_left -= (uint32_t)n;
		if (t->skip_history)
			t->poison.skipped += n;
		else
			poison_feed(&t->poison, bytes, n, consume, t);
		bytes += n;
		len -= n;
		if (!t->history_left)
			term_history_over(t);
	}
	if (len)
		consume(t, bytes, len);
}

static void console_closed(struct term *t)
{
	struct term_msg msg = { .type = TERM_MSG_CLOSED };

	term_history_over(t);
	close(t->console);
	t->console = -1;
	t->queue_len = 0;
	atomic_store(&t->grid->input_queued, 0);
	t->vt->dirty = true;
	term_say(t, &msg);
}

void term_read_console(struct term *t)
{
	static char buf[TERM_READ_MAX];

	/* Not for ever: events must get their turn, and frames their time. */
	for (int i = 0; i < 4 && t->console >= 0; i++) {
		ssize_t n = recv(t->console, buf, sizeof(buf), MSG_DONTWAIT);

		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (n <= 0) {
			console_closed(t);
			return;
		}
		t->last_read_us = term_now_us();
		take(t, buf, (size_t)n);
		atomic_fetch_add(&t->grid->bytes, (uint64_t)n);
		if ((size_t)n < sizeof(buf) / 4)
			return;
	}
}

void term_attach(struct term *t, int fd, uint32_t flags, uint32_t history)
{
	if (t->console >= 0)
		close(t->console);
	t->console = fd;
	t->queue_len = 0;
	atomic_store(&t->grid->input_queued, 0);
	t->first = flags & TERM_ATTACH_CLEAR  ? TERM_FIRST_CLEAR :
		atomic_load(&t->grid->bytes) ? TERM_FIRST_BACK :
					       TERM_FIRST_NOTHING;
	t->context_len = 0;
	t->history = true;
	t->skip_history = flags & TERM_ATTACH_SKIP_HISTORY;
	t->no_answers = flags & TERM_ATTACH_NO_ANSWERS;
	t->history_left = history ? history : TERM_HISTORY_MAX;
	t->vt->answers = false;
	t->last_read_us = term_now_us();
	t->vt->dirty = true;
}

void term_to_guest(void *arg, const char *bytes, size_t len)
{
	struct term *t = arg;

	if (t->console < 0)
		return;
	if (!t->queue)
		t->queue = malloc(TERM_QUEUE_MAX);
	if (!t->queue || len > TERM_QUEUE_MAX - t->queue_len) {
		/* The workstation looks at input_queued before it sends, so this is the guest's own doing:
		 * answers to questions that it asks without ever reading. */
		atomic_fetch_add(&t->grid->input_dropped, (uint32_t)len);
		return;
	}
	memcpy(t->queue + t->queue_len, bytes, len);
	t->queue_len += len;
	atomic_store(&t->grid->input_queued, (uint32_t)t->queue_len);
}

void term_write_console(struct term *t)
{
	bool was_full = t->queue_len >= TERM_INPUT_MAX / 2;
	ssize_t n;

	if (!t->queue_len || t->console < 0)
		return;
	n = send(t->console, t->queue, t->queue_len, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (n <= 0)
		return; /* EAGAIN: the guest does not read; an error shows when reading */
	memmove(t->queue, t->queue + n, t->queue_len - (size_t)n);
	t->queue_len -= (size_t)n;
	atomic_store(&t->grid->input_queued, (uint32_t)t->queue_len);
	if (was_full && t->queue_len < TERM_INPUT_MAX / 2)
		t->vt->dirty = true; /* wakes the workstation: more of a paste may come */
}
