/*
 * sandbox.c - see sandbox.h: seccomp allow lists (libseccomp 2.5), Landlock (ABI 1) where the
 * kernel has it, resource limits. Main thread, before the guest runs.
 *
 * A call that is not allowed fails with EPERM: a library that tries something on the side goes on,
 * and so does the VM. Calls that only somebody who has taken the process over would make end it.
 */
#include "config.h"

#include "vmhost/sandbox.h"
#include "devices/vhost.h"
#include <errno.h>
#include <linux/if_tun.h>
#include <linux/seccomp.h>
#include <linux/fs.h>
#include <linux/sockios.h>
#include <sched.h>
#include <seccomp.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <fcntl.h>
#include <unistd.h>
#ifdef HAVE_LINUX_LANDLOCK_H
#include <linux/landlock.h>
#endif

#define MAX_FILES 512
#define KVM_TYPE  0xae00 /* the "type" byte of KVM's ioctl numbers (KVMIO), in its place */

int sandbox_limits(uint64_t file_max)
{
	const struct rlimit core = {0, 0}; /* a core file would hold the guest's memory */
	struct rlimit files, size;

	if (setrlimit(RLIMIT_CORE, &core) < 0)
		return -errno;
	if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur > MAX_FILES) {
		files.rlim_cur = files.rlim_max = MAX_FILES;
		if (setrlimit(RLIMIT_NOFILE, &files) < 0)
			return -errno;
	}
	if (getrlimit(RLIMIT_FSIZE, &size) == 0 && size.rlim_cur > file_max) {
		size.rlim_cur = size.rlim_max = file_max;
		if (setrlimit(RLIMIT_FSIZE, &size) < 0)
			return -errno;
	}
	return 0;
}

static int allow(scmp_filter_ctx ctx, const int *calls, size_t n)
{
	int rc = 0;

	for (size_t i = 0; i < n && rc == 0; i++)
		rc = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, calls[i], 0);
	return rc;
}
#define ALLOW(ctx, list) allow(ctx, list, sizeof(list) / sizeof((list)[0]))

/* Only an intruder calls these: the process ends at once. */
static int deadly(scmp_filter_ctx ctx)
{
	static const int calls[] = {SCMP_SYS(execve), SCMP_SYS(execveat), SCMP_SYS(fork),
		SCMP_SYS(vfork), SCMP_SYS(ptrace), SCMP_SYS(process_vm_readv),
		SCMP_SYS(process_vm_writev), SCMP_SYS(bpf), SCMP_SYS(keyctl), SCMP_SYS(add_key),
		SCMP_SYS(mount), SCMP_SYS(unshare), SCMP_SYS(setns), SCMP_SYS(init_module),
		SCMP_SYS(finit_module), SCMP_SYS(kexec_load)};
	int rc = 0;

	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]) && rc == 0; i++)
		rc = seccomp_rule_add(ctx, SCMP_ACT_KILL_PROCESS, calls[i], 0);
	return rc;
}

/* Descriptors that are open already, and those that come from clients and the broker. */
static const int on_descriptors[] = {
	SCMP_SYS(read),
	SCMP_SYS(write),
	SCMP_SYS(readv),
	SCMP_SYS(writev), /* eventfds, sockets, log */
	SCMP_SYS(pread64),
	SCMP_SYS(pwrite64),
	SCMP_SYS(pwritev),
	SCMP_SYS(preadv), /* snapshots, statm */
	SCMP_SYS(recvfrom),
	SCMP_SYS(sendto),
	SCMP_SYS(recvmsg),
	SCMP_SYS(sendmsg), /* sockets, broker */
	SCMP_SYS(recvmmsg),
	SCMP_SYS(sendmmsg), /* frames of a user network */
	SCMP_SYS(accept4), /* clients of the sockets that listen */
	SCMP_SYS(shutdown),
	SCMP_SYS(close),
	SCMP_SYS(lseek), /* lseek: holes of sparse memory files */
	SCMP_SYS(fsync),
	SCMP_SYS(fdatasync),
	SCMP_SYS(ftruncate),
	SCMP_SYS(fallocate),	   /* snapshots, log, disks */
	SCMP_SYS(copy_file_range), /* disks into snapshots and back */
	SCMP_SYS(fstat),
	SCMP_SYS(poll),
	SCMP_SYS(ppoll),
	SCMP_SYS(epoll_ctl),
	SCMP_SYS(epoll_wait),
	SCMP_SYS(epoll_pwait),
	SCMP_SYS(epoll_pwait2), /* main loop */
	SCMP_SYS(timerfd_settime),
	SCMP_SYS(timerfd_gettime),
	/* Descriptors without a name: interrupts that a guest sets up anew, timers. */
	SCMP_SYS(eventfd2),
	SCMP_SYS(timerfd_create),
	/* The disks' rings: made before, and restricted to reads, writes, syncs and allocation of
	 * open files, which are in this list anyway (devices/block_uring.c). */
	SCMP_SYS(io_uring_enter),
};

