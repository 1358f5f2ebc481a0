/* disasm.c - x86 instructions as text, by Zydis 4.0 and with the styling of the rest of the screen. Any thread. */
#include <stdio.h>
#include <Zydis/Zydis.h>
#include "tui/disasm.h"

static ZyanStatus decoder_for(ZydisDecoder *dec, int bits)
{
	switch (bits) {
	case 64:
		return ZydisDecoderInit(dec, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
	case 32:
		return ZydisDecoderInit(dec, ZYDIS_MACHINE_MODE_LEGACY_32, ZYDIS_STACK_WIDTH_32);
	default:
		return ZydisDecoderInit(dec, ZYDIS_MACHINE_MODE_LEGACY_16, ZYDIS_STACK_WIDTH_16);
	}
}

static ZyanStatus formatter(ZydisFormatter *fmt)
{
	ZyanStatus st = ZydisFormatterInit(fmt, ZYDIS_FORMATTER_STYLE_INTEL);

	if (ZYAN_SUCCESS(st))
		st = ZydisFormatterSetProperty(fmt, ZYDIS_FORMATTER_PROP_HEX_UPPERCASE, ZYAN_FALSE);
	if (ZYAN_SUCCESS(st)) /* 0x101f3c, not 0x0000000000101f3c */
		st = ZydisFormatterSetProperty(fmt, ZYDIS_FORMATTER_PROP_ADDR_PADDING_ABSOLUTE,
			(ZyanUPointer)ZYDIS_PADDING_DISABLED);
	if (ZYAN_SUCCESS(st))
		st = ZydisFormatterSetProperty(fmt, ZYDIS_FORMATTER_PROP_DISP_PADDING,
			(ZyanUPointer)ZYDIS_PADDING_DISABLED);
	if (ZYAN_SUCCESS(st))
		st = ZydisFormatterSetProperty(fmt, ZYDIS_FORMATTER_PROP_IMM_PADDING,
			(ZyanUPointer)ZYDIS_PADDING_DISABLED);
	return st;
}

unsigned disasm(const uint8_t *code, size_t len, uint64_t addr, int bits, char *text, size_t size)
{
	ZydisDecodedOperand ops[ZYDIS_MAX_OPERAND_COUNT];
	ZydisDecodedInstruction insn;
	ZydisFormatter fmt;
	ZydisDecoder dec;
	ZyanStatus st;

	if (!ZYAN_SUCCESS(decoder_for(&dec, bits)) || !ZYAN_SUCCESS(formatter(&fmt))) {
		snprintf(text, size, "(no disassembler)");
		return 0;
	}
	st = ZydisDecoderDecodeFull(&dec, code, len, &insn, ops);
	if (!ZYAN_SUCCESS(st)) {
		snprintf(text, size, st == ZYDIS_STATUS_NO_MORE_DATA ? "(cut short)" : "(bad)");
		return 0;
	}
	if (!ZYAN_SUCCESS(ZydisFormatterFormatInstruction(&fmt, &insn, ops, insn.operand_count_visible, text, size,
		    addr, NULL)))
		snprintf(text, size, "(too long to show)");
	return insn.length;
}
