/*
 * cli_send.c - the verb send: types into a console, and waits for what should come back. For scripts.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tui/cli.h"
#include "tui/term/filter.h"

#define KEEP_MAX (1u << 20) /* output that --expect looks through at once */

struct sending {
	const char *vm;
	int fd;
	char *text;
	size_t len, sent;
	uint64_t skip;	    /* bytes of history that came before us */
	const char *expect; /* "": nothing */
	struct filter filter;
	char *seen;	    /* what came, as plain text */
	size_t nseen;
	bool found;
};

static int hex(char c)
{
	const char *digits = "0123456789abcdef", *p = c ? strchr(digits, c | 0x20) : NULL;

	return p ? (int)(p - digits) : -1;
}

/* \n \r \t \e \\ \xHH, in place; returns the new length. */
static size_t unescape(char *s)
{
	static const char from[] = "nrte\\", to[] = "\n\r\t\033\\";
	char *w = s, *start = s;

	for (; *s; s++) {
		const char *k = s[0] == '\\' && s[1] ? strchr(from, s[1]) : NULL;

		if (k) {
			*w++ = to[k - from];
			s++;
		} else if (s[0] == '\\' && s[1] == 'x' && hex(s[2]) >= 0 && hex(s[3]) >= 0) {
			*w++ = (char)(hex(s[2]) << 4 | hex(s[3]));
			s += 3;
		} else {
			*w++ = *s;
		}
	}
	return (size_t)(w - start);
}

/* All words with blanks between, and Enter. */
static int make_text(struct sending *s, const struct cli_call *call, bool escapes, bool enter)
{
	size_t size = 2;
	int i;

	for (i = 1; i < call->argc; i++)
		size += strlen(call->argv[i]) + 1;
	s->text = malloc(size);
	if (!s->text)
		return -ENOMEM;
	s->text[0] = '\0';
	for (i = 1; i < call->argc; i++) {
		strcat(s->text, call->argv[i]);
		if (i + 1 < call->argc)
			strcat(s->text, " ");
	}
	s->len = escapes ? unescape(s->text) : strlen(s->text);
	if (enter)
		s->text[s->len++] = '\r';
	return 0;
}

static int count_history(struct sending *s, unsigned stream)
{
	struct vmc_console_info info[4];
	char *json = NULL;
	size_t n = 0;
	int status = cli_command(s->vm, "x-console-info", NULL, &json);

	if (status == CLI_OK && (vmc_parse_console_info(json, info, 4, &n) < 0 || n <= stream))
		status = cli_fail(CLI_FAILED, "%s: has no such console", s->vm);
	else if (status == CLI_OK)
		s->skip = info[stream].history;
	free(json);
	return status;
}

/* Plain text only: colours and cursor movement would come between the letters that are waited for.
 * Keeps the last KEEP_MAX bytes; what is looked for cannot be longer than a quarter of that. */
static void keep_text(void *arg, enum filter_kind kind, const char *bytes, size_t len)
{
	struct sending *s = arg;

	if (kind == FILTER_SEQ && !(len == 1 && strchr("\r\n\t", bytes[0])))
		return;
	if (len > KEEP_MAX / 4) {
		bytes += len - KEEP_MAX / 4;
		len = KEEP_MAX / 4;
	}
	if (s->nseen + len > KEEP_MAX) {
		size_t drop = s->nseen / 2;

		s->nseen -= drop;
		memmove(s->seen, s->seen + drop, s->nseen);
	}
	memcpy(s->seen + s->nseen, bytes, len);
	s->nseen += len;
}

static void take_output(struct sending *s, const char *bytes, size_t len)
{
	if (s->skip >= len) {
		s->skip -= len;
		return;
	}
	filter_feed(&s->filter, bytes + s->skip, len - s->skip);
	s->skip = 0;
	s->found = s->found || memmem(s->seen, s->nseen, s->expect, strlen(s->expect));
}

