/* The repair of what an interrupted job left on a VM (P2). It inspects the actual state, touches
 * only what carries this repository's mark, is idempotent and can be resumed. A backup's first step
 * and `orch recover` run the same code. */
#pragma once

#include "base/error.h"
#include "schema/config/inventory.h"
#include "schema/config/settings.h"
#include "schema/records/messages.h"
#include "worker/job/report.h"
#include "worker/vm/vm-job.h"

/* For the VM that vm_job_locate() found: stops leftover copies, thaws the guest if an orch job
 * froze it, commits our overlays, removes overlays that were seen committed, and removes stale
 * staging folders. A warning reports what it may not touch (another orch's files, an overlay that
 * nobody saw committed); the error reports what it could not finish. *ret_repaired counts the
 * repairs. */
int recover_domain(struct vm_job *job, size_t *ret_repaired, struct error **err) _must_check_;

/* `orch recover VM`: locate, then recover_domain(). Returns the worker's exit status. */
int recover_run(const struct job_request *request, const struct settings *settings,
                const struct inventory *inventory, struct report *report);

/* The step "repair" of a backup and of a recovery: recover_domain(), then reads the VM's state
 * again. */
int recover_repair(struct vm_job *job, struct error **err) _must_check_;
