/*
 * virtq.h - split virtqueues, the device's side (virtio 1.2 §2.7).
 *
 * A queue holds no pointer into guest memory: every call translates and checks the ring again, so
 * memory may come and go. What the guest hands over (index, length, address) is copied once,
 * checked, then used. A guest that breaks a rule breaks the queue: it says why once and gives
 * nothing any more until reset.
 *
 * Threads: the ring itself (peek ... push, notify) on the main loop; everything with the device
 * lock held.
 */
#ifndef DEVICES_VIRTQ_H
#define DEVICES_VIRTQ_H
#include <sys/types.h>
#include <vmcore/vmcore.h>

#define VIRTQ_SIZE_MAX                                                                             \
	256 /* also the longest chain: §2.7.5.3.1 forbids chains longer than the queue */

struct virtq {
	struct vmc_vm *vm;
	unsigned index;    /* in its device, for messages */
	uint16_t size_max; /* power of two, <= VIRTQ_SIZE_MAX */
	/* set by the driver through the transport */
	uint16_t size;
	uint64_t desc, avail, used; /* gpa */
	bool ready;                 /* enabled, and the addresses were checked then */
	/* negotiated */
	bool indirect, event_idx;
	/* where the device is */
	uint16_t next_avail; /* the next avail entry to take */
	uint16_t used_idx;   /* of the next used element */
	uint16_t signalled;  /* used_idx when the driver was last told */
	bool broken;
	char why[80]; /* what the guest did, when broken */
	uint64_t kicks, interrupts;
	void (*broke)(struct virtq *q); /* called once when it breaks; may be NULL */
	void *owner;
};

struct virtq_seg {
	uint64_t gpa;
	uint32_t len; /* never 0 */
};

/* One descriptor chain: first what the device reads (out), then what it writes (in). */
struct virtq_chain {
	uint16_t head;
	uint16_t nout, nin;
	uint32_t out_len, in_len; /* bytes in all */
	struct virtq_seg seg[VIRTQ_SIZE_MAX];
};

void virtq_init(struct virtq *q, struct vmc_vm *vm, unsigned index, uint16_t size_max);
/** virtq_reset() - as after virtq_init(), the counters too; wiring (broke, owner) stays. */
void virtq_reset(struct virtq *q);
/** virtq_enable() - check size, alignment and addresses, and start at index 0. On a bad ring the
 * queue breaks: -EINVAL. */
int virtq_enable(struct virtq *q);

/**
 * virtq_peek() - look at the next chain without taking it. A later peek reads it again.
 * Return: 1 with @c filled, 0 when there is none (or the queue is not ready), -EPROTO when broken.
 */
int virtq_peek(struct virtq *q, struct virtq_chain *c);
/** virtq_peek_ahead() - the same for the chain that follows after @ahead others. */
int virtq_peek_ahead(struct virtq *q, uint16_t ahead, struct virtq_chain *c);
/** virtq_chain_at() - read again the chain at @head, which was taken and not yet pushed. Return: 0,
 * or -EPROTO when broken. */
int virtq_chain_at(struct virtq *q, uint16_t head, struct virtq_chain *c);
/** virtq_take() - what peek showed is ours now; every taken chain must be pushed once. */
void virtq_take(struct virtq *q);
/** virtq_push() - give chain @head back with @written bytes in its writable part. */
int virtq_push(struct virtq *q, uint16_t head, uint32_t written);
/** virtq_push_many() - several at once: the driver sees all of them or none (§5.1.6.4 wants it). */
struct virtq_done {
	uint16_t head;
	uint32_t written;
};
int virtq_push_many(struct virtq *q, const struct virtq_done *done, unsigned n);
/** virtq_needs_interrupt() - does the driver want to hear of what was pushed? Asking counts as
 * telling. */
bool virtq_needs_interrupt(struct virtq *q);

/** virtq_notify_off() - spare us kicks while we work anyway (a hint). */
void virtq_notify_off(struct virtq *q);
/** virtq_notify_on() - ask for a kick. Return: true when a chain came in between: look again. */
bool virtq_notify_on(struct virtq *q);
/** virtq_avail_idx() - the driver's index now, for describe; 0 when unreadable. */
uint16_t virtq_avail_idx(const struct virtq *q);

/** virtq_read()/virtq_write() - copy from the readable / to the writable part of a chain, at byte
 * @off. Return: bytes copied (short at the end), -EPROTO when memory went away (the queue is broken
 * then). */
ssize_t virtq_read(
	struct virtq *q, const struct virtq_chain *c, uint32_t off, void *buf, size_t len);
ssize_t virtq_write(
	struct virtq *q, const struct virtq_chain *c, uint32_t off, const void *buf, size_t len);

/** virtq_break() - the guest broke a rule of the device on this queue. Return: -EPROTO. */
int virtq_break(struct virtq *q, const char *fmt, ...) VMC_PRINTF(2, 3);

/** virtq_load_text() - a message out of a saved state: @size bytes, made safe to print. */
void virtq_load_text(struct vmc_in *in, char *text, size_t size);
void virtq_save(const struct virtq *q, struct vmc_out *out);
/** virtq_load() - read and check into @q, a copy of the queue that is to be (wiring and size_max
 * set). */
int virtq_load(struct virtq *q, struct vmc_in *in);

#endif
