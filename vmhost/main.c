/*
 * main.c - vitrine-vm: holds one VM. Main thread: it sets everything up, closes the sandbox, starts
 * the guest and then runs the loop that owns every device, socket and timer.
 *
 * Order matters: definition and log, runtime folder and lock, then the file broker and the networks
 * (forks, before any thread is made), then KVM and devices, sockets, the sandbox, and only then guest code.
 */
#include "config.h"

#include "vmhost/broker.h"
#include "vmhost/control.h"
#include "vmhost/dirtyrate.h"
#include "vmhost/guest_kernel.h"
#include "vmhost/host.h"
#include "vmhost/job.h"
#include "vmhost/load_mark.h"
#include "vmhost/log.h"
#include "vmhost/net.h"
#include "vmhost/options.h"
#include "vmhost/ready.h"
#include "vmhost/sandbox.h"
#include "vmhost/snapshot.h"
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <vmcore/client.h>

#define FILE_ROOM (1ull << 30) /* beside memory: state, history, log */

/* A part of this process that could not be made: for want of memory or of descriptors. */
static int not_made(int rc, const char *what, char *err, size_t err_size)
{
	snprintf(err, err_size, "%s: %s%s", what, strerror(-rc),
		rc == -EMFILE ? " ('ulimit -n')" : "");
	return rc;
}

static int open_log(struct host *h, bool foreground, char *err, size_t err_size)
{
	char path[640];
	int rc;

	snprintf(path, sizeof(path), "%s/log", h->rundir.dir);
	rc = log_open(path, foreground, &h->log);
	if (rc < 0)
		snprintf(err, err_size, "cannot open %s: %s", path, strerror(-rc));
	return rc;
}

/* $XDG_STATE_HOME/vitrine/NAME/snapshots, made when needed. */
static int snapshot_folder(const struct host *h, char *out, size_t size, char *err, size_t err_size)
{
	char base[3000];
	int rc;

	out[0] = '\0';
	if (!h->def.snapshots)
		return 0;
	rc = vmc_path_state(base, sizeof(base), err, err_size);
	if (rc < 0)
		return rc;
	snprintf(out, size, "%s/%s", base, h->def.name);
	if (mkdir(out, 0700) < 0 && errno != EEXIST)
		goto fail;
	snprintf(out, size, "%s/%s/snapshots", base, h->def.name);
	if (mkdir(out, 0700) == 0 || errno == EEXIST)
		return 0;
fail:
	rc = -errno;
	snprintf(err, err_size, "cannot make %s: %s", out, strerror(-rc));
	return rc;
}

static int start_broker(struct host *h, char *err, size_t err_size)
{
	struct broker_disk disks[BROKER_DISKS] = {0};
	char folder[3200];
	int rc = snapshot_folder(h, folder, sizeof(folder), err, err_size);

	for (unsigned i = 0; i < h->def.ndisks; i++) {
		struct stat st;

		/* Files that may be replaced; the broker has no business among block devices. */
		if (!h->def.disk[i].read_only && stat(h->def.disk[i].path, &st) == 0 &&
			S_ISREG(st.st_mode))
			disks[i].path = h->def.disk[i].path;
	}
	if (rc == 0)
		rc = broker_start(
			h->rundir.dir, folder, disks, h->def.sandbox, &h->broker, err, err_size);
	if (rc < 0)
		return rc;
	rc = broker_clean(h->broker);
	if (rc == -EPIPE)
		snprintf(err, err_size,
			"the process that opens files ended at once: 'ulimit -n' is too low, or the"
			" sandbox is not possible here (--no-sandbox runs without one)");
	else if (rc < 0)
		snprintf(err, err_size, "the snapshots' folder: %s", strerror(-rc));
	return rc;
}

/* Disks and nets are the snapshot's where the definition has none. */
static int lists_of(struct host *h, unsigned list, char *const *text, uint32_t n, char *err,
	size_t err_size)
{
	const struct def_list *l = &def_lists[list];
	bool given = def_list_count(&h->def, l);
	char why[512];

	for (uint32_t i = 0; i < n && !given; i++)
		if (def_list_text(&h->def, l, text[i], why, sizeof(why)) < 0) {
			snprintf(err, err_size, "snapshot %s: manifest: %s", h->def.load, why);
			return -EBADMSG;
		}
	return 0;
}

