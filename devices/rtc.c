/*
 * rtc.c - CMOS clock and memory (MC146818A) at 0x70/0x71.
 *
 * Follows Motorola's MC146818A data sheet (1984) and the AT's use of the memory bytes. The time is
 * the host's plus an offset that the guest sets by writing the time. Alarm, periodic and update
 * interrupts come through GSI 8; the event loop counts milliseconds, so periodic interrupts faster
 * than about 1 kHz come slower than asked.
 *
 * Threads: registers on vCPU threads, the timer on the main loop; device lock held. vCPU threads
 * never touch the event loop: they kick @work, which sets the timer.
 */
#include "devices/models.h"
#include "devices/work.h"

#include <errno.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { PORT_INDEX = 0x70, GSI = 8, CMOS_SIZE = 128 };
enum {
	SEC,
	SEC_ALARM,
	MIN,
	MIN_ALARM,
	HOUR,
	HOUR_ALARM,
	WDAY,
	MDAY,
	MONTH,
	YEAR,
	REG_A,
	REG_B,
	REG_C,
	REG_D
};
enum { CENTURY = 0x32 };
enum { A_UIP = 0x80, A_DIVIDER = 0x70, A_RATE = 0x0f };
enum { B_24H = 0x02, B_BINARY = 0x04, B_SET = 0x80 };
enum { F_UPDATE = 0x10, F_ALARM = 0x20, F_PERIODIC = 0x40, F_IRQ = 0x80, F_ALL = 0x70 };

#define SECOND_US 1000000ll
#define UIP_US    244 /* the flag comes this long before the update */
#define DAY_S     86400

struct rtc {
	struct vmc_vm *vm;
	struct dev_work work;
	struct event *timer;
	uint8_t index;
	uint8_t cmos[CMOS_SIZE];
	int64_t offset_us; /* the guest's time minus the host's */
	int64_t seen_us;   /* the guest's time up to which flags are up to date */
	bool quiet;
};

/* ---- time ---- */

struct civil {
	int year, month, day, hour, min, sec, wday; /* month, day, wday from 1 */
};

/* Days since 1970-01-01 of a date in the Gregorian calendar (years counted from March). No libc:
 * gmtime() may open files. */
static int64_t days_of(int year, int month, int day)
{
	int64_t y = month <= 2 ? year - 1 : year;
	int64_t era = (y >= 0 ? y : y - 399) / 400, yoe = y - era * 400;
	int64_t doy = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;

	return era * 146097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719468;
}

static struct civil civil_of(int64_t t)
{
	int64_t days = t / DAY_S - (t % DAY_S < 0), rest = t - days * DAY_S;
	int64_t z = days + 719468, era = (z >= 0 ? z : z - 146096) / 146097, doe = z - era * 146097;
	int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
	int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100), mp = (5 * doy + 2) / 153;
	struct civil c;

	c.day = doy - (153 * mp + 2) / 5 + 1;
	c.month = mp < 10 ? mp + 3 : mp - 9;
	c.year = yoe + era * 400 + (c.month <= 2);
	c.hour = rest / 3600;
	c.min = rest / 60 % 60;
	c.sec = rest % 60;
	c.wday = ((days + 4) % 7 + 7) % 7 + 1; /* 1970-01-01 was a Thursday; Sunday is 1 */
	return c;
}

static int64_t host_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return ts.tv_sec * SECOND_US + ts.tv_nsec / 1000;
}

static int64_t guest_us(const struct rtc *r)
{
	return host_us() + r->offset_us;
}

/* The clock stands while SET is on or the divider is held in reset. */
static bool stopped(const struct rtc *r)
{
	return r->cmos[REG_B] & B_SET || (r->cmos[REG_A] & 0x60) == 0x60;
}

static uint8_t encode(const struct rtc *r, int value)
{
	value = (value % 100 + 100) % 100; /* a clock set before Christ counts on */
	return r->cmos[REG_B] & B_BINARY ? value : value / 10 << 4 | value % 10;
}

