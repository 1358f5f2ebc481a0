/* acpi.h - the machine described to its operating system (acpi.c), and its power button
 * (acpi_pm.c). Owner thread. */
#ifndef DEVICES_ACPI_H
#define DEVICES_ACPI_H
#include <vmcore/vmcore.h>

#define ACPI_PM_PORT                                                                               \
	0x600 /* PM1a event block, 4 bytes; PM1a control block, 2 bytes; dsdt.asl knows it too */
#define ACPI_PM1_EVT    0
#define ACPI_PM1_CNT    4
#define ACPI_PM_LEN     6
#define ACPI_SCI_GSI    9
#define ACPI_SLP_TYP_S5 5 /* \_S5 in dsdt.asl */
#define ACPI_TABLES                                                                                \
	0xe0000ull /* below 1 MiB, where every kernel looks for the RSDP and none has RAM */
#define ACPI_TABLES_END 0x100000ull
#define PVPANIC_PORT    0x505

/**
 * acpi_write() - build the tables for a VM with @vcpus and write them to ACPI_TABLES. Done anew
 * before each boot.
 * @rsdp: out, their root's address. Return: 0, or -errno with a message (no RAM there, ...).
 */
int acpi_write(struct vmc_vm *vm, uint32_t vcpus, uint64_t *rsdp);

struct acpi_pm;
/** acpi_pm_new() - PM1a registers; a device of @vm's, freed with it. */
int acpi_pm_new(struct vmc_vm *vm, struct acpi_pm **out);
/** acpi_pm_button() - press the power button. Device lock held. Return: false when the guest does
 * not listen. */
bool acpi_pm_button(struct acpi_pm *pm);

#endif
