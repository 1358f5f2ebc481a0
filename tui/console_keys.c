/*
 * console_keys.c - CONSOLE mode: keys, mouse and pasted text on their way to the guest. Screen thread.
 * How they are encoded is decided by vitrine-term, which knows what the guest has asked for.
 */
#include <errno.h>
#include <ncurses.h>
#include <string.h>
#include <tui/console.h>

/* A key that did not get through is never lost in silence. */
static enum panel_result tell(struct console *c, int rc, const char *what)
{
	if (rc == 0) {
		c->warned_full = false;
		return PANEL_HANDLED;
	}
	if (rc == -ENOTCONN)
		ui_warn(c->p.ui, "%s not sent: %s has no console now", what, ui_vm_name(c->p.vm));
	else if (rc == -ENOBUFS && !c->warned_full)
		ui_warn(c->p.ui, "%s not sent: the guest in %s does not read its input (64 KiB wait)", what,
			ui_vm_name(c->p.vm));
	else if (rc == -EALREADY)
		ui_warn(c->p.ui, "%s not sent: the text pasted before is still on its way", what);
	else if (rc != -ENOBUFS)
		ui_warn(c->p.ui, "%s not sent: %s", what, strerror(-rc));
	c->warned_full = rc == -ENOBUFS;
	return PANEL_HANDLED;
}

static const struct {
	int key;
	uint32_t to, mods;
} codes[] = {
	{ KEY_UP, TERM_KEY_UP, 0 }, { KEY_DOWN, TERM_KEY_DOWN, 0 }, { KEY_LEFT, TERM_KEY_LEFT, 0 },
	{ KEY_RIGHT, TERM_KEY_RIGHT, 0 }, { KEY_HOME, TERM_KEY_HOME, 0 }, { KEY_END, TERM_KEY_END, 0 },
	{ KEY_PPAGE, TERM_KEY_PAGEUP, 0 }, { KEY_NPAGE, TERM_KEY_PAGEDOWN, 0 }, { KEY_IC, TERM_KEY_INS, 0 },
	{ KEY_DC, TERM_KEY_DEL, 0 }, { KEY_BACKSPACE, TERM_KEY_BACKSPACE, 0 }, { KEY_ENTER, TERM_KEY_ENTER, 0 },
	{ KEY_BTAB, TERM_KEY_TAB, TERM_MOD_SHIFT }, { KEY_SLEFT, TERM_KEY_LEFT, TERM_MOD_SHIFT },
	{ KEY_SRIGHT, TERM_KEY_RIGHT, TERM_MOD_SHIFT }, { KEY_SR, TERM_KEY_UP, TERM_MOD_SHIFT },
	{ KEY_SF, TERM_KEY_DOWN, TERM_MOD_SHIFT }, { KEY_SHOME, TERM_KEY_HOME, TERM_MOD_SHIFT },
	{ KEY_SEND, TERM_KEY_END, TERM_MOD_SHIFT }, { KEY_SPREVIOUS, TERM_KEY_PAGEUP, TERM_MOD_SHIFT },
	{ KEY_SNEXT, TERM_KEY_PAGEDOWN, TERM_MOD_SHIFT }, { KEY_SDC, TERM_KEY_DEL, TERM_MOD_SHIFT },
	{ KEY_SIC, TERM_KEY_INS, TERM_MOD_SHIFT },
	/* the keypad, as the keys are labelled */
	{ KEY_A1, TERM_KEY_HOME, 0 }, { KEY_A3, TERM_KEY_PAGEUP, 0 }, { KEY_C1, TERM_KEY_END, 0 },
	{ KEY_C3, TERM_KEY_PAGEDOWN, 0 },
};

static uint32_t modifiers(int key)
{
	return (key & UI_KEY_SHIFT ? TERM_MOD_SHIFT : 0u) | (key & UI_KEY_CTRL ? TERM_MOD_CTRL : 0u) |
		(key & UI_KEY_ALT ? TERM_MOD_ALT : 0u);
}

enum panel_result console_raw_key(struct panel *p, int key, bool is_code)
{
	struct console *c = (struct console *)p;
	uint32_t mods = modifiers(key);
	int code = key & ~UI_KEY_MODS;

