/* net_spec.c - what a definition says about a card, checked. See net.h. Main thread, at start. */
#include "vmhost/net.h"
#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#define HOW "; write tcp:HOSTPORT:GUESTPORT, tcp:ADDRESS:HOSTPORT:GUESTPORT or tcp:[IPV6]:HOSTPORT:GUESTPORT, tcp or udp"

static int bad(char *err, size_t err_size, const char *what, const char *text, const char *how)
{
	snprintf(err, err_size, "\"%.100s\"%s%s", text, what, how);
	return -EINVAL;
}

static bool parse_port(const char *text, uint16_t *out)
{
	unsigned long v;
	char *end;

	if (!isdigit((unsigned char)*text) || strlen(text) > 5)
		return false;
	v = strtoul(text, &end, 10);
	*out = (uint16_t)v;
	return !*end && v >= 1 && v <= 65535;
}

/* Cuts at colons, but for those in brackets. Return: how many parts, 0 when there are too many or a bracket
 * stands alone. */
static unsigned cut(char *p, char *part[4])
{
	unsigned n = 0;

	while (n < 4 && p) {
		part[n++] = p;
		p += strcspn(p, ":[");
		if (*p == '[') {
			p = p == part[n - 1] ? strchr(p, ']') : NULL;
			if (!p || (p[1] && p[1] != ':'))
				return 0;
			p++;
		}
		if (*p)
			*p++ = '\0';
		else
			p = NULL;
	}
	return p ? 0 : n;
}

/* "127.0.0.1", "[::1]" */
static bool parse_address(char *text, struct net_forward *fwd)
{
	fwd->v6 = *text == '[';
	if (!fwd->v6)
		return inet_pton(AF_INET, text, &fwd->addr) == 1;
	text[strlen(text) - 1] = '\0'; /* cut() has seen the bracket */
	return inet_pton(AF_INET6, text + 1, &fwd->addr6) == 1;
}

int net_parse_forward(const char *text, struct net_forward *fwd, char *err, size_t err_size)
{
	char copy[128], *part[4];
	unsigned n;

	if (strlen(text) >= sizeof(copy))
		return bad(err, err_size, " is too long", text, HOW);
	strcpy(copy, text);
	n = cut(copy, part);
	if (n < 3)
		return bad(err, err_size, " is no port forward", text, HOW);
	memset(fwd, 0, sizeof(*fwd));
	fwd->udp = strcmp(part[0], "udp") == 0;
	if (!fwd->udp && strcmp(part[0], "tcp"))
		return bad(err, err_size, ": neither tcp nor udp", text, HOW);
	fwd->addr.s_addr = htonl(INADDR_LOOPBACK);
	if (n == 4 && !parse_address(part[1], fwd))
		return bad(err, err_size, ": the address must be one of this host's IP addresses, no name", text,
			", such as 127.0.0.1 or [::1]; 0.0.0.0 and [::] are all of them");
	if (!parse_port(part[n - 2], &fwd->host) || !parse_port(part[n - 1], &fwd->guest))
		return bad(err, err_size, ": a port is a number from 1 to 65535", text, "");
	return 0;
}

void net_forward_text(const struct net_forward *fwd, char *out, size_t size)
{
	char addr[INET6_ADDRSTRLEN];

	inet_ntop(fwd->v6 ? AF_INET6 : AF_INET, fwd->v6 ? (const void *)&fwd->addr6 : &fwd->addr, addr,
		sizeof(addr));
	snprintf(out, size, fwd->v6 ? "%s:[%s]:%u:%u" : "%s:%s:%u:%u", fwd->udp ? "udp" : "tcp", addr,
		fwd->host, fwd->guest);
}

int net_parse_mac(const char *text, uint8_t mac[6], char *err, size_t err_size)
{
	char digits[13];
	unsigned n = 0;

	for (const char *p = text; *p && n < 12; p++) {
		if (isxdigit((unsigned char)*p))
			digits[n++] = *p;
		else if (*p != ':' || (p - text) % 3 != 2)
			break;
	}
	if (n != 12 || strlen(text) != 17)
		return bad(err, err_size, " is not a MAC address", text,
			"; write six pairs of hex digits: 02:00:00:12:34:56");
	for (unsigned i = 0; i < 6; i++) {
		char pair[3] = {digits[2 * i], digits[2 * i + 1], '\0'};

		mac[i] = (uint8_t)strtoul(pair, NULL, 16);
	}
	if (mac[0] & 1 || !memcmp(mac, "\0\0\0\0\0\0", 6))
		return bad(err, err_size, " is no card's address", text,
			" (the first pair must be even); 02:... is free for local use");
	return 0;
}

