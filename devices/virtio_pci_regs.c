/*
 * virtio_pci_regs.c - the registers in a virtio PCI device's BAR: common configuration, ISR,
 * notification, device configuration.
 *
 * Spec: virtio 1.2 §4.1.4.3 to §4.1.4.6. Threads: vCPU threads, device lock held.
 */
#include "devices/virtio_pci_priv.h"

#include <string.h>

/* ---- common configuration (§4.1.4.3) ---- */

static void common_fill(struct virtio_pci *p, struct common_cfg *x)
{
	const struct vdev *v = p->v;
	const struct virtq *q = p->queue_select < v->ops->nqueues ? &v->vq[p->queue_select] : NULL;

	memset(x, 0, sizeof(*x));
	x->c.device_feature_select = p->device_select;
	if (p->device_select < 2)
		x->c.device_feature = v->offered >> (32 * p->device_select);
	x->c.guest_feature_select = p->driver_select;
	if (p->driver_select < 2)
		x->c.guest_feature = v->features >> (32 * p->driver_select);
	x->c.msix_config = p->config_vector;
	x->c.num_queues = v->ops->nqueues;
	x->c.device_status = v->status;
	x->c.config_generation = v->generation;
	x->c.queue_select = p->queue_select;
	x->c.queue_msix_vector = VIRTIO_MSI_NO_VECTOR;
	if (!q)
		return; /* size 0: no such queue */
	x->c.queue_size = q->size;
	x->c.queue_msix_vector = p->queue_vector[q->index];
	x->c.queue_enable = q->ready;
	x->c.queue_notify_off = q->index;
	x->c.queue_desc_lo = q->desc;
	x->c.queue_desc_hi = q->desc >> 32;
	x->c.queue_avail_lo = q->avail;
	x->c.queue_avail_hi = q->avail >> 32;
	x->c.queue_used_lo = q->used;
	x->c.queue_used_hi = q->used >> 32;
	x->queue_notify_data = q->index;
}

static void common_read(void *dev, uint64_t off, void *data, uint32_t len)
{
	struct common_cfg x;

	memset(data, 0, len);
	if (off >= sizeof(x))
		return;
	common_fill(dev, &x);
	if (len > sizeof(x) - off)
		len = sizeof(x) - off;
	memcpy(data, (uint8_t *)&x + off, len);
}

static uint16_t vector_or_none(const struct virtio_pci *p, uint64_t value)
{
	/* §4.1.5.1.2.1: a vector that cannot be had reads back as none */
	return value < p->pci.msix.n ? value : VIRTIO_MSI_NO_VECTOR;
}

static void set_half(uint64_t *reg, bool high, uint32_t value)
{
	*reg = high ? (*reg & 0xffffffffull) | (uint64_t)value << 32
		    : (*reg & ~0xffffffffull) | value;
}

static void write_features(struct virtio_pci *p, uint32_t value)
{
	/* What was agreed on stays (§2.2.1). */
	if (p->driver_select < 2 && !(p->v->status & VIRTIO_FEATURES_OK))
		set_half(&p->v->features, p->driver_select, value);
}

void virtio_pci_reset_regs(struct virtio_pci *p)
{
	unsigned i;

	p->device_select = p->driver_select = 0;
	p->queue_select = 0;
	p->config_vector = VIRTIO_MSI_NO_VECTOR;
	for (i = 0; i < VDEV_QUEUES; i++)
		p->queue_vector[i] = VIRTIO_MSI_NO_VECTOR;
	p->isr = 0;
	pci_intx(&p->pci, false);
}

static void write_status(struct virtio_pci *p, uint8_t status)
{
	if (status == 0)
		virtio_pci_reset_regs(p);
	if (vdev_set_status(p->v, status))
		virtio_pci_kick_all(p); /* buffers may have been there before DRIVER_OK */
}

/* Registers of the selected queue. A ring that is live does not move (§4.1.4.3.2): such writes are
 * ignored. */
static void write_queue(struct virtio_pci *p, unsigned reg, uint32_t value)
{
	struct virtq *q = p->queue_select < p->v->ops->nqueues ? &p->v->vq[p->queue_select] : NULL;

	if (!q)
		return;
	switch (reg) {
	case VIRTIO_PCI_COMMON_Q_MSIX:
		p->queue_vector[q->index] = vector_or_none(p, value);
		return;
	case VIRTIO_PCI_COMMON_Q_ENABLE:
		if (value == 1)
			vdev_enable_queue(p->v, q->index);
		return;
	case VIRTIO_PCI_COMMON_Q_RESET:
		if (value == 1 && p->v->features & VIRTIO_BIT(VIRTIO_F_RING_RESET))
			vdev_reset_queue(p->v, q->index);
		return;
	}
	if (q->ready)
		return;
	switch (reg) {
	case VIRTIO_PCI_COMMON_Q_SIZE:
		q->size = value;
		break;
	case VIRTIO_PCI_COMMON_Q_DESCLO:
	case VIRTIO_PCI_COMMON_Q_DESCHI:
		set_half(&q->desc, reg == VIRTIO_PCI_COMMON_Q_DESCHI, value);
		break;
	case VIRTIO_PCI_COMMON_Q_AVAILLO:
	case VIRTIO_PCI_COMMON_Q_AVAILHI:
		set_half(&q->avail, reg == VIRTIO_PCI_COMMON_Q_AVAILHI, value);
		break;
	case VIRTIO_PCI_COMMON_Q_USEDLO:
	case VIRTIO_PCI_COMMON_Q_USEDHI:
		set_half(&q->used, reg == VIRTIO_PCI_COMMON_Q_USEDHI, value);
		break;
	}
}

