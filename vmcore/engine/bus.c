/*
 * bus.c - what answers at a port or an MMIO address, and ioeventfds.
 * The tables are under the device lock; handlers run on the vCPU thread that exited, under it too.
 */
#include "vmcore/engine/internal.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const bus_names[] = { "port", "MMIO" };

/* The first entry that ends after @addr. */
static size_t position(const struct bus *bus, uint64_t addr)
{
	size_t low = 0, high = bus->count;

	while (low < high) {
		size_t mid = low + (high - low) / 2;
		const struct vmc_bus_region *r = &bus->entries[mid].pub;

		if (r->addr + (r->len - 1) < addr)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

static struct bus_entry *find(struct bus *bus, uint64_t addr, uint32_t len)
{
	size_t i = position(bus, addr);
	struct bus_entry *e;

	if (i == bus->count)
		return NULL;
	e = &bus->entries[i];
	return e->pub.addr <= addr && len <= e->pub.len - (addr - e->pub.addr) ? e : NULL;
}

static int grow(struct bus *bus)
{
	size_t cap = bus->cap ? bus->cap * 2 : 16;
	struct bus_entry *entries;

	if (bus->count < bus->cap)
		return 0;
	entries = realloc(bus->entries, cap * sizeof(*entries));
	if (!entries)
		return -ENOMEM;
	bus->entries = entries;
	bus->cap = cap;
	return 0;
}

int vmc_bus_add(struct vmc_vm *vm, enum vmc_bus which, uint64_t addr, uint64_t len,
	const struct vmc_bus_ops *ops, void *dev, const char *name)
{
	uint64_t limit = which == VMC_BUS_PIO ? 0x10000 : UINT64_MAX;
	struct bus *bus = &vm->bus[which];
	struct bus_entry *e;
	size_t i;
	int rc = 0;

	if (!len || addr + len < addr || addr + len > limit)
		return vmc_fail(vm, -EINVAL, "%s %#" PRIx64 ", %#" PRIx64 " bytes (%s): no such range",
			bus_names[which], addr, len, name);
	vmc_device_lock(vm);
	i = position(bus, addr);
	if (i < bus->count && bus->entries[i].pub.addr < addr + len) {
		e = &bus->entries[i];
		rc = vmc_fail(vm, -EEXIST,
			"%s %#" PRIx64 ", %#" PRIx64 " bytes (%s): overlaps %s at %#" PRIx64,
			bus_names[which], addr, len, name, e->pub.name, e->pub.addr);
	} else if (grow(bus) < 0) {
		rc = vmc_fail(vm, -ENOMEM, "%s %#" PRIx64 " (%s): out of memory", bus_names[which], addr,
			name);
	} else {
		memmove(&bus->entries[i + 1], &bus->entries[i], (bus->count - i) * sizeof(*e));
		e = &bus->entries[i];
		*e = (struct bus_entry){ .pub = { .bus = which, .addr = addr, .len = len }, .ops = ops,
			.dev = dev };
		snprintf(e->pub.name, sizeof(e->pub.name), "%s", name ? name : "");
		bus->count++;
	}
	vmc_device_unlock(vm);
	return rc;
}

int vmc_bus_remove(struct vmc_vm *vm, enum vmc_bus which, uint64_t addr)
{
	struct bus *bus = &vm->bus[which];
	int rc = 0;
	size_t i;

	vmc_device_lock(vm);
	i = position(bus, addr);
	if (i < bus->count && bus->entries[i].pub.addr == addr) {
		bus->count--;
		memmove(&bus->entries[i], &bus->entries[i + 1],
			(bus->count - i) * sizeof(bus->entries[0]));
	} else {
		rc = vmc_fail(vm, -ENOENT, "%s %#" PRIx64 ": nothing begins there", bus_names[which],
			addr);
	}
	vmc_device_unlock(vm);
	return rc;
}

size_t vmc_bus_regions(struct vmc_vm *vm, struct vmc_bus_region *out, size_t max)
{
	size_t n = 0;

	vmc_device_lock(vm);
	for (int b = 0; b < 2; b++)
		for (size_t i = 0; i < vm->bus[b].count; i++, n++)
			if (n < max)
				out[n] = vm->bus[b].entries[i].pub;
	vmc_device_unlock(vm);
	return n;
}

uint64_t vmc_bus_unclaimed(const struct vmc_vm *vm, enum vmc_bus which)
{
	return atomic_load_explicit(&vm->bus[which].unclaimed, memory_order_relaxed);
}

bool bus_claims(struct vmc_vm *vm, enum vmc_bus which, uint64_t addr, uint32_t len)
{
	bool claims;

	vmc_device_lock(vm);
	claims = find(&vm->bus[which], addr, len) != NULL;
	vmc_device_unlock(vm);
	return claims;
}

bool bus_access(struct vmc_vm *vm, enum vmc_bus which, uint64_t addr, void *data, uint32_t len,
	bool write)
{
	struct bus *bus = &vm->bus[which];
	struct bus_entry *e;
	bool found;

	vmc_device_lock(vm);
	e = find(bus, addr, len);
	found = e != NULL;
	if (e) {
		const struct vmc_bus_ops *ops = e->ops;
		void *dev = e->dev;
		uint64_t off = addr - e->pub.addr;

		write ? e->pub.writes++ : e->pub.reads++;
		/* The handler may add and remove regions: @e is not used after this. */
		if (write && ops->write)
			ops->write(dev, off, data, len);
		else if (!write && ops->read)
			ops->read(dev, off, data, len);
		else if (!write)
			memset(data, 0xff, len);
	} else if (!write) {
		memset(data, 0xff, len);
	}
	vmc_device_unlock(vm);
	if (!found)
		atomic_fetch_add_explicit(&bus->unclaimed, 1, memory_order_relaxed);
	return found;
}

void bus_free(struct vmc_vm *vm)
{
	for (int b = 0; b < 2; b++)
		free(vm->bus[b].entries);
}

static int ioeventfd(struct vmc_vm *vm, enum vmc_bus bus, uint64_t addr, uint32_t len,
	const uint64_t *datamatch, int fd, bool add)
{
	struct kvm_ioeventfd io = {
		.addr = addr, .len = len, .fd = fd, .datamatch = datamatch ? *datamatch : 0,
		.flags = (bus == VMC_BUS_PIO ? KVM_IOEVENTFD_FLAG_PIO : 0) |
			(datamatch ? KVM_IOEVENTFD_FLAG_DATAMATCH : 0) |
			(add ? 0 : KVM_IOEVENTFD_FLAG_DEASSIGN),
	};
	int rc = kvm_call(vm->fd, KVM_IOEVENTFD, &io);

	if (rc < 0)
		return vmc_fail(vm, rc, "%s an ioeventfd at %s %#" PRIx64 ", %u bytes: %s",
			add ? "add" : "remove", bus_names[bus], addr, len, strerror(-rc));
	return 0;
}

int vmc_ioeventfd_add(struct vmc_vm *vm, enum vmc_bus bus, uint64_t addr, uint32_t len,
	const uint64_t *datamatch, int fd)
{
	return ioeventfd(vm, bus, addr, len, datamatch, fd, true);
}

int vmc_ioeventfd_remove(struct vmc_vm *vm, enum vmc_bus bus, uint64_t addr, uint32_t len,
	const uint64_t *datamatch, int fd)
{
	return ioeventfd(vm, bus, addr, len, datamatch, fd, false);
}
