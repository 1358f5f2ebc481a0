/*
 * vm_live.c - what a running VM tells: its state, events, samples and jobs, and what it is told. Screen thread.
 */
#include "config.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "tui/vm.h"
#include "tui/cli.h"
#include "tui/vm_internal.h"

#define LIST_INTERVAL_MS 1000 /* for the list's CPU column, when no panel wants more */

const char *vm_state_text(const struct ui_vm *vm)
{
	switch (vm->link) {
	case VM_IDLE:
		return "off";
	case VM_STARTING:
		return "starting";
	case VM_JOINING:
		return "joining";
	case VM_ENDED:
		return "ended";
	case VM_LOST:
		return "lost";
	case VM_LIVE:
		break;
	}
	if (vm->info.panicked && vm->info.state == VMC_RUNNING)
		return "panicked";
	return cli_state(vm->info.state);
}

enum ui_role vm_state_role(const struct ui_vm *vm)
{
	if (vm->link == VM_LOST || (vm->link == VM_LIVE && (vm->info.state == VMC_CRASHED || vm->info.panicked)))
		return ROLE_BAD;
	if (vm->link == VM_LIVE && vm->info.state == VMC_RUNNING)
		return ROLE_GOOD;
	if (vm->link == VM_STARTING || vm->link == VM_JOINING || (vm->link == VM_LIVE && vm->info.state == VMC_PAUSED))
		return ROLE_WARN;
	return ROLE_DIM;
}

wchar_t vm_state_mark(const struct ui_vm *vm)
{
	if (vm->link == VM_LOST || (vm->link == VM_LIVE && (vm->info.state == VMC_CRASHED || vm->info.panicked)))
		return L'\u2717';
	if (vm->link == VM_LIVE && vm->info.state == VMC_RUNNING)
		return L'\u25cf';
	if (vm->link == VM_LIVE && vm->info.state == VMC_PAUSED)
		return L'\u2016';
	if (vm->link == VM_STARTING || vm->link == VM_JOINING)
		return L'\u2026';
	return L'\u25cb';
}

/* ---- asking ---- */

/* A VM that has stopped takes no CPU from now on, not from the next second on. */
static void set_state(struct ui_vm *vm, enum vmc_state state)
{
	vm->info.state = state;
	if (state != VMC_RUNNING)
		vm->cpu_percent = vm->exits_per_s = 0;
}

static void info_reply(void *arg, int rc, const char *error, const char *json)
{
	struct ui_vm *vm = arg;
	struct vmc_vm_info info;

	(void)error;
	if (rc < 0 || vmc_parse_vm_info(json, &info) < 0)
		return;
	if (info.state != vm->info.state)
		vm->ui->draw_frames = true;
	vm->info = info;
	set_state(vm, info.state);
	vm_marked(vm);
}

void vm_refresh_info(struct ui_vm *vm)
{
	if (vm->conn == NULL)
		return;
	vmc_conn_command(vm->conn, "x-query-vm", NULL, info_reply, vm);
	vm_watch(vm);
}

struct pending {
	struct ui_vm *vm;
	char what[64];
};

static void command_reply(void *arg, int rc, const char *error, const char *json)
{
	struct pending *p = arg;
	char key[32] = "";

	(void)json;
	if (strcmp(p->what, "shutdown") == 0) /* the other way out, for machines without a power button */
		key_hint(p->vm->ui, "force-off", key, sizeof(key));
	if (rc < 0 && rc != -ECONNRESET)
		ui_warn(p->vm->ui, "%s: %s: %s%s%s%s", p->vm->name, p->what, error, key[0] != '\0' ? " (" : "", key,
			key[0] != '\0' ? " ends it at once)" : "");
	if (rc == 0 && strcmp(p->what, "shutdown") == 0) {
		ui_say(p->vm->ui, "%s: its power button was pressed; what comes of it is the guest's affair%s%s%s",
			p->vm->name, key[0] != '\0' ? " (" : "", key, key[0] != '\0' ? " ends it at once)" : "");
		vm_off_begin(p->vm);
	}
	if (rc == 0)
		vm_refresh_info(p->vm);
	free(p);
}

