/* buf.c - the growing output and the bounded input that saved state is written to and read from (state.h). */
#include <vmcore/state.h>

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void vmc_out_init(struct vmc_out *out)
{
	memset(out, 0, sizeof(*out));
}

void vmc_out_free(struct vmc_out *out)
{
	free(out->data);
	vmc_out_init(out);
}

static bool reserve(struct vmc_out *out, size_t len)
{
	size_t cap = out->cap ? out->cap : 1024;
	uint8_t *data;

	if (out->failed || len > SIZE_MAX / 2 - out->len) {
		out->failed = true;
		return false;
	}
	while (cap < out->len + len)
		cap *= 2;
	if (cap == out->cap)
		return true;
	data = realloc(out->data, cap);
	if (!data) {
		out->failed = true;
		return false;
	}
	out->data = data;
	out->cap = cap;
	return true;
}

void vmc_out_bytes(struct vmc_out *out, const void *data, size_t len)
{
	if (!len || !reserve(out, len))
		return;
	memcpy(out->data + out->len, data, len);
	out->len += len;
}

static void out_le(struct vmc_out *out, uint64_t v, size_t len)
{
	uint8_t b[8];

	for (size_t i = 0; i < len; i++)
		b[i] = (uint8_t)(v >> (8 * i));
	vmc_out_bytes(out, b, len);
}

void vmc_out_u8(struct vmc_out *out, uint8_t v)
{
	out_le(out, v, 1);
}

void vmc_out_u16(struct vmc_out *out, uint16_t v)
{
	out_le(out, v, 2);
}

void vmc_out_u32(struct vmc_out *out, uint32_t v)
{
	out_le(out, v, 4);
}

void vmc_out_u64(struct vmc_out *out, uint64_t v)
{
	out_le(out, v, 8);
}

void vmc_in_init(struct vmc_in *in, const void *data, size_t len)
{
	memset(in, 0, sizeof(*in));
	in->data = data;
	in->len = len;
}

int vmc_in_fail(struct vmc_in *in, int rc, const char *fmt, ...)
{
	va_list ap;

	if (in->error) /* the first one is the cause */
		return in->error;
	in->error = rc;
	va_start(ap, fmt);
	vsnprintf(in->message, sizeof(in->message), fmt, ap);
	va_end(ap);
	return rc;
}

int vmc_in_bytes(struct vmc_in *in, void *out, size_t len)
{
	if (!in->error && len > in->len - in->pos)
		vmc_in_fail(in, -EBADMSG, "it ends early: %zu bytes asked for, %zu left", len,
			in->len - in->pos);
	if (in->error) {
		if (len)
			memset(out, 0, len);
		return in->error;
	}
	if (len)
		memcpy(out, in->data + in->pos, len);
	in->pos += len;
	return 0;
}

static uint64_t in_le(struct vmc_in *in, size_t len)
{
	uint8_t b[8] = { 0 };
	uint64_t v = 0;

	vmc_in_bytes(in, b, len);
	for (size_t i = 0; i < len; i++)
		v |= (uint64_t)b[i] << (8 * i);
	return v;
}

uint8_t vmc_in_u8(struct vmc_in *in)
{
	return (uint8_t)in_le(in, 1);
}

uint16_t vmc_in_u16(struct vmc_in *in)
{
	return (uint16_t)in_le(in, 2);
}

uint32_t vmc_in_u32(struct vmc_in *in)
{
	return (uint32_t)in_le(in, 4);
}

uint64_t vmc_in_u64(struct vmc_in *in)
{
	return in_le(in, 8);
}

int vmc_in_end(struct vmc_in *in)
{
	if (!in->error && in->pos != in->len)
		vmc_in_fail(in, -EBADMSG, "%zu bytes too many", in->len - in->pos);
	return in->error;
}
