/*
 * vm.h - the VMs as the workstation knows them: a record for each that runs or is defined, with one control
 * connection while it runs. Screen thread only.
 */
#ifndef TUI_VM_H
#define TUI_VM_H
#include "tui/ui.h"

enum vm_link {
	VM_IDLE,     /* defined, not running */
	VM_STARTING, /* its process is coming up */
	VM_JOINING,  /* connecting to it */
	VM_LIVE,
	VM_ENDED,    /* its process left in good order */
	VM_LOST,     /* its process went away without a word */
};

struct vm_job {
	bool active;
	char what[16];		  /* "save" "load" "delete" */
	char name[VMC_NAME_SIZE]; /* the snapshot */
	uint64_t done, total;
};

#define VM_HISTORY 60
struct ui_vm {
	struct ui *ui;
	char name[VMC_NAME_SIZE];
	bool defined, listed;
	enum vm_link link;
	struct vmc_conn *conn;
	struct event *ev;
	int ev_fd;
	short ev_mask;
	struct event *ev_spawn;
	int spawn_fd;
	bool ending;	      /* it was told to end, or said that it would */
	char why[UI_MSG_SIZE]; /* LOST: what is known */
	struct vmc_vm_info info;
	uint64_t retry_ms; /* not before this another try to join */

	struct vmc_subscription sub; /* what was asked for last */
	bool have_sample;
	uint64_t time_us, cpu_us, exits; /* at the last sample */
	double cpu_percent, exits_per_s;
	uint64_t rss;
	uint8_t cpu_history[VM_HISTORY]; /* per cent, newest last */

	uint64_t off_at_ms; /* asked to shut down: when the VM is turned off (vm_off.c); 0: not asked */
	int off_shown;	    /* seconds left, as drawn last */
	bool off_forced;    /* its time was over */
	bool end_told;	    /* it has been said how it ended */

	struct vm_job job;
	unsigned snapshots_serial; /* goes up when a save, load or delete has ended */
	struct vmc_symbols *symbols;
	char symbols_of[256];
	struct vmc_symbols *beside; /* of files beside a packed kernel, see ui_vm_symbols_beside() */
	char beside_of[256];
	uint64_t hex_gpa;
	unsigned hex_seq;
};

int vms_start(struct ui *ui); /* begin to watch */
void vms_scan(struct ui *ui); /* now */
void vms_free(struct ui *ui);
struct ui_vm *vms_find(struct ui *ui, const char *name);
bool vm_is_live(const struct ui_vm *vm);
const char *vm_state_text(const struct ui_vm *vm); /* "running", "lost", ... */
enum ui_role vm_state_role(const struct ui_vm *vm);
wchar_t vm_state_mark(const struct ui_vm *vm); /* one column */
int vm_spawn(struct ui *ui, const char *name, const char *const *argv);
void vm_forget(struct ui *ui, struct ui_vm *vm); /* a lost or ended one */
void vms_update_wants(struct ui *ui); /* what the visible panels want to see */
void vm_refresh_info(struct ui_vm *vm);
/** vm_off_begin() - the guest has been asked to shut down: its time begins. vm_off_left(): seconds, -1: no clock runs. */
void vm_off_begin(struct ui_vm *vm);
int vm_off_left(const struct ui_vm *vm);
void vm_off_cancel(struct ui_vm *vm);
void vm_off_ended(struct ui_vm *vm, const char *reason); /* QMP's, of SHUTDOWN */
void vms_off_tick(struct ui *ui);
/** vm_command() - a command whose failure is reported as "NAME: what: why". */
int vm_command(struct ui_vm *vm, const char *command, const char *args_json, const char *what);
/** vm_snapshot() - @what: save, load, delete; @id: name or id; @name: what the user knows it by. */
int vm_snapshot(struct ui_vm *vm, const char *what, const char *id, const char *name);
#endif
