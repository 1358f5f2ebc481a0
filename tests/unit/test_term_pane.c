/*
 * test_term_pane.c - the workstation's pane with a real vitrine-term, and this test as the VM and the user.
 * No KVM, no screen. What must hold: whatever the guest prints and however vitrine-term ends, the pane is usable
 * again within a second, and nothing that was typed is lost in silence.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>
#include <tui/pane.h>

#if defined(__SANITIZE_ADDRESS__)
#define SLOW 10
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SLOW 10
#endif
#endif
#ifndef SLOW
#define SLOW 1
#endif
#define BUSY 5 /* the machine may have other things to do: deadlines are this much longer than the aim */

/* A VM with a console: keeps its history, and one client. */
struct fixture {
	struct pane *pane;
	int fds[8], nfds; /* watched */
	int vm;		  /* our end of the console, -1: the VM does not run */
	bool refuses;	  /* connections */
	bool another;	  /* VM process than before */
	char *history;
	size_t history_len;
	char input[200000];
	size_t input_len;
	char said[512];
	int nsaid;
	char text[200000];
	size_t text_len;
	int found; /* -1: no answer yet */
	int changes;
};

static uint64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

static int fx_connect(void *arg, bool *again)
{
	struct fixture *f = arg;
	int sv[2];
	size_t sent = 0;

	if (f->refuses)
		return -ECONNREFUSED;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, sv), 0);
	if (f->vm >= 0)
		close(f->vm);
	f->vm = sv[0];
	/* The tests' histories fit into a socket. */
	while (sent < f->history_len) {
		ssize_t n = send(f->vm, f->history + sent, f->history_len - sent, 0);

		assert_true(n > 0);
		sent += (size_t)n;
	}
	*again = !f->another;
	f->another = false;
	return sv[1];
}

static void fx_changed(void *arg)
{
	((struct fixture *)arg)->changes++;
}

static void fx_said(void *arg, const char *line)
{
	struct fixture *f = arg;

	snprintf(f->said, sizeof(f->said), "%s", line);
	f->nsaid++;
}

static void fx_text(void *arg, const char *text, size_t len)
{
	struct fixture *f = arg;

	assert_true(len < sizeof(f->text));
	memcpy(f->text, text, len + 1);
	f->text_len = len;
}

static void fx_found(void *arg, bool found, uint64_t line, unsigned col)
{
	((struct fixture *)arg)->found = found;
}

static int fx_watch(void *arg, int fd)
{
	struct fixture *f = arg;

	f->fds[f->nfds++] = fd;
	return 0;
}

static void fx_unwatch(void *arg, int fd)
{
	struct fixture *f = arg;

	for (int i = 0; i < f->nfds; i++) {
		if (f->fds[i] == fd)
			f->fds[i--] = f->fds[--f->nfds];
	}
}

static const struct pane_ops ops = { .connect = fx_connect, .changed = fx_changed, .said = fx_said, .text = fx_text,
	.found = fx_found, .watch = fx_watch, .unwatch = fx_unwatch };

/* One round of the screen's loop. The VM is read too unless @deaf. */
static void turn(struct fixture *f, bool deaf)
{
	struct pollfd p[9];
	int n = 0;

	for (int i = 0; i < f->nfds; i++)
		p[n++] = (struct pollfd){ .fd = f->fds[i], .events = POLLIN };
	if (f->vm >= 0 && !deaf)
		p[n++] = (struct pollfd){ .fd = f->vm, .events = POLLIN };
	poll(p, (nfds_t)n, 10);
	for (int i = 0; i < n; i++) {
		if (!p[i].revents)
			continue;
		if (p[i].fd == f->vm && !deaf) {
			ssize_t got = recv(f->vm, f->input + f->input_len, sizeof(f->input) - f->input_len, 0);

			if (got > 0)
				f->input_len += (size_t)got;
		} else {
			pane_readable(f->pane, p[i].fd);
		}
	}
	pane_tick(f->pane, now_ms());
}

