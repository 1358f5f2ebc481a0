/*
 * test_devices_vsock.c - sockets between guest and host, with a vhost that does what the test says: packets both
 * ways, drivers and hosts that break the rules, pauses, resets, saved state.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>

#include "devices/models.h"
#include "devices/relay.h"
#include "tests/lib/devfix.h"
#include "tests/lib/fakevhost.h"
/* after devices/virtio.h, whose names it makes macros */
#include <linux/vhost.h>

enum {
	SLOT = 4,
	RING = 0x400000,
	RX_DATA = 0x500000,
	TX_DATA = 0x600000,
	EVENTS = 0x6f0000,
	MSI = 0x61,
	NEEDS_RESET = 64,
	CID = 42,
	HEADER = 44,
};
#define SEQPACKET (1ull << 1)

struct rig {
	struct fix *f;
	struct vdrv d;
};

static struct machine_config config(uint32_t cid)
{
	return (struct machine_config){ .cols = 80, .rows = 24,
		.vsock = { .cid = cid, .path = "/dev/null", .ioctl = fake_vhost_ioctl } };
}

static struct rig rig_new(uint32_t cid)
{
	const struct machine_config cfg = config(cid);
	struct rig r;

	fake_vhost_init();
	r.f = fix_new_with(&cfg);
	fix_find(r.f, &r.d, SLOT);
	return r;
}

static void start(struct rig *r)
{
	assert_int_equal(vdrv_start_n(&r->d, VD_F_INDIRECT, 3, 16, RING, MSI), 15);
	assert_true(fix_run(r->f));
}

/* One buffer of @len bytes for packets to the guest; two descriptors, as old drivers have them. */
static void give(struct rig *r, unsigned n, uint32_t len)
{
	vdrv_set_desc(&r->d, 0, 2 * n, RX_DATA + n * 0x2000, HEADER, VD_WRITE | VD_NEXT, 2 * n + 1);
	vdrv_set_desc(&r->d, 0, 2 * n + 1, RX_DATA + n * 0x2000 + 0x1000, len - HEADER, VD_WRITE, 0);
	vdrv_add(&r->d, 0, 2 * n);
	vdrv_kick(&r->d, 0);
}

static void say(struct rig *r, unsigned n, const char *text)
{
	uint8_t *at = fake_ram(r->f->vm, TX_DATA + n * 0x1000);

	memset(at, 'h', HEADER);
	strcpy((char *)at + HEADER, text);
	vdrv_set_desc(&r->d, 1, n, TX_DATA + n * 0x1000, HEADER + strlen(text), 0, 0);
	vdrv_add(&r->d, 1, n);
	vdrv_kick(&r->d, 1);
}

static bool sent(const char *text)
{
	char packet[256] = { 0 };

	memset(packet, 'h', HEADER);
	strcpy(packet + HEADER, text);
	return fake_vhost_send(packet, HEADER + strlen(text));
}

static bool heard(const char *text)
{
	char packet[4096] = { 0 };

	return fake_vhost_receive(packet, sizeof(packet)) == (long)(HEADER + strlen(text)) &&
	       !strcmp(packet + HEADER, text);
}

static bool took(struct rig *r, unsigned queue, uint32_t want_id, uint32_t want_len)
{
	uint32_t id, len;

	assert_true(fix_run(r->f));
	if (!vdrv_take(&r->d, queue, &id, &len))
		return false;
	assert_int_equal(id, want_id);
	assert_int_equal(len, want_len);
	return true;
}

static const char *note(struct rig *r)
{
	static struct vmc_device_info info;

	info = fix_info(r->f, "vsock");
	return info.note;
}

static bool broken(struct rig *r)
{
	return fix_run(r->f) && vdrv_status(&r->d) & NEEDS_RESET && !fake_vhost.running;
}

