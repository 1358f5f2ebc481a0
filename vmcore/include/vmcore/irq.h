/*
 * irq.h - interrupts into the in-kernel irqchip (PIC, IOAPIC with 24 pins, LAPICs). Any thread.
 *
 * GSI 0..15 go to PIC and IOAPIC (the PIT's GSI 0 to IOAPIC pin 2 as on a PC), 16..23 to the IOAPIC,
 * 24.. are MSI routes.
 */
#ifndef VMCORE_IRQ_H
#define VMCORE_IRQ_H
#include <vmcore/vm.h>
#ifdef __cplusplus
extern "C" {
#endif

VMC_API int vmc_irq_line(struct vmc_vm *vm, uint32_t gsi, bool level);
/** vmc_irq_edge() - raise and lower. */
VMC_API int vmc_irq_edge(struct vmc_vm *vm, uint32_t gsi);

/**
 * vmc_irqfd_add() - a write to @fd (eventfd) interrupts @gsi without a call of ours.
 * @resample_fd: -1 for edge; else a level line: KVM lowers it at EOI and signals this eventfd, upon
 * which a device that still wants attention signals @fd again.
 * Both stay the caller's; close them after vmc_irqfd_remove() only.
 */
VMC_API int vmc_irqfd_add(struct vmc_vm *vm, int fd, uint32_t gsi, int resample_fd);
VMC_API int vmc_irqfd_remove(struct vmc_vm *vm, int fd, uint32_t gsi);

/** vmc_msi_route_new() - a GSI for MSI; silent until set. Return: the GSI, -ENOSPC. */
VMC_API int vmc_msi_route_new(struct vmc_vm *vm);
VMC_API int vmc_msi_route_set(struct vmc_vm *vm, uint32_t gsi, uint64_t addr, uint32_t data);
VMC_API int vmc_msi_route_free(struct vmc_vm *vm, uint32_t gsi);
/** vmc_msi_send() - one message now (KVM_SIGNAL_MSI). Return: 1 delivered, 0 blocked by the guest. */
VMC_API int vmc_msi_send(struct vmc_vm *vm, uint64_t addr, uint32_t data);

#ifdef __cplusplus
}
#endif
#endif
