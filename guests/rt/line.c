/* line.c - a line editor with history, for prompts. Ring 3, vCPU 0. Emacs keys, cursor keys. */
#include "line.h"

static char history[LINE_HISTORY][LINE_SIZE];
static unsigned history_len; /* ever; the last LINE_HISTORY are there */

struct edit {
	const char *prompt; /* with escape sequences */
	unsigned prompt_cols;
	char *text;
	unsigned len, at, shown_from;
	unsigned back;        /* how far back in history */
	char kept[LINE_SIZE]; /* what was typed before going back */
};

static void draw(struct edit *e)
{
	char out[LINE_SIZE + 160];
	unsigned cols, rows, room;
	int n;

	rt_console_size(&cols, &rows);
	room = cols > e->prompt_cols + 4 ? cols - e->prompt_cols - 1 : 4;
	if (e->at < e->shown_from)
		e->shown_from = e->at;
	if (e->at - e->shown_from > room - 1)
		e->shown_from = e->at - room + 1;
	n = rt_snprintf(out, sizeof(out), "\r%s%.*s\x1b[K\x1b[%uG", e->prompt, (int)room,
		e->text + e->shown_from, e->prompt_cols + e->at - e->shown_from + 1);
	rt_write(out, (size_t)n);
}

static void insert(struct edit *e, int key)
{
	if (e->len + 1 >= LINE_SIZE)
		return;
	memmove(e->text + e->at + 1, e->text + e->at, e->len - e->at + 1);
	e->text[e->at++] = (char)key;
	e->len++;
}

static void erase(struct edit *e, unsigned from, unsigned to)
{
	memmove(e->text + from, e->text + to, e->len - to + 1);
	e->len -= to - from;
	e->at = from;
}

static void set(struct edit *e, const char *text)
{
	e->len = (unsigned)strlen(text);
	memmove(e->text, text, e->len + 1);
	e->at = e->len;
	e->shown_from = 0;
}

static void go_back(struct edit *e, int by)
{
	unsigned have = history_len < LINE_HISTORY ? history_len : LINE_HISTORY;

	if ((by > 0 && e->back >= have) || (by < 0 && !e->back))
		return;
	if (!e->back)
		memcpy(e->kept, e->text, LINE_SIZE);
	e->back += (unsigned)by;
	set(e, e->back ? history[(history_len - e->back) % LINE_HISTORY] : e->kept);
}

static unsigned word_start(const struct edit *e)
{
	unsigned i = e->at;

	while (i && e->text[i - 1] == ' ')
		i--;
	while (i && e->text[i - 1] != ' ')
		i--;
	return i;
}

/* Completes the first word from the list; shows the choices when there are several. */
static void complete(struct edit *e, line_words *words)
{
	const char *w, *found = NULL;
	unsigned matches = 0;

	for (unsigned i = 0; (w = words(e->text, i)); i++) {
		const char *last = e->text + word_start(e);

		if (strncmp(w, last, strlen(last)))
			continue;
		found = w;
		matches++;
	}
	if (matches == 1) {
		unsigned from = word_start(e);

		erase(e, from, e->len);
		for (; *found; found++)
			insert(e, *found);
		insert(e, ' ');
	} else if (matches > 1) {
		rt_printf("\r\n");
		for (unsigned i = 0; (w = words(e->text, i)); i++)
			if (!strncmp(w, e->text + word_start(e), strlen(e->text + word_start(e))))
				rt_printf("%s  ", w);
		rt_printf("\r\n");
	}
}

static bool edit_key(struct edit *e, int key, line_words *words)
{
	switch (key) {
	case KEY_ENTER:
		return true;
	case KEY_LEFT:
	case 2:
		e->at -= e->at ? 1 : 0;
		break;
	case KEY_RIGHT:
	case 6:
		e->at += e->at < e->len ? 1 : 0;
		break;
	case KEY_HOME:
	case 1:
		e->at = 0;
		break;
	case KEY_END:
	case 5:
		e->at = e->len;
		break;
	case KEY_UP:
	case 16:
		go_back(e, 1);
		break;
	case KEY_DOWN:
	case 14:
		go_back(e, -1);
		break;
	case KEY_BACKSPACE:
		if (e->at)
			erase(e, e->at - 1, e->at);
		break;
	case KEY_DELETE:
	case 4:
		if (e->at < e->len)
			erase(e, e->at, e->at + 1);
		break;
	case 21:
		erase(e, 0, e->at);
		break;
	case 11:
		erase(e, e->at, e->len);
		break;
	case 23:
		erase(e, word_start(e), e->at);
		break;
	case 3:
		set(e, "");
		break;
	case 12:
		rt_printf("\x1b[H\x1b[2J");
		break;
	case '\t':
		if (words && e->at == e->len)
			complete(e, words);
		break;
	default:
		if (key >= 0x20 && key < 0x7f)
			insert(e, key);
	}
	return false;
}

static void remember(const char *text)
{
	const char *last = history[(history_len - 1) % LINE_HISTORY];

	if (!*text || (history_len && !strcmp(last, text)))
		return;
	memcpy(history[history_len++ % LINE_HISTORY], text, strlen(text) + 1);
}

const char *line_history(unsigned back)
{
	if (!back || back > history_len || back > LINE_HISTORY)
		return NULL;
	return history[(history_len - back) % LINE_HISTORY];
}

void line_read(const char *prompt, unsigned prompt_cols, char *text, line_words *words)
{
	static struct edit e;

	e = (struct edit){.prompt = prompt, .prompt_cols = prompt_cols, .text = text};
	text[0] = 0;
	draw(&e);
	for (;;) {
		int key = rt_key();
		bool more = false;

		for (; key != KEY_NONE; key = rt_key(), more = true) {
			if (edit_key(&e, key, words)) {
				e.at = e.len;
				draw(&e);
				rt_printf("\r\n");
				remember(text);
				return;
			}
		}
		if (more)
			draw(&e);
		if (rt_wait(RT_FOREVER) & EV_RESIZE)
			draw(&e);
	}
}
