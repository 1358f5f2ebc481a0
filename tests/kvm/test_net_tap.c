/*
 * test_net_tap.c - a tap in a network namespace of the test's own: datagrams both ways between the
 * guest, which is the test, and the host's kernel, with checksums left to the other side.
 */
#include "tests/kvm/netguest.h"
#include "tests/lib/tap.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <linux/virtio_net.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define TAP "vttap0"
static const uint8_t host_ip[4] = { 10, 9, 9, 1 }, guest_ip[4] = { 10, 9, 9, 2 };

static bool set_interface(int s, unsigned long what, struct ifreq *ifr, const uint8_t *ip)
{
	struct sockaddr_in a = { .sin_family = AF_INET };

	if (ip) {
		memcpy(&a.sin_addr, ip, 4);
		memcpy(&ifr->ifr_addr, &a, sizeof(a));
	}
	return ioctl(s, what, ifr) == 0;
}

/* A tap that stays, with an address on the host's side. Return: why there is none, or NULL. */
static const char *make_tap(uint8_t mac[6])
{
	struct ifreq ifr = { .ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR };
	const uint8_t mask[4] = { 255, 255, 255, 0 };
	int fd, s;

	if (unshare(CLONE_NEWNET) < 0 && unshare(CLONE_NEWUSER | CLONE_NEWNET) < 0)
		return "no network namespace can be had";
	fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);
	s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	strcpy(ifr.ifr_name, TAP);
	if (fd < 0 || s < 0 || ioctl(fd, TUNSETIFF, &ifr) < 0 || ioctl(fd, TUNSETPERSIST, 1) < 0)
		return "no tap can be made";
	close(fd);
	if (ioctl(s, SIOCGIFHWADDR, &ifr) < 0)
		return "the tap has no address";
	memcpy(mac, ifr.ifr_hwaddr.sa_data, 6);
	if (!set_interface(s, SIOCSIFADDR, &ifr, host_ip) ||
		!set_interface(s, SIOCSIFNETMASK, &ifr, mask))
		return "the tap takes no address";
	ifr.ifr_flags = IFF_UP | IFF_RUNNING;
	if (!set_interface(s, SIOCSIFFLAGS, &ifr, NULL))
		return "the tap does not go up";
	close(s);
	return NULL;
}

struct heard {
	int s;
	char text[64];
	ssize_t n;
	struct sockaddr_in from;
};

static bool host_heard(struct devguest *g, const void *arg)
{
	struct heard *h = (struct heard *)arg;
	socklen_t len = sizeof(h->from);

	h->n = recvfrom(h->s, h->text, sizeof(h->text), MSG_DONTWAIT, (void *)&h->from, &len);
	return h->n >= 0;
}

static bool is_answer(struct card *c, const void *arg)
{
	unsigned len;
	const uint8_t *u = net_payload(c, 17, &len);

	return u && get16(u + 2) == 777 && len == 8 + strlen(arg) && !memcmp(u + 8, arg, len - 8);
}

static void both_ways(struct card *c, const uint8_t mac[6])
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(999) };
	struct heard h = { .s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0) };
	uint8_t u[8 + 11] = { 777 >> 8, 777 & 255, 999 >> 8, 999 & 255, 0, sizeof(u) };

	memcpy(&a.sin_addr, host_ip, 4);
	tap_ok(bind(h.s, (void *)&a, sizeof(a)) == 0, "a program of the host listens");
	memcpy(u + 8, "from a tap.", 11);
	net_send_ip(c, 17, guest_ip, host_ip, mac, u, sizeof(u), 6);
	tap_ok(dg_until(c->g, host_heard, &h) && h.n == 11 && !memcmp(h.text, "from a tap.", 11) &&
			!memcmp(&h.from.sin_addr, guest_ip, 4),
		"it hears the guest, whose checksum was left to the host");
	tap_ok(sendto(h.s, "and back", 8, 0, (void *)&h.from, sizeof(h.from)) == 8 &&
			net_wait(c, is_answer, "and back"),
		"and the guest hears its answer, after it was asked for its address");
	tap_ok(c->hdr.flags & VIRTIO_NET_HDR_F_NEEDS_CSUM, "whose checksum was left to the guest");
	close(h.s);
}

struct packets {
	int s;
	const uint8_t *mac;
};

static bool announced(struct devguest *g, const void *arg)
{
	const struct packets *p = arg;
	uint8_t f[2048];
	ssize_t n;

	while ((n = recv(p->s, f, sizeof(f), MSG_DONTWAIT)) >= 0)
		if (n >= 42 && get16(f + 12) == 0x8035 && f[0] == 0xff && !memcmp(f + 6, p->mac, 6) &&
			!memcmp(f + 22, p->mac, 6) && get16(f + 20) == 3)
			return true;
	return false;
}

/* After another state was loaded, whoever sits between learns where the guest is: once, when it goes on. */
static void moves(struct card *c)
{
	struct packets p = { socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, htons(0x8035)), c->mac };

	tap_ok(p.s >= 0 && vmc_vm_pause(c->g->vm) == 0, "a pause, in which another state is loaded");
	nets_fresh(c->h.nets);
	tap_ok(!announced(c->g, &p), "nothing is sent while the VM stands");
	tap_ok(vmc_vm_resume(c->g->vm) == 0 && dg_until(c->g, announced, &p), "the card's address is announced");
	tap_ok(vmc_vm_pause(c->g->vm) == 0 && vmc_vm_resume(c->g->vm) == 0 && !announced(c->g, &p),
		"and not at every pause");
	close(p.s);
}

int main(void)
{
	static struct card card;
	struct card *c = &card;
	const char *why;
	char err[256];
	uint8_t mac[6];
	unsigned can;

	why = make_tap(mac);
	if (why) {
		tap_skip(why, "a tap");
		return tap_done();
	}
	memcpy(c->ip, guest_ip, 4);
	strcpy(c->def.name, "tap");
	c->def.nnets = 1;
	c->def.net[0].ipv6 = true;
	c->def.net[0].type = strdup("tap");
	c->def.net[0].ifname = strdup(TAP);
	tap_ok(net_open(c, "tap"), "a VM on a tap");
	if (!c->g)
		return tap_done();
	tap_ok(vdrv_offered(&c->g->d) & (1ull << VIRTIO_NET_F_HOST_TSO4), "the card offers what taps can do");
	tap_ok(net_tap_open(TAP, &can, err, sizeof(err)) == -EBUSY && strstr(err, "is busy"),
		"nobody else can have it meanwhile");
	both_ways(c, mac);
	moves(c);
	net_close(c);
	return tap_done();
}
