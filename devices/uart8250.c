/*
 * uart8250.c - a serial port: 16550A with FIFOs, at COM1, as a byte stream.
 *
 * Follows National's PC16550D data sheet (1995). The line has no speed: what the guest writes is in
 * our buffer at once, and the transmitter is "empty" while that buffer has room for a FIFO full.
 * When the host end is slow the buffer fills up and THRE stays clear: the guest waits, no vCPU
 * blocks, nothing is lost.
 *
 * Threads: registers on vCPU threads; the stream is touched on the main loop only, through @work.
 * Device lock held.
 */
#include "devices/models.h"
#include "devices/work.h"

#include <errno.h>
#include <linux/serial_reg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	FIFO = 16,
	TX_BUF = 4096, /* power of two */
};

struct uart8250 {
	struct vmc_vm *vm;
	struct dev_stream stream;
	struct dev_work work;
	char id[32];
	uint16_t port;
	uint32_t gsi;
	uint8_t ier, fcr, lcr, mcr, scr, dll, dlm;
	uint8_t msr_delta; /* low half of MSR */
	uint8_t lsr_error; /* OE: cleared by reading LSR */
	bool thre_pending; /* the THRE interrupt is due */
	uint8_t rx[FIFO];
	unsigned rx_head, rx_count;
	uint8_t tx[TX_BUF];
	uint32_t tx_head, tx_count;
	bool rx_refused; /* the host end holds input */
	bool tx_stalled; /* the host end is full */
	bool quiet;
	int line; /* what KVM was told last: the registers are touched far more often than it changes; -1: unknown */
	uint64_t bytes_in, bytes_out, lost;
};

/* ---- state to signals ---- */

static unsigned rx_size(const struct uart8250 *u)
{
	return u->fcr & UART_FCR_ENABLE_FIFO ? FIFO : 1;
}

static bool tx_room(const struct uart8250 *u)
{
	return TX_BUF - u->tx_count >= FIFO;
}

static uint8_t line_status(const struct uart8250 *u)
{
	uint8_t lsr = u->lsr_error;

	if (u->rx_count)
		lsr |= UART_LSR_DR;
	if (tx_room(u))
		lsr |= UART_LSR_THRE | UART_LSR_TEMT;
	return lsr;
}

/* Modem lines: the host end is always there; in loopback they follow MCR. */
static uint8_t modem_lines(const struct uart8250 *u)
{
	uint8_t msr = 0;

	if (!(u->mcr & UART_MCR_LOOP))
		return UART_MSR_CTS | UART_MSR_DSR | UART_MSR_DCD;
	if (u->mcr & UART_MCR_RTS)
		msr |= UART_MSR_CTS;
	if (u->mcr & UART_MCR_DTR)
		msr |= UART_MSR_DSR;
	if (u->mcr & UART_MCR_OUT1)
		msr |= UART_MSR_RI;
	if (u->mcr & UART_MCR_OUT2)
		msr |= UART_MSR_DCD;
	return msr;
}

static unsigned rx_trigger(const struct uart8250 *u)
{
	static const uint8_t level[] = { 1, 4, 8, 14 };

	return u->fcr & UART_FCR_ENABLE_FIFO ? level[u->fcr >> 6] : 1;
}

/* The most urgent interrupt that is due and enabled (data sheet, table 4); UART_IIR_NO_INT: none.
 * Characters below the trigger level count as timed out at once: no more may come for a long time.
 */
static uint8_t pending(const struct uart8250 *u)
{
	if (u->ier & UART_IER_RLSI && u->lsr_error)
		return UART_IIR_RLSI;
	if (u->ier & UART_IER_RDI && u->rx_count)
		return u->rx_count >= rx_trigger(u) ? UART_IIR_RDI : UART_IIR_RX_TIMEOUT;
	if (u->ier & UART_IER_THRI && u->thre_pending)
		return UART_IIR_THRI;
	if (u->ier & UART_IER_MSI && u->msr_delta)
		return UART_IIR_MSI;
	return UART_IIR_NO_INT;
}

static void update_line(struct uart8250 *u)
{
	int level = pending(u) != UART_IIR_NO_INT;

	if (level == u->line)
		return;
	u->line = level;
	vmc_irq_line(u->vm, u->gsi, level);
}

/* ---- bytes ---- */

static void receive(struct uart8250 *u, uint8_t byte)
{
	if (u->rx_count == rx_size(u)) {
		u->lsr_error |=
			UART_LSR_OE; /* only loopback gets here: the host end is made to wait */
		return;
	}
	u->rx[(u->rx_head + u->rx_count++) % FIFO] = byte;
}

