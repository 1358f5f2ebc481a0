/*
 * panel.h - what a panel (a framed part of the screen that shows one thing) is, and how it draws.
 * Screen thread only.
 *
 * A panel is one file with one const struct panel_ops. It keeps its own state in a struct that begins with
 * struct panel, never touches ncurses' windows, and draws through the ui_draw_ calls below, which clip to its
 * rectangle. Handlers answer what must happen next; the manager (layout.c, screen.c) acts.
 */
#ifndef TUI_PANEL_H
#define TUI_PANEL_H
#include <stdbool.h>
#include <stdint.h>
#include <vmcore/client.h>

struct ui;
struct ui_vm; /* one VM as the workstation knows it: tui/vm.h */
struct ui_cmd;
struct panel;

struct ui_rect {
	int y, x, h, w;
};

/* Semantic colours: a theme (themes/NAME.cfg) gives each a colour and attributes. */
enum ui_role {
	ROLE_DEFAULT,	   /* text on the background */
	ROLE_DIM,	   /* less important text */
	ROLE_BOLD,
	ROLE_TITLE,	   /* a panel's title */
	ROLE_TITLE_FOCUS,
	ROLE_BORDER,
	ROLE_BORDER_FOCUS,
	ROLE_STATUS,	   /* the bottom line */
	ROLE_MODE_CONTROL, /* [CONTROL] */
	ROLE_MODE_CONSOLE, /* [CONSOLE] */
	ROLE_SELECTED,	   /* the cursor line of a list */
	ROLE_KEY,	   /* a key's name in help and hints */
	ROLE_LABEL,	   /* "rax", "io-out" */
	ROLE_VALUE,
	ROLE_CHANGED,	   /* a value that changed since the last sample */
	ROLE_GOOD,	   /* running */
	ROLE_WARN,	   /* paused */
	ROLE_BAD,	   /* crashed, errors */
	ROLE_BAR,	   /* bars: filled */
	ROLE_BAR_EMPTY,
	ROLE_RAM,	   /* memory map kinds */
	ROLE_ROM,
	ROLE_MMIO,
	ROLE_PIO,
	ROLE_HOLE,
	ROLE_CURSOR,	   /* a view's own cursor */
	ROLE_PROMPT,
	ROLE_SEARCH,
	ROLE_HEAT_NONE,	   /* not memory */
	ROLE_HEAT0,	   /* untouched ... */
	ROLE_HEAT15 = ROLE_HEAT0 + 15, /* ... all written just now */
	ROLE_COUNT
};

/*
 * Keys as panels get them: a character is its Unicode value below 0x100; above it carries UI_KEY_CHAR, because
 * ncurses' own codes (KEY_UP ...) begin there. Modifiers of special keys, and Alt of any key, are flags.
 * raw_key() gets the same with is_code telling the two apart: characters come without UI_KEY_CHAR, Alt-x as
 * ESC, then x; special keys as KEY_* | flags.
 */
enum {
	UI_KEY_SHIFT = 1 << 22,
	UI_KEY_CTRL  = 1 << 23,
	UI_KEY_ALT   = 1 << 24,
	UI_KEY_CHAR  = 1 << 25,
	UI_KEY_MODS  = UI_KEY_SHIFT | UI_KEY_CTRL | UI_KEY_ALT,
};
#define UI_KEY_ESC 27
#define UI_KEY_ENTER '\r' /* KEY_ENTER and '\n' arrive as this */
#define UI_KEY_TAB '\t'
#define UI_KEY_BACKSPACE 127 /* KEY_BACKSPACE and ^H arrive as this in CONTROL mode */

enum panel_result {
	PANEL_IGNORED, /* not for me: try the global keys */
	PANEL_HANDLED, /* done, nothing to draw */
	PANEL_REDRAW,  /* done, draw me */
	PANEL_CLOSE,   /* take me away */
};

