/*
 * config.c - vitrine.cfg: options, keys and layouts. A mistake is said with file and line and what would be right;
 * everything else in the file still counts, and the screen starts. Screen thread.
 */
#include "config.h"
#include <errno.h>
#include <libconfig.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "tui/ui.h"

enum option_type { OPT_TEXT, OPT_BOOL, OPT_INT, OPT_KEY, OPT_BORDERS };

static const struct option {
	const char *name;
	enum option_type type;
	size_t offset, size; /* TEXT */
	int min, max;	     /* INT */
	const char *wants;
} options[] = {
	{"theme", OPT_TEXT, offsetof(struct ui_options, theme), sizeof(((struct ui_options *)0)->theme), 0, 0,
		"a theme's name"},
	{"layout", OPT_TEXT, offsetof(struct ui_options, layout), sizeof(((struct ui_options *)0)->layout), 0, 0,
		"a layout's name, or one written out"},
	{"prefix", OPT_KEY, offsetof(struct ui_options, prefix), 0, 0, 0, "a key such as C-], C-b, C-a or C-g"},
	{"ascii", OPT_BOOL, offsetof(struct ui_options, ascii), 0, 0, 0, "true or false"},
	{"mouse", OPT_BOOL, offsetof(struct ui_options, mouse), 0, 0, 0, "true or false"},
	{"clipboard", OPT_BOOL, offsetof(struct ui_options, clipboard), 0, 0, 0, "true or false"},
	{"guest-titles", OPT_TEXT, offsetof(struct ui_options, guest_titles),
		sizeof(((struct ui_options *)0)->guest_titles), 0, 0, "none, all, or names of VMs"},
	{"guest-answers", OPT_TEXT, offsetof(struct ui_options, guest_answers),
		sizeof(((struct ui_options *)0)->guest_answers), 0, 0, "none, all, or names of VMs"},
	{"borders", OPT_BORDERS, offsetof(struct ui_options, rounded), 0, 0, 0, "rounded or square"},
	{"frame-rate", OPT_INT, offsetof(struct ui_options, frames_per_s), 0, 1, 60, "1 to 60 frames a second"},
	{"shutdown-timeout", OPT_INT, offsetof(struct ui_options, shutdown_s), 0, 0, 3600, "0 to 3600 seconds"},
	{"sample-interval", OPT_INT, offsetof(struct ui_options, sample_ms), 0, 20, 10000, "20 to 10000 milliseconds"},
};
#define OPTIONS (sizeof(options) / sizeof(options[0]))

static const struct option *option_find(const char *name)
{
	size_t i;

	for (i = 0; i < OPTIONS; i++)
		if (strcmp(options[i].name, name) == 0)
			return &options[i];
	return NULL;
}

static void *field(struct ui *ui, const struct option *o)
{
	return (char *)&ui->opt + o->offset;
}

static int put_text(struct ui *ui, const struct option *o, const char *text)
{
	int key;

	switch (o->type) {
	case OPT_TEXT:
		if (text[0] == '\0' || strlen(text) >= o->size)
			return -EINVAL;
		snprintf(field(ui, o), o->size, "%s", text);
		return 0;
	case OPT_KEY:
		key = key_parse(text);
		if (key < 0 || (key >= 32 && key < 256) || key == UI_KEY_ENTER || key == UI_KEY_TAB)
			return -EINVAL; /* a key that guests need all the time */
		*(int *)field(ui, o) = key;
		return 0;
	case OPT_BORDERS:
		if (strcmp(text, "rounded") != 0 && strcmp(text, "square") != 0)
			return -EINVAL;
		*(bool *)field(ui, o) = text[0] == 'r';
		return 0;
	default:
		return -EINVAL;
	}
}

static int put_int(struct ui *ui, const struct option *o, long value)
{
	if (o->type != OPT_INT || value < o->min || value > o->max)
		return -EINVAL;
	*(int *)field(ui, o) = (int)value;
	return 0;
}

static int put_bool(struct ui *ui, const struct option *o, bool value)
{
	if (o->type != OPT_BOOL)
		return -EINVAL;
	*(bool *)field(ui, o) = value;
	return 0;
}

void config_option_names(struct ui *ui, const char *prefix, void (*add)(void *, const char *), void *arg)
{
	size_t i;

	(void)ui;
	for (i = 0; i < OPTIONS; i++)
		if (strncmp(options[i].name, prefix, strlen(prefix)) == 0)
			add(arg, options[i].name);
}

/* Is @name among the words of @list? */
static bool listed(const char *list, const char *name)
{
	size_t len = strlen(name), n;

	for (; *list != '\0'; list += n) {
		list += strspn(list, " ,");
		n = strcspn(list, " ,");
		if (n == len && memcmp(list, name, n) == 0)
			return true;
	}
	return false;
}

