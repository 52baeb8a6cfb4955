#include "fixture.h"

TestSuite(history, .init = make_folder, .fini = remove_folder);

static int64_t last_good(struct catalog *catalog, const char *vm, int64_t not_after)
{
        int64_t started = -1;
        assert_ok(catalog_last_good(catalog, vm, not_after, &started, err));
        return started;
}

Test(history, the_newest_good_point_is_neither_damaged_nor_in_the_future)
{
        _cleanup_(catalog_freep) struct catalog *catalog = open_catalog(true);

        record(catalog, "a", 10, "ok");
        record(catalog, "a", 20, "ok");
        record(catalog, "a", 30, "damaged");
        record(catalog, "a", 40, "failed");
        record(catalog, "a", 5000, "ok");
        record(catalog, "b", 35, "ok");
        cr_assert_eq(last_good(catalog, "a", 100), 20);
        cr_assert_eq(last_good(catalog, "a", 20), 20);
        cr_assert_eq(last_good(catalog, "a", 19), 10);
        cr_assert_eq(last_good(catalog, "a", 5000), 5000);
        cr_assert_eq(last_good(catalog, "c", 100), 0);
}

Test(history, failures_count_from_the_last_good_point_on)
{
        _cleanup_(catalog_freep) struct catalog *catalog = open_catalog(true);
        _cleanup_catalog_history_ struct catalog_history history = { 0 };

        record(catalog, "never", 10, "failed");
        record(catalog, "never", 20, "failed");
        record(catalog, "well", 10, "failed");
        record(catalog, "well", 20, "ok");
        record(catalog, "again", 10, "failed");
        record(catalog, "again", 20, "ok");
        record(catalog, "again", 30, "failed");
        record(catalog, "again", 40, "cancelled");
        record(catalog, "again", 50, "failed");
        record(catalog, "again", 5000, "ok"); /* some clock was wrong */
        record(catalog, "broken", 10, "damaged");
        record(catalog, "broken", 20, "damaged");
        record(catalog, "broken", 30, "cancelled");
        assert_ok(catalog_get_history(catalog, 1000, &history, err));
        cr_assert_eq(history.count, 4);

        const struct catalog_vm *never = catalog_history_find(&history, "never");
        cr_assert(never->last_good == 0 && !never->last_good_point && never->failures == 2 && never->last_failure == 20);
        cr_assert_str_eq(never->last_error, "what went wrong at 20");
        const struct catalog_vm *well = catalog_history_find(&history, "well");
        cr_assert(well->last_good == 20 && well->failures == 0 && well->last_failure == 0 && !well->last_error);
        cr_assert_str_eq(well->last_good_point, "20");
        const struct catalog_vm *again = catalog_history_find(&history, "again");
        cr_assert(again->last_good == 20 && again->failures == 2 && again->last_failure == 50 && again->damaged == 0);
        cr_assert_str_eq(again->last_error, "what went wrong at 50");
        const struct catalog_vm *broken = catalog_history_find(&history, "broken");
        cr_assert(broken->last_good == 0 && broken->failures == 0 && broken->damaged == 2);
        cr_assert_null(catalog_history_find(&history, "nobody"));
}

Test(history, of_nothing)
{
        _cleanup_(catalog_freep) struct catalog *catalog = open_catalog(true);
        _cleanup_catalog_history_ struct catalog_history history = { 0 };

        assert_ok(catalog_get_history(catalog, 1000, &history, err));
        cr_assert_eq(history.count, 0);
        cr_assert_null(catalog_history_find(&history, "a"));
}
