/*
 * filter_seq.c - what an escape sequence may be and what it does to the modes. No thread of its own.
 *
 * A list of what is allowed, not of what is forbidden: what xterm-256color programs use and libvterm
 * understands. Parameters are cut to 0..9999 and 16 of them. ECMA-48 §5.4, §8.3; xterm's ctlseqs.
 */
#include <stdio.h>
#include <string.h>
#include <tui/term/filter.h>
#include <tui/term/filter_priv.h>

enum { PARAM_MAX = 9999, PARAMS = 16 };

static void pass(struct filter *f, const char *bytes, size_t len)
{
	f->combining = FILTER_COMBINING_MAX; /* there is no base to join until a character comes */
	f->last_len = 0;
	f->out(f->arg, FILTER_SEQ, bytes, len);
}

static void block(struct filter *f)
{
	f->blocked++;
	f->last_len = 0;
}

static void set_mode(struct filter *f, uint32_t mode, bool on)
{
	f->modes = on ? f->modes | mode : f->modes & ~mode;
}

static void charset(struct filter *f)
{
	char set = f->charset[f->gl];

	set_mode(f, FILTER_M_CHARSET, set && set != 'B');
	f->last_len = 0;
}

size_t filter_map(const struct filter *f, char c, char *out)
{
	static const char *const lines[] = { " ", "\u25c6", "\u2592", "\u2409", "\u240c", "\u240d", "\u240a", "\u00b0",
		"\u00b1", "\u2424", "\u240b", "\u2518", "\u2510", "\u250c", "\u2514", "\u253c", "\u23ba", "\u23bb",
		"\u2500", "\u23bc", "\u23bd", "\u251c", "\u2524", "\u2534", "\u252c", "\u2502", "\u2264", "\u2265",
		"\u03c0", "\u2260", "\u00a3", "\u00b7" }; /* 0x5f..0x7e, as a VT100 draws them */
	char set = f->charset[f->gl];
	const char *s = set == '0' && c >= 0x5f && c < 0x7f ? lines[c - 0x5f] : set == 'A' && c == '#' ? "\u00a3" : NULL;

	if (!s) {
		out[0] = c;
		return 1;
	}
	memcpy(out, s, strlen(s));
	return strlen(s);
}

void filter_control(struct filter *f, unsigned char c)
{
	char byte = (char)c;

	switch (c) {
	case 0x07: /* BEL */
	case 0x08: /* BS */
	case 0x09: /* HT; also CR, LF, here when within a sequence */
	case 0x0a:
	case 0x0b: /* VT */
	case 0x0c: /* FF */
	case 0x0d:
		break;
	case 0x0e: /* SO, SI: G1, G0 */
	case 0x0f:
		f->gl = c == 0x0e;
		charset(f);
		return;
	case 0x00: /* fillers; CAN and SUB end nothing here */
	case 0x18:
	case 0x1a:
	case 0x7f:
		return;
	default: /* ENQ asks for an answerback, the rest means nothing */
		block(f);
		return;
	}
	pass(f, &byte, 1);
}

void filter_keep(struct filter *f, unsigned char c)
{
	if (f->seq_len < FILTER_SEQ_MAX - 1)
		f->seq[f->seq_len++] = (char)c;
	else
		f->overflow = true;
}

static void reset(struct filter *f)
{
	/* libvterm would stay on the alternate screen after a reset. */
	if (f->modes & FILTER_M_ALT)
		pass(f, "\033[?47l", 6);
	f->modes = FILTER_M_START;
	f->region_top = f->region_bottom = 0;
	memset(f->charset, 0, sizeof(f->charset));
	f->gl = 0;
}

/* ESC and one byte. */
static void esc_simple(struct filter *f, unsigned char c)
{
	char seq[2] = { 0x1b, (char)c };

	switch (c) {
	case '7': /* DECSC */
	case '8': /* DECRC */
	case 'D': /* IND */
	case 'E': /* NEL */
	case 'M': /* RI */
	case 'Z': /* DECID */
		break;
	case 'H': /* HTS */
		f->modes |= FILTER_M_TABS;
		break;
	case '=': /* DECKPAM, DECKPNM */
	case '>':
		set_mode(f, FILTER_M_KEYPAD, c == '=');
		break;
	case 'n': /* LS2, LS3 */
	case 'o':
		f->gl = c == 'n' ? 2 : 3;
		charset(f);
		return;
	case 'c': /* RIS */
		reset(f);
		break;
	case '\\': /* a lone ST */
		return;
	default: /* among them SS2, SS3 and the right-hand sets */
		block(f);
		return;
	}
	pass(f, seq, 2);
}

