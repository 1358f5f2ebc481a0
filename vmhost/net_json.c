/*
 * net_json.c - what is told of the host ends of a VM's cards: x-network, a line for x-devices. See net.h.
 * Main thread.
 */
#include "vmhost/net_priv.h"
#include "vmhost/host.h"
#include "vmhost/qmp.h"
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

/* The other process writes @from of @s: copied under the sequence lock; what is in it is made harmless by
 * whoever uses it. */
static void copy_text(struct net_shared *s, const char *from, char *out, size_t size)
{
	unsigned before = 1, after = 0;

	for (unsigned tries = 0; tries < 100 && (before & 1 || before != after); tries++) {
		before = atomic_load(&s->seq);
		memcpy(out, from, size);
		atomic_thread_fence(memory_order_seq_cst);
		after = atomic_load(&s->seq);
	}
	out[size - 1] = '\0';
}

static json_t *connections(struct net_shared *s)
{
	static char text[NET_TEXT]; /* main thread */
	json_t *list = json_array();
	char *line, *save = NULL;

	copy_text(s, s->text, text, sizeof(text));
	line = strtok_r(text, "\r\n", &save); /* the first says what the columns are */
	while (line && (line = strtok_r(NULL, "\r\n", &save)))
		json_array_append_new(list, qmp_text(line + strspn(line, " ")));
	return list;
}

/* What is no address is left out. */
static json_t *addresses(struct net_shared *s)
{
	char text[sizeof(s->guest)], *one, *save = NULL;
	json_t *list = json_array();
	struct in6_addr any;

	copy_text(s, s->guest, text, sizeof(text));
	for (one = strtok_r(text, " ", &save); one; one = strtok_r(NULL, " ", &save))
		if (inet_pton(AF_INET, one, &any) == 1 || inet_pton(AF_INET6, one, &any) == 1)
			json_array_append_new(list, json_string(one));
	return list;
}

static json_t *count_json(const struct dev_net_count *c, uint64_t more)
{
	return json_pack("{s:I, s:I, s:I}", "packets", (json_int_t)c->packets, "bytes",
		(json_int_t)c->bytes, "dropped", (json_int_t)(c->dropped + more));
}

static json_t *one_json(struct net *n)
{
	const struct dev_net *d = n->dev;
	char mac[18], text[64];
	json_t *o, *fwd;

	snprintf(mac, sizeof(mac), "%02x:%02x:%02x:%02x:%02x:%02x", d->mac[0], d->mac[1], d->mac[2],
		d->mac[3], d->mac[4], d->mac[5]);
	o = json_pack("{s:s, s:s, s:s, s:b, s:o, s:o}", "id", n->spec.name, "type",
		n->spec.tap ? "tap" : "user", "mac", mac, "link", d->link, "received",
		count_json(&d->rx, n->shared ? atomic_load(&n->shared->dropped) : 0), "sent",
		count_json(&d->tx, 0));
	if (n->spec.tap) {
		json_object_set_new(o, "ifname", qmp_text(n->spec.ifname));
		return o;
	}
	fwd = json_array();
	for (unsigned i = 0; i < n->spec.nforwards; i++) {
		net_forward_text(&n->spec.forward[i], text, sizeof(text));
		json_array_append_new(fwd, json_string(text));
	}
	json_object_set_new(o, "guest", addresses(n->shared));
	json_object_set_new(o, "forwards", fwd);
	json_object_set_new(o, "restarts", json_integer((json_int_t)n->restarts));
	json_object_set_new(o, "connections", connections(n->shared));
	return o;
}

json_t *nets_json(struct nets *nets)
{
	json_t *list = json_array();

	if (!nets)
		return list;
	vmc_device_lock(nets->host->vm);
	for (unsigned i = 0; i < nets->n; i++)
		json_array_append_new(list, one_json(&nets->net[i]));
	vmc_device_unlock(nets->host->vm);
	return list;
}

bool nets_about(struct nets *nets, const char *name, char *out, size_t size)
{
	char guest[sizeof(((struct net_shared *)NULL)->guest)], text[64];
	struct net *n = NULL;
	size_t pos;

	for (unsigned i = 0; nets && i < nets->n; i++)
		if (!strcmp(nets->net[i].spec.name, name))
			n = &nets->net[i];
	if (!n)
		return false;
	if (n->spec.tap) {
		snprintf(out, size, "tap %s", n->spec.ifname);
		return true;
	}
	copy_text(n->shared, n->shared->guest, guest, sizeof(guest));
	for (char *p = guest; *p; p++) /* the other process wrote it */
		if (!strchr("0123456789abcdef:. ", *p))
			*p = '?';
	pos = (size_t)snprintf(out, size, "user network; the guest is %s", *guest ? guest : "not heard of yet");
	for (unsigned i = 0; i < n->spec.nforwards && pos < size; i++) {
		net_forward_text(&n->spec.forward[i], text, sizeof(text));
		pos += (size_t)snprintf(out + pos, size - pos, "%s %s", i ? "," : "; forwards", text);
	}
	return true;
}
