/*
 * cli_linux.c - demo linux: the newest kernel of this host, or one that is named, with a small system of its own
 * in memory (guests/linux/vitrine-initramfs), beside its views in the workstation.
 */
#include <cpuid.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tui/cli.h"

#define NAME	  CLI_DEMO_LINUX
#define HEADER	  0x1000 /* of a bzImage: as much as its setup header can need */
#define RELEASE_SIZE 128
#define APPEND	  "console=ttyS0 console=hvc0 quiet"
#define MAX_ARGS  62 /* and a network card */

struct linux_kernel {
	char path[PATH_MAX], release[RELEASE_SIZE], modules[PATH_MAX], initrd[PATH_MAX];
};

/* ---- which kernel ---- */

/* "vmlinuz-6.1.0-28-amd64": what follows the first dash; NULL: none of ours. */
static const char *release_of_name(const char *path)
{
	const char *base = strrchr(path, '/');

	base = base ? base + 1 : path;
	if (strncmp(base, "vmlinuz-", 8) != 0 && strncmp(base, "vmlinux-", 8) != 0)
		return NULL;
	return base[8] ? base + 8 : NULL;
}

/* The newest by its version, in @dir/vmlinuz-VERSION. */
static int newest(const char *dir, struct linux_kernel *k)
{
	DIR *d = opendir(dir);
	char best[NAME_MAX + 1] = "";
	struct dirent *e;

	while (d && (e = readdir(d))) {
		if (strncmp(e->d_name, "vmlinuz-", 8) != 0 || strstr(e->d_name, "rescue") || strstr(e->d_name, ".old"))
			continue;
		if (!*best || strverscmp(e->d_name, best) > 0)
			snprintf(best, sizeof(best), "%s", e->d_name);
	}
	if (d)
		closedir(d);
	if (!*best)
		return cli_fail(CLI_FAILED, "demo linux: there is no kernel in %s (vmlinuz-VERSION); install one (apt install "
			"linux-image-amd64), or name a kernel's file: vitrine demo linux PATH", dir);
	if ((size_t)snprintf(k->path, sizeof(k->path), "%s/%s", dir, best) >= sizeof(k->path))
		return cli_fail(CLI_USAGE, "demo linux: the path %s is too long", dir);
	return CLI_OK;
}

static int choose(const char *root, const char *what, struct linux_kernel *k)
{
	char dir[PATH_MAX];

	snprintf(dir, sizeof(dir), "%s/boot", root);
	if (!what)
		return newest(dir, k);
	/* "./x", "/boot/x", and what lies here, are files; the rest are versions. */
	if (!strchr(what, '/') && access(what, F_OK) < 0) {
		if ((size_t)snprintf(k->path, sizeof(k->path), "%s/%s%s", dir, strncmp(what, "vmlinu", 6) ? "vmlinuz-" : "",
			    what) >= sizeof(k->path))
			return cli_fail(CLI_USAGE, "demo linux: the version is too long");
		if (access(k->path, F_OK) < 0)
			return cli_fail(CLI_FAILED, "demo linux: there is neither a file %s nor a kernel %s; `ls %s` shows which "
				"there are", what, k->path, dir);
		return CLI_OK;
	}
	if (!realpath(what, k->path))
		return cli_fail(CLI_FAILED, "demo linux: %s: %s", what, strerror(errno));
	return CLI_OK;
}

/*
 * The release, after which its folder of modules is named: the setup header points at it (boot protocol 2.15,
 * kernel_version); an ELF image has it in its name only.
 */
static void release_of_header(const unsigned char *h, size_t n, char *out, size_t size)
{
	size_t at, len = 0;

	out[0] = '\0';
	if (n < 0x210 || memcmp(h + 0x202, "HdrS", 4) != 0)
		return;
	at = 0x200 + (size_t)(h[0x20e] | h[0x20f] << 8);
	while (at + len < n && len + 1 < size && h[at + len] > ' ' && h[at + len] < 0x7f && h[at + len] != '/')
		len++;
	if (at == 0x200 || at + len >= n)
		return;
	memcpy(out, h + at, len);
	out[len] = '\0';
}

/* At most @size bytes from the beginning of a plain file; or -errno. */
static ssize_t read_start(const char *path, unsigned char *out, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY), rc = -errno;
	ssize_t n;
	struct stat st;

	if (fd < 0)
		return rc;
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
		close(fd);
		return -EINVAL;
	}
	n = pread(fd, out, size, 0);
	rc = -errno;
	close(fd);
	return n < 0 ? rc : n;
}

