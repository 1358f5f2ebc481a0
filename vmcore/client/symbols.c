/*
 * symbols.c - function names of a guest kernel by address: of its ELF file, or of a System.map. Any thread, one at a
 * time.
 */
#include <errno.h>
#include <fcntl.h>
#include <gelf.h>
#include <inttypes.h>
#include <libelf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "vmcore/client/client.h"

#define MAX_SYMBOLS (1u << 20)
#define MAX_NAMES   (64u << 20)
#define MAX_LOOKED  (4u << 20) /* symbols and sections looked at: tables may overlap, a thousand times over */
#define MAX_FILE    (1ll << 30)

struct symbol {
	uint64_t addr, size;
	size_t name; /* offset into names */
};

struct vmc_symbols {
	struct symbol *list; /* by address */
	size_t count, cap;
	char *names;
	size_t names_len, names_cap;
	size_t looked;
	uint64_t base;	/* that vmc_symbols_slide() was told last */
	uint64_t slide; /* where the kernel runs, less where it was linked */
};

static int add_name(struct vmc_symbols *syms, const char *name, size_t *offset)
{
	size_t len = strlen(name) + 1;

	if (syms->names_len + len > MAX_NAMES)
		return -E2BIG;
	if (syms->names_len + len > syms->names_cap) {
		size_t cap = (syms->names_len + len) * 2;
		char *p = realloc(syms->names, cap);

		if (!p)
			return -ENOMEM;
		syms->names = p;
		syms->names_cap = cap;
	}
	memcpy(syms->names + syms->names_len, name, len);
	*offset = syms->names_len;
	syms->names_len += len;
	return 0;
}

static int add_symbol(struct vmc_symbols *syms, uint64_t addr, uint64_t size, const char *name)
{
	struct symbol *s;
	int rc;

	if (syms->count == MAX_SYMBOLS)
		return -E2BIG;
	if (syms->count == syms->cap) {
		size_t cap = syms->cap ? syms->cap * 2 : 256;

		s = realloc(syms->list, cap * sizeof(*s));
		if (!s)
			return -ENOMEM;
		syms->list = s;
		syms->cap = cap;
	}
	s = &syms->list[syms->count];
	rc = add_name(syms, name, &s->name);
	if (rc < 0)
		return rc;
	s->addr = addr;
	s->size = size;
	syms->count++;
	return 0;
}

/* Functions, and the untyped labels of assembly that lie in code. */
static bool wanted(Elf *elf, const GElf_Sym *sym, const char *name)
{
	unsigned type = GELF_ST_TYPE(sym->st_info);
	GElf_Shdr shdr;
	Elf_Scn *scn;

	if (!name || !*name || sym->st_shndx == SHN_UNDEF || name[0] == '.' || name[0] == '$')
		return false;
	if (type == STT_FUNC)
		return true;
	if (type != STT_NOTYPE || sym->st_shndx >= SHN_LORESERVE)
		return false;
	scn = elf_getscn(elf, sym->st_shndx);
	return scn && gelf_getshdr(scn, &shdr) && (shdr.sh_flags & SHF_EXECINSTR);
}

static void read_table(struct vmc_symbols *syms, Elf *elf, Elf_Scn *scn, const GElf_Shdr *shdr)
{
	Elf_Data *data = elf_getdata(scn, NULL);
	size_t n = data && shdr->sh_entsize ? shdr->sh_size / shdr->sh_entsize : 0, i;

	for (i = 0; i < n && syms->looked < MAX_LOOKED; i++, syms->looked++) {
		const char *name;
		GElf_Sym sym;

		if (!gelf_getsym(data, (int)i, &sym))
			return;
		name = elf_strptr(elf, shdr->sh_link, sym.st_name);
		if (wanted(elf, &sym, name) && add_symbol(syms, sym.st_value, sym.st_size, name) < 0)
			return;
	}
}

static int by_addr(const void *a, const void *b)
{
	const struct symbol *x = a, *y = b;

	if (x->addr != y->addr)
		return x->addr < y->addr ? -1 : 1;
	return x->size < y->size ? -1 : x->size > y->size; /* the sized one last: it is found first */
}

/*
 * "ffffffff81000000 T _text" a line. Debian's package has a line of words in its place, whose address is all ones, and
 * a name of which there is no other.
 */
