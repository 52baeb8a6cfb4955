/* The backup of one VM, from finding it to retention. */
#pragma once

#include "schema/config/inventory.h"
#include "schema/config/settings.h"
#include "schema/records/messages.h"
#include "worker/job/report.h"

/* Runs a backup (or, for JOB_CHECK, its steps up to the checks before) and reports the result
 * event. Returns the exit status of the worker: 0 ok or skipped, 1 failed, 5 cancelled. `report`
 * was made for this VM, with its metadata NULL; this function sets it. */
int backup_run(const struct job_request *request, const struct settings *settings,
               const struct inventory *inventory, struct report *report);
