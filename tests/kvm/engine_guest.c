/* engine_guest.c - see engine_guest.h. */
#include "tests/kvm/engine_guest.h"
#include "tests/lib/tap.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>

int must(struct vmc_vm *vm, int rc, const char *what)
{
	if (rc < 0)
		tap_bail("%s: %d (%s) %s", what, rc, strerror(-rc), vm ? vmc_error(vm) : "");
	return rc;
}

bool refused(struct vmc_vm *vm, int rc, int want, const char *word, const char *what)
{
	bool ok = tap_ok(rc == want && strstr(vmc_error(vm), word), "%s is refused", what);

	if (!ok)
		tap_note("got %d (wanted %d), message \"%s\" (wanted \"%s\" in it)", rc, want, vmc_error(vm), word);
	return ok;
}

struct vmc_vm *guest_vm_cfg(const struct vmc_config *cfg)
{
	struct vmc_vm *vm;
	char err[400];

	if (vmc_vm_new(cfg, &vm, err, sizeof(err)) < 0)
		tap_bail("vmc_vm_new: %s", err);
	return vm;
}

struct vmc_vm *guest_vm(bool managed, uint32_t vcpus, uint64_t ram_mib)
{
	struct vmc_config cfg = { .id = "test", .ram_bytes = ram_mib << 20, .vcpus = vcpus,
		.managed = managed };
	struct vmc_vm *vm = guest_vm_cfg(&cfg);
	struct vmc_vcpu *vcpu;

	for (uint32_t i = 0; !managed && i < vcpus; i++)
		must(vm, vmc_vcpu_new(vm, i, &vcpu), "vmc_vcpu_new");
	return vm;
}

static void put(struct vmc_vm *vm, uint64_t gpa, const void *data, size_t len)
{
	must(vm, vmc_mem_write(vm, gpa, data, len), "vmc_mem_write");
}

static void tables(struct vmc_vm *vm)
{
	static const uint64_t gdt[] = { 0, 0x00af9b000000ffff, 0x00cf93000000ffff };

	put(vm, GDT, gdt, sizeof(gdt));
	guest_set_u64(vm, PML4, PDPT | 3);
	for (uint64_t i = 0; i < 4; i++) {
		guest_set_u64(vm, PDPT + 8 * i, (PDS + 4096 * i) | 3);
		for (uint64_t k = 0; k < 512; k++)
			guest_set_u64(vm, PDS + 4096 * i + 8 * k, (i << 30 | k << 21) | 0x83);
	}
}

static void enter(struct vmc_vm *vm)
{
	struct vmc_segment code = { .limit = 0xffffffff, .selector = 8, .type = 11, .present = 1, .s = 1, .l = 1,
		.g = 1 };
	struct vmc_regs regs = { .rip = CODE, .rsp = STACK, .rflags = 2 };
	struct vmc_vcpu *vcpu = vmc_vcpu_get(vm, 0);
	struct vmc_sregs s;

	must(vm, vmc_vcpu_get_sregs(vcpu, &s), "vmc_vcpu_get_sregs");
	s.cs = code;
	code.selector = 0x10;
	code.type = 3;
	code.l = 0;
	code.db = 1;
	s.ds = s.es = s.fs = s.gs = s.ss = code;
	s.gdt = (struct vmc_table){ GDT, 23 };
	s.idt = (struct vmc_table){ IDT, 4095 };
	s.cr0 = 0x80000011;
	s.cr3 = PML4;
	s.cr4 = 0x20;
	s.efer = 0x500;
	must(vm, vmc_vcpu_set_sregs(vcpu, &s), "vmc_vcpu_set_sregs");
	must(vm, vmc_vcpu_set_regs(vcpu, &regs), "vmc_vcpu_set_regs");
}

void guest_load_range(struct vmc_vm *vm, const uint8_t *start, const uint8_t *end)
{
	static const uint8_t zero[4096];

	tables(vm);
	put(vm, IDT, zero, sizeof(zero));
	put(vm, DATA, zero, sizeof(zero));
	put(vm, CODE, start, (size_t)(end - start));
	enter(vm);
}

void guest_vector(struct vmc_vm *vm, unsigned vector, const uint8_t *start, const uint8_t *handler)
{
	uint64_t at = CODE + (uint64_t)(handler - start);
	uint16_t gate[8] = { (uint16_t)at, 8, 0x8e00, (uint16_t)(at >> 16), (uint16_t)(at >> 32),
		(uint16_t)(at >> 48) };

	put(vm, IDT + 16 * vector, gate, sizeof(gate));
}

uint64_t guest_u64(struct vmc_vm *vm, uint64_t gpa)
{
	uint64_t v = 0;

	must(vm, vmc_mem_read(vm, gpa, &v, sizeof(v)), "vmc_mem_read");
	return v;
}

void guest_set_u64(struct vmc_vm *vm, uint64_t gpa, uint64_t v)
{
	put(vm, gpa, &v, sizeof(v));
}

struct want {
	struct vmc_vm *vm;
	uint64_t gpa, min;
};

static bool there(void *arg)
{
	const struct want *w = arg;

	return guest_u64(w->vm, w->gpa) >= w->min;
}

bool guest_reaches(struct vmc_vm *vm, uint64_t gpa, uint64_t min, int deadline_ms)
{
	struct want w = { vm, gpa, min };

	return tap_wait(there, &w, deadline_ms, 1);
}

bool guest_goes_on(struct vmc_vm *vm, uint64_t gpa)
{
	return guest_reaches(vm, gpa, guest_u64(vm, gpa) + 3, 20000);
}

bool guest_event(struct vmc_vm *vm, struct vmc_event *ev, int deadline_ms)
{
	struct pollfd p = { vmc_vm_event_fd(vm), POLLIN, 0 };

	return poll(&p, 1, deadline_ms) == 1 && vmc_vm_event(vm, ev) == 1;
}
