/* test_views_vcpu.c - what a user sees in the vCPU view for given samples, at several sizes. */
#include <errno.h>
#include <ncurses.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
#include "tests/lib/fakeui.h"

#define SEC 1000000ull

static struct vmc_sample_cpu cpus[3];

/* A guest kernel in long mode at 0x101f3c: mov [rdi], rax; call +0x10; ret. */
static struct vmc_sample *kernel_sample(enum vmc_state state, uint64_t time_us)
{
	static const uint8_t bytes[] = { 0x48, 0x89, 0x07, 0xe8, 0x10, 0, 0, 0, 0xc3, 0x48 };
	struct vmc_sample *s = fake_sample_new(state, time_us);
	struct vmc_sample_cpu *c = &cpus[0];

	memset(cpus, 0, sizeof(cpus));
	s->cpus = cpus;
	c->state = state == VMC_PAUSED ? VMC_VCPU_PAUSED : VMC_VCPU_RUNNING;
	c->has_regs = true;
	c->regs.rip = 0x101f3c;
	c->regs.rax = 0x1234;
	c->regs.rflags = 0x246;
	c->sregs.cr0 = 0x80050033;
	c->sregs.cr3 = 0x5000;
	c->sregs.cr4 = 0x20;
	c->sregs.efer = 0xd00;
	c->sregs.cs = (struct vmc_segment){ .selector = 8, .type = 11, .present = 1, .s = 1, .l = 1, .limit = 0xffffffff };
	c->sregs.ss = (struct vmc_segment){ .unusable = 1 };
	c->sregs.gdt = (struct vmc_table){ 0x7000, 0x2f };
	memcpy(c->code, bytes, sizeof(bytes));
	c->code_len = sizeof(bytes);
	for (int i = 1; i < 3; i++)
		cpus[i] = cpus[0];
	return s;
}

static void everything_is_there(void **state)
{
	static const char *const wide[] = {
		"● running", "long 64", "ring 0 kernel", "0000000000101f3c", "mov [rdi], rax", "call 0x101f54", "ret",
		"rax 0000000000001234", "r15 0000000000000000", "IF ZF PF", "PG AM WP NE ET MP PE", "paging 4-level",
		"NXE LMA LME", "code64 r-x", "unusable", "gdt 7000+2f", "exits",
	};
	static const int sizes[][2] = { { 24, 78 }, { 48, 120 }, { 48, 198 }, { 40, 66 } };

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct fake *f = fake_new(&panel_vcpu, sizes[i][0], sizes[i][1]);

		fake_sample(f, kernel_sample(VMC_RUNNING, SEC));
		for (size_t j = 0; j < sizeof(wide) / sizeof(wide[0]); j++)
			assert_true(fake_shows(f, wide[j]));
		fake_free(f);
	}
}

static void small_shows_what_matters_and_scrolls(void **state)
{
	struct fake *f = fake_new(&panel_vcpu, 8, 24);

	fake_sample(f, kernel_sample(VMC_RUNNING, SEC));
	assert_true(fake_shows(f, "● running long64 r0"));
	assert_true(fake_shows(f, "rip 0000000000101f3c"));
	assert_true(fake_shows(f, "mov [rdi], rax"));
	assert_true(fake_shows(f, "rax 0000000000001234"));
	assert_true(fake_find(f, "cr3", NULL) < 0);
	for (int i = 0; i < 40; i++)
		fake_keys(f, "j");
	assert_true(fake_shows(f, "idt"));
	assert_true(fake_find(f, "rax", NULL) < 0);
	fake_resize(f, 60, 24); /* all of it fits: the scroll is over */
	assert_true(fake_shows(f, "● running"));
	assert_true(fake_shows(f, "idt"));
	fake_free(f);
}

static void changes_are_marked(void **state)
{
	struct fake *f = fake_new(&panel_vcpu, 24, 78);
	struct vmc_sample *s;

	fake_sample(f, kernel_sample(VMC_RUNNING, SEC));
	assert_int_equal(fake_role_of(f, "1234"), ROLE_VALUE);
	s = kernel_sample(VMC_RUNNING, SEC * 2);
	cpus[0].regs.rax = 0x9999;
	fake_sample(f, s);
	assert_int_equal(fake_role_of(f, "0000000000009999"), ROLE_CHANGED);
	s = kernel_sample(VMC_RUNNING, SEC * 3);
	cpus[0].regs.rax = 0x9999;
	fake_sample(f, s); /* the same again: no change any more */
	assert_int_equal(fake_role_of(f, "9999"), ROLE_VALUE);
	fake_free(f);
}

