/* kmods.c - see kmods.h. Main thread. */
#include "vmhost/kmods.h"
#include "vmhost/btf.h"
#include <elf.h>
#include <endian.h>
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_MODULES 1024
#define MAX_PARTS   8		/* of a module: text, data ..., and those of its init */
#define NAME_SIZE   64		/* MODULE_NAME_LEN is 56 */
#define MAX_STRUCT  4096	/* of struct module */
#define MAX_PART    (256u << 20)
#define MAX_SYMBOLS 65536	/* of one module */
#define MAX_STRINGS (4u << 20)
#define MAX_KEPT    (32u << 20) /* bytes of symbols, of all modules */
#define KERNEL_HALF 0xffff800000000000ull
#define UNFORMED    3		/* enum module_state: not set up yet */

struct layout {
	uint32_t size, list, name, name_len, state, kallsyms; /* of struct module */
	uint32_t base[MAX_PARTS], len[MAX_PARTS], nparts;
	uint32_t tables_size, symtab, num, strtab; /* of struct mod_kallsyms */
};

struct symbol {
	uint64_t addr;
	uint32_t name; /* offset into names */
	bool function; /* else a label */
};

struct module {
	uint64_t at; /* its struct module */
	char name[NAME_SIZE];
	uint64_t kallsyms;
	struct part {
		uint64_t start, size;
	} part[MAX_PARTS];
	uint32_t nparts;
	/* read when wanted */
	bool looked;
	struct symbol *syms;
	uint32_t nsyms;
	char *names;
	size_t kept; /* bytes of both */
};

struct kmods {
	struct layout l;
	uint64_t list;
	struct module *mod;
	size_t n, kept;
};

static uint64_t get(const uint8_t *p, size_t bytes)
{
	uint64_t v = 0;

	memcpy(&v, p, bytes);
	return le64toh(v);
}

/* ---- what lies where ---- */

static bool member(const struct btf *btf, uint32_t type, const char *name, uint32_t bytes, uint32_t *off)
{
	uint32_t size = btf_size(btf, type);
	struct btf_member m;

	if (!btf_member(btf, type, name, &m) || size < bytes || m.off > size - bytes)
		return false;
	*off = m.off;
	return true;
}

/* A member of struct module that says where a part of it is: { void *base; ...; unsigned int size; ... }, or several. */
static bool add_parts(const struct btf *btf, uint32_t module, const char *name, struct layout *l)
{
	uint32_t size, base, len;
	struct btf_member m;

	if (!btf_member(btf, module, name, &m))
		return false;
	size = btf_size(btf, m.type);
	if (!member(btf, m.type, "base", 8, &base) || !member(btf, m.type, "size", 4, &len) || size > l->size)
		return false;
	for (uint32_t i = 0; i < m.count && l->nparts < MAX_PARTS; i++) {
		uint64_t at = m.off + (uint64_t)i * size;

		if (at > l->size - size)
			return false;
		l->base[l->nparts] = (uint32_t)at + base;
		l->len[l->nparts++] = (uint32_t)at + len;
	}
	return l->nparts > 0;
}

static bool read_layout(const struct btf *btf, uint32_t module, struct layout *l)
{
	struct btf_member name;
	uint32_t tables;

	memset(l, 0, sizeof(*l));
	l->size = btf_size(btf, module);
	if (!l->size || l->size > MAX_STRUCT || !member(btf, module, "list", 16, &l->list) ||
		!member(btf, module, "state", 4, &l->state) || !btf_member(btf, module, "name", &name) ||
		name.count < 2 || name.off > l->size || name.count > l->size - name.off)
		return false;
	l->name = name.off;
	l->name_len = name.count;
	if (!add_parts(btf, module, "mem", l) && /* 6.4 and newer */
		(!add_parts(btf, module, "core_layout", l) || !add_parts(btf, module, "init_layout", l)))
		return false;
	tables = btf_struct(btf, "mod_kallsyms", 0);
	if (!member(btf, module, "kallsyms", 8, &l->kallsyms) || btf_size(btf, tables) > MAX_STRUCT ||
		!member(btf, tables, "symtab", 8, &l->symtab) || !member(btf, tables, "num_symtab", 4, &l->num) ||
		!member(btf, tables, "strtab", 8, &l->strtab))
		return true; /* modules without symbols, then */
	l->tables_size = btf_size(btf, tables);
	return true;
}

static int find_layout(const uint8_t *data, size_t len, struct layout *l)
{
	uint32_t type = 0;
	struct btf *btf;
	bool found = false;
	int rc = btf_open(data, len, &btf);

	if (rc < 0)
		return rc == -ENOMEM ? rc : -ENOTSUP;
	while (!found && (type = btf_struct(btf, "module", type))) /* others may have a structure of that name */
		found = read_layout(btf, type, l);
	btf_free(btf);
	return found ? 0 : -ENOTSUP;
}

