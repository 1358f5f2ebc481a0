/*
 * state.c - saved machine state as a row of tagged, versioned, checksummed sections (state.h), and
 * putting it back: check everything, apply, and on failure put back what was. Owner thread.
 */
#include "vmcore/engine/internal.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#define MAGIC	     "VMCSTATE"
#define FORMAT	     1u
#define TAG_SIZE     24u
#define MAX_SECTIONS 256u
#define HEADER_SIZE  (TAG_SIZE + 4 + 8 + 8)

struct section {
	char tag[TAG_SIZE + 1];
	uint32_t version;
	const uint8_t *data;
	size_t len;
};

struct sections {
	struct section s[MAX_SECTIONS];
	uint32_t count;
};

/* ---- writing ---- */

static size_t frame_begin(struct vmc_out *out)
{
	size_t at = out->len;

	vmc_out_bytes(out, MAGIC, 8);
	vmc_out_u32(out, FORMAT);
	vmc_out_u32(out, 0); /* how many: frame_end() */
	return at;
}

static void frame_end(struct vmc_out *out, size_t at, uint32_t count)
{
	if (out->failed)
		return;
	for (int i = 0; i < 4; i++)
		out->data[at + 12 + (size_t)i] = (uint8_t)(count >> (8 * i));
}

static size_t section_begin(struct vmc_out *out, const char *tag, uint32_t version)
{
	char name[TAG_SIZE] = "";
	size_t at = out->len;

	memcpy(name, tag, strnlen(tag, TAG_SIZE));
	vmc_out_bytes(out, name, TAG_SIZE);
	vmc_out_u32(out, version);
	vmc_out_u64(out, 0); /* length and checksum: section_end() */
	vmc_out_u64(out, 0);
	return at;
}

static void section_end(struct vmc_out *out, size_t at)
{
	uint64_t len, sum;

	if (out->failed)
		return;
	len = out->len - at - HEADER_SIZE;
	sum = XXH3_64bits(out->data + at + HEADER_SIZE, len);
	for (size_t i = 0; i < 8; i++) {
		out->data[at + TAG_SIZE + 4 + i] = (uint8_t)(len >> (8 * i));
		out->data[at + TAG_SIZE + 12 + i] = (uint8_t)(sum >> (8 * i));
	}
}

static int save_vcpu(struct vmc_vcpu *vcpu, void *arg)
{
	return vcpu_state_save(vcpu, arg);
}

static int save_vcpu_section(struct vmc_vcpu *vcpu, struct vmc_out *out, const char *tag)
{
	size_t at = section_begin(out, tag, 1);
	int rc;

	if (!vcpu->vm->cfg.managed)
		vcpu_finish_io(vcpu);
	rc = vcpu_call(vcpu, save_vcpu, out);
	section_end(out, at);
	return rc < 0 ? vmc_fail(vcpu->vm, rc, "save vCPU %u: %s", vcpu->index, strerror(-rc)) : 0;
}

static uint32_t save_devices(struct vmc_vm *vm, struct vmc_out *out)
{
	uint32_t count = 0;

	vmc_device_lock(vm);
	for (size_t i = 0; i < vm->ndevices; i++) {
		const struct device *d = &vm->devices[i];
		char tag[TAG_SIZE + 16];
		size_t at;

		if (!d->ops->save)
			continue;
		snprintf(tag, sizeof(tag), "dev:%s", d->id);
		at = section_begin(out, tag, d->ops->version);
		d->ops->save(d->dev, out);
		section_end(out, at);
		count++;
	}
	vmc_device_unlock(vm);
	return count;
}

