/*
 * editor.c - one line of text being typed: UTF-8, the keys that shells have taught everyone. Screen thread.
 */
#include "config.h"
#include <limits.h>
#include <string.h>
#include <wchar.h>
#include "tui/ui.h"

void editor_set(struct line_editor *ed, const char *text)
{
	size_t len = strnlen(text, sizeof(ed->text) - 1);

	memmove(ed->text, text, len);
	ed->text[len] = '\0';
	ed->len = ed->cur = len;
}

void editor_insert(struct line_editor *ed, const char *text)
{
	size_t n = strlen(text);

	if (ed->len + n >= sizeof(ed->text))
		return;
	memmove(ed->text + ed->cur + n, ed->text + ed->cur, ed->len - ed->cur + 1);
	memcpy(ed->text + ed->cur, text, n);
	ed->len += n;
	ed->cur += n;
}

static bool tail_byte(char c)
{
	return ((unsigned char)c & 0xc0) == 0x80;
}

static size_t left(const struct line_editor *ed, size_t at)
{
	while (at > 0 && tail_byte(ed->text[--at]))
		;
	return at;
}

static size_t right(const struct line_editor *ed, size_t at)
{
	if (at < ed->len)
		at++;
	while (at < ed->len && tail_byte(ed->text[at]))
		at++;
	return at;
}

static size_t word_left(const struct line_editor *ed, size_t at)
{
	while (at > 0 && ed->text[at - 1] == ' ')
		at--;
	while (at > 0 && ed->text[at - 1] != ' ')
		at--;
	return at;
}

static size_t word_right(const struct line_editor *ed, size_t at)
{
	while (at < ed->len && ed->text[at] == ' ')
		at++;
	while (at < ed->len && ed->text[at] != ' ')
		at++;
	return at;
}

static enum editor_result cut(struct line_editor *ed, size_t from, size_t to)
{
	if (from == to)
		return EDIT_NONE;
	memmove(ed->text + from, ed->text + to, ed->len - to + 1);
	ed->len -= to - from;
	ed->cur = from;
	return EDIT_CHANGED;
}

static enum editor_result insert_key(struct line_editor *ed, int key)
{
	char text[MB_LEN_MAX + 1];
	mbstate_t st = {0};
	size_t n;
	int ch = key & ~UI_KEY_CHAR;

	if ((key & UI_KEY_MODS) || ch < 32 || ch == 127 || (!(key & UI_KEY_CHAR) && ch > 0xff))
		return EDIT_NONE;
	n = wcrtomb(text, (wchar_t)ch, &st);
	if (n == (size_t)-1)
		return EDIT_NONE;
	text[n] = '\0';
	editor_insert(ed, text);
	return EDIT_CHANGED;
}

enum editor_result editor_key(struct line_editor *ed, int key)
{
	switch (key) {
	case UI_KEY_ENTER:
		return EDIT_DONE;
	case UI_KEY_ESC:
	case 3: /* C-c */
	case 7: /* C-g */
		return EDIT_CANCEL;
	case UI_KEY_BACKSPACE:
		return cut(ed, left(ed, ed->cur), ed->cur);
	case KEY_DC:
	case 4: /* C-d */
		return cut(ed, ed->cur, right(ed, ed->cur));
	case 21: /* C-u */
		return cut(ed, 0, ed->cur);
	case 11: /* C-k */
		return cut(ed, ed->cur, ed->len);
	case 23: /* C-w */
		return cut(ed, word_left(ed, ed->cur), ed->cur);
	case KEY_LEFT:
	case 2: /* C-b */
		ed->cur = left(ed, ed->cur);
		return EDIT_NONE;
	case KEY_RIGHT:
	case 6: /* C-f */
		ed->cur = right(ed, ed->cur);
		return EDIT_NONE;
	case KEY_LEFT | UI_KEY_CTRL:
	case 'b' | UI_KEY_ALT:
		ed->cur = word_left(ed, ed->cur);
		return EDIT_NONE;
	case KEY_RIGHT | UI_KEY_CTRL:
	case 'f' | UI_KEY_ALT:
		ed->cur = word_right(ed, ed->cur);
		return EDIT_NONE;
	case KEY_HOME:
	case 1: /* C-a */
		ed->cur = 0;
		return EDIT_NONE;
	case KEY_END:
	case 5: /* C-e */
		ed->cur = ed->len;
		return EDIT_NONE;
	default:
		return insert_key(ed, key);
	}
}
