/* test_vmhost_def.c - definitions and options: what is taken, and what is said of what is not. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "vmhost/options.h"

static char dir[64], path[128];

static int make_dir(void **state)
{
	strcpy(dir, "/tmp/vitrine-def.XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	snprintf(path, sizeof(path), "%s/box.cfg", dir);
	setenv("XDG_CONFIG_HOME", dir, 1);
	return 0;
}

static int drop_dir(void **state)
{
	unlink(path);
	return rmdir(dir);
}

static void put(const char *text)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static void refused(const char *text, const char *want)
{
	char err[DEF_ERR_SIZE] = "", full[DEF_ERR_SIZE];
	struct vm_def def;

	put(text);
	def_init(&def);
	assert_true(def_read_file(&def, path, err, sizeof(err)) < 0);
	snprintf(full, sizeof(full), "%s:%s", path, want);
	if (strncmp(err, full, strlen(full)))
		fail_msg("%s\n  said   %s\n  wanted %s", text, err, full);
	def_free(&def);
}

static void test_whole_file(void **state)
{
	char err[DEF_ERR_SIZE] = "", kernel[160];
	struct vm_def def;

	put("memory = \"2G\";\nvcpus = 4;\nkernel = \"boot/vmlinux\";\ncmdline = \"console=hvc0 "
	    "quiet\";\n"
	    "console = { cols = 132; rows = 43; history = \"64K\"; };\nsnapshots = false;\n"
	    "on_shutdown = \"exit\";\nsandbox = false;\ndirty_ring = 4096;\npaused = true;\n");
	def_init(&def);
	if (def_read_file(&def, path, err, sizeof(err)) < 0)
		fail_msg("%s", err);
	snprintf(kernel, sizeof(kernel), "%s/boot/vmlinux", dir); /* from the file's folder */
	assert_string_equal(def.kernel, kernel);
	assert_true(def.memory == 2048ull << 20);
	assert_int_equal(def.vcpus, 4);
	assert_string_equal(def.cmdline, "console=hvc0 quiet");
	assert_int_equal(def.cols, 132);
	assert_int_equal(def.rows, 43);
	assert_int_equal(def.history, 65536);
	assert_false(def.snapshots);
	assert_false(def.sandbox);
	assert_true(def.paused);
	assert_string_equal(def.on_shutdown, "exit");
	assert_int_equal(def.dirty_ring, 4096);
	assert_true(def_given(&def, "memory") && def_given(&def, "console.cols"));
	assert_false(def_given(&def, "initrd"));
	assert_int_equal(def_check(&def, err, sizeof(err)), 0);
	def_free(&def);
}

static void test_typos(void **state)
{
	refused("memory = \"1G\";\nmemroy = \"2G\";\n",
		"2: unknown setting \"memroy\"; did you mean \"memory\"? valid: memory, vcpus, "
		"kernel, initrd, "
		"cmdline, console, snapshots, on_shutdown, sandbox, dirty_ring, paused");
	refused("console = {\n  colls = 80;\n};\n",
		"2: unknown setting \"colls\"; did you mean \"cols\"? valid in "
		"console: cols, rows, history");
	refused("xyzzy = 1;\n", "1: unknown setting \"xyzzy\"; valid: memory");
	refused("console = 80;\n", "1: write console = {");
}

static void test_types_and_ranges(void **state)
{
	refused("\nvcpus = \"2\";", "2: \"vcpus\" must be a whole number");
	refused("vcpus = 0;", "1: vcpus: 0 is out of range: 1 to 64");
	refused("vcpus = 2.5;", "1: \"vcpus\" must be a whole number");
	refused("memory = \"12X\";", "1: memory: \"12X\" is not a size; write 256M");
	refused("memory = \"1K\";", "1: memory: 1K is out of range: 1M to 1024G");
	refused("memory = -1;", "1: memory: \"-1\" is not a size");
	refused("memory = [1];", "1: \"memory\" must be a size");
	refused("snapshots = \"maybe\";", "1: snapshots: \"maybe\" is neither yes nor no");
	refused("on_shutdown = \"explode\";", "1: on_shutdown: \"explode\" is none of stop|exit");
	refused("kernel = \"\";", "1: kernel: an empty path");
	refused("kernel = guest;", "1: syntax error");
	refused("memory = \"1G\"\nvcpus = = 2;\n", "2: syntax error");
}