static void test_config(void **state)
{
	struct rig r = rig_new(0xfffffffe);

	(void)state;
	assert_int_equal(vdrv_cfg_read(&r.d, 2, 2), 0x1053);
	assert_int_equal(vdrv_read(&r.d, r.d.device, 8), 0xfffffffe);
	assert_int_equal(vdrv_read(&r.d, r.d.device, 4), 0xfffffffe);
	assert_int_equal(vdrv_read(&r.d, r.d.device + 4, 4), 0);
	assert_int_equal(fake_vhost.cid, 0xfffffffe);
	assert_int_equal(vdrv_offered(&r.d),
		VD_F_VERSION_1 | VD_F_INDIRECT | VD_F_EVENT_IDX | VD_F_RING_RESET | SEQPACKET);
	assert_false(fake_vhost.running);
	start(&r);
	assert_true(fake_vhost.running);
	assert_int_equal(fake_vhost.agreed, VD_F_VERSION_1);
	/* RAM, and not the ROM */
	assert_int_equal(fake_vhost.nregions, 1);
	assert_int_equal(fake_vhost.region[0].size, FIX_RAM);
	vdrv_set_status(&r.d, 0);
	assert_false(fake_vhost.running);
	assert_int_equal(vdrv_start_n(&r.d, SEQPACKET, 3, 16, RING, MSI), 15);
	assert_true(fix_run(r.f));
	assert_int_equal(fake_vhost.agreed, VD_F_VERSION_1 | SEQPACKET);
	fix_free(r.f);
}

static void test_both_ways(void **state)
{
	struct rig r = rig_new(CID);

	(void)state;
	start(&r);
	assert_false(sent("nobody listens"));
	give(&r, 0, 4096);
	give(&r, 1, 4096);
	fake_dirty_clear(r.f->vm);
	assert_true(fix_run(r.f));
	assert_true(fake_vhost_kicked(0));
	assert_true(sent("to the guest"));
	assert_true(took(&r, 0, 0, HEADER + 12));
	assert_memory_equal(fake_ram(r.f->vm, RX_DATA + 0x1000), "to the guest", 12);
	assert_int_equal(fake_msi_take(r.f->vm, MSI + 1), 1);
	/* what vhost wrote is marked, the rest is not */
	assert_true(fake_dirty_take(r.f->vm, RX_DATA));
	assert_true(fake_dirty_take(r.f->vm, RX_DATA + 0x1000));
	assert_false(fake_dirty_take(r.f->vm, RX_DATA + 0x2000));
	assert_false(fake_dirty_take(r.f->vm, RX_DATA + 0x3000));

	say(&r, 3, "from the guest");
	assert_true(fix_run(r.f));
	assert_true(fake_vhost_kicked(1));
	assert_true(heard("from the guest"));
	assert_true(took(&r, 1, 3, 0));
	assert_int_equal(fake_msi_take(r.f->vm, MSI + 2), 1);
	assert_false(fake_dirty_take(r.f->vm, TX_DATA + 0x3000));
	assert_string_equal(note(&r), "CID 42, 1 packets to the guest, 1 from it");
	/* a header alone, in a page of its own: its neighbour stays clean */
	assert_true(sent(""));
	assert_true(took(&r, 0, 2, HEADER));
	assert_true(fake_dirty_take(r.f->vm, RX_DATA + 0x2000));
	assert_false(fake_dirty_take(r.f->vm, RX_DATA + 0x3000));
	fix_free(r.f);
}

/* Round and round the rings, more than their indices can count. */
static void test_many(void **state)
{
	struct rig r = rig_new(CID);
	unsigned i;

	(void)state;
	start(&r);
	for (i = 0; i < 70000; i++) {
		give(&r, i % 4, 4096);
		say(&r, i % 4, "x");
		assert_true(fix_run(r.f));
		assert_true(sent("y") && heard("x"));
		assert_true(took(&r, 0, 2 * (i % 4), HEADER + 1));
		assert_true(took(&r, 1, i % 4, 0));
	}
	fix_free(r.f);
}

