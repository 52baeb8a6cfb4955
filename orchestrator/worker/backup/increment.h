/* The capture of an increment, and the checkpoint that a full leaves for one. QEMU writes what
 * changed since the parent's checkpoint to scratch files on the hypervisor's own disk, never to the
 * share: a share that hangs must not stop a guest. */
#pragma once

#include "base/error.h"
#include "worker/backup/backup-internal.h"

/* "<scratch>/<tag>-<VM's UUID>-<target>.increment". The caller frees. */
char *increment_scratch(const struct backup *backup, const char *tag, const char *target);

/* Makes the checkpoint from which the next increment starts; without one this point ends its chain,
 * which is a warning and no failure. */
void increment_mark(struct backup *backup);
/* Begins the push job, with its own new checkpoint where one is wanted: the moment that the point
 * shows. */
int increment_begin(struct backup *backup, struct error **err) _must_check_;
/* Waits until QEMU has written all; the scratch files then stand on their parents as the hypervisor
 * sees them. */
int increment_finish(struct backup *backup, struct error **err) _must_check_;
/* Removes the scratch files, once they have been copied. */
int increment_clean(struct backup *backup, struct error **err) _must_check_;
