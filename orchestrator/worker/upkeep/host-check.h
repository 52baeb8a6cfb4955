/* `orch hypervisor check`: checks whether one hypervisor is ready to be backed up from. Changes
 * nothing but a probe file on the share. */
#pragma once

#include "schema/config/inventory.h"
#include "schema/config/settings.h"
#include "schema/records/messages.h"
#include "worker/job/report.h"

/* Reports checks and the result event. Returns the worker's exit status. */
int host_check_run(const struct job_request *request, const struct settings *settings,
                   const struct inventory *inventory, struct report *report);
