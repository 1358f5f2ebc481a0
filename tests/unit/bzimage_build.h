/* bzimage_build.h - a small bzImage made in memory, for tests to break. */
#ifndef TESTS_BZIMAGE_BUILD_H
#define TESTS_BZIMAGE_BUILD_H
#include <asm/bootparam.h>
#include <stdint.h>
#include <string.h>

#define BZ_SETUP (5 * 512)
#define BZ_CODE  2048
#define BZ_PREF  0x400000u
#define BZ_INIT  0x200000u

struct test_bzimage {
	uint8_t setup[BZ_SETUP], code[BZ_CODE];
};

static inline struct setup_header *test_bz_header(struct test_bzimage *b)
{
	return (struct setup_header *)(b->setup + 0x1f1);
}

static inline void test_bz_make(struct test_bzimage *b)
{
	struct setup_header h = {.setup_sects = 4,
		.syssize = BZ_CODE / 16,
		.boot_flag = 0xaa55,
		.jump = 0x6aeb,
		.header = 0x53726448,
		.version = 0x020f,
		.loadflags = LOADED_HIGH,
		.initrd_addr_max = 0x7fffffff,
		.kernel_alignment = 0x200000,
		.relocatable_kernel = 1,
		.xloadflags = XLF_KERNEL_64,
		.cmdline_size = 100,
		.pref_address = BZ_PREF,
		.init_size = BZ_INIT};

	memset(b, 0xff, sizeof(*b)); /* the sentinel must not come along */
	memcpy(test_bz_header(b), &h, sizeof(h));
	memset(b->code, 0x90, sizeof(b->code));
	b->code[0x200] = 0xf4;
}
#endif
