/* test_devices_virtio.c - the virtio PCI transport and the console: negotiation, queues, data both
 * ways, back-pressure, breakage. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <errno.h>
#include <linux/virtio_pci.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/lib/devfix.h"

enum { NEEDS_RESET = 64 };

static int setup(void **state)
{
	*state = fix_new();
	return 0;
}

static int teardown(void **state)
{
	fix_free(*state);
	return 0;
}

static uint64_t common(struct fix *f, unsigned off, uint32_t len)
{
	return vdrv_read(&f->d, f->d.common + off, len);
}

static void set_common(struct fix *f, unsigned off, uint32_t len, uint64_t value)
{
	vdrv_write(&f->d, f->d.common + off, len, value);
}

static void resize(struct fix *f, uint16_t cols, uint16_t rows)
{
	vmc_device_lock(f->vm);
	f->host[0].stream->dev_ops->resize(f->host[0].stream->dev, cols, rows);
	vmc_device_unlock(f->vm);
}

/* The device says that it needs a reset, why, tells the driver, does nothing more, and works again
 * after a reset. */
static void assert_broken(struct fix *f, const char *words)
{
	struct vmc_device_info info;
	size_t len = f->host[0].len;

	assert_true(fix_run(f));
	assert_true(vdrv_status(&f->d) & NEEDS_RESET);
	info = fix_info(f, "virtio-console0");
	assert_true(info.broken);
	if (!strstr(info.note, words))
		fail_msg("note \"%s\" does not say \"%s\"", info.note, words);
	assert_int_equal(fake_msi_take(f->vm, FIX_MSI), 1);
	vdrv_kick(&f->d, 0);
	vdrv_kick(&f->d, 1);
	assert_true(fix_run(f));
	assert_int_equal(f->host[0].len, len);
	assert_int_equal(fix_input(f, 0, "x", 1), 0);
	fix_start(f, VD_F_SIZE, 16);
	assert_false(fix_info(f, "virtio-console0").broken);
	fix_tx(f, 0, 0x300000, "well again");
	assert_true(fix_run(f));
	assert_int_equal(f->host[0].len, len + 10);
	assert_memory_equal(f->host[0].out + len, "well again", 10);
}

static void test_features(void **state)
{
	struct fix *f = *state;
	struct vdrv *d = &f->d;
	uint64_t offered = vdrv_offered(d);

	assert_true(offered == (VD_F_SIZE | VD_F_INDIRECT | VD_F_EVENT_IDX | VD_F_VERSION_1 |
				       VD_F_RING_RESET));
	set_common(f, VIRTIO_PCI_COMMON_DFSELECT, 4, 2);
	assert_int_equal(common(f, VIRTIO_PCI_COMMON_DF, 4), 0);
	assert_int_equal(vdrv_init(d, offered), 11);
	assert_int_equal(vdrv_init(d, VD_F_VERSION_1), 11);
	assert_int_equal(vdrv_init(d, VD_F_SIZE), 3);               /* no legacy drivers */
	assert_int_equal(vdrv_init(d, VD_F_VERSION_1 | 1 << 1), 3); /* MULTIPORT was not offered */
	assert_int_equal(vdrv_init(d, VD_F_VERSION_1 | 1ull << 63), 3);
	/* after FEATURES_OK they stay */
	assert_int_equal(vdrv_init(d, VD_F_VERSION_1), 11);
	set_common(f, VIRTIO_PCI_COMMON_GFSELECT, 4, 0);
	set_common(f, VIRTIO_PCI_COMMON_GF, 4, VD_F_SIZE);
	assert_int_equal(common(f, VIRTIO_PCI_COMMON_GF, 4), 0);
	set_common(f, VIRTIO_PCI_COMMON_GFSELECT, 4, 7); /* a select that does not exist */
	set_common(f, VIRTIO_PCI_COMMON_GF, 4, 0xffffffff);
	assert_int_equal(common(f, VIRTIO_PCI_COMMON_GF, 4), 0);
	assert_true(fix_info(f, "virtio-console0").features_negotiated == VD_F_VERSION_1);
}

