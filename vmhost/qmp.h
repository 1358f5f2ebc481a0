/*
 * qmp.h - one QMP command: parsed, its arguments checked against a table, run, answered. Main
 * thread. docs/protocol.md says what goes over the wire; the JSON is jansson's.
 */
#ifndef VMHOST_QMP_H
#define VMHOST_QMP_H
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct host;
struct qmp_conn;

struct qmp_call {
	struct host *host;
	struct qmp_conn *conn; /* who asks */
	json_t *args;          /* an object, checked against the row's list */
	const char *class;     /* of the error, when not "GenericError" */
	char error[640];
};

/*
 * A command. @args lists what it takes: "address:u size:u name?:s", where ? marks what may be left
 * out, and the letter is u (whole number, or "0x..." / "123"), s string, b bool, a array, o object.
 * @fn returns the value of "return" (a new reference), or NULL after qmp_fail().
 */
struct qmp_command {
	const char *name;
	const char *args;
	json_t *(*fn)(struct qmp_call *call);
};

/** qmp_fail() - say why; returns NULL. */
void *qmp_fail(struct qmp_call *call, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/** qmp_has() - was this argument given? */
bool qmp_has(const struct qmp_call *call, const char *name);
/** qmp_u64() - an argument's value in @min..@max, @def when it was not given. false: qmp_fail() was
 * called. */
bool qmp_u64(struct qmp_call *call, const char *name, uint64_t def, uint64_t min, uint64_t max,
	uint64_t *out);
/** qmp_number() - a JSON number or "0x..." / "123" as a number. */
bool qmp_number(const json_t *value, uint64_t *out);
const char *qmp_string(const struct qmp_call *call, const char *name, const char *def);
json_t *qmp_hex(uint64_t v); /* "0x..." */
/** qmp_text() - a string that may hold anything: what is not UTF-8 becomes '?'. */
json_t *qmp_text(const char *text);

struct qmp_session {
	struct host *host;
	struct qmp_conn *conn;
	const struct qmp_command *const *commands; /* NULL-terminated list of rows */
	bool negotiated;
};

/** qmp_handle() - run one line. Return: the reply (new reference), NULL for an empty line. */
json_t *qmp_handle(struct qmp_session *s, const char *line, size_t len);
/** qmp_error() - an error reply of its own; @id may be NULL (borrowed). */
json_t *qmp_error(const char *class, const char *desc, json_t *id);

#endif