static void fast_samples_do_not_flicker(void **state)
{
	struct fake *f = fake_new(&panel_vcpu, 24, 78);
	struct vmc_sample *s;
	int drawn = 0;

	for (int i = 0; i < 50; i++) { /* fifty a second */
		s = kernel_sample(VMC_RUNNING, SEC + i * 20000);
		cpus[0].regs.rax = (uint64_t)i;
		drawn += fake_sample(f, s) == PANEL_REDRAW;
	}
	assert_in_range(drawn, 2, 5);
	s = kernel_sample(VMC_PAUSED, SEC + 50 * 20000); /* but a pause is shown at once */
	cpus[0].regs.rax = 0x777;
	assert_int_equal(fake_sample(f, s), PANEL_REDRAW);
	assert_true(fake_shows(f, "‖ paused"));
	assert_true(fake_shows(f, "0777"));
	fake_free(f);
}

static void stepping(void **state)
{
	struct fake *f = fake_new(&panel_vcpu, 24, 78);
	struct vmc_sample *s;

	fake_sample(f, kernel_sample(VMC_RUNNING, SEC));
	fake_keys(f, ".");
	assert_int_equal(fake_pending(f), 0);
	assert_non_null(strstr(fake_said(f), "pause it first"));
	fake_sample(f, kernel_sample(VMC_PAUSED, SEC * 2));
	fake_keys(f, ".");
	assert_string_equal(fake_command(f), "x-step");
	assert_string_equal(fake_command_args(f), "{\"cpu\": 0}");
	fake_reply(f, 0, "{}");
	s = kernel_sample(VMC_PAUSED, SEC * 2 + 50000);
	cpus[0].regs.rip = 0x101f3f;
	assert_int_equal(fake_sample(f, s), PANEL_REDRAW);
	assert_int_equal(fake_role_of(f, "0000000000101f3f"), ROLE_CHANGED);
	for (int i = 1; i < 9; i++) { /* what the step changed stays marked until the next one */
		s = kernel_sample(VMC_PAUSED, SEC * 3 + i * 500000);
		cpus[0].regs.rip = 0x101f3f;
		fake_sample(f, s);
	}
	assert_int_equal(fake_role_of(f, "0000000000101f3f"), ROLE_CHANGED);
	fake_keys(f, ".");
	fake_reply(f, -EIO, "no single-stepping here");
	assert_non_null(strstr(fake_said(f), "no single-stepping here"));
	fake_free(f);
}

static void several_vcpus(void **state)
{
	struct fake *f = fake_new(&panel_vcpu, 24, 78);
	struct vmc_sample *s = kernel_sample(VMC_RUNNING, SEC);

	s->ncpus = 3;
	cpus[1].regs.rax = 0x5555;
	cpus[1].state = VMC_VCPU_HALTED;
	cpus[2].state = VMC_VCPU_WAIT_SIPI;
	fake_sample(f, s);
	assert_true(fake_shows(f, "0 ●   0%"));
	assert_true(fake_shows(f, "2 ○"));
	fake_keys(f, ">");
	assert_true(fake_shows(f, "○ halted"));
	assert_true(fake_shows(f, "5555"));
	fake_keys(f, ">");
	assert_true(fake_shows(f, "waits for SIPI"));
	fake_keys(f, ">");
	assert_true(fake_shows(f, "● running"));
	fake_keys(f, "<");
	assert_true(fake_shows(f, "waits for SIPI"));
	fake_sample(f, kernel_sample(VMC_RUNNING, SEC * 2)); /* another VM state with one vCPU only */
	assert_true(fake_shows(f, "● running"));
	fake_free(f);
}

static void exits_a_second(void **state)
{
	struct fake *f = fake_new(&panel_vcpu, 24, 78);
	struct vmc_sample *s = kernel_sample(VMC_RUNNING, SEC);

	fake_sample(f, s);
	s = kernel_sample(VMC_RUNNING, SEC * 2);
	cpus[0].cpu_ns = 420000000;
	cpus[0].exits[VMC_EXIT_HALT] = 100;
	cpus[0].exits[VMC_EXIT_IO_OUT] = 812;
	fake_sample(f, s);
	assert_true(fake_shows(f, "CPU  42%"));
	assert_true(fake_shows(f, "io-out        812 █"));
	assert_true(fake_shows(f, "halt          100 █"));
	assert_true(fake_shows(f, "912 in all"));
	assert_true(fake_find(f, "io-out", NULL) < fake_find(f, "halt ", NULL));
	assert_true(fake_find(f, "mmio", NULL) < 0);
	fake_free(f);
}

