/*
 * pvpanic.c - the port through which a guest kernel says that it has panicked.
 *
 * Spec: QEMU 7.2, docs/specs/pvpanic.txt. A read tells which events are known: bit 0, "panicked",
 * and not bit 1, "a crash kernel takes over".
 *
 * Threads: vCPU threads, device lock held.
 */
#include "devices/acpi.h"
#include "devices/models.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { EVENT_PANICKED = 1 };

struct pvpanic {
	struct vmc_vm *vm;
	uint64_t panics;
};

static void panic_read(void *dev, uint64_t off, void *data, uint32_t len)
{
	(void)dev;
	(void)off;
	memset(data, 0, len);
	*(uint8_t *)data = EVENT_PANICKED;
}

static void panic_write(void *dev, uint64_t off, const void *data, uint32_t len)
{
	struct pvpanic *p = dev;

	(void)off;
	(void)len;
	if (!(*(const uint8_t *)data & EVENT_PANICKED))
		return;
	/* Once, until a reset: a guest that says it in a loop would fill the log and the clients. */
	if (p->panics++ == 0)
		vmc_vm_request(p->vm, VMC_EVENT_PANIC, 0);
}

static const struct vmc_bus_ops bus_ops = {panic_read, panic_write};

static void panic_describe(void *dev, struct vmc_device_info *info)
{
	const struct pvpanic *p = dev;

	snprintf(info->model, sizeof(info->model), "pvpanic");
	snprintf(info->where, sizeof(info->where), "acpi");
	info->addr = PVPANIC_PORT;
	info->addr_len = 1;
	info->pio = true;
	info->irq = -1;
	if (p->panics)
		snprintf(info->note, sizeof(info->note), "the guest has panicked");
}

static void panic_reset(void *dev)
{
	struct pvpanic *p = dev;

	p->panics = 0;
}

static void panic_save(void *dev, struct vmc_out *out)
{
	const struct pvpanic *p = dev;

	vmc_out_u64(out, p->panics);
}

static int panic_load(void *dev, struct vmc_in *in, uint32_t version)
{
	struct pvpanic *p = dev;
	uint64_t panics = vmc_in_u64(in);
	int rc = vmc_in_end(in);

	if (rc == 0)
		p->panics = panics;
	return rc;
}

static void panic_destroy(void *dev)
{
	free(dev);
}

static const struct vmc_device_ops pvpanic_ops = {
	.model = "pvpanic",
	.version = 1,
	.describe = panic_describe,
	.reset = panic_reset,
	.save = panic_save,
	.load = panic_load,
	.destroy = panic_destroy,
};

int pvpanic_new(struct vmc_vm *vm)
{
	struct pvpanic *p = calloc(1, sizeof(*p));
	int rc;

	if (!p)
		return vmc_fail(vm, -ENOMEM, "no memory for pvpanic");
	p->vm = vm;
	rc = vmc_bus_add(vm, VMC_BUS_PIO, PVPANIC_PORT, 1, &bus_ops, p, "pvpanic");
	if (rc < 0)
		goto err_free;
	rc = vmc_device_add(vm, "pvpanic", &pvpanic_ops, p);
	if (rc == 0)
		return 0;
	vmc_bus_remove(vm, VMC_BUS_PIO, PVPANIC_PORT);
err_free:
	free(p);
	return rc;
}
