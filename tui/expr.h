/* expr.h - an address as a person types it: "0x1000", "101f3c", "rip+0x10", "paint+2c", "cr3". Pure, any thread. */
#ifndef TUI_EXPR_H
#define TUI_EXPR_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <vmcore/vcpu.h>

struct expr_result {
	uint64_t value;
	bool is_virtual; /* came from a register or symbol that holds a virtual address */
	bool uses_regs, wants_symbol; /* wants: -EAGAIN because of a symbol */
};

struct expr_env {
	const struct vmc_regs *regs;   /* NULL: not known (yet) */
	const struct vmc_sregs *sregs;
	int (*symbol)(void *arg, const char *name, uint64_t *addr); /* 0, -ENOENT or -EAGAIN; may be NULL */
	void *arg;
};

/**
 * expr_eval() - terms joined by + and -: a number (hexadecimal with or without 0x, decimal with 0t; k, M, G
 * may follow), a register, a symbol. A name that is also hex ("add") is a symbol if there is such a one.
 * Return: 0; -EAGAIN: needs registers or a symbol that @env does not have yet; -EINVAL with words in @err.
 */
int expr_eval(const char *text, const struct expr_env *env, struct expr_result *out, char *err, size_t err_size);

#endif
