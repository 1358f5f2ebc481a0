/*
 * boot_elf.c - reading an ELF image (System V ABI, gABI 4.1; ELF32 and ELF64, x86) that somebody gave us:
 * every offset and size is checked before use, every loop bounded. Pure functions, any thread.
 */
#include "vmcore/engine/boot.h"

#include <elf.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define MAX_HEADERS 256u
#define MAX_NOTES   4096u
#define XEN_ELFNOTE_PHYS32_ENTRY 18u

struct file {
	const uint8_t *data;
	uint64_t size;
	char *why;
	size_t why_size;
};

struct header {
	uint32_t type;
	uint64_t offset, paddr, filesz, memsz, align;
};

static int bad(const struct file *f, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static int bad(const struct file *f, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(f->why, f->why_size, fmt, ap);
	va_end(ap);
	return -ENOEXEC;
}

static bool inside(const struct file *f, uint64_t offset, uint64_t len)
{
	return offset <= f->size && len <= f->size - offset;
}

/* One program header, from either class. The caller has checked that it lies in the file. */
static struct header header_at(const struct file *f, bool is64, uint64_t at)
{
	if (is64) {
		Elf64_Phdr p;

		memcpy(&p, f->data + at, sizeof(p));
		return (struct header){ p.p_type, p.p_offset, p.p_paddr, p.p_filesz, p.p_memsz, p.p_align };
	}
	Elf32_Phdr p;

	memcpy(&p, f->data + at, sizeof(p));
	return (struct header){ p.p_type, p.p_offset, p.p_paddr, p.p_filesz, p.p_memsz, p.p_align };
}

static int add_segment(const struct file *f, struct boot_elf *elf, const struct header *h, uint32_t index)
{
	uint64_t end = h->paddr + h->memsz;

	if (h->memsz == 0)
		return 0;
	if (h->filesz > h->memsz)
		return bad(f, "segment %u holds more in the file than in memory", index);
	if (!inside(f, h->offset, h->filesz))
		return bad(f, "segment %u ends at %#" PRIx64 ", behind the end of the file (%#" PRIx64
			"): is it truncated?", index, h->offset + h->filesz, f->size);
	if (end < h->paddr)
		return bad(f, "segment %u wraps around the address space", index);
	if (elf->nsegments == BOOT_SEGMENTS)
		return bad(f, "it has more than %u segments to load", BOOT_SEGMENTS);
	for (uint32_t i = 0; i < elf->nsegments; i++) {
		const struct boot_segment *s = &elf->segments[i];

		if (h->paddr < s->gpa + s->mem_size && s->gpa < end)
			return bad(f, "segment %u overlaps an earlier one at %#" PRIx64, index, s->gpa);
	}
	elf->segments[elf->nsegments++] = (struct boot_segment){ .gpa = h->paddr, .mem_size = h->memsz,
		.offset = h->offset, .file_size = h->filesz };
	if (h->paddr < elf->low)
		elf->low = h->paddr;
	if (end > elf->high)
		elf->high = end;
	return 0;
}

/* Looks for Xen's PHYS32_ENTRY; notes are padded to 4 bytes (8 where the header says so). */
static bool find_entry(const struct file *f, const struct header *h, uint64_t *entry)
{
	uint64_t at = 0, pad = h->align == 8 ? 7 : 3;

	if (!inside(f, h->offset, h->filesz))
		return false;
	for (uint32_t n = 0; n < MAX_NOTES && h->filesz - at >= sizeof(Elf64_Nhdr); n++) {
		const uint8_t *p = f->data + h->offset + at;
		Elf64_Nhdr note;
		uint64_t desc_at, next;

		memcpy(&note, p, sizeof(note));
		desc_at = (sizeof(note) + (uint64_t)note.n_namesz + pad) & ~pad;
		next = (desc_at + note.n_descsz + pad) & ~pad;
		if (desc_at + note.n_descsz > h->filesz - at)
			return false;
		if (note.n_type == XEN_ELFNOTE_PHYS32_ENTRY && note.n_namesz == 4 &&
			memcmp(p + sizeof(note), "Xen", 4) == 0 &&
			(note.n_descsz == 4 || note.n_descsz == 8)) {
			*entry = 0;
			memcpy(entry, p + desc_at, note.n_descsz);
			return true;
		}
		if (next > h->filesz - at)
			return false;
		at += next;
	}
	return false;
}

static int check_ident(const struct file *f, bool *is64)
{
	if (f->size < EI_NIDENT || memcmp(f->data, ELFMAG, SELFMAG) != 0)
		return bad(f, "it is not an ELF image");
	if (f->data[EI_DATA] != ELFDATA2LSB)
		return bad(f, "it is a big-endian ELF image");
	if (f->data[EI_CLASS] != ELFCLASS64 && f->data[EI_CLASS] != ELFCLASS32)
		return bad(f, "its ELF class is unknown (%u)", f->data[EI_CLASS]);
	*is64 = f->data[EI_CLASS] == ELFCLASS64;
	if (!inside(f, 0, *is64 ? sizeof(Elf64_Ehdr) : sizeof(Elf32_Ehdr)))
		return bad(f, "it ends inside its ELF header: is it truncated?");
	return 0;
}

struct table {
	bool is64;
	uint64_t offset, entry_size;
	uint32_t count;
};

static int read_table(const struct file *f, struct table *t)
{
	uint16_t machine, entsize;
	int rc = check_ident(f, &t->is64);

	if (rc < 0)
		return rc;
	if (t->is64) {
		Elf64_Ehdr e;

		memcpy(&e, f->data, sizeof(e));
		machine = e.e_machine;
		t->offset = e.e_phoff;
		t->count = e.e_phnum;
		entsize = e.e_phentsize;
		t->entry_size = sizeof(Elf64_Phdr);
	} else {
		Elf32_Ehdr e;

		memcpy(&e, f->data, sizeof(e));
		machine = e.e_machine;
		t->offset = e.e_phoff;
		t->count = e.e_phnum;
		entsize = e.e_phentsize;
		t->entry_size = sizeof(Elf32_Phdr);
	}
	if (machine != EM_X86_64 && machine != EM_386)
		return bad(f, "it is for another processor (ELF machine %u)", machine);
	if (entsize != t->entry_size || t->count == 0 || t->count > MAX_HEADERS)
		return bad(f, "its program headers make no sense (%u of %u bytes)", t->count, entsize);
	if (!inside(f, t->offset, t->count * t->entry_size))
		return bad(f, "its program headers lie behind the end of the file: is it truncated?");
	return 0;
}

static bool entry_is_inside(const struct boot_elf *elf)
{
	for (uint32_t i = 0; i < elf->nsegments; i++)
		if (elf->entry >= elf->segments[i].gpa &&
			elf->entry - elf->segments[i].gpa < elf->segments[i].mem_size)
			return true;
	return false;
}

int boot_elf_parse(const void *file, size_t size, struct boot_elf *elf, char *why, size_t why_size)
{
	struct file f = { .data = file, .size = size, .why = why, .why_size = why_size };
	struct table t;
	bool found = false;
	int rc = read_table(&f, &t);

	memset(elf, 0, sizeof(*elf));
	elf->low = UINT64_MAX;
	for (uint32_t i = 0; rc == 0 && i < t.count; i++) {
		struct header h = header_at(&f, t.is64, t.offset + i * t.entry_size);

		if (h.type == PT_LOAD)
			rc = add_segment(&f, elf, &h, i);
		else if (h.type == PT_NOTE && !found)
			found = find_entry(&f, &h, &elf->entry);
	}
	if (rc < 0)
		return rc;
	if (!found)
		return bad(&f, "it has no PVH entry (ELF note XEN_ELFNOTE_PHYS32_ENTRY)");
	if (elf->nsegments == 0)
		return bad(&f, "it has nothing to load");
	if (elf->entry > UINT32_MAX || !entry_is_inside(elf))
		return bad(&f, "its PVH entry %#" PRIx64 " is not inside what it loads", elf->entry);
	return 0;
}