static void test_status(void **state)
{
	struct fix *f = *state;

	assert_int_equal(vdrv_status(&f->d), 0);
	vdrv_set_status(&f->d, 1 | NEEDS_RESET); /* that bit is the device's */
	assert_int_equal(vdrv_status(&f->d), 1);
	vdrv_set_status(&f->d, 2); /* a driver must not clear bits */
	assert_int_equal(vdrv_status(&f->d), 3);
	vdrv_set_status(&f->d, 0);
	assert_int_equal(vdrv_status(&f->d), 0);
	/* DRIVER_OK before FEATURES_OK */
	vdrv_set_status(&f->d, 7);
	assert_int_equal(vdrv_status(&f->d), 3 | NEEDS_RESET);
	vdrv_set_status(&f->d, 0);
	assert_int_equal(vdrv_status(&f->d), 0);
}

static void test_queue_registers(void **state)
{
	struct fix *f = *state;
	unsigned i;

	assert_int_equal(common(f, VIRTIO_PCI_COMMON_NUMQ, 2), 2);
	for (i = 0; i < 2; i++) {
		set_common(f, VIRTIO_PCI_COMMON_Q_SELECT, 2, i);
		assert_int_equal(common(f, VIRTIO_PCI_COMMON_Q_SIZE, 2), 128);
		assert_int_equal(common(f, VIRTIO_PCI_COMMON_Q_NOFF, 2), i);
		assert_int_equal(common(f, VIRTIO_PCI_COMMON_Q_MSIX, 2), 0xffff);
		assert_int_equal(common(f, VIRTIO_PCI_COMMON_Q_ENABLE, 2), 0);
	}
	/* vectors: those that exist stick, others read back as none */
	set_common(f, VIRTIO_PCI_COMMON_Q_MSIX, 2, 2);
	assert_int_equal(common(f, VIRTIO_PCI_COMMON_Q_MSIX, 2), 2);
	set_common(f, VIRTIO_PCI_COMMON_Q_MSIX, 2, 3);
	assert_int_equal(common(f, VIRTIO_PCI_COMMON_Q_MSIX, 2), 0xffff);
	set_common(f, VIRTIO_PCI_COMMON_MSIX, 2, 0x1234);
	assert_int_equal(common(f, VIRTIO_PCI_COMMON_MSIX, 2), 0xffff);
	/* 64-bit registers: as halves or as one; not with other widths */
	set_common(f, VIRTIO_PCI_COMMON_Q_AVAILLO, 8, 0x1122334455667788);
	assert_int_equal(common(f, VIRTIO_PCI_COMMON_Q_AVAILLO, 8), 0x1122334455667788);
	set_common(f, VIRTIO_PCI_COMMON_Q_AVAILHI, 4, 0);
	assert_int_equal(common(f, VIRTIO_PCI_COMMON_Q_AVAILLO, 8), 0x55667788);
	set_common(f, VIRTIO_PCI_COMMON_Q_AVAILLO, 2, 0);
	set_common(f, VIRTIO_PCI_COMMON_Q_AVAILLO + 1, 4, 0);
	set_common(f, VIRTIO_PCI_COMMON_Q_AVAILHI, 8, 0);
	assert_int_equal(common(f, VIRTIO_PCI_COMMON_Q_AVAILLO, 8), 0x55667788);
	/* a queue that does not exist: size 0, and writes change nothing */
	set_common(f, VIRTIO_PCI_COMMON_Q_SELECT, 2, 2);
	assert_int_equal(common(f, VIRTIO_PCI_COMMON_Q_SIZE, 2), 0);
	set_common(f, VIRTIO_PCI_COMMON_Q_SIZE, 2, 4);
	set_common(f, VIRTIO_PCI_COMMON_Q_ENABLE, 2, 1);
	assert_int_equal(common(f, VIRTIO_PCI_COMMON_Q_ENABLE, 2), 0);
	assert_int_equal(common(f, VIRTIO_PCI_COMMON_Q_SIZE, 2), 0);
	/* beyond the structure */
	assert_int_equal(common(f, 60, 4), 0);
	assert_int_equal(common(f, 0xffc, 4), 0);
	set_common(f, 0xff8, 8, UINT64_MAX);
}

