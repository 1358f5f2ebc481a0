/*
 * test_term_vt.c - the terminal of vitrine-term: what is printed is on the screen or in the scrollback, the fast
 * path changes nothing, a resize prints the same again, and what kills libvterm does not get to it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <tui/term/vt.h>

static char guest[65536];
static size_t guest_len;

static void to_guest(void *arg, const char *bytes, size_t len)
{
	if (len > sizeof(guest) - guest_len)
		len = sizeof(guest) - guest_len;
	memcpy(guest + guest_len, bytes, len);
	guest_len += len;
}

static const struct vt_ops ops = { .to_guest = to_guest };

static struct vt *open_vt(int rows, int cols)
{
	struct vt *vt = vt_new(rows, cols, &ops, NULL);

	assert_non_null(vt);
	guest_len = 0;
	return vt;
}

static void put(struct vt *vt, const char *text)
{
	vt_feed(vt, text, strlen(text));
}

/* A line as text, without trailing blanks. */
static const char *line(struct vt *vt, uint64_t number)
{
	static char out[TERM_MAX_COLS * 17 + 1];
	struct term_cell cells[TERM_MAX_COLS];
	size_t n = 0;

	if (!vt_line(vt, number, cells))
		return "(none)";
	for (int i = 0; i < vt->cols; i++)
		n += cell_utf8(&cells[i], out + n);
	while (n && out[n - 1] == ' ')
		n--;
	out[n] = 0;
	return out;
}

static const char *row(struct vt *vt, int r)
{
	return line(vt, sb_end(vt->sb) + (uint64_t)r);
}

static void assert_same(struct vt *a, struct vt *b, const char *what)
{
	uint64_t a0 = sb_first(a->sb), b0 = sb_first(b->sb), n = sb_end(a->sb) - a0;
	struct term_cell ca[TERM_MAX_COLS], cb[TERM_MAX_COLS];
	int ra, ka, rb, kb;

	if (n != sb_end(b->sb) - b0)
		fail_msg("%s: %llu lines of scrollback, %llu", what, (unsigned long long)n,
			(unsigned long long)(sb_end(b->sb) - b0));
	for (uint64_t i = 0; i < n + (uint64_t)a->rows; i++) {
		assert_true(vt_line(a, a0 + i, ca));
		assert_true(vt_line(b, b0 + i, cb));
		for (int k = 0; k < a->cols; k++) {
			if (memcmp(&ca[k], &cb[k], sizeof(ca[k])))
				fail_msg("%s: line %llu of %llu, column %d: %x width %d, not %x width %d: \"%s\"", what,
					(unsigned long long)i, (unsigned long long)n, k, ca[k].ch[0], ca[k].width,
					cb[k].ch[0], cb[k].width, line(b, b0 + i));
		}
	}
	vt_cursor(a, &ra, &ka);
	vt_cursor(b, &rb, &kb);
	assert_int_equal(ra, rb);
	assert_int_equal(ka, kb);
}

static void prints(void **state)
{
	struct vt *vt = open_vt(24, 80);
	struct term_cell cells[TERM_MAX_COLS];

	put(vt, "hello\r\n\033[1;4;31mred\033[0m \033[38;2;255;0;0;48;5;21mrgb\033[m \033[7mrev\033[m "
		"\xe4\xb8\xad\xe6\x96\x87 e\xcc\x81");
	assert_string_equal(row(vt, 0), "hello");
	assert_string_equal(row(vt, 1), "red rgb rev \xe4\xb8\xad\xe6\x96\x87 e\xcc\x81");
	vt_row(vt, 1, cells);
	assert_int_equal(cells[0].fg, 1);
	assert_int_equal(cells[0].attrs, TERM_A_BOLD | TERM_A_UNDERLINE);
	assert_int_equal(cells[4].fg, 196); /* the cube's red */
	assert_int_equal(cells[4].bg, 21);
	assert_int_equal(cells[8].attrs, TERM_A_REVERSE);
	assert_int_equal(cells[12].width, 2);
	assert_int_equal(cells[13].width, 0);
	assert_int_equal(cells[17].ch[1], 0x301);
	vt_free(vt);
}

