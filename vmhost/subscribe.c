/*
 * subscribe.c - see subscribe.h. Main thread. A sample is made only when the last one has left the
 * socket: a slow reader gets fewer samples, and costs the VM less, not more. And no more often than what samples cost
 * allows: the loop that makes them serves the devices too.
 */
#include "vmhost/subscribe.h"
#include "vmhost/control.h"
#include "vmhost/heat.h"
#include "vmhost/host.h"
#include "vmhost/inspect.h"
#include "vmhost/log.h"
#include "vmhost/qmp.h"
#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>
#include <sys/resource.h>

struct subscription {
	struct host *host;
	struct qmp_conn *conn;
	struct subscribe_params p;
	struct event *timer;
	struct heat *heat;
	uint64_t seq;
	uint64_t map_us, registers_us; /* when they were last told */
	uint64_t next_us; /* no sample before */
};

#define SHARE 10 /* one part in so many of the loop's time, for samples */

/* Residency asks the kernel about every page of RAM: not ten times a second for a fast heatmap's
 * sake. */
#define MAP_EVERY_US 900000

static uint64_t process_cpu_us(void)
{
	struct rusage ru;

	if (getrusage(RUSAGE_SELF, &ru) < 0)
		return 0;
	return (uint64_t)(ru.ru_utime.tv_sec + ru.ru_stime.tv_sec) * 1000000 +
	       (uint64_t)(ru.ru_utime.tv_usec + ru.ru_stime.tv_usec);
}

static json_t *cpus(struct subscription *sub)
{
	uint32_t n = vmc_vcpu_count(sub->host->vm);
	json_t *list = json_array(), *cpu, *regs;
	bool with_regs = sub->p.topics & SUB_REGISTERS;
	char err[256];

	/* Those of a running vCPU cost it a stop. */
	if (with_regs && vmc_vm_is_running(sub->host->vm)) {
		with_regs = host_now_us() - sub->registers_us >= sub->p.registers_ms * 1000ull;
		if (with_regs)
			sub->registers_us = host_now_us();
	}
	for (uint32_t i = 0; i < n; i++) {
		cpu = inspect_cpu(sub->host->vm, i);
		if (with_regs) {
			regs = inspect_registers(sub->host, i, err, sizeof(err));
			if (regs)
				json_object_set_new(cpu, "registers", regs);
		}
		json_array_append_new(list, cpu);
	}
	return list;
}

static json_t *sample(struct subscription *sub)
{
	struct host *h = sub->host;
	json_t *data = json_pack("{s:I, s:I, s:s, s:I, s:I, s:o}", "seq", (json_int_t)++sub->seq,
		"time-us", (json_int_t)host_now_us(), "status", host_status(h), "rss",
		(json_int_t)inspect_rss(h), "process-cpu-us", (json_int_t)process_cpu_us(), "cpus",
		cpus(sub));
	char err[320];
	json_t *v;

	if (sub->heat && heat_is_due(sub->heat)) {
		v = heat_take(sub->heat, sub->p.heat_start, sub->p.heat_size, sub->p.heat_cells,
			true, err, sizeof(err));
		if (v)
			json_object_set_new(data, "heat", v);
		else
			log_line(h->log, "heat sample: %s", err);
	}
	if ((sub->p.topics & SUB_MAP) &&
		(!sub->map_us || host_now_us() - sub->map_us >= MAP_EVERY_US)) {
		sub->map_us = host_now_us();
		json_object_set_new(data, "memory-map", inspect_map(h));
	}
	return data;
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct subscription *sub = arg;
	uint64_t began = host_now_us();
	json_t *data;

	if (began < sub->next_us || !conn_taken(sub->conn))
		return;
	data = sample(sub);
	if (data)
		conn_event(sub->conn, "X_SAMPLE", data);
	sub->next_us = host_now_us();
	sub->next_us += (sub->next_us - began) * (SHARE - 1);
}

int subscription_new(struct host *h, struct qmp_conn *conn, const struct subscribe_params *p,
	struct subscription *old, struct subscription **out)
{
	struct subscription *sub = calloc(1, sizeof(*sub));
	struct timeval every = {p->interval_ms / 1000, (p->interval_ms % 1000) * 1000};
	int rc = -ENOMEM;

	if (!sub)
		return rc;
	sub->host = h;
	sub->conn = conn;
	sub->p = *p;
	sub->timer = event_new(h->base, -1, EV_PERSIST, on_timer, sub);
	rc = sub->timer && event_add(sub->timer, &every) == 0 ? 0 : -ENOMEM;
	if (rc == 0 && p->topics & SUB_HEAT && old && old->heat) {
		sub->heat = old->heat; /* with what it knows of its cost */
		old->heat = NULL;
	} else if (rc == 0 && p->topics & SUB_HEAT) {
		rc = heat_new(h->vm, "subscription", &sub->heat);
	}
	if (rc < 0)
		subscription_free(sub);
	else
		*out = sub;
	return rc;
}

void subscription_free(struct subscription *sub)
{
	if (!sub)
		return;
	if (sub->timer)
		event_free(sub->timer);
	heat_free(sub->heat);
	free(sub);
}
