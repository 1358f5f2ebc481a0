/*
 * error.c - messages of failed calls. Each thread keeps its own last messages, so that a vCPU thread
 * never overwrites what the owner is about to read. Any thread.
 */
#include "vmcore/engine/internal.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define KEPT 4 /* VMs that one thread may hold messages of */

struct kept {
	uint64_t serial; /* of the VM, 0: free */
	char text[400];
};

static __thread struct kept kept[KEPT];
static __thread unsigned next_kept;

static struct kept *find(uint64_t serial)
{
	for (unsigned i = 0; i < KEPT; i++)
		if (kept[i].serial == serial)
			return &kept[i];
	return NULL;
}

const char *vmc_error(const struct vmc_vm *vm)
{
	const struct kept *k = vm ? find(vm->serial) : NULL;

	return k ? k->text : "";
}

int vmc_fail(struct vmc_vm *vm, int rc, const char *fmt, ...)
{
	char text[sizeof(kept[0].text)]; /* the arguments may point at the message it replaces */
	struct kept *k;
	va_list ap;

	if (!vm)
		return rc;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	k = find(vm->serial);
	if (!k) {
		k = &kept[next_kept++ % KEPT];
		k->serial = vm->serial;
	}
	memcpy(k->text, text, sizeof(text));
	return rc;
}

int fail_kvm(struct vmc_vm *vm, int rc, const char *what)
{
	return vmc_fail(vm, rc, "%s: %s", what, strerror(-rc));
}
