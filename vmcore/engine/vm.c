/* vm.c - making and freeing a VM, what it is, and the device lock. Owner thread. */
#include "vmcore/engine/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* Three pages that KVM wants for itself on Intel: between the BARs and the top of the hole, where
 * no RAM is and no guest looks. */
#define IDENTITY_MAP 0xfffbc000ull
#define TSS_ADDR     0xfffbd000ull

static bool id_ok(const char *id)
{
	size_t len = id ? strlen(id) : 0;

	return len > 0 && len <= VMC_ID_MAX && id[0] != '.' && id[0] != '-' &&
		strspn(id, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") == len;
}

static int check_config(struct vmc_vm *vm, const struct vmc_config *cfg)
{
	uint32_t ring = cfg->dirty_ring_entries;

	if (!id_ok(cfg->id))
		return vmc_fail(vm, -EINVAL,
			"VM id \"%s\": use 1 to %u letters, digits, '.', '_', '-', not beginning with '.' or '-'",
			cfg->id ? cfg->id : "", VMC_ID_MAX);
	if (cfg->ram_bytes % VMC_PAGE_SIZE || cfg->ram_bytes > 1ull << 44)
		return vmc_fail(vm, -EINVAL, "RAM of %llu bytes: it must be a multiple of 4 KiB, 16 TiB at most",
			(unsigned long long)cfg->ram_bytes);
	if (cfg->vcpus < 1 || cfg->vcpus > VMC_MAX_VCPUS)
		return vmc_fail(vm, -EINVAL, "%u vCPUs: 1 to %u are possible", cfg->vcpus, VMC_MAX_VCPUS);
	if (cfg->no_irqchip && cfg->managed)
		return vmc_fail(vm, -EINVAL, "a VM without interrupt controller runs in manual mode only");
	if (ring && (ring & (ring - 1) || ring < 512 || ring > 65536))
		return vmc_fail(vm, -EINVAL,
			"dirty ring of %u entries: it must be a power of two from 512 to 65536", ring);
	return 0;
}

static void init_locks(struct vmc_vm *vm)
{
	pthread_mutexattr_t attr;

	pthread_mutexattr_init(&attr);
	pthread_mutexattr_settype(&attr, PTHREAD_MUTEX_RECURSIVE);
	pthread_mutex_init(&vm->device_lock, &attr);
	pthread_mutexattr_destroy(&attr);
	pthread_rwlock_init(&vm->mem_lock, NULL);
	pthread_mutex_init(&vm->irq_lock, NULL);
	pthread_mutex_init(&vm->run_lock, NULL);
	pthread_mutex_init(&vm->ring_lock, NULL);
	pthread_cond_init(&vm->owner_wake, NULL);
}

static int read_msr_list(struct vmc_vm *vm)
{
	struct kvm_msr_list count = { .nmsrs = 0 };
	int rc = kvm_call(vm->kvm_fd, KVM_GET_MSR_INDEX_LIST, &count);

	/* -E2BIG tells how many there are. */
	if (rc != -E2BIG && rc < 0)
		return fail_kvm(vm, rc, "KVM_GET_MSR_INDEX_LIST");
	if (count.nmsrs > 4096)
		return fail_kvm(vm, -E2BIG, "KVM_GET_MSR_INDEX_LIST");
	vm->msrs = calloc(1, sizeof(*vm->msrs) + count.nmsrs * sizeof(uint32_t));
	if (!vm->msrs)
		return vmc_fail(vm, -ENOMEM, "MSR list: out of memory");
	vm->msrs->nmsrs = count.nmsrs;
	rc = kvm_call(vm->kvm_fd, KVM_GET_MSR_INDEX_LIST, vm->msrs);
	return rc < 0 ? fail_kvm(vm, rc, "KVM_GET_MSR_INDEX_LIST") : 0;
}

/* What a later sandbox would forbid to open is opened here. */
static int open_files(struct vmc_vm *vm)
{
	const char *path = vm->cfg.kvm_path;
	char err[256];

	vm->kvm_fd = kvm_open(path, err, sizeof(err));
	if (vm->kvm_fd < 0)
		return vmc_fail(vm, vm->kvm_fd, "%s", err);
	vm->event_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (vm->event_fd < 0)
		return fail_kvm(vm, -errno, "eventfd");
	/* May fail (no /proc): then a dump reads every page. */
	vm->pagemap_fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	return 0;
}

/* KVM hands up one hypercall only (mapping of guest pages), and only where somebody may want to see it. */
static void enable_hypercalls(struct vmc_vm *vm)
{
	struct kvm_enable_cap cap = { .cap = KVM_CAP_EXIT_HYPERCALL,
		.args = { (uint64_t)kvm_cap(vm->fd, KVM_CAP_EXIT_HYPERCALL) } };

	if (!vm->cfg.managed && cap.args[0])
		(void)kvm_call(vm->fd, KVM_ENABLE_CAP, &cap);
}

static int create_vm(struct vmc_vm *vm)
{
	uint64_t identity = IDENTITY_MAP;
	int rc;

	vm->fd = rc = kvm_call_n(vm->kvm_fd, KVM_CREATE_VM, 0);
	if (rc < 0)
		return fail_kvm(vm, rc, "KVM_CREATE_VM");
	/* Needed on Intel only; elsewhere KVM ignores or refuses them, both are fine. */
	(void)kvm_call_n(vm->fd, KVM_SET_TSS_ADDR, TSS_ADDR);
	(void)kvm_call(vm->fd, KVM_SET_IDENTITY_MAP_ADDR, &identity);
	rc = kvm_cap(vm->fd, KVM_CAP_NR_MEMSLOTS);
	vm->max_slots = rc > 0 && (unsigned)rc < MAX_SLOTS ? (uint32_t)rc : MAX_SLOTS;
	rc = kvm_cap(vm->fd, KVM_CAP_XSAVE2);
	vm->xsave_size = rc > (int)sizeof(struct kvm_xsave) ? (size_t)rc : sizeof(struct kvm_xsave);
	enable_hypercalls(vm);
	if (vm->cfg.no_irqchip)
		return 0;
	return irq_init(vm);
}

static int make(struct vmc_vm *vm)
{
	struct vmc_vcpu *vcpu;
	int rc = open_files(vm);

	if (rc == 0)
		rc = create_vm(vm);
	if (rc == 0)
		rc = dirty_init(vm);
	if (rc == 0)
		rc = mem_add_ram(vm);
	if (rc == 0)
		rc = cpuid_read(vm, vm->cfg.cpu);
	if (rc == 0)
		rc = read_msr_list(vm);
	for (uint32_t i = 0; rc == 0 && vm->cfg.managed && i < vm->cfg.vcpus; i++)
		rc = vcpu_create(vm, i, &vcpu);
	if (rc == 0)
		rc = state_power_on_save(vm);
	return rc;
}

int vmc_vm_new(const struct vmc_config *cfg, struct vmc_vm **out, char *err, size_t err_size)
{
	static _Atomic uint64_t serial;
	struct vmc_vm *vm = calloc(1, sizeof(*vm));
	int rc = -ENOMEM;

	*out = NULL;
	if (err && err_size)
		snprintf(err, err_size, "out of memory");
	if (!vm)
		return rc;
	vm->serial = atomic_fetch_add(&serial, 1) + 1;
	vm->kvm_fd = vm->fd = vm->event_fd = vm->pagemap_fd = -1;
	vm->gate = GATE_STATE;
	vm->cfg = *cfg;
	vm->cfg.kvm_path = strdup(cfg->kvm_path ? cfg->kvm_path : "/dev/kvm");
	vm->cfg.cpu = strdup(cfg->cpu ? cfg->cpu : "host");
	init_locks(vm);
	rc = check_config(vm, cfg);
	if (rc == 0) {
		memcpy(vm->id, cfg->id, strlen(cfg->id));
		vm->cfg.id = vm->id;
		rc = vm->cfg.kvm_path && vm->cfg.cpu ? make(vm) : vmc_fail(vm, -ENOMEM, "out of memory");
	}
	if (rc < 0) {
		if (err && err_size)
			snprintf(err, err_size, "%s", vmc_error(vm));
		vmc_vm_free(vm);
		return rc;
	}
	*out = vm;
	return 0;
}

static void close_fd(int fd)
{
	if (fd >= 0)
		close(fd);
}

void vmc_vm_free(struct vmc_vm *vm)
{
	if (!vm)
		return;
	vmc_vm_stop(vm);
	devices_free(vm);
	for (uint32_t i = 0; i < VMC_MAX_VCPUS; i++)
		if (vm->vcpus[i])
			vcpu_free(vm->vcpus[i]);
	irq_free(vm);
	dirty_free(vm);
	/* First the VM, then the memory that it maps. */
	close_fd(vm->fd);
	mem_free(vm);
	bus_free(vm);
	close_fd(vm->kvm_fd);
	close_fd(vm->event_fd);
	close_fd(vm->pagemap_fd);
	pthread_mutex_destroy(&vm->device_lock);
	pthread_rwlock_destroy(&vm->mem_lock);
	pthread_mutex_destroy(&vm->irq_lock);
	pthread_mutex_destroy(&vm->run_lock);
	pthread_mutex_destroy(&vm->ring_lock);
	pthread_cond_destroy(&vm->owner_wake);
	free(vm->crash);
	free(vm->cpuid);
	free(vm->msrs);
	free(vm->power_on);
	free((char *)vm->cfg.kvm_path);
	free((char *)vm->cfg.cpu);
	free(vm);
}

const struct vmc_config *vmc_vm_config(const struct vmc_vm *vm)
{
	return &vm->cfg;
}

const char *vmc_vm_id(const struct vmc_vm *vm)
{
	return vm->id;
}

bool vmc_vm_is_managed_execution(const struct vmc_vm *vm)
{
	return vm->cfg.managed;
}

void vmc_device_lock(struct vmc_vm *vm)
{
	pthread_mutex_lock(&vm->device_lock);
}

void vmc_device_unlock(struct vmc_vm *vm)
{
	pthread_mutex_unlock(&vm->device_lock);
}
