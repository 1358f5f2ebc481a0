/*
 * subscribe.h - x-subscribe: samples at an interval, to those who take them. Main thread.
 */
#ifndef VMHOST_SUBSCRIBE_H
#define VMHOST_SUBSCRIBE_H
#include <stdint.h>

struct host;
struct qmp_conn;
struct subscription;

enum { SUB_STATS = 1, SUB_REGISTERS = 2, SUB_HEAT = 4, SUB_MAP = 8 };

struct subscribe_params {
	uint32_t topics, interval_ms;
	uint32_t registers_ms; /* registers of a running VM no more often than this */
	uint64_t heat_start, heat_size;
	uint32_t heat_cells;
};

/** subscription_new() - the first sample comes after one interval. It takes the place of @old, which is freed by the
 * caller; NULL: there was none. 0 or -errno. */
int subscription_new(struct host *h, struct qmp_conn *conn, const struct subscribe_params *p,
	struct subscription *old, struct subscription **out);
void subscription_free(struct subscription *sub); /* NULL is fine */

#endif