/* FACTS of libvterm: each of these kills it when it is let through. */
static const struct {
	const char *name, *bytes;
} killers[] = {
	{ "REP first", "\033[5b" },
	{ "REP after zero width", "a\xcc\x81\033[5b\xe2\x80\x8b\033[9b" },
	{ "REP of a wide character", "\xe4\xb8\xad\033[80G\033[b" },
	{ "REP huge", "x\033[2147483647b" },
	{ "margins, newlines", "\033[15;24r\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n" },
	{ "saved cursor", "\033[24;80H\0337\033[1;1H\0338some text that goes on" },
	{ "wide at the edge", "\033[80G\xe4\xb8\xad\xe4\xb8\xad" },
	{ "parameters", "\033[99999999999999999999;99999999999999999999H\033[4294967297A\033[9999999999L\033[99999999P" },
	{ "colours", "\033[38;2;999;999;999m\033[38;5;99999mx\033[48:2::1:2:3m\033[m" },
	{ "margins left and right", "\033[?69h\033[10;5s\033[70;80s\033[999S\033[999T\033[20;10r\033[L\033[M" },
	{ "tabs", "\033[3g\033[999I\033[999Z\tx" },
	{ "a question it does not know", "\033P$qz\033\\" },
	{ "reset while alternate", "\033[?1049h\033[5;10r\033c\033[?1049l\033[!p" },
};

static void survives(void **state)
{
	for (size_t i = 0; i < sizeof(killers) / sizeof(killers[0]); i++) {
		struct vt *vt = open_vt(24, 80);

		put(vt, killers[i].bytes);
		vt_resize(vt, 10, 40);
		put(vt, killers[i].bytes);
		put(vt, "\r\n\n\n\n\n\0338text\n\n\n");
		vt_resize(vt, 1, 2);
		put(vt, killers[i].bytes);
		vt_resize(vt, 1, 1); /* comes out as two columns */
		put(vt, "\xe4\xb8\xad\xe4\xb8\xad");
		vt_resize(vt, 50, 132);
		put(vt, "\033c\033[2J\033[Halive");
		assert_string_equal(row(vt, 0), "alive");
		vt_free(vt);
	}
}

static uint32_t seed = 1;

static uint32_t rnd(uint32_t n)
{
	seed = seed * 1664525 + 1013904223;
	return (seed >> 8) % n;
}

/* Text of the kind that may take the fast path, and what must keep it off. */
static size_t some_text(char *out, size_t size, bool rare)
{
	static const char *const odd[] = { "\033[31m", "\033[m", "\033[5;20r", "\033[r", "\033[10;10H", "\xe4\xb8\xad",
		"\033[?1049h", "\033[?1049l", "\033(0", "\033(B", "\033[4h", "\033[4l", "\r", "\t\t\t\t", "\b\b",
		"\033[2J", "\033[?7l", "\033[?7h", "\033[K", "e\xcc\x81", "\0337", "\0338", "\033[3g", "\033c", "\n\n",
		"\033[20h", "\033[20l", "\033[1;24r" };
	static const char *const letters[] = { "\xc3\xa9", "\xd0\xb6", "\xe2\x94\x82", "\xe4\xb8\xad", "\xed\x95\x9c",
		"\xe2\x96\x88" };
	bool unicode = rnd(2);
	uint32_t tabs = unicode ? 3000 : 30;
	size_t n = 0;

	while (n + 1200 < size) {
		uint32_t len = rnd(10) ? rnd(100) : rnd(260);

		if (rare && !rnd(60)) {
			const char *s = odd[rnd(sizeof(odd) / sizeof(odd[0]))];

			memcpy(out + n, s, strlen(s));
			n += strlen(s);
		}
		for (uint32_t i = 0; i < len; i++) {
			const char *s = unicode && !rnd(8) ? letters[rnd(sizeof(letters) / sizeof(letters[0]))] : NULL;

			if (s) {
				memcpy(out + n, s, strlen(s));
				n += strlen(s);
			} else {
				out[n++] = rnd(tabs) ? (char)(' ' + rnd(95)) : '\t';
			}
		}
		if (!rare || rnd(40))
			out[n++] = '\r';
		if (rare && !rnd(20))
			out[n++] = '\r';
		if (!rare || rnd(50))
			out[n++] = '\n';
	}
	return n;
}

