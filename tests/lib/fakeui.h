/*
 * fakeui.h - the workstation as the views see it, without a terminal: what they draw lands in a grid of characters and
 * roles, what they ask for is written down. Tests feed samples and read the screen as a user would.
 */
#ifndef TESTS_FAKEUI_H
#define TESTS_FAKEUI_H
#include "tui/panel.h"

struct fake;

struct fake *fake_new(const struct panel_ops *ops, int h, int w);
void fake_free(struct fake *f);
struct panel *fake_panel(struct fake *f);
void fake_resize(struct fake *f, int h, int w);
void fake_ascii(struct fake *f, bool on);
void fake_connected(struct fake *f, bool on);

/** fake_sample() - hand in a sample and draw if the panel says so. Return: what it said. */
enum panel_result fake_sample(struct fake *f, const struct vmc_sample *s);
/** fake_keys() - one key after the other: plain characters. */
enum panel_result fake_keys(struct fake *f, const char *keys);
enum panel_result fake_key(struct fake *f, int key);
enum panel_result fake_click(struct fake *f, int y, int x);
enum panel_result fake_wheel(struct fake *f, int y, int x, bool up);
void fake_tick(struct fake *f, uint64_t now_ms);
struct vmc_subscription fake_want(struct fake *f);

/** fake_draw() - draw anew. fake_row() - a row as UTF-8 without trailing blanks. */
void fake_draw(struct fake *f);
const char *fake_row(struct fake *f, int y);
/** fake_find() - the row with @text, -1; @x may be NULL. fake_dump() - all of it as TAP comments. */
int fake_find(struct fake *f, const char *text, int *x);
bool fake_shows(struct fake *f, const char *text);
enum ui_role fake_role(struct fake *f, int y, int x);
/** fake_role_of() - of the first cell of @text, ROLE_COUNT when it is not on the screen. */
enum ui_role fake_role_of(struct fake *f, const char *text);
/** fake_upper()/fake_lower() - the two halves of a half block; ROLE_COUNT elsewhere. */
enum ui_role fake_upper(struct fake *f, int y, int x);
enum ui_role fake_lower(struct fake *f, int y, int x);
/** fake_changed() - cells that came out different from the draw before the last. */
int fake_changed(struct fake *f);
void fake_dump(struct fake *f);

/* What the panel asked of the workstation and the VM. */
const char *fake_said(struct fake *f);	 /* last ui_say or ui_warn, "" */
int fake_wants_again(struct fake *f);	 /* calls of ui_want() */
uint64_t fake_hex_goto(struct fake *f);	 /* last ui_goto_hex, UINT64_MAX */
const char *fake_opened(struct fake *f); /* last ui_open_panel, "" */
void fake_goto(struct fake *f, uint64_t gpa); /* ui_goto_hex from elsewhere */
/* Commands to the VM, oldest unanswered first. "" / no effect when there is none. */
const char *fake_command(struct fake *f);
const char *fake_command_args(struct fake *f);
int fake_pending(struct fake *f);
void fake_reply(struct fake *f, int rc, const char *text);
/* The open prompt or question: its label; answering closes it. NULL text: given up. */
const char *fake_prompt(struct fake *f);
void fake_answer(struct fake *f, const char *text);
void fake_answer_ask(struct fake *f, bool yes);

/* Samples. Only one exists at a time; fields may be changed before it is handed in. */
struct vmc_sample *fake_sample_new(enum vmc_state state, uint64_t time_us);

#endif
