/*
 * hex_goto.c - addresses as people type them in the hex view, and the name of the one under the cursor: symbols of the
 * kernel's file are at hand, those of the kernel that runs in the guest are asked for. Screen thread.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include "tui/expr.h"
#include "tui/view_hex.h"

#define KERNEL 0xffffffff80000000ull /* where Linux has its image and its modules */

static struct hex_name *name_of(struct hex_panel *hp, const char *text)
{
	for (unsigned i = 0; i < hp->nnames; i++)
		if (strcmp(hp->names[i].name, text) == 0)
			return &hp->names[i];
	if (hp->nnames == HEX_NAMES || strlen(text) >= sizeof(hp->names[0].name) || strpbrk(text, "\"\\"))
		return NULL;
	hp->names[hp->nnames] = (struct hex_name){ .state = NAME_NEW };
	snprintf(hp->names[hp->nnames].name, sizeof(hp->names[0].name), "%s", text);
	return &hp->names[hp->nnames++];
}

/* 0, -ENOENT, or -EAGAIN: the guest has not said yet. */
static int find_symbol(void *arg, const char *text, uint64_t *addr)
{
	struct hex_panel *hp = arg;
	struct vmc_symbols *syms = ui_vm_symbols(hp->p.vm);
	const struct hex_name *n;

	if (syms && vmc_symbols_lookup(syms, text, addr) == 0)
		return 0;
	/* "dead" is a number where no file says otherwise. */
	n = ui_vm_conn(hp->p.vm) && text[strspn(text, "0123456789abcdefABCDEF")] ? name_of(hp, text) : NULL;
	if (!n || n->state == NAME_MISSING)
		return -ENOENT;
	*addr = n->addr;
	return n->state == NAME_FOUND ? 0 : -EAGAIN;
}

static void go(struct hex_panel *hp, const char *text, const struct vmc_regs *regs, const struct vmc_sregs *sregs);

static void got_symbol(struct panel *p, uint64_t tag, int rc, const char *error, const char *json)
{
	struct hex_panel *hp = (struct hex_panel *)p;
	struct hex_name *n = &hp->names[tag];
	char text[sizeof(hp->want_expr)];

	if (tag >= hp->nnames || n->state != NAME_ASKED || !hp->want_expr[0])
		return; /* something else is wanted by now */
	n->state = rc == 0 && vmc_parse_symbol(json, &n->addr, NULL, 0) == 0 ? NAME_FOUND : NAME_MISSING;
	if (n->state == NAME_MISSING)
		snprintf(hp->no_name, sizeof(hp->no_name), "%s", rc < 0 ? error : "the answer makes no sense");
	memcpy(text, hp->want_expr, sizeof(text));
	hp->want_expr[0] = '\0';
	go(hp, text, NULL, NULL);
}

static void ask_symbols(struct hex_panel *hp)
{
	char args[128];

	for (unsigned i = 0; i < hp->nnames; i++) {
		struct hex_name *n = &hp->names[i];

		if (n->state != NAME_NEW)
			continue;
		snprintf(args, sizeof(args), "{\"name\": \"%s\"}", n->name);
		n->state = NAME_ASKED;
		if (view_request(&hp->p, &hp->reqs, "x-symbol", args, got_symbol, i) < 0)
			n->state = NAME_MISSING;
	}
}

/* What is missing is waited for, then it is called again. */
static void go(struct hex_panel *hp, const char *text, const struct vmc_regs *regs, const struct vmc_sregs *sregs)
{
	const struct expr_env env = { regs, sregs, find_symbol, hp };
	struct expr_result r;
	char err[160];
	int rc = expr_eval(text, &env, &r, err, sizeof(err));

	if (rc == -EAGAIN && !ui_vm_conn(hp->p.vm)) {
		ui_warn(hp->p.ui, "%s does not run: it has no registers", ui_vm_name(hp->p.vm));
	} else if (rc == -EAGAIN) {
		snprintf(hp->want_expr, sizeof(hp->want_expr), "%s", text);
		hp->want_regs = !r.wants_symbol; /* they come with the next sample */
		if (r.wants_symbol)
			ask_symbols(hp);
		ui_want(&hp->p);
	} else if (rc < 0) {
		ui_warn(hp->p.ui, "%s%s%s", err, hp->no_name[0] ? ": " : "", hp->no_name);
	} else {
		/* cr3 is physical, rip and symbols are virtual, a plain number is whatever is shown */
		hex_go(hp, r.value, r.is_virtual || (hp->virt && !r.uses_regs));
	}
}

void hex_goto(struct hex_panel *hp, const char *text)
{
	hp->nnames = 0;
	hp->no_name[0] = hp->want_expr[0] = '\0';
	hp->want_regs = false;
	go(hp, text, NULL, NULL);
}

void hex_take_regs(struct hex_panel *hp, const struct vmc_regs *regs, const struct vmc_sregs *sregs)
{
	char text[sizeof(hp->want_expr)];

	memcpy(text, hp->want_expr, sizeof(text));
	hp->want_expr[0] = '\0';
	hp->want_regs = false;
	ui_want(&hp->p);
	go(hp, text, regs, sregs);
}

static void prompted(void *arg, const char *text)
{
	if (text && *text && hex_alive(arg))
		hex_goto(arg, text);
}

void hex_goto_prompt(struct hex_panel *hp)
{
	ui_prompt(hp->p.ui, "go to (address, symbol+offset, register)", "", prompted, hp);
}

/* ---- the cursor's name ---- */

static void got_name(struct panel *p, uint64_t addr, int rc, const char *error, const char *json)
{
	struct hex_panel *hp = (struct hex_panel *)p;
	uint64_t ignored;

	hp->at_asked = false;
	if (addr != hp->at_addr || rc < 0 || vmc_parse_symbol(json, &ignored, hp->at_name, sizeof(hp->at_name)) < 0)
		return;
	ui_mark(p);
}

void hex_name_cursor(struct hex_panel *hp)
{
	char args[64];

	if (!hp->virt || hp->cursor < KERNEL || hp->at_asked || hp->at_addr == hp->cursor)
		return;
	hp->at_addr = hp->cursor;
	hp->at_name[0] = '\0';
	snprintf(args, sizeof(args), "{\"address\": \"0x%" PRIx64 "\"}", hp->cursor);
	hp->at_asked = view_request(&hp->p, &hp->reqs, "x-symbol", args, got_name, hp->cursor) == 0;
}