static int decode(const struct rtc *r, uint8_t value)
{
	return r->cmos[REG_B] & B_BINARY ? value : (value >> 4) * 10 + (value & 15);
}

static uint8_t encode_hour(const struct rtc *r, int hour)
{
	if (r->cmos[REG_B] & B_24H)
		return encode(r, hour);
	return encode(r, hour % 12 ? hour % 12 : 12) | (hour >= 12 ? 0x80 : 0);
}

static int decode_hour(const struct rtc *r, uint8_t value)
{
	if (r->cmos[REG_B] & B_24H)
		return decode(r, value);
	return decode(r, value & 0x7f) % 12 + (value & 0x80 ? 12 : 0);
}

static void time_to_regs(struct rtc *r, int64_t us)
{
	struct civil c = civil_of(us / SECOND_US);

	r->cmos[SEC] = encode(r, c.sec);
	r->cmos[MIN] = encode(r, c.min);
	r->cmos[HOUR] = encode_hour(r, c.hour);
	r->cmos[WDAY] = encode(r, c.wday);
	r->cmos[MDAY] = encode(r, c.day);
	r->cmos[MONTH] = encode(r, c.month);
	r->cmos[YEAR] = encode(r, c.year);
	r->cmos[CENTURY] = encode(r, c.year / 100);
}

/* The guest wrote the time (any nonsense is possible): the offset follows. */
static void regs_to_time(struct rtc *r)
{
	int month = decode(r, r->cmos[MONTH]), day = decode(r, r->cmos[MDAY]);
	int year = decode(r, r->cmos[CENTURY]) * 100 + decode(r, r->cmos[YEAR]);
	int64_t days = days_of(year, month >= 1 && month <= 12 ? month : 1, day ? day : 1);
	int64_t s = days * DAY_S + decode_hour(r, r->cmos[HOUR]) * 3600 +
		    decode(r, r->cmos[MIN]) * 60 + decode(r, r->cmos[SEC]);

	r->offset_us = s * SECOND_US - host_us();
	r->seen_us = s * SECOND_US;
}

/* ---- flags and interrupts ---- */

static int64_t period_us(const struct rtc *r)
{
	unsigned rate = r->cmos[REG_A] & A_RATE;

	if (!rate)
		return 0;
	if (rate < 3)
		rate += 7; /* table 5: 1 and 2 are 256 and 128 Hz at 32 kHz */
	return SECOND_US / (32768 >> (rate - 1));
}

static bool alarm_field(const struct rtc *r, unsigned reg, int value)
{
	uint8_t wish = r->cmos[reg];

	if (wish >= 0xc0) /* any */
		return true;
	return (reg == HOUR_ALARM ? decode_hour(r, wish) : decode(r, wish)) == value;
}

/* The first second in (from, to] at which the alarm rings, or 0. Looks at one day at most, for it
 * repeats, in steps as long as what does not match. */
static int64_t alarm_between(const struct rtc *r, int64_t from, int64_t to)
{
	int64_t s = from + 1, rest;

	if (r->cmos[SEC_ALARM] < 0xc0 && decode(r, r->cmos[SEC_ALARM]) > 59)
		return 0;
	if (to > from + DAY_S)
		to = from + DAY_S;
	while (s <= to) {
		rest = (s % DAY_S + DAY_S) % DAY_S;
		if (!alarm_field(r, HOUR_ALARM, rest / 3600))
			s += 3600 - rest % 3600;
		else if (!alarm_field(r, MIN_ALARM, rest / 60 % 60))
			s += 60 - rest % 60;
		else if (!alarm_field(r, SEC_ALARM, rest % 60))
			s++;
		else
			return s;
	}
	return 0;
}

