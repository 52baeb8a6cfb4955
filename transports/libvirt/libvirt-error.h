/* libvirt's errors, turned into ours. */
#pragma once

#include <libvirt/virterror.h>

#include "base/error.h"

/* The kind of a libvirt error. NULL (libvirt set no error) is ERROR_INTERNAL. */
enum error_kind libvirt_error_kind(const virError *error);

/* Sets *err from the calling thread's last libvirt error and clears that. Always returns -1. */
int libvirt_error_set(struct error **err);
