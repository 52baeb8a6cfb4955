/* What is worth another try, kind by kind. */
#include "policies/retry.h"

#include <criterion/criterion.h>

Test(retry, only_causes_that_may_pass_are_worth_another_try)
{
        for (int kind = 0; kind < _ERROR_KIND_MAX; kind++) {
                bool passing =
                        kind == ERROR_UNREACHABLE || kind == ERROR_BUSY || kind == ERROR_TIMEOUT;
                cr_assert_eq(retry_is_worth_it((enum error_kind)kind), passing, "%s",
                             error_kind_name((enum error_kind)kind));
        }
}
