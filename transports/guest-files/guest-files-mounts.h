/* Selects and mounts the file system of a VM's disks that is read. It runs in the process with
 * libguestfs. */
#pragma once

#include <guestfs.h>

#include "transports/guest-files/guest-files.h"

/* Mounts the file systems of the request, read-only; guest-files.h describes how they are selected.
 * Others of the guest's fstab that cannot be mounted are added to *warnings. */
int guest_files_mount(guestfs_h *g, const struct guest_files_request *request, char ***warnings,
                      struct error **err) _must_check_;

/* Converts libguestfs' last error to ours: "<formatted>: <libguestfs' text>". Returns -1. */
int guest_files_error(guestfs_h *g, struct error **err, const char *format, ...) _printf_(3, 4);
