/* Opening metadata/backup-catalog.db: catalog_open(), catalog_free().
 *
 * The order matters. The version is read before anything else, so that a newer program's database
 * is never mistaken for a corrupt one; then the whole file is checked. Only a file that SQLite
 * reports as corrupt, or that is not a catalog, is set aside: a share that is full, slow or
 * unavailable is an error, never a reason to discard the index. */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/memory.h"
#include "base/strings.h"
#include "catalog/catalog-sql.h"
#include "catalog/database.h"
#include "catalog/entry.h"

#define CATALOG_VERSION 2
#define BUSY_TIMEOUT_MS 2000
#define MAX_VALUE_BYTES (16 << 20)

enum database_state { DATABASE_GOOD, DATABASE_EMPTY, DATABASE_CORRUPT };

struct catalog *catalog_free(struct catalog *catalog)
{
        if (!catalog)
                return NULL;
        sqlite3_close(catalog->db);
        free(catalog->path);
        free(catalog->set_aside);
        free(catalog);
        return NULL;
}

const char *catalog_set_aside(const struct catalog *catalog)
{
        return catalog->set_aside;
}

/* One number, or a text of which *ret_text gets a copy. */
static int database_query(struct catalog *catalog, const char *sql, int64_t *ret_number,
                          char **ret_text, struct error **err)
{
        _cleanup_statement_ sqlite3_stmt *statement = database_prepare(catalog, sql, err);
        int row = statement ? database_step(catalog, statement, err) : -1;

        if (row < 0)
                return -1;
        if (row == 0)
                return error_set(err, ERROR_INTERNAL,
                                 "the catalog %s returned no row for a query that always has one",
                                 catalog->path);
        if (ret_number)
                *ret_number = sqlite3_column_int64(statement, 0);
        if (ret_text)
                *ret_text = database_column_text(statement, 0);
        return 0;
}

/* EXCLUSIVE comes first: a database that was left in WAL mode can then be changed back without
 * shared memory. */
