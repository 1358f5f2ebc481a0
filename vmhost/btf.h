/*
 * btf.h - where the members of a kernel's structures are, by the type information that it carries (CONFIG_DEBUG_INFO_BTF).
 *
 * The format is that of the kernel's Documentation/bpf/btf.rst, version 1. The bytes are a guest's and may be anything:
 * btf_open() checks them, and every later call has a bound. Main thread.
 */
#ifndef VMHOST_BTF_H
#define VMHOST_BTF_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BTF_MAX (32u << 20) /* bytes; 4 MiB to 8 MiB are usual */

struct btf;
/** btf_open() - @data stays the caller's and must live as long. Return: 0, -EINVAL: makes no sense, -ENOMEM. */
int btf_open(const uint8_t *data, size_t len, struct btf **out);
void btf_free(struct btf *btf);

/** btf_struct() - the structure @name, after type @after (0: the first one). Return: its type, 0: no more. */
uint32_t btf_struct(const struct btf *btf, const char *name, uint32_t after);
/** btf_size() - of a structure, in bytes; 0: @type is none. */
uint32_t btf_size(const struct btf *btf, uint32_t type);

struct btf_member {
	uint32_t type; /* as declared; an array's element */
	uint32_t off;  /* bytes from the structure's beginning */
	uint32_t count; /* of an array; else 1 */
};
/** btf_member() - a member of a structure. Return: false: none of this name on a byte of its own. */
bool btf_member(const struct btf *btf, uint32_t type, const char *name, struct btf_member *out);
#endif
