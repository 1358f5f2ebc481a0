/*
 * machine.c - the PC: the explicit list of what there is and where it sits (machine.h has the map).
 *
 * Thread: owner (main loop). reset_request() comes from a vCPU thread.
 */
#include "devices/machine.h"
#include "devices/acpi.h"
#include "devices/balloon.h"
#include "devices/block.h"
#include "devices/models.h"
#include "devices/pci.h"
#include "devices/virtio_blk.h"
#include "devices/virtio_pci.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

enum {
	COM1_PORT = 0x3f8,
	COM1_GSI = 4,
	CONSOLE_SLOT = 1,
	RNG_SLOT = 2,
	BALLOON_SLOT = 3,
	VSOCK_SLOT = 4,
	DISK_SLOT = 5, /* the first; DISK_MAX of them */
	SLOTS = 32,
};

struct machine {
	struct vmc_vm *vm;
	struct machine_config cfg;
	struct pci_bus *pci;
	struct vdev *balloon; /* NULL: none */
	struct virtio_pci *virtio[SLOTS]; /* by PCI slot; NULL: none there */
	struct uart8250 *com1;
	struct rtc *rtc;
	struct acpi_pm *pm;
	struct dev_stream *stream[2];
	struct dev_net *net[MACHINE_NETS];
	struct vdev *disk[DISK_MAX];
};

/* dsdt.asl says the same. Slot 1 has a line that PIC and IOAPIC both know, for guests without ACPI. */
int32_t machine_intx_gsi(unsigned slot)
{
	return slot == 1 ? 10 : 16 + (int32_t)(slot % 8);
}

static void reset_request(void *arg)
{
	vmc_vm_request(arg, VMC_EVENT_RESET, 0);
}

/* @v is the machine's from here on, on failure too. */
static int add_virtio(struct machine *m, struct event_base *base, unsigned slot, const char *id, struct vdev *v)
{
	int rc = virtio_pci_new(v, base, m->pci, slot, machine_intx_gsi(slot), id, &m->virtio[slot]);

	if (rc < 0)
		v->ops->destroy(v);
	return rc;
}

static int add_console(struct machine *m, struct event_base *base)
{
	struct vdev *v;
	int rc;

	rc = virtio_console_new(m->vm, "hvc0", m->cfg.cols, m->cfg.rows, &v, &m->stream[0]);
	if (rc < 0)
		return rc;
	return add_virtio(m, base, CONSOLE_SLOT, "virtio-console0", v);
}

static int add_rng(struct machine *m, struct event_base *base)
{
	struct vdev *v;
	int rc;

	if (!m->cfg.rng)
		return 0;
	rc = virtio_rng_new(m->vm, base, m->cfg.rng_rate, &v);
	return rc < 0 ? rc : add_virtio(m, base, RNG_SLOT, "rng", v);
}

static int add_net(struct machine *m, struct event_base *base, unsigned i)
{
	struct vdev *v;
	int rc = virtio_net_new(m->vm, &m->cfg.nets[i], &v, &m->net[i]);

	if (rc < 0)
		return rc;
	return add_virtio(m, base, MACHINE_NET_SLOT + i, m->cfg.nets[i].name, v);
}

static int add_nets(struct machine *m, struct event_base *base)
{
	int rc = 0;

	for (unsigned i = 0; i < m->cfg.nnets && rc == 0; i++)
		rc = add_net(m, base, i);
	return rc;
}

static int add_disks(struct machine *m, struct event_base *base)
{
	int rc = 0;

	for (unsigned i = 0; i < m->cfg.ndisks && rc == 0; i++) {
		struct vdev *v;
		char id[16];

		snprintf(id, sizeof(id), "disk%u", i);
		rc = virtio_blk_new(m->vm, base, &m->cfg.disks[i], i, &m->cfg.disk_events, &v);
		if (rc == 0)
			rc = add_virtio(m, base, DISK_SLOT + i, id, v);
		if (rc == 0)
			m->disk[i] = v;
	}
	m->cfg.disks = NULL; /* the caller's, and not kept */
	return rc;
}

static int add_balloon(struct machine *m, struct event_base *base)
{
	struct vdev *v;
	int rc;

	if (!m->cfg.balloon)
		return 0;
	rc = virtio_balloon_new(m->vm, base, m->cfg.balloon_changed, m->cfg.host, &v);
	if (rc == 0)
		rc = add_virtio(m, base, BALLOON_SLOT, "balloon", v);
	if (rc == 0)
		m->balloon = v;
	return rc;
}

static int add_vsock(struct machine *m, struct event_base *base)
{
	struct vdev *v;
	int rc;

	if (!m->cfg.vsock.cid)
		return 0;
	rc = virtio_vsock_new(m->vm, base, &m->cfg.vsock, &v);
	return rc < 0 ? rc : add_virtio(m, base, VSOCK_SLOT, "vsock", v);
}