/* ESC, intermediate bytes, one final byte. */
static void esc_intermediate(struct filter *f, unsigned char c)
{
	char seq[3] = { 0x1b, f->seq[0], (char)c };
	unsigned slot;

	if (f->seq_len != 1 || f->overflow) {
		block(f);
		return;
	}
	switch (f->seq[0]) {
	case '(':
	case ')':
	case '*':
	case '+': /* the character set of G0..G3: ASCII, UK, line drawing */
		slot = (unsigned)(f->seq[0] - '(');
		if (c != 'B' && c != 'A' && c != '0') {
			block(f);
			return;
		}
		f->charset[slot] = (char)c;
		charset(f);
		return;
	case '#': /* DECALN; double-width and double-height lines are not for panes */
		if (c == '8')
			break;
		block(f);
		return;
	case '%': /* UTF-8 stays; leaving it is refused */
		if (c == 'G')
			return;
		block(f);
		return;
	default: /* among them S8C1T: answers in 8-bit controls */
		block(f);
		return;
	}
	pass(f, seq, 3);
}

/* The bytes that follow ESC. */
void filter_esc(struct filter *f, unsigned char c)
{
	if (c >= 0x20 && c <= 0x2f) {
		filter_keep(f, c);
		return;
	}
	if (f->seq_len) {
		f->state = GROUND;
		esc_intermediate(f, c);
		return;
	}
	switch (c) {
	case '[':
		f->state = CSI;
		return;
	case ']':
		f->state = OSC;
		return;
	case 'P':
		f->state = STRING;
		filter_keep(f, c); /* tells a DCS from the others */
		return;
	case 'X':
	case '^':
	case '_':
		f->state = STRING;
		filter_keep(f, '_');
		return;
	default:
		f->state = GROUND;
		esc_simple(f, c);
	}
}

/* ---- CSI ---- */

struct csi {
	char leader;	   /* 0, '?', '>', '=' */
	char intermediate; /* 0, ' ', '!', '"', '$', '\'' */
	char final;
	unsigned n;
	uint16_t arg[PARAMS];
	bool given[PARAMS], more[PARAMS]; /* there were digits; a ':' follows */
};

/* Takes f->seq apart. False: not well formed. */
static bool csi_parse(const struct filter *f, char final, struct csi *c)
{
	unsigned i = 0;
	uint32_t v = 0;
	bool given = false;

	memset(c, 0, sizeof(*c));
	c->final = final;
	if (i < f->seq_len && strchr("<=>?", f->seq[i]))
		c->leader = f->seq[i++];
	for (; i <= f->seq_len; i++) {
		char b = i < f->seq_len ? f->seq[i] : 0;

		if (b >= '0' && b <= '9') {
			v = v * 10 + (uint32_t)(b - '0');
			if (v > PARAM_MAX)
				v = PARAM_MAX;
			given = true;
			continue;
		}
		if (c->n < PARAMS) {
			c->arg[c->n] = (uint16_t)v;
			c->given[c->n] = given;
			c->more[c->n++] = b == ':';
		}
		v = 0;
		given = false;
		if (b != ';' && b != ':')
			break;
	}
	if (i < f->seq_len) {
		c->intermediate = f->seq[i++];
		if (c->intermediate < 0x20 || c->intermediate > 0x2f)
			return false;
	}
	return i >= f->seq_len;
}

