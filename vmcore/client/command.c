/*
 * command.c - commands of a connection, typed. The caller's thread; nothing blocks.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vmcore/client/conn.h"

#define READ_MEMORY_MAX 65536u

static void reply_text(struct vmc_conn *conn, const struct conn_pending *p, int rc, const char *error, json_t *value)
{
	char *text = NULL;

	if (!p->user.text)
		return;
	if (rc == 0) {
		text = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
		if (!text) {
			rc = -ENOMEM;
			error = "no memory for the reply";
		}
	}
	p->user.text(p->arg, rc, error, text);
	free(text);
}

int vmc_conn_command(struct vmc_conn *conn, const char *command, const char *args_json, vmc_reply_fn *fn, void *arg)
{
	const struct conn_pending p = { .fn = reply_text, .user.text = fn, .arg = arg };
	json_t *args = NULL;

	if (args_json) {
		args = json_loads(args_json, JSON_REJECT_DUPLICATES, NULL);
		if (!json_is_object(args)) {
			json_decref(args);
			return -EINVAL;
		}
	}
	return conn_send(conn, command, args, &p);
}

static json_t *hex_number(uint64_t v)
{
	char text[24];

	snprintf(text, sizeof(text), "0x%" PRIx64, v);
	return json_string(text);
}

int vmc_conn_subscribe(struct vmc_conn *conn, const struct vmc_subscription *sub, vmc_reply_fn *fn, void *arg)
{
	static const char *const names[] = { "stats", "registers", "heat", "memory-map" }; /* VMC_SUB_ bits */
	const struct conn_pending p = { .fn = reply_text, .user.text = fn, .arg = arg };
	json_t *args, *topics = json_array();
	unsigned i;

	for (i = 0; i < 4; i++) {
		if (sub->topics & 1u << i)
			json_array_append_new(topics, json_string(names[i]));
	}
	args = json_pack("{s:o*}", "topics", topics);
	if (sub->topics)
		json_object_set_new(args, "interval-ms", json_integer(sub->interval_ms));
	if (sub->topics & VMC_SUB_REGS && sub->registers_ms)
		json_object_set_new(args, "registers-ms", json_integer(sub->registers_ms));
	if (sub->topics & VMC_SUB_HEAT) {
		json_t *heat = json_pack("{s:I}", "cells", (json_int_t)sub->heat_cells);

		if (sub->heat_size) {
			json_object_set_new(heat, "start", hex_number(sub->heat_start));
			json_object_set_new(heat, "size", hex_number(sub->heat_size));
		}
		json_object_set_new(args, "heat", heat);
	}
	return args ? conn_send(conn, "x-subscribe", args, &p) : -ENOMEM;
}

int vmc_conn_resize(struct vmc_conn *conn, uint16_t cols, uint16_t rows)
{
	const struct conn_pending p = { .fn = reply_text };

	return conn_send(conn, "x-console-resize", json_pack("{s:i, s:i}", "cols", cols, "rows", rows), &p);
}

static void reply_memory(struct vmc_conn *conn, const struct conn_pending *p, int rc, const char *error,
	json_t *value)
{
	const char *hex = json_string_value(json_object_get(value, "data"));
	uint8_t *data = NULL;
	uint64_t gpa = 0;
	size_t len = 0;

	if (rc == 0) {
		data = malloc(2 * READ_MEMORY_MAX);
		rc = data ? 0 : -ENOMEM;
		error = "no memory for the reply";
	}
	if (rc == 0 && (!hex || !json_get_u64(value, "address", &gpa) ||
		parse_hex(hex, data, data + READ_MEMORY_MAX, READ_MEMORY_MAX, &len) < 0)) {
		rc = -EPROTO;
		error = "the reply to x-read-memory is not as docs/protocol.md says";
	}
	if (rc == 0)
		p->user.memory(p->arg, 0, NULL, gpa, data, data + READ_MEMORY_MAX, len);
	else
		p->user.memory(p->arg, rc, error, 0, NULL, NULL, 0);
	free(data);
}

int vmc_conn_read_memory(struct vmc_conn *conn, uint64_t gpa, size_t len, vmc_memory_fn *fn, void *arg)
{
	const struct conn_pending p = { .fn = reply_memory, .user.memory = fn, .arg = arg };

	if (len == 0 || len > READ_MEMORY_MAX)
		return -EINVAL;
	return conn_send(conn, "x-read-memory",
		json_pack("{s:o, s:I}", "address", hex_number(gpa), "size", (json_int_t)len), &p);
}
