/* What a test-restore may be told. */
#include "schema/records/test-restore-options.h"

#include <criterion/criterion.h>
#include <string.h>

#include "base/strings.h"
#include "schema/json/json-fields.h"

Test(test_restore_options, round_trip)
{
        struct test_restore_options options = { .point = (char *)"2026-02-01-230015",
                                                .network = (char *)"lab-net",
                                                .keep = true };
        _cleanup_json_ json_t *json = test_restore_options_write(&options);
        _cleanup_test_restore_options_ struct test_restore_options again = { 0 };
        cr_assert_eq(test_restore_options_read(json, &again, NULL), 0);
        cr_assert_str_eq(again.point, options.point);
        cr_assert_str_eq(again.network, "lab-net");
        cr_assert(again.keep);
        cr_assert_not(again.full);
}

Test(test_restore_options, none_are_the_defaults)
{
        _cleanup_test_restore_options_ struct test_restore_options options = { .keep = true };
        cr_assert_eq(test_restore_options_read(NULL, &options, NULL), 0);
        cr_assert_null(options.point);
        cr_assert_null(options.network);
        cr_assert_not(options.keep);
}

Test(test_restore_options, refuses_what_could_become_a_path_or_an_option)
{
        static const char *const bad[] = { "{\"point\":\"../x\"}",  "{\"network\":\"--all\"}",
                                           "{\"network\":\"a/b\"}", "{\"network\":\"..\"}",
                                           "{\"network\":\"a b\"}", "{\"keep\":1}" };
        for (size_t i = 0; i < ARRAY_LENGTH(bad); i++) {
                _cleanup_json_ json_t *json = json_loads(bad[i], 0, NULL);
                _cleanup_error_ struct error *err = NULL;
                struct test_restore_options options = { .full = true };
                cr_assert_eq(test_restore_options_read(json, &options, &err), -1, "%s", bad[i]);
                cr_assert_eq(err->kind, ERROR_CORRUPT);
                cr_assert(options.full, "the result is left alone");
        }
}
