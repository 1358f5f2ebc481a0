/*
 * panel_snapshots.c - a VM's snapshots as the tree they are, newest below its parent, with size and age; take,
 * load and delete act on the one under the cursor. Screen thread.
 */
#include "config.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "tui/cmd.h"

struct shot_row {
	size_t index;
	int depth;
};

struct shots_panel {
	struct panel p;
	struct vmc_snapshot_info *list;
	struct shot_row *row;
	size_t n, nrows;
	int cur, top;
	unsigned serial; /* vm->snapshots_serial of what is shown */
	struct vmc_conn *conn; /* what it was asked of */
	bool asked, known;
	char error[160], filter[64];
};

/* A reply may come after the panel has gone: it finds it again among those that exist. */
struct request {
	struct ui *ui;
	struct shots_panel *s;
};

static bool exists(struct ui *ui, const struct shots_panel *s)
{
	size_t i;

	for (i = 0; i < ui->npool; i++)
		if (ui->pool[i] == &s->p)
			return true;
	return false;
}

static bool matches(const struct shots_panel *s, const struct vmc_snapshot_info *i)
{
	return s->filter[0] == '\0' || strstr(i->name, s->filter) != NULL || strstr(i->id, s->filter) != NULL;
}

/* Children below their parent, in order of time; what has lost its parent is a root. */
static void add_rows(struct shots_panel *s, const char *parent, int depth, bool *used)
{
	size_t i, j;

	for (i = 0; i < s->n && depth < 64; i++) {
		bool root = s->list[i].parent[0] == '\0';

		for (j = 0; !root && j < s->n && strcmp(s->list[j].id, s->list[i].parent) != 0; j++)
			;
		root = root || j == s->n;
		if (used[i] || (parent == NULL ? !root : strcmp(s->list[i].parent, parent) != 0))
			continue;
		used[i] = true;
		if (matches(s, &s->list[i]))
			s->row[s->nrows++] = (struct shot_row){.index = i, .depth = depth};
		add_rows(s, s->list[i].id, depth + 1, used);
	}
}

static int by_time(const void *a, const void *b)
{
	const struct vmc_snapshot_info *x = a, *y = b;

	return x->time_s < y->time_s ? -1 : x->time_s > y->time_s;
}

static void build_rows(struct shots_panel *s)
{
	bool *used = calloc(s->n + 1, sizeof(*used));
	size_t i;

	free(s->row);
	s->row = calloc(s->n + 1, sizeof(*s->row));
	s->nrows = 0;
	if (used != NULL && s->row != NULL) {
		add_rows(s, NULL, 0, used);
		for (i = 0; i < s->n; i++) /* a ring of parents: damaged, but not hidden */
			if (!used[i] && matches(s, &s->list[i]))
				s->row[s->nrows++] = (struct shot_row){.index = i};
	}
	free(used);
	if (s->cur >= (int)s->nrows)
		s->cur = s->nrows > 0 ? (int)s->nrows - 1 : 0;
}

static void listed(void *arg, int rc, const char *error, const char *json)
{
	struct request *q = arg;
	struct shots_panel *s = q->s;
	bool first;

	if (!exists(q->ui, s)) {
		free(q);
		return;
	}
	free(q);
	s->asked = false;
	if (rc < 0) {
		snprintf(s->error, sizeof(s->error), "%s", error != NULL ? error : strerror(-rc));
	} else {
		first = !s->known;
		free(s->list);
		s->list = NULL;
		s->n = 0;
		s->error[0] = '\0';
		if (vmc_parse_snapshots(json, &s->list, &s->n) < 0)
			snprintf(s->error, sizeof(s->error), "the VM's answer makes no sense");
		s->known = true;
		qsort(s->list, s->n, sizeof(*s->list), by_time);
		build_rows(s);
		if (first && s->nrows > 0)
			s->cur = (int)s->nrows - 1;
	}
	ui_mark(&s->p);
}

static void ask_list(struct shots_panel *s)
{
	struct vmc_conn *conn = ui_vm_conn(s->p.vm);
	struct request *q;

	if (conn == NULL || s->asked)
		return;
	q = malloc(sizeof(*q));
	if (q == NULL)
		return;
	*q = (struct request){.ui = s->p.ui, .s = s};
	s->serial = s->p.vm->snapshots_serial;
	s->conn = conn;
	s->asked = vmc_conn_command(conn, "snapshot-list", NULL, listed, q) == 0;
	if (!s->asked)
		free(q);
}

