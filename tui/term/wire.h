/*
 * wire.h - what the workstation and one vitrine-term say to each other. Both sides include it.
 *
 * Two ways: a SOCK_SEQPACKET socketpair for small messages (struct term_ev to vitrine-term, struct
 * term_msg back), and a sealed memfd (struct term_grid) in which vitrine-term publishes what is on the
 * pane. The workstation maps it read-only and believes nothing in it: see grid_read.c. vitrine-term is
 * the process that hostile bytes may take over, so everything it says is checked by the reader.
 */
#ifndef TUI_TERM_WIRE_H
#define TUI_TERM_WIRE_H
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The descriptors vitrine-term is started with. */
enum { TERM_FD_CONTROL = 3, TERM_FD_GRID = 4, TERM_FD_WAKE = 5 };

enum {
	TERM_MIN_COLS	   = 2, /* a wide character in a 1-column screen crashes libvterm */
	TERM_MIN_ROWS	   = 1,
	TERM_MAX_COLS	   = 512,
	TERM_MAX_ROWS	   = 256,
	TERM_CELL_CHARS	   = 4, /* a base character and up to 3 combining ones */
	TERM_CHUNK_MAX	   = 16 << 10, /* raw bytes parsed at a time; see VT_FEED_MAX too */
	TERM_CONTEXT_MAX   = 256, /* raw bytes before the chunk, so that the chunk is found again */
	TERM_TITLE_SIZE	   = 128,
	TERM_DATA_MAX	   = 32 << 10, /* bytes that go with one event or message */
	TERM_INPUT_MAX	   = 64 << 10, /* bytes queued for the guest before we say that it is full */
};

/* ---- the grid ---- */

enum {
	TERM_A_BOLD	 = 1 << 0,
	TERM_A_UNDERLINE = 1 << 1,
	TERM_A_ITALIC	 = 1 << 2,
	TERM_A_BLINK	 = 1 << 3,
	TERM_A_REVERSE	 = 1 << 4,
	TERM_A_STRIKE	 = 1 << 5,
	TERM_A_FOUND	 = 1 << 6, /* part of what was searched for */
};
#define TERM_COLOR_DEFAULT 0xffff /* else 0..255 of the 256-colour palette */

struct term_cell {
	uint32_t ch[TERM_CELL_CHARS]; /* 0-terminated when shorter; ch[0] == 0: right half of a wide one */
	uint16_t fg, bg;
	uint16_t attrs; /* TERM_A_* */
	uint16_t width; /* 1, 2; 0: right half of a wide one */
};

enum { /* term_grid.modes */
	TERM_M_ALT	= 1 << 0,  /* the alternate screen: no scrollback of its own */
	TERM_M_MOUSE	= 1 << 1,  /* the guest wants clicks */
	TERM_M_DRAG	= 1 << 2,  /* and drags */
	TERM_M_PASTE	= 1 << 3,  /* bracketed paste */
	TERM_M_CURSOR	= 1 << 4,  /* the cursor is visible */
	TERM_M_CLOSED	= 1 << 5,  /* no console attached, or it was closed */
	TERM_M_HISTORY	= 1 << 6,  /* replaying the VM's history: not live yet */
	TERM_M_BLINK	= 1 << 7,  /* the cursor blinks */
};

#define TERM_GRID_MAGIC 0x76746731u /* "vtg1" */

struct term_grid {
	uint32_t magic;
	uint32_t size; /* bytes of all of it */

	/* Lock-free, outside the sequence lock. */
	_Atomic uint32_t busy;	     /* odd: parsing. Changes with each chunk: the heartbeat */
	_Atomic uint32_t chunk_len;  /* raw bytes being parsed now; 0: none */
	_Atomic uint32_t context_len;
	_Atomic uint32_t input_queued; /* bytes waiting for the guest to read */
	_Atomic uint32_t input_dropped; /* bytes that found the queue full (never, if the sender looks) */
	_Atomic uint64_t bytes;	     /* of console output parsed */
	_Atomic uint64_t blocked;    /* sequences and characters that were kept from the screen */
	_Atomic uint64_t poisoned;   /* bytes skipped because they killed a vitrine-term */

	_Atomic uint32_t seq; /* odd while what follows is being written */
	uint16_t rows, cols;
	uint16_t cursor_row, cursor_col;
	uint32_t modes;
	uint32_t bells;
	uint64_t sb_lines;    /* lines in the scrollback */
	uint64_t view_offset; /* lines the view is scrolled back; 0: live */
	uint64_t top_line;    /* number of the line in row 0, counted since the first output */
	uint32_t geometry;    /* changes with each resize that has been carried out */
	char title[TERM_TITLE_SIZE]; /* UTF-8, 0-terminated */
	uint32_t row_gen[TERM_MAX_ROWS]; /* changes when the row does */

