/*
 * machine.h - the PC that vitrine runs: which device sits at which address. Owner (main loop) thread.
 *
 *   ports   0x020.. PIC, 0x040 PIT, 0x061 (in KVM) · 0x060/0x064 i8042 · 0x070/0x071 CMOS RTC
 *           0x0f4 debug exit (a write of v ends the VM with code v) · 0x3f8 8250 (GSI 4)
 *           0x505 pvpanic · 0x600 ACPI PM1a · 0xcf8/0xcfc PCI · 0xcf9 reset
 *   memory  0 .. 3 GiB RAM, the ACPI tables at 0xe0000 · 0xe0000000 .. 0xfebfffff PCI BARs · 0xfec00000 IOAPIC · 0xfee00000 LAPIC
 *           4 GiB .. RAM that did not fit below
 *   lines   1 i8042 · 4 8250 · 8 RTC · 9 ACPI · 10 virtio-console without MSI-X (INTA, its Interrupt Line register
 *           says so) · 16..23 INTA of the other slots (machine_intx_gsi())
 *   PCI     00:00.0 host bridge · 00:01.0 virtio-console · 00:02.0 virtio-rng · 00:03.0 virtio-balloon · 00:04.0 virtio-vsock ·
 *           00:05.0 .. 00:0c.0 virtio-blk · 00:0d.0 .. 00:10.0 virtio-net (BARs assigned and decoding on at power-on)
 */
#ifndef DEVICES_MACHINE_H
#define DEVICES_MACHINE_H
#include <vmcore/vmcore.h>
#include "devices/disk.h"
#include "devices/net.h"
#include "devices/stream.h"
#include "devices/vhost.h"

#define MACHINE_PCI_MMIO_START 0xe0000000ull
#define MACHINE_PCI_MMIO_END   0xfec00000ull
#define MACHINE_PORT_DEBUG_EXIT 0xf4

#define MACHINE_NET_SLOT 13
#define MACHINE_NETS     4

struct balloon_info;
struct event_base;
struct machine;

struct machine_config {
	uint16_t cols, rows; /* hvc0's size at start */
	const char *kernel_path, *initrd_path, *cmdline; /* for messages; contents come as below */
	const void *kernel, *initrd; /* as struct vmc_boot_params has them, for the machine's life; NULL: none */
	size_t kernel_size, initrd_size;
	int (*read)(const void *file, uint64_t off, void *to, size_t len);
	bool rng;	   /* an entropy source */
	const struct disk_config *disks; /* read once; their descriptors are the machine's from now on */
	unsigned ndisks;
	struct disk_events disk_events;
	uint64_t rng_rate; /* its bytes a second at most, 0: no limit */
	const struct dev_net_config *nets; /* names live as long as the machine */
	unsigned nnets;
	bool balloon;
	struct vsock_config vsock;
	void (*balloon_changed)(void *host, uint64_t actual); /* bytes in it; main loop; may be NULL */
	void *host;
};


/** machine_new() - create every device and wire it to @vm; @base drives eventfds and timers. */
int machine_new(struct vmc_vm *vm, struct event_base *base, const struct machine_config *cfg,
	struct machine **out);
/** machine_free() - before vmc_vm_free(); takes the eventfd handlers out of the event loop. */
void machine_free(struct machine *m);
/** machine_boot() - (again) load the kernel and point vCPU 0 at it; VM created or just reset. */
int machine_boot(struct machine *m, struct vmc_boot_info *info);
/** machine_powerdown() - press the ACPI power button. Return: false when the guest does not listen to it. */
bool machine_powerdown(struct machine *m);
/** machine_intx_gsi() - the line of a PCI slot's pin A, as the DSDT tells the guest. */
int32_t machine_intx_gsi(unsigned slot);
/** machine_disk_info() - Return: false: there is no such disk. */
bool machine_disk_info(struct machine *m, unsigned disk, struct disk_info *info);
/** machine_disk_replace() - another file for a disk of a VM that stands still. */
void machine_disk_replace(struct machine *m, unsigned disk, int fd);
/** machine_disk_fd() - the file of a disk, borrowed. */
int machine_disk_fd(struct machine *m, unsigned disk);
/** machine_balloon_set() - how many bytes of RAM the guest shall keep; more than it has: all. */
int machine_balloon_set(struct machine *m, uint64_t bytes);
/** machine_balloon_info() - -ENODEV: this VM has none. @poll_ms: statistics come at that interval for a while;
 * 0: as they are. */
int machine_balloon_info(struct machine *m, uint32_t poll_ms, struct balloon_info *info);
/** machine_balloon_held() - bytes of [gpa, gpa + len) that are in the balloon; -1: this VM has none. */
int64_t machine_balloon_held(struct machine *m, uint64_t gpa, uint64_t len);
/** machine_stream() - 0: hvc0, 1: ttyS0; NULL beyond. */
struct dev_stream *machine_stream(struct machine *m, unsigned index);
/** machine_net() - a network card's host side; NULL beyond the last. */
struct dev_net *machine_net(struct machine *m, unsigned index);

#endif
