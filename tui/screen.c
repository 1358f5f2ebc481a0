/*
 * screen.c - the workstation's loop: one libevent base for the terminal, connections, timers and signals, and
 * frames that are drawn only when something has changed, 10 ms after it did, at most opt.frames_per_s times a
 * second, and where frames are dear (a slow machine, a slow terminal) in a quarter of all time, unless somebody types. Screen thread: the only one.
 */
#include "config.h"
#include <errno.h>
#include <poll.h>
#include <event2/event.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "tui/ui.h"
#include "tui/vm.h"
#include "tui/vm_internal.h"

#define COALESCE_MS 10
#define TYPING_MS 500 /* after a key its effect is shown at once, whatever frames cost */
#define TICK_MS 100

struct watch {
	struct watch *next;
	struct event *ev;
	int fd;
	void (*fn)(void *arg, int fd);
	void *arg;
};

uint64_t ui_now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

/* ---- descriptors of panels ---- */

static void watch_ready(evutil_socket_t fd, short what, void *arg)
{
	struct watch *w = arg;

	(void)what;
	w->fn(w->arg, fd);
}

int ui_watch_fd(struct ui *ui, int fd, void (*fn)(void *arg, int fd), void *arg)
{
	struct watch *w = calloc(1, sizeof(*w));

	if (w == NULL)
		return -ENOMEM;
	*w = (struct watch){.next = ui->watches, .fd = fd, .fn = fn, .arg = arg};
	w->ev = event_new(ui->base, fd, EV_READ | EV_PERSIST, watch_ready, w);
	if (w->ev == NULL || event_add(w->ev, NULL) < 0) {
		free(w);
		return -ENOMEM;
	}
	ui->watches = w;
	return 0;
}

void ui_unwatch_fd(struct ui *ui, int fd)
{
	struct watch **at = &ui->watches, *w;

	while (*at != NULL && (*at)->fd != fd)
		at = &(*at)->next;
	w = *at;
	if (w == NULL)
		return;
	*at = w->next;
	event_free(w->ev);
	free(w);
}

/* ---- what must be drawn ---- */

void ui_schedule(struct ui *ui)
{
	uint64_t now, least, wait = COALESCE_MS;
	struct timeval tv = {0};

	if (ui->frame_armed || ui->ev_frame == NULL)
		return;
	now = ui_now_ms();
	least = 1000 / (uint64_t)ui->opt.frames_per_s;
	if (now - ui->typed_ms > TYPING_MS && ui->frame_cost_ms * 3 > least)
		least = ui->frame_cost_ms * 3 < 500 ? ui->frame_cost_ms * 3 : 500;
	least += ui->last_frame_ms;
	if (least > now + wait)
		wait = least - now;
	tv.tv_usec = (suseconds_t)(wait * 1000);
	ui->frame_armed = event_add(ui->ev_frame, &tv) == 0;
}

void ui_mark(struct panel *p)
{
	p->stale = true;
	if (p->visible)
		ui_schedule(p->ui);
}

void ui_want(struct panel *p)
{
	p->ui->want_stale = true;
	ui_schedule(p->ui);
}

void ui_redraw_all(struct ui *ui)
{
	ui->draw_all = true;
	ui_schedule(ui);
}

void ui_relayout(struct ui *ui)
{
	ui->layout_stale = true;
	ui_schedule(ui);
}

void ui_select(struct ui *ui, struct ui_vm *vm)
{
	size_t i;

	if (vm == ui->sel)
		return;
	ui->sel = vm;
	for (i = 0; i < ui->npool; i++)
		if (ui->pool[i]->ops == &panel_vms)
			ui_mark(ui->pool[i]);
	ui_relayout(ui); /* panes that follow the selection show another VM now */
}

void ui_set_console_mode(struct ui *ui, bool on)
{
	struct panel *p = ui_focused_panel(ui);

	if (on && (p == NULL || p->ops->raw_key == NULL))
		on = false;
	if (on == ui->console_mode)
		return;
	ui->console_mode = on;
	ui->prefix_pending = false;
	ui->draw_frames = ui->draw_line = true;
	if (p != NULL)
		ui_mark(p);
	ui_schedule(ui);
}

