/*
 * panel_log.c - two lists of lines that grow at their end: what a VM's process has written to its log ("log") and
 * what the workstation has said ("messages"). Scrolled by keys, following the end until then. Screen thread.
 */
#include "config.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include "tui/vm.h"

#define TAIL_MAX (256 * 1024) /* of the log file: the end is what matters */

struct lines_panel {
	struct panel p;
	char *text;	/* "log": the file's tail, lines ended by NUL */
	char **line;
	size_t n;
	off_t size;
	ino_t inode;
	uint64_t serial; /* "messages" */
	int back;	 /* lines up from the end; 0: follow it */
	char filter[64], path[600];
};

static struct panel *lines_create(struct ui *ui, struct ui_vm *vm)
{
	struct lines_panel *l = calloc(1, sizeof(*l));

	(void)ui;
	if (l != NULL && vm != NULL)
		vmc_path_log(ui_vm_name(vm), l->path, sizeof(l->path));
	if (l != NULL)
		l->size = -1;
	return l != NULL ? &l->p : NULL;
}

static void lines_destroy(struct panel *p)
{
	struct lines_panel *l = (struct lines_panel *)p;

	free(l->text);
	free(l->line);
	free(l);
}

static void split(struct lines_panel *l, size_t len)
{
	char *at = l->text, *end = l->text + len, *nl;
	size_t room = 0;
	char **bigger;

	l->n = 0;
	while (at < end) {
		nl = memchr(at, '\n', (size_t)(end - at));
		if (nl == NULL)
			nl = end;
		*nl = '\0';
		if (l->filter[0] == '\0' || strstr(at, l->filter) != NULL) {
			if (l->n == room) {
				bigger = realloc(l->line, (room + 256) * sizeof(*bigger));
				if (bigger == NULL)
					return;
				l->line = bigger;
				room += 256;
			}
			l->line[l->n++] = at;
		}
		at = nl + 1;
	}
}

