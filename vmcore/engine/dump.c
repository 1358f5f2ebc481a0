/*
 * dump.c - all of RAM to a file and back, and how much of it the host holds. A dump is sparse: what was
 * never touched, and what is all zero, is a hole. Any thread while the VM does not run; mapping a
 * file back is the owner's.
 */
#include "vmcore/engine/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define CHUNK_PAGES 1024u /* looked at, written and reported at a time: 4 MiB */

/* /proc/PID/pagemap (Linux Documentation/admin-guide/mm/pagemap.rst): one word a page */
#define PAGEMAP_PRESENT (1ull << 63)
#define PAGEMAP_SWAPPED (1ull << 62)

struct dump {
	struct vmc_vm *vm;
	int fd;
	vmc_progress_fn *progress;
	void *arg;
	uint64_t done, total; /* bytes */
	uint64_t pagemap[CHUNK_PAGES];
};

static bool all_zero(const uint8_t *page)
{
	/* A page is zero when it begins with a zero and equals itself one byte on. */
	return page[0] == 0 && memcmp(page, page + 1, VMC_PAGE_SIZE - 1) == 0;
}

static int write_all(int fd, const uint8_t *data, size_t len, uint64_t offset)
{
	while (len) {
		ssize_t n = pwrite(fd, data, len, (off_t)offset);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		data += n;
		offset += (uint64_t)n;
		len -= (size_t)n;
	}
	return 0;
}

/*
 * Behind a file's mapping a page that is not mapped is still what the file says: data, or a hole. Both
 * ends of the extent are kept, so that a chunk costs a few seeks.
 */
static void look_into_file(struct dump *d, const struct region *r, uint64_t page, uint64_t count)
{
	off_t data = 0, hole = 0; /* the extent found last: [data, hole) */

	for (uint64_t i = 0; i < count; i++) {
		const off_t at = (off_t)(r->file_offset + (page + i) * VMC_PAGE_SIZE);

		if (at >= hole) {
			data = lseek(r->file, at, SEEK_DATA);
			if (data < 0 && errno == ENXIO)
				return; /* holes from here to the end */
			hole = data < 0 ? -1 : lseek(r->file, data, SEEK_HOLE);
			if (hole < 0) { /* a file system that cannot tell */
				memset(d->pagemap + i, 0xff, (count - i) * sizeof(d->pagemap[0]));
				return;
			}
		}
		if (at + (off_t)VMC_PAGE_SIZE > data)
			d->pagemap[i] |= PAGEMAP_PRESENT;
	}
}

/*
 * Which pages of a chunk may hold something. Pages of anonymous memory that were never touched need
 * no look: reading them would only make the host map them.
 */
static void look(struct dump *d, const struct region *r, uint64_t page, uint64_t count)
{
	const off_t at = (off_t)(((uintptr_t)r->pub.hva / VMC_PAGE_SIZE + page) * sizeof(uint64_t));
	const size_t want = count * sizeof(uint64_t);

	if (d->vm->pagemap_fd < 0 || pread(d->vm->pagemap_fd, d->pagemap, want, at) != (ssize_t)want)
		memset(d->pagemap, 0xff, want);
	else if (r->file >= 0)
		look_into_file(d, r, page, count);
}

static int dump_chunk(struct dump *d, const struct region *r, uint64_t page, uint64_t count)
{
	const uint8_t *base = (const uint8_t *)r->pub.hva + page * VMC_PAGE_SIZE;
	int rc = 0;

	look(d, r, page, count);
	for (uint64_t i = 0, run; i < count && rc == 0; i += run ? run : 1) {
		for (run = 0; i + run < count; run++)
			if (!(d->pagemap[i + run] & (PAGEMAP_PRESENT | PAGEMAP_SWAPPED)) ||
				all_zero(base + (i + run) * VMC_PAGE_SIZE))
				break;
		if (run)
			rc = write_all(d->fd, base + i * VMC_PAGE_SIZE, run * VMC_PAGE_SIZE,
				d->done + i * VMC_PAGE_SIZE);
	}
	return rc;
}

static int dump_region(struct dump *d, const struct region *r)
{
	for (uint64_t page = 0, count; page < r->pages; page += count) {
		int rc;

		count = r->pages - page < CHUNK_PAGES ? r->pages - page : CHUNK_PAGES;
		rc = dump_chunk(d, r, page, count);
		if (rc < 0)
			return vmc_fail(d->vm, rc, "writing guest memory (%" PRIu64 " of %" PRIu64 " MiB): %s",
				d->done >> 20, d->total >> 20, strerror(-rc));
		d->done += count * VMC_PAGE_SIZE;
		if (d->progress && d->progress(d->arg, d->done, d->total))
			return vmc_fail(d->vm, -ECANCELED, "writing guest memory: cancelled");
	}
	return 0;
}

