/*
 * filter.c - the filter's state machine: UTF-8, control characters, and where sequences begin and end.
 * What a sequence may do is decided in filter_seq.c. No thread of its own. See filter.h.
 */
#include <string.h>
#include <tui/term/filter.h>
#include <tui/term/filter_priv.h>

void filter_init(struct filter *f, filter_out_fn *out, void *arg)
{
	memset(f, 0, sizeof(*f));
	f->out = out;
	f->arg = arg;
	f->modes = FILTER_M_START;
	f->state = GROUND;
}

size_t filter_plain_run(const char *p, size_t len)
{
	size_t i = 0;

	/* Eight at a time: all of 0x20..0x7e. The controls are met one by one below. */
	while (i < len) {
		uint64_t w, low, high;
		unsigned char c;

		while (i + 8 <= len) {
			memcpy(&w, p + i, 8);
			low = (w - 0x2020202020202020u) & ~w; /* a top bit: a byte below 0x20 */
			high = (w + 0x0101010101010101u) | w; /* a top bit: 0x7f and above */
			if ((low | high) & 0x8080808080808080u)
				break;
			i += 8;
		}
		for (size_t end = i + 8 < len ? i + 8 : len; i < end; i++) {
			c = (unsigned char)p[i];
			if ((c < 0x20 && c != '\r' && c != '\n' && c != '\t') || c > 0x7e)
				return i;
		}
	}
	return len;
}

size_t filter_text_run(const char *p, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)p[i];

		if ((c < 0x20 && c != '\r' && c != '\n' && c != '\t') || c == 0x7f)
			return i;
	}
	return len;
}

static unsigned utf8_need(unsigned char c)
{
	if (c >= 0xc2 && c <= 0xdf)
		return 2;
	if ((c & 0xf0) == 0xe0)
		return 3;
	if (c >= 0xf0 && c <= 0xf4)
		return 4;
	return 0;
}

/* May @c be the byte number @have (1..) of the character that begins with @u? */
static bool utf8_follows(const uint8_t *u, unsigned have, unsigned char c)
{
	if ((c & 0xc0) != 0x80)
		return false;
	if (have != 1)
		return true;
	switch (u[0]) { /* overlong, surrogates, beyond U+10FFFF */
	case 0xe0:
		return c >= 0xa0;
	case 0xed:
		return c < 0xa0;
	case 0xf0:
		return c >= 0x90;
	case 0xf4:
		return c < 0x90;
	default:
		return true;
	}
}

static uint32_t utf8_value(const uint8_t *u, unsigned len)
{
	static const uint8_t mask[] = { 0, 0x7f, 0x1f, 0x0f, 0x07 };
	uint32_t c = u[0] & mask[len];

	for (unsigned i = 1; i < len; i++)
		c = c << 6 | (u[i] & 0x3f);
	return c;
}

/* Notes the character for REP and the count of combining ones. False: it must not pass. */
static bool char_passes(struct filter *f, const uint8_t *u, unsigned len)
{
	uint32_t c = utf8_value(u, len);

	if (!filter_char_ok(c)) {
		f->blocked++;
		return false;
	}
	if (filter_combining(c)) {
		if (f->combining >= FILTER_COMBINING_MAX) {
			f->blocked++;
			return false;
		}
		f->combining++;
		return true;
	}
	f->combining = 0;
	memcpy(f->last, u, len);
	f->last_len = len;
	return true;
}

static void bad_utf8(struct filter *f)
{
	f->out(f->arg, FILTER_TEXT, "\xef\xbf\xbd", 3); /* U+FFFD */
	f->u8_len = f->u8_need = f->last_len = 0;
	f->combining = FILTER_COMBINING_MAX;
}

/* One more byte of an unfinished character. False: the byte was not taken. */
static bool utf8_byte(struct filter *f, unsigned char c)
{
	if (!utf8_follows(f->u8, f->u8_len, c)) {
		bad_utf8(f);
		return false;
	}
	f->u8[f->u8_len++] = c;
	if (f->u8_len < f->u8_need)
		return true;
	if (char_passes(f, f->u8, f->u8_len))
		f->out(f->arg, FILTER_TEXT, (const char *)f->u8, f->u8_len);
	f->u8_len = f->u8_need = 0;
	return true;
}

static void note_plain(struct filter *f, const char *p, size_t len)
{
	unsigned char c = (unsigned char)p[len - 1];

	/* After CR, LF, TAB there is nothing to repeat and nothing to combine with. */
	f->combining = c >= 0x20 ? 0 : FILTER_COMBINING_MAX;
	f->last[0] = c;
	f->last_len = c >= 0x20 ? 1 : 0;
}

