/*
 * test_engine_manual.c - manual mode on a real /dev/kvm: each typed exit, answers, kicks, buses on the way.
 */
#include "tests/kvm/engine_guest.h"
#include "tests/lib/tap.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static struct vmc_vcpu *cpu;

static struct vmc_vm *boot(const uint8_t *start, const uint8_t *end)
{
	struct vmc_vm *vm = guest_vm(false, 1, 16);

	guest_load_range(vm, start, end);
	cpu = vmc_vcpu_get(vm, 0);
	return vm;
}

static void port_io(void)
{
	struct vmc_vm *vm = boot(guest_io, guest_io_end);
	struct vmc_exit ex;
	uint8_t answer = 7;

	refused(vm, vmc_vm_start(vm), -EPERM, "manual", "start in manual mode");
	refused(vm, vmc_vm_pause(vm), -EPERM, "manual", "pause in manual mode");
	tap_ok(!vmc_vm_is_managed_execution(vm), "is_managed_execution says which");
	tap_ok(vmc_vcpu_run(cpu, &ex) == 0 && ex.reason == VMC_EXIT_IO_OUT && ex.io.port == 0x500 && ex.io.size == 1 &&
		ex.io.count == 1 && *(const uint8_t *)ex.io.data == 1, "a port write");
	refused(vm, vmc_vcpu_set_io_result(cpu, &answer, 1), -EINVAL, "does not wait", "an answer nobody asked for");
	tap_ok(vmc_vcpu_run(cpu, &ex) == 0 && ex.reason == VMC_EXIT_IO_IN && ex.io.port == 0x501 && !ex.io.data,
		"a port read");
	refused(vm, vmc_vcpu_set_io_result(cpu, &answer, 2), -EINVAL, "1 bytes", "an answer that is too long");
	refused(vm, vmc_vcpu_set_mmio_result(cpu, &answer, 1), -EINVAL, "MMIO", "an MMIO answer to a port read");
	tap_ok(vmc_vcpu_set_io_result(cpu, &answer, 1) == 0 && vmc_vcpu_run(cpu, &ex) == 0 &&
		ex.reason == VMC_EXIT_IO_OUT && guest_u64(vm, DATA + 8) == 7, "its answer arrives");
	tap_ok(vmc_vcpu_run(cpu, &ex) == 0 && ex.reason == VMC_EXIT_IO_IN && vmc_vcpu_run(cpu, &ex) == 0 &&
		guest_u64(vm, DATA + 8) == 7 + 255, "without an answer it reads all ones");
	vmc_vm_free(vm);
}

static void string_io(void)
{
	struct vmc_vm *vm = boot(guest_stringio, guest_stringio_end);
	char text[65] = "The quick brown fox jumps over the lazy dog, 0123456789 and so on", got[200] = "", in[64];
	struct vmc_exit ex;
	size_t n = 0, fed = 0;

	must(vm, vmc_mem_write(vm, DATA + 0x100, text, 64), "write");
	while (n < 64 && vmc_vcpu_run(cpu, &ex) == 0 && ex.reason == VMC_EXIT_IO_OUT && ex.io.port == 0x502) {
		memcpy(got + n, ex.io.data, ex.io.count * ex.io.size);
		n += ex.io.count * ex.io.size;
	}
	tap_ok(n == 64 && memcmp(got, text, 64) == 0, "rep outsb gives every byte once");
	while (fed < 64 && vmc_vcpu_run(cpu, &ex) == 0 && ex.reason == VMC_EXIT_IO_IN && ex.io.port == 0x503) {
		uint8_t bytes[4096];

		for (size_t i = 0; i < ex.io.count; i++)
			bytes[i] = (uint8_t)(fed + i);
		must(vm, vmc_vcpu_set_io_result(cpu, bytes, ex.io.count * ex.io.size), "answer");
		fed += ex.io.count * ex.io.size;
	}
	must(vm, vmc_vcpu_run(cpu, &ex), "run");
	must(vm, vmc_mem_read(vm, DATA + 0x200, in, 64), "read");
	for (n = 0; n < 64 && in[n] == (char)n; n++)
		;
	tap_ok(n == 64 && guest_u64(vm, DATA) == 1, "rep insb takes every byte once");
	vmc_vm_free(vm);
}

