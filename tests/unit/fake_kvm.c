/* fake_kvm.c - see fake_kvm.h. */
#include "tests/unit/fake_kvm.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#define NSLOTS 512
#define STORE  4096

/* State that is set by one request and got by another: the fake keeps the bytes. */
static struct stored {
	const char *name;
	unsigned long get, set;
	size_t size;
	uint8_t bytes[STORE];
} stored[] = {
	{ "KVM_SET_REGS", KVM_GET_REGS, KVM_SET_REGS, sizeof(struct kvm_regs), { 0 } },
	{ "KVM_SET_SREGS", KVM_GET_SREGS, KVM_SET_SREGS, sizeof(struct kvm_sregs), { 0 } },
	{ "KVM_SET_SREGS2", KVM_GET_SREGS2, KVM_SET_SREGS2, sizeof(struct kvm_sregs2), { 0 } },
	{ "KVM_SET_XSAVE", KVM_GET_XSAVE, KVM_SET_XSAVE, sizeof(struct kvm_xsave), { 0 } },
	{ "KVM_SET_XCRS", KVM_GET_XCRS, KVM_SET_XCRS, sizeof(struct kvm_xcrs), { 0 } },
	{ "KVM_SET_DEBUGREGS", KVM_GET_DEBUGREGS, KVM_SET_DEBUGREGS, sizeof(struct kvm_debugregs), { 0 } },
	{ "KVM_SET_LAPIC", KVM_GET_LAPIC, KVM_SET_LAPIC, sizeof(struct kvm_lapic_state), { 0 } },
	{ "KVM_SET_VCPU_EVENTS", KVM_GET_VCPU_EVENTS, KVM_SET_VCPU_EVENTS, sizeof(struct kvm_vcpu_events), { 0 } },
	{ "KVM_SET_MP_STATE", KVM_GET_MP_STATE, KVM_SET_MP_STATE, sizeof(struct kvm_mp_state), { 0 } },
	{ "KVM_SET_PIT2", KVM_GET_PIT2, KVM_SET_PIT2, sizeof(struct kvm_pit_state2), { 0 } },
};
#define NSTORED (sizeof(stored) / sizeof(stored[0]))

static const struct {
	unsigned long request;
	const char *name;
} names[] = {
	{ KVM_CREATE_VM, "KVM_CREATE_VM" },
	{ KVM_CREATE_IRQCHIP, "KVM_CREATE_IRQCHIP" },
	{ KVM_CREATE_PIT2, "KVM_CREATE_PIT2" },
	{ KVM_SET_GSI_ROUTING, "KVM_SET_GSI_ROUTING" },
	{ KVM_SET_USER_MEMORY_REGION, "KVM_SET_USER_MEMORY_REGION" },
	{ KVM_GET_SUPPORTED_CPUID, "KVM_GET_SUPPORTED_CPUID" },
	{ KVM_GET_MSR_INDEX_LIST, "KVM_GET_MSR_INDEX_LIST" },
	{ KVM_CREATE_VCPU, "KVM_CREATE_VCPU" },
	{ KVM_GET_VCPU_MMAP_SIZE, "struct kvm_run" },
	{ KVM_SET_CPUID2, "KVM_SET_CPUID2" },
	{ KVM_GET_IRQCHIP, "KVM_GET_IRQCHIP" },
	{ KVM_GET_API_VERSION, "API version" },
};

static uint64_t msrs[8], clock_ns;
static uint8_t irqchips[3][sizeof(struct kvm_irqchip)];
static struct kvm_userspace_memory_region slots[NSLOTS];
static uint64_t dirty[NSLOTS];
static int caps[512];
static int64_t enabled[512];
static unsigned long fail_request, failed;
static unsigned fail_in, calls;
static int fail_rc;
static int (*on_run)(struct kvm_run *run);
static const struct kvm_cpuid2 *cpuid;
static struct kvm_run *last_run;
static struct kvm_dirty_gfn *last_ring;

const char *fake_kvm_name(unsigned long request)
{
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (names[i].request == request)
			return names[i].name;
	for (size_t i = 0; i < NSTORED; i++)
		if (stored[i].set == request)
			return stored[i].name;
	return NULL;
}

