/*
 * boot.h - what an ELF image asks for, checked. Pure functions: no VM, any thread.
 */
#ifndef ENGINE_BOOT_H
#define ENGINE_BOOT_H
#include <stddef.h>
#include <stdint.h>

#define BOOT_SEGMENTS 32u

struct boot_segment {
	uint64_t gpa, mem_size;	    /* mem_size >= file_size; gpa + mem_size does not wrap */
	uint64_t offset, file_size; /* inside the file */
};

struct boot_elf {
	uint64_t entry;	    /* of the PVH note; inside a segment, below 4 GiB */
	uint64_t low, high; /* what the segments cover */
	uint32_t nsegments; /* at least 1; none overlap */
	struct boot_segment segments[BOOT_SEGMENTS];
};

/** boot_elf_parse() - check @file (all of it) and fill @elf. Return: 0, -ENOEXEC with what is wrong in @why. */
int boot_elf_parse(const void *file, size_t size, struct boot_elf *elf, char *why, size_t why_size);

#endif
