/*
 * cli_run.c - the verb run: a VM from the command line, without a definition.
 */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tui/cli.h"

#define MAX_ARGS 192 /* CLI_GIVEN_MAX of two words, and more */

/* "x.elf" and "./x" are files, "shell" is a guest that came with vitrine. */
static bool is_guest(const char *what)
{
	return strncmp(what, "guest:", 6) == 0 || (!strchr(what, '/') && access(what, F_OK) < 0);
}

/* A name from the kernel's: shell, shell-2 ... */
static int make_name(const char *kernel, char *name, size_t size)
{
	const char *base = strncmp(kernel, "guest:", 6) == 0 ? kernel + 6 : kernel, *slash = strrchr(base, '/');
	char stem[VMC_NAME_SIZE];
	size_t i;
	int n;

	snprintf(stem, sizeof(stem), "%.*s", (int)VMC_ID_MAX - 4, slash ? slash + 1 : base);
	if (strlen(stem) > 4 && !strcmp(stem + strlen(stem) - 4, ".elf"))
		stem[strlen(stem) - 4] = '\0';
	for (i = 0; stem[i]; i++) {
		char one[2] = { stem[i] };

		if (!vmc_name_ok(one) && stem[i] != '-' && stem[i] != '.')
			stem[i] = '_';
	}
	snprintf(name, size, "%s", vmc_name_ok(stem) ? stem : "vm");
	for (n = 2; n < 1000 && cli_is(name, CLI_RUNNING); n++)
		snprintf(name, size, "%.*s-%d", (int)VMC_ID_MAX - 4, vmc_name_ok(stem) ? stem : "vm", n);
	return n < 1000 ? 0 : -EEXIST;
}

/* vitrine-vm keeps what it is told: paths must not depend on where this command ran. */
static const char *whole_path(const char *path, char *out)
{
	return realpath(path, out) ? out : path;
}

struct run {
	const char *argv[MAX_ARGS];
	size_t n;
	char kernel[PATH_MAX + 8], initrd[PATH_MAX];
	char *disk[CLI_GIVEN_MAX];
	size_t ndisks;
};

static void add(struct run *r, const char *option, const char *value)
{
	if (r->n + 2 < MAX_ARGS && value) {
		r->argv[r->n++] = option;
		if (*value || !strcmp(option, "--append"))
			r->argv[r->n++] = value;
	}
}

/* The path before the first single comma, made whole; in what vitrine-vm reads, a comma of a path is doubled. */
static int add_disk(struct run *r, const char *text)
{
	char path[PATH_MAX], whole[PATH_MAX], *out;
	const char *p, *use;
	size_t n = 0;

	for (p = text; *p && (*p != ',' || p[1] == ','); p++) {
		if (n + 1 >= sizeof(path))
			return cli_fail(CLI_USAGE, "run: --disk: the path is too long");
		path[n++] = *p;
		p += *p == ',';
	}
	path[n] = '\0';
	if (!n)
		return cli_fail(CLI_USAGE, "run: --disk: an empty path");
	use = whole_path(path, whole);
	out = malloc(2 * strlen(use) + strlen(p) + 1);
	if (!out)
		return cli_fail(CLI_FAILED, "run: out of memory");
	r->disk[r->ndisks++] = out;
	while (*use) {
		if (*use == ',')
			*out++ = ',';
		*out++ = *use++;
	}
	strcpy(out, p);
	add(r, "--disk", r->disk[r->ndisks - 1]);
	return CLI_OK;
}

static int set_kernel(struct run *r, const char *what)
{
	const char *guest = strncmp(what, "guest:", 6) == 0 ? what + 6 : what;

	if (is_guest(what))
		snprintf(r->kernel, sizeof(r->kernel), "guest:%s", guest);
	else
		whole_path(what, r->kernel);
	add(r, "--kernel", r->kernel);
	return 0;
}

enum { NAME, MEMORY, VCPUS, KERNEL, CPU, INITRD, APPEND, DISK, NET, RNG, BALLOON, VSOCK, CONFIG, SIZE, HISTORY, LOAD, SANDBOX, DIRTY_RING, PAUSED,
	ON_SHUTDOWN, ON_PANIC, DETACH };

