/*
 * view.h - what the views of a VM (view_*.c) share: commands as keys, requests that survive their panel, the memory map
 * they were last told, text that is cut to its column. Screen thread.
 */
#ifndef TUI_VIEW_H
#define TUI_VIEW_H
#include "tui/command.h"
#include "tui/panel.h"

/** view_cmd_key() - run the command of @p whose row lists @key. Return: PANEL_IGNORED when there is none. */
enum panel_result view_cmd_key(struct panel *p, int key);
/** view_of() - the panel of a command if it is one of @ops, to be drawn anew; else NULL, having said so. */
struct panel *view_of(struct ui_cmd_call *call, const struct panel_ops *ops);

/* ---- requests to the VM: a reply may come after the panel has gone ---- */
struct view_req;
struct view_reqs {
	struct view_req *first;
	unsigned count;
};
/* @json is the return value, NULL when @rc < 0. */
typedef void view_reply_fn(struct panel *p, uint64_t tag, int rc, const char *error, const char *json);
/** view_request() - send @command; @fn gets the reply unless the panel went away before. -ENOTCONN while
 * the VM does not run. */
int view_request(struct panel *p, struct view_reqs *reqs, const char *command, const char *args_json,
	view_reply_fn *fn, uint64_t tag);
void view_reqs_drop(struct view_reqs *reqs); /* from destroy() */

/* ---- the memory map as last told ---- */
struct view_map {
	struct vmc_map_entry *e;
	uint32_t n;
};
bool view_map_take(struct view_map *map, const struct vmc_sample *s); /* true: it has changed in shape */
void view_map_free(struct view_map *map);
/** view_map_find() - the entry (no ports, holes last) that holds @gpa; NULL. */
const struct vmc_map_entry *view_map_find(const struct view_map *map, uint64_t gpa);
/** view_map_what() - as view_map_find(), but what the guest has there where that is known: its kernel, its initrd. */
const struct vmc_map_entry *view_map_what(const struct view_map *map, uint64_t gpa);
/** view_map_is_guest() - what the guest makes of its memory (e820, kernel, initrd): lies over what it is made of. */
bool view_map_is_guest(const struct vmc_map_entry *e);
/** view_map_end() - one past an entry's last byte; a VM that tells nonsense gets the last address. */
uint64_t view_map_end(const struct vmc_map_entry *e);
/** view_map_top() - one past the last byte of memory. */
uint64_t view_map_top(const struct view_map *map);
/** view_map_is_port() - its addresses are ports: "pio", and what of the irqchip is at ports. */
bool view_map_is_port(const struct vmc_map_entry *e);
/** view_map_name() - "pci 00:01.0 console", else the kind. */
const char *view_map_name(const struct vmc_map_entry *e);
enum ui_role view_map_role(const struct vmc_map_entry *e);

/** view_text() - printf at (y, x) in at most @w columns, cut with an ellipsis. Return: columns used. */
int view_text(struct panel *p, int y, int x, int w, enum ui_role role, const char *fmt, ...)
	__attribute__((format(printf, 6, 7)));
/** view_hex() - a number in @digits hex digits, its leading zeros dim unless @role is ROLE_CHANGED. */
void view_hex(struct panel *p, int y, int x, int digits, uint64_t v, enum ui_role role);
/** view_absent() - why there is nothing to show yet: "pager is not running"; valid until the next call. */
const char *view_absent(const struct panel *p);
/** view_keys() - hints in one row: "Enter", "hex", "h", "heat", NULL; whole pairs only. */
void view_keys(struct panel *p, int y, int x, int w, ...) __attribute__((sentinel));
/** view_age() - "just now", "2.3 s", "4 min". */
void view_age(uint64_t us, char *out, size_t size);

/* Between views. */
void panel_heat_show(struct panel *p, uint64_t start, uint64_t size);

#endif
