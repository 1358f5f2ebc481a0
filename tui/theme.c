/*
 * theme.c - what colour each role has: themes/NAME.cfg (libconfig), or the one compiled in. Screen thread.
 *
 *   about = "calm on black";
 *   default = { fg = 252; bg = 234; };        # every role not named below looks like this
 *   title   = { fg = "#87afd7"; attrs = "bold"; };
 *   heat    = [ 236, 17, 18, ... ];           # sixteen colours, cold to hot
 *
 * A colour is 0..255, "#rrggbb", one of the 16 names, or "default" (the terminal's own).
 */
#include "config.h"
#include <dirent.h>
#include <errno.h>
#include <libconfig.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "tui/ui.h"

static const char *const role_names[ROLE_COUNT] = {
	[ROLE_DEFAULT] = "default", [ROLE_DIM] = "dim", [ROLE_BOLD] = "bold", [ROLE_TITLE] = "title",
	[ROLE_TITLE_FOCUS] = "title-focus", [ROLE_BORDER] = "border", [ROLE_BORDER_FOCUS] = "border-focus",
	[ROLE_STATUS] = "status", [ROLE_MODE_CONTROL] = "mode-control", [ROLE_MODE_CONSOLE] = "mode-console",
	[ROLE_SELECTED] = "selected", [ROLE_KEY] = "key", [ROLE_LABEL] = "label", [ROLE_VALUE] = "value",
	[ROLE_CHANGED] = "changed", [ROLE_GOOD] = "good", [ROLE_WARN] = "warn", [ROLE_BAD] = "bad",
	[ROLE_BAR] = "bar", [ROLE_BAR_EMPTY] = "bar-empty", [ROLE_RAM] = "ram", [ROLE_ROM] = "rom",
	[ROLE_MMIO] = "mmio", [ROLE_PIO] = "pio", [ROLE_HOLE] = "hole", [ROLE_CURSOR] = "cursor",
	[ROLE_PROMPT] = "prompt", [ROLE_SEARCH] = "search", [ROLE_HEAT_NONE] = "heat-none",
};

const char *theme_role_name(enum ui_role role)
{
	return role < ROLE_COUNT ? role_names[role] : NULL;
}

/* The dark theme, so that there is always one: files may be missing, wrong or away. */
void theme_default(struct ui_theme *t)
{
	static const struct {
		enum ui_role role;
		short fg;
		attr_t attr;
	} fg[] = {
		{ROLE_DIM, 243, 0}, {ROLE_BOLD, 255, A_BOLD}, {ROLE_TITLE, 110, 0},
		{ROLE_TITLE_FOCUS, 222, A_BOLD}, {ROLE_BORDER, 239, 0},
		{ROLE_BORDER_FOCUS, 110, 0}, {ROLE_KEY, 222, 0}, {ROLE_LABEL, 109, 0},
		{ROLE_VALUE, 252, 0}, {ROLE_CHANGED, 229, A_BOLD}, {ROLE_GOOD, 114, 0},
		{ROLE_WARN, 215, 0}, {ROLE_BAD, 210, A_BOLD}, {ROLE_BAR, 67, 0},
		{ROLE_BAR_EMPTY, 239, 0}, {ROLE_RAM, 109, 0}, {ROLE_ROM, 140, 0},
		{ROLE_MMIO, 180, 0}, {ROLE_PIO, 174, 0}, {ROLE_HOLE, 240, 0},
		{ROLE_HEAT_NONE, 235, 0},
	};
	static const short heat[16] = {236, 53, 89, 125, 126, 161, 167, 203, 208, 209, 214, 215, 221, 222, 228, 229};
	static const struct {
		enum ui_role role;
		short fg, bg;
		attr_t attr;
	} both[] = {
		{ROLE_STATUS, 250, 236, 0}, {ROLE_MODE_CONTROL, 234, 110, A_BOLD},
		{ROLE_MODE_CONSOLE, 234, 114, A_BOLD}, {ROLE_SELECTED, 255, 24, 0},
		{ROLE_CURSOR, 16, 222, A_BOLD}, {ROLE_PROMPT, 255, 237, 0},
		{ROLE_SEARCH, 16, 179, 0},
	};
	size_t i;

	memset(t, 0, sizeof(*t));
	snprintf(t->name, sizeof(t->name), "dark");
	t->colour = true;
	for (i = 0; i < ROLE_COUNT; i++)
		t->role[i] = (struct ui_style){.fg = 252, .bg = 234};
	for (i = 0; i < sizeof(fg) / sizeof(fg[0]); i++)
		t->role[fg[i].role] = (struct ui_style){.fg = fg[i].fg, .bg = 234, .attr = fg[i].attr};
	for (i = 0; i < 16; i++)
		t->role[ROLE_HEAT0 + i].fg = heat[i];
	for (i = 0; i < sizeof(both) / sizeof(both[0]); i++)
		t->role[both[i].role] = (struct ui_style){both[i].fg, both[i].bg, both[i].attr};
}

