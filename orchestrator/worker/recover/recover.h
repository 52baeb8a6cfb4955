/* Putting right what an interrupted job left on a VM (P2): looks at reality, touches only what
 * carries this repository's mark, is idempotent and resumable. The same code is a backup's first
 * step and `orch recover`. */
#pragma once

#include "base/error.h"
#include "schema/config/inventory.h"
#include "schema/config/settings.h"
#include "schema/records/messages.h"
#include "worker/job/report.h"
#include "worker/vm/vm-job.h"

/* For the VM that backup_locate() found: stops leftover copies, thaws what an orch job froze,
 * commits our overlays, removes overlays that were seen committed and stale staging folders. What
 * it may not touch (another orch's, an overlay nobody saw committed) is told in a warning; what it
 * could not finish is the error. *ret_repaired counts what it did. */
int recover_domain(struct vm_job *job, size_t *ret_repaired, struct error **err) _must_check_;

/* `orch recover VM`: locate, then recover_domain(). Returns the worker's exit status. */
int recover_run(const struct job_request *request, const struct settings *settings,
                const struct inventory *inventory, struct report *report);

/* The step "repair" of a backup and of a recovery: recover_domain(), and what the VM does
 * afterwards. */
int recover_repair(struct vm_job *job, struct error **err) _must_check_;
