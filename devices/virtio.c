/*
 * virtio.c - what every virtio device has: status, feature negotiation, queues, breaking and
 * mending.
 *
 * Spec: virtio 1.2 §2.1 (status), §2.2 (features), §2.4 (reset), §2.5 (configuration), §3.1
 * (initialisation). Threads: device lock held; see virtio.h.
 */
#include "devices/virtio.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static void queue_broke(struct virtq *q)
{
	struct vdev *v = q->owner;

	vdev_break(v, "%s", q->why);
}

void vdev_init(struct vdev *v, const struct vdev_ops *ops, struct vmc_vm *vm)
{
	unsigned i;

	*v = (struct vdev){ .ops = ops, .vm = vm };
	v->offered = ops->features | VIRTIO_BIT(VIRTIO_F_VERSION_1) |
		     VIRTIO_BIT(VIRTIO_F_INDIRECT_DESC) | VIRTIO_BIT(VIRTIO_F_EVENT_IDX) |
		     VIRTIO_BIT(VIRTIO_F_RING_RESET);
	for (i = 0; i < ops->nqueues; i++) {
		virtq_init(&v->vq[i], vm, i, ops->queue_size);
		v->vq[i].broke = queue_broke;
		v->vq[i].owner = v;
	}
}

void vdev_reset(struct vdev *v)
{
	unsigned i;

	v->status = 0;
	v->features = 0;
	v->note[0] = '\0';
	v->config_pending = false;
	for (i = 0; i < v->ops->nqueues; i++)
		virtq_reset(&v->vq[i]);
	v->ops->reset(v);
}

void vdev_break(struct vdev *v, const char *fmt, ...)
{
	va_list ap;

	if (v->status & VIRTIO_NEEDS_RESET)
		return;
	va_start(ap, fmt);
	vsnprintf(v->note, sizeof(v->note), fmt, ap);
	va_end(ap);
	v->status |= VIRTIO_NEEDS_RESET;
	/* §2.1.2: a driver that is at work gets a configuration change notification. */
	if (v->status & VIRTIO_DRIVER_OK)
		vdev_config_changed(v);
}

/* §2.2.2, §6.2: only what was offered, and a driver of this century. */
static bool features_ok(const struct vdev *v)
{
	return !(v->features & ~v->offered) && v->features & VIRTIO_BIT(VIRTIO_F_VERSION_1);
}

bool vdev_set_status(struct vdev *v, uint8_t status)
{
	uint8_t old = v->status, set;
	unsigned i;

	if (status == 0) {
		vdev_reset(v);
		return false;
	}
	/* The driver may set bits and never clear one (§2.1.1); NEEDS_RESET is ours. */
	set = status & ~old & ~VIRTIO_NEEDS_RESET;
	if (set & VIRTIO_FEATURES_OK && !features_ok(v))
		set &= ~VIRTIO_FEATURES_OK; /* it reads back and sees that we cannot agree */
	v->status |= set & ~VIRTIO_DRIVER_OK;
	if (set & VIRTIO_FEATURES_OK) {
		for (i = 0; i < v->ops->nqueues; i++) {
			v->vq[i].indirect = v->features & VIRTIO_BIT(VIRTIO_F_INDIRECT_DESC);
			v->vq[i].event_idx = v->features & VIRTIO_BIT(VIRTIO_F_EVENT_IDX);
		}
	}
	if (!(set & VIRTIO_DRIVER_OK))
		return false;
	if (!(v->status & VIRTIO_FEATURES_OK)) {
		vdev_break(v, "driver set DRIVER_OK without FEATURES_OK");
		return false;
	}
	v->status |= VIRTIO_DRIVER_OK;
	return true;
}

void vdev_enable_queue(struct vdev *v, unsigned i)
{
	struct virtq *q = &v->vq[i];

	if (q->ready || q->broken)
		return;
	if (!(v->status & VIRTIO_FEATURES_OK)) {
		vdev_break(v, "queue %u enabled before FEATURES_OK", i);
		return;
	}
	virtq_enable(q);
}

void vdev_reset_queue(struct vdev *v, unsigned i)
{
	struct virtq *q = &v->vq[i];
	uint64_t kicks = q->kicks, interrupts = q->interrupts;
	bool indirect = q->indirect, event_idx = q->event_idx, broken = q->broken;

	virtq_reset(q);
	q->indirect = indirect;
	q->event_idx = event_idx;
	q->broken = broken; /* only a device reset mends */
	q->kicks = kicks;
	q->interrupts = interrupts;
	v->ops->queue_reset(v, i);
}

