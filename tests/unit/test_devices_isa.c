/* test_devices_isa.c - serial port, clock, keyboard controller and exit port as a guest's registers
 * see them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <errno.h>
#include <linux/serial_reg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tests/lib/devfix.h"

#define COM1 0x3f8

static int setup(void **state)
{
	*state = fix_new();
	return 0;
}

static int teardown(void **state)
{
	fix_free(*state);
	return 0;
}

static uint8_t in(struct fix *f, unsigned reg)
{
	return fake_in(f->vm, COM1 + reg, 1);
}

static void out(struct fix *f, unsigned reg, uint8_t value)
{
	fake_out(f->vm, COM1 + reg, 1, value);
}

static bool irq(struct fix *f)
{
	return fake_line(f->vm, 4);
}

static void test_uart_registers(void **state)
{
	struct fix *f = *state;

	out(f, UART_SCR, 0x5a);
	assert_int_equal(in(f, UART_SCR), 0x5a);
	assert_int_equal(in(f, UART_IIR), UART_IIR_NO_INT);
	out(f, UART_FCR, UART_FCR_ENABLE_FIFO);
	assert_int_equal(in(f, UART_IIR), 0xc0 | UART_IIR_NO_INT); /* a 16550A says so */
	out(f, UART_LCR, UART_LCR_DLAB);
	out(f, UART_DLL, 1);
	out(f, UART_DLM, 2);
	assert_int_equal(in(f, UART_DLL), 1);
	assert_int_equal(in(f, UART_DLM), 2);
	out(f, UART_LCR, UART_LCR_WLEN8);
	assert_int_equal(in(f, UART_IER), 0);
	out(f, UART_IER, 0xff);
	assert_int_equal(in(f, UART_IER), 0x0f);
	assert_int_equal(in(f, UART_LSR), UART_LSR_THRE | UART_LSR_TEMT);
	assert_int_equal(in(f, UART_MSR), UART_MSR_DCD | UART_MSR_DSR | UART_MSR_CTS);
}

/* A guest polls the line status for each byte: KVM hears of the line only when it changes. */
static void test_uart_line_calls(void **state)
{
	struct fix *f = *state;
	unsigned calls, i;

	out(f, UART_IER, 0);
	calls = fake_line_calls(f->vm);
	for (i = 0; i < 100; i++)
		assert_int_equal(in(f, UART_LSR), UART_LSR_THRE | UART_LSR_TEMT);
	out(f, UART_SCR, 1);
	assert_int_equal(fake_line_calls(f->vm), calls);
	out(f, UART_IER, UART_IER_THRI);
	assert_int_equal(fake_line_calls(f->vm), calls + 1);
	assert_true(irq(f));
}

static void test_uart_transmit(void **state)
{
	struct fix *f = *state;
	const char *p;

	for (p = "login: "; *p; p++)
		out(f, UART_TX, *p);
	assert_int_equal(f->host[1].len, 0); /* not on the vCPU's thread */
	assert_true(fix_run(f));
	assert_memory_equal(f->host[1].out, "login: ", 7);
	out(f, UART_IER, UART_IER_THRI);
	assert_true(irq(f));
	assert_int_equal(in(f, UART_IIR), UART_IIR_THRI);
	assert_false(irq(f)); /* reading it acknowledged it */
	assert_int_equal(in(f, UART_IIR), UART_IIR_NO_INT);
	out(f, UART_TX, 'x');
	assert_true(irq(f)); /* empty again */
	out(f, UART_IER, 0);
	assert_false(irq(f));
	out(f, UART_IER, UART_IER_THRI); /* Linux's test for a working THRE interrupt */
	assert_true(irq(f));
}

/* A slow reader: THRE goes and stays away while there is no room, and comes with its interrupt when
 * there is. */
