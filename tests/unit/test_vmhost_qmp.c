/* test_vmhost_qmp.c - lines from hostile bytes, and what the QMP parser answers to them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "vmhost/qmp.h"
#include "vmhost/qmp_line.h"

/* ---- lines ---- */

static void feed(struct qmp_lines *l, const char *data, size_t len)
{
	while (len) {
		size_t space;
		char *to = qmp_lines_space(l, &space);

		assert_non_null(to);
		assert_true(space > 0);
		if (space > len)
			space = len;
		memcpy(to, data, space);
		qmp_lines_added(l, space);
		data += space;
		len -= space;
		if (len) { /* as control.c: read on only when all lines are taken */
			char *line;
			size_t n;

			if (qmp_lines_next(l, &line, &n) != QMP_LINE_NONE)
				fail_msg("a line too early");
		}
	}
}

static void expect_line(struct qmp_lines *l, const char *want)
{
	char *line;
	size_t len;

	assert_int_equal(qmp_lines_next(l, &line, &len), QMP_LINE_OK);
	assert_int_equal(len, strlen(want));
	assert_memory_equal(line, want, len);
	qmp_lines_done(l, len);
}

static void expect(struct qmp_lines *l, enum qmp_line_result want)
{
	char *line;
	size_t len;

	assert_int_equal(qmp_lines_next(l, &line, &len), want);
}

static void test_lines_split(void **state)
{
	struct qmp_lines l;

	qmp_lines_init(&l);
	feed(&l, "one\ntwo\nth", 10);
	expect_line(&l, "one");
	expect_line(&l, "two");
	expect(&l, QMP_LINE_NONE);
	feed(&l, "ree\n\n", 5);
	expect_line(&l, "three");
	expect_line(&l, "");
	expect(&l, QMP_LINE_NONE);
	qmp_lines_free(&l);
}

static void test_lines_longest(void **state)
{
	char *big = malloc(QMP_LINE_MAX + 1);
	struct qmp_lines l;
	char *line;
	size_t len;

	memset(big, 'x', QMP_LINE_MAX);
	big[QMP_LINE_MAX] = '\n';
	qmp_lines_init(&l);
	feed(&l, big, QMP_LINE_MAX + 1);
	assert_int_equal(qmp_lines_next(&l, &line, &len), QMP_LINE_OK);
	assert_int_equal(len, QMP_LINE_MAX);
	qmp_lines_done(&l, len);
	expect(&l, QMP_LINE_NONE);
	qmp_lines_free(&l);
	free(big);
}

static void test_lines_too_long(void **state)
{
	char chunk[8192];
	struct qmp_lines l;
	unsigned told = 0;

	memset(chunk, 'y', sizeof(chunk));
	qmp_lines_init(&l);
	for (unsigned i = 0; i < 100; i++) { /* 800 KiB without an end */
		size_t left = sizeof(chunk);

		while (left) {
			size_t space, len;
			char *to = qmp_lines_space(&l, &space), *line;

			assert_non_null(to);
			if (space > left)
				space = left;
			memcpy(to, chunk, space);
			qmp_lines_added(&l, space);
			left -= space;
			if (qmp_lines_next(&l, &line, &len) == QMP_LINE_TOO_LONG) {
				told++;
				qmp_lines_done(&l, 0);
			}
		}
		assert_true(l.cap <= QMP_LINE_MAX + 1);
	}
	assert_int_equal(told, 1); /* once for the line, whatever its length */
	feed(&l, "end\nnext\n", 9);
	expect_line(&l, "next");
	expect(&l, QMP_LINE_NONE);
	qmp_lines_free(&l);
}

/* ---- commands ---- */

static json_t *cmd_caps(struct qmp_call *call)
{
	return json_object();
}

static json_t *cmd_take(struct qmp_call *call)
{
	uint64_t n;

	if (!qmp_u64(call, "n", 7, 1, 100, &n))
		return NULL;
	return json_pack("{s:I, s:s}", "n", (json_int_t)n, "s", qmp_string(call, "s", "none"));
}

static json_t *cmd_class(struct qmp_call *call)
{
	call->class = "DeviceNotFound";
	return qmp_fail(call, "no such device \xff\xfe");
}

static const struct qmp_command rows[] = {
	{"qmp_capabilities", "", cmd_caps},
	{"take", "n?:u s?:s must:b", cmd_take},
	{"class", "", cmd_class},
	{NULL, NULL, NULL},
};
static const struct qmp_command *const tables[] = {rows, NULL};