struct panel_mouse {
	int y, x;      /* inside the panel */
	enum { MOUSE_PRESS, MOUSE_RELEASE, MOUSE_DRAG, MOUSE_WHEEL_UP, MOUSE_WHEEL_DOWN } what;
	int button;    /* 1..3 */
	bool shift, ctrl, alt;
};

struct panel_ops {
	const char *name;  /* "vcpu": in commands, layouts and the config */
	const char *help;  /* one line for ? */
	int min_h, min_w;  /* of the inside; below, the layout leaves the panel out */
	bool per_vm;	   /* shows one VM; create() gets it */
	const struct ui_cmd *const *cmds; /* its own commands, NULL-terminated; may be NULL */

	struct panel *(*create)(struct ui *ui, struct ui_vm *vm);
	void (*destroy)(struct panel *p);
	void (*draw)(struct panel *p);		    /* the whole inside; the canvas is cleared before */
	void (*resized)(struct panel *p);	    /* p->rect is new; may be NULL */
	void (*title)(struct panel *p, char *out, size_t size); /* may be NULL: name */
	enum panel_result (*key)(struct panel *p, int key);	/* CONTROL mode; ncurses key codes, UI_KEY_* */
	enum panel_result (*raw_key)(struct panel *p, int key, bool is_code); /* CONSOLE mode: to the guest */
	enum panel_result (*mouse)(struct panel *p, const struct panel_mouse *m);
	enum panel_result (*paste)(struct panel *p, const char *text, size_t len); /* CONSOLE mode */
	/* Adds what it wants to see to its VM's subscription; asked when it becomes visible or says ui_want(). */
	void (*want)(struct panel *p, struct vmc_subscription *sub);
	enum panel_result (*sample)(struct panel *p, const struct vmc_sample *s);
	/* While visible, up to 10 a second, and once after it was hidden; may be NULL. */
	enum panel_result (*tick)(struct panel *p, uint64_t now_ms);
	/* Where the terminal's cursor goes when focused in CONSOLE mode; false: hidden. May be NULL. */
	bool (*cursor)(struct panel *p, int *y, int *x);
	/* A '/' filter for lists; NULL: no filter. "" ends it. */
	void (*filter)(struct panel *p, const char *text);
};

struct panel {
	const struct panel_ops *ops;
	struct ui *ui;
	struct ui_vm *vm;     /* NULL when not per VM */
	struct ui_rect rect;  /* the inside, on the screen */
	bool visible, focused;
	bool ticked;	      /* the manager's: was visible at the last tick */
	bool stale;	      /* must be drawn */
};

/* ---- drawing: (y, x) inside the panel, clipped to it ---- */

/** ui_draw() - printf at (y, x); UTF-8; control and bidi characters come out as '?'. Return: columns used. */
int ui_draw(struct panel *p, int y, int x, enum ui_role role, const char *fmt, ...)
	__attribute__((format(printf, 5, 6)));
/** ui_draw_cell() - one character with colours of its own (0..255, -1: the theme's default; attrs A_BOLD...). */
void ui_draw_cell(struct panel *p, int y, int x, const uint32_t *chars, int nchars, int width, int fg, int bg,
	uint32_t attrs);
/** ui_draw_half() - an upper half block: two roles in one character (heatmap). Without UTF-8 or colours it
 * draws the hotter of the two as a shade, so call it for heat roles only. */
void ui_draw_half(struct panel *p, int y, int x, enum ui_role upper, enum ui_role lower, bool cursor);
/** ui_draw_bar() - a bar of @w columns filled to @value of @max (eighth blocks; '#' in ASCII). */
void ui_draw_bar(struct panel *p, int y, int x, int w, uint64_t value, uint64_t max, enum ui_role role);
void ui_draw_fill(struct panel *p, int y, int x, int h, int w, enum ui_role role);
bool ui_ascii(const struct ui *ui); /* no UTF-8 here, or the user wants ASCII */

/* ---- asking the workstation ---- */

