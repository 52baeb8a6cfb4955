/* An error's kind, errno and message on its way up. */
#include "base/error.h"

#include <criterion/criterion.h>
#include <errno.h>

#include "base/strings.h"

Test(error, an_errno_refines_an_internal_kind_and_no_other)
{
        _cleanup_error_ struct error *full = NULL;
        cr_assert_eq(error_set_errno(&full, ERROR_INTERNAL, ENOSPC, "cannot write %s", "x"), -1);
        cr_assert_eq(full->kind, ERROR_NOSPACE);
        cr_assert_eq(full->errnum, ENOSPC);
        cr_assert_str_eq(full->message, "cannot write x: No space left on device");
        _cleanup_error_ struct error *config = NULL;
        error_set_errno(&config, ERROR_CONFIG, ENOSPC, "x");
        cr_assert_eq(config->kind, ERROR_CONFIG);
}

Test(error, prefix_adds_a_name_and_tolerates_no_error)
{
        _cleanup_error_ struct error *error = NULL;
        error_prefix(&error, "vm %s", "a");
        cr_assert_null(error);
        error_set(&error, ERROR_BUSY, "is busy");
        error_prefix(&error, "vm %s", "a");
        cr_assert_str_eq(error->message, "vm a: is busy");
        cr_assert_eq(error_set(NULL, ERROR_BUSY, "nobody listens"), -1);
}

Test(error, kinds_have_names_that_lead_back)
{
        for (int kind = 0; kind < _ERROR_KIND_MAX; kind++)
                cr_assert_eq(error_kind_from_name(error_kind_name((enum error_kind)kind)), kind);
        cr_assert_eq(error_kind_from_name("no such kind"), ERROR_INTERNAL);
        cr_assert_eq(error_kind_from_name(NULL), ERROR_INTERNAL);
}