/* Brings REG_C up to now, and the line with it. */
static void update_flags(struct rtc *r)
{
	int64_t now = guest_us(r), was = r->seen_us, period = period_us(r);

	if (!stopped(r) && now > was) {
		if (now / SECOND_US != was / SECOND_US) {
			r->cmos[REG_C] |= F_UPDATE;
			if (alarm_between(r, was / SECOND_US, now / SECOND_US))
				r->cmos[REG_C] |= F_ALARM;
		}
		if (period && now / period != was / period)
			r->cmos[REG_C] |= F_PERIODIC;
	}
	r->seen_us = now;
	if (r->cmos[REG_C] & r->cmos[REG_B] & F_ALL)
		r->cmos[REG_C] |= F_IRQ;
	vmc_irq_line(r->vm, GSI, r->cmos[REG_C] & F_IRQ);
}

/* Microseconds until the next interrupt that is enabled; 0: none is due. */
static int64_t next_wait(const struct rtc *r)
{
	int64_t now = guest_us(r), best = INT64_MAX, period = period_us(r), s;
	uint8_t want = r->cmos[REG_B];

	if (stopped(r) || r->cmos[REG_C] & F_IRQ) /* nothing new until the guest has read REG_C */
		return 0;
	if (want & F_PERIODIC && period)
		best = period - now % period;
	if (want & F_UPDATE && SECOND_US - now % SECOND_US < best)
		best = SECOND_US - now % SECOND_US;
	if (want & F_ALARM) {
		s = alarm_between(r, now / SECOND_US, now / SECOND_US + DAY_S);
		if (s && s * SECOND_US - now < best)
			best = s * SECOND_US - now;
	}
	return best == INT64_MAX ? 0 : best;
}

/* Main loop: something about interrupts changed, or the timer ran out. */
static void rtc_run(void *arg)
{
	struct rtc *r = arg;
	struct timeval tv;
	int64_t wait;

	if (r->quiet || !r->timer)
		return;
	update_flags(r);
	wait = next_wait(r);
	if (!wait) {
		event_del(r->timer);
		return;
	}
	tv.tv_sec = wait / SECOND_US;
	tv.tv_usec = wait % SECOND_US;
	event_add(r->timer, &tv);
}

static void timer_fired(evutil_socket_t fd, short what, void *arg)
{
	struct rtc *r = arg;

	(void)fd;
	(void)what;
	vmc_device_lock(r->vm);
	rtc_run(r);
	vmc_device_unlock(r->vm);
}

/* ---- registers ---- */

static uint8_t read_cmos(struct rtc *r)
{
	unsigned i = r->index & 0x7f;
	int64_t now = guest_us(r);
	uint8_t value;

	switch (i) {
	case SEC:
	case MIN:
	case HOUR:
	case WDAY ... YEAR:
	case CENTURY:
		if (!stopped(r))
			time_to_regs(r, now);
		return r->cmos[i];
	case REG_A:
		value = r->cmos[REG_A];
		return !stopped(r) && now % SECOND_US >= SECOND_US - UIP_US ? value | A_UIP : value;
	case REG_C:
		update_flags(r);
		value = r->cmos[REG_C];
		r->cmos[REG_C] = 0; /* reading acknowledges */
		vmc_irq_line(r->vm, GSI, false);
		if (r->cmos[REG_B] & F_ALL)
			dev_work_kick(&r->work);
		return value;
	default:
		return r->cmos[i];
	}
}

static void write_time(struct rtc *r, unsigned i, uint8_t value)
{
	if (!stopped(r))
		time_to_regs(r, guest_us(r));
	r->cmos[i] = value;
	if (!stopped(r))
		regs_to_time(r);
}

static void write_control(struct rtc *r, unsigned i, uint8_t value)
{
	bool was_stopped = stopped(r);

	update_flags(r);
	if (!was_stopped)
		time_to_regs(r, guest_us(r));
	if (i == REG_B && value & B_SET)
		value &= ~F_UPDATE; /* SET clears the update interrupt's enable bit */
	r->cmos[i] = i == REG_A ? value & ~A_UIP : value;
	if (was_stopped && !stopped(r))
		regs_to_time(r);
	update_flags(r);
	dev_work_kick(&r->work);
}

