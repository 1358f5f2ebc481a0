/*
 * test_engine_state.c - saved state on a real /dev/kvm: a running guest goes on in another VM and its timer
 * ticks, the TSC moves on; damaged states name their section and change nothing.
 */
#include "tests/kvm/engine_guest.h"
#include "tests/lib/tap.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

/* Ports 0x502 and 0x503: what came out, and a pattern to go in. */
struct pipe {
	uint8_t out[0x8000 + 64];
	uint32_t nout, nin;
};

static void pipe_write(void *arg, uint64_t off, const void *data, uint32_t len)
{
	struct pipe *p = arg;

	if (p->nout < sizeof(p->out))
		p->out[p->nout] = *(const uint8_t *)data;
	p->nout++;
}

static void pipe_read(void *arg, uint64_t off, void *data, uint32_t len)
{
	uint32_t v = ((struct pipe *)arg)->nin++ * 2654435761u;

	memcpy(data, &v, len < 4 ? len : 4);
}

static const struct vmc_bus_ops pipe_ops = { pipe_read, pipe_write };

/* A device that remembers a number and how it was called. */
struct dev {
	uint64_t value;
	uint32_t version;
	int quiet, resets;
	bool refuse;
};

static void dev_describe(void *arg, struct vmc_device_info *info)
{
	snprintf(info->note, sizeof(info->note), "value %llu", (unsigned long long)((struct dev *)arg)->value);
}

static void dev_quiesce(void *arg)
{
	((struct dev *)arg)->quiet++;
}

static void dev_resume(void *arg)
{
	((struct dev *)arg)->quiet--;
}

static void dev_reset(void *arg)
{
	((struct dev *)arg)->value = 0;
	((struct dev *)arg)->resets++;
}

static void dev_save(void *arg, struct vmc_out *out)
{
	vmc_out_u64(out, ((struct dev *)arg)->value);
}

static int dev_load(void *arg, struct vmc_in *in, uint32_t version)
{
	struct dev *d = arg;
	uint64_t v = vmc_in_u64(in);

	if (d->refuse)
		return vmc_in_fail(in, -EINVAL, "value %llu is not to its taste", (unsigned long long)v);
	if (vmc_in_end(in) < 0)
		return in->error;
	d->value = v;
	d->version = version;
	return 0;
}

static const struct vmc_device_ops dev_ops = { .model = "test", .version = 3, .describe = dev_describe,
	.reset = dev_reset, .quiesce = dev_quiesce, .resume = dev_resume, .save = dev_save, .load = dev_load };

static void copy_memory(struct vmc_vm *from, struct vmc_vm *to)
{
	uint64_t size = vmc_mem_size(from);

	must(to, vmc_mem_write(to, 0, vmc_mem_ptr(from, 0, size, false), size), "copy memory");
}

/* Saves a guest in full flight and lets it go on in a VM that never ran. */
static struct vmc_vm *move(struct vmc_vm *vm, uint32_t vcpus)
{
	struct vmc_vm *to = guest_vm(true, vcpus, 16);
	struct vmc_out out;

	must(vm, vmc_vm_pause(vm), "pause");
	vmc_out_init(&out);
	must(vm, vmc_state_save(vm, &out), "save");
	copy_memory(vm, to);
	must(to, vmc_state_check(to, out.data, out.len), "check");
	must(to, vmc_state_load(to, out.data, out.len), "load");
	vmc_out_free(&out);
	vmc_vm_free(vm);
	return to;
}

