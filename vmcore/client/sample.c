/*
 * sample.c - X_SAMPLE events into struct vmc_sample. The caller's thread.
 *
 * Samples come 10 to 30 times a second from several VMs, and heat cells (up to 64 Ki characters) are most
 * of their text. So the cells are decoded and cut out before the JSON parser sees the line, and all arrays
 * are kept from one sample to the next.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "vmcore/client/conn.h"

#define MAX_CELLS 65536u
#define MAX_MAP	  4096u
#define MIN_CUT	  256u /* shorter ones may go through the parser */

struct sample_store {
	struct vmc_sample_cpu *cpus;
	uint32_t cpus_cap;
	struct vmc_map_entry *map;
	uint32_t map_cap;
	struct vmc_sample_heat heat;
	uint8_t *cells; /* MAX_CELLS, made when first needed */
	uint32_t ncells; /* taken from the line's text; 0: none */
};

struct sample_store *sample_store_new(void)
{
	return calloc(1, sizeof(struct sample_store));
}

void sample_store_free(struct sample_store *store)
{
	if (!store)
		return;
	free(store->cpus);
	free(store->map);
	free(store->cells);
	free(store);
}

/* 0..15, 16 for "not memory"; 0xff: no cell. */
static uint8_t cell_value(char c)
{
	if (c >= '0' && c <= '9')
		return (uint8_t)(c - '0');
	if (c >= 'a' && c <= 'f')
		return (uint8_t)(c - 'a' + 10);
	return c == '-' ? 16 : 0xff;
}

static uint32_t decode_cells(struct sample_store *store, const char *text, size_t max)
{
	uint32_t n;

	if (!store->cells)
		store->cells = malloc(MAX_CELLS);
	if (!store->cells)
		return 0;
	for (n = 0; n < max && n < MAX_CELLS; n++) {
		uint8_t v = cell_value(text[n]);

		if (v == 0xff)
			break;
		store->cells[n] = v;
	}
	return n;
}

/*
 * In valid JSON the characters "data": "<cells>" with an unescaped first quote can only be a member of that
 * name. In anything else the parser will say so; a wrong cut shows wrong heat at worst.
 */
size_t sample_take_cells(struct sample_store *store, char *line, size_t len)
{
	static const char key[] = "\"data\":";
	char *p = line, *end = line + len, *text;
	uint32_t n;

	store->ncells = 0;
	if (len < MIN_CUT || !memmem(line, len < 512 ? len : 512, "\"X_SAMPLE\"", 10))
		return len;
	while ((p = memmem(p, (size_t)(end - p), key, sizeof(key) - 1))) {
		text = p + sizeof(key) - 1;
		while (text < end && *text == ' ')
			text++;
		p = text;
		if (text == end || *text++ != '"')
			continue;
		n = decode_cells(store, text, (size_t)(end - text));
		if (n < MIN_CUT || text + n == end || text[n] != '"')
			continue;
		store->ncells = n;
		memmove(text, text + n, (size_t)(end - text) - n);
		return len - n;
	}
	return len;
}

/* ---- vCPUs ---- */

static void parse_segment(const json_t *regs, const char *key, struct vmc_segment *out)
{
	const json_t *s = json_object_get(regs, key);

	out->base = json_opt_u64(s, "base", UINT64_MAX);
	out->limit = (uint32_t)json_opt_u64(s, "limit", UINT32_MAX);
	out->selector = (uint16_t)json_opt_u64(s, "selector", UINT16_MAX);
	out->type = (uint8_t)json_opt_u64(s, "type", UINT8_MAX);
	out->present = (uint8_t)json_opt_u64(s, "present", 1);
	out->dpl = (uint8_t)json_opt_u64(s, "dpl", 3);
	out->db = (uint8_t)json_opt_u64(s, "db", 1);
	out->s = (uint8_t)json_opt_u64(s, "s", 1);
	out->l = (uint8_t)json_opt_u64(s, "l", 1);
	out->g = (uint8_t)json_opt_u64(s, "g", 1);
	out->avl = (uint8_t)json_opt_u64(s, "avl", 1);
	out->unusable = (uint8_t)json_opt_u64(s, "unusable", 1);
}

static void parse_table(const json_t *regs, const char *key, struct vmc_table *out)
{
	const json_t *t = json_object_get(regs, key);

	out->base = json_opt_u64(t, "base", UINT64_MAX);
	out->limit = (uint16_t)json_opt_u64(t, "limit", UINT16_MAX);
}

