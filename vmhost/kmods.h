/*
 * kmods.h - the modules of a running Linux kernel: where each is, and its functions.
 *
 * The kernel's list of modules is walked in guest memory; what lies where in struct module comes from the types that
 * the kernel carries (btf.h), so 6.1 (core_layout) and 6.4 and newer (mem[]) are alike. All of it is the guest's:
 * copied once, checked, then used; lists, tables and the memory for them are bounded. Main thread.
 */
#ifndef VMHOST_KMODS_H
#define VMHOST_KMODS_H
#include "vmhost/ksyms.h"

/** Where the kernel says these are: its symbols of the same names. */
struct kmods_at {
	uint64_t modules, start_btf, stop_btf;
};

struct kmods;
/** kmods_new() - @src reads any kernel address (its start and end are not used). The list is read by kmods_refresh().
 * Return: 0, -ENOTSUP: no types, or not as known; -ENOMEM. */
int kmods_new(const struct ksyms_source *src, const struct kmods_at *at, struct kmods **out);
void kmods_free(struct kmods *m);
/** kmods_refresh() - read the list anew; symbols of modules that stayed are kept. */
void kmods_refresh(struct kmods *m, const struct ksyms_source *src);
size_t kmods_count(const struct kmods *m);
/** kmods_find() - "virtblk_done+0x2c [virtio_blk]", or "[virtio_blk]+0x2c" where its functions have no names. A module's
 * symbols are read when the first of them is wanted. Return: 0, -ENOENT. */
int kmods_find(struct kmods *m, const struct ksyms_source *src, uint64_t gva, char *out, size_t size);
/** kmods_lookup() - the address of a symbol of any module; 0: there is none. */
uint64_t kmods_lookup(struct kmods *m, const struct ksyms_source *src, const char *name);
#endif
