/*
 * term.h - vitrine-term: one console's parser, its view and its event loop. One thread.
 */
#ifndef TUI_TERM_TERM_H
#define TUI_TERM_TERM_H
#include <tui/term/poison.h>
#include <tui/term/vt.h>
#include <tui/term/wire.h>

enum {
	TERM_READ_MAX	 = 64 << 10, /* from the console at once */
	TERM_FRAME_US	 = 16000,    /* publish at most this often */
	TERM_LULL_US	 = 50000,    /* the history is over when nothing came for so long */
	TERM_QUEUE_MAX	 = 1 << 20,  /* for the guest: the hard limit behind TERM_INPUT_MAX */
	TERM_HISTORY_MAX = 1 << 20,  /* when the workstation does not know how much will come */
	TERM_TEXT_MAX	 = 4 << 20,  /* a selection */
	TERM_SEARCH_MAX	 = 128,	     /* characters */
	TERM_MSGS	 = 16,
};

struct term {
	int control, wake, console; /* console -1: closed */
	struct term_grid *grid;
	struct vt *vt;

	/* the console */
	enum { TERM_FIRST_NOTHING, TERM_FIRST_CLEAR, TERM_FIRST_BACK } first; /* what its first byte does */
	bool history, skip_history, no_answers;
	uint32_t history_left;
	uint64_t last_read_us; /* or when it was attached */
	struct poison poison;
	uint8_t context[TERM_CONTEXT_MAX]; /* the last raw bytes */
	uint32_t context_len;

	/* for the guest */
	char *queue;
	size_t queue_len;

	/* the view */
	bool visible, publish_all;
	bool scrolled, held; /* the view is not the live one; it stays even at the end */
	uint64_t top; /* line in row 0 when scrolled */
	uint32_t pattern[TERM_SEARCH_MAX];
	unsigned pattern_len;
	uint64_t match_line;
	bool have_match;
	uint32_t geometry;
	uint64_t last_publish_us;
	uint16_t want_rows, want_cols; /* 0: no resize pending */

	/* for the workstation */
	struct term_msg msgs[TERM_MSGS];
	unsigned nmsgs;
	char *text; /* a selection on its way */
	size_t text_len, text_sent;
};

/* main.c */
uint64_t term_now_us(void);
/* console.c */
void term_attach(struct term *t, int fd, uint32_t flags, uint32_t history);
void term_read_console(struct term *t);
void term_write_console(struct term *t);
void term_history_over(struct term *t);
void term_to_guest(void *arg, const char *bytes, size_t len);
void term_parsing(struct term *t, const void *bytes, size_t len, unsigned limit_ms);
void term_parsed(struct term *t);
/* events.c */
/** term_events() - all that the workstation has sent. False: it is gone. */
bool term_events(struct term *t);
void term_say(struct term *t, const struct term_msg *msg);
void term_send_pending(struct term *t);
/* view.c */
void term_publish(struct term *t);
void term_scroll(struct term *t, const struct term_ev *ev);
void term_resize(struct term *t);
/* find.c */
void term_search(struct term *t, const struct term_ev *ev, const char *text);
void term_highlight(const struct term *t, struct term_cell *cells);
void term_select(struct term *t, const struct term_ev *ev);
/* sandbox.c */
/** term_sandbox() - from here on: no file, no program, no other descriptor. 0 or -errno. */
int term_sandbox(void);

#endif
