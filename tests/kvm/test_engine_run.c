/*
 * test_engine_run.c - running, pausing, resuming, stopping and resetting on a real /dev/kvm; kicks, events,
 * crashes, registers of a running guest, single steps.
 */
#include "tests/kvm/engine_guest.h"
#include "tests/lib/tap.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

/* Ports 0x500 and up: counts, and answers 1. */
struct port {
	_Atomic uint64_t reads, writes;
};

static void port_read(void *dev, uint64_t off, void *data, uint32_t len)
{
	struct port *p = dev;

	p->reads++;
	memset(data, 0, len);
	*(uint8_t *)data = 1;
}

static void port_write(void *dev, uint64_t off, const void *data, uint32_t len)
{
	((struct port *)dev)->writes++;
}

static const struct vmc_bus_ops port_ops = { port_read, port_write };

static void lifecycle(void)
{
	struct vmc_vm *vm = guest_vm(true, 1, 16);
	struct vmc_vcpu *vcpu = vmc_vcpu_get(vm, 0);
	struct vmc_exit ex;
	uint64_t n;

	tap_ok(vmc_vm_state(vm) == VMC_CREATED && !vmc_vm_is_running(vm) && vmc_vm_is_managed_execution(vm) &&
		strcmp(vmc_vm_id(vm), "test") == 0 && vmc_vm_config(vm)->ram_bytes == 16 << 20 &&
		vmc_vcpu_count(vm) == 1, "a new VM is as it was asked for");
	refused(vm, vmc_vm_pause(vm), -EINVAL, "created", "pausing a VM that never ran");
	refused(vm, vmc_vm_resume(vm), -EINVAL, "start it", "resuming a VM that never ran");
	refused(vm, vmc_vcpu_run(vcpu, &ex), -EPERM, "managed", "vmc_vcpu_run() in managed mode");
	guest_load(vm, spin);
	tap_ok(vmc_vm_start(vm) == 0 && vmc_vm_is_running(vm), "start");
	refused(vm, vmc_vm_start(vm), -EINVAL, "running", "starting twice");
	tap_ok(guest_goes_on(vm, DATA), "the guest runs");
	tap_ok(vmc_vm_resume(vm) == 0, "resuming a running VM is fine");
	tap_ok(vmc_vm_pause(vm) == 0 && vmc_vm_state(vm) == VMC_PAUSED && vmc_vm_pause(vm) == 0, "pause, twice");
	n = guest_u64(vm, DATA);
	usleep(20000);
	tap_ok(guest_u64(vm, DATA) == n, "nothing moves while paused");
	refused(vm, vmc_vm_start(vm), -EINVAL, "resume it", "starting a paused VM");
	tap_ok(vmc_vm_resume(vm) == 0 && guest_goes_on(vm, DATA), "it goes on after resume");
	tap_ok(vmc_vm_stop(vm) == 0 && vmc_vm_state(vm) == VMC_STOPPED && vmc_vm_stop(vm) == 0, "stop, twice");
	refused(vm, vmc_vm_resume(vm), -EINVAL, "stopped", "resuming a stopped VM");
	refused(vm, vmc_vm_pause(vm), -EINVAL, "stopped", "pausing a stopped VM");
	tap_ok(vmc_vm_reset(vm) == 0 && vmc_vm_state(vm) == VMC_PAUSED, "reset brings a stopped VM back");
	guest_load(vm, spin);
	tap_ok(vmc_vm_resume(vm) == 0 && guest_goes_on(vm, DATA), "and it boots again");
	tap_ok(vmc_vm_reset(vm) == 0 && vmc_vm_state(vm) == VMC_PAUSED, "reset of a running VM pauses it");
	vmc_vm_free(vm);
}