static void read_map(struct vmc_symbols *syms, int fd)
{
	FILE *f = fdopen(dup(fd), "r");
	char line[1024], name[512], kind;
	unsigned long long addr;

	while (f && syms->looked++ < MAX_LOOKED && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%16llx %c %511s", &addr, &kind, name) != 3 || !strchr("tTwW", kind) || addr == ~0ull)
			continue;
		if (add_symbol(syms, addr, 0, name) < 0)
			break;
	}
	if (f)
		fclose(f);
}

struct vmc_symbols *vmc_symbols_open(const char *path)
{
	struct vmc_symbols *syms = calloc(1, sizeof(*syms));
	Elf_Scn *scn = NULL;
	GElf_Shdr shdr;
	Elf *elf = NULL;
	struct stat st;
	int fd = -1;

	if (!syms || elf_version(EV_CURRENT) == EV_NONE)
		goto out;
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size > MAX_FILE)
		goto out;
	elf = elf_begin(fd, ELF_C_READ, NULL);
	while (elf && syms->looked++ < MAX_LOOKED && (scn = elf_nextscn(elf, scn))) {
		if (gelf_getshdr(scn, &shdr) && (shdr.sh_type == SHT_SYMTAB || shdr.sh_type == SHT_DYNSYM))
			read_table(syms, elf, scn, &shdr);
	}
	if (elf && elf_kind(elf) == ELF_K_NONE && lseek(fd, 0, SEEK_SET) == 0)
		read_map(syms, fd);
out:
	if (elf)
		elf_end(elf);
	if (fd >= 0)
		close(fd);
	if (syms && syms->count == 0) {
		vmc_symbols_close(syms);
		return NULL;
	}
	if (syms)
		qsort(syms->list, syms->count, sizeof(*syms->list), by_addr);
	return syms;
}

struct vmc_symbols *vmc_symbols_beside(const char *kernel)
{
	const char *base = strrchr(kernel, '/'), *release;
	struct vmc_symbols *syms = NULL;
	char path[4096];
	int dir = base ? (int)(base - kernel) : 1;
	size_t i;

	release = strchr(base ? base : kernel, '-'); /* vmlinuz-6.1.0-28-amd64 */
	for (i = 0; !syms && i < 4; i++) {
		static const char *const names[] = { "%s%.*s/System.map%s", "%s%.*s/vmlinux%s" };

		/* beside it, then where packages of debugging symbols put theirs */
		snprintf(path, sizeof(path), names[i % 2], i < 2 ? "" : "/usr/lib/debug", dir, base ? kernel : ".",
			release ? release : "");
		if (strcmp(path, kernel) != 0)
			syms = vmc_symbols_open(path);
	}
	return syms;
}

void vmc_symbols_slide(struct vmc_symbols *syms, uint64_t base)
{
	uint64_t text;

	if (syms->base == base)
		return;
	syms->base = base;
	syms->slide = 0;
	if (vmc_symbols_lookup(syms, "_text", &text) == 0 || vmc_symbols_lookup(syms, "_stext", &text) == 0 ||
		vmc_symbols_lookup(syms, "startup_64", &text) == 0)
		syms->slide = base - (text & ~(uint64_t)0x1fffff); /* the image begins at a large page */
}

void vmc_symbols_close(struct vmc_symbols *syms)
{
	if (!syms)
		return;
	free(syms->list);
	free(syms->names);
	free(syms);
}

int vmc_symbols_find(const struct vmc_symbols *syms, uint64_t addr, char *out, size_t size)
{
	size_t lo = 0, hi = syms ? syms->count : 0;
	const struct symbol *s;

	addr -= syms ? syms->slide : 0;
	while (lo < hi) { /* the first one beyond addr */
		size_t mid = lo + (hi - lo) / 2;

		if (syms->list[mid].addr <= addr)
			lo = mid + 1;
		else
			hi = mid;
	}
	if (lo == 0)
		return -ENOENT;
	s = &syms->list[lo - 1];
	/* A label without a size reaches to the next one, the last of them a page at most. */
	if (s->size ? addr - s->addr >= s->size : lo == syms->count && addr - s->addr >= VMC_PAGE_SIZE)
		return -ENOENT;
	if (addr == s->addr)
		snprintf(out, size, "%s", syms->names + s->name);
	else
		snprintf(out, size, "%s+0x%" PRIx64, syms->names + s->name, addr - s->addr);
	return 0;
}

int vmc_symbols_lookup(const struct vmc_symbols *syms, const char *name, uint64_t *addr)
{
	size_t i;

	for (i = 0; syms && i < syms->count; i++) {
		if (!strcmp(syms->names + syms->list[i].name, name)) {
			*addr = syms->list[i].addr + syms->slide;
			return 0;
		}
	}
	return -ENOENT;
}
