/* inspect.c - see inspect.h. Main thread. */
#include "vmhost/inspect.h"
#include "vmhost/guest_kernel.h"
#include "vmhost/host.h"
#include "vmhost/net.h"
#include "vmhost/qmp.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CODE_BYTES 16

static const char *const run_states[] = {
	[VMC_VCPU_RUNNING] = "running",
	[VMC_VCPU_HALTED] = "halted",
	[VMC_VCPU_WAIT_SIPI] = "wait-sipi",
	[VMC_VCPU_PAUSED] = "paused",
	[VMC_VCPU_FAILED] = "failed",
};

void inspect_hex(const uint8_t *data, size_t len, char *out)
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < len; i++) {
		*out++ = digits[data[i] >> 4];
		*out++ = digits[data[i] & 15];
	}
	*out = '\0';
}

static json_t *segment(const struct vmc_segment *s)
{
	return json_pack("{s:i, s:o, s:I, s:i, s:i, s:i, s:i, s:i, s:i, s:i, s:i, s:i}", "selector",
		s->selector, "base", qmp_hex(s->base), "limit", (json_int_t)s->limit, "type",
		s->type, "present", s->present, "dpl", s->dpl, "db", s->db, "s", s->s, "l", s->l,
		"g", s->g, "avl", s->avl, "unusable", s->unusable);
}

static json_t *table(const struct vmc_table *t)
{
	return json_pack("{s:o, s:i}", "base", qmp_hex(t->base), "limit", t->limit);
}

static void put_code(json_t *out, struct vmc_vm *vm, uint32_t cpu, const struct vmc_regs *r,
	const struct vmc_sregs *s)
{
	uint8_t code[CODE_BYTES];
	char text[2 * CODE_BYTES + 1];
	uint64_t gva = s->cs.base + r->rip, gpa;
	size_t len = CODE_BYTES, in_page = VMC_PAGE_SIZE - gva % VMC_PAGE_SIZE;

	text[0] = '\0';
	if (len > in_page)
		len = in_page;
	if (!(s->cr0 & 1u << 31)) /* no paging */
		gpa = gva;
	else if (vmc_vcpu_translate(vmc_vcpu_get(vm, cpu), gva, &gpa) < 0)
		len = 0;
	if (len && vmc_mem_read(vm, gpa, code, len) == 0)
		inspect_hex(code, len, text);
	json_object_set_new(out, "code", json_string(text));
}

/* The kernel's function at RIP, where the kernel is known and runs. */
static void put_symbol(json_t *out, struct host *h, const struct vmc_regs *r, const struct vmc_sregs *s)
{
	char name[160];

	guest_kernel_look(h->guest_kernel, r, s, host_now_us());
	if (s->ss.dpl != 3 && guest_kernel_bare(h->guest_kernel))
		json_object_set_new(out, "kernel-base", qmp_hex(guest_kernel_bare(h->guest_kernel)));
	if (s->ss.dpl != 3 && guest_kernel_symbol(h->guest_kernel, r->rip, name, sizeof(name)) == 0)
		json_object_set_new(out, "symbol", json_string(name));
}

json_t *inspect_registers(struct host *h, uint32_t cpu, char *err, size_t err_size)
{
	struct vmc_vm *vm = h->vm;
	struct vmc_vcpu *vcpu = vmc_vcpu_get(vm, cpu);
	struct vmc_sregs s;
	struct vmc_regs r;
	json_t *out;

	if (!vcpu) {
		snprintf(err, err_size, "there is no vCPU %u; there are %u", cpu,
			vmc_vcpu_count(vm));
		return NULL;
	}
	if (vmc_vcpu_sample(vcpu, &r, &s) < 0) {
		snprintf(err, err_size, "vCPU %u: %s", cpu, vmc_error(vm));
		return NULL;
	}
	const struct {
		const char *name;
		uint64_t v;
	} words[] = {
		{"rax", r.rax},
		{"rbx", r.rbx},
		{"rcx", r.rcx},
		{"rdx", r.rdx},
		{"rsi", r.rsi},
		{"rdi", r.rdi},
		{"rsp", r.rsp},
		{"rbp", r.rbp},
		{"r8", r.r8},
		{"r9", r.r9},
		{"r10", r.r10},
		{"r11", r.r11},
		{"r12", r.r12},
		{"r13", r.r13},
		{"r14", r.r14},
		{"r15", r.r15},
		{"rip", r.rip},
		{"rflags", r.rflags},
		{"cr0", s.cr0},
		{"cr2", s.cr2},
		{"cr3", s.cr3},
		{"cr4", s.cr4},
		{"cr8", s.cr8},
		{"efer", s.efer},
		{"apic-base", s.apic_base},
	};
	const struct {
		const char *name;
		const struct vmc_segment *s;
	} segs[] = {
		{"cs", &s.cs},
		{"ds", &s.ds},
		{"es", &s.es},
		{"fs", &s.fs},
		{"gs", &s.gs},
		{"ss", &s.ss},
		{"tr", &s.tr},
		{"ldt", &s.ldt},
	};
	out = json_object();
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		json_object_set_new(out, words[i].name, qmp_hex(words[i].v));
	for (size_t i = 0; i < sizeof(segs) / sizeof(segs[0]); i++)
		json_object_set_new(out, segs[i].name, segment(segs[i].s));
	json_object_set_new(out, "gdt", table(&s.gdt));
	json_object_set_new(out, "idt", table(&s.idt));
	put_code(out, vm, cpu, &r, &s);
	put_symbol(out, h, &r, &s);
	if (!out)
		snprintf(err, err_size, "out of memory");
	return out;
}

