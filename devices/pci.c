/*
 * pci.c - the PCI bus: configuration mechanism 1, the host bridge, configuration space, BARs, INTx.
 *
 * Spec: PCI Local Bus 3.0, §3.2.2.3 (configuration mechanism), §6.1 and §6.2 (configuration space,
 * BARs), §6.7 (capabilities). Port 0xcf9 is the reset control register of Intel's chipsets.
 *
 * Threads: accesses on vCPU threads, reset/save/load on the main loop, all with the device lock
 * held. A BAR is mapped while memory decoding is on and it lies whole in the MMIO hole; where two
 * would overlap, the first one stays and the other answers nothing until there is room.
 */
#include "devices/pci.h"
#include "devices/machine.h"

#include <assert.h>
#include <errno.h>
#include <linux/pci_regs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PORT_ADDRESS = 0xcf8, PORT_DATA = 0xcfc };
enum { RESET_CPU = 4 }; /* 0xcf9: a 0 -> 1 edge of this bit resets */

struct pci_bus {
	struct vmc_vm *vm;
	struct pci_dev *slot[PCI_SLOTS];
	struct pci_dev host;
	uint32_t address; /* 0xcf8 */
	uint8_t reset_control;
	uint64_t next_home; /* where the next BAR goes at power-on */
	void (*reset)(void *arg);
	void *reset_arg;
};

/* ---- configuration space ---- */

uint32_t pci_get(const struct pci_dev *d, unsigned off, unsigned len)
{
	uint32_t value = 0;

	memcpy(&value, d->config + off, len);
	return value;
}

void pci_set(struct pci_dev *d, unsigned off, unsigned len, uint32_t value)
{
	memcpy(d->config + off, &value, len);
}

static void writable(struct pci_dev *d, unsigned off, unsigned len, uint32_t mask)
{
	memcpy(d->writable + off, &mask, len);
}

void pci_dev_init(struct pci_dev *d, struct vmc_vm *vm, const struct pci_dev_ops *ops,
	const struct pci_ids *ids, int32_t gsi)
{
	memset(d, 0, sizeof(*d));
	d->vm = vm;
	d->ops = ops;
	d->gsi = gsi;
	d->caps_end = 0x40;
	pci_set(d, PCI_VENDOR_ID, 2, ids->vendor);
	pci_set(d, PCI_DEVICE_ID, 2, ids->device);
	pci_set(d, PCI_REVISION_ID, 1, ids->revision);
	pci_set(d, PCI_CLASS_PROG, 2, ids->class & 0xffff);
	pci_set(d, PCI_CLASS_DEVICE + 1, 1, ids->class >> 16);
	pci_set(d, PCI_SUBSYSTEM_VENDOR_ID, 2, ids->subvendor);
	pci_set(d, PCI_SUBSYSTEM_ID, 2, ids->subdevice);
	writable(d, PCI_COMMAND, 2,
		PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER | PCI_COMMAND_PARITY | PCI_COMMAND_SERR |
			PCI_COMMAND_INTX_DISABLE);
	writable(d, PCI_CACHE_LINE_SIZE, 1, 0xff);
	writable(d, PCI_LATENCY_TIMER, 1, 0xff);
	if (gsi >= 0) {
		pci_set(d, PCI_INTERRUPT_PIN, 1, 1);
		pci_set(d, PCI_INTERRUPT_LINE, 1, gsi);
		writable(d, PCI_INTERRUPT_LINE, 1, 0xff);
	}
}

unsigned pci_add_cap(struct pci_dev *d, uint8_t id, const void *body, unsigned len)
{
	unsigned at = d->caps_end, link = PCI_CAPABILITY_LIST;

	assert(at + 2 + len <= PCI_CONFIG_SIZE);
	while (d->config[link])
		link = d->config[link] + PCI_CAP_LIST_NEXT;
	d->config[link] = at;
	d->config[at] = id;
	memcpy(d->config + at + 2, body, len);
	pci_set(d, PCI_STATUS, 2, pci_get(d, PCI_STATUS, 2) | PCI_STATUS_CAP_LIST);
	d->caps_end = (at + 2 + len + 3) & ~3u;
	return at;
}