static struct fixture *open_fx(const char *program, const char *history)
{
	struct fixture *f = calloc(1, sizeof(*f));
	char path[4096];
	ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 64);

	assert_true(n > 0);
	path[n] = 0;
	*strrchr(path, '/') = 0;
	strcat(path, program);
	f->vm = -1;
	f->found = -1;
	f->another = true;
	f->history = strdup(history);
	f->history_len = strlen(history);
	f->pane = pane_new(&ops, f, path);
	pane_resize(f->pane, 24, 80);
	assert_int_equal(pane_start(f->pane), 0);
	return f;
}

#define REAL	"/../../vitrine-term"
#define MORTAL	"/../term_mortal"

static void close_fx(struct fixture *f)
{
	pane_free(f->pane);
	assert_int_equal(f->nfds, 0);
	if (f->vm >= 0)
		close(f->vm);
	free(f->history);
	free(f);
}

/* The guest prints: into the history, and to who is attached. */
static void print(struct fixture *f, const char *bytes, size_t len)
{
	size_t sent = 0;
	uint64_t end = now_ms() + 20000;

	f->history = realloc(f->history, f->history_len + len + 1);
	memcpy(f->history + f->history_len, bytes, len);
	f->history_len += len;
	while (sent < len && f->vm >= 0 && now_ms() < end) {
		ssize_t n = send(f->vm, bytes + sent, len - sent, MSG_NOSIGNAL);

		if (n > 0)
			sent += (size_t)n;
		else if (n < 0 && errno == EPIPE)
			return; /* its reader died; the next one gets it from the history */
		else
			turn(f, false);
	}
}

static void say(struct fixture *f, const char *text)
{
	print(f, text, strlen(text));
}

static const char *row(struct fixture *f, unsigned r)
{
	static char out[TERM_MAX_COLS * 17];
	const struct term_view *v = pane_view(f->pane);
	size_t n = 0;

	out[0] = 0;
	for (unsigned i = 0; r < v->rows && i < v->cols; i++) {
		const struct term_cell *c = &v->cells[r * v->cols + i];

		for (unsigned k = 0; k < TERM_CELL_CHARS && c->ch[k]; k++)
			out[n++] = c->ch[k] < 0x80 ? (char)c->ch[k] : '#';
	}
	while (n && out[n - 1] == ' ')
		n--;
	out[n] = 0;
	return out;
}

static bool shows(struct fixture *f, const char *text)
{
	for (unsigned r = 0; r < pane_view(f->pane)->rows; r++) {
		if (strstr(row(f, r), text))
			return true;
	}
	return false;
}

#define WAIT(f, ms, cond) do { \
	uint64_t end_ = now_ms() + (ms) * SLOW * BUSY; \
	while (!(cond) && now_ms() < end_) \
		turn(f, false); \
	if (!(cond)) \
		fail_msg("after %d ms not so: %s; said \"%s\", row 0 \"%s\"", (ms) * SLOW * BUSY, #cond, (f)->said, row(f, 0)); \
} while (0)

static void shows_and_types(void **state)
{
	struct fixture *f = open_fx(REAL, "history\r\n");

	WAIT(f, 2000, shows(f, "history"));
	say(f, "live \033[1;31mred\033[m");
	WAIT(f, 1000, shows(f, "live red"));
	assert_int_equal(pane_view(f->pane)->cursor_row, 1);
	assert_int_equal(pane_view(f->pane)->cursor_col, 8);
	assert_string_equal(pane_status(f->pane), "");
	assert_int_equal(pane_key(f->pane, 'x', 0, 0), 0);
	assert_int_equal(pane_key(f->pane, 0, TERM_KEY_UP, 0), 0);
	WAIT(f, 1000, f->input_len == 4);
	assert_memory_equal(f->input, "x\033[A", 4);
	assert_int_equal(f->nsaid, 0);
	close_fx(f);
}

