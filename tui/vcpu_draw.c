/*
 * vcpu_draw.c - what the vCPU view draws: sections, most important first, in one or two columns by the width, scrolled
 * where the height does not do. Screen thread.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include "tui/decode.h"
#include "tui/disasm.h"
#include "tui/view_vcpu.h"

#define TWO_COLUMNS 74	/* from this width on */
#define REG_WIDTH   20	/* "rax 0123456789abcdef" */
#define GAP	    2

/* Where the next line of a column goes. */
struct pen {
	struct vcpu_panel *v;
	const struct vcpu_shown *c;
	int x, w, line; /* line: of the content, before scrolling */
};

static int row(const struct pen *pen)
{
	return pen->line - pen->v->scroll;
}

const char *vcpu_state_name(enum vmc_run_state state)
{
	static const char *const names[] = {
		[VMC_VCPU_RUNNING] = "running", [VMC_VCPU_HALTED] = "halted",
		[VMC_VCPU_WAIT_SIPI] = "waits for SIPI", [VMC_VCPU_PAUSED] = "paused",
		[VMC_VCPU_FAILED] = "failed",
	};

	return (unsigned)state < sizeof(names) / sizeof(names[0]) ? names[state] : "?";
}

static enum ui_role state_role(enum vmc_run_state state)
{
	switch (state) {
	case VMC_VCPU_RUNNING:
		return ROLE_GOOD;
	case VMC_VCPU_PAUSED:
		return ROLE_WARN;
	case VMC_VCPU_FAILED:
		return ROLE_BAD;
	default:
		return ROLE_DIM;
	}
}

static const char *state_mark(enum vmc_run_state state)
{
	switch (state) {
	case VMC_VCPU_RUNNING:
		return "●";
	case VMC_VCPU_PAUSED:
		return "‖";
	case VMC_VCPU_FAILED:
		return "✗";
	default:
		return "○";
	}
}

static bool long_mode(const struct vcpu_shown *c)
{
	return c->sregs.efer >> 10 & 1;
}

/* "● running · long 64 · kernel" and the load, as much as fits. */
static void header(struct pen *pen)
{
	const struct vcpu_shown *c = pen->c;
	struct panel *p = &pen->v->p;
	int x = pen->x, end = pen->x + pen->w, y = row(pen);
	enum decode_mode mode = decode_mode(&c->sregs, c->regs.rflags);
	bool brief = pen->w < 40;
	char rate[16];

	x += ui_draw(p, y, x, state_role(c->state), "%s %-7s", state_mark(c->state),
		vcpu_state_name(c->state)); /* padded: what follows stays where it is */
	if (c->has_regs) {
		x += view_text(p, y, x + 1, end - x - 1, ROLE_BOLD, "%s", decode_mode_name(mode, brief)) + 1;
		x += view_text(p, y, x + 1, end - x - 1, ROLE_DIM, brief ? "r%d" : "ring %d",
			decode_cpl(&c->sregs, c->regs.rflags)) + 1;
		if (!brief && end - x > 5)
			x += view_text(p, y, x + 1, end - x - 1, ROLE_DIM, "%s",
				decode_cpl(&c->sregs, c->regs.rflags) == 3 ? "user" :
				mode == MODE_REAL ? "" : "kernel") + 1;
	}
	pen->line++;
	decode_count((uint64_t)(exit_rates_sum(&c->rates) + 0.5), rate, sizeof(rate));
	if (brief || end - x < 34) {
		y = row(pen);
		x = pen->x;
		pen->line++;
	} else {
		x = end - 34;
	}
	x += ui_draw(p, y, x, ROLE_LABEL, "CPU ");
	x += ui_draw(p, y, x, ROLE_VALUE, "%3.0f%% ", c->rates.cpu * 100);
	if (end - x > 22) {
		ui_draw_bar(p, y, x, 8, (uint64_t)(c->rates.cpu * 1000), 1000, ROLE_BAR);
		x += 9;
	}
	x += ui_draw(p, y, x, ROLE_VALUE, "%6s ", rate);
	view_text(p, y, x, end - x, ROLE_LABEL, "exits/s");
}