static void nothing_to_show_says_so(void **state)
{
	struct fake *f = fake_new(&panel_vcpu, 10, 40);
	struct vmc_sample *s;

	assert_true(fake_shows(f, "waiting for the first sample"));
	fake_connected(f, false);
	fake_draw(f);
	assert_true(fake_shows(f, "not running"));
	fake_connected(f, true);
	s = kernel_sample(VMC_RUNNING, SEC);
	cpus[0].has_regs = false;
	fake_sample(f, s);
	assert_true(fake_shows(f, "registers come with the next sample"));
	s = kernel_sample(VMC_RUNNING, SEC * 2);
	cpus[0].code_len = 0;
	fake_sample(f, s);
	assert_true(fake_shows(f, "(rip is unreadable)"));
	fake_free(f);
}

static void real_mode_at_reset(void **state)
{
	struct fake *f = fake_new(&panel_vcpu, 24, 78);
	struct vmc_sample *s = kernel_sample(VMC_RUNNING, SEC);

	memset(&cpus[0].sregs, 0, sizeof(cpus[0].sregs));
	cpus[0].sregs.cr0 = 0x60000010;
	cpus[0].sregs.cs.selector = 0xf000;
	cpus[0].regs.rip = 0xfff0;
	fake_sample(f, s);
	assert_true(fake_shows(f, "real"));
	assert_true(fake_shows(f, "dec ax")); /* 48 in 16-bit code */
	assert_true(fake_shows(f, "CD NW ET"));
	assert_true(fake_shows(f, "paging off"));
	fake_free(f);
}

static void code_goes_to_hex(void **state)
{
	struct fake *f = fake_new(&panel_vcpu, 24, 78);

	fake_sample(f, kernel_sample(VMC_RUNNING, SEC));
	fake_key(f, UI_KEY_ENTER);
	assert_string_equal(fake_command(f), "x-translate");
	assert_string_equal(fake_command_args(f), "{\"cpu\": 0, \"address\": \"0x101f3c\"}");
	fake_reply(f, 0, "{\"physical\": \"0x1f3c\"}");
	assert_int_equal(fake_hex_goto(f), 0x1f3c);
	fake_key(f, UI_KEY_ENTER);
	fake_reply(f, -EFAULT, "not mapped");
	assert_non_null(strstr(fake_said(f), "not mapped"));
	fake_key(f, UI_KEY_ENTER); /* the panel goes before the answer comes: fake_free() answers */
	fake_free(f);
}

static void every_size_is_drawn(void **state)
{
	struct fake *f = fake_new(&panel_vcpu, 8, 24);
	struct vmc_sample *s = kernel_sample(VMC_RUNNING, SEC);

	s->ncpus = 3;
	fake_sample(f, s);
	for (int h = 1; h < 60; h += 3)
		for (int w = 1; w < 210; w += 7)
			fake_resize(f, h, w);
	fake_free(f);
}

/* Registers of a running VM come with some samples only: those are the ones that are shown, wherever they begin. */
static void registers_now_and_then(void **state)
{
	for (unsigned first = 0; first < 3; first++) {
		struct fake *f = fake_new(&panel_vcpu, 24, 78);
		char want[20];

		for (unsigned i = 0; i < 15; i++) {
			struct vmc_sample *s = kernel_sample(VMC_RUNNING, SEC + i * SEC / 10);

			for (int c = 0; c < 3; c++) {
				cpus[c].has_regs = i % 3 == first;
				cpus[c].regs.rip = 0x200000 + i;
			}
			fake_sample(f, s);
		}
		snprintf(want, sizeof(want), "%016x", 0x200000 + 12 + first);
		assert_true(fake_shows(f, want));
		fake_free(f);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(everything_is_there), cmocka_unit_test(small_shows_what_matters_and_scrolls),
		cmocka_unit_test(changes_are_marked), cmocka_unit_test(fast_samples_do_not_flicker),
		cmocka_unit_test(stepping), cmocka_unit_test(several_vcpus), cmocka_unit_test(exits_a_second),
		cmocka_unit_test(nothing_to_show_says_so), cmocka_unit_test(real_mode_at_reset),
		cmocka_unit_test(code_goes_to_hex), cmocka_unit_test(registers_now_and_then), cmocka_unit_test(every_size_is_drawn),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
