/*
 * virtio_pci.c - the PCI transport: capabilities, common configuration, notification, interrupts.
 *
 * Spec: virtio 1.2 §4.1 (virtio over PCI bus), modern interface only: revision 1, device ID 0x1040 + type.
 * One 32 KiB BAR: a page each for the common, ISR, device and notify structures, the MSI-X table and its pending bits.
 *
 * Threads: registers on vCPU threads; queue kicks on the main loop, mostly straight from the guest through
 * an ioeventfd. Everything with the device lock held.
 */
#include "devices/virtio_pci.h"
#include "devices/work.h"

#include <errno.h>
#include <linux/pci_regs.h>
#include <linux/virtio_pci.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	BAR = 0,
	BAR_SIZE = 0x8000,
	COMMON_OFF = 0x0000,
	ISR_OFF = 0x1000,
	DEVICE_OFF = 0x2000,
	NOTIFY_OFF = 0x3000,
	MSIX_OFF = 0x4000,
	PBA_OFF = 0x5000,
	NOTIFY_STRIDE = 4, /* notify_off_multiplier */
};

enum { ISR_QUEUE = 1, ISR_CONFIG = 2 }; /* §4.1.4.5 */

/* §4.1.4.3, all of it; Linux's struct ends before queue_notify_data. */
struct common_cfg {
	struct virtio_pci_common_cfg c;
	uint16_t queue_notify_data, queue_reset;
} __attribute__((packed));

struct queue_work {
	struct virtio_pci *p;
	unsigned index;
	struct dev_work work;
	bool bound; /* its descriptor is an ioeventfd now */
};

struct virtio_pci {
	struct pci_dev pci;
	struct vdev *v;
	char id[32];
	uint32_t device_select, driver_select;
	uint16_t queue_select;
	uint16_t config_vector, queue_vector[VDEV_QUEUES];
	uint8_t isr;
	unsigned cfg_cap; /* offset of the PCI configuration access capability */
	bool dma;	  /* bus mastering was on at the last look */
	bool loaded;	  /* resume must also repeat interrupts */
	struct queue_work queue[VDEV_QUEUES];
};

/* ---- what the device asks of us ---- */

static void notify_driver(struct virtio_pci *p, uint16_t vector, uint8_t isr)
{
	if (pci_msix_enabled(&p->pci)) {
		if (vector != VIRTIO_MSI_NO_VECTOR)
			pci_msix_raise(&p->pci, vector);
		return;
	}
	p->isr |= isr;
	pci_intx(&p->pci, true);
}

static void tp_interrupt(struct vdev *v, unsigned queue)
{
	struct virtio_pci *p = v->transport_data;

	notify_driver(p, p->queue_vector[queue], ISR_QUEUE);
}

static void tp_config_interrupt(struct vdev *v)
{
	struct virtio_pci *p = v->transport_data;

	notify_driver(p, p->config_vector, ISR_CONFIG);
}

static void tp_requeue(struct vdev *v, unsigned queue)
{
	struct virtio_pci *p = v->transport_data;

	dev_work_kick(&p->queue[queue].work);
}

static bool tp_dma_ok(const struct vdev *v)
{
	const struct virtio_pci *p = v->transport_data;

	return pci_bus_master(&p->pci);
}

static const struct vdev_transport_ops transport = {
	.interrupt = tp_interrupt,
	.config_interrupt = tp_config_interrupt,
	.requeue = tp_requeue,
	.dma_ok = tp_dma_ok,
};

/* Main loop: the guest (or we) kicked a queue. */
static void queue_run(void *arg)
{
	struct queue_work *w = arg;
	struct vdev *v = w->p->v;

	if (!vdev_live(v, w->index))
		return; /* resume and DRIVER_OK kick again */
	v->vq[w->index].kicks++;
	v->ops->kick(v, w->index);
}

static void kick_all(struct virtio_pci *p)
{
	unsigned i;

	for (i = 0; i < p->v->ops->nqueues; i++)
		tp_requeue(p->v, i);
}

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
	*reg = high ? (*reg & 0xffffffffull) | (uint64_t)value << 32 : (*reg & ~0xffffffffull) | value;
}

static void write_features(struct virtio_pci *p, uint32_t value)
{
	/* What was agreed on stays (§2.2.1). */
	if (p->driver_select < 2 && !(p->v->status & VIRTIO_FEATURES_OK))
		set_half(&p->v->features, p->driver_select, value);
}

static void reset_transport(struct virtio_pci *p)
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
		reset_transport(p);
	if (vdev_set_status(p->v, status))
		kick_all(p); /* buffers may have been there before DRIVER_OK */
}