static void answers_once(void **state)
{
	struct fixture *f = open_fx(REAL, "asked before\033[6n\r\n");

	WAIT(f, 2000, shows(f, "asked before"));
	WAIT(f, 2000, !(pane_view(f->pane)->modes & TERM_M_HISTORY));
	assert_int_equal(f->input_len, 0);
	say(f, "now\033[6n");
	WAIT(f, 1000, f->input_len == 6);
	assert_memory_equal(f->input, "\033[2;4R", 6);
	close_fx(f);
}

static const char *const killers[] = {
	"\033[5b", "a\xcc\x81\033[5b", "\xe4\xb8\xad\033[80G\033[b", "x\033[2147483647b",
	"\033[15;24r\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n", "\033[24;80H\0337\033[1;1H\0338some text that goes on",
	"\033[80G\xe4\xb8\xad\xe4\xb8\xad", "\033[?1049h\033[5;10r\033c", "\033[?69h\033[10;5s\033[999S\033[999T",
	"\033]52;c;aGVsbG8=\a", "\033P+q544e\033\\", "\xe2\x80\xae\xe2\x81\xa6\xef\xbb\xbf",
};

/* Every killer alone and between resizes: in a second the pane shows what comes after. */
static void killers_and_resizes(void **state)
{
	struct fixture *f = open_fx(REAL, "begin\r\n");
	char text[64];

	WAIT(f, 2000, shows(f, "begin"));
	for (size_t i = 0; i < 2 * sizeof(killers) / sizeof(killers[0]); i++) {
		say(f, killers[i / 2]);
		if (i & 1) {
			pane_resize(f->pane, 3 + (unsigned)i % 9, 2 + (unsigned)i * 5);
			say(f, "\r\n\n\n\n\n\n\n\0338text\n\n");
			say(f, killers[i / 2]);
			pane_resize(f->pane, 1, 1);
			say(f, killers[i / 2]);
			pane_resize(f->pane, 24, 80);
		}
		snprintf(text, sizeof(text), "\033[!p\033[?1049l\033[2J\033[Hafter %zu", i);
		say(f, text);
		snprintf(text, sizeof(text), "after %zu", i);
		WAIT(f, 1000, pane_view(f->pane)->cols == 80 && !strcmp(row(f, 0), text));
	}
	assert_int_equal(f->nsaid, 0); /* none of them got as far as to end it */
	close_fx(f);
}

static void killed(void **state)
{
	struct fixture *f = open_fx(REAL, "the history\r\n");
	int pid;

	WAIT(f, 2000, shows(f, "the history"));
	say(f, "and more\r\n");
	WAIT(f, 1000, shows(f, "and more"));
	for (int i = 0; i < 2; i++) {
		pid = pane_pid(f->pane);
		assert_int_equal(kill(pid, SIGKILL), 0);
		WAIT(f, 1000, pane_pid(f->pane) != pid && pane_pid(f->pane));
		say(f, "\r\nstill here\r\n");
		WAIT(f, 1000, shows(f, "still here"));
		assert_int_equal(pane_key(f->pane, 'k', 0, 0), 0);
		f->input_len = 0;
		WAIT(f, 1000, f->input_len == 1);
	}
	assert_int_equal(f->nsaid, 2);
	close_fx(f);
}

/* A vitrine-term that dies of OSC 777;die and hangs at OSC 777;hang: what libvterm does at bytes not known yet. */
static void leaves_out_what_killed(void **state)
{
	struct fixture *f = open_fx(MORTAL, "before\r\n");

	WAIT(f, 2000, shows(f, "before"));
	say(f, "\033]777;die\a");
	WAIT(f, 1000, f->nsaid == 1);
	say(f, "after\r\n");
	WAIT(f, 1000, shows(f, "before") && shows(f, "after"));
	assert_int_equal(f->nsaid, 1);
	assert_true(pane_view(f->pane)->poisoned > 0);
	close_fx(f);
}

