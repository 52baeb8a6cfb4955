/* `orch discover`: lists the domains of a hypervisor, and the VM of the inventory that each is.
 * Changes nothing. */
#pragma once

#include "schema/config/inventory.h"
#include "schema/config/settings.h"
#include "schema/records/messages.h"
#include "worker/job/report.h"

/* Reports a domain event for each domain, and the result. Returns the worker's exit status. */
int discover_run(const struct job_request *request, const struct settings *settings,
                 const struct inventory *inventory, struct report *report);
