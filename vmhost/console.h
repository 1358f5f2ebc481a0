/*
 * console.h - one console stream's server: history, attached clients, back-pressure. Main thread.
 *
 * A client gets the history, then live output. The slowest client decides how much the guest may
 * send: what it has not taken yet is never forgotten. What clients send goes into one bounded queue
 * of input.
 */
#ifndef VMHOST_CONSOLE_H
#define VMHOST_CONSOLE_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <vmcore/state.h>

struct console;
struct event_base;
struct dev_stream;
struct log;

struct console_info {
	const char *name;
	uint64_t history, total;
	unsigned clients;
	bool stalled; /* the guest waits for a slow reader */
};

/** console_new() - @listen_fd is borrowed. */
int console_new(struct event_base *base, struct vmc_vm *vm, int listen_fd, size_t history,
	struct log *log, struct console **out);
/** console_bind() - connect to the device's stream; before the guest runs. */
void console_bind(struct console *c, struct dev_stream *stream);
void console_free(struct console *c);
void console_info(const struct console *c, struct console_info *out);
/** console_save() - the history, for a snapshot. */
void console_save(const struct console *c, struct vmc_out *out);
/** console_check()/console_load() - the same back: attached clients get a screen reset and the
 * restored history. check changes nothing. Return: 0 or -EBADMSG with in->message. */
int console_check(struct vmc_in *in);
int console_load(struct console *c, struct vmc_in *in);

#endif
