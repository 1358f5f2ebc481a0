/*
 * balloon.h - a VM's memory balloon as its host end sees it: how big it shall be, how big it is, what the guest
 * says of its memory. Main loop; the functions in machine.h take the device lock.
 */
#ifndef DEVICES_BALLOON_H
#define DEVICES_BALLOON_H
#include <stdbool.h>
#include <stdint.h>

/* virtio 1.2 §5.5.6.4, in the order of their tags. */
#define BALLOON_STATS 10

struct balloon_info {
	bool driver;	       /* the guest has one at work */
	uint64_t target;       /* bytes that shall be in the balloon */
	uint64_t actual;       /* as many are, says the guest */
	uint64_t held;	       /* bytes of pages that it has handed over and not taken back */
	uint64_t reported;     /* bytes of free pages that it has told of, in all; it uses them again as it likes */
	uint64_t refused;      /* pages it named that are not its RAM */
	uint64_t repeated;     /* pages handed over twice, or taken back without having been handed over */
	int64_t stats_time_s;  /* when the statistics came, seconds since 1970; 0: never */
	uint32_t stats_known;  /* a bit for each of stats[] */
	uint64_t stats[BALLOON_STATS];
};

/** balloon_stat_name() - QEMU's name of a statistic: "stat-free-memory". */
const char *balloon_stat_name(unsigned tag);

#endif
