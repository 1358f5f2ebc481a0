/*
 * hex_find.c - searching guest memory from the hex view, and writing to it. The search runs in the VM's spare moments: one
 * stretch of memory after the other, bounded, stopped by Esc. Screen thread.
 */
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "tui/decode.h"
#include "tui/view_hex.h"

#define FIND_CHUNK 32768u
#define FIND_MAX   (256ull << 20)

/* ---- patterns ---- */

static bool all_hex(const char *text, size_t *digits)
{
	size_t run = 0;

	*digits = 0;
	for (;; text++) {
		if (isxdigit((unsigned char)*text)) {
			run++;
			continue;
		}
		if (run % 2)
			return false; /* half a byte */
		*digits += run;
		run = 0;
		if (!*text)
			return *digits > 0;
		if (*text != ' ')
			return false;
	}
}

uint32_t hex_pattern(const char *text, uint8_t out[HEX_PATTERN], char *err, size_t err_size)
{
	size_t digits, len = strlen(text);
	char pair[3] = "";
	uint32_t n = 0;

	err[0] = '\0';
	if (all_hex(text, &digits)) {
		for (; *text && n < HEX_PATTERN; text += 2) {
			text += strspn(text, " ");
			if (!*text)
				break;
			memcpy(pair, text, 2);
			out[n++] = (uint8_t)strtoul(pair, NULL, 16);
		}
		len = digits / 2;
	} else {
		if (len >= 2 && (*text == '"' || *text == '\'') && text[len - 1] == *text) {
			text++;
			len -= 2;
		}
		n = len < HEX_PATTERN ? (uint32_t)len : HEX_PATTERN;
		memcpy(out, text, n);
	}
	if (len > HEX_PATTERN)
		snprintf(err, err_size, "%zu bytes are too many: at most %d", len, HEX_PATTERN);
	else if (!len)
		snprintf(err, err_size, "bytes (48 89 07) or text are missing");
	return err[0] ? 0 : n;
}

/* ---- searching ---- */

/* The first memory at or after @gpa; false: none. @left: bytes of it from there. */
static bool memory_from(const struct hex_panel *hp, uint64_t *gpa, uint64_t *left)
{
	const struct vmc_map_entry *best = NULL;

	for (uint32_t i = 0; i < hp->map.n; i++) {
		const struct vmc_map_entry *e = &hp->map.e[i];

		if (e->slot < 0 || !e->size || e->start + (e->size - 1) < *gpa)
			continue;
		if (!best || e->start < best->start)
			best = e;
	}
	if (!best)
		return false;
	if (*gpa < best->start)
		*gpa = best->start;
	*left = best->size - (*gpa - best->start);
	return true;
}

void hex_find_stop(struct hex_panel *hp, const char *why)
{
	if (hp->finding && why)
		ui_say(hp->p.ui, "%s", why);
	hp->finding = false;
	ui_mark(&hp->p);
}

static void find_on(struct hex_panel *hp);

static int64_t find_in(const struct hex_panel *hp, const uint8_t *data, const uint8_t *present, size_t len)
{
	for (size_t i = 0; i + hp->pattern_len <= len; i++) {
		if (data[i] == hp->pattern[0] && !memcmp(data + i, hp->pattern, hp->pattern_len) &&
			!memchr(present + i, 0, hp->pattern_len))
			return (int64_t)i;
	}
	return -1;
}

static void found(struct hex_panel *hp, uint64_t gpa)
{
	hex_find_stop(hp, NULL);
	hex_go(hp, gpa, false);
	ui_say(hp->p.ui, "%s is at 0x%" PRIx64, hp->pattern_text, gpa);
}

static void searched(struct panel *p, uint64_t gpa, int rc, const char *error, const char *json)
{
	static uint8_t data[FIND_CHUNK], present[FIND_CHUNK]; /* of the screen thread, for this call only */
	struct hex_panel *hp = (struct hex_panel *)p;
	size_t len = 0;
	uint64_t at;
	int64_t i;

	if (!hp->finding || gpa != hp->find_at)
		return; /* stopped, or another search by now */
	if (rc < 0 || vmc_parse_memory(json, &at, data, present, FIND_CHUNK, &len) < 0 || !len) {
		hex_find_stop(hp, NULL);
		ui_warn(p->ui, "the search stopped at 0x%" PRIx64 ": %s", gpa, rc < 0 ? error : "the answer makes no sense");
		return;
	}
	i = find_in(hp, data, present, len);
	if (i >= 0) {
		found(hp, gpa + (uint64_t)i);
		return;
	}
	hp->find_read += len;
	/* The next stretch begins so that what lies across the border is found. */
	hp->find_at += len >= FIND_CHUNK ? len - (hp->pattern_len - 1) : len;
	if (hp->find_read % (4u << 20) < FIND_CHUNK)
		ui_mark(p);
	find_on(hp);
}

