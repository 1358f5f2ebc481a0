/*
 * state.h - saved machine state: little-endian, tagged, versioned, checksummed sections.
 *
 * Layout: "VMCSTATE", u32 format, u32 section count, then sections: char tag[24] ("vcpu0", "irqchip",
 * "pit", "clock", "dev:console0"), u32 version, u64 length, u64 XXH3-64 of the payload, payload.
 */
#ifndef VMCORE_STATE_H
#define VMCORE_STATE_H
#include <vmcore/vm.h>
#ifdef __cplusplus
extern "C" {
#endif

/* A growing output buffer; allocation failure is sticky (ok = false) and reported once at the end. */
struct vmc_out {
	uint8_t *data;
	size_t len, cap;
	bool failed;
};
VMC_API void vmc_out_init(struct vmc_out *out);
VMC_API void vmc_out_free(struct vmc_out *out);
VMC_API void vmc_out_bytes(struct vmc_out *out, const void *data, size_t len);
VMC_API void vmc_out_u8(struct vmc_out *out, uint8_t v);
VMC_API void vmc_out_u16(struct vmc_out *out, uint16_t v);
VMC_API void vmc_out_u32(struct vmc_out *out, uint32_t v);
VMC_API void vmc_out_u64(struct vmc_out *out, uint64_t v);

/* A bounded input; reading past the end is sticky: zeros from then on, and in->error is set. */
struct vmc_in {
	const uint8_t *data;
	size_t len, pos;
	int error;	   /* 0 or -errno */
	char message[160]; /* what was wrong */
};
VMC_API void vmc_in_init(struct vmc_in *in, const void *data, size_t len);
VMC_API int vmc_in_bytes(struct vmc_in *in, void *out, size_t len);
VMC_API uint8_t vmc_in_u8(struct vmc_in *in);
VMC_API uint16_t vmc_in_u16(struct vmc_in *in);
VMC_API uint32_t vmc_in_u32(struct vmc_in *in);
VMC_API uint64_t vmc_in_u64(struct vmc_in *in);
/** vmc_in_fail() - set a sticky error with a message and return @rc. */
VMC_API int vmc_in_fail(struct vmc_in *in, int rc, const char *fmt, ...) VMC_PRINTF(3, 4);
/** vmc_in_end() - 0 when all was read and nothing failed; -EBADMSG with a message otherwise. */
VMC_API int vmc_in_end(struct vmc_in *in);

/**
 * vmc_state_save() - vCPUs, irqchip, PIT, clock and every device, as sections. VM paused (or created,
 * stopped, crashed). Owner. Memory is not in it: vmc_mem_dump(), after this (devices write memory).
 */
VMC_API int vmc_state_save(struct vmc_vm *vm, struct vmc_out *out);
/** vmc_state_check() - framing, checksums, versions, vCPU count and device set fit @vm; changes nothing.
 * The message names the bad section. */
VMC_API int vmc_state_check(struct vmc_vm *vm, const void *data, size_t len);
/**
 * vmc_state_load() - check, then apply; the VM is left paused. On failure the VM is as it was (the old
 * state is saved first and put back). Owner; VM not running.
 */
VMC_API int vmc_state_load(struct vmc_vm *vm, const void *data, size_t len);
/** vmc_state_load_with_memory() - the same together with RAM from a vmc_mem_dump(), mapped as by
 * vmc_mem_map_file(). On failure both the state and the memory are as they were. */
VMC_API int vmc_state_load_with_memory(struct vmc_vm *vm, const void *data, size_t len, int memory_fd);

/* The reference interface's names: devices alone. */
VMC_API int vmc_snapshot_devices(struct vmc_vm *vm, struct vmc_out *out);
VMC_API int vmc_restore_devices(struct vmc_vm *vm, const void *data, size_t len);

#ifdef __cplusplus
}
#endif
#endif
