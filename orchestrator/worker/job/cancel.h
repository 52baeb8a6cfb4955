/* Whether the job that this process does has been cancelled. */
#pragma once

#include <stdbool.h>

#include "base/error.h"

/* After this call, SIGTERM and SIGINT cancel the job instead of ending the process. */
void cancel_watch_signals(void);
/* Whether the user, the daemon's end or a signal has cancelled the job. Usable as a `cancelled`
 * callback: the data is ignored. */
bool worker_cancelled(void *data);
/* -1 with ERROR_CANCELLED if worker_cancelled(). */
int worker_check_cancelled(struct error **err) _must_check_;
/* A call that cannot be interrupted (connecting to a host that does not answer) ends at its
 * deadline. If the user cancelled the job meanwhile, the cancel is the real cause, and the failure
 * becomes ERROR_CANCELLED. */
void worker_note_cancellation(struct error *failure);
