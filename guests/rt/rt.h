/*
 * rt.h - what a guest program may use. A program is rt_main(), which runs in ring 3 on vCPU 0 with
 * interrupts on; what needs privilege is a function called through rt_ring0().
 *
 * Why ring 3: heavy loops then run at full speed even where KVM has to emulate the guest's kernel
 * mode (about a million instructions a second), and a wild pointer becomes a readable report.
 */
#ifndef RT_H
#define RT_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "layout.h"

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define PAGE_SIZE     4096u

/* ---- what a fault looked like, and surviving it ---- */

struct rt_try {
	uint64_t rsp;   /* at the door, TRY_RSP */
	uint64_t value; /* what the function returned, TRY_VALUE */
	uint64_t cs;    /* of the ring it guards, TRY_CS */
	uint64_t vector, error, rip, cr2, rflags, fault_rsp;
};

typedef uint64_t rt_fn(void *arg);

/** rt_ring0() - run @fn in ring 0, interrupts off; it may use k_*() and privileged instructions. */
uint64_t rt_ring0(rt_fn *fn, void *arg);
/** rt_try() - run @fn in the present ring. 0, or 1 when it faulted (then see @try). */
int rt_try(rt_fn *fn, void *arg, struct rt_try *try);
/** rt_try_ring0() - both. */
int rt_try_ring0(rt_fn *fn, void *arg, struct rt_try *try);
const char *rt_vector_name(uint64_t vector); /* "#PF page fault" */

/* ---- CPUs ---- */

enum {
	EV_TIMEOUT = 1 << 0,
	EV_INPUT = 1 << 1,
	EV_RESIZE = 1 << 2,
	EV_TX = 1 << 3, /* the console took a buffer */
	EV_PIT = 1 << 4,
	EV_RTC = 1 << 5,
	EV_IPI = 1 << 6,
};

/* At %gs of each CPU in both rings. The interrupt handlers write, programs read. */
struct rt_cpu {
	struct rt_cpu *self;
	struct rt_try *try; /* GS_TRY */
	uint32_t index, apic_id;
	volatile uint32_t online;
	volatile uint32_t events; /* EV_*, taken by rt_wait() */
	volatile uint64_t irqs[VECTORS];
	volatile uint64_t irq_tsc[VECTORS]; /* when the last one came in */
	volatile uint32_t quiet; /* EV_* that do not end rt_wait(): counted, and slept through */
	volatile uint64_t user_irqs; /* interrupts that arrived in ring 3 */
	volatile uint64_t halts;
	volatile uint64_t sipi_us; /* how long the start-up took */
};
extern struct rt_cpu rt_cpus[MAX_CPUS];

static inline struct rt_cpu *rt_cpu(void)
{
	struct rt_cpu *cpu;

	__asm__ volatile("movq %%gs:0, %0" : "=r"(cpu));
	return cpu;
}

/** rt_cpu_start() - make vCPU @index (1..MAX_CPUS-1) run @fn in ring 3. 0, or -1 when none answers.
 */
int rt_cpu_start(unsigned index, void (*fn)(void *), void *arg);
/** rt_ipi() - send @vector (VEC_IPI, VEC_WAKE) to a CPU. */
void rt_ipi(unsigned index, unsigned vector);

/** rt_wait() - HLT until something happens or @timeout_us is over (RT_FOREVER: none). Returns EV_*.
 */
#define RT_FOREVER UINT64_MAX
uint32_t rt_wait(uint64_t timeout_us);
void rt_unwait(uint32_t events); /* put events back for the next rt_wait() */

/* ---- time ---- */

static inline uint64_t rt_tsc(void)
{
	uint32_t lo, hi;

	__asm__ volatile("rdtsc" : "=a"(lo), "=d"(hi));
	return (uint64_t)hi << 32 | lo;
}

/** rt_muldiv() - a * b / c without losing the upper half; the result must fit. */
static inline uint64_t rt_muldiv(uint64_t a, uint64_t b, uint64_t c)
{
	uint64_t lo, hi;

	__asm__("mulq %3" : "=a"(lo), "=d"(hi) : "a"(a), "r"(b) : "cc");
	if (hi >= c)
		return UINT64_MAX;
	__asm__("divq %2" : "+a"(lo), "+d"(hi) : "r"(c) : "cc");
	return lo;
}

