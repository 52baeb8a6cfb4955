/* The capture of an increment, and the checkpoint that a full backup makes for the next one. QEMU
 * writes what changed since the parent's checkpoint to scratch files on the hypervisor's own disk,
 * never to the share, because a hung share must not stop a guest. */
#pragma once

#include "base/error.h"
#include "worker/backup/backup-internal.h"

/* "<scratch>/<tag>-<VM's UUID>-<target>.increment". The caller frees. */
char *increment_scratch(const struct backup *backup, const char *tag, const char *target);

/* Makes the checkpoint from which the next increment starts. Without one this point ends its chain,
 * which is a warning and not a failure. */
void increment_mark(struct backup *backup);
/* Begins the push job, with its own new checkpoint if one is wanted. This is the snapshot time of
 * the point. */
int increment_begin(struct backup *backup, struct error **err) _must_check_;
/* Waits until QEMU has written everything. The scratch files are then backed by their parents, by
 * the path that the hypervisor uses. */
int increment_finish(struct backup *backup, struct error **err) _must_check_;
/* Removes the scratch files after they were copied. */
int increment_clean(struct backup *backup, struct error **err) _must_check_;
