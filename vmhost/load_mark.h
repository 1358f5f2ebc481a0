/*
 * load_mark.h - the mark of a load in progress: a file among the VM's snapshots that says which disks
 * are being replaced, there from before the first of them changes until all have and everything is
 * on its disk. Where a start finds one, a load was cut off.
 */
#ifndef VMHOST_LOAD_MARK_H
#define VMHOST_LOAD_MARK_H
#include "vmhost/broker.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LOAD_MARK_MAX (64u << 10) /* bytes of a mark that is looked at */

struct host;

struct load_mark {
	char *load; /* what --load would be given to do it again */
	unsigned n;
	struct load_mark_disk {
		char *path;
		bool device;  /* written in place; else a new file takes the image's place */
		uint64_t was, ino; /* inode numbers of the old image and of the new */
	} disk[BROKER_DISKS];
};

void load_mark_free(struct load_mark *m);
/** load_mark_text() - as JSON; malloc()ed. NULL: no memory. Any thread. */
char *load_mark_text(const struct load_mark *m);
/** load_mark_parse() - every member checked. Return: 0 or -EBADMSG. */
int load_mark_parse(struct load_mark *m, const char *text, size_t len);
/** load_mark_set() - on the disk when it returns. load_mark_clear() - gone, for good, when it
 * returns. Through the broker; any thread. */
int load_mark_set(struct broker *b, const struct load_mark *m);
int load_mark_clear(struct broker *b);
/**
 * load_mark_look() - was a load of this VM cut off? What can be completed without the snapshot is:
 * new images that were all written and only wait to take their places. Before the sandbox, after
 * disks_paths() and broker_clean(); main thread.
 * Return: 0: no, or it has been completed, or the load that this VM begins with will do it; -errno
 * with @err: what happened, to which disks, and what to do.
 */
int load_mark_look(struct host *h, char *err, size_t err_size);

#endif
