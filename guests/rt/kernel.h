/*
 * kernel.h - inside the runtime: what runs in ring 0. Interrupts are off there but inside k_wait().
 * Data of k_*.c files lies in pages that ring 3 cannot touch (guest.ld).
 */
#ifndef RT_KERNEL_H
#define RT_KERNEL_H

#include "rt.h"

/* What the stubs in start.S push, lowest address first. */
struct k_frame {
	uint64_t r15, r14, r13, r12, r11, r10, r9, r8, rbp, rdi, rsi, rdx, rcx, rbx, rax;
	uint64_t vector, error;
	uint64_t rip, cs, rflags, rsp, ss;
};

static inline void k_outb(uint16_t port, uint8_t v)
{
	__asm__ volatile("outb %0, %1" ::"a"(v), "Nd"(port));
}
static inline void k_outw(uint16_t port, uint16_t v)
{
	__asm__ volatile("outw %0, %1" ::"a"(v), "Nd"(port));
}
static inline void k_outl(uint16_t port, uint32_t v)
{
	__asm__ volatile("outl %0, %1" ::"a"(v), "Nd"(port));
}
static inline uint8_t k_inb(uint16_t port)
{
	uint8_t v;
	__asm__ volatile("inb %1, %0" : "=a"(v) : "Nd"(port));
	return v;
}
static inline uint16_t k_inw(uint16_t port)
{
	uint16_t v;
	__asm__ volatile("inw %1, %0" : "=a"(v) : "Nd"(port));
	return v;
}
static inline uint32_t k_inl(uint16_t port)
{
	uint32_t v;
	__asm__ volatile("inl %1, %0" : "=a"(v) : "Nd"(port));
	return v;
}

/* Device registers and wild addresses: one plain mov each, which every KVM can decode. */
static inline uint8_t k_read8(uint64_t a)
{
	uint8_t v;
	__asm__ volatile("movb (%1), %0" : "=r"(v) : "r"(a) : "memory");
	return v;
}
static inline uint16_t k_read16(uint64_t a)
{
	uint16_t v;
	__asm__ volatile("movw (%1), %0" : "=r"(v) : "r"(a) : "memory");
	return v;
}
static inline uint32_t k_read32(uint64_t a)
{
	uint32_t v;
	__asm__ volatile("movl (%1), %0" : "=r"(v) : "r"(a) : "memory");
	return v;
}
static inline uint64_t k_read64(uint64_t a)
{
	uint64_t v;
	__asm__ volatile("movq (%1), %0" : "=r"(v) : "r"(a) : "memory");
	return v;
}
static inline void k_write8(uint64_t a, uint8_t v)
{
	__asm__ volatile("movb %0, (%1)" ::"r"(v), "r"(a) : "memory");
}
static inline void k_write16(uint64_t a, uint16_t v)
{
	__asm__ volatile("movw %0, (%1)" ::"r"(v), "r"(a) : "memory");
}
static inline void k_write32(uint64_t a, uint32_t v)
{
	__asm__ volatile("movl %0, (%1)" ::"r"(v), "r"(a) : "memory");
}
static inline void k_write64(uint64_t a, uint64_t v)
{
	__asm__ volatile("movq %0, (%1)" ::"r"(v), "r"(a) : "memory");
}

static inline void k_wrmsr(uint32_t msr, uint64_t v)
{
	__asm__ volatile("wrmsr" ::"c"(msr), "a"((uint32_t)v), "d"((uint32_t)(v >> 32)) : "memory");
}
static inline uint64_t k_rdmsr(uint32_t msr)
{
	uint32_t lo, hi;
	__asm__ volatile("rdmsr" : "=a"(lo), "=d"(hi) : "c"(msr));
	return (uint64_t)hi << 32 | lo;
}
static inline void k_cpuid(uint32_t leaf, uint32_t sub, uint32_t r[4])
{
	__asm__ volatile("cpuid"
			 : "=a"(r[0]), "=b"(r[1]), "=c"(r[2]), "=d"(r[3])
			 : "a"(leaf), "c"(sub));
}

/* k_trap.c */
void k_trap_init(unsigned cpu);
void k_gate(unsigned vector, bool present);
void k_panic(const char *why) __attribute__((noreturn));