/* ---- where themes are ---- */

/* Folder @n to look in, in order of preference; false after the last. */
static bool theme_folder(int n, char *out, size_t size)
{
	char exe[512], err[VMC_MSG_SIZE];
	ssize_t len;
	char *slash;

	switch (n) {
	case 0:
		if (vmc_path_config(exe, sizeof(exe), err, sizeof(err)) < 0)
			exe[0] = '\0';
		snprintf(out, size, "%s/themes", exe);
		return true;
	case 1: /* the build tree: make puts a copy beside the program */
		len = readlink("/proc/self/exe", exe, sizeof(exe) - 1);
		exe[len > 0 ? len : 0] = '\0';
		slash = strrchr(exe, '/');
		if (slash != NULL)
			*slash = '\0';
		snprintf(out, size, "%s/themes", exe);
		return true;
	case 2:
		snprintf(out, size, "%s/themes", VITRINE_DATADIR);
		return true;
	default:
		return false;
	}
}

static int by_name(const void *a, const void *b)
{
	return strcmp(a, b);
}

void theme_each(void (*fn)(void *arg, const char *name), void *arg)
{
	static char names[64][32];
	char folder[600];
	struct dirent *d;
	size_t n = 0, i, len;
	DIR *dir;
	int f;

	snprintf(names[n++], sizeof(names[0]), "dark");
	for (f = 0; theme_folder(f, folder, sizeof(folder)); f++) {
		dir = opendir(folder);
		if (dir == NULL)
			continue;
		while ((d = readdir(dir)) != NULL && n < 64) {
			len = strlen(d->d_name);
			if (len < 5 || len - 4 >= sizeof(names[0]) || strcmp(d->d_name + len - 4, ".cfg") != 0)
				continue;
			snprintf(names[n], sizeof(names[0]), "%.*s", (int)len - 4, d->d_name);
			for (i = 0; i < n && strcmp(names[i], names[n]) != 0; i++)
				;
			n += i == n;
		}
		closedir(dir);
	}
	qsort(names, n, sizeof(names[0]), by_name);
	for (i = 0; i < n; i++)
		fn(arg, names[i]);
}

struct next_search {
	const char *now;
	char *out;
	size_t size;
	bool passed;
	int state; /* 0: nothing yet, 1: the first, 2: the one after now */
};

static void next_step(void *arg, const char *name)
{
	struct next_search *s = arg;

	if (s->state == 0 || (s->state == 1 && s->passed)) {
		snprintf(s->out, s->size, "%s", name);
		s->state = s->passed ? 2 : 1;
	}
	if (strcmp(name, s->now) == 0)
		s->passed = true;
}

const char *theme_next(struct ui *ui, char *out, size_t size)
{
	struct next_search s = {.now = ui->theme.name, .out = out, .size = size};

	theme_each(next_step, &s);
	return out;
}

/* ---- reading one ---- */

