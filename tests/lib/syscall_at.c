/*
 * syscall_at.c - runs a program until it, or a process of it, is about to make the Nth of the system
 * calls that change files; then all of them are killed, or that one call fails with EIO.
 *
 *   syscall_at kill|fail N LOG PROGRAM [ARGUMENT...]     N 0: never
 *
 * LOG gets a line for each such call, before it is made: its name and what it is about. Exit status:
 * the program's; 99 after a kill. x86-64.
 */
#include <errno.h>
#include <seccomp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#define MAX_TASKS 256
#define KILLED	  99

/* What of the arguments is shown. */
enum { FD, NAME, NAMES };

static const struct {
	int nr, shows;
	const char *name;
} calls[] = {
	{SCMP_SYS(fsync), FD, "fsync"},
	{SCMP_SYS(fdatasync), FD, "fdatasync"},
	{SCMP_SYS(ftruncate), FD, "ftruncate"},
	{SCMP_SYS(pwrite64), FD, "pwrite64"},
	{SCMP_SYS(fallocate), FD, "fallocate"},
	{SCMP_SYS(copy_file_range), FD, "copy_file_range"},
	{SCMP_SYS(unlinkat), NAME, "unlinkat"},
	{SCMP_SYS(renameat), NAMES, "renameat"},
	{SCMP_SYS(renameat2), NAMES, "renameat2"},
	{SCMP_SYS(linkat), NAMES, "linkat"},
	/* of the part of the program that is not in the sandbox yet */
	{SCMP_SYS(unlink), NAME, "unlink"},
	{SCMP_SYS(rename), NAMES, "rename"},
};
#define NCALLS (sizeof(calls) / sizeof(calls[0]))

static pid_t tasks[MAX_TASKS];
static unsigned ntasks;

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static void seen(pid_t pid)
{
	for (unsigned i = 0; i < ntasks; i++)
		if (tasks[i] == pid)
			return;
	if (ntasks < MAX_TASKS)
		tasks[ntasks++] = pid;
}

static void read_text(pid_t pid, unsigned long long at, char *out, size_t size)
{
	struct iovec to = {out, size - 1}, from = {(void *)(uintptr_t)at, size - 1};
	ssize_t n = process_vm_readv(pid, &to, 1, &from, 1, 0);

	out[n > 0 ? n : 0] = '\0'; /* one that ends right before an unmapped page is not shown */
}

static void show(FILE *log, pid_t pid, unsigned call, const struct user_regs_struct *r)
{
	char link[64], a[256] = "", b[256] = "";
	ssize_t n;

	if (calls[call].shows == FD) {
		int fd = (int)(calls[call].nr == SCMP_SYS(copy_file_range) ? r->rdx : r->rdi);

		snprintf(link, sizeof(link), "/proc/%d/fd/%d", (int)pid, fd);
		n = readlink(link, a, sizeof(a) - 1);
		a[n > 0 ? n : 0] = '\0';
	} else if (calls[call].nr == SCMP_SYS(unlink) || calls[call].nr == SCMP_SYS(rename)) {
		read_text(pid, r->rdi, a, sizeof(a));
		if (calls[call].shows == NAMES)
			read_text(pid, r->rsi, b, sizeof(b));
	} else {
		read_text(pid, r->rsi, a, sizeof(a));
		if (calls[call].shows == NAMES)
			read_text(pid, r->r10, b, sizeof(b));
	}
	fprintf(log, "%s %s %s\n", calls[call].name, a, b);
	fflush(log);
}

static void kill_all(void)
{
	for (unsigned i = 0; i < ntasks; i++)
		kill(tasks[i], SIGKILL);
	while (waitpid(-1, NULL, __WALL) > 0 || errno == EINTR)
		;
	exit(KILLED);
}

static void at_call(FILE *log, pid_t pid, bool fail, unsigned long n)
{
	static unsigned long count;
	struct user_regs_struct r;
	unsigned call;

	if (ptrace(PTRACE_GETREGS, pid, NULL, &r) < 0)
		return;
	for (call = 0; call < NCALLS && calls[call].nr != (int)r.orig_rax;)
		call++;
	if (call == NCALLS)
		return;
	show(log, pid, call, &r);
	if (++count != n)
		return;
	if (!fail)
		kill_all();
	r.orig_rax = (unsigned long long)-1; /* no call is made, */
	r.rax = (unsigned long long)-EIO;    /* and this is what it returned */
	ptrace(PTRACE_SETREGS, pid, NULL, &r);
}

static pid_t begin(char **argv)
{
	scmp_filter_ctx ctx;
	int go[2];
	pid_t pid;
	char c;

	if (pipe(go) < 0)
		die("syscall_at: pipe");
	pid = fork();
	if (pid < 0)
		die("syscall_at: fork");
	if (pid) {
		if (ptrace(PTRACE_SEIZE, pid, NULL,
			    (void *)(PTRACE_O_TRACESECCOMP | PTRACE_O_TRACEFORK |
				     PTRACE_O_TRACEVFORK | PTRACE_O_TRACECLONE |
				     PTRACE_O_EXITKILL)) < 0)
			die("syscall_at: ptrace");
		close(go[0]);
		close(go[1]);
		return pid;
	}
	close(go[1]);
	if (read(go[0], &c, 1) != 0) /* until it is traced */
		_exit(1);
	close(go[0]);
	ctx = seccomp_init(SCMP_ACT_ALLOW);
	for (unsigned i = 0; i < NCALLS; i++)
		if (!ctx || seccomp_rule_add(ctx, SCMP_ACT_TRACE(1), calls[i].nr, 0) < 0)
			_exit(1);
	if (seccomp_load(ctx) < 0)
		_exit(1);
	execv(argv[0], argv);
	_exit(127);
}

int main(int argc, char **argv)
{
	int status, last = 1;
	unsigned long n;
	pid_t first, pid;
	FILE *log;
	char *end;

	n = argc < 5 ? 0 : strtoul(argv[2], &end, 10);
	if (argc < 5 || !*argv[2] || *end || (strcmp(argv[1], "kill") && strcmp(argv[1], "fail"))) {
		fprintf(stderr, "usage: syscall_at kill|fail N LOG PROGRAM [ARGUMENT...]\n");
		return 1;
	}
	unlink(argv[3]);
	log = fopen(argv[3], "ae"); /* a script may empty it meanwhile */
	if (!log)
		die(argv[3]);
	first = begin(argv + 4);
	seen(first);
	while ((pid = waitpid(-1, &status, __WALL)) > 0 || errno == EINTR) {
		int sig;

		if (pid < 0)
			continue;
		if (!WIFSTOPPED(status)) {
			if (pid == first)
				last = WIFEXITED(status) ? WEXITSTATUS(status)
							 : 128 + WTERMSIG(status);
			continue;
		}
		seen(pid);
		sig = WSTOPSIG(status);
		if (status >> 16 == PTRACE_EVENT_SECCOMP)
			at_call(log, pid, !strcmp(argv[1], "fail"), n);
		if (status >> 16)
			sig = 0; /* a stop of the tracing, not a signal */
		ptrace(PTRACE_CONT, pid, NULL, (void *)(intptr_t)sig);
	}
	return last;
}
