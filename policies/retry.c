/* Implements policies/retry.h. */
#include "policies/retry.h"

bool retry_is_worth_it(enum error_kind kind)
{
        switch (kind) {
        case ERROR_UNREACHABLE:
        case ERROR_BUSY:
        case ERROR_TIMEOUT:
                return true;
        case ERROR_CONFIG:
        case ERROR_AUTH:
        case ERROR_NOSPACE:
        case ERROR_CORRUPT:
        case ERROR_CANCELLED:
        case ERROR_REFUSED:
        case ERROR_INTERNAL:
        case _ERROR_KIND_MAX:
                return false;
        }
        return false;
}
