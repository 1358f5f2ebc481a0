/*
 * input.c - keys, paste and mouse as the terminal sends them: read, told apart, and sent to whom they belong.
 * Screen thread.
 *
 * Order in CONTROL mode: question or prompt, overlay, the focused panel, its own commands' keys, the key map.
 * In CONSOLE mode: the prefix, else the focused panel's raw_key.
 */
#include "config.h"
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <wchar.h>
#include "tui/input.h"
#include "tui/mouse.h"
#include "tui/ui.h"

#define PASTE_MAX (1u << 20)

static struct {
	bool pasting;
	char *paste;
	size_t paste_len;
} in;

/* xterm's modified keys: CSI 1 ; m A and CSI n ; m ~ with m - 1 = shift 1, alt 2, ctrl 4. */
static const struct {
	int number; /* CSI number ; m ~ */
	char final; /* CSI 1 ; m final, when number is 0 */
	int key;
} modified[] = {
	{0, 'A', KEY_UP}, {0, 'B', KEY_DOWN}, {0, 'C', KEY_RIGHT}, {0, 'D', KEY_LEFT}, {0, 'H', KEY_HOME},
	{0, 'F', KEY_END}, {0, 'P', KEY_F(1)}, {0, 'Q', KEY_F(2)}, {0, 'R', KEY_F(3)}, {0, 'S', KEY_F(4)},
	{1, '~', KEY_HOME}, {2, '~', KEY_IC}, {3, '~', KEY_DC}, {4, '~', KEY_END}, {5, '~', KEY_PPAGE},
	{6, '~', KEY_NPAGE}, {15, '~', KEY_F(5)}, {17, '~', KEY_F(6)}, {18, '~', KEY_F(7)}, {19, '~', KEY_F(8)},
	{20, '~', KEY_F(9)}, {21, '~', KEY_F(10)}, {23, '~', KEY_F(11)}, {24, '~', KEY_F(12)},
};
#define MODIFIED (sizeof(modified) / sizeof(modified[0]))

void input_define_keys(void)
{
	char seq[32];
	size_t i;
	int m;

	for (i = 0; i < MODIFIED; i++) {
		for (m = 1; m < 8; m++) {
			snprintf(seq, sizeof(seq), "\033[%d;%d%c", modified[i].number == 0 ? 1 : modified[i].number,
				m + 1, modified[i].final);
			define_key(seq, CODE_MODIFIED + (int)i * 8 + m);
		}
	}
	define_key("\033[<", CODE_MOUSE);
	define_key("\033[?2026;", CODE_SYNC);
	define_key("\033[200~", CODE_PASTE_BEGIN);
	define_key("\033[201~", CODE_PASTE_END);
}

void input_start(struct ui *ui)
{
	free(in.paste);
	memset(&in, 0, sizeof(in));
}

/* What ncurses says, as one of our keys. */
static int normal(wint_t ch, bool is_code)
{
	unsigned i, m;

	if (!is_code)
		return ch > 0xff ? (int)ch | UI_KEY_CHAR : (int)ch;
	if (ch >= CODE_MODIFIED && ch < CODE_MODIFIED + MODIFIED * 8) {
		i = (unsigned)(ch - CODE_MODIFIED) / 8;
		m = (unsigned)(ch - CODE_MODIFIED) % 8;
		return modified[i].key | (m & 1 ? UI_KEY_SHIFT : 0) | (m & 2 ? UI_KEY_ALT : 0) |
			(m & 4 ? UI_KEY_CTRL : 0);
	}
	switch (ch) {
	case KEY_BTAB:
		return UI_KEY_TAB | UI_KEY_SHIFT;
	case KEY_SR:
		return KEY_UP | UI_KEY_SHIFT;
	case KEY_SF:
		return KEY_DOWN | UI_KEY_SHIFT;
	case KEY_SLEFT:
		return KEY_LEFT | UI_KEY_SHIFT;
	case KEY_SRIGHT:
		return KEY_RIGHT | UI_KEY_SHIFT;
	case KEY_SHOME:
		return KEY_HOME | UI_KEY_SHIFT;
	case KEY_SEND:
		return KEY_END | UI_KEY_SHIFT;
	case KEY_SPREVIOUS:
		return KEY_PPAGE | UI_KEY_SHIFT;
	case KEY_SNEXT:
		return KEY_NPAGE | UI_KEY_SHIFT;
	case KEY_SDC:
		return KEY_DC | UI_KEY_SHIFT;
	case KEY_SIC:
		return KEY_IC | UI_KEY_SHIFT;
	default:
		return (int)ch;
	}
}

