/*
 * cpufeat.c - see cpufeat.h. Where a feature is told: Intel SDM vol. 2A (2024) "CPUID", AMD APM vol. 3
 * (2024) appendix E, KVM's leaves by Linux 6.12 Documentation/virt/kvm/x86/cpuid.rst.
 */
#include "vmcore/engine/cpufeat.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CPU_NAME_MAX 40u /* no name is longer */

enum reg { EAX, EBX, ECX, EDX };

/* One register: its bits' names, as /proc/cpuinfo has them (what that leaves out: as Linux calls them). */
struct word {
	uint32_t function, index;
	enum reg reg;
	const char *bit[32];
};

static const struct word words[] = {
	{1, 0, EDX, {"fpu", "vme", "de", "pse", "tsc", "msr", "pae", "mce", "cx8", "apic", NULL, "sep",
		"mtrr", "pge", "mca", "cmov", "pat", "pse36", "pn", "clflush", NULL, "dts", "acpi",
		"mmx", "fxsr", "sse", "sse2", "ss", "ht", "tm", "ia64", "pbe"}},
	{1, 0, ECX, {"pni", "pclmulqdq", "dtes64", "monitor", "ds_cpl", "vmx", "smx", "est", "tm2",
		"ssse3", "cid", "sdbg", "fma", "cx16", "xtpr", "pdcm", NULL, "pcid", "dca",
		"sse4_1", "sse4_2", "x2apic", "movbe", "popcnt", "tsc_deadline_timer", "aes",
		"xsave", NULL /* osxsave: KVM's */, "avx", "f16c", "rdrand", "hypervisor"}},
	{6, 0, EAX, {NULL, NULL, "arat"}},
	{7, 0, EBX, {"fsgsbase", "tsc_adjust", "sgx", "bmi1", "hle", "avx2", "fdp_excptn_only", "smep",
		"bmi2", "erms", "invpcid", "rtm", "cqm", "zero_fcs_fds", "mpx", "rdt_a", "avx512f",
		"avx512dq", "rdseed", "adx", "smap", "avx512ifma", NULL, "clflushopt", "clwb",
		"intel_pt", "avx512pf", "avx512er", "avx512cd", "sha_ni", "avx512bw", "avx512vl"}},
	{7, 0, ECX, {"prefetchwt1", "avx512vbmi", "umip", "pku", NULL /* ospke: KVM's */, "waitpkg",
		"avx512_vbmi2", "shstk", "gfni", "vaes", "vpclmulqdq", "avx512_vnni",
		"avx512_bitalg", "tme", "avx512_vpopcntdq", NULL, "la57", NULL, NULL, NULL, NULL,
		NULL, "rdpid", NULL, "bus_lock_detect", "cldemote", NULL, "movdiri", "movdir64b",
		"enqcmd", "sgx_lc", "pks"}},
	{7, 0, EDX, {NULL, NULL, "avx512_4vnniw", "avx512_4fmaps", "fsrm", NULL, NULL, NULL,
		"avx512_vp2intersect", "srbds_ctrl", "md_clear", "rtm_always_abort", NULL,
		"tsx_force_abort", "serialize", NULL, "tsxldtrk", NULL, "pconfig", "arch_lbr",
		"ibt", NULL, "amx_bf16", "avx512_fp16", "amx_tile", "amx_int8", "spec_ctrl",
		"intel_stibp", "flush_l1d", "arch_capabilities", "core_capabilities",
		"spec_ctrl_ssbd"}},
	{7, 1, EAX, {NULL, NULL, NULL, NULL, "avx_vnni", "avx512_bf16", NULL, "cmpccxadd", NULL, NULL,
		"fzrm", "fsrs", "fsrc", NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, "amx_fp16",
		"hreset", "avx_ifma", NULL, NULL, "lam"}},
	{0xd, 1, EAX, {"xsaveopt", "xsavec", "xgetbv1", "xsaves", "xfd"}},
	{0x40000001, 0, EAX, {"kvmclock_old", "kvm_nopiodelay", "kvm_mmu", "kvmclock", "kvm_asyncpf",
		"kvm_steal_time", "kvm_pv_eoi", "kvm_pv_unhalt", NULL, "kvm_pv_tlb_flush",
		"kvm_asyncpf_vmexit", "kvm_pv_send_ipi", "kvm_poll_control", "kvm_pv_sched_yield",
		"kvm_asyncpf_int", "kvm_msi_ext_dest_id", "kvm_hc_map_gpa_range",
		"kvm_migration_control", NULL, NULL, NULL, NULL, NULL, NULL,
		"kvmclock_stable"}},
	{0x80000001, 0, EDX, {NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
		"syscall", NULL, NULL, NULL, NULL, NULL, NULL, NULL, "mp", "nx", NULL, "mmxext",
		NULL, NULL, "fxsr_opt", "pdpe1gb", "rdtscp", NULL, "lm", "3dnowext", "3dnow"}},
	{0x80000001, 0, ECX, {"lahf_lm", "cmp_legacy", "svm", "extapic", "cr8_legacy", "abm", "sse4a",
		"misalignsse", "3dnowprefetch", "osvw", "ibs", "xop", "skinit", "wdt", NULL, "lwp",
		"fma4", "tce", NULL, "nodeid_msr", NULL, "tbm", "topoext", "perfctr_core",
		"perfctr_nb", NULL, "bpext", "ptsc", "perfctr_llc", "mwaitx"}},
	{0x80000007, 0, EDX, {NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, "nonstop_tsc"}},
	{0x80000008, 0, EBX, {"clzero", "irperf", "xsaveerptr", NULL, "rdpru", NULL, NULL, NULL, NULL,
		"wbnoinvd", NULL, NULL, "amd_ibpb", NULL, "amd_ibrs", "amd_stibp", NULL,
		"amd_stibp_always_on", NULL, NULL, NULL, NULL, NULL, "amd_ppin", "amd_ssbd",
		"virt_ssbd", "amd_ssb_no", NULL, "amd_psfd", "btc_no"}},
};
#define NWORDS (sizeof(words) / sizeof(words[0]))

