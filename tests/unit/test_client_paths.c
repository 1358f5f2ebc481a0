/*
 * test_client_paths.c - paths, names, the list of VMs, and starting a process, with shell scripts in
 * place of vitrine-vm.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "vmcore/client/client.h"

static char top[64], path[PATH_MAX], err[512];

static int setup(void **state)
{
	char cmd[256];

	strcpy(top, "/tmp/vitrine-unit.XXXXXX");
	assert_non_null(mkdtemp(top));
	snprintf(cmd, sizeof(cmd), "mkdir -m 700 %s/run %s/config %s/state", top, top, top);
	assert_int_equal(system(cmd), 0);
	snprintf(path, sizeof(path), "%s/run", top);
	setenv("XDG_RUNTIME_DIR", path, 1);
	snprintf(path, sizeof(path), "%s/config", top);
	setenv("XDG_CONFIG_HOME", path, 1);
	snprintf(path, sizeof(path), "%s/state", top);
	setenv("XDG_STATE_HOME", path, 1);
	return 0;
}

static int teardown(void **state)
{
	char cmd[256];

	snprintf(cmd, sizeof(cmd), "rm -rf %s", top);
	return system(cmd);
}

static void test_names(void **state)
{
	char name[64];

	assert_true(vmc_name_ok("a"));
	assert_true(vmc_name_ok("A-z_0.9"));
	memset(name, 'x', sizeof(name));
	name[48] = '\0';
	assert_true(vmc_name_ok(name));
	name[48] = 'x';
	name[49] = '\0';
	assert_false(vmc_name_ok(name));
	assert_false(vmc_name_ok(NULL));
	assert_false(vmc_name_ok(""));
	assert_false(vmc_name_ok("."));
	assert_false(vmc_name_ok(".."));
	assert_false(vmc_name_ok("-x"));
	assert_false(vmc_name_ok("a/b"));
	assert_false(vmc_name_ok("a b"));
	assert_false(vmc_name_ok("a\n"));
	assert_false(vmc_name_ok("\xc3\xa4"));
}

static void test_paths(void **state)
{
	char want[PATH_MAX], small[8];
	struct stat st;

	assert_int_equal(vmc_path_runtime(path, sizeof(path), err, sizeof(err)), 0);
	snprintf(want, sizeof(want), "%s/run/vitrine", top);
	assert_string_equal(path, want);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	assert_int_equal(vmc_path_console("a", 1, path, sizeof(path)), 0);
	snprintf(want, sizeof(want), "%s/run/vitrine/a/console1", top);
	assert_string_equal(path, want);
	assert_int_equal(vmc_path_console("a", 2, path, sizeof(path)), -EINVAL);
	assert_int_equal(vmc_path_console("../a", 0, path, sizeof(path)), -EINVAL);
	assert_int_equal(vmc_path_log("a", small, sizeof(small)), -ENAMETOOLONG);
	assert_int_equal(vmc_path_config(path, sizeof(path), err, sizeof(err)), 0);
	snprintf(want, sizeof(want), "%s/config/vitrine", top);
	assert_string_equal(path, want);
	assert_int_equal(vmc_path_state(path, sizeof(path), err, sizeof(err)), 0);
	assert_int_equal(stat(path, &st), 0);
	/* Defaults and a relative variable. */
	unsetenv("XDG_STATE_HOME");
	setenv("XDG_CONFIG_HOME", "relative", 1);
	setenv("HOME", top, 1);
	assert_int_equal(vmc_path_config(path, sizeof(path), err, sizeof(err)), 0);
	snprintf(want, sizeof(want), "%s/.config/vitrine", top);
	assert_string_equal(path, want);
	assert_int_equal(vmc_path_state(path, sizeof(path), err, sizeof(err)), 0);
	snprintf(want, sizeof(want), "%s/.local/state/vitrine", top);
	assert_string_equal(path, want);
	assert_int_equal(stat(path, &st), 0);
}

static void test_runtime_folder_is_ours_alone(void **state)
{
	assert_int_equal(vmc_path_runtime(path, sizeof(path), err, sizeof(err)), 0);
	assert_int_equal(chmod(path, 0755), 0);
	assert_int_equal(vmc_path_runtime(path, sizeof(path), err, sizeof(err)), -EPERM);
	assert_non_null(strstr(err, "chmod 700"));
	assert_int_equal(rmdir(path), 0);
	assert_int_equal(symlink("/tmp", path), 0);
	assert_int_equal(vmc_path_runtime(path, sizeof(path), err, sizeof(err)), -ENOTDIR);
	/* No such folder, or somebody else's: the fallback. */
	setenv("XDG_RUNTIME_DIR", "/nonexistent", 1);
	assert_int_equal(vmc_path_runtime(path, sizeof(path), err, sizeof(err)), 0);
	assert_int_equal(strncmp(path, "/tmp/vitrine-", 13), 0);
}

static void write_file(const char *name, const char *text, int mode)
{
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", top, name);
	f = fopen(path, "w");
	assert_non_null(f);
	fputs(text, f);
	assert_int_equal(fclose(f), 0);
	assert_int_equal(chmod(path, (mode_t)mode), 0);
}

static int listen_as(const char *vm)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	char cmd[256];

	snprintf(cmd, sizeof(cmd), "mkdir -p %s/run/vitrine/%s && chmod 700 %s/run/vitrine", top, vm, top);
	assert_int_equal(system(cmd), 0);
	assert_int_equal(vmc_path_control(vm, addr.sun_path, sizeof(addr.sun_path)), 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	assert_int_equal(listen(fd, 4), 0);
	return fd;
}

