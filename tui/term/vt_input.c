/*
 * vt_input.c - keys, mouse and pasted text as the bytes a guest expects. vitrine-term's one thread. See vt.h.
 * libvterm knows what modes the guest has asked for, and encodes.
 */
#include <string.h>
#include <tui/term/vt.h>

static const VTermKey keys[] = {
	[TERM_KEY_ENTER] = VTERM_KEY_ENTER, [TERM_KEY_TAB] = VTERM_KEY_TAB,
	[TERM_KEY_BACKSPACE] = VTERM_KEY_BACKSPACE, [TERM_KEY_ESCAPE] = VTERM_KEY_ESCAPE,
	[TERM_KEY_UP] = VTERM_KEY_UP, [TERM_KEY_DOWN] = VTERM_KEY_DOWN,
	[TERM_KEY_LEFT] = VTERM_KEY_LEFT, [TERM_KEY_RIGHT] = VTERM_KEY_RIGHT,
	[TERM_KEY_INS] = VTERM_KEY_INS, [TERM_KEY_DEL] = VTERM_KEY_DEL,
	[TERM_KEY_HOME] = VTERM_KEY_HOME, [TERM_KEY_END] = VTERM_KEY_END,
	[TERM_KEY_PAGEUP] = VTERM_KEY_PAGEUP, [TERM_KEY_PAGEDOWN] = VTERM_KEY_PAGEDOWN,
};

static VTermModifier modifier(uint32_t mods)
{
	return (VTermModifier)((mods & TERM_MOD_SHIFT ? VTERM_MOD_SHIFT : 0) |
		(mods & TERM_MOD_ALT ? VTERM_MOD_ALT : 0) | (mods & TERM_MOD_CTRL ? VTERM_MOD_CTRL : 0));
}

void vt_key(struct vt *vt, uint32_t ch, uint32_t key, uint32_t mods)
{
	vt->typing = true;
	if (ch)
		vterm_keyboard_unichar(vt->vterm, ch, modifier(mods));
	else if (key >= TERM_KEY_F0 && key < TERM_KEY_COUNT)
		vterm_keyboard_key(vt->vterm, VTERM_KEY_FUNCTION(key - TERM_KEY_F0), modifier(mods));
	else if (key > TERM_KEY_NONE && key < TERM_KEY_F0)
		vterm_keyboard_key(vt->vterm, keys[key], modifier(mods));
	vt->typing = false;
}

void vt_mouse(struct vt *vt, int row, int col, int button, bool pressed, uint32_t mods)
{
	if (row < 0 || col < 0 || row >= vt->rows || col >= vt->cols || button < 0 || button > 5)
		return;
	vt->typing = true;
	vterm_mouse_move(vt->vterm, row, col, modifier(mods));
	if (button)
		vterm_mouse_button(vt->vterm, button, pressed, modifier(mods));
	vt->typing = false;
}

void vt_paste(struct vt *vt, const char *text, size_t len, bool first, bool last)
{
	char out[1024];
	size_t n = 0;

	vt->typing = true;
	if (first)
		vterm_keyboard_start_paste(vt->vterm);
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)text[i];

		if (c == '\n') /* as the Enter key would; CR LF is one of it */
			c = i && text[i - 1] == '\r' ? 0 : '\r';
		if ((c < 0x20 && c != '\r' && c != '\t') || c == 0x7f)
			continue;
		out[n++] = (char)c;
		if (n == sizeof(out)) {
			vt->ops->to_guest(vt->arg, out, n);
			n = 0;
		}
	}
	if (n)
		vt->ops->to_guest(vt->arg, out, n);
	if (last)
		vterm_keyboard_end_paste(vt->vterm);
	vt->typing = false;
}
