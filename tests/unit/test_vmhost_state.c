/* test_vmhost_state.c - history ring, heat cells, manifests, verification of a snapshot's files,
 * the log's bounds. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "vmhost/heat.h"
#include "vmhost/history.h"
#include "vmhost/log.h"
#include "vmhost/snapshot.h"
#define XXH_INLINE_ALL
#include <xxhash.h>

/* ---- history ---- */

static void expect_history(struct history *h, uint64_t pos, const char *want)
{
	struct iovec iov[2];
	char got[64] = "";
	size_t len = 0;
	int n = history_peek(h, pos, iov);

	for (int i = 0; i < n; i++) {
		memcpy(got + len, iov[i].iov_base, iov[i].iov_len);
		len += iov[i].iov_len;
	}
	assert_int_equal(len, strlen(want));
	assert_memory_equal(got, want, len);
}

static void test_history(void **state)
{
	struct history h;

	assert_int_equal(history_init(&h, 8), 0);
	expect_history(&h, 0, "");
	history_put(&h, "abcde", 5);
	expect_history(&h, 0, "abcde");
	expect_history(&h, 3, "de");
	expect_history(&h, 5, "");
	history_put(&h, "fghij", 5);
	assert_int_equal(h.start, 2);
	expect_history(&h, 0, "cdefghij"); /* what is gone is gone */
	expect_history(&h, 9, "j");
	history_put(&h, "0123456789ABC", 13); /* more than the ring */
	assert_int_equal(h.total, 23);
	expect_history(&h, 0, "56789ABC");
	history_set(&h, "xyz", 3, 1000);
	assert_int_equal(h.start, 997);
	expect_history(&h, 0, "xyz");
	history_put(&h, "!", 1);
	expect_history(&h, 998, "yz!");
	history_set(&h, "0123456789", 10, 10);
	expect_history(&h, 0, "23456789");
	history_free(&h);
}

/* ---- heat ---- */

static void test_heat_chars(void **state)
{
	assert_int_equal(heat_char(0, 0), '-');
	assert_int_equal(heat_char(0, 16), '0');
	assert_int_equal(heat_char(1, 1000000), '1');
	assert_int_equal(heat_char(16, 16), 'f');
	assert_int_equal(heat_char(15, 16), 'e');
	assert_int_equal(heat_char(8, 16), '8');
}

/* Against counting page by page, for awkward ranges. */
static void check_heat(uint64_t start_page, uint64_t pages, uint32_t cells, uint64_t region_page,
	uint64_t region_pages)
{
	uint64_t *bits = calloc((region_pages + 63) / 64, 8), written, have;
	struct heat_grid g;

	for (uint64_t p = 0; p < region_pages; p++)
		if (p * 2654435761u % 7 < 3)
			bits[p / 64] |= 1ull << p % 64;
	assert_int_equal(heat_grid_init(&g, start_page * 4096, pages * 4096, cells), 0);
	heat_grid_add(&g, region_page * 4096, region_pages, bits);
	for (uint32_t c = 0; c < g.cells; c++) {
		written = have = 0;
		for (uint64_t p = c * g.cell_pages; p < (c + 1) * g.cell_pages && p < pages; p++) {
			uint64_t abs = start_page + p;

			if (abs < region_page || abs >= region_page + region_pages)
				continue;
			have++;
			written += bits[(abs - region_page) / 64] >> (abs - region_page) % 64 & 1;
		}
		if (g.written[c] != written || g.pages[c] != have)
			fail_msg("cell %u of %u: %llu of %llu, should be %llu of %llu", c, g.cells,
				(unsigned long long)g.written[c], (unsigned long long)g.pages[c],
				(unsigned long long)written, (unsigned long long)have);
	}
	heat_grid_free(&g);
	free(bits);
}

static void test_heat_grid(void **state)
{
	check_heat(0, 1024, 16, 0, 1024);
	check_heat(0, 1000, 7, 0, 1000);
	check_heat(13, 777, 50, 0, 2000);
	check_heat(100, 500, 500, 90, 300);
	check_heat(100, 500, 3, 555, 300);
	check_heat(5, 64, 64, 5, 64);
	check_heat(0, 130, 1, 1, 129);
	check_heat(1000, 10, 4, 0, 100); /* nothing in common */
}

/* ---- manifest ---- */

