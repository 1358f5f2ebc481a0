/*
 * net.c - the host ends of a VM's cards: frames between a card and a tap, or a card and the process
 * of a user network. See net.h. Main thread; what the cards call comes with the device lock held.
 */
#include "vmhost/net_priv.h"
#include "vmhost/control.h"
#include "vmhost/host.h"
#include "vmhost/log.h"
#include "vmhost/packet.h"
#include "vmhost/qmp.h"
#include <errno.h>
#include <event2/event.h>
#include <linux/virtio_net.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

_Static_assert(DEV_NET_BATCH <= PACKET_BATCH, "a batch goes in one call");

/* ---- frames ---- */

static void watch_write(struct net *n)
{
	if (n->write_ev)
		event_add(n->write_ev, NULL);
}

static void tap_output(void *host, struct dev_net_batch *b)
{
	struct net *n = host;

	for (; b->next < b->n; b->next++) {
		ssize_t w = write(n->fd, b->slot[b->next], b->len[b->next]);

		if (w < 0 && (errno == EAGAIN || errno == ENOBUFS)) {
			watch_write(n);
			return;
		}
		if (w < 0)
			n->dev->tx.dropped++; /* down, or a frame that it finds wrong */
	}
	n->used = true;
}

static void tap_input(void *host, struct dev_net_batch *b)
{
	struct net *n = host;

	while (b->n < DEV_NET_BATCH) {
		ssize_t r = read(n->fd, b->slot[b->n], DEV_NET_SLOT);

		if (r < 0)
			return;
		if (r < DEV_NET_HDR + DEV_NET_FRAME_MIN)
			n->dev->rx.dropped++;
		else
			b->len[b->n++] = (uint32_t)r;
	}
}

static void user_lost(struct net *n);

static void user_output(void *host, struct dev_net_batch *b)
{
	struct net *n = host;
	struct iovec iov[DEV_NET_BATCH];

	while (n->fd >= 0 && b->next < b->n) {
		unsigned count = b->n - b->next, i;
		int sent;

		for (i = 0; i < count; i++)
			iov[i] = (struct iovec){b->slot[b->next + i] + DEV_NET_HDR,
				b->len[b->next + i] - DEV_NET_HDR};
		sent = packets_send(n->fd, iov, count);
		if (sent > 0) {
			b->next += (unsigned)sent;
			n->used = true;
		} else if (errno == EAGAIN || errno == ENOBUFS) {
			watch_write(n);
			return;
		} else if (errno != EINTR) {
			user_lost(n);
		}
	}
}

static void user_input(void *host, struct dev_net_batch *b)
{
	/* libslirp has made or checked every checksum on the way */
	const struct virtio_net_hdr_v1 hdr = {.flags = VIRTIO_NET_HDR_F_DATA_VALID};
	struct net *n = host;
	struct mmsghdr msg[DEV_NET_BATCH];
	struct iovec iov[DEV_NET_BATCH];
	int got;

	if (n->fd < 0)
		return;
	for (unsigned i = 0; i < DEV_NET_BATCH; i++)
		iov[i] = (struct iovec){b->slot[i] + DEV_NET_HDR, DEV_NET_FRAME_MAX};
	got = packets_recv(n->fd, iov, DEV_NET_BATCH, msg);
	if (got < 0) {
		if (errno != EAGAIN && errno != EINTR)
			user_lost(n);
		return;
	}
	for (int i = 0; i < got; i++) {
		if (msg[i].msg_len == 0) {
			b->n = (unsigned)i;
			user_lost(n);
			return;
		}
		memcpy(b->slot[i], &hdr, sizeof(hdr));
		/* Too short for a frame: the card drops and counts it. */
		b->len[i] = DEV_NET_HDR + msg[i].msg_len;
	}
	b->n = (unsigned)got;
	n->used = true;
}

static void net_input_wanted(void *host, bool on)
{
	struct net *n = host;

	n->wanted = on;
	if (!n->read_ev)
		return;
	if (on)
		event_add(n->read_ev, NULL);
	else
		event_del(n->read_ev);
}

static void tap_offload(void *host, unsigned flags)
{
	struct net *n = host;

	net_tap_offload(n->fd, flags);
}

static void user_offload(void *host, unsigned flags)
{
	(void)host; /* whole frames with their checksums, whatever the guest could take */
	(void)flags;
}

/* A RARP request (RFC 903) of the card's, as hypervisors send it: it asks nothing that anybody answers, and
 * tells every bridge on the way where this address is now. The guest need not do anything for it. */
