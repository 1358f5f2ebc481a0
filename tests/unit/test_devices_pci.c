/* test_devices_pci.c - configuration mechanism 1, BARs, capabilities, MSI-X and INTx, as a guest
 * sees them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <errno.h>
#include <linux/pci_regs.h>
#include <linux/virtio_pci.h>
#include <string.h>

#include "tests/lib/devfix.h"

#define HOME 0xe0000000u

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

/* Does the common structure answer at @bar? Its queue count is 2. */
static bool answers(struct fix *f, uint64_t bar)
{
	return vdrv_read(&f->d, bar + (f->d.common - f->d.bar) + VIRTIO_PCI_COMMON_NUMQ, 2) == 2;
}

static void test_address_port(void **state)
{
	struct fix *f = *state;

	/* Linux's probe: the register is there, and only whole dwords reach it */
	fake_out(f->vm, 0xcf8, 4, 0x80000000);
	assert_int_equal(fake_in(f->vm, 0xcf8, 4), 0x80000000);
	fake_out(f->vm, 0xcfb, 1, 0x01);
	fake_out(f->vm, 0xcf8, 2, 0x1234);
	assert_int_equal(fake_in(f->vm, 0xcf8, 4), 0x80000000);
	fake_out(f->vm, 0xcf8, 4, 0xffffffff);
	assert_int_equal(fake_in(f->vm, 0xcf8, 4), 0x80fffffc);
	/* disabled: nobody answers */
	fake_out(f->vm, 0xcf8, 4, 0);
	assert_int_equal(fake_in(f->vm, 0xcfc, 4), 0xffffffff);
	fake_out(f->vm, 0xcfc, 4, 0x12345678);
}

static void test_who_is_there(void **state)
{
	struct fix *f = *state;
	struct vdrv d = f->d;
	unsigned slot;

	d.slot = 0;
	assert_int_equal(vdrv_cfg_read(&d, PCI_VENDOR_ID, 4), 0x12378086);
	assert_int_equal(vdrv_cfg_read(&d, PCI_CLASS_DEVICE, 2), 0x0600);
	d.slot = 1;
	assert_int_equal(vdrv_cfg_read(&d, PCI_VENDOR_ID, 4), 0x10431af4);
	assert_int_equal(vdrv_cfg_read(&d, PCI_REVISION_ID, 1), 1);
	assert_int_equal(vdrv_cfg_read(&d, PCI_CLASS_DEVICE, 2), 0x0780);
	assert_true(vdrv_cfg_read(&d, PCI_SUBSYSTEM_ID, 2) >= 0x40);
	assert_int_equal(vdrv_cfg_read(&d, PCI_HEADER_TYPE, 1), 0);
	for (slot = 2; slot < 32; slot++) {
		d.slot = slot;
		assert_int_equal(vdrv_cfg_read(&d, PCI_VENDOR_ID, 4), 0xffffffff);
	}
	/* other functions and buses */
	fake_out(f->vm, 0xcf8, 4, 0x80000900);
	assert_int_equal(fake_in(f->vm, 0xcfc, 4), 0xffffffff);
	fake_out(f->vm, 0xcf8, 4, 0x80010800);
	assert_int_equal(fake_in(f->vm, 0xcfc, 4), 0xffffffff);
}

static void test_widths(void **state)
{
	struct fix *f = *state;

	assert_int_equal(vdrv_cfg_read(&f->d, 0, 1), 0xf4);
	assert_int_equal(vdrv_cfg_read(&f->d, 1, 1), 0x1a);
	assert_int_equal(vdrv_cfg_read(&f->d, 2, 2), 0x1043);
	assert_int_equal(vdrv_cfg_read(&f->d, 1, 2), 0x431a);
	vdrv_cfg_write(&f->d, 0, 4, 0xdeadbeef); /* read-only */
	assert_int_equal(vdrv_cfg_read(&f->d, 0, 4), 0x10431af4);
	vdrv_cfg_write(&f->d, PCI_INTERRUPT_LINE, 1, 0x55);
	assert_int_equal(vdrv_cfg_read(&f->d, PCI_INTERRUPT_LINE, 2), 0x0155);
	vdrv_cfg_write(&f->d, PCI_COMMAND, 2, 0xffff);
	assert_int_equal(vdrv_cfg_read(&f->d, PCI_COMMAND, 2), 0x0546);
	assert_int_equal(vdrv_cfg_read(&f->d, PCI_STATUS, 2), PCI_STATUS_CAP_LIST);
}

/* Every byte of every device can be read and written in every width without harm, and comes back
 * after a reset. */