/* AMD tells the bits 0-9, 12-17, 23 and 24 of leaf 1 EDX again in leaf 0x80000001. */
#define AMD_TOLD_TWICE 0x0183f3ffu

/* x86-64-v2 (System V ABI, x86-64 psABI 1.0 §3.1.1) and what guests here start with. */
static const char *const baseline[] = {"fpu", "tsc", "msr", "pae", "cx8", "apic", "cmov", "mmx", "fxsr",
	"sse", "sse2", "pni", "ssse3", "cx16", "sse4_1", "sse4_2", "popcnt", "syscall", "nx", "lm",
	"lahf_lm", NULL};
/* What nearly every host has for an operating system, and what KVM has without the host's help. */
static const char *const baseline_optional[] = {"vme", "de", "pse", "mce", "sep", "mtrr", "pge", "mca",
	"pat", "pse36", "clflush", "ht", "x2apic", "tsc_deadline_timer", "hypervisor", "arat",
	"cmp_legacy", "topoext", "kvmclock_old", "kvm_nopiodelay", "kvmclock", "kvm_asyncpf",
	"kvm_steal_time", "kvm_pv_eoi", "kvm_pv_unhalt", "kvm_pv_tlb_flush", "kvm_pv_send_ipi",
	"kvm_asyncpf_int", "kvmclock_stable", NULL};

/* Leaves that tell of no feature and stay: identity, caches, topology, address sizes, TSC. */
static bool baseline_keeps(uint32_t function)
{
	static const uint32_t keep[] = {0, 2, 4, 0xb, 0x15, 0x16, 0x1f, 0x40000000, 0x40000010,
		0x80000000, 0x80000002, 0x80000003, 0x80000004, 0x80000005, 0x80000006, 0x8000001d,
		0x8000001e};

	for (size_t i = 0; i < sizeof(keep) / sizeof(keep[0]); i++)
		if (keep[i] == function)
			return true;
	return false;
}

