/* cmd.h - the functions behind the rows of commands.c. Screen thread. */
#ifndef TUI_CMD_H
#define TUI_CMD_H
#include "tui/ui.h"
#include "tui/vm.h"

/** cmd_vm() - the VM named by argument @n, else the selected one; NULL: none, and has said so. */
struct ui_vm *cmd_vm(struct ui_cmd_call *call, int n);
/** cmd_words() - the arguments from @n on as one text. */
const char *cmd_words(struct ui_cmd_call *call, int n, char *out, size_t size);

/* cmd_vm.c */
int cmd_pause(struct ui_cmd_call *call);
int cmd_resume(struct ui_cmd_call *call);
int cmd_start(struct ui_cmd_call *call);
int cmd_shutdown(struct ui_cmd_call *call);
int cmd_shutdown_cancel(struct ui_cmd_call *call);
int cmd_reset(struct ui_cmd_call *call);
int cmd_force_off(struct ui_cmd_call *call);
int cmd_nmi(struct ui_cmd_call *call);
int cmd_step(struct ui_cmd_call *call);
int cmd_new(struct ui_cmd_call *call);
int cmd_forget(struct ui_cmd_call *call);
int cmd_select(struct ui_cmd_call *call);
/* cmd_link.c */
int cmd_link(struct ui_cmd_call *call);
/* cmd_balloon.c */
int cmd_balloon(struct ui_cmd_call *call);
/* cmd_snapshot.c */
int cmd_snapshot(struct ui_cmd_call *call);
int cmd_load(struct ui_cmd_call *call);
int cmd_delete(struct ui_cmd_call *call);
/* cmd_pane.c */
int cmd_console(struct ui_cmd_call *call);
int cmd_scroll(struct ui_cmd_call *call);
int cmd_view(struct ui_cmd_call *call);
int cmd_goto(struct ui_cmd_call *call);
int cmd_focus_next(struct ui_cmd_call *call);
int cmd_focus_previous(struct ui_cmd_call *call);
int cmd_focus_up(struct ui_cmd_call *call);
int cmd_focus_down(struct ui_cmd_call *call);
int cmd_focus_left(struct ui_cmd_call *call);
int cmd_focus_right(struct ui_cmd_call *call);
int cmd_split_right(struct ui_cmd_call *call);
int cmd_split_below(struct ui_cmd_call *call);
int cmd_close_pane(struct ui_cmd_call *call);
int cmd_zoom(struct ui_cmd_call *call);
int cmd_grow(struct ui_cmd_call *call);
int cmd_shrink(struct ui_cmd_call *call);
int cmd_layout(struct ui_cmd_call *call);
int cmd_tab_next(struct ui_cmd_call *call);
int cmd_tab_previous(struct ui_cmd_call *call);
int cmd_tab_new(struct ui_cmd_call *call);
int cmd_tab_close(struct ui_cmd_call *call);
int cmd_next_vm(struct ui_cmd_call *call);
int cmd_previous_vm(struct ui_cmd_call *call);
/* cmd_screen.c */
int cmd_theme(struct ui_cmd_call *call);
int cmd_filter(struct ui_cmd_call *call);
int cmd_palette(struct ui_cmd_call *call);
int cmd_help(struct ui_cmd_call *call);
int cmd_messages(struct ui_cmd_call *call);
int cmd_set(struct ui_cmd_call *call);
int cmd_bind(struct ui_cmd_call *call);
int cmd_redraw(struct ui_cmd_call *call);
int cmd_suspend(struct ui_cmd_call *call);
int cmd_quit(struct ui_cmd_call *call);
int cmd_detach(struct ui_cmd_call *call);

/* completions */
typedef void cmd_complete_fn(struct ui *ui, int n, const char *prefix, void (*add)(void *, const char *), void *arg);
cmd_complete_fn complete_vm, complete_live_vm, complete_view, complete_layout, complete_theme, complete_option,
	complete_command, complete_snapshot;

/* what a snapshot list said last (panel_snapshots.c), and the id under its cursor, "" when empty */
void snapshots_each(struct ui *ui, struct ui_vm *vm, void (*fn)(void *arg, const char *name), void *arg);
const char *snapshots_chosen(struct panel *p, const char **name);

/* the form behind "new" (panel_new.c), to be an overlay */
struct panel *newvm_form(struct ui *ui);
void newvm_kernel(const char *text, char *out, size_t size); /* "shell" -> "guest:shell" */

#endif
