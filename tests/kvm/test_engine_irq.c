/*
 * test_engine_irq.c - interrupts on a real /dev/kvm: edge and level lines, irqfds with and without resample,
 * MSI by route and by message, ioeventfds.
 */
#include "tests/kvm/engine_guest.h"
#include "tests/lib/tap.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

static struct vmc_vm *vm;
static _Atomic bool lower; /* the level handler lowers the line */

static void quiet_source(void *dev, uint64_t off, const void *data, uint32_t len)
{
	if (lower)
		vmc_irq_line(vm, 9, false);
}

static const struct vmc_bus_ops quiet_ops = { .write = quiet_source };

static uint64_t count(unsigned vector)
{
	return guest_u64(vm, DATA + 8 * (vector - 0x20));
}

static bool becomes(unsigned vector, uint64_t n)
{
	return guest_reaches(vm, DATA + 8 * (vector - 0x20), n, 20000) && count(vector) == n;
}

static void ring_fd(int fd)
{
	uint64_t one = 1;

	if (write(fd, &one, 8) != 8)
		tap_bail("eventfd");
}

static bool readable(int fd, int ms)
{
	struct pollfd p = { fd, POLLIN, 0 };
	uint64_t v;

	return poll(&p, 1, ms) == 1 && read(fd, &v, 8) == 8;
}

static int new_fd(void)
{
	int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);

	if (fd < 0)
		tap_bail("eventfd");
	return fd;
}

static void boot(void)
{
	vm = guest_vm(true, 1, 16);
	must(vm, vmc_bus_add(vm, VMC_BUS_PIO, 0x510, 1, &quiet_ops, NULL, "quiet"), "bus");
	guest_load(vm, irqs);
	guest_vector(vm, 0x20, guest_irqs, guest_irqs_20);
	guest_vector(vm, 0x21, guest_irqs, guest_irqs_21);
	guest_vector(vm, 0x22, guest_irqs, guest_irqs_22);
	guest_vector(vm, 0x23, guest_irqs, guest_irqs_23);
	must(vm, vmc_vm_start(vm), "start");
	if (!guest_reaches(vm, DATA + 0x40, 1, 20000))
		tap_bail("the guest did not get ready");
}

/* No interrupt of the level line for 5 ms. */
static bool at_rest(void *arg)
{
	uint64_t n = count(0x21);

	usleep(5000);
	return count(0x21) == n;
}

static void lines(void)
{
	bool ok = true;

	for (uint64_t i = 1; ok && i <= 20; i++)
		ok = vmc_irq_edge(vm, 5) == 0 && becomes(0x20, i);
	tap_ok(ok, "20 edges are 20 interrupts");
	lower = true;
	ok = true;
	for (int i = 1; ok && i <= 5; i++) {
		uint64_t n = count(0x21);

		/* A software KVM ends an interrupt as it delivers it: then the line, up until the handler
		 * lowers it, interrupts once more. */
		ok = vmc_irq_line(vm, 9, true) == 0 && guest_reaches(vm, DATA + 8, n + 1, 20000) &&
			tap_wait(at_rest, NULL, 20000, 1) && count(0x21) <= n + 2;
	}
	tap_ok(ok, "a level line interrupts until its source is quiet");
	lower = false;
	must(vm, vmc_irq_line(vm, 9, true), "line");
	tap_ok(guest_reaches(vm, DATA + 8, count(0x21) + 10, 20000), "and again and again while it is not");
	lower = true;
	tap_ok(tap_wait(at_rest, NULL, 5000, 5), "and ends when it is");
	refused(vm, vmc_irq_line(vm, 24, true), -EINVAL, "not a line", "a line beyond the IOAPIC");
}

static void irqfds(void)
{
	int fd = new_fd(), other = new_fd();
	uint64_t n = count(0x20);

	tap_ok(vmc_irqfd_add(vm, fd, 5, -1) == 0, "an irqfd");
	ring_fd(fd);
	tap_ok(becomes(0x20, n + 1), "a write to it is an interrupt");
	refused(vm, vmc_irqfd_add(vm, fd, 5, -1), -EBUSY, "already", "the same eventfd twice");
	refused(vm, vmc_irqfd_add(vm, other, 999, -1), -EINVAL, "999", "a GSI that was never given out");
	refused(vm, vmc_irqfd_remove(vm, other, 5), -ENOENT, "irqfd", "removing one that is not there");
	/* What was signalled right before a pause must be in the state that is saved. */
	must(vm, vmc_vm_pause(vm), "pause");
	ring_fd(fd);
	{
		struct vmc_out out;

		vmc_out_init(&out);
		tap_ok(vmc_state_save(vm, &out) == 0, "save with an interrupt on its way");
		tap_ok(vmc_state_load(vm, out.data, out.len) == 0 && vmc_vm_resume(vm) == 0 && becomes(0x20, n + 2),
			"it arrives once after load and resume");
		vmc_out_free(&out);
	}
	ring_fd(fd);
	tap_ok(becomes(0x20, n + 3), "and the irqfd still works");
	tap_ok(vmc_irqfd_remove(vm, fd, 5) == 0, "remove");
	ring_fd(fd);
	usleep(20000);
	tap_ok(count(0x20) == n + 3, "after which it interrupts no more");
	close(fd);
	close(other);
}