	/* Who types wants to see it. */
	if (c->copy)
		console_copy_end(c);
	else if (pane_view(c->pane)->view_offset)
		pane_scroll(c->pane, TERM_SCROLL_BOTTOM, 0);
	if (!is_code) {
		code &= ~UI_KEY_CHAR;
		if (code == UI_KEY_ENTER)
			return tell(c, pane_key(c->pane, 0, TERM_KEY_ENTER, mods), "key");
		if (code == 0)
			return tell(c, pane_key(c->pane, ' ', 0, TERM_MOD_CTRL), "key"); /* NUL */
		return tell(c, pane_key(c->pane, (uint32_t)code, 0, mods), "key");
	}
	if (code >= KEY_F(1) && code <= KEY_F(60))
		return tell(c, pane_key(c->pane, 0, TERM_KEY_F0 + (uint32_t)(code - KEY_F(0)), mods), "key");
	for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
		if (codes[i].key == code)
			return tell(c, pane_key(c->pane, 0, codes[i].to, mods | codes[i].mods), "key");
	}
	return PANEL_IGNORED;
}

enum panel_result console_paste(struct panel *p, const char *text, size_t len)
{
	struct console *c = (struct console *)p;

	if (c->copy)
		console_copy_end(c);
	return tell(c, pane_paste(c->pane, text, len), "pasted text");
}

/* The guest's own mouse, when it asked for one; false: not its business. */
static bool to_guest(struct console *c, const struct panel_mouse *m)
{
	const struct term_view *v = pane_view(c->pane);
	uint32_t mods = (m->ctrl ? TERM_MOD_CTRL : 0u) | (m->alt ? TERM_MOD_ALT : 0u);
	int button = m->button;

	if (!(v->modes & TERM_M_MOUSE) || m->shift || v->view_offset || c->copy)
		return false;
	if (m->y < 0 || m->x < 0 || m->y >= (int)v->rows || m->x >= (int)v->cols)
		return false;
	switch (m->what) {
	case MOUSE_WHEEL_UP:
	case MOUSE_WHEEL_DOWN:
		button = m->what == MOUSE_WHEEL_UP ? 4 : 5;
		pane_mouse(c->pane, m->y, m->x, button, true, mods);
		break;
	case MOUSE_DRAG:
		pane_mouse(c->pane, m->y, m->x, 0, true, mods);
		break;
	case MOUSE_PRESS:
	case MOUSE_RELEASE:
		pane_mouse(c->pane, m->y, m->x, button, m->what == MOUSE_PRESS, mods);
		break;
	}
	return true;
}

enum panel_result console_mouse(struct panel *p, const struct panel_mouse *m)
{
	struct console *c = (struct console *)p;
	const struct term_view *v = pane_view(c->pane);

	if (p->focused && to_guest(c, m))
		return PANEL_HANDLED;
	switch (m->what) {
	case MOUSE_WHEEL_UP:
	case MOUSE_WHEEL_DOWN:
		/* On the alternate screen a pager runs: arrows are what the wheel means to it. */
		if ((v->modes & TERM_M_ALT) && !v->view_offset && p->focused) {
			for (int i = 0; i < 3; i++)
				pane_key(c->pane, 0, m->what == MOUSE_WHEEL_UP ? TERM_KEY_UP : TERM_KEY_DOWN, 0);
			return PANEL_HANDLED;
		}
		pane_scroll(c->pane, TERM_SCROLL_BY, m->what == MOUSE_WHEEL_UP ? 3 : -3);
		return PANEL_REDRAW;
	case MOUSE_PRESS:
		if (m->button != 1)
			return PANEL_IGNORED;
		if (c->copy)
			console_copy_end(c);
		c->buttons = 1;
		c->cy = m->y;
		c->cx = m->x;
		return PANEL_IGNORED; /* a click focuses; a drag selects */
	case MOUSE_DRAG:
		if (!c->buttons)
			return PANEL_IGNORED;
		if (!c->copy) {
			int y = c->cy, x = c->cx;

			console_copy_start(c);
			c->selecting = true;
			c->anchor_line = v->top_line + (uint64_t)y;
			c->anchor_col = x;
		}
		c->cy = m->y < 0 ? 0 : m->y >= (int)v->rows ? (int)v->rows - 1 : m->y;
		c->cx = m->x < 0 ? 0 : m->x >= (int)v->cols ? (int)v->cols - 1 : m->x;
		return PANEL_REDRAW;
	case MOUSE_RELEASE:
		if (!c->buttons)
			return PANEL_IGNORED;
		c->buttons = 0;
		if (c->copy && c->selecting)
			return console_copy_key(c, 'y');
		return PANEL_IGNORED;
	}
	return PANEL_IGNORED;
}