void pci_add_bar(struct pci_dev *d, unsigned bar, uint32_t size)
{
	assert(bar < PCI_BARS && size >= VMC_PAGE_SIZE && !(size & (size - 1)));
	d->bar[bar].size = size;
	/* 32-bit memory, not prefetchable; the low bits read as zero, which is how a size is found
	 * (§6.2.5.1) */
	writable(d, PCI_BASE_ADDRESS_0 + 4 * bar, 4, ~(size - 1));
}

void pci_add_part(struct pci_dev *d, unsigned bar, uint32_t off, uint32_t len,
	const struct vmc_bus_ops *ops, void *dev, const char *name)
{
	struct pci_bar *b = &d->bar[bar];
	struct pci_bar_part *p = &b->part[b->nparts++];

	assert(b->nparts <= PCI_BAR_PARTS && off + len <= b->size);
	*p = (struct pci_bar_part){ .off = off, .len = len, .ops = ops, .dev = dev };
	snprintf(p->name, sizeof(p->name), "%s", name);
}

bool pci_bus_master(const struct pci_dev *d)
{
	return pci_get(d, PCI_COMMAND, 2) & PCI_COMMAND_MASTER;
}

void pci_intx_update(struct pci_dev *d)
{
	bool level = d->intx && !(pci_get(d, PCI_COMMAND, 2) & PCI_COMMAND_INTX_DISABLE);

	if (d->gsi >= 0)
		vmc_irq_line(d->vm, d->gsi, level);
}

void pci_intx(struct pci_dev *d, bool level)
{
	uint32_t status = pci_get(d, PCI_STATUS, 2) & ~PCI_STATUS_INTERRUPT;

	d->intx = level;
	pci_set(d, PCI_STATUS, 2, status | (level ? PCI_STATUS_INTERRUPT : 0));
	pci_intx_update(d);
}

/* ---- BARs ---- */

/* The address of a BAR if it may answer there, else 0. */
static uint64_t bar_wanted(const struct pci_dev *d, unsigned bar)
{
	uint64_t addr = pci_get(d, PCI_BASE_ADDRESS_0 + 4 * bar, 4) & ~(d->bar[bar].size - 1);

	if (!d->bar[bar].size || !(pci_get(d, PCI_COMMAND, 2) & PCI_COMMAND_MEMORY))
		return 0;
	if (addr < VMC_HOLE_START || addr + d->bar[bar].size > MACHINE_PCI_MMIO_END)
		return 0;
	return addr;
}

static void bar_unmap(struct pci_dev *d, unsigned bar)
{
	struct pci_bar *b = &d->bar[bar];
	unsigned i;

	if (!b->mapped)
		return;
	if (d->ops->bar_unmapped)
		d->ops->bar_unmapped(d, bar, b->mapped);
	for (i = 0; i < b->nparts; i++)
		vmc_bus_remove(d->vm, VMC_BUS_MMIO, b->mapped + b->part[i].off);
	b->mapped = 0;
}

/* All parts or none: half a device would be worse than none. */
static void bar_map(struct pci_dev *d, unsigned bar, uint64_t addr)
{
	struct pci_bar *b = &d->bar[bar];
	unsigned i;

	for (i = 0; i < b->nparts; i++) {
		const struct pci_bar_part *p = &b->part[i];

		if (vmc_bus_add(d->vm, VMC_BUS_MMIO, addr + p->off, p->len, p->ops, p->dev,
			    p->name) < 0)
			goto undo;
	}
	b->mapped = addr;
	if (d->ops->bar_mapped)
		d->ops->bar_mapped(d, bar, addr);
	return;
undo:
	while (i--)
		vmc_bus_remove(d->vm, VMC_BUS_MMIO, addr + b->part[i].off);
}

/* Brings what answers in line with the registers. Others are tried too: a BAR that moved away makes
 * room. */
static void bars_update(struct pci_bus *bus, struct pci_dev *changed)
{
	unsigned slot, bar;

	for (bar = 0; bar < PCI_BARS; bar++)
		if (changed->bar[bar].mapped &&
			changed->bar[bar].mapped != bar_wanted(changed, bar))
			bar_unmap(changed, bar);
	for (slot = 0; slot < PCI_SLOTS; slot++) {
		struct pci_dev *d = bus->slot[slot];

		for (bar = 0; d && bar < PCI_BARS; bar++) {
			uint64_t addr = bar_wanted(d, bar);

			if (addr && !d->bar[bar].mapped)
				bar_map(d, bar, addr);
		}
	}
}

