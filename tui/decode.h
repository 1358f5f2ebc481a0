/*
 * decode.h - registers in words: control register and RFLAGS bits, modes, segments, sizes. Pure functions,
 * any thread. Intel SDM (September 2023) vol. 3A §2.3, §2.5, §3.4.5, §3.5; AMD64 APM vol. 2 rev. 3.40 §3.1.7 (EFER).
 */
#ifndef TUI_DECODE_H
#define TUI_DECODE_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <vmcore/vcpu.h>

enum decode_reg { DECODE_CR0, DECODE_CR4, DECODE_EFER, DECODE_RFLAGS };

/** decode_bits() - "PG WP NE PE": the names of the bits set, highest first; bits without a name as "+0x..".
 * Return: characters written (cut at @size). */
size_t decode_bits(enum decode_reg reg, uint64_t value, char *out, size_t size);

enum decode_mode {
	MODE_REAL,
	MODE_V86,
	MODE_PROT16,
	MODE_PROT32,
	MODE_COMPAT16, /* long mode active, 16-bit code segment */
	MODE_COMPAT32,
	MODE_LONG64,
};
enum decode_mode decode_mode(const struct vmc_sregs *s, uint64_t rflags);
/** decode_mode_name() - "real", "protected 32" ...; @brief: at most 6 columns ("prot32"). */
const char *decode_mode_name(enum decode_mode mode, bool brief);
/** decode_mode_bits() - 16, 32 or 64: how instructions are decoded. */
int decode_mode_bits(enum decode_mode mode);
int decode_cpl(const struct vmc_sregs *s, uint64_t rflags);
/** decode_paging() - "off", "32-bit", "PAE", "4-level", "5-level". */
const char *decode_paging(const struct vmc_sregs *s);
/** decode_linear_rip() - RIP with the code segment's base, as the fetch sees it. */
uint64_t decode_linear_rip(const struct vmc_sregs *s, const struct vmc_regs *r);
/** decode_segment() - "code64 r-x", "data rw-", "tss64 busy", "unusable". */
void decode_segment(const struct vmc_segment *seg, bool long_mode, char *out, size_t size);

/** decode_size() - 4 KiB, 1.5 MiB, 3 GiB: at most 8 columns. */
void decode_size(uint64_t bytes, char *out, size_t size);
/** decode_count() - 1234 as it is, then 12.3k, 4.56M, at most 6 columns. */
void decode_count(uint64_t n, char *out, size_t size);
/** decode_rate() - @n in @seconds as a whole number a second; 0 for no time, and never more than 10^15, whatever a VM tells. */
uint64_t decode_rate(uint64_t n, double seconds);
/** decode_grouped() - 1,234,567. */
void decode_grouped(uint64_t n, char *out, size_t size);

/* A growing list of words in a buffer of the caller's; what does not fit is left out. */
struct decode_words {
	char *out;
	size_t size, len;
};
void decode_word(struct decode_words *w, const char *word);

#endif
