/* What is mounted where, from the text of /proc/self/mountinfo alone: looking there never touches a
 * server that may be gone. */
#pragma once

#include "base/error.h"
#include "schema/config/settings.h"

/* The absolute path without doubled or trailing slashes, "." and ".." (by text, so a symbolic link
 * is not looked at). NULL when the path is not absolute. The caller frees. */
char *mount_normalise(const char *path);

/* Is `path` (normalised) a mount point that is not hidden by another mount, of the type asked for?
 * `mountinfo` is the text of /proc/self/mountinfo (proc(5)). Of mounts stacked on one place the
 * last counts. *ret_type gets the file system's type; the caller frees. ERROR_REFUSED otherwise,
 * saying what was found. */
int mount_check(const char *mountinfo, const char *path, enum repository_fstype fstype,
                char **ret_type, struct error **err) _must_check_;
