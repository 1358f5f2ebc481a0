/* shell.h - what the parts of the shell guest share. Ring 3, vCPU 0. */
#ifndef GUEST_SHELL_H
#define GUEST_SHELL_H

#include "kernel.h"
#include "screen.h"

#define MAX_ARGS 8

struct args {
	unsigned n; /* without the command itself */
	const char *text[MAX_ARGS];
	uint64_t value[MAX_ARGS]; /* where is_number */
	bool is_number[MAX_ARGS];
};

struct command {
	const char *name, *args, *help;
	unsigned min_args;
	void (*run)(const struct args *a);
};

/* A choice of `exit` or `fault`. */
struct choice {
	const char *name, *help;
};

extern const struct command shell_commands[];
extern const struct choice exit_choices[], fault_choices[]; /* end with name NULL */

void say(const char *format, ...)
	__attribute__((format(printf, 1, 2))); /* a line, wrapped to the screen */
void say_error(const char *format, ...) __attribute__((format(printf, 1, 2)));
void say_key(const char *key, const char *format, ...)
	__attribute__((format(printf, 2, 3))); /* "key  text" */
bool confirm(const char *question);

void cmd_peek(const struct args *a);
void cmd_poke(const struct args *a);
void cmd_fill(const struct args *a);
void cmd_dump(const struct args *a);
void cmd_map(const struct args *a);
void cmd_regs(const struct args *a);
void cmd_cpuid(const struct args *a);
void cmd_msr(const struct args *a);
void cmd_in(const struct args *a);
void cmd_out(const struct args *a);
void cmd_irq(const struct args *a);
void cmd_timer(const struct args *a);
void cmd_speed(const struct args *a);
void cmd_pci(const struct args *a);
void cmd_exit(const struct args *a);
void cmd_fault(const struct args *a);
void cmd_crash(const struct args *a);

#endif