void inspect_kernel(struct host *h)
{
	struct vmc_sregs s;
	struct vmc_regs r;

	for (uint32_t i = 0; i < vmc_vcpu_count(h->vm); i++)
		if (vmc_vcpu_sample(vmc_vcpu_get(h->vm, i), &r, &s) == 0)
			guest_kernel_look(h->guest_kernel, &r, &s, host_now_us());
}

json_t *inspect_cpu(struct vmc_vm *vm, uint32_t cpu)
{
	struct vmc_vcpu *vcpu = vmc_vcpu_get(vm, cpu);
	struct vmc_vcpu_stats st = {.state = VMC_VCPU_PAUSED};
	json_t *exits = json_object();

	if (vcpu)
		vmc_vcpu_stats(vcpu, &st);
	for (int i = 0; i < VMC_EXIT_REASONS; i++)
		json_object_set_new(exits, vmc_exit_name(i), json_integer((json_int_t)st.exits[i]));
	return json_pack("{s:i, s:s, s:I, s:o}", "cpu", (int)cpu, "state", run_states[st.state],
		"cpu-time-us", (json_int_t)(st.cpu_ns / 1000), "exits", exits);
}

const char *inspect_dirty_log(struct vmc_vm *vm)
{
	struct vmc_dirty_stats st;

	if (!vmc_dirty_is_enabled(vm))
		return "off";
	vmc_dirty_stats(vm, &st);
	return st.ring ? "ring" : st.manual ? "manual" : "bitmap";
}

static void entry(json_t *map, const char *kind, const char *name, uint64_t start, uint64_t size,
	uint64_t accesses)
{
	json_array_append_new(
		map, json_pack("{s:s, s:s, s:o, s:o, s:i, s:b, s:b, s:n, s:I}", "kind", kind,
			     "name", name, "start", qmp_hex(start), "size", qmp_hex(size), "slot",
			     -1, "read-only", 0, "dirty-log", 0, "resident", "accesses",
			     (json_int_t)accesses));
}

static void memory_entry(json_t *map, struct host *h, const struct vmc_mem_region *r)
{
	int64_t resident = vmc_mem_resident(h->vm, r->gpa, r->size);
	int64_t balloon = machine_balloon_held(h->machine, r->gpa, r->size);
	int ro = !!(r->flags & VMC_MEM_READ_ONLY);
	json_t *v = json_pack("{s:s, s:s, s:o, s:o, s:i, s:b, s:b, s:o, s:I}", "kind", ro ? "rom" : "ram", "name", r->name,
		"start", qmp_hex(r->gpa), "size", qmp_hex(r->size), "slot", (int)r->slot, "read-only", ro, "dirty-log",
		vmc_dirty_is_enabled(h->vm) && !ro, "resident",
		resident >= 0 ? qmp_hex((uint64_t)resident) : json_null(), "accesses", (json_int_t)0);

	if (balloon >= 0 && !ro)
		json_object_set_new(v, "balloon", qmp_hex((uint64_t)balloon));
	json_array_append_new(map, v);
}

/* What KVM itself answers at (the PC's standard places). */
static const struct {
	const char *name;
	bool pio;
	uint64_t start, size;
} irqchip[] = {
	{"pic", true, 0x20, 2},
	{"pit", true, 0x40, 4},
	{"pic2", true, 0xa0, 2},
	{"elcr", true, 0x4d0, 2},
	{"ioapic", false, 0xfec00000, 0x1000},
	{"lapic", false, 0xfee00000, 0x1000},
};

