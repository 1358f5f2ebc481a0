/*
 * fuzz_kmods.c - types, list and symbols of a guest's modules: good ones with bytes changed (the first byte of the
 * input chooses the shape, then four each: three of place, the value), and the input itself as the types.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "tests/lib/kmodules.h"
#include "vmhost/kmods.h"

#define BASE 0xffffffffc0000000ull
#define HEAD 0xffffffff82001500ull
#define BTF  0xffffffff82100000ull

static struct kmodules km;

static void look(void)
{
	const struct ksyms_source src = {.read = km_read, .arg = &km};
	const struct kmods_at at = {HEAD, BTF, BTF + km.btf_len};
	struct kmods *m;
	char name[160];

	if (kmods_new(&src, &at, &m) < 0)
		return;
	for (int again = 0; again < 2; again++) {
		kmods_refresh(m, &src);
		for (unsigned i = 0; i < KM_COUNT; i++)
			if (kmods_find(m, &src, km_text(&km, i) + 0x105, name, sizeof(name)) == 0 && strlen(name) >= sizeof(name))
				abort();
	}
	kmods_lookup(m, &src, "m2_second");
	kmods_free(m);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *all = (uint8_t *)&km;

	km_make(&km, size && data[0] % 2 ? KM_6_4 : KM_6_1, BASE, HEAD, BTF);
	for (size_t i = 1; i + 4 <= size; i += 4)
		all[((uint32_t)data[i] << 16 | data[i + 1] << 8 | data[i + 2]) %
			(offsetof(struct kmodules, head) + sizeof(km.head))] = data[i + 3];
	look();
	km_make(&km, KM_6_1, BASE, HEAD, BTF);
	km.btf_len = size < KM_BTF ? size : KM_BTF;
	memcpy(km.btf, data, km.btf_len);
	look();
	return 0;
}
