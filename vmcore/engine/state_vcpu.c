/*
 * state_vcpu.c - one vCPU's whole state as the payload of its section: every part is a u32 kind, a u32
 * length and the bytes of KVM's structure, in the order they are applied in. On a vCPU that is out
 * of KVM_RUN with nothing pending.
 */
#include "vmcore/engine/internal.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MSR_TSC		 0x10
#define MSR_TSC_DEADLINE 0x6e0

/* Kinds are part of the format: never change a number. */
enum part {
	PART_MP_STATE = 1,
	PART_REGS,
	PART_SREGS,
	PART_XSAVE,
	PART_XCRS,
	PART_DEBUGREGS,
	PART_LAPIC,
	PART_MSRS,
	PART_EVENTS,
	PART_TSC_KHZ,
	PART_SREGS2,
	PARTS
};

/* How KVM gives and takes a part of fixed size. */
static const struct part_desc {
	const char *name;
	uint32_t kind;
	unsigned long get, set;
	uint32_t size;
	bool needs_lapic;
} fixed[] = {
	/* First: getting it makes KVM act on an INIT or SIPI that waits. */
	{ "mp_state", PART_MP_STATE, KVM_GET_MP_STATE, KVM_SET_MP_STATE, sizeof(struct kvm_mp_state), true },
	{ "regs", PART_REGS, KVM_GET_REGS, KVM_SET_REGS, sizeof(struct kvm_regs), false },
	/* With the page-directory pointers, which guests in PAE mode may have changed in memory since. */
	{ "sregs2", PART_SREGS2, KVM_GET_SREGS2, KVM_SET_SREGS2, sizeof(struct kvm_sregs2), false },
	{ "xcrs", PART_XCRS, KVM_GET_XCRS, KVM_SET_XCRS, sizeof(struct kvm_xcrs), false },
	{ "debugregs", PART_DEBUGREGS, KVM_GET_DEBUGREGS, KVM_SET_DEBUGREGS, sizeof(struct kvm_debugregs),
		false },
	{ "LAPIC", PART_LAPIC, KVM_GET_LAPIC, KVM_SET_LAPIC, sizeof(struct kvm_lapic_state), true },
	{ "events", PART_EVENTS, KVM_GET_VCPU_EVENTS, KVM_SET_VCPU_EVENTS, sizeof(struct kvm_vcpu_events),
		false },
};
#define NFIXED (sizeof(fixed) / sizeof(fixed[0]))

/* A parsed payload; the pointers lie in it. */
struct vcpu_state {
	const uint8_t *part[PARTS];
	uint32_t len[PARTS];
};

static void put(struct vmc_out *out, uint32_t kind, const void *data, size_t len)
{
	vmc_out_u32(out, kind);
	vmc_out_u32(out, (uint32_t)len);
	vmc_out_bytes(out, data, len);
}

static int save_xsave(struct vmc_vcpu *vcpu, struct vmc_out *out)
{
	size_t size = vcpu->vm->xsave_size;
	void *xsave = calloc(1, size);
	int rc;

	if (!xsave)
		return -ENOMEM;
	rc = kvm_call(vcpu->fd, size > sizeof(struct kvm_xsave) ? KVM_GET_XSAVE2 : KVM_GET_XSAVE, xsave);
	if (rc == 0)
		put(out, PART_XSAVE, xsave, size);
	free(xsave);
	return rc;
}

