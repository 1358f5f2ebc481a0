/*
 * screen.h - a screen of cells for full-screen guests: draw into it, scr_show() sends what changed.
 * Ring 3, vCPU 0.
 */
#ifndef RT_SCREEN_H
#define RT_SCREEN_H

#include "rt.h"

#define SCR_COLS 240
#define SCR_ROWS 100

enum scr_style {
	ST_PLAIN,
	ST_DIM,
	ST_TITLE,
	ST_KEY,
	ST_GOOD,
	ST_WARN,
	ST_BAD,
	ST_ACCENT,
	ST_VALUE,
	ST_BAR,
	ST_BAR2,
	ST_TRACK,
	ST_HOT,
	ST_COOL,
	ST_STYLES
};

/** scr_begin() - start a frame: the size of the console now, all cells blank. */
void scr_begin(unsigned *cols, unsigned *rows);
void scr_show(void);
/** scr_redraw() - the next scr_show() sends every cell. */
void scr_redraw(void);
/** scr_text() - UTF-8 at a place, cut at the right edge; returns the column after it. */
int scr_text(int row, int col, enum scr_style style, const char *text);
int scr_printf(int row, int col, enum scr_style style, const char *format, ...)
	__attribute__((format(printf, 4, 5)));
void scr_cell(int row, int col, enum scr_style style, uint32_t codepoint);
/** scr_bar() - @value of @max as a bar of eighth blocks @width wide. */
void scr_bar(int row, int col, int width, enum scr_style style, uint64_t value, uint64_t max);
/** scr_title() - the first line: name, what it is, and the size at the right. */
void scr_title(const char *name, const char *what);
/** scr_keys() - "p pause  q quit" on the last lines: the first word of each pair is the key.
 * Returns the first row it took. */
int scr_keys(const char *keys);
/** scr_big() - @text in dots of font.h, two dots a cell (half blocks): 4 rows high, 6 columns a
 * character, times @scale. */
void scr_big(int row, int col, unsigned scale, enum scr_style style, const char *text);
/** scr_plain() - back to a normal screen with a cursor, for a program that ends. */
void scr_plain(void);
const char *scr_sgr(enum scr_style style); /* its escape sequence */

#endif
