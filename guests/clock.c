/*
 * clock.c - what time it is according to each clock of the machine, how they drift from each other,
 * and what a pause or a restored snapshot does to them. Ring 3, vCPU 0.
 *
 * The PIT interrupts 20 times a second and is only counted; twice a second the APIC timer is
 * probed, and once the CMOS clock is read. A time the guest did not see shows as a step between
 * clocks that go on while a VM is stopped and clocks that do not.
 */
#include "screen.h"

const char rt_program[] = "clock";

#define KEYS "p pause  r reset counts  a face  ^L redraw"

#define PIT_HZ   20
#define TICK_US  (1000000 / PIT_HZ)
#define GAP_US   700000
#define GAPS     5
#define PROBE_US 500000 /* the APIC timer is asked for this and looked at for how late it is */

struct gap {
	struct rt_date at;
	uint64_t guest_us; /* by kvmclock or the TSC */
	int64_t rtc_s;     /* by the CMOS clock */
};

static struct {
	uint64_t pit_first,
		pit_start_us; /* PIT interrupts before we began to count, and when that was */
	uint64_t late_us, late_max_us, late_sum_us, probes, probe_until;
	struct rt_date date;
	int64_t rtc_first, rtc_last, rtc_lost; /* seconds; lost: in gaps */
	uint64_t rtc_read_us, rtc_started_us;
	struct gap gaps[GAPS];
	unsigned ngaps;
	bool paused, analog;
} ck;

/* Days since 1970 (proleptic Gregorian), then seconds. */
static int64_t seconds_of(const struct rt_date *d)
{
	int64_t y = (int64_t)d->year - (d->month <= 2), era = y / 400, yoe = y - era * 400;
	int64_t doy = (153 * (int64_t)(d->month + (d->month > 2 ? -3u : 9u)) + 2) / 5 + d->day - 1;
	int64_t days = era * 146097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719468;

	return ((days * 24 + d->hour) * 60 + d->minute) * 60 + d->second;
}

static const char *weekday(int64_t seconds)
{
	static const char *const names[] = {"Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"};

	return names[seconds / 86400 % 7];
}

/* ---- keeping time ---- */

static void note_gap(uint64_t guest_us, int64_t rtc_s)
{
	struct gap *g = &ck.gaps[ck.ngaps++ % GAPS];

	g->at = ck.date;
	g->guest_us = guest_us;
	g->rtc_s = rtc_s;
}

static void read_rtc(uint64_t now)
{
	int64_t s;

	rt_rtc_read(&ck.date);
	s = seconds_of(&ck.date);
	if (!ck.rtc_started_us) {
		ck.rtc_first = ck.rtc_last = s;
		ck.rtc_started_us = now;
	} else {
		uint64_t passed = now - ck.rtc_read_us;
		int64_t step = s - ck.rtc_last, unseen = step - (int64_t)(passed / 1000000);

		/* The CMOS clock has gone on by more than the guest's own: it was stopped, or
		 * restored. */
		if (unseen >= 2 || unseen <= -2 || passed > 1000000 + GAP_US) {
			note_gap(passed > 1000000 ? passed - 1000000 : 0,
				step > 1 ? step - 1 : step);
			ck.rtc_lost += unseen;
		}
	}
	ck.rtc_last = s;
	ck.rtc_read_us = now;
}

static void probe(uint64_t now)
{
	if (ck.probe_until && now >= ck.probe_until) {
		ck.late_us = now - ck.probe_until;
		ck.late_max_us = ck.late_us > ck.late_max_us ? ck.late_us : ck.late_max_us;
		ck.late_sum_us += ck.late_us;
		ck.probes++;
		ck.probe_until = 0;
	}
}

/* ---- screen ---- */

static void hand(
	int cy, int cx, int length, int angle, int full, enum scr_style style, uint32_t mark)
{
	/* sine of 0, 6, .. 90 degrees, times 1000 */
	static const int quarter[16] = {
		0, 105, 208, 309, 407, 500, 588, 669, 743, 809, 866, 914, 951, 978, 995, 1000};
	int a = angle * 60 / full % 60, s, c;

	s = a < 15   ? quarter[a]
	    : a < 30 ? quarter[30 - a]
	    : a < 45 ? -quarter[a - 30]
		     : -quarter[60 - a];
	a = (a + 15) % 60;
	c = a < 15   ? quarter[a]
	    : a < 30 ? quarter[30 - a]
	    : a < 45 ? -quarter[a - 30]
		     : -quarter[60 - a];
	for (int i = mark == '*' ? length : 1; i <= length; i++)
		scr_cell(cy - (i * c + (c < 0 ? -500 : 500)) / 1000,
			cx + (2 * i * s + (s < 0 ? -500 : 500)) / 1000, style, mark);
}

