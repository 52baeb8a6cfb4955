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
/* Queues those whose time has come. */
void recoveries_check(struct daemon *daemon);
