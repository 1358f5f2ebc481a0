/*
 * commands.c - every command of the workstation: a row each. Keys, palette, help and `vitrine --list-commands`
 * come from here. Screen thread.
 *
 * Default keys: safe acts are lower case, those that cost the guest something are shifted and ask. "1=vms" binds
 * a key to the command with an argument.
 */
#include "config.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "tui/cli.h"
#include "tui/cmd.h"

#define ROW(name, args, help, keys, flags, exec, complete) {name, args, help, keys, flags, exec, NULL, complete},
/* also a verb of the command line, and a verb alone: their options and further help are in cli_verbs.c */
#define BOTH(name, args, help, keys, flags, exec, complete) \
	{#name, args, help, keys, (flags) | CMD_CLI, exec, cli_##name, complete},
#define VERB(name, args, help) {#name, args, help, NULL, CMD_CLI, NULL, cli_##name, NULL},
#define VM (CMD_UI | CMD_NEEDS_VM)
#define ASK (CMD_UI | CMD_NEEDS_VM | CMD_ASKS)

const struct ui_cmd command_table[] = {
	/* VMs */
	BOTH(console, "[VM]", "Type to the guest: go to its console and enter CONSOLE mode.",
		"Enter i", VM, cmd_console, complete_live_vm)
	BOTH(start, "[VM]", "Start a defined VM, or run one that was stopped again.",
		"s", VM, cmd_start, complete_vm)
	ROW("new", "[NAME [GUEST|KERNEL [OPTION...]]]",
		"Start a new VM, with options of vitrine-vm(1); without arguments a form asks.",
		"n", CMD_UI, cmd_new, NULL)
	BOTH(pause, "[VM]", "Stop the VM's time, or let it go on when it is paused.",
		"p", VM, cmd_pause, complete_live_vm)
	BOTH(resume, "[VM]", "Let a paused VM go on.",
		NULL, VM, cmd_resume, complete_live_vm)
	ROW("step", "[VM [CPU]]", "Run one instruction of a paused VM.",
		".", VM, cmd_step, complete_live_vm)
	BOTH(snapshot, "[VM [NAME]]", "Save the VM's whole state as a snapshot; it runs on.",
		"t", VM, cmd_snapshot, complete_live_vm)
	BOTH(load, "[VM [SNAPSHOT]]", "Go back to a snapshot: what the guest did since is lost.",
		"L", ASK, cmd_load, complete_snapshot)
	ROW("delete", "[VM [SNAPSHOT]]", "Delete a snapshot.",
		"D", ASK, cmd_delete, complete_snapshot)
	ROW("shutdown", "[VM]",
		"Ask the guest to shut down, as its power button does; when its time is over the VM is turned off.",
		"S", ASK, cmd_shutdown, complete_live_vm)
	ROW("shutdown-cancel", "[VM]", "Let a guest that was asked to shut down take as long as it likes.",
		"C", VM, cmd_shutdown_cancel, complete_live_vm)
	BOTH(reset, "[VM]", "Reset the machine at once, as its reset button does.",
		"R", ASK, cmd_reset, complete_live_vm)
	ROW("force-off", "[VM]", "End the VM at once; what it has not saved is lost.",
		"F", ASK, cmd_force_off, complete_live_vm)
	BOTH(balloon, "[[VM] SIZE]", "Say how much memory the guest shall keep, or how much it keeps.",
		NULL, VM, cmd_balloon, complete_live_vm)
	BOTH(link, "[VM] CARD up|down", "Pull a network card's cable, or plug it in.",
		NULL, VM, cmd_link, complete_live_vm)
	ROW("nmi", "[VM]", "Send the guest a non-maskable interrupt.",
		NULL, ASK, cmd_nmi, complete_live_vm)
	ROW("forget", "[VM]", "Take a VM that has gone out of the list.",
		NULL, VM, cmd_forget, complete_vm)
	ROW("select", "VM", "Make a VM the one that commands and views are about.",
		NULL, CMD_UI, cmd_select, complete_vm)
	ROW("next-vm", "", "Select the next VM of the list.",
		"j Down", CMD_UI, cmd_next_vm, NULL)
	ROW("previous-vm", "", "Select the previous VM of the list.",
		"k Up", CMD_UI, cmd_previous_vm, NULL)
	/* views */
	ROW("view", "NAME", "Show a view of the selected VM.",
		"1=vms 2=console 3=vcpu 4=memmap 5=heat 6=hex 7=snapshots 8=log 9=serial", CMD_UI, cmd_view, complete_view)
	ROW("goto", "[ADDRESS]", "Show guest memory at a physical address in the hex view.",
		"g", VM, cmd_goto, NULL)
	ROW("scroll", "", "Look back in the console: PgUp, PgDn, arrows, v selects, / searches; Enter returns to typing.",
		NULL, CMD_UI, cmd_scroll, NULL)
	ROW("filter", "[TEXT]", "Show only the lines of the focused pane that contain a text.",
		"/", CMD_UI, cmd_filter, NULL)
	/* panes */
	ROW("focus-next", "", "Focus the next pane.",
		"Tab o", CMD_UI, cmd_focus_next, NULL)
	ROW("focus-previous", "", "Focus the previous pane.",
		"S-Tab", CMD_UI, cmd_focus_previous, NULL)
	ROW("focus-left", "", "Focus the pane to the left.",
		"Left h C-Left", CMD_UI, cmd_focus_left, NULL)
	ROW("focus-right", "", "Focus the pane to the right.",
		"Right l C-Right", CMD_UI, cmd_focus_right, NULL)
	ROW("focus-up", "", "Focus the pane above.",
		"C-Up", CMD_UI, cmd_focus_up, NULL)
	ROW("focus-down", "", "Focus the pane below.",
		"C-Down", CMD_UI, cmd_focus_down, NULL)
	ROW("split-right", "[VIEW]", "Split the focused pane, the new one at its right.",
		"%", CMD_UI, cmd_split_right, complete_view)
	ROW("split-below", "[VIEW]", "Split the focused pane, the new one below.",
		"\"", CMD_UI, cmd_split_below, complete_view)
	ROW("close-pane", "", "Take the focused pane away; its VM goes on.",
		"x", CMD_UI, cmd_close_pane, NULL)
	ROW("zoom", "", "Give the focused pane the whole screen, or back.",
		"z", CMD_UI, cmd_zoom, NULL)
	ROW("grow", "[rows|cols]", "Make the focused pane larger.",
		"+", CMD_UI, cmd_grow, NULL)
	ROW("shrink", "[rows|cols]", "Make the focused pane smaller.",
		"_ -", CMD_UI, cmd_shrink, NULL)
	ROW("layout", "NAME", "Lay this tab out anew: a named layout, or one written out.",
		NULL, CMD_UI, cmd_layout, complete_layout)
	ROW("tab-next", "", "Go to the next tab.",
		"]", CMD_UI, cmd_tab_next, NULL)
	ROW("tab-previous", "", "Go to the previous tab.",
		"[", CMD_UI, cmd_tab_previous, NULL)
	ROW("tab-new", "[LAYOUT]", "Open a tab.",
		NULL, CMD_UI, cmd_tab_new, complete_layout)
	ROW("tab-close", "", "Close this tab; its VMs go on.",
		NULL, CMD_UI, cmd_tab_close, NULL)
	/* the screen */
	ROW("theme", "[NAME]", "Change the colours: a theme by name, or the next one.",
		"T", CMD_UI, cmd_theme, complete_theme)
	ROW("set", "OPTION VALUE", "Change an option of vitrine.cfg for this session.",
		NULL, CMD_UI, cmd_set, complete_option)
	ROW("bind", "KEY COMMAND...", "Bind a key for this session.",
		NULL, CMD_UI, cmd_bind, complete_command)
	ROW("palette", "[TEXT]", "Type a command, with completion.",
		":", CMD_UI, cmd_palette, NULL)
	ROW("help", "[TEXT]", "Show every key and command.",
		"? F1", CMD_UI, cmd_help, complete_command)
	ROW("messages", "", "Show what the workstation has said so far.",
		"m", CMD_UI, cmd_messages, NULL)
	ROW("redraw", "", "Draw the whole screen anew.",
		"C-l", CMD_UI, cmd_redraw, NULL)
	ROW("suspend", "", "Back to the shell for a while; fg returns.",
		"C-z", CMD_UI, cmd_suspend, NULL)
	ROW("detach", "", "Leave the workstation; VMs go on.",
		"M-d", CMD_UI, cmd_detach, NULL)
	ROW("quit", "", "Back out of what is open, then leave; VMs go on.",
		"q", CMD_UI, cmd_quit, NULL)
	/* of the command line alone */
	VERB(ls, "[OPTIONS]",
		"List the VMs that run and those that are defined.")
	VERB(run, "[OPTIONS] GUEST|KERNEL",
		"Start a VM from the command line and attach to its console.")
	VERB(stop, "[OPTIONS] VM...",
		"Shut VMs down, by the power button where there is one.")
	VERB(send, "[OPTIONS] VM [TEXT...]",
		"Type into a VM's console and wait for an answer.")
	VERB(registers, "[OPTIONS] VM",
		"Show the registers of a vCPU.")
	VERB(map, "[OPTIONS] VM",
		"Show the memory map: RAM, devices, holes, memory slots.")
	VERB(devices, "[OPTIONS] VM",
		"Show the devices with their addresses, interrupts and queues.")
	VERB(log, "VM",
		"Print what the VM's process had to say, also after it has ended.")
	VERB(check, "[OPTIONS]",
		"Say whether this host can run VMs, what is missing, and how to fix it.")
	VERB(demo, "[OPTIONS]",
		"Start three teaching guests and open the workstation on them.")
	{.name = NULL},
};

const struct ui_cmd *command_find(const char *name)
{
	size_t i;

	for (i = 0; command_table[i].name != NULL; i++)
		if (strcmp(command_table[i].name, name) == 0)
			return &command_table[i];
	return NULL;
}

/* The focused view's own commands have names too. */
static const struct ui_cmd *of_panel(struct ui *ui, const char *name)
{
	struct panel *p = ui_focused_panel(ui);
	const struct ui_cmd *const *cmd;

	for (cmd = p != NULL ? p->ops->cmds : NULL; cmd != NULL && *cmd != NULL; cmd++)
		if (strcmp((*cmd)->name, name) == 0)
			return *cmd;
	return NULL;
}

const struct ui_cmd *command_here(struct ui *ui, const char *name)
{
	const struct ui_cmd *cmd = command_find(name);

	return cmd != NULL && (cmd->flags & CMD_UI) ? cmd : of_panel(ui, name);
}

/* Not a name: the one command it begins, or what it may have meant. */
static const struct ui_cmd *guess(struct ui *ui, const char *name)
{
	const struct ui_cmd *found = NULL;
	char list[256] = "";
	size_t i, n = 0, len;

	for (i = 0; command_table[i].name != NULL; i++) {
		if (!(command_table[i].flags & CMD_UI) || strncmp(command_table[i].name, name, strlen(name)) != 0)
			continue;
		found = &command_table[i];
		len = strlen(list);
		snprintf(list + len, sizeof(list) - len, "%s%s", n++ > 0 ? ", " : "", found->name);
	}
	if (n == 1)
		return found;
	if (n > 1)
		ui_warn(ui, "\"%.64s\" may be %s", name, list);
	else
		ui_warn(ui, "no command \"%.64s\"; Tab after : shows what there is", name);
	return NULL;
}

int command_exec(struct ui *ui, int argc, char **argv)
{
	struct ui_cmd_call call = {.ui = ui, .argc = argc, .argv = argv};
	const struct ui_cmd *cmd;

	if (argc == 0)
		return 0;
	if (ui->layout_stale) /* typed ahead: what the last command did to the panes comes first */
		ui_layout(ui);
	call.panel = ui_focused_panel(ui);
	cmd = command_here(ui, argv[0]);
	if (cmd == NULL)
		cmd = guess(ui, argv[0]);
	if (cmd == NULL)
		return -ENOENT;
	if (argc == 1 && cmd->args[0] != '\0' && cmd->args[0] != '[') {
		ui_warn(ui, "%s wants %s", cmd->name, cmd->args);
		return -EINVAL;
	}
	return cmd->exec(&call);
}

int command_run(struct ui *ui, const char *line)
{
	char copy[512], *argv[32], *word, *save;
	int argc = 0;

	if (strlen(line) >= sizeof(copy)) {
		ui_warn(ui, "that is too long for a command");
		return -E2BIG;
	}
	snprintf(copy, sizeof(copy), "%s", line);
	for (word = strtok_r(copy, " ", &save); word != NULL; word = strtok_r(NULL, " ", &save)) {
		if (argc == 31) {
			ui_warn(ui, "that has too many words for a command");
			return -E2BIG;
		}
		argv[argc++] = word;
	}
	argv[argc] = NULL;
	return command_exec(ui, argc, argv);
}

struct ui_vm *cmd_vm(struct ui_cmd_call *call, int n)
{
	struct ui_vm *vm = call->ui->sel;

	if (call->argc > n) {
		vm = vms_find(call->ui, call->argv[n]);
		if (vm == NULL)
			ui_warn(call->ui, "%s: no VM \"%.64s\"", call->argv[0], call->argv[n]);
	} else if (vm == NULL) {
		ui_warn(call->ui, "%s: there is no VM yet; new starts one", call->argv[0]);
	}
	return vm;
}

const char *cmd_words(struct ui_cmd_call *call, int n, char *out, size_t size)
{
	size_t len = 0;

	out[0] = '\0';
	for (; n < call->argc && len < size; n++)
		len += (size_t)snprintf(out + len, size - len, "%s%s", len > 0 ? " " : "", call->argv[n]);
	return out;
}