static const struct {
	uint16_t number;
	uint32_t mode;
} private_modes[] = {
	{ 1, FILTER_M_APPCUR }, { 5, FILTER_M_SCREENREV }, { 6, FILTER_M_ORIGIN }, { 7, FILTER_M_WRAP },
	{ 12, 0 }, /* cursor blink */
	{ 25, FILTER_M_CURSOR }, { 47, FILTER_M_ALT }, { 69, FILTER_M_MARGINS },
	{ 1000, FILTER_M_MOUSE }, { 1002, FILTER_M_DRAG }, { 1003, FILTER_M_MOVE }, { 1004, 0 },
	{ 1005, 0 }, { 1006, FILTER_M_SGRMOUSE }, { 1015, 0 },
	{ 1047, FILTER_M_ALT }, { 1048, 0 }, { 1049, FILTER_M_ALT }, { 2004, FILTER_M_PASTE },
};

/* One mode number; false: not one of ours. */
static bool csi_mode(struct filter *f, char leader, uint16_t number, bool on)
{
	if (leader == '?') {
		for (size_t i = 0; i < sizeof(private_modes) / sizeof(private_modes[0]); i++) {
			if (private_modes[i].number != number)
				continue;
			set_mode(f, private_modes[i].mode, on);
			return true;
		}
		return false;
	}
	if (number != 4 && number != 20)
		return false;
	set_mode(f, number == 4 ? FILTER_M_INSERT : FILTER_M_NEWLINE, on);
	return true;
}

static void csi_modes(struct filter *f, const struct csi *c)
{
	for (unsigned i = 0; i < c->n; i++) {
		char seq[16];
		int len;

		if (!csi_mode(f, c->leader, c->arg[i], c->final == 'h')) {
			f->blocked++;
			continue;
		}
		len = snprintf(seq, sizeof(seq), c->leader ? "\033[?%u%c" : "\033[%u%c", c->arg[i], c->final);
		pass(f, seq, (size_t)len);
	}
}

static bool csi_allowed(const struct csi *c)
{
	switch (c->intermediate) {
	case 0:
		break;
	case ' ': /* DECSCUSR; SL, SR */
		return !c->leader && strchr("q@A", c->final);
	case '!': /* DECSTR */
		return !c->leader && c->final == 'p';
	case '"': /* DECSCA */
		return !c->leader && c->final == 'q';
	case '$': /* DECRQM */
		return (!c->leader || c->leader == '?') && c->final == 'p';
	case '\'': /* DECIC, DECDC */
		return !c->leader && (c->final == '}' || c->final == '~');
	default:
		return false;
	}
	switch (c->leader) {
	case 0:
		return strchr("@ABCDEFGHIJKLMPSTXZ`acdefgjkmnrs", c->final) != NULL;
	case '?': /* DECSED, DECSEL, DSR */
		return strchr("JKn", c->final) != NULL;
	case '>': /* secondary DA, XTVERSION */
		return strchr("cq", c->final) != NULL;
	case '=':
		return c->final == 'c';
	default:
		return false;
	}
}

/* What passing it changes for us. */
static void csi_track(struct filter *f, const struct csi *c)
{
	if (c->leader)
		return;
	if (c->intermediate == '!' && c->final == 'p') {
		f->modes = FILTER_M_START | (f->modes & FILTER_M_ALT);
		f->region_top = f->region_bottom = 0;
		memset(f->charset, 0, sizeof(f->charset));
		f->gl = 0;
	} else if (c->intermediate) {
		return;
	} else if (c->final == 'r') {
		f->region_top = c->arg[0];
		f->region_bottom = c->n > 1 ? c->arg[1] : 0;
		set_mode(f, FILTER_M_REGION, f->region_top > 1 || f->region_bottom);
	} else if (c->final == 'g') {
		f->modes |= FILTER_M_TABS;
	}
}

static void csi_pass(struct filter *f, const struct csi *c)
{
	char seq[FILTER_SEQ_MAX];
	int n = snprintf(seq, sizeof(seq), "\033[");

	if (c->leader)
		seq[n++] = c->leader;
	for (unsigned i = 0; i < c->n; i++) { /* 16 x 5 bytes at most */
		if (c->given[i])
			n += snprintf(seq + n, sizeof(seq) - (size_t)n, "%u", c->arg[i]);
		if (i + 1 < c->n)
			seq[n++] = c->more[i] ? ':' : ';';
	}
	if (c->intermediate)
		seq[n++] = c->intermediate;
	seq[n++] = c->final;
	pass(f, seq, (size_t)n);
}

