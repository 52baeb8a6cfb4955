/* Retention (P4): removes the points of a VM that no rule keeps, after each good backup and by
 * `orch prune`. */
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
        const char *spared;  /* a point that is never removed; NULL: none */
        char *const *agreed; /* only these may be removed; NULL: any */
        struct report *report;
};

/* Removes the points that may be removed, newest first, and reports each; a point that cannot be
 * removed is a warning. Counts both the kept and the removed ones. -1 if the points cannot be
 * listed. */
int prune_points(const struct prune *prune, size_t *ret_kept, size_t *ret_removed,
                 struct error **err) _must_check_;

/* The worker of `orch prune` for one VM. Returns its exit status. */
int prune_run(const struct job_request *request, const struct settings *settings,
              const struct inventory *inventory, struct report *report);