/* The width with which each register is to be written (§4.1.3.1); 0: not writable. */
static uint32_t common_width(uint64_t off)
{
	switch (off) {
	case VIRTIO_PCI_COMMON_STATUS:
		return 1;
	case VIRTIO_PCI_COMMON_MSIX:
	case VIRTIO_PCI_COMMON_Q_SELECT:
	case VIRTIO_PCI_COMMON_Q_SIZE:
	case VIRTIO_PCI_COMMON_Q_MSIX:
	case VIRTIO_PCI_COMMON_Q_ENABLE:
	case VIRTIO_PCI_COMMON_Q_RESET:
		return 2;
	case VIRTIO_PCI_COMMON_DFSELECT:
	case VIRTIO_PCI_COMMON_GFSELECT:
	case VIRTIO_PCI_COMMON_GF:
	case VIRTIO_PCI_COMMON_Q_DESCLO ... VIRTIO_PCI_COMMON_Q_USEDHI:
		return off % 4 ? 0 : 4;
	}
	return 0;
}

static void common_write(void *dev, uint64_t off, const void *data, uint32_t len)
{
	struct virtio_pci *p = dev;
	uint32_t value = 0;

	if (len == 8 && off >= VIRTIO_PCI_COMMON_Q_DESCLO && off <= VIRTIO_PCI_COMMON_Q_USEDLO &&
		off % 8 == 0) {
		common_write(dev, off, data, 4); /* a 64-bit register as one */
		common_write(dev, off + 4, (const uint8_t *)data + 4, 4);
		return;
	}
	if (len != common_width(off))
		return;
	memcpy(&value, data, len);
	switch (off) {
	case VIRTIO_PCI_COMMON_DFSELECT:
		p->device_select = value;
		break;
	case VIRTIO_PCI_COMMON_GFSELECT:
		p->driver_select = value;
		break;
	case VIRTIO_PCI_COMMON_GF:
		write_features(p, value);
		break;
	case VIRTIO_PCI_COMMON_MSIX:
		p->config_vector = vector_or_none(p, value);
		break;
	case VIRTIO_PCI_COMMON_STATUS:
		write_status(p, value);
		break;
	case VIRTIO_PCI_COMMON_Q_SELECT:
		p->queue_select = value;
		break;
	default:
		write_queue(p, off, value);
	}
}

/* ---- ISR (§4.1.4.5), notification (§4.1.4.4), device configuration (§4.1.4.6) ---- */

static void isr_read(void *dev, uint64_t off, void *data, uint32_t len)
{
	struct virtio_pci *p = dev;

	memset(data, 0, len);
	if (off)
		return;
	memcpy(data, &p->isr, 1);
	p->isr = 0; /* reading acknowledges and lowers the line */
	pci_intx(&p->pci, false);
}

static void nothing_write(void *dev, uint64_t off, const void *data, uint32_t len)
{
	(void)dev;
	(void)off;
	(void)data;
	(void)len;
}

static void notify_read(void *dev, uint64_t off, void *data, uint32_t len)
{
	(void)dev;
	(void)off;
	memset(data, 0, len);
}

/* Only writes that no ioeventfd caught come here. */
static void notify_write(void *dev, uint64_t off, const void *data, uint32_t len)
{
	struct virtio_pci *p = dev;
	uint64_t queue = off / NOTIFY_STRIDE;

	(void)data;
	(void)len;
	if (off % NOTIFY_STRIDE == 0 && queue < p->v->ops->nqueues)
		virtio_pci_kick(p, queue);
}

static void device_read(void *dev, uint64_t off, void *data, uint32_t len)
{
	struct virtio_pci *p = dev;
	uint8_t config[256] = { 0 };

	memset(data, 0, len);
	if (p->v->ops->config_read)
		p->v->ops->config_read(p->v, config);
	if (off < p->v->ops->config_len) {
		if (len > p->v->ops->config_len - off)
			len = p->v->ops->config_len - off;
		memcpy(data, config + off, len);
	}
}

static void device_write(void *dev, uint64_t off, const void *data, uint32_t len)
{
	struct virtio_pci *p = dev;

	if (p->v->ops->config_write && off + len <= p->v->ops->config_len)
		p->v->ops->config_write(p->v, off, data, len);
}

const struct vmc_bus_ops virtio_pci_common_ops = { common_read, common_write };
const struct vmc_bus_ops virtio_pci_isr_ops = { isr_read, nothing_write };
const struct vmc_bus_ops virtio_pci_notify_ops = { notify_read, notify_write };
const struct vmc_bus_ops virtio_pci_device_ops = { device_read, device_write };