static void test_uart_back_pressure(void **state)
{
	struct fix *f = *state;
	unsigned sent = 0, i;

	f->host[1].room = 100;
	out(f, UART_FCR, UART_FCR_ENABLE_FIFO);
	while (in(f, UART_LSR) & UART_LSR_THRE && sent < 100000)
		for (i = 0; i < 16; i++)
			out(f, UART_TX, 'a' + sent++ % 26); /* a FIFO full, as drivers do */
	assert_in_range(sent, 1000, 5000);
	out(f, UART_IER, UART_IER_THRI);
	assert_false(irq(f));
	assert_true(fix_run(f));
	assert_int_equal(f->host[1].len, 100);
	assert_true(in(f, UART_LSR) & UART_LSR_THRE);
	assert_true(irq(f));
	while (in(f, UART_LSR) & UART_LSR_THRE)
		for (i = 0; i < 16; i++)
			out(f, UART_TX, 'a' + sent++ % 26);
	assert_true(fix_run(f));
	assert_int_equal(f->host[1].len, 100);
	fix_output_ready(f, 1, SIZE_MAX);
	assert_true(fix_run(f));
	assert_int_equal(f->host[1].len, sent);
	for (i = 0; i < sent; i++)
		assert_int_equal(f->host[1].out[i], 'a' + i % 26);
	/* the buffer is a ring: go round it a few times */
	for (i = 0; i < 20000; i++) {
		out(f, UART_TX, i);
		if (i % 1000 == 999)
			assert_true(fix_run(f));
	}
	assert_true(fix_run(f));
	assert_int_equal(f->host[1].len, sent + 20000);
	for (i = 0; i < 20000; i++)
		assert_int_equal(f->host[1].out[sent + i], (uint8_t)i);
}

static void test_uart_receive(void **state)
{
	struct fix *f = *state;
	char got[64];
	unsigned n = 0;

	out(f, UART_IER, UART_IER_RDI);
	assert_int_equal(fix_input(f, 1, "ab", 2), 1); /* no FIFO: one at a time */
	assert_true(irq(f));
	assert_int_equal(in(f, UART_IIR), UART_IIR_RDI);
	assert_int_equal(in(f, UART_LSR) & UART_LSR_DR, UART_LSR_DR);
	assert_int_equal(in(f, UART_RX), 'a');
	assert_false(irq(f));
	assert_int_equal(in(f, UART_RX), 0);
	out(f, UART_FCR, UART_FCR_ENABLE_FIFO | UART_FCR_TRIGGER_14);
	assert_int_equal(fix_input(f, 1, "xyz", 3), 3);
	assert_true(irq(f)); /* below the trigger level: the time-out */
	assert_int_equal(in(f, UART_IIR), 0xc0 | UART_IIR_RX_TIMEOUT);
	assert_int_equal(fix_input(f, 1, "0123456789012345", 16), 13);
	assert_int_equal(in(f, UART_IIR), 0xc0 | UART_IIR_RDI);
	f->host[1].pending = "rest of it, longer than the FIFO";
	f->host[1].pending_len = strlen(f->host[1].pending);
	while (n < 48 && in(f, UART_LSR) & UART_LSR_DR) {
		got[n++] = in(f, UART_RX);
		assert_true(fix_run(f));
	}
	assert_int_equal(n, 48);
	assert_memory_equal(got, "xyz0123456789012rest of it, longer than the FIFO", 48);
	assert_false(irq(f));
	assert_false(in(f, UART_LSR) & UART_LSR_OE);
}