/* Chains with more pieces than there is room for: the rest follows when some are back. */
static void test_little_room(void **state)
{
	struct rig r = rig_new(CID);
	struct vd_desc *table = (void *)fake_ram(r.f->vm, 0x300000);
	enum { PIECES = 128, CHAINS = 12 }; /* together half as much again as RELAY_SIZE */
	unsigned i, first;

	(void)state;
	assert_int_equal(vdrv_start_n(&r.d, VD_F_INDIRECT, 3, 128, RING, MSI), 15);
	for (i = 0; i < PIECES; i++)
		table[i] = (struct vd_desc){ TX_DATA + i, 1, i + 1 < PIECES ? VD_NEXT : 0, i + 1 };
	for (i = 0; i < CHAINS; i++) {
		vdrv_set_desc(&r.d, 1, i, 0x300000, sizeof(*table) * PIECES, VD_INDIRECT, 0);
		vdrv_add(&r.d, 1, i);
	}
	vdrv_kick(&r.d, 1);
	assert_true(fix_run(r.f));
	first = fake_vhost_waiting(1);
	assert_int_equal(first, RELAY_SIZE / PIECES);
	for (i = 0; i < CHAINS; i++) {
		char packet[4096];

		assert_int_equal(fake_vhost_receive(packet, sizeof(packet)), PIECES);
		assert_true(took(&r, 1, i, 0));
	}
	assert_int_equal(fake_vhost_receive(table, 0), -1);
	fix_free(r.f);
}

/* ---- drivers that break the rules ---- */

static void refuse(const char *why, unsigned queue, uint64_t addr, uint32_t len, uint16_t flags)
{
	struct rig r = rig_new(CID);

	start(&r);
	vdrv_set_desc(&r.d, queue, 0, addr, len, flags, 0);
	vdrv_add(&r.d, queue, 0);
	vdrv_kick(&r.d, queue);
	assert_true(broken(&r));
	assert_string_equal(note(&r), why);
	assert_int_equal(fake_msi_take(r.f->vm, MSI), 1);
	/* a reset mends it */
	start(&r);
	give(&r, 0, 4096);
	assert_true(fix_run(r.f));
	assert_true(sent("again"));
	assert_true(took(&r, 0, 0, HEADER + 5));
	fix_free(r.f);
}

static void test_rules(void **state)
{
	(void)state;
	refuse("queue 0: a buffer of the other direction", 0, RX_DATA, 4096, 0);
	refuse("queue 1: a buffer of the other direction", 1, TX_DATA, 4096, VD_WRITE);
	refuse("queue 0: 43 bytes for a packet, whose header alone has 44", 0, RX_DATA, 43, VD_WRITE);
	refuse("queue 1: 0 bytes for a packet, whose header alone has 44", 1, TX_DATA, 0, 0);
	refuse("queue 0: 4096 bytes at 0xc0000000 are not writable memory", 0, FAKE_ROM, 4096, VD_WRITE);
	refuse("queue 1: 64 bytes at 0xffffff0 are not memory", 1, FIX_RAM - 16 + 0xf000000, 64, 0);
}

/* The same buffer again and again: no more of them than a queue has. */
static void test_too_many(void **state)
{
	struct rig r = rig_new(CID);
	unsigned i;

	(void)state;
	start(&r);
	vdrv_set_desc(&r.d, 0, 0, RX_DATA, 4096, VD_WRITE, 0);
	for (i = 0; i < 17; i++) {
		vdrv_add(&r.d, 0, 0);
		vdrv_kick(&r.d, 0);
		assert_true(fix_run(r.f));
	}
	assert_true(broken(&r));
	assert_string_equal(note(&r), "queue 0: more than its 16 buffers");
	fix_free(r.f);
}

/* ---- hosts that fail ---- */

