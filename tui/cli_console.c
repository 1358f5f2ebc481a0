/*
 * cli_console.c - the verb console: a terminal, or a pipe, on a VM's console.
 *
 * On a terminal what the guest prints goes through the same filter as in the workstation, unless --raw:
 * no title, no clipboard, no answerback, nothing unknown reaches the terminal.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "tui/cli.h"
#include "tui/term/filter.h"

#define CHUNK 4096
#define OUT_MAX (CHUNK * FILTER_REP_MAX) /* what a chunk can become */

struct attach {
	const char *vm;
	int fd;			/* the console */
	struct vmc_conn *conn;	/* for the size; NULL: none wanted, or gone */
	struct filter filter;
	bool tty_in, tty_out, filtered, resize, in_ended;
	int prefix;
	bool prefix_pending;
	char in[CHUNK * 2];	/* on its way to the guest */
	size_t in_len;
	char *out;		/* on its way to the terminal */
	size_t out_len, out_sent, out_cap;
	bool over;
	int status;
	const char *end;	/* what to say, NULL: nothing */
};

/* ---- guest to terminal ---- */

static void out_add(struct attach *a, const char *bytes, size_t len)
{
	if (a->out_len + len > a->out_cap) {
		size_t cap = (a->out_len + len) * 2;
		char *p = cap <= OUT_MAX * 2 ? realloc(a->out, cap) : NULL;

		if (!p) {
			a->over = true;
			a->end = "no memory";
			a->status = CLI_FAILED;
			return;
		}
		a->out = p;
		a->out_cap = cap;
	}
	memcpy(a->out + a->out_len, bytes, len);
	a->out_len += len;
}

static void filtered(void *arg, enum filter_kind kind, const char *bytes, size_t len)
{
	/* Even the one DCS that the filter knows (a question) is answered by echoing on some terminals. */
	if (kind == FILTER_SEQ && len >= 2 && bytes[0] == '\033' && bytes[1] == 'P')
		return;
	out_add(arg, bytes, len);
}

static void read_console(struct attach *a)
{
	char buf[CHUNK];
	ssize_t n = recv(a->fd, buf, sizeof(buf), MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		a->over = true;
		a->end = "the VM has ended";
		return;
	}
	if (a->filtered)
		filter_feed(&a->filter, buf, (size_t)n);
	else
		out_add(a, buf, (size_t)n);
}

/* In small pieces, after poll: a terminal that stands still must not stop Ctrl-] d. */
static void write_terminal(struct attach *a)
{
	size_t len = a->out_len - a->out_sent;
	ssize_t n = write(STDOUT_FILENO, a->out + a->out_sent, len < 1024 ? len : 1024);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n < 0) {
		a->over = true; /* the reader has gone: as for any filter, nothing to say */
		return;
	}
	a->out_sent += (size_t)n;
	if (a->out_sent == a->out_len)
		a->out_sent = a->out_len = 0;
}

/* ---- terminal to guest ---- */

static void say(const char *text)
{
	fprintf(stderr, "\r\n%s\r\n", text);
}

/* The key after the prefix. */
static void prefix_key(struct attach *a, char c)
{
	a->prefix_pending = false;
	if (c == a->prefix) {
		a->in[a->in_len++] = c;
	} else if (c == 'd' || c == '.' || c == 'q') {
		a->over = true;
		a->end = "detached";
	} else if (c == '?' || c == 'h') {
		say("after the prefix: d or . detaches (the VM goes on), the prefix itself sends it, ? this help");
	} else {
		say("no such key; ? for help");
	}
}

static void from_terminal(struct attach *a)
{
	char buf[CHUNK];
	ssize_t n = read(STDIN_FILENO, buf, sizeof(buf)), i;

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		a->in_ended = true;
		if (a->tty_in) { /* hung up */
			a->over = true;
			a->end = "detached: the terminal is gone";
		}
		return;
	}
	for (i = 0; i < n && !a->over; i++) {
		if (a->prefix_pending)
			prefix_key(a, buf[i]);
		else if (a->tty_in && buf[i] == a->prefix)
			a->prefix_pending = true;
		else
			a->in[a->in_len++] = buf[i];
	}
}