static int colour_of(const config_setting_t *s, short *out)
{
	static const char *const names[] = {"black", "red", "green", "yellow", "blue", "magenta", "cyan", "white",
		"bright-black", "bright-red", "bright-green", "bright-yellow", "bright-blue", "bright-magenta",
		"bright-cyan", "bright-white"};
	const char *text;
	unsigned rgb;
	char end;
	size_t i;
	int n;

	if (config_setting_type(s) == CONFIG_TYPE_INT) {
		n = config_setting_get_int(s);
		*out = (short)n;
		return n >= -1 && n <= 255 ? 0 : -EINVAL;
	}
	text = config_setting_get_string(s);
	if (text == NULL)
		return -EINVAL;
	if (strcmp(text, "default") == 0) {
		*out = -1;
		return 0;
	}
	for (i = 0; i < 16; i++) {
		if (strcmp(text, names[i]) == 0) {
			*out = (short)i;
			return 0;
		}
	}
	if (strlen(text) == 7 && sscanf(text, "#%6x%c", &rgb, &end) == 1) {
		*out = (short)palette_from_rgb(rgb);
		return 0;
	}
	return -EINVAL;
}

static int attrs_of(const char *text, attr_t *out)
{
	static const struct {
		const char *name;
		attr_t attr;
	} known[] = {{"bold", A_BOLD}, {"dim", A_DIM}, {"underline", A_UNDERLINE}, {"reverse", A_REVERSE},
		{"italic", A_ITALIC}, {"none", 0}};
	char copy[128], *word, *save;
	size_t i;

	snprintf(copy, sizeof(copy), "%s", text);
	*out = 0;
	for (word = strtok_r(copy, " ,|", &save); word != NULL; word = strtok_r(NULL, " ,|", &save)) {
		for (i = 0; i < 6 && strcmp(known[i].name, word) != 0; i++)
			;
		if (i == 6)
			return -EINVAL;
		*out |= known[i].attr;
	}
	return 0;
}

/* Why a theme was not taken, with its place; the first reason is the one that counts. */
struct reading {
	struct ui_theme *theme;
	const char *file;
	char problem[UI_MSG_SIZE];
};

static int complain(struct reading *r, const config_setting_t *s, const char *what)
{
	if (r->problem[0] == '\0')
		snprintf(r->problem, sizeof(r->problem), "%s:%d: %s", r->file,
			s != NULL ? (int)config_setting_source_line(s) : 0, what);
	return -EINVAL;
}

static int read_style(struct reading *r, const config_setting_t *s, struct ui_style *style)
{
	const char *key, *text;
	config_setting_t *e;
	int i;

	if (!config_setting_is_group(s))
		return complain(r, s, "a role is a group: { fg = 252; bg = 234; attrs = \"bold\"; }");
	for (i = 0; i < config_setting_length(s); i++) {
		e = config_setting_get_elem(s, (unsigned)i);
		key = config_setting_name(e);
		if (strcmp(key, "fg") == 0 || strcmp(key, "bg") == 0) {
			if (colour_of(e, *key == 'f' ? &style->fg : &style->bg) < 0)
				return complain(r, e, "a colour is 0..255, \"#rrggbb\", a name such as"
					" \"bright-red\", or \"default\"");
		} else if (strcmp(key, "attrs") == 0) {
			text = config_setting_get_string(e);
			if (text == NULL || attrs_of(text, &style->attr) < 0)
				return complain(r, e, "attrs are words of: bold dim underline reverse italic none");
		} else {
			return complain(r, e, "a role has fg, bg and attrs, nothing else");
		}
	}
	return 0;
}

static int read_heat(struct reading *r, const config_setting_t *s)
{
	int i;

	if (config_setting_length(s) != 16 || config_setting_is_group(s) == CONFIG_TRUE)
		return complain(r, s, "heat is a list of sixteen colours, cold to hot");
	for (i = 0; i < 16; i++)
		if (colour_of(config_setting_get_elem(s, (unsigned)i), &r->theme->role[ROLE_HEAT0 + i].fg) < 0)
			return complain(r, s, "heat: a colour is 0..255, \"#rrggbb\" or a name");
	return 0;
}