static void sample_manifest(struct manifest *m)
{
	manifest_init(m);
	strcpy(m->id, "20260101-000000-beef");
	strcpy(m->parent, "20251231-235959-cafe");
	strcpy(m->name, "vor dem Umbau \xc3\xa4");
	strcpy(m->vm, "box");
	m->time_s = 1767225600;
	m->running = true;
	m->memory = m->memory_size = 10 << 20;
	m->vcpus = 2;
	m->vsock = 0xfffffffe;
	m->cols = 80;
	m->rows = 24;
	strcpy(m->kernel, "/boot/k");
	strcpy(m->cmdline, "quiet");
	m->nregions = 2;
	m->regions[0].size = 6 << 20;
	m->regions[1].gpa = 1ull << 32;
	m->regions[1].size = 4 << 20;
	m->state_size = 100;
	m->state_sum = 0x0123456789abcdef;
	m->console_size = 32;
	m->nchunks = 3;
	m->chunk_sums = calloc(3, sizeof(uint64_t));
	m->chunk_sums[2] = 42;
	m->ndisks = 2;
	m->disk_text[0] = strdup("/images/a,,b.img,serial=1");
	m->disk_text[1] = strdup("/images/ro.iso,read_only=yes");
	m->disk[0].size = 5 << 20;
	m->disk[0].nchunks = 2;
	m->disk[0].sums = calloc(2, sizeof(uint64_t));
	m->disk[0].sums[1] = 43;
	m->disk[1].size = 512;
	m->disk[1].read_only = true;
	m->nnets = 1;
	m->net_text[0] = strdup("user");
}

static void test_manifest_round(void **state)
{
	struct manifest a, b;
	char err[512] = "", *text;

	sample_manifest(&a);
	text = manifest_text(&a);
	assert_non_null(text);
	if (manifest_parse(&b, text, strlen(text), err, sizeof(err)) < 0)
		fail_msg("%s", err);
	assert_string_equal(a.id, b.id);
	assert_string_equal(a.parent, b.parent);
	assert_string_equal(a.name, b.name);
	assert_string_equal(a.kernel, b.kernel);
	assert_true(b.running && b.memory == a.memory && b.vcpus == 2 && b.nregions == 2);
	assert_true(b.vsock == 0xfffffffe);
	assert_true(b.regions[1].gpa == 1ull << 32 && b.regions[1].size == 4 << 20);
	assert_true(b.state_sum == a.state_sum && b.nchunks == 3 && b.chunk_sums[2] == 42);
	assert_true(manifest_chunk_gpa(&b, 0) == 0 && manifest_chunk_gpa(&b, 1) == 4 << 20);
	assert_true(manifest_chunk_gpa(&b, 2) == (1ull << 32) + (2 << 20));
	assert_true(b.ndisks == 2 && b.nnets == 1);
	assert_string_equal(b.disk_text[0], a.disk_text[0]);
	assert_string_equal(b.net_text[0], "user");
	assert_true(b.disk[0].size == 5 << 20 && b.disk[0].nchunks == 2 && b.disk[0].sums[1] == 43);
	assert_true(b.disk[1].read_only && b.disk[1].nchunks == 0);
	manifest_free(&a);
	manifest_free(&b);
	free(text);
}

/* Every single flipped bit is found, unless it does not change what the text means. */
static void test_manifest_flips(void **state)
{
	struct manifest a, b;
	char err[512], *text;
	unsigned same = 0;
	size_t len;

	sample_manifest(&a);
	text = manifest_text(&a);
	len = strlen(text);
	for (size_t i = 0; i < len * 8; i++) {
		text[i / 8] ^= (char)(1 << i % 8);
		err[0] = '\0';
		if (manifest_parse(&b, text, len, err, sizeof(err)) == 0) {
			same++; /* a blank that became another blank */
			assert_string_equal(a.id, b.id);
			assert_true(b.chunk_sums[2] == 42 && b.memory == a.memory);
			manifest_free(&b);
		} else if (strncmp(err, "manifest: ", 10)) {
			fail_msg("bit %zu: \"%s\"", i, err);
		}
		text[i / 8] ^= (char)(1 << i % 8);
	}
	assert_true(same < len);
	for (size_t n = 0; n < len - 2; n++)
		if (manifest_parse(&b, text, n, err, sizeof(err)) == 0)
			fail_msg("%zu of %zu bytes were taken", n, len);
	manifest_free(&a);
	free(text);
}

static void test_ids(void **state)
{
	assert_true(snapshot_id_ok("20260101-000000-beef"));
	assert_false(snapshot_id_ok(""));
	assert_false(snapshot_id_ok("../x"));
	assert_false(snapshot_id_ok(".new-x"));
	assert_false(snapshot_id_ok("-x"));
	assert_false(snapshot_id_ok("a/b"));
	assert_false(snapshot_id_ok("a b"));
	assert_false(
		snapshot_id_ok("123456789012345678901234567890123456789012345678901234567890"));
	assert_true(snapshot_name_ok("before the flood"));
	assert_false(snapshot_name_ok("a\nb"));
	assert_false(snapshot_name_ok("a\x1b[2J"));
	assert_false(snapshot_name_ok("\xff"));
}

/* ---- verification of files ---- */

static char folder[64];

static void put_file(enum snapshot_file file, const void *data, size_t len, off_t size)
{
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", folder, snapshot_file_names[file]);
	fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, data, len), len);
	if (size)
		assert_int_equal(ftruncate(fd, size), 0);
	close(fd);
}

static void flip(enum snapshot_file file, off_t at)
{
	char path[128], c;
	int fd;

	snprintf(path, sizeof(path), "%s/%s", folder, snapshot_file_names[file]);
	fd = open(path, O_RDWR);
	assert_true(fd >= 0);
	assert_int_equal(pread(fd, &c, 1, at), 1);
	c ^= 4;
	assert_int_equal(pwrite(fd, &c, 1, at), 1);
	close(fd);
}

