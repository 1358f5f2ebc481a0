/*
 * def_file.c - reads vms/NAME.cfg (libconfig 1.5). Whatever is wrong is told as FILE:LINE: what,
 * and what would be right. Main thread, at start.
 */
#include "vmhost/def.h"
#include <errno.h>
#include <libconfig.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static unsigned min3(unsigned a, unsigned b, unsigned c)
{
	unsigned m = a < b ? a : b;

	return m < c ? m : c;
}

/* Edit distance, where swapping two neighbours is one edit (the commonest typo). */
static unsigned distance(const char *a, const char *b)
{
	unsigned rows[3][32], *two = rows[0], *one = rows[1], *now = rows[2], *t;
	size_t la = strlen(a), lb = strlen(b);

	if (la >= 32 || lb >= 32)
		return 99;
	for (size_t j = 0; j <= lb; j++)
		one[j] = (unsigned)j;
	memset(two, 0, sizeof(rows[0]));
	for (size_t i = 1; i <= la; i++) {
		now[0] = (unsigned)i;
		for (size_t j = 1; j <= lb; j++) {
			now[j] = min3(
				one[j] + 1, now[j - 1] + 1, one[j - 1] + (a[i - 1] != b[j - 1]));
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
				two[j - 2] + 1 < now[j])
				now[j] = two[j - 2] + 1;
		}
		t = two, two = one, one = now, now = t;
	}
	return one[lb];
}

bool def_near(const char *name, const char *candidate, unsigned *best)
{
	unsigned d = distance(name, candidate);

	if (d >= *best || d >= strlen(candidate))
		return false;
	*best = d;
	return true;
}

/* The part of @key below @group ("" for the top level); for the top level a group counts by its
 * name. */
static bool name_in_group(const char *key, const char *group, char *out, size_t size)
{
	size_t glen = strlen(group);

	if (!key)
		return false;
	if (glen) {
		if (strncmp(key, group, glen) || key[glen] != '.')
			return false;
		key += glen + 1;
	}
	snprintf(out, size, "%.*s", (int)strcspn(key, "."), key);
	return true;
}

const char *def_nearest(const char *group, const char *name)
{
	static char best[64];
	unsigned best_d = 3;
	char candidate[64];

	for (size_t i = 0; i < def_nsettings; i++)
		if (name_in_group(def_settings[i].key, group, candidate, sizeof(candidate)) &&
			def_near(name, candidate, &best_d))
			snprintf(best, sizeof(best), "%s", candidate);
	for (size_t i = 0; i < def_nlists && !*group; i++)
		if (def_near(name, def_lists[i].key, &best_d))
			snprintf(best, sizeof(best), "%s", def_lists[i].key);
	return best_d < 3 ? best : NULL;
}

static void list_names(const char *group, char *out, size_t size)
{
	char name[64], last[64] = "";
	size_t pos = 0;

	out[0] = '\0';
	for (size_t i = 0; i < def_nsettings && pos < size; i++) {
		if (!name_in_group(def_settings[i].key, group, name, sizeof(name)) ||
			!strcmp(name, last))
			continue;
		pos += (size_t)snprintf(out + pos, size - pos, "%s%s", pos ? ", " : "", name);
		snprintf(last, sizeof(last), "%s", name);
	}
	for (size_t i = 0; i < def_nlists && !*group && pos < size; i++)
		pos += (size_t)snprintf(out + pos, size - pos, ", %s", def_lists[i].key);
}

static int fail_at(
	const char *file, const config_setting_t *s, const char *what, char *err, size_t err_size)
{
	const char *in = config_setting_source_file(s);

	snprintf(err, err_size, "%s:%u: %s", in ? in : file, config_setting_source_line(s), what);
	return -EINVAL;
}

static int unknown(
	const char *file, const config_setting_t *s, const char *group, char *err, size_t err_size)
{
	const char *name = config_setting_name(s), *near = def_nearest(group, name);
	char names[384], what[640];

	list_names(group, names, sizeof(names));
	snprintf(what, sizeof(what), "unknown setting \"%.64s\"%s%s%s valid%s%s: %s", name,
		near ? "; did you mean \"" : ";", near ? near : "", near ? "\"?" : "",
		*group ? " in " : "", group, names);
	return fail_at(file, s, what, err, err_size);
}

