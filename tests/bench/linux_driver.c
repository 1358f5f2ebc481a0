/*
 * linux_driver.c - the same stock kernel, initramfs, memory, vCPUs and devices under vitrine-vm and under QEMU's
 * microvm, in turns, on this machine's KVM. bench_linux.sh runs it in the nested test VM.
 *	linux_driver BUILD KERNEL INITRD VCPUS ROUNDS WHAT...	WHAT: boot idle console disk net
 * Exits are those that KVM counts in debugfs for all VMs of this machine (there is one), the same way for both.
 * Environment: BENCH_LOG=1 prints the kernel messages of the first guests; BENCH_APPEND adds to their command line;
 * BENCH_EACH=1 prints each value at once; BENCH_DISK is where the disk's image goes (128 MiB).
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define KVM_STATS "/sys/kernel/debug/kvm/"
#define MIB       (1u << 20)

enum { MAX_ROUNDS = 32, MAX_METRICS = 64, WAIT_S = 120, IDLE_S = 5, MEMORY_MIB = 256 };
enum { VITRINE, QEMU, VMMS };
static const char *const vmm_name[VMMS] = { "vitrine", "QEMU" };

/* One thing measured, a value a round and VMM. */
struct metric {
	char name[64];
	const char *unit;
	bool more; /* is better */
	int n[VMMS];
	double v[VMMS][MAX_ROUNDS];
};

static struct metric metrics[MAX_METRICS];
static int nmetrics;
static char work[160], disk_path[200], build[4096], kernel[4096], initrd[4096], vcpus[8];
static bool do_boot, do_idle, do_console, do_disk, do_net;

struct guest {
	int vmm;
	pid_t pid;
	int serial, hvc;
	char tail[512 * 1024]; /* the end of what it said last */
	size_t ntail;
	double start_ms;
};

static double now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec * 1e3 + (double)ts.tv_nsec / 1e6;
}

static void record(const struct guest *g, const char *unit, bool more, double value, const char *fmt, ...)
{
	char name[sizeof(metrics[0].name)];
	struct metric *m = metrics;
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(name, sizeof(name), fmt, ap);
	va_end(ap);
	for (; m < metrics + nmetrics && strcmp(m->name, name); m++)
		;
	if (m == metrics + MAX_METRICS)
		return;
	if (m == metrics + nmetrics) {
		nmetrics++;
		strcpy(m->name, name);
		m->unit = unit;
		m->more = more;
	}
	if (m->n[g->vmm] < MAX_ROUNDS)
		m->v[g->vmm][m->n[g->vmm]++] = value;
	if (getenv("BENCH_EACH")) /* for a run that may not come to its end */
		printf("# %s: %s: %.1f %s\n", vmm_name[g->vmm], name, value, unit);
}

/* ---- what the kernel counts ---- */

static double number_in(const char *dir, const char *name)
{
	char path[256], buf[64] = "";
	int fd;

	snprintf(path, sizeof(path), "%s%s", dir, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || read(fd, buf, sizeof(buf) - 1) < 0)
		buf[0] = '\0';
	if (fd >= 0)
		close(fd);
	return strtod(buf, NULL);
}

/* Kinds of exits, and what else tells where the time goes. */
static const char *const kinds[] = { "exits", "io_exits", "mmio_exits", "halt_exits", "irq_exits", "signal_exits",
	"insn_emulation", "pf_taken", "irq_injections", "halt_wakeup" };
enum { KINDS = sizeof(kinds) / sizeof(kinds[0]) };

struct counts {
	double at_ms, kind[KINDS], cpu_ms, own_ms, rss_mib; /* own: CPU outside of guest mode */
};

