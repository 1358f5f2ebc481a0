/*
 * view_vcpu.c - the vCPU view: which vCPU, what it does, its registers with what changed, its exits. Screen thread.
 *
 * Registers are shown four times a second at the most, however often samples come: faster cannot be read. While
 * the VM is paused, "changed" holds from one step to the next.
 */
#include <errno.h>
#include <inttypes.h>
#include <ncurses.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "tui/decode.h"
#include "tui/view_vcpu.h"

#define SHOW_EVERY_US 240000
#define SAMPLE_MS 250

static struct panel *vcpu_create(struct ui *ui, struct ui_vm *vm)
{
	struct vcpu_panel *v = calloc(1, sizeof(*v));

	return v ? &v->p : NULL;
}

static void vcpu_destroy(struct panel *p)
{
	struct vcpu_panel *v = (struct vcpu_panel *)p;

	view_reqs_drop(&v->reqs);
	free(v);
}

static void vcpu_want(struct panel *p, struct vmc_subscription *sub)
{
	sub->topics |= VMC_SUB_STATS | VMC_SUB_REGS;
	if (!sub->interval_ms || sub->interval_ms > SAMPLE_MS)
		sub->interval_ms = SAMPLE_MS;
	sub->registers_ms = SHOW_EVERY_US / 1000;
}

static bool same_regs(const struct vcpu_shown *c, const struct vmc_sample_cpu *s)
{
	return !memcmp(&c->regs, &s->regs, sizeof(c->regs)) && !memcmp(&c->sregs, &s->sregs, sizeof(c->sregs)) &&
		c->code_len == s->code_len && !strcmp(c->symbol, s->symbol);
}

static void show_cpu(struct vcpu_shown *c, const struct vmc_sample_cpu *s, bool hold)
{
	if (!s->has_regs)
		return;
	if (hold && c->has_regs && same_regs(c, s))
		return;
	c->old_regs = c->has_regs ? c->regs : s->regs;
	c->old_sregs = c->has_regs ? c->sregs : s->sregs;
	c->regs = s->regs;
	c->sregs = s->sregs;
	c->has_regs = true;
	c->code_len = s->code_len < sizeof(c->code) ? s->code_len : sizeof(c->code);
	memcpy(c->code, s->code, c->code_len);
	c->kernel_base = s->kernel_base;
	snprintf(c->symbol, sizeof(c->symbol), "%s", s->symbol);
}

static bool any_register_moved(const struct vcpu_panel *v, const struct vmc_sample *s)
{
	for (uint32_t i = 0; i < v->ncpus; i++)
		if (s->cpus[i].has_regs && (!v->cpus[i].has_regs || !same_regs(&v->cpus[i], &s->cpus[i])))
			return true;
	return false;
}

static enum panel_result vcpu_sample(struct panel *p, const struct vmc_sample *s)
{
	struct vcpu_panel *v = (struct vcpu_panel *)p;
	bool running = s->state == VMC_RUNNING, news;

	if (!s->cpus || !s->ncpus)
		return PANEL_IGNORED;
	news = !v->have_sample || s->state != v->vm_state || v->ncpus != (s->ncpus < VMC_MAX_VCPUS ? s->ncpus : VMC_MAX_VCPUS);
	v->ncpus = s->ncpus < VMC_MAX_VCPUS ? s->ncpus : VMC_MAX_VCPUS;
	if (v->cpu >= v->ncpus)
		v->cpu = 0;
	for (uint32_t i = 0; i < v->ncpus; i++) {
		news |= s->cpus[i].state == VMC_VCPU_FAILED && v->cpus[i].state != VMC_VCPU_FAILED;
		exit_rates_feed(&v->cpus[i].rates, s->time_us, s->cpus[i].cpu_ns, s->cpus[i].exits);
		if (!running)
			exit_rates_still(&v->cpus[i].rates);
	}
	if (!running && !news)
		news = any_register_moved(v, s);
	/* With the registers, where they come: those of a running VM are not in every sample. */
	if (!news && s->time_us - v->shown_us < (s->cpus[0].has_regs ? SHOW_EVERY_US : 2 * SHOW_EVERY_US))
		return PANEL_HANDLED;
	for (uint32_t i = 0; i < v->ncpus; i++) {
		v->cpus[i].state = s->cpus[i].state;
		show_cpu(&v->cpus[i], &s->cpus[i], !running);
	}
	v->vm_state = s->state;
	v->shown_us = s->time_us;
	v->have_sample = true;
	return PANEL_REDRAW;
}

static void vcpu_panel_draw(struct panel *p)
{
	vcpu_draw((struct vcpu_panel *)p);
}

static void vcpu_title(struct panel *p, char *out, size_t size)
{
	struct vcpu_panel *v = (struct vcpu_panel *)p;
	const char *name = ui_vm_name(p->vm);

	if (!v->have_sample)
		snprintf(out, size, "%s · vCPU", name);
	else if (v->ncpus > 1)
		snprintf(out, size, "%s · vCPU %u of %u · %s", name, v->cpu, v->ncpus, vcpu_state_name(v->cpus[v->cpu].state));
	else
		snprintf(out, size, "%s · vCPU %u · %s", name, v->cpu, vcpu_state_name(v->cpus[v->cpu].state));
}

static void scroll_by(struct vcpu_panel *v, int by)
{
	int last = v->lines > v->p.rect.h ? v->lines - v->p.rect.h : 0;

	v->scroll += by;
	if (v->scroll > last)
		v->scroll = last;
	if (v->scroll < 0)
		v->scroll = 0;
}

