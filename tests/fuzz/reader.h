/* reader.h - what the device fuzzers share: a fuzzer's bytes as numbers, and a device saved, bent by a byte and loaded. */
#ifndef TESTS_FUZZ_READER_H
#define TESTS_FUZZ_READER_H
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "tests/lib/fakevm.h"

struct reader {
	const uint8_t *p;
	size_t left;
};

/* @n bytes (at most 8), little-endian; 0 at the end. */
static inline uint64_t get(struct reader *r, unsigned n)
{
	uint64_t v = 0;

	if (n > r->left)
		n = r->left;
	memcpy(&v, r->p, n);
	r->p += n;
	r->left -= n;
	return v;
}

static inline void save_and_load(struct vmc_vm *vm, const char *id, struct reader *r)
{
	struct vmc_out out;
	struct vmc_in in;
	size_t at = get(r, 2);

	fake_quiesce(vm);
	fake_save(vm, id, &out);
	out.data[at % out.len] ^= get(r, 1);
	fake_load(vm, id, out.data, out.len, &in);
	vmc_out_free(&out);
	fake_resume(vm);
}

#endif
