/*
 * events.c - what the workstation tells vitrine-term, and what goes back. One thread. See wire.h.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <tui/term/term.h>

struct packet {
	struct term_ev ev;
	char data[TERM_DATA_MAX];
};

static void event(struct term *t, const struct term_ev *ev, const char *data, int fd)
{
	switch (ev->type) {
	case TERM_EV_ATTACH:
		if (fd >= 0)
			term_attach(t, fd, ev->attach.flags, ev->attach.history);
		break;
	case TERM_EV_POISON:
		if (ev->poison.context <= TERM_CONTEXT_MAX && ev->poison.chunk <= TERM_CHUNK_MAX &&
				ev->poison.context + ev->poison.chunk <= ev->len)
			poison_set(&t->poison, data, ev->poison.context, ev->poison.chunk);
		break;
	case TERM_EV_RESIZE: /* carried out when all events are read: only the last one counts */
		t->want_rows = ev->resize.rows;
		t->want_cols = ev->resize.cols;
		break;
	case TERM_EV_VISIBLE:
		t->visible = ev->visible.on;
		t->publish_all = true;
		break;
	case TERM_EV_KEY:
		vt_key(t->vt, ev->key.ch, ev->key.key, ev->key.mods);
		break;
	case TERM_EV_MOUSE:
		vt_mouse(t->vt, ev->mouse.row, ev->mouse.col, ev->mouse.button, ev->mouse.pressed,
			ev->mouse.mods);
		break;
	case TERM_EV_PASTE:
		vt_paste(t->vt, data, ev->len, ev->paste.flags & TERM_PASTE_FIRST,
			ev->paste.flags & TERM_PASTE_LAST);
		t->vt->dirty = true; /* wakes the workstation: it sends the next piece */
		break;
	case TERM_EV_SCROLL:
		term_scroll(t, ev);
		break;
	case TERM_EV_SEARCH:
		term_search(t, ev, data);
		break;
	case TERM_EV_SELECT:
		term_select(t, ev);
		break;
	default:
		break;
	}
}

/* The descriptor that came with a message, -1: none. */
static int passed_fd(struct msghdr *msg)
{
	int fd = -1;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS &&
				c->cmsg_len == CMSG_LEN(sizeof(int)))
			memcpy(&fd, CMSG_DATA(c), sizeof(fd));
	}
	return fd;
}

bool term_events(struct term *t)
{
	static struct packet pkt;

	for (int i = 0; i < 64; i++) {
		union {
			char buf[CMSG_SPACE(sizeof(int))];
			struct cmsghdr align;
		} control;
		struct iovec iov = { &pkt, sizeof(pkt) - 1 };
		struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control.buf,
			.msg_controllen = sizeof(control.buf) };
		ssize_t n = recvmsg(t->control, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
		int fd;

		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return true;
		if (n <= 0)
			return false; /* the workstation is gone, and so is the reason to be */
		fd = passed_fd(&msg);
		if ((size_t)n < sizeof(pkt.ev) || pkt.ev.len != (size_t)n - sizeof(pkt.ev)) {
			if (fd >= 0)
				close(fd);
			continue;
		}
		((char *)&pkt)[n] = 0; /* text may be used as a string */
		event(t, &pkt.ev, pkt.data, fd);
		if (fd >= 0 && pkt.ev.type != TERM_EV_ATTACH)
			close(fd);
	}
	return true;
}

void term_say(struct term *t, const struct term_msg *msg)
{
	if (t->nmsgs < TERM_MSGS)
		t->msgs[t->nmsgs++] = *msg;
	term_send_pending(t);
}

static bool send_text(struct term *t)
{
	size_t left = t->text_len - t->text_sent, n = left < TERM_DATA_MAX / 2 ? left : TERM_DATA_MAX / 2;
	struct term_msg msg = { .type = TERM_MSG_TEXT, .len = (uint32_t)n, .u.last = n == left };
	struct iovec iov[2] = { { &msg, sizeof(msg) }, { t->text + t->text_sent, n } };
	struct msghdr hdr = { .msg_iov = iov, .msg_iovlen = 2 };

	if (sendmsg(t->control, &hdr, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
		return false;
	t->text_sent += n;
	if (n == left) {
		free(t->text);
		t->text = NULL;
		t->text_len = t->text_sent = 0;
	}
	return true;
}

/* As much as the socket takes now; main() polls for room while something is left. */
void term_send_pending(struct term *t)
{
	while (t->nmsgs) {
		if (send(t->control, &t->msgs[0], sizeof(t->msgs[0]), MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
			return;
		memmove(t->msgs, t->msgs + 1, --t->nmsgs * sizeof(t->msgs[0]));
	}
	while (t->text && send_text(t))
		;
}