static void test_vhost_error(void **state)
{
	struct rig r = rig_new(CID);

	(void)state;
	start(&r);
	give(&r, 0, 4096);
	fake_vhost_error();
	assert_true(broken(&r));
	assert_non_null(strstr(note(&r), "refused a packet"));
	start(&r);
	give(&r, 0, 4096);
	assert_true(fix_run(r.f));
	fake_vhost_nonsense();
	assert_true(broken(&r));
	assert_non_null(strstr(note(&r), "never had"));
	fix_free(r.f);
}

static void test_no_start(void **state)
{
	static const unsigned long requests[] = { VHOST_SET_FEATURES, VHOST_SET_MEM_TABLE, VHOST_SET_VRING_BASE,
		VHOST_VSOCK_SET_RUNNING };
	unsigned i;

	(void)state;
	for (i = 0; i < sizeof(requests) / sizeof(requests[0]); i++) {
		struct rig r = rig_new(CID);

		fake_vhost.fail = requests[i];
		fake_vhost.fail_errno = EFAULT;
		start(&r);
		assert_true(broken(&r));
		assert_string_equal(note(&r), "vhost-vsock does not start");
		start(&r);
		assert_true(fake_vhost.running);
		fix_free(r.f);
	}
}

/* It is closed then, so it has stopped all the same; and stays so. */
static void test_no_stop(void **state)
{
	struct rig r = rig_new(CID);

	(void)state;
	start(&r);
	fake_vhost.fail = VHOST_VSOCK_SET_RUNNING;
	fake_vhost.fail_errno = EPERM;
	fake_quiesce(r.f->vm);
	fake_vhost.running = false; /* as the kernel does at the last close */
	fake_resume(r.f->vm);
	assert_true(broken(&r));
	assert_string_equal(note(&r), "vhost-vsock does not start");
	start(&r);
	assert_true(broken(&r));
	fix_free(r.f);
}

/* @fail: the request that is refused; 0: none. */
static void not_made(int rc, const char *message, unsigned long fail, int error, const char *path)
{
	struct vmc_vm *vm = fake_vm_new(1 << 20);
	struct event_base *base = event_base_new();
	const struct vsock_config cfg = { CID, path, fake_vhost_ioctl };
	struct vdev *v;

	fake_vhost.owner = false;
	fake_vhost.fail = fail;
	fake_vhost.fail_errno = error;
	assert_int_equal(virtio_vsock_new(vm, base, &cfg, &v), rc);
	assert_non_null(strstr(fake_error(vm), message));
	fake_vm_free(vm);
	event_base_free(base);
}

static void test_not_made(void **state)
{
	(void)state;
	fake_vhost_init();
	not_made(-ENOENT, "/nonexistent/vhost-vsock: No such file or directory; the host's kernel needs its module: "
		"modprobe vhost_vsock", 0, 0, "/nonexistent/vhost-vsock");
	not_made(-EADDRINUSE, "CID 42 is in use: another VM", VHOST_VSOCK_SET_GUEST_CID, EADDRINUSE, "/dev/null");
	not_made(-EINVAL, "refuses CID 42", VHOST_VSOCK_SET_GUEST_CID, EINVAL, "/dev/null");
	not_made(-EBUSY, "VHOST_SET_OWNER", VHOST_SET_OWNER, EBUSY, "/dev/null");
	not_made(-EFAULT, "VHOST_GET_FEATURES", VHOST_GET_FEATURES, EFAULT, "/dev/null");
	not_made(-EINVAL, "VHOST_SET_VRING_NUM", VHOST_SET_VRING_NUM, EINVAL, "/dev/null");
	not_made(-EINVAL, "VHOST_SET_VRING_ADDR", VHOST_SET_VRING_ADDR, EINVAL, "/dev/null");
	not_made(-EBADF, "VHOST_SET_VRING_KICK", VHOST_SET_VRING_KICK, EBADF, "/dev/null");
	not_made(-EBADF, "VHOST_SET_VRING_CALL", VHOST_SET_VRING_CALL, EBADF, "/dev/null");
	not_made(-EBADF, "VHOST_SET_VRING_ERR", VHOST_SET_VRING_ERR, EBADF, "/dev/null");
	fake_vhost.features &= ~VD_F_VERSION_1;
	not_made(-ENOTSUP, "knows no virtio 1.0", 0, 0, "/dev/null");
}

