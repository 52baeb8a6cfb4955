/* What changed in an appliance's configuration since the previous point. */
#pragma once

#include "schema/config/appliance-profile.h"
#include "worker/backup/backup-internal.h"

/* Compares the files of metadata->configs, which are in the staging folder, with those of the
 * newest good point that has any. Records the result in metadata->configs, and writes
 * configs/changes.diff if anything changed. A failed comparison is a warning, because the new files
 * are good. -1: the staging folder cannot be written to. */
int config_changes_note(struct backup *backup, const struct appliance_profile *profile,
                        char *const *texts, struct error **err) _must_check_;
