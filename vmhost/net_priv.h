/*
 * net_priv.h - the host ends of a VM's cards, as net.c (frames, links) and net_json.c (what is told of them)
 * share them. Main thread.
 */
#ifndef VMHOST_NET_PRIV_H
#define VMHOST_NET_PRIV_H
#include "vmhost/net.h"
#include <sys/types.h>

struct event;

struct net {
	struct nets *nets;
	struct net_spec spec;
	struct dev_net *dev;
	struct event *read_ev, *write_ev, *news_ev;
	struct net_shared *shared; /* user */
	int fd;                    /* tap, or frames; -1 while there is none */
	int news;                  /* user: the keeper; -1 when it has gone */
	pid_t keeper;
	bool cable;    /* plugged in, as far as set_link says */
	bool dead;     /* user: its process has gone, another may come */
	bool renewing; /* user: it is being replaced on purpose */
	bool wanted;   /* the card takes frames */
	bool used;     /* frames have passed */
	bool moved;    /* tap: the guest is another than before, and its switch does not know */
	uint64_t restarts;
};

struct nets {
	struct host *host;
	struct log *log;
	unsigned n;
	struct net net[DEF_NETS];
	struct dev_net_config config[DEF_NETS];
};

#endif