static int fake_open(const char *path)
{
	int fd = eventfd(0, EFD_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

static void *fake_map(int fd, size_t size, off_t offset, int *rc)
{
	void *at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (at == MAP_FAILED) {
		*rc = -errno;
		return NULL;
	}
	if (offset == 0)
		last_run = at;
	else
		last_ring = at;
	return at;
}

static int get_list(struct kvm_msr_list *list)
{
	static const uint32_t indices[] = { 0x10, 0x6e0, 0x174, 0xc0000082 };
	bool room = list->nmsrs >= 4;

	list->nmsrs = 4;
	if (!room)
		return -E2BIG;
	memcpy(list->indices, indices, sizeof(indices));
	return 0;
}

static uint64_t *msr(uint32_t index)
{
	switch (index) {
	case 0x10:
		return &msrs[0];
	case 0x6e0:
		return &msrs[1];
	case 0x174:
		return &msrs[2];
	case 0xc0000082:
		return &msrs[3];
	default:
		return NULL;
	}
}

static int move_msrs(struct kvm_msrs *m, bool set)
{
	uint32_t i;

	for (i = 0; i < m->nmsrs; i++) {
		uint64_t *at = msr(m->entries[i].index);

		if (!at)
			break;
		if (set)
			*at = m->entries[i].data;
		else
			m->entries[i].data = *at;
	}
	return (int)i;
}

static int get_dirty(struct kvm_dirty_log *log)
{
	memset(log->dirty_bitmap, 0, (slots[log->slot].memory_size / 4096 + 63) / 64 * 8);
	*(uint64_t *)log->dirty_bitmap = dirty[log->slot];
	return 0;
}

static int set_slot(const struct kvm_userspace_memory_region *r)
{
	slots[r->slot] = *r;
	dirty[r->slot] = r->flags & KVM_MEM_LOG_DIRTY_PAGES ? ~0ull : 0; /* as with INITIALLY_SET */
	return 0;
}

static int get_cpuid(struct kvm_cpuid2 *c)
{
	if (cpuid) {
		if (c->nent < cpuid->nent)
			return -E2BIG;
		memcpy(c, cpuid, sizeof(*c) + cpuid->nent * sizeof(c->entries[0]));
		return 0;
	}
	if (c->nent < 4)
		return -E2BIG;
	c->nent = 4;
	memset(c->entries, 0, 4 * sizeof(c->entries[0]));
	c->entries[0].function = 1;
	c->entries[1].function = 4;
	c->entries[1].eax = 1;
	c->entries[2].function = c->entries[3].function = 0xb;
	c->entries[3].index = 1;
	return 0;
}

static int move_stored(unsigned long request, void *arg, bool *found)
{
	for (size_t i = 0; i < NSTORED; i++) {
		*found = true;
		if (request == stored[i].get) {
			memcpy(arg, stored[i].bytes, stored[i].size);
			return 0;
		}
		if (request == stored[i].set) {
			memcpy(stored[i].bytes, arg, stored[i].size);
			return 0;
		}
	}
	*found = false;
	return 0;
}

static int clear_dirty(const struct kvm_clear_dirty_log *c)
{
	if (c->first_page == 0)
		dirty[c->slot] &= ~*(uint64_t *)c->dirty_bitmap;
	return 0;
}

static int act(unsigned long request, uintptr_t n)
{
	void *arg = (void *)n;
	bool found;
	int rc = move_stored(request, arg, &found);

	if (found)
		return rc;
	switch (request) {
	case KVM_GET_API_VERSION:
		return KVM_API_VERSION;
	case KVM_CHECK_EXTENSION:
		return n < 512 ? caps[n] : 0;
	case KVM_CREATE_VM:
	case KVM_CREATE_VCPU:
		return fake_open("");
	case KVM_GET_VCPU_MMAP_SIZE:
		return 3 * 4096;
	case KVM_GET_SUPPORTED_CPUID:
		return get_cpuid(arg);
	case KVM_GET_MSR_INDEX_LIST:
		return get_list(arg);
	case KVM_GET_MSRS:
		return move_msrs(arg, false);
	case KVM_SET_MSRS:
		return move_msrs(arg, true);
	case KVM_GET_IRQCHIP:
		memcpy(arg, irqchips[((struct kvm_irqchip *)arg)->chip_id], sizeof(struct kvm_irqchip));
		return 0;
	case KVM_SET_IRQCHIP:
		memcpy(irqchips[((struct kvm_irqchip *)arg)->chip_id], arg, sizeof(struct kvm_irqchip));
		return 0;
	case KVM_GET_CLOCK:
		((struct kvm_clock_data *)arg)->clock = clock_ns;
		return 0;
	case KVM_SET_CLOCK:
		clock_ns = ((struct kvm_clock_data *)arg)->clock;
		return 0;
	case KVM_SET_USER_MEMORY_REGION:
		return set_slot(arg);
	case KVM_GET_DIRTY_LOG:
		return get_dirty(arg);
	case KVM_CLEAR_DIRTY_LOG:
		return clear_dirty(arg);
	case KVM_ENABLE_CAP:
		enabled[((struct kvm_enable_cap *)arg)->cap] = (int64_t)((struct kvm_enable_cap *)arg)->args[0];
		return 0;
	case KVM_GET_STATS_FD:
		return -ENOTTY;
	case KVM_RUN:
		return on_run ? on_run(last_run) : -EINTR;
	default:
		return 0;
	}
}

static int fake_ioctl(int fd, unsigned long request, uintptr_t arg)
{
	/* Caps are asked for all the time and cannot fail in a way that matters. */
	if (request != KVM_CHECK_EXTENSION) {
		calls++;
		if (fail_in && (!fail_request || request == fail_request) && --fail_in == 0) {
			failed = request;
			return fail_rc;
		}
	}
	return act(request, arg);
}

static const struct kvm_sys fake = { fake_open, fake_ioctl, fake_map };

void fake_kvm_fail(unsigned long request, unsigned nth, int rc)
{
	fail_request = request;
	fail_in = nth;
	fail_rc = rc;
	failed = 0;
	calls = 0;
}

void fake_kvm_install(void)
{
	kvm_sys = &fake;
	memset(msrs, 0, sizeof(msrs));
	memset(irqchips, 0, sizeof(irqchips));
	for (uint32_t i = 0; i < 3; i++)
		((struct kvm_irqchip *)irqchips[i])->chip_id = i;
	memset(slots, 0, sizeof(slots));
	memset(dirty, 0, sizeof(dirty));
	memset(caps, 0, sizeof(caps));
	memset(enabled, -1, sizeof(enabled));
	for (size_t i = 0; i < NSTORED; i++)
		memset(stored[i].bytes, 0, STORE);
	caps[KVM_CAP_NR_MEMSLOTS] = NSLOTS;
	caps[KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2] = 3;
	caps[KVM_CAP_DIRTY_LOG_RING] = 1 << 20;
	clock_ns = 0;
	cpuid = NULL;
	on_run = NULL;
	fake_kvm_fail(0, 0, 0);
}

unsigned fake_kvm_calls(void)
{
	return calls;
}

unsigned long fake_kvm_failed(void)
{
	return failed;
}

void fake_kvm_set_cap(int cap, int value)
{
	caps[cap] = value;
}

int64_t fake_kvm_enabled(int cap)
{
	return enabled[cap];
}

struct kvm_userspace_memory_region fake_kvm_slot(unsigned slot)
{
	return slots[slot];
}

void fake_kvm_dirty(unsigned slot, uint64_t bits)
{
	dirty[slot] = bits;
}

void fake_kvm_on_run(int (*fn)(struct kvm_run *run))
{
	on_run = fn;
}

struct kvm_dirty_gfn *fake_kvm_ring(void)
{
	return last_ring;
}

static uint64_t mix(uint64_t sum, const void *data, size_t len)
{
	for (size_t i = 0; i < len; i++)
		sum = (sum ^ ((const uint8_t *)data)[i]) * 0x100000001b3;
	return sum;
}

uint64_t fake_kvm_stored(void)
{
	uint64_t sum = 0xcbf29ce484222325;

	for (size_t i = 0; i < NSTORED; i++)
		sum = mix(sum, stored[i].bytes, stored[i].size);
	sum = mix(sum, &msrs[1], sizeof(msrs) - sizeof(msrs[0])); /* the TSC goes on */
	return mix(sum, irqchips, sizeof(irqchips));
}

void fake_kvm_cpuid(const struct kvm_cpuid2 *list)
{
	cpuid = list;
}