/* What to start from: size, kernel and screen are the snapshot's, where nobody said otherwise. */
static int open_snapshot(struct host *h, struct snapshot *snap, char *err, size_t err_size)
{
	char path[4200], why[600], *whole;
	struct manifest *m = &snap->manifest;
	int rc = snapshot_path(h->def.name, h->def.load, path, sizeof(path), err, err_size);

	if (rc < 0)
		return rc;
	whole = realpath(path, NULL);
	snprintf(h->load_path, sizeof(h->load_path), "%s", whole ? whole : path);
	free(whole);
	rc = snapshot_open_folder(snap, path, why, sizeof(why));
	if (rc < 0) {
		snprintf(err, err_size, "snapshot %s: %s", h->def.load, why);
		return rc;
	}
	if (!def_given(&h->def, "memory"))
		h->def.memory = m->memory;
	if (!def_given(&h->def, "vcpus"))
		h->def.vcpus = m->vcpus;
	if (!h->def.cmdline)
		h->def.cmdline = strdup(m->cmdline);
	if (!def_given(&h->def, "cpu") && *m->cpu) {
		free(h->def.cpu);
		h->def.cpu = strdup(m->cpu); /* NULL: "host", and the state says what it lacks */
	}
	if (!def_given(&h->def, "rng"))
		h->def.rng = m->rng;
	if (!def_given(&h->def, "balloon"))
		h->def.balloon = m->balloon;
	if (!def_given(&h->def, "vsock"))
		h->def.vsock = m->vsock;
	h->def.cols = m->cols;
	h->def.rows = m->rows;
	rc = lists_of(h, 0, m->disk_text, m->ndisks, err, err_size);
	return rc ? rc : lists_of(h, 1, m->net_text, m->nnets, err, err_size);
}

static int open_images(struct host *h, const struct snapshot *snap, char *err, size_t err_size)
{
	int rc;

	h->kernel.fd = h->initrd.fd = -1;
	if (!h->def.kernel) { /* from a snapshot: the kernel is wanted for a reset only */
		snprintf(h->kernel_path, sizeof(h->kernel_path), "%s", snap->manifest.kernel);
		if (image_open(&h->kernel, h->kernel_path, err, err_size) < 0)
			log_line(h->log, "%s: a reset will not work", err);
		return 0;
	}
	rc = image_find(h->def.kernel, h->kernel_path, sizeof(h->kernel_path), err, err_size);
	if (rc == 0)
		rc = image_open(&h->kernel, h->kernel_path, err, err_size);
	if (rc == 0 && h->def.initrd)
		rc = image_open(&h->initrd, h->def.initrd, err, err_size);
	return rc;
}

static int make_vm(struct host *h, char *err, size_t err_size)
{
	const struct vmc_config cfg = {
		.id = h->def.name,
		.ram_bytes = h->def.memory,
		.vcpus = (uint32_t)h->def.vcpus,
		.managed = true,
		.dirty_ring_entries = (uint32_t)h->def.dirty_ring,
		.cpu = h->def.cpu,
	};
	int rc = vmc_vm_new(&cfg, &h->vm, err, err_size);

	if (rc < 0)
		return rc;
	for (unsigned i = 0; i < RUNDIR_CONSOLES && rc == 0; i++)
		rc = console_new(h->base, h->vm, h->rundir.console_fd[i], h->def.history, h->log,
			&h->console[i]);
	if (rc < 0)
		return not_made(rc, "a console", err, err_size);
	rc = host_machine_new(h, err, err_size);
	if (rc < 0)
		return rc;
	rc = guest_kernel_new(h->vm, h->base, h->log, &h->guest_kernel);
	if (rc == 0)
		rc = jobs_new(h, &h->jobs);
	if (rc == 0)
		rc = control_new(h->base, h, h->rundir.control_fd, &h->control);
	if (rc == 0)
		rc = host_watch(h);
	return rc < 0 ? not_made(rc, "the control server", err, err_size) : 0;
}

static int enter_sandbox(struct host *h, char *err, size_t err_size)
{
	int rc;

	if (!h->def.sandbox) {
		log_line(h->log, "no sandbox, as asked for");
		return 0;
	}
	rc = sandbox_limits(h->def.memory + h->def.history * 2 + disks_largest(h) + FILE_ROOM);
	if (rc < 0) {
		snprintf(err, err_size, "cannot set resource limits: %s", strerror(-rc));
		return rc;
	}
	rc = sandbox_vm(err, err_size);
	h->sandboxed = rc == 0;
	return rc;
}