static void parse_general(const json_t *r, struct vmc_regs *g)
{
	static const struct {
		const char *name;
		size_t offset;
	} names[] = {
#define REG(n) { #n, offsetof(struct vmc_regs, n) }
		REG(rax), REG(rbx), REG(rcx), REG(rdx), REG(rsi), REG(rdi), REG(rsp), REG(rbp), REG(r8), REG(r9),
		REG(r10), REG(r11), REG(r12), REG(r13), REG(r14), REG(r15), REG(rip), REG(rflags),
#undef REG
	};
	size_t i;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		uint64_t v = json_opt_u64(r, names[i].name, UINT64_MAX);

		memcpy((char *)g + names[i].offset, &v, sizeof(v));
	}
}

static void parse_code(const json_t *r, struct vmc_sample_cpu *cpu)
{
	const char *hex = json_string_value(json_object_get(r, "code"));
	uint8_t present[sizeof(cpu->code)];
	size_t len = 0, i;

	if (!hex || parse_hex(hex, cpu->code, present, sizeof(cpu->code), &len) < 0)
		len = 0;
	for (i = 0; i < len && present[i]; i++)
		;
	cpu->code_len = (uint32_t)i;
}

void parse_registers(const json_t *r, struct vmc_sample_cpu *cpu)
{
	struct vmc_sregs *s = &cpu->sregs;

	parse_general(r, &cpu->regs);
	parse_segment(r, "cs", &s->cs);
	parse_segment(r, "ds", &s->ds);
	parse_segment(r, "es", &s->es);
	parse_segment(r, "fs", &s->fs);
	parse_segment(r, "gs", &s->gs);
	parse_segment(r, "ss", &s->ss);
	parse_segment(r, "tr", &s->tr);
	parse_segment(r, "ldt", &s->ldt);
	parse_table(r, "gdt", &s->gdt);
	parse_table(r, "idt", &s->idt);
	s->cr0 = json_opt_u64(r, "cr0", UINT64_MAX);
	s->cr2 = json_opt_u64(r, "cr2", UINT64_MAX);
	s->cr3 = json_opt_u64(r, "cr3", UINT64_MAX);
	s->cr4 = json_opt_u64(r, "cr4", UINT64_MAX);
	s->cr8 = json_opt_u64(r, "cr8", UINT64_MAX);
	s->efer = json_opt_u64(r, "efer", UINT64_MAX);
	s->apic_base = json_opt_u64(r, "apic-base", UINT64_MAX);
	parse_code(r, cpu);
	cpu->kernel_base = json_opt_u64(r, "kernel-base", UINT64_MAX);
	json_opt_text(r, "symbol", cpu->symbol, sizeof(cpu->symbol));
	cpu->has_regs = true;
}

static enum vmc_run_state parse_cpu_state(const char *text)
{
	static const struct {
		const char *name;
		enum vmc_run_state state;
	} names[] = {
		{ "running", VMC_VCPU_RUNNING }, { "halted", VMC_VCPU_HALTED }, { "wait-sipi", VMC_VCPU_WAIT_SIPI },
		{ "paused", VMC_VCPU_PAUSED }, { "failed", VMC_VCPU_FAILED },
	};
	size_t i;

	for (i = 0; text && i < sizeof(names) / sizeof(names[0]); i++) {
		if (!strcmp(text, names[i].name))
			return names[i].state;
	}
	return VMC_VCPU_PAUSED;
}

static void parse_cpu(const json_t *v, struct vmc_sample_cpu *cpu)
{
	/* The engine's names (vmc_exit_name()), which this half of the library does not link. */
	static const char *const exits[VMC_EXIT_REASONS] = {
		[VMC_EXIT_IO_IN] = "io-in", [VMC_EXIT_IO_OUT] = "io-out", [VMC_EXIT_MMIO_READ] = "mmio-read",
		[VMC_EXIT_MMIO_WRITE] = "mmio-write", [VMC_EXIT_HYPERCALL] = "hypercall", [VMC_EXIT_HALT] = "halt",
		[VMC_EXIT_SHUTDOWN] = "shutdown", [VMC_EXIT_RESET] = "reset", [VMC_EXIT_DEBUG] = "debug",
		[VMC_EXIT_INTR] = "intr", [VMC_EXIT_DIRTY_RING] = "dirty-ring", [VMC_EXIT_ERROR] = "error",
	};
	const json_t *counts = json_object_get(v, "exits"), *regs = json_object_get(v, "registers");
	unsigned i;

	memset(cpu, 0, sizeof(*cpu));
	cpu->state = parse_cpu_state(json_string_value(json_object_get(v, "state")));
	cpu->cpu_ns = json_opt_u64(v, "cpu-time-us", UINT64_MAX / 1000) * 1000;
	for (i = 0; i < VMC_EXIT_REASONS; i++)
		cpu->exits[i] = json_opt_u64(counts, exits[i], UINT64_MAX);
	if (json_is_object(regs))
		parse_registers(regs, cpu);
}