static void test_uart_loopback(void **state)
{
	struct fix *f = *state;
	unsigned i;

	out(f, UART_MCR, UART_MCR_LOOP | UART_MCR_OUT2 | UART_MCR_RTS);
	assert_int_equal(
		in(f, UART_MSR) & 0xf0, UART_MSR_DCD | UART_MSR_CTS); /* Linux looks for 0x90 */
	assert_int_equal(in(f, UART_MSR) & 0x0f, 0);
	out(f, UART_IER, UART_IER_MSI);
	out(f, UART_MCR, UART_MCR_LOOP | UART_MCR_DTR);
	assert_true(irq(f));
	assert_int_equal(in(f, UART_IIR), UART_IIR_MSI);
	assert_int_equal(
		in(f, UART_MSR), UART_MSR_DSR | UART_MSR_DDSR | UART_MSR_DCTS | UART_MSR_DDCD);
	assert_false(irq(f));
	assert_int_equal(fix_input(f, 1, "outside", 7), 0); /* waits */
	out(f, UART_FCR, UART_FCR_ENABLE_FIFO);
	for (i = 0; i < 20; i++)
		out(f, UART_TX, i);
	assert_true(fix_run(f));
	assert_int_equal(f->host[1].len, 0);
	out(f, UART_IER, UART_IER_RLSI);
	assert_true(irq(f)); /* four were lost: overrun */
	assert_int_equal(in(f, UART_IIR), 0xc0 | UART_IIR_RLSI);
	assert_true(in(f, UART_LSR) & UART_LSR_OE);
	assert_false(in(f, UART_LSR) & UART_LSR_OE);
	for (i = 0; i < 16; i++)
		assert_int_equal(in(f, UART_RX), i);
	f->host[1].pending = "outside";
	f->host[1].pending_len = 7;
	out(f, UART_MCR, 0);
	assert_true(fix_run(f));
	assert_int_equal(f->host[1].pending_len, 0);
	assert_int_equal(in(f, UART_RX), 'o');
}

static void test_uart_wide_access(void **state)
{
	struct fix *f = *state;

	fake_out(f->vm, COM1 + UART_MCR, 4, 0x5a000003); /* MCR, LSR, MSR, SCR */
	assert_int_equal(in(f, UART_SCR), 0x5a);
	assert_int_equal(in(f, UART_MCR), 3);
	assert_int_equal(fake_in(f->vm, COM1 + 6, 4), 0xffffffff); /* runs over the end */
}

static uint8_t cmos(struct fix *f, uint8_t i)
{
	fake_out(f->vm, 0x70, 1, i);
	return fake_in(f->vm, 0x71, 1);
}

static void set_cmos(struct fix *f, uint8_t i, uint8_t value)
{
	fake_out(f->vm, 0x70, 1, i);
	fake_out(f->vm, 0x71, 1, value);
}

static int bcd(uint8_t v)
{
	return (v >> 4) * 10 + (v & 15);
}

/* All of the date at once, free of the second's turn. */
static time_t rtc_time(struct fix *f)
{
	struct tm tm = { 0 };
	uint8_t sec;

	do {
		sec = cmos(f, 0);
		tm.tm_sec = bcd(sec);
		tm.tm_min = bcd(cmos(f, 2));
		tm.tm_hour = bcd(cmos(f, 4));
		tm.tm_mday = bcd(cmos(f, 7));
		tm.tm_mon = bcd(cmos(f, 8)) - 1;
		tm.tm_year = bcd(cmos(f, 9)) + 100 * bcd(cmos(f, 0x32)) - 1900;
	} while (cmos(f, 0) != sec);
	return timegm(&tm);
}

static void test_rtc_time(void **state)
{
	struct fix *f = *state;
	time_t now = time(NULL), then = rtc_time(f);
	struct tm tm;

	assert_in_range(then, now - 1, now + 1);
	gmtime_r(&now, &tm);
	assert_int_equal(cmos(f, 0x0d), 0x80); /* valid */
	assert_int_equal(cmos(f, 0x0b), 0x02);
	assert_in_range(cmos(f, 6), 1, 7);
	/* set by the guest: leap day, a minute to midnight */
	set_cmos(f, 0x0b, 0x82);
	set_cmos(f, 0, 0x30);
	set_cmos(f, 2, 0x59);
	set_cmos(f, 4, 0x23);
	set_cmos(f, 7, 0x29);
	set_cmos(f, 8, 0x02);
	set_cmos(f, 9, 0x24);
	set_cmos(f, 0x32, 0x20);
	assert_false(cmos(f, 0x0a) & 0x80);
	set_cmos(f, 0x0b, 0x02);
	assert_in_range(rtc_time(f), 1709251170, 1709251172); /* 2024-02-29 23:59:30 */
	assert_int_equal(bcd(cmos(f, 6)), 5);                 /* a Thursday */
	/* binary and 12 hours */
	set_cmos(f, 0x0b, 0x04);
	assert_int_equal(cmos(f, 4), 0x80 | 11);
	assert_int_equal(cmos(f, 9), 24);
	assert_int_equal(cmos(f, 2), 59);
	/* nonsense is taken and hurts nobody */
	set_cmos(f, 0x0b, 0x02);
	set_cmos(f, 8, 0xff);
	set_cmos(f, 7, 0xff);
	set_cmos(f, 0, 0xff);
	cmos(f, 9);
	fix_info(f, "rtc");
}

