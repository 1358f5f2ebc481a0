/*
 * test_tui_layout.c - the parts of the screen that need no terminal: words to trees, trees to rectangles, names to
 * keys, and the line editor.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "tui/ui.h"

#define VIEW(id, text, h, w) const struct panel_ops id = {.name = text, .min_h = h, .min_w = w}
VIEW(panel_vms, "vms", 3, 12);
VIEW(panel_console, "console", 2, 20);
VIEW(panel_serial, "serial", 2, 20);
VIEW(panel_vcpu, "vcpu", 4, 24);
VIEW(panel_memmap, "memmap", 3, 20);
VIEW(panel_heat, "heat", 4, 20);
static const struct panel_ops *const views[] = {&panel_vms, &panel_console, &panel_serial, &panel_vcpu,
	&panel_memmap, &panel_heat};

const struct panel_ops *panel_by_name(const char *name)
{
	size_t i;

	for (i = 0; i < sizeof(views) / sizeof(views[0]); i++)
		if (strcmp(views[i]->name, name) == 0)
			return views[i];
	return NULL;
}

const struct ui_cmd command_table[] = {
	{.name = "pause", .args = "[VM]", .help = "", .keys = "p F5", .flags = CMD_UI},
	{.name = "view", .args = "NAME", .help = "", .keys = "1=vms 2=console", .flags = CMD_UI},
	{.name = NULL},
};

static struct node *parse(const char *spec)
{
	char err[128];
	struct node *n = node_parse(spec, err, sizeof(err));

	if (n == NULL)
		print_message("%s: %s\n", spec, err);
	return n;
}

static void words_that_are_wrong(void **state)
{
	static const char *const wrong[] = {"", "cols(", "cols()", "cols(vms", "cols(vms,)", "cols(vms))", "vms:",
		"vms:0", "vms:200%", "vms:9-3", "vms:99999", "nothing", "rows(vms console)", "cols(vms:16-)", "vms, console",
		"cols(cols(cols(cols(cols(cols(cols(cols(cols(cols(vms))))))))))"};
	char err[128];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		assert_null(node_parse(wrong[i], err, sizeof(err)));
		assert_true(err[0] != '\0');
	}
}

static void words_that_are_right(void **state)
{
	struct node *n = parse(" cols( vms:15-22 , rows(consoles, cols(memmap:40%,heat:60%):32%) ) ");

	(void)state;
	assert_non_null(n);
	assert_int_equal(n->kind, NODE_COLS);
	assert_int_equal(n->first->min, 17);
	assert_int_equal(n->first->max, 24);
	assert_true(n->first->next->first->consoles);
	assert_int_equal(n->first->next->first->next->weight, 320);
	node_free(n);
}

/* Shown leaves lie within the area, share at most their borders, and have an inside. */
static void check_leaves(struct node *root, struct ui_rect a)
{
	struct node *l, *m;
	int n = 0;

	for (l = node_next_leaf(root, NULL, true); l != NULL; l = node_next_leaf(root, l, true)) {
		n++;
		assert_true(l->outer.y >= a.y && l->outer.x >= a.x && l->outer.y + l->outer.h <= a.y + a.h &&
			l->outer.x + l->outer.w <= a.x + a.w);
		assert_true(l->outer.h >= 3 && l->outer.w >= 3);
		for (m = node_next_leaf(root, l, true); m != NULL; m = node_next_leaf(root, m, true))
			assert_true(l->outer.y + l->outer.h - 1 <= m->outer.y || m->outer.y + m->outer.h - 1 <= l->outer.y ||
				l->outer.x + l->outer.w - 1 <= m->outer.x || m->outer.x + m->outer.w - 1 <= l->outer.x);
	}
	assert_true(n > 0);
}

/* Every cell belongs to some leaf: no hole. */
static void check_cover(struct node *root, struct ui_rect a)
{
	struct node *l;
	int y, x;

	for (y = a.y; y < a.y + a.h; y++) {
		for (x = a.x; x < a.x + a.w; x++) {
			for (l = node_next_leaf(root, NULL, true); l != NULL; l = node_next_leaf(root, l, true))
				if (y >= l->outer.y && y < l->outer.y + l->outer.h && x >= l->outer.x &&
					x < l->outer.x + l->outer.w)
					break;
			assert_non_null(l);
		}
	}
}

static void every_size(void **state)
{
	static const char *const specs[] = {
		"cols(vms:15-22, rows(cols(console, vcpu:26-44):68%, cols(memmap:35%, heat:65%):32%))", "console",
		"rows(vms, console, vcpu, memmap, heat)", "cols(vms:18, console:18)", "cols(vms:300, console)",
		"rows(cols(console, console, console), cols(console, console), heat:5%)"};
	struct ui_rect a = {0, 0, 0, 0};
	struct node *n;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(specs) / sizeof(specs[0]); i++) {
		n = parse(specs[i]);
		assert_non_null(n);
		for (a.h = UI_MIN_ROWS - 1; a.h < 70; a.h += 3) {
			for (a.w = UI_MIN_COLS; a.w < 260; a.w += 7) {
				node_place(n, a, NULL);
				check_leaves(n, a);
				check_cover(n, a);
			}
		}
		node_free(n);
	}
}

