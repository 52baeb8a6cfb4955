/* What changed in an appliance's configuration since the point before. */
#pragma once

#include "schema/config/appliance-profile.h"
#include "worker/backup/backup-internal.h"

/* Compares the files of metadata->configs, which are in the staging folder, with those of the
 * newest good point that has any, fills in what they say of it, and writes configs/changes.diff
 * where something changed. What cannot be compared is a warning: the new files are good. -1: the
 * staging folder cannot be written to. */
int config_changes_note(struct backup *backup, const struct appliance_profile *profile,
                        char *const *texts, struct error **err) _must_check_;