/* Every MSR that KVM names and this vCPU has. KVM stops at the first it cannot give: skip that one. */
static int save_msrs(struct vmc_vcpu *vcpu, struct vmc_out *out)
{
	const struct kvm_msr_list *list = vcpu->vm->msrs;
	struct kvm_msrs *msrs = calloc(1, sizeof(*msrs) + list->nmsrs * sizeof(msrs->entries[0]));
	uint32_t next = 0, kept = 0;

	if (!msrs)
		return -ENOMEM;
	while (next < list->nmsrs) {
		struct kvm_msrs *part = calloc(1, sizeof(*part) + (list->nmsrs - next) * sizeof(part->entries[0]));
		int got;

		if (!part) {
			free(msrs);
			return -ENOMEM;
		}
		part->nmsrs = list->nmsrs - next;
		for (uint32_t i = 0; i < part->nmsrs; i++)
			part->entries[i].index = list->indices[next + i];
		got = kvm_call(vcpu->fd, KVM_GET_MSRS, part);
		if (got > (int)part->nmsrs)
			got = (int)part->nmsrs;
		for (int i = 0; i < got; i++)
			msrs->entries[kept++] = part->entries[i];
		next += (got > 0 ? (uint32_t)got : 0) + 1;
		free(part);
	}
	put(out, PART_MSRS, msrs->entries, kept * sizeof(msrs->entries[0]));
	free(msrs);
	return 0;
}

int vcpu_state_save(struct vmc_vcpu *vcpu, struct vmc_out *out)
{
	union {
		struct kvm_lapic_state lapic;
		uint8_t bytes[2048];
	} u;
	int rc, khz;

	for (size_t i = 0; i < NFIXED; i++) {
		const struct part_desc *d = &fixed[i];

		if (d->needs_lapic && !vcpu->vm->has_irqchip)
			continue;
		memset(&u, 0, sizeof(u));
		rc = kvm_call(vcpu->fd, d->get, &u);
		if (rc < 0 && d->kind == PART_SREGS2) {
			rc = kvm_call(vcpu->fd, KVM_GET_SREGS, &u);
			if (rc == 0)
				put(out, PART_SREGS, &u, sizeof(struct kvm_sregs));
		} else if (rc == 0) {
			put(out, d->kind, &u, d->size);
		}
		if (rc < 0)
			return rc;
	}
	rc = save_xsave(vcpu, out);
	if (rc == 0)
		rc = save_msrs(vcpu, out);
	khz = kvm_call_n(vcpu->fd, KVM_GET_TSC_KHZ, 0);
	if (khz > 0)
		put(out, PART_TSC_KHZ, &khz, sizeof(khz));
	if (rc == 0 && out->failed)
		rc = -ENOMEM;
	return rc;
}

static const struct part_desc *fixed_desc(uint32_t kind)
{
	for (size_t i = 0; i < NFIXED; i++)
		if (fixed[i].kind == kind)
			return &fixed[i];
	return NULL;
}

static bool size_ok(const struct vmc_vcpu *vcpu, uint32_t kind, uint32_t len)
{
	const struct part_desc *d = fixed_desc(kind);

	switch (kind) {
	case PART_SREGS:
		return len == sizeof(struct kvm_sregs);
	case PART_XSAVE: /* a smaller one of an older kernel is fine, the rest is in its initial state */
		return len >= sizeof(struct kvm_xsave) && len <= vcpu->vm->xsave_size;
	case PART_MSRS:
		return len % sizeof(struct kvm_msr_entry) == 0 && len <= 4096 * sizeof(struct kvm_msr_entry);
	case PART_TSC_KHZ:
		return len == 4;
	default:
		return d && d->size == len;
	}
}

