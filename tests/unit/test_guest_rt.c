/*
 * test_guest_rt.c - the guests' runtime where it needs no machine: printf, numbers, and the screen,
 * whose output is played into a small terminal and must show what was drawn.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

/* The runtime brings string functions of its own; keep them apart from the host's. */
#define strlen  guest_strlen
#define strcmp  guest_strcmp
#define strncmp guest_strncmp
#define memcpy  guest_memcpy
#define memmove guest_memmove
#define memset  guest_memset
#define memcmp  guest_memcmp
#include "guests/rt/text.c"
#include "guests/rt/font.c"
#include "guests/rt/screen.c"
#undef strlen
#undef strcmp
#undef strncmp
#undef memcpy
#undef memmove
#undef memset
#undef memcmp

static void formats_like_printf(void **state)
{
	char ours[128], theirs[128];
	const unsigned long values[] = {0, 1, 9, 10, 255, 4096, 123456789, UINT64_MAX};

#define SAME(...)                                                                                  \
	do {                                                                                       \
		int a = rt_snprintf(ours, sizeof(ours), __VA_ARGS__);                              \
		int b = snprintf(theirs, sizeof(theirs), __VA_ARGS__);                             \
		assert_string_equal(ours, theirs);                                                 \
		assert_int_equal(a, b);                                                            \
	} while (0)
	for (size_t i = 0; i < ARRAY_SIZE(values); i++) {
		SAME("%lu|%8lu|%-8lu|%08lu", values[i], values[i], values[i], values[i]);
		SAME("%lx|%16lx|%016lx|%-4lx.", values[i], values[i], values[i], values[i]);
		SAME("%ld|%+ld|%6ld", (long)values[i], (long)values[i], (long)values[i]);
		SAME("%d|%u|%x", (int)values[i], (unsigned)values[i], (unsigned)values[i]);
	}
	SAME("%s|%6s|%-6s|%.2s|%*s", "abc", "abc", "abc", "abc", 5, "abc");
	SAME("%c%%%5d", 'x', -42);
	assert_int_equal(rt_snprintf(ours, 4, "%s", "abcdef"), 6);
	assert_string_equal(ours, "abc");
	rt_snprintf(ours, sizeof(ours), "%'lu %'lu", 999ul, 1234567ul);
	assert_string_equal(ours, "999 1'234'567");
	rt_snprintf(ours, sizeof(ours), "%-3s|", "\u2588"); /* columns, not bytes */
	assert_string_equal(ours, "\u2588  |");
}

static void reads_numbers(void **state)
{
	static const struct {
		const char *text;
		bool ok;
		uint64_t value;
	} cases[] = {
		{"0", true, 0},
		{"4096", true, 4096},
		{"0x10", true, 16},
		{"0XfF", true, 255},
		{"4k", true, 4096},
		{"2M", true, 2 << 20},
		{"1g", true, 1 << 30},
		{"0xffffffffffffffff", true, UINT64_MAX},
		{"18446744073709551616", false, 0},
		{"", false, 0},
		{"0x", false, 0},
		{"k", false, 0},
		{"12q", false, 0},
		{"4kk", false, 0},
		{"-1", false, 0},
		{"99999999999999999g", false, 0},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		uint64_t v = 0;

		assert_int_equal(rt_parse(cases[i].text, &v), cases[i].ok);
		if (cases[i].ok)
			assert_int_equal(v, cases[i].value);
	}
}

static void moves_memory(void **state)
{
	char a[16] = "0123456789abcde", b[16] = "0123456789abcde";

	guest_memmove(a + 3, a, 10);
	memmove(b + 3, b, 10);
	assert_memory_equal(a, b, sizeof(a));
	guest_memmove(a, a + 2, 10);
	memmove(b, b + 2, 10);
	assert_memory_equal(a, b, sizeof(a));
	assert_int_equal(guest_memcmp("abc", "abd", 3) < 0, 1);
	assert_int_equal(guest_strncmp("abc", "abX", 2), 0);
}

/* ---- a terminal that knows what the screen says to it ---- */

