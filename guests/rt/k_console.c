/* k_console.c - the console as programs see it, whichever device is behind it. Ring 0, vCPU 0. */
#include "kernel.h"

static bool virtio;

void k_console_init(void)
{
	virtio = k_virtio_init();
	rt_machine.console = virtio ? "virtio-console" : "8250";
	if (!virtio)
		k_serial_init();
	if (!rt_console.size_known) {
		rt_console.cols = 80;
		rt_console.rows = 24;
	}
}

void k_input(const uint8_t *data, size_t len)
{
	for (size_t i = 0; i < len; i++)
		rt_console.input[(rt_console.head + i) % RT_INPUT] = data[i];
	__asm__ volatile("" ::: "memory");
	rt_console.head += (uint32_t)len;
	rt_cpus[0].events |= EV_INPUT;
}

/* Sleeps until the device has given the last buffer back. Other events are kept for rt_wait(). */
static void wait_for_transmit(void)
{
	if (!k_virtio_busy())
		return;
	k_virtio_tx_interrupts(true);
	while (k_virtio_busy())
		__asm__ volatile("sti; hlt; cli" ::: "memory");
	k_virtio_tx_interrupts(false);
	rt_cpu()->events &= ~(uint32_t)EV_TX;
}

uint64_t k_console_write(void *request)
{
	const struct rt_text *t = request;

	if (!virtio) {
		k_serial_submit(t->text, t->len);
		return 0;
	}
	wait_for_transmit();
	k_virtio_submit(t->text, t->len);
	return 0;
}

uint64_t k_console_drain(void *unused)
{
	if (virtio)
		wait_for_transmit();
	return 0;
}

uint64_t k_console_refill(void *unused)
{
	if (virtio)
		k_virtio_refill();
	else
		k_serial_refill();
	return 0;
}

/* For reports: needs no interrupt, gives up when nobody takes the text. */
void k_emergency(const char *text)
{
	size_t len = strlen(text);

	if (!virtio) {
		k_serial_init();
		k_serial_submit(text, len);
		return;
	}
	for (unsigned i = 0; i < 2; i++) {
		for (unsigned n = 0; n < 3000000 && k_virtio_busy(); n++)
			__asm__ volatile("pause");
		if (!i)
			k_virtio_submit(text, len);
	}
}
