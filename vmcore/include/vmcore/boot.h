/*
 * boot.h - bringing a guest kernel into memory and vCPU 0 to its entry.
 *
 * PVH: an ELF image with the XEN_ELFNOTE_PHYS32_ENTRY note (x86/HVM direct boot ABI, Xen 4.20 docs
 * "pvh.pandoc"); 32-bit protected mode, paging off, ebx = struct hvm_start_info.
 * Linux: a bzImage (x86 boot protocol 2.12 or newer) with a 64-bit entry, which gets a zero page
 * (struct boot_params) in rsi, identity page tables for the first 4 GiB and flat segments.
 */
#ifndef VMCORE_BOOT_H
#define VMCORE_BOOT_H
#include <vmcore/vm.h>
#ifdef __cplusplus
extern "C" {
#endif

struct vmc_boot_range {
	uint64_t gpa, size;
	uint32_t type; /* e820: 1 RAM, 2 reserved, 3 ACPI */
};

struct vmc_boot_params {
	const void *kernel; /* the whole file in memory, ELF or bzImage; hostile until checked */
	size_t kernel_size;
	const void *initrd; /* may be NULL */
	size_t initrd_size;
	/* Not NULL: kernel and initrd are no bytes but what this is called with, and gives all @len bytes at @off or
	 * -errno. Segments then go from the file straight into RAM. */
	int (*read)(const void *file, uint64_t off, void *to, size_t len);
	const char *cmdline;  /* may be NULL */
	uint64_t rsdp_gpa;    /* 0: none */
	const struct vmc_boot_range *reserved; /* beside RAM and the hole; may be NULL */
	size_t nreserved;
};

#define VMC_BOOT_MAP 32
struct vmc_boot_info {
	uint64_t entry;		 /* gpa */
	uint64_t low, high;	 /* where the image lies */
	uint64_t initrd_gpa;
	const char *protocol;	 /* "pvh", "linux" */
	uint32_t nmap;		 /* what the guest was told of its memory; beyond VMC_BOOT_MAP entries, the first */
	struct vmc_boot_range map[VMC_BOOT_MAP];
};

/**
 * vmc_boot_load() - load the image, build start info, memory map and command line, set vCPU 0's
 * registers. VM created or reset. Owner. Return: 0, -ENOEXEC with a message that says what is wrong with the file
 * (truncated, segments overlap or leave RAM, no PVH note, no 64-bit entry ...).
 */
VMC_API int vmc_boot_load(struct vmc_vm *vm, const struct vmc_boot_params *params,
	struct vmc_boot_info *info);

/**
 * vmc_boot_map() - the memory map that vmc_boot_load() tells a guest of this VM: @info->map and @info->nmap, the rest
 * is 0. For a VM whose guest was booted elsewhere, and loaded. Only @params->reserved is looked at. Owner.
 */
VMC_API int vmc_boot_map(struct vmc_vm *vm, const struct vmc_boot_params *params, struct vmc_boot_info *info);

#ifdef __cplusplus
}
#endif
#endif
