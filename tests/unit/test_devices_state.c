/* test_devices_state.c - every device saved, checked, loaded into another machine, and working
 * there. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <errno.h>
#include <linux/serial_reg.h>
#include <linux/virtio_pci.h>
#include <stdlib.h>
#include <string.h>

#include "tests/lib/devfix.h"

static const char *const ids[] = { "rtc", "i8042", "com1", "pci0", "virtio-console0" };
#define NIDS (sizeof(ids) / sizeof(ids[0]))

/* A new machine with @f's memory and devices, paused as after a load; @f stays. */
static struct fix *restore(struct fix *f)
{
	struct fix *g = fix_new();
	struct vmc_out out;
	struct vmc_in in;
	unsigned i;

	fake_copy(g->vm, f->vm);
	for (i = 0; i < NIDS; i++) {
		fake_save(f->vm, ids[i], &out);
		if (fake_load(g->vm, ids[i], out.data, out.len, &in) < 0)
			fail_msg("%s: %s", ids[i], in.message);
		vmc_out_free(&out);
	}
	g->d = f->d;
	g->d.io.ctx = g->vm;
	return g;
}

static void test_console_goes_on(void **state)
{
	struct fix *f = fix_new(), *g;
	uint32_t id, len;

	fix_start(f, VD_F_SIZE | VD_F_EVENT_IDX, 16);
	fix_rx_buffers(f, 4, 8);
	f->host[0].room = 3;
	fix_tx(f, 0, 0x300000, "half out");
	assert_true(fix_run(f));
	vdrv_desc(&f->d, 1, 1)->addr = 0;
	fake_quiesce(f->vm);
	fix_tx(f, 1, 0x300100, "; kicked, not seen"); /* the kick dies with the old process */
	g = restore(f);
	fix_free(f);
	assert_true(fix_run(g));
	assert_int_equal(g->host[0].len, 0); /* paused */
	assert_int_equal(fix_input(g, 0, "a", 1), 0);
	g->host[0].pending = "typed";
	g->host[0].pending_len = 5;
	fake_resume(g->vm);
	assert_true(fix_run(g));
	assert_int_equal(g->host[0].len, 23);
	assert_memory_equal(g->host[0].out, "f out; kicked, not seen", 23);
	assert_int_equal(g->host[0].pending_len, 0);
	assert_memory_equal(fake_ram(g->vm, 0x200000), "typed", 5);
	assert_true(fake_msi_take(g->vm, FIX_MSI + 1) >= 1); /* the routes are there */
	assert_true(fake_msi_take(g->vm, FIX_MSI + 2) >= 1);
	assert_true(vdrv_take(&g->d, 1, &id, &len));
	assert_true(vdrv_take(&g->d, 1, &id, &len));
	assert_int_equal(id, 1);
	fix_tx(g, 2, 0x300200, "!");
	assert_true(fix_run(g));
	assert_int_equal(g->host[0].out[23], '!');
	fix_free(g);
}

/* A guest that knew 80x24 is told the size that the screen has now. */
static void test_size_after_load(void **state)
{
	struct fix *f = fix_new(), *g;
	struct dev_stream *s;

	fix_start(f, VD_F_SIZE, 16);
	fake_quiesce(f->vm);
	g = restore(f);
	fix_free(f);
	s = g->host[0].stream;
	s->dev_ops->resize(s->dev, 99, 33);
	fake_resume(g->vm);
	assert_true(fix_run(g));
	assert_true(fake_msi_take(g->vm, FIX_MSI) >= 1);
	assert_int_equal(vdrv_read(&g->d, g->d.device, 4), 33 << 16 | 99);
	fix_free(g);
}

static void test_pci_and_msix(void **state)
{
	struct fix *f = fix_new(), *g;

	fix_start(f, 0, 16);
	vdrv_cfg_write(&f->d, 0x10, 4, 0xe4000000);
	assert_true(vdrv_find(&f->d, &f->d.io, 1));
	vdrv_write(&f->d, f->d.msix + 32 + 12, 4, 1);
	vdrv_queue(&f->d, 1, 16,
		FIX_RING +
			0x3000); /* the registers ignore it; the driver's own view is set again */
	fix_tx(f, 0, 0x300000, "x");
	assert_true(fix_run(f));
	assert_int_equal(vdrv_read(&f->d, f->d.pba, 4), 4);
	fake_quiesce(f->vm);
	g = restore(f);
	fix_free(f);
	assert_int_equal(vdrv_cfg_read(&g->d, 0x10, 4), 0xe4000000);
	assert_int_equal(vdrv_read(&g->d, g->d.pba, 4), 4);
	fake_resume(g->vm);
	assert_true(fix_run(g));
	fake_msi_take(g->vm, FIX_MSI + 2);
	vdrv_write(&g->d, g->d.msix + 32 + 12, 4, 0);
	assert_int_equal(fake_msi_take(g->vm, FIX_MSI + 2), 1);
	assert_int_equal(
		vdrv_read(&g->d, 0xe0000000 + VIRTIO_PCI_COMMON_NUMQ, 2), 0xffff); /* not at home */
	fix_free(g);
}

