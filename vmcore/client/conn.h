/*
 * conn.h - the inside of a connection, for conn.c (bytes and lines), command.c (typed commands) and
 * job.c (jobs). One thread, the caller's.
 */
#ifndef VMCORE_CLIENT_CONN_H
#define VMCORE_CLIENT_CONN_H
#include "vmcore/client/client.h"
#include "vmcore/client/json.h"

#define CONN_IN_LIMIT	(4u << 20) /* longest line from a VM process */
#define CONN_OUT_LIMIT	(1u << 20) /* bytes of commands that wait to be sent */
#define CONN_LINE_LIMIT (64u << 10) /* longest command, docs/protocol.md */
#define CONN_PENDING_LIMIT 1024
#define CONN_JOB_LIMIT	16

/* A reply as the files here see it: @p is what waited for it, @value is borrowed and NULL when @rc < 0. */
struct conn_pending;
typedef void conn_reply_fn(struct vmc_conn *conn, const struct conn_pending *p, int rc, const char *error,
	json_t *value);

struct conn_pending {
	uint64_t id;
	conn_reply_fn *fn;
	union { /* the caller's, for @fn to call */
		vmc_reply_fn *text;
		vmc_memory_fn *memory;
	} user;
	void *arg;
};

struct conn_job {
	char id[48]; /* "": free */
	struct vmc_job_ops ops;
	void *arg;
	bool accepted;	/* the command was answered */
	bool concluded; /* the event came */
};

struct sample_store;

struct vmc_conn {
	int fd; /* -1: closed */
	struct vmc_conn_ops ops;
	void *arg;
	char vm[VMC_NAME_SIZE];
	unsigned depth; /* callbacks on the stack: freeing waits for 0 */
	bool greeted, ready, ended, freed;

	char *in;
	size_t in_len, in_cap, in_seen; /* in_seen: searched for the line's end up to here */
	char *out;
	size_t out_len, out_sent, out_cap;

	struct conn_pending *pending; /* oldest first */
	size_t npending, pending_cap;
	uint64_t next_id;
	struct conn_job jobs[CONN_JOB_LIMIT];
	unsigned next_job;
	struct sample_store *samples;
};

/* Sends a command with @args (stolen, may be NULL); p->fn gets the reply once. -ENOBUFS: too much waits. */
int conn_send(struct vmc_conn *conn, const char *command, json_t *args, const struct conn_pending *p);
/* Over a connected socket; taken, closed on failure. */
int conn_open_fd(const char *vm, int fd, const struct vmc_conn_ops *ops, void *arg, struct vmc_conn **out);
/* Ends the connection; everybody who waits for something is told. */
void conn_end(struct vmc_conn *conn, const char *fmt, ...) VMC_PRINTF(2, 3);

/* job.c: an event about a job; the connection's end. */
void conn_job_event(struct vmc_conn *conn, const char *name, const json_t *data);
void conn_jobs_end(struct vmc_conn *conn, const char *why);

/* sample.c */
struct sample_store *sample_store_new(void);
void sample_store_free(struct sample_store *store);
/* Takes the heat cells out of the text of an X_SAMPLE event (they are most of it) before it is parsed.
 * Shortens the @len bytes at @line; returns the new length. */
size_t sample_take_cells(struct sample_store *store, char *line, size_t len);
/* Fills @out with pointers into the store. 0 or -EPROTO. */
int sample_parse(struct sample_store *store, const json_t *data, struct vmc_sample *out);

/* x-registers' "registers"; an entry of x-memory-map. */
void parse_registers(const json_t *regs, struct vmc_sample_cpu *cpu);
void parse_map_entry(const json_t *v, struct vmc_map_entry *e);

/* parse.c: "running" ... to a state; an unknown word is VMC_CREATED. */
enum vmc_state parse_status(const char *status);

#endif
