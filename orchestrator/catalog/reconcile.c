/* catalog_reconcile(): the index follows the share, never the other way round.
 *
 * In one transaction: the paths on the share are put into a temporary table, rows whose path isn't
 * in it are removed, each point is compared with its row and written where they differ. Writing
 * only differences keeps a daemon's start from rewriting the database over NFS. */
#include "catalog/database.h"
#include "catalog/entry.h"

static int note_paths(struct catalog *catalog, const struct point_list *points, struct error **err)
{
        _cleanup_statement_ sqlite3_stmt *statement = NULL;

        if (database_run(catalog,
                         "CREATE TEMP TABLE IF NOT EXISTS on_share (path TEXT PRIMARY KEY); DELETE "
                         "FROM on_share",
                         err) < 0)
                return -1;
        statement =
                database_prepare(catalog, "INSERT OR IGNORE INTO on_share (path) VALUES (?)", err);
        if (!statement)
                return -1;
        for (size_t i = 0; i < points->count; i++) {
                if (database_bind_text(catalog, statement, 1, points->items[i].path, err) < 0 ||
                    database_finish(catalog, statement, err) < 0)
                        return -1;
                sqlite3_reset(statement);
        }
        return 0;
}

/* Returns 1 when the point had no row. */
static int reconcile_point(struct catalog *catalog, sqlite3_stmt *find, const struct point *point,
                           struct error **err)
{
        _cleanup_catalog_entry_ struct catalog_entry now = { 0 }, before = { 0 };
        int row;

        catalog_entry_from_point(point, &now);
        sqlite3_reset(find);
        if (database_bind_text(catalog, find, 1, point->path, err) < 0)
                return -1;
        row = database_step(catalog, find, err);
        if (row < 0)
                return -1;
        if (row > 0)
                entry_read_row(find, &before);
        sqlite3_reset(find);
        if (row > 0 && entry_equal(&before, &now))
                return 0;
        return entry_insert(catalog, &now, err) < 0 ? -1 : row == 0;
}

static int reconcile_points(struct catalog *catalog, const struct point_list *points,
                            size_t *ret_added, struct error **err)
{
        _cleanup_statement_ sqlite3_stmt *find = database_prepare(
                catalog, "SELECT " ENTRY_COLUMNS " FROM entry WHERE path = ?", err);

        if (!find)
                return -1;
        for (size_t i = 0; i < points->count; i++) {
                int added = reconcile_point(catalog, find, &points->items[i], err);
                if (added < 0)
                        return -1;
                *ret_added += (size_t)added;
        }
        return 0;
}

static int reconcile_failures(struct catalog *catalog, const struct failure_list *failures,
                              size_t *ret_added, struct error **err)
{
        _cleanup_statement_ sqlite3_stmt *find =
                database_prepare(catalog, "SELECT 1 FROM entry WHERE job = ?", err);

        if (!find)
                return -1;
        for (size_t i = 0; i < failures->count; i++) {
                _cleanup_catalog_entry_ struct catalog_entry entry = { 0 };
                int row;

                catalog_entry_from_metadata(failures->items[i], NULL, &entry);
                if (database_bind_text(catalog, find, 1, entry.job, err) < 0)
                        return -1;
                row = database_step(catalog, find, err);
                sqlite3_reset(find);
                if (row < 0 || (row == 0 && entry_insert(catalog, &entry, err) < 0))
                        return -1;
                *ret_added += row == 0;
        }
        return 0;
}

int catalog_add_failures(struct catalog *catalog, const struct failure_list *failures,
                         size_t *ret_added, struct error **err)
{
        size_t added = 0;

        if (database_begin(catalog, err) < 0)
                return -1;
        if (database_end(catalog, reconcile_failures(catalog, failures, &added, err), err) < 0)
                return -1;
        *ret_added = added;
        return 0;
}

static int reconcile_all(struct catalog *catalog, const struct point_list *points,
                         size_t *ret_added, size_t *ret_removed, struct error **err)
{
        if (note_paths(catalog, points, err) < 0)
                return -1;
        if (database_run(catalog,
                         "DELETE FROM entry WHERE path IS NOT NULL AND path NOT IN (SELECT path "
                         "FROM on_share)",
                         err) < 0)
                return -1;
        *ret_removed = (size_t)sqlite3_changes(catalog->db);
        if (reconcile_points(catalog, points, ret_added, err) < 0)
                return -1;
        /* The newest comes first, and INSERT OR IGNORE keeps the first one. */
        return database_run(catalog,
                            "INSERT OR IGNORE INTO pin (vm, uuid, hypervisor) SELECT vm, uuid, "
                            "hypervisor FROM entry "
                            "WHERE status = 'ok' AND path IS NOT NULL AND uuid IS NOT NULL AND "
                            "hypervisor IS NOT NULL ORDER BY started DESC;"
                            "UPDATE condition SET reconciled = 1 WHERE NOT reconciled",
                            err);
}

int catalog_reconcile(struct catalog *catalog, const struct point_list *points, size_t *ret_added,
                      size_t *ret_removed, struct error **err)
{
        size_t added = 0, removed = 0;

        if (database_begin(catalog, err) < 0)
                return -1;
        if (database_end(catalog, reconcile_all(catalog, points, &added, &removed, err), err) < 0)
                return -1;
        *ret_added = added;
        *ret_removed = removed;
        return 0;
}
