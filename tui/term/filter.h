/*
 * filter.h - what a guest prints, made harmless: the stage before any terminal parser. Used by
 * vitrine-term and by `vitrine console`. Knows neither libvterm nor ncurses; no thread of its own.
 *
 * It decodes UTF-8 across chunks and every escape sequence by itself and passes on only complete ones
 * of known kinds with parameters in range. It
 *  - expands REP (CSI b) itself, bounded; libvterm's own can loop for ever or follow a null pointer
 *  - drops bidi and zero-width controls, C1 controls, and combining characters beyond 3 on a base
 *  - drops OSC (the title is offered to a callback, OSC 52 never passes), DCS other than DECRQSS, APC, PM,
 *    SOS, ENQ, double-width lines, 8-bit replies, and what it does not know
 *  - translates the line drawing and UK character sets to UTF-8, so that no parser needs to know them
 *  - keeps account of the modes, so that vt.c knows when plain lines may bypass libvterm
 * Sequences: ECMA-48 (5th edition) and what xterm adds.
 */
#ifndef TUI_TERM_FILTER_H
#define TUI_TERM_FILTER_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum filter_kind {
	FILTER_PLAIN, /* printable ASCII, CR, LF, TAB only; may be long */
	FILTER_TEXT,  /* the same and valid UTF-8 */
	FILTER_SEQ,   /* one control or one complete escape sequence */
};

typedef void filter_out_fn(void *arg, enum filter_kind kind, const char *bytes, size_t len);

enum { /* filter.modes: what would make the fast path wrong, and what a replay must set again */
	FILTER_M_INSERT	  = 1 << 0,  /* CSI 4 h */
	FILTER_M_NEWLINE  = 1 << 1,  /* CSI 20 h */
	FILTER_M_APPCUR	  = 1 << 2,  /* CSI ? 1 h */
	FILTER_M_SCREENREV = 1 << 3, /* CSI ? 5 h */
	FILTER_M_ORIGIN	  = 1 << 4,  /* CSI ? 6 h */
	FILTER_M_WRAP	  = 1 << 5,  /* CSI ? 7 h; on at the start */
	FILTER_M_CURSOR	  = 1 << 6,  /* CSI ? 25 h; on at the start */
	FILTER_M_ALT	  = 1 << 7,  /* CSI ? 47, 1047, 1049 h */
	FILTER_M_MARGINS  = 1 << 8,  /* CSI ? 69 h */
	FILTER_M_MOUSE	  = 1 << 9,  /* CSI ? 1000 h */
	FILTER_M_DRAG	  = 1 << 10, /* CSI ? 1002 h */
	FILTER_M_MOVE	  = 1 << 11, /* CSI ? 1003 h */
	FILTER_M_SGRMOUSE = 1 << 12, /* CSI ? 1006 h */
	FILTER_M_PASTE	  = 1 << 13, /* CSI ? 2004 h */
	FILTER_M_KEYPAD	  = 1 << 14, /* ESC = */
	FILTER_M_REGION	  = 1 << 15, /* CSI r other than the whole screen */
	FILTER_M_CHARSET  = 1 << 16, /* the character set in use is not ASCII: comes out as UTF-8 */
	FILTER_M_TABS	  = 1 << 17, /* tab stops other than every 8 */
};
#define FILTER_M_START (FILTER_M_WRAP | FILTER_M_CURSOR)
/* Plain lines may bypass the parser only when these are as at the start. */
#define FILTER_M_ODD \
	(FILTER_M_INSERT | FILTER_M_NEWLINE | FILTER_M_ORIGIN | FILTER_M_WRAP | FILTER_M_ALT | \
	 FILTER_M_MARGINS | FILTER_M_REGION | FILTER_M_TABS)

enum { FILTER_SEQ_MAX = 256, FILTER_TITLE_MAX = 128, FILTER_COMBINING_MAX = 3, FILTER_REP_MAX = 512 };

struct filter {
	/* set by the user before filter_init() or after */
	filter_out_fn *out;
	void (*title)(void *arg, const char *utf8); /* clean, shorter than FILTER_TITLE_MAX; may be NULL */
	void *arg;

	uint64_t blocked; /* sequences and characters dropped */
	uint32_t modes;	  /* FILTER_M_* */
	uint16_t region_top, region_bottom; /* as given; 0: none */

	/* private */
	uint8_t state;
	uint8_t u8[4], u8_len, u8_need;	   /* an unfinished character */
	uint8_t last[4], last_len;	   /* for REP: the character just printed, 0: none */
	uint8_t combining;		   /* on this base so far */
	char charset[4];		   /* G0..G3: 'B' (or 0) ASCII, 'A' UK, '0' line drawing */
	uint8_t gl;			   /* the one in use */
	bool overflow;			   /* the sequence being read is too long to keep */
	uint16_t seq_len;
	char seq[FILTER_SEQ_MAX];
};

void filter_init(struct filter *f, filter_out_fn *out, void *arg);
/** filter_feed() - @len raw bytes of any kind; calls out() with what may pass, in order. */
void filter_feed(struct filter *f, const char *bytes, size_t len);
/** filter_char_ok() - may this code point be drawn at all? */
bool filter_char_ok(uint32_t c);
/** filter_combining() - a character without a width of its own (Unicode Mn, Me, and jamo finals). */
bool filter_combining(uint32_t c);
/** filter_sure_width() - columns of a character nobody disagrees about, 0: ask libvterm. */
unsigned filter_sure_width(uint32_t c);
/** filter_text_run() - how many bytes from @p on are no control but CR, LF and TAB. */
size_t filter_text_run(const char *p, size_t len);
/** filter_plain_run() - how many bytes from @p on are printable ASCII, CR, LF or TAB. */
size_t filter_plain_run(const char *p, size_t len);

#endif
