/* cmds_own.c - the commands that QEMU lacks (x-...). Main thread. */
#include "vmhost/cmds.h"
#include "vmhost/control.h"
#include "vmhost/guest_kernel.h"
#include "vmhost/heat.h"
#include "vmhost/host.h"
#include "vmhost/inspect.h"
#include "vmhost/job.h"
#include "vmhost/net.h"
#include "vmhost/subscribe.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MEMORY_MAX 65536

static json_t *cmd_query_vm(struct qmp_call *call)
{
	struct host *h = call->host;

	return json_pack(
		"{s:s, s:s, s:o, s:i, s:i, s:o, s:o, s:o, s:i, s:i, s:I, s:b, s:s, s:s, s:b, s:s, s:b}",
		"name", h->def.name, "status", host_status(h), "reason", qmp_text(h->reason), "pid",
		(int)getpid(), "vcpus", (int)vmc_vcpu_count(h->vm), "memory",
		qmp_hex(vmc_mem_size(h->vm)), "kernel", qmp_text(h->kernel_path), "cmdline",
		qmp_text(h->def.cmdline ? h->def.cmdline : ""), "cols", h->cols, "rows", h->rows,
		"uptime-ms", (json_int_t)((host_now_us() - h->started_us) / 1000), "sandbox",
		h->sandboxed, "dirty-log", inspect_dirty_log(h->vm), "current", h->current,
		"snapshots", h->def.snapshots, "cpu", h->def.cpu, "panicked", h->panicked);
}

static struct vmc_vcpu *which_cpu(struct qmp_call *call, uint64_t *index)
{
	struct vmc_vm *vm = call->host->vm;

	if (!qmp_u64(call, "cpu", 0, 0, VMC_MAX_VCPUS - 1, index))
		return NULL;
	if (*index >= vmc_vcpu_count(vm))
		return qmp_fail(call, "there is no vCPU %" PRIu64 "; there are %u", *index,
			vmc_vcpu_count(vm));
	return vmc_vcpu_get(vm, (uint32_t)*index);
}

static json_t *registers_of(struct qmp_call *call, uint64_t cpu)
{
	json_t *regs =
		inspect_registers(call->host, (uint32_t)cpu, call->error, sizeof(call->error));

	return regs ? json_pack("{s:I, s:o}", "cpu", (json_int_t)cpu, "registers", regs) : NULL;
}

static json_t *cmd_registers(struct qmp_call *call)
{
	uint64_t cpu;

	return which_cpu(call, &cpu) ? registers_of(call, cpu) : NULL;
}

static json_t *cmd_step(struct qmp_call *call)
{
	uint64_t cpu;
	struct vmc_vcpu *vcpu = which_cpu(call, &cpu);

	/* The memory of a snapshot that is being saved belongs to the state that was taken before.
	 */
	if (!vcpu || jobs_refuse(call->host->jobs, call->error, sizeof(call->error)) ||
		host_refuse_torn(call->host, call->error, sizeof(call->error)))
		return NULL;
	if (vmc_vm_state(call->host->vm) != VMC_PAUSED)
		return qmp_fail(call, "stop the VM first: single steps are for a paused VM");
	if (vmc_vcpu_step(vcpu) < 0)
		return qmp_fail(call, "%s", vmc_error(call->host->vm));
	return registers_of(call, cpu);
}

static json_t *cmd_map(struct qmp_call *call)
{
	return inspect_map(call->host);
}

static json_t *cmd_devices(struct qmp_call *call)
{
	return inspect_devices(call->host);
}

static json_t *cmd_network(struct qmp_call *call)
{
	return nets_json(call->host->nets);
}

static json_t *cmd_exits(struct qmp_call *call)
{
	uint32_t n = vmc_vcpu_count(call->host->vm);
	json_t *list = json_array();

	for (uint32_t i = 0; i < n; i++)
		json_array_append_new(list, inspect_cpu(call->host->vm, i));
	return list;
}

static json_t *cmd_heat(struct qmp_call *call)
{
	struct heat **heat = conn_heat(call->conn);
	uint64_t start, size, cells;
	bool fresh;
	json_t *v;

	if (!qmp_u64(call, "start", 0, 0, UINT64_MAX, &start) ||
		!qmp_u64(call, "size", 0, 0, UINT64_MAX, &size) ||
		!qmp_u64(call, "cells", 256, 1, HEAT_CELLS_MAX, &cells))
		return NULL;
	fresh = !*heat;
	if (fresh && heat_new(call->host->vm, "x-heat", heat) < 0)
		return qmp_fail(call, "%s", vmc_error(call->host->vm));
	v = heat_take(*heat, start, size, (uint32_t)cells, false, call->error,
		sizeof(call->error));
	if (!v && fresh) { /* a mistake does not switch the log on */
		heat_free(*heat);
		*heat = NULL;
	}
	return v;
}

