/*
 * view_hex.c - guest memory in hex: physical, or virtual through a vCPU's page tables; keys and going to places. Screen
 * thread. What is shown is read again twice a second while it is visible; bytes that changed stand out.
 */
#include <errno.h>
#include <inttypes.h>
#include <ncurses.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "tui/view_hex.h"

static struct hex_panel *alive; /* every hex panel there is; few */

bool hex_alive(const struct hex_panel *hp)
{
	const struct hex_panel *at = alive;

	while (at && at != hp)
		at = at->next_alive;
	return at != NULL;
}

/* ---- going to places ---- */

static uint64_t row_of(const struct hex_panel *hp, uint64_t addr)
{
	return addr - addr % (uint64_t)(hp->per_row ? hp->per_row : 16);
}

static void remember(struct hex_panel *hp)
{
	if (hp->nback == HEX_HISTORY)
		memmove(hp->back, hp->back + 1, sizeof(hp->back[0]) * --hp->nback);
	hp->back[hp->nback++] = (struct hex_place){ hp->top, hp->cursor, hp->virt };
}

static void place(struct hex_panel *hp, uint64_t top, uint64_t cursor, bool virt)
{
	hp->top = top;
	hp->cursor = cursor;
	hp->virt = virt;
	hp->problem[0] = '\0';
	hex_read(hp);
	ui_mark(&hp->p);
}

void hex_go(struct hex_panel *hp, uint64_t addr, bool virt)
{
	uint64_t lead = (uint64_t)hp->per_row * (uint64_t)(hp->rows > 8 ? 2 : 0); /* a little of what is before */
	uint64_t row = row_of(hp, addr);

	remember(hp);
	place(hp, row > lead ? row - lead : 0, addr, virt);
}

static void look_where_asked(struct hex_panel *hp)
{
	unsigned seq;
	uint64_t gpa = ui_hex_address(hp->p.vm, &seq);

	if (seq == hp->goto_seq)
		return;
	hp->goto_seq = seq;
	hex_go(hp, gpa, false);
}

static void move_cursor(struct hex_panel *hp, int64_t by)
{
	uint64_t to = hp->cursor + (uint64_t)by, span = (uint64_t)hp->per_row * (uint64_t)hp->rows;

	if (by < 0 && hp->cursor < (uint64_t)-by)
		to = hp->cursor % (uint64_t)hp->per_row;
	if (by > 0 && to < hp->cursor)
		return;
	hp->cursor = to;
	if (!hp->rows)
		return;
	if (to < hp->top)
		hp->top = row_of(hp, to);
	else if (to - hp->top >= span)
		hp->top = row_of(hp, to) - span + (uint64_t)hp->per_row;
	else
		return;
	hex_read(hp);
}

/* A screen on: what was seen leaves, but for one row. */
static void turn_page(struct hex_panel *hp, int64_t by)
{
	uint64_t top = hp->top + (uint64_t)by;

	if (by < 0 && hp->top < (uint64_t)-by)
		top = 0;
	if (by > 0 && (top < hp->top || hp->cursor + (uint64_t)by < hp->cursor))
		return;
	hp->cursor = top + (hp->cursor - hp->top);
	hp->top = top;
	hex_read(hp);
}

/* ---- samples and time ---- */

static void hex_want(struct panel *p, struct vmc_subscription *sub)
{
	struct hex_panel *hp = (struct hex_panel *)p;

	sub->topics |= VMC_SUB_STATS;
	if (!hp->map.n)
		sub->topics |= VMC_SUB_MAP;
	if (hp->want_regs)
		sub->topics |= VMC_SUB_REGS;
	if (!sub->interval_ms || sub->interval_ms > 500)
		sub->interval_ms = 500;
}

static enum panel_result hex_sample(struct panel *p, const struct vmc_sample *s)
{
	struct hex_panel *hp = (struct hex_panel *)p;
	bool had_map = hp->map.n > 0;

	if (s->ncpus)
		hp->ncpus = s->ncpus;
	if (hp->cpu >= (hp->ncpus ? hp->ncpus : 1))
		hp->cpu = 0;
	if (s->map)
		view_map_take(&hp->map, s);
	if (!had_map && hp->map.n)
		ui_want(p);
	if (!hp->want_regs || hp->cpu >= s->ncpus || !s->cpus[hp->cpu].has_regs)
		return had_map ? PANEL_HANDLED : PANEL_REDRAW;
	hex_take_regs(hp, &s->cpus[hp->cpu].regs, &s->cpus[hp->cpu].sregs);
	return PANEL_REDRAW;
}