bool ui_guest_may(const struct ui *ui, const struct ui_vm *vm, enum ui_guest_right what)
{
	const char *list = what == UI_GUEST_TITLE ? ui->opt.guest_titles : ui->opt.guest_answers;

	return strcmp(list, "all") == 0 || (strcmp(list, "none") != 0 && listed(list, ui_vm_name(vm)));
}

void ui_clipboard(struct ui *ui, const char *text, size_t len)
{
	if (ui->opt.clipboard)
		tty_clipboard(text, len);
}

static const char *names(char *out, size_t size)
{
	size_t i, len = 0;

	for (i = 0; i < OPTIONS && len < size; i++)
		len += (size_t)snprintf(out + len, size - len, "%s%s", i > 0 ? ", " : "", options[i].name);
	return out;
}

/* ---- set: at run time ---- */

static void apply(struct ui *ui, const struct option *o)
{
	if (strcmp(o->name, "theme") == 0)
		theme_load(ui, ui->opt.theme);
	else if (strcmp(o->name, "layout") == 0)
		tab_layout(ui, ui->opt.layout);
	else if (strcmp(o->name, "mouse") == 0)
		tty_mouse(ui->opt.mouse);
	else if (strcmp(o->name, "sample-interval") == 0)
		ui->want_stale = true;
	ui_relayout(ui);
}

int config_set(struct ui *ui, const char *name, const char *value)
{
	const struct option *o = option_find(name);
	char list[256], *end;
	long n;
	int rc;

	if (o == NULL) {
		ui_warn(ui, "no option \"%.32s\"; there are %s", name, names(list, sizeof(list)));
		return -ENOENT;
	}
	n = strtol(value, &end, 10);
	if (o->type == OPT_INT)
		rc = *value != '\0' && *end == '\0' ? put_int(ui, o, n) : -EINVAL;
	else if (o->type == OPT_BOOL)
		rc = strcmp(value, "true") == 0 || strcmp(value, "on") == 0 ? put_bool(ui, o, true) :
			strcmp(value, "false") == 0 || strcmp(value, "off") == 0 ? put_bool(ui, o, false) : -EINVAL;
	else
		rc = put_text(ui, o, value);
	if (rc < 0) {
		ui_warn(ui, "%s wants %s, not \"%.64s\"", o->name, o->wants, value);
		return rc;
	}
	apply(ui, o);
	return 0;
}

/* ---- the file ---- */

struct reading {
	struct ui *ui;
	const char *file;
	int bad;
};