int vm_command(struct ui_vm *vm, const char *command, const char *args_json, const char *what)
{
	struct pending *p;
	int rc;

	if (!vm_is_live(vm)) {
		ui_warn(vm->ui, "%s is not running", vm->name);
		return -ENOTCONN;
	}
	p = calloc(1, sizeof(*p));
	if (p == NULL)
		return -ENOMEM;
	p->vm = vm;
	snprintf(p->what, sizeof(p->what), "%s", what);
	rc = vmc_conn_command(vm->conn, command, args_json, command_reply, p);
	if (rc < 0) {
		free(p);
		ui_warn(vm->ui, "%s: %s: %s", vm->name, what, strerror(-rc));
		return rc;
	}
	vm_watch(vm);
	return 0;
}

/* ---- events ---- */

/* The value of a string member, for the few events whose words are shown. */
static void json_text(const char *json, const char *member, char *out, size_t size)
{
	char key[64];
	const char *at;
	size_t n = 0;

	out[0] = '\0';
	snprintf(key, sizeof(key), "\"%s\"", member);
	at = json != NULL ? strstr(json, key) : NULL;
	at = at != NULL ? strchr(at + strlen(key), '"') : NULL;
	for (at = at != NULL ? at + 1 : ""; *at != '\0' && *at != '"' && n + 1 < size; at++) {
		if (*at == '\\' && at[1] != '\0')
			at++;
		out[n++] = *at == 'n' && at[-1] == '\\' ? ' ' : *at;
	}
	out[n] = '\0';
}

void vm_event(void *arg, const char *name, const char *json_data)
{
	struct ui_vm *vm = arg;
	struct ui *ui = vm->ui;
	char text[256];

	if (strcmp(name, "STOP") == 0) {
		set_state(vm, VMC_PAUSED);
		vm_off_cancel(vm);
	} else if (strcmp(name, "RESUME") == 0) {
		set_state(vm, VMC_RUNNING);
		vm->ending = vm->end_told = false;
	} else if (strcmp(name, "RESET") == 0) {
		vm->ending = vm->end_told = false;
		vm_off_cancel(vm);
		ui_say(ui, "%s was reset", vm->name);
	} else if (strcmp(name, "SHUTDOWN") == 0) {
		set_state(vm, VMC_STOPPED);
		vm->ending = true; /* whether it stays for a look or leaves: both are in order */
		json_text(json_data, "reason", text, sizeof(text));
		vm_off_ended(vm, text);
	} else if (strcmp(name, "GUEST_PANICKED") == 0) {
		ui_warn(ui, "%s: the guest's kernel has panicked", vm->name);
	} else if (strcmp(name, "BLOCK_IO_ERROR") == 0) {
		char disk[32], action[16];

		json_text(json_data, "reason", text, sizeof(text));
		json_text(json_data, "device", disk, sizeof(disk));
		json_text(json_data, "action", action, sizeof(action));
		ui_warn(ui, "%s: %s: %s%s", vm->name, disk, text,
			strcmp(action, "stop") == 0 ? "; paused: mend it, then resume" : "; the guest was told");
	} else if (strcmp(name, "X_NETWORK") == 0) {
		char card[32];

		json_text(json_data, "reason", text, sizeof(text));
		json_text(json_data, "id", card, sizeof(card));
		ui_warn(ui, "%s: %s: %s", vm->name, card, text);
	} else if (strcmp(name, "X_CRASHED") == 0) {
		set_state(vm, VMC_CRASHED);
		json_text(json_data, "reason", text, sizeof(text));
		ui_warn(ui, "%s has crashed: %s", vm->name, text);
	} else {
		return; /* jobs have callbacks of their own */
	}
	vm_refresh_info(vm);
	vm_marked(vm);
}

/* ---- samples ---- */