static void test_transmit(void **state)
{
	struct fix *f = *state;
	struct vdrv *d = &f->d;
	uint32_t id, len;
	unsigned i;

	fix_start(f, 0, 16);
	/* one buffer in pieces */
	memcpy(fake_ram(f->vm, 0x300000), "Hello, world\n", 13);
	vdrv_set_desc(d, 1, 4, 0x300000, 5, VD_NEXT, 9);
	vdrv_set_desc(d, 1, 9, 0x300005, 8, 0, 0);
	vdrv_add(d, 1, 4);
	vdrv_kick(d, 1);
	assert_true(fix_run(f));
	assert_int_equal(f->host[0].len, 13);
	assert_memory_equal(f->host[0].out, "Hello, world\n", 13);
	assert_true(vdrv_take(d, 1, &id, &len));
	assert_int_equal(id, 4);
	assert_int_equal(len, 0);
	assert_int_equal(fake_msi_take(f->vm, FIX_MSI + 2), 1);
	/* many, round the ring, with and without interrupts */
	for (i = 0; i < 1000; i++) {
		char text[8];

		vdrv_avail(d, 1)[0] = i & 1;
		snprintf(text, sizeof(text), "%03u", i);
		fix_tx(f, i % 16, 0x300000 + 16 * (i % 16), text);
		assert_true(fix_run(f));
		assert_int_equal(fake_msi_take(f->vm, FIX_MSI + 2), !(i & 1));
		assert_true(vdrv_take(d, 1, &id, &len));
		assert_int_equal(id, i % 16);
	}
	assert_int_equal(f->host[0].len, 13 + 3000);
	assert_memory_equal(f->host[0].out + 13 + 2997, "999", 3);
}

/* Without the kernel's help (no ioeventfd), and with kicks of other widths, it works as well. */
static void test_kick_that_exits(void **state)
{
	struct fix *f = *state;

	vdrv_cfg_write(&f->d, 4, 2, 4);
	fake_refuse_ioeventfds(f->vm, true);
	vdrv_cfg_write(&f->d, 4, 2, 6);
	assert_int_equal(fake_ioeventfds(f->vm), 0);
	fix_start(f, 0, 16);
	fix_tx(f, 0, 0x300000, "by hand");
	assert_true(fix_run(f));
	assert_memory_equal(f->host[0].out, "by hand", 7);
	vdrv_set_desc(&f->d, 1, 1, 0x300000, 2, 0, 0);
	vdrv_add(&f->d, 1, 1);
	vdrv_write(&f->d, f->d.notify + 4, 4, 1);
	assert_true(fix_run(f));
	assert_int_equal(f->host[0].len, 9);
	vdrv_write(&f->d, f->d.notify + 8, 2, 2); /* no such queue */
	vdrv_write(&f->d, f->d.notify + 1, 2, 0);
	assert_true(fix_run(f));
	assert_int_equal(vdrv_status(&f->d), 15);
}

static void test_nothing_before_driver_ok(void **state)
{
	struct fix *f = *state;
	struct vdrv *d = &f->d;

	vdrv_init(d, VD_F_VERSION_1);
	vdrv_queue(d, 1, 16, FIX_RING);
	vdrv_enable(d, 1);
	fix_tx(f, 0, 0x300000, "early");
	assert_true(fix_run(f));
	assert_int_equal(f->host[0].len, 0);
	assert_int_equal(vdrv_used(d, 1)[1], 0);
	vdrv_set_status(d, 15); /* now it goes, without another kick */
	assert_true(fix_run(f));
	assert_memory_equal(f->host[0].out, "early", 5);
	assert_false(fake_line(f->vm, 10) && vdrv_read(d, d->isr, 1) == 0);
}

/* A slow reader: the queue stands still, nothing is lost, and it goes on from the very byte. */
static void test_transmit_back_pressure(void **state)
{
	struct fix *f = *state;
	struct vdrv *d = &f->d;
	char text[10000];
	unsigned i, turns = 0;
	uint32_t id, len;

	for (i = 0; i < sizeof(text); i++)
		text[i] = 'a' + i % 26;
	fix_start(f, 0, 16);
	memcpy(fake_ram(f->vm, 0x300000), text, sizeof(text));
	for (i = 0; i < 10; i++) {
		vdrv_set_desc(d, 1, i, 0x300000 + 1000 * i, 1000, 0, 0);
		vdrv_add(d, 1, i);
	}
	f->host[0].room = 1500;
	vdrv_kick(d, 1);
	assert_true(fix_run(f));
	assert_int_equal(f->host[0].len, 1500);
	assert_int_equal(vdrv_used(d, 1)[1], 1);
	i = f->host[0].calls;
	vdrv_kick(d, 1);
	vdrv_kick(d, 1);
	assert_true(fix_run(f));
	assert_int_equal(f->host[0].calls, i); /* it is not asked before it says so */
	while (f->host[0].len < sizeof(text) && turns++ < 1000) {
		fix_output_ready(f, 0, 333);
		assert_true(fix_run(f));
	}
	assert_int_equal(f->host[0].len, sizeof(text));
	assert_memory_equal(f->host[0].out, text, sizeof(text));
	for (i = 0; i < 10; i++) {
		assert_true(vdrv_take(d, 1, &id, &len));
		assert_int_equal(id, i);
	}
	assert_false(vdrv_take(d, 1, &id, &len));
}

