/*
 * k_serial.c - COM1, the console where there is no virtio-console, and the panic report's way out.
 * 8250/16550A. Ring 0, vCPU 0 (a report: any).
 */
#include "kernel.h"

#define COM1 0x3f8
enum { R_DATA, R_IER, R_FCR, R_LCR, R_MCR, R_LSR };
#define LSR_DATA  0x01
#define LSR_EMPTY 0x20

static bool ready;

static void port_init(void)
{
	if (ready)
		return;
	k_outb(COM1 + R_IER, 0);
	k_outb(COM1 + R_LCR, 0x80);
	k_outb(COM1 + R_DATA, 1); /* 115200 */
	k_outb(COM1 + R_IER, 0);
	k_outb(COM1 + R_LCR, 0x03); /* 8n1 */
	k_outb(COM1 + R_FCR, 0x07);
	k_outb(COM1 + R_MCR, 0x0b); /* OUT2 lets the interrupt through */
	ready = true;
}

void k_serial_init(void)
{
	port_init();
	k_ioapic_route(4, VEC_COM1, false);
	k_outb(COM1 + R_IER, 0x01); /* received data only: we wait for room when sending */
}

void k_serial_refill(void)
{
	rt_console.full = 0;
	for (unsigned n = 0; n < 64 && k_inb(COM1 + R_LSR) & LSR_DATA; n++) {
		uint8_t c;

		if (!rt_input_room()) {
			rt_console.full = 1; /* it waits in the FIFO */
			return;
		}
		c = k_inb(COM1 + R_DATA);
		k_input(&c, 1);
	}
}

void k_serial_interrupt(void)
{
	k_serial_refill();
}

void k_serial_submit(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		for (unsigned n = 0; n < 100000 && !(k_inb(COM1 + R_LSR) & LSR_EMPTY); n++)
			;
		k_outb(COM1 + R_DATA, (uint8_t)text[i]);
	}
}