static enum panel_result shots_tick(struct panel *p, uint64_t now_ms)
{
	struct shots_panel *s = (struct shots_panel *)p;
	struct vmc_conn *conn = ui_vm_conn(p->vm);

	(void)now_ms;
	if (conn != NULL && (conn != s->conn || s->serial != p->vm->snapshots_serial)) {
		s->asked = s->asked && conn == s->conn;
		ask_list(s);
	}
	return PANEL_HANDLED;
}

static struct panel *shots_create(struct ui *ui, struct ui_vm *vm)
{
	(void)ui;
	(void)vm;
	return calloc(1, sizeof(struct shots_panel)); /* which begins with the panel */
}

static void shots_destroy(struct panel *p)
{
	struct shots_panel *s = (struct shots_panel *)p;

	free(s->list);
	free(s->row);
	free(s);
}

/* ---- looks ---- */

static void age(int64_t then, char *out, size_t size)
{
	int64_t d = (int64_t)time(NULL) - then;

	if (d < 0)
		d = 0;
	if (d < 60)
		snprintf(out, size, "%d s", (int)d);
	else if (d < 3600)
		snprintf(out, size, "%d min", (int)(d / 60));
	else if (d < 86400)
		snprintf(out, size, "%d h", (int)(d / 3600));
	else
		snprintf(out, size, "%d d", (int)(d / 86400));
}

static void amount(uint64_t bytes, char *out, size_t size)
{
	if (bytes >= 1ull << 30)
		snprintf(out, size, "%.1f GiB", (double)bytes / (double)(1ull << 30));
	else if (bytes >= 1ull << 20)
		snprintf(out, size, "%.1f MiB", (double)bytes / (double)(1ull << 20));
	else
		snprintf(out, size, "%.0f KiB", (double)bytes / 1024.0);
}

static void draw_row(struct shots_panel *s, int y, const struct shot_row *row, bool selected)
{
	const struct vmc_snapshot_info *i = &s->list[row->index];
	struct panel *p = &s->p;
	enum ui_role base = selected ? ROLE_SELECTED : ROLE_DEFAULT, dim = selected ? ROLE_SELECTED : ROLE_DIM;
	int w = p->rect.w, x = 2 + (row->depth < 12 ? row->depth : 12) * 2, end = w;
	char text[64];

	if (selected)
		ui_draw_fill(p, y, 0, 1, w, ROLE_SELECTED);
	if (i->current)
		ui_draw(p, y, 0, selected ? base : ROLE_GOOD, "\u25cf");
	if (w > 34) {
		age(i->time_s, text, sizeof(text));
		ui_draw(p, y, end -= 7, dim, "%7s", text);
	}
	if (w > 44) {
		amount(i->disk_bytes, text, sizeof(text));
		ui_draw(p, y, end -= 11, dim, "%10s", text);
	}
	if (row->depth > 0)
		ui_draw(p, y, x - 2, selected ? base : ROLE_BORDER, "\u2514\u2500");
	ui_draw(p, y, x, i->problem[0] != '\0' && !selected ? ROLE_BAD : base, "%.*s", end - x - 1 > 0 ? end - x - 1 : 0,
		i->name[0] != '\0' ? i->name : i->id);
	x += text_width(i->name[0] != '\0' ? i->name : i->id) + 1;
	if (i->problem[0] != '\0' && end - x > 4)
		ui_draw(p, y, x, selected ? base : ROLE_BAD, "%.*s", end - x - 1, i->problem);
}

static void draw_job(struct shots_panel *s, int y)
{
	const struct vm_job *job = &s->p.vm->job;
	int x = ui_draw(&s->p, y, 0, ROLE_WARN, "%s %s ", job->what, job->name);

	ui_draw_bar(&s->p, y, x, s->p.rect.w - x - 5, job->done, job->total, ROLE_BAR);
	ui_draw(&s->p, y, s->p.rect.w - 4, ROLE_VALUE, "%3u%%",
		job->total > 0 ? (unsigned)(job->done * 100 / job->total) : 0);
}

static void draw_keys(struct panel *p, int y)
{
	static const char *const pairs[][2] = {{"snapshot", "take"}, {"load", "load"}, {"delete", "delete"}};
	char key[32];
	size_t i;
	int x = 0;

	for (i = 0; i < 3; i++) {
		key_hint(p->ui, pairs[i][0], key, sizeof(key));
		if (key[0] == '\0' || x + text_width(key) + text_width(pairs[i][1]) + 1 > p->rect.w)
			continue;
		x += ui_draw(p, y, x, ROLE_KEY, "%s", key) + 1;
		x += ui_draw(p, y, x, ROLE_DIM, "%s", pairs[i][1]) + 2;
	}
}

