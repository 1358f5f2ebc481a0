/*
 * test_vmhost_sandbox.c - the filters themselves, in children: what they refuse, what they allow;
 * and the broker against requests that a taken-over VM process might make.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "devices/vhost.h"
#include "vmhost/broker.h"
#include "vmhost/net.h"
#include "vmhost/sandbox.h"

/* Runs @fn in a child under the VM's filter. Return: its wait status. */
static int confined(int (*fn)(void))
{
	char err[256];
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		if (sandbox_limits(1 << 20) < 0 || sandbox_vm(err, sizeof(err)) < 0)
			_exit(100);
		_exit(fn());
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static void passes(int (*fn)(void))
{
	int status = confined(fn);

	if (!WIFEXITED(status) || WEXITSTATUS(status))
		fail_msg("wait status %#x", (unsigned)status);
}

static void dies(int (*fn)(void))
{
	int status = confined(fn);

	if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGSYS)
		fail_msg("wait status %#x", (unsigned)status);
}

#define REFUSED(call)                                                                              \
	do {                                                                                       \
		errno = 0;                                                                         \
		if ((call) >= 0 || errno != EPERM)                                                 \
			return __LINE__ % 90 + 1;                                                  \
	} while (0)
#define WORKS(call)                                                                                \
	do {                                                                                       \
		if ((call) < 0)                                                                    \
			return __LINE__ % 90 + 1;                                                  \
	} while (0)

static int no_files(void)
{
	REFUSED(open("/etc/passwd", O_RDONLY));
	REFUSED(open("/tmp/vitrine-must-not-be", O_WRONLY | O_CREAT, 0600));
	REFUSED(syscall(SYS_open, "/dev/null", O_RDONLY, 0));
	REFUSED(unlink("/tmp/vitrine-must-not-be"));
	REFUSED(mkdir("/tmp/vitrine-must-not-be", 0700));
	REFUSED(rename("/tmp/a", "/tmp/b"));
	REFUSED(chdir("/"));
	REFUSED(symlink("/tmp/a", "/tmp/b"));
	REFUSED(memfd_create("x", 0));
	return 0;
}

static int no_sockets(void)
{
	int sv[2];

	REFUSED(socket(AF_INET, SOCK_STREAM, 0));
	REFUSED(socket(AF_UNIX, SOCK_STREAM, 0));
	REFUSED(socketpair(AF_UNIX, SOCK_STREAM, 0, sv));
	return 0;
}

/* Starting and stopping vhost is allowed, on what is open; giving it another CID or owner is not. */
static int vhost(void)
{
	for (size_t i = 0; i < vhost_nrequests; i++)
		if (ioctl(-1, vhost_requests[i], NULL) >= 0 || errno != EBADF)
			return 96;
	REFUSED(ioctl(-1, _IOW(0xaf, 0x60, uint64_t), NULL));
	REFUSED(ioctl(-1, _IO(0xaf, 0x01), NULL));
	return 0;
}

static int no_power(void)
{
	int fd = eventfd(0, 0);
	char c = 'x';

	WORKS(fd);
	REFUSED(kill(getppid(), 0));
	REFUSED(setuid(12345));
	REFUSED(ioctl(0, TIOCSTI, &c));
	REFUSED(setrlimit(RLIMIT_NOFILE, &(struct rlimit){10, 10}));
	if (mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) !=
		MAP_FAILED)
		return 98;
	return syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, NULL) >= 0 ? 97 : 0;
}

static int try_exec(void)
{
	char *argv[] = {(char *)"/bin/true", NULL};

	execv(argv[0], argv);
	return 0;
}

static int try_fork(void)
{
	return syscall(SYS_fork) < 0;
}

static int try_ptrace(void)
{
	return syscall(SYS_ptrace, 0, 0, 0, 0) < 0;
}

static void *thread(void *arg)
{
	int *n = arg;

	*n = open("/etc/passwd", O_RDONLY) < 0 && errno == EPERM ? 1 : -1;
	return NULL;
}

/* What a VM does all day still works, in new threads too. */
static int daily_work(void)
{
	pthread_t t;
	int n = 0, fd = eventfd(0, EFD_CLOEXEC);
	uint64_t one = 1;
	void *p;

	WORKS(fd);
	WORKS(write(fd, &one, sizeof(one)));
	WORKS(read(fd, &one, sizeof(one)));
	p = malloc(32 << 20);
	if (!p)
		return 95;
	memset(p, 1, 32 << 20);
	free(p);
	if (pthread_create(&t, NULL, thread, &n) || pthread_join(t, NULL) || n != 1)
		return 96;
	return 0;
}

static void test_vm_filter(void **state)
{
	passes(no_files);
	passes(no_sockets);
	passes(no_power);
	passes(vhost);
	passes(daily_work);
}

static void test_vm_deadly(void **state)
{
	dies(try_exec);
	dies(try_fork);
	dies(try_ptrace);
}