static void count(const struct guest *g, struct counts *c)
{
	char path[64], text[1024] = "", *p;
	double user = 0, sys = 0, guest = 0, tick = 1e3 / (double)sysconf(_SC_CLK_TCK);
	long rss = 0;
	FILE *f;

	c->at_ms = now_ms();
	for (int i = 0; i < KINDS; i++)
		c->kind[i] = number_in(KVM_STATS, kinds[i]);
	snprintf(path, sizeof(path), "/proc/%d/stat", g->pid);
	f = fopen(path, "re");
	p = f && fgets(text, sizeof(text), f) ? strrchr(text, ')') : NULL;
	for (int field = 3; p && (p = strchr(p + 1, ' ')); field++) { /* proc(5) */
		if (field == 14)
			user = strtod(p, NULL);
		else if (field == 15)
			sys = strtod(p, NULL);
		else if (field == 24)
			rss = strtol(p, NULL, 10);
		else if (field == 43)
			guest = strtod(p, NULL);
	}
	if (f)
		fclose(f);
	c->cpu_ms = (user + sys) * tick;
	c->own_ms = (user + sys - guest) * tick;
	c->rss_mib = (double)rss * (double)sysconf(_SC_PAGESIZE) / MIB;
}

static void record_kinds(const struct guest *g, const struct counts *a, const struct counts *b, const char *during,
	double per, const char *unit)
{
	for (int i = 0; i < KINDS; i++)
		record(g, unit, false, (b->kind[i] - a->kind[i]) / per, "%s: %s", during, kinds[i]);
}

/* ---- the VMMs ---- */

static int dial(const char *path)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	double end = now_ms() + WAIT_S * 1e3;

	snprintf(sun.sun_path, sizeof(sun.sun_path), "%s", path);
	while (now_ms() < end) {
		int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

		if (connect(fd, (struct sockaddr *)&sun, sizeof(sun)) == 0)
			return fd;
		close(fd);
		usleep(500); /* the listener is not there yet */
	}
	return -1;
}

struct args {
	char *v[96];
	int n;
};

__attribute__((format(printf, 2, 3))) static void arg(struct args *a, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	if (a->n + 1 < (int)(sizeof(a->v) / sizeof(a->v[0])) && vasprintf(&a->v[a->n], fmt, ap) >= 0)
		a->v[++a->n] = NULL;
	va_end(ap);
}

static void vitrine_args(struct args *a, const char *cmdline)
{
	const char *more[] = { "--name", "bench", "--foreground", "--on-shutdown", "exit", "--vcpus", vcpus, "--kernel",
		kernel, "--initrd", initrd, "--append", cmdline };

	arg(a, "%s/vitrine-vm", build);
	for (size_t i = 0; i < sizeof(more) / sizeof(more[0]); i++)
		arg(a, "%s", more[i]);
	arg(a, "--memory");
	arg(a, "%dM", MEMORY_MIB);
	if (do_disk) {
		arg(a, "--disk");
		arg(a, "%s", disk_path);
	}
	if (do_net) {
		arg(a, "--net");
		arg(a, "user");
	}
}

static void qemu_args(struct args *a, const char *cmdline)
{
	const char *more[] = { "qemu-system-x86_64", "-M", "microvm,pcie=on,isa-serial=on,rtc=on", "-accel", "kvm", "-cpu",
		"host", "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot", "-smp", vcpus, "-kernel", kernel,
		"-initrd", initrd, "-append", cmdline, "-serial", "chardev:s", "-device",
		"virtio-serial-pci-non-transitional,max_ports=1", "-device", "virtconsole,chardev=h", "-device",
		"virtio-rng-pci-non-transitional", "-device", "virtio-balloon-pci-non-transitional,free-page-reporting=on" };

	for (size_t i = 0; i < sizeof(more) / sizeof(more[0]); i++)
		arg(a, "%s", more[i]);
	arg(a, "-m");
	arg(a, "%d", MEMORY_MIB);
	for (const char *c = "sh"; *c; c++) {
		arg(a, "-chardev");
		arg(a, "socket,id=%c,path=%s/%c,server=on,wait=off", *c, work, *c);
	}
	if (do_disk) {
		arg(a, "-drive");
		arg(a, "if=none,id=d,file=%s,format=raw,cache=writeback,aio=io_uring,discard=unmap", disk_path);
		arg(a, "-device");
		arg(a, "virtio-blk-pci-non-transitional,drive=d");
	}
	if (do_net) {
		arg(a, "-netdev");
		arg(a, "user,id=n");
		arg(a, "-device");
		arg(a, "virtio-net-pci-non-transitional,netdev=n,romfile=");
	}
}

