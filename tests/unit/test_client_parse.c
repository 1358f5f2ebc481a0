/*
 * test_client_parse.c - samples, replies and symbols: right ones, absurd ones, and how fast samples go.
 */
#include <elf.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "vmcore/client/conn.h"

/* As the connection does it. */
static int parse_line(struct sample_store *store, char *line, struct vmc_sample *out, json_t **keep)
{
	size_t len = sample_take_cells(store, line, strlen(line));
	json_t *msg = json_loadb(line, len, JSON_REJECT_DUPLICATES, NULL);
	int rc;

	*keep = msg;
	assert_non_null(msg);
	rc = sample_parse(store, json_object_get(msg, "data"), out);
	return rc;
}

static char *heat_line(uint32_t cells, const char *space)
{
	char *line = malloc(cells + 1024);
	int n = sprintf(line, "{\"event\": \"X_SAMPLE\", \"data\": {\"seq\": 3, \"time-us\": 5, \"status\": \"paused\", "
		"\"rss\": 1, \"process-cpu-us\": 2, \"cpus\": [], \"heat\": {\"start\": \"0x1000\", \"size\": "
		"\"0x100000000\", \"cells\": %u, \"cell-pages\": 4, \"data\":%s\"", cells, space);
	uint32_t i;

	for (i = 0; i < cells; i++)
		line[n + (int)i] = "0123456789abcdef-"[i % 17];
	sprintf(line + n + cells, "\", \"dirty-pages\": 7, \"interval-us\": 8, \"harvest-us\": 9}}}");
	return line;
}

static void test_heat(void **state)
{
	static const uint32_t sizes[] = { 1, 17, 255, 256, 257, 4096, 65536 };
	struct sample_store *store = sample_store_new();
	struct vmc_sample s;
	json_t *msg;
	size_t i;

	for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		char *line = heat_line(sizes[i], i & 1 ? "" : " ");
		uint32_t c;

		assert_int_equal(parse_line(store, line, &s, &msg), 0);
		assert_int_equal(s.seq, 3);
		assert_int_equal(s.state, VMC_PAUSED);
		assert_null(s.cpus);
		assert_non_null(s.heat);
		assert_int_equal(s.heat->cells, sizes[i]);
		assert_int_equal(s.heat->start, 0x1000);
		assert_int_equal(s.heat->size, 0x100000000);
		assert_int_equal(s.heat->harvest_us, 9);
		for (c = 0; c < sizes[i]; c++)
			assert_int_equal(s.heat->heat[c], c % 17);
		json_decref(msg);
		free(line);
	}
	sample_store_free(store);
}

static void test_wrong_heat(void **state)
{
	struct sample_store *store = sample_store_new();
	struct vmc_sample s;
	json_t *msg;
	char *line = heat_line(300, " "), *p;

	/* Fewer cells than it says; then a letter that is none; both leave the heat out. */
	p = strstr(line, "\"cells\": 300");
	memcpy(p, "\"cells\": 301", 12);
	assert_int_equal(parse_line(store, line, &s, &msg), 0);
	assert_null(s.heat);
	json_decref(msg);
	free(line);
	line = heat_line(300, " ");
	*(strstr(line, "0123") + 2) = 'X';
	assert_int_equal(parse_line(store, line, &s, &msg), 0);
	assert_null(s.heat);
	json_decref(msg);
	free(line);
	/* After a good one, one without cells must not show the old ones. */
	line = heat_line(300, " ");
	parse_line(store, line, &s, &msg);
	json_decref(msg);
	free(line);
	line = strdup("{\"event\": \"X_SAMPLE\", \"data\": {\"heat\": {\"cells\": 300, \"data\": \"\"}}}");
	assert_int_equal(parse_line(store, line, &s, &msg), 0);
	assert_null(s.heat);
	json_decref(msg);
	free(line);
	sample_store_free(store);
}

static void test_cells_in_a_string(void **state)
{
	/* A guest-made name that looks like the member stays a name: its quotes are escaped. */
	struct sample_store *store = sample_store_new();
	struct vmc_sample s;
	char line[2048], zeros[301];
	json_t *msg;

	memset(zeros, '0', 300);
	zeros[300] = '\0';
	snprintf(line, sizeof(line), "{\"event\": \"X_SAMPLE\", \"data\": {\"seq\": 1, \"memory-map\": [{\"kind\": \"ram\", "
		"\"name\": \"\\\"data\\\": \\\"%s\\\"\", \"slot\": -1, \"resident\": null}]}}", zeros);
	assert_int_equal(parse_line(store, line, &s, &msg), 0);
	assert_int_equal(s.nmap, 1);
	assert_int_equal(strncmp(s.map[0].name, "\"data\": \"000", 12), 0);
	assert_int_equal(s.map[0].slot, -1);
	assert_int_equal(s.map[0].resident, -1);
	json_decref(msg);
	sample_store_free(store);
}