static int look_at_kernel(struct linux_kernel *k)
{
	static unsigned char head[HEADER + 0x10000];
	ssize_t n = read_start(k->path, head, sizeof(head));
	bool elf, bz;

	if (n == -EACCES)
		return cli_fail(CLI_FAILED, "demo linux: %s may be read by root only; let everybody read it (sudo chmod a+r "
			"%s: it holds no secrets), or copy it and name the copy: vitrine demo linux PATH", k->path, k->path);
	if (n < 0)
		return cli_fail(CLI_FAILED, "demo linux: %s: %s", k->path, n == -EINVAL ? "not a plain file" : strerror((int)-n));
	elf = n >= 4 && memcmp(head, "\177ELF", 4) == 0;
	bz = n >= 0x210 && memcmp(head + 0x202, "HdrS", 4) == 0;
	if (!elf && !bz)
		return cli_fail(CLI_FAILED, "demo linux: %s is no Linux kernel: neither a bzImage (vmlinuz) nor an ELF image "
			"(vmlinux)", k->path);
	release_of_header(head, (size_t)n, k->release, sizeof(k->release));
	if (!k->release[0] && release_of_name(k->path))
		snprintf(k->release, sizeof(k->release), "%s", release_of_name(k->path));
	return CLI_OK;
}

static int find_modules(const char *root, const char *given, struct linux_kernel *k)
{
	if (given) {
		if (!realpath(given, k->modules))
			return cli_fail(CLI_FAILED, "demo linux: --modules %s: %s", given, strerror(errno));
		return CLI_OK;
	}
	if (!k->release[0])
		return cli_fail(CLI_FAILED, "demo linux: %s does not say which release it is; name its folder of modules: "
			"--modules /lib/modules/RELEASE", k->path);
	if ((size_t)snprintf(k->modules, sizeof(k->modules), "%s/lib/modules/%s", root, k->release) >= sizeof(k->modules))
		return cli_fail(CLI_USAGE, "demo linux: --root: the path is too long");
	if (access(k->modules, R_OK | X_OK) < 0)
		return cli_fail(CLI_FAILED, "demo linux: %s: %s; the modules of %s come with its package (apt install "
			"linux-image-%s), or name their folder: --modules DIR", k->modules, strerror(errno), k->path, k->release);
	return CLI_OK;
}

/* ---- the system it boots into ---- */

/* The tool that makes it: in the build tree beside this program, or installed. */
static bool find_tool(char *out, size_t size)
{
	char self[PATH_MAX], *slash;
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

	self[n > 0 ? n : 0] = '\0';
	slash = strrchr(self, '/');
	if (slash && (size_t)snprintf(out, size, "%.*s/guests/vitrine-initramfs", (int)(slash - self), self) < size &&
		access(out, X_OK) == 0)
		return true;
	return (size_t)snprintf(out, size, "%s/vitrine-initramfs", VITRINE_LIBEXECDIR) < size && access(out, X_OK) == 0;
}

static int make_folder(const char *path)
{
	return mkdir(path, 0700) == 0 || errno == EEXIST ? 0 : -errno;
}

/* $XDG_CACHE_HOME/vitrine/initramfs-RELEASE.img; another folder of modules is another file. */
static int cache_path(struct linux_kernel *k)
{
	const char *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME"), *p;
	char dir[PATH_MAX - 300];
	unsigned hash = 5381;
	int n, rc;

	if (cache && *cache == '/')
		n = snprintf(dir, sizeof(dir), "%s", cache);
	else if (home && *home == '/')
		n = snprintf(dir, sizeof(dir), "%s/.cache", home);
	else
		return cli_fail(CLI_FAILED, "demo linux: neither XDG_CACHE_HOME nor HOME is set: nowhere to keep the initramfs");
	if (n < 0 || (size_t)n + 9 >= sizeof(dir))
		return cli_fail(CLI_FAILED, "demo linux: the path of the cache is too long");
	rc = make_folder(dir);
	strcat(dir, "/vitrine");
	rc = rc < 0 ? rc : make_folder(dir);
	if (rc < 0)
		return cli_fail(CLI_FAILED, "demo linux: cannot make %s: %s; XDG_CACHE_HOME names another folder", dir,
			strerror(-rc));
	for (p = k->modules; *p; p++)
		hash = hash * 33 ^ (unsigned char)*p;
	snprintf(k->initrd, sizeof(k->initrd), "%s/initramfs-%.*s-%08x.img", dir, RELEASE_SIZE,
		k->release[0] ? k->release : "unnamed", hash);
	return CLI_OK;
}

static int run_tool(const char *tool, const struct linux_kernel *k)
{
	pid_t pid = fork();
	int status;

	if (pid < 0)
		return cli_fail(CLI_FAILED, "demo linux: cannot make a process: %s", strerror(errno));
	if (pid == 0) {
		dup2(STDERR_FILENO, STDOUT_FILENO);
		execl(tool, tool, "--fresh", "--modules", k->modules, "--out", k->initrd, (char *)NULL);
		cli_fail(CLI_FAILED, "demo linux: cannot run %s: %s", tool, strerror(errno));
		_exit(127);
	}
	while (waitpid(pid, &status, 0) < 0) {
		if (errno != EINTR)
			return CLI_FAILED;
	}
	return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? CLI_OK :
		cli_fail(CLI_FAILED, "demo linux: no initramfs was made for %s", k->path);
}