/* Sends @line, compares the compact reply. */
static void says(bool negotiated, const char *line, const char *want)
{
	struct qmp_session s = {.commands = tables, .negotiated = negotiated};
	json_t *reply = qmp_handle(&s, line, strlen(line));
	char *text;

	if (!want) {
		assert_null(reply);
		return;
	}
	assert_non_null(reply);
	text = json_dumps(reply, JSON_COMPACT);
	if (!strstr(text, want))
		fail_msg("%s\n  answered %s\n  wanted   %s", line, text, want);
	free(text);
	json_decref(reply);
}

static void test_replies(void **state)
{
	says(true,
		"{\"execute\":\"take\",\"arguments\":{\"must\":true,\"n\":5},\"id\":[1,{\"a\":null}"
		"]}",
		"{\"return\":{\"n\":5,\"s\":\"none\"},\"id\":[1,{\"a\":null}]}");
	says(true,
		"{\"execute\":\"take\",\"arguments\":{\"must\":true,\"n\":\"0x10\",\"s\":\"x\"}}",
		"{\"return\":{\"n\":16,\"s\":\"x\"}}");
	says(true, " \t\r", NULL);
	says(true, "", NULL);
}

static void test_refusals(void **state)
{
	says(false, "{\"execute\":\"take\"}",
		"\"class\":\"CommandNotFound\",\"desc\":\"Expecting capabilities");
	says(false, "{\"execute\":\"qmp_capabilities\",\"id\":1}", "{\"return\":{},\"id\":1}");
	says(true, "{\"execute\":\"qmp_capabilities\"}", "already complete");
	says(true, "{\"execute\":\"nope\",\"id\":2}", "\"class\":\"CommandNotFound\"");
	says(true, "{\"execute\":7}", "lacks member 'execute'");
	says(true, "{\"execute\":\"take\",\"arguments\":[]}", "must be an object");
	says(true, "{\"execute\":\"take\",\"extra\":1}", "'extra' is unexpected");
	says(true, "[]", "must be a JSON object");
	says(true, "{\"execute\":", "JSON parse error");
	says(true, "{\"execute\":\"take\",\"execute\":\"take\"}", "JSON parse error");
	says(true, "{\"a\":\"\xc3\x28\"}", "JSON parse error");
	says(true, "{\"execute\":\"class\"}",
		"\"class\":\"DeviceNotFound\",\"desc\":\"no such device ??\"");
}

static void test_arguments(void **state)
{
	says(true, "{\"execute\":\"take\"}", "'must' is missing");
	says(true, "{\"execute\":\"take\",\"arguments\":{\"must\":1}}",
		"Invalid parameter type for 'must'");
	says(true, "{\"execute\":\"take\",\"arguments\":{\"must\":true,\"n\":0}}",
		"'n' is out of range: 1 to 100");
	says(true, "{\"execute\":\"take\",\"arguments\":{\"must\":true,\"n\":-1}}",
		"'n' is not a number");
	says(true, "{\"execute\":\"take\",\"arguments\":{\"must\":true,\"n\":\"12x\"}}",
		"'n' is not a number");
	says(true, "{\"execute\":\"take\",\"arguments\":{\"must\":true,\"n\":\" 1\"}}",
		"'n' is not a number");
	says(true, "{\"execute\":\"take\",\"arguments\":{\"must\":true,\"n\":1.5}}",
		"Invalid parameter type for 'n'");
	says(true, "{\"execute\":\"take\",\"arguments\":{\"must\":true,\"zz\":1}}",
		"'zz' is unexpected; takes n?:u");
}

static void test_numbers(void **state)
{
	static const struct {
		const char *text;
		bool ok;
		uint64_t v;
	} cases[] = {
		{"0", true, 0},
		{"0x0", true, 0},
		{"0xffffffffffffffff", true, UINT64_MAX},
		{"18446744073709551615", true, UINT64_MAX},
		{"18446744073709551616", false, 0},
		{"0x", false, 0},
		{"", false, 0},
		{"-1", false, 0},
		{"+1", false, 0},
		{"1e3", false, 0},
		{"010", true, 10},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		json_t *v = json_string(cases[i].text);
		uint64_t n = 99;

		if (qmp_number(v, &n) != cases[i].ok || (cases[i].ok && n != cases[i].v))
			fail_msg("\"%s\" read as %llu", cases[i].text, (unsigned long long)n);
		json_decref(v);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lines_split),
		cmocka_unit_test(test_lines_longest),
		cmocka_unit_test(test_lines_too_long),
		cmocka_unit_test(test_replies),
		cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_arguments),
		cmocka_unit_test(test_numbers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
