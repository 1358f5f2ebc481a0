/*
 * exits.h - rates of a vCPU from the counters of successive samples: exits a second by reason, CPU time.
 * Pure, of the thread that owns the struct.
 */
#ifndef TUI_EXITS_H
#define TUI_EXITS_H
#include <stdbool.h>
#include <stdint.h>
#include <vmcore/vcpu.h>

struct exit_rates {
	bool primed;		 /* one sample seen: differences make sense from now on */
	uint64_t time_us, cpu_ns;
	uint64_t exits[VMC_EXIT_REASONS];
	double rate[VMC_EXIT_REASONS]; /* a second, smoothed over about a second */
	double cpu;		 /* 0..1 of a host core */
	uint64_t total;		 /* exits since the vCPU began */
	uint64_t sorted_us;
	uint8_t order[VMC_EXIT_REASONS]; /* reasons that ever came, busiest first */
	unsigned norder;
};

/** exit_rates_feed() - one sample. Counters that went back (reset, load) begin anew. */
void exit_rates_feed(struct exit_rates *r, uint64_t time_us, uint64_t cpu_ns,
	const uint64_t exits[VMC_EXIT_REASONS]);
/** exit_rates_still() - the VM has stopped: no CPU and no exits from now on, not over a second. */
void exit_rates_still(struct exit_rates *r);
/** exit_reason_name() - as the protocol has it: "io-in" (vmc_exit_name() is the engine's). */
const char *exit_reason_name(enum vmc_exit_reason reason);
double exit_rates_sum(const struct exit_rates *r);

#endif
