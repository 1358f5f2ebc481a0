/*
 * test_vmhost_kmods.c - modules of a guest's kernel: both shapes of struct module, modules that come and go, and
 * guests that lie in their types, their list and their tables.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/lib/kmodules.h"
#include "vmhost/btf.h"
#include "vmhost/kmods.h"

#define BASE 0xffffffffc0000000ull
#define HEAD 0xffffffff82001500ull
#define BTF  0xffffffff82100000ull

static struct kmodules km;
static const struct ksyms_source src = {.read = km_read, .arg = &km};

static struct kmods *fresh(enum km_layout layout)
{
	struct kmods_at at = {HEAD, BTF, 0};
	struct kmods *m;

	km_make(&km, layout, BASE, HEAD, BTF);
	at.stop_btf = BTF + km.btf_len;
	assert_int_equal(kmods_new(&src, &at, &m), 0);
	assert_int_equal(kmods_count(m), 0);
	kmods_refresh(m, &src);
	return m;
}

static void expect(struct kmods *m, uint64_t gva, const char *want)
{
	char got[300] = "nothing";

	if (kmods_find(m, &src, gva, got, sizeof(got)) < 0)
		strcpy(got, "nothing");
	assert_string_equal(got, want);
}

static void names(void **state)
{
	for (int layout = KM_6_1; layout <= KM_6_4; layout++) {
		struct kmods *m = fresh((enum km_layout)layout);

		assert_int_equal(kmods_count(m), KM_COUNT);
		expect(m, km_text(&km, 0), "m0_first [mod0]");
		expect(m, km_text(&km, 1) + 0x105, "m1_second+0x5 [mod1]");
		expect(m, km_text(&km, 1) + 0x205, "m1_second+0x105 [mod1]"); /* data has no part in it */
		expect(m, km_text(&km, 2) + 0x7ff, "m2_label+0x4ff [mod2]");
		expect(m, km_text(&km, 2) + 0x800, "nothing");
		expect(m, km_text(&km, 3) + 0x10, "[mod3]+0x10");
		expect(m, km_text(&km, 0) - 1, "nothing");
		expect(m, 0, "nothing");
		expect(m, UINT64_MAX, "nothing");
		assert_int_equal(kmods_lookup(m, &src, "m2_second"), km_text(&km, 2) + 0x100);
		assert_int_equal(kmods_lookup(m, &src, "m2_data"), 0);
		assert_int_equal(kmods_lookup(m, &src, "m2_elsewhere"), 0);
		kmods_free(m);
	}
}

static void come_and_go(void **state)
{
	struct kmods *m = fresh(KM_6_1);
	uint64_t v = BASE + 2 * KM_STRUCT + 8;

	expect(m, km_text(&km, 0), "m0_first [mod0]");
	expect(m, km_text(&km, 1), "m1_first [mod1]");
	km_put(&km, 8, v, 8); /* without mod1 */
	expect(m, km_text(&km, 1), "m1_first [mod1]");
	km_put(&km, KM_TABLES, 0, 8); /* what was read once is not read again */
	kmods_refresh(m, &src);
	assert_int_equal(kmods_count(m), KM_COUNT - 1);
	expect(m, km_text(&km, 1), "nothing");
	expect(m, km_text(&km, 0), "m0_first [mod0]");
	memcpy(km.area + 24, "new", 4); /* another one at the same place */
	kmods_refresh(m, &src);
	expect(m, km_text(&km, 0), "[new]+0x0");
	km_put(&km, KM_STRUCT * 2, 3, 4); /* is not set up yet */
	kmods_refresh(m, &src);
	assert_int_equal(kmods_count(m), KM_COUNT - 2);
	v = HEAD;
	memcpy(km.head, &v, 8); /* an empty list */
	kmods_refresh(m, &src);
	assert_int_equal(kmods_count(m), 0);
	kmods_free(m);
}

/* ---- lies ---- */

