/* ksyms.c - see ksyms.h. Main thread. The layout is that of the kernel's scripts/kallsyms.c, which writes it. */
#include "vmhost/ksyms.h"
#include <endian.h>
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TOKENS	    256
#define TOKEN_MAX   64		/* of its text; kernels stay below 40 */
#define MIN_SYMBOLS 512		/* fewer are not a kernel's */
#define MAX_SYMBOLS (1u << 20)
#define MAX_NAMES   (12u << 20) /* bytes; some 12 a symbol are usual */
#define MAX_TOKENS  1024	/* of one name */
#define BACK	    MAX_NAMES	/* how far before the tokens the names may begin */
#define TRIES	    64		/* candidates for that */
#define MARK_EVERY  256
#define KERNEL_LOW  0xffffffff80000000ull
#define ALIGN8(x)   (((x) + 7) & ~(uint64_t)7)

struct ksyms {
	uint32_t count;
	uint64_t *addr;	  /* ascending but for the per-CPU ones, which come first */
	uint8_t *names;	  /* packed: a length, then tokens */
	uint32_t *marks;  /* where every 256th begins in there */
	uint32_t names_len;
	uint32_t sorted_from; /* index of the first that is no per-CPU offset */
	char token[TOKENS][TOKEN_MAX];
};

static uint16_t le16(const uint8_t *p)
{
	return (uint16_t)(p[0] | p[1] << 8);
}

static uint32_t le32(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return le32toh(v);
}

/* ---- the tokens: 256 texts, and after them where each begins ---- */

static bool ascending(const uint8_t *index)
{
	if (le16(index) != 0)
		return false;
	for (int i = 1; i < TOKENS; i++) {
		int step = le16(index + 2 * i) - le16(index + 2 * i - 2);

		if (step < 2 || step > TOKEN_MAX)
			return false;
	}
	return true;
}

/* @table holds @len bytes; token i is at its index and ends right before the next. */
static bool take_tokens(struct ksyms *k, const uint8_t *table, size_t len, const uint8_t *index)
{
	for (int i = 0; i < TOKENS; i++) {
		size_t at = le16(index + 2 * i), n, most = TOKEN_MAX;

		if (at >= len)
			return false;
		n = strnlen((const char *)table + at, len - at < most ? len - at : most);
		if (n == 0 || n == most || at + n >= len)
			return false;
		if (i + 1 < TOKENS ? at + n + 1 != le16(index + 2 * i + 2) : ALIGN8(at + n + 1) != len)
			return false;
		for (size_t j = 0; j < n; j++)
			if (table[at + j] <= ' ' || table[at + j] >= 0x7f)
				return false;
		memcpy(k->token[i], table + at, n + 1);
	}
	return true;
}

/* The table ends at @index_gva but for its padding; where it begins depends on the last text. Return: there, or 0. */
static uint64_t find_tokens(struct ksyms *k, const struct ksyms_source *src, uint64_t index_gva, const uint8_t *index)
{
	uint8_t table[UINT16_MAX + TOKEN_MAX + 8];
	size_t last = le16(index + 2 * (TOKENS - 1)), most = ALIGN8(last + TOKEN_MAX), len;

	if (index_gva - src->start < most || src->read(src->arg, index_gva - most, table, most) < 0)
		return 0;
	for (len = ALIGN8(last + 2); len <= most; len += 8)
		if (take_tokens(k, table + most - len, len, index))
			return index_gva - len;
	return 0;
}

/* ---- the names ---- */

/* The length of the name at @p, and how many bytes tell it. Return: false when it leaves @left. */
static bool name_length(const uint8_t *p, size_t left, size_t *head, size_t *n)
{
	if (left < 2)
		return false;
	*head = p[0] & 0x80 ? 2 : 1;
	*n = p[0] & 0x80 ? (size_t)(p[0] & 0x7f) | (size_t)p[1] << 7 : p[0];
	return *n > 0 && *n <= MAX_TOKENS && *head + *n <= left;
}

