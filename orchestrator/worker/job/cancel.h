/* Whether the job that this process does has been cancelled. */
#pragma once

#include <stdbool.h>

#include "base/error.h"

/* From now on SIGTERM and SIGINT cancel the job instead of ending the process. */
void cancel_watch_signals(void);
/* Whether the user, the daemon's end or a signal asked to stop. Fit as a `cancelled` callback: the
 * data is ignored. */
bool worker_cancelled(void *data);
/* -1 with ERROR_CANCELLED when worker_cancelled(). */
int worker_check_cancelled(struct error **err) _must_check_;
/* A call that could not be interrupted (connecting to a mute host) ends by its deadline: when the
 * user had asked to stop meanwhile, that is what ended the job, and the failure becomes
 * ERROR_CANCELLED. */
void worker_note_cancellation(struct error *failure);
