/* The index against folders that somebody moved, copied, damaged or removed. */
#include <sys/stat.h>

#include "fixture.h"

TestSuite(reconcile, .init = make_folder, .fini = remove_folder);

#define assert_reconciled(catalog, points, n_added, n_removed)                          \
        do {                                                                            \
                size_t added_ = 99, removed_ = 99;                                      \
                assert_ok(catalog_reconcile(catalog, points, &added_, &removed_, err)); \
                cr_assert_eq(added_, (size_t)(n_added), "%zu added", added_);           \
                cr_assert_eq(removed_, (size_t)(n_removed), "%zu removed", removed_);   \
        } while (0)

#define assert_list(catalog, expected)                                       \
        do {                                                                 \
                _cleanup_free_ char *rows_ = list_text(catalog, NULL, true); \
                cr_assert_str_eq(rows_, expected);                           \
        } while (0)

static void assert_pin(struct catalog *catalog, const char *vm, const char *expected)
{
        _cleanup_free_ char *uuid = NULL, *hypervisor = NULL;
        assert_ok(catalog_get_pin(catalog, vm, &uuid, &hypervisor, err));
        cr_assert(streq(uuid, expected), "%s is pinned to %s", vm, uuid ? uuid : "nothing");
}

Test(reconcile, the_index_follows_the_share)
{
        _cleanup_(catalog_freep) struct catalog *catalog = open_catalog(true);
        struct point_list points = { 0 };

        add_point(&points, make_point("a", 30));
        add_point(&points, make_point("a", 20));
        add_point(&points, make_point("b", 10));
        assert_reconciled(catalog, &points, 3, 0);
        assert_reconciled(catalog, &points, 0, 0);
        assert_list(catalog, "hv/a/30 hv/a/20 hv/b/10");

        record(catalog, "a", 25, "ok");     /* a row whose folder is gone */
        record(catalog, "a", 26, "failed"); /* a job without a point stays */
        free_points(&points);
        add_point(&points, make_point("a", 30));
        add_point(&points, make_point("c", 40));
        assert_reconciled(catalog, &points, 1, 3);
        assert_list(catalog, "hv/c/40 hv/a/30 job-a-26");
        free_points(&points);

        assert_reconciled(catalog, &points, 0, 2);
        assert_list(catalog, "job-a-26");
}

Test(reconcile, jobs_that_made_no_point_are_added_where_they_are_missing)
{
        _cleanup_(catalog_freep) struct catalog *catalog = open_catalog(true);
        struct point known = make_point("a", 26), lost = make_point("a", 27);
        struct metadata *items[] = { known.metadata, lost.metadata };
        struct failure_list failures = { .items = items, .count = 2 };
        _cleanup_catalog_list_ struct catalog_list list = { 0 };
        size_t added = 99;

        record(catalog, "a", 26, "failed");
        for (size_t i = 0; i < 2; i++) {
                xstrdup_replace(&items[i]->status, "failed");
                xstrdup_replace(&items[i]->error, "told by the share");
                xstrdup_replace(&items[i]->error_kind, "timeout");
        }
        assert_ok(catalog_add_failures(catalog, &failures, &added, err));
        cr_expect_eq(added, 1);
        assert_list(catalog, "job-a-27 job-a-26");
        assert_ok(catalog_list(catalog, "a", true, &list, err));
        cr_expect_str_eq(list.items[0].error, "told by the share");
        cr_expect_str_eq(list.items[0].error_kind, "timeout");
        cr_expect(!list.items[0].path && !list.items[0].point);
        cr_expect(!streq(list.items[1].error, "told by the share"), "what the catalog knows stays");
        assert_ok(catalog_add_failures(catalog, &failures, &added, err));
        cr_expect_eq(added, 0);

        struct point_list points = { 0 };
        add_point(&points, known);
        add_point(&points, lost);
        free_points(&points);
}

Test(reconcile, a_row_that_says_something_else_is_corrected)
{
        _cleanup_(catalog_freep) struct catalog *catalog = open_catalog(true);
        _cleanup_catalog_list_ struct catalog_list list = { 0 };
        struct point_list points = { 0 };

        add_point(&points, make_point("a", 30));
        assert_reconciled(catalog, &points, 1, 0);
        points.items[0].state.held = true;
        points.items[0].state.verified = 77;
        strv_add(&points.items[0].metadata->warnings, "another");
        assert_reconciled(catalog, &points, 0, 0);
        assert_ok(catalog_list(catalog, NULL, false, &list, err));
        cr_assert_eq(list.count, 1);
        cr_assert(list.items[0].held && list.items[0].verified == 77 &&
                  strv_length(list.items[0].warnings) == 2);
        free_points(&points);
}

