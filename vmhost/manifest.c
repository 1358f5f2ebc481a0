/* manifest.c - see manifest.h. Pure, any thread. */
#include "config.h"

#include "vmhost/manifest.h"
#include "vmhost/qmp.h"
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <vmcore/vm.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

#define FORMAT "vitrine-snapshot"

void manifest_init(struct manifest *m)
{
	memset(m, 0, sizeof(*m));
}

void manifest_free(struct manifest *m)
{
	free(m->chunk_sums);
	m->chunk_sums = NULL;
	for (unsigned i = 0; i < MANIFEST_DISKS; i++) {
		free(m->disk[i].sums);
		free(m->disk_text[i]);
		m->disk[i].sums = NULL;
		m->disk_text[i] = NULL;
	}
	for (unsigned i = 0; i < MANIFEST_NETS; i++) {
		free(m->net_text[i]);
		m->net_text[i] = NULL;
	}
}

bool snapshot_name_ok(const char *name)
{
	json_t *v;

	if (strlen(name) > SNAPSHOT_NAME_MAX)
		return false;
	for (const char *p = name; *p; p++)
		if ((unsigned char)*p < 0x20 || *p == 0x7f)
			return false;
	v = json_string(name); /* NULL unless UTF-8 */
	json_decref(v);
	return v != NULL;
}

uint64_t manifest_chunk_gpa(const struct manifest *m, uint32_t chunk)
{
	uint64_t off = chunk * MANIFEST_CHUNK;

	for (uint32_t i = 0; i < m->nregions; i++) {
		if (off < m->regions[i].size)
			return m->regions[i].gpa + off;
		off -= m->regions[i].size;
	}
	return 0;
}

/* ---- writing ---- */

static json_t *sum_text(uint64_t sum)
{
	char text[17];

	snprintf(text, sizeof(text), "%016" PRIx64, sum);
	return json_string(text);
}

/* Over everything but itself, in one fixed form: so blanks and the order of members do not count.
 */
static uint64_t self_sum(json_t *root)
{
	char *text = json_dumps(root, JSON_COMPACT | JSON_SORT_KEYS);
	uint64_t sum = text ? XXH3_64bits(text, strlen(text)) : 0;

	free(text);
	return sum;
}

static json_t *sum_list(const uint64_t *sums, uint32_t n)
{
	json_t *list = json_array();

	for (uint32_t i = 0; i < n; i++)
		json_array_append_new(list, sum_text(sums[i]));
	return list;
}

static json_t *text_list(char *const *text, uint32_t n)
{
	json_t *list = json_array();

	for (uint32_t i = 0; i < n; i++)
		json_array_append_new(list, qmp_text(text[i]));
	return list;
}

static json_t *sections(const struct manifest *m)
{
	char name[16];
	json_t *all = json_pack("{s:{s:I, s:o}, s:{s:I, s:o}, s:{s:I, s:I, s:o}}", "state", "size",
		(json_int_t)m->state_size, "xxh3", sum_text(m->state_sum), "console", "size",
		(json_int_t)m->console_size, "xxh3", sum_text(m->console_sum), "memory", "size",
		(json_int_t)m->memory_size, "chunk", (json_int_t)MANIFEST_CHUNK, "xxh3",
		sum_list(m->chunk_sums, m->nchunks));

	for (uint32_t i = 0; i < m->ndisks; i++) {
		const struct manifest_disk *d = &m->disk[i];

		snprintf(name, sizeof(name), "disk%u", i);
		json_object_set_new(all, name,
			json_pack("{s:I, s:b, s:I, s:o}", "size", (json_int_t)d->size, "read-only",
				d->read_only, "chunk", (json_int_t)MANIFEST_CHUNK, "xxh3",
				sum_list(d->sums, d->nchunks)));
	}
	return all;
}