/* Registers of the selected queue. A ring that is live does not move (§4.1.4.3.2): such writes are ignored. */
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

	if (len == 8 && off >= VIRTIO_PCI_COMMON_Q_DESCLO && off <= VIRTIO_PCI_COMMON_Q_USEDLO && off % 8 == 0) {
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
		tp_requeue(p->v, queue);
}

static void device_read(void *dev, uint64_t off, void *data, uint32_t len)
{
	struct virtio_pci *p = dev;
	uint8_t config[256] = { 0 };

	memset(data, 0, len);
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

static const struct vmc_bus_ops common_ops = { common_read, common_write };
static const struct vmc_bus_ops isr_ops = { isr_read, nothing_write };
static const struct vmc_bus_ops notify_ops = { notify_read, notify_write };
static const struct vmc_bus_ops device_ops = { device_read, device_write };

/* ---- the PCI function ---- */

static void bar_mapped(struct pci_dev *d, unsigned bar, uint64_t addr)
{
	struct virtio_pci *p = (struct virtio_pci *)((char *)d - offsetof(struct virtio_pci, pci));
	unsigned i;

	(void)bar;
	for (i = 0; i < p->v->ops->nqueues; i++) {
		struct queue_work *w = &p->queue[i];

		/* Length 0: a write of any width. Refused: the write exits and notify_write() does it. */
		w->bound = vmc_ioeventfd_add(p->v->vm, VMC_BUS_MMIO, addr + NOTIFY_OFF + NOTIFY_STRIDE * i, 0,
			NULL, w->work.fd) == 0;
	}
}

static void bar_unmapped(struct pci_dev *d, unsigned bar, uint64_t addr)
{
	struct virtio_pci *p = (struct virtio_pci *)((char *)d - offsetof(struct virtio_pci, pci));
	unsigned i;

	(void)bar;
	for (i = 0; i < p->v->ops->nqueues; i++) {
		struct queue_work *w = &p->queue[i];

		if (w->bound)
			vmc_ioeventfd_remove(p->v->vm, VMC_BUS_MMIO,
				addr + NOTIFY_OFF + NOTIFY_STRIDE * i, 0, NULL, w->work.fd);
		w->bound = false;
	}
}

/* §4.1.4.9: the window onto the BAR through configuration space. Checked anew at each use. */
static bool cfg_window(const struct virtio_pci *p, unsigned off, unsigned len, uint32_t *at, uint32_t *width)
{
	unsigned data = p->cfg_cap + sizeof(struct virtio_pci_cap);

	if (off != data)
		return false;
	*at = pci_get(&p->pci, p->cfg_cap + VIRTIO_PCI_CAP_OFFSET, 4);
	*width = pci_get(&p->pci, p->cfg_cap + VIRTIO_PCI_CAP_LENGTH, 4);
	return pci_get(&p->pci, p->cfg_cap + VIRTIO_PCI_CAP_BAR, 1) == BAR && *width == len &&
		(len == 1 || len == 2 || len == 4) && *at % len == 0 && *at <= BAR_SIZE - len;
}

static void config_read(struct pci_dev *d, unsigned off, unsigned len)
{
	struct virtio_pci *p = (struct virtio_pci *)((char *)d - offsetof(struct virtio_pci, pci));
	uint32_t at, width;

	if (cfg_window(p, off, len, &at, &width))
		pci_bar_read(d, BAR, at, d->config + off, width);
}

static void config_written(struct pci_dev *d, unsigned off, unsigned len)
{
	struct virtio_pci *p = (struct virtio_pci *)((char *)d - offsetof(struct virtio_pci, pci));
	bool dma = pci_bus_master(d);
	uint32_t at, width;
	uint8_t data[4];

	if (cfg_window(p, off, len, &at, &width)) {
		memcpy(data, d->config + off, width); /* the access may change configuration space */
		pci_bar_write(d, BAR, at, data, width);
	}
	if (dma && !p->dma)
		kick_all(p); /* bus mastering is back: what waited goes on */
	p->dma = dma;
}

static const struct pci_dev_ops pci_ops = {
	.bar_mapped = bar_mapped,
	.bar_unmapped = bar_unmapped,
	.config_read = config_read,
	.config_written = config_written,
};

static unsigned add_virtio_cap(struct virtio_pci *p, uint8_t type, uint32_t off, uint32_t len,
	const void *extra, unsigned extra_len)
{
	struct virtio_pci_cap cap = {
		.cap_len = sizeof(cap) + extra_len,
		.cfg_type = type,
		.bar = BAR,
		.offset = off,
		.length = len,
	};
	uint8_t body[sizeof(cap) + 4];

	memcpy(body, &cap, sizeof(cap));
	memcpy(body + sizeof(cap), extra, extra_len);
	return pci_add_cap(&p->pci, PCI_CAP_ID_VNDR, body + 2, sizeof(cap) - 2 + extra_len);
}

static void add_caps(struct virtio_pci *p)
{
	const uint32_t stride = NOTIFY_STRIDE, window = 0;
	unsigned n = p->v->ops->nqueues;

	add_virtio_cap(p, VIRTIO_PCI_CAP_COMMON_CFG, COMMON_OFF, sizeof(struct common_cfg), "", 0);
	add_virtio_cap(p, VIRTIO_PCI_CAP_NOTIFY_CFG, NOTIFY_OFF, n * NOTIFY_STRIDE, &stride, 4);
	add_virtio_cap(p, VIRTIO_PCI_CAP_ISR_CFG, ISR_OFF, 1, "", 0);
	add_virtio_cap(p, VIRTIO_PCI_CAP_DEVICE_CFG, DEVICE_OFF, p->v->ops->config_len, "", 0);
	p->cfg_cap = add_virtio_cap(p, VIRTIO_PCI_CAP_PCI_CFG, 0, 0, &window, 4);
	p->pci.writable[p->cfg_cap + VIRTIO_PCI_CAP_BAR] = 0xff;
	memset(p->pci.writable + p->cfg_cap + VIRTIO_PCI_CAP_OFFSET, 0xff, 12); /* offset, length, data */
}

static void add_parts(struct virtio_pci *p)
{
	static const struct {
		uint32_t off;
		const struct vmc_bus_ops *ops;
		const char *name;
	} parts[] = {
		{ COMMON_OFF, &common_ops, "common" },
		{ ISR_OFF, &isr_ops, "isr" },
		{ DEVICE_OFF, &device_ops, "device" },
		{ NOTIFY_OFF, &notify_ops, "notify" },
	};
	char name[80];
	unsigned i;

	pci_add_bar(&p->pci, BAR, BAR_SIZE);
	for (i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		snprintf(name, sizeof(name), "%s %s", p->id, parts[i].name);
		pci_add_part(&p->pci, BAR, parts[i].off, VMC_PAGE_SIZE, parts[i].ops, p, name);
	}
}

/* ---- what the VM asks of us ---- */

static void vp_describe(void *dev, struct vmc_device_info *info)
{
	const struct virtio_pci *p = dev;

	snprintf(info->model, sizeof(info->model), "%s", p->v->ops->name);
	snprintf(info->where, sizeof(info->where), "pci 00:%02x.0", p->pci.slot);
	info->addr = p->pci.bar[BAR].mapped;
	info->addr_len = BAR_SIZE;
	info->irq = pci_msix_enabled(&p->pci) ? -1 : p->pci.gsi;
	vdev_describe(p->v, info);
}

static void vp_reset(void *dev)
{
	struct virtio_pci *p = dev;

	vdev_reset(p->v);
	reset_transport(p);
	pci_dev_reset(&p->pci);
	p->dma = pci_bus_master(&p->pci);
	p->loaded = false;
}

static void vp_quiesce(void *dev)
{
	struct virtio_pci *p = dev;

	p->v->quiet = true;
}

static void vp_resume(void *dev)
{
	struct virtio_pci *p = dev;
	unsigned i;

	p->v->quiet = false;
	pci_intx_update(&p->pci); /* the irqchip may have been loaded after us */
	/* An interrupt that was on its way when the state was saved may not be in it: say it again (a driver finds
	 * nothing new and goes on). */
	if (p->loaded && p->v->status & VIRTIO_DRIVER_OK) {
		for (i = 0; i < p->v->ops->nqueues; i++)
			if (p->v->vq[i].ready && pci_msix_enabled(&p->pci))
				tp_interrupt(p->v, i);
	}
	p->loaded = false;
	vdev_resume(p->v);
}

static void vp_save(void *dev, struct vmc_out *out)
{
	const struct virtio_pci *p = dev;
	unsigned i;

	pci_dev_save(&p->pci, out);
	vmc_out_u32(out, p->device_select);
	vmc_out_u32(out, p->driver_select);
	vmc_out_u16(out, p->queue_select);
	vmc_out_u16(out, p->config_vector);
	for (i = 0; i < p->v->ops->nqueues; i++)
		vmc_out_u16(out, p->queue_vector[i]);
	vmc_out_u8(out, p->isr);
	vdev_save(p->v, out);
	p->v->ops->save(p->v, out);
}

static int bad_vector(const struct virtio_pci *p, struct vmc_in *in, uint16_t vector)
{
	if (vector == VIRTIO_MSI_NO_VECTOR || vector < p->pci.msix.n)
		return 0;
	return vmc_in_fail(in, -EBADMSG, "interrupt vector %u of %u", vector, p->pci.msix.n);
}

static int vp_load(void *dev, struct vmc_in *in, uint32_t version)
{
	struct virtio_pci *p = dev, t = { 0 };
	struct pci_saved pci;
	struct vdev v;
	unsigned i;
	int rc;

	rc = pci_dev_load(&p->pci, &pci, in);
	if (rc < 0)
		return rc;
	t.device_select = vmc_in_u32(in);
	t.driver_select = vmc_in_u32(in);
	t.queue_select = vmc_in_u16(in);
	t.config_vector = vmc_in_u16(in);
	rc = bad_vector(p, in, t.config_vector);
	for (i = 0; rc == 0 && i < p->v->ops->nqueues; i++) {
		t.queue_vector[i] = vmc_in_u16(in);
		rc = bad_vector(p, in, t.queue_vector[i]);
	}
	if (rc < 0)
		return rc;
	t.isr = vmc_in_u8(in);
	rc = vdev_load(p->v, &v, in);
	if (rc < 0)
		return rc;
	rc = p->v->ops->load(p->v, in); /* the last that can fail, and it reads to the end */
	if (rc < 0)
		return rc;
	p->device_select = t.device_select;
	p->driver_select = t.driver_select;
	p->queue_select = t.queue_select;
	p->config_vector = t.config_vector;
	memcpy(p->queue_vector, t.queue_vector, sizeof(t.queue_vector));
	p->isr = t.isr;
	v.quiet = true; /* a loaded VM is paused */
	*p->v = v;
	pci_dev_apply(&p->pci, &pci);
	p->dma = pci_bus_master(&p->pci);
	p->loaded = true;
	return 0;
}

static void free_transport(struct virtio_pci *p)
{
	unsigned i;

	pci_bus_drop(&p->pci);
	pci_msix_fini(&p->pci);
	for (i = 0; i < VDEV_QUEUES; i++)
		dev_work_fini(&p->queue[i].work);
	free(p);
}

static void vp_destroy(void *dev)
{
	struct virtio_pci *p = dev;
	struct vdev *v = p->v;

	free_transport(p);
	v->ops->destroy(v);
}

static const struct vmc_device_ops virtio_pci_ops = {
	.model = "virtio-pci",
	.version = 1,
	.describe = vp_describe,
	.reset = vp_reset,
	.quiesce = vp_quiesce,
	.resume = vp_resume,
	.save = vp_save,
	.load = vp_load,
	.destroy = vp_destroy,
};

void virtio_pci_detach(struct virtio_pci *p)
{
	unsigned i;

	for (i = 0; i < VDEV_QUEUES; i++)
		if (p->queue[i].work.vm)
			dev_work_detach(&p->queue[i].work);
}

struct pci_dev *virtio_pci_dev(struct virtio_pci *p)
{
	return &p->pci;
}

int virtio_pci_new(struct vdev *v, struct event_base *base, struct pci_bus *bus, unsigned slot, int32_t gsi,
	const char *id, struct virtio_pci **out)
{
	const struct pci_ids ids = {
		.vendor = 0x1af4,
		.device = 0x1040 + v->ops->virtio_id,
		.subvendor = 0x1af4,
		.subdevice = 0x0040, /* §4.1.2.1: 0x40 or higher keeps legacy drivers away */
		.revision = 1,
		.class = v->ops->pci_class,
	};
	struct virtio_pci *p = calloc(1, sizeof(*p));
	unsigned i;
	int rc;

	if (!p)
		return vmc_fail(v->vm, -ENOMEM, "no memory for %s", id);
	p->v = v;
	v->transport = &transport;
	v->transport_data = p;
	snprintf(p->id, sizeof(p->id), "%s", id);
	pci_dev_init(&p->pci, v->vm, &pci_ops, &ids, gsi);
	add_parts(p);
	rc = pci_msix_init(&p->pci, v->ops->nqueues + 1, BAR, MSIX_OFF, PBA_OFF, p->id);
	add_caps(p);
	reset_transport(p);
	for (i = 0; rc == 0 && i < v->ops->nqueues; i++) {
		p->queue[i].p = p;
		p->queue[i].index = i;
		rc = dev_work_init(&p->queue[i].work, v->vm, base, queue_run, &p->queue[i]);
		if (rc < 0)
			vmc_fail(v->vm, rc, "%s: eventfd or event: %s", id, strerror(-rc));
	}
	if (rc == 0)
		rc = pci_bus_add(bus, &p->pci, slot);
	p->dma = pci_bus_master(&p->pci);
	if (rc == 0)
		rc = vmc_add_virtio_device(v->vm, id, &virtio_pci_ops, p);
	if (rc < 0) {
		free_transport(p);
		return rc;
	}
	*out = p;
	return 0;
}
