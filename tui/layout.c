/*
 * layout.c - the tree that tiles the screen: rows and columns of leaves, and the words that describe it.
 * Screen thread. place.c gives each node its rectangle.
 *
 *   cols(vms:16-24, rows(cols(consoles, vcpu:30-44), cols(memmap:40%, heat:60%):35%))
 *
 * After a part may stand its share (:35%), its size (:18) or its least and greatest size (:16-24), borders not
 * counted. "consoles" stands for a console of every running VM.
 */
#include "config.h"
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "tui/ui.h"

#define WEIGHT_DEFAULT 1000
#define DEPTH_MAX 8

struct node *node_new(enum node_kind kind)
{
	struct node *n = calloc(1, sizeof(*n));

	if (n == NULL)
		return NULL;
	n->kind = kind;
	n->weight = WEIGHT_DEFAULT;
	return n;
}

struct node *node_leaf(const struct panel_ops *ops, struct ui_vm *vm)
{
	struct node *n = node_new(NODE_LEAF);

	if (n == NULL)
		return NULL;
	n->ops = ops;
	n->vm = vm;
	return n;
}

void node_free(struct node *node)
{
	struct node *c, *next;

	if (node == NULL)
		return;
	for (c = node->first; c != NULL; c = next) {
		next = c->next;
		node_free(c);
	}
	free(node);
}

void node_append(struct node *parent, struct node *child)
{
	struct node **at = &parent->first;

	while (*at != NULL)
		at = &(*at)->next;
	*at = child;
	child->parent = parent;
	child->next = NULL;
}

static struct node **link_of(struct node *n)
{
	struct node **at = &n->parent->first;

	while (*at != n)
		at = &(*at)->next;
	return at;
}

struct node *node_replace(struct node *old, struct node *new_node)
{
	struct node **at;

	new_node->parent = old->parent;
	if (old->parent != NULL) {
		at = link_of(old);
		new_node->next = old->next;
		*at = new_node;
	}
	new_node->weight = old->weight;
	new_node->min = old->min;
	new_node->max = old->max;
	old->parent = NULL;
	old->next = NULL;
	return old;
}

/* Takes a leaf away; a container with one child left becomes that child. */
struct node *node_remove(struct node *root, struct node *leaf)
{
	struct node *parent = leaf->parent, *only;

	if (parent == NULL)
		return root;
	*link_of(leaf) = leaf->next;
	node_free(leaf);
	if (parent->first == NULL || parent->first->next != NULL)
		return root;
	only = parent->first;
	parent->first = NULL;
	if (parent == root) {
		only->parent = NULL;
		only->next = NULL;
		node_free(parent);
		return only;
	}
	node_free(node_replace(parent, only));
	return root;
}

struct node *node_split(struct node *leaf, enum node_kind kind, struct node *added, struct node *root)
{
	struct node *box;

	if (leaf->parent != NULL && leaf->parent->kind == kind) {
		leaf->weight = added->weight = leaf->weight > 1 ? leaf->weight / 2 : 1;
		leaf->max = 0;
		added->parent = leaf->parent;
		added->next = leaf->next;
		leaf->next = added;
		return root;
	}
	box = node_new(kind);
	if (box == NULL)
		return NULL;
	if (leaf == root)
		root = box;
	node_replace(leaf, box);
	leaf->weight = added->weight = WEIGHT_DEFAULT;
	leaf->min = leaf->max = 0;
	node_append(box, leaf);
	node_append(box, added);
	return root;
}

/* In order of reading; NULL begins, NULL ends. */
struct node *node_next_leaf(struct node *root, struct node *leaf, bool shown_only)
{
	struct node *n = leaf;

	for (;;) {
		if (n == NULL) {
			n = root;
		} else if (n->first != NULL) {
			n = n->first;
		} else {
			while (n != root && n->next == NULL)
				n = n->parent;
			if (n == root || n == NULL)
				return NULL;
			n = n->next;
		}
		if (n == NULL)
			return NULL;
		if (n->kind == NODE_LEAF && (!shown_only || n->shown))
			return n;
	}
}