/* Memory: allocation, mapping a snapshot, residency for the memory map. Executable only what is
 * already. */
static const int on_memory[] = {
	SCMP_SYS(brk),
	SCMP_SYS(munmap),
	SCMP_SYS(mremap),
	SCMP_SYS(madvise),
	SCMP_SYS(mincore),
};

/* Threads, time and signals of this process. */
static const int on_itself[] = {
	SCMP_SYS(futex), SCMP_SYS(sched_yield), SCMP_SYS(sched_getaffinity),
	SCMP_SYS(set_robust_list), SCMP_SYS(rseq), SCMP_SYS(membarrier), SCMP_SYS(getpid),
	SCMP_SYS(gettid), SCMP_SYS(getuid), SCMP_SYS(geteuid), SCMP_SYS(getrusage),
	SCMP_SYS(getrandom), SCMP_SYS(sysinfo), SCMP_SYS(uname), SCMP_SYS(clock_gettime),
	SCMP_SYS(clock_getres), SCMP_SYS(clock_nanosleep), SCMP_SYS(nanosleep),
	SCMP_SYS(gettimeofday), SCMP_SYS(time), SCMP_SYS(rt_sigaction), SCMP_SYS(rt_sigprocmask),
	SCMP_SYS(rt_sigreturn), SCMP_SYS(rt_sigtimedwait), SCMP_SYS(sigaltstack),
	SCMP_SYS(restart_syscall), SCMP_SYS(exit), SCMP_SYS(exit_group),
	SCMP_SYS(wait4), /* the broker */
};

/* Allowed when argument @arg is @value under @mask; the kernel compares 64 bits. */
static int allow_if(scmp_filter_ctx ctx, int call, unsigned arg, uint64_t mask, uint64_t value)
{
	const struct scmp_arg_cmp cmp = {
		.arg = arg, .op = SCMP_CMP_MASKED_EQ, .datum_a = mask, .datum_b = value};

	return seccomp_rule_add_array(ctx, SCMP_ACT_ALLOW, call, 1, &cmp);
}