/* A load that writes to disks keeps its mark among the snapshots. */
static int may_put_disks(struct host *h, char *err, size_t err_size)
{
	for (unsigned i = 0; i < h->disks.n && !h->def.snapshots; i++)
		if (!h->disks.config[i].read_only) {
			snprintf(err, err_size,
				"it has a disk that the VM writes to, and loading that needs "
				"snapshots = true");
			return -EOPNOTSUPP;
		}
	return 0;
}

static int load_first(struct host *h, struct snapshot *snap, char *err, size_t err_size)
{
	char why[600];
	int rc = may_put_disks(h, why, sizeof(why));

	if (rc == 0)
		rc = snapshot_verify(snap, NULL, NULL, why, sizeof(why));
	if (rc == 0)
		rc = snapshot_fits(h, snap, why, sizeof(why));
	if (rc == 0)
		rc = snapshot_disks_prepare(h, snap, NULL, NULL, why, sizeof(why));
	if (rc == 0)
		rc = snapshot_put(h, snap, h->load_path, why, sizeof(why));
	snapshot_disks_forget(h, snap);
	if (rc < 0)
		snprintf(err, err_size, "snapshot %s: %s", h->def.load, why);
	else
		h->torn[0] = '\0';
	return rc;
}

/* From the closed sandbox on: the first guest instruction comes after it. */
static int run_guest(struct host *h, struct snapshot *snap, char *err, size_t err_size)
{
	bool run = !h->def.paused;
	int rc;

	if (h->def.load) {
		rc = load_first(h, snap, err, err_size);
		run = run && snap->manifest.running;
		/* Someone else's snapshot is no ancestor of what this VM will save. */
		if (rc == 0 && strcmp(snap->manifest.vm, h->def.name))
			h->current[0] = '\0';
	} else {
		rc = host_boot(h, err, err_size);
	}
	if (rc == 0 && run)
		rc = host_cont(h, err, err_size);
	return rc;
}

static int set_up(
	struct host *h, struct options *opt, struct snapshot *snap, char *err, size_t err_size)
{
	int rc = rundir_open(&h->rundir, h->def.name, err, err_size);

	if (rc == 0)
		rc = open_log(h, opt->foreground, err, err_size);
	if (rc == 0 && h->def.load) /* it says which disks and nets there are */
		rc = open_snapshot(h, snap, err, err_size);
	if (rc == 0)
		rc = disks_paths(h, err, err_size);
	if (rc == 0)
		rc = start_broker(h, err, err_size);
	if (rc == 0)
		rc = load_mark_look(h, err, err_size);
	if (rc == 0)
		rc = nets_open(&h->def, h->log, &h->nets, err, err_size);
	if (rc == 0)
		rc = open_images(h, snap, err, err_size);
	if (rc == 0)
		rc = disks_open(h, err, err_size);
	if (rc < 0)
		return rc;
	snapshot_disks_tidy(h);
	h->cols = (uint16_t)h->def.cols;
	h->rows = (uint16_t)h->def.rows;
	h->started_us = host_now_us();
	h->statm_fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
	h->base = event_base_new();
	if (!h->base)
		return not_made(
			errno == EMFILE ? -EMFILE : -ENOMEM, "the main loop", err, err_size);
	rc = rundir_listen(&h->rundir, h->def.name, err, err_size);
	if (rc == 0)
		rc = make_vm(h, err, err_size);
	if (rc == 0)
		rc = enter_sandbox(h, err, err_size);
	if (rc == 0)
		rc = run_guest(h, snap, err, err_size);
	return rc;
}

static void tear_down(struct host *h)
{
	if (h->vm)
		vmc_vm_stop(h->vm);
	jobs_free(h->jobs);
	h->jobs = NULL;
	control_free(h->control);
	dirty_rate_free(h->dirty_rate);
	host_unwatch(h);
	for (unsigned i = 0; i < RUNDIR_CONSOLES; i++)
		console_free(h->console[i]);
	nets_unbind(h->nets);
	guest_kernel_free(h->guest_kernel);
	machine_free(h->machine);
	vmc_vm_free(h->vm);
	disks_close(h);
	image_close(&h->kernel);
	image_close(&h->initrd);
	if (h->base)
		event_base_free(h->base);
	if (h->statm_fd >= 0)
		close(h->statm_fd);
	nets_close(h->nets);
	broker_stop(h->broker);
	rundir_close(&h->rundir);
	log_close(h->log);
	def_free(&h->def);
}