static void lists(void **state)
{
	static const uint64_t next[] = {0, 8, 0x7fff00001000, BASE - 8, BASE + KM_AREA - 8, UINT64_MAX, BASE + 8};
	struct kmods *m = fresh(KM_6_4);

	for (size_t i = 0; i < sizeof(next) / sizeof(next[0]); i++) {
		km_put(&km, KM_STRUCT + 8, next[i], 8); /* the last: round and round, past the head */
		kmods_refresh(m, &src);
		assert_true(kmods_count(m) >= 2);
		assert_true(kmods_count(m) <= 1024);
		expect(m, km_text(&km, 0), "m0_first [mod0]");
		/* every one of them is looked at; one that comes twice has its symbols once */
		assert_int_equal(kmods_lookup(m, &src, "m9_no"), 0);
		kmods_refresh(m, &src);
		assert_int_equal(kmods_lookup(m, &src, "m9_no"), 0);
		assert_int_equal(kmods_lookup(m, &src, "m1_second"), km_text(&km, 1) + 0x100);
	}
	kmods_free(m);
}

static void modules(void **state)
{
	struct kmods *m = fresh(KM_6_1);

	memset(km.area + 24, 'x', 56);		   /* a name without an end */
	km.area[KM_STRUCT + 24] = 27;		   /* one that is no text */
	km_put(&km, 2 * KM_STRUCT + 88, UINT32_MAX, 4); /* 4 GiB of text */
	km_put(&km, 3 * KM_STRUCT + 80, 0x401000, 8);	/* text in user memory */
	kmods_refresh(m, &src);
	assert_int_equal(kmods_count(m), 1);
	expect(m, km_text(&km, 1), "nothing");
	expect(m, km_text(&km, 2), "nothing");
	expect(m, 0x401000, "nothing");
	km_put(&km, 80, UINT64_MAX - 4, 8); /* text past the end of the address space */
	kmods_refresh(m, &src);
	assert_int_equal(kmods_count(m), 0);
	kmods_free(m);
}

/* One lie in the tables of mod0; its functions lose their names, or keep those that are right. */
static void table(uint64_t off, uint64_t v, size_t bytes, const char *want)
{
	struct kmods *m = fresh(KM_6_4);

	km_put(&km, off, v, bytes);
	kmods_refresh(m, &src);
	expect(m, km_text(&km, 0) + 5, want);
	expect(m, km_text(&km, 1), "m1_first [mod1]");
	kmods_free(m);
}

static void tables(void **state)
{
	struct kmods *m;
	char got[300];

	table(248, 0, 8, "[mod0]+0x5");			    /* kallsyms */
	table(248, BASE + KM_AREA - 8, 8, "[mod0]+0x5");
	table(KM_TABLES, 0x1000, 8, "[mod0]+0x5");	    /* symtab */
	table(KM_TABLES + 8, 0, 4, "[mod0]+0x5");	    /* how many */
	table(KM_TABLES + 8, UINT32_MAX, 4, "[mod0]+0x5");
	table(KM_TABLES + 8, 65536, 4, "[mod0]+0x5");	    /* more than there is */
	table(KM_TABLES + 16, 0, 8, "[mod0]+0x5");	    /* strtab */
	table(KM_TABLES + 16, 0xffffffff00000000, 8, "[mod0]+0x5");
	table(KM_TABLES + 16, BASE + KM_AREA - 40, 8, "[mod0]+0x5"); /* ends within the first name */
	table(KM_SYMTAB + 24, UINT32_MAX, 4, "[mod0]+0x5"); /* st_name of m0_first */
	table(KM_SYMTAB + 24, 4u << 20, 4, "[mod0]+0x5");
	table(KM_SYMTAB + 24, (4u << 20) - 1, 4, "[mod0]+0x5");
	table(KM_STRTAB + 32, 0x1b5b, 2, "[mod0]+0x5");	    /* its name is an escape sequence */
	table(KM_STRTAB + 64, 0, 1, "m0_first+0x5 [mod0]");
	/* a name without an end is cut */
	m = fresh(KM_6_4);
	memset(km.area + KM_STRTAB + 32, 'y', 0x700);
	assert_int_equal(kmods_find(m, &src, km_text(&km, 0) + 5, got, sizeof(got)), 0);
	assert_true(strlen(got) < 200);
	kmods_free(m);
}