static void test_receive(void **state)
{
	struct fix *f = *state;
	struct vdrv *d = &f->d;
	uint32_t id, len;

	assert_int_equal(fix_input(f, 0, "early", 5), 0); /* no driver yet: refused, not lost */
	fix_start(f, 0, 16);
	assert_int_equal(fix_input(f, 0, "early", 5), 0); /* no buffers */
	f->host[0].ready = 0;
	f->host[0].pending = "hello there";
	f->host[0].pending_len = 11;
	fix_rx_buffers(f, 2, 8);
	assert_true(fix_run(f));
	assert_int_equal(f->host[0].ready, 1);
	assert_int_equal(f->host[0].pending_len, 0);
	assert_true(vdrv_take(d, 0, &id, &len));
	assert_int_equal(len, 8);
	assert_true(vdrv_take(d, 0, &id, &len));
	assert_int_equal(id, 1);
	assert_int_equal(len, 3);
	assert_memory_equal(fake_ram(f->vm, 0x200000), "hello there", 11);
	assert_int_equal(fake_msi_take(f->vm, FIX_MSI + 1), 1);
	/* full again; kicks without buffers wake nobody for ever */
	assert_int_equal(fix_input(f, 0, "abc", 3), 0);
	vdrv_kick(d, 0);
	assert_true(fix_run(f));
	assert_int_equal(f->host[0].ready, 2);
	/* with room and nothing refused, a kick disturbs nobody */
	fix_rx_buffers(f, 2, 8);
	assert_true(fix_run(f));
	vdrv_kick(d, 0);
	assert_true(fix_run(f));
	assert_int_equal(fix_input(f, 0, "abc", 3), 3);
	assert_int_equal(f->host[0].ready, 2);
}

/* More one-byte buffers than one turn may use: the host end is asked again for the rest. */
static void test_receive_in_turns(void **state)
{
	struct fix *f = *state;
	char text[300];
	unsigned i;

	memset(text, 'z', sizeof(text));
	fix_start(f, VD_F_EVENT_IDX, 128);
	assert_int_equal(fix_input(f, 0, text, sizeof(text)), 0);
	f->host[0].pending = text;
	f->host[0].pending_len = sizeof(text);
	for (i = 0; i < 3; i++) {
		fix_rx_buffers(f, 128, 1);
		assert_true(fix_run(f));
		assert_int_equal(f->host[0].pending_len, i < 2 ? sizeof(text) - 128 * (i + 1) : 0);
	}
}

static void test_receive_into_nothing(void **state)
{
	struct fix *f = *state;
	struct vdrv *d = &f->d;
	uint32_t id, len;

	fix_start(f, 0, 16);
	vdrv_set_desc(d, 0, 0, 0x200000, 0, VD_WRITE, 0); /* no room in it: given back */
	vdrv_set_desc(d, 0, 1, 0x200000, 4, VD_WRITE, 0);
	vdrv_add(d, 0, 0);
	vdrv_add(d, 0, 1);
	assert_int_equal(fix_input(f, 0, "ab", 2), 2);
	assert_true(vdrv_take(d, 0, &id, &len));
	assert_int_equal(len, 0);
	assert_true(vdrv_take(d, 0, &id, &len));
	assert_int_equal(len, 2);
}

static void test_event_idx_end_to_end(void **state)
{
	struct fix *f = *state;
	struct vdrv *d = &f->d;
	unsigned i;

	fix_start(f, VD_F_EVENT_IDX | VD_F_INDIRECT, 16);
	vdrv_avail(d, 1)[2 + 16] = 4; /* used_event: tell me at the fifth */
	for (i = 0; i < 5; i++) {
		fix_tx(f, i, 0x300000 + 16 * i, "e");
		assert_true(fix_run(f));
		assert_int_equal(
			*vdrv_avail_event(d, 1), i + 1); /* it waits for exactly the next */
		assert_int_equal(fake_msi_take(f->vm, FIX_MSI + 2), i == 4);
	}
	assert_int_equal(vdrv_used(d, 1)[0], 0);
}

