/*
 * cli.h - the verbs of the command line: `vitrine VERB ...`. Each is a function int cli_NAME(argc, argv) for the
 * .cli of its row in the command table, and a row of cli_verbs[] with its options, from which --help, the man
 * page and the completion are made. No screen, no other thread.
 */
#ifndef TUI_CLI_H
#define TUI_CLI_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <vmcore/client.h>

enum cli_status { /* exit status; documented in vitrine(1) */
	CLI_OK = 0,
	CLI_FAILED = 1,	 /* it was tried and did not work */
	CLI_USAGE = 2,	 /* wrong arguments, nothing was tried */
	CLI_NO_VM = 3,	 /* no VM of that name */
	CLI_NO_KVM = 4,	 /* KVM cannot be used here */
	CLI_TIMEOUT = 5, /* it did not happen in time */
};

int cli_ls(int argc, char **argv);
int cli_run(int argc, char **argv);
int cli_start(int argc, char **argv);
int cli_pause(int argc, char **argv);
int cli_resume(int argc, char **argv);
int cli_stop(int argc, char **argv);
int cli_reset(int argc, char **argv);
int cli_snapshot(int argc, char **argv);
int cli_load(int argc, char **argv);
int cli_console(int argc, char **argv);
int cli_send(int argc, char **argv);
int cli_registers(int argc, char **argv);
int cli_map(int argc, char **argv);
int cli_devices(int argc, char **argv);
int cli_balloon(int argc, char **argv);
int cli_link(int argc, char **argv);
/** cli_link_args() - of set_link, from "net0" and "up" or "down". -EINVAL: they are something else. */
int cli_link_args(const char *card, const char *state, char *out, size_t size);
int cli_log(int argc, char **argv);
int cli_check(int argc, char **argv);
int cli_demo(int argc, char **argv);

/* ---- the table (cli_verbs.c) ---- */

struct cli_option {
	const char *name; /* "memory": --memory */
	char letter;	  /* 'd': -d; 0: none */
	const char *arg;  /* "SIZE"; NULL: takes none */
	const char *help;
};
#define CLI_OPTIONS_MAX 32
#define CLI_GIVEN_MAX 64

struct cli_verb {
	const char *name, *args, *help; /* as in struct ui_cmd */
	int (*run)(int argc, char **argv);
	int min, max; /* arguments that are no options; max -1: any number */
	const struct cli_option *options; /* ends with a NULL name; may be NULL */
	const char *more; /* what else the man page and --help say; may be NULL */
};
extern const struct cli_verb cli_verbs[]; /* ends with a NULL name */
extern const struct cli_verb cli_no_verb; /* the workstation itself */
const struct cli_verb *cli_find(const char *name);

/** cli_main() - everything but the workstation: verbs, --help, --version, --list-verbs, --list-options.
 * Return: exit status, or -1 when argv[1] is none of these (argc 1, or an option of the workstation). */
int cli_main(int argc, char **argv);
/** cli_workstation - opens the workstation for the verb demo; set by main(). */
extern int (*cli_workstation)(const char *select);
/** cli_usage() - wrong options of the workstation: where to look; returns CLI_USAGE. */
int cli_usage(void);
/** cli_help() - what `vitrine VERB --help` says. */
void cli_help(const struct cli_verb *verb);
/** man_dump() - "options", "commands" or "verbs" of vitrine(1), mdoc, on stdout (man.c, in vitrine itself). */
int man_dump(const char *part);

/* ---- arguments (cli_opt.c) ---- */

struct cli_call {
	const struct cli_verb *verb;
	const char *value[CLI_OPTIONS_MAX]; /* by row of verb->options; "" for those that take none; NULL: not given */
	struct {
		int row;
		const char *value;
	} given[CLI_GIVEN_MAX]; /* every option in its order, for those that may be repeated */
	int ngiven;
	int argc;
	char **argv; /* what is no option */
};
/** cli_parse() - Return: true to go on; false: stop with *@status (help was asked for, or it is wrong). */
bool cli_parse(const char *verb, int argc, char **argv, struct cli_call *call, int *status);
bool cli_number(const char *text, uint64_t min, uint64_t max, uint64_t *out);
bool cli_seconds(const char *text, int *ms);

