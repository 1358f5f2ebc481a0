/*
 * pci_msix.c - MSI-X: a table of messages in a BAR, masks, pending bits.
 *
 * Spec: PCI Local Bus 3.0 §6.8.2. Raising a vector hands its message to KVM in one call: it costs what an
 * irqfd does, and needs no route, which KVM would set anew, with all others and a wait for every reader, each time
 * a guest touches the table. Masks are ours: a masked vector is not sent, its pending bit is set.
 *
 * Threads: table accesses on vCPU threads, raises on either; all with the device lock held.
 */
#include "devices/pci.h"

#include <assert.h>
#include <linux/pci_regs.h>
#include <stdio.h>
#include <string.h>

bool pci_msix_enabled(const struct pci_dev *d)
{
	return d->msix.n && pci_get(d, d->msix.cap + PCI_MSIX_FLAGS, 2) & PCI_MSIX_FLAGS_ENABLE;
}

static bool masked(const struct pci_dev *d, const struct pci_msix_vector *v)
{
	return pci_get(d, d->msix.cap + PCI_MSIX_FLAGS, 2) & PCI_MSIX_FLAGS_MASKALL ||
	       v->control & 1;
}

/* Messages go to local APICs; a write elsewhere would be a write to memory, and nobody needs that.
 */
static bool message_ok(const struct pci_msix_vector *v)
{
	return (v->addr & ~0xfffffull) == 0xfee00000ull;
}

static void send(struct pci_dev *d, struct pci_msix_vector *v)
{
	v->pending = false;
	if (message_ok(v))
		vmc_msi_send(d->vm, v->addr, v->data);
}

void pci_msix_update(struct pci_dev *d)
{
	unsigned i;

	if (!pci_msix_enabled(d))
		return;
	for (i = 0; i < d->msix.n; i++) {
		struct pci_msix_vector *v = &d->msix.v[i];

		if (!masked(d, v) && v->pending && pci_bus_master(d))
			send(d, v);
	}
}

void pci_msix_raise(struct pci_dev *d, unsigned i)
{
	struct pci_msix_vector *v;

	if (i >= d->msix.n || !pci_msix_enabled(d))
		return;
	v = &d->msix.v[i];
	if (masked(d, v) || !pci_bus_master(d))
		v->pending = true;
	else
		send(d, v);
}

static void table_read(void *dev, uint64_t off, void *data, uint32_t len)
{
	struct pci_dev *d = dev;
	const struct pci_msix_vector *v = &d->msix.v[off / PCI_MSIX_ENTRY_SIZE];
	uint8_t entry[PCI_MSIX_ENTRY_SIZE + 8] = { 0 };

	memcpy(entry + PCI_MSIX_ENTRY_LOWER_ADDR, &v->addr, 8);
	memcpy(entry + PCI_MSIX_ENTRY_DATA, &v->data, 4);
	memcpy(entry + PCI_MSIX_ENTRY_VECTOR_CTRL, &v->control, 4);
	memcpy(data, entry + off % PCI_MSIX_ENTRY_SIZE, len);
}

/* Aligned dwords and qwords only (§6.8.2: others are undefined; here: ignored). */
static void table_write(void *dev, uint64_t off, const void *data, uint32_t len)
{
	struct pci_dev *d = dev;
	struct pci_msix_vector *v = &d->msix.v[off / PCI_MSIX_ENTRY_SIZE];
	uint8_t entry[PCI_MSIX_ENTRY_SIZE];

	/* KVM cuts what crosses a page into pieces of any length. */
	if ((len != 4 && len != 8) || off % len)
		return;
	table_read(d, off & ~(uint64_t)(PCI_MSIX_ENTRY_SIZE - 1), entry, sizeof(entry));
	memcpy(entry + off % PCI_MSIX_ENTRY_SIZE, data, len);
	memcpy(&v->addr, entry + PCI_MSIX_ENTRY_LOWER_ADDR, 8);
	memcpy(&v->data, entry + PCI_MSIX_ENTRY_DATA, 4);
	memcpy(&v->control, entry + PCI_MSIX_ENTRY_VECTOR_CTRL, 4);
	v->addr &= ~3ull;
	v->control &= 1;
	pci_msix_update(d);
}

static void pba_read(void *dev, uint64_t off, void *data, uint32_t len)
{
	const struct pci_dev *d = dev;
	uint8_t bits[16] = { 0 };
	unsigned i;

	for (i = 0; i < d->msix.n; i++)
		bits[i / 8] |= d->msix.v[i].pending << (i % 8);
	memcpy(data, bits + off, len);
}

static void pba_write(void *dev, uint64_t off, const void *data, uint32_t len)
{
	(void)dev; /* read-only */
	(void)off;
	(void)data;
	(void)len;
}

static const struct vmc_bus_ops table_ops = { table_read, table_write };
static const struct vmc_bus_ops pba_ops = { pba_read, pba_write };

void pci_msix_reset(struct pci_dev *d)
{
	unsigned i;

	for (i = 0; i < d->msix.n; i++) {
		d->msix.v[i].addr = 0;
		d->msix.v[i].data = 0;
		d->msix.v[i].control = 1; /* masked after reset (§6.8.2.9) */
		d->msix.v[i].pending = false;
	}
}

void pci_msix_init(
	struct pci_dev *d, unsigned n, unsigned bar, uint32_t table, uint32_t pba, const char *name)
{
	uint8_t body[10] = { 0 };
	uint16_t flags = n - 1;
	uint32_t where;
	char part[40];

	assert(n >= 1 && n <= PCI_MSIX_MAX);
	d->msix.n = n;
	pci_msix_reset(d);
	memcpy(body, &flags, 2);
	where = table | bar;
	memcpy(body + 2, &where, 4);
	where = pba | bar;
	memcpy(body + 6, &where, 4);
	d->msix.cap = pci_add_cap(d, PCI_CAP_ID_MSIX, body, sizeof(body));
	d->writable[d->msix.cap + PCI_MSIX_FLAGS + 1] =
		(PCI_MSIX_FLAGS_ENABLE | PCI_MSIX_FLAGS_MASKALL) >> 8;
	snprintf(part, sizeof(part), "%s msix table", name);
	pci_add_part(d, bar, table, n * PCI_MSIX_ENTRY_SIZE, &table_ops, d, part);
	snprintf(part, sizeof(part), "%s msix pending", name);
	pci_add_part(d, bar, pba, 8, &pba_ops, d, part);
}