static void test_intx_line(void **state)
{
	struct fix *f = fix_new(), *g;

	fix_start(f, 0, 16);
	vdrv_msix_enable(&f->d, false);
	fix_tx(f, 0, 0x300000, "x");
	assert_true(fix_run(f));
	fake_quiesce(f->vm);
	g = restore(f);
	fix_free(f);
	fake_resume(g->vm);
	assert_true(fake_line(g->vm, 10));
	assert_int_equal(vdrv_read(&g->d, g->d.isr, 1) & 1, 1);
	assert_false(fake_line(g->vm, 10));
	fix_free(g);
}

static void test_broken_stays_broken(void **state)
{
	struct fix *f = fix_new(), *g;

	fix_start(f, 0, 16);
	vdrv_avail(&f->d, 1)[1] = 999;
	vdrv_kick(&f->d, 1);
	assert_true(fix_run(f));
	fake_quiesce(f->vm);
	g = restore(f);
	fix_free(f);
	fake_resume(g->vm);
	assert_true(fix_run(g));
	assert_true(fix_info(g, "virtio-console0").broken);
	assert_non_null(strstr(fix_info(g, "virtio-console0").note, "999"));
	fix_start(g, 0, 16);
	fix_tx(g, 0, 0x300000, "mended");
	assert_true(fix_run(g));
	assert_memory_equal(g->host[0].out, "mended", 6);
	fix_free(g);
}

/* A serial port in the middle of sending: its bytes and its interrupt are part of the state. */
static void test_uart_mid_transmit(void **state)
{
	struct fix *f = fix_new(), *g;
	unsigned i;

	fake_out(f->vm, 0x3f8 + UART_FCR, 1, UART_FCR_ENABLE_FIFO);
	fake_out(f->vm, 0x3f8 + UART_IER, 1, UART_IER_THRI | UART_IER_RDI);
	assert_int_equal(fix_input(f, 1, "in", 2), 2);
	f->host[1].room = 2;
	for (i = 0; i < 10; i++)
		fake_out(f->vm, 0x3f8, 1, '0' + i);
	assert_true(fix_run(f));
	fake_quiesce(f->vm);
	g = restore(f);
	fix_free(f);
	assert_true(fix_run(g));
	assert_int_equal(g->host[1].len, 0);
	fake_resume(g->vm);
	assert_true(fix_run(g));
	assert_int_equal(g->host[1].len, 8);
	assert_memory_equal(g->host[1].out, "23456789", 8);
	assert_true(fake_line(g->vm, 4));
	assert_int_equal(fake_in(g->vm, 0x3f8 + UART_IIR, 1), 0xc0 | UART_IIR_RDI);
	assert_int_equal(fake_in(g->vm, 0x3f8, 1), 'i');
	assert_int_equal(fake_in(g->vm, 0x3f8, 1), 'n');
	assert_true(fake_line(g->vm, 4)); /* the transmitter's is still due */
	assert_int_equal(fake_in(g->vm, 0x3f8 + UART_IIR, 1), 0xc0 | UART_IIR_THRI);
	assert_false(fake_line(g->vm, 4));
	fix_free(g);
}

static void test_rtc_offset(void **state)
{
	struct fix *f = fix_new(), *g;

	fake_out(f->vm, 0x70, 1, 0x32);
	fake_out(f->vm, 0x71, 1, 0x21); /* the guest lives in the 22nd century */
	fake_out(f->vm, 0x70, 1, 0x55);
	fake_out(f->vm, 0x71, 1, 0x66);
	fake_quiesce(f->vm);
	g = restore(f);
	fix_free(f);
	fake_resume(g->vm);
	assert_int_equal(fake_in(g->vm, 0x71, 1), 0x66);
	fake_out(g->vm, 0x70, 1, 0x32);
	assert_int_equal(fake_in(g->vm, 0x71, 1), 0x21);
	fix_free(g);
}

/* Cut short anywhere, or with bytes too many: an error with words, and the device is as it was. */
static void test_truncated(void **state)
{
	struct fix *f = fix_new();
	struct vmc_out before, after;
	struct vmc_in in;
	unsigned i;
	size_t len;

	fix_start(f, VD_F_SIZE, 16);
	fake_quiesce(f->vm);
	for (i = 0; i < NIDS; i++) {
		fake_save(f->vm, ids[i], &before);
		for (len = 0; len < before.len; len++) {
			assert_true(fake_load(f->vm, ids[i], before.data, len, &in) < 0);
			assert_true(in.message[0]);
		}
		vmc_out_u8(&before, 0);
		assert_true(fake_load(f->vm, ids[i], before.data, before.len, &in) < 0);
		fake_save(f->vm, ids[i], &after);
		assert_int_equal(after.len, before.len - 1);
		assert_memory_equal(after.data, before.data, after.len);
		vmc_out_free(&after);
		vmc_out_free(&before);
	}
	fix_free(f);
}