static void mmio(void)
{
	struct vmc_vm *vm = boot(guest_mmio, guest_mmio_end);
	struct vmc_exit ex;
	uint64_t v;

	tap_ok(vmc_vcpu_run(cpu, &ex) == 0 && ex.reason == VMC_EXIT_MMIO_WRITE && ex.mmio.gpa == MMIO &&
		ex.mmio.len == 8 && ex.mmio.data[0] == 1 && ex.mmio.data[1] == 0, "an MMIO write");
	tap_ok(vmc_vcpu_run(cpu, &ex) == 0 && ex.reason == VMC_EXIT_MMIO_READ && ex.mmio.gpa == MMIO + 8, "an MMIO read");
	v = 0x8877665544332211;
	tap_ok(vmc_vcpu_set_mmio_result(cpu, &v, 8) == 0 && vmc_vcpu_run(cpu, &ex) == 0 &&
		guest_u64(vm, DATA + 8) == v, "its answer arrives");
	vmc_vm_free(vm);
}

static void give(void *dev, uint64_t off, void *data, uint32_t len)
{
	++*(uint64_t *)dev;
	memset(data, 3, len);
}

static const struct vmc_bus_ops give_ops = { .read = give };

static void buses(void)
{
	struct vmc_vm *vm = boot(guest_io, guest_io_end);
	struct vmc_bus_region r[4];
	uint64_t reads = 0;
	struct vmc_exit ex;

	tap_ok(vmc_bus_add(vm, VMC_BUS_PIO, 0x501, 1, &give_ops, &reads, "giver") == 0, "a region claims one port");
	refused(vm, vmc_bus_add(vm, VMC_BUS_PIO, 0x4f0, 0x100, &give_ops, &reads, "wide"), -EEXIST, "giver",
		"a region over another");
	refused(vm, vmc_bus_add(vm, VMC_BUS_PIO, 0xffff, 2, &give_ops, &reads, "end"), -EINVAL, "no such range",
		"ports beyond the last");
	refused(vm, vmc_bus_add(vm, VMC_BUS_MMIO, UINT64_MAX, 2, &give_ops, &reads, "end"), -EINVAL, "no such range",
		"MMIO that wraps around");
	refused(vm, vmc_bus_remove(vm, VMC_BUS_PIO, 0x500), -ENOENT, "nothing begins", "removing what is not there");
	for (int i = 0; i < 3; i++)
		must(vm, vmc_vcpu_run(cpu, &ex), "run");
	tap_ok(ex.reason == VMC_EXIT_IO_OUT && reads == 2 && guest_u64(vm, DATA + 8) == 6, "what it claims does not come up");
	tap_ok(vmc_bus_regions(vm, r, 4) == 1 && r[0].reads == 2 && r[0].addr == 0x501 && strcmp(r[0].name, "giver") == 0,
		"and is counted");
	vmc_vm_free(vm);
}

struct kicker {
	struct vmc_vcpu *cpu;
	useconds_t after;
};

static void *kick_later(void *arg)
{
	struct kicker *k = arg;

	usleep(k->after);
	vmc_vcpu_kick(k->cpu);
	return NULL;
}

static void kicks(void)
{
	struct vmc_vm *vm = boot(guest_spin, guest_spin_end);
	struct kicker k = { cpu, 0 };
	sigset_t before, after;
	pthread_t thread;
	struct vmc_exit ex;
	int n = 0;

	pthread_sigmask(SIG_SETMASK, NULL, &before);
	vmc_vcpu_kick(cpu);
	refused(vm, vmc_vcpu_run(cpu, &ex), -EINTR, "kicked", "a run after a kick (it is kept)");
	for (int i = 0; i < 300; i++) {
		k.after = (useconds_t)(i % 50) * 20;
		pthread_create(&thread, NULL, kick_later, &k);
		n += vmc_vcpu_run(cpu, &ex) == -EINTR;
		pthread_join(thread, NULL);
	}
	tap_ok(n == 300, "300 kicks at all kinds of moments end 300 runs");
	pthread_sigmask(SIG_SETMASK, NULL, &after);
	for (int s = 1; s <= 64; s++)
		n -= sigismember(&before, s) != sigismember(&after, s);
	sigpending(&after);
	for (int s = 1; s <= 64; s++)
		n -= sigismember(&after, s) == 1;
	tap_ok(n == 300, "the thread's signal mask is as before, no signal is left");
	vmc_vm_free(vm);
}

