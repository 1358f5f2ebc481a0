/* pane_priv.h - between pane.c and pane_proc.c. */
#ifndef TUI_PANE_PRIV_H
#define TUI_PANE_PRIV_H
#include <tui/pane.h>

#define PANE_TOO_LONG "it took too long over one piece of output"

struct pane {
	const struct pane_ops *ops;
	void *arg;
	char *program;
	struct term_view view;
	char status[160];

	/* the process, when pid > 0 */
	int pid, control, wake;
	struct term_grid *grid; /* read-only, and not to be believed */

	/* what has to be done when it is possible */
	bool attached;	  /* it has a console's socket */
	bool ever;	  /* one did before */
	bool unsent_size, unsent_visible;
	bool visible, answers;
	unsigned rows, cols;
	char *paste;
	size_t paste_len, paste_sent;
	uint64_t retry_ms; /* of a connect or a restart; 0: none due */

	/* dying */
	unsigned deaths;     /* in a row */
	unsigned suspect;    /* of these, in which the history may have had a part */
	uint64_t born_ms;
	uint32_t busy;	     /* heartbeat as last seen, and when it changed */
	uint64_t busy_since_ms;
	uint32_t context, chunk; /* what killed the last one; chunk 0: not known */
	uint8_t poison[TERM_CONTEXT_MAX + TERM_CHUNK_MAX];

	char *text; /* a selection that arrives in pieces */
	size_t text_len;
};

/* pane_proc.c */
int pane_spawn(struct pane *p);
/** pane_reap() - end the process, keep what it was parsing. @why: out, how it ended. Return: was it SIGKILL? */
bool pane_reap(struct pane *p, char *why, size_t size);
/** pane_send() - an event with @data and a descriptor (-1: none). 0 or -errno. */
int pane_send(struct pane *p, struct term_ev *ev, const void *data, size_t len, int fd);

#endif
