/*
 * json.c - members of hostile replies (json.h). Any thread.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "vmcore/client/json.h"

bool json_get_u64(const json_t *obj, const char *key, uint64_t *out)
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

uint64_t json_opt_u64(const json_t *obj, const char *key, uint64_t max)
{
	uint64_t v = 0;

	return json_get_u64(obj, key, &v) && v <= max ? v : 0;
}

void json_opt_text(const json_t *obj, const char *key, char *out, size_t size)
{
	const char *s = json_string_value(json_object_get(obj, key));
	size_t len = s ? strlen(s) : 0;

	if (len >= size)
		len = size - 1;
	if (len)
		memcpy(out, s, len);
	out[len] = '\0';
}

bool json_opt_bool(const json_t *obj, const char *key)
{
	return json_is_true(json_object_get(obj, key));
}

int json_hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}
