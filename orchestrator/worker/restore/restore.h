/* A restore (JOB_RESTORE), and the recovery of those that were interrupted. */
#pragma once

#include "repository/repository.h"
#include "schema/config/inventory.h"
#include "schema/config/settings.h"
#include "schema/records/messages.h"
#include "worker/job/report.h"

/* Runs it to its end; tells the result. Returns the process's exit status. */
int restore_run(const struct job_request *request, const struct settings *settings,
                const struct inventory *inventory, struct report *report);

/* Whether the domain of that UUID may be backed up: ERROR_BUSY while it runs from a point. */
int restore_refuse_backup(struct repository *repository, const char *uuid,
                          struct error **err) _must_check_;

/* Looks at the journals on the share (of one VM, or all with vm NULL): restores whose process is
 * gone are rolled back, or closed where they were complete; what was set aside longer ago than it
 * is kept for is removed. Each is told as a warning; in a dry run only said. *ret_repaired counts
 * them. Goes on after a failure; -1 with the first one. */
int restore_recover(struct repository *repository, const struct settings *settings,
                    const struct inventory *inventory, const char *vm, bool dry_run,
                    struct report *report, size_t *ret_repaired, struct error **err) _must_check_;
/* The same before a backup of `vm`: only a restore that was to replace it, and cannot be undone
 * now, is an error; what else fails is told as a warning. */
int restore_recover_for_backup(struct repository *repository, const struct settings *settings,
                               const struct inventory *inventory, const char *vm,
                               struct report *report, struct error **err) _must_check_;