void ui_overlay(struct ui *ui, struct panel *p)
{
	struct panel *old = ui->overlay;

	ui->overlay = NULL;
	if (old != NULL) {
		old->visible = false;
		old->ops->destroy(old);
	}
	ui->overlay = p;
	if (p != NULL) {
		p->ui = ui;
		p->visible = p->focused = true;
		ui_set_console_mode(ui, false);
	}
	ui_relayout(ui);
}

void ui_apply(struct ui *ui, struct panel *p, enum panel_result r)
{
	struct node *leaf;

	switch (r) {
	case PANEL_IGNORED:
	case PANEL_HANDLED:
		break;
	case PANEL_REDRAW:
		ui_mark(p);
		break;
	case PANEL_CLOSE:
		if (p == ui->overlay) {
			ui_overlay(ui, NULL);
		} else {
			leaf = ui_leaf_of(ui, p);
			if (leaf != NULL && leaf->back != NULL)
				ui_show_view(ui, leaf, leaf->back);
		}
		break;
	}
}

void ui_quit(struct ui *ui)
{
	ui->quit = true;
	event_base_loopbreak(ui->base);
}

/* ---- a frame ---- */

static void draw_panel(struct ui *ui, struct panel *p)
{
	p->stale = false;
	draw_fill(ui, p->rect.y, p->rect.x, p->rect.h, p->rect.w, ROLE_DEFAULT);
	if (p->rect.h > 0 && p->rect.w > 0)
		p->ops->draw(p);
}

static void draw_nothing(struct ui *ui, const struct node *l)
{
	struct ui_rect r = {l->outer.y + 1, l->outer.x + 1, l->outer.h - 2, l->outer.w - 2};
	const char *text = ui->sel == NULL ? "no VM yet" : "not available";

	draw_fill(ui, r.y, r.x, r.h, r.w, ROLE_DEFAULT);
	draw_text(ui, r.y + r.h / 2, r.x + (r.w > text_width(text) ? (r.w - text_width(text)) / 2 : 0), r.w, ROLE_DIM,
		text);
}

static bool draw_panels(struct ui *ui)
{
	struct node *root = tab_current(ui)->root, *l;
	bool any = ui->draw_all || ui->draw_frames;

	for (l = node_next_leaf(root, NULL, true); l != NULL; l = node_next_leaf(root, l, true)) {
		if (l->panel == NULL) {
			if (ui->draw_all)
				draw_nothing(ui, l);
		} else if (l->panel->stale || ui->draw_all) {
			draw_panel(ui, l->panel);
			any = true;
		}
	}
	return any;
}

/* Above everything: as large as it likes to be within the screen. */
static void draw_overlay(struct ui *ui)
{
	struct panel *p = ui->overlay;
	struct ui_rect r = {.h = ui->rows - 5, .w = ui->cols - 6};
	char title[128] = "", text[140];
	int y, x;

	r.w = r.w > 100 ? 100 : r.w;
	r.y = 2;
	r.x = (ui->cols - r.w) / 2;
	if (memcmp(&r, &p->rect, sizeof(r)) != 0) {
		p->rect = r;
		if (p->ops->resized != NULL)
			p->ops->resized(p);
	}
	draw_panel(ui, p);
	for (x = r.x - 1; x <= r.x + r.w; x++) {
		draw_wch(ui, r.y - 1, x, L'\u2500', ROLE_BORDER_FOCUS);
		draw_wch(ui, r.y + r.h, x, L'\u2500', ROLE_BORDER_FOCUS);
	}
	for (y = r.y; y < r.y + r.h; y++) {
		draw_wch(ui, y, r.x - 1, L'\u2502', ROLE_BORDER_FOCUS);
		draw_wch(ui, y, r.x + r.w, L'\u2502', ROLE_BORDER_FOCUS);
	}
	draw_wch(ui, r.y - 1, r.x - 1, ui->opt.rounded ? L'\u256d' : L'\u250c', ROLE_BORDER_FOCUS);
	draw_wch(ui, r.y - 1, r.x + r.w, ui->opt.rounded ? L'\u256e' : L'\u2510', ROLE_BORDER_FOCUS);
	draw_wch(ui, r.y + r.h, r.x - 1, ui->opt.rounded ? L'\u2570' : L'\u2514', ROLE_BORDER_FOCUS);
	draw_wch(ui, r.y + r.h, r.x + r.w, ui->opt.rounded ? L'\u256f' : L'\u2518', ROLE_BORDER_FOCUS);
	if (p->ops->title != NULL)
		p->ops->title(p, title, sizeof(title));
	snprintf(text, sizeof(text), " %s ", title[0] != '\0' ? title : p->ops->name);
	draw_text(ui, r.y - 1, r.x + 1, r.w - 2, ROLE_TITLE_FOCUS, text);
}