/* k_apic.c */
void k_apic_init(bool boot_cpu);
void k_apic_eoi(void);
uint32_t k_apic_id(void);
void k_apic_ipi(uint32_t apic_id, uint32_t command);
void k_ioapic_route(unsigned pin, unsigned vector, bool masked);
uint64_t k_wait(void *timeout_us);
uint64_t k_pit_start(void *hz);

/* k_time.c, time.c. The first 32 bytes are struct pvclock_vcpu_time_info, written by the host. */
struct rt_clock {
	uint32_t version, zero;
	uint64_t tsc_timestamp, system_time;
	uint32_t tsc_to_system_mul;
	int8_t tsc_shift;
	uint8_t flags, pad[2];
	uint64_t hz, tsc_start, us_start;
	bool is_kvmclock;
} __attribute__((aligned(64)));
extern struct rt_clock rt_clocks[MAX_CPUS];
void rt_clock_zero(struct rt_clock *c); /* both clocks count from this moment */
void k_time_init(unsigned cpu);
uint64_t k_rtc_read(void *date);

/* k_paging.c */
void k_paging_init(void);
uint64_t k_map_user(void *range); /* struct rt_range */
void k_flush_page(uint64_t address);

/* k_smp.c */
struct k_start {
	unsigned index;
	void (*fn)(void *);
	void *arg;
};
uint64_t k_cpu_start(void *start);

/* k_pci.c */
uint32_t k_pci_read(unsigned dev, unsigned fn, unsigned offset);
void k_pci_write(unsigned dev, unsigned fn, unsigned offset, uint32_t v);
uint64_t k_pci_scan(void *unused);

/* The console: k_virtio.c, or k_serial.c where there is none. */
bool k_virtio_init(void);
void k_virtio_interrupt(unsigned vector);
void k_virtio_submit(const char *text, size_t len); /* ends when the buffer is handed over */
bool k_virtio_busy(void);
void k_virtio_tx_interrupts(bool on);
void k_virtio_refill(void); /* there is room for input again */
void k_serial_init(void);
void k_serial_interrupt(void);
void k_serial_submit(const char *text, size_t len);
void k_serial_refill(void);
void k_emergency(const char *text); /* for the panic report: waits, needs no interrupt */
struct rt_text {
	const char *text;
	size_t len;
};
void k_console_init(void);
uint64_t k_console_write(void *text); /* struct rt_text; it is read until the next write ends */
uint64_t k_console_drain(void *unused);
uint64_t k_console_refill(void *unused);

/* Between interrupt and program: one writer, one reader each. Ring 3 can read and write it. */
#define RT_INPUT 4096
struct rt_console {
	volatile uint32_t head, tail; /* input ring: the handler moves head, rt_getc() moves tail */
	volatile uint32_t full;       /* the handler had to leave input with the device */
	volatile uint16_t cols, rows;
	volatile bool size_known;
	uint8_t input[RT_INPUT];
};
extern struct rt_console rt_console;
static inline uint32_t rt_input_room(void)
{
	return RT_INPUT - (rt_console.head - rt_console.tail);
}
void k_input(const uint8_t *data, size_t len); /* the caller looked at the room before */

#define RT_USER_STACK 32768
struct rt_call {
	rt_fn *fn;
	void *arg;
	struct rt_try *try;
};
uint64_t rt_call_try(void *call);

/* start.S */
extern uint64_t pml4[512], pdpt[512], pd0[512], pt0[512], gdt_tss[2 * MAX_CPUS], idt[2 * VECTORS];
extern uint8_t kernel_stacks[MAX_CPUS][KERNEL_STACK], trap_stubs[];
extern uint8_t ap_trampoline[], ap_trampoline_end[];
extern uint32_t ap_stack;
extern uint8_t rt_ring0_door[], rt_try_fault[];
void k_enter_user(void (*fn)(void *), void *arg, uint64_t rsp) __attribute__((noreturn));
void k_main(uint32_t start_info) __attribute__((noreturn));
void k_ap_main(void) __attribute__((noreturn));
void k_cpu_init(unsigned cpu);
void k_trap(struct k_frame *f);

/* guest.ld */
extern uint8_t image_start[], text_end[], rodata_end[], kdata_end[], user_end[], image_end[];

#endif