/* ---- the broker ---- */

static char base[64], run_dir[80], snap_dir[80];

static bool there(const char *fmt, const char *name)
{
	char path[200];
	struct stat st;

	snprintf(path, sizeof(path), fmt, snap_dir, name);
	return lstat(path, &st) == 0;
}

static struct broker *begin(bool sandbox)
{
	struct broker *b;
	char err[256];

	strcpy(base, "/tmp/vitrine-broker.XXXXXX");
	assert_non_null(mkdtemp(base));
	snprintf(run_dir, sizeof(run_dir), "%s/run", base);
	snprintf(snap_dir, sizeof(snap_dir), "%s/snap", base);
	assert_int_equal(mkdir(run_dir, 0700) | mkdir(snap_dir, 0700), 0);
	assert_int_equal(broker_start(run_dir, snap_dir, NULL, sandbox, &b, err, sizeof(err)), 0);
	return b;
}

static void end(struct broker *b)
{
	char cmd[100];

	broker_stop(b);
	snprintf(cmd, sizeof(cmd), "rm -rf %s", base);
	assert_int_equal(system(cmd), 0);
}

static void round_trip(bool sandbox)
{
	struct broker *b = begin(sandbox);
	char id[SNAPSHOT_ID_SIZE], text[8];
	int fd;

	assert_int_equal(broker_clean(b), 0);
	assert_int_equal(broker_list(b, 0, id), -ENOENT);
	assert_int_equal(broker_new(b, "one"), 0);
	assert_int_equal(broker_new(b, "one"), -EEXIST);
	fd = broker_new_file(b, "one", SNAP_STATE);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, "hello", 5), 5);
	close(fd);
	assert_int_equal(broker_new_file(b, "one", SNAP_STATE), -EEXIST);
	assert_int_equal(broker_list(b, 0, id), -ENOENT); /* not there until it is whole */
	fd = broker_new_folder(b, "one");
	assert_true(fd >= 0 && fsync(fd) == 0);
	close(fd);
	assert_int_equal(broker_commit(b, "one"), 0);
	assert_int_equal(broker_list(b, 0, id), 0);
	assert_string_equal(id, "one");
	fd = broker_file(b, "one", SNAP_STATE);
	assert_true(fd >= 0);
	assert_int_equal(read(fd, text, sizeof(text)), 5);
	assert_int_equal(write(fd, "x", 1), -1);
	close(fd);
	assert_int_equal(broker_file(b, "one", SNAP_MEMORY), -ENOENT);
	assert_int_equal(broker_new(b, "two"), 0);
	assert_int_equal(broker_discard(b, "two"), 0);
	assert_false(there("%s/.new-%s", "two"));
	assert_int_equal(broker_delete(b, "one"), 0);
	assert_int_equal(broker_list(b, 0, id), -ENOENT);
	assert_int_equal(broker_delete(b, "one"), -ENOENT);
	end(b);
}

static void test_broker(void **state)
{
	round_trip(false);
	round_trip(true);
}

static void test_broker_hostile(void **state)
{
	struct broker *b = begin(true);
	char path[200];

	assert_int_equal(broker_clean(b), 0);
	assert_int_equal(broker_new(b, "../evil"), -EINVAL);
	assert_int_equal(broker_file(b, "one", SNAP_FILES), -EINVAL);
	assert_int_equal(broker_file(b, "one", (enum snapshot_file)0x7fffffff), -EINVAL);
	/* A symbolic link in a snapshot's place leads nowhere. */
	snprintf(path, sizeof(path), "%s/link", snap_dir);
	assert_int_equal(symlink("/etc", path), 0);
	assert_int_equal(broker_file(b, "link", SNAP_STATE), -ENOTDIR);
	assert_int_equal(broker_new(b, "one"), 0);
	snprintf(path, sizeof(path), "%s/.new-one/state", snap_dir);
	assert_int_equal(symlink("/etc/passwd", path), 0);
	assert_true(broker_new_file(b, "one", SNAP_STATE) < 0);
	snprintf(path, sizeof(path), "%s/.new-one/memory", snap_dir);
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_int_equal(broker_commit(b, "one"), 0);
	assert_true(broker_file(b, "one", SNAP_STATE) < 0);
	assert_int_equal(
		broker_file(b, "one", SNAP_MEMORY), -EINVAL); /* at once, without a writer */
	end(b);
}

