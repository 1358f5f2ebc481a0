/*
 * virtio_balloon_priv.h - what virtio_balloon.c and virtio_balloon_stats.c share.
 */
#ifndef DEVICES_VIRTIO_BALLOON_PRIV_H
#define DEVICES_VIRTIO_BALLOON_PRIV_H
#include "devices/balloon.h"
#include "devices/models.h"
#include "devices/work.h"

#include <stddef.h>

struct event;

enum { INFLATE, DEFLATE, STATS, REPORT_OLD, REPORT, QUEUES };
enum { TURN_CHAINS = 128 }; /* chains looked at in one turn of the main loop */

struct balloon {
	struct vdev v;
	uint64_t ram_pages;
	uint32_t target, actual; /* pages: num_pages and actual of the configuration */
	uint32_t told;		 /* actual as the host end knows it */
	uint32_t done[2];	 /* bytes of the chain at the head of INFLATE, DEFLATE that are worked off */
	uint64_t *held;		 /* a bit a page frame: handed over */
	uint64_t held_words, held_pages;
	struct balloon_info counts; /* reported, refused, repeated, statistics */
	bool stats_here;	    /* the guest's statistics buffer is with us ... */
	uint16_t stats_head;	    /* ... this one */
	uint64_t poll_until_ms;
	uint32_t poll_ms;
	struct dev_work changed; /* actual changed: tell, on the main loop */
	struct event *tell_timer, *poll_timer;
	void (*tell)(void *host, uint64_t actual);
	void *host;
	struct virtq_chain chain;
};

static inline struct balloon *balloon(struct vdev *v)
{
	return (struct balloon *)((char *)v - offsetof(struct balloon, v));
}

static inline const struct balloon *const_balloon(const struct vdev *v)
{
	return (const struct balloon *)((const char *)v - offsetof(struct balloon, v));
}

/** balloon_next_chain() - of @queue, asking for a kick when there is none. Return: as virtq_peek(). */
int balloon_next_chain(struct balloon *b, unsigned queue);
void balloon_timer(struct event *timer, uint32_t ms);
void balloon_stats_kick(struct balloon *b);
/** balloon_stats_timer() - for evtimer_new(): ask again while somebody wants to know. */
void balloon_stats_timer(int fd, short what, void *arg);

#endif
