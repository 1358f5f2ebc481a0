/*
 * devguest.c - a VM whose guest does what a mailbox says (devguest.h). PVH entry: 32-bit protected
 * mode, flat, interrupts off.
 */
#include "tests/kvm/devguest.h"
#include "tests/lib/tap.h"

#include <elf.h>
#include <event2/event.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAILBOX 0x7000u
#define CODE    0x100000u

enum { OP_NONE, OP_IN, OP_OUT, OP_READ, OP_WRITE, OP_FLAP };

struct mailbox {
	uint32_t op, addr, len, pad, value, flaps;
};

/* Polls MAILBOX.op; does it; writes 0 there. No stack, no interrupts, one page. */
__asm__(".pushsection .rodata\n"
	".code32\n"
	".globl devguest_code, devguest_code_end\n"
	"devguest_code:\n"
	"	cld\n"
	"1:	pause\n"
	"	movl 0x7000, %ebx\n"
	"	testl %ebx, %ebx\n"
	"	jz 1b\n"
	"	movl 0x7004, %edx\n"
	"	movl 0x7008, %ecx\n"
	"	movl 0x7010, %eax\n"
	"	cmpl $2, %ebx\n"
	"	jb 10f\n"
	"	je 20f\n"
	"	cmpl $4, %ebx\n"
	"	jb 30f\n"
	"	je 40f\n"
	/* write value and value ^ 2 to a port in turn, until told to stop */
	"50:	outl %eax, %dx\n"
	"	xorl $2, %eax\n"
	"	incl 0x7014\n"
	"	cmpl $5, 0x7000\n"
	"	je 50b\n"
	"	jmp 1b\n"
	/* write to memory */
	"40:	cmpl $2, %ecx\n"
	"	jb 41f\n"
	"	je 42f\n"
	"	movl %eax, (%edx)\n"
	"	jmp 9f\n"
	"42:	movw %ax, (%edx)\n"
	"	jmp 9f\n"
	"41:	movb %al, (%edx)\n"
	"	jmp 9f\n"
	/* read memory */
	"30:	cmpl $2, %ecx\n"
	"	jb 31f\n"
	"	je 32f\n"
	"	movl (%edx), %eax\n"
	"	jmp 8f\n"
	"32:	movzwl (%edx), %eax\n"
	"	jmp 8f\n"
	"31:	movzbl (%edx), %eax\n"
	"	jmp 8f\n"
	/* out */
	"20:	cmpl $2, %ecx\n"
	"	jb 21f\n"
	"	je 22f\n"
	"	outl %eax, %dx\n"
	"	jmp 9f\n"
	"22:	outw %ax, %dx\n"
	"	jmp 9f\n"
	"21:	outb %al, %dx\n"
	"	jmp 9f\n"
	/* in */
	"10:	xorl %eax, %eax\n"
	"	cmpl $2, %ecx\n"
	"	jb 11f\n"
	"	je 12f\n"
	"	inl %dx, %eax\n"
	"	jmp 8f\n"
	"12:	inw %dx, %ax\n"
	"	jmp 8f\n"
	"11:	inb %dx, %al\n"
	"8:	movl %eax, 0x7010\n"
	"9:	movl $0, 0x7000\n"
	"	jmp 1b\n"
	"devguest_code_end:\n"
	".code64\n"
	".popsection\n");
extern const uint8_t devguest_code[], devguest_code_end[];

/* The smallest PVH image: headers, one note, the code. */
static struct image {
	Elf64_Ehdr eh;
	Elf64_Phdr ph[2];
	struct {
		Elf64_Nhdr h;
		char name[4];
		uint32_t entry, pad;
	} note;
	uint8_t code[1024];
} image;

static void make_image(void)
{
	size_t len = devguest_code_end - devguest_code;

	memset(&image, 0, sizeof(image));
	memcpy(image.eh.e_ident, ELFMAG "\2\1\1", 7);
	image.eh.e_type = ET_EXEC;
	image.eh.e_machine = EM_X86_64;
	image.eh.e_version = EV_CURRENT;
	image.eh.e_entry = CODE;
	image.eh.e_phoff = offsetof(struct image, ph);
	image.eh.e_ehsize = sizeof(image.eh);
	image.eh.e_phentsize = sizeof(image.ph[0]);
	image.eh.e_phnum = 2;
	image.ph[0] = (Elf64_Phdr){ .p_type = PT_LOAD,
		.p_flags = PF_R | PF_X,
		.p_offset = offsetof(struct image, code),
		.p_vaddr = CODE,
		.p_paddr = CODE,
		.p_filesz = len,
		.p_memsz = len,
		.p_align = 1 };
	image.ph[1] = (Elf64_Phdr){ .p_type = PT_NOTE,
		.p_offset = offsetof(struct image, note),
		.p_filesz = 12 + 4 + 4,
		.p_memsz = 12 + 4 + 4,
		.p_align = 4 };
	image.note.h = (Elf64_Nhdr){ .n_namesz = 4, .n_descsz = 4, .n_type = 18 };
	memcpy(image.note.name, "Xen", 4);
	image.note.entry = CODE;
	memcpy(image.code, devguest_code, len);
}

