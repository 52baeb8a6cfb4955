/* Forms of time, in a zone that is set. */
#include "base/clock.h"

#include <criterion/criterion.h>

Test(clock, rfc3339_goes_both_ways_and_refuses_other_forms)
{
        int64_t t = 0;
        cr_assert(clock_parse_rfc3339("2026-02-01T22:00:15Z", &t));
        _cleanup_free_ char *text = clock_format_rfc3339(t);
        cr_assert_str_eq(text, "2026-02-01T22:00:15Z");
        cr_assert_not(clock_parse_rfc3339("2026-02-01 22:00:15", &t));
        cr_assert_not(clock_parse_rfc3339("2026-02-01T22:00:15Zx", &t));
        cr_assert_not(clock_parse_rfc3339(NULL, &t));
}

Test(clock, a_folder_is_named_in_the_cycles_zone)
{
        cr_assert_eq(clock_set_timezone("Europe/Berlin", NULL), 0);
        int64_t t = 0;
        cr_assert(clock_parse_rfc3339("2026-02-01T21:00:15Z", &t));
        _cleanup_free_ char *name = clock_format_folder(t);
        cr_assert_str_eq(name, "2026-02-01-220015");
}

Test(clock, an_unknown_zone_is_refused_instead_of_meaning_utc)
{
        _cleanup_error_ struct error *error = NULL;
        cr_assert_eq(clock_set_timezone("Europe/Berln", &error), -1);
        cr_assert_eq(error->kind, ERROR_CONFIG);
        cr_assert_eq(clock_set_timezone("../../etc/passwd", NULL), -1);
}

/* A file system in a guest's image may hold any number. */
Test(clock, what_no_calendar_has_is_no_text)
{
        _cleanup_free_ char *last = clock_format_rfc3339(INT64_MAX);
        cr_assert_str_eq(last, "");
        _cleanup_free_ char *first = clock_format_local(INT64_MIN);
        cr_assert_str_eq(first, "");
        _cleanup_free_ char *folder = clock_format_folder(INT64_MAX);
        cr_assert_str_eq(folder, "");
}
