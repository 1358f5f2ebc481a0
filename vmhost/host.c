/* host.c - the VM's life: boot, run, stop, reset, what the guest asks for, signals. See host.h.
 * Main thread. */
#include "vmhost/host.h"
#include "vmhost/guest_kernel.h"
#include "vmhost/control.h"
#include "vmhost/job.h"
#include "vmhost/log.h"
#include "vmhost/net.h"
#include "vmhost/qmp.h"
#include <errno.h>
#include <event2/event.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

uint64_t host_now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

static int vm_fail(struct host *h, int rc, char *err, size_t err_size)
{
	snprintf(err, err_size, "%s", vmc_error(h->vm));
	return rc;
}

/* QEMU's word for it: how much memory the guest keeps. */
static void balloon_changed(void *arg, uint64_t in_balloon)
{
	struct host *h = arg;

	if (h->control)
		control_event(h->control, "BALLOON_CHANGE",
			json_pack("{s:I}", "actual", (json_int_t)(vmc_mem_size(h->vm) - in_balloon)));
}

int host_machine_new(struct host *h, char *err, size_t err_size)
{
	struct machine_config cfg = {
		.cols = h->cols,
		.rows = h->rows,
		.kernel_path = h->kernel_path,
		.initrd_path = h->def.initrd,
		.cmdline = h->def.cmdline,
		.kernel = h->kernel.fd >= 0 ? &h->kernel : NULL,
		.kernel_size = h->kernel.size,
		.initrd = h->initrd.fd >= 0 ? &h->initrd : NULL,
		.initrd_size = h->initrd.size,
		.read = image_read,
		.rng = h->def.rng,
		.rng_rate = h->def.rng_rate,
		.nets = nets_config(h->nets),
		.nnets = nets_count(h->nets),
		.balloon = h->def.balloon,
		.balloon_changed = balloon_changed,
		.vsock.cid = (uint32_t)h->def.vsock,
		.host = h,
	};
	int rc = disks_machine(h, &cfg);

	if (rc < 0) {
		snprintf(err, err_size, "the disks: %s", strerror(-rc));
		return rc;
	}
	rc = machine_new(h->vm, h->base, &cfg, &h->machine);

	if (rc < 0)
		return vm_fail(h, rc, err, err_size);
	for (unsigned i = 0; i < RUNDIR_CONSOLES; i++)
		if (machine_stream(h->machine, i))
			console_bind(h->console[i], machine_stream(h->machine, i));
	rc = nets_bind(h->nets, h);
	if (rc < 0)
		snprintf(err, err_size, "networks: %s", strerror(-rc));
	return rc;
}

int host_boot(struct host *h, char *err, size_t err_size)
{
	struct vmc_boot_info info;
	int rc;

	if (h->kernel.fd < 0) {
		snprintf(err, err_size,
			"this VM came from a snapshot and its kernel %s is not there any more",
			h->kernel_path);
		return -ENOENT;
	}
	rc = machine_boot(h->machine, &info);
	if (rc < 0)
		snprintf(err, err_size, "%s: %s", h->kernel_path, vmc_error(h->vm));
	if (rc == 0)
		guest_kernel_booted(h->guest_kernel, &info, h->initrd.size);
	if (rc == 0)
		log_line(h->log, "booting %s (%s) at %#llx", h->kernel_path, info.protocol,
			(unsigned long long)info.entry);
	return rc;
}

const char *host_status(const struct host *h)
{
	const char *busy = jobs_status(h->jobs);

	if (busy)
		return busy;
	switch (vmc_vm_state(h->vm)) {
	case VMC_CREATED:
		return "prelaunch";
	case VMC_RUNNING:
		return h->panicked ? "guest-panicked" : "running";
	case VMC_PAUSED:
		return disks_wait(h) || *h->torn ? "io-error" : "paused";
	case VMC_STOPPED:
		return "shutdown";
	default:
		return "internal-error";
	}
}

static int start_or_resume(struct host *h, char *err, size_t err_size)
{
	int rc = vmc_vm_state(h->vm) == VMC_CREATED ? vmc_vm_start(h->vm) : vmc_vm_resume(h->vm);

	return rc < 0 ? vm_fail(h, rc, err, err_size) : 0;
}

