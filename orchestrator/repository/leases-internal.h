/* The part of leases that points_remove() uses. */
#pragma once

#include <stdint.h>

#include "base/error.h"

/* Whether a lease covers the point in the open folder of its VM: 1 (*ret_job is the reader's job,
 * which the caller frees), 0, or -1. */
int leases_find_reader(int vm_fd, const char *folder, const char *point, int64_t now,
                       char **ret_job, struct error **err) _must_check_;