/* ---- from words ---- */

struct parser {
	const char *at;
	int depth;
	char *err;
	size_t err_size;
};

static struct node *fail(struct parser *p, struct node *n, const char *what)
{
	node_free(n);
	if (p->err[0] == '\0')
		snprintf(p->err, p->err_size, "%s at \"%.24s\"", what, p->at);
	return NULL;
}

static void blanks(struct parser *p)
{
	while (isspace((unsigned char)*p->at))
		p->at++;
}

static bool word(struct parser *p, char *out, size_t size)
{
	size_t n = 0;

	blanks(p);
	while (isalnum((unsigned char)*p->at) || *p->at == '-' || *p->at == '_' || *p->at == '.') {
		if (n + 1 >= size)
			return false;
		out[n++] = *p->at++;
	}
	out[n] = '\0';
	return n > 0;
}

static bool size_of(struct parser *p, struct node *n)
{
	char *end;
	long a, b;

	blanks(p);
	if (*p->at != ':')
		return true;
	a = strtol(p->at + 1, &end, 10);
	if (end == p->at + 1 || a < 1 || a > 1000)
		return false;
	p->at = end;
	if (*p->at == '%') {
		p->at++;
		n->weight = (int)a * 10;
		return a <= 100;
	}
	b = a;
	if (*p->at == '-') {
		b = strtol(p->at + 1, &end, 10);
		if (end == p->at + 1 || b < a || b > 1000)
			return false;
		p->at = end;
	}
	n->min = (int)a + 2;
	n->max = (int)b + 2;
	n->weight = (int)b * 12;
	return true;
}

static struct node *parse_node(struct parser *p);

static struct node *parse_box(struct parser *p, enum node_kind kind)
{
	struct node *n = node_new(kind), *c;

	if (n == NULL)
		return NULL;
	do {
		p->at++; /* ( or , */
		c = parse_node(p);
		if (c == NULL)
			return fail(p, n, "a view, rows( or cols( is wanted");
		node_append(n, c);
		blanks(p);
	} while (*p->at == ',');
	if (*p->at != ')')
		return fail(p, n, ") or , is wanted");
	p->at++;
	return n;
}

static struct node *parse_leaf(struct parser *p, const char *name)
{
	const struct panel_ops *ops = panel_by_name(name);
	struct node *n;

	if (strcmp(name, "consoles") == 0)
		ops = &panel_console;
	if (ops == NULL) {
		snprintf(p->err, p->err_size, "no view \"%s\"", name);
		return NULL;
	}
	n = node_leaf(ops, NULL);
	if (n != NULL)
		n->consoles = strcmp(name, "consoles") == 0;
	return n;
}

static struct node *parse_node(struct parser *p)
{
	struct node *n;
	char name[64];

	if (p->depth > DEPTH_MAX)
		return fail(p, NULL, "too deep");
	if (!word(p, name, sizeof(name)))
		return fail(p, NULL, "a view, rows( or cols( is wanted");
	blanks(p);
	p->depth++;
	if (*p->at == '(' && (strcmp(name, "rows") == 0 || strcmp(name, "cols") == 0))
		n = parse_box(p, name[0] == 'r' ? NODE_ROWS : NODE_COLS);
	else
		n = parse_leaf(p, name);
	p->depth--;
	if (n != NULL && !size_of(p, n))
		return fail(p, n, "a size is :30% :18 or :16-24,");
	return n;
}

struct node *node_parse(const char *spec, char *err, size_t err_size)
{
	struct parser p = {.at = spec, .err = err, .err_size = err_size};
	struct node *n;

	err[0] = '\0';
	n = parse_node(&p);
	if (n == NULL)
		return NULL;
	blanks(&p);
	if (*p.at != '\0')
		return fail(&p, n, "the layout goes on where it should end,");
	return n;
}
