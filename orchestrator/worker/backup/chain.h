/* Chains: a full and the increments that build on it, tied together by checkpoints on the VM. A
 * checkpoint carries the tag of the job whose point shows its moment (worker/job/names.h), so that
 * a point's metadata tell which one is its. */
#pragma once

#include "base/error.h"
#include "worker/backup/backup-internal.h"

/* A step: what level this backup gets. An increment that cannot be made becomes a full, of the VM
 * or of one disk, with the reason as a warning. */
int chain_choose(struct backup *backup, struct error **err) _must_check_;
/* A step, after the point was published: checkpoints that no increment will start from any more go.
 * Failures are warnings. */
int chain_drop_old(struct backup *backup, struct error **err) _must_check_;
