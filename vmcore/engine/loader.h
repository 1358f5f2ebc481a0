/*
 * loader.h - what the boot protocols share: where RAM is, what is taken in it, the memory map.
 * Owner thread.
 */
#ifndef ENGINE_LOADER_H
#define ENGINE_LOADER_H
#include "vmcore/engine/elf.h"
#include "vmcore/engine/internal.h"

#define MAX_RESERVED 64u
#define MAX_USED     (ELF_SEGMENTS + MAX_RESERVED + 8)
#define MAX_MAP      (2 * MAX_RESERVED + 32)
#define LEGACY_START 0xa0000ull /* a PC's video memory and ROMs: kernels poke about there */
#define LEGACY_END   0x100000ull

/* As both protocols' memory maps have it, but for Linux, which leaves out the last word. */
struct map_entry {
	uint64_t gpa, size;
	uint32_t type, reserved;
};

struct range {
	uint64_t start, end;
};

struct loader {
	struct vmc_vm *vm;
	const struct vmc_boot_params *p;
	struct boot_file kernel;
	struct elf_image elf;
	struct vmc_mem_region ram[MAX_SLOTS];
	size_t nram;
	struct range used[MAX_USED];
	size_t nused;
	struct map_entry map[MAX_MAP];
	uint32_t nmap;
	uint64_t initrd, start;
};

/** boot_unread() - the file's error, or that it has fewer bytes than it should, as -errno with a message. */
int boot_unread(struct loader *l, const struct boot_file *f);
/** boot_use() - nothing else goes to [start, end) from now on. */
void boot_use(struct loader *l, uint64_t start, uint64_t end);
const struct range *boot_conflict(const struct loader *l, uint64_t start, uint64_t end);
bool boot_in_ram(const struct loader *l, uint64_t gpa, uint64_t size);
/** boot_place() - a free place for @size bytes in [@from, @limit): the lowest, or the highest;
 * @align is a power of two of at least a page. Return: its address, 0: none. */
uint64_t boot_place(
	const struct loader *l, uint64_t size, uint64_t align, struct range within, bool high);
/** boot_initrd() - load the initrd as high as may be below @limit. */
int boot_initrd(struct loader *l, uint64_t limit);
/** boot_cmdline() - the command line's bytes with its NUL, at most @max without. -EINVAL, with a
 * message. */
int boot_cmdline(struct loader *l, size_t max, const char **text, size_t *len);

/** boot_is_linux() - does the file look like a bzImage? Its header is not checked yet. */
bool boot_is_linux(struct boot_file *kernel);
int boot_linux(struct loader *l, struct vmc_boot_info *info);
int boot_pvh(struct loader *l, struct vmc_boot_info *info);

#endif