/* The other vCPUs in one line: "0 ● 45%  1 ○ 0%". */
static void others(struct pen *pen)
{
	const struct vcpu_panel *v = pen->v;
	int x = pen->x, end = pen->x + pen->w;
	unsigned first = 0;

	if (v->ncpus < 2)
		return;
	/* Twelve columns each; the shown one is always among them. */
	if (v->cpu >= (unsigned)(pen->w / 12))
		first = v->cpu - (unsigned)(pen->w / 12) + 1;
	for (unsigned i = first; i < v->ncpus && x + 10 <= end; i++) {
		const struct vcpu_shown *c = &v->cpus[i];

		ui_draw(&pen->v->p, row(pen), x, i == v->cpu ? ROLE_SELECTED : ROLE_LABEL, "%2u", i);
		ui_draw(&pen->v->p, row(pen), x + 3, state_role(c->state), "%s", state_mark(c->state));
		ui_draw(&pen->v->p, row(pen), x + 5, ROLE_VALUE, "%3.0f%%", c->rates.cpu * 100);
		x += 12;
	}
	pen->line++;
}

static void rip_line(struct pen *pen)
{
	const struct vcpu_shown *c = pen->c;
	struct panel *p = &pen->v->p;
	struct vmc_symbols *syms = ui_vm_symbols(pen->v->p.vm);
	bool changed = c->regs.rip != c->old_regs.rip;
	bool user = decode_cpl(&c->sregs, c->regs.rflags) == 3;
	char where[128] = "";

	ui_draw(p, row(pen), pen->x, ROLE_LABEL, "rip");
	view_hex(p, row(pen), pen->x + 4, 16, c->regs.rip, changed ? ROLE_CHANGED : ROLE_VALUE);
	if (syms && vmc_symbols_find(syms, c->regs.rip, where, sizeof(where)) < 0)
		where[0] = '\0';
	if (!where[0] && !user && c->kernel_base && !c->symbol[0]) {
		syms = ui_vm_symbols_beside(pen->v->p.vm, c->kernel_base);
		if (!syms || vmc_symbols_find(syms, c->regs.rip, where, sizeof(where)) < 0)
			where[0] = '\0';
	}
	if (!where[0] && !user) /* what the VM's process has found in the guest's memory */
		snprintf(where, sizeof(where), "%s", c->symbol);
	if (where[0])
		pen->v->named = true;
	else if (user && pen->v->named)
		snprintf(where, sizeof(where), "user mode");
	if (pen->v->named && pen->w < 34) /* with or without a name: nothing below jumps */
		pen->line++;
	view_text(p, row(pen), pen->w < 34 ? pen->x : pen->x + 22, pen->w < 34 ? pen->w : pen->w - 22,
		user ? ROLE_DEFAULT : ROLE_BOLD, "%s", where);
	pen->line++;
}

/* The instruction at RIP and, as far as the sample's bytes reach, those after it. */
static void code(struct pen *pen, int max)
{
	const struct vcpu_shown *c = pen->c;
	struct panel *p = &pen->v->p;
	int bits = decode_mode_bits(decode_mode(&c->sregs, c->regs.rflags));
	char text[DISASM_TEXT], bytes[32];
	uint32_t at = 0;

	for (int i = 0; i < max; i++, pen->line++) {
		unsigned len = disasm(c->code + at, c->code_len - at, c->regs.rip + at, bits, text, sizeof(text));

		if (i && !len)
			continue; /* the rest is cut: the lines stay, so that nothing below jumps */
		if (!c->code_len)
			snprintf(text, sizeof(text), "(rip is unreadable)");
		bytes[0] = '\0';
		for (unsigned b = 0; b < len && b < 8; b++)
			snprintf(bytes + 2 * b, sizeof(bytes) - 2 * b, "%02x", c->code[at + b]);
		ui_draw(p, row(pen), pen->x, i ? ROLE_DIM : ROLE_GOOD, "%s", i ? " " : ui_ascii(p->ui) ? ">" : "▸");
		if (pen->w >= 40) {
			view_text(p, row(pen), pen->x + 2, 12, ROLE_DIM, "%s", bytes);
			view_text(p, row(pen), pen->x + 15, pen->w - 15, i ? ROLE_DEFAULT : ROLE_BOLD, "%s", text);
		} else {
			view_text(p, row(pen), pen->x + 2, pen->w - 2, i ? ROLE_DEFAULT : ROLE_BOLD, "%s", text);
		}
		at += len;
	}
}