static void write_cmos(struct rtc *r, uint8_t value)
{
	unsigned i = r->index & 0x7f;

	switch (i) {
	case SEC:
	case MIN:
	case HOUR:
	case WDAY ... YEAR:
	case CENTURY:
		write_time(r, i, value);
		break;
	case SEC_ALARM:
	case MIN_ALARM:
	case HOUR_ALARM:
		update_flags(r);
		r->cmos[i] = value;
		dev_work_kick(&r->work);
		break;
	case REG_A:
	case REG_B:
		write_control(r, i, value);
		break;
	case REG_C:
	case REG_D:
		break; /* read-only */
	default:
		r->cmos[i] = value;
	}
}

static void rtc_read(void *dev, uint64_t off, void *data, uint32_t len)
{
	struct rtc *r = dev;

	memset(data, 0xff, len);
	if (off + len == 2)
		((uint8_t *)data)[len - 1] = read_cmos(r);
}

static void rtc_write(void *dev, uint64_t off, const void *data, uint32_t len)
{
	struct rtc *r = dev;
	const uint8_t *bytes = data;

	if (off == 0)
		r->index = bytes[0];
	if (off + len == 2)
		write_cmos(r, bytes[len - 1]);
}

static const struct vmc_bus_ops bus_ops = { rtc_read, rtc_write };

/* ---- what the VM asks of us ---- */

/* Memory sizes where PC firmware leaves them for the operating system. */
static void fill_memory_size(struct rtc *r)
{
	uint64_t ram = vmc_mem_size(r->vm), low = ram < VMC_HOLE_START ? ram : VMC_HOLE_START;
	uint64_t high = (ram - low) >> 16;
	uint64_t ext_kb = low > 1 << 20 ? (low >> 10) - 1024 : 0;
	uint64_t ext_64k = low > 16 << 20 ? (low >> 16) - 256 : 0;

	if (ext_kb > 0xffff)
		ext_kb = 0xffff;
	r->cmos[0x15] = 640 & 0xff; /* base memory, KiB */
	r->cmos[0x16] = 640 >> 8;
	r->cmos[0x17] = r->cmos[0x30] = ext_kb; /* above 1 MiB, KiB */
	r->cmos[0x18] = r->cmos[0x31] = ext_kb >> 8;
	r->cmos[0x34] = ext_64k; /* above 16 MiB, 64 KiB */
	r->cmos[0x35] = ext_64k >> 8;
	r->cmos[0x5b] = high; /* above 4 GiB, 64 KiB */
	r->cmos[0x5c] = high >> 8;
	r->cmos[0x5d] = high >> 16;
}

static void rtc_reset(void *dev)
{
	struct rtc *r = dev;

	/* The battery keeps time and memory; a reset clears interrupts (data sheet, RESET). */
	r->index = 0;
	r->cmos[REG_B] = B_24H;
	r->cmos[REG_C] = 0;
	vmc_irq_line(r->vm, GSI, false);
	dev_work_kick(&r->work);
}

static void rtc_describe(void *dev, struct vmc_device_info *info)
{
	const struct rtc *r = dev;
	struct civil c = civil_of(guest_us(r) / SECOND_US);

	snprintf(info->model, sizeof(info->model), "MC146818");
	snprintf(info->where, sizeof(info->where), "isa");
	info->addr = PORT_INDEX;
	info->addr_len = 2;
	info->pio = true;
	info->irq = GSI;
	snprintf(info->note, sizeof(info->note), "%04d-%02d-%02d %02d:%02d:%02d%s", c.year, c.month,
		c.day, c.hour, c.min, c.sec, stopped(r) ? " (stopped)" : "");
}

static void rtc_quiesce(void *dev)
{
	struct rtc *r = dev;

	r->quiet = true;
	if (r->timer)
		event_del(r->timer);
}