/** ui_mark() - draw @p in the next frame. */
void ui_mark(struct panel *p);
/** ui_want() - what the panel wants to see has changed. */
void ui_want(struct panel *p);
/** ui_say()/ui_warn() - a line at the bottom for a few seconds, and in the message log. */
void ui_say(struct ui *ui, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void ui_warn(struct ui *ui, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/** ui_ask() - a yes/no question at the bottom; @answer(arg, true) on y only. */
void ui_ask(struct ui *ui, void (*answer)(void *arg, bool yes), void *arg, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
/** ui_prompt() - a line of input with @initial text; @done(arg, NULL) when given up. */
void ui_prompt(struct ui *ui, const char *label, const char *initial, void (*done)(void *arg, const char *text),
	void *arg);
/** ui_watch_fd() - call @fn on the screen thread when @fd is readable (libevent); 0 or -errno. */
int ui_watch_fd(struct ui *ui, int fd, void (*fn)(void *arg, int fd), void *arg);
void ui_unwatch_fd(struct ui *ui, int fd);
/** ui_vm_name()/ui_vm_conn() - of the panel's VM; conn is NULL while it is not running. */
const char *ui_vm_name(const struct ui_vm *vm);
struct vmc_conn *ui_vm_conn(const struct ui_vm *vm);
/** ui_vm_info() - last known x-query-vm reply; never NULL. */
const struct vmc_vm_info *ui_vm_info(const struct ui_vm *vm);
struct vmc_symbols *ui_vm_symbols(struct ui_vm *vm); /* of its kernel; may be NULL */
/* of a packed kernel's System.map or vmlinux, for one that runs at @base and keeps none of its own; may be NULL */
struct vmc_symbols *ui_vm_symbols_beside(struct ui_vm *vm, uint64_t base);
/** ui_open_panel() - show (or focus) the panel @name for @vm. */
struct panel *ui_open_panel(struct ui *ui, struct ui_vm *vm, const char *name);
/** ui_hex_address() - where ui_goto_hex() wants the hex view of @vm to be; *@seq changes with each call of it. */
uint64_t ui_hex_address(const struct ui_vm *vm, unsigned *seq);
/** ui_guest_may() - has the user allowed this to the guest of @vm? */
enum ui_guest_right {
	UI_GUEST_TITLE,	 /* have the title it sets shown on its console (guest-titles; "none" unless set) */
	UI_GUEST_ANSWER, /* get answers to questions about the terminal (guest-answers; "all" unless set) */
};
bool ui_guest_may(const struct ui *ui, const struct ui_vm *vm, enum ui_guest_right what);
/** ui_clipboard() - text the user copied: to the terminal's clipboard, if the option clipboard is on. */
void ui_clipboard(struct ui *ui, const char *text, size_t len);
/** ui_goto_hex() - show guest memory at @gpa in the hex view of @vm. */
void ui_goto_hex(struct ui *ui, struct ui_vm *vm, uint64_t gpa);

/* ---- every panel there is (panels.c); the names its commands, layouts and the config use ---- */
extern const struct panel_ops panel_vms;       /* "vms"       VM list */
extern const struct panel_ops panel_console;   /* "console"   hvc0 */
extern const struct panel_ops panel_serial;    /* "serial"    ttyS0, the same code with stream 1 */
extern const struct panel_ops panel_vcpu;      /* "vcpu" */
extern const struct panel_ops panel_memmap;    /* "memmap" */
extern const struct panel_ops panel_heat;      /* "heat" */
extern const struct panel_ops panel_hex;       /* "hex" */
extern const struct panel_ops panel_devices;   /* "devices"   virtio queues and features */
extern const struct panel_ops panel_snapshots; /* "snapshots" */
extern const struct panel_ops panel_log;       /* "log"       what the VM's process said */
extern const struct panel_ops panel_messages;  /* "messages"  what the workstation said */
extern const struct panel_ops panel_help;      /* "help" */
extern const struct panel_ops *const panel_table[]; /* NULL-terminated */

#endif
