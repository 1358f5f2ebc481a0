/*
 * kvm.h - the only door to /dev/kvm. Everything the engine asks of the kernel goes through kvm_sys,
 * so that tests can put a KVM of their own behind it and make any call fail. Any thread.
 */
#ifndef ENGINE_KVM_H
#define ENGINE_KVM_H
#include <linux/kvm.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct kvm_sys {
	int (*open)(const char *path);				       /* fd or -errno */
	int (*ioctl)(int fd, unsigned long request, uintptr_t arg);    /* >= 0 or -errno */
	void *(*map)(int fd, size_t size, off_t offset, int *rc);      /* NULL and *rc on failure */
};

/* Set once before any VM is made: tests replace it, nothing else does. */
extern const struct kvm_sys *kvm_sys;
extern const struct kvm_sys kvm_sys_real;

/** kvm_call() - an ioctl, again after EINTR (never for KVM_RUN). Return: >= 0 or -errno. */
int kvm_call(int fd, unsigned long request, const void *arg);
/** kvm_call_n() - the same with a number for an argument. */
int kvm_call_n(int fd, unsigned long request, uintptr_t arg);
/** kvm_cap() - KVM_CHECK_EXTENSION, 0 when unknown. */
int kvm_cap(int fd, int cap);

#endif