static void hangs(void **state)
{
	struct fixture *f = open_fx(MORTAL, "before\r\n");

	WAIT(f, 2000, shows(f, "before"));
	say(f, "\033]777;hang\a");
	WAIT(f, 1000, f->nsaid == 1);
	assert_non_null(strstr(f->said, "too long"));
	say(f, "after\r\n");
	WAIT(f, 1000, shows(f, "before") && shows(f, "after"));
	close_fx(f);
}

/* Two different killers in the history: the second death gives the history up, and the pane lives. */
static void gives_up_the_history(void **state)
{
	struct fixture *f = open_fx(MORTAL, "");
	static char filler[40000];

	memset(filler, 'x', sizeof(filler) - 1);
	f->refuses = false;
	f->history = realloc(f->history, 200000);
	f->history_len = (size_t)sprintf(f->history, "old\033]777;die1\a%s one\033]777;die2\a%s two", filler, filler);
	say(f, "\033]777;die3\a");
	WAIT(f, 2000, f->nsaid == 2);
	WAIT(f, 2000, pane_pid(f->pane) && !pane_status(f->pane)[0]);
	WAIT(f, 2000, pane_view(f->pane)->rows && !(pane_view(f->pane)->modes & (TERM_M_HISTORY | TERM_M_CLOSED)));
	say(f, "\r\nfresh\r\n");
	WAIT(f, 1000, shows(f, "fresh"));
	assert_int_equal(f->nsaid, 2);
	assert_false(shows(f, "two"));
	close_fx(f);
}

static void vm_ends_and_comes_back(void **state)
{
	struct fixture *f = open_fx(REAL, "first life\r\n");

	WAIT(f, 2000, shows(f, "first life"));
	f->refuses = f->another = true;
	close(f->vm);
	f->vm = -1;
	WAIT(f, 1000, strstr(pane_status(f->pane), "VM ended"));
	assert_true(shows(f, "first life"));
	assert_int_equal(pane_key(f->pane, 'x', 0, 0), -ENOTCONN);
	f->refuses = false;
	f->history_len = 0;
	say(f, "second life\r\n");
	WAIT(f, 2000, shows(f, "second life"));
	assert_true(shows(f, "first life")); /* still there, above */
	assert_string_equal(pane_status(f->pane), "");
	/* The same VM drops its clients: all of the history comes again, and is shown once. */
	close(f->vm);
	f->vm = -1;
	say(f, "third\r\n");
	WAIT(f, 2000, shows(f, "third") && !shows(f, "first life"));
	assert_string_equal(row(f, 0), "second life");
	assert_string_equal(row(f, 1), "third");
	close_fx(f);
}

/* What the VM's process sends after a snapshot was loaded: the saved history, and nothing that came after it. */
static void snapshot_loaded(void **state)
{
	struct fixture *f = open_fx(REAL, "");

	for (int i = 0; i < 40; i++)
		say(f, "line\r\n");
	say(f, "after the snapshot\033[12;");
	WAIT(f, 2000, shows(f, "after the snapshot"));
	f->history_len = 0;
	say(f, "\030\033cas it was\033[6n\r\nshell> ");
	WAIT(f, 1000, shows(f, "as it was") && !shows(f, "after"));
	WAIT(f, 1000, !(pane_view(f->pane)->modes & TERM_M_HISTORY));
	assert_string_equal(row(f, 1), "shell>");
	assert_int_equal(pane_view(f->pane)->sb_lines, 0);
	assert_int_equal(f->input_len, 0); /* the question was answered back then */
	say(f, "\033[6n");
	WAIT(f, 1000, f->input_len > 0);
	close_fx(f);
}