/* ---- pauses and resets ---- */

static void test_pause(void **state)
{
	struct rig r = rig_new(CID);

	(void)state;
	start(&r);
	give(&r, 0, 4096);
	give(&r, 1, 4096);
	give(&r, 2, 4096);
	say(&r, 0, "one");
	say(&r, 1, "two");
	assert_true(fix_run(r.f));
	/* done, and not yet looked at, when the pause comes */
	assert_true(sent("first"));
	assert_true(heard("one"));
	fake_quiesce(r.f->vm);
	assert_false(fake_vhost.running);
	assert_true(took(&r, 0, 0, HEADER + 5));
	assert_true(took(&r, 1, 0, 0));
	say(&r, 2, "three");
	assert_true(fix_run(r.f));
	assert_false(fake_vhost.running);
	assert_false(sent("into a paused guest") || heard("two"));
	fake_dirty_clear(r.f->vm);
	fake_msi_take(r.f->vm, MSI + 1);
	assert_int_equal(fake_vhost.starts, 1);
	fake_resume(r.f->vm);
	assert_true(fix_run(r.f));
	assert_int_equal(fake_vhost.starts, 2);
	/* what was under way, in order */
	assert_true(fake_vhost_kicked(0) && fake_vhost_kicked(1));
	assert_int_equal(fake_vhost_waiting(0), 2);
	assert_true(sent("second"));
	assert_true(took(&r, 0, 2, HEADER + 6));
	assert_true(heard("two"));
	assert_true(heard("three"));
	assert_true(took(&r, 1, 1, 0));
	assert_true(took(&r, 1, 2, 0));
	fix_free(r.f);
}

/* While the VM stands, a buffer becomes something that it cannot be. */
static void test_changed_buffer(void **state)
{
	struct rig r = rig_new(CID);

	(void)state;
	start(&r);
	give(&r, 0, 4096);
	assert_true(fix_run(r.f));
	fake_quiesce(r.f->vm);
	vdrv_set_desc(&r.d, 0, 1, 0x7fffffff000, 4096, VD_WRITE, 0);
	fake_resume(r.f->vm);
	assert_true(broken(&r));
	fix_free(r.f);
}

static void test_reset(void **state)
{
	struct rig r = rig_new(CID);

	(void)state;
	start(&r);
	give(&r, 0, 4096);
	assert_true(fix_run(r.f));
	assert_true(sent("for the old driver"));
	vdrv_set_status(&r.d, 0);
	assert_false(fake_vhost.running);
	memset(fake_ram(r.f->vm, RX_DATA), 0, 0x2000);
	assert_true(fix_run(r.f)); /* its call is still there */
	start(&r);
	assert_int_equal(fake_vhost_waiting(0), 0);
	give(&r, 1, 4096);
	assert_true(fix_run(r.f));
	assert_true(sent("new"));
	assert_true(took(&r, 0, 2, HEADER + 3));
	assert_int_equal(*fake_ram(r.f->vm, RX_DATA + 0x1000), 0);
	fake_quiesce(r.f->vm);
	fake_reset(r.f->vm);
	fake_resume(r.f->vm);
	assert_true(fix_run(r.f));
	assert_false(fake_vhost.running);
	fix_free(r.f);
}

static void reset_queue(struct rig *r, unsigned queue)
{
	vdrv_write(&r->d, r->d.common + 0x16, 2, queue); /* queue_select, queue_reset: §4.1.4.3 */
	vdrv_write(&r->d, r->d.common + 0x3a, 2, 1);
}