/* ASCII while the guest has chosen DEC's line drawing or the UK set: as the Unicode characters it means. libvterm
 * would mix them up with UTF-8 in the same text. */
static size_t mapped_run(struct filter *f, const char *p, size_t len)
{
	char out[256 * 3];
	size_t i = 0, n = 0;

	for (; i < len && i < 256 && (unsigned char)p[i] >= 0x20 && (unsigned char)p[i] < 0x7f; i++)
		n += filter_map(f, p[i], out + n);
	if (i) {
		note_plain(f, p, i);
		f->last_len = (uint8_t)filter_map(f, p[i - 1], (char *)f->last);
		f->out(f->arg, FILTER_TEXT, out, n);
	}
	return i;
}

/* A run of text from @p: what may pass as it is goes out in one piece. Return: bytes used, 0: none. */
static size_t text_run(struct filter *f, const char *p, size_t len)
{
	size_t i = f->modes & FILTER_M_CHARSET ? 0 : filter_plain_run(p, len), skip = 0;
	const uint8_t *u = (const uint8_t *)p;

	if (f->modes & FILTER_M_CHARSET && (i = mapped_run(f, p, len)) > 0)
		return i;
	if (i) {
		note_plain(f, p, i);
		/* A long plain part goes alone, so that it can take the fast path. */
		if (i >= 512 || i == len || (u[i] < 0x80)) {
			f->out(f->arg, FILTER_PLAIN, p, i);
			return i;
		}
	}
	while (i < len) {
		unsigned need = utf8_need(u[i]), have = 1;
		size_t run;

		if (!need) {
			if (u[i] < 0x80 && !(f->modes & FILTER_M_CHARSET) && (run = filter_plain_run(p + i, len - i)) > 0) {
				if (run >= 512)
					break;
				note_plain(f, p + i, run);
				i += run;
				continue;
			}
			break;
		}
		if (i + need > len)
			break;
		while (have < need && utf8_follows(u + i, have, u[i + have]))
			have++;
		if (have < need)
			break;
		if (!char_passes(f, u + i, need)) {
			skip = need;
			break;
		}
		i += need;
	}
	if (i)
		f->out(f->arg, FILTER_TEXT, p, i);
	return i + skip;
}

/* A byte in GROUND that text_run() would not take: a control, or part of a character that may not pass. */
static void ground_byte(struct filter *f, unsigned char c)
{
	if (c >= 0x80) {
		f->u8_need = utf8_need(c);
		f->u8[0] = c;
		f->u8_len = 1;
		if (!f->u8_need)
			bad_utf8(f);
		return;
	}
	if (c == 0x1b) {
		f->state = ESC;
		f->seq_len = 0;
		f->overflow = false;
		return;
	}
	filter_control(f, c);
}

/* Within a sequence. Controls act at once, as on a VT100; CAN, SUB and ESC break it off. */
static void seq_byte(struct filter *f, unsigned char c)
{
	bool string = f->state == OSC || f->state == STRING;

	if (c == 0x18 || c == 0x1a) {
		f->state = GROUND;
		return;
	}
	if (c == 0x1b) {
		if (string) {
			f->state = f->state == OSC ? OSC_ESC : STRING_ESC;
		} else {
			f->state = ESC;
			f->seq_len = 0;
			f->overflow = false;
		}
		return;
	}
	if (f->state == OSC_ESC || f->state == STRING_ESC) {
		bool st = c == '\\';

		filter_string_end(f, f->state == OSC_ESC, st);
		f->state = GROUND;
		if (!st) { /* the ESC began something new */
			f->state = ESC;
			f->seq_len = 0;
			f->overflow = false;
			filter_esc(f, c);
		}
		return;
	}
	if (string) {
		if (c == 0x07 && f->state == OSC) {
			filter_string_end(f, true, true);
			f->state = GROUND;
		} else {
			filter_keep(f, c);
		}
		return;
	}
	if (c < 0x20) {
		filter_control(f, c);
		return;
	}
	if (c >= 0x7f) { /* DEL is nothing; anything else cannot be part of a sequence */
		if (c >= 0x80) {
			f->state = GROUND;
			f->blocked++;
		}
		return;
	}
	if (f->state == CSI)
		filter_csi(f, c);
	else
		filter_esc(f, c);
}

void filter_feed(struct filter *f, const char *bytes, size_t len)
{
	size_t i = 0;

	while (i < len) {
		unsigned char c = (unsigned char)bytes[i];
		size_t n;

		if (f->state != GROUND) {
			seq_byte(f, c);
			i++;
			continue;
		}
		if (f->u8_need) {
			if (utf8_byte(f, c))
				i++;
			continue;
		}
		n = text_run(f, bytes + i, len - i);
		i += n;
		if (n)
			continue;
		ground_byte(f, c);
		i++;
	}
}
