/*
 * view_devices.c - the devices of a VM: where they answer, which virtio features were negotiated, how full their queues
 * are, what is wrong with them. Screen thread. Asked for once a second while visible.
 */
#include <errno.h>
#include <inttypes.h>
#include <ncurses.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "tui/decode.h"
#include "tui/decode_virtio.h"
#include "tui/view.h"

#define ASK_EVERY_MS 1000

struct devices_panel {
	struct panel p;
	struct view_reqs reqs;
	struct vmc_device_desc *dev, *old; /* the last two answers */
	size_t n, nold;
	uint64_t asked_ms, dev_ms, old_ms, now_ms;
	char problem[128];
	int scroll, lines; /* lines: of all of it, as drawn last */
};

/* ---- asking ---- */

static void answered(struct panel *p, uint64_t asked_ms, int rc, const char *error, const char *json)
{
	struct devices_panel *dp = (struct devices_panel *)p;
	struct vmc_device_desc *list = NULL;
	size_t n = 0;

	dp->problem[0] = '\0';
	if (rc < 0)
		snprintf(dp->problem, sizeof(dp->problem), "%s", error);
	else if (vmc_parse_device_list(json, &list, &n) < 0)
		snprintf(dp->problem, sizeof(dp->problem), "the answer makes no sense");
	ui_mark(p);
	if (!list)
		return;
	free(dp->old);
	dp->old = dp->dev;
	dp->nold = dp->n;
	dp->old_ms = dp->dev_ms;
	dp->dev = list;
	dp->n = n;
	dp->dev_ms = asked_ms;
}

static enum panel_result devices_tick(struct panel *p, uint64_t now_ms)
{
	struct devices_panel *dp = (struct devices_panel *)p;

	dp->now_ms = now_ms;
	if (dp->reqs.count || (dp->asked_ms && now_ms - dp->asked_ms < ASK_EVERY_MS))
		return PANEL_HANDLED;
	dp->asked_ms = now_ms;
	if (view_request(p, &dp->reqs, "x-devices", NULL, answered, now_ms) == 0 || !dp->dev)
		return PANEL_HANDLED;
	free(dp->dev); /* the VM has gone: what was there is not there any more */
	dp->dev = NULL;
	dp->n = 0;
	return PANEL_REDRAW;
}

/* ---- drawing ---- */

struct pen {
	struct devices_panel *dp;
	int line, w;
};

static int row(const struct pen *pen)
{
	return pen->line - pen->dp->scroll;
}

/* The same device in the answer before. */
static const struct vmc_device_desc *before(const struct devices_panel *dp, const struct vmc_device_desc *d)
{
	for (size_t i = 0; i < dp->nold; i++)
		if (!strcmp(dp->old[i].id, d->id))
			return &dp->old[i];
	return NULL;
}

/* Words over as many lines as they take, after a label. */
static void wrapped(struct pen *pen, const char *label, const char *words, enum ui_role role)
{
	int at = 12, x = at, w = pen->w;

	ui_draw(&pen->dp->p, row(pen), 2, ROLE_LABEL, "%s", label);
	while (*words) {
		int len = (int)strcspn(words, " ");

		if (x > at && x + len > w) {
			pen->line++;
			x = at;
		}
		view_text(&pen->dp->p, row(pen), x, w - x, role, "%.*s", len, words);
		x += len + 1;
		words += len;
		words += strspn(words, " ");
	}
	pen->line++;
}

static void heading(struct pen *pen, const struct vmc_device_desc *d)
{
	struct panel *p = &pen->dp->p;
	int x = 0, y = row(pen), w = pen->w;
	char text[64], irq[16];

	x += ui_draw(p, y, 0, d->broken ? ROLE_BAD : ROLE_GOOD, "%s ", d->broken ? "✗" : "●");
	x += view_text(p, y, x, w - x, ROLE_BOLD, "%s", d->model) + 1;
	if (strcmp(d->id, d->model))
		x += view_text(p, y, x, w - x, ROLE_DIM, "%s", d->id) + 1;
	if (d->irq >= 0)
		snprintf(irq, sizeof(irq), "irq %d", d->irq);
	else
		snprintf(irq, sizeof(irq), d->virtio_type ? "msi" : "no irq");
	if (d->length)
		snprintf(text, sizeof(text), "%s %s%" PRIx64 "+%" PRIx64 " %s", d->where, d->pio ? "port " : "", d->address,
			d->length, irq);
	else
		snprintf(text, sizeof(text), "%s %s", d->where, irq);
	x++;
	x += view_text(p, y, x, w - x, ROLE_DEFAULT, "%s", text) + 2;
	pen->line++;
	if (!d->note[0])
		return;
	/* A note has a line of its own only where it does not fit here. */
	if (!d->broken && x + (int)strlen(d->note) <= w)
		view_text(p, y, x, w - x, ROLE_DIM, "%s", d->note);
	else
		wrapped(pen, d->broken ? "broken" : "note", d->note, d->broken ? ROLE_BAD : ROLE_DIM);
}