static void place_cursor(struct ui *ui)
{
	struct panel *p = ui_focused_panel(ui);
	int y, x;
	bool on = false;

	if (line_cursor(ui, &y, &x)) {
		on = true;
	} else if (ui->console_mode && p != NULL && p->ops->cursor != NULL && p->ops->cursor(p, &y, &x) && y >= 0 &&
		x >= 0 && y < p->rect.h && x < p->rect.w) {
		y += p->rect.y;
		x += p->rect.x;
		on = true;
	}
	curs_set(on ? 1 : 0);
	if (on && y < ui->rows && x < ui->cols)
		move(y, x);
}

static void draw_too_small(struct ui *ui)
{
	char text[64];

	erase();
	draw_fill(ui, 0, 0, ui->rows, ui->cols, ROLE_DEFAULT);
	snprintf(text, sizeof(text), "%dx%d is too small: %dx%d", ui->cols, ui->rows, UI_MIN_COLS, UI_MIN_ROWS);
	draw_text(ui, ui->rows / 2, 0, ui->cols, ROLE_WARN, text);
	draw_text(ui, ui->rows / 2 + 1, 0, ui->cols, ROLE_DIM, "VMs go on; q leaves");
}

static void draw_frame(struct ui *ui)
{
	bool any;

	if (ui->too_small) {
		draw_too_small(ui);
		curs_set(0);
		return;
	}
	any = draw_panels(ui);
	if (any) /* titles tell what panels show */
		frames_draw(ui);
	if (ui->draw_line || ui->draw_all)
		line_draw(ui);
	if (ui->overlay != NULL && (any || ui->overlay->stale))
		draw_overlay(ui);
	line_popup(ui);
	place_cursor(ui);
}

static void frame(evutil_socket_t fd, short what, void *arg)
{
	struct ui *ui = arg;
	uint64_t began = ui_now_ms();
	int tries;

	(void)fd;
	(void)what;
	ui->frame_armed = false;
	if (ui->layout_stale)
		ui_layout(ui);
	if (ui->want_stale)
		vms_update_wants(ui);
	for (tries = 0; tries < 3; tries++) {
		draw_frame(ui);
		ui->draw_all = palette_overflowed();
		if (!ui->draw_all)
			break;
	}
	ui->draw_all = ui->draw_frames = false;
	tty_flush(true);
	ui->last_frame_ms = ui_now_ms();
	ui->frame_cost_ms = ui->last_frame_ms - began;
	ui->frames++;
	if (ui->layout_stale || ui->want_stale)
		ui_schedule(ui);
}

/* ---- events ---- */

static void tick(evutil_socket_t fd, short what, void *arg)
{
	struct ui *ui = arg;
	uint64_t now = ui_now_ms();
	size_t i;

	(void)fd;
	(void)what;
	line_tick(ui, now);
	vms_off_tick(ui);
	for (i = 0; i < ui->npool; i++) {
		struct panel *p = ui->pool[i];

		if (p->ops->tick != NULL && (p->visible || p->ticked)) {
			p->ticked = p->visible;
			ui_apply(ui, p, p->ops->tick(p, now));
		}
	}
	if (ui->overlay != NULL && ui->overlay->ops->tick != NULL)
		ui_apply(ui, ui->overlay, ui->overlay->ops->tick(ui->overlay, now));
}