static void debug_and_errors(void)
{
	struct vmc_config cfg = { .id = "bare", .ram_bytes = 16 << 20, .vcpus = 2, .no_irqchip = true };
	struct vmc_vm *vm = guest_vm_cfg(&cfg);
	struct vmc_vcpu *second;
	struct vmc_exit ex;

	must(vm, vmc_vcpu_new(vm, 0, &cpu), "vCPU");
	refused(vm, vmc_vcpu_new(vm, 0, &second), -EEXIST, "exists", "the same vCPU twice");
	refused(vm, vmc_vcpu_new(vm, 2, &second), -EINVAL, "0 to 1", "a vCPU too many");
	tap_ok(vmc_vcpu_new(vm, 1, &second) == 0 && vmc_vcpu_count(vm) == 2 && vmc_vcpu_get(vm, 1) == second &&
		vmc_vcpu_index(second) == 1 && !vmc_vcpu_get(vm, 2), "a second vCPU");
	refused(vm, vmc_irq_line(vm, 4, true), -ENXIO, "no interrupt controller", "a line without irqchip");
	refused(vm, vmc_msi_route_new(vm), -ENXIO, "no interrupt controller", "MSI without irqchip");
	guest_load(vm, halt);
	tap_ok(vmc_vcpu_run(cpu, &ex) == 0 && ex.reason == VMC_EXIT_HALT, "HLT is an exit without irqchip");
	tap_ok(vmc_vm_state(vm) == VMC_PAUSED, "between runs the VM counts as paused");
	guest_load(vm, triple);
	tap_ok(vmc_vcpu_run(cpu, &ex) == 0 && ex.reason == VMC_EXIT_SHUTDOWN, "a triple fault");
	vmc_vm_free(vm);

	vm = boot(guest_x87, guest_x87_end);
	/* On a CPU that runs it the guest halts; a kick ends that. */
	struct kicker k = { cpu, 500000 };
	pthread_t thread;
	int rc;

	pthread_create(&thread, NULL, kick_later, &k);
	rc = vmc_vcpu_run(cpu, &ex);
	if (rc == -EINTR)
		tap_skip("this KVM runs x87 in the kernel", "an emulation failure");
	else
		tap_ok(rc == 0 && ex.reason == VMC_EXIT_ERROR && strstr(ex.message, "emulate"), "an emulation failure");
	pthread_join(thread, NULL);
	vmc_vm_free(vm);
}

static void hypercalls(void)
{
	struct vmc_vm *vm = boot(guest_hypercall, guest_hypercall_end);
	struct kicker k = { cpu, 500000 };
	struct vmc_exit ex;
	pthread_t thread;
	int rc;

	/* A software KVM goes round and round at a hypercall of kernel mode: the kick ends that. */
	pthread_create(&thread, NULL, kick_later, &k);
	rc = vmc_vcpu_run(cpu, &ex);
	if (rc == -EINTR) {
		tap_skip("this KVM takes no hypercalls in kernel mode, or was too slow", "a hypercall");
	} else if (rc == 0 && ex.reason == VMC_EXIT_HYPERCALL) {
		tap_ok(ex.hypercall.nr == 12 && ex.hypercall.args[0] == 0x30000 && ex.hypercall.args[1] == 1 &&
			vmc_vcpu_run(cpu, &ex) == 0 && ex.reason == VMC_EXIT_IO_OUT &&
			guest_u64(vm, DATA) == (uint64_t)-1000, "a hypercall comes up, and is answered with ENOSYS");
	} else {
		tap_ok(rc == 0 && ex.reason == VMC_EXIT_IO_OUT && (int64_t)guest_u64(vm, DATA) < 0,
			"a hypercall that KVM does not hand up fails in the guest");
	}
	pthread_join(thread, NULL);
	vmc_vm_free(vm);
}

/* A snapshot between a port read's exit and its answer must not lose the answer. */
static void snapshot_in_between(void)
{
	struct vmc_vm *vm = boot(guest_io, guest_io_end), *other;
	struct vmc_exit ex;
	uint8_t answer = 9, *ram = vmc_mem_ptr(vm, 0, 16 << 20, false);
	void *blob;
	size_t len;

	must(vm, vmc_vcpu_run(cpu, &ex), "run");
	must(vm, vmc_vcpu_run(cpu, &ex), "run");
	must(vm, vmc_vcpu_set_io_result(cpu, &answer, 1), "answer");
	tap_ok(vmc_vcpu_snapshot(cpu, &blob, &len) == 0, "a snapshot with a port read in flight");
	other = guest_vm(false, 1, 16);
	must(other, vmc_mem_write(other, 0, ram, 16 << 20), "memory");
	cpu = vmc_vcpu_get(other, 0);
	tap_ok(vmc_vcpu_restore(cpu, blob, len) == 0 && vmc_vcpu_run(cpu, &ex) == 0 && ex.reason == VMC_EXIT_IO_OUT &&
		guest_u64(other, DATA) == 2 && guest_u64(other, DATA + 8) == 9, "in another VM the answer is there");
	((uint8_t *)blob)[len / 2] ^= 1;
	refused(other, vmc_vcpu_restore(cpu, blob, len), -EBADMSG, "checksum", "a damaged blob");
	free(blob);
	vmc_vm_free(vm);
	vmc_vm_free(other);
}

int main(void)
{
	port_io();
	string_io();
	mmio();
	buses();
	kicks();
	debug_and_errors();
	hypercalls();
	snapshot_in_between();
	return tap_done();
}
