/* fuzz_qmp.c - bytes as a client of the control socket sends them: lines, JSON, arguments. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "vmhost/qmp.h"
#include "vmhost/qmp_line.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static json_t *take(struct qmp_call *call)
{
	uint64_t a, b;
	const char *key;
	json_t *v;

	if (!qmp_u64(call, "address", 0, 0, UINT64_MAX, &a) || !qmp_u64(call, "cpu", 3, 0, 63, &b))
		return NULL;
	json_object_foreach(json_object_get(call->args, "heat"), key,
		v) if (!qmp_number(v, &a)) return qmp_fail(call, "'%s' is no number", key);
	return json_pack("{s:o, s:o}", "a", qmp_hex(a), "s", qmp_text(qmp_string(call, "tag", "")));
}

static json_t *empty(struct qmp_call *call)
{
	return json_object();
}

static const struct qmp_command rows[] = {
	{"qmp_capabilities", "enable?:a", empty},
	{"take", "address?:u cpu?:u tag?:s paused?:b topics?:a heat?:o", take},
	{"x-read-memory", "address:u size:u", take},
	{NULL, NULL, NULL},
};
static const struct qmp_command *const tables[] = {rows, NULL};

static void lines(struct qmp_lines *l, struct qmp_session *s)
{
	enum qmp_line_result got;
	char *line, *text;
	size_t len;

	while ((got = qmp_lines_next(l, &line, &len)) != QMP_LINE_NONE) {
		json_t *reply = got == QMP_LINE_OK ? qmp_handle(s, line, len) : NULL;

		if (reply) {
			text = json_dumps(reply, JSON_COMPACT);
			if (!text || strchr(text, '\n'))
				abort(); /* every answer is one line */
			free(text);
			json_decref(reply);
		}
		if (got == QMP_LINE_OK)
			qmp_lines_done(l, len);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct qmp_session s = {.commands = tables, .negotiated = size & 1};
	struct qmp_lines l;

	qmp_lines_init(&l);
	while (size) {
		size_t space, n;
		char *to = qmp_lines_space(&l, &space);

		if (!to)
			abort();
		n = size < space ? size : space;
		memcpy(to, data, n);
		qmp_lines_added(&l, n);
		data += n;
		size -= n;
		lines(&l, &s);
	}
	qmp_lines_free(&l);
	return 0;
}
