/* tap.c - see tap.h. */
#include "tests/lib/tap.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static unsigned count, failures;

static void line(const char *verdict, const char *name, va_list ap, const char *why)
{
	printf("%s %u - ", verdict, ++count);
	vprintf(name, ap);
	if (why)
		printf(" # SKIP %s", why);
	putchar('\n');
	fflush(stdout);
}

bool tap_ok(bool ok, const char *name, ...)
{
	va_list ap;

	va_start(ap, name);
	line(ok ? "ok" : "not ok", name, ap, NULL);
	va_end(ap);
	if (!ok)
		failures++;
	return ok;
}

void tap_skip(const char *why, const char *name, ...)
{
	va_list ap;

	va_start(ap, name);
	line("ok", name, ap, why);
	va_end(ap);
}

void tap_note(const char *fmt, ...)
{
	va_list ap;

	printf("# ");
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	putchar('\n');
	fflush(stdout);
}

void tap_bail(const char *fmt, ...)
{
	va_list ap;

	printf("Bail out! ");
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	putchar('\n');
	fflush(stdout);
	exit(1);
}

int tap_done(void)
{
	printf("1..%u\n", count);
	return failures ? 1 : 0;
}

uint64_t tap_now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

bool tap_wait(bool (*cond)(void *arg), void *arg, int deadline_ms, int step_ms)
{
	uint64_t end = tap_now_us() + (uint64_t)deadline_ms * 1000;
	struct timespec step = { step_ms / 1000, (long)(step_ms % 1000) * 1000000 };

	for (;;) {
		if (cond(arg))
			return true;
		if (tap_now_us() >= end)
			return false;
		nanosleep(&step, NULL);
	}
}