static void test_queue_reset(void **state)
{
	struct rig r = rig_new(CID);

	(void)state;
	assert_int_equal(vdrv_start_n(&r.d, VD_F_RING_RESET, 3, 16, RING, MSI), 15);
	give(&r, 0, 4096);
	say(&r, 0, "stays");
	say(&r, 1, "stays too");
	assert_true(fix_run(r.f));
	assert_true(heard("stays"));
	reset_queue(&r, 0);
	assert_false(sent("no queue"));
	assert_true(took(&r, 1, 0, 0)); /* what was done before */
	assert_true(fake_vhost.running);
	assert_int_equal(fake_vhost_waiting(0), 0);
	assert_true(heard("stays too"));
	assert_true(took(&r, 1, 1, 0));
	vdrv_queue(&r.d, 0, 16, RING);
	vdrv_enable(&r.d, 0);
	give(&r, 0, 4096);
	assert_true(fix_run(r.f));
	assert_true(sent("a new queue"));
	assert_true(took(&r, 0, 0, HEADER + 11));
	reset_queue(&r, 2);
	assert_true(fake_vhost.running);
	fix_free(r.f);
}

/* The guest takes the device the right to touch its memory: vhost stops, and nothing is lost. */
static void test_bus_master(void **state)
{
	struct rig r = rig_new(CID);
	uint32_t command;

	(void)state;
	start(&r);
	give(&r, 0, 4096);
	assert_true(fix_run(r.f));
	command = vdrv_cfg_read(&r.d, 4, 2);
	vdrv_cfg_write(&r.d, 4, 2, command & ~4u);
	assert_false(fake_vhost.running);
	assert_true(fix_run(r.f));
	assert_false(sent("no"));
	vdrv_cfg_write(&r.d, 4, 2, command);
	assert_true(fix_run(r.f));
	assert_true(sent("yes"));
	assert_true(took(&r, 0, 0, HEADER + 3));
	fix_free(r.f);
}

/* ---- saved state ---- */

static void give_event(struct rig *r, unsigned n, uint32_t len, uint16_t flags)
{
	memset(fake_ram(r->f->vm, EVENTS + 16 * n), 0xee, 16);
	vdrv_set_desc(&r->d, 2, n, EVENTS + 16 * n, len, flags, 0);
	vdrv_add(&r->d, 2, n);
	vdrv_kick(&r->d, 2);
}

static void save(struct rig *r, struct vmc_out *out)
{
	fake_quiesce(r->f->vm);
	fake_save(r->f->vm, "vsock", out);
}

/* Another VM with the state and the memory of @from, whose vhost has gone. */
static struct rig loaded(struct rig *from, const struct vmc_out *state, uint32_t cid)
{
	struct rig r = rig_new(cid);
	struct vmc_in in;

	fake_copy(r.f->vm, from->f->vm);
	assert_int_equal(fake_load(r.f->vm, "vsock", state->data, state->len, &in), 0);
	memcpy(r.d.q, from->d.q, sizeof(r.d.q));
	return r;
}

static void test_snapshot(void **state)
{
	struct rig a = rig_new(CID), b;
	struct vmc_out out;

	(void)state;
	start(&a);
	give(&a, 0, 4096);
	give(&a, 1, 4096);
	say(&a, 0, "not taken yet");
	give_event(&a, 0, 4, VD_WRITE);
	assert_true(fix_run(a.f));
	save(&a, &out);
	fake_msi_take(a.f->vm, MSI);
	b = loaded(&a, &out, CID + 1);
	assert_false(fake_vhost.running);
	fake_resume(b.f->vm);
	assert_true(fix_run(b.f));
	assert_true(fake_vhost.running);
	/* the driver hears that its connections are gone, and finds another CID */
	assert_true(took(&b, 2, 0, 4));
	assert_memory_equal(fake_ram(b.f->vm, EVENTS), "\0\0\0\0\xee", 5);
	assert_true(fake_msi_take(b.f->vm, MSI + 3) >= 1);
	assert_int_equal(vdrv_read(&b.d, b.d.device, 4), CID + 1);
	/* once */
	give_event(&b, 1, 4, VD_WRITE);
	assert_false(took(&b, 2, 1, 4));
	assert_true(sent("to the new one"));
	assert_true(took(&b, 0, 0, HEADER + 14));
	assert_true(heard("not taken yet"));
	assert_true(took(&b, 1, 0, 0));
	vmc_out_free(&out);
	fix_free(a.f);
	fix_free(b.f);
}