static int read_entry(struct reading *r, const config_setting_t *s)
{
	const char *key = config_setting_name(s), *text;
	char what[160];
	int i;

	if (strcmp(key, "default") == 0)
		return 0; /* was read first */
	if (strcmp(key, "heat") == 0)
		return read_heat(r, s);
	if (strcmp(key, "about") == 0) {
		text = config_setting_get_string(s);
		snprintf(r->theme->about, sizeof(r->theme->about), "%s", text != NULL ? text : "");
		return 0;
	}
	if (strcmp(key, "colour") == 0) {
		r->theme->colour = config_setting_get_bool(s);
		return 0;
	}
	for (i = 0; i < ROLE_COUNT; i++)
		if (role_names[i] != NULL && strcmp(role_names[i], key) == 0)
			return read_style(r, s, &r->theme->role[i]);
	snprintf(what, sizeof(what), "no role \"%.40s\"; see vitrine.cfg(5), THEMES, for the roles", key);
	return complain(r, s, what);
}

static int read_theme(struct reading *r, config_t *cfg)
{
	config_setting_t *root = config_root_setting(cfg), *def = config_lookup(cfg, "default");
	struct ui_style base = {.fg = -1, .bg = -1};
	int i, rc;

	r->theme->colour = true;
	if (def != NULL && read_style(r, def, &base) < 0)
		return -EINVAL;
	for (i = 0; i < ROLE_COUNT; i++)
		r->theme->role[i] = base;
	for (i = 0; i < config_setting_length(root); i++) {
		rc = read_entry(r, config_setting_get_elem(root, (unsigned)i));
		if (rc < 0)
			return rc;
	}
	return 0;
}

struct name_list {
	char text[256];
};

static void list_step(void *arg, const char *name)
{
	struct name_list *l = arg;
	size_t len = strlen(l->text);

	snprintf(l->text + len, sizeof(l->text) - len, "%s%s", len > 0 ? ", " : "", name);
}

static int not_found(struct ui *ui, const char *name)
{
	struct name_list l = {.text = ""};

	theme_each(list_step, &l);
	ui_warn(ui, "no theme \"%s\"; there are: %s", name, l.text);
	return -ENOENT;
}

int theme_load(struct ui *ui, const char *name)
{
	struct ui_theme theme = {.colour = true};
	struct reading r = {.theme = &theme};
	char folder[600], file[700];
	config_t cfg;
	int i, rc;

	if (strchr(name, '/') != NULL || strlen(name) >= sizeof(theme.name))
		return not_found(ui, name);
	for (i = 0; theme_folder(i, folder, sizeof(folder)); i++) {
		snprintf(file, sizeof(file), "%s/%s.cfg", folder, name);
		if (access(file, R_OK) == 0)
			break;
		file[0] = '\0';
	}
	if (file[0] == '\0' && strcmp(name, "dark") != 0)
		return not_found(ui, name);
	if (file[0] == '\0') {
		theme_default(&ui->theme);
		ui_redraw_all(ui);
		return 0;
	}
	config_init(&cfg);
	r.file = file;
	if (config_read_file(&cfg, file) != CONFIG_TRUE) {
		snprintf(r.problem, sizeof(r.problem), "%s:%d: %s", file, config_error_line(&cfg),
			config_error_text(&cfg));
		rc = -EINVAL;
	} else {
		rc = read_theme(&r, &cfg);
	}
	config_destroy(&cfg);
	if (rc < 0) {
		ui_warn(ui, "%s; the theme stays %s", r.problem, ui->theme.name);
		return rc;
	}
	snprintf(theme.name, sizeof(theme.name), "%s", name);
	ui->theme = theme;
	ui_redraw_all(ui);
	return 0;
}
