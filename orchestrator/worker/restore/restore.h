/* A restore (JOB_RESTORE), and the recovery of interrupted restores. */
#pragma once

#include "repository/repository.h"
#include "schema/config/inventory.h"
#include "schema/config/settings.h"
#include "schema/records/messages.h"
#include "worker/job/report.h"
#include "worker/vm/vm-job.h"

/* Runs the restore to its end and reports the result. Returns the process's exit status. */
int restore_run(const struct job_request *request, const struct settings *settings,
                const struct inventory *inventory, struct report *report);

/* Whether the domain with that UUID may be backed up: ERROR_BUSY while it runs from a point. */
int restore_refuse_backup(struct repository *repository, const char *uuid,
                          struct error **err) _must_check_;

/* Handles the journals on the share: those of the request's VM, or all if it names none. A
 * restore whose process is gone is rolled back, or closed if it was complete; files that were
 * set aside are removed once they have expired. Each action is reported as a warning; a dry run
 * only reports it. *ret_repaired counts the actions. Continues after a failure and returns -1
 * with the first error. */
int restore_recover(const struct vm_job *job, size_t *ret_repaired,
                    struct error **err) _must_check_;
/* The same before a backup of the job's VM. The only error is a restore that was to replace this VM
 * and cannot be undone now; any other failure is reported as a warning. */
int restore_recover_for_backup(const struct vm_job *job, struct error **err) _must_check_;
