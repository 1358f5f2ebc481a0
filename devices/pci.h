/*
 * pci.h - a PCI bus of single-function devices (PCI Local Bus 3.0), as far as a virtual machine
 * needs one: configuration space, memory BARs made of named parts, INTx, MSI-X. No firmware runs
 * here, so the bus itself assigns BARs and switches decoding on at power-on.
 *
 * Threads: everything with the device lock held; register accesses on vCPU threads, the rest on the
 * main loop.
 */
#ifndef DEVICES_PCI_H
#define DEVICES_PCI_H
#include <vmcore/vmcore.h>

#define PCI_SLOTS       32
#define PCI_BARS        6
#define PCI_BAR_PARTS   8
#define PCI_MSIX_MAX    8
#define PCI_CONFIG_SIZE 256

struct pci_bus;
struct pci_dev;

/* A part of a BAR that answers; what lies between parts answers nothing. */
struct pci_bar_part {
	uint32_t off, len;
	const struct vmc_bus_ops *ops;
	void *dev;
	char name[40]; /* as the memory map shows it */
};

struct pci_bar {
	uint32_t size;   /* power of two >= 4096; 0: no such BAR */
	uint64_t home;   /* its address at power-on */
	uint64_t mapped; /* where its parts answer now; 0: nowhere */
	unsigned nparts;
	struct pci_bar_part part[PCI_BAR_PARTS];
};

struct pci_dev_ops {
	/* a BAR answers from @addr now / no longer; may be NULL */
	void (*bar_mapped)(struct pci_dev *d, unsigned bar, uint64_t addr);
	void (*bar_unmapped)(struct pci_dev *d, unsigned bar, uint64_t addr);
	/* before a read of, and after a write to, configuration bytes [off, off + len); may be NULL
	 */
	void (*config_read)(struct pci_dev *d, unsigned off, unsigned len);
	void (*config_written)(struct pci_dev *d, unsigned off, unsigned len);
};

struct pci_msix_vector {
	uint64_t addr;
	uint32_t data;
	uint32_t control; /* bit 0: masked */
	bool pending;
};

struct pci_msix {
	unsigned n;   /* 0: the device has no MSI-X */
	unsigned cap; /* offset of the capability */
	struct pci_msix_vector v[PCI_MSIX_MAX];
};

struct pci_dev {
	struct pci_bus *bus;
	struct vmc_vm *vm;
	const struct pci_dev_ops *ops;
	unsigned slot;
	uint8_t config[PCI_CONFIG_SIZE];
	uint8_t writable[PCI_CONFIG_SIZE]; /* bits the guest may change */
	uint8_t power_on[PCI_CONFIG_SIZE];
	unsigned caps_end; /* next free byte for a capability */
	struct pci_bar bar[PCI_BARS];
	int32_t gsi; /* INTx; -1: none */
	bool intx;   /* the device wants attention */
	struct pci_msix msix;
};

struct pci_ids {
	uint16_t vendor, device, subvendor, subdevice;
	uint8_t revision;
	uint32_t class; /* class, subclass, programming interface */
};

/* ---- the bus and its host bridge (pci.c) ---- */

/**
 * pci_bus_new() - ports 0xcf8..0xcff, host bridge at 00:00.0; a device of @vm's from now on, freed
 * with it.
 * @reset: called with the device lock held when the guest asks for a reset at port 0xcf9
 */
int pci_bus_new(struct vmc_vm *vm, void (*reset)(void *arg), void *arg, struct pci_bus **out);
/** pci_bus_add() - put an initialised device into @slot; assigns its BARs and maps them. */
int pci_bus_add(struct pci_bus *bus, struct pci_dev *d, unsigned slot);
/** pci_bus_drop() - take it out again (never used by a running machine). */
void pci_bus_drop(struct pci_dev *d);

/** pci_dev_init() - configuration space of a type 0 device without capabilities. @gsi: INTx on pin
 * A, -1 none. */
void pci_dev_init(struct pci_dev *d, struct vmc_vm *vm, const struct pci_dev_ops *ops,
	const struct pci_ids *ids, int32_t gsi);
/** pci_add_cap() - append a capability; returns its offset. Bounded by construction: our bug if it
 * does not fit. */
unsigned pci_add_cap(struct pci_dev *d, uint8_t id, const void *body, unsigned len);
void pci_add_bar(struct pci_dev *d, unsigned bar, uint32_t size);
void pci_add_part(struct pci_dev *d, unsigned bar, uint32_t off, uint32_t len,
	const struct vmc_bus_ops *ops, void *dev, const char *name);

uint32_t pci_get(const struct pci_dev *d, unsigned off, unsigned len);
void pci_set(struct pci_dev *d, unsigned off, unsigned len, uint32_t value);
/** pci_config_read()/write() - as the guest does; @off + @len inside one dword. */
void pci_config_read(struct pci_dev *d, unsigned off, void *data, unsigned len);
void pci_config_write(struct pci_dev *d, unsigned off, const void *data, unsigned len);
/** pci_bar_read()/write() - an access to a BAR that came another way than its address. */
void pci_bar_read(struct pci_dev *d, unsigned bar, uint32_t off, void *data, uint32_t len);
void pci_bar_write(struct pci_dev *d, unsigned bar, uint32_t off, const void *data, uint32_t len);

bool pci_bus_master(const struct pci_dev *d);
/** pci_intx() - set the device's wish for attention; the line follows it and INTx Disable. */
void pci_intx(struct pci_dev *d, bool level);
/** pci_intx_update() - drive the line as the state says (after a load). */
void pci_intx_update(struct pci_dev *d);

/** pci_dev_reset() - power-on configuration space, BARs back home. */
void pci_dev_reset(struct pci_dev *d);
void pci_dev_save(const struct pci_dev *d, struct vmc_out *out);

/* What a saved device was like; checked by pci_dev_load(), put into effect by pci_dev_apply(). */
struct pci_saved {
	uint8_t config[PCI_CONFIG_SIZE];
	bool intx;
	struct {
		uint64_t addr;
		uint32_t data, control;
		bool pending;
	} v[PCI_MSIX_MAX];
};
int pci_dev_load(const struct pci_dev *d, struct pci_saved *to, struct vmc_in *in);
void pci_dev_apply(struct pci_dev *d, const struct pci_saved *from);

/* ---- MSI-X (pci_msix.c) ---- */

/** pci_msix_init() - @n vectors; table at @bar + @table, pending bits at @bar + @pba. Parts are
 * named after @name. */
void pci_msix_init(struct pci_dev *d, unsigned n, unsigned bar, uint32_t table, uint32_t pba,
	const char *name);
bool pci_msix_enabled(const struct pci_dev *d);
/** pci_msix_raise() - interrupt through vector @i, or keep it pending while masked. */
void pci_msix_raise(struct pci_dev *d, unsigned i);
/** pci_msix_update() - after any change of masks: send what is pending and free to go.
 */
void pci_msix_update(struct pci_dev *d);
void pci_msix_reset(struct pci_dev *d);

#endif