/* ---- host ends ---- */

static size_t host_output(void *host, const void *buf, size_t len)
{
	struct devhost *h = host;
	size_t n = h->room < len ? h->room : len;

	if (n > sizeof(h->out) - h->len)
		n = sizeof(h->out) - h->len;
	memcpy(h->out + h->len, buf, n);
	h->len += n;
	h->room -= n;
	return n;
}

static void host_input_ready(void *host)
{
	struct devhost *h = host;
	size_t n;

	if (!h->pending_len)
		return;
	n = dev_stream_input(h->stream, h->pending, h->pending_len);
	h->pending += n;
	h->pending_len -= n;
}

static const struct dev_stream_host_ops host_ops = { host_output, host_input_ready };

/* ---- the guest's hands ---- */

void *dg_mem(struct devguest *g, uint64_t gpa)
{
	return vmc_mem_ptr(g->vm, gpa, 1, true);
}

static void post(struct devguest *g, uint32_t op, uint32_t addr, uint32_t len, uint32_t value)
{
	struct mailbox *box = dg_mem(g, MAILBOX);

	box->addr = addr;
	box->len = len;
	box->value = value;
	__atomic_store_n(&box->op, op, __ATOMIC_RELEASE);
}

static uint32_t ask(struct devguest *g, uint32_t op, uint32_t addr, uint32_t len, uint32_t value)
{
	struct mailbox *box = dg_mem(g, MAILBOX);
	uint64_t until = tap_now_us() + 10000000;

	if (g->stuck)
		return 0xdeadbeef;
	post(g, op, addr, len, value);
	while (__atomic_load_n(&box->op, __ATOMIC_ACQUIRE) != OP_NONE) {
		if (tap_now_us() > until) {
			tap_note("the guest does not answer: op %u at %#x (%s)", op, addr,
				vmc_state_name(vmc_vm_state(g->vm)));
			g->stuck = true;
			return 0xdeadbeef;
		}
		sched_yield();
	}
	return box->value;
}

uint32_t dg_in(struct devguest *g, uint16_t port, uint32_t len)
{
	return ask(g, OP_IN, port, len, 0);
}

void dg_out(struct devguest *g, uint16_t port, uint32_t len, uint32_t value)
{
	ask(g, OP_OUT, port, len, value);
}

void dg_post_out(struct devguest *g, uint16_t port, uint32_t len, uint32_t value)
{
	post(g, OP_OUT, port, len, value);
}

void dg_flap(struct devguest *g, uint16_t port, uint32_t value)
{
	post(g, OP_FLAP, port, 4, value);
}

uint32_t dg_flap_end(struct devguest *g)
{
	struct mailbox *box = dg_mem(g, MAILBOX);

	__atomic_store_n(&box->op, OP_NONE, __ATOMIC_RELEASE);
	return box->flaps;
}

uint32_t dg_peek(struct devguest *g, uint64_t addr)
{
	return ask(g, OP_READ, addr, 4, 0);
}

void dg_poke(struct devguest *g, uint64_t addr, uint32_t value)
{
	ask(g, OP_WRITE, addr, 4, value);
}

static void drv_pio(void *ctx, uint16_t port, void *data, uint32_t len, bool write)
{
	uint32_t value = 0;

	if (write)
		memcpy(&value, data, len);
	value = ask(ctx, write ? OP_OUT : OP_IN, port, len, value);
	if (!write)
		memcpy(data, &value, len);
}

static void drv_mmio(void *ctx, uint64_t addr, void *data, uint32_t len, bool write)
{
	uint32_t value = 0;

	if (len == 8) { /* the guest is a 32-bit one */
		drv_mmio(ctx, addr, data, 4, write);
		drv_mmio(ctx, addr + 4, (uint8_t *)data + 4, 4, write);
		return;
	}
	if (write)
		memcpy(&value, data, len);
	value = ask(ctx, write ? OP_WRITE : OP_READ, addr, len, value);
	if (!write)
		memcpy(data, &value, len);
}

static void *drv_mem(void *ctx, uint64_t gpa)
{
	return dg_mem(ctx, gpa);
}

/* ---- the VM ---- */

struct devguest *dg_new(const char *id)
{
	const struct machine_config none = { 0 };

	return dg_new_with(id, &none);
}

struct devguest *dg_new_with(const char *id, const struct machine_config *devices)
{
	const struct vmc_config cfg = {
		.id = id, .ram_bytes = DG_RAM, .vcpus = 1, .managed = true
	};
	struct machine_config mc = *devices;
	struct devguest *g = calloc(1, sizeof(*g));
	char err[256] = "";
	unsigned i;

