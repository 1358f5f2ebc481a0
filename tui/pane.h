/*
 * pane.h - the workstation's end of one vitrine-term: starts it, restarts it when it dies or hangs, hands it
 * the console's socket and the user's input, and keeps a checked copy of what it shows. Screen thread.
 * Knows no ncurses and no panel: panel_console.c draws.
 */
#ifndef TUI_PANE_H
#define TUI_PANE_H
#include <tui/term/grid_read.h>
#include <tui/term/wire.h>

struct pane;

struct pane_ops {
	/* A connected, non-blocking console socket, or -errno when the VM is not there (tried again later).
	 * @again: out, the same VM process as before, so that its history comes once more. */
	int (*connect)(void *arg, bool *again);
	/* The view changed, or pane_status() did. */
	void (*changed)(void *arg);
	/* One line for the message log: what happened to the pane. */
	void (*said)(void *arg, const char *line);
	/* The text of a pane_select(), 0-terminated; borrowed. */
	void (*text)(void *arg, const char *text, size_t len);
	void (*found)(void *arg, bool found, uint64_t line, unsigned col);
	/* Call pane_readable() when @fd is readable; and no longer. */
	int (*watch)(void *arg, int fd);
	void (*unwatch)(void *arg, int fd);
};

/** pane_new() - @program: NULL looks beside the caller's executable, then in libexecdir. NULL: no memory. */
struct pane *pane_new(const struct pane_ops *ops, void *arg, const char *program);
void pane_free(struct pane *p);
/** pane_start() - start vitrine-term and attach; later failures are told by ops. 0 or -errno. */
int pane_start(struct pane *p);
void pane_readable(struct pane *p, int fd);
/** pane_tick() - a few times a second: restarts, reattaches, watches for hangs, sends what had to wait. */
void pane_tick(struct pane *p, uint64_t now_ms);
/** pane_restart() - by the user's wish: a new vitrine-term, as if the old one had died without a cause. */
void pane_restart(struct pane *p);
/** pane_reattach() - leave this console and connect again (another stream). */
void pane_reattach(struct pane *p);

const struct term_view *pane_view(const struct pane *p);
/** pane_status() - a line for the user when the console is not simply there; "" when it is. */
const char *pane_status(const struct pane *p);
/** pane_pid() - of the vitrine-term, 0: none now. */
int pane_pid(const struct pane *p);

void pane_resize(struct pane *p, unsigned rows, unsigned cols);
void pane_visible(struct pane *p, bool on);
void pane_answers(struct pane *p, bool on); /* may the terminal answer the guest's questions? from the next attach */

/* Input. 0; -EAGAIN: not now, nothing was sent; -ENOBUFS: the guest does not read what it got;
 * -ENOTCONN: no console. The caller tells the user. */
int pane_key(struct pane *p, uint32_t ch, uint32_t key, uint32_t mods);
int pane_mouse(struct pane *p, int row, int col, int button, bool pressed, uint32_t mods);
/** pane_paste() - any length (at most 16 MiB, else -EFBIG); goes out as the guest reads. -EALREADY: one is. */
int pane_paste(struct pane *p, const char *text, size_t len);

int pane_scroll(struct pane *p, enum term_scroll how, int lines);
int pane_show_line(struct pane *p, uint64_t line);
/** pane_search() - @text NULL: the last one again; "" ends the highlighting. */
int pane_search(struct pane *p, const char *text, bool forward);
int pane_select(struct pane *p, uint64_t line0, unsigned col0, uint64_t line1, unsigned col1, bool block);

#endif
