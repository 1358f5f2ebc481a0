/* elf.h - what the boot loader needs of a kernel's ELF file. */
#ifndef ENGINE_ELF_H
#define ENGINE_ELF_H
#include <stddef.h>
#include <stdint.h>

#define ELF_SEGMENTS 32

struct elf_segment {
	uint64_t gpa, memory_size;
	uint64_t offset, file_size;
};

struct elf_image {
	struct elf_segment segments[ELF_SEGMENTS]; /* PT_LOAD, ascending gpa, no overlap, within the file */
	size_t nsegments;
	uint64_t pvh_entry;
};

/** elf_parse() - check the file and find its segments and its PVH entry. Return: 0, or -ENOEXEC with @err. */
int elf_parse(const void *file, size_t size, struct elf_image *out, char *err, size_t err_size);

#endif
