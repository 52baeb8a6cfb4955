/* Moves a VM from its overlays back to its own disks. The end of a job, its undoing and a recovery
 * use the same code. */
#pragma once

#include "base/error.h"
#include "worker/vm/vm-job.h"

/* Commits every overlay of this job that the VM uses, then unlinks those that were seen committed.
 * Idempotent: a disk that is on its base is left as it is. Never unlinks an overlay whose commit
 * was not witnessed. */
int commit_all(struct vm_job *job, struct error **err) _must_check_;
