/*
 * net_tap.c - opening a tap (Documentation/networking/tuntap.rst of Linux): frames with a
 * virtio_net_hdr_v1 before them, offloads as the kernel has them. Main thread; opened before the
 * sandbox, TUNSETOFFLOAD also after it.
 */
#include "vmhost/net.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define MAKE_ONE "sudo ip tuntap add dev %s mode tap user $USER && sudo ip link set %s up"

/* Which of the kernel's bits stand for ours. UFO is not offered: it is gone from Linux. */
static unsigned tun_flags(unsigned offload)
{
	return (offload & DEV_NET_CSUM ? TUN_F_CSUM : 0) |
	       (offload & DEV_NET_TSO4 ? TUN_F_TSO4 : 0) |
	       (offload & DEV_NET_TSO6 ? TUN_F_TSO6 : 0) |
	       (offload & DEV_NET_TSO_ECN ? TUN_F_TSO_ECN : 0);
}

void net_tap_offload(int fd, unsigned offload)
{
	if (!(offload & DEV_NET_CSUM))
		offload = 0; /* the kernel takes the others with it only */
	/* Refused: it keeps giving what it gave, and the card drops what the guest cannot take. */
	(void)ioctl(fd, TUNSETOFFLOAD, tun_flags(offload));
}

static int failed(const char *ifname, int rc, char *err, size_t err_size)
{
	switch (rc) {
	case -EBUSY:
		snprintf(err, err_size,
			"tap %s is busy: another VM or program has it open; give this VM its own: " MAKE_ONE,
			ifname, "tap1", "tap1");
		break;
	case -ENODEV:
		snprintf(err, err_size, "tap %s: there is none; make it: " MAKE_ONE, ifname, ifname,
			ifname);
		break;
	case -EPERM:
	case -EACCES:
		snprintf(err, err_size,
			"tap %s: no permission, it is not yours; make one that is: " MAKE_ONE, ifname,
			"tap1", "tap1");
		break;
	case -EINVAL:
		snprintf(err, err_size,
			"tap %s: there is an interface of that name that is no tap (or one with several"
			" queues); make one under another name: " MAKE_ONE,
			ifname, "tap0", "tap0");
		break;
	default:
		snprintf(err, err_size, "tap %s: %s", ifname, strerror(-rc));
	}
	return rc;
}

static int set_up(int fd, const char *ifname, unsigned *offload)
{
	struct ifreq ifr = {.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR};
	const unsigned all[] = {DEV_NET_CSUM | DEV_NET_TSO4 | DEV_NET_TSO6 | DEV_NET_TSO_ECN,
		DEV_NET_CSUM | DEV_NET_TSO4 | DEV_NET_TSO6, DEV_NET_CSUM};
	int hdr = DEV_NET_HDR, little = 1;

	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", ifname);
	if (ioctl(fd, TUNSETIFF, &ifr) < 0)
		return -errno;
	if (ioctl(fd, TUNSETVNETHDRSZ, &hdr) < 0 ||
		(ioctl(fd, TUNSETVNETLE, &little) < 0 && errno != EINVAL))
		return -errno;
	*offload = 0;
	for (unsigned i = 0; i < sizeof(all) / sizeof(all[0]) && !*offload; i++)
		if (ioctl(fd, TUNSETOFFLOAD, tun_flags(all[i])) == 0)
			*offload = all[i];
	net_tap_offload(fd, 0); /* until a guest says what it can take */
	return 0;
}

int net_tap_open(const char *ifname, unsigned *offload, char *err, size_t err_size)
{
	int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK), rc;

	if (fd < 0) {
		rc = -errno;
		if (rc == -ENOENT || rc == -ENODEV || rc == -ENXIO)
			snprintf(err, err_size,
				"tap %s: this host's kernel has no taps (/dev/net/tun: %s); as root: modprobe tun",
				ifname, strerror(-rc));
		else if (rc == -EACCES || rc == -EPERM)
			snprintf(err, err_size,
				"tap %s: /dev/net/tun: %s; as root: chmod 666 /dev/net/tun (it gives no rights"
				" over other people's taps)",
				ifname, strerror(-rc));
		else
			snprintf(err, err_size, "tap %s: /dev/net/tun: %s", ifname, strerror(-rc));
		return rc;
	}
	/* Whoever may make taps would get a new one here, without an address and gone at the end. */
	rc = if_nametoindex(ifname) ? set_up(fd, ifname, offload) : -ENODEV;
	if (rc == 0)
		return fd;
	close(fd);
	return failed(ifname, rc, err, err_size);
}
