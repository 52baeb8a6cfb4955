/* Random UUIDs. */
#pragma once

#include "base/error.h"

/* Makes a version 4 UUID by RFC 9562: lower case, with dashes. The caller frees. NULL and
 * ERROR_INTERNAL when the system has no random bytes. */
char *uuid_new(struct error **err) _must_check_;
