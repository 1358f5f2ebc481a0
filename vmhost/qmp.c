/* qmp.c - see qmp.h. Whatever a client sends gets an answer, never a crash. Main thread. */
#include "vmhost/qmp.h"
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define GENERIC "GenericError"

void *qmp_fail(struct qmp_call *call, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(call->error, sizeof(call->error), fmt, ap);
	va_end(ap);
	return NULL;
}

bool qmp_has(const struct qmp_call *call, const char *name)
{
	return json_object_get(call->args, name) != NULL;
}

bool qmp_number(const json_t *value, uint64_t *out)
{
	const char *s;
	char *end;

	if (json_is_integer(value)) {
		json_int_t v = json_integer_value(value);

		*out = (uint64_t)v;
		return v >= 0;
	}
	s = json_string_value(value);
	if (!s || *s < '0' || *s > '9') /* strtoull takes signs and blanks */
		return false;
	errno = 0;
	*out = strtoull(s, &end, s[0] == '0' && (s[1] | 32) == 'x' ? 16 : 10);
	return errno == 0 && *end == '\0';
}

bool qmp_u64(struct qmp_call *call, const char *name, uint64_t def, uint64_t min, uint64_t max,
	uint64_t *out)
{
	json_t *v = json_object_get(call->args, name);

	*out = def;
	if (!v)
		return true;
	if (!qmp_number(v, out)) {
		qmp_fail(call, "'%s' is not a number: 123 or \"0x7b\"", name);
		return false;
	}
	if (*out < min || *out > max) {
		qmp_fail(call, "'%s' is out of range: %" PRIu64 " to %" PRIu64, name, min, max);
		return false;
	}
	return true;
}

const char *qmp_string(const struct qmp_call *call, const char *name, const char *def)
{
	const char *s = json_string_value(json_object_get(call->args, name));

	return s ? s : def;
}

json_t *qmp_hex(uint64_t v)
{
	char text[32];

	snprintf(text, sizeof(text), "0x%" PRIx64, v);
	return json_string(text);
}

json_t *qmp_text(const char *text)
{
	json_t *v = json_string(text);
	char *copy;

	if (v)
		return v;
	copy = strdup(text);
	for (char *p = copy; p && *p; p++)
		if (*p & 0x80)
			*p = '?';
	v = copy ? json_string(copy) : NULL;
	free(copy);
	return v;
}

json_t *qmp_error(const char *class, const char *desc, json_t *id)
{
	json_t *reply = json_pack("{s:{s:s,s:o}}", "error", "class", class, "desc", qmp_text(desc));

	if (reply && id)
		json_object_set(reply, "id", id);
	return reply;
}

struct arg {
	char name[40];
	bool optional;
	char type;
};

/* Take the next word of a row's list. */
static bool next_arg(const char **list, struct arg *a)
{
	size_t n;

	*list += strspn(*list, " ");
	if (!**list)
		return false;
	n = strcspn(*list, "?:");
	snprintf(a->name, sizeof(a->name), "%.*s", (int)n, *list);
	*list += n;
	a->optional = **list == '?';
	*list += a->optional;
	a->type = (*list)[1];
	*list += 2;
	return true;
}

static bool type_fits(const json_t *v, char type)
{
	switch (type) {
	case 'u':
		return json_is_integer(v) || json_is_string(v);
	case 's':
		return json_is_string(v);
	case 'b':
		return json_is_boolean(v);
	case 'a':
		return json_is_array(v);
	default:
		return json_is_object(v);
	}
}

static const char *type_name(char type)
{
	switch (type) {
	case 'u':
		return "a number or \"0x...\"";
	case 's':
		return "a string";
	case 'b':
		return "true or false";
	case 'a':
		return "an array";
	default:
		return "an object";
	}
}

static bool known(const char *list, const char *name)
{
	struct arg a;

	while (next_arg(&list, &a))
		if (strcmp(a.name, name) == 0)
			return true;
	return false;
}

