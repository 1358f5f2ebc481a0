/* kvm.c - see kvm.h; and vmc_kvm_probe(), which says what a host offers. Any thread. */
#include "vmcore/engine/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

static int real_open(const char *path)
{
	int fd = open(path, O_RDWR | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

static int real_ioctl(int fd, unsigned long request, uintptr_t arg)
{
	int rc = ioctl(fd, request, arg);

	return rc < 0 ? -errno : rc;
}

static void *real_map(int fd, size_t size, off_t offset, int *rc)
{
	void *at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, offset);

	if (at != MAP_FAILED)
		return at;
	*rc = -errno;
	return NULL;
}

const struct kvm_sys kvm_sys_real = { real_open, real_ioctl, real_map };
const struct kvm_sys *kvm_sys = &kvm_sys_real;

int kvm_call_n(int fd, unsigned long request, uintptr_t arg)
{
	int rc;

	do
		rc = kvm_sys->ioctl(fd, request, arg);
	while (rc == -EINTR);
	return rc;
}

int kvm_call(int fd, unsigned long request, const void *arg)
{
	return kvm_call_n(fd, request, (uintptr_t)arg);
}

int kvm_cap(int fd, int cap)
{
	int rc = kvm_call_n(fd, KVM_CHECK_EXTENSION, (uintptr_t)cap);

	return rc < 0 ? 0 : rc;
}

int kvm_open(const char *path, char *err, size_t size)
{
	int fd = kvm_sys->open(path), api;

	if (fd < 0) {
		const char *what = fd == -ENOENT ? "; load the module kvm_intel or kvm_amd"
			: fd == -EACCES		 ? "; join the group kvm (usermod -aG kvm USER)"
						 : "";

		snprintf(err, size, "open %s: %s%s", path, strerror(-fd), what);
		return fd;
	}
	api = kvm_call_n(fd, KVM_GET_API_VERSION, 0);
	if (api != KVM_API_VERSION) {
		snprintf(err, size, "%s: KVM API version %d, need %d", path, api, KVM_API_VERSION);
		close(fd);
		return api < 0 ? api : -ENOTSUP;
	}
	return fd;
}

int vmc_kvm_probe(const char *path, struct vmc_kvm_info *out, char *err, size_t err_size)
{
	char text[256] = "";
	int fd = kvm_open(path ? path : "/dev/kvm", text, sizeof(text));

	memset(out, 0, sizeof(*out));
	if (err && err_size)
		snprintf(err, err_size, "%s", text);
	if (fd < 0)
		return fd;
	out->api_version = KVM_API_VERSION;
	out->max_vcpus = kvm_cap(fd, KVM_CAP_MAX_VCPUS);
	out->max_memslots = kvm_cap(fd, KVM_CAP_NR_MEMSLOTS);
	out->irqfd = kvm_cap(fd, KVM_CAP_IRQFD);
	out->ioeventfd = kvm_cap(fd, KVM_CAP_IOEVENTFD);
	out->dirty_log_manual = kvm_cap(fd, KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2);
	out->dirty_ring = kvm_cap(fd, KVM_CAP_DIRTY_LOG_RING);
	out->immediate_exit = kvm_cap(fd, KVM_CAP_IMMEDIATE_EXIT);
	out->sync_regs = kvm_cap(fd, KVM_CAP_SYNC_REGS);
	out->xsave2 = kvm_cap(fd, KVM_CAP_XSAVE2);
	out->set_guest_debug = kvm_cap(fd, KVM_CAP_SET_GUEST_DEBUG);
	out->adjust_clock = kvm_cap(fd, KVM_CAP_ADJUST_CLOCK);
	out->readonly_mem = kvm_cap(fd, KVM_CAP_READONLY_MEM);
	out->msi = kvm_cap(fd, KVM_CAP_SIGNAL_MSI);
	out->resample = kvm_cap(fd, KVM_CAP_IRQFD_RESAMPLE);
	out->kvmclock_ctrl = kvm_cap(fd, KVM_CAP_KVMCLOCK_CTRL);
	close(fd);
	return 0;
}