/* Any byte changed: refused, or taken and then the machine still lives (ASan and UBSan watch). */
static void test_flipped(void **state)
{
	struct fix *f = fix_new();
	struct vmc_out good;
	struct vmc_in in;
	unsigned i, bit, refused = 0;
	size_t at;

	fix_start(f, VD_F_SIZE, 16);
	fix_rx_buffers(f, 4, 8);
	fake_quiesce(f->vm);
	for (i = 0; i < NIDS; i++) {
		fake_save(f->vm, ids[i], &good);
		for (at = 0; at < good.len; at++) {
			for (bit = 0; bit < 8; bit += 7) {
				good.data[at] ^= 1 << bit;
				refused += fake_load(f->vm, ids[i], good.data, good.len, &in) < 0;
				fake_resume(f->vm);
				fix_input(f, 0, "x", 1);
				fix_input(f, 1, "x", 1);
				assert_true(fix_run(f));
				fix_info(f, ids[i]);
				fake_quiesce(f->vm);
				good.data[at] ^= 1 << bit;
			}
		}
		assert_int_equal(fake_load(f->vm, ids[i], good.data, good.len, &in), 0);
		vmc_out_free(&good);
	}
	assert_true(refused > 300);
	fake_reset(f->vm);
	fake_resume(f->vm);
	assert_true(vdrv_find(&f->d, &f->d.io, 1));
	fix_start(f, VD_F_SIZE, 16);
	f->host[0].len = 0;
	fix_tx(f, 0, 0x300000, "alive");
	assert_true(fix_run(f));
	assert_memory_equal(f->host[0].out, "alive", 5);
	fix_free(f);
}

static void refuse_console(struct fix *f, size_t at, uint8_t value, const char *words)
{
	struct vmc_out out;
	struct vmc_in in;

	fake_save(f->vm, "virtio-console0", &out);
	out.data[at] = value;
	assert_int_equal(fake_load(f->vm, "virtio-console0", out.data, out.len, &in), -EBADMSG);
	if (!strstr(in.message, words))
		fail_msg("message \"%s\" does not say \"%s\"", in.message, words);
	vmc_out_free(&out);
}

static void test_foreign(void **state)
{
	struct fix *f = fix_new();

	fix_start(f, VD_F_SIZE, 16);
	fake_quiesce(f->vm);
	refuse_console(f, 2, 0x42, "another device"); /* PCI device ID */
	refuse_console(f, 256 + 1, 4, "MSI-X vectors");
	refuse_console(f, 256 + 2 + 3 * 17 + 10, 7, "interrupt vector 7 of 3");
	fix_free(f);
}

/* Power-on again: nothing of the old guest is left. */
static void test_reset(void **state)
{
	struct fix *f = fix_new(), *fresh = fix_new();
	struct vmc_out a, b;
	unsigned i;

	fix_start(f, VD_F_SIZE, 16);
	f->host[0].room = 1;
	f->host[1].room = 0;
	fix_tx(f, 0, 0x300000, "ab");
	fake_out(f->vm, 0x3f8 + UART_IER, 1, 15);
	fake_out(f->vm, 0x64, 1, 0xaa);
	assert_true(fix_run(f));
	fake_quiesce(f->vm);
	fake_reset(f->vm);
	assert_false(fake_line(f->vm, 4) || fake_line(f->vm, 1) || fake_line(f->vm, 10));
	fake_save(fresh->vm, "virtio-console0", &b);
	fake_save(f->vm, "virtio-console0", &a);
	assert_int_equal(a.len, b.len);
	for (i = 0; i < a.len; i++)
		if (a.data[i] != b.data[i])
			fail_msg("byte %u is %#x, was %#x at power-on", i, a.data[i], b.data[i]);
	vmc_out_free(&a);
	vmc_out_free(&b);
	fake_resume(f->vm);
	fix_start(f, VD_F_SIZE, 16);
	f->host[0].room = SIZE_MAX;
	fix_tx(f, 0, 0x300000, "new");
	assert_true(fix_run(f));
	assert_memory_equal(f->host[0].out, "anew", 4);
	fix_free(f);
	fix_free(fresh);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_console_goes_on),
		cmocka_unit_test(test_size_after_load),
		cmocka_unit_test(test_pci_and_msix),
		cmocka_unit_test(test_intx_line),
		cmocka_unit_test(test_broken_stays_broken),
		cmocka_unit_test(test_uart_mid_transmit),
		cmocka_unit_test(test_rtc_offset),
		cmocka_unit_test(test_truncated),
		cmocka_unit_test(test_flipped),
		cmocka_unit_test(test_foreign),
		cmocka_unit_test(test_reset),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
