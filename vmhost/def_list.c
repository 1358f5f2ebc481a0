/* def_list.c - the settings that are lists of groups: disks and nets. See def.h. Main thread. */
#include "vmhost/def.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DISK(field) offsetof(struct def_disk, field)
#define NET(field)  offsetof(struct def_net, field)
#define COUNT(a)    (sizeof(a) / sizeof((a)[0]))

static const struct def_setting disk_fields[] = {
	{"path", NULL, NULL, DEF_PATH, DISK(path), 0, 4095, NULL, "image file or block device"},
	{"read_only", NULL, NULL, DEF_BOOL, DISK(read_only), 0, 0, NULL, "the guest cannot write"},
	{"serial", NULL, NULL, DEF_STRING, DISK(serial), 0, 20, NULL,
		"what the guest reads as its serial number"},
	{"on_error", NULL, NULL, DEF_CHOICE, DISK(on_error), 0, 0, "report|pause",
		"when the host cannot read or write: tell the guest, or pause the VM"},
};

static const struct def_setting net_fields[] = {
	{"type", NULL, NULL, DEF_CHOICE, NET(type), 0, 0, "user|tap", "how it reaches the world"},
	{"forward", NULL, NULL, DEF_STRINGS, NET(forward), 0, 255, NULL,
		"tcp:[ADDR:]HOST:GUEST, a host's port that leads to the guest's"},
	{"mac", NULL, NULL, DEF_STRING, NET(mac), 0, 17, NULL, "address of the card"},
	{"ifname", NULL, NULL, DEF_STRING, NET(ifname), 0, 15, NULL, "the tap's name"},
	{"ipv6", NULL, NULL, DEF_BOOL, NET(ipv6), 0, 0, NULL, "user networking has IPv6 too (default yes)"},
};
static const struct def_net net_initial = {.ipv6 = true};

const struct def_list def_lists[] = {
	{"disks", "disk", "PATH[,read_only=yes][,serial=S][,on_error=pause]",
		"a disk, an image file or block device (up to 8 times)", "disk",
		"disks = ( \"PATH\", { path = \"PATH\"; read_only = true; } );",
		offsetof(struct vm_def, disk), offsetof(struct vm_def, ndisks),
		sizeof(struct def_disk), DEF_DISKS, disk_fields, COUNT(disk_fields), NULL},
	{"nets", "net", "user[,forward=tcp:[ADDR:]HOST:GUEST]...[,ipv6=no]|tap,ifname=NAME[,mac=MAC]",
		"a network card (up to 4 times)", "net",
		"nets = ( \"user\", { type = \"tap\"; ifname = \"tap0\"; } );",
		offsetof(struct vm_def, net), offsetof(struct vm_def, nnets),
		sizeof(struct def_net), DEF_NETS, net_fields, COUNT(net_fields), &net_initial},
};
const size_t def_nlists = COUNT(def_lists);

static uint32_t *count_of(struct vm_def *def, const struct def_list *list)
{
	return (uint32_t *)((char *)def + list->count_offset);
}

uint32_t def_list_count(const struct vm_def *def, const struct def_list *list)
{
	return *(const uint32_t *)((const char *)def + list->count_offset);
}

static void free_field(void *item, const struct def_setting *f)
{
	void *at = (char *)item + f->offset;
	struct def_texts *texts = at;

	switch (f->type) {
	case DEF_STRING:
	case DEF_PATH:
	case DEF_CHOICE:
	case DEF_CPU:
		free(*(char **)at);
		break;
	case DEF_STRINGS:
		for (uint32_t i = 0; i < texts->n; i++)
			free(texts->text[i]);
		break;
	default:
		break;
	}
}

void def_list_clear(struct vm_def *def, const struct def_list *list)
{
	uint32_t *n = count_of(def, list);
	char *items = (char *)def + list->offset;

	for (uint32_t i = 0; i < *n; i++)
		for (size_t f = 0; f < list->nfields; f++)
			free_field(items + i * list->item_size, &list->fields[f]);
	memset(items, 0, *n * list->item_size);
	*n = 0;
}

void *def_list_new(struct vm_def *def, const struct def_list *list, char *err, size_t err_size)
{
	uint32_t *n = count_of(def, list);
	void *item;

	if (*n == list->max) {
		snprintf(err, err_size, "more than %u %ss", list->max, list->what);
		return NULL;
	}
	item = (char *)def + list->offset + list->item_size * (*n)++;
	if (list->initial)
		memcpy(item, list->initial, list->item_size);
	return item;
}

int def_list_check(const struct def_list *list, const void *item, char *err, size_t err_size)
{
	const struct def_setting *head = &list->fields[0];

	if (*(char *const *)((const char *)item + head->offset))
		return 0;
	snprintf(err, err_size, "a %s needs %s", list->what, head->key);
	return -EINVAL;
}

