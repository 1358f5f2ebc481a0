/*
 * panel_console.c - the console of a VM in a panel: hvc0 ("console") or ttyS0 ("serial"). Screen thread.
 *
 * It draws the checked copy of what its vitrine-term publishes (pane.h), and never sees a byte the guest printed.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <ncurses.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <tui/console.h>

static const struct ui_cmd *const console_cmds[];

/* ---- what the pane wants ---- */

static int on_connect(void *arg, bool *again)
{
	struct console *c = arg;
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	int32_t pid = ui_vm_info(c->p.vm)->pid;
	int rc, fd;

	rc = vmc_path_console(ui_vm_name(c->p.vm), c->stream, sa.sun_path, sizeof(sa.sun_path));
	if (rc < 0)
		return rc;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	if (connect(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0) {
		rc = -errno;
		close(fd);
		return rc;
	}
	*again = pid && pid == c->vm_pid;
	pane_answers(c->pane, ui_guest_may(c->p.ui, c->p.vm, UI_GUEST_ANSWER));
	c->vm_pid = pid;
	return fd;
}

static void on_changed(void *arg)
{
	struct console *c = arg;
	const struct term_view *v = pane_view(c->pane);

	if (v->bells != c->bells && c->p.visible && !c->p.focused)
		ui_say(c->p.ui, "bell in %s", ui_vm_name(c->p.vm));
	c->bells = v->bells;
	if (c->copy)
		console_copy_follow(c);
	ui_mark(&c->p);
}

static void on_said(void *arg, const char *line)
{
	struct console *c = arg;

	ui_warn(c->p.ui, "%s: %s", ui_vm_name(c->p.vm), line);
}

static void on_text(void *arg, const char *text, size_t len)
{
	console_got_text(arg, text, len);
}

static void on_found(void *arg, bool found, uint64_t line, unsigned col)
{
	console_found(arg, found, line, col);
}

static void readable(void *arg, int fd)
{
	pane_readable(((struct console *)arg)->pane, fd);
}

static int on_watch(void *arg, int fd)
{
	return ui_watch_fd(((struct console *)arg)->p.ui, fd, readable, arg);
}

static void on_unwatch(void *arg, int fd)
{
	ui_unwatch_fd(((struct console *)arg)->p.ui, fd);
}

static const struct pane_ops pane_ops = {
	.connect = on_connect, .changed = on_changed, .said = on_said, .text = on_text, .found = on_found,
	.watch = on_watch, .unwatch = on_unwatch,
};

/* ---- the panel ---- */

static struct panel *create(struct ui *ui, struct ui_vm *vm, const struct panel_ops *ops, unsigned stream)
{
	struct console *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->p.ops = ops;
	c->p.ui = ui;
	c->p.vm = vm;
	c->stream = stream;
	c->pane = pane_new(&pane_ops, c, NULL);
	if (!c->pane) {
		free(c);
		return NULL;
	}
	return &c->p;
}

static struct panel *console_create(struct ui *ui, struct ui_vm *vm)
{
	return create(ui, vm, &panel_console, 0);
}

static struct panel *serial_create(struct ui *ui, struct ui_vm *vm)
{
	return create(ui, vm, &panel_serial, 1);
}

static void console_destroy(struct panel *p)
{
	struct console *c = (struct console *)p;

	console_search_forget(c);
	pane_free(c->pane);
	free(c);
}

/* hvc0 follows the panel's size; ttyS0 has none. Said again to each new connection. */
static void tell_size(struct console *c)
{
	struct vmc_conn *conn = ui_vm_conn(c->p.vm);

	if (c->stream || !conn || !c->p.visible || c->p.rect.h < TERM_MIN_ROWS || c->p.rect.w < TERM_MIN_COLS)
		return;
	if (conn == c->sent_to && c->sent_rows == c->p.rect.h && c->sent_cols == c->p.rect.w)
		return;
	if (vmc_conn_resize(conn, (uint16_t)c->p.rect.w, (uint16_t)c->p.rect.h) < 0)
		return;
	c->sent_to = conn;
	c->sent_rows = c->p.rect.h;
	c->sent_cols = c->p.rect.w;
}

static void console_resized(struct panel *p)
{
	struct console *c = (struct console *)p;

	if (p->rect.h < 1 || p->rect.w < 1)
		return;
	pane_resize(c->pane, (unsigned)p->rect.h, (unsigned)p->rect.w);
	if (!pane_pid(c->pane) && !pane_view(c->pane)->rows)
		pane_start(c->pane); /* says itself what is wrong, and tries again */
	tell_size(c);
}

static enum panel_result console_tick(struct panel *p, uint64_t now_ms)
{
	struct console *c = (struct console *)p;

	pane_visible(c->pane, p->visible);
	pane_tick(c->pane, now_ms);
	tell_size(c);
	return PANEL_HANDLED;
}

static uint32_t attributes(const struct console *c, const struct term_cell *cell, uint64_t line, int col)
{
	uint32_t a = (cell->attrs & TERM_A_BOLD ? A_BOLD : 0) | (cell->attrs & TERM_A_UNDERLINE ? A_UNDERLINE : 0) |
		(cell->attrs & TERM_A_ITALIC ? A_ITALIC : 0) | (cell->attrs & TERM_A_BLINK ? A_BLINK : 0) |
		(cell->attrs & TERM_A_REVERSE ? A_REVERSE : 0) | (cell->attrs & TERM_A_STRIKE ? A_DIM : 0);

	if (console_selected(c, line, col))
		a ^= A_REVERSE;
	if (c->copy && c->cy == (int)(line - pane_view(c->pane)->top_line) && c->cx == col)
		a ^= A_REVERSE; /* CONTROL mode has no terminal cursor */
	return a;
}

static void draw_row(struct console *c, int y)
{
	const struct term_view *v = pane_view(c->pane);
	const struct term_cell *row = v->cells + (size_t)y * v->cols;

	for (int x = 0; x < (int)v->cols && x < c->p.rect.w; x++) {
		const struct term_cell *cell = &row[x];
		int n = 1, fg = cell->fg == TERM_COLOR_DEFAULT ? -1 : cell->fg;
		int bg = cell->bg == TERM_COLOR_DEFAULT ? -1 : cell->bg;
		uint32_t a = attributes(c, cell, v->top_line + (uint64_t)y, x);

		if (!cell->width)
			continue;
		if (cell->attrs & TERM_A_FOUND) {
			fg = 0;
			bg = 11;
			a = A_BOLD | (a & A_REVERSE);
		}
		if (cell->ch[0] == ' ' && !cell->ch[1] && fg == -1 && bg == -1 && !a)
			continue; /* the canvas is clear */
		while (n < TERM_CELL_CHARS && cell->ch[n])
			n++;
		ui_draw_cell(&c->p, y, x, cell->ch, n, cell->width, fg, bg, a);
	}
}

/* One line about the pane itself, over the guest's last row. */
static void draw_status(struct console *c)
{
	const struct term_view *v = pane_view(c->pane);
	const char *status = pane_status(c->pane);
	char where[64];
	int y = c->p.rect.h - 1;

	if (v->view_offset || c->copy) {
		snprintf(where, sizeof(where), " %" PRIu64 "/%" PRIu64 " ", v->view_offset, v->sb_lines);
		ui_draw(&c->p, 0, c->p.rect.w - (int)strlen(where), ROLE_STATUS, "%s", where);
	}
	if (status[0])
		ui_draw(&c->p, y, 0, ROLE_WARN, " %s ", status);
	else if (c->copy && c->p.rect.h > 2) /* not over the line the cursor is in */
		ui_draw(&c->p, c->cy == y ? y - 1 : y, 0, ROLE_STATUS, "%s", c->selecting ?
			" y copy  q forget the selection " :
			" v select  V line  / search up  ? down  n next  g G ends  q back ");
}

static void console_draw(struct panel *p)
{
	struct console *c = (struct console *)p;
	const struct term_view *v = pane_view(c->pane);

	for (int y = 0; y < (int)v->rows && y < p->rect.h; y++)
		draw_row(c, y);
	draw_status(c);
}

static bool console_cursor(struct panel *p, int *y, int *x)
{
	struct console *c = (struct console *)p;
	const struct term_view *v = pane_view(c->pane);

	if (c->copy) {
		*y = c->cy;
		*x = c->cx;
		return true;
	}
	if (!(v->modes & TERM_M_CURSOR) || (v->modes & TERM_M_CLOSED) || (int)v->cursor_row >= p->rect.h ||
			(int)v->cursor_col >= p->rect.w)
		return false;
	*y = (int)v->cursor_row;
	*x = (int)v->cursor_col;
	return true;
}

static void console_title(struct panel *p, char *out, size_t size)
{
	struct console *c = (struct console *)p;
	const struct term_view *v = pane_view(c->pane);
	int n = snprintf(out, size, "%s \u00b7 console %s", ui_vm_name(p->vm), c->stream ? "ttyS0" : "hvc0");

	if (n > 0 && (size_t)n < size && v->title[0] && ui_guest_may(p->ui, p->vm, UI_GUEST_TITLE))
		n += snprintf(out + n, size - (size_t)n, " \u00b7 \"%s\"", v->title);
	if (n > 0 && (size_t)n < size && v->blocked)
		snprintf(out + n, size - (size_t)n, " \u00b7 %" PRIu64 " blocked", v->blocked);
}

static enum panel_result console_key(struct panel *p, int key)
{
	struct console *c = (struct console *)p;
	int page = p->rect.h > 2 ? p->rect.h - 2 : 1;

	if (c->copy)
		return console_copy_key(c, key);
	if (key == KEY_PPAGE || key == KEY_NPAGE) {
		pane_scroll(c->pane, TERM_SCROLL_BY, key == KEY_PPAGE ? page : -page);
		return PANEL_REDRAW;
	}
	if (!pane_view(c->pane)->view_offset)
		return PANEL_IGNORED;
	if (key == UI_KEY_ESC || key == 'q' || key == KEY_END) {
		pane_scroll(c->pane, TERM_SCROLL_BOTTOM, 0);
		return PANEL_REDRAW;
	}
	if (key == KEY_HOME) {
		pane_scroll(c->pane, TERM_SCROLL_TOP, 0);
		return PANEL_REDRAW;
	}
	return PANEL_IGNORED;
}

/* '/' over a console looks for text in it. */
static void console_filter(struct panel *p, const char *text)
{
	struct console *c = (struct console *)p;

	snprintf(c->search, sizeof(c->search), "%s", text);
	c->searching_forward = false;
	pane_search(c->pane, c->search, false);
}

/* ---- commands ---- */

static struct console *of(struct ui_cmd_call *call)
{
	if (call->panel && (call->panel->ops == &panel_console || call->panel->ops == &panel_serial))
		return (struct console *)call->panel;
	ui_warn(call->ui, "%s is for a console: focus one first", call->argv[0]);
	return NULL;
}

static int cmd_copy(struct ui_cmd_call *call)
{
	struct console *c = of(call);

	if (!c)
		return -EINVAL;
	console_copy_start(c);
	return 0;
}

static int cmd_search(struct ui_cmd_call *call)
{
	struct console *c = of(call);

	if (!c)
		return -EINVAL;
	if (call->argc > 1)
		console_filter(&c->p, call->argv[1]);
	else
		console_search_prompt(c, false);
	return 0;
}

static int cmd_paste(struct ui_cmd_call *call)
{
	struct console *c = of(call);
	const char *text;
	size_t len;

	if (!c)
		return -EINVAL;
	text = console_copied(&len);
	if (!text) {
		ui_warn(call->ui, "nothing was copied yet: in copy-mode, v selects and y copies");
		return -ENOENT;
	}
	console_paste(&c->p, text, len);
	return 0;
}

static int cmd_restart(struct ui_cmd_call *call)
{
	struct console *c = of(call);

	if (!c)
		return -EINVAL;
	pane_restart(c->pane);
	ui_say(call->ui, "a new vitrine-term reads %s's console", ui_vm_name(c->p.vm));
	return 0;
}

static const struct ui_cmd copy_cmd = {
	.name = "copy-mode", .args = "", .keys = "v", .flags = CMD_UI,
	.help = "Look back in a console: move, select (v), copy (y), search (/).",
	.exec = cmd_copy,
};
static const struct ui_cmd search_cmd = {
	.name = "console-search", .args = "[TEXT]", .keys = NULL, .flags = CMD_UI,
	.help = "Find text in a console and its scrollback, from the end backwards.",
	.exec = cmd_search,
};
static const struct ui_cmd paste_cmd = {
	.name = "console-paste", .args = "", .keys = NULL, .flags = CMD_UI,
	.help = "Type what was copied last into a console, bracketed if the guest asked for that.",
	.exec = cmd_paste,
};
static const struct ui_cmd restart_cmd = {
	.name = "console-restart", .args = "", .keys = NULL, .flags = CMD_UI,
	.help = "Start a console's parser anew; the VM does not notice.",
	.exec = cmd_restart,
};

static const struct ui_cmd *const console_cmds[] = { &copy_cmd, &search_cmd, &paste_cmd, &restart_cmd, NULL };

const struct panel_ops panel_console = {
	.name = "console", .help = "What a VM shows on hvc0, and where you type to it.",
	.min_h = 1, .min_w = 2, .per_vm = true, .cmds = console_cmds,
	.create = console_create, .destroy = console_destroy, .draw = console_draw, .resized = console_resized,
	.title = console_title, .key = console_key, .raw_key = console_raw_key, .mouse = console_mouse,
	.paste = console_paste, .tick = console_tick, .cursor = console_cursor, .filter = console_filter,
};

const struct panel_ops panel_serial = {
	.name = "serial", .help = "What a VM shows on ttyS0, its serial port.",
	.min_h = 1, .min_w = 2, .per_vm = true, .cmds = console_cmds,
	.create = serial_create, .destroy = console_destroy, .draw = console_draw, .resized = console_resized,
	.title = console_title, .key = console_key, .raw_key = console_raw_key, .mouse = console_mouse,
	.paste = console_paste, .tick = console_tick, .cursor = console_cursor, .filter = console_filter,
};