static void tty_ready(evutil_socket_t fd, short what, void *arg)
{
	struct ui *ui = arg;
	struct pollfd pfd = {.fd = fd, .events = POLLIN};

	(void)what;
	ui->typed_ms = ui_now_ms();
	if (ui->frame_armed) { /* perhaps for later */
		event_del(ui->ev_frame);
		ui->frame_armed = false;
		ui_schedule(ui);
	}
	input_read(ui);
	/* A terminal that has gone stays readable for ever and has nothing to read. */
	if (poll(&pfd, 1, 0) > 0 && (pfd.revents & (POLLHUP | POLLERR | POLLNVAL)))
		ui_quit(ui);
}

static void resized(struct ui *ui)
{
	tty_resized();
	getmaxyx(stdscr, ui->rows, ui->cols);
	clearok(curscr, TRUE);
	ui_layout(ui);
	ui_redraw_all(ui);
}

static void signalled(evutil_socket_t sig, short what, void *arg)
{
	struct ui *ui = arg;

	(void)what;
	switch (sig) {
	case SIGWINCH:
		resized(ui);
		break;
	case SIGCONT:
		tty_resume();
		resized(ui);
		break;
	case SIGTSTP:
		tty_suspend();
		resized(ui);
		break;
	default: /* SIGHUP, SIGTERM, SIGINT from outside: leave, VMs go on */
		ui_quit(ui);
		break;
	}
}

static int start_events(struct ui *ui)
{
	static const int signals[] = {SIGWINCH, SIGCONT, SIGTSTP, SIGHUP, SIGTERM, SIGINT};
	struct timeval tv = {.tv_usec = TICK_MS * 1000};
	size_t i;

	signal(SIGPIPE, SIG_IGN);
	ui->ev_frame = event_new(ui->base, -1, 0, frame, ui);
	ui->ev_tick = event_new(ui->base, -1, EV_PERSIST, tick, ui);
	ui->ev_tty = event_new(ui->base, STDIN_FILENO, EV_READ | EV_PERSIST, tty_ready, ui);
	if (ui->ev_frame == NULL || ui->ev_tick == NULL || ui->ev_tty == NULL || event_add(ui->ev_tick, &tv) < 0 ||
		event_add(ui->ev_tty, NULL) < 0)
		return -ENOMEM;
	for (i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
		ui->ev_signal[i] = evsignal_new(ui->base, signals[i], signalled, ui);
		if (ui->ev_signal[i] == NULL || event_add(ui->ev_signal[i], NULL) < 0)
			return -ENOMEM;
	}
	return 0;
}

static void stop_events(struct ui *ui)
{
	struct event *ev[] = {ui->ev_frame, ui->ev_tick, ui->ev_tty, ui->ev_scan};
	size_t i;

	while (ui->watches != NULL)
		ui_unwatch_fd(ui, ui->watches->fd);
	for (i = 0; i < sizeof(ev) / sizeof(ev[0]); i++)
		if (ev[i] != NULL)
			event_free(ev[i]);
	for (i = 0; i < sizeof(ui->ev_signal) / sizeof(ui->ev_signal[0]); i++)
		if (ui->ev_signal[i] != NULL)
			event_free(ui->ev_signal[i]);
	ui->ev_frame = ui->ev_scan = NULL;
}

static void run(struct ui *ui)
{
	size_t i;

	while (!ui->quit) {
		/* Panels may have queued commands: what to poll for has changed. */
		for (i = 0; i < ui->nvms; i++)
			if (ui->vms[i]->conn != NULL)
				vm_watch(ui->vms[i]);
		if (event_base_loop(ui->base, EVLOOP_ONCE) < 0)
			break;
	}
}

/* ---- beginning and end ---- */

