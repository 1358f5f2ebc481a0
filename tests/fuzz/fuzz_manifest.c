/*
 * fuzz_manifest.c - a snapshot's manifest and consoles' history as somebody may have written them.
 * The manifest's own checksum is put right first: what is behind it is to be reached.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "vmhost/console.h"
#include "vmhost/load_mark.h"
#include "vmhost/manifest.h"
#include <jansson.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void parse(const char *text, size_t len)
{
	struct manifest m;
	char err[512];

	if (manifest_parse(&m, text, len, err, sizeof(err)) < 0) {
		if (strnlen(err, sizeof(err)) == sizeof(err))
			abort();
		return;
	}
	if (!m.nregions || !m.chunk_sums || !snapshot_id_ok(m.id))
		abort();
	for (uint32_t i = 0; i < m.nchunks; i++)
		if (manifest_chunk_gpa(&m, i) % 4096)
			abort();
	manifest_free(&m);
}

/* The mark of a load: what is good is written and read again as it was. */
static void parse_mark(const char *text, size_t len)
{
	struct load_mark m, again;
	char *dump;

	if (load_mark_parse(&m, text, len) < 0)
		return;
	dump = load_mark_text(&m);
	if (!dump || load_mark_parse(&again, dump, strlen(dump)) < 0 || again.n != m.n)
		abort();
	for (unsigned i = 0; i < m.n; i++)
		if (strcmp(m.disk[i].path, again.disk[i].path) || m.disk[i].was != again.disk[i].was ||
			m.disk[i].ino != again.disk[i].ino)
			abort();
	load_mark_free(&again);
	load_mark_free(&m);
	free(dump);
}

static void with_checksum(const char *text, size_t len)
{
	json_t *root = json_loadb(text, len, 0, NULL);
	char *dump, sum[17];

	if (!json_is_object(root)) {
		json_decref(root);
		return;
	}
	json_object_del(root, "checksum");
	dump = json_dumps(root, JSON_COMPACT | JSON_SORT_KEYS);
	if (dump) {
		snprintf(sum, sizeof(sum), "%016llx",
			(unsigned long long)XXH3_64bits(dump, strlen(dump)));
		json_object_set_new(root, "checksum", json_string(sum));
		free(dump);
		dump = json_dumps(root, JSON_COMPACT);
		if (dump)
			parse(dump, strlen(dump));
		free(dump);
	}
	json_decref(root);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct vmc_in in;

	parse((const char *)data, size);
	parse_mark((const char *)data, size);
	with_checksum((const char *)data, size);
	vmc_in_init(&in, data, size);
	for (int i = 0; i < 2 && console_check(&in) == 0; i++)
		;
	if (in.pos > in.len)
		abort();
	return 0;
}
