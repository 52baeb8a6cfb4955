/* What `orch files` says of itself where orch is built without libguestfs:
 * transports/guest-files/guest-files-none.c, in the place of the real one. */
#include <criterion/criterion.h>
#include <string.h>

#include "transports/guest-files/guest-files-internal.h"

Test(guest_files_none, says_what_is_missing_and_how_to_get_it)
{
        static const char *const words[] = { "built without libguestfs", "libguestfs-dev",
                                             "libarchive-devel", "-Dlibguestfs=enabled",
                                             "guestfish --ro" };
        const struct guest_files_serving serving = { 0 };
        _cleanup_error_ struct error *err = NULL;
        _cleanup_error_ struct error *served = NULL;
        cr_assert_eq(guest_files_check(&err), -1);
        cr_expect_eq(err->kind, ERROR_CONFIG);
        for (size_t i = 0; i < sizeof words / sizeof *words; i++)
                cr_expect(strstr(err->message, words[i]), "'%s' in: %s", words[i], err->message);
        cr_assert_eq(guest_files_serve(&serving, &served), -1);
        cr_expect_str_eq(served->message, err->message);
}
