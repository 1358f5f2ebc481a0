/*
 * pane.c - a console's vitrine-term as the workstation sees it: see pane.h. Screen thread.
 *
 * When the process dies, the chunk it was parsing is known from the grid. A new one starts at once, attaches,
 * gets the VM's history and leaves that chunk out. If it dies again, the next one shows no history at all, and
 * from then on the pauses grow: 0.1 s, 0.2 s ... 5 s. Ten seconds of life end the row. Killed from outside
 * while it was parsing nothing, the history had no part in it, and the next one shows it as before.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include <tui/pane_priv.h>

enum { CONNECT_AGAIN_MS = 500, BACKOFF_MAX_MS = 5000, LIFE_MS = 10000, HANG_MS = 3000,
	PASTE_MAX = 16 << 20, PASTE_PIECE = 4096, TEXT_MAX = 8 << 20 };

static uint64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

static void set_status(struct pane *p, const char *text)
{
	if (!strcmp(p->status, text))
		return;
	snprintf(p->status, sizeof(p->status), "%s", text);
	p->ops->changed(p->arg);
}

/* ---- attaching ---- */

static void attach(struct pane *p)
{
	bool again = false;
	int rc, fd = p->ops->connect(p->arg, &again);
	struct term_ev ev = { .type = TERM_EV_POISON };

	if (fd < 0) {
		p->retry_ms = now_ms() + CONNECT_AGAIN_MS;
		set_status(p, p->ever ? "VM ended; this is what it said last" : "the VM is not running");
		return;
	}
	p->retry_ms = 0;
	if (p->chunk && p->suspect == 1) {
		ev.poison.context = p->context;
		ev.poison.chunk = p->chunk;
		pane_send(p, &ev, p->poison, p->context + p->chunk, -1);
	}
	memset(&ev, 0, sizeof(ev));
	ev.type = TERM_EV_ATTACH;
	ev.attach.flags = (again ? TERM_ATTACH_CLEAR : 0) | (p->suspect > 1 ? TERM_ATTACH_SKIP_HISTORY : 0) |
		(p->answers ? 0 : TERM_ATTACH_NO_ANSWERS);
	rc = pane_send(p, &ev, NULL, 0, fd);
	close(fd);
	if (rc < 0) {
		p->retry_ms = now_ms() + CONNECT_AGAIN_MS;
		return;
	}
	p->attached = p->ever = true;
	set_status(p, "");
}

static void send_size(struct pane *p)
{
	struct term_ev ev = { .type = TERM_EV_RESIZE };

	if (!p->unsent_size || !p->rows || !p->cols)
		return;
	ev.resize.rows = (uint16_t)p->rows;
	ev.resize.cols = (uint16_t)p->cols;
	p->unsent_size = pane_send(p, &ev, NULL, 0, -1) < 0;
}

static void send_visible(struct pane *p)
{
	struct term_ev ev = { .type = TERM_EV_VISIBLE, .visible = { p->visible } };

	if (p->unsent_visible)
		p->unsent_visible = pane_send(p, &ev, NULL, 0, -1) < 0;
}

static void send_paste(struct pane *p)
{
	while (p->paste && p->grid) {
		size_t left = p->paste_len - p->paste_sent, n = left < PASTE_PIECE ? left : PASTE_PIECE;
		struct term_ev ev = { .type = TERM_EV_PASTE };

		if (atomic_load(&p->grid->input_queued) >= TERM_INPUT_MAX / 2)
			return; /* its vitrine-term wakes us when the guest has read */
		ev.paste.flags = (p->paste_sent ? 0 : TERM_PASTE_FIRST) | (n == left ? TERM_PASTE_LAST : 0);
		if (pane_send(p, &ev, p->paste + p->paste_sent, n, -1) < 0)
			return;
		p->paste_sent += n;
		if (p->paste_sent == p->paste_len) {
			free(p->paste);
			p->paste = NULL;
		} else if (p->paste_sent % (TERM_INPUT_MAX / 4) == 0) {
			return; /* what is in flight is not in input_queued yet */
		}
	}
}

int pane_start(struct pane *p)
{
	int rc = pane_spawn(p);

	if (rc < 0) {
		if (!p->status[0])
			snprintf(p->status, sizeof(p->status), "cannot start vitrine-term: %s", strerror(-rc));
		p->ops->changed(p->arg);
		return rc;
	}
	p->born_ms = p->busy_since_ms = now_ms();
	p->attached = false;
	p->unsent_size = p->unsent_visible = true;
	term_view_restart(&p->view);
	rc = p->ops->watch(p->arg, p->control);
	if (!rc)
		rc = p->ops->watch(p->arg, p->wake);
	send_size(p);
	send_visible(p);
	attach(p);
	return rc;
}

/* ---- dying ---- */

static void drop_paste(struct pane *p)
{
	if (p->paste)
		p->ops->said(p->arg, "The rest of the pasted text was not sent: the pane had to start again.");
	free(p->paste);
	p->paste = NULL;
}