char *manifest_text(const struct manifest *m)
{
	json_t *regions = json_array(), *config, *root;
	char *text = NULL;

	for (uint32_t i = 0; i < m->nregions; i++)
		json_array_append_new(
			regions, json_pack("{s:o, s:o}", "start", qmp_hex(m->regions[i].gpa),
					 "size", qmp_hex(m->regions[i].size)));
	config = json_pack("{s:o, s:i, s:i, s:i, s:o, s:o, s:b, s:b, s:I, s:s}", "memory", qmp_hex(m->memory), "vcpus",
		(int)m->vcpus, "cols", m->cols, "rows", m->rows, "kernel", qmp_text(m->kernel),
		"cmdline", qmp_text(m->cmdline), "rng", m->rng, "balloon", m->balloon, "vsock",
		(json_int_t)m->vsock, "cpu", m->cpu);
	json_object_set_new(config, "disks", text_list(m->disk_text, m->ndisks));
	json_object_set_new(config, "nets", text_list(m->net_text, m->nnets));
	root = json_pack("{s:s, s:i, s:s, s:s, s:s, s:s, s:I, s:b, s:s, s:o, s:o, s:o}", "format",
		FORMAT, "version", MANIFEST_VERSION, "id", m->id, "parent", m->parent, "name",
		m->name, "vm", m->vm, "time", (json_int_t)m->time_s, "running", m->running,
		"made-by", "vitrine " PACKAGE_VERSION, "config", config, "regions", regions,
		"sections", sections(m));
	if (root && json_object_set_new(root, "checksum", sum_text(self_sum(root))) == 0)
		text = json_dumps(root, JSON_INDENT(1));
	json_decref(root);
	return text;
}

/* ---- reading ---- */

struct reader {
	char *err;
	size_t err_size;
	int rc;
};