static void what_matters_stays(void **state)
{
	struct node *n = parse("cols(vms, console, vcpu, memmap)"), *l;
	struct ui_rect a = {0, 0, 10, 40};

	(void)state;
	node_place(n, a, NULL);
	l = node_next_leaf(n, NULL, true);
	for (; l != NULL && l->ops != &panel_console; l = node_next_leaf(n, l, true))
		;
	assert_non_null(l); /* the console is the last to go ... */
	l = n->first->next->next;
	node_place(n, a, l);
	assert_true(l->shown); /* ... but for the pane that has the focus */
	node_free(n);
}

/* Splits and removals at random: the tree stays whole. */
static void changes(void **state)
{
	struct ui_rect a = {0, 0, 60, 200};
	struct node *root = node_leaf(&panel_console, NULL), *l, *added;
	int turn, k, n;

	(void)state;
	srand(7);
	for (turn = 0; turn < 3000; turn++) {
		for (n = 0, l = node_next_leaf(root, NULL, false); l != NULL; l = node_next_leaf(root, l, false))
			n++;
		k = rand() % n;
		for (l = node_next_leaf(root, NULL, false); k-- > 0;)
			l = node_next_leaf(root, l, false);
		if (n > 1 && (n > 12 || rand() % 2)) {
			root = node_remove(root, l);
		} else {
			added = node_leaf(views[rand() % 6], NULL);
			root = node_split(l, rand() % 2 ? NODE_ROWS : NODE_COLS, added, root);
		}
		assert_null(root->parent);
		node_place(root, a, NULL);
		check_leaves(root, a);
		check_cover(root, a);
	}
	node_free(root);
}

static void key_names(void **state)
{
	static const char *const names[] = {"p", "S", "C-x", "M-x", "C-]", "F5", "S-Tab", "C-Left", "M-C-Up", "Space",
		"PgUp", "Enter", "Esc", "\"", "+", "-", "C-M-Delete", "\u00e4", "\u0416"};
	static const char *const wrong[] = {"", "xx", "C-", "C-1", "S-p", "F99", "Hyper-x", "C-\u00e4"};
	char out[32];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		assert_true(key_parse(names[i]) >= 0);
		ui_key_name(key_parse(names[i]), out, sizeof(out));
		assert_int_equal(key_parse(out), key_parse(names[i]));
	}
	for (i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		assert_int_equal(key_parse(wrong[i]), -1);
	assert_int_equal(key_parse("C-]"), 0x1d);
	assert_int_equal(key_parse("Up"), KEY_UP);
	assert_int_not_equal(key_parse("\u0103"), KEY_UP); /* U+0103 has the number of KEY_UP */
}

static void key_map(void **state)
{
	struct keymap map = {0};

	(void)state;
	keymap_defaults(&map);
	assert_string_equal(keymap_find(&map, 'p', false)->line, "pause");
	assert_string_equal(keymap_find(&map, KEY_F(5), false)->line, "pause");
	assert_string_equal(keymap_find(&map, '2', false)->line, "view console");
	assert_null(keymap_find(&map, 'p', true));
	assert_string_equal(keymap_find(&map, 'd', true)->line, "detach");
	keymap_unbind_command(&map, "pause");
	assert_null(keymap_find(&map, 'p', false));
	keymap_bind(&map, 'p', "view vms", false, true);
	assert_string_equal(keymap_find(&map, 'p', false)->line, "view vms");
	keymap_free(&map);
}

static void type(struct line_editor *ed, const char *text)
{
	for (; *text != '\0'; text++)
		editor_key(ed, (unsigned char)*text);
}

static void editing(void **state)
{
	struct line_editor ed;
	int i;

	(void)state;
	editor_set(&ed, "");
	type(&ed, "go to b");
	editor_key(&ed, 0xe4);
	editor_key(&ed, 0x416 | UI_KEY_CHAR);
	assert_string_equal(ed.text, "go to b\u00e4\u0416");
	editor_key(&ed, UI_KEY_BACKSPACE);
	assert_string_equal(ed.text, "go to b\u00e4");
	editor_key(&ed, 23); /* C-w */
	assert_string_equal(ed.text, "go to ");
	editor_key(&ed, KEY_HOME);
	type(&ed, "x");
	editor_key(&ed, KEY_RIGHT | UI_KEY_CTRL);
	editor_key(&ed, 11);
	assert_string_equal(ed.text, "xgo");
	assert_int_equal(editor_key(&ed, KEY_UP | UI_KEY_ALT), EDIT_NONE); /* not U+0103 */
	assert_string_equal(ed.text, "xgo");
	for (i = 0; i < 2000; i++)
		editor_key(&ed, 0x416 | UI_KEY_CHAR);
	assert_true(ed.len < sizeof(ed.text));
	assert_int_equal(editor_key(&ed, UI_KEY_ENTER), EDIT_DONE);
	assert_int_equal(editor_key(&ed, UI_KEY_ESC), EDIT_CANCEL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(words_that_are_wrong), cmocka_unit_test(words_that_are_right),
		cmocka_unit_test(every_size), cmocka_unit_test(what_matters_stays), cmocka_unit_test(changes),
		cmocka_unit_test(key_names), cmocka_unit_test(key_map), cmocka_unit_test(editing),
	};

	setlocale(LC_ALL, "C.UTF-8");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