/* How full a ring is: chains that the driver has made available and the device has not used. */
static void queue(struct pen *pen, const struct vmc_device_desc *d, const struct vmc_device_desc *o, uint32_t i)
{
	struct panel *p = &pen->dp->p;
	unsigned flight = (uint16_t)(d->queues[i].avail - d->queues[i].used), size = d->queues[i].size;
	const char *name = virtio_queue_name(d->virtio_type, i);
	double dt = (double)(pen->dp->dev_ms - pen->dp->old_ms) / 1000;
	int x = 2, y = row(pen), w = pen->w;
	char rate[16];

	pen->line++;
	x += ui_draw(p, y, x, ROLE_LABEL, "%u ", i);
	x += view_text(p, y, x, 11, ROLE_LABEL, "%s", name ? name : "queue");
	x = x < 16 ? 16 : x + 1;
	if (!d->queues[i].ready) {
		view_text(p, y, x, w - x, ROLE_DIM, "off");
		return;
	}
	if (w >= 44) {
		ui_draw_bar(p, y, x, 12, flight, size ? size : 1, flight > size ? ROLE_BAD : ROLE_BAR);
		x += 13;
	}
	x += view_text(p, y, x, w - x, flight > size ? ROLE_BAD : ROLE_VALUE, "%3u/%-4u", flight, size) + 1;
	if (w >= 60)
		x += view_text(p, y, x, w - x, ROLE_DIM, "avail %-5u used %-5u", d->queues[i].avail, d->queues[i].used) + 1;
	if (o && dt > 0 && i < o->nqueues && d->queues[i].kicks >= o->queues[i].kicks) {
		decode_count(decode_rate(d->queues[i].kicks - o->queues[i].kicks, dt), rate, sizeof(rate));
		x += view_text(p, y, x, w - x, ROLE_VALUE, "%5s kicks/s", rate) + 1;
		if (w >= 84 && d->queues[i].interrupts >= o->queues[i].interrupts) {
			decode_count(decode_rate(d->queues[i].interrupts - o->queues[i].interrupts, dt), rate, sizeof(rate));
			view_text(p, y, x, w - x, ROLE_VALUE, "%5s irqs/s", rate);
		}
	}
}

/* Where the rings lie; shown where there is room, for they lead to the hex view by hand. */
static void rings(struct pen *pen, const struct vmc_device_desc *d, uint32_t i)
{
	if (pen->w < 60 || pen->dp->p.rect.h < 20 || !d->queues[i].ready)
		return;
	view_text(&pen->dp->p, row(pen), 16, pen->w - 16, ROLE_DIM,
		"desc %" PRIx64 "  avail %" PRIx64 "  used %" PRIx64, d->queues[i].desc_address,
		d->queues[i].avail_address, d->queues[i].used_address);
	pen->line++;
}

static void device(struct pen *pen, const struct vmc_device_desc *d)
{
	const struct vmc_device_desc *o = before(pen->dp, d);
	char words[1024];

	heading(pen, d);
	if (d->backend[0])
		wrapped(pen, "host", d->backend, ROLE_VALUE);
	if (!d->virtio_type)
		return;
	virtio_status(d->status, words, sizeof(words));
	wrapped(pen, "status", words, d->status & 0xc0 ? ROLE_BAD : ROLE_DEFAULT);
	virtio_features(d->virtio_type, d->negotiated, words, sizeof(words));
	wrapped(pen, "features", words[0] ? words : "none", ROLE_DEFAULT);
	virtio_features(d->virtio_type, d->offered & ~d->negotiated, words, sizeof(words));
	if (words[0])
		wrapped(pen, "not taken", words, ROLE_DIM);
	for (uint32_t i = 0; i < d->nqueues; i++) {
		queue(pen, d, o, i);
		rings(pen, d, i);
	}
}