/* Pauses and resumes a guest @times, and sees each time that it had run. A lost kick would hang here. */
static void pause_storm(const char *what, struct vmc_vm *vm, uint64_t counter, int times, bool must_move)
{
	uint64_t start = tap_now_us(), worst = 0, before = guest_u64(vm, counter);
	int i;

	for (i = 0; i < times; i++) {
		uint64_t t = tap_now_us(), took;

		if (vmc_vm_pause(vm) < 0)
			break;
		took = tap_now_us() - t;
		worst = took > worst ? took : worst;
		if (vmc_vm_resume(vm) < 0)
			break;
		if (i % 100 == 0 && must_move && !guest_goes_on(vm, counter))
			break;
	}
	tap_ok(i == times && guest_u64(vm, counter) > before && vmc_vm_is_running(vm),
		"%d pauses while the guest %s, and it goes on", times, what);
	tap_note("%s: %.1f us a round, worst pause %llu us", what,
		(double)(tap_now_us() - start) / times, (unsigned long long)worst);
}

static void storms(void)
{
	struct port port = { 0 };
	struct vmc_vm *vm = guest_vm(true, 1, 16);

	guest_load(vm, spin);
	must(vm, vmc_vm_start(vm), "start");
	pause_storm("spins", vm, DATA, 4000, true);
	vmc_vm_free(vm);

	vm = guest_vm(true, 1, 16);
	guest_load(vm, pit);
	guest_vector(vm, 0x20, guest_pit, guest_pit_irq);
	must(vm, vmc_vm_start(vm), "start");
	pause_storm("halts and ticks", vm, DATA, 3000, true);
	vmc_vm_free(vm);

	vm = guest_vm(true, 1, 16);
	must(vm, vmc_bus_add(vm, VMC_BUS_PIO, 0x500, 4, &port_ops, &port, "port"), "bus");
	guest_load(vm, io);
	must(vm, vmc_vm_start(vm), "start");
	pause_storm("does port I/O", vm, DATA, 3000, true);
	must(vm, vmc_vm_pause(vm), "pause");
	/* Each round is one write, one read; a pause may fall between the two. */
	tap_ok(guest_u64(vm, DATA) - guest_u64(vm, DATA + 8) <= 1 && port.writes - port.reads <= 1 &&
		port.reads - guest_u64(vm, DATA + 8) <= 1, "no access was lost or done twice by pauses");
	tap_note("rounds %llu, answers %llu, writes %llu, reads %llu", (unsigned long long)guest_u64(vm, DATA),
		(unsigned long long)guest_u64(vm, DATA + 8), (unsigned long long)port.writes,
		(unsigned long long)port.reads);
	vmc_vm_free(vm);
}

/* Two threads at once: one samples registers as fast as it can while the owner pauses and resumes. */
struct sampler {
	struct vmc_vm *vm;
	_Atomic bool stop;
	int samples, wrong;
};

static void *sample_thread(void *arg)
{
	struct sampler *s = arg;
	struct vmc_regs regs;
	struct vmc_sregs sregs;

	while (!s->stop) {
		if (vmc_vcpu_sample(vmc_vcpu_get(s->vm, 0), &regs, &sregs) < 0 || sregs.cr3 != PML4 ||
			regs.rip < CODE || regs.rip >= CODE + 64)
			s->wrong++;
		s->samples++;
	}
	return NULL;
}

static void sampling(void)
{
	struct vmc_vm *vm = guest_vm(true, 1, 16);
	struct sampler s = { .vm = vm };
	struct port port = { 0 };
	pthread_t thread;
	uint64_t rounds;

	must(vm, vmc_bus_add(vm, VMC_BUS_PIO, 0x500, 4, &port_ops, &port, "port"), "bus");
	guest_load(vm, io);
	must(vm, vmc_vm_start(vm), "start");
	pthread_create(&thread, NULL, sample_thread, &s);
	pause_storm("is sampled by another thread", vm, DATA, 1000, true);
	s.stop = true;
	pthread_join(thread, NULL);
	tap_ok(s.samples > 100 && s.wrong == 0, "registers of a running vCPU, read from another thread");
	tap_note("%d samples, %d wrong", s.samples, s.wrong);
	must(vm, vmc_vm_pause(vm), "pause");
	rounds = guest_u64(vm, DATA);
	tap_ok(port.writes - rounds <= 1 || rounds - port.writes <= 1, "sampling made no access happen twice");
	vmc_vm_free(vm);
}

