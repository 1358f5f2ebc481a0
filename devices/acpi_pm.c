/*
 * acpi_pm.c - the fixed hardware of ACPI: PM1a event and control registers, the power button, S5.
 *
 * Spec: ACPI 6.5 §4.8.3 (PM1 registers), §4.8.2.2.1 (power button), §16.1 (sleep types).
 * The machine is always in ACPI mode (SCI_EN reads 1, no SMI command port). The SCI is level,
 * GSI 9.
 *
 * Threads: registers on vCPU threads, the button on the main loop; device lock held.
 */
#include "devices/acpi.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { STS_GBL = 1 << 5, STS_PWRBTN = 1 << 8, STS_WAKE = 1 << 15 };
/* The clock never wakes the machine, but Linux wants to be able to switch that on (and off again).
 */
enum {
	EN_GBL = 1 << 5,
	EN_PWRBTN = 1 << 8,
	EN_RTC = 1 << 10,
	EN_ALL = EN_GBL | EN_PWRBTN | EN_RTC
};
enum { CNT_SCI_EN = 1, CNT_BM_RLD = 2, CNT_SLP_TYP = 7 << 10, CNT_SLP_EN = 1 << 13 };
#define STS_ALL (STS_GBL | STS_PWRBTN | STS_WAKE)

struct acpi_pm {
	struct vmc_vm *vm;
	uint16_t sts, en, cnt;
};

static void update_line(struct acpi_pm *pm)
{
	vmc_irq_line(pm->vm, ACPI_SCI_GSI, pm->sts & pm->en & EN_ALL);
}

/* The registers as bytes, in port order. */
static void pack(const struct acpi_pm *pm, uint8_t bytes[ACPI_PM_LEN])
{
	const uint16_t regs[] = {pm->sts, pm->en, pm->cnt | CNT_SCI_EN};
	unsigned i;

	for (i = 0; i < 3; i++) {
		bytes[2 * i] = regs[i] & 0xff;
		bytes[2 * i + 1] = regs[i] >> 8;
	}
}

static void pm_read(void *dev, uint64_t off, void *data, uint32_t len)
{
	uint8_t bytes[ACPI_PM_LEN];

	memset(data, 0xff, len);
	pack(dev, bytes);
	if (off + len <= sizeof(bytes))
		memcpy(data, bytes + off, len);
}

static void write_byte(struct acpi_pm *pm, unsigned at, uint8_t value)
{
	unsigned shift = at % 2 * 8;
	uint16_t bits = value << shift, mask = 0xff << shift;

	switch (at / 2) {
	case 0: /* a written one clears */
		pm->sts &= ~bits;
		break;
	case 1:
		pm->en = ((pm->en & ~mask) | bits) & EN_ALL;
		break;
	case 2:
		pm->cnt = ((pm->cnt & ~mask) | bits) & (CNT_BM_RLD | CNT_SLP_TYP);
		if (bits & CNT_SLP_EN && (pm->cnt & CNT_SLP_TYP) >> 10 == ACPI_SLP_TYP_S5)
			vmc_vm_request(pm->vm, VMC_EVENT_SHUTDOWN, 0);
		break;
	}
}

static void pm_write(void *dev, uint64_t off, const void *data, uint32_t len)
{
	const uint8_t *bytes = data;
	uint32_t i;

	for (i = 0; i < len && off + i < ACPI_PM_LEN; i++)
		write_byte(dev, off + i, bytes[i]);
	update_line(dev);
}

static const struct vmc_bus_ops bus_ops = {pm_read, pm_write};

bool acpi_pm_button(struct acpi_pm *pm)
{
	if (!(pm->en & EN_PWRBTN))
		return false;
	pm->sts |= STS_PWRBTN;
	update_line(pm);
	return true;
}

static void pm_describe(void *dev, struct vmc_device_info *info)
{
	const struct acpi_pm *pm = dev;

	snprintf(info->model, sizeof(info->model), "acpi pm");
	snprintf(info->where, sizeof(info->where), "acpi");
	snprintf(info->note, sizeof(info->note), "the guest %s the power button%s",
		pm->en & EN_PWRBTN ? "listens to" : "does not listen to",
		pm->sts & STS_PWRBTN ? ", which is pressed" : "");
	info->addr = ACPI_PM_PORT;
	info->addr_len = ACPI_PM_LEN;
	info->pio = true;
	info->irq = ACPI_SCI_GSI;
}

static void pm_reset(void *dev)
{
	struct acpi_pm *pm = dev;

	pm->sts = pm->en = pm->cnt = 0;
	update_line(pm);
}

static void pm_resume(void *dev)
{
	update_line(dev); /* the irqchip may have been loaded after us */
}

static void pm_save(void *dev, struct vmc_out *out)
{
	const struct acpi_pm *pm = dev;

	vmc_out_u16(out, pm->sts);
	vmc_out_u16(out, pm->en);
	vmc_out_u16(out, pm->cnt);
}

static int pm_load(void *dev, struct vmc_in *in, uint32_t version)
{
	struct acpi_pm *pm = dev;
	uint16_t sts = vmc_in_u16(in), en = vmc_in_u16(in), cnt = vmc_in_u16(in);
	int rc = vmc_in_end(in);

	if (rc < 0)
		return rc;
	if (sts & ~STS_ALL || en & ~EN_ALL || cnt & ~(CNT_BM_RLD | CNT_SLP_TYP))
		return vmc_in_fail(
			in, -EBADMSG, "power registers %#x %#x %#x: no such bits", sts, en, cnt);
	pm->sts = sts;
	pm->en = en;
	pm->cnt = cnt;
	return 0;
}

static void pm_destroy(void *dev)
{
	free(dev);
}

static const struct vmc_device_ops pm_ops = {
	.model = "acpi-pm",
	.version = 1,
	.describe = pm_describe,
	.reset = pm_reset,
	.resume = pm_resume,
	.save = pm_save,
	.load = pm_load,
	.destroy = pm_destroy,
};

int acpi_pm_new(struct vmc_vm *vm, struct acpi_pm **out)
{
	struct acpi_pm *pm = calloc(1, sizeof(*pm));
	int rc;

	if (!pm)
		return vmc_fail(vm, -ENOMEM, "no memory for the power button");
	pm->vm = vm;
	rc = vmc_bus_add(vm, VMC_BUS_PIO, ACPI_PM_PORT, ACPI_PM_LEN, &bus_ops, pm, "acpi pm1a");
	if (rc < 0)
		goto err_free;
	rc = vmc_device_add(vm, "acpi-pm", &pm_ops, pm);
	if (rc < 0)
		goto err_bus;
	*out = pm;
	return 0;

err_bus:
	vmc_bus_remove(vm, VMC_BUS_PIO, ACPI_PM_PORT);
err_free:
	free(pm);
	return rc;
}
