/*
 * smp.c - several vCPUs: how they are woken, how they call each other, and what they do to shared
 * data. Ring 3 on every vCPU. vCPU 0 draws and leads; the others sleep until its IPI starts a
 * round.
 *
 * A round, four times a second: each vCPU works for a slice of time (primes), passes a token round
 * by IPI, or adds to a shared counter with or without a lock. Between rounds everybody is in HLT.
 */
#include "screen.h"

const char rt_program[] = "smp";

#define ROUND_US     250000
#define IPIS_A_ROUND 4

enum job { IDLE, WORK, ADD };

struct worker {
	volatile enum job job;
	volatile uint64_t until_us;
	volatile uint64_t primes, added; /* work done, ever */
	volatile bool locked, done;
	volatile uint64_t pings; /* tokens passed on */
	uint64_t shown_primes, rate, irqs_before, irq_rate, next;
} __attribute__((aligned(128)));

static struct worker workers[MAX_CPUS];
static unsigned ncpus = 1;
static bool paused;
static uint64_t slice_us = 15000;

static volatile uint64_t token_cpu;
static uint64_t trips, trip_sum_us, trip_min_us = UINT64_MAX, trip_max_us, trip_lost;

static volatile uint64_t shared __attribute__((aligned(128)));
static volatile uint32_t lock_word __attribute__((aligned(128)));
static uint64_t add_expected[2], add_found[2], contended; /* without and with the lock */

/* ---- what every vCPU does ---- */

static bool is_prime(uint64_t n)
{
	for (uint64_t d = 3; d * d <= n; d += 2)
		if (n % d == 0)
			return false;
	return true;
}

static void work(struct worker *w)
{
	if (w->next < 3)
		w->next = 1000003 + rt_cpu()->index * 1000000;
	while (rt_now_us() < w->until_us)
		for (unsigned i = 0; i < 20; i++, w->next += 2)
			w->primes += is_prime(w->next);
}

static void lock(void)
{
	while (__atomic_exchange_n(&lock_word, 1, __ATOMIC_ACQUIRE)) {
		__atomic_fetch_add(&contended, 1, __ATOMIC_RELAXED);
		while (lock_word)
			__asm__ volatile("pause");
	}
}

static void add(struct worker *w)
{
	while (rt_now_us() < w->until_us)
		for (unsigned i = 0; i < 100; i++) {
			if (w->locked)
				lock();
			shared = shared + 1; /* read, add, write: three steps, and others do theirs
						in between */
			if (w->locked)
				__atomic_store_n(&lock_word, 0, __ATOMIC_RELEASE);
			w->added++;
		}
}

static void do_job(struct worker *w)
{
	if (w->job == WORK)
		work(w);
	else if (w->job == ADD)
		add(w);
	w->job = IDLE;
	w->done = true;
}

static void worker(void *arg)
{
	struct worker *w = arg;
	unsigned me = rt_cpu()->index;

	for (;;) {
		rt_wait(RT_FOREVER);
		if (token_cpu == me) { /* ours to pass on */
			unsigned to = (me + 1) % ncpus;

			w->pings++;
			token_cpu = to;
			rt_ipi(to, VEC_IPI);
		}
		if (w->job != IDLE)
			do_job(w);
	}
}

/* ---- rounds, led by vCPU 0 ---- */

static void all_do(enum job job, bool locked)
{
	uint64_t until = rt_now_us() + slice_us;

	for (unsigned i = 0; i < ncpus; i++) {
		workers[i].until_us = until;
		workers[i].locked = locked;
		workers[i].done = false;
		workers[i].job = job;
		if (i)
			rt_ipi(i, VEC_WAKE);
	}
	do_job(&workers[0]);
	for (unsigned i = 1; i < ncpus; i++)
		while (!workers[i].done) /* its slice ends by itself; a count taken sooner would be
					    wrong */
			__asm__ volatile("pause");
}

static void ping(void)
{
	uint64_t start, us, limit;

	if (ncpus < 2)
		return;
	start = rt_now_us();
	limit = start + 500000;
	token_cpu = 1;
	rt_ipi(1, VEC_IPI);
	while (token_cpu != 0 && rt_now_us() < limit)
		rt_wait(100000);
	us = rt_now_us() - start;
	if (token_cpu != 0) {
		trip_lost++;
		token_cpu = 0;
		return;
	}
	trips++;
	trip_sum_us += us;
	trip_min_us = us < trip_min_us ? us : trip_min_us;
	trip_max_us = us > trip_max_us ? us : trip_max_us;
}

static void contend(bool locked)
{
	uint64_t before = 0, after = 0, start = shared;

	for (unsigned i = 0; i < ncpus; i++)
		before += workers[i].added;
	all_do(ADD, locked);
	for (unsigned i = 0; i < ncpus; i++)
		after += workers[i].added;
	add_expected[locked] += after - before;
	add_found[locked] += shared - start;
}

static void round_of_all(uint64_t n)
{
	all_do(WORK, false);
	contend(n & 1);
	for (unsigned i = 0; i < IPIS_A_ROUND; i++)
		ping();
}

/* ---- screen ---- */

static void rates(uint64_t us)
{
	for (unsigned i = 0; i < ncpus; i++) {
		struct worker *w = &workers[i];
		uint64_t irqs = rt_cpus[i].irqs[VEC_IPI] + rt_cpus[i].irqs[VEC_WAKE];

		w->rate = rt_muldiv(w->primes - w->shown_primes, 1000000, us);
		w->irq_rate = rt_muldiv(irqs - w->irqs_before, 1000000, us);
		w->shown_primes = w->primes;
		w->irqs_before = irqs;
	}
}

