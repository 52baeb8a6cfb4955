/* Committing the overlay of a VM that is off, without starting it. */
#pragma once

#include <stdbool.h>

#include "base/error.h"
#include "worker/vm/vm-job.h"

/* `qemu-img commit -d`, then the configuration is put back on the base. ERROR_BUSY for a VM with a
 * managed save: its saved image still names the overlay. ERROR_REFUSED when a pivot may have been
 * done unseen and overlay and base differ: the message has what to type. */
int commit_offline(struct vm_job *job, struct vm_disk *disk, struct error **err) _must_check_;

/* Whether base and overlay of a VM that is off hold the same data. */
int commit_compare(struct vm_job *job, const struct vm_disk *disk, bool *ret_same,
                   struct error **err) _must_check_;

/* Puts the disk's entry in the inactive XML back on its base. Harmless when it is not on the
 * overlay. */
int commit_repoint(struct vm_job *job, const struct vm_disk *disk, struct error **err) _must_check_;
