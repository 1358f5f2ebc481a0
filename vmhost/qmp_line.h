/*
 * qmp_line.h - cuts a byte stream into lines, without trusting it: at most QMP_LINE_MAX bytes a
 * line, the rest of a longer one is skipped. Main thread; pure, no I/O.
 */
#ifndef VMHOST_QMP_LINE_H
#define VMHOST_QMP_LINE_H
#include <stdbool.h>
#include <stddef.h>

#define QMP_LINE_MAX 65536

struct qmp_lines {
	char *buf; /* grows up to QMP_LINE_MAX + 1 */
	size_t len, cap, scanned;
	bool skipping; /* the rest of a line that was too long */
};

enum qmp_line_result { QMP_LINE_NONE, QMP_LINE_OK, QMP_LINE_TOO_LONG };

void qmp_lines_init(struct qmp_lines *l);
void qmp_lines_free(struct qmp_lines *l);
/** qmp_lines_space() - where to read to, and how much: at least one byte. NULL: no memory. */
char *qmp_lines_space(struct qmp_lines *l, size_t *len);
/** qmp_lines_added() - @n bytes were put there. */
void qmp_lines_added(struct qmp_lines *l, size_t n);
/**
 * qmp_lines_next() - the next whole line, without its end; valid until qmp_lines_done().
 * QMP_LINE_TOO_LONG comes once for each line that was too long; then call _done() as for a line.
 */
enum qmp_line_result qmp_lines_next(struct qmp_lines *l, char **line, size_t *len);
void qmp_lines_done(struct qmp_lines *l, size_t len);

#endif
