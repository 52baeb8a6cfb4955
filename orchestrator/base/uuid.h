/* Random UUIDs. */
#pragma once

#include "base/error.h"

/* RFC 9562, version 4, lower case with dashes. The caller frees; NULL when the system has no random
 * bytes. */
char *uuid_new(struct error **err) _must_check_;
