/*
 * i8042.c - the PC's keyboard controller without a keyboard: self-test, configuration byte, reset
 * line.
 *
 * Follows the IBM PS/2 technical reference's controller commands; what is sent to a device is
 * answered as by an empty socket (0xfe and the time-out bit), so that nobody waits.
 *
 * Threads: registers on vCPU threads; device lock held.
 */
#include "devices/models.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PORT_DATA = 0x60, PORT_CMD = 0x64, GSI = 1 };
enum {
	ST_OBF = 0x01,
	ST_SYS = 0x04,
	ST_CMD = 0x08,
	ST_KEYLOCK = 0x10,
	ST_AUX = 0x20,
	ST_TIMEOUT = 0x40
};
enum { CTR_KBD_IRQ = 0x01, CTR_SYS = 0x04, CTR_KBD_OFF = 0x10, CTR_AUX_OFF = 0x20 };
enum { OUT_NOT_RESET = 0x01, OUT_A20 = 0x02 };

struct i8042 {
	struct vmc_vm *vm;
	uint8_t status, ctr, out_port;
	uint8_t data;    /* in the output buffer while ST_OBF */
	uint8_t command; /* waits for its parameter at 0x60; 0: none */
};

static void update_line(struct i8042 *k)
{
	vmc_irq_line(
		k->vm, GSI, k->status & ST_OBF && !(k->status & ST_AUX) && k->ctr & CTR_KBD_IRQ);
}

static void answer(struct i8042 *k, uint8_t data, uint8_t flags)
{
	k->data = data;
	k->status = (k->status & ~(ST_AUX | ST_TIMEOUT)) | ST_OBF | flags;
}

static void reset_machine(struct i8042 *k)
{
	vmc_vm_request(k->vm, VMC_EVENT_RESET, 0);
}

static void command(struct i8042 *k, uint8_t cmd)
{
	k->status |= ST_CMD;
	k->command = 0;
	switch (cmd) {
	case 0x20: /* read the configuration byte */
		answer(k, k->ctr, 0);
		break;
	case 0x60: /* write it */
	case 0xd1: /* write the output port */
	case 0xd2: /* write to the output buffer as if from the keyboard */
	case 0xd3: /* ... from the mouse */
	case 0xd4: /* send to the mouse */
		k->command = cmd;
		break;
	case 0xa7:
		k->ctr |= CTR_AUX_OFF;
		break;
	case 0xa8:
		k->ctr &= ~CTR_AUX_OFF;
		break;
	case 0xa9: /* test the mouse's lines: clock stuck low, nobody there */
		answer(k, 0x01, 0);
		break;
	case 0xaa: /* self-test */
		k->status |= ST_SYS;
		answer(k, 0x55, 0);
		break;
	case 0xab: /* test the keyboard's lines: fine */
		answer(k, 0x00, 0);
		break;
	case 0xad:
		k->ctr |= CTR_KBD_OFF;
		break;
	case 0xae:
		k->ctr &= ~CTR_KBD_OFF;
		break;
	case 0xc0: /* read the input port: not locked */
		answer(k, 0x80, 0);
		break;
	case 0xd0:
		answer(k, k->out_port, 0);
		break;
	case 0xf0 ... 0xff: /* pulse lines that are low in the command; line 0 is the CPU's reset */
		if (!(cmd & 1))
			reset_machine(k);
		break;
	}
}

static void data_write(struct i8042 *k, uint8_t value)
{
	uint8_t cmd = k->command;

	k->status &= ~ST_CMD;
	k->command = 0;
	switch (cmd) {
	case 0x60:
		k->ctr = value;
		k->status = (k->status & ~ST_SYS) | (value & CTR_SYS ? ST_SYS : 0);
		break;
	case 0xd1:
		k->out_port = value | OUT_NOT_RESET;
		if (!(value & OUT_NOT_RESET))
			reset_machine(k);
		break;
	case 0xd2:
		answer(k, value, 0);
		break;
	case 0xd3:
		answer(k, value, ST_AUX);
		break;
	case 0xd4:
		answer(k, 0xfe, ST_AUX | ST_TIMEOUT);
		break;
	default: /* for the keyboard */
		answer(k, 0xfe, ST_TIMEOUT);
	}
}