	make_image();
	mc.cols = 80;
	mc.rows = 24;
	mc.kernel = &image;
	mc.kernel_size = sizeof(image);
	mc.cmdline = "";
	if (!g || vmc_vm_new(&cfg, &g->vm, err, sizeof(err)) < 0) {
		tap_note("no VM: %s", err);
		free(g);
		return NULL;
	}
	g->base = event_base_new();
	if (machine_new(g->vm, g->base, &mc, &g->m) < 0) {
		tap_note("no machine: %s", vmc_error(g->vm));
		vmc_vm_free(g->vm);
		event_base_free(g->base);
		free(g);
		return NULL;
	}
	for (i = 0; i < 2; i++) {
		g->host[i].room = SIZE_MAX;
		g->host[i].stream = machine_stream(g->m, i);
		g->host[i].stream->host_ops = &host_ops;
		g->host[i].stream->host = &g->host[i];
	}
	return g;
}

bool dg_boot(struct devguest *g)
{
	memset(dg_mem(g, MAILBOX), 0, sizeof(struct mailbox));
	if (machine_boot(g->m, NULL) == 0)
		return true;
	tap_note("boot: %s", vmc_error(g->vm));
	return false;
}

bool dg_start(struct devguest *g)
{
	const struct vdrv_io io = { g, drv_pio, drv_mmio, drv_mem };

	if (!dg_boot(g))
		return false;
	if (vmc_vm_start(g->vm) < 0) {
		tap_note("start: %s", vmc_error(g->vm));
		return false;
	}
	return vdrv_find(&g->d, &io, 1);
}

void dg_free(struct devguest *g)
{
	if (!g)
		return;
	vmc_vm_stop(g->vm);
	machine_free(g->m);
	vmc_vm_free(g->vm);
	event_base_free(g->base);
	free(g);
}

static void nothing(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	(void)arg;
}

void dg_turn(struct devguest *g)
{
	const struct timeval limit = { 0, 10000 };
	struct event *timer = evtimer_new(g->base, nothing, NULL);

	event_add(timer, &limit);
	event_base_loop(g->base, EVLOOP_ONCE);
	event_free(timer);
}

bool dg_until(
	struct devguest *g, bool (*cond)(struct devguest *g, const void *arg), const void *arg)
{
	uint64_t until = tap_now_us() + 10000000;

	while (!cond(g, arg)) {
		if (tap_now_us() > until || g->stuck)
			return false;
		dg_turn(g);
	}
	return true;
}

struct out_wish {
	unsigned stream;
	size_t len;
};

static bool out_there(struct devguest *g, const void *arg)
{
	const struct out_wish *w = arg;

	return g->host[w->stream].len >= w->len;
}

bool dg_until_out(struct devguest *g, unsigned stream, size_t len)
{
	const struct out_wish w = { stream, len };

	return dg_until(g, out_there, &w);
}

static bool event_there(struct devguest *g, const void *arg)
{
	return vmc_vm_event(g->vm, (struct vmc_event *)arg) == 1;
}

struct vmc_event dg_event(struct devguest *g)
{
	struct vmc_event ev = { 0 };

	dg_until(g, event_there, &ev);
	return ev;
}

bool dg_console(struct devguest *g, uint64_t features)
{
	dg_poke(g, 0xfee000f0,
		0x1ff); /* the local APIC takes messages when software has enabled it */
	return vdrv_start(&g->d, features, 16, DG_RING, 0x41) == 15;
}

void dg_tx(struct devguest *g, unsigned n, const char *text)
{
	uint64_t at = DG_DATA + 0x1000 * n;

	memcpy(dg_mem(g, at), text, strlen(text));
	vdrv_set_desc(&g->d, 1, n, at, strlen(text), 0, 0);
	vdrv_add(&g->d, 1, n);
	vdrv_kick(&g->d, 1);
}

size_t dg_input(struct devguest *g, unsigned stream, const char *text)
{
	size_t n;

	vmc_device_lock(g->vm);
	n = dev_stream_input(g->host[stream].stream, text, strlen(text));
	vmc_device_unlock(g->vm);
	return n;
}

void dg_output_ready(struct devguest *g, unsigned stream, size_t room)
{
	struct dev_stream *s = g->host[stream].stream;

	g->host[stream].room = room;
	vmc_device_lock(g->vm);
	s->dev_ops->output_ready(s->dev);
	vmc_device_unlock(g->vm);
}

bool dg_irr(struct devguest *g, unsigned vector)
{
	return dg_peek(g, 0xfee00200 + vector / 32 * 16) >> vector % 32 & 1;
}

struct vmc_device_info dg_info(struct devguest *g, const char *id)
{
	struct vmc_device_info all[16], none = { 0 };
	size_t n = vmc_device_list(g->vm, all, 16), i;

	for (i = 0; i < n; i++)
		if (!strcmp(all[i].id, id))
			return all[i];
	return none;
}
