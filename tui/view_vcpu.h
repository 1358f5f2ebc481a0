/* view_vcpu.h - the parts of the vCPU view: view_vcpu.c (state, keys), vcpu_draw.c (what is drawn). Screen thread. */
#ifndef TUI_VIEW_VCPU_H
#define TUI_VIEW_VCPU_H
#include "tui/exits.h"
#include "tui/view.h"

/* One vCPU as shown, and what changed when it came to be. */
struct vcpu_shown {
	enum vmc_run_state state;
	struct exit_rates rates;
	bool has_regs;
	struct vmc_regs regs, old_regs;
	struct vmc_sregs sregs, old_sregs;
	uint8_t code[16];
	uint32_t code_len;
	char symbol[96];
	uint64_t kernel_base;
};

struct vcpu_panel {
	struct panel p;
	struct view_reqs reqs;
	enum vmc_state vm_state;
	bool have_sample;
	uint64_t shown_us;   /* when the registers shown were taken */
	uint32_t ncpus, cpu; /* cpu: the one that is shown in full */
	struct vcpu_shown cpus[VMC_MAX_VCPUS];
	bool named;	     /* RIP had a name before: there is a place for it */
	int scroll, lines;   /* lines: of the whole content, after drawing */
};

void vcpu_draw(struct vcpu_panel *v);
const char *vcpu_state_name(enum vmc_run_state state);

#endif
