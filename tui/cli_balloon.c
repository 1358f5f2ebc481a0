/*
 * cli_balloon.c - the verb balloon: how much memory a guest keeps, and what it says of it.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "tui/cli.h"

enum { FRESH_MS = 2000, LOOK_MS = 20 };

static void line(const char *name, uint64_t bytes, const char *more)
{
	char text[16];

	printf("%-18s %8s%s\n", name, cli_size(bytes, text, sizeof(text)), more);
}

static void show(const struct vmc_balloon *b)
{
	char text[32];

	line("memory", b->ram, "");
	line("to be kept", b->wanted, "");
	line("kept", b->actual, b->driver ? "" : "  (the guest has no balloon driver at work)");
	line("handed over", b->held, "");
	line("reported free", b->reported, "  (in all; used again by the guest as it needs it)");
	if (b->refused || b->repeated)
		printf("%-18s %8" PRIu64 "  not its RAM; %" PRIu64 " twice\n", "odd pages", b->refused, b->repeated);
	for (size_t i = 0; i < b->nstats; i++) {
		cli_clean(stdout, b->stats[i].name);
		if (strstr(b->stats[i].name, "memory") || strstr(b->stats[i].name, "caches"))
			printf("%*s %8s\n", (int)(18 - strlen(b->stats[i].name)), "",
				cli_size(b->stats[i].value, text, sizeof(text)));
		else
			printf("%*s %8" PRIu64 "\n", (int)(18 - strlen(b->stats[i].name)), "", b->stats[i].value);
	}
}

/* Asking makes the guest tell: its figures of now come a moment later. */
static int ask(const char *vm, struct vmc_balloon *b, char **json)
{
	uint64_t until = cli_now_ms() + FRESH_MS;
	int64_t begun = time(NULL);

	for (;;) {
		int status;

		free(*json);
		*json = NULL;
		status = cli_command(vm, "x-balloon-stats", "{\"interval-ms\": 250}", json);
		if (status != CLI_OK)
			return status;
		if (vmc_parse_balloon(*json, b) < 0)
			return cli_fail(CLI_FAILED, "%s: its answer to x-balloon-stats makes no sense", vm);
		if (!b->driver || b->stats_time_s >= begun || cli_now_ms() > until)
			return CLI_OK;
		usleep(LOOK_MS * 1000);
	}
}

int cli_balloon(int argc, char **argv)
{
	enum { JSON };
	struct vmc_balloon b;
	struct cli_call call;
	char args[64], *json = NULL;
	uint64_t keep;
	int status;

	if (!cli_parse("balloon", argc, argv, &call, &status))
		return status;
	if (call.argc == 2) {
		if (vmc_parse_size(call.argv[1], &keep) < 0 || !keep)
			return cli_fail(CLI_USAGE, "balloon: '%s' is not a size; write 256M or 2G: what the guest shall keep",
				call.argv[1]);
		snprintf(args, sizeof(args), "{\"value\": %" PRIu64 "}", keep);
		return cli_command(call.argv[0], "balloon", args, NULL);
	}
	status = ask(call.argv[0], &b, &json);
	if (status == CLI_OK && call.value[JSON])
		puts(json);
	else if (status == CLI_OK)
		show(&b);
	free(json);
	return status;
}