static int parse_cpus(struct sample_store *store, const json_t *arr)
{
	size_t n = json_array_size(arr), i;

	if (n > VMC_MAX_VCPUS)
		return -EPROTO;
	if (n > store->cpus_cap) {
		struct vmc_sample_cpu *p = realloc(store->cpus, n * sizeof(*p));

		if (!p)
			return -ENOMEM;
		store->cpus = p;
		store->cpus_cap = (uint32_t)n;
	}
	for (i = 0; i < n; i++)
		parse_cpu(json_array_get(arr, i), &store->cpus[i]);
	return 0;
}

/* ---- memory ---- */

void parse_map_entry(const json_t *v, struct vmc_map_entry *e)
{
	const json_t *slot = json_object_get(v, "slot");
	uint64_t resident;

	memset(e, 0, sizeof(*e));
	json_opt_text(v, "kind", e->kind, sizeof(e->kind));
	json_opt_text(v, "name", e->name, sizeof(e->name));
	e->start = json_opt_u64(v, "start", UINT64_MAX);
	e->size = json_opt_u64(v, "size", UINT64_MAX);
	e->slot = json_is_integer(slot) && json_integer_value(slot) >= 0 && json_integer_value(slot) <= INT32_MAX
		? (int32_t)json_integer_value(slot) : -1;
	e->read_only = json_opt_bool(v, "read-only");
	e->dirty_log = json_opt_bool(v, "dirty-log");
	e->resident = json_get_u64(v, "resident", &resident) && resident <= INT64_MAX ? (int64_t)resident : -1;
	e->accesses = json_opt_u64(v, "accesses", UINT64_MAX);
	e->balloon = json_opt_u64(v, "balloon", UINT64_MAX);
}

static int parse_map(struct sample_store *store, const json_t *arr)
{
	size_t n = json_array_size(arr), i;

	if (n > MAX_MAP)
		return -EPROTO;
	if (n > store->map_cap) {
		struct vmc_map_entry *p = realloc(store->map, n * sizeof(*p));

		if (!p)
			return -ENOMEM;
		store->map = p;
		store->map_cap = (uint32_t)n;
	}
	for (i = 0; i < n; i++)
		parse_map_entry(json_array_get(arr, i), &store->map[i]);
	return 0;
}

static int parse_heat(struct sample_store *store, const json_t *v)
{
	struct vmc_sample_heat *h = &store->heat;
	const char *text = json_string_value(json_object_get(v, "data"));
	uint64_t cells = json_opt_u64(v, "cells", MAX_CELLS);

	if (!text)
		return -EPROTO;
	if (!store->ncells || *text)
		store->ncells = decode_cells(store, text, strlen(text));
	if (cells == 0 || store->ncells < cells)
		return -EPROTO;
	h->start = json_opt_u64(v, "start", UINT64_MAX);
	h->size = json_opt_u64(v, "size", UINT64_MAX);
	h->cells = (uint32_t)cells;
	h->cell_pages = json_opt_u64(v, "cell-pages", UINT64_MAX);
	h->heat = store->cells;
	h->dirty_pages = json_opt_u64(v, "dirty-pages", UINT64_MAX);
	h->interval_us = json_opt_u64(v, "interval-us", UINT64_MAX);
	h->harvest_us = json_opt_u64(v, "harvest-us", UINT64_MAX);
	return 0;
}

int sample_parse(struct sample_store *store, const json_t *data, struct vmc_sample *out)
{
	const json_t *cpus = json_object_get(data, "cpus"), *heat = json_object_get(data, "heat");
	const json_t *map = json_object_get(data, "memory-map");

	memset(out, 0, sizeof(*out));
	if (!json_is_object(data))
		return -EPROTO;
	out->seq = json_opt_u64(data, "seq", UINT64_MAX);
	out->time_us = json_opt_u64(data, "time-us", UINT64_MAX);
	out->state = parse_status(json_string_value(json_object_get(data, "status")));
	out->rss_bytes = json_opt_u64(data, "rss", UINT64_MAX);
	out->process_cpu_us = json_opt_u64(data, "process-cpu-us", UINT64_MAX);
	if (cpus && parse_cpus(store, cpus) == 0 && json_array_size(cpus)) {
		out->ncpus = (uint32_t)json_array_size(cpus);
		out->cpus = store->cpus;
	}
	if (json_is_object(heat) && parse_heat(store, heat) == 0)
		out->heat = &store->heat;
	if (map && parse_map(store, map) == 0 && json_array_size(map)) {
		out->nmap = (uint32_t)json_array_size(map);
		out->map = store->map;
	}
	return 0;
}