static void registers(void)
{
	struct vmc_vm *vm = guest_vm(true, 1, 16);
	struct vmc_vcpu *vcpu = vmc_vcpu_get(vm, 0);
	struct vmc_regs r, back;
	struct vmc_sregs s, sback;
	uint64_t gpa = 0;
	uint8_t pattern[sizeof(r)];

	guest_load(vm, spin);
	for (size_t i = 0; i < sizeof(pattern); i++)
		pattern[i] = (uint8_t)(i * 7 + 1);
	memcpy(&r, pattern, sizeof(r));
	r.rip = CODE;
	r.rflags = 2;
	tap_ok(vmc_vcpu_set_regs(vcpu, &r) == 0 && vmc_vcpu_get_regs(vcpu, &back) == 0 &&
		memcmp(&r, &back, sizeof(r)) == 0, "every general register goes in and comes back");
	must(vm, vmc_vcpu_get_sregs(vcpu, &s), "sregs");
	s.fs.base = 0x123456789000;
	s.cr2 = 0xdeadb000;
	s.cr8 = 5;
	s.idt.limit = 0x7ff;
	tap_ok(vmc_vcpu_set_sregs(vcpu, &s) == 0 && vmc_vcpu_get_sregs(vcpu, &sback) == 0 &&
		memcmp(&s, &sback, sizeof(s)) == 0, "every system register goes in and comes back");
	tap_ok(vmc_vcpu_translate(vcpu, CODE + 5, &gpa) == 0 && gpa == CODE + 5, "translate");
	refused(vm, vmc_vcpu_translate(vcpu, 0x7fff00000000, &gpa), -EFAULT, "not mapped",
		"translating an unmapped address");
	s.cr0 &= ~1ull; /* paging without protection */
	refused(vm, vmc_vcpu_set_sregs(vcpu, &s), -EINVAL, "vCPU 0", "a CPU state that cannot be");
	vmc_vm_free(vm);
}

static enum vmc_run_state state_of(struct vmc_vcpu *vcpu)
{
	struct vmc_vcpu_stats st;

	vmc_vcpu_stats(vcpu, &st);
	return st.state;
}

static bool is_halted(void *arg)
{
	return state_of(arg) == VMC_VCPU_HALTED;
}

static bool waits_for_sipi(void *arg)
{
	return state_of(arg) == VMC_VCPU_WAIT_SIPI;
}

static void stats(void)
{
	struct vmc_vm *vm = guest_vm(true, 2, 16);
	struct vmc_vcpu *cpu0 = vmc_vcpu_get(vm, 0), *cpu1 = vmc_vcpu_get(vm, 1);
	struct vmc_vcpu_stats a, b;
	struct port port = { 0 };

	must(vm, vmc_bus_add(vm, VMC_BUS_PIO, 0x500, 4, &port_ops, &port, "port"), "bus");
	guest_load(vm, io);
	tap_ok(state_of(cpu0) == VMC_VCPU_PAUSED, "a vCPU that does not run yet counts as paused");
	must(vm, vmc_vm_start(vm), "start");
	vmc_vcpu_stats(cpu0, &a);
	tap_ok(guest_reaches(vm, DATA, 100, 20000), "it runs");
	vmc_vcpu_stats(cpu0, &b);
	tap_ok(b.exits[VMC_EXIT_IO_OUT] > a.exits[VMC_EXIT_IO_OUT] + 50 &&
		b.exits[VMC_EXIT_IO_IN] > a.exits[VMC_EXIT_IO_IN] + 50 && b.cpu_ns > a.cpu_ns && b.tid &&
		b.tid != (uint64_t)getpid() && b.state == VMC_VCPU_RUNNING, "exits and CPU time are counted");
	tap_ok(tap_wait(waits_for_sipi, cpu1, 20000, 1), "the second vCPU waits to be started");
	must(vm, vmc_vm_pause(vm), "pause");
	tap_ok(state_of(cpu0) == VMC_VCPU_PAUSED, "paused");
	must(vm, vmc_vm_reset(vm), "reset");
	guest_load(vm, halt);
	must(vm, vmc_vm_resume(vm), "resume");
	tap_ok(tap_wait(is_halted, cpu0, 20000, 1), "a vCPU in HLT is seen to be, without a kick");
	tap_ok(vmc_vcpu_get_regs(cpu0, &(struct vmc_regs){ 0 }) == 0 && tap_wait(is_halted, cpu0, 20000, 1),
		"and its registers can be had");
	tap_ok(vmc_vm_pause(vm) == 0, "and it can be paused");
	for (int i = 0; i < VMC_EXIT_REASONS; i++)
		if (strcmp(vmc_exit_name((enum vmc_exit_reason)i), "unknown") == 0)
			tap_ok(false, "exit reason %d has a name", i);
	vmc_vm_free(vm);
}

