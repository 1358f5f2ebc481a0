/*
 * ksyms.h - the symbols of a running Linux kernel, from the tables that it keeps of itself (CONFIG_KALLSYMS).
 *
 * A stock kernel is a packed file without symbols, and KASLR moves it; but its memory holds every name with its
 * address. What is read there is the guest's and may be anything: it is copied once and checked before it is used.
 * Layouts: kernels since 4.6 (relative addresses), as 6.1 has them (addresses before the names) and as 6.4 and
 * newer have them (after the tokens). Main thread.
 */
#ifndef VMHOST_KSYMS_H
#define VMHOST_KSYMS_H
#include <stddef.h>
#include <stdint.h>

/** A kernel's memory by virtual address. @read: 0, or negative when not all of it can be read. */
struct ksyms_source {
	int (*read)(void *arg, uint64_t gva, void *buf, size_t len);
	void *arg;
	uint64_t start, end; /* what is mapped lies in here */
};

#define KSYMS_NAME 128 /* longer names are cut */

struct ksyms;
/**
 * ksyms_scan() - look for the tables in [@gva, @gva + KSYMS_STEP); a call's work has a bound.
 * Return: 1 with @out, 0 not in there, -ENOMEM.
 */
#define KSYMS_STEP (1u << 20)
int ksyms_scan(const struct ksyms_source *src, uint64_t gva, struct ksyms **out);
void ksyms_free(struct ksyms *k);
size_t ksyms_count(const struct ksyms *k);
/** ksyms_find() - the function at @gva: "schedule+0x2c". Return: 0, -ENOENT. */
int ksyms_find(const struct ksyms *k, uint64_t gva, char *out, size_t size);
/** ksyms_lookup() - addresses of @n names (0: there is none), in one pass. */
void ksyms_lookup(const struct ksyms *k, const char *const *names, uint64_t *out, size_t n);

#endif
