/* test_devices_acpi.c - the ACPI tables as a kernel reads them, the power button, power off,
 * pvpanic. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "devices/acpi.h"
#include "tests/lib/devfix.h"

enum { PM1_STS = ACPI_PM_PORT, PM1_EN = ACPI_PM_PORT + 2, PM1_CNT = ACPI_PM_PORT + ACPI_PM1_CNT };

static int setup(void **state)
{
	*state = fix_new();
	return 0;
}

static int teardown(void **state)
{
	fix_free(*state);
	return 0;
}

static uint64_t le(const uint8_t *at, unsigned len)
{
	uint64_t v = 0;

	memcpy(&v, at, len);
	return v;
}

static void assert_sums_up(const uint8_t *at, size_t len)
{
	uint8_t s = 0;

	while (len--)
		s += *at++;
	assert_int_equal(s, 0);
}

/* The table at @gpa, whose length and checksum must be right. */
static const uint8_t *table(struct fix *f, uint64_t gpa, const char *signature, size_t *len)
{
	const uint8_t *t;

	assert_true(gpa >= ACPI_TABLES && gpa + 36 <= ACPI_TABLES_END);
	t = fake_ram(f->vm, gpa);
	assert_memory_equal(t, signature, 4);
	*len = le(t + 4, 4);
	assert_true(*len >= 36 && gpa + *len <= ACPI_TABLES_END);
	assert_sums_up(t, *len);
	return t;
}

static void check_fadt(struct fix *f, uint64_t gpa)
{
	const uint8_t *facs, *t;
	size_t dsdt_len, len;

	t = table(f, gpa, "FACP", &len);
	assert_int_equal(len, 276);
	assert_int_equal(le(t + 36, 4) % 64, 0);
	facs = fake_ram(f->vm, le(t + 36, 4));
	assert_memory_equal(facs, "FACS", 4);
	assert_int_equal(le(facs + 4, 4), 64);
	assert_int_equal(le(t + 40, 4), le(t + 140, 8)); /* DSDT, X_DSDT */
	table(f, le(t + 40, 4), "DSDT", &dsdt_len);
	assert_true(dsdt_len > 300);
	assert_int_equal(le(t + 46, 2), 9);
	assert_int_equal(le(t + 48, 4), 0); /* no SMI: ACPI mode from the start */
	assert_true(le(t + 56, 4) == PM1_STS && t[88] == 4 && le(t + 152, 8) == PM1_STS &&
		    t[149] == 32);
	assert_true(le(t + 64, 4) == PM1_CNT && t[89] == 2 && le(t + 176, 8) == PM1_CNT &&
		    t[173] == 16);
	assert_true(
		le(t + 112, 4) & 1 << 10 && t[116] == 1 && le(t + 120, 8) == 0xcf9 && t[128] == 6);
	assert_false(le(t + 112, 4) &
		     (1 << 4 | 1 << 20)); /* a fixed power button; not hardware-reduced */
	assert_int_equal(t[108], 0x32);
}

static void check_madt(struct fix *f, uint64_t gpa, unsigned vcpus)
{
	unsigned lapics = 0, ioapics = 0, pit = 0, sci = 0;
	const uint8_t *t;
	size_t at = 44, len;

	t = table(f, gpa, "APIC", &len);
	assert_int_equal(le(t + 36, 4), 0xfee00000);
	for (; at < len; at += t[at + 1]) {
		assert_true(t[at + 1] >= 2 && at + t[at + 1] <= len);
		if (t[at] == 0) {
			assert_true(t[at + 3] == lapics && le(t + at + 4, 4) == 1);
			lapics++;
		}
		ioapics += t[at] == 1 && le(t + at + 4, 4) == 0xfec00000 && le(t + at + 8, 4) == 0;
		pit += t[at] == 2 && t[at + 3] == 0 && le(t + at + 4, 4) == 2;
		sci += t[at] == 2 && t[at + 3] == 9 && le(t + at + 4, 4) == 9 &&
		       le(t + at + 8, 2) == 0xd;
	}
	assert_int_equal(at, len);
	assert_int_equal(lapics, vcpus);
	assert_true(ioapics == 1 && pit == 1 && sci == 1);
}