/* What cannot be without another; a chain is followed by going through the table again. */
static const struct {
	const char *name, *needs;
} needs[] = {
	{"avx", "xsave"}, {"xsaveopt", "xsave"}, {"xsavec", "xsave"}, {"xgetbv1", "xsave"},
	{"xsaves", "xsavec"}, {"xfd", "xsave"}, {"pku", "xsave"}, {"mpx", "xsave"},
	{"avx2", "avx"}, {"fma", "avx"}, {"f16c", "avx"}, {"xop", "avx"}, {"fma4", "avx"},
	{"vaes", "avx"}, {"vpclmulqdq", "avx"}, {"avx_vnni", "avx2"}, {"avx_ifma", "avx2"},
	{"avx512f", "avx2"}, {"avx512dq", "avx512f"}, {"avx512ifma", "avx512f"},
	{"avx512pf", "avx512f"}, {"avx512er", "avx512f"}, {"avx512cd", "avx512f"},
	{"avx512bw", "avx512f"}, {"avx512vl", "avx512f"}, {"avx512vbmi", "avx512bw"},
	{"avx512_vbmi2", "avx512bw"}, {"avx512_vnni", "avx512f"}, {"avx512_bitalg", "avx512bw"},
	{"avx512_vpopcntdq", "avx512f"}, {"avx512_4vnniw", "avx512f"}, {"avx512_4fmaps", "avx512f"},
	{"avx512_vp2intersect", "avx512f"}, {"avx512_bf16", "avx512bw"}, {"avx512_fp16", "avx512bw"},
	{"amx_tile", "xfd"}, {"amx_int8", "amx_tile"}, {"amx_bf16", "amx_tile"},
	{"amx_fp16", "amx_tile"}, {"sse2", "sse"}, {"pni", "sse2"}, {"ssse3", "pni"},
	{"sse4_1", "ssse3"}, {"sse4_2", "sse4_1"}, {"aes", "sse2"}, {"pclmulqdq", "sse2"},
	{"sha_ni", "sse2"}, {"gfni", "sse2"}, {"xsave", "fxsr"}, {"sse", "fxsr"},
	{"kvmclock_stable", "kvmclock"}, {"kvm_asyncpf_vmexit", "kvm_asyncpf"},
	{"tsc_deadline_timer", "apic"}, {"x2apic", "apic"},
};

/* Components of the XSAVE area (leaf 0xd) and what they are for. */
static const struct {
	unsigned component;
	const char *name;
} components[] = {
	{2, "avx"}, {3, "mpx"}, {4, "mpx"}, {5, "avx512f"}, {6, "avx512f"}, {7, "avx512f"}, {9, "pku"},
	{17, "amx_tile"}, {18, "amx_tile"},
};
#define XCR0_ALWAYS 3u /* x87 and SSE */

struct kvm_cpuid_entry2 *cpu_entry(struct kvm_cpuid2 *list, uint32_t function, uint32_t index)
{
	for (uint32_t i = 0; i < list->nent; i++) {
		struct kvm_cpuid_entry2 *e = &list->entries[i];

		if (e->function == function &&
			(!(e->flags & KVM_CPUID_FLAG_SIGNIFCANT_INDEX) || e->index == index))
			return e;
	}
	return NULL;
}

static uint32_t *word_of(struct kvm_cpuid2 *list, const struct word *w)
{
	struct kvm_cpuid_entry2 *e = cpu_entry(list, w->function, w->index);

	if (!e)
		return NULL;
	return w->reg == EAX ? &e->eax : w->reg == EBX ? &e->ebx : w->reg == ECX ? &e->ecx : &e->edx;
}

