/*
 * view_hex.h - the parts of the hex view: view_hex.c (keys), hex_goto.c (addresses as people type them, names),
 * hex_fetch.c (reading what is shown), hex_find.c (searching, writing), hex_draw.c. Screen thread.
 */
#ifndef TUI_VIEW_HEX_H
#define TUI_VIEW_HEX_H
#include "tui/view.h"

#define HEX_WINDOW   8192 /* bytes shown at the most */
#define HEX_CHUNKS   (HEX_WINDOW / 4096 + 2)
#define HEX_PATTERN  64
#define HEX_HISTORY  16
#define HEX_NAMES    4	  /* symbols in one address */
#define HEX_FRESH    3	  /* readings for which a changed byte stays marked */

/* What is known of a stretch of memory, in the address space it was asked in. */
struct hex_window {
	uint64_t start;
	uint32_t len;
	uint8_t data[HEX_WINDOW];
	uint8_t present[HEX_WINDOW]; /* 1: it is a byte; 0: cannot be read */
	uint8_t fresh[HEX_WINDOW];   /* > 0: changed a moment ago */
};

/* A part of the window that lies in one page, so that it has one translation. */
struct hex_chunk {
	uint64_t addr, gpa;
	uint32_t len;
	bool mapped;
};

struct hex_place {
	uint64_t top, cursor;
	bool virt;
};

struct hex_panel {
	struct panel p;
	struct hex_panel *next_alive; /* see hex_alive() */
	struct view_reqs reqs;
	struct view_map map;
	bool virt;	       /* addresses are the vCPU's virtual ones */
	unsigned cpu, ncpus;
	uint64_t top, cursor;  /* first address on the screen; of the byte under the cursor */
	int per_row, rows, digits; /* as laid out last */
	bool ascii;

	struct hex_window shown, next; /* next: being read */
	struct hex_chunk chunk[HEX_CHUNKS];
	unsigned nchunks, missing;     /* missing: replies that next waits for */
	bool next_virt, stale;	       /* stale: what is being read is not what is wanted any more */
	uint64_t read_ms, now_ms;      /* when the last reading began */
	char problem[128];	       /* why nothing can be read, "" */
	unsigned goto_seq;

	char want_expr[96];	       /* an address that waits for registers or for the guest's symbols, "" */
	struct hex_name {	       /* what the guest's kernel said of the names in it */
		char name[96];
		uint64_t addr;
		enum { NAME_NEW, NAME_ASKED, NAME_FOUND, NAME_MISSING } state;
	} names[HEX_NAMES];
	unsigned nnames;
	bool want_regs;
	char no_name[160];	       /* why one of them was not found, "" */
	uint64_t at_addr;	       /* virtual address whose name was asked for last */
	char at_name[160];	       /* it, "" */
	bool at_asked;
	struct hex_place back[HEX_HISTORY];
	unsigned nback;

	/* search */
	uint8_t pattern[HEX_PATTERN];
	uint32_t pattern_len;
	char pattern_text[80];
	bool finding;
	uint64_t find_at, find_from, find_read; /* next address; where it began; bytes looked at */
	/* a write that waits for its yes */
	uint64_t write_gpa;
	uint8_t write[HEX_PATTERN];
	uint32_t write_len;
};

/* hex_fetch.c */
void hex_read(struct hex_panel *hp); /* begin to read the window, if nothing is under way */
void hex_tick(struct hex_panel *hp, uint64_t now_ms);
/** hex_byte() - what is known of @addr: -1 not read, -2 cannot be read; @fresh may be NULL. */
int hex_byte(const struct hex_panel *hp, uint64_t addr, bool *fresh);
/** hex_physical() - the guest physical address behind a shown address. */
bool hex_physical(const struct hex_panel *hp, uint64_t addr, uint64_t *gpa);

/* hex_find.c */
/** hex_pattern() - "48 89 07", 4889 07, or text (also in quotes). Return: bytes, 0 with words in @err. */
uint32_t hex_pattern(const char *text, uint8_t out[HEX_PATTERN], char *err, size_t err_size);
void hex_find_prompt(struct hex_panel *hp);
void hex_find_next(struct hex_panel *hp);
void hex_find_stop(struct hex_panel *hp, const char *why);
void hex_write_prompt(struct hex_panel *hp);

/* hex_goto.c */
/** hex_goto() - go to @text: numbers, registers and symbols, also of the kernel that runs in the guest. */
void hex_goto(struct hex_panel *hp, const char *text);
/** hex_take_regs() - the registers that hp->want_regs asked for. */
void hex_take_regs(struct hex_panel *hp, const struct vmc_regs *regs, const struct vmc_sregs *sregs);
void hex_goto_prompt(struct hex_panel *hp);
/** hex_name_cursor() - ask for the name of the virtual address under the cursor, if it is a new one. */
void hex_name_cursor(struct hex_panel *hp);

/* view_hex.c */
/** hex_alive() - does this panel still exist? For answers to prompts, which may come after it. */
bool hex_alive(const struct hex_panel *hp);
void hex_go(struct hex_panel *hp, uint64_t addr, bool virt); /* remembers where it was */

/* hex_draw.c */
void hex_layout(struct hex_panel *hp);
void hex_draw(struct hex_panel *hp);
/** hex_at() - the address drawn at (y, x); false: none. */
bool hex_at(const struct hex_panel *hp, int y, int x, uint64_t *addr);

#endif