static void test_tables(void **state)
{
	struct fix *f = *state;
	const unsigned counts[] = {1, 2, 8, VMC_MAX_VCPUS};
	const uint8_t *t;
	size_t len;
	uint64_t rsdp = 0;
	unsigned i;

	for (i = 0; i < 4; i++) {
		assert_int_equal(acpi_write(f->vm, counts[i], &rsdp), 0);
		assert_true(rsdp % 16 == 0 && rsdp >= 0xe0000 &&
			    rsdp < 0x100000); /* where a scan finds it */
		t = fake_ram(f->vm, rsdp);
		assert_memory_equal(t, "RSD PTR ", 8);
		assert_sums_up(t, 20);
		assert_sums_up(t, 36);
		assert_true(t[15] == 2 && le(t + 20, 4) == 36);
		t = table(f, le(t + 24, 8), "XSDT", &len);
		assert_int_equal(len, 36 + 2 * 8);
		check_fadt(f, le(t + 36, 8));
		check_madt(f, le(t + 44, 8), counts[i]);
	}
}

static void test_no_room(void **state)
{
	struct vmc_vm *small = fake_vm_new(512 << 10);
	uint64_t rsdp = 0;

	assert_true(acpi_write(small, 1, &rsdp) < 0);
	assert_int_equal(rsdp, 0);
	fake_vm_free(small);
}

static void test_power_button(void **state)
{
	struct fix *f = *state;

	assert_int_equal(fake_in(f->vm, PM1_CNT, 2), 1); /* SCI_EN: ACPI mode */
	assert_false(machine_powerdown(f->m));           /* nobody listens */
	assert_int_equal(fake_in(f->vm, PM1_STS, 2), 0);
	fake_out(f->vm, PM1_EN, 2, 0xffff);
	assert_int_equal(fake_in(f->vm, PM1_EN, 2), 1 << 10 | 1 << 8 | 1 << 5);
	assert_false(fake_line(f->vm, 9));
	assert_true(machine_powerdown(f->m));
	assert_true(fake_line(f->vm, 9));
	assert_int_equal(fake_in(f->vm, PM1_STS, 2), 1 << 8);
	fake_out(f->vm, PM1_STS, 2, 1); /* another bit: still there */
	assert_true(fake_line(f->vm, 9));
	fake_out(f->vm, PM1_STS, 2, 1 << 8);
	assert_false(fake_line(f->vm, 9));
	assert_int_equal(fake_in(f->vm, PM1_STS, 4), (1u << 10 | 1 << 8 | 1 << 5) << 16);
	assert_int_equal(fake_in(f->vm, PM1_CNT, 4), 0xffffffff); /* runs over the end */
}

static void test_button_saved(void **state)
{
	struct fix *f = *state;
	struct fix *g = fix_new();
	struct vmc_out out;
	struct vmc_in in;

	fake_out(f->vm, PM1_EN, 2, 1 << 8);
	fake_out(f->vm, PM1_CNT, 2, 5 << 10);
	assert_true(machine_powerdown(f->m));
	fake_save(f->vm, "acpi-pm", &out);
	assert_int_equal(fake_load(g->vm, "acpi-pm", out.data, out.len, &in), 0);
	fake_resume(g->vm);
	assert_true(fake_line(g->vm, 9)); /* the press is not lost */
	assert_int_equal(fake_in(g->vm, PM1_CNT, 2), 5 << 10 | 1);
	fake_reset(g->vm);
	assert_false(fake_line(g->vm, 9));
	assert_false(machine_powerdown(g->m));
	assert_int_equal(fake_load(g->vm, "acpi-pm", out.data, out.len - 1, &in), -EBADMSG);
	out.data[5] = 0xff;
	assert_int_equal(fake_load(g->vm, "acpi-pm", out.data, out.len, &in), -EBADMSG);
	assert_int_equal(fake_in(g->vm, PM1_EN, 2), 0);
	vmc_out_free(&out);
	fix_free(g);
}

