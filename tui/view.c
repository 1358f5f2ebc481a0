/* view.c - what the views of a VM share. Screen thread. */
#include <errno.h>
#include <inttypes.h>
#include <ncurses.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include "tui/view.h"

#define MAX_REQUESTS 64 /* more than any view has under way; a VM that never answers must not eat memory */

/* ---- commands as keys ---- */

/* A key as the rows write it: one character, or a name. */
static bool key_is(int key, const char *name, size_t len)
{
	static const struct {
		const char *name;
		int key;
	} names[] = {
		{ "Enter", UI_KEY_ENTER }, { "Space", ' ' }, { "PgUp", KEY_PPAGE }, { "PgDn", KEY_NPAGE },
		{ "Home", KEY_HOME }, { "End", KEY_END }, { "Esc", UI_KEY_ESC },
		{ "Backspace", UI_KEY_BACKSPACE },
	};

	if (len == 1)
		return key == (unsigned char)name[0];
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strlen(names[i].name) == len && !strncasecmp(name, names[i].name, len))
			return key == names[i].key;
	return false;
}

static bool lists_key(const char *keys, int key)
{
	while (keys && *keys) {
		size_t len;

		keys += strspn(keys, " ");
		len = strcspn(keys, " ");
		if (len && key_is(key, keys, len))
			return true;
		keys += len;
	}
	return false;
}

enum panel_result view_cmd_key(struct panel *p, int key)
{
	for (const struct ui_cmd *const *c = p->ops->cmds; c && *c; c++) {
		char *argv[] = { (char *)(*c)->name, NULL };
		struct ui_cmd_call call = { p->ui, p, 1, argv };

		if (!lists_key((*c)->keys, key))
			continue;
		(*c)->exec(&call); /* has said what is wrong itself */
		return PANEL_REDRAW;
	}
	return PANEL_IGNORED;
}

struct panel *view_of(struct ui_cmd_call *call, const struct panel_ops *ops)
{
	if (call->panel && call->panel->ops == ops) {
		ui_mark(call->panel);
		return call->panel;
	}
	ui_warn(call->ui, "%s: focus the %s view first", call->argv[0], ops->name);
	return NULL;
}

/* ---- requests ---- */

struct view_req {
	struct panel *p; /* NULL: it has gone */
	struct view_reqs *reqs;
	view_reply_fn *fn;
	uint64_t tag;
	struct view_req *next;
};

static void unlink_req(struct view_req *r)
{
	struct view_req **at = &r->reqs->first;

	while (*at && *at != r)
		at = &(*at)->next;
	if (*at) {
		*at = r->next;
		r->reqs->count--;
	}
}

static void got_reply(void *arg, int rc, const char *error, const char *json)
{
	struct view_req *r = arg;

	if (r->p) {
		unlink_req(r);
		r->fn(r->p, r->tag, rc, error ? error : "no answer", rc < 0 ? NULL : json);
	}
	free(r);
}

int view_request(struct panel *p, struct view_reqs *reqs, const char *command, const char *args_json,
	view_reply_fn *fn, uint64_t tag)
{
	struct vmc_conn *conn = ui_vm_conn(p->vm);
	struct view_req *r;
	int rc;

	if (!conn)
		return -ENOTCONN;
	if (reqs->count >= MAX_REQUESTS)
		return -EBUSY;
	r = calloc(1, sizeof(*r));
	if (!r)
		return -ENOMEM;
	*r = (struct view_req){ p, reqs, fn, tag, reqs->first };
	reqs->first = r;
	reqs->count++;
	rc = vmc_conn_command(conn, command, args_json, got_reply, r);
	if (rc < 0) {
		unlink_req(r);
		free(r);
	}
	return rc;
}

void view_reqs_drop(struct view_reqs *reqs)
{
	for (struct view_req *r = reqs->first; r; r = r->next)
		r->p = NULL;
	reqs->first = NULL;
	reqs->count = 0;
}

/* ---- the memory map ---- */

static bool same_shape(const struct view_map *map, const struct vmc_sample *s)
{
	if (map->n != s->nmap)
		return false;
	for (uint32_t i = 0; i < map->n; i++)
		if (map->e[i].start != s->map[i].start || map->e[i].size != s->map[i].size ||
			strcmp(map->e[i].kind, s->map[i].kind) || strcmp(map->e[i].name, s->map[i].name))
			return false;
	return true;
}

bool view_map_take(struct view_map *map, const struct vmc_sample *s)
{
	bool same = same_shape(map, s);
	struct vmc_map_entry *e;

	if (!s->map || !s->nmap)
		return false;
	e = same ? map->e : realloc(map->e, s->nmap * sizeof(*e));
	if (!e)
		return false;
	memcpy(e, s->map, s->nmap * sizeof(*e));
	map->e = e;
	map->n = s->nmap;
	return !same;
}

void view_map_free(struct view_map *map)
{
	free(map->e);
	*map = (struct view_map){ 0 };
}

static bool is_kind(const struct vmc_map_entry *e, const char *kind)
{
	return !strcmp(e->kind, kind);
}

bool view_map_is_port(const struct vmc_map_entry *e)
{
	/* The irqchip has ports (PIC, PIT) and pages (IOAPIC, LAPIC). */
	return is_kind(e, "pio") || (is_kind(e, "irqchip") && e->start < 0x10000 && e->size < VMC_PAGE_SIZE);
}

