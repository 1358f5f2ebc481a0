/* console.c - bytes in and out, from ring 3 on vCPU 0. */
#include "kernel.h"

struct rt_console rt_console;

/* Two buffers take turns: one is with the device while the other is filled. */
static char out[2][16384];
static unsigned turn;
static uint64_t written;

void rt_write(const char *text, size_t len)
{
	while (len) {
		size_t n = len < sizeof(out[0]) ? len : sizeof(out[0]);
		struct rt_text t = {out[turn], n};

		memcpy(out[turn], text, n);
		rt_ring0(k_console_write, &t);
		turn ^= 1;
		text += n;
		len -= n;
		written += n;
	}
}

void rt_drain(void)
{
	rt_ring0(k_console_drain, NULL);
}

uint64_t rt_bytes_written(void)
{
	return written;
}

void rt_console_size(unsigned *cols, unsigned *rows)
{
	*cols = rt_console.cols ? rt_console.cols : 80;
	*rows = rt_console.rows ? rt_console.rows : 24;
}

int rt_getc(void)
{
	int c;

	if (rt_console.head == rt_console.tail) {
		if (!rt_console.full)
			return -1;
		rt_ring0(k_console_refill, NULL);
		if (rt_console.head == rt_console.tail)
			return -1;
	}
	c = rt_console.input[rt_console.tail % RT_INPUT];
	rt_console.tail++;
	return c;
}

void rt_printf(const char *format, ...)
{
	char line[1024];
	va_list ap;
	int n;

	va_start(ap, format);
	n = rt_vsnprintf(line, sizeof(line), format, ap);
	va_end(ap);
	rt_write(line, (size_t)n < sizeof(line) ? (size_t)n : sizeof(line) - 1);
}