int kmods_new(const struct ksyms_source *src, const struct kmods_at *at, struct kmods **out)
{
	uint64_t len = at->stop_btf - at->start_btf;
	struct kmods *m;
	uint8_t *data;
	int rc;

	*out = NULL;
	if (!at->modules || !at->start_btf || at->stop_btf <= at->start_btf || len > BTF_MAX)
		return -ENOTSUP;
	m = calloc(1, sizeof(*m));
	data = malloc(len);
	rc = !m || !data ? -ENOMEM : src->read(src->arg, at->start_btf, data, len) < 0 ? -ENOTSUP : 0;
	if (rc == 0)
		rc = find_layout(data, len, &m->l);
	free(data);
	if (rc < 0) {
		free(m);
		return rc;
	}
	m->list = at->modules;
	*out = m;
	return 0;
}

/* ---- the list ---- */

static void drop_symbols(struct kmods *m, struct module *mod)
{
	m->kept -= mod->kept;
	free(mod->syms);
	free(mod->names);
	mod->syms = NULL;
	mod->names = NULL;
	mod->nsyms = 0;
	mod->kept = 0;
}

static void drop_list(struct kmods *m)
{
	for (size_t i = 0; i < m->n; i++)
		drop_symbols(m, &m->mod[i]);
	free(m->mod);
	m->mod = NULL;
	m->n = 0;
}

void kmods_free(struct kmods *m)
{
	if (!m)
		return;
	drop_list(m);
	free(m);
}

static bool is_name(const char *s)
{
	if (!*s)
		return false;
	for (; *s; s++)
		if (*s <= ' ' || *s >= 0x7f)
			return false;
	return true;
}

/* @raw: the whole struct module, copied. Return: false: not one that is of use. */
static bool take_module(const struct layout *l, const uint8_t *raw, uint64_t at, struct module *mod)
{
	size_t len = l->name_len < NAME_SIZE - 1 ? l->name_len : NAME_SIZE - 1;

	memset(mod, 0, sizeof(*mod));
	mod->at = at;
	memcpy(mod->name, raw + l->name, len);
	if (get(raw + l->state, 4) == UNFORMED || !is_name(mod->name))
		return false;
	for (uint32_t i = 0; i < l->nparts; i++) {
		struct part p = {get(raw + l->base[i], 8), get(raw + l->len[i], 4)};

		if (p.start >= KERNEL_HALF && p.size && p.size <= MAX_PART && p.start + p.size > p.start)
			mod->part[mod->nparts++] = p;
	}
	if (l->tables_size)
		mod->kallsyms = get(raw + l->kallsyms, 8);
	return mod->nparts > 0;
}

static bool same_module(const struct module *a, const struct module *b)
{
	return a->at == b->at && a->kallsyms == b->kallsyms && a->nparts == b->nparts && !strcmp(a->name, b->name) &&
	       !memcmp(a->part, b->part, sizeof(a->part));
}

/* What is known of it already is taken over. */
static void keep_symbols(struct kmods *m, struct module *to)
{
	for (size_t i = 0; i < m->n; i++) {
		struct module *from = &m->mod[i];

		if (!from->looked || !same_module(from, to))
			continue;
		*to = *from;
		memset(from, 0, sizeof(*from)); /* taken: a list that goes round has it again */
		return;
	}
}

void kmods_refresh(struct kmods *m, const struct ksyms_source *src)
{
	struct module *list = calloc(MAX_MODULES, sizeof(*list)), *less;
	uint8_t raw[MAX_STRUCT], next[8];
	uint64_t at;
	size_t n = 0;

	if (!list)
		return;
	if (src->read(src->arg, m->list, next, sizeof(next)) < 0)
		goto out;
	at = get(next, 8);
	for (int i = 0; i < MAX_MODULES && at != m->list; i++) {
		at -= m->l.list;
		if (at < KERNEL_HALF || src->read(src->arg, at, raw, m->l.size) < 0)
			break; /* it changes just now; what came so far is good */
		if (take_module(&m->l, raw, at, &list[n]))
			keep_symbols(m, &list[n++]);
		at = get(raw + m->l.list, 8);
	}
out:
	drop_list(m);
	less = n ? realloc(list, n * sizeof(*list)) : NULL;
	if (!n)
		free(list);
	m->mod = less ? less : n ? list : NULL;
	m->n = n;
}

size_t kmods_count(const struct kmods *m)
{
	return m->n;
}

/* ---- a module's symbols ---- */

static const struct part *part_of(const struct module *mod, uint64_t gva)
{
	for (uint32_t i = 0; i < mod->nparts; i++)
		if (gva >= mod->part[i].start && gva - mod->part[i].start < mod->part[i].size)
			return &mod->part[i];
	return NULL;
}

/* Functions, and labels of assembly. Kernels before 5.2 keep nm's letter in the place of the type. */
static bool is_code(uint8_t info, bool *function)
{
	*function = ELF64_ST_TYPE(info) == STT_FUNC || strchr("tTwW", info);
	return info && (*function || ELF64_ST_TYPE(info) == STT_NOTYPE);
}