/* Calls whose arguments decide. */
static int by_argument(scmp_filter_ctx ctx)
{
	const struct {
		int call;
		unsigned arg;
		uint64_t mask, value;
	} rules[] = {
		{SCMP_SYS(ioctl), 1, 0xff00, KVM_TYPE},
		{SCMP_SYS(ioctl), 1, UINT32_MAX, SIOCOUTQ}, /* has a reader taken its sample? */
		{SCMP_SYS(ioctl), 1, UINT32_MAX, FIONREAD},
		{SCMP_SYS(ioctl), 1, UINT32_MAX, FIONBIO},
		{SCMP_SYS(ioctl), 1, UINT32_MAX, FICLONE}, /* the same, where the file system can */
		{SCMP_SYS(ioctl), 1, UINT32_MAX, TUNSETOFFLOAD}, /* the guest's driver has changed */
		{SCMP_SYS(prctl), 0, UINT32_MAX, PR_SET_NAME}, /* of threads */
		{SCMP_SYS(prctl), 0, UINT32_MAX, PR_GET_NAME},
		{SCMP_SYS(fcntl), 1, UINT32_MAX, F_GETFL},
		{SCMP_SYS(fcntl), 1, UINT32_MAX, F_SETFL},
		{SCMP_SYS(fcntl), 1, UINT32_MAX, F_GETFD},
		{SCMP_SYS(fcntl), 1, UINT32_MAX, F_SETFD},
		{SCMP_SYS(fcntl), 1, UINT32_MAX, F_DUPFD_CLOEXEC},
		/* Memory, but no new code. */
		{SCMP_SYS(mmap), 2, PROT_EXEC, 0},
		{SCMP_SYS(mprotect), 2, PROT_EXEC, 0},
		/* Threads, no processes: a vCPU's after a reset, the worker of a snapshot. */
		{SCMP_SYS(clone), 0, CLONE_THREAD, CLONE_THREAD},
		/* fstat() of some C libraries: of a descriptor. */
		{SCMP_SYS(newfstatat), 3, UINT32_MAX, AT_EMPTY_PATH},
		/* Kicks of its own vCPU threads. */
		{SCMP_SYS(tgkill), 0, UINT32_MAX, (uint64_t)getpid()},
	};
	int rc = 0;

	for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]) && rc == 0; i++)
		rc = allow_if(ctx, rules[i].call, rules[i].arg, rules[i].mask, rules[i].value);
	/* The kernel's end of vsock starts and stops with the VM; it was opened and given its CID before. */
	for (size_t i = 0; i < vhost_nrequests && rc == 0; i++)
		rc = allow_if(ctx, SCMP_SYS(ioctl), 1, UINT32_MAX, vhost_requests[i]);
	/* Its flags lie in memory, where no filter can see them: the C library then takes clone. */
	return rc ? rc : seccomp_rule_add(ctx, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
}

/* Landlock: what is not granted below @fds is not there, whatever system call asks. */
static int landlock(const int *fds, size_t n)
{
#if defined(HAVE_LINUX_LANDLOCK_H) && defined(SYS_landlock_create_ruleset)
	struct landlock_ruleset_attr attr = {
		.handled_access_fs = (LANDLOCK_ACCESS_FS_MAKE_SYM << 1) - 1};
	int rs = (int)syscall(SYS_landlock_create_ruleset, &attr, sizeof(attr), 0), rc = 0;

	if (rs < 0) /* an old kernel, or switched off: the filter alone has to do */
		return errno == ENOSYS || errno == EOPNOTSUPP ? 0 : -errno;
	for (size_t i = 0; i < n && rc == 0; i++) {
		struct landlock_path_beneath_attr path = {
			.allowed_access =
				LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE |
				LANDLOCK_ACCESS_FS_READ_DIR | LANDLOCK_ACCESS_FS_REMOVE_FILE |
				LANDLOCK_ACCESS_FS_REMOVE_DIR | LANDLOCK_ACCESS_FS_MAKE_DIR |
				LANDLOCK_ACCESS_FS_MAKE_REG,
			.parent_fd = fds[i],
		};

		if (fds[i] >= 0 && syscall(SYS_landlock_add_rule, rs, LANDLOCK_RULE_PATH_BENEATH,
					   &path, 0) < 0)
			rc = -errno;
	}
	if (rc == 0 && syscall(SYS_landlock_restrict_self, rs, 0) < 0)
		rc = -errno;
	close(rs);
	return rc;
#else
	return 0;
#endif
}

static scmp_filter_ctx filter_new(void)
{
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_ERRNO(EPERM));

	if (ctx && (seccomp_attr_set(ctx, SCMP_FLTATR_CTL_TSYNC, 1) < 0 || deadly(ctx) < 0)) {
		seccomp_release(ctx);
		ctx = NULL;
	}
	return ctx;
}