static uint32_t value_of(const struct kvm_cpuid2 *list, const struct word *w)
{
	const uint32_t *v = word_of((struct kvm_cpuid2 *)list, w);

	return v ? *v : 0;
}

/* Where the feature of that name is; false: there is none. */
static bool find(const char *name, const struct word **w, unsigned *bit)
{
	for (size_t i = 0; i < NWORDS; i++)
		for (unsigned b = 0; b < 32; b++)
			if (words[i].bit[b] && strcmp(words[i].bit[b], name) == 0) {
				*w = &words[i];
				*bit = b;
				return true;
			}
	return false;
}

bool cpu_has(const struct kvm_cpuid2 *list, const char *name)
{
	const struct word *w;
	unsigned bit;

	return find(name, &w, &bit) && value_of(list, w) >> bit & 1;
}

static void set(struct kvm_cpuid2 *list, const char *name, bool on)
{
	const struct word *w;
	uint32_t *v;
	unsigned bit;

	if (!find(name, &w, &bit) || !(v = word_of(list, w)))
		return;
	*v = on ? *v | 1u << bit : *v & ~(1u << bit);
}

/* ---- the text ---- */

static int fail(char *err, size_t size, int rc, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
static int fail(char *err, size_t size, int rc, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(err, size, fmt, ap);
	va_end(ap);
	return rc;
}

/* How many letters must change to make one word of the other (Levenshtein); far: 99. */
static unsigned distance(const char *a, const char *b)
{
	unsigned row[CPU_NAME_MAX + 1], n = (unsigned)strlen(b);

	if (strlen(a) > CPU_NAME_MAX || n > CPU_NAME_MAX)
		return 99;
	for (unsigned k = 0; k <= n; k++)
		row[k] = k;
	for (unsigned i = 1; a[i - 1]; i++) {
		unsigned corner = row[0];

		row[0] = i;
		for (unsigned k = 1; k <= n; k++) {
			unsigned best = corner + (a[i - 1] != b[k - 1]);

			corner = row[k];
			best = row[k] + 1 < best ? row[k] + 1 : best;
			row[k] = row[k - 1] + 1 < best ? row[k - 1] + 1 : best;
		}
	}
	return row[n];
}

/* The names that come nearest to what was written, at most three. */
static int unknown(const char *name, char *err, size_t size)
{
	const char *near[3] = {NULL};
	unsigned far[3] = {99, 99, 99};
	size_t i, k, at;

	for (i = 0; i < NWORDS * 32; i++) {
		const char *n = words[i / 32].bit[i % 32];
		unsigned d = n ? distance(name, n) : 99;

		for (k = 0; k < 3 && far[k] <= d; k++)
			;
		for (at = 2; k < 3 && at > k; at--) {
			near[at] = near[at - 1];
			far[at] = far[at - 1];
		}
		if (k < 3) {
			near[k] = n;
			far[k] = d;
		}
	}
	if (!near[2])
		return fail(err, size, -EINVAL, "\"%s\" is no CPU feature; /proc/cpuinfo has the names",
			name);
	return fail(err, size, -EINVAL,
		"\"%s\" is no CPU feature (names are those of /proc/cpuinfo); near it are %s, %s and %s",
		name, near[0], near[1], near[2]);
}

/* Guests begin in long mode, with a local APIC, and page as it wants; what is nested is in no saved state. */
static int fixed(const char *name, bool on, char *err, size_t size)
{
	static const char *const always[] = {"lm", "pae", "msr", "apic", "fpu", "pse"};

	if (on && (strcmp(name, "vmx") == 0 || strcmp(name, "svm") == 0))
		return fail(err, size, -EINVAL,
			"%s: guests have no virtualization of their own, for a snapshot could not hold it",
			name);
	for (size_t i = 0; !on && i < sizeof(always) / sizeof(always[0]); i++)
		if (strcmp(name, always[i]) == 0)
			return fail(err, size, -EINVAL, "%s cannot be taken away: no guest here starts"
							" without it",
				name);
	return 0;
}

/* Calls @each for every word with a sign. The first may be a model: @base. */
static int walk(const char *text, bool *base, char *err, size_t size,
	int (*each)(void *arg, const char *name, bool on, char *err, size_t size), void *arg)
{
	char word[CPU_NAME_MAX + 2];
	bool first = true;
	int rc = 0;

	*base = false;
	if (!*text)
		return fail(err, size, -EINVAL, "empty; write host, baseline or host,-avx2,+aes");
	for (; rc == 0; text++, first = false) {
		size_t len = strcspn(text, ",");
		const struct word *w;
		unsigned bit;

		if (len >= sizeof(word))
			return fail(err, size, -EINVAL, "\"%.40s...\" is no CPU feature", text);
		memcpy(word, text, len);
		word[len] = '\0';
		if (first && (strcmp(word, "host") == 0 || strcmp(word, "baseline") == 0))
			*base = word[0] == 'b';
		else if (word[0] != '+' && word[0] != '-')
			return fail(err, size, -EINVAL,
				first ? "\"%s\" is neither host nor baseline, nor +FEATURE or -FEATURE"
				      : "\"%s\" has no sign: write +FEATURE or -FEATURE",
				word);
		else if (!find(word + 1, &w, &bit))
			return unknown(word + 1, err, size);
		else
			rc = each(arg, word + 1, word[0] == '+', err, size);
		text += len;
		if (!*text)
			break;
	}
	return rc;
}

static int check_one(void *arg, const char *name, bool on, char *err, size_t size)
{
	return fixed(name, on, err, size);
}

int vmc_cpu_check(const char *text, char *err, size_t size)
{
	bool base;

	if (strlen(text) > VMC_CPU_MAX)
		return fail(err, size, -EINVAL, "longer than %u bytes", VMC_CPU_MAX);
	return walk(text, &base, err, size, check_one, NULL);
}

/* ---- making it so ---- */

struct choice {
	const struct kvm_cpuid2 *host; /* as it was */
	struct kvm_cpuid2 *list;
};

static int choose_one(void *arg, const char *name, bool on, char *err, size_t size)
{
	struct choice *c = arg;
	int rc = fixed(name, on, err, size);

	if (rc < 0)
		return rc;
	if (on && !cpu_has(c->host, name))
		return fail(err, size, -ENOTSUP, "this host (its CPU or its KVM) has no %s", name);
	set(c->list, name, on);
	return 0;
}

static int to_baseline(struct choice *c, char *err, size_t size)
{
	for (uint32_t i = 0; i < c->list->nent; i++) {
		struct kvm_cpuid_entry2 *e = &c->list->entries[i];

		if (e->function == 1)
			e->ecx = e->edx = 0;
		else if (e->function == 0x80000001)
			e->ecx = e->edx = 0;
		else if (e->function == 0x80000008)
			e->ebx = 0;
		else if (e->function == 0xd) /* settle_xsave() does the rest */
			e->eax = e->index == 1 ? 0 : e->eax;
		else if (!baseline_keeps(e->function))
			e->eax = e->ebx = e->ecx = e->edx = 0;
	}
	for (const char *const *n = baseline; *n; n++) {
		if (!cpu_has(c->host, *n))
			return fail(err, size, -ENOTSUP,
				"baseline is x86-64-v2, and this host (its CPU or its KVM) has no %s", *n);
		set(c->list, *n, true);
	}
	for (const char *const *n = baseline_optional; *n; n++)
		if (cpu_has(c->host, *n))
			set(c->list, *n, true);
	return 0;
}

/* Takes away what has lost what it needs. One pass a link of the longest chain. */
static void settle(struct kvm_cpuid2 *list)
{
	for (bool again = true; again;) {
		again = false;
		for (size_t i = 0; i < sizeof(needs) / sizeof(needs[0]); i++) {
			if (!cpu_has(list, needs[i].name) || cpu_has(list, needs[i].needs))
				continue;
			set(list, needs[i].name, false);
			again = true;
		}
	}
}

/* Leaf 0xd tells which parts of the XSAVE area there are and how large it gets: with a feature goes its part.
 * EBX of subleaves 0 and 1, the size for what is switched on, is KVM's, as the guest switches. */
static void settle_xsave(struct kvm_cpuid2 *list)
{
	struct kvm_cpuid_entry2 *top = cpu_entry(list, 0xd, 0);
	uint32_t xcr0 = XCR0_ALWAYS, end = 512 + 64;

	if (!top)
		return;
	for (size_t i = 0; i < sizeof(components) / sizeof(components[0]); i++)
		if (cpu_has(list, components[i].name))
			xcr0 |= 1u << components[i].component;
	xcr0 &= top->eax;
	if (!cpu_has(list, "xsave"))
		xcr0 = 0;
	for (uint32_t i = 0; i < list->nent; i++) {
		struct kvm_cpuid_entry2 *e = &list->entries[i];
		bool supervisor = e->ecx & 1, xsaves = cpu_has(list, "xsaves");

		if (e->function != 0xd || !e->index)
			continue;
		if (e->index == 1) {
			e->eax = xcr0 ? e->eax : 0;
			e->ecx = xsaves ? e->ecx : 0;
			e->edx = xsaves ? e->edx : 0;
		} else if (supervisor ? !xsaves : e->index < 32 && !(xcr0 >> e->index & 1)) {
			e->eax = e->ebx = e->ecx = e->edx = 0;
		} else if (!supervisor && e->ebx + e->eax > end) {
			end = e->ebx + e->eax;
		}
	}
	top->eax = xcr0;
	top->edx = xcr0 ? top->edx : 0;
	top->ecx = xcr0 ? end : 0;
	top->ebx = xcr0 ? 512 + 64 : 0;
}

int cpu_choose(struct kvm_cpuid2 *list, const char *text, char *err, size_t size)
{
	size_t bytes = sizeof(*list) + list->nent * sizeof(list->entries[0]);
	struct kvm_cpuid2 *host = malloc(bytes);
	struct choice c = {host, list};
	struct kvm_cpuid_entry2 *one = cpu_entry(list, 1, 0), *ext = cpu_entry(list, 0x80000001, 0);
	bool base, twice = ext && ext->edx & AMD_TOLD_TWICE;
	int rc;

	if (!host)
		return fail(err, size, -ENOMEM, "out of memory");
	memcpy(host, list, bytes);
	rc = walk(text, &base, err, size, check_one, NULL);
	if (rc == 0 && base)
		rc = to_baseline(&c, err, size);
	if (rc == 0)
		rc = walk(text, &base, err, size, choose_one, &c);
	free(host);
	if (rc < 0)
		return rc;
	settle(list);
	settle_xsave(list);
	if (one && twice)
		ext->edx = (ext->edx & ~AMD_TOLD_TWICE) | (one->edx & AMD_TOLD_TWICE);
	return 0;
}

unsigned cpu_lacking(
	const struct kvm_cpuid2 *want, const struct kvm_cpuid2 *have, char *names, size_t size)
{
	unsigned n = 0;
	size_t len = 0;

	names[0] = '\0';
	for (size_t i = 0; i < NWORDS; i++) {
		uint32_t gone = value_of(want, &words[i]) & ~value_of(have, &words[i]);

		for (unsigned b = 0; b < 32; b++) {
			if (!(gone >> b & 1) || !words[i].bit[b])
				continue;
			n++;
			if (len + strlen(words[i].bit[b]) + 2 < size)
				len += (size_t)snprintf(names + len, size - len, "%s%s",
					len ? " " : "", words[i].bit[b]);
		}
	}
	return n;
}