static void data_port_read(void *dev, uint64_t off, void *data, uint32_t len)
{
	struct i8042 *k = dev;

	(void)off;
	memset(data, 0, len);
	memcpy(data, &k->data, 1);
	k->status &= ~(ST_OBF | ST_AUX | ST_TIMEOUT);
	update_line(k);
}

static void data_port_write(void *dev, uint64_t off, const void *data, uint32_t len)
{
	(void)off;
	(void)len;
	data_write(dev, *(const uint8_t *)data);
	update_line(dev);
}

static void cmd_port_read(void *dev, uint64_t off, void *data, uint32_t len)
{
	const struct i8042 *k = dev;

	(void)off;
	memset(data, 0, len);
	*(uint8_t *)data = k->status;
}

static void cmd_port_write(void *dev, uint64_t off, const void *data, uint32_t len)
{
	(void)off;
	(void)len;
	command(dev, *(const uint8_t *)data);
	update_line(dev);
}

static const struct vmc_bus_ops data_ops = { data_port_read, data_port_write };
static const struct vmc_bus_ops cmd_ops = { cmd_port_read, cmd_port_write };

static void kbd_describe(void *dev, struct vmc_device_info *info)
{
	(void)dev;
	snprintf(info->model, sizeof(info->model), "i8042");
	snprintf(info->where, sizeof(info->where), "isa");
	snprintf(info->note, sizeof(info->note), "no keyboard attached");
	info->addr = PORT_DATA;
	info->addr_len = 5;
	info->pio = true;
	info->irq = GSI;
}

static void power_on(struct i8042 *k)
{
	k->status = ST_KEYLOCK | ST_SYS;
	k->ctr = CTR_SYS | CTR_KBD_OFF | CTR_AUX_OFF;
	k->out_port = OUT_NOT_RESET | OUT_A20;
	k->data = k->command = 0;
}

static void kbd_reset(void *dev)
{
	power_on(dev);
	update_line(dev);
}

static void kbd_resume(void *dev)
{
	update_line(dev); /* the irqchip may have been loaded after us */
}

static void kbd_save(void *dev, struct vmc_out *out)
{
	const struct i8042 *k = dev;
	const uint8_t regs[] = { k->status, k->ctr, k->out_port, k->data, k->command };

	vmc_out_bytes(out, regs, sizeof(regs));
}

static int kbd_load(void *dev, struct vmc_in *in, uint32_t version)
{
	struct i8042 *k = dev;
	uint8_t regs[5] = { 0 };
	int rc;

	vmc_in_bytes(in, regs, sizeof(regs));
	rc = vmc_in_end(in);
	if (rc < 0)
		return rc;
	k->status = regs[0];
	k->ctr = regs[1];
	k->out_port = regs[2];
	k->data = regs[3];
	k->command = regs[4];
	update_line(k);
	return 0;
}

static void kbd_destroy(void *dev)
{
	free(dev);
}

static const struct vmc_device_ops i8042_ops = {
	.model = "i8042",
	.version = 1,
	.describe = kbd_describe,
	.reset = kbd_reset,
	.resume = kbd_resume,
	.save = kbd_save,
	.load = kbd_load,
	.destroy = kbd_destroy,
};

int i8042_new(struct vmc_vm *vm)
{
	struct i8042 *k = calloc(1, sizeof(*k));
	int rc;

	if (!k)
		return vmc_fail(vm, -ENOMEM, "no memory for the keyboard controller");
	k->vm = vm;
	power_on(k);
	rc = vmc_bus_add(vm, VMC_BUS_PIO, PORT_DATA, 1, &data_ops, k, "i8042 data");
	if (rc < 0)
		goto err_free;
	rc = vmc_bus_add(vm, VMC_BUS_PIO, PORT_CMD, 1, &cmd_ops, k, "i8042 command");
	if (rc < 0)
		goto err_data;
	rc = vmc_device_add(vm, "i8042", &i8042_ops, k);
	if (rc == 0)
		return 0;
	vmc_bus_remove(vm, VMC_BUS_PIO, PORT_CMD);
err_data:
	vmc_bus_remove(vm, VMC_BUS_PIO, PORT_DATA);
err_free:
	free(k);
	return rc;
}
