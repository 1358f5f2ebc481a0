/*
 * bench_engine.c - what the engine costs: pause and resume with spinning vCPUs against the bare price of a kick,
 * and the dirty harvest of 4 GiB at 10 Hz. Uses the library's public interface in managed mode.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>
#include <vmcore/vmcore.h>

/* Every vCPU, entered in 16-bit real mode at 0x1000 by the registers set below: spins for ever. */
static const uint8_t spin[] = { 0xeb, 0xfe };

static double now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec * 1e6 + (double)ts.tv_nsec / 1e3;
}

static double cpu_us(void)
{
	struct rusage ru;

	getrusage(RUSAGE_SELF, &ru);
	return (double)(ru.ru_utime.tv_sec + ru.ru_stime.tv_sec) * 1e6 +
		(double)(ru.ru_utime.tv_usec + ru.ru_stime.tv_usec);
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static struct vmc_vm *make(uint64_t ram, uint32_t vcpus)
{
	struct vmc_config cfg = { .id = "bench", .ram_bytes = ram, .vcpus = vcpus, .managed = true };
	struct vmc_vm *vm;
	char err[256];

	if (vmc_vm_new(&cfg, &vm, err, sizeof(err)) < 0) {
		fprintf(stderr, "bench: %s\n", err);
		exit(1);
	}
	vmc_mem_write(vm, 0x1000, spin, sizeof(spin));
	for (uint32_t i = 0; i < vcpus; i++) {
		struct vmc_sregs s;
		struct vmc_regs r = { .rip = 0x1000, .rflags = 2 };

		vmc_vcpu_get_sregs(vmc_vcpu_get(vm, i), &s);
		s.cs.base = 0;
		s.cs.selector = 0;
		vmc_vcpu_set_sregs(vmc_vcpu_get(vm, i), &s);
		vmc_vcpu_set_regs(vmc_vcpu_get(vm, i), &r);
	}
	return vm;
}

static void bench_pause(uint32_t vcpus, int rounds)
{
	struct vmc_vm *vm = make(16 << 20, vcpus);
	double *pause_us = calloc((size_t)rounds, sizeof(double)), *resume_us = calloc((size_t)rounds, sizeof(double));

	if (vmc_vm_start(vm) < 0) {
		fprintf(stderr, "bench: %s\n", vmc_error(vm));
		exit(1);
	}
	for (int i = 0; i < rounds; i++) {
		double t0 = now_us();

		if (vmc_vm_pause(vm) < 0)
			exit(1);
		double t1 = now_us();

		vmc_vm_resume(vm);
		resume_us[i] = now_us() - t1;
		pause_us[i] = t1 - t0;
		usleep(500); /* let the guest get going again: a pause of a stopped guest is no pause */
	}
	qsort(pause_us, (size_t)rounds, sizeof(double), by_value);
	qsort(resume_us, (size_t)rounds, sizeof(double), by_value);
	printf("pause, %u spinning vCPUs: p50 %.0f us, p99 %.0f us; resume p50 %.0f us, p99 %.0f us (aim: pause p99 <= 1000: %.2fx)\n",
		vcpus, pause_us[rounds / 2], pause_us[rounds * 99 / 100], resume_us[rounds / 2],
		resume_us[rounds * 99 / 100], pause_us[rounds * 99 / 100] / 1000);
	free(pause_us);
	free(resume_us);
	vmc_vm_free(vm);
}

struct count {
	uint64_t pages;
};

static void count_bits(void *arg, uint64_t gpa, uint64_t pages, const uint64_t *bits)
{
	struct count *c = arg;

	for (uint64_t w = 0; w < (pages + 63) / 64; w++)
		c->pages += (uint64_t)__builtin_popcountll(bits[w]);
}

/* @touched pages are written by the host before each harvest, as devices write. */
static void bench_heat(uint64_t ram, uint64_t touched)
{
	struct vmc_vm *vm = make(ram, 1);
	struct vmc_dirty_view *view;
	struct count c = { 0 };
	const int rounds = 30;

	if (vmc_dirty_open(vm, "bench", &view) < 0)
		exit(1);
	vmc_dirty_take(vm, view, count_bits, &c); /* manual protect starts with every page set */
	double cpu = cpu_us(), wall = now_us();

	for (int i = 0; i < rounds; i++) {
		for (uint64_t p = 0; p < touched; p++)
			vmc_mem_mark_dirty(vm, (p * 977 % (ram / 2 / 4096)) * 4096, 4096);
		vmc_dirty_take(vm, view, count_bits, &c);
	}
	cpu = (cpu_us() - cpu) / rounds;
	wall = (now_us() - wall) / rounds;
	printf("heat harvest, %llu GiB, %llu pages written: %.0f us a sample = %.2f %% of a core at 10 Hz\n",
		(unsigned long long)(ram >> 30), (unsigned long long)touched, wall, cpu * 10 / 1e4);
	vmc_dirty_close(view);
	vmc_vm_free(vm);
}

int main(void)
{
	bench_pause(1, 1000);
	bench_pause(4, 1000);
	bench_heat(1ull << 30, 1000);
	bench_heat(4ull << 30, 0);
	bench_heat(4ull << 30, 10000);
	return 0;
}
