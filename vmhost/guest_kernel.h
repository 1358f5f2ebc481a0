/*
 * guest_kernel.h - what is known of the Linux kernel that runs in the guest: where it is mapped, the symbols that it
 * keeps of itself (ksyms.h) and of its modules (kmods.h), its sections, and what it was told at boot. Main thread.
 *
 * It is looked for when somebody looks at registers or at the memory map, in small steps between other work, and
 * forgotten when the machine begins anew. All that is read is the guest's: every address is bounds-checked, every
 * loop has a bound, and a guest that is no Linux costs one read of a page table now and then.
 */
#ifndef VMHOST_GUEST_KERNEL_H
#define VMHOST_GUEST_KERNEL_H
#include <jansson.h>
#include <vmcore/vmcore.h>

struct event_base;
struct guest_kernel;
struct log;

/** guest_kernel_new() - @base may be NULL: then guest_kernel_step() is called by hand. */
int guest_kernel_new(struct vmc_vm *vm, struct event_base *base, struct log *log, struct guest_kernel **out);
void guest_kernel_free(struct guest_kernel *gk);
/** guest_kernel_booted() - what the boot loader told; @initrd_size 0: none. */
void guest_kernel_booted(struct guest_kernel *gk, const struct vmc_boot_info *info, uint64_t initrd_size);
/** guest_kernel_replaced() - a snapshot was loaded: perhaps another kernel; @info: what this machine tells of its
 * memory, for it is the same machine that the snapshot's guest was booted on. */
void guest_kernel_replaced(struct guest_kernel *gk, const struct vmc_boot_info *info);
/** guest_kernel_look() - registers of a vCPU at @now_us: perhaps the beginning of a search. */
void guest_kernel_look(struct guest_kernel *gk, const struct vmc_regs *r, const struct vmc_sregs *s, uint64_t now_us);
/** guest_kernel_step() - go on with a search. Return: is there more to do? */
bool guest_kernel_step(struct guest_kernel *gk);
/** guest_kernel_symbol() - the function at @gva, of the kernel or of a module (kmods.h). Return: 0, -ENOENT. */
int guest_kernel_symbol(struct guest_kernel *gk, uint64_t gva, char *out, size_t size);
/** guest_kernel_state() - "unknown", "searching", "found". */
const char *guest_kernel_state(const struct guest_kernel *gk);
/** guest_kernel_bare() - where a kernel is mapped in which no symbols were found; 0: there is none such. */
uint64_t guest_kernel_bare(const struct guest_kernel *gk);
/** guest_kernel_address() - of a symbol; 0: there is none, or symbols are not known. */
uint64_t guest_kernel_address(struct guest_kernel *gk, const char *name);
/** guest_kernel_json() - x-kernel's reply. */
json_t *guest_kernel_json(const struct guest_kernel *gk);
/** guest_kernel_map() - the map entries of e820, initrd and sections: @entry for each. */
typedef void guest_kernel_entry(void *arg, const char *kind, const char *name, uint64_t gpa, uint64_t size);
void guest_kernel_map(const struct guest_kernel *gk, guest_kernel_entry *entry, void *arg);

#endif