static pid_t spawn(const struct args *a)
{
	char path[200];
	pid_t pid = fork();
	int log, null;

	if (pid != 0)
		return pid;
	snprintf(path, sizeof(path), "%s/log", work);
	log = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	null = open("/dev/null", O_RDWR);
	dup2(null, 0);
	dup2(log, 1);
	dup2(log, 2);
	execvp(a->v[0], a->v);
	perror(a->v[0]);
	_exit(127);
}

static bool start(struct guest *g, int vmm)
{
	const char *run = getenv("XDG_RUNTIME_DIR"), *add = getenv("BENCH_APPEND");
	char cmdline[512], serial[300], hvc[300];
	struct args a = { .n = 0 };

	snprintf(cmdline, sizeof(cmdline), "console=ttyS0 quiet mitigations=off cryptomgr.notests rdinit=/bench-init %s",
		add ? add : "");
	snprintf(serial, sizeof(serial), vmm == VITRINE ? "%s/vitrine/bench/console1" : "%s/s", vmm == VITRINE ? run : work);
	snprintf(hvc, sizeof(hvc), vmm == VITRINE ? "%s/vitrine/bench/console" : "%s/h", vmm == VITRINE ? run : work);
	unlink(serial);
	unlink(hvc);
	if (vmm == VITRINE)
		vitrine_args(&a, cmdline);
	else
		qemu_args(&a, cmdline);
	memset(g, 0, sizeof(*g));
	g->vmm = vmm;
	g->start_ms = now_ms();
	g->pid = spawn(&a);
	g->serial = dial(serial);
	g->hvc = dial(hvc);
	while (a.n)
		free(a.v[--a.n]);
	return g->serial >= 0 && g->hvc >= 0;
}

static void end(struct guest *g)
{
	kill(g->pid, SIGTERM);
	waitpid(g->pid, NULL, 0);
	close(g->serial);
	close(g->hvc);
}

/* Reads until @what comes. Return: bytes before it, -1 when it does not come. */
static long await(struct guest *g, int fd, const char *what)
{
	double end_ms = now_ms() + WAIT_S * 1e3;
	size_t len = strlen(what);
	long total = 0;

	g->ntail = 0;
	for (;;) {
		struct pollfd p = { .fd = fd, .events = POLLIN };
		double left = end_ms - now_ms();
		ssize_t n;

		if (g->ntail > sizeof(g->tail) / 2) { /* keep enough for a marker that comes in two */
			memmove(g->tail, g->tail + g->ntail - len, len);
			g->ntail = len;
		}
		if (left <= 0 || poll(&p, 1, (int)left) != 1)
			return -1;
		n = read(fd, g->tail + g->ntail, sizeof(g->tail) - g->ntail - 1);
		if (n <= 0)
			return -1;
		total += n;
		g->ntail += (size_t)n;
		if (memmem(g->tail, g->ntail, what, len))
			return total;
	}
}

/* A command, and all it says until it is done. Return: those bytes, -1: it failed. */
static long tell(struct guest *g, const char *text, double *ms)
{
	double t = now_ms();
	long n;

	if (dprintf(g->hvc, "%s\n", text) < 0)
		return -1;
	n = await(g, g->hvc, "@done ok\n");
	*ms = now_ms() - t;
	if (n < 0)
		printf("# %s: \"%s\": %.60s\n", vmm_name[g->vmm], text, g->ntail ? g->tail : "no answer");
	return n;
}

/* ---- what is measured ---- */

static bool boot(struct guest *g, int vmm)
{
	static const struct counts zero;
	struct counts at_init, at_modules, at_ready;

	if (!start(g, vmm) || await(g, g->serial, "@init") < 0)
		return false;
	count(g, &at_init);
	double go = now_ms();

	dprintf(g->serial, "\n");
	if (await(g, g->serial, "@modules") < 0)
		return false;
	count(g, &at_modules);
	if (await(g, g->hvc, "@ready") < 0)
		return false;
	count(g, &at_ready);
	if (!do_boot)
		return true;
	record(g, "ms", false, at_init.at_ms - g->start_ms, "time to init");
	record(g, "", false, at_init.kind[0], "exits to init");
	record(g, "ms", false, at_init.cpu_ms, "CPU to init");
	record(g, "ms", false, at_init.own_ms, "CPU to init, not in guest mode");
	record(g, "ms", false, at_modules.at_ms - go, "drivers: time");
	record(g, "", false, at_ready.kind[0] - at_init.kind[0], "drivers: exits in all");
	record(g, "MiB", false, at_ready.rss_mib, "resident when ready");
	record_kinds(g, &zero, &at_init, "to init", 1, "");
	record_kinds(g, &at_init, &at_ready, "drivers", 1, "");
	return true;
}

