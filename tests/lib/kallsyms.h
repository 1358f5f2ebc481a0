/*
 * kallsyms.h - a kernel's symbol tables made by hand, for tests and fuzzing: what scripts/kallsyms.c of Linux writes,
 * in the layout of 6.1 (addresses first) and in that of 6.4 and newer (addresses last).
 */
#ifndef TESTS_KALLSYMS_H
#define TESTS_KALLSYMS_H
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KA_SYMBOLS 1500u /* ka_name() of each; ka_gva() is where */
#define KA_PERCPU  7u	 /* the first ones, when they are absolute */
#define KA_SIZE	   0x20000u
#define KA_LONG	   700u	 /* the symbol with a name of more than 127 tokens */

struct kallsyms {
	uint8_t image[KA_SIZE];
	uint64_t base; /* where the image is mapped, and what its addresses begin at */
	size_t len;
	size_t count_at, names_at, marks_at, tokens_at, index_at, addr_at, base_at;
};

enum ka_layout { KA_6_1, KA_6_2, KA_NEW, KA_NEW_PLAIN }; /* PLAIN: no absolute per-CPU symbols (6.15 and newer) */

static inline uint64_t ka_gva(const struct kallsyms *k, unsigned i)
{
	return k->base + 0x1000 + (uint64_t)i * 32;
}

/* Those that lead on from here: data at the places of these symbols, below 0x3000 of the image. */
enum { KA_MODULES = 40, KA_BTF = 43, KA_BTF_END = 100, KA_TOP_PGT = 128 };

static inline void ka_name(unsigned i, char *out, size_t size)
{
	static const char kinds[] = "TtwDbrA";
	const char *special = i == KA_MODULES ? "Dmodules" : i == KA_BTF ? "R__start_BTF" : i == KA_BTF_END ? "R__stop_BTF"
		: i == KA_TOP_PGT ? "Dinit_top_pgt" : NULL;

	if (special)
		snprintf(out, size, "%s", special);
	else if (i == KA_LONG)
		snprintf(out, size, "T%0200u", i);
	else
		snprintf(out, size, "%cfn_%u", i % 10 ? 'T' : kinds[i / 10 % 7], i);
}

static inline void ka_align(struct kallsyms *k)
{
	k->len = (k->len + 7) & ~(size_t)7;
}

static inline void ka_put32(struct kallsyms *k, uint32_t v)
{
	memcpy(k->image + k->len, &v, 4);
	k->len += 4;
}

static inline void ka_addresses(struct kallsyms *k, bool plain)
{
	ka_align(k);
	k->addr_at = k->len;
	for (unsigned i = 0; i < KA_SYMBOLS; i++)
		ka_put32(k, plain ? (uint32_t)(ka_gva(k, i) - k->base) : i < KA_PERCPU ? i * 8
			: (uint32_t)(k->base - 1 - ka_gva(k, i)));
	ka_align(k);
	k->base_at = k->len;
	memcpy(k->image + k->len, &k->base, 8);
	k->len += 8;
}

static inline void ka_seqs(struct kallsyms *k)
{
	ka_align(k);
	for (unsigned i = 0; i < KA_SYMBOLS; i++, k->len += 3) {
		k->image[k->len + 1] = (uint8_t)(i >> 8);
		k->image[k->len + 2] = (uint8_t)i;
	}
}

static inline void ka_names(struct kallsyms *k)
{
	uint32_t marks[(KA_SYMBOLS + 255) / 256];
	char name[256];

	ka_align(k);
	k->count_at = k->len;
	ka_put32(k, KA_SYMBOLS);
	ka_align(k);
	k->names_at = k->len;
	for (unsigned i = 0; i < KA_SYMBOLS; i++) {
		size_t n;

		ka_name(i, name, sizeof(name));
		n = strlen(name);
		if (i % 256 == 0)
			marks[i / 256] = (uint32_t)(k->len - k->names_at);
		if (n > 127)
			k->image[k->len++] = (uint8_t)(n & 0x7f) | 0x80;
		k->image[k->len++] = (uint8_t)(n > 127 ? n >> 7 : n);
		memcpy(k->image + k->len, name, n); /* the token of a character is the character */
		k->len += n;
	}
	ka_align(k);
	k->marks_at = k->len;
	for (unsigned i = 0; i < (KA_SYMBOLS + 255) / 256; i++)
		ka_put32(k, marks[i]);
}

static inline void ka_tokens(struct kallsyms *k)
{
	uint16_t index[256];

	ka_align(k);
	k->tokens_at = k->len;
	for (int i = 0; i < 256; i++) {
		index[i] = (uint16_t)(k->len - k->tokens_at);
		if (i > ' ' && i < 0x7f)
			k->len += (size_t)sprintf((char *)k->image + k->len, "%c", i) + 1;
		else
			k->len += (size_t)sprintf((char *)k->image + k->len, "x%d", i) + 1;
	}
	ka_align(k);
	k->index_at = k->len;
	memcpy(k->image + k->len, index, sizeof(index));
	k->len += sizeof(index);
}

static inline struct kallsyms *ka_new(uint64_t base, enum ka_layout layout)
{
	struct kallsyms *k = calloc(1, sizeof(*k));

	if (!k)
		abort();
	k->base = base;
	memset(k->image, 0xcc, 0x3000); /* what comes before */
	k->len = 0x3000;
	if (layout == KA_6_1 || layout == KA_6_2)
		ka_addresses(k, false);
	ka_names(k);
	if (layout == KA_6_2)
		ka_seqs(k);
	ka_tokens(k);
	if (layout == KA_NEW || layout == KA_NEW_PLAIN) {
		ka_addresses(k, layout == KA_NEW_PLAIN);
		ka_seqs(k);
	}
	return k;
}
#endif