static void devices_draw(struct panel *p)
{
	struct devices_panel *dp = (struct devices_panel *)p;
	struct pen pen = { dp, 0, p->rect.w };
	bool virtio_last = false;

	if (dp->scroll > dp->lines - p->rect.h)
		dp->scroll = dp->lines > p->rect.h ? dp->lines - p->rect.h : 0;
	if (dp->problem[0])
		wrapped(&pen, "problem", dp->problem, ROLE_BAD);
	if (!dp->dev) {
		if (!dp->problem[0])
			view_text(p, row(&pen), 0, pen.w, ROLE_DIM, "%s",
				ui_vm_conn(p->vm) ? "asking the VM" : view_absent(p));
		return;
	}
	for (size_t i = 0; i < dp->n; i++) {
		/* A blank line around what takes several lines. */
		if (i && (virtio_last || dp->dev[i].virtio_type) && p->rect.h >= 16)
			pen.line++;
		virtio_last = dp->dev[i].virtio_type != 0;
		device(&pen, &dp->dev[i]);
	}
	if (!dp->n)
		view_text(p, 0, 0, pen.w, ROLE_DIM, "this VM has no devices");
	dp->lines = pen.line;
	if (dp->lines - dp->scroll > p->rect.h)
		ui_draw(p, p->rect.h - 1, p->rect.w - 1, ROLE_KEY, "↓");
}

static void devices_title(struct panel *p, char *out, size_t size)
{
	struct devices_panel *dp = (struct devices_panel *)p;
	size_t broken = 0;

	for (size_t i = 0; i < dp->n; i++)
		broken += dp->dev[i].broken;
	if (broken)
		snprintf(out, size, "%s · devices · %zu broken", ui_vm_name(p->vm), broken);
	else
		snprintf(out, size, "%s · devices", ui_vm_name(p->vm));
}

/* ---- the panel ---- */

static void scroll_by(struct devices_panel *dp, int by)
{
	int last = dp->lines > dp->p.rect.h ? dp->lines - dp->p.rect.h : 0;

	dp->scroll += by;
	if (dp->scroll > last)
		dp->scroll = last;
	if (dp->scroll < 0)
		dp->scroll = 0;
}

static enum panel_result devices_key(struct panel *p, int key)
{
	struct devices_panel *dp = (struct devices_panel *)p;

	switch (key) {
	case KEY_DOWN:
	case 'j':
		scroll_by(dp, 1);
		break;
	case KEY_UP:
	case 'k':
		scroll_by(dp, -1);
		break;
	case KEY_NPAGE:
		scroll_by(dp, p->rect.h - 1);
		break;
	case KEY_PPAGE:
		scroll_by(dp, 1 - p->rect.h);
		break;
	case KEY_HOME:
		dp->scroll = 0;
		break;
	default:
		return PANEL_IGNORED;
	}
	return PANEL_REDRAW;
}

static enum panel_result devices_mouse(struct panel *p, const struct panel_mouse *m)
{
	if (m->what != MOUSE_WHEEL_DOWN && m->what != MOUSE_WHEEL_UP)
		return PANEL_IGNORED;
	scroll_by((struct devices_panel *)p, m->what == MOUSE_WHEEL_DOWN ? 3 : -3);
	return PANEL_REDRAW;
}

static struct panel *devices_create(struct ui *ui, struct ui_vm *vm)
{
	struct devices_panel *dp = calloc(1, sizeof(*dp));

	return dp ? &dp->p : NULL;
}

static void devices_destroy(struct panel *p)
{
	struct devices_panel *dp = (struct devices_panel *)p;

	view_reqs_drop(&dp->reqs);
	free(dp->dev);
	free(dp->old);
	free(dp);
}

const struct panel_ops panel_devices = {
	.name = "devices",
	.help = "The devices: where they answer, virtio features by name, how full the queues are, what broke.",
	.min_h = 3, .min_w = 24,
	.per_vm = true,
	.create = devices_create,
	.destroy = devices_destroy,
	.draw = devices_draw,
	.title = devices_title,
	.key = devices_key,
	.mouse = devices_mouse,
	.tick = devices_tick,
};