static void test_cpus(void **state)
{
	struct sample_store *store = sample_store_new();
	struct vmc_sample s;
	char line[] = "{\"event\": \"X_SAMPLE\", \"data\": {\"status\": \"running\", \"cpus\": [{\"cpu\": 0, \"state\": "
		"\"halted\", \"cpu-time-us\": 12, \"exits\": {\"io-in\": 1, \"error\": \"0x10\", \"made-up\": 3}}, "
		"{\"cpu\": 1, \"state\": \"running\", \"registers\": {\"rax\": \"0xffffffffffffffff\", \"r15\": \"0x15\", "
		"\"rip\": \"0x100000\", \"efer\": \"0xd01\", \"cs\": {\"selector\": 8, \"base\": \"0x0\", \"limit\": "
		"4294967295, \"type\": 11, \"present\": 1, \"dpl\": 3, \"db\": 0, \"s\": 1, \"l\": 1, \"g\": 1}, "
		"\"gdt\": {\"base\": \"0x500\", \"limit\": 39}, \"code\": \"fa0f0b....\"}}, 5]}}";
	json_t *msg;

	assert_int_equal(parse_line(store, line, &s, &msg), 0);
	assert_int_equal(s.ncpus, 3);
	assert_int_equal(s.cpus[0].state, VMC_VCPU_HALTED);
	assert_int_equal(s.cpus[0].cpu_ns, 12000);
	assert_int_equal(s.cpus[0].exits[VMC_EXIT_IO_IN], 1);
	assert_int_equal(s.cpus[0].exits[VMC_EXIT_ERROR], 16);
	assert_false(s.cpus[0].has_regs);
	assert_true(s.cpus[1].has_regs);
	assert_true(s.cpus[1].regs.rax == UINT64_MAX);
	assert_int_equal(s.cpus[1].regs.r15, 0x15);
	assert_int_equal(s.cpus[1].regs.rip, 0x100000);
	assert_int_equal(s.cpus[1].sregs.cs.limit, UINT32_MAX);
	assert_int_equal(s.cpus[1].sregs.cs.dpl, 3);
	assert_int_equal(s.cpus[1].sregs.cs.l, 1);
	assert_int_equal(s.cpus[1].sregs.gdt.limit, 39);
	assert_int_equal(s.cpus[1].sregs.efer, 0xd01);
	assert_int_equal(s.cpus[1].code_len, 3);
	assert_int_equal(s.cpus[1].code[2], 0x0b);
	json_decref(msg);
	sample_store_free(store);
}

static void test_too_many(void **state)
{
	struct sample_store *store = sample_store_new();
	json_t *data = json_object(), *cpus = json_array(), *map = json_array();
	struct vmc_sample s;
	int i;

	for (i = 0; i < 65; i++)
		json_array_append_new(cpus, json_object());
	for (i = 0; i < 5000; i++)
		json_array_append_new(map, json_object());
	json_object_set_new(data, "cpus", cpus);
	json_object_set_new(data, "memory-map", map);
	assert_int_equal(sample_parse(store, data, &s), 0);
	assert_int_equal(s.ncpus, 0);
	assert_int_equal(s.nmap, 0);
	assert_int_equal(sample_parse(store, NULL, &s), -EPROTO);
	json_decref(data);
	sample_store_free(store);
}

static void test_vm_info(void **state)
{
	struct vmc_vm_info info;

	assert_int_equal(vmc_parse_vm_info("{\"name\": \"a\", \"status\": \"internal-error\", \"reason\": \"rip\", \"pid\": 7, "
		"\"vcpus\": 2, \"memory\": \"0x10000000\", \"kernel\": \"/k\", \"cmdline\": \"c\", \"cols\": 80, \"rows\": 24, "
		"\"uptime-ms\": 99, \"sandbox\": true}", &info), 0);
	assert_string_equal(info.name, "a");
	assert_int_equal(info.state, VMC_CRASHED);
	assert_int_equal(info.ram_bytes, 0x10000000);
	assert_int_equal(info.cols, 80);
	assert_true(info.sandboxed);
	assert_int_equal(vmc_parse_vm_info("{\"pid\": -1, \"cols\": 99999, \"name\": 5, \"memory\": \"x\"}", &info), 0);
	assert_int_equal(info.pid, 0);
	assert_int_equal(info.cols, 0);
	assert_string_equal(info.name, "");
	assert_int_equal(vmc_parse_vm_info("[]", &info), -EPROTO);
	assert_int_equal(vmc_parse_vm_info(NULL, &info), -EPROTO);
	assert_int_equal(vmc_parse_vm_info("{", &info), -EPROTO);
}

