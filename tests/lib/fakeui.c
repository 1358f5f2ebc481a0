/* fakeui.c - the workstation as the views see it, without a terminal. See fakeui.h. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "tests/lib/fakeui.h"

#define MAX_H 120
#define MAX_W 320
#define MAX_CMDS 64

struct cell {
	uint32_t ch;
	enum ui_role role, upper, lower;
};

struct command {
	char name[64], *args;
	vmc_reply_fn *fn;
	void *arg;
};

struct ui {
	bool ascii;
};

struct ui_vm {
	struct fake *f;
	struct vmc_vm_info info;
	unsigned hex_seq;
	uint64_t hex_gpa;
};

struct fake {
	struct ui ui;
	struct ui_vm vm;
	struct panel *p;
	bool connected, marked;
	struct cell grid[MAX_H][MAX_W], before[MAX_H][MAX_W];
	char row[MAX_W * 4 + 1], said[512], opened[64], label[256];
	int wants;
	uint64_t hex_goto;
	struct command cmds[MAX_CMDS];
	int ncmds;
	void (*prompt_done)(void *arg, const char *text);
	void (*ask_done)(void *arg, bool yes);
	void *prompt_arg;
};

static struct fake *current; /* ui calls that carry no panel mean this one */

struct fake *fake_new(const struct panel_ops *ops, int h, int w)
{
	struct fake *f = calloc(1, sizeof(*f));

	if (!f)
		abort();
	current = f;
	f->connected = true;
	f->hex_goto = UINT64_MAX;
	f->vm.f = f;
	strcpy(f->vm.info.name, "pager");
	f->vm.info.ram_bytes = 64 << 20;
	f->p = ops->create(&f->ui, &f->vm);
	if (!f->p)
		abort();
	f->p->ops = ops;
	f->p->ui = &f->ui;
	f->p->vm = &f->vm;
	f->p->visible = f->p->focused = true;
	fake_resize(f, h, w);
	return f;
}

void fake_free(struct fake *f)
{
	f->p->ops->destroy(f->p);
	f->p = NULL;
	while (f->ncmds)
		fake_reply(f, -ECONNRESET, "the connection ended");
	free(f);
	current = NULL;
}

struct panel *fake_panel(struct fake *f)
{
	return f->p;
}

void fake_resize(struct fake *f, int h, int w)
{
	f->p->rect = (struct ui_rect){ 3, 5, h, w };
	if (f->p->ops->resized)
		f->p->ops->resized(f->p);
	fake_draw(f);
}

void fake_ascii(struct fake *f, bool on)
{
	f->ui.ascii = on;
}

void fake_connected(struct fake *f, bool on)
{
	f->connected = on;
}

void fake_draw(struct fake *f)
{
	for (int y = 0; y < f->p->rect.h; y++) {
		memcpy(f->before[y], f->grid[y], sizeof(struct cell) * (size_t)f->p->rect.w);
		memset(f->grid[y], 0, sizeof(struct cell) * (size_t)f->p->rect.w);
	}
	f->marked = false;
	f->p->ops->draw(f->p);
}

static enum panel_result settle(struct fake *f, enum panel_result r)
{
	if (r == PANEL_REDRAW || f->marked)
		fake_draw(f);
	return r;
}

enum panel_result fake_sample(struct fake *f, const struct vmc_sample *s)
{
	return f->p->ops->sample ? settle(f, f->p->ops->sample(f->p, s)) : PANEL_IGNORED;
}

enum panel_result fake_key(struct fake *f, int key)
{
	return settle(f, f->p->ops->key(f->p, key));
}

enum panel_result fake_keys(struct fake *f, const char *keys)
{
	enum panel_result r = PANEL_IGNORED;

	for (; *keys; keys++)
		r = fake_key(f, (unsigned char)*keys);
	return r;
}

enum panel_result fake_click(struct fake *f, int y, int x)
{
	struct panel_mouse m = { .y = y, .x = x, .what = MOUSE_PRESS, .button = 1 };

	return settle(f, f->p->ops->mouse(f->p, &m));
}

enum panel_result fake_wheel(struct fake *f, int y, int x, bool up)
{
	struct panel_mouse m = { .y = y, .x = x, .what = up ? MOUSE_WHEEL_UP : MOUSE_WHEEL_DOWN };

	return settle(f, f->p->ops->mouse(f->p, &m));
}

void fake_tick(struct fake *f, uint64_t now_ms)
{
	if (f->p->ops->tick)
		settle(f, f->p->ops->tick(f->p, now_ms));
}

struct vmc_subscription fake_want(struct fake *f)
{
	struct vmc_subscription sub = { 0 };

	if (f->p->ops->want)
		f->p->ops->want(f->p, &sub);
	return sub;
}

/* ---- the screen ---- */

static struct cell *cell_at(struct fake *f, int y, int x)
{
	static struct cell nowhere;

	if (y < 0 || x < 0 || y >= f->p->rect.h || x >= f->p->rect.w || y >= MAX_H || x >= MAX_W)
		return &nowhere;
	return &f->grid[y][x];
}

