/*
 * debug_exit.c - a write of v to this port ends the VM with code v; how a test guest says how it
 * went.
 *
 * Threads: vCPU threads, device lock held. Stateless.
 */
#include "devices/models.h"

#include <stdio.h>
#include <string.h>

static void exit_read(void *dev, uint64_t off, void *data, uint32_t len)
{
	(void)dev;
	(void)off;
	memset(data, 0, len);
}

static void exit_write(void *dev, uint64_t off, const void *data, uint32_t len)
{
	uint32_t code = 0;

	(void)off;
	memcpy(&code, data, len < sizeof(code) ? len : sizeof(code));
	vmc_vm_request(dev, VMC_EVENT_SHUTDOWN, code);
}

static const struct vmc_bus_ops bus_ops = { exit_read, exit_write };

int debug_exit_new(struct vmc_vm *vm, uint16_t port)
{
	return vmc_bus_add(vm, VMC_BUS_PIO, port, 4, &bus_ops, vm, "debug exit");
}
