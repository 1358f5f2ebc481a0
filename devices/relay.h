/*
 * relay.h - the driver's side of a split virtqueue (virtio 1.2 §2.7) in memory of ours: the buffers of a guest's
 * queue, checked by virtq.c, on their way to somebody else (vhost.h) and back.
 *
 * Descriptors hold guest addresses; the guest can see and change none of it. Threads: device lock held, as virtq.h.
 */
#ifndef DEVICES_RELAY_H
#define DEVICES_RELAY_H
#include "devices/virtq.h"

#define RELAY_SIZE 1024 /* descriptors: room for the longest chain (VIRTQ_SIZE_MAX) several times */

struct relay_desc_entry {
	uint64_t addr;
	uint32_t len;
	uint16_t flags, next;
};

struct relay_avail_ring {
	uint16_t flags, idx;
	uint16_t ring[RELAY_SIZE + 1];
};

struct relay_used_ring {
	uint16_t flags, idx;
	struct {
		uint32_t id, len;
	} ring[RELAY_SIZE];
	uint16_t avail_event;
};

struct relay {
	struct vmc_vm *vm;
	/* shared with the other side; separate allocations, aligned as §2.7 wants it */
	struct relay_desc_entry *desc;
	struct relay_avail_ring *avail;
	struct relay_used_ring *used;
	/* ours alone, so nothing that the other side writes is trusted */
	uint16_t next[RELAY_SIZE]; /* of each free descriptor, and of each in a chain */
	uint16_t free, nfree;
	uint16_t avail_idx, used_seen;
	struct {
		uint16_t head;  /* what the guest calls it */
		uint16_t count; /* descriptors; 0: not in use */
		uint16_t nout;  /* of them, those that are read */
	} chain[RELAY_SIZE]; /* by the number of its first descriptor */
};

/** relay_init() - Return: 0, -ENOMEM. */
int relay_init(struct relay *r, struct vmc_vm *vm);
void relay_fini(struct relay *r); /* fine on a zeroed one */
/** relay_clear() - as new. The other side must have stopped. */
void relay_clear(struct relay *r);
/** relay_add() - pass a chain on. Return: false when there are too few descriptors left. */
bool relay_add(struct relay *r, const struct virtq_chain *c);
/** relay_wants_kick() - after adding: does the other side sleep? */
bool relay_wants_kick(const struct relay *r);
/** relay_take() - a chain that has come back; pages that were written are marked. Return: 1, 0 when there is none,
 * -EPROTO when the other side talks nonsense. */
int relay_take(struct relay *r, struct virtq_done *done);

#endif
