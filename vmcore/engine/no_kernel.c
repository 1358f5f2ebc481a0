/*
 * no_kernel.c - what a file is that somebody took for a kernel, and what to do about it: by the bytes that its
 * format begins with. Owner thread.
 */
#include "vmcore/engine/elf.h"

#include <elf.h>
#include <stdio.h>
#include <string.h>

static const struct {
	uint32_t at;
	uint8_t len;
	const char *bytes, *what;
} kinds[] = {
	{0, 3, "\x1f\x8b\x08", "compressed; unpack it with gunzip -k"},
	{0, 6, "\xfd" "7zXZ", "compressed; unpack it with xz -dk"},
	{0, 4, "\x28\xb5\x2f\xfd", "compressed; unpack it with zstd -d"},
	{0, 3, "BZh", "compressed; unpack it with bunzip2 -k"},
	{0, 4, "\x04\x22\x4d\x18", "compressed; unpack it with lz4 -d"},
	{0, 5, "\x5d\0\0\0\x04", "compressed; unpack it with lzma -dk"},
	{0, 5, "07070", "an initial RAM disk; it goes with a kernel, as its initrd"},
	{0, 8, "!<arch>\n", "a package or an archive; unpack it (dpkg-deb -x), the kernel is boot/vmlinuz-... in it"},
	{0, 4, "\xed\xab\xee\xdb", "a package; unpack it (rpm2cpio), the kernel is boot/vmlinuz-... in it"},
	{0, 2, "#!", "a script"},
	{0, 4, "\x27\x05\x19\x56", "a kernel for U-Boot; one for x86-64 is wanted"},
	{0x38, 4, "ARM\x64", "a kernel for arm64; one for x86-64 is wanted"},
	{0x30, 5, "RISCV", "a kernel for RISC-V; one for x86-64 is wanted"},
	{0, 4, "QFI\xfb", "a qcow2 image; a disk goes with a kernel, as one of the VM's disks, converted to raw"},
	{0, 4, "KDMV", "a VMDK image; a disk goes with a kernel, as one of the VM's disks, converted to raw"},
	{0, 4, "hsqs", "a SquashFS file system; a disk goes with a kernel, as one of the VM's disks"},
	{0x8001, 5, "CD001", "a CD image; a disk goes with a kernel (there is one on it), as one of the VM's disks"},
	{0, 2, "MZ", "a program for EFI; a Linux bzImage has one more header"},
	{0x1fe, 2, "\x55\xaa", "a disk image; a disk goes with a kernel, as one of the VM's disks"},
};

void no_kernel(struct boot_file *f, char *out, size_t size)
{
	char head[16];

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (boot_fetch(f, kinds[i].at, head, kinds[i].len) &&
			!memcmp(head, kinds[i].bytes, kinds[i].len)) {
			snprintf(out, size, "not an ELF image and no bzImage: it is %s", kinds[i].what);
			return;
		}
	snprintf(out, size,
		"not an ELF image and no bzImage; a kernel is /boot/vmlinuz-..., or a vmlinux with a PVH entry");
}

const char *no_kernel_machine(unsigned machine)
{
	static const struct {
		uint16_t machine;
		const char *name;
	} names[] = {{EM_AARCH64, "arm64"}, {EM_ARM, "arm"}, {EM_RISCV, "RISC-V"}, {EM_PPC64, "ppc64"},
		{EM_PPC, "ppc"}, {EM_S390, "s390x"}, {EM_MIPS, "mips"}, {EM_SPARCV9, "sparc64"},
		{EM_IA_64, "ia64"}, {258 /* EM_LOONGARCH */, "LoongArch"}};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (names[i].machine == machine)
			return names[i].name;
	return "another machine";
}
