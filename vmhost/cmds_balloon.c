/*
 * cmds_balloon.c - the memory balloon's commands: QEMU's two (QEMU 7.2 qapi/machine.json), and its guest statistics,
 * which QEMU gives as an object's property. Main thread.
 */
#include "devices/balloon.h"
#include "vmhost/cmds.h"
#include "vmhost/host.h"
#include <inttypes.h>

static json_t *fail(struct qmp_call *call)
{
	call->class = "DeviceNotActive"; /* as QEMU says it when there is none */
	return qmp_fail(call, "%s; --balloon yes at its start gives it one", vmc_error(call->host->vm));
}

static json_t *cmd_balloon(struct qmp_call *call)
{
	uint64_t ram = vmc_mem_size(call->host->vm), value;

	if (!qmp_u64(call, "value", 0, 0, UINT64_MAX, &value))
		return NULL;
	if (!value)
		return qmp_fail(call, "'value' is how much memory the guest shall keep: 1 to %" PRIu64 " bytes", ram);
	return machine_balloon_set(call->host->machine, value) < 0 ? fail(call) : json_object();
}

static json_t *cmd_query_balloon(struct qmp_call *call)
{
	struct balloon_info b;

	if (machine_balloon_info(call->host->machine, 0, &b) < 0)
		return fail(call);
	return json_pack("{s:I}", "actual", (json_int_t)(vmc_mem_size(call->host->vm) - b.actual));
}

static json_t *cmd_stats(struct qmp_call *call)
{
	uint64_t ram = vmc_mem_size(call->host->vm), interval;
	json_t *stats;
	struct balloon_info b;

	if (!qmp_u64(call, "interval-ms", 1000, 100, 60000, &interval))
		return NULL;
	if (machine_balloon_info(call->host->machine, (uint32_t)interval, &b) < 0)
		return fail(call);
	stats = json_object();
	for (unsigned i = 0; i < BALLOON_STATS; i++)
		if (b.stats_known >> i & 1) /* JSON's integers have a sign */
			json_object_set_new(stats, balloon_stat_name(i),
				json_integer((json_int_t)(b.stats[i] & INT64_MAX)));
	return json_pack("{s:b, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:o}", "driver", b.driver, "ram",
		(json_int_t)ram, "wanted", (json_int_t)(ram - b.target), "actual", (json_int_t)(ram - b.actual), "held",
		(json_int_t)b.held, "reported", (json_int_t)b.reported, "refused-pages", (json_int_t)b.refused,
		"repeated-pages", (json_int_t)b.repeated, "last-update", (json_int_t)b.stats_time_s, "stats", stats);
}

const struct qmp_command cmds_balloon[] = {
	{"balloon", "value:u", cmd_balloon},
	{"query-balloon", "", cmd_query_balloon},
	{"x-balloon-stats", "interval-ms?:u", cmd_stats},
	{NULL, NULL, NULL},
};
