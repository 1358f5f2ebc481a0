/*
 * memfile.c - RAM into a file and back, and how much of it the host holds.
 *
 * /proc/self/pagemap (opened when the VM was made) tells which pages exist at all, so that a dump does not read,
 * and thereby create, what the guest never touched (Linux admin-guide/mm/pagemap.rst). Pages behind
 * a MAP_PRIVATE mapping of an earlier dump that nobody touched are in that file: its holes stay holes.
 */
#include "vmcore/engine/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define CHUNK	     512u /* pages handled at once: 2 MiB */
#define PM_PRESENT   (1ull << 63)
#define PM_SWAPPED   (1ull << 62)

static bool is_zero(const uint8_t *page, size_t len)
{
	uint64_t first;

	memcpy(&first, page, sizeof(first));
	return first == 0 && memcmp(page, page + 8, len - 8) == 0;
}

static int write_all(int fd, const uint8_t *data, size_t len, off_t at)
{
	while (len) {
		ssize_t n = pwrite(fd, data, len, at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		data += n;
		len -= (size_t)n;
		at += n;
	}
	return 0;
}

/* Mark in @want those of @n pages from @first that may hold something other than zeros. */
static void wanted(struct vmc_vm *vm, const struct region *r, uint64_t first, size_t n, bool *want)
{
	uint64_t map[CHUNK];
	uintptr_t page = ((uintptr_t)r->pub.hva >> PAGE_SHIFT) + first;
	ssize_t len = (ssize_t)(n * sizeof(map[0]));
	bool known = vm->pagemap_fd >= 0 &&
		pread(vm->pagemap_fd, map, (size_t)len, (off_t)(page * sizeof(map[0]))) == len;

	for (size_t i = 0; i < n; i++)
		want[i] = !known || map[i] & (PM_PRESENT | PM_SWAPPED);
	if (!known || r->file < 0)
		return;
	/* The rest is as the file has it: its data counts, its holes do not. */
	for (size_t i = 0; i < n;) {
		off_t at = (off_t)(r->file_offset + (first + i) * VMC_PAGE_SIZE);
		off_t data = lseek(r->file, at, SEEK_DATA), hole;
		size_t from, to;

		if (data < 0 && errno == ENXIO)
			return; /* no data after here */
		if (data < 0)
			data = at; /* a file system without holes */
		hole = lseek(r->file, data, SEEK_HOLE);
		from = i + (size_t)(data - at) / VMC_PAGE_SIZE;
		to = hole > data ? i + ((size_t)(hole - at) + VMC_PAGE_SIZE - 1) / VMC_PAGE_SIZE : n;
		for (i = from; i < to && i < n; i++)
			want[i] = true;
	}
}

static int dump_chunk(struct vmc_vm *vm, const struct region *r, uint64_t first, size_t n, int fd, off_t at)
{
	const uint8_t *base = (const uint8_t *)r->pub.hva + first * VMC_PAGE_SIZE;
	bool want[CHUNK];
	int rc = 0;

	wanted(vm, r, first, n, want);
	for (size_t i = 0; rc == 0 && i < n;) {
		size_t run = 0;

		while (i + run < n && want[i + run] && !is_zero(base + (i + run) * VMC_PAGE_SIZE, VMC_PAGE_SIZE))
			run++;
		if (run)
			rc = write_all(fd, base + i * VMC_PAGE_SIZE, run * VMC_PAGE_SIZE,
				at + (off_t)(i * VMC_PAGE_SIZE));
		i += run + 1;
	}
	return rc;
}

static bool is_ram(const struct region *r)
{
	return r->pub.flags & VMC_MEM_RAM;
}

int vmc_mem_dump(struct vmc_vm *vm, int fd, vmc_progress_fn *progress, void *arg)
{
	uint64_t total = vmc_mem_size(vm), done = 0;
	int rc = 0;

	if (!run_is_still(vm))
		return vmc_fail(vm, -EINVAL, "memory dump: the VM is running; pause it first");
	/* Empty first: what is skipped must read as zeros. */
	if (ftruncate(fd, 0) < 0 || ftruncate(fd, (off_t)total) < 0)
		return vmc_fail(vm, -errno, "memory dump: resize the file to %" PRIu64 " MiB: %s", total >> 20,
			strerror(errno));
	for (size_t i = 0; rc == 0 && i < vm->nregions; i++) {
		const struct region *r = vm->regions[i];

		for (uint64_t page = 0; rc == 0 && is_ram(r) && page < r->pages; page += CHUNK) {
			size_t n = r->pages - page < CHUNK ? (size_t)(r->pages - page) : CHUNK;

			rc = dump_chunk(vm, r, page, n, fd, (off_t)done);
			done += n * (uint64_t)VMC_PAGE_SIZE;
			if (rc == 0 && progress && progress(arg, done, total))
				return vmc_fail(vm, -ECANCELED, "memory dump: cancelled");
		}
	}
	return rc < 0 ? vmc_fail(vm, rc, "memory dump: write: %s", strerror(-rc)) : 0;
}

static int check_file(struct vmc_vm *vm, int fd)
{
	uint64_t total = vmc_mem_size(vm);
	struct stat st;

	if (fstat(fd, &st) < 0)
		return vmc_fail(vm, -errno, "memory file: %s", strerror(errno));
	if (!S_ISREG(st.st_mode))
		return vmc_fail(vm, -EINVAL, "memory file: it is not a regular file");
	if ((uint64_t)st.st_size != total)
		return vmc_fail(vm, -EINVAL, "memory file: %" PRIu64 " bytes, this VM has %" PRIu64
			" bytes of RAM", (uint64_t)st.st_size, total);
	return 0;
}

/* One region's share of a swap: first the mapping to come, then the one that was. */
struct mapping {
	void *at; /* MAP_FAILED: none */
	int file; /* -1: none */
	uint64_t offset;
};

struct mem_swap {
	size_t n; /* regions when it was made: none comes or goes meanwhile */
	struct mapping m[];
};

/* Everything that can fail for lack of something is done before the first region changes. */
static int prepare(struct vmc_vm *vm, int fd, struct mapping *m)
{
	uint64_t offset = 0;

	for (size_t i = 0; i < vm->nregions; i++) {
		const struct region *r = vm->regions[i];

		if (!is_ram(r))
			continue;
		m[i].at = mmap(NULL, r->pub.size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_NORESERVE, fd,
			(off_t)offset);
		if (m[i].at == MAP_FAILED)
			return -errno;
		(void)madvise(m[i].at, r->pub.size, MADV_DONTFORK);
		m[i].offset = offset;
		m[i].file = fcntl(fd, F_DUPFD_CLOEXEC, 0);
		if (m[i].file < 0)
			return -errno;
		offset += r->pub.size;
	}
	return 0;
}

/*
 * What is in the region and what is in @m change places; KVM follows (the host address stays what it was).
 * MREMAP_DONTUNMAP: the address is never free for another thread's mmap() to take.
 */
static int exchange(struct region *r, struct mapping *m)
{
	struct mapping old = { .file = r->file, .offset = r->file_offset };

	old.at = mremap(r->pub.hva, r->pub.size, r->pub.size, MREMAP_MAYMOVE | MREMAP_DONTUNMAP, NULL);
	if (old.at == MAP_FAILED)
		return -errno;
	if (mremap(m->at, r->pub.size, r->pub.size, MREMAP_MAYMOVE | MREMAP_FIXED, r->pub.hva) == MAP_FAILED) {
		int rc = -errno;

		(void)mremap(old.at, r->pub.size, r->pub.size, MREMAP_MAYMOVE | MREMAP_FIXED, r->pub.hva);
		return rc;
	}
	r->file = m->file;
	r->file_offset = m->offset;
	*m = old;
	return 0;
}

static int exchange_all(struct vmc_vm *vm, struct mem_swap *swap)
{
	int rc = 0;

	for (size_t i = 0; i < swap->n; i++) {
		if (!is_ram(vm->regions[i]))
			continue;
		rc = exchange(vm->regions[i], &swap->m[i]);
		if (rc == 0)
			continue;
		while (i-- > 0) /* all or nothing */
			if (is_ram(vm->regions[i]))
				(void)exchange(vm->regions[i], &swap->m[i]);
		break;
	}
	return rc;
}

int mem_swap_in(struct vmc_vm *vm, int fd, struct mem_swap **out)
{
	struct mem_swap *swap;
	int rc = check_file(vm, fd);

	if (rc < 0)
		return rc;
	swap = calloc(1, sizeof(*swap) + vm->nregions * sizeof(swap->m[0]));
	if (!swap)
		return vmc_fail(vm, -ENOMEM, "memory file: out of memory");
	swap->n = vm->nregions;
	for (size_t i = 0; i < swap->n; i++)
		swap->m[i] = (struct mapping){ MAP_FAILED, -1, 0 };
	rc = prepare(vm, fd, swap->m);
	if (rc == 0)
		rc = exchange_all(vm, swap);
	if (rc < 0) {
		mem_swap_done(vm, swap);
		return vmc_fail(vm, rc, "memory file: map it: %s", strerror(-rc));
	}
	dirty_mark_all(vm);
	*out = swap;
	return 0;
}

void mem_swap_back(struct vmc_vm *vm, struct mem_swap *swap)
{
	(void)exchange_all(vm, swap);
	dirty_mark_all(vm);
	mem_swap_done(vm, swap);
}

void mem_swap_done(struct vmc_vm *vm, struct mem_swap *swap)
{
	for (size_t i = 0; i < swap->n; i++) {
		if (swap->m[i].at != MAP_FAILED)
			munmap(swap->m[i].at, vm->regions[i]->pub.size);
		if (swap->m[i].file >= 0)
			close(swap->m[i].file);
	}
	free(swap);
}

int vmc_mem_map_file(struct vmc_vm *vm, int fd)
{
	struct mem_swap *swap;
	int rc;

	if (!run_is_still(vm))
		return vmc_fail(vm, -EINVAL, "memory file: the VM is running; pause it first");
	rc = mem_swap_in(vm, fd, &swap);
	if (rc == 0)
		mem_swap_done(vm, swap);
	return rc;
}

int64_t vmc_mem_resident(const struct vmc_vm *cvm, uint64_t gpa, uint64_t len)
{
	struct vmc_vm *vm = (struct vmc_vm *)cvm;
	unsigned char vec[16384];
	int64_t pages = 0;
	int rc = 0;

	if (gpa % VMC_PAGE_SIZE || len % VMC_PAGE_SIZE || gpa + len < gpa)
		return vmc_fail(vm, -EINVAL, "residency: page multiples, please");
	pthread_rwlock_rdlock(&vm->mem_lock);
	while (rc == 0 && len) {
		const struct region *r = mem_find_locked(vm, gpa);
		uint64_t n = r ? r->pub.size - (gpa - r->pub.gpa) : 0;

		n = n < len ? n : len;
		n = n < sizeof(vec) * VMC_PAGE_SIZE ? n : sizeof(vec) * VMC_PAGE_SIZE;
		if (!r)
			rc = -EFAULT;
		else if (mincore((uint8_t *)r->pub.hva + (gpa - r->pub.gpa), n, vec) < 0)
			rc = -errno;
		for (uint64_t i = 0; rc == 0 && i < n / VMC_PAGE_SIZE; i++)
			pages += vec[i] & 1;
		gpa += n;
		len -= n;
	}
	pthread_rwlock_unlock(&vm->mem_lock);
	if (rc < 0)
		return vmc_fail(vm, rc, "residency of %#" PRIx64 ": %s", gpa, strerror(-rc));
	return pages * (int64_t)VMC_PAGE_SIZE;
}
