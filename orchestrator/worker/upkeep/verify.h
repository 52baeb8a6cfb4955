/* `orch verify`: reads points of one VM back, oldest first, so that a point's parents are known to
 * be good before it is verified. Every verdict is written to the point's state.json: a damaged
 * point is marked with the damage, and unmarked when a later verification passes completely. Points
 * with a damaged parent are marked, too. The VM itself is not touched, and need not be in the
 * inventory. */
#pragma once

#include "schema/config/settings.h"
#include "schema/records/messages.h"
#include "worker/job/report.h"

/* Reports steps, states and the result event: failed when a point is damaged or missing
 * (ERROR_CORRUPT), or could not be read. Returns the worker's exit status. */
int verify_run(const struct job_request *request, const struct settings *settings,
               struct report *report);