static const char *wanted(enum def_type type)
{
	switch (type) {
	case DEF_SIZE:
		return "a size such as \"256M\"";
	case DEF_UINT:
		return "a whole number";
	case DEF_BOOL:
		return "true or false";
	default:
		return "a string in quotes";
	}
}

/* The value as text, the way an option would give it; NULL when its type does not fit. */
static const char *value_text(const config_setting_t *s, enum def_type type, char *buf, size_t size)
{
	switch (config_setting_type(s)) {
	case CONFIG_TYPE_INT:
	case CONFIG_TYPE_INT64:
		if (type != DEF_SIZE && type != DEF_UINT)
			return NULL;
		snprintf(buf, size, "%lld", (long long)config_setting_get_int64(s));
		return buf;
	case CONFIG_TYPE_BOOL:
		return type != DEF_BOOL ? NULL : config_setting_get_bool(s) ? "yes" : "no";
	case CONFIG_TYPE_STRING:
		return type == DEF_UINT ? NULL : config_setting_get_string(s);
	default:
		return NULL;
	}
}

/* A relative path in a file starts at the file's folder, wherever the program was started. */
static int from_folder(const char *file, const char *path, char *out, size_t size)
{
	const char *slash = strrchr(file, '/');
	int n;

	if (*path == '/' || strncmp(path, "guest:", 6) == 0 || !slash || !*path)
		n = snprintf(out, size, "%s", path);
	else
		n = snprintf(out, size, "%.*s/%s", (int)(slash - file), file, path);
	return n < 0 || (size_t)n >= size ? -ENAMETOOLONG : 0;
}

/* The value of @s as the text of an option. NULL with @err. */
static const char *file_text(const char *file, const config_setting_t *s,
	const struct def_setting *set, char *buf, size_t size, char *err, size_t err_size)
{
	const char *name = config_setting_name(s), *text = value_text(s, set->type, buf, size);
	char what[384];

	if (!text) {
		snprintf(what, sizeof(what), "\"%s\" must be %s", name ? name : set->key,
			wanted(set->type));
		fail_at(file, s, what, err, err_size);
	} else if (set->type == DEF_PATH) {
		if (from_folder(file, text, buf, size) == 0)
			return buf;
		fail_at(file, s, "the path is too long", err, err_size);
		return NULL;
	}
	return text;
}

/* What a setter said, with the place. */
static int told(const char *file, const config_setting_t *s, const char *name, int rc,
	const char *why, char *err, size_t err_size)
{
	char what[640];

	if (rc == -ENOMEM) {
		snprintf(err, err_size, "out of memory");
		return rc;
	}
	snprintf(what, sizeof(what), "%s: %s", name, why);
	return rc < 0 ? fail_at(file, s, what, err, err_size) : 0;
}

static int read_one(struct vm_def *def, const char *file, const config_setting_t *s,
	const struct def_setting *set, char *err, size_t err_size)
{
	char buf[4096], why[256];
	const char *text = file_text(file, s, set, buf, sizeof(buf), err, err_size);
	int rc;

	if (!text)
		return -EINVAL;
	rc = def_set_text(def, set, text, why, sizeof(why));
	return told(file, s, config_setting_name(s), rc, why, err, err_size);
}

/* ---- lists of groups ---- */

/* One field of an item; a list of strings where the field takes several. */
static int read_field(void *item, const char *file, const config_setting_t *s,
	const struct def_setting *f, char *err, size_t err_size)
{
	bool several = f->type == DEF_STRINGS && config_setting_is_aggregate(s) == CONFIG_TRUE;
	int n = several ? config_setting_length(s) : 1, rc = 0;
	char buf[4096], why[256];

	for (int i = 0; i < n && rc == 0; i++) {
		const config_setting_t *one =
			several ? config_setting_get_elem(s, (unsigned)i) : s;
		const char *text = file_text(file, one, f, buf, sizeof(buf), err, err_size);

		if (!text)
			return -EINVAL;
		rc = def_set_field(item, f, text, why, sizeof(why));
		rc = told(file, one, f->key, rc, why, err, err_size);
	}
	return rc;
}