static void not_running(void **state)
{
	struct fixture *f = open_fx(REAL, "");

	WAIT(f, 2000, pane_view(f->pane)->rows);
	f->refuses = f->another = true;
	close_fx(f);

	f = calloc(1, sizeof(*f));
	f->vm = -1;
	f->pane = pane_new(&ops, f, "/nonexistent/vitrine-term");
	pane_resize(f->pane, 24, 80);
	assert_int_equal(pane_start(f->pane), -ENOENT);
	assert_non_null(strstr(pane_status(f->pane), "/nonexistent/vitrine-term: No such file"));
	close_fx(f);
}

/* A guest that does not read: the sender is told when 64 KiB wait, and what was taken arrives whole. */
static void guest_does_not_read(void **state)
{
	struct fixture *f = open_fx(REAL, "ready");
	uint64_t end = now_ms() + 20000 * SLOW;
	size_t taken = 0;
	int rc = 0;

	WAIT(f, 2000, shows(f, "ready"));
	while (rc != -ENOBUFS && now_ms() < end) {
		rc = pane_key(f->pane, 'a' + taken % 26, 0, 0);
		if (rc == 0)
			taken++;
		else
			turn(f, true);
	}
	assert_int_equal(rc, -ENOBUFS);
	while (f->input_len < taken && now_ms() < end)
		turn(f, false);
	assert_int_equal(f->input_len, taken);
	for (size_t i = 0; i < taken; i++)
		assert_int_equal(f->input[i], 'a' + i % 26);
	WAIT(f, 1000, pane_key(f->pane, '!', 0, 0) == 0);
	close_fx(f);
}

static void pastes(void **state)
{
	static char text[150000];
	struct fixture *f = open_fx(REAL, "\033[?2004hready");

	for (size_t i = 0; i < sizeof(text); i++)
		text[i] = i % 64 == 63 ? '\n' : (char)('A' + i % 26);
	WAIT(f, 2000, shows(f, "ready"));
	assert_int_equal(pane_paste(f->pane, text, sizeof(text)), 0);
	assert_int_equal(pane_paste(f->pane, "x", 1), -EALREADY);
	WAIT(f, 10000, f->input_len == sizeof(text) + 12);
	assert_memory_equal(f->input, "\033[200~", 6);
	assert_memory_equal(f->input + f->input_len - 6, "\033[201~", 6);
	for (size_t i = 0; i < sizeof(text); i++)
		assert_int_equal(f->input[6 + i], text[i] == '\n' ? '\r' : text[i]);
	close_fx(f);
}

/* All of a flood is parsed; a slow parser slows the guest and loses nothing. */
static void flood(void **state)
{
	static char text[1 << 20];
	struct fixture *f = open_fx(REAL, "");
	size_t total = 0;
	int number = 0;

	for (int round = 0; round < (SLOW > 1 ? 2 : 12); round++) {
		size_t n = 0;

		while (n + 100 < sizeof(text))
			n += (size_t)sprintf(text + n, "%s%08d some text\033[m\r\n", round & 1 ? "\033[3;33m" : "", number++);
		f->history_len = 0; /* only the last round would be in a real ring */
		print(f, text, n);
		total += n;
	}
	sprintf(text, "%08d some text", number - 1);
	WAIT(f, 20000, shows(f, text));
	WAIT(f, 1000, pane_view(f->pane)->bytes == total);
	sprintf(text, "%08d some text", number - 20);
	assert_true(shows(f, text));
	assert_int_equal(pane_view(f->pane)->sb_lines, 10000);
	assert_int_equal(f->nsaid, 0);
	close_fx(f);
}