static void test_indirect_end_to_end(void **state)
{
	struct fix *f = *state;
	struct vdrv *d = &f->d;
	struct vd_desc table[3] = { { 0x300000, 3, VD_NEXT, 2 }, { 0x300008, 3, 0, 0 },
		{ 0x300004, 3, VD_NEXT, 1 } };

	fix_start(f, VD_F_INDIRECT, 16);
	memcpy(fake_ram(f->vm, 0x310000), table, sizeof(table));
	memcpy(fake_ram(f->vm, 0x300000), "one two thr", 11);
	vdrv_set_desc(d, 1, 0, 0x310000, sizeof(table), VD_INDIRECT, 0);
	vdrv_add(d, 1, 0);
	vdrv_kick(d, 1);
	assert_true(fix_run(f));
	assert_memory_equal(f->host[0].out, "onetwothr", 9);
}

static void test_size(void **state)
{
	struct fix *f = *state;
	struct vdrv *d = &f->d;
	uint8_t gen;

	assert_int_equal(vdrv_read(d, d->device, 2), 80);
	assert_int_equal(vdrv_read(d, d->device + 2, 2), 24);
	assert_int_equal(vdrv_read(d, d->device, 4), 24 << 16 | 80);
	assert_int_equal(vdrv_read(d, d->device + 3, 1), 0);
	assert_int_equal(vdrv_read(d, d->device + 100, 4), 0);
	vdrv_write(d, d->device, 4, 0); /* read-only */
	assert_int_equal(vdrv_read(d, d->device, 2), 80);
	fix_start(f, VD_F_SIZE, 16);
	gen = common(f, VIRTIO_PCI_COMMON_CFGGENERATION, 1);
	resize(f, 132, 50);
	assert_int_equal(fake_msi_take(f->vm, FIX_MSI), 1);
	assert_int_not_equal(common(f, VIRTIO_PCI_COMMON_CFGGENERATION, 1), gen);
	assert_int_equal(vdrv_read(d, d->device, 4), 50 << 16 | 132);
	resize(f, 132, 50); /* no change, no interrupt */
	assert_int_equal(fake_msi_take(f->vm, FIX_MSI), 0);
	fix_start(f, 0, 16); /* a driver that did not ask is left alone */
	resize(f, 10, 5);
	assert_int_equal(fake_msi_take(f->vm, FIX_MSI), 0);
}

static void test_quiet(void **state)
{
	struct fix *f = *state;
	struct vdrv *d = &f->d;

	fix_start(f, VD_F_SIZE, 16);
	fix_rx_buffers(f, 4, 8);
	assert_true(fix_run(f));
	fake_quiesce(f->vm);
	fake_dirty_clear(f->vm);
	fix_tx(f, 0, 0x300000, "later");
	assert_true(fix_run(f));
	assert_int_equal(fix_input(f, 0, "in", 2), 0);
	resize(f, 90, 30);
	assert_true(fix_run(f));
	assert_int_equal(f->host[0].len, 0);
	assert_false(fake_dirty_take(f->vm, FIX_RING + 0x2000));
	assert_false(fake_dirty_take(f->vm, FIX_RING + 0x5000));
	assert_int_equal(fake_msi_take(f->vm, FIX_MSI), 0);
	f->host[0].pending = "in";
	f->host[0].pending_len = 2;
	fake_resume(f->vm);
	assert_true(fix_run(f));
	assert_memory_equal(f->host[0].out, "later", 5);
	assert_int_equal(f->host[0].pending_len, 0);
	assert_memory_equal(fake_ram(f->vm, 0x200000), "in", 2);
	assert_int_equal(fake_msi_take(f->vm, FIX_MSI), 1);
	assert_int_equal(vdrv_read(d, d->device, 2), 90);
}