/* The same for CONTROL mode, where Enter is Enter however the terminal spells it. */
static int plain(int key)
{
	int mods = key & UI_KEY_MODS;

	switch (key & ~UI_KEY_MODS) {
	case '\n':
	case KEY_ENTER:
		return UI_KEY_ENTER | mods;
	case 8:
	case KEY_BACKSPACE:
		return UI_KEY_BACKSPACE | mods;
	default:
		return key;
	}
}

/* ---- CONTROL mode ---- */

static bool panel_command(struct ui *ui, struct panel *p, int key)
{
	const struct ui_cmd *const *cmd;
	char copy[128], *word, *save, *name;

	for (cmd = p->ops->cmds; cmd != NULL && *cmd != NULL; cmd++) {
		if ((*cmd)->keys == NULL)
			continue;
		snprintf(copy, sizeof(copy), "%s", (*cmd)->keys);
		for (word = strtok_r(copy, " ", &save); word != NULL; word = strtok_r(NULL, " ", &save)) {
			if (key_parse(word) != key)
				continue;
			name = (char *)(uintptr_t)(*cmd)->name;
			(*cmd)->exec(&(struct ui_cmd_call){.ui = ui, .panel = p, .argc = 1, .argv = &name});
			return true;
		}
	}
	return false;
}

static void control_key(struct ui *ui, int key)
{
	const struct keymap_entry *e;
	struct panel *p = ui->overlay != NULL ? ui->overlay : ui_focused_panel(ui);
	enum panel_result r = PANEL_IGNORED;
	char name[32], hint[32];

	if (p != NULL && p->ops->key != NULL)
		r = p->ops->key(p, key);
	if (r != PANEL_IGNORED) {
		ui_apply(ui, p, r);
		return;
	}
	if (p != NULL && panel_command(ui, p, key))
		return;
	if (ui->overlay != NULL && (key == 'q' || key == UI_KEY_ESC)) {
		ui_overlay(ui, NULL);
		return;
	}
	e = keymap_find(&ui->keys, key, false);
	if (e != NULL) {
		command_run(ui, e->line);
		return;
	}
	if (key == UI_KEY_ESC)
		return;
	key_hint(ui, "help", hint, sizeof(hint));
	ui_warn(ui, "%s does nothing here; %s shows every key", ui_key_name(key, name, sizeof(name)), hint);
}

/* The key after the prefix: the prefix itself for the guest, one of tmux's habits, or CONTROL mode goes on. */
static void after_prefix(struct ui *ui, int key)
{
	struct panel *p = ui_focused_panel(ui);
	const struct keymap_entry *e;

	ui->prefix_pending = false;
	ui->draw_line = true;
	if (key == ui->opt.prefix) {
		ui_set_console_mode(ui, true);
		if (p != NULL && p->ops->raw_key != NULL)
			ui_apply(ui, p, p->ops->raw_key(p, key, false));
		return;
	}
	e = keymap_find(&ui->keys, key, true);
	if (e == NULL) {
		control_key(ui, key);
		return;
	}
	/* A habit is one key: typing goes on in the console, wherever the command left the focus. */
	if (strcmp(e->line, "scroll") != 0 && strcmp(e->line, "palette") != 0 && strcmp(e->line, "help") != 0)
		ui_set_console_mode(ui, true);
	command_run(ui, e->line);
}

static void console_key(struct ui *ui, int key, bool is_code)
{
	struct panel *p = ui_focused_panel(ui);
	bool alt = (key & UI_KEY_ALT) != 0 && !is_code;

	if (key == ui->opt.prefix) {
		ui_set_console_mode(ui, false);
		ui->prefix_pending = true;
		return;
	}
	if (p == NULL || p->ops->raw_key == NULL)
		return;
	if (alt) {
		ui_apply(ui, p, p->ops->raw_key(p, UI_KEY_ESC, false));
		key &= ~UI_KEY_ALT;
	}
	ui_apply(ui, p, p->ops->raw_key(p, is_code ? key : key & ~UI_KEY_CHAR, is_code));
}

static void dispatch(struct ui *ui, int key, bool is_code)
{
	ui_schedule(ui);
	line_seen(ui);
	if (line_active(ui))
		line_key(ui, plain(key));
	else if (ui->console_mode && ui->overlay == NULL)
		console_key(ui, key, is_code);
	else if (ui->prefix_pending)
		after_prefix(ui, plain(key));
	else
		control_key(ui, plain(key));
}

/* ---- paste ---- */