static int read_item(void *item, const struct def_list *list, const char *file,
	const config_setting_t *s, char *err, size_t err_size)
{
	char why[640];
	int rc = 0;

	if (config_setting_type(s) == CONFIG_TYPE_STRING)
		return read_field(item, file, s, &list->fields[0], err, err_size);
	if (!config_setting_is_group(s)) {
		snprintf(why, sizeof(why), "write %s", list->example);
		return fail_at(file, s, why, err, err_size);
	}
	for (int i = 0; i < config_setting_length(s) && rc == 0; i++) {
		const config_setting_t *e = config_setting_get_elem(s, (unsigned)i);
		const struct def_setting *f =
			def_list_field(list, config_setting_name(e), why, sizeof(why));

		if (!f)
			return fail_at(file, e, why, err, err_size);
		rc = read_field(item, file, e, f, err, err_size);
	}
	if (rc == 0 && def_list_check(list, item, why, sizeof(why)) < 0)
		return fail_at(file, s, why, err, err_size);
	return rc;
}

static int read_list(struct vm_def *def, const char *file, const config_setting_t *s,
	const struct def_list *list, char *err, size_t err_size)
{
	char what[320];
	int rc = 0;

	if (!config_setting_is_list(s) && !config_setting_is_array(s)) {
		snprintf(what, sizeof(what), "write %s", list->example);
		return fail_at(file, s, what, err, err_size);
	}
	for (int i = 0; i < config_setting_length(s) && rc == 0; i++) {
		const config_setting_t *e = config_setting_get_elem(s, (unsigned)i);
		void *item = def_list_new(def, list, what, sizeof(what));

		if (!item)
			return fail_at(file, e, what, err, err_size);
		rc = read_item(item, list, file, e, err, err_size);
	}
	return rc;
}

static const struct def_list *find_list(const char *name)
{
	for (size_t i = 0; i < def_nlists; i++)
		if (strcmp(def_lists[i].key, name) == 0)
			return &def_lists[i];
	return NULL;
}

static const struct def_setting *find(const char *group, const char *name)
{
	char key[128];

	snprintf(key, sizeof(key), "%s%s%.64s", group, *group ? "." : "", name);
	for (size_t i = 0; i < def_nsettings; i++)
		if (def_settings[i].key && strcmp(def_settings[i].key, key) == 0)
			return &def_settings[i];
	return NULL;
}

static bool is_group(const char *name)
{
	size_t n = strlen(name);

	for (size_t i = 0; i < def_nsettings; i++)
		if (def_settings[i].key && !strncmp(def_settings[i].key, name, n) &&
			def_settings[i].key[n] == '.')
			return true;
	return false;
}

static int read_group(struct vm_def *def, const char *file, const config_setting_t *g,
	const char *group, char *err, size_t err_size)
{
	int n = config_setting_length(g), rc = 0;

	for (int i = 0; i < n && rc == 0; i++) {
		const config_setting_t *s = config_setting_get_elem(g, (unsigned)i);
		const char *name = config_setting_name(s);
		const struct def_setting *set = find(group, name);
		const struct def_list *list = *group ? NULL : find_list(name);

		if (set) {
			rc = read_one(def, file, s, set, err, err_size);
		} else if (list) {
			rc = read_list(def, file, s, list, err, err_size);
		} else if (!*group && is_group(name)) {
			if (config_setting_is_group(s))
				rc = read_group(def, file, s, name, err, err_size);
			else
				rc = fail_at(file, s, "write console = { cols = 80; rows = 24; }",
					err, err_size);
		} else {
			rc = unknown(file, s, group, err, err_size);
		}
	}
	return rc;
}

int def_read_file(struct vm_def *def, const char *path, char *err, size_t err_size)
{
	config_t cfg;
	FILE *f = fopen(path, "re");
	int rc;

	if (!f) {
		rc = -errno;
		snprintf(err, err_size, "%s: %s", path, strerror(-rc));
		return rc;
	}
	config_init(&cfg);
	config_set_auto_convert(&cfg, 0);
	if (config_read(&cfg, f)) {
		rc = read_group(def, path, config_root_setting(&cfg), "", err, err_size);
	} else {
		const char *in = config_error_file(&cfg);

		snprintf(err, err_size, "%s:%d: %s", in ? in : path, config_error_line(&cfg),
			config_error_text(&cfg));
		rc = -EINVAL;
	}
	config_destroy(&cfg);
	fclose(f);
	return rc;
}