/* Back to power-on with the kernel loaded; the vCPUs wait. */
static int power_on(struct host *h, char *err, size_t err_size)
{
	int rc = vmc_vm_reset(h->vm);

	if (rc < 0)
		return vm_fail(h, rc, err, err_size);
	rc = host_boot(h, err, err_size);
	if (rc < 0) {
		snprintf(h->reason, sizeof(h->reason), "not booted: %.400s", err);
		vmc_vm_stop(h->vm);
		return rc;
	}
	h->reason[0] = '\0';
	h->current[0] = '\0';
	h->panicked = false;
	return 0;
}

bool host_refuse_torn(const struct host *h, char *err, size_t err_size)
{
	if (!*h->torn)
		return false;
	snprintf(err, err_size,
		"a load failed half-way, and the disks are partly the snapshot's: load that snapshot, "
		"or another (%.300s)",
		h->torn);
	return true;
}

int host_cont(struct host *h, char *err, size_t err_size)
{
	enum vmc_state state = vmc_vm_state(h->vm);
	int rc;

	if (jobs_refuse(h->jobs, err, err_size))
		return -EBUSY;
	if (host_refuse_torn(h, err, err_size))
		return -EIO;
	if (state == VMC_RUNNING)
		return 0;
	if (state == VMC_CRASHED) {
		snprintf(err, err_size, "the VM has crashed (%.300s); system_reset starts it anew",
			h->reason);
		return -EINVAL;
	}
	if (state == VMC_STOPPED) { /* over: a new start */
		rc = power_on(h, err, err_size);
		if (rc < 0)
			return rc;
	}
	rc = start_or_resume(h, err, err_size);
	if (rc == 0) {
		h->reason[0] = '\0'; /* of a pause */
		control_event(h->control, "RESUME", NULL);
	}
	return rc;
}

int host_stop(struct host *h, char *err, size_t err_size)
{
	int rc;

	if (jobs_refuse(h->jobs, err, err_size))
		return -EBUSY;
	if (vmc_vm_state(h->vm) != VMC_RUNNING) /* stands still already */
		return 0;
	rc = vmc_vm_pause(h->vm);
	if (rc < 0)
		return vm_fail(h, rc, err, err_size);
	control_event(h->control, "STOP", NULL);
	return 0;
}

int host_reset(struct host *h, bool guest, char *err, size_t err_size)
{
	enum vmc_state before = vmc_vm_state(h->vm);
	bool stays = !guest && (before == VMC_PAUSED || before == VMC_CREATED);
	int rc;

	if (jobs_refuse(h->jobs, err, err_size))
		return -EBUSY;
	if (host_refuse_torn(h, err, err_size))
		return -EIO;
	rc = power_on(h, err, err_size);
	if (rc == 0 && !stays)
		rc = start_or_resume(h, err, err_size);
	if (rc < 0)
		return rc;
	control_event(h->control, "RESET",
		json_pack("{s:b, s:s}", "guest", guest, "reason",
			guest ? "guest-reset" : "host-qmp-system-reset"));
	if (before == VMC_STOPPED || before == VMC_CRASHED)
		control_event(h->control, "RESUME", NULL);
	return 0;
}

void host_quit(struct host *h, const char *reason)
{
	if (h->quitting)
		return;
	h->quitting = true;
	log_line(h->log, "ending: %s", reason);
	h->quit_reason = reason;
	jobs_cancel(h->jobs);
	event_base_loopexit(h->base, NULL); /* after what runs now: the answer to quit goes first */
}

int host_resize(struct host *h, uint16_t cols, uint16_t rows)
{
	struct dev_stream *s = machine_stream(h->machine, 0);

	if (!s || !s->dev_ops->resize)
		return -ENOTSUP;
	h->cols = cols;
	h->rows = rows;
	vmc_device_lock(h->vm);
	s->dev_ops->resize(s->dev, cols, rows);
	vmc_device_unlock(h->vm);
	return 0;
}