/* Line by line; of a line that was written over, what stood there last. */
static void print_seen(const struct sending *s)
{
	size_t start = 0, i;

	for (i = 0; i <= s->nseen; i++) {
		if (i < s->nseen && s->seen[i] == '\r' && i + 1 < s->nseen && s->seen[i + 1] != '\n' &&
			s->seen[i + 1] != '\r')
			start = i + 1;
		if (i < s->nseen && s->seen[i] != '\n')
			continue;
		cli_clean_bytes(stdout, s->seen + start, i - start);
		if (i > start || i < s->nseen)
			putchar('\n');
		start = i + 1;
	}
}

/* 1: go on; 0: the console has ended. */
static int exchange(struct sending *s, int wait_ms)
{
	struct pollfd p = { .fd = s->fd, .events = (short)(POLLIN | (s->sent < s->len ? POLLOUT : 0)) };
	char buf[4096];
	ssize_t n;

	if (poll(&p, 1, wait_ms) <= 0)
		return 1;
	/* Type only after the history is read, so that it cannot be taken for the answer. */
	if (p.revents & POLLOUT && !s->skip) {
		n = send(s->fd, s->text + s->sent, s->len - s->sent, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n > 0)
			s->sent += (size_t)n;
	}
	if (p.revents & (POLLIN | POLLHUP | POLLERR)) {
		n = recv(s->fd, buf, sizeof(buf), MSG_DONTWAIT);
		if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
			return 0;
		if (n > 0)
			take_output(s, buf, (size_t)n);
	}
	return 1;
}

static int converse(struct sending *s, int timeout_ms)
{
	uint64_t end = cli_now_ms() + (uint64_t)timeout_ms;
	uint64_t quiet_since = cli_now_ms();

	while (s->sent < s->len || (s->expect[0] && !s->found)) {
		uint64_t now = cli_now_ms(), skip = s->skip;

		if (now >= end)
			return cli_fail(CLI_TIMEOUT, s->sent < s->len ? "%s: its console takes nothing"
				: "%s: '%s' has not come", s->vm, s->expect);
		if (!exchange(s, s->skip ? 50 : (int)(end - now)))
			return cli_fail(CLI_FAILED, "%s: has ended", s->vm);
		/* A reset or a load may have left less history than was told. */
		if (s->skip != skip)
			quiet_since = cli_now_ms();
		else if (s->skip && cli_now_ms() - quiet_since > 500)
			s->skip = 0;
	}
	return CLI_OK;
}

int cli_send(int argc, char **argv)
{
	enum { STREAM, ESCAPES, NO_ENTER, EXPECT, TIMEOUT, QUIET };
	struct sending s = { .fd = -1 };
	struct cli_call call;
	int status, stream, timeout_ms = 10000;

	if (!cli_parse("send", argc, argv, &call, &status))
		return status;
	s.vm = call.argv[0];
	stream = cli_stream(call.value[STREAM]);
	if (stream < 0)
		return cli_fail(CLI_USAGE, "--stream %s: hvc0 or ttyS0", call.value[STREAM]);
	if (call.value[TIMEOUT] && !cli_seconds(call.value[TIMEOUT], &timeout_ms))
		return cli_fail(CLI_USAGE, "--timeout %s: a number of seconds", call.value[TIMEOUT]);
	s.expect = call.value[EXPECT] ? call.value[EXPECT] : "";
	if (strlen(s.expect) > KEEP_MAX / 4)
		return cli_fail(CLI_USAGE, "--expect: too long");
	status = count_history(&s, (unsigned)stream);
	if (status != CLI_OK)
		return status;
	s.seen = malloc(KEEP_MAX);
	filter_init(&s.filter, keep_text, &s);
	s.fd = cli_console_connect(s.vm, (unsigned)stream);
	if (!s.seen || make_text(&s, &call, call.value[ESCAPES], !call.value[NO_ENTER]) < 0)
		status = cli_fail(CLI_FAILED, "no memory");
	else if (s.fd < 0)
		status = cli_fail(cli_status_of(s.fd), "%s: cannot attach to its console: %s", s.vm, strerror(-s.fd));
	else
		status = converse(&s, timeout_ms);
	if (s.nseen && !call.value[QUIET] && s.expect[0])
		print_seen(&s);
	if (s.fd >= 0)
		close(s.fd);
	free(s.seen);
	free(s.text);
	return status;
}