int vmc_mem_dump(struct vmc_vm *vm, int fd, vmc_progress_fn *progress, void *arg)
{
	struct dump *d;
	int rc = 0;

	if (vmc_vm_state(vm) == VMC_RUNNING)
		return vmc_fail(vm, -EBUSY, "dumping memory: the VM runs; pause it first");
	d = calloc(1, sizeof(*d));
	if (!d)
		return vmc_fail(vm, -ENOMEM, "dumping memory: out of memory");
	*d = (struct dump){ .vm = vm, .fd = fd, .progress = progress, .arg = arg,
		.total = vmc_mem_size(vm) };
	/* Truncated first: what an older, longer file held must not shine through the holes. */
	if (ftruncate(fd, 0) < 0 || ftruncate(fd, (off_t)d->total) < 0)
		rc = vmc_fail(vm, -errno, "dumping memory: %s", strerror(errno));
	pthread_rwlock_rdlock(&vm->mem_lock);
	for (size_t i = 0; rc == 0 && i < vm->nregions; i++)
		if (vm->regions[i]->pub.flags & VMC_MEM_RAM)
			rc = dump_region(d, vm->regions[i]);
	pthread_rwlock_unlock(&vm->mem_lock);
	free(d);
	return rc;
}

/* A second mapping of each part, made before any of the old is given up. */
struct part {
	struct region *region;
	void *fresh;
	int file;
	uint64_t offset;
};

static int map_parts(struct vmc_vm *vm, int fd, struct part *parts, size_t *count)
{
	uint64_t offset = 0;

	*count = 0;
	for (size_t i = 0; i < vm->nregions; i++) {
		struct region *r = vm->regions[i];
		int keep;
		void *p;

		if (!(r->pub.flags & VMC_MEM_RAM))
			continue;
		keep = fcntl(fd, F_DUPFD_CLOEXEC, 3);
		if (keep < 0)
			return vmc_fail(vm, -errno, "mapping saved memory: %s", strerror(errno));
		p = mmap(NULL, r->pub.size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_NORESERVE, fd,
			(off_t)offset);
		if (p == MAP_FAILED) {
			int rc = vmc_fail(vm, -errno, "mapping %" PRIu64 " MiB of saved memory: %s",
				r->pub.size >> 20, strerror(errno));

			close(keep);
			return rc;
		}
		(void)madvise(p, r->pub.size, MADV_DONTFORK);
		parts[(*count)++] = (struct part){ .region = r, .fresh = p, .file = keep,
			.offset = offset };
		offset += r->pub.size;
	}
	return 0;
}

int vmc_mem_map_file(struct vmc_vm *vm, int fd)
{
	const uint64_t total = vmc_mem_size(vm);
	struct part *parts;
	struct stat st;
	size_t count = 0;
	int rc;

	if (vmc_vm_state(vm) == VMC_RUNNING)
		return vmc_fail(vm, -EBUSY, "mapping saved memory: the VM runs; pause it first");
	if (fstat(fd, &st) < 0)
		return vmc_fail(vm, -errno, "mapping saved memory: %s", strerror(errno));
	if ((uint64_t)st.st_size != total)
		return vmc_fail(vm, -EBADMSG, "saved memory has %" PRIu64 " bytes, the VM's RAM %" PRIu64
			": is it truncated, or another VM's?", (uint64_t)st.st_size, total);
	parts = calloc(MAX_SLOTS, sizeof(*parts));
	if (!parts)
		return vmc_fail(vm, -ENOMEM, "mapping saved memory: out of memory");
	rc = map_parts(vm, fd, parts, &count);
	/* The move cannot fail: it replaces a mapping by one of the same size that is there already.
	 * KVM drops what it had mapped through its MMU notifier; the memslot stays. */
	pthread_rwlock_wrlock(&vm->mem_lock);
	for (size_t i = 0; i < count; i++) {
		struct region *r = parts[i].region;

		if (rc < 0) {
			munmap(parts[i].fresh, r->pub.size);
			close(parts[i].file);
			continue;
		}
		mremap(parts[i].fresh, r->pub.size, r->pub.size, MREMAP_MAYMOVE | MREMAP_FIXED, r->pub.hva);
		if (r->file >= 0)
			close(r->file);
		r->file = parts[i].file;
		r->file_offset = parts[i].offset;
	}
	pthread_rwlock_unlock(&vm->mem_lock);
	free(parts);
	if (rc == 0)
		dirty_mark_all(vm);
	return rc;
}

int64_t vmc_mem_resident(const struct vmc_vm *cvm, uint64_t gpa, uint64_t len)
{
	struct vmc_vm *vm = (struct vmc_vm *)cvm; /* the lock is ours to take */
	unsigned char here[CHUNK_PAGES];
	int64_t bytes = 0;

	pthread_rwlock_rdlock(&vm->mem_lock);
	for (uint64_t at = gpa, end = gpa + len; at < end;) {
		struct region *r = mem_find_locked(vm, at);
		uint64_t skip, n;

		if (!r) {
			bytes = -EFAULT;
			break;
		}
		skip = at - r->pub.gpa;
		n = r->pub.size - skip < end - at ? r->pub.size - skip : end - at;
		if (n > CHUNK_PAGES * VMC_PAGE_SIZE)
			n = CHUNK_PAGES * VMC_PAGE_SIZE;
		if (mincore((uint8_t *)r->pub.hva + (skip & ~(uint64_t)(VMC_PAGE_SIZE - 1)), n, here) == 0)
			for (uint64_t i = 0; i < (n + VMC_PAGE_SIZE - 1) / VMC_PAGE_SIZE; i++)
				bytes += here[i] & 1 ? VMC_PAGE_SIZE : 0;
		at += n;
	}
	pthread_rwlock_unlock(&vm->mem_lock);
	return bytes;
}
