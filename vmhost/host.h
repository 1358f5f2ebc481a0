/*
 * host.h - the process that holds one VM: what its parts share. Main thread, but where said
 * otherwise.
 */
#ifndef VMHOST_HOST_H
#define VMHOST_HOST_H
#include "devices/machine.h"
#include "vmhost/console.h"
#include "vmhost/def.h"
#include "vmhost/disks.h"
#include "vmhost/image.h"
#include "vmhost/rundir.h"
#include <jansson.h>
#include <vmcore/vmcore.h>

struct broker;
struct control;
struct dirty_rate;
struct event;
struct guest_kernel;
struct jobs;
struct log;
struct nets;
struct qmp_command;

struct host {
	struct vm_def def;
	struct rundir rundir;
	struct log *log;
	struct broker *broker;
	struct event_base *base;
	struct vmc_vm *vm;
	struct machine *machine;
	struct image kernel, initrd;
	struct disks disks;
	struct console *console[RUNDIR_CONSOLES];
	struct control *control;
	struct jobs *jobs;
	struct dirty_rate *dirty_rate;
	struct nets *nets;
	struct guest_kernel *guest_kernel;
	struct event *vm_ev, *term_ev, *int_ev, *hup_ev;
	char kernel_path[4096];
	char load_path[4200]; /* the snapshot it began with, a folder; else "" */
	char current[DEF_NAME_SIZE]; /* the snapshot that the VM's state descends from */
	char torn[512];		     /* a load failed half-way through the disks: how; else "" */
	char reason[1024];           /* why it stopped, crashed or was paused */
	uint16_t cols, rows;
	uint64_t started_us;
	int statm_fd; /* /proc/self/statm, opened before the sandbox */
	bool sandboxed;
	bool quitting;
	bool panicked; /* the guest has said so, since the last reset */
	const char *quit_reason; /* QMP's word, when it was not the guest's wish */
	int exit_code;
};

/** host_boot() - read the kernel (again), load it, point vCPU 0 at it; VM created or just reset. */
int host_boot(struct host *h, char *err, size_t err_size);
/** host_machine_new() - the devices, wired to the VM and to the consoles. */
int host_machine_new(struct host *h, char *err, size_t err_size);
/** host_watch() - act on what the engine and signals tell. */
int host_watch(struct host *h);
void host_unwatch(struct host *h);
/** host_watch_vm() - what the guest asks for (reset, shutdown ...) waits while this is off. */
void host_watch_vm(struct host *h, bool on);

/* What commands do; the message is for the one who asked. */
int host_cont(struct host *h, char *err, size_t err_size);
int host_stop(struct host *h, char *err, size_t err_size);
int host_reset(struct host *h, bool guest, char *err, size_t err_size);
/** host_refuse_torn() - true with @err while the disks are partly a snapshot's: only a load helps. */
bool host_refuse_torn(const struct host *h, char *err, size_t err_size);
/** host_quit() - end the process: the loop ends after what runs now. */
void host_quit(struct host *h, const char *reason);
/** host_status() - QMP's word for the VM's state. */
const char *host_status(const struct host *h);
int host_resize(struct host *h, uint16_t cols, uint16_t rows);

json_t *host_version_json(void);
/** host_commands() - every command, for qmp.h. */
const struct qmp_command *const *host_commands(void);
uint64_t host_now_us(void);

#endif
