/*
 * json.h - reading members of replies whose every part may be missing, of another type or absurd: a VM
 * process may have been taken over by its guest. Any thread.
 */
#ifndef VMCORE_CLIENT_JSON_H
#define VMCORE_CLIENT_JSON_H
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A number, or a string "0x..." / "123" (64-bit values travel as strings). */
bool json_get_u64(const json_t *obj, const char *key, uint64_t *out);
/* The same; 0 when it is missing, no number, or more than @max. */
uint64_t json_opt_u64(const json_t *obj, const char *key, uint64_t max);
/* Text, cut to what @out holds; "" when missing. */
void json_opt_text(const json_t *obj, const char *key, char *out, size_t size);
bool json_opt_bool(const json_t *obj, const char *key);
/* -1: no hexadecimal digit. */
int json_hex_digit(char c);
/* parse_views.c: hexadecimal bytes, ".." for what cannot be read (present[i] = 0). 0 or -EPROTO. */
int parse_hex(const char *hex, uint8_t *data, uint8_t *present, size_t max, size_t *len);

#endif
