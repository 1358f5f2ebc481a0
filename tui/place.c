/*
 * place.c - how much room each part of the layout gets. Screen thread.
 *
 * Neighbours share a border, so a box of n parts is as long as their sum minus n - 1. When not all parts fit with
 * their least sizes, those of least importance are left out; the part that has the focus stays.
 */
#include "config.h"
#include <stdlib.h>
#include <string.h>
#include "tui/ui.h"

#define PARTS_MAX 64

/* What stays when room runs out: the higher, the longer. */
static int importance(const struct node *n)
{
	static const struct {
		const struct panel_ops *ops;
		int rank;
	} ranks[] = {{&panel_console, 90}, {&panel_serial, 80}, {&panel_vms, 70}, {&panel_vcpu, 50},
		{&panel_heat, 60}, {&panel_memmap, 40}};
	const struct node *c;
	int best = 30, r;
	size_t i;

	for (i = 0; n->kind == NODE_LEAF && i < sizeof(ranks) / sizeof(ranks[0]); i++)
		if (ranks[i].ops == n->ops)
			return ranks[i].rank;
	for (c = n->first; c != NULL; c = c->next) {
		r = importance(c);
		best = r > best ? r : best;
	}
	return best;
}

static bool holds(const struct node *n, const struct node *inner)
{
	for (; inner != NULL; inner = inner->parent)
		if (inner == n)
			return true;
	return false;
}

/* The least size of a node with borders, along (vertical: its height). A box can always shrink to the one part
 * that matters most, so its least size along its own direction is that part's. */
int node_min(const struct node *n, bool vertical)
{
	const struct node *c, *most = NULL;
	int m;

	if (n->kind == NODE_LEAF)
		return (vertical ? n->ops->min_h : n->ops->min_w) + 2;
	for (c = n->first; c != NULL; c = c->next)
		if (most == NULL || importance(c) > importance(most))
			most = c;
	if (most == NULL)
		return 3;
	m = node_min(most, vertical);
	return vertical == (n->kind == NODE_ROWS) && most->min > m ? most->min : m;
}

static int part_min(const struct node *n, bool vertical)
{
	int m = node_min(n, vertical);

	return n->min > m ? n->min : m;
}

static void hide(struct node *n)
{
	struct node *c;

	n->shown = false;
	for (c = n->first; c != NULL; c = c->next)
		hide(c);
}

/* Chooses the parts that fit; returns how many. */
static int choose(struct node *box, bool vertical, int length, const struct node *keep, struct node **part)
{
	struct node *c;
	int n = 0, i, drop, total, rank, worst;

	for (c = box->first; c != NULL; c = c->next) {
		if (n < PARTS_MAX)
			part[n++] = c;
		else
			hide(c);
	}
	for (;;) {
		total = 1 - n;
		for (i = 0; i < n; i++)
			total += part_min(part[i], vertical);
		if (total <= length || n <= 1)
			return n;
		drop = -1;
		worst = 1000;
		for (i = 0; i < n; i++) {
			rank = importance(part[i]) + (holds(part[i], keep) ? 500 : 0);
			if (rank <= worst) {
				worst = rank;
				drop = i;
			}
		}
		hide(part[drop]);
		memmove(part + drop, part + drop + 1, (size_t)(n - drop - 1) * sizeof(*part));
		n--;
	}
}

/* Shares out @length by weight within each part's least and greatest size. */
static void share(struct node **part, int n, bool vertical, int length, int *size)
{
	int room = length + n - 1, weight = 0, i, want, lo, hi, rest, fixed_room;
	bool fixed[PARTS_MAX] = {false}, changed = true;

	for (i = 0; i < n; i++)
		weight += part[i]->weight;
	while (changed) { /* each turn fixes at least one part, so at most n turns */
		changed = false;
		fixed_room = room;
		for (i = 0; i < n; i++)
			fixed_room -= fixed[i] ? size[i] : 0;
		for (i = 0; i < n && !changed; i++) {
			if (fixed[i])
				continue;
			lo = part_min(part[i], vertical);
			hi = part[i]->max > 0 && part[i]->max > lo ? part[i]->max : part[i]->max > 0 ? lo : length;
			want = weight > 0 ? (int)((long)fixed_room * part[i]->weight / weight) : lo;
			size[i] = want < lo ? lo : want > hi ? hi : want;
			if (size[i] != want) {
				fixed[i] = changed = true;
				weight -= part[i]->weight;
			}
		}
	}
	rest = room;
	for (i = 0; i < n; i++)
		rest -= size[i];
	for (i = n - 1; i >= 0 && rest > 0; i--) { /* rounding, and room that nobody may take by wish */
		if (part[i]->max == 0 || i == 0) {
			size[i] += rest;
			rest = 0;
		}
	}
	for (i = 0; i < n && rest < 0; i++) { /* the minimum did not fit: it is cut */
		want = size[i] + rest < 3 ? 3 : size[i] + rest;
		rest += size[i] - want;
		size[i] = want;
	}
}

void node_place(struct node *node, struct ui_rect area, const struct node *keep)
{
	struct node *part[PARTS_MAX];
	int size[PARTS_MAX] = {0}, n, i;
	bool vertical = node->kind == NODE_ROWS;
	struct ui_rect r = area;

	node->outer = area;
	node->shown = true;
	if (node->kind == NODE_LEAF)
		return;
	n = choose(node, vertical, vertical ? area.h : area.w, keep, part);
	share(part, n, vertical, vertical ? area.h : area.w, size);
	for (i = 0; i < n; i++) {
		if (vertical)
			r.h = size[i];
		else
			r.w = size[i];
		node_place(part[i], r, keep);
		if (vertical)
			r.y += size[i] - 1;
		else
			r.x += size[i] - 1;
	}
}
