/*
 * fuzz_ksyms.c - symbol tables that a guest made: good ones with bytes changed (the first byte of the input chooses the
 * layout, then four each: three of place, the value), and the input itself as a kernel's memory.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "tests/lib/kallsyms.h"
#include "vmhost/ksyms.h"

static int read_image(void *arg, uint64_t gva, void *buf, size_t len)
{
	const struct kallsyms *k = arg;

	if (gva < k->base || gva - k->base > KA_SIZE || len > KA_SIZE - (gva - k->base))
		return -1;
	memcpy(buf, k->image + (gva - k->base), len);
	return 0;
}

static void look(struct kallsyms *k)
{
	const struct ksyms_source src = {read_image, k, k->base, k->base + KA_SIZE};
	static const char *const names[] = {"_text", "fn_11"};
	struct ksyms *s = NULL;
	char name[160];
	uint64_t at[2];

	if (ksyms_scan(&src, k->base, &s) != 1)
		return;
	ksyms_lookup(s, names, at, 2);
	for (unsigned i = 0; i < KA_SYMBOLS; i += 37)
		if (ksyms_find(s, ka_gva(k, i), name, sizeof(name)) == 0 && strlen(name) >= sizeof(name))
			abort();
	ksyms_free(s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct kallsyms *k = ka_new(0xffffffff81000000ull, size ? data[0] % 4 : KA_6_1);

	for (size_t i = 1; i + 4 <= size; i += 4)
		k->image[((uint32_t)data[i] << 16 | data[i + 1] << 8 | data[i + 2]) % k->len] = data[i + 3];
	look(k);
	memset(k->image, 0, sizeof(k->image));
	memcpy(k->image + 0x8000, data, size < KA_SIZE - 0x8000 ? size : KA_SIZE - 0x8000);
	look(k);
	free(k);
	return 0;
}
