/*
 * parse.c - replies that came as text, typed: x-query-vm, snapshot-list, x-registers, x-memory-map,
 * x-devices as lines. Pure functions, any thread. What is missing is 0 or ""; what is too long is cut.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vmcore/client/conn.h"

#define MAX_ELEMENTS 65536u

/* QMP's RunState words that docs/protocol.md lists. */
enum vmc_state parse_status(const char *status)
{
	static const struct {
		const char *name;
		enum vmc_state state;
	} names[] = {
		{ "prelaunch", VMC_CREATED }, { "running", VMC_RUNNING }, { "guest-panicked", VMC_RUNNING },
		{ "paused", VMC_PAUSED }, { "save-vm", VMC_PAUSED }, { "restore-vm", VMC_PAUSED },
		{ "debug", VMC_PAUSED }, { "io-error", VMC_PAUSED }, { "shutdown", VMC_STOPPED }, { "internal-error", VMC_CRASHED },
	};
	size_t i;

	for (i = 0; status && i < sizeof(names) / sizeof(names[0]); i++) {
		if (!strcmp(status, names[i].name))
			return names[i].state;
	}
	return VMC_CREATED;
}

static json_t *load(const char *json)
{
	return json ? json_loads(json, JSON_DECODE_ANY, NULL) : NULL;
}

int vmc_parse_vm_info(const char *json, struct vmc_vm_info *out)
{
	json_t *v = load(json);

	memset(out, 0, sizeof(*out));
	if (!json_is_object(v)) {
		json_decref(v);
		return -EPROTO;
	}
	json_opt_text(v, "name", out->name, sizeof(out->name));
	out->state = parse_status(json_string_value(json_object_get(v, "status")));
	json_opt_text(v, "reason", out->reason, sizeof(out->reason));
	out->pid = (int32_t)json_opt_u64(v, "pid", INT32_MAX);
	out->vcpus = (uint32_t)json_opt_u64(v, "vcpus", VMC_MAX_VCPUS);
	out->ram_bytes = json_opt_u64(v, "memory", UINT64_MAX);
	json_opt_text(v, "kernel", out->kernel, sizeof(out->kernel));
	json_opt_text(v, "cmdline", out->cmdline, sizeof(out->cmdline));
	out->cols = (uint16_t)json_opt_u64(v, "cols", UINT16_MAX);
	out->rows = (uint16_t)json_opt_u64(v, "rows", UINT16_MAX);
	out->uptime_ms = json_opt_u64(v, "uptime-ms", UINT64_MAX);
	out->sandboxed = json_opt_bool(v, "sandbox");
	out->panicked = json_opt_bool(v, "panicked");
	json_decref(v);
	return 0;
}

static void parse_snapshot(const json_t *v, struct vmc_snapshot_info *s)
{
	memset(s, 0, sizeof(*s));
	json_opt_text(v, "id", s->id, sizeof(s->id));
	json_opt_text(v, "parent", s->parent, sizeof(s->parent));
	json_opt_text(v, "name", s->name, sizeof(s->name));
	s->time_s = (int64_t)json_opt_u64(v, "time", INT64_MAX);
	s->ram_bytes = json_opt_u64(v, "ram", UINT64_MAX);
	s->disk_bytes = json_opt_u64(v, "disk", UINT64_MAX);
	s->current = json_opt_bool(v, "current");
	json_opt_text(v, "problem", s->problem, sizeof(s->problem));
}

/* An array as text: malloc()ed elements of @size bytes, each filled by @fill. */
static int parse_array(const char *json, size_t size, void (*fill)(const json_t *v, void *element),
	void **out, size_t *n)
{
	json_t *arr = load(json);
	size_t count = json_array_size(arr), i;
	int rc = -EPROTO;

	if (json_is_array(arr) && count <= MAX_ELEMENTS) {
		*out = malloc((count ? count : 1) * size);
		rc = *out ? 0 : -ENOMEM;
	}
	for (i = 0; rc == 0 && i < count; i++)
		fill(json_array_get(arr, i), (char *)*out + i * size);
	if (rc == 0)
		*n = count;
	json_decref(arr);
	return rc;
}