static bool stop(struct pane *p, char *why, size_t size)
{
	bool killed;

	p->ops->unwatch(p->arg, p->control);
	p->ops->unwatch(p->arg, p->wake);
	killed = pane_reap(p, why, size);
	p->attached = false;
	free(p->text);
	p->text = NULL;
	p->text_len = 0;
	return killed;
}

/* @cause: ours; NULL: what the process ended with. */
static void died(struct pane *p, const char *cause)
{
	char why[96] = "", line[256];
	uint64_t now = now_ms(), pause = 0;
	bool killed = stop(p, why, sizeof(why));

	if (cause)
		snprintf(why, sizeof(why), "%s", cause);
	drop_paste(p);
	if (now - p->born_ms > LIFE_MS)
		p->deaths = p->suspect = 0;
	p->deaths++;
	if (cause || p->chunk || !killed)
		p->suspect++;
	if (p->deaths > 1) {
		pause = p->deaths > 8 ? BACKOFF_MAX_MS : 50ull << (p->deaths - 1);
		pause = pause > BACKOFF_MAX_MS ? BACKOFF_MAX_MS : pause;
	}
	snprintf(line, sizeof(line), "%s (%s); a new one starts%s.",
		p->chunk ? "what the guest printed ended the pane's parser" : "the pane's parser ended", why,
		p->suspect > 1 ? ", without the history" : p->chunk ? " and leaves it out" : "");
	p->ops->said(p->arg, line);
	p->retry_ms = now + pause;
	if (!pause) {
		p->retry_ms = 0;
		if (pane_start(p) < 0)
			p->retry_ms = now + CONNECT_AGAIN_MS;
	} else {
		set_status(p, "the pane's parser died again; the next one starts in a moment");
	}
}

void pane_restart(struct pane *p)
{
	char why[96];

	if (p->pid > 0)
		stop(p, why, sizeof(why));
	drop_paste(p);
	p->deaths = p->suspect = 0;
	p->chunk = 0;
	if (pane_start(p) < 0)
		p->retry_ms = now_ms() + CONNECT_AGAIN_MS;
}

void pane_reattach(struct pane *p)
{
	if (p->pid > 0)
		attach(p);
}

/* ---- what it says ---- */

static void got_text(struct pane *p, const struct term_msg *msg, const char *data)
{
	char *more = p->text_len + msg->len < TEXT_MAX ? realloc(p->text, p->text_len + msg->len + 1) : NULL;

	if (!more) {
		free(p->text);
		p->text = NULL;
		p->text_len = 0;
		return;
	}
	p->text = more;
	memcpy(p->text + p->text_len, data, msg->len);
	p->text_len += msg->len;
	p->text[p->text_len] = 0;
	if (!msg->u.last)
		return;
	p->ops->text(p->arg, p->text, p->text_len);
	free(p->text);
	p->text = NULL;
	p->text_len = 0;
}

static void console_closed(struct pane *p)
{
	p->attached = false;
	if (p->paste)
		p->ops->said(p->arg, "The rest of the pasted text was not sent: the VM ended.");
	free(p->paste);
	p->paste = NULL;
	/* Right away: the VM may only have dropped its clients, as after loading a snapshot. */
	p->retry_ms = now_ms();
	attach(p);
}

/* False: it is gone. */
static bool messages(struct pane *p)
{
	struct {
		struct term_msg msg;
		char data[TERM_DATA_MAX];
	} pkt;

	for (int i = 0; i < 64; i++) {
		ssize_t n = recv(p->control, &pkt, sizeof(pkt), MSG_DONTWAIT);

		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return true;
		if (n <= 0)
			return false;
		if ((size_t)n < sizeof(pkt.msg) || pkt.msg.len != (size_t)n - sizeof(pkt.msg))
			continue;
		if (pkt.msg.type == TERM_MSG_CLOSED && p->attached)
			console_closed(p);
		else if (pkt.msg.type == TERM_MSG_FOUND)
			p->ops->found(p->arg, pkt.msg.u.found == 1, pkt.msg.line, pkt.msg.col);
		else if (pkt.msg.type == TERM_MSG_TEXT)
			got_text(p, &pkt.msg, pkt.data);
	}
	return true;
}

void pane_readable(struct pane *p, int fd)
{
	uint64_t n;
	int rc;

	if (p->pid <= 0 || (fd != p->control && fd != p->wake))
		return;
	if (fd == p->control) {
		if (!messages(p))
			died(p, NULL);
		return;
	}
	if (read(p->wake, &n, sizeof(n)) != sizeof(n))
		return;
	send_paste(p);
	rc = term_view_update(&p->view, p->grid);
	if (rc == -EPROTO)
		died(p, "what it published made no sense");
	else if (rc == 1)
		p->ops->changed(p->arg);
	else if (rc == -EAGAIN) /* it writes again and again; the next tick takes it */
		p->view.again = true;
}

static bool hangs(struct pane *p, uint64_t now)
{
	uint32_t busy = atomic_load(&p->grid->busy);

	if (busy != p->busy || !(busy & 1)) {
		p->busy = busy;
		p->busy_since_ms = now;
	}
	return now > p->busy_since_ms + HANG_MS;
}

