/*
 * vm.c - the records of VMs: found by looking into the runtime folder, each with one control connection while its
 * process lives, and with what became of it when that ends. Screen thread.
 */
#include "config.h"
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "tui/vm.h"
#include "tui/vm_internal.h"

#define RETRY_MS 1000

struct ui_vm *vms_find(struct ui *ui, const char *name)
{
	size_t i;

	for (i = 0; i < ui->nvms; i++)
		if (strcmp(ui->vms[i]->name, name) == 0)
			return ui->vms[i];
	return NULL;
}

const char *ui_vm_name(const struct ui_vm *vm)
{
	return vm->name;
}

struct vmc_conn *ui_vm_conn(const struct ui_vm *vm)
{
	return vm->link == VM_LIVE ? vm->conn : NULL;
}

const struct vmc_vm_info *ui_vm_info(const struct ui_vm *vm)
{
	return &vm->info;
}

bool vm_is_live(const struct ui_vm *vm)
{
	return vm->link == VM_LIVE;
}

static struct ui_vm *vm_new(struct ui *ui, const char *name)
{
	struct ui_vm *vm = calloc(1, sizeof(*vm)), **bigger;
	size_t i;

	bigger = realloc(ui->vms, (ui->nvms + 1) * sizeof(*bigger));
	if (bigger != NULL)
		ui->vms = bigger;
	if (vm == NULL || bigger == NULL) {
		free(vm);
		return NULL;
	}
	vm->ui = ui;
	vm->ev_fd = vm->spawn_fd = -1;
	snprintf(vm->name, sizeof(vm->name), "%s", name);
	snprintf(vm->info.name, sizeof(vm->info.name), "%s", name);
	for (i = ui->nvms; i > 0 && strcmp(ui->vms[i - 1]->name, name) > 0; i--)
		ui->vms[i] = ui->vms[i - 1];
	ui->vms[i] = vm;
	ui->nvms++;
	if (ui->sel == NULL)
		ui->sel = vm;
	ui_relayout(ui);
	return vm;
}

static void conn_drop(struct ui_vm *vm)
{
	struct vmc_conn *conn = vm->conn;

	if (vm->ev != NULL)
		event_free(vm->ev);
	vm->ev = NULL;
	vm->ev_fd = -1;
	vm->conn = NULL;
	memset(&vm->sub, 0, sizeof(vm->sub));
	if (conn != NULL)
		vmc_conn_close(conn);
}

static void vm_free(struct ui_vm *vm)
{
	conn_drop(vm);
	if (vm->ev_spawn != NULL)
		event_free(vm->ev_spawn);
	if (vm->spawn_fd >= 0)
		close(vm->spawn_fd);
	vmc_symbols_close(vm->symbols);
	vmc_symbols_close(vm->beside);
	free(vm);
}

/* Takes a record away: nothing on the screen may point at it afterwards. */
static void vm_remove(struct ui *ui, struct ui_vm *vm)
{
	size_t i;

	for (i = 0; i < ui->nvms && ui->vms[i] != vm; i++)
		;
	if (i == ui->nvms)
		return;
	memmove(ui->vms + i, ui->vms + i + 1, (ui->nvms - i - 1) * sizeof(*ui->vms));
	ui->nvms--;
	tabs_forget_vm(ui, vm);
	pool_drop_vm(ui, vm);
	if (ui->sel == vm)
		ui->sel = ui->nvms > 0 ? ui->vms[i < ui->nvms ? i : ui->nvms - 1] : NULL;
	vm_free(vm);
	ui_relayout(ui);
}

void vm_forget(struct ui *ui, struct ui_vm *vm)
{
	if (vm->defined) {
		vm->link = VM_IDLE;
		ui_relayout(ui);
		return;
	}
	vm_remove(ui, vm);
}

void vms_free(struct ui *ui)
{
	size_t i;

	for (i = 0; i < ui->nvms; i++)
		vm_free(ui->vms[i]);
	free(ui->vms);
	ui->vms = NULL;
	ui->nvms = 0;
	ui->sel = NULL;
}

void vm_marked(struct ui_vm *vm)
{
	struct ui *ui = vm->ui;
	size_t i;

	for (i = 0; i < ui->npool; i++)
		if (ui->pool[i]->ops == &panel_vms || ui->pool[i]->vm == vm)
			ui_mark(ui->pool[i]);
	ui->draw_frames = true;
	if (vm == ui->sel)
		ui->draw_line = true;
	ui_schedule(ui);
}

