/* Commits the overlay of a VM that is shut off, without starting it. */
#pragma once

#include <stdbool.h>

#include "base/error.h"
#include "worker/vm/vm-job.h"

/* Runs `qemu-img commit -d`, then points the configuration at the base again. ERROR_BUSY for a VM
 * with a managed save, because its saved image still names the overlay. ERROR_REFUSED if a pivot
 * may have happened unseen and overlay and base differ; the message has the commands to type. */
int commit_offline(struct vm_job *job, struct vm_disk *disk, struct error **err) _must_check_;

/* Whether base and overlay of a VM that is shut off hold the same data. */
int commit_compare(struct vm_job *job, const struct vm_disk *disk, bool *ret_same,
                   struct error **err) _must_check_;

/* Points the disk's entry in the inactive XML at its base again. Does nothing if the entry does not
 * name the overlay. */
int commit_repoint(struct vm_job *job, const struct vm_disk *disk, struct error **err) _must_check_;