static void test_snapshots(void **state)
{
	struct vmc_snapshot_info *list = NULL;
	size_t n = 9;

	assert_int_equal(vmc_parse_snapshots("[]", &list, &n), 0);
	assert_int_equal(n, 0);
	free(list);
	assert_int_equal(vmc_parse_snapshots("[{\"id\": \"1\", \"name\": \"x\", \"time\": 1700000000, \"ram\": 5, \"current\": "
		"true, \"problem\": \"memory: checksum\"}, 7]", &list, &n), 0);
	assert_int_equal(n, 2);
	assert_int_equal(list[0].time_s, 1700000000);
	assert_true(list[0].current);
	assert_string_equal(list[0].problem, "memory: checksum");
	assert_string_equal(list[1].id, "");
	free(list);
	assert_int_equal(vmc_parse_snapshots("{}", &list, &n), -EPROTO);
}

static void test_map_registers_devices(void **state)
{
	struct vmc_map_entry *map;
	struct vmc_sample_cpu cpu;
	char *text;
	size_t n;

	assert_int_equal(vmc_parse_memory_map("[{\"kind\": \"rom\", \"name\": \"bios\", \"start\": \"0xf0000\", \"size\": "
		"\"0x10000\", \"slot\": 2, \"read-only\": true, \"resident\": \"0x1000\"}]", &map, &n), 0);
	assert_int_equal(n, 1);
	assert_int_equal(map[0].slot, 2);
	assert_true(map[0].read_only);
	assert_int_equal(map[0].resident, 0x1000);
	free(map);
	assert_int_equal(vmc_parse_memory_map("3", &map, &n), -EPROTO);
	assert_int_equal(vmc_parse_registers("{\"cpu\": 0, \"registers\": {\"rip\": \"0x7\"}}", &cpu), 0);
	assert_int_equal(cpu.regs.rip, 7);
	assert_int_equal(vmc_parse_registers("{\"cpu\": 0}", &cpu), -EPROTO);
	assert_int_equal(vmc_parse_devices("[{\"id\": \"console0\", \"model\": \"virtio-console\", \"where\": \"00:01.0\", "
		"\"type\": 3, \"status\": 15, \"queues\": [{\"ready\": true, \"size\": 64, \"kicks\": 5}]}]", &text), 0);
	assert_non_null(strstr(text, "console0"));
	assert_non_null(strstr(text, "5 kicks"));
	free(text);
	assert_int_equal(vmc_parse_devices("nonsense", &text), -EPROTO);
}

/* Not static and not folded: the test looks itself up. */
__attribute__((noinline)) int test_symbols_marker(int a);
int test_symbols_marker(int a)
{
	return a * 3 + 1;
}

static void test_symbols(void **state)
{
	struct vmc_symbols *syms = vmc_symbols_open("/proc/self/exe");
	uint64_t addr = 0;
	char out[128];

	assert_non_null(syms);
	assert_int_equal(vmc_symbols_lookup(syms, "test_symbols_marker", &addr), 0);
	assert_int_equal(vmc_symbols_find(syms, addr, out, sizeof(out)), 0);
	assert_string_equal(out, "test_symbols_marker");
	assert_int_equal(vmc_symbols_find(syms, addr + 2, out, sizeof(out)), 0);
	assert_string_equal(out, "test_symbols_marker+0x2");
	assert_int_equal(vmc_symbols_find(syms, 0, out, sizeof(out)), -ENOENT);
	assert_int_equal(vmc_symbols_find(syms, UINT64_MAX, out, sizeof(out)), -ENOENT);
	assert_int_equal(vmc_symbols_lookup(syms, "no_such_function", &addr), -ENOENT);
	assert_int_equal(vmc_symbols_find(NULL, addr, out, sizeof(out)), -ENOENT);
	vmc_symbols_close(syms);
	assert_null(vmc_symbols_open("/proc/self/status"));
	assert_null(vmc_symbols_open("/nonexistent"));
}