static void fill_snapshot(const json_t *v, void *element)
{
	parse_snapshot(v, element);
}

static void fill_map_entry(const json_t *v, void *element)
{
	parse_map_entry(v, element);
}

int vmc_parse_snapshots(const char *json, struct vmc_snapshot_info **out, size_t *n)
{
	void *list = NULL;
	int rc = parse_array(json, sizeof(**out), fill_snapshot, &list, n);

	if (rc == 0)
		*out = list;
	return rc;
}

int vmc_parse_memory_map(const char *json, struct vmc_map_entry **out, size_t *n)
{
	void *list = NULL;
	int rc = parse_array(json, sizeof(**out), fill_map_entry, &list, n);

	if (rc == 0)
		*out = list;
	return rc;
}

int vmc_parse_registers(const char *json, struct vmc_sample_cpu *out)
{
	json_t *v = load(json);
	const json_t *regs = json_object_get(v, "registers");
	int rc = json_is_object(regs) ? 0 : -EPROTO;

	memset(out, 0, sizeof(*out));
	if (rc == 0)
		parse_registers(regs, out);
	json_decref(v);
	return rc;
}

int vmc_parse_console_info(const char *json, struct vmc_console_info *out, size_t max, size_t *n)
{
	json_t *arr = load(json);
	size_t count = json_array_size(arr), i;
	int rc = json_is_array(arr) ? 0 : -EPROTO;

	if (count > max)
		count = max;
	for (i = 0; i < count; i++) {
		const json_t *v = json_array_get(arr, i);

		memset(&out[i], 0, sizeof(out[i]));
		json_opt_text(v, "name", out[i].name, sizeof(out[i].name));
		out[i].history = json_opt_u64(v, "history", UINT64_MAX);
		out[i].total = json_opt_u64(v, "total", UINT64_MAX);
		out[i].clients = (uint32_t)json_opt_u64(v, "clients", UINT32_MAX);
		out[i].stalled = json_opt_bool(v, "stalled");
	}
	*n = count;
	json_decref(arr);
	return rc;
}

static void print_device(FILE *f, const struct vmc_device_desc *d)
{
	uint32_t i;

	fprintf(f, "%-12s %-16s %-8s", d->id, d->model, d->where);
	if (d->length)
		fprintf(f, " %s %#" PRIx64 "+%#" PRIx64, d->pio ? "ports" : "at", d->address, d->length);
	if (d->irq >= 0)
		fprintf(f, " irq %" PRId32, d->irq);
	if (d->virtio_type)
		fprintf(f, " virtio %" PRIu32 " status %#x features %#" PRIx64 " of %#" PRIx64, d->virtio_type,
			d->status, d->negotiated, d->offered);
	if (d->broken)
		fprintf(f, " BROKEN");
	if (d->note[0])
		fprintf(f, " (%s)", d->note);
	fputc('\n', f);
	if (d->backend[0])
		fprintf(f, "    %s\n", d->backend);
	for (i = 0; i < d->nqueues; i++) {
		if (d->queues[i].ready)
			fprintf(f, "    queue %" PRIu32 ": %u entries, avail %u, used %u, %" PRIu64 " kicks, %" PRIu64
				" interrupts\n", i, d->queues[i].size, d->queues[i].avail, d->queues[i].used,
				d->queues[i].kicks, d->queues[i].interrupts);
	}
}

int vmc_parse_devices(const char *json, char **text_out)
{
	struct vmc_device_desc *devices = NULL;
	size_t n = 0, i, len;
	FILE *f;
	int rc = vmc_parse_device_list(json, &devices, &n);

	if (rc < 0)
		return rc;
	f = open_memstream(text_out, &len);
	for (i = 0; f && i < n; i++)
		print_device(f, &devices[i]);
	free(devices);
	return f && fclose(f) == 0 ? 0 : -ENOMEM;
}
