/*
 * net_slirp.h - the process of a user network: net_slirp.c (its loop, frames, libslirp's wishes) and
 * net_slirp_ports.c (addresses, forwards) share this. One thread.
 */
#ifndef VMHOST_NET_SLIRP_H
#define VMHOST_NET_SLIRP_H
#include "vmhost/net.h"
#include <slirp/libslirp.h>

/* Where the guest is: forwards lead there. */
struct ports {
	Slirp *slirp;
	const struct net_spec *spec;
	struct in_addr net4, dhcp4; /* network order */
	struct in6_addr prefix;
	struct in_addr guest4;          /* what the guest sends from; zero: not seen yet */
	struct in6_addr guest6, target; /* the same; where IPv6 forwards lead */
	bool seen6, missing;            /* missing: a forward could not be opened anew */
	int64_t target_ns; /* when it was seen last */
};

/** ports_config() - the addresses of this network into @cfg. */
void ports_config(struct ports *p, const struct net_spec *spec, SlirpConfig *cfg);
/** ports_open() - every forward. -errno with @say->text. */
int ports_open(struct ports *p, Slirp *slirp, struct net_news *say);
/** ports_look() - at a frame of the guest's: IPv6 forwards follow its address. Return: true when an address
 * is new. */
bool ports_look(struct ports *p, const uint8_t *frame, uint32_t len, int64_t now_ns);
/** ports_guest() - the guest's addresses as text. */
void ports_guest(const struct ports *p, char *out, size_t size);

#endif