int sandbox_vm(char *err, size_t err_size)
{
	scmp_filter_ctx ctx = NULL;
	const char *what = "no_new_privs";
	int rc = prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ? -errno : 0;

	if (rc == 0) {
		what = "Landlock";
		rc = landlock(NULL, 0); /* this thread's; the filter below covers all */
	}
	if (rc == 0) {
		what = "the seccomp filter";
		ctx = filter_new();
		rc = ctx ? ALLOW(ctx, on_descriptors) : -ENOMEM;
	}
	if (rc == 0)
		rc = ALLOW(ctx, on_memory);
	if (rc == 0)
		rc = ALLOW(ctx, on_itself);
	if (rc == 0)
		rc = by_argument(ctx);
	if (rc == 0)
		rc = seccomp_load(ctx);
	if (ctx)
		seccomp_release(ctx);
	if (rc < 0)
		snprintf(err, err_size,
			"cannot close the sandbox: %s: %s; --no-sandbox runs without one", what,
			strerror(-rc));
	return rc;
}

int sandbox_broker(const int *folders, size_t n)
{
	static const int calls[] = {
		SCMP_SYS(recvfrom), SCMP_SYS(sendmsg), /* requests and answers */
		SCMP_SYS(openat), SCMP_SYS(close), SCMP_SYS(fstat), SCMP_SYS(newfstatat),
		SCMP_SYS(fcntl), SCMP_SYS(getdents64), SCMP_SYS(lseek), /* lists */
		SCMP_SYS(fchmod), SCMP_SYS(fchown), /* a disk's new image gets the old one's */
		SCMP_SYS(mkdirat), SCMP_SYS(unlinkat), SCMP_SYS(renameat), SCMP_SYS(renameat2),
		SCMP_SYS(linkat), /* an old image is kept, where names cannot be exchanged */
		SCMP_SYS(fsync),  /* of folders */
		SCMP_SYS(flock), SCMP_SYS(brk), SCMP_SYS(munmap), SCMP_SYS(mremap),
		SCMP_SYS(rt_sigreturn), SCMP_SYS(rt_sigaction), SCMP_SYS(rt_sigprocmask),
		SCMP_SYS(restart_syscall), SCMP_SYS(getrandom), SCMP_SYS(futex),
		SCMP_SYS(exit_group), SCMP_SYS(gettid), SCMP_SYS(getpid), SCMP_SYS(madvise),
		SCMP_SYS(
			sigaltstack), /* AddressSanitizer asks at every call that does not return */
	};
	scmp_filter_ctx ctx;
	int rc;

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return -errno;
	rc = landlock(folders, n);
	if (rc < 0)
		return rc;
	ctx = filter_new();
	if (!ctx)
		return -ENOMEM;
	rc = ALLOW(ctx, calls);
	if (rc == 0) /* opendir() takes memory; no code */
		rc = allow_if(ctx, SCMP_SYS(mmap), 2, PROT_EXEC, 0);
	if (rc == 0)
		rc = seccomp_load(ctx);
	seccomp_release(ctx);
	return rc;
}

/* Sockets of the Internet kind, and opening a file is asked of the keeper. */
static int net_by_argument(scmp_filter_ctx ctx)
{
	const struct {
		int call;
		unsigned arg;
		uint64_t mask, value;
	} rules[] = {
		{SCMP_SYS(socket), 0, UINT32_MAX, AF_INET},
		{SCMP_SYS(socket), 0, UINT32_MAX, AF_INET6},
		{SCMP_SYS(mmap), 2, PROT_EXEC, 0},
		{SCMP_SYS(mprotect), 2, PROT_EXEC, 0},
		{SCMP_SYS(ioctl), 1, UINT32_MAX, FIONBIO},
		{SCMP_SYS(ioctl), 1, UINT32_MAX, FIONREAD}, /* bytes in a datagram */
		{SCMP_SYS(fcntl), 1, UINT32_MAX, F_GETFL},
		{SCMP_SYS(fcntl), 1, UINT32_MAX, F_SETFL},
		{SCMP_SYS(fcntl), 1, UINT32_MAX, F_GETFD},
		{SCMP_SYS(fcntl), 1, UINT32_MAX, F_SETFD},
	};
	int rc = 0;

	for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]) && rc == 0; i++)
		rc = allow_if(ctx, rules[i].call, rules[i].arg, rules[i].mask, rules[i].value);
	return rc ? rc : seccomp_rule_add(ctx, SCMP_ACT_NOTIFY, SCMP_SYS(openat), 0);
}

