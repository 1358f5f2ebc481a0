/*
 * parse_views.c - the replies behind the views, typed: x-translate, x-read-memory, x-devices,
 * x-balloon-stats
 * (docs/protocol.md). Pure functions, any thread.
 *
 * A reply comes from a VM process that a hostile guest may have taken over: every member is checked for
 * its type, every string and array is cut to what the struct holds.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "vmcore/client/client.h"
#include "vmcore/client/json.h"

int vmc_parse_symbol(const char *json, uint64_t *addr, char *name, size_t size)
{
	json_t *root = json ? json_loads(json, 0, NULL) : NULL;
	const char *text = json_string_value(json_object_get(root, "symbol"));
	int rc = text && json_get_u64(root, "address", addr) ? 0 : -EPROTO;

	if (rc == 0 && name)
		snprintf(name, size, "%s", text);
	json_decref(root);
	return rc;
}

int vmc_parse_translate(const char *json, uint64_t *gpa)
{
	json_t *root = json ? json_loads(json, 0, NULL) : NULL;
	int rc = root && json_get_u64(root, "physical", gpa) ? 0 : -EPROTO;

	json_decref(root);
	return rc;
}

int parse_hex(const char *hex, uint8_t *data, uint8_t *present, size_t max, size_t *len)
{
	size_t n = strlen(hex) / 2;

	if (strlen(hex) % 2 || n > max)
		return -EPROTO;
	for (size_t i = 0; i < n; i++) {
		int hi = json_hex_digit(hex[2 * i]), lo = json_hex_digit(hex[2 * i + 1]);

		if (hex[2 * i] == '.' && hex[2 * i + 1] == '.')
			hi = lo = 0, present[i] = 0;
		else if (hi < 0 || lo < 0)
			return -EPROTO;
		else
			present[i] = 1;
		data[i] = (uint8_t)(hi << 4 | lo);
	}
	*len = n;
	return 0;
}

int vmc_parse_memory(const char *json, uint64_t *gpa, uint8_t *data, uint8_t *present, size_t max, size_t *len)
{
	json_t *root = json ? json_loads(json, 0, NULL) : NULL;
	const char *hex = root ? json_string_value(json_object_get(root, "data")) : NULL;
	int rc = -EPROTO;

	if (hex && json_get_u64(root, "address", gpa))
		rc = parse_hex(hex, data, present, max, len);
	json_decref(root);
	return rc;
}

int vmc_parse_balloon(const char *json, struct vmc_balloon *out)
{
	json_t *root = json ? json_loads(json, 0, NULL) : NULL, *v;
	const char *name;

	memset(out, 0, sizeof(*out));
	if (!json_is_object(root)) {
		json_decref(root);
		return -EPROTO;
	}
	out->driver = json_opt_bool(root, "driver");
	out->ram = json_opt_u64(root, "ram", UINT64_MAX);
	out->wanted = json_opt_u64(root, "wanted", UINT64_MAX);
	out->actual = json_opt_u64(root, "actual", UINT64_MAX);
	out->held = json_opt_u64(root, "held", UINT64_MAX);
	out->reported = json_opt_u64(root, "reported", UINT64_MAX);
	out->refused = json_opt_u64(root, "refused-pages", UINT64_MAX);
	out->repeated = json_opt_u64(root, "repeated-pages", UINT64_MAX);
	out->stats_time_s = (int64_t)json_opt_u64(root, "last-update", INT64_MAX);
	json_object_foreach(json_object_get(root, "stats"), name, v)
	{
		if (out->nstats == VMC_BALLOON_STATS || !json_is_integer(v) || strlen(name) >= sizeof(out->stats[0].name))
			continue;
		strcpy(out->stats[out->nstats].name, name);
		out->stats[out->nstats++].value = (uint64_t)json_integer_value(v);
	}
	json_decref(root);
	return 0;
}

int vmc_parse_size(const char *text, uint64_t *out)
{
	static const char units[] = "kmg";
	const char *unit;
	uint64_t value;
	char *end;

	if (text[0] < '0' || text[0] > '9') /* strtoull takes signs and blanks */
		return -EINVAL;
	errno = 0;
	value = strtoull(text, &end, 0);
	if (errno || end == text)
		return -EINVAL;
	if (!*end) {
		*out = value;
		return 0;
	}
	unit = strchr(units, *end | 32);
	if (!unit)
		return -EINVAL;
	end++;
	if (end[0] == 'i' && end[1] == 'B') /* 256MiB */
		end += 2;
	if (*end || __builtin_mul_overflow(value, 1ull << 10 * (unit - units + 1), out))
		return -EINVAL;
	return 0;
}