static void timers(void)
{
	struct vmc_vm *vm = guest_vm(true, 1, 16);
	uint64_t ticks, t;
	bool ok = true;

	guest_load(vm, pit);
	guest_vector(vm, 0x20, guest_pit, guest_pit_irq);
	must(vm, vmc_vm_start(vm), "start");
	guest_reaches(vm, DATA, 20, 20000);
	for (int i = 0; ok && i < 5; i++) {
		ticks = guest_u64(vm, DATA);
		vm = move(vm, 1);
		ok = vmc_vm_state(vm) == VMC_PAUSED && vmc_vm_resume(vm) == 0 && guest_reaches(vm, DATA, ticks + 50, 20000);
	}
	tap_ok(ok, "a guest that sleeps for PIT ticks goes on ticking in the next VM, five times over");
	ticks = guest_u64(vm, DATA);
	t = tap_now_us();
	ok = guest_reaches(vm, DATA, ticks + 200, 20000);
	t = tap_now_us() - t;
	tap_ok(ok && t > 100000, "at the old rate (200 ticks of 1 ms in %llu ms)", (unsigned long long)t / 1000);
	vmc_vm_free(vm);

	vm = guest_vm(true, 1, 16);
	guest_load(vm, lapic);
	guest_vector(vm, 0x20, guest_lapic, guest_lapic_irq);
	must(vm, vmc_vm_start(vm), "start");
	tap_ok(guest_reaches(vm, DATA, 5, 20000), "the LAPIC timer ticks");
	ok = true;
	for (int i = 0; ok && i < 3; i++) {
		ticks = guest_u64(vm, DATA);
		vm = move(vm, 1);
		ok = vmc_vm_resume(vm) == 0 && guest_reaches(vm, DATA, ticks + 10, 20000) && guest_goes_on(vm, DATA + 8);
	}
	tap_ok(ok, "and goes on in the next VM");
	vmc_vm_free(vm);
}

/* A guest in the middle of long string instructions is moved again and again: every byte goes over once. */
static void string_io(void)
{
	static struct pipe p;
	struct vmc_vm *vm = guest_vm(true, 1, 16);
	uint8_t *data = malloc(0x8000), *back = malloc(0x10000);
	bool ok = data && back;
	int moves = 0;

	must(vm, vmc_bus_add(vm, VMC_BUS_PIO, 0x502, 5, &pipe_ops, &p, "pipe"), "bus");
	for (uint32_t i = 0; ok && i < 0x8000; i++)
		data[i] = (uint8_t)(i * 31 + i / 256);
	must(vm, vmc_mem_write(vm, 0x100000, data, 0x8000), "write");
	guest_load(vm, bulk);
	must(vm, vmc_vm_start(vm), "start");
	while (ok && moves < 200 && guest_u64(vm, DATA) == 0) {
		usleep(2000);
		vm = move(vm, 1);
		must(vm, vmc_bus_add(vm, VMC_BUS_PIO, 0x502, 5, &pipe_ops, &p, "pipe"), "bus");
		must(vm, vmc_vm_resume(vm), "resume");
		moves++;
	}
	ok = ok && guest_reaches(vm, DATA, 1, 60000);
	must(vm, vmc_vm_pause(vm), "pause");
	must(vm, vmc_mem_read(vm, 0x300000, back, 0x10000), "read");
	tap_ok(ok && moves > 3 && p.nout == 0x8000 && memcmp(p.out, data, 0x8000) == 0,
		"rep outsb, moved to another VM in the middle, loses and repeats nothing");
	for (uint32_t i = 0; ok && i < 0x4000; i++)
		ok = ((uint32_t *)back)[i] == i * 2654435761u;
	tap_ok(ok && p.nin == 0x4000, "nor does rep insl");
	tap_note("%d moves, %u out, %u in", moves, p.nout, p.nin);
	free(data);
	free(back);
	vmc_vm_free(vm);
}

static void two_cpus(void)
{
	struct vmc_vm *vm = guest_vm(true, 2, 16);

	guest_load(vm, spin); /* the second waits for its SIPI: that must survive too */
	must(vm, vmc_vm_start(vm), "start");
	guest_goes_on(vm, DATA);
	vm = move(vm, 2);
	guest_load(vm, smp);
	must(vm, vmc_mem_write(vm, AP_CODE, guest_ap, (size_t)(guest_ap_end - guest_ap)), "AP code");
	must(vm, vmc_vm_resume(vm), "resume");
	tap_ok(guest_reaches(vm, AP_DATA, 50, 20000), "a vCPU that waited for its SIPI gets it in the next VM");
	vm = move(vm, 2);
	must(vm, vmc_vm_resume(vm), "resume");
	tap_ok(guest_goes_on(vm, AP_DATA) && guest_goes_on(vm, DATA), "both vCPUs go on in the next VM");
	vmc_vm_free(vm);
}