/* Are there @count names at @p, and after them their marks? */
static bool take_names(struct ksyms *k, const uint8_t *p, size_t left, uint32_t count)
{
	uint32_t nmarks = (count + MARK_EVERY - 1) / MARK_EVERY;
	size_t at = 0, head, n, marks_at;
	uint32_t i;

	k->marks = calloc(nmarks, sizeof(*k->marks));
	for (i = 0; k->marks && i < count; i++) {
		if (!name_length(p + at, left - at, &head, &n))
			break;
		if (i % MARK_EVERY == 0)
			k->marks[i / MARK_EVERY] = (uint32_t)at;
		at += head + n;
	}
	marks_at = ALIGN8(at);
	if (!k->marks || i < count || marks_at > left || (left - marks_at) / 4 < nmarks)
		return false;
	for (i = 0; i < nmarks; i++)
		if (le32(p + marks_at + 4 * (size_t)i) != k->marks[i])
			return false;
	k->names = malloc(at);
	if (!k->names)
		return false;
	memcpy(k->names, p, at);
	k->names_len = (uint32_t)at;
	k->count = count;
	return true;
}

static void drop_names(struct ksyms *k)
{
	free(k->marks);
	free(k->names);
	k->marks = NULL;
	k->names = NULL;
	k->count = 0;
}

/*
 * Backwards from the tokens to the count, which stands alone in eight bytes right before the names. Names have hardly
 * any zero bytes, so few places look like one. Return: where the count is, or 0.
 */
static uint64_t find_names(struct ksyms *k, const struct ksyms_source *src, uint64_t tokens_gva)
{
	uint64_t room = tokens_gva - src->start, found = 0;
	size_t len = room < BACK ? room & ~(uint64_t)7 : BACK, have = 0, step;
	uint8_t *buf = malloc(len ? len : 1);
	int tries = 0;

	/* What lies before a hole is not of interest: the tables are in one piece. */
	while (buf && have < len) {
		step = len - have < 65536 ? len - have : 65536;
		if (src->read(src->arg, tokens_gva - have - step, buf + len - have - step, step) < 0)
			break;
		have += step;
	}
	for (size_t at = 16; buf && at <= have && tries < TRIES && !found; at += 8) {
		const uint8_t *p = buf + len - at;
		uint32_t count = le32(p);

		if (le32(p + 4) != 0 || count < MIN_SYMBOLS || count > MAX_SYMBOLS || count > at)
			continue;
		tries++;
		if (take_names(k, p + 8, at - 8, count))
			found = tokens_gva - at;
		else
			drop_names(k);
	}
	free(buf);
	return found;
}

/* ---- the addresses ---- */

/*
 * 32 bits each. Where per-CPU symbols are absolute (x86 until 6.14) a value from 0 up is such a one, and the others
 * are base - 1 - value; else it is base + value. The base has been moved by KASLR with the rest.
 */
static bool take_addresses(struct ksyms *k, const struct ksyms_source *src, uint64_t gva, uint64_t base_gva)
{
	size_t len = 4 * (size_t)k->count;
	uint8_t *raw = malloc(len), word[8];
	bool absolute, ok = false;
	uint64_t base, before = 0;

	k->addr = calloc(k->count, sizeof(*k->addr));
	if (!raw || !k->addr || gva < src->start || src->read(src->arg, gva, raw, len) < 0 ||
		src->read(src->arg, base_gva, word, sizeof(word)) < 0)
		goto out;
	memcpy(&base, word, sizeof(base));
	base = le64toh(base);
	if (base < KERNEL_LOW || base % 4096 != 0)
		goto out;
	absolute = (int32_t)le32(raw + len - 4) < 0;
	k->sorted_from = 0;
	for (uint32_t i = 0; i < k->count; i++) {
		int32_t v = (int32_t)le32(raw + 4 * (size_t)i);

		if (absolute && v >= 0) {
			if (i != k->sorted_from) /* they come first */
				goto out;
			k->sorted_from = i + 1;
			k->addr[i] = (uint64_t)v;
			continue;
		}
		k->addr[i] = absolute ? base - 1 - (uint64_t)(int64_t)v : base + (uint32_t)v;
		if (k->addr[i] < before || k->addr[i] < base)
			goto out;
		before = k->addr[i];
	}
	ok = k->sorted_from < k->count;
out:
	free(raw);
	if (!ok) {
		free(k->addr);
		k->addr = NULL;
	}
	return ok;
}

static bool find_addresses(struct ksyms *k, const struct ksyms_source *src, uint64_t count_gva, uint64_t index_gva)
{
	uint64_t len = ALIGN8(4 * (uint64_t)k->count), after = index_gva + 2 * TOKENS;

	return take_addresses(k, src, after, after + len) || /* 6.4 and newer */
	       (count_gva - src->start > len + 8 && take_addresses(k, src, count_gva - 8 - len, count_gva - 8));
}

/* ---- all of it ---- */

void ksyms_free(struct ksyms *k)
{
	if (!k)
		return;
	drop_names(k);
	free(k->addr);
	free(k);
}