static void rtc_resume(void *dev)
{
	struct rtc *r = dev;

	r->quiet = false;
	vmc_irq_line(
		r->vm, GSI, r->cmos[REG_C] & F_IRQ); /* the irqchip may have been loaded after us */
	dev_work_kick(&r->work);
}

static void rtc_save(void *dev, struct vmc_out *out)
{
	const struct rtc *r = dev;

	vmc_out_u8(out, r->index);
	vmc_out_bytes(out, r->cmos, sizeof(r->cmos));
	vmc_out_u64(out, r->offset_us);
	vmc_out_u64(out, r->seen_us);
}

static int rtc_load(void *dev, struct vmc_in *in, uint32_t version)
{
	struct rtc *r = dev;
	uint8_t cmos[CMOS_SIZE] = { 0 }, index = vmc_in_u8(in);
	int64_t offset_us, seen_us;
	int rc;

	vmc_in_bytes(in, cmos, sizeof(cmos));
	offset_us = vmc_in_u64(in);
	seen_us = vmc_in_u64(in);
	rc = vmc_in_end(in);
	if (rc < 0)
		return rc;
	/* So that no sum below can overflow. */
	if (offset_us > INT64_MAX / 4 || offset_us < INT64_MIN / 4)
		return vmc_in_fail(in, -EBADMSG, "clock offset out of range");
	r->index = index;
	memcpy(r->cmos, cmos, sizeof(cmos));
	r->offset_us = offset_us;
	r->seen_us = seen_us;
	r->quiet = true; /* a loaded VM is paused */
	return 0;
}

static void rtc_destroy(void *dev)
{
	struct rtc *r = dev;

	rtc_detach(r);
	vmc_bus_remove(r->vm, VMC_BUS_PIO, PORT_INDEX);
	dev_work_fini(&r->work);
	free(r);
}

static const struct vmc_device_ops rtc_ops = {
	.model = "rtc",
	.version = 1,
	.describe = rtc_describe,
	.reset = rtc_reset,
	.quiesce = rtc_quiesce,
	.resume = rtc_resume,
	.save = rtc_save,
	.load = rtc_load,
	.destroy = rtc_destroy,
};

void rtc_detach(struct rtc *r)
{
	dev_work_detach(&r->work);
	if (r->timer)
		event_free(r->timer);
	r->timer = NULL;
}

int rtc_new(struct vmc_vm *vm, struct event_base *base, struct rtc **out)
{
	struct rtc *r = calloc(1, sizeof(*r));
	int rc;

	if (!r)
		return vmc_fail(vm, -ENOMEM, "no memory for the clock");
	r->vm = vm;
	r->seen_us = guest_us(r);
	r->cmos[REG_A] = 0x26; /* 32 kHz time base, 1024 Hz */
	r->cmos[REG_B] = B_24H;
	r->cmos[REG_D] = 0x80; /* the battery is good */
	r->cmos[0x14] = 0x02;  /* equipment: coprocessor */
	fill_memory_size(r);
	rc = dev_work_init(&r->work, vm, base, rtc_run, r);
	if (rc < 0) {
		vmc_fail(vm, rc, "rtc: eventfd or event: %s", strerror(-rc));
		goto err_free;
	}
	r->timer = evtimer_new(base, timer_fired, r);
	rc = r->timer ? vmc_bus_add(vm, VMC_BUS_PIO, PORT_INDEX, 2, &bus_ops, r, "cmos rtc")
		      : -ENOMEM;
	if (rc < 0)
		goto err_work;
	rc = vmc_device_add(vm, "rtc", &rtc_ops, r);
	if (rc < 0)
		goto err_bus;
	*out = r;
	return 0;

err_bus:
	vmc_bus_remove(vm, VMC_BUS_PIO, PORT_INDEX);
err_work:
	if (r->timer)
		event_free(r->timer);
	dev_work_fini(&r->work);
err_free:
	free(r);
	return rc;
}