static void tsc(void)
{
	struct vmc_vm *vm = guest_vm(true, 1, 16);
	uint64_t before, after, then;

	guest_load(vm, tsc);
	must(vm, vmc_vm_start(vm), "start");
	guest_goes_on(vm, DATA + 8);
	must(vm, vmc_vm_pause(vm), "pause");
	before = guest_u64(vm, DATA);
	then = tap_now_us();
	vm = move(vm, 1);
	usleep(100000);
	must(vm, vmc_vm_resume(vm), "resume");
	guest_goes_on(vm, DATA + 8);
	after = guest_u64(vm, DATA);
	then = tap_now_us() - then;
	/* Any CPU here ticks between 0.5 and 6 GHz; less than that means that time stood still. */
	tap_ok(after > before && after - before > then * 500 && after - before < then * 6000,
		"the TSC has moved on with the wall clock, not back and not away");
	tap_note("%.0f ticks a us over %llu us", (double)(after - before) / (double)then, (unsigned long long)then);
	vmc_vm_free(vm);
}

static void devices(void)
{
	struct vmc_vm *vm = guest_vm(true, 1, 16), *other = guest_vm(true, 1, 16);
	struct dev a = { .value = 1234 }, b = { .value = 1 };
	struct vmc_device_info info[2];
	struct vmc_out out;

	tap_ok(vmc_device_add(vm, "test0", &dev_ops, &a) == 0 && vmc_device_list(vm, info, 2) == 1 &&
		strcmp(info[0].id, "test0") == 0 && strcmp(info[0].model, "test") == 0 &&
		strcmp(info[0].note, "value 1234") == 0 && vmc_virtio_devices(vm, info, 2) == 0, "a device is listed");
	refused(vm, vmc_device_add(vm, "test0", &dev_ops, &b), -EEXIST, "already", "two devices of a name");
	refused(vm, vmc_device_add(vm, "a b", &dev_ops, &b), -EINVAL, "id", "a bad device id");
	refused(vm, vmc_add_virtio_device(vm, "v0", &dev_ops, &b), -EINVAL, "not a virtio", "a virtio device that is none");
	guest_load(vm, spin);
	must(vm, vmc_vm_start(vm), "start");
	must(vm, vmc_vm_pause(vm), "pause");
	tap_ok(a.quiet == 1, "pausing quiets devices");
	vmc_out_init(&out);
	must(vm, vmc_snapshot_devices(vm, &out), "snapshot_devices");
	tap_ok(a.quiet == 1, "once");
	must(vm, vmc_vm_resume(vm), "resume");
	tap_ok(a.quiet == 0, "resuming wakes them");
	refused(vm, vmc_snapshot_devices(vm, &out), -EINVAL, "pause", "saving devices of a running VM");
	refused(other, vmc_restore_devices(other, out.data, out.len), -EBADMSG, "sections", "devices a VM does not have");
	must(other, vmc_device_add(other, "test0", &dev_ops, &b), "add");
	tap_ok(vmc_restore_devices(other, out.data, out.len) == 0 && b.value == 1234 && b.version == 3,
		"restore_devices brings its state");
	must(vm, vmc_vm_reset(vm), "reset");
	tap_ok(a.resets == 1 && a.value == 0, "a reset resets devices");
	vmc_out_free(&out);
	vmc_vm_free(vm);
	vmc_vm_free(other);
}

/* Everything a load could have changed. */
static struct vmc_out picture(struct vmc_vm *vm)
{
	struct vmc_out out;

