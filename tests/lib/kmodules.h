/*
 * kmodules.h - a kernel's list of modules and its types (BTF) made by hand, for tests and fuzzing: with struct module
 * as 6.1 has it (core_layout, init_layout) and as 6.4 and newer have it (mem[]).
 */
#ifndef TESTS_KMODULES_H
#define TESTS_KMODULES_H
#include <elf.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define KM_BTF	   1024u    /* bytes, of which km->btf_len are used */
#define KM_AREA	   0x20000u /* bytes of memory, at km->base */
#define KM_COUNT   4	    /* modules mod0..mod3; the last one has no symbols */
#define KM_STRUCT  0x1000u  /* between their structures */
#define KM_TABLES  0x200u   /* struct mod_kallsyms, behind a struct module */
#define KM_SYMTAB  0x300u
#define KM_STRTAB  0x800u
#define KM_TEXT	   0x10000u /* where the first one's text begins */
#define KM_SYMBOLS 6

enum km_layout { KM_6_1, KM_6_4 };

struct kmodules {
	uint8_t btf[KM_BTF], area[KM_AREA], head[16];
	size_t btf_len, strings_len;
	char strings[256];
	uint64_t base, head_gva, btf_gva;
	uint32_t kallsyms, base_off, size_off; /* in struct module */
	enum km_layout layout;
};

static inline void km_word(struct kmodules *k, uint32_t v)
{
	memcpy(k->btf + k->btf_len, &v, 4);
	k->btf_len += 4;
}

static inline uint32_t km_string(struct kmodules *k, const char *s)
{
	uint32_t at = (uint32_t)k->strings_len;

	strcpy(k->strings + at, s);
	k->strings_len += strlen(s) + 1;
	return at;
}

static inline void km_type(struct kmodules *k, const char *name, uint32_t kind, uint32_t vlen, uint32_t size)
{
	km_word(k, *name ? km_string(k, name) : 0);
	km_word(k, kind << 24 | vlen);
	km_word(k, size);
}

static inline void km_member(struct kmodules *k, const char *name, uint32_t type, uint32_t off)
{
	km_word(k, km_string(k, name));
	km_word(k, type);
	km_word(k, off * 8);
}

/* Types: 1 char, 2 char[56], 3 a part of a module, 4 that[7], 5 mod_kallsyms, 6 another struct module, 7 module */
static inline void km_btf(struct kmodules *k)
{
	bool old = k->layout == KM_6_1;
	uint32_t types;

	k->btf_len = 24;
	k->strings_len = 1; /* the first one is empty */
	km_type(k, "char", 1, 0, 1);
	km_word(k, 8);
	km_type(k, "", 3, 0, 0);
	km_word(k, 1), km_word(k, 1), km_word(k, 56);
	km_type(k, old ? "module_layout" : "module_memory", 4, 2, old ? 16 : 24);
	km_member(k, "base", 0, 0);
	km_member(k, "size", 0, old ? 8 : 20);
	km_type(k, "", 3, 0, 0);
	km_word(k, 3), km_word(k, 1), km_word(k, 7);
	km_type(k, "mod_kallsyms", 4, 3, 32);
	km_member(k, "symtab", 0, 0);
	km_member(k, "num_symtab", 1, 8);
	km_member(k, "strtab", 0, 16);
	km_type(k, "module", 4, 0, 4); /* somebody else's */
	k->kallsyms = old ? 112 : 248;
	km_type(k, "module", 4, old ? 6 : 5, old ? 128 : 256);
	km_member(k, "state", 1, 0);
	km_member(k, "list", 0, 8);
	km_member(k, "name", 2, 24);
	if (old) {
		km_member(k, "core_layout", 3, 80);
		km_member(k, "init_layout", 3, 96);
	} else {
		km_member(k, "mem", 4, 80);
	}
	km_member(k, "kallsyms", 0, k->kallsyms);
	types = (uint32_t)k->btf_len - 24;
	memcpy(k->btf + k->btf_len, k->strings, k->strings_len);
	k->btf_len = 0;
	km_word(k, 0xeb9f | 1 << 16);
	km_word(k, 24);
	km_word(k, 0), km_word(k, types);
	km_word(k, types), km_word(k, (uint32_t)k->strings_len);
	k->btf_len = 24 + types + k->strings_len;
}

