/*
 * device.c - the devices a VM knows of: listing, quieting and resetting them. The list belongs to
 * the owner thread; the callbacks are made under the device lock.
 */
#include "vmcore/engine/internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool id_ok(const char *id)
{
	size_t len = strlen(id);

	/* "dev:" and the id must fit a section's tag (state.h) */
	return len > 0 && len < 20 && strspn(id, "abcdefghijklmnopqrstuvwxyz"
		"ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") == len;
}

int vmc_device_add(struct vmc_vm *vm, const char *id, const struct vmc_device_ops *ops, void *dev)
{
	struct device *devices;

	if (!id || !id_ok(id) || !ops || !ops->describe)
		return vmc_fail(vm, -EINVAL,
			"device \"%s\": it needs an id of 1 to 19 letters, digits, '.', '_', '-' and "
			"a describe function", id ? id : "");
	for (size_t i = 0; i < vm->ndevices; i++)
		if (strcmp(vm->devices[i].id, id) == 0)
			return vmc_fail(vm, -EEXIST, "device \"%s\": there is one already", id);
	devices = realloc(vm->devices, (vm->ndevices + 1) * sizeof(*devices));
	if (!devices)
		return vmc_fail(vm, -ENOMEM, "device \"%s\": out of memory", id);
	vm->devices = devices;
	devices[vm->ndevices] = (struct device){ .ops = ops, .dev = dev };
	snprintf(devices[vm->ndevices].id, sizeof(devices->id), "%s", id);
	vm->ndevices++;
	return 0;
}

int vmc_add_virtio_device(struct vmc_vm *vm, const char *id, const struct vmc_device_ops *ops,
	void *dev)
{
	struct vmc_device_info info = { .id = "" };

	if (ops && ops->describe) {
		vmc_device_lock(vm);
		ops->describe(dev, &info);
		vmc_device_unlock(vm);
	}
	if (!info.virtio_type)
		return vmc_fail(vm, -EINVAL, "device \"%s\" is not a virtio device", id ? id : "");
	return vmc_device_add(vm, id, ops, dev);
}

static size_t list(struct vmc_vm *vm, struct vmc_device_info *out, size_t max, bool virtio_only)
{
	size_t n = 0;

	vmc_device_lock(vm);
	for (size_t i = 0; i < vm->ndevices; i++) {
		const struct device *d = &vm->devices[i];
		struct vmc_device_info info = { .irq = -1 };

		snprintf(info.model, sizeof(info.model), "%s", d->ops->model ? d->ops->model : "");
		d->ops->describe(d->dev, &info);
		memcpy(info.id, d->id, sizeof(info.id));
		if (virtio_only && !info.virtio_type)
			continue;
		if (n < max)
			out[n] = info;
		n++;
	}
	vmc_device_unlock(vm);
	return n;
}

size_t vmc_device_list(struct vmc_vm *vm, struct vmc_device_info *out, size_t max)
{
	return list(vm, out, max, false);
}

size_t vmc_virtio_devices(struct vmc_vm *vm, struct vmc_device_info *out, size_t max)
{
	return list(vm, out, max, true);
}

static void each(struct vmc_vm *vm, size_t callback)
{
	vmc_device_lock(vm);
	for (size_t i = 0; i < vm->ndevices; i++) {
		void (*fn)(void *dev);

		memcpy(&fn, (const char *)vm->devices[i].ops + callback, sizeof(fn));
		if (fn)
			fn(vm->devices[i].dev);
	}
	vmc_device_unlock(vm);
}

void devices_quiesce(struct vmc_vm *vm)
{
	each(vm, offsetof(struct vmc_device_ops, quiesce));
}

void devices_resume(struct vmc_vm *vm)
{
	each(vm, offsetof(struct vmc_device_ops, resume));
}

void devices_reset(struct vmc_vm *vm)
{
	each(vm, offsetof(struct vmc_device_ops, reset));
}

void devices_free(struct vmc_vm *vm)
{
	each(vm, offsetof(struct vmc_device_ops, destroy));
	free(vm->devices);
}