static struct pci_bar_part *find_part(struct pci_dev *d, unsigned bar, uint32_t off, uint32_t len)
{
	unsigned i;

	for (i = 0; bar < PCI_BARS && i < d->bar[bar].nparts; i++) {
		struct pci_bar_part *p = &d->bar[bar].part[i];

		if (off >= p->off && (uint64_t)off + len <= (uint64_t)p->off + p->len)
			return p;
	}
	return NULL;
}

void pci_bar_read(struct pci_dev *d, unsigned bar, uint32_t off, void *data, uint32_t len)
{
	struct pci_bar_part *p = find_part(d, bar, off, len);

	memset(data, 0xff, len);
	if (p)
		p->ops->read(p->dev, off - p->off, data, len);
}

void pci_bar_write(struct pci_dev *d, unsigned bar, uint32_t off, const void *data, uint32_t len)
{
	struct pci_bar_part *p = find_part(d, bar, off, len);

	if (p)
		p->ops->write(p->dev, off - p->off, data, len);
}

/* ---- guest accesses ---- */

void pci_config_read(struct pci_dev *d, unsigned off, void *data, unsigned len)
{
	if (d->ops->config_read)
		d->ops->config_read(d, off, len);
	memcpy(data, d->config + off, len);
}

static bool touches(unsigned off, unsigned len, unsigned first, unsigned count)
{
	return off < first + count && first < off + len;
}

void pci_config_write(struct pci_dev *d, unsigned off, const void *data, unsigned len)
{
	const uint8_t *bytes = data;
	unsigned i;

	for (i = 0; i < len; i++) {
		uint8_t mask = d->writable[off + i];

		d->config[off + i] = (d->config[off + i] & ~mask) | (bytes[i] & mask);
	}
	if (touches(off, len, PCI_COMMAND, 2) ||
		touches(off, len, PCI_BASE_ADDRESS_0, 4 * PCI_BARS)) {
		bars_update(d->bus, d);
		pci_intx_update(d);
	}
	if (d->msix.n && (touches(off, len, d->msix.cap + PCI_MSIX_FLAGS, 2) ||
				 touches(off, len, PCI_COMMAND, 2)))
		pci_msix_update(d);
	if (d->ops->config_written)
		d->ops->config_written(d, off, len);
}

/* The device that the address register selects; NULL: nobody there. */
static struct pci_dev *selected(const struct pci_bus *bus)
{
	uint32_t a = bus->address;

	if (!(a & 0x80000000u) || a & 0x00ff0700u) /* off, another bus, or another function */
		return NULL;
	return bus->slot[a >> 11 & 31];
}

static void data_read(void *dev, uint64_t off, void *data, uint32_t len)
{
	struct pci_bus *bus = dev;
	struct pci_dev *d = selected(bus);

	if (d)
		pci_config_read(d, (bus->address & 0xfc) + off, data, len);
	else
		memset(data, 0xff, len);
}

static void data_write(void *dev, uint64_t off, const void *data, uint32_t len)
{
	struct pci_bus *bus = dev;
	struct pci_dev *d = selected(bus);

	if (d)
		pci_config_write(d, (bus->address & 0xfc) + off, data, len);
}

static void address_read(void *dev, uint64_t off, void *data, uint32_t len)
{
	struct pci_bus *bus = dev;

	if (off == 1 && len == 1)
		memcpy(data, &bus->reset_control, 1);
	else
		memcpy(data, (uint8_t *)&bus->address + off, len);
}

/* Only a whole dword is the address register (§3.2.2.3.2); a byte at 0xcf9 is the reset control. */
static void address_write(void *dev, uint64_t off, const void *data, uint32_t len)
{
	struct pci_bus *bus = dev;
	uint32_t value;
	uint8_t old = bus->reset_control;

	if (off == 0 && len == 4) {
		memcpy(&value, data, 4);
		bus->address = value & 0x80fffffcu;
	} else if (off == 1 && len == 1) {
		memcpy(&bus->reset_control, data, 1);
		if (bus->reset_control & ~old & RESET_CPU)
			bus->reset(bus->reset_arg);
	}
}