static void gprs(struct pen *pen)
{
	static const char *const names[] = {
		"rax", "rbx", "rcx", "rdx", "rsi", "rdi", "rsp", "rbp",
		"r8 ", "r9 ", "r10", "r11", "r12", "r13", "r14", "r15",
	};
	const uint64_t *now = &pen->c->regs.rax, *old = &pen->c->old_regs.rax;
	int cols = (pen->w + GAP) / (REG_WIDTH + GAP), rows;

	cols = cols >= 4 ? 4 : cols == 3 ? 2 : cols < 1 ? 1 : cols; /* three would leave a ragged last row */
	rows = 16 / cols;
	for (int i = 0; i < 16; i++) {
		int x = pen->x + i / rows * (REG_WIDTH + GAP), y = row(pen) + i % rows;

		ui_draw(&pen->v->p, y, x, ROLE_LABEL, "%s", names[i]);
		view_hex(&pen->v->p, y, x + 4, 16, now[i], now[i] != old[i] ? ROLE_CHANGED : ROLE_VALUE);
	}
	pen->line += rows;
}

/* A register and its bits in words: on one line where they fit, else the words below. */
static void words(struct pen *pen, const char *name, enum decode_reg reg, uint64_t v, uint64_t old)
{
	struct panel *p = &pen->v->p;
	enum ui_role role = v != old ? ROLE_CHANGED : ROLE_VALUE;
	int digits = v >> 32 ? 16 : 8, at = 7 + digits;
	char text[200];
	size_t len = decode_bits(reg, v, text, sizeof(text));

	ui_draw(p, row(pen), pen->x, ROLE_LABEL, "%s", name);
	view_hex(p, row(pen), pen->x + 6, digits, v, role);
	if (pen->w - at < (int)len) {
		pen->line++;
		at = pen->w < 30 ? 1 : 6;
	}
	view_text(p, row(pen), pen->x + at, pen->w - at, role == ROLE_CHANGED ? ROLE_CHANGED : ROLE_DEFAULT, "%s", text);
	pen->line++;
}

static void flags(struct pen *pen)
{
	words(pen, "flags", DECODE_RFLAGS, pen->c->regs.rflags, pen->c->old_regs.rflags);
}

static void control(struct pen *pen)
{
	const struct vmc_sregs *s = &pen->c->sregs, *o = &pen->c->old_sregs;
	struct panel *p = &pen->v->p;
	int digits = s->cr3 >> 32 ? 16 : 8;

	words(pen, "cr0", DECODE_CR0, s->cr0, o->cr0);
	ui_draw(p, row(pen), pen->x, ROLE_LABEL, "cr2");
	view_hex(p, row(pen), pen->x + 6, 16, s->cr2, s->cr2 != o->cr2 ? ROLE_CHANGED : ROLE_VALUE);
	pen->line++;
	ui_draw(p, row(pen), pen->x, ROLE_LABEL, "cr3");
	view_hex(p, row(pen), pen->x + 6, digits, s->cr3, s->cr3 != o->cr3 ? ROLE_CHANGED : ROLE_VALUE);
	view_text(p, row(pen), pen->x + 7 + digits, pen->w - 7 - digits, ROLE_DIM, "paging %s", decode_paging(s));
	pen->line++;
	words(pen, "cr4", DECODE_CR4, s->cr4, o->cr4);
	words(pen, "efer", DECODE_EFER, s->efer, o->efer);
}

static void segments(struct pen *pen)
{
	const struct vmc_sregs *s = &pen->c->sregs, *o = &pen->c->old_sregs;
	static const char *const names[] = { "cs", "ds", "es", "fs", "gs", "ss", "tr", "ldt" };
	struct panel *p = &pen->v->p;
	char text[32];

	for (int i = 0; i < 8; i++, pen->line++) {
		const struct vmc_segment *seg = &s->cs + i;
		enum ui_role role = memcmp(seg, &o->cs + i, sizeof(*seg)) ? ROLE_CHANGED : ROLE_VALUE;

		decode_segment(seg, long_mode(pen->c), text, sizeof(text));
		ui_draw(p, row(pen), pen->x, ROLE_LABEL, "%s", names[i]);
		ui_draw(p, row(pen), pen->x + 4, role, "%04x", seg->selector);
		view_text(p, row(pen), pen->x + 9, pen->w - 9, seg->unusable ? ROLE_DIM : ROLE_DEFAULT, "%s", text);
		if (seg->unusable || pen->w < 34)
			continue;
		view_text(p, row(pen), pen->x + 25, pen->w - 25, ROLE_DIM, "%" PRIx64 "+%x", seg->base, seg->limit);
	}
	for (int i = 0; i < 2; i++, pen->line++) {
		const struct vmc_table *t = i ? &s->idt : &s->gdt, *ot = i ? &o->idt : &o->gdt;
		bool changed = t->base != ot->base || t->limit != ot->limit;

		ui_draw(p, row(pen), pen->x, ROLE_LABEL, i ? "idt" : "gdt");
		view_text(p, row(pen), pen->x + 4, pen->w - 4, changed ? ROLE_CHANGED : ROLE_VALUE, "%" PRIx64 "+%x", t->base,
			t->limit);
	}
}