#define T_COLS 60
#define T_ROWS 12
static unsigned t_cols = T_COLS, t_rows = T_ROWS;
static struct {
	unsigned x, y;
	uint32_t cells[SCR_ROWS][SCR_COLS];
	size_t bytes;
} term;

void rt_console_size(unsigned *c, unsigned *r)
{
	*c = t_cols;
	*r = t_rows;
}

static const char *escape(const char *p)
{
	unsigned n[4] = {0}, i = 0;

	assert_int_equal(*p, '[');
	for (p++; !(*p >= '@' && *p <= '~'); p++) {
		if (*p == ';')
			i++;
		else if (*p >= '0' && *p <= '9')
			n[i] = n[i] * 10 + (unsigned)(*p - '0');
		assert_true(i < 4);
	}
	if (*p == 'H') {
		assert_true(n[0] >= 1 && n[0] <= t_rows && n[1] >= 1 && n[1] <= t_cols);
		term.y = n[0] - 1;
		term.x = n[1] - 1;
	} else if (*p == 'J') {
		for (unsigned y = 0; y < SCR_ROWS; y++)
			for (unsigned x = 0; x < SCR_COLS; x++)
				term.cells[y][x] = ' ';
	} else {
		assert_true(*p == 'm' || *p == 'h' || *p == 'l');
	}
	return p + 1;
}

void rt_write(const char *text, size_t len)
{
	const char *end = text + len;

	term.bytes += len;
	while (text < end) {
		uint32_t c;

		if (*text == '\x1b') {
			text = escape(text + 1);
			continue;
		}
		text = decode(text, &c);
		assert_true(term.x < t_cols && term.y < t_rows);
		term.cells[term.y][term.x++] = c;
	}
}

static void same_as_drawn(void)
{
	for (unsigned y = 0; y < t_rows; y++)
		for (unsigned x = 0; x < t_cols; x++)
			assert_int_equal(term.cells[y][x], wanted[y][x] & 0x1fffff);
}

static void shows_what_was_drawn(void **state)
{
	unsigned c, r;

	srand(1);
	for (unsigned frame = 0; frame < 300; frame++) {
		if (frame % 50 == 49) {
			t_cols = 2 + (unsigned)rand() % 100;
			t_rows = 1 + (unsigned)rand() % 40;
		}
		scr_begin(&c, &r);
		assert_true(c == t_cols && r == t_rows);
		scr_title("test", "a title that may be too long for the screen it is on");
		for (unsigned i = 0; i < 8; i++)
			scr_printf(rand() % 50 - 5, rand() % 110 - 5,
				(enum scr_style)(rand() % ST_STYLES), "cell %d \u2588\u00e9",
				rand() % 1000);
		scr_bar(rand() % 12, rand() % 60, rand() % 40 - 2, ST_BAR, (uint64_t)rand(),
			1 + (uint64_t)rand());
		scr_big(rand() % 12, rand() % 60, 1 + (unsigned)rand() % 2, ST_BAD, "12:34 AZ");
		scr_keys("p pause  + faster  long entry  q quit");
		scr_show();
		same_as_drawn();
	}
}

static void sends_only_changes(void **state)
{
	unsigned c, r;
	size_t before;

	t_cols = T_COLS;
	t_rows = T_ROWS;
	for (unsigned i = 0; i < 2; i++) {
		scr_begin(&c, &r);
		scr_printf(3, 3, ST_GOOD, "a number: %u", 7);
		before = term.bytes;
		scr_show();
	}
	assert_int_equal(term.bytes, before); /* nothing changed, nothing sent */
	scr_begin(&c, &r);
	scr_printf(3, 3, ST_GOOD, "a number: %u", 8);
	scr_show();
	assert_in_range(term.bytes - before, 1, 24);
	same_as_drawn();
	scr_redraw();
	before = term.bytes;
	scr_begin(&c, &r);
	scr_show();
	assert_true(term.bytes - before > T_COLS * T_ROWS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(formats_like_printf),
		cmocka_unit_test(reads_numbers),
		cmocka_unit_test(moves_memory),
		cmocka_unit_test(shows_what_was_drawn),
		cmocka_unit_test(sends_only_changes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