static enum panel_result hex_panel_tick(struct panel *p, uint64_t now_ms)
{
	struct hex_panel *hp = (struct hex_panel *)p;

	look_where_asked(hp);
	hex_tick(hp, now_ms);
	hex_name_cursor(hp);
	return PANEL_HANDLED; /* what comes in marks the panel */
}

/* ---- the panel ---- */

static struct panel *hex_create(struct ui *ui, struct ui_vm *vm)
{
	struct hex_panel *hp = calloc(1, sizeof(*hp));

	if (!hp)
		return NULL;
	hp->per_row = 16;
	hp->ncpus = 1;
	hp->next_alive = alive;
	alive = hp;
	return &hp->p;
}

static void hex_destroy(struct panel *p)
{
	struct hex_panel *hp = (struct hex_panel *)p, **at = &alive;

	while (*at != hp)
		at = &(*at)->next_alive;
	*at = hp->next_alive;
	view_reqs_drop(&hp->reqs);
	view_map_free(&hp->map);
	free(hp);
}

static void hex_resized(struct panel *p)
{
	struct hex_panel *hp = (struct hex_panel *)p;

	hex_layout(hp);
	hp->top = row_of(hp, hp->top);
	move_cursor(hp, 0);
	look_where_asked(hp);
	hex_read(hp);
}

static void hex_panel_draw(struct panel *p)
{
	hex_draw((struct hex_panel *)p);
}

static void hex_title(struct panel *p, char *out, size_t size)
{
	struct hex_panel *hp = (struct hex_panel *)p;

	if (hp->virt)
		snprintf(out, size, "%s · memory · virtual, vCPU %u", ui_vm_name(p->vm), hp->cpu);
	else
		snprintf(out, size, "%s · memory · physical", ui_vm_name(p->vm));
}

static enum panel_result hex_key(struct panel *p, int key)
{
	struct hex_panel *hp = (struct hex_panel *)p;
	int row = hp->per_row, screen = row * (hp->rows > 1 ? hp->rows - 1 : 1);

	switch (key) {
	case KEY_LEFT:
		move_cursor(hp, -1);
		break;
	case KEY_RIGHT:
		move_cursor(hp, 1);
		break;
	case KEY_UP:
	case 'k':
		move_cursor(hp, -row);
		break;
	case KEY_DOWN:
	case 'j':
		move_cursor(hp, row);
		break;
	case KEY_PPAGE:
		turn_page(hp, -screen);
		break;
	case KEY_NPAGE:
		turn_page(hp, screen);
		break;
	case KEY_HOME:
		move_cursor(hp, -(int64_t)(hp->cursor % (uint64_t)row));
		break;
	case KEY_END:
		move_cursor(hp, row - 1 - (int64_t)(hp->cursor % (uint64_t)row));
		break;
	case UI_KEY_ESC:
		if (!hp->finding)
			return PANEL_IGNORED;
		hex_find_stop(hp, "the search was stopped");
		break;
	default:
		return view_cmd_key(p, key);
	}
	return PANEL_REDRAW;
}

static enum panel_result hex_mouse(struct panel *p, const struct panel_mouse *m)
{
	struct hex_panel *hp = (struct hex_panel *)p;
	uint64_t addr;

	switch (m->what) {
	case MOUSE_WHEEL_UP:
	case MOUSE_WHEEL_DOWN:
		move_cursor(hp, (m->what == MOUSE_WHEEL_UP ? -3 : 3) * (int64_t)hp->per_row);
		return PANEL_REDRAW;
	case MOUSE_PRESS:
		if (!hex_at(hp, m->y, m->x, &addr))
			return PANEL_IGNORED;
		hp->cursor = addr;
		return PANEL_REDRAW;
	default:
		return PANEL_IGNORED;
	}
}

/* ---- commands ---- */

static struct hex_panel *hex_of(struct ui_cmd_call *call)
{
	return (struct hex_panel *)view_of(call, &panel_hex);
}

static int goto_exec(struct ui_cmd_call *call)
{
	struct hex_panel *hp = hex_of(call);

	if (!hp)
		return -EINVAL;
	if (call->argc > 1)
		hex_goto(hp, call->argv[1]);
	else
		hex_goto_prompt(hp);
	return 0;
}