static void put_file(const char *dir, const char *name, const char *text)
{
	char path[256];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

/* A packed kernel's System.map lies beside it; KASLR moves what it says; Debian puts words in its place. */
static void test_system_map(void **state)
{
	char dir[] = "/tmp/vitrine-map.XXXXXX", kernel[64], path[64], out[64];
	struct vmc_symbols *syms;
	uint64_t addr;

	assert_non_null(mkdtemp(dir));
	snprintf(kernel, sizeof(kernel), "%s/vmlinuz-6.1.0-x", dir);
	snprintf(path, sizeof(path), "%s/System.map-6.1.0-x", dir);
	assert_null(vmc_symbols_beside(kernel));
	put_file(dir, "System.map-6.1.0-x", "ffffffffffffffff B The real System.map is in the linux-image-6.1.0-x-dbg package\n");
	assert_null(vmc_symbols_beside(kernel));
	put_file(dir, "System.map-6.1.0-x", "0000000000000000 A fixed_percpu_data\nffffffff81000000 T _text\n"
		"ffffffff81000040 T secondary_startup_64\nffffffff81000400 t verify_cpu\nffffffff81000600 D some_data\n"
		"nonsense\nffffffff8100 \nffffffff81000700 T last\n");
	syms = vmc_symbols_beside(kernel);
	assert_non_null(syms);
	assert_int_equal(vmc_symbols_find(syms, 0xffffffff81000410, out, sizeof(out)), 0);
	assert_string_equal(out, "verify_cpu+0x10");
	vmc_symbols_slide(syms, 0xffffffffa8200000);
	assert_int_equal(vmc_symbols_find(syms, 0xffffffffa8200041, out, sizeof(out)), 0);
	assert_string_equal(out, "secondary_startup_64+0x1");
	assert_int_equal(vmc_symbols_lookup(syms, "verify_cpu", &addr), 0);
	assert_true(addr == 0xffffffffa8200400);
	assert_int_equal(vmc_symbols_find(syms, 0xffffffff81000410, out, sizeof(out)), -ENOENT);
	vmc_symbols_close(syms);
	unlink(path);
	rmdir(dir);
}

/* Twenty thousand sections, all of them the same table: a kernel's file may come from anywhere. */
static void test_symbols_bomb(void **state)
{
	enum { SECTIONS = 20000, SYMBOLS = 65536 };
	const Elf64_Ehdr eh = { .e_ident = { 0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, EV_CURRENT },
		.e_type = ET_EXEC, .e_machine = EM_X86_64, .e_version = EV_CURRENT, .e_ehsize = sizeof(eh),
		.e_shoff = sizeof(eh), .e_shentsize = sizeof(Elf64_Shdr), .e_shnum = SECTIONS };
	const Elf64_Shdr sh = { .sh_type = SHT_SYMTAB, .sh_offset = sizeof(eh) + SECTIONS * sizeof(sh),
		.sh_size = SYMBOLS * sizeof(Elf64_Sym), .sh_entsize = sizeof(Elf64_Sym), .sh_addralign = 8 };
	char path[] = "/tmp/vitrine-symbols.XXXXXX";
	struct timespec a, b;
	int fd = mkstemp(path);
	FILE *f = fdopen(fd, "w");

	assert_non_null(f);
	fwrite(&eh, sizeof(eh), 1, f);
	for (int i = 0; i < SECTIONS; i++)
		fwrite(&sh, sizeof(sh), 1, f);
	assert_int_equal(fflush(f), 0);
	assert_int_equal(ftruncate(fd, (off_t)(sh.sh_offset + sh.sh_size)), 0);
	fclose(f);
	alarm(120); /* it would take much longer */
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &a);
	vmc_symbols_close(vmc_symbols_open(path));
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &b);
	alarm(0);
	unlink(path);
	assert_true(b.tv_sec - a.tv_sec < 5);
}

/* 65,536 cells, 30 a second, 4 VMs must not be felt: well under 10 % of a core, checked loosely. */
static void test_speed(void **state)
{
	struct sample_store *store = sample_store_new();
	char *line = heat_line(65536, " "), *copy = malloc(strlen(line) + 1);
	struct vmc_sample s;
	struct timespec a, b;
	double ms;
	json_t *msg;
	int i;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &a);
	for (i = 0; i < 100; i++) {
		strcpy(copy, line);
		assert_int_equal(parse_line(store, copy, &s, &msg), 0);
		json_decref(msg);
	}
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &b);
	ms = ((double)(b.tv_sec - a.tv_sec) * 1e3 + (double)(b.tv_nsec - a.tv_nsec) / 1e6) / 100;
	fprintf(stderr, "# a sample of 65536 cells: %.3f ms\n", ms);
	assert_true(ms < 5); /* sanitizers included */
	free(copy);
	free(line);
	sample_store_free(store);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_heat), cmocka_unit_test(test_wrong_heat),
		cmocka_unit_test(test_cells_in_a_string), cmocka_unit_test(test_cpus), cmocka_unit_test(test_too_many),
		cmocka_unit_test(test_vm_info), cmocka_unit_test(test_snapshots),
		cmocka_unit_test(test_map_registers_devices), cmocka_unit_test(test_symbols), cmocka_unit_test(test_system_map),
		cmocka_unit_test(test_symbols_bomb),
		cmocka_unit_test(test_speed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
