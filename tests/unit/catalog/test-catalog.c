/* What is recorded, listed, removed and copied. */
#include <signal.h>
#include <string.h>
#include <sys/resource.h>

#include "fixture.h"

TestSuite(catalog, .init = make_folder, .fini = remove_folder);

#define assert_list(catalog, vm, failed, expected)                           \
        do {                                                                 \
                _cleanup_free_ char *rows_ = list_text(catalog, vm, failed); \
                cr_assert_str_eq(rows_, expected);                           \
        } while (0)

Test(catalog, lists_newest_first_by_vm_and_with_failures_when_asked)
{
        _cleanup_(catalog_freep) struct catalog *catalog = open_catalog(true);

        record(catalog, "a", 10, "ok");
        record(catalog, "b", 30, "damaged");
        record(catalog, "a", 20, "failed");
        record(catalog, "b", 20, "cancelled");
        record(catalog, "a", 40, "ok");
        assert_list(catalog, NULL, false, "hv/a/40 hv/b/30 hv/a/10");
        assert_list(catalog, "a", false, "hv/a/40 hv/a/10");
        assert_list(catalog, "a", true, "hv/a/40 job-a-20 hv/a/10");
        assert_list(catalog, NULL, true, "hv/a/40 hv/b/30 job-b-20 job-a-20 hv/a/10");
        assert_list(catalog, "c", true, "");
        assert_list(catalog, "a' OR 1 --", true, "");
}

Test(catalog, a_job_is_recorded_once_and_a_path_too)
{
        _cleanup_(catalog_freep) struct catalog *catalog = open_catalog(true);
        _cleanup_catalog_entry_ struct catalog_entry entry = make_entry("a", 10, "failed");
        _cleanup_catalog_entry_ struct catalog_entry again = make_entry("a", 10, "ok");
        _cleanup_catalog_entry_ struct catalog_entry same_path = make_entry("a", 10, "damaged");

        assert_ok(catalog_record(catalog, &entry, err));
        assert_ok(catalog_record(catalog, &entry, err));
        assert_list(catalog, NULL, true, "job-a-10");
        assert_ok(catalog_record(catalog, &again, err));
        assert_list(catalog, NULL, true, "hv/a/10");
        xstrdup_replace(&same_path.job, "another");
        assert_ok(catalog_record(catalog, &same_path, err));
        assert_list(catalog, NULL, true, "hv/a/10");
}

Test(catalog, a_status_that_is_none_is_refused_and_nothing_changes)
{
        _cleanup_(catalog_freep) struct catalog *catalog = open_catalog(true);
        _cleanup_catalog_entry_ struct catalog_entry entry = make_entry("a", 10, "skipped");
        _cleanup_error_ struct error *error = NULL;

        record(catalog, "a", 10, "failed");
        cr_assert_eq(catalog_record(catalog, &entry, &error), -1);
        /* the deletion was rolled back with the rest */
        assert_list(catalog, NULL, true, "job-a-10");
        record(catalog, "a", 20, "ok"); /* and no transaction is left open */
}

Test(catalog, old_failures_are_forgotten_points_never)
{
        _cleanup_(catalog_freep) struct catalog *catalog = open_catalog(true);
        const int64_t day = 86400;

        record(catalog, "a", 1, "failed");
        record(catalog, "a", 2, "ok");
        record(catalog, "a", 3, "cancelled");
        record(catalog, "b", 5 * day, "failed");
        record(catalog, "a", 91 * day, "ok");
        assert_list(catalog, NULL, true, "hv/a/7862400 job-b-432000 hv/a/2");
}

Test(catalog, removes_a_point)
{
        _cleanup_(catalog_freep) struct catalog *catalog = open_catalog(true);

        record(catalog, "a", 10, "ok");
        record(catalog, "a", 20, "ok");
        assert_ok(catalog_remove_point(catalog, "hv/a/10", err));
        assert_ok(catalog_remove_point(catalog, "hv/a/none", err));
        assert_list(catalog, NULL, true, "hv/a/20");
}