static int save_machine(struct vmc_vm *vm, struct vmc_out *out, uint32_t *count)
{
	static const struct {
		const char *tag;
		int (*save)(struct vmc_vm *vm, struct vmc_out *out);
		bool irqchip;
	} parts[] = { { "cpuid", cpuid_save, false }, { "irqchip", irqchip_save, true },
		{ "pit", pit_save, true }, { "clock", clock_save, false } };
	char tag[TAG_SIZE];
	int rc = 0;

	for (uint32_t i = 0; rc == 0 && i < VMC_MAX_VCPUS; i++) {
		if (!vm->vcpus[i])
			continue;
		snprintf(tag, sizeof(tag), "vcpu%u", i);
		rc = save_vcpu_section(vm->vcpus[i], out, tag);
		++*count;
	}
	for (size_t i = 0; rc == 0 && i < sizeof(parts) / sizeof(parts[0]); i++) {
		size_t at;

		if (parts[i].irqchip && !vm->has_irqchip)
			continue;
		at = section_begin(out, parts[i].tag, 1);
		rc = parts[i].save(vm, out);
		section_end(out, at);
		++*count;
	}
	return rc;
}

static int not_running(struct vmc_vm *vm, const char *what)
{
	if (run_is_still(vm))
		return 0;
	return vmc_fail(vm, -EINVAL, "%s: the VM is running; pause it first", what);
}

static int finish(struct vmc_vm *vm, const struct vmc_out *out, int rc)
{
	return rc == 0 && out->failed ? vmc_fail(vm, -ENOMEM, "save the state: out of memory") : rc;
}

int vmc_state_save(struct vmc_vm *vm, struct vmc_out *out)
{
	int rc = not_running(vm, "save the state");
	uint32_t count;
	size_t at;

	if (rc < 0)
		return rc;
	/* vCPUs are out; quiet the devices, save them, and only then take the interrupts they made. */
	run_quiesce(vm);
	at = frame_begin(out);
	count = save_devices(vm, out);
	if (vm->has_irqchip)
		irq_flush(vm);
	rc = save_machine(vm, out, &count);
	frame_end(out, at, count);
	return finish(vm, out, rc);
}

int vmc_snapshot_devices(struct vmc_vm *vm, struct vmc_out *out)
{
	int rc = not_running(vm, "save the devices");
	size_t at;

	if (rc < 0)
		return rc;
	run_quiesce(vm);
	at = frame_begin(out);
	frame_end(out, at, save_devices(vm, out));
	return finish(vm, out, 0);
}

/* ---- reading ---- */

