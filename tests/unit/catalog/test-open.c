/* Files that are no catalog, or are one no more: what is set aside, and what is made anew. */
#include <sqlite3.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/fs.h"
#include "fixture.h"

TestSuite(open, .init = make_folder, .fini = remove_folder);

static void reconcile_with_nothing(struct catalog *catalog)
{
        size_t added = 0, removed = 0;
        assert_ok(catalog_reconcile(catalog, &(struct point_list){ 0 }, &added, &removed, err));
}

/* A catalog with 300 points: some tens of pages. */
static void make_filled(void)
{
        _cleanup_(catalog_freep) struct catalog *catalog = open_catalog(true);
        struct point_list points = { 0 };
        size_t added = 0, removed = 0;

        for (int i = 0; i < 300; i++)
                add_point(&points, make_point("a", 1000 + i));
        assert_ok(catalog_reconcile(catalog, &points, &added, &removed, err));
        free_points(&points);
}

static void write_at(long offset, const char *bytes, size_t length)
{
        FILE *stream = fopen(file, "r+e");
        cr_assert(stream && fseek(stream, offset, SEEK_SET) == 0 &&
                  fwrite(bytes, 1, length, stream) == length && fclose(stream) == 0);
}

static void assert_was_set_aside(void)
{
        _cleanup_(catalog_freep) struct catalog *catalog = open_catalog(true);
        _cleanup_free_ char *rows = list_text(catalog, NULL, true);

        cr_assert_str_eq(rows, "");
        cr_assert_eq(count_files("backup-catalog.db.corrupt-"), 1);
        record(catalog, "a", 1, "ok");
}

Test(open, a_new_one_wants_to_be_filled_until_it_was_reconciled_once)
{
        struct catalog *catalog = open_catalog(true);
        record(catalog, "a", 1, "ok");
        catalog_free(catalog);

        catalog = open_catalog(true);
        reconcile_with_nothing(catalog);
        catalog_free(catalog);

        catalog = open_catalog(false);
        catalog_free(catalog);
        cr_assert_eq(count_files("backup-catalog.db"), 1, "no journal, no WAL, nothing set aside");
}

Test(open, makes_the_folder_it_stands_in)
{
        char *before = file;
        file = xasprintf("%s/metadata/backup-catalog.db", folder);
        catalog_free(open_catalog(true));
        free(file);
        file = xasprintf("%s/no/metadata/backup-catalog.db", folder);
        bool rebuild;
        cr_assert_not(catalog_open(file, &rebuild, NULL));
        free(file);
        file = before;
}

Test(open, the_files_version_is_the_codes)
{
        catalog_free(open_catalog(true));
        _cleanup_free_ char *version = query_text(file, "PRAGMA user_version");
        _cleanup_free_ char *mode = query_text(file, "PRAGMA journal_mode");
        cr_assert_str_eq(version, "2");
        cr_assert_str_eq(mode, "delete");
}

Test(open, garbage_is_set_aside_whole)
{
        assert_ok(fs_write_file(file, 0644, "this is no database, but somebody's letter", 42, err));
        assert_was_set_aside();

        _cleanup_free_ char *command = xasprintf("cat %s/backup-catalog.db.corrupt-*", folder);
        FILE *stream = popen(command, "r");
        char text[64] = "";
        cr_assert(fgets(text, sizeof text, stream));
        pclose(stream);
        cr_assert_str_eq(text, "this is no database, but somebody's letter");
}

/* A journal that SQLite has no use for (its head is wiped) stays where it is; it must not stay
 * beside the new one. */
Test(open, a_journal_beside_garbage_goes_with_it)
{
        _cleanup_free_ char *journal = xasprintf("%s-journal", file);
        const char wiped[700] = { 0 };

        assert_ok(fs_write_file(file, 0644, "garbage, garbage, garbage", 25, err));
        assert_ok(fs_write_file(journal, 0644, wiped, sizeof wiped, err));
        catalog_free(open_catalog(true));
        cr_assert_eq(count_files("backup-catalog.db.corrupt-"), 2);
        cr_assert_eq(count_files("backup-catalog.db-journal"), 0);
}

Test(open, a_truncated_one_is_set_aside)
{
        make_filled();
        struct stat st;
        cr_assert_eq(stat(file, &st), 0);
        cr_assert_gt(st.st_size, 8 * 4096);
        cr_assert_eq(truncate(file, st.st_size / 2), 0);
        assert_was_set_aside();
}