static int database_set_up(struct catalog *catalog, struct error **err)
{
        _cleanup_free_ char *mode = NULL;

        sqlite3_extended_result_codes(catalog->db, 1);
        sqlite3_busy_timeout(catalog->db, BUSY_TIMEOUT_MS);
        sqlite3_limit(catalog->db, SQLITE_LIMIT_LENGTH, MAX_VALUE_BYTES);
        sqlite3_db_config(catalog->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
        sqlite3_db_config(catalog->db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
        if (database_run(catalog,
                         "PRAGMA locking_mode = EXCLUSIVE; PRAGMA mmap_size = 0; PRAGMA temp_store "
                         "= MEMORY; PRAGMA synchronous = EXTRA;"
                         "PRAGMA foreign_keys = ON; PRAGMA cell_size_check = ON;",
                         err) < 0)
                return -1;
        if (database_query(catalog, "PRAGMA journal_mode = DELETE", NULL, &mode, err) < 0)
                return -1;
        if (!streq(mode, "delete"))
                return error_set(
                        err, ERROR_INTERNAL,
                        "the catalog %s cannot be set to journal_mode DELETE (it stays %s)",
                        catalog->path, mode ? mode : "unknown");
        /* The lock is taken now and, in this locking mode, kept to the end. */
        return database_run(catalog, "BEGIN EXCLUSIVE; COMMIT", err);
}

/* Every column that the table of fields names, in its order. */
static int check_columns(struct catalog *catalog, struct error **err)
{
        _cleanup_statement_ sqlite3_stmt *entries =
                database_prepare(catalog, "SELECT " ENTRY_COLUMNS " FROM entry LIMIT 0", err);
        _cleanup_statement_ sqlite3_stmt *others =
                entries ? database_prepare(catalog,
                                           "SELECT vm, uuid, hypervisor, reconciled FROM pin, "
                                           "condition LIMIT 0",
                                           err)
                        : NULL;

        if (!others)
                return -1;
        for (int i = 0; catalog_entry_fields[i].name; i++)
                assert(streq(sqlite3_column_name(entries, i), catalog_entry_fields[i].name));
        return 0;
}

static int database_examine(struct catalog *catalog, enum database_state *ret, struct error **err)
{
        int64_t version = 0, n_tables = 0;
        _cleanup_free_ char *verdict = NULL;

        if (database_query(catalog, "PRAGMA user_version", &version, NULL, err) < 0)
                return -1;
        if (version > CATALOG_VERSION)
                return error_set(err, ERROR_REFUSED,
                                 "the catalog %s was made by a newer orch (version %lld, this one "
                                 "knows %d): use that orch, or "
                                 "move the file away and run `orch catalog rebuild`",
                                 catalog->path, (long long)version, CATALOG_VERSION);
        if (database_query(catalog, "SELECT count(*) FROM sqlite_master", &n_tables, NULL, err) < 0)
                return -1;
        if (n_tables == 0) {
                *ret = DATABASE_EMPTY;
                return 0;
        }
        if (database_query(catalog, "PRAGMA integrity_check(1)", NULL, &verdict, err) < 0)
                return -1;
        *ret = version == CATALOG_VERSION && streq(verdict, "ok") &&
                               check_columns(catalog, NULL) == 0
                       ? DATABASE_GOOD
                       : DATABASE_CORRUPT;
        return 0;
}

static int make_tables(struct catalog *catalog, struct error **err)
{
        if (database_begin(catalog, err) < 0)
                return -1;
        if (database_end(catalog, database_run(catalog, catalog_sql, err), err) < 0)
                return -1;
        return check_columns(catalog, err);
}

static struct catalog *open_and_examine(const char *path, enum database_state *ret_state,
                                        struct error **err)
{
        _cleanup_error_ struct error *error = NULL;
        _cleanup_(catalog_freep) struct catalog *catalog = xcalloc(1, sizeof *catalog);
        int result;

        catalog->path = xstrdup(path);
        result = sqlite3_open_v2(path, &catalog->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE,
                                 NULL);
        if (result != SQLITE_OK) {
                database_error(catalog, result, "cannot open the file", err);
                return NULL;
        }
        if (database_set_up(catalog, &error) < 0 ||
            database_examine(catalog, ret_state, &error) < 0) {
                if (error->kind != ERROR_CORRUPT) {
                        error_propagate(err, TAKE_PTR(error));
                        return NULL;
                }
                *ret_state = DATABASE_CORRUPT;
        }
        return TAKE_PTR(catalog);
}

/* Durable, and never over an earlier one: rename() would. A file that is not there is fine. */
static int rename_aside(const char *path, const char *suffix, const char *aside, struct error **err)
{
        _cleanup_free_ char *from = xasprintf("%s%s", path, suffix);
        _cleanup_free_ char *to = xasprintf("%s%s", aside, suffix);

        if (rename(from, to) == 0 || errno == ENOENT)
                return 0;
        return error_set_errno(err, ERROR_INTERNAL, errno,
                               "cannot set the corrupt catalog %s aside as %s", from, to);
}

static char *choose_aside(const char *path)
{
        _cleanup_free_ char *time = clock_format_folder(clock_realtime_s());
        char *aside = xasprintf("%s.corrupt-%s", path, time);
        struct stat st;

        for (unsigned i = 2; lstat(aside, &st) == 0; i++) {
                free(aside);
                aside = xasprintf("%s.corrupt-%s-%u", path, time, i);
        }
        return aside;
}

/* The journal goes first: a new database must never meet an old journal, which SQLite would play
 * into it. */
static int database_set_aside(const char *path, char **ret_aside, struct error **err)
{
        _cleanup_free_ char *aside = choose_aside(path);
        _cleanup_free_ char *directory = path_directory(path);
        _cleanup_close_ int dir_fd = -1;

        if (rename_aside(path, "-journal", aside, err) < 0 ||
            rename_aside(path, "-wal", aside, err) < 0 || rename_aside(path, "", aside, err) < 0)
                return -1;
        dir_fd = fs_open_dir_at(AT_FDCWD, directory, err);
        if (dir_fd < 0 || fs_sync_dir(dir_fd, directory, err) < 0)
                return -1;
        *ret_aside = TAKE_PTR(aside);
        return 0;
}

static int catalog_make_folder(const char *path, struct error **err)
{
        _cleanup_free_ char *directory = path_directory(path);
        return fs_make_dir_at(AT_FDCWD, directory, 0755, err);
}

struct catalog *catalog_open(const char *path, bool *ret_rebuild_needed, struct error **err)
{
        enum database_state state = DATABASE_GOOD;
        int64_t reconciled = 0;
        _cleanup_free_ char *aside = NULL;
        _cleanup_(catalog_freep) struct catalog *catalog = NULL;

        if (catalog_make_folder(path, err) < 0)
                return NULL;
        catalog = open_and_examine(path, &state, err);
        if (!catalog)
                return NULL;
        if (state == DATABASE_CORRUPT) {
                /* closed before it is renamed: SQLite must not write through the old name */
                catalog = catalog_free(catalog);
                if (database_set_aside(path, &aside, err) < 0)
                        return NULL;
                catalog = open_and_examine(path, &state, err);
                if (!catalog)
                        return NULL;
                if (state != DATABASE_EMPTY) {
                        error_set(err, ERROR_CORRUPT,
                                  "the catalog %s was set aside as corrupt, but a new one is not "
                                  "empty",
                                  path);
                        return NULL;
                }
        }
        if (state == DATABASE_EMPTY && make_tables(catalog, err) < 0)
                return NULL;
        if (database_query(catalog, "SELECT coalesce(min(reconciled), 0) FROM condition",
                           &reconciled, NULL, err) < 0)
                return NULL;
        *ret_rebuild_needed = !reconciled;
        catalog->set_aside = TAKE_PTR(aside);
        return TAKE_PTR(catalog);
}