static int bad(struct vmc_vm *vm, const char *tag, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
static int bad(struct vmc_vm *vm, const char *tag, const char *fmt, ...)
{
	char text[200];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	return vmc_fail(vm, -EBADMSG, "saved state, section \"%s\": %s", tag, text);
}

static bool tag_ok(const char *tag)
{
	size_t len = strlen(tag);

	return len > 0 && strspn(tag, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._:-") == len;
}

static int read_section(struct vmc_vm *vm, struct vmc_in *in, struct sections *all)
{
	struct section *s = &all->s[all->count];
	uint64_t len, sum;

	memset(s, 0, sizeof(*s));
	vmc_in_bytes(in, s->tag, TAG_SIZE);
	s->version = vmc_in_u32(in);
	len = vmc_in_u64(in);
	sum = vmc_in_u64(in);
	if (in->error)
		return vmc_fail(vm, -EBADMSG, "saved state: it ends in the header of section %u", all->count);
	if (!tag_ok(s->tag))
		return vmc_fail(vm, -EBADMSG, "saved state: section %u has a damaged name", all->count);
	if (len > in->len - in->pos)
		return bad(vm, s->tag, "truncated: %" PRIu64 " bytes announced, %zu there", len,
			in->len - in->pos);
	s->data = in->data + in->pos;
	s->len = (size_t)len;
	in->pos += s->len;
	if (XXH3_64bits(s->data, s->len) != sum)
		return bad(vm, s->tag, "damaged: the checksum does not match");
	for (uint32_t i = 0; i < all->count; i++)
		if (strcmp(all->s[i].tag, s->tag) == 0)
			return bad(vm, s->tag, "it is there twice");
	all->count++;
	return 0;
}

static int read_frame(struct vmc_vm *vm, const void *data, size_t len, struct sections *all)
{
	char magic[8];
	uint32_t format, count;
	struct vmc_in in;
	int rc = 0;

	all->count = 0;
	vmc_in_init(&in, data, len);
	vmc_in_bytes(&in, magic, sizeof(magic));
	format = vmc_in_u32(&in);
	count = vmc_in_u32(&in);
	if (in.error || memcmp(magic, MAGIC, sizeof(magic)) != 0)
		return vmc_fail(vm, -EBADMSG, "saved state: this is none (it does not begin with " MAGIC ")");
	if (format != FORMAT)
		return vmc_fail(vm, -ENOTSUP, "saved state: format %u, this program reads format %u", format,
			FORMAT);
	if (count > MAX_SECTIONS)
		return vmc_fail(vm, -EBADMSG, "saved state: %u sections, %u are possible", count, MAX_SECTIONS);
	for (uint32_t i = 0; rc == 0 && i < count; i++)
		rc = read_section(vm, &in, all);
	if (rc == 0 && in.pos != in.len)
		rc = vmc_fail(vm, -EBADMSG, "saved state: %zu bytes after the last section", in.len - in.pos);
	return rc;
}

static const struct section *get(const struct sections *all, const char *tag)
{
	for (uint32_t i = 0; i < all->count; i++)
		if (strcmp(all->s[i].tag, tag) == 0)
			return &all->s[i];
	return NULL;
}

static const struct section *get_vcpu(const struct sections *all, uint32_t index)
{
	char tag[TAG_SIZE];

	snprintf(tag, sizeof(tag), "vcpu%u", index);
	return get(all, tag);
}

static const struct section *get_device(const struct sections *all, const struct device *d)
{
	char tag[sizeof(d->id) + 8];

	snprintf(tag, sizeof(tag), "dev:%s", d->id);
	return get(all, tag);
}

static int check_devices(struct vmc_vm *vm, const struct sections *all, uint32_t *known)
{
	for (size_t i = 0; i < vm->ndevices; i++) {
		const struct device *d = &vm->devices[i];
		const struct section *s = get_device(all, d);

		if (!d->ops->save)
			continue;
		if (!s)
			return vmc_fail(vm, -EBADMSG, "saved state: section \"dev:%s\" is missing", d->id);
		if (!s->version || s->version > d->ops->version)
			return bad(vm, s->tag, "version %u, this program reads 1 to %u", s->version,
				d->ops->version);
		++*known;
	}
	return 0;
}

static int check_part(struct vmc_vm *vm, const struct sections *all, const char *tag,
	int (*load)(struct vmc_vm *vm, struct vmc_in *in, bool apply), bool apply)
{
	const struct section *s = get(all, tag);
	struct vmc_in in;

	if (!s)
		return vmc_fail(vm, -EBADMSG, "saved state: section \"%s\" is missing", tag);
	if (s->version != 1)
		return bad(vm, tag, "version %u, this program reads version 1", s->version);
	vmc_in_init(&in, s->data, s->len);
	load(vm, &in, apply);
	if (vmc_in_end(&in) < 0)
		return bad(vm, tag, "%s", in.message);
	return 0;
}

static int check_machine(struct vmc_vm *vm, const struct sections *all, uint32_t *known)
{
	char err[160];
	int rc = 0;

	/* First: what its CPU lacks says more than the register that it refuses. Older states do not tell. */
	if (get(all, "cpuid")) {
		rc = check_part(vm, all, "cpuid", cpuid_load, false);
		++*known;
	}
	if (rc < 0)
		return rc;
	for (uint32_t i = 0; i < VMC_MAX_VCPUS; i++) {
		const struct section *s = get_vcpu(all, i);

		if (!s && !vm->vcpus[i])
			continue;
		if (!s || !vm->vcpus[i])
			return vmc_fail(vm, -EBADMSG, "saved state, section \"vcpu%u\": %s", i,
				s ? "this VM has no such vCPU" : "it is missing");
		if (s->version != 1)
			return bad(vm, s->tag, "version %u, this program reads version 1", s->version);
		if (vcpu_state_check(vm->vcpus[i], s->data, s->len, err, sizeof(err)) < 0)
			return bad(vm, s->tag, "%s", err);
		++*known;
	}
	if (vm->has_irqchip) {
		*known += 2;
		rc = check_part(vm, all, "irqchip", irqchip_load, false);
		if (rc == 0)
			rc = check_part(vm, all, "pit", pit_load, false);
	}
	++*known;
	return rc < 0 ? rc : check_part(vm, all, "clock", clock_load, false);
}

static int check_all(struct vmc_vm *vm, const void *data, size_t len, struct sections *all, bool machine)
{
	int rc = read_frame(vm, data, len, all);
	uint32_t known = 0;

	if (rc == 0 && machine)
		rc = check_machine(vm, all, &known);
	if (rc == 0)
		rc = check_devices(vm, all, &known);
	if (rc == 0 && known != all->count)
		rc = vmc_fail(vm, -EBADMSG, "saved state: it has %u sections, this VM has %u", all->count,
			known);
	return rc;
}

/* ---- applying ---- */

struct vcpu_load {
	const struct section *s;
	uint64_t elapsed_ns;
};

static int load_vcpu(struct vmc_vcpu *vcpu, void *arg)
{
	const struct vcpu_load *l = arg;

	return vcpu_state_load(vcpu, l->s->data, l->s->len, l->elapsed_ns);
}

static int apply_vcpu(struct vmc_vcpu *vcpu, const struct section *s, uint64_t elapsed_ns)
{
	struct vcpu_load l = { s, elapsed_ns };
	char why[200];
	int rc;

	if (!vcpu->vm->cfg.managed)
		vcpu_finish_io(vcpu);
	rc = vcpu_call(vcpu, load_vcpu, &l);
	if (rc == 0)
		return 0;
	snprintf(why, sizeof(why), "%s", vmc_error(vcpu->vm));
	return vmc_fail(vcpu->vm, rc, "saved state, section \"%s\": %s", s->tag, why);
}

static int apply_machine(struct vmc_vm *vm, const struct sections *all)
{
	const struct section *clock = get(all, "clock");
	uint64_t elapsed = clock_elapsed_ns(clock->data, clock->len);
	int rc = 0;

	if (vm->has_irqchip) {
		rc = check_part(vm, all, "irqchip", irqchip_load, true);
		if (rc == 0)
			rc = check_part(vm, all, "pit", pit_load, true);
	}
	/* The clock twice: the vCPUs' MSRs make KVM write the wall clock, which it takes from it, and then their
	 * TSCs give it a new base. */
	if (rc == 0)
		rc = check_part(vm, all, "clock", clock_load, true);
	for (uint32_t i = 0; rc == 0 && i < VMC_MAX_VCPUS; i++)
		if (vm->vcpus[i])
			rc = apply_vcpu(vm->vcpus[i], get_vcpu(all, i), elapsed);
	return rc < 0 ? rc : check_part(vm, all, "clock", clock_load, true);
}

static int apply_devices(struct vmc_vm *vm, const struct sections *all)
{
	int rc = 0;

	vmc_device_lock(vm);
	for (size_t i = 0; rc == 0 && i < vm->ndevices; i++) {
		const struct device *d = &vm->devices[i];
		const struct section *s = d->ops->save ? get_device(all, d) : NULL;
		struct vmc_in in;

		if (!s || !d->ops->load)
			continue;
		vmc_in_init(&in, s->data, s->len);
		rc = d->ops->load(d->dev, &in, s->version);
		if (rc == 0)
			rc = vmc_in_end(&in);
		if (rc < 0)
			vmc_fail(vm, rc, "saved state, section \"%s\": %s", s->tag,
				in.message[0] ? in.message : strerror(-rc));
	}
	vmc_device_unlock(vm);
	return rc;
}

static int apply(struct vmc_vm *vm, const struct sections *all, bool machine)
{
	int rc = machine ? apply_machine(vm, all) : 0;

	return rc < 0 ? rc : apply_devices(vm, all);
}

/* Check, keep what is, apply; when that fails put back what was. @memory_fd: RAM to go with it, or -1. */
static int load(struct vmc_vm *vm, const void *data, size_t len, bool machine, int memory_fd)
{
	struct sections *all = malloc(sizeof(*all));
	struct mem_swap *swap = NULL;
	struct vmc_out old;
	char why[300];
	int rc;

	if (!all)
		return vmc_fail(vm, -ENOMEM, "load the state: out of memory");
	vmc_out_init(&old);
	rc = check_all(vm, data, len, all, machine);
	if (rc == 0)
		rc = machine ? vmc_state_save(vm, &old) : vmc_snapshot_devices(vm, &old);
	/* After the old devices were saved (they may write memory), before the new ones look at it. */
	if (rc == 0 && memory_fd >= 0)
		rc = mem_swap_in(vm, memory_fd, &swap);
	if (rc == 0) {
		rc = apply(vm, all, machine);
		if (rc < 0) {
			snprintf(why, sizeof(why), "%s", vmc_error(vm));
			if (swap)
				mem_swap_back(vm, swap);
			swap = NULL;
			if (check_all(vm, old.data, old.len, all, machine) < 0 ||
				apply(vm, all, machine) < 0)
				vmc_fail(vm, rc, "%s; and the old state could not be put back", why);
			else
				vmc_fail(vm, rc, "%s", why);
		}
	}
	if (swap)
		mem_swap_done(vm, swap);
	vmc_out_free(&old);
	free(all);
	return rc;
}

int vmc_state_check(struct vmc_vm *vm, const void *data, size_t len)
{
	struct sections *all = malloc(sizeof(*all));
	int rc;

	if (!all)
		return vmc_fail(vm, -ENOMEM, "check the state: out of memory");
	rc = check_all(vm, data, len, all, true);
	free(all);
	return rc;
}

static int load_all(struct vmc_vm *vm, const void *data, size_t len, int memory_fd)
{
	int rc = not_running(vm, "load the state");

	if (rc == 0)
		rc = load(vm, data, len, true, memory_fd);
	if (rc < 0)
		return rc;
	run_revive(vm);
	return 0;
}

int vmc_state_load(struct vmc_vm *vm, const void *data, size_t len)
{
	return load_all(vm, data, len, -1);
}

int vmc_state_load_with_memory(struct vmc_vm *vm, const void *data, size_t len, int memory_fd)
{
	return load_all(vm, data, len, memory_fd);
}

int vmc_restore_devices(struct vmc_vm *vm, const void *data, size_t len)
{
	int rc = not_running(vm, "load the devices");

	return rc < 0 ? rc : load(vm, data, len, false, -1);
}

/* ---- one vCPU alone ---- */

int vmc_vcpu_snapshot(struct vmc_vcpu *vcpu, void **out, size_t *len)
{
	struct vmc_out buf;
	int rc = not_running(vcpu->vm, "save a vCPU");
	size_t at;

	*out = NULL;
	*len = 0;
	if (rc < 0)
		return rc;
	vmc_out_init(&buf);
	at = frame_begin(&buf);
	rc = save_vcpu_section(vcpu, &buf, "vcpu");
	frame_end(&buf, at, 1);
	rc = finish(vcpu->vm, &buf, rc);
	if (rc < 0) {
		vmc_out_free(&buf);
		return rc;
	}
	*out = buf.data;
	*len = buf.len;
	return 0;
}

int vmc_vcpu_restore(struct vmc_vcpu *vcpu, const void *blob, size_t len)
{
	struct vmc_vm *vm = vcpu->vm;
	struct sections *all;
	const struct section *s;
	char err[160];
	int rc = not_running(vm, "restore a vCPU");

	if (rc < 0)
		return rc;
	all = malloc(sizeof(*all));
	if (!all)
		return vmc_fail(vm, -ENOMEM, "restore a vCPU: out of memory");
	rc = read_frame(vm, blob, len, all);
	s = rc == 0 ? get(all, "vcpu") : NULL;
	if (rc == 0 && (!s || all->count != 1 || s->version != 1))
		rc = vmc_fail(vm, -EBADMSG, "this is not the state of one vCPU");
	if (rc == 0 && vcpu_state_check(vcpu, s->data, s->len, err, sizeof(err)) < 0)
		rc = bad(vm, s->tag, "%s", err);
	if (rc == 0)
		rc = apply_vcpu(vcpu, s, 0);
	free(all);
	return rc;
}