bool view_map_is_guest(const struct vmc_map_entry *e)
{
	return is_kind(e, "e820") || is_kind(e, "kernel") || is_kind(e, "initrd");
}

const struct vmc_map_entry *view_map_what(const struct view_map *map, uint64_t gpa)
{
	for (uint32_t i = 0; i < map->n; i++) {
		const struct vmc_map_entry *e = &map->e[i];

		if (gpa >= e->start && gpa - e->start < e->size && (is_kind(e, "kernel") || is_kind(e, "initrd")))
			return e;
	}
	return view_map_find(map, gpa);
}

const struct vmc_map_entry *view_map_find(const struct view_map *map, uint64_t gpa)
{
	const struct vmc_map_entry *hole = NULL;

	for (uint32_t i = 0; i < map->n; i++) {
		const struct vmc_map_entry *e = &map->e[i];

		if (view_map_is_port(e) || view_map_is_guest(e) || gpa < e->start || gpa - e->start >= e->size)
			continue;
		if (!is_kind(e, "hole"))
			return e;
		hole = e;
	}
	return hole;
}

uint64_t view_map_end(const struct vmc_map_entry *e)
{
	return e->start + e->size < e->start ? UINT64_MAX : e->start + e->size;
}

uint64_t view_map_top(const struct view_map *map)
{
	uint64_t top = 0;

	for (uint32_t i = 0; i < map->n; i++) {
		const struct vmc_map_entry *e = &map->e[i];

		if (e->slot >= 0 && view_map_end(e) > top)
			top = view_map_end(e);
	}
	return top;
}

const char *view_map_name(const struct vmc_map_entry *e)
{
	return e->name[0] ? e->name : e->kind;
}

enum ui_role view_map_role(const struct vmc_map_entry *e)
{
	if (is_kind(e, "ram"))
		return ROLE_RAM;
	if (view_map_is_guest(e)) /* of RAM, but for what e820 keeps from it */
		return is_kind(e, "e820") && strcmp(e->name, "usable") ? ROLE_HOLE : ROLE_RAM;
	if (is_kind(e, "rom"))
		return ROLE_ROM;
	if (view_map_is_port(e))
		return ROLE_PIO;
	if (is_kind(e, "hole"))
		return ROLE_HOLE;
	return ROLE_MMIO;
}

/* ---- text ---- */

/* Columns of UTF-8 text whose characters are all one column wide, as those of the views are. */
static int columns(const char *s)
{
	int n = 0;

	for (; *s; s++)
		n += (*s & 0xc0) != 0x80;
	return n;
}

static void cut(char *s, int cols)
{
	for (; *s && (cols || (*s & 0xc0) == 0x80); s++)
		cols -= (*s & 0xc0) != 0x80;
	*s = '\0';
}

int view_text(struct panel *p, int y, int x, int w, enum ui_role role, const char *fmt, ...)
{
	char text[512];
	va_list ap;

	if (w <= 0)
		return 0;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text) - 4, fmt, ap);
	va_end(ap);
	if (columns(text) > w) {
		cut(text, w - 1);
		strcat(text, "…");
	}
	return ui_draw(p, y, x, role, "%s", text);
}

void view_hex(struct panel *p, int y, int x, int digits, uint64_t v, enum ui_role role)
{
	char text[20];
	int zeros;

	if (digits > 16)
		digits = 16;
	snprintf(text, sizeof(text), "%0*" PRIx64, digits, v);
	zeros = (int)strspn(text, "0");
	if (zeros == digits)
		zeros--;
	if (role == ROLE_CHANGED)
		zeros = 0;
	ui_draw(p, y, x, ROLE_DIM, "%.*s", zeros, text);
	ui_draw(p, y, x + zeros, role, "%s", text + zeros);
}

const char *view_absent(const struct panel *p)
{
	static char text[VMC_NAME_SIZE + 32]; /* of the screen thread */

	if (ui_vm_conn(p->vm))
		return "waiting for the first sample";
	snprintf(text, sizeof(text), "%s is not running", ui_vm_name(p->vm));
	return text;
}

void view_keys(struct panel *p, int y, int x, int w, ...)
{
	int left = w;
	va_list ap;

	va_start(ap, w);
	for (;;) {
		const char *key = va_arg(ap, const char *), *does;
		int need;

		if (!key)
			break;
		does = va_arg(ap, const char *);
		need = columns(key) + 1 + columns(does);
		if (need > left)
			continue;
		x += ui_draw(p, y, x, ROLE_KEY, "%s", key) + 1;
		x += ui_draw(p, y, x, ROLE_DIM, "%s", does) + 2;
		left -= need + 2;
	}
	va_end(ap);
}

void view_age(uint64_t us, char *out, size_t size)
{
	if (us == UINT64_MAX)
		snprintf(out, size, "no write seen");
	else if (us < 500000)
		snprintf(out, size, "just now");
	else if (us < 10000000)
		snprintf(out, size, "%.1f s ago", (double)us / 1e6);
	else if (us < 120000000)
		snprintf(out, size, "%" PRIu64 " s ago", us / 1000000);
	else
		snprintf(out, size, "%" PRIu64 " min ago", us / 60000000);
}
