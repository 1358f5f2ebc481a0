/*
 * vmcore.h - a machine you can hold in your hand: the umbrella header of the engine.
 *
 * libvmcore runs KVM virtual machines. It knows memory, vCPUs, interrupts, buses, dirty pages and
 * state; it knows no device, no JSON and no screen. The client half (find, start and talk to VMs
 * that vitrine-vm holds) is <vmcore/client.h>.
 *
 * Return values: 0 or a count on success, -errno on failure; the message is vmc_error(vm).
 * Threads: every call says which thread may make it. "owner" is the one thread that made the VM
 * (vitrine-vm's main loop); "any" is any thread, vCPU threads among them.
 * The library never prints, exits, aborts or installs a signal handler behind the caller's back.
 */
#ifndef VMCORE_VMCORE_H
#define VMCORE_VMCORE_H

#include <vmcore/vm.h>
#include <vmcore/mem.h>
#include <vmcore/dirty.h>
#include <vmcore/bus.h>
#include <vmcore/irq.h>
#include <vmcore/vcpu.h>
#include <vmcore/device.h>
#include <vmcore/state.h>
#include <vmcore/boot.h>

#endif
