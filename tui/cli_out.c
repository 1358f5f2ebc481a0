/*
 * cli_out.c - what verbs print: messages, questions, sizes, JSON; and the calls that most verbs make.
 *
 * What a VM process says may be made by its guest: control characters never reach the terminal.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "tui/cli.h"

int cli_fail(int status, const char *fmt, ...)
{
	char text[2048];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	fflush(stdout);
	fputs("vitrine: ", stderr);
	cli_clean(stderr, text);
	fputc('\n', stderr);
	return status;
}

int cli_status_of(int rc)
{
	switch (rc) {
	case 0:
		return CLI_OK;
	case -ENOENT:
		return CLI_NO_VM;
	case -EINVAL:
		return CLI_USAGE;
	case -ETIMEDOUT:
		return CLI_TIMEOUT;
	default:
		return rc < 0 ? CLI_FAILED : CLI_OK;
	}
}

uint64_t cli_now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

bool cli_ask(const char *fmt, ...)
{
	char answer[16];
	va_list ap;

	if (!isatty(STDIN_FILENO) || !isatty(STDERR_FILENO))
		return false;
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputs(" [y/N] ", stderr);
	return fgets(answer, sizeof(answer), stdin) && (answer[0] == 'y' || answer[0] == 'Y');
}

const char *cli_size(uint64_t bytes, char *out, size_t size)
{
	static const char units[] = { 0, 'K', 'M', 'G', 'T' };
	double v = (double)bytes;
	unsigned u = 0;

	while (v >= 1024 && u + 1 < sizeof(units)) {
		v /= 1024;
		u++;
	}
	if (u == 0)
		snprintf(out, size, "%" PRIu64, bytes);
	else if (v == (double)(uint64_t)v || v >= 100)
		snprintf(out, size, "%.0f%c", v, units[u]);
	else
		snprintf(out, size, "%.1f%c", v, units[u]);
	return out;
}

const char *cli_state(enum vmc_state state)
{
	switch (state) {
	case VMC_CREATED:
		return "created";
	case VMC_RUNNING:
		return "running";
	case VMC_PAUSED:
		return "paused";
	case VMC_STOPPED:
		return "stopped";
	case VMC_CRASHED:
		return "crashed";
	}
	return "unknown";
}

void cli_clean_bytes(FILE *f, const char *bytes, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++) {
		unsigned char c = (unsigned char)bytes[i];

		/* C0 but tab and newline, DEL, and C1 as UTF-8 */
		if (c == 0xc2 && i + 1 < len && (unsigned char)bytes[i + 1] - 0x80u < 0x20)
			fputc('?', f), i++;
		else if (c == '\r' && (i + 1 == len || bytes[i + 1] == '\n' || bytes[i + 1] == '\r'))
			continue; /* part of a line's end */
		else if ((c < 0x20 && c != '\n' && c != '\t') || c == 0x7f)
			fputc('?', f);
		else
			fputc(c, f);
	}
}

void cli_clean(FILE *f, const char *text)
{
	cli_clean_bytes(f, text, strlen(text));
}

/* ---- JSON ---- */

static void quoted(FILE *f, const char *text)
{
	const unsigned char *p;

	fputc('"', f);
	for (p = (const unsigned char *)text; *p; p++) {
		if (*p == '"' || *p == '\\')
			fprintf(f, "\\%c", *p);
		else if (*p < 0x20 || *p == 0x7f)
			fprintf(f, "\\u%04x", *p);
		else
			fputc(*p, f);
	}
	fputc('"', f);
}

static void begin_value(struct cli_json *j, const char *key)
{
	if (j->more >> j->depth & 1)
		fputs(", ", j->f);
	j->more |= 1u << j->depth;
	if (key) {
		quoted(j->f, key);
		fputs(": ", j->f);
	}
}

void cli_json_open(struct cli_json *j, const char *key, char bracket)
{
	if (j->depth)
		begin_value(j, key);
	fputc(bracket, j->f);
	j->depth++;
	j->more &= ~(1u << j->depth);
}

void cli_json_close(struct cli_json *j, char bracket)
{
	fputc(bracket, j->f);
	if (--j->depth == 0)
		fputc('\n', j->f);
}

void cli_json_text(struct cli_json *j, const char *key, const char *value)
{
	begin_value(j, key);
	quoted(j->f, value);
}

void cli_json_number(struct cli_json *j, const char *key, int64_t value)
{
	begin_value(j, key);
	fprintf(j->f, "%" PRId64, value);
}

void cli_json_hex(struct cli_json *j, const char *key, uint64_t value)
{
	begin_value(j, key);
	fprintf(j->f, "\"0x%" PRIx64 "\"", value);
}

void cli_json_bool(struct cli_json *j, const char *key, bool value)
{
	begin_value(j, key);
	fputs(value ? "true" : "false", j->f);
}

/* ---- VMs ---- */

bool cli_is(const char *vm, enum cli_state_of what)
{
	struct vmc_list_entry *list = NULL;
	bool found = false;
	size_t n = 0, i;

	if (vmc_list(&list, &n, NULL, 0) < 0)
		return false;
	for (i = 0; i < n && !found; i++)
		found = !strcmp(list[i].name, vm) && (what == CLI_RUNNING ? list[i].running : list[i].defined);
	free(list);
	return found;
}

int cli_command(const char *vm, const char *command, const char *args_json, char **json)
{
	char err[VMC_MSG_SIZE];
	int rc = vmc_command_wait(vm, command, args_json, CLI_WAIT_MS, NULL, NULL, json, err, sizeof(err));

	if (rc == 0)
		return CLI_OK;
	if (rc == -ENOENT && cli_is(vm, CLI_DEFINED))
		return cli_fail(CLI_NO_VM, "'%s' is defined but does not run: vitrine start %s", vm, vm);
	if (rc == -ENOENT)
		return cli_fail(CLI_NO_VM, "%s (`vitrine ls` shows what there is)", err);
	return cli_fail(cli_status_of(rc), "%s", err);
}

int cli_vm_info(const char *vm, struct vmc_vm_info *out)
{
	char *json = NULL;
	int status = cli_command(vm, "x-query-vm", NULL, &json);

	if (status == CLI_OK && vmc_parse_vm_info(json, out) < 0)
		status = cli_fail(CLI_FAILED, "%s: its answer to x-query-vm makes no sense", vm);
	free(json);
	return status;
}

int cli_spawn(const char *name, const char *const *argv)
{
	const struct vmc_spawn spawn = { .name = name, .argv = argv };
	char err[VMC_MSG_SIZE];
	int rc = vmc_spawn_wait(&spawn, 30000, err, sizeof(err));

	if (rc == 0)
		return CLI_OK;
	if (access("/dev/kvm", R_OK | W_OK) < 0)
		return cli_fail(CLI_NO_KVM, "%s: %s\n`vitrine check` says what is missing and how to fix it.", name, err);
	if (rc == -EEXIST)
		return cli_fail(CLI_FAILED, "%s: %s", name, err);
	return cli_fail(rc == -ETIMEDOUT ? CLI_TIMEOUT : CLI_FAILED, "%s: %s", name, err);
}
