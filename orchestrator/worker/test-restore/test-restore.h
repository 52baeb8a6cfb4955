/* A test-restore: a VM is started from a restore point, with another name, UUID and addresses,
 * watched until its boot has succeeded or failed, and removed. The point is only read, and shown to
 * be unchanged; the verdict is written to its state.json. */
#pragma once

#include "schema/config/inventory.h"
#include "schema/config/settings.h"
#include "schema/records/messages.h"
#include "worker/job/report.h"

/* Runs a test-restore and reports the result event. Returns the worker's exit status: 0 the VM
 * booted, 1 it did not or could not be tried, 5 cancelled. */
int test_restore_run(const struct job_request *request, const struct settings *settings,
                     const struct inventory *inventory, struct report *report);
