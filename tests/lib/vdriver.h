/*
 * vdriver.h - a virtio 1.2 PCI driver for tests: what a guest's driver does, told step by step,
 * rules kept or broken as asked. It reaches the device through the functions in struct vdrv_io:
 * straight into a fake VM, or through a real guest.
 */
#ifndef TESTS_VDRIVER_H
#define TESTS_VDRIVER_H
#include <stdbool.h>
#include <stdint.h>

struct vdrv_io {
	void *ctx;
	void (*pio)(void *ctx, uint16_t port, void *data, uint32_t len, bool write);
	void (*mmio)(void *ctx, uint64_t addr, void *data, uint32_t len, bool write);
	void *(*mem)(void *ctx, uint64_t gpa); /* the host's view of guest RAM */
};

enum { VD_NEXT = 1, VD_WRITE = 2, VD_INDIRECT = 4 };
#define VD_F_SIZE       (1ull << 0)
#define VD_F_INDIRECT   (1ull << 28)
#define VD_F_EVENT_IDX  (1ull << 29)
#define VD_F_VERSION_1  (1ull << 32)
#define VD_F_RING_RESET (1ull << 40)

struct vd_desc {
	uint64_t addr;
	uint32_t len;
	uint16_t flags, next;
};

struct vdrv {
	struct vdrv_io io;
	unsigned slot;
	uint64_t bar, common, notify, isr, device, msix, pba; /* gpa; device: 0 without configuration */
	uint32_t multiplier, nvectors;
	unsigned msix_cap, cfg_cap;
	uint64_t features;
	struct {
		uint64_t base; /* descriptors; avail at + 0x1000, used at + 0x2000 */
		uint16_t size, used_seen;
	} q[8];
};

/* configuration space through ports 0xcf8 and 0xcfc */
uint32_t vdrv_cfg_read(struct vdrv *d, unsigned off, unsigned len);
void vdrv_cfg_write(struct vdrv *d, unsigned off, unsigned len, uint32_t value);
/** vdrv_find() - read the capabilities of the device in @slot. false: no modern virtio device. */
bool vdrv_find(struct vdrv *d, const struct vdrv_io *io, unsigned slot);

uint64_t vdrv_read(struct vdrv *d, uint64_t addr, uint32_t len);
void vdrv_write(struct vdrv *d, uint64_t addr, uint32_t len, uint64_t value);

uint8_t vdrv_status(struct vdrv *d);
void vdrv_set_status(struct vdrv *d, uint8_t status);
uint64_t vdrv_offered(struct vdrv *d);
/** vdrv_init() - reset to FEATURES_OK. Return: the status then. */
uint8_t vdrv_init(struct vdrv *d, uint64_t features);
/** vdrv_queue() - zero and set up queue @i at @base (12 KiB), without enabling it. vdrv_enable()
 * does. */
void vdrv_queue(struct vdrv *d, unsigned i, uint16_t size, uint64_t base);
void vdrv_enable(struct vdrv *d, unsigned i);
/** vdrv_start() - the whole of it: init, queues 0 and 1 of @size at @base, vectors 0 (config) to 2
 * with data @msi.., DRIVER_OK. */
uint8_t vdrv_start(struct vdrv *d, uint64_t features, uint16_t size, uint64_t base, uint32_t msi);
/** vdrv_start_n() - the same with @n queues and vectors 0 to @n. */
uint8_t vdrv_start_n(
	struct vdrv *d, uint64_t features, unsigned n, uint16_t size, uint64_t base, uint32_t msi);
void vdrv_msix_enable(struct vdrv *d, bool on);
void vdrv_msix_set(struct vdrv *d, unsigned vector, uint32_t data, bool masked);

volatile struct vd_desc *vdrv_desc(struct vdrv *d, unsigned i, unsigned n);
void vdrv_set_desc(struct vdrv *d, unsigned i, unsigned n, uint64_t addr, uint32_t len,
	uint16_t flags, uint16_t next);
volatile uint16_t *vdrv_avail(struct vdrv *d, unsigned i); /* flags, idx, ring, used_event */
volatile uint16_t *vdrv_used(struct vdrv *d, unsigned i);  /* flags, idx, elements, avail_event */
volatile uint16_t *vdrv_avail_event(struct vdrv *d, unsigned i);
/** vdrv_add() - make @head available; vdrv_kick() - tell the device. */
void vdrv_add(struct vdrv *d, unsigned i, uint16_t head);
void vdrv_kick(struct vdrv *d, unsigned i);
/** vdrv_take() - the next used element, if there is one. */
bool vdrv_take(struct vdrv *d, unsigned i, uint32_t *id, uint32_t *len);

#endif
