/* Retention (P4): the points of a VM that no rule keeps go. After each good backup, and by `orch
 * prune`. */
#pragma once

#include <stddef.h>

#include "repository/repository.h"
#include "schema/config/inventory.h"
#include "schema/config/settings.h"
#include "schema/records/messages.h"
#include "worker/job/report.h"

struct prune {
        struct repository *repository;
        const char *home; /* the folder of the VM's hypervisor */
        const struct inventory_vm *vm;
        const char *spared;  /* a point that is never a candidate; NULL: none */
        char *const *agreed; /* only these may go; NULL: all that may */
        struct report *report;
};

/* Removes what may go, the newest first, and tells of each; what cannot be removed is a warning.
 * Counts both. -1 when the points cannot be listed. */
int prune_points(const struct prune *prune, size_t *ret_kept, size_t *ret_removed,
                 struct error **err) _must_check_;

/* The worker of `orch prune` for one VM. Returns its exit status. */
int prune_run(const struct job_request *request, const struct settings *settings,
              const struct inventory *inventory, struct report *report);