static void idle(struct guest *g)
{
	struct counts a, b;
	double s;

	count(g, &a);
	sleep(IDLE_S); /* this is the measurement */
	count(g, &b);
	s = (b.at_ms - a.at_ms) / 1e3;
	record(g, "/s", false, (b.kind[0] - a.kind[0]) / s, "idle exits");
	record(g, "ms/s", false, (b.cpu_ms - a.cpu_ms) / s, "idle CPU");
	record_kinds(g, &a, &b, "idle", s, "/s");
}

static void console(struct guest *g)
{
	enum { CONSOLE_MIB = 4 };
	struct counts a, b;
	char text[32];
	double ms;

	snprintf(text, sizeof(text), "flood %d", CONSOLE_MIB);
	count(g, &a);
	long n = tell(g, text, &ms);

	count(g, &b);
	if (n < (long)CONSOLE_MIB * MIB)
		return;
	record(g, "MB/s", true, (double)n / 1e3 / ms, "console hvc0");
	record(g, "/MiB", false, (b.kind[0] - a.kind[0]) / CONSOLE_MIB, "console exits");
	record(g, "ms/MiB", false, (b.cpu_ms - a.cpu_ms) / CONSOLE_MIB, "console CPU");
}

static void disk(struct guest *g)
{
	static const struct {
		const char *op, *name;
		unsigned size, count;
	} cases[] = { { "rread", "disk 4k random read", 4096, 600 }, { "rwrite", "disk 4k random write", 4096, 600 },
		{ "read", "disk 1M sequential read", MIB, 64 }, { "write", "disk 1M sequential write", MIB, 64 } };
	struct counts a, b;
	char text[64];
	double ms;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		snprintf(text, sizeof(text), "disk %s %u %u", cases[i].op, cases[i].size, cases[i].count);
		count(g, &a);
		if (tell(g, text, &ms) < 0)
			continue;
		count(g, &b);
		if (cases[i].size == MIB)
			record(g, "MB/s", true, (double)cases[i].count * MIB / 1e3 / ms, "%s", cases[i].name);
		else
			record(g, "/s", true, cases[i].count * 1e3 / ms, "%s", cases[i].name);
		record(g, "", false, (b.kind[0] - a.kind[0]) / cases[i].count, "%s: exits each", cases[i].name);
	}
}

/* The far end: takes what comes, or sends @bytes. In a process of its own. */
static pid_t net_peer(int listener, bool sends, unsigned long bytes)
{
	static char buf[65536];
	pid_t pid = fork();

	if (pid != 0)
		return pid;
	int s = accept(listener, NULL, NULL);

	alarm(WAIT_S);
	while (sends && bytes) {
		ssize_t n = write(s, buf, bytes < sizeof(buf) ? bytes : sizeof(buf));

		if (n <= 0)
			_exit(1);
		bytes -= (unsigned long)n;
	}
	while (read(s, buf, sizeof(buf)) > 0)
		;
	_exit(write(s, buf, 1) == 1 ? 0 : 1);
}

static void net(struct guest *g)
{
	enum { NET_MIB = 16 };
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(in);
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct counts a, b;
	char text[64];
	double ms;

	if (bind(listener, (struct sockaddr *)&in, len) < 0 || listen(listener, 4) < 0 ||
		getsockname(listener, (struct sockaddr *)&in, &len) < 0) {
		perror("net");
		return;
	}
	for (int rx = 0; rx < 2; rx++) {
		pid_t peer = net_peer(listener, rx, (unsigned long)NET_MIB * MIB);

		snprintf(text, sizeof(text), "net %s %d %u", rx ? "rx" : "tx", NET_MIB, ntohs(in.sin_port));
		count(g, &a);
		if (tell(g, text, &ms) >= 0) {
			count(g, &b);
			record(g, "MB/s", true, (double)NET_MIB * MIB / 1e3 / ms, "net, guest %s", rx ? "receives" : "sends");
			record(g, "/MiB", false, (b.kind[0] - a.kind[0]) / NET_MIB, "net, guest %s: exits",
				rx ? "receives" : "sends");
		}
		kill(peer, SIGKILL);
		waitpid(peer, NULL, 0);
	}
	close(listener);
}