static void write_console(struct attach *a)
{
	ssize_t n = send(a->fd, a->in, a->in_len, MSG_DONTWAIT | MSG_NOSIGNAL);

	if (n <= 0)
		return; /* reading tells the end */
	a->in_len -= (size_t)n;
	memmove(a->in, a->in + n, a->in_len);
}

/* ---- size and signals ---- */

static void tell_size(struct attach *a)
{
	struct winsize w;

	if (a->conn && ioctl(STDOUT_FILENO, TIOCGWINSZ, &w) == 0 && w.ws_col >= 2 && w.ws_row >= 1)
		vmc_conn_resize(a->conn, w.ws_col, w.ws_row);
}

static void got_signal(struct attach *a)
{
	int sig;

	while ((sig = cli_term_next_signal())) {
		if (sig == SIGWINCH) {
			tell_size(a);
		} else if (sig == SIGTSTP) {
			if (a->tty_in)
				cli_term_suspend(STDIN_FILENO);
			tell_size(a);
		} else {
			a->over = true;
			a->end = sig == SIGINT ? NULL : "detached by a signal";
			a->status = sig == SIGINT ? 130 : CLI_FAILED;
		}
	}
}

/* ---- */

static void poll_once(struct attach *a)
{
	struct pollfd p[5] = {
		{ .fd = a->fd, .events = (short)((a->out_len ? 0 : POLLIN) | (a->in_len ? POLLOUT : 0)) },
		{ .fd = a->in_ended || a->in_len ? -1 : STDIN_FILENO, .events = POLLIN },
		{ .fd = a->out_len ? STDOUT_FILENO : -1, .events = POLLOUT },
		{ .fd = a->conn ? vmc_conn_fd(a->conn) : -1,
			.events = a->conn ? vmc_conn_poll_events(a->conn) : 0 },
		{ .fd = cli_term_signal_fd(), .events = POLLIN },
	};

	if (poll(p, 5, -1) < 0)
		return;
	if (p[4].revents)
		got_signal(a);
	if (p[3].revents && a->conn && vmc_conn_process(a->conn) < 0) {
		vmc_conn_close(a->conn);
		a->conn = NULL;
	}
	if (p[2].revents)
		write_terminal(a);
	if (p[1].revents && !a->over)
		from_terminal(a);
	if (p[0].revents & POLLOUT)
		write_console(a);
	if (p[0].revents & (POLLIN | POLLHUP | POLLERR) && !a->out_len)
		read_console(a);
}

int cli_console_connect(const char *vm, unsigned stream)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int rc = vmc_path_console(vm, stream, addr.sun_path, sizeof(addr.sun_path)), fd;

	if (rc < 0)
		return rc;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (connect(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0) {
		rc = -errno;
		close(fd);
		return rc == -ECONNREFUSED ? -ENOENT : rc;
	}
	return fd;
}

static int open_all(struct attach *a, unsigned stream)
{
	static const struct vmc_conn_ops ops = { 0 };
	int rc = a->fd = cli_console_connect(a->vm, stream);
	char name[32];

	if (rc == -ENOENT || rc == -EINVAL) {
		struct vmc_vm_info info;

		/* Says why: no such VM, or one that is defined and does not run. */
		int status = cli_vm_info(a->vm, &info);

		return status != CLI_OK ? status : cli_fail(CLI_FAILED, "%s: no such console", a->vm);
	}
	if (rc < 0)
		return cli_fail(CLI_FAILED, "%s: cannot attach to its console: %s", a->vm, strerror(-rc));
	if (a->resize && a->tty_out && stream == 0)
		vmc_conn_open(a->vm, &ops, NULL, &a->conn, NULL, 0); /* without it only the size is not told */
	if (a->prefix < 0x20)
		snprintf(name, sizeof(name), "Ctrl-%c", a->prefix + 0x40);
	else
		snprintf(name, sizeof(name), "%c", a->prefix);
	if (a->tty_in && a->tty_out)
		fprintf(stderr, "%s: %s d detaches, %s ? helps\n", a->vm, name, name);
	return CLI_OK;
}

