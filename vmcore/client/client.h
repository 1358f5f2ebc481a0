/*
 * client.h - what the files of vmcore/client share and nobody else sees.
 */
#ifndef VMCORE_CLIENT_CLIENT_H
#define VMCORE_CLIENT_CLIENT_H
#include <vmcore/client.h>

/* Writes the message, returns @rc. */
int client_fail(char *err, size_t err_size, int rc, const char *fmt, ...) VMC_PRINTF(4, 5);
/* Milliseconds of the monotonic clock. */
int64_t client_now_ms(void);
/* A connected, non-blocking control socket. */
int client_connect(const char *vm, int *out);

#endif