static void take_stats(struct ui_vm *vm, const struct vmc_sample *s)
{
	uint64_t cpu_us = s->process_cpu_us, exits = 0, dt;
	double percent;
	uint32_t i, r;

	for (i = 0; i < s->ncpus; i++)
		for (r = 0; r < VMC_EXIT_REASONS; r++)
			exits += s->cpus[i].exits[r];
	if (vm->have_sample && s->time_us - vm->time_us < 900000)
		return; /* the list shows a second's worth, however often panels ask */
	if (vm->have_sample) {
		dt = s->time_us - vm->time_us;
		percent = cpu_us >= vm->cpu_us && vm->info.state == VMC_RUNNING
			? 100.0 * (double)(cpu_us - vm->cpu_us) / (double)dt : 0;
		vm->cpu_percent = percent;
		vm->exits_per_s = exits >= vm->exits && vm->info.state == VMC_RUNNING ? 1e6 * (double)(exits - vm->exits) / (double)dt : 0;
		memmove(vm->cpu_history, vm->cpu_history + 1, VM_HISTORY - 1);
		vm->cpu_history[VM_HISTORY - 1] = (uint8_t)(percent > 255 ? 255 : percent + 0.5);
	}
	vm->have_sample = true;
	vm->time_us = s->time_us;
	vm->cpu_us = cpu_us;
	vm->exits = exits;
	if (s->rss_bytes != 0)
		vm->rss = s->rss_bytes;
	for (i = 0; i < vm->ui->npool; i++)
		if (vm->ui->pool[i]->ops == &panel_vms)
			ui_mark(vm->ui->pool[i]);
}

void vm_sample(void *arg, const struct vmc_sample *s)
{
	struct ui_vm *vm = arg;
	struct ui *ui = vm->ui;
	size_t i;

	if (s->state != vm->info.state) {
		set_state(vm, s->state);
		vm_refresh_info(vm);
		vm_marked(vm);
	}
	take_stats(vm, s);
	for (i = 0; i < ui->npool; i++) {
		struct panel *p = ui->pool[i];

		if (p->visible && p->vm == vm && p->ops->sample != NULL)
			ui_apply(ui, p, p->ops->sample(p, s));
	}
}

/* ---- what to ask for ---- */

static void merge(struct vmc_subscription *sum, const struct vmc_subscription *one)
{
	if (one->topics == 0)
		return;
	if (one->topics & VMC_SUB_REGS) /* the one who wants them most often */
		sum->registers_ms = sum->topics & VMC_SUB_REGS && sum->registers_ms < one->registers_ms ? sum->registers_ms
			: one->registers_ms;
	sum->topics |= one->topics;
	if (one->interval_ms != 0 && one->interval_ms < sum->interval_ms)
		sum->interval_ms = one->interval_ms;
	if ((one->topics & VMC_SUB_HEAT) && sum->heat_cells == 0) {
		sum->heat_start = one->heat_start;
		sum->heat_size = one->heat_size;
		sum->heat_cells = one->heat_cells;
	}
}

static void update_want(struct ui_vm *vm)
{
	struct vmc_subscription sum = {.topics = VMC_SUB_STATS, .interval_ms = LIST_INTERVAL_MS}, one;
	struct ui *ui = vm->ui;
	struct panel *p;
	size_t i;
	int focused;

	/* The focused panel first: there is one heat range a connection, and it is the one to have it. */
	for (focused = 1; focused >= 0; focused--) {
		for (i = 0; i < ui->npool; i++) {
			p = ui->pool[i];
			if (!p->visible || p->vm != vm || p->ops->want == NULL || p->focused != focused)
				continue;
			memset(&one, 0, sizeof(one));
			p->ops->want(p, &one);
			merge(&sum, &one);
		}
	}
	if (sum.interval_ms < (uint32_t)ui->opt.sample_ms)
		sum.interval_ms = (uint32_t)ui->opt.sample_ms;
	if ((sum.topics & VMC_SUB_HEAT) && sum.heat_cells == 0)
		sum.topics &= ~(uint32_t)VMC_SUB_HEAT;
	if (memcmp(&sum, &vm->sub, sizeof(sum)) == 0)
		return;
	if (vmc_conn_subscribe(vm->conn, &sum, NULL, NULL) == 0)
		vm->sub = sum;
	vm_watch(vm);
}

