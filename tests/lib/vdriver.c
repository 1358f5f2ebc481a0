/* vdriver.c - a virtio 1.2 PCI driver for tests (vdriver.h). Spec: virtio 1.2 §2.7, §3.1, §4.1. */
#include "tests/lib/vdriver.h"

#include <linux/pci_regs.h>
#include <linux/virtio_pci.h>
#include <string.h>

uint32_t vdrv_cfg_read(struct vdrv *d, unsigned off, unsigned len)
{
	uint32_t addr = 0x80000000u | d->slot << 11 | (off & 0xfc), value = 0;

	d->io.pio(d->io.ctx, 0xcf8, &addr, 4, true);
	d->io.pio(d->io.ctx, 0xcfc + (off & 3), &value, len, false);
	return value;
}

void vdrv_cfg_write(struct vdrv *d, unsigned off, unsigned len, uint32_t value)
{
	uint32_t addr = 0x80000000u | d->slot << 11 | (off & 0xfc);

	d->io.pio(d->io.ctx, 0xcf8, &addr, 4, true);
	d->io.pio(d->io.ctx, 0xcfc + (off & 3), &value, len, true);
}

uint64_t vdrv_read(struct vdrv *d, uint64_t addr, uint32_t len)
{
	uint64_t value = 0;

	d->io.mmio(d->io.ctx, addr, &value, len, false);
	return value;
}

void vdrv_write(struct vdrv *d, uint64_t addr, uint32_t len, uint64_t value)
{
	d->io.mmio(d->io.ctx, addr, &value, len, true);
}

static void virtio_cap(struct vdrv *d, unsigned at)
{
	uint64_t where = d->bar + vdrv_cfg_read(d, at + VIRTIO_PCI_CAP_OFFSET, 4);

	switch (vdrv_cfg_read(d, at + VIRTIO_PCI_CAP_CFG_TYPE, 1)) {
	case VIRTIO_PCI_CAP_COMMON_CFG:
		d->common = where;
		break;
	case VIRTIO_PCI_CAP_NOTIFY_CFG:
		d->notify = where;
		d->multiplier = vdrv_cfg_read(d, at + VIRTIO_PCI_NOTIFY_CAP_MULT, 4);
		break;
	case VIRTIO_PCI_CAP_ISR_CFG:
		d->isr = where;
		break;
	case VIRTIO_PCI_CAP_DEVICE_CFG:
		d->device = where;
		break;
	case VIRTIO_PCI_CAP_PCI_CFG:
		d->cfg_cap = at;
		break;
	}
}

bool vdrv_find(struct vdrv *d, const struct vdrv_io *io, unsigned slot)
{
	const struct vdrv_io keep = *io; /* may be d's own */
	unsigned at, n;

	memset(d, 0, sizeof(*d));
	d->io = keep;
	d->slot = slot;
	if (vdrv_cfg_read(d, PCI_VENDOR_ID, 2) != 0x1af4 ||
		vdrv_cfg_read(d, PCI_DEVICE_ID, 2) < 0x1040)
		return false;
	d->bar = vdrv_cfg_read(d, PCI_BASE_ADDRESS_0, 4) & ~15u;
	at = vdrv_cfg_read(d, PCI_CAPABILITY_LIST, 1);
	for (n = 0; at && n < 48; n++) {
		if (vdrv_cfg_read(d, at, 1) == PCI_CAP_ID_VNDR)
			virtio_cap(d, at);
		if (vdrv_cfg_read(d, at, 1) == PCI_CAP_ID_MSIX) {
			d->msix_cap = at;
			d->nvectors =
				(vdrv_cfg_read(d, at + PCI_MSIX_FLAGS, 2) & PCI_MSIX_FLAGS_QSIZE) +
				1;
			d->msix = d->bar + (vdrv_cfg_read(d, at + PCI_MSIX_TABLE, 4) & ~7u);
			d->pba = d->bar + (vdrv_cfg_read(d, at + PCI_MSIX_PBA, 4) & ~7u);
		}
		at = vdrv_cfg_read(d, at + 1, 1);
	}
	return d->common && d->notify && d->isr;
}

uint8_t vdrv_status(struct vdrv *d)
{
	return vdrv_read(d, d->common + VIRTIO_PCI_COMMON_STATUS, 1);
}

void vdrv_set_status(struct vdrv *d, uint8_t status)
{
	vdrv_write(d, d->common + VIRTIO_PCI_COMMON_STATUS, 1, status);
}

uint64_t vdrv_offered(struct vdrv *d)
{
	uint64_t f;

	vdrv_write(d, d->common + VIRTIO_PCI_COMMON_DFSELECT, 4, 0);
	f = vdrv_read(d, d->common + VIRTIO_PCI_COMMON_DF, 4);
	vdrv_write(d, d->common + VIRTIO_PCI_COMMON_DFSELECT, 4, 1);
	return f | vdrv_read(d, d->common + VIRTIO_PCI_COMMON_DF, 4) << 32;
}

uint8_t vdrv_init(struct vdrv *d, uint64_t features)
{
	d->features = features;
	vdrv_set_status(d, 0);
	vdrv_set_status(d, 1);
	vdrv_set_status(d, 3);
	vdrv_write(d, d->common + VIRTIO_PCI_COMMON_GFSELECT, 4, 0);
	vdrv_write(d, d->common + VIRTIO_PCI_COMMON_GF, 4, features & 0xffffffff);
	vdrv_write(d, d->common + VIRTIO_PCI_COMMON_GFSELECT, 4, 1);
	vdrv_write(d, d->common + VIRTIO_PCI_COMMON_GF, 4, features >> 32);
	vdrv_set_status(d, 11);
	return vdrv_status(d);
}