/* ---- types ---- */

static int open_types(const struct kmodules *k)
{
	struct kmods_at at = {HEAD, BTF, BTF + k->btf_len};
	struct kmods *m;
	int rc = kmods_new(&src, &at, &m);

	if (rc == 0) {
		kmods_refresh(m, &src);
		kmods_free(m);
	}
	return rc;
}

static void no_types(void **state)
{
	struct kmods *m;

	km_make(&km, KM_6_1, BASE, HEAD, BTF);
	for (int how = 0; how < 4; how++) {
		struct kmods_at at = {how == 0 ? 0 : HEAD, how == 1 ? 0 : BTF, how == 2 ? BTF : how == 3 ? UINT64_MAX : BTF + 10};

		assert_int_equal(kmods_new(&src, &at, &m), -ENOTSUP);
		assert_null(m);
	}
}

/* Every byte of the types, wrong in several ways: an answer or none, and no read outside (the sanitizer watches). */
static void wrong_types(void **state)
{
	static const uint8_t wrong[] = {0, 1, 0x7f, 0x80, 0xff};
	unsigned good = 0, bad = 0;

	for (int layout = KM_6_1; layout <= KM_6_4; layout++) {
		km_make(&km, (enum km_layout)layout, BASE, HEAD, BTF);
		assert_int_equal(open_types(&km), 0);
		for (size_t i = 0; i < km.btf_len; i++) {
			uint8_t was = km.btf[i];

			for (size_t w = 0; w < sizeof(wrong); w++) {
				km.btf[i] = wrong[w];
				if (open_types(&km) == 0)
					good++;
				else
					bad++;
			}
			km.btf[i] = was;
		}
		for (size_t len = km.btf_len; km.btf_len; km.btf_len--)
			assert_int_equal(open_types(&km), km.btf_len == len ? 0 : -ENOTSUP);
	}
	assert_true(good > 100 && bad > 100);
}

static void members(void **state)
{
	struct btf_member m;
	struct btf *btf;
	uint32_t type;

	km_make(&km, KM_6_4, BASE, HEAD, BTF);
	assert_int_equal(btf_open(km.btf, km.btf_len, &btf), 0);
	assert_int_equal(btf_struct(btf, "no", 0), 0);
	type = btf_struct(btf, "module", 0);
	assert_int_equal(type, 6);
	assert_int_equal(btf_size(btf, type), 4);
	assert_false(btf_member(btf, type, "list", &m));
	type = btf_struct(btf, "module", type);
	assert_int_equal(btf_size(btf, type), 256);
	assert_int_equal(btf_struct(btf, "module", type), 0);
	assert_true(btf_member(btf, type, "mem", &m));
	assert_int_equal(m.off, 80);
	assert_int_equal(m.count, 7);
	assert_int_equal(btf_size(btf, m.type), 24);
	assert_true(btf_member(btf, type, "list", &m));
	assert_int_equal(m.count, 1);
	assert_false(btf_member(btf, type, "lis", &m));
	assert_int_equal(btf_size(btf, 0), 0);
	assert_int_equal(btf_size(btf, 1), 0); /* char */
	assert_int_equal(btf_size(btf, UINT32_MAX), 0);
	btf_free(btf);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names),
		cmocka_unit_test(come_and_go),
		cmocka_unit_test(lists),
		cmocka_unit_test(modules),
		cmocka_unit_test(tables),
		cmocka_unit_test(members),
		cmocka_unit_test(no_types),
		cmocka_unit_test(wrong_types),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
