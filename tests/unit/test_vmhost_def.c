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
	    "on_shutdown = \"exit\";\nsandbox = false;\ndirty_ring = 4096;\npaused = true;\nvsock = 4294967294L;\n");
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
	assert_true(def.vsock == 0xfffffffe);
	assert_true(def_given(&def, "memory") && def_given(&def, "console.cols"));
	assert_false(def_given(&def, "initrd"));
	assert_int_equal(def_check(&def, err, sizeof(err)), 0);
	def_free(&def);
}

static void test_typos(void **state)
{
	refused("memory = \"1G\";\nmemroy = \"2G\";\n",
		"2: unknown setting \"memroy\"; did you mean \"memory\"? valid: memory, vcpus, "
		"cpu, kernel, initrd, "
		"cmdline, rng, rng_rate, balloon, vsock, console, snapshots, on_shutdown, on_panic, sandbox, dirty_ring, paused, disks, nets");
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
	refused("cpu = \"host,-avx22\";",
		"1: cpu: \"avx22\" is no CPU feature (names are those of /proc/cpuinfo); near it are avx2");
	refused("cpu = \"haswell\";", "1: cpu: \"haswell\" is neither host nor baseline");
	refused("on_panic = \"reset\";", "1: on_panic: \"reset\" is none of go-on|pause");
	refused("vsock = 2;", "1: vsock: 2 is out of range: 3 to 4294967294");
	refused("vsock = 4294967295L;", "1: vsock: 4294967295 is out of range: 3 to 4294967294");
	refused("vsock = true;", "1: \"vsock\" must be a whole number");
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

static void test_lists_in_a_file(void **state)
{
	char err[DEF_ERR_SIZE] = "", image[160];
	struct vm_def def;

	put("disks = ( \"a,b.img\", { path = \"/dev/sdz\"; read_only = true; serial = \"S1\"; "
	    "on_error = \"pause\"; } );\n"
	    "nets = ( \"user\", { type = \"user\"; forward = ( \"tcp:127.0.0.1:2222:22\", "
	    "\"tcp:80:80\" ); mac = \"52:54:00:00:00:01\"; },\n"
	    "  { type = \"tap\"; ifname = \"tap0\"; forward = \"x\"; } );\n");
	def_init(&def);
	if (def_read_file(&def, path, err, sizeof(err)) < 0)
		fail_msg("%s", err);
	assert_int_equal(def.ndisks, 2);
	snprintf(image, sizeof(image), "%s/a,b.img", dir); /* from the file's folder */
	assert_string_equal(def.disk[0].path, image);
	assert_null(def.disk[0].serial);
	assert_false(def.disk[0].read_only);
	assert_string_equal(def.disk[1].path, "/dev/sdz");
	assert_true(def.disk[1].read_only);
	assert_string_equal(def.disk[1].serial, "S1");
	assert_string_equal(def.disk[1].on_error, "pause");
	assert_int_equal(def.nnets, 3);
	assert_string_equal(def.net[0].type, "user");
	assert_int_equal(def.net[0].forward.n, 0);
	assert_int_equal(def.net[1].forward.n, 2);
	assert_string_equal(def.net[1].forward.text[1], "tcp:80:80");
	assert_string_equal(def.net[1].mac, "52:54:00:00:00:01");
	assert_string_equal(def.net[2].ifname, "tap0");
	assert_string_equal(def.net[2].forward.text[0], "x");
	def_free(&def);
}

static void test_bad_lists(void **state)
{
	refused("disks = \"a\";", "1: write disks = ( \"PATH\", {");
	refused("disks = ( 5 );", "1: write disks = ( \"PATH\", {");
	refused("disks = (\n \"\" );", "2: path: an empty path");
	refused("disks = (\n { serial = \"x\"; } );", "2: a disk needs path");
	refused("disks = (\n { path = \"x\";\n  readonly = true; } );",
		"3: unknown setting \"readonly\"; did you mean \"read_only\"? valid in a disk: path, "
		"read_only, serial, on_error");
	refused("disks = ( { path = \"x\"; read_only = 1; } );",
		"1: \"read_only\" must be true or false");
	refused("disks = ( { path = \"x\"; on_error = \"stop\"; } );",
		"1: on_error: \"stop\" is none of report|pause");
	refused("disks = ( { path = \"x\"; serial = \"123456789012345678901\"; } );",
		"1: serial: longer than 20 bytes");
	refused("disks = ( \"1\", \"2\", \"3\", \"4\", \"5\", \"6\", \"7\", \"8\",\n \"9\" );",
		"2: more than 8 disks");
	refused("nets = [ \"user\", \"user\", \"user\", \"user\", \"user\" ];",
		"1: more than 4 nets");
	refused("nets = ( \"wifi\" );", "1: type: \"wifi\" is none of user|tap");
	refused("nets = ( { type = \"user\"; forward = ( 5 ); } );",
		"1: \"forward\" must be a string in quotes");
	refused("diks = ( \"a\" );", "1: unknown setting \"diks\"; did you mean \"disks\"?");
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

static void test_lists_as_options(void **state)
{
	struct options opt;
	char err[DEF_ERR_SIZE];

	def_init(&opt.def);
	assert_int_equal(def_list_text(&opt.def, &def_lists[0],
				 "/x/a,,b.img,serial=s,,1,read_only=yes", err, sizeof(err)), 0);
	assert_string_equal(opt.def.disk[0].path, "/x/a,b.img");
	assert_string_equal(opt.def.disk[0].serial, "s,1");
	assert_true(opt.def.disk[0].read_only);
	assert_int_equal(def_list_text(&opt.def, &def_lists[1],
				 "user,forward=tcp:1:2,forward=tcp:3:4", err, sizeof(err)), 0);
	assert_int_equal(opt.def.net[0].forward.n, 2);
	def_free(&opt.def);
	OPTIONS(&opt, -1, "--disk: an empty path", "--name", "a", "--disk", "");
	def_free(&opt.def);
	OPTIONS(&opt, -1, "--disk: \"b.img\" is no KEY=VALUE", "--disk", "a,b.img");
	def_free(&opt.def);
	OPTIONS(&opt, -1, "--disk: serial is given twice", "--disk", "a,serial=1,serial=2");
	def_free(&opt.def);
	OPTIONS(&opt, -1, "--disk: path is given twice", "--disk", "a,path=b");
	def_free(&opt.def);
	OPTIONS(&opt, -1, "valid in a disk: path, read_only", "--disk", "a,ro=yes");
	def_free(&opt.def);
	OPTIONS(&opt, -1, "--disk: read_only: \"x\" is neither yes nor no", "--disk",
		"a,read_only=x");
	def_free(&opt.def);
	OPTIONS(&opt, -1, "--net: \"x\" is none of user|tap", "--net", "x");
	def_free(&opt.def);
}

/* Disks of the command line replace the file's, and each counts once. */
static void test_lists_of_both(void **state)
{
	char err[DEF_ERR_SIZE] = "", *argv[] = {(char *)"vitrine-vm", (char *)"--config", path,
		(char *)"--disk", (char *)"one", (char *)"--disk", (char *)"two"};
	struct options opt;

	put("kernel = \"guest:clock\";\ndisks = ( \"a\", \"b\", \"c\" );\n");
	options_parse(&opt, 7, argv, err, sizeof(err));
	assert_int_equal(opt.def.ndisks, 2);
	assert_string_equal(opt.def.disk[0].path, "one");
	assert_string_equal(opt.def.disk[1].path, "two");
	def_free(&opt.def);
	options_parse(&opt, 3, argv, err, sizeof(err));
	assert_int_equal(opt.def.ndisks, 3);
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
		cmocka_unit_test(test_lists_in_a_file),
		cmocka_unit_test(test_bad_lists),
		cmocka_unit_test(test_lists_as_options),
		cmocka_unit_test(test_lists_of_both),
		cmocka_unit_test(test_file_and_options),
		cmocka_unit_test(test_options),
	};

	return cmocka_run_group_tests(tests, make_dir, drop_dir);
}