static void resample(void)
{
	int fd = new_fd(), eoi = new_fd();
	uint64_t n;
	bool ok = true;

	lower = false; /* KVM lowers it by itself */
	n = count(0x21);
	must(vm, vmc_irqfd_add(vm, fd, 9, eoi), "irqfd with resample");
	for (int i = 1; i <= 5; i++) {
		ring_fd(fd);
		ok &= becomes(0x21, n + (uint64_t)i) && readable(eoi, 2000);
	}
	tap_ok(ok, "a level irqfd: an interrupt, and word of its end, each time");
	usleep(10000);
	tap_ok(count(0x21) == n + 5 && !readable(eoi, 0), "no more than that");
	must(vm, vmc_irqfd_remove(vm, fd, 9), "remove");
	close(fd);
	close(eoi);
	lower = true;
}

static void msi(void)
{
	int gsi = vmc_msi_route_new(vm), second = vmc_msi_route_new(vm), fd = new_fd(), n = 2;
	uint64_t line;

	tap_ok(gsi >= 24 && second > gsi, "two MSI routes");
	must(vm, vmc_irqfd_add(vm, fd, (uint32_t)gsi, -1), "irqfd");
	ring_fd(fd);
	usleep(10000);
	tap_ok(count(0x22) == 0, "a route that is not set yet is silent");
	must(vm, vmc_msi_route_set(vm, (uint32_t)gsi, 0xfee00000, 0x22), "set");
	ring_fd(fd);
	tap_ok(becomes(0x22, 1), "set, it interrupts");
	must(vm, vmc_msi_route_set(vm, (uint32_t)gsi, 0xfee00000, 0x23), "set");
	ring_fd(fd);
	tap_ok(becomes(0x23, 1) && count(0x22) == 1, "set anew, with the other vector");
	tap_ok(vmc_msi_send(vm, 0xfee00000, 0x22) == 1 && becomes(0x22, 2), "a message without a route");
	refused(vm, vmc_msi_route_set(vm, 9, 0xfee00000, 0x22), -ENOENT, "GSI 9", "a route for a line");
	must(vm, vmc_irqfd_remove(vm, fd, (uint32_t)gsi), "remove");
	tap_ok(vmc_msi_route_free(vm, (uint32_t)gsi) == 0 && vmc_msi_route_new(vm) == gsi, "a freed route is given out again");
	while (vmc_msi_route_new(vm) >= 0)
		n++;
	refused(vm, vmc_msi_route_new(vm), -ENOSPC, "routes", "more routes than there are");
	tap_ok(n == 1000, "there are 1000");
	line = count(0x20);
	tap_ok(vmc_irq_edge(vm, 5) == 0 && becomes(0x20, line + 1), "lines still work");
	close(fd);
}

static void ioeventfds(void)
{
	struct vmc_vm *other = guest_vm(true, 1, 16);
	struct vmc_vcpu_stats st;
	int fd = new_fd(), mfd = new_fd();
	uint64_t match = 5;

	guest_load(other, io);
	must(other, vmc_ioeventfd_add(other, VMC_BUS_PIO, 0x500, 1, NULL, fd), "ioeventfd");
	must(other, vmc_vm_start(other), "start");
	tap_ok(readable(fd, 2000) && guest_goes_on(other, DATA), "a port write signals an ioeventfd");
	vmc_vcpu_stats(vmc_vcpu_get(other, 0), &st);
	tap_ok(st.exits[VMC_EXIT_IO_OUT] == 0 && st.exits[VMC_EXIT_IO_IN] > 0, "without an exit");
	must(other, vmc_ioeventfd_remove(other, VMC_BUS_PIO, 0x500, 1, NULL, fd), "remove");
	guest_goes_on(other, DATA);
	vmc_vcpu_stats(vmc_vcpu_get(other, 0), &st);
	tap_ok(st.exits[VMC_EXIT_IO_OUT] > 0, "removed, it exits again");
	must(other, vmc_vm_reset(other), "reset");
	guest_load(other, mmio);
	must(other, vmc_ioeventfd_add(other, VMC_BUS_MMIO, MMIO, 8, &match, mfd), "ioeventfd");
	must(other, vmc_vm_resume(other), "resume");
	tap_ok(readable(mfd, 2000), "an MMIO write of one value signals");
	guest_goes_on(other, DATA);
	tap_ok(!readable(mfd, 0), "other values do not");
	refused(other, vmc_ioeventfd_add(other, VMC_BUS_MMIO, MMIO, 3, NULL, fd), -EINVAL, "ioeventfd", "a length of 3");
	close(fd);
	close(mfd);
	vmc_vm_free(other);
}

int main(void)
{
	boot();
	lines();
	irqfds();
	resample();
	msi();
	vmc_vm_free(vm);
	ioeventfds();
	return tap_done();
}
