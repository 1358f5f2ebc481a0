/* qmp_line.c - see qmp_line.h. Main thread. */
#include "vmhost/qmp_line.h"
#include <stdlib.h>
#include <string.h>

#define FIRST 1024

void qmp_lines_init(struct qmp_lines *l)
{
	memset(l, 0, sizeof(*l));
}

void qmp_lines_free(struct qmp_lines *l)
{
	free(l->buf);
	memset(l, 0, sizeof(*l));
}

char *qmp_lines_space(struct qmp_lines *l, size_t *len)
{
	size_t cap = l->cap;
	char *bigger;

	if (l->len == cap) {
		cap = cap ? cap * 2 : FIRST;
		if (cap > QMP_LINE_MAX + 1)
			cap = QMP_LINE_MAX + 1;
		bigger = cap > l->cap ? realloc(l->buf, cap) : NULL;
		if (!bigger)
			return NULL;
		l->buf = bigger;
		l->cap = cap;
	}
	*len = l->cap - l->len;
	return l->buf + l->len;
}

void qmp_lines_added(struct qmp_lines *l, size_t n)
{
	l->len += n;
}

static void cut(struct qmp_lines *l, size_t n)
{
	memmove(l->buf, l->buf + n, l->len - n);
	l->len -= n;
	l->scanned = 0;
}

enum qmp_line_result qmp_lines_next(struct qmp_lines *l, char **line, size_t *len)
{
	char *nl;

	for (;;) {
		nl = l->len > l->scanned ? memchr(l->buf + l->scanned, '\n', l->len - l->scanned)
					 : NULL;
		if (!nl) {
			l->scanned = l->len;
			if (l->skipping) {
				l->len = l->scanned = 0;
			} else if (l->len > QMP_LINE_MAX) {
				l->skipping = true;
				l->len = l->scanned = 0;
				return QMP_LINE_TOO_LONG;
			}
			return QMP_LINE_NONE;
		}
		if (!l->skipping)
			break;
		l->skipping = false;
		cut(l, (size_t)(nl - l->buf) + 1);
	}
	*line = l->buf;
	*len = (size_t)(nl - l->buf);
	return QMP_LINE_OK;
}

void qmp_lines_done(struct qmp_lines *l, size_t len)
{
	if (!l->skipping)
		cut(l, len + 1);
}
