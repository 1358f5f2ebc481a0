/*
 * net.h - the networks of a VM: the host ends of its cards (devices/net.h).
 *
 * A tap is opened at start. User networking is a process of its own (net_slirp.c: libslirp, with sockets
 * and nothing else), made by a small keeper (net_keeper.c) that was forked before the sandbox closed:
 * when the process dies, the keeper makes another, and the guest sees its link go down and up; a guard, the
 * keeper's parent, does the same for the keeper. Frames go over a socket, one a packet.
 *
 * Main thread, but for what the other processes do. nets_open() before any thread is made.
 */
#ifndef VMHOST_NET_H
#define VMHOST_NET_H
#include "devices/net.h"
#include "vmhost/def.h"
#include <jansson.h>
#include <netinet/in.h>
#include <stdatomic.h>

struct event_base;
struct host;
struct log;
struct nets;
struct vmc_vm;

/* Long frames are fewer, but libslirp's window has 64 KiB: four of them. With one a window (65520) a guest that delays
 * its acknowledgements holds up each, and gets 1 MB/s. */
#define NET_MTU_USER 16384
#define NET_MRU_USER 65520 /* what libslirp takes at most: a guest's large segments come uncut */
#define NET_TEXT     8192

struct net_forward {
	bool udp, v6;
	struct in_addr addr;
	struct in6_addr addr6; /* v6: leads to the guest's IPv6 address */
	uint16_t host, guest;
};

/* What one card is to have, checked. */
struct net_spec {
	char name[20]; /* "net0" */
	uint8_t mac[6];
	bool tap, ipv6;
	char ifname[16];
	unsigned nforwards;
	struct net_forward forward[DEF_TEXTS];
};

/** net_spec() - from the definition of card @index of VM @vm; what is wrong is in @err. */
int net_spec(const struct vm_def *def, unsigned index, struct net_spec *spec, char *err,
	size_t err_size);
/** net_parse_forward() - "tcp:127.0.0.1:2222:22", "udp:5353:53", "tcp:[::1]:80:80". */
int net_parse_forward(const char *text, struct net_forward *fwd, char *err, size_t err_size);
/** net_parse_mac() - six pairs of hex digits; no group address. */
int net_parse_mac(const char *text, uint8_t mac[6], char *err, size_t err_size);
/** net_forward_text() - as it is written in a definition. */
void net_forward_text(const struct net_forward *fwd, char *out, size_t size);

/** nets_open() - taps and processes of @def's cards; *@out is NULL when there are none. Before the
 * sandbox. */
int nets_open(const struct vm_def *def, struct log *log, struct nets **out, char *err,
	size_t err_size);
unsigned nets_count(const struct nets *nets);
/** nets_config() - for machine_new(). */
const struct dev_net_config *nets_config(const struct nets *nets);
/** nets_bind() - to the machine's cards and the main loop. */
int nets_bind(struct nets *nets, struct host *h);
/** nets_fresh() - another machine's state was loaded: connections that it did not make end, and bridges are
 * told where it is when it goes on. */
void nets_fresh(struct nets *nets);
/** nets_unbind() - out of the main loop; nets_close() - end the processes. */
void nets_unbind(struct nets *nets);
void nets_close(struct nets *nets);
/** nets_json() - for x-network. */
json_t *nets_json(struct nets *nets);
/** nets_about() - what card @name leads to, for people. false: there is no such card. */
bool nets_about(struct nets *nets, const char *name, char *out, size_t size);
/** nets_set_link() - plug or pull the cable. -ENOENT: there is no card of that name; -EPIPE: plugged in, but
 * the network behind it has gone for good. */
int nets_set_link(struct nets *nets, const char *name, bool up);

/* ---- between the files of this part ---- */

/** net_tap_open() - Return: a descriptor, -errno with @err. @offload: what it can. */
int net_tap_open(const char *ifname, unsigned *offload, char *err, size_t err_size);
/** net_tap_offload() - what may come out of it. */
void net_tap_offload(int fd, unsigned offload);

/* Written by the network's process, read by the VM's: whatever is in it is checked. */
struct net_shared {
	atomic_uint frozen;  /* by the VM's process: stand still */
	atomic_uint seq;     /* odd while text changes */
	atomic_ullong dropped; /* frames for the guest that found no room */
	char text[NET_TEXT]; /* connections, a line each */
	char guest[128];     /* the addresses that it sends from, with spaces between */
};

/* What a keeper tells the VM's process; with the frames' socket when there is one. */
struct net_news {
	int32_t rc; /* 0: frames are served, on the socket that comes with it; -errno: @text says why */
	uint32_t died; /* it has gone; a new one will follow */
	char text[256];
};

/** net_keeper_start() - fork guard and keeper and have them make the first process. Return: a pid, the
 * socket for its news in *@news and for frames in *@frames; -errno with @err. */
int net_keeper_start(const struct net_spec *spec, struct net_shared *shared, bool sandbox,
	int *news, int *frames, char *err, size_t err_size);
/** net_news_read() - Return: 1 with @n and perhaps *@fd >= 0, 0 nothing now, -EPIPE the keeper has
 * gone. */
int net_news_read(int sock, bool wait, struct net_news *n, int *fd);
/** net_news_send() - @fds: up to 2. */
int net_news_send(int sock, const struct net_news *n, const int *fds, unsigned nfds);

/** net_slirp() - the life of the network's process; says over @report how it went, with the descriptor
 * that the sandbox's opening of files is asked on. Ends with the VM's side of @frames. */
void net_slirp(const struct net_spec *spec, struct net_shared *shared, int frames, int report,
	bool sandbox) __attribute__((noreturn));

#endif
