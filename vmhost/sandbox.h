/*
 * sandbox.h - what the processes of a VM may still ask of the kernel once they are set up. Main
 * thread.
 */
#ifndef VMHOST_SANDBOX_H
#define VMHOST_SANDBOX_H
#include <stddef.h>
#include <stdint.h>

/** sandbox_limits() - resource limits of the VM's process. @file_max: the largest file it may
 * write. */
int sandbox_limits(uint64_t file_max);
/** sandbox_vm() - no new privileges, no files by name, and the system calls a running VM needs, in
 * every thread. Return: 0 or -errno with @err. */
int sandbox_vm(char *err, size_t err_size);
/** sandbox_broker() - the same for the file broker: files below these folders only; -1 is
 * none. */
int sandbox_broker(const int *folders, size_t n);
/** sandbox_net() - the same for the process of a user network: sockets, and no file by name; opening
 * one is asked over @notify, which somebody else answers. */
int sandbox_net(int *notify, char *err, size_t err_size);
/** sandbox_answer_open() - answer one such question with @path, opened to be read. */
void sandbox_answer_open(int notify, const char *path);

#endif
