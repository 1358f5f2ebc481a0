/*
 * k_virtio.c - the virtio-console driver: PCI transport, split queues, MSI-X. Ring 0, vCPU 0.
 *
 * virtio 1.2: §4.1 (PCI), §2.7 (split queues), §3.1.1 (start-up), §5.3 (console). Queue 0 receives,
 * 1 transmits. F_SIZE is taken, MULTIPORT is not: the size is in the configuration space.
 */
#include "kernel.h"

#define RX_BUFFERS 16
#define RX_SIZE    128
#define QUEUE_MAX  16

enum { CAP_COMMON = 1, CAP_NOTIFY = 2, CAP_ISR = 3, CAP_DEVICE = 4 };
enum { /* struct virtio_pci_common_cfg, §4.1.4.3 */
	C_DEVICE_FEATURE_SELECT = 0,
	C_DEVICE_FEATURE = 4,
	C_DRIVER_FEATURE_SELECT = 8,
	C_DRIVER_FEATURE = 12,
	C_MSIX_CONFIG = 16,
	C_NUM_QUEUES = 18,
	C_STATUS = 20,
	C_GENERATION = 21,
	C_QUEUE_SELECT = 22,
	C_QUEUE_SIZE = 24,
	C_QUEUE_MSIX = 26,
	C_QUEUE_ENABLE = 28,
	C_QUEUE_NOTIFY_OFF = 30,
	C_QUEUE_DESC = 32,
	C_QUEUE_DRIVER = 40,
	C_QUEUE_DEVICE = 48,
};
enum { S_ACKNOWLEDGE = 1, S_DRIVER = 2, S_DRIVER_OK = 4, S_FEATURES_OK = 8 };
#define F_SIZE       (1u << 0)
#define F_VERSION_1  (1u << 0) /* of the upper 32 bits */
#define DESC_WRITE   2
#define NO_INTERRUPT 1

struct desc {
	uint64_t addr;
	uint32_t len;
	uint16_t flags, next;
};
struct queue {
	struct desc desc[QUEUE_MAX];
	struct {
		uint16_t flags, idx, ring[QUEUE_MAX], event;
	} avail;
	struct {
		volatile uint16_t flags, idx;
		struct {
			uint32_t id, len;
		} ring[QUEUE_MAX];
		uint16_t event;
	} used __attribute__((aligned(4)));
	uint16_t seen, size; /* used entries taken; not the device's */
	uint64_t notify;
} __attribute__((aligned(16)));

static struct queue queues[2];
static uint8_t rx_data[RX_BUFFERS][RX_SIZE];
static uint64_t common, notify, device;
static uint32_t notify_multiplier;
static uint16_t msix_last; /* MSI-X entries in use, less one */
static bool present, has_size;

static bool find_caps(unsigned dev)
{
	unsigned at = k_pci_read(dev, 0, 0x34) & 0xfc;

	common = notify = device = 0;
	for (unsigned n = 0; at && n < 48; n++, at = k_pci_read(dev, 0, at) >> 8 & 0xfc) {
		uint32_t head = k_pci_read(dev, 0, at), bar, low;
		uint64_t base;

		if ((head & 0xff) != 0x09)
			continue;
		bar = k_pci_read(dev, 0, at + 4) & 0xff;
		if (bar > 5)
			continue;
		low = k_pci_read(dev, 0, 0x10 + 4 * bar);
		if (low & 1)
			continue;
		base = low & ~15u;
		if ((low & 6) == 4)
			base |= (uint64_t)k_pci_read(dev, 0, 0x14 + 4 * bar) << 32;
		if (!base || base >> 32)
			continue; /* not placed, or where we have no mapping */
		base += k_pci_read(dev, 0, at + 8);
		switch (head >> 24) {
		case CAP_COMMON:
			common = base;
			break;
		case CAP_DEVICE:
			device = base;
			break;
		case CAP_NOTIFY:
			notify = base;
			notify_multiplier = k_pci_read(dev, 0, at + 16);
			break;
		}
	}
	return common && notify && device;
}