static void find_on(struct hex_panel *hp)
{
	uint64_t left = 0;
	char args[80], text[160], size[16];
	int rc;

	decode_size(hp->find_read, size, sizeof(size));
	snprintf(text, sizeof(text), "%s is not in the %s from 0x%" PRIx64 " on", hp->pattern_text, size, hp->find_from);
	if (hp->find_read >= FIND_MAX || !memory_from(hp, &hp->find_at, &left)) {
		hex_find_stop(hp, text);
		return;
	}
	if (left > FIND_CHUNK)
		left = FIND_CHUNK;
	snprintf(args, sizeof(args), "{\"address\": \"0x%" PRIx64 "\", \"size\": %u}", hp->find_at, (unsigned)left);
	rc = view_request(&hp->p, &hp->reqs, "x-read-memory", args, searched, hp->find_at);
	if (rc < 0) {
		hex_find_stop(hp, NULL);
		ui_warn(hp->p.ui, "cannot search: %s", strerror(-rc));
	}
}

static void find_start(struct hex_panel *hp, uint64_t from)
{
	hp->finding = true;
	hp->find_at = hp->find_from = from;
	hp->find_read = 0;
	ui_mark(&hp->p);
	find_on(hp);
}

static void find_prompted(void *arg, const char *text)
{
	struct hex_panel *hp = arg;
	char err[80];

	if (!text || !*text || !hex_alive(hp))
		return;
	hp->pattern_len = hex_pattern(text, hp->pattern, err, sizeof(err));
	if (!hp->pattern_len) {
		ui_warn(hp->p.ui, "%s", err);
		return;
	}
	snprintf(hp->pattern_text, sizeof(hp->pattern_text), "%s", text);
	hex_find_next(hp);
}

void hex_find_prompt(struct hex_panel *hp)
{
	ui_prompt(hp->p.ui, "find bytes or text", hp->pattern_text, find_prompted, hp);
}

void hex_find_next(struct hex_panel *hp)
{
	uint64_t from = 0;

	if (!hp->pattern_len) {
		hex_find_prompt(hp);
		return;
	}
	if (!hp->map.n) {
		ui_warn(hp->p.ui, "the memory map is not known yet: try again in a second");
		return;
	}
	if (hex_physical(hp, hp->cursor, &from))
		from++;
	find_start(hp, from);
}

/* ---- writing ---- */

static void written(struct panel *p, uint64_t gpa, int rc, const char *error, const char *json)
{
	if (rc < 0)
		ui_warn(p->ui, "0x%" PRIx64 " was not written: %s", gpa, error);
	else
		hex_read((struct hex_panel *)p);
}

static void write_confirmed(void *arg, bool yes)
{
	struct hex_panel *hp = arg;
	char args[80 + 2 * HEX_PATTERN], hex[2 * HEX_PATTERN + 1] = "";
	int rc;

	if (!yes || !hex_alive(hp))
		return;
	for (uint32_t i = 0; i < hp->write_len; i++)
		snprintf(hex + 2 * i, 3, "%02x", hp->write[i]);
	snprintf(args, sizeof(args), "{\"address\": \"0x%" PRIx64 "\", \"data\": \"%s\"}", hp->write_gpa, hex);
	rc = view_request(&hp->p, &hp->reqs, "x-write-memory", args, written, hp->write_gpa);
	if (rc < 0)
		ui_warn(hp->p.ui, "cannot write: %s", strerror(-rc));
}

static void write_prompted(void *arg, const char *text)
{
	struct hex_panel *hp = arg;
	char err[80];

	if (!text || !*text || !hex_alive(hp))
		return;
	hp->write_len = hex_pattern(text, hp->write, err, sizeof(err));
	if (!hp->write_len)
		ui_warn(hp->p.ui, "%s", err);
	else if (!hex_physical(hp, hp->cursor, &hp->write_gpa))
		ui_warn(hp->p.ui, "0x%" PRIx64 " is not mapped", hp->cursor);
	else if (hp->virt && hp->cursor % 4096 + hp->write_len > 4096)
		ui_warn(hp->p.ui, "that crosses a page: the next one may lie elsewhere; write it in two parts");
	else
		ui_ask(hp->p.ui, write_confirmed, hp, "%s: write %u byte%s at physical 0x%" PRIx64 "?",
			ui_vm_name(hp->p.vm), hp->write_len, hp->write_len == 1 ? "" : "s", hp->write_gpa);
}

void hex_write_prompt(struct hex_panel *hp)
{
	ui_prompt(hp->p.ui, "write bytes or text at the cursor", "", write_prompted, hp);
}
