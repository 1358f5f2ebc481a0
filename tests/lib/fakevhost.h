/*
 * fakevhost.h - the kernel's end of vsock as struct vsock_config.ioctl, without a kernel: it keeps what it is told,
 * and moves packets when the test says so. One at a time.
 */
#ifndef TESTS_FAKEVHOST_H
#define TESTS_FAKEVHOST_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct fake_vhost {
	uint64_t features; /* what it offers */
	/* a request that fails, once, and how */
	unsigned long fail;
	int fail_errno;
	/* what it was told */
	uint64_t agreed, cid;
	bool owner, running;
	unsigned starts;
	struct {
		unsigned num;
		uint64_t desc, avail, used; /* addresses in this process */
		uint16_t last_avail, used_idx;
		int kick, call, err;
	} ring[2];
	struct {
		uint64_t gpa, size, hva;
	} region[8];
	unsigned nregions;
};
extern struct fake_vhost fake_vhost;

/** fake_vhost_init() - as a module just loaded; FEATURES: all that Linux 6.1's has. */
void fake_vhost_init(void);
int fake_vhost_ioctl(int fd, unsigned long request, void *arg);
/** fake_vhost_kicked() - were there new buffers in ring @i since the last call? */
bool fake_vhost_kicked(unsigned i);
/** fake_vhost_send() - a packet to the guest. Return: false: it has no buffer, or nothing runs. */
bool fake_vhost_send(const void *packet, size_t len);
/** fake_vhost_receive() - a packet of the guest's. Return: its length, -1: none, or nothing runs. */
long fake_vhost_receive(void *packet, size_t size);
/** fake_vhost_waiting() - buffers in ring @i that it has not used. */
unsigned fake_vhost_waiting(unsigned i);
/** fake_vhost_error() - it cannot use a packet. */
void fake_vhost_error(void);
/** fake_vhost_nonsense() - it returns a buffer that it never had. */
void fake_vhost_nonsense(void);

#endif