static int make_initrd(struct linux_kernel *k)
{
	char tool[PATH_MAX], size[32];
	uint64_t begun = cli_now_ms(), ms;
	struct stat before = { 0 }, st;
	int status = cache_path(k);

	if (status != CLI_OK)
		return status;
	if (!find_tool(tool, sizeof(tool)))
		return cli_fail(CLI_FAILED, "demo linux: the program vitrine-initramfs is neither beside this one nor in %s: is "
			"vitrine installed whole?", VITRINE_LIBEXECDIR);
	if (stat(k->initrd, &before) < 0)
		fprintf(stderr, "Making a small Linux system for %s ...\n", k->release[0] ? k->release : k->path);
	status = run_tool(tool, k);
	if (status != CLI_OK)
		return status;
	if (stat(k->initrd, &st) < 0)
		return cli_fail(CLI_FAILED, "demo linux: %s: %s", k->initrd, strerror(errno));
	ms = cli_now_ms() - begun;
	if (st.st_ino != before.st_ino || st.st_mtime != before.st_mtime)
		fprintf(stderr, "Made %s, %s, in %u.%u s; it is kept for the next time.\n", k->initrd,
			cli_size((uint64_t)st.st_size / 1024 * 1024, size, sizeof(size)), (unsigned)(ms / 1000),
			(unsigned)(ms / 100 % 10));
	return CLI_OK;
}

/* ---- the VM ---- */

/* A KVM with neither VMX (CPUID.1:ECX[5]) nor SVM (80000001h:ECX[2]) under it emulates every kernel instruction. */
static void warn_of_software(void)
{
	unsigned a, b, vmx = 0, svm = 0, d;

	__get_cpuid(1, &a, &b, &vmx, &d);
	__get_cpuid(0x80000001, &a, &b, &svm, &d);
	if (!(vmx & 1u << 5) && !(svm & 1u << 2))
		fputs("vitrine: this host's CPU shows neither VMX nor SVM: its KVM emulates kernels, takes minutes to boot one "
		      "and may stop at an instruction it does not know. `vitrine demo` is for such hosts.\n", stderr);
}

enum { ROOT = CLI_DEMO_OTHERS, MODULES, MEMORY, VCPUS, APPEND_MORE, DISK, NET }; /* rows of demo_options[] */

/* As `vitrine run` would be told. */
static int start(const struct cli_call *call, const struct linux_kernel *k)
{
	const char *argv[MAX_ARGS + 3] = { "run", "--name", NAME, "--kernel", k->path, "--initrd", k->initrd };
	const char *more = call->value[APPEND_MORE];
	char append[2048];
	bool has_net = false;
	int n = 7, i;

	if ((size_t)snprintf(append, sizeof(append), APPEND "%s%s", more ? " " : "", more ? more : "") >= sizeof(append))
		return cli_fail(CLI_USAGE, "demo linux: --append is too long: a kernel takes 2047 bytes");
	argv[n++] = "--append";
	argv[n++] = append;
	argv[n++] = "--memory";
	argv[n++] = call->value[MEMORY] ? call->value[MEMORY] : "512M";
	argv[n++] = "--vcpus";
	argv[n++] = call->value[VCPUS] ? call->value[VCPUS] : sysconf(_SC_NPROCESSORS_ONLN) > 1 ? "2" : "1";
	for (i = 0; i < call->ngiven; i++) {
		if (call->given[i].row != DISK && call->given[i].row != NET)
			continue;
		if (n + 2 > MAX_ARGS)
			return cli_fail(CLI_USAGE, "demo linux: too many disks and network cards");
		argv[n++] = call->given[i].row == DISK ? "--disk" : "--net";
		argv[n++] = call->given[i].value;
		has_net |= call->given[i].row == NET;
	}
	if (!has_net) { /* needs no privileges */
		argv[n++] = "--net";
		argv[n++] = "user";
	}
	argv[n] = NULL;
	return cli_run_only(n, (char **)argv);
}

int cli_demo_linux(const struct cli_call *call)
{
	const char *root = call->value[ROOT] ? call->value[ROOT] : "";
	struct linux_kernel k = { 0 };
	int status = choose(root, call->argc > 1 ? call->argv[1] : NULL, &k);

	if (status == CLI_OK)
		status = look_at_kernel(&k);
	if (status == CLI_OK)
		status = find_modules(root, call->value[MODULES], &k);
	if (status == CLI_OK)
		status = make_initrd(&k);
	if (status != CLI_OK)
		return status;
	warn_of_software();
	fprintf(stderr, "Linux %s from %s as %s.\n", k.release, k.path, NAME);
	return start(call, &k);
}