/* Page by page, for what is next to a hole. */
static void read_what_there_is(struct vmc_vm *vm, uint64_t gpa, size_t len, char *hex)
{
	uint8_t page[VMC_PAGE_SIZE];

	while (len) {
		size_t n = VMC_PAGE_SIZE - gpa % VMC_PAGE_SIZE;

		if (n > len)
			n = len;
		if (vmc_mem_read(vm, gpa, page, n) == 0)
			inspect_hex(page, n, hex);
		else
			memset(hex, '.', 2 * n);
		hex += 2 * n;
		gpa += n;
		len -= n;
	}
	*hex = '\0';
}

static json_t *cmd_read_memory(struct qmp_call *call)
{
	uint64_t gpa, size;
	json_t *v;
	char *hex;

	if (!qmp_u64(call, "address", 0, 0, UINT64_MAX, &gpa) ||
		!qmp_u64(call, "size", 0, 1, MEMORY_MAX, &size))
		return NULL;
	if (gpa + size < gpa)
		return qmp_fail(call, "'address' plus 'size' is beyond 64 bits");
	hex = malloc(2 * size + 1);
	if (!hex)
		return NULL;
	read_what_there_is(call->host->vm, gpa, size, hex);
	v = json_pack("{s:o, s:s}", "address", qmp_hex(gpa), "data", hex);
	free(hex);
	return v;
}

static int digit(char c)
{
	return c >= '0' && c <= '9'                 ? c - '0'
	       : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10
						    : -1;
}

static json_t *cmd_write_memory(struct qmp_call *call)
{
	const char *hex = qmp_string(call, "data", "");
	size_t len = strlen(hex) / 2;
	uint64_t gpa;
	uint8_t *data;
	int rc;

	if (!qmp_u64(call, "address", 0, 0, UINT64_MAX, &gpa) ||
		jobs_refuse(call->host->jobs, call->error, sizeof(call->error)))
		return NULL;
	if (!len || strlen(hex) % 2 || len > MEMORY_MAX ||
		strspn(hex, "0123456789abcdefABCDEF") != 2 * len)
		return qmp_fail(
			call, "'data' must be 1 to %d bytes as pairs of hex digits", MEMORY_MAX);
	data = malloc(len);
	if (!data)
		return NULL;
	for (size_t i = 0; i < len; i++)
		data[i] = (uint8_t)(digit(hex[2 * i]) << 4 | digit(hex[2 * i + 1]));
	rc = vmc_mem_write(call->host->vm, gpa, data, len);
	free(data);
	return rc < 0 ? qmp_fail(call, "%s", vmc_error(call->host->vm)) : json_object();
}

static json_t *cmd_translate(struct qmp_call *call)
{
	uint64_t cpu, gva, gpa;
	struct vmc_vcpu *vcpu = which_cpu(call, &cpu);

	if (!vcpu || !qmp_u64(call, "address", 0, 0, UINT64_MAX, &gva))
		return NULL;
	if (vmc_vcpu_translate(vcpu, gva, &gpa) < 0)
		return qmp_fail(call, "vCPU %" PRIu64 ": %#" PRIx64 " is not mapped", cpu, gva);
	return json_pack("{s:o}", "physical", qmp_hex(gpa));
}

static json_t *cmd_kernel(struct qmp_call *call)
{
	return guest_kernel_json(call->host->guest_kernel);
}

static json_t *no_symbol(struct qmp_call *call, const char *what)
{
	switch (*guest_kernel_state(call->host->guest_kernel)) {
	case 'f':
		return qmp_fail(call, "the guest's kernel has no %s, nor has one of its modules", what);
	case 's':
		return qmp_fail(call, "the symbols of the guest's kernel are being looked for: ask again in a moment");
	default:
		return qmp_fail(call, "no Linux kernel with symbols of its own is seen in the guest");
	}
}

/* By address or by name, of the kernel that runs in the guest. */
static json_t *cmd_symbol(struct qmp_call *call)
{
	struct guest_kernel *gk = call->host->guest_kernel;
	const char *name = qmp_string(call, "name", NULL);
	char text[160];
	uint64_t gva;

	if (!name == !qmp_has(call, "address"))
		return qmp_fail(call, "either 'address' or 'name' is wanted");
	if (*guest_kernel_state(gk) == 'u')
		inspect_kernel(call->host);
	if (!name) {
		if (!qmp_u64(call, "address", 0, 0, UINT64_MAX, &gva))
			return NULL;
		if (guest_kernel_symbol(gk, gva, text, sizeof(text)) < 0)
			return no_symbol(call, "function there");
		return json_pack("{s:o, s:s}", "address", qmp_hex(gva), "symbol", text);
	}
	gva = guest_kernel_address(gk, name);
	if (!gva)
		return no_symbol(call, "symbol of this name");
	return json_pack("{s:o, s:o}", "address", qmp_hex(gva), "symbol", qmp_text(name));
}