static void bad(struct reader *r, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void bad(struct reader *r, const char *fmt, ...)
{
	char what[256];
	va_list ap;

	if (r->rc) /* the first is the one to tell */
		return;
	va_start(ap, fmt);
	vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	snprintf(r->err, r->err_size, "manifest: %s", what);
	r->rc = -EBADMSG;
}

static uint64_t number(struct reader *r, json_t *obj, const char *name, uint64_t min, uint64_t max)
{
	json_t *v = json_object_get(obj, name);
	uint64_t n = 0;

	if (!v || !qmp_number(v, &n))
		bad(r, "\"%s\" is missing or no number", name);
	else if (n < min || n > max)
		bad(r, "\"%s\" is %" PRIu64 ", which is out of range", name, n);
	return r->rc ? 0 : n;
}

static void text(struct reader *r, json_t *obj, const char *name, char *out, size_t size)
{
	const char *s = json_string_value(json_object_get(obj, name));

	if (!s || strlen(s) >= size) {
		bad(r, "\"%s\" is missing, no string or too long", name);
		return;
	}
	strcpy(out, s);
}

static uint64_t parse_sum(struct reader *r, json_t *v, const char *of)
{
	const char *s = json_string_value(v);

	if (!s || strlen(s) != 16 || strspn(s, "0123456789abcdef") != 16) {
		bad(r, "the checksum of %s is malformed", of);
		return 0;
	}
	return strtoull(s, NULL, 16);
}

/* A list of strings; not there in snapshots of before there were any. */
static uint32_t read_texts(struct reader *r, json_t *config, const char *name, char **out, size_t max)
{
	json_t *list = json_object_get(config, name), *v;
	size_t i;

	if (!list)
		return 0;
	if (!json_is_array(list) || json_array_size(list) > max) {
		bad(r, "\"%s\" is no list or too long", name);
		return 0;
	}
	json_array_foreach(list, i, v)
	{
		if (!json_is_string(v))
			bad(r, "\"%s\" has something that is no string", name);
		else if (!(out[i] = strdup(json_string_value(v))))
			r->rc = -ENOMEM;
		if (r->rc)
			return 0;
	}
	return (uint32_t)json_array_size(list);
}

static void read_config(struct reader *r, json_t *root, struct manifest *m)
{
	json_t *config = json_object_get(root, "config");
	char why[200];

	m->memory = number(r, config, "memory", VMC_PAGE_SIZE, 1ull << 40);
	m->vcpus = (uint32_t)number(r, config, "vcpus", 1, VMC_MAX_VCPUS);
	m->cols = (uint16_t)number(r, config, "cols", 1, 1000);
	m->rows = (uint16_t)number(r, config, "rows", 1, 1000);
	text(r, config, "kernel", m->kernel, sizeof(m->kernel));
	text(r, config, "cmdline", m->cmdline, sizeof(m->cmdline));
	if (json_object_get(config, "cpu")) {
		text(r, config, "cpu", m->cpu, sizeof(m->cpu));
		if (!r->rc && *m->cpu && vmc_cpu_check(m->cpu, why, sizeof(why)) < 0)
			bad(r, "\"cpu\": %s", why);
	}
	m->ndisks = read_texts(r, config, "disks", m->disk_text, MANIFEST_DISKS);
	m->nnets = read_texts(r, config, "nets", m->net_text, MANIFEST_NETS);
	/* Snapshots from before these devices have no such members. */
	m->rng = json_is_true(json_object_get(config, "rng"));
	m->balloon = json_is_true(json_object_get(config, "balloon"));
	if (json_object_get(config, "vsock"))
		m->vsock = (uint32_t)number(r, config, "vsock", 0, 0xfffffffe);
}

static void read_regions(struct reader *r, json_t *root, struct manifest *m)
{
	json_t *list = json_object_get(root, "regions"), *v;
	uint64_t total = 0, end = 0;
	size_t i;

	if (json_array_size(list) < 1 || json_array_size(list) > MANIFEST_REGIONS) {
		bad(r, "\"regions\" is missing, empty or too long");
		return;
	}
	json_array_foreach(list, i, v)
	{
		uint64_t gpa = number(r, v, "start", 0, 1ull << 52),
			 size = number(r, v, "size", 1, 1ull << 40);

		if (!r->rc && (gpa < end || gpa % VMC_PAGE_SIZE || size % VMC_PAGE_SIZE))
			bad(r, "memory region %zu is misplaced", i);
		m->regions[i].gpa = gpa;
		m->regions[i].size = size;
		end = gpa + size;
		total += size;
	}
	m->nregions = (uint32_t)json_array_size(list);
	if (!r->rc && total != m->memory)
		bad(r, "the memory regions do not add up to \"memory\"");
}

/* The checksums of a section that is @size long. Return: how many; NULL in @out when it is bad. */
static uint32_t read_sums(
	struct reader *r, json_t *section, uint64_t size, uint64_t **out, const char *of)
{
	json_t *sums = json_object_get(section, "xxh3"), *v;
	size_t i;

	number(r, section, "chunk", MANIFEST_CHUNK, MANIFEST_CHUNK);
	if (!r->rc && json_array_size(sums) != (size + MANIFEST_CHUNK - 1) / MANIFEST_CHUNK)
		bad(r, "the number of checksums of %s is wrong", of);
	if (r->rc)
		return 0;
	*out = calloc(json_array_size(sums) + 1, sizeof(**out));
	if (!*out) {
		r->rc = -ENOMEM;
		return 0;
	}
	json_array_foreach(sums, i, v) (*out)[i] = parse_sum(r, v, of);
	return (uint32_t)json_array_size(sums);
}

static void read_memory(struct reader *r, json_t *mem, struct manifest *m)
{
	m->memory_size = number(r, mem, "size", 0, 1ull << 40);
	if (!r->rc && m->memory_size != m->memory)
		bad(r, "the size of section memory is not that of the memory");
	m->nchunks = read_sums(r, mem, m->memory_size, &m->chunk_sums, "section memory");
}

static void read_disks(struct reader *r, json_t *all, struct manifest *m)
{
	char name[16], of[24];

	for (uint32_t i = 0; i < m->ndisks && !r->rc; i++) {
		struct manifest_disk *d = &m->disk[i];
		json_t *v;

		snprintf(name, sizeof(name), "disk%u", i);
		snprintf(of, sizeof(of), "section disk%u", i);
		v = json_object_get(all, name);
		d->size = number(r, v, "size", 1, 1ull << 52);
		d->read_only = json_is_true(json_object_get(v, "read-only"));
		d->nchunks = read_sums(r, v, d->read_only ? 0 : d->size, &d->sums, of);
	}
}

static void read_sections(struct reader *r, json_t *root, struct manifest *m)
{
	json_t *all = json_object_get(root, "sections"), *state = json_object_get(all, "state"),
	       *console = json_object_get(all, "console");

	m->state_size = number(r, state, "size", 1, SNAPSHOT_SECTION_MAX);
	m->state_sum = parse_sum(r, json_object_get(state, "xxh3"), "section state");
	/* two streams of at most 256 MiB each (def.c) and their headers */
	m->console_size = number(r, console, "size", 1, 513ull << 20);
	m->console_sum = parse_sum(r, json_object_get(console, "xxh3"), "section console");
	read_memory(r, json_object_get(all, "memory"), m);
	read_disks(r, all, m);
}

static void read_all(struct reader *r, json_t *root, struct manifest *m)
{
	char format[64] = "";

	text(r, root, "format", format, sizeof(format));
	if (!r->rc && strcmp(format, FORMAT))
		bad(r, "this is no manifest of a vitrine snapshot");
	if (number(r, root, "version", 1, UINT32_MAX) != MANIFEST_VERSION)
		bad(r, "format version is not %d: made by another vitrine", MANIFEST_VERSION);
	text(r, root, "id", m->id, sizeof(m->id));
	text(r, root, "parent", m->parent, sizeof(m->parent));
	text(r, root, "name", m->name, sizeof(m->name));
	text(r, root, "vm", m->vm, sizeof(m->vm));
	m->time_s = (int64_t)number(r, root, "time", 0, INT64_MAX);
	if (!json_is_boolean(json_object_get(root, "running")))
		bad(r, "\"running\" is missing");
	m->running = json_is_true(json_object_get(root, "running"));
	if (!r->rc && (!snapshot_id_ok(m->id) || (*m->parent && !snapshot_id_ok(m->parent)) ||
			      !snapshot_name_ok(m->name)))
		bad(r, "\"id\", \"parent\" or \"name\" is malformed");
	read_config(r, root, m);
	read_regions(r, root, m);
	read_sections(r, root, m);
}

int manifest_parse(struct manifest *m, const char *buf, size_t len, char *err, size_t err_size)
{
	struct reader r = {.err = err, .err_size = err_size};
	json_error_t why;
	json_t *root = json_loadb(buf, len, JSON_REJECT_DUPLICATES, &why), *sum;
	uint64_t want;

	manifest_init(m);
	if (!json_is_object(root)) {
		if (root)
			bad(&r, "not an object");
		else
			bad(&r, "line %d: %s", why.line, why.text);
		json_decref(root);
		return r.rc;
	}
	sum = json_object_get(root, "checksum");
	if (sum)
		json_incref(sum);
	json_object_del(root, "checksum");
	want = parse_sum(&r, sum, "the manifest");
	json_decref(sum);
	/* What another version wrote differs in more than its sum: say so first. */
	if (!r.rc && json_integer_value(json_object_get(root, "version")) == MANIFEST_VERSION &&
		want != self_sum(root))
		bad(&r, "does not match its checksum: it has been changed or damaged");
	read_all(&r, root, m);
	json_decref(root);
	if (r.rc) {
		if (r.rc == -ENOMEM)
			snprintf(err, err_size, "out of memory");
		manifest_free(m);
	}
	return r.rc;
}
