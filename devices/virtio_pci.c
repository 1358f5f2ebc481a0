/*
 * virtio_pci.c - the PCI transport: capabilities, BAR, kicks, interrupts, saved state. The
 * registers are in virtio_pci_regs.c.
 *
 * Spec: virtio 1.2 §4.1 (virtio over PCI bus), modern interface only: revision 1, device ID 0x1040
 * + type. One 32 KiB BAR: a page each for the common, ISR, device and notify structures, the MSI-X
 * table and its pending bits.
 *
 * Threads: registers on vCPU threads; queue kicks on the main loop, mostly straight from the guest
 * through an ioeventfd. Everything with the device lock held.
 */
#include "devices/virtio_pci_priv.h"

#include <errno.h>
#include <linux/pci_regs.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

void virtio_pci_kick(struct virtio_pci *p, unsigned i)
{
	dev_work_kick(&p->queue[i].work);
}

void virtio_pci_kick_all(struct virtio_pci *p)
{
	unsigned i;

	for (i = 0; i < p->v->ops->nqueues; i++)
		virtio_pci_kick(p, i);
}

/* ---- the PCI function ---- */

static void bar_mapped(struct pci_dev *d, unsigned bar, uint64_t addr)
{
	struct virtio_pci *p = (struct virtio_pci *)((char *)d - offsetof(struct virtio_pci, pci));
	unsigned i;

	(void)bar;
	for (i = 0; i < p->v->ops->nqueues; i++) {
		struct queue_work *w = &p->queue[i];

		/* Length 0: a write of any width. Refused: the write exits and notify_write() does
		 * it. */
		w->bound = vmc_ioeventfd_add(p->v->vm, VMC_BUS_MMIO,
				   addr + NOTIFY_OFF + NOTIFY_STRIDE * i, 0, NULL, w->work.fd) == 0;
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
static bool cfg_window(
	const struct virtio_pci *p, unsigned off, unsigned len, uint32_t *at, uint32_t *width)
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
		memcpy(data, d->config + off,
			width); /* the access may change configuration space */
		pci_bar_write(d, BAR, at, data, width);
	}
	if (dma && !p->dma)
		virtio_pci_kick_all(p); /* bus mastering is back: what waited goes on */
	if (!dma && p->dma && p->v->ops->dma_off)
		p->v->ops->dma_off(p->v);
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
	if (p->v->ops->config_len) /* §4.1.4.6: only where there is any */
		add_virtio_cap(p, VIRTIO_PCI_CAP_DEVICE_CFG, DEVICE_OFF, p->v->ops->config_len, "", 0);
	p->cfg_cap = add_virtio_cap(p, VIRTIO_PCI_CAP_PCI_CFG, 0, 0, &window, 4);
	p->pci.writable[p->cfg_cap + VIRTIO_PCI_CAP_BAR] = 0xff;
	memset(p->pci.writable + p->cfg_cap + VIRTIO_PCI_CAP_OFFSET, 0xff,
		12); /* offset, length, data */
}

static void add_parts(struct virtio_pci *p)
{
	static const struct {
		uint32_t off;
		const struct vmc_bus_ops *ops;
		const char *name;
	} parts[] = {
		{ COMMON_OFF, &virtio_pci_common_ops, "common" },
		{ ISR_OFF, &virtio_pci_isr_ops, "isr" },
		{ DEVICE_OFF, &virtio_pci_device_ops, "device" },
		{ NOTIFY_OFF, &virtio_pci_notify_ops, "notify" },
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
	virtio_pci_reset_regs(p);
	pci_dev_reset(&p->pci);
	p->dma = pci_bus_master(&p->pci);
	p->loaded = false;
}

static void vp_quiesce(void *dev)
{
	struct virtio_pci *p = dev;

	p->v->quiet = true;
	if (p->v->ops->quiesce)
		p->v->ops->quiesce(p->v);
}

static void vp_resume(void *dev)
{
	struct virtio_pci *p = dev;
	unsigned i;

	p->v->quiet = false;
	pci_intx_update(&p->pci); /* the irqchip may have been loaded after us */
	/* An interrupt that was on its way when the state was saved may not be in it: say it again
	 * (a driver finds nothing new and goes on). */
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
	if (p->v->ops->detach)
		p->v->ops->detach(p->v);
}

struct pci_dev *virtio_pci_dev(struct virtio_pci *p)
{
	return &p->pci;
}

int virtio_pci_new(struct vdev *v, struct event_base *base, struct pci_bus *bus, unsigned slot,
	int32_t gsi, const char *id, struct virtio_pci **out)
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
	int rc = 0;

	if (!p)
		return vmc_fail(v->vm, -ENOMEM, "no memory for %s", id);
	p->v = v;
	v->transport = &transport;
	v->transport_data = p;
	snprintf(p->id, sizeof(p->id), "%s", id);
	pci_dev_init(&p->pci, v->vm, &pci_ops, &ids, gsi);
	add_parts(p);
	pci_msix_init(&p->pci, v->ops->nqueues + 1, BAR, MSIX_OFF, PBA_OFF, p->id);
	add_caps(p);
	virtio_pci_reset_regs(p);
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