/* No buffer for the event: it waits for one. A state from before the driver came has no connections. */
static void test_late_event(void **state)
{
	struct rig a = rig_new(CID), b;
	struct vmc_out out;

	(void)state;
	start(&a);
	save(&a, &out);
	b = loaded(&a, &out, CID);
	fake_resume(b.f->vm);
	assert_true(fix_run(b.f));
	assert_false(took(&b, 2, 0, 4));
	give_event(&b, 3, 16, VD_WRITE);
	assert_true(took(&b, 2, 3, 4));
	vdrv_set_status(&b.d, 0);
	start(&b);
	give_event(&b, 0, 16, VD_WRITE);
	assert_false(took(&b, 2, 0, 4));
	/* a buffer that no event fits into */
	fix_free(b.f);
	b = loaded(&a, &out, CID);
	fake_resume(b.f->vm);
	give_event(&b, 0, 3, VD_WRITE);
	assert_true(broken(&b));
	assert_string_equal(note(&b), "queue 2: 3 bytes for an event");
	vmc_out_free(&out);
	fix_free(a.f);
	fix_free(b.f);
}

/* Every cut of a state is refused, and so are numbers that cannot be; the device stays as it was. */
static void test_bad_state(void **state)
{
	struct rig a = rig_new(CID);
	struct vmc_out out;
	struct vmc_in in;
	size_t len;

	(void)state;
	start(&a);
	give(&a, 0, 4096);
	assert_true(fix_run(a.f));
	save(&a, &out);
	for (len = 0; len < out.len; len++)
		assert_true(fake_load(a.f->vm, "vsock", out.data, len, &in) < 0);
	/* the end: one buffer with vhost, its head, and none in the other ring */
	assert_memory_equal(out.data + out.len - 6, "\1\0\0\0\0\0", 6);
	out.data[out.len - 2] = 129;
	assert_int_equal(fake_load(a.f->vm, "vsock", out.data, out.len, &in), -EBADMSG);
	assert_string_equal(in.message, "129 buffers under way");
	fake_resume(a.f->vm);
	assert_true(fix_run(a.f));
	assert_true(sent("still here"));
	assert_true(took(&a, 0, 0, HEADER + 10));
	/* fewer than the indices say: the device breaks when it goes on */
	give(&a, 0, 4096);
	assert_true(fix_run(a.f));
	vmc_out_free(&out);
	save(&a, &out);
	out.data[out.len - 6] = 0;
	assert_int_equal(fake_load(a.f->vm, "vsock", out.data, out.len - 2, &in), 0);
	fake_resume(a.f->vm);
	assert_true(broken(&a));
	assert_string_equal(note(&a), "queue 0: 0 buffers are under way, and the indices say 1");
	vmc_out_free(&out);
	fix_free(a.f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_config),
		cmocka_unit_test(test_both_ways),
		cmocka_unit_test(test_many),
		cmocka_unit_test(test_little_room),
		cmocka_unit_test(test_rules),
		cmocka_unit_test(test_too_many),
		cmocka_unit_test(test_vhost_error),
		cmocka_unit_test(test_no_start),
		cmocka_unit_test(test_no_stop),
		cmocka_unit_test(test_not_made),
		cmocka_unit_test(test_pause),
		cmocka_unit_test(test_changed_buffer),
		cmocka_unit_test(test_reset),
		cmocka_unit_test(test_queue_reset),
		cmocka_unit_test(test_bus_master),
		cmocka_unit_test(test_snapshot),
		cmocka_unit_test(test_late_event),
		cmocka_unit_test(test_bad_state),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
