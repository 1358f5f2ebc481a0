/* filter_priv.h - between filter.c and filter_seq.c. */
#ifndef TUI_TERM_FILTER_PRIV_H
#define TUI_TERM_FILTER_PRIV_H
#include <tui/term/filter.h>

/* OSC and OSC_ESC: the string of ESC ]; STRING and STRING_ESC: that of ESC P, X, ^ or _. */
enum { GROUND, ESC, CSI, OSC, OSC_ESC, STRING, STRING_ESC };

/* A printable ASCII character in the character set in use, as UTF-8 of at most 3 bytes. */
size_t filter_map(const struct filter *f, char c, char *out);
void filter_control(struct filter *f, unsigned char c);
void filter_esc(struct filter *f, unsigned char c);
void filter_csi(struct filter *f, unsigned char c);
void filter_keep(struct filter *f, unsigned char c);
void filter_string_end(struct filter *f, bool osc, bool terminated);

#endif