/* MSI-X: an entry for receiving, one for sending, one for the configuration; a device with fewer
 * has them share the last. The messages go to vCPU 0's local APIC. */
static bool msix_init(unsigned dev)
{
	unsigned at = k_pci_read(dev, 0, 0x34) & 0xfc;

	for (unsigned n = 0; at && n < 48; n++, at = k_pci_read(dev, 0, at) >> 8 & 0xfc) {
		uint32_t head = k_pci_read(dev, 0, at), where;
		uint64_t table;

		if ((head & 0xff) != 0x11)
			continue;
		msix_last = head >> 16 & 0x7ff;
		msix_last = msix_last > 2 ? 2 : msix_last;
		where = k_pci_read(dev, 0, at + 4);
		table = (k_pci_read(dev, 0, 0x10 + 4 * (where & 7)) & ~15u) + (where & ~7u);
		for (unsigned i = 0; i <= msix_last; i++) {
			k_write32(table + 16 * i, 0xfee00000 | rt_cpus[0].apic_id << 12);
			k_write32(table + 16 * i + 4, 0);
			k_write32(table + 16 * i + 8, VEC_RX + i);
			k_write32(table + 16 * i + 12, 0);
		}
		k_pci_write(dev, 0, at, (head & 0x3fffffff) | 0x80000000);
		return true;
	}
	return false;
}

static bool queue_init(unsigned i)
{
	struct queue *q = &queues[i];
	uint64_t addr[3] = {(uint64_t)q->desc, (uint64_t)&q->avail, (uint64_t)&q->used};

	k_write16(common + C_QUEUE_SELECT, (uint16_t)i);
	q->size = k_read16(common + C_QUEUE_SIZE);
	if (!q->size)
		return false;
	if (q->size > QUEUE_MAX)
		q->size = QUEUE_MAX;
	k_write16(common + C_QUEUE_SIZE, q->size);
	k_write16(common + C_QUEUE_MSIX, i < msix_last ? (uint16_t)i : msix_last);
	for (unsigned a = 0; a < 3; a++) {
		k_write32(common + C_QUEUE_DESC + 8 * a, (uint32_t)addr[a]);
		k_write32(common + C_QUEUE_DESC + 8 * a + 4, (uint32_t)(addr[a] >> 32));
	}
	q->notify = notify + (uint64_t)k_read16(common + C_QUEUE_NOTIFY_OFF) * notify_multiplier;
	k_write16(common + C_QUEUE_ENABLE, 1);
	return k_read16(common + C_QUEUE_MSIX) != 0xffff;
}

static void offer(struct queue *q, uint16_t id)
{
	q->avail.ring[q->avail.idx % q->size] = id;
	__asm__ volatile("" ::: "memory"); /* x86 keeps stores in order */
	*(volatile uint16_t *)&q->avail.idx = (uint16_t)(q->avail.idx + 1);
}

static void read_size(void)
{
	uint8_t generation;
	unsigned tries = 0;

	if (!has_size)
		return;
	do { /* §2.4.1: both fields from the same moment */
		generation = k_read8(common + C_GENERATION);
		rt_console.cols = k_read16(device);
		rt_console.rows = k_read16(device + 2);
	} while (k_read8(common + C_GENERATION) != generation && ++tries < 100);
	rt_console.size_known = rt_console.cols && rt_console.rows;
}

