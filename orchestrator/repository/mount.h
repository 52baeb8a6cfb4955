/* What is mounted where, from the text of /proc/self/mountinfo alone: reading it never waits for a
 * server that may be gone. */
#pragma once

#include "base/error.h"
#include "schema/config/settings.h"

/* The absolute path without doubled or trailing slashes, "." and ".." (by text alone; symbolic
 * links are not resolved). NULL when the path is not absolute. The caller frees. */
char *mount_normalise(const char *path);

/* Checks that `path` (normalised) is a mount point of the type `fstype` that no other mount hides.
 * `mountinfo` is the text of /proc/self/mountinfo (proc(5)). Of several mounts on one path the last
 * counts. *ret_type gets the file system's type; the caller frees. ERROR_REFUSED otherwise; the
 * message describes what was found. */
int mount_check(const char *mountinfo, const char *path, enum repository_fstype fstype,
                char **ret_type, struct error **err) _must_check_;
