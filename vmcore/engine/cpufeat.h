/*
 * cpufeat.h - CPU features by the names of /proc/cpuinfo, and the texts that choose among them ("host",
 * "baseline", "host,-avx2,+aes"). Pure but for @cpuid; any thread.
 */
#ifndef ENGINE_CPUFEAT_H
#define ENGINE_CPUFEAT_H
#include "vmcore/engine/internal.h"

/** cpu_entry() - a leaf of a list, NULL: it has none. @index counts only for leaves that have subleaves. */
struct kvm_cpuid_entry2 *cpu_entry(struct kvm_cpuid2 *list, uint32_t function, uint32_t index);

/** cpu_has() - does the list have the feature of that name (one of the table's)? */
bool cpu_has(const struct kvm_cpuid2 *list, const char *name);

/** cpu_choose() - make of what the host has (@list) what @text asks for. -EINVAL: the text is wrong, -ENOTSUP:
 * the host lacks something; both with a message. */
int cpu_choose(struct kvm_cpuid2 *list, const char *text, char *err, size_t size);

/** cpu_lacking() - the names of what @want has and @have lacks, with blanks between, as many as fit.
 * Return: how many. */
unsigned cpu_lacking(
	const struct kvm_cpuid2 *want, const struct kvm_cpuid2 *have, char *names, size_t size);

#endif
