/*
 * test_term_filter.c - the filter: what may pass passes unchanged, what may not is dropped and counted, and neither
 * depends on where the chunks are cut.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <tui/term/filter.h>

struct sink {
	char out[1 << 20];
	size_t len;
	char title[FILTER_TITLE_MAX];
	int titles;
};

static struct sink sink;
static struct filter filter;

static void take(void *arg, enum filter_kind kind, const char *bytes, size_t len)
{
	assert_true(len > 0);
	assert_true(sink.len + len < sizeof(sink.out));
	if (kind == FILTER_PLAIN)
		assert_int_equal(filter_plain_run(bytes, len), len);
	memcpy(sink.out + sink.len, bytes, len);
	sink.len += len;
	sink.out[sink.len] = 0;
}

static void title(void *arg, const char *text)
{
	snprintf(sink.title, sizeof(sink.title), "%s", text);
	sink.titles++;
}

static void start(void)
{
	memset(&sink, 0, sizeof(sink));
	filter_init(&filter, take, NULL);
	filter.title = title;
}

/* What comes out of @in, all at once and byte by byte. */
static const char *through(const char *in, size_t len)
{
	static char whole[1 << 20];
	uint64_t blocked;

	start();
	filter_feed(&filter, in, len);
	memcpy(whole, sink.out, sink.len + 1);
	blocked = filter.blocked;
	start();
	for (size_t i = 0; i < len; i++)
		filter_feed(&filter, in + i, 1);
	assert_string_equal(sink.out, whole);
	assert_int_equal(filter.blocked, blocked);
	return whole;
}

#define SAME(in)	   assert_string_equal(through(in, sizeof(in) - 1), in)
#define BECOMES(in, out) assert_string_equal(through(in, sizeof(in) - 1), out)

static void passes(void **state)
{
	SAME("plain text\r\n\twith tabs");
	SAME("\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80 \xe4\xb8\xad e\xcc\x81");
	SAME("\033[1;31m\033[38;2;1;2;3m\033[38:2::1:2:3m\033[m\033[K\033[2J\033[10;20H\033[A\033[5;20r");
	SAME("\033[?25l\033[?1049h\033[?2004h\033[?1000h\033[?1006h\033[4h\033[20l");
	SAME("\0337\0338\033D\033M\033E\033=\033>\033c\033#8\b\a");
	SAME("\033[6n\033[c\033[>c\033[?25$p\033[2 q\033[!p");
	SAME("\033P$qm\033\\");
	assert_int_equal(filter.blocked, 0);
	BECOMES("\033[?25;1049h", "\033[?25h\033[?1049h");
	BECOMES("\033[1\n2m", "\n\033[12m"); /* a control within a sequence acts first */
	BECOMES("\033[12\0301x", "1x");	     /* CAN ends it */
	BECOMES("\033[s\033[u", "\0337\0338");
}

static void drops(void **state)
{
	BECOMES("a\033]52;c;aGVsbG8=\ab", "ab");
	assert_int_equal(filter.blocked, 1);
	BECOMES("a\033]8;;http://x\033\\b\033]4;1;rgb:ff/ff/ff\ac", "abc");
	BECOMES("\033P1$r0m\033\\\033_G...\033\\\033^x\033\\\033Xy\033\\z", "z");
	BECOMES("\005\033[x\033[2;2'w\033[>4;1m\033[8;24;80t\033 G\033N\033O\033#3", "");
	BECOMES("\xe2\x80\xae\xe2\x81\xa6\xe2\x80\x8b\xef\xbb\xbf\xd8\x9cx", "x"); /* bidi, zero width */
	assert_int_equal(filter.blocked, 5);
	BECOMES("\xc2\x9b" "31mx\xc2\x85", "31mx"); /* C1 in UTF-8 is CSI for some terminals */
	BECOMES("\xf3\xa0\x81\x81x", "x");	  /* a tag character */
	BECOMES("e\xcc\x81\xcc\x81\xcc\x81\xcc\x81\xcc\x81", "e\xcc\x81\xcc\x81\xcc\x81"); /* three on one */
	BECOMES("\r\xcc\x81\033[m\xcc\x81x", "\r\033[mx");				      /* on nothing */
	BECOMES("\033[?9999h\033[5h", "");
	BECOMES("\033P$qz\033\\", ""); /* libvterm 0.1.4 prints a string that is not there */
}