/* Reads the end of the file when it has changed. Return: has it? */
static bool load(struct lines_panel *l, bool again)
{
	struct stat st;
	off_t from;
	ssize_t n;
	int fd;

	if (stat(l->path, &st) < 0)
		return false; /* what was read of a VM that has gone stays readable */
	if (!again && st.st_size == l->size && st.st_ino == l->inode)
		return false;
	fd = open(l->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return false;
	l->size = st.st_size;
	l->inode = st.st_ino;
	from = st.st_size > TAIL_MAX ? st.st_size - TAIL_MAX : 0;
	if (l->text == NULL)
		l->text = malloc(TAIL_MAX + 1);
	n = l->text != NULL ? pread(fd, l->text, TAIL_MAX, from) : -1;
	close(fd);
	if (n < 0)
		return false;
	l->text[n] = '\0';
	split(l, (size_t)n);
	return true;
}

static enum panel_result log_tick(struct panel *p, uint64_t now_ms)
{
	(void)now_ms;
	return load((struct lines_panel *)p, false) ? PANEL_REDRAW : PANEL_HANDLED;
}

/* ---- rows: lines broken where the pane ends ---- */

struct row {
	size_t line; /* which line */
	size_t from; /* its first byte here */
	bool first;  /* the line's first row */
};

struct rows {
	struct row *r;
	size_t n, size;
};

static void add_rows(struct rows *rows, size_t line, const char *text, int w)
{
	size_t from = 0, n;
	struct row *bigger;
	bool first = true;

	do {
		if (rows->n == rows->size) {
			bigger = realloc(rows->r, (rows->size + 512) * sizeof(*bigger));
			if (bigger == NULL)
				return;
			rows->r = bigger;
			rows->size += 512;
		}
		n = text_fit(text + from, first || w < 16 ? w : w - 2);
		rows->r[rows->n++] = (struct row){.line = line, .from = from, .first = first};
		from += n;
		first = false;
	} while (text[from] != '\0' && n > 0);
}

/* The first row shown for @n rows in @h. */
static int first_row(struct lines_panel *l, int n, int h)
{
	int most = n > h ? n - h : 0;

	if (l->back > most)
		l->back = most;
	return most - l->back;
}

static void draw_row(struct panel *p, int y, int x, const struct row *row, const char *text, enum ui_role role)
{
	int indent = row->first || p->rect.w - x < 16 ? 0 : 2;

	ui_draw(p, y, x + indent, role, "%.*s", (int)text_fit(text + row->from, p->rect.w - x - indent),
		text + row->from);
}

/* The VM process's lines begin with date and time; the date is today's nearly always, the pane narrow. */
static const char *without_date(const struct panel *p, const char *text)
{
	int y, m, d, n = 0;

	if (p->rect.w < 90 && sscanf(text, "%4d-%2d-%2d %n", &y, &m, &d, &n) == 3 && n == 11)
		return text + n;
	return text;
}

static enum ui_role role_of(const char *text)
{
	if (strcasestr(text, "error") != NULL || strcasestr(text, "crash") != NULL || strcasestr(text, "fail") != NULL)
		return ROLE_BAD;
	return strcasestr(text, "warn") != NULL ? ROLE_WARN : ROLE_DEFAULT;
}

static void log_draw(struct panel *p)
{
	struct lines_panel *l = (struct lines_panel *)p;
	struct rows rows = {0};
	size_t i;
	int y, first;

	load(l, false);
	if (l->n == 0)
		ui_draw(p, 0, 0, ROLE_DIM, l->filter[0] != '\0' ? "no line contains %s" : "nothing yet", l->filter);
	for (i = 0; i < l->n; i++)
		add_rows(&rows, i, without_date(p, l->line[i]), p->rect.w);
	first = first_row(l, (int)rows.n, p->rect.h);
	for (y = 0; y < p->rect.h && first + y < (int)rows.n; y++) {
		const char *text = l->line[rows.r[first + y].line];

		draw_row(p, y, 0, &rows.r[first + y], without_date(p, text), role_of(text));
	}
	free(rows.r);
}

static void log_title(struct panel *p, char *out, size_t size)
{
	struct lines_panel *l = (struct lines_panel *)p;

	snprintf(out, size, "%s \u00b7 log%s%s%s", ui_vm_name(p->vm), l->filter[0] != '\0' ? " /" : "", l->filter,
		l->back > 0 ? " \u2191" : "");
}

static void messages_draw(struct panel *p)
{
	struct lines_panel *l = (struct lines_panel *)p;
	const struct ui_message *m;
	struct rows rows = {0};
	char when[16];
	struct tm tm;
	size_t i;
	time_t t;
	int first, y;

	for (i = 0; i < message_count(p->ui); i++)
		if (l->filter[0] == '\0' || strstr(message_get(p->ui, i)->text, l->filter) != NULL)
			add_rows(&rows, i, message_get(p->ui, i)->text, p->rect.w - 9);
	if (rows.n == 0)
		ui_draw(p, 0, 0, ROLE_DIM, "nothing yet");
	first = first_row(l, (int)rows.n, p->rect.h);
	for (y = 0; y < p->rect.h && first + y < (int)rows.n; y++) {
		m = message_get(p->ui, rows.r[first + y].line);
		t = (time_t)m->time_s;
		localtime_r(&t, &tm);
		strftime(when, sizeof(when), "%T", &tm);
		if (rows.r[first + y].first)
			ui_draw(p, y, 0, ROLE_DIM, "%s", when);
		draw_row(p, y, 9, &rows.r[first + y], m->text, m->bad ? ROLE_BAD : ROLE_DEFAULT);
	}
	free(rows.r);
}

static void messages_title(struct panel *p, char *out, size_t size)
{
	struct lines_panel *l = (struct lines_panel *)p;

	snprintf(out, size, "messages%s%s%s", l->filter[0] != '\0' ? " /" : "", l->filter, l->back > 0 ? " \u2191" : "");
}

static enum panel_result lines_key(struct panel *p, int key)
{
	struct lines_panel *l = (struct lines_panel *)p;

	switch (key) {
	case 'k':
	case KEY_UP:
		l->back++;
		break;
	case 'j':
	case KEY_DOWN:
		l->back--;
		break;
	case KEY_PPAGE:
		l->back += p->rect.h - 1;
		break;
	case KEY_NPAGE:
		l->back -= p->rect.h - 1;
		break;
	case KEY_HOME:
		l->back = 1 << 24;
		break;
	case KEY_END:
	case 'G':
		l->back = 0;
		break;
	default:
		return PANEL_IGNORED;
	}
	if (l->back < 0)
		l->back = 0;
	return PANEL_REDRAW;
}

static enum panel_result lines_mouse(struct panel *p, const struct panel_mouse *m)
{
	struct lines_panel *l = (struct lines_panel *)p;

	if (m->what != MOUSE_WHEEL_UP && m->what != MOUSE_WHEEL_DOWN)
		return PANEL_IGNORED;
	l->back += m->what == MOUSE_WHEEL_UP ? 3 : -3;
	l->back = l->back < 0 ? 0 : l->back;
	return PANEL_REDRAW;
}

static void log_filter(struct panel *p, const char *text)
{
	struct lines_panel *l = (struct lines_panel *)p;

	snprintf(l->filter, sizeof(l->filter), "%s", text);
	l->back = 0;
	load(l, true);
}

static void messages_filter(struct panel *p, const char *text)
{
	struct lines_panel *l = (struct lines_panel *)p;

	snprintf(l->filter, sizeof(l->filter), "%s", text);
	l->back = 0;
}

const struct panel_ops panel_log = {
	.name = "log",
	.help = "What the VM's process had to say: its log file.",
	.min_h = 2,
	.min_w = 16,
	.per_vm = true,
	.create = lines_create,
	.destroy = lines_destroy,
	.draw = log_draw,
	.title = log_title,
	.key = lines_key,
	.mouse = lines_mouse,
	.tick = log_tick,
	.filter = log_filter,
};

const struct panel_ops panel_messages = {
	.name = "messages",
	.help = "What the workstation has said; also in vitrine.log.",
	.min_h = 2,
	.min_w = 16,
	.create = lines_create,
	.destroy = lines_destroy,
	.draw = messages_draw,
	.title = messages_title,
	.key = lines_key,
	.mouse = lines_mouse,
	.filter = messages_filter,
};