static void transmit(struct uart8250 *u, uint8_t byte)
{
	u->thre_pending = false;
	if (u->mcr & UART_MCR_LOOP) {
		receive(u, byte);
		u->thre_pending = true;
		return;
	}
	if (u->tx_count == TX_BUF) {
		u->lost++; /* the guest wrote although THRE was clear */
		return;
	}
	u->tx[(u->tx_head + u->tx_count++) % TX_BUF] = byte;
	u->thre_pending = tx_room(u);
	dev_work_kick(&u->work);
}

static uint8_t read_byte(struct uart8250 *u)
{
	uint8_t byte = u->rx[u->rx_head];

	if (!u->rx_count)
		return 0;
	u->rx_head = (u->rx_head + 1) % FIFO;
	u->rx_count--;
	if (!u->rx_count && u->rx_refused)
		dev_work_kick(&u->work);
	return byte;
}

/* ---- registers ---- */

static uint8_t read_iir(struct uart8250 *u)
{
	uint8_t iir = pending(u);

	if (iir == UART_IIR_THRI)
		u->thre_pending = false; /* reading it acknowledges it */
	if (u->fcr & UART_FCR_ENABLE_FIFO)
		iir |= 0xc0;
	return iir;
}

static uint8_t read_reg(struct uart8250 *u, unsigned reg)
{
	bool dlab = u->lcr & UART_LCR_DLAB;
	uint8_t value;

	switch (reg) {
	case UART_RX:
		return dlab ? u->dll : read_byte(u);
	case UART_IER:
		return dlab ? u->dlm : u->ier;
	case UART_IIR:
		return read_iir(u);
	case UART_LCR:
		return u->lcr;
	case UART_MCR:
		return u->mcr;
	case UART_LSR:
		value = line_status(u);
		u->lsr_error = 0;
		return value;
	case UART_MSR:
		value = modem_lines(u) | u->msr_delta;
		u->msr_delta = 0;
		return value;
	default:
		return u->scr;
	}
}

static void write_ier(struct uart8250 *u, uint8_t value)
{
	uint8_t old = u->ier;

	u->ier = value & 0x0f;
	if (u->ier & ~old & UART_IER_THRI && tx_room(u))
		u->thre_pending = true; /* enabling it on an empty transmitter interrupts at once */
}

static void write_fcr(struct uart8250 *u, uint8_t value)
{
	bool toggled = (value ^ u->fcr) & UART_FCR_ENABLE_FIFO;

	u->fcr = value & (UART_FCR_ENABLE_FIFO | UART_FCR_TRIGGER_MASK);
	if (!(value & UART_FCR_ENABLE_FIFO))
		u->fcr = 0;
	/* Clearing the transmit FIFO takes nothing back: to the guest those bytes are on the wire.
	 */
	if (toggled || value & UART_FCR_CLEAR_RCVR) {
		u->rx_count = 0;
		if (u->rx_refused)
			dev_work_kick(&u->work);
	}
}

static void write_mcr(struct uart8250 *u, uint8_t value)
{
	uint8_t before = modem_lines(u), change;

	u->mcr = value & 0x1f;
	change = before ^ modem_lines(u);
	if (change & UART_MSR_CTS)
		u->msr_delta |= UART_MSR_DCTS;
	if (change & UART_MSR_DSR)
		u->msr_delta |= UART_MSR_DDSR;
	if (change & before & UART_MSR_RI) /* only its trailing edge counts */
		u->msr_delta |= UART_MSR_TERI;
	if (change & UART_MSR_DCD)
		u->msr_delta |= UART_MSR_DDCD;
	if (u->rx_refused)
		dev_work_kick(&u->work); /* loopback may have ended */
}

static void write_reg(struct uart8250 *u, unsigned reg, uint8_t value)
{
	bool dlab = u->lcr & UART_LCR_DLAB;

	switch (reg) {
	case UART_TX:
		if (dlab)
			u->dll = value;
		else
			transmit(u, value);
		break;
	case UART_IER:
		if (dlab)
			u->dlm = value;
		else
			write_ier(u, value);
		break;
	case UART_FCR:
		write_fcr(u, value);
		break;
	case UART_LCR:
		u->lcr = value;
		break;
	case UART_MCR:
		write_mcr(u, value);
		break;
	case UART_SCR:
		u->scr = value;
		break;
	}
}

/* Wider accesses reach neighbouring registers, as on the ISA bus. */
static void uart_read(void *dev, uint64_t off, void *data, uint32_t len)
{
	struct uart8250 *u = dev;
	uint32_t i;

	for (i = 0; i < len; i++)
		((uint8_t *)data)[i] = read_reg(u, off + i);
	update_line(u);
}