static int parse(struct vmc_vcpu *vcpu, const void *data, size_t len, struct vcpu_state *s, char *err,
	size_t size)
{
	struct vmc_in in;

	memset(s, 0, sizeof(*s));
	vmc_in_init(&in, data, len);
	while (!in.error && in.pos < in.len) {
		uint32_t kind = vmc_in_u32(&in), n = vmc_in_u32(&in);

		if (in.error || n > in.len - in.pos)
			break;
		if (kind == 0 || kind >= PARTS || s->part[kind] || !size_ok(vcpu, kind, n)) {
			snprintf(err, size, "part %u of %u bytes: unknown, twice, or of a wrong size", kind, n);
			return -EBADMSG;
		}
		s->part[kind] = in.data + in.pos;
		s->len[kind] = n;
		in.pos += n;
	}
	if (in.error || in.pos < in.len) {
		snprintf(err, size, "it ends in the middle of a part");
		return -EBADMSG;
	}
	for (size_t i = 0; i < NFIXED; i++) {
		const struct part_desc *d = &fixed[i];
		bool there = s->part[d->kind] || (d->kind == PART_SREGS2 && s->part[PART_SREGS]);

		if (!there && !(d->needs_lapic && !vcpu->vm->has_irqchip)) {
			snprintf(err, size, "%s is missing", d->name);
			return -EBADMSG;
		}
	}
	if (!s->part[PART_XSAVE] || !s->part[PART_MSRS]) {
		snprintf(err, size, "%s is missing", s->part[PART_XSAVE] ? "MSRs" : "xsave");
		return -EBADMSG;
	}
	return 0;
}

int vcpu_state_check(struct vmc_vcpu *vcpu, const void *data, size_t len, char *err, size_t size)
{
	struct vcpu_state s;

	return parse(vcpu, data, len, &s, err, size);
}

static int set_one_msr(struct vmc_vcpu *vcpu, const struct kvm_msr_entry *e)
{
	union {
		struct kvm_msrs list;
		uint8_t room[sizeof(struct kvm_msrs) + sizeof(struct kvm_msr_entry)];
	} m = { .list.nmsrs = 1 };
	uint64_t want = e->data;

	m.list.entries[0] = *e;
	if (kvm_call(vcpu->fd, KVM_SET_MSRS, &m) == 1)
		return 0;
	/* Some may not be written once the vCPU has run, and need not be: they have not changed. And one
	 * that this host does not have is no loss if the guest never used it. */
	m.list.nmsrs = 1;
	m.list.entries[0].data = 0;
	if (kvm_call(vcpu->fd, KVM_GET_MSRS, &m) != 1)
		return want == 0 ? 0 : -ENXIO;
	return m.list.entries[0].data == want ? 0 : -EINVAL;
}

/* A guest that counts time by its TSC needs it as fast as it was; KVM's own tolerance is 250 ppm. */
static int load_tsc_khz(struct vmc_vcpu *vcpu, const struct vcpu_state *s)
{
	int have = kvm_call_n(vcpu->fd, KVM_GET_TSC_KHZ, 0);
	uint32_t want = 0;
	int64_t off;

	if (s->part[PART_TSC_KHZ])
		memcpy(&want, s->part[PART_TSC_KHZ], sizeof(want));
	off = (int64_t)want - have;
	if (!want || have <= 0 || (off < 0 ? -off : off) <= want / 4000)
		return 0;
	if (kvm_call_n(vcpu->fd, KVM_SET_TSC_KHZ, want) == 0)
		return 0;
	return vmc_fail(vcpu->vm, -ENOTSUP, "the guest's TSC runs at %u kHz, this host's at %d kHz, and it cannot "
		"scale it", want, have);
}

static int load_msrs(struct vmc_vcpu *vcpu, const struct vcpu_state *s, uint64_t elapsed_ns)
{
	uint32_t n = s->len[PART_MSRS] / sizeof(struct kvm_msr_entry), khz = 0;
	struct kvm_msr_entry e, deadline = { .index = 0 };
	int rc;

	if (s->part[PART_TSC_KHZ])
		memcpy(&khz, s->part[PART_TSC_KHZ], sizeof(khz));
	for (uint32_t i = 0; i < n; i++) {
		memcpy(&e, s->part[PART_MSRS] + i * sizeof(e), sizeof(e));
		if (e.index == MSR_TSC_DEADLINE) { /* counts from the TSC: after it */
			deadline = e;
			continue;
		}
		/* The TSC went on while nobody ran the guest, as its clock did (clock_load()). */
		if (e.index == MSR_TSC)
			e.data += (uint64_t)((unsigned __int128)elapsed_ns * khz / 1000000u);
		rc = set_one_msr(vcpu, &e);
		if (rc < 0) {
			vmc_fail(vcpu->vm, rc, "MSR %#x = %#llx: %s", e.index, e.data, strerror(-rc));
			return rc;
		}
	}
	return deadline.index ? set_one_msr(vcpu, &deadline) : 0;
}