static void announce(struct net *n)
{
	uint8_t slot[DEV_NET_HDR + 60] = {0}, *f = slot + DEV_NET_HDR;
	static const uint8_t rarp[] = {0x80, 0x35, 0, 1, 8, 0, 6, 4, 0, 3};

	memset(f, 0xff, 6);
	memcpy(f + 6, n->dev->mac, 6);
	memcpy(f + 12, rarp, sizeof(rarp));
	memcpy(f + 22, n->dev->mac, 6);
	memcpy(f + 32, n->dev->mac, 6);
	if (write(n->fd, slot, sizeof(slot)) < 0)
		log_line(n->nets->log, "%s: its bridge could not be told where the guest is: %s", n->spec.name,
			strerror(errno));
}

/* While the VM stands still frames wait in the kernel, as many as the tap's txqueuelen says. */
static void tap_paused(void *host, bool on)
{
	struct net *n = host;

	if (!on && n->moved && n->cable)
		announce(n);
	n->moved &= on;
}

static void user_paused(void *host, bool on)
{
	struct net *n = host;

	atomic_store(&n->shared->frozen, on);
	if (!on && n->fd >= 0) /* wakes it; when there is no room it looks by itself, in a second */
		send(n->fd, "", 1, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static const struct dev_net_host_ops tap_ops = {
	.output = tap_output,
	.input = tap_input,
	.input_wanted = net_input_wanted,
	.offload = tap_offload,
	.paused = tap_paused,
};

static const struct dev_net_host_ops user_ops = {
	.output = user_output,
	.input = user_input,
	.input_wanted = net_input_wanted,
	.offload = user_offload,
	.paused = user_paused,
};

/* ---- the main loop ---- */

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct net *n = arg;

	vmc_device_lock(n->nets->host->vm);
	n->dev->dev_ops->input_ready(n->dev->dev);
	vmc_device_unlock(n->nets->host->vm);
}

static void on_writable(evutil_socket_t fd, short what, void *arg)
{
	struct net *n = arg;

	vmc_device_lock(n->nets->host->vm);
	n->dev->dev_ops->output_ready(n->dev->dev);
	vmc_device_unlock(n->nets->host->vm);
}

static void forget(struct event **ev)
{
	if (*ev)
		event_free(*ev);
	*ev = NULL;
}

static int watch_frames(struct net *n)
{
	struct event_base *base = n->nets->host->base;

	n->read_ev = event_new(base, n->fd, EV_READ | EV_PERSIST, on_readable, n);
	n->write_ev = event_new(base, n->fd, EV_WRITE, on_writable, n);
	if (!n->read_ev || !n->write_ev)
		return -ENOMEM;
	net_input_wanted(n, n->wanted);
	return 0;
}

/* The frames' socket is of no more use; what becomes of it the keeper says. */
static void user_lost(struct net *n)
{
	forget(&n->read_ev);
	forget(&n->write_ev);
	if (n->fd >= 0)
		close(n->fd);
	n->fd = -1;
}

/* The link as the guest is to see it. */
static void update_link(struct net *n)
{
	bool up = n->cable && !n->dead;
	struct host *h = n->nets->host;

	vmc_device_lock(h->vm);
	n->dev->dev_ops->set_link(n->dev->dev, up);
	vmc_device_unlock(h->vm);
}

static void tell(struct net *n, const char *reason)
{
	log_line(n->nets->log, "%s: %s", n->spec.name, reason);
	control_event(n->nets->host->control, "X_NETWORK",
		json_pack("{s:s, s:b, s:o}", "id", n->spec.name, "link", n->cable && !n->dead,
			"reason", qmp_text(reason)));
}

static void came(struct net *n, int fd)
{
	bool was_dead = n->dead;

	user_lost(n);
	n->fd = fd;
	if (watch_frames(n) < 0) {
		user_lost(n);
		log_line(n->nets->log, "%s: no memory for its events", n->spec.name);
		return;
	}
	n->dead = n->renewing = false;
	if (was_dead) {
		n->restarts++;
		update_link(n);
		tell(n, "networking works again; connections are lost");
	}
	on_writable(fd, 0, n); /* frames may wait for it */
}

static void on_news(evutil_socket_t sock, short what, void *arg)
{
	struct net *n = arg;
	struct net_news news;
	char reason[320];
	int fd, rc = net_news_read(sock, false, &news, &fd);

	if (rc == 0)
		return;
	if (rc == 1 && news.rc == 0 && !news.died && fd >= 0) {
		came(n, fd);
		return;
	}
	if (fd >= 0)
		close(fd);
	if (rc < 0) {
		forget(&n->news_ev);
		user_lost(n);
		n->dead = true;
		update_link(n);
		tell(n, "all its processes have gone: no network until this VM is started anew "
			"(from a snapshot, nothing is lost)");
		return;
	}
	if (news.died && n->renewing)
		return;
	if (n->dead && !news.died)
		return; /* tried again, in vain again */
	user_lost(n);
	n->dead = true;
	update_link(n);
	snprintf(reason, sizeof(reason), "the network's process %s%.256s",
		news.died ? "has gone: " : "cannot start: ", news.text);
	tell(n, reason);
}

/* ---- open and close ---- */

static int open_user(struct net *n, bool sandbox, char *err, size_t err_size)
{
	int rc;

	n->shared = mmap(NULL, sizeof(*n->shared), PROT_READ | PROT_WRITE,
		MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (n->shared == MAP_FAILED) {
		n->shared = NULL;
		snprintf(err, err_size, "%s: out of memory", n->spec.name);
		return -ENOMEM;
	}
	rc = net_keeper_start(&n->spec, n->shared, sandbox, &n->news, &n->fd, err, err_size);
	if (rc < 0)
		return rc;
	n->keeper = rc;
	return 0;
}

static int open_one(struct nets *nets, const struct vm_def *def, unsigned i, char *err, size_t err_size)
{
	struct net *n = &nets->net[i];
	struct dev_net_config *cfg = &nets->config[i];
	char why[512];
	int rc = net_spec(def, i, &n->spec, err, err_size);

	if (rc < 0)
		return rc;
	*cfg = (struct dev_net_config){.name = n->spec.name};
	memcpy(cfg->mac, n->spec.mac, sizeof(cfg->mac));
	if (!n->spec.tap) {
		cfg->csum = true;
		cfg->mtu = NET_MTU_USER;
		return open_user(n, def->sandbox, err, err_size);
	}
	n->fd = net_tap_open(n->spec.ifname, &cfg->offload, why, sizeof(why));
	if (n->fd < 0)
		snprintf(err, err_size, "%s: %s", n->spec.name, why);
	return n->fd < 0 ? n->fd : 0;
}

int nets_open(const struct vm_def *def, struct log *log, struct nets **out, char *err, size_t err_size)
{
	struct nets *nets;
	int rc = 0;

	*out = NULL;
	if (!def->nnets)
		return 0;
	nets = calloc(1, sizeof(*nets));
	if (!nets)
		return -ENOMEM;
	nets->log = log;
	for (; nets->n < def->nnets && rc == 0; nets->n++) {
		struct net *n = &nets->net[nets->n];

		n->nets = nets;
		n->fd = n->news = -1;
		n->cable = true;
		rc = open_one(nets, def, nets->n, err, err_size);
	}
	if (rc < 0)
		nets_close(nets);
	else
		*out = nets;
	return rc;
}

unsigned nets_count(const struct nets *nets)
{
	return nets ? nets->n : 0;
}

const struct dev_net_config *nets_config(const struct nets *nets)
{
	return nets ? nets->config : NULL;
}

int nets_bind(struct nets *nets, struct host *h)
{
	for (unsigned i = 0; i < nets_count(nets); i++) {
		struct net *n = &nets->net[i];

		nets->host = h;
		n->dev = machine_net(h->machine, i);
		n->dev->host_ops = n->spec.tap ? &tap_ops : &user_ops;
		n->dev->host = n;
		if (watch_frames(n) < 0)
			return -ENOMEM;
		if (n->spec.tap)
			continue;
		n->news_ev = event_new(h->base, n->news, EV_READ | EV_PERSIST, on_news, n);
		if (!n->news_ev || event_add(n->news_ev, NULL) < 0)
			return -ENOMEM;
	}
	return 0;
}

void nets_fresh(struct nets *nets)
{
	for (unsigned i = 0; i < nets_count(nets); i++) {
		struct net *n = &nets->net[i];

		n->moved = n->spec.tap;
		if (n->spec.tap || n->fd < 0 || !n->used)
			continue;
		/* Its process ends with the socket, and the keeper makes another. */
		n->used = false;
		n->renewing = true;
		user_lost(n);
	}
}

void nets_unbind(struct nets *nets)
{
	for (unsigned i = 0; i < nets_count(nets); i++) {
		forget(&nets->net[i].read_ev);
		forget(&nets->net[i].write_ev);
		forget(&nets->net[i].news_ev);
	}
}

void nets_close(struct nets *nets)
{
	for (unsigned i = 0; i < nets_count(nets); i++) {
		struct net *n = &nets->net[i];

		if (n->fd >= 0)
			close(n->fd);
		if (n->news >= 0)
			close(n->news);
		if (n->keeper > 0) /* it ends by itself: then its ports are free again */
			waitpid(n->keeper, NULL, 0);
		if (n->shared)
			munmap(n->shared, sizeof(*n->shared));
	}
	free(nets);
}

int nets_set_link(struct nets *nets, const char *name, bool up)
{
	for (unsigned i = 0; i < nets_count(nets); i++) {
		struct net *n = &nets->net[i];

		if (strcmp(n->spec.name, name))
			continue;
		n->cable = up;
		update_link(n);
		return up && !n->spec.tap && !n->news_ev ? -EPIPE : 0;
	}
	return -ENOENT;
}
