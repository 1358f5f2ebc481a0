/* dirtyrate.c - see dirtyrate.h. Reply shapes as QEMU 7.2. Main thread. */
#include "vmhost/dirtyrate.h"
#include "vmhost/host.h"
#include "vmhost/log.h"
#include <errno.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

struct dirty_rate {
	struct host *host;
	struct event *timer;
	struct vmc_dirty_view *view; /* NULL: not measuring */
	uint64_t began_us;
	time_t start;
	unsigned seconds;
	int64_t mib_a_second; /* -1: not measured */
};

static void nothing(void *arg, uint64_t gpa, uint64_t pages, const uint64_t *bits)
{
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct dirty_rate *dr = arg;
	int64_t pages = vmc_dirty_take(dr->host->vm, dr->view, nothing, NULL);
	uint64_t us = host_now_us() - dr->began_us;

	if (pages < 0)
		log_line(dr->host->log, "calc-dirty-rate: %s", vmc_error(dr->host->vm));
	else
		dr->mib_a_second =
			(int64_t)((double)pages * VMC_PAGE_SIZE / 1048576 * 1e6 / (double)us);
	vmc_dirty_close(dr->view);
	dr->view = NULL;
}

int dirty_rate_start(struct host *h, unsigned seconds, char *err, size_t err_size)
{
	const struct timeval tv = {seconds, 0};
	struct dirty_rate *dr = h->dirty_rate;
	int rc;

	if (!dr) {
		dr = calloc(1, sizeof(*dr));
		if (dr)
			dr->timer = event_new(h->base, -1, 0, on_timer, dr);
		if (!dr || !dr->timer) {
			free(dr); /* the next call begins anew */
			snprintf(err, err_size, "calc-dirty-rate: out of memory");
			return -ENOMEM;
		}
		dr->host = h;
		h->dirty_rate = dr;
	}
	if (dr->view) {
		snprintf(err, err_size, "dirty rate is being measured already");
		return -EBUSY;
	}
	rc = vmc_dirty_open(h->vm, "dirty-rate", &dr->view);
	if (rc < 0) {
		snprintf(err, err_size, "%s", vmc_error(h->vm));
		return rc;
	}
	dr->mib_a_second = -1;
	dr->seconds = seconds;
	dr->start = time(NULL);
	dr->began_us = host_now_us();
	if (event_add(dr->timer, &tv) < 0) {
		vmc_dirty_close(dr->view);
		dr->view = NULL;
		snprintf(err, err_size, "calc-dirty-rate: no timer");
		return -ENOMEM;
	}
	return 0;
}

json_t *dirty_rate_query(const struct host *h)
{
	const struct dirty_rate *dr = h->dirty_rate;
	json_t *v = json_pack("{s:s, s:I, s:I, s:i, s:s}", "status",
		!dr        ? "unstarted"
		: dr->view ? "measuring"
			   : "measured",
		"start-time", (json_int_t)(dr ? dr->start : 0), "calc-time",
		(json_int_t)(dr ? dr->seconds : 0), "sample-pages", 0, "mode", "dirty-bitmap");

	if (dr && !dr->view && dr->mib_a_second >= 0)
		json_object_set_new(v, "dirty-rate", json_integer(dr->mib_a_second));
	return v;
}

void dirty_rate_free(struct dirty_rate *dr)
{
	if (!dr)
		return;
	vmc_dirty_close(dr->view);
	if (dr->timer)
		event_free(dr->timer);
	free(dr);
}
