/*
 * bare.c - the floor under every start-up figure: the fewest ioctls that run first.S on /dev/kvm, with
 * the same memory and an in-kernel irqchip. `bare IMAGE.elf MIB`; the guest's byte goes to stdout.
 */
#include <elf.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

static int need(int rc, const char *what)
{
	if (rc < 0) {
		perror(what);
		exit(1);
	}
	return rc;
}

/* Trusts the image: it is ours. Returns the entry point. */
static uint32_t load(const char *path, uint8_t *ram, size_t size)
{
	static uint8_t file[65536];
	int fd = need(open(path, O_RDONLY | O_CLOEXEC), path);
	ssize_t len = need((int)read(fd, file, sizeof(file)), path);
	const Elf64_Ehdr *eh = (const Elf64_Ehdr *)file;
	const Elf64_Phdr *ph = (const Elf64_Phdr *)(file + eh->e_phoff);

	close(fd);
	for (int i = 0; i < eh->e_phnum; i++) {
		if (ph[i].p_type != PT_LOAD)
			continue;
		if (ph[i].p_offset + ph[i].p_filesz > (size_t)len || ph[i].p_paddr + ph[i].p_filesz > size)
			exit(1);
		memcpy(ram + ph[i].p_paddr, file + ph[i].p_offset, ph[i].p_filesz);
	}
	return (uint32_t)eh->e_entry;
}

static void protected_mode(int vcpu, uint32_t entry)
{
	struct kvm_segment code = { .limit = 0xffffffff, .selector = 0x08, .type = 11, .present = 1,
		.db = 1, .s = 1, .g = 1 };
	struct kvm_segment data = code;
	struct kvm_sregs sregs;
	struct kvm_regs regs = { .rip = entry, .rflags = 2 };

	data.type = 3;
	data.selector = 0x10;
	need(ioctl(vcpu, KVM_GET_SREGS, &sregs), "KVM_GET_SREGS");
	sregs.cs = code;
	sregs.ds = sregs.es = sregs.fs = sregs.gs = sregs.ss = data;
	sregs.cr0 |= 1;
	need(ioctl(vcpu, KVM_SET_SREGS, &sregs), "KVM_SET_SREGS");
	need(ioctl(vcpu, KVM_SET_REGS, &regs), "KVM_SET_REGS");
}

int main(int argc, char **argv)
{
	size_t size = (size_t)(argc > 2 ? atoi(argv[2]) : 128) << 20;
	int kvm = need(open("/dev/kvm", O_RDWR | O_CLOEXEC), "/dev/kvm");
	int vm = need(ioctl(kvm, KVM_CREATE_VM, 0), "KVM_CREATE_VM");
	uint8_t *ram = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	struct kvm_userspace_memory_region mem = { .memory_size = size, .userspace_addr = (uintptr_t)ram };
	struct kvm_pit_config pit = { 0 };

	if (argc < 2 || ram == MAP_FAILED)
		return 2;
	need(ioctl(vm, KVM_SET_TSS_ADDR, 0xfffbd000), "KVM_SET_TSS_ADDR");
	need(ioctl(vm, KVM_CREATE_IRQCHIP, 0), "KVM_CREATE_IRQCHIP");
	need(ioctl(vm, KVM_CREATE_PIT2, &pit), "KVM_CREATE_PIT2");
	need(ioctl(vm, KVM_SET_USER_MEMORY_REGION, &mem), "KVM_SET_USER_MEMORY_REGION");

	int vcpu = need(ioctl(vm, KVM_CREATE_VCPU, 0), "KVM_CREATE_VCPU");
	int run_size = need(ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0), "KVM_GET_VCPU_MMAP_SIZE");
	struct kvm_run *run = mmap(NULL, (size_t)run_size, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu, 0);

	if (run == MAP_FAILED)
		return 1;
	protected_mode(vcpu, load(argv[1], ram, size));
	for (;;) {
		need(ioctl(vcpu, KVM_RUN, 0), "KVM_RUN");
		if (run->exit_reason != KVM_EXIT_IO || run->io.direction != KVM_EXIT_IO_OUT)
			return 1;
		if (run->io.port == 0xf4)
			return 0;
		if (run->io.port == 0x3f8 && write(1, (uint8_t *)run + run->io.data_offset, 1) != 1)
			return 1;
	}
}