static void fast_is_slow(void **state)
{
	static char text[60000];
	uint64_t fast = 0;

	for (int round = 0; round < 60; round++) {
		int rows = 1 + (int)rnd(40), cols = 2 + (int)rnd(120);
		struct vt *a = open_vt(rows, cols), *b = open_vt(rows, cols);
		size_t n = some_text(text, round % 3 ? sizeof(text) : 9000, round & 1), at = 0;
		char what[64];

		b->no_fast = true;
		while (at < n) { /* other chunks for one and the other */
			size_t part = 1 + rnd(20000);

			part = part > n - at ? n - at : part;
			vt_feed(a, text + at, part);
			at += part;
		}
		vt_feed(b, text, n);
		snprintf(what, sizeof(what), "round %d, %dx%d", round, cols, rows);
		assert_same(a, b, what);
		assert_int_equal(b->fast_bytes, 0);
		fast += a->fast_bytes;
		vt_free(a);
		vt_free(b);
	}
	assert_true(fast > 500000); /* it did take the fast path, and not for a few lines only */
}

/* What filter_sure_width() says is what libvterm does. */
static void widths(void **state)
{
	struct vt *vt = open_vt(2, 80);

	for (uint32_t c = 0x20; c < 0x20000; c++) {
		unsigned width = filter_sure_width(c);
		char text[8] = "\r";
		int r, col;

		if (!width)
			continue;
		assert_true(filter_char_ok(c) && !filter_combining(c));
		text[1 + utf8_put(c, text + 1)] = 0;
		put(vt, text);
		vt_cursor(vt, &r, &col);
		if (col != (int)width)
			fail_msg("U+%04X takes %d columns, not %u", c, col, width);
	}
	vt_free(vt);
}

static void resize_is_replay(void **state)
{
	static char text[200000];

	for (int round = 0; round < 12; round++) {
		int rows = 5 + (int)rnd(40), cols = 20 + (int)rnd(100);
		struct vt *a = open_vt(24, 80), *b = open_vt(rows, cols);
		size_t n = some_text(text, 20000 + rnd(180000), round & 1), half = n / 2;

		vt_feed(a, text, half);
		vt_resize(a, 10 + (int)rnd(30), 2 + (int)rnd(200));
		vt_feed(a, text + half, n - half);
		vt_resize(a, rows, cols);
		vt_feed(b, text, n);
		assert_same(a, b, "resized");
		vt_free(a);
		vt_free(b);
	}
}

/* More than the history holds: what was in the scrollback before stays, once, in order. */
static void long_history(void **state)
{
	struct vt *vt = open_vt(24, 80);
	char text[128];
	uint64_t first;
	int number = -1, got;

	for (int i = 0; i < 60000; i++) {
		snprintf(text, sizeof(text), "%s%06d the quick brown fox jumps over the lazy dog\r\n",
			i % 7 ? "" : "\033[32m", i);
		put(vt, text);
		if (i == 40000)
			vt_resize(vt, 30, 100);
	}
	for (int sizes = 0; sizes < 3; sizes++) {
		vt_resize(vt, 24 + sizes, 90 - sizes * 10);
		first = sb_first(vt->sb);
		assert_int_equal(sb_end(vt->sb) - first, SB_LINES);
		number = -1;
		for (uint64_t i = first; i < sb_end(vt->sb) + (uint64_t)vt->rows - 1; i++) {
			assert_int_equal(sscanf(line(vt, i), "%d", &got), 1);
			if (number >= 0)
				assert_int_equal(got, number + 1);
			number = got;
		}
		assert_int_equal(number, 59999);
	}
	vt_free(vt);
}

