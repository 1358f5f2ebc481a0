/*
 * fuzz_virtio_vsock.c - the vsock device driven by the fuzzer from both sides: registers, rings and descriptors, a
 * vhost that moves packets, fails or talks nonsense, pause, save and load, in any order. The vhost here aborts
 * when it is handed a buffer that is not the guest's memory. After it all, a reset mends everything.
 */
#include <stdlib.h>
#include <string.h>

#include "tests/fuzz/reader.h"
#include "tests/lib/devfix.h"
#include "tests/lib/fakevhost.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { SLOT = 4, RINGS = 0x100000, DATA = 0x200000, QUEUES = 3, HEADER = 44 };

static void bring_up(struct fix *f, struct vdrv *d, uint64_t features)
{
	fix_find(f, d, SLOT);
	if (vdrv_start_n(d, features, QUEUES, 16, RINGS, 0x61) != 15 || !fix_run(f) || !fake_vhost.running)
		abort();
}

static void host_step(struct reader *r)
{
	static uint8_t packet[70000];
	uint8_t op = get(r, 1);

	switch (op & 7) {
	case 0:
		fake_vhost_error();
		break;
	case 1:
		fake_vhost_nonsense();
		break;
	case 2:
	case 3:
	case 4:
		fake_vhost_send(packet, HEADER + get(r, 2));
		break;
	default:
		fake_vhost_receive(packet, sizeof(packet));
	}
}

static void step(struct fix *f, struct vdrv *d, struct reader *r)
{
	static const uint32_t pages[] = { 0x0000, 0x1000, 0x2000, 0x3000, 0x4000, 0x5000 };
	uint8_t op = get(r, 1), len = 1u << (op >> 6);
	unsigned q = (op >> 4) % QUEUES;
	uint64_t addr, value;
	size_t n;

	switch (op & 15) {
	case 0:
	case 1:
		addr = d->bar + pages[get(r, 1) % 6] + get(r, 1);
		value = get(r, len);
		fake_io(f->vm, VMC_BUS_MMIO, addr, &value, len, op & 1);
		break;
	case 2:
		vdrv_cfg_write(d, get(r, 1) & 0xfc, 4, get(r, 4));
		break;
	case 3:
		addr = RINGS + (get(r, 2) & 0xffff);
		for (n = get(r, 1) & 63; n; n--)
			*fake_ram(f->vm, addr++) = get(r, 1);
		break;
	case 4: /* as a driver should */
		vdrv_set_desc(d, q, get(r, 1) & 15, DATA + get(r, 2), HEADER + get(r, 1), q == 1 ? 0 : VD_WRITE, 0);
		break;
	case 5:
	case 6:
		vdrv_set_desc(d, q, get(r, 1) & 15, DATA + get(r, 2), get(r, (op & 15) == 6 ? 3 : 2), get(r, 1) & 7,
			get(r, 1) & 31);
		break;
	case 7:
	case 8:
	case 9:
		vdrv_add(d, q, get(r, 1) & 31);
		vdrv_kick(d, q);
		break;
	case 10:
		op & 16 ? fake_quiesce(f->vm) : fake_resume(f->vm);
		break;
	case 11:
		save_and_load(f->vm, "vsock", r);
		break;
	case 12:
		fake_reset(f->vm);
		break;
	case 13:
	case 14:
		host_step(r);
		break;
	default:
		if (!fix_run(f))
			abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct machine_config cfg = { .cols = 80, .rows = 24,
		.vsock = { .cid = 42, .path = "/dev/null", .ioctl = fake_vhost_ioctl } };
	struct reader r = { data, size };
	uint8_t packet[HEADER] = { 0 };
	struct vdrv d;
	uint32_t id, len;
	struct fix *f;

	fake_vhost_init();
	f = fix_new_with(&cfg);
	bring_up(f, &d, size & 1 ? VD_F_EVENT_IDX | VD_F_INDIRECT : VD_F_INDIRECT | VD_F_RING_RESET);
	for (unsigned i = 0; i < 400 && r.left; i++)
		step(f, &d, &r);
	if (!fix_run(f))
		abort();
	/* whatever was done: after a reset a packet comes through */
	fake_reset(f->vm);
	fake_resume(f->vm);
	bring_up(f, &d, 0);
	vdrv_set_desc(&d, 0, 0, DATA, 4096, VD_WRITE, 0);
	vdrv_add(&d, 0, 0);
	vdrv_kick(&d, 0);
	if (!fix_run(f) || !fake_vhost_send(packet, sizeof(packet)) || !fix_run(f) || !vdrv_take(&d, 0, &id, &len) ||
		len != sizeof(packet))
		abort();
	fix_free(f);
	return 0;
}
