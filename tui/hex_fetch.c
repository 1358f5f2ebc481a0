/*
 * hex_fetch.c - reading the memory that the hex view shows: physical addresses in one request, virtual ones page by page,
 * each translated first. One reading at a time; a reading that nobody wants any more is dropped. Screen thread.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include "tui/view_hex.h"

#define READ_EVERY_MS 500
#define PAGE 4096u

static uint32_t window_len(const struct hex_panel *hp)
{
	uint64_t len = (uint64_t)hp->per_row * (uint64_t)hp->rows;

	if (len > HEX_WINDOW)
		len = HEX_WINDOW;
	if (hp->top + (len - 1) < hp->top)
		len = 0 - hp->top; /* up to the last address */
	return (uint32_t)len;
}

/* All of next is here: compare with what was shown, then show it. */
static void finish(struct hex_panel *hp)
{
	struct hex_window *now = &hp->next, *old = &hp->shown;

	for (uint32_t i = 0; i < now->len; i++) {
		uint64_t o = now->start + i - old->start;

		now->fresh[i] = 0;
		if (now->start + i < old->start || o >= old->len || !now->present[i] || !old->present[o])
			continue;
		if (now->data[i] != old->data[o])
			now->fresh[i] = HEX_FRESH;
		else if (old->fresh[o])
			now->fresh[i] = old->fresh[o] - 1;
	}
	*old = *now;
	ui_mark(&hp->p);
}

static void reply_done(struct hex_panel *hp)
{
	if (--hp->missing)
		return;
	if (!hp->stale) {
		finish(hp);
		return;
	}
	hp->stale = false;
	hex_read(hp);
}

static void got_bytes(struct panel *p, uint64_t tag, int rc, const char *error, const char *json)
{
	struct hex_panel *hp = (struct hex_panel *)p;
	struct hex_chunk *c = &hp->chunk[tag];
	uint32_t at = (uint32_t)(c->addr - hp->next.start);
	uint64_t gpa;
	size_t len = 0;

	hp->problem[0] = '\0';
	if (rc < 0)
		snprintf(hp->problem, sizeof(hp->problem), "cannot read: %s", error);
	else if (vmc_parse_memory(json, &gpa, hp->next.data + at, hp->next.present + at, c->len, &len) < 0 || len != c->len)
		snprintf(hp->problem, sizeof(hp->problem), "cannot read: the answer makes no sense");
	if (hp->problem[0])
		memset(hp->next.present + at, 0, c->len);
	reply_done(hp);
}

static int ask_bytes(struct hex_panel *hp, unsigned i)
{
	char args[80];

	snprintf(args, sizeof(args), "{\"address\": \"0x%" PRIx64 "\", \"size\": %u}", hp->chunk[i].gpa, hp->chunk[i].len);
	return view_request(&hp->p, &hp->reqs, "x-read-memory", args, got_bytes, i);
}

static void got_translation(struct panel *p, uint64_t tag, int rc, const char *error, const char *json)
{
	struct hex_panel *hp = (struct hex_panel *)p;
	struct hex_chunk *c = &hp->chunk[tag];

	c->mapped = rc == 0 && vmc_parse_translate(json, &c->gpa) == 0;
	/* A page that is not mapped stays unreadable; the others go on. */
	if (!c->mapped || hp->stale || ask_bytes(hp, (unsigned)tag) < 0)
		reply_done(hp);
}

static int ask_translation(struct hex_panel *hp, unsigned i)
{
	char args[80];

	snprintf(args, sizeof(args), "{\"cpu\": %u, \"address\": \"0x%" PRIx64 "\"}", hp->cpu, hp->chunk[i].addr);
	return view_request(&hp->p, &hp->reqs, "x-translate", args, got_translation, i);
}

static void split(struct hex_panel *hp)
{
	uint64_t addr = hp->next.start;
	uint32_t left = hp->next.len;

	hp->nchunks = 0;
	while (left && hp->nchunks < HEX_CHUNKS) {
		struct hex_chunk *c = &hp->chunk[hp->nchunks++];
		uint32_t room = PAGE - (uint32_t)(addr % PAGE);

		*c = (struct hex_chunk){ .addr = addr, .gpa = addr, .mapped = !hp->virt };
		c->len = !hp->virt || left < room ? left : room;
		addr += c->len;
		left -= c->len;
	}
}

void hex_read(struct hex_panel *hp)
{
	int rc = 0;

	if (!hp->rows)
		return;
	if (hp->missing) {
		hp->stale |= hp->next.start != hp->top || hp->next_virt != hp->virt || hp->next.len != window_len(hp);
		return;
	}
	hp->read_ms = hp->now_ms;
	hp->next_virt = hp->virt;
	hp->next.start = hp->top;
	hp->next.len = window_len(hp);
	memset(hp->next.present, 0, sizeof(hp->next.present));
	split(hp);
	hp->missing = hp->nchunks + 1; /* one of our own, so that an early reply does not finish it */
	for (unsigned i = 0; i < hp->nchunks; i++) {
		rc = hp->virt ? ask_translation(hp, i) : ask_bytes(hp, i);
		if (rc < 0)
			hp->missing--;
	}
	if (rc == -ENOTCONN)
		snprintf(hp->problem, sizeof(hp->problem), "%s", view_absent(&hp->p));
	else if (rc < 0)
		snprintf(hp->problem, sizeof(hp->problem), "cannot read: %s", strerror(-rc));
	if (--hp->missing == 0)
		finish(hp);
}

void hex_tick(struct hex_panel *hp, uint64_t now_ms)
{
	hp->now_ms = now_ms;
	if (now_ms - hp->read_ms >= READ_EVERY_MS)
		hex_read(hp);
}

int hex_byte(const struct hex_panel *hp, uint64_t addr, bool *fresh)
{
	const struct hex_window *w = &hp->shown;
	uint64_t i = addr - w->start;

	if (addr < w->start || i >= w->len)
		return -1;
	if (!w->present[i])
		return -2;
	if (fresh)
		*fresh = w->fresh[i] > 0;
	return w->data[i];
}

bool hex_physical(const struct hex_panel *hp, uint64_t addr, uint64_t *gpa)
{
	if (!hp->virt) {
		*gpa = addr;
		return true;
	}
	for (unsigned i = 0; i < hp->nchunks && hp->next_virt; i++) {
		const struct hex_chunk *c = &hp->chunk[i];

		if (!c->mapped || addr < c->addr || addr - c->addr >= c->len)
			continue;
		*gpa = c->gpa + (addr - c->addr);
		return true;
	}
	return false;
}