static void uart_write(void *dev, uint64_t off, const void *data, uint32_t len)
{
	struct uart8250 *u = dev;
	uint32_t i;

	for (i = 0; i < len; i++)
		write_reg(u, off + i, ((const uint8_t *)data)[i]);
	update_line(u);
}

static const struct vmc_bus_ops bus_ops = { uart_read, uart_write };

/* ---- main loop: the stream ---- */

static void drain(struct uart8250 *u)
{
	bool had_room = tx_room(u);

	while (u->tx_count && !u->tx_stalled) {
		size_t run = TX_BUF - u->tx_head, took;

		if (run > u->tx_count)
			run = u->tx_count;
		took = dev_stream_output(&u->stream, u->tx + u->tx_head, run);
		u->tx_head = (u->tx_head + took) % TX_BUF;
		u->tx_count -= took;
		u->bytes_out += took;
		u->tx_stalled = took < run;
	}
	if (!had_room && tx_room(u)) {
		u->thre_pending = true;
		update_line(u);
	}
}

static void uart_run(void *arg)
{
	struct uart8250 *u = arg;

	if (u->quiet)
		return; /* resume kicks again */
	drain(u);
	if (u->rx_refused && !u->rx_count) {
		u->rx_refused = false;
		if (u->stream.host_ops)
			u->stream.host_ops->input_ready(u->stream.host);
	}
}

static size_t uart_input(void *dev, const void *buf, size_t len)
{
	struct uart8250 *u = dev;
	size_t done = 0;

	if (!u->quiet && !(u->mcr & UART_MCR_LOOP))
		while (done < len && u->rx_count < rx_size(u))
			receive(u, ((const uint8_t *)buf)[done++]);
	u->bytes_in += done;
	u->rx_refused = done < len;
	if (done)
		update_line(u);
	return done;
}

static void uart_output_ready(void *dev)
{
	struct uart8250 *u = dev;

	u->tx_stalled = false;
	dev_work_kick(&u->work);
}

static const struct dev_stream_dev_ops stream_ops = {
	.input = uart_input,
	.output_ready = uart_output_ready,
};

/* ---- what the VM asks of us ---- */

static void uart_describe(void *dev, struct vmc_device_info *info)
{
	const struct uart8250 *u = dev;

	snprintf(info->model, sizeof(info->model), "16550A");
	snprintf(info->where, sizeof(info->where), "isa");
	info->addr = u->port;
	info->addr_len = 8;
	info->pio = true;
	info->irq = u->gsi;
	snprintf(info->note, sizeof(info->note), "in %llu, out %llu bytes, %u waiting%s",
		(unsigned long long)u->bytes_in, (unsigned long long)u->bytes_out, u->tx_count,
		u->lost ? "; the guest wrote into a full transmitter" : "");
}

/* Bytes already written stay: to the guest they were sent. */
static void uart_reset(void *dev)
{
	struct uart8250 *u = dev;

	u->ier = u->fcr = u->lcr = u->mcr = u->scr = u->dlm = 0;
	u->dll = 12; /* 9600 baud, for whoever asks */
	u->msr_delta = u->lsr_error = 0;
	u->thre_pending = false;
	u->rx_head = u->rx_count = 0;
	u->rx_refused = true;
	u->line = -1; /* the irqchip was reset too */
	update_line(u);
	dev_work_kick(&u->work);
}

static void uart_quiesce(void *dev)
{
	((struct uart8250 *)dev)->quiet = true;
}

static void uart_resume(void *dev)
{
	struct uart8250 *u = dev;

	u->quiet = false;
	u->rx_refused = true; /* input was refused meanwhile, perhaps */
	u->line = -1;         /* the irqchip may have been loaded after us */
	update_line(u);
	dev_work_kick(&u->work);
}

static void uart_save(void *dev, struct vmc_out *out)
{
	const struct uart8250 *u = dev;
	const uint8_t regs[] = { u->ier, u->fcr, u->lcr, u->mcr, u->scr, u->dll, u->dlm,
		u->msr_delta, u->lsr_error, u->thre_pending };
	uint32_t i;

	vmc_out_bytes(out, regs, sizeof(regs));
	vmc_out_u8(out, u->rx_count);
	for (i = 0; i < u->rx_count; i++)
		vmc_out_u8(out, u->rx[(u->rx_head + i) % FIFO]);
	vmc_out_u32(out, u->tx_count);
	for (i = 0; i < u->tx_count; i++)
		vmc_out_u8(out, u->tx[(u->tx_head + i) % TX_BUF]);
	vmc_out_u64(out, u->bytes_in);
	vmc_out_u64(out, u->bytes_out);
	vmc_out_u64(out, u->lost);
}