/* ---- the connection ---- */

static void conn_ready(void *arg)
{
	struct ui_vm *vm = arg;

	vm->link = VM_LIVE;
	vm->ending = vm->end_told = vm->off_forced = false;
	vm->why[0] = '\0';
	vm->have_sample = false;
	vm_refresh_info(vm);
	vm->ui->want_stale = true;
	ui_relayout(vm->ui); /* its console wants a place */
	vm_marked(vm);
}

/* The last line of the VM's log: mostly the reason. */
static void last_words(struct ui_vm *vm, char *out, size_t size)
{
	char path[600], text[1024], *line;
	int fd, skip, date = 0;
	ssize_t n;
	off_t end;

	out[0] = '\0';
	if (vmc_path_log(vm->name, path, sizeof(path)) < 0)
		return;
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW);
	if (fd < 0)
		return;
	end = lseek(fd, 0, SEEK_END);
	n = pread(fd, text, sizeof(text) - 1, end > (off_t)sizeof(text) - 1 ? end - (off_t)sizeof(text) + 1 : 0);
	close(fd);
	if (n <= 0)
		return;
	text[n] = '\0';
	while (n > 0 && text[n - 1] == '\n')
		text[--n] = '\0';
	line = strrchr(text, '\n');
	line = line != NULL ? line + 1 : text;
	if (sscanf(line, "%4d-%2d-%2d %d:%d:%d.%d %n", &skip, &skip, &skip, &skip, &skip, &skip, &skip, &date) == 7)
		line += date;
	if (strncmp(line, "vitrine ", 8) != 0) /* its greeting: it had nothing to say since */
		snprintf(out, size, "%.250s", line);
}

static void conn_closed(void *arg, const char *why)
{
	struct ui_vm *vm = arg;
	struct ui *ui = vm->ui;
	bool was_live = vm->link == VM_LIVE, expected = vm->ending;
	char words[256];

	conn_drop(vm);
	vm->job.active = false;
	vm->retry_ms = ui_now_ms() + RETRY_MS;
	if (!was_live) {
		if (vm->link == VM_JOINING)
			vm->link = VM_IDLE;
		return;
	}
	if (expected) {
		vm->link = VM_ENDED;
		if (vm->off_forced) /* its last words did not get through */
			vm_off_ended(vm, "host-qmp-quit");
		else if (!vm->end_told)
			ui_say(ui, "%s has ended", vm->name);
	} else {
		vm->link = VM_LOST;
		last_words(vm, words, sizeof(words));
		if (strncmp(why, vm->name, strlen(vm->name)) == 0 && why[strlen(vm->name)] == ':')
			why += strlen(vm->name) + 2;
		snprintf(vm->why, sizeof(vm->why), "%.120s without warning%s%.300s", why,
			words[0] != '\0' ? "; last in its log: " : "", words);
		ui_warn(ui, "%s is lost: %s", vm->name, vm->why);
	}
	vm_marked(vm);
	ui_relayout(ui);
	vms_scan_soon(ui);
}

static const struct vmc_conn_ops conn_ops = {
	.ready = conn_ready,
	.event = vm_event,
	.sample = vm_sample,
	.closed = conn_closed,
};

static void conn_poll(evutil_socket_t fd, short what, void *arg)
{
	struct ui_vm *vm = arg;

	(void)fd;
	(void)what;
	if (vm->conn != NULL)
		vmc_conn_process(vm->conn);
	if (vm->conn != NULL)
		vm_watch(vm);
}

/* Which of readable and writable matters changes as commands are queued. */
void vm_watch(struct ui_vm *vm)
{
	short poll_mask = vmc_conn_poll_events(vm->conn), mask = EV_PERSIST;
	int fd = vmc_conn_fd(vm->conn);

	mask |= poll_mask & POLLIN ? EV_READ : 0;
	mask |= poll_mask & POLLOUT ? EV_WRITE : 0;
	if (vm->ev != NULL && vm->ev_mask == mask && vm->ev_fd == fd)
		return;
	if (vm->ev != NULL)
		event_free(vm->ev);
	vm->ev = event_new(vm->ui->base, fd, mask, conn_poll, vm);
	vm->ev_mask = mask;
	vm->ev_fd = fd;
	if (vm->ev != NULL)
		event_add(vm->ev, NULL);
}

