/*
 * ui.h - the insides of the workstation, shared by the files of the screen. Everything here belongs to the
 * screen thread; there is no other.
 */
#ifndef TUI_UI_H
#define TUI_UI_H
#include <ncurses.h>
#include "tui/command.h"
#include "tui/panel.h"
#include "tui/screen.h"

struct event;
struct event_base;

#define UI_MIN_ROWS 8
#define UI_MIN_COLS 40
#define UI_MSG_SIZE 512

/* ---- options (config.c): vitrine.cfg, then the command line ---- */
struct ui_options {
	char theme[32], layout[256];
	int prefix;	       /* the key that leaves CONSOLE mode */
	bool ascii, mouse, rounded;
	bool clipboard;	       /* what is copied in a console goes to the terminal's clipboard too */
	char guest_titles[256], guest_answers[256]; /* "none", "all", or the VMs that may */
	int frames_per_s;      /* at most */
	int shutdown_s;	       /* what a guest has to shut down before it is turned off; 0: as long as it likes */
	int sample_ms;	       /* how often visible panels want samples, at the least */
	char config_file[512]; /* what was read, "" when there is none */
};
int config_load(struct ui *ui, const char *file); /* -ENOENT, -EINVAL; has said why with ui_warn() */
int config_set(struct ui *ui, const char *name, const char *value);
void config_option_names(struct ui *ui, const char *prefix, void (*add)(void *, const char *), void *arg);

/* ---- colours (theme.c, palette.c) ---- */
struct ui_style {
	short fg, bg; /* 0..255, -1: the terminal's own */
	attr_t attr;
};
struct ui_theme {
	char name[32], about[80];
	bool colour; /* false: attributes and shades only */
	struct ui_style role[ROLE_COUNT];
};
int theme_load(struct ui *ui, const char *name); /* on failure the theme stays; has said why */
void theme_default(struct ui_theme *theme);
/** theme_each() - every theme that can be found, by name, each once. */
void theme_each(void (*fn)(void *arg, const char *name), void *arg);
const char *theme_next(struct ui *ui, char *out, size_t size);
const char *theme_role_name(enum ui_role role);

void palette_start(bool no_color);
bool palette_has_color(void);
/** palette_pair() - a colour pair for two of the 256 colours, as near as the terminal can. */
int palette_pair(int fg, int bg);
/** palette_same() - do these two come out as one colour on this terminal? */
bool palette_same(int a, int b);
int palette_from_rgb(unsigned rgb);
/** palette_overflowed() - pairs had to be given away since the last call: all must be drawn again. */
bool palette_overflowed(void);

/* ---- the terminal (tty.c) ---- */
int tty_open(struct ui *ui, char *err, size_t err_size);
void tty_close(void);	/* back to what it was; twice is fine */
void tty_suspend(void); /* SIGTSTP: restore, stop, and take it back when continued */
void tty_resume(void);
void tty_resized(void);
void tty_flush(bool sync); /* the frame goes out */
void tty_mouse(bool on);
void tty_clipboard(const char *text, size_t len); /* OSC 52; at most 64 KiB, or nothing */
void tty_sync_known(bool supported); /* the terminal has answered about mode 2026 */

/* ---- keys (keys.c: names and map; input.c: reading) ---- */
struct keymap_entry {
	int key;
	char line[96]; /* a command and its arguments */
	bool prefix;   /* after the prefix in CONSOLE mode */
	bool user;     /* from vitrine.cfg */
};
struct keymap {
	struct keymap_entry *e;
	size_t n, size;
};
int key_parse(const char *name); /* -1: no such key */
const char *ui_key_name(int key, char *out, size_t size);
void key_hint(struct ui *ui, const char *command, char *out, size_t size); /* "p" or "" */
void keymap_defaults(struct keymap *map);
int keymap_bind(struct keymap *map, int key, const char *line, bool prefix, bool user);
void keymap_unbind_command(struct keymap *map, const char *command);
const struct keymap_entry *keymap_find(const struct keymap *map, int key, bool prefix);
void keymap_free(struct keymap *map);

void input_start(struct ui *ui);
void input_read(struct ui *ui); /* all that is there */

/* ---- the bottom line: messages, questions, prompts, the palette (line.c, editor.c) ---- */
struct line_editor {
	char text[512];
	size_t len, cur; /* bytes; cur is at a character's start */
};
enum editor_result { EDIT_NONE, EDIT_CHANGED, EDIT_DONE, EDIT_CANCEL };
void editor_set(struct line_editor *ed, const char *text);
void editor_insert(struct line_editor *ed, const char *text);
enum editor_result editor_key(struct line_editor *ed, int key);