struct rt_date {
	unsigned year, month, day, hour, minute, second;
};

uint64_t rt_now_us(void); /* since start-up; kvmclock, or the TSC measured against the PIT */
uint64_t rt_tsc_us(void); /* the same by the TSC alone, at the rate found at start-up */
uint64_t rt_tsc_to_us(uint64_t tsc);
uint64_t rt_tsc_hz(void);
bool rt_has_kvmclock(void);
void rt_rtc_read(struct rt_date *out); /* the CMOS clock, UTC */
/** rt_pit_start() - EV_PIT @hz times a second (19..1000); 0 stops it. */
void rt_pit_start(unsigned hz);

/* ---- the machine ---- */

struct rt_range {
	uint64_t start, size;
	uint32_t type; /* e820: 1 RAM, 2 reserved, 3 ACPI ... */
};
struct rt_pci {
	uint8_t dev, fn;
	uint16_t vendor, device;
	uint32_t class;
	uint64_t bar[6];
};
struct rt_machine {
	char cmdline[256];
	struct rt_range ranges[32];
	unsigned nranges;
	uint64_t ram_bytes;
	struct rt_pci pci[32];
	unsigned npci;
	char hypervisor[13], vendor[13];
	const char *console; /* "virtio-console" or "8250" */
};
extern struct rt_machine rt_machine;
/** rt_machine_scan_pci() - fill rt_machine.pci (start-up looks no further than the console). */
void rt_machine_scan_pci(void);
/** rt_map_user() - let ring 3 use [@start, @start + @size), 2 MiB multiples of RAM above 2 MiB. */
void rt_map_user(uint64_t start, uint64_t size);
/** rt_kernel_is_slow() - measured: is ring 0 emulated here (over 20 times slower than ring 3)? */
bool rt_kernel_is_slow(void);
uint64_t rt_kernel_ips(void); /* instructions a second in ring 0 and ring 3, as measured */
uint64_t rt_user_ips(void);
/** rt_option() - the value of NAME=value on the command line, or @fallback. */
uint64_t rt_option(const char *name, uint64_t fallback);

/* ---- console ---- */

void rt_console_size(unsigned *cols, unsigned *rows);
/** rt_write() - hand bytes to the console; returns when they are on their way. */
void rt_write(const char *text, size_t len);
void rt_drain(void); /* until the console has taken everything */
uint64_t rt_bytes_written(void);
int rt_getc(void); /* the next input byte or -1 */

/* keys.c: bytes to keys */
enum {
	KEY_NONE = -1,
	KEY_UP = 0x100,
	KEY_DOWN,
	KEY_RIGHT,
	KEY_LEFT,
	KEY_HOME,
	KEY_END,
	KEY_DELETE,
	KEY_PGUP,
	KEY_PGDN,
	KEY_ESC = 0x1b,
	KEY_ENTER = '\r',
	KEY_BACKSPACE = 0x7f,
};
int rt_key(void); /* KEY_NONE when there is none; a lone ESC is told by time */

/* ---- text ---- */

int rt_vsnprintf(char *out, size_t size, const char *format, va_list ap);
int rt_snprintf(char *out, size_t size, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
void rt_printf(const char *format, ...) __attribute__((format(printf, 1, 2)));
size_t strlen(const char *s);
int strcmp(const char *a, const char *b);
int strncmp(const char *a, const char *b, size_t n);
void *memcpy(void *dst, const void *src, size_t n);
void *memmove(void *dst, const void *src, size_t n);
void *memset(void *dst, int c, size_t n);
int memcmp(const void *a, const void *b, size_t n);
/** rt_parse() - 0x12ab, 4096, 64k, 2m, 1g. */
bool rt_parse(const char *text, uint64_t *out);

/** rt_main() - the program. */
void rt_main(void);
extern const char rt_program[]; /* its name, for reports */

#endif
