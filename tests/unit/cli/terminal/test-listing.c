/* Which point a word means, and the table of points. */
#include "cli/terminal/listing.h"

#include <criterion/criterion.h>
#include <string.h>

#include "base/clock.h"
#include "schema/json/json-fields.h"

/* Newest first, as the daemon gives them: a failed job without a point, a damaged one, good
 * ones. */
static json_t *some_points(void)
{
        json_t *points = json_loads(
                "[{\"vm\":\"db\",\"point\":null,\"job\":\"20260301-aa11\",\"status\":\"failed\","
                "\"error\":\"no room\","
                "  \"started\":\"2026-03-01T22:00:15Z\"},"
                " {\"vm\":\"db\",\"point\":\"2026-02-22-220015\",\"status\":\"damaged\"},"
                " {\"vm\":\"db\",\"point\":\"2026-02-15-220015\",\"status\":\"ok\"},"
                " {\"vm\":\"db\",\"point\":\"2026-02-15-22001\",\"status\":\"ok\"},"
                " {\"vm\":\"db\",\"point\":\"2026-01-01-220015\",\"status\":\"ok\"}]",
                0, NULL);
        cr_assert_not_null(points);
        return points;
}

static void assert_means(const char *word, const char *expected)
{
        _cleanup_json_ json_t *points = some_points();
        _cleanup_error_ struct error *error = NULL;
        const char *found = listing_resolve(points, "db", word, &error);
        cr_assert(found, "%s: %s", word ? word : "(none)", error_message(error));
        cr_assert_str_eq(found, expected);
}

Test(listing, a_point_is_found_by_name_by_latest_and_by_a_unique_beginning)
{
        assert_means(NULL, "2026-02-15-220015"); /* not the damaged one, which is newer */
        assert_means("latest", "2026-02-15-220015");
        assert_means("2026-02-22-220015", "2026-02-22-220015");
        assert_means("2026-02-2", "2026-02-22-220015");
        assert_means("2026-01", "2026-01-01-220015");
        /* a whole name, though another begins with it */
        assert_means("2026-02-15-22001", "2026-02-15-22001");
}

static void assert_means_nothing(const char *word, const char *expected)
{
        _cleanup_json_ json_t *points = some_points();
        _cleanup_error_ struct error *error = NULL;
        cr_assert_null(listing_resolve(points, "db", word, &error), "%s", word);
        cr_assert_eq(error->kind, ERROR_CONFIG);
        cr_assert(strstr(error->message, expected), "'%s' lacks '%s'", error->message, expected);
}

Test(listing, what_means_several_points_or_none_is_refused)
{
        assert_means_nothing("2026-02-15",
                             "matches 2 points of db: 2026-02-15-220015, 2026-02-15-22001");
        assert_means_nothing("2026", "matches 4 points");
        assert_means_nothing("2025", "db has no point '2025'");
        assert_means_nothing("lates", "db has no point 'lates'");
        assert_means_nothing("", "matches 4 points");
}

Test(listing, latest_of_a_vm_without_a_good_point_says_where_to_look)
{
        _cleanup_json_ json_t *points = json_loads(
                "[{\"vm\":\"db\",\"point\":\"2026-02-22-220015\",\"status\":\"damaged\"}]", 0,
                NULL);
        _cleanup_error_ struct error *error = NULL;
        cr_assert_null(listing_resolve(points, "db", "latest", &error));
        cr_assert(strstr(error->message, "orch list db --failed"), "%s", error->message);
}

Test(listing, the_table_tells_sizes_local_times_and_what_is_worth_a_note)
{
        cr_assert_eq(clock_set_timezone("Europe/Berlin", NULL), 0);
        _cleanup_json_ json_t *points =
                json_loads("[{\"vm\":\"db\",\"hypervisor\":\"h1\",\"point\":\"2026-02-01-230015\","
                           "\"status\":\"ok\",\"level\":\"full\","
                           "  "
                           "\"consistency\":\"filesystem\",\"virtual_bytes\":10737418240,\"stored_"
                           "bytes\":1610612736,"
                           "  "
                           "\"started\":\"2026-02-01T22:00:15Z\",\"duration_seconds\":75,\"held\":"
                           "true,\"verified\":\"2026-02-03T00:00:00Z\","
                           "  "
                           "\"proven\":\"2026-02-03T07:08:09Z\",\"proof\":\"booted\",\"warnings\":["
                           "\"a\",\"b\"],\"error\":null},"
                           " {\"vm\":\"db\",\"hypervisor\":\"h1\",\"point\":\"2026-01-25-230011\","
                           "\"status\":\"ok\",\"level\":\"full\","
                           "  "
                           "\"consistency\":\"crash\",\"virtual_bytes\":10737418240,\"stored_"
                           "bytes\":1610612736,"
                           "  "
                           "\"started\":\"2026-01-25T22:00:11Z\",\"duration_seconds\":75,"
                           "\"proven\":null,\"proof\":\"not-bootable\","
                           "  \"warnings\":[],\"error\":null},"
                           " {\"vm\":\"web\",\"hypervisor\":\"h1\",\"point\":null,\"job\":"
                           "\"20260201-aa11\",\"status\":\"failed\","
                           "  "
                           "\"started\":\"2026-02-01T21:00:00Z\",\"duration_seconds\":3,"
                           "\"warnings\":[],\"error\":\"no\\nroom\"}]",
                           0, NULL);
        _cleanup_free_ char *text = listing_table(points);
        cr_assert_str_eq(text, "VM   POINT                STARTED              STATUS  LEVEL  "
                               "CONSISTENCY      SIZE   STORED   "
                               "TOOK  PROVEN            NOTES\n"
                               "db   2026-02-01-230015    2026-02-01 23:00:15  ok      full   "
                               "filesystem   10.0 GiB  1.5 GiB  "
                               "1m15s  2026-02-03 08:08  held, "
                               "verified, 2 warnings\n"
                               "db   2026-01-25-230011    2026-01-25 23:00:11  ok      full   "
                               "crash        10.0 GiB  1.5 GiB  "
                               "1m15s  -                 NOT "
                               "BOOTABLE\n"
                               "web  (job 20260201-aa11)  2026-02-01 22:00:00  failed  -      -    "
                               "               -        -   "
                               "3.0s  -                 no "
                               "room\n");
}