#define HISTORY_SIZE 64
#define COMPLETIONS_MAX 128
struct ui_line {
	enum { LINE_NONE, LINE_PROMPT, LINE_PALETTE, LINE_FILTER, LINE_ASK } kind;
	char label[UI_MSG_SIZE];
	struct line_editor ed;
	void (*done)(void *arg, const char *text);
	void (*answer)(void *arg, bool yes);
	void *arg;
	char message[UI_MSG_SIZE]; /* shown for a while */
	bool bad;		   /* it is a warning */
	uint64_t message_until_ms, message_since_ms;
	bool message_tall;	   /* it took more than the line */
	char *history[HISTORY_SIZE];
	int nhistory, history_at;
	char *completion[COMPLETIONS_MAX]; /* for the word being typed */
	int ncompletion, completion_at;	   /* at -1: none chosen */
	size_t completion_start;	   /* where the word begins in the text */
};
bool line_active(const struct ui *ui);
void line_key(struct ui *ui, int key);
void line_paste(struct ui *ui, const char *text);
void line_palette(struct ui *ui, const char *initial);
void line_filter(struct ui *ui, struct panel *p);
void line_draw(struct ui *ui);	/* the bottom line */
void line_popup(struct ui *ui); /* completions above it */
bool line_cursor(struct ui *ui, int *y, int *x);
void line_tick(struct ui *ui, uint64_t now_ms);
void line_seen(struct ui *ui); /* a key was pressed: a message in the way has been read */
void line_free(struct ui *ui);
void complete_line(struct ui *ui); /* complete.c: fills completion[] for ed */

/* ---- messages (messages.c) ---- */
struct ui_message {
	int64_t time_s;
	bool bad;
	char text[UI_MSG_SIZE];
};
#define MESSAGES_MAX 512
const struct ui_message *message_get(const struct ui *ui, size_t index); /* 0: the oldest kept */
size_t message_count(const struct ui *ui);
int message_log_open(struct ui *ui);
void message_log_close(struct ui *ui);

/* ---- layout (layout.c: the tree; place.c: sizes; tabs.c: workspaces; frames.c: borders) ---- */
enum node_kind { NODE_LEAF, NODE_COLS, NODE_ROWS };
struct node {
	enum node_kind kind;
	struct node *parent, *first, *next;
	int weight, min, max; /* along the parent's direction, borders included; 0: no wish */
	bool consoles;	      /* a leaf that stands for a console of each running VM */
	const struct panel_ops *ops, *back; /* back: what q returns to */
	const struct panel_ops *from; /* and what had the focus then */
	struct ui_vm *vm;	/* NULL: the selected one */
	struct panel *panel;
	struct ui_rect outer;	/* borders included */
	bool shown;
	unsigned used; /* ui->focus_count when it had the focus last */
};
struct tab {
	char name[32], spec[256];
	bool custom;	   /* the user has changed it by hand: it is not made anew */
	bool by_views;	   /* only in that views were opened over others; with the last of them gone it is not custom */
	bool zoom;
	struct node *root, *focus;
};
#define TABS_MAX 9
struct node *node_new(enum node_kind kind);
struct node *node_leaf(const struct panel_ops *ops, struct ui_vm *vm);
void node_free(struct node *node);
void node_append(struct node *parent, struct node *child);
struct node *node_replace(struct node *old, struct node *new_node); /* returns old, detached */
struct node *node_remove(struct node *root, struct node *leaf);	    /* the new root */
struct node *node_split(struct node *leaf, enum node_kind kind, struct node *added, struct node *root);
struct node *node_next_leaf(struct node *root, struct node *leaf, bool shown_only);
struct node *node_parse(const char *spec, char *err, size_t err_size);
void node_place(struct node *root, struct ui_rect area, const struct node *keep);
int node_min(const struct node *node, bool vertical);

void tabs_init(struct ui *ui);
void tabs_free(struct ui *ui);
void tabs_prepare(struct ui *ui); /* the current one, for the VMs there are */
void tabs_forget_vm(struct ui *ui, struct ui_vm *vm); /* no leaf may point at it any more */
struct tab *tab_current(struct ui *ui);
int tab_add(struct ui *ui, const char *layout);
void tab_close(struct ui *ui);
void tab_go(struct ui *ui, int index);
int tab_layout(struct ui *ui, const char *layout); /* of the current tab */
void layouts_each(struct ui *ui, void (*fn)(void *arg, const char *name), void *arg);
int layout_define(struct ui *ui, const char *name, const char *spec, char *err, size_t err_size);