static void test_queue_reset(void **state)
{
	struct fix *f = *state;
	struct vdrv *d = &f->d;

	fix_start(f, VD_F_RING_RESET, 16);
	f->host[0].room = 2;
	fix_tx(f, 0, 0x300000, "abcd");
	assert_true(fix_run(f));
	set_common(f, VIRTIO_PCI_COMMON_Q_SELECT, 2, 1);
	set_common(f, VIRTIO_PCI_COMMON_Q_RESET, 2, 1);
	assert_int_equal(common(f, VIRTIO_PCI_COMMON_Q_RESET, 2), 0); /* done */
	assert_int_equal(common(f, VIRTIO_PCI_COMMON_Q_ENABLE, 2), 0);
	assert_int_equal(common(f, VIRTIO_PCI_COMMON_Q_SIZE, 2), 128);
	vdrv_queue(d, 1, 8, FIX_RING + 0x10000); /* smaller, elsewhere */
	vdrv_enable(d, 1);
	f->host[0].room = SIZE_MAX;
	fix_tx(f, 0, 0x300000, "XY");
	assert_true(fix_run(f));
	assert_int_equal(f->host[0].len, 4);
	assert_memory_equal(f->host[0].out, "abXY", 4);
	assert_int_equal(vdrv_status(d), 15);
}

/* A live ring does not move, whatever is written. */
static void test_ring_moved_while_live(void **state)
{
	struct fix *f = *state;

	fix_start(f, 0, 16);
	set_common(f, VIRTIO_PCI_COMMON_Q_SELECT, 2, 1);
	set_common(f, VIRTIO_PCI_COMMON_Q_DESCLO, 4, 0);
	set_common(f, VIRTIO_PCI_COMMON_Q_USEDLO, 8, UINT64_MAX);
	set_common(f, VIRTIO_PCI_COMMON_Q_SIZE, 2, 3);
	set_common(f, VIRTIO_PCI_COMMON_Q_ENABLE, 2, 0);
	set_common(f, VIRTIO_PCI_COMMON_Q_ENABLE, 2, 1);
	set_common(f, VIRTIO_PCI_COMMON_Q_RESET, 2, 1); /* not negotiated */
	assert_int_equal(common(f, VIRTIO_PCI_COMMON_Q_ENABLE, 2), 1);
	assert_int_equal(common(f, VIRTIO_PCI_COMMON_Q_SIZE, 2), 16);
	fix_tx(f, 0, 0x300000, "still here");
	assert_true(fix_run(f));
	assert_memory_equal(f->host[0].out, "still here", 10);
}

static void test_broken_transmit(void **state)
{
	struct fix *f = *state;
	struct vdrv *d = &f->d;

	fix_start(f, VD_F_SIZE, 16);
	vdrv_avail(d, 1)[1] = 1000;
	vdrv_kick(d, 1);
	assert_broken(f, "queue 1: available index jumps from 0 to 1000");
	vdrv_set_desc(d, 1, 1, FIX_RAM - 1, 2, 0, 0);
	vdrv_add(d, 1, 1);
	vdrv_kick(d, 1);
	assert_broken(f, "queue 1: 2 bytes at 0xffffff are not memory");
	vdrv_set_desc(d, 1, 1, 0x300000, 2, VD_WRITE, 0);
	vdrv_add(d, 1, 1);
	vdrv_kick(d, 1);
	assert_broken(f, "writable buffer in the transmit queue");
	vdrv_set_desc(d, 1, 1, 0x300000, 16, VD_INDIRECT, 0);
	vdrv_add(d, 1, 1);
	vdrv_kick(d, 1);
	assert_broken(f, "not negotiated");
}

static void test_broken_receive(void **state)
{
	struct fix *f = *state;
	struct vdrv *d = &f->d;

	fix_start(f, VD_F_SIZE, 16);
	vdrv_set_desc(d, 0, 0, 0x200000, 8, 0, 0);
	vdrv_add(d, 0, 0);
	assert_int_equal(fix_input(f, 0, "x", 1), 0);
	assert_broken(f, "readable buffer in the receive queue");
	vdrv_set_desc(d, 0, 0, FAKE_ROM, 8, VD_WRITE, 0);
	vdrv_add(d, 0, 0);
	assert_int_equal(fix_input(f, 0, "x", 1), 0);
	assert_broken(f, "writable memory");
}

