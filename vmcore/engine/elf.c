/*
 * elf.c - reading a guest kernel's ELF file, which nobody has checked before: every offset and size is
 * compared with the file before use. ELF as in elf(5) and the System V ABI (2013); the note as in
 * Xen's public/elfnote.h (XEN_ELFNOTE_PHYS32_ENTRY, Xen 4.20). Owner thread.
 */
#include "vmcore/engine/elf.h"

#include <elf.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define NOTE_PHYS32_ENTRY 18
#define MAX_PHDRS	  128
#define MAX_NOTES	  256
#define AGAIN		  "; copy or download it again"

struct file {
	struct boot_file *from;
	size_t size;
	bool wide; /* ELF64 */
	char *err;
	size_t err_size;
};

static int bad(struct file *f, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static int bad(struct file *f, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(f->err, f->err_size, fmt, ap);
	va_end(ap);
	return -ENOEXEC;
}

static int truncated(struct file *f, const char *what)
{
	return bad(f, "truncated: %s in a file of %zu bytes" AGAIN, what, f->size);
}

bool boot_fetch(struct boot_file *f, uint64_t off, void *to, size_t len)
{
	int rc;

	if (off > f->size || len > f->size - off)
		return false;
	if (!f->read) {
		memcpy(to, (const uint8_t *)f->file + off, len);
		return true;
	}
	rc = f->read(f->file, off, to, len);
	if (rc < 0 && !f->error)
		f->error = rc;
	return rc >= 0;
}

static bool fetch(const struct file *f, uint64_t offset, void *out, size_t len)
{
	return boot_fetch(f->from, offset, out, len);
}

struct header {
	uint16_t machine, phentsize, phnum;
	uint64_t phoff;
};

static int read_header(struct file *f, struct header *h)
{
	unsigned char id[EI_NIDENT];
	Elf64_Ehdr e64;
	Elf32_Ehdr e32;

	if (!fetch(f, 0, id, SELFMAG) || memcmp(id, ELFMAG, SELFMAG) != 0) {
		no_kernel(f->from, f->err, f->err_size);
		return -ENOEXEC;
	}
	if (!fetch(f, 0, id, sizeof(id)))
		return truncated(f, "the ELF header is incomplete");
	if (id[EI_DATA] != ELFDATA2LSB || (id[EI_CLASS] != ELFCLASS64 && id[EI_CLASS] != ELFCLASS32))
		return bad(f, "not a little-endian 32- or 64-bit ELF image");
	f->wide = id[EI_CLASS] == ELFCLASS64;
	if (f->wide) {
		if (!fetch(f, 0, &e64, sizeof(e64)))
			return truncated(f, "the ELF header is incomplete");
		*h = (struct header){ e64.e_machine, e64.e_phentsize, e64.e_phnum, e64.e_phoff };
	} else {
		if (!fetch(f, 0, &e32, sizeof(e32)))
			return truncated(f, "the ELF header is incomplete");
		*h = (struct header){ e32.e_machine, e32.e_phentsize, e32.e_phnum, e32.e_phoff };
	}
	if (h->machine != EM_X86_64 && h->machine != EM_386)
		return bad(f, "ELF image for %s (machine %u): a kernel for x86-64 is wanted",
			no_kernel_machine(h->machine), h->machine);
	if (h->phentsize != (f->wide ? sizeof(Elf64_Phdr) : sizeof(Elf32_Phdr)) || !h->phnum ||
		h->phnum > MAX_PHDRS)
		return bad(f, "%u program headers of %u bytes: 1 to %u of the usual size are possible", h->phnum,
			h->phentsize, MAX_PHDRS);
	return 0;
}

static int read_phdr(struct file *f, const struct header *h, unsigned i, Elf64_Phdr *out)
{
	uint64_t at = h->phoff + (uint64_t)i * h->phentsize;
	Elf32_Phdr p;

	if (h->phoff > f->size)
		return truncated(f, "the program headers are missing");
	if (f->wide)
		return fetch(f, at, out, sizeof(*out)) ? 0 : truncated(f, "a program header is missing");
	if (!fetch(f, at, &p, sizeof(p)))
		return truncated(f, "a program header is missing");
	*out = (Elf64_Phdr){ .p_type = p.p_type, .p_flags = p.p_flags, .p_offset = p.p_offset,
		.p_vaddr = p.p_vaddr, .p_paddr = p.p_paddr, .p_filesz = p.p_filesz, .p_memsz = p.p_memsz,
		.p_align = p.p_align };
	return 0;
}

static int add_segment(struct file *f, unsigned i, const Elf64_Phdr *p, struct elf_image *out)
{
	struct elf_segment s = { p->p_paddr, p->p_memsz, p->p_offset, p->p_filesz };
	size_t at = out->nsegments;

	if (!s.memory_size && !s.file_size)
		return 0;
	if (s.file_size > s.memory_size)
		return bad(f, "segment %u has more bytes in the file (%#" PRIx64 ") than in memory (%#" PRIx64 ")",
			i, s.file_size, s.memory_size);
	if (s.offset > f->size || s.file_size > f->size - s.offset)
		return bad(f, "truncated: segment %u needs bytes %#" PRIx64 " to %#" PRIx64 " of %zu" AGAIN, i, s.offset,
			s.offset + s.file_size, f->size);
	if (s.gpa + s.memory_size < s.gpa)
		return bad(f, "segment %u at %#" PRIx64 " wraps around the end of memory", i, s.gpa);
	if (at == ELF_SEGMENTS)
		return bad(f, "more than %u segments to load", ELF_SEGMENTS);
	while (at > 0 && out->segments[at - 1].gpa > s.gpa) {
		out->segments[at] = out->segments[at - 1];
		at--;
	}
	out->segments[at] = s;
	out->nsegments++;
	for (size_t k = at ? at : 1; k < out->nsegments && k <= at + 1; k++)
		if (out->segments[k - 1].gpa + out->segments[k - 1].memory_size > out->segments[k].gpa)
			return bad(f, "segments overlap at %#" PRIx64, out->segments[k].gpa);
	return 0;
}

/* Look for the PVH entry in one note segment. Return: 1 found, 0 not here, -ENOEXEC. */
static int read_notes(struct file *f, const Elf64_Phdr *p, uint64_t *entry)
{
	uint64_t align = p->p_align == 8 ? 8 : 4, at = p->p_offset, end;
	Elf64_Nhdr n;
	char name[4];

	if (p->p_offset > f->size || p->p_filesz > f->size - p->p_offset)
		return bad(f, "truncated: the notes need bytes %#" PRIx64 " + %#" PRIx64 " of %zu" AGAIN, p->p_offset,
			p->p_filesz, f->size);
	end = p->p_offset + p->p_filesz;
	for (int i = 0; i < MAX_NOTES && end - at >= sizeof(n); i++) {
		uint64_t desc;

		if (!fetch(f, at, &n, sizeof(n)))
			break;
		/* Padding counts from the note's beginning: with 8, "GNU\0" after 12 bytes needs none. */
		desc = at + ((sizeof(n) + n.n_namesz + align - 1) & ~(align - 1));
		at += sizeof(n);
		if (desc > end || n.n_descsz > end - desc)
			return bad(f, "a note runs past the end of its segment");
		if (n.n_type == NOTE_PHYS32_ENTRY && n.n_namesz == 4 && fetch(f, at, name, 4) &&
			memcmp(name, "Xen", 4) == 0 && (n.n_descsz == 4 || n.n_descsz == 8)) {
			*entry = 0;
			return fetch(f, desc, entry, n.n_descsz) ? 1 : 0;
		}
		at = desc + ((n.n_descsz + align - 1) & ~(align - 1));
		if (at > end)
			break;
	}
	return 0;
}

static bool in_segment(const struct elf_image *e, uint64_t gpa)
{
	for (size_t i = 0; i < e->nsegments; i++)
		if (gpa >= e->segments[i].gpa && gpa - e->segments[i].gpa < e->segments[i].memory_size)
			return true;
	return false;
}

int elf_parse(struct boot_file *file, struct elf_image *out, char *err, size_t err_size)
{
	struct file f = { .from = file, .size = file->size, .err = err, .err_size = err_size };
	struct header h = { 0 };
	Elf64_Phdr p;
	bool program = false;
	int rc = read_header(&f, &h), found = 0;

	memset(out, 0, sizeof(*out));
	for (unsigned i = 0; rc == 0 && i < h.phnum; i++) {
		rc = read_phdr(&f, &h, i, &p);
		program |= rc == 0 && p.p_type == PT_INTERP;
		if (rc == 0 && p.p_type == PT_LOAD)
			rc = add_segment(&f, i, &p, out);
		if (rc == 0 && p.p_type == PT_NOTE && !found) {
			found = read_notes(&f, &p, &out->pvh_entry);
			rc = found < 0 ? found : 0;
		}
	}
	if (rc < 0)
		return rc;
	if (!out->nsegments)
		return bad(&f, "no segment to load");
	if (!found && program)
		return bad(&f, "a program, no kernel (no PVH entry); a kernel is /boot/vmlinuz-...");
	if (!found)
		return bad(&f, "no PVH entry: the ELF note XEN_ELFNOTE_PHYS32_ENTRY is missing (Linux: CONFIG_PVH=y; its bzImage "
			"boots without)");
	if (out->pvh_entry > UINT32_MAX || !in_segment(out, out->pvh_entry))
		return bad(&f, "the PVH entry %#" PRIx64 " lies in no segment", out->pvh_entry);
	return 0;
}