#define MAX_ENTRIES 256

static void guest_entry(void *arg, const char *kind, const char *name, uint64_t gpa, uint64_t size)
{
	entry(arg, kind, name, gpa, size, 0);
}

json_t *inspect_map(struct host *h)
{
	struct vmc_vm *vm = h->vm;
	struct vmc_mem_region *mem = calloc(MAX_ENTRIES, sizeof(*mem));
	struct vmc_bus_region *bus = calloc(MAX_ENTRIES, sizeof(*bus));
	size_t nmem = 0, nbus = 0;
	json_t *map = json_array();

	if (mem && bus) {
		nmem = vmc_mem_regions(vm, mem, MAX_ENTRIES);
		nbus = vmc_bus_regions(vm, bus, MAX_ENTRIES);
	}
	for (size_t i = 0; i < nmem && i < MAX_ENTRIES; i++)
		memory_entry(map, h, &mem[i]);
	guest_kernel_map(h->guest_kernel, guest_entry, map);
	entry(map, "hole", "pci hole", VMC_HOLE_START, VMC_HOLE_END - VMC_HOLE_START, 0);
	for (int pio = 0; pio <= 1; pio++) {
		for (size_t i = 0; i < nbus && i < MAX_ENTRIES; i++)
			if ((bus[i].bus == VMC_BUS_PIO) == pio)
				entry(map, pio ? "pio" : "mmio", bus[i].name, bus[i].addr,
					bus[i].len, bus[i].reads + bus[i].writes);
		for (size_t i = 0; i < sizeof(irqchip) / sizeof(irqchip[0]); i++)
			if (irqchip[i].pio == pio)
				entry(map, "irqchip", irqchip[i].name, irqchip[i].start,
					irqchip[i].size, 0);
	}
	free(mem);
	free(bus);
	return map;
}

#define MAX_DEVICES 32

static json_t *queues(const struct vmc_device_info *d)
{
	json_t *list = json_array();

	for (uint32_t i = 0; i < d->nqueues && i < VMC_DEVICE_QUEUES; i++)
		json_array_append_new(list,
			json_pack("{s:i, s:b, s:i, s:i, s:o, s:o, s:o, s:I, s:I}", "size",
				d->queues[i].size, "ready", d->queues[i].ready, "avail",
				d->queues[i].avail_idx, "used", d->queues[i].used_idx,
				"desc-address", qmp_hex(d->queues[i].desc), "avail-address",
				qmp_hex(d->queues[i].avail), "used-address",
				qmp_hex(d->queues[i].used), "kicks", (json_int_t)d->queues[i].kicks,
				"interrupts", (json_int_t)d->queues[i].interrupts));
	return list;
}

static json_t *one_device(struct host *h, const struct vmc_device_info *d)
{
	json_t *v = json_pack("{s:s, s:s, s:s, s:I, s:o, s:o, s:i, s:b, s:s, s:o, s:o, s:b, s:i, s:o}", "id",
		d->id, "model", d->model, "where", d->where, "type", (json_int_t)d->virtio_type,
		"features-offered", qmp_hex(d->features_offered), "features-negotiated",
		qmp_hex(d->features_negotiated), "status", d->status, "broken", d->broken, "note", d->note,
		"address", qmp_hex(d->addr), "length", qmp_hex(d->addr_len), "pio", d->pio, "irq",
		(int)d->irq, "queues", queues(d));
	char backend[512];

	if (nets_about(h->nets, d->id, backend, sizeof(backend)))
		json_object_set_new(v, "backend", qmp_text(backend));
	return v;
}

json_t *inspect_devices(struct host *h)
{
	struct vmc_device_info *devs = calloc(MAX_DEVICES, sizeof(*devs));
	size_t n = devs ? vmc_device_list(h->vm, devs, MAX_DEVICES) : 0;
	json_t *list = json_array();

	for (size_t i = 0; i < n && i < MAX_DEVICES; i++)
		json_array_append_new(list, one_device(h, &devs[i]));
	free(devs);
	return list;
}

uint64_t inspect_rss(const struct host *h)
{
	unsigned long long size, resident;
	char text[128];
	ssize_t n = h->statm_fd >= 0 ? pread(h->statm_fd, text, sizeof(text) - 1, 0) : -1;

	if (n <= 0)
		return 0;
	text[n] = '\0';
	return sscanf(text, "%llu %llu", &size, &resident) == 2 ? resident * VMC_PAGE_SIZE : 0;
}
