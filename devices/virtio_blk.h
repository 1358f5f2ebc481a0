/* virtio_blk.h - making a disk, and asking it things. Owner thread. */
#ifndef DEVICES_VIRTIO_BLK_H
#define DEVICES_VIRTIO_BLK_H
#include "devices/disk.h"
#include "devices/virtio.h"

struct block;
struct event_base;

/** virtio_blk_new() - @events may be NULL. */
int virtio_blk_new(struct vmc_vm *vm, struct event_base *base, const struct disk_config *cfg,
	unsigned number, const struct disk_events *events, struct vdev **out);
/** virtio_blk_info() - device lock held. */
void virtio_blk_info(const struct vdev *v, struct disk_info *info);
/** virtio_blk_block() - what is behind it; also to take it out of the event loop. */
struct block *virtio_blk_block(struct vdev *v);

#endif