/* The date arithmetic against the C library's, over eight centuries. */
static void test_rtc_calendar(void **state)
{
	struct fix *f = *state;
	int64_t t;

	for (t = -2208988800; t < 22000000000; t += 86400 * 97 + 3607) {
		struct tm tm;
		time_t tt = t;
		unsigned c;

		gmtime_r(&tt, &tm);
		c = (tm.tm_year + 1900) / 100;
		set_cmos(f, 0x0b, 0x86);
		set_cmos(f, 0, tm.tm_sec);
		set_cmos(f, 2, tm.tm_min);
		set_cmos(f, 4, tm.tm_hour);
		set_cmos(f, 7, tm.tm_mday);
		set_cmos(f, 8, tm.tm_mon + 1);
		set_cmos(f, 9, (tm.tm_year + 1900) % 100);
		set_cmos(f, 0x32, c);
		set_cmos(f, 0x0b, 0x06);
		assert_int_equal(cmos(f, 7), tm.tm_mday);
		assert_int_equal(cmos(f, 8), tm.tm_mon + 1);
		assert_int_equal(cmos(f, 9), (tm.tm_year + 1900) % 100);
		assert_int_equal(cmos(f, 0x32), c);
		assert_int_equal(cmos(f, 6), tm.tm_wday + 1);
	}
}

static void test_rtc_memory(void **state)
{
	struct fix *f = *state;

	assert_int_equal(cmos(f, 0x15) | cmos(f, 0x16) << 8, 640);
	assert_int_equal(cmos(f, 0x17) | cmos(f, 0x18) << 8, 15 * 1024); /* 16 MiB in all */
	assert_int_equal(cmos(f, 0x34) | cmos(f, 0x35) << 8, 0);
	set_cmos(f, 0x40, 0x77);
	set_cmos(f, 0xc0, 0x78); /* bit 7 is the NMI mask, not an address */
	assert_int_equal(cmos(f, 0x40), 0x78);
	fake_reset(f->vm);
	assert_int_equal(cmos(f, 0x40), 0x78); /* the battery */
}

/* Update and alarm interrupts come through GSI 8, from a timer, and go when register C is read. */
static void test_rtc_interrupts(void **state)
{
	struct fix *f = *state;
	time_t until = time(NULL) + 10;

	cmos(f, 0x0c);
	set_cmos(f, 0x0b, 0x12);
	assert_false(fake_line(f->vm, 8));
	while (!fake_line(f->vm, 8) && time(NULL) < until)
		fix_wait(f, 100);
	assert_true(fake_line(f->vm, 8));
	assert_int_equal(cmos(f, 0x0c) & 0x90, 0x90);
	assert_false(fake_line(f->vm, 8));
	/* alarm: any hour, any minute, any second */
	set_cmos(f, 0x0b, 0x02);
	set_cmos(f, 1, 0xff);
	set_cmos(f, 3, 0xff);
	set_cmos(f, 5, 0xff);
	cmos(f, 0x0c);
	set_cmos(f, 0x0b, 0x22);
	while (!fake_line(f->vm, 8) && time(NULL) < until)
		fix_wait(f, 100);
	assert_int_equal(cmos(f, 0x0c) & 0xb0, 0xb0);
	/* periodic, 64 Hz: one is due within 16 ms, and only one until C is read */
	set_cmos(f, 0x0b, 0x02);
	set_cmos(f, 0x0a, 0x2a);
	cmos(f, 0x0c);
	set_cmos(f, 0x0b, 0x42);
	while (!fake_line(f->vm, 8) && time(NULL) < until)
		fix_wait(f, 10);
	assert_int_equal(cmos(f, 0x0c) & 0xc0, 0xc0);
	set_cmos(f, 0x0b, 0x02);
}