static bool is_both(void *arg, const char *name)
{
	(*(int *)arg)++;
	return strcmp(name, "both") == 0;
}

static void test_list(void **state)
{
	struct vmc_list_entry *list;
	char cmd[256];
	size_t n;
	int alive, dead, asked = 0;

	assert_int_equal(vmc_list(&list, &n, err, sizeof(err)), 0);
	assert_int_equal(n, 0);
	free(list);
	snprintf(cmd, sizeof(cmd), "mkdir -p %s/config/vitrine/vms", top);
	assert_int_equal(system(cmd), 0);
	write_file("config/vitrine/vms/zeta.cfg", "", 0600);
	write_file("config/vitrine/vms/both.cfg", "", 0600);
	write_file("config/vitrine/vms/.hidden.cfg", "", 0600);
	write_file("config/vitrine/vms/notes.txt", "", 0600);
	alive = listen_as("both");
	dead = listen_as("stale");
	close(dead);
	close(listen_as("alpha"));
	assert_int_equal(vmc_list(&list, &n, err, sizeof(err)), 0);
	assert_int_equal(n, 2);
	assert_string_equal(list[0].name, "both");
	assert_true(list[0].running);
	assert_true(list[0].defined);
	assert_int_equal(list[0].pid, getpid());
	assert_string_equal(list[1].name, "zeta");
	assert_false(list[1].running);
	assert_int_equal(list[1].pid, 0);
	assert_non_null(strstr(list[1].config, "/vms/zeta.cfg"));
	free(list);
	/* Who is attached does not connect once more: its callers wait in no queue. */
	while (accept4(alive, NULL, NULL, SOCK_CLOEXEC) >= 0)
		fcntl(alive, F_SETFL, O_NONBLOCK);
	assert_int_equal(vmc_list_with(is_both, &asked, &list, &n, err, sizeof(err)), 0);
	assert_int_equal(asked, 3);
	assert_true(list[0].running);
	assert_int_equal(list[0].pid, 0);
	assert_int_equal(accept4(alive, NULL, NULL, SOCK_CLOEXEC), -1);
	free(list);
	close(alive);
}

static int spawn_script(const char *text, int timeout_ms)
{
	struct vmc_spawn s = { .name = "vm1", .vitrine_vm = path };
	const char *argv[] = { "--memory", "64M", NULL };

	s.argv = argv;
	write_file("fake-vm", text, 0700);
	return vmc_spawn_wait(&s, timeout_ms, err, sizeof(err));
}

static void test_spawn(void **state)
{
	struct vmc_spawn s = { .name = "bad/name" };
	char text[512], line[512] = "";
	FILE *f;

	/* What it gets: options, stdio away, nothing of ours open, its own session. */
	snprintf(text, sizeof(text), "#!/bin/sh\necho \"$@\" $(readlink /proc/$$/fd/0 /proc/$$/fd/1) "
		"$(ls /proc/$$/fd | wc -w) $(ps -o sid= -p $$ | grep -cw $$ ) >%s/out\necho ready >&3\n", top);
	assert_int_equal(spawn_script(text, 10000), 0);
	snprintf(text, sizeof(text), "%s/out", top);
	f = fopen(text, "r");
	assert_non_null(f);
	assert_non_null(fgets(line, sizeof(line), f));
	fclose(f);
	assert_non_null(strstr(line, "--name vm1 --ready-fd 3 --memory 64M /dev/null /dev/null "));

	assert_int_equal(spawn_script("#!/bin/sh\necho failed 13 /dev/kvm: no permission >&3\n", 10000), -EACCES);
	assert_string_equal(err, "/dev/kvm: no permission");
	assert_int_equal(spawn_script("#!/bin/sh\nprintf 'failed 2 half' >&3\n", 10000), -ENOENT);
	assert_string_equal(err, "half");
	assert_int_equal(spawn_script("#!/bin/sh\nexit 3\n", 10000), -EPIPE);
	assert_int_equal(spawn_script("#!/bin/sh\necho what >&3\n", 10000), -EPROTO);
	assert_int_equal(spawn_script("#!/bin/sh\nexec sleep 2\n", 100), -ETIMEDOUT);
	assert_int_equal(spawn_script("#!/nonexistent/interpreter\n", 10000), -ENOENT);
	assert_non_null(strstr(err, "cannot run"));
	assert_int_equal(vmc_spawn_wait(&s, 1000, err, sizeof(err)), -EINVAL);
}

static void test_spawn_unfinished_line(void **state)
{
	int sv[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, sv), 0);
	assert_int_equal(vmc_spawn_result(sv[0], err, sizeof(err)), -EAGAIN);
	assert_int_equal(write(sv[1], "rea", 3), 3);
	assert_int_equal(vmc_spawn_result(sv[0], err, sizeof(err)), -EAGAIN);
	assert_int_equal(write(sv[1], "dy\n", 3), 3);
	assert_int_equal(vmc_spawn_result(sv[0], err, sizeof(err)), 0);
	assert_int_equal(write(sv[1], "x", 1), -1); /* it was closed */
	close(sv[1]);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_names), T(test_paths), T(test_runtime_folder_is_ours_alone), T(test_list), T(test_spawn),
		T(test_spawn_unfinished_line),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
