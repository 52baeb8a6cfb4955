/* Chains: a full backup and the increments that depend on it, connected by checkpoints on the VM. A
 * checkpoint carries the tag of the job whose point it belongs to (worker/job/names.h), so that a
 * point's checkpoint is found from its metadata. */
#pragma once

#include "base/error.h"
#include "worker/backup/backup-internal.h"

/* A step: chooses the level of this backup. If an increment cannot be made, the whole VM or one
 * disk is backed up completely, and a warning gives the reason. */
int chain_choose(struct backup *backup, struct error **err) _must_check_;
/* A step, after the point was published: removes checkpoints from which no increment will start any
 * more. Failures are warnings. */
int chain_drop_old(struct backup *backup, struct error **err) _must_check_;