/* Raw packets, as no honest client makes them. */
static void test_broker_raw(void **state)
{
	struct broker_request req;
	struct broker_answer ans;
	struct broker_folders folders;
	int sv[2], run, snap;
	pid_t pid;

	end(begin(true));
	strcpy(base, "/tmp/vitrine-broker.XXXXXX");
	assert_non_null(mkdtemp(base));
	run = open(base, O_RDONLY | O_DIRECTORY);
	snap = open(base, O_RDONLY | O_DIRECTORY);
	memset(&folders, 0xff, sizeof(folders)); /* no disks: asking for one is an error too */
	folders.fd[FOLDER_RUN] = run;
	folders.fd[FOLDER_SNAP] = snap;
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, sv), 0);
	pid = fork();
	if (pid == 0) {
		close(sv[0]);
		broker_serve(sv[1], &folders);
	}
	close(sv[1]);
	for (uint32_t op = 0; op < 100; op++) {
		if (op == BR_BYE)
			continue;
		memset(&req, 'A', sizeof(req)); /* an id without an end */
		req.op = op;
		assert_int_equal(send(sv[0], &req, sizeof(req), 0), sizeof(req));
		assert_int_equal(recv(sv[0], &ans, sizeof(ans), 0), sizeof(ans));
		assert_int_equal(ans.rc, -EINVAL);
		strcpy(req.id, "..");
		req.number = 0xffffffff;
		assert_int_equal(send(sv[0], &req, sizeof(req), 0), sizeof(req));
		assert_int_equal(recv(sv[0], &ans, sizeof(ans), 0), sizeof(ans));
		if (op != BR_CLEAN && op != BR_FOLDER && op != BR_LIST && (op < BR_MARK_NEW || op > BR_MARK_CLEAR))
			assert_int_equal(ans.rc, -EINVAL);
	}
	assert_int_equal(send(sv[0], &req, 3, 0), 3); /* not a request: it ends */
	assert_int_equal(recv(sv[0], &ans, sizeof(ans), 0), 0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	close(run);
	close(snap);
	close(sv[0]);
	assert_int_equal(rmdir(base), 0);
}

/* What a crash left is gone after the next start, and what is whole stays. */
static void test_broker_leftovers(void **state)
{
	struct broker *b = begin(true);
	char cmd[400], id[SNAPSHOT_ID_SIZE];

	snprintf(cmd, sizeof(cmd),
		"cd %s && mkdir .new-a .del-b whole && touch .new-a/memory .del-b/state "
		"whole/state",
		snap_dir);
	assert_int_equal(system(cmd), 0);
	assert_int_equal(broker_clean(b), 0);
	assert_false(there("%s/%s", ".new-a"));
	assert_false(there("%s/%s", ".del-b"));
	assert_int_equal(broker_list(b, 0, id), 0);
	assert_string_equal(id, "whole");
	end(b);
}

/* ---- the process of a user network ---- */

static int net_confined(const char *want)
{
	char text[64] = "";
	int fd, s = socket(AF_INET, SOCK_STREAM, 0), sv[2];
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};

	WORKS(s);
	WORKS(bind(s, (void *)&a, sizeof(a)));
	WORKS(listen(s, 1));
	REFUSED(socket(AF_UNIX, SOCK_STREAM, 0));
	REFUSED(socket(AF_NETLINK, SOCK_RAW, 0));
	REFUSED(socketpair(AF_UNIX, SOCK_STREAM, 0, sv));
	REFUSED(unlink("/tmp/vitrine-must-not-be"));
	REFUSED(mkdir("/tmp/vitrine-must-not-be", 0700));
	REFUSED(syscall(SYS_open, "/etc/passwd", O_RDONLY, 0));
	REFUSED(kill(getppid(), 0));
	if (syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, NULL) >= 0)
		return 97;
	/* Whatever is asked for, what comes is the one file that somebody else opened. */
	fd = open("/etc/passwd", O_RDWR);
	WORKS(fd);
	WORKS(read(fd, text, sizeof(text) - 1));
	if (strcmp(text, want) != 0 || write(fd, "x", 1) >= 0)
		return 96;
	return 0;
}

static void test_net_filter(void **state)
{
	char path[] = "/tmp/vitrine-test.XXXXXX", err[256];
	struct net_news n;
	int sv[2], fd = mkstemp(path), notify, status;
	pid_t pid;

	assert_true(fd >= 0);
	assert_int_equal(write(fd, "nameserver 192.0.2.1", 20), 20);
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, sv), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		memset(&n, 0, sizeof(n));
		if (sandbox_net(&notify, err, sizeof(err)) < 0 ||
			net_news_send(sv[1], &n, &notify, 1) < 0)
			_exit(100);
		_exit(net_confined("nameserver 192.0.2.1"));
	}
	assert_int_equal(net_news_read(sv[0], true, &n, &notify), 1);
	assert_true(notify >= 0);
	sandbox_answer_open(notify, path); /* waits for the question */
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (!WIFEXITED(status) || WEXITSTATUS(status))
		fail_msg("wait status %#x", (unsigned)status);
	close(notify);
	close(sv[0]);
	close(sv[1]);
	close(fd);
	unlink(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_vm_filter),
		cmocka_unit_test(test_vm_deadly),
		cmocka_unit_test(test_net_filter),
		cmocka_unit_test(test_broker),
		cmocka_unit_test(test_broker_hostile),
		cmocka_unit_test(test_broker_raw),
		cmocka_unit_test(test_broker_leftovers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
