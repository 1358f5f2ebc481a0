/* elf_build.h - a small PVH kernel image made in memory, for tests to break. */
#ifndef TESTS_ELF_BUILD_H
#define TESTS_ELF_BUILD_H
#include <elf.h>
#include <stdint.h>
#include <string.h>

#define ELF_BASE  0x100000u
#define ELF_ENTRY 0x100010u

/* Two segments (text, and data with bss), one note. Offsets are fixed, so that tests can reach in. */
struct test_elf {
	Elf64_Ehdr eh;
	Elf64_Phdr ph[3]; /* 0 text, 1 data, 2 note */
	struct {
		Elf64_Nhdr head;
		char name[4];
		uint32_t entry;
	} note;
	uint8_t text[64], data[32];
};

static inline void test_elf_make(struct test_elf *e)
{
	memset(e, 0, sizeof(*e));
	memcpy(e->eh.e_ident, ELFMAG, SELFMAG);
	e->eh.e_ident[EI_CLASS] = ELFCLASS64;
	e->eh.e_ident[EI_DATA] = ELFDATA2LSB;
	e->eh.e_type = ET_EXEC;
	e->eh.e_machine = EM_X86_64;
	e->eh.e_phoff = offsetof(struct test_elf, ph);
	e->eh.e_phentsize = sizeof(Elf64_Phdr);
	e->eh.e_phnum = 3;
	e->ph[0] = (Elf64_Phdr){ .p_type = PT_LOAD, .p_offset = offsetof(struct test_elf, text), .p_paddr = ELF_BASE,
		.p_filesz = sizeof(e->text), .p_memsz = sizeof(e->text) };
	e->ph[1] = (Elf64_Phdr){ .p_type = PT_LOAD, .p_offset = offsetof(struct test_elf, data),
		.p_paddr = ELF_BASE + 0x1000, .p_filesz = sizeof(e->data), .p_memsz = 0x2000 };
	e->ph[2] = (Elf64_Phdr){ .p_type = PT_NOTE, .p_offset = offsetof(struct test_elf, note),
		.p_filesz = sizeof(e->note), .p_memsz = sizeof(e->note), .p_align = 4 };
	e->note.head = (Elf64_Nhdr){ .n_namesz = 4, .n_descsz = 4, .n_type = 18 };
	memcpy(e->note.name, "Xen", 4);
	e->note.entry = ELF_ENTRY;
	memset(e->text, 0x90, sizeof(e->text));
	memset(e->data, 0xdd, sizeof(e->data));
}
#endif
