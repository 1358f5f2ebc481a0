/*
 * virtio_pci.h - a virtio device as a PCI function (virtio 1.2 §4.1, modern only).
 */
#ifndef DEVICES_VIRTIO_PCI_H
#define DEVICES_VIRTIO_PCI_H
#include "devices/pci.h"
#include "devices/virtio.h"

struct event_base;
struct virtio_pci;

/**
 * virtio_pci_new() - put @v into @slot of @bus and add it to @v->vm as @id. It is freed with the
 * VM, @v with it; on failure @v stays the caller's.
 * @gsi: INTx line for guests without MSI-X
 */
int virtio_pci_new(struct vdev *v, struct event_base *base, struct pci_bus *bus, unsigned slot,
	int32_t gsi, const char *id, struct virtio_pci **out);
/** virtio_pci_detach() - leave the event loop for good. Owner, before vmc_vm_free(). */
void virtio_pci_detach(struct virtio_pci *p);
/** virtio_pci_dev() - its PCI function, for tests. */
struct pci_dev *virtio_pci_dev(struct virtio_pci *p);

#endif