static int load_xsave(struct vmc_vcpu *vcpu, const struct vcpu_state *s)
{
	void *xsave = calloc(1, vcpu->vm->xsave_size);
	int rc;

	if (!xsave)
		return -ENOMEM;
	memcpy(xsave, s->part[PART_XSAVE], s->len[PART_XSAVE]);
	rc = kvm_call(vcpu->fd, KVM_SET_XSAVE, xsave);
	free(xsave);
	return rc;
}

static int load_fixed(struct vmc_vcpu *vcpu, const struct vcpu_state *s, uint32_t kind)
{
	const struct part_desc *d = fixed_desc(kind);
	uint8_t copy[2048];
	int rc;

	if (!s->part[kind])
		return 0;
	memcpy(copy, s->part[kind], s->len[kind]);
	rc = kvm_call(vcpu->fd, kind == PART_SREGS ? KVM_SET_SREGS : d->set, copy);
	if (rc < 0)
		vmc_fail(vcpu->vm, rc, "%s: %s", kind == PART_SREGS ? "sregs" : d->name, strerror(-rc));
	return rc;
}

/* The order matters: xcrs before xsave (it says which parts exist), sregs before the LAPIC (apic_base),
 * the LAPIC before the MSRs (its timer mode decides about the deadline), events last. */
static const uint8_t before_xsave[] = { PART_REGS, PART_SREGS, PART_SREGS2, PART_XCRS };
static const uint8_t after_msrs[] = { PART_DEBUGREGS, PART_EVENTS, PART_MP_STATE };

int vcpu_state_load(struct vmc_vcpu *vcpu, const void *data, size_t len, uint64_t elapsed_ns)
{
	struct kvm_mp_state runnable = { .mp_state = KVM_MP_STATE_RUNNABLE }, mp;
	char err[128];
	struct vcpu_state s;
	int rc = parse(vcpu, data, len, &s, err, sizeof(err));

	if (rc < 0)
		return vmc_fail(vcpu->vm, rc, "%s", err);
	/* KVM refuses registers of a vCPU that waits for a SIPI in some states: the real one comes last. */
	if (vcpu->vm->has_irqchip)
		(void)kvm_call(vcpu->fd, KVM_SET_MP_STATE, &runnable);
	for (size_t i = 0; rc == 0 && i < sizeof(before_xsave); i++)
		rc = load_fixed(vcpu, &s, before_xsave[i]);
	if (rc == 0) {
		rc = load_xsave(vcpu, &s);
		if (rc < 0)
			vmc_fail(vcpu->vm, rc, "xsave: %s", strerror(-rc));
	}
	if (rc == 0)
		rc = load_fixed(vcpu, &s, PART_LAPIC);
	if (rc == 0)
		rc = load_tsc_khz(vcpu, &s);
	if (rc == 0)
		rc = load_msrs(vcpu, &s, elapsed_ns);
	for (size_t i = 0; rc == 0 && i < sizeof(after_msrs); i++)
		rc = load_fixed(vcpu, &s, after_msrs[i]);
	if (rc < 0)
		return rc;
	if (s.part[PART_MP_STATE]) {
		memcpy(&mp, s.part[PART_MP_STATE], sizeof(mp));
		atomic_store(&vcpu->wait_sipi, mp.mp_state == KVM_MP_STATE_UNINITIALIZED ||
			mp.mp_state == KVM_MP_STATE_INIT_RECEIVED || mp.mp_state == KVM_MP_STATE_SIPI_RECEIVED);
	}
	vcpu->io_pending = false;
	return 0;
}