static void test_sizes(void **state)
{
	static const struct {
		const char *text;
		int rc;
		uint64_t v;
	} cases[] = {
		{"0", 0, 0},
		{"4096", 0, 4096},
		{"0x1000", 0, 4096},
		{"64k", 0, 65536},
		{"256M", 0, 256 << 20},
		{"1MiB", 0, 1 << 20},
		{"2G", 0, 2ull << 30},
		{"", -EINVAL, 0},
		{"G", -EINVAL, 0},
		{"-1", -EINVAL, 0},
		{" 1", -EINVAL, 0},
		{"1MB", -EINVAL, 0},
		{"1 M", -EINVAL, 0},
		{"99999999999999999999", -EINVAL, 0},
		{"18446744073709551615G", -EINVAL, 0},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint64_t v = 1;

		if (def_parse_size(cases[i].text, &v) != cases[i].rc ||
			(!cases[i].rc && v != cases[i].v))
			fail_msg("\"%s\"", cases[i].text);
	}
}

static void options(const char *const *args, int rc, const char *want, struct options *opt)
{
	char err[DEF_ERR_SIZE] = "", *argv[16] = {(char *)"vitrine-vm"};
	int argc = 1, got;

	for (; args[argc - 1]; argc++)
		argv[argc] = (char *)args[argc - 1];
	got = options_parse(opt, argc, argv, err, sizeof(err));
	if ((rc < 0) != (got < 0) || (want && !strstr(err, want)))
		fail_msg("%s: %d: %s", args[0] ? args[0] : "", got, err);
}
#define OPTIONS(opt, rc, want, ...) options((const char *const[]){__VA_ARGS__, NULL}, rc, want, opt)

static void test_options(void **state)
{
	struct options opt;

	unlink(path);
	OPTIONS(&opt, 0, NULL, "--name", "a", "--kernel=guest:shell", "--memory", "64M",
		"--console", "100x30", "--append", "x y", "--no-sandbox", "--ready-fd", "5");
	assert_string_equal(opt.def.name, "a");
	assert_int_equal(opt.def.cols, 100);
	assert_int_equal(opt.def.rows, 30);
	assert_false(opt.def.sandbox);
	assert_int_equal(opt.ready_fd, 5);
	def_free(&opt.def);
	OPTIONS(&opt, -1, "--memory: \"x\" is not a size", "--name", "a", "--memory", "x");
	def_free(&opt.def);
	OPTIONS(&opt, -1, "there is no option --memmory", "--memmory", "1G");
	def_free(&opt.def);
	OPTIONS(&opt, -1, "--memory needs a value", "--name", "a", "--memory");
	def_free(&opt.def);
	OPTIONS(&opt, -1, "--foreground takes no value", "--foreground=1");
	def_free(&opt.def);
	OPTIONS(&opt, -1, "not an option", "shell");
	def_free(&opt.def);
	OPTIONS(&opt, -1, "cannot be the name", "--name", "../x");
	def_free(&opt.def);
	OPTIONS(&opt, -1, "no name", "--kernel", "guest:shell");
	def_free(&opt.def);
	OPTIONS(&opt, -1, "nothing to run", "--name", "a");
	def_free(&opt.def);
	OPTIONS(&opt, -1, "write 80x24", "--name", "a", "--console", "80");
	def_free(&opt.def);
	OPTIONS(&opt, -1, "not a power of two", "--name", "a", "--kernel", "k", "--dirty-ring",
		"100");
	def_free(&opt.def);
	OPTIONS(&opt, -1, "not a multiple of 4K", "--name", "a", "--kernel", "k", "--memory",
		"2097153");
	def_free(&opt.def);
}

/* What the command line says wins over the file; the file names the VM when nothing else does. */
static void test_file_and_options(void **state)
{
	struct options opt;

	put("memory = \"1G\";\nvcpus = 2;\nkernel = \"guest:clock\";\n");
	OPTIONS(&opt, 0, NULL, "--config", path, "--memory", "512M");
	assert_string_equal(opt.def.name, "box");
	assert_true(opt.def.memory == 512ull << 20);
	assert_int_equal(opt.def.vcpus, 2);
	assert_string_equal(opt.def.kernel, "guest:clock");
	def_free(&opt.def);
	put("vcpu = 2;\n");
	OPTIONS(&opt, -1, "did you mean \"vcpus\"", "--config", path);
	def_free(&opt.def);
	OPTIONS(&opt, -1, "No such file", "--name", "x", "--config", "/nonexistent/x.cfg");
	def_free(&opt.def);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_whole_file),
		cmocka_unit_test(test_typos),
		cmocka_unit_test(test_types_and_ranges),
		cmocka_unit_test(test_sizes),
		cmocka_unit_test(test_file_and_options),
		cmocka_unit_test(test_options),
	};

	return cmocka_run_group_tests(tests, make_dir, drop_dir);
}