Test(catalog, pins)
{
        struct catalog *catalog = open_catalog(true);
        char *uuid = (char *)"untouched", *hypervisor = (char *)"untouched";

        assert_ok(catalog_get_pin(catalog, "a", &uuid, &hypervisor, err));
        cr_assert(!uuid && !hypervisor);
        assert_ok(catalog_set_pin(catalog, "a", "u1", "h1", err));
        assert_ok(catalog_set_pin(catalog, "a", "u2", "h2", err));
        assert_ok(catalog_set_pin(catalog, "b", "u3", "h3", err));
        catalog_free(catalog);

        catalog = open_catalog(true);
        assert_ok(catalog_get_pin(catalog, "a", &uuid, &hypervisor, err));
        cr_assert_str_eq(uuid, "u2");
        cr_assert_str_eq(hypervisor, "h2");
        free(uuid);
        free(hypervisor);
        assert_ok(catalog_get_pin(catalog, "b", &uuid, NULL, err));
        cr_assert_str_eq(uuid, "u3");
        free(uuid);
        catalog_free(catalog);
}

Test(catalog, a_copy_is_a_whole_catalog_and_overwrites_nothing)
{
        struct catalog *catalog = open_catalog(true);
        _cleanup_free_ char *copy = xasprintf("%s/copy.db", folder);
        _cleanup_error_ struct error *error = NULL, *again = NULL;

        record(catalog, "a", 10, "ok");
        assert_ok(catalog_backup(catalog, copy, err));
        cr_assert_eq(catalog_backup(catalog, copy, &error), -1);
        cr_assert_eq(error->kind, ERROR_REFUSED);
        cr_assert_eq(catalog_backup(catalog, file, &again), -1);
        cr_assert_eq(catalog_backup(catalog, "/nowhere/at/all.db", NULL), -1);
        record(catalog, "a", 20, "ok");
        assert_list(catalog, NULL, true, "hv/a/20 hv/a/10");
        catalog_free(catalog);

        _cleanup_free_ char *n_rows = query_text(copy, "SELECT count(*) FROM entry");
        _cleanup_free_ char *verdict = query_text(copy, "PRAGMA integrity_check");
        cr_assert_str_eq(n_rows, "1");
        cr_assert_str_eq(verdict, "ok");
        cr_assert_eq(count_files(""), 4, "., .., the catalog, the copy");
}

/* A full share: the file may not grow. What was there stays, the error says why, and with room
 * again it goes on. */
Test(catalog, a_full_share_is_an_error_that_passes)
{
        _cleanup_(catalog_freep) struct catalog *catalog = open_catalog(true);
        _cleanup_catalog_entry_ struct catalog_entry big = make_entry("b", 20, "failed");
        struct rlimit before, small;
        _cleanup_error_ struct error *error = NULL;

        record(catalog, "a", 10, "ok");
        free(big.error);
        big.error = xcalloc(1, 4 << 20);
        memset(big.error, 'x', (4 << 20) - 1);
        signal(SIGXFSZ, SIG_IGN);
        cr_assert_eq(getrlimit(RLIMIT_FSIZE, &before), 0);
        small = (struct rlimit){ .rlim_cur = 1 << 20, .rlim_max = before.rlim_max };
        cr_assert_eq(setrlimit(RLIMIT_FSIZE, &small), 0);
        cr_assert_eq(catalog_record(catalog, &big, &error), -1);
        cr_assert_eq(setrlimit(RLIMIT_FSIZE, &before), 0);
        cr_assert_neq(error->kind, ERROR_CORRUPT);
        assert_list(catalog, NULL, true, "hv/a/10");
        assert_ok(catalog_record(catalog, &big, err));
        assert_list(catalog, NULL, true, "job-b-20 hv/a/10");
}
