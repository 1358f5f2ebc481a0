/*
 * cli_stop.c - the verb stop: the power button where there is one, the plug when that is wanted or the guest's time is
 * over. On a terminal the time runs down in sight, and Enter ends it.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tui/cli.h"

struct stopping {
	struct vmc_conn *conn;
	int pidfd; /* its process; -1: not known */
	bool replied, down, gone;
	int rc;
	char error[VMC_MSG_SIZE];
};

static void on_event(void *arg, const char *name, const char *data)
{
	struct stopping *s = arg;

	if (!strcmp(name, "SHUTDOWN"))
		s->down = true;
}

static void on_closed(void *arg, const char *why)
{
	struct stopping *s = arg;

	s->gone = s->down = true;
}

static void on_reply(void *arg, int rc, const char *error, const char *json)
{
	struct stopping *s = arg;

	s->replied = true;
	s->rc = rc;
	snprintf(s->error, sizeof(s->error), "%s", error ? error : "");
}

/* Until *@flag, or the time is over. */
static bool wait_flag(struct stopping *s, const bool *flag, int timeout_ms)
{
	uint64_t end = cli_now_ms() + (uint64_t)timeout_ms;

	while (!*flag && !s->gone) {
		struct pollfd p = { .fd = vmc_conn_fd(s->conn), .events = vmc_conn_poll_events(s->conn) };
		uint64_t now = cli_now_ms();

		if (now >= end)
			return false;
		if (poll(&p, 1, (int)(end - now)) > 0)
			vmc_conn_process(s->conn);
	}
	return true;
}

static int command(struct stopping *s, const char *name)
{
	s->replied = false;
	if (vmc_conn_command(s->conn, name, NULL, on_reply, s) < 0)
		return -EPIPE;
	if (!wait_flag(s, &s->replied, CLI_WAIT_MS))
		return -ETIMEDOUT;
	return s->rc;
}

static void countdown(const char *vm, uint64_t left_ms, bool plug)
{
	fprintf(stderr, "\r%s: power button pressed; %s in %u s (Enter: %s)\033[K", vm, plug ? "off" : "given up",
		(unsigned)((left_ms + 999) / 1000), plug ? "now" : "give up");
	fflush(stderr);
}

/* Until it is down or its time is over; Enter on a terminal ends the time. */
static bool wait_down(struct stopping *s, const char *vm, int timeout_ms, bool plug)
{
	bool show = isatty(STDERR_FILENO) && isatty(STDIN_FILENO);
	uint64_t end = cli_now_ms() + (uint64_t)timeout_ms, now = cli_now_ms();
	char typed[64];

	while (!s->down && !s->gone && now < end) {
		struct pollfd p[2] = { { .fd = vmc_conn_fd(s->conn), .events = vmc_conn_poll_events(s->conn) },
			{ .fd = show ? STDIN_FILENO : -1, .events = POLLIN } };
		uint64_t step = show ? (end - now - 1) % 1000 + 1 : end - now;

		if (show)
			countdown(vm, end - now, plug);
		if (poll(p, 2, (int)step) > 0) {
			if (p[0].revents)
				vmc_conn_process(s->conn);
			if (p[1].revents && (read(STDIN_FILENO, typed, sizeof(typed)) <= 0 || !(p[1].revents & POLLIN)))
				show = false; /* nobody is there any more */
			else if (p[1].revents)
				break;
		}
		now = cli_now_ms();
	}
	if (isatty(STDERR_FILENO) && isatty(STDIN_FILENO))
		fputs("\r\033[K", stderr);
	return s->down || s->gone;
}

/* The connection ends before the process does: what comes next may want its name or its memory. */
static bool wait_process(int pidfd)
{
	struct pollfd p = { .fd = pidfd, .events = POLLIN };

	return pidfd < 0 || poll(&p, 1, CLI_WAIT_MS) == 1;
}