static void modes_survive_resize(void **state)
{
	struct vt *vt = open_vt(24, 80);

	for (int i = 0; i < 30000; i++) /* far more than the history holds */
		put(vt, "\033[32mcoloured text that fills the history\033[m\r\n");
	put(vt, "\033[?2004h\033[?1000h\033[?1h\033[?1049h\033[?25l");
	for (int i = 0; i < 40000; i++)
		put(vt, "\033[H\033[1;33mthe same place, over and over again\033[K");
	vt_resize(vt, 40, 100);
	assert_true(vt->alt);
	assert_false(vt->cursor_visible);
	assert_int_equal(vt->mouse, VTERM_PROP_MOUSE_CLICK);
	assert_string_equal(row(vt, 0), "the same place, over and over again");
	guest_len = 0;
	vt_key(vt, 0, TERM_KEY_UP, 0);
	vt_paste(vt, "x\033[201~y\nz", 10, true, true);
	guest[guest_len] = 0;
	assert_string_equal(guest, "\033OA\033[200~x[201~y\rz\033[201~");
	vt_free(vt);
}

static void keys(void **state)
{
	struct vt *vt = open_vt(24, 80);
	static const struct {
		uint32_t ch, key, mods;
		const char *want;
	} table[] = {
		{ 'a', 0, 0, "a" }, { 0x20ac, 0, 0, "\xe2\x82\xac" }, { 3, 0, 0, "\003" }, { 27, 0, 0, "\033" },
		{ 'c', 0, TERM_MOD_CTRL, "\003" }, { 'x', 0, TERM_MOD_ALT, "\033x" },
		{ 0, TERM_KEY_ENTER, 0, "\r" }, { 0, TERM_KEY_UP, 0, "\033[A" },
		{ 0, TERM_KEY_UP, TERM_MOD_CTRL, "\033[1;5A" }, { 0, TERM_KEY_BACKSPACE, 0, "\177" },
		{ 0, TERM_KEY_DEL, 0, "\033[3~" }, { 0, TERM_KEY_F0 + 1, 0, "\033OP" },
		{ 0, TERM_KEY_F0 + 5, 0, "\033[15~" }, { 0, TERM_KEY_TAB, TERM_MOD_SHIFT, "\033[Z" },
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		guest_len = 0;
		vt_key(vt, table[i].ch, table[i].key, table[i].mods);
		guest[guest_len] = 0;
		assert_string_equal(guest, table[i].want);
	}
	guest_len = 0;
	vt_key(vt, 0, 100000, 0); /* no key of ours */
	assert_int_equal(guest_len, 0);
	put(vt, "\033[?1000h\033[?1006h");
	vt_mouse(vt, 4, 9, 1, true, 0);
	guest[guest_len] = 0;
	assert_string_equal(guest, "\033[<0;10;5M");
	vt_free(vt);
}

static void answers(void **state)
{
	struct vt *vt = open_vt(24, 80);

	put(vt, "abc\033[6n\033[c");
	assert_int_equal(guest_len, 0); /* not unless it may */
	vt->answers = true;
	put(vt, "\033[6n");
	guest[guest_len] = 0;
	assert_string_equal(guest, "\033[1;4R");
	guest_len = 0;
	vt_resize(vt, 30, 90); /* the question is in the history: not answered again */
	assert_int_equal(guest_len, 0);
	vt_free(vt);
}

static void clears_scrollback(void **state)
{
	struct vt *vt = open_vt(5, 20);

	for (int i = 0; i < 50; i++)
		put(vt, "a line\r\n");
	assert_true(sb_end(vt->sb) - sb_first(vt->sb) > 40);
	put(vt, "\033[H\033[2J\033[3J");
	assert_int_equal(sb_end(vt->sb), sb_first(vt->sb));
	vt_resize(vt, 6, 30);
	assert_int_equal(sb_end(vt->sb), sb_first(vt->sb));
	vt_free(vt);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(prints), cmocka_unit_test(survives), cmocka_unit_test(fast_is_slow),
		cmocka_unit_test(widths),
		cmocka_unit_test(resize_is_replay), cmocka_unit_test(long_history),
		cmocka_unit_test(modes_survive_resize), cmocka_unit_test(keys), cmocka_unit_test(answers),
		cmocka_unit_test(clears_scrollback),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