void pane_tick(struct pane *p, uint64_t now)
{
	now = now_ms(); /* the same clock as everywhere here */
	if (p->pid <= 0) {
		if (p->retry_ms && now >= p->retry_ms && pane_start(p) < 0)
			p->retry_ms = now + CONNECT_AGAIN_MS;
		return;
	}
	/* Its own watchdog is faster; this one is for what holds even that. */
	if (hangs(p, now)) {
		died(p, PANE_TOO_LONG);
		return;
	}
	send_size(p);
	send_visible(p);
	send_paste(p);
	if (!p->attached && now >= p->retry_ms)
		attach(p);
	if (p->view.again && term_view_update(&p->view, p->grid) == 1)
		p->ops->changed(p->arg);
}

/* ---- the user's side ---- */

struct pane *pane_new(const struct pane_ops *ops, void *arg, const char *program)
{
	struct pane *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	p->ops = ops;
	p->arg = arg;
	p->control = p->wake = -1;
	p->visible = p->answers = true;
	p->program = program ? strdup(program) : NULL;
	if (program && !p->program) {
		free(p);
		return NULL;
	}
	return p;
}

void pane_free(struct pane *p)
{
	char why[96];

	if (!p)
		return;
	if (p->pid > 0)
		stop(p, why, sizeof(why));
	term_view_free(&p->view);
	free(p->paste);
	free(p->text);
	free(p->program);
	free(p);
}

const struct term_view *pane_view(const struct pane *p)
{
	return &p->view;
}

const char *pane_status(const struct pane *p)
{
	return p->status;
}

int pane_pid(const struct pane *p)
{
	return p->pid;
}

void pane_resize(struct pane *p, unsigned rows, unsigned cols)
{
	rows = rows < TERM_MIN_ROWS ? TERM_MIN_ROWS : rows > TERM_MAX_ROWS ? TERM_MAX_ROWS : rows;
	cols = cols < TERM_MIN_COLS ? TERM_MIN_COLS : cols > TERM_MAX_COLS ? TERM_MAX_COLS : cols;
	if (rows == p->rows && cols == p->cols)
		return;
	p->rows = rows;
	p->cols = cols;
	p->unsent_size = true;
	send_size(p);
}

void pane_visible(struct pane *p, bool on)
{
	if (p->visible == on)
		return;
	p->visible = on;
	p->unsent_visible = true;
	send_visible(p);
}

void pane_answers(struct pane *p, bool on)
{
	p->answers = on;
}

static int input(struct pane *p, struct term_ev *ev)
{
	if (p->pid <= 0 || !p->attached)
		return -ENOTCONN;
	if (atomic_load(&p->grid->input_queued) >= TERM_INPUT_MAX)
		return -ENOBUFS;
	return pane_send(p, ev, NULL, 0, -1);
}

int pane_key(struct pane *p, uint32_t ch, uint32_t key, uint32_t mods)
{
	struct term_ev ev = { .type = TERM_EV_KEY, .key = { ch, key, mods } };

	return input(p, &ev);
}

int pane_mouse(struct pane *p, int row, int col, int button, bool pressed, uint32_t mods)
{
	struct term_ev ev = { .type = TERM_EV_MOUSE,
		.mouse = { (int16_t)row, (int16_t)col, (uint16_t)button, pressed, mods } };

	return input(p, &ev);
}

int pane_paste(struct pane *p, const char *text, size_t len)
{
	if (p->pid <= 0 || !p->attached)
		return -ENOTCONN;
	if (p->paste)
		return -EALREADY;
	if (len > PASTE_MAX)
		return -EFBIG;
	if (!len)
		return 0;
	p->paste = malloc(len);
	if (!p->paste)
		return -ENOMEM;
	memcpy(p->paste, text, len);
	p->paste_len = len;
	p->paste_sent = 0;
	send_paste(p);
	return 0;
}

int pane_scroll(struct pane *p, enum term_scroll how, int lines)
{
	struct term_ev ev = { .type = TERM_EV_SCROLL, .scroll = { how, lines, 0 } };

	return pane_send(p, &ev, NULL, 0, -1);
}

int pane_show_line(struct pane *p, uint64_t line)
{
	struct term_ev ev = { .type = TERM_EV_SCROLL, .scroll = { TERM_SCROLL_TO, 0, line } };

	return pane_send(p, &ev, NULL, 0, -1);
}

int pane_search(struct pane *p, const char *text, bool forward)
{
	struct term_ev ev = { .type = TERM_EV_SEARCH, .search = { forward, text == NULL } };
	size_t len = text ? strlen(text) : 0;

	return pane_send(p, &ev, text, len < 1024 ? len : 1024, -1);
}

int pane_select(struct pane *p, uint64_t line0, unsigned col0, uint64_t line1, unsigned col1, bool block)
{
	struct term_ev ev = { .type = TERM_EV_SELECT,
		.select = { line0, line1, (uint16_t)col0, (uint16_t)col1, block } };

	return pane_send(p, &ev, NULL, 0, -1);
}
