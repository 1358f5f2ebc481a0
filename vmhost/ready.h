/*
 * ready.h - telling the one who started us how it went (docs/protocol.md, "Starting"). Main thread.
 */
#ifndef VMHOST_READY_H
#define VMHOST_READY_H
#include <stdbool.h>

/* exit statuses (docs/protocol.md) */
enum { EXIT_OK = 0, EXIT_FAILED = 1, EXIT_USAGE = 2, EXIT_NO_KVM = 4 };

/** ready_set() - from now on ready_*() write to @fd; -1: to stderr when it fails, nothing when it
 * is up. */
void ready_set(int fd);
/** ready_ok() - up. */
void ready_ok(void);
/** ready_failed() - say why (@rc: -errno) and return the exit status that goes with it. */
int ready_failed(int rc, const char *text);
/** ready_detach() - go on as a background process; the parent waits here for the word of the child,
 * prints what went wrong, and exits with the child's status. */
int ready_detach(void);

#endif
