/* Whether a failed VM is worth one more try at the cycle's end: when its cause may have passed
 * (P6). Pure. */
#pragma once

#include <stdbool.h>

#include "base/error.h"

/* True for UNREACHABLE, BUSY, TIMEOUT. */
bool retry_is_worth_it(enum error_kind kind);
