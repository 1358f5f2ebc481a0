/* disasm.h - x86 instructions as text (Zydis 4). Any thread. */
#ifndef TUI_DISASM_H
#define TUI_DISASM_H
#include <stddef.h>
#include <stdint.h>

#define DISASM_TEXT 96

/**
 * disasm() - one instruction, Intel syntax; branch targets and RIP-relative addresses are absolute.
 * @bits: 16, 32 or 64;  @addr: of the first byte;  @text: DISASM_TEXT characters
 * Return: its length in bytes; 0 when @len bytes do not hold a whole valid instruction ("(bad)" or
 * "(cut short)").
 */
unsigned disasm(const uint8_t *code, size_t len, uint64_t addr, int bits, char *text, size_t size);

#endif
