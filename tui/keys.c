/*
 * keys.c - names of keys and the key map: key -> command line. Screen thread.
 *
 * A key is written as the character it makes, or Space, Enter, Tab, Esc, Backspace, Up ... F12, with C- (Ctrl),
 * M- (Alt) and S- (Shift, special keys only) before it: p  S  C-x  M-x  S-Tab  C-Left  F5.
 */
#include "config.h"
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>
#include "tui/ui.h"

static const struct {
	const char *name;
	int key;
} special[] = {
	{"Space", ' '}, {"Enter", UI_KEY_ENTER}, {"Return", UI_KEY_ENTER}, {"Tab", UI_KEY_TAB}, {"Esc", UI_KEY_ESC},
	{"Escape", UI_KEY_ESC}, {"Backspace", UI_KEY_BACKSPACE}, {"BSpace", UI_KEY_BACKSPACE}, {"Up", KEY_UP},
	{"Down", KEY_DOWN}, {"Left", KEY_LEFT}, {"Right", KEY_RIGHT}, {"Home", KEY_HOME}, {"End", KEY_END},
	{"PgUp", KEY_PPAGE}, {"PageUp", KEY_PPAGE}, {"PgDn", KEY_NPAGE}, {"PageDown", KEY_NPAGE},
	{"Insert", KEY_IC}, {"Delete", KEY_DC},
};

static int base_key(const char *name)
{
	wchar_t wc;
	size_t i, n, len = strlen(name);
	mbstate_t st = {0};
	char end;
	int f;

	for (i = 0; i < sizeof(special) / sizeof(special[0]); i++)
		if (strcasecmp(special[i].name, name) == 0)
			return special[i].key;
	if (sscanf(name, "F%d%c", &f, &end) == 1 && f >= 1 && f <= 24)
		return KEY_F(f);
	if (len == 1 && name[0] > ' ' && name[0] < 127)
		return name[0];
	n = mbrtowc(&wc, name, len, &st);
	if (n == len && len > 1 && (uint32_t)wc >= 0xa0)
		return (uint32_t)wc > 0xff ? (int)wc | UI_KEY_CHAR : (int)wc;
	return -1;
}

