/*
 * listener.h - a socket that listens: hands over each client, and waits when the process has no
 * descriptor left for one. Main thread.
 */
#ifndef VMHOST_LISTENER_H
#define VMHOST_LISTENER_H
#include <event2/event.h>

struct log;
struct listener;

/**
 * listener_new() - call @accepted with each new client's descriptor, which is the callee's from
 * then on.
 * @fd: listens already; stays the caller's
 * @what: for the log; borrowed
 */
int listener_new(struct event_base *base, int fd, const char *what, struct log *log,
	void (*accepted)(void *arg, int fd), void *arg, struct listener **out);
void listener_free(struct listener *l);

#endif