static void options_default(struct ui *ui)
{
	struct ui_options *o = &ui->opt;

	snprintf(o->theme, sizeof(o->theme), "dark");
	snprintf(o->layout, sizeof(o->layout), "main");
	snprintf(o->guest_titles, sizeof(o->guest_titles), "none");
	snprintf(o->guest_answers, sizeof(o->guest_answers), "all");
	o->prefix = 0x1d; /* Ctrl-] */
	o->mouse = o->rounded = true;
	o->frames_per_s = 60;
	o->sample_ms = 50;
	o->shutdown_s = 30;
}

static void configure(struct ui *ui, const struct ui_start *start)
{
	const char *no_color = getenv("NO_COLOR");

	options_default(ui);
	theme_default(&ui->theme);
	keymap_defaults(&ui->keys);
	message_log_open(ui);
	ui->no_color = no_color != NULL && *no_color != '\0';
	palette_start(ui->no_color);
	config_load(ui, start->config);
	if (start->theme != NULL)
		snprintf(ui->opt.theme, sizeof(ui->opt.theme), "%s", start->theme);
	if (start->layout != NULL)
		snprintf(ui->opt.layout, sizeof(ui->opt.layout), "%s", start->layout);
	ui->opt.ascii |= start->ascii;
	theme_load(ui, palette_has_color() ? ui->opt.theme : "mono");
	if (!palette_has_color())
		ui->theme.colour = false;
}

static void leave(struct ui *ui, const struct ui_start *start)
{
	size_t i, n = 0;

	for (i = 0; i < ui->nvms; i++)
		n += vm_is_live(ui->vms[i]);
	tabs_free(ui);
	if (ui->overlay != NULL)
		ui_overlay(ui, NULL);
	pool_free(ui);
	vms_free(ui);
	stop_events(ui);
	if (ui->inotify_fd >= 0)
		close(ui->inotify_fd);
	tty_close();
	if (n > 0 && !start->own_vms)
		printf("%zu VM%s on; vitrine attaches again, vitrine ls lists them.\n", n, n == 1 ? " goes" : "s go");
	keymap_free(&ui->keys);
	line_free(ui);
	message_log_close(ui);
	free(ui->messages);
	free(ui->border);
	event_base_free(ui->base);
}

/* Whoever comes by `vitrine demo` may see this screen for the first time. */
static void welcome(struct ui *ui, const char *vm)
{
	char help[32], name[32];

	key_hint(ui, "help", help, sizeof(help));
	ui_key_name(ui->opt.prefix, name, sizeof(name));
	ui_say(ui, "Enter types to %s, %s%s comes back, %s is help", vm, strncmp(name, "C-", 2) == 0 ? "Ctrl-" : "",
		strncmp(name, "C-", 2) == 0 ? name + 2 : name, help);
}

int ui_main(const struct ui_start *start)
{
	static struct ui ui; /* static: large, and the only one */
	char err[UI_MSG_SIZE];
	int rc;

	memset(&ui, 0, sizeof(ui));
	ui.inotify_fd = ui.log_fd = -1;
	rc = tty_open(&ui, err, sizeof(err));
	if (rc < 0) {
		fprintf(stderr, "vitrine: %s\n", err);
		return 1;
	}
	ui.base = event_base_new();
	if (ui.base == NULL) {
		tty_close();
		fprintf(stderr, "vitrine: no memory\n");
		return 1;
	}
	configure(&ui, start);
	input_start(&ui);
	rc = start_events(&ui);
	if (rc == 0) {
		tty_mouse(ui.opt.mouse);
		tabs_init(&ui);
		if (strcmp(ui.opt.layout, "main") != 0)
			tab_layout(&ui, ui.opt.layout);
		vms_start(&ui);
		if (start->select != NULL && vms_find(&ui, start->select) != NULL) {
			ui_select(&ui, vms_find(&ui, start->select));
			welcome(&ui, start->select);
		}
		ui_relayout(&ui);
		run(&ui);
	}
	leave(&ui, start);
	return ui.exit_code;
}
