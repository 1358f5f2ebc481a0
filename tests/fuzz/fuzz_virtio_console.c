/*
 * fuzz_virtio_console.c - the whole machine driven by the fuzzer: ports, BARs, rings, input, pause,
 * save and load in any order. Begins with a console that works, so that every input can reach its
 * queues. After it all, a reset mends everything.
 */
#include <stdlib.h>
#include <string.h>

#include "tests/fuzz/reader.h"
#include "tests/lib/devfix.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void step(struct fix *f, struct reader *r)
{
	static const uint16_t ports[] = { 0x60, 0x64, 0x70, 0x71, 0xcf8, 0xcfc, 0xcfd, 0xcfe, 0x3f8,
		0x3f9, 0x3fa, 0x3fb, 0x3fc };
	static const char *const ids[] = { "rtc", "i8042", "com1", "pci0", "virtio-console0" };
	static const uint32_t pages[] = { 0x0000, 0x1000, 0x2000, 0x3000, 0x4000, 0x5000 };
	uint8_t op = get(r, 1), len = 1u << (op >> 6), buf[16];
	uint64_t value, addr;
	size_t n;

	switch (op & 15) {
	case 0:
		fake_in(f->vm, ports[get(r, 1) % 13], len & 7);
		break;
	case 1:
		addr = ports[get(r, 1) % 13];
		fake_out(f->vm, addr, len & 7, get(r, 4));
		break;
	case 2:
	case 3:
	case 4:
		addr = f->d.bar + pages[get(r, 1) % 6] + get(r, 1);
		value = get(r, len);
		fake_io(f->vm, VMC_BUS_MMIO, addr, &value, len, op & 1);
		break;
	case 5:
		vdrv_cfg_write(&f->d, get(r, 1) & 0xfc, 4, get(r, 4));
		break;
	case 6: /* into the rings and descriptors */
		addr = FIX_RING + (get(r, 2) & 0x7fff);
		for (n = get(r, 1) & 31; n; n--)
			*fake_ram(f->vm, addr++) = get(r, 1);
		break;
	case 7:
		vdrv_set_desc(&f->d, op >> 4 & 1, get(r, 1) & 15, 0x200000 + get(r, 2), get(r, 2),
			get(r, 1) & 7, get(r, 1) & 31);
		break;
	case 8:
		vdrv_add(&f->d, op >> 4 & 1, get(r, 1) & 31);
		vdrv_kick(&f->d, op >> 4 & 1);
		break;
	case 9:
		n = get(r, 1) & 15;
		memset(buf, 'i', sizeof(buf));
		fix_input(f, op >> 4 & 1, buf, n);
		break;
	case 10:
		fix_output_ready(f, op >> 4 & 1, get(r, 2));
		break;
	case 11:
		op & 16 ? fake_quiesce(f->vm) : fake_resume(f->vm);
		break;
	case 12:
		save_and_load(f->vm, ids[get(r, 1) % 5], r);
		break;
	case 13:
		fake_reset(f->vm);
		break;
	case 14:
		vmc_device_lock(f->vm);
		f->host[0].stream->dev_ops->resize(f->host[0].stream->dev, get(r, 1), get(r, 1));
		vmc_device_unlock(f->vm);
		break;
	default:
		if (!fix_run(f))
			abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fix *f =
		fix_new(); /* a new one each time: an input must not depend on those before it */
	struct reader r = { data, size };
	unsigned i;

	fix_start(f, VD_F_SIZE | VD_F_INDIRECT | (size & 1 ? VD_F_EVENT_IDX : 0), 16);
	for (i = 0; i < 400 && r.left; i++)
		step(f, &r);
	if (!fix_run(f))
		abort();
	/* whatever was done: after a reset the console prints */
	fake_reset(f->vm);
	fake_resume(f->vm);
	if (!vdrv_find(&f->d, &f->d.io, 1))
		abort();
	f->host[0].room = SIZE_MAX;
	fix_output_ready(f, 0, SIZE_MAX);
	fix_start(f, 0, 16);
	f->host[0].len = 0;
	fix_tx(f, 0, 0x300000, "alive");
	if (!fix_run(f) || f->host[0].len != 5 || memcmp(f->host[0].out, "alive", 5))
		abort();
	fix_free(f);
	return 0;
}