/* The list. */
static int add_devices(struct machine *m, struct event_base *base)
{
	struct vmc_vm *vm = m->vm;
	int rc;

	if ((rc = rtc_new(vm, base, &m->rtc)) < 0 ||
		(rc = i8042_new(vm)) < 0 ||
		(rc = debug_exit_new(vm, MACHINE_PORT_DEBUG_EXIT)) < 0 ||
		(rc = acpi_pm_new(vm, &m->pm)) < 0 ||
		(rc = pvpanic_new(vm)) < 0 ||
		(rc = uart8250_new(vm, base, COM1_PORT, COM1_GSI, "com1", "ttyS0", &m->com1,
			 &m->stream[1])) < 0 ||
		(rc = pci_bus_new(vm, reset_request, vm, &m->pci)) < 0 ||
		(rc = add_console(m, base)) < 0 ||
		(rc = add_rng(m, base)) < 0)
		return rc;
	rc = add_balloon(m, base);
	if (rc == 0)
		rc = add_vsock(m, base);
	if (rc == 0)
		rc = add_nets(m, base);
	return rc < 0 ? rc : add_disks(m, base);
}

int machine_new(struct vmc_vm *vm, struct event_base *base, const struct machine_config *cfg,
	struct machine **out)
{
	struct machine *m = calloc(1, sizeof(*m));
	int rc;

	if (!m)
		return vmc_fail(vm, -ENOMEM, "no memory for the machine");
	m->vm = vm;
	m->cfg = *cfg;
	vmc_device_lock(vm); /* as everywhere: a device's state changes under it */
	rc = add_devices(m, base);
	vmc_device_unlock(vm);
	if (rc < 0) {
		machine_free(m);
		return rc;
	}
	*out = m;
	return 0;
}

/* The devices themselves belong to the VM; here they only leave the event loop. */
void machine_free(struct machine *m)
{
	unsigned i;

	if (!m)
		return;
	for (i = 0; i < SLOTS; i++)
		if (m->virtio[i])
			virtio_pci_detach(m->virtio[i]);
	if (m->com1)
		uart8250_detach(m->com1);
	if (m->rtc)
		rtc_detach(m->rtc);
	free(m);
}

int machine_boot(struct machine *m, struct vmc_boot_info *info)
{
	struct vmc_boot_params params = {
		.kernel = m->cfg.kernel,
		.kernel_size = m->cfg.kernel_size,
		.initrd = m->cfg.initrd,
		.initrd_size = m->cfg.initrd_size,
		.read = m->cfg.read,
		.cmdline = m->cfg.cmdline,
	};
	int rc;

	if (!params.kernel)
		return vmc_fail(m->vm, -ENOEXEC, "no kernel given: nothing to boot");
	rc = acpi_write(m->vm, vmc_vm_config(m->vm)->vcpus, &params.rsdp_gpa);
	return rc < 0 ? rc : vmc_boot_load(m->vm, &params, info);
}

struct dev_stream *machine_stream(struct machine *m, unsigned index)
{
	return index < 2 ? m->stream[index] : NULL;
}

struct dev_net *machine_net(struct machine *m, unsigned index)
{
	return index < m->cfg.nnets ? m->net[index] : NULL;
}

bool machine_powerdown(struct machine *m)
{
	bool heard;

	vmc_device_lock(m->vm);
	heard = acpi_pm_button(m->pm);
	vmc_device_unlock(m->vm);
	return heard;
}

bool machine_disk_info(struct machine *m, unsigned disk, struct disk_info *info)
{
	if (disk >= DISK_MAX || !m->disk[disk])
		return false;
	vmc_device_lock(m->vm);
	virtio_blk_info(m->disk[disk], info);
	vmc_device_unlock(m->vm);
	return true;
}

void machine_disk_replace(struct machine *m, unsigned disk, int fd)
{
	vmc_device_lock(m->vm);
	block_replace(virtio_blk_block(m->disk[disk]), fd);
	vmc_device_unlock(m->vm);
}

int machine_disk_fd(struct machine *m, unsigned disk)
{
	return block_fd(virtio_blk_block(m->disk[disk]));
}

enum { BALLOON_ASKED_MS = 10000 }; /* who looks at statistics asks again before that */

int machine_balloon_set(struct machine *m, uint64_t bytes)
{
	uint64_t ram = vmc_mem_size(m->vm);

	if (!m->balloon)
		return vmc_fail(m->vm, -ENODEV, "this VM has no balloon");
	vmc_device_lock(m->vm);
	virtio_balloon_set(m->balloon, bytes < ram ? ram - bytes : 0);
	vmc_device_unlock(m->vm);
	return 0;
}

int machine_balloon_info(struct machine *m, uint32_t poll_ms, struct balloon_info *info)
{
	if (!m->balloon)
		return vmc_fail(m->vm, -ENODEV, "this VM has no balloon");
	vmc_device_lock(m->vm);
	if (poll_ms)
		virtio_balloon_poll(m->balloon, poll_ms, BALLOON_ASKED_MS + poll_ms);
	virtio_balloon_info(m->balloon, info);
	vmc_device_unlock(m->vm);
	return 0;
}

int64_t machine_balloon_held(struct machine *m, uint64_t gpa, uint64_t len)
{
	uint64_t held;

	if (!m->balloon)
		return -1;
	vmc_device_lock(m->vm);
	held = virtio_balloon_held(m->balloon, gpa, len);
	vmc_device_unlock(m->vm);
	return (int64_t)held;
}