int sandbox_net(int *notify, char *err, size_t err_size)
{
	static const int calls[] = {
		SCMP_SYS(bind), SCMP_SYS(listen), SCMP_SYS(accept), SCMP_SYS(accept4),
		SCMP_SYS(connect), SCMP_SYS(getsockname), SCMP_SYS(getpeername),
		SCMP_SYS(getsockopt), SCMP_SYS(setsockopt), SCMP_SYS(shutdown), SCMP_SYS(close),
		SCMP_SYS(sendto), SCMP_SYS(recvfrom), SCMP_SYS(sendmsg), SCMP_SYS(recvmsg),
		SCMP_SYS(sendmmsg), SCMP_SYS(recvmmsg), SCMP_SYS(read), SCMP_SYS(write),
		SCMP_SYS(readv), SCMP_SYS(writev), SCMP_SYS(poll), SCMP_SYS(ppoll),
		SCMP_SYS(newfstatat), SCMP_SYS(fstat), SCMP_SYS(lseek), /* resolv.conf: has it changed? */
		SCMP_SYS(brk), SCMP_SYS(munmap), SCMP_SYS(mremap), SCMP_SYS(madvise),
		SCMP_SYS(futex), SCMP_SYS(getrandom), SCMP_SYS(clock_gettime),
		SCMP_SYS(gettimeofday), SCMP_SYS(time), SCMP_SYS(rt_sigreturn),
		SCMP_SYS(rt_sigaction), SCMP_SYS(rt_sigprocmask), SCMP_SYS(restart_syscall),
		SCMP_SYS(getpid), SCMP_SYS(gettid), SCMP_SYS(exit), SCMP_SYS(exit_group),
		SCMP_SYS(sigaltstack),
	};
	scmp_filter_ctx ctx = NULL;
	int rc = prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ? -errno : landlock(NULL, 0);

	if (rc == 0) {
		ctx = filter_new();
		rc = ctx ? ALLOW(ctx, calls) : -ENOMEM;
	}
	if (rc == 0) /* one thread; and a filter that asks cannot be put on others */
		rc = seccomp_attr_set(ctx, SCMP_FLTATR_CTL_TSYNC, 0);
	if (rc == 0)
		rc = net_by_argument(ctx);
	if (rc == 0)
		rc = seccomp_load(ctx);
	if (rc == 0)
		*notify = seccomp_notify_fd(ctx);
	if (rc == 0 && *notify < 0)
		rc = *notify;
	/* Not released: that would close the descriptor. */
	if (rc < 0)
		snprintf(err, err_size,
			"cannot close the network's sandbox: %s; --no-sandbox runs without one",
			strerror(-rc));
	return rc;
}

void sandbox_answer_open(int notify, const char *path)
{
	struct seccomp_notif *ask = NULL;
	struct seccomp_notif_resp *answer = NULL;
	struct seccomp_notif_addfd add = {.newfd_flags = O_CLOEXEC};
	int fd = -1, there = -1;

	if (seccomp_notify_alloc(&ask, &answer) == 0 && seccomp_notify_receive(notify, ask) == 0) {
		fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
		if (fd >= 0) {
			add.id = ask->id;
			add.srcfd = (uint32_t)fd;
			there = ioctl(notify, SECCOMP_IOCTL_NOTIF_ADDFD, &add);
		}
		answer->id = ask->id;
		answer->val = there;
		answer->error = there < 0 ? -ENOENT : 0;
		seccomp_notify_respond(notify, answer);
	}
	if (fd >= 0)
		close(fd);
	seccomp_notify_free(ask, answer);
}