static json_t *cmd_resize(struct qmp_call *call)
{
	uint64_t cols, rows;

	if (!qmp_u64(call, "cols", 0, 1, 1000, &cols) || !qmp_u64(call, "rows", 0, 1, 1000, &rows))
		return NULL;
	if (host_resize(call->host, (uint16_t)cols, (uint16_t)rows) < 0)
		return qmp_fail(call, "this console has no size");
	return json_object();
}

static json_t *cmd_console_info(struct qmp_call *call)
{
	json_t *list = json_array();

	for (unsigned i = 0; i < RUNDIR_CONSOLES; i++) {
		struct console_info info;

		console_info(call->host->console[i], &info);
		json_array_append_new(
			list, json_pack("{s:s, s:s, s:I, s:I, s:i, s:b}", "name", info.name,
				      "socket", i ? "console1" : "console", "history",
				      (json_int_t)info.history, "total", (json_int_t)info.total,
				      "clients", (int)info.clients, "stalled", info.stalled));
	}
	return list;
}

static bool parse_topics(struct qmp_call *call, uint32_t *topics)
{
	static const char *const names[] = {"stats", "registers", "heat", "memory-map"};
	json_t *list = json_object_get(call->args, "topics"), *v;
	size_t i;

	*topics = 0;
	json_array_foreach(list, i, v)
	{
		const char *s = json_string_value(v);
		unsigned t = 0;

		while (s && t < 4 && strcmp(s, names[t]))
			t++;
		if (!s || t == 4) {
			qmp_fail(call, "'topics' takes \"stats\", \"registers\", \"heat\", "
				       "\"memory-map\"");
			return false;
		}
		*topics |= 1u << t;
	}
	return true;
}

/* The members of "heat" look like arguments of their own. */
static bool parse_heat(struct qmp_call *call, struct subscribe_params *p)
{
	json_t *heat = json_object_get(call->args, "heat"), *v;
	uint64_t cells = 256;
	const char *key;

	json_object_foreach(heat, key, v)
	{
		uint64_t *to = !strcmp(key, "start")   ? &p->heat_start
			       : !strcmp(key, "size")  ? &p->heat_size
			       : !strcmp(key, "cells") ? &cells
						       : NULL;

		if (!to || !qmp_number(v, to)) {
			qmp_fail(call, "'heat' takes the numbers start, size and cells");
			return false;
		}
	}
	if (cells < 1 || cells > HEAT_CELLS_MAX || p->heat_start % VMC_PAGE_SIZE ||
		p->heat_size % VMC_PAGE_SIZE || p->heat_start + p->heat_size < p->heat_start) {
		qmp_fail(call, "'heat': cells 1 to %d, start and size multiples of 4096",
			HEAT_CELLS_MAX);
		return false;
	}
	p->heat_cells = (uint32_t)cells;
	return true;
}

static json_t *cmd_subscribe(struct qmp_call *call)
{
	struct subscription **sub = conn_subscription(call->conn), *next = NULL;
	struct subscribe_params p = {0};
	uint64_t interval, registers;
	int rc;

	if (!parse_topics(call, &p.topics) || !parse_heat(call, &p) ||
		!qmp_u64(call, "interval-ms", 1000, 20, 60000, &interval) ||
		!qmp_u64(call, "registers-ms", 0, 0, 60000, &registers))
		return NULL;
	p.interval_ms = (uint32_t)interval;
	p.registers_ms = (uint32_t)registers;
	if (p.topics) {
		rc = subscription_new(call->host, call->conn, &p, *sub, &next);
		if (rc < 0)
			return qmp_fail(call, "cannot subscribe: %s",
				p.topics & SUB_HEAT ? vmc_error(call->host->vm) : strerror(-rc));
	}
	subscription_free(*sub);
	*sub = next;
	return json_object();
}

const struct qmp_command cmds_own[] = {
	{"x-query-vm", "", cmd_query_vm},
	{"x-registers", "cpu?:u", cmd_registers},
	{"x-step", "cpu?:u", cmd_step},
	{"x-memory-map", "", cmd_map},
	{"x-devices", "", cmd_devices},
	{"x-heat", "start?:u size?:u cells?:u", cmd_heat},
	{"x-exits", "", cmd_exits},
	{"x-read-memory", "address:u size:u", cmd_read_memory},
	{"x-write-memory", "address:u data:s", cmd_write_memory},
	{"x-kernel", "", cmd_kernel},
	{"x-symbol", "address?:u name?:s", cmd_symbol},
	{"x-translate", "cpu?:u address:u", cmd_translate},
	{"x-network", "", cmd_network},
	{"x-console-resize", "cols:u rows:u", cmd_resize},
	{"x-console-info", "", cmd_console_info},
	{"x-subscribe", "topics:a interval-ms?:u registers-ms?:u heat?:o", cmd_subscribe},
	{NULL, NULL, NULL},
};