Test(reconcile, what_agrees_is_not_written_again)
{
        _cleanup_(catalog_freep) struct catalog *catalog = open_catalog(true);
        struct point_list points = { 0 };
        struct stat before, after;

        add_point(&points, make_point("a", 30));
        add_point(&points, make_point("b", 30));
        assert_reconciled(catalog, &points, 2, 0);
        cr_assert_eq(stat(file, &before), 0);
        assert_reconciled(catalog, &points, 0, 0);
        cr_assert_eq(stat(file, &after), 0);
        cr_assert(before.st_mtim.tv_sec == after.st_mtim.tv_sec &&
                  before.st_mtim.tv_nsec == after.st_mtim.tv_nsec);
        free_points(&points);
}

Test(reconcile, a_folder_moved_or_copied_by_hand)
{
        _cleanup_(catalog_freep) struct catalog *catalog = open_catalog(true);
        struct point_list points = { 0 };

        add_point(&points, make_point("a", 30));
        assert_reconciled(catalog, &points, 1, 0);
        xstrdup_replace(&points.items[0].path, "hv2/a/30");
        xstrdup_replace(&points.items[0].hypervisor, "hv2");
        assert_reconciled(catalog, &points, 1, 1);
        add_point(&points, make_point("a", 30)); /* the same job, in two folders: both are there */
        assert_reconciled(catalog, &points, 1, 0);
        assert_reconciled(catalog, &points, 0, 0);
        assert_list(catalog, "hv2/a/30 hv/a/30");
        free_points(&points);
}

Test(reconcile, a_point_without_metadata_is_listed_as_damaged)
{
        _cleanup_(catalog_freep) struct catalog *catalog = open_catalog(true);
        _cleanup_catalog_list_ struct catalog_list list = { 0 };
        struct point_list points = { 0 };

        add_point(&points, make_point("a", 30));
        points.items[0].metadata = metadata_free(points.items[0].metadata);
        points.items[0].problem = xstrdup("it is empty");
        assert_reconciled(catalog, &points, 1, 0);
        assert_reconciled(catalog, &points, 0, 0);
        assert_ok(catalog_list(catalog, NULL, false, &list, err));
        cr_assert_str_eq(list.items[0].status, "damaged");
        cr_assert_str_eq(list.items[0].error, "it is empty");
        assert_pin(catalog, "a", NULL);
        free_points(&points);
}

Test(reconcile, pins_come_from_the_newest_good_point_and_never_replace_one)
{
        _cleanup_(catalog_freep) struct catalog *catalog = open_catalog(true);
        struct point_list points = { 0 };

        add_point(&points, make_point("a", 40));
        points.items[0].state.damaged = true;
        xstrdup_replace(&points.items[0].metadata->uuid, "damaged");
        add_point(&points, make_point("a", 10));
        xstrdup_replace(&points.items[1].metadata->uuid, "older");
        add_point(&points, make_point("a", 30));
        xstrdup_replace(&points.items[2].metadata->uuid, "newest");
        add_point(&points, make_point("b", 10));
        assert_ok(catalog_set_pin(catalog, "b", "by-hand", "hv9", err));
        assert_reconciled(catalog, &points, 4, 0);
        assert_pin(catalog, "a", "newest");
        assert_pin(catalog, "b", "by-hand");
        free_points(&points);

        assert_reconciled(catalog, &points, 0, 4); /* a pin outlives the points */
        assert_pin(catalog, "a", "newest");
}

/* All of it or nothing: the second point cannot be written, so the first isn't either, and nothing
 * is removed. */
Test(reconcile, fails_whole)
{
        _cleanup_(catalog_freep) struct catalog *catalog = open_catalog(true);
        struct point_list points = { 0 };
        size_t added = 99, removed = 99;

        record(catalog, "z", 5, "ok");
        add_point(&points, make_point("a", 30));
        add_point(&points, make_point("b", 30));
        free(points.items[1].vm);
        points.items[1].vm = NULL;
        cr_assert_eq(catalog_reconcile(catalog, &points, &added, &removed, NULL), -1);
        cr_assert(added == 99 && removed == 99);
        assert_list(catalog, "hv/z/5");
        catalog = catalog_free(catalog);
        catalog = open_catalog(true); /* still to be filled */
        free_points(&points);
}
