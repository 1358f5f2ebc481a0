/*
 * fuzz_pane.c - the pane pipeline with whatever a guest prints: filter, fast path, libvterm, scrollback, resizes by
 * replay, and the cells as the workstation reads them.
 *
 * The input is console bytes; 0xf9 begins a command of two bytes that a user could give between them: resize, look
 * back, key, reset. 0xf9 is no byte of UTF-8, so the guest's own are not missed much.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <tui/term/filter.h>
#include <tui/term/grid_read.h>
#include <tui/term/vt.h>

static void to_guest(void *arg, const char *bytes, size_t len)
{
	*(size_t *)arg += len;
}

static const struct vt_ops ops = { .to_guest = to_guest };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What comes out must be fit for the workstation without any repair. */
static void check_rows(struct vt *vt, uint64_t first, uint64_t end)
{
	static struct term_cell cells[TERM_MAX_COLS], checked[TERM_MAX_COLS];
	size_t n = sizeof(cells[0]) * (size_t)vt->cols;

	for (uint64_t line = first; line < end; line++) {
		if (!vt_line(vt, line, cells))
			abort();
		memcpy(checked, cells, n);
		term_row_check(checked, (unsigned)vt->cols);
		for (int i = 0; i < vt->cols; i++) {
			if (checked[i].width != cells[i].width || checked[i].fg != cells[i].fg ||
					checked[i].bg != cells[i].bg)
				abort();
			/* A mark without a base may be first in a cell; the reader shows '?'. */
			if (checked[i].ch[0] != cells[i].ch[0] && !filter_combining(cells[i].ch[0]))
				abort();
		}
	}
}

static void command(struct vt *vt, uint8_t what, uint8_t arg)
{
	uint64_t end = sb_end(vt->sb);

	switch (what & 3) {
	case 0:
		vt_resize(vt, 1 + (arg & 15) * 3, 1 + (arg >> 4) * 9);
		break;
	case 1:
		check_rows(vt, end - sb_first(vt->sb) > arg ? end - arg : sb_first(vt->sb), end);
		break;
	case 2:
		if (arg & 0x80)
			vt_mouse(vt, arg & 7, arg >> 3 & 7, arg & 3, arg & 0x40, arg & 7);
		else
			vt_key(vt, arg & 0x40 ? arg & 0x3f : 0, arg & 0x3f, what >> 5);
		break;
	case 3:
		vt_paste(vt, (const char *)&arg, 1, what & 4, what & 8);
		break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct vt *vt; /* one for all inputs: its rings are large */
	static size_t answered;
	size_t at = 0;

	if (size < 2 || size > 65536)
		return 0;
	if (!vt)
		vt = vt_new(24, 80, &ops, &answered);
	if (!vt || vt_clear(vt) < 0 || vt_resize(vt, 1 + data[0] % 30, 2 + data[1] % 100) < 0)
		abort();
	vt->answers = true;
	data += 2;
	size -= 2;
	while (at < size) {
		const uint8_t *mark = memchr(data + at, 0xf9, size - at);
		size_t n = mark ? (size_t)(mark - data) - at : size - at;

		vt_feed(vt, (const char *)data + at, n);
		vt_flush_damage(vt);
		at += n;
		if (mark && size - at >= 3)
			command(vt, data[at + 1], data[at + 2]);
		at += mark ? 3 : 0;
	}
	check_rows(vt, sb_end(vt->sb), sb_end(vt->sb) + (uint64_t)vt->rows);
	return 0;
}