static const struct vmc_bus_ops address_ops = { address_read, address_write };
static const struct vmc_bus_ops data_ops = { data_read, data_write };

/* ---- save, load, reset of one device's PCI side ---- */

void pci_dev_reset(struct pci_dev *d)
{
	memcpy(d->config, d->power_on, sizeof(d->config));
	if (d->msix.n)
		pci_msix_reset(d);
	pci_intx(d, false);
	bars_update(d->bus, d);
}

void pci_dev_save(const struct pci_dev *d, struct vmc_out *out)
{
	unsigned i;

	vmc_out_bytes(out, d->config, sizeof(d->config));
	vmc_out_u8(out, d->intx);
	vmc_out_u8(out, d->msix.n);
	for (i = 0; i < d->msix.n; i++) {
		vmc_out_u64(out, d->msix.v[i].addr);
		vmc_out_u32(out, d->msix.v[i].data);
		vmc_out_u32(out, d->msix.v[i].control);
		vmc_out_u8(out, d->msix.v[i].pending);
	}
}

int pci_dev_load(const struct pci_dev *d, struct pci_saved *to, struct vmc_in *in)
{
	unsigned i, n;

	memset(to, 0, sizeof(*to));
	vmc_in_bytes(in, to->config, sizeof(to->config));
	to->intx = vmc_in_u8(in);
	n = vmc_in_u8(in);
	if (in->error)
		return in->error;
	if (n != d->msix.n)
		return vmc_in_fail(
			in, -EBADMSG, "%u MSI-X vectors, this device has %u", n, d->msix.n);
	for (i = 0; i < n; i++) {
		to->v[i].addr = vmc_in_u64(in) & ~3ull;
		to->v[i].data = vmc_in_u32(in);
		to->v[i].control = vmc_in_u32(in) & 1;
		to->v[i].pending = vmc_in_u8(in);
	}
	for (i = 0; i < PCI_CONFIG_SIZE; i++) {
		uint8_t fixed = ~d->writable[i];

		if (i == PCI_STATUS)
			fixed &= ~PCI_STATUS_INTERRUPT;
		if ((to->config[i] ^ d->power_on[i]) & fixed)
			return vmc_in_fail(in, -EBADMSG,
				"PCI configuration byte %#x is %#x: another device", i,
				to->config[i]);
	}
	return in->error;
}

void pci_dev_apply(struct pci_dev *d, const struct pci_saved *from)
{
	unsigned i;

	memcpy(d->config, from->config, sizeof(d->config));
	bars_update(d->bus, d);
	for (i = 0; i < d->msix.n; i++) {
		d->msix.v[i].addr = from->v[i].addr;
		d->msix.v[i].data = from->v[i].data;
		d->msix.v[i].control = from->v[i].control;
		d->msix.v[i].pending = from->v[i].pending;
	}
	if (d->msix.n)
		pci_msix_update(d);
	pci_intx(d, from->intx);
}

/* ---- the bus ---- */