static int uart_load(void *dev, struct vmc_in *in, uint32_t version)
{
	struct uart8250 *u = dev, t = { 0 };
	uint8_t regs[10] = { 0 };
	int rc;

	vmc_in_bytes(in, regs, sizeof(regs));
	t.rx_count = vmc_in_u8(in);
	if (t.rx_count > FIFO)
		return vmc_in_fail(
			in, -EBADMSG, "%u bytes in a receive FIFO of %u", t.rx_count, FIFO);
	vmc_in_bytes(in, t.rx, t.rx_count);
	t.tx_count = vmc_in_u32(in);
	if (t.tx_count > TX_BUF)
		return vmc_in_fail(
			in, -EBADMSG, "%u bytes in a transmit buffer of %u", t.tx_count, TX_BUF);
	vmc_in_bytes(in, t.tx, t.tx_count);
	t.bytes_in = vmc_in_u64(in);
	t.bytes_out = vmc_in_u64(in);
	t.lost = vmc_in_u64(in);
	rc = vmc_in_end(in);
	if (rc < 0)
		return rc;
	u->ier = regs[0] & 0x0f;
	u->fcr = regs[1] & (UART_FCR_ENABLE_FIFO | UART_FCR_TRIGGER_MASK);
	u->lcr = regs[2];
	u->mcr = regs[3] & 0x1f;
	u->scr = regs[4];
	u->dll = regs[5];
	u->dlm = regs[6];
	u->msr_delta = regs[7] & 0x0f;
	u->lsr_error = regs[8] & UART_LSR_OE;
	u->thre_pending = regs[9] & 1;
	u->rx_head = u->tx_head = 0;
	u->rx_count = t.rx_count;
	memcpy(u->rx, t.rx, sizeof(u->rx));
	u->tx_count = t.tx_count;
	memcpy(u->tx, t.tx, sizeof(u->tx));
	u->bytes_in = t.bytes_in;
	u->bytes_out = t.bytes_out;
	u->lost = t.lost;
	u->tx_stalled = false;
	u->quiet = true; /* a loaded VM is paused */
	u->line = -1;
	update_line(u);
	return 0;
}

static void uart_destroy(void *dev)
{
	struct uart8250 *u = dev;

	vmc_bus_remove(u->vm, VMC_BUS_PIO, u->port);
	dev_work_fini(&u->work);
	free(u);
}

static const struct vmc_device_ops uart8250_ops = {
	.model = "8250",
	.version = 1,
	.describe = uart_describe,
	.reset = uart_reset,
	.quiesce = uart_quiesce,
	.resume = uart_resume,
	.save = uart_save,
	.load = uart_load,
	.destroy = uart_destroy,
};

void uart8250_detach(struct uart8250 *u)
{
	dev_work_detach(&u->work);
}

int uart8250_new(struct vmc_vm *vm, struct event_base *base, uint16_t port, uint32_t gsi,
	const char *id, const char *stream_name, struct uart8250 **out, struct dev_stream **stream)
{
	struct uart8250 *u = calloc(1, sizeof(*u));
	char name[40];
	int rc;

	if (!u)
		return vmc_fail(vm, -ENOMEM, "no memory for %s", id);
	u->vm = vm;
	u->port = port;
	u->gsi = gsi;
	u->dll = 12;
	u->line = -1;
	u->rx_refused = true;
	u->stream = (struct dev_stream){ .name = stream_name, .dev_ops = &stream_ops, .dev = u };
	rc = dev_work_init(&u->work, vm, base, uart_run, u);
	if (rc < 0) {
		vmc_fail(vm, rc, "%s: eventfd or event: %s", id, strerror(-rc));
		goto err_free;
	}
	snprintf(name, sizeof(name), "8250 %s", stream_name);
	rc = vmc_bus_add(vm, VMC_BUS_PIO, port, 8, &bus_ops, u, name);
	if (rc < 0)
		goto err_work;
	rc = vmc_device_add(vm, id, &uart8250_ops, u);
	if (rc < 0)
		goto err_bus;
	*out = u;
	*stream = &u->stream;
	return 0;

err_bus:
	vmc_bus_remove(vm, VMC_BUS_PIO, port);
err_work:
	dev_work_fini(&u->work);
err_free:
	free(u);
	return rc;
}