static void test_power_off(void **state)
{
	struct fix *f = *state;
	int64_t code = -5;

	fake_out(f->vm, PM1_CNT, 2, 5 << 10);           /* the type alone does nothing */
	fake_out(f->vm, PM1_CNT, 2, 3 << 10 | 1 << 13); /* nor does another state */
	assert_int_equal(fake_request(f->vm, NULL), VMC_EVENT_NONE);
	fake_out(f->vm, PM1_CNT, 2, 5 << 10 | 1 << 13 | 1);
	assert_int_equal(fake_request(f->vm, &code), VMC_EVENT_SHUTDOWN);
	assert_int_equal(code, 0);
	assert_int_equal(fake_in(f->vm, PM1_CNT, 2), 5 << 10 | 1); /* SLP_EN reads as zero */
}

static void test_pvpanic(void **state)
{
	struct fix *f = *state;

	assert_int_equal(fake_in(f->vm, PVPANIC_PORT, 1), 1);
	fake_out(f->vm, PVPANIC_PORT, 1, 2);
	assert_int_equal(fake_request(f->vm, NULL), VMC_EVENT_NONE);
	assert_string_equal(fix_info(f, "pvpanic").note, "");
	fake_out(f->vm, PVPANIC_PORT, 1, 1);
	assert_int_equal(fake_request(f->vm, NULL), VMC_EVENT_PANIC);
	assert_string_equal(fix_info(f, "pvpanic").note, "the guest has panicked");
	fake_out(f->vm, PVPANIC_PORT, 1, 1); /* in a loop, it would fill the log */
	assert_int_equal(fake_request(f->vm, NULL), VMC_EVENT_NONE);
}

/* What the DSDT's _PRT says must be what the machine does; AML has the numbers as bytes. */
static void test_intx_wiring(void **state)
{
	struct fix *f = *state;
	const uint8_t *t;
	uint64_t rsdp;
	size_t len, at, found = 0;

	assert_int_equal(acpi_write(f->vm, 1, &rsdp), 0);
	t = fake_ram(f->vm, rsdp);
	t = fake_ram(f->vm, le(t + 24, 8));
	t = fake_ram(f->vm, le(t + 36, 8));
	t = table(f, le(t + 40, 4), "DSDT", &len);
	/* Package, 4 elements, DWord slot << 16 | 0xffff, Zero, Zero, Byte GSI */
	for (at = 36; at + 12 <= len; at++) {
		if (t[at] != 0x12 || t[at + 2] != 4 || t[at + 3] != 0x0c ||
			le(t + at + 4, 2) != 0xffff)
			continue;
		assert_true(t[at + 8] == 0 && t[at + 9] == 0 && t[at + 10] == 0x0a);
		assert_int_equal(t[at + 11], machine_intx_gsi(le(t + at + 6, 2)));
		found++;
	}
	assert_int_equal(found, 31); /* every slot but the bridge's */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_tables, setup, teardown),
		cmocka_unit_test_setup_teardown(test_no_room, setup, teardown),
		cmocka_unit_test_setup_teardown(test_power_button, setup, teardown),
		cmocka_unit_test_setup_teardown(test_button_saved, setup, teardown),
		cmocka_unit_test_setup_teardown(test_power_off, setup, teardown),
		cmocka_unit_test_setup_teardown(test_pvpanic, setup, teardown),
		cmocka_unit_test_setup_teardown(test_intx_wiring, setup, teardown),
	};

	return cmocka_run_group_tests_name("devices acpi", tests, NULL, NULL);
}
