/* A test-restore: a VM is started from a restore point, with another name, UUID and addresses,
 * watched until it is seen to be up or not, and removed. The point is only read, and shown to have
 * been left alone; its state.json gets the verdict. */
#pragma once

#include "schema/config/inventory.h"
#include "schema/config/settings.h"
#include "schema/records/messages.h"
#include "worker/job/report.h"

/* Runs it and reports the result event. Returns the worker's exit status: 0 it is up, 1 it is not
 * or could not be tried, 5 cancelled. */
int test_restore_run(const struct job_request *request, const struct settings *settings,
                     const struct inventory *inventory, struct report *report);