	vmc_out_init(&out);
	must(vm, vmc_state_save(vm, &out), "save");
	return out;
}

static const uint8_t *section(const struct vmc_out *s, const char *tag, size_t *len)
{
	for (size_t at = 16; at + 44 <= s->len;) {
		uint64_t n;

		memcpy(&n, s->data + at + 28, 8);
		if (strncmp((const char *)s->data + at, tag, 24) == 0) {
			*len = n;
			return s->data + at + 44;
		}
		at += 44 + n;
	}
	tap_bail("no section %s", tag);
}

/* The registers and devices must be what they were (clocks go on, so only these are compared). */
static bool same(struct vmc_vm *vm, const struct vmc_regs *r, const struct vmc_sregs *s, const struct dev *d, uint64_t value)
{
	struct vmc_regs r2;
	struct vmc_sregs s2;

	must(vm, vmc_vcpu_sample(vmc_vcpu_get(vm, 0), &r2, &s2), "sample");
	return memcmp(r, &r2, sizeof(r2)) == 0 && memcmp(s, &s2, sizeof(s2)) == 0 && d->value == value;
}

static void resum(uint8_t *header)
{
	uint64_t n, sum;

	memcpy(&n, header + 28, 8);
	sum = XXH3_64bits(header + 44, n);
	memcpy(header + 36, &sum, 8);
}

static void damage(void)
{
	static const char *const tags[] = { "vcpu0", "irqchip", "pit", "clock", "dev:test0" };
	struct vmc_vm *vm = guest_vm(true, 1, 16);
	struct dev d = { .value = 77 };
	struct vmc_out good;
	struct vmc_regs r;
	struct vmc_sregs s;
	bool ok = true;
	size_t len;
	uint8_t *bad;

	must(vm, vmc_device_add(vm, "test0", &dev_ops, &d), "device");
	guest_load(vm, spin);
	must(vm, vmc_vm_start(vm), "start");
	guest_goes_on(vm, DATA);
	refused(vm, vmc_state_load(vm, "x", 1), -EINVAL, "pause", "loading into a running VM");
	must(vm, vmc_vm_pause(vm), "pause");
	good = picture(vm);
	d.value = 78;
	must(vm, vmc_vcpu_sample(vmc_vcpu_get(vm, 0), &r, &s), "sample");
	bad = malloc(good.len);

	for (size_t i = 0; bad && i < sizeof(tags) / sizeof(tags[0]); i++) {
		const uint8_t *at = section(&good, tags[i], &len);

		memcpy(bad, good.data, good.len);
		bad[(size_t)(at - good.data) + len / 2] ^= 0x10;
		ok &= vmc_state_load(vm, bad, good.len) == -EBADMSG && strstr(vmc_error(vm), tags[i]) &&
			strstr(vmc_error(vm), "checksum") && same(vm, &r, &s, &d, 78);
	}
	tap_ok(ok, "a flipped bit: the section is named, nothing changes");
	ok = true;
	for (size_t cut = 0; cut < good.len; cut += cut < 200 ? 1 : 97)
		ok &= vmc_state_check(vm, good.data, cut) == -EBADMSG;
	tap_ok(ok && same(vm, &r, &s, &d, 78), "cut off anywhere it is refused");
	refused(vm, vmc_state_load(vm, "something else entirely", 23), -EBADMSG, "this is none", "a foreign file");

	memcpy(bad, good.data, good.len);
	bad[8] = 9;
	refused(vm, vmc_state_load(vm, bad, good.len), -ENOTSUP, "format 9", "a later format");
	memcpy(bad, good.data, good.len);
	bad[section(&good, "dev:test0", &len) - good.data - 44 + 24] = 4;
	refused(vm, vmc_state_load(vm, bad, good.len), -EBADMSG, "version 4", "a later version of a device");
	memcpy(bad, good.data, good.len);
	memcpy(bad + (section(&good, "pit", &len) - good.data - 44), "pat", 3);
	refused(vm, vmc_state_load(vm, bad, good.len), -EBADMSG, "\"pit\" is missing", "a section under another name");

	/* Damage with a good checksum: KVM itself refuses the registers, after others were applied. */
	memcpy(bad, good.data, good.len);
	{
		uint8_t *at = bad + (section(&good, "vcpu0", &len) - good.data), *p = at;
		uint32_t kind = 0, n = 0;

		for (; p < at + len; p += 8 + n) {
			memcpy(&kind, p, 4);
			memcpy(&n, p + 4, 4);
			if (kind == 11)
				break;
		}
		/* sregs2: eight segments of 24 bytes, two tables of 16, then cr0: paging without protection */
		p[8 + 8 * 24 + 2 * 16] &= (uint8_t)~1u;
		resum(at - 44);
	}
	refused(vm, vmc_state_load(vm, bad, good.len), -EINVAL, "section \"vcpu0\": sregs2", "a CPU that cannot be");
	tap_ok(same(vm, &r, &s, &d, 78), "and all of it is put back");
	d.refuse = true;
	tap_ok(vmc_state_load(vm, good.data, good.len) == -EINVAL && strstr(vmc_error(vm), "dev:test0") &&
		strstr(vmc_error(vm), "taste"), "a device that refuses is named");
	d.refuse = false;
	tap_ok(same(vm, &r, &s, &d, 78), "and nothing has changed");
	tap_ok(vmc_vm_resume(vm) == 0 && guest_goes_on(vm, DATA), "after all that the guest goes on");
	must(vm, vmc_vm_pause(vm), "pause");
	tap_ok(vmc_state_load(vm, good.data, good.len) == 0 && d.value == 77, "and the good state loads");
	free(bad);
	vmc_out_free(&good);
	vmc_vm_free(vm);
}