static void test_i8042(void **state)
{
	struct fix *f = *state;
	unsigned i;

	fake_out(f->vm, 0x64, 1, 0xaa);
	assert_true(fake_in(f->vm, 0x64, 1) & 1);
	assert_false(fake_in(f->vm, 0x64, 1) & 2); /* never busy */
	assert_int_equal(fake_in(f->vm, 0x60, 1), 0x55);
	assert_false(fake_in(f->vm, 0x64, 1) & 1);
	fake_out(f->vm, 0x64, 1, 0xab);
	assert_int_equal(fake_in(f->vm, 0x60, 1), 0x00);
	fake_out(f->vm, 0x64, 1, 0x60);
	fake_out(f->vm, 0x60, 1, 0x45);
	fake_out(f->vm, 0x64, 1, 0x20);
	assert_int_equal(fake_in(f->vm, 0x60, 1), 0x45);
	assert_false(fake_line(f->vm, 1));
	fake_out(f->vm, 0x60, 1,
		0xff); /* reset the keyboard: nobody there, said at once and with an interrupt */
	assert_true(fake_line(f->vm, 1));
	assert_true(fake_in(f->vm, 0x64, 1) & 0x40);
	assert_int_equal(fake_in(f->vm, 0x60, 1), 0xfe);
	assert_false(fake_line(f->vm, 1));
	fake_out(f->vm, 0x64, 1, 0xd3); /* Linux's mouse loop test */
	fake_out(f->vm, 0x60, 1, 0x5a);
	assert_int_equal(fake_in(f->vm, 0x64, 1) & 0x21, 0x21);
	assert_int_equal(fake_in(f->vm, 0x60, 1), 0x5a);
	for (i = 0; i < 256; i++) { /* no other command does anything bad */
		if ((i >= 0xf0 && !(i & 1)) || i == 0xd1)
			continue;
		fake_out(f->vm, 0x64, 1, i);
		fake_out(f->vm, 0x60, 1, i);
		fake_in(f->vm, 0x60, 1);
		assert_int_equal(fake_request(f->vm, NULL), VMC_EVENT_NONE);
	}
	fake_out(f->vm, 0x64, 1, 0xd1);
	fake_out(f->vm, 0x60, 1, 0x02);
	assert_int_equal(fake_request(f->vm, NULL), VMC_EVENT_RESET);
	fake_out(f->vm, 0x64, 1, 0xfe);
	assert_int_equal(fake_request(f->vm, NULL), VMC_EVENT_RESET);
}

static void test_debug_exit(void **state)
{
	struct fix *f = *state;
	int64_t code = 0;

	fake_in(f->vm, 0xf4, 1);
	assert_int_equal(fake_request(f->vm, NULL), VMC_EVENT_NONE);
	fake_out(f->vm, 0xf4, 1, 0x2a);
	assert_int_equal(fake_request(f->vm, &code), VMC_EVENT_SHUTDOWN);
	assert_int_equal(code, 0x2a);
	fake_out(f->vm, 0xf4, 4, 0x12345678);
	assert_int_equal(fake_request(f->vm, &code), VMC_EVENT_SHUTDOWN);
	assert_int_equal(code, 0x12345678);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_uart_registers),
		T(test_uart_line_calls),
		T(test_uart_transmit),
		T(test_uart_back_pressure),
		T(test_uart_receive),
		T(test_uart_loopback),
		T(test_uart_wide_access),
		T(test_rtc_time),
		T(test_rtc_calendar),
		T(test_rtc_memory),
		T(test_rtc_interrupts),
		T(test_i8042),
		T(test_debug_exit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