/* What of the @n entries at @table is of use. Return: one past the last name's beginning, 0: nothing. */
static size_t take_symbols(struct module *mod, const Elf64_Sym *table, uint32_t n)
{
	size_t end = 0;

	for (uint32_t i = 0; i < n; i++) {
		uint64_t addr = le64toh(table[i].st_value);
		uint32_t name = le32toh(table[i].st_name);
		bool function;

		if (!name || name >= MAX_STRINGS || !is_code(table[i].st_info, &function) || !part_of(mod, addr))
			continue;
		mod->syms[mod->nsyms++] = (struct symbol){addr, name, function};
		if (name + 1u > end)
			end = name + 1u;
	}
	return end;
}

static int by_addr(const void *a, const void *b)
{
	const struct symbol *x = a, *y = b;

	if (x->addr != y->addr)
		return x->addr < y->addr ? -1 : 1;
	return x->function != y->function ? x->function - y->function : (x->name > y->name) - (x->name < y->name);
}

/* Page by page: how much there is behind the last name is not told. Return: bytes read. */
static size_t read_strings(const struct ksyms_source *src, uint64_t gva, char *to, size_t len)
{
	size_t have = 0;

	while (have < len) {
		size_t n = 4096 - (gva + have) % 4096;

		n = n < len - have ? n : len - have;
		if (src->read(src->arg, gva + have, to + have, n) < 0)
			break;
		have += n;
	}
	return have;
}

/* Names that are none go, with their symbols. */
static void check_names(struct module *mod, size_t len)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < mod->nsyms; i++) {
		const char *name = mod->names + mod->syms[i].name;

		if (mod->syms[i].name < len && is_name(name) && name[0] != '.' && name[0] != '$' &&
			strncmp(name, "__pfx_", 6) != 0)
			mod->syms[n++] = mod->syms[i];
	}
	mod->nsyms = n;
	qsort(mod->syms, n, sizeof(*mod->syms), by_addr);
}

static bool read_symbols(struct kmods *m, const struct ksyms_source *src, struct module *mod)
{
	uint8_t tables[MAX_STRUCT];
	Elf64_Sym *raw = NULL;
	uint64_t strtab;
	size_t len;
	uint32_t n;

	if (!m->l.tables_size || mod->kallsyms < KERNEL_HALF ||
		src->read(src->arg, mod->kallsyms, tables, m->l.tables_size) < 0)
		return false;
	n = (uint32_t)get(tables + m->l.num, 4);
	strtab = get(tables + m->l.strtab, 8);
	if (!n || n > MAX_SYMBOLS || strtab < KERNEL_HALF)
		return false;
	raw = malloc(n * sizeof(*raw));
	mod->syms = malloc(n * sizeof(*mod->syms));
	len = raw && mod->syms && src->read(src->arg, get(tables + m->l.symtab, 8), raw, n * sizeof(*raw)) == 0 ?
		take_symbols(mod, raw, n) + KSYMS_NAME : 0;
	free(raw);
	mod->kept = n * sizeof(*mod->syms) + len;
	m->kept += mod->kept;
	if (!mod->nsyms || m->kept > MAX_KEPT)
		return false;
	mod->names = calloc(1, len + 1);
	if (!mod->names)
		return false;
	check_names(mod, read_strings(src, strtab, mod->names, len));
	return true;
}

static void want_symbols(struct kmods *m, const struct ksyms_source *src, struct module *mod)
{
	if (mod->looked)
		return;
	mod->looked = true;
	if (!read_symbols(m, src, mod))
		drop_symbols(m, mod);
}

/* The last one at or before @gva, in the same part. */
static const struct symbol *symbol_of(const struct module *mod, const struct part *part, uint64_t gva)
{
	uint32_t lo = 0, hi = mod->nsyms;

	while (lo < hi) { /* the first one beyond */
		uint32_t mid = lo + (hi - lo) / 2;

		if (mod->syms[mid].addr <= gva)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo && mod->syms[lo - 1].addr >= part->start ? &mod->syms[lo - 1] : NULL;
}

int kmods_find(struct kmods *m, const struct ksyms_source *src, uint64_t gva, char *out, size_t size)
{
	for (size_t i = 0; i < m->n; i++) {
		struct module *mod = &m->mod[i];
		const struct part *part = part_of(mod, gva);
		const struct symbol *s;

		if (!part)
			continue;
		want_symbols(m, src, mod);
		s = symbol_of(mod, part, gva);
		if (!s)
			snprintf(out, size, "[%s]+0x%" PRIx64, mod->name, gva - part->start);
		else if (s->addr == gva)
			snprintf(out, size, "%.*s [%s]", KSYMS_NAME, mod->names + s->name, mod->name);
		else
			snprintf(out, size, "%.*s+0x%" PRIx64 " [%s]", KSYMS_NAME, mod->names + s->name, gva - s->addr,
				mod->name);
		return 0;
	}
	return -ENOENT;
}

uint64_t kmods_lookup(struct kmods *m, const struct ksyms_source *src, const char *name)
{
	for (size_t i = 0; i < m->n; i++) {
		struct module *mod = &m->mod[i];

		want_symbols(m, src, mod);
		for (uint32_t k = 0; k < mod->nsyms; k++)
			if (strcmp(mod->names + mod->syms[k].name, name) == 0)
				return mod->syms[k].addr;
	}
	return 0;
}
