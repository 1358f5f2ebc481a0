/*
 * input.h - key codes of our own that ncurses is taught, for input.c and tty.c.
 */
#ifndef TUI_INPUT_H
#define TUI_INPUT_H

enum {
	CODE_MODIFIED = 0x4000, /* + 8 * index of the key + modifiers: see input_define_keys() */
	CODE_MOUSE = 0x5000,	/* ESC [ <   the numbers follow */
	CODE_SYNC,		/* ESC [ ? 2026 ;   the answer follows */
	CODE_PASTE_BEGIN,
	CODE_PASTE_END,
};
void input_define_keys(void);

#endif
