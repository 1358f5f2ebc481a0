/* expr.c - addresses as a person types them. Pure, any thread. */
#include <ctype.h>
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include "tui/expr.h"

#define TERM_MAX 128

static const struct reg_name {
	const char *name;
	bool sys, physical;
	size_t off;
} reg_names[] = {
#define R(n)	 { #n, false, false, offsetof(struct vmc_regs, n) }
#define S(n, p)	 { #n, true, p, offsetof(struct vmc_sregs, n) }
	R(rax), R(rbx), R(rcx), R(rdx), R(rsi), R(rdi), R(rsp), R(rbp), R(r8), R(r9), R(r10), R(r11), R(r12),
	R(r13), R(r14), R(r15), R(rip), S(cr2, false), S(cr3, true), { "gdt", true, false,
	offsetof(struct vmc_sregs, gdt.base) }, { "idt", true, false, offsetof(struct vmc_sregs, idt.base) },
	{ "tr", true, false, offsetof(struct vmc_sregs, tr.base) }, { "fs", true, false,
	offsetof(struct vmc_sregs, fs.base) }, { "gs", true, false, offsetof(struct vmc_sregs, gs.base) },
#undef R
#undef S
};

static int reg_term(const char *term, const struct expr_env *env, struct expr_result *out, uint64_t *v)
{
	for (size_t i = 0; i < sizeof(reg_names) / sizeof(reg_names[0]); i++) {
		const struct reg_name *r = &reg_names[i];
		const char *base;

		if (strcasecmp(term, r->name))
			continue;
		out->uses_regs = true;
		if (!env->regs || !env->sregs)
			return -EAGAIN;
		base = r->sys ? (const char *)env->sregs : (const char *)env->regs;
		memcpy(v, base + r->off, sizeof(*v));
		if (r->physical) /* CR3: PCID or cache bits are no address */
			*v &= 0x000ffffffffff000ull;
		out->is_virtual |= !r->physical;
		return 0;
	}
	return -ENOENT;
}

static int number_term(const char *term, uint64_t *v)
{
	int base = 16;
	unsigned shift = 0;
	char *end;

	if (!strncasecmp(term, "0x", 2)) {
		term += 2;
	} else if (!strncasecmp(term, "0t", 2)) {
		term += 2;
		base = 10;
	}
	if (!isxdigit((unsigned char)*term))
		return -ENOENT;
	errno = 0;
	*v = strtoull(term, &end, base);
	if (errno)
		return -ERANGE;
	switch (*end) {
	case 'k': case 'K':
		shift = 10;
		break;
	case 'm': case 'M':
		shift = 20;
		break;
	case 'g': case 'G':
		shift = 30;
		break;
	}
	if (end[shift ? 1 : 0])
		return -ENOENT;
	if (shift && *v >> (64 - shift))
		return -ERANGE;
	*v <<= shift;
	return 0;
}

static int term_value(const char *term, const struct expr_env *env, struct expr_result *out, uint64_t *v)
{
	int rc = reg_term(term, env, out, v);

	if (rc != -ENOENT)
		return rc;
	rc = isdigit((unsigned char)*term) || !env->symbol ? -ENOENT : env->symbol(env->arg, term, v);
	out->is_virtual |= rc == 0;
	out->wants_symbol |= rc == -EAGAIN;
	return rc == -ENOENT ? number_term(term, v) : rc;
}

/* Copies the next term without blanks; returns what follows it. */
static const char *next_term(const char *p, char *term, size_t size)
{
	size_t len;

	p += strspn(p, " \t");
	len = strcspn(p, "+-");
	snprintf(term, size, "%.*s", (int)(len < size ? len : size - 1), p);
	for (size_t n = strlen(term); n && isspace((unsigned char)term[n - 1]); n--)
		term[n - 1] = '\0';
	return p + len;
}

int expr_eval(const char *text, const struct expr_env *env, struct expr_result *out, char *err, size_t err_size)
{
	const char *p = text;
	char term[TERM_MAX];
	bool minus = false;

	*out = (struct expr_result){ 0 };
	err[0] = '\0';
	for (;;) {
		uint64_t v = 0;
		int rc;

		p = next_term(p, term, sizeof(term));
		rc = term[0] ? term_value(term, env, out, &v) : -EINVAL;
		if (rc == -EAGAIN)
			return rc;
		if (rc == -ERANGE)
			snprintf(err, err_size, "%s does not fit into 64 bits", term);
		else if (rc == -EINVAL)
			snprintf(err, err_size, "an address is missing%s", p > text ? " beside + or -" : "");
		else if (rc)
			snprintf(err, err_size, "%s is no number, register or symbol", term);
		if (rc)
			return -EINVAL;
		out->value += minus ? -v : v;
		if (!*p)
			return 0;
		minus = *p++ == '-';
	}
}