static void mismatch(void)
{
	struct vmc_vm *one = guest_vm(true, 1, 16), *two = guest_vm(true, 2, 16);
	struct vmc_out a = picture(one), b = picture(two);

	refused(two, vmc_state_load(two, a.data, a.len), -EBADMSG, "vcpu1", "a state with a vCPU too few");
	refused(one, vmc_state_load(one, b.data, b.len), -EBADMSG, "vcpu1", "a state with a vCPU too many");
	vmc_out_free(&a);
	vmc_out_free(&b);
	vmc_vm_free(one);
	vmc_vm_free(two);
}

/* Stopped and crashed VMs come back by loading. */
static void revive(void)
{
	struct vmc_vm *vm = guest_vm(true, 1, 16);
	struct vmc_event ev;
	struct vmc_out s;

	guest_load(vm, spin);
	must(vm, vmc_vm_start(vm), "start");
	guest_goes_on(vm, DATA);
	must(vm, vmc_vm_pause(vm), "pause");
	s = picture(vm);
	guest_load(vm, triple);
	must(vm, vmc_vm_resume(vm), "resume");
	tap_ok(guest_event(vm, &ev, 20000) && vmc_vm_state(vm) == VMC_STOPPED, "a guest ends itself");
	must(vm, vmc_mem_write(vm, CODE, guest_spin, (size_t)(guest_spin_end - guest_spin)), "code");
	tap_ok(vmc_state_load(vm, s.data, s.len) == 0 && vmc_vm_state(vm) == VMC_PAUSED && vmc_vm_resume(vm) == 0 &&
		guest_goes_on(vm, DATA), "and lives again from its saved state");
	must(vm, vmc_vm_stop(vm), "stop");
	tap_ok(vmc_state_load(vm, s.data, s.len) == 0 && vmc_vm_resume(vm) == 0 && guest_goes_on(vm, DATA),
		"so does one that was stopped");
	vmc_out_free(&s);
	vmc_vm_free(vm);
}

int main(void)
{
	timers();
	string_io();
	two_cpus();
	tsc();
	devices();
	damage();
	mismatch();
	revive();
	return tap_done();
}
