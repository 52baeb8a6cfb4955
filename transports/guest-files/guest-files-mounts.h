/* Which file system of a VM's disks is looked into, and mounting it. Inside the process that holds
 * libguestfs. */
#pragma once

#include <guestfs.h>

#include "transports/guest-files/guest-files.h"

/* Mounts, read-only, what the request means (guest-files.h tells how that is found). What could not
 * be mounted beside it is added to *warnings. */
int guest_files_mount(guestfs_h *g, const struct guest_files_request *request, char ***warnings,
                      struct error **err) _must_check_;

/* Turns the last error of libguestfs into ours: "<formatted>: <its words>". Returns -1. */
int guest_files_error(guestfs_h *g, struct error **err, const char *format, ...) _printf_(3, 4);