const struct def_setting *def_list_field(
	const struct def_list *list, const char *name, char *err, size_t err_size)
{
	const char *near = NULL;
	unsigned best = 3;
	char names[256];
	size_t pos = 0;

	for (size_t i = 0; i < list->nfields; i++) {
		if (strcmp(list->fields[i].key, name) == 0)
			return &list->fields[i];
		if (def_near(name, list->fields[i].key, &best))
			near = list->fields[i].key;
		pos += (size_t)snprintf(names + pos, sizeof(names) - pos, "%s%s", i ? ", " : "",
			list->fields[i].key);
	}
	snprintf(err, err_size, "unknown setting \"%.64s\"%s%s%s valid in a %s: %s", name,
		near ? "; did you mean \"" : ";", near ? near : "", near ? "\"?" : "", list->what,
		names);
	return NULL;
}

/* Copies one part of an option's text, up to a comma that stands alone. Return: what follows it,
 * NULL at the end. */
static const char *next_part(const char *text, char *out, size_t size)
{
	size_t n = 0;

	for (; *text; text++) {
		if (*text == ',') {
			if (text[1] != ',')
				break;
			text++; /* two of them are one that counts as text */
		}
		if (n + 1 < size)
			out[n++] = *text;
	}
	out[n] = '\0';
	return *text ? text + 1 : NULL;
}

/* "key=value" into the item. @given: a bit a field. */
static int set_part(const struct def_list *list, void *item, char *part, uint32_t *given,
	char *err, size_t err_size)
{
	char *eq = strchr(part, '='), why[512];
	const struct def_setting *f;
	int rc;

	if (!eq) {
		snprintf(err, err_size, "\"%.64s\" is no KEY=VALUE (a comma in a path is written twice)",
			part);
		return -EINVAL;
	}
	*eq = '\0';
	f = def_list_field(list, part, err, err_size);
	if (!f)
		return -EINVAL;
	if (f->type != DEF_STRINGS && *given >> (f - list->fields) & 1) {
		snprintf(err, err_size, "%s is given twice", f->key);
		return -EINVAL;
	}
	*given |= 1u << (f - list->fields);
	rc = def_set_field(item, f, eq + 1, why, sizeof(why));
	if (rc == -EINVAL)
		snprintf(err, err_size, "%s: %s", f->key, why);
	return rc;
}

int def_list_text(struct vm_def *def, const struct def_list *list, const char *text, char *err,
	size_t err_size)
{
	void *item = def_list_new(def, list, err, err_size);
	uint32_t given = 1; /* the head */
	char part[4400];
	int rc;

	if (!item)
		return -EINVAL;
	if (strlen(text) >= sizeof(part)) {
		snprintf(err, err_size, "longer than %zu bytes", sizeof(part) - 1);
		return -EINVAL;
	}
	text = next_part(text, part, sizeof(part));
	rc = def_set_field(item, &list->fields[0], part, err, err_size);
	while (rc == 0 && text) {
		text = next_part(text, part, sizeof(part));
		rc = set_part(list, item, part, &given, err, err_size);
	}
	return rc ? rc : def_list_check(list, item, err, err_size);
}

const void *def_list_item(const struct vm_def *def, const struct def_list *list, uint32_t i)
{
	return (const char *)def + list->offset + i * list->item_size;
}

/* Appends text, a comma in it twice. Return: the new end; beyond @size when it did not fit. */
static size_t put_text(char *out, size_t size, size_t pos, const char *text, bool twice)
{
	for (; *text; text++)
		for (int n = twice && *text == ',' ? 2 : 1; n; n--, pos++)
			if (pos < size)
				out[pos] = *text;
	return pos;
}

static size_t put_field(const struct def_setting *f, const char *value, char *out, size_t size,
	size_t pos, bool head)
{
	if (!value)
		return pos;
	if (!head) {
		pos = put_text(out, size, pos, ",", false);
		pos = put_text(out, size, pos, f->key, false);
		pos = put_text(out, size, pos, "=", false);
	}
	return put_text(out, size, pos, value, true);
}

/* NULL: it is what it is unless said otherwise. */
static const char *bool_text(const struct def_list *list, const struct def_setting *f, bool on)
{
	bool usual = list->initial && *(const bool *)((const char *)list->initial + f->offset);

	return on == usual ? NULL : on ? "yes" : "no";
}

int def_list_format(const struct def_list *list, const void *item, char *out, size_t size)
{
	size_t pos = 0;

	for (size_t i = 0; i < list->nfields; i++) {
		const struct def_setting *f = &list->fields[i];
		const void *at = (const char *)item + f->offset;
		const struct def_texts *texts = at;

		if (f->type == DEF_BOOL)
			pos = put_field(f, bool_text(list, f, *(const bool *)at), out, size, pos, false);
		else if (f->type == DEF_STRINGS)
			for (uint32_t k = 0; k < texts->n; k++)
				pos = put_field(f, texts->text[k], out, size, pos, false);
		else
			pos = put_field(f, *(char *const *)at, out, size, pos, i == 0);
	}
	out[pos < size ? pos : size - 1] = '\0';
	return pos < size ? 0 : -ENOSPC;
}