int key_parse(const char *name)
{
	int mods = 0, key;

	while (name[0] != '\0' && name[1] == '-' && name[2] != '\0') {
		if (name[0] == 'C' || name[0] == 'c')
			mods |= UI_KEY_CTRL;
		else if (name[0] == 'M' || name[0] == 'A' || name[0] == 'm')
			mods |= UI_KEY_ALT;
		else if (name[0] == 'S' || name[0] == 's')
			mods |= UI_KEY_SHIFT;
		else
			break;
		name += 2;
	}
	key = base_key(name);
	if (key < 0)
		return -1;
	if ((mods & UI_KEY_CTRL) && key < 128 && key > ' ') {
		if (!strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ@[]\\^_", key))
			return -1;
		key &= 0x1f;
		mods &= ~UI_KEY_CTRL;
	} else if ((mods & UI_KEY_CTRL) && key == ' ') {
		key = 0;
		mods &= ~UI_KEY_CTRL;
	}
	if ((mods & UI_KEY_CTRL) && ((key & UI_KEY_CHAR) || (key >= 0x80 && key < 0x100)))
		return -1; /* no terminal has a way to send it */
	if ((mods & UI_KEY_SHIFT) && key < 0x100 && key != UI_KEY_TAB)
		return -1;
	return key | mods;
}

const char *ui_key_name(int key, char *out, size_t size)
{
	int base = key & ~(UI_KEY_MODS | UI_KEY_CHAR);
	char text[MB_LEN_MAX + 16] = "";
	mbstate_t st = {0};
	size_t i, n;

	for (i = 0; i < sizeof(special) / sizeof(special[0]) && special[i].key != base; i++)
		;
	if (key & UI_KEY_CHAR) {
		n = wcrtomb(text, (wchar_t)base, &st);
		text[n == (size_t)-1 ? 0 : n] = '\0';
	} else if (i < sizeof(special) / sizeof(special[0])) {
		snprintf(text, sizeof(text), "%s", special[i].name);
	} else if (base < 32) {
		snprintf(text, sizeof(text), "C-%c", base == 0 ? '@' : base >= 27 ? base + 64 : base + 96);
	} else if (base < 127) {
		snprintf(text, sizeof(text), "%c", base);
	} else if (base >= KEY_F0 && base <= KEY_F(24)) {
		snprintf(text, sizeof(text), "F%d", base - KEY_F0);
	} else {
		n = wcrtomb(text, (wchar_t)base, &st);
		text[n == (size_t)-1 ? 0 : n] = '\0';
	}
	snprintf(out, size, "%s%s%s%s", key & UI_KEY_CTRL ? "C-" : "", key & UI_KEY_ALT ? "M-" : "",
		key & UI_KEY_SHIFT ? "S-" : "", text);
	return out;
}

int keymap_bind(struct keymap *map, int key, const char *line, bool prefix, bool user)
{
	struct keymap_entry *e;
	size_t i;

	for (i = 0; i < map->n && (map->e[i].key != key || map->e[i].prefix != prefix); i++)
		;
	if (i == map->n) {
		if (map->n == map->size) {
			e = realloc(map->e, (map->size + 64) * sizeof(*e));
			if (e == NULL)
				return -ENOMEM;
			map->e = e;
			map->size += 64;
		}
		map->n++;
	}
	e = &map->e[i];
	*e = (struct keymap_entry){.key = key, .prefix = prefix, .user = user};
	snprintf(e->line, sizeof(e->line), "%s", line);
	return 0;
}

static bool runs(const struct keymap_entry *e, const char *command)
{
	size_t len = strlen(command);

	return strncmp(e->line, command, len) == 0 && (e->line[len] == '\0' || e->line[len] == ' ');
}

void keymap_unbind_command(struct keymap *map, const char *command)
{
	size_t i, n = 0;

	for (i = 0; i < map->n; i++)
		if (map->e[i].prefix || !runs(&map->e[i], command))
			map->e[n++] = map->e[i];
	map->n = n;
}

const struct keymap_entry *keymap_find(const struct keymap *map, int key, bool prefix)
{
	size_t i;

	for (i = 0; i < map->n; i++)
		if (map->e[i].key == key && map->e[i].prefix == prefix)
			return &map->e[i];
	return NULL;
}

/* The rows' own keys ("p F5"); a row may name arguments too: "1=view vms". */
static void bind_row(struct keymap *map, const struct ui_cmd *cmd)
{
	char copy[256], line[128], *word, *save, *eq;
	int key;

	snprintf(copy, sizeof(copy), "%s", cmd->keys);
	for (word = strtok_r(copy, " ", &save); word != NULL; word = strtok_r(NULL, " ", &save)) {
		eq = strlen(word) > 1 ? strchr(word + 1, '=') : NULL;
		if (eq != NULL)
			*eq = '\0';
		snprintf(line, sizeof(line), "%s%s%s", cmd->name, eq != NULL ? " " : "", eq != NULL ? eq + 1 : "");
		key = key_parse(word);
		if (key >= 0)
			keymap_bind(map, key, line, false, false);
	}
}

void keymap_defaults(struct keymap *map)
{
	/* What tmux's users do without thinking, after the prefix. */
	static const struct {
		const char *key, *line;
	} habit[] = {{"d", "detach"}, {"[", "scroll"}, {"z", "zoom"}, {"%", "split-right"}, {"\"", "split-below"},
		{"o", "focus-next"}, {"x", "close-pane"}, {"Up", "focus-up"}, {"Down", "focus-down"},
		{"Left", "focus-left"}, {"Right", "focus-right"}, {":", "palette"}, {"?", "help"}};
	size_t i;

	keymap_free(map);
	for (i = 0; command_table[i].name != NULL; i++)
		if (command_table[i].keys != NULL && (command_table[i].flags & CMD_UI))
			bind_row(map, &command_table[i]);
	for (i = 0; i < sizeof(habit) / sizeof(habit[0]); i++)
		keymap_bind(map, key_parse(habit[i].key), habit[i].line, true, false);
}

void keymap_free(struct keymap *map)
{
	free(map->e);
	*map = (struct keymap){0};
}

void key_hint(struct ui *ui, const char *command, char *out, size_t size)
{
	size_t i;

	out[0] = '\0';
	for (i = 0; i < ui->keys.n; i++) {
		if (!ui->keys.e[i].prefix && strcmp(ui->keys.e[i].line, command) == 0) {
			ui_key_name(ui->keys.e[i].key, out, size);
			return;
		}
	}
}
