/* Recoveries that have to wait: of VMs that a job could not put back, because their hypervisor was
 * away or their agent mute. Each is tried again, ever more seldom, until one succeeds or a backup
 * of the VM (which repairs first) does. They are no jobs while they wait, so that nothing queues up
 * behind them; their running-job files stay, so that a restart of the daemon tries at once. */
#pragma once

#include "daemon/state/jobs.h"

struct daemon;
struct recoveries;

struct recoveries *recoveries_new(void);
/* Returns NULL. */
struct recoveries *recoveries_free(struct recoveries *recoveries);

/* A step ended: remembers in the job whether something of its VM was left undone. */
void recoveries_note_step(struct job *job, const struct event *event);
/* A job with a result ended. True: its VM is to be recovered later, and its running-job file has to
 * stay. */
bool recoveries_note_end(struct daemon *daemon, const struct job *job);
/* Of those whose time has come, one that was not taken yet: its VM, and its hypervisor (or NULL),
 * both valid until the next call about recoveries. The caller queues a recovery. NULL: there is
 * none; so for `recoveries` NULL. */
const char *recoveries_take_due(struct recoveries *recoveries, const char **ret_hypervisor);
