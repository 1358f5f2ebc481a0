/*
 * sb.h - the scrollback: lines that left the screen, kept compactly in a ring. vitrine-term's one thread.
 *
 * A line of plain ASCII takes its bytes; others take runs of equal colours with UTF-8. The oldest lines
 * go when there are too many of them or of their bytes. Lines are known by a number that counts from
 * the first line ever and never changes.
 */
#ifndef TUI_TERM_SB_H
#define TUI_TERM_SB_H
#include <tui/term/wire.h>

enum { SB_LINES = 10000, SB_BYTES = 8 << 20 };

struct sb;

struct sb *sb_new(uint32_t max_lines, uint32_t max_bytes);
void sb_free(struct sb *sb);
/** sb_push() - @n cells as one line; trailing blanks are not kept. */
void sb_push(struct sb *sb, const struct term_cell *cells, unsigned n);
/** sb_push_ascii() - printable ASCII in the default colours. */
void sb_push_ascii(struct sb *sb, const char *text, unsigned n);
/** sb_first()/sb_end() - number of the oldest line, and of the line after the newest. */
uint64_t sb_first(const struct sb *sb);
uint64_t sb_end(const struct sb *sb);
/** sb_get() - line @number into @cells[@n], blank-filled. Return: cells used, 0 when there is no such line. */
unsigned sb_get(const struct sb *sb, uint64_t number, struct term_cell *cells, unsigned n);
/** sb_cut() - forget the lines from @number on. sb_clear(): all; numbers go on. */
void sb_cut(struct sb *sb, uint64_t number);
void sb_clear(struct sb *sb);

/** cell_blank() - a space in the default colours. */
void cell_blank(struct term_cell *cell);
/** cell_utf8() - the cell's characters as UTF-8 into @out[17]; returns the length without the 0. */
unsigned cell_utf8(const struct term_cell *cell, char *out);
unsigned utf8_put(uint32_t c, char *out);

#endif