static void select_queue(struct vdrv *d, unsigned i)
{
	vdrv_write(d, d->common + VIRTIO_PCI_COMMON_Q_SELECT, 2, i);
}

void vdrv_queue(struct vdrv *d, unsigned i, uint16_t size, uint64_t base)
{
	memset(d->io.mem(d->io.ctx, base), 0, 0x3000);
	d->q[i].base = base;
	d->q[i].size = size;
	d->q[i].used_seen = 0;
	select_queue(d, i);
	vdrv_write(d, d->common + VIRTIO_PCI_COMMON_Q_SIZE, 2, size);
	vdrv_write(d, d->common + VIRTIO_PCI_COMMON_Q_DESCLO, 4, base);
	vdrv_write(d, d->common + VIRTIO_PCI_COMMON_Q_DESCHI, 4, base >> 32);
	vdrv_write(d, d->common + VIRTIO_PCI_COMMON_Q_AVAILLO, 4, base + 0x1000);
	vdrv_write(d, d->common + VIRTIO_PCI_COMMON_Q_AVAILHI, 4, (base + 0x1000) >> 32);
	vdrv_write(d, d->common + VIRTIO_PCI_COMMON_Q_USEDLO, 4, base + 0x2000);
	vdrv_write(d, d->common + VIRTIO_PCI_COMMON_Q_USEDHI, 4, (base + 0x2000) >> 32);
}

void vdrv_enable(struct vdrv *d, unsigned i)
{
	select_queue(d, i);
	vdrv_write(d, d->common + VIRTIO_PCI_COMMON_Q_ENABLE, 2, 1);
}

void vdrv_msix_enable(struct vdrv *d, bool on)
{
	vdrv_cfg_write(d, d->msix_cap + PCI_MSIX_FLAGS, 2, on ? PCI_MSIX_FLAGS_ENABLE : 0);
}

void vdrv_msix_set(struct vdrv *d, unsigned vector, uint32_t data, bool masked)
{
	uint64_t e = d->msix + 16 * vector;

	vdrv_write(d, e + 12, 4, 1);
	vdrv_write(d, e, 4, 0xfee00000);
	vdrv_write(d, e + 4, 4, 0);
	vdrv_write(d, e + 8, 4, data);
	vdrv_write(d, e + 12, 4, masked);
}

uint8_t vdrv_start(struct vdrv *d, uint64_t features, uint16_t size, uint64_t base, uint32_t msi)
{
	return vdrv_start_n(d, features, 2, size, base, msi);
}

uint8_t vdrv_start_n(
	struct vdrv *d, uint64_t features, unsigned n, uint16_t size, uint64_t base, uint32_t msi)
{
	unsigned i;

	vdrv_init(d, features | VD_F_VERSION_1);
	vdrv_msix_enable(d, true);
	for (i = 0; i <= n; i++)
		vdrv_msix_set(d, i, msi + i, false);
	vdrv_write(d, d->common + VIRTIO_PCI_COMMON_MSIX, 2, 0);
	for (i = 0; i < n; i++) {
		vdrv_queue(d, i, size, base + i * 0x3000);
		vdrv_write(d, d->common + VIRTIO_PCI_COMMON_Q_MSIX, 2, i + 1);
		vdrv_enable(d, i);
	}
	vdrv_set_status(d, 15);
	return vdrv_status(d);
}

volatile struct vd_desc *vdrv_desc(struct vdrv *d, unsigned i, unsigned n)
{
	return (volatile struct vd_desc *)d->io.mem(d->io.ctx, d->q[i].base) + n;
}

void vdrv_set_desc(struct vdrv *d, unsigned i, unsigned n, uint64_t addr, uint32_t len,
	uint16_t flags, uint16_t next)
{
	*vdrv_desc(d, i, n) = (struct vd_desc){ addr, len, flags, next };
}

volatile uint16_t *vdrv_avail(struct vdrv *d, unsigned i)
{
	return d->io.mem(d->io.ctx, d->q[i].base + 0x1000);
}

volatile uint16_t *vdrv_used(struct vdrv *d, unsigned i)
{
	return d->io.mem(d->io.ctx, d->q[i].base + 0x2000);
}

volatile uint16_t *vdrv_avail_event(struct vdrv *d, unsigned i)
{
	return vdrv_used(d, i) + 2 + 4 * d->q[i].size;
}

void vdrv_add(struct vdrv *d, unsigned i, uint16_t head)
{
	volatile uint16_t *avail = vdrv_avail(d, i);

	avail[2 + avail[1] % d->q[i].size] = head;
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	avail[1]++;
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
}

void vdrv_kick(struct vdrv *d, unsigned i)
{
	uint16_t off;

	select_queue(d, i);
	off = vdrv_read(d, d->common + VIRTIO_PCI_COMMON_Q_NOFF, 2);
	vdrv_write(d, d->notify + off * d->multiplier, 2, i);
}

bool vdrv_take(struct vdrv *d, unsigned i, uint32_t *id, uint32_t *len)
{
	volatile uint16_t *used = vdrv_used(d, i);
	volatile uint32_t *e;

	if (used[1] == d->q[i].used_seen)
		return false;
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	e = (volatile uint32_t *)(used + 2) + 2 * (d->q[i].used_seen % d->q[i].size);
	*id = e[0];
	*len = e[1];
	d->q[i].used_seen++;
	return true;
}
