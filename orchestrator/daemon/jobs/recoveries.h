/* Recoveries that are tried again later: of VMs that a job could not repair, because their
 * hypervisor was unreachable or their agent did not answer. Each is tried again at growing
 * intervals, until a recovery succeeds or a backup of the VM does, which repairs first. They are no
 * jobs while they wait, so that nothing queues up behind them; their running-job files stay, so
 * that a restart of the daemon tries at once. */
#pragma once

#include "daemon/state/jobs.h"

struct daemon;
struct recoveries;

struct recoveries *recoveries_new(void);
/* Returns NULL. */
struct recoveries *recoveries_free(struct recoveries *recoveries);

/* A step ended: notes in the job whether it left something of its VM to be repaired. */
void recoveries_note_step(struct job *job, const struct event *event);
/* A job ended with a result. True: its VM will be recovered later, and its running-job file has to
 * stay. */
bool recoveries_note_end(struct daemon *daemon, const struct job *job);
/* Takes one recovery that is due: returns its VM, and its hypervisor (or NULL) in *ret_hypervisor,
 * both valid until the next call about recoveries. The caller queues a recovery. NULL: none is due;
 * `recoveries` may be NULL. */
const char *recoveries_take_due(struct recoveries *recoveries, const char **ret_hypervisor);
