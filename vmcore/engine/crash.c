/*
 * crash.c - saying what happened to a vCPU that cannot go on: what KVM said, the instruction bytes, the
 * registers. For people: it goes to the log and on the screen. On the thread that runs the vCPU.
 */
#include "vmcore/engine/internal.h"

#include <cpuid.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CPUID_VMX	  (1u << 5) /* CPUID.1:ECX */
#define CPUID_SVM (1u << 2) /* CPUID.80000001h:ECX */

static const char *suberror_name(uint32_t suberror)
{
	switch (suberror) {
	case KVM_INTERNAL_ERROR_EMULATION:
		return "KVM cannot emulate this instruction";
	case KVM_INTERNAL_ERROR_SIMUL_EX:
		return "exceptions at the same time";
	case KVM_INTERNAL_ERROR_DELIVERY_EV:
		return "an event could not be delivered";
	case KVM_INTERNAL_ERROR_UNEXPECTED_EXIT_REASON:
		return "an exit that KVM did not expect";
	default:
		return "an internal error of KVM";
	}
}

/* The bytes that KVM gives with an emulation failure (API.rst "KVM_EXIT_INTERNAL_ERROR"), else those
 * at RIP. Return: how many. */
static size_t instruction(struct vmc_vcpu *vcpu, uint8_t *bytes, size_t max)
{
	const struct kvm_run *run = vcpu->run;
	struct kvm_translation tr;
	struct kvm_regs regs;
	struct kvm_sregs sregs;
	size_t n;

	if (run->exit_reason == KVM_EXIT_INTERNAL_ERROR &&
		run->internal.suberror == KVM_INTERNAL_ERROR_EMULATION &&
		run->emulation_failure.ndata >= 3 &&
		(run->emulation_failure.flags & KVM_INTERNAL_ERROR_EMULATION_FLAG_INSTRUCTION_BYTES)) {
		n = run->emulation_failure.insn_size;
		n = n > sizeof(run->emulation_failure.insn_bytes)
			? sizeof(run->emulation_failure.insn_bytes) : n;
		n = n > max ? max : n;
		memcpy(bytes, run->emulation_failure.insn_bytes, n);
		if (n)
			return n;
	}
	if (kvm_call(vcpu->fd, KVM_GET_REGS, &regs) < 0 ||
		kvm_call(vcpu->fd, KVM_GET_SREGS, &sregs) < 0)
		return 0;
	tr.linear_address = sregs.cs.base + regs.rip;
	if (kvm_call(vcpu->fd, KVM_TRANSLATE, &tr) < 0 || !tr.valid)
		return 0;
	n = VMC_PAGE_SIZE - tr.physical_address % VMC_PAGE_SIZE;
	n = n > max ? max : n;
	return vmc_mem_read(vcpu->vm, tr.physical_address, bytes, n) == 0 ? n : 0;
}

void crash_line(struct vmc_vcpu *vcpu, int rc, char *out, size_t size)
{
	const struct kvm_run *run = vcpu->run;

	if (rc < 0)
		snprintf(out, size, "KVM_RUN: %s", strerror(-rc));
	else if (run->exit_reason == KVM_EXIT_INTERNAL_ERROR)
		snprintf(out, size, "%s (KVM_EXIT_INTERNAL_ERROR, suberror %u)",
			suberror_name(run->internal.suberror), run->internal.suberror);
	else if (run->exit_reason == KVM_EXIT_FAIL_ENTRY)
		snprintf(out, size, "the CPU refused to enter the guest (hardware reason %#llx)",
			(unsigned long long)run->fail_entry.hardware_entry_failure_reason);
	else
		snprintf(out, size, "KVM exit reason %u, which this VM does not handle", run->exit_reason);
}

/* A KVM without VMX or SVM under it runs the guest's kernel by its emulator, which knows but a part of the
 * instructions: what no hardware would stumble over stops the guest there. */
static bool kvm_is_software(void)
{
	unsigned a, b, c1 = 0, c2 = 0, d;

	__get_cpuid(1, &a, &b, &c1, &d);
	__get_cpuid(0x80000001, &a, &b, &c2, &d);
	return !(c1 & CPUID_VMX) && !(c2 & CPUID_SVM);
}

static void segment(FILE *f, const char *name, const struct kvm_segment *s)
{
	fprintf(f, "%s %04x base %016llx limit %08x type %x dpl %u %s\n", name, s->selector,
		(unsigned long long)s->base, s->limit, s->type, s->dpl,
		s->unusable ? "unusable" : s->l ? "64" : s->db ? "32" : "16");
}

static void registers(FILE *f, struct vmc_vcpu *vcpu)
{
	struct kvm_sregs s;
	struct kvm_regs r;

	if (kvm_call(vcpu->fd, KVM_GET_REGS, &r) < 0 || kvm_call(vcpu->fd, KVM_GET_SREGS, &s) < 0)
		return;
	fprintf(f, "rax %016llx rbx %016llx rcx %016llx rdx %016llx\n", r.rax, r.rbx, r.rcx, r.rdx);
	fprintf(f, "rsi %016llx rdi %016llx rsp %016llx rbp %016llx\n", r.rsi, r.rdi, r.rsp, r.rbp);
	fprintf(f, "r8  %016llx r9  %016llx r10 %016llx r11 %016llx\n", r.r8, r.r9, r.r10, r.r11);
	fprintf(f, "r12 %016llx r13 %016llx r14 %016llx r15 %016llx\n", r.r12, r.r13, r.r14, r.r15);
	fprintf(f, "rip %016llx rflags %llx efer %llx\n", r.rip, r.rflags, s.efer);
	fprintf(f, "cr0 %llx cr2 %llx cr3 %llx cr4 %llx\n", s.cr0, s.cr2, s.cr3, s.cr4);
	segment(f, "cs", &s.cs);
	segment(f, "ss", &s.ss);
	segment(f, "ds", &s.ds);
}

char *crash_text(struct vmc_vcpu *vcpu, int rc)
{
	char *text = NULL, line[200];
	uint8_t bytes[15];
	size_t len, n;
	FILE *f = open_memstream(&text, &len);

	if (!f)
		return NULL;
	crash_line(vcpu, rc, line, sizeof(line));
	fprintf(f, "vCPU %u stopped: %s\n", vcpu->index, line);
	if (vcpu->run->exit_reason == KVM_EXIT_INTERNAL_ERROR &&
		vcpu->run->internal.suberror == KVM_INTERNAL_ERROR_EMULATION && kvm_is_software())
		fputs("this host's KVM is software (its CPU has neither VMX nor SVM): stock kernels need hardware "
		      "virtualization\n", f);
	n = instruction(vcpu, bytes, sizeof(bytes));
	if (n) {
		fputs("instruction bytes:", f);
		for (size_t i = 0; i < n; i++)
			fprintf(f, " %02x", bytes[i]);
		fputc('\n', f);
	}
	registers(f, vcpu);
	fclose(f);
	return text;
}
