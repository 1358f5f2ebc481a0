/*
 * net_slirp_ports.c - addresses and port forwards of a user network. See net_slirp.h.
 *
 * Over IPv4 the guest is where DHCP puts it. Over IPv6 it makes its own address (RFC 4862), out of the card's
 * MAC or at random, so forwards lead to the first until the guest is heard from another. libslirp cannot
 * carry a connection from one protocol to the other: a port on an IPv6 address leads to an IPv6 address.
 */
#include "vmhost/net_slirp.h"
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#define FORGET_NS (600 * (int64_t)1000000000) /* an address that is silent for so long gives way */

enum { ETHERNET = 14, ARP_LEN = 28, IPV6_LEN = 40 };

void ports_config(struct ports *p, const struct net_spec *spec, SlirpConfig *cfg)
{
	const uint32_t card = (uint32_t)(spec->name[3] - '0'), net = 0x0a000200 + (card << 8);
	/* Addresses for local use (RFC 4193): where a name has both kinds, RFC 6724 makes guests take IPv4,
	 * which works on every host. */
	static const uint8_t local[8] = {0xfd, 'v', 'i', 't', 'r', 'n', 0, 0};

	p->spec = spec;
	p->net4.s_addr = htonl(net);
	p->dhcp4.s_addr = htonl(net + 15);
	memcpy(&p->prefix, local, sizeof(local));
	p->prefix.s6_addr[7] = (uint8_t)card;
	cfg->in_enabled = true;
	cfg->vnetwork = p->net4;
	cfg->vnetmask.s_addr = htonl(0xffffff00);
	cfg->vhost.s_addr = htonl(net + 2);
	cfg->vnameserver.s_addr = htonl(net + 3);
	cfg->vdhcp_start = p->dhcp4;
	cfg->in6_enabled = spec->ipv6;
	cfg->vprefix_addr6 = cfg->vhost6 = cfg->vnameserver6 = p->target = p->prefix;
	cfg->vprefix_len = 64;
	cfg->vhost6.s6_addr[15] = 2;
	cfg->vnameserver6.s6_addr[15] = 3;
	/* RFC 4291, appendix A */
	memcpy(&p->target.s6_addr[8], spec->mac, 3);
	p->target.s6_addr[8] ^= 2;
	p->target.s6_addr[11] = 0xff;
	p->target.s6_addr[12] = 0xfe;
	memcpy(&p->target.s6_addr[13], spec->mac + 3, 3);
}

/* The host's side of an IPv6 forward. */
static struct sockaddr_in6 host6(const struct net_forward *f)
{
	return (struct sockaddr_in6){.sin6_family = AF_INET6,
		.sin6_addr = f->addr6,
		.sin6_port = htons(f->host)};
}

static int open6(struct ports *p, const struct net_forward *f)
{
	const struct sockaddr_in6 host = host6(f), guest = {.sin6_family = AF_INET6,
		.sin6_addr = p->target,
		.sin6_port = htons(f->guest)};

	return slirp_add_hostxfwd(p->slirp, (const void *)&host, sizeof(host), (const void *)&guest,
		sizeof(guest), SLIRP_HOSTFWD_V6ONLY | (f->udp ? SLIRP_HOSTFWD_UDP : 0));
}

static int open_one(struct ports *p, const struct net_forward *f, struct net_news *say)
{
	char text[64];
	int rc;

	errno = 0;
	if (f->v6 ? open6(p, f) == 0
		  : slirp_add_hostfwd(p->slirp, f->udp, f->addr, f->host, p->dhcp4, f->guest) == 0)
		return 0;
	rc = errno ? -errno : -EIO;
	net_forward_text(f, text, sizeof(text));
	snprintf(say->text, sizeof(say->text), "forward %s: this host's port %u: %s%s", text, f->host,
		strerror(-rc),
		rc == -EADDRINUSE ? "; another program (or VM) has it: choose another port"
		: rc == -EACCES   ? "; ports below 1024 are root's: choose one above"
		: rc == -EADDRNOTAVAIL && f->v6
			? "; the address is not one of this host's, or it has no IPv6: ip -6 addr lists them"
		: rc == -EADDRNOTAVAIL ? "; the address is not one of this host's: ip addr lists them"
		: rc == -EAFNOSUPPORT  ? "; this host has no IPv6: write an IPv4 address such as 127.0.0.1"
				       : "");
	return rc;
}

int ports_open(struct ports *p, Slirp *slirp, struct net_news *say)
{
	int rc = 0;

	p->slirp = slirp;
	for (unsigned i = 0; i < p->spec->nforwards && rc == 0; i++)
		rc = open_one(p, &p->spec->forward[i], say);
	return rc;
}

/* The guest is somewhere else: forwards are opened anew, which connections outlive. The port is ours but for
 * a moment in between; should another program take it in that moment, it is tried again with the next frame. */
static void follow(struct ports *p, const struct in6_addr *to)
{
	p->target = *to;
	p->missing = false;
	for (unsigned i = 0; i < p->spec->nforwards; i++) {
		const struct net_forward *f = &p->spec->forward[i];
		const struct sockaddr_in6 host = host6(f);

		if (!f->v6)
			continue;
		slirp_remove_hostxfwd(p->slirp, (const void *)&host, sizeof(host),
			f->udp ? SLIRP_HOSTFWD_UDP : 0);
		p->missing |= open6(p, f) < 0;
	}
}

static bool look6(struct ports *p, const struct in6_addr *from, int64_t now_ns)
{
	bool new = memcmp(from, &p->guest6, sizeof(*from)) != 0;

	if (memcmp(from, &p->prefix, 8) != 0)
		return false;
	if (memcmp(from, &p->target, sizeof(*from)) != 0) {
		if (p->seen6 && now_ns - p->target_ns < FORGET_NS)
			return false; /* one more of its addresses; the one that is known is good */
		follow(p, from);
	} else if (p->missing) {
		follow(p, from);
	}
	p->seen6 = true;
	p->target_ns = now_ns;
	p->guest6 = *from;
	return new;
}

bool ports_look(struct ports *p, const uint8_t *frame, uint32_t len, int64_t now_ns)
{
	const unsigned type = len < ETHERNET ? 0 : (unsigned)frame[12] << 8 | frame[13];
	struct in6_addr six;
	struct in_addr four;

	if (type == 0x86dd && len >= ETHERNET + IPV6_LEN && p->spec->ipv6) {
		memcpy(&six, frame + ETHERNET + 8, sizeof(six));
		return look6(p, &six, now_ns);
	}
	if (type != 0x0806 || len < ETHERNET + ARP_LEN)
		return false;
	memcpy(&four, frame + ETHERNET + 14, sizeof(four)); /* ARP: who asks, or answers */
	if ((four.s_addr ^ p->net4.s_addr) & htonl(0xffffff00) || four.s_addr == p->guest4.s_addr)
		return false;
	p->guest4 = four;
	return true;
}

void ports_guest(const struct ports *p, char *out, size_t size)
{
	char four[INET_ADDRSTRLEN] = "", six[INET6_ADDRSTRLEN] = "";

	if (p->guest4.s_addr)
		inet_ntop(AF_INET, &p->guest4, four, sizeof(four));
	if (!IN6_IS_ADDR_UNSPECIFIED(&p->guest6))
		inet_ntop(AF_INET6, &p->guest6, six, sizeof(six));
	snprintf(out, size, "%s%s%s", four, *four && *six ? " " : "", six);
}