static void test_every_byte(void **state)
{
	struct fix *f = *state;
	struct vdrv d = f->d;
	uint8_t before[2][256];
	unsigned slot, off, len, bit;

	for (slot = 0; slot < 2; slot++)
		for (d.slot = slot, off = 0; off < 256; off++)
			before[slot][off] = vdrv_cfg_read(&d, off, 1);
	for (slot = 0; slot < 2; slot++)
		for (d.slot = slot, len = 1; len <= 4; len *= 2)
			for (off = 0; off < 256; off += len)
				for (bit = 0; bit < 33; bit++)
					vdrv_cfg_write(
						&d, off, len, bit == 32 ? 0xffffffff : 1u << bit);
	fake_reset(f->vm);
	for (slot = 0; slot < 2; slot++)
		for (d.slot = slot, off = 0; off < 256; off++)
			assert_int_equal(vdrv_cfg_read(&d, off, 1), before[slot][off]);
	assert_true(answers(f, HOME));
	assert_int_equal(fake_ioeventfds(f->vm), 2);
}

static void test_bar_size(void **state)
{
	struct fix *f = *state;
	unsigned i;

	assert_int_equal(f->d.bar, HOME);
	assert_true(answers(f, HOME));
	/* sized with decoding on, as small guests do: it must not answer at 0xffff8000 meanwhile,
	 * nor be lost after */
	vdrv_cfg_write(&f->d, PCI_BASE_ADDRESS_0, 4, 0xffffffff);
	assert_int_equal(vdrv_cfg_read(&f->d, PCI_BASE_ADDRESS_0, 4), 0xffff8000);
	assert_false(answers(f, HOME));
	assert_false(answers(f, 0xffff8000));
	assert_int_equal(fake_ioeventfds(f->vm), 0);
	vdrv_cfg_write(&f->d, PCI_BASE_ADDRESS_0, 4, HOME);
	assert_true(answers(f, HOME));
	assert_int_equal(fake_ioeventfds(f->vm), 2);
	for (i = 1; i < 6; i++) {
		vdrv_cfg_write(&f->d, PCI_BASE_ADDRESS_0 + 4 * i, 4, 0xffffffff);
		assert_int_equal(vdrv_cfg_read(&f->d, PCI_BASE_ADDRESS_0 + 4 * i, 4), 0);
	}
	vdrv_cfg_write(&f->d, PCI_ROM_ADDRESS, 4, 0xffffffff);
	assert_int_equal(vdrv_cfg_read(&f->d, PCI_ROM_ADDRESS, 4), 0);
}

static void test_bar_moves(void **state)
{
	struct fix *f = *state;
	uint32_t to = 0xe8000000;

	vdrv_cfg_write(&f->d, PCI_COMMAND, 2, PCI_COMMAND_MASTER);
	assert_false(answers(f, HOME));
	assert_int_equal(fix_info(f, "virtio-console0").addr, 0);
	vdrv_cfg_write(&f->d, PCI_BASE_ADDRESS_0, 4, to);
	assert_false(answers(f, to));
	vdrv_cfg_write(&f->d, PCI_COMMAND, 2, PCI_COMMAND_MASTER | PCI_COMMAND_MEMORY);
	assert_true(answers(f, to));
	assert_false(answers(f, HOME));
	assert_int_equal(fix_info(f, "virtio-console0").addr, to);
	/* byte by byte it passes through other places, and ends where it was sent */
	vdrv_cfg_write(&f->d, PCI_BASE_ADDRESS_0 + 3, 1, 0xe1);
	vdrv_cfg_write(&f->d, PCI_BASE_ADDRESS_0 + 1, 1, 0x80);
	assert_true(answers(f, 0xe1008000));
	/* the device works from there: the ioeventfds moved along */
	assert_true(vdrv_find(&f->d, &f->d.io, 1));
	fix_start(f, 0, 16);
	fix_tx(f, 0, 0x300000, "from afar");
	assert_true(fix_run(f));
	assert_memory_equal(f->host[0].out, "from afar", 9);
	fake_reset(f->vm);
	assert_true(answers(f, HOME));
	assert_false(answers(f, 0xe1008000));
}

/* Onto RAM, onto the interrupt controllers, out of the hole: the device answers nothing, and comes
 * back. */
static void test_bar_in_wrong_places(void **state)
{
	static const uint32_t where[] = { 0, 0x8000, 0x100000, 0xbfff8000, 0xfebf9000, 0xfec00000,
		0xfee00000, 0xffff8000 };
	struct fix *f = *state;
	unsigned i;

	for (i = 0; i < sizeof(where) / sizeof(where[0]); i++) {
		vdrv_cfg_write(&f->d, PCI_BASE_ADDRESS_0, 4, where[i]);
		if (where[i] == 0xfebf9000) {
			assert_true(answers(f, 0xfebf8000)); /* the low bits do not count: that is
								the last place */
			continue;
		}
		assert_false(answers(f, where[i]));
		assert_int_equal(fake_ioeventfds(f->vm), 0);
	}
	vdrv_cfg_write(&f->d, PCI_BASE_ADDRESS_0, 4, HOME);
	assert_true(answers(f, HOME));
}

