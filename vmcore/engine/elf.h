/* elf.h - what the boot loader needs of a kernel's ELF file. */
#ifndef ENGINE_ELF_H
#define ENGINE_ELF_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ELF_SEGMENTS 32

/* A file in memory, or one that is read piece by piece (struct vmc_boot_params). What is checked is fetched once. */
struct boot_file {
	const void *file;
	size_t size;
	int (*read)(const void *file, uint64_t off, void *to, size_t len);
	int error; /* the first that @read gave */
};

/** boot_fetch() - the bytes at [@off, @off + @len). Return: false, there are none, or they cannot be read (@error). */
bool boot_fetch(struct boot_file *f, uint64_t off, void *to, size_t len);

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
int elf_parse(struct boot_file *file, struct elf_image *out, char *err, size_t err_size);

/** no_kernel() - what this is, which is neither an ELF image nor a bzImage, and what to do. no_kernel_machine() -
 * the name of an ELF image's machine that is not x86. */
void no_kernel(struct boot_file *f, char *out, size_t size);
const char *no_kernel_machine(unsigned machine);

#endif