static void vm_join(struct ui_vm *vm)
{
	char err[VMC_MSG_SIZE];
	int rc;

	if (vm->conn != NULL || ui_now_ms() < vm->retry_ms)
		return;
	rc = vmc_conn_open(vm->name, &conn_ops, vm, &vm->conn, err, sizeof(err));
	if (rc < 0) {
		vm->conn = NULL;
		vm->retry_ms = ui_now_ms() + RETRY_MS;
		return; /* it may be on its way up or down; the list says what it is */
	}
	if (vm->link != VM_STARTING)
		vm->link = VM_JOINING;
	vm_watch(vm);
}

/* ---- looking ---- */

static void take_entry(struct ui *ui, const struct vmc_list_entry *e)
{
	struct ui_vm *vm = vms_find(ui, e->name);

	if (vm == NULL)
		vm = vm_new(ui, e->name);
	if (vm == NULL)
		return;
	vm->listed = true;
	vm->defined = e->defined;
	if (e->running && vm->conn == NULL)
		vm_join(vm);
	if (!e->running && vm->link == VM_ENDED && vm->defined) {
		vm->link = VM_IDLE;
		ui_relayout(ui);
	}
}

/* Who is connected need not knock. */
static bool attached(void *arg, const char *name)
{
	const struct ui_vm *vm = vms_find(arg, name);

	return vm != NULL && vm->link == VM_LIVE;
}

void vms_scan(struct ui *ui)
{
	struct vmc_list_entry *list = NULL;
	char err[VMC_MSG_SIZE];
	static bool complained;
	size_t n = 0, i;
	int rc;

	rc = vmc_list_with(attached, ui, &list, &n, err, sizeof(err));
	if (rc < 0) {
		if (!complained)
			ui_warn(ui, "cannot see which VMs there are: %s", err);
		complained = true;
		return;
	}
	complained = false;
	for (i = 0; i < ui->nvms; i++)
		ui->vms[i]->listed = false;
	for (i = 0; i < n; i++)
		take_entry(ui, &list[i]);
	free(list);
	for (i = 0; i < ui->nvms;) {
		struct ui_vm *vm = ui->vms[i];

		/* A lost one stays in sight until it is told to go. */
		if (!vm->listed && vm->conn == NULL && (vm->link == VM_IDLE || vm->link == VM_ENDED))
			vm_remove(ui, vm);
		else
			i++;
	}
}

/* ---- starting one ---- */

static void spawned(evutil_socket_t fd, short what, void *arg)
{
	struct ui_vm *vm = arg;
	struct ui *ui = vm->ui;
	char err[VMC_MSG_SIZE];
	int rc;

	(void)what;
	rc = vmc_spawn_result(fd, err, sizeof(err));
	if (rc == -EAGAIN)
		return;
	event_free(vm->ev_spawn);
	vm->ev_spawn = NULL;
	vm->spawn_fd = -1;
	if (rc < 0) {
		vm->link = VM_IDLE;
		ui_warn(ui, "%s does not start: %s", vm->name, err);
	}
	vm->retry_ms = 0;
	vm_marked(vm);
	ui_relayout(ui);
	vms_scan(ui);
}

int vm_spawn(struct ui *ui, const char *name, const char *const *argv)
{
	struct vmc_spawn spawn = {.name = name, .argv = argv};
	struct ui_vm *vm = vms_find(ui, name);
	char err[VMC_MSG_SIZE];
	int rc;

	if (!vmc_name_ok(name)) {
		ui_warn(ui, "\"%s\" cannot name a VM: letters, digits, . _ - (not first), at most 48", name);
		return -EINVAL;
	}
	if (vm != NULL && (vm->conn != NULL || vm->ev_spawn != NULL)) {
		ui_warn(ui, "%s is running already", name);
		return -EEXIST;
	}
	if (vm == NULL)
		vm = vm_new(ui, name);
	if (vm == NULL)
		return -ENOMEM;
	rc = vmc_spawn(&spawn, &vm->spawn_fd, err, sizeof(err));
	if (rc < 0) {
		vm->spawn_fd = -1;
		ui_warn(ui, "%s does not start: %s", name, err);
		return rc;
	}
	vm->link = VM_STARTING;
	vm->why[0] = '\0';
	vm->ev_spawn = event_new(ui->base, vm->spawn_fd, EV_READ | EV_PERSIST, spawned, vm);
	if (vm->ev_spawn != NULL)
		event_add(vm->ev_spawn, NULL);
	ui_select(ui, vm);
	ui_say(ui, "starting %s", name);
	return 0;
}