static void put(struct panel *p, int y, int x, uint32_t ch, enum ui_role role)
{
	struct cell *c = cell_at(p->vm->f, y, x);

	*c = (struct cell){ ch, role, ROLE_COUNT, ROLE_COUNT };
}

/* The tests hand in no broken UTF-8 and only characters of one column. */
static uint32_t next_char(const char **s)
{
	const unsigned char *p = (const unsigned char *)*s;
	int n = p[0] < 0x80 ? 1 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
	uint32_t ch = n == 1 ? p[0] : p[0] & (0xff >> (n + 1));

	for (int i = 1; i < n; i++)
		ch = ch << 6 | (p[i] & 0x3f);
	*s += n;
	return ch;
}

static int draw_string(struct panel *p, int y, int x, enum ui_role role, const char *text)
{
	int used = 0;

	for (; *text; used++)
		put(p, y, x + used, next_char(&text), role);
	return used;
}

int ui_draw(struct panel *p, int y, int x, enum ui_role role, const char *fmt, ...)
{
	char text[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	return draw_string(p, y, x, role, text);
}

void ui_draw_cell(struct panel *p, int y, int x, const uint32_t *chars, int nchars, int width, int fg, int bg,
	uint32_t attrs)
{
	put(p, y, x, nchars ? chars[0] : ' ', ROLE_DEFAULT);
}

void ui_draw_half(struct panel *p, int y, int x, enum ui_role upper, enum ui_role lower, bool cursor)
{
	struct cell *c = cell_at(p->vm->f, y, x);

	put(p, y, x, cursor ? 0x25c6 : 0x2580, upper);
	c->upper = upper;
	c->lower = lower;
}

void ui_draw_bar(struct panel *p, int y, int x, int w, uint64_t value, uint64_t max, enum ui_role role)
{
	uint64_t full = max ? (value > max ? max : value) * (uint64_t)w / max : 0;

	for (int i = 0; i < w; i++)
		put(p, y, x + i, (uint64_t)i < full ? 0x2588 : ' ', role);
}

void ui_draw_fill(struct panel *p, int y, int x, int h, int w, enum ui_role role)
{
	for (int i = 0; i < h; i++)
		for (int j = 0; j < w; j++)
			put(p, y + i, x + j, ' ', role);
}

bool ui_ascii(const struct ui *ui)
{
	return ui->ascii;
}

const char *fake_row(struct fake *f, int y)
{
	size_t len = 0, end = 0;

	for (int x = 0; x < f->p->rect.w; x++) {
		uint32_t ch = f->grid[y][x].ch ? f->grid[y][x].ch : ' ';

		if (ch < 0x80) {
			f->row[len++] = (char)ch;
		} else if (ch < 0x800) {
			f->row[len++] = (char)(0xc0 | ch >> 6);
			f->row[len++] = (char)(0x80 | (ch & 0x3f));
		} else {
			f->row[len++] = (char)(0xe0 | ch >> 12);
			f->row[len++] = (char)(0x80 | (ch >> 6 & 0x3f));
			f->row[len++] = (char)(0x80 | (ch & 0x3f));
		}
		if (ch != ' ')
			end = len;
	}
	f->row[end] = '\0';
	return f->row;
}

int fake_find(struct fake *f, const char *text, int *x)
{
	for (int y = 0; y < f->p->rect.h; y++) {
		const char *line = fake_row(f, y), *at = strstr(line, text);

		if (!at)
			continue;
		if (x) {
			*x = 0;
			for (; line < at; line++)
				*x += (*line & 0xc0) != 0x80;
		}
		return y;
	}
	return -1;
}

bool fake_shows(struct fake *f, const char *text)
{
	if (fake_find(f, text, NULL) >= 0)
		return true;
	printf("# \"%s\" is not on this screen:\n", text);
	fake_dump(f);
	return false;
}

enum ui_role fake_role(struct fake *f, int y, int x)
{
	return cell_at(f, y, x)->role;
}

enum ui_role fake_role_of(struct fake *f, const char *text)
{
	int x, y = fake_find(f, text, &x);

	return y < 0 ? ROLE_COUNT : fake_role(f, y, x);
}

enum ui_role fake_upper(struct fake *f, int y, int x)
{
	return cell_at(f, y, x)->upper;
}

enum ui_role fake_lower(struct fake *f, int y, int x)
{
	return cell_at(f, y, x)->lower;
}

int fake_changed(struct fake *f)
{
	int n = 0;

	for (int y = 0; y < f->p->rect.h; y++)
		for (int x = 0; x < f->p->rect.w; x++)
			n += memcmp(&f->grid[y][x], &f->before[y][x], sizeof(struct cell)) != 0;
	return n;
}

void fake_dump(struct fake *f)
{
	for (int y = 0; y < f->p->rect.h; y++)
		printf("# |%s\n", fake_row(f, y));
}

/* ---- what panels ask for ---- */

void ui_mark(struct panel *p)
{
	p->vm->f->marked = true;
}

void ui_want(struct panel *p)
{
	p->vm->f->wants++;
}

void ui_say(struct ui *ui, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(current->said, sizeof(current->said), fmt, ap);
	va_end(ap);
}

void ui_warn(struct ui *ui, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(current->said, sizeof(current->said), fmt, ap);
	va_end(ap);
}

void ui_ask(struct ui *ui, void (*answer)(void *arg, bool yes), void *arg, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(current->label, sizeof(current->label), fmt, ap);
	va_end(ap);
	current->ask_done = answer;
	current->prompt_arg = arg;
}

void ui_prompt(struct ui *ui, const char *label, const char *initial, void (*done)(void *arg, const char *text),
	void *arg)
{
	snprintf(current->label, sizeof(current->label), "%s", label);
	current->prompt_done = done;
	current->prompt_arg = arg;
}

const char *ui_vm_name(const struct ui_vm *vm)
{
	return vm->info.name;
}

struct vmc_conn *ui_vm_conn(const struct ui_vm *vm)
{
	return vm->f->connected ? (struct vmc_conn *)vm->f : NULL;
}

const struct vmc_vm_info *ui_vm_info(const struct ui_vm *vm)
{
	return &vm->info;
}

struct vmc_symbols *ui_vm_symbols_beside(struct ui_vm *vm, uint64_t base)
{
	return NULL;
}

struct vmc_symbols *ui_vm_symbols(struct ui_vm *vm)
{
	return NULL;
}

struct panel *ui_open_panel(struct ui *ui, struct ui_vm *vm, const char *name)
{
	snprintf(vm->f->opened, sizeof(vm->f->opened), "%s", name);
	return NULL;
}

uint64_t ui_hex_address(const struct ui_vm *vm, unsigned *seq)
{
	*seq = vm->hex_seq;
	return vm->hex_gpa;
}

void ui_goto_hex(struct ui *ui, struct ui_vm *vm, uint64_t gpa)
{
	vm->f->hex_goto = gpa;
}

int vmc_conn_command(struct vmc_conn *conn, const char *command, const char *args_json, vmc_reply_fn *fn, void *arg)
{
	struct fake *f = (struct fake *)conn;
	struct command *c = &f->cmds[f->ncmds];

	if (f->ncmds == MAX_CMDS)
		return -ENOBUFS;
	snprintf(c->name, sizeof(c->name), "%s", command);
	c->args = strdup(args_json ? args_json : "");
	c->fn = fn;
	c->arg = arg;
	f->ncmds++;
	return 0;
}

/* ---- what the test asks ---- */

const char *fake_said(struct fake *f)
{
	return f->said;
}

int fake_wants_again(struct fake *f)
{
	return f->wants;
}

uint64_t fake_hex_goto(struct fake *f)
{
	return f->hex_goto;
}

const char *fake_opened(struct fake *f)
{
	return f->opened;
}

void fake_goto(struct fake *f, uint64_t gpa)
{
	f->vm.hex_gpa = gpa;
	f->vm.hex_seq++;
}

const char *fake_command(struct fake *f)
{
	return f->ncmds ? f->cmds[0].name : "";
}

const char *fake_command_args(struct fake *f)
{
	return f->ncmds ? f->cmds[0].args : "";
}

int fake_pending(struct fake *f)
{
	return f->ncmds;
}

void fake_reply(struct fake *f, int rc, const char *text)
{
	struct command c;

	if (!f->ncmds)
		return;
	c = f->cmds[0];
	memmove(f->cmds, f->cmds + 1, sizeof(c) * (size_t)--f->ncmds);
	c.fn(c.arg, rc, rc < 0 ? text : NULL, rc < 0 ? NULL : text);
	free(c.args);
	if (f->p && f->marked)
		fake_draw(f);
}

const char *fake_prompt(struct fake *f)
{
	return f->label;
}

void fake_answer(struct fake *f, const char *text)
{
	void (*done)(void *, const char *) = f->prompt_done;

	f->prompt_done = NULL;
	f->label[0] = '\0';
	if (done)
		done(f->prompt_arg, text);
	if (f->marked)
		fake_draw(f);
}

void fake_answer_ask(struct fake *f, bool yes)
{
	void (*done)(void *, bool) = f->ask_done;

	f->ask_done = NULL;
	f->label[0] = '\0';
	if (done)
		done(f->prompt_arg, yes);
	if (f->marked)
		fake_draw(f);
}

struct vmc_sample *fake_sample_new(enum vmc_state state, uint64_t time_us)
{
	static struct vmc_sample_cpu cpu;
	static struct vmc_sample s;

	s = (struct vmc_sample){ .state = state, .time_us = time_us, .ncpus = 1, .cpus = &cpu };
	cpu = (struct vmc_sample_cpu){ .state = state == VMC_PAUSED ? VMC_VCPU_PAUSED : VMC_VCPU_RUNNING };
	return &s;
}