static void test_broken_setup(void **state)
{
	struct fix *f = *state;
	struct vdrv *d = &f->d;

	vdrv_init(d, VD_F_VERSION_1);
	vdrv_queue(d, 0, 7, FIX_RING);
	vdrv_enable(d, 0);
	assert_true(vdrv_status(d) & NEEDS_RESET);
	assert_int_equal(common(f, VIRTIO_PCI_COMMON_Q_ENABLE, 2), 0);
	vdrv_set_status(d, 15);
	assert_true(vdrv_status(d) & NEEDS_RESET);
	vdrv_init(d, VD_F_VERSION_1);
	vdrv_queue(d, 0, 16, FIX_RING);
	set_common(f, VIRTIO_PCI_COMMON_Q_USEDLO, 8, FAKE_ROM);
	vdrv_enable(d, 0);
	assert_true(vdrv_status(d) & NEEDS_RESET);
	vdrv_set_status(d, 0);
	vdrv_queue(d, 0, 16, FIX_RING);
	vdrv_enable(d, 0);
	assert_true(vdrv_status(d) & NEEDS_RESET);
	assert_non_null(strstr(fix_info(f, "virtio-console0").note, "before FEATURES_OK"));
	fix_start(f, 0, 16);
}

/* A driver that keeps its transmit ring full for ever gets its turn, and so do others. */
static void test_no_hogging(void **state)
{
	struct fix *f = *state;
	struct vdrv *d = &f->d;
	struct vmc_device_info info;

	fix_start(f, 0, 16);
	f->host[0].room = 200 * 1024;
	vdrv_set_desc(d, 1, 0, 0x300000, 8u << 20, 0, 0); /* 8 MiB at once */
	vdrv_add(d, 1, 0);
	vdrv_kick(d, 1);
	assert_true(fix_run(f));
	assert_int_equal(f->host[0].len, 200 * 1024);
	info = fix_info(f, "virtio-console0");
	assert_true(info.queues[1].kicks >= 3); /* in turns of 64 KiB */
}

/* The window through configuration space (§4.1.4.9). */
static void test_cfg_window(void **state)
{
	struct fix *f = *state;
	struct vdrv *d = &f->d;
	unsigned cap = d->cfg_cap, data = cap + 16;

	vdrv_cfg_write(d, cap + VIRTIO_PCI_CAP_BAR, 1, 0);
	vdrv_cfg_write(d, cap + VIRTIO_PCI_CAP_OFFSET, 4, VIRTIO_PCI_COMMON_NUMQ);
	vdrv_cfg_write(d, cap + VIRTIO_PCI_CAP_LENGTH, 4, 2);
	assert_int_equal(vdrv_cfg_read(d, data, 2), 2);
	vdrv_cfg_write(d, cap + VIRTIO_PCI_CAP_OFFSET, 4, VIRTIO_PCI_COMMON_STATUS);
	vdrv_cfg_write(d, cap + VIRTIO_PCI_CAP_LENGTH, 4, 1);
	vdrv_cfg_write(d, data, 1, 1);
	assert_int_equal(vdrv_status(d), 1);
	/* wrong BAR, wrong length, outside: nothing happens */
	vdrv_cfg_write(d, cap + VIRTIO_PCI_CAP_BAR, 1, 3);
	vdrv_cfg_write(d, data, 1, 2);
	vdrv_cfg_write(d, cap + VIRTIO_PCI_CAP_BAR, 1, 0);
	vdrv_cfg_write(d, cap + VIRTIO_PCI_CAP_LENGTH, 4, 3);
	vdrv_cfg_write(d, data, 1, 2);
	vdrv_cfg_write(d, cap + VIRTIO_PCI_CAP_LENGTH, 4, 4);
	vdrv_cfg_write(d, cap + VIRTIO_PCI_CAP_OFFSET, 4, 0xfffffffe);
	vdrv_cfg_write(d, data, 4, 2);
	vdrv_cfg_read(d, data, 4);
	vdrv_cfg_write(d, cap + VIRTIO_PCI_CAP_OFFSET, 4, 0x7ffe);
	vdrv_cfg_write(d, data, 4, 2);
	assert_int_equal(vdrv_status(d), 1);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_features),
		T(test_status),
		T(test_queue_registers),
		T(test_transmit),
		T(test_kick_that_exits),
		T(test_nothing_before_driver_ok),
		T(test_transmit_back_pressure),
		T(test_receive),
		T(test_receive_in_turns),
		T(test_receive_into_nothing),
		T(test_event_idx_end_to_end),
		T(test_indirect_end_to_end),
		T(test_size),
		T(test_quiet),
		T(test_queue_reset),
		T(test_ring_moved_while_live),
		T(test_broken_transmit),
		T(test_broken_receive),
		T(test_broken_setup),
		T(test_no_hogging),
		T(test_cfg_window),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
