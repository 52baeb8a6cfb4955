/* Bringing a VM back from overlays to its own disks, the same code for a job's end, its undoing,
 * and recovery. */
#pragma once

#include "base/error.h"
#include "worker/vm/vm-job.h"

/* Commits every overlay of this job that the VM is on, then unlinks what was seen committed.
 * Idempotent: a disk that is back already, or never was on its overlay, is left as it is. Never
 * unlinks an overlay whose commit was not witnessed. */
int commit_all(struct vm_job *job, struct error **err) _must_check_;