static void shots_draw(struct panel *p)
{
	struct shots_panel *s = (struct shots_panel *)p;
	int h = p->rect.h - 1, i;

	if (p->vm->job.active)
		draw_job(s, h);
	else
		draw_keys(p, h);
	if (s->error[0] != '\0') {
		ui_draw(p, 0, 0, ROLE_BAD, "%s", s->error);
		return;
	}
	if (s->nrows == 0) {
		ui_draw(p, 0, 0, ROLE_DIM, !s->known ? "not running" : s->n == 0 ? "no snapshot yet" : "none matches");
		return;
	}
	if (s->cur < s->top)
		s->top = s->cur;
	if (s->cur >= s->top + h)
		s->top = s->cur - h + 1;
	for (i = 0; i < h && s->top + i < (int)s->nrows; i++)
		draw_row(s, i, &s->row[s->top + i], s->top + i == s->cur);
}

static void shots_title(struct panel *p, char *out, size_t size)
{
	struct shots_panel *s = (struct shots_panel *)p;

	snprintf(out, size, "%s \u00b7 snapshots%s%s", p->vm->name, s->filter[0] != '\0' ? " /" : "", s->filter);
}

static enum panel_result shots_key(struct panel *p, int key)
{
	struct shots_panel *s = (struct shots_panel *)p;
	int to = s->cur;

	switch (key) {
	case 'j':
	case KEY_DOWN:
		to++;
		break;
	case 'k':
	case KEY_UP:
		to--;
		break;
	case KEY_NPAGE:
		to += p->rect.h - 1;
		break;
	case KEY_PPAGE:
		to -= p->rect.h - 1;
		break;
	case KEY_HOME:
		to = 0;
		break;
	case KEY_END:
	case 'G':
		to = (int)s->nrows - 1;
		break;
	case UI_KEY_ENTER:
		command_run(p->ui, "load");
		return PANEL_HANDLED;
	case KEY_DC:
		command_run(p->ui, "delete");
		return PANEL_HANDLED;
	default:
		return PANEL_IGNORED;
	}
	to = to >= (int)s->nrows ? (int)s->nrows - 1 : to;
	s->cur = to < 0 ? 0 : to;
	return PANEL_REDRAW;
}

static enum panel_result shots_mouse(struct panel *p, const struct panel_mouse *m)
{
	struct shots_panel *s = (struct shots_panel *)p;

	if (m->what != MOUSE_PRESS || s->top + m->y >= (int)s->nrows)
		return PANEL_IGNORED;
	s->cur = s->top + m->y;
	return PANEL_REDRAW;
}

static void shots_filter(struct panel *p, const char *text)
{
	struct shots_panel *s = (struct shots_panel *)p;

	snprintf(s->filter, sizeof(s->filter), "%s", text);
	s->cur = s->top = 0;
	build_rows(s);
}

const char *snapshots_chosen(struct panel *p, const char **name)
{
	struct shots_panel *s = (struct shots_panel *)p;
	const struct vmc_snapshot_info *i;

	if (s->cur >= (int)s->nrows)
		return "";
	i = &s->list[s->row[s->cur].index];
	*name = i->name[0] != '\0' ? i->name : i->id;
	return i->id;
}

void snapshots_each(struct ui *ui, struct ui_vm *vm, void (*fn)(void *arg, const char *name), void *arg)
{
	const struct shots_panel *s;
	size_t i, j;

	for (i = 0; i < ui->npool; i++) {
		if (ui->pool[i]->ops != &panel_snapshots || ui->pool[i]->vm != vm)
			continue;
		s = (const struct shots_panel *)ui->pool[i];
		for (j = 0; j < s->n; j++)
			fn(arg, s->list[j].name[0] != '\0' ? s->list[j].name : s->list[j].id);
	}
}

const struct panel_ops panel_snapshots = {
	.name = "snapshots",
	.help = "The VM's snapshots: take one, go back to one, delete one.",
	.min_h = 3,
	.min_w = 18,
	.per_vm = true,
	.create = shots_create,
	.destroy = shots_destroy,
	.draw = shots_draw,
	.title = shots_title,
	.key = shots_key,
	.mouse = shots_mouse,
	.tick = shots_tick,
	.filter = shots_filter,
};