static void nothing_read(void *dev, uint64_t off, void *data, uint32_t len)
{
	memset(data, 0x77, len);
}

/* Where something else is, the BAR gives way as a whole. */
static void test_bar_conflict(void **state)
{
	static const struct vmc_bus_ops ops = { nothing_read, NULL };
	struct fix *f = *state;

	assert_int_equal(
		vmc_bus_add(f->vm, VMC_BUS_MMIO, 0xe9003800, 16, &ops, NULL, "in the way"), 0);
	vdrv_cfg_write(&f->d, PCI_BASE_ADDRESS_0, 4, 0xe9000000);
	assert_false(answers(f, 0xe9000000));
	assert_int_equal(vdrv_read(&f->d, 0xe9003800, 1), 0x77);
	assert_int_equal(fake_ioeventfds(f->vm), 0);
	assert_int_equal(vmc_bus_remove(f->vm, VMC_BUS_MMIO, 0xe9003800), 0);
	vdrv_cfg_write(&f->d, PCI_BASE_ADDRESS_0, 4, 0xe9000000);
	assert_true(answers(f, 0xe9000000));
}

static void test_msix_table(void **state)
{
	struct fix *f = *state;
	struct vdrv *d = &f->d;
	unsigned i;

	assert_int_equal(d->nvectors, 3);
	for (i = 0; i < 3; i++)
		assert_int_equal(
			vdrv_read(d, d->msix + 16 * i + 12, 4), 1); /* masked at power-on */
	vdrv_write(d, d->msix + 16, 8, 0x12345678fee01003);
	assert_int_equal(vdrv_read(d, d->msix + 16, 4), 0xfee01000);
	assert_int_equal(vdrv_read(d, d->msix + 20, 4), 0x12345678);
	vdrv_write(d, d->msix + 24, 8, 0xffffffff00000041);
	assert_int_equal(vdrv_read(d, d->msix + 24, 4), 0x41);
	assert_int_equal(vdrv_read(d, d->msix + 28, 4), 1);
	vdrv_write(d, d->msix + 24, 1, 0x99); /* too narrow */
	vdrv_write(d, d->msix + 26, 4, 0x99);
	vdrv_write(d, d->msix + 20, 8, 0);
	vdrv_write(d, d->msix + 24, 6, 0x99); /* a piece of something */
	vdrv_write(d, d->msix + 15, 5, 0x99); /* it would leave its entry */
	assert_int_equal(vdrv_read(d, d->msix + 24, 4), 0x41);
	assert_int_equal(vdrv_read(d, d->msix + 20, 4), 0x12345678);
	assert_int_equal(vdrv_read(d, d->msix + 48, 4), 0xffffffff); /* there is no fourth */
	vdrv_write(d, d->pba, 8, UINT64_MAX);
	assert_int_equal(vdrv_read(d, d->pba, 8), 0);
}

static void send_one(struct fix *f)
{
	fix_tx(f, 0, 0x300000, "x");
	assert_true(fix_run(f));
}

static void test_msix_masks(void **state)
{
	struct fix *f = *state;
	struct vdrv *d = &f->d;

	fix_start(f, 0, 16);
	send_one(f);
	assert_int_equal(fake_msi_take(f->vm, FIX_MSI + 2), 1);
	/* the vector's mask: pending, and sent once when it is lifted */
	vdrv_write(d, d->msix + 32 + 12, 4, 1);
	send_one(f);
	send_one(f);
	assert_int_equal(fake_msi_take(f->vm, FIX_MSI + 2), 0);
	assert_int_equal(vdrv_read(d, d->pba, 8), 4);
	vdrv_write(d, d->msix + 32 + 8, 4, 0x99); /* another message meanwhile */
	vdrv_write(d, d->msix + 32 + 12, 4, 0);
	assert_int_equal(fake_msi_take(f->vm, FIX_MSI + 2), 0);
	assert_int_equal(fake_msi_take(f->vm, 0x99), 1);
	assert_int_equal(vdrv_read(d, d->pba, 8), 0);
	/* the function's mask */
	vdrv_cfg_write(d, d->msix_cap + 2, 2, PCI_MSIX_FLAGS_ENABLE | PCI_MSIX_FLAGS_MASKALL);
	send_one(f);
	assert_int_equal(fake_msi_take(f->vm, 0x99), 0);
	assert_int_equal(vdrv_read(d, d->pba, 4), 4);
	vdrv_cfg_write(d, d->msix_cap + 2, 2, PCI_MSIX_FLAGS_ENABLE);
	assert_int_equal(fake_msi_take(f->vm, 0x99), 1);
	/* no INTx beside MSI-X */
	assert_false(fake_line(f->vm, 10));
	assert_int_equal(vdrv_read(d, d->isr, 1), 0);
	/* a message to nowhere near a local APIC goes nowhere */
	vdrv_write(d, d->msix + 32, 4, 0x1000);
	send_one(f);
	assert_int_equal(fake_msi_take(f->vm, 0x99), 0);
}