void ui_layout(struct ui *ui); /* place everything anew */
void ui_focus(struct ui *ui, struct node *leaf);
struct node *ui_focused(struct ui *ui);
struct panel *ui_focused_panel(struct ui *ui);
struct node *ui_leaf_of(struct ui *ui, const struct panel *p);
void ui_show_view(struct ui *ui, struct node *leaf, const struct panel_ops *ops);
bool ui_move_focus(struct ui *ui, int dy, int dx);
int ui_resize_leaf(struct ui *ui, int delta, int dy, int dx);
void frames_compute(struct ui *ui);
void frames_draw(struct ui *ui);
const struct panel_ops *panel_by_name(const char *name);
int panel_vms_width(const struct ui_vm *vm); /* what its row in the list needs (panel_vms.c) */

/* panels that exist (pool.c) */
struct panel *pool_get(struct ui *ui, const struct panel_ops *ops, struct ui_vm *vm);
void pool_hide_all(struct ui *ui);
void pool_settle(struct ui *ui); /* after placing: tell what changed, drop what is long unused */
void pool_drop_vm(struct ui *ui, struct ui_vm *vm);
void pool_free(struct ui *ui);

/* ---- drawing outside of panels (draw.c) ---- */
int draw_text(struct ui *ui, int y, int x, int w, enum ui_role role, const char *text);
void draw_fill(struct ui *ui, int y, int x, int h, int w, enum ui_role role);
void draw_wch(struct ui *ui, int y, int x, wchar_t ch, enum ui_role role);
int text_width(const char *text);
/** text_fit() - bytes of @text that fit into @w columns, up to a blank where there is one in the second half. */
size_t text_fit(const char *text, int w);

/* ---- commands (commands.c, cmd_*.c) ---- */
extern const struct ui_cmd command_table[]; /* ends with a NULL name */
const struct ui_cmd *command_find(const char *name);
/** command_here() - the workstation's, or the focused view's own; NULL: none. */
const struct ui_cmd *command_here(struct ui *ui, const char *name);
int command_run(struct ui *ui, const char *line); /* 0 or -errno; has said why */
int command_exec(struct ui *ui, int argc, char **argv);

/* ---- the workstation ---- */
struct watch;
struct named_layout {
	char name[32], spec[256];
};
struct ui {
	struct event_base *base;
	struct ui_options opt;
	struct ui_theme theme;
	struct keymap keys;
	bool utf8, no_color;
	int rows, cols;
	bool too_small;

	bool console_mode;   /* keys go to the focused pane */
	bool prefix_pending; /* the prefix was pressed, the next key decides */

	struct ui_vm **vms; /* by name */
	size_t nvms;
	struct ui_vm *sel;

	struct panel **pool;
	size_t npool, pool_size;
	struct panel *overlay; /* help, forms: above everything, has the keys */

	struct tab tabs[TABS_MAX];
	int ntabs, tab;
	struct named_layout layouts[16]; /* from vitrine.cfg */
	int nlayouts;
	uint8_t *border; /* rows x cols, which arms each border cell has */
	struct node *drag; /* the leaf whose border is being dragged */
	int drag_y, drag_x;

	struct ui_line line;
	struct ui_message *messages; /* a ring of MESSAGES_MAX */
	size_t message_first, nmessages;
	uint64_t message_serial;
	int log_fd;

	struct watch *watches;
	struct event *ev_frame, *ev_tick, *ev_scan, *ev_tty, *ev_signal[6];
	int inotify_fd;
	bool frame_armed, draw_all, draw_frames, draw_line, layout_stale, want_stale;
	uint64_t last_frame_ms, frames;
	uint64_t frame_cost_ms, typed_ms; /* the last frame took; the last key or click came */
	unsigned focus_count;
	bool quit;
	int exit_code;
};

uint64_t ui_now_ms(void);
void ui_schedule(struct ui *ui);    /* a frame will come */
void ui_redraw_all(struct ui *ui);
void ui_relayout(struct ui *ui);    /* place everything anew before the next frame */
void ui_select(struct ui *ui, struct ui_vm *vm);
void ui_set_console_mode(struct ui *ui, bool on);
void ui_overlay(struct ui *ui, struct panel *p); /* takes it; NULL closes */
void ui_apply(struct ui *ui, struct panel *p, enum panel_result r);
void ui_quit(struct ui *ui);

#endif