static void paste_add(wint_t ch)
{
	char text[MB_LEN_MAX];
	mbstate_t st = {0};
	size_t n;
	char *bigger;

	n = wcrtomb(text, ch == '\r' ? L'\n' : (wchar_t)ch, &st);
	if (n == (size_t)-1 || in.paste_len + n + 1 > PASTE_MAX)
		return;
	if ((in.paste_len & 4095) == 0 || (in.paste_len & 4095) + n + 1 > 4096) {
		bigger = realloc(in.paste, (in.paste_len | 4095) + 1 + 4096);
		if (bigger == NULL)
			return;
		in.paste = bigger;
	}
	memcpy(in.paste + in.paste_len, text, n);
	in.paste_len += n;
	in.paste[in.paste_len] = '\0';
}

static void paste_done(struct ui *ui)
{
	struct panel *p = ui_focused_panel(ui);

	in.pasting = false;
	if (in.paste == NULL)
		return;
	ui_schedule(ui);
	if (line_active(ui))
		line_paste(ui, in.paste);
	else if (ui->console_mode && p != NULL && p->ops->paste != NULL)
		ui_apply(ui, p, p->ops->paste(p, in.paste, in.paste_len));
	else
		ui_warn(ui, "pasted text is for a console or a prompt; press Enter on a console first");
	free(in.paste);
	in.paste = NULL;
	in.paste_len = 0;
}

/* ---- reading ---- */

/* The rest of a sequence whose beginning ncurses has recognised; digits and semicolons up to a final byte. */
static bool read_tail(char *out, size_t size, char *final)
{
	size_t n = 0;
	wint_t ch;
	int tries = 0;

	while (n + 1 < size) {
		if (wget_wch(stdscr, &ch) == ERR) {
			if (tries++ > 0)
				return false;
			timeout(25); /* cut in two by a slow line */
			continue;
		}
		if ((ch >= '0' && ch <= '9') || ch == ';' || ch == '$') {
			out[n++] = (char)ch;
			continue;
		}
		*final = (char)ch;
		out[n] = '\0';
		nodelay(stdscr, TRUE);
		return true;
	}
	nodelay(stdscr, TRUE);
	return false;
}

static void special_code(struct ui *ui, wint_t code)
{
	char tail[64], final = 0;
	int b, x, y;
	bool ok;

	ok = read_tail(tail, sizeof(tail), &final);
	nodelay(stdscr, TRUE);
	if (!ok)
		return;
	if (code == CODE_SYNC) {
		tty_sync_known(final == 'y' && (tail[0] == '1' || tail[0] == '2'));
		return;
	}
	if ((final == 'M' || final == 'm') && sscanf(tail, "%d;%d;%d", &b, &x, &y) == 3) {
		mouse_event(ui, b, y - 1, x - 1, final == 'M');
		ui_schedule(ui);
	}
}

/* ESC with a key right behind it is that key with Alt. */
static bool read_alt(wint_t *ch, bool *is_code)
{
	int rc = wget_wch(stdscr, ch);

	if (rc == ERR)
		return false;
	*is_code = rc == KEY_CODE_YES;
	return true;
}

static void one(struct ui *ui, wint_t ch, bool is_code)
{
	bool code2;
	wint_t ch2;

	if (is_code && ch == CODE_PASTE_BEGIN) {
		in.pasting = true;
	} else if (is_code && ch == CODE_PASTE_END) {
		paste_done(ui);
	} else if (in.pasting) {
		if (!is_code)
			paste_add(ch);
		else if (ch == KEY_BACKSPACE || ch == KEY_ENTER)
			paste_add(ch == KEY_ENTER ? '\r' : 127);
	} else if (is_code && ch == KEY_RESIZE) {
		ui_relayout(ui);
	} else if (is_code && (ch == CODE_MOUSE || ch == CODE_SYNC)) {
		special_code(ui, ch);
	} else if (!is_code && ch == UI_KEY_ESC && read_alt(&ch2, &code2)) {
		if (!code2 && ch2 != UI_KEY_ESC) {
			dispatch(ui, normal(ch2, false) | UI_KEY_ALT, false);
		} else {
			dispatch(ui, UI_KEY_ESC, false);
			one(ui, ch2, code2);
		}
	} else {
		dispatch(ui, normal(ch, is_code), is_code);
	}
}

void input_read(struct ui *ui)
{
	int rc, n;
	wint_t ch;

	for (n = 0; n < 4096 && !ui->quit; n++) { /* the rest comes with the next turn of the loop */
		rc = wget_wch(stdscr, &ch);
		if (rc == ERR)
			return;
		one(ui, ch, rc == KEY_CODE_YES);
	}
}