static void smp(void)
{
	struct vmc_vm *vm = guest_vm(true, 2, 16);
	struct vmc_vcpu *cpu1 = vmc_vcpu_get(vm, 1);
	uint64_t n;

	guest_load(vm, smp);
	must(vm, vmc_mem_write(vm, AP_CODE, guest_ap, (size_t)(guest_ap_end - guest_ap)), "AP code");
	must(vm, vmc_vm_start(vm), "start");
	tap_ok(guest_reaches(vm, AP_DATA, 100, 20000), "INIT and SIPI start the second vCPU");
	tap_ok(guest_goes_on(vm, DATA) && state_of(cpu1) == VMC_VCPU_RUNNING, "both run");
	pause_storm("spins on two vCPUs", vm, AP_DATA, 500, true);
	must(vm, vmc_vm_pause(vm), "pause");
	n = guest_u64(vm, AP_DATA);
	usleep(10000);
	tap_ok(guest_u64(vm, AP_DATA) == n, "both stand still while paused");
	must(vm, vmc_vm_reset(vm), "reset");
	tap_ok(state_of(cpu1) == VMC_VCPU_PAUSED, "and after a reset");
	guest_set_u64(vm, AP_DATA, 0);
	guest_load(vm, smp);
	must(vm, vmc_vm_resume(vm), "resume");
	tap_ok(guest_reaches(vm, AP_DATA, 100, 20000), "after a reset the second vCPU waits and starts again");
	vmc_vm_free(vm);
}

static void ask(void *dev, uint64_t off, const void *data, uint32_t len)
{
	vmc_vm_request(dev, off == 0 ? VMC_EVENT_SHUTDOWN : VMC_EVENT_RESET, 42);
}

static const struct vmc_bus_ops ask_ops = { .write = ask };

static void events(void)
{
	struct vmc_vm *vm = guest_vm(true, 1, 16);
	struct vmc_event ev;

	must(vm, vmc_bus_add(vm, VMC_BUS_PIO, 0x500, 1, &ask_ops, vm, "ask"), "bus");
	guest_load(vm, io);
	must(vm, vmc_vm_start(vm), "start");
	tap_ok(guest_event(vm, &ev, 20000) && ev.type == VMC_EVENT_SHUTDOWN && ev.code == 42 &&
		vmc_vm_state(vm) == VMC_STOPPED, "a device's shutdown request stops the VM with its code");
	tap_ok(guest_u64(vm, DATA) == 1 && guest_u64(vm, DATA + 8) == 0, "not one guest instruction after it");
	tap_ok(vmc_vm_event(vm, &ev) == 0 && ev.type == VMC_EVENT_NONE, "one request is one event");
	refused(vm, vmc_vm_resume(vm), -EINVAL, "stopped", "resuming after a shutdown");
	must(vm, vmc_vm_reset(vm), "reset");
	must(vm, vmc_bus_remove(vm, VMC_BUS_PIO, 0x500), "remove");
	must(vm, vmc_bus_add(vm, VMC_BUS_PIO, 0x4ff, 2, &ask_ops, vm, "ask"), "bus");
	guest_load(vm, io);
	must(vm, vmc_vm_resume(vm), "resume");
	tap_ok(guest_event(vm, &ev, 20000) && ev.type == VMC_EVENT_RESET && vmc_vm_state(vm) == VMC_PAUSED,
		"a reset request pauses the VM until its owner acts");
	must(vm, vmc_bus_remove(vm, VMC_BUS_PIO, 0x4ff), "remove");
	must(vm, vmc_vm_reset(vm), "reset");
	guest_load(vm, spin);
	must(vm, vmc_vm_resume(vm), "resume");
	tap_ok(guest_goes_on(vm, DATA), "and it runs after the reset");
	vmc_vm_request(vm, VMC_EVENT_PANIC, 0);
	tap_ok(guest_event(vm, &ev, 1000) && ev.type == VMC_EVENT_PANIC && vmc_vm_is_running(vm) &&
		guest_goes_on(vm, DATA), "a panic is told and stops nothing");
	must(vm, vmc_vm_pause(vm), "pause");
	vmc_vm_request(vm, VMC_EVENT_SHUTDOWN, 1);
	must(vm, vmc_vm_resume(vm), "resume");
	tap_ok(guest_event(vm, &ev, 1000) && vmc_vm_state(vm) == VMC_STOPPED,
		"a request made while paused is not lost by a resume");
	vmc_vm_free(vm);
}