static void analog(int top, int bottom, int left, unsigned cols)
{
	int r = (bottom - top - 1) / 2, width = ((int)cols - left - 2) / 4, cy, cx;

	r = r > 12 ? 12 : r;
	r = r > width ? width : r;
	if (r < 5)
		return;
	cy = top + r;
	cx = left + 2 * r + 1;
	for (int h = 0; h < 12; h++)
		hand(cy, cx, r, h, 12, h % 3 ? ST_DIM : ST_KEY, '*');
	hand(cy, cx, r * 3 / 5, (int)(ck.date.hour % 12 * 60 + ck.date.minute), 720, ST_VALUE,
		0x2588);
	hand(cy, cx, r * 4 / 5, (int)ck.date.minute, 60, ST_BAR2, 0x2592);
	hand(cy, cx, r * 9 / 10, (int)ck.date.second, 60, ST_HOT, 0xb7);
	scr_cell(cy, cx, ST_KEY, 'o');
}

/* Digits twice as large leave room for the face only on a very wide screen. */
#define BIG(cols, rows) ((cols) >= 150 && (rows) >= 30)

static int big_time(int row, unsigned cols, unsigned rows)
{
	char text[12];
	unsigned scale = BIG(cols, rows) ? 2 : 1, n;

	rt_snprintf(
		text, sizeof(text), "%02u:%02u:%02u", ck.date.hour, ck.date.minute, ck.date.second);
	if (cols < 49 || rows < 14) {
		scr_printf(row, 1, ST_VALUE, "%s UTC  %s %u-%02u-%02u", text, weekday(ck.rtc_last),
			ck.date.year, ck.date.month, ck.date.day);
		return row + 1;
	}
	n = (unsigned)strlen(text) * 6 * scale;
	scr_big(row + 1, cols > n + 20 ? 2 : 1, scale, ST_BAR2, text);
	row += 1 + (int)(7 * scale + 1) / 2;
	scr_printf(row, 2, ST_DIM, "%s %u-%02u-%02u UTC, from the CMOS clock", weekday(ck.rtc_last),
		ck.date.year, ck.date.month, ck.date.day);
	return row + 2;
}

/* A clock's reading and how far it is from the reference. */
static void clock_row(int row, const char *name, uint64_t us, uint64_t ref_us, const char *note)
{
	int64_t off = (int64_t)us - (int64_t)ref_us, abs = off < 0 ? -off : off;
	enum scr_style style = abs < 2000 ? ST_GOOD : abs < 100000 ? ST_WARN : ST_BAD;

	scr_text(row, 1, ST_KEY, name);
	scr_printf(row, 11, ST_PLAIN, "%6lu.%03lu s", us / 1000000, us / 1000 % 1000);
	if (us == ref_us)
		scr_text(row, 24, ST_DIM, note);
	else
		scr_printf(row, 24, style,
			abs < 10000000 ? "%+ld.%03lu ms%s%s" : "%+ld.%03lu ms%s%s", off / 1000,
			(uint64_t)(abs % 1000), note[0] ? "  " : "", note);
}

static int clocks(int row, uint64_t now)
{
	uint64_t ticks = rt_cpu()->irqs[VEC_PIT] - ck.pit_first, tsc = rt_tsc_us();
	uint64_t since =
		ticks ? (rt_tsc() - rt_cpu()->irq_tsc[VEC_PIT]) * 1000000 / rt_tsc_hz() : 0;
	uint64_t pit_us = ck.pit_start_us + ticks * TICK_US + since;
	uint64_t rtc = (uint64_t)(ck.rtc_last - ck.rtc_first) * 1000000 + (now - ck.rtc_read_us);
	char note[48];

	clock_row(row++, rt_has_kvmclock() ? "kvmclock" : "TSC clock", now, now,
		"the others against it");
	if (rt_has_kvmclock()) {
		rt_snprintf(note, sizeof(note), "%lu.%03lu MHz", rt_tsc_hz() / 1000000,
			rt_tsc_hz() / 1000 % 1000);
		clock_row(row++, "TSC", tsc, now, note);
	}
	rt_snprintf(note, sizeof(note), "%lu ticks", ticks);
	clock_row(row++, "PIT", pit_us, now, note);
	rt_snprintf(note, sizeof(note), "1 s steps");
	clock_row(row++, "RTC", rtc + ck.rtc_started_us, now, note);
	scr_text(row, 1, ST_KEY, "APIC timer");
	scr_printf(row++, 12, ST_PLAIN, "late %lu us, mean %lu max %lu", ck.late_us,
		ck.probes ? ck.late_sum_us / ck.probes : 0, ck.late_max_us);
	return row;
}