static void keep_log(struct guest *g, int round)
{
	const char *wanted = getenv("BENCH_LOG");
	double ms;

	if (!wanted || round)
		return;
	printf("# kernel messages under %s:\n", vmm_name[g->vmm]);
	if (tell(g, "log", &ms) > 0)
		printf("%.*s", (int)g->ntail, g->tail);
}

static void one_round(int vmm, int round)
{
	static struct guest g;

	if (!boot(&g, vmm)) {
		printf("# %s: the guest did not get to its init and hvc0; it said: %.300s\n", vmm_name[vmm], g.tail);
	} else {
		if (do_idle)
			idle(&g);
		if (do_console)
			console(&g);
		if (do_disk)
			disk(&g);
		if (do_net)
			net(&g);
		keep_log(&g, round);
	}
	end(&g);
}

/* ---- the result ---- */

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void report(void)
{
	printf("%-34s %28s %28s\n", "median (least .. most)", vmm_name[0], vmm_name[1]);
	for (struct metric *m = metrics; m < metrics + nmetrics; m++) {
		double mid[VMMS];

		printf("%-34s", m->name);
		for (int i = 0; i < VMMS; i++) {
			int n = m->n[i];

			qsort(m->v[i], (size_t)n, sizeof(double), by_value);
			mid[i] = n ? (m->v[i][n / 2] + m->v[i][(n - 1) / 2]) / 2 : 0;
			if (n)
				printf(" %9.1f (%7.1f .. %7.1f)", mid[i], m->v[i][0], m->v[i][n - 1]);
			else
				printf(" %29s", "-");
		}
		printf(" %-6s", m->unit);
		if (m->n[0] && m->n[1] && mid[1] > 0)
			printf(" vitrine/QEMU = %.2fx%s", mid[0] / mid[1], m->more ? " (more is better)" : "");
		printf("\n");
	}
}

static bool make_disk(void)
{
	static char zeros[MIB];
	int fd;

	if (getenv("BENCH_DISK"))
		snprintf(disk_path, sizeof(disk_path), "%s", getenv("BENCH_DISK"));
	else
		snprintf(disk_path, sizeof(disk_path), "%s/disk", work);
	fd = open(disk_path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	for (int i = 0; fd >= 0 && i < 128; i++)
		if (write(fd, zeros, sizeof(zeros)) != sizeof(zeros))
			return false;
	return fd >= 0 && close(fd) == 0;
}

int main(int argc, char **argv)
{
	int rounds = argc > 5 ? atoi(argv[5]) : 0;

	if (argc < 7 || rounds < 1 || rounds > MAX_ROUNDS || !getenv("XDG_RUNTIME_DIR")) {
		fprintf(stderr, "usage: linux_driver BUILD KERNEL INITRD VCPUS ROUNDS WHAT...; XDG_RUNTIME_DIR is needed\n");
		return 2;
	}
	snprintf(build, sizeof(build), "%s", argv[1]);
	snprintf(kernel, sizeof(kernel), "%s", argv[2]);
	snprintf(initrd, sizeof(initrd), "%s", argv[3]);
	snprintf(vcpus, sizeof(vcpus), "%s", argv[4]);
	for (int i = 6; i < argc; i++) {
		do_boot |= !strcmp(argv[i], "boot");
		do_idle |= !strcmp(argv[i], "idle");
		do_console |= !strcmp(argv[i], "console");
		do_disk |= !strcmp(argv[i], "disk");
		do_net |= !strcmp(argv[i], "net");
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	signal(SIGPIPE, SIG_IGN);
	snprintf(work, sizeof(work), "%.100s/vitrine-bench.XXXXXX", getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp");
	if (!mkdtemp(work) || (do_disk && !make_disk())) {
		perror(work);
		return 1;
	}
	for (int r = 0; r < rounds; r++)
		for (int i = 0; i < VMMS; i++)
			one_round((r + i) % VMMS, r); /* neither is always the first */
	report();
	return 0;
}