static int collect(struct run *r, const struct cli_call *call)
{
	const char *const *v = call->value;
	const char *kernel = v[KERNEL] ? v[KERNEL] : call->argc ? call->argv[0] : NULL;

	if (v[KERNEL] && call->argc)
		return cli_fail(CLI_USAGE, "run: a kernel twice: --kernel %s and %s", v[KERNEL], call->argv[0]);
	if (!kernel && !v[CONFIG] && !v[LOAD])
		return cli_fail(CLI_USAGE, "run: what? A guest that came with vitrine (shell, pager, clock, smp) or a "
			"kernel's file");
	add(r, "--config", v[CONFIG]);
	if (kernel)
		set_kernel(r, kernel);
	add(r, "--memory", v[MEMORY]);
	add(r, "--vcpus", v[VCPUS]);
	add(r, "--cpu", v[CPU]);
	add(r, "--initrd", v[INITRD] ? whole_path(v[INITRD], r->initrd) : NULL);
	add(r, "--append", v[APPEND]);
	for (int i = 0; i < call->ngiven; i++) {
		if (call->given[i].row == NET && !*call->given[i].value)
			return cli_fail(CLI_USAGE, "run: --net: empty; write user, or tap,ifname=NAME");
		if (call->given[i].row == NET)
			add(r, "--net", call->given[i].value);
		if (call->given[i].row == DISK && add_disk(r, call->given[i].value) != CLI_OK)
			return CLI_USAGE;
	}
	add(r, "--rng", v[RNG]);
	add(r, "--balloon", v[BALLOON]);
	add(r, "--vsock", v[VSOCK]);
	add(r, "--console", v[SIZE]);
	add(r, "--history", v[HISTORY]);
	add(r, "--load", v[LOAD]);
	add(r, "--sandbox", v[SANDBOX]);
	add(r, "--dirty-ring", v[DIRTY_RING]);
	add(r, "--paused", v[PAUSED]);
	add(r, "--on-shutdown", v[ON_SHUTDOWN]);
	add(r, "--on-panic", v[ON_PANIC]);
	return CLI_OK;
}

/* Everything but what comes once it is up; @name: VMC_NAME_SIZE, out. */
static int start(int argc, char **argv, struct cli_call *call, char *name)
{
	struct run r = { 0 };
	int status;

	if (!cli_parse("run", argc, argv, call, &status))
		return status == CLI_OK ? -1 : status;
	status = collect(&r, call);
	if (status != CLI_OK)
		return status;
	if (call->value[NAME]) {
		if (!vmc_name_ok(call->value[NAME]))
			return cli_fail(CLI_USAGE, "'%s' cannot be the name of a VM: 1 to %u letters, digits, '.', '_' and "
				"'-', beginning with neither '.' nor '-'", call->value[NAME], VMC_ID_MAX);
		snprintf(name, VMC_NAME_SIZE, "%s", call->value[NAME]);
	} else if (make_name(r.kernel[0] ? r.kernel : call->value[CONFIG] ? call->value[CONFIG] : "vm", name,
			   VMC_NAME_SIZE) < 0) {
		return cli_fail(CLI_FAILED, "run: no free name; give one with --name");
	}
	if (cli_is(name, CLI_RUNNING))
		return cli_fail(CLI_FAILED, "a VM named '%s' runs already: vitrine console %s attaches to it", name, name);
	status = cli_spawn(name, r.argv);
	for (size_t i = 0; i < r.ndisks; i++)
		free(r.disk[i]);
	return status;
}

int cli_run_only(int argc, char **argv)
{
	char name[VMC_NAME_SIZE];
	struct cli_call call;

	return start(argc, argv, &call, name);
}

int cli_run(int argc, char **argv)
{
	char name[VMC_NAME_SIZE];
	struct cli_call call;
	int status = start(argc, argv, &call, name);

	if (status != CLI_OK)
		return status < 0 ? CLI_OK : status; /* below 0: only help was asked for */
	if (call.value[DETACH]) {
		puts(name);
		return CLI_OK;
	}
	return cli_attach(name, 0, false, true, CLI_PREFIX);
}
