/*
 * test_engine_mem.c - memory regions on a real /dev/kvm: what is refused, read-only regions, changes while the guest
 * runs, access checks, dumps and mapping them back.
 */
#include "tests/kvm/engine_guest.h"
#include "tests/lib/tap.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define PAGE 4096ull
#define GIB  (1ull << 30)

static void *pages(size_t n)
{
	void *at = mmap(NULL, n * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (at == MAP_FAILED)
		tap_bail("mmap");
	return at;
}

static void layout(void)
{
	struct vmc_vm *vm = guest_vm(true, 1, 4096);
	struct vmc_mem_region r[4];
	uint32_t v = 0x11223344, back = 0;

	tap_ok(vmc_mem_regions(vm, r, 4) == 2 && r[0].gpa == 0 && r[0].size == 3 * GIB && r[1].gpa == 4 * GIB &&
		r[1].size == GIB && vmc_mem_size(vm) == 4 * GIB, "4 GiB of RAM lie around the hole");
	tap_ok((uintptr_t)r[0].hva % (2 << 20) == 0 && (uintptr_t)r[1].hva % (2 << 20) == 0,
		"where KVM can map them with large pages");
	tap_ok(vmc_mem_write(vm, 4 * GIB + 5, &v, 4) == 0 && vmc_mem_read(vm, 4 * GIB + 5, &back, 4) == 0 && v == back,
		"and can be used above it");
	refused(vm, vmc_mem_read(vm, 3 * GIB, &v, 1), -EFAULT, "not all memory", "reading the hole");
	refused(vm, vmc_mem_write(vm, 3 * GIB - 2, &v, 4), -EFAULT, "not all memory", "a write into the hole's edge");
	back = 0xffffffff;
	tap_ok(vmc_mem_read(vm, 3 * GIB - 4, &back, 4) == 0 && back == 0, "and nothing of it was written");
	refused(vm, vmc_mem_read(vm, UINT64_MAX - 1, &v, 4), -EFAULT, "wraps", "reading around the end");
	tap_ok(vmc_mem_ptr(vm, 3 * GIB - 4096, 4096, true) && !vmc_mem_ptr(vm, 3 * GIB - 4096, 4097, false) &&
		!vmc_mem_ptr(vm, 3 * GIB, 1, false) && !vmc_mem_ptr(vm, 0, UINT64_MAX, false), "pointers are checked");
	tap_ok(vmc_mem_resident(vm, 0, 3 * GIB) > 0 && vmc_mem_resident(vm, 0, 3 * GIB) < (int64_t)(64 << 20),
		"untouched RAM takes no room");
	refused(vm, (int)vmc_mem_resident(vm, 2 * GIB, 2 * GIB), -EFAULT, "residency", "residency of the hole");
	vmc_vm_free(vm);
}

static void refusals(void)
{
	struct vmc_vm *vm = guest_vm(true, 1, 16);
	uint8_t *at = pages(600);
	int slot, n = 0;

	refused(vm, vmc_mem_add(vm, GIB, NULL, PAGE, 0, "x"), -EFAULT, "host memory", "no host memory");
	refused(vm, vmc_mem_add(vm, GIB + 1, at, PAGE, 0, "x"), -EINVAL, "4 KiB", "a crooked address");
	refused(vm, vmc_mem_add(vm, GIB, at + 8, PAGE, 0, "x"), -EINVAL, "4 KiB", "a crooked host address");
	refused(vm, vmc_mem_add(vm, GIB, at, 100, 0, "x"), -EINVAL, "4 KiB", "a crooked size");
	refused(vm, vmc_mem_add(vm, GIB, at, 0, 0, "x"), -EINVAL, "4 KiB", "no size");
	refused(vm, vmc_mem_add(vm, UINT64_MAX - PAGE + 1, at, 2 * PAGE, 0, "x"), -EINVAL, "past the end", "wrap-around");
	refused(vm, vmc_mem_add(vm, 1ull << 52, at, PAGE, 0, "x"), -EINVAL, "past the end", "more than 52 bits");
	refused(vm, vmc_mem_add(vm, (16 << 20) - PAGE, at, 2 * PAGE, 0, "x"), -EEXIST, "\"ram\"", "an overlap at the end");
	refused(vm, vmc_mem_add(vm, 0, at, PAGE, 0, "x"), -EEXIST, "overlaps", "an overlap at the start");
	slot = vmc_mem_add(vm, GIB, at, 4 * PAGE, 0, "four");
	tap_ok(slot > 0, "a second region");
	refused(vm, vmc_mem_add(vm, GIB - PAGE, at, 6 * PAGE, 0, "x"), -EEXIST, "four", "an overlap around");
	tap_ok(vmc_mem_add(vm, GIB - PAGE, at + 4 * PAGE, PAGE, 0, "before") > 0 &&
		vmc_mem_add(vm, GIB + 4 * PAGE, at + 5 * PAGE, PAGE, 0, "after") > 0, "neighbours may touch");
	memset(at, 'a', 4 * PAGE);
	memset(at + 5 * PAGE, 'b', PAGE);
	{
		char buf[8] = "", out[8] = "12345678";

		tap_ok(vmc_mem_read(vm, GIB + 4 * PAGE - 4, buf, 8) == 0 && memcmp(buf, "aaaabbbb", 8) == 0 &&
			vmc_mem_write(vm, GIB + 4 * PAGE - 4, out, 8) == 0 && memcmp(at + 4 * PAGE - 4, "1234", 4) == 0 &&
			memcmp(at + 5 * PAGE, "5678", 4) == 0, "access across adjacent regions");
	}
	tap_ok(vmc_mem_remove(vm, (uint32_t)slot) == 0, "a region goes");
	refused(vm, vmc_mem_remove(vm, (uint32_t)slot), -ENOENT, "slot", "removing it twice");
	tap_ok(vmc_mem_add(vm, GIB, at, 4 * PAGE, 0, "again") == slot, "its slot is used again");
	while (n < 600 && vmc_mem_add(vm, 2 * GIB + 2 * PAGE * (uint64_t)n, at + PAGE * (uint64_t)n, PAGE, 0, "many") >= 0)
		n++;
	refused(vm, vmc_mem_add(vm, 8 * GIB, at, PAGE, 0, "x"), -ENOSPC, "slots", "more regions than slots");
	tap_ok(n > 400, "%d small regions fit", n);
	guest_load(vm, spin);
	must(vm, vmc_vm_start(vm), "start");
	tap_ok(guest_goes_on(vm, DATA), "and the guest runs with all of them");
	vmc_vm_free(vm);
	munmap(at, 600 * PAGE);
}

static bool wrote(void *arg)
{
	struct vmc_vm *vm = arg;

	return guest_u64(vm, DATA) > 0;
}

/* The guest reads and writes a read-only page over and over, while logging goes on and off. */
static void read_only(void)
{
	struct vmc_vm *vm = guest_vm(true, 1, 16);
	uint8_t *rom = pages(1);
	struct vmc_mem_window w = { .size = 0 };
	uint8_t b = 0x99;
	int slot;

	memset(rom, 0x5a, PAGE);
	guest_load(vm, rom);
	slot = must(vm, vmc_mem_add(vm, ROM, rom, PAGE, VMC_MEM_READ_ONLY, "rom"), "rom");
	must(vm, vmc_vm_start(vm), "start");
	tap_ok(tap_wait(wrote, vm, 20000, 1) && guest_u64(vm, DATA + 8) == 0x5a && rom[0] == 0x5a &&
		vmc_bus_unclaimed(vm, VMC_BUS_MMIO) > 0, "a guest can read a read-only region, not write it");
	for (int i = 0; i < 3; i++) {
		must(vm, vmc_dirty_enable(vm), "dirty on");
		if (!guest_goes_on(vm, DATA))
			break;
		must(vm, (int)vmc_dirty_take(vm, NULL, NULL, NULL), "take");
		must(vm, vmc_dirty_disable(vm), "dirty off");
	}
	tap_ok(guest_goes_on(vm, DATA) && rom[0] == 0x5a && guest_u64(vm, DATA + 8) == 0x5a,
		"it stays read-only when dirty tracking comes and goes");
	refused(vm, vmc_mem_write(vm, ROM, &b, 1), -EROFS, "read-only", "vmc_mem_write() there");
	tap_ok(!vmc_mem_ptr(vm, ROM, 1, true) && vmc_mem_ptr(vm, ROM, 1, false) == rom, "nor is there a pointer to write");
	tap_ok(vmc_mem_ptr_near(vm, &w, DATA, 8, true) == vmc_mem_ptr(vm, DATA, 8, true) &&
		vmc_mem_ptr_near(vm, &w, ROM + 1, PAGE - 1, false) == rom + 1 && !vmc_mem_ptr_near(vm, &w, ROM, 1, true) &&
		!vmc_mem_ptr_near(vm, &w, ROM + 1, PAGE, false) && !vmc_mem_ptr_near(vm, &w, ROM - 1, 1, false) &&
		!vmc_mem_ptr_near(vm, &w, UINT64_MAX, 2, false) && vmc_mem_ptr_near(vm, &w, DATA, 8, true),
		"one address after another, in this region and that, is looked up as each by itself");
	rom[0] = 0x66;
	tap_ok(guest_goes_on(vm, DATA) && guest_u64(vm, DATA + 8) == 0x66, "the host may fill it");
	tap_ok(vmc_mem_remove(vm, (uint32_t)slot) == 0 && guest_goes_on(vm, DATA) && guest_u64(vm, DATA + 8) == 0xff,
		"taken away while the guest uses it, it reads as ones");
	must(vm, vmc_mem_add(vm, ROM, rom, PAGE, 0, "ram now"), "add");
	tap_ok(guest_goes_on(vm, DATA) && rom[0] == 0x77, "put back as RAM while running, it can be written");
	vmc_vm_free(vm);
	munmap(rom, PAGE);
}

static int count_progress(void *arg, uint64_t done, uint64_t total)
{
	uint64_t *last = arg;

	if (done < *last || done > total)
		*last = UINT64_MAX;
	else
		*last = done;
	return 0;
}

static int cancel(void *arg, uint64_t done, uint64_t total)
{
	return 1;
}

static int temp_file(void)
{
	char name[] = "/tmp/vmc-mem-XXXXXX";
	int fd = mkstemp(name);

	if (fd < 0)
		tap_bail("mkstemp");
	unlink(name);
	return fd;
}

static off_t disk_bytes(int fd)
{
	struct stat st;

	return fstat(fd, &st) < 0 ? -1 : st.st_blocks * 512;
}

static void dumps(void)
{
	struct vmc_vm *vm = guest_vm(true, 1, 3200), *other = guest_vm(true, 1, 3200), *small = guest_vm(true, 1, 16);
	int fd = temp_file(), fd2 = temp_file(), fd3 = temp_file();
	uint64_t last = 0, v = 0x1234, n;
	uint8_t *at;

	guest_load(vm, spin);
	must(vm, vmc_vm_start(vm), "start");
	guest_goes_on(vm, DATA);
	refused(vm, vmc_mem_dump(vm, fd, NULL, NULL), -EINVAL, "pause", "a dump of a running VM");
	must(vm, vmc_vm_pause(vm), "pause");
	n = guest_u64(vm, DATA);
	must(vm, vmc_mem_write(vm, 4 * GIB + 7 * PAGE, &v, 8), "write high");
	must(vm, vmc_mem_write(vm, GIB, &v, 8), "write");
	must(vm, vmc_mem_write(vm, 2 * GIB, &(uint64_t){ 0 }, 8), "touch with zeros");
	tap_ok(vmc_mem_dump(vm, fd, count_progress, &last) == 0 && last == 3200ull << 20, "a dump, with progress");
	tap_ok(lseek(fd, 0, SEEK_END) == (off_t)(3200ull << 20) && disk_bytes(fd) < 512 << 10,
		"3200 MiB with a few pages in them take a few pages of disk");
	tap_note("%lld KiB on disk", (long long)disk_bytes(fd) >> 10);
	refused(vm, vmc_mem_dump(vm, fd2, cancel, NULL), -ECANCELED, "cancelled", "going on with a cancelled dump");
	refused(small, vmc_mem_map_file(small, fd), -EINVAL, "bytes of RAM", "a file of another size");
	must(other, vmc_dirty_enable(other), "dirty");
	tap_ok(vmc_mem_map_file(other, fd) == 0 && guest_u64(other, GIB) == v && guest_u64(other, 4 * GIB + 7 * PAGE) == v &&
		guest_u64(other, DATA) == n, "mapped into another VM it is all there");
	tap_ok(vmc_dirty_take(other, NULL, NULL, NULL) == 3200 * 256, "and all of it counts as written");
	must(other, vmc_dirty_disable(other), "dirty off");
	guest_load(other, spin);
	must(other, vmc_vm_start(other), "start");
	tap_ok(guest_goes_on(other, DATA), "a guest runs on it");
	refused(other, vmc_mem_map_file(other, fd), -EINVAL, "pause", "mapping under a running guest");
	must(other, vmc_vm_pause(other), "pause");
	n = guest_u64(other, DATA);
	at = malloc(PAGE);
	tap_ok(at && pread(fd, at, PAGE, DATA) == (ssize_t)PAGE && *(uint64_t *)at != n, "the file does not see its writes");
	tap_ok(vmc_mem_dump(other, fd3, NULL, NULL) == 0 && disk_bytes(fd3) < 512 << 10 &&
		pread(fd3, at, PAGE, DATA) == (ssize_t)PAGE && *(uint64_t *)at == n &&
		pread(fd3, at, PAGE, (off_t)GIB) == (ssize_t)PAGE && *(uint64_t *)at == v,
		"a dump of that has what was written and what never was touched, sparse");
	tap_note("%lld KiB on disk", (long long)disk_bytes(fd3) >> 10);
	tap_ok(vmc_mem_map_file(other, fd3) == 0 && vmc_mem_map_file(other, fd) == 0 && vmc_vm_resume(other) == 0 &&
		guest_goes_on(other, DATA), "and it can be mapped over and over");
	free(at);
	close(fd);
	close(fd2);
	close(fd3);
	vmc_vm_free(vm);
	vmc_vm_free(other);
	vmc_vm_free(small);
}

static bool page_is(struct vmc_vm *vm, uint64_t gpa, uint8_t byte)
{
	uint8_t page[PAGE];

	if (vmc_mem_read(vm, gpa, page, PAGE) < 0)
		return false;
	return page[0] == byte && memcmp(page, page + 1, PAGE - 1) == 0;
}

static void fill(struct vmc_vm *vm, uint64_t gpa, uint64_t n, uint8_t byte)
{
	uint8_t page[PAGE];

	memset(page, byte, PAGE);
	for (uint64_t i = 0; i < n; i++)
		must(vm, vmc_mem_write(vm, gpa + i * PAGE, page, PAGE), "write");
}

struct seen {
	uint64_t from, to, other, in;
};

static void count_dirty(void *arg, uint64_t gpa, uint64_t pages, const uint64_t *bits)
{
	struct seen *s = arg;

	for (uint64_t i = 0; i < pages; i++)
		if (bits[i / 64] >> i % 64 & 1) {
			uint64_t at = gpa + i * PAGE;

			if (at >= s->from && at < s->to)
				s->in++;
			else
				s->other++;
		}
}

static void discards(void)
{
	struct vmc_vm *vm = guest_vm(true, 1, 3200);
	struct seen s = { 3 * GIB - 256 * PAGE, 3 * GIB, 0, 0 };
	int64_t before, after;
	uint8_t *rom = pages(1), *dev = pages(1);
	int fd = temp_file(), fd2 = temp_file(), slot;

	fill(vm, s.from, 256, 'a');
	fill(vm, 4 * GIB, 4, 'b');
	must(vm, vmc_dirty_enable(vm), "dirty");
	before = vmc_mem_resident(vm, 0, 3 * GIB);
	tap_ok(vmc_mem_discard(vm, s.from, 256 * PAGE) == 0 && page_is(vm, s.from, 0) && page_is(vm, 3 * GIB - PAGE, 0),
		"discarded pages read as zeros");
	must(vm, vmc_mem_discard(vm, s.from, 256 * PAGE), "discard"); /* page_is() brought some back */
	after = vmc_mem_resident(vm, 0, 3 * GIB);
	tap_ok(before - after >= (int64_t)(256 * PAGE), "and are the host's again: %lld of 1024 KiB",
		(long long)(before - after) / 1024);
	vmc_dirty_take(vm, NULL, count_dirty, &s);
	tap_ok(s.in == 256 && s.other == 0, "they count as written, others do not");
	must(vm, vmc_dirty_disable(vm), "dirty off");
	slot = must(vm, vmc_mem_add(vm, ROM, rom, PAGE, VMC_MEM_READ_ONLY | VMC_MEM_RAM, "rom"), "rom");
	must(vm, vmc_mem_add(vm, ROM + PAGE, dev, PAGE, 0, "device"), "device");
	memset(rom, 'r', PAGE);
	memset(dev, 'd', PAGE);
	refused(vm, vmc_mem_discard(vm, ROM, PAGE), -EROFS, "discard", "a discard of read-only memory");
	refused(vm, vmc_mem_discard(vm, ROM + PAGE, PAGE), -EFAULT, "RAM", "one of memory that is no RAM");
	tap_ok(rom[0] == 'r' && dev[0] == 'd', "and both are as they were");
	must(vm, vmc_mem_remove(vm, (uint32_t)slot), "remove");
	refused(vm, vmc_mem_discard(vm, 3 * GIB - PAGE, 2 * PAGE), -EFAULT, "RAM", "one that runs into the hole");
	refused(vm, vmc_mem_discard(vm, PAGE / 2, PAGE), -EINVAL, "whole pages", "half a page");
	refused(vm, vmc_mem_discard(vm, UINT64_MAX - PAGE + 1, 2 * PAGE), -EINVAL, "whole pages", "a wrap around");
	tap_ok(vmc_mem_discard(vm, 0, 0) == 0 && page_is(vm, 4 * GIB, 'b'), "nothing is discarded for nothing");
	/* mapped from a dump: the file's pages, or zeros where it has none; and a dump has what the guest would read */
	must(vm, vmc_mem_dump(vm, fd, NULL, NULL), "dump");
	must(vm, vmc_mem_map_file(vm, fd), "map");
	fill(vm, 4 * GIB, 2, 'c');
	fill(vm, s.from, 2, 'c');
	tap_ok(vmc_mem_discard(vm, 4 * GIB, PAGE) == 0 && vmc_mem_discard(vm, s.from, PAGE) == 0 &&
		page_is(vm, 4 * GIB, 'b') && page_is(vm, 4 * GIB + PAGE, 'c') && page_is(vm, s.from, 0) &&
		page_is(vm, s.from + PAGE, 'c'), "in RAM from a dump a discarded page is the dump's");
	tap_ok(vmc_mem_dump(vm, fd2, NULL, NULL) == 0 && vmc_mem_map_file(vm, fd2) == 0 && page_is(vm, 4 * GIB, 'b') &&
		page_is(vm, 4 * GIB + PAGE, 'c') && page_is(vm, 4 * GIB + 2 * PAGE, 'b') && page_is(vm, s.from, 0) &&
		page_is(vm, s.from + PAGE, 'c'), "and so it is in the next dump");
	guest_load(vm, spin);
	must(vm, vmc_vm_start(vm), "start");
	for (int i = 0; i < 50; i++)
		must(vm, vmc_mem_discard(vm, DATA, PAGE), "discard");
	tap_ok(guest_goes_on(vm, DATA), "a guest whose pages go while it runs goes on");
	vmc_vm_free(vm);
	munmap(rom, PAGE);
	munmap(dev, PAGE);
	close(fd);
	close(fd2);
}

int main(void)
{
	discards();
	layout();
	refusals();
	read_only();
	dumps();
	return tap_done();
}
