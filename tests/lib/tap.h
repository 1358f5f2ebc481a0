/*
 * tap.h - small C tests that print TAP (Test Anything Protocol 13). For tests that need more than a
 * function: a VM, a process. Unit tests use cmocka.
 */
#ifndef TESTS_TAP_H
#define TESTS_TAP_H
#include <stdbool.h>
#include <stdint.h>

/** tap_ok() - one result, printf name; returns @ok. tap_done() gives the exit status. */
bool tap_ok(bool ok, const char *name, ...) __attribute__((format(printf, 2, 3)));
void tap_skip(const char *why, const char *name, ...) __attribute__((format(printf, 2, 3)));
/** tap_note() - a comment line, for what explains a failure. */
void tap_note(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/** tap_bail() - nothing more makes sense. */
void tap_bail(const char *fmt, ...) __attribute__((format(printf, 1, 2), noreturn));
int tap_done(void);
/** tap_wait() - poll @cond every @step_ms until true or @deadline_ms is over; returns the last answer. */
bool tap_wait(bool (*cond)(void *arg), void *arg, int deadline_ms, int step_ms);
uint64_t tap_now_us(void);

#endif
