/*
 * cli_snap.c - the verbs snapshot (take, list, delete) and load.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "tui/cli.h"

#define JOB_WAIT_MS (30 * 60 * 1000) /* a terabyte to a slow disk is no fault */

struct progress {
	const char *what;
	bool shown;
};

static void show_progress(void *arg, uint64_t done, uint64_t total)
{
	struct progress *p = arg;
	char a[16], b[16];

	if (!isatty(STDERR_FILENO) || !total)
		return;
	p->shown = true;
	fprintf(stderr, "\r%s: %3u %%  %s of %s  ", p->what, (unsigned)(100.0 * (double)done / (double)total),
		cli_size(done, a, sizeof(a)), cli_size(total, b, sizeof(b)));
}

static int job(const char *vm, const char *command, const char *what, const char *tag)
{
	struct progress p = { .what = what };
	char err[VMC_MSG_SIZE], *args = NULL;
	struct cli_json j = { 0 };
	size_t len;
	int rc;

	j.f = open_memstream(&args, &len);
	if (!j.f)
		return cli_fail(CLI_FAILED, "no memory");
	cli_json_open(&j, NULL, '{');
	cli_json_text(&j, "tag", tag);
	cli_json_close(&j, '}');
	fclose(j.f);
	rc = vmc_command_wait(vm, command, args, JOB_WAIT_MS, show_progress, &p, NULL, err, sizeof(err));
	free(args);
	if (p.shown)
		fputs("\r\033[K", stderr);
	if (rc == 0)
		return CLI_OK;
	/* -ENOENT is a VM that is not there, or the server's word for a snapshot that is not */
	return cli_fail(cli_status_of(rc), "%s", err);
}

static int get_list(const char *vm, struct vmc_snapshot_info **list, size_t *n)
{
	char *json = NULL;
	int status = cli_command(vm, "snapshot-list", NULL, &json);

	if (status == CLI_OK && vmc_parse_snapshots(json, list, n) < 0)
		status = cli_fail(CLI_FAILED, "%s: its list of snapshots makes no sense", vm);
	free(json);
	return status;
}

static void list_json(const struct vmc_snapshot_info *list, size_t n)
{
	struct cli_json j = { .f = stdout };
	size_t i;

	cli_json_open(&j, NULL, '[');
	for (i = 0; i < n; i++) {
		cli_json_open(&j, NULL, '{');
		cli_json_text(&j, "id", list[i].id);
		cli_json_text(&j, "name", list[i].name);
		cli_json_text(&j, "parent", list[i].parent);
		cli_json_number(&j, "time", list[i].time_s);
		cli_json_number(&j, "ram", (int64_t)list[i].ram_bytes);
		cli_json_number(&j, "disk", (int64_t)list[i].disk_bytes);
		cli_json_bool(&j, "current", list[i].current);
		cli_json_text(&j, "problem", list[i].problem);
		cli_json_close(&j, '}');
	}
	cli_json_close(&j, ']');
}

static void list_lines(const struct vmc_snapshot_info *list, size_t n)
{
	char when[32], ram[16], disk[16];
	struct tm tm;
	size_t i;

	if (n)
		printf("  %-20s %-24s %-19s %7s %7s  %s\n", "ID", "NAME", "TAKEN", "RAM", "DISK", "");
	for (i = 0; i < n; i++) {
		time_t t = (time_t)list[i].time_s;

		strcpy(when, "-");
		if (localtime_r(&t, &tm))
			strftime(when, sizeof(when), "%F %T", &tm);
		printf("%c %-20s %-24s %-19s %7s %7s  ", list[i].current ? '*' : ' ', list[i].id, list[i].name, when,
			cli_size(list[i].ram_bytes, ram, sizeof(ram)), cli_size(list[i].disk_bytes, disk, sizeof(disk)));
		cli_clean(stdout, list[i].problem);
		putchar('\n');
	}
}

/* What names itself is named after the moment. */
static const char *default_name(char *out, size_t size)
{
	time_t now = time(NULL);
	struct tm tm;

	if (!localtime_r(&now, &tm) || !strftime(out, size, "%Y%m%d-%H%M%S", &tm))
		snprintf(out, size, "snapshot-%lld", (long long)now);
	return out;
}

static int take(const char *vm, const char *name, bool json)
{
	struct vmc_snapshot_info *list = NULL;
	size_t n = 0, i;
	char made[32];
	int status;

	if (!name)
		name = default_name(made, sizeof(made));
	status = job(vm, "snapshot-save", "saving", name);
	if (status != CLI_OK)
		return status;
	status = get_list(vm, &list, &n);
	for (i = 0; status == CLI_OK && i < n; i++) {
		if (!list[i].current)
			continue;
		if (json)
			list_json(&list[i], 1);
		else
			printf("%s\n", list[i].name[0] ? list[i].name : list[i].id);
	}
	free(list);
	return status;
}

static int show_list(const char *vm, bool json)
{
	struct vmc_snapshot_info *list = NULL;
	size_t n = 0;
	int status = get_list(vm, &list, &n);

	if (status == CLI_OK && json)
		list_json(list, n);
	else if (status == CLI_OK)
		list_lines(list, n);
	free(list);
	return status;
}

int cli_snapshot(int argc, char **argv)
{
	enum { JSON };
	struct cli_call call;
	const char *what;
	int status;

	if (!cli_parse("snapshot", argc, argv, &call, &status))
		return status;
	what = call.argv[0];
	if (!strcmp(what, "take") && call.argc <= 3)
		return take(call.argv[1], call.argc == 3 ? call.argv[2] : NULL, call.value[JSON]);
	if (!strcmp(what, "list") && call.argc == 2)
		return show_list(call.argv[1], call.value[JSON]);
	if (!strcmp(what, "delete") && call.argc == 3)
		return job(call.argv[1], "snapshot-delete", "deleting", call.argv[2]);
	return cli_fail(CLI_USAGE, "usage: vitrine snapshot %s", call.verb->args);
}

int cli_load(int argc, char **argv)
{
	struct cli_call call;
	int status;

	if (!cli_parse("load", argc, argv, &call, &status))
		return status;
	return job(call.argv[0], "snapshot-load", "loading", call.argv[1]);
}
