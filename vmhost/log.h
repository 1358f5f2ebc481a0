/*
 * log.h - NAME/log: what this VM's process had to say. One write a line, with the time; bounded in
 * size and in lines a second, since a guest decides how often some things happen. Any thread.
 */
#ifndef VMHOST_LOG_H
#define VMHOST_LOG_H
#include <stdbool.h>
#include <stddef.h>

struct log;

/** log_open() - open (append) @path; @echo: to stderr too. Return: 0 or -errno. */
int log_open(const char *path, bool echo, struct log **out);
void log_close(struct log *log);
/** log_line() - printf; control characters are made harmless. @log NULL: nothing happens. */
void log_line(struct log *log, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