static void on_shutdown(struct host *h, const struct vmc_event *ev)
{
	if (ev->code < 0)
		snprintf(h->reason, sizeof(h->reason), "the guest shut down by a triple fault");
	else
		snprintf(h->reason, sizeof(h->reason), "the guest shut down with code %lld",
			(long long)ev->code);
	log_line(h->log, "%s", h->reason);
	control_event(h->control, "SHUTDOWN",
		json_pack("{s:b, s:s, s:I}", "guest", 1, "reason", "guest-shutdown", "x-code",
			(json_int_t)ev->code));
	if (strcmp(h->def.on_shutdown, "exit") == 0) {
		h->exit_code = (int)(ev->code & 0xff);
		h->quitting = true;
		jobs_cancel(h->jobs);
		event_base_loopexit(h->base, NULL);
	}
}

static void on_reset(struct host *h)
{
	char err[640];

	log_line(h->log, "the guest asked for a reset");
	if (host_reset(h, true, err, sizeof(err)) < 0) {
		log_line(h->log, "reset: %s", err);
		snprintf(h->reason, sizeof(h->reason), "reset failed: %.400s", err);
	}
}

/* What is in its memory is what somebody may want to look at, before its kernel resets the machine. */
static void on_panic(struct host *h)
{
	bool pause = strcmp(h->def.on_panic, "pause") == 0 && vmc_vm_is_running(h->vm) &&
		     !jobs_status(h->jobs);

	h->panicked = true;
	snprintf(h->reason, sizeof(h->reason), "the guest has panicked");
	log_line(h->log, "the guest says that it has panicked");
	if (pause && vmc_vm_pause(h->vm) < 0) {
		log_line(h->log, "it could not be paused: %s", vmc_error(h->vm));
		pause = false;
	}
	control_event(h->control, "GUEST_PANICKED",
		json_pack("{s:s}", "action", pause ? "pause" : "run"));
	if (pause)
		control_event(h->control, "STOP", NULL);
}

static void act(struct host *h, const struct vmc_event *ev)
{
	switch (ev->type) {
	case VMC_EVENT_SHUTDOWN:
		on_shutdown(h, ev);
		break;
	case VMC_EVENT_RESET:
		on_reset(h);
		break;
	case VMC_EVENT_CRASHED:
		snprintf(h->reason, sizeof(h->reason), "%s", vmc_crash_reason(h->vm));
		log_line(h->log, "vCPU %u cannot go on: %s", ev->vcpu, h->reason);
		control_event(
			h->control, "X_CRASHED", json_pack("{s:o}", "reason", qmp_text(h->reason)));
		break;
	case VMC_EVENT_PANIC:
		on_panic(h);
		break;
	case VMC_EVENT_DEBUG:
		control_event(h->control, "STOP", NULL);
		break;
	case VMC_EVENT_NONE:
		break;
	}
}

static void on_vm(evutil_socket_t fd, short what, void *arg)
{
	struct host *h = arg;
	struct vmc_event ev;

	/* One a turn: a guest that resets in a loop must not keep clients waiting. */
	if (vmc_vm_event(h->vm, &ev) == 1)
		act(h, &ev);
}

static void on_signal(evutil_socket_t sig, short what, void *arg)
{
	host_quit(arg, "host-signal");
}

int host_watch(struct host *h)
{
	h->vm_ev = event_new(h->base, vmc_vm_event_fd(h->vm), EV_READ | EV_PERSIST, on_vm, h);
	h->term_ev = evsignal_new(h->base, SIGTERM, on_signal, h);
	h->int_ev = evsignal_new(h->base, SIGINT, on_signal, h);
	if (!h->vm_ev || !h->term_ev || !h->int_ev || event_add(h->vm_ev, NULL) < 0 ||
		event_add(h->term_ev, NULL) < 0 || event_add(h->int_ev, NULL) < 0)
		return -ENOMEM;
	return 0;
}

void host_watch_vm(struct host *h, bool on)
{
	if (!h->vm_ev)
		return;
	if (on)
		event_add(h->vm_ev, NULL);
	else
		event_del(h->vm_ev);
}

static void forget(struct event **ev)
{
	if (*ev)
		event_free(*ev);
	*ev = NULL;
}

void host_unwatch(struct host *h)
{
	forget(&h->vm_ev);
	forget(&h->term_ev);
	forget(&h->int_ev);
}
