/*
 * decode.c - registers in words. Pure functions, any thread. Intel SDM (September 2023) vol. 3A §2.3 (RFLAGS),
 * §2.5 (control registers), §3.4.5 (segment types), §3.5 (system segments).
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include "tui/decode.h"

#define CR0_PE	   (1ull << 0)
#define CR0_PG	   (1ull << 31)
#define CR4_PAE	   (1ull << 5)
#define CR4_LA57   (1ull << 12)
#define EFER_LMA   (1ull << 10)
#define RFLAGS_VM  (1ull << 17)
#define RFLAGS_ONE (1ull << 1) /* always set */

struct bit_name {
	uint8_t bit;
	const char *name;
};

static const struct bit_name cr0_bits[] = {
	{ 31, "PG" }, { 30, "CD" }, { 29, "NW" }, { 18, "AM" }, { 16, "WP" }, { 5, "NE" }, { 4, "ET" },
	{ 3, "TS" }, { 2, "EM" }, { 1, "MP" }, { 0, "PE" }, { 0, NULL },
};
static const struct bit_name cr4_bits[] = {
	{ 32, "FRED" }, { 28, "LAM" }, { 25, "UINTR" }, { 24, "PKS" }, { 23, "CET" }, { 22, "PKE" },
	{ 21, "SMAP" }, { 20, "SMEP" }, { 19, "KL" }, { 18, "OSXSAVE" }, { 17, "PCIDE" },
	{ 16, "FSGSBASE" }, { 14, "SMXE" }, { 13, "VMXE" }, { 12, "LA57" }, { 11, "UMIP" },
	{ 10, "OSXMMEXCPT" }, { 9, "OSFXSR" }, { 8, "PCE" }, { 7, "PGE" }, { 6, "MCE" }, { 5, "PAE" },
	{ 4, "PSE" }, { 3, "DE" }, { 2, "TSD" }, { 1, "PVI" }, { 0, "VME" }, { 0, NULL },
};
static const struct bit_name efer_bits[] = {
	{ 21, "AIBRSE" }, { 20, "UAIE" }, { 18, "INTWB" }, { 17, "MCOMMIT" }, { 15, "TCE" }, { 14, "FFXSR" },
	{ 13, "LMSLE" }, { 12, "SVME" }, { 11, "NXE" }, { 10, "LMA" }, { 8, "LME" }, { 0, "SCE" }, { 0, NULL },
};
static const struct bit_name rflags_bits[] = {
	{ 21, "ID" }, { 20, "VIP" }, { 19, "VIF" }, { 18, "AC" }, { 17, "VM" }, { 16, "RF" }, { 14, "NT" },
	{ 11, "OF" }, { 10, "DF" }, { 9, "IF" }, { 8, "TF" }, { 7, "SF" }, { 6, "ZF" }, { 4, "AF" },
	{ 2, "PF" }, { 0, "CF" }, { 0, NULL },
};

static const struct {
	const struct bit_name *names;
	uint64_t silent; /* bits that say nothing: always one, or told in another way */
} reg_bits[] = {
	[DECODE_CR0] = { cr0_bits, 0 },
	[DECODE_CR4] = { cr4_bits, 0 },
	[DECODE_EFER] = { efer_bits, 0 },
	[DECODE_RFLAGS] = { rflags_bits, RFLAGS_ONE | 3ull << 12 }, /* IOPL below */
};

void decode_word(struct decode_words *w, const char *word)
{
	size_t need = strlen(word) + (w->len ? 1 : 0);

	if (w->len + need >= w->size)
		return;
	if (w->len)
		w->out[w->len++] = ' ';
	strcpy(w->out + w->len, word);
	w->len += strlen(word);
}

size_t decode_bits(enum decode_reg reg, uint64_t value, char *out, size_t size)
{
	struct decode_words w = { out, size, 0 };
	uint64_t left = value & ~reg_bits[reg].silent;
	char word[24];

	if (!size)
		return 0;
	out[0] = '\0';
	for (const struct bit_name *b = reg_bits[reg].names; b->name; b++) {
		if (!(value & 1ull << b->bit))
			continue;
		decode_word(&w, b->name);
		left &= ~(1ull << b->bit);
	}
	if (reg == DECODE_RFLAGS && (value >> 12 & 3)) {
		snprintf(word, sizeof(word), "IOPL=%u", (unsigned)(value >> 12 & 3));
		decode_word(&w, word);
	}
	if (left) {
		snprintf(word, sizeof(word), "+%#" PRIx64, left);
		decode_word(&w, word);
	}
	return w.len;
}

enum decode_mode decode_mode(const struct vmc_sregs *s, uint64_t rflags)
{
	if (!(s->cr0 & CR0_PE))
		return MODE_REAL;
	if (s->efer & EFER_LMA) {
		if (s->cs.l)
			return MODE_LONG64;
		return s->cs.db ? MODE_COMPAT32 : MODE_COMPAT16;
	}
	if (rflags & RFLAGS_VM)
		return MODE_V86;
	return s->cs.db ? MODE_PROT32 : MODE_PROT16;
}