int cli_attach(const char *vm, unsigned stream, bool raw, bool resize, int prefix)
{
	struct attach *a = calloc(1, sizeof(*a));
	int status;

	if (!a)
		return cli_fail(CLI_FAILED, "no memory");
	a->vm = vm;
	a->prefix = prefix;
	a->resize = resize;
	a->tty_in = isatty(STDIN_FILENO);
	a->tty_out = isatty(STDOUT_FILENO);
	a->filtered = a->tty_out && !raw;
	filter_init(&a->filter, filtered, a);
	signal(SIGPIPE, SIG_IGN);
	status = open_all(a, stream);
	if (status == CLI_OK && a->tty_in && cli_term_raw(STDIN_FILENO) < 0)
		status = cli_fail(CLI_FAILED, "cannot set the terminal: %s", strerror(errno));
	if (status == CLI_OK) {
		tell_size(a);
		while (!a->over)
			poll_once(a);
		while (a->out_len && a->status == CLI_OK && a->end && !strcmp(a->end, "the VM has ended"))
			write_terminal(a); /* its last words */
		cli_term_restore();
		if (a->end && (a->tty_out || a->status != CLI_OK))
			fprintf(stderr, "%s: %s\n", vm, a->end);
		status = a->status;
		close(a->fd);
	}
	vmc_conn_close(a->conn);
	free(a->out);
	free(a);
	return status;
}

/* "C-]", "^]", "C-a" */
static int parse_prefix(const char *text)
{
	char c;

	if (text[0] == '^' && text[1] && !text[2])
		c = text[1];
	else if (!strncmp(text, "C-", 2) && text[2] && !text[3])
		c = text[2];
	else
		return -1;
	if (c >= 'a' && c <= 'z')
		c = (char)(c - 'a' + 'A');
	return c >= '@' && c <= '_' ? c & 0x1f : -1;
}

int cli_stream(const char *text)
{
	if (!text || !strcmp(text, "hvc0") || !strcmp(text, "console") || !strcmp(text, "0"))
		return 0;
	return !strcmp(text, "ttyS0") || !strcmp(text, "console1") || !strcmp(text, "1") ? 1 : -1;
}

static void print_filtered(void *arg, enum filter_kind kind, const char *bytes, size_t len)
{
	if (kind != FILTER_SEQ || len < 2 || bytes[1] != 'P')
		fwrite(bytes, 1, len, stdout);
}

/* --history: what the VM keeps, and no more. */
static int print_history(const char *vm, unsigned stream, bool raw)
{
	struct filter filter;
	struct vmc_console_info info[4];
	char *json = NULL, buf[CHUNK];
	int status = cli_command(vm, "x-console-info", NULL, &json), fd;
	uint64_t left;
	size_t n = 0;

	if (status == CLI_OK && (vmc_parse_console_info(json, info, 4, &n) < 0 || n <= stream))
		status = cli_fail(CLI_FAILED, "%s: has no such console", vm);
	free(json);
	if (status != CLI_OK)
		return status;
	fd = cli_console_connect(vm, stream);
	if (fd < 0)
		return cli_fail(cli_status_of(fd), "%s: cannot attach to its console: %s", vm, strerror(-fd));
	filter_init(&filter, print_filtered, NULL);
	for (left = info[stream].history; left > 0;) {
		ssize_t got = read(fd, buf, left < sizeof(buf) ? left : sizeof(buf));

		if (got <= 0)
			break;
		left -= (uint64_t)got;
		if (raw)
			fwrite(buf, 1, (size_t)got, stdout);
		else
			filter_feed(&filter, buf, (size_t)got);
	}
	close(fd);
	return fflush(stdout) == 0 ? CLI_OK : CLI_FAILED;
}

int cli_console(int argc, char **argv)
{
	enum { STREAM, RAW, NO_RESIZE, PREFIX, HISTORY };
	struct cli_call call;
	int status, stream, prefix = CLI_PREFIX;

	if (!cli_parse("console", argc, argv, &call, &status))
		return status;
	stream = cli_stream(call.value[STREAM]);
	if (stream < 0)
		return cli_fail(CLI_USAGE, "--stream %s: hvc0 or ttyS0", call.value[STREAM]);
	if (call.value[PREFIX])
		prefix = parse_prefix(call.value[PREFIX]);
	if (prefix < 0)
		return cli_fail(CLI_USAGE, "--prefix %s: a control key, as C-] or C-a", call.value[PREFIX]);
	if (call.value[HISTORY])
		return print_history(call.argv[0], (unsigned)stream, call.value[RAW] || !isatty(STDOUT_FILENO));
	return cli_attach(call.argv[0], (unsigned)stream, call.value[RAW], !call.value[NO_RESIZE], prefix);
}
