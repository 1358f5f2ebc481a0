/*
 * bench_start.c - from exec to the first guest byte, and to the end of the process, for vitrine-vm, QEMU's
 * microvm and the bare program, run in turns so that all see the same machine.
 *   bench_start BUILD [rounds]
 * vitrine's byte is read where its users read it: from the console1 (ttyS0) socket.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MAX_ROUNDS 200

struct peer {
	const char *name;
	const char *console; /* NULL: the byte comes on stdout */
	char *const *first;  /* command that waits after its byte */
	char *const *whole;  /* command whose guest ends the process */
	double first_ms[MAX_ROUNDS], whole_ms[MAX_ROUNDS], cpu_ms[MAX_ROUNDS];
	long peak_kib;
};

static double now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec * 1e3 + (double)ts.tv_nsec / 1e6;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double median(double *v, int n)
{
	qsort(v, (size_t)n, sizeof(*v), by_value);
	return v[n / 2];
}

static pid_t spawn(char *const *argv, int out)
{
	pid_t pid = fork();

	if (pid != 0)
		return pid;
	int null = open("/dev/null", O_RDWR);

	dup2(null, 0);
	dup2(out, 1);
	dup2(null, 2); /* logs are not the result */
	execv(argv[0], argv);
	_exit(127);
}

static int connect_console(const char *path)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(sun.sun_path, sizeof(sun.sun_path), "%s", path);
	if (connect(fd, (struct sockaddr *)&sun, sizeof(sun)) == 0)
		return fd;
	close(fd);
	return -1;
}

/* The time until the first byte; the process is ended then. */
static double first_byte(const struct peer *p)
{
	int pipefd[2], fd = -1;
	char byte = 0;

	if (p->console)
		unlink(p->console);
	if (pipe2(pipefd, O_CLOEXEC) < 0)
		exit(1);
	double start = now_ms();
	pid_t pid = spawn(p->first, pipefd[1]);

	close(pipefd[1]);
	while (p->console && fd < 0 && now_ms() - start < 5000) {
		fd = connect_console(p->console);
		if (fd < 0)
			usleep(100);
	}
	if (!p->console)
		fd = dup(pipefd[0]);
	struct pollfd pfd = { .fd = fd, .events = POLLIN };
	bool got = fd >= 0 && poll(&pfd, 1, 5000) == 1 && read(fd, &byte, 1) == 1 && byte == 'V';
	double ms = now_ms() - start;

	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	close(fd);
	close(pipefd[0]);
	if (!got) {
		fprintf(stderr, "%s: no byte from the guest\n", p->name);
		exit(1);
	}
	return ms;
}

static double whole_run(struct peer *p, double *cpu_ms)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC), status;
	struct rusage ru;
	double start = now_ms();
	pid_t pid = spawn(p->whole, null);

	wait4(pid, &status, 0, &ru);
	close(null);
	*cpu_ms = (double)(ru.ru_utime.tv_sec + ru.ru_stime.tv_sec) * 1e3 +
		(double)(ru.ru_utime.tv_usec + ru.ru_stime.tv_usec) / 1e3;
	if (ru.ru_maxrss > p->peak_kib)
		p->peak_kib = ru.ru_maxrss;
	return now_ms() - start;
}

static char *path(const char *dir, const char *file)
{
	char *out;

	if (asprintf(&out, "%s/%s", dir, file) < 0)
		exit(1);
	return out;
}

static void report(struct peer *peers, int n, int rounds)
{
	double base_first = 0, base_whole = 0;

	printf("%-12s %12s %12s %10s %10s\n", "start-up", "first byte", "whole run", "CPU", "peak RSS");
	for (int i = 0; i < n; i++) {
		double f = median(peers[i].first_ms, rounds), w = median(peers[i].whole_ms, rounds);

		if (i == 0) {
			base_first = f;
			base_whole = w;
		}
		printf("%-12s %9.1f ms %9.1f ms %7.1f ms %6.1f MiB   first byte: vitrine/%s = %.2fx (%+.1f ms), whole %.2fx\n",
			peers[i].name, f, w, median(peers[i].cpu_ms, rounds), (double)peers[i].peak_kib / 1024,
			peers[i].name, base_first / f, base_first - f, base_whole / w);
	}
}

int main(int argc, char **argv)
{
	if (argc < 2)
		return 2;
	int rounds = argc > 2 ? atoi(argv[2]) : 15, n = 2;
	char *bench = path(argv[1], "tests/bench"), *vm = path(argv[1], "vitrine-vm");
	char *bare = path(bench, "bare"), *wait = path(bench, "first.elf"), *end = path(bench, "exit.elf");
	char *run = getenv("XDG_RUNTIME_DIR");
	char *qemu = "/usr/bin/qemu-system-x86_64";

	if (!run || rounds < 1 || rounds > MAX_ROUNDS)
		return 2;
	char *const vm_first[] = { vm, "--name", "bench", "--memory", "128M", "--foreground", "--kernel", wait, NULL };
	char *const vm_whole[] = { vm, "--name", "bench", "--memory", "128M", "--foreground", "--on-shutdown", "exit",
		"--kernel", end, NULL };
	char *const bare_first[] = { bare, wait, "128", NULL }, *const bare_whole[] = { bare, end, "128", NULL };
#define QEMU(kernel) { qemu, "-M", "microvm,isa-serial=on,rtc=on", "-accel", "kvm", "-m", "128", "-nodefaults", \
	"-no-user-config", "-display", "none", "-no-reboot", "-serial", "stdio", "-device", \
	"isa-debug-exit,iobase=0xf4,iosize=4", "-kernel", kernel, NULL }
	char *const qemu_first[] = QEMU(wait), *const qemu_whole[] = QEMU(end);
	static struct peer peers[3];

	peers[0] = (struct peer){ .name = "vitrine", .console = path(run, "vitrine/bench/console1"),
		.first = vm_first, .whole = vm_whole };
	peers[1] = (struct peer){ .name = "bare ioctls", .first = bare_first, .whole = bare_whole };
	if (access(qemu, X_OK) == 0)
		peers[n++] = (struct peer){ .name = "qemu microvm", .first = qemu_first, .whole = qemu_whole };
	for (int r = 0; r < rounds; r++)
		for (int i = 0; i < n; i++) {
			peers[i].first_ms[r] = first_byte(&peers[i]);
			peers[i].whole_ms[r] = whole_run(&peers[i], &peers[i].cpu_ms[r]);
		}
	report(peers, n, rounds);
	return 0;
}