static void looks_back(void **state)
{
	struct fixture *f = open_fx(REAL, "");
	char text[64];
	uint64_t top;

	for (int i = 0; i < 200; i++) {
		snprintf(text, sizeof(text), "line %d of it\r\n", i);
		say(f, text);
	}
	WAIT(f, 2000, shows(f, "line 199"));
	pane_scroll(f->pane, TERM_SCROLL_BY, 100);
	WAIT(f, 1000, pane_view(f->pane)->view_offset == 100);
	assert_true(shows(f, "line 90 "));
	/* It stays where it is while the guest prints. */
	top = pane_view(f->pane)->top_line;
	say(f, "new line\r\nnew line\r\n");
	WAIT(f, 1000, pane_view(f->pane)->view_offset == 102);
	assert_int_equal(pane_view(f->pane)->top_line, top);
	assert_true(shows(f, "line 90 "));
	pane_scroll(f->pane, TERM_SCROLL_TOP, 0);
	WAIT(f, 1000, shows(f, "line 0 "));
	pane_scroll(f->pane, TERM_SCROLL_BOTTOM, 0);
	WAIT(f, 1000, shows(f, "new line"));
	pane_search(f->pane, "LINE 42 OF", false);
	WAIT(f, 1000, f->found == 1 && shows(f, "line 42 "));
	f->found = -1;
	pane_search(f->pane, "no such thing", false);
	WAIT(f, 1000, f->found == 0);
	top = pane_view(f->pane)->top_line; /* numbers of lines: 0 is "line 0" */
	assert_int_equal(pane_select(f->pane, 41, 5, 43, 7, false), 0);
	WAIT(f, 1000, f->text_len);
	assert_string_equal(f->text, "41 of it\nline 42 of it\nline 43");
	close_fx(f);
}

static void holds_still(void **state)
{
	struct fixture *f = open_fx(REAL, "");
	char text[64];

	for (int i = 0; i < 30; i++) {
		snprintf(text, sizeof(text), "line %d of it\r\n", i);
		say(f, text);
	}
	WAIT(f, 2000, shows(f, "line 29"));
	pane_scroll(f->pane, TERM_SCROLL_HOLD, 0);
	for (int i = 30; i < 60; i++) {
		snprintf(text, sizeof(text), "line %d of it\r\n", i);
		say(f, text);
	}
	WAIT(f, 1000, pane_view(f->pane)->view_offset == 30);
	assert_true(shows(f, "line 29"));
	assert_false(shows(f, "line 40"));
	pane_scroll(f->pane, TERM_SCROLL_BOTTOM, 0);
	WAIT(f, 1000, shows(f, "line 59"));
	close_fx(f);
}

/* A hundred sizes in a row, with output between: the last one counts, soon. */
static void resize_storm(void **state)
{
	static char text[300000];
	struct fixture *f = open_fx(REAL, "");
	size_t n = 0;

	while (n + 100 < sizeof(text))
		n += (size_t)sprintf(text + n, "\033[3%um%zu \xe4\xb8\xad text\r\n", (unsigned)n % 8, n);
	print(f, text, n);
	for (unsigned i = 0; i < 100; i++) {
		pane_resize(f->pane, 5 + i % 40, 20 + i);
		say(f, "more\r\n");
		turn(f, false);
	}
	pane_resize(f->pane, 31, 91);
	WAIT(f, 1000, pane_view(f->pane)->rows == 31 && pane_view(f->pane)->cols == 91 && shows(f, "more"));
	assert_int_equal(f->nsaid, 0);
	close_fx(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(shows_and_types), cmocka_unit_test(answers_once),
		cmocka_unit_test(killers_and_resizes), cmocka_unit_test(killed),
		cmocka_unit_test(leaves_out_what_killed), cmocka_unit_test(hangs),
		cmocka_unit_test(gives_up_the_history), cmocka_unit_test(vm_ends_and_comes_back),
		cmocka_unit_test(snapshot_loaded), cmocka_unit_test(not_running), cmocka_unit_test(guest_does_not_read), cmocka_unit_test(pastes),
		cmocka_unit_test(flood), cmocka_unit_test(looks_back), cmocka_unit_test(holds_still),
		cmocka_unit_test(resize_storm),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