static void verdict(const char *want)
{
	char err[512] = "";
	struct snapshot s;
	int rc;

	snapshot_init(&s);
	rc = snapshot_open_folder(&s, folder, err, sizeof(err));
	if (rc == 0)
		rc = snapshot_verify(&s, NULL, NULL, err, sizeof(err));
	snapshot_close(&s);
	if (!want ? rc != 0 : !rc || !strstr(err, want))
		fail_msg("wanted %s, got %d: %s", want ? want : "success", rc, err);
}

static void test_verify(void **state)
{
	struct manifest m;
	char err[512] = "", *text, path[128];
	uint8_t state_data[100];
	int fd;

	strcpy(folder, "/tmp/vitrine-snap.XXXXXX");
	assert_non_null(mkdtemp(folder));
	memset(state_data, 7, sizeof(state_data));
	sample_manifest(&m);
	free(m.chunk_sums);
	put_file(SNAP_STATE, state_data, sizeof(state_data), 0);
	put_file(SNAP_CONSOLE, state_data, 32, 0);
	put_file(SNAP_MEMORY, "memory begins", 13, 10 << 20); /* the rest is a hole */
	put_file(SNAP_DISK, "disk begins", 11, 5 << 20);
	free(m.disk[0].sums);
	m.state_sum = XXH3_64bits(state_data, sizeof(state_data));
	m.console_sum = XXH3_64bits(state_data, 32);
	snprintf(path, sizeof(path), "%s/memory", folder);
	fd = open(path, O_RDONLY);
	assert_int_equal(snapshot_sum_memory(&m, fd, NULL, NULL, err, sizeof(err)), 0);
	close(fd);
	snprintf(path, sizeof(path), "%s/disk0", folder);
	fd = open(path, O_RDONLY);
	assert_int_equal(snapshot_sum_disk(&m, 0, fd, NULL, NULL, err, sizeof(err)), 0);
	close(fd);
	snprintf(path, sizeof(path), "%s/memory", folder);
	text = manifest_text(&m);
	put_file(SNAP_MANIFEST, text, strlen(text), 0);
	verdict(NULL);
	flip(SNAP_STATE, 50);
	verdict("state: does not match");
	flip(SNAP_STATE, 50);
	flip(SNAP_CONSOLE, 31);
	verdict("console: does not match");
	flip(SNAP_CONSOLE, 31);
	flip(SNAP_MEMORY, 3);
	verdict("memory: chunk 0 (guest memory from 0, ");
	flip(SNAP_MEMORY, 3);
	flip(SNAP_MEMORY, (9 << 20) + 5); /* in a hole */
	verdict("memory: chunk 2 (guest memory from 0x100200000, file from 0x800000)");
	flip(SNAP_MEMORY, (9 << 20) + 5);
	verdict(NULL); /* data that is zero and a hole are the same */
	flip(SNAP_DISK, (4 << 20) + 7);
	verdict("disk0: chunk 1 (from 0x400000) does not match");
	flip(SNAP_DISK, (4 << 20) + 7);
	put_file(SNAP_DISK, "", 0, 4 << 20);
	verdict("disk0: has 4194304 bytes, and should have 5242880");
	put_file(SNAP_DISK, "disk begins", 11, 5 << 20);
	put_file(SNAP_MEMORY, "memory begins", 13, (10 << 20) - 1);
	verdict("memory: has 10485759 bytes, and should have 10485760");
	unlink(path);
	verdict("memory: cannot be opened");
	snprintf(path, sizeof(path), "rm -r %s", folder);
	assert_int_equal(system(path), 0);
	manifest_free(&m);
	free(text);
}

/* ---- log ---- */

static void test_log(void **state)
{
	char path[] = "/tmp/vitrine-log.XXXXXX", text[4096];
	struct log *log;
	struct stat st;
	int fd = mkstemp(path);
	ssize_t n;

	assert_true(fd >= 0);
	assert_int_equal(log_open(path, false, &log), 0);
	log_line(log, "guest said %s", "a\x1b[2Jb\nc");
	n = pread(fd, text, sizeof(text) - 1, 0);
	assert_true(n > 0);
	text[n] = '\0';
	assert_non_null(strstr(text, "guest said a?[2Jb|c\n"));
	for (int i = 0; i < 50000; i++) /* a flood: bounded in lines, so in bytes */
		log_line(log, "line %d %0500d", i, 0);
	assert_int_equal(fstat(fd, &st), 0);
	assert_true(st.st_size < 2 << 20);
	log_close(log);
	close(fd);
	unlink(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_history),
		cmocka_unit_test(test_heat_chars),
		cmocka_unit_test(test_heat_grid),
		cmocka_unit_test(test_manifest_round),
		cmocka_unit_test(test_manifest_flips),
		cmocka_unit_test(test_ids),
		cmocka_unit_test(test_verify),
		cmocka_unit_test(test_log),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