static inline void km_put(struct kmodules *k, uint64_t off, uint64_t v, size_t bytes)
{
	memcpy(k->area + off, &v, bytes);
}

static inline uint64_t km_text(const struct kmodules *k, unsigned i)
{
	return k->base + KM_TEXT + i * 0x1000;
}

static inline void km_symbol(struct kmodules *k, unsigned i, unsigned at, const char *name, uint8_t info, uint64_t value)
{
	Elf64_Sym sym = {.st_name = at * 32, .st_info = info, .st_value = value};

	memcpy(k->area + i * KM_STRUCT + KM_SYMTAB + at * sizeof(sym), &sym, sizeof(sym));
	snprintf((char *)k->area + i * KM_STRUCT + KM_STRTAB + at * 32, 32, "%s", name);
}

static inline void km_module(struct kmodules *k, unsigned i)
{
	static const char *const names[] = {"", "first", "second", "data", "label", "elsewhere"};
	uint64_t at = i * KM_STRUCT, before = i ? k->base + at - KM_STRUCT + 8 : k->head_gva;
	uint64_t next = i + 1 < KM_COUNT ? k->base + at + KM_STRUCT + 8 : k->head_gva;
	char name[32];

	km_put(k, at + 8, next, 8);
	km_put(k, at + 16, before, 8);
	snprintf((char *)k->area + at + 24, 56, "mod%u", i);
	km_put(k, at + 80, km_text(k, i), 8);
	km_put(k, at + 80 + (k->layout == KM_6_1 ? 8 : 20), 0x800, 4);
	if (i + 1 == KM_COUNT)
		return;
	km_put(k, at + k->kallsyms, k->base + at + KM_TABLES, 8);
	km_put(k, at + KM_TABLES, k->base + at + KM_SYMTAB, 8);
	km_put(k, at + KM_TABLES + 8, KM_SYMBOLS, 4);
	km_put(k, at + KM_TABLES + 16, k->base + at + KM_STRTAB, 8);
	for (unsigned s = 1; s < KM_SYMBOLS; s++) {
		snprintf(name, sizeof(name), "m%u_%s", i, names[s]);
		km_symbol(k, i, s, name,
			ELF64_ST_INFO(STB_GLOBAL, s == 3 ? STT_OBJECT : s == 4 ? STT_NOTYPE : STT_FUNC),
			s == 5 ? km_text(k, i) - 0x100 : km_text(k, i) + (s - 1) * 0x100);
	}
}

/* @head_gva: where the list's head is, @btf_gva: the types; both outside of the area. */
static inline void km_make(struct kmodules *k, enum km_layout layout, uint64_t base, uint64_t head_gva, uint64_t btf_gva)
{
	uint64_t first = base + 8;

	memset(k, 0, sizeof(*k));
	k->layout = layout;
	k->base = base;
	k->head_gva = head_gva;
	k->btf_gva = btf_gva;
	km_btf(k);
	memcpy(k->head, &first, 8);
	for (unsigned i = 0; i < KM_COUNT; i++)
		km_module(k, i);
}

static inline int km_piece(const uint8_t *from, size_t len, uint64_t at, uint64_t gva, void *buf, size_t n)
{
	if (gva < at || gva - at > len || n > len - (gva - at))
		return -1;
	memcpy(buf, from + (gva - at), n);
	return 0;
}

/* For struct ksyms_source. */
static inline int km_read(void *arg, uint64_t gva, void *buf, size_t len)
{
	const struct kmodules *k = arg;

	return km_piece(k->area, KM_AREA, k->base, gva, buf, len) == 0 ||
			       km_piece(k->head, sizeof(k->head), k->head_gva, gva, buf, len) == 0 ||
			       km_piece(k->btf, k->btf_len, k->btf_gva, gva, buf, len) == 0
		       ? 0
		       : -1;
}
#endif
