/*
 * console.h - the console panel's insides: panel_console.c (the panel), console_copy.c (looking back, selecting,
 * searching), console_keys.c (keys as vitrine-term wants them). Screen thread.
 */
#ifndef TUI_CONSOLE_H
#define TUI_CONSOLE_H
#include <tui/command.h>
#include <tui/pane.h>
#include <tui/panel.h>

struct console {
	struct panel p;
	struct pane *pane;
	unsigned stream;   /* 0: hvc0, 1: ttyS0 */
	int32_t vm_pid;	   /* of the VM process whose console it is; another one has another history */
	int sent_rows, sent_cols; /* told to the VM on: */
	const struct vmc_conn *sent_to;
	uint32_t bells;
	int buttons;	   /* mouse buttons held in the guest */
	bool warned_full;  /* the guest does not read: said once, until it does */

	/* copy mode */
	bool copy, selecting, block;
	bool copy_pending; /* the text is on its way */
	bool searching_forward;
	int cy, cx;	   /* the cursor, in the view */
	uint64_t anchor_line;
	int anchor_col;
	uint32_t geometry; /* line numbers are valid for this one */
	char search[128];
	uint64_t goto_line; /* a match that is on its way into view */
	bool goto_pending;
};

/* console_copy.c */
void console_copy_start(struct console *c);
void console_copy_end(struct console *c);
enum panel_result console_copy_key(struct console *c, int key);
bool console_selected(const struct console *c, uint64_t line, int col);
void console_got_text(struct console *c, const char *text, size_t len);
void console_found(struct console *c, bool found, uint64_t line, unsigned col);
void console_search_prompt(struct console *c, bool forward);
void console_copy_follow(struct console *c);
void console_search_forget(struct console *c);
/** console_copied() - what was copied last, in any console; NULL: nothing yet. */
const char *console_copied(size_t *len);
/* console_keys.c */
enum panel_result console_raw_key(struct panel *p, int key, bool is_code);
enum panel_result console_mouse(struct panel *p, const struct panel_mouse *m);
enum panel_result console_paste(struct panel *p, const char *text, size_t len);

#endif
