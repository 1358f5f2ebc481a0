/* listener.c - see listener.h. Main thread. */
#include "vmhost/listener.h"
#include "vmhost/log.h"
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define AGAIN_MS 500

struct listener {
	struct event *ev, *again;
	struct log *log;
	const char *what;
	void (*accepted)(void *arg, int fd);
	void *arg;
	bool told; /* that clients have to wait */
};

/* The client stays in the queue, and the socket readable: without a pause the loop would spin on
 * it. */
static void wait_for_room(struct listener *l, int error)
{
	const struct timeval pause = {AGAIN_MS / 1000, AGAIN_MS % 1000 * 1000};

	if (!l->told)
		log_line(l->log, "%s: a client has to wait: %s%s", l->what, strerror(error),
			error == EMFILE ? "; start the VM with a higher 'ulimit -n'" : "");
	l->told = true;
	event_del(l->ev);
	if (event_add(l->again, &pause) < 0)
		event_add(l->ev, NULL);
}

static void on_again(evutil_socket_t fd, short what, void *arg)
{
	event_add(((struct listener *)arg)->ev, NULL);
}

static void on_client(evutil_socket_t lfd, short what, void *arg)
{
	struct listener *l = arg;
	int fd = accept4(lfd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

	if (fd >= 0) {
		l->told = false;
		l->accepted(l->arg, fd);
	} else if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS) {
		wait_for_room(l, errno);
	}
}

int listener_new(struct event_base *base, int fd, const char *what, struct log *log,
	void (*accepted)(void *arg, int fd), void *arg, struct listener **out)
{
	struct listener *l = calloc(1, sizeof(*l));

	if (!l)
		return -ENOMEM;
	l->what = what;
	l->log = log;
	l->accepted = accepted;
	l->arg = arg;
	l->ev = event_new(base, fd, EV_READ | EV_PERSIST, on_client, l);
	l->again = event_new(base, -1, 0, on_again, l);
	if (!l->ev || !l->again || event_add(l->ev, NULL) < 0) {
		listener_free(l);
		return -ENOMEM;
	}
	*out = l;
	return 0;
}

void listener_free(struct listener *l)
{
	if (!l)
		return;
	if (l->ev)
		event_free(l->ev);
	if (l->again)
		event_free(l->again);
	free(l);
}