/* The same VM gets the same one every time: a locally administered address out of its name. */
static void make_mac(const char *name, unsigned index, uint8_t mac[6])
{
	XXH64_hash_t hash = XXH64(name, strlen(name), index);

	memcpy(mac, &hash, 6);
	mac[0] = 0x02;
}

/* All addresses of the host are this one too. */
static bool overlap(const struct net_forward *a, const struct net_forward *b)
{
	if (a->v6 != b->v6)
		return false; /* an IPv6 port is one of IPv6 only */
	if (a->v6)
		return !memcmp(&a->addr6, &b->addr6, sizeof(a->addr6)) || IN6_IS_ADDR_UNSPECIFIED(&a->addr6) ||
		       IN6_IS_ADDR_UNSPECIFIED(&b->addr6);
	return a->addr.s_addr == b->addr.s_addr || !a->addr.s_addr || !b->addr.s_addr;
}

static int same_forward(const struct net_spec *spec, const struct net_forward *f, char *err,
	size_t err_size)
{
	char text[64];

	for (unsigned i = 0; i < spec->nforwards; i++) {
		const struct net_forward *o = &spec->forward[i];

		if (o->udp != f->udp || o->host != f->host || !overlap(o, f))
			continue;
		net_forward_text(f, text, sizeof(text));
		snprintf(err, err_size, "%s: this host's port %u is forwarded twice", text, f->host);
		return -EINVAL;
	}
	return 0;
}

static int forwards(const struct def_net *d, struct net_spec *spec, char *err, size_t err_size)
{
	int rc = 0;

	for (uint32_t i = 0; i < d->forward.n && rc == 0; i++) {
		struct net_forward *f = &spec->forward[spec->nforwards];

		rc = net_parse_forward(d->forward.text[i], f, err, err_size);
		if (rc == 0 && f->v6 && !d->ipv6)
			rc = bad(err, err_size, ": an IPv6 address of the host leads to the guest's, and ipv6 is off",
				d->forward.text[i], "; write ipv6 = true, or an IPv4 address such as 127.0.0.1");
		if (rc == 0)
			rc = same_forward(spec, f, err, err_size);
		if (rc == 0)
			spec->nforwards++;
	}
	return rc;
}

int net_spec(const struct vm_def *def, unsigned index, struct net_spec *spec, char *err,
	size_t err_size)
{
	const struct def_net *d = &def->net[index];
	char why[400];
	int rc = 0;

	memset(spec, 0, sizeof(*spec));
	snprintf(spec->name, sizeof(spec->name), "net%u", index);
	spec->tap = strcmp(d->type, "tap") == 0;
	spec->ipv6 = d->ipv6;
	make_mac(def->name, index, spec->mac);
	if (d->mac)
		rc = net_parse_mac(d->mac, spec->mac, why, sizeof(why));
	if (rc == 0 && !spec->tap && d->ifname)
		rc = bad(why, sizeof(why), ": only a tap has an ifname", d->ifname,
			"; write type = \"tap\"");
	if (rc == 0 && spec->tap && d->forward.n)
		rc = bad(why, sizeof(why), ": only user networking forwards ports",
			d->forward.text[0], "; a guest behind a tap is reached directly");
	if (rc == 0 && spec->tap && (!d->ifname || !*d->ifname)) {
		snprintf(why, sizeof(why), "a tap needs a name: ifname = \"tap0\", or --net tap,ifname=tap0");
		rc = -EINVAL;
	}
	if (rc == 0 && spec->tap && strpbrk(d->ifname, "/ %"))
		rc = bad(why, sizeof(why), " is no interface's name", d->ifname, "; ip link lists those there are");
	if (rc == 0 && spec->tap && !d->ipv6)
		rc = bad(why, sizeof(why), ": what a tap carries is not looked at", "ipv6",
			"; ipv6 belongs to user networking, switch it off in the guest");
	if (rc == 0)
		rc = forwards(d, spec, why, sizeof(why));
	if (rc == 0 && d->ifname)
		snprintf(spec->ifname, sizeof(spec->ifname), "%s", d->ifname);
	if (rc < 0)
		snprintf(err, err_size, "%s: %s", spec->name, why);
	return rc;
}
