/* cmds.h - the tables of commands (docs/protocol.md), for host_commands(). Main thread. */
#ifndef VMHOST_CMDS_H
#define VMHOST_CMDS_H
#include "vmhost/qmp.h"

extern const struct qmp_command cmds_qemu[];     /* those that QEMU has */
extern const struct qmp_command cmds_own[];      /* x-... */
extern const struct qmp_command cmds_snapshot[]; /* snapshots and jobs */
extern const struct qmp_command cmds_balloon[];

#endif
