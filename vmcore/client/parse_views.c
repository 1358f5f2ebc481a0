/*
 * parse_views.c - the replies behind the views, typed: x-translate, x-read-memory, x-devices
 * (docs/protocol.md). Pure functions, any thread.
 *
 * A reply comes from a VM process that a hostile guest may have taken over: every member is checked for
 * its type, every string and array is cut to what the struct holds.
 */
#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <vmcore/client.h>

/* A number, or a string "0x..." / "123" (64-bit values travel as strings). */
static bool get_u64(const json_t *obj, const char *key, uint64_t *out)
{
	const json_t *v = json_object_get(obj, key);
	const char *s;
	char *end;

	if (json_is_integer(v) && json_integer_value(v) >= 0) {
		*out = (uint64_t)json_integer_value(v);
		return true;
	}
	s = json_string_value(v);
	if (!s || *s < '0' || *s > '9')
		return false;
	errno = 0;
	*out = strtoull(s, &end, 0);
	return errno == 0 && *end == '\0';
}

static uint64_t opt_u64(const json_t *obj, const char *key, uint64_t max)
{
	uint64_t v = 0;

	return get_u64(obj, key, &v) && v <= max ? v : 0;
}

static void opt_text(const json_t *obj, const char *key, char *out, size_t size)
{
	const char *s = json_string_value(json_object_get(obj, key));
	size_t len = s ? strlen(s) : 0;

	if (len >= size)
		len = size - 1;
	if (len)
		memcpy(out, s, len);
	out[len] = '\0';
}

int vmc_parse_translate(const char *json, uint64_t *gpa)
{
	json_t *root = json ? json_loads(json, 0, NULL) : NULL;
	int rc = root && get_u64(root, "physical", gpa) ? 0 : -EPROTO;

	json_decref(root);
	return rc;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

static int parse_hex(const char *hex, uint8_t *data, uint8_t *present, size_t max, size_t *len)
{
	size_t n = strlen(hex) / 2;

	if (strlen(hex) % 2 || n > max)
		return -EPROTO;
	for (size_t i = 0; i < n; i++) {
		int hi = hex_digit(hex[2 * i]), lo = hex_digit(hex[2 * i + 1]);

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

	if (hex && get_u64(root, "address", gpa))
		rc = parse_hex(hex, data, present, max, len);
	json_decref(root);
	return rc;
}

static void parse_queues(const json_t *arr, struct vmc_device_desc *d)
{
	size_t n = json_array_size(arr);

	if (n > VMC_DEVICE_DESC_QUEUES)
		n = VMC_DEVICE_DESC_QUEUES;
	for (size_t i = 0; i < n; i++) {
		const json_t *q = json_array_get(arr, i);

		d->queues[i].ready = json_is_true(json_object_get(q, "ready"));
		d->queues[i].size = (uint16_t)opt_u64(q, "size", UINT16_MAX);
		d->queues[i].avail = (uint16_t)opt_u64(q, "avail", UINT16_MAX);
		d->queues[i].used = (uint16_t)opt_u64(q, "used", UINT16_MAX);
		d->queues[i].desc_address = opt_u64(q, "desc-address", UINT64_MAX);
		d->queues[i].avail_address = opt_u64(q, "avail-address", UINT64_MAX);
		d->queues[i].used_address = opt_u64(q, "used-address", UINT64_MAX);
		d->queues[i].kicks = opt_u64(q, "kicks", UINT64_MAX);
		d->queues[i].interrupts = opt_u64(q, "interrupts", UINT64_MAX);
	}
	d->nqueues = (uint32_t)n;
}

static void parse_device(const json_t *v, struct vmc_device_desc *d)
{
	const json_t *irq = json_object_get(v, "irq");

	opt_text(v, "id", d->id, sizeof(d->id));
	opt_text(v, "model", d->model, sizeof(d->model));
	opt_text(v, "where", d->where, sizeof(d->where));
	opt_text(v, "note", d->note, sizeof(d->note));
	d->virtio_type = (uint32_t)opt_u64(v, "type", UINT32_MAX);
	d->offered = opt_u64(v, "features-offered", UINT64_MAX);
	d->negotiated = opt_u64(v, "features-negotiated", UINT64_MAX);
	d->status = (uint8_t)opt_u64(v, "status", UINT8_MAX);
	d->address = opt_u64(v, "address", UINT64_MAX);
	d->length = opt_u64(v, "length", UINT64_MAX);
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
