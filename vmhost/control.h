/*
 * control.h - the control socket's server: connections, their buffers, events to all. Main thread.
 */
#ifndef VMHOST_CONTROL_H
#define VMHOST_CONTROL_H
#include <jansson.h>
#include <stdbool.h>

struct control;
struct event_base;
struct heat;
struct host;
struct qmp_conn;
struct subscription;

int control_new(struct event_base *base, struct host *host, int listen_fd, struct control **out);
/** control_free() - a last try to send what is waiting, then close all. */
void control_free(struct control *control);
/** control_event() - an event for everybody who has negotiated; takes over @data (NULL: none). */
void control_event(struct control *control, const char *name, json_t *data);

/** conn_event() - an event for one connection; takes over @data. */
void conn_event(struct qmp_conn *conn, const char *name, json_t *data);
/** conn_taken() - has the other side taken all that was sent? */
bool conn_taken(const struct qmp_conn *conn);
void conn_negotiated(struct qmp_conn *conn);
/** conn_subscription() - where a connection keeps its one subscription; NULL inside: none. */
struct subscription **conn_subscription(struct qmp_conn *conn);
/** conn_heat() - where it keeps what x-heat looks through. */
struct heat **conn_heat(struct qmp_conn *conn);

#endif