static void faults(void)
{
	struct vmc_vm *vm = guest_vm(true, 2, 16);
	struct vmc_event ev;

	guest_load(vm, triple);
	must(vm, vmc_vm_start(vm), "start");
	tap_ok(guest_event(vm, &ev, 20000) && ev.type == VMC_EVENT_SHUTDOWN && ev.code == -1 && ev.vcpu == 0 &&
		vmc_vm_state(vm) == VMC_STOPPED, "a triple fault is a shutdown with code -1");
	must(vm, vmc_vm_reset(vm), "reset");
	tap_ok(strcmp(vmc_crash_reason(vm), "") == 0, "no crash reason without a crash");
	guest_load(vm, x87);
	must(vm, vmc_vm_resume(vm), "resume");
	if (!guest_event(vm, &ev, 2000)) {
		tap_skip("this KVM runs x87 in the kernel", "an emulation failure");
	} else {
		tap_ok(ev.type == VMC_EVENT_CRASHED && vmc_vm_state(vm) == VMC_CRASHED &&
			strstr(vmc_crash_reason(vm), "emulate") && strstr(vmc_crash_reason(vm), "instruction bytes:") &&
			strstr(vmc_crash_reason(vm), "rax 1122334455667788"),
			"an emulation failure crashes the VM and says why");
		tap_note("%.160s", vmc_crash_reason(vm));
		tap_ok(state_of(vmc_vcpu_get(vm, 0)) == VMC_VCPU_FAILED, "the vCPU has failed");
		refused(vm, vmc_vm_resume(vm), -EINVAL, "crashed", "resuming a crashed VM");
	}
	must(vm, vmc_vm_reset(vm), "reset");
	guest_load(vm, spin);
	must(vm, vmc_vm_resume(vm), "resume");
	tap_ok(guest_goes_on(vm, DATA) && strcmp(vmc_crash_reason(vm), "") == 0, "a reset mends a crash");
	vmc_vm_free(vm);
}