static int take_at(const struct ksyms_source *src, uint64_t index_gva, const uint8_t *index, struct ksyms **out)
{
	struct ksyms *k = calloc(1, sizeof(*k));
	uint64_t tokens, names;

	if (!k)
		return -ENOMEM;
	tokens = find_tokens(k, src, index_gva, index);
	names = tokens ? find_names(k, src, tokens) : 0;
	if (!names || !find_addresses(k, src, names, index_gva)) {
		ksyms_free(k);
		return 0;
	}
	*out = k;
	return 1;
}

/* Page by page, so that a hole hides only itself; what is not there is zero, which no index is. */
static void read_window(const struct ksyms_source *src, uint64_t gva, uint8_t *buf, size_t len)
{
	if (src->read(src->arg, gva, buf, len) == 0)
		return;
	for (size_t at = 0; at < len;) {
		size_t n = 4096 - (gva + at) % 4096;

		n = n < len - at ? n : len - at;
		if (src->read(src->arg, gva + at, buf + at, n) < 0)
			memset(buf + at, 0, n);
		at += n;
	}
}

int ksyms_scan(const struct ksyms_source *src, uint64_t gva, struct ksyms **out)
{
	size_t len = KSYMS_STEP + 2 * TOKENS, at;
	uint8_t *buf = malloc(len);
	int rc = buf ? 0 : -ENOMEM, deep = 0;

	if (buf)
		read_window(src, gva, buf, len);
	for (at = 0; rc == 0 && at < KSYMS_STEP; at += 8) {
		/* A guest that is full of such tables costs no more than one that has a few. */
		if (buf[at + 2] == 0 || !ascending(buf + at) || deep++ >= 4)
			continue;
		rc = take_at(src, gva + at, buf + at, out);
	}
	free(buf);
	return rc;
}

size_t ksyms_count(const struct ksyms *k)
{
	return k->count;
}

/* "Tschedule": what kind of symbol it is, then its name; cut to @size. Return: false for one that makes no sense. */
static bool expand(const struct ksyms *k, size_t at, char *out, size_t size)
{
	size_t head, n, len = 0, i;

	if (!name_length(k->names + at, k->names_len - at, &head, &n))
		return false;
	for (i = 0; i < n && len + 1 < size; i++) {
		const char *t = k->token[k->names[at + head + i]];

		while (*t && len + 1 < size)
			out[len++] = *t++;
	}
	out[len] = '\0';
	return len > 1;
}

static size_t name_at(const struct ksyms *k, uint32_t index)
{
	size_t at = k->marks[index / MARK_EVERY], head, n;

	for (uint32_t i = index % MARK_EVERY; i; i--)
		if (name_length(k->names + at, k->names_len - at, &head, &n))
			at += head + n;
	return at;
}

int ksyms_find(const struct ksyms *k, uint64_t gva, char *out, size_t size)
{
	uint32_t lo = k->sorted_from, hi = k->count;
	char text[KSYMS_NAME + 1];

	while (lo < hi) { /* the first one beyond */
		uint32_t mid = lo + (hi - lo) / 2;

		if (k->addr[mid] <= gva)
			lo = mid + 1;
		else
			hi = mid;
	}
	if (lo == k->sorted_from || lo == k->count) /* the last one has no end: _end, or what stands for it */
		return -ENOENT;
	/* Of several names for one place the first, as the kernel itself does it. */
	for (lo--; lo > k->sorted_from && k->addr[lo - 1] == k->addr[lo];)
		lo--;
	if (!expand(k, name_at(k, lo), text, sizeof(text)) || !strchr("tTwW", text[0]))
		return -ENOENT;
	if (gva == k->addr[lo])
		snprintf(out, size, "%s", text + 1);
	else
		snprintf(out, size, "%s+0x%" PRIx64, text + 1, gva - k->addr[lo]);
	return 0;
}

void ksyms_lookup(const struct ksyms *k, const char *const *names, uint64_t *out, size_t n)
{
	char text[KSYMS_NAME + 1];
	size_t at = 0, head, len;

	memset(out, 0, n * sizeof(*out));
	for (uint32_t i = 0; i < k->count; i++) {
		if (i >= k->sorted_from && expand(k, at, text, sizeof(text)))
			for (size_t j = 0; j < n; j++)
				if (!out[j] && strcmp(text + 1, names[j]) == 0)
					out[j] = k->addr[i];
		if (!name_length(k->names + at, k->names_len - at, &head, &len))
			return;
		at += head + len;
	}
}