	uint8_t chunk[TERM_CONTEXT_MAX + TERM_CHUNK_MAX];
	struct term_cell cells[TERM_MAX_ROWS * TERM_MAX_COLS]; /* rows * cols of them, no gaps */
};

/* ---- workstation -> vitrine-term ---- */

enum term_ev_type {
	TERM_EV_ATTACH = 1, /* a console's socket comes with it (SCM_RIGHTS) */
	TERM_EV_POISON,	    /* data: context and chunk that killed the one before */
	TERM_EV_RESIZE,
	TERM_EV_VISIBLE,
	TERM_EV_KEY,
	TERM_EV_MOUSE,
	TERM_EV_PASTE,	    /* data: UTF-8 */
	TERM_EV_SCROLL,
	TERM_EV_SEARCH,	    /* data: UTF-8; none: stop highlighting */
	TERM_EV_SELECT,	    /* asks for the text of a region */
};

enum { /* term_ev.attach.flags */
	TERM_ATTACH_CLEAR = 1 << 0,	   /* the history comes again: forget all that was shown */
	TERM_ATTACH_SKIP_HISTORY = 1 << 1, /* show nothing until the console is live */
	TERM_ATTACH_NO_ANSWERS = 1 << 2,   /* never answer DA, DSR and the like */
};

enum { TERM_MOD_SHIFT = 1, TERM_MOD_ALT = 2, TERM_MOD_CTRL = 4 };

enum term_key { /* keys that are no character */
	TERM_KEY_NONE,
	TERM_KEY_ENTER, TERM_KEY_TAB, TERM_KEY_BACKSPACE, TERM_KEY_ESCAPE,
	TERM_KEY_UP, TERM_KEY_DOWN, TERM_KEY_LEFT, TERM_KEY_RIGHT,
	TERM_KEY_INS, TERM_KEY_DEL, TERM_KEY_HOME, TERM_KEY_END,
	TERM_KEY_PAGEUP, TERM_KEY_PAGEDOWN,
	TERM_KEY_F0, /* F1 is TERM_KEY_F0 + 1 */
	TERM_KEY_COUNT = TERM_KEY_F0 + 64
};

enum term_scroll {
	TERM_SCROLL_BY, TERM_SCROLL_TOP, TERM_SCROLL_BOTTOM, TERM_SCROLL_TO,
	TERM_SCROLL_HOLD, /* the lines in view stay in view, whatever comes; BOTTOM ends it */
};

enum { TERM_PASTE_FIRST = 1, TERM_PASTE_LAST = 2 };

struct term_ev {
	uint32_t type; /* enum term_ev_type */
	uint32_t len;  /* bytes of data that follow */
	union {
		struct {
			uint32_t flags;
			uint32_t history; /* bytes of history expected at most */
		} attach;
		struct {
			uint32_t context, chunk; /* lengths, in this order in the data */
		} poison;
		struct {
			uint16_t rows, cols;
		} resize;
		struct {
			uint32_t on;
		} visible;
		struct {
			uint32_t ch;  /* a character, or 0 and */
			uint32_t key; /* enum term_key */
			uint32_t mods;
		} key;
		struct {
			int16_t row, col;
			uint16_t button; /* 1..3, 4 and 5 are the wheel; 0: only moved */
			uint16_t pressed;
			uint32_t mods;
		} mouse;
		struct {
			uint32_t flags;
		} paste;
		struct {
			uint32_t how; /* enum term_scroll */
			int32_t lines; /* BY: > 0 is back in time */
			uint64_t line; /* TO: a line number, as in top_line */
		} scroll;
		struct {
			uint32_t forward;
			uint32_t again; /* go on from the match in view, else from the bottom */
		} search;
		struct {
			uint64_t line0, line1; /* first and last line, inclusive */
			uint16_t col0, col1;   /* first column, and the one after the last */
			uint32_t block;	       /* a rectangle instead of running text */
		} select;
	};
};

/* ---- vitrine-term -> workstation ---- */

enum term_msg_type {
	TERM_MSG_CLOSED = 1, /* the console ended */
	TERM_MSG_FOUND,	     /* u.found: 1 the view shows it, 0 no such text */
	TERM_MSG_TEXT,	     /* data: the text asked for, in pieces; u.last with the last */
	TERM_MSG_SAY,	     /* data: a line about a problem, for the log */
};

struct term_msg {
	uint32_t type;
	uint32_t len;
	union {
		uint32_t found, last;
	} u;
	uint32_t col;  /* FOUND: where the match begins */
	uint64_t line;
};

#endif