void vms_update_wants(struct ui *ui)
{
	size_t i;

	ui->want_stale = false;
	for (i = 0; i < ui->nvms; i++)
		if (vm_is_live(ui->vms[i]))
			update_want(ui->vms[i]);
}

/* ---- jobs ---- */

static void job_progress(void *arg, uint64_t done, uint64_t total)
{
	struct ui_vm *vm = arg;

	vm->job.done = done;
	vm->job.total = total;
	vm->ui->draw_line = true;
	vm_marked(vm);
}

static void job_done(void *arg, int rc, const char *error)
{
	struct ui_vm *vm = arg;
	struct ui *ui = vm->ui;
	const char *past = vm->job.what[0] == 's' ? "saved" : vm->job.what[0] == 'l' ? "loaded" : "deleted";

	vm->job.active = false;
	vm->snapshots_serial++;
	if (rc < 0)
		ui_warn(ui, "%s: %s of snapshot %s failed: %s", vm->name, vm->job.what, vm->job.name,
			error != NULL ? error : strerror(-rc));
	else
		ui_say(ui, "%s: snapshot %s %s", vm->name, vm->job.name, past);
	vm_refresh_info(vm);
	ui->draw_line = true;
	vm_marked(vm);
}

static const struct vmc_job_ops job_ops = {.progress = job_progress, .done = job_done};

int vm_snapshot(struct ui_vm *vm, const char *what, const char *id, const char *name)
{
	int rc;

	if (!vm_is_live(vm)) {
		ui_warn(vm->ui, "%s is not running", vm->name);
		return -ENOTCONN;
	}
	if (vm->job.active) {
		ui_warn(vm->ui, "%s: the %s of snapshot %s is not done yet", vm->name, vm->job.what, vm->job.name);
		return -EBUSY;
	}
	vm->job = (struct vm_job){.active = true};
	snprintf(vm->job.what, sizeof(vm->job.what), "%s", what);
	snprintf(vm->job.name, sizeof(vm->job.name), "%s", name);
	rc = what[0] == 's' ? vmc_conn_snapshot_save(vm->conn, id, &job_ops, vm) :
		what[0] == 'l' ? vmc_conn_snapshot_load(vm->conn, id, &job_ops, vm) :
				 vmc_conn_snapshot_delete(vm->conn, id, &job_ops, vm);
	if (rc < 0) {
		vm->job.active = false;
		ui_warn(vm->ui, "%s: snapshot %s: %s", vm->name, what, strerror(-rc));
		return rc;
	}
	vm_watch(vm);
	vm_marked(vm);
	return 0;
}

/* ---- small things panels ask for ---- */

struct vmc_symbols *ui_vm_symbols_beside(struct ui_vm *vm, uint64_t base)
{
	if (strcmp(vm->beside_of, vm->info.kernel) != 0) {
		vmc_symbols_close(vm->beside);
		vm->beside = vm->info.kernel[0] != '\0' ? vmc_symbols_beside(vm->info.kernel) : NULL;
		snprintf(vm->beside_of, sizeof(vm->beside_of), "%s", vm->info.kernel);
	}
	if (vm->beside != NULL)
		vmc_symbols_slide(vm->beside, base);
	return vm->beside;
}

struct vmc_symbols *ui_vm_symbols(struct ui_vm *vm)
{
	if (strcmp(vm->symbols_of, vm->info.kernel) != 0) {
		vmc_symbols_close(vm->symbols);
		vm->symbols = vm->info.kernel[0] != '\0' ? vmc_symbols_open(vm->info.kernel) : NULL;
		snprintf(vm->symbols_of, sizeof(vm->symbols_of), "%s", vm->info.kernel);
	}
	return vm->symbols;
}

uint64_t ui_hex_address(const struct ui_vm *vm, unsigned *seq)
{
	*seq = vm->hex_seq;
	return vm->hex_gpa;
}

void ui_goto_hex(struct ui *ui, struct ui_vm *vm, uint64_t gpa)
{
	struct panel *p;

	vm->hex_gpa = gpa;
	vm->hex_seq++;
	p = ui_open_panel(ui, vm, "hex");
	if (p != NULL)
		ui_mark(p);
}