static int virt_exec(struct ui_cmd_call *call)
{
	struct hex_panel *hp = hex_of(call);
	uint64_t gpa;

	if (!hp)
		return -EINVAL;
	/* From virtual to physical the same bytes stay in sight; the way back is not one address. */
	if (hp->virt && hex_physical(hp, hp->cursor, &gpa))
		hex_go(hp, gpa, false);
	else
		place(hp, hp->top, hp->cursor, !hp->virt);
	return 0;
}

static int cpu_exec(struct ui_cmd_call *call)
{
	struct hex_panel *hp = hex_of(call);

	if (!hp)
		return -EINVAL;
	hp->cpu = (hp->cpu + 1) % (hp->ncpus ? hp->ncpus : 1);
	ui_say(hp->p.ui, "virtual addresses are those of vCPU %u", hp->cpu);
	place(hp, hp->top, hp->cursor, hp->virt);
	return 0;
}

static int find_exec(struct ui_cmd_call *call)
{
	struct hex_panel *hp = hex_of(call);

	if (!hp)
		return -EINVAL;
	hex_find_prompt(hp);
	return 0;
}

static int next_exec(struct ui_cmd_call *call)
{
	struct hex_panel *hp = hex_of(call);

	if (!hp)
		return -EINVAL;
	hex_find_next(hp);
	return 0;
}

static int write_exec(struct ui_cmd_call *call)
{
	struct hex_panel *hp = hex_of(call);

	if (!hp)
		return -EINVAL;
	hex_write_prompt(hp);
	return 0;
}

static int pointer_exec(struct ui_cmd_call *call)
{
	struct hex_panel *hp = hex_of(call);
	uint64_t to = 0;

	if (!hp)
		return -EINVAL;
	for (unsigned i = 0; i < 8; i++) {
		int byte = hex_byte(hp, hp->cursor + i, NULL);

		if (byte < 0) {
			ui_warn(hp->p.ui, "there is no whole pointer at 0x%" PRIx64, hp->cursor);
			return -EFAULT;
		}
		to |= (uint64_t)byte << (8 * i);
	}
	hex_go(hp, to, hp->virt);
	return 0;
}

static int back_exec(struct ui_cmd_call *call)
{
	struct hex_panel *hp = hex_of(call);
	const struct hex_place *b;

	if (!hp)
		return -EINVAL;
	if (!hp->nback)
		return 0;
	b = &hp->back[--hp->nback];
	place(hp, row_of(hp, b->top), b->cursor, b->virt);
	return 0;
}

#define ROW(var, n, a, k, h, f) \
	static const struct ui_cmd var = { .name = n, .args = a, .keys = k, .help = h, .flags = CMD_UI, .exec = f }
ROW(cmd_goto, "hex-goto", "[ADDRESS]", "g", "Go to an address, symbol+offset or register.", goto_exec);
ROW(cmd_virt, "hex-virtual", NULL, "v", "Virtual addresses of a vCPU, or physical ones.", virt_exec);
ROW(cmd_cpu, "hex-vcpu", NULL, "c", "Take the virtual addresses of the next vCPU.", cpu_exec);
ROW(cmd_find, "hex-find", NULL, "f", "Find bytes (48 89 07) or text in physical memory, from the cursor on.", find_exec);
ROW(cmd_next, "hex-find-next", NULL, "n", "Find the next one.", next_exec);
ROW(cmd_pointer, "hex-follow", NULL, "Enter", "Go where the eight bytes at the cursor point.", pointer_exec);
ROW(cmd_back, "hex-back", NULL, "Backspace b", "Go back to where it was before.", back_exec);
ROW(cmd_write, "hex-write", NULL, "e", "Write bytes or text at the cursor; asks first.", write_exec);
static const struct ui_cmd *const hex_cmds[] = {
	&cmd_goto, &cmd_virt, &cmd_cpu, &cmd_find, &cmd_next, &cmd_pointer, &cmd_back, &cmd_write, NULL,
};

const struct panel_ops panel_hex = {
	.name = "hex",
	.help = "Guest memory in hex: physical or virtual, what changes stands out.",
	.min_h = 3, .min_w = 22,
	.per_vm = true,
	.cmds = hex_cmds,
	.create = hex_create,
	.destroy = hex_destroy,
	.draw = hex_panel_draw,
	.resized = hex_resized,
	.title = hex_title,
	.key = hex_key,
	.mouse = hex_mouse,
	.want = hex_want,
	.sample = hex_sample,
	.tick = hex_panel_tick,
};