/* REP: the character again, as text, so that libvterm never sees the sequence. */
static void csi_repeat(struct filter *f, const struct csi *c)
{
	unsigned n = c->arg[0] ? c->arg[0] : 1, len = f->last_len;
	char buf[FILTER_REP_MAX * 4];

	if (!len || c->leader || c->intermediate) {
		block(f);
		return;
	}
	if (n > FILTER_REP_MAX)
		n = FILTER_REP_MAX;
	for (unsigned i = 0; i < n; i++)
		memcpy(buf + i * len, f->last, len);
	f->combining = 0;
	f->out(f->arg, len == 1 ? FILTER_PLAIN : FILTER_TEXT, buf, n * len);
}

void filter_csi(struct filter *f, unsigned char c)
{
	struct csi csi;

	if (c < 0x40) {
		filter_keep(f, c);
		return;
	}
	f->state = GROUND;
	if (f->overflow || !csi_parse(f, (char)c, &csi)) {
		block(f);
		return;
	}
	if (c == 'b') {
		csi_repeat(f, &csi);
	} else if ((c == 's' || c == 'u') && !csi.leader && !csi.intermediate &&
			!(f->modes & FILTER_M_MARGINS)) {
		esc_simple(f, c == 's' ? '7' : '8'); /* SCOSC, SCORC: libvterm knows 's' as DECSLRM only */
	} else if ((c == 'h' || c == 'l') && !csi.intermediate && (!csi.leader || csi.leader == '?')) {
		csi_modes(f, &csi);
	} else if (csi_allowed(&csi)) {
		csi_track(f, &csi);
		csi_pass(f, &csi);
	} else {
		block(f);
	}
}

/* ---- strings ---- */

/* A window title, with everything dropped that could do more than be read. */
static void osc_title(struct filter *f)
{
	char title[FILTER_TITLE_MAX];
	size_t n = 0, i = 2;

	while (i < f->seq_len && n + 4 < sizeof(title)) {
		unsigned char b = (unsigned char)f->seq[i];
		unsigned need = b < 0x80 ? 1 : b >= 0xf0 && b < 0xf5 ? 4 : b >= 0xe0 ? 3 : 2, k;
		uint32_t c = need == 1 ? b : b & (0x7fu >> need);

		for (k = 1; k < need && i + k < f->seq_len && ((unsigned char)f->seq[i + k] & 0xc0) == 0x80; k++)
			c = c << 6 | ((unsigned char)f->seq[i + k] & 0x3f);
		if (k < need || (b >= 0x80 && b < 0xc2) || b > 0xf4 || (need == 3 && c < 0x800) ||
				(need == 4 && c < 0x10000)) {
			i++;
			continue;
		}
		if (filter_char_ok(c) && !filter_combining(c)) {
			memcpy(title + n, f->seq + i, need);
			n += need;
		}
		i += need;
	}
	title[n] = 0;
	f->title(f->arg, title);
}

/* Is it DECRQSS for SGR, DECSTBM, DECSCUSR or DECSCA? libvterm 0.1.4 crashes when asked for what it does not know. */
static bool decrqss(const struct filter *f)
{
	static const char *const known[] = { "P$qm", "P$qr", "P$q q", "P$q\"q" };

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		if (f->seq_len == strlen(known[i]) && !memcmp(f->seq, known[i], f->seq_len))
			return true;
	}
	return false;
}

/* The end of OSC, or of DCS, APC, PM, SOS. */
void filter_string_end(struct filter *f, bool osc, bool terminated)
{
	char seq[32];
	int n;

	if (osc) {
		if (terminated && !f->overflow && f->title && f->seq_len >= 2 &&
				(f->seq[0] == '0' || f->seq[0] == '2') && f->seq[1] == ';')
			osc_title(f);
		else if (f->seq_len < 2 || !strchr("012", f->seq[0]) || f->seq[1] != ';')
			f->blocked++;
		return;
	}
	/* DECRQSS is a question that programs ask; all other strings stay here. */
	if (terminated && !f->overflow && decrqss(f)) {
		n = snprintf(seq, sizeof(seq), "\033%.*s\033\\", (int)f->seq_len, f->seq);
		pass(f, seq, (size_t)n);
		return;
	}
	block(f);
}
