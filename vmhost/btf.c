/* btf.c - see btf.h. Main thread. */
#include "vmhost/btf.h"
#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define MAGIC	  0xeb9f
#define HEADER	  24	 /* bytes, of version 1; a longer one is fine */
#define MAX_TYPES (1u << 20)
#define ARRAY	  3
#define STRUCT	  4
#define KINDS	  20

/* What follows the 12 bytes of each type: so many bytes, and so many for each of its vlen parts. */
static const struct {
	uint8_t fixed, each;
} extra[KINDS] = {
	[1] = {4, 0},	 /* INT */
	[ARRAY] = {12, 0},
	[STRUCT] = {0, 12},
	[5] = {0, 12},	 /* UNION */
	[6] = {0, 8},	 /* ENUM */
	[13] = {0, 8},	 /* FUNC_PROTO */
	[14] = {4, 0},	 /* VAR */
	[15] = {0, 12},	 /* DATASEC */
	[17] = {4, 0},	 /* DECL_TAG */
	[19] = {0, 12},	 /* ENUM64 */
};

struct btf {
	const uint8_t *types, *strings;
	uint32_t types_len, strings_len;
	uint32_t *at; /* of each type, in types; [0] is void */
	uint32_t count;
};

static uint32_t word(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return le32toh(v);
}

static uint32_t kind_of(uint32_t info)
{
	return info >> 24 & 31;
}

/* Where each type begins; the sum of all is bounded by the table's length. */
static int index_types(struct btf *b)
{
	uint32_t at = 0, most = b->types_len / 12 + 1; /* each has 12 bytes at least */

	most = most < MAX_TYPES ? most : MAX_TYPES;
	b->at = malloc(most * sizeof(*b->at));
	if (!b->at)
		return -ENOMEM;
	b->at[b->count++] = 0;
	while (at < b->types_len) {
		uint64_t info, next;

		if (b->types_len - at < 12 || b->count == most)
			return -EINVAL;
		info = word(b->types + at + 4);
		if (!kind_of((uint32_t)info) || kind_of((uint32_t)info) >= KINDS)
			return -EINVAL;
		next = at + 12 + extra[kind_of((uint32_t)info)].fixed + extra[kind_of((uint32_t)info)].each * (info & 0xffff);
		if (next > b->types_len)
			return -EINVAL;
		b->at[b->count++] = at;
		at = (uint32_t)next;
	}
	return 0;
}

int btf_open(const uint8_t *data, size_t len, struct btf **out)
{
	uint64_t header, types, strings;
	struct btf *b;
	int rc;

	*out = NULL;
	if (len < HEADER || len > BTF_MAX || (word(data) & 0xffffff) != (MAGIC | 1 << 16))
		return -EINVAL;
	b = calloc(1, sizeof(*b));
	if (!b)
		return -ENOMEM;
	header = word(data + 4);
	types = header + word(data + 8);
	b->types_len = word(data + 12);
	strings = header + word(data + 16);
	b->strings_len = word(data + 20);
	rc = header < HEADER || types + b->types_len > len || strings + b->strings_len > len || !b->strings_len ||
			     data[strings + b->strings_len - 1] /* so that every name ends */
		     ? -EINVAL
		     : 0;
	if (rc == 0) {
		b->types = data + types;
		b->strings = data + strings;
		rc = index_types(b);
	}
	if (rc < 0) {
		btf_free(b);
		return rc;
	}
	*out = b;
	return 0;
}

void btf_free(struct btf *btf)
{
	if (btf)
		free(btf->at);
	free(btf);
}

static bool is_named(const struct btf *b, uint32_t name, const char *want)
{
	return name < b->strings_len && strcmp((const char *)b->strings + name, want) == 0;
}

static const uint8_t *type_of_kind(const struct btf *b, uint32_t type, uint32_t kind)
{
	const uint8_t *t = type && type < b->count ? b->types + b->at[type] : NULL;

	return t && kind_of(word(t + 4)) == kind ? t : NULL;
}

uint32_t btf_struct(const struct btf *b, const char *name, uint32_t after)
{
	for (uint32_t i = after + 1; i < b->count; i++) {
		const uint8_t *t = type_of_kind(b, i, STRUCT);

		if (t && is_named(b, word(t), name))
			return i;
	}
	return 0;
}

uint32_t btf_size(const struct btf *b, uint32_t type)
{
	const uint8_t *t = type_of_kind(b, type, STRUCT);

	return t ? word(t + 8) : 0;
}

bool btf_member(const struct btf *b, uint32_t type, const char *name, struct btf_member *out)
{
	const uint8_t *t = type_of_kind(b, type, STRUCT), *array;
	uint32_t n = t ? word(t + 4) & 0xffff : 0, bits;
	bool packed = t && word(t + 4) >> 31; /* then the upper byte is a bit field's width */

	for (const uint8_t *m = t ? t + 12 : NULL; n; n--, m += 12) {
		if (!is_named(b, word(m), name))
			continue;
		bits = word(m + 8);
		if ((packed && bits >> 24) || bits % 8)
			return false;
		*out = (struct btf_member){.type = word(m + 4), .off = bits / 8, .count = 1};
		array = type_of_kind(b, out->type, ARRAY);
		if (array) {
			out->type = word(array + 12);
			out->count = word(array + 20);
		}
		return true;
	}
	return false;
}
