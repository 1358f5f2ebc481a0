/* fakevm.c - the engine as the devices see it, without KVM (fakevm.h). One thread. */
#include "tests/lib/fakevm.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define COUNT(a)  (sizeof(a) / sizeof((a)[0]))
#define MSI_FIRST 24

struct entry {
	struct vmc_bus_region r;
	const struct vmc_bus_ops *ops;
	void *dev;
};

struct vmc_vm {
	uint64_t ram_size;
	uint8_t *ram, *rom, *dirty; /* dirty: a byte a page */
	uint64_t discarded;
	unsigned discards;
	struct entry bus[96];
	size_t nbus;
	struct {
		uint64_t addr;
		uint32_t len;
		int fd;
	} ioev[64];
	size_t nioev;
	bool refuse_ioev;
	bool line[24];
	unsigned line_calls;
	struct {
		bool used, set;
		uint64_t addr;
		uint32_t data;
		int fd;
	} msi[64];
	struct {
		uint32_t data;
		unsigned count;
	} sent[64];
	struct {
		char id[32];
		const struct vmc_device_ops *ops;
		void *dev;
	} dev[16];
	size_t ndev;
	int locked;
	enum vmc_event_type request;
	int64_t code;
	char error[256];
};

#define CHECK(x)                                                                                   \
	do {                                                                                       \
		if (!(x)) {                                                                        \
			fprintf(stderr, "fakevm: %s:%d: %s\n", __FILE__, __LINE__, #x);            \
			abort();                                                                   \
		}                                                                                  \
	} while (0)

struct vmc_vm *fake_vm_new(uint64_t ram)
{
	struct vmc_vm *vm = calloc(1, sizeof(*vm));

	CHECK(vm);
	vm->ram_size = ram;
	vm->ram = mmap(NULL, ram, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	CHECK(vm->ram != MAP_FAILED);
	vm->rom = calloc(1, FAKE_ROM_SIZE);
	vm->dirty = calloc(1, ram / VMC_PAGE_SIZE);
	CHECK(vm->rom && vm->dirty);
	return vm;
}

void fake_vm_free(struct vmc_vm *vm)
{
	size_t i;

	vmc_device_lock(vm);
	for (i = 0; i < vm->ndev; i++)
		if (vm->dev[i].ops->destroy)
			vm->dev[i].ops->destroy(vm->dev[i].dev);
	vmc_device_unlock(vm);
	CHECK(vm->nioev == 0);
	for (i = 0; i < COUNT(vm->msi); i++)
		CHECK(!vm->msi[i].used);
	munmap(vm->ram, vm->ram_size);
	free(vm->rom);
	free(vm->dirty);
	free(vm);
}

uint8_t *fake_ram(struct vmc_vm *vm, uint64_t gpa)
{
	CHECK(gpa < vm->ram_size);
	return vm->ram + gpa;
}

bool fake_dirty_take(struct vmc_vm *vm, uint64_t gpa)
{
	bool was = vm->dirty[gpa / VMC_PAGE_SIZE];

	vm->dirty[gpa / VMC_PAGE_SIZE] = 0;
	return was;
}

void fake_dirty_clear(struct vmc_vm *vm)
{
	memset(vm->dirty, 0, vm->ram_size / VMC_PAGE_SIZE);
}

/* ---- mem.h ---- */

void *vmc_mem_ptr(const struct vmc_vm *vm, uint64_t gpa, uint64_t len, bool writable)
{
	struct vmc_mem_window w = { .size = 0 };

	return vmc_mem_ptr_near(vm, &w, gpa, len, writable);
}

bool vmc_mem_window_at(const struct vmc_vm *vm, struct vmc_mem_window *w, uint64_t gpa)
{
	*w = (struct vmc_mem_window){ .size = 0 };
	if (gpa < vm->ram_size)
		*w = (struct vmc_mem_window){ .size = vm->ram_size, .hva = vm->ram, .writable = true };
	else if (gpa >= FAKE_ROM && gpa < FAKE_ROM + FAKE_ROM_SIZE)
		*w = (struct vmc_mem_window){ .gpa = FAKE_ROM, .size = FAKE_ROM_SIZE, .hva = vm->rom };
	return w->size > 0;
}

int vmc_mem_read(const struct vmc_vm *vm, uint64_t gpa, void *buf, size_t len)
{
	const void *p = vmc_mem_ptr(vm, gpa, len, false);

	if (!p)
		return -EFAULT;
	memcpy(buf, p, len);
	return 0;
}

int vmc_mem_write(struct vmc_vm *vm, uint64_t gpa, const void *buf, size_t len)
{
	void *p = vmc_mem_ptr(vm, gpa, len, true);

	if (!p)
		return -EFAULT;
	memcpy(p, buf, len);
	vmc_mem_mark_dirty(vm, gpa, len);
	return 0;
}

void vmc_mem_mark_dirty(struct vmc_vm *vm, uint64_t gpa, uint64_t len)
{
	uint64_t page;

	for (page = gpa / VMC_PAGE_SIZE; len && page <= (gpa + len - 1) / VMC_PAGE_SIZE; page++)
		if (page < vm->ram_size / VMC_PAGE_SIZE)
			vm->dirty[page] = 1;
}

int vmc_mem_discard(struct vmc_vm *vm, uint64_t gpa, uint64_t len)
{
	CHECK(vm->locked > 0);
	if ((gpa | len) % VMC_PAGE_SIZE || gpa + len < gpa)
		return vmc_fail(vm, -EINVAL, "not whole pages");
	if (gpa >= FAKE_ROM && gpa < FAKE_ROM + FAKE_ROM_SIZE)
		return -EROFS;
	if (gpa > vm->ram_size || len > vm->ram_size - gpa)
		return -EFAULT;
	memset(vm->ram + gpa, 0, len);
	vmc_mem_mark_dirty(vm, gpa, len);
	vm->discarded += len;
	vm->discards++;
	return 0;
}

uint64_t fake_discarded(struct vmc_vm *vm, unsigned *calls)
{
	uint64_t n = vm->discarded;

	if (calls)
		*calls = vm->discards;
	vm->discarded = vm->discards = 0;
	return n;
}

size_t vmc_mem_regions(const struct vmc_vm *vm, struct vmc_mem_region *out, size_t max)
{
	const struct vmc_mem_region all[] = {
		{ .slot = 0, .gpa = 0, .size = vm->ram_size, .hva = vm->ram, .flags = VMC_MEM_RAM },
		{ .slot = 1, .gpa = FAKE_ROM, .size = FAKE_ROM_SIZE, .hva = vm->rom, .flags = VMC_MEM_READ_ONLY },
	};

	memcpy(out, all, (max < COUNT(all) ? max : COUNT(all)) * sizeof(all[0]));
	return COUNT(all);
}

uint64_t vmc_mem_size(const struct vmc_vm *vm)
{
	return vm->ram_size;
}

/* ---- bus.h ---- */

int vmc_bus_add(struct vmc_vm *vm, enum vmc_bus bus, uint64_t addr, uint64_t len,
	const struct vmc_bus_ops *ops, void *dev, const char *name)
{
	size_t i;

	for (i = 0; i < vm->nbus; i++)
		if (vm->bus[i].r.bus == bus && addr < vm->bus[i].r.addr + vm->bus[i].r.len &&
			vm->bus[i].r.addr < addr + len)
			return vmc_fail(vm, -EEXIST, "%s overlaps %s", name, vm->bus[i].r.name);
	CHECK(vm->nbus < COUNT(vm->bus));
	vm->bus[vm->nbus] = (struct entry){
		.r = { .bus = bus, .addr = addr, .len = len }, .ops = ops, .dev = dev
	};
	snprintf(vm->bus[vm->nbus].r.name, sizeof(vm->bus[0].r.name), "%s", name);
	vm->nbus++;
	return 0;
}

int vmc_bus_remove(struct vmc_vm *vm, enum vmc_bus bus, uint64_t addr)
{
	size_t i;

	for (i = 0; i < vm->nbus; i++)
		if (vm->bus[i].r.bus == bus && vm->bus[i].r.addr == addr) {
			vm->bus[i] = vm->bus[--vm->nbus];
			return 0;
		}
	return -ENOENT;
}

size_t vmc_bus_regions(struct vmc_vm *vm, struct vmc_bus_region *out, size_t max)
{
	size_t i;

	for (i = 0; i < vm->nbus && i < max; i++)
		out[i] = vm->bus[i].r;
	return vm->nbus;
}

int vmc_ioeventfd_add(struct vmc_vm *vm, enum vmc_bus bus, uint64_t addr, uint32_t len,
	const uint64_t *datamatch, int fd)
{
	CHECK(bus == VMC_BUS_MMIO && !datamatch);
	if (vm->refuse_ioev)
		return -ENOSPC;
	CHECK(vm->nioev < COUNT(vm->ioev));
	vm->ioev[vm->nioev].addr = addr;
	vm->ioev[vm->nioev].len = len;
	vm->ioev[vm->nioev++].fd = fd;
	return 0;
}

int vmc_ioeventfd_remove(struct vmc_vm *vm, enum vmc_bus bus, uint64_t addr, uint32_t len,
	const uint64_t *datamatch, int fd)
{
	size_t i;

	for (i = 0; i < vm->nioev; i++)
		if (vm->ioev[i].addr == addr && vm->ioev[i].fd == fd) {
			vm->ioev[i] = vm->ioev[--vm->nioev];
			return 0;
		}
	CHECK(!"an ioeventfd to remove");
	return -ENOENT;
}

unsigned fake_ioeventfds(struct vmc_vm *vm)
{
	return vm->nioev;
}

void fake_refuse_ioeventfds(struct vmc_vm *vm, bool refuse)
{
	vm->refuse_ioev = refuse;
}

void fake_io(
	struct vmc_vm *vm, enum vmc_bus bus, uint64_t addr, void *data, uint32_t len, bool is_write)
{
	const uint64_t one = 1;
	size_t i;

	for (i = 0; is_write && bus == VMC_BUS_MMIO && i < vm->nioev; i++)
		if (vm->ioev[i].addr == addr && (!vm->ioev[i].len || vm->ioev[i].len == len)) {
			CHECK(write(vm->ioev[i].fd, &one, 8) == 8);
			return;
		}
	if (!is_write)
		memset(data, 0xff, len);
	for (i = 0; i < vm->nbus; i++) {
		struct entry e = vm->bus[i];

		if (e.r.bus != bus || addr < e.r.addr || addr + len > e.r.addr + e.r.len)
			continue;
		vmc_device_lock(vm);
		if (is_write)
			e.ops->write(e.dev, addr - e.r.addr, data, len);
		else
			e.ops->read(e.dev, addr - e.r.addr, data, len);
		vmc_device_unlock(vm);
		return;
	}
}

uint32_t fake_in(struct vmc_vm *vm, uint16_t port, uint32_t len)
{
	uint32_t value = 0;

	fake_io(vm, VMC_BUS_PIO, port, &value, len, false);
	return value;
}

void fake_out(struct vmc_vm *vm, uint16_t port, uint32_t len, uint32_t value)
{
	fake_io(vm, VMC_BUS_PIO, port, &value, len, true);
}

/* ---- irq.h ---- */

int vmc_irq_line(struct vmc_vm *vm, uint32_t gsi, bool level)
{
	CHECK(vm->locked > 0 || !vm->ndev);
	CHECK(gsi < COUNT(vm->line));
	vm->line[gsi] = level;
	vm->line_calls++;
	return 0;
}

unsigned fake_line_calls(const struct vmc_vm *vm)
{
	return vm->line_calls;
}

bool fake_line(struct vmc_vm *vm, uint32_t gsi)
{
	return vm->line[gsi];
}

int vmc_msi_route_new(struct vmc_vm *vm)
{
	size_t i;

	for (i = 0; i < COUNT(vm->msi); i++)
		if (!vm->msi[i].used) {
			memset(&vm->msi[i], 0, sizeof(vm->msi[i]));
			vm->msi[i].used = true;
			vm->msi[i].fd = -1;
			return MSI_FIRST + i;
		}
	return -ENOSPC;
}

int vmc_msi_route_set(struct vmc_vm *vm, uint32_t gsi, uint64_t addr, uint32_t data)
{
	vm->msi[gsi - MSI_FIRST].set = true;
	vm->msi[gsi - MSI_FIRST].addr = addr;
	vm->msi[gsi - MSI_FIRST].data = data;
	return 0;
}

int vmc_msi_route_free(struct vmc_vm *vm, uint32_t gsi)
{
	CHECK(vm->msi[gsi - MSI_FIRST].used && vm->msi[gsi - MSI_FIRST].fd < 0);
	vm->msi[gsi - MSI_FIRST].used = false;
	return 0;
}

int vmc_irqfd_add(struct vmc_vm *vm, int fd, uint32_t gsi, int resample_fd)
{
	CHECK(resample_fd < 0);
	vm->msi[gsi - MSI_FIRST].fd = fd;
	return 0;
}

int vmc_irqfd_remove(struct vmc_vm *vm, int fd, uint32_t gsi)
{
	CHECK(vm->msi[gsi - MSI_FIRST].fd == fd);
	vm->msi[gsi - MSI_FIRST].fd = -1;
	return 0;
}

int vmc_msi_send(struct vmc_vm *vm, uint64_t addr, uint32_t data)
{
	size_t i;

	for (i = 0; i < COUNT(vm->sent); i++)
		if (!vm->sent[i].count || vm->sent[i].data == data) {
			vm->sent[i].data = data;
			vm->sent[i].count++;
			return 1;
		}
	CHECK(!"room for another message");
	return 0;
}

unsigned fake_msi_take(struct vmc_vm *vm, uint32_t data)
{
	unsigned n = 0;
	uint64_t count;
	size_t i;

	for (i = 0; i < COUNT(vm->msi); i++)
		if (vm->msi[i].used && vm->msi[i].fd >= 0 && vm->msi[i].set &&
			vm->msi[i].data == data && read(vm->msi[i].fd, &count, 8) == 8)
			n += count;
	for (i = 0; i < COUNT(vm->sent); i++)
		if (vm->sent[i].data == data) {
			n += vm->sent[i].count;
			vm->sent[i].count = 0;
		}
	return n;
}

/* ---- vm.h, device.h ---- */

void vmc_device_lock(struct vmc_vm *vm)
{
	vm->locked++;
}

void vmc_device_unlock(struct vmc_vm *vm)
{
	CHECK(vm->locked > 0);
	vm->locked--;
}

int vmc_fail(struct vmc_vm *vm, int rc, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(vm->error, sizeof(vm->error), fmt, ap);
	va_end(ap);
	return rc;
}

const char *fake_error(const struct vmc_vm *vm)
{
	return vm->error;
}

void vmc_vm_request(struct vmc_vm *vm, enum vmc_event_type type, int64_t code)
{
	vm->request = type;
	vm->code = code;
}

enum vmc_event_type fake_request(struct vmc_vm *vm, int64_t *code)
{
	enum vmc_event_type type = vm->request;

	vm->request = VMC_EVENT_NONE;
	if (code)
		*code = vm->code;
	return type;
}

const struct vmc_config *vmc_vm_config(const struct vmc_vm *vm)
{
	static const struct vmc_config cfg = { .id = "fake", .vcpus = 2, .managed = true };

	return &cfg;
}

int vmc_boot_load(
	struct vmc_vm *vm, const struct vmc_boot_params *params, struct vmc_boot_info *info)
{
	return vmc_fail(vm, -ENOSYS, "the fake VM boots nothing");
}

int vmc_device_add(struct vmc_vm *vm, const char *id, const struct vmc_device_ops *ops, void *dev)
{
	CHECK(vm->ndev < COUNT(vm->dev));
	snprintf(vm->dev[vm->ndev].id, sizeof(vm->dev[0].id), "%s", id);
	vm->dev[vm->ndev].ops = ops;
	vm->dev[vm->ndev++].dev = dev;
	return 0;
}

int vmc_add_virtio_device(
	struct vmc_vm *vm, const char *id, const struct vmc_device_ops *ops, void *dev)
{
	return vmc_device_add(vm, id, ops, dev);
}

static void each(struct vmc_vm *vm, size_t member)
{
	size_t i;

	vmc_device_lock(vm);
	for (i = 0; i < vm->ndev; i++) {
		void (*fn)(void *dev);

		memcpy(&fn, (const char *)vm->dev[i].ops + member, sizeof(fn));
		if (fn)
			fn(vm->dev[i].dev);
	}
	vmc_device_unlock(vm);
}

void fake_quiesce(struct vmc_vm *vm)
{
	each(vm, offsetof(struct vmc_device_ops, quiesce));
}

void fake_resume(struct vmc_vm *vm)
{
	each(vm, offsetof(struct vmc_device_ops, resume));
}

void fake_reset(struct vmc_vm *vm)
{
	each(vm, offsetof(struct vmc_device_ops, reset));
}

static size_t find(struct vmc_vm *vm, const char *id)
{
	size_t i;

	for (i = 0; i < vm->ndev && strcmp(vm->dev[i].id, id); i++)
		;
	CHECK(i < vm->ndev);
	return i;
}

void fake_save(struct vmc_vm *vm, const char *id, struct vmc_out *out)
{
	size_t i = find(vm, id);

	vmc_out_init(out);
	vmc_device_lock(vm);
	vm->dev[i].ops->save(vm->dev[i].dev, out);
	vmc_device_unlock(vm);
	CHECK(!out->failed);
}

int fake_load(struct vmc_vm *vm, const char *id, const void *data, size_t len, struct vmc_in *in)
{
	size_t i = find(vm, id);
	int rc;

	vmc_in_init(in, data, len);
	vmc_device_lock(vm);
	rc = vm->dev[i].ops->load(vm->dev[i].dev, in, vm->dev[i].ops->version);
	vmc_device_unlock(vm);
	return rc;
}

void fake_describe(struct vmc_vm *vm, const char *id, struct vmc_device_info *info)
{
	size_t i = find(vm, id);

	memset(info, 0, sizeof(*info));
	vm->dev[i].ops->describe(vm->dev[i].dev, info);
}

void fake_copy(struct vmc_vm *to, const struct vmc_vm *from)
{
	CHECK(to->ram_size == from->ram_size);
	memcpy(to->ram, from->ram, to->ram_size);
}