static bool start(unsigned dev)
{
	uint32_t features;

	k_pci_write(
		dev, 0, 4, (k_pci_read(dev, 0, 4) & 0xffff) | 0x406); /* memory, master, no INTx */
	k_write8(common + C_STATUS, 0);
	for (unsigned n = 0; k_read8(common + C_STATUS) && n < 1000; n++)
		;
	k_write8(common + C_STATUS, S_ACKNOWLEDGE | S_DRIVER);
	k_write32(common + C_DEVICE_FEATURE_SELECT, 0);
	features = k_read32(common + C_DEVICE_FEATURE) & F_SIZE;
	k_write32(common + C_DRIVER_FEATURE_SELECT, 0);
	k_write32(common + C_DRIVER_FEATURE, features);
	k_write32(common + C_DRIVER_FEATURE_SELECT, 1);
	k_write32(common + C_DRIVER_FEATURE, F_VERSION_1);
	k_write8(common + C_STATUS, S_ACKNOWLEDGE | S_DRIVER | S_FEATURES_OK);
	if (!(k_read8(common + C_STATUS) & S_FEATURES_OK) || !msix_init(dev))
		return false;
	k_write16(common + C_MSIX_CONFIG, msix_last);
	if (!queue_init(0) || !queue_init(1))
		return false;
	for (uint16_t i = 0; i < RX_BUFFERS && i < queues[0].size; i++) {
		queues[0].desc[i] = (struct desc){(uint64_t)rx_data[i], RX_SIZE, DESC_WRITE, 0};
		offer(&queues[0], i);
	}
	queues[1].avail.flags = NO_INTERRUPT; /* until somebody waits */
	has_size = features & F_SIZE;
	read_size();
	k_write8(common + C_STATUS, S_ACKNOWLEDGE | S_DRIVER | S_FEATURES_OK | S_DRIVER_OK);
	k_write16(queues[0].notify, 0);
	return true;
}

bool k_virtio_init(void)
{
	for (unsigned dev = 0; dev < 32; dev++) {
		uint32_t id = k_pci_read(dev, 0, 0);

		/* 1043: modern console; 1003: transitional, modern registers beside the old ones */
		if (id != 0x10431af4 && id != 0x10031af4)
			continue;
		if (find_caps(dev) && start(dev)) {
			present = true;
			return true;
		}
		if (common)
			k_write8(common + C_STATUS, 0x80); /* FAILED */
	}
	return false;
}

/* Takes what has arrived as far as there is room; what has none stays with the device. */
void k_virtio_refill(void)
{
	struct queue *q = &queues[0];
	unsigned taken = 0;

	rt_console.full = 0;
	while (q->seen != q->used.idx && taken < QUEUE_MAX) {
		uint32_t id = q->used.ring[q->seen % q->size].id;
		uint32_t len = q->used.ring[q->seen % q->size].len;

		if (rt_input_room() < RX_SIZE) {
			rt_console.full = 1;
			break;
		}
		k_input(rx_data[id % RX_BUFFERS], len < RX_SIZE ? len : RX_SIZE);
		offer(q, (uint16_t)(id % RX_BUFFERS));
		q->seen++;
		taken++;
	}
	if (taken)
		k_write16(q->notify, 0);
}

bool k_virtio_busy(void)
{
	struct queue *q = &queues[1];

	while (q->seen != q->used.idx)
		q->seen++;
	return q->seen != q->avail.idx;
}

void k_virtio_submit(const char *text, size_t len)
{
	struct queue *q = &queues[1];

	q->desc[0] = (struct desc){(uint64_t)text, (uint32_t)len, 0, 0};
	offer(q, 0);
	k_write16(q->notify, 1);
}

void k_virtio_tx_interrupts(bool on)
{
	*(volatile uint16_t *)&queues[1].avail.flags = on ? 0 : NO_INTERRUPT;
	__asm__ volatile("lock; addl $0, (%%rsp)" ::
				 : "memory"); /* before the caller looks at used.idx */
}

void k_virtio_interrupt(unsigned vector)
{
	if (!present)
		return;
	if (vector == VEC_RX || !msix_last)
		k_virtio_refill();
	if (vector == VEC_TX || !msix_last)
		rt_cpu()->events |= EV_TX;
	if (vector == VEC_CFG || vector == VEC_RX + (unsigned)msix_last) {
		unsigned cols = rt_console.cols, rows = rt_console.rows;

		read_size();
		if (cols != rt_console.cols || rows != rt_console.rows)
			rt_cpu()->events |= EV_RESIZE;
	}
}