static void complain(struct reading *r, const config_setting_t *s, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
static void complain(struct reading *r, const config_setting_t *s, const char *fmt, ...)
{
	char what[400];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	r->bad++;
	ui_warn(r->ui, "%s:%d: %s", r->file, (int)config_setting_source_line(s), what);
}

static void read_option(struct reading *r, const config_setting_t *s)
{
	const char *name = config_setting_name(s);
	const struct option *o = option_find(name);
	char list[256];
	int rc = -EINVAL;

	if (o == NULL) {
		complain(r, s, "no option \"%.32s\"; there are %s, keys, bind, layouts", name,
			names(list, sizeof(list)));
		return;
	}
	switch (config_setting_type(s)) {
	case CONFIG_TYPE_INT:
		rc = put_int(r->ui, o, config_setting_get_int(s));
		break;
	case CONFIG_TYPE_BOOL:
		rc = put_bool(r->ui, o, config_setting_get_bool(s));
		break;
	case CONFIG_TYPE_STRING:
		rc = put_text(r->ui, o, config_setting_get_string(s));
		break;
	default:
		break;
	}
	if (rc < 0)
		complain(r, s, "%s wants %s", name, o->wants);
}

static int key_or_complain(struct reading *r, const config_setting_t *s, const char *name)
{
	int key = name != NULL ? key_parse(name) : -1;

	if (key < 0)
		complain(r, s, "no key \"%.32s\"; keys are written p, S, C-x, M-x, S-Tab, F5, Enter, PgUp, Space ...",
			name != NULL ? name : "");
	return key;
}

/* keys = { pause = "p"; reset = ["R", "F9"]; nmi = "none"; } : replaces the command's default keys */
static void read_keys(struct reading *r, const config_setting_t *group)
{
	const config_setting_t *s;
	const char *name;
	int i, j, n, key;

	if (!config_setting_is_group(group)) {
		complain(r, group, "keys is a group: { pause = \"p\"; reset = [\"R\", \"F9\"]; }");
		return;
	}
	for (i = 0; i < config_setting_length(group); i++) {
		s = config_setting_get_elem(group, (unsigned)i);
		name = config_setting_name(s);
		if (command_find(name) == NULL || !(command_find(name)->flags & CMD_UI)) {
			complain(r, s, "no command \"%.32s\"; vitrine --list-commands shows them", name);
			continue;
		}
		n = config_setting_is_aggregate(s) ? config_setting_length(s) : 1;
		keymap_unbind_command(&r->ui->keys, name);
		for (j = 0; j < n; j++) {
			const char *text = config_setting_is_aggregate(s) ?
				config_setting_get_string_elem(s, j) : config_setting_get_string(s);

			if (text != NULL && strcmp(text, "none") == 0)
				continue;
			key = key_or_complain(r, s, text);
			if (key >= 0)
				keymap_bind(&r->ui->keys, key, name, false, true);
		}
	}
}

/* bind = ( { key = "F2"; run = "layout memory"; }, { key = "v"; run = "zoom"; after-prefix = true; } ) */
static void read_bind(struct reading *r, const config_setting_t *list)
{
	const config_setting_t *s;
	const char *key_text, *run;
	char word[64];
	int i, key, after;

	for (i = 0; i < config_setting_length(list); i++) {
		s = config_setting_get_elem(list, (unsigned)i);
		key_text = run = NULL;
		after = 0;
		if (!config_setting_is_group(s) || !config_setting_lookup_string(s, "key", &key_text) ||
			!config_setting_lookup_string(s, "run", &run)) {
			complain(r, s, "an entry of bind is { key = \"F2\"; run = \"layout memory\"; }");
			continue;
		}
		config_setting_lookup_bool(s, "after-prefix", &after);
		snprintf(word, sizeof(word), "%.*s", (int)strcspn(run, " "), run);
		if (command_find(word) == NULL) {
			complain(r, s, "no command \"%.32s\"; vitrine --list-commands shows them", word);
			continue;
		}
		key = key_or_complain(r, s, key_text);
		if (key >= 0)
			keymap_bind(&r->ui->keys, key, run, after != 0, true);
	}
}

/* layouts = { wide = "cols(vms:16, console, heat:40%)"; } */
static void read_layouts(struct reading *r, const config_setting_t *group)
{
	const config_setting_t *s;
	char err[128];
	int i;

	for (i = 0; i < config_setting_length(group); i++) {
		s = config_setting_get_elem(group, (unsigned)i);
		if (config_setting_get_string(s) == NULL)
			complain(r, s, "a layout is text: \"cols(vms:16, console)\"");
		else if (layout_define(r->ui, config_setting_name(s), config_setting_get_string(s), err, sizeof(err)) < 0)
			complain(r, s, "layout %.32s: %s", config_setting_name(s), err);
	}
}

static void read_all(struct reading *r, config_t *cfg)
{
	config_setting_t *root = config_root_setting(cfg), *s;
	const char *name;
	int i;

	for (i = 0; i < config_setting_length(root); i++) {
		s = config_setting_get_elem(root, (unsigned)i);
		name = config_setting_name(s);
		if (strcmp(name, "keys") == 0)
			read_keys(r, s);
		else if (strcmp(name, "bind") == 0)
			read_bind(r, s);
		else if (strcmp(name, "layouts") == 0)
			read_layouts(r, s);
		else
			read_option(r, s);
	}
}

int config_load(struct ui *ui, const char *file)
{
	char folder[500], err[VMC_MSG_SIZE];
	struct reading r = {.ui = ui};
	config_t cfg;

	if (file != NULL) {
		snprintf(ui->opt.config_file, sizeof(ui->opt.config_file), "%s", file);
	} else {
		if (vmc_path_config(folder, sizeof(folder), err, sizeof(err)) < 0)
			return -ENOENT;
		snprintf(ui->opt.config_file, sizeof(ui->opt.config_file), "%s/vitrine.cfg", folder);
		if (access(ui->opt.config_file, F_OK) != 0) {
			ui->opt.config_file[0] = '\0';
			return -ENOENT; /* nobody has to have one */
		}
	}
	r.file = ui->opt.config_file;
	config_init(&cfg);
	if (config_read_file(&cfg, r.file) != CONFIG_TRUE) {
		if (config_error_type(&cfg) == CONFIG_ERR_PARSE)
			ui_warn(ui, "%s:%d: %s; the defaults are used", r.file, config_error_line(&cfg),
				config_error_text(&cfg));
		else
			ui_warn(ui, "%s: cannot be read; the defaults are used", r.file);
		config_destroy(&cfg);
		return -EINVAL;
	}
	read_all(&r, &cfg);
	config_destroy(&cfg);
	return r.bad > 0 ? -EINVAL : 0;
}