Test(open, one_cut_within_its_first_page_is_set_aside)
{
        make_filled();
        cr_assert_eq(truncate(file, 1000), 0);
        assert_was_set_aside();
}

Test(open, a_page_of_zeros_in_the_middle_is_found)
{
        char zeros[4096] = { 0 };

        make_filled();
        write_at(6 * 4096, zeros, sizeof zeros);
        assert_was_set_aside();
}

Test(open, an_index_that_disagrees_with_its_table_is_found)
{
        make_filled();
        run_sql(file, "PRAGMA writable_schema = ON; UPDATE sqlite_master SET rootpage = "
                      "(SELECT rootpage FROM sqlite_master WHERE name = 'entry_by_start') WHERE "
                      "name = 'entry_by_vm'");
        assert_was_set_aside();
}

Test(open, a_catalog_that_lacks_a_column_is_set_aside)
{
        catalog_free(open_catalog(true));
        run_sql(file, "ALTER TABLE entry RENAME COLUMN proven TO shown");
        assert_was_set_aside();
}

Test(open, somebody_elses_database_is_set_aside)
{
        run_sql(file, "CREATE TABLE recipe (name TEXT)");
        assert_was_set_aside();
}

Test(open, an_emptied_file_is_filled_anew)
{
        make_filled();
        cr_assert_eq(truncate(file, 0), 0);
        catalog_free(open_catalog(true));
        cr_assert_eq(count_files("backup-catalog.db.corrupt-"), 0, "there is nothing to set aside");
}

Test(open, two_set_aside_in_one_second_do_not_overwrite_each_other)
{
        for (int i = 0; i < 3; i++) {
                assert_ok(fs_write_file(file, 0644, "garbage, garbage, garbage", 25, err));
                catalog_free(open_catalog(true));
        }
        cr_assert_eq(count_files("backup-catalog.db.corrupt-"), 3);
}

Test(open, a_newer_version_is_refused_and_left_alone)
{
        make_filled();
        run_sql(file, "CREATE TABLE news (a); PRAGMA user_version = 3");
        size_t length = 0;
        _cleanup_free_ char *before = fs_read_file(file, 1 << 24, &length, NULL);
        _cleanup_error_ struct error *error = NULL;
        bool rebuild = false;

        cr_assert_not(catalog_open(file, &rebuild, &error));
        cr_assert_eq(error->kind, ERROR_REFUSED);
        cr_assert(strstr(error->message, "newer orch"));
        size_t length_after = 0;
        _cleanup_free_ char *after = fs_read_file(file, 1 << 24, &length_after, NULL);
        cr_assert(length == length_after && memcmp(before, after, length) == 0);
        cr_assert_eq(count_files(""), 3, "., .. and the catalog");
}

Test(open, one_left_in_wal_mode_is_turned_back)
{
        make_filled();
        run_sql(file, "PRAGMA journal_mode = WAL; UPDATE entry SET level = 'full'");
        struct catalog *catalog = open_catalog(false);
        catalog_free(catalog);
        _cleanup_free_ char *mode = query_text(file, "PRAGMA journal_mode");
        _cleanup_free_ char *level = query_text(file, "SELECT DISTINCT level FROM entry");
        cr_assert_str_eq(mode, "delete");
        cr_assert_str_eq(level, "full");
}

/* Returns in a child whether the catalog opens there, as its exit status: 0 yes, 1 BUSY, 2 another
 * error. */
static int open_elsewhere(void)
{
        pid_t pid = fork();
        int status = 0;

        if (pid == 0) {
                struct error *error = NULL;
                bool rebuild;
                struct catalog *catalog = catalog_open(file, &rebuild, &error);
                _exit(catalog ? 0 : error->kind == ERROR_BUSY ? 1 : 2);
        }
        cr_assert_eq(waitpid(pid, &status, 0), pid);
        return WEXITSTATUS(status);
}

Test(open, a_second_process_is_told_busy_from_the_opening_on)
{
        make_filled();
        struct catalog *catalog = open_catalog(false);
        cr_assert_eq(open_elsewhere(), 1);
        catalog_free(catalog);
        cr_assert_eq(open_elsewhere(), 0);
}

Test(open, a_folder_in_its_place_is_an_error_and_no_corruption)
{
        _cleanup_error_ struct error *error = NULL;
        bool rebuild;

        cr_assert_eq(mkdir(file, 0755), 0);
        cr_assert_not(catalog_open(file, &rebuild, &error));
        cr_assert_eq(error->kind, ERROR_INTERNAL);
        cr_assert_eq(count_files("backup-catalog.db"), 1);
}
