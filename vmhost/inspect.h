/*
 * inspect.h - the VM's inside as JSON (docs/protocol.md: REGS, MAPENTRY, ...). Main thread.
 */
#ifndef VMHOST_INSPECT_H
#define VMHOST_INSPECT_H
#include <jansson.h>
#include <stddef.h>
#include <stdint.h>
#include <vmcore/vmcore.h>

struct host;

/** inspect_registers() - REGS of a vCPU; kicks it once. NULL with @err. */
json_t *inspect_registers(struct host *h, uint32_t cpu, char *err, size_t err_size);
/** inspect_cpu() - {"cpu", "state", "cpu-time-us", "exits"}; no kick. */
json_t *inspect_cpu(struct vmc_vm *vm, uint32_t cpu);
/** inspect_kernel() - look whether a vCPU is in a kernel that is not known yet, as inspect_registers() does. */
void inspect_kernel(struct host *h);
json_t *inspect_map(struct host *h);
json_t *inspect_devices(struct host *h);
const char *inspect_dirty_log(struct vmc_vm *vm); /* "off", "bitmap", "manual", "ring" */
/** inspect_hex() - bytes as lower-case hex into @out (2 * len + 1 bytes). */
void inspect_hex(const uint8_t *data, size_t len, char *out);
/** inspect_rss() - bytes of this process that are in memory; 0 when unknown. */
uint64_t inspect_rss(const struct host *h);

#endif