static void parse_queues(const json_t *arr, struct vmc_device_desc *d)
{
	size_t n = json_array_size(arr);

	if (n > VMC_DEVICE_DESC_QUEUES)
		n = VMC_DEVICE_DESC_QUEUES;
	for (size_t i = 0; i < n; i++) {
		const json_t *q = json_array_get(arr, i);

		d->queues[i].ready = json_is_true(json_object_get(q, "ready"));
		d->queues[i].size = (uint16_t)json_opt_u64(q, "size", UINT16_MAX);
		d->queues[i].avail = (uint16_t)json_opt_u64(q, "avail", UINT16_MAX);
		d->queues[i].used = (uint16_t)json_opt_u64(q, "used", UINT16_MAX);
		d->queues[i].desc_address = json_opt_u64(q, "desc-address", UINT64_MAX);
		d->queues[i].avail_address = json_opt_u64(q, "avail-address", UINT64_MAX);
		d->queues[i].used_address = json_opt_u64(q, "used-address", UINT64_MAX);
		d->queues[i].kicks = json_opt_u64(q, "kicks", UINT64_MAX);
		d->queues[i].interrupts = json_opt_u64(q, "interrupts", UINT64_MAX);
	}
	d->nqueues = (uint32_t)n;
}

static void parse_device(const json_t *v, struct vmc_device_desc *d)
{
	const json_t *irq = json_object_get(v, "irq");

	json_opt_text(v, "id", d->id, sizeof(d->id));
	json_opt_text(v, "model", d->model, sizeof(d->model));
	json_opt_text(v, "where", d->where, sizeof(d->where));
	json_opt_text(v, "note", d->note, sizeof(d->note));
	json_opt_text(v, "backend", d->backend, sizeof(d->backend));
	d->virtio_type = (uint32_t)json_opt_u64(v, "type", UINT32_MAX);
	d->offered = json_opt_u64(v, "features-offered", UINT64_MAX);
	d->negotiated = json_opt_u64(v, "features-negotiated", UINT64_MAX);
	d->status = (uint8_t)json_opt_u64(v, "status", UINT8_MAX);
	d->address = json_opt_u64(v, "address", UINT64_MAX);
	d->length = json_opt_u64(v, "length", UINT64_MAX);
	d->pio = json_is_true(json_object_get(v, "pio"));
	d->broken = json_is_true(json_object_get(v, "broken"));
	d->irq = json_is_integer(irq) && json_integer_value(irq) >= 0 && json_integer_value(irq) <= INT32_MAX
		? (int32_t)json_integer_value(irq) : -1;
	parse_queues(json_object_get(v, "queues"), d);
}

int vmc_parse_device_list(const char *json, struct vmc_device_desc **out, size_t *n)
{
	json_t *root = json ? json_loads(json, 0, NULL) : NULL;
	struct vmc_device_desc *list;
	size_t count;

	*out = NULL;
	*n = 0;
	if (!json_is_array(root)) {
		json_decref(root);
		return -EPROTO;
	}
	count = json_array_size(root);
	list = calloc(count ? count : 1, sizeof(*list));
	for (size_t i = 0; list && i < count; i++)
		parse_device(json_array_get(root, i), &list[i]);
	json_decref(root);
	if (!list)
		return -ENOMEM;
	*out = list;
	*n = count;
	return 0;
}