static void repairs_utf8(void **state)
{
	BECOMES("\xff\xfe", "\xef\xbf\xbd\xef\xbf\xbd");
	BECOMES("a\xe2\x82z", "a\xef\xbf\xbdz");		/* cut off */
	BECOMES("\xc0\x80", "\xef\xbf\xbd\xef\xbf\xbd");	/* overlong */
	BECOMES("\xed\xa0\x80x", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbdx"); /* a surrogate */
	BECOMES("\xf4\x90\x80\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd");
	BECOMES("\xe2\033[m", "\xef\xbf\xbd\033[m");
	BECOMES("\x9b" "31m", "\xef\xbf\xbd" "31m"); /* C1 as a byte */
}

static void repeats(void **state)
{
	char want[FILTER_REP_MAX + 2];

	BECOMES("a\033[3b", "aaaa");
	BECOMES("\xe4\xb8\xad\033[b", "\xe4\xb8\xad\xe4\xb8\xad");
	BECOMES("a\033[2b\033[2b", "aaaaa");
	BECOMES("\033[5b", "");			    /* nothing to repeat: libvterm would loop */
	BECOMES("a\r\n\033[5b", "a\r\n");
	BECOMES("\xe4\xb8\xad\033[80G\033[b", "\xe4\xb8\xad\033[80G"); /* nor after a movement */
	BECOMES("a\xcc\x81\033[2b", "a\xcc\x81" "aa");
	memset(want, 'x', sizeof(want));
	want[FILTER_REP_MAX + 1] = 0;
	BECOMES("x\033[4294967297b", want);
}

static void character_sets(void **state)
{
	BECOMES("\033(0lqk\033(Blqk", "\u250c\u2500\u2510lqk");
	BECOMES("\033)0x\016x\033[mx\r\n\xc3\xa9x\017x", "x\u2502\033[m\u2502\r\n\u00e9\u2502x");
	BECOMES("\033(A#\033(0q\033[2b\033cq", "\u00a3\u2500\u2500\u2500\033cq");
	BECOMES("\033(0q\033[!pq", "\u2500\033[!pq");
	BECOMES("\033(1q\033(B", "q"); /* a set nobody has */
}

static void clamps(void **state)
{
	static char in[100000];

	BECOMES("\033[99999999999999999999;2147483648H", "\033[9999;9999H");
	BECOMES("\033[1;2;3;4;5;6;7;8;9;10;11;12;13;14;15;16;17;18m",
		"\033[1;2;3;4;5;6;7;8;9;10;11;12;13;14;15;16m");
	/* Sequences without an end neither grow nor swallow more than they must. */
	memset(in, '1', sizeof(in));
	in[0] = '\033';
	in[1] = '[';
	in[sizeof(in) - 3] = 'm';
	in[sizeof(in) - 2] = 'x';
	assert_string_equal(through(in, sizeof(in) - 1), "x");
	in[1] = ']';
	in[sizeof(in) - 3] = '\a';
	assert_string_equal(through(in, sizeof(in) - 1), "x");
}

static void titles(void **state)
{
	static const char in[] = "\033]0;a \xe2\x80\xae" "b\033]2;second\a\033]2;\xff\xc3\xa9\001ok\033\\";

	start();
	filter_feed(&filter, in, sizeof(in) - 1);
	assert_int_equal(sink.len, 0);
	assert_int_equal(sink.titles, 2); /* the first was broken off by an ESC */
	assert_string_equal(sink.title, "\xc3\xa9ok");
	start();
	filter.title = NULL; /* nobody wants it */
	filter_feed(&filter, in, sizeof(in) - 1);
	assert_int_equal(sink.len, 0);
}

static void modes(void **state)
{
	start();
	assert_int_equal(filter.modes, FILTER_M_START);
	filter_feed(&filter, "\033[?1049;2004h\033[4h\033[5;10r\033(0\033H", 29);
	assert_int_equal(filter.modes & ~FILTER_M_START, FILTER_M_ALT | FILTER_M_PASTE | FILTER_M_INSERT |
		FILTER_M_REGION | FILTER_M_CHARSET | FILTER_M_TABS);
	assert_int_equal(filter.region_bottom, 10);
	sink.len = 0;
	filter_feed(&filter, "\033c", 2);
	assert_int_equal(filter.modes, FILTER_M_START);
	assert_string_equal(sink.out, "\033[?47l\033c"); /* libvterm would stay on the alternate screen */
}

/* Whatever comes in: what goes out is the same when it goes through again, and holds nothing that may not pass. */
static void random_bytes(void **state)
{
	static const char *const pieces[] = { "\033[", "\033]", "\033P", "\033(", "\033", ";", "?", "m", "H", "b", "\a",
		"\033\\", "\xe2\x80", "\xcc\x81", "\xe4\xb8\xad", "1049h", "\x9b", "52;", "\xf0\x9f", "\0", "\x18" };
	static char in[4000], once[1 << 20];
	uint32_t seed = 7;

	for (int round = 0; round < 400; round++) {
		size_t n = 0;

		while (n + 8 < sizeof(in)) {
			seed = seed * 1664525 + 1013904223;
			if (seed >> 30) {
				const char *p = pieces[(seed >> 8) % (sizeof(pieces) / sizeof(pieces[0]))];
				size_t len = *p ? strlen(p) : 1;

				memcpy(in + n, p, len);
				n += len;
			} else {
				in[n++] = (char)(seed >> 12);
			}
		}
		snprintf(once, sizeof(once), "%s", through(in, n));
		assert_null(strstr(once, "\033]"));
		assert_null(strstr(once, "\xc2\x9b"));
		assert_null(strstr(once, "\xe2\x80\xae"));
		start();
		filter_feed(&filter, once, strlen(once));
		assert_string_equal(sink.out, once);
		assert_int_equal(filter.blocked, 0);
	}
}

static void characters(void **state)
{
	assert_true(filter_char_ok('a'));
	assert_true(filter_char_ok(0xa0));
	assert_true(filter_char_ok(0x1f600));
	assert_false(filter_char_ok(0x1b));
	assert_false(filter_char_ok(0x9b));
	assert_false(filter_char_ok(0x202e));
	assert_false(filter_char_ok(0xd800));
	assert_false(filter_char_ok(0x110000));
	assert_false(filter_char_ok(0xffffffff));
	assert_true(filter_combining(0x301));
	assert_false(filter_combining('a'));
	assert_false(filter_combining(0x4e2d));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(passes), cmocka_unit_test(drops), cmocka_unit_test(repairs_utf8),
		cmocka_unit_test(repeats), cmocka_unit_test(character_sets), cmocka_unit_test(clamps), cmocka_unit_test(titles),
		cmocka_unit_test(modes), cmocka_unit_test(random_bytes), cmocka_unit_test(characters),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