static void gaps(int row, int bottom, unsigned cols)
{
	unsigned n = ck.ngaps < GAPS ? ck.ngaps : GAPS;

	if (row >= bottom)
		return;
	if (!n) {
		scr_text(row, 1, ST_DIM,
			cols < 60 ? "no gap yet: pause this VM, or load"
				  : "no gap so far: pause this VM or load a snapshot, and see");
		return;
	}
	for (unsigned i = 0; i < n && row < bottom; i++, row++) {
		const struct gap *g = &ck.gaps[(ck.ngaps - 1 - i) % GAPS];
		int col = scr_printf(row, 1, ST_WARN, "gap of %ld s", g->rtc_s);

		scr_printf(row, col, ST_DIM, " until %02u:%02u:%02u; own clock %lu.%lu s",
			g->at.hour, g->at.minute, g->at.second, g->guest_us / 1000000,
			g->guest_us / 100000 % 10);
	}
}

static void draw(uint64_t now)
{
	unsigned cols, rows;
	int row, bottom;

	scr_begin(&cols, &rows);
	scr_title("clock", "every clock of the machine");
	row = big_time(1, cols, rows);
	bottom = scr_keys(KEYS);
	if (row + 3 <= bottom) /* what does not fit is cut: the keys come again, on top */
		row = clocks(row, now);
	if (row < bottom)
		scr_printf(row++, 1, ST_PLAIN, "up %lu:%02lu:%02lu, %lu interrupts, %lu halts",
			now / 3600000000, now / 60000000 % 60, now / 1000000 % 60,
			rt_cpu()->irqs[VEC_PIT] + rt_cpu()->irqs[VEC_TIMER], rt_cpu()->halts);
	if (rows > 20)
		row++;
	gaps(row, bottom, cols);
	if (ck.analog && cols >= 100)
		analog(2, bottom, BIG(cols, rows) ? 102 : 66, cols);
	else if (ck.analog && bottom - row > 12)
		analog(row + 2, bottom, 2, cols);
	scr_keys(KEYS);
	scr_show();
}

/* ---- */

static void reset(uint64_t now)
{
	ck.late_max_us = ck.late_sum_us = ck.probes = 0;
	ck.ngaps = 0;
	ck.rtc_started_us = 0;
	ck.pit_first = rt_cpu()->irqs[VEC_PIT];
	ck.pit_start_us = now;
	read_rtc(now);
}

static bool keys(uint64_t now)
{
	int k;
	bool any = false;

	while ((k = rt_key()) != KEY_NONE) {
		any = true;
		if (k == 'p' || k == ' ') {
			ck.paused = !ck.paused;
			rt_pit_start(ck.paused ? 0 : PIT_HZ);
			reset(now);
		} else if (k == 'r') {
			reset(now);
		} else if (k == 'a') {
			ck.analog = !ck.analog;
		} else if (k == 12) {
			scr_redraw();
		}
	}
	return any;
}

void rt_main(void)
{
	uint64_t next_second, now = rt_now_us();

	ck.analog = true;
	rt_cpu()->quiet = EV_PIT; /* ticks are counted by the handler */
	rt_pit_start(PIT_HZ);
	reset(now);
	draw(now);
	next_second = now + 1000000;
	for (;;) {
		uint32_t events;
		bool changed;

		if (!ck.paused && !ck.probe_until)
			ck.probe_until = now + PROBE_US;
		events = rt_wait(ck.paused              ? RT_FOREVER
				 : ck.probe_until > now ? ck.probe_until - now
							: 1);
		now = rt_now_us();
		if (events & EV_TIMEOUT)
			probe(now);
		else if (ck.probe_until && now >= ck.probe_until)
			ck.probe_until =
				0; /* something else woke us at about that time: no measure */
		changed = keys(now) || events & EV_RESIZE;
		if (!ck.paused && now >= next_second) {
			read_rtc(now);
			next_second = now + 1000000;
			changed = true;
		}
		if (changed)
			draw(now);
	}
}