static void exits(struct pen *pen)
{
	const struct exit_rates *r = &pen->c->rates;
	struct panel *p = &pen->v->p;
	double top = r->norder ? r->rate[r->order[0]] : 0;
	char text[32];

	for (unsigned i = 0; i < r->norder; i++) /* the order is calm, so the first need not be the largest */
		if (r->rate[r->order[i]] > top)
			top = r->rate[r->order[i]];
	decode_grouped(r->total, text, sizeof(text));
	ui_draw(p, row(pen), pen->x, ROLE_TITLE, "exits");
	view_text(p, row(pen), pen->x + 13, pen->w - 13, ROLE_DIM, "/s   %s in all", text);
	pen->line++;
	for (unsigned i = 0; i < r->norder; i++, pen->line++) {
		unsigned reason = r->order[i];

		decode_count((uint64_t)(r->rate[reason] + 0.5), text, sizeof(text));
		ui_draw(p, row(pen), pen->x, ROLE_LABEL, "%s", exit_reason_name(reason));
		ui_draw(p, row(pen), pen->x + 11, r->rate[reason] > 0 ? ROLE_VALUE : ROLE_DIM, "%6s", text);
		if (pen->w > 22)
			ui_draw_bar(p, row(pen), pen->x + 18, pen->w - 18 > 30 ? 30 : pen->w - 18,
				(uint64_t)(r->rate[reason] * 16), (uint64_t)(top * 16), ROLE_BAR);
	}
	if (!r->norder) {
		ui_draw(p, row(pen), pen->x, ROLE_DIM, "none yet");
		pen->line++;
	}
}

/* A vertical rule between the two columns would compete with the frame: space does. */
static void two_columns(struct pen *left)
{
	struct pen right = *left;
	int lw = 42;

	if (left->w >= 2 * REG_WIDTH * 2 + 3 * GAP + 40)
		lw = 4 * REG_WIDTH + 3 * GAP;
	right.x = left->x + lw + 3;
	right.w = left->w - lw - 3;
	left->w = lw;
	rip_line(left);
	code(left, left->v->p.rect.h >= 18 ? 4 : 2);
	left->line++;
	gprs(left);
	flags(left);
	exits(&right);
	right.line++;
	if (left->v->p.rect.h >= 30) {
		control(&right);
	} else { /* not tall: the left column has the room */
		if (left->v->p.rect.h >= 24)
			left->line++;
		control(left);
	}
	segments(&right);
	if (right.line > left->line)
		left->line = right.line;
}

static void one_column(struct pen *pen)
{
	int h = pen->v->p.rect.h;

	rip_line(pen);
	code(pen, h < 14 ? 1 : h < 24 ? 2 : 4);
	gprs(pen);
	flags(pen);
	exits(pen);
	control(pen);
	segments(pen);
}

void vcpu_draw(struct vcpu_panel *v)
{
	struct pen pen = { v, &v->cpus[v->cpu], 0, v->p.rect.w, 0 };
	int more;

	if (!v->have_sample) {
		view_text(&v->p, 0, 0, pen.w, ROLE_DIM, "%s",
			view_absent(&v->p));
		return;
	}
	if (v->scroll > v->lines - v->p.rect.h)
		v->scroll = v->lines > v->p.rect.h ? v->lines - v->p.rect.h : 0;
	header(&pen);
	if (v->p.rect.h >= 10)
		others(&pen);
	if (!pen.c->has_regs) {
		view_text(&v->p, row(&pen), 0, pen.w, ROLE_DIM, "registers come with the next sample");
		pen.line++;
		exits(&pen);
	} else if (pen.w >= TWO_COLUMNS) {
		two_columns(&pen);
	} else {
		one_column(&pen);
	}
	v->lines = pen.line;
	more = v->lines - v->p.rect.h - v->scroll;
	if (more > 0)
		ui_draw(&v->p, v->p.rect.h - 1, pen.w > 9 ? v->p.rect.w - 2 : 0, ROLE_KEY, "%s", "↓");
}
