/*
 * exits.c - rates of a vCPU from its counters. Pure; of the thread that owns the struct.
 *
 * A list that reorders itself ten times a second cannot be read: rates are smoothed, and the order changes at most
 * every two seconds, and only where one reason is clearly busier than the one above it.
 */
#include <string.h>
#include "tui/exits.h"

#define SMOOTH_US 700000.0
#define RESORT_US 2000000
#define CLEARLY	  1.25 /* this much busier to move up */
#define MOST	  1e12 /* a second: more is nonsense of a VM that went wrong */

const char *exit_reason_name(enum vmc_exit_reason reason)
{
	static const char *const names[] = {
		[VMC_EXIT_IO_IN] = "io-in", [VMC_EXIT_IO_OUT] = "io-out", [VMC_EXIT_MMIO_READ] = "mmio-read",
		[VMC_EXIT_MMIO_WRITE] = "mmio-write", [VMC_EXIT_HYPERCALL] = "hypercall",
		[VMC_EXIT_HALT] = "halt", [VMC_EXIT_SHUTDOWN] = "shutdown", [VMC_EXIT_RESET] = "reset",
		[VMC_EXIT_DEBUG] = "debug", [VMC_EXIT_INTR] = "intr", [VMC_EXIT_DIRTY_RING] = "dirty-ring",
		[VMC_EXIT_ERROR] = "error",
	};

	return (unsigned)reason < VMC_EXIT_REASONS ? names[reason] : "?";
}

static void begin(struct exit_rates *r, uint64_t time_us, uint64_t cpu_ns, const uint64_t *exits)
{
	memset(r, 0, sizeof(*r));
	r->primed = true;
	r->time_us = time_us;
	r->cpu_ns = cpu_ns;
	memcpy(r->exits, exits, sizeof(r->exits));
	r->sorted_us = time_us;
}

static bool went_back(const struct exit_rates *r, uint64_t time_us, uint64_t cpu_ns, const uint64_t *exits)
{
	for (unsigned i = 0; i < VMC_EXIT_REASONS; i++)
		if (exits[i] < r->exits[i])
			return true;
	return time_us < r->time_us || cpu_ns < r->cpu_ns;
}

static bool in_order(const struct exit_rates *r, unsigned reason)
{
	for (unsigned i = 0; i < r->norder; i++)
		if (r->order[i] == reason)
			return true;
	return false;
}

static void count_total(struct exit_rates *r)
{
	r->total = 0;
	for (unsigned i = 0; i < VMC_EXIT_REASONS; i++) {
		r->total += r->exits[i];
		if (r->exits[i] && !in_order(r, i))
			r->order[r->norder++] = (uint8_t)i;
	}
}

static void resort(struct exit_rates *r, double clearly)
{
	for (unsigned i = 1; i < r->norder; i++) {
		uint8_t moving = r->order[i];
		unsigned at = i;

		for (; at && r->rate[moving] > r->rate[r->order[at - 1]] * clearly + 0.5; at--)
			r->order[at] = r->order[at - 1];
		r->order[at] = moving;
	}
}

void exit_rates_feed(struct exit_rates *r, uint64_t time_us, uint64_t cpu_ns,
	const uint64_t exits[VMC_EXIT_REASONS])
{
	double dt, keep;
	bool second;

	if (!r->primed || went_back(r, time_us, cpu_ns, exits)) {
		begin(r, time_us, cpu_ns, exits);
		count_total(r);
		return;
	}
	dt = (double)(time_us - r->time_us);
	if (dt <= 0)
		return;
	/* The first difference is shown as it is; after that each sample counts by its length. */
	second = r->sorted_us == r->time_us && r->cpu == 0 && exit_rates_sum(r) == 0;
	keep = second || dt >= SMOOTH_US ? 0 : 1 - dt / SMOOTH_US;
	for (unsigned i = 0; i < VMC_EXIT_REASONS; i++) {
		double now = (double)(exits[i] - r->exits[i]) * 1e6 / dt;

		if (now > MOST)
			now = MOST;
		r->rate[i] = r->rate[i] * keep + now * (1 - keep);
		if (r->rate[i] < 0.05)
			r->rate[i] = 0;
	}
	r->cpu = r->cpu * keep + (double)(cpu_ns - r->cpu_ns) / 1000 / dt * (1 - keep);
	if (r->cpu > MOST)
		r->cpu = MOST;
	r->time_us = time_us;
	r->cpu_ns = cpu_ns;
	memcpy(r->exits, exits, sizeof(r->exits));
	count_total(r);
	if (second || time_us - r->sorted_us >= RESORT_US) {
		resort(r, second ? 1.0 : CLEARLY);
		r->sorted_us = time_us;
	}
}

void exit_rates_still(struct exit_rates *r)
{
	memset(r->rate, 0, sizeof(r->rate));
	r->cpu = 0;
}

double exit_rates_sum(const struct exit_rates *r)
{
	double sum = 0;

	for (unsigned i = 0; i < VMC_EXIT_REASONS; i++)
		sum += r->rate[i];
	return sum;
}