static enum panel_result vcpu_key(struct panel *p, int key)
{
	struct vcpu_panel *v = (struct vcpu_panel *)p;

	switch (key) {
	case KEY_DOWN:
	case 'j':
		scroll_by(v, 1);
		return PANEL_REDRAW;
	case KEY_UP:
	case 'k':
		scroll_by(v, -1);
		return PANEL_REDRAW;
	case KEY_NPAGE:
		scroll_by(v, p->rect.h - 1);
		return PANEL_REDRAW;
	case KEY_PPAGE:
		scroll_by(v, 1 - p->rect.h);
		return PANEL_REDRAW;
	default:
		return view_cmd_key(p, key);
	}
}

static enum panel_result vcpu_mouse(struct panel *p, const struct panel_mouse *m)
{
	struct vcpu_panel *v = (struct vcpu_panel *)p;

	if (m->what != MOUSE_WHEEL_DOWN && m->what != MOUSE_WHEEL_UP)
		return PANEL_IGNORED;
	scroll_by(v, m->what == MOUSE_WHEEL_DOWN ? 3 : -3);
	return PANEL_REDRAW;
}

/* ---- commands ---- */

static int select_cpu(struct ui_cmd_call *call, int by)
{
	struct vcpu_panel *v = (struct vcpu_panel *)view_of(call, &panel_vcpu);

	if (!v)
		return -EINVAL;
	if (v->ncpus)
		v->cpu = (v->cpu + v->ncpus + (unsigned)by) % v->ncpus;
	ui_mark(&v->p);
	return 0;
}

static int next_exec(struct ui_cmd_call *call)
{
	return select_cpu(call, 1);
}

static int prev_exec(struct ui_cmd_call *call)
{
	return select_cpu(call, -1);
}

static void stepped(struct panel *p, uint64_t cpu, int rc, const char *error, const char *json)
{
	if (rc < 0)
		ui_warn(p->ui, "%s: vCPU %u did not step: %s", ui_vm_name(p->vm), (unsigned)cpu, error);
}

static int step_exec(struct ui_cmd_call *call)
{
	struct vcpu_panel *v = (struct vcpu_panel *)view_of(call, &panel_vcpu);
	char args[32];
	int rc;

	if (!v)
		return -EINVAL;
	if (v->vm_state != VMC_PAUSED) {
		ui_warn(v->p.ui, "%s: pause it first, then step", ui_vm_name(v->p.vm));
		return -EINVAL;
	}
	snprintf(args, sizeof(args), "{\"cpu\": %u}", v->cpu);
	rc = view_request(&v->p, &v->reqs, "x-step", args, stepped, v->cpu);
	if (rc < 0)
		ui_warn(v->p.ui, "%s: cannot step: %s", ui_vm_name(v->p.vm), strerror(-rc));
	return rc;
}

static void translated(struct panel *p, uint64_t rip, int rc, const char *error, const char *json)
{
	uint64_t gpa;

	if (rc < 0 || vmc_parse_translate(json, &gpa) < 0)
		ui_warn(p->ui, "%s: rip %#" PRIx64 " has no memory: %s", ui_vm_name(p->vm), rip,
			rc < 0 ? error : "the answer makes no sense");
	else
		ui_goto_hex(p->ui, p->vm, gpa);
}

static int code_exec(struct ui_cmd_call *call)
{
	struct vcpu_panel *v = (struct vcpu_panel *)view_of(call, &panel_vcpu);
	const struct vcpu_shown *c;
	char args[64];
	int rc;

	if (!v)
		return -EINVAL;
	if (!v->cpus[v->cpu].has_regs)
		return -EAGAIN;
	c = &v->cpus[v->cpu];
	snprintf(args, sizeof(args), "{\"cpu\": %u, \"address\": \"0x%" PRIx64 "\"}", v->cpu,
		decode_linear_rip(&c->sregs, &c->regs));
	rc = view_request(&v->p, &v->reqs, "x-translate", args, translated, c->regs.rip);
	if (rc < 0)
		ui_warn(v->p.ui, "%s: cannot find the memory at rip: %s", ui_vm_name(v->p.vm), strerror(-rc));
	return rc;
}

static const struct ui_cmd cmd_next = {
	.name = "vcpu-next", .help = "Show the next vCPU.", .keys = ">", .flags = CMD_UI, .exec = next_exec,
};
static const struct ui_cmd cmd_prev = {
	.name = "vcpu-previous", .help = "Show the vCPU before.", .keys = "<", .flags = CMD_UI, .exec = prev_exec,
};
static const struct ui_cmd cmd_step = {
	.name = "vcpu-step", .help = "Let the vCPU shown run one instruction; the VM must be paused.", .keys = ".",
	.flags = CMD_UI, .exec = step_exec,
};
static const struct ui_cmd cmd_code = {
	.name = "vcpu-code", .help = "Show the memory at RIP in the hex view.", .keys = "Enter", .flags = CMD_UI,
	.exec = code_exec,
};
static const struct ui_cmd *const vcpu_cmds[] = { &cmd_step, &cmd_next, &cmd_prev, &cmd_code, NULL };

const struct panel_ops panel_vcpu = {
	.name = "vcpu",
	.help = "A vCPU: registers with what changed, flags and mode in words, exits a second, CPU time.",
	.min_h = 4, .min_w = 22,
	.per_vm = true,
	.cmds = vcpu_cmds,
	.create = vcpu_create,
	.destroy = vcpu_destroy,
	.draw = vcpu_panel_draw,
	.title = vcpu_title,
	.key = vcpu_key,
	.mouse = vcpu_mouse,
	.want = vcpu_want,
	.sample = vcpu_sample,
};
