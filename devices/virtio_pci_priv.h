/*
 * virtio_pci_priv.h - what virtio_pci.c (the PCI function) and virtio_pci_regs.c (the registers in
 * its BAR) share.
 */
#ifndef DEVICES_VIRTIO_PCI_PRIV_H
#define DEVICES_VIRTIO_PCI_PRIV_H
#include "devices/virtio_pci.h"
#include "devices/work.h"

#include <linux/virtio_pci.h>

enum {
	BAR = 0,
	BAR_SIZE = 0x8000,
	COMMON_OFF = 0x0000,
	ISR_OFF = 0x1000,
	DEVICE_OFF = 0x2000,
	NOTIFY_OFF = 0x3000,
	MSIX_OFF = 0x4000,
	PBA_OFF = 0x5000,
	NOTIFY_STRIDE = 4, /* notify_off_multiplier */
};

enum { ISR_QUEUE = 1, ISR_CONFIG = 2 }; /* §4.1.4.5 */

struct queue_work {
	struct virtio_pci *p;
	unsigned index;
	struct dev_work work;
	bool bound; /* its descriptor is an ioeventfd now */
};

struct virtio_pci {
	struct pci_dev pci;
	struct vdev *v;
	char id[32];
	uint32_t device_select, driver_select;
	uint16_t queue_select;
	uint16_t config_vector, queue_vector[VDEV_QUEUES];
	uint8_t isr;
	unsigned cfg_cap; /* offset of the PCI configuration access capability */
	bool dma;         /* bus mastering was on at the last look */
	bool loaded;      /* resume must also repeat interrupts */
	struct queue_work queue[VDEV_QUEUES];
};

/* §4.1.4.3, all of it; Linux's struct ends before queue_notify_data. */
struct common_cfg {
	struct virtio_pci_common_cfg c;
	uint16_t queue_notify_data, queue_reset;
} __attribute__((packed));

extern const struct vmc_bus_ops virtio_pci_common_ops, virtio_pci_isr_ops, virtio_pci_notify_ops,
	virtio_pci_device_ops;

/** virtio_pci_kick() - run queue @i soon; virtio_pci_kick_all() - every queue. */
void virtio_pci_kick(struct virtio_pci *p, unsigned i);
void virtio_pci_kick_all(struct virtio_pci *p);
/** virtio_pci_reset_regs() - the transport's own registers as at power-on, and no INTx. */
void virtio_pci_reset_regs(struct virtio_pci *p);

#endif
