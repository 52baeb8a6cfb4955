/* Moments as people type them, at one moment in one zone. */
#include "cli/terminal/when.h"

#include <criterion/criterion.h>

#include "base/clock.h"
#include "base/memory.h"

/* Wednesday, 2026-02-04 10:00:00 in Berlin. */
#define NOW INT64_C(1770195600)

static void assert_means(const char *text, enum when_direction direction, const char *expected)
{
        int64_t when = 0;
        _cleanup_error_ struct error *error = NULL;
        cr_assert_eq(when_parse(text, NOW, direction, &when, &error), 0, "%s: %s", text,
                     error_message(error));
        _cleanup_free_ char *local = clock_format_local(when);
        cr_expect_str_eq(local, expected, "%s: %s", text, local);
}

Test(when, a_moment_is_understood_as_a_person_means_it)
{
        cr_assert_eq(clock_set_timezone("Europe/Berlin", NULL), 0);
        assert_means("90m", WHEN_PAST, "2026-02-04 08:30:00");
        assert_means("36h", WHEN_PAST, "2026-02-02 22:00:00");
        assert_means("7d", WHEN_PAST, "2026-01-28 10:00:00");
        assert_means("2w", WHEN_FUTURE, "2026-02-18 10:00:00");
        assert_means("18:00", WHEN_PAST, "2026-02-03 18:00:00");
        assert_means("18:00", WHEN_FUTURE, "2026-02-04 18:00:00");
        assert_means("09:30", WHEN_PAST, "2026-02-04 09:30:00");
        assert_means("09:30", WHEN_FUTURE, "2026-02-05 09:30:00");
        assert_means("2026-02-01", WHEN_PAST, "2026-02-01 00:00:00");
        assert_means("2026-07-01 18:00", WHEN_FUTURE, "2026-07-01 18:00:00");
        assert_means("2026-02-01T18:00:05", WHEN_PAST, "2026-02-01 18:00:05");
        assert_means("2026-02-01T17:00:00Z", WHEN_PAST, "2026-02-01 18:00:00");
}

Test(when, what_is_no_moment_is_refused)
{
        static const char *const texts[] = { "",
                                             "7",
                                             "d",
                                             "7x",
                                             "-7d",
                                             "7d ",
                                             "9999999d",
                                             "25:00",
                                             "18:00:00:00",
                                             "2026-02-31",
                                             "2026-13-01",
                                             "yesterday",
                                             "2026-02-01 18:00 x",
                                             "1e3d",
                                             " 7d" };
        for (size_t i = 0; i < ARRAY_LENGTH(texts); i++) {
                int64_t when = 0;
                _cleanup_error_ struct error *error = NULL;
                cr_expect_eq(when_parse(texts[i], NOW, WHEN_PAST, &when, &error), -1, "%s",
                             texts[i]);
                cr_expect(error && error->kind == ERROR_CONFIG, "%s", texts[i]);
        }
}
