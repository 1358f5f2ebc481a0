/*
 * fuzz_virtio_memory.c - entropy source and balloon driven by the fuzzer: registers, rings, lists of page numbers,
 * pause, save and load, the host end's wishes, in any order. Begins with both at work, so that every input can
 * reach their queues. After it all, a reset mends everything.
 */
#include <stdlib.h>
#include <string.h>

#include "devices/balloon.h"
#include "tests/fuzz/reader.h"
#include "tests/lib/devfix.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { RNG_SLOT = 2, BALLOON_SLOT = 3, RINGS = 0x100000, RING_STEP = 0x20000, DATA = 0x200000, QUEUES = 5 };

static void bring_up(struct fix *f, struct vdrv d[2], uint64_t features)
{
	fix_find(f, &d[0], RNG_SLOT);
	fix_find(f, &d[1], BALLOON_SLOT);
	if (vdrv_start_n(&d[0], features, 1, 16, RINGS, 0x61) != 15 ||
		vdrv_start_n(&d[1], features | 0x27, QUEUES, 16, RINGS + RING_STEP, 0x71) != 15 || !fix_run(f))
		abort();
}

static void step(struct fix *f, struct vdrv d[2], struct reader *r)
{
	static const uint32_t pages[] = { 0x0000, 0x1000, 0x2000, 0x3000, 0x4000, 0x5000 };
	uint8_t op = get(r, 1), len = 1u << (op >> 6);
	struct vdrv *v = &d[op >> 4 & 1];
	unsigned q = v == d ? 0 : (op >> 5) % QUEUES;
	struct balloon_info info;
	uint64_t addr, value;
	size_t n;

	switch (op & 15) {
	case 0:
	case 1:
		addr = v->bar + pages[get(r, 1) % 6] + get(r, 1);
		value = get(r, len);
		fake_io(f->vm, VMC_BUS_MMIO, addr, &value, len, op & 1);
		break;
	case 2:
		vdrv_cfg_write(v, get(r, 1) & 0xfc, 4, get(r, 4));
		break;
	case 3: /* rings, descriptors and lists of page numbers */
	case 4:
		addr = (op & 15) == 3 ? RINGS + (get(r, 2) & 0x3ffff) : DATA + (get(r, 2) & 0xffff);
		for (n = get(r, 1) & 63; n; n--)
			*fake_ram(f->vm, addr++) = get(r, 1);
		break;
	case 5:
	case 6:
	case 7:
		vdrv_set_desc(v, q, get(r, 1) & 15, DATA + get(r, 2), get(r, (op & 15) == 7 ? 3 : 2), get(r, 1) & 7,
			get(r, 1) & 31);
		break;
	case 8:
	case 9:
		vdrv_add(v, q, get(r, 1) & 31);
		vdrv_kick(v, q);
		break;
	case 10:
		machine_balloon_set(f->m, get(r, 4));
		break;
	case 11:
		op & 16 ? fake_quiesce(f->vm) : fake_resume(f->vm);
		break;
	case 12:
		save_and_load(f->vm, get(r, 1) & 1 ? "balloon" : "rng", r);
		break;
	case 13:
		fake_reset(f->vm);
		break;
	case 14:
		machine_balloon_info(f->m, op & 16 ? 100 : 0, &info);
		if (info.held > FIX_RAM || info.actual > FIX_RAM || info.target > FIX_RAM ||
			machine_balloon_held(f->m, 0, FIX_RAM) != (int64_t)info.held)
			abort();
		break;
	default:
		if (!fix_run(f))
			abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct machine_config cfg = { .cols = 80, .rows = 24, .rng = true, .rng_rate = size & 2 ? 1000 : 0,
		.balloon = true };
	struct fix *f = fix_new_with(&cfg); /* a new one each time: an input must not depend on those before it */
	struct reader r = { data, size };
	struct vdrv d[2];
	uint32_t id, len;
	unsigned i;

	bring_up(f, d, size & 1 ? VD_F_EVENT_IDX | VD_F_INDIRECT : VD_F_INDIRECT);
	for (i = 0; i < 400 && r.left; i++)
		step(f, d, &r);
	if (!fix_run(f))
		abort();
	/* whatever was done: after a reset a page can be handed over */
	fake_reset(f->vm);
	fake_resume(f->vm);
	bring_up(f, d, 0);
	*(uint32_t *)fake_ram(f->vm, DATA) = 7;
	vdrv_set_desc(&d[1], 0, 0, DATA, 4, 0, 0);
	vdrv_add(&d[1], 0, 0);
	vdrv_kick(&d[1], 0);
	if (!fix_run(f) || !vdrv_take(&d[1], 0, &id, &len) || machine_balloon_held(f->m, 0x7000, 0x1000) != 0x1000)
		abort();
	fix_free(f);
	return 0;
}