static int check_host(void)
{
	static const char *const names[] = {"irqfd", "ioeventfd", "dirty-log-manual", "dirty-ring",
		"immediate-exit", "sync-regs", "xsave2", "set-guest-debug", "adjust-clock",
		"readonly-mem", "msi", "resample", "kvmclock-ctrl"};
	struct vmc_kvm_info info = {0};
	char err[512] = "";
	int rc = vmc_kvm_probe(NULL, &info, err, sizeof(err));
	const bool has[] = {info.irqfd, info.ioeventfd, info.dirty_log_manual, info.dirty_ring,
		info.immediate_exit, info.sync_regs, info.xsave2, info.set_guest_debug,
		info.adjust_clock, info.readonly_mem, info.msi, info.resample, info.kvmclock_ctrl};
	json_t *caps = json_object(), *v;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		json_object_set_new(caps, names[i], json_boolean(has[i]));
	v = json_pack("{s:s, s:s, s:b, s:i, s:s, s:i, s:i, s:i, s:o}", "version", PACKAGE_VERSION,
		"path", "/dev/kvm", "usable", rc == 0, "errno", -rc, "error", err, "api-version",
		info.api_version, "max-vcpus", info.max_vcpus, "max-memslots", info.max_memslots,
		"capabilities", caps);
	json_dumpf(v, stdout, JSON_COMPACT);
	putchar('\n');
	json_decref(v);
	return rc == 0 ? EXIT_OK : EXIT_NO_KVM;
}

/* What was asked for beside running a VM. Return: an exit status, -1 to go on. */
static int other_wishes(const struct options *opt)
{
	if (opt->help) {
		options_help();
		return EXIT_OK;
	}
	if (opt->version) {
		printf("vitrine-vm " PACKAGE_VERSION "\n");
		return EXIT_OK;
	}
	if (opt->check_host)
		return check_host();
	if (opt->check_config) {
		printf("%s: good\n", *opt->config ? opt->config : opt->def.name);
		return EXIT_OK;
	}
	return -1;
}

/* KVM cannot be used at all, as against a VM that cannot be made. */
static bool no_kvm(void)
{
	struct vmc_kvm_info info;
	char err[256];

	return vmc_kvm_probe(NULL, &info, err, sizeof(err)) < 0;
}

static int hold_vm(struct options *opt)
{
	struct host h = {.def = opt->def,
		.statm_fd = -1,
		.kernel = {.fd = -1},
		.initrd = {.fd = -1},
		.rundir = {.lock_fd = -1, .control_fd = -1, .console_fd = {-1, -1}}};
	char err[DEF_ERR_SIZE] = "";
	struct snapshot snap;
	bool no_host;
	int rc;

	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN); /* a limit on file sizes is an error of the write, not a death */
	if (!opt->foreground)
		signal(SIGHUP, SIG_IGN);
	snapshot_init(&snap);
	rc = set_up(&h, opt, &snap, err, sizeof(err));
	snapshot_close(&snap);
	if (rc == 0) {
		log_line(h.log,
			"vitrine " PACKAGE_VERSION ": VM %s, process %d, %llu vCPUs, %llu MiB",
			h.def.name, (int)getpid(), (unsigned long long)h.def.vcpus,
			(unsigned long long)h.def.memory >> 20);
		ready_ok();
		event_base_dispatch(h.base);
		if (h.quit_reason)
			control_event(h.control, "SHUTDOWN",
				json_pack("{s:b, s:s}", "guest", 0, "reason", h.quit_reason));
		tear_down(&h);
		return h.exit_code;
	}
	log_line(h.log, "not started: %s", err);
	no_host = !h.vm && h.base && no_kvm();
	/* Before it is told: who hears of it may try the same name again at once. */
	tear_down(&h);
	rc = ready_failed(rc, err);
	return no_host ? EXIT_NO_KVM : rc;
}

int main(int argc, char **argv)
{
	char err[DEF_ERR_SIZE] = "";
	struct options opt;
	int rc = options_parse(&opt, argc, argv, err, sizeof(err));

	if (opt.ready_fd >= 0)
		ready_set(opt.ready_fd);
	if (rc < 0) {
		ready_failed(rc, err);
		def_free(&opt.def);
		return EXIT_USAGE;
	}
	rc = other_wishes(&opt);
	if (rc >= 0) {
		def_free(&opt.def);
		return rc;
	}
	if (!opt.foreground && opt.ready_fd < 0) {
		rc = ready_detach();
		if (rc < 0) {
			ready_failed(rc, "cannot make a background process");
			return EXIT_FAILED;
		}
	}
	return hold_vm(&opt);
}
