/*
 * fake_kvm.h - a KVM that remembers what it is told and fails when a test wants it to. For tests of error paths and for
 * fuzzing, without /dev/kvm. Not for threads.
 */
#ifndef TESTS_FAKE_KVM_H
#define TESTS_FAKE_KVM_H
#include <stdbool.h>
#include <stdint.h>

#include "vmcore/engine/kvm.h"

/** fake_kvm_install() - from now on the engine talks to the fake; forgets everything. */
void fake_kvm_install(void);
/** fake_kvm_fail() - the @nth call (1: the next) of @request fails with @rc; 0 for no request: any call. */
void fake_kvm_fail(unsigned long request, unsigned nth, int rc);
/** fake_kvm_calls() - calls since the last fake_kvm_fail() or install. */
unsigned fake_kvm_calls(void);
/** fake_kvm_failed() - the request that was made to fail, 0: none yet. */
unsigned long fake_kvm_failed(void);
/** fake_kvm_name() - of a request. */
const char *fake_kvm_name(unsigned long request);
/** fake_kvm_set_cap() - what KVM_CHECK_EXTENSION answers. */
void fake_kvm_set_cap(int cap, int value);
/** fake_kvm_enabled() - args[0] of the KVM_ENABLE_CAP for @cap, -1: never enabled. */
int64_t fake_kvm_enabled(int cap);
/** fake_kvm_slot() - the last KVM_SET_USER_MEMORY_REGION of a slot; size 0: none. */
struct kvm_userspace_memory_region fake_kvm_slot(unsigned slot);
/** fake_kvm_dirty() - what KVM_GET_DIRTY_LOG gives of a slot from now on (first 64 pages). */
void fake_kvm_dirty(unsigned slot, uint64_t bits);
/** fake_kvm_on_run() - called by KVM_RUN; its answer is KVM_RUN's. */
void fake_kvm_on_run(int (*fn)(struct kvm_run *run));
/** fake_kvm_stored() - a checksum of everything that was set by KVM_SET_... */
uint64_t fake_kvm_stored(void);
/** fake_kvm_cpuid() - what KVM_GET_SUPPORTED_CPUID gives from now on; borrowed. NULL: a few leaves. */
void fake_kvm_cpuid(const struct kvm_cpuid2 *list);
/** fake_kvm_ring() - the dirty ring of the last vCPU. */
struct kvm_dirty_gfn *fake_kvm_ring(void);
#endif
