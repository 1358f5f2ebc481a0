/*
 * vm_watch.c - noticing that VMs come and go: inotify on the folders where they are and where they are defined, and
 * a slow timer for what inotify cannot tell. Screen thread.
 */
#include "config.h"
#include <errno.h>
#include <event2/event.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>
#include "tui/vm.h"
#include "tui/vm_internal.h"

#define SCAN_MS 2000 /* when nothing has happened */

static int soon; /* further scans shortly after something has happened: a process takes a moment to come up */

static void arm(struct ui *ui, int ms)
{
	struct timeval tv = {.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};

	event_add(ui->ev_scan, &tv);
}

static void scan_timer(evutil_socket_t fd, short what, void *arg)
{
	struct ui *ui = arg;

	(void)fd;
	(void)what;
	vms_scan(ui);
	if (soon > 0)
		soon--;
	arm(ui, soon > 0 ? 100 : SCAN_MS);
}

void vms_scan_soon(struct ui *ui)
{
	if (ui->ev_scan == NULL)
		return;
	soon = 5;
	arm(ui, 20);
}

static void changed(void *arg, int fd)
{
	char buf[4096];

	while (read(fd, buf, sizeof(buf)) > 0)
		;
	vms_scan_soon(arg);
}

static void look_at(struct ui *ui, const char *folder)
{
	inotify_add_watch(ui->inotify_fd, folder,
		IN_CREATE | IN_DELETE | IN_MOVED_TO | IN_MOVED_FROM | IN_CLOSE_WRITE | IN_ONLYDIR);
}

int vms_start(struct ui *ui)
{
	char folder[600], vms[640], err[VMC_MSG_SIZE];
	int rc;

	rc = vmc_path_runtime(folder, sizeof(folder), err, sizeof(err));
	if (rc < 0) {
		ui_warn(ui, "cannot see which VMs there are: %s", err);
		return rc;
	}
	ui->inotify_fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	if (ui->inotify_fd >= 0) {
		look_at(ui, folder);
		if (vmc_path_config(folder, sizeof(folder), err, sizeof(err)) == 0) {
			snprintf(vms, sizeof(vms), "%s/vms", folder);
			look_at(ui, vms);
		}
		ui_watch_fd(ui, ui->inotify_fd, changed, ui);
	}
	ui->ev_scan = event_new(ui->base, -1, 0, scan_timer, ui);
	if (ui->ev_scan == NULL)
		return -ENOMEM;
	vms_scan(ui);
	arm(ui, 50);
	return 0;
}