static int pull_plug(struct stopping *s, const char *vm)
{
	int rc = command(s, "quit");

	/* The connection may end before the reply is read: that is what was asked for. */
	if (rc < 0 && !s->gone)
		return cli_fail(cli_status_of(rc), "%s: %s", vm, rc == -ETIMEDOUT ? "no answer to quit; see vitrine log"
			: s->error);
	if (!wait_flag(s, &s->gone, CLI_WAIT_MS) || !wait_process(s->pidfd))
		return cli_fail(CLI_TIMEOUT, "%s: its process does not end; see `vitrine log %s`", vm, vm);
	return CLI_OK;
}

static int too_late(struct stopping *s, const char *vm, int timeout_ms, bool plug)
{
	int status;

	if (!plug)
		return cli_fail(CLI_TIMEOUT, "%s has not shut down within %g s; stop --force turns it off", vm,
			timeout_ms / 1000.0);
	status = pull_plug(s, vm);
	return status != CLI_OK ? status :
		cli_fail(CLI_TIMEOUT, "%s had not shut down in its time (%g s) and was turned off", vm, timeout_ms / 1000.0);
}

static int stop_open(struct stopping *s, const char *vm, bool force, int timeout_ms, bool plug)
{
	struct vmc_vm_info info;
	int status = cli_vm_info(vm, &info), rc;

	if (status != CLI_OK)
		return status;
	s->pidfd = info.pid > 0 ? (int)syscall(SYS_pidfd_open, info.pid, 0) : -1;
	if (force || (info.state != VMC_RUNNING && info.state != VMC_PAUSED))
		return pull_plug(s, vm);
	if (info.state == VMC_PAUSED) {
		if (!cli_ask("%s is paused and cannot shut itself down. Turn it off?", vm))
			return cli_fail(CLI_FAILED, "%s is paused: vitrine resume %s first, or stop --force", vm, vm);
		return pull_plug(s, vm);
	}
	rc = command(s, "system_powerdown");
	if (rc < 0 && !s->gone) {
		if (!cli_ask("%s has no power button (%s). Turn it off?", vm, s->error))
			return cli_fail(CLI_FAILED, "%s cannot be asked to shut down (%s): stop --force turns it off", vm,
				s->error);
		return pull_plug(s, vm);
	}
	if (!wait_down(s, vm, timeout_ms, plug))
		return too_late(s, vm, timeout_ms, plug);
	if (s->gone)
		return wait_process(s->pidfd) ? CLI_OK : CLI_TIMEOUT;
	return pull_plug(s, vm);
}

static int stop_vm(const char *vm, bool force, int timeout_ms, bool plug)
{
	static const struct vmc_conn_ops ops = { .event = on_event, .closed = on_closed };
	struct stopping s = { .pidfd = -1 };
	char err[VMC_MSG_SIZE];
	int rc = vmc_conn_open(vm, &ops, &s, &s.conn, err, sizeof(err)), status;

	if (rc < 0)
		return cli_fail(cli_status_of(rc), "%s", err);
	status = stop_open(&s, vm, force, timeout_ms, plug);
	if (s.pidfd >= 0)
		close(s.pidfd);
	vmc_conn_close(s.conn);
	return status;
}

int cli_stop_vm(const char *vm, bool force, int timeout_ms)
{
	return stop_vm(vm, force, timeout_ms, true);
}

int cli_stop(int argc, char **argv)
{
	enum { FORCE, TIMEOUT, NO_FORCE };
	struct cli_call call;
	int status, worst = CLI_OK, i, timeout_ms = 30000;

	if (!cli_parse("stop", argc, argv, &call, &status))
		return status;
	if (call.value[TIMEOUT] && !cli_seconds(call.value[TIMEOUT], &timeout_ms))
		return cli_fail(CLI_USAGE, "--timeout %s: a number of seconds", call.value[TIMEOUT]);
	if (call.value[FORCE] && call.value[NO_FORCE])
		return cli_fail(CLI_USAGE, "stop: --force or --no-force, not both");
	for (i = 0; i < call.argc; i++) {
		status = stop_vm(call.argv[i], call.value[FORCE] != NULL, timeout_ms, call.value[NO_FORCE] == NULL);
		if (status > worst)
			worst = status;
	}
	return worst;
}