int pci_bus_add(struct pci_bus *bus, struct pci_dev *d, unsigned slot)
{
	unsigned i;

	if (slot >= PCI_SLOTS || bus->slot[slot])
		return vmc_fail(bus->vm, -EEXIST, "PCI slot %02x is taken or none", slot);
	for (i = 0; i < PCI_BARS; i++) {
		struct pci_bar *b = &d->bar[i];

		if (!b->size)
			continue;
		b->home = (bus->next_home + b->size - 1) & ~(uint64_t)(b->size - 1);
		bus->next_home = b->home + b->size;
		assert(bus->next_home <= MACHINE_PCI_MMIO_END);
		pci_set(d, PCI_BASE_ADDRESS_0 + 4 * i, 4, b->home);
	}
	pci_set(d, PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
	memcpy(d->power_on, d->config, sizeof(d->config));
	d->bus = bus;
	d->slot = slot;
	bus->slot[slot] = d;
	bars_update(bus, d);
	for (i = 0; i < PCI_BARS; i++)
		if (d->bar[i].size && !d->bar[i].mapped)
			return -EEXIST; /* vmc_bus_add() said what is in the way */
	return 0;
}

void pci_bus_drop(struct pci_dev *d)
{
	unsigned i;

	if (!d->bus)
		return;
	for (i = 0; i < PCI_BARS; i++)
		bar_unmap(d, i);
	d->bus->slot[d->slot] = NULL;
	d->bus = NULL;
}

static void host_describe(void *dev, struct vmc_device_info *info)
{
	const struct pci_bus *bus = dev;

	snprintf(info->model, sizeof(info->model), "pci host bridge");
	snprintf(info->where, sizeof(info->where), "pci 00:00.0");
	info->addr = PORT_ADDRESS;
	info->addr_len = 8;
	info->pio = true;
	info->irq = -1;
	snprintf(info->note, sizeof(info->note), "config address %#x", bus->address);
}

static void host_reset(void *dev)
{
	struct pci_bus *bus = dev;

	bus->address = 0;
	bus->reset_control = 0;
	pci_dev_reset(&bus->host);
}

static void host_save(void *dev, struct vmc_out *out)
{
	struct pci_bus *bus = dev;

	vmc_out_u32(out, bus->address);
	vmc_out_u8(out, bus->reset_control);
	pci_dev_save(&bus->host, out);
}

static int host_load(void *dev, struct vmc_in *in, uint32_t version)
{
	struct pci_bus *bus = dev;
	uint32_t address = vmc_in_u32(in);
	uint8_t reset_control = vmc_in_u8(in);
	struct pci_saved saved;
	int rc = pci_dev_load(&bus->host, &saved, in);

	if (rc == 0)
		rc = vmc_in_end(in);
	if (rc < 0)
		return rc;
	bus->address = address & 0x80fffffcu;
	bus->reset_control = reset_control;
	pci_dev_apply(&bus->host, &saved);
	return 0;
}

static void host_destroy(void *dev)
{
	struct pci_bus *bus = dev;
	unsigned i;

	for (i = 0; i < PCI_SLOTS; i++)
		if (bus->slot[i]) /* devices may outlive the bus */
			pci_bus_drop(bus->slot[i]);
	free(bus);
}

static const struct vmc_device_ops pci_host_ops = {
	.model = "pci-host",
	.version = 1,
	.describe = host_describe,
	.reset = host_reset,
	.save = host_save,
	.load = host_load,
	.destroy = host_destroy,
};

int pci_bus_new(struct vmc_vm *vm, void (*reset)(void *arg), void *arg, struct pci_bus **out)
{
	/* Intel's 440FX: the host bridge that every guest knows, and that asks nothing of it. */
	static const struct pci_ids ids = {
		.vendor = 0x8086, .device = 0x1237, .revision = 2, .class = 0x060000
	};
	static const struct pci_dev_ops ops = { 0 };
	struct pci_bus *bus = calloc(1, sizeof(*bus));
	int rc;

	if (!bus)
		return vmc_fail(vm, -ENOMEM, "no memory for the PCI bus");
	bus->vm = vm;
	bus->reset = reset;
	bus->reset_arg = arg;
	bus->next_home = MACHINE_PCI_MMIO_START;
	pci_dev_init(&bus->host, vm, &ops, &ids, -1);
	rc = pci_bus_add(bus, &bus->host, 0);
	if (rc == 0)
		rc = vmc_bus_add(vm, VMC_BUS_PIO, PORT_ADDRESS, 4, &address_ops, bus,
			"pci config address, reset");
	if (rc < 0)
		goto err_free;
	rc = vmc_bus_add(vm, VMC_BUS_PIO, PORT_DATA, 4, &data_ops, bus, "pci config data");
	if (rc < 0)
		goto err_address;
	rc = vmc_device_add(vm, "pci0", &pci_host_ops, bus);
	if (rc < 0)
		goto err_data;
	*out = bus;
	return 0;

err_data:
	vmc_bus_remove(vm, VMC_BUS_PIO, PORT_DATA);
err_address:
	vmc_bus_remove(vm, VMC_BUS_PIO, PORT_ADDRESS);
err_free:
	free(bus);
	return rc;
}