const char *decode_mode_name(enum decode_mode mode, bool brief)
{
	static const char *const names[][2] = {
		[MODE_REAL] = { "real", "real" },
		[MODE_V86] = { "virtual 8086", "v86" },
		[MODE_PROT16] = { "protected 16", "prot16" },
		[MODE_PROT32] = { "protected 32", "prot32" },
		[MODE_COMPAT16] = { "compat 16", "comp16" },
		[MODE_COMPAT32] = { "compat 32", "comp32" },
		[MODE_LONG64] = { "long 64", "long64" },
	};

	return names[mode][brief];
}

int decode_mode_bits(enum decode_mode mode)
{
	switch (mode) {
	case MODE_LONG64:
		return 64;
	case MODE_PROT32:
	case MODE_COMPAT32:
		return 32;
	default:
		return 16;
	}
}

int decode_cpl(const struct vmc_sregs *s, uint64_t rflags)
{
	switch (decode_mode(s, rflags)) {
	case MODE_REAL:
		return 0;
	case MODE_V86:
		return 3;
	default:
		return s->cs.selector & 3; /* CPL is the RPL of CS (SDM vol. 3A §5.5) */
	}
}

const char *decode_paging(const struct vmc_sregs *s)
{
	if (!(s->cr0 & CR0_PG))
		return "off";
	if (s->efer & EFER_LMA)
		return s->cr4 & CR4_LA57 ? "5-level" : "4-level";
	return s->cr4 & CR4_PAE ? "PAE" : "32-bit";
}

uint64_t decode_linear_rip(const struct vmc_sregs *s, const struct vmc_regs *r)
{
	if (decode_mode(s, r->rflags) == MODE_LONG64)
		return r->rip; /* the base of CS counts as zero */
	return (uint32_t)(s->cs.base + r->rip);
}

/* System segments (SDM vol. 3A table 3-2); those that no segment register can hold have no name. */
static void system_segment(const struct vmc_segment *seg, bool long_mode, char *out, size_t size)
{
	switch (seg->type) {
	case 1:
	case 3:
		snprintf(out, size, "tss16%s", seg->type == 3 ? " busy" : "");
		break;
	case 2:
		snprintf(out, size, "ldt");
		break;
	case 9:
	case 11:
		snprintf(out, size, "tss%d%s", long_mode ? 64 : 32, seg->type == 11 ? " busy" : "");
		break;
	default:
		snprintf(out, size, "system %u", seg->type);
	}
}

void decode_segment(const struct vmc_segment *seg, bool long_mode, char *out, size_t size)
{
	if (seg->unusable) {
		snprintf(out, size, "unusable");
		return;
	}
	if (!seg->present) {
		snprintf(out, size, "absent");
		return;
	}
	if (!seg->s) {
		system_segment(seg, long_mode, out, size);
		return;
	}
	if (seg->type & 8)
		snprintf(out, size, "code%s %s%s", seg->l && long_mode ? "64" : seg->db ? "32" : "16",
			seg->type & 2 ? "r-x" : "--x", seg->type & 4 ? " conf" : "");
	else
		snprintf(out, size, "data%s %s%s", seg->db ? "32" : "16", seg->type & 2 ? "rw-" : "r--",
			seg->type & 4 ? " down" : "");
}

void decode_size(uint64_t bytes, char *out, size_t size)
{
	static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB" };
	unsigned u = 0;
	uint64_t whole = bytes, rest = 0;

	while (whole >= 1024 && u < 6) {
		rest = whole & 1023;
		whole >>= 10;
		u++;
	}
	if (rest && whole < 100)
		snprintf(out, size, "%" PRIu64 ".%" PRIu64 " %s", whole, rest * 10 / 1024, units[u]);
	else
		snprintf(out, size, "%" PRIu64 " %s", whole, units[u]);
}

void decode_count(uint64_t n, char *out, size_t size)
{
	static const char units[] = "kMGTPE";
	unsigned u = 0;
	double v = (double)n;

	if (n < 10000) {
		snprintf(out, size, "%" PRIu64, n);
		return;
	}
	v /= 1000;
	while (v >= 999.5 && u < 5) {
		v /= 1000;
		u++;
	}
	snprintf(out, size, v < 9.995 ? "%.2f%c" : v < 99.95 ? "%.1f%c" : "%.0f%c", v, units[u]);
}

uint64_t decode_rate(uint64_t n, double seconds)
{
	double rate = seconds > 0 ? (double)n / seconds + 0.5 : 0;

	return rate > 1e15 ? 1000000000000000 : (uint64_t)rate;
}

void decode_grouped(uint64_t n, char *out, size_t size)
{
	char plain[24], text[32];
	int len = snprintf(plain, sizeof(plain), "%" PRIu64, n), o = 0;

	for (int i = 0; i < len; i++) {
		if (i && (len - i) % 3 == 0)
			text[o++] = ',';
		text[o++] = plain[i];
	}
	text[o] = '\0';
	snprintf(out, size, "%s", text);
}
