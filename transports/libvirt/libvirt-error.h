/* libvirt's errors, turned into ours. */
#pragma once

#include <libvirt/virterror.h>

#include "base/error.h"

/* What kind of failure it is. NULL (libvirt said nothing) is ERROR_INTERNAL. */
enum error_kind libvirt_error_kind(const virError *error);

/* Sets *err from the calling thread's last libvirt error, and forgets that one. Always returns
 * -1. */
int libvirt_error_set(struct error **err);