/* ---- saying (cli_out.c) ---- */

/** cli_fail() - "vitrine: ..." on stderr; returns @status. */
int cli_fail(int status, const char *fmt, ...) VMC_PRINTF(2, 3);
/** cli_is() - does a VM of this name run, is there a definition of it? */
enum cli_state_of { CLI_RUNNING, CLI_DEFINED };
bool cli_is(const char *vm, enum cli_state_of what);
/** cli_status_of() - what a failed call of vmcore/client means as an exit status. */
int cli_status_of(int rc);
/** cli_ask() - y or n on the terminal; false too when there is none. */
bool cli_ask(const char *fmt, ...) VMC_PRINTF(1, 2);
const char *cli_size(uint64_t bytes, char *out, size_t size); /* "256M" */
const char *cli_state(enum vmc_state state);
/** cli_clean() - prints text from a VM process without control characters. */
void cli_clean(FILE *f, const char *text);
void cli_clean_bytes(FILE *f, const char *bytes, size_t len);

struct cli_json { /* writes JSON that is always whole; keys NULL in arrays */
	FILE *f;
	unsigned depth;
	uint32_t more; /* bit a depth: a comma is due */
};
void cli_json_open(struct cli_json *j, const char *key, char bracket); /* '{' or '[' */
void cli_json_close(struct cli_json *j, char bracket);
void cli_json_text(struct cli_json *j, const char *key, const char *value);
void cli_json_number(struct cli_json *j, const char *key, int64_t value);
void cli_json_hex(struct cli_json *j, const char *key, uint64_t value);
void cli_json_bool(struct cli_json *j, const char *key, bool value);

/* ---- VMs ---- */

#define CLI_WAIT_MS 10000
/** cli_command() - one command, waited for; has said why when the status is not CLI_OK. @json may be NULL. */
int cli_command(const char *vm, const char *command, const char *args_json, char **json);
int cli_vm_info(const char *vm, struct vmc_vm_info *out);
/** cli_spawn() - start vitrine-vm and wait until it is up; has said why not. */
int cli_spawn(const char *name, const char *const *argv);

/** cli_run_only() - the verb run without what comes once the VM is up; has said why not. */
int cli_run_only(int argc, char **argv);
/** cli_demo_linux() - starts the VM of `demo linux` (cli_linux.c) by the options of the verb demo. */
int cli_demo_linux(const struct cli_call *call);
#define CLI_DEMO_LINUX "demo-linux"
enum { CLI_DEMO_STOP, CLI_DEMO_DETACH, CLI_DEMO_OTHERS }; /* the first rows of its options */
/** cli_stop_vm() - as the verb stop does it; has said why not. */
int cli_stop_vm(const char *vm, bool force, int timeout_ms);
uint64_t cli_now_ms(void);

/* ---- a raw terminal (cli_term.c) ---- */

int cli_term_raw(int fd);    /* 0 or -errno; put back at exit, on signals, on crashes */
void cli_term_restore(void); /* twice is fine */
/** cli_term_signal_fd() - readable when a signal has come (INT TERM HUP QUIT TSTP WINCH). */
int cli_term_signal_fd(void);
int cli_term_next_signal(void); /* 0: none */
/** cli_term_suspend() - stop as SIGTSTP does, the terminal as it was meanwhile; raw again on return. */
void cli_term_suspend(int fd);

/** cli_console_connect() - a socket, or -errno; -ENOENT: the VM does not run. */
int cli_console_connect(const char *vm, unsigned stream);
/** cli_stream() - "hvc0" (or NULL) 0, "ttyS0" 1, else -1. */
int cli_stream(const char *text);
#define CLI_PREFIX 0x1d /* Ctrl-] */
/** cli_attach() - the terminal on a console until detached or over (cli_console.c); exit status. */
int cli_attach(const char *vm, unsigned stream, bool raw, bool resize, int prefix);

#endif