static int cpu_rows(int row, unsigned cols)
{
	uint64_t most = 1;

	for (unsigned i = 0; i < ncpus; i++)
		most = workers[i].rate > most ? workers[i].rate : most;
	for (unsigned i = 0; i < ncpus; i++, row++) {
		int width = cols > 76 ? 30 : (int)cols - 34 > 4 ? (int)cols - 34 : 4, col;

		scr_printf(row, 1, ST_KEY, "vCPU%u", i);
		scr_bar(row, 7, width, i ? ST_BAR2 : ST_BAR, workers[i].rate, most);
		col = scr_printf(row, 8 + width, ST_PLAIN, "%5lu primes/s", workers[i].rate);
		col = scr_printf(row, col + 1, ST_DIM, "%lu IPI/s", workers[i].irq_rate);
		if (cols > 76 && i)
			scr_printf(row, col + 1, ST_DIM, "up in %lu us", rt_cpus[i].sipi_us);
		else if (cols > 76)
			scr_text(row, col + 1, ST_DIM, "boot CPU");
	}
	return row;
}

static int shared_rows(int row)
{
	int col;

	for (unsigned locked = 0; locked < 2; locked++, row++) {
		uint64_t lost = add_expected[locked] - add_found[locked];

		scr_text(row, 1, ST_KEY, locked ? "lock" : "no lock");
		col = scr_printf(row, 9, ST_PLAIN, "%'lu adds, ", add_expected[locked]);
		if (lost)
			scr_printf(row, col, ST_BAD, "%'lu lost", lost);
		else
			scr_text(row, col, ST_GOOD, "none lost");
	}
	return row;
}

static void draw(void)
{
	unsigned cols, rows;
	int row = 1, bottom;

	scr_begin(&cols, &rows);
	scr_title("smp", "vCPUs at work together");
	bottom = scr_keys("p pause  +- longer, shorter slices  r reset counts");
	if (rows > 14)
		row++;
	row = cpu_rows(row, cols);
	if (rows > 14)
		row++;
	if (ncpus == 1) {
		if (row < bottom)
			scr_text(row++, 1, ST_WARN, "This VM has one vCPU. Give it more:");
		if (row < bottom)
			scr_text(row++, 1, ST_PLAIN, "vcpus = 2; in its definition, or --vcpus 2");
	} else if (row < bottom) {
		scr_text(row, 1, ST_KEY, "IPI lap");
		scr_printf(row++, 9, ST_PLAIN, "%lu us mean, %lu min, %lu max",
			trips ? trip_sum_us / trips : 0, trips ? trip_min_us : 0, trip_max_us);
	}
	if (row + 1 < bottom)
		row = shared_rows(row);
	if (row < bottom)
		scr_printf(row++, 1, paused ? ST_WARN : ST_DIM,
			"%s%lu laps, slice %lu ms, lock was taken %'lu times",
			paused ? "paused; " : "", trips, slice_us / 1000, contended);
	if (row + 4 < bottom) {
		scr_text(row + 1, 1, ST_DIM,
			"Without a lock two vCPUs read the same value, both add one, and one");
		scr_text(row + 2, 1, ST_DIM,
			"addition is lost. A lap is an IPI from each vCPU to the next, out of "
			"HLT.");
	}
	scr_show();
}

static void reset(void)
{
	trips = trip_sum_us = trip_max_us = trip_lost = contended = 0;
	trip_min_us = UINT64_MAX;
	for (unsigned i = 0; i < 2; i++)
		add_expected[i] = add_found[i] = 0;
}

static bool keys(void)
{
	bool any = false;
	int k;

	while ((k = rt_key()) != KEY_NONE) {
		any = true;
		if (k == 'p' || k == ' ')
			paused = !paused;
		else if ((k == '+' || k == '=') && slice_us < 100000)
			slice_us += 5000;
		else if (k == '-' && slice_us > 5000)
			slice_us -= 5000;
		else if (k == 'r')
			reset();
		else if (k == 12)
			scr_redraw();
	}
	return any;
}

/* One after the other until one does not answer: then there are no more. */
static void start_others(void)
{
	unsigned cols, rows, limit = (unsigned)rt_option("vcpus", MAX_CPUS);

	scr_begin(&cols, &rows);
	scr_title("smp", "vCPUs at work together");
	scr_text(2, 1, ST_DIM, "waking the other vCPUs ...");
	scr_show();
	for (; ncpus < limit && ncpus < MAX_CPUS; ncpus++)
		if (rt_cpu_start(ncpus, worker, &workers[ncpus]))
			break;
}

void rt_main(void)
{
	uint64_t next, last, rounds = 0;

	start_others();
	next = last = rt_now_us();
	for (;;) {
		uint64_t now = rt_now_us();
		bool changed = keys();

		if (!paused && now >= next) {
			round_of_all(rounds++);
			next = now + ROUND_US;
			if (rounds % 4 == 0) {
				now = rt_now_us();
				rates(now - last);
				last = now;
				changed = true;
			}
		}
		if (changed)
			draw();
		now = rt_now_us();
		if (rt_wait(paused ? RT_FOREVER : next > now ? next - now : 1) & EV_RESIZE)
			draw();
	}
}