static void steps(void)
{
	struct vmc_vm *vm = guest_vm(true, 1, 16);
	struct vmc_vcpu *vcpu = vmc_vcpu_get(vm, 0);
	struct port port = { 0 };
	struct vmc_regs r;
	bool ok = true;

	must(vm, vmc_bus_add(vm, VMC_BUS_PIO, 0x500, 4, &port_ops, &port, "port"), "bus");
	guest_load(vm, spin);
	refused(vm, vmc_vcpu_step(vcpu), -EINVAL, "pause the VM", "stepping a VM that was never started");
	must(vm, vmc_vm_start(vm), "start");
	refused(vm, vmc_vcpu_step(vcpu), -EINVAL, "running", "stepping a running VM");
	must(vm, vmc_vm_pause(vm), "pause");
	guest_load(vm, steps);
	for (uint64_t i = 1; i <= 4; i++) {
		ok &= vmc_vcpu_step(vcpu) == 0 && vmc_vcpu_get_regs(vcpu, &r) == 0 && r.rax == i &&
			r.rip == CODE + 5 * i && vmc_vm_state(vm) == VMC_PAUSED;
	}
	tap_ok(ok, "four steps, one instruction each");
	must(vm, vmc_vcpu_step(vcpu), "step");
	must(vm, vmc_vcpu_step(vcpu), "step");
	must(vm, vmc_vcpu_get_regs(vcpu, &r), "regs");
	if (!tap_ok(port.writes == 1 && r.rip == CODE + 20 + 4 + 1, "a step over a port write does it once"))
		tap_note("writes %llu rip %llx", (unsigned long long)port.writes, (unsigned long long)r.rip);
	must(vm, vmc_vcpu_step(vcpu), "step");
	must(vm, vmc_vcpu_get_regs(vcpu, &r), "regs");
	tap_ok(r.rax == 5 && port.writes == 1, "and goes on after it");
	must(vm, vmc_vm_resume(vm), "resume");
	usleep(1000);
	must(vm, vmc_vm_pause(vm), "pause");
	tap_ok(vmc_vcpu_get_regs(vcpu, &r) == 0 && r.rip == CODE + 30 && vmc_vm_state(vm) == VMC_PAUSED,
		"stepping leaves nothing behind: it runs freely");
	vmc_vm_free(vm);
}

static void config_errors(void)
{
	static const struct {
		struct vmc_config cfg;
		int rc;
		const char *word;
	} cases[] = {
		{ { .id = NULL, .vcpus = 1 }, -EINVAL, "id" },
		{ { .id = "", .vcpus = 1 }, -EINVAL, "id" },
		{ { .id = ".hidden", .vcpus = 1 }, -EINVAL, "id" },
		{ { .id = "a/b", .vcpus = 1 }, -EINVAL, "id" },
		{ { .id = "0123456789012345678901234567890123456789012345678", .vcpus = 1 }, -EINVAL, "id" },
		{ { .id = "a", .vcpus = 0 }, -EINVAL, "vCPUs" },
		{ { .id = "a", .vcpus = 65 }, -EINVAL, "vCPUs" },
		{ { .id = "a", .vcpus = 1, .ram_bytes = 4097 }, -EINVAL, "4 KiB" },
		{ { .id = "a", .vcpus = 1, .dirty_ring_entries = 1000 }, -EINVAL, "power of two" },
		{ { .id = "a", .vcpus = 1, .managed = true, .no_irqchip = true }, -EINVAL, "manual" },
		{ { .id = "a", .vcpus = 1, .kvm_path = "/nonexistent/kvm" }, -ENOENT, "kvm_intel" },
		{ { .id = "a", .vcpus = 1, .kvm_path = "/dev/null" }, -ENOTTY, "API version" },
	};
	bool ok = true;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct vmc_vm *vm;
		char err[300] = "";
		int rc = vmc_vm_new(&cases[i].cfg, &vm, err, sizeof(err));

		if (rc != cases[i].rc || vm || !strstr(err, cases[i].word)) {
			tap_note("case %zu: %d \"%s\"", i, rc, err);
			ok = false;
		}
	}
	tap_ok(ok, "bad configurations are refused with a reason");
}

static void probe(void)
{
	struct vmc_kvm_info info;
	char err[200];

	tap_ok(vmc_kvm_probe(NULL, &info, err, sizeof(err)) == 0 && info.api_version == 12 && info.irqfd &&
		info.ioeventfd && info.max_vcpus > 0 && info.max_memslots >= 32, "probe tells what KVM offers");
	tap_ok(vmc_kvm_probe("/nonexistent", &info, err, sizeof(err)) == -ENOENT && err[0], "probe without KVM says so");
}

int main(void)
{
	config_errors();
	probe();
	lifecycle();
	registers();
	stats();
	smp();
	events();
	faults();
	steps();
	sampling();
	storms();
	return tap_done();
}
