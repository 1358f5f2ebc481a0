/*
 * panels.c - every view there is, in the order of help and completion.
 */
#include "config.h"
#include <stddef.h>
#include "tui/panel.h"

const struct panel_ops *const panel_table[] = {
	&panel_vms, &panel_console, &panel_serial, &panel_vcpu, &panel_memmap, &panel_heat, &panel_hex, &panel_devices,
	&panel_snapshots, &panel_log, &panel_messages, &panel_help, NULL,
};