bool vdev_live(const struct vdev *v, unsigned i)
{
	return v->status & VIRTIO_DRIVER_OK &&
	       !(v->status & (VIRTIO_NEEDS_RESET | VIRTIO_FAILED)) && !v->quiet && v->vq[i].ready &&
	       v->transport->dma_ok(v);
}

void vdev_config_changed(struct vdev *v)
{
	v->generation++;
	if (!(v->status & VIRTIO_DRIVER_OK))
		return; /* §2.1.2: no notification before DRIVER_OK; the driver reads it anyway */
	if (v->quiet)
		v->config_pending = true;
	else
		v->transport->config_interrupt(v);
}

void vdev_used(struct vdev *v, unsigned i)
{
	if (!virtq_needs_interrupt(&v->vq[i]))
		return;
	v->vq[i].interrupts++;
	v->transport->interrupt(v, i);
}

void vdev_resume(struct vdev *v)
{
	unsigned i;

	if (v->config_pending) {
		v->config_pending = false;
		v->transport->config_interrupt(v);
	}
	/* A kick that came just before the pause, or before the snapshot, may be lost: look at
	 * every queue. */
	for (i = 0; i < v->ops->nqueues; i++)
		v->transport->requeue(v, i);
	if (v->ops->resume)
		v->ops->resume(v);
}

void vdev_describe(const struct vdev *v, struct vmc_device_info *info)
{
	unsigned i;

	info->virtio_type = v->ops->virtio_id;
	info->features_offered = v->offered;
	info->features_negotiated = v->features;
	info->status = v->status;
	info->nqueues = v->ops->nqueues;
	for (i = 0; i < v->ops->nqueues; i++) {
		const struct virtq *q = &v->vq[i];

		info->queues[i].ready = q->ready;
		info->queues[i].size = q->size;
		info->queues[i].avail_idx = virtq_avail_idx(q);
		info->queues[i].used_idx = q->used_idx;
		info->queues[i].desc = q->desc;
		info->queues[i].avail = q->avail;
		info->queues[i].used = q->used;
		info->queues[i].kicks = q->kicks;
		info->queues[i].interrupts = q->interrupts;
	}
	info->broken = v->status & VIRTIO_NEEDS_RESET;
	if (info->broken)
		snprintf(info->note, sizeof(info->note), "%s", v->note);
	else if (v->ops->describe)
		v->ops->describe(v, info->note, sizeof(info->note));
}

void vdev_save(const struct vdev *v, struct vmc_out *out)
{
	unsigned i;

	vmc_out_u64(out, v->offered);
	vmc_out_u64(out, v->features);
	vmc_out_u8(out, v->status);
	vmc_out_u8(out, v->generation);
	vmc_out_u8(out, v->config_pending);
	vmc_out_bytes(out, v->note, sizeof(v->note));
	vmc_out_u8(out, v->ops->nqueues);
	for (i = 0; i < v->ops->nqueues; i++)
		virtq_save(&v->vq[i], out);
}

int vdev_load(const struct vdev *v, struct vdev *to, struct vmc_in *in)
{
	uint64_t offered = vmc_in_u64(in);
	unsigned i, n;
	int rc;

	*to = *v;
	to->features = vmc_in_u64(in);
	to->status = vmc_in_u8(in);
	to->generation = vmc_in_u8(in);
	to->config_pending = vmc_in_u8(in);
	virtq_load_text(in, to->note, sizeof(to->note));
	n = vmc_in_u8(in);
	if (in->error)
		return in->error;
	if (offered & ~v->offered)
		return vmc_in_fail(in, -EBADMSG,
			"saved device offers features %#llx, this one %#llx",
			(unsigned long long)offered, (unsigned long long)v->offered);
	if (to->status & VIRTIO_FEATURES_OK && !features_ok(to))
		return vmc_in_fail(in, -EBADMSG, "features %#llx cannot have been negotiated",
			(unsigned long long)to->features);
	if (n != v->ops->nqueues)
		return vmc_in_fail(
			in, -EBADMSG, "%u queues, this device has %u", n, v->ops->nqueues);
	for (i = 0; i < n; i++) {
		rc = virtq_load(&to->vq[i], in);
		if (rc < 0)
			return rc;
		if (to->vq[i].ready && !(to->status & VIRTIO_FEATURES_OK))
			return vmc_in_fail(in, -EBADMSG, "queue %u is ready before FEATURES_OK", i);
		to->vq[i].indirect = to->features & VIRTIO_BIT(VIRTIO_F_INDIRECT_DESC);
		to->vq[i].event_idx = to->features & VIRTIO_BIT(VIRTIO_F_EVENT_IDX);
	}
	return 0;
}