static void test_bus_master(void **state)
{
	struct fix *f = *state;

	fix_start(f, 0, 16);
	vdrv_cfg_write(&f->d, PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
	fix_tx(f, 0, 0x300000, "held");
	assert_true(fix_run(f));
	assert_int_equal(f->host[0].len, 0); /* no DMA, no message */
	assert_int_equal(fake_msi_take(f->vm, FIX_MSI + 2), 0);
	vdrv_cfg_write(&f->d, PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
	assert_true(fix_run(f));
	assert_memory_equal(f->host[0].out, "held", 4);
	assert_int_equal(fake_msi_take(f->vm, FIX_MSI + 2), 1);
}

static void test_intx(void **state)
{
	struct fix *f = *state;
	struct vdrv *d = &f->d;

	assert_int_equal(vdrv_cfg_read(d, PCI_INTERRUPT_PIN, 1), 1);
	assert_int_equal(vdrv_cfg_read(d, PCI_INTERRUPT_LINE, 1), 10);
	fix_start(f, VD_F_SIZE, 16);
	vdrv_msix_enable(d, false);
	send_one(f);
	assert_true(fake_line(f->vm, 10));
	assert_int_equal(
		vdrv_cfg_read(d, PCI_STATUS, 2) & PCI_STATUS_INTERRUPT, PCI_STATUS_INTERRUPT);
	vdrv_cfg_write(d, PCI_COMMAND, 2,
		PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER | PCI_COMMAND_INTX_DISABLE);
	assert_false(fake_line(f->vm, 10));
	vdrv_cfg_write(d, PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
	assert_true(fake_line(f->vm, 10));
	vmc_device_lock(f->vm);
	f->host[0].stream->dev_ops->resize(f->host[0].stream->dev, 100, 40);
	vmc_device_unlock(f->vm);
	assert_int_equal(
		vdrv_read(d, d->isr, 1), 3); /* queue and configuration, and it acknowledges */
	assert_false(fake_line(f->vm, 10));
	assert_int_equal(vdrv_read(d, d->isr, 1), 0);
	send_one(f);
	assert_true(fake_line(f->vm, 10));
	vdrv_set_status(d, 0);
	assert_false(fake_line(f->vm, 10));
}

static void test_reset_port(void **state)
{
	struct fix *f = *state;

	fake_out(f->vm, 0xcf9, 1, 0x02);
	assert_int_equal(fake_request(f->vm, NULL), VMC_EVENT_NONE);
	fake_out(f->vm, 0xcf9, 1, 0x06);
	assert_int_equal(fake_request(f->vm, NULL), VMC_EVENT_RESET);
	assert_int_equal(fake_in(f->vm, 0xcf9, 1), 0x06);
	fake_out(f->vm, 0xcf9, 1, 0x06); /* no edge */
	assert_int_equal(fake_request(f->vm, NULL), VMC_EVENT_NONE);
}

static void test_names(void **state)
{
	static const char *const names[] = { "virtio-console0 common", "virtio-console0 isr",
		"virtio-console0 device", "virtio-console0 notify", "virtio-console0 msix table",
		"virtio-console0 msix pending", "8250 ttyS0", "cmos rtc", "pci config data",
		"pci config address, reset", "debug exit" };
	struct fix *f = *state;
	struct vmc_bus_region r[64];
	size_t n = vmc_bus_regions(f->vm, r, 64), i, j;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		for (j = 0; j < n && strcmp(r[j].name, names[i]); j++)
			;
		if (j == n)
			fail_msg("nothing is called %s", names[i]);
	}
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_address_port),
		T(test_who_is_there),
		T(test_widths),
		T(test_every_byte),
		T(test_bar_size),
		T(test_bar_moves),
		T(test_bar_in_wrong_places),
		T(test_bar_conflict),
		T(test_msix_table),
		T(test_msix_masks),
		T(test_bus_master),
		T(test_intx),
		T(test_reset_port),
		T(test_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