static bool check_args(struct qmp_call *call, const char *list)
{
	const char *key, *rest = list;
	struct arg a;
	json_t *v;

	while (next_arg(&rest, &a)) {
		v = json_object_get(call->args, a.name);
		if (!v && !a.optional) {
			qmp_fail(call, "Parameter '%s' is missing", a.name);
			return false;
		}
		if (v && !type_fits(v, a.type)) {
			qmp_fail(call, "Invalid parameter type for '%s', expected: %s", a.name,
				type_name(a.type));
			return false;
		}
	}
	json_object_foreach(call->args, key, v) if (!known(list, key))
	{
		qmp_fail(call, "Parameter '%.64s' is unexpected%s%s", key,
			*list ? "; takes " : "; takes none", list);
		return false;
	}
	return true;
}

static const struct qmp_command *find(const struct qmp_session *s, const char *name)
{
	for (size_t i = 0; s->commands[i]; i++)
		for (const struct qmp_command *cmd = s->commands[i]; cmd->name; cmd++)
			if (strcmp(cmd->name, name) == 0)
				return cmd;
	return NULL;
}

static json_t *run(struct qmp_session *s, const struct qmp_command *cmd, json_t *args, json_t *id)
{
	struct qmp_call call = {.host = s->host, .conn = s->conn};
	json_t *value = NULL, *reply;

	call.args = args ? json_incref(args) : json_object();
	if (call.args && check_args(&call, cmd->args))
		value = cmd->fn(&call);
	json_decref(call.args);
	if (!value)
		return qmp_error(call.class ? call.class : GENERIC,
			*call.error ? call.error : "out of memory", id);
	reply = json_pack("{s:o}", "return", value);
	if (reply && id)
		json_object_set(reply, "id", id);
	return reply;
}

static json_t *execute(struct qmp_session *s, json_t *msg)
{
	json_t *id = json_object_get(msg, "id"), *args = json_object_get(msg, "arguments"), *v;
	const char *name = json_string_value(json_object_get(msg, "execute")), *key;
	const struct qmp_command *cmd;
	char desc[160];

	if (!name)
		return qmp_error(GENERIC, "QMP input lacks member 'execute'", id);
	json_object_foreach(msg, key,
		v) if (strcmp(key, "execute") && strcmp(key, "arguments") && strcmp(key, "id"))
	{
		snprintf(desc, sizeof(desc), "QMP input member '%.64s' is unexpected", key);
		return qmp_error(GENERIC, desc, id);
	}
	if (args && !json_is_object(args))
		return qmp_error(GENERIC, "QMP input member 'arguments' must be an object", id);
	if (!s->negotiated && strcmp(name, "qmp_capabilities"))
		return qmp_error("CommandNotFound",
			"Expecting capabilities negotiation with 'qmp_capabilities'", id);
	cmd = find(s, name);
	if (!cmd || (s->negotiated && !strcmp(name, "qmp_capabilities"))) {
		snprintf(desc, sizeof(desc),
			cmd ? "Capabilities negotiation is already complete"
			    : "The command %.64s has not been found",
			name);
		return qmp_error("CommandNotFound", desc, id);
	}
	return run(s, cmd, args, id);
}

json_t *qmp_handle(struct qmp_session *s, const char *line, size_t len)
{
	json_error_t why;
	char desc[320];
	json_t *msg, *reply;

	while (len && memchr(" \t\r", line[len - 1], 3))
		len--;
	if (!len)
		return NULL;
	msg = json_loadb(line, len, JSON_REJECT_DUPLICATES, &why);
	if (!msg) {
		snprintf(desc, sizeof(desc), "JSON parse error: %s at column %d", why.text,
			why.column);
		return qmp_error(GENERIC, desc, NULL);
	}
	if (json_is_object(msg))
		reply = execute(s, msg);
	else
		reply = qmp_error(GENERIC, "QMP input must be a JSON object", NULL);
	json_decref(msg);
	return reply;
}
